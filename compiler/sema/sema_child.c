// Children: a module's dimensions, counts and constants where it is used, and its parts by name.
#include "compiler/sema/sema_habits.h"
#include <string.h>

static void check_needs(Sema *s, const Module *m, const AxList *map, Span at) {
  bool fits;
  static const char *const relation[] = {"equal", "less than", "at most"};
  for (int i = 0; i < m->needs.n; i++) {
    const Need *need = &m->needs.v[i];
    if (size_need(s, m, map, need))
      continue;
    Poly a = size_subst(s, &need->a, map, &fits), b = size_subst(s, &need->b, map, &fits);
    Diag *g =
        sema_error(s, ERR_SIZES_DIFFER, at, "the sizes do not fit `%s`: %s wants %s to be %s %s",
                   m->name, need->text, size_str(s, &a),
                   need->kind == NEED_EQUAL ? "equal to" : relation[need->kind], size_str(s, &b));
    diag_note(s->d, g, need->span, "in `%s`", m->name);
  }
}

// ---- children
static const char *generics_str(Sema *s, const Module *m) {
  const char *t = "[";
  for (int i = 0; i < m->ngenerics; i++)
    t = arena_printf(s->a, "%s%s%s%s", t,
                     !i              ? ""
                     : i == m->nleft ? " -> "
                                     : ", ",
                     m->generics[i].name.s, m->generics[i].pack ? "..." : "");
  return arena_printf(s->a, "%s]", t);
}

static bool map_side(Sema *s, const Module *m, int lo, int hi, const AxisNames *given, Span at,
                     AxList *map) {
  int packs = 0;
  for (int i = lo; i < hi; i++)
    packs += m->generics[i].pack;
  if (packs > 1)
    return false; // reported where the module is declared
  int fixed = hi - lo - packs;
  if (given->n < fixed || (!packs && given->n > fixed)) {
    Diag *g = sema_error(s, ERR_WRONG_GENERICS, at,
                         "`%s` is declared with %s, and here %s %d dimension%s on this side",
                         m->name, generics_str(s, m), given->n == 1 ? "is" : "are", given->n,
                         given->n == 1 ? "" : "s");
    sema_label(s, g, m->decl->name.span, "declared here");
    return false;
  }
  for (int i = lo, k = 0; i < hi; i++) {
    int n = m->generics[i].pack ? given->n - fixed : 1;
    for (int j = 0; j < n; j++) {
      AxList one = {0};
      if (!ax_refs(s, &given->v[k + j], 1, NULL, 0, &one))
        return false;
      for (int q = 0; q < one.n; q++) {
        const char *why =
            one.v[q]->kind == AX_LOCAL ? "is a local axis: a child needs a declared dimension"
            : !m->generics[i].pack && one.v[q]->pack ? "is a group, and one dimension is wanted"
            : ax_in(&map[i], one.v[q])               ? "stands twice here"
                                                     : NULL;
        if (why) {
          sema_error(s, one.v[q]->kind == AX_LOCAL ? ERR_LOCAL_ESCAPES : ERR_AXES_MISPLACED,
                     given->v[k + j].span, "`%s` %s", one.v[q]->name, why);
          return false;
        }
      }
      map[i] = ax_join(s, map[i], one);
    }
    k += n;
  }
  return true;
}

AxList *child_axes(Sema *s, const Stmt *st, const Module *m) {
  AxList *map = NEWN(s->a, AxList, m->ngenerics + 1);
  const Generics *g = st->generics;
  bool arrow = m->nleft < m->ngenerics;
  if (!g && !m->ngenerics)
    return map;
  if (!g || (g->arrow != arrow) || (g && !m->ngenerics)) {
    Diag *d =
        sema_error(s, ERR_WRONG_GENERICS, g ? g->span : st->module.span,
                   m->ngenerics ? "`%s` needs its dimensions: `%s%s`" : "`%s` takes no dimensions",
                   m->name, m->name, generics_str(s, m));
    if (!m->prelude)
      sema_label(s, d, m->decl->name.span, "declared here");
    if (!g)
      sema_declared_help(s, d, m, &st->args);
    else if (arrow && m->ngenerics == 2 && g->in.n == 2)
      diag_help(
          s->d, d,
          "write `%s[%s -> %s]`: in front of the arrow what it takes, behind it what it makes",
          m->name, g->in.v[0].name.s, g->in.v[1].name.s);
    return NULL;
  }
  if (!map_side(s, m, 0, m->nleft, &g->in, g->span, map) ||
      !map_side(s, m, m->nleft, m->ngenerics, &g->out, g->span, map))
    return NULL;
  return map;
}

// Generics along which parameters lie are compile-time constants; a generic of this body that they
// come from is so too.
static void check_static(Sema *s, const Stmt *st, const Module *m, const AxList *map) {
  for (int i = 0; i < m->ngenerics; i++) {
    if (!m->generics[i].is_static)
      continue;
    for (int k = 0; k < map[i].n; k++) {
      Ax *a = map[i].v[k];
      int64_t n;
      if (a->kind == AX_GENERIC && checking(s)) {
        Module *own = s->frame->mod;
        for (int j = 0; own && j < s->frame->ngenerics; j++)
          if (ax_in(&s->frame->map[j], a))
            own->generics[j].is_static = true;
      } else if (!ax_const(a, &n)) {
        Diag *g = sema_error(s, ERR_RUN_TIME_ONLY, st->module.span,
                             "`%s` has parameters along `%s`, and `%s` is known only at run time",
                             m->name, m->generics[i].name.s, a->name);
        sema_note_axes(s, g, &a, 1);
      }
    }
  }
}

static int64_t child_count(Sema *s, const Stmt *st, Ax **along) {
  int64_t n;
  if (st->repeat == REPEAT_NONE)
    return 1;
  Ax *a = *along = ax_ref(s, st->count, NULL);
  if (!a)
    return 0;
  if (a->kind == AX_GENERIC && checking(s)) {
    for (int j = 0; s->frame->mod && j < s->frame->ngenerics; j++)
      if (ax_in(&s->frame->map[j], a))
        s->frame->mod->generics[j].is_static = true;
    return 1;
  }
  if (ax_const(a, &n))
    return n;
  Diag *g = sema_error(s, ERR_RUN_TIME_ONLY, st->count.span,
                       "the count `%s` is known only at run time", a->name);
  sema_note_axes(s, g, &a, 1);
  return 0;
}

// Numbers that an `if` of the module depends on are known without the body's values.
static void decide_arg(Sema *s, const Stmt *st, const Child *c, int k, const Expr *e, int64_t i) {
  bool varies = false;
  if (checking(s) && c->mod->deciding[k] && !is_poison(c->args[k]))
    sema_decide(s, st, e, i, &varies);
}

static void give_arg(Sema *s, const Stmt *st, Child *c, int k, const Expr *e, int64_t i) {
  Saved old = frame_save(s);
  sema_bind_index(s, st, i);
  c->args[k] = sema_constant(s, e, "an argument where a child is declared");
  frame_restore(s, old);
  decide_arg(s, st, c, k, e, i);
}

static void child_args(Sema *s, const Stmt *st, Child *c, int64_t layer) {
  const Formals *f = &c->mod->decl->formals;
  c->args = NEWN(s->a, Value *, f->n + 1);
  for (int i = 0; i < st->args.n; i++) {
    const Arg *a = &st->args.v[i];
    int k = 0;
    if (!a->name.s) {
      sema_error(s, ERR_WRONG_ARGUMENTS, a->span,
                 "arguments where a child is declared are named: `eps: 1e-5`");
      continue;
    }
    while (k < f->n && f->v[k].name.s != a->name.s)
      k++;
    if (k == f->n) {
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` has no argument `%s`",
                           c->mod->name, a->name.s);
      Suggest best = {.wanted = a->name.s};
      for (int j = 0; j < f->n; j++) {
        suggest_add(&best, f->v[j].name.s);
        if (!strcmp(a->name.s, "bias") && !strcmp(f->v[j].name.s, "biased"))
          best.best = "biased";
      }
      suggest_help(s, g, &best);
    } else if (c->args[k])
      sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` is given twice", a->name.s);
    else
      give_arg(s, st, c, k, a->value, layer);
  }
}

Child *child_declared(Sema *s, const Stmt *st, const char *name, int64_t layer) {
  Module *m = module_find(s, st->module.s);
  if (!m) {
    Diag *g = sema_error(s, ERR_UNKNOWN_NAME, st->module.span, "unknown module `%s`", st->module.s);
    if (sema_left_out(s, g, st->module.s) || sema_foreign_module(s, g, st))
      return NULL;
    Suggest best = {.wanted = st->module.s};
    if (!s->frame->prelude)
      suggest_table(&best, &s->m->user_mods);
    suggest_table(&best, &s->m->prelude_mods);
    suggest_help(s, g, &best);
    return NULL;
  }
  bool usable = module_check(s, m, st->module.span);
  Child *c = NEW(s->a, Child);
  c->name = name;
  c->stmt = st;
  c->mod = m;
  c->map = child_axes(s, st, m);
  c->repeat = st->repeat;
  c->count = child_count(s, st, &c->along);
  if (c->map || st->generics) // else `Linear(H, F)`: told of its dimensions
    child_args(s, st, c, layer);
  if (!c->map || !usable || !c->count)
    return NULL;
  if (checking(s)) {
    frame_raise_height(s, m->height);
    check_static(s, st, m, c->map);
    check_needs(s, m, c->map, st->module.span);
    Frame *f = frame_owner(s->frame);
    for (int i = 0; f && f->mod && i < s->m->dims.n; i++)
      f->mod->uses[i] |= m->uses[i];
  }
  return c;
}

// The names of a draft came one after the other, and none has to know of all the others.
static void index_is_new(Sema *s, const Stmt *st) {
  bool matters = checking(s) && !s->m->opt.draft;
  const Bound *b = matters ? scope_find(s->scope, st->index.s) : NULL;
  if (b && b->stmt != st)
    sema_label(s, sema_error(s, ERR_NAME_TWICE, st->index.span, "`%s` is bound twice", st->index.s),
               b->span, "first here");
}

Child *child_make(Sema *s, const Stmt *st, const char *name, ModuleInst *owner) {
  const InstChild *inst = owner ? names_get(&owner->children, name) : NULL;
  CHECK(!owner || inst);
  if (st->index.s) {
    index_is_new(s, st);
    return layers_make(s, st, name, inst);
  }
  bool varies = false;
  Child *c = child_declared(s, child_chosen(s, st, 0, &varies), name, 0);
  if (c && inst)
    c->inst = inst->inst;
  if (c && checking(s))
    child_alternatives(s, st, name, c, varies);
  return c;
}

// ---- child.weight, child.part
static const Stmt *find_part(const Module *m, const char *name) {
  const Stmts *st = &m->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    for (int k = 0; k < st->v[i]->names.n; k++)
      if ((st->v[i]->kind == ST_PARAM || st->v[i]->kind == ST_CHILD) &&
          st->v[i]->names.v[k].s == name)
        return st->v[i];
  return NULL;
}

static Value *unknown_part(Sema *s, const Child *c, Name part) {
  Diag *g = sema_error(s, ERR_UNKNOWN_NAME, part.span,
                       "`%s` (module `%s`) has no parameter and no child `%s`", c->name,
                       c->mod->name, part.s);
  Suggest best = {.wanted = part.s};
  const Stmts *st = &c->mod->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    for (int k = 0; k < st->v[i]->names.n; k++)
      if (st->v[i]->kind == ST_PARAM || st->v[i]->kind == ST_CHILD)
        suggest_add(&best, st->v[i]->names.v[k].s);
  suggest_help(s, g, &best);
  return v_poison(s);
}

static Value *part_param(Sema *s, const Child *c, Name part, const Stmt *st, const Ty *t) {
  Value *v = v_tensor(s, t->dtype, t->ax);
  if (checking(s))
    return v;
  ModuleInst *inst = c->inst[0];
  const ParamDecl *p = names_get(&inst->params, part.s);
  CHECK(p && p->stmt == st);
  sema_mark(s, part.span);
  Value *x = sema_param(s, p);
  AxList from = {0}, to = {0};
  for (int i = 0; i < c->mod->ngenerics; i++) {
    from = ax_join(s, from, inst->inner[i]);
    AxList both = {NEWN(s->a, Ax *, to.n + c->map[i].n), 0};
    for (int k = 0; k < to.n; k++)
      both.v[both.n++] = to.v[k];
    for (int k = 0; k < c->map[i].n; k++)
      both.v[both.n++] = c->map[i].v[k];
    to = both;
  }
  return v_rename(s, x, &from, &to);
}

static Value *no_single_part(Sema *s, const Child *c, Name part) {
  Diag *g = sema_error(s, ERR_FUNCTION_OR_VALUE, part.span,
                       "`%s` is repeated: its parts have no single name", c->name);
  diag_help(s->d, g, "`%s[0].%s` is that of the first layer", c->name, part.s);
  return v_poison(s);
}

Value *child_part(Sema *s, Child *c, Name part) {
  bool every = c->repeat != REPEAT_NONE && !strcmp(part.s, "all");
  if (every && (c->repeat == REPEAT_REPEAT || !find_part(c->mod, part.s)))
    return child_all(s, c);
  if (c->repeat == REPEAT_REPEAT)
    return no_single_part(s, c, part);
  const Stmt *st = find_part(c->mod, part.s);
  if (!st)
    return c->mod->decl->body->bad ? v_poison(s) : unknown_part(s, c, part);
  const char *dotted = c->dotted ? arena_printf(s->a, "%s.%s", c->dotted, part.s) : part.s;
  Saved old = frame_save(s);
  int depth = s->frame->depth;
  Frame *f = frame_push(s, FR_MODULE, c->mod->name, part.span);
  f->seq = c->mod->seq;
  f->prelude = c->mod->prelude;
  f->generics = c->mod->generics;
  f->ngenerics = c->mod->ngenerics;
  f->map = c->map;
  f->depth = depth;
  sema_bind_numbers(s, c->mod, c->args);
  if (st->kind == ST_CHILD) {
    Child *sub = child_make(s, st, part.s, s->g ? c->inst[0] : NULL);
    frame_restore(s, old);
    if (!sub)
      return v_poison(s);
    sub->root = c->root;
    sub->dotted = dotted;
    Value *v = v_poison(s);
    v->kind = V_CHILD;
    v->child = sub;
    return v;
  }
  s->type_at = part.span;
  s->type_of = arena_printf(s->a, "`%s.%s`", c->name, part.s);
  Ty t = ty_eval(s, st->type, false);
  s->type_at = (Span){0};
  bool absent = s->g && !t.bad && !names_get(&c->inst[0]->params, part.s);
  Value *v = absent ? param_absent(s, st, &t) : NULL;
  frame_restore(s, old);
  if (t.bad || v)
    return v ? v : v_poison(s);
  if (checking(s) && c->root)
    vec_push(s->a, &c->root->parts, dotted);
  v = part_param(s, c, part, st, &t);
  v->param = st;
  return v;
}

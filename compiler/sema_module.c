// Modules and fns at their definition: checked once, with generics and `..` opaque; and children, which instantiate them.
#include "compiler/sema_impl.h"
#include <string.h>

Module *module_find(Sema *s, const char *name) {
  Module *m = s->frame->prelude ? NULL : names_get(&s->m->user_mods, name);
  return m ? m : names_get(&s->m->prelude_mods, name);
}

Fn *fn_find(Sema *s, const char *name) {
  Fn *f = s->frame->prelude ? NULL : names_get(&s->m->user_fns, name);
  return f ? f : names_get(&s->m->prelude_fns, name);
}

static void add_generics(Sema *s, const AxisNames *v, int side, Generic *out, int *n) {
  int packs = 0;
  for (int i = 0; i < v->n && *n < MAX_GENERICS; i++) {
    for (int k = 0; k < *n; k++)
      if (out[k].name.s == v->v[i].name.s)
        sema_error(s, 302, v->v[i].span, "generic `%s` is declared twice", v->v[i].name.s);
    packs += v->v[i].pack;
    if (v->v[i].pack && packs == 2)
      sema_error(s, 312, v->v[i].span, "a side of `->` has one group `%s...` at most", v->v[i].name.s);
    out[(*n)++] = (Generic){.name = v->v[i].name, .pack = v->v[i].pack, .side = side};
  }
}

void sema_generics(Sema *s, const Generics *g, Generic **out, int *n, int *nleft) {
  *n = *nleft = 0;
  if (!g)
    return;
  if (g->in.n + g->out.n > MAX_GENERICS)
    sema_error(s, 312, g->span, "at most %d generics", MAX_GENERICS);
  *out = NEWN(s->a, Generic, g->in.n + g->out.n);
  add_generics(s, &g->in, 0, *out, n);
  *nleft = *n;
  add_generics(s, &g->out, 1, *out, n);
}

// ---- conditions on sizes
Poly size_subst(Sema *s, const Poly *p, const AxList *map, bool *fits) {
  Poly sum = poly_const(0);
  *fits = true;
  for (int i = 0; i < p->n && *fits; i++) {
    Poly term = poly_const(p->t[i].coef);
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0 && *fits; k++) {
      int sym = p->t[i].sym[k];
      Poly x = sym >= SYM_GENERIC ? map[sym - SYM_GENERIC].v[0]->size : poly_sym(sym);
      *fits = poly_mul_fits(&term, &x);
      if (*fits)
        term = poly_mul(term, x);
    }
    *fits &= sum.n + term.n <= POLY_TERMS;
    if (*fits)
      sum = poly_add(sum, term);
  }
  (void)s;
  return sum;
}

static bool has_generic(const Poly *p) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      if (p->t[i].sym[k] >= SYM_GENERIC)
        return true;
  return false;
}

static int64_t upper_bound(Sema *s, const Poly *p) {
  int64_t v, sum = 0;
  if (poly_is_const(p, &v))
    return v;
  for (int i = 0; i < p->n; i++) {
    int64_t x = p->t[i].coef;
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++) {
      Ax a = {.size = poly_sym(p->t[i].sym[k])};
      int64_t b = ax_bound(s, &a);
      if (b < 0 || x < 0)
        return -1;
      x *= b;
    }
    sum += x;
  }
  return sum;
}

bool size_need(Sema *s, const Module *m, const AxList *map, const Need *need) {
  bool fa, fb;
  int64_t n;
  Poly a = size_subst(s, &need->a, map, &fa), b = size_subst(s, &need->b, map, &fb);
  Frame *f = frame_owner(s->frame);
  if (!fa || !fb)
    return false;
  if (need->kind != NEED_LESS && poly_eq(&a, &b))
    return true;
  if ((has_generic(&a) || has_generic(&b)) && f && f->mod) {
    vec_push(s->a, &f->mod->needs, (Need){need->kind, a, b, arena_printf(s->a, "%s in `%s`", need->text, m->name), need->span});
    return true;
  }
  if (need->kind == NEED_EQUAL)
    return false;
  if (!poly_is_const(&b, &n))
    return true;  // left to run time
  int64_t top = upper_bound(s, &a);
  return top >= 0 && (need->kind == NEED_LESS ? top < n : top <= n);
}

static void check_needs(Sema *s, const Module *m, const AxList *map, Span at) {
  bool fits;
  static const char *const relation[] = {"equal", "less than", "at most"};
  for (int i = 0; i < m->needs.n; i++) {
    const Need *need = &m->needs.v[i];
    if (size_need(s, m, map, need))
      continue;
    Poly a = size_subst(s, &need->a, map, &fits), b = size_subst(s, &need->b, map, &fits);
    Diag *g = sema_error(s, 207, at, "the sizes do not fit `%s`: %s wants %s to be %s %s", m->name, need->text,
                         size_str(s, &a), need->kind == NEED_EQUAL ? "equal to" : relation[need->kind], size_str(s, &b));
    diag_note(s->d, g, need->span, "in `%s`", m->name);
  }
}

// ---- the check of a definition
static void opaque_frame(Sema *s, Frame *f, Generic *g, int n, const Formals *formals) {
  f->generics = g;
  f->ngenerics = n;
  f->map = NEWN(s->a, AxList, n);
  for (int i = 0; i < n; i++) {
    Ax *a = ax_new(s, AX_GENERIC, g[i].name.s, poly_sym(SYM_GENERIC + i), g[i].name.span);
    a->pack = g[i].pack;
    a->depth = 1;
    f->map[i] = ax_list(s, &a, 1);
  }
  for (int i = 0; i < formals->n; i++)
    for (int k = 0; formals->v[i].type && k < formals->v[i].type->dims.n; k++)
      f->has_rest |= formals->v[i].type->dims.v[k].rest;
  Ax *rest = ax_new(s, AX_REST, "..", poly_const(1), (Span){0});
  rest->pack = true;
  f->rest = ax_list(s, &rest, 1);
}

static Value *formal_value(Sema *s, Module *m, const Formal *f, int index) {
  Value *preset = f->preset ? sema_constant(s, f->preset, "a default") : NULL;
  if (f->type) {
    Ty t = ty_eval(s, f->type, true);
    m->sig_bad |= t.bad;
    Value *v = ty_value(s, &t);
    v->formal = index;
    if (preset && !t.bad)
      sema_fit(s, s->frame, (Operand){preset, f->preset->span}, f, m->name, f->preset->span);
    return v;
  }
  if (preset)
    return preset;
  m->sig_bad = true;
  Diag *g = sema_error(s, 314, f->span, "`%s` of module `%s` needs a type, or a number as its default", f->name.s, m->name);
  diag_help(s->d, g, "write `%s : [..]` for a tensor, `%s = 1` for a number", f->name.s, f->name.s);
  return v_poison(s);
}

static void check_body(Sema *s, Module *m) {
  const Decl *d = m->decl;
  for (int i = 0; i < d->formals.n; i++) {
    Binding *b = scope_bind(s, d->formals.v[i].name, formal_value(s, m, &d->formals.v[i], i));
    if (b)
      b->is_formal = true;
    else
      m->sig_bad = true;
  }
  Ty want = ty_eval(s, d->type, true);
  m->sig_bad |= want.bad;
  Value *r = sema_body(s, d->body, d->name.span, m->name);
  const Stmts *st = &d->body->stmts;
  if (r)
    ty_same(s, st->v[st->n - 1]->span, r, &want, arena_printf(s->a, "the result of `%s`", m->name), d->type->span);
  m->scope = s->scope;
  sema_check_unused(s, m->name);
}

bool module_check(Sema *s, Module *m, Span at) {
  if (m->state == 2)
    return !m->sig_bad;
  if (m->state == 1) {
    if (!m->bad) {
      Diag *g = sema_error(s, 305, at, "module `%s` contains itself", m->name);
      sema_label(s, g, m->decl->name.span, "declared here");
    }
    m->bad = true;
    return false;
  }
  m->state = 1;
  m->uses = NEWN(s->a, bool, s->m->dims.n + 1);
  Saved old = frame_save(s);
  Graph *g = s->g;
  s->g = NULL;
  s->frame = NULL;
  Frame *f = frame_push(s, FR_MODULE, m->name, at);
  f->seq = m->seq;
  f->prelude = m->prelude;
  f->mod = m;
  f->depth = 1;
  opaque_frame(s, f, m->generics, m->ngenerics, &m->decl->formals);
  check_body(s, m);
  frame_restore(s, old);
  s->g = g;
  m->state = 2;
  m->bad |= m->sig_bad;
  if (m->height > MAX_DEPTH && !m->bad) {
    m->bad = true;
    sema_error(s, 310, m->decl->name.span, "modules are nested more than %d deep", MAX_DEPTH);
  }
  return !m->sig_bad;
}

static void check_fn_body(Sema *s, Fn *f) {
  const Decl *d = f->decl;
  for (int i = 0; i < d->formals.n; i++) {
    const Formal *p = &d->formals.v[i];
    if (p->type) {
      Ty t = ty_eval(s, p->type, true);
      f->bad |= t.bad;
    }
    if (p->preset)
      sema_constant(s, p->preset, "a default");
    Binding *b = scope_bind(s, p->name, v_poison(s));
    if (b)
      b->is_formal = true;
    else
      f->bad = true;
  }
  if (d->type) {
    Ty t = ty_eval(s, d->type, true);
    f->bad |= t.bad;
  }
  sema_body(s, d->body, d->name.span, f->name);
  sema_check_unused(s, f->name);
}

// Names are checked here, with formals of unknown type; types at each call.
bool fn_check(Sema *s, Fn *f, Span at) {
  if (f->state == 2)
    return !f->bad;
  if (f->state == 1) {
    if (!f->bad) {
      Diag *g = sema_error(s, 305, at, "`%s` calls itself", f->name);
      sema_label(s, g, f->decl->name.span, "declared here");
    }
    f->bad = true;
    return false;
  }
  f->state = 1;
  Saved old = frame_save(s);
  Graph *g = s->g;
  int errors = s->d->errors;
  s->g = NULL;
  s->frame = NULL;
  Frame *fr = frame_push(s, FR_FN, f->name, at);
  fr->seq = f->seq;
  fr->prelude = f->prelude;
  fr->fn = f;
  fr->depth = 1;
  opaque_frame(s, fr, (Generic *)f->generics, f->ngenerics, &f->decl->formals);
  check_fn_body(s, f);
  frame_restore(s, old);
  s->g = g;
  f->state = 2;
  f->bad |= s->d->errors > errors;
  if (f->height > MAX_DEPTH && !f->bad) {
    f->bad = true;
    sema_error(s, 310, f->decl->name.span, "functions call each other more than %d deep", MAX_DEPTH);
  }
  return !f->bad;
}

// ---- children
static const char *generics_str(Sema *s, const Module *m) {
  const char *t = "[";
  for (int i = 0; i < m->ngenerics; i++)
    t = arena_printf(s->a, "%s%s%s%s", t, !i ? "" : i == m->nleft ? " -> " : ", ", m->generics[i].name.s,
                     m->generics[i].pack ? "..." : "");
  return arena_printf(s->a, "%s]", t);
}

static bool map_side(Sema *s, const Module *m, int lo, int hi, const AxisNames *given, Span at, AxList *map) {
  int packs = 0;
  for (int i = lo; i < hi; i++)
    packs += m->generics[i].pack;
  int fixed = hi - lo - packs;
  if (given->n < fixed || (!packs && given->n > fixed)) {
    Diag *g = sema_error(s, 312, at, "`%s` is declared with %s, and here %s %d dimension%s on this side", m->name,
                         generics_str(s, m), given->n == 1 ? "is" : "are", given->n, given->n == 1 ? "" : "s");
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
        const char *why = one.v[q]->kind == AX_LOCAL         ? "is a local axis: a child needs a declared dimension"
                          : !m->generics[i].pack && one.v[q]->pack ? "is a group, and one dimension is wanted"
                          : ax_in(&map[i], one.v[q])         ? "stands twice here"
                                                             : NULL;
        if (why) {
          sema_error(s, one.v[q]->kind == AX_LOCAL ? 210 : 209, given->v[k + j].span, "`%s` %s", one.v[q]->name, why);
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
    Diag *d = sema_error(s, 312, g ? g->span : st->module.span,
                         m->ngenerics ? "`%s` needs its dimensions: `%s%s`" : "`%s` takes no dimensions", m->name, m->name,
                         generics_str(s, m));
    sema_label(s, d, m->decl->name.span, "declared here");
    return NULL;
  }
  if (!map_side(s, m, 0, m->nleft, &g->in, g->span, map) ||
      !map_side(s, m, m->nleft, m->ngenerics, &g->out, g->span, map))
    return NULL;
  return map;
}

// Generics along which parameters lie are compile-time constants; a generic of this body that they come from is so too.
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
        Diag *g = sema_error(s, 211, st->module.span, "`%s` has parameters along `%s`, and `%s` is known only at run time",
                             m->name, m->generics[i].name.s, a->name);
        sema_note_axes(s, g, &a, 1);
      }
    }
  }
}

static int64_t child_count(Sema *s, const Stmt *st) {
  int64_t n;
  if (st->repeat == REPEAT_NONE)
    return 1;
  Ax *a = ax_ref(s, st->count, NULL);
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
  Diag *g = sema_error(s, 211, st->count.span, "the count `%s` is known only at run time", a->name);
  sema_note_axes(s, g, &a, 1);
  return 0;
}

static void child_args(Sema *s, const Stmt *st, Child *c) {
  const Formals *f = &c->mod->decl->formals;
  c->args = NEWN(s->a, Value *, f->n + 1);
  for (int i = 0; i < st->args.n; i++) {
    const Arg *a = &st->args.v[i];
    int k = 0;
    if (!a->name.s) {
      sema_error(s, 303, a->span, "arguments where a child is declared are named: `eps: 1e-5`");
      continue;
    }
    while (k < f->n && f->v[k].name.s != a->name.s)
      k++;
    if (k == f->n) {
      Diag *g = sema_error(s, 303, a->name.span, "`%s` has no argument `%s`", c->mod->name, a->name.s);
      Suggest best = {.wanted = a->name.s};
      for (int j = 0; j < f->n; j++)
        suggest_add(&best, f->v[j].name.s);
      suggest_help(s, g, &best);
    } else if (c->args[k])
      sema_error(s, 303, a->name.span, "`%s` is given twice", a->name.s);
    else
      c->args[k] = sema_constant(s, a->value, "an argument where a child is declared");
  }
}

Child *child_make(Sema *s, const Stmt *st, const char *name, Inst *owner) {
  Module *m = module_find(s, st->module.s);
  if (!m) {
    Diag *g = sema_error(s, 301, st->module.span, "unknown module `%s`", st->module.s);
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
  c->count = child_count(s, st);
  child_args(s, st, c);
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
  if (owner) {
    InstChild *ic = names_get(&owner->children, name);
    CHECK(ic);
    c->inst = ic->inst;
  }
  return c;
}

// ---- child.weight, child.part
static const Stmt *find_part(const Module *m, const char *name) {
  const Stmts *st = &m->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    for (int k = 0; k < st->v[i]->names.n; k++)
      if ((st->v[i]->kind == ST_PARAM || st->v[i]->kind == ST_CHILD) && st->v[i]->names.v[k].s == name)
        return st->v[i];
  return NULL;
}

static Value *unknown_part(Sema *s, const Child *c, Name part) {
  Diag *g = sema_error(s, 301, part.span, "`%s` (module `%s`) has no parameter and no child `%s`", c->name, c->mod->name, part.s);
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
  Inst *inst = c->inst[0];
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

Value *child_part(Sema *s, Child *c, Name part) {
  if (c->stmt->repeat == REPEAT_REPEAT)
    return sema_fail(s, 304, part.span, "`%s` is repeated: its parts have no single name", c->name);
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
  frame_restore(s, old);
  if (t.bad)
    return v_poison(s);
  if (checking(s) && c->root)
    vec_push(s->a, &c->root->parts, dotted);
  return part_param(s, c, part, st, &t);
}

// ---- unused names
void sema_check_unused(Sema *s, const char *what) {
  for (int i = 0; i < s->scope->list.n; i++) {
    const Binding *b = s->scope->list.v[i];
    if (b->used || b->is_formal || b->is_state || (b->value && is_poison(b->value)))
      continue;
    Diag *g = sema_error(s, 306, b->span, "`%s` is never used in `%s`", b->name, what);
    diag_primary(s->d, g, b->is_param   ? "a parameter that nothing uses"
                          : b->is_child ? "a child that nothing uses"
                                        : "a value that nothing uses");
  }
}

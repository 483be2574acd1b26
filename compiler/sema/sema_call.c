// Calls: fns, children, and what the graph gets from them.
#include "compiler/sema/sema_habits.h"
#include "base/hash.h"
#include <string.h>

// ---- fns
static bool fn_axes(Sema *s, const Fn *f, const Expr *axes, const CallArgs *args, Span at,
                    AxList *map) {
  AxList given = {0};
  const Value **near = NEWN(s->a, const Value *, args->n);
  for (int i = 0; i < args->n; i++)
    near[i] = args->v[i].x.v;
  if (axes && !ax_refs(s, axes->axes.v, axes->axes.n, near, args->n, &given))
    return false;
  int packs = 0, fixed = 0;
  for (int i = 0; i < f->ngenerics; i++)
    f->generics[i].pack ? packs++ : fixed++;
  if (given.n < fixed || (!packs && given.n > fixed)) {
    Diag *g = sema_error(s, ERR_WRONG_GENERICS, axes ? axes->op : at,
                         "`%s` needs %d dimension%s in `[ ]`, and here %s %d", f->name, fixed,
                         fixed == 1 ? "" : "s", given.n == 1 ? "is" : "are", given.n);
    if (args->n && is_tensor(args->v[0].x.v))
      sema_label_type(s, g, args->v[0].x.span, args->v[0].x.v);
    if (!axes && fixed == 1)
      sema_axes_help(s, g, f->name, args);
    return false;
  }
  for (int i = 0, k = 0; i < f->ngenerics; i++) {
    int n = f->generics[i].pack ? given.n - fixed : 1;
    map[i] = (AxList){given.v + k, n};
    k += n;
    if (!f->generics[i].pack && map[i].v[0]->pack) {
      sema_error(s, ERR_AXES_MISPLACED, axes->op, "`%s` of `%s` is one dimension, not a group",
                 f->generics[i].name.s, f->name);
      return false;
    }
  }
  return true;
}

// The callee's frame: names of the callee's text, values of the caller.
static Frame *callee_frame(Sema *s, FrameKind kind, const char *name, int seq, bool prelude,
                           const Generic *g, int n, AxList *map, Span at) {
  Frame *f = frame_push(s, kind, name, at);
  f->seq = seq;
  f->prelude = prelude;
  f->generics = g;
  f->ngenerics = n;
  f->map = map;
  return f;
}

static bool holds_local(Sema *s, const Fn *f, const Value *r, Span at) {
  for (int i = 0; i < r->nitems; i++)
    if (holds_local(s, f, r->item[i], at))
      return true;
  for (int i = 0; is_tensor(r) && i < r->ax.n; i++)
    for (int k = 0; k < s->frame->locals.n; k++)
      if (r->ax.v[i] == s->frame->locals.v[k]) {
        Diag *g = sema_error(s, ERR_LOCAL_ESCAPES, at,
                             "the result of `%s` would hold its local axis `%s`", f->name,
                             r->ax.v[i]->name);
        sema_label_type(s, g, at, r);
        return true;
      }
  return false;
}

static void fn_result(Sema *s, const Fn *f, Value *r) {
  const Stmts *st = &f->decl->body->stmts;
  Span at = st->n ? st->v[st->n - 1]->span : f->decl->span;
  bool ok = !is_poison(r) && !holds_local(s, f, r, at);
  if (!ok || (f->decl->type && !results_same(s, at, r, f->decl, f->name)))
    r->kind = V_POISON;
}

static Value *call_fn(Sema *s, Fn *f, const Expr *axes, const CallArgs *args, Span at) {
  const Formals *formals = &f->decl->formals;
  AxList *map = NEWN(s->a, AxList, f->ngenerics);
  Operand *got = NEWN(s->a, Operand, formals->n);
  if (!fn_check(s, f, at))
    return v_poison(s);
  frame_raise_height(s, f->height);
  if (!fn_axes(s, f, axes, args, at, map) || !sema_bind_args(s, formals, args, at, f->name, got) ||
      !sema_missing_args(s, formals, got, at, f->name))
    return v_poison(s);
  Saved old = frame_save(s);
  Frame *inner =
      callee_frame(s, FR_FN, f->name, f->seq, f->prelude, f->generics, f->ngenerics, map, at);
  inner->fn = f;
  inner->is_call = true;
  for (int i = 0; i < formals->n; i++)
    if (!got[i].v)
      got[i] = (Operand){sema_value(s, formals->v[i].preset), formals->v[i].span};
  Scope *scope = s->scope;
  frame_restore(s, old);
  bool ok = sema_fit_all(s, inner, formals, got, f->name, at);
  inner->has_rest = true;
  s->frame = inner;
  s->scope = scope;
  for (int i = 0; i < formals->n; i++) {
    Bound *b = ok ? scope_bind(s, formals->v[i].name, got[i].v) : NULL;
    if (b)
      b->is_formal = true;
  }
  Value *r = ok ? sema_body(s, f->decl->body, f->decl->name.span, f->name) : v_poison(s);
  if (ok)
    fn_result(s, f, r);
  frame_restore(s, old);
  return r;
}

// ---- children
static bool captured(Sema *s, const Child *c, const AxList *rest, Span at) {
  for (int i = 0; i < rest->n; i++)
    if (rest->v[i]->kind == AX_DIM && c->mod->uses[rest->v[i]->dim]) {
      Diag *g =
          sema_error(s, ERR_MISPLACED_REST, at, "`..` of `%s` holds `%s`, which `%s` names itself",
                     c->name, rest->v[i]->name, c->mod->name);
      diag_note(s->d, g, c->mod->decl->name.span, "in `%s` the name `%s` would mean both",
                c->mod->name, rest->v[i]->name);
      diag_help(s->d, g, "rename the axis around the call: `x[%s as S]`", rest->v[i]->name);
      return true;
    }
  return false;
}

// The value reaches a gather as its index: `iota[L]` must stay below the number of rows.
void sema_rows_need(Sema *s, const Value *index, const Poly *rows, const char *axis, Span at,
                    const char *what) {
  Frame *f = frame_owner(s->frame);
  int64_t n, hi;
  if (!checking(s))
    return;
  if (index->formal >= 0 && f && f->mod)
    vec_push(s->a, &f->mod->rows, (RowsNeed){index->formal, *rows, axis});
  if (!index->iota || poly_eq(rows, &index->iota->size))
    return;
  Ax *a = index->iota;
  hi = ax_bound(s, a);
  bool generic = a->kind == AX_GENERIC;
  if (poly_is_const(rows, &n) ? hi >= 0 && hi <= n : hi >= 0 || generic) {
    if (!poly_is_const(rows, &n) && f && f->mod)
      vec_push(s->a, &f->mod->needs,
               (Need){NEED_AT_MOST, generic ? a->size : poly_const(hi), *rows,
                      arena_printf(s->a, "`iota[%s]` into `%s`", a->name, axis), at});
    return;
  }
  if (generic && f && f->mod) {
    vec_push(s->a, &f->mod->needs,
             (Need){NEED_AT_MOST, a->size, *rows,
                    arena_printf(s->a, "`iota[%s]` into `%s`", a->name, axis), at});
    return;
  }
  const char *top =
      hi < 0 ? "has no bound" : arena_printf(s->a, "has up to %lld elements", (long long)hi);
  Diag *g = sema_error(s, ERR_INDEX_PAST_TABLE, at, "`iota[%s]` %s, but %s has %s rows", a->name,
                       top, what, size_str(s, rows));
  sema_note_axes(s, g, &a, 1);
  bool follows = a->kind == AX_DIM && !dim_is_given(&s->m->dims.v[a->dim]->pub);
  if (!ax_const(a, &n) && follows)
    diag_help(s->d, g, "`%s` is %s: give those lower bounds", a->name, size_str(s, &a->size));
  else if (!ax_const(a, &n))
    diag_help(s->d, g, "declare `dim %s <= %s`", a->name, size_str(s, rows));
}

static bool number_formals(Sema *s, const Formals *f, const Operand *got, const char *callee) {
  bool ok = true;
  for (int i = 0; i < f->n; i++)
    if (!f->v[i].type && is_tensor(got[i].v) && !got[i].v->known) {
      sema_error(s, ERR_OTHER_DTYPE, got[i].span, "`%s` of `%s` is a number, and this is %s",
                 f->v[i].name.s, callee, v_type_str(s, got[i].v));
      ok = false;
    }
  return ok;
}

static uint64_t activation_key(Sema *s, const ModuleInst *inst) {
  Frame *f = frame_owner(s->frame);
  uint64_t h = hash_str(inst->path);
  h = hash_mix(h, f->key);
  h = hash_mix(h, (uint64_t)f->stmt);
  return hash_mix(h, (uint64_t)f->ncalls++);
}

// Axes that the formal's type names through generics, outside and inside.
static void inner_axes(Sema *s, const ModuleInst *inst, const Child *c, const Type *t,
                       AxList *outer, AxList *inner) {
  *outer = *inner = (AxList){0};
  for (int i = 0; i < t->dims.n; i++)
    for (int k = 0; k < c->mod->ngenerics; k++)
      if (!t->dims.v[i].rest && t->dims.v[i].name.s == c->mod->generics[k].name.s) {
        *outer = ax_join(s, *outer, c->map[k]);
        *inner = ax_join(s, *inner, inst->inner[k]);
      }
}

// One run of a child, of the turns that a repeat has.
typedef struct Turn {
  ModuleInst *inst;
  Origin *origin;
} Turn;

static const Origin *first_turn(const Child *c) {
  bool same = c->first && *c->first && !strcmp((*c->first)->module, c->mod->name);
  return same ? *c->first : NULL;
}

static Turn turn_make(Sema *s, const Child *c, int64_t i, const Origin *first) {
  const Frame *f = frame_owner(s->frame);
  ModuleInst *inst = c->inst[c->repeat == REPEAT_REPEAT ? i : 0];
  Origin *o = NEW(s->g->arena, Origin);
  *o = (Origin){.up = f ? f->origin : NULL,
                .first = first ? first : o,
                .path = inst->path,
                .module = c->mod->name,
                .prelude = c->mod->prelude,
                .turn = c->turns ? c->turn : i,
                .turns = c->turns ? c->turns : c->count};
  if (c->first && !*c->first)
    *c->first = o;
  return (Turn){inst, o};
}

static Value *run_instance(Sema *s, const Child *c, Turn turn, Operand *got, AxList rest, Span at) {
  const Decl *d = c->mod->decl;
  ModuleInst *inst = turn.inst;
  uint64_t key = activation_key(s, inst);
  AxList outer, inner;
  Saved old = frame_save(s);
  Frame *f = callee_frame(s, FR_MODULE, c->mod->name, c->mod->seq, c->mod->prelude,
                          c->mod->generics, c->mod->ngenerics, inst->inner, at);
  f->mod = c->mod;
  f->inst = inst;
  f->origin = turn.origin;
  f->depth = inst->depth;
  f->key = key;
  f->rest = rest;
  f->has_rest = true;
  sema_mark(s, at);
  for (int i = 0; i < d->formals.n; i++) {
    Value *v = got[i].v;
    if (d->formals.v[i].type) {
      inner_axes(s, inst, c, d->formals.v[i].type, &outer, &inner);
      v = v_rename(s, v, &outer, &inner);
      v->iota = NULL;
    }
    Bound *b = scope_bind(s, d->formals.v[i].name, v);
    b->is_formal = true;
  }
  Value *r = sema_body(s, d->body, d->name.span, c->mod->name);
  int n = decl_nresults(d);
  Value **item = NEWN(s->a, Value *, n);
  sema_mark(s, at);
  for (int i = 0; i < n && !is_poison(r); i++) {
    inner_axes(s, inst, c, decl_result(d, i), &outer, &inner);
    item[i] = v_rename(s, n > 1 ? r->item[i] : r, &inner, &outer);
  }
  frame_restore(s, old);
  return is_poison(r) ? r : v_tuple(s, item, n);
}

static bool repeat_fits(Sema *s, const Child *c, const Ty *first, const Ty *result, Span at) {
  if ((c->repeat == REPEAT_NONE && !c->turns) || first->bad || result->bad)
    return true;
  const char *word = c->stmt->repeat == REPEAT_SHARE ? "share" : "repeat";
  if (ax_same_set(&first->ax, &result->ax) && first->dtype == result->dtype)
    return true;
  Diag *g = sema_error(s, ERR_REPEAT_CHANGES_TYPE, at,
                       "`%s` feeds the result of `%s` to it again, but it takes %s and gives %s",
                       word, c->mod->name, dtype_axes_str(s, first->dtype, &first->ax),
                       dtype_axes_str(s, result->dtype, &result->ax));
  sema_label(s, g, c->stmt->span, "declared here");
  return false;
}

static void note_use(Sema *s, Child *c) {
  if (!checking(s) || !c->root)
    return;
  if (c->dotted)
    vec_push(s->a, &c->root->parts, arena_printf(s->a, "%s.", c->dotted));
  else
    c->root->called = true;
}

static Value *run_all(Sema *s, const Child *c, Operand *got, AxList rest, Span at) {
  Value **r = NEWN(s->a, Value *, c->count);
  Turn turn = {0};
  for (int64_t i = 0; i < c->count && !s->stopped; i++) {
    turn = turn_make(s, c, i, i ? turn.origin->first : first_turn(c));
    r[i] = run_instance(s, c, turn, got, rest, at);
    if (is_poison(r[i]))
      return r[i];
    got[0].v = r[i]->kind == V_TUPLE ? r[i]->item[0] : r[i];
  }
  sema_mark(s, at);
  return s->stopped ? v_poison(s) : results_collect(s, r, c->count, c->along, c->all);
}

// A value behind the last argument of a call is one too many, though a number that an `if` depends on has that place.
static bool one_too_many(Sema *s, const Child *c, const CallArgs *args, Span at) {
  int most = 0;
  while (most < args->n && !c->mod->deciding[most])
    most++;
  if (most == args->n || args->v[most].name.s || args->v[most].x.v->kind != V_TENSOR ||
      args->v[most].x.v->known)
    return false;
  return sema_too_many(s, most, args->n, at, c->name);
}

// A number that an `if` of the module depends on is no argument of a call: the parameters are laid out by then.
static bool decided_late(Sema *s, const Child *c, const Operand *got) {
  const Formals *f = &c->mod->decl->formals;
  for (int i = 0; i < f->n; i++)
    if (c->mod->deciding[i] && got[i].v) {
      const char *name = f->v[i].name.s;
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, got[i].span,
                           "`%s` decides what `%s` is made of: it is given where `%s` is declared",
                           name, c->mod->name, c->name);
      diag_help(s->d, g, "`%s : %s(%s: ...)`", c->name, c->mod->name, name);
      return true;
    }
  return false;
}

Value *child_call_one(Sema *s, Child *c, const CallArgs *args, Span at, Span callee) {
  const Decl *d = c->mod->decl;
  Operand *got = NEWN(s->a, Operand, d->formals.n);
  if (c->mod->sig_bad || !c->map || !sema_bind_args(s, &d->formals, args, at, c->name, got))
    return v_poison(s);
  if (one_too_many(s, c, args, at) || decided_late(s, c, got))
    return v_poison(s);
  for (int i = 0; i < d->formals.n; i++)
    if (c->args[i] && got[i].v)
      return sema_fail(s, ERR_WRONG_ARGUMENTS, got[i].span, "`%s` is given where `%s` is declared",
                       d->formals.v[i].name.s, c->name);
    else if (c->args[i])
      got[i] = (Operand){c->args[i], at};
  if (!sema_missing_args(s, &d->formals, got, at, c->name))
    return v_poison(s);
  Saved old = frame_save(s);
  Frame *inner = callee_frame(s, FR_MODULE, c->mod->name, c->mod->seq, c->mod->prelude,
                              c->mod->generics, c->mod->ngenerics, c->map, at);
  for (int i = 0; i < d->formals.n; i++)
    if (!got[i].v)
      got[i] = (Operand){sema_value(s, d->formals.v[i].preset), at};
  Scope *scope = s->scope;
  frame_restore(s, old);
  if (!sema_fit_all(s, inner, &d->formals, got, c->name, callee) ||
      !number_formals(s, &d->formals, got, c->name) || captured(s, c, &inner->rest, callee))
    return v_poison(s);
  for (int i = 0; i < c->mod->rows.n; i++) {
    bool fits;
    Poly rows = size_subst(s, &c->mod->rows.v[i].rows, c->map, &fits);
    const Operand *o = &got[c->mod->rows.v[i].formal];
    if (fits)
      sema_rows_need(s, o->v, &rows, c->mod->rows.v[i].axis, o->span,
                     arena_printf(s->a, "`%s`", c->name));
  }
  inner->has_rest = true;
  s->frame = inner;
  s->scope = scope;
  s->type_at = callee;
  s->type_of = arena_printf(s->a, "the result of `%s`", c->name);
  int n = decl_nresults(d);
  Ty *result = NEWN(s->a, Ty, n), first = {.bad = true};
  bool bad = false;
  for (int i = 0; i < n; i++) {
    result[i] = ty_eval(s, decl_result(d, i), true);
    bad |= result[i].bad;
  }
  if (d->formals.n && d->formals.v[0].type)
    first = ty_eval(s, d->formals.v[0].type, true);
  s->type_at = (Span){0};
  frame_restore(s, old);
  if (bad || !repeat_fits(s, c, &first, result, callee) ||
      !results_fit_count(s, c, result, n, callee))
    return v_poison(s);
  return checking(s) ? results_opaque(s, result, n, c->along, c->all)
                     : run_all(s, c, got, inner->rest, at);
}

static Value *sema_call_child(Sema *s, Child *c, const CallArgs *args, Span at, Span callee) {
  note_use(s, c);
  if (c->layer)
    return call_layers(s, c, args, at, callee);
  Value *v = child_call_one(s, c, args, at, callee);
  return checking(s) ? call_others(s, c, v, args, at, callee) : v;
}

Value *sema_call(Sema *s, Value *f, const CallArgs *args, Span at, Span callee) {
  switch (f->kind) {
  case V_POISON: return f;
  case V_FN: return call_fn(s, f->fn, f->axes, args, at);
  case V_PRIM: return sema_call_prim(s, f->prim, f->axes, args, at, callee);
  case V_DTYPE:
    return f->axes ? sema_fail(s, ERR_AXES_MISPLACED, f->axes->op, "a conversion takes no axes")
                   : sema_call_dtype(s, f->dtype, args, at);
  case V_CHILD:
    if (f->axes)
      return sema_fail(s, ERR_AXES_MISPLACED, f->axes->op, "`%s` has its axes from its declaration",
                       f->child->name);
    return sema_call_child(s, f->child, args, at, callee);
  default:
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, callee, "%s is not a function", v_type_str(s, f));
  }
}

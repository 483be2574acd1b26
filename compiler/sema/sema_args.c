// Frames and scopes; arguments against formals, values against written types.
#include "compiler/sema/sema_eval.h"
#include <string.h>

// ---- frames and scopes
Scope *scope_push(Sema *s, Frame *f, Scope *up) {
  Scope *sc = NEW(s->a, Scope);
  sc->up = up;
  sc->frame = f;
  s->scope = sc;
  return sc;
}

Frame *frame_push(Sema *s, FrameKind kind, const char *name, Span call) {
  Frame *f = NEW(s->a, Frame);
  s->work += FRAME_COST;
  f->kind = kind;
  f->caller = s->frame;
  f->call = call;
  f->name = name;
  f->depth = s->frame ? s->frame->depth + 1 : 0;
  s->frame = f;
  scope_push(s, f, NULL);
  return f;
}

Saved frame_save(const Sema *s) {
  return (Saved){s->frame, s->scope};
}

void frame_restore(Sema *s, Saved old) {
  s->frame = old.frame;
  s->scope = old.scope;
}

Frame *frame_owner(Frame *f) {
  while (f && f->kind == FR_FN && f->is_call)
    f = f->caller;
  return f;
}

Bound *scope_find(const Scope *sc, const char *name) {
  return names_get(&sc->table, name);
}

Bound *scope_bind(Sema *s, Name name, Value *v) {
  Bound *old = scope_find(s->scope, name.s);
  if (old) {
    Diag *g = sema_error(s, ERR_NAME_TWICE, name.span, "`%s` is bound twice%s", name.s,
                         old->rebound ? ": a state has one new value a step" : "");
    sema_label(s, g, old->rebound ? old->stmt->names.v[0].span : old->span, "first here");
    if (!old->rebound && !old->is_formal && !old->is_entry && !old->is_param && !old->is_child)
      diag_help(s->d, g, "give the new value a name of its own, `%s2`", name.s);
    return NULL;
  }
  Bound *b = NEW(s->a, Bound);
  b->name = name.s;
  b->span = name.span;
  b->index = -1;
  b->value = v;
  if (v && !v->at.src)
    v->at = name.span;
  names_put(s->a, &s->scope->table, name.s, b);
  vec_push(s->a, &s->scope->list, b);
  sema_see(s, name.span, v);
  return b;
}

void frame_raise_height(Sema *s, int height) {
  Frame *f = s->frame;
  if (f->fn && f->fn->height <= height)
    f->fn->height = height + 1;
  if (f->mod && f->mod->height <= height)
    f->mod->height = height + 1;
}

// ---- arguments
static int formal_index(const Formals *f, const char *name) {
  for (int i = 0; i < f->n; i++)
    if (f->v[i].name.s == name)
      return i;
  return -1;
}

bool sema_too_many(Sema *s, int most, int given, Span at, const char *what) {
  sema_error(s, ERR_WRONG_ARGUMENTS, at, "`%s` takes %d argument%s, and this call has %d", what,
             most, most == 1 ? "" : "s", given);
  return true;
}

bool sema_bind_args(Sema *s, const Formals *f, const CallArgs *args, Span at, const char *what,
                    Operand *out) {
  bool named = false, ok = true;
  for (int i = 0; i < args->n && ok; i++) {
    const CallArg *a = &args->v[i];
    int k = a->name.s ? formal_index(f, a->name.s) : i;
    if (!a->name.s && named) {
      sema_error(s, ERR_WRONG_ARGUMENTS, a->x.span, "an argument by position after one by name");
      ok = false;
    } else if (!a->name.s && i >= f->n) {
      ok = !sema_too_many(s, f->n, args->n, at, what);
    } else if (k < 0) {
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` has no argument `%s`", what,
                           a->name.s);
      Suggest best = {.wanted = a->name.s};
      for (int j = 0; j < f->n; j++)
        suggest_add(&best, f->v[j].name.s);
      suggest_help(s, g, &best);
      ok = false;
    } else if (out[k].v) {
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->x.span, "`%s` of `%s` is given twice",
                           f->v[k].name.s, what);
      sema_label(s, g, out[k].span, "first here");
      ok = false;
    } else
      out[k] = a->x;
    named |= a->name.s != NULL;
  }
  return ok;
}

void sema_args_once(Sema *s, const Expr *call, const char *what) {
  for (int i = 1; call->kind == EX_CALL && i < call->args.n; i++)
    for (int j = 0; j < i; j++) {
      const Arg *a = &call->args.v[i], *first = &call->args.v[j];
      if (!a->name.s || a->name.s != first->name.s)
        continue;
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` of `%s` is given twice",
                           a->name.s, what);
      sema_label(s, g, first->name.span, "first here");
      break;
    }
}

bool sema_missing_args(Sema *s, const Formals *f, const Operand *got, Span at, const char *what) {
  bool ok = true;
  for (int i = 0; i < f->n; i++)
    if (!got[i].v && !f->v[i].preset) {
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, at, "`%s` is called without its argument `%s`",
                           what, f->v[i].name.s);
      diag_note(s->d, g, f->v[i].span, "`%s` is declared here", f->v[i].name.s);
      ok = false;
    }
  return ok;
}

Value *v_full(Sema *s, const Value *v, DType t, const AxList *ax) {
  Value *r = v_tensor(s, t, *ax);
  if (!checking(s))
    pair_set(s, r, pair_of(s, v, t));
  return r;
}

static Value *other_kind(Sema *s, Operand v, const Ty *t, const char *callee, const Formal *f) {
  const Number *n = is_number(v.v) ? v.v->num : NULL;
  Diag *g = sema_error(s, ERR_OTHER_DTYPE, v.span, "`%s` of `%s` is %s, and this is %s", f->name.s,
                       callee, dtype_name(t->dtype),
                       !n              ? "bool"
                       : n->is_complex ? "a complex number"
                       : n->whole      ? "a number"
                                       : "no whole number");
  if (!n || t->dtype == DT_BOOL)
    diag_help(s->d, g, n ? "write `true` or `false`" : "write a number: `1` or `0`");
  return NULL;
}

static Value *fit_constant(Sema *s, Operand v, const Ty *t, const char *callee, const Formal *f) {
  const Number *n = is_number(v.v) ? v.v->num : NULL;
  bool other = !n != (t->dtype == DT_BOOL) || (n && t->dtype == DT_I32 && !n->whole) ||
               (n && n->is_complex && !dtype_is_complex(t->dtype));
  if (other)
    return other_kind(s, v, t, callee, f);
  return !n || sema_number_fits(s, v.span, n, t->dtype) ? v_full(s, v.v, t->dtype, &t->ax) : NULL;
}

// A child in reach whose result has the axis, for the hint.
static const char *producer(Sema *s, const Ax *a) {
  for (const Scope *sc = s->scope; sc; sc = sc->up)
    for (int i = 0; i < sc->list.n; i++) {
      const Value *v = sc->list.v[i]->value;
      if (!v || v->kind != V_CHILD || !v->child->map)
        continue;
      const Module *m = v->child->mod;
      for (int k = 0; k < m->ngenerics; k++)
        if (m->nleft < m->ngenerics && m->generics[k].side == 1 && ax_in(&v->child->map[k], a))
          return sc->list.v[i]->name;
    }
  return NULL;
}

// A parameter or a number may be meant to be the same for each row of a batch.
static void along_help(Sema *s, Diag *g, const Value *v, Span at, const Ax *a) {
  int64_t n;
  if (!ax_const(a, &n) && !sema_was_lost(v, a))
    diag_help(s->d, g, "`along[%s](%s)` is the same at each place of `%s`", a->name,
              span_text(s->a, at, "x"), a->name);
}

static void lacks_axis(Sema *s, Operand v, Ax *a, const Formal *f, const char *callee, Span at) {
  int64_t n;
  Diag *g = sema_error(s, ERR_MISSING_DIM, at,
                       "`%s` needs dimension `%s` in its argument `%s`, but %s has none", callee,
                       ax_str(s, a), f->name.s, v_type_str(s, v.v));
  if (ax_const(a, &n))
    diag_primary(s->d, g, "needs %s = %lld", a->name, (long long)n);
  if (v.span.src != at.src || v.span.lo != at.lo)
    sema_label_type(s, g, v.span, v.v);
  AxList all = ax_join(s, (AxList){&a, 1}, v.v->ax);
  sema_note_axes(s, g, all.v, all.n);
  for (int i = 0; i < v.v->ax.n; i++)
    if (v.v->ax.v[i]->name == a->name)
      diag_note(s->d, g, (Span){0}, "its `%s` is another axis, of extent %s", a->name,
                size_str(s, &v.v->ax.v[i]->size));
  sema_why_lost(s, g, v.v, a, v.span);
  const char *child = producer(s, a);
  if (child && strcmp(child, callee))
    diag_help(s->d, g, "`%s` produces `%s`", child, a->name);
  else if (all.n == v.v->ax.n + 1 && f->type->dims.n == all.n)
    along_help(s, g, v.v, v.span, a);
}

static bool bind_rest(Sema *s, Frame *inner, Operand v, const AxList *left, const Formal *f,
                      const char *callee) {
  if (!inner->has_rest) {
    inner->has_rest = true;
    inner->rest = *left;
    return true;
  }
  if (ax_same_set(&inner->rest, left))
    return true;
  Diag *g = sema_error(s, ERR_MISPLACED_REST, v.span,
                       "`..` of `%s` in `%s` is %s here, and %s for an earlier argument", f->name.s,
                       callee, axes_str(s, left), axes_str(s, &inner->rest));
  sema_label_type(s, g, v.span, v.v);
  return false;
}

// Errors belong to the caller's text, names of the formal's type to the callee's frame.
Value *sema_fit(Sema *s, Frame *inner, Operand v, const Formal *f, const char *callee, Span at) {
  Saved old = frame_save(s);
  bool has_rest = false, rest_known = inner->has_rest;
  s->frame = inner;
  inner->has_rest = true;
  s->type_at = at;
  s->type_of = arena_printf(s->a, "`%s` of `%s`", f->name.s, callee);
  AxList rest = inner->rest;
  if (!rest_known || !is_constant(v.v))
    inner->rest = (AxList){0};
  Ty want = ty_eval(s, f->type, true);
  inner->rest = rest;
  has_rest = want.has_rest;
  inner->has_rest = rest_known;
  s->type_at = (Span){0};
  frame_restore(s, old);
  if (want.bad || is_poison(v.v))
    return NULL;
  if (is_constant(v.v))
    return fit_constant(s, v, &want, callee, f);
  for (int i = 0; i < want.ax.n; i++)
    if (!ax_in(&v.v->ax, want.ax.v[i])) {
      lacks_axis(s, v, want.ax.v[i], f, callee, at);
      return NULL;
    }
  AxList left = {NEWN(s->a, Ax *, v.v->ax.n), 0};
  for (int i = 0; i < v.v->ax.n; i++)
    if (!ax_in(&want.ax, v.v->ax.v[i]))
      left.v[left.n++] = v.v->ax.v[i];
  if (!has_rest && left.n) {
    Diag *g = sema_error(s, ERR_OTHER_DIMS, at,
                         "`%s` of `%s` has no dimension `%s`: it is %s, and this is %s", f->name.s,
                         callee, ax_str(s, left.v[0]), dtype_axes_str(s, want.dtype, &want.ax),
                         v_type_str(s, v.v));
    if (v.span.lo != at.lo)
      sema_label_type(s, g, v.span, v.v);
    sema_why_held(s, g, v.v, left.v[0], v.span);
    sema_note_axes(s, g, left.v, left.n);
    return NULL;
  }
  if (v.v->dtype != want.dtype) {
    Diag *g = sema_error(s, ERR_OTHER_DTYPE, v.span, "`%s` of `%s` is %s, and this is %s",
                         f->name.s, callee, dtype_name(want.dtype), dtype_name(v.v->dtype));
    sema_label_type(s, g, v.span, v.v);
    sema_why_dtype(s, g, v.v, v.span);
    if (!dtype_is_complex(v.v->dtype) || dtype_is_complex(want.dtype))
      diag_help(s->d, g, "convert with `%s(...)`", dtype_name(want.dtype));
    return NULL;
  }
  return has_rest && !bind_rest(s, inner, v, &left, f, callee) ? NULL : v.v;
}

// Tensors first: they say what `..` is; then numbers fill any type.
bool sema_fit_all(Sema *s, Frame *inner, const Formals *f, Operand *got, const char *callee,
                  Span at) {
  bool ok = true;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < f->n; i++) {
      if (is_poison(got[i].v)) {
        ok = false;
        continue;
      }
      if (!f->v[i].type || is_constant(got[i].v) != (pass == 1))
        continue;
      Value *v = sema_fit(s, inner, got[i], &f->v[i], callee, at);
      if (v)
        got[i].v = v;
      else
        ok = false;
    }
  return ok;
}

// The one axis that v lacks of those that are wanted, if it has no other one.
static const Ax *only_lacking(const Value *v, const AxList *want) {
  const Ax *lacking = NULL;
  for (int i = 0; i < want->n; i++)
    if (!ax_in(&v->ax, want->v[i]))
      lacking = want->v[i];
  return lacking && want->n == v->ax.n + 1 ? lacking : NULL;
}

bool ty_same(Sema *s, Span at, const Value *v, const Ty *want, const char *what, Span declared) {
  if (is_poison(v) || want->bad)
    return false;
  Diag *g;
  if (is_number(v)) {
    g = sema_error(s, ERR_OTHER_DIMS, at, "%s is a number, declared %s", what,
                   dtype_axes_str(s, want->dtype, &want->ax));
    if (!want->ax.n && want->dtype != DT_BOOL)
      diag_help(s->d, g, "convert with `%s(...)`", dtype_name(want->dtype));
  } else if (!ax_same_set(&v->ax, &want->ax)) {
    g = sema_error(s, ERR_OTHER_DIMS, at, "%s is %s, declared %s", what, v_type_str(s, v),
                   dtype_axes_str(s, want->dtype, &want->ax));
    AxList all = ax_join(s, v->ax, want->ax);
    sema_why_axes(s, g, v, &want->ax, at);
    sema_note_axes(s, g, all.v, all.n);
    if (only_lacking(v, &want->ax))
      along_help(s, g, v, at, only_lacking(v, &want->ax));
    for (int i = 0; i < v->ax.n; i++)
      if (v->ax.v[i]->kind == AX_LOCAL)
        diag_note(s->d, g, v->ax.v[i]->span, "`%s` is a local axis: it cannot stand in a type",
                  v->ax.v[i]->name);
      else if (v->ax.v[i]->kind == AX_SLICE)
        diag_note(s->d, g, (Span){0}, "its `%s` is a slice of extent %s: rename it, `[%s as ...]`",
                  v->ax.v[i]->name, size_str(s, &v->ax.v[i]->size), v->ax.v[i]->name);
  } else if (v->dtype != want->dtype) {
    g = sema_error(s, ERR_OTHER_DTYPE, at, "%s is %s, declared %s", what, dtype_name(v->dtype),
                   dtype_name(want->dtype));
    sema_why_dtype(s, g, v, at);
    bool part = dtype_is_complex(v->dtype) && !dtype_is_complex(want->dtype);
    diag_help(s->d, g, part ? "take its real part: `%s(real(...))`" : "convert with `%s(...)`",
              dtype_name(want->dtype));
  } else
    return true;
  if (declared.src && declared.lo != at.lo)
    sema_label(s, g, declared, "declared here");
  return false;
}

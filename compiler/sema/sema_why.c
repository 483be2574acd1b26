// Why a value has the dtype and the axes that it has: the expression where it got them, for errors that are found further on.
#include "compiler/sema/sema_eval.h"
#include <string.h>

enum { MAX_STEPS = 200, MAX_FROM = 32 };

// ---- while a body is checked: what each value was made of
static bool is_call(const Expr *e) {
  return e->kind == EX_CALL || e->kind == EX_PIPE;
}

// A call of a fn of the prelude counts as one step: its text is not the user's.
static bool made_here(const Value *v, const Expr *e) {
  return e->kind != EX_NAME && (!v->made || (is_call(e) && v->made->span.src != e->span.src));
}

static bool passed_on(const Sema *s, const Value *v, int first) {
  for (int i = first; i < s->seen.n; i++)
    if (s->seen.v[i] == v)
      return true;
  return false;
}

void sema_made(Sema *s, Value *v, const Expr *e, int first) {
  int n = s->seen.n - first;
  if (is_tensor(v) && made_here(v, e) && (v->made || !passed_on(s, v, first))) {
    v->made = e;
    v->from = NEWN(s->a, Value *, n + 1);
    v->nfrom = 0;
    for (int i = first; i < s->seen.n && v->nfrom < MAX_FROM; i++)
      if (s->seen.v[i] != v)
        v->from[v->nfrom++] = s->seen.v[i];
  }
  s->seen.n = first;
  if (is_tensor(v))
    vec_push(s->a, &s->seen, v);
}

// ---- labels
// The cause is told at its place, unless the error stands there itself.
static void tell(Sema *s, Diag *g, const Value *v, Span shown, const char *text) {
  Span at = v->made ? v->made->span : v->at;
  bool here = !at.src || (at.src == shown.src && at.lo <= shown.hi && shown.lo <= at.hi);
  if (here && v->made)
    diag_note(s->d, g, (Span){0}, "%s", text);
  else if (!here)
    sema_label(s, g, at, "%s", text);
}

static const char *callee_name(const Expr *e) {
  const Expr *f = e->kind == EX_PIPE ? e->b : e;
  while (f->kind == EX_CALL || f->kind == EX_AXES)
    f = f->a;
  return f->kind == EX_NAME || f->kind == EX_DOT ? f->name.s
         : f->kind == EX_DTYPE                   ? dtype_name(f->dtype)
                                                 : NULL;
}

// ---- dtypes
static const Value *same_dtype(const Value *v) {
  for (int i = 0; i < v->nfrom; i++)
    if (v->from[i]->dtype == v->dtype)
      return v->from[i];
  return NULL;
}

static const Value *whole_operand(const Value *v) {
  for (int i = 0; i < v->nfrom; i++)
    if (v->from[i]->dtype == DT_I32 && v->dtype != DT_I32)
      return v->from[i];
  return NULL;
}

static const char *dtype_reason(Sema *s, const Value *v) {
  const Expr *e = v->made;
  const char *t = dtype_name(v->dtype), *of = whole_operand(v) ? " of i32" : "";
  if (!e)
    return arena_printf(s->a, "declared as %s", v_type_str(s, v));
  if (e->kind == EX_BIN && e->bin >= BIN_EQ)
    return "a comparison gives bool";
  if (e->kind == EX_BIN && (e->bin == BIN_DIV || e->bin == BIN_POW))
    return arena_printf(s->a, "`%s` makes %s%s", bin_op_name(e->bin), t, of);
  if (e->kind == EX_BIN && *of)
    return arena_printf(s->a, "a number that is not whole makes %s%s", t, of);
  if (is_call(e) && callee_name(e))
    return arena_printf(s->a, "`%s` makes %s%s", callee_name(e), t, of);
  return arena_printf(s->a, "it is %s from here on", t);
}

void sema_why_dtype(Sema *s, Diag *g, const Value *v, Span shown) {
  const Value *next;
  if (!is_tensor(v))
    return;
  for (int i = 0; i < MAX_STEPS && (next = same_dtype(v)); i++)
    v = next;
  tell(s, g, v, shown, dtype_reason(s, v));
}

// ---- axes
static bool has_named(const Value *v, const Ax *a) {
  for (int i = 0; i < v->ax.n; i++)
    if (v->ax.v[i] == a)
      return true;
  return false;
}

static const Value *child_with(const Value *v, const Ax *a) {
  for (int i = 0; i < v->nfrom; i++)
    if (has_named(v->from[i], a))
      return v->from[i];
  return NULL;
}

// The nearest step before v, v too, that had the axis and left it out.
static const Value *lost_at(const Value *v, const Ax *a, int *steps) {
  if (++*steps > MAX_STEPS || has_named(v, a))
    return NULL;
  if (child_with(v, a))
    return v;
  for (int i = 0; i < v->nfrom; i++) {
    const Value *found = lost_at(v->from[i], a, steps);
    if (found)
      return found;
  }
  return NULL;
}

bool sema_was_lost(const Value *v, const Ax *a) {
  int steps = 0;
  return is_tensor(v) && lost_at(v, a, &steps);
}

void sema_why_lost(Sema *s, Diag *g, const Value *v, const Ax *a, Span shown) {
  int steps = 0;
  const Value *at = is_tensor(v) ? lost_at(v, a, &steps) : NULL;
  if (at)
    tell(s, g, at, shown,
         arena_printf(s->a, "leaves out `%s`: %s becomes %s", ax_str(s, a),
                      v_type_str(s, child_with(at, a)), v_type_str(s, at)));
}

void sema_why_held(Sema *s, Diag *g, const Value *v, const Ax *a, Span shown) {
  const Value *next;
  if (!is_tensor(v) || !has_named(v, a))
    return;
  for (int i = 0; i < MAX_STEPS && (next = child_with(v, a)); i++)
    v = next;
  tell(s, g, v, shown,
       arena_printf(s->a, v->made ? "brings in `%s`: this is %s" : "declared with `%s`: %s",
                    ax_str(s, a), v_type_str(s, v)));
}

void sema_why_axes(Sema *s, Diag *g, const Value *v, const AxList *want, Span shown) {
  for (int i = 0; i < want->n; i++)
    if (!ax_in(&v->ax, want->v[i])) {
      sema_why_lost(s, g, v, want->v[i], shown);
      break;
    }
  for (int i = 0; i < v->ax.n; i++)
    if (!ax_in(want, v->ax.v[i])) {
      sema_why_held(s, g, v, v->ax.v[i], shown);
      break;
    }
}

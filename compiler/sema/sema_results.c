// Several results: of modules and fns, and of repeats, which collect all but the first.
#include "compiler/sema/sema_eval.h"

int decl_nresults(const Decl *d) {
  return 1 + d->more.n;
}

const Type *decl_result(const Decl *d, int i) {
  return i ? d->more.v[i - 1] : d->type;
}

bool results_count(Sema *s, Span at, const Value *v, int n, Span declared, const char *what) {
  int have = v->kind == V_TUPLE ? v->nitems : 1;
  if (is_poison(v) || have == n)
    return true;
  Diag *g = sema_error(s, ERR_SEVERAL_NAMES, at, "%s gives %d result%s, and %s %d", what, have,
                       have == 1 ? "" : "s", declared.src ? "its type" : "the names are", n);
  if (declared.src)
    sema_label(s, g, declared, "declared here");
  else if (have == 1)
    diag_help(
        s->d, g,
        "`,` in front of `:` declares several parameters or children: `a, b : Linear[H -> H]`");
  else
    diag_help(s->d, g, "a result that nothing needs is called `_`");
  return false;
}

bool results_same(Sema *s, Span at, const Value *v, const Decl *d, const char *name) {
  int n = decl_nresults(d);
  const char *what = arena_printf(s->a, "the body of `%s`", name);
  bool same = !is_poison(v) && results_count(s, at, v, n, d->type->span, what);
  for (int i = 0; i < n && same; i++) {
    const Type *t = decl_result(d, i);
    Ty want = ty_eval(s, t, true);
    what = n == 1 ? arena_printf(s->a, "the result of `%s`", name)
                  : arena_printf(s->a, "result %d of `%s`", i + 1, name);
    same = ty_same(s, at, n == 1 ? v : v->item[i], &want, what, t->span);
  }
  return same;
}

bool results_fit_count(Sema *s, const Child *c, const Ty *t, int n, Span at) {
  for (int i = !c->all; c->along && i < n; i++)
    if (ax_in(&t[i].ax, c->along)) {
      Diag *g = sema_error(s, ERR_DIM_TWICE, at,
                           "result %d of `%s` is %s, and would be collected along `%s`", i + 1,
                           c->mod->name, dtype_axes_str(s, t[i].dtype, &t[i].ax), c->along->name);
      sema_label(s, g, c->stmt->count.span, "the count");
      return false;
    }
  return true;
}

Value *results_opaque(Sema *s, const Ty *t, int n, Ax *count, bool all) {
  Value **item = NEWN(s->a, Value *, n);
  for (int i = 0; i < n; i++) {
    AxList ax = (i || all) && count ? ax_join(s, (AxList){&count, 1}, t[i].ax) : t[i].ax;
    item[i] = v_tensor(s, t[i].dtype, ax);
  }
  return v_tuple(s, item, n);
}

// ---- along the count
static Node *one_part(Sema *s, const Value *v, int part) {
  if (!part || v->im)
    return part ? v->im : v->re;
  return g_full(s->g, (DType)v->re->dtype, 0, v->re->ax, v->re->nax);
}

// The parts of all, one behind the other along the count; NULL: none has an imaginary part.
static Node *stacked(Sema *s, Value *const *v, int64_t n, Axis *to, int part) {
  Node **in = NEWN(s->a, Node *, n);
  Axis **from = NEWN(s->a, Axis *, n), *unit = graph_axis(s->g, "(one)", 0, poly_const(1));
  bool any = !part;
  for (int64_t i = 0; i < n; i++) {
    any |= v[i]->im != NULL;
    in[i] = g_expand(s->g, one_part(s, v[i], part), &unit, 1);
    from[i] = unit;
  }
  return any ? g_concat(s->g, in, from, (int)n, to) : NULL;
}

static Value *along(Sema *s, Value *const *v, int64_t n, Ax *count) {
  Value *r = v_tensor(s, v[0]->dtype, ax_join(s, (AxList){&count, 1}, v[0]->ax));
  Axis *to = ax_graph(s, count);
  r->re = stacked(s, v, n, to, 0);
  r->im = stacked(s, v, n, to, 1);
  return r;
}

static Value *item(Value *v, int k) {
  return v->kind == V_TUPLE ? v->item[k] : v;
}

Value *results_collect(Sema *s, Value *const *v, int64_t n, Ax *count, bool all) {
  Value *last = v[n - 1];
  int m = last->kind == V_TUPLE ? last->nitems : 1;
  if (!count)
    return last;
  Value **out = NEWN(s->a, Value *, m), **each = NEWN(s->a, Value *, n);
  out[0] = item(last, 0);
  for (int k = !all; k < m; k++) {
    for (int64_t i = 0; i < n; i++)
      each[i] = item(v[i], k);
    out[k] = along(s, each, n, count);
  }
  return v_tuple(s, out, m);
}

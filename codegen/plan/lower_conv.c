// Convolutions and their kernels' gradients as loops, of any shapes.
#include "codegen/plan/lower_util.h"

// A register for the sum of values of dtype t.
static int sum_begin(Lower *c, DType t) {
  return lower_reg(c, lower_wide(t), lx_const(c->a, lower_wide(t), 0));
}
static void sum_add(Lower *c, int sum, LExpr *v) {
  lower_emit(c, ls_reduce(c->a, sum, LR_SUM, lower_cast(c, lower_wide(v->dtype), v)));
}
static LExpr *sum_end(Lower *c, int sum, DType t) {
  return lower_cast(c, t, lx_reg(c->a, lower_wide(t), sum));
}

static LExpr *minus(Lower *c, LExpr *x, LExpr *y) {
  LExpr *t[2] = {x, y};
  Poly s[2] = {poly_const(1), poly_const(-1)};
  return llinear(c, t, s, 2, poly_const(0));
}

static LExpr *plus(Lower *c, LExpr *x, LExpr *y) {
  LExpr *t[2] = {x, y};
  Poly s[2] = {poly_const(1), poly_const(1)};
  return llinear(c, t, s, 2, poly_const(0));
}

// How many products y[l] is the sum of.
static LExpr *conv_terms(Lower *c, const Node *n, const Coords *at) {
  LExpr *l = coords_get(at, n->attr.axis);
  return n->attr.reverse ? minus(c, lpoly(c, n->attr.axis->extent), l) : plus(c, l, li(c, 1));
}

// y[l] = sum over j < terms of k[j] u[l - j]; reversed: k[j] u[l + j]
static LExpr *conv_sum(Lower *c, Node *n, const Coords *at, LExpr *terms, int vec, bool apart) {
  Axis *a = n->attr.axis;
  DType t = computed_dtype(n);
  Coords u = *at, k = *at;
  LExpr *l = coords_get(at, a);
  int acc = sum_begin(c, t);
  LStmt *f = lower_for(c, li(c, 0), terms, a->extent, vec);
  f->apart = apart;
  LExpr *j = lvar(c, f->var);
  coords_set(&k, a, j);
  coords_set(&u, a, n->attr.reverse ? plus(c, l, j) : minus(c, l, j));
  LExpr *p =
      lx_op(c->a, L_MUL, t, lower_value(c, n->in[0], &u).e, lower_value(c, n->in[1], &k).e, NULL);
  sum_add(c, acc, p);
  lower_end(c, f);
  return sum_end(c, acc, t);
}

// Do lanes share out the terms of an element?  On CPUs, for shapes that no builtin takes, it is not worth it.
static int lanes(const Lower *c) {
  return c->g->p->o.on->builtins ? 0 : 2;
}

LExpr *lower_conv_value(Lower *c, Node *n, const Coords *at, int vec) {
  return conv_sum(c, n, at, conv_terms(c, n, at), vec, false);
}

void lower_conv(Lower *c, Node *n, const Place *dst) {
  Coords at = lower_elements(c, n);
  lower_store(c, dst, &at, lower_conv_value(c, n, &at, lanes(c)), false);
}

void lower_toeplitz_sum(Lower *c, Node *n, const Coords *at) {
  LExpr *sum = lx_acc(c->a);
  LExpr *spoilt = lx_op(c->a, L_NE, DT_BOOL, sum, sum, NULL);
  int r = lower_reg(c, DT_I32, lx_op(c->a, L_CAST, DT_I32, spoilt, NULL, NULL));
  LExpr *reg = lx_reg(c->a, DT_I32, r), *often = lint(c, lx_to_int(c->a, reg));
  LExpr *again = conv_sum(c, n, at, liop(c, L_IMUL, conv_terms(c, n, at), often), 0, true);
  LExpr *is = lx_op(c->a, L_NE, DT_BOOL, reg, lx_const(c->a, DT_I32, 0), NULL);
  lower_define(c, n, at, lx_op(c->a, L_SELECT, DT_F32, is, again, sum));
}

// dk[j] = sum over l and the axes not kept of dy[l] u[l - j]; reversed: dy[l] u[l + j]
LExpr *lower_conv_grad_value(Lower *c, Node *n, const Coords *at, int vec) {
  Axis *a = n->attr.axis;
  DType t = computed_dtype(n);
  Coords u = *at, y;
  LExpr *j = coords_get(at, a), *L = lpoly(c, a->extent);
  LStmt *open[2 * MAX_AXES];
  int acc = sum_begin(c, t), k = lower_summed(c, n, n->in[0], n->in[1], &u, open, a);
  bool back = n->attr.reverse;
  LStmt *f = lower_for(c, back ? li(c, 0) : j, back ? minus(c, L, j) : L, a->extent, 0);
  (k ? open[k - 1] : f)->vec = vec;
  LExpr *l = lvar(c, f->var);
  y = u;
  coords_set(&y, a, l);
  coords_set(&u, a, n->attr.reverse ? plus(c, l, j) : minus(c, l, j));
  LExpr *p =
      lx_op(c->a, L_MUL, t, lower_value(c, n->in[0], &u).e, lower_value(c, n->in[1], &y).e, NULL);
  sum_add(c, acc, p);
  lower_end(c, f);
  while (k > 0)
    lower_end(c, open[--k]);
  return sum_end(c, acc, t);
}

void lower_conv_grad(Lower *c, Node *n, const Place *dst) {
  Coords at = lower_elements(c, n);
  lower_store(c, dst, &at, lower_conv_grad_value(c, n, &at, lanes(c)), false);
}

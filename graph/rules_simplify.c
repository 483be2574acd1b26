// Algebra on pointwise nodes, sums and contractions: see rules.def for the equations and rewrite.h
// for the contract.
#include "graph/rewrite.h"
#include <math.h>
#include <stdlib.h>

// Constants hold numbers as they were written: operands and result are what they are in their dtype.  bf16 is rounded where
// it is stored only, and what is infinite, or no number, is left to run time.
Node *rule_fold_constants(Rewrite *r, Node *n) {
  double v[3] = {0}, out;
  if (!(op_flags(n->op) & F_POINTWISE) || n->dtype == DT_BF16)
    return NULL;
  for (int i = 0; i < n->nin; i++) {
    if (!node_is_const(n->in[i], &v[i]) || n->in[i]->dtype == DT_BF16)
      return NULL;
    v[i] = dtype_round((DType)n->in[i]->dtype, v[i]);
  }
  out = op_value(n->op, (DType)n->dtype, v[0], v[1], v[2]);
  return isfinite(out) ? g_full(r->g, n->dtype, out, n->ax, n->nax) : NULL;
}

Node *rule_constant_extent(Rewrite *r, Node *n) {
  int64_t c;
  if (n->op != OP_EXTENT || !poly_is_const(&n->attr.lo, &c) ||
      (n->dtype == DT_I32 && c > INT32_MAX))
    return NULL; // the planner refuses what i32 cannot hold
  return g_const(r->g, n->dtype, (double)c);
}

// x, when it has every axis of n
static Node *if_covers(const Node *n, Node *x) {
  return node_covers(x, n->ax, n->nax) ? x : NULL;
}

Node *rule_add_zero(Rewrite *r, Node *n) {
  double c;
  if (n->op != OP_ADD && n->op != OP_SUB)
    return NULL;
  if (node_is_const(n->in[1], &c) && c == 0)
    return if_covers(n, n->in[0]);
  if (!node_is_const(n->in[0], &c) || c != 0 || !if_covers(n, n->in[1]))
    return NULL;
  return n->op == OP_ADD ? n->in[1] : g_unary(r->g, OP_NEG, n->in[1]);
}

Node *rule_multiply_one(Rewrite *r, Node *n) {
  double c;
  if (n->op != OP_MUL && n->op != OP_DIV)
    return NULL;
  for (int i = 1; i >= (n->op == OP_MUL ? 0 : 1); i--)
    if (node_is_const(n->in[i], &c) && (c == 1 || c == -1) && if_covers(n, n->in[1 - i]))
      return c == 1 ? n->in[1 - i] : g_unary(r->g, OP_NEG, n->in[1 - i]);
  return NULL;
}

static Node *negate_negation(Graph *g, Node *n) {
  Node *x = n->in[0], *y;
  double c;
  if (x->op == OP_NEG)
    return x->in[0];
  if (x->op == OP_SUB)
    return g_binary(g, OP_SUB, x->in[1], x->in[0]);
  if (match_with_const(x, OP_MUL, &y, &c))
    return g_binary(g, OP_MUL, y, g_const(g, x->dtype, -c));
  return NULL;
}

Node *rule_negations(Rewrite *r, Node *n) {
  Graph *g = r->g;
  if (n->op == OP_NEG)
    return negate_negation(g, n);
  if (n->op == OP_ADD && n->in[1]->op == OP_NEG)
    return g_binary(g, OP_SUB, n->in[0], n->in[1]->in[0]);
  if (n->op == OP_ADD && n->in[0]->op == OP_NEG)
    return g_binary(g, OP_SUB, n->in[1], n->in[0]->in[0]);
  if (n->op == OP_SUB && n->in[1]->op == OP_NEG)
    return g_binary(g, OP_ADD, n->in[0], n->in[1]->in[0]);
  if (n->op == OP_MUL || n->op == OP_DIV)
    for (int i = 0; i < 2; i++)
      if (n->in[i]->op == OP_NEG) {
        Node *in[2] = {n->in[0], n->in[1]};
        in[i] = in[i]->in[0];
        return g_unary(g, OP_NEG, g_binary(g, n->op, in[0], in[1]));
      }
  return NULL;
}

// The product of two constants as a value of dtype t, where it is what the exact one rounds to, and
// neither overflows nor loses digits as a number of that dtype.
static bool product(DType t, double c, double d, double *out) {
  if (t == DT_F32) {
    float p = (float)c * (float)d;
    *out = p;
    return isnormal(p) && p == (float)(c * d);
  }
  *out = c * d;
  return t == DT_F64 && isnormal(*out);
}

Node *rule_constant_products(Rewrite *r, Node *n) {
  Node *x, *y;
  double c, d, both;
  if (!match_with_const(n, OP_MUL, &x, &c) || !match_with_const(x, OP_MUL, &y, &d))
    return NULL;
  return product((DType)n->dtype, c, d, &both)
             ? g_binary(r->g, OP_MUL, y, g_const(r->g, n->dtype, both))
             : NULL;
}

// Exact, so that a quotient is the nearest number to the true one as the language says: only powers
// of two have an exact reciprocal.
Node *rule_divide_by_constant(Rewrite *r, Node *n) {
  double c;
  int exponent;
  if (n->op != OP_DIV || !dtype_is_float(n->dtype) || !node_is_scalar_const(n->in[1], &c) ||
      node_is_const(n->in[0], NULL) || fabs(frexp(c, &exponent)) != 0.5)
    return NULL;
  return isnormal((float)c) && isnormal((float)(1 / c))
             ? g_binary(r->g, OP_MUL, n->in[0], g_const(r->g, n->dtype, 1 / c))
             : NULL;
}

Node *rule_powers(Rewrite *r, Node *n) {
  Graph *g = r->g;
  double c;
  if (n->op != OP_POW || !node_is_scalar_const(n->in[1], &c))
    return NULL;
  Node *x = n->in[0];
  if (c == 1)
    return x;
  if (c == 2 || c == 3) {
    Node *square = g_binary(g, OP_MUL, x, x);
    return c == 2 ? square : g_binary(g, OP_MUL, square, x);
  }
  if (c == 0.5)
    return g_unary(g, OP_SQRT, x);
  return c == -1 ? g_binary(g, OP_DIV, g_const(g, n->dtype, 1), x) : NULL;
}

// Whether every value of `from` is one of `to`.
static bool widens(DType from, DType to) {
  static const uint8_t rank[DT_COUNT] = {[DT_BOOL] = 1, [DT_BF16] = 2, [DT_F32] = 3, [DT_F64] = 4};
  if (from == to || from == DT_BOOL)
    return true;
  return from == DT_I32 ? to == DT_F64 : rank[from] && rank[from] <= rank[to];
}

Node *rule_casts(Rewrite *r, Node *n) {
  if (n->op != OP_CAST || n->in[0]->op != OP_CAST)
    return NULL;
  Node *inner = n->in[0], *x = inner->in[0];
  return widens(x->dtype, inner->dtype) ? g_cast(r->g, x, n->dtype) : NULL;
}

Node *rule_selects(Rewrite *r, Node *n) {
  double c;
  if (n->op != OP_SELECT)
    return NULL;
  if (node_is_const(n->in[0], &c))
    return if_covers(n, n->in[c != 0 ? 1 : 2]);
  if (n->in[1] == n->in[2])
    return if_covers(n, n->in[1]);
  for (int i = 1; i <= 2; i++) {
    Node *x = n->in[i];
    if (x->op == OP_SELECT && x->in[0] == n->in[0]) {
      Node *in[3] = {n->in[0], n->in[1], n->in[2]};
      in[i] = x->in[i];
      Node *m = g_select(r->g, in[0], in[1], in[2]);
      return same_axes(m, n) ? m : NULL;
    }
  }
  return NULL;
}

Node *rule_double_not(Rewrite *r, Node *n) {
  (void)r;
  return n->op == OP_NOT && n->in[0]->op == OP_NOT ? n->in[0]->in[0] : NULL;
}

static int join_axes(Axis **out, Axis *const *a, int na, Axis *const *b, int nb) {
  int n = 0;
  for (int i = 0; i < na; i++)
    out[n++] = a[i];
  for (int i = 0; i < nb; i++)
    out[n++] = b[i];
  return n;
}

Node *rule_nested_sums(Rewrite *r, Node *n) {
  Node *x = n->nin ? n->in[0] : NULL;
  if (n->dtype == DT_BF16 && n->op == OP_SUM) // the inner sum is rounded
    return NULL;
  if ((n->op != OP_SUM && n->op != OP_RMAX && n->op != OP_RMIN) || x->op != n->op ||
      rewrite_uses(r, x) > 1)
    return NULL;
  Axis *ax[64];
  CHECK(n->attr.naxes + x->attr.naxes <= COUNT(ax));
  int k = join_axes(ax, x->attr.axes, x->attr.naxes, n->attr.axes, n->attr.naxes);
  return g_reduce(r->g, n->op, x->in[0], ax, k);
}

Node *rule_sum_of_constant(Rewrite *r, Node *n) {
  Graph *g = r->g;
  double c;
  if (n->op != OP_SUM || !node_is_const(n->in[0], &c) || n->dtype != n->in[0]->dtype)
    return NULL;
  Node *v = g_full(g, n->dtype, c, n->ax, n->nax);
  for (int i = 0; i < n->attr.naxes; i++)
    v = g_binary(g, OP_MUL, v, g_extent(g, n->dtype, n->attr.axes[i]->extent));
  return v;
}

static bool lacks_all(const Node *n, Axis *const *ax, int nax) {
  for (int i = 0; i < nax; i++)
    if (node_has(n, ax[i]))
      return false;
  return true;
}

// Whether a sum of x * c may be taken as (the sum of x) * c.  In bf16 every product is rounded, unless c
// is a power of two; and a factor far from 1 may be what keeps the sum within its dtype's range.
static bool may_leave_sum(DType t, double c) {
  enum { FAR = 24 };
  int exponent;
  double digits = fabs(frexp(c, &exponent));
  if (t == DT_I32)
    return true;
  return abs(exponent) <= FAR && (t != DT_BF16 || digits == 0.5);
}

// A factor that is no constant has no known size: rounding alone decides.
static bool factor_may_leave_sum(DType t, const Node *factor) {
  double c;
  return node_is_const(factor, &c) ? may_leave_sum(t, c) : t != DT_BF16;
}

Node *rule_factor_out_of_sum(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Node *x = n->nin ? n->in[0] : NULL;
  if (n->op != OP_SUM || !dtype_is_float(n->dtype))
    return NULL;
  if (x->op == OP_NEG)
    return g_unary(g, OP_NEG, g_reduce(g, OP_SUM, x->in[0], n->attr.axes, n->attr.naxes));
  if (x->op == OP_DIV && lacks_all(x->in[1], n->attr.axes, n->attr.naxes) &&
      factor_may_leave_sum(n->dtype, x->in[1]))
    return g_binary(g, OP_DIV, g_reduce(g, OP_SUM, x->in[0], n->attr.axes, n->attr.naxes),
                    x->in[1]);
  if (x->op != OP_MUL)
    return NULL;
  for (int i = 0; i < 2; i++)
    if (lacks_all(x->in[i], n->attr.axes, n->attr.naxes) &&
        factor_may_leave_sum(n->dtype, x->in[i]))
      return g_binary(g, OP_MUL, g_sum_over(g, x->in[1 - i], n->attr.axes, n->attr.naxes),
                      x->in[i]);
  return NULL;
}

Node *rule_scale_out_of_contraction(Rewrite *r, Node *n) {
  Graph *g = r->g;
  double c;
  Node *x;
  if (n->op != OP_CONTRACT)
    return NULL;
  for (int i = 0; i < 2; i++) {
    bool negated = n->in[i]->op == OP_NEG;
    bool scaled = match_with_const(n->in[i], OP_MUL, &x, &c) && may_leave_sum(n->dtype, c);
    if (!negated && !scaled)
      continue;
    Node *in[2] = {n->in[0], n->in[1]};
    in[i] = negated ? in[i]->in[0] : x;
    Node *m = g_contract(g, in[0], in[1], n->attr.axes, n->attr.naxes);
    return negated ? g_unary(g, OP_NEG, m) : g_binary(g, OP_MUL, m, g_const(g, m->dtype, c));
  }
  return NULL;
}

Node *rule_contract_with_constant(Rewrite *r, Node *n) {
  Graph *g = r->g;
  double c;
  if (n->op != OP_CONTRACT)
    return NULL;
  for (int i = 0; i < 2; i++) {
    if (!node_is_const(n->in[i], &c) || !may_leave_sum(n->dtype, c))
      continue;
    Node *sum = g_sum_over(g, n->in[1 - i], n->attr.axes, n->attr.naxes);
    Node *m = g_binary(g, OP_MUL, sum, g_const(g, sum->dtype, c));
    return g_expand(g, m, n->ax, n->nax);
  }
  return NULL;
}

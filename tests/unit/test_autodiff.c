// Gradients of compositions, as models have them.
#include "tests/unit/graph_test.h"
#include "tests/unit/suites.h"
#include <math.h>

static Node *add(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_ADD, a, b);
}
static Node *sub(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_SUB, a, b);
}
static Node *mul(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_MUL, a, b);
}
static Node *quotient(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_DIV, a, b);
}
static Node *num(Graph *g, double v) {
  return g_const(g, DT_F64, v);
}
static Node *mean(Graph *g, Node *x, Axis *a) {
  return quotient(g, g_reduce(g, OP_SUM, x, &a, 1), g_extent(g, DT_F64, a->extent));
}
static Node *total(Graph *g, Node *x) {
  return x->nax ? g_reduce(g, OP_SUM, x, x->ax, x->nax) : x;
}
static Node *softmax(Graph *g, Node *x, Axis *a) {
  Node *e = g_unary(g, OP_EXP, sub(g, x, g_reduce(g, OP_RMAX, x, &a, 1)));
  return quotient(g, e, g_reduce(g, OP_SUM, e, &a, 1));
}
static Node *layer_norm(Graph *g, Node *x, Axis *a, Node *gain, Node *bias) {
  Node *d = sub(g, x, mean(g, x, a));
  Node *s = g_unary(g, OP_SQRT, add(g, mean(g, mul(g, d, d), a), num(g, 1e-5)));
  return add(g, mul(g, quotient(g, d, s), gain), bias);
}
static Node *gelu(Graph *g, Node *x) {
  Node *e = g_unary(g, OP_ERF, quotient(g, x, num(g, sqrt(2))));
  return mul(g, mul(g, num(g, 0.5), x), add(g, num(g, 1), e));
}

static Node *leaf(Bed *b, Axis *const *ax, int n) {
  return bed_leaf(b, DT_F64, ax, n, -1.5, 1.5);
}
#define LEAF(b, ...) leaf((b), (Axis *const[]){__VA_ARGS__}, COUNT(((Axis *const[]){__VA_ARGS__})))

START_TEST(layer_norm_has_its_gradient) {
  Bed b = bed_new(1);
  Axis *l = bed_run_axis(&b, "L", 3), *h = bed_axis(&b, "H", 4);
  Node *x = LEAF(&b, l, h), *y = layer_norm(b.g, x, h, LEAF(&b, h), LEAF(&b, h));
  bed_check_grads(&b, total(b.g, mul(b.g, y, LEAF(&b, h, l))), "layer norm");
  bed_free(&b);
}
END_TEST

START_TEST(softmax_has_its_gradient) {
  Bed b = bed_new(2);
  Axis *l = bed_axis(&b, "L", 3), *s = bed_axis(&b, "S", 4);
  Node *y = softmax(b.g, LEAF(&b, l, s), s);
  bed_check_grads(&b, total(b.g, mul(b.g, y, LEAF(&b, s))), "softmax");
  bed_free(&b);
}
END_TEST

START_TEST(cross_entropy_has_its_gradient) {
  Bed b = bed_new(3);
  Graph *g = b.g;
  Axis *m = bed_axis(&b, "M", 5), *v = bed_axis(&b, "V", 7);
  Node *x = LEAF(&b, m, v), *label = bed_leaf(&b, DT_I32, &m, 1, 0, 7),
       *top = g_reduce(g, OP_RMAX, x, &v, 1);
  Node *lse = add(
      g, g_unary(g, OP_LOG, g_reduce(g, OP_SUM, g_unary(g, OP_EXP, sub(g, x, top)), &v, 1)), top);
  Node *loss = mean(g, sub(g, lse, g_gather(g, x, label, v)), m), *grad;
  bed_check_grads(&b, loss, "cross entropy");
  // and in closed form: (softmax - one hot) / M
  graph_grad(g, loss, &x, 1, &grad);
  Node *hot = g_cast(g, g_binary(g, OP_EQ, label, g_iota(g, v)), DT_F64);
  bed_same(&b, grad, quotient(g, sub(g, softmax(g, x, v), hot), num(g, 5)), 1e-12, "cross entropy");
  bed_free(&b);
}
END_TEST

START_TEST(mlp_has_its_gradient) {
  Bed b = bed_new(4);
  Graph *g = b.g;
  Axis *t = bed_run_axis(&b, "B", 2), *h = bed_axis(&b, "H", 3), *f = bed_axis(&b, "F", 4);
  Node *x = LEAF(&b, t, h), *up = LEAF(&b, h, f), *bias = LEAF(&b, f), *down = LEAF(&b, f, h);
  Node *u = gelu(g, add(g, g_contract(g, x, up, &h, 1), bias));
  Node *y = add(g, x, g_contract(g, u, down, &f, 1));
  bed_check_grads(&b, total(g, mul(g, y, y)), "mlp");
  bed_free(&b);
}
END_TEST

// A table used by the embedding and by the head, and one weight applied twice.
START_TEST(shared_parameters_add_up) {
  Bed b = bed_new(5);
  Graph *g = b.g;
  Axis *l = bed_axis(&b, "L", 3), *v = bed_axis(&b, "V", 5), *h = bed_axis(&b, "H", 3),
       *o = bed_axis(&b, "O", 3);
  Node *ids = bed_leaf(&b, DT_I32, &l, 1, 0, 5), *table = LEAF(&b, v, h), *w = LEAF(&b, h, o);
  Node *x = g_gather(g, table, ids, v);
  for (int i = 0; i < 2; i++)
    x = g_unary(g, OP_TANH, g_rename(g, g_contract(g, x, w, &h, 1), &o, &h, 1));
  Node *logits = g_contract(g, x, table, &h, 1);
  bed_check_grads(&b, total(g, mul(g, softmax(g, logits, v), g_unary(g, OP_SIN, logits))), "tied");
  bed_free(&b);
}
END_TEST

// ---- attention claimed whole against its composition

typedef struct Heads {
  Axis *b, *l, *s, *h, *d;
  Node *q, *k, *v, *mask, *bias;
} Heads;

static Heads heads(Bed *bed) {
  Heads a = {.b = bed_axis(bed, "B", 2),
             .l = bed_run_axis(bed, "L", 3),
             .h = bed_axis(bed, "Heads", 2),
             .d = bed_axis(bed, "D", 3)};
  a.s = graph_axis(bed->g, "S", 1, a.l->extent);
  a.q = LEAF(bed, a.b, a.l, a.h, a.d);
  a.k = LEAF(bed, a.b, a.s, a.h, a.d);
  a.v = LEAF(bed, a.b, a.s, a.h, a.d);
  a.mask = bed_leaf(bed, DT_BOOL, (Axis *[]){a.b, a.s}, 2, 0, 1);
  a.bias = LEAF(bed, a.h, a.s, a.l);
  bed->data[3][0] = bed->data[3][3] = 1; // no row is masked whole
  return a;
}

static Node *composed(Bed *bed, const Heads *a, double scale, double rate, uint64_t site,
                      const Node **w) {
  Graph *g = bed->g;
  Node *s = add(g, mul(g, g_contract(g, a->q, a->k, &a->d, 1), num(g, scale)), a->bias);
  Node *p = softmax(g, g_select(g, a->mask, s, num(g, -1e9)), a->s);
  *w = p;
  if (rate > 0) {
    Node *draw = g_cast(g, g_random(g, site, p->ax, p->nax), DT_F64);
    p = g_select(g, g_binary(g, OP_LE, num(g, rate), draw), mul(g, p, num(g, 1 / (1 - rate))),
                 num(g, 0));
  }
  return g_contract(g, p, a->v, &a->s, 1);
}

START_TEST(attention_equals_its_composition) {
  double rate = _i ? 0.3 : 0;
  Bed b = bed_new(6);
  Graph *g = b.g;
  Heads a = heads(&b);
  const Node *w;
  Node *slow = composed(&b, &a, 0.6, rate, 42, &w), *in[5] = {a.q, a.k, a.v, a.mask, a.bias};
  Node *fast = g_attention(g, in, a.s, a.d, 0.6, rate, 42, w->ax, w->nax);
  Node *weight = LEAF(&b, a.b, a.d, a.l, a.h), *wrt[4] = {a.q, a.k, a.v, a.bias}, *ds[4], *df[4];
  bed_same(&b, fast, slow, 1e-12, "attention");
  graph_grad(g, total(g, mul(g, slow, weight)), wrt, 4, ds);
  graph_grad(g, total(g, mul(g, fast, weight)), wrt, 4, df);
  for (int i = 0; i < 4; i++) {
    ck_assert_ptr_ne(ds[i], df[i]);
    bed_same(&b, df[i], ds[i], 1e-11, "gradient of attention");
  }
  bed_free(&b);
}
END_TEST

// ---- linear ops: <A x, y> = <x, A' y>, where A' y is what autodiff says

static Node *linear(Bed *b, int which, Node *x, Axis *const *ax) {
  Graph *g = b->g;
  Axis *l = ax[0], *h = ax[1];
  switch (which) {
  case 0: return g_contract(g, x, LEAF(b, h, ax[2]), &h, 1);
  case 1: return g_flip(g, x, &l, 1);
  case 2: return g_conv(g, x, LEAF(b, l), l, false);
  case 3: return g_conv(g, x, LEAF(b, h, l), l, true);
  case 4: return g_gather(g, x, bed_leaf(b, DT_I32, &ax[2], 1, 0, 4), l);
  case 5: return g_split(g, x, h, &ax[3], 2);
  case 6: return g_merge(g, x, (Axis *[]){h, l}, 2, bed_axis(b, "all", 24));
  case 7: return g_slice(g, x, h, poly_const(2), poly_const(5), ax[4]);
  case 8: return g_sum_over(g, x, (Axis *[]){h, ax[2]}, 2);
  default: return NULL;
  }
}

START_TEST(linear_ops_have_their_adjoint) {
  Bed b = bed_new(7 + (uint64_t)_i);
  Graph *g = b.g;
  Axis *ax[5] = {bed_axis(&b, "L", 4), bed_axis(&b, "H", 6), bed_axis(&b, "O", 5),
                 bed_axis(&b, "P", 2), bed_axis(&b, "Q", 3)};
  Node *x = LEAF(&b, ax[0], ax[1]), *z = LEAF(&b, ax[0], ax[1]), *y = linear(&b, _i, x, ax), *grad;
  Node *w = leaf(&b, y->ax, y->nax);
  graph_grad(g, total(g, mul(g, y, w)), &x, 1, &grad);
  // A z, by replacing x's values
  Node *at_x = total(g, mul(g, grad, z));
  double inner = *bed_value(&b, at_x);
  for (int64_t i = 0; i < b.size[0]; i++)
    b.data[0][i] = b.data[1][i];
  double outer = *bed_value(&b, total(g, mul(g, y, w)));
  ck_assert_msg(fabs(inner - outer) <= 1e-12 * (1 + fabs(outer)), "%s: %g and %g", op_name(y->op),
                inner, outer);
  bed_free(&b);
}
END_TEST

// ---- the driver

START_TEST(gradients_have_axes_and_dtype_of_what_they_are_of) {
  Bed b = bed_new(20);
  Graph *g = b.g;
  Axis *l = bed_axis(&b, "L", 3), *h = bed_axis(&b, "H", 2);
  Node *x = LEAF(&b, l, h), *unused = LEAF(&b, h), *f32 = bed_leaf(&b, DT_F32, &h, 1, 0, 1),
       *grad[3];
  Node *loss = total(g, mul(g, x, g_cast(g, f32, DT_F64)));
  graph_grad(g, loss, (Node *[]){x, unused, f32}, 3, grad);
  ck_assert(axes_equal_sets(grad[0]->ax, grad[0]->nax, x->ax, x->nax));
  ck_assert_int_eq(grad[2]->dtype, DT_F32);
  const double *zero = bed_value(&b, grad[1]);
  ck_assert_int_eq(grad[1]->nax, 1);
  ck_assert(zero[0] == 0 && zero[1] == 0);
  bed_free(&b);
}
END_TEST

// With respect to a value in the middle, and to the loss itself.
START_TEST(gradients_of_inner_values) {
  Bed b = bed_new(21);
  Graph *g = b.g;
  Axis *l = bed_axis(&b, "L", 3);
  Node *x = LEAF(&b, l), *y = g_unary(g, OP_EXP, x), *loss = total(g, mul(g, y, y)), *grad[2];
  graph_grad(g, loss, (Node *[]){y, loss}, 2, grad);
  bed_same(&b, grad[0], mul(g, y, num(g, 2)), 1e-15, "of exp x");
  ck_assert_double_eq(*bed_value(&b, grad[1]), 1);
  bed_free(&b);
}
END_TEST

START_TEST(no_gradient_flows_through_integers_and_conditions) {
  Bed b = bed_new(22);
  Graph *g = b.g;
  Axis *l = bed_axis(&b, "L", 3);
  Node *x = LEAF(&b, l), *grad;
  Node *y = g_select(g, g_binary(g, OP_LT, x, num(g, 0)), num(g, 2),
                     g_cast(g, g_cast(g, x, DT_I32), DT_F64));
  graph_grad(g, total(g, y), &x, 1, &grad);
  for (int i = 0; i < 3; i++)
    ck_assert_double_eq(bed_value(&b, grad)[i], 0);
  bed_free(&b);
}
END_TEST

// ---- scans

// Two states that read each other, a value seen at l, and a nested scan over another axis that
// reads both.
static Node *two_state_scan(Bed *b, Node *u, Node *w, Axis *l, Axis *n) {
  Graph *g = b->g;
  Node *x = g_state(g, DT_F64, "x", &n, 1), *y = g_state(g, DT_F64, "y", NULL, 0),
       *now = g_state(g, DT_F64, "u", NULL, 0);
  Node *z = g_state(g, DT_F64, "z", NULL, 0), *at = g_state(g, DT_F64, "x at n", NULL, 0);
  Node *start = mul(g, now, num(g, 0.5));
  Node *z_next = add(g, mul(g, z, num(g, 0.3)), mul(g, at, add(g, now, num(g, 1))));
  Node *inner = g_scan(g, &(Scan){.axis = n,
                                  .nstate = 1,
                                  .nseen = 1,
                                  .first = &start,
                                  .state = &z,
                                  .next = &z_next,
                                  .seen = &x,
                                  .seen_leaf = &at,
                                  .result = z_next});
  Node *next[2] = {add(g, mul(g, x, w), y),
                   g_unary(g, OP_TANH, g_reduce(g, OP_SUM, mul(g, inner, w), &n, 1))};
  Node *first[2] = {num(g, 0.25), mul(g, num(g, 2), g_index(g, w, n, poly_const(0)))},
       *state[2] = {x, y};
  return g_scan(g, &(Scan){.axis = l,
                           .nstate = 2,
                           .nseen = 1,
                           .first = first,
                           .state = state,
                           .next = next,
                           .seen = &u,
                           .seen_leaf = &now,
                           .result = mul(g, next[0], next[1])});
}

START_TEST(scans_step_through_their_axis) {
  enum { L = 4, N = 3 };
  Bed b = bed_new(23);
  Axis *l = bed_axis(&b, "L", L), *n = bed_axis(&b, "N", N);
  Node *u = LEAF(&b, l), *w = LEAF(&b, n), *y = two_state_scan(&b, u, w, l, n);
  const double *uv = b.data[0], *wv = b.data[1], *got = bed_in_order(&b, y, (Axis *[]){l, n}, 2);
  double xs[N] = {0.25, 0.25, 0.25}, s = 2 * wv[0];
  for (int i = 0; i < L; i++) {
    double z = 0.5 * uv[i], sum = 0, next[N];
    for (int k = 0; k < N; k++) {
      z = 0.3 * z + xs[k] * (uv[i] + 1);
      sum += z * wv[k];
      next[k] = xs[k] * wv[k] + s;
    }
    s = tanh(sum);
    for (int k = 0; k < N; k++) {
      xs[k] = next[k];
      ck_assert_msg(fabs(got[i * N + k] - xs[k] * s) < 1e-13, "step %d, place %d", i, k);
    }
  }
  bed_free(&b);
}
END_TEST

// All of the loop's values go through one node, and what has no state is outside of it.
START_TEST(closed_scans_keep_values_and_have_gradients) {
  enum { LENGTHS = 4 };
  static const int length[LENGTHS] = {1, 2, 7, 33};
  for (int i = 0; i < LENGTHS; i++) {
    Bed b = bed_new(26);
    Graph *g = b.g;
    Axis *l = bed_run_axis(&b, "L", length[i]), *n = bed_axis(&b, "N", 3);
    Node *u = LEAF(&b, l), *w = LEAF(&b, n), *y = two_state_scan(&b, u, w, l, n), *loop = y;
    graph_close_scans(g, &loop, 1);
    int m;
    Node **nodes = graph_reachable(g, &loop, 1, &m);
    for (int k = 0; k < m; k++)
      ck_assert(nodes[k]->op != OP_SCAN && nodes[k]->op != OP_STATE);
    bed_same(&b, loop, y, 1e-14, "closed");
    bed_check_grads(&b, total(g, mul(g, loop, loop)), "loop");
    bed_free(&b);
  }
}
END_TEST

Suite *autodiff_suite(void) {
  Suite *s = suite_create("autodiff");
  TCase *t = tcase_create("autodiff");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, layer_norm_has_its_gradient);
  tcase_add_test(t, softmax_has_its_gradient);
  tcase_add_test(t, cross_entropy_has_its_gradient);
  tcase_add_test(t, mlp_has_its_gradient);
  tcase_add_test(t, shared_parameters_add_up);
  tcase_add_loop_test(t, attention_equals_its_composition, 0, 2);
  tcase_add_loop_test(t, linear_ops_have_their_adjoint, 0, 9);
  tcase_add_test(t, gradients_have_axes_and_dtype_of_what_they_are_of);
  tcase_add_test(t, gradients_of_inner_values);
  tcase_add_test(t, no_gradient_flows_through_integers_and_conditions);
  tcase_add_test(t, scans_step_through_their_axis);
  tcase_add_test(t, closed_scans_keep_values_and_have_gradients);
  suite_add_tcase(s, t);
  return s;
}

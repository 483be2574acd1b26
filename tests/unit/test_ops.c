// Every row of the op table, on small instances: shape rules by the verifier, values against the
// definitions of op_reference.c, gradients against central differences in float64 for losses that
// weigh the result fully, partly or not at all.  A row without an instance fails.
#include "tests/unit/op_cases.h"
#include "tests/unit/op_reference.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

// ---- checks

static char *label(OpCase *c, const char *what) {
  return arena_printf(c->b.arena, "%s, instance %d, %s", op_name(c->op), c->variant, what);
}

static void check_values(OpCase *c, Node *n) {
  const double *v = bed_value(&c->b, n);
  RefPlace p = {{0}};
  int64_t size = bed_size(&c->b, n->ax, n->nax);
  for (int64_t k = 0; k < size; k++) {
    int64_t rest = k;
    for (int i = n->nax - 1; i >= 0; i--) {
      int64_t extent = poly_eval(&n->ax[i]->extent, c->b.syms);
      p.at[n->ax[i]->id] = rest % extent;
      rest /= extent;
    }
    double expected = reference_value(&c->b, n, p);
    if (isnan(
            expected)) // the op has no second definition: its gradient and the compiled code are checked all the same
      expected = v[k];
    ck_assert_msg(fabs(v[k] - expected) <= 1e-12 * (1 + fabs(expected)),
                  "%s: element %lld is %.17g, not %.17g", label(c, "value"), (long long)k, v[k],
                  expected);
  }
}

// loss = sum of y times random weights with the first, the last, all or none of y's axes
static void check_gradient(OpCase *c, Node *y) {
  Graph *g = c->b.g;
  int leaves = c->b.n;
  static const char *const names[] = {"unweighted", "weighted", "weighted along the first axis",
                                      "weighted along the last axis"};
  graph_close_scans(g, &y, 1);
  for (int weight = 0; weight < (y->nax ? 4 : 2); weight++) {
    Axis *const *ax = weight == 3 ? y->ax + y->nax - 1 : y->ax;
    Node *loss = y;
    c->b.n = leaves + weight; // names of leaves must differ
    if (weight) {
      c->b.n--;
      loss = g_binary(g, OP_MUL, y,
                      bed_leaf(&c->b, (DType)y->dtype, ax, weight == 1 ? y->nax : 1, -2, 2));
    }
    loss = y->nax ? g_reduce(g, OP_SUM, loss, y->ax, y->nax) : loss;
    bed_check_grads(&c->b, loss, label(c, names[weight]));
  }
}

static bool has_values(int op) {
  return op != OP_ATTENTION_GRAD && op != OP_SCAN && op != OP_LOOP;
}

START_TEST(op_matches_its_definition) {
  int op = _i, variant = 0;
  OpCase c;
  for (;; variant++) {
    op_case_open(&c, op, variant, DT_F64);
    Node *y = op_case_make(&c);
    if (!y)
      break;
    const char *wrong = graph_verify(c.b.g, &y, 1);
    ck_assert_msg(!wrong, "%s: %s", label(&c, "verifier"), wrong);
    if (has_values(op))
      check_values(&c, y);
    else
      bed_value(&c.b, y);
    if (!(op_flags(op) & F_NOGRAD) && dtype_is_float((DType)y->dtype))
      check_gradient(&c, y);
    bed_free(&c.b);
  }
  bed_free(&c.b);
  // A state has a value within its scan only.
  ck_assert_msg(variant > 0 || op == OP_STATE, "%s has no instance in the tests", op_name(op));
}
END_TEST

// ---- values that the table's instances do not reach

static double scalar(Bed *b, Node *n) {
  ck_assert_int_eq(n->nax, 0);
  return *bed_value(b, n);
}

START_TEST(integers_wrap_and_casts_saturate) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Node *big = g_const(g, DT_I32, INT32_MAX), *two = g_const(g, DT_I32, 2);
  ck_assert_double_eq(scalar(&b, g_binary(g, OP_ADD, big, two)), (double)INT32_MIN + 1);
  ck_assert_double_eq(scalar(&b, g_binary(g, OP_MUL, big, big)), 1);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, 1e12), DT_I32)), INT32_MAX);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, -2.9), DT_I32)), -2);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, NAN), DT_I32)), 0);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, 0.1), DT_BOOL)), 1);
  bed_free(&b);
}
END_TEST

START_TEST(division_of_whole_numbers_goes_down) {
  static const int32_t cases[][4] = {{7, 2, 3, 1},
                                     {-7, 2, -4, 1},
                                     {7, -2, -4, -1},
                                     {-7, -2, 3, -1},
                                     {6, -3, -2, 0},
                                     {5, 0, 0, 5},
                                     {0, 0, 0, 0},
                                     {INT32_MIN, 0, 0, INT32_MIN},
                                     {INT32_MIN, -1, INT32_MIN, 0},
                                     {INT32_MAX, -1, -INT32_MAX, 0},
                                     {INT32_MAX, INT32_MIN, -1, -1},
                                     {INT32_MIN, 3, -715827883, 1}};
  Bed b = bed_new(1);
  Graph *g = b.g;
  for (int i = 0; i < COUNT(cases); i++) {
    Node *x = g_const(g, DT_I32, cases[i][0]), *y = g_const(g, DT_I32, cases[i][1]);
    ck_assert_double_eq(scalar(&b, g_binary(g, OP_FLOORDIV, x, y)), cases[i][2]);
    ck_assert_double_eq(scalar(&b, g_binary(g, OP_FLOORMOD, x, y)), cases[i][3]);
  }
  bed_free(&b);
}
END_TEST

// x + stop(x^2): the gradient sees x alone.
START_TEST(stopped_values_are_constants_to_gradients) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 4);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 1, 2), *grad[1];
  Node *stopped = g_unary(g, OP_STOP, g_binary(g, OP_MUL, x, x));
  graph_grad(g, g_reduce(g, OP_SUM, g_binary(g, OP_MUL, x, stopped), &a, 1), &x, 1, grad);
  for (int i = 0; i < 4; i++)
    ck_assert_double_eq(bed_value(&b, grad[0])[i], bed_value(&b, stopped)[i]);
  graph_grad(g, g_reduce(g, OP_SUM, stopped, &a, 1), &x, 1, grad);
  for (int i = 0; i < 4; i++)
    ck_assert_double_eq(bed_value(&b, grad[0])[i], 0);
  bed_free(&b);
}
END_TEST

START_TEST(argmax_takes_the_first_of_equals) {
  Bed b = bed_new(1);
  static const double v[4] = {1, 3, 3, 2};
  Axis *a = bed_axis(&b, "A", 4);
  ck_assert_double_eq(scalar(&b, g_argmax(b.g, g_table(b.g, DT_F64, a, v), a)), 1);
  bed_free(&b);
}
END_TEST

START_TEST(ties_share_the_gradient) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 4);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *y = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *grad[2];
  static const double v[4] = {1, 3, 3, 2}, w[4] = {1, 0, 3, 5};
  memcpy(b.data[0], v, sizeof v);
  memcpy(b.data[1], w, sizeof w);
  graph_grad(g, g_reduce(g, OP_RMAX, x, &a, 1), &x, 1, grad);
  const double *d = bed_value(&b, grad[0]);
  static const double shared[4] = {0, 0.5, 0.5, 0}, of_x[4] = {0.5, 1, 0.5, 0};
  for (int i = 0; i < 4; i++)
    ck_assert_double_eq(d[i], shared[i]);
  graph_grad(g, g_reduce(g, OP_SUM, g_binary(g, OP_MAX, x, y), &a, 1), (Node *[]){x, y}, 2, grad);
  for (int i = 0; i < 4; i++) {
    ck_assert_double_eq(bed_value(&b, grad[0])[i], of_x[i]);
    ck_assert_double_eq(bed_value(&b, grad[1])[i], 1 - of_x[i]);
  }
  bed_free(&b);
}
END_TEST

START_TEST(power_of_a_negative_base) {
  Bed b = bed_new(1);
  Axis *a = bed_axis(&b, "A", 4);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, -2, -1);
  Node *cube = g_binary(b.g, OP_POW, x, g_const(b.g, DT_F64, 3));
  bed_check_grads(&b, g_reduce(b.g, OP_SUM, cube, &a, 1), "x^3");
  bed_free(&b);
}
END_TEST

START_TEST(indices_out_of_range_are_errors_with_a_place) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 4), *n = bed_axis(&b, "N", 3);
  Source *src = source_new(b.arena, "bert.mdl", "one\ntwo three\n", 14);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *i = bed_leaf(&b, DT_I32, &n, 1, 0, 4);
  g->span = (Span){src, 8, 13};
  Node *y = g_gather(g, x, i, a), *s = g_scatter(g, i, g_const(g, DT_F64, 1), a, NULL, 0);
  ck_assert_ptr_null(bed_error(&b, y));
  b.data[1][2] = 4;
  ck_assert_str_eq(bed_error(&b, y), "bert.mdl:2:5: index 4 is outside of A, which has 4 elements");
  b.data[1][2] = -1;
  ck_assert_str_eq(bed_error(&b, s),
                   "bert.mdl:2:5: index -1 is outside of A, which has 4 elements");
  bed_free(&b);
}
END_TEST

START_TEST(unbound_leaves_and_sizes_that_do_not_fit_are_errors) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *l = bed_run_axis(&b, "L", 5), *to = bed_axis(&b, "T", 3), *over = bed_axis(&b, "over", 4);
  Node *x = bed_leaf(&b, DT_F64, &l, 1, 0, 1); // data for the longer of the two lengths
  b.syms[0] = 2;
  ck_assert_ptr_nonnull(bed_error(&b, g_input(g, "absent", DT_F64, NULL, 0)));
  Node *y = g_slice(g, x, l, poly_const(0), poly_const(3), to),
       *p = g_pad(g, x, l, poly_const(1), over);
  ck_assert_str_eq(bed_error(&b, y), "[0, 3) is outside of L, which has 2 elements");
  ck_assert_ptr_null(bed_error(&b, p));
  b.syms[0] = 5;
  ck_assert_ptr_nonnull(bed_error(&b, p));
  bed_free(&b);
}
END_TEST

START_TEST(random_draws_depend_on_seed_step_site_and_element) {
  Bed b = bed_new(1);
  Axis *a = bed_axis(&b, "A", 1000), *c = bed_axis(&b, "C", 2);
  Node *r = g_random(b.g, 5, (Axis *[]){a, c}, 2), *other = g_random(b.g, 6, (Axis *[]){a, c}, 2);
  const double *x = bed_value(&b, r), *y = bed_value(&b, other);
  double mean = 0;
  int equal = 0;
  for (int i = 0; i < 2000; i++) {
    ck_assert(x[i] > 0 && x[i] < 1);
    mean += x[i] / 2000;
    equal += x[i] == y[i];
  }
  ck_assert(fabs(mean - 0.5) < 0.03);
  ck_assert_int_lt(equal, 5);
  b.step++;
  ck_assert_double_ne(bed_value(&b, r)[0], x[0]);
  bed_free(&b);
}
END_TEST

Suite *ops_suite(void) {
  Suite *s = suite_create("ops");
  TCase *t = tcase_create("ops");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, op_matches_its_definition, 0, OP_COUNT);
  tcase_add_test(t, integers_wrap_and_casts_saturate);
  tcase_add_test(t, division_of_whole_numbers_goes_down);
  tcase_add_test(t, stopped_values_are_constants_to_gradients);
  tcase_add_test(t, argmax_takes_the_first_of_equals);
  tcase_add_test(t, ties_share_the_gradient);
  tcase_add_test(t, power_of_a_negative_base);
  tcase_add_test(t, indices_out_of_range_are_errors_with_a_place);
  tcase_add_test(t, unbound_leaves_and_sizes_that_do_not_fit_are_errors);
  tcase_add_test(t, random_draws_depend_on_seed_step_site_and_element);
  suite_add_tcase(s, t);
  return s;
}

// Every row of the op table as compiled code, against the interpreter: the instances of op_cases.c
// through planner, JIT and runtime, with and without fusion, for several instruction sets; their
// gradients too.
#include "tests/unit/op_code.h"
#include "tests/unit/suites.h"
#include <math.h>

static const DType reals[] = {DT_F32, DT_F64, DT_BF16};

// One of the dtypes, another for the op behind it: all with BIGSC_FULL=1.
static void check_op(int op, int first, const PlanBed *like) {
  for (int i = 0; i < (suites_full() ? COUNT(reals) : 1); i++)
    op_code_check(op, reals[(op + first + i) % COUNT(reals)], true, like);
}

START_TEST(op_is_compiled_as_it_is_interpreted) {
  for (int i = 0; i < COUNT(reals); i++)
    op_code_check(_i, reals[i], true, &(PlanBed){.no_fuse = false});
}
END_TEST

START_TEST(op_is_compiled_without_fusion) {
  check_op(_i, 0, &(PlanBed){.no_fuse = true});
}
END_TEST

#if defined(__aarch64__)
#define OLD_CPU "armv8-a"
#else
#define OLD_CPU "x86-64"
#endif
START_TEST(op_is_compiled_for_an_old_processor) {
  check_op(_i, 1, &(PlanBed){.march = OLD_CPU});
}
END_TEST

// The largest of numbers one of which is NaN is NaN, wherever it stands.
START_TEST(largest_of_what_is_no_number) {
  PlanBed t = plan_bed_new(7);
  Bed *b = &t.b;
  Axis *h = bed_axis(b, "H", 37);
  Node *x = bed_leaf(b, DT_F32, &h, 1, -1, 1), *y = bed_leaf(b, DT_F32, &h, 1, -1, 1);
  static const Op reductions[] = {OP_RMAX, OP_RMIN}, pairs[] = {OP_MAX, OP_MIN};
  b->data[0][_i] = NAN;
  for (int k = 0; k < 2; k++) {
    plan_bed_check1(&t, g_reduce(b->g, reductions[k], x, &h, 1), "reduction");
    plan_bed_check1(&t, g_binary(b->g, pairs[k], x, y), "left");
    plan_bed_check1(&t, g_binary(b->g, pairs[k], y, x), "right");
  }
  plan_bed_free(&t);
}
END_TEST

// The same of constants: as the interpreter says, as generated code computes it, and as it is folded.
START_TEST(largest_of_constants) {
  static const Op pairs[] = {OP_MAX, OP_MIN};
  static const DType dtypes[] = {DT_F32, DT_F64};
  PlanBed t = plan_bed_new(7);
  Bed *b = &t.b;
  Axis *h = bed_axis(b, "H", 5);
  DType dt = dtypes[_i / 2];
  Op op = pairs[_i % 2];
  Node *x = bed_leaf(b, dt, &h, 1, -1, 1), *none = g_const(b->g, dt, NAN);
  Node *three = g_const(b->g, dt, 3);
  plan_bed_check1(&t, g_binary(b->g, op, x, none), "right");
  plan_bed_check1(&t, g_binary(b->g, op, none, x), "left");
  plan_bed_check1(&t, g_binary(b->g, op, x, g_binary(b->g, op, none, three)), "both");
  ck_assert(isnan(op_value(op, dt, NAN, 3, 0)) && isnan(op_value(op, dt, 3, NAN, 0)));
  Node *folded = g_binary(b->g, op, three, g_const(b->g, dt, -4));
  graph_rewrite(b->g, RULES_SIMPLIFY, &folded, 1, &(RewriteStats){{0}});
  double v;
  ck_assert(node_is_const(folded, &v) && v == op_value(op, dt, 3, -4, 0) &&
            v == (op == OP_MAX ? 3 : -4));
  plan_bed_free(&t);
}
END_TEST

Suite *code_suite(void) {
  Suite *s = suite_create("code");
  TCase *t = tcase_create("code");
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, op_is_compiled_as_it_is_interpreted, 0, OP_COUNT);
  tcase_add_loop_test(t, op_is_compiled_without_fusion, 0, OP_COUNT);
  tcase_add_loop_test(t, largest_of_what_is_no_number, 0, 37);
  tcase_add_loop_test(t, largest_of_constants, 0, 4);
#if defined(__x86_64__)
  tcase_add_loop_test(t, op_is_compiled_for_an_old_processor, 0, OP_COUNT);
#endif
  suite_add_tcase(s, t);
  return s;
}

// Every row of the op table as compiled code, against the interpreter: the instances of op_cases.c
// through planner, JIT and runtime, with and without fusion, for several instruction sets; their
// gradients too.
#include "tests/unit/op_cases.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

static char *label(OpCase *c, const char *what) {
  return arena_printf(c->b.arena, "%s %s, instance %d, %s", dtype_name(c->real), op_name(c->op),
                      c->variant, what);
}

// What bf16 can hold, so that both sides compute with the same numbers.
static void round_bf16(Bed *b) {
  for (int i = 0; i < b->n; i++)
    for (int64_t k = 0; b->leaf[i]->dtype == DT_BF16 && k < b->size[i]; k++) {
      float f = (float)b->data[i][k];
      uint32_t u;
      memcpy(&u, &f, 4);
      u &= 0xffff0000u;
      memcpy(&f, &u, 4);
      b->data[i][k] = f;
    }
}

// Attention has no compiled gradient of its bias, nor of keys or values that batch elements share
// (instances 3 and 4 of op_cases.c), and is not claimed where one is wanted.
static bool has_gradient(const OpCase *c, const Node *y, const Node *leaf) {
  return y->op != OP_ATTENTION || (y->in[4] != leaf && c->variant < 3);
}

// Gradients with respect to the float leaves of the sum of y times random weights.
static int gradients(OpCase *c, Node *y, Output *outs) {
  Graph *g = c->b.g;
  Node *wrt[BED_LEAVES], *grad[BED_LEAVES];
  int n = 0;
  for (int i = 0; i < c->b.n; i++)
    if (dtype_is_float((DType)c->b.leaf[i]->dtype) && has_gradient(c, y, c->b.leaf[i]))
      wrt[n++] = c->b.leaf[i];
  Node *loss = g_binary(g, OP_MUL, y, bed_leaf(&c->b, (DType)y->dtype, y->ax, y->nax, -2, 2));
  graph_grad(g, y->nax ? g_reduce(g, OP_SUM, loss, y->ax, y->nax) : loss, wrt, n, grad);
  for (int i = 0; i < n; i++)
    outs[i] = (Output){.name = arena_printf(c->b.arena, "grad%d", i),
                       .node = grad[i],
                       .nax = wrt[i]->nax,
                       .ax = wrt[i]->ax};
  return n;
}

static bool differentiable(const OpCase *c, const Node *y) {
  return !(op_flags(c->op) & F_NOGRAD) && dtype_is_float((DType)y->dtype);
}

static void check(OpCase *c, Node *y, const char *march, bool no_fuse) {
  PlanBed t = {.b = c->b, .march = march, .no_fuse = no_fuse};
  t.least = c->real == DT_BF16 ? 1 : 0; // sums of rounded values cancel
  Output outs[BED_LEAVES];
  plan_bed_check1(&t, y, label(c, march ? march : "native"));
  c->b = t.b;
  int n = differentiable(c, y) ? gradients(c, y, outs) : 0;
  t.b = c->b;
  for (int i = 0; i < n; i++)
    plan_bed_check(&t, BIGS_ENTRY, &outs[i], 1, label(c, "gradient"));
}

// Attention is claimed, and random numbers are drawn, in f32 alone.
static bool has_dtype(int op, DType real) {
  return real == DT_F32 || (op != OP_ATTENTION && op != OP_ATTENTION_LSE &&
                            op != OP_ATTENTION_GRAD && op != OP_RANDOM);
}

static bool run_instance(int op, int variant, DType real, const char *march, bool no_fuse) {
  OpCase c;
  op_case_open(&c, op, variant, real);
  Node *y = op_case_make(&c), *at;
  if (y && has_dtype(op, real) && !(op == OP_ATTENTION_GRAD && variant >= 3)) {
    ck_assert_msg(graph_unroll_scans(c.b.g, &y, 1, 8, &at), "%s", label(&c, "unrolling"));
    round_bf16(&c.b);
    check(&c, y, march, no_fuse);
  }
  bed_free(&c.b);
  return y != NULL;
}

static void run_instances(int op, const char *march, bool no_fuse) {
  static const DType reals[] = {DT_F32, DT_F64, DT_BF16};
  for (int i = 0; i < COUNT(reals); i++)
    for (int variant = 0; run_instance(op, variant, reals[i], march, no_fuse); variant++) {
    }
}

START_TEST(op_is_compiled_as_it_is_interpreted) {
  run_instances(_i, NULL, false);
}
END_TEST

START_TEST(op_is_compiled_without_fusion) {
  run_instances(_i, NULL, true);
}
END_TEST

START_TEST(op_is_compiled_for_an_old_processor) {
  run_instances(_i, "x86-64", false);
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

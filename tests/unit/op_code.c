// See op_code.h.
#include "tests/unit/op_code.h"

static char *label(OpCase *c, const char *what) {
  return arena_printf(c->b.arena, "%s %s, instance %d, %s", dtype_name(c->real), op_name(c->op),
                      c->variant, what);
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

static void check(OpCase *c, Node *y, bool with_gradients, const PlanBed *like) {
  PlanBed t = *like;
  t.b = c->b;
  t.least = c->real == DT_BF16 ? 1 : 0; // sums of rounded values cancel
  Output outs[BED_LEAVES];
  plan_bed_check1(&t, y, label(c, like->march ? like->march : "native"));
  c->b = t.b;
  int n = with_gradients && differentiable(c, y) ? gradients(c, y, outs) : 0;
  t.b = c->b;
  for (int i = 0; i < n; i++)
    plan_bed_check(&t, BIGS_ENTRY, &outs[i], 1, label(c, "gradient"));
}

// Attention is claimed, and random numbers are drawn, in f32 alone.
static bool has_dtype(int op, DType real) {
  return real == DT_F32 || (op != OP_ATTENTION && op != OP_ATTENTION_LSE &&
                            op != OP_ATTENTION_GRAD && op != OP_RANDOM);
}

static bool run_instance(int op, int variant, DType real, bool with_gradients,
                         const PlanBed *like) {
  OpCase c;
  op_case_open(&c, op, variant, real);
  Node *y = op_case_make(&c);
  if (y && has_dtype(op, real) && !(op == OP_ATTENTION_GRAD && variant >= 3)) {
    graph_close_scans(c.b.g, &y, 1);
    check(&c, y, with_gradients, like);
  }
  bed_free(&c.b);
  return y != NULL;
}

void op_code_check(int op, DType real, bool with_gradients, const PlanBed *like) {
  int variant = 0;
  while (run_instance(op, variant, real, with_gradients, like))
    variant++;
}

void op_code_check_turn(int op, int turn, DType real, bool with_gradients, const PlanBed *like) {
  int instances = op_flags(op) & F_POINTWISE ? 7 : 4;
  bool there = run_instance(op, turn % instances, real, with_gradients, like);
  ck_assert_msg(there, "%s has no instance %d", op_name(op), turn % instances);
}

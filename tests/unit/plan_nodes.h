// Short names for the nodes of which tests of the planner make their graphs.
#ifndef BIGSC_PLAN_NODES_H
#define BIGSC_PLAN_NODES_H
#include "tests/unit/plan_bed.h"
#include <math.h>

static inline Node *input(PlanBed *t, Axis *const *ax, int nax) {
  return bed_leaf(&t->b, DT_F32, ax, nax, -1, 1);
}

static inline Node *add(PlanBed *t, Node *x, Node *y) {
  return g_binary(t->b.g, OP_ADD, x, y);
}
static inline Node *mul(PlanBed *t, Node *x, Node *y) {
  return g_binary(t->b.g, OP_MUL, x, y);
}
static inline Node *num(PlanBed *t, double v) {
  return g_const(t->b.g, DT_F32, v);
}

static inline Node *gelu(PlanBed *t, Node *x) {
  Graph *g = t->b.g;
  Node *e = g_unary(g, OP_ERF, g_binary(g, OP_DIV, x, num(t, sqrt(2))));
  return mul(t, mul(t, num(t, 0.5), x), add(t, num(t, 1), e));
}
#endif

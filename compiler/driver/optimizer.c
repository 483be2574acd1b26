// Optimizers as graphs over one flat axis of elements, so that every target lowers them like
// anything else: AdamW (Loshchilov and Hutter 2019, with bias correction as in Kingma and Ba 2015),
// Adam with L2, SGD with momentum.
#include "compiler/driver/pipeline.h"
#include <string.h>

typedef struct Update {
  Graph *g;
  Axis *axis;
  Node *p, *grad, *m, *v; // values before
  Node *rate, *decay, *scale, *correct1, *correct2;
  Output out[3];
  int nout;
} Update;

// The names of its inputs start with `#`: they stand in one list with those of the model, whose
// names cannot.
static Node *vector(Update *u, const char *name) {
  return g_input(u->g, name, DT_F32, &u->axis, 1);
}

static Node *scalar(Update *u, const char *name) {
  return g_input(u->g, name, DT_F32, NULL, 0);
}

static Node *number(Update *u, double v) {
  return g_const(u->g, DT_F32, v);
}

static Node *mul(Update *u, Node *a, Node *b) {
  return g_binary(u->g, OP_MUL, a, b);
}

static Node *add(Update *u, Node *a, Node *b) {
  return g_binary(u->g, OP_ADD, a, b);
}

// old * rate + x * (1 - rate)
static Node *average(Update *u, Node *old, double rate, Node *x) {
  return add(u, mul(u, old, number(u, rate)), mul(u, x, number(u, 1 - rate)));
}

static void result(Update *u, const char *name, Node *n) {
  u->out[u->nout++] = (Output){.name = name, .node = n, .nax = 1, .ax = &u->axis};
}

static void emit_adam(Update *u, const Optimizer *o, bool decoupled) {
  Graph *g = u->g;
  Node *grad = mul(u, u->grad, u->scale);
  if (!decoupled)
    grad = add(u, grad, mul(u, u->p, u->decay));
  Node *m = average(u, u->m, o->beta1, grad);
  Node *v = average(u, u->v, o->beta2, mul(u, grad, grad));
  Node *root = add(u, g_unary(g, OP_SQRT, mul(u, v, u->correct2)), number(u, o->eps));
  Node *step = g_binary(g, OP_DIV, mul(u, m, u->correct1), root);
  if (decoupled)
    step = add(u, step, mul(u, u->p, u->decay));
  result(u, "#p", g_binary(g, OP_SUB, u->p, mul(u, step, u->rate)));
  result(u, "#m", m);
  result(u, "#v", v);
}

static void emit_sgd(Update *u, const Optimizer *o) {
  Node *grad = add(u, mul(u, u->grad, u->scale), mul(u, u->p, u->decay));
  Node *step = grad;
  if (o->momentum > 0) {
    step = add(u, mul(u, u->m, number(u, o->momentum)), grad);
    result(u, "#m", step);
  }
  result(u, "#p", g_binary(u->g, OP_SUB, u->p, mul(u, step, u->rate)));
}

static int norm_program(Build *b, Axis *axis) {
  Graph *g = b->graph;
  Node *x = g_cast(g, g_input(g, "#g", DT_F32, &axis, 1), DT_F64);
  Output out = {.name = "norm2", .node = g_reduce(g, OP_SUM, g_binary(g, OP_MUL, x, x), &axis, 1)};
  return plan_program(b->plan, "norm", BIGS_NORM, &out, 1);
}

void optimizer_programs(Build *b, const Recipe *r, int *update, int *norm) {
  Graph *g = b->graph;
  // A run-time dim of its own, behind the model's: `elements` cannot meet a dim of the file, whose
  // names have no `#`.
  int sym = graph_sym(g, "#elements", 0);
  Update u = {.g = g, .axis = graph_axis(g, "#elements", 0, poly_sym(sym))};
  u.p = vector(&u, "#p");
  u.grad = vector(&u, "#g");
  u.scale = scalar(&u, "#scale");
  u.rate = scalar(&u, "#rate");
  u.decay = scalar(&u, "#decay");
  if (r->optimizer.kind != OPT_SGD || r->optimizer.momentum > 0)
    u.m = vector(&u, "#m");
  if (r->optimizer.kind != OPT_SGD) {
    u.v = vector(&u, "#v");
    u.correct1 = scalar(&u, "#correct1");
    u.correct2 = scalar(&u, "#correct2");
    emit_adam(&u, &r->optimizer, r->optimizer.kind == OPT_ADAMW);
  } else {
    emit_sgd(&u, &r->optimizer);
  }
  Node *roots[3];
  for (int i = 0; i < u.nout; i++)
    roots[i] = u.out[i].node;
  graph_rewrite(g, RULES_SIMPLIFY, roots, u.nout, &b->stats);
  for (int i = 0; i < u.nout; i++)
    u.out[i].node = roots[i];
  *update = plan_program(b->plan, arena_printf(b->arena, "%s.update", r->name), BIGS_UPDATE, u.out,
                         u.nout);
  if (*norm < 0)
    *norm = norm_program(b, u.axis);
}

// Optimizers as graphs over one flat axis of elements, so that every target lowers them like
// anything else: AdamW (Loshchilov and Hutter 2019, with bias correction as in Kingma and Ba 2015),
// Adam with L2, SGD with momentum, Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms", program 1).
#include "compiler/driver/pipeline.h"
#include <string.h>

typedef struct Update {
  Graph *g;
  Axis *axis;
  Node *p, *grad; // values before
  Node *rate, *decay, *scale;
  Output out[4]; // the parameter, moments, the average
  Node *was[4];  // before
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

static Output output(Update *u, const char *name, Node *n) {
  return (Output){.name = name, .node = n, .nax = 1, .ax = &u->axis};
}

static void result(Update *u, const char *name, Node *was, Node *n) {
  u->was[u->nout] = was;
  u->out[u->nout++] = output(u, name, n);
}

// What the optimizer keeps between steps: "#m", "#v", or "#e".
static Node *moment(Update *u, const char *name) {
  return vector(u, name);
}

// The step of Adam, before the rate, from the gradient with what is added to it.
static Node *adam_step(Update *u, const Optimizer *o, Node *grad) {
  Graph *g = u->g;
  Node *was_m = moment(u, "#m"), *was_v = moment(u, "#v");
  Node *correct1 = scalar(u, "#correct1"), *correct2 = scalar(u, "#correct2");
  Node *m = average(u, was_m, o->beta1, grad);
  Node *v = average(u, was_v, o->beta2, mul(u, grad, grad));
  Node *root = add(u, g_unary(g, OP_SQRT, mul(u, v, correct2)), number(u, o->eps));
  result(u, "#m", was_m, m);
  result(u, "#v", was_v, v);
  return g_binary(g, OP_DIV, mul(u, m, correct1), root);
}

static Node *emit_adamw(Update *u, const Optimizer *o) {
  Node *step = adam_step(u, o, mul(u, u->grad, u->scale));
  return add(u, step, mul(u, u->p, u->decay));
}

static Node *emit_adam(Update *u, const Optimizer *o) {
  Node *grad = mul(u, u->grad, u->scale);
  return adam_step(u, o, add(u, grad, mul(u, u->p, u->decay)));
}

static Node *emit_sgd(Update *u, const Optimizer *o) {
  Node *decay = mul(u, u->p, u->decay);
  Node *step = add(u, mul(u, u->grad, u->scale), decay);
  if (o->momentum <= 0)
    return step;
  Node *was = moment(u, "#m");
  step = add(u, mul(u, was, number(u, o->momentum)), step);
  result(u, "#m", was, step);
  return step;
}

// -1, 0 or 1
static Node *sign_of(Update *u, Node *x) {
  Graph *g = u->g;
  Node *zero = number(u, 0), *one = number(u, 1), *minus = number(u, -1);
  Node *below = g_select(g, g_binary(g, OP_LT, x, zero), minus, zero);
  return g_select(g, g_binary(g, OP_LT, zero, x), one, below);
}

// The moment that is kept is another average than the one whose sign is the step.
static Node *emit_lion(Update *u, const Optimizer *o) {
  Node *grad = mul(u, u->grad, u->scale), *was = moment(u, "#m");
  Node *step = sign_of(u, average(u, was, o->beta1, grad));
  result(u, "#m", was, average(u, was, o->beta2, grad));
  return add(u, step, mul(u, u->p, u->decay));
}

static int norm_program(Build *b, Axis *axis) {
  Graph *g = b->graph;
  Node *x = g_cast(g, g_input(g, "#g", DT_F32, &axis, 1), DT_F64);
  Output out = {.name = "norm2", .node = g_reduce(g, OP_SUM, g_binary(g, OP_MUL, x, x), &axis, 1)};
  return plan_program(b->plan, "norm", BIGS_NORM, &out, 1);
}

// Pieces of a step: a product is rounded before it is added to anything, so that a sum is the same wherever its leaves were made.
int sum_program(Build *b) {
  Graph *g = b->graph;
  Axis *axis = graph_axis(g, "#elements", 0, poly_sym(graph_sym(g, "#elements", 0)));
  Node *a = g_input(g, "#a", DT_F32, &axis, 1), *grad = g_input(g, "#g", DT_F32, &axis, 1);
  Node *weight = g_input(g, "#weight", DT_F32, NULL, 0),
       *leaf = g_input(g, "#leaf", DT_BOOL, NULL, 0);
  Node *value = g_select(g, leaf, g_binary(g, OP_MUL, grad, weight), g_binary(g, OP_ADD, a, grad));
  Output out = {.name = "sum", .node = value, .nax = 1, .ax = &axis};
  return plan_program(b->plan, "sum", BIGS_UPDATE, &out, 1);
}

// Each makes the step, which the rate scales, and the new moments.
static Node *(*const emit[OPT_COUNT])(Update *, const Optimizer *) = {
#define OPTIMIZER(ID, name, arguments, beta2) emit_##name,
#include "base/optimizers.def"
#undef OPTIMIZER
};

// A GPU has begun the update before the host knows that the loss is finite: where `#go` is not set all stays as it was.
static void or_as_before(Update *u) {
  Node *go = g_input(u->g, "#go", DT_BOOL, NULL, 0);
  for (int i = 0; i < u->nout; i++)
    u->out[i].node = g_select(u->g, go, u->out[i].node, u->was[i]);
}

// A range of states has a decay below 0: what stands in place of its gradient is what it becomes.
static void keep_states(Update *u) {
  Node *state = g_binary(u->g, OP_LT, u->decay, number(u, 0));
  u->out[0].node = g_select(u->g, state, mul(u, u->grad, u->scale), u->out[0].node);
  for (int i = 1; i < u->nout; i++)
    u->out[i].node = g_select(u->g, state, u->was[i], u->out[i].node);
}

// The exponential moving average of the parameters, "#e": e + (1 - ema) (p - e), which stays where it is once it is p.
static void keep_average(Update *u, Node *p, double ema) {
  Node *was = moment(u, "#e"), *gap = g_binary(u->g, OP_SUB, p, was);
  result(u, "#e", was, add(u, was, mul(u, gap, number(u, 1 - ema))));
}

void optimizer_programs(Build *b, const Recipe *r, int *update, int *norm) {
  Graph *g = b->graph;
  // A run-time dim of its own, behind the model's: `elements` cannot meet a dim of the file, whose
  // names have no `#`.
  int sym = graph_sym(g, "#elements", 0);
  Update u = {.g = g, .axis = graph_axis(g, "#elements", 0, poly_sym(sym)), .nout = 1};
  u.p = vector(&u, "#p");
  u.grad = vector(&u, "#g");
  u.scale = scalar(&u, "#scale");
  u.rate = scalar(&u, "#rate");
  u.decay = scalar(&u, "#decay");
  Node *step = emit[r->optimizer.kind](&u, &r->optimizer);
  u.out[0] = output(&u, "#p", g_binary(g, OP_SUB, u.p, mul(&u, step, u.rate)));
  u.was[0] = u.p;
  if (model_has_states(b->model))
    keep_states(&u);
  if (r->ema > 0)
    keep_average(&u, u.out[0].node, r->ema);
  if (b->options.gpu)
    or_as_before(&u);
  Node *roots[4];
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

// The gradient of a loop is a loop that runs the other way.  With state s, adjoint d, and values y with
// adjoints dy,
//   (d before step l) = (d next / d s)' d + (d y / d s)' dy[l];   the states s[l] were stored.
// What it computes of stored states alone is hoisted out of it (loop_hoist.c).  Adjoints of what is seen
// are values of it.  To what is held, the steps' contributions are added up outside: where they are
// products, as one product over the steps, too.
#include "graph/op.h"
#include <string.h>

typedef struct Back {
  Grad *r;
  Graph *g;
  const Scan *c; // the forward loop
  LoopBuild b;
  VEC(Node *) from; // nodes of the forward region, and their adjoints
  VEC(Node *) seed;
  VEC(Node *) wrt; // leaves of the forward region
  Node **grad;     // by wrt
  int *state;      // by state of c: its number in b, -1: it has no adjoint
  int nadjoint;    // of b's states; behind them sums
  VEC(Node *) sum; // of which
  Node **value, **last;
} Back;

static void put(Arena *a, LoopLeaves *v, Node *outside, Node *leaf) {
  LoopLeaf l = {outside, leaf};
  vec_push(a, v, l);
}

static Node *operand(const Back *k, int i) {
  return k->r->n->in[i];
}

// ---- what the backward loop reads

// Where states are many, nothing outside reads them, so that they need not be stored for all steps (loop_pieces.c of the planner).
static void add_operands(Back *k) {
  const Scan *c = k->c;
  Arena *a = k->g->arena;
  for (int i = 0; i < c->nstate; i++)
    put(a, &k->b.seen, loop_more(k->g, k->r->n, c->state[i]), c->state[i]);
  k->b.stay = graph_loop_sizes(c).many ? c->nstate : 0;
  for (int i = 0; i < c->nseen; i++)
    put(a, &k->b.seen, operand(k, c->nstate + i), c->seen_leaf[i]);
  for (int i = 0; i < c->nheld; i++)
    put(a, &k->b.held, operand(k, c->nstate + c->nseen + i), c->held_leaf[i]);
}

static void add_seed(Back *k, Node *of, Node *seed) {
  vec_push(k->g->arena, &k->from, of);
  vec_push(k->g->arena, &k->seed, seed);
}

// The adjoint of a value y[l], as the region sees it.
static Node *adjoint_leaf(Back *k, Node *dy) {
  Axis *ax[MAX_AXES];
  int n = 0;
  if (node_is_const(dy, NULL) && !dy->nax)
    return dy;
  for (int i = 0; i < dy->nax; i++)
    if (dy->ax[i] != k->c->axis)
      ax[n++] = dy->ax[i];
  Node *leaf = g_state(k->g, (DType)dy->dtype, "dy", ax, n);
  put(k->g->arena, n < dy->nax ? &k->b.seen : &k->b.held, dy, leaf);
  return leaf;
}

static bool is_float(const Node *n) {
  return dtype_is_float((DType)n->dtype);
}

static void add_state(Back *k, int i, Node *last) {
  Node *s = k->c->state[i];
  DType t = (DType)s->dtype;
  Node *first = last ? g_expand(k->g, last, s->ax, s->nax) : g_full(k->g, t, 0, s->ax, s->nax),
       *d = g_state(k->g, t, "d", s->ax, s->nax);
  k->state[i] = k->b.state.n;
  put(k->g->arena, &k->b.state, first, d);
  Axis *over[MAX_AXES];
  int m = grad_axes_beyond(d, k->c->next[i], over);
  add_seed(k, k->c->next[i], g_sum_over(k->g, d, over, m));
  vec_push(k->g->arena, &k->wrt, s);
}

// Adjoints of the loop's values: seeds, and first values of the adjoints of states.
static void add_adjoints(Back *k) {
  Node **last = NEWN(k->g->arena, Node *, k->c->nstate + 1);
  for (int l = 0; l < k->r->nloop; l++) {
    const Node *x = k->g->nodes.v[k->r->loop[l]];
    Node *dy = k->r->acc[x->id];
    if (!dy || x->id < k->r->n->id || !loop_same(x, k->r->n))
      continue;
    if (x->attr.i0 < 0)
      last[-1 - x->attr.i0] = dy;
    else
      add_seed(k, k->c->out[x->attr.i0], adjoint_leaf(k, dy));
  }
  for (int i = 0; i < k->c->nstate; i++) {
    k->state[i] = -1;
    if (is_float(k->c->state[i]))
      add_state(k, i, last[i]);
  }
}

static void add_wanted(Back *k, Node *const *leaf, int n, int first) {
  for (int i = 0; i < n; i++)
    if (grad_wants(k->r, first + i))
      vec_push(k->g->arena, &k->wrt, leaf[i]);
}

static Node *grad_of(const Back *k, const Node *leaf) {
  for (int i = 0; i < k->wrt.n; i++)
    if (k->wrt.v[i] == leaf)
      return k->grad[i];
  return NULL;
}

static void differentiate(Back *k) {
  const Scan *c = k->c;
  add_wanted(k, c->seen_leaf, c->nseen, c->nstate);
  add_wanted(k, c->held_leaf, c->nheld, c->nstate + c->nseen);
  k->grad = NEWN(k->g->arena, Node *, k->wrt.n + 1);
  graph_pull_back(k->g, k->from.v, k->seed.v, k->from.n, k->wrt.v, k->wrt.n, k->grad);
  k->nadjoint = k->b.state.n;
  for (int i = 0; i < c->nstate; i++) {
    Node *s = c->state[i], *d = grad_of(k, s);
    if (k->state[i] < 0)
      continue;
    d = d ? g_expand(k->g, d, s->ax, s->nax) : g_full(k->g, (DType)s->dtype, 0, s->ax, s->nax);
    vec_push(k->g->arena, &k->b.next, d);
  }
}

// ---- what is held

static Node *outside_of(const LoopLeaves *v, const Node *leaf) {
  for (int i = 0; i < v->n; i++)
    if (v->v[i].leaf == leaf)
      return v->v[i].outside;
  return NULL;
}

static int out_index(const Back *k, const Node *x) {
  int i = 0;
  while (i < k->b.out.n && k->b.out.v[i] != x)
    i++;
  return i;
}

// x, of the region, for all steps.  Before the loop is made: NULL, and x is one of its values.
static Node *all_steps(Back *k, Node *x) {
  Node *there = loop_is_constant(x) ? x : outside_of(&k->b.held, x);
  if (!there)
    there = outside_of(&k->b.seen, x);
  if (there)
    return there;
  int i = out_index(k, x);
  if (k->value)
    return k->value[i];
  if (i == k->b.out.n)
    vec_push(k->g->arena, &k->b.out, x);
  return NULL;
}

// Is x for all steps a value that there is without another one of the loop?
static bool is_there(const Back *k, const Node *x) {
  return loop_is_constant(x) || outside_of(&k->b.held, x) || outside_of(&k->b.seen, x);
}

// Axes that all adjoints have are tasks of the loop, if a sum that it keeps has them, too.
static bool has_tasks(const Back *k, const Node *x) {
  const Node *d = k->nadjoint ? k->b.state.v[0].leaf : x;
  for (int i = 0; i < d->nax; i++) {
    bool all = true;
    for (int j = 1; j < k->nadjoint; j++)
      all &= node_has(k->b.state.v[j].leaf, d->ax[i]);
    if (all && !node_has(x, d->ax[i]))
      return false;
  }
  return true;
}

static Node *float64(Back *k, Node *x) {
  return g_cast(k->g, x, DT_F64);
}

// The sum of x over the steps as one more state, in float64.
static void keep_sum(Back *k, Node *x) {
  Graph *g = k->g;
  LoopLeaf l = {g_full(g, DT_F64, 0, x->ax, x->nax), g_state(g, DT_F64, "sum", x->ax, x->nax)};
  for (int i = 0; i < k->sum.n; i++)
    if (k->sum.v[i] == x)
      return;
  vec_push(g->arena, &k->sum, x);
  vec_push(g->arena, &k->b.state, l);
  vec_push(g->arena, &k->b.next, g_binary(g, OP_ADD, l.leaf, float64(k, x)));
}

// The sum of x over the steps and these axes, kept by the loop.  Before it is made: NULL.
static Node *kept_sum(Back *k, Node *x, Axis *const *ax, int nax) {
  if (!k->value) {
    keep_sum(k, x);
    return NULL;
  }
  int i = 0;
  while (k->sum.v[i] != x)
    i++;
  return g_cast(k->g, g_sum_over(k->g, k->last[k->nadjoint + i], ax, nax), (DType)x->dtype);
}

// A product with no more elements than an operand, which is no value for all steps yet, costs less as a sum that
// the loop keeps than as a sequence.
static Node *product_to_keep(Back *k, const Node *n) {
  Node *a = n->in[0], *b = n->in[1], *x = g_binary(k->g, OP_MUL, a, b);
  bool covered = x->nax == a->nax || x->nax == b->nax;
  return covered && !(is_there(k, a) && is_there(k, b)) && has_tasks(k, x) ? x : NULL;
}

static Node *sum_over_steps(Back *k, Node *x);

static Node *product_over_steps(Back *k, const Node *n, Axis *const *ax, int nax) {
  Axis *all[MAX_AXES + 1];
  Node *kept = product_to_keep(k, n);
  if (kept)
    return kept_sum(k, kept, ax, nax);
  Node *a = all_steps(k, n->in[0]), *b = all_steps(k, n->in[1]);
  if (!k->value)
    return NULL;
  for (int i = 0; i < nax; i++)
    all[i] = ax[i];
  all[nax] = k->c->axis;
  return grad_contract(k->g, a, b, all, nax + 1);
}

static Node *plain_sum(Back *k, Node *x, Axis *const *ax, int nax) {
  Axis *all[MAX_AXES + 1];
  if (!is_there(k, x) && has_tasks(k, x))
    return kept_sum(k, x, ax, nax);
  Node *v = all_steps(k, x);
  if (!k->value)
    return NULL;
  for (int i = 0; i < nax; i++)
    all[i] = ax[i];
  all[nax] = k->c->axis;
  return g_sum_over(k->g, v, all, nax + 1);
}

// Of a linear function of operand i alone.
static Node *linear(Back *k, const Node *n, int i) {
  Node *x = sum_over_steps(k, n->in[i]), *in[2] = {n->in[0], n->in[n->nin - 1]};
  if (!k->value)
    return NULL;
  in[i] = x;
  return g_node(k->g, n->op, (DType)n->dtype, in, n->nin, &n->attr);
}

static Node *both(Back *k, const Node *n) {
  Node *x = sum_over_steps(k, n->in[0]), *y = sum_over_steps(k, n->in[1]);
  return k->value ? g_binary(k->g, (Op)n->op, x, y) : NULL;
}

static Node *scattered(Back *k, const Node *n) {
  Node *ids = all_steps(k, n->in[0]), *x = all_steps(k, n->in[1]);
  if (!k->value)
    return NULL;
  return g_scatter(k->g, ids, x, n->attr.axis, n->attr.axes, n->attr.naxes);
}

// Of a convolution's kernel, which is a sum over what it does not keep, the steps too.
static Node *correlated(Back *k, const Node *n) {
  Node *u = all_steps(k, n->in[0]), *dy = all_steps(k, n->in[1]);
  Axis *step = k->c->axis;
  if (!k->value)
    return NULL;
  return g_conv_grad(k->g, u, g_expand(k->g, dy, &step, 1), n->attr.axis, n->attr.axes,
                     n->attr.naxes, n->attr.reverse);
}

// The sum over the steps of x, a node of the backward region.
static Node *sum_over_steps(Back *k, Node *x) {
  switch (x->op) {
  case OP_ADD:
  case OP_SUB: return both(k, x);
  case OP_NEG:
  case OP_RENAME:
  case OP_SPLIT:
  case OP_MERGE:
  case OP_SLICE:
  case OP_FLIP:
  case OP_PAD:
  case OP_WINDOW: return linear(k, x, 0);
  case OP_SCATTER: return scattered(k, x);
  case OP_CONV_GRAD: return correlated(k, x);
  case OP_CONTRACT: return product_over_steps(k, x, x->attr.axes, x->attr.naxes);
  case OP_MUL:
    for (int i = 0; i < 2; i++)
      if (node_is_const(x->in[1 - i], NULL) && !x->in[1 - i]->nax)
        return linear(k, x, i);
    return product_over_steps(k, x, NULL, 0);
  case OP_SUM:
    if (x->in[0]->op == OP_MUL)
      return product_over_steps(k, x->in[0], x->attr.axes, x->attr.naxes);
    return plain_sum(k, x->in[0], x->attr.axes, x->attr.naxes);
  default: return plain_sum(k, x, NULL, 0);
  }
}

// ---- the rule

static void want_values(Back *k) {
  const Scan *c = k->c;
  for (int i = 0; i < c->nseen; i++) {
    Node *d = grad_of(k, c->seen_leaf[i]);
    if (d && out_index(k, d) == k->b.out.n)
      vec_push(k->g->arena, &k->b.out, d);
  }
  for (int i = 0; i < c->nheld; i++) {
    Node *d = grad_of(k, c->held_leaf[i]);
    if (d)
      sum_over_steps(k, d);
  }
}

// Leaves of a value that is broadcast: a gradient has no other axes than its value.
static void give_values(Back *k, Node **asked) {
  const Scan *c = k->c;
  for (int i = 0; i < c->nstate; i++)
    if (k->state[i] >= 0 && grad_wants(k->r, i)) {
      Axis *over[MAX_AXES];
      Node *d = k->last[k->state[i]];
      int m = grad_axes_beyond(d, operand(k, i), over);
      grad_add(k->r, i, g_sum_over(k->g, d, over, m));
    }
  for (int i = 0; i < c->nseen; i++) {
    Node *d = grad_of(k, c->seen_leaf[i]);
    for (int j = 0; d && j < k->b.out.n; j++)
      if (asked[j] == d) {
        grad_add(k->r, c->nstate + i, k->value[j]);
        break;
      }
  }
  for (int i = 0; i < c->nheld; i++) {
    Node *d = grad_of(k, c->held_leaf[i]);
    if (d)
      grad_add(k->r, c->nstate + c->nseen + i, sum_over_steps(k, d));
  }
}

void LOOP_grad(Grad *r) {
  Graph *g = r->g;
  const Scan *c = r->n->attr.scan;
  Back k = {.r = r, .g = g, .c = c, .state = NEWN(g->arena, int, c->nstate + 1)};
  k.b = (LoopBuild){.g = g, .axis = c->axis, .reverse = !c->reverse};
  add_operands(&k);
  add_adjoints(&k);
  differentiate(&k);
  want_values(&k);
  Node **value = NEWN(g->arena, Node *, k.b.out.n + 1),
       **asked = NEWN(g->arena, Node *, k.b.out.n + 1);
  k.last = NEWN(g->arena, Node *, k.b.state.n + 1);
  for (int i = 0; i < c->nstate; i++)
    if (k.state[i] >= 0 && grad_wants(r, i))
      k.last[k.state[i]] = c->state[i];
  for (int i = k.nadjoint; i < k.b.state.n; i++)
    k.last[i] = k.b.state.v[i].leaf;
  for (int i = 0; i < k.b.out.n; i++)
    asked[i] = k.b.out.v[i];
  LoopBuild made = k.b; // making it rewrites the lists of nodes
  made.out.v = NEWN(g->arena, Node *, k.b.out.n + 1);
  made.out.cap = k.b.out.n + 1;
  for (int i = 0; i < k.b.out.n; i++)
    made.out.v[i] = asked[i];
  loop_build(&made, value, k.last);
  k.value = value;
  give_values(&k, asked);
}

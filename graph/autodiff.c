// Reverse-mode differentiation, graph to graph.  The rules are in the op_*.c files; what every op
// needs is here: the sum of contributions, and the gradient of a broadcast, which is a sum over the
// axes that the operand lacks.
//
// A gradient may lack axes of its value: it is then constant along them.  So the seed is a scalar,
// the gradient of a sum is the gradient of its result, and a sum over an axis that a gradient lacks
// is a product with the axis's extent.
#include "graph/op.h"

// clang-format off
static GradRule *const rules[OP_COUNT] = {
#define OP(id, name, arity, flags, family) ((flags) & F_NOGRAD) ? (GradRule *)0 : id##_grad,
#include "graph/ops.def"
#undef OP
};
// clang-format on

bool grad_wants(const Grad *r, int i) {
  return r->needed[r->n->in[i]->id];
}

void grad_add(Grad *r, int i, Node *d) {
  Node *x = r->n->in[i], **to = &r->acc[x->id];
  if (!grad_wants(r, i))
    return;
  for (int k = 0; k < d->nax; k++)
    if (!node_has(x, d->ax[k]))
      BUG("%s: the gradient of operand %d has axis %s", op_name(r->n->op), i, d->ax[k]->name);
  CHECK(d->dtype == x->dtype);
  *to = *to ? g_binary(r->g, OP_ADD, *to, d) : d;
}

int grad_axes_beyond(const Node *a, const Node *b, Axis **out) {
  int n = 0;
  for (int k = 0; k < a->nax; k++)
    if (!node_has(b, a->ax[k]))
      out[n++] = a->ax[k];
  return n;
}

void grad_broadcast(Grad *r, int i, Node *d) {
  Axis *over[MAX_AXES];
  if (!grad_wants(r, i))
    return;
  int m = grad_axes_beyond(r->n, r->n->in[i], over);
  grad_add(r, i, g_sum_over(r->g, d, over, m));
}

Node *grad_contract(Graph *g, Node *a, Node *b, Axis *const *ax, int n) {
  Axis *both[MAX_AXES], *of_a[MAX_AXES], *of_b[MAX_AXES];
  int m = 0, ma = 0, mb = 0;
  for (int i = 0; i < n; i++)
    if (node_has(a, ax[i]) && node_has(b, ax[i]))
      both[m++] = ax[i];
    else if (node_has(a, ax[i]))
      of_a[ma++] = ax[i];
    else
      of_b[mb++] = ax[i]; // or neither's: then times its extent
  a = g_sum_over(g, a, of_a, ma);
  b = g_sum_over(g, b, of_b, mb);
  return g_contract(g, a, b, both, m);
}

// Is n the first of its loop's values that there are?  *any: one of them has a gradient so far.
static bool loop_is_first(const Grad *r, bool *any) {
  const Node *n = r->n;
  for (int i = 0; i < r->nloop; i++) {
    int id = r->loop[i];
    if (!loop_same(r->g->nodes.v[id], n))
      continue;
    if (id < n->id)
      return false;
    *any |= r->acc[id] != NULL;
  }
  return true;
}

// needed[id]: a float value that depends on one of wrt, other than through STOP.
static void mark_needed(const Graph *g, Node *const *wrt, int n, bool *needed, int low, int count) {
  for (int i = 0; i < n; i++)
    if (wrt[i]->id < count)
      needed[wrt[i]->id] = true;
  for (int id = low; id < count; id++) {
    const Node *x = g->nodes.v[id];
    bool any = needed[id];
    for (int i = 0; i < x->nin && !any; i++)
      any = needed[x->in[i]->id];
    if (x->op == OP_SCAN && !any) {
      const Scan *s = x->attr.scan;
      any = needed[s->result->id];
      for (int i = 0; i < s->nstate && !any; i++)
        any = needed[s->next[i]->id];
    }
    needed[id] = any && x->op != OP_STOP && dtype_is_float((DType)x->dtype);
  }
}

// A loop's values are done together, where all their gradients are known: at the first one.
static bool is_turn(const Grad *r) {
  bool any = r->acc[r->n->id] != NULL;
  if (r->n->op == OP_LOOP)
    return loop_is_first(r, &any) && any;
  return any;
}

// A large graph has few of them, which are looked for at each.
static int *loops_between(const Graph *g, int low, int count, int *n) {
  VEC(int) ids = {0};
  for (int id = low; id < count; id++)
    if (g->nodes.v[id]->op == OP_LOOP)
      vec_push(g->arena, &ids, id);
  *n = ids.n;
  return ids.v;
}

// From acc of the highest nodes to that of all below, down to the lowest that is needed.
static void sweep(Graph *g, Node **acc, const bool *needed, int low, int count) {
  GraphMark mark = graph_mark(g);
  int nloop, *loop = loops_between(g, low, count, &nloop);
  for (int id = count - 1; id >= low; id--) {
    Grad r = {g, g->nodes.v[id], acc[id], acc, needed, count, loop, nloop};
    if (!needed[id] || !is_turn(&r))
      continue;
    graph_from(g, r.n);
    if (rules[r.n->op])
      rules[r.n->op](&r);
    else if (r.n->nin)
      BUG("%s has no gradient", op_name(r.n->op));
  }
  graph_mark_set(g, mark);
}

void graph_pull_back(Graph *g, Node *const *out, Node *const *seed, int nout, Node *const *wrt,
                     int n, Node **grad) {
  int count = 0, low = g->nodes.n;
  for (int i = 0; i < nout; i++)
    count = out[i]->id >= count ? out[i]->id + 1 : count;
  for (int i = 0; i < n; i++)
    low = wrt[i]->id < low ? wrt[i]->id : low;
  bool *needed = NEWN(g->arena, bool, count + 1);
  Node **acc = NEWN(g->arena, Node *, count + 1);
  mark_needed(g, wrt, n, needed, low, count);
  for (int i = 0; i < nout; i++) {
    Node **to = &acc[out[i]->id];
    *to = *to ? g_binary(g, OP_ADD, *to, seed[i]) : seed[i];
  }
  sweep(g, acc, needed, low, count);
  for (int i = 0; i < n; i++)
    grad[i] = wrt[i]->id < count ? acc[wrt[i]->id] : NULL;
}

void graph_grad(Graph *g, Node *loss, Node *const *wrt, int n, Node **grad) {
  GraphMark mark = graph_mark(g);
  CHECK(dtype_is_float((DType)loss->dtype));
  Node *one = g_const(g, (DType)loss->dtype, 1);
  graph_pull_back(g, &loss, &one, 1, wrt, n, grad);
  for (int i = 0; i < n; i++) {
    Node *x = wrt[i];
    g->span = x->span;
    g->fn = NULL;
    g->origin = NULL;
    grad[i] = grad[i] ? g_expand(g, grad[i], x->ax, x->nax)
                      : g_full(g, (DType)x->dtype, 0, x->ax, x->nax);
  }
  graph_mark_set(g, mark);
}

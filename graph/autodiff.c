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

// needed[id]: a float value that depends on one of wrt, other than through STOP.
static void mark_needed(const Graph *g, Node *const *wrt, int n, bool *needed, int count) {
  for (int i = 0; i < n; i++)
    if (wrt[i]->id < count)
      needed[wrt[i]->id] = true;
  for (int id = 0; id < count; id++) {
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

void graph_grad(Graph *g, Node *loss, Node *const *wrt, int n, Node **grad) {
  int count = loss->id + 1;
  CHECK(dtype_is_float((DType)loss->dtype));
  bool *needed = NEWN(g->arena, bool, count);
  Node **acc = NEWN(g->arena, Node *, count);
  GraphMark mark = graph_mark(g);
  mark_needed(g, wrt, n, needed, count);
  acc[loss->id] = g_const(g, (DType)loss->dtype, 1);
  for (int id = loss->id; id >= 0; id--) {
    Grad r = {g, g->nodes.v[id], acc[id], acc, needed};
    if (!acc[id] || !needed[id])
      continue;
    graph_from(g, r.n);
    if (rules[r.n->op])
      rules[r.n->op](&r);
    else if (r.n->nin)
      BUG("%s has no gradient", op_name(r.n->op));
  }
  for (int i = 0; i < n; i++) {
    Node *x = wrt[i], *d = x->id < count ? acc[x->id] : NULL;
    g->span = x->span;
    g->fn = NULL;
    g->origin = NULL;
    grad[i] = d ? g_expand(g, d, x->ax, x->nax) : g_full(g, (DType)x->dtype, 0, x->ax, x->nax);
  }
  graph_mark_set(g, mark);
}

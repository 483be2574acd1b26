// What the planner asks about a loop's region: what is needed of it, which of its axes are tasks.
#include "codegen/plan/lower_loop.h"
#include <string.h>

bool loop_equals(const Node *a, const Node *b) {
  return a->op == OP_LOOP && b->op == OP_LOOP && a->attr.scan == b->attr.scan &&
         !memcmp(a->in, b->in, (size_t)a->nin * sizeof *a->in);
}

// ---- nodes of a region

static int add_roots(const Scan *s, Node **roots) {
  int n = 0;
  for (int i = 0; i < s->nstate; i++)
    roots[n++] = s->next[i];
  for (int i = 0; i < s->nout; i++)
    roots[n++] = s->out[i];
  return n;
}

Node **loop_nodes(Graph *g, const Scan *s, int *n) {
  Node **roots = NEWN(g->arena, Node *, s->nstate + s->nout + 1);
  return graph_reachable(g, roots, add_roots(s, roots), n);
}

static void mark_below(Node *const *nodes, int n, bool *live) {
  for (int i = n - 1; i >= 0; i--)
    for (int k = 0; live[nodes[i]->id] && k < nodes[i]->nin; k++)
      live[nodes[i]->in[k]->id] = true;
}

// `live` has the values that are asked for; on return also all they need.
void loop_live(const Scan *s, Node *const *nodes, int n, bool *live) {
  bool more = true;
  while (more) {
    more = false;
    mark_below(nodes, n, live);
    for (int i = 0; i < s->nstate; i++)
      if (live[s->state[i]->id] && !live[s->next[i]->id])
        live[s->next[i]->id] = more = true;
  }
}

// ---- axes that nothing mixes

static bool mixes(Graph *g, const Scan *s, const Axis *a, bool sums);

// Axis a of operand i is the result's axis of that name, place by place.
static bool keeps(Graph *g, const Node *n, int i, const Axis *a) {
  if (n->op == OP_SCATTER)
    return n->attr.axis != a && axis_in(n->attr.axes, n->attr.naxes, a);
  if (n->op == OP_LOOP)
    return n->attr.scan->axis != a && !mixes(g, n->attr.scan, a, false);
  if (n->op == OP_SLICE || n->op == OP_PAD || n->op == OP_WINDOW)
    return n->attr.axis != a && n->attr.axis2 != a;
  if (n->op == OP_CUMSUM || n->op == OP_CAUSAL_CONV)
    return n->attr.axis != a;
  if (n->op == OP_CONV_GRAD)
    return n->attr.axis != a && axis_in(n->attr.axes, n->attr.naxes, a);
  if (n->op == OP_FLIP)
    return !axis_in(n->attr.axes, n->attr.naxes, a);
  return axis_is_kept(n, i, a);
}

static int times_given(const Scan *s, const Node *n) {
  int times = 0;
  for (int i = 0; i < s->nout; i++)
    times += s->out[i] == n;
  return times;
}

static bool is_read(const Scan *s, Node *const *nodes, int count, const Node *n) {
  for (int i = 0; i < s->nstate; i++)
    if (s->next[i] == n)
      return true;
  for (int i = 0; i < count; i++)
    for (int k = 0; k < nodes[i]->nin; k++)
      if (nodes[i]->in[k] == n)
        return true;
  return false;
}

// A sum over a that a step gives and does nothing else with.
static bool is_given_sum(const Scan *s, Node *const *nodes, int count, const Node *n,
                         const Axis *a) {
  bool sums = n->op == OP_SUM || n->op == OP_CONTRACT;
  return sums && dtype_is_float((DType)n->dtype) && axis_in(n->attr.axes, n->attr.naxes, a) &&
         times_given(s, n) == 1 && !is_read(s, nodes, count, n);
}

// `sums`: but for sums that are given.
static bool mixes(Graph *g, const Scan *s, const Axis *a, bool sums) {
  int n;
  Node **nodes = loop_nodes(g, s, &n);
  for (int i = 0; i < n; i++) {
    bool apart = sums && is_given_sum(s, nodes, n, nodes[i], a);
    for (int k = 0; k < nodes[i]->nin && !apart; k++)
      if (node_has(nodes[i]->in[k], a) && !keeps(g, nodes[i], k, a))
        return true;
  }
  return false;
}

// By id; NULL: all are.
static bool is_live(const bool *live, const Node *n) {
  return !live || live[n->id];
}

static bool all_have(Node *const *v, int n, const bool *live, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (is_live(live, v[i]) && !node_has(v[i], a))
      return false;
  return true;
}

static bool all_give(Graph *g, const Scan *s, const bool *live, const Axis *a, bool sums) {
  int n;
  Node **nodes = loop_nodes(g, s, &n);
  for (int i = 0; i < s->nout; i++)
    if (is_live(live, s->out[i]) && !node_has(s->out[i], a) &&
        !(sums && is_given_sum(s, nodes, n, s->out[i], a)))
      return false;
  return true;
}

// A value of the loop that has all axes that its tasks can have.
static const Node *some_value(const Scan *s, const bool *live) {
  const Node *some = NULL;
  for (int i = 0; i < s->nstate && !some; i++)
    some = is_live(live, s->state[i]) ? s->state[i] : NULL;
  for (int i = 0; i < s->nout && !some; i++)
    some = is_live(live, s->out[i]) ? s->out[i] : NULL;
  return some;
}

static int free_axes(Graph *g, const Scan *s, const bool *live, bool sums, Axis **out) {
  const Node *some = some_value(s, live);
  int n = 0;
  for (int i = 0; some && i < some->nax; i++) {
    Axis *a = some->ax[i];
    if (all_have(s->state, s->nstate, live, a) && all_have(s->next, s->nstate, live, a) &&
        all_give(g, s, live, a, sums) && !mixes(g, s, a, sums))
      out[n++] = a;
  }
  return n;
}

int loop_tasks(Graph *g, const Scan *s, const bool *live, Axis **out) {
  return free_axes(g, s, live, false, out);
}

int loop_summed_tasks(Graph *g, const Scan *s, const bool *live, Axis **out) {
  return free_axes(g, s, live, true, out);
}

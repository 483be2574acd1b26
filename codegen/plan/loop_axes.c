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

static bool mixes(Graph *g, const Scan *s, const Axis *a);

// Axis a of operand i is the result's axis of that name, place by place.
static bool keeps(Graph *g, const Node *n, int i, const Axis *a) {
  if (n->op == OP_SCATTER)
    return n->attr.axis != a && axis_in(n->attr.axes, n->attr.naxes, a);
  if (n->op == OP_LOOP)
    return n->attr.scan->axis != a && !mixes(g, n->attr.scan, a);
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

static bool mixes(Graph *g, const Scan *s, const Axis *a) {
  int n;
  Node **nodes = loop_nodes(g, s, &n);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < nodes[i]->nin; k++)
      if (node_has(nodes[i]->in[k], a) && !keeps(g, nodes[i], k, a))
        return true;
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

int loop_tasks(Graph *g, const Scan *s, const bool *live, Axis **out) {
  const Node *some = NULL;
  int n = 0;
  for (int i = 0; i < s->nstate && !some; i++)
    some = is_live(live, s->state[i]) ? s->state[i] : NULL;
  for (int i = 0; i < s->nout && !some; i++)
    some = is_live(live, s->out[i]) ? s->out[i] : NULL;
  for (int i = 0; some && i < some->nax; i++) {
    Axis *a = some->ax[i];
    if (all_have(s->state, s->nstate, live, a) && all_have(s->next, s->nstate, live, a) &&
        all_have(s->out, s->nout, live, a) && !mixes(g, s, a))
      out[n++] = a;
  }
  return n;
}

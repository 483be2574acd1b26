// The verifier re-runs the construction rule of every reachable node.
#include "graph/op.h"
#include <string.h>

static const char *complain(Graph *g, const Node *n, const char *what) {
  return arena_printf(g->arena, "%%%d %s: %s", n->id, op_name(n->op), what);
}

static const char *verify_node(Graph *g, Node *n) {
  Shape s = {.g = g, .op = n->op, .nin = n->nin, .in = n->in, .attr = &n->attr, .dtype = n->dtype};
  if (n->id < 0 || n->id >= g->nodes.n || g->nodes.v[n->id] != n)
    return complain(g, n, "not a node of this graph");
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->id >= n->id || g->nodes.v[n->in[i]->id] != n->in[i])
      return complain(g, n, "an operand that does not come before it");
  shape_run(&s);
  if (s.error)
    return complain(g, n, s.error);
  if (s.dtype != n->dtype)
    return complain(g, n, "another dtype than its rule gives");
  if (s.nax != n->nax || memcmp(s.ax, n->ax, (size_t)s.nax * sizeof *s.ax))
    return complain(g, n, "other axes than its rule gives");
  if (shape_find(&s) != n)
    return complain(g, n, "not the node that the table holds");
  return NULL;
}

const char *graph_verify(Graph *g, Node *const *roots, int n) {
  int m;
  for (int i = 0; i < n; i++)
    if (roots[i]->id < 0 || roots[i]->id >= g->nodes.n)
      return complain(g, roots[i], "not a node of this graph");
  Node **nodes = graph_reachable(g, roots, n, &m);
  for (int i = 0; i < m; i++) {
    const char *error = verify_node(g, nodes[i]);
    if (error)
      return error;
  }
  return NULL;
}

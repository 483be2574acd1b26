// Walking and rebuilding what roots reach.
#include "graph/op.h"
#include <string.h>

static void mark_all(bool *mark, Node *const *v, int n) {
  for (int i = 0; i < n; i++)
    mark[v[i]->id] = true;
}

// Operands have smaller ids, and so have the nodes of a scan's body: one sweep down marks
// everything.
Node **reachable(const Graph *g, Arena *a, Node *const *roots, int n, int *count) {
  bool *mark = NEWN(a, bool, g->nodes.n + 1);
  int top = -1, m = 0;
  mark_all(mark, roots, n);
  for (int i = 0; i < n; i++)
    top = roots[i]->id > top ? roots[i]->id : top;
  for (int id = top; id >= 0; id--) {
    const Node *x = g->nodes.v[id];
    if (!mark[id])
      continue;
    m++;
    mark_all(mark, x->in, x->nin);
    if (x->op == OP_SCAN) {
      const Scan *s = x->attr.scan;
      mark_all(mark, s->state, s->nstate);
      mark_all(mark, s->next, s->nstate);
      mark_all(mark, s->seen_leaf, s->nseen);
      mark_all(mark, &s->result, 1);
    }
  }
  Node **nodes = NEWN(a, Node *, m);
  for (int id = 0, k = 0; id <= top; id++)
    if (mark[id])
      nodes[k++] = g->nodes.v[id];
  *count = m;
  return nodes;
}

Node **graph_reachable(Graph *g, Node *const *roots, int n, int *count) {
  return reachable(g, g->arena, roots, n, count);
}

static bool map_list(Graph *g, Node ***list, int n, Node *const *map) {
  Node **to = NEWN(g->arena, Node *, n);
  bool changed = false;
  for (int i = 0; i < n; i++) {
    to[i] = map[(*list)[i]->id] ? map[(*list)[i]->id] : (*list)[i];
    changed |= to[i] != (*list)[i];
  }
  *list = to;
  return changed;
}

// The leaves stay: they stand for places, which the new scan has as well.
static Node *rebuild_scan(Graph *g, const Node *n, Node *const *in, Node *const *map) {
  Scan s = *n->attr.scan;
  Node *old = s.result;
  s.result = map[old->id] ? map[old->id] : old;
  bool changed = s.result != old;
  changed |= map_list(g, &s.next, s.nstate, map);
  if (s.nstate)
    s.first = (Node **)in;
  if (s.nseen)
    s.seen = (Node **)in + s.nstate;
  changed |= n->nin && memcmp(in, n->in, (size_t)n->nin * sizeof *in) != 0;
  return changed ? g_scan(g, &s) : (Node *)n;
}

Node *graph_rebuild(Graph *g, const Node *n, Node *const *in, Node *const *map) {
  graph_from(g, n);
  if (n->op == OP_SCAN)
    return rebuild_scan(g, n, in, map);
  if (!n->nin || !memcmp(in, n->in, (size_t)n->nin * sizeof *in))
    return (Node *)n;
  return g_node(g, n->op, (DType)n->dtype, in, n->nin, &n->attr);
}

void graph_map(Graph *g, Node **roots, int n, GraphVisit *visit, void *ctx) {
  int m, widest = 1;
  GraphMark mark = graph_mark(g);
  Node **nodes = graph_reachable(g, roots, n, &m), **map = NEWN(g->arena, Node *, g->nodes.n);
  for (int i = 0; i < m; i++)
    widest = nodes[i]->nin > widest ? nodes[i]->nin : widest;
  Node **in = NEWN(g->arena, Node *, widest);
  for (int i = 0; i < m; i++) {
    Node *x = nodes[i];
    for (int k = 0; k < x->nin; k++)
      in[k] = map[x->in[k]->id];
    graph_from(g, x);
    Node *seen = x->op == OP_SCAN ? graph_rebuild(g, x, in, map) : x;
    Node *instead = visit(ctx, g, seen, in);
    map[x->id] = instead ? instead : seen != x ? seen : graph_rebuild(g, x, in, map);
  }
  for (int i = 0; i < n; i++)
    roots[i] = map[roots[i]->id];
  graph_mark_set(g, mark);
}

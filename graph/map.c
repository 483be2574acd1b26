// Walking and rebuilding what roots reach.
#include "graph/op.h"
#include "base/alloc.h"
#include <string.h>

// The ids that were reached, a bit each.
typedef struct Reached {
  uint64_t *word;
  int low, count; // no bit is set below word `low`
} Reached;

enum { WORD = 64 };

static void reach_all(Reached *r, Node *const *v, int n) {
  for (int i = 0; i < n; i++) {
    int w = v[i]->id / WORD;
    r->word[w] |= 1ull << v[i]->id % WORD;
    r->low = w < r->low ? w : r->low;
  }
}

static void reach_below(Reached *r, const Node *x) {
  reach_all(r, x->in, x->nin);
  if (x->op == OP_SCAN) {
    const Scan *s = x->attr.scan;
    reach_all(r, s->state, s->nstate);
    reach_all(r, s->next, s->nstate);
    reach_all(r, s->seen_leaf, s->nseen);
    reach_all(r, &s->result, 1);
  }
}

// What is reached from word w's nodes, the highest first.
static void sweep_word(Reached *r, const Graph *g, int w) {
  uint64_t open, done = 0;
  while ((open = r->word[w] & ~done)) {
    int bit = WORD - 1 - __builtin_clzll(open);
    done |= 1ull << bit;
    r->count++;
    reach_below(r, g->nodes.v[w * WORD + bit]);
  }
}

static Node **nodes_of(const Reached *r, const Graph *g, Arena *a, int top) {
  Node **nodes = NEWN(a, Node *, r->count);
  for (int w = r->low, k = 0; w <= top; w++)
    for (uint64_t open = r->word[w]; open; open &= open - 1)
      nodes[k++] = g->nodes.v[w * WORD + __builtin_ctzll(open)];
  return nodes;
}

// Operands have smaller ids, and so have the nodes of a scan's body: one sweep down reaches everything.  It is asked for small
// regions of large graphs, too, so nothing but the bits is as long as the graph, and they are given back.
Node **reachable(const Graph *g, Arena *a, Node *const *roots, int n, int *count) {
  int top = g->nodes.n / WORD;
  Reached r = {.word = ALLOC_N(uint64_t, top + 1), .low = top};
  if (!r.word)
    out_of_memory();
  reach_all(&r, roots, n);
  for (int w = top; w >= r.low; w--)
    sweep_word(&r, g, w);
  Node **nodes = nodes_of(&r, g, a, top);
  free(r.word);
  *count = r.count;
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

// Scans become loops: the region's uses of values outside become leaves, and the axis one that no
// value in the region has.
#include "graph/op.h"

typedef struct Close {
  Graph *g;
  Node **map; // by id: what stands for a node of before
  int count;
} Close;

static Node *mapped(const Close *c, Node *n) {
  return n->id < c->count && c->map[n->id] ? c->map[n->id] : n;
}

// ---- the region under leaves of its own

typedef struct OpenRegion {
  Close *c;
  LoopBuild *b;
  Node **instead; // by id
  bool *inside;   // by id: depends on a leaf of this scan
  int count;
} OpenRegion;

static void mark_inside(OpenRegion *r, const LoopLeaves *v) {
  for (int i = 0; i < v->n; i++)
    r->inside[v->v[i].leaf->id] = true;
}

// x, which is outside, as the region reads it.
static Node *held(OpenRegion *r, Node *x) {
  Graph *g = r->c->g;
  if (loop_is_constant(x))
    return x;
  if (!r->instead[x->id]) {
    r->instead[x->id] = g_state(g, (DType)x->dtype, "held", x->ax, x->nax);
    LoopLeaf l = {x, r->instead[x->id]};
    vec_push(g->arena, &r->b->held, l);
  }
  return r->instead[x->id];
}

static Node *in_region(OpenRegion *r, Node *x) {
  return !r->inside[x->id] ? held(r, x) : r->instead[x->id] ? r->instead[x->id] : x;
}

static void rebuild_inside(OpenRegion *r, Node *x) {
  Node **in = NEWN(r->c->g->arena, Node *, x->nin + 1);
  for (int k = 0; k < x->nin; k++)
    in[k] = in_region(r, x->in[k]);
  if (x->nin)
    r->instead[x->id] = graph_rebuild(r->c->g, x, in, NULL);
}

static void close_region(OpenRegion *r, Node **roots, int n) {
  Graph *g = r->c->g;
  int m;
  Node **nodes = graph_reachable(g, roots, n, &m);
  r->count = g->nodes.n;
  r->instead = NEWN(g->arena, Node *, r->count + 1);
  r->inside = NEWN(g->arena, bool, r->count + 1);
  mark_inside(r, &r->b->state);
  mark_inside(r, &r->b->seen);
  for (int i = 0; i < m; i++)
    for (int k = 0; k < nodes[i]->nin; k++)
      r->inside[nodes[i]->id] |= r->inside[nodes[i]->in[k]->id];
  for (int i = 0; i < m; i++)
    if (r->inside[nodes[i]->id])
      rebuild_inside(r, nodes[i]);
  for (int i = 0; i < n; i++)
    roots[i] = in_region(r, roots[i]);
}

// ---- one scan

// Scans of one body, as the real and the imaginary part of a complex result are, are one loop.
static bool one_body(const Node *a, const Node *b) {
  const Scan *x = a->attr.scan, *y = b->attr.scan;
  return x->nstate && y->nstate == x->nstate && x->state[0] == y->state[0];
}

static void add_leaves(Close *c, const Scan *s, Axis *axis, LoopBuild *b) {
  Graph *g = c->g;
  for (int i = 0; i < s->nstate; i++) {
    LoopLeaf l = {mapped(c, s->first[i]), s->state[i]};
    vec_push(g->arena, &b->state, l);
  }
  for (int i = 0; i < s->nseen; i++) {
    Axis *from = s->axis;
    LoopLeaf l = {g_rename(g, mapped(c, s->seen[i]), &from, &axis, 1), s->seen_leaf[i]};
    vec_push(g->arena, &b->seen, l);
  }
}

static void close_scans(Close *c, Node **scan, int n) {
  Graph *g = c->g;
  const Scan *s = scan[0]->attr.scan;
  Axis *axis = graph_fresh_axis(g, s->axis->name, s->axis->extent), *old = s->axis;
  LoopBuild b = {.g = g, .axis = axis};
  Node **roots = NEWN(g->arena, Node *, s->nstate + n), **out = NEWN(g->arena, Node *, n);
  axis->open = s->axis->open;
  add_leaves(c, s, axis, &b);
  for (int i = 0; i < s->nstate; i++)
    roots[i] = mapped(c, s->next[i]);
  for (int i = 0; i < n; i++)
    roots[s->nstate + i] = mapped(c, scan[i]->attr.scan->result);
  OpenRegion r = {.c = c, .b = &b};
  close_region(&r, roots, s->nstate + n);
  for (int i = 0; i < s->nstate + n; i++)
    if (i < s->nstate)
      vec_push(g->arena, &b.next, roots[i]);
    else
      vec_push(g->arena, &b.out, roots[i]);
  loop_build(&b, out, NULL);
  for (int i = 0; i < n; i++)
    c->map[scan[i]->id] = g_rename(g, out[i], &axis, &old, 1);
}

// The scans among nodes[0 .. n) from the first on that have its body.
static int of_body(Graph *g, Node *const *nodes, int n, Node ***scan) {
  int m = 0;
  *scan = NEWN(g->arena, Node *, n);
  for (int i = 0; i < n; i++)
    if (i == 0 || (nodes[i]->op == OP_SCAN && one_body(nodes[0], nodes[i])))
      (*scan)[m++] = nodes[i];
  return m;
}

static void rebuild_outside(Close *c, Node *x) {
  Node **in = NEWN(c->g->arena, Node *, x->nin + 1);
  for (int k = 0; k < x->nin; k++)
    in[k] = mapped(c, x->in[k]);
  c->map[x->id] = graph_rebuild(c->g, x, in, c->map);
}

// The nodes of a later scan of one body may stand behind a user of the first: but not below it, since
// a body's results are known where its first scan is.
void graph_close_scans(Graph *g, Node **roots, int n) {
  int m;
  Node **nodes = graph_reachable(g, roots, n, &m), **scan;
  GraphMark mark = graph_mark(g);
  Close c = {.g = g, .count = g->nodes.n};
  c.map = NEWN(g->arena, Node *, c.count + 1);
  for (int i = 0; i < m; i++) {
    graph_from(g, nodes[i]);
    if (c.map[nodes[i]->id])
      continue;
    if (nodes[i]->op == OP_SCAN) {
      int same = of_body(g, nodes + i, m - i, &scan);
      close_scans(&c, scan, same);
    } else
      rebuild_outside(&c, nodes[i]);
  }
  for (int i = 0; i < n; i++)
    roots[i] = mapped(&c, roots[i]);
  graph_mark_set(g, mark);
}

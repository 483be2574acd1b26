// Making loops: what of a region is needed, and the nodes of its values.
#include "graph/op.h"
#include <string.h>

// States are many where they are so many times all else of a step, or more.
enum { MANY = 2 };

bool loop_is_constant(const Node *n) {
  return n->op == OP_CONST || n->op == OP_TABLE || n->op == OP_IOTA || n->op == OP_EXTENT;
}

bool loop_same(const Node *a, const Node *b) {
  return a->op == OP_LOOP && b->op == OP_LOOP && a->attr.scan == b->attr.scan &&
         !memcmp(a->in, b->in, (size_t)a->nin * sizeof *a->in);
}

Node **loop_region(const Graph *g, Arena *a, const Scan *c, int *count) {
  Node **roots = NEWN(a, Node *, c->nstate + c->nout + 1);
  int n = 0, m = 0;
  for (int i = 0; i < c->nstate; i++)
    roots[n++] = c->next[i];
  for (int i = 0; i < c->nout; i++)
    roots[n++] = c->out[i];
  Node **nodes = reachable(g, a, roots, n, &n);
  for (int i = 0; i < n; i++)
    if (nodes[i]->op != OP_STATE)
      nodes[m++] = nodes[i];
  *count = m;
  return nodes;
}

Node *loop_more(Graph *g, const Node *n, Node *x) {
  Scan *c = n->attr.scan;
  int i = 0;
  while (i < c->nout && c->out[i] != x)
    i++;
  if (i == c->nout) {
    Node **out = NEWN(g->arena, Node *, c->nout + 1);
    if (c->nout)
      memcpy(out, c->out, (size_t)c->nout * sizeof *out);
    out[c->nout++] = x;
    c->out = out;
  }
  return g_loop(g, c, n->in, i);
}

// ---- sizes

static double size_of(const Node *n) {
  int64_t sym[MAX_SYMS];
  double size = 1;
  for (int i = 0; i < MAX_SYMS; i++)
    sym[i] = 64;
  for (int i = 0; i < n->nax; i++)
    size *= (double)poly_eval(&n->ax[i]->extent, sym);
  return size;
}

LoopSizes graph_loop_sizes(const Scan *c) {
  LoopSizes s = {0};
  for (int i = 0; i < c->nstate; i++)
    s.states += size_of(c->state[i]);
  for (int i = 0; i < c->nseen; i++)
    s.others += size_of(c->seen_leaf[i]);
  for (int i = 0; i < c->nout; i++)
    s.others += c->out[i]->op == OP_STATE ? 0 : size_of(c->out[i]);
  s.many = s.states >= MANY * s.others;
  return s;
}

// ---- what is needed

static void mark_from(const Graph *g, Node *root, bool *live) {
  int n;
  Node **nodes = graph_reachable((Graph *)g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    live[nodes[i]->id] = true;
}

// Marks what outs need, and those states' next values.
static bool *mark_live(LoopBuild *b, Node *const *last) {
  bool *live = NEWN(b->g->arena, bool, b->g->nodes.n + 1),
       *done = NEWN(b->g->arena, bool, b->state.n + 1), more = true;
  for (int i = 0; i < b->out.n; i++)
    mark_from(b->g, b->out.v[i], live);
  while (more) {
    more = false;
    for (int i = 0; i < b->state.n; i++)
      if (((last && last[i]) || live[b->state.v[i].leaf->id]) && !done[i]) {
        live[b->state.v[i].leaf->id] = done[i] = more = true;
        mark_from(b->g, b->next.v[i], live);
      }
  }
  return live;
}

// Leaves of `from` that are live, as lists of the loop and its operands; their number.
static int keep(Graph *g, const LoopLeaves *from, const bool *live, Node ***leaf, Node **in) {
  int n = 0;
  *leaf = NEWN(g->arena, Node *, from->n + 1);
  for (int i = 0; i < from->n; i++)
    if (live[from->v[i].leaf->id]) {
      in[n] = from->v[i].outside;
      (*leaf)[n++] = from->v[i].leaf;
    }
  return n;
}

static void keep_next(LoopBuild *b, Scan *s, const bool *live) {
  int n = 0;
  s->next = NEWN(b->g->arena, Node *, b->state.n + 1);
  for (int i = 0; i < b->state.n; i++)
    if (live[b->state.v[i].leaf->id])
      s->next[n++] = b->next.v[i];
}

static void loop_values(LoopBuild *b, Scan *s, Node **in, const bool *live, Node **out,
                        Node **last) {
  for (int i = 0; out && i < b->out.n; i++)
    out[i] = g_loop(b->g, s, in, i);
  for (int i = 0, k = 0; last && i < b->state.n; i++)
    if (live[b->state.v[i].leaf->id]) {
      last[i] = last[i] ? g_loop(b->g, s, in, -1 - k) : NULL;
      k++;
    }
}

static void simplify_region(LoopBuild *b) {
  int n = 0;
  Node **roots = NEWN(b->g->arena, Node *, b->next.n + b->out.n + 1);
  for (int i = 0; i < b->next.n; i++)
    roots[n++] = b->next.v[i];
  for (int i = 0; i < b->out.n; i++)
    roots[n++] = b->out.v[i];
  graph_rewrite(b->g, RULES_SIMPLIFY, roots, n, NULL);
  for (int i = 0; i < n; i++)
    *(i < b->next.n ? &b->next.v[i] : &b->out.v[i - b->next.n]) = roots[i];
}

void loop_build(LoopBuild *b, Node **out, Node **last) {
  Graph *g = b->g;
  simplify_region(b);
  loop_hoist(b);
  bool *live = mark_live(b, last);
  Scan *s = NEW(g->arena, Scan);
  Node **in = NEWN(g->arena, Node *, b->state.n + b->seen.n + b->held.n + 1);
  *s = (Scan){.axis = b->axis, .reverse = b->reverse, .nout = b->out.n, .out = b->out.v};
  s->nstate = keep(g, &b->state, live, &s->state, in);
  keep_next(b, s, live);
  s->nseen = keep(g, &b->seen, live, &s->seen_leaf, in + s->nstate);
  s->nheld = keep(g, &b->held, live, &s->held_leaf, in + s->nstate + s->nseen);
  loop_values(b, s, in, live, out, last);
}

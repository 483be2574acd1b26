// scan: a body that is applied along an axis.
#include "graph/op.h"

static bool subset(const Node *a, const Node *b) {
  for (int i = 0; i < a->nax; i++)
    if (!node_has(b, a->ax[i]))
      return false;
  return true;
}

void SCAN_shape(Shape *s) {
  const Scan *c = s->attr->scan;
  s->dtype = c->result->dtype;
  if (s->nin != c->nstate + c->nseen)
    shape_fail(s, "%d operands", s->nin);
  for (int i = 0; i < c->nstate; i++) {
    const Node *state = c->state[i], *first = c->first[i], *next = c->next[i];
    if (!node_is(state, OP_STATE) || !subset(first, state) || !subset(next, state) ||
        node_has(state, c->axis) || first->dtype != state->dtype || next->dtype != state->dtype ||
        s->in[i] != first)
      shape_fail(s, "state %s does not keep its axes and dtype", state->attr.name);
  }
  for (int i = 0; i < c->nseen; i++) {
    const Node *leaf = c->seen_leaf[i], *seen = c->seen[i];
    if (!node_is(leaf, OP_STATE) || !node_has(seen, c->axis) || leaf->dtype != seen->dtype ||
        node_has(leaf, c->axis) || leaf->nax != seen->nax - 1 || !subset(leaf, seen) ||
        s->in[c->nstate + i] != seen)
      shape_fail(s, "outside value %d is not seen with its axes but %s", i, c->axis->name);
  }
  shape_union(s, c->result);
  shape_put(s, c->axis);
}

// ---- the body

// What each node changes with, a bit each: 0 the scan itself, i the i-th nested one, whose SCAN node takes its bit away.
typedef struct Changes {
  uint64_t *bits; // `words` of them a node, by its id
  int words;
} Changes;

static uint64_t *changes_of(const Changes *c, const Node *n) {
  return c->bits + (size_t)n->id * (size_t)c->words;
}

static void mark(const Changes *c, const Node *leaf, int bit) {
  changes_of(c, leaf)[bit / 64] |= (uint64_t)1 << bit % 64;
}

static void mark_leaves(const Changes *c, const Scan *s, int bit) {
  for (int i = 0; i < s->nstate; i++)
    mark(c, s->state[i], bit);
  for (int i = 0; i < s->nseen; i++)
    mark(c, s->seen_leaf[i], bit);
}

static void follow(const Changes *c, const Node *n, const Node *of) {
  for (int w = 0; w < c->words; w++)
    changes_of(c, n)[w] |= changes_of(c, of)[w];
}

static void follow_nested(const Changes *c, const Node *n, int bit) {
  const Scan *s = n->attr.scan;
  follow(c, n, s->result);
  for (int i = 0; i < s->nstate; i++)
    follow(c, n, s->next[i]);
  changes_of(c, n)[bit / 64] &= ~((uint64_t)1 << bit % 64);
}

static bool in_this_alone(const Changes *c, const Node *n) {
  const uint64_t *bits = changes_of(c, n);
  for (int w = 1; w < c->words; w++)
    if (bits[w])
      return false;
  return bits[0] == 1;
}

static Node **body_roots(Arena *a, const Scan *c, int *n) {
  Node **roots = NEWN(a, Node *, c->nstate + 1);
  for (int i = 0; i < c->nstate; i++)
    roots[i] = c->next[i];
  roots[c->nstate] = c->result;
  *n = c->nstate + 1;
  return roots;
}

// The number of each nested scan, by the place of its node.
static int *number_scans(Arena *a, Node *const *nodes, int n, int *scans) {
  int *number = NEWN(a, int, n + 1);
  *scans = 1;
  for (int i = 0; i < n; i++)
    if (node_is(nodes[i], OP_SCAN))
      number[i] = (*scans)++;
  return number;
}

Node **scan_body(const Graph *g, Arena *a, const Scan *s, int *count) {
  int nroots, n, m = 0, scans;
  Node **roots = body_roots(a, s, &nroots), **nodes = reachable(g, a, roots, nroots, &n);
  int *number = number_scans(a, nodes, n, &scans), words = (scans + 63) / 64;
  Changes c = {NEWN(a, uint64_t, (size_t)g->nodes.n *(size_t)words), words};
  mark_leaves(&c, s, 0);
  for (int i = 0; i < n; i++)
    if (number[i])
      mark_leaves(&c, nodes[i]->attr.scan, number[i]);
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < nodes[i]->nin; k++)
      follow(&c, nodes[i], nodes[i]->in[k]);
    if (number[i])
      follow_nested(&c, nodes[i], number[i]);
    if (in_this_alone(&c, nodes[i]) && !node_is(nodes[i], OP_STATE))
      nodes[m++] = nodes[i];
  }
  *count = m;
  return nodes;
}

// ---- evaluation: step by step, the body's values in buffers of their own

typedef struct Slices {
  const double *seen;
  double *step; // one slice of it
  int64_t size, stride, inner;
} Slices;

static void take_slice(const Slices *s, int64_t extent, int64_t l) {
  for (int64_t i = 0; i < s->size; i++)
    s->step[i] = s->seen[(i / s->inner * extent + l) * s->inner + i % s->inner];
}

// The state's values, in its own axes, from x's, which may lack some.
static void load_state(EvalOp *o, const Node *state, const Node *x, const double *from,
                       double *to) {
  AxisWalk w;
  walk_init(&w, o->e, state->ax, state->nax);
  walk_operand(&w, x);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      *to++ = from[w.off[0] + i * w.step[0]];
}

static double *buffer(EvalOp *o, const Node *n) {
  return NEWN(eval_arena(o->e), double, eval_size(o->e, n->ax, n->nax));
}

static Slices *start_scan(EvalOp *o, double **now) {
  const Scan *c = o->n->attr.scan;
  Slices *s = NEWN(eval_arena(o->e), Slices, c->nseen);
  for (int i = 0; i < c->nstate; i++) {
    now[i] = buffer(o, c->state[i]);
    load_state(o, c->state[i], c->first[i], o->in[i], now[i]);
    eval_set(o->e, c->state[i], now[i]);
  }
  for (int i = 0; i < c->nseen; i++) {
    const Node *leaf = c->seen_leaf[i];
    s[i] = (Slices){.seen = o->in[c->nstate + i],
                    .step = buffer(o, leaf),
                    .size = eval_size(o->e, leaf->ax, leaf->nax),
                    .inner = eval_stride(o->e, c->seen[i], c->axis)};
    eval_set(o->e, leaf, s[i].step);
  }
  return s;
}

void SCAN_eval(EvalOp *o) {
  const Scan *c = o->n->attr.scan;
  int n;
  Node **body = eval_body(o->e, c, &n);
  int64_t steps = eval_extent(o->e, c->axis), size = eval_size(o->e, c->result->ax, c->result->nax);
  double **now = NEWN(eval_arena(o->e), double *, c->nstate),
         **next = NEWN(eval_arena(o->e), double *, c->nstate);
  Slices *seen = start_scan(o, now);
  for (int i = 0; i < c->nstate; i++)
    next[i] = buffer(o, c->state[i]);
  for (int64_t l = 0; l < steps; l++) {
    for (int i = 0; i < c->nseen; i++)
      take_slice(&seen[i], steps, l);
    for (int i = 0; i < n; i++)
      if (!eval_compute(o->e, body[i]))
        return;
    const double *result = eval_value(o->e, c->result);
    for (int64_t i = 0; result && i < size; i++) // the axis is the last of the result's
      o->out[i * steps + l] = result[i];
    for (int i = 0; i < c->nstate; i++) {
      const double *x = eval_value(o->e, c->next[i]);
      if (!x)
        return;
      load_state(o, c->state[i], c->next[i], x, next[i]);
    }
    for (int i = 0; i < c->nstate; i++) { // all at once: one state's next may be another state
      double *t = now[i];
      eval_set(o->e, c->state[i], now[i] = next[i]);
      next[i] = t;
    }
  }
}

void SCAN_grad(Grad *r) {
  BUG("the gradient of a scan along %s, which was not closed", r->n->attr.scan->axis->name);
}

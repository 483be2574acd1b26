// Index maps: renames, splits, slices, flips, pads and concatenations that undo or absorb each
// other.
#include "graph/rewrite.h"

static int find_axis(Axis *const *ax, int n, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (ax[i] == a)
      return i;
  return -1;
}

static bool lists_equal(Axis *const *a, int na, Axis *const *b, int nb) {
  for (int i = 0; i < na && na == nb; i++)
    if (a[i] != b[i])
      return false;
  return na == nb;
}

// The map of `outer` after `inner`, over the axes of x.
static Node *compose_renames(Graph *g, Node *outer, Node *inner) {
  Node *x = inner->in[0];
  Axis **from = NEWN(g->arena, Axis *, x->nax + 1), **to = NEWN(g->arena, Axis *, x->nax + 1);
  int n = 0;
  for (int i = 0; i < x->nax; i++) {
    Axis *a = x->ax[i];
    int k = find_axis(inner->attr.from, inner->attr.nmap, a);
    Axis *b = k < 0 ? a : inner->attr.to[k];
    k = find_axis(outer->attr.from, outer->attr.nmap, b);
    Axis *c = k < 0 ? b : outer->attr.to[k];
    if (c != a)
      from[n] = a, to[n++] = c;
  }
  return n ? g_rename(g, x, from, to, n) : x;
}

Node *rule_renames(Rewrite *r, Node *n) {
  Node *x = n->nin ? n->in[0] : NULL;
  double c;
  if (n->op != OP_RENAME)
    return NULL;
  if (x->op == OP_RENAME)
    return compose_renames(r->g, n, x);
  if (node_is_const(x, &c))
    return g_full(r->g, n->dtype, c, n->ax, n->nax);
  if (x->op == OP_SLICE && n->attr.nmap == 1 && n->attr.from[0] == x->attr.axis2)
    return g_slice(r->g, x->in[0], x->attr.axis, x->attr.lo, x->attr.hi, n->attr.to[0]);
  if (x->op == OP_IOTA && n->nax == 1)
    return g_iota(r->g, n->ax[0]);
  return NULL;
}

Node *rule_split_of_merge(Rewrite *r, Node *n) {
  Node *x = n->nin ? n->in[0] : NULL;
  if (n->op == OP_SPLIT && x->op == OP_MERGE && n->attr.axis == x->attr.axis &&
      lists_equal(n->attr.axes, n->attr.naxes, x->attr.axes, x->attr.naxes))
    return x->in[0];
  if (n->op == OP_MERGE && x->op == OP_SPLIT &&
      lists_equal(n->attr.axes, n->attr.naxes, x->attr.axes, x->attr.naxes)) {
    if (n->attr.axis == x->attr.axis)
      return x->in[0];
    return g_rename(r->g, x->in[0], &x->attr.axis, &n->attr.axis, 1);
  }
  return NULL;
}

// The axis and the range [lo, lo + length) that a SLICE or INDEX takes of its operand.
typedef struct Range {
  Axis *axis;
  Poly lo, length;
} Range;

static Range range_of(const Node *n) {
  bool one = n->op == OP_INDEX;
  return (Range){n->attr.axis, n->attr.lo, one ? poly_const(1) : poly_sub(n->attr.hi, n->attr.lo)};
}

// Takes `n`'s range, moved to begin at lo, of y along `axis`.
static Node *take(Graph *g, const Node *n, Node *y, Axis *axis, Poly lo) {
  if (n->op == OP_INDEX)
    return g_index(g, y, axis, lo);
  Poly hi = poly_add(lo, range_of(n).length);
  if (!poly_eq(&hi, &axis->extent) || poly_eq(&lo, &axis->extent) || lo.n)
    return g_slice(g, y, axis, lo, hi, n->attr.axis2);
  return axis == n->attr.axis2 ? y : g_rename(g, y, &axis, &n->attr.axis2, 1);
}

// Whether lo >= 0 and lo + length <= extent hold for all sizes, as far as constants tell.
static bool within(Poly lo, Poly length, Poly extent) {
  int64_t a, b;
  Poly room = poly_sub(extent, poly_add(lo, length));
  return poly_is_const(&lo, &a) && a >= 0 && poly_is_const(&room, &b) && b >= 0;
}

static Node *take_of_concat(Graph *g, const Node *n, Node *x, Range at) {
  Poly start = poly_const(0);
  for (int i = 0; i < x->nin; i++) {
    Poly lo = poly_sub(at.lo, start);
    if (within(lo, at.length, x->attr.from[i]->extent))
      return take(g, n, x->in[i], x->attr.from[i], lo);
    start = poly_add(start, x->attr.from[i]->extent);
  }
  return NULL;
}

static Node *take_of_flip(Graph *g, const Node *n, Node *x, Range at) {
  Node *y = x->in[0];
  if (n->op != OP_INDEX || find_axis(x->attr.axes, x->attr.naxes, at.axis) < 0)
    return NULL;
  if (x->attr.naxes > 1)
    return NULL;
  return g_index(g, y, at.axis, poly_sub(poly_sub(at.axis->extent, poly_const(1)), at.lo));
}

Node *rule_slices(Rewrite *r, Node *n) {
  Graph *g = r->g;
  if (n->op != OP_SLICE && n->op != OP_INDEX)
    return NULL;
  Node *x = n->in[0];
  Range at = range_of(n);
  double c;
  if (n->op == OP_SLICE && !at.lo.n && poly_eq(&at.length, &at.axis->extent))
    return take(g, n, x, at.axis, at.lo);
  if (node_is_const(x, &c))
    return g_full(g, n->dtype, c, n->ax, n->nax);
  if (x->op == OP_SLICE && x->attr.axis2 == at.axis)
    return take(g, n, x->in[0], x->attr.axis, poly_add(x->attr.lo, at.lo));
  if (x->op == OP_RENAME) {
    int k = find_axis(x->attr.to, x->attr.nmap, at.axis);
    if (k >= 0 && x->attr.nmap == 1 && n->op == OP_INDEX)
      return g_index(g, x->in[0], x->attr.from[0], at.lo);
  }
  if (x->op == OP_CONCAT && x->attr.axis == at.axis)
    return take_of_concat(g, n, x, at);
  if (x->op == OP_FLIP)
    return take_of_flip(g, n, x, at);
  if (x->op == OP_PAD && x->attr.axis2 == at.axis) {
    Poly lo = poly_sub(at.lo, x->attr.lo);
    return within(lo, at.length, x->attr.axis->extent) ? take(g, n, x->in[0], x->attr.axis, lo)
                                                       : NULL;
  }
  return NULL;
}

// The state whose next value is out[i0], or -1.
static int state_of_value(const Scan *c, int64_t i0) {
  for (int i = 0; i0 >= 0 && i < c->nstate; i++)
    if (c->next[i] == c->out[i0] && same_axes(c->next[i], c->state[i]))
      return i;
  return -1;
}

static bool is_last_step(const Scan *c, const Poly *at) {
  Poly last = c->reverse ? (Poly){0} : poly_sub(c->axis->extent, poly_const(1));
  return poly_eq(at, &last);
}

Node *rule_last_of_loop(Rewrite *r, Node *n) {
  Node *x = n->op == OP_INDEX ? n->in[0] : NULL, *loop = x && x->op == OP_RENAME ? x->in[0] : x;
  if (!loop || loop->op != OP_LOOP)
    return NULL;
  const Scan *c = loop->attr.scan;
  int state = state_of_value(c, loop->attr.i0), m = 0;
  if (state < 0 || axis_before(x, n->attr.axis) != c->axis || !is_last_step(c, &n->attr.lo))
    return NULL;
  Node *last = g_loop(r->g, loop->attr.scan, loop->in, -1 - state);
  Axis **from = NEWN(r->g->arena, Axis *, MAX_AXES), **to = NEWN(r->g->arena, Axis *, MAX_AXES);
  for (int i = 0; x != loop && i < x->attr.nmap; i++)
    if (x->attr.from[i] != c->axis) {
      from[m] = x->attr.from[i];
      to[m++] = x->attr.to[i];
    }
  return g_rename(r->g, last, from, to, m);
}

Node *rule_flip_twice(Rewrite *r, Node *n) {
  Node *x = n->nin ? n->in[0] : NULL;
  (void)r;
  if (n->op != OP_FLIP)
    return NULL;
  if (node_is_const(x, NULL))
    return x;
  if (x->op == OP_FLIP && axes_equal_sets(n->attr.axes, n->attr.naxes, x->attr.axes, x->attr.naxes))
    return x->in[0];
  return NULL;
}

Node *rule_gather_of_iota(Rewrite *r, Node *n) {
  if (n->op != OP_GATHER || n->in[1]->op != OP_IOTA)
    return NULL;
  Node *x = n->in[0];
  Axis *from = n->attr.axis, *to = n->in[1]->ax[0];
  if (node_has(x, to) && to != from)
    return NULL;
  if (poly_eq(&from->extent, &to->extent))
    return from == to ? x : g_rename(r->g, x, &from, &to, 1);
  int64_t rows;
  int64_t most = graph_bound(r->g, &to->extent);
  // Where nothing bounds the length, the gather stays: it checks its indices at run time.
  if (!poly_is_const(&from->extent, &rows) || most < 0 || most > rows)
    return NULL;
  return g_slice(r->g, x, from, poly_const(0), to->extent, to);
}

// ---- pad(x) + pad(y) + ... => concat

enum { MAX_TERMS = 64 };
typedef struct Terms {
  Node *v[MAX_TERMS];
  int n, sums; // terms; additions between them
} Terms;

// Gives up after as many additions as there may be terms, so that a long chain costs no more.
static bool flatten_sum(Rewrite *r, Node *n, Terms *t, bool top) {
  if (n->op == OP_ADD && (top || rewrite_uses(r, n) <= 1))
    return ++t->sums < MAX_TERMS && flatten_sum(r, n->in[0], t, false) &&
           flatten_sum(r, n->in[1], t, false);
  if (t->n == MAX_TERMS)
    return false;
  t->v[t->n++] = n;
  return true;
}

// Moves the pads of `axis` that lie end to end from 0 to its extent into `pads`, in order; false
// when they do not cover it.
static bool chain_pads(const Terms *t, const Axis *axis, const Node *shape, Terms *pads,
                       bool *used) {
  Poly at = poly_const(0);
  pads->n = 0;
  while (!poly_eq(&at, &axis->extent)) {
    int k = 0;
    for (; k < t->n; k++) {
      Node *p = t->v[k];
      if (!used[k] && p->op == OP_PAD && p->attr.axis2 == axis && poly_eq(&p->attr.lo, &at) &&
          same_axes(p, shape))
        break;
    }
    if (k == t->n)
      return false;
    used[k] = true;
    pads->v[pads->n++] = t->v[k];
    at = poly_add(at, t->v[k]->attr.axis->extent);
  }
  return pads->n > 1;
}

Node *rule_sum_of_pads(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Terms t = {0}, pads;
  if (n->op != OP_ADD || !flatten_sum(r, n, &t, true))
    return NULL;
  for (int i = 0; i < t.n; i++) {
    bool used[MAX_TERMS] = {false};
    if (t.v[i]->op != OP_PAD || !chain_pads(&t, t.v[i]->attr.axis2, t.v[i], &pads, used))
      continue;
    Node *in[MAX_TERMS];
    Axis *from[MAX_TERMS];
    for (int k = 0; k < pads.n; k++)
      in[k] = pads.v[k]->in[0], from[k] = pads.v[k]->attr.axis;
    Node *sum = g_concat(g, in, from, pads.n, t.v[i]->attr.axis2);
    for (int k = 0; k < t.n; k++)
      if (!used[k])
        sum = g_binary(g, OP_ADD, sum, t.v[k]);
    return sum;
  }
  return NULL;
}

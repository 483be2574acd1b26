// Linear recurrences whose state is a sum of outer products, in pieces of C steps.  With
//   s[l] = a[l] s[l-1] + k[l] v[l],   y[l] = sum[N](q[l] s[l]),   where a and v lack N,
// and for steps i, j of one piece d[i, j] = a[j+1] ... a[i] (0 where j > i) and p[i] = a[0] ... a[i],
//   y[i] = sum_j (sum[N](q[i] k[j]) d[i, j]) v[j] + p[i] sum[N](q[i] S)
//   S of the next piece = p[C-1] S + sum_j d[C-1, j] k[j] v[j]
// which are products over a piece's steps, and a loop over pieces.  The decays are multiplied up by a loop
// over steps and never divided nor taken as logarithms, so that they may be 0, or negative, and nothing
// overflows that did not before.  What reads the state before its step has d and p of one step earlier.
#include "graph/op.h"
#include "graph/rewrite.h"
#include <string.h>

enum { LEAST_SUM = 8, LEAST_STATE = 256, MOST_STEPS = 64, LEAST_STEPS = 16 };

typedef VEC(Node *) NodeList;

typedef struct Recurrence {
  Graph *g;
  Node *loop;      // one of its values
  NodeList values; // all that are read
  bool wants_last; // the state behind the last step is one of them
  const Scan *c;
  Node **region;
  int nregion;
  Node **outside; // by id, of nodes of the region: what stands for them, NULL: depends on the state
  Axis **sum;     // N
  int nsum, nread;
  bool old; // something reads the state before its step
  // a, k, v for all steps, then by piece; k and v along `from`
  Node *a, *k, *v;
  Axis *along, *piece, *step, *from;
  Node *decay[2], *since[2]; // d and p; [1]: of one step earlier
  Node *before, *last;       // S, and that behind the last piece
} Recurrence;

// ---- s = a s + b

typedef struct Affine {
  Node *a, *b; // NULL: none
  bool ok;
} Affine;

static Node *outside_of(const Recurrence *c, const Node *n) {
  return c->outside[n->id];
}

static Node *plus(Graph *g, Op op, Node *x, Node *y) {
  if (!y)
    return x;
  if (x)
    return g_binary(g, op, x, y);
  return op == OP_SUB ? g_unary(g, OP_NEG, y) : y;
}

static Affine affine(Recurrence *c, Node *n);

static Affine affine_sum(Recurrence *c, Node *n) {
  Affine x = affine(c, n->in[0]), y = affine(c, n->in[1]);
  if (!x.ok || !y.ok)
    return (Affine){0};
  Node *a = plus(c->g, (Op)n->op, x.a, y.a), *b = plus(c->g, (Op)n->op, x.b, y.b);
  return (Affine){a, b, true};
}

static Node *scaled(Graph *g, Op op, Node *x, Node *by) {
  return x ? g_binary(g, op, x, by) : NULL;
}

// x * by or x / by
static Affine affine_product(Recurrence *c, Node *x, Op op, Node *by) {
  Node *factor = outside_of(c, by);
  Affine f = affine(c, x);
  if (!factor || !f.ok)
    return (Affine){0};
  Node *a = scaled(c->g, op, f.a, factor), *b = scaled(c->g, op, f.b, factor);
  return (Affine){a, b, true};
}

static Affine affine_negated(Recurrence *c, Node *n) {
  Affine f = affine(c, n->in[0]);
  return f.ok ? (Affine){plus(c->g, OP_SUB, NULL, f.a), plus(c->g, OP_SUB, NULL, f.b), true} : f;
}

static bool is_product(const Node *n) {
  return n->op == OP_MUL || (n->op == OP_CONTRACT && !n->attr.naxes);
}

// Only n's that depend on the state are looked into, each perhaps several times: a step that is not
// written as a short formula is none of ours.
static Affine affine(Recurrence *c, Node *n) {
  if (outside_of(c, n))
    return (Affine){NULL, outside_of(c, n), true};
  if (n == c->c->state[0])
    return (Affine){g_const(c->g, (DType)n->dtype, 1), NULL, true};
  if (n->op == OP_ADD || n->op == OP_SUB)
    return affine_sum(c, n);
  if (is_product(n)) {
    int i = outside_of(c, n->in[0]) ? 1 : 0;
    return affine_product(c, n->in[i], OP_MUL, n->in[1 - i]);
  }
  if (n->op == OP_NEG)
    return affine_negated(c, n);
  return n->op == OP_DIV ? affine_product(c, n->in[0], OP_DIV, n->in[1]) : (Affine){0};
}

// ---- what reads the state

static bool is_state(const Recurrence *c, const Node *n) {
  return n == c->c->next[0] || n == c->c->state[0];
}

// n = sum[N](q * s): q, and s in *s.
static Node *read_of(const Recurrence *c, const Node *n, Node **s) {
  const Node *x = n->op == OP_SUM ? n->in[0] : n;
  if (!(n->op == OP_SUM && is_product(x)) && !(n->op == OP_CONTRACT && n->attr.naxes))
    return NULL;
  for (int i = 0; i < 2; i++)
    if (is_state(c, *s = x->in[i]) && outside_of(c, x->in[1 - i]) &&
        node_covers(x->in[1 - i], n->attr.axes, n->attr.naxes))
      return x->in[1 - i];
  return NULL;
}

static bool sums_the_same(Recurrence *c, const Node *n) {
  if (!c->nread++) {
    c->sum = n->attr.axes;
    c->nsum = n->attr.naxes;
  }
  return axes_equal_sets(c->sum, c->nsum, n->attr.axes, n->attr.naxes);
}

// Marks by id what can be computed outside once reads are.
static bool mark_known(Recurrence *c, bool *known) {
  for (int i = 0; i < c->nregion; i++) {
    Node *n = c->region[i], *s;
    bool all = true;
    for (int k = 0; k < n->nin; k++)
      all &= known[n->in[k]->id] || outside_of(c, n->in[k]);
    known[n->id] = outside_of(c, n) || (all && loop_may_leave(n));
    if (!known[n->id] && read_of(c, n, &s)) {
      known[n->id] = sums_the_same(c, n);
      c->old |= s == c->c->state[0];
    }
  }
  return c->nread;
}

static bool only_reads(Recurrence *c) {
  bool *known = NEWN(c->g->arena, bool, c->g->nodes.n + 1);
  if (!mark_known(c, known))
    return false;
  for (int i = 0; i < c->values.n; i++) {
    int64_t out = c->values.v[i]->attr.i0;
    if (out >= 0 && !known[c->c->out[out]->id])
      return false;
  }
  return true;
}

// ---- k and v

static bool has_any(const Node *n, Axis *const *ax, int m) {
  for (int i = 0; i < m; i++)
    if (node_has(n, ax[i]))
      return true;
  return false;
}

static Node *times(Graph *g, Node *x, Node *y) {
  return x ? g_binary(g, OP_MUL, x, y) : y;
}

static void split_factors(Recurrence *c, Node *n);

// A product of k's factors of equal axes is none to be made again in another order.
static bool is_apart(const Recurrence *c, const Node *n) {
  return is_product(n) && !(has_any(n->in[0], c->sum, c->nsum) &&
                            has_any(n->in[1], c->sum, c->nsum) && same_axes(n->in[0], n->in[1]));
}

// n is a product of others, whose factors are split: false where it is one factor.
static bool split_product(Recurrence *c, Node *n) {
  if (is_apart(c, n)) {
    split_factors(c, n->in[0]);
    split_factors(c, n->in[1]);
  } else if (n->op == OP_NEG) {
    split_factors(c, n->in[0]);
    split_factors(c, g_const(c->g, (DType)n->dtype, -1));
  } else if (n->op == OP_DIV) {
    split_factors(c, n->in[0]);
    split_factors(c, g_binary(c->g, OP_DIV, g_const(c->g, (DType)n->dtype, 1), n->in[1]));
  } else {
    return false;
  }
  return true;
}

// Factors that have N are k's, others v's.
static void split_factors(Recurrence *c, Node *n) {
  bool sums = has_any(n, c->sum, c->nsum);
  if (sums && n->op == OP_DIV && node_is_const(n->in[0], NULL))
    c->k = times(c->g, c->k, n);
  else if (sums && split_product(c, n))
    return;
  else if (sums)
    c->k = times(c->g, c->k, n);
  else
    c->v = times(c->g, c->v, n);
}

// Elements of axes; 0 where some extent is not known.
static int64_t size_of(Axis *const *ax, int n) {
  int64_t size = 1, extent;
  for (int i = 0; i < n; i++)
    size *= poly_is_const(&ax[i]->extent, &extent) ? extent : 0;
  return size;
}

// The axes of v alone, which each make one more use of sum[N](q k).
static int own_axes(const Recurrence *c, Axis **out) {
  int n = 0;
  for (int i = 0; i < c->v->nax; i++)
    if (!node_has(c->k, c->v->ax[i]) && !node_has(c->a, c->v->ax[i]) && c->v->ax[i] != c->along &&
        node_has(c->c->state[0], c->v->ax[i]))
      out[n++] = c->v->ax[i];
  return n;
}

// Steps of a piece: the nearest power of two to the root of the state's size, where the products within a piece, the
// states between pieces and the decays take about as much.  0: it does not pay.
static int64_t steps_of(const Recurrence *c) {
  Axis *own[MAX_AXES];
  int n = own_axes(c, own);
  int64_t sum = size_of(c->sum, c->nsum), size = n ? size_of(own, n) * sum : 0;
  int64_t steps = LEAST_STEPS;
  while (steps < MOST_STEPS && 2 * steps * steps <= size)
    steps *= 2;
  return sum < LEAST_SUM || size < LEAST_STATE ? 0 : steps;
}

static bool match_step(Recurrence *c) {
  Affine f = affine(c, c->c->next[0]);
  if (!f.ok || !f.a || !f.b || has_any(f.a, c->sum, c->nsum))
    return false;
  c->a = f.a;
  split_factors(c, f.b);
  return c->k && c->v && node_covers(c->k, c->sum, c->nsum);
}

// ---- pieces

static Axis *fresh(Recurrence *c, const char *name, Poly extent) {
  return graph_fresh_axis(c->g, name, extent);
}

static bool make_axes(Recurrence *c, int64_t steps) {
  Poly count;
  if (!steps || size_least(&c->g->syms, &c->along->extent) < 1 ||
      !graph_pieces(c->g, &c->along->extent, steps, &count))
    return false;
  c->piece = fresh(c, "piece", count);
  c->piece->open = c->along->open;
  c->step = fresh(c, "step", poly_const(steps));
  c->from = fresh(c, "from", poly_const(steps));
  return true;
}

static Poly padded(const Recurrence *c) {
  return poly_mul(c->piece->extent, c->step->extent);
}

static Axis *whole_axis(Recurrence *c) {
  Poly p = padded(c);
  return poly_eq(&p, &c->along->extent) ? c->along : graph_axis(c->g, "padded", -1, p);
}

static Node *in_pieces(Recurrence *c, Node *x) {
  Axis *whole = whole_axis(c);
  if (whole != c->along)
    x = g_pad(c->g, x, c->along, poly_const(0), whole);
  return g_split(c->g, x, whole, (Axis *[]){c->piece, c->step}, 2);
}

static Node *along_all(Recurrence *c, Node *x) {
  return g_expand(c->g, x, &c->along, 1);
}

static Node *along_from(Recurrence *c, Node *x) {
  return g_rename(c->g, in_pieces(c, along_all(c, x)), &c->step, &c->from, 1);
}

static Node *in_sequence(Recurrence *c, Node *x) {
  Axis *whole = whole_axis(c);
  x = g_merge(c->g, x, (Axis *[]){c->piece, c->step}, 2, whole);
  if (whole == c->along)
    return x;
  return g_slice(c->g, x, whole, poly_const(0), c->along->extent, c->along);
}

// Steps behind the end must leave the last state as it is, where that is asked for.
static Node *decays(Recurrence *c) {
  Axis *whole = whole_axis(c);
  if (!c->wants_last || whole == c->along)
    return node_has(c->a, c->along) ? in_pieces(c, c->a) : c->a;
  Node *a = in_pieces(c, along_all(c, c->a)), *one = g_const(c->g, (DType)a->dtype, 1);
  Node *at = g_split(c->g, g_iota(c->g, whole), whole, (Axis *[]){c->piece, c->step}, 2);
  Node *there = g_binary(c->g, OP_LT, at, g_extent(c->g, DT_I32, c->along->extent));
  return g_select(c->g, there, a, one);
}

// A leaf for x, which has the loop's axis or has not; constants stay.
static Node *leaf_for(LoopBuild *b, Node *x) {
  Axis *ax[MAX_AXES];
  int n = 0;
  if (loop_is_constant(x) && !node_has(x, b->axis))
    return x;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != b->axis)
      ax[n++] = x->ax[i];
  LoopLeaf l = {x, g_state(b->g, (DType)x->dtype, "outer", ax, n)};
  if (node_has(x, b->axis))
    vec_push(b->g->arena, &b->seen, l);
  else
    vec_push(b->g->arena, &b->held, l);
  return l.leaf;
}

static Node *state_for(LoopBuild *b, Node *first, Axis *const *ax, int n) {
  LoopLeaf l = {first, g_state(b->g, (DType)first->dtype, "carried", ax, n)};
  vec_push(b->g->arena, &b->state, l);
  return l.leaf;
}

static void push_node(LoopBuild *b, bool out, Node *x) {
  if (out)
    vec_push(b->g->arena, &b->out, x);
  else
    vec_push(b->g->arena, &b->next, x);
}

// d = select(j == i, 1, a d), p = a p
static void decay_step(Recurrence *c, LoopBuild *b, Node *d, Node *p, Node *a) {
  Graph *g = c->g;
  Node *one = g_const(g, (DType)a->dtype, 1), *i = leaf_for(b, g_iota(g, c->step));
  Node *here = g_binary(g, OP_EQ, g_iota(g, c->from), i);
  Node *next_d = g_select(g, here, one, g_binary(g, OP_MUL, d, a));
  Node *next_p = g_binary(g, OP_MUL, p, a);
  push_node(b, false, next_d);
  push_node(b, false, next_p);
  push_node(b, true, next_d);
  push_node(b, true, next_p);
  if (c->old) {
    push_node(b, true, d);
    push_node(b, true, p);
  }
}

static void multiply_decays(Recurrence *c) {
  Graph *g = c->g;
  LoopBuild b = {.g = g, .axis = c->step};
  Node *out[4], *a = leaf_for(&b, c->a);
  Axis *ax[MAX_AXES] = {0};
  memcpy(ax, a->ax, (size_t)a->nax * sizeof *ax);
  ax[a->nax] = c->from;
  Node *d = state_for(&b, g_const(g, (DType)a->dtype, 0), ax, a->nax + 1);
  Node *p = state_for(&b, g_const(g, (DType)a->dtype, 1), ax, a->nax);
  decay_step(c, &b, d, p, a);
  loop_build(&b, out, NULL);
  for (int i = 0; i < 2 + 2 * c->old; i++)
    *(i % 2 ? &c->since[i / 2] : &c->decay[i / 2]) = out[i];
}

static Node *at_end(Recurrence *c, Node *x) {
  return g_index(c->g, x, c->step, poly_sub(c->step->extent, poly_const(1)));
}

static void carry_states(Recurrence *c) {
  Graph *g = c->g;
  LoopBuild b = {.g = g, .axis = c->piece};
  const Node *s = c->c->state[0];
  Node *weighted = g_binary(g, OP_MUL, c->k, at_end(c, c->decay[0]));
  Node *more = leaf_for(&b, g_contract(g, weighted, c->v, &c->from, 1));
  Node *decay = leaf_for(&b, at_end(c, c->since[0]));
  Node *state = state_for(&b, c->loop->in[0], s->ax, s->nax);
  Node *next = g_binary(g, OP_ADD, g_binary(g, OP_MUL, state, decay), more);
  push_node(&b, false, next);
  push_node(&b, true, state);
  c->last = c->wants_last ? state : NULL;
  loop_build(&b, &c->before, &c->last);
}

static Node *read_in_pieces(Recurrence *c, Node *q, bool old) {
  Graph *g = c->g;
  q = in_pieces(c, along_all(c, q));
  Node *scores = g_contract(g, q, c->k, c->sum, c->nsum);
  Node *within = g_contract(g, g_binary(g, OP_MUL, scores, c->decay[old]), c->v, &c->from, 1);
  Node *from_before = g_contract(g, q, c->before, c->sum, c->nsum);
  Node *y = g_binary(g, OP_ADD, within, g_binary(g, OP_MUL, from_before, c->since[old]));
  return in_sequence(c, y);
}

// ---- the rule

static void stand_for_leaves(Recurrence *c) {
  const Scan *s = c->c;
  for (int i = 0; i < s->nseen; i++)
    c->outside[s->seen_leaf[i]->id] = c->loop->in[s->nstate + i];
  for (int i = 0; i < s->nheld; i++)
    c->outside[s->held_leaf[i]->id] = c->loop->in[s->nstate + s->nseen + i];
}

static bool can_leave(const Recurrence *c, const Node *n) {
  bool all = loop_may_leave(n);
  for (int k = 0; k < n->nin; k++)
    all &= outside_of(c, n->in[k]) != NULL;
  return all;
}

// Reads become their values in pieces once there are pieces.
static void compute_outside(Recurrence *c) {
  for (int i = 0; i < c->nregion; i++) {
    Node *n = c->region[i], *s, *q = c->piece ? read_of(c, n, &s) : NULL;
    if (outside_of(c, n))
      continue;
    if (q)
      c->outside[n->id] = read_in_pieces(c, outside_of(c, q), s == c->c->state[0]);
    else if (!n->nin)
      c->outside[n->id] = n;
    else if (can_leave(c, n))
      c->outside[n->id] = loop_outside(c->g, n, c->along, c->outside);
  }
}

static bool match_chunk(Recurrence *c) {
  const Scan *s = c->c;
  if (s->nstate != 1 || !s->nout || s->reverse || s->next[0]->nax != s->state[0]->nax ||
      !dtype_is_float((DType)s->state[0]->dtype) || s->state[0]->nax < 2)
    return false;
  c->region = loop_region(c->g, c->g->arena, s, &c->nregion);
  c->outside = NEWN(c->g->arena, Node *, c->g->nodes.n + 1);
  stand_for_leaves(c);
  compute_outside(c);
  return only_reads(c) && match_step(c) && make_axes(c, steps_of(c));
}

static void build_chunk(Recurrence *c) {
  c->k = along_from(c, c->k);
  c->v = along_from(c, c->v);
  c->a = decays(c);
  multiply_decays(c);
  carry_states(c);
  compute_outside(c);
}

static Node *value_in_pieces(Recurrence *c, const Node *n) {
  int64_t i = n->attr.i0;
  Node *y = i < 0 ? c->last : outside_of(c, c->c->out[i]);
  return g_expand(c->g, y, n->ax, n->nax);
}

static void find_values(const Rewrite *r, Recurrence *c) {
  for (int i = 0; i < r->nlive; i++)
    if (loop_same(r->live[i], c->loop)) {
      vec_push(r->g->arena, &c->values, r->live[i]);
      c->wants_last |= r->live[i]->attr.i0 < 0;
    }
}

static bool among(const NodeList *l, const Node *n) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i] == n)
      return true;
  return false;
}

static int chunk_loop(Rewrite *r, Node *loop, NodeList *old, NodeList *by) {
  Recurrence c = {.g = r->g, .loop = loop, .c = loop->attr.scan, .along = loop->attr.scan->axis};
  graph_from(r->g, loop);
  find_values(r, &c);
  if (!match_chunk(&c))
    return 0;
  build_chunk(&c);
  for (int i = 0; i < c.values.n; i++) {
    Node *y = value_in_pieces(&c, c.values.v[i]);
    vec_push(r->g->arena, old, c.values.v[i]);
    vec_push(r->g->arena, by, y);
  }
  return 1;
}

int rule_chunk_recurrence(Rewrite *r) {
  NodeList old = {0}, by = {0};
  int fired = 0;
  for (int i = 0; i < r->nlive; i++)
    if (r->live[i]->op == OP_LOOP && !among(&old, r->live[i]))
      fired += chunk_loop(r, r->live[i], &old, &by);
  if (fired)
    rewrite_replace(r, old.v, by.v, old.n);
  return fired;
}

// Recurrences of outer products in pieces: see rules_chunk.c.
#include "graph/rules_chunk_internal.h"

// ---- steps in pieces

static Axis *fresh(Recurrence *c, const char *name, Poly extent) {
  return graph_fresh_axis(c->g, name, extent);
}

bool chunk_axes(Recurrence *c, int64_t steps) {
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

// A state of x's axes and one more, at place `at` of them, which is 0 at first.
static Node *zero_state(Recurrence *c, LoopBuild *b, const Node *x, int at, Axis *more) {
  Axis *ax[MAX_AXES];
  for (int i = 0; i <= x->nax; i++)
    ax[i] = i == at ? more : x->ax[i - (i > at)];
  return state_for(b, g_const(c->g, (DType)x->dtype, 0), ax, x->nax + 1);
}

// Is it j's own step?
static Node *own_step(Recurrence *c, LoopBuild *b) {
  Node *i = leaf_for(b, g_iota(c->g, c->step)), *j = g_iota(c->g, c->from);
  return g_binary(c->g, OP_EQ, j, i);
}

// p = a p; what is behind a step is not stored beside what was before it.
static void multiply_since(Recurrence *c) {
  LoopBuild b = {.g = c->g, .axis = c->step};
  Node *a = leaf_for(&b, c->a);
  Node *p = state_for(&b, g_const(c->g, (DType)a->dtype, 1), a->ax, a->nax);
  push_node(&b, false, g_binary(c->g, OP_MUL, p, a));
  push_node(&b, true, p);
  loop_build(&b, &c->since[1], NULL);
  c->since[0] = g_binary(c->g, OP_MUL, c->since[1], c->a);
}

static Node *at_end(Recurrence *c, Node *x) {
  return g_index(c->g, x, c->step, poly_sub(c->step->extent, poly_const(1)));
}

// d = select(j == i, 1, a d)
static void multiply_within(Recurrence *c) {
  LoopBuild b = {.g = c->g, .axis = c->step};
  Node *a = leaf_for(&b, c->a), *one = g_const(c->g, (DType)a->dtype, 1);
  Node *d = zero_state(c, &b, a, a->nax, c->from), *own = own_step(c, &b);
  Node *next = g_select(c->g, own, one, g_binary(c->g, OP_MUL, d, a));
  push_node(&b, false, next);
  push_node(&b, true, next);
  if (c->old)
    push_node(&b, true, d);
  loop_build(&b, c->decay, NULL);
}

static void scores_of_products(Recurrence *c) {
  Graph *g = c->g;
  multiply_since(c);
  multiply_within(c);
  for (int i = 0; i < c->read.n; i++) {
    Read *r = &c->read.v[i];
    Node *products = g_contract(g, r->q, c->k, c->sum, c->nsum);
    r->scores = g_binary(g, OP_MUL, products, c->decay[r->old]);
  }
  c->weighted = g_binary(g, OP_MUL, c->k, at_end(c, c->decay[0]));
  c->fade = at_end(c, c->since[0]);
}

typedef struct KeyedStep {
  Node *a, *k, *w, *p;
  Node *own; // is it j's own step?
} KeyedStep;

// w = select(j == i, k, a w), p = a p
static KeyedStep keyed_step(Recurrence *c, LoopBuild *b, Node *key) {
  Graph *g = c->g;
  KeyedStep s = {.a = leaf_for(b, c->a), .k = leaf_for(b, key), .own = own_step(c, b)};
  s.w = zero_state(c, b, g_binary(g, OP_MUL, s.k, s.a), 0, c->from); // a row for each key
  s.p = state_for(b, g_const(g, (DType)s.a->dtype, 1), s.a->ax, s.a->nax);
  push_node(b, false, g_select(g, s.own, s.k, g_binary(g, OP_MUL, s.w, s.a)));
  push_node(b, false, g_binary(g, OP_MUL, s.p, s.a));
  return s;
}

// sum[N](q w) and q p of w and p before the step; behind it they are times a, but for w at its own step, which is k.
static void push_read(Recurrence *c, LoopBuild *b, const Read *r, const KeyedStep *s) {
  Graph *g = c->g;
  Node *q = leaf_for(b, r->q), *qa = r->old ? q : g_binary(g, OP_MUL, q, s->a);
  Node *scores = g_contract(g, qa, s->w, c->sum, c->nsum);
  if (!r->old)
    scores = g_select(g, s->own, g_contract(g, q, s->k, c->sum, c->nsum), scores);
  push_node(b, true, scores);
  push_node(b, true, g_binary(g, OP_MUL, qa, s->p));
}

static void scores_by_steps(Recurrence *c, Node *key) {
  LoopBuild b = {.g = c->g, .axis = c->step};
  KeyedStep s = keyed_step(c, &b, key);
  for (int i = 0; i < c->read.n; i++)
    push_read(c, &b, &c->read.v[i], &s);
  Node **out = NEWN(c->g->arena, Node *, 2 * c->read.n), *last[] = {s.w, s.p};
  loop_build(&b, out, last);
  for (int i = 0; i < c->read.n; i++) {
    c->read.v[i].scores = out[2 * i];
    c->read.v[i].q = out[2 * i + 1];
  }
  c->weighted = last[0];
  c->fade = last[1];
}

// ---- values that depend on a read: the equations are in rules_chunk.c

// m: its row i is row i of 1 and the sum over j < i of (g scores)[i, j] times row j.  Rows of later steps are still 0.
static Node *inverse(Recurrence *c, Node *gains, Axis *col) {
  Graph *g = c->g;
  LoopBuild b = {.g = g, .axis = c->step};
  Node *at = leaf_for(&b, gains), *own = own_step(c, &b), *m;
  Node *rows = zero_state(c, &b, at, at->nax, col);
  Node *one = g_cast(g, g_rename(g, own, &c->from, &col, 1), (DType)at->dtype);
  Node *row = g_binary(g, OP_ADD, one, g_contract(g, at, rows, &c->from, 1));
  push_node(&b, false, g_select(g, own, row, rows));
  push_node(&b, true, row);
  loop_build(&b, &m, NULL);
  return g_rename(g, m, &c->step, &c->from, 1);
}

// v becomes m v, beside which m g p q is what the state before the piece is multiplied by.
static void solve(Recurrence *c) {
  Graph *g = c->g;
  const Read *r = c->inner;
  Axis *col = fresh(c, "col", c->step->extent);
  Node *gain = in_pieces(c, along_all(c, c->gain));
  Node *m = inverse(c, g_binary(g, OP_MUL, gain, r->scores), col);
  Node *p = g_binary(g, OP_MUL, g_binary(g, OP_MUL, gain, c->since[1]), r->q);
  c->known = g_contract(g, m, g_rename(g, p, &c->step, &col, 1), &col, 1);
  c->v = g_contract(g, m, g_rename(g, c->v, &c->from, &col, 1), &col, 1);
}

// sum_j u[j] k[j] sum[N](w[j] S), where N is called N' in w and S.  u k w is one matrix of N times N' a piece, made for
// all pieces at once, so that the step has one product.
static Node *of_state(Recurrence *c, LoopBuild *b, Node *state) {
  Graph *g = c->g;
  Axis **other = NEWN(g->arena, Axis *, c->nsum);
  for (int i = 0; i < c->nsum; i++)
    other[i] = fresh(c, "other", c->sum[i]->extent);
  Node *known = g_rename(g, c->known, c->sum, other, c->nsum);
  Node *turn = leaf_for(b, g_contract(g, c->weighted, known, &c->from, 1));
  return g_contract(g, turn, g_rename(g, state, c->sum, other, c->nsum), other, c->nsum);
}

// ---- the states before pieces

static void carry_states(Recurrence *c) {
  Graph *g = c->g;
  LoopBuild b = {.g = g, .axis = c->piece};
  const Node *s = c->c->state[0];
  Node *more = leaf_for(&b, g_contract(g, c->weighted, c->v, &c->from, 1));
  Node *fade = leaf_for(&b, c->fade);
  Node *state = state_for(&b, c->loop->in[0], s->ax, s->nax);
  Node *next = g_binary(g, OP_ADD, g_binary(g, OP_MUL, state, fade), more);
  if (c->known)
    next = g_binary(g, OP_ADD, next, of_state(c, &b, state));
  push_node(&b, false, next);
  push_node(&b, true, state);
  c->last = c->wants_last ? state : NULL;
  loop_build(&b, &c->before, &c->last);
}

// v becomes all that is written.
static void add_known(Recurrence *c) {
  Node *known = g_contract(c->g, c->known, c->before, c->sum, c->nsum);
  c->v = g_binary(c->g, OP_ADD, c->v, known);
}

void chunk_build(Recurrence *c) {
  Node *key = in_pieces(c, along_all(c, c->k));
  c->k = g_rename(c->g, key, &c->step, &c->from, 1);
  c->v = along_from(c, c->v);
  c->a = decays(c);
  for (int i = 0; i < c->read.n; i++)
    c->read.v[i].q = in_pieces(c, along_all(c, c->read.v[i].q));
  if (c->keyed)
    scores_by_steps(c, key);
  else
    scores_of_products(c);
  if (c->inner)
    solve(c);
  carry_states(c);
  if (c->known)
    add_known(c);
}

// ---- reads

Node *chunk_value(Recurrence *c, const Read *r) {
  Graph *g = c->g;
  Node *within = g_contract(g, r->scores, c->v, &c->from, 1);
  Node *before = g_contract(g, r->q, c->before, c->sum, c->nsum);
  if (!c->keyed)
    before = g_binary(g, OP_MUL, before, c->since[r->old]);
  Node *y = in_sequence(c, g_binary(g, OP_ADD, within, before));
  if (r->factor)
    y = g_binary(g, OP_MUL, y, r->factor);
  return r->rest ? g_binary(g, OP_ADD, y, r->rest) : y;
}

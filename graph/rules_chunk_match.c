// Which loops are linear recurrences of outer products, and of what: see rules_chunk.c.
#include "graph/rules_chunk_internal.h"

// What has to be there, by how the decays are: sizes at which a training step got clearly shorter.
enum { LEAST_SUM = 8, LEAST_STATE = 256, LEAST_OWN = 64, LEAST_STEPS = 16, MOST_STEPS = 64 };
// Where pieces are solved, N x v's own: 64 x 64 got longer, 128 x 64 hardly shorter.
enum { LEAST_SOLVED_SUM = 64, LEAST_SOLVED_OWN = 128 };

// ---- a s + b + c r, where r is the inner read

typedef struct Affine {
  Node *a, *b, *c; // NULL: none
  bool ok;
} Affine;

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
  Affine f = {.ok = true};
  f.a = plus(c->g, (Op)n->op, x.a, y.a);
  f.b = plus(c->g, (Op)n->op, x.b, y.b);
  f.c = plus(c->g, (Op)n->op, x.c, y.c);
  return f;
}

static Node *scaled(Graph *g, Op op, Node *x, Node *by) {
  return x ? g_binary(g, op, x, by) : NULL;
}

// x * by or x / by
static Affine affine_product(Recurrence *c, Node *x, Op op, Node *by) {
  Node *factor = chunk_outside(c, by);
  Affine f = affine(c, x);
  if (!factor || !f.ok)
    return (Affine){0};
  f.a = scaled(c->g, op, f.a, factor);
  f.b = scaled(c->g, op, f.b, factor);
  f.c = scaled(c->g, op, f.c, factor);
  return f;
}

static Affine affine_negated(Recurrence *c, Node *n) {
  Affine f = affine(c, n->in[0]);
  f.a = plus(c->g, OP_SUB, NULL, f.a);
  f.b = plus(c->g, OP_SUB, NULL, f.b);
  f.c = plus(c->g, OP_SUB, NULL, f.c);
  return f;
}

static bool is_product(const Node *n) {
  return n->op == OP_MUL || (n->op == OP_CONTRACT && !n->attr.naxes);
}

// Only n's that depend on the state are looked into, each perhaps several times: a step that is not
// written as a short formula is none of ours.
static Affine affine(Recurrence *c, Node *n) {
  if (chunk_outside(c, n))
    return (Affine){.b = chunk_outside(c, n), .ok = true};
  if (n == c->atom)
    return (Affine){.a = g_const(c->g, (DType)n->dtype, 1), .ok = true};
  if (c->inner && n == c->inner->of)
    return (Affine){.c = g_const(c->g, (DType)n->dtype, 1), .ok = true};
  if (n->op == OP_ADD || n->op == OP_SUB)
    return affine_sum(c, n);
  if (is_product(n)) {
    int i = chunk_outside(c, n->in[0]) ? 1 : 0;
    return affine_product(c, n->in[i], OP_MUL, n->in[1 - i]);
  }
  if (n->op == OP_NEG)
    return affine_negated(c, n);
  return n->op == OP_DIV ? affine_product(c, n->in[0], OP_DIV, n->in[1]) : (Affine){0};
}

static Affine affine_in(Recurrence *c, Node *n, const Node *state) {
  c->atom = state;
  return affine(c, n);
}

// ---- products

static bool has_any(const Node *n, Axis *const *ax, int m) {
  for (int i = 0; i < m; i++)
    if (node_has(n, ax[i]))
      return true;
  return false;
}

static bool has_sum(const Recurrence *c, const Node *n) {
  return has_any(n, c->sum, c->nsum);
}

static void split_factors(const Recurrence *c, Node *n, Factors *f);

// A product of factors of equal axes that have N is none to be made again in another order.
static bool is_apart(const Recurrence *c, const Node *n) {
  return is_product(n) &&
         !(has_sum(c, n->in[0]) && has_sum(c, n->in[1]) && same_axes(n->in[0], n->in[1]));
}

// n is a product of others, whose factors are split: false where it is one factor.
static bool split_product(const Recurrence *c, Node *n, Factors *f) {
  if (is_apart(c, n)) {
    split_factors(c, n->in[0], f);
    split_factors(c, n->in[1], f);
  } else if (n->op == OP_NEG) {
    split_factors(c, n->in[0], f);
    split_factors(c, g_const(c->g, (DType)n->dtype, -1), f);
  } else if (n->op == OP_DIV) {
    split_factors(c, n->in[0], f);
    split_factors(c, g_binary(c->g, OP_DIV, g_const(c->g, (DType)n->dtype, 1), n->in[1]), f);
  } else {
    return false;
  }
  return true;
}

static void split_factors(const Recurrence *c, Node *n, Factors *f) {
  bool sums = has_sum(c, n);
  if (sums && n->op == OP_DIV && node_is_const(n->in[0], NULL))
    f->summed = chunk_times(c->g, f->summed, n);
  else if (sums && split_product(c, n, f))
    return;
  else if (sums)
    f->summed = chunk_times(c->g, f->summed, n);
  else
    f->other = chunk_times(c->g, f->other, n);
}

static Factors factors_of(const Recurrence *c, Node *n) {
  Factors f = {0};
  split_factors(c, n, &f);
  return f;
}

// ---- what reads the state

// x = f s + r, of the state behind its step where that does, else before it.
static bool read_through(Recurrence *c, Node *x, Affine *f, Read *out) {
  *out = (Read){0};
  *f = affine_in(c, x, c->c->next[0]);
  out->old = !f->ok || !f->a;
  if (out->old)
    *f = affine_in(c, x, c->c->state[0]);
  return f->ok && f->a;
}

static void fill_read(const Recurrence *c, Node *q, const Affine *f, Read *out) {
  Graph *g = c->g;
  Factors a = factors_of(c, f->a);
  out->q = chunk_times(g, q, a.summed);
  out->factor = a.other;
  if (!f->b)
    return;
  Factors b = factors_of(c, f->b);
  Node *sum =
      grad_contract(g, q, b.summed ? b.summed : g_const(g, (DType)q->dtype, 1), c->sum, c->nsum);
  out->rest = chunk_times(g, sum, b.other);
}

// All that reads the state sums over the same.
static bool sums_the_same(Recurrence *c, const Node *n) {
  if (!c->nsum) {
    c->sum = n->attr.axes;
    c->nsum = n->attr.naxes;
  }
  return axes_equal_sets(c->sum, c->nsum, n->attr.axes, n->attr.naxes);
}

// n = sum[N](q x)
static bool find_read(Recurrence *c, const Node *n, Read *out) {
  const Node *x = n->op == OP_SUM ? n->in[0] : n;
  if (!(n->op == OP_SUM && is_product(x)) && !(n->op == OP_CONTRACT && n->attr.naxes))
    return false;
  for (int i = 0; i < 2; i++) {
    Node *q = chunk_outside(c, x->in[1 - i]);
    Affine f;
    if (q && node_covers(x->in[1 - i], n->attr.axes, n->attr.naxes) &&
        node_covers(x->in[i], n->attr.axes, n->attr.naxes) && !chunk_outside(c, x->in[i]) &&
        read_through(c, x->in[i], &f, out)) {
      bool same = sums_the_same(c, n);
      out->of = n;
      if (same)
        fill_read(c, q, &f, out);
      return same;
    }
  }
  return false;
}

// Marks by id what can be computed outside once reads are.
static bool mark_known(Recurrence *c, bool *known) {
  for (int i = 0; i < c->nregion; i++) {
    Node *n = c->region[i];
    bool all = true;
    Read r;
    for (int k = 0; k < n->nin; k++)
      all &= known[n->in[k]->id] || chunk_outside(c, n->in[k]);
    known[n->id] = chunk_outside(c, n) || (all && loop_may_leave(n));
    if (!known[n->id] && find_read(c, n, &r)) {
      known[n->id] = true;
      c->old |= r.old;
      vec_push(c->g->arena, &c->read, r);
    }
  }
  return c->read.n;
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

// ---- the step

// The axes of v alone, which each make one more use of sum[N](q k).
static int own_axes(const Recurrence *c, Axis **out) {
  int n = 0;
  for (int i = 0; i < c->v->nax; i++)
    if (!node_has(c->k, c->v->ax[i]) && !node_has(c->a, c->v->ax[i]) && c->v->ax[i] != c->along &&
        node_has(c->c->state[0], c->v->ax[i]))
      out[n++] = c->v->ax[i];
  return n;
}

// The state behind a step.  Where it is no formula in the state before alone, one read of that may be in it.
static Affine next_state(Recurrence *c) {
  Node *next = c->c->next[0], *state = c->c->state[0];
  Affine f = affine_in(c, next, state);
  for (int i = 0; !f.ok && i < c->read.n; i++) {
    c->inner = c->read.v[i].old ? &c->read.v[i] : NULL;
    f = affine_in(c, next, state);
  }
  return f;
}

// Does n differ along axes of v alone?
static bool has_own(const Recurrence *c, const Node *n) {
  Axis *ax[MAX_AXES];
  return has_any(n, ax, own_axes(c, ax));
}

// The inner read, f sum[N](q s) + r, has to be written to the keys that v is written to, and with numbers that are the
// same for all of v's own elements: else each of these had a system to solve of its own.
static bool match_inner(Recurrence *c, const Affine *f) {
  const Read *r = c->inner;
  if (!f->c || c->keyed)
    return !r;
  Factors by = factors_of(c, f->c);
  c->gain = chunk_times(c->g, by.other, r->factor);
  c->v = plus(c->g, OP_ADD, c->v, scaled(c->g, OP_MUL, r->rest, by.other));
  return by.summed == c->k && !has_own(c, c->gain) && !has_own(c, r->q);
}

bool chunk_match(Recurrence *c) {
  if (!only_reads(c))
    return false;
  Affine f = next_state(c);
  if (!f.ok || !f.a || !f.b)
    return false;
  Factors kv = factors_of(c, f.b);
  c->a = f.a;
  c->keyed = has_sum(c, f.a);
  c->k = kv.summed;
  c->v = kv.other;
  return c->k && c->v && node_covers(c->k, c->sum, c->nsum) && match_inner(c, &f);
}

// ---- whether it pays

// Elements of axes; 0 where some extent is not known.
static int64_t size_of(Axis *const *ax, int n) {
  int64_t size = 1, extent;
  for (int i = 0; i < n; i++)
    size *= poly_is_const(&ax[i]->extent, &extent) ? extent : 0;
  return size;
}

// Steps of a piece: the nearest power of two to the root of the state's size, where the products within a piece, the
// states between pieces and the decays take about as much.
static int64_t steps_of_products(int64_t sum, int64_t own) {
  int64_t steps = LEAST_STEPS;
  while (steps < MOST_STEPS && 2 * steps * steps <= sum * own)
    steps *= 2;
  return sum < LEAST_SUM || sum * own < LEAST_STATE ? 0 : steps;
}

// Half of v's own elements: a step of a loop over keys is then half of what it would be over the state.
static int64_t steps_of_keys(int64_t sum, int64_t own) {
  int64_t steps = LEAST_OWN / 2;
  while (steps < MOST_STEPS && 4 * steps <= own)
    steps *= 2;
  return sum < LEAST_SUM || own < LEAST_OWN ? 0 : steps;
}

// The loop over pieces has a product with the state in its step, of N times N: there should be few pieces.
static int64_t steps_of_solved(int64_t sum, int64_t own) {
  return sum < LEAST_SOLVED_SUM || own < LEAST_SOLVED_OWN ? 0 : MOST_STEPS;
}

int64_t chunk_steps(const Recurrence *c) {
  Axis *ax[MAX_AXES];
  int n = own_axes(c, ax);
  int64_t sum = size_of(c->sum, c->nsum), own = n ? size_of(ax, n) : 0;
  if (c->inner)
    return steps_of_solved(sum, own);
  return c->keyed ? steps_of_keys(sum, own) : steps_of_products(sum, own);
}

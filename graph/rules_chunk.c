// Linear recurrences whose state is a sum of outer products, in pieces of C steps.  With
//   s[l] = a[l] s[l-1] + k[l] v[l],   y[l] = sum[N](q[l] s[l]),   where v lacks N,
// and for steps i, j of one piece d[i, j] = a[j+1] ... a[i] (0 where j > i), p[i] = a[0] ... a[i] and
// u[j] = a[j+1] ... a[C-1],
//   y[i] = sum_j sum[N](q[i] k[j] d[i, j]) v[j] + sum[N](q[i] p[i] S)
//   S of the next piece = p[C-1] S + sum_j u[j] k[j] v[j]
// which are products over a piece's steps, and a loop over pieces.  The decays are multiplied up by loops
// over steps and never divided nor taken as logarithms, so that they may be 0, or negative, and nothing
// overflows that did not before.  What reads the state before its step has d and p of one step earlier.
//
// Where a lacks N, d leaves the sum over N, which is a product then.  Where it has N (keyed), the sum is taken step by
// step by a loop whose state is w[j] = k[j] d[i, j], of C times N in the place of the N times that v has: no product, but
// all pieces at once and on states that are smaller.
//
// Where what is written depends on a read, as in the delta rule,
//   s[l] = a[l] s[l-1] + k[l] x[l],   x[l] = v[l] + g[l] r[l],   r[l] = sum[N](q[l] s[l-1]),   where a and g are numbers,
// the x of a piece solve a system that is unit lower triangular, since a step reads what earlier ones wrote:
//   x[i] = v[i] + g[i] (sum_j sum[N](q[i] k[j]) d[i-1, j] x[j] + p[i-1] sum[N](q[i] S))
// The inverse m of 1 - (g sum[N](q k) d) is found by substitution, which divides by nothing, before S is known; then
//   x = m v + sum[N](w S),   w = m (g p q)
// takes the place of v, and S of the next piece gains sum_j u[j] k[j] x[j] as before.
#include "graph/rules_chunk_internal.h"

static bool can_leave(const Recurrence *c, const Node *n) {
  bool all = loop_may_leave(n);
  for (int k = 0; k < n->nin; k++)
    all &= chunk_outside(c, n->in[k]) != NULL;
  return all;
}

static const Read *read_of(const Recurrence *c, const Node *n) {
  for (int i = 0; i < c->read.n; i++)
    if (c->read.v[i].of == n)
      return &c->read.v[i];
  return NULL;
}

// Reads become their values in pieces once they are found.
static void compute_outside(Recurrence *c) {
  for (int i = 0; i < c->nregion; i++) {
    Node *n = c->region[i];
    const Read *r = read_of(c, n);
    if (chunk_outside(c, n))
      continue;
    if (r)
      c->outside[n->id] = chunk_value(c, r);
    else if (!n->nin)
      c->outside[n->id] = n;
    else if (can_leave(c, n))
      c->outside[n->id] = loop_outside(c->g, n, c->along, c->outside);
  }
}

static void stand_for_leaves(Recurrence *c) {
  const Scan *s = c->c;
  for (int i = 0; i < s->nseen; i++)
    c->outside[s->seen_leaf[i]->id] = c->loop->in[s->nstate + i];
  for (int i = 0; i < s->nheld; i++)
    c->outside[s->held_leaf[i]->id] = c->loop->in[s->nstate + s->nseen + i];
}

static bool is_candidate(const Scan *s) {
  return s->nstate == 1 && s->nout && !s->reverse && s->next[0]->nax == s->state[0]->nax &&
         dtype_is_float((DType)s->state[0]->dtype) && s->state[0]->nax >= 2;
}

static bool match(Recurrence *c) {
  if (!is_candidate(c->c))
    return false;
  c->region = loop_region(c->g, c->g->arena, c->c, &c->nregion);
  c->outside = NEWN(c->g->arena, Node *, c->g->nodes.n + 1);
  stand_for_leaves(c);
  compute_outside(c);
  return chunk_match(c) && chunk_axes(c, chunk_steps(c));
}

static Node *value_in_pieces(Recurrence *c, const Node *n) {
  int64_t i = n->attr.i0;
  Node *y = i < 0 ? c->last : chunk_outside(c, c->c->out[i]);
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
  if (!match(&c))
    return 0;
  chunk_build(&c);
  compute_outside(&c);
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

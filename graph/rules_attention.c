// Attention written out in the language (contract, scale, mask, softmax, dropout, contract) is
// claimed whole, so that it can be computed blockwise with an online softmax and nothing of the
// size of the scores is stored.
#include "graph/rewrite.h"

typedef struct AttentionMatch {
  Node *q, *k, *v, *mask, *bias;
  Axis *s, *d;
  double scale, rate;
  const Node *random;
} AttentionMatch;

// x * c, or x / c
static bool match_scale(const Node *n, Node **x, double *c) {
  if (match_with_const(n, OP_MUL, x, c))
    return true;
  bool quotient = match_with_const(n, OP_DIV, x, c);
  if (quotient)
    *c = 1 / *c;
  return quotient;
}

// w = select(rate <= random, x * 1/(1 - rate), 0) or the select the other way round; x.
static Node *match_dropout(Node *w, AttentionMatch *m) {
  double zero, rate, scale;
  Node *x;
  if (w->op != OP_SELECT)
    return w;
  const Node *cond = w->in[0];
  bool keep = (cond->op == OP_LE || cond->op == OP_LT) && cond->in[1]->op == OP_RANDOM;
  bool drop = (cond->op == OP_LE || cond->op == OP_LT) && cond->in[0]->op == OP_RANDOM;
  if (!keep && !drop)
    return w;
  if (!node_is_scalar_const(cond->in[keep ? 0 : 1], &rate) ||
      !node_is_const(w->in[keep ? 2 : 1], &zero) || zero != 0)
    return NULL;
  if (!match_scale(w->in[keep ? 1 : 2], &x, &scale) || scale * (1 - rate) < 1 - 1e-6 ||
      scale * (1 - rate) > 1 + 1e-6)
    return NULL;
  m->rate = rate;
  m->random = cond->in[keep ? 1 : 0];
  return x;
}

// e / sum[S](e), or e * (1 / sum[S](e)): e, and the sum.
static const Node *match_quotient(const Node *p, const Node **sum) {
  double one;
  if (p->op == OP_DIV) {
    *sum = p->in[1];
    return p->in[0];
  }
  for (int i = 0; i < 2 && p->op == OP_MUL; i++)
    if (p->in[i]->op == OP_DIV && node_is_scalar_const(p->in[i]->in[0], &one) && one == 1) {
      *sum = p->in[i]->in[1];
      return p->in[1 - i];
    }
  return NULL;
}

// The largest of x along one axis, with a gradient or without.
static const Node *match_largest(const Node *m, const Node *x) {
  m = m->op == OP_STOP ? m->in[0] : m;
  return m->op == OP_RMAX && m->in[0] == x && m->attr.naxes == 1 ? m : NULL;
}

// The softmax of x, with e = exp(x - max[S](x)): x, and S.
static Node *match_softmax(const Node *p, Axis **s) {
  const Node *sum, *e = match_quotient(p, &sum);
  if (!e || e->op != OP_EXP || sum->op != OP_SUM || sum->in[0] != e || sum->attr.naxes != 1)
    return NULL;
  const Node *d = e->in[0];
  *s = sum->attr.axes[0];
  const Node *m = d->op == OP_SUB ? match_largest(d->in[1], d->in[0]) : NULL;
  return m && m->attr.axes[0] == *s ? d->in[0] : NULL;
}

static Node *scaled_product(Node *x, double *scale) {
  Node *y;
  double c;
  *scale = 1;
  if (match_scale(x, &y, &c))
    *scale = c, x = y;
  return x->op == OP_CONTRACT && x->attr.naxes == 1 ? x : NULL;
}

// select(mask, scale * (q @[D] k) + bias, -1e9), mask and bias being optional; the product.
static Node *match_scores(Graph *g, Node *x, AttentionMatch *m) {
  double c;
  m->mask = g_const(g, DT_BOOL, 1);
  m->bias = g_const(g, DT_F32, 0);
  if (x->op == OP_SELECT && node_is_const(x->in[2], &c) && c == -1e9)
    m->mask = x->in[0], x = x->in[1];
  Node *p = scaled_product(x, &m->scale);
  if (!p && x->op == OP_ADD)
    for (int i = 0; i < 2 && !p; i++)
      if ((p = scaled_product(x->in[i], &m->scale)))
        m->bias = x->in[1 - i];
  return p;
}

static bool is_constant(const Axis *a) {
  int64_t e;
  return poly_is_const(&a->extent, &e);
}

// Sorts the product's operands to queries and keys, and checks the axes that a blocked kernel can
// serve: keys and values share S, values bring one axis of their own, queries one that keys lack;
// what is contracted and what values bring have sizes known when compiling.
static bool check_axes(const Node *w, Node *p, AttentionMatch *m) {
  m->d = p->attr.axes[0];
  bool first = node_has(p->in[0], m->s);
  if (first == node_has(p->in[1], m->s))
    return false;
  m->k = p->in[first ? 0 : 1];
  m->q = p->in[first ? 1 : 0];
  int own = 0, rows = 0;
  for (int i = 0; i < m->v->nax; i++) {
    bool brought = !node_has(w, m->v->ax[i]);
    own += brought;
    if (brought && !is_constant(m->v->ax[i]))
      return false;
  }
  for (int i = 0; i < m->q->nax; i++)
    rows += m->q->ax[i] != m->d && !node_has(m->k, m->q->ax[i]) && !node_has(m->v, m->q->ax[i]);
  for (int i = 0; i < m->k->nax; i++)
    if (m->k->ax[i] != m->s && !node_has(m->q, m->k->ax[i]))
      return false;
  return own == 1 && rows == 1 && is_constant(m->d) && node_has(m->v, m->s) &&
         node_covers(p, m->mask->ax, m->mask->nax) && node_covers(p, m->bias->ax, m->bias->nax);
}

// By id: does it depend on a parameter?
static bool *find_trained(Rewrite *r) {
  bool *trained = NEWN(r->g->arena, bool, r->g->nodes.n + 1);
  for (int i = 0; i < r->nlive; i++) {
    const Node *n = r->live[i];
    trained[n->id] = n->op == OP_PARAM;
    for (int k = 0; k < n->nin; k++)
      trained[n->id] |= trained[n->in[k]->id];
  }
  return trained;
}

// Does an axis of queries and keys, or of queries and values, lack in the other of the two?
static bool is_shared(const AttentionMatch *m) {
  for (int i = 0; i < m->q->nax; i++)
    if (m->q->ax[i] != m->d && node_has(m->k, m->q->ax[i]) != node_has(m->v, m->q->ax[i]))
      return true;
  return false;
}

typedef struct Trained {
  const bool *of; // by node id
  int n;
} Trained;

static bool is_trained(const Trained *t, const Node *n) {
  return n->id < t->n && t->of[n->id];
}

// The kernels give no gradient of the bias, nor any where batch elements share keys or values:
// where one is wanted, attention stays as it is written.
static bool has_gradient(const AttentionMatch *m, const Trained *t) {
  bool any = is_trained(t, m->q) || is_trained(t, m->k) || is_trained(t, m->v);
  return !is_trained(t, m->bias) && !(any && is_shared(m));
}

static Node *claim(Graph *g, Node *n, const Trained *trained) {
  if (n->op != OP_CONTRACT || n->attr.naxes != 1 || n->dtype != DT_F32)
    return NULL;
  for (int i = 0; i < 2; i++) {
    AttentionMatch m = {.v = n->in[1 - i]};
    Node *soft = match_dropout(n->in[i], &m);
    Node *scores = soft ? match_softmax(soft, &m.s) : NULL;
    Node *p = scores && m.s == n->attr.axes[0] ? match_scores(g, scores, &m) : NULL;
    if (!p || !check_axes(scores, p, &m) || !has_gradient(&m, trained))
      continue;
    Node *in[5] = {m.q, m.k, m.v, m.mask, m.bias};
    const Node *order = m.random ? m.random : scores;
    return g_attention(g, in, m.s, m.d, m.scale, m.rate, m.random ? m.random->attr.site : 0,
                       order->ax, order->nax);
  }
  return NULL;
}

int rule_claim_attention(Rewrite *r) {
  VEC(Node *) old = {0}, by = {0};
  Trained trained = {.n = r->g->nodes.n, .of = find_trained(r)};
  for (int i = 0; i < r->nlive; i++) {
    Node *n = r->live[i];
    graph_from(r->g, n);
    r->g->fn = "attention";
    Node *m = claim(r->g, n, &trained);
    if (m) {
      vec_push(r->g->arena, &old, n);
      vec_push(r->g->arena, &by, m);
    }
  }
  if (old.n)
    rewrite_replace(r, old.v, by.v, old.n);
  return old.n;
}

// Formulas whose exp overflows where their value does not: the value would be right or infinite, and
// the gradient 0 * inf, no number.  They become ones whose exp is of what is not positive, before
// gradients are taken; exp(select(...)) is what none of these rules matches again.
#include "graph/rewrite.h"

static bool is_one(const Node *n) {
  double c;
  return node_is_const(n, &c) && c == 1;
}

// n = 1 + exp(u): u.
static Node *match_one_plus_exp(const Node *n) {
  for (int i = 0; n->op == OP_ADD && i < 2; i++)
    if (is_one(n->in[i]) && n->in[1 - i]->op == OP_EXP)
      return n->in[1 - i]->in[0];
  return NULL;
}

typedef struct Logistic {
  Node *positive; // u > 0
  Node *e, *sum;  // exp(-|u|), 1 + e
} Logistic;

// Not by abs: its gradient at 0 is 0.
static Logistic logistic(Graph *g, Node *u) {
  Node *zero = g_const(g, u->dtype, 0), *one = g_const(g, u->dtype, 1);
  Node *positive = g_binary(g, OP_LT, zero, u), *minus = g_unary(g, OP_NEG, u);
  Node *e = g_unary(g, OP_EXP, g_select(g, positive, minus, u));
  return (Logistic){positive, e, g_binary(g, OP_ADD, one, e)};
}

Node *rule_logistic(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Node *u = n->op == OP_DIV ? match_one_plus_exp(n->in[1]) : NULL;
  if (!u || u->op == OP_SELECT)
    return NULL;
  Node *top = n->in[0], *one = g_const(g, n->dtype, 1);
  Logistic l = logistic(g, u);
  if (top->op == OP_EXP && top->in[0] == u)
    return g_binary(g, OP_DIV, g_select(g, l.positive, one, l.e), l.sum);
  Node *share = g_binary(g, OP_DIV, g_select(g, l.positive, l.e, one), l.sum);
  return is_one(top) && !top->nax ? share : g_binary(g, OP_MUL, top, share);
}

Node *rule_softplus(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Node *u = n->op == OP_LOG ? match_one_plus_exp(n->in[0]) : NULL;
  if (!u || u->op == OP_SELECT)
    return NULL;
  Logistic l = logistic(g, u);
  Node *log = g_unary(g, OP_LOG, l.sum);
  return g_binary(g, OP_ADD, g_select(g, l.positive, u, g_const(g, u->dtype, 0)), log);
}

// One of the two sides of log(select(m, exp(v), 1)): v, or 0.
static Node *log_of_side(Graph *g, Node *side, Node *v) {
  if (side->op == OP_EXP && side->in[0] == v)
    return v;
  return is_one(side) ? g_const(g, v->dtype, 0) : NULL;
}

Node *rule_log_of_logistic(Rewrite *r, Node *n) {
  Graph *g = r->g;
  const Node *x = n->op == OP_LOG ? n->in[0] : n;
  Node *v = x->op == OP_DIV && n->op == OP_LOG ? match_one_plus_exp(x->in[1]) : NULL;
  if (!v || x->in[0]->op != OP_SELECT)
    return NULL;
  const Node *share = x->in[0];
  Node *a = log_of_side(g, share->in[1], v), *b = log_of_side(g, share->in[2], v);
  if (!a || !b)
    return NULL;
  Node *top = g_select(g, share->in[0], a, b), *log = g_unary(g, OP_LOG, x->in[1]);
  return g_binary(g, OP_SUB, top, log);
}

// Flips move towards the roots until they meet and vanish; a skip connection around a convolution
// becomes a tap of its kernel.
#include "graph/rewrite.h"

static bool list_has(Axis *const *ax, int n, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (ax[i] == a)
      return true;
  return false;
}

// The first operand of n that is a flip, or NULL.
static Node *flipped_operand(const Node *n) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->op == OP_FLIP)
      return n->in[i];
  return NULL;
}

static bool same_flip(const Node *a, const Node *b) {
  return b->op == OP_FLIP &&
         axes_equal_sets(a->attr.axes, a->attr.naxes, b->attr.axes, b->attr.naxes);
}

static bool has_any(const Node *n, Axis *const *ax, int nax) {
  for (int i = 0; i < nax; i++)
    if (node_has(n, ax[i]))
      return true;
  return false;
}

// Operand unflipped: its own operand when it is the flip f again, itself when it lacks f's axes,
// else NULL.
static Node *unflip(const Node *f, Node *x) {
  if (same_flip(f, x))
    return x->in[0];
  if (!has_any(x, f->attr.axes, f->attr.naxes) || node_is_const(x, NULL))
    return x;
  return NULL;
}

Node *rule_flip_through_pointwise(Rewrite *r, Node *n) {
  Node *f = flipped_operand(n), *in[3];
  if (!(op_flags(n->op) & F_POINTWISE) || !f)
    return NULL;
  for (int i = 0; i < n->nin; i++)
    if (!(in[i] = unflip(f, n->in[i])))
      return NULL;
  return g_flip(r->g, g_node(r->g, n->op, n->dtype, in, n->nin, &n->attr), f->attr.axes,
                f->attr.naxes);
}

Node *rule_flip_through_contraction(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Node *f = flipped_operand(n), *in[2];
  if (n->op != OP_CONTRACT || !f || f->attr.naxes != 1)
    return NULL;
  Axis *a = f->attr.axes[0];
  for (int i = 0; i < 2; i++)
    if (!(in[i] = unflip(f, n->in[i])))
      return NULL;
  Node *m = g_contract(g, in[0], in[1], n->attr.axes, n->attr.naxes);
  return list_has(n->attr.axes, n->attr.naxes, a) ? m : g_flip(g, m, &a, 1);
}

Node *rule_flip_through_reduction(Rewrite *r, Node *n) {
  Graph *g = r->g;
  if (n->op != OP_SUM && n->op != OP_RMAX && n->op != OP_RMIN)
    return NULL;
  Node *f = n->in[0];
  if (f->op != OP_FLIP)
    return NULL;
  Node *m = g_reduce(g, n->op, f->in[0], n->attr.axes, n->attr.naxes);
  Axis **left = NEWN(g->arena, Axis *, f->attr.naxes);
  int k = 0;
  for (int i = 0; i < f->attr.naxes; i++)
    if (!list_has(n->attr.axes, n->attr.naxes, f->attr.axes[i]))
      left[k++] = f->attr.axes[i];
  return k ? g_flip(g, m, left, k) : m;
}

// Index maps that leave the flipped axis alone, or only rename it.
Node *rule_flip_through_rename(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Node *f = n->nin == 1 ? n->in[0] : NULL;
  if ((n->op != OP_RENAME && n->op != OP_SPLIT && n->op != OP_MERGE && n->op != OP_SLICE &&
       n->op != OP_INDEX) ||
      f->op != OP_FLIP || f->attr.naxes != 1)
    return NULL;
  Axis *a = f->attr.axes[0];
  if (n->op == OP_MERGE ? list_has(n->attr.axes, n->attr.naxes, a)
                        : n->op != OP_RENAME && n->attr.axis == a)
    return NULL;
  if (n->op == OP_RENAME)
    for (int i = 0; i < n->attr.nmap; i++)
      if (n->attr.from[i] == f->attr.axes[0])
        a = n->attr.to[i];
  return g_flip(g, g_node(g, n->op, n->dtype, f->in, 1, &n->attr), &a, 1);
}

Node *rule_flip_through_convolution(Rewrite *r, Node *n) {
  Graph *g = r->g;
  Axis *a = n->attr.axis;
  if (n->op == OP_CONV_GRAD && n->in[0]->op == OP_FLIP && same_flip(n->in[0], n->in[1]) &&
      n->in[0]->attr.naxes == 1 && n->in[0]->attr.axes[0] == a)
    return g_conv_grad(g, n->in[0]->in[0], n->in[1]->in[0], a, n->attr.axes, n->attr.naxes,
                       !n->attr.reverse);
  if (n->op != OP_CAUSAL_CONV || n->in[0]->op != OP_FLIP || n->in[0]->attr.naxes != 1)
    return NULL;
  Node *f = n->in[0];
  Axis *b = f->attr.axes[0];
  if (b != a && node_has(n->in[1], b))
    return NULL;
  return g_flip(g, g_conv(g, f->in[0], n->in[1], a, b == a ? !n->attr.reverse : n->attr.reverse),
                &b, 1);
}

// The factor D of a term D * u, with no axis but k's own besides the convolved one.
static Node *skip_factor(const Node *term, const Node *conv) {
  Node *u = conv->in[0], *k = conv->in[1];
  if (term->op != OP_MUL)
    return NULL;
  for (int i = 0; i < 2; i++)
    if (term->in[i] == u) {
      Node *d = term->in[1 - i];
      return !node_has(d, conv->attr.axis) && node_covers(k, d->ax, d->nax) ? d : NULL;
    }
  return NULL;
}

Node *rule_skip_into_kernel(Rewrite *r, Node *n) {
  Graph *g = r->g;
  if (n->op != OP_ADD)
    return NULL;
  for (int i = 0; i < 2; i++) {
    Node *conv = n->in[i];
    Node *d = conv->op == OP_CAUSAL_CONV && rewrite_uses(r, conv) <= 1
                  ? skip_factor(n->in[1 - i], conv)
                  : NULL;
    if (!d || d->dtype != conv->in[1]->dtype)
      continue;
    Axis *a = conv->attr.axis;
    Node *at0 = g_binary(g, OP_EQ, g_iota(g, a), g_const(g, DT_I32, 0));
    Node *tap = g_select(g, at0, d, g_const(g, d->dtype, 0));
    return g_conv(g, conv->in[0], g_binary(g, OP_ADD, conv->in[1], tap), a, conv->attr.reverse);
  }
  return NULL;
}

// Complex values as pairs of real nodes, and other steps from values to nodes.
#include "compiler/sema/sema_internal.h"
#include <string.h>

// New nodes get the user's text: inside the prelude, that of the call into it.
void sema_mark(Sema *s, Span at) {
  if (!s->g)
    return;
  const Frame *f = s->frame;
  const Frame *owner = frame_owner(s->frame);
  s->g->fn = f && f->prelude && f->kind != FR_INIT ? f->name : NULL;
  s->g->origin = owner ? owner->origin : NULL;
  for (; f && f->prelude && f->caller; f = f->caller)
    at = f->call;
  s->g->span = at;
}

// bf16 is computed in f32: what the user writes in it is rounded here, as a cast would.
static Node *literal(Graph *g, DType r, double v) {
  return g_const(g, r, r == DT_BF16 ? dtype_round(r, v) : v);
}

static Node *size_number(Graph *g, DType r, Poly size) {
  return r == DT_BF16 ? g_cast(g, g_extent(g, DT_F32, size), r) : g_extent(g, r, size);
}

static NodePair number_pair(Sema *s, const Number *n, DType t) {
  Graph *g = s->g;
  DType r = dtype_real(t);
  bool cx = dtype_is_complex(t);
  switch (n->kind) {
  case NUMBER_SIZE: return (NodePair){size_number(g, r, *n->size), NULL};
  case NUMBER_RUNTIME:
    return (NodePair){g_cast(g, n->nre, r), cx && n->nim ? g_cast(g, n->nim, r) : NULL};
  default:
    return (NodePair){literal(g, r, n->re), cx && n->is_complex ? literal(g, r, n->im) : NULL};
  }
}

NodePair pair_of(Sema *s, const Value *v, DType t) {
  if (v->kind == V_NUMBER)
    return number_pair(s, v->num, t);
  DType r = dtype_real(t);
  return (NodePair){g_cast(s->g, v->re, r), v->im ? g_cast(s->g, v->im, r) : NULL};
}

// Both parts get all of v's axes: later steps rely on it.
void pair_set(Sema *s, Value *v, NodePair p) {
  Axis *ax[MAX_AXES];
  ax_graphs(s, &v->ax, ax);
  v->re = g_expand(s->g, p.re, ax, v->ax.n);
  v->im = p.im ? g_expand(s->g, p.im, ax, v->ax.n) : NULL;
}

NodePair pair_get(const Value *v) {
  return (NodePair){v->re, v->im};
}

NodePair pair_neg(Graph *g, NodePair a) {
  return (NodePair){g_unary(g, OP_NEG, a.re), a.im ? g_unary(g, OP_NEG, a.im) : NULL};
}

static NodePair pair_add(Graph *g, Op op, NodePair a, NodePair b) {
  NodePair r = {g_binary(g, op, a.re, b.re), a.im};
  if (a.im && b.im)
    r.im = g_binary(g, op, a.im, b.im);
  else if (b.im)
    r.im = op == OP_ADD ? b.im : g_unary(g, OP_NEG, b.im);
  return r;
}

// Products of parts; NULL is zero, and so is the real part of a literal such as 1i.
static Node *product(Graph *g, Node *a, Node *b) {
  double v;
  if (!a || !b || (node_is_const(a, &v) && v == 0) || (node_is_const(b, &v) && v == 0))
    return NULL;
  return g_binary(g, OP_MUL, a, b);
}

static Node *sum(Graph *g, Op op, Node *a, Node *b) {
  if (a && b)
    return g_binary(g, op, a, b);
  return a || !b ? a : op == OP_SUB ? g_unary(g, OP_NEG, b) : b;
}

static NodePair pair_mul(Graph *g, NodePair a, NodePair b) {
  if (!a.im && !b.im)
    return (NodePair){g_binary(g, OP_MUL, a.re, b.re), NULL};
  Node *re = sum(g, OP_SUB, product(g, a.re, b.re), product(g, a.im, b.im));
  Node *im = sum(g, OP_ADD, product(g, a.re, b.im), product(g, a.im, b.re));
  return (NodePair){re ? re : g_const(g, (DType)a.re->dtype, 0), im};
}

// (a + bi) / (c + di) = ((ac + bd) + (bc - ad) i) / (c^2 + d^2)
static NodePair pair_div(Graph *g, NodePair a, NodePair b) {
  if (!b.im)
    return (NodePair){g_binary(g, OP_DIV, a.re, b.re),
                      a.im ? g_binary(g, OP_DIV, a.im, b.re) : NULL};
  Node *d = g_binary(g, OP_ADD, g_binary(g, OP_MUL, b.re, b.re), g_binary(g, OP_MUL, b.im, b.im));
  NodePair n = pair_mul(g, a, (NodePair){b.re, g_unary(g, OP_NEG, b.im)});
  return (NodePair){g_binary(g, OP_DIV, n.re, d), n.im ? g_binary(g, OP_DIV, n.im, d) : NULL};
}

static Node *zero_like(Graph *g, const Node *x) {
  return g_const(g, (DType)x->dtype, 0);
}

static NodePair pair_equal(Graph *g, Op op, NodePair a, NodePair b) {
  Node *re = g_binary(g, op, a.re, b.re);
  if (!a.im && !b.im)
    return (NodePair){re, NULL};
  Node *im = g_binary(g, op, a.im ? a.im : zero_like(g, b.im), b.im ? b.im : zero_like(g, a.im));
  return (NodePair){g_binary(g, op == OP_EQ ? OP_AND : OP_OR, re, im), NULL};
}

NodePair pair_bin(Graph *g, BinOp op, NodePair a, NodePair b) {
  switch (op) {
  case BIN_ADD: return pair_add(g, OP_ADD, a, b);
  case BIN_SUB: return pair_add(g, OP_SUB, a, b);
  case BIN_MUL: return pair_mul(g, a, b);
  case BIN_DIV: return pair_div(g, a, b);
  case BIN_POW: return (NodePair){g_binary(g, OP_POW, a.re, b.re), NULL};
  case BIN_EQ: return pair_equal(g, OP_EQ, a, b);
  case BIN_NE: return pair_equal(g, OP_NE, a, b);
  case BIN_LT: return (NodePair){g_binary(g, OP_LT, a.re, b.re), NULL};
  case BIN_LE: return (NodePair){g_binary(g, OP_LE, a.re, b.re), NULL};
  case BIN_GT: return (NodePair){g_binary(g, OP_LT, b.re, a.re), NULL};
  case BIN_GE: return (NodePair){g_binary(g, OP_LE, b.re, a.re), NULL};
  default: BUG("binary operator %d", op);
  }
}

NodePair pair_exp(Graph *g, NodePair a) {
  Node *e = g_unary(g, OP_EXP, a.re);
  if (!a.im)
    return (NodePair){e, NULL};
  return (NodePair){g_binary(g, OP_MUL, e, g_unary(g, OP_COS, a.im)),
                    g_binary(g, OP_MUL, e, g_unary(g, OP_SIN, a.im))};
}

// a^n for n >= 1, by squaring.
NodePair pair_power(Graph *g, NodePair a, int n) {
  NodePair r = a;
  bool have = false;
  for (; n; n >>= 1) {
    if (n & 1) {
      r = have ? pair_mul(g, r, a) : a;
      have = true;
    }
    if (n > 1)
      a = pair_mul(g, a, a);
  }
  return r;
}

void pair_map(Sema *s, Value *out, const Value *in, NodeMap *f, void *ctx) {
  if (checking(s))
    return;
  out->re = f(s->g, in->re, ctx);
  out->im = in->im ? f(s->g, in->im, ctx) : NULL;
}

typedef struct Renaming {
  Axis *from[MAX_AXES], *to[MAX_AXES];
  int n;
} Renaming;

static Node *rename_node(Graph *g, Node *x, void *ctx) {
  Renaming *r = ctx;
  return g_rename(g, x, r->from, r->to, r->n);
}

Value *v_rename(Sema *s, const Value *x, const AxList *from, const AxList *to) {
  Renaming r = {.n = 0};
  Value *v = v_copy(s, x);
  if (x->kind != V_TENSOR)
    return v;
  v->ax = ax_list(s, x->ax.v, x->ax.n);
  for (int i = 0; i < v->ax.n; i++)
    for (int k = 0; k < from->n; k++)
      if (x->ax.v[i] == from->v[k] && from->v[k] != to->v[k]) {
        v->ax.v[i] = to->v[k];
        if (!checking(s)) {
          r.from[r.n] = ax_graph(s, from->v[k]);
          r.to[r.n++] = ax_graph(s, to->v[k]);
        }
      }
  if (r.n)
    pair_map(s, v, x, rename_node, &r);
  return v;
}

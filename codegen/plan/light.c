// Light values: convolutions read them, but they are not stored.  Each is cheap to derive, element by element, of one value that
// lies in memory in any case, since a library of products made it or the caller did.  Convolutions derive them as they load
// their operands into shared memory, all others as they do what is not stored.
//
// A block of places of a convolution reads all blocks before it, so that an element is loaded, and derived, (n + 1) / 2 times where
// there are n blocks.  What is saved is one writing and one reading of it, and its memory until the backward part: worth it
// for few blocks only.
//
// The value is that which would have been stored: rounded to the dtype of memory.
#include "codegen/plan/contract.h"

// ---- what it is made of

// Does a library leave x behind, the contraction being c or below it?
static bool library_leaves(Prog *g, const Node *x, Node *c) {
  if (c->op == OP_CONTRACT)
    return library_wants(g, c) && library_end(g, c) == x;
  return c->op == OP_ADD && (library_leaves(g, x, c->in[0]) || library_leaves(g, x, c->in[1]));
}

static bool lies_anyway(Prog *g, Node *x) {
  return x->op == OP_INPUT || library_leaves(g, x, x);
}

// Goes down from n to the one value, or view of one, that lies in memory, as far as *left vector instructions allow it.
static bool is_made_of(Prog *g, Node *n, Node **x, double *left) {
  if (n->op == OP_CONST || n == *x)
    return true;
  if (!*x && lies_anyway(g, view_base(n))) {
    *x = n;
    return true;
  }
  *left -= op_flops(n);
  bool is = (op_flags(n->op) & F_POINTWISE) && *left >= 0;
  for (int i = 0; i < n->nin && is; i++)
    is = is_made_of(g, n->in[i], x, left);
  return is;
}

// NULL: it is not made of one.
static Node *made_of(Prog *g, Node *n) {
  Node *x = NULL;
  double left = g->p->o.on->recompute_flops;
  bool is = (op_flags(n->op) & F_POINTWISE) && is_made_of(g, n, &x, &left);
  return is && x && axes_equal_sets(x->ax, x->nax, n->ax, n->nax) ? x : NULL;
}

// ---- who reads it

// No more often on average than the machine derives it.
static bool loads_seldom(const Prog *g, const Axis *along) {
  int64_t most = graph_bound(g->g, &along->extent);
  int64_t blocks = (most + TOEPLITZ_SIDE - 1) / TOEPLITZ_SIDE;
  return most >= 0 && blocks + 1 <= 2 * g->p->o.on->derived_loads;
}

static bool convolves(const Prog *g, const Node *u, const Node *n) {
  bool kernel = u->op == OP_CAUSAL_CONV && view_base(u->in[1]) == n;
  return !kernel && (toeplitz_fits(g, u) || lags_fit(g, u)) && loads_seldom(g, u->attr.axis);
}

static bool all_derive(Prog *g, const Node *x, const Node *n) {
  bool all = true;
  const Info *f = info_of(g, x);
  for (int i = 0; i < f->nuse && all; i++) {
    Node *u = f->use[i];
    if (view_base(u) != u)
      all = !info_of(g, u)->must && all_derive(g, u, n);
    else
      all = convolves(g, u, n) || ((op_flags(u->op) & F_POINTWISE) && u->nax <= n->nax);
  }
  return all;
}

static bool is_light(Prog *g, Node *n) {
  const Info *f = info_of(g, n);
  return g->p->o.fuse && g->p->o.on->derived_loads && !f->must && !f->dest && !f->alias &&
         !(g->prologue && f->steady) && stored_dtype(g, n) == DT_BF16 && made_of(g, n) &&
         all_derive(g, n, n);
}

static void mark(Prog *g, Node *u) {
  Node *n = view_base(u);
  Info *f = info_of(g, n);
  if (n->op == OP_INPUT || n->op == OP_PARAM || f->light)
    return;
  f->light = is_light(g, n);
  f->must |= !f->light;
  if (f->light)
    plan_remark(g->p, true, n->span, "%s is derived where convolutions load it", op_name(n->op));
}

void light_mark(Prog *g) {
  for (int i = 0; i < g->nnode && g->p->o.on->derived_loads; i++)
    if (g->node[i]->op == OP_CAUSAL_CONV || g->node[i]->op == OP_CONV_GRAD) {
      mark(g, g->node[i]->in[0]);
      mark(g, g->node[i]->in[1]);
    }
}

// ---- as a tile reads it

Place *light_view(Prog *g, Node *u, Node **of) {
  Node *n = view_base(u), *x = info_of(g, n)->light ? made_of(g, n) : NULL;
  Info *f = info_of(g, n);
  *of = NULL;
  if (!x || f->place)
    return NULL;
  f->place = place_view(g, x);
  Place *pl = f->place ? place_view(g, u) : NULL;
  f->place = NULL;
  if (!pl || pl->width || pl->dtype != DT_BF16)
    return NULL;
  *of = n;
  return pl;
}

typedef struct LightValue { // of what is light
  Lower *c;
  const Node *of, *from;
  Map made; // expressions, by node
} LightValue;

static LExpr *value_of(LightValue *v, Node *n);

static LExpr *value_made(LightValue *v, Node *n) {
  LExpr *in[3] = {0};
  if (n == v->from)
    return lx_acc(v->c->a);
  if (n->op == OP_CONST)
    return lx_const(v->c->a, computed_dtype(n), n->attr.num);
  for (int i = 0; i < n->nin; i++)
    in[i] = value_of(v, n->in[i]);
  LExpr *e = lower_operation(v->c, n, in);
  return n == v->of ? e : lower_rounded(v->c, n, e);
}

static LExpr *value_of(LightValue *v, Node *n) {
  LExpr *e = map_pointer(map_at(&v->made, n));
  if (!e) {
    e = value_made(v, n);
    map_put(&v->made, n, (uintptr_t)e);
  }
  return e;
}

LExpr *light_value(Lower *c, Node *n) {
  LightValue v = {.c = c, .of = n, .made.arena = c->a};
  if (!n)
    return NULL;
  v.from = made_of(c->g, n);
  return value_of(&v, n);
}

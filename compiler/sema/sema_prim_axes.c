// Functions that no prelude text defines and that look up, move or draw along axes.
#include "compiler/sema/sema_prim.h"
#include "base/hash.h"

// ---- gather, flip, causal_conv, dropout
typedef struct GatherCtx {
  Node *index;
  Axis *axis;
} GatherCtx;

static Node *gather_node(Graph *g, Node *x, void *ctx) {
  GatherCtx *c = ctx;
  return g_gather(g, x, c->index, c->axis);
}

// A place that is known lies within the axis, if its length is known, too.
static bool place_exists(Sema *s, PrimCall *c, const Value *index, const Ax *a) {
  int64_t n;
  double at;
  if (checking(s) || !node_is_const(index->re, &at) || !ax_const(a, &n) ||
      (at >= 0 && at < (double)n))
    return true;
  sema_error(s, ERR_BAD_INDEX, c->x[1].span,
             "the index %.0f is outside of `%s`, which has %lld elements", at, a->name,
             (long long)n);
  return false;
}

Value *GATHER_call(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 2, false) || !prim_take_axes(s, c, 1, 1) ||
      !prim_tensor_arg(s, c, &c->x[0]) || !prim_has_axes(s, c, &c->x[0]))
    return v_poison(s);
  Value *x = c->x[0].v, *i = c->x[1].v;
  if (!is_tensor(i) || i->dtype != DT_I32)
    return sema_fail(s, ERR_OTHER_DTYPE, c->x[1].span, "`gather` needs i32 indices, and this is %s",
                     v_type_str(s, i));
  Ax *a = c->ax.v[0];
  sema_rows_need(s, i, &a->size, a->name, c->x[1].span, arena_printf(s->a, "`%s`", a->name));
  if (!place_exists(s, c, i, a))
    return v_poison(s);
  AxList keep = {NEWN(s->a, Ax *, x->ax.n), 0};
  for (int k = 0; k < x->ax.n; k++)
    if (x->ax.v[k] != a)
      keep.v[keep.n++] = x->ax.v[k];
  AxList out = ax_join(s, i->ax, keep);
  if (out.n > MAX_AXES - 4)
    return sema_fail(s, ERR_TOO_MANY_DIMS, c->at, "a tensor has at most %d dimensions",
                     MAX_AXES - 4);
  Value *v = v_tensor(s, x->dtype, out);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    pair_map(s, v, x, gather_node, &(GatherCtx){i->re, ax_graph(s, a)});
  }
  return v;
}

typedef struct FlipCtx {
  Axis *ax[MAX_AXES];
  int n;
} FlipCtx;

static Node *flip_node(Graph *g, Node *x, void *ctx) {
  FlipCtx *c = ctx;
  return g_flip(g, x, c->ax, c->n);
}

Value *FLIP_call(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 1, MAX_AXES) ||
      !prim_tensor_arg(s, c, &c->x[0]) || !prim_has_axes(s, c, &c->x[0]))
    return v_poison(s);
  Value *v = v_copy(s, c->x[0].v);
  FlipCtx f = {.n = c->ax.n};
  if (!checking(s)) {
    ax_graphs(s, &c->ax, f.ax);
    sema_mark(s, c->whole);
    pair_map(s, v, c->x[0].v, flip_node, &f);
  }
  return v;
}

static Node *conv_nodes(Sema *s, const Value *v, Node *u, Node *k, Ax *a) {
  Axis *ax[MAX_AXES];
  if (!u || !k)
    return NULL;
  ax_graphs(s, &v->ax, ax);
  for (int i = 0; i < k->nax; i++)
    if (!node_has(u, k->ax[i]))
      u = g_expand(s->g, u, ax, v->ax.n);
  return g_conv(s->g, u, k, ax_graph(s, a), false);
}

Value *CAUSAL_CONV_call(Sema *s, PrimCall *c) {
  DType t;
  AxList ax;
  if (!prim_take_args(s, c, 2, false) || !prim_take_axes(s, c, 1, 1))
    return v_poison(s);
  for (int i = 0; i < 2; i++)
    if (!prim_tensor_arg(s, c, &c->x[i]) || !prim_has_axes(s, c, &c->x[i]))
      return v_poison(s);
  if (!sema_promote(s, c->name, c->at, c->x[0], c->x[1], &t) ||
      !ax_union(s, c->name, c->at, c->x, 2, &ax))
    return v_poison(s);
  if (t == DT_I32)
    return sema_fail(s, ERR_OTHER_DTYPE, c->at,
                     "`causal_conv` needs floating-point operands: convert with `f32(x)`");
  Value *v = v_tensor(s, t, ax);
  if (checking(s))
    return v;
  sema_mark(s, c->whole);
  NodePair u = pair_of(s, c->x[0].v, t), k = pair_of(s, c->x[1].v, t);
  Ax *a = c->ax.v[0];
  Node *rr = conv_nodes(s, v, u.re, k.re, a), *ii = conv_nodes(s, v, u.im, k.im, a),
       *ri = conv_nodes(s, v, u.re, k.im, a), *ir = conv_nodes(s, v, u.im, k.re, a);
  pair_set(s, v,
           (NodePair){ii ? g_binary(s->g, OP_SUB, rr, ii) : rr, ri && ir
                                                                    ? g_binary(s->g, OP_ADD, ri, ir)
                                                                : ri ? ri
                                                                     : ir});
  return v;
}

// Kept with probability 1 - rate, then scaled: numbered within the activation of an instance.
Value *DROPOUT_call(Sema *s, PrimCall *c) {
  double rate;
  if (!prim_take_args(s, c, 2, false) || !prim_take_axes(s, c, 0, 0) ||
      !prim_tensor_arg(s, c, &c->x[0]))
    return v_poison(s);
  Value *x = c->x[0].v;
  if (!v_const(c->x[1].v, &rate))
    return sema_fail(s, ERR_RUN_TIME_ONLY, c->x[1].span, "the rate of `dropout` is a constant");
  if (!(rate >= 0 && rate < 1))
    return sema_fail(s, ERR_OUT_OF_RANGE, c->x[1].span,
                     "the rate of `dropout` is at least 0 and below 1, not %g", rate);
  if (x->dtype == DT_BOOL || x->dtype == DT_I32)
    return sema_fail(s, ERR_OTHER_DTYPE, c->x[0].span,
                     "`dropout` needs a floating-point value, not %s", dtype_name(x->dtype));
  Frame *f = frame_owner(s->frame);
  uint64_t site =
      hash_mix(hash_mix(hash_mix(f->key, 0xd409), (uint64_t)f->stmt), (uint64_t)f->ndraws++);
  Value *v = v_copy(s, x);
  if (checking(s) || !s->dropout || rate == 0)
    return v;
  Graph *g = s->g;
  DType r = dtype_real(x->dtype);
  sema_mark(s, c->whole);
  Node *keep = g_binary(g, OP_LE, g_const(g, DT_F32, rate), sema_random(s, site, &x->ax));
  Node *scale = g_const(g, r, 1 / (1 - rate)), *zero = g_const(g, r, 0);
  v->re = g_select(g, keep, g_binary(g, OP_MUL, x->re, scale), zero);
  v->im = x->im ? g_select(g, keep, g_binary(g, OP_MUL, x->im, scale), zero) : NULL;
  return v;
}

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

// ---- sums up to each place, one-hot
typedef struct CumsumCtx {
  Axis *axis;
  DType dtype;
} CumsumCtx;

static Node *cumsum_node(Graph *g, Node *x, void *ctx) {
  const CumsumCtx *c = ctx;
  return g_cumsum(g, g_cast(g, x, c->dtype), c->axis, false);
}

Value *CUMSUM_call(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 1, 1) ||
      !prim_tensor_arg(s, c, &c->x[0]) || !prim_has_axes(s, c, &c->x[0]))
    return v_poison(s);
  const Value *x = c->x[0].v;
  Value *v = v_tensor(s, x->dtype == DT_BOOL ? DT_I32 : x->dtype, x->ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    pair_map(s, v, x, cumsum_node, &(CumsumCtx){ax_graph(s, c->ax.v[0]), dtype_real(v->dtype)});
  }
  return v;
}

// Does x lack the axis that is to be added?
static bool lacks_axis(Sema *s, const PrimCall *c, const Operand *x, const Ax *a) {
  if (!ax_in(&x->v->ax, a))
    return true;
  Diag *g =
      sema_error(s, ERR_DIM_TWICE, c->at, "`%s` would stand twice in one tensor", ax_str(s, a));
  sema_label_type(s, g, x->span, x->v);
  return false;
}

Value *ONE_HOT_call(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 1, 1) ||
      !prim_tensor_arg(s, c, &c->x[0]) || !lacks_axis(s, c, &c->x[0], c->ax.v[0]))
    return v_poison(s);
  const Value *i = c->x[0].v;
  if (i->dtype != DT_I32)
    return sema_fail(s, ERR_OTHER_DTYPE, c->x[0].span,
                     "`one_hot` needs i32 indices, and this is %s", v_type_str(s, i));
  Value *v = v_tensor(s, DT_F32, ax_join(s, i->ax, c->ax));
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Node *here = g_binary(s->g, OP_EQ, i->re, g_iota(s->g, ax_graph(s, c->ax.v[0])));
    v->re = g_cast(s->g, here, DT_F32);
  }
  return v;
}

// ---- draws: numbered within the activation of an instance
static uint64_t next_site(Sema *s) {
  Frame *f = frame_owner(s->frame);
  return hash_mix(hash_mix(hash_mix(f->key, 0xd409), (uint64_t)f->stmt), (uint64_t)f->ndraws++);
}

// Kept with probability 1 - rate, then scaled.
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
                     "the rate of `dropout` is at least 0 and below 1, not %s",
                     double_said(s->a, rate));
  if (x->dtype == DT_BOOL || x->dtype == DT_I32)
    return sema_fail(s, ERR_OTHER_DTYPE, c->x[0].span,
                     "`dropout` needs a floating-point value, not %s", dtype_name(x->dtype));
  uint64_t site = next_site(s);
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

// A constant argument; false when reported.
static bool draw_arg(Sema *s, const PrimCall *c, int i, double *x) {
  if (v_const(c->x[i].v, x))
    return true;
  sema_error(s, ERR_RUN_TIME_ONLY, c->x[i].span,
             "what `%s` draws from is said by constants: scale the draw", c->name);
  return false;
}

// Axes of a draw are there already: dims, generics.
static bool draw_axes(Sema *s, const PrimCall *c) {
  for (int i = 0; i < c->ax.n; i++)
    if (c->ax.v[i]->kind == AX_LOCAL || c->ax.v[i]->kind == AX_SLICE) {
      sema_error(s, ERR_LOCAL_ESCAPES, c->at,
                 "`%s` is a local axis: draw along a declared dimension, and rename it",
                 ax_str(s, c->ax.v[i]));
      return false;
    }
  return true;
}

typedef Node *DrawRule(Graph *g, Node *const *uniform, const double *x);

// `n` numbers say what it is, and so many uniform ones are made into one.
static Value *draw(Sema *s, PrimCall *c, int n, int uniforms, const char *(*fault)(const double *),
                   DrawRule *made) {
  double x[2] = {0, 0};
  if (!prim_take_args(s, c, n, false) || !prim_take_axes(s, c, 1, MAX_AXES - 4) || !draw_axes(s, c))
    return v_poison(s);
  if (s->frame->kind == FR_INIT)
    return sema_fail(s, ERR_BAD_INITIALIZER, c->at,
                     "where a parameter starts is drawn along its own axes: `~ %s(...)`", c->name);
  for (int i = 0; i < n; i++)
    if (!draw_arg(s, c, i, &x[i]))
      return v_poison(s);
  if (fault(x))
    return sema_fail(s, ERR_OUT_OF_RANGE, c->whole, "%s", fault(x));
  Node *uniform[2];
  uint64_t site[2] = {next_site(s), next_site(s)};
  Value *v = v_tensor(s, DT_F32, c->ax);
  if (checking(s))
    return v;
  sema_mark(s, c->whole);
  for (int i = 0; i < uniforms; i++)
    uniform[i] = sema_random(s, site[i], &c->ax);
  v->re = made(s->g, uniform, x);
  return v;
}

Value *NORMAL_call(Sema *s, PrimCall *c) {
  return draw(s, c, 1, 2, draw_normal_fault, draw_normal);
}

Value *UNIFORM_call(Sema *s, PrimCall *c) {
  return draw(s, c, 2, 1, draw_uniform_fault, draw_uniform);
}

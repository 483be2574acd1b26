// Attention nodes as steps: which matrices attention.h's builders read and write, and how they get
// the mask, the bias and the dropout's numbers.
#include "codegen/plan/contract.h"
#include "codegen/plan/attention.h"
#include "codegen/plan/plan_internal.h"
#include <string.h>

enum { Q, K, V, MASK, BIAS, OUT, LSE, DOUT };

Axis *attention_rows(const Node *n) {
  for (int i = 0; i < n->attr.naxes; i++) {
    Axis *a = n->attr.axes[i];
    if (a != n->attr.axis && !node_has(n->in[K], a) && !node_has(n->in[V], a))
      return a;
  }
  return NULL;
}

static Axis *value_axis(const Node *n) {
  for (int i = 0; i < n->in[V]->nax; i++) {
    bool own = n->in[V]->ax[i] != n->attr.axis;
    for (int k = 0; k < n->attr.naxes; k++)
      own &= n->in[V]->ax[i] != n->attr.axes[k];
    if (own)
      return n->in[V]->ax[i];
  }
  return NULL;
}

static int batch_axes(const Node *n, Axis **out) {
  int k = 0;
  for (int i = 0; i < n->attr.naxes; i++)
    if (n->attr.axes[i] != n->attr.axis && n->attr.axes[i] != attention_rows(n))
      out[k++] = n->attr.axes[i];
  return k;
}

// One task owns the gradients of a batch element, so keys and values must have one each.
static const char *unsupported(const Node *n) {
  Axis *batch[MAX_AXES];
  int64_t e;
  int nb = batch_axes(n, batch);
  if (!attention_rows(n) || !value_axis(n) || n->dtype != DT_F32 || !extent_is(n->attr.axis2, &e) ||
      !extent_is(value_axis(n), &e))
    return "attention over these axes is not compiled yet";
  if (n->op != OP_ATTENTION_GRAD)
    return NULL;
  for (int i = 0; i < nb; i++)
    if (!node_has(n->in[Q], batch[i]) || !node_has(n->in[K], batch[i]) ||
        !node_has(n->in[V], batch[i]))
      return "the gradient of attention with keys or values that batch elements share is not "
             "compiled yet";
  return NULL;
}

static bool same_attention(const Node *a, const Node *b) {
  if ((a->op == OP_ATTENTION_GRAD) != (b->op == OP_ATTENTION_GRAD) ||
      a->attr.axis != b->attr.axis || a->attr.axis2 != b->attr.axis2 ||
      a->attr.num != b->attr.num || a->attr.num2 != b->attr.num2 || a->attr.site != b->attr.site ||
      a->attr.naxes != b->attr.naxes || a->nin != b->nin ||
      memcmp(a->in, b->in, sizeof *a->in * (size_t)a->nin))
    return false;
  return !memcmp(a->attr.axes, b->attr.axes, sizeof *a->attr.axes * (size_t)a->attr.naxes);
}

// What a tile multiplies.
static DType factor_dtype(Prog *g, const Node *n, Node *x) {
  if (g->p->o.on->bf16_products)
    return copied_dtype(g, x);
  return pairs_here(g) && !info_of(g, n)->exact ? DT_BF16 : DT_F32;
}

// A view with `feature` at stride 1.
static Place *matrix(Prog *g, const Node *attention, Node *x, Axis *feature) {
  DType t = factor_dtype(g, attention, x);
  Axis *order[MAX_AXES];
  int n = 0;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != feature)
      order[n++] = x->ax[i];
  order[n++] = feature;
  Place *pl = place_view(g, x);
  int k = pl ? place_axis(pl, feature) : -1;
  int64_t s;
  if (k >= 0 && !pl->width && pl->dtype == t && poly_is_const(&pl->stride[k], &s) && s == 1)
    return pl;
  return staged_rows_of(g, x, t, order, n, 1);
}

static Axis *feature_of(const Node *n) {
  if (n->op == OP_ATTENTION)
    return value_axis(n);
  return n->attr.i0 == 2 ? value_axis(n) : n->attr.axis2;
}

static void add_member(Prog *g, Inst *k, Node *n) {
  Info *f = info_of(g, n);
  int64_t s;
  f->inst = k;
  f->place = NULL;
  if (n->op == OP_ATTENTION_LSE) {
    f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
  } else {
    Axis *a = feature_of(n);
    int i = f->dest ? place_axis(f->dest, a) : -1;
    if (i >= 0 && !f->dest->width && poly_is_const(&f->dest->stride[i], &s) && s == 1)
      f->place = f->dest;
    else
      f->place = place_new(g, n, &a, 1, k->prologue);
  }
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
}

Inst *attention_plan(Prog *g, Node *n) {
  const char *why = unsupported(n);
  if (!why && n->op == OP_ATTENTION_GRAD && n->attr.i0 == 3) {
    Inst *k = inst_new(g, IK_LOOPS, n);
    Info *f = info_of(g, n);
    f->inst = k;
    f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
    vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
    return k;
  }
  for (int i = 0; i < g->inst.n; i++) {
    Inst *k = g->inst.v[i];
    if (k->kind != IK_ATTENTION || !same_attention(k->root, n))
      continue;
    add_member(g, k, n);
    return k;
  }
  if (why) {
    plan_error(g->p, n->span, "%s", why);
    return NULL;
  }
  Place *arg[8] = {0};
  for (int i = 0; i < n->nin; i++)
    if (i == Q || i == K)
      arg[i] = matrix(g, n, n->in[i], n->attr.axis2);
    else if (i == V || i == OUT || i == DOUT)
      arg[i] = matrix(g, n, n->in[i], value_axis(n));
    else if (i == LSE)
      arg[i] = place_view(g, n->in[i]);
  Inst *k = inst_new(g, IK_ATTENTION, n);
  memcpy(k->arg, arg, sizeof arg);
  add_member(g, k, n);
  return k;
}

// ---- lowering

typedef struct Context {
  Lower *c;
  const Node *n;
  Coords batch;
} Context;

static Poly stride_of(const Place *pl, const Axis *a) {
  int i = a ? place_axis(pl, a) : -1;
  return i < 0 ? poly_const(0) : pl->stride[i];
}

static AttentionMatrix at_place(Context *x, const Place *pl, Axis *row, bool write) {
  Lower *c = x->c;
  LExpr *v[MAX_AXES];
  Poly s[MAX_AXES];
  int n = 0;
  for (int i = 0; i < x->batch.n; i++) {
    v[n] = x->batch.v[i].at;
    s[n++] = stride_of(pl, x->batch.v[i].ax);
  }
  return (AttentionMatrix){.mem = lower_mem(c, pl->buf, pl->base, write),
                           .base = llinear(c, v, s, n, poly_const(0)),
                           .row = lpoly(c, stride_of(pl, row))};
}

// The builder's statements stand in `body`, outside of the lowering's own scopes: nothing is kept
// from one call to the next.
static Coords enter(Context *x, LBody *body, LExpr *row, LExpr *key) {
  Lower *c = x->c;
  Coords at = x->batch;
  c->scope.n = 0;
  map_clear(&c->memo);
  lower_push(c, body);
  coords_set(&at, attention_rows(x->n), lint_deep(c, row));
  coords_set(&at, x->n->attr.axis, lint_deep(c, key));
  return at;
}

static LExpr *mask_value(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  Context *x = ctx;
  Coords at = enter(x, body, row, key);
  return lower_value(x->c, x->n->in[MASK], &at).e;
}

static LExpr *sees_value(void *ctx, LBody *body, const PairBlock *block) {
  Context *x = ctx;
  enter(x, body, block->row, block->key);
  return mask_may_see(x->c, x->n->in[MASK], &x->batch, attention_rows(x->n), x->n->attr.axis,
                      block);
}

static LExpr *bias_value(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  Context *x = ctx;
  Coords at = enter(x, body, row, key);
  return lower_value(x->c, x->n->in[BIAS], &at).e;
}

static LExpr *random_at(Context *x, const Coords *at) {
  const Attr *t = &x->n->attr;
  LExpr *v[MAX_AXES];
  Poly step[MAX_AXES], s = poly_const(1);
  for (int i = t->naxes - 1; i >= 0; i--) {
    v[i] = coords_get(at, t->axes[i]);
    step[i] = s;
    s = poly_mul(s, t->axes[i]->extent);
  }
  LExpr *element = llinear(x->c, v, step, t->naxes, poly_const(0));
  return lx_random(x->c->a, lower_scalar(x->c, 1, t->site, (Poly){0}), element);
}

static LExpr *random_value(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  Context *x = ctx;
  Coords at = enter(x, body, row, key);
  return random_at(x, &at);
}

// Arguments come before the builder's scratch: what the callbacks will read is made known by
// calling them once for nothing.
static void preload(Context *x, const AttentionShape *s) {
  LBody unused = {0};
  if (s->mask)
    mask_value(x, &unused, li(x->c, 0), li(x->c, 0));
  if (s->bias)
    bias_value(x, &unused, li(x->c, 0), li(x->c, 0));
  if (s->random)
    random_value(x, &unused, li(x->c, 0), li(x->c, 0));
}

static int64_t constant_extent(const Axis *a) {
  int64_t e = 0;
  extent_is(a, &e);
  return e;
}

static const Place *result(Inst *k, Op op, int64_t i0) {
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].node->op == op && (op != OP_ATTENTION_GRAD || k->m.v[i].node->attr.i0 == i0))
      return k->m.v[i].place;
  return NULL;
}

static AttentionMatrix result_matrix(Context *x, Inst *k, Op op, int64_t i0, Axis *row) {
  const Place *pl = result(k, op, i0);
  if (!pl)
    return (AttentionMatrix){.mem = -1};
  return at_place(x, pl, row, true);
}

// A gradient nobody asked for still has to go somewhere: memory of its own.
static AttentionMatrix gradient_matrix(Context *x, Inst *k, int64_t i0, Node *like, Axis *feature,
                                       Axis *row) {
  AttentionMatrix m = result_matrix(x, k, OP_ATTENTION_GRAD, i0, row);
  if (m.mem < 0)
    m = at_place(x, place_new_of(x->c->g, like, DT_F32, &feature, 1, false), row, true);
  x->c->k->mem.v[m.mem].read = true;
  return m;
}

static bool times(Poly *p, Poly by) {
  if (!poly_mul_fits(p, &by))
    return false;
  *p = poly_mul(*p, by);
  return true;
}

// Where a row sees so many keys, in halves.
static Poly attention_flops(const Node *n, Axis *const *batch, int nb, Poly halves) {
  Poly p = poly_const((constant_extent(n->attr.axis2) + constant_extent(value_axis(n))) *
                      (n->op == OP_ATTENTION_GRAD ? 2 : 1));
  bool fits = times(&p, attention_rows(n)->extent) && times(&p, halves);
  for (int i = 0; i < nb && fits; i++)
    fits = times(&p, batch[i]->extent);
  return fits ? p : poly_const(0);
}

// Of keys that a row sees by the mask's places, on average, in halves; false: that bounds nothing.  Of a triangle a row sees
// half, and half of its own place.
static bool seen_halves(const Node *n, Poly *halves) {
  const Axis *rows = attention_rows(n), *keys = n->attr.axis;
  Reach r = mask_reach(n->in[MASK], rows, keys);
  int64_t beyond = r.ahead < r.behind ? r.ahead : r.behind;
  if (reach_is_bound(r.keys))
    *halves = poly_const(2 * r.keys);
  else if (reach_is_bound(beyond) && beyond >= -1 && poly_eq(&rows->extent, &keys->extent))
    *halves = poly_add(rows->extent, poly_const(2 * beyond + 1));
  else
    return false;
  return true;
}

static Node *primary(Inst *k) {
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].node->op != OP_ATTENTION_LSE)
      return k->m.v[i].node;
  return k->root;
}

// One kernel of an instance.
typedef struct AttentionPart {
  Prog *g;
  Inst *k;
  Node *n;
  Context x;
  Axis *batch[MAX_AXES], *rows, *keys;
  int nb;
  AttentionShape s;
} AttentionPart;

static void start_part(AttentionPart *p, Prog *g, Inst *k) {
  Node *n = primary(k);
  Lower *c = lower_new(g, k, inst_label(g, k));
  *p = (AttentionPart){.g = g,
                       .k = k,
                       .n = n,
                       .x = {.c = c, .n = n},
                       .rows = attention_rows(n),
                       .keys = n->attr.axis};
  p->nb = batch_axes(n, p->batch);
  LExpr *flat = lvar(c, lower_grid(c, extents(p->batch, p->nb), 1));
  lower_unflatten(c, flat, p->batch, p->nb, &p->x.batch);
  p->s = (AttentionShape){.rows = lpoly(c, p->rows->extent),
                          .keys = lpoly(c, p->keys->extent),
                          .rows_size = p->rows->extent,
                          .d = constant_extent(n->attr.axis2),
                          .dv = constant_extent(value_axis(n)),
                          .scale = n->attr.num,
                          .rate = n->attr.num2,
                          .nr = g->p->o.nr,
                          .pair_rows = k->arg[Q]->dtype == DT_BF16 ? g->p->o.pair_rows : 0,
                          .ctx = &p->x};
}

static void add_operands(AttentionPart *p) {
  const Node *n = p->n;
  AttentionShape *s = &p->s;
  double constant;
  s->q = at_place(&p->x, p->k->arg[Q], p->rows, false);
  s->k = at_place(&p->x, p->k->arg[K], p->keys, false);
  s->v = at_place(&p->x, p->k->arg[V], p->keys, false);
  if (!node_is_const(n->in[MASK], &constant) || !constant)
    s->mask = mask_value, s->sees = sees_value;
  Reach reach = mask_reach(n->in[MASK], p->rows, p->keys);
  s->behind = reach.behind;
  s->ahead = reach.ahead;
  s->near = reach_is_bound(s->behind) || reach_is_bound(s->ahead);
  if (!node_is_const(n->in[BIAS], &constant) || constant != 0)
    s->bias = bias_value;
  if (s->rate > 0)
    s->random = random_value;
}

static void add_saved(AttentionPart *p) {
  p->s.lse = at_place(&p->x, p->k->arg[LSE], p->rows, false);
  p->s.dout = at_place(&p->x, p->k->arg[DOUT], p->rows, false);
}

static void add_results(AttentionPart *p) {
  const Place *out = result(p->k, OP_ATTENTION, 0);
  out = out ? out : place_new(p->g, p->n, NULL, 0, false);
  p->s.out = at_place(&p->x, out, p->rows, true);
  p->s.lse = result_matrix(&p->x, p->k, OP_ATTENTION_LSE, 0, p->rows);
}

static void finish_part(AttentionPart *p) {
  Poly halves, all = poly_scale(p->keys->extent, 2);
  lower_finish(p->x.c, attention_flops(p->n, p->batch, p->nb, all));
  BigsStep *step = &p->g->step.v[p->g->step.n - 1];
  if (seen_halves(p->n, &halves))
    step->seen = 1 + plan_size(p->g->p, attention_flops(p->n, p->batch, p->nb, halves));
}

// ---- as loops

static void lower_gradient(Prog *g, Inst *k) {
  AttentionPart p;
  start_part(&p, g, k);
  const Node *n = p.n;
  AttentionShape *s = &p.s;
  add_operands(&p);
  s->out = at_place(&p.x, k->arg[OUT], p.rows, false);
  add_saved(&p);
  s->dq = gradient_matrix(&p.x, k, 0, n->in[Q], n->attr.axis2, p.rows);
  s->dk = gradient_matrix(&p.x, k, 1, n->in[K], n->attr.axis2, p.keys);
  s->dv_ = gradient_matrix(&p.x, k, 2, n->in[V], value_axis(n), p.keys);
  preload(&p.x, s);
  attention_backward(p.x.c->a, p.x.c->k, &p.x.c->k->body, s);
  finish_part(&p);
}

static void lower_forward(Prog *g, Inst *k) {
  AttentionPart p;
  start_part(&p, g, k);
  Lower *c = p.x.c;
  LExpr *block = lvar(c, lower_grid(c, p.rows->extent, ATTENTION_ROWS));
  add_operands(&p);
  add_results(&p);
  preload(&p.x, &p.s);
  LExpr *row0 = liop(c, L_IMUL, block, li(c, ATTENTION_ROWS));
  LExpr *n0 =
      liop(c, L_IMIN, li(c, ATTENTION_ROWS), liop(c, L_ISUB, lpoly(c, p.rows->extent), row0));
  attention_forward(c->a, c->k, &c->k->body, &p.s, row0, n0);
  finish_part(&p);
}

// ---- as statements

static LExpr *block_of(AttentionPart *p, const Axis *side) {
  Lower *c = p->x.c;
  LExpr *block = lvar(c, lower_grid(c, side->extent, LOOP_ATTENTION_BLOCK));
  return liop(c, L_IMUL, block, li(c, LOOP_ATTENTION_BLOCK));
}

static void add_gradients(AttentionPart *p, LPart part, const Place *delta) {
  AttentionShape *s = &p->s;
  add_saved(p);
  s->delta = at_place(&p->x, delta, p->rows, part == LA_ROWS);
  if (part == LA_ROWS) {
    s->out = at_place(&p->x, p->k->arg[OUT], p->rows, false);
    s->dq = result_matrix(&p->x, p->k, OP_ATTENTION_GRAD, 0, p->rows);
  } else {
    s->dk = result_matrix(&p->x, p->k, OP_ATTENTION_GRAD, 1, p->keys);
    s->dv_ = result_matrix(&p->x, p->k, OP_ATTENTION_GRAD, 2, p->keys);
  }
}

static void state_part(Prog *g, Inst *k, LPart part, const Place *delta) {
  AttentionPart p;
  start_part(&p, g, k);
  Lower *c = p.x.c;
  LExpr *first = block_of(&p, part == LA_KEYS ? p.keys : p.rows);
  add_operands(&p);
  if (part == LA_OUT)
    add_results(&p);
  else
    add_gradients(&p, part, delta);
  attention_block(c->a, c->k, &c->k->body, &p.s, part, first);
  finish_part(&p);
}

// Rows first: they leave the deltas to the keys.
static void state_gradient(Prog *g, Inst *k) {
  const Place *delta = place_new_of(g, primary(k)->in[LSE], DT_F32, NULL, 0, false);
  state_part(g, k, LA_ROWS, delta);
  if (result(k, OP_ATTENTION_GRAD, 1) || result(k, OP_ATTENTION_GRAD, 2))
    state_part(g, k, LA_KEYS, delta);
}

bool attention_is_statement(const Prog *g, const Node *n) {
  int64_t most = g->p->o.on->attention_columns;
  return constant_extent(n->attr.axis2) <= most && constant_extent(value_axis(n)) <= most;
}

void lower_attention(Prog *g, Inst *k) {
  Node *n = primary(k);
  bool grad = n->op == OP_ATTENTION_GRAD, any = false;
  for (int i = 0; i < k->m.n; i++)
    any |= info_of(g, k->m.v[i].node)->needed;
  if (!any)
    return;
  if (attention_is_statement(g, n) && grad)
    state_gradient(g, k);
  else if (attention_is_statement(g, n))
    state_part(g, k, LA_OUT, NULL);
  else
    (grad ? lower_gradient : lower_forward)(g, k);
}

// ---- the gradient of the bias, one element at a time: it is a sum over the axes of the weights
// that the bias lacks, which no task of the kernels above owns.  ds = p (dp - delta), see
// attention.h.

// Sum over axis a of x * y at `at`.
static LExpr *dot(Lower *c, Node *x, Node *y, Axis *a, Coords at) {
  int acc = lower_reg(c, DT_F32, lx_const(c->a, DT_F32, 0)),
      v = lower_var(c, a->extent, c->scope.n);
  LStmt *f = ls_for(c->a, v, li(c, 0), lpoly(c, a->extent), 0);
  lower_push(c, &f->body);
  coords_set(&at, a, lvar(c, v));
  LExpr *p = lx_op(c->a, L_MUL, DT_F32, lower_value(c, x, &at).e, lower_value(c, y, &at).e, NULL);
  lower_emit(c, ls_reduce(c->a, acc, LR_SUM, p));
  lower_pop(c);
  lower_emit(c, f);
  return lx_reg(c->a, DT_F32, acc);
}

static LExpr *op2(Lower *c, LOp op, LExpr *x, LExpr *y) {
  return lx_op(c->a, op, DT_F32, x, y, NULL);
}
static LExpr *num(Lower *c, double v) {
  return lx_const(c->a, DT_F32, v);
}

static LExpr *score_gradient(Lower *c, Node *n, const Coords *at) {
  const Attr *t = &n->attr;
  Context x = {.c = c, .n = n};
  LExpr *s = dot(c, n->in[Q], n->in[K], t->axis2, *at),
        *dp = dot(c, n->in[DOUT], n->in[V], value_axis(n), *at);
  LExpr *delta = dot(c, n->in[DOUT], n->in[OUT], value_axis(n), *at);
  s = op2(c, L_ADD, op2(c, L_MUL, s, num(c, t->num)), lower_value(c, n->in[BIAS], at).e);
  LExpr *p =
      lx_op(c->a, L_EXP, DT_F32, op2(c, L_SUB, s, lower_value(c, n->in[LSE], at).e), NULL, NULL);
  if (t->num2 > 0) {
    LExpr *keep = lx_op(c->a, L_LE, DT_BOOL, num(c, t->num2), random_at(&x, at), NULL);
    dp = lx_op(c->a, L_SELECT, DT_F32, keep, op2(c, L_MUL, dp, num(c, 1 / (1 - t->num2))),
               num(c, 0));
  }
  LExpr *ds = op2(c, L_MUL, p, op2(c, L_SUB, dp, delta));
  return lx_op(c->a, L_SELECT, DT_F32, lower_value(c, n->in[MASK], at).e, ds, num(c, 0));
}

void lower_attention_bias(Lower *c, Node *n, const Place *dst) {
  Coords at = {0};
  LStmt *open[MAX_AXES];
  int k = 0;
  lower_unflatten(c, lvar(c, lower_grid(c, extents(n->ax, n->nax), 1)), n->ax, n->nax, &at);
  Coords element = at;
  int acc = lower_reg(c, DT_F64, lx_const(c->a, DT_F64, 0));
  for (int i = 0; i < n->attr.naxes; i++) {
    Axis *a = n->attr.axes[i];
    if (node_has(n, a))
      continue;
    int v = lower_var(c, a->extent, c->scope.n);
    open[k] = ls_for(c->a, v, li(c, 0), lpoly(c, a->extent), 0);
    coords_set(&at, a, lvar(c, v));
    lower_push(c, &open[k++]->body);
  }
  LExpr *ds = lx_op(c->a, L_CAST, DT_F64, score_gradient(c, n, &at), NULL, NULL);
  lower_emit(c, ls_reduce(c->a, acc, LR_SUM, ds));
  while (k > 0) {
    lower_pop(c);
    lower_emit(c, open[--k]);
  }
  LExpr *sum = lx_op(c->a, L_CAST, DT_F32, lx_reg(c->a, DT_F64, acc), NULL, NULL);
  lower_store(c, dst, &element, sum, false);
}

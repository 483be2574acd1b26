// Convolutions and their kernels' gradients where channels are lanes: a task takes SIDE places of some channels, and for
// each SIDE places before those all products of the two blocks, whose kernel has 2 * SIDE - 1 elements.  Sums of RUN blocks
// are added up in float64.
//
// What comes back from the future is what goes ahead from the past with places counted from the end.
#include "codegen/plan/lower_util.h"

enum { SIDE = 8, LANES = 32, RUN = 16, BATCHES = 8 }; // BATCHES: of a slot of a gradient

typedef struct LaneConv {
  Lower *c;
  Node *n;
  Axis *along, *lane, *rest[MAX_AXES], *batch[2 * MAX_AXES];
  int nrest, nbatch;
  DType t;
  Coords at;       // of what is read
  LExpr *first;    // of the task's places, or lags
  int total[SIDE]; // registers of the results
  int sum[SIDE];   // of a run
} LaneConv;

// ---- which, and along what

static bool is_unit(const Place *pl, const Axis *a) {
  int64_t s;
  int i = pl && !pl->width ? place_axis(pl, a) : -1;
  return i >= 0 && poly_is_const(&pl->stride[i], &s) && s == 1;
}

// The axis that neighbours lie along, of the operand or of the result; else the last.
static Axis *lane_axis(Prog *g, Node *n, const Place *dst) {
  const Place *u = place_view(g, n->in[0]);
  Axis *lane = NULL;
  int best = -1;
  for (int i = 0; i < n->nax; i++) {
    int merit = is_unit(u, n->ax[i]) ? 3 : is_unit(dst, n->ax[i]) ? 2 : is_feature(n->ax[i]);
    if (n->ax[i] != n->attr.axis && merit >= best) {
      lane = n->ax[i];
      best = merit;
    }
  }
  return lane;
}

static LaneConv lane_conv(Prog *g, Inst *k, Axis *lane) {
  Node *n = k->root;
  LaneConv s = {.n = n, .along = n->attr.axis, .lane = lane, .t = computed_dtype(n)};
  s.c = lower_new(g, k, inst_label(g, k));
  for (int i = 0; i < n->nax; i++)
    if (n->ax[i] != s.along && n->ax[i] != lane)
      s.rest[s.nrest++] = n->ax[i];
  for (int x = 0; x < 2; x++)
    for (int i = 0; i < n->in[x]->nax; i++) {
      Axis *a = n->in[x]->ax[i];
      if (a != s.along && !node_has(n, a) && !axis_in(s.batch, s.nbatch, a))
        s.batch[s.nbatch++] = a;
    }
  return s;
}

// ---- elements

// Place x, or the one that is as far from the end.
static LExpr *place_at(LaneConv *s, LExpr *x) {
  Poly one = poly_const(1), last = poly_sub(s->along->extent, one);
  Poly step = poly_const(s->n->attr.reverse ? -1 : 1);
  return llinear(s->c, &x, &step, 1, s->n->attr.reverse ? last : poly_const(0));
}

static LExpr *at_most_last(LaneConv *s, LExpr *x) {
  Lower *c = s->c;
  return liop(c, L_IMIN, x, lpoly(c, poly_sub(s->along->extent, poly_const(1))));
}

static LExpr *plus(Lower *c, LExpr *x, int64_t y) {
  return liop(c, L_IADD, x, li(c, y));
}

// x's element there, in a register.
static LExpr *element(LaneConv *s, Node *x, LExpr *at) {
  Coords v = s->at;
  coords_set(&v, s->along, at);
  LExpr *e = lower_value(s->c, x, &v).e;
  return lx_reg(s->c->a, s->t, lower_reg(s->c, s->t, e));
}

static void add_product(LaneConv *s, int i, LExpr *x, LExpr *y) {
  LExpr *p = lx_op(s->c->a, L_MUL, s->t, x, y, NULL);
  lower_emit(s->c, ls_reduce(s->c->a, s->sum[i], LR_SUM, p));
}

// ---- sums

static void begin_totals(LaneConv *s) {
  DType wide = lower_wide(s->t);
  for (int i = 0; i < SIDE; i++)
    s->total[i] = lower_reg(s->c, wide, lx_const(s->c->a, wide, 0));
}

static void begin_run(LaneConv *s) {
  for (int i = 0; i < SIDE; i++)
    s->sum[i] = lower_reg(s->c, s->t, lx_const(s->c->a, s->t, 0));
}

static void end_run(LaneConv *s) {
  Lower *c = s->c;
  for (int i = 0; i < SIDE; i++) {
    LExpr *sum = lower_cast(c, lower_wide(s->t), lx_reg(c->a, s->t, s->sum[i]));
    lower_emit(c, ls_reduce(c->a, s->total[i], LR_SUM, sum));
  }
}

// ---- a convolution's tasks

static void add_past_block(LaneConv *s, LExpr *block) {
  Lower *c = s->c;
  LExpr *u[SIDE], *k[2 * SIDE - 1], *from = liop(c, L_IMUL, block, li(c, SIDE));
  LExpr *far = liop(c, L_ISUB, s->first, from);
  for (int j = 0; j < SIDE; j++)
    u[j] = element(s, s->n->in[0], place_at(s, plus(c, from, j)));
  for (int j = 0; j < 2 * SIDE - 1; j++)
    k[j] = element(s, s->n->in[1], at_most_last(s, plus(c, far, j - SIDE + 1)));
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++)
      add_product(s, i, u[j], k[i - j + SIDE - 1]);
}

// The task's own places.
static void add_own_block(LaneConv *s) {
  Lower *c = s->c;
  LExpr *u[SIDE], *k[SIDE];
  begin_run(s);
  for (int j = 0; j < SIDE; j++) {
    u[j] = element(s, s->n->in[0], place_at(s, at_most_last(s, plus(c, s->first, j))));
    k[j] = element(s, s->n->in[1], at_most_last(s, li(c, j)));
  }
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j <= i; j++)
      add_product(s, i, u[j], k[i - j]);
  end_run(s);
}

// Blocks [lo, hi), in runs.
static void add_blocks(LaneConv *s, LExpr *lo, LExpr *hi, void (*add)(LaneConv *, LExpr *)) {
  Lower *c = s->c;
  LExpr *run = li(c, RUN), *runs = liop(c, L_IDIV, plus(c, hi, RUN - 1), run);
  LStmt *outer = lower_for(c, liop(c, L_IDIV, lo, run), runs, (Poly){0}, 0);
  LExpr *from = liop(c, L_IMUL, lvar(c, outer->var), run);
  begin_run(s);
  LStmt *inner = lower_for(c, liop(c, L_IMAX, from, lo), liop(c, L_IMIN, plus(c, from, RUN), hi),
                           (Poly){0}, 0);
  add(s, lvar(c, inner->var));
  lower_end(c, inner);
  end_run(s);
  lower_end(c, outer);
}

// Opens the lanes' loop of a task.
static LStmt *open_lanes(LaneConv *s) {
  Lower *c = s->c;
  LStmt *f = lower_block(c, lower_grid(c, s->lane->extent, LANES), LANES, s->lane->extent, 1);
  coords_set(&s->at, s->lane, lvar(c, f->var));
  return f;
}

static void open_rest(LaneConv *s) {
  if (s->nrest)
    lower_unflatten(s->c, lvar(s->c, lower_grid(s->c, extents(s->rest, s->nrest), 1)), s->rest,
                    s->nrest, &s->at);
}

// Those of the results that there are; slot: NULL, or the first element of the task's.
static void store_totals(LaneConv *s, const Place *dst, LExpr *slot, bool is_place) {
  Lower *c = s->c;
  for (int i = 0; i < SIDE; i++) {
    LExpr *x = plus(c, s->first, i);
    LStmt *f =
        lower_for(c, x, liop(c, L_IMIN, plus(c, x, 1), lpoly(c, s->along->extent)), (Poly){0}, 0);
    Coords at = s->at;
    coords_set(&at, s->along, is_place ? place_at(s, lvar(c, f->var)) : lvar(c, f->var));
    LExpr *v = lower_cast(c, s->t, lx_reg(c->a, lower_wide(s->t), s->total[i]));
    if (slot)
      lower_emit(c, ls_store(c->a, lower_mem(c, dst->buf, poly_const(0), true),
                             liop(c, L_IADD, slot, place_index(c, dst, &at)), v));
    else
      lower_store(c, dst, &at, v, false);
    lower_end(c, f);
  }
}

static void put_conv(LaneConv *s, const Place *dst) {
  Lower *c = s->c;
  open_rest(s);
  LExpr *block = lvar(c, lower_grid(c, s->along->extent, SIDE));
  s->first = liop(c, L_IMUL, block, li(c, SIDE));
  LStmt *lanes = open_lanes(s);
  begin_totals(s);
  add_blocks(s, li(c, 0), block, add_past_block);
  add_own_block(s);
  store_totals(s, dst, NULL, true);
  lower_end(c, lanes);
  lower_finish(c, poly_const(0));
}

// ---- a gradient's tasks: lags, of the products of dy's places with those of u before them

static void add_pairs(LaneConv *s, LExpr *block, bool own) {
  Lower *c = s->c;
  LExpr *dy[SIDE], *u[2 * SIDE - 1] = {0}, *from = liop(c, L_IMUL, block, li(c, SIDE));
  LExpr *before = liop(c, L_ISUB, from, s->first);
  for (int m = 0; m < SIDE; m++)
    dy[m] = element(s, s->n->in[1], place_at(s, plus(c, from, m)));
  for (int j = own ? SIDE - 1 : 0; j < 2 * SIDE - 1; j++)
    u[j] = element(s, s->n->in[0], place_at(s, plus(c, before, j - SIDE + 1)));
  for (int i = 0; i < SIDE; i++)
    for (int m = own ? i : 0; m < SIDE; m++)
      add_product(s, i, dy[m], u[m - i + SIDE - 1]);
}

static void add_far_pairs(LaneConv *s, LExpr *block) {
  add_pairs(s, block, false);
}

static void add_own_pairs(LaneConv *s, LExpr *block) {
  add_pairs(s, block, true);
}

// Place x of dy, which is in no whole block.
static void add_single(LaneConv *s, LExpr *x) {
  Lower *c = s->c;
  LExpr *dy = element(s, s->n->in[1], place_at(s, x)), *none = lx_const(c->a, s->t, 0);
  for (int i = 0; i < SIDE; i++) {
    LExpr *before = liop(c, L_ISUB, x, plus(c, s->first, i)), *zero = li(c, 0);
    LExpr *u = element(s, s->n->in[0], place_at(s, liop(c, L_IMAX, before, zero)));
    LExpr *there = lx_op(c->a, L_LE, DT_BOOL, lx_from_int(c->a, DT_I32, zero),
                         lx_from_int(c->a, DT_I32, before), NULL);
    LExpr *p = lx_op(c->a, L_MUL, s->t, dy, u, NULL);
    lower_emit(c, ls_reduce(c->a, s->sum[i], LR_SUM, lx_op(c->a, L_SELECT, s->t, there, p, none)));
  }
}

static void add_batch(LaneConv *s, LExpr *lags) {
  Lower *c = s->c;
  LExpr *L = lpoly(c, s->along->extent), *side = li(c, SIDE), *whole = liop(c, L_IDIV, L, side);
  LExpr *behind = plus(c, lags, 1);
  add_blocks(s, behind, whole, add_far_pairs);
  add_blocks(s, lags, liop(c, L_IMIN, behind, whole), add_own_pairs);
  begin_run(s);
  LStmt *f = lower_for(c, liop(c, L_IMAX, liop(c, L_IMUL, whole, side), s->first), L, (Poly){0}, 0);
  add_single(s, lvar(c, f->var));
  lower_end(c, f);
  end_run(s);
}

static void put_grad(LaneConv *s, const Place *dst, bool slots) {
  Lower *c = s->c;
  Poly batches = extents(s->batch, s->nbatch);
  int slot = lower_grid(c, batches, BATCHES);
  open_rest(s);
  LExpr *lags = lvar(c, lower_grid(c, s->along->extent, SIDE));
  s->first = liop(c, L_IMUL, lags, li(c, SIDE));
  LStmt *lanes = open_lanes(s);
  begin_totals(s);
  LStmt *f = lower_block(c, slot, BATCHES, batches, 0);
  if (s->nbatch)
    lower_unflatten(c, lvar(c, f->var), s->batch, s->nbatch, &s->at);
  add_batch(s, lags);
  lower_end(c, f);
  LExpr *first =
      slots ? liop(c, L_IMUL, lvar(c, slot), lpoly(c, c->g->buf.v[dst->buf].size)) : NULL;
  store_totals(s, dst, first, false);
  lower_end(c, lanes);
  lower_finish(c, poly_const(0));
}

// ---- slots of batches

static void put_slots(Prog *g, Inst *k, LaneConv *s, const Place *dst) {
  Axis **ax = NEWN(g->a, Axis *, k->root->nax);
  int n = 0;
  for (int i = 0; i < s->nrest; i++)
    ax[n++] = s->rest[i];
  ax[n++] = s->along;
  ax[n++] = s->lane;
  int buf = buf_add(g, k->prologue ? BIGS_KEPT : BIGS_ARENA, s->t, extents(ax, n), "partial sums");
  Place *slots = place_dense(g, buf, s->t, ax, n);
  g->buf.v[buf].rows = extents(s->batch, s->nbatch);
  g->buf.v[buf].block = BATCHES;
  put_grad(s, slots, true);
  Inst *fin = NEW(g->a, Inst);
  *fin = (Inst){.kind = IK_FINISH, .root = k->root, .col = ax, .ncol = n};
  Member m = {.node = k->root, .place = (Place *)dst, .slots = slots};
  vec_push(g->a, &fin->m, m);
  lower_finish_slots(g, fin);
}

bool lower_conv_lanes(Prog *g, Inst *k) {
  Node *n = k->root;
  const Place *dst = k->m.v[0].place;
  int64_t batches;
  bool conv = n->op == OP_CAUSAL_CONV;
  if (!g->p->o.on->toeplitz || (!conv && n->op != OP_CONV_GRAD))
    return false;
  Axis *lane = lane_axis(g, n, dst);
  if (!lane || !node_has(n->in[0], n->attr.axis) || !node_has(n->in[1], n->attr.axis))
    return false;
  LaneConv s = lane_conv(g, k, lane);
  Poly count = extents(s.batch, s.nbatch);
  if (conv)
    put_conv(&s, dst);
  else if (poly_is_const(&count, &batches) && batches <= BATCHES)
    put_grad(&s, dst, false);
  else
    put_slots(g, k, &s, dst);
  return true;
}

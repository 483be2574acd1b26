// The gradient of a kernel that all channels share: dk[lag] is the sum of dy[l] u[l - lag] over l and all else.
//
// A task multiplies SIDE places of one with SIDE places of the other, channels being the summed index, and adds up the
// diagonals of the product: each is a lag.  The sums of a diagonal from all tasks lie side by side, and another kernel adds
// them up, a warp a lag.
//
// With the blocks `far` apart, lags are 1 - SIDE to SIDE - 1 from SIDE * far on; so a lag has two diagonals, whose sums are
// SIDE diagonals apart, as a block distance has 2 * SIDE of them.  One is never written: the sums of lag SIDE * far have it
// for their second.  Behind the largest distance is one more without tasks of its own; its sums are zero.
#include "codegen/plan/contract.h"
#include "codegen/plan/lower_util.h"

enum { SIDE = TOEPLITZ_SIDE };

typedef struct Lags {
  Lower *c;
  const Tile *t;
  Axis *along;
  int slots;            // the memory of sums
  LExpr *number, *many; // of a task among those with the same distance, and how many those are
  LExpr *far;           // distance of the blocks
} Lags;

// ---- which gradients

// The slots of all distances and blocks: ceil(rows / SIDE^2) is at least ceil(L / SIDE) * (ceil(L / SIDE) + 1).
static bool slot_rows(Poly L, Poly *rows) {
  Poly x = poly_add(L, poly_const(SIDE - 1)), y = poly_add(L, poly_const(2 * SIDE - 1));
  if (!poly_mul_fits(&x, &y))
    return false;
  *rows = poly_mul(x, y);
  return true;
}

bool lags_fit(const Prog *g, const Node *n) {
  Poly rows;
  if (!g->p->o.on->toeplitz || n->op != OP_CONV_GRAD)
    return false;
  const Node *u = n->in[0], *dy = n->in[1];
  return toeplitz_multiplies(g, n) && toeplitz_multiplies(g, u) && toeplitz_multiplies(g, dy) &&
         n->nax == 1 && n->ax[0] == n->attr.axis && u->nax > 1 && node_has(u, n->attr.axis) &&
         axes_equal_sets(u->ax, u->nax, dy->ax, dy->nax) && slot_rows(n->ax[0]->extent, &rows);
}

// ---- the plan

// The summed index is what both have as one axis; all else is walked outside of the tile.
Inst *lags_plan(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  Tile *t = NEW(g->a, Tile);
  int ahead = n->attr.reverse ? 0 : 1; // the operand at the larger places
  toeplitz_axes(n->in[0], n->attr.axis, t, &t->k);
  t->a = toeplitz_operand(g, n->in[ahead], t, &t->k, &t->light_a);
  t->b = toeplitz_operand(g, n->in[1 - ahead], t, &t->k, &t->light_b);
  contract_sort_axes(t->a, t->k.ax, t->k.n);
  t->outer = t->batch;
  contract_move_heads(t->a, &t->k, &t->outer);
  contract_move_heads(t->b, &t->k, &t->outer);
  Inst *k = inst_new(g, IK_LAGS, n);
  k->tile = t;
  f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
  return k;
}

// ---- a task's diagonals

static LExpr *slot_index(Lags *s, LExpr *diagonal) {
  Lower *c = s->c;
  LExpr *row = liop(c, L_IADD, liop(c, L_IMUL, s->far, li(c, 2 * SIDE)), diagonal);
  return liop(c, L_IADD, liop(c, L_IMUL, row, s->many), s->number);
}

static void clear_slots(Lags *s) {
  Lower *c = s->c;
  LStmt *f = lower_for(c, li(c, 0), li(c, 2 * SIDE), poly_const(2 * SIDE), 1);
  lower_emit(c,
             ls_store(c->a, s->slots, slot_index(s, lvar(c, f->var)), lx_const(c->a, DT_F32, 0)));
  lower_end(c, f);
}

// Where a block of places begins in an operand.
static LExpr *block_base(Lags *s, const Place *pl, const Coords *outer, LExpr *block) {
  LExpr *v[MAX_AXES + 1];
  Poly step[MAX_AXES + 1];
  int n = 0;
  for (int i = 0; i < s->t->outer.n; i++) {
    v[n] = coords_get(outer, s->t->outer.ax[i]);
    step[n++] = place_stride(pl, s->t->outer.ax[i]);
  }
  v[n] = block;
  step[n++] = poly_scale(place_stride(pl, s->along), SIDE);
  return llinear(s->c, v, step, n, poly_const(0));
}

static LExpr *size_of_block(Lags *s, LExpr *block) {
  Lower *c = s->c;
  LExpr *left = liop(c, L_ISUB, lpoly(c, s->along->extent), liop(c, L_IMUL, block, li(c, SIDE)));
  return liop(c, L_IMIN, li(c, SIDE), left);
}

// Of block `row` of a with the block `far` before it of b; of nothing where there is none.
static LProduct product_of(Lags *s, const Coords *outer, LExpr *row, LExpr *column) {
  Lower *c = s->c;
  const Tile *t = s->t;
  const Axis *last = t->k.ax[t->k.n - 1];
  LExpr *K = lpoly(c, extents(t->k.ax, t->k.n));
  LExpr *there = liop(c, L_IADD, liop(c, L_ISUB, row, s->far), li(c, 1));
  LExpr *count = liop(c, L_IMIN, K, liop(c, L_IMAX, liop(c, L_IMUL, there, K), li(c, 0)));
  return (LProduct){.amem = lower_mem(c, t->a->buf, t->a->base, false),
                    .bmem = lower_mem(c, t->b->buf, t->b->base, false),
                    .abase = block_base(s, t->a, outer, row),
                    .am = lpoly(c, place_stride(t->a, s->along)),
                    .ak = lpoly(c, place_stride(t->a, last)),
                    .bbase = block_base(s, t->b, outer, column),
                    .bn = lpoly(c, place_stride(t->b, s->along)),
                    .bk = lpoly(c, place_stride(t->b, last)),
                    .afirst = light_value(c, t->light_a),
                    .bfirst = light_value(c, t->light_b),
                    .K = count};
}

static void put_tile(Lags *s, const Coords *outer, LExpr *row) {
  Lower *c = s->c;
  LExpr *column = liop(c, L_IMAX, liop(c, L_ISUB, row, s->far), li(c, 0));
  int m = lower_var(c, poly_const(SIDE), c->scope.n),
      n = lower_var(c, poly_const(SIDE), c->scope.n);
  LStmt *tile = ls_tile(c->a, m, n, size_of_block(s, row), size_of_block(s, column));
  tile->tile->prod[0] = product_of(s, outer, row, column);
  tile->tile->nprod = 1;
  lower_push(c, &tile->tile->body);
  LExpr *lag = liop(c, L_IADD, liop(c, L_ISUB, lvar(c, m), lvar(c, n)), li(c, SIDE - 1));
  LStmt *sum = ls_colsum(c->a, s->slots, slot_index(s, lag), lx_acc(c->a));
  sum->diagonal = true;
  lower_emit(c, sum);
  lower_pop(c);
  lower_emit(c, tile);
}

static void put_products(Prog *g, Inst *k, int buf) {
  Lower *c = lower_new(g, k, inst_label(g, k));
  const Tile *t = k->tile;
  Lags s = {.c = c, .t = t, .along = k->root->attr.axis};
  Poly L = s.along->extent, count = extents(t->outer.ax, t->outer.n);
  Coords outer = {0};
  LExpr *blocks = lower_slots(c, L, SIDE), *first = li(c, 0);
  if (t->outer.n) {
    first = lvar(c, lower_grid(c, count, 1));
    lower_unflatten(c, first, t->outer.ax, t->outer.n, &outer);
  }
  s.far = lvar(c, lower_grid(c, poly_add(L, poly_const(SIDE)), SIDE));
  LExpr *row = lvar(c, lower_grid(c, L, SIDE));
  s.many = liop(c, L_IMUL, lpoly(c, count), blocks);
  s.number = liop(c, L_IADD, liop(c, L_IMUL, first, blocks), row);
  s.slots = lower_mem(c, buf, poly_const(0), true);
  c->k->mem.v[s.slots].read = true;
  clear_slots(&s);
  put_tile(&s, &outer, row);
  lower_finish(c, poly_const(0));
}

// ---- their sums

static void put_sums(Prog *g, Inst *k, int buf) {
  Lower *c = lower_new(g, k, "sum of diagonals");
  const Tile *t = k->tile;
  Axis *along = k->root->attr.axis;
  Coords at = {0};
  LExpr *lag = lvar(c, lower_grid(c, along->extent, 1)), *side = li(c, SIDE);
  LExpr *many = liop(c, L_IMUL, lpoly(c, extents(t->outer.ax, t->outer.n)),
                     lower_slots(c, along->extent, SIDE));
  LExpr *far = liop(c, L_IMUL, liop(c, L_IDIV, lag, side), li(c, 2 * SIDE));
  LExpr *row = liop(c, L_IADD, liop(c, L_IADD, far, liop(c, L_IMOD, lag, side)), li(c, SIDE - 1));
  LExpr *one = liop(c, L_IMUL, row, many),
        *other = liop(c, L_IADD, one, liop(c, L_IMUL, many, side));
  int acc = lower_reg(c, DT_F64, lx_const(c->a, DT_F64, 0));
  int slots = lower_mem(c, buf, poly_const(0), false);
  LStmt *f = lower_for(c, li(c, 0), many, (Poly){0}, 2);
  LExpr *x = lx_load(c->a, c->k, slots, liop(c, L_IADD, one, lvar(c, f->var)));
  LExpr *y = lx_load(c->a, c->k, slots, liop(c, L_IADD, other, lvar(c, f->var)));
  LExpr *both =
      lx_op(c->a, L_ADD, DT_F64, lower_cast(c, DT_F64, x), lower_cast(c, DT_F64, y), NULL);
  lower_emit(c, ls_reduce(c->a, acc, LR_SUM, both));
  lower_end(c, f);
  coords_set(&at, along, lag);
  lower_store(c, k->m.v[0].place, &at, lower_cast(c, DT_F32, lx_reg(c->a, DT_F64, acc)), false);
  lower_finish(c, poly_const(0));
}

void lower_lags(Prog *g, Inst *k) {
  const Tile *t = k->tile;
  if (!info_of(g, k->root)->needed)
    return;
  int buf = buf_add(g, k->prologue ? BIGS_KEPT : BIGS_ARENA, DT_F32,
                    poly_scale(extents(t->outer.ax, t->outer.n), 2 * SIDE), "diagonals");
  slot_rows(k->root->attr.axis->extent, &g->buf.v[buf].rows);
  g->buf.v[buf].block = SIDE * SIDE;
  put_products(g, k, buf);
  put_sums(g, k, buf);
}

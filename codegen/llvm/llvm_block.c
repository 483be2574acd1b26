// TILE with a long k.
//
// Where B is read in rows, each k is another page and another line of both operands, and a tile
// would touch all of them again. So k is cut into blocks; in each, A's rows are packed strip by
// strip and B's panel once for all row tiles, both contiguous, and the sums of all tiles wait in
// memory for the next block.  A block's sum starts at zero and is added to them; after TILE_LONG_K
// values of k they are moved into totals in float64.
#include "codegen/llvm/tile.h"

enum { AHEAD = 16 }; // values of k that packing asks ahead

typedef struct BlockCx {
  TileCx c; // first: the loops' callbacks get it
  const LProduct *p;
  Val k0, kn, last; // the block: k0 <= k < k0 + kn; is it the product's last?
  Val k;            // one of it, from 0 on
  bool pack_a;
  Val sums, a_pack, b_pack; // parts of the workspace
  Val totals;               // another: as many doubles as sums
  Val nsums;                // how many
  Val is_long;              // is any K above TILE_LONG_K?  Totals are in use only then
  Val row_tiles;            // ceil(M / mr)
} BlockCx;

static Val floats(Emit *e, Val p, Val n) {
  return elem_ptr(e, e->u->f32, p, n);
}

static Val index_of(Emit *e, Val x, int n) {
  return LLVMBuildUDiv(e->b, x, iconst(e, n), "");
}

static Val times(Emit *e, Val x, int64_t n) {
  return LLVMBuildMul(e->b, x, iconst(e, n), "");
}

// The first of the current tile's sums, in the order in which tiles are visited.
static Val tile_index(BlockCx *x) {
  Emit *e = x->c.e;
  Val at = LLVMBuildMul(e->b, index_of(e, x->c.n, x->c.nr), x->row_tiles, "");
  at = LLVMBuildAdd(e->b, at, index_of(e, x->c.m, x->c.mr), "");
  return times(e, at, (int64_t)x->c.mr * x->c.nr);
}

static void place_tile(BlockCx *x) {
  x->c.tile = floats(x->c.e, x->sums, tile_index(x));
}

static Val strip(BlockCx *x) {
  Emit *e = x->c.e;
  return floats(e, x->a_pack,
                times(e, index_of(e, x->c.m, x->c.mr), (int64_t)x->c.mr * LOOP_K_BLOCK));
}

// ---- packing

static void copy_row(Emit *e, LLVMTypeRef t, Val from, Val to) {
  Val v = LLVMBuildLoad2(e->b, t, from, "");
  LLVMSetAlignment(v, 4);
  LLVMSetAlignment(LLVMBuildStore(e->b, v, to), 4);
}

// mr values of one k, contiguous in A.  Fewer rows than mr end where A ends, so they go one by one.
static void pack_step(BlockCx *x, Val a, Val to) {
  Emit *e = x->c.e;
  if (x->c.Mc >= x->c.mr) {
    copy_row(e, wide(e->u->f32, x->c.mr), a, to);
    return;
  }
  LLVMBasicBlockRef all = new_block(e, "all"), few = new_block(e, "few"),
                    done = new_block(e, "packed");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGE, x->c.M, iconst(e, x->c.mr), ""), all, few);
  LLVMPositionBuilderAtEnd(e->b, all);
  copy_row(e, wide(e->u->f32, x->c.mr), a, to);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, few);
  LoopCx l;
  if (loop_begin(e, &l, iconst(e, 0), x->c.M, 1)) {
    copy_row(e, e->u->f32, floats(e, a, l.i), floats(e, to, l.i));
    loop_end(e, &l);
  }
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void pack_strip(TileCx *c) {
  BlockCx *x = (BlockCx *)c;
  Emit *e = c->e;
  Val ak = emit_int(e, x->p->ak);
  Val at = LLVMBuildMul(e->b, LLVMBuildAdd(e->b, x->k0, x->k, ""), ak, "");
  Val from = floats(e, tile_a(c, x->p), at);
  micro_ask(e->u, floats(e, from, times(e, ak, AHEAD)), 3);
  pack_step(x, from, floats(e, strip(x), times(e, x->k, c->mr)));
}

// Value after value of k, each of which is another page: what is in one is read at once.
static void pack_rows(BlockCx *x) {
  Emit *e = x->c.e;
  LoopCx l;
  if (!loop_begin(e, &l, iconst(e, 0), x->kn, 1))
    return;
  x->k = l.i;
  tile_rows(&x->c, pack_strip);
  loop_end(e, &l);
}

// ---- products

// Columns past N read as zeros; a tile that cannot be moved back needs that.
static bool masks_b(const BlockCx *x) {
  return !x->p->bwidth && x->c.Nc % x->c.nr && !(x->c.shift && x->c.Nc >= x->c.nr);
}

static void add_tile(TileCx *c, bool copy_b) {
  BlockCx *x = (BlockCx *)c;
  Emit *e = c->e;
  const LProduct *p = x->p;
  Val am = emit_int(e, p->am), ak = emit_int(e, p->ak), bk = emit_int(e, p->bk);
  bool in_place = p->bwidth || copy_b;
  place_tile(x);
  MicroArgs a = {
      .a = x->pack_a ? strip(x) : floats(e, tile_a(c, p), LLVMBuildMul(e->b, x->k0, ak, "")),
      .b = in_place ? floats(e, tile_b(c, p), LLVMBuildMul(e->b, x->k0, bk, "")) : x->b_pack,
      .c = c->tile,
      .K = x->kn,
      .run = tile_run(e, emit_int(e, p->K)),
      .am = am,
      .ak = ak,
      .bk = bk,
      .cols = LLVMBuildSub(e->b, c->N, c->ns, ""),
      .last = LLVMBuildSub(e->b, c->M, iconst(e, 1), ""),
      .pack = x->b_pack};
  MicroKey key = {.am = x->pack_a ? 1 : known_or(am, MICRO_RUNTIME),
                  .ak = x->pack_a ? c->mr : known_or(ak, MICRO_RUNTIME),
                  .bk = in_place ? known_or(bk, MICRO_RUNTIME) : c->nr,
                  .K = MICRO_RUNTIME,
                  .rows = c->mr,
                  .nv = c->nv,
                  .cut = true,
                  .clamped = !x->pack_a && c->Mc < c->mr,
                  .masked = copy_b && masks_b(x),
                  .prefetch = copy_b,
                  .copy_b = copy_b};
  if (key.clamped)
    key.am = MICRO_RUNTIME;
  micro_call(e->u, &key, &a);
}

static void add_first_or_next(TileCx *c) {
  Emit *e = c->e;
  if (((BlockCx *)c)->p->bwidth) {
    add_tile(c, false);
    return;
  }
  LLVMBasicBlockRef first = new_block(e, "first"), next = new_block(e, "next"),
                    done = new_block(e, "added");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, c->m, iconst(e, 0), ""), first, next);
  LLVMPositionBuilderAtEnd(e->b, first);
  add_tile(c, true);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, next);
  emit_forget(e);
  add_tile(c, false);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// `f` where cond holds.
static void when(BlockCx *x, Val cond, void f(BlockCx *)) {
  Emit *e = x->c.e;
  LLVMBasicBlockRef yes = new_block(e, "when"), next = new_block(e, "then");
  LLVMBuildCondBr(e->b, cond, yes, next);
  LLVMPositionBuilderAtEnd(e->b, yes);
  emit_forget(e);
  f(x);
  emit_forget(e);
  LLVMBuildBr(e->b, next);
  LLVMPositionBuilderAtEnd(e->b, next);
}

// The tile's sums become those over all of k.
static void finish_total(BlockCx *x) {
  Emit *e = x->c.e;
  Val n = iconst(e, (int64_t)x->c.mr * x->c.nr);
  Val total = elem_ptr(e, e->u->f64, x->totals, tile_index(x));
  tile_add_total(e, total, x->c.tile, n, x->c.vector);
  tile_take_total(e, total, x->c.tile, n, x->c.vector);
}

static void finish(BlockCx *x) {
  place_tile(x);
  when(x, x->is_long, finish_total);
  tile_epilogue(&x->c);
}

// The epilogue follows the last product's last block, while the tile's sums are hot.
static void add_and_finish(TileCx *c) {
  BlockCx *x = (BlockCx *)c;
  add_first_or_next(c);
  if (x->p != &c->t->prod[c->t->nprod - 1])
    return;
  when(x, x->last, finish);
}

static void add_panel(TileCx *c) {
  tile_rows(c, add_and_finish);
}

static void clear_sums(BlockCx *x) {
  Emit *e = x->c.e;
  LoopCx l;
  if (!loop_begin(e, &l, iconst(e, 0), x->nsums, x->c.nr))
    return;
  Val zero = LLVMConstNull(wide(e->u->f32, x->c.nr));
  LLVMSetAlignment(LLVMBuildStore(e->b, zero, floats(e, x->sums, l.i)), 16);
  loop_end(e, &l);
}

static void move_sums(BlockCx *x) {
  tile_add_total(x->c.e, x->totals, x->sums, x->nsums, x->c.vector);
  clear_sums(x);
}

// Before block k0 > 0 of every TILE_LONG_K / LOOP_K_BLOCK.
static void move_at(BlockCx *x) {
  Emit *e = x->c.e;
  Val left = LLVMBuildURem(e->b, x->k0, iconst(e, TILE_LONG_K), ""), zero = iconst(e, 0);
  Val due = LLVMBuildAnd(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, x->k0, zero, ""),
                         LLVMBuildICmp(e->b, LLVMIntEQ, left, zero, ""), "");
  when(x, due, move_sums);
}

static void add_product(BlockCx *x, const LProduct *p) {
  Emit *e = x->c.e;
  LoopCx l;
  Val K = emit_int(e, p->K);
  x->p = p;
  x->pack_a = p->am->op == L_INT && p->am->inum == 1;
  if (!loop_begin(e, &l, iconst(e, 0), K, LOOP_K_BLOCK))
    return;
  x->k0 = l.i;
  Val left = LLVMBuildSub(e->b, K, l.i, "");
  x->kn = imin(e, left, iconst(e, LOOP_K_BLOCK));
  x->last = LLVMBuildICmp(e->b, LLVMIntSLE, left, iconst(e, LOOP_K_BLOCK), "");
  move_at(x);
  if (x->pack_a)
    pack_rows(x);
  tile_panels(&x->c, add_panel);
  loop_end(e, &l);
}

// ---- all of it

static void clear_totals(BlockCx *x) {
  tile_clear_total(x->c.e, x->totals, x->nsums, x->c.vector);
}

static Val any_long(BlockCx *x) {
  Emit *e = x->c.e;
  Val any = LLVMConstInt(LLVMInt1TypeInContext(e->u->cx), 0, false);
  for (int i = 0; i < x->c.t->nprod; i++) {
    Val K = emit_int(e, x->c.t->prod[i].K);
    any =
        LLVMBuildOr(e->b, any, LLVMBuildICmp(e->b, LLVMIntSGT, K, iconst(e, TILE_LONG_K), ""), "");
  }
  return any;
}

// The sums have a panel's width of slack behind them, which the moved tile's last row may read.
void tile_blocked(TileCx *c) {
  Emit *e = c->e;
  BlockCx x = {.c = *c, .row_tiles = tile_count(e, c->M, c->mr), .sums = e->workspace};
  Val n = LLVMBuildMul(e->b, x.row_tiles, tile_count(e, c->N, c->nr), "");
  n = times(e, n, (int64_t)c->mr * c->nr);
  x.nsums = n;
  x.b_pack = floats(e, x.sums, LLVMBuildAdd(e->b, n, iconst(e, c->nr), ""));
  x.a_pack = floats(e, x.b_pack, iconst(e, (int64_t)c->nr * LOOP_K_BLOCK));
  x.totals = floats(e, x.a_pack, times(e, x.row_tiles, (int64_t)c->mr * LOOP_K_BLOCK));
  x.is_long = any_long(&x);
  clear_sums(&x);
  when(&x, x.is_long, clear_totals);
  for (int i = 0; i < c->t->nprod; i++)
    add_product(&x, &c->t->prod[i]);
}

// TILE: for each panel of nr columns, for each tile of mr rows, all products in order into a stack
// tile, then the epilogue row by row over the panel's columns.
//
// Edges read no memory that is not theirs and need no code of their own in the inner loop: the last
// rows and columns are those of a tile moved back to end at M or N, of which the epilogue takes
// only the new part.  Panels (bwidth > 0) are padded instead. Extents smaller than one tile use
// slower inner loops, with clamped rows or masked columns.
#include "codegen/llvm/tile.h"

int64_t known_or(Val v, int64_t otherwise) {
  int64_t n;
  return emit_const(v, &n) ? n : otherwise;
}

// ---- totals in float64 of a tile's sums

typedef void TotalFn(Emit *e, LLVMTypeRef narrow, LLVMTypeRef broad, Val total, Val sum);

// f for each vector of n sums.
static void each_vector(Emit *e, Val total, Val sums, Val n, int width, TotalFn *f) {
  LoopCx l;
  if (!loop_begin(e, &l, iconst(e, 0), n, width))
    return;
  f(e, wide(e->u->f32, width), wide(e->u->f64, width), elem_ptr(e, e->u->f64, total, l.i),
    sums ? elem_ptr(e, e->u->f32, sums, l.i) : NULL);
  loop_end(e, &l);
}

static Val load_as(Emit *e, LLVMTypeRef t, Val p, unsigned align) {
  Val v = LLVMBuildLoad2(e->b, t, p, "");
  LLVMSetAlignment(v, align);
  return v;
}

static void clear_one(Emit *e, LLVMTypeRef narrow, LLVMTypeRef broad, Val total, Val sum) {
  (void)narrow, (void)sum;
  LLVMSetAlignment(LLVMBuildStore(e->b, LLVMConstNull(broad), total), 8);
}
static void add_one(Emit *e, LLVMTypeRef narrow, LLVMTypeRef broad, Val total, Val sum) {
  Val x = LLVMBuildFPExt(e->b, load_as(e, narrow, sum, 4), broad, "");
  x = LLVMBuildFAdd(e->b, load_as(e, broad, total, 8), x, "");
  LLVMSetAlignment(LLVMBuildStore(e->b, x, total), 8);
}
static void take_one(Emit *e, LLVMTypeRef narrow, LLVMTypeRef broad, Val total, Val sum) {
  Val x = LLVMBuildFPTrunc(e->b, load_as(e, broad, total, 8), narrow, "");
  LLVMSetAlignment(LLVMBuildStore(e->b, x, sum), 4);
}

void tile_clear_total(Emit *e, Val total, Val n, int width) {
  each_vector(e, total, NULL, n, width, clear_one);
}
void tile_add_total(Emit *e, Val total, Val sums, Val n, int width) {
  each_vector(e, total, sums, n, width, add_one);
}
void tile_take_total(Emit *e, Val total, Val sums, Val n, int width) {
  each_vector(e, total, sums, n, width, take_one);
}

// ---- operands

Val tile_count(Emit *e, Val x, int n) {
  return LLVMBuildUDiv(e->b, LLVMBuildAdd(e->b, x, iconst(e, n - 1), ""), iconst(e, n), "");
}

static Val float_at(Emit *e, int mem, Val index) {
  return elem_ptr(e, e->u->f32, e->mem[mem], index);
}

Val tile_a(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  CHECK(!p->afirst && e->k->mem.v[p->amem].dtype == DT_F32);
  Val at = LLVMBuildMul(e->b, c->ms, emit_int(e, p->am), "");
  return float_at(e, p->amem, LLVMBuildAdd(e->b, emit_int(e, p->abase), at, ""));
}

Val tile_b(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  Val at = c->ns;
  CHECK(!p->bn && !p->bfirst && e->k->mem.v[p->bmem].dtype == DT_F32);
  if (p->bwidth) {
    CHECK(p->bwidth == e->u->target->nr);
    at = LLVMBuildUDiv(e->b, c->ns, iconst(e, p->bwidth), "");
    at = LLVMBuildMul(e->b, at, emit_int(e, p->bpanel), "");
  }
  return float_at(e, p->bmem, LLVMBuildAdd(e->b, emit_int(e, p->bbase), at, ""));
}

// ---- products

static void call(TileCx *c, const MicroKey *key, const MicroArgs *args, const LProduct *p) {
  Emit *e = c->e;
  bool may_mask = !p->bwidth && !c->shift && (c->Nc < 0 || c->Nc % c->nr);
  bool narrow = !p->bwidth && c->shift && c->Nc < 0; // N below nr is known at run time only
  MicroKey k = *key;
  MicroArgs a = *args;
  a.cols = LLVMBuildSub(e->b, c->N, c->ns, "");
  if (!narrow) {
    k.masked = may_mask;
    micro_call(e->u, &k, &a);
    return;
  }
  LLVMBasicBlockRef full = new_block(e, "full"), few = new_block(e, "few"),
                    done = new_block(e, "done");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, a.cols, iconst(e, c->nr), ""), few, full);
  LLVMPositionBuilderAtEnd(e->b, full);
  micro_call(e->u, &k, &a);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, few);
  k.am = k.ak = k.bk = k.K = MICRO_RUNTIME;
  k.masked = true;
  k.prefetch = false;
  micro_call(e->u, &k, &a);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// The inner loop of so many rows that kernels share: its strides are known at run time only.
static MicroKey shared_loop(const TileCx *c, const LProduct *p, int rows, bool cut, bool first) {
  return (MicroKey){.am = MICRO_RUNTIME,
                    .ak = MICRO_RUNTIME,
                    .bk = MICRO_RUNTIME,
                    .K = MICRO_RUNTIME,
                    .rows = rows,
                    .nv = c->nv,
                    .first = first,
                    .cut = cut,
                    .clamped = rows > 2,
                    .prefetch = true,
                    .pairs = p->pairs,
                    .quads = p->quads};
}

// Fewer than mr rows: the smallest loop of 1, 2, 4, ... rows that holds them.
static void few_rows(TileCx *c, const LProduct *p, const MicroArgs *args, bool cut, bool first) {
  Emit *e = c->e;
  LLVMBasicBlockRef done = new_block(e, "done");
  for (int rows = 1;; rows *= 2) {
    rows = rows < c->mr ? rows : c->mr;
    MicroKey key = shared_loop(c, p, rows, cut, first);
    LLVMBasicBlockRef yes = rows < c->mr ? new_block(e, "rows") : NULL,
                      no = yes ? new_block(e, "more") : NULL;
    if (yes) {
      Val fits = LLVMBuildICmp(e->b, LLVMIntSLE, c->M, iconst(e, rows), "");
      LLVMBuildCondBr(e->b, fits, yes, no);
      LLVMPositionBuilderAtEnd(e->b, yes);
    }
    call(c, &key, args, p);
    LLVMBuildBr(e->b, done);
    if (!yes)
      break;
    LLVMPositionBuilderAtEnd(e->b, no);
  }
  LLVMPositionBuilderAtEnd(e->b, done);
}

static bool asks_ahead(const TileCx *c, const LProduct *p) {
  return p->bwidth && !p->pairs && !p->quads && (c->Mc < 0 || c->Mc > c->mr);
}

// Row tiles go over one panel after the other, and each asks for its share of the next panel, which so comes from memory while all of
// them compute.
static MicroArgs with_ahead(TileCx *c, const LProduct *p, const MicroArgs *args) {
  Emit *e = c->e;
  MicroArgs a = *args;
  Val tiles = tile_count(e, c->M, c->mr), at = tile_count(e, c->m, c->mr);
  Val panel = LLVMBuildMul(e->b, a.K, iconst(e, p->bwidth), "");
  at = LLVMBuildUDiv(e->b, LLVMBuildMul(e->b, panel, at, ""), tiles, "");
  a.ahead = elem_ptr(e, e->u->f32, a.b, LLVMBuildAdd(e->b, emit_int(e, p->bpanel), at, ""));
  a.step = LLVMBuildUDiv(e->b, iconst(e, p->bwidth), tiles, "");
  return a;
}

static void many_rows(TileCx *c, const LProduct *p, const MicroArgs *args, MicroKey *key) {
  MicroArgs a = *args;
  key->ahead = asks_ahead(c, p);
  key->prefetch &= !key->ahead;
  if (key->ahead)
    a = with_ahead(c, p, args);
  call(c, key, &a, p);
}

static void short_rows(TileCx *c, const LProduct *p, const MicroArgs *args, bool cut, bool first) {
  MicroArgs a = *args;
  MicroKey key = shared_loop(c, p, c->short_rows, cut, first);
  a.last = iconst(c->e, c->short_rows - 1);
  many_rows(c, p, &a, &key);
}

void tile_multiply(TileCx *c, const LProduct *p, const MicroArgs *a, bool first, bool few) {
  int64_t most = loop_upper_bound(p->K);
  MicroKey key = {.am = known_or(a->am, MICRO_RUNTIME),
                  .ak = known_or(a->ak, MICRO_RUNTIME),
                  .bk = known_or(a->bk, MICRO_RUNTIME),
                  .K = known_or(a->K, MICRO_RUNTIME),
                  .rows = c->mr,
                  .nv = c->nv,
                  .first = first,
                  .cut = !p->pairs && !p->quads && (most < 0 || most > TILE_UNCUT_K),
                  .prefetch = p->bwidth > 0,
                  .pairs = p->pairs,
                  .quads = p->quads};
  if (few)
    few_rows(c, p, a, key.cut, first);
  else if (c->is_short)
    short_rows(c, p, a, key.cut, first);
  else
    many_rows(c, p, a, &key);
}

// More than TILE_LONG_K values of k: as many at a time, whose sums are added up in float64.
static void long_product(TileCx *c, const LProduct *p, const MicroArgs *args, bool first,
                         bool few) {
  Emit *e = c->e;
  LoopCx l;
  MicroArgs a = *args;
  Val n = iconst(e, (int64_t)c->mr * c->nr);
  Val total = entry_alloca(e, LLVMArrayType(e->u->f64, (unsigned)(c->mr * c->nr)), 64);
  tile_clear_total(e, total, n, c->vector);
  if (!first)
    tile_add_total(e, total, c->tile, n, c->vector);
  if (!loop_begin(e, &l, iconst(e, 0), args->K, TILE_LONG_K))
    return;
  a.a = elem_ptr(e, e->u->f32, args->a, LLVMBuildMul(e->b, l.i, args->ak, ""));
  a.b = elem_ptr(e, e->u->f32, args->b, LLVMBuildMul(e->b, l.i, args->bk, ""));
  a.K = imin(e, LLVMBuildSub(e->b, args->K, l.i, ""), iconst(e, TILE_LONG_K));
  tile_multiply(c, p, &a, true, few);
  tile_add_total(e, total, c->tile, n, c->vector);
  loop_end(e, &l);
  tile_take_total(e, total, c->tile, n, c->vector);
}

Val tile_run(Emit *e, Val K) {
  Val is_long = LLVMBuildICmp(e->b, LLVMIntSGT, K, iconst(e, TILE_LONG_K), "");
  return LLVMBuildSelect(e->b, is_long, iconst(e, TILE_LONG_RUN), iconst(e, LOOP_K_BLOCK), "");
}

static void emit_product(TileCx *c, const LProduct *p, bool first, bool few) {
  Emit *e = c->e;
  MicroArgs a = {.a = tile_a(c, p),
                 .b = tile_b(c, p),
                 .c = c->tile,
                 .K = emit_int(e, p->K),
                 .am = emit_int(e, p->am),
                 .ak = emit_int(e, p->ak),
                 .bk = emit_int(e, p->bk),
                 .last = LLVMBuildSub(e->b, c->M, iconst(e, 1), "")};
  a.run = tile_run(e, a.K);
  int64_t most = loop_upper_bound(p->K);
  if (most >= 0 && most <= TILE_LONG_K) {
    tile_multiply(c, p, &a, first, few);
    return;
  }
  LLVMBasicBlockRef usual = new_block(e, "usual"), many = new_block(e, "long"),
                    done = new_block(e, "summed");
  Val is_long = LLVMBuildICmp(e->b, LLVMIntSGT, a.K, iconst(e, TILE_LONG_K), "");
  LLVMBuildCondBr(e->b, is_long, many, usual);
  LLVMPositionBuilderAtEnd(e->b, usual);
  tile_multiply(c, p, &a, first, few);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, many);
  emit_forget(e);
  long_product(c, p, &a, first, few);
  emit_forget(e);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// ---- the epilogue

static void emit_row(TileCx *c, Val r, Val mask) {
  Emit *e = c->e;
  const LTile *t = c->t;
  Val at = LLVMBuildMul(e->b, LLVMBuildSub(e->b, r, c->ms, ""), iconst(e, c->nr), "");
  if (c->shift)
    at = LLVMBuildAdd(e->b, at, LLVMBuildSub(e->b, c->n, c->ns, ""), "");
  emit_set_var(e, t->mvar, r, 1);
  c->lane.mask = mask;
  c->lane.acc =
      LLVMBuildLoad2(e->b, wide(e->u->f32, c->nr), elem_ptr(e, e->u->f32, c->tile, at), "");
  LLVMSetAlignment(c->lane.acc, 4);
  if (t->prod[0].quads)
    c->lane.acc = tile_scaled(c, &t->prod[0], r, c->lane.acc);
  e->lane = &c->lane;
  emit_body(e, &t->body);
  e->lane = NULL;
}

static void emit_rows(TileCx *c, Val mask) {
  Emit *e = c->e;
  LoopCx rows;
  Val end = LLVMBuildAdd(e->b, c->m, c->take, "");
  if (c->Mc < 0 || c->Mc % c->mr)
    end = imin(e, end, c->M);
  if (!loop_begin(e, &rows, c->m, end, 1))
    return;
  emit_row(c, rows.i, mask);
  loop_end(e, &rows);
}

void tile_epilogue(TileCx *c) {
  Emit *e = c->e;
  if (c->Nc >= 0 && c->Nc % c->nr == 0) {
    emit_rows(c, NULL);
    return;
  }
  Val mask = lane_mask(e, c->n, c->N, c->nr);
  if (c->Nc >= 0 && c->Nc < c->nr) {
    emit_rows(c, mask);
    return;
  }
  LLVMBasicBlockRef full = new_block(e, "whole"), part = new_block(e, "part"),
                    done = new_block(e, "done");
  Val fits =
      LLVMBuildICmp(e->b, LLVMIntSLE, LLVMBuildAdd(e->b, c->n, iconst(e, c->nr), ""), c->N, "");
  LLVMBuildCondBr(e->b, fits, full, part);
  LLVMPositionBuilderAtEnd(e->b, full);
  emit_rows(c, NULL);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, part);
  emit_rows(c, mask);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
  LLVMMoveBasicBlockAfter(done, LLVMGetLastBasicBlock(e->fn));
}

// ---- loops over panels and row tiles

static void products(TileCx *c, bool few) {
  for (int i = 0; i < c->t->nprod; i++) {
    const LProduct *p = &c->t->prod[i];
    (p->pairs ? tile_pairs : p->quads ? tile_quads : emit_product)(c, p, i == 0, few);
  }
}

// At least mr rows are there.
static void sum_rows(TileCx *c) {
  Emit *e = c->e;
  if (!c->short_rows) {
    products(c, false);
    return;
  }
  LLVMBasicBlockRef less = new_block(e, "short"), all = new_block(e, "all"),
                    done = new_block(e, "done");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, c->take, iconst(e, c->mr), ""), less, all);
  LLVMPositionBuilderAtEnd(e->b, less);
  c->is_short = true;
  products(c, false);
  c->is_short = false;
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, all);
  emit_forget(e);
  products(c, false);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void sum_tile(TileCx *c) {
  Emit *e = c->e;
  if (c->Mc >= 0) {
    sum_rows(c);
    return;
  }
  LLVMBasicBlockRef few = new_block(e, "few"), many = new_block(e, "many"),
                    done = new_block(e, "done");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, c->M, iconst(e, c->mr), ""), few, many);
  LLVMPositionBuilderAtEnd(e->b, few);
  products(c, true);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, many);
  emit_forget(e);
  sum_rows(c);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void whole_tile(TileCx *c) {
  sum_tile(c);
  emit_forget(c->e);
  tile_epilogue(c);
}

// The start of a tile moved back so that it ends at `end`, but not below 0.
static Val moved(Emit *e, Val start, Val end, Val size) {
  Val back = LLVMBuildSub(e->b, end, size, "");
  back = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, back, iconst(e, 0), ""), back,
                         iconst(e, 0), "");
  return imin(e, start, back);
}

// Of `left` rows the next tile takes mr, or short_rows where fewer of those, or no more, do for the rest: 16 rows are 8 and 8, not 12
// and 12 of which 8 are the same.
static Val next_rows(TileCx *c, Val left) {
  Emit *e = c->e;
  if (!c->short_rows)
    return iconst(e, c->mr);
  Val one = LLVMBuildICmp(e->b, LLVMIntSLE, left, iconst(e, c->short_rows), "");
  Val two = LLVMBuildICmp(e->b, LLVMIntSLE, left, iconst(e, 2 * (int64_t)c->short_rows), "");
  two = LLVMBuildAnd(e->b, two, LLVMBuildICmp(e->b, LLVMIntSGT, left, iconst(e, c->mr), ""), "");
  return LLVMBuildSelect(e->b, LLVMBuildOr(e->b, one, two, ""), iconst(e, c->short_rows),
                         iconst(e, c->mr), "");
}

void tile_rows(TileCx *c, TileFn *f) {
  Emit *e = c->e;
  LoopCx rows;
  if (!loop_begin(e, &rows, iconst(e, 0), c->M, c->mr))
    return;
  c->m = c->ms = rows.i;
  c->take = rows.step = next_rows(c, LLVMBuildSub(e->b, c->M, c->m, ""));
  if (c->Mc < 0 || c->Mc % c->mr)
    c->ms = moved(e, c->m, c->M, c->take);
  f(c);
  loop_end(e, &rows);
}

void tile_panels(TileCx *c, TileFn *f) {
  Emit *e = c->e;
  LoopCx panels;
  if (!loop_begin(e, &panels, iconst(e, 0), c->N, c->nr))
    return;
  c->n = c->ns = panels.i;
  emit_set_var(e, c->t->nvar, c->n, c->nr);
  if (c->shift)
    c->ns = moved(e, c->n, c->N, iconst(e, c->nr));
  f(c);
  loop_end(e, &panels);
}

// ---- the statement

// The largest power of two below mr, where rows may be left over that it suits; AMX has tiles of its own, and what PAIRS or QUADS wrote is
// read in whole tiles.
static int short_of(const TileCx *c) {
  int rows = 1;
  bool whole = c->Mc >= 0 && (c->Mc <= c->mr || c->Mc % c->mr == 0);
  for (int i = 0; i < c->t->nprod; i++)
    whole |= c->t->prod[i].pairs || c->t->prod[i].quads;
  while (2 * rows < c->mr)
    rows *= 2;
  return whole || loop_tile_workspace(c->t) || rows < 4 ? 0 : rows;
}

static bool all_pairs(const LTile *t) {
  bool all = true;
  for (int i = 0; i < t->nprod; i++)
    all &= t->prod[i].pairs;
  return all;
}

static void shape(TileCx *c) {
  const Target *t = c->e->u->target;
  c->amx =
      c->t->prod[0].quads ? t->quads == QUADS_TILES : t->pairs == PAIRS_TILES && all_pairs(c->t);
  int width = t->vector_floats;
  for (int i = 0; i < c->t->nprod; i++)
    *(c->t->prod[i].bwidth ? &c->panels : &c->rows) = true;
  int mr = c->amx ? t->pair_rows : t->mr;
  c->mr = c->Mc >= 0 && c->Mc < mr ? (int)c->Mc : mr;
  c->short_rows = short_of(c);
  c->nv = t->nr / width;
  if (!c->amx && c->Nc >= 0 && c->Nc < t->nr) {
    c->nv = 1; // a power of two: the lanes of the epilogue
    while (c->nv * width < c->Nc)
      c->nv *= 2;
  }
  c->vector = width;
  c->nr = c->nv * width;
  c->shift = !c->panels && (c->Nc < 0 || (c->Nc > c->nr && c->Nc % c->nr));
}

static void panel(TileCx *c) {
  tile_rows(c, whole_tile);
}

static void all_panels(TileCx *c) {
  if (loop_tile_workspace(c->t))
    tile_blocked(c);
  else
    tile_panels(c, panel);
}

// By the number of columns, where that is known at run time only.
static void few_or_many(TileCx *c) {
  Emit *e = c->e;
  LLVMBasicBlockRef few = new_block(e, "turn"), many = new_block(e, "panels"),
                    done = new_block(e, "tiled");
  LLVMBuildCondBr(e->b, turned_wanted(c), few, many);
  LLVMPositionBuilderAtEnd(e->b, few);
  tile_turned(c);
  emit_forget(e);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, many);
  all_panels(c);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

void emit_tile(Emit *e, const LTile *t) {
  TileCx c = {.e = e, .t = t, .M = emit_int(e, t->M), .N = emit_int(e, t->N)};
  c.Mc = known_or(c.M, -1);
  c.Nc = known_or(c.N, -1);
  if (c.Mc == 0 || c.Nc == 0)
    return;
  shape(&c);
  c.lane = (LaneCx){
      .lanes = lanes_of(e->arena, e->k, t->nvar, &t->body), .width = c.nr, .base_multiple = c.nr};
  if (c.amx)
    amx_begin(&c);
  partials_begin(e, &t->body, c.nr);
  // a row of slack: the moved tile's last columns are loaded as a whole vector
  int rows = c.mr < c.vector ? c.vector : c.mr;
  if (!loop_tile_workspace(t))
    c.tile = entry_alloca(e, LLVMArrayType(e->u->f32, (unsigned)((rows + 1) * c.nr)), 64);
  (turned_fits(&c) ? few_or_many : all_panels)(&c);
  if (c.amx)
    amx_end(&c);
  partials_end(e, &t->body);
  emit_forget(e);
}

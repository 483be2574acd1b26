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

// ---- products

static Val float_at(Emit *e, int mem, Val index) {
  return elem_ptr(e, e->u->f32, e->mem[mem], index);
}

Val tile_a(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  Val at = LLVMBuildMul(e->b, c->ms, emit_int(e, p->am), "");
  return float_at(e, p->amem, LLVMBuildAdd(e->b, emit_int(e, p->abase), at, ""));
}

Val tile_b(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  Val at = c->ns;
  if (p->bwidth) {
    CHECK(p->bwidth == e->u->target->nr);
    at = LLVMBuildUDiv(e->b, c->ns, iconst(e, p->bwidth), "");
    at = LLVMBuildMul(e->b, at, emit_int(e, p->bpanel), "");
  }
  return float_at(e, p->bmem, LLVMBuildAdd(e->b, emit_int(e, p->bbase), at, ""));
}

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

// Fewer than mr rows: the smallest loop of 1, 2, 4, ... rows that holds them, strides at run time
// so that kernels share it.
static void few_rows(TileCx *c, const LProduct *p, const MicroArgs *args, bool first) {
  Emit *e = c->e;
  LLVMBasicBlockRef done = new_block(e, "done");
  for (int rows = 1;; rows *= 2) {
    rows = rows < c->mr ? rows : c->mr;
    MicroKey key = {.am = MICRO_RUNTIME,
                    .ak = MICRO_RUNTIME,
                    .bk = MICRO_RUNTIME,
                    .K = MICRO_RUNTIME,
                    .rows = rows,
                    .nv = c->nv,
                    .first = first,
                    .clamped = rows > 2,
                    .prefetch = true};
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

static void emit_product(TileCx *c, const LProduct *p, bool first, bool few) {
  Emit *e = c->e;
  Val ak = emit_int(e, p->ak), bk = emit_int(e, p->bk);
  MicroArgs a = {.a = tile_a(c, p),
                 .b = tile_b(c, p),
                 .c = c->tile,
                 .K = emit_int(e, p->K),
                 .am = emit_int(e, p->am),
                 .ak = ak,
                 .bk = bk,
                 .last = LLVMBuildSub(e->b, c->M, iconst(e, 1), "")};
  if (few) {
    few_rows(c, p, &a, first);
    return;
  }
  MicroKey key = {.am = known_or(a.am, MICRO_RUNTIME),
                  .ak = known_or(ak, MICRO_RUNTIME),
                  .bk = known_or(bk, MICRO_RUNTIME),
                  .K = known_or(a.K, MICRO_RUNTIME),
                  .rows = c->mr,
                  .nv = c->nv,
                  .first = first,
                  .prefetch = p->bwidth > 0};
  call(c, &key, &a, p);
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
  e->lane = &c->lane;
  emit_body(e, &t->body);
  e->lane = NULL;
}

static void emit_rows(TileCx *c, Val mask) {
  Emit *e = c->e;
  LoopCx rows;
  Val end = LLVMBuildAdd(e->b, c->m, iconst(e, c->mr), "");
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
  for (int i = 0; i < c->t->nprod; i++)
    emit_product(c, &c->t->prod[i], i == 0, few);
}

static void sum_tile(TileCx *c) {
  Emit *e = c->e;
  if (c->Mc >= 0) {
    products(c, false);
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
  products(c, false);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void whole_tile(TileCx *c) {
  sum_tile(c);
  emit_forget(c->e);
  tile_epilogue(c);
}

// The start of a tile moved back so that it ends at `end`, but not below 0.
static Val moved(Emit *e, Val start, Val end, int size) {
  Val back = LLVMBuildSub(e->b, end, iconst(e, size), "");
  back = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, back, iconst(e, 0), ""), back,
                         iconst(e, 0), "");
  return imin(e, start, back);
}

void tile_rows(TileCx *c, TileFn *f) {
  Emit *e = c->e;
  LoopCx rows;
  if (!loop_begin(e, &rows, iconst(e, 0), c->M, c->mr))
    return;
  c->m = c->ms = rows.i;
  if (c->Mc < 0 || c->Mc % c->mr)
    c->ms = moved(e, c->m, c->M, c->mr);
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
    c->ns = moved(e, c->n, c->N, c->nr);
  f(c);
  loop_end(e, &panels);
}

// ---- the statement

static void shape(TileCx *c) {
  const Target *t = c->e->u->target;
  int width = t->vector_floats;
  for (int i = 0; i < c->t->nprod; i++)
    *(c->t->prod[i].bwidth ? &c->panels : &c->rows) = true;
  c->mr = c->Mc >= 0 && c->Mc < t->mr ? (int)c->Mc : t->mr;
  c->nv = t->nr / width;
  if (c->Nc >= 0 && c->Nc < t->nr) {
    c->nv = 1; // a power of two: the lanes of the epilogue
    while (c->nv * width < c->Nc)
      c->nv *= 2;
  }
  c->nr = c->nv * width;
  c->shift = !c->panels && (c->Nc < 0 || (c->Nc > c->nr && c->Nc % c->nr));
}

static void panel(TileCx *c) {
  tile_rows(c, whole_tile);
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
  partials_begin(e, &t->body, c.nr);
  if (loop_tile_workspace(t)) {
    tile_blocked(&c);
  } else {
    // a row of slack: the moved tile's last columns are loaded as a whole vector
    c.tile = entry_alloca(e, LLVMArrayType(e->u->f32, (unsigned)((c.mr + 1) * c.nr)), 64);
    tile_panels(&c, panel);
  }
  partials_end(e, &t->body);
  emit_forget(e);
}

// A tile's product of pairs of bf16: B is in panels of pairs, A in rows, read as they lie up to the last whole piece of k, whose
// rest is copied beside zeros first: what lies behind a row may be no number.
#include "codegen/llvm/tile.h"

// ---- pairs

static Val upper_half(LlvmUnit *u, Val x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  Val bits = LLVMBuildBitCast(u->b, x, same_width(u->i32, x), "");
  return LLVMBuildBitCast(u->b, LLVMBuildAnd(u->b, bits, uconst(u, x, 0xffff0000u), ""), t, "");
}

static Val lower_half(LlvmUnit *u, Val x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  Val bits = LLVMBuildBitCast(u->b, x, same_width(u->i32, x), "");
  return LLVMBuildBitCast(u->b, LLVMBuildShl(u->b, bits, uconst(u, x, 16), ""), t, "");
}

static Val multiply_add(LlvmUnit *u, Val x, Val y, Val sum) {
  LLVMTypeRef pairs = wide(LLVMBFloatTypeInContext(u->cx), 2 * width_of(x));
  Val args[3] = {sum, LLVMBuildBitCast(u->b, x, pairs, ""), LLVMBuildBitCast(u->b, y, pairs, "")};
  return call_intrinsic(u, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, args, 3);
}

Val pair_add(LlvmUnit *u, Val x, Val y, Val sum) {
  if (u->target->pairs == PAIRS_DOT)
    return multiply_add(u, x, y, sum);
  sum = vm_fma(&u->vm, lower_half(u, x), lower_half(u, y), sum);
  return vm_fma(&u->vm, upper_half(u, x), upper_half(u, y), sum);
}

// ---- operands, in values of bf16

static Val half_at(Emit *e, int mem, Val index) {
  return elem_ptr(e, e->u->i16, e->mem[mem], index);
}

static Val rows_of_a(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  Val at = LLVMBuildMul(e->b, c->ms, emit_int(e, p->am), "");
  return half_at(e, p->amem, LLVMBuildAdd(e->b, emit_int(e, p->abase), at, ""));
}

static Val panel_of_b(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  CHECK(p->bwidth == e->u->target->nr);
  Val at = LLVMBuildUDiv(e->b, c->ns, iconst(e, p->bwidth), "");
  at = LLVMBuildMul(e->b, at, emit_int(e, p->bpanel), "");
  return half_at(e, p->bmem, LLVMBuildAdd(e->b, emit_int(e, p->bbase), at, ""));
}

// ---- the rest of k

static void multiply(TileCx *c, const LProduct *p, const MicroArgs *a, bool first, bool few) {
  if (c->amx)
    amx_multiply(c, a, first, few);
  else
    tile_multiply(c, p, a, first, few);
}

// n values of A's row r, zeros behind them.
static void copy_row(TileCx *c, const MicroArgs *a, Val r, Val n, Val strip) {
  Emit *e = c->e;
  LLVMTypeRef t = wide(e->u->i16, LOOP_PAIR_K);
  Val from = elem_ptr(e, e->u->i16, a->a, LLVMBuildMul(e->b, imin(e, r, a->last), a->am, ""));
  Val args[4] = {from, LLVMConstInt(e->u->i32, 2, false),
                 lane_mask(e, iconst(e, 0), n, LOOP_PAIR_K), LLVMConstNull(t)};
  Val v = call_intrinsic(e->u, "llvm.masked.load", (LLVMTypeRef[]){t, e->u->ptr}, 2, args, 4);
  Val to = elem_ptr(e, e->u->i16, strip, LLVMBuildMul(e->b, r, iconst(e, LOOP_PAIR_K), ""));
  LLVMSetAlignment(LLVMBuildStore(e->b, v, to), 64);
}

static void add_rest(TileCx *c, const LProduct *p, const MicroArgs *whole, Val n, bool few) {
  Emit *e = c->e;
  LoopCx l;
  MicroArgs a = *whole;
  Val strip = entry_alloca(e, LLVMArrayType(e->u->i16, (unsigned)(c->mr * LOOP_PAIR_K)), 64);
  if (!loop_begin(e, &l, iconst(e, 0), iconst(e, c->mr), 1))
    return;
  copy_row(c, whole, l.i, n, strip);
  loop_end(e, &l);
  a.a = strip;
  a.am = iconst(e, LOOP_PAIR_K);
  a.K = iconst(e, LOOP_PAIR_K / 2);
  multiply(c, p, &a, false, few);
}

void tile_pairs(TileCx *c, const LProduct *p, bool first, bool few) {
  Emit *e = c->e;
  Val K = emit_int(e, p->K), whole = LLVMBuildAnd(e->b, K, iconst(e, -LOOP_PAIR_K), "");
  MicroArgs a = {.a = rows_of_a(c, p),
                 .b = panel_of_b(c, p),
                 .c = c->tile,
                 .K = LLVMBuildLShr(e->b, whole, iconst(e, 1), ""),
                 .am = emit_int(e, p->am),
                 .ak = iconst(e, 2),
                 .bk = iconst(e, p->bwidth),
                 .last = LLVMBuildSub(e->b, c->M, iconst(e, 1), "")};
  multiply(c, p, &a, first, few);
  Val n = LLVMBuildSub(e->b, K, whole, "");
  int64_t rest;
  if (emit_const(n, &rest) && !rest)
    return;
  LLVMBasicBlockRef some = new_block(e, "rest"), done = new_block(e, "summed");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntNE, n, iconst(e, 0), ""), some, done);
  LLVMPositionBuilderAtEnd(e->b, some);
  a.a = elem_ptr(e, e->u->i16, a.a, whole);
  a.b = elem_ptr(e, e->u->i16, a.b, LLVMBuildMul(e->b, whole, iconst(e, p->bwidth), ""));
  add_rest(c, p, &a, n, few);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

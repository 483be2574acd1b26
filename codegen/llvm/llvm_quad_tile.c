// A tile's product of quads of int8: sums are whole numbers, exact, so that any unit and any order gives the same.  What
// QUADS wrote before rows and panels are their scales.
#include "codegen/llvm/tile.h"
#include <string.h>

static Val words(LlvmUnit *u, Val x) {
  return LLVMBuildBitCast(u->b, x, same_width(u->i32, x), "");
}

static Val floats(LlvmUnit *u, Val x) {
  return LLVMBuildBitCast(u->b, x, same_width(u->f32, x), "");
}

// ---- a step of four k

static Val dot(LlvmUnit *u, Val x, Val y, Val sum) {
  const char *name =
      width_of(x) == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
  Val args[3] = {sum, x, y};
  return call_intrinsic(u, name, NULL, 0, args, 3);
}

// Byte i of each word, as a number.
static Val byte(LlvmUnit *u, Val x, int i) {
  Val up = uconst(u, x, (uint32_t)(24 - 8 * i)), down = uconst(u, x, 24);
  return LLVMBuildAShr(u->b, LLVMBuildShl(u->b, x, up, ""), down, "");
}

static Val by_words(LlvmUnit *u, Val x, Val y, Val sum) {
  for (int i = 0; i < 4; i++)
    sum = LLVMBuildAdd(u->b, sum, LLVMBuildMul(u->b, byte(u, x, i), byte(u, y, i), ""), "");
  return sum;
}

// The even bytes of words as numbers of 16 bits, or the odd ones.
static Val halves(LlvmUnit *u, Val x, bool odd) {
  LLVMTypeRef t = wide(u->i16, 2 * width_of(x));
  Val eight = emit_splat(u, LLVMConstInt(u->i16, 8, false), 2 * width_of(x));
  x = LLVMBuildBitCast(u->b, x, t, "");
  return LLVMBuildAShr(u->b, odd ? x : LLVMBuildShl(u->b, x, eight, ""), eight, "");
}

// Sums of two products of 16 bits: those of bytes are far from what a word holds.
static Val by_halves(LlvmUnit *u, Val x, Val y, Val sum) {
  const char *name = width_of(x) == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                     : width_of(x) == 8 ? "llvm.x86.avx2.pmadd.wd"
                                        : "llvm.x86.sse2.pmadd.wd";
  for (int odd = 0; odd < 2; odd++) {
    Val args[2] = {halves(u, x, odd), halves(u, y, odd)};
    sum = LLVMBuildAdd(u->b, sum, call_intrinsic(u, name, NULL, 0, args, 2), "");
  }
  return sum;
}

Val quad_add(LlvmUnit *u, Val x, Val y, Val sum) {
  bool x86 = !strncmp(u->target->triple, "x86_64", 6);
  x = words(u, x);
  y = words(u, y);
  sum = words(u, sum);
  sum = u->target->quads == QUADS_DOT ? dot(u, x, y, sum)
        : x86                         ? by_halves(u, x, y, sum)
                                      : by_words(u, x, y, sum);
  return floats(u, sum);
}

// ---- the product

static Val row_at(TileCx *c, const LProduct *p, Val row) {
  Emit *e = c->e;
  Val at = LLVMBuildMul(e->b, row, emit_int(e, p->am), "");
  return elem_ptr(e, e->u->f32, e->mem[p->amem], LLVMBuildAdd(e->b, emit_int(e, p->abase), at, ""));
}

static Val panel_at(TileCx *c, const LProduct *p) {
  Emit *e = c->e;
  CHECK(p->bwidth == e->u->target->nr);
  Val at = LLVMBuildUDiv(e->b, c->ns, iconst(e, p->bwidth), "");
  at = LLVMBuildMul(e->b, at, emit_int(e, p->bpanel), "");
  return elem_ptr(e, e->u->f32, e->mem[p->bmem], LLVMBuildAdd(e->b, emit_int(e, p->bbase), at, ""));
}

void tile_quads(TileCx *c, const LProduct *p, bool first, bool few) {
  Emit *e = c->e;
  MicroArgs a = {.a = elem_ptr(e, e->u->f32, row_at(c, p, c->ms), iconst(e, LOOP_QUAD_HEAD)),
                 .b = elem_ptr(e, e->u->f32, panel_at(c, p), iconst(e, 2 * p->bwidth)),
                 .c = c->tile,
                 .K = emit_int(e, p->K),
                 .am = emit_int(e, p->am),
                 .ak = iconst(e, 1),
                 .bk = iconst(e, p->bwidth),
                 .last = LLVMBuildSub(e->b, c->M, iconst(e, 1), "")};
  if (c->amx)
    amx_multiply(c, &a, first, few);
  else
    tile_multiply(c, p, &a, first, few);
}

// ---- the sums as floats

static Val load(TileCx *c, LLVMTypeRef scalar, Val p, int width) {
  Emit *e = c->e;
  Val v = LLVMBuildLoad2(e->b, width ? wide(scalar, width) : scalar, p, "");
  LLVMSetAlignment(v, 4);
  return v;
}

Val tile_scaled(TileCx *c, const LProduct *p, Val row, Val sums) {
  Emit *e = c->e;
  LlvmUnit *u = e->u;
  Val panel = panel_at(c, p), head = row_at(c, p, row);
  Val added = load(c, u->i32, elem_ptr(e, u->f32, head, iconst(e, 1)), 0);
  Val less = load(c, u->i32, elem_ptr(e, u->f32, panel, iconst(e, p->bwidth)), c->nr);
  less = LLVMBuildMul(e->b, less, emit_splat(u, added, c->nr), "");
  Val sum = LLVMBuildAdd(e->b, words(u, sums), less, "");
  Val x = LLVMBuildSIToFP(e->b, sum, wide(u->f32, c->nr), "");
  x = LLVMBuildFMul(e->b, x, emit_splat(u, load(c, u->f32, head, 0), c->nr), "");
  return LLVMBuildFMul(e->b, x, load(c, u->f32, panel, c->nr), "");
}

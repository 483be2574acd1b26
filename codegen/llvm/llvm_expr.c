// Data expressions of the loop IR: a vector of lanes when the value varies between them, else a
// scalar.
#include "codegen/llvm/llvm_internal.h"

LLVMTypeRef wide(LLVMTypeRef scalar, int width) {
  return width ? LLVMVectorType(scalar, (unsigned)width) : scalar;
}

int width_of(Val v) {
  LLVMTypeRef t = LLVMTypeOf(v);
  return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 0;
}

Val emit_splat(LlvmUnit *u, Val scalar, int width) {
  if (LLVMIsConstant(scalar)) {
    Val v[256];
    CHECK(width <= COUNT(v));
    for (int i = 0; i < width; i++)
      v[i] = scalar;
    return LLVMConstVector(v, (unsigned)width);
  }
  LLVMTypeRef t = wide(LLVMTypeOf(scalar), width);
  Val one = LLVMBuildInsertElement(u->b, LLVMGetPoison(t), scalar, LLVMConstNull(u->i32), "");
  return LLVMBuildShuffleVector(u->b, one, LLVMGetPoison(t), LLVMConstNull(wide(u->i32, width)),
                                "");
}

Val emit_lanes(Emit *e, const LExpr *x) {
  Val v = emit_data(e, x);
  return width_of(v) ? v : emit_splat(e->u, v, e->lane->width);
}

LLVMTypeRef same_width(LLVMTypeRef scalar, Val like) {
  return wide(scalar, width_of(like));
}

Val uconst(LlvmUnit *u, Val like, uint32_t n) {
  Val c = LLVMConstInt(u->i32, n, false);
  return width_of(like) ? emit_splat(u, c, width_of(like)) : c;
}

// Indices below 2^31, as all extents are: 32-bit lanes convert in one instruction.
static Val from_int(Emit *e, const LExpr *x) {
  LlvmUnit *u = e->u;
  Val v =
      e->lane && lanes_vary(&e->lane->lanes, x->a) ? emit_int_lanes(e, x->a) : emit_int(e, x->a);
  v = LLVMBuildTrunc(e->b, v, same_width(u->i32, v), "");
  return emit_scalar(u, L_CAST, x->dtype, DT_I32, (Val[3]){v});
}

// ---- random numbers: rng_element and rng_uniform of base/rng.h

static Val mix(LlvmUnit *u, Val x) {
  static const uint32_t step[3][2] = {{16, 0x7FEB352Du}, {15, 0x846CA68Bu}, {16, 0}};
  for (int i = 0; i < 3; i++) {
    x = LLVMBuildXor(u->b, x, LLVMBuildLShr(u->b, x, uconst(u, x, step[i][0]), ""), "");
    if (step[i][1])
      x = LLVMBuildMul(u->b, x, uconst(u, x, step[i][1]), "");
  }
  return x;
}

// The halves of a 64-bit element number.  Lanes at a constant positive stride carry into the upper
// half at most once.
static void halves(Emit *e, const LExpr *index, Val *low, Val *high) {
  LlvmUnit *u = e->u;
  int64_t stride;
  bool regular = lane_stride(e, index, &stride) && stride >= 0 && stride < 1 << 20;
  Val n = regular ? emit_int(e, index) : emit_int_lanes(e, index);
  LLVMTypeRef half = same_width(u->i32, n);
  Val shift = LLVMConstInt(u->i64, 32, false);
  if (width_of(n))
    shift = emit_splat(u, shift, width_of(n));
  *low = LLVMBuildTrunc(u->b, n, half, "");
  *high = LLVMBuildTrunc(u->b, LLVMBuildLShr(u->b, n, shift, ""), half, "");
  if (!regular || !stride)
    return;
  int width = e->lane->width;
  Val step[256], base = emit_splat(u, *low, width);
  for (int i = 0; i < width; i++)
    step[i] = LLVMConstInt(u->i32, (unsigned long long)(i * stride), false);
  *low = LLVMBuildAdd(u->b, base, LLVMConstVector(step, (unsigned)width), "");
  Val carry = LLVMBuildICmp(u->b, LLVMIntULT, *low, base, "");
  *high = LLVMBuildAdd(u->b, emit_splat(u, *high, width),
                       LLVMBuildZExt(u->b, carry, wide(u->i32, width), ""), "");
}

static Val random_uniform(Emit *e, const LExpr *x) {
  LlvmUnit *u = e->u;
  Val low, high, keys = emit_scalar_slot(e, x->inum);
  halves(e, x->a, &low, &high);
  Val k0 = LLVMBuildTrunc(u->b, keys, u->i32, "");
  Val k1 = LLVMBuildTrunc(u->b, LLVMBuildLShr(u->b, keys, iconst(e, 32), ""), u->i32, "");
  if (width_of(low)) {
    k0 = emit_splat(u, k0, width_of(low));
    k1 = emit_splat(u, k1, width_of(low));
  }
  Val a = LLVMBuildAdd(u->b, LLVMBuildMul(u->b, low, uconst(u, low, 0x9E3779B9u), ""), k0, "");
  a = LLVMBuildAdd(u->b, a, LLVMBuildMul(u->b, high, uconst(u, low, 0x85EBCA6Bu), ""), "");
  Val r = mix(u, LLVMBuildXor(u->b, mix(u, a), k1, ""));
  LLVMTypeRef t = same_width(u->f32, r);
  Val f = LLVMBuildUIToFP(u->b, LLVMBuildLShr(u->b, r, uconst(u, r, 9), ""), t, "");
  f = LLVMBuildFAdd(u->b, f, vm_splat(&u->vm, t, 0.5), "");
  return LLVMBuildFMul(u->b, f, vm_splat(&u->vm, t, 0x1p-23), "");
}

// ---- arithmetic

static bool fuses(const LExpr *x) {
  return x->op == L_MUL && (x->dtype == DT_F32 || x->dtype == DT_F64);
}

// Operands brought to one width.
static void level_widths(Emit *e, Val *x, int n) {
  bool lanes = false;
  for (int i = 0; i < n; i++)
    lanes |= width_of(x[i]) > 0;
  for (int i = 0; lanes && i < n; i++)
    if (!width_of(x[i]))
      x[i] = emit_splat(e->u, x[i], e->lane->width);
}

static Val fused(Emit *e, const LExpr *product, Val c, bool negate) {
  Val v[3] = {emit_data(e, product->a), emit_data(e, product->b), c};
  if (negate)
    v[0] = LLVMBuildFNeg(e->b, v[0], "");
  level_widths(e, v, 3);
  return vm_fma(&e->u->vm, v[0], v[1], v[2]);
}

// Contraction follows the expression's form alone, so the bits depend on neither lanes nor passes.
static Val contracted(Emit *e, const LExpr *x) {
  if (x->op == L_ADD && fuses(x->a))
    return fused(e, x->a, emit_data(e, x->b), false);
  if (x->op == L_ADD && fuses(x->b))
    return fused(e, x->b, emit_data(e, x->a), false);
  if (x->op == L_SUB && fuses(x->a))
    return fused(e, x->a, LLVMBuildFNeg(e->b, emit_data(e, x->b), ""), false);
  if (x->op == L_SUB && fuses(x->b))
    return fused(e, x->b, emit_data(e, x->a), true);
  return NULL;
}

Val emit_add(Emit *e, DType t, const LExpr *x, Val acc) {
  if (fuses(x))
    return fused(e, x, acc, false);
  return emit_reduce(e, LR_SUM, t, emit_data(e, x), acc);
}

Val emit_reduce(Emit *e, LReduce op, DType t, Val x, Val y) {
  static const LOp of[] = {[LR_SUM] = L_ADD, [LR_MAX] = L_MAX, [LR_MIN] = L_MIN};
  Val v[3] = {x, y};
  level_widths(e, v, 2);
  return emit_scalar(e->u, of[op], t, t, v);
}

static Val operation(Emit *e, const LExpr *x) {
  const LExpr *kid[3] = {x->a, x->b, x->c};
  Val v[3] = {NULL, NULL, NULL};
  int n = 0;
  Val f = dtype_is_float(x->dtype) && x->dtype != DT_BF16 ? contracted(e, x) : NULL;
  if (f)
    return f;
  for (; n < 3 && kid[n]; n++)
    v[n] = emit_data(e, kid[n]);
  level_widths(e, v, n);
  return emit_scalar(e->u, x->op, x->dtype, x->a->dtype, v);
}

static Val data_const(LlvmUnit *u, const LExpr *x) {
  LLVMTypeRef t = data_type(u, x->dtype);
  if (x->dtype == DT_BOOL || x->dtype == DT_I32)
    return LLVMConstInt(t, (unsigned long long)(int64_t)x->num, true);
  Val v = LLVMConstReal(t, x->num);
  return x->dtype == DT_BF16 ? emit_bf16_round(u, v) : v;
}

static Val frame_scalar(Emit *e, const LExpr *x) {
  Val v = emit_scalar_slot(e, x->inum);
  if (x->dtype != DT_F64)
    v = LLVMBuildTrunc(e->b, v, e->u->i32, "");
  return x->dtype == DT_I32 ? v : LLVMBuildBitCast(e->b, v, data_type(e->u, x->dtype), "");
}

static Val emit_new(Emit *e, const LExpr *x) {
  switch (x->op) {
  case L_CONST: return data_const(e->u, x);
  case L_SCALAR: return frame_scalar(e, x);
  case L_LOAD: return emit_load(e, (int)x->inum, x->a);
  case L_REG: return LLVMBuildLoad2(e->b, e->reg[x->inum].type, e->reg[x->inum].slot, "");
  case L_ACC: return e->lane->acc;
  case L_FROM_INT: return from_int(e, x);
  case L_RANDOM: return random_uniform(e, x);
  default: return operation(e, x);
  }
}

Val emit_data(Emit *e, const LExpr *x) {
  uint64_t seen;
  if (map_get(&e->data, x, &seen))
    return (Val)(uintptr_t)seen;
  Val v = emit_new(e, x);
  map_put(&e->data, x, (uintptr_t)v);
  return v;
}

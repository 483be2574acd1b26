// Data expressions of the loop IR: a vector of lanes when the value varies between them, else a
// scalar.
//
// bool is i1; bf16 is held as the float of equal value, and rounded after every operation that
// makes one.
#include "codegen/llvm/emit.h"

LLVMTypeRef data_type(const LlvmUnit *u, DType t) {
  switch (t) {
  case DT_BOOL: return u->i1;
  case DT_I32: return u->i32;
  case DT_BF16:
  case DT_F32: return u->f32;
  case DT_F64: return u->f64;
  default: BUG("kernels hold no %s", dtype_name(t));
  }
}

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

static LLVMTypeRef same_width(LLVMTypeRef scalar, Val like) {
  return wide(scalar, width_of(like));
}

static Val uconst(LlvmUnit *u, Val like, uint32_t n) {
  Val c = LLVMConstInt(u->i32, n, false);
  return width_of(like) ? emit_splat(u, c, width_of(like)) : c;
}

// ---- conversions

// Round to nearest even on the upper half of the bits; NaN stays NaN.
Val emit_bf16_round(LlvmUnit *u, Val x) {
  LLVMTypeRef bits = same_width(u->i32, x);
  Val i = LLVMBuildBitCast(u->b, x, bits, "");
  Val odd = LLVMBuildAnd(u->b, LLVMBuildLShr(u->b, i, uconst(u, x, 16), ""), uconst(u, x, 1), "");
  Val up = LLVMBuildAdd(u->b, LLVMBuildAdd(u->b, i, uconst(u, x, 0x7fff), ""), odd, "");
  Val cut = LLVMBuildBitCast(u->b, LLVMBuildAnd(u->b, up, uconst(u, x, 0xffff0000u), ""),
                             LLVMTypeOf(x), "");
  return LLVMBuildSelect(u->b, LLVMBuildFCmp(u->b, LLVMRealUNO, x, x, ""), x, cut, "");
}

static Val from_bool(LlvmUnit *u, DType to, Val x) {
  LLVMTypeRef t = same_width(data_type(u, to), x);
  return to == DT_I32 ? LLVMBuildZExt(u->b, x, t, "") : LLVMBuildUIToFP(u->b, x, t, "");
}

static Val to_bool(LlvmUnit *u, DType from, Val x) {
  Val zero = LLVMConstNull(LLVMTypeOf(x));
  return from == DT_I32 ? LLVMBuildICmp(u->b, LLVMIntNE, x, zero, "")
                        : LLVMBuildFCmp(u->b, LLVMRealUNE, x, zero, "");
}

static Val cast(LlvmUnit *u, DType from, DType to, Val x) {
  if (from == to)
    return x;
  LLVMTypeRef t = same_width(data_type(u, to), x);
  Val v;
  if (from == DT_BOOL)
    return from_bool(u, to, x);
  if (to == DT_BOOL)
    return to_bool(u, from, x);
  if (to == DT_I32)
    return LLVMBuildFPToSI(u->b, x, t, "");
  if (from == DT_I32)
    v = LLVMBuildSIToFP(u->b, x, t, "");
  else
    v = to == DT_F64     ? LLVMBuildFPExt(u->b, x, t, "")
        : from == DT_F64 ? LLVMBuildFPTrunc(u->b, x, t, "")
                         : x;
  return to == DT_BF16 ? emit_bf16_round(u, v) : v;
}

// Indices below 2^31, as all extents are: 32-bit lanes convert in one instruction.
static Val from_int(Emit *e, const LExpr *x) {
  LlvmUnit *u = e->u;
  Val v =
      e->lane && lanes_vary(&e->lane->lanes, x->a) ? emit_int_lanes(e, x->a) : emit_int(e, x->a);
  v = LLVMBuildTrunc(e->b, v, same_width(u->i32, v), "");
  return cast(u, DT_I32, x->dtype, v);
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

// a > b ? a : b, which takes b when one is not a number: one instruction.  A NaN in a needs a
// second look, unless a is a constant.
static Val pick(LlvmUnit *u, bool max, DType t, Val a, Val b) {
  if (LLVMIsConstant(b)) {
    Val swap = a;
    a = b, b = swap;
  }
  Val c = t == DT_I32 ? LLVMBuildICmp(u->b, max ? LLVMIntSGT : LLVMIntSLT, a, b, "")
                      : LLVMBuildFCmp(u->b, max ? LLVMRealOGT : LLVMRealOLT, a, b, "");
  Val most = LLVMBuildSelect(u->b, c, a, b, "");
  if (t == DT_I32 || LLVMIsConstant(a))
    return most;
  return LLVMBuildSelect(u->b, LLVMBuildFCmp(u->b, LLVMRealUNO, a, a, ""), a, most, "");
}

static Val add(LlvmUnit *u, DType t, Val a, Val b) {
  if (t == DT_I32)
    return LLVMBuildAdd(u->b, a, b, "");
  Val v = LLVMBuildFAdd(u->b, a, b, "");
  return t == DT_BF16 ? emit_bf16_round(u, v) : v;
}

Val emit_reduce(Emit *e, LReduce op, DType t, Val x, Val y) {
  Val v[2] = {x, y};
  level_widths(e, v, 2);
  return op == LR_SUM ? add(e->u, t, v[0], v[1]) : pick(e->u, op == LR_MAX, t, v[0], v[1]);
}

static Val compare(LlvmUnit *u, LOp op, DType t, Val a, Val b) {
  static const struct {
    LLVMIntPredicate i;
    LLVMRealPredicate f;
  } p[] = {{LLVMIntSLT, LLVMRealOLT},
           {LLVMIntSLE, LLVMRealOLE},
           {LLVMIntEQ, LLVMRealOEQ},
           {LLVMIntNE, LLVMRealUNE}};
  int i = op == L_LT ? 0 : op == L_LE ? 1 : op == L_EQ ? 2 : 3;
  if (dtype_is_float(t))
    return LLVMBuildFCmp(u->b, p[i].f, a, b, "");
  if (t == DT_BOOL && i < 2) // false < true
    return LLVMBuildICmp(u->b, i ? LLVMIntULE : LLVMIntULT, a, b, "");
  return LLVMBuildICmp(u->b, p[i].i, a, b, "");
}

static Val int_arith(LlvmUnit *u, LOp op, Val a, Val b) {
  switch (op) {
  case L_NEG: return LLVMBuildNeg(u->b, a, "");
  case L_ABS: return pick(u, true, DT_I32, a, LLVMBuildNeg(u->b, a, ""));
  case L_SUB: return LLVMBuildSub(u->b, a, b, "");
  case L_MUL: return LLVMBuildMul(u->b, a, b, "");
  case L_DIV: return LLVMBuildSDiv(u->b, a, b, "");
  default: BUG("scalar op %d of i32", op);
  }
}

static Val float_arith(LlvmUnit *u, LOp op, Val a, Val b, Val c) {
  switch (op) {
  case L_NEG: return LLVMBuildFNeg(u->b, a, "");
  case L_ABS: return vm_abs(&u->vm, a);
  case L_EXP: return vm_exp(&u->vm, a);
  case L_LOG: return vm_log(&u->vm, a);
  case L_SQRT: return vm_sqrt(&u->vm, a);
  case L_TANH: return vm_tanh(&u->vm, a);
  case L_ERF: return vm_erf(&u->vm, a);
  case L_SIN: return vm_sin(&u->vm, a);
  case L_COS: return vm_cos(&u->vm, a);
  case L_POW: return vm_pow(&u->vm, a, b);
  case L_SUB: return LLVMBuildFSub(u->b, a, b, "");
  case L_MUL: return LLVMBuildFMul(u->b, a, b, "");
  case L_DIV: return LLVMBuildFDiv(u->b, a, b, "");
  case L_FMA: return vm_fma(&u->vm, a, b, c);
  default: BUG("scalar op %d of a float", op);
  }
}

static Val apply(Emit *e, const LExpr *x, Val a, Val b, Val c) {
  LlvmUnit *u = e->u;
  switch (x->op) {
  case L_CAST: return cast(u, x->a->dtype, x->dtype, a);
  case L_NOT: return LLVMBuildNot(u->b, a, "");
  case L_AND: return LLVMBuildAnd(u->b, a, b, "");
  case L_OR: return LLVMBuildOr(u->b, a, b, "");
  case L_SELECT: return LLVMBuildSelect(u->b, a, b, c, "");
  case L_LT:
  case L_LE:
  case L_EQ:
  case L_NE: return compare(u, x->op, x->a->dtype, a, b);
  case L_MIN:
  case L_MAX: return pick(u, x->op == L_MAX, x->dtype, a, b);
  case L_ADD: return add(u, x->dtype, a, b);
  default: break;
  }
  if (x->dtype == DT_I32)
    return int_arith(u, x->op, a, b);
  Val v = float_arith(u, x->op, a, b, c);
  return x->dtype == DT_BF16 ? emit_bf16_round(u, v) : v;
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
  return apply(e, x, v[0], v[1], v[2]);
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
  if (ptrmap_get(&e->data, x, &seen))
    return (Val)(uintptr_t)seen;
  Val v = emit_new(e, x);
  ptrmap_put(&e->data, x, (uintptr_t)v);
  return v;
}

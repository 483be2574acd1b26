// Machine code of the scalar ops of base/scalar.def: a function for each, in one table.
//
// bool is i1; bf16 is held as the float of equal value, and rounded after every operation that
// makes one.
#include "codegen/llvm/llvm_internal.h"

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

// ---- conversions

// Round to nearest even on the upper half of the bits; NaN stays NaN.
Val emit_bf16_round(LlvmUnit *u, Val x) {
  LLVMTypeRef bits = same_width(u->i32, x);
  Val i = LLVMBuildBitCast(u->b, x, bits, "");
  Val odd = LLVMBuildAnd(u->b, LLVMBuildLShr(u->b, i, uconst(u, x, 16), ""), uconst(u, x, 1), "");
  Val up = LLVMBuildAdd(u->b, LLVMBuildAdd(u->b, i, uconst(u, x, 0x7fff), ""), odd, "");
  Val cut = LLVMBuildBitCast(u->b, LLVMBuildAnd(u->b, up, uconst(u, x, 0xffff0000u), ""),
                             LLVMTypeOf(x), "");
  Val quiet =
      LLVMBuildBitCast(u->b, LLVMBuildOr(u->b, i, uconst(u, x, 0x400000), ""), LLVMTypeOf(x), "");
  return LLVMBuildSelect(u->b, LLVMBuildFCmp(u->b, LLVMRealUNO, x, x, ""), quiet, cut, "");
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
  if (to == DT_I32) // NaN is 0, what does not fit the nearest end
    return call_intrinsic(u, "llvm.fptosi.sat", (LLVMTypeRef[]){t, LLVMTypeOf(x)}, 2, &x, 1);
  if (from == DT_I32)
    v = LLVMBuildSIToFP(u->b, x, t, "");
  else
    v = to == DT_F64     ? LLVMBuildFPExt(u->b, x, t, "")
        : from == DT_F64 ? LLVMBuildFPTrunc(u->b, x, t, "")
                         : x;
  return to == DT_BF16 ? emit_bf16_round(u, v) : v;
}

// ---- choices

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
  if (t == DT_I32)
    return most;
  Val none = LLVMBuildFCmp(u->b, LLVMRealUNO, a, a, "");
  return LLVMIsConstant(none) && LLVMIsNull(none) ? most : LLVMBuildSelect(u->b, none, a, most, "");
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

// ---- whole numbers

// The quotient of two i32 by f64, which is exact enough beside a whole number and traps nowhere: towards the lower
// neighbour, 0 for b = 0.  *rest: a - b times it.
static Val floor_division(LlvmUnit *u, Val a, Val b, Val *rest) {
  LLVMBuilderRef at = u->b;
  LLVMTypeRef t = LLVMTypeOf(a), real = same_width(u->f64, a);
  Val zero = LLVMConstNull(t), minus = LLVMConstAllOnes(t), one = LLVMBuildNeg(at, minus, "");
  Val none = LLVMBuildICmp(at, LLVMIntEQ, b, zero, ""),
      negates = LLVMBuildICmp(at, LLVMIntEQ, b, minus, "");
  Val by = LLVMBuildSelect(at, LLVMBuildOr(at, none, negates, ""), one, b, "");
  Val x = LLVMBuildSIToFP(at, a, real, ""), y = LLVMBuildSIToFP(at, by, real, "");
  Val q = LLVMBuildFPToSI(at, LLVMBuildFDiv(at, x, y, ""), t, "");
  Val r = LLVMBuildSub(at, a, LLVMBuildMul(at, q, by, ""), "");
  Val other = LLVMBuildICmp(at, LLVMIntSLT, LLVMBuildXor(at, r, by, ""), zero, "");
  Val lower = LLVMBuildAnd(at, LLVMBuildICmp(at, LLVMIntNE, r, zero, ""), other, "");
  q = LLVMBuildSub(at, q, LLVMBuildZExt(at, lower, t, ""), "");
  q = LLVMBuildSelect(at, negates, LLVMBuildNeg(at, a, ""), q, "");
  q = LLVMBuildSelect(at, none, zero, q, "");
  *rest = LLVMBuildSub(at, a, LLVMBuildMul(at, q, b, ""), "");
  return q;
}

static Val floor_part(LlvmUnit *u, Val a, Val b, bool quotient) {
  Val rest, q = floor_division(u, a, b, &rest);
  return quotient ? q : rest;
}

// ---- a function for each row: of operands a, b, c, the first of dtype `from`, to a result of dtype t

#define EMIT(ID, value)                                                                            \
  static Val ID##_emit(LlvmUnit *u, DType t, DType from, Val a, Val b, Val c) {                    \
    (void)u, (void)t, (void)from, (void)b, (void)c;                                                \
    return value;                                                                                  \
  }
// Of i32, and of a float.
#define EMIT2(ID, integer, real) EMIT(ID, t == DT_I32 ? (integer) : (real))

EMIT2(NEG, LLVMBuildNeg(u->b, a, ""), LLVMBuildFNeg(u->b, a, ""))
EMIT2(ABS, pick(u, true, t, a, LLVMBuildNeg(u->b, a, "")), vm_abs(&u->vm, a))
EMIT(EXP, vm_exp(&u->vm, a))
EMIT(LOG, vm_log(&u->vm, a))
EMIT(SQRT, vm_sqrt(&u->vm, a))
EMIT(TANH, vm_tanh(&u->vm, a))
EMIT(ERF, vm_erf(&u->vm, a))
EMIT(SIN, vm_sin(&u->vm, a))
EMIT(COS, vm_cos(&u->vm, a))
EMIT(ROUND, vm_round(&u->vm, a))
EMIT(FLOOR, vm_floor(&u->vm, a))
EMIT(CEIL, vm_ceil(&u->vm, a))
EMIT(LOG1P, vm_log1p(&u->vm, a))
EMIT(EXPM1, vm_expm1(&u->vm, a))
EMIT(STOP, a)
EMIT(CAST, cast(u, from, t, a))
EMIT(NOT, LLVMBuildNot(u->b, a, ""))
EMIT2(ADD, LLVMBuildAdd(u->b, a, b, ""), LLVMBuildFAdd(u->b, a, b, ""))
EMIT2(SUB, LLVMBuildSub(u->b, a, b, ""), LLVMBuildFSub(u->b, a, b, ""))
EMIT2(MUL, LLVMBuildMul(u->b, a, b, ""), LLVMBuildFMul(u->b, a, b, ""))
EMIT(DIV, LLVMBuildFDiv(u->b, a, b, ""))
EMIT(POW, vm_pow(&u->vm, a, b))
EMIT(FLOORDIV, floor_part(u, a, b, true))
EMIT(FLOORMOD, floor_part(u, a, b, false))
EMIT(MIN, pick(u, false, t, a, b))
EMIT(MAX, pick(u, true, t, a, b))
EMIT(LT, compare(u, L_LT, from, a, b))
EMIT(LE, compare(u, L_LE, from, a, b))
EMIT(EQ, compare(u, L_EQ, from, a, b))
EMIT(NE, compare(u, L_NE, from, a, b))
EMIT(AND, LLVMBuildAnd(u->b, a, b, ""))
EMIT(OR, LLVMBuildOr(u->b, a, b, ""))
EMIT(SELECT, LLVMBuildSelect(u->b, a, b, c, ""))

// The result is an operand, or was rounded already.
static bool rounds_nothing(LOp op) {
  return op == L_MIN || op == L_MAX || op == L_SELECT || op == L_CAST || op == L_STOP;
}

Val emit_scalar(LlvmUnit *u, LOp op, DType t, DType from, const Val x[3]) {
  static Val (*const emit[L_OP_COUNT])(LlvmUnit *, DType, DType, Val, Val, Val) = {
#define SCALAR(id, name, arity, domain, flags, cost) [L_##id] = id##_emit,
#include "base/scalar.def"
#undef SCALAR
  };
  CHECK(emit[op]);
  Val v = emit[op](u, t, from, x[0], x[1], x[2]);
  return t == DT_BF16 && !rounds_nothing(op) ? emit_bf16_round(u, v) : v;
}

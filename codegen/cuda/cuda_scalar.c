// CUDA text of the scalar ops of base/scalar.def: a row for each, in one table.
//
// A pattern is an expression of the operands A, B and C: a call of the prelude, a cast or an
// operator.  Functions of the prelude are overloaded by dtype.  bf16 is held as the float of equal
// value, and rounded after every operation that makes one.
#include "codegen/cuda/cuda_internal.h"

// ---- conversions

static const char *to_bf16(DType from) {
  if (from == DT_I64)
    return "bg_bf16((float)(int)A)";
  return from == DT_F32 ? "bg_bf16(A)" : "bg_bf16((float)A)";
}

// Indices lie below 2^31, as all extents do.
static const char *from_index(DType to) {
  switch (to) {
  case DT_BOOL: return "(int)A != 0";
  case DT_I32: return "(int)A";
  case DT_F64: return "(double)(int)A";
  case DT_BF16: return to_bf16(DT_I64);
  default: return "(float)(int)A";
  }
}

const char *cuda_cast(DType from, DType to) {
  if (from == to || (from == DT_BF16 && to == DT_F32))
    return "A";
  if (from == DT_I64)
    return from_index(to);
  switch (to) {
  case DT_BOOL: return "A != 0";
  case DT_I32: return from == DT_BOOL ? "(int)A" : "bg_int(A)";
  case DT_F64: return "(double)A";
  case DT_BF16: return to_bf16(from);
  default: return "(float)A";
  }
}

// ---- a row for each op: of operands whose first has dtype `from`, to a result of dtype t

#define TEXT(ID, value)                                                                            \
  static const char *ID##_text(DType t, DType from) {                                              \
    (void)t, (void)from;                                                                           \
    return value;                                                                                  \
  }
// Of i32, which wraps around, and of a float.
#define TEXT2(ID, integer, real) TEXT(ID, t == DT_I32 ? (integer) : (real))

TEXT2(NEG, "bg_sub(0, A)", "-A")
TEXT(ABS, "bg_abs(A)")
TEXT(EXP, "bg_exp(A)")
TEXT(LOG, "bg_log(A)")
TEXT(SQRT, "bg_sqrt(A)")
TEXT(TANH, "bg_tanh(A)")
TEXT(ERF, "bg_erf(A)")
TEXT(SIN, "bg_sin(A)")
TEXT(COS, "bg_cos(A)")
TEXT(ROUND, "bg_round(A)")
TEXT(FLOOR, "bg_floor(A)")
TEXT(CEIL, "bg_ceil(A)")
TEXT(LOG1P, "bg_log1p(A)")
TEXT(EXPM1, "bg_expm1(A)")
TEXT(STOP, "A")
TEXT(CAST, cuda_cast(from, t))
TEXT(NOT, "!A")
TEXT2(ADD, "bg_add(A, B)", "A + B")
TEXT2(SUB, "bg_sub(A, B)", "A - B")
TEXT2(MUL, "bg_mul(A, B)", "A * B")
TEXT(DIV, "A / B")
TEXT(POW, "bg_pow(A, B)")
TEXT(FLOORDIV, "bg_div(A, B)")
TEXT(FLOORMOD, "bg_mod(A, B)")
TEXT(MIN, "bg_min(A, B)")
TEXT(MAX, "bg_max(A, B)")
TEXT(LT, "A < B")
TEXT(LE, "A <= B")
TEXT(EQ, "A == B")
TEXT(NE, "A != B")
TEXT(AND, "A && B")
TEXT(OR, "A || B")
TEXT(SELECT, "A ? B : C")

const char *cuda_scalar(LOp op, DType t, DType from) {
  static const char *(*const text[L_OP_COUNT])(DType, DType) = {
#define SCALAR(id, name, arity, domain, flags, cost) [L_##id] = id##_text,
#include "base/scalar.def"
#undef SCALAR
  };
  CHECK(text[op]);
  return text[op](t, from);
}

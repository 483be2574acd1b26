// Vector maths as LLVM IR: elementary functions emitted at the builder's insertion point.
//
// Every function takes float, double, <W x float> or <W x double> for any W >= 1 (LLVM legalizes
// widths that the target lacks) and returns a value of the same type.  Contracts:
//   - float32 code is straight-line and calls nothing, so it can stand in a GEMM's epilogue with
//   the accumulators live.
//   - float64 vm_sin and vm_cos append blocks: afterwards the builder stands in a NEW block (ask
//   LLVMGetInsertBlock).
//     Lanes with |x| >= 1e7 take a cold path that calls libm's sin or cos.  All else is
//     straight-line.
//   - Errors are below 2 ulp over the whole range, denormal arguments and results included
//   (tests/unit/test_vecmath.c
//     measures them); the rounding mode is to nearest and denormals are not flushed.
//   - Special values are IEEE 754's: NaN in, NaN out; exp(-inf) = 0, log(0) = -inf, log(x < 0) =
//   NaN, tanh and erf
//     saturate and keep the sign of zero, sin(inf) = NaN, pow as in C99.
//   - No fast-math flags are set, and the bits do not depend on W, nor on has_scalef.  They do depend on has_fma.
#ifndef BIGSC_VECMATH_H
#define BIGSC_VECMATH_H
#include <llvm-c/Core.h>
#include <stdbool.h>

typedef struct VecMath {
  LLVMContextRef cx;
  LLVMModuleRef module; // receives declarations of intrinsics, and of sin and cos when float64 code
                        // needs them
  LLVMBuilderRef b;
  bool has_fma;    // the target has fused multiply-add: emit llvm.fma, else a multiplication and an
                   // addition
  bool has_scalef; // it has AVX-512's p * 2^n in one instruction
} VecMath;

// The constant v in the type of `like`: a splat for vectors.
LLVMValueRef vm_splat(const VecMath *m, LLVMTypeRef like, double v);
LLVMValueRef vm_fma(const VecMath *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c); // a * b + c
LLVMValueRef vm_sqrt(const VecMath *m, LLVMValueRef x); // correctly rounded
LLVMValueRef vm_abs(const VecMath *m, LLVMValueRef x);

LLVMValueRef vm_exp(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_log(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_log1p(const VecMath *m, LLVMValueRef x); // log(1 + x), with all digits for small x
LLVMValueRef vm_expm1(const VecMath *m, LLVMValueRef x); // exp(x) - 1, likewise
// To a whole number, exactly: the nearest (of two the even one), the next lower, the next higher.
LLVMValueRef vm_round(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_floor(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_ceil(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_tanh(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_erf(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_sin(const VecMath *m, LLVMValueRef x);
LLVMValueRef vm_cos(const VecMath *m, LLVMValueRef x);
// x^y lane by lane.  When y is a constant splat of -2, -1, 0, 0.5, 1, 2, 3 or 4, multiplications, a
// division or a square root instead (still within 2 ulp).
LLVMValueRef vm_pow(const VecMath *m, LLVMValueRef x, LLVMValueRef y);
#endif

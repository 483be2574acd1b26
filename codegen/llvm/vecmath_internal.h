// Shared by the files of the vector maths; nothing else includes this.
#ifndef BIGSC_VECMATH_INTERNAL_H
#define BIGSC_VECMATH_INTERNAL_H
#include "codegen/llvm/vecmath.h"
#include <stdint.h>

typedef LLVMValueRef V;

// The layout of the float type under a scalar or vector type.
typedef struct VmFormat {
  LLVMTypeRef ty, ity; // the type and the integer type of the same shape
  unsigned lanes;      // 0 for scalars
  bool f64;
  int mant, bias; // stored mantissa bits, exponent bias
} VmFormat;
VmFormat vmx_format(const VecMath *m, LLVMTypeRef ty);
LLVMTypeRef vmx_with_element(LLVMTypeRef shape, LLVMTypeRef element);

// A pair hi + lo, |lo| <= ulp(hi) / 2 or nearly.
typedef struct VmPair {
  V hi, lo;
} VmPair;

V vmx_iconst(LLVMTypeRef ity, uint64_t v);
V vmx_intrinsic(const VecMath *m, const char *name, LLVMTypeRef overload, V *args, int n);
V vmx_bits(const VecMath *m, V x);           // float to integer, same bits
V vmx_fnma(const VecMath *m, V a, V b, V c); // c - a * b
V vmx_mulk(const VecMath *m, V x, double k);
V vmx_addk(const VecMath *m, V x, double k);
V vmx_cmpk(const VecMath *m, LLVMRealPredicate p, V x, double k);
V vmx_select(const VecMath *m, V c, V a, V b);
V vmx_selectk(const VecMath *m, V c, double k, V b); // c ? k : b
V vmx_horner(const VecMath *m, V x, const double *c, int n);
V vmx_sign(const VecMath *m, V x); // the sign bit alone, as an integer
V vmx_flip_sign(const VecMath *m, V x, V sign_bit);
VmPair vmx_two_prod(const VecMath *m, V a, V b);     // a * b exactly
VmPair vmx_fast_two_sum(const VecMath *m, V a, V b); // a + b exactly, |a| >= |b| or a = 0

// exp(hi + lo) for results up to the format's range, lo may be NULL.  NaN in hi propagates.
V vmx_exp_pair(const VecMath *m, V hi, V lo);
// exp for float64 arguments whose result is rounded to float32: relative error 2^-34, no denormal
// results.
V vmx_exp_mid(const VecMath *m, V x);

// x = mantissa * 2^exponent with mantissa in [low, 2 low), for positive finite x, denormals
// included.
typedef struct VmSplit {
  V mantissa, exponent; // both in x's type
} VmSplit;
VmSplit vmx_split(const VecMath *m, V x, double low);
// Puts log's values at 0, infinity, negative numbers and NaN into r.
V vmx_log_specials(const VecMath *m, V x, V r);
#endif

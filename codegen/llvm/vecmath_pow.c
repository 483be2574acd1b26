// pow(x, y) = exp(y log x): for float32 in float64; for float64 with log x as a pair of doubles
// (Dekker), since y log x up to 745 magnifies the relative error of the logarithm.
#include "codegen/llvm/vecmath_coeffs.h"
#include "codegen/llvm/vecmath_internal.h"
#include "base/bug.h"
#include <math.h>

#define HORNER(m, x, table) vmx_horner((m), (x), (table), COUNT(table))

static V add(const VecMath *m, V a, V b) {
  return LLVMBuildFAdd(m->b, a, b, "");
}
static V mul(const VecMath *m, V a, V b) {
  return LLVMBuildFMul(m->b, a, b, "");
}

// log x for positive float64 x, relative error near 2^-44.
static V log_mid(const VecMath *m, V x) {
  LLVMTypeRef ty = LLVMTypeOf(x);
  VmSplit e = vmx_split(m, x, 0x1.6a09e667f3bcdp-1);
  V s = LLVMBuildFDiv(m->b, vmx_addk(m, e.mantissa, -1), vmx_addk(m, e.mantissa, 1), ""),
    z = mul(m, s, s);
  V r = vm_fma(m, HORNER(m, z, VMC_LOG_MID), mul(m, s, z), add(m, s, s));
  return vm_fma(m, e.exponent, vm_splat(m, ty, 0x1.62e42fefa39efp-1), r);
}

// s = f / (2 + f) as a pair, for mantissa 1 + f.
static VmPair quotient_pair(const VecMath *m, V mantissa) {
  V one = vm_splat(m, LLVMTypeOf(mantissa), 1), f = vmx_addk(m, mantissa, -1);
  VmPair d = vmx_fast_two_sum(m, one, mantissa);
  V s = LLVMBuildFDiv(m->b, f, d.hi, "");
  VmPair p = vmx_two_prod(m, s, d.hi);
  V rest = LLVMBuildFSub(m->b, LLVMBuildFSub(m->b, f, p.hi, ""), p.lo, "");
  return (VmPair){s, LLVMBuildFDiv(m->b, vmx_fnma(m, s, d.lo, rest), d.hi, "")};
}

static VmPair pair_product(const VecMath *m, VmPair a, VmPair b) {
  VmPair p = vmx_two_prod(m, a.hi, b.hi);
  p.lo = vm_fma(m, a.hi, b.lo, vm_fma(m, a.lo, b.hi, p.lo));
  return vmx_fast_two_sum(m, p.hi, p.lo);
}

// log x for positive float64 x, relative error near 2^-64: 2 s + (2/3) s^3 as pairs, the rest in
// one double.
static VmPair log_pair(const VecMath *m, V x) {
  LLVMTypeRef ty = LLVMTypeOf(x);
  VmSplit e = vmx_split(m, x, 0x1.6a09e667f3bcdp-1);
  VmPair s = quotient_pair(m, e.mantissa), z = pair_product(m, s, s), cube = pair_product(m, s, z);
  VmPair k = {vm_splat(m, ty, VMC_TWO_THIRDS[0]), vm_splat(m, ty, VMC_TWO_THIRDS[1])};
  VmPair second = pair_product(m, cube, k);
  V tail = mul(m, mul(m, cube.hi, z.hi), HORNER(m, z.hi, VMC_LOG_DD));
  VmPair sum = vmx_fast_two_sum(m, add(m, s.hi, s.hi), second.hi);
  V low = add(m, sum.lo, add(m, add(m, s.lo, s.lo), add(m, second.lo, tail)));
  VmPair total = vmx_fast_two_sum(m, mul(m, e.exponent, vm_splat(m, ty, VMC_LN2_64[0])), sum.hi);
  low = add(m, total.lo, vm_fma(m, e.exponent, vm_splat(m, ty, VMC_LN2_64[1]), low));
  return vmx_fast_two_sum(m, total.hi, low);
}

// |x|^y in float64.  The low parts count only where the result is finite; elsewhere they may hold
// NaN.
static V pow_magnitude64(const VecMath *m, V a, V y) {
  VmPair l = log_pair(m, a);
  l.hi = vmx_log_specials(m, a, l.hi);
  VmPair p = vmx_two_prod(m, y, l.hi);
  V low = vm_fma(m, y, l.lo, p.lo), zero = vm_splat(m, LLVMTypeOf(a), 0);
  V tame = vmx_cmpk(m, LLVMRealOLT, vm_abs(m, p.hi), 1000);
  return vmx_exp_pair(m, p.hi, vmx_select(m, tame, low, zero));
}

static V pow_magnitude32(const VecMath *m, V a, V y) {
  LLVMTypeRef f64 = vmx_with_element(LLVMTypeOf(a), LLVMDoubleTypeInContext(m->cx));
  V wa = LLVMBuildFPExt(m->b, a, f64, ""), l = vmx_log_specials(m, wa, log_mid(m, wa));
  V e = vmx_exp_mid(m, mul(m, l, LLVMBuildFPExt(m->b, y, f64, "")));
  return LLVMBuildFPTrunc(m->b, e, LLVMTypeOf(a), "");
}

// a >= 0 is an integer: adding and taking away 2^mant rounds to one; from 2^mant on all are.
static V is_integer(const VecMath *m, V a) {
  double big = ldexp(1, vmx_format(m, LLVMTypeOf(a)).mant);
  V rounded = vmx_addk(m, vmx_addk(m, a, big), -big);
  return LLVMBuildOr(m->b, LLVMBuildFCmp(m->b, LLVMRealOEQ, rounded, a, ""),
                     vmx_cmpk(m, LLVMRealOGE, a, big), "");
}

// C99 F.9.4.4, r being |x|^y.
static V pow_specials(const VecMath *m, V x, V y, V r) {
  VmFormat f = vmx_format(m, LLVMTypeOf(x));
  V a = vm_abs(m, x), ay = vm_abs(m, y), integer = is_integer(m, ay);
  V odd =
      LLVMBuildAnd(m->b, integer, LLVMBuildNot(m->b, is_integer(m, vmx_mulk(m, ay, 0.5)), ""), "");
  r = vmx_selectk(m, vmx_cmpk(m, LLVMRealOEQ, a, 1), 1, r); // pow(-1, inf) = 1
  V zero = vmx_iconst(f.ity, 0);
  r = vmx_flip_sign(m, r, LLVMBuildSelect(m->b, odd, vmx_sign(m, x), zero, ""));
  V negative = LLVMBuildAnd(m->b, vmx_cmpk(m, LLVMRealOLT, x, 0),
                            vmx_cmpk(m, LLVMRealOGT, x, -INFINITY), "");
  r = vmx_selectk(m, LLVMBuildAnd(m->b, negative, LLVMBuildNot(m->b, integer, ""), ""), NAN, r);
  r = vmx_selectk(m, LLVMBuildFCmp(m->b, LLVMRealUNO, x, y, ""), NAN, r);
  V one = LLVMBuildOr(m->b, vmx_cmpk(m, LLVMRealOEQ, x, 1), vmx_cmpk(m, LLVMRealOEQ, y, 0), "");
  return vmx_selectk(m, one, 1, r);
}

// ---- constant exponents
static bool constant_splat(V y, double *value) {
  if (!LLVMIsConstant(y))
    return false;
  if (LLVMIsAConstantAggregateZero(y))
    return *value = 0, true;
  LLVMBool lossy;
  if (LLVMIsAConstantFP(y))
    return *value = LLVMConstRealGetDouble(y, &lossy), true;
  if (LLVMGetTypeKind(LLVMTypeOf(y)) != LLVMVectorTypeKind)
    return false;
  V first = LLVMGetAggregateElement(y, 0);
  if (!first || !LLVMIsAConstantFP(first))
    return false;
  for (unsigned i = 1; i < LLVMGetVectorSize(LLVMTypeOf(y)); i++)
    if (LLVMGetAggregateElement(y, i) != first)
      return false;
  return *value = LLVMConstRealGetDouble(first, &lossy), true;
}

// NULL when e is none of those worth it.
static V pow_constant(const VecMath *m, V x, double e) {
  LLVMTypeRef ty = LLVMTypeOf(x);
  V one = vm_splat(m, ty, 1);
  if (e == 0)
    return one;
  if (e == 1)
    return x;
  if (e == 0.5) { // -0 becomes +0 by the addition, and pow(-inf, 0.5) is +inf
    V r = vm_sqrt(m, vmx_addk(m, x, 0));
    return vmx_selectk(m, vmx_cmpk(m, LLVMRealOEQ, x, -INFINITY), INFINITY, r);
  }
  if (e == -1 || e == -2) {
    V r = LLVMBuildFDiv(m->b, one, x, "");
    return e == -1 ? r : mul(m, r, r);
  }
  if (e != 2 && e != 3 && e != 4)
    return NULL;
  V square = mul(m, x, x);
  return e == 2 ? square : e == 3 ? mul(m, square, x) : mul(m, square, square);
}

V vm_pow(const VecMath *m, V x, V y) {
  double e;
  V r = constant_splat(y, &e) ? pow_constant(m, x, e) : NULL;
  if (r)
    return r;
  V a = vm_abs(m, x);
  r = vmx_format(m, LLVMTypeOf(x)).f64 ? pow_magnitude64(m, a, y) : pow_magnitude32(m, a, y);
  return pow_specials(m, x, y, r);
}

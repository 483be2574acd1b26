// sin and cos: |x| = n pi/2 + r, |r| <= pi/4; then the polynomial that the quadrant n mod 4
// chooses.
#include "codegen/llvm/vecmath_coeffs.h"
#include "codegen/llvm/vecmath_internal.h"
#include "base/bug.h"

#define HORNER(m, x, table) vmx_horner((m), (x), (table), COUNT(table))
#define TWO_OVER_PI 0x1.45f306dc9c883p-1

// A reduced argument: quadrant in the integer type of r's shape, r = hi + lo (lo NULL when not
// needed).
typedef struct Reduced {
  V quadrant, hi, lo;
} Reduced;

static V nearest_quadrant(const VecMath *m, V a, V *value) {
  V magic = vm_splat(m, LLVMTypeOf(a), 0x1.8p52);
  V t = vm_fma(m, a, vm_splat(m, LLVMTypeOf(a), TWO_OVER_PI), magic);
  *value = LLVMBuildFSub(m->b, t, magic, "");
  return LLVMBuildSub(m->b, vmx_bits(m, t), vmx_bits(m, magic), "");
}

// hi + lo - n * part, the product being exact.
static VmPair subtract_exact(const VecMath *m, VmPair a, V n, double part) {
  V p = vmx_mulk(m, n, -part);
  V s = LLVMBuildFAdd(m->b, a.hi, p, ""), v = LLVMBuildFSub(m->b, s, a.hi, ""); // TwoSum (Knuth)
  V e = LLVMBuildFAdd(m->b, LLVMBuildFSub(m->b, a.hi, LLVMBuildFSub(m->b, s, v, ""), ""),
                      LLVMBuildFSub(m->b, p, v, ""), "");
  return (VmPair){s, LLVMBuildFAdd(m->b, a.lo, e, "")};
}

// a in [0, 1e7], float64.  With FMA, a - n P0 is exact (a multiple of 2^-52 below 1), and the
// rounding error of the next step is recovered into lo.  Without it, parts of pi/2 are short enough
// for exact products.
static Reduced reduce64(const VecMath *m, V a) {
  LLVMTypeRef ty = LLVMTypeOf(a);
  V n;
  Reduced r = {.quadrant = nearest_quadrant(m, a, &n)};
  if (m->has_fma) {
    V p1 = vm_splat(m, ty, VMC_PIO2_FMA[1]);
    V exact = vmx_fnma(m, n, vm_splat(m, ty, VMC_PIO2_FMA[0]), a);
    VmPair p = vmx_two_prod(m, n, p1);
    VmPair s = subtract_exact(m, (VmPair){exact, vm_splat(m, ty, 0)}, p.hi, 1);
    V low = LLVMBuildFSub(m->b, s.lo, p.lo, "");
    low = vmx_fnma(m, n, vm_splat(m, ty, VMC_PIO2_FMA[2]), low);
    s = vmx_fast_two_sum(m, s.hi, low);
    r.hi = s.hi;
    r.lo = s.lo;
    return r;
  }
  VmPair s = {a, vm_splat(m, ty, 0)};
  for (int i = 0; i < 3; i++)
    s = subtract_exact(m, s, n, VMC_PIO2_SHORT[i]);
  s = vmx_fast_two_sum(m, s.hi, vmx_fnma(m, n, vm_splat(m, ty, VMC_PIO2_SHORT[3]), s.lo));
  r.hi = s.hi;
  r.lo = s.lo;
  return r;
}

static V sin64(const VecMath *m, const Reduced *r, V z) {
  V p = LLVMBuildFMul(m->b, HORNER(m, z, VMC_SIN64), z, "");
  V low = vm_fma(m, r->lo,
                 vm_fma(m, z, vm_splat(m, LLVMTypeOf(z), -0.5), vm_splat(m, LLVMTypeOf(z), 1)),
                 LLVMBuildFMul(m->b, p, r->hi, ""));
  return LLVMBuildFAdd(m->b, r->hi, low, "");
}

static V cos64(const VecMath *m, const Reduced *r, V z) {
  V half = vmx_mulk(m, z, 0.5), one = vm_splat(m, LLVMTypeOf(z), 1),
    w = LLVMBuildFSub(m->b, one, half, "");
  V e = LLVMBuildFSub(m->b, LLVMBuildFSub(m->b, one, w, ""), half, ""); // what w lost
  V p = LLVMBuildFMul(m->b, HORNER(m, z, VMC_COS64), z, "");
  V low = vm_fma(m, p, z, vmx_fnma(m, r->hi, r->lo, e));
  return LLVMBuildFAdd(m->b, w, low, "");
}

// The float32 kernels work in float64, on r->hi alone.
static V sin_mid(const VecMath *m, V r, V z) {
  V p = LLVMBuildFMul(m->b, HORNER(m, z, VMC_SIN_MID), z, "");
  return vm_fma(m, p, r, r);
}

static V cos_mid(const VecMath *m, V z) {
  LLVMTypeRef ty = LLVMTypeOf(z);
  V p = vm_fma(m, HORNER(m, z, VMC_COS_MID), z, vm_splat(m, ty, -0.5));
  return vm_fma(m, p, z, vm_splat(m, ty, 1));
}

// Picks the kernel and the sign: sin(n pi/2 + r) is sin r, cos r, -sin r, -cos r for n mod 4 = 0,
// 1, 2, 3; cos is one quadrant ahead.
static V choose(const VecMath *m, V quadrant, bool cosine, V s, V c) {
  LLVMTypeRef ity = LLVMTypeOf(quadrant);
  V one = vmx_iconst(ity, 1), q = cosine ? LLVMBuildAdd(m->b, quadrant, one, "") : quadrant;
  V odd = LLVMBuildICmp(m->b, LLVMIntNE, LLVMBuildAnd(m->b, q, one, ""), vmx_iconst(ity, 0), "");
  V sign =
      LLVMBuildShl(m->b, LLVMBuildAnd(m->b, q, vmx_iconst(ity, 2), ""), vmx_iconst(ity, 62), "");
  return vmx_flip_sign(m, vmx_select(m, odd, c, s), sign);
}

// ---- float64
static V fast64(const VecMath *m, V x, bool cosine) {
  Reduced r = reduce64(m, vm_abs(m, x));
  V z = LLVMBuildFMul(m->b, r.hi, r.hi, "");
  V v = choose(m, r.quadrant, cosine, sin64(m, &r, z), cos64(m, &r, z));
  return cosine ? v : vmx_flip_sign(m, v, vmx_sign(m, x));
}

static V call_libm(const VecMath *m, V x, bool cosine) {
  const char *name = cosine ? "cos" : "sin";
  LLVMTypeRef d = LLVMDoubleTypeInContext(m->cx), ty = LLVMFunctionType(d, &d, 1, false);
  V f = LLVMGetNamedFunction(m->module, name);
  if (!f)
    f = LLVMAddFunction(m->module, name, ty);
  return LLVMBuildCall2(m->b, ty, f, &x, 1, "");
}

static V replace_large(const VecMath *m, V x, V fast, V large, bool cosine, unsigned lanes) {
  if (!lanes)
    return call_libm(m, x, cosine);
  V slow = fast;
  LLVMTypeRef i32 = LLVMInt32TypeInContext(m->cx);
  for (unsigned i = 0; i < lanes; i++) {
    V k = LLVMConstInt(i32, i, false), xi = LLVMBuildExtractElement(m->b, x, k, "");
    slow = LLVMBuildInsertElement(m->b, slow, call_libm(m, xi, cosine), k, "");
  }
  return vmx_select(m, large, slow, fast);
}

static V trig64(const VecMath *m, V x, bool cosine) {
  VmFormat f = vmx_format(m, LLVMTypeOf(x));
  V fast = fast64(m, x, cosine), large = vmx_cmpk(m, LLVMRealOGE, vm_abs(m, x), 1e7), any = large;
  if (f.lanes)
    any = vmx_intrinsic(m, "llvm.vector.reduce.or", LLVMTypeOf(large), &any, 1);
  LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b);
  V fn = LLVMGetBasicBlockParent(from);
  LLVMBasicBlockRef cold = LLVMAppendBasicBlockInContext(m->cx, fn, "trig.large");
  LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(m->cx, fn, "trig.done");
  LLVMBuildCondBr(m->b, any, cold, done);
  LLVMPositionBuilderAtEnd(m->b, cold);
  V slow = replace_large(m, x, fast, large, cosine, f.lanes);
  LLVMBuildBr(m->b, done);
  LLVMPositionBuilderAtEnd(m->b, done);
  V phi = LLVMBuildPhi(m->b, f.ty, "");
  LLVMAddIncoming(phi, (V[]){fast, slow}, (LLVMBasicBlockRef[]){from, cold}, 2);
  return phi;
}

// ---- float32
// Cody-Waite in float64 for a < 2^23: n P0 is exact in 29 + 23 bits, and what rounding the rest
// adds is below 2^-58.
static Reduced reduce_small(const VecMath *m, V a) {
  LLVMTypeRef ty = LLVMTypeOf(a);
  V n;
  Reduced r = {.quadrant = nearest_quadrant(m, a, &n)};
  r.hi = vmx_fnma(m, n, vm_splat(m, ty, VMC_PIO2_SHORT[0]), a);
  r.hi = vmx_fnma(m, n, vm_splat(m, ty, VMC_PIO2_SHORT[1] + VMC_PIO2_SHORT[2]), r.hi);
  return r;
}

// Word `first + j` of 1/(2 pi) for the lane's j in 0..3.
static V turns_word(const VecMath *m, V j, int first) {
  LLVMTypeRef ity = LLVMTypeOf(j);
  V w = vmx_iconst(ity, VMC_INVERSE_TWO_PI[first + 3]);
  for (int k = 2; k >= 0; k--) {
    V here = LLVMBuildICmp(m->b, LLVMIntEQ, j, vmx_iconst(ity, (uint64_t)k), "");
    w = LLVMBuildSelect(m->b, here, vmx_iconst(ity, VMC_INVERSE_TWO_PI[first + k]), w, "");
  }
  return w;
}

// Payne and Hanek (1983) for float32 |x| >= 2^23: with |x| = M 2^E, the bits of 1/(2 pi) after the
// first E give x/(2 pi) modulo 1.  A window of 96 of them times M (24 bits) leaves 64 good bits of
// fraction.
static Reduced reduce_large(const VecMath *m, V bits) {
  LLVMTypeRef i32 = LLVMTypeOf(bits), i64 = vmx_with_element(i32, LLVMInt64TypeInContext(m->cx));
  V mant = LLVMBuildAnd(m->b, bits, vmx_iconst(i32, 0x7fffff), "");
  mant = LLVMBuildZExt(m->b, LLVMBuildOr(m->b, mant, vmx_iconst(i32, 0x800000), ""), i64, "");
  // E is the biased exponent - 150; lanes below 2^23 make rubbish that is not selected
  V at = LLVMBuildSub(m->b, LLVMBuildLShr(m->b, bits, vmx_iconst(i32, 23), ""),
                      vmx_iconst(i32, 150), "");
  V j = LLVMBuildLShr(m->b, at, vmx_iconst(i32, 5), ""),
    shift = LLVMBuildAnd(m->b, at, vmx_iconst(i32, 31), "");
  V word[4], part[3];
  for (int k = 0; k < 4; k++)
    word[k] = turns_word(m, j, k);
  for (int k = 0; k < 3; k++) {
    V funnel = vmx_intrinsic(m, "llvm.fshl", i32, (V[]){word[k], word[k + 1], shift}, 3);
    part[k] = LLVMBuildMul(m->b, LLVMBuildZExt(m->b, funnel, i64, ""), mant, "");
  }
  V p = LLVMBuildAdd(m->b, LLVMBuildShl(m->b, part[0], vmx_iconst(i64, 32), ""), part[1], "");
  p = LLVMBuildAdd(m->b, p, LLVMBuildLShr(m->b, part[2], vmx_iconst(i64, 32), ""), "");
  V q = LLVMBuildAdd(m->b, p, vmx_iconst(i64, 1ull << 61), ""); // p is x/(2 pi) mod 1, times 2^64
  Reduced r = {.quadrant = LLVMBuildLShr(m->b, q, vmx_iconst(i64, 62), "")};
  V rest = LLVMBuildSub(m->b, p, LLVMBuildShl(m->b, r.quadrant, vmx_iconst(i64, 62), ""), "");
  LLVMTypeRef f64 = vmx_with_element(i32, LLVMDoubleTypeInContext(m->cx));
  r.hi = vmx_mulk(m, LLVMBuildSIToFP(m->b, rest, f64, ""), 0x1.921fb54442d18p-62);
  return r;
}

static V trig32(const VecMath *m, V x, bool cosine) {
  LLVMTypeRef f64 = vmx_with_element(LLVMTypeOf(x), LLVMDoubleTypeInContext(m->cx));
  V a = vm_abs(m, x), wide = LLVMBuildFPExt(m->b, a, f64, "");
  Reduced small = reduce_small(m, wide), big = reduce_large(m, vmx_bits(m, a));
  V large = vmx_cmpk(m, LLVMRealOGE, wide, 0x1p23), r = vmx_select(m, large, big.hi, small.hi);
  V quadrant = vmx_select(m, large, big.quadrant, small.quadrant),
    z = LLVMBuildFMul(m->b, r, r, "");
  V v = choose(m, quadrant, cosine, sin_mid(m, r, z), cos_mid(m, z));
  v = LLVMBuildFPTrunc(m->b, v, LLVMTypeOf(x), "");
  V finite = LLVMBuildFSub(m->b, x, x, ""); // 0, or NaN for infinities and NaN
  v = vmx_select(m, LLVMBuildFCmp(m->b, LLVMRealUNO, finite, finite, ""), finite, v);
  return cosine ? v : vmx_flip_sign(m, v, vmx_sign(m, x));
}

V vm_sin(const VecMath *m, V x) {
  return vmx_format(m, LLVMTypeOf(x)).f64 ? trig64(m, x, false) : trig32(m, x, false);
}

V vm_cos(const VecMath *m, V x) {
  return vmx_format(m, LLVMTypeOf(x)).f64 ? trig64(m, x, true) : trig32(m, x, true);
}

// The emitted vector maths, compiled by the JIT, against libm in a wider type.  float32 functions
// are swept over the whole range of bit patterns, NaNs and infinities included: every STRIDEth, or
// every Nth with BIGSC_TEST_SLOW=N in the environment (1: all, half an hour).  BIGSC_TEST_VERBOSE
// prints worst errors.
#include "codegen/llvm/vecmath.h"
#include "base/bug.h"
#include <check.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *vecmath_suite(void);

// ---- functions under test: F_POW takes two operands, the POW_ ones bake the exponent in
typedef enum Func {
  F_EXP,
  F_LOG,
  F_TANH,
  F_ERF,
  F_SIN,
  F_COS,
  F_LOG1P,
  F_EXPM1,
  F_SQRT,
  F_ROUND,
  F_FLOOR,
  F_CEIL,
  F_POW,
  F_POWK,
  F_COUNT = F_POWK + 8
} Func;
static const double baked[] = {-2, -1, 0, 0.5, 1, 2, 3, 4};
static const char *const func_name[] = {"exp",   "log",  "tanh",  "erf",   "sin",  "cos", "log1p",
                                        "expm1", "sqrt", "round", "floor", "ceil", "pow", "x^-2",
                                        "x^-1",  "x^0",  "x^.5",  "x^1",   "x^2",  "x^3", "x^4"};

static double ref_f32(Func f, double x, double y) {
  switch (f) {
  case F_EXP: return exp(x);
  case F_LOG: return log(x);
  case F_TANH: return tanh(x);
  case F_ERF: return erf(x);
  case F_SIN: return sin(x);
  case F_COS: return cos(x);
  case F_SQRT: return sqrt(x);
  case F_LOG1P: return log1p(x);
  case F_EXPM1: return expm1(x);
  case F_ROUND: return rint(x);
  case F_FLOOR: return floor(x);
  case F_CEIL: return ceil(x);
  case F_POW: return pow(x, y);
  default: return pow(x, baked[f - F_POWK]);
  }
}

static long double ref_f64(Func f, long double x, long double y) {
  switch (f) {
  case F_EXP: return expl(x);
  case F_LOG: return logl(x);
  case F_TANH: return tanhl(x);
  case F_ERF: return erfl(x);
  case F_SIN: return sinl(x);
  case F_COS: return cosl(x);
  case F_SQRT: return sqrtl(x);
  case F_LOG1P: return log1pl(x);
  case F_EXPM1: return expm1l(x);
  case F_ROUND: return rintl(x);
  case F_FLOOR: return floorl(x);
  case F_CEIL: return ceill(x);
  case F_POW: return powl(x, y);
  default: return powl(x, (long double)baked[f - F_POWK]);
  }
}

static LLVMValueRef emit(const VecMath *m, Func f, LLVMValueRef x, LLVMValueRef y) {
  switch (f) {
  case F_EXP: return vm_exp(m, x);
  case F_LOG: return vm_log(m, x);
  case F_TANH: return vm_tanh(m, x);
  case F_ERF: return vm_erf(m, x);
  case F_SIN: return vm_sin(m, x);
  case F_COS: return vm_cos(m, x);
  case F_SQRT: return vm_sqrt(m, x);
  case F_LOG1P: return vm_log1p(m, x);
  case F_EXPM1: return vm_expm1(m, x);
  case F_ROUND: return vm_round(m, x);
  case F_FLOOR: return vm_floor(m, x);
  case F_CEIL: return vm_ceil(m, x);
  case F_POW: return vm_pow(m, x, y);
  default: return vm_pow(m, x, vm_splat(m, LLVMTypeOf(x), baked[f - F_POWK]));
  }
}

// ---- compiling
typedef void Kernel(const void *x, const void *y, void *out);
typedef struct MathBuild {
  bool f64, plain; // plain: the baseline instruction set, no FMA (x86-64 only; elsewhere the host's
                   // without llvm.fma)
  int width;       // 0: scalar
  const char *passes;
  LLVMOrcLLJITRef jit;
  Kernel *kernel[F_COUNT];
  bool called; // some float32 kernel contains a call of anything but an intrinsic
} MathBuild;

static void no_error(LLVMErrorRef e) {
  if (!e)
    return;
  char *text = LLVMGetErrorMessage(e);
  ck_abort_msg("%s", text);
}

static LLVMTargetMachineRef machine(const MathBuild *b) {
  char *triple = LLVMGetDefaultTargetTriple(), *why = NULL;
  LLVMTargetRef t;
  ck_assert_msg(!LLVMGetTargetFromTriple(triple, &t, &why), "%s", why);
  char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
  bool baseline = b->plain && !strncmp(triple, "x86_64", 6);
  LLVMTargetMachineRef tm =
      LLVMCreateTargetMachine(t, triple, baseline ? "x86-64" : cpu, baseline ? "" : features,
                              LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
  LLVMDisposeMessage(triple);
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(features);
  return tm;
}

static bool host_has_fma(void) {
  char *triple = LLVMGetDefaultTargetTriple(), *features = LLVMGetHostCPUFeatures();
  bool fma = strncmp(triple, "x86_64", 6) || strstr(features, "+fma");
  LLVMDisposeMessage(triple);
  LLVMDisposeMessage(features);
  return fma;
}

static bool host_has_scalef(void) {
  char *features = LLVMGetHostCPUFeatures();
  bool scalef = strstr(features, "+avx512f") != NULL;
  LLVMDisposeMessage(features);
  return scalef;
}

static bool calls_function(LLVMValueRef fn) {
  for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(fn); bb; bb = LLVMGetNextBasicBlock(bb))
    for (LLVMValueRef i = LLVMGetFirstInstruction(bb); i; i = LLVMGetNextInstruction(i))
      if (LLVMIsACallInst(i) && !LLVMGetIntrinsicID(LLVMGetCalledValue(i)))
        return true;
  return false;
}

static void emit_kernel(VecMath *m, MathBuild *b, Func f) {
  LLVMTypeRef elem = b->f64 ? LLVMDoubleTypeInContext(m->cx) : LLVMFloatTypeInContext(m->cx);
  LLVMTypeRef ty = b->width ? LLVMVectorType(elem, (unsigned)b->width) : elem;
  LLVMTypeRef p = LLVMPointerTypeInContext(m->cx, 0);
  LLVMTypeRef sig =
      LLVMFunctionType(LLVMVoidTypeInContext(m->cx), (LLVMTypeRef[]){p, p, p}, 3, false);
  char name[16];
  snprintf(name, sizeof name, "k%d", f);
  LLVMValueRef fn = LLVMAddFunction(m->module, name, sig);
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->cx, fn, ""));
  LLVMValueRef x = LLVMBuildLoad2(m->b, ty, LLVMGetParam(fn, 0), ""),
               y = LLVMBuildLoad2(m->b, ty, LLVMGetParam(fn, 1), "");
  unsigned align = b->f64 ? 8 : 4;
  LLVMSetAlignment(x, align);
  LLVMSetAlignment(y, align);
  LLVMSetAlignment(LLVMBuildStore(m->b, emit(m, f, x, y), LLVMGetParam(fn, 2)), align);
  LLVMBuildRetVoid(m->b);
  if (!b->f64 && calls_function(fn))
    b->called = true;
}

static void build_close(MathBuild *b) {
  no_error(LLVMOrcDisposeLLJIT(b->jit));
}

static void build_open(MathBuild *b) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMOrcThreadSafeContextRef ts = LLVMOrcCreateNewThreadSafeContext();
  VecMath m = {.cx = LLVMOrcThreadSafeContextGetContext(ts),
               .has_fma = !b->plain && host_has_fma(),
               .has_scalef = !b->plain && host_has_scalef()};
  m.module = LLVMModuleCreateWithNameInContext("vecmath", m.cx);
  m.b = LLVMCreateBuilderInContext(m.cx);
  for (int f = 0; f < F_COUNT; f++)
    emit_kernel(&m, b, (Func)f);
  LLVMDisposeBuilder(m.b);
  char *why = NULL;
  ck_assert_msg(!LLVMVerifyModule(m.module, LLVMReturnStatusAction, &why), "%s", why);
  LLVMDisposeMessage(why);
  LLVMTargetMachineRef tm = machine(b);
  if (b->passes) {
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    no_error(LLVMRunPasses(m.module, b->passes, tm, o));
    LLVMDisposePassBuilderOptions(o);
  }
  LLVMOrcLLJITBuilderRef jb = LLVMOrcCreateLLJITBuilder();
  LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(
      jb, LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(tm));
  no_error(LLVMOrcCreateLLJIT(&b->jit, jb));
  LLVMOrcDefinitionGeneratorRef libm;
  no_error(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &libm, LLVMOrcLLJITGetGlobalPrefix(b->jit), NULL, NULL));
  LLVMOrcJITDylibRef main = LLVMOrcLLJITGetMainJITDylib(b->jit);
  LLVMOrcJITDylibAddGenerator(main, libm);
  no_error(
      LLVMOrcLLJITAddLLVMIRModule(b->jit, main, LLVMOrcCreateNewThreadSafeModule(m.module, ts)));
  LLVMOrcDisposeThreadSafeContext(ts);
  for (int f = 0; f < F_COUNT; f++) {
    char name[16];
    snprintf(name, sizeof name, "k%d", f);
    LLVMOrcExecutorAddress at;
    no_error(LLVMOrcLLJITLookup(b->jit, &at, name));
    b->kernel[f] = (Kernel *)(uintptr_t)at;
  }
}

// ---- errors
// Units in the last place of the result's format between got and ref; 1e30 for a wrong special
// value.
static double ulps(double got, long double ref, bool f64) {
  if (isnan(ref) || isnan(got))
    return isnan(ref) && isnan(got) ? 0 : 1e30;
  if (ref == 0)
    return got == 0 && !signbit(got) == !signbit(ref) ? 0 : 1e30;
  long double most =
      f64 ? 0x1.fffffffffffff8p1023L : 0x1.ffffffp127L; // halfway to the next power of two
  if (isinf(ref) || isinf(got))
    return fabsl(ref) >= most * (1 - (f64 ? 0x1p-53L : 0x1p-24L)) && (isinf(got) || !isinf(ref)) &&
                   (got > 0) == (ref > 0)
               ? 0
               : 1e30;
  int e = ilogbl(ref), least = f64 ? -1022 : -126;
  return (double)(fabsl(got - ref) / ldexpl(1, (e < least ? least : e) - (f64 ? 52 : 23)));
}

typedef struct Worst {
  double err, x, y, got;
} Worst;

static void note(Worst *w, double err, double x, double y, double got) {
  if (err > w->err)
    *w = (Worst){err, x, y, got};
}

static void report(const Worst *w, const MathBuild *b, Func f, double limit) {
  if (getenv("BIGSC_TEST_VERBOSE"))
    printf("%s %-5s width %2d%s: worst %.3f ulp at x = %a (%.9g), y = %.9g\n",
           b->f64 ? "f64" : "f32", func_name[f], b->width, b->plain ? " no fma" : "", w->err, w->x,
           w->x, w->y);
  ck_assert_msg(w->err <= limit, "%s %s, width %d%s: %.3g ulp at x = %a, y = %a: got %a",
                b->f64 ? "f64" : "f32", func_name[f], b->width, b->plain ? " without fma" : "",
                w->err, w->x, w->y, w->got);
}

static uint64_t next(uint64_t *s) { // xorshift64*
  *s ^= *s >> 12;
  *s ^= *s << 25;
  *s ^= *s >> 27;
  return *s * 0x2545f4914f6cdd1du;
}

static double uniform(uint64_t *s, double lo, double hi) {
  return lo + (hi - lo) * (double)(next(s) >> 11) * 0x1p-53;
}

enum { MAXW = 32, STRIDE = 601 };
static uint64_t slow(void) { // 0: not asked for
  const char *s = getenv("BIGSC_TEST_SLOW");
  return s ? strtoull(s, NULL, 10) : 0;
}

// ---- float32
static void sweep(const MathBuild *b, Func f, uint64_t stride) {
  Worst w = {0};
  int n = b->width ? b->width : 1;
  float x[MAXW], y[MAXW] = {0}, out[MAXW];
  for (uint64_t at = 0; at < 1ull << 32; at += stride * (uint64_t)n) {
    for (int i = 0; i < n; i++) {
      uint32_t u = (uint32_t)(at + stride * (uint64_t)i);
      memcpy(&x[i], &u, sizeof u);
    }
    b->kernel[f](x, y, out);
    for (int i = 0; i < n; i++)
      note(&w, ulps(out[i], ref_f32(f, x[i], 0), false), x[i], 0, out[i]);
  }
  report(&w, b, f, 2);
}

static double random_base(uint64_t *s, int kind) {
  switch (kind & 3) {
  case 0: return uniform(s, 0.5, 2);
  case 1: return uniform(s, 0, 100);
  case 2: return exp(uniform(s, -100, 88));
  default: return -floor(uniform(s, 0, 40));
  }
}

static double random_exponent(uint64_t *s, int kind) {
  switch (kind >> 2 & 3) {
  case 0: return uniform(s, -3, 3);
  case 1: return uniform(s, -150, 150);
  case 2: return floor(uniform(s, -40, 40));
  default: return uniform(s, -1e-3, 1e-3);
  }
}

static void pow_random(const MathBuild *b, int n) {
  Worst w = {0};
  uint64_t s = 12345;
  int width = b->width ? b->width : 1;
  for (int k = 0; k < n; k++) {
    float x[MAXW], y[MAXW], out[MAXW];
    double dx[MAXW], dy[MAXW], dout[MAXW];
    for (int i = 0; i < width; i++) {
      x[i] = (float)(dx[i] = random_base(&s, k));
      y[i] = (float)(dy[i] = random_exponent(&s, k));
    }
    if (b->f64)
      b->kernel[F_POW](dx, dy, dout);
    else
      b->kernel[F_POW](x, y, out);
    for (int i = 0; i < width; i++)
      if (b->f64)
        note(&w, ulps(dout[i], powl(dx[i], dy[i]), true), dx[i], dy[i], dout[i]);
      else
        note(&w, ulps(out[i], pow(x[i], y[i]), false), x[i], y[i], out[i]);
  }
  report(&w, b, F_POW, 2);
}

static const double special[] = {0.0,
                                 -0.0,
                                 1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 -3,
                                 0.5,
                                 -0.5,
                                 1.5,
                                 -1.5,
                                 0.75,
                                 1e30,
                                 -1e30,
                                 1e-30,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 16777216,
                                 16777217,
                                 -9007199254740992.0,
                                 2147483648,
                                 1.00000012,
                                 88.8,
                                 -103.9,
                                 1e-45,
                                 -1e-45,
                                 1.1754942e-38,
                                 3.4e38,
                                 4503599627370497};

static void pow_specials(const MathBuild *b) {
  Worst w = {0};
  for (int i = 0; i < COUNT(special); i++)
    for (int j = 0; j < COUNT(special); j++) {
      float x[MAXW], y[MAXW], out[MAXW];
      double dx[MAXW], dy[MAXW], dout[MAXW];
      for (int k = 0; k < MAXW; k++) {
        x[k] = (float)(dx[k] = special[i]);
        y[k] = (float)(dy[k] = special[j]);
      }
      if (b->f64) {
        b->kernel[F_POW](dx, dy, dout);
        note(&w, ulps(dout[0], powl(dx[0], dy[0]), true), dx[0], dy[0], dout[0]);
      } else {
        b->kernel[F_POW](x, y, out);
        note(&w, ulps(out[0], pow(x[0], y[0]), false), x[0], y[0], out[0]);
      }
    }
  report(&w, b, F_POW, 2);
}

static void test_f32(MathBuild b, uint64_t stride) {
  build_open(&b);
  ck_assert_msg(!b.called, "float32 code calls a function");
  for (int f = 0; f < F_COUNT; f++)
    if (f != F_POW)
      sweep(&b, (Func)f, f < F_SQRT ? stride : stride * 16);
  pow_random(&b, 40000);
  pow_specials(&b);
  build_close(&b);
}

START_TEST(f32_vector) {
  test_f32((MathBuild){.width = 8}, slow() ? slow() : STRIDE);
}
END_TEST

START_TEST(f32_scalar) {
  test_f32((MathBuild){.width = 0}, 10 * STRIDE);
}
END_TEST

START_TEST(f32_wide) {
  test_f32((MathBuild){.width = 32, .passes = "default<O2>"}, 10 * STRIDE);
}
END_TEST

START_TEST(f32_without_fma) {
  test_f32((MathBuild){.width = 4, .plain = true}, slow() ? slow() : 5 * STRIDE);
}
END_TEST

// ---- float64
typedef double Point(uint64_t *s, int k);
static double any_bits(uint64_t *s, int k) {
  (void)k;
  uint64_t u = next(s);
  double d;
  memcpy(&d, &u, sizeof d);
  return d;
}
static double near(uint64_t *s, int k) {
  return uniform(s, -1, 1) * ldexp(1, k % 12 - 5);
}
static double moderate(uint64_t *s, int k) {
  (void)k;
  return uniform(s, -750, 712);
}
static double phase(uint64_t *s, int k) {
  (void)k;
  return uniform(s, -1.01e7, 1.01e7);
}
static double near_quarter(uint64_t *s, int k) { // the doubles around a multiple of pi/2
  double x = (double)(floorl(uniform(s, 0, 6366197)) * 1.57079632679489661923132169163975L);
  for (int i = 0; i < k % 5; i++)
    x = nextafter(x, k & 1 ? 0 : INFINITY);
  return x;
}
static double around_one(uint64_t *s, int k) {
  return 1 + uniform(s, -1, 1) * ldexp(1, -(k % 50));
}
static double listed(uint64_t *s, int k) {
  (void)s;
  return special[k % COUNT(special)];
}

static void points(const MathBuild *b, Func f, Point *p, int n) {
  Worst w = {0};
  uint64_t s = 99;
  int width = b->width ? b->width : 1;
  double x[MAXW], y[MAXW] = {0}, out[MAXW];
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < width; i++)
      x[i] = p(&s, k + i);
    b->kernel[f](x, y, out);
    for (int i = 0; i < width; i++)
      note(&w, ulps(out[i], ref_f64(f, x[i], 0), true), x[i], 0, out[i]);
  }
  report(&w, b, f, 2);
}

static void test_f64(MathBuild b, int n) {
  static Point *const all[] = {any_bits, near, moderate, phase, near_quarter, around_one, listed};
  build_open(&b);
  for (int f = 0; f < F_COUNT; f++)
    for (int k = 0; k < COUNT(all); k++)
      if (f != F_POW)
        points(&b, (Func)f, all[k], n / (b.width ? b.width : 1) / (f < F_SQRT ? 1 : 10));
  pow_random(&b, n / 8);
  pow_specials(&b);
  build_close(&b);
}

START_TEST(f64_vector) {
  test_f64((MathBuild){.f64 = true, .width = 4}, slow() ? 10000000 : 60000);
}
END_TEST

START_TEST(f64_scalar) {
  test_f64((MathBuild){.f64 = true}, 20000);
}
END_TEST

START_TEST(f64_wide) {
  test_f64((MathBuild){.f64 = true, .width = 8, .passes = "default<O2>"}, 20000);
}
END_TEST

START_TEST(f64_without_fma) {
  test_f64((MathBuild){.f64 = true, .width = 2, .plain = true}, slow() ? 10000000 : 40000);
}
END_TEST

// ---- the bits do not depend on the width
START_TEST(same_bits) {
  MathBuild one = {.f64 = _i, .width = 0}, many = {.f64 = _i, .width = MAXW};
  build_open(&one);
  build_open(&many);
  uint64_t s = 7;
  for (int f = 0; f < F_COUNT; f++)
    for (int k = 0; k < 1250; k++) {
      double xd[MAXW], yd[MAXW], a[MAXW], b[MAXW];
      float xf[MAXW], yf[MAXW];
      for (int i = 0; i < MAXW; i++) {
        xf[i] = (float)(xd[i] = k % 2 ? near(&s, k) : moderate(&s, k) / (_i ? 1 : 7));
        yf[i] = (float)(yd[i] = uniform(&s, -3, 3));
      }
      size_t size = _i ? 8 : 4;
      const char *x = _i ? (const char *)xd : (const char *)xf,
                 *y = _i ? (const char *)yd : (const char *)yf;
      many.kernel[f](x, y, a);
      for (size_t i = 0; i < MAXW; i++)
        one.kernel[f](x + i * size, y + i * size, (char *)b + i * size);
      for (size_t i = 0; i < MAXW; i++) {
        bool nan = _i ? isnan(a[i]) : isnan(((float *)a)[i]);
        ck_assert_msg(nan || !memcmp((char *)a + i * size, (char *)b + i * size, size), "%s at %g",
                      func_name[f], xd[i]);
      }
    }
  build_close(&one);
  build_close(&many);
}
END_TEST

Suite *vecmath_suite(void) {
  Suite *s = suite_create("vecmath");
  TCase *t = tcase_create("accuracy");
  tcase_set_timeout(t, slow() ? 7200 : 120);
  tcase_add_test(t, f32_vector);
  tcase_add_test(t, f32_scalar);
  tcase_add_test(t, f32_wide);
  tcase_add_test(t, f32_without_fma);
  tcase_add_test(t, f64_vector);
  tcase_add_test(t, f64_scalar);
  tcase_add_test(t, f64_wide);
  tcase_add_test(t, f64_without_fma);
  tcase_add_loop_test(t, same_bits, 0, 2);
  suite_add_tcase(s, t);
  return s;
}

// Generated code against plain C: every scalar op and dtype, memory access patterns, reductions,
// registers, control.
#include "graph/ir.h"
#include "tests/unit/kernels.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 37 }; // no multiple of any vector
static const char *const two_targets[] = {"native", "x86-64"};

static void run(KernelRun *r, const LKernel *k) {
  ck_assert_msg(run_kernel(r, k), "%s", r->error);
}

// ---- scalar ops

// What each domain of scalar.def takes; casts have their own test.
enum {
  takes_floats = 1 << DT_F32 | 1 << DT_F64 | 1 << DT_BF16,
  takes_numbers = takes_floats | 1 << DT_I32,
  takes_integers = 1 << DT_I32,
  takes_bools = 1 << DT_BOOL,
  takes_order = takes_numbers | takes_bools,
  takes_equality = takes_order,
  takes_choice = takes_order,
  takes_cast = 0,
};
typedef struct Scalar {
  LOp op;
  int node; // the op of the graph
  const char *name;
  int arity, flags, takes;
} Scalar;
static const Scalar ops[] = {
#define SCALAR(id, name, arity, domain, flags, cost)                                               \
  {L_##id, OP_##id, name, arity, flags, takes_##domain},
#include "base/scalar.def"
#undef SCALAR
};
static const DType dtypes[] = {DT_F32, DT_F64, DT_BF16, DT_I32, DT_BOOL};

static DType result_of(const Scalar *op, DType t) {
  return op->flags & F_COMPARE ? DT_BOOL : t;
}

static float from_bf16(uint16_t h) {
  uint32_t bits = (uint32_t)h << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

// bf16 by rounding to nearest even, from the double itself.
static uint16_t to_bf16(double x) {
  float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static double get(const void *p, DType t, int i) {
  switch (t) {
  case DT_F32: return ((const float *)p)[i];
  case DT_F64: return ((const double *)p)[i];
  case DT_BF16: return from_bf16(((const uint16_t *)p)[i]);
  case DT_I32: return ((const int32_t *)p)[i];
  default: return ((const uint8_t *)p)[i];
  }
}

static void set(void *p, DType t, int i, double x) {
  switch (t) {
  case DT_F32: ((float *)p)[i] = (float)x; return;
  case DT_F64: ((double *)p)[i] = x; return;
  case DT_BF16: ((uint16_t *)p)[i] = to_bf16(x); return;
  case DT_I32: ((int32_t *)p)[i] = (int32_t)x; return;
  default: ((uint8_t *)p)[i] = x != 0; return;
  }
}

// Values in a domain where every op is defined; a few equal pairs for comparisons.
static void fill(void *p, DType t, uint64_t *seed, double at_least) {
  for (int i = 0; i < N; i++) {
    double x = 2.5 * test_uniform(seed);
    if (at_least > 0)
      x = at_least + fabs(x);
    set(p, t, i, t == DT_I32 ? floor(4 * x) : t == DT_BOOL ? x > 0 : x);
  }
}

static double tolerance(DType t, double want) {
  static const double ulp[DT_COUNT] = {[DT_F32] = 0x1p-23, [DT_F64] = 0x1p-52, [DT_BF16] = 0x1p-8};
  return 3 * ulp[t] * fabs(want) + (ulp[t] > 0) * 1e-30;
}

// y[i] = op(a[i], b[i], c[i]) over [0, N) in a loop of `vec` vectors (0: sequential).
static LKernel *op_kernel(Arena *ar, const Scalar *op, DType t, int vec) {
  LKernel *k = loop_kernel(ar, op->name);
  DType rt = result_of(op, t);
  int a = loop_arg(ar, k, "a", op->op == L_SELECT ? DT_BOOL : t, false),
      b = loop_arg(ar, k, "b", t, false);
  int c = loop_arg(ar, k, "c", t, false), y = loop_arg(ar, k, "y", rt, true), i = loop_var(k);
  LExpr *at = lx_var(ar, i),
        *x[3] = {lx_load(ar, k, a, at), lx_load(ar, k, b, at), lx_load(ar, k, c, at)};
  LStmt *f = ls_for(ar, i, lx_int(ar, 0), lx_poly(ar, poly_sym(0)), vec);
  LExpr *v = lx_op(ar, op->op, rt, x[0], op->arity > 1 ? x[1] : NULL, op->arity > 2 ? x[2] : NULL);
  vec_push(ar, &f->body, ls_store(ar, y, at, v));
  vec_push(ar, &k->body, f);
  return k;
}

static void check_op(const Scalar *op, DType t, const char *march) {
  Arena *ar = arena_new();
  uint64_t seed = 7 + (uint64_t)op->op * 8 + t;
  double a[N], b[N], c[N], y[2][N]; // large enough for any dtype
  DType ta = op->op == L_SELECT ? DT_BOOL : t, rt = result_of(op, t);
  fill(a, ta, &seed, op->flags & F_POSITIVE ? 0.1 : 0);
  fill(b, t, &seed, op->flags & F_NONZERO ? 0.5 : 0);
  fill(c, t, &seed, 0);
  for (int i = 0; i < N; i += 5)
    set(b, t, i, op->flags & F_NONZERO ? 2 : get(a, ta, i));
  for (int form = 0; form < 2; form++) {
    KernelRun r = {.arena = ar, .march = march, .arg = {a, b, c, y[form]}, .sym = {N}};
    run(&r, op_kernel(ar, op, t, form ? 2 : 0));
  }
  for (int i = 0; i < N; i++) {
    double want = op_value(op->node, rt == DT_I32 ? DT_I32 : DT_F64, get(a, ta, i), get(b, t, i),
                           get(c, t, i));
    double got = get(y[1], rt, i), scalar = get(y[0], rt, i);
    ck_assert_msg(fabs(got - want) <= tolerance(rt, want), "%s.%s(%g, %g, %g) is %.9g, not %.9g",
                  op->name, dtype_name(t), get(a, ta, i), get(b, t, i), get(c, t, i), got, want);
    ck_assert_msg(got == scalar, "%s.%s: %.17g in lanes, %.17g alone", op->name, dtype_name(t), got,
                  scalar);
  }
  arena_free(ar);
}

START_TEST(scalar_ops) {
  const Scalar *op = &ops[_i];
  for (int t = 0; t < COUNT(dtypes); t++)
    for (int m = 0; m < COUNT(two_targets); m++)
      if (op->takes & 1 << dtypes[t])
        check_op(op, dtypes[t], two_targets[m]);
}
END_TEST

static double converted(double x, DType to) {
  return to == DT_BOOL   ? x != 0
         : to == DT_I32  ? trunc(x)
         : to == DT_F32  ? (float)x
         : to == DT_BF16 ? from_bf16(to_bf16(x))
                         : x;
}

static LKernel *cast_kernel(Arena *ar, DType from, DType to, int vec) {
  LKernel *k = loop_kernel(ar, "cast");
  int x = loop_arg(ar, k, "x", from, false), out = loop_arg(ar, k, "y", to, true), i = loop_var(k);
  LStmt *f = ls_for(ar, i, lx_int(ar, 0), lx_int(ar, N), vec);
  LExpr *v = lx_op(ar, L_CAST, to, lx_load(ar, k, x, lx_var(ar, i)), NULL, NULL);
  vec_push(ar, &f->body, ls_store(ar, out, lx_var(ar, i), v));
  vec_push(ar, &k->body, f);
  return k;
}

START_TEST(casts) {
  DType from = dtypes[_i];
  for (int t = 0; t < COUNT(dtypes); t++)
    for (int vec = 0; vec < 3; vec++) {
      Arena *ar = arena_new();
      uint64_t seed = 3;
      DType to = dtypes[t];
      double a[N], y[N];
      fill(a, from, &seed, 0);
      LKernel *k = cast_kernel(ar, from, to, vec);
      KernelRun r = {.arena = ar, .arg = {a, y}};
      run(&r, k);
      for (int j = 0; j < N; j++)
        ck_assert_msg(get(y, to, j) == converted(get(a, from, j), to), "%s to %s: %.9g gives %.9g",
                      dtype_name(from), dtype_name(to), get(a, from, j), get(y, to, j));
      arena_free(ar);
    }
}
END_TEST

// One whose payload lies in the half that bf16 cuts off.
START_TEST(nan_as_bf16) {
  for (int vec = 0; vec < 3; vec++) {
    Arena *ar = arena_new();
    uint32_t a[N];
    uint16_t y[N];
    for (int j = 0; j < N; j++)
      a[j] = 0x7f800001u | (uint32_t)j << 31;
    LKernel *k = cast_kernel(ar, DT_F32, DT_BF16, vec);
    KernelRun r = {.arena = ar, .arg = {a, y}};
    run(&r, k);
    for (int j = 0; j < N; j++)
      ck_assert_msg(isnan(from_bf16(y[j])), "element %d is 0x%x", j, y[j]);
    arena_free(ar);
  }
}
END_TEST

// Products are contracted by the form of the expression, and only where the target has the
// instruction.
START_TEST(contraction) {
  static const float a[1] = {1 + 0x1p-12f}, b[1] = {1 - 0x1p-13f}, c[1] = {-1};
  volatile float product = a[0] * b[0];
  float fused[4] = {fmaf(a[0], b[0], c[0]), fmaf(a[0], b[0], c[0]), fmaf(a[0], b[0], -c[0]),
                    fmaf(-a[0], b[0], c[0])};
  float apart[4] = {product + c[0], product + c[0], product - c[0], c[0] - product};
  for (int m = 0; m < COUNT(two_targets); m++) {
    Arena *ar = arena_new();
    const char *error;
    Target *t = target_new(ar, two_targets[m], 2, 0, &error);
    LKernel *k = loop_kernel(ar, "contraction");
    LExpr *at = lx_int(ar, 0), *x[3];
    for (int i = 0; i < 3; i++)
      x[i] = lx_load(ar, k, loop_arg(ar, k, "x", DT_F32, false), at);
    int y = loop_arg(ar, k, "y", DT_F32, true);
    LExpr *p = lx_op(ar, L_MUL, DT_F32, x[0], x[1], NULL);
    LExpr *v[4] = {lx_op(ar, L_ADD, DT_F32, p, x[2], NULL), lx_op(ar, L_ADD, DT_F32, x[2], p, NULL),
                   lx_op(ar, L_SUB, DT_F32, p, x[2], NULL),
                   lx_op(ar, L_SUB, DT_F32, x[2], p, NULL)};
    for (int i = 0; i < 4; i++)
      vec_push(ar, &k->body, ls_store(ar, y, lx_int(ar, i), v[i]));
    float out[4];
    KernelRun r = {.arena = ar,
                   .march = two_targets[m],
                   .arg = {(void *)(uintptr_t)a, (void *)(uintptr_t)b, (void *)(uintptr_t)c, out}};
    run(&r, k);
    for (int i = 0; i < 4; i++)
      ck_assert_float_eq(out[i], t->has_fma ? fused[i] : apart[i]);
    arena_free(ar);
  }
}
END_TEST

// ---- access patterns: y[i] = x[f(i)]

typedef enum Pattern {
  STRIDE_2,
  REVERSED,
  BROADCAST,
  SYMBOL_STRIDE,
  SPLIT_8,
  SPLIT_5,
  DATA,
  MIRROR,
  PATTERN_COUNT
} Pattern;

static LExpr *pattern_index(Arena *ar, LKernel *k, Pattern p, LExpr *i, int ids) {
  switch (p) {
  case STRIDE_2: return lx_mul(ar, i, lx_int(ar, 2));
  case REVERSED: return lx_iop(ar, L_ISUB, lx_poly(ar, poly_sub(poly_sym(0), poly_const(1))), i);
  case BROADCAST: return lx_int(ar, 3);
  case SYMBOL_STRIDE: return lx_mul(ar, i, lx_poly(ar, poly_sym(1)));
  case SPLIT_8:
  case SPLIT_5: {
    LExpr *c = lx_int(ar, p == SPLIT_8 ? 8 : 5);
    return lx_add(ar, lx_mul(ar, lx_iop(ar, L_IDIV, i, c), lx_int(ar, 11)),
                  lx_iop(ar, L_IMOD, i, c));
  }
  case DATA: return lx_to_int(ar, lx_load(ar, k, ids, i));
  default:
    return lx_iop(ar, L_IMAX, lx_iop(ar, L_ISUB, i, lx_int(ar, 6)),
                  lx_iop(ar, L_ISUB, lx_int(ar, 6), i));
  }
}

static int pattern_at(Pattern p, int i, int n, const int32_t *ids) {
  switch (p) {
  case STRIDE_2: return 2 * i;
  case REVERSED: return n - 1 - i;
  case BROADCAST: return 3;
  case SYMBOL_STRIDE: return 3 * i;
  case SPLIT_8: return i / 8 * 11 + i % 8;
  case SPLIT_5: return i / 5 * 11 + i % 5;
  case DATA: return ids[i];
  default: return abs(i - 6);
  }
}

static void check_pattern(Pattern p, DType t, int vec, int n, bool known, bool scatter) {
  Arena *ar = arena_new();
  int32_t ids[128];
  double x[128], y[128];
  LKernel *k = loop_kernel(ar, "pattern");
  int xm = loop_arg(ar, k, "x", t, false), ym = loop_arg(ar, k, "y", t, true),
      im = loop_arg(ar, k, "ids", DT_I32, false);
  int v = loop_var(k);
  LStmt *f = ls_for(ar, v, lx_int(ar, 0), known ? lx_int(ar, n) : lx_poly(ar, poly_sym(0)), vec);
  LExpr *i = lx_var(ar, v), *at = pattern_index(ar, k, p, i, im);
  vec_push(ar, &f->body,
           scatter ? ls_store(ar, ym, at, lx_load(ar, k, xm, i))
                   : ls_store(ar, ym, i, lx_load(ar, k, xm, at)));
  vec_push(ar, &k->body, f);
  for (int j = 0; j < 128; j++) {
    ids[j] = (j * 7 + 3) % 61;
    set(x, t, j, t == DT_BOOL ? (j * 5 % 7) & 1 : j);
    set(y, t, j, 0);
  }
  KernelRun r = {.arena = ar, .arg = {x, y, ids}, .sym = {n, 3}};
  run(&r, k);
  for (int j = 0; j < n; j++) {
    int other = pattern_at(p, j, n, ids);
    double got = get(y, t, scatter ? other : j), want = get(x, t, scatter ? j : other);
    ck_assert_msg(got == want, "pattern %d of %s, vec %d, n %d at %d: %g, not %g", p, dtype_name(t),
                  vec, n, j, got, want);
  }
  for (int j = n; j < 128 && !scatter; j++)
    ck_assert_msg(get(y, t, j) == 0, "pattern %d overran to %d", p, j);
  arena_free(ar);
}

START_TEST(gathers) {
  for (int t = 0; t < COUNT(dtypes); t++)
    for (int vec = 1; vec <= 4; vec += 3) {
      check_pattern((Pattern)_i, dtypes[t], vec, N, false, false);
      check_pattern((Pattern)_i, dtypes[t], vec, 32, true, false);
    }
}
END_TEST

START_TEST(scatters) {
  if (_i != BROADCAST && _i != MIRROR) // these send several elements to one place
    for (int vec = 1; vec <= 4; vec += 3)
      for (int t = 0; t < 2; t++)
        check_pattern((Pattern)_i, dtypes[t], vec, N - 4, t, true);
}
END_TEST

// y[ids[i]] += x[i] with equal ids among the lanes.
START_TEST(adding_scatter) {
  Arena *ar = arena_new();
  float x[N], y[8] = {0}, want[8] = {0};
  int32_t ids[N];
  LKernel *k = loop_kernel(ar, "add");
  int xm = loop_arg(ar, k, "x", DT_F32, false), ym = loop_arg(ar, k, "y", DT_F32, true),
      im = loop_arg(ar, k, "i", DT_I32, false);
  int v = loop_var(k);
  LStmt *f = ls_for(ar, v, lx_int(ar, 0), lx_poly(ar, poly_sym(0)), 1);
  LStmt *s = ls_store(ar, ym, lx_to_int(ar, lx_load(ar, k, im, lx_var(ar, v))),
                      lx_load(ar, k, xm, lx_var(ar, v)));
  s->add = true;
  vec_push(ar, &f->body, s);
  vec_push(ar, &k->body, f);
  uint64_t seed = 1;
  for (int i = 0; i < N; i++) {
    x[i] = test_uniform(&seed);
    ids[i] = (int32_t)(test_random(&seed) % 8);
    want[ids[i]] += x[i];
  }
  KernelRun r = {.arena = ar, .arg = {x, y, ids}, .sym = {N}};
  run(&r, k);
  for (int i = 0; i < 8; i++)
    ck_assert_float_eq(y[i], want[i]);
  arena_free(ar);
}
END_TEST

// ---- reductions

// A sum in lanes equals this: partials of `width` lanes in order, folded in halves; then, for the
// tail, of `native` lanes.
static float lane_sum(const float *x, int n, int width, int native) {
  float p[64] = {0};
  int i = 0;
  for (; i + width <= n; i += width)
    for (int l = 0; l < width; l++)
      p[l] += x[i + l];
  for (; width > native; width /= 2)
    for (int l = 0; l < width / 2; l++)
      p[l] += p[l + width / 2];
  for (; i < n; i += native)
    for (int l = 0; l < native && i + l < n; l++)
      p[l] += x[i + l];
  for (; width > 1; width /= 2)
    for (int l = 0; l < width / 2; l++)
      p[l] += p[l + width / 2];
  return p[0];
}

START_TEST(sum_order) {
  for (int m = 0; run_targets[m]; m++)
    for (int vec = 1; vec <= 4; vec *= 2) {
      Arena *ar = arena_new();
      const char *error;
      Target *t = target_new(ar, run_targets[m], 2, 0, &error);
      LKernel *k = loop_kernel(ar, "sum");
      int xm = loop_arg(ar, k, "x", DT_F32, false), ym = loop_arg(ar, k, "y", DT_F32, true);
      int v = loop_var(k), acc = loop_reg(k);
      LStmt *f = ls_for(ar, v, lx_int(ar, 0), lx_poly(ar, poly_sym(0)), vec);
      vec_push(ar, &f->body, ls_reduce(ar, acc, LR_SUM, lx_load(ar, k, xm, lx_var(ar, v))));
      vec_push(ar, &k->body, ls_reg(ar, acc, DT_F32, lx_const(ar, DT_F32, 0)));
      vec_push(ar, &k->body, f);
      vec_push(ar, &k->body, ls_store(ar, ym, lx_int(ar, 0), lx_reg(ar, DT_F32, acc)));
      for (int n = 1; n < 200; n += 33) {
        float *x = guarded((size_t)n * 4), y = -1;
        uint64_t seed = (uint64_t)n;
        for (int i = 0; i < n; i++)
          x[i] = test_uniform(&seed);
        KernelRun r = {.arena = ar, .march = run_targets[m], .arg = {x, &y}, .sym = {n}};
        run(&r, k);
        if (!r.skipped)
          ck_assert_float_eq(y, lane_sum(x, n, vec * t->vector_floats, t->vector_floats));
      }
      arena_free(ar);
    }
}
END_TEST

START_TEST(reductions_of_dtypes) {
  static const DType types[] = {DT_F32, DT_F64, DT_I32, DT_BF16};
  DType t = types[_i];
  for (int op = LR_SUM; op <= LR_MIN; op++)
    for (int vec = 0; vec <= 2; vec++) {
      Arena *ar = arena_new();
      double x[N], y[1], want = op == LR_SUM ? 0 : op == LR_MAX ? -100 : 100;
      LKernel *k = loop_kernel(ar, "reduce");
      int xm = loop_arg(ar, k, "x", t, false), ym = loop_arg(ar, k, "y", t, true), v = loop_var(k),
          acc = loop_reg(k);
      vec_push(ar, &k->body, ls_reg(ar, acc, t, lx_const(ar, t, want)));
      LStmt *f = ls_for(ar, v, lx_int(ar, 0), lx_int(ar, N), vec);
      vec_push(ar, &f->body, ls_reduce(ar, acc, (LReduce)op, lx_load(ar, k, xm, lx_var(ar, v))));
      vec_push(ar, &k->body, f);
      vec_push(ar, &k->body, ls_store(ar, ym, lx_int(ar, 0), lx_reg(ar, t, acc)));
      for (int i = 0; i < N; i++) {
        double e = (i * 29 % 41) - 20;
        set(x, t, i, e);
        want = op == LR_SUM ? want + e : op == LR_MAX ? fmax(want, e) : fmin(want, e);
      }
      KernelRun r = {.arena = ar, .arg = {x, y}};
      run(&r, k);
      ck_assert_double_eq(get(y, t, 0), want);
      arena_free(ar);
    }
}
END_TEST

// ---- a layer norm: row loop, three vector loops, registers of the row read in the lanes, scratch
START_TEST(layer_norm) {
  enum { ROWS = 5 };
  for (int m = 0; run_targets[m]; m++) {
    Arena *ar = arena_new();
    LKernel *k = loop_kernel(ar, "layer_norm");
    int xm = loop_arg(ar, k, "x", DT_F32, true),
        sc = loop_scratch(ar, k, "row", DT_F32, poly_sym(1));
    int row = loop_grid(k, poly_sym(0), 1), v = loop_var(k), sum = loop_reg(k), sq = loop_reg(k),
        scale = loop_reg(k);
    LExpr *n = lx_poly(ar, poly_sym(1)),
          *at = lx_add(ar, lx_mul(ar, lx_var(ar, row), n), lx_var(ar, v));
    LExpr *fn = lx_from_int(ar, DT_F32, n), *zero = lx_const(ar, DT_F32, 0);
    vec_push(ar, &k->body, ls_reg(ar, sum, DT_F32, zero));
    LStmt *f = ls_for(ar, v, lx_int(ar, 0), n, 2);
    vec_push(ar, &f->body, ls_reduce(ar, sum, LR_SUM, lx_load(ar, k, xm, at)));
    vec_push(ar, &k->body, f);
    vec_push(ar, &k->body,
             ls_set(ar, sum, lx_op(ar, L_DIV, DT_F32, lx_reg(ar, DT_F32, sum), fn, NULL)));
    vec_push(ar, &k->body, ls_reg(ar, sq, DT_F32, zero));
    f = ls_for(ar, v, lx_int(ar, 0), n, 2);
    int d = loop_reg(k);
    LExpr *dv = lx_reg(ar, DT_F32, d);
    vec_push(
        ar, &f->body,
        ls_reg(ar, d, DT_F32,
               lx_op(ar, L_SUB, DT_F32, lx_load(ar, k, xm, at), lx_reg(ar, DT_F32, sum), NULL)));
    vec_push(ar, &f->body, ls_store(ar, sc, lx_var(ar, v), dv));
    vec_push(ar, &f->body, ls_reduce(ar, sq, LR_SUM, lx_op(ar, L_MUL, DT_F32, dv, dv, NULL)));
    vec_push(ar, &k->body, f);
    LExpr *var = lx_op(ar, L_DIV, DT_F32, lx_reg(ar, DT_F32, sq), fn, NULL);
    LExpr *root = lx_op(ar, L_SQRT, DT_F32,
                        lx_op(ar, L_ADD, DT_F32, var, lx_scalar(ar, DT_F32, 0), NULL), NULL, NULL);
    vec_push(
        ar, &k->body,
        ls_reg(ar, scale, DT_F32, lx_op(ar, L_DIV, DT_F32, lx_const(ar, DT_F32, 1), root, NULL)));
    f = ls_for(ar, v, lx_int(ar, 0), n, 4);
    LExpr *y = lx_op(ar, L_MUL, DT_F32, lx_load(ar, k, sc, lx_var(ar, v)),
                     lx_reg(ar, DT_F32, scale), NULL);
    vec_push(ar, &f->body, ls_store(ar, xm, at, y));
    vec_push(ar, &k->body, f);
    k->nscalars = 1;
    float x[ROWS * N], want[ROWS * N], eps = 1e-5f;
    uint64_t seed = 9;
    for (int i = 0; i < ROWS; i++) {
      double s = 0, q = 0;
      for (int j = 0; j < N; j++)
        s += x[i * N + j] = test_uniform(&seed) + (float)i;
      for (int j = 0; j < N; j++)
        q += (x[i * N + j] - s / N) * (x[i * N + j] - s / N);
      for (int j = 0; j < N; j++)
        want[i * N + j] = (float)((x[i * N + j] - s / N) / sqrt(q / N + eps));
    }
    KernelRun r = {.arena = ar, .march = run_targets[m], .arg = {x}, .sym = {ROWS, N}};
    memcpy(&r.scalar[0], &eps, sizeof eps);
    run(&r, k);
    for (int i = 0; i < ROWS * N && !r.skipped; i++)
      ck_assert_float_eq_tol(x[i], want[i], 2e-5f);
    arena_free(ar);
  }
}
END_TEST

// Lanes of columns with a sequential loop over rows inside, a register per lane, a condition on the
// row.
START_TEST(column_loops) {
  enum { ROWS = 9 };
  Arena *ar = arena_new();
  float x[ROWS * N], sum[N], most[N];
  LKernel *k = loop_kernel(ar, "columns");
  int xm = loop_arg(ar, k, "x", DT_F32, false), sm = loop_arg(ar, k, "sum", DT_F32, true),
      mm = loop_arg(ar, k, "max", DT_F32, true);
  int c = loop_var(k), r0 = loop_var(k), s = loop_reg(k), m = loop_reg(k), last = loop_reg(k);
  LExpr *v = lx_load(
      ar, k, xm, lx_add(ar, lx_mul(ar, lx_var(ar, r0), lx_poly(ar, poly_sym(0))), lx_var(ar, c)));
  LStmt *cols = ls_for(ar, c, lx_int(ar, 0), lx_poly(ar, poly_sym(0)), 2),
        *rows = ls_for(ar, r0, lx_int(ar, 0), lx_int(ar, ROWS), 0);
  vec_push(ar, &cols->body, ls_reg(ar, s, DT_F32, lx_const(ar, DT_F32, 0)));
  vec_push(ar, &cols->body, ls_reg(ar, m, DT_F32, lx_const(ar, DT_F32, -100)));
  vec_push(ar, &cols->body, ls_reg(ar, last, DT_I32, lx_const(ar, DT_I32, -1)));
  LExpr *odd = lx_op(ar, L_EQ, DT_BOOL,
                     lx_from_int(ar, DT_I32, lx_iop(ar, L_IMOD, lx_var(ar, r0), lx_int(ar, 2))),
                     lx_const(ar, DT_I32, 1), NULL);
  LExpr *row = lx_from_int(ar, DT_I32, lx_var(ar, r0)), *before = lx_reg(ar, DT_I32, last);
  LExpr *part = lx_op(ar, L_SELECT, DT_F32, odd, v, lx_const(ar, DT_F32, 0));
  vec_push(ar, &rows->body, ls_reduce(ar, s, LR_SUM, part));
  vec_push(ar, &rows->body, ls_set(ar, last, lx_op(ar, L_SELECT, DT_I32, odd, row, before)));
  vec_push(ar, &rows->body, ls_reduce(ar, m, LR_MAX, v));
  vec_push(ar, &cols->body, rows);
  LExpr *with_last = lx_op(ar, L_ADD, DT_F32, lx_reg(ar, DT_F32, s),
                           lx_op(ar, L_CAST, DT_F32, lx_reg(ar, DT_I32, last), NULL, NULL), NULL);
  vec_push(ar, &cols->body, ls_store(ar, sm, lx_var(ar, c), with_last));
  vec_push(ar, &cols->body, ls_store(ar, mm, lx_var(ar, c), lx_reg(ar, DT_F32, m)));
  vec_push(ar, &k->body, cols);
  uint64_t seed = 2;
  for (int i = 0; i < ROWS * N; i++)
    x[i] = test_uniform(&seed);
  KernelRun r = {.arena = ar, .arg = {x, sum, most}, .sym = {N}};
  run(&r, k);
  for (int j = 0; j < N; j++) {
    float want = 0, max = -100;
    for (int i = 0; i < ROWS; i++) {
      want += i % 2 ? x[i * N + j] : 0;
      max = fmaxf(max, x[i * N + j]);
    }
    ck_assert_float_eq(sum[j], want + (ROWS - 2));
    ck_assert_float_eq(most[j], max);
  }
  arena_free(ar);
}
END_TEST

// Equal kernels are compiled once; different ones are not confused.
START_TEST(jit_cache) {
  Arena *ar = arena_new();
  const char *error = NULL;
  Target *t = target_new(ar, NULL, 2, 0, &error);
  Jit *j = jit_new(ar, t, &error);
  ck_assert_msg(j != NULL, "%s", error);
  LKernel *k[4] = {op_kernel(ar, &ops[0], DT_F32, 1), op_kernel(ar, &ops[0], DT_F32, 1),
                   op_kernel(ar, &ops[1], DT_F32, 1), op_kernel(ar, &ops[0], DT_F64, 1)};
  BigsKernel *code[4], *again[1];
  ck_assert_msg(jit_kernels(j, ar, k, 4, 2, code, &error), "%s", error);
  ck_assert(code[0] == code[1] && code[0] != code[2] && code[0] != code[3] && code[2] != code[3]);
  ck_assert(jit_kernels(j, ar, &k[2], 1, 1, again, &error) && again[0] == code[2]);
  ck_assert_int_eq(jit_stats(j).compiled, 3);
  ck_assert_int_eq(jit_stats(j).reused, 2);
  jit_free(j);
  arena_free(ar);
}
END_TEST

Suite *llvm_suite(void) {
  Suite *s = suite_create("llvm");
  TCase *t = tcase_create("llvm");
  tcase_set_timeout(t, 120);
  for (int i = 0; i < COUNT(ops); i++)
    if (ops[i].op == L_CAST)
      tcase_add_loop_test(t, casts, 0, COUNT(dtypes));
  tcase_add_test(t, nan_as_bf16);
  tcase_add_loop_test(t, scalar_ops, 0, COUNT(ops));
  tcase_add_test(t, contraction);
  tcase_add_loop_test(t, gathers, 0, PATTERN_COUNT);
  tcase_add_loop_test(t, scatters, 0, PATTERN_COUNT);
  tcase_add_test(t, adding_scatter);
  tcase_add_test(t, sum_order);
  tcase_add_loop_test(t, reductions_of_dtypes, 0, 4);
  tcase_add_test(t, layer_norm);
  tcase_add_test(t, column_loops);
  tcase_add_test(t, jit_cache);
  suite_add_tcase(s, t);
  return s;
}

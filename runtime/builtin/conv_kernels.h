// The convolution's inner loops, included once for each instruction set by a file that defines
//   W                 lanes of a vector
//   ROWS              rows of the Toeplitz tile
//   KERNELS           name of the table
//   FMA(a, b, c)      a * b + c on vectors, FNMA(a, b, c)  c - a * b
// and selects the instructions.
#include "runtime/builtin/conv_internal.h"
#include <string.h>

// Small arrays of vectors live in registers only when the loops over them are unrolled, which gcc
// -O2 does not by itself.
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 12")
#endif
// Hides a pointer's history.  gcc would carry the loads of one iteration to the next, and spill
// accumulators for it.
#define OPAQUE(p) __asm__("" : "+r"(p))
#ifdef BIGSC_COVERAGE // gcov counts the branches of every copy
#define INLINE static inline
#else
#define INLINE static inline __attribute__((always_inline))
#endif
typedef float V __attribute__((vector_size(W * 4)));
typedef float Unaligned __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef struct C {
  V r, i;
} C;

INLINE V load(const float *p) {
  return *(const Unaligned *)p;
}
INLINE void store(float *p, V v) {
  *(Unaligned *)p = v;
}
INLINE V splat(float x) {
  return x - (V){0};
}

// ---- complex arithmetic; a work element is re[W] im[W]
enum { E = 2 * W };
INLINE C get(const float *p) {
  return (C){load(p), load(p + W)};
}
INLINE void put(float *p, C a) {
  store(p, a.r);
  store(p + W, a.i);
}
INLINE C add(C a, C b) {
  return (C){a.r + b.r, a.i + b.i};
}
INLINE C sub(C a, C b) {
  return (C){a.r - b.r, a.i - b.i};
}
// a - i b, a + i b
INLINE C sub_i(C a, C b) {
  return (C){a.r + b.i, a.i - b.r};
}
INLINE C add_i(C a, C b) {
  return (C){a.r - b.i, a.i + b.r};
}
INLINE C scale(C a, float s) {
  return (C){a.r * splat(s), a.i * splat(s)};
}
INLINE C fma_real(C a, float s, C c) {
  return (C){FMA(a.r, splat(s), c.r), FMA(a.i, splat(s), c.i)};
}
INLINE C mul(C a, C w) {
  return (C){FNMA(a.i, w.i, a.r * w.r), FMA(a.i, w.r, a.r * w.i)};
}
INLINE C mul_conj(C a, C w) {
  return (C){FMA(a.i, w.i, a.r * w.r), FNMA(a.r, w.i, a.i * w.r)};
}
INLINE C scalar(const float *w) {
  return (C){splat(w[0]), splat(w[1])};
}

// ---- butterflies: decimation in frequency going down, its transpose coming up
INLINE void down4(C v[4], const float *w) {
  C s = add(v[0], v[2]), d = sub(v[0], v[2]), t = add(v[1], v[3]), e = sub(v[1], v[3]);
  v[0] = add(s, t);
  v[1] = mul(sub_i(d, e), scalar(w));
  v[2] = mul(sub(s, t), scalar(w + 2));
  v[3] = mul(add_i(d, e), scalar(w + 4));
}
INLINE void up4(C v[4], const float *w) {
  C a = v[0], b = mul_conj(v[1], scalar(w)), c = mul_conj(v[2], scalar(w + 2)),
    d = mul_conj(v[3], scalar(w + 4));
  C s = add(a, c), t = sub(a, c), e = add(b, d), f = sub(b, d);
  v[0] = add(s, e);
  v[1] = add_i(t, f);
  v[2] = sub(s, e);
  v[3] = sub_i(t, f);
}

static void stage(float *x, const ConvLevel *l, bool up) {
  int64_t q = l->n / l->radix;
  const float *w = l->twiddle;
  if (l->radix == 2) {
    for (int64_t j = 0; j < q; j++, w += 2) {
      float *p = x + j * E;
      C a = get(p), b = get(p + q * E), t = scalar(w);
      if (up)
        b = mul_conj(b, t);
      put(p, add(a, b));
      put(p + q * E, up ? sub(a, b) : mul(sub(a, b), t));
    }
    return;
  }
  for (int64_t j = 0; j < q; j++, w += 6) {
    float *p = x + j * E;
    C v[4] = {get(p), get(p + q * E), get(p + 2 * q * E), get(p + 3 * q * E)};
    if (up)
      up4(v, w);
    else
      down4(v, w);
    UNROLL
    for (int i = 0; i < 4; i++)
      put(p + i * q * E, v[i]);
  }
}

// The first stage: rows from L on are zero, and L > N / 4, L <= N / 2.
static void first_stage(const ConvPlan *p, ConvSignal in, float *x) {
  int64_t q = p->N / 4;
  const float *w = p->level[0].twiddle;
  for (int64_t j = 0; j < q; j++, w += 6) {
    const float *re = in.re + j * in.row, *im = in.im + j * in.row;
    C a = {load(re), load(im)}, b = {{0}, {0}};
    if (j + q < p->L)
      b = (C){load(re + q * in.row), load(im + q * in.row)};
    float *o = x + j * E;
    put(o, add(a, b));
    put(o + q * E, mul(sub_i(a, b), scalar(w)));
    put(o + 2 * q * E, mul(sub(a, b), scalar(w + 2)));
    put(o + 3 * q * E, mul(add_i(a, b), scalar(w + 4)));
  }
}

// The last stage: only rows below L are wanted.
static void last_stage(const ConvPlan *p, const float *x, ConvSignal out) {
  int64_t q = p->N / 4;
  const float *w = p->level[0].twiddle;
  for (int64_t j = 0; j < q; j++, w += 6) {
    const float *s = x + j * E;
    C a = get(s), b = mul_conj(get(s + q * E), scalar(w)),
      c = mul_conj(get(s + 2 * q * E), scalar(w + 2)),
      d = mul_conj(get(s + 3 * q * E), scalar(w + 4));
    float *re = out.re + j * out.row, *im = out.im + j * out.row;
    C y = add(add(a, c), add(b, d));
    store(re, y.r);
    store(im, y.i);
    if (j + q >= p->L)
      continue;
    y = add_i(sub(a, c), sub(b, d));
    store(re + q * out.row, y.r);
    store(im + q * out.row, y.i);
  }
}

// ---- leaves: transforms of r = 3, 4 or 5 points in registers; `up` conjugates
INLINE C turn(C a, C b, bool up) { // a - i b; up: a + i b
  return up ? add_i(a, b) : sub_i(a, b);
}
INLINE void leaf3(C v[3], bool up) {
  C s = add(v[1], v[2]), d = scale(sub(v[1], v[2]), 0.86602540378443865f);
  C m = fma_real(s, -0.5f, v[0]);
  v[0] = add(v[0], s);
  v[1] = turn(m, d, up);
  v[2] = turn(m, d, !up);
}
INLINE void leaf4(C v[4], bool up) {
  C s = add(v[0], v[2]), d = sub(v[0], v[2]), t = add(v[1], v[3]), e = sub(v[1], v[3]);
  v[0] = add(s, t);
  v[1] = turn(d, e, up);
  v[2] = sub(s, t);
  v[3] = turn(d, e, !up);
}
INLINE void leaf5(C v[5], bool up) {
  const float c1 = 0.30901699437494742f, c2 = -0.80901699437494742f; // cos 2 pi/5, cos 4 pi/5
  const float s1 = 0.95105651629515357f, s2 = 0.58778525229247313f;
  C a = add(v[1], v[4]), b = add(v[2], v[3]), c = sub(v[1], v[4]), d = sub(v[2], v[3]);
  C m = fma_real(b, c2, fma_real(a, c1, v[0])), n = fma_real(b, c1, fma_real(a, c2, v[0]));
  C f = fma_real(d, s2, scale(c, s1)), g = fma_real(d, -s1, scale(c, s2));
  v[0] = add(v[0], add(a, b));
  v[1] = turn(m, f, up);
  v[2] = turn(n, g, up);
  v[3] = turn(n, g, !up);
  v[4] = turn(m, f, !up);
}
INLINE void leaf(C *v, int r, bool up) {
  if (r == 3)
    leaf3(v, up);
  else if (r == 4)
    leaf4(v, up);
  else
    leaf5(v, up);
}

typedef enum BlockOp { MULTIPLY, MULTIPLY_LANES, FORWARD, INVERSE, CORRELATE } BlockOp;
typedef struct ConvPass {
  const ConvPlan *plan;
  BlockOp op;
  const float *spectrum; // MULTIPLY
  float *sum;            // CORRELATE
} ConvPass;

INLINE void leaf_block(float *x, float *z, const float *k, float *sum, int count, int r,
                       BlockOp op) {
  for (int b = 0; b < count; b++, x += r * E) {
    C v[5], u[5];
    UNROLL
    for (int i = 0; i < r; i++)
      v[i] = get(x + i * E);
    leaf(v, r, op == INVERSE);
    if (op == CORRELATE) {
      UNROLL
      for (int i = 0; i < r; i++)
        u[i] = get(z + i * E);
      leaf(u, r, false);
      UNROLL
      for (int i = 0; i < r; i++, sum += E) {
        C s = get(sum);
        s.r = FMA(v[i].i, u[i].i, FMA(v[i].r, u[i].r, s.r));
        s.i = FNMA(v[i].i, u[i].r, FMA(v[i].r, u[i].i, s.i));
        put(sum, s);
      }
      z += r * E;
      continue;
    }
    if (op == MULTIPLY || op == MULTIPLY_LANES) {
      int step = op == MULTIPLY ? 2 : E;
      UNROLL
      for (int i = 0; i < r; i++, k += step)
        v[i] = mul(v[i], op == MULTIPLY ? scalar(k) : get(k));
      leaf(v, r, true);
    }
    UNROLL
    for (int i = 0; i < r; i++)
      put(x + i * E, v[i]);
  }
}

INLINE void leaves_of(const ConvPass *a, float *x, float *z, int64_t at, int count, BlockOp op) {
  const float *k = a->spectrum ? a->spectrum + at * (op == MULTIPLY ? 2 : E) : NULL;
  float *sum = a->sum ? a->sum + at * E : NULL;
  if (a->plan->leaf == 3)
    leaf_block(x, z, k, sum, count, 3, op);
  else if (a->plan->leaf == 4)
    leaf_block(x, z, k, sum, count, 4, op);
  else
    leaf_block(x, z, k, sum, count, 5, op);
}

static void leaves(const ConvPass *a, float *x, float *z, int64_t at, int count) {
  switch (a->op) {
  case MULTIPLY: leaves_of(a, x, z, at, count, MULTIPLY); break;
  case MULTIPLY_LANES: leaves_of(a, x, z, at, count, MULTIPLY_LANES); break;
  case FORWARD: leaves_of(a, x, z, at, count, FORWARD); break;
  case INVERSE: leaves_of(a, x, z, at, count, INVERSE); break;
  case CORRELATE: leaves_of(a, x, z, at, count, CORRELATE); break;
  }
}

// Depth first, so that a block which fits a cache is finished while it is there.  `at`: position of
// x in the transform.
static void walk(const ConvPass *a, int level, float *x, float *z, int64_t at);
static void children(const ConvPass *a, int level, float *x, float *z, int64_t at) {
  const ConvLevel *l = &a->plan->level[level];
  int64_t part = l->n / l->radix;
  if (level + 1 == a->plan->nlevel) {
    leaves(a, x, z, at, l->radix);
    return;
  }
  for (int i = 0; i < l->radix; i++)
    walk(a, level + 1, x + i * part * E, z ? z + i * part * E : NULL, at + i * part);
}
static void walk(const ConvPass *a, int level, float *x, float *z, int64_t at) {
  const ConvLevel *l = &a->plan->level[level];
  if (a->op != INVERSE)
    stage(x, l, false);
  if (a->op == CORRELATE)
    stage(z, l, false);
  children(a, level, x, z, at);
  if (a->op == MULTIPLY || a->op == MULTIPLY_LANES || a->op == INVERSE)
    stage(x, l, true);
}

// 0 where v is finite, else NaN.
INLINE V not_finite(V v) {
  return v - v;
}
INLINE bool all_zero(V v) {
  bool zero = true;
  for (int i = 0; i < W; i++)
    zero &= v[i] == 0;
  return zero;
}

// Row 0 of what last_stage will store is the sum of four rows, and of all frequencies: one input that
// is not finite spoils it.
static bool first_row_is_finite(const ConvPlan *p, const float *x) {
  int64_t q = p->N / 4 * E;
  C y = add(add(get(x), get(x + q)), add(get(x + 2 * q), get(x + 3 * q)));
  return all_zero(not_finite(y.r) + not_finite(y.i));
}

static bool apply(const ConvPlan *p, ConvSignal in, ConvSignal out, const float *spectrum,
                  bool per_lane, float *work, bool anyway) {
  ConvPass a = {.plan = p, .op = per_lane ? MULTIPLY_LANES : MULTIPLY, .spectrum = spectrum};
  first_stage(p, in, work);
  children(&a, 0, work, NULL, 0);
  if (!anyway && !first_row_is_finite(p, work))
    return false;
  last_stage(p, work, out);
  return true;
}

static void forward(const ConvPlan *p, ConvSignal in, float *work) {
  ConvPass a = {.plan = p, .op = FORWARD};
  first_stage(p, in, work);
  children(&a, 0, work, NULL, 0);
}

static void correlate(const ConvPlan *p, ConvSignal u, ConvSignal dy, float *x, float *z,
                      float *sum) {
  ConvPass a = {.plan = p, .op = CORRELATE, .sum = sum};
  first_stage(p, u, x);
  first_stage(p, dy, z);
  children(&a, 0, x, z, 0);
}

static void inverse(const ConvPlan *p, float *x) {
  ConvPass a = {.plan = p, .op = INVERSE};
  walk(&a, 0, x, NULL, 0);
}

// ---- the Toeplitz tile: ROWS outputs from l on, both halves of the slice; with `check` only if all
// are finite
INLINE bool tile(int64_t L, ConvSignal in, ConvSignal out, const float *k, int64_t l, bool per_lane,
                 bool reverse, bool check) {
  V re[ROWS], im[ROWS];
  UNROLL
  for (int i = 0; i < ROWS; i++)
    re[i] = im[i] = splat(0);
  int64_t from = reverse ? l : 0, end = !reverse && l + ROWS < L ? l + ROWS : L;
  int64_t unit = per_lane ? W : 1, step = reverse ? -unit : unit;
  const float *c = k + (l - from) * step, *x = in.re + from * in.row, *z = in.im + from * in.row;
  for (int64_t m = from; m < end; m++, c -= step, x += in.row, z += in.row) { // c is at k[|l - m|]
    OPAQUE(c);
    V a = load(x), b = load(z);
    UNROLL
    for (int i = 0; i < ROWS; i++) {
      V t = per_lane ? load(c + i * step) : splat(c[i * step]);
      re[i] = FMA(t, a, re[i]);
      im[i] = FMA(t, b, im[i]);
    }
  }
  if (check) {
    V bad = splat(0);
    UNROLL
    for (int i = 0; i < ROWS; i++)
      bad += not_finite(re[i]) + not_finite(im[i]);
    if (!all_zero(bad))
      return false;
  }
  UNROLL
  for (int i = 0; i < ROWS; i++)
    if (l + i < L) {
      store(out.re + (l + i) * out.row, re[i]);
      store(out.im + (l + i) * out.row, im[i]);
    }
  return true;
}

// Inputs that later tiles read are not yet overwritten.  The first tile holds the row that all inputs
// have a part in: it tells whether one is not finite.
INLINE bool tiles(int64_t L, ConvSignal in, ConvSignal out, const float *k, bool per_lane,
                  bool reverse) {
  int64_t n = (L + ROWS - 1) / ROWS;
  for (int64_t i = 0; i < n; i++)
    if (!tile(L, in, out, k, (reverse ? i : n - 1 - i) * ROWS, per_lane, reverse, i == 0))
      return false;
  return true;
}

static bool direct(int64_t L, ConvSignal in, ConvSignal out, const float *k, bool per_lane,
                   bool reverse) {
  if (per_lane && reverse)
    return tiles(L, in, out, k, true, true);
  if (per_lane)
    return tiles(L, in, out, k, true, false);
  if (reverse)
    return tiles(L, in, out, k, false, true);
  return tiles(L, in, out, k, false, false);
}

// ROWS lags from j on.
INLINE void lags(int64_t L, ConvSignal u, ConvSignal dy, float *sum, int64_t j) {
  V s[ROWS];
  UNROLL
  for (int i = 0; i < ROWS; i++)
    s[i] = splat(0);
  int64_t l = j;
  for (; l < j + ROWS - 1 && l < L; l++) // lags that reach before the start
    for (int i = 0; i <= l - j; i++) {
      int64_t m = l - j - i;
      s[i] = FMA(load(dy.re + l * dy.row), load(u.re + m * u.row), s[i]);
      s[i] = FMA(load(dy.im + l * dy.row), load(u.im + m * u.row), s[i]);
    }
  for (; l < L; l++) {
    V a = load(dy.re + l * dy.row), b = load(dy.im + l * dy.row);
    const float *x = u.re + (l - j) * u.row, *z = u.im + (l - j) * u.row;
    UNROLL
    for (int i = 0; i < ROWS; i++, x -= u.row, z -= u.row)
      s[i] = FMA(b, load(z), FMA(a, load(x), s[i]));
  }
  UNROLL
  for (int i = 0; i < ROWS; i++)
    if (j + i < L)
      store(sum + (j + i) * W, load(sum + (j + i) * W) + s[i]);
}

static void direct_correlate(int64_t L, ConvSignal u, ConvSignal dy, float *sum) {
  for (int64_t j = 0; j < L; j += ROWS)
    lags(L, u, dy, sum, j);
}

const ConvKernels KERNELS = {.width = W,
                             .rows = ROWS,
                             .apply = apply,
                             .forward = forward,
                             .correlate = correlate,
                             .inverse = inverse,
                             .direct = direct,
                             .direct_correlate = direct_correlate};

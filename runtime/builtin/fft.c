// Tables, the passes of a complex transform, and the packing of real sequences.
#include "runtime/builtin/fft.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct Z {
  double re, im;
} Z;

// A pass takes `runs` transforms of n points, whose elements are `runs` apart, to radix times as
// many of n / radix points: decimation in frequency.
typedef struct FftPass {
  int radix;
  int64_t part, runs; // part = n / radix
  const Z *root;      // for j < part: w^j .. w^((radix - 1) j), w = exp(-2 pi i / n)
} FftPass;
enum { MAX_PASSES = 40 };
struct Fft {
  int64_t n;
  int npass;
  FftPass pass[MAX_PASSES];
  Z *quarter; // exp(-2 pi i j / n), 0 <= j <= n / 4
  Z *roots;   // of all passes
};

// ---- complex numbers (C's own products look for infinities)
static inline Z add(Z a, Z b) {
  return (Z){a.re + b.re, a.im + b.im};
}
static inline Z sub(Z a, Z b) {
  return (Z){a.re - b.re, a.im - b.im};
}
static inline Z mul(Z a, Z b) {
  return (Z){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
static inline Z scale(double s, Z a) {
  return (Z){s * a.re, s * a.im};
}
static inline Z conjugate(Z a) {
  return (Z){a.re, -a.im};
}
static inline Z turn(Z a) { // -i a
  return (Z){a.im, -a.re};
}

// ---- tables
// Sines and cosines of at most an eighth of a turn, where both are at their best; the rest mirrors
// them.
static void fill_quarter(Fft *f) {
  const long double turn_of = 6.283185307179586476925286766559005768L / (long double)f->n;
  for (int64_t j = 0, end = f->n / 4; 8 * j <= f->n; j++) {
    double c = (double)cosl(turn_of * (long double)j), s = (double)sinl(turn_of * (long double)j);
    f->quarter[j] = (Z){c, -s};
    f->quarter[end - j] = (Z){s, -c};
  }
}

// exp(-2 pi i j / n), 0 <= j < n
static Z root(const Fft *f, int64_t j) {
  Z w = f->quarter[j % (f->n / 4)];
  for (int64_t q = j / (f->n / 4); q > 0; q--)
    w = turn(w);
  return w;
}

static int radix_of(int64_t n) {
  return n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : n % 3 == 0 ? 3 : n % 5 == 0 ? 5 : 0;
}

// False when the n / 2 points have another factor.
static bool split(Fft *f) {
  int64_t runs = 1, n = f->n / 2;
  for (int r; n > 1; n /= r, runs *= r) {
    r = radix_of(n);
    if (!r)
      return false;
    f->pass[f->npass++] = (FftPass){.radix = r, .part = n / r, .runs = runs};
  }
  return true;
}

static void fill_roots(Fft *f) {
  Z *w = f->roots;
  for (FftPass *p = f->pass; p < f->pass + f->npass; p++) {
    p->root = w;
    for (int64_t j = 0; j < p->part; j++)
      for (int m = 1; m < p->radix; m++)
        *w++ = root(f, m * j * p->runs * 2);
  }
}

static size_t count_roots(const Fft *f) {
  int64_t n = 1;
  for (int i = 0; i < f->npass; i++)
    n += f->pass[i].part * (f->pass[i].radix - 1);
  return (size_t)n;
}

Fft *fft_new(int64_t n) {
  Fft *f = n >= 4 && n % 4 == 0 && n <= INT64_MAX / 64 ? calloc(1, sizeof *f) : NULL;
  if (!f)
    return NULL;
  f->n = n;
  if (split(f)) {
    f->quarter = malloc((size_t)(n / 4 + 1) * sizeof(Z));
    f->roots = malloc(count_roots(f) * sizeof(Z));
  }
  if (!f->quarter || !f->roots) {
    fft_free(f);
    return NULL;
  }
  fill_quarter(f);
  fill_roots(f);
  return f;
}

void fft_free(Fft *f) {
  if (!f)
    return;
  free(f->quarter);
  free(f->roots);
  free(f);
}

// ---- passes
// Each makes y, radix numbers `runs` apart, of x, radix numbers `apart`; w: their roots.
static inline void two(const Z *x, int64_t apart, const Z *w, Z *y, int64_t runs) {
  Z a = x[0], b = x[apart];
  y[0] = add(a, b);
  y[runs] = mul(w[0], sub(a, b));
}

static inline void three(const Z *x, int64_t apart, const Z *w, Z *y, int64_t runs) {
  const double sine = 0.86602540378443864676; // sin(2 pi / 3)
  Z sum = add(x[apart], x[2 * apart]), d = scale(sine, turn(sub(x[apart], x[2 * apart])));
  Z mid = sub(x[0], scale(0.5, sum));
  y[0] = add(x[0], sum);
  y[runs] = mul(w[0], add(mid, d));
  y[2 * runs] = mul(w[1], sub(mid, d));
}

static inline void four(const Z *x, int64_t apart, const Z *w, Z *y, int64_t runs) {
  Z a = add(x[0], x[2 * apart]), b = sub(x[0], x[2 * apart]);
  Z c = add(x[apart], x[3 * apart]), d = turn(sub(x[apart], x[3 * apart]));
  y[0] = add(a, c);
  y[runs] = mul(w[0], add(b, d));
  y[2 * runs] = mul(w[1], sub(a, c));
  y[3 * runs] = mul(w[2], sub(b, d));
}

static inline void five(const Z *x, int64_t apart, const Z *w, Z *y, int64_t runs) {
  const double c1 = 0.30901699437494742410, s1 = 0.95105651629515357212; // of 2 pi / 5
  const double c2 = -0.80901699437494742410, s2 = 0.58778525229247312917;
  Z a = add(x[apart], x[4 * apart]), c = turn(sub(x[apart], x[4 * apart]));
  Z b = add(x[2 * apart], x[3 * apart]), d = turn(sub(x[2 * apart], x[3 * apart]));
  Z e = add(x[0], add(scale(c1, a), scale(c2, b))), g = add(scale(s1, c), scale(s2, d));
  Z h = add(x[0], add(scale(c2, a), scale(c1, b))), k = sub(scale(s2, c), scale(s1, d));
  y[0] = add(x[0], add(a, b));
  y[runs] = mul(w[0], add(e, g));
  y[2 * runs] = mul(w[1], add(h, k));
  y[3 * runs] = mul(w[2], sub(h, k));
  y[4 * runs] = mul(w[3], sub(e, g));
}

static void pass(const FftPass *p, const Z *restrict x, Z *restrict y) {
  int64_t runs = p->runs, apart = p->part * runs;
  for (int64_t j = 0; j < p->part; j++) {
    const Z *w = p->root + j * (p->radix - 1), *from = x + j * runs;
    Z *to = y + j * runs * p->radix;
#define EACH(radix)                                                                                \
  for (int64_t i = 0; i < runs; i++)                                                               \
  radix(from + i, apart, w, to + i, runs)
    switch (p->radix) {
    case 2: EACH(two); break;
    case 3: EACH(three); break;
    case 4: EACH(four); break;
    case 5: EACH(five); break;
    }
#undef EACH
  }
}

// The n / 2 points of x transformed, by turns into y and into x; where they are in the end.
static Z *transform(const Fft *f, Z *x, Z *y) {
  for (int i = 0; i < f->npass; i++) {
    pass(&f->pass[i], x, y);
    Z *other = x;
    x = y;
    y = other;
  }
  return x;
}

// ---- real sequences: z[j] = x[2j] + i x[2j + 1] has the spectrum Z = E + i O, where E and O are
// those of the even and the odd elements, and X[k] = E[k] + w^k O[k], w = exp(-2 pi i / n).
void fft_forward(const Fft *f, double *x, double *work) {
  Z *out = (Z *)x, *z = transform(f, out, (Z *)work), first = z[0];
  int64_t h = f->n / 2;
  for (int64_t k = 1; k <= h - k; k++) {
    Z a = z[k], b = conjugate(z[h - k]);
    Z even = scale(0.5, add(a, b)), odd = mul(f->quarter[k], scale(0.5, turn(sub(a, b))));
    out[k] = add(even, odd);
    out[h - k] = conjugate(sub(even, odd));
  }
  out[0] = (Z){first.re + first.im, 0};
  out[h] = (Z){first.re - first.im, 0};
}

// The conjugate of the transform of the conjugate is the inverse one: of 2 Z, which is
// X[k] + conj X[n / 2 - k] + i conj(w^k) (X[k] - conj X[n / 2 - k]).
void fft_inverse(const Fft *f, double *x, double *work) {
  Z *in = (Z *)x, *z = f->npass % 2 ? (Z *)work : in, first = in[0], last;
  int64_t h = f->n / 2;
  last = in[h];
  for (int64_t k = 1; k <= h - k; k++) {
    Z a = in[k], b = conjugate(in[h - k]);
    Z even = add(a, b), odd = turn(mul(conjugate(f->quarter[k]), sub(a, b)));
    z[k] = conjugate(sub(even, odd));
    z[h - k] = add(even, odd);
  }
  z[0] = (Z){first.re + last.re, last.re - first.re};
  transform(f, z, z == in ? (Z *)work : in);
  for (int64_t j = 1; j < f->n; j += 2)
    x[j] = -x[j];
}

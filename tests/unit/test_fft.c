// The transform of convolutions' kernels against FFTW (where it is linked) and against sums in long
// double; round trips, linearity, and what is refused.
#include "base/bug.h"
#include "base/rng.h"
#include "runtime/builtin/fft.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef BIGSC_FFTW
#include <fftw3.h>
#endif

// ---- sizes: those that conv_plan.c takes, and any other that is allowed
static const int64_t bases[] = {4, 5, 6, 8, 10, 12};
enum { MOST = 12 * 1024, SUMS_BELOW = 1300 };

static bool allowed(int64_t n) {
  if (n < 4 || n % 4)
    return false;
  for (int p = 2; p <= 5; p++)
    while (n % p == 0)
      n /= p;
  return n == 1;
}

// ---- a transform, its input and its memory; sentinels behind both
typedef struct FftBed {
  Fft *fft;
  int64_t n;
  double *in, *x, *work;
} FftBed;
static const double gap = -12345;

static FftBed bed(int64_t n, uint32_t seed) {
  FftBed b = {.fft = fft_new(n), .n = n};
  ck_assert_msg(b.fft != NULL, "no transform of %lld points", (long long)n);
  b.in = malloc((size_t)n * sizeof *b.in);
  b.x = malloc((size_t)(n + 3) * sizeof *b.x);
  b.work = malloc((size_t)(n + 1) * sizeof *b.work);
  ck_assert(b.in && b.x && b.work);
  for (int64_t i = 0; i < n; i++) // in [-1, 1)
    b.in[i] = (double)(int32_t)rng_element(seed, 1, (uint64_t)i) * 0x1p-31;
  memcpy(b.x, b.in, (size_t)n * sizeof *b.x);
  for (int64_t i = 0; i < n; i++)
    b.work[i] = NAN; // garbage is not read
  b.x[n] = b.x[n + 1] = NAN;
  b.x[n + 2] = b.work[n] = gap;
  return b;
}

static void end(FftBed *b) {
  ck_assert(b->x[b->n + 2] == gap && b->work[b->n] == gap);
  fft_free(b->fft);
  free(b->in);
  free(b->x);
  free(b->work);
}

// The greatest difference of `count` doubles, as a share of the greatest value.
static double error_of(const double *x, const double *want, int64_t count) {
  double worst = 0, most = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!(fabs(x[i] - want[i]) <= worst)) // a NaN is an error
      worst = fabs(x[i] - want[i]);
    most = fmax(most, fabs(want[i]));
  }
  return worst / most;
}

static void near(const double *x, const double *want, int64_t count, const char *what, int64_t n) {
  double e = error_of(x, want, count);
  ck_assert_msg(e < 2e-15, "%s, n %lld: error %g", what, (long long)n, e);
}

#ifdef BIGSC_FFTW
// ---- against FFTW, both ways
static void against_fftw(int64_t n) {
  FftBed b = bed(n, (uint32_t)n);
  double *f = fftw_malloc((size_t)(n + 2) * sizeof *f), *y = fftw_malloc((size_t)n * sizeof *y);
  fftw_plan to = fftw_plan_dft_r2c_1d((int)n, y, (fftw_complex *)f, FFTW_ESTIMATE);
  fftw_plan from = fftw_plan_dft_c2r_1d((int)n, (fftw_complex *)f, y, FFTW_ESTIMATE);
  memcpy(y, b.in, (size_t)n * sizeof *y);
  fftw_execute(to);
  fft_forward(b.fft, b.x, b.work);
  near(b.x, f, n + 2, "forward", n);
  memcpy(b.x, f, (size_t)(n + 2) * sizeof *f); // the next one overwrites f
  fftw_execute(from);
  fft_inverse(b.fft, b.x, b.work);
  near(b.x, y, n, "inverse", n);
  fftw_destroy_plan(to);
  fftw_destroy_plan(from);
  fftw_free(f);
  fftw_free(y);
  end(&b);
}

START_TEST(sizes_of_convolutions) {
  for (int64_t scale = 4; bases[_i] * scale <= MOST; scale *= 4)
    against_fftw(bases[_i] * scale);
}
END_TEST

START_TEST(every_size) {
  int sizes = 0;
  for (int64_t n = 0; n <= 1000; n++)
    if (allowed(n)) {
      against_fftw(n);
      sizes++;
    }
  ck_assert_int_gt(sizes, 50);
}
END_TEST
#endif

// ---- against the formula of fft.h
static void sum(const double *x, int64_t n, int64_t k, double *out) {
  const long double turn = 6.283185307179586476925286766559005768L / (long double)n;
  long double re = 0, im = 0;
  for (int64_t j = 0; j < n; j++) {
    re += x[j] * cosl(turn * (long double)(j * k % n));
    im -= x[j] * sinl(turn * (long double)(j * k % n));
  }
  out[0] = (double)re;
  out[1] = (double)im;
}

START_TEST(sums) {
  double *want = malloc((SUMS_BELOW + 2) * sizeof *want);
  ck_assert_ptr_nonnull(want);
  for (int64_t scale = 1; bases[_i] * scale < SUMS_BELOW; scale *= 4) {
    int64_t n = bases[_i] * scale;
    if (!allowed(n))
      continue;
    FftBed b = bed(n, 3);
    for (int64_t k = 0; k <= n / 2; k++)
      sum(b.in, n, k, want + 2 * k);
    fft_forward(b.fft, b.x, b.work);
    near(b.x, want, n + 2, "sums", n);
    end(&b);
  }
  free(want);
}
END_TEST

// ---- properties
// A single one at j has the spectrum exp(-2 pi i j k / n): every root in its last digit, as far as
// the few additions of the packing allow.
START_TEST(impulse) {
  static const int64_t sizes[] = {20, 96, 256, 640, 5 * 4096};
  for (int s = 0; s < COUNT(sizes); s++) {
    int64_t n = sizes[s], j = n / 2 - 1;
    const long double turn = 6.283185307179586476925286766559005768L / (long double)n;
    FftBed b = bed(n, 1);
    memset(b.x, 0, (size_t)n * sizeof *b.x);
    b.x[j] = 1;
    fft_forward(b.fft, b.x, b.work);
    for (int64_t k = 0; k <= n / 2; k++) {
      long double phase = turn * (long double)(j * k % n);
      ck_assert_double_eq_tol(b.x[2 * k], (double)cosl(phase), 1e-15);
      ck_assert_double_eq_tol(b.x[2 * k + 1], (double)-sinl(phase), 1e-15);
    }
    end(&b);
  }
}
END_TEST

START_TEST(round_trip) {
  for (int64_t scale = 4; bases[_i] * scale <= 16 * MOST; scale *= 4) {
    FftBed b = bed(bases[_i] * scale, 7);
    fft_forward(b.fft, b.x, b.work);
    ck_assert(b.x[1] == 0 && b.x[b.n + 1] == 0);
    b.x[1] = b.x[b.n + 1] = NAN; // not read
    fft_inverse(b.fft, b.x, b.work);
    for (int64_t i = 0; i < b.n; i++)
      b.x[i] /= (double)b.n;
    near(b.x, b.in, b.n, "round trip", b.n);
    end(&b);
  }
}
END_TEST

// F(x + 3 y) = F(x) + 3 F(y)
START_TEST(linear) {
  for (int64_t scale = 4; bases[_i] * scale <= 4096; scale *= 4) {
    int64_t n = bases[_i] * scale;
    FftBed x = bed(n, 1), y = bed(n, 2), z = bed(n, 3);
    for (int64_t i = 0; i < n; i++)
      z.x[i] = x.in[i] + 3 * y.in[i];
    fft_forward(x.fft, x.x, x.work);
    fft_forward(y.fft, y.x, y.work);
    fft_forward(z.fft, z.x, z.work);
    for (int64_t i = 0; i < n + 2; i++)
      x.x[i] += 3 * y.x[i];
    near(z.x, x.x, n + 2, "linear", n);
    end(&x);
    end(&y);
    end(&z);
  }
}
END_TEST

START_TEST(refused) {
  for (int64_t n = -40; n <= 2000; n++) {
    Fft *f = fft_new(n);
    ck_assert_msg((f != NULL) == allowed(n), "n %lld", (long long)n);
    fft_free(f);
  }
  ck_assert_ptr_null(fft_new(INT64_MAX - 3));
  ck_assert_ptr_null(fft_new(INT64_MIN));
  ck_assert_ptr_null(fft_new((int64_t)1 << 60)); // its tables have no size
  fft_free(NULL);
}
END_TEST

Suite *fft_suite(void) {
  Suite *s = suite_create("fft");
  TCase *t = tcase_create("values");
  tcase_set_timeout(t, 60);
#ifdef BIGSC_FFTW
  tcase_add_loop_test(t, sizes_of_convolutions, 0, COUNT(bases));
  tcase_add_test(t, every_size);
#endif
  tcase_add_loop_test(t, sums, 0, COUNT(bases));
  suite_add_tcase(s, t);
  t = tcase_create("properties");
  tcase_add_test(t, impulse);
  tcase_add_loop_test(t, round_trip, 0, COUNT(bases));
  tcase_add_loop_test(t, linear, 0, COUNT(bases));
  tcase_add_test(t, refused);
  suite_add_tcase(s, t);
  return s;
}

// See fftw.h.
#include "compiler/commands/fftw.h"

#ifdef BIGSC_FFTW
#include "base/clock.h"
#include <fftw3.h>
#include <math.h>
#include <string.h>

enum { RUNS = 20, LARGEST = 1 << 28 }; // floats that it may take

// The least number from n on that has no prime factor above 5: FFTW is fast there.
static int64_t smooth(int64_t n) {
  for (;; n++) {
    int64_t left = n;
    for (int p = 2; p <= 5; p++)
      while (left % p == 0)
        left /= p;
    if (left == 1)
      return n;
  }
}

typedef struct FftwBed {
  int n, channels; // padded length; lanes, which are channels
  float *x;
  fftwf_complex *f;
  fftwf_plan to, from;
} FftwBed;

static void multiply(const FftwBed *b) {
  const float re = 0.5f, im = 0.25f;
  for (int64_t i = 0; i < (int64_t)(b->n / 2 + 1) * b->channels; i++) {
    float real = b->f[i][0] * re - b->f[i][1] * im;
    b->f[i][1] = b->f[i][0] * im + b->f[i][1] * re;
    b->f[i][0] = real;
  }
}

static double best(const FftwBed *b) {
  double best = INFINITY, spent = 0;
  for (int i = 0; i < RUNS && spent < 0.3; i++) {
    memset(b->x, 0, sizeof *b->x * (size_t)b->n * (size_t)b->channels);
    double start = clock_seconds();
    fftwf_execute(b->to);
    multiply(b);
    fftwf_execute(b->from);
    double t = clock_seconds() - start;
    spent += t;
    best = fmin(best, t);
  }
  return best * 1e3;
}

double fftw_convolution_ms(int64_t length, int64_t channels) {
  if (length < 1 || channels < 1 || length > LARGEST / 2 || channels > LARGEST / (4 * length))
    return 0;
  FftwBed b = {.n = (int)smooth(2 * length), .channels = (int)channels};
  int n = b.n, h = b.channels;
  b.x = fftwf_malloc(sizeof *b.x * (size_t)n * (size_t)h);
  b.f = fftwf_malloc(sizeof *b.f * (size_t)(n / 2 + 1) * (size_t)h);
  if (b.x && b.f) {
    b.to = fftwf_plan_many_dft_r2c(1, &n, h, b.x, NULL, h, 1, b.f, NULL, h, 1, FFTW_ESTIMATE);
    b.from = fftwf_plan_many_dft_c2r(1, &n, h, b.f, NULL, h, 1, b.x, NULL, h, 1, FFTW_ESTIMATE);
  }
  double ms = b.to && b.from ? best(&b) : 0;
  fftwf_destroy_plan(b.to);
  fftwf_destroy_plan(b.from);
  fftwf_free(b.x);
  fftwf_free(b.f);
  return ms;
}
#else
double fftw_convolution_ms(int64_t length, int64_t channels) {
  (void)length, (void)channels;
  return 0;
}
#endif

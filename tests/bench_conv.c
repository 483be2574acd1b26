// Times of the convolution, one direction, against FFTW transforming every channel; not a test.
//
//   gcc -O2 -std=c11 -D_GNU_SOURCE -I. -o /tmp/bench_conv tests/bench_conv.c runtime/builtin/conv.c runtime/builtin/conv_*.c
//     runtime/builtin/fft.c runtime/exec/pool.c runtime/exec/cpus.c base/error.c -lfftw3f -lpthread -lm; /tmp/bench_conv [threads]
//
// Columns: milliseconds for B = 1, H = 1024: FFTW; u to y; dy to dk; ns a multiply of the direct
// sum it stands for.
#include "base/clock.h"
#include "runtime/builtin/conv.h"
#include "runtime/exec/pool.h"
#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 1024, MAX_THREADS = 64 };

static void *aligned(size_t bytes) {
  void *p = NULL;
  if (posix_memalign(&p, 64, bytes + 64))
    abort();
  memset(p, 0, bytes);
  return p;
}

typedef struct BenchJob {
  ConvArgs a;
  int phase;
  bool grad;
  float *u, *k, *y;
  void *shared, *scratch[MAX_THREADS];
} BenchJob;
static void task(void *ctx, int64_t i, int thread) {
  BenchJob *j = ctx;
  if (j->grad)
    conv_grad_task(&j->a, j->phase, i, j->u, j->y, j->k, j->shared, j->scratch[thread]);
  else
    conv_task(&j->a, j->phase, i, j->u, j->k, j->y, j->shared, j->scratch[thread]);
}
static double once(BenchJob *j, Pool *pool) {
  double t = clock_seconds();
  for (j->phase = 0; j->phase < 2; j->phase++)
    pool_run(pool, j->grad ? conv_grad_tasks(&j->a, j->phase) : conv_tasks(&j->a, j->phase), task,
             j);
  return clock_seconds() - t;
}

static double best_of(BenchJob *j, Pool *pool) {
  double best = 1e9, spent = 0;
  for (int r = 0; r < 200 && (r < 3 || spent < 0.4); r++) {
    double t = once(j, pool);
    spent += t;
    best = fmin(best, t);
  }
  return best;
}

// FFTW, batched over channels with stride H, in place, padded: two transforms and the product; one
// thread.
static double fftw(int L) {
  int n = 2 * L;
  float *x = aligned(sizeof(float) * (size_t)(n + 2) * H);
  fftwf_complex *f = aligned(sizeof(fftwf_complex) * (size_t)(L + 1) * H);
  fftwf_plan to = fftwf_plan_many_dft_r2c(1, &n, H, x, NULL, H, 1, f, NULL, H, 1, FFTW_ESTIMATE);
  fftwf_plan from = fftwf_plan_many_dft_c2r(1, &n, H, f, NULL, H, 1, x, NULL, H, 1, FFTW_ESTIMATE);
  double best = 1e9, spent = 0;
  for (int r = 0; r < 20 && spent < 0.5; r++) {
    double t = clock_seconds();
    fftwf_execute(to);
    for (int i = 0; i <= L; i++)
      for (int c = 0; c < H; c++) {
        float re = f[i * H + c][0] * .5f - f[i * H + c][1] * .25f;
        f[i * H + c][1] = f[i * H + c][0] * .25f + f[i * H + c][1] * .5f;
        f[i * H + c][0] = re;
      }
    fftwf_execute(from);
    t = clock_seconds() - t;
    spent += t;
    best = fmin(best, t);
  }
  fftwf_destroy_plan(to);
  fftwf_destroy_plan(from);
  free(x);
  free(f);
  return best;
}

static void line(int L, ConvIsa isa, bool per_channel, bool baseline, Pool *pool) {
  BenchJob j = {.a = {.nbatch = 1, .channels = H, .u_row = H + 16, .y_row = H + 16, .k_row = 1}};
  j.a.plan = conv_plan_new(L, isa);
  if (!j.a.plan)
    return;
  if (per_channel)
    j.a.k_row = H, j.a.k_channel = 1;
  size_t n = (size_t)L * (H + 16);
  j.u = aligned(n * 4);
  j.y = aligned(n * 4);
  j.k = aligned((size_t)L * H * 4);
  for (size_t i = 0; i < n; i++)
    j.u[i] = (float)rand() / (float)RAND_MAX;
  for (int i = 0; i < L; i++)
    j.k[i] = 1 / (1 + (float)i);
  size_t a = conv_shared_bytes(&j.a), b = conv_grad_shared_bytes(&j.a);
  j.shared = aligned(a > b ? a : b);
  a = conv_scratch_bytes(&j.a);
  b = conv_grad_scratch_bytes(&j.a);
  for (int i = 0; i < pool_threads(pool); i++)
    j.scratch[i] = aligned(a > b ? a : b);
  double t = best_of(&j, pool);
  j.grad = true;
  double g = best_of(&j, pool);
  printf("%6d  %9.3f %8.3f %8.3f   %.4f\n", L, baseline ? fftw(L) * 1e3 : 0, t * 1e3, g * 1e3,
         t * 1e9 / (0.5 * L * L * H));
  fflush(stdout);
  for (int i = 0; i < pool_threads(pool); i++)
    free(j.scratch[i]);
  free(j.u);
  free(j.y);
  free(j.k);
  free(j.shared);
  conv_plan_free((ConvPlan *)j.a.plan);
}

int main(int argc, char **argv) {
  BigsError e = {0};
  Pool *pool = pool_new(argc > 1 ? atoi(argv[1]) : 1, &e);
  if (!pool)
    return 1;
  static const int L[] = {32, 48, 63, 64, 96, 128, 200, 256, 512, 1024, 1500, 2048, 4096, 8192};
  static const char *name[] = {"best", "generic"};
  for (int isa = 0; isa < 2; isa++)
    for (int per_channel = 0; per_channel < 2; per_channel++) {
      printf("%s, kernel %s\n     L       FFTW  u to y dy to dk\n", name[isa],
             per_channel ? "a channel" : "for all");
      for (size_t i = 0; i < sizeof L / sizeof *L; i++)
        line(L[i], isa ? CONV_GENERIC : CONV_BEST, per_channel, !isa && !per_channel, pool);
    }
  pool_free(pool);
  return 0;
}

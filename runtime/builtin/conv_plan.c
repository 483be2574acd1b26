// Sizes, twiddle factors, the order of frequencies, and the choice of instruction set.
#include "runtime/builtin.h"
#include "runtime/builtin/conv_internal.h"
#include <math.h>
#include <stdlib.h>

static const ConvKernels *choose(ConvIsa isa) {
#if defined(__x86_64__)
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f");
  if (avx512 && (isa == CONV_BEST || isa == CONV_AVX512))
    return &conv_avx512;
  if (avx2 && (isa == CONV_BEST || isa == CONV_AVX2))
    return &conv_avx2;
#endif
  return isa == CONV_BEST || isa == CONV_GENERIC ? &conv_generic : NULL;
}

// The least 4^a {4, 5, 6, 8, 10, 12} that is at least n and at least 16; then n > 3/4 of it for n
// >= 16.
static int64_t transform_size(int64_t n) {
  static const int64_t base[] = {4, 5, 6, 8, 10, 12};
  for (int64_t scale = 4;; scale *= 4)
    for (int i = 0; i < 6; i++)
      if (base[i] * scale >= n)
        return base[i] * scale;
}

static void split_levels(ConvPlan *p) {
  int64_t n = p->N;
  while (n > 5) {
    int radix = n == 6 || n == 8 || n == 10 ? 2 : 4;
    p->level[p->nlevel++] = (ConvLevel){.n = n, .radix = radix};
    n /= radix;
  }
  p->leaf = (int)n;
}

static bool make_twiddles(ConvPlan *p) {
  size_t total = 0;
  for (int i = 0; i < p->nlevel; i++)
    total += (size_t)(p->level[i].n / p->level[i].radix) * (size_t)(p->level[i].radix - 1) * 2;
  float *w = p->twiddles = malloc(total * sizeof *w);
  if (!w)
    return false;
  for (int i = 0; i < p->nlevel; i++) {
    ConvLevel *l = &p->level[i];
    l->twiddle = w;
    for (int64_t j = 0; j < l->n / l->radix; j++)
      for (int m = 1; m < l->radix; m++, w += 2) {
        double phase = -2 * 3.14159265358979323846 * (double)(m * j) / (double)l->n;
        w[0] = (float)cos(phase);
        w[1] = (float)sin(phase);
      }
  }
  return true;
}

// Decimation in frequency puts the frequencies congruent to i modulo radix in part i.
static void order_from(const ConvPlan *p, int level, int32_t *at, int32_t first, int32_t step) {
  if (level == p->nlevel) {
    for (int i = 0; i < p->leaf; i++)
      at[i] = first + i * step;
    return;
  }
  const ConvLevel *l = &p->level[level];
  for (int i = 0; i < l->radix; i++)
    order_from(p, level + 1, at + i * (l->n / l->radix), first + i * step, step * l->radix);
}

static bool prepare(ConvPlan *p) {
  p->N = transform_size(2 * p->L);
  split_levels(p);
  p->fft = fft_new(p->N);
  p->order = malloc((size_t)p->N * sizeof *p->order);
  if (!p->fft || !p->order || !make_twiddles(p))
    return false;
  order_from(p, 0, p->order, 0, 1);
  return true;
}

ConvPlan *conv_plan_new(int64_t L, ConvIsa isa) {
  const ConvKernels *k = choose(isa);
  ConvPlan *p = k && L >= 1 && L <= CONV_MAX_LENGTH ? calloc(1, sizeof *p) : NULL;
  if (!p)
    return NULL;
  p->L = L;
  p->kernels = k;
  if (L >= BIGS_CONV_SHORT &&
      !prepare(p)) { // below the Toeplitz tile is faster: tests/bench_conv.c
    conv_plan_free(p);
    return NULL;
  }
  return p;
}

void conv_plan_free(ConvPlan *p) {
  if (!p)
    return;
  fft_free(p->fft);
  free(p->twiddles);
  free(p->order);
  free(p);
}

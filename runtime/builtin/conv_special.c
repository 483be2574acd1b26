// What is not finite in a convolution: kept out of transforms and tiles, whose sums run over more than
// an output depends on, and added term by term.
#include "runtime/builtin/conv_internal.h"
#include <string.h>

ConvSignal conv_finite_signal(const ConvArgs *a, const ConvSlice *s, const float *x, int64_t batch,
                              int64_t row, float *stage) {
  int w = a->plan->kernels->width;
  memset(stage, 0, (size_t)a->plan->L * 2 * (size_t)w * sizeof *stage);
  for (int h = 0; h < 2; h++) {
    if (!s->lanes[h])
      continue;
    const float *from = x + s->batch[h] * batch + s->channel[h];
    for (int64_t l = 0; l < a->plan->L; l++)
      for (int c = 0; c < s->lanes[h]; c++)
        stage[(2 * l + h) * w + c] = conv_finite(from[l * row + c]);
  }
  return (ConvSignal){stage, stage + w, 2 * w};
}

bool conv_are_finite(const float *x, int64_t n) {
  float bad = 0;
  for (int64_t i = 0; i < n; i++)
    bad += x[i] - x[i];
  return bad == 0;
}

void conv_make_finite(float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    x[i] = conv_finite(x[i]);
}

void conv_sum(int64_t L, ConvLine x, ConvLine y, ConvLine z) {
  for (int64_t l = 0; l < L; l++) {
    double sum = 0;
    for (int64_t m = 0; m <= l; m++)
      sum += (double)x.x[m * x.step] * (double)y.x[(l - m) * y.step];
    z.x[l * z.step] = (float)sum;
  }
}

static bool is_nan(float x) {
  return x != x;
}

// z[l] += x[m] y[l - m] where x[m] is not finite.  From z[end] on all are NaN, and stay so: behind a
// NaN nothing is left to do.
static void spread(int64_t L, ConvLine x, ConvLine y, ConvLine z) {
  int64_t end = L;
  for (int64_t m = 0; m < end; m++) {
    float v = x.x[m * x.step];
    if (v - v == 0)
      continue;
    for (int64_t l = m; l < end; l++)
      z.x[l * z.step] += v * y.x[(l - m) * y.step];
    while (end > m && is_nan(z.x[(end - 1) * z.step]))
      end--;
  }
}

// A term of two that are not finite is added twice, which changes nothing.
void conv_add_special(int64_t L, ConvLine x, ConvLine y, ConvLine z) {
  spread(L, x, y, z);
  spread(L, y, x, z);
}

// Tasks of the forward convolution: first the kernel is brought into the form that the inner loops
// read, then slices are convolved.
#include "runtime/builtin/conv_internal.h"
#include <string.h>

static int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
static int64_t at_most(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// ---- slices
int64_t conv_channel_slices(const ConvArgs *a) {
  int w = a->plan->kernels->width;
  return ceil_div(a->channels, conv_per_lane(a) ? w : 2 * w);
}

int64_t conv_slices(const ConvArgs *a) {
  return conv_channel_slices(a) * (conv_per_lane(a) ? ceil_div(a->nbatch, 2) : a->nbatch);
}

// With a kernel a channel, the slices of one group of channels are adjacent.
ConvSlice conv_slice(const ConvArgs *a, int64_t i) {
  int64_t w = a->plan->kernels->width, n = conv_channel_slices(a);
  ConvSlice s;
  if (conv_per_lane(a)) {
    int64_t pairs = ceil_div(a->nbatch, 2), c = i / pairs * w, b = i % pairs * 2;
    int lanes = (int)at_most(w, a->channels - c);
    s = (ConvSlice){{b, b + 1}, {c, c}, {lanes, b + 1 < a->nbatch ? lanes : 0}};
  } else {
    int64_t b = i / n, c = i % n * 2 * w, rest = a->channels - c;
    s = (ConvSlice){
        {b, b}, {c, c + w}, {(int)at_most(w, rest), rest > w ? (int)at_most(w, rest - w) : 0}};
  }
  return s;
}

ConvSignal conv_signal(const ConvArgs *a, const ConvSlice *s, const float *x, int64_t batch,
                       int64_t row, float *stage) {
  int w = a->plan->kernels->width;
  ConvSignal g;
  float *half[2];
  for (int h = 0; h < 2; h++)
    half[h] = (float *)x + (s->lanes[h] ? s->batch[h] * batch + s->channel[h] : 0);
  if (s->lanes[0] == w && s->lanes[1] == w)
    return (ConvSignal){half[0], half[1], row};
  g = (ConvSignal){stage, stage + w, 2 * w};
  memset(stage, 0, (size_t)a->plan->L * 2 * (size_t)w * sizeof *stage);
  for (int64_t l = 0; l < a->plan->L; l++)
    for (int h = 0; h < 2; h++)
      memcpy(stage + (2 * l + h) * w, half[h] + l * row, (size_t)s->lanes[h] * sizeof *stage);
  return g;
}

static void unstage(const ConvArgs *a, const ConvSlice *s, const float *stage, float *y) {
  int w = a->plan->kernels->width;
  for (int h = 0; h < 2; h++) {
    if (!s->lanes[h])
      continue;
    float *out = y + s->batch[h] * a->y_batch + s->channel[h];
    for (int64_t l = 0; l < a->plan->L; l++)
      memcpy(out + l * a->y_row, stage + (2 * l + h) * w, (size_t)s->lanes[h] * sizeof *stage);
  }
}

// ---- memory, in floats
static size_t round_up(size_t floats) {
  return (floats + 15) / 16 * 16;
}

// A kernel's form: zero-padded for the tile; its spectrum for the FFT.  Of all channels, or of one
// slice's.  A spectrum is that of the kernel with 0 for what is not finite; the number behind it is 1
// then, else 0.
enum { MARK = 16 };
static size_t form_floats(const ConvArgs *a) {
  const ConvPlan *p = a->plan;
  size_t w = (size_t)p->kernels->width, padded = (size_t)(p->L + 2 * p->kernels->rows);
  if (conv_per_lane(a))
    return round_up(p->N ? (size_t)p->N * 2 * w : padded * w);
  return round_up(p->N ? (size_t)p->N * 2 : padded);
}
static size_t kernel_floats(const ConvArgs *a) {
  return form_floats(a) + MARK;
}

size_t conv_shared_bytes(const ConvArgs *a) {
  size_t n = conv_per_lane(a) ? (size_t)conv_channel_slices(a) : 1;
  return n * kernel_floats(a) * sizeof(float);
}

// A transform and a staged slice.  The transform's part also holds the 2 N + 2 doubles of
// spectrum(): W >= 4.
static size_t work_floats(const ConvPlan *p) {
  return round_up((size_t)p->N * 2 * (size_t)p->kernels->width + 16);
}
size_t conv_scratch_bytes(const ConvArgs *a) {
  size_t stage = (size_t)a->plan->L * 2 * (size_t)a->plan->kernels->width;
  return (work_floats(a->plan) + round_up(stage)) * sizeof(float);
}

int64_t conv_tasks(const ConvArgs *a, int phase) {
  if (a->nbatch < 1 || a->channels < 1)
    return 0;
  if (phase == 0)
    return conv_per_lane(a) ? conv_channel_slices(a) : 1;
  return conv_slices(a);
}

// ---- phase 0: the kernel
static void pad_kernel(const ConvArgs *a, int64_t slice, const float *k, float *out) {
  const ConvPlan *p = a->plan;
  int64_t unit = conv_per_lane(a) ? p->kernels->width : 1, c0 = slice * unit,
          pad = p->kernels->rows * unit;
  int64_t lanes = at_most(unit, a->channels - c0);
  memset(out, 0, kernel_floats(a) * sizeof *out);
  for (int64_t j = 0; j < p->L; j++)
    for (int64_t c = 0; c < lanes; c++)
      out[pad + j * unit + c] = k[j * a->k_row + (c0 + c) * a->k_channel];
}

// One kernel: in float64.  Reversal conjugates; 1 / N of the inverse transform is put here.
static void spectrum(const ConvArgs *a, const float *k, float *out, void *scratch) {
  const ConvPlan *p = a->plan;
  double *f = scratch;
  float *mark = out + form_floats(a);
  memset(f, 0, (size_t)p->N * sizeof *f);
  *mark = 0;
  for (int64_t j = 0; j < p->L; j++) {
    float x = k[j * a->k_row];
    f[j] = (double)conv_finite(x) / (double)p->N;
    *mark = x - x == 0 ? *mark : 1;
  }
  fft_forward(p->fft, f, f + p->N + 2);
  for (int64_t i = 0; i < p->N; i++) {
    int64_t n = p->order[i], m = n <= p->N / 2 ? n : p->N - n;
    bool conjugate = (m != n) != a->reverse;
    out[2 * i] = (float)f[2 * m];
    out[2 * i + 1] = (float)(conjugate ? -f[2 * m + 1] : f[2 * m + 1]);
  }
}

// A kernel a lane: the signals' own transform, with nothing in the imaginary half.
static void lane_spectra(const ConvArgs *a, int64_t slice, const float *k, float *out,
                         float *scratch) {
  const ConvPlan *p = a->plan;
  int64_t w = p->kernels->width, c0 = slice * w, lanes = at_most(w, a->channels - c0);
  float *stage = scratch + work_floats(p), scale = 1 / (float)p->N;
  memset(stage, 0, (size_t)(p->L * 2 * w) * sizeof *stage);
  for (int64_t j = 0; j < p->L; j++)
    for (int64_t c = 0; c < lanes; c++)
      stage[j * 2 * w + c] = k[j * a->k_row + (c0 + c) * a->k_channel];
  ConvSignal in = {stage, stage + w, 2 * w};
  p->kernels->forward(p, in, out);
  out[form_floats(a)] = conv_are_finite(out, 2 * w) ? 0 : 1; // frequency 0 is the sum
  if (out[form_floats(a)] != 0) {
    conv_make_finite(stage, p->L * 2 * w);
    p->kernels->forward(p, in, out);
  }
  float sign = a->reverse ? -scale : scale;
  for (int64_t i = 0; i < p->N; i++)
    for (int64_t c = 0; c < w; c++) {
      out[2 * i * w + c] *= scale;
      out[(2 * i + 1) * w + c] *= sign;
    }
}

static void prepare_kernel(const ConvArgs *a, int64_t slice, const float *k, float *shared,
                           void *scratch) {
  float *out = shared + (size_t)slice * kernel_floats(a);
  if (!a->plan->N)
    pad_kernel(a, slice, k, out);
  else if (conv_per_lane(a))
    lane_spectra(a, slice, k, out, scratch);
  else
    spectrum(a, k, out, scratch);
}

// ---- phase 1: a slice
static bool convolve(const ConvArgs *a, ConvSignal in, ConvSignal out, const float *k,
                     float *work) {
  const ConvPlan *p = a->plan;
  const ConvKernels *kern = p->kernels;
  bool per_lane = conv_per_lane(a);
  if (p->N)
    return k[form_floats(a)] == 0 && kern->apply(p, in, out, k, per_lane, work, false);
  k += kern->rows * (per_lane ? kern->width : 1);
  return kern->direct(p->L, in, out, k, per_lane, a->reverse);
}

// A lane of a transform: what it has left out.  A lane of the tile, whose zeros spoil what they
// multiply with: all of it, L is small.
static void add_lane(const ConvArgs *a, const float *u, const float *k, float *y) {
  int64_t L = a->plan->L;
  ConvLine x = conv_line(u, a->u_row), z = conv_line(y, 2 * (int64_t)a->plan->kernels->width);
  if (a->reverse) {
    x = conv_backwards(L, x);
    z = conv_backwards(L, z);
  }
  if (a->plan->N)
    conv_add_special(L, x, conv_line(k, a->k_row), z);
  else
    conv_sum(L, x, conv_line(k, a->k_row), z);
}

// What is not finite spoils what depends on it and nothing else: neither the other lanes nor the
// earlier steps.
static void convolve_special(const ConvArgs *a, const ConvSlice *s, const float *u, const float *k,
                             const float *form, float *work, float *stage) {
  int w = a->plan->kernels->width;
  if (a->plan->N) {
    ConvSignal x = conv_finite_signal(a, s, u, a->u_batch, a->u_row, stage);
    a->plan->kernels->apply(a->plan, x, x, form, conv_per_lane(a), work, true);
  }
  for (int h = 0; h < 2; h++)
    for (int c = 0; c < s->lanes[h]; c++)
      add_lane(a, u + s->batch[h] * a->u_batch + s->channel[h] + c,
               k + (s->channel[h] + c) * a->k_channel, stage + h * w + c);
}

static void convolve_slice(const ConvArgs *a, int64_t task, const float *u, const float *k,
                           float *y, const float *shared, float *scratch) {
  ConvSlice s = conv_slice(a, task);
  float *stage = scratch + work_floats(a->plan);
  ConvSignal in = conv_signal(a, &s, u, a->u_batch, a->u_row, stage), out = in;
  bool staged = in.re == stage;
  if (!staged)
    out = conv_signal(a, &s, y, a->y_batch, a->y_row, NULL);
  const float *form = shared;
  if (conv_per_lane(a))
    form += (size_t)(s.channel[0] / a->plan->kernels->width) * kernel_floats(a);
  if (!convolve(a, in, out, form, scratch)) {
    convolve_special(a, &s, u, k, form, scratch, stage);
    staged = true;
  }
  if (staged)
    unstage(a, &s, stage, y);
}

void conv_task(const ConvArgs *a, int phase, int64_t task, const float *u, const float *k, float *y,
               void *shared, void *scratch) {
  if (phase == 0)
    prepare_kernel(a, task, k, shared, scratch);
  else
    convolve_slice(a, task, u, k, y, shared, scratch);
}

// Tasks of the kernel's gradient.  With one kernel for all channels, slices are divided among a
// fixed number of groups; each sums the spectra (or lags) of its slices in order, lane by lane,
// then over lanes in float64; the groups' sums are added in order and transformed back.  With a
// kernel a channel, a task owns its channels' gradients.
#include "runtime/builtin/conv_internal.h"
#include <string.h>

enum { GROUPS = 16 }; // a matter of parallelism and memory; the bits of results depend on it

static int64_t groups(const ConvArgs *a) {
  int64_t n = conv_slices(a);
  return n < GROUPS ? n : GROUPS;
}

static size_t round_up(size_t floats) {
  return (floats + 15) / 16 * 16;
}

// Doubles of a group's sum: a spectrum, or L lags.  Behind the sums stands one number a group: not 0
// where something was not finite.
static size_t sum_doubles(const ConvPlan *p) {
  return (size_t)(p->N ? 2 * p->N : p->L);
}

size_t conv_grad_shared_bytes(const ConvArgs *a) {
  return conv_per_lane(a) ? 0 : (size_t)groups(a) * (sum_doubles(a->plan) + 1) * sizeof(double);
}

// Scratch: the sum of one task; two staged signals; two transforms.  The last phase needs
// sum_doubles there, and N for a transform: W >= 4.
typedef struct Scratch {
  float *sum, *stage[2], *work[2];
  size_t floats, sum_floats;
} Scratch;
static Scratch divide(const ConvArgs *a, float *base) {
  const ConvPlan *p = a->plan;
  size_t w = (size_t)p->kernels->width, stage = round_up((size_t)p->L * 2 * w);
  size_t work = round_up((size_t)p->N * 2 * w), sum = p->N ? work : round_up((size_t)p->L * w);
  Scratch s = {.sum_floats = sum, .floats = sum + 2 * stage + 2 * work};
  if (base)
    s = (Scratch){base,
                  {base + sum, base + sum + stage},
                  {base + sum + 2 * stage, base + sum + 2 * stage + work},
                  s.floats,
                  sum};
  return s;
}

size_t conv_grad_scratch_bytes(const ConvArgs *a) {
  return divide(a, NULL).floats * sizeof(float);
}

int64_t conv_grad_tasks(const ConvArgs *a, int phase) {
  if (phase == 0)
    return conv_per_lane(a) ? conv_channel_slices(a) : groups(a);
  return conv_per_lane(a) ? 0 : 1;
}

typedef ConvSignal ConvStage(const ConvArgs *a, const ConvSlice *s, const float *x, int64_t batch,
                             int64_t row, float *stage);

// The sum of slices [from, end), brought into place by `stage`; whether it is finite: every element
// has a part in its first row, frequency 0 or lag 0.
static bool correlate_staged(const ConvArgs *a, int64_t from, int64_t end, const float *u,
                             const float *dy, Scratch *m, ConvStage *stage) {
  const ConvPlan *p = a->plan;
  memset(m->sum, 0, m->sum_floats * sizeof *m->sum);
  for (int64_t i = from; i < end; i++) {
    ConvSlice s = conv_slice(a, i);
    ConvSignal x = stage(a, &s, u, a->u_batch, a->u_row, m->stage[0]);
    ConvSignal z = stage(a, &s, dy, a->y_batch, a->y_row, m->stage[1]);
    if (a->reverse) { // sum dy[l] u[l + j] = sum u[l] dy[l - j]
      ConvSignal t = x;
      x = z;
      z = t;
    }
    if (p->N)
      p->kernels->correlate(p, x, z, m->work[0], m->work[1], m->sum);
    else
      p->kernels->direct_correlate(p->L, x, z, m->sum);
  }
  return conv_are_finite(m->sum, (p->N ? 2 : 1) * p->kernels->width);
}

// Returns whether all was finite; if not, what was not is left to add_special.
static bool correlate(const ConvArgs *a, int64_t from, int64_t end, const float *u, const float *dy,
                      Scratch *m) {
  if (correlate_staged(a, from, end, u, dy, m, conv_signal))
    return true;
  correlate_staged(a, from, end, u, dy, m, conv_finite_signal);
  return false;
}

// dk[j] = sum u[m] dy[m + j]: read backwards, dk is u convolved with dy read backwards.
static void add_special(const ConvArgs *a, const float *u, const float *dy, float *dk) {
  int64_t L = a->plan->L;
  ConvLine x = conv_line(u, a->u_row), y = conv_line(dy, a->y_row), z = conv_line(dk, a->k_row);
  if (a->reverse) {
    ConvLine t = x;
    x = y;
    y = t;
  }
  conv_add_special(L, x, conv_backwards(L, y), conv_backwards(L, z));
}

static void add_all_special(const ConvArgs *a, int64_t from, int64_t end, const float *u,
                            const float *dy, float *dk) {
  for (int64_t b = 0; b < a->nbatch; b++)
    for (int64_t c = from; c < end && c < a->channels; c++)
      add_special(a, u + b * a->u_batch + c, dy + b * a->y_batch + c, dk + c * a->k_channel);
}

// Every row of W lanes becomes one double.
static void sum_lanes(const ConvArgs *a, const float *sum, double *out) {
  int w = a->plan->kernels->width;
  size_t n = sum_doubles(a->plan);
  for (size_t i = 0; i < n; i++) {
    double s = 0;
    for (int c = 0; c < w; c++)
      s += (double)sum[i * (size_t)w + (size_t)c];
    out[i] = s;
  }
}

static void write_lanes(const ConvArgs *a, int64_t slice, Scratch *m, float *dk) {
  const ConvPlan *p = a->plan;
  int64_t w = p->kernels->width, c0 = slice * w, step = p->N ? 2 * w : w;
  float scale = p->N ? 1 / (float)p->N : 1;
  if (p->N)
    p->kernels->inverse(p, m->sum);
  for (int64_t j = 0; j < p->L; j++)
    for (int64_t c = 0; c < w && c0 + c < a->channels; c++)
      dk[j * a->k_row + (c0 + c) * a->k_channel] = m->sum[j * step + c] * scale;
}

// The spectrum of the real part of what has spectrum f: the first N / 2 + 1 numbers, in place.
// The imaginary part holds the correlations of one half of the slices with the other.
static void keep_real(int64_t N, double *f) {
  for (int64_t k = 1; k < N / 2; k++) {
    const double *mirrored = f + 2 * (N - k);
    f[2 * k] = (f[2 * k] + mirrored[0]) / 2;
    f[2 * k + 1] = (f[2 * k + 1] - mirrored[1]) / 2;
  }
}

static void add_groups(const ConvArgs *a, float *dk, const double *shared, double *sum) {
  const ConvPlan *p = a->plan;
  size_t n = sum_doubles(p);
  memset(sum, 0, n * sizeof *sum);
  for (int64_t g = 0; g < groups(a); g++)
    for (size_t i = 0; i < n; i += p->N ? 2 : 1) {
      const double *s = shared + (size_t)g * n + i;
      if (!p->N) {
        sum[i] += s[0];
        continue;
      }
      double *f = sum + 2 * p->order[i / 2];
      f[0] += s[0];
      f[1] += s[1];
    }
  if (p->N) {
    keep_real(p->N, sum);
    fft_inverse(p->fft, sum, sum + n);
  }
  for (int64_t j = 0; j < p->L; j++)
    dk[j * a->k_row] = (float)(p->N ? sum[j] / (double)p->N : sum[j]);
}

// The channels of one task.
static void per_channel(const ConvArgs *a, int64_t task, const float *u, const float *dy, float *dk,
                        Scratch *m) {
  int64_t per = conv_slices(a) / conv_channel_slices(a), w = a->plan->kernels->width;
  bool finite = correlate(a, task * per, (task + 1) * per, u, dy, m);
  write_lanes(a, task, m, dk);
  if (!finite)
    add_all_special(a, task * w, (task + 1) * w, u, dy, dk);
}

static double *marks(const ConvArgs *a, double *shared) {
  return shared + (size_t)groups(a) * sum_doubles(a->plan);
}

static void one_group(const ConvArgs *a, int64_t task, const float *u, const float *dy,
                      double *shared, Scratch *m) {
  int64_t n = conv_slices(a), g = groups(a);
  bool finite = correlate(a, task * n / g, (task + 1) * n / g, u, dy, m);
  marks(a, shared)[task] = finite ? 0 : 1;
  sum_lanes(a, m->sum, shared + (size_t)task * sum_doubles(a->plan));
}

static void all_groups(const ConvArgs *a, const float *u, const float *dy, float *dk,
                       double *shared, double *sum) {
  bool finite = true;
  add_groups(a, dk, shared, sum);
  for (int64_t i = 0; i < groups(a); i++)
    finite &= marks(a, shared)[i] == 0;
  if (!finite)
    add_all_special(a, 0, a->channels, u, dy, dk);
}

void conv_grad_task(const ConvArgs *a, int phase, int64_t task, const float *u, const float *dy,
                    float *dk, void *shared, void *scratch) {
  Scratch m = divide(a, scratch);
  if (phase == 1)
    all_groups(a, u, dy, dk, shared, scratch);
  else if (conv_per_lane(a))
    per_channel(a, task, u, dy, dk, &m);
  else
    one_group(a, task, u, dy, shared, &m);
}

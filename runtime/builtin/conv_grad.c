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

// Doubles of a group's sum: a spectrum, or L lags.
static size_t sum_doubles(const ConvPlan *p) {
  return (size_t)(p->N ? 2 * p->N : p->L);
}

size_t conv_grad_shared_bytes(const ConvArgs *a) {
  return conv_per_lane(a) ? 0 : (size_t)groups(a) * sum_doubles(a->plan) * sizeof(double);
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

// Adds slices [from, end) to the task's sum.
static void correlate(const ConvArgs *a, int64_t from, int64_t end, const float *u, const float *dy,
                      Scratch *m) {
  const ConvPlan *p = a->plan;
  memset(m->sum, 0, m->sum_floats * sizeof *m->sum);
  for (int64_t i = from; i < end; i++) {
    ConvSlice s = conv_slice(a, i);
    ConvSignal x = conv_signal(a, &s, u, a->u_batch, a->u_row, m->stage[0]);
    ConvSignal z = conv_signal(a, &s, dy, a->y_batch, a->y_row, m->stage[1]);
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

void conv_grad_task(const ConvArgs *a, int phase, int64_t task, const float *u, const float *dy,
                    float *dk, void *shared, void *scratch) {
  Scratch m = divide(a, scratch);
  int64_t n = conv_slices(a), per = conv_per_lane(a) ? n / conv_channel_slices(a) : 0,
          g = groups(a);
  if (phase == 1) {
    add_groups(a, dk, shared, scratch);
  } else if (conv_per_lane(a)) {
    correlate(a, task * per, (task + 1) * per, u, dy, &m);
    write_lanes(a, task, &m, dk);
  } else {
    correlate(a, task * n / g, (task + 1) * n / g, u, dy, &m);
    sum_lanes(a, m.sum, (double *)shared + (size_t)task * sum_doubles(a->plan));
  }
}

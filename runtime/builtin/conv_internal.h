// Shared by the files of the convolution; nothing else includes this.
//
// A *slice* is two vectors of W lanes, `re` and `im`, at every time step.  With one kernel for all
// channels they are 2 W adjacent channels of one batch row; with a kernel a channel, W channels of
// two batch rows.  In work memory element t of a slice is re[W] im[W], 2 W floats.
#ifndef BIGSC_RUNTIME_CONV_INTERNAL_H
#define BIGSC_RUNTIME_CONV_INTERNAL_H
#include "runtime/builtin/conv.h"
#include "runtime/builtin/fft.h"

typedef struct ConvSignal {
  float *re, *im; // rows of W floats; inputs are not written
  int64_t row;    // elements from a row to the next
} ConvSignal;

// One instruction set's kernels.
typedef struct ConvKernels {
  int width; // W
  int rows;  // rows of the Toeplitz tile: its kernel is zero-padded by as many on both sides
  // out = inverse FFT(spectrum * FFT(in)).  spectrum: N complex numbers in leaf order, or with
  // per_lane N * (re[W] im[W]).  false, and nothing is written, when an input is not finite or a sum
  // overflows; `anyway` writes all the same.
  bool (*apply)(const ConvPlan *p, ConvSignal in, ConvSignal out, const float *spectrum,
                bool per_lane, float *work, bool anyway);
  // work = FFT(in) in leaf order.
  void (*forward)(const ConvPlan *p, ConvSignal in, float *work);
  // sum += conj(FFT(u)) * FFT(dy); x and z are work memory.
  void (*correlate)(const ConvPlan *p, ConvSignal u, ConvSignal dy, float *x, float *z, float *sum);
  // The inverse of `forward`, times N, in place: time order.
  void (*inverse)(const ConvPlan *p, float *x);
  // The Toeplitz tile: k points at k[0]; per_lane: rows of W.  in may be out.  false, and nothing is
  // written, when an input or the kernel is not finite or a sum overflows.
  bool (*direct)(int64_t L, ConvSignal in, ConvSignal out, const float *k, bool per_lane,
                 bool reverse);
  // sum[j][W] += sum over l of dy[l] u[l - j], re and im together.
  void (*direct_correlate)(int64_t L, ConvSignal u, ConvSignal dy, float *sum);
} ConvKernels;
extern const ConvKernels conv_generic;
#if defined(__x86_64__)
extern const ConvKernels conv_avx2, conv_avx512;
#endif

// Level i splits transforms of n points in `radix` of n / radix, decimating in frequency; the last
// level's parts are leaves of 3, 4 or 5 points.
typedef struct ConvLevel {
  int64_t n;
  int radix;            // 4 or 2
  const float *twiddle; // for j < n / radix: w^j (w^2j w^3j) as pairs, w = exp(-2 pi i / n)
} ConvLevel;
enum { CONV_MAX_LEVELS = 16 };
struct ConvPlan {
  int64_t L, N; // N = 0: direct; else N >= 2 L, L > N / 4
  const ConvKernels *kernels;
  int nlevel, leaf;
  ConvLevel level[CONV_MAX_LEVELS];
  float *twiddles;
  int32_t *order; // frequency held by position i of a transform
  Fft *fft;       // of N points, for what needs float64
};

// One slice of a task: offsets of its halves from the start of a [B][L][H] tensor, and how many
// lanes of each are real.
typedef struct ConvSlice {
  int64_t batch[2], channel[2];
  int lanes[2];
} ConvSlice;
int64_t conv_channel_slices(const ConvArgs *a); // per batch row, or per pair of them
int64_t conv_slices(const ConvArgs *a);         // in all
ConvSlice conv_slice(const ConvArgs *a, int64_t i);
// The slice as a signal: in place, or when lanes are missing as a zero-padded copy in stage, 2 W L
// floats.
ConvSignal conv_signal(const ConvArgs *a, const ConvSlice *s, const float *x, int64_t batch,
                       int64_t row, float *stage);
static inline bool conv_per_lane(const ConvArgs *a) {
  return a->k_channel != 0;
}

// ---- conv_special.c: terms that are not finite
// The slice as a copy in stage, with 0 for what is not finite.
ConvSignal conv_finite_signal(const ConvArgs *a, const ConvSlice *s, const float *x, int64_t batch,
                              int64_t row, float *stage);
// Elements of one channel, or of one kernel: x[0], x[step], ...
typedef struct ConvLine {
  float *x;
  int64_t step;
} ConvLine;
static inline ConvLine conv_line(const float *x, int64_t step) {
  return (ConvLine){(float *)x, step};
}
static inline ConvLine conv_backwards(int64_t L, ConvLine x) {
  return (ConvLine){x.x + (L - 1) * x.step, -x.step};
}
// z[l] += x[m] y[l - m] for 0 <= m <= l < L where a factor is not finite.
void conv_add_special(int64_t L, ConvLine x, ConvLine y, ConvLine z);
// z[l] = sum of x[m] y[l - m], all of them, in float64
void conv_sum(int64_t L, ConvLine x, ConvLine y, ConvLine z);
bool conv_are_finite(const float *x, int64_t n);
void conv_make_finite(float *x, int64_t n); // 0 for what is not
static inline float conv_finite(float x) {
  return x - x == 0 ? x : 0;
}
#endif

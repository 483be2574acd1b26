// Products of a group of warps (wgmma), which take place when they are waited for.
#ifndef SHIM_WGMMA_H
#define SHIM_WGMMA_H
#include "shim_bulk.h"

namespace shim {
namespace {
// What lane 0 brings is what all bring, but for d.
struct Operands {
  float *d;
  uint64_t a, b;
  int groups;
  bool a_across, b_across;
};
// The registers d of a warp while products are under way: the kernel sees NaN, the sums are here.
struct Sums {
  float *d[WARP];
  int columns, pending;
  float value[WARP][128];
};
struct Wgmma {
  float *d; // of lane 0
  uint64_t a, b;
  int group;
  bool a_across, b_across;
};
struct Wgmmas {
  List<Sums> sums;
  List<Wgmma> list;
  int group; // that the next product belongs to
};
Wgmmas wgmmas[MAX_WARPS];

inline Sums *sums_of(Wgmmas &w, const float *d) {
  for (int i = 0; i < w.sums.n; i++)
    if (w.sums.at[i].d[0] == d)
      return &w.sums.at[i];
  return nullptr;
}

inline void hide(Wgmmas &w, void *const *mine, int columns) {
  Sums s;
  s.columns = columns, s.pending = 0;
  for (int i = 0; i < WARP; i++) {
    s.d[i] = ((const Operands *)mine[i])->d;
    memcpy(s.value[i], s.d[i], sizeof(float) * size_t(columns / 2));
    memset((void *)s.d[i], 0xff, sizeof(float) * size_t(columns / 2));
  }
  w.sums.push(s);
}

inline void show(Wgmmas &w, Sums &s) {
  for (int i = 0; i < WARP; i++)
    memcpy(s.d[i], s.value[i], sizeof(float) * size_t(s.columns / 2));
  s = w.sums.at[--w.sums.n];
}

// Element k of row `row` of the matrix that bg_wgmma_matrix names; or, across, bg_wgmma_matrix_across.
inline float of_matrix(uint64_t matrix, bool across, int row, int k) {
  size_t start = (matrix & 0x3fff) << 4, eight = (matrix >> 32 & 0x3fff) << 4;
  size_t next = (matrix >> 16 & 0x3fff) << 4;
  size_t at = across ? start + size_t(row / 64) * next + size_t(k / 8) * eight +
                           size_t(k % 8 * 128 + row % 64 * 2)
                     : start + size_t(row / 8) * eight + size_t(row % 8 * 128 + 2 * k);
  uint16_t x;
  memcpy(&x, shim_shared + swizzled(at, 128), sizeof x);
  return low_bf16(x);
}

inline void check_matrix(const Place &place, uint64_t matrix, bool across, int rows) {
  size_t start = (matrix & 0x3fff) << 4, next = (matrix >> 16 & 0x3fff) << 4;
  if (matrix >> 62 != 1 || start % 1024 > (across ? 0 : 96) || start % 32)
    fail(&place, "byte %zu of shared memory begins no matrix with rows of 128 bytes", start);
  size_t bytes = across ? size_t(rows / 64 - 1) * next + 2048 : size_t(rows) * 128;
  shared_offset(place, shim_shared + start / 1024 * 1024, bytes, 1024);
}

// The rows of this warp, which is one of four.
inline void multiply(const Wgmma &x, Sums &s) {
  const int first = self().warp % 4 * 16;
  float a[16][16], b[16];
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++)
      a[m][k] = of_matrix(x.a, x.a_across, first + m, k);
  for (int n = 0; n < s.columns; n++) {
    for (int k = 0; k < 16; k++)
      b[k] = of_matrix(x.b, x.b_across, n, k);
    for (int m = 0; m < 16; m++) {
      float sum = 0;
      for (int k = 0; k < 16; k++)
        sum += a[m][k] * b[k];
      s.value[m % 8 * 4 + n % 8 / 2][n / 8 * 4 + m / 8 * 2 + n % 2] += sum;
    }
  }
}

template <int N> void wgmma_all(void *const *mine, unsigned) {
  const Operands *o = (const Operands *)mine[0];
  Wgmmas &w = wgmmas[self().warp];
  if (!sums_of(w, o->d))
    hide(w, mine, N);
  sums_of(w, o->d)->pending++;
  w.list.push({o->d, o->a, o->b, w.group, o->a_across, o->b_across});
}
template <int N, int half>
inline void wgmma(const Place &place, float (&d)[half], uint64_t a, uint64_t b, bool a_across,
                  bool b_across) {
  static_assert(half * 2 == N, "64 x N numbers in 128 threads");
  check_matrix(place, a, a_across, 64);
  check_matrix(place, b, b_across, N);
  Operands o = {d, a, b, 0, a_across, b_across};
  meet_whole_warp(place, &o, wgmma_all<N>);
}

inline void commit_all(void *const *, unsigned) {
  wgmmas[self().warp].group++;
}
inline void wgmma_commit(const Place &place) {
  meet_whole_warp(place, nullptr, commit_all);
}

inline void wait_all(void *const *mine, unsigned) {
  Wgmmas &w = wgmmas[self().warp];
  int n = 0;
  for (; n < w.list.n && w.list.at[n].group < w.group - ((const Operands *)mine[0])->groups; n++) {
    Sums &s = *sums_of(w, w.list.at[n].d);
    multiply(w.list.at[n], s);
    if (--s.pending == 0)
      show(w, s);
  }
  w.list.drop_first(n);
}
inline void wgmma_wait(const Place &place, int groups) {
  Operands o = {nullptr, 0, 0, groups, false, false};
  meet_whole_warp(place, &o, wait_all);
}

inline void check_wgmmas() {
  if (wgmmas[self().warp].list.n)
    fail(nullptr, "the thread ends with products that it has not waited for");
}

inline void forget_wgmmas() {
  for (Wgmmas &w : wgmmas)
    w.sums.n = w.list.n = w.group = 0;
}
} // namespace
} // namespace shim
#endif

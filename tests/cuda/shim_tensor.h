// What the lanes of a warp do with matrices together: ldmatrix and mma.sync.
#ifndef SHIM_TENSOR_H
#define SHIM_TENSOR_H
#include "shim_copy.h"

namespace shim {
namespace {
inline void meet_whole_warp(const Place &place, void *mine, Together *together) {
  if (lanes_of(self().warp) != ~0u)
    fail(&place, "the warp has less than 32 lanes");
  meet_warp(place, ~0u, mine, together);
}

struct Rows {
  const void *row;
  unsigned got[4];
};
template <bool trans> void ldmatrix_all(void *const *mine, unsigned) {
  uint16_t x[WARP][8]; // row r of matrix q is x[8 q + r]
  for (int i = 0; i < WARP; i++)
    memcpy(x[i], ((const Rows *)mine[i])->row, sizeof x[i]);
  for (int i = 0; i < WARP; i++)
    for (int q = 0; q < 4; q++) {
      const uint16_t(*matrix)[8] = &x[8 * q];
      const int line = i / 4, at = 2 * (i % 4);
      unsigned low = trans ? matrix[at][line] : matrix[line][at];
      unsigned high = trans ? matrix[at + 1][line] : matrix[line][at + 1];
      ((Rows *)mine[i])->got[q] = high << 16 | low;
    }
}
template <bool trans> inline void ldmatrix(const Place &place, unsigned (&r)[4], const void *row) {
  shared_offset(place, row, 16, 16);
  Rows m = {row, {}};
  meet_whole_warp(place, &m, ldmatrix_all<trans>);
  memcpy(r, m.got, sizeof r);
}

inline float of_bits(unsigned x) {
  return shim_bits<float>(x);
}
inline float low_bf16(unsigned x) {
  return of_bits(x << 16);
}
inline float high_bf16(unsigned x) {
  return of_bits(x & 0xffff0000u);
}
inline float of_tf32(unsigned x) {
  return of_bits(x & 0xffffe000u);
}
inline unsigned to_tf32(float x) {
  unsigned b = shim_bits<unsigned>(x);
  bool finite = (b >> 23 & 255) != 255;
  return (finite ? b + 0x1000 : b) & 0xffffe000u;
}

typedef float Row8 __attribute__((vector_size(32))); // in memory only
struct Fragments {
  const unsigned *a, b[2];
  float *c;
};
template <int K> struct Product {
  float a[16][K];
  Row8 b[K], c[16];
};

// The registers of lane i, into the matrices.
inline void spread(Product<16> &p, const Fragments &f, int i) {
  const int g = i / 4, t = 2 * (i % 4);
  for (int q = 0; q < 4; q++) {
    float *a = &p.a[g + q % 2 * 8][t + q / 2 * 8];
    a[0] = low_bf16(f.a[q]), a[1] = high_bf16(f.a[q]);
  }
  for (int q = 0; q < 2; q++)
    p.b[t + 8 * q][g] = low_bf16(f.b[q]), p.b[t + 8 * q + 1][g] = high_bf16(f.b[q]);
}
inline void spread(Product<8> &p, const Fragments &f, int i) {
  const int g = i / 4, t = i % 4;
  for (int q = 0; q < 4; q++)
    p.a[g + q % 2 * 8][t + q / 2 * 4] = of_tf32(f.a[q]);
  for (int q = 0; q < 2; q++)
    p.b[t + 4 * q][g] = of_tf32(f.b[q]);
}

template <int K> inline void multiply(Product<K> &p) {
  for (int i = 0; i < 16; i++) {
    Row8 sum = {};
    for (int k = 0; k < K; k++)
      sum += p.a[i][k] * p.b[k];
    p.c[i] = sum;
  }
}

template <int K> void mma_all(void *const *mine, unsigned) {
  Product<K> p;
  for (int i = 0; i < WARP; i++)
    spread(p, *(const Fragments *)mine[i], i);
  multiply(p);
  for (int i = 0; i < WARP; i++)
    for (int q = 0; q < 4; q++)
      ((Fragments *)mine[i])->c[q] += p.c[i / 4 + q / 2 * 8][2 * (i % 4) + q % 2];
}
template <int K>
inline void mma(const Place &place, float (&c)[4], const unsigned (&a)[4], unsigned b0,
                unsigned b1) {
  Fragments f = {a, {b0, b1}, c};
  meet_whole_warp(place, &f, mma_all<K>);
}
} // namespace
} // namespace shim
#endif

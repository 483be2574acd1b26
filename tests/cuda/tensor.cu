// Products by tensor cores, and the same with one mistake planted.
#include "codegen/cuda/cuda_device.h"
#include "frame.h"

extern __shared__ __align__(128) unsigned char stages[];

// Copies rows first.. of a matrix of bf16 [rows][columns], whose rows lie `stride` apart, from column `column` on: 16
// bytes a thread, zeros where there is nothing.
static __device__ __forceinline__ void fetch(unsigned short *to, int to_stride, const unsigned short *x, long long rows, long long columns,
                                             long long stride, long long first, long long column, int across, int thread) {
  const int r = thread / across, c = thread % across * 8;
  const long long left = columns - column - c;
  const int bytes = first + r >= rows || left <= 0 ? 0 : left < 8 ? (int)left * 2 : 16;
  bg_cp_async_16(to + r * to_stride + c, bytes ? x + (first + r) * stride + column + c : x, bytes);
}

// y[m, n] = sum over k of a[m, k] b[k, n], bf16 with rows at multiples of 8 numbers: two warps take 32 x 16 of y, in steps of 16 along k.
// While they multiply one step, the next is copied.
//   1  reads a step before waiting for it
//   2  waits for one group too few
//   3  no barrier after the wait
//   4  no barrier before the copy into the step that was read
//   5  rows of a beyond the last are read
//   6  b is not transposed
//   7  the two halves of b are swapped
//   8  ldmatrix at a row that is no multiple of 16 bytes
//   9  a product by half a warp
//  10  the stages lie one row too far
//  11  the last steps are not waited for
template <int error> static __device__ __forceinline__ void product(const Frame &f) {
  enum { A = 24, B = 24, STAGE = 32 * A + 16 * B }; // strides in numbers: 48 bytes, without conflicts of banks
  const unsigned short *a = (const unsigned short *)f.a, *b = (const unsigned short *)f.b;
  const long long lda = (f.k + 7) / 8 * 8, ldb = (f.n + 7) / 8 * 8, steps = (f.k + 15) / 16;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const long long m0 = blockIdx.x / ((f.n + 15) / 16) * 32, n0 = blockIdx.x % ((f.n + 15) / 16) * 16;
  unsigned short *stage = (unsigned short *)stages + (error == 10 ? A : 0);
  if (m0 >= f.m)
    return;
  float c[2][4] = {};
  fetch(stage, A, a, error == 5 ? f.m + 32 : f.m, f.k, lda, m0, 0, 2, thread);
  if (warp == 0)
    fetch(stage + 32 * A, B, b, f.k, f.n, ldb, 0, n0, 2, thread);
  bg_cp_async_commit();
  for (long long s = 0; s < steps; s++) {
    const unsigned short *now = stage + s % 2 * STAGE;
    if (s + 1 < steps) {
      unsigned short *next = stage + (s + 1) % 2 * STAGE;
      fetch(next, A, a, error == 5 ? f.m + 32 : f.m, f.k, lda, m0, (s + 1) * 16, 2, thread);
      if (warp == 0)
        fetch(next + 32 * A, B, b, f.k, f.n, ldb, (s + 1) * 16, n0, 2, thread);
    }
    bg_cp_async_commit();
    if (error == 2)
      bg_cp_async_wait<2>();
    else if (error != 1 && (error != 11 || s + 1 < steps))
      bg_cp_async_wait<1>();
    if (error != 3)
      __syncthreads();
    unsigned fa[4], fb[4];
    const int row = lane % 16, half = lane / 16 * 8;
    bg_ldmatrix_x4(fa, now + (16 * warp + row) * A + half + (error == 8 ? 4 : 0));
    if (error == 6)
      bg_ldmatrix_x4(fb, now + 32 * A + row * B + half);
    else
      bg_ldmatrix_x4_trans(fb, now + 32 * A + row * B + half);
    if (error == 1)
      bg_cp_async_wait<1>();
    if (error != 9 || lane < 16) {
      bg_mma_16816(c[0], fa, fb[error == 7 ? 1 : 0], fb[error == 7 ? 0 : 1]);
      bg_mma_16816(c[1], fa, fb[2], fb[3]);
    }
    if (error != 4)
      __syncthreads();
  }
  if (error == 2)
    bg_cp_async_wait<0>();
  for (int i = 0; i < 8; i++) {
    const long long m = m0 + 16 * warp + lane / 4 + i / 2 % 2 * 8, n = n0 + i / 4 * 8 + 2 * (lane % 4) + i % 2;
    if (m < f.m && n < f.n)
      f.y[m * f.n + n] = c[i / 4][i % 4];
  }
}

// The same of float32, rounded to tf32: a warp takes 16 x 8 of y and reads its numbers where they lie.
//   1  numbers are cut, not rounded
//   2  a column of a too far
//   3  rows g and g + 8 are swapped
template <int error> static __device__ __forceinline__ void product_tf32(const Frame &f) {
  const float *a = (const float *)f.a, *b = (const float *)f.b;
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const long long across = (f.n + 7) / 8, m0 = blockIdx.x / across * 16, n = blockIdx.x % across * 8 + g;
  if (m0 >= f.m)
    return;
  float c[4] = {};
  for (long long k0 = 0; k0 < f.k; k0 += 8) {
    unsigned fa[4], fb[2];
    for (int q = 0; q < 4; q++) {
      const long long m = m0 + g + (error == 3 ? q / 2 : q % 2) * 8, k = k0 + t + (error == 3 ? q % 2 : q / 2) * 4;
      const float x = m < f.m && k < f.k ? a[m * f.k + k + (error == 2 ? 1 : 0)] : 0;
      fa[q] = error == 1 ? __float_as_uint(x) : bg_tf32(x);
    }
    for (int q = 0; q < 2; q++) {
      const long long k = k0 + t + 4 * q;
      fb[q] = bg_tf32(k < f.k && n < f.n ? b[k * f.n + n] : 0);
    }
    bg_mma_1688(c, fa, fb[0], fb[1]);
  }
  for (int i = 0; i < 4; i++) {
    const long long m = m0 + g + i / 2 * 8, column = blockIdx.x % across * 8 + 2 * t + i % 2;
    if (m < f.m && column < f.n)
      f.y[m * f.n + column] = c[i];
  }
}

#define KERNEL(name, error)                                                                         \
  extern "C" __global__ void __launch_bounds__(64) name##_##error(const Frame f) {                  \
    name<error>(f);                                                                                 \
  }
KERNEL(product, 0)
KERNEL(product_tf32, 0)
#ifdef BG_SHIM // nvcc need not read them all
KERNEL(product, 1)
KERNEL(product, 2)
KERNEL(product, 3)
KERNEL(product, 4)
KERNEL(product, 5)
KERNEL(product, 6)
KERNEL(product, 7)
KERNEL(product, 8)
KERNEL(product, 9)
KERNEL(product, 10)
KERNEL(product, 11)
KERNEL(product_tf32, 1)
KERNEL(product_tf32, 2)
KERNEL(product_tf32, 3)
#endif

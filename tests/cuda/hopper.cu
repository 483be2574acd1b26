// A product by copies of boxes and by groups of warps, which only sm_90a has, and the same with one mistake planted.
#include "codegen/cuda/cuda_device.h"
#include "frame.h"

extern __shared__ __align__(1024) unsigned char memory[];

static __device__ __forceinline__ void multiply(float (&d)[32], unsigned long long a, unsigned long long b) {
  bg_wgmma_64(d, a, b);
}
static __device__ __forceinline__ void multiply(float (&d)[64], unsigned long long a, unsigned long long b) {
  bg_wgmma_128(d, a, b);
}
static __device__ __forceinline__ void multiply(float (&d)[128], unsigned long long a, unsigned long long b) {
  bg_wgmma_256(d, a, b);
}

// y[m, n] = sum over k of a[m, k] b[n, k], bf16: f.a and f.b are maps of boxes of 64 rows and 64 columns.  A block takes 64 x N
// of y in steps of 64 along k, through two stages: warp 4 copies, warps 0 to 3 multiply.
//   1  the products are not waited for before their registers are read
//   2  the copies are not waited for
//   3  a stage is not waited for before it is copied into
//   4  the wrong parity: the copier waits before the first steps
//   5  fewer bytes are expected than come
//   6  more bytes are expected than come
//   7  the step along k is half as long
//   8  a stage is handed back by one thread too few
//   9  a stage is handed back while its products are under way
//  10  the barriers' numbers of arrivals are set by no one
//  11  a fragment's rows lie 16 on
//  12  matrices begin at 512 bytes
//  13  the barrier of the four warps waits for five
template <int error, int N> static __device__ __forceinline__ void product_wgmma(const Frame &f) {
  enum { BOX = 64 * 128, STAGE = BOX + N * 128 };
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int across = (int)(f.n + N - 1) / N, m0 = blockIdx.x / across * 64, n0 = blockIdx.x % across * N;
  const int steps = (int)(f.k + 63) / 64;
  unsigned char *stages = memory + (error == 12 ? 512 : 0);
  unsigned long long *full = (unsigned long long *)(memory + 2 * STAGE + 1024), *empty = full + 2;
  if (threadIdx.x == 0 && error != 10) {
    for (int i = 0; i < 2; i++) {
      bg_mbarrier_init(full + i, 1);
      bg_mbarrier_init(empty + i, error == 8 ? 2 : 1);
    }
    bg_mbarrier_fence();
  }
  __syncthreads();
  if (warp == 4) {
    for (int s = 0; s < steps && lane == 0; s++) {
      const int i = s % 2;
      if (error != 3)
        bg_mbarrier_wait(empty + i, (s / 2 & 1) ^ (error == 4 ? 0 : 1));
      bg_mbarrier_expect(full + i, error == 5 ? BOX : error == 6 ? STAGE + 16 : STAGE);
      bg_tma_load(stages + i * STAGE, (const bg_tensor_map *)f.a, s * 64, m0, full + i);
      for (int n = 0; n < N; n += 64)
        bg_tma_load(stages + i * STAGE + BOX + n * 128, (const bg_tensor_map *)f.b, s * 64, n0 + n, full + i);
    }
    return;
  }
  float d[N / 2] = {};
  for (int s = 0; s < steps; s++) {
    const int i = s % 2;
    if (error != 2)
      bg_mbarrier_wait(full + i, s / 2 & 1);
    bg_wgmma_fence();
    for (int k = 0; k < 4; k++)
      multiply(d, bg_wgmma_matrix(stages + i * STAGE + k * (error == 7 ? 16 : 32)), bg_wgmma_matrix(stages + i * STAGE + BOX + k * 32));
    bg_wgmma_commit();
    if (error == 9)
      bg_wgmma_wait<1>();
    else if (error != 1)
      bg_wgmma_wait<0>();
    bg_barrier(1, error == 13 ? 160 : 128);
    if (threadIdx.x == 0)
      bg_mbarrier_arrive(empty + i);
  }
  if (error == 9)
    bg_wgmma_wait<0>();
#pragma unroll
  for (int j = 0; j < N / 2; j++) {
    const int m = m0 + (warp * 16 + lane / 4 + j / 2 % 2 * 8 + (error == 11 ? 16 : 0)) % 64;
    const int n = n0 + j / 4 * 8 + lane % 4 * 2 + j % 2;
    if (m < f.m && n < f.n)
      f.y[m * f.n + n] = d[j];
  }
  if (error == 1)
    bg_wgmma_wait<0>();
}

#define KERNEL(name, error, n)                                                                      \
  extern "C" __global__ void __launch_bounds__(160) name##_##error(const Frame f) {                 \
    product_wgmma<error, n>(f);                                                                     \
  }
KERNEL(product_wgmma, 0, 64)
KERNEL(product_wgmma_128, 0, 128)
KERNEL(product_wgmma_256, 0, 256)
#ifdef BG_SHIM // nvcc need not read them all
KERNEL(product_wgmma, 1, 64)
KERNEL(product_wgmma, 2, 64)
KERNEL(product_wgmma, 3, 64)
KERNEL(product_wgmma, 4, 64)
KERNEL(product_wgmma, 5, 64)
KERNEL(product_wgmma, 6, 64)
KERNEL(product_wgmma, 7, 64)
KERNEL(product_wgmma, 8, 64)
KERNEL(product_wgmma, 9, 64)
KERNEL(product_wgmma, 10, 64)
KERNEL(product_wgmma, 11, 64)
KERNEL(product_wgmma, 12, 64)
KERNEL(product_wgmma, 13, 64)
#endif

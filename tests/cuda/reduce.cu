// Sums by a block and by a warp, and the same with one mistake planted: `error` is its number, 0 is none.
#include "frame.h"

extern __shared__ float partial[];

static __device__ __forceinline__ float warp_sum(float v) {
  for (int i = 16; i > 0; i /= 2)
    v += __shfl_xor_sync(0xffffffff, v, i);
  return v;
}

// y[m] = sum over n of a[m, n]: a block a row; one number of shared memory a warp.
//   1  no barrier before warp 0 reads the warps' sums
//   2  no barrier before the next row's sums overwrite them
//   3  a barrier that only warp 0 comes to
//   4  the last warp's sum goes behind shared memory
//   5  rows are read one too far
//   6  a thread ends before the barrier
template <int error> static __device__ __forceinline__ void block_sum(const Frame &f) {
  const float *a = (const float *)f.a + (error == 5 ? f.n : 0);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  float *sums = partial + (error == 4 ? 1 : 0);
  for (long long m = blockIdx.x; m < f.m; m += gridDim.x) {
    float v = 0;
    for (long long n = threadIdx.x; n < f.n; n += blockDim.x)
      v += a[m * f.n + n];
    v = warp_sum(v);
    if (lane == 0)
      sums[warp] = v;
    if (error == 6 && threadIdx.x == 77)
      return;
    if (error == 3 ? warp == 0 : error != 1)
      __syncthreads();
    if (warp == 0) {
      v = warp_sum(lane < warps ? sums[lane] : 0);
      if (lane == 0)
        f.y[m] = v;
    }
    if (error != 2)
      __syncthreads();
  }
}

// y[m] = the largest over n of a[m, n] + a[m, n ^ 1], where both are there: a warp a row; a lane finds its neighbour's
// number in shared memory.
//   1  no barrier before a lane reads what another wrote
//   2  no barrier before it is overwritten
//   3  lanes behind the row leave the exchange out
//   4  two halves of a warp exchange at two places
//   5  the mask lacks half of the lanes
template <int error> static __device__ __forceinline__ void warp_max(const Frame &f) {
  const float *a = (const float *)f.a;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  float *mine = partial + 32 * warp;
  for (long long m = (long long)blockIdx.x * warps + warp; m < f.m; m += (long long)gridDim.x * warps) {
    float v = -1e30f;
    for (long long n = lane; n - lane < f.n; n += 32) {
      mine[lane] = n < f.n ? a[m * f.n + n] : -1e30f;
      if (error != 1)
        __syncwarp();
      v = fmaxf(v, mine[lane] + mine[lane ^ 1]);
      if (error != 2)
        __syncwarp();
    }
    for (int i = error != 3 || lane < f.n ? 16 : 0; i > 0; i /= 2)
      if (error == 4 && lane < 16)
        v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, i));
      else
        v = fmaxf(v, __shfl_xor_sync(error == 5 ? 0xffff : 0xffffffff, v, i));
    if (lane == 0)
      f.y[m] = v;
  }
}

#define KERNEL(name, error)                                                                         \
  extern "C" __global__ void __launch_bounds__(256) name##_##error(const Frame f) {                 \
    name<error>(f);                                                                                 \
  }
KERNEL(block_sum, 0)
KERNEL(warp_max, 0)
#ifdef BG_SHIM // nvcc need not read them all
KERNEL(block_sum, 1)
KERNEL(block_sum, 2)
KERNEL(block_sum, 3)
KERNEL(block_sum, 4)
KERNEL(block_sum, 5)
KERNEL(block_sum, 6)
KERNEL(warp_max, 1)
KERNEL(warp_max, 2)
KERNEL(warp_max, 3)
KERNEL(warp_max, 4)
KERNEL(warp_max, 5)
#endif

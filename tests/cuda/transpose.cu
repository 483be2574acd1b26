// A transposed copy by way of shared memory, and the same with one mistake planted.
#include "frame.h"

extern __shared__ float tile[];

// y[n, m] = a[m, n]: a block of 256 threads takes squares of 32, in rows of 33 so that columns lie in different banks.
//   1  no barrier before the square is read
//   2  no barrier before the next square overwrites it
//   3  columns are stored beyond the last
//   4  rows of 34, which the shared memory is too small for
//   5  a square too far behind shared memory
template <int error> static __device__ __forceinline__ void transpose(const Frame &f) {
  const float *a = (const float *)f.a;
  const int x = threadIdx.x % 32, y = threadIdx.x / 32, width = error == 4 ? 34 : 33;
  const long long across = (f.n + 31) / 32, squares = across * ((f.m + 31) / 32);
  float *square = tile + (error == 5 ? 2048 : 0);
  for (long long s = blockIdx.x; s < squares; s += gridDim.x) {
    const long long m = s / across * 32, n = s % across * 32;
    for (int i = y; i < 32; i += 8)
      if (m + i < f.m && n + x < f.n)
        square[i * width + x] = a[(m + i) * f.n + n + x];
    if (error != 1)
      __syncthreads();
    for (int i = y; i < 32; i += 8)
      if (n + i < f.n && (m + x < f.m || error == 3))
        f.y[(n + i) * f.m + m + x] = square[x * width + i];
    if (error != 2)
      __syncthreads();
  }
}

#define KERNEL(error)                                                                               \
  extern "C" __global__ void __launch_bounds__(256) transpose_##error(const Frame f) {              \
    transpose<error>(f);                                                                            \
  }
KERNEL(0)
#ifdef BG_SHIM // nvcc need not read them all
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
KERNEL(5)
#endif

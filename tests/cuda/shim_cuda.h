// CUDA's names, as far as printed kernels use them.
#ifndef SHIM_CUDA_H
#define SHIM_CUDA_H
#include "shim_meet.h"
#include <math.h>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
// In a function this does nothing, and the name would be missing at run time: hence an error.
#define __shared__ __attribute__((alias("shim_shared"), visibility("hidden")))
#pragma GCC diagnostic error "-Wattributes"

constexpr int warpSize = shim::WARP;

// Dynamic shared memory: as much as a block of sm_90 may have, and pages that guard it.
namespace shim {
namespace {
constexpr size_t SHARED_BYTES = 227 << 10, SHARED_ROOM = (228 << 10) + 2 * PAGE;
}
} // namespace shim
extern "C" {
__attribute__((visibility("hidden"), aligned(4096))) unsigned char shim_shared[shim::SHARED_ROOM];
}

#define SHIM_VECTOR2(T, name, bytes)                                                               \
  struct __attribute__((aligned(bytes))) name {                                                    \
    T x, y;                                                                                        \
  };                                                                                               \
  static inline name make_##name(T x, T y) {                                                       \
    return {x, y};                                                                                 \
  }
#define SHIM_VECTOR4(T, name, bytes)                                                               \
  struct __attribute__((aligned(bytes))) name {                                                    \
    T x, y, z, w;                                                                                  \
  };                                                                                               \
  static inline name make_##name(T x, T y, T z, T w) {                                             \
    return {x, y, z, w};                                                                           \
  }
SHIM_VECTOR2(float, float2, 8)
SHIM_VECTOR2(int, int2, 8)
SHIM_VECTOR2(unsigned, uint2, 8)
SHIM_VECTOR2(double, double2, 16)
SHIM_VECTOR2(long long, longlong2, 16)
SHIM_VECTOR2(unsigned long long, ulonglong2, 16)
SHIM_VECTOR4(float, float4, 16)
SHIM_VECTOR4(int, int4, 16)
SHIM_VECTOR4(unsigned, uint4, 16)
SHIM_VECTOR4(unsigned short, ushort4, 8)
SHIM_VECTOR4(unsigned char, uchar4, 4)
#undef SHIM_VECTOR2
#undef SHIM_VECTOR4

// The last parameters of what threads do together: where it is called.
#define SHIM_AT const char *file = __builtin_FILE(), int line = __builtin_LINE()

// ---- barriers
static inline void __syncthreads(SHIM_AT) {
  shim::meet_block({"__syncthreads", file, line}, 0, shim::run.threads);
}
static inline int __syncthreads_or(int yes, SHIM_AT) {
  return shim::meet_any({"__syncthreads_or", file, line}, yes);
}
static inline void __syncwarp(unsigned mask = ~0u, SHIM_AT) {
  shim::meet_warp({"__syncwarp", file, line}, mask, nullptr, nullptr);
}
static inline void __threadfence() {
}
static inline void __threadfence_block() {
}
static inline void __trap() {
  __builtin_trap();
}

// ---- exchanges
namespace shim {
namespace {
template <class T> struct Shuffle {
  T value, got;
  int from;
};
// Every lane gets the value of lane `from`; what a lane has that is not there is undefined, here all bits set.
template <class T> void shuffle_all(void *const *mine, unsigned members) {
  for (int i = 0; i < WARP; i++) {
    if (!(members >> i & 1))
      continue;
    Shuffle<T> &s = *(Shuffle<T> *)mine[i];
    if (members >> s.from & 1)
      s.got = ((Shuffle<T> *)mine[s.from])->value;
    else
      memset((void *)&s.got, 0xff, sizeof(T));
  }
}
template <class T> inline T shuffle(const Place &place, unsigned mask, T value, int from) {
  Shuffle<T> s = {value, value, from};
  meet_warp(place, mask, &s, shuffle_all<T>);
  return s.got;
}
// The lane itself where `from` lies outside of its group of `width` lanes.
inline int within(int from, int first, int last) {
  return from < first || from > last ? self().lane : from;
}
inline int group_first(int width) {
  return self().lane & ~(width - 1);
}

struct Vote {
  unsigned yes, ballot;
};
inline void vote_all(void *const *mine, unsigned members) {
  unsigned ballot = 0;
  for (int i = 0; i < WARP; i++)
    if (members >> i & 1)
      ballot |= ((Vote *)mine[i])->yes << i;
  for (int i = 0; i < WARP; i++)
    if (members >> i & 1)
      ((Vote *)mine[i])->ballot = ballot;
}
inline unsigned vote(const Place &place, unsigned mask, bool yes) {
  Vote v = {yes, 0};
  meet_warp(place, mask, &v, vote_all);
  return v.ballot;
}
} // namespace
} // namespace shim

template <class T>
static inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, SHIM_AT) {
  int first = shim::group_first(width);
  return shim::shuffle<T>({"__shfl_sync", file, line}, mask, v, first | (lane & (width - 1)));
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32, SHIM_AT) {
  int from = shim::within(shim::self().lane ^ lanes, 0, shim::group_first(width) + width - 1);
  return shim::shuffle<T>({"__shfl_xor_sync", file, line}, mask, v, from);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, SHIM_AT) {
  int first = shim::group_first(width);
  int from = shim::within(shim::self().lane + int(by), first, first + width - 1);
  return shim::shuffle<T>({"__shfl_down_sync", file, line}, mask, v, from);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, SHIM_AT) {
  int first = shim::group_first(width);
  int from = shim::within(shim::self().lane - int(by), first, first + width - 1);
  return shim::shuffle<T>({"__shfl_up_sync", file, line}, mask, v, from);
}
static inline unsigned __ballot_sync(unsigned mask, int yes, SHIM_AT) {
  return shim::vote({"__ballot_sync", file, line}, mask, yes);
}
static inline int __any_sync(unsigned mask, int yes, SHIM_AT) {
  return shim::vote({"__any_sync", file, line}, mask, yes) != 0;
}
static inline int __all_sync(unsigned mask, int yes, SHIM_AT) {
  return shim::vote({"__all_sync", file, line}, mask, !yes) == 0;
}

// ---- numbers: the same bits as another type
template <class To, class From> static inline To shim_bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline unsigned __float_as_uint(float x) {
  return shim_bits<unsigned>(x);
}
static inline int __float_as_int(float x) {
  return shim_bits<int>(x);
}
static inline float __uint_as_float(unsigned x) {
  return shim_bits<float>(x);
}
static inline float __int_as_float(int x) {
  return shim_bits<float>(x);
}
static inline long long __double_as_longlong(double x) {
  return shim_bits<long long>(x);
}
static inline double __longlong_as_double(long long x) {
  return shim_bits<double>(x);
}

// ---- numbers: one rounding each
static inline float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
static inline double __fma_rn(double a, double b, double c) {
  return fma(a, b, c);
}
static inline float __fadd_rn(float a, float b) {
  return a + b;
}
static inline float __fsub_rn(float a, float b) {
  return a - b;
}
static inline float __fmul_rn(float a, float b) {
  return a * b;
}
static inline float __fdiv_rn(float a, float b) {
  return a / b;
}
static inline float __fsqrt_rn(float a) {
  return sqrtf(a);
}
static inline float __frcp_rn(float a) {
  return 1.0f / a;
}
static inline double __dadd_rn(double a, double b) {
  return a + b;
}
static inline double __dsub_rn(double a, double b) {
  return a - b;
}
static inline double __dmul_rn(double a, double b) {
  return a * b;
}
static inline double __ddiv_rn(double a, double b) {
  return a / b;
}
static inline double __dsqrt_rn(double a) {
  return sqrt(a);
}
static inline float __double2float_rn(double a) {
  return float(a);
}
static inline float __int2float_rn(int a) {
  return float(a);
}
static inline float __uint2float_rn(unsigned a) {
  return float(a);
}
static inline float __ll2float_rn(long long a) {
  return float(a);
}

// ---- numbers: to integers, which CUDA clamps to the type's range, NaN to 0
template <class Int> static inline Int shim_clamped(double x) {
  const Int top = Int(~(1ull << (sizeof(Int) * 8 - 1)) & (~0ull >> (64 - sizeof(Int) * 8)));
  if (x != x)
    return 0;
  return x >= double(top) ? top : x <= -double(top) - 1 ? Int(-top - 1) : Int(x);
}
static inline int __float2int_rn(float x) {
  return shim_clamped<int>(nearbyintf(x));
}
static inline int __float2int_rz(float x) {
  return shim_clamped<int>(x);
}
static inline int __float2int_rd(float x) {
  return shim_clamped<int>(floorf(x));
}
static inline int __float2int_ru(float x) {
  return shim_clamped<int>(ceilf(x));
}
static inline long long __float2ll_rz(float x) {
  return shim_clamped<long long>(x);
}
static inline int __double2int_rn(double x) {
  return shim_clamped<int>(nearbyint(x));
}
static inline int __double2int_rz(double x) {
  return shim_clamped<int>(x);
}
static inline long long __double2ll_rz(double x) {
  return shim_clamped<long long>(x);
}
static inline long long __double2ll_rn(double x) {
  return shim_clamped<long long>(nearbyint(x));
}

// ---- integers
static inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
static inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
static inline int __clz(int x) {
  return x ? __builtin_clz(unsigned(x)) : 32;
}
static inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
static inline int __ffs(int x) {
  return __builtin_ffs(x);
}
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned((unsigned long long)a * b >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((__uint128_t)a * b >> 64);
}

// ---- functions that CUDA has and C has not
static inline float rsqrtf(float x) {
  return float(1 / sqrt(double(x)));
}
static inline double rsqrt(double x) {
  return 1 / sqrt(x);
}
static inline float rcbrtf(float x) {
  return float(1 / cbrt(double(x)));
}
static inline float __saturatef(float x) {
  return x > 0 ? x < 1 ? x : 1.0f : 0.0f;
}

// sin and cos of pi x, exact at multiples of a half.
static inline void sincospi(double x, double *s, double *c) {
  double r = x - 2 * floor(x / 2); // [0, 2)
  int half = int(r * 2 + 0.5);     // to the nearest multiple of a half
  double t = (r - half * 0.5) * 3.14159265358979323846, sn = sin(t), cs = cos(t);
  const double sins[4] = {sn, cs, -sn, -cs}, coss[4] = {cs, -sn, -cs, sn};
  *s = sins[half & 3], *c = coss[half & 3];
}
static inline void sincospif(float x, float *s, float *c) {
  double ds, dc;
  sincospi(x, &ds, &dc);
  *s = float(ds), *c = float(dc);
}
static inline double sinpi(double x) {
  double s, c;
  sincospi(x, &s, &c);
  return s;
}
static inline double cospi(double x) {
  double s, c;
  sincospi(x, &s, &c);
  return c;
}
static inline float sinpif(float x) {
  return float(sinpi(x));
}
static inline float cospif(float x) {
  return float(cospi(x));
}

// The fast ones, here as good as they can be: a test that needs their error knows it.  (The C library has
// functions of these names, so they are macros.)
#define __expf expf
#define __exp10f exp10f
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __powf powf
#define __sinf sinf
#define __cosf cosf
static inline float __fdividef(float a, float b) {
  return a / b;
}

// CUDA's min and max, between equal types; a NaN gives the other operand.
static inline float min(float a, float b) {
  return fminf(a, b);
}
static inline float max(float a, float b) {
  return fmaxf(a, b);
}
static inline double min(double a, double b) {
  return fmin(a, b);
}
static inline double max(double a, double b) {
  return fmax(a, b);
}
template <class T> static inline T min(T a, T b) {
  return b < a ? b : a;
}
template <class T> static inline T max(T a, T b) {
  return a < b ? b : a;
}

// ---- memory by way of a cache
template <class T> static inline T __ldg(const T *p) {
  return *p;
}
template <class T> static inline T __ldcg(const T *p) {
  return *p;
}
template <class T> static inline T __ldcs(const T *p) {
  return *p;
}
template <class T> static inline void __stcg(T *p, T v) {
  *p = v;
}
template <class T> static inline void __stcs(T *p, T v) {
  *p = v;
}
#endif

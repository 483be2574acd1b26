// The convolution's kernels for AVX2, whatever the compiler's own target: chosen at run time.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#include <immintrin.h>
#define W 8
#define ROWS 6
#define KERNELS conv_avx2
#define FMA(a, b, c) ((V)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FNMA(a, b, c) ((V)_mm256_fnmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#include "runtime/builtin/conv_kernels.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int conv_avx2_unused; // a translation unit may not be empty
#endif

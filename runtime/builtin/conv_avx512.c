// The convolution's kernels for AVX-512, whatever the compiler's own target: chosen at run time.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f")
#endif
#include <immintrin.h>
#define W 16
#define ROWS 12
#define KERNELS conv_avx512
#define FMA(a, b, c) ((V)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FNMA(a, b, c) ((V)_mm512_fnmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#include "runtime/builtin/conv_kernels.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int conv_avx512_unused; // a translation unit may not be empty
#endif

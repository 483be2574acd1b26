// The convolution's kernels in vectors of 16 bytes, which every target that matters has.
#define W 4
#define ROWS 6
#define KERNELS conv_generic
#if defined(__aarch64__)
#include <arm_neon.h>
#define FMA(a, b, c) ((V)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FNMA(a, b, c) ((V)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#define FNMA(a, b, c) ((c) - (a) * (b))
#endif
#include "runtime/builtin/conv_kernels.h"

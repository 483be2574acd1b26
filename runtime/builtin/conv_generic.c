// The convolution's kernels in vectors of 16 bytes, which every target that matters has.
#define W 4
#define ROWS 6
#define KERNELS conv_generic
#define FMA(a, b, c) ((a) * (b) + (c))
#define FNMA(a, b, c) ((c) - (a) * (b))
#include "runtime/builtin/conv_kernels.h"

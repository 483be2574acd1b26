// Small kernels by hand for the printer of CUDA C++: what no model's plan holds, or holds seldom.
#ifndef BIGSC_CUDA_KERNELS_H
#define BIGSC_CUDA_KERNELS_H
#include "tests/unit/kernels.h"

enum { HAND_MAX = 129, HAND_OUT = 2 * HAND_MAX * HAND_MAX };
// x[HAND_MAX^2] in [-1, 1), id[HAND_MAX] in [0, 8); a kernel adds to y or sets it, and so to z.
typedef struct HandData {
  float x[HAND_MAX * HAND_MAX], y[HAND_OUT];
  int32_t id[HAND_MAX], z[8];
} HandData;
typedef struct HandKernel {
  const char *name;
  // The body of a kernel with arguments x, id, y, z, for sizes n = sym[0].
  void (*build)(Arena *a, LKernel *k);
  void (*want)(HandData *d, int n); // the same in C
  bool block;                       // a block does each of its tasks
} HandKernel;
extern const HandKernel hand_kernels[];
extern const int hand_count;
LKernel *hand_kernel(Arena *a, const HandKernel *h);
#endif

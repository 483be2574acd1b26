// The parameter of the hand-written kernels of this folder, in CUDA C++ and in C.
#ifndef FRAME_H
#define FRAME_H
typedef struct Frame {
  const void *a, *b;
  float *y;
  long long m, n, k; // sizes
} Frame;
#endif

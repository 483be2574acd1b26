// What the source of a compiled model asks CUDA's runtime for, when it is compiled for the shim: a kernel's handle is
// what fake_cuda.c runs, in the order of threads that the environment's SHIM_ORDER names (0).
//   g++ ... -include tests/cuda/shim.h -include tests/cuda/shim_cudart.h -x c++ bert.cu
#ifndef SHIM_CUDART_H
#define SHIM_CUDART_H
#include "fake_cuda.h"
#include <cstdio>
#include <cstdlib>
#include <deque>

#define CUDART_VERSION 12000
typedef const FakeFunction *cudaFunction_t;
enum cudaError_t { cudaSuccess };

static inline const char *cudaGetErrorString(cudaError_t) {
  return "no error";
}

static inline void shim_run_model(const void *kernel, const uint64_t *word, const FakeGrid *grid) {
  const char *order = getenv("SHIM_ORDER");
  char error[1024];
  shim_depth = grid->depth;
  if (shim_launch((void (*)(void))kernel, grid->blocks, grid->threads, grid->shared, word, 128 * 8,
                  order ? atoi(order) : 0, error, sizeof error)) {
    fprintf(stderr, "shim: %s\n", error);
    abort();
  }
}

static inline cudaError_t cudaGetFuncBySymbol(cudaFunction_t *f, const void *symbol) {
  static std::deque<FakeFunction> made; // whose elements stay where they are
  made.push_back(FakeFunction{shim_run_model, symbol, 128});
  *f = &made.back();
  return cudaSuccess;
}
#endif

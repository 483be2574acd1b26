// Code for the GPU at hand: kernels printed as CUDA C++ and compiled by NVRTC, or taken from the cache.
#ifndef BIGSC_GPU_H
#define BIGSC_GPU_H
#include "compiler/driver/pipeline.h"
#include "runtime/cuda/device_cuda.h"
#include "base/error.h"

typedef struct GpuCode {
  char name[64];  // of the GPU
  int number;     // of those that the driver shows
  bool cached;    // it was compiled before
  double seconds; // that it took
} GpuCode;
// Compiles the kernels of a build for a GPU (BuildOptions.gpu) by so many threads, 0: all that the process
// may have, and makes *out a device for handles of its module; the code lies in the build's arena.  0, or status 3: no driver, no GPU that will do, no
// compiler; 70: the compiler does not take the code, of which the source is kept.
int gpu_code(const Build *b, int threads, CudaDevice *out, GpuCode *how, BigsError *e);
// "90a": the kind of the GPU at hand; where none answers, of an H100.
const char *gpu_architecture(Arena *a);
#endif

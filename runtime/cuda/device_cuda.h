// An NVIDIA GPU as the device of a handle.  One stream; a warp does a task, as codegen/cuda prints
// kernels.
#ifndef BIGSC_RUNTIME_DEVICE_CUDA_H
#define BIGSC_RUNTIME_DEVICE_CUDA_H
#include "runtime/exec/device.h"

// Kernels that all modules have, behind their own.
enum { CUDA_WORDS, CUDA_DECIDE, CUDA_OWN_KERNELS };

// The GPU of a handle and its code.  It is what bigs_options.device points to (&device.base) and
// outlives the handles; handles may share it.
typedef struct CudaDevice {
  BigsDevice base;
  int ordinal; // of the GPUs that the driver shows
  int version; // that the driver must know for this code, 13010 for CUDA 13.1; 0: any that runs it
  // A cubin, whose functions are named k0, k1, ... as the kernels are numbered, bg_words and bg_decide; NULL:
  // `function` finds them.
  const void *image;
  // Or several: kernel k is in unit[k / each], what all have in the first, which is `image`.
  const void *const *unit;
  int units, each; // 0: `image` has all
  // The CUfunction of a kernel of m->module into *out, of number nkernel + CUDA_WORDS that of bg_words and so on, called once
  // for each with the GPU's primary context current.  0, or a status with the reason in m's error.
  int (*function)(bigs_model *m, int kernel, void **out);
  const char *record; // of blas_open; NULL at first
} CudaDevice;
// With image or function, the other is NULL.
CudaDevice cuda_device(int ordinal, int version, const void *image,
                       int (*function)(bigs_model *m, int kernel, void **out));
#endif

// A compiled model as a library for a GPU, by NVIDIA's compiler nvcc.
#ifndef BIGSC_NVCC_H
#define BIGSC_NVCC_H
#include "codegen/cuda/cuda.h"
#include <stdbool.h>

// Writes cuda_file's source for a moment and makes the library at `path` of it, for GPUs of the kind
// `architecture` ("90a").  The environment's NVCC names another nvcc, with options.  False with the
// reason in *error.
bool nvcc_library(Arena *a, const CudaFile *in, const char *architecture, const char *path,
                  const char **error);
#endif

// Products of matrices by NVIDIA's cuBLASLt, which is looked for at run time and need not be there: kernels of
// the module do the same.  The types are those of its ABI (versions 12 and 13) under names of our own.
#ifndef BIGSC_RUNTIME_BLAS_H
#define BIGSC_RUNTIME_BLAS_H
#include "base/error.h"
#include "runtime/cuda/driver.h"
#include "runtime/exec/device.h"

typedef int BlasStatus; // cublasStatus_t; 0: done
typedef struct cublasLtContext *BlasHandle;
typedef void *BlasProduct, *BlasLayout,
    *BlasWish; // descriptors of a product, a matrix, a preference
typedef int BlasCompute, BlasType, BlasProductAttribute, BlasLayoutAttribute, BlasWishAttribute;
typedef struct BlasAlgorithm {
  uint64_t data[8];
} BlasAlgorithm;
typedef struct BlasChoice { // cublasLtMatmulHeuristicResult_t
  BlasAlgorithm algorithm;
  size_t workspace;
  BlasStatus state;
  float waves;
  int reserved[4];
} BlasChoice;

enum { // of BlasCompute, BlasType
  BLAS_COMPUTE_F32 = 68,
  BLAS_COMPUTE_F32_STRICT = 69, // neither TF32 nor sums of bf16 in place of float32
  BLAS_F32 = 0,
  BLAS_BF16 = 14
};
enum { // attributes, and the values of some
  BLAS_TRANSPOSE_A = 3,
  BLAS_TRANSPOSE_B = 4,
  BLAS_EPILOGUE = 7,
  BLAS_BIAS = 8,
  BLAS_ADDS_BIAS = 4,
  BLAS_TRANSPOSED = 1,
  BLAS_COUNT = 5,
  BLAS_STRIDE = 6,
  BLAS_WORKSPACE = 1,
  BLAS_SCHEMES = 3,
  BLAS_ALIGNED_A = 5, // and of B, C, D
};

typedef struct CudaBlas CudaBlas;
// The library, which the environment's BIGSC_LIBCUBLASLT may name; NULL when there is none or it does not start, which
// is no error.  The GPU's context is current.  record: a folder where the algorithms of shapes are kept for such a GPU and
// version of the library; NULL: nowhere.
CudaBlas *blas_open(const char *record, const char *gpu);
void blas_close(CudaBlas *b);
// Bytes of memory of the GPU that a product may use beside its matrices, at a multiple of 256.
enum { BLAS_ROOM = 32 << 20 };

// Puts the product into the stream.  arg: the step's arguments.  room: BLAS_ROOM bytes.  An algorithm
// is what the record has for the shape, or the library's first choice of those that split no sum, and stays.  Equal shapes, equal bits.  False: it has none for this shape, nothing was done.
// *status: of the library, not 0 where it failed.
bool blas_product(CudaBlas *b, const DeviceGemm *g, void *const *arg, void *room, CudaStream stream,
                  BlasStatus *status);
#endif

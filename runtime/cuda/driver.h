// NVIDIA's driver: libcuda.so.1, looked for when a GPU is asked for and never linked with, so that a
// program that carries this runs where there is none.  No header of CUDA is needed; the types are
// those of its ABI under names of our own.
#ifndef BIGSC_RUNTIME_DRIVER_H
#define BIGSC_RUNTIME_DRIVER_H
#include "base/error.h"
#include <stdbool.h>

typedef int CudaResult;                 // CUresult; 0: done
typedef int CudaOrdinal;                // CUdevice
typedef int CudaAttribute;              // CUdevice_attribute
typedef int CudaFunctionAttribute;      // CUfunction_attribute
typedef int CudaCaptureMode;            // CUstreamCaptureMode
typedef void CudaTensorMap;             // CUtensorMap
typedef int CudaMapDtype;               // CUtensorMapDataType
typedef int CudaMapInterleave;          // CUtensorMapInterleave
typedef int CudaMapSwizzle;             // CUtensorMapSwizzle
typedef int CudaMapPromotion;           // CUtensorMapL2promotion
typedef int CudaMapFill;                // CUtensorMapFloatOOBfill
typedef unsigned long long CudaAddress; // CUdeviceptr
typedef struct CUctx_st *CudaContext;
typedef struct CUstream_st *CudaStream;
typedef struct CUevent_st *CudaEvent;
typedef struct CUgraph_st *CudaGraph;
typedef struct CUgraphExec_st *CudaGraphExec;
typedef struct CUmod_st *CudaModule;
typedef struct CUfunc_st *CudaFunction;

enum { CUDA_NOT_READY = 600, CUDA_NO_MEMORY = 2, CUDA_NO_GPU = 100 }; // of CudaResult
enum {                                                                // of device_attribute
  CUDA_PROCESSORS = 16,
  CUDA_PROCESSOR_THREADS = 39, // most threads that one of them has at once
  CUDA_CAPABILITY_MAJOR = 75,
  CUDA_CAPABILITY_MINOR = 76
};
enum { CUDA_SHARED_MOST = 8 }; // of function_set: dynamic shared memory
enum { CUDA_OLDEST = 12000 };  // version of the interface that is needed at least: 12.0

typedef struct CudaDriver {
  void *library; // of dlopen
#define CALL(name, symbol, ...) CudaResult (*name)(__VA_ARGS__);
#define MAYBE CALL
#include "runtime/cuda/driver.def"
#undef MAYBE
#undef CALL
} CudaDriver;

// Loads the library, which the environment's BIGSC_LIBCUDA may name, and starts it.  version: what it
// must know at least, 13010 for 13.1; less than CUDA_OLDEST: that.  0, or status 3 with the reason in
// e: no library, too old a one, no GPU.  driver_close afterwards in any case.
int driver_open(CudaDriver *d, int version, BigsError *e);
void driver_close(CudaDriver *d);

typedef struct CudaGpu {
  CudaOrdinal device;
  int capability; // 90 for 9.0
  char name[64];  // "NVIDIA H200"
} CudaGpu;
// The GPU of this number among those that the driver shows.  0, or status 3 with the reason in e: there
// is none, or it is too old.
int driver_gpu(const CudaDriver *d, int ordinal, CudaGpu *out, BigsError *e);
// Status 3: "WHAT: CUDA_ERROR_INVALID_VALUE (invalid argument)".
int driver_fail(const CudaDriver *d, CudaResult r, BigsError *e, const char *what);
// "CUDA_ERROR_INVALID_VALUE (invalid argument)" into buf; buf.
const char *driver_text(const CudaDriver *d, CudaResult r, char *buf, size_t size);
// After this result nothing of the process can use the GPU any more.
bool driver_is_lost(CudaResult r);
#endif

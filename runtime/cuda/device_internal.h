// For what works in a handle's stream beside the device itself.
#ifndef BIGSC_RUNTIME_DEVICE_INTERNAL_H
#define BIGSC_RUNTIME_DEVICE_INTERNAL_H
#include "runtime/cuda/driver.h"
#include "runtime/exec/exec.h"

// The GPU's context becomes current, and the one before again; 0, or a status with the reason in m's error.  r: what went wrong between
// the two, 0: nothing; what: that was done then.
int cuda_enter(bigs_model *m);
int cuda_leave(bigs_model *m, CudaResult r, const char *what);
CudaStream cuda_stream(const bigs_model *m);
const CudaDriver *cuda_driver(const bigs_model *m);
#endif

// A handle's state on a GPU, for what works in its stream: the device's files, and teams.
#ifndef BIGSC_RUNTIME_DEVICE_INTERNAL_H
#define BIGSC_RUNTIME_DEVICE_INTERNAL_H
#include "runtime/cuda/blas.h"
#include "runtime/cuda/device_cuda.h"
#include "runtime/cuda/driver.h"
#include "runtime/cuda/nvtx.h"
#include "runtime/exec/exec.h"

enum { WARP_LANES = 32, BLOCK_WARPS = 8, FRAME_HEAD = 3 };

typedef struct CudaState {
  CudaDriver driver;
  CudaGpu gpu;
  CudaContext context;
  CudaStream own, stream; // the handle's; the one in use
  CudaEvent joint;        // where one stream goes on behind another
  CudaModule *module;     // of each unit of the code
  CudaBlas *blas;         // NULL: no product is left to it
  Region room;            // of its own, while it works
  CudaFunction
      *function;    // of the module's kernels and those behind them, NULL until the first launch
  uint64_t *word;   // the frame of a launch
  CudaStream outer; // in use while one's own is recorded
  Nvtx nvtx;        // of a profiler
  bool named;       // which wants to be told steps
  bool plain;       // no graphs
  bool sync;        // waits for each step, so that a fault is that step's
  CudaResult lost;  // the fault that ended all
  DeviceLaunch last;
  CudaEvent mark[DEVICE_MARKS]; // with times; NULL until the first is wanted
} CudaState;

static inline CudaState *cuda_state(const bigs_model *m) {
  return (CudaState *)m->device_state;
}
static inline CudaAddress cuda_address(const void *p) {
  return (CudaAddress)(uintptr_t)p;
}
static inline int cuda_most(int a, int b) {
  return a > b ? a : b;
}

// The GPU's context becomes current, and the one before again; 0, or a status with the reason in m's error.  r: what went wrong between
// the two, 0: nothing; what: that was done then.
int cuda_enter(bigs_model *m);
int cuda_leave(bigs_model *m, CudaResult r, const char *what);
CudaStream cuda_stream(const bigs_model *m);
const CudaDriver *cuda_driver(const bigs_model *m);
// Status 3: what went wrong; after a fault of a kernel the handle is dead, and the error says in which step.
int cuda_fail(bigs_model *m, CudaResult r, const char *what);
// " in `gelu` (bigs.mdl:31) of mlm, kernel k12"
void cuda_say_step(const DeviceLaunch *l, char *buf, size_t size);

// ---- of the BigsDevice: device_launch.c
int cuda_workers(const bigs_model *m, int64_t tasks, int64_t scratch);
int cuda_frame(const bigs_model *m, const DeviceLaunch *l, uint64_t *word);
int cuda_launch(bigs_model *m, const DeviceLaunch *l);
// device_maps.c: the maps of a launch to where they stand in its frame.  *made: 1, or 0 where what they are of does not allow it, or
// the GPU or its driver have none; the kernel does without.
void cuda_put_maps(const bigs_model *m, const DeviceLaunch *l, const BigsLaunch *how,
                   uint64_t *made, uint64_t *word);
int cuda_words(bigs_model *m, void *to, const uint64_t *word, int n);
int cuda_decide(bigs_model *m, const DeviceVerdict *v);
// device_graph.c
bool cuda_record(bigs_model *m);
void *cuda_recorded(bigs_model *m);
int cuda_replay(bigs_model *m, void *recording);
void cuda_recording_free(bigs_model *m, void *recording);
#endif

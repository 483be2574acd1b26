// The toy (toy_module.h) on a GPU that is a driver of ours, tests/cuda/fake_cuda.c: its kernels, libraries, handles.
#ifndef BIGSC_GPU_BED_H
#define BIGSC_GPU_BED_H
#include "runtime/cuda/device_cuda.h"
#include "runtime/exec/pieces.h"
#include "tests/cuda/fake_cuda.h"
#include "tests/unit/command.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_bed.h"

enum { GPU_KERNELS = 16, GPU_ERROR = 2048 };

typedef struct ToyKernel {
  BigsKernel *kernel;
  int narg, nscalar;
  const BigsScalar *scalar;
  int words; // of a frame
  int maps;  // in it
} ToyKernel;
extern ToyKernel toy_kernel[GPU_KERNELS];
extern FakeFunction toy_function[GPU_KERNELS + CUDA_OWN_KERNELS];
extern const FakeImage toy_image;

typedef struct GpuSeen {
  unsigned blocks, shared; // most of all launches
  uint64_t launched;       // what they were launched with
  int mapped;              // frames whose maps were made
} GpuSeen;
extern GpuSeen gpu_seen;
extern FakeCuda *gpu_fake;
extern char gpu_error[GPU_ERROR];
extern const float gpu_ones[64];

// In place of the image: finds the toy's kernels.
int toy_finds(bigs_model *m, int kernel, void **out);
// A file in the folder of the drivers that are compiled for the suite.
const char *gpu_path(const char *name);
// The driver of handles that are opened from here on; gpu_fake is anew what an H200 is like, but smaller.
void gpu_plug_in_driver(const char *name);
void gpu_plug_in(void);
// Nothing is left on the GPU, and the thread's own context is current.
void gpu_unplug(void);
void gpu_compile_drivers(void);
void gpu_remove_drivers(void);
// NULL with gpu_error.
bigs_model *gpu_try_open(const BigsDevice *device, const char *weights, int *status);
bigs_model *gpu_open_on(const BigsDevice *device, const char *weights);
// A handle of a module made from the toy, as gpu_open_on opens them.
bigs_model *gpu_open_module(const BigsModule *module, const BigsDevice *device);
// Of the toy, by a device made here, whose kernels are found without an image.
bigs_model *gpu_open_found(CudaDevice *gpu);
// Of gpu_ones; of a fixed batch.  Statuses of bigs.h.
int gpu_scale(bigs_model *m, int64_t B, int64_t L, float *out);
int gpu_step(bigs_model *m, float *loss);
int gpu_gradient(bigs_model *m, float *loss);
int gpu_step_without_labels(bigs_model *m);
int gpu_step_of(bigs_model *m, int64_t M, float *loss); // of M labels, at most 4
int gpu_recipe(bigs_model *m, const TrainRecipe *r, float *loss, OptReport *report);
// A step of n pieces, of 1, 2, 3, 4, 1, ... labels.
int gpu_pieces(bigs_model *m, const TrainRecipe *r, int64_t n, float *loss, OptReport *report);
// The second handle does what the first does, to the bit.
void gpu_same_scale(bigs_model *a, bigs_model *b, int64_t B, int64_t L);
void gpu_same_steps(bigs_model *a, bigs_model *b, int n);
void gpu_same_parameters(bigs_model *a, bigs_model *b);
void gpu_same_files(const char *a, const char *b);
// Every call says that the GPU has failed before.
void gpu_is_dead(bigs_model *m);
// What has happened since then: launches, replays, allocations, waits.
FakeCuda gpu_since(const FakeCuda *then);
#endif

// NVIDIA's compiler as a library, NVRTC: looked for when code for a GPU is wanted and never linked
// with.  CUDA C++ text becomes a cubin, machine code of one kind of GPU; never PTX, which a driver
// older than the library would not take.
#ifndef BIGSC_NVRTC_H
#define BIGSC_NVRTC_H
#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>

typedef struct _nvrtcProgram *NvrtcProgram;
typedef int NvrtcResult; // nvrtcResult; 0: done

typedef struct Nvrtc {
  void *library; // of dlopen
  int major, minor;
#define CALL(name, symbol, ...) NvrtcResult (*name)(__VA_ARGS__);
#include "codegen/cuda/nvrtc.def"
#undef CALL
} Nvrtc;

// Loads libnvrtc.so.13, or .12, whichever is the newest whose code the driver runs, or the one that
// the environment's BIGSC_LIBNVRTC names.  driver: the version that it knows, 13010 for CUDA 13.1.
// capability: of the GPU, 90 for 9.0; the library must know it.  0, or status 3 with the reason in e.
// nvrtc_close afterwards in any case.
int nvrtc_open(Nvrtc *n, int driver, int capability, BigsError *e);
void nvrtc_close(Nvrtc *n);

// "90a": the kind of GPU that code is made for.
const char *nvrtc_architecture(Arena *a, int capability);
// The options that code for such a GPU is compiled with; *count of them.
const char *const *nvrtc_options(Arena *a, int capability, int *count);
// Compiles the text, called `name` in messages.  0 with *cubin and *size; or status 3 with the reason
// in e; or status 70 where the text is at fault, and *log says why.  All in the arena.
int nvrtc_compile(const Nvrtc *n, Arena *a, const char *name, const char *source,
                  const char *const *option, int options, char **cubin, size_t *size,
                  const char **log, BigsError *e);
#endif

// Names of steps for NVIDIA's profilers (NVTX).  A tool that wants them is a library, named by
// NVTX_INJECTION64_PATH in the environment or in the process already: its function is given a table into
// which it writes what it wants to be called by.  Without a tool nothing is called.
#ifndef BIGSC_RUNTIME_NVTX_H
#define BIGSC_RUNTIME_NVTX_H
#include <stdbool.h>

typedef void NvtxCall(void);
enum { NVTX_RANGE_PUSH = 9, NVTX_RANGE_POP = 11, NVTX_CORE_CALLS = 16 };

typedef struct Nvtx {
  NvtxCall *call[NVTX_CORE_CALLS];    // the tool's, by number; NULL: it does not want it
  NvtxCall **at[NVTX_CORE_CALLS + 1]; // where it writes them
} Nvtx;

// Is there a tool that takes ranges?  *n must stay where it is.
bool nvtx_open(Nvtx *n);
void nvtx_push(const Nvtx *n, const char *name);
void nvtx_pop(const Nvtx *n);
#endif

// See nvtx.h.  The interface is that of nvtx3/nvtxDetail/nvtxTypes.h.
#include "runtime/cuda/nvtx.h"
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CALLBACKS = 1, CORE = 1 }; // of the tables that a tool asks for

typedef struct NvtxCallbacks {
  size_t size;
  int (*table)(int module, NvtxCall ****out, unsigned *count);
} NvtxCallbacks;
typedef const void *NvtxTables(uint32_t which);
typedef int NvtxStart(NvtxTables *tables);

static __thread Nvtx *nvtx_starting; // whose table it is, while its tool starts

static int nvtx_table(int module, NvtxCall ****out, unsigned *count) {
  if (module != CORE || !nvtx_starting)
    return 0;
  *out = nvtx_starting->at;
  *count = NVTX_CORE_CALLS;
  return 1;
}

static const void *nvtx_tables(uint32_t which) {
  static const NvtxCallbacks callbacks = {sizeof callbacks, nvtx_table};
  return which == CALLBACKS ? &callbacks : NULL;
}

// A tool is never unloaded: it may have threads.
static void *nvtx_tool(void) {
  const char *path = getenv("NVTX_INJECTION64_PATH");
  void *library = path && *path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  return library ? dlsym(library, "InitializeInjectionNvtx2")
                 : dlsym(RTLD_DEFAULT, "InitializeInjectionNvtx2Preinject");
}

bool nvtx_open(Nvtx *n) {
  NvtxStart *start;
  void *tool = nvtx_tool();
  for (int i = 0; i < NVTX_CORE_CALLS; i++)
    n->at[i] = &n->call[i];
  if (!tool)
    return false;
  memcpy(&start, &tool, sizeof start);
  nvtx_starting = n;
  int started = start(nvtx_tables);
  nvtx_starting = NULL;
  return started && n->call[NVTX_RANGE_PUSH] && n->call[NVTX_RANGE_POP];
}

void nvtx_push(const Nvtx *n, const char *name) {
  ((int (*)(const char *))n->call[NVTX_RANGE_PUSH])(name);
}

void nvtx_pop(const Nvtx *n) {
  ((int (*)(void))n->call[NVTX_RANGE_POP])();
}

// See library.h.
#include "base/library.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const char *library_name(const char *variable, const char *otherwise) {
  const char *name = getenv(variable);
  return name && *name ? name : otherwise;
}

void *library_open(const char *name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

const char *library_calls(void *library, void *calls, const LibraryCall *call, size_t n) {
  for (size_t i = 0; i < n; i++) {
    void *p = dlsym(library, call[i].symbol);
    if (!p && !call[i].may_lack)
      return call[i].symbol;
    memcpy((char *)calls + call[i].at, &p, sizeof p);
  }
  return NULL;
}

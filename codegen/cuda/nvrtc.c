// See nvrtc.h.
#include "codegen/cuda/nvrtc.h"
#include "base/library.h"
#include "base/vec.h"
#include <dlfcn.h>
#include <stdlib.h>

enum { COMPILATION = 6, BUILTINS = 7 }; // of NvrtcResult

static const LibraryCall nvrtc_calls[] = {
#define CALL(name, symbol, ...) {offsetof(Nvrtc, name), symbol, false},
#include "codegen/cuda/nvrtc.def"
#undef CALL
};

static const struct {
  const char *name;
  int major;
} libraries[] = {{"libnvrtc.so.13", 13}, {"libnvrtc.so.12", 12}};

// ---- finding it
static int find_calls(Nvrtc *n, const char *library, BigsError *e) {
  const char *lacking = library_calls(n->library, n, nvrtc_calls, COUNT(nvrtc_calls));
  return lacking ? bigs_fail(e, BIGS_EFILE, "%s lacks %s: it is too old, install CUDA 12 or 13",
                             library, lacking)
                 : 0;
}

static int check_driver(const Nvrtc *n, int driver, BigsError *e) {
  return n->major * 1000 <= driver
             ? 0
             : bigs_fail(e, BIGS_EFILE,
                         "NVRTC %d.%d is newer than the NVIDIA driver, which knows CUDA %d.%d and "
                         "does not run its code: install libnvrtc.so.%d, or a driver for CUDA %d",
                         n->major, n->minor, driver / 1000, driver % 1000 / 10, driver / 1000,
                         n->major);
}

// NULL: none; then *refused is one that is too new for the driver, or 0.
static const char *load(Nvrtc *n, int driver, int *refused) {
  const char *said = library_name("BIGSC_LIBNVRTC", NULL);
  *refused = 0;
  if (said)
    return (n->library = dlopen(said, RTLD_NOW | RTLD_LOCAL)) ? said : NULL;
  for (int i = 0; i < COUNT(libraries); i++) {
    n->library = dlopen(libraries[i].name, RTLD_NOW | RTLD_LOCAL);
    if (n->library && libraries[i].major * 1000 <= driver)
      return libraries[i].name;
    *refused = n->library ? libraries[i].major : *refused;
    nvrtc_close(n);
  }
  return NULL;
}

static int none(int driver, int refused, BigsError *e) {
  if (library_name("BIGSC_LIBNVRTC", NULL))
    return bigs_fail(e, BIGS_EFILE, "there is no NVRTC, as BIGSC_LIBNVRTC names it: %s", dlerror());
  if (refused)
    return check_driver(&(Nvrtc){.major = refused}, driver, e);
  return bigs_fail(e, BIGS_EFILE,
                   "there is no NVRTC, NVIDIA's compiler library: neither %s nor %s is found; "
                   "install CUDA's nvrtc package, or name the file in the environment variable "
                   "BIGSC_LIBNVRTC",
                   libraries[0].name, libraries[1].name);
}

static int fail(NvrtcResult r, BigsError *e) {
  return r == BUILTINS
             ? bigs_fail(e, BIGS_EFILE,
                         "NVRTC fails: libnvrtc-builtins, which belongs to it, is not beside it")
             : bigs_fail(e, BIGS_EFILE, "NVRTC fails with error %d", r);
}

static int check_capability(const Nvrtc *n, int capability, BigsError *e) {
  int count = 0;
  NvrtcResult r = n->arch_count(&count);
  int *known = count > 0 ? calloc((size_t)count, sizeof *known) : NULL;
  bool found = false;
  r = r || !known ? r : n->archs(known);
  for (int i = 0; known && !r && i < count; i++)
    found = found || known[i] == capability;
  free(known);
  return r       ? fail(r, e)
         : found ? 0
                 : bigs_fail(e, BIGS_EFILE,
                             "NVRTC %d.%d makes no code for a GPU of compute capability %d.%d: "
                             "install another CUDA",
                             n->major, n->minor, capability / 10, capability % 10);
}

int nvrtc_open(Nvrtc *n, int driver, int capability, BigsError *e) {
  int refused;
  *n = (Nvrtc){0};
  const char *library = load(n, driver, &refused);
  if (!library)
    return none(driver, refused, e);
  int err = find_calls(n, library, e);
  NvrtcResult r = err ? 0 : n->version(&n->major, &n->minor);
  err = err ? err : r ? fail(r, e) : check_driver(n, driver, e);
  return err ? err : check_capability(n, capability, e);
}

void nvrtc_close(Nvrtc *n) {
  if (n->library)
    dlclose(n->library);
  n->library = NULL;
}

// ---- compiling

// From 9.0 on a GPU has instructions that no other kind has; the letter lets them be used.
const char *nvrtc_architecture(Arena *a, int capability) {
  return arena_printf(a, "%d%s", capability, capability >= 90 ? "a" : "");
}

const char *const *nvrtc_options(Arena *a, int capability, int *count) {
  const char **option = NEWN(a, const char *, 2);
  option[0] = arena_printf(a, "--gpu-architecture=sm_%s", nvrtc_architecture(a, capability));
  option[1] = "-std=c++17";
  *count = 2;
  return option;
}

static NvrtcResult take_log(const Nvrtc *n, NvrtcProgram p, Arena *a, const char **log) {
  size_t size = 0;
  NvrtcResult r = n->log_size(p, &size);
  char *text = NEWN(a, char, size + 1);
  *log = text;
  return r ? r : n->log(p, text);
}

static NvrtcResult take_cubin(const Nvrtc *n, NvrtcProgram p, Arena *a, char **cubin,
                              size_t *size) {
  NvrtcResult r = n->cubin_size(p, size);
  *cubin = r ? NULL : NEWN(a, char, *size + 1);
  return r ? r : n->cubin(p, *cubin);
}

int nvrtc_compile(const Nvrtc *n, Arena *a, const char *name, const char *source,
                  const char *const *option, int options, char **cubin, size_t *size,
                  const char **log, BigsError *e) {
  NvrtcProgram p = NULL;
  NvrtcResult r = n->create(&p, source, name, 0, NULL, NULL);
  if (r)
    return fail(r, e);
  r = n->compile(p, options, option);
  bool wrong = r == COMPILATION && !take_log(n, p, a, log);
  r = r ? r : take_cubin(n, p, a, cubin, size);
  n->destroy(&p);
  return wrong ? bigs_fail(e, BIGS_EBUG, "NVRTC does not take the code") : r ? fail(r, e) : 0;
}

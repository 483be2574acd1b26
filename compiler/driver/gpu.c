// See gpu.h.
#include "compiler/driver/gpu.h"
#include "codegen/cuda/cache.h"
#include "codegen/cuda/cuda.h"
#include "codegen/cuda/nvrtc.h"
#include "base/clock.h"
#include "runtime/cuda/driver.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_GPU = 0 }; // CUDA_VISIBLE_DEVICES chooses which that is

// ---- what there is
static int ask_driver(CudaDriver *d, CudaGpu *gpu, int *version, BigsError *e) {
  int err = driver_open(d, 0, e);
  CudaResult r = err ? 0 : d->version(version);
  if (r)
    err = driver_fail(d, r, e, "the NVIDIA driver does not tell its version");
  return err ? err : driver_gpu(d, FIRST_GPU, gpu, e);
}

static int find_gpu(CudaGpu *gpu, int *version, BigsError *e) {
  CudaDriver d = {0};
  int err = ask_driver(&d, gpu, version, e);
  driver_close(&d);
  return err;
}

const char *gpu_architecture(Arena *a) {
  CudaGpu gpu;
  int version, capability = find_gpu(&gpu, &version, NULL) ? 90 : gpu.capability;
  return nvrtc_architecture(a, capability);
}

// ---- the text
static char *source_of(const Build *b) {
  char *text = NULL;
  size_t n;
  FILE *f = open_memstream(&text, &n);
  if (!f)
    out_of_memory();
  cuda_kernels(f, b->kernels, b->nkernels, b->module->ndim);
  if (fclose(f))
    out_of_memory();
  return text;
}

// "k12  models/bert.mdl:31": what stands above the kernel that holds this line.  NULL: none does.
static const char *kernel_at(Arena *a, const char *source, int line) {
  const char *found = NULL;
  for (int i = 1; i <= line && *source; i++) {
    size_t n = strcspn(source, "\n");
    if (n > 4 && !strncmp(source, "// k", 4) && source[4] >= '0' && source[4] <= '9')
      found = arena_strndup(a, source + 3, n - 3);
    source += n + (source[n] != 0);
  }
  return found;
}

// The first error of a log, "NAME(12): error: what", from its name on, and *line.
static const char *first_error(Arena *a, const char *log, const char *name, int *line) {
  const char *at = strstr(log, ": error:");
  if (!at)
    at = log;
  while (at > log && at[-1] != '\n')
    at--;
  size_t n = strlen(name);
  *line = !strncmp(at, name, n) && at[n] == '(' ? atoi(at + n + 1) : 0;
  return arena_strndup(a, at, strcspn(at, "\n"));
}

// ---- the code
typedef struct Compiling {
  Arena *arena;
  const Build *build;
  const CudaGpu *gpu;
  const Nvrtc *nvrtc;
  const char *source;
  const char *folder; // of the cache
  CacheKey key;
  BigsError *e;
} Compiling;

static int does_not_compile(const Compiling *c, const char *name, const char *log) {
  int line;
  const char *wrong = first_error(c->arena, log, name, &line);
  const char *kernel = kernel_at(c->arena, c->source, line);
  const char *kept = cache_keep_source(c->arena, c->folder, c->key, c->source);
  return bigs_fail(
      c->e, BIGS_EBUG, "NVRTC %d.%d does not take %s%s of %s: %s; this is a bug in bigsc%s%s",
      c->nvrtc->major, c->nvrtc->minor, kernel ? "kernel " : "the code", kernel ? kernel : "",
      c->build->module->model, wrong, kept ? ": report it with " : "", kept ? kept : "");
}

static int compile(const Compiling *c, const char *const *option, int options, char **code,
                   size_t *size) {
  const char *name = arena_printf(c->arena, "%s.cu", c->build->module->model), *log = "";
  int err =
      nvrtc_compile(c->nvrtc, c->arena, name, c->source, option, options, code, size, &log, c->e);
  if (err == BIGS_EBUG)
    return does_not_compile(c, name, log);
  if (!err)
    cache_put(c->arena, c->folder, c->key, *code, *size, CACHE_MOST);
  return err;
}

static int code_of(Compiling *c, char **code, bool *cached) {
  int options;
  size_t size;
  const char *const *option = nvrtc_options(c->arena, c->gpu->capability, &options);
  c->key = cache_key(c->source, option, options, c->nvrtc->major, c->nvrtc->minor);
  c->folder = cache_folder(c->arena);
  *code = cache_get(c->arena, c->folder, c->key, &size);
  *cached = *code != NULL;
  return *cached ? 0 : compile(c, option, options, code, &size);
}

static int with_nvrtc(const Build *b, const CudaGpu *gpu, const Nvrtc *n, CudaDevice *out,
                      GpuCode *how, BigsError *e) {
  char *source = source_of(b);
  Compiling c = {.arena = b->arena, .build = b, .gpu = gpu, .nvrtc = n, .source = source, .e = e};
  char *code = NULL;
  int err = code_of(&c, &code, &how->cached);
  free(source);
  // Within one major version a driver runs what any compiler made.
  *out = cuda_device(FIRST_GPU, n->major * 1000, code, NULL);
  out->record = c.folder;
  return err;
}

int gpu_code(const Build *b, CudaDevice *out, GpuCode *how, BigsError *e) {
  CudaGpu gpu;
  Nvrtc n;
  int version = 0;
  double start = clock_seconds();
  int err = find_gpu(&gpu, &version, e);
  if (err)
    return err;
  err = nvrtc_open(&n, version, gpu.capability, e);
  err = err ? err : with_nvrtc(b, &gpu, &n, out, how, e);
  nvrtc_close(&n);
  memcpy(how->name, gpu.name, sizeof how->name);
  how->seconds = clock_seconds() - start;
  return err;
}

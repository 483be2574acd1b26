// See gpu.h.
#include "compiler/driver/gpu.h"
#include "codegen/cache.h"
#include "codegen/cuda/cuda.h"
#include "codegen/cuda/nvrtc.h"
#include "base/clock.h"
#include "runtime/cuda/driver.h"
#include "runtime/exec/pool.h"
#include <stdlib.h>
#include <string.h>

// ---- what there is
// *number counts on from the first one, which CUDA_VISIBLE_DEVICES chooses, and becomes that of a GPU that is there.
static int ask_driver(CudaDriver *d, int *number, CudaGpu *gpu, int *version, BigsError *e) {
  int count = 0, err = driver_open(d, 0, e);
  CudaResult r = err ? 0 : d->version(version);
  r = err || r ? r : d->device_count(&count);
  if (r)
    err = driver_fail(d, r, e, "the NVIDIA driver does not tell its version");
  if (!err)
    *number %= count;
  return err ? err : driver_gpu(d, *number, gpu, e);
}

static int find_gpu(int *number, CudaGpu *gpu, int *version, BigsError *e) {
  CudaDriver d = {0};
  int err = ask_driver(&d, number, gpu, version, e);
  driver_close(&d);
  return err;
}

const char *gpu_architecture(Arena *a) {
  CudaGpu gpu;
  int version, first = 0, capability = find_gpu(&first, &gpu, &version, NULL) ? 90 : gpu.capability;
  return nvrtc_architecture(a, capability);
}

// ---- the text

// Kernels are compiled a few together: units of equal size, of which several are compiled at once.
enum { UNIT_MOST = 16 };

static int unit_kernels(const Build *b) {
  int units = (b->nkernels + UNIT_MOST - 1) / UNIT_MOST;
  return units ? (b->nkernels + units - 1) / units : 1;
}

static char *source_of(const Build *b, int from, int n) {
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  if (!f)
    out_of_memory();
  cuda_kernels(f, b->kernels + from, n, b->module->ndim);
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
typedef struct GpuUnit {
  char *source;
  CacheKey key;
  char *code; // NULL: to be compiled
  size_t size;
  Arena *arena; // of its own, since others are compiled meanwhile
  const char *log;
  BigsError e;
} GpuUnit;

typedef struct Compiling {
  Arena *arena;
  const Build *build;
  const CudaGpu *gpu;
  const Nvrtc *nvrtc;
  Cache cache;
  const char *name; // of the text, in messages
  const char *const *option;
  int options;
  GpuUnit *unit;
  int units;
  VEC(GpuUnit *) missing; // from the cache
} Compiling;

static int does_not_compile(const Compiling *c, const GpuUnit *u, BigsError *e) {
  int line;
  const char *wrong = first_error(c->arena, u->log, c->name, &line);
  const char *kernel = kernel_at(c->arena, u->source, line);
  const char *kept = cache_keep_source(c->arena, &c->cache, u->key, u->source);
  return bigs_fail(
      e, BIGS_EBUG, "NVRTC %d.%d does not take %s%s of %s: %s; this is a bug in bigsc%s%s",
      c->nvrtc->major, c->nvrtc->minor, kernel ? "kernel " : "the code", kernel ? kernel : "",
      c->build->module->model, wrong, kept ? ": report it with " : "", kept ? kept : "");
}

static void compile_unit(void *ctx, int64_t task, int thread) {
  const Compiling *c = ctx;
  GpuUnit *u = c->missing.v[task];
  (void)thread;
  u->log = "";
  nvrtc_compile(c->nvrtc, u->arena, c->name, u->source, c->option, c->options, &u->code, &u->size,
                &u->log, &u->e);
}

// The first unit's that has gone wrong, whichever was first to end.
static int keep_units(const Compiling *c, BigsError *e) {
  for (int i = 0; i < c->missing.n; i++) {
    const GpuUnit *u = c->missing.v[i];
    if (u->e.status == BIGS_EBUG)
      return does_not_compile(c, u, e);
    if (u->e.status) {
      *e = u->e;
      return e->status;
    }
  }
  for (int i = 0; i < c->missing.n; i++)
    cache_put(c->arena, &c->cache, c->missing.v[i]->key, c->missing.v[i]->code,
              c->missing.v[i]->size);
  return 0;
}

static int compile(const Compiling *c, int threads, BigsError *e) {
  Pool *pool = c->missing.n ? pool_new(threads, e) : NULL;
  if (!c->missing.n || !pool)
    return c->missing.n ? e->status : 0;
  pool_run(pool, c->missing.n, compile_unit, (void *)(uintptr_t)c);
  pool_free(pool);
  return keep_units(c, e);
}

static void find_units(Compiling *c, int each) {
  const Build *b = c->build;
  c->units = b->nkernels ? (b->nkernels + each - 1) / each : 1;
  c->unit = NEWN(c->arena, GpuUnit, c->units);
  for (int i = 0; i < c->units; i++) {
    GpuUnit *u = &c->unit[i];
    int left = b->nkernels - i * each;
    u->source = source_of(b, i * each, left < each ? left : each);
    u->key = cache_key(u->source, c->option, c->options, c->nvrtc->major, c->nvrtc->minor);
    u->code = cache_get(c->arena, &c->cache, u->key, &u->size);
    u->arena = u->code ? NULL : arena_new();
    if (!u->code)
      vec_push(c->arena, &c->missing, u);
  }
}

// Their code, in the build's arena.
static const void *const *images_of(const Compiling *c) {
  const void **image = NEWN(c->arena, const void *, c->units);
  for (int i = 0; i < c->units; i++) {
    const GpuUnit *u = &c->unit[i];
    char *code = u->code;
    if (u->arena && code)
      memcpy(code = arena_alloc(c->arena, u->size + 1), u->code, u->size);
    image[i] = code;
  }
  return image;
}

static void drop_units(const Compiling *c) {
  for (int i = 0; i < c->units; i++) {
    free(c->unit[i].source);
    arena_free(c->unit[i].arena);
  }
}

static int with_nvrtc(const Build *b, const CudaGpu *gpu, const Nvrtc *n, int threads,
                      CudaDevice *out, GpuCode *how, BigsError *e) {
  Compiling c = {.arena = b->arena, .build = b, .gpu = gpu, .nvrtc = n};
  int each = unit_kernels(b);
  c.option = nvrtc_options(b->arena, gpu->capability, &c.options);
  c.cache = cache_open(b->arena, "cubin");
  c.name = arena_printf(b->arena, "%s.cu", b->module->model);
  find_units(&c, each);
  how->cached = !c.missing.n;
  int err = compile(&c, threads, e);
  const void *const *image = images_of(&c);
  // Within one major version a driver runs what any compiler made.
  *out = cuda_device(how->number, n->major * 1000, image[0], NULL);
  out->unit = image;
  out->units = c.units;
  out->each = each;
  out->record = c.cache.folder;
  drop_units(&c);
  return err;
}

int gpu_code(const Build *b, int threads, CudaDevice *out, GpuCode *how, BigsError *e) {
  CudaGpu gpu;
  Nvrtc n;
  int version = 0;
  double start = clock_seconds();
  how->number = b->options.gpu_number;
  int err = find_gpu(&how->number, &gpu, &version, e);
  if (err)
    return err;
  err = nvrtc_open(&n, version, gpu.capability, e);
  err = err ? err : with_nvrtc(b, &gpu, &n, threads, out, how, e);
  nvrtc_close(&n);
  memcpy(how->name, gpu.name, sizeof how->name);
  how->seconds = clock_seconds() - start;
  return err;
}

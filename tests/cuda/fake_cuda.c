// See fake_cuda.h.
#define _GNU_SOURCE 1 // memfd_create
#include "tests/cuda/fake_cuda.h"
#include "tests/cuda/fake_queue.h"
#include "tests/cuda/tensor_map.h"
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { AREAS = 256, PAGE = 4096, ALIGN = 256 };
enum {
  BAD_VALUE = 1,
  BAD_IMAGE = 200,
  BAD_CONTEXT = 201,
  BAD_HANDLE = 400,
  NOT_FOUND = 500,
  ILLEGAL_ADDRESS = 700,
  NO_RESOURCES = 701,
  NOT_SUPPORTED = 801
};

#define API __attribute__((visibility("default")))

#ifndef FAKE_GPUS // what a program sees that does not call fake_cuda
#define FAKE_GPUS 0
#endif
static FakeCuda fake = {.version = 13000,
                        .gpus = FAKE_GPUS,
                        .major = 9,
                        .processors = 2,
                        .threads = 1024,
                        .memory = (size_t)1 << 30};

// ---- memory: whole pages, the numbers at their end
static struct {
  char *page, *p;
  size_t bytes, asked; // of the pages that may be used; for
} area[AREAS];

static void reach(int protection) {
  for (int i = 0; i < AREAS; i++)
    if (area[i].page && mprotect(area[i].page, area[i].bytes, protection))
      abort();
}

static int area_of(const char *p) {
  int i = 0;
  while (i < AREAS && (p ? area[i].p != p : area[i].page != NULL))
    i++;
  return i;
}

static int new_area(size_t bytes) {
  int i = area_of(NULL);
  size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN, whole = (rounded + PAGE - 1) / PAGE * PAGE;
  if (i == AREAS)
    abort();
  char *page = mmap(NULL, whole + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || mprotect(page, whole, PROT_READ | PROT_WRITE))
    abort();
  memset(page, 0xa5, whole);
  mprotect(page, whole, PROT_NONE);
  area[i].page = page, area[i].p = page + whole - rounded, area[i].bytes = whole;
  return i;
}

// ---- what waits to be done
static CudaResult run_jobs(const FakeStream *only) {
  reach(PROT_READ | PROT_WRITE);
  if (only)
    run_stream(only, fake_jobs);
  else
    run_all();
  reach(PROT_NONE);
  return lost;
}

static CudaResult refused(void) {
  return lost ? lost : fake.current ? 0 : BAD_CONTEXT;
}

// A job in that stream, or none and why.
static CudaResult put_job(CudaStream stream, int what, FakeJob **out) {
  const FakeStream *s = stream_of(stream);
  CudaResult r = refused();
  if (r || !s)
    return r ? r : BAD_HANDLE;
  if (s->capture)
    return (*out = capture_job(s->capture, what)) ? 0 : UNSUPPORTED;
  if (fake_jobs == JOBS)
    run_jobs(NULL);
  *out = new_job(s, what);
  return 0;
}

static CudaResult copy_later(void *to, const void *from, size_t bytes, CudaStream stream) {
  FakeJob *j;
  CudaResult r = put_job(stream, FAKE_COPY, &j);
  if (!r)
    j->to = to, j->from = from, j->bytes = bytes;
  return r;
}

// ---- the driver's functions
API CudaResult cuInit(unsigned flags) {
  return flags ? BAD_VALUE : fake.gpus ? 0 : CUDA_NO_GPU;
}
API CudaResult cuDriverGetVersion(int *version) {
  *version = fake.version;
  return 0;
}
API CudaResult cuDeviceGetCount(int *count) {
  *count = fake.gpus;
  return 0;
}
API CudaResult cuDeviceGet(CudaOrdinal *device, int ordinal) {
  *device = ordinal;
  return ordinal < fake.gpus ? 0 : BAD_VALUE;
}
API CudaResult cuDeviceGetName(char *name, int size, CudaOrdinal device) {
  snprintf(name, (size_t)size, "Fake %d", device);
  return 0;
}
API CudaResult cuDeviceGetAttribute(int *value, CudaAttribute attribute, CudaOrdinal device) {
  (void)device;
  *value = attribute == CUDA_PROCESSORS          ? fake.processors
           : attribute == CUDA_PROCESSOR_THREADS ? fake.threads
           : attribute == CUDA_CAPABILITY_MAJOR  ? fake.major
                                                 : fake.minor;
  return 0;
}

static const struct {
  CudaResult result;
  const char *name, *text;
} results[] = {{CUDA_NO_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
               {CUDA_NO_GPU, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
               {BAD_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
               {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
               {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
                "an illegal memory access was "
                "encountered"},
               {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
               {INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "the capture was spoilt"},
               {NO_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
                "too many resources requested "
                "for launch"}};
static CudaResult say(CudaResult r, const char **out, bool name) {
  *out = NULL;
  for (size_t i = 0; i < sizeof results / sizeof *results; i++)
    if (results[i].result == r)
      *out = name ? results[i].name : results[i].text;
  return *out ? 0 : BAD_VALUE;
}
API CudaResult cuGetErrorName(CudaResult r, const char **text) {
  return say(r, text, true);
}
API CudaResult cuGetErrorString(CudaResult r, const char **text) {
  return say(r, text, false);
}

API CudaResult cuDevicePrimaryCtxRetain(CudaContext *context, CudaOrdinal device) {
  (void)device;
  fake.contexts++;
  *context = (CudaContext)(void *)&fake;
  return lost;
}
API CudaResult cuDevicePrimaryCtxRelease_v2(CudaOrdinal device) {
  (void)device;
  fake.contexts--;
  return lost;
}
API CudaResult cuCtxPushCurrent_v2(CudaContext context) {
  fake.current += (void *)context == (void *)&fake;
  return 0;
}
API CudaResult cuCtxPopCurrent_v2(CudaContext *context) {
  *context = (CudaContext)(void *)&fake;
  return fake.current-- > 0 ? 0 : BAD_CONTEXT;
}
API CudaResult cuStreamCreate(CudaStream *stream, unsigned flags) {
  CudaResult r = refused();
  int i = 0;
  while (i < STREAMS && fake_stream[i].live)
    i++;
  if (r || i == STREAMS || flags > 1)
    return r ? r : BAD_VALUE;
  fake.streams++;
  fake_stream[i].live = true;
  *stream = (CudaStream)(void *)&fake_stream[i];
  return 0;
}
// What is in it is done at some time after that.
API CudaResult cuStreamDestroy_v2(CudaStream stream) {
  FakeStream *s = stream_of(stream);
  if (!s)
    return BAD_HANDLE;
  run_jobs(s);
  s->live = false;
  fake.streams--;
  return lost;
}
API CudaResult cuStreamQuery(CudaStream stream) {
  CudaResult r = refused();
  const FakeStream *s = stream_of(stream);
  r = r ? r : not_in_capture();
  return r ? r : s ? run_jobs(s) : BAD_HANDLE;
}
API CudaResult cuStreamSynchronize(CudaStream stream) {
  CudaResult r = refused();
  const FakeStream *s = stream_of(stream);
  fake.waits++;
  r = r ? r : not_in_capture();
  return r ? r : s ? run_jobs(s) : BAD_HANDLE;
}

API CudaResult cuEventCreate(CudaEvent *event, unsigned flags) {
  CudaResult r = refused();
  int i = 0;
  while (i < EVENTS && fake_event[i].live)
    i++;
  if (r || i == EVENTS || flags > 3)
    return r ? r : BAD_VALUE;
  fake.events++;
  fake_event[i] = (FakeEvent){.live = true, .job = -1, .flags = flags};
  *event = (CudaEvent)(void *)&fake_event[i];
  return 0;
}
API CudaResult cuEventDestroy_v2(CudaEvent event) {
  FakeEvent *e = event_of(event);
  if (!e)
    return BAD_HANDLE;
  e->live = false;
  fake.events--;
  return lost;
}
API CudaResult cuEventRecord(CudaEvent event, CudaStream stream) {
  FakeEvent *e = event_of(event);
  FakeJob *j;
  CudaResult r = e ? put_job(stream, FAKE_RECORD, &j) : BAD_HANDLE;
  if (!r) {
    j->value = (int)(e - fake_event);
    e->job = fake_jobs - 1;
    e->ns = 0;
  }
  return r;
}
API CudaResult cuEventElapsedTime_v2(float *ms, CudaEvent from, CudaEvent to) {
  const FakeEvent *a = event_of(from), *b = event_of(to);
  if (!a || !b || (a->flags | b->flags) & 2) // without times
    return BAD_HANDLE;
  *ms = (float)((double)(b->ns - a->ns) / 1e6);
  return a->ns && b->ns ? lost : 600; // not ready
}
API CudaResult cuStreamWaitEvent(CudaStream stream, CudaEvent event, unsigned flags) {
  const FakeEvent *e = event_of(event);
  FakeJob *j;
  CudaResult r = e && !flags ? put_job(stream, FAKE_JOIN, &j) : BAD_HANDLE;
  if (!r)
    j->value = e->job;
  return r;
}

API CudaResult cuMemAlloc_v2(CudaAddress *p, size_t bytes) {
  CudaResult r = refused();
  fake.allocations++;
  r = r ? r : not_in_capture();
  if (r || !bytes || bytes > fake.memory - fake.taken ||
      (fake.no_memory_at && fake.allocations >= fake.no_memory_at))
    return r ? r : bytes ? CUDA_NO_MEMORY : BAD_VALUE;
  int i = new_area(bytes);
  *p = (CudaAddress)(uintptr_t)area[i].p;
  area[i].asked = bytes;
  fake.taken += bytes;
  fake.areas++;
  return 0;
}
API CudaResult cuMemFree_v2(CudaAddress p) {
  int i = area_of((const char *)(uintptr_t)p);
  CudaResult r = not_in_capture();
  if (r || i == AREAS || !p)
    return r ? r : BAD_VALUE;
  run_jobs(NULL);
  munmap(area[i].page, area[i].bytes + PAGE);
  fake.taken -= area[i].asked;
  area[i].page = area[i].p = NULL;
  fake.areas--;
  return lost;
}
API CudaResult cuMemGetInfo_v2(size_t *left, size_t *all) {
  *all = fake.memory;
  *left = fake.memory - fake.taken;
  return refused();
}
API CudaResult cuTensorMapEncodeTiled(void *map, int dtype, unsigned rank, void *address,
                                      const uint64_t *extent, const uint64_t *stride,
                                      const unsigned *box, const unsigned *step, int interleave,
                                      int swizzle, int promotion, int fill) {
  fake.maps++;
  return tensor_map_encode(map, dtype, rank, address, extent, stride, box, step, interleave,
                           swizzle, promotion, fill)
             ? BAD_VALUE
             : 0;
}
API CudaResult cuMemcpyHtoDAsync_v2(CudaAddress to, const void *from, size_t n, CudaStream s) {
  return copy_later((void *)(uintptr_t)to, from, n, s);
}
API CudaResult cuMemcpyDtoHAsync_v2(void *to, CudaAddress from, size_t n, CudaStream s) {
  fake.fetched += (int64_t)n;
  return copy_later(to, (const void *)(uintptr_t)from, n, s);
}
API CudaResult cuMemsetD8Async(CudaAddress p, unsigned char value, size_t n, CudaStream s) {
  FakeJob *j;
  CudaResult r = put_job(s, FAKE_FILL, &j);
  if (!r)
    j->to = (char *)(uintptr_t)p, j->value = value, j->bytes = n;
  return r;
}

// A module is a FakeImage, or what fake_nvrtc.c made: a library of the shim.
typedef struct FakeModule {
  const FakeImage *image; // NULL: `library`, of dlopen
  void *library;
  int file;
} FakeModule;

// Where the headers of its sections end, which stand last.
static size_t elf_bytes(const Elf64_Ehdr *h) {
  return h->e_shoff + (size_t)h->e_shnum * h->e_shentsize;
}

// Its file stays open, so that no other has its name meanwhile: dlopen knows files by that.
static void *load_library(const void *elf, int *file) {
  char path[64];
  int fd = *file = memfd_create("cubin", 0);
  size_t n = elf_bytes(elf);
  if (fd < 0 || write(fd, elf, n) != (ssize_t)n)
    abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

typedef int ShimLaunch(void (*kernel)(void), unsigned grid, unsigned block, size_t shared_bytes,
                       const void *params, size_t param_bytes, int order, char *error,
                       size_t error_size);
typedef struct FakeKernel {
  FakeFunction function;
  ShimLaunch *launch;
  unsigned *depth; // the shim's
  void (*kernel)(void);
} FakeKernel;

// In the order of threads that the environment's SHIM_ORDER names (0).
static void run_kernel(const void *ctx, const uint64_t *word, const FakeGrid *grid) {
  const FakeKernel *k = ctx;
  const char *order = getenv("SHIM_ORDER");
  char error[1024];
  *k->depth = grid->depth;
  if (k->launch(k->kernel, grid->blocks, grid->threads, grid->shared, word,
                (size_t)k->function.words * 8, order ? atoi(order) : 0, error, sizeof error)) {
    fprintf(stderr, "shim: %s\n", error);
    abort();
  }
}

static const FakeFunction *find_kernel(void *library, const char *name) {
  char words[64];
  snprintf(words, sizeof words, "%s_words", name);
  const int *n = dlsym(library, words);
  void *kernel = dlsym(library, name), *launch = dlsym(library, "shim_launch"),
       *depth = dlsym(library, "shim_depth");
  FakeKernel *k =
      n && kernel && launch && depth ? calloc(1, sizeof *k) : NULL; // for as long as the process is
  if (!k)
    return NULL;
  k->function = (FakeFunction){.run = run_kernel, .ctx = k, .words = *n};
  memcpy(&k->launch, &launch, sizeof launch);
  k->depth = depth;
  memcpy(&k->kernel, &kernel, sizeof kernel);
  return &k->function;
}

static const FakeFunction *find_image(const FakeImage *image, const char *name) {
  int k = atoi(name + 1);
  if (!strcmp(name, "bg_words"))
    return image->words;
  if (!strcmp(name, "bg_decide"))
    return image->decide;
  return *name == 'k' && k >= 0 && k < image->count ? &image->function[k] : NULL;
}

API CudaResult cuModuleLoadData(CudaModule *module, const void *image) {
  FakeModule *m = calloc(1, sizeof *m);
  bool elf = !memcmp(image, ELFMAG, SELFMAG);
  if (!m)
    abort();
  m->image = elf ? NULL : image;
  m->library = elf ? load_library(image, &m->file) : NULL;
  fake.modules++;
  *module = (CudaModule)(void *)m;
  return elf && !m->library ? BAD_IMAGE : refused();
}
API CudaResult cuModuleUnload(CudaModule module) {
  FakeModule *m = (FakeModule *)(void *)module;
  if (m->library)
    dlclose(m->library);
  if (!m->image)
    close(m->file);
  free(m);
  fake.modules--;
  return lost;
}
API CudaResult cuModuleGetFunction(CudaFunction *f, CudaModule module, const char *name) {
  const FakeModule *m = (const FakeModule *)(void *)module;
  const FakeFunction *found = m->image ? find_image(m->image, name) : find_kernel(m->library, name);
  *f = (CudaFunction)(uintptr_t)found;
  return found ? refused() : NOT_FOUND;
}

// What functions have asked for beyond 48 KB.
enum { ASKED = 64, SHARED_FREE = 48 << 10, SHARED_MOST = 227 << 10 };
static struct {
  CudaFunction f;
  unsigned bytes;
} asked[ASKED];

static unsigned shared_room(CudaFunction f) {
  for (int i = 0; i < ASKED; i++)
    if (asked[i].f == f)
      return asked[i].bytes;
  return SHARED_FREE;
}

API CudaResult cuFuncSetAttribute(CudaFunction f, CudaAttribute attribute, int value) {
  int i = 0;
  while (i < ASKED && asked[i].f && asked[i].f != f)
    i++;
  if (attribute != CUDA_SHARED_MOST || value > SHARED_MOST || i == ASKED)
    return BAD_VALUE;
  asked[i].f = f, asked[i].bytes = (unsigned)value;
  return refused();
}

// What GPUs launch, of whole warps.
static bool has_size(FakeGrid g) {
  return g.blocks && g.depth && g.depth <= 65535 && g.threads && g.threads <= 1024 &&
         g.threads % 32 == 0;
}

API CudaResult cuLaunchKernel(CudaFunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                              unsigned block_x, unsigned block_y, unsigned block_z,
                              unsigned shared_bytes, CudaStream stream, void **params,
                              void **extra) {
  CudaResult r = refused();
  const FakeFunction *function = (const FakeFunction *)(void *)f;
  fake.launches++;
  if (r || fake.launches == fake.refuse_at)
    return r ? r : NO_RESOURCES;
  FakeGrid grid = {grid_x, grid_z, block_x, shared_bytes};
  if (!has_size(grid) || grid_y != 1 || block_y != 1 || block_z != 1 ||
      shared_bytes > shared_room(f) || extra || function->words > WORDS)
    return BAD_VALUE;
  FakeJob *j;
  r = put_job(stream, fake.launches == fake.fault_at ? FAKE_FAULT : FAKE_KERNEL, &j);
  if (r)
    return r;
  j->f = function, j->grid = grid;
  memcpy(j->word, params[0], (size_t)function->words * sizeof *j->word);
  return 0;
}

// ---- graphs
API CudaResult cuStreamBeginCapture_v2(CudaStream stream, int mode) {
  FakeStream *s = stream_of(stream);
  CudaResult r = refused();
  if (r || !s || s->capture || mode != 1)
    return r ? r : BAD_VALUE;
  if (fake.no_graph == 1)
    return NOT_SUPPORTED;
  s->capture = calloc(1, sizeof *s->capture);
  return s->capture ? 0 : CUDA_NO_MEMORY;
}
API CudaResult cuStreamEndCapture(CudaStream stream, CudaGraph *graph) {
  FakeStream *s = stream_of(stream);
  *graph = NULL;
  if (!s || !s->capture)
    return BAD_VALUE;
  FakeGraph *g = s->capture;
  s->capture = NULL;
  if (g->broken || fake.no_graph == 2) {
    graph_end(g);
    return INVALIDATED;
  }
  *graph = (CudaGraph)(void *)g;
  fake.graphs++;
  return lost;
}
API CudaResult cuGraphDestroy(CudaGraph graph) {
  graph_end((FakeGraph *)(void *)graph);
  fake.graphs--;
  return lost;
}
API CudaResult cuGraphInstantiateWithFlags(CudaGraphExec *exec, CudaGraph graph,
                                           unsigned long long flags) {
  CudaResult r = refused();
  if (r || flags || fake.no_graph == 3)
    return r ? r : CUDA_NO_MEMORY;
  *exec = (CudaGraphExec)(void *)graph_copy((const FakeGraph *)(void *)graph);
  fake.graphs++;
  return 0;
}
API CudaResult cuGraphExecDestroy(CudaGraphExec exec) {
  graph_end((FakeGraph *)(void *)exec);
  fake.graphs--;
  return lost;
}
API CudaResult cuGraphLaunch(CudaGraphExec exec, CudaStream stream) {
  const FakeGraph *g = (const FakeGraph *)(void *)exec;
  const FakeStream *s = stream_of(stream);
  CudaResult r = refused();
  fake.replays++;
  for (int i = 0; i < g->jobs && !r; i++) {
    FakeJob *j;
    r = put_job(stream, g->job[i].what, &j);
    if (!r) {
      *j = g->job[i];
      j->stream = s;
    }
  }
  return r;
}

// For other libraries of the tests: calls it with a copy of the data when that part of the stream is done.
CudaResult fake_cuda_call(CudaStream stream, void (*call)(const void *data), const void *data,
                          size_t bytes);
API CudaResult fake_cuda_call(CudaStream stream, void (*call)(const void *data), const void *data,
                              size_t bytes) {
  FakeJob *j;
  CudaResult r = bytes > sizeof j->word ? BAD_VALUE : put_job(stream, FAKE_CALL, &j);
  if (!r) {
    j->call = call;
    memcpy(j->word, data, bytes);
  }
  return r;
}

FakeCuda *fake_cuda(void);
API FakeCuda *fake_cuda(void) {
  fake = (FakeCuda){.version = 13000,
                    .gpus = 1,
                    .major = 9,
                    .minor = 0,
                    .processors = 3,
                    .threads = 300,
                    .memory = (size_t)1 << 30};
  forget_queues();
  return &fake;
}

static int from_environment(const char *name, int otherwise) {
  const char *s = getenv(name);
  return s ? atoi(s) : otherwise;
}

// For a program that knows nothing of fake_cuda.
__attribute__((constructor)) static void set_up(void) {
  fake_cuda();
  fake.gpus = from_environment("FAKE_CUDA_GPUS", fake.gpus);
  fake.version = from_environment("FAKE_CUDA_VERSION", fake.version);
  fake.major = from_environment("FAKE_CUDA_MAJOR", fake.major);
  fake.fault_at = from_environment("FAKE_CUDA_FAULT_AT", 0);
  fake.memory = (size_t)from_environment("FAKE_CUDA_KIB", 1 << 20) << 10;
  fake.no_graph = from_environment("FAKE_CUDA_NO_GRAPH", 0);
}

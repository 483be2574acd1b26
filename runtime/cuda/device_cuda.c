// See device_cuda.h.  Every call goes to the driver with the GPU's context pushed and popped again:
// the calling thread may have another one current.  After a fault of a kernel the driver answers
// nothing any more, so the handle remembers it and says so.
#include "runtime/cuda/device_cuda.h"
#include "base/alloc.h"
#include "runtime/cuda/blas.h"
#include "runtime/cuda/device_internal.h"
#include "runtime/cuda/driver.h"
#include "runtime/cuda/nvtx.h"
#include "runtime/exec/exec.h"
#include <stdio.h>
#include <string.h>

enum {
  WARP_LANES = 32,
  BLOCK_WARPS = 8,
  FRAME_HEAD = 3,
  SCRATCH_MOST = 256 << 20,
  SHARED_FREE = 48 << 10
};

typedef struct CudaState {
  CudaDriver driver;
  CudaGpu gpu;
  CudaContext context;
  CudaStream own, stream; // the handle's; the one in use
  CudaEvent joint;        // where one stream goes on behind another
  CudaModule *module;     // of each unit of the code
  CudaBlas *blas;         // NULL: no product is left to it
  Region room;            // of its own, while it works
  CudaFunction *function; // of the module's kernels, NULL until the first launch
  uint64_t *word;         // the frame of a launch
  CudaStream outer;       // in use while one's own is recorded
  Nvtx nvtx;              // of a profiler
  bool named;             // which wants to be told steps
  bool plain;             // no graphs
  bool sync;              // waits for each step, so that a fault is that step's
  CudaResult lost;        // the fault that ended all
  DeviceLaunch last;
  CudaEvent mark[DEVICE_MARKS]; // with times; NULL until the first is wanted
} CudaState;

static CudaState *cuda_state(const bigs_model *m) {
  return (CudaState *)m->device_state;
}

CudaStream cuda_stream(const bigs_model *m) {
  return cuda_state(m)->stream;
}
const CudaDriver *cuda_driver(const bigs_model *m) {
  return &cuda_state(m)->driver;
}

// ---- errors
// " in `gelu` (bigs.mdl:31) of mlm, kernel k12"
static void say_step(const DeviceLaunch *l, char *buf, size_t size) {
  int n = snprintf(buf, size, " in `%s`", l->label ? l->label : "a step");
  if (l->source && (size_t)n < size)
    n += snprintf(buf + n, size - (size_t)n, " (%s)", l->source);
  if ((size_t)n < size)
    snprintf(buf + n, size - (size_t)n, " of %s, kernel k%d", l->program, l->kernel);
}

static int cuda_lost(bigs_model *m) {
  CudaState *s = cuda_state(m);
  char text[256];
  return bigs_fail(&m->error, BIGS_EFILE,
                   "%s has failed before (%s): nothing in this process can use it any more, so end "
                   "the process and start again from what was saved",
                   s->gpu.name, driver_text(&s->driver, s->lost, text, sizeof text));
}

static int cuda_now_lost(bigs_model *m, CudaResult r) {
  CudaState *s = cuda_state(m);
  char text[256], step[512] = "";
  s->lost = r;
  if (s->last.program)
    say_step(&s->last, step, sizeof step);
  return bigs_fail(&m->error, BIGS_EFILE, "%s failed%s%s: %s%s", s->gpu.name,
                   *step && !s->sync ? ", at the latest" : "", step,
                   driver_text(&s->driver, r, text, sizeof text),
                   s->sync ? "" : "; with BIGS_CUDA=sync in the environment it is the step itself");
}

static int cuda_fail(bigs_model *m, CudaResult r, const char *what) {
  CudaState *s = cuda_state(m);
  if (driver_is_lost(r))
    return cuda_now_lost(m, r);
  int err = driver_fail(&s->driver, r, &m->error, what);
  bigs_error_prefix(&m->error, "%s", s->gpu.name);
  return err;
}

int cuda_enter(bigs_model *m) {
  CudaState *s = cuda_state(m);
  if (s->lost)
    return cuda_lost(m);
  CudaResult r = s->driver.context_push(s->context);
  return r ? cuda_fail(m, r, "its context cannot be entered") : 0;
}

int cuda_leave(bigs_model *m, CudaResult r, const char *what) {
  CudaContext mine;
  CudaResult popped = cuda_state(m)->driver.context_pop(&mine);
  r = r ? r : popped;
  return r ? cuda_fail(m, r, what) : 0;
}

// ---- open and close
static int cuda_number(const CudaState *s, int attribute) {
  int value = 0;
  return s->driver.device_attribute(&value, attribute, s->gpu.device) ? 0 : value;
}

// Warps that the whole GPU has at once, in whole blocks.
static int warps_at_once(const CudaState *s) {
  int warps = cuda_number(s, CUDA_PROCESSOR_THREADS) / WARP_LANES;
  int all = cuda_number(s, CUDA_PROCESSORS) * warps / BLOCK_WARPS * BLOCK_WARPS;
  return all > BLOCK_WARPS ? all : BLOCK_WARPS;
}

static int most(int a, int b) {
  return a > b ? a : b;
}

// Words of the largest frame: its head, and at least one of each of arguments, sizes and scalars.
static size_t most_words(const BigsModule *module) {
  int words = 0;
  for (int p = 0; p < module->nprogram; p++)
    for (int i = 0; i < module->program[p].nstep; i++) {
      const BigsStep *step = &module->program[p].step[i];
      words = most(words, most(step->narg, 1) + most(step->nscalar, 1));
    }
  return FRAME_HEAD + (size_t)most(module->ndim, 1) + (size_t)words;
}

static int units_of(const CudaDevice *d) {
  return d->units ? d->units : d->image != NULL;
}

static int make_context(bigs_model *m) {
  CudaState *s = cuda_state(m);
  CudaResult r = s->driver.context_retain(&s->context, s->gpu.device);
  if (r)
    return cuda_fail(m, r, "it cannot be used");
  int err = cuda_enter(m);
  if (err)
    return err;
  enum {
    NON_BLOCKING = 1,
    NO_TIMING = 2
  }; // does not wait for what others do on the default stream
  r = s->driver.stream_new(&s->own, NON_BLOCKING);
  r = r ? r : s->driver.event_new(&s->joint, NO_TIMING);
  s->stream = s->own;
  const CudaDevice *d = (const CudaDevice *)m->device;
  for (int i = 0; i < units_of(d) && !r; i++)
    r = s->driver.module_load(&s->module[i], d->units ? d->unit[i] : d->image);
  return cuda_leave(m, r, units_of(d) && s->joint ? "it does not take the kernels" : "no stream");
}

static bool has_products(const BigsModule *module) {
  for (int p = 0; p < module->nprogram; p++)
    if (module->program[p].ngemm)
      return true;
  return false;
}

static int open_blas(bigs_model *m) {
  CudaState *s = cuda_state(m);
  int err = has_products(m->module) ? cuda_enter(m) : 0;
  if (err || !has_products(m->module))
    return err;
  s->blas = blas_open(((const CudaDevice *)m->device)->record, s->gpu.name);
  err = cuda_leave(m, 0, "");
  return err || !s->blas ? err : region_set(m, &s->room, BLAS_ROOM, "products of matrices");
}

static int cuda_open(bigs_model *m, int threads) {
  const CudaDevice *d = (const CudaDevice *)m->device;
  CudaState *s = ALLOC(CudaState);
  const char *how = getenv("BIGS_CUDA");
  (void)threads;
  m->device_state = s;
  if (!s || !(s->function = ALLOC_N(CudaFunction, m->module->nkernel + 1)) ||
      !(s->module = ALLOC_N(CudaModule, units_of(d) + 1)) ||
      !(s->word = ALLOC_N(uint64_t, most_words(m->module))))
    return bigs_fail_memory(&m->error, "a GPU's handle");
  s->named = nvtx_open(&s->nvtx);
  s->sync = how && !strcmp(how, "sync");
  s->plain = s->sync || s->named; // a graph's steps have no names
  int err = driver_open(&s->driver, d->version, &m->error);
  err = err ? err : driver_gpu(&s->driver, d->ordinal, &s->gpu, &m->error);
  if (err)
    return err;
  m->threads = warps_at_once(s);
  err = make_context(m);
  return err ? err : open_blas(m);
}

static void drop_context(bigs_model *m) {
  CudaState *s = cuda_state(m);
  CudaContext mine;
  region_free(m, &s->room);
  if (!s->driver.context_push(s->context)) {
    blas_close(s->blas);
    for (int i = 0; i < units_of((const CudaDevice *)m->device); i++)
      if (s->module[i])
        s->driver.module_free(s->module[i]);
    for (int i = 0; i < DEVICE_MARKS; i++)
      if (s->mark[i])
        s->driver.event_free(s->mark[i]);
    if (s->joint)
      s->driver.event_free(s->joint);
    if (s->own)
      s->driver.stream_free(s->own);
    s->driver.context_pop(&mine);
  }
  s->driver.context_release(s->gpu.device);
}

static void cuda_close(bigs_model *m) {
  CudaState *s = cuda_state(m);
  if (!s)
    return;
  if (s->context)
    drop_context(m);
  driver_close(&s->driver);
  free(s->function);
  free(s->module);
  free(s->word);
  free(s);
  m->device_state = NULL;
}

// ---- memory
static CudaAddress address(const void *p) {
  return (CudaAddress)(uintptr_t)p;
}

// It fills memory in the order of the stream, so what comes behind it finds zeros.
static char *cuda_alloc(bigs_model *m, size_t bytes) {
  CudaState *s = cuda_state(m);
  CudaAddress p = 0;
  if (cuda_enter(m))
    return NULL;
  CudaResult r = s->driver.memory_new(&p, bytes);
  bool none = r == CUDA_NO_MEMORY;
  if (!r && (r = s->driver.fill(p, 0, bytes, s->stream)))
    s->driver.memory_free(p);
  return cuda_leave(m, none ? 0 : r, "memory cannot be had") || r ? NULL : (char *)(uintptr_t)p;
}

static int64_t cuda_room(bigs_model *m) {
  CudaState *s = cuda_state(m);
  CudaContext mine;
  size_t left = 0, all = 0;
  if (s->lost || s->driver.context_push(s->context))
    return -1;
  CudaResult r = s->driver.memory_info(&left, &all);
  s->driver.context_pop(&mine);
  return r ? -1 : (int64_t)left;
}

// Waits for all that uses it.  What goes wrong was told by another call, or will be.
static void cuda_release(bigs_model *m, char *p, size_t bytes) {
  CudaState *s = cuda_state(m);
  CudaContext mine;
  (void)bytes;
  if (s->driver.context_push(s->context))
    return;
  s->driver.memory_free(address(p));
  s->driver.context_pop(&mine);
}

static int cuda_put(bigs_model *m, void *to, const void *from, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  return err ? err
             : cuda_leave(m, s->driver.put(address(to), from, bytes, s->stream),
                          "numbers cannot be copied to it");
}

static int cuda_get(bigs_model *m, void *to, const void *from, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  if (err)
    return err;
  CudaResult r = s->driver.get(to, address(from), bytes, s->stream);
  r = r ? r : s->driver.stream_wait(s->stream);
  return cuda_leave(m, r, "numbers cannot be copied from it");
}

static int cuda_clear(bigs_model *m, void *p, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  return err ? err
             : cuda_leave(m, s->driver.fill(address(p), 0, bytes, s->stream),
                          "memory cannot be cleared");
}

// The host does not wait.  The way back is taken whatever happens: the caller's stream is not kept.
static int cuda_queue(bigs_model *m, void *queue) {
  CudaState *s = cuda_state(m);
  CudaStream before = s->stream, next = queue ? (CudaStream)queue : s->own;
  if (next == before)
    return 0;
  int err = cuda_enter(m);
  if (!err) {
    CudaResult r = s->driver.event_record(s->joint, before);
    r = r ? r : s->driver.stream_join(next, s->joint, 0);
    err = cuda_leave(m, r, "the caller's stream cannot be joined");
  }
  if (!err || !queue)
    s->stream = next;
  return err;
}

static int cuda_wait(bigs_model *m) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  return err ? err : cuda_leave(m, s->driver.stream_wait(s->stream), "it does not finish");
}

// ---- times
static bool cuda_mark(bigs_model *m, int i) {
  CudaState *s = cuda_state(m);
  if (!s->driver.event_time || cuda_enter(m))
    return false;
  CudaResult r = s->mark[i] ? 0 : s->driver.event_new(&s->mark[i], 0);
  r = r ? r : s->driver.event_record(s->mark[i], s->stream);
  return !cuda_leave(m, r, "its time cannot be noted");
}

static int cuda_marked(bigs_model *m, int n, int64_t *ns) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  CudaResult r = err ? 0 : s->driver.stream_wait(s->stream);
  for (int i = 0; i < n && !err && !r; i++) {
    float ms = 0;
    r = s->driver.event_time(&ms, s->mark[i], s->mark[i + 1]);
    ns[i] += (int64_t)((double)ms * 1e6);
  }
  return err ? err : cuda_leave(m, r, "it does not finish");
}

// ---- launches
// Blocks that do `each` tasks at once: as many as there are tasks for, and as have room in SCRATCH_MOST
// bytes.
static int blocks_for(const bigs_model *m, int64_t tasks, int each, int64_t scratch) {
  int64_t blocks = m->threads / BLOCK_WARPS, room = SCRATCH_MOST / BLOCK_WARPS;
  int64_t needed = tasks / each + (tasks % each != 0);
  blocks = blocks < needed ? blocks : needed;
  if (scratch && blocks > room / scratch)
    blocks = room / scratch;
  return (int)(blocks > 1 ? blocks : 1);
}

static int cuda_workers(const bigs_model *m, int64_t tasks, int64_t scratch) {
  return blocks_for(m, tasks, BLOCK_WARPS, scratch) * BLOCK_WARPS;
}

// Whoever made the module without saying it prints a warp a task.
static BigsLaunch launch_of(const BigsModule *module, int kernel) {
  const BigsLaunch warps = {.threads = BLOCK_WARPS * WARP_LANES, .tasks = BLOCK_WARPS};
  return module->nlaunch ? module->launch[kernel] : warps;
}

// Those of the module, and the one that all have, behind them.
static const char *function_name(const bigs_model *m, int kernel, char *buf, size_t size) {
  if (kernel == m->module->nkernel)
    return "bg_words";
  snprintf(buf, size, "k%d", kernel);
  return buf;
}

static int look_up(bigs_model *m, int kernel) {
  CudaState *s = cuda_state(m);
  const CudaDevice *d = (const CudaDevice *)m->device;
  char buf[16], what[48];
  if (!d->image) {
    void *f = NULL;
    int err = d->function(m, kernel, &f);
    s->function[kernel] = (CudaFunction)f;
    return err;
  }
  const char *name = function_name(m, kernel, buf, sizeof buf);
  int unit = d->each && kernel < m->module->nkernel ? kernel / d->each : 0;
  CudaResult r = s->driver.module_function(&s->function[kernel], s->module[unit], name);
  snprintf(what, sizeof what, "its code lacks kernel %s", name);
  return r ? cuda_fail(m, r, what) : 0;
}

// More than 48 KB of shared memory are for whoever asks.
static int allow_shared(bigs_model *m, int kernel) {
  CudaState *s = cuda_state(m);
  int bytes = kernel < m->module->nkernel ? launch_of(m->module, kernel).shared : 0;
  CudaResult r = bytes > SHARED_FREE
                     ? s->driver.function_set(s->function[kernel], CUDA_SHARED_MOST, bytes)
                     : 0;
  char what[80];
  snprintf(what, sizeof what, "a kernel cannot have %d bytes of shared memory", bytes);
  return r ? cuda_fail(m, r, what) : 0;
}

static int find_function(bigs_model *m, int kernel) {
  CudaState *s = cuda_state(m);
  if (s->function[kernel])
    return 0;
  int err = look_up(m, kernel);
  err = err ? err : allow_shared(m, kernel);
  if (err)
    s->function[kernel] = NULL;
  return err;
}

// The frame as codegen/cuda prints it: arguments, sizes and scalars are one word at least.
static int cuda_frame(const bigs_model *m, const DeviceLaunch *l, uint64_t *word) {
  uint64_t *w = word;
  int ndim = m->module->ndim;
  *w++ = (uint64_t)l->tasks;
  *w++ = (uint64_t)l->stride;
  *w++ = address(l->scratch);
  for (int i = 0; i < l->narg; i++)
    w[i] = address(l->frame.arg[i]);
  w += most(l->narg, 1);
  for (int i = 0; i < ndim; i++)
    w[i] = (uint64_t)l->frame.sym[i];
  w += most(ndim, 1);
  for (int i = 0; i < l->nscalar; i++)
    w[i] = l->frame.scalar[i];
  return (int)(w + most(l->nscalar, 1) - word);
}

static CudaResult start_kernel(bigs_model *m, const DeviceLaunch *l) {
  CudaState *s = cuda_state(m);
  BigsLaunch how = launch_of(m->module, l->kernel);
  uint64_t group[3] = {address(l->frames)};
  void *params[] = {how.frames ? group : s->word};
  unsigned blocks = (unsigned)blocks_for(m, l->tasks, how.tasks, l->stride);
  if (!how.frames)
    cuda_frame(m, l, s->word);
  CudaResult r =
      s->driver.launch(s->function[l->kernel], blocks, 1, (unsigned)l->group, (unsigned)how.threads,
                       1, 1, (unsigned)how.shared, s->stream, params, NULL);
  return r || !s->sync ? r : s->driver.stream_wait(s->stream);
}

// True: the library of products does the step, *err: or has failed.
static bool library_step(bigs_model *m, const DeviceLaunch *l, int *err) {
  CudaState *s = cuda_state(m);
  BlasStatus status = 0;
  char step[512];
  if (!s->blas || !l->gemm ||
      !blas_product(s->blas, l->gemm, l->frame.arg, s->room.p, s->stream, &status))
    return false;
  say_step(l, step, sizeof step);
  *err = status ? bigs_fail(&m->error, BIGS_EFILE, "%s: cuBLASLt failed%s: status %d", s->gpu.name,
                            step, status)
                : 0;
  return true;
}

// "gelu  bigs.mdl:31": the time in which it is handed to the GPU; a profiler knows what became of that.
static void name_step(const CudaState *s, const DeviceLaunch *l) {
  char name[512];
  if (!s->named)
    return;
  snprintf(name, sizeof name, "%s  %s", l->label ? l->label : "a step", l->source ? l->source : "");
  nvtx_push(&s->nvtx, name);
}

static int start_step(bigs_model *m, const DeviceLaunch *l, CudaResult *r) {
  const CudaState *s = cuda_state(m);
  int err = 0;
  if (library_step(m, l, &err))
    *r = err || !s->sync ? 0 : s->driver.stream_wait(s->stream);
  else if (!(err = find_function(m, l->kernel)))
    *r = start_kernel(m, l);
  return err;
}

static int cuda_launch(bigs_model *m, const DeviceLaunch *l) {
  char step[512], what[600];
  CudaResult r = 0;
  int err = cuda_enter(m);
  if (err || !l->tasks)
    return err ? err : cuda_leave(m, 0, "");
  cuda_state(m)->last = *l;
  name_step(cuda_state(m), l);
  err = start_step(m, l, &r);
  if (cuda_state(m)->named)
    nvtx_pop(&cuda_state(m)->nvtx);
  say_step(l, step, sizeof step);
  snprintf(what, sizeof what, "a kernel cannot be launched%s", step);
  int left = cuda_leave(m, r, what);
  return err ? err : left;
}

// ---- numbers
enum { WORDS = 64 }; // as bg_words of codegen/cuda/cuda_prelude.h has
typedef struct WordsFrame {
  CudaAddress to;
  int64_t n;
  uint64_t word[WORDS];
} WordsFrame;

static CudaResult start_words(CudaState *s, CudaFunction f, void *to, const uint64_t *word, int n) {
  WordsFrame frame = {.to = address(to), .n = n};
  void *params[] = {&frame};
  memcpy(frame.word, word, (size_t)n * sizeof *word);
  return s->driver.launch(f, 1, 1, 1, BLOCK_WARPS * WARP_LANES, 1, 1, 0, s->stream, params, NULL);
}

static int cuda_words(bigs_model *m, void *to, const uint64_t *word, int n) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m), kernel = m->module->nkernel;
  if (err)
    return err;
  CudaResult r = 0;
  err = find_function(m, kernel);
  for (int i = 0; i < n && !err && !r; i += WORDS)
    r = start_words(s, s->function[kernel], (uint64_t *)to + i, word + i,
                    n - i < WORDS ? n - i : WORDS);
  int left = cuda_leave(m, r, "numbers cannot be written to it");
  return err ? err : left;
}

// ---- graphs
typedef struct CudaRecording {
  CudaGraphExec exec;
  DeviceLaunch last;
} CudaRecording;

static bool has_graphs(const CudaDriver *d) {
  return d->capture_begin && d->capture_end && d->graph_free && d->graph_ready && d->graph_launch &&
         d->graph_drop;
}

static void go_plain(bigs_model *m, CudaResult r) {
  CudaState *s = cuda_state(m);
  char text[128];
  s->plain = true;
  snprintf(m->remark, sizeof m->remark,
           "%s: steps are launched one by one, since the driver makes no graph of them: %s",
           s->gpu.name, r ? driver_text(&s->driver, r, text, sizeof text) : "it is too old");
}

// In the handle's own stream, which nobody else looks at.
static bool cuda_record(bigs_model *m) {
  enum {
    THREAD_LOCAL = 1
  }; // what this thread may not do meanwhile is an error; others may do anything
  CudaState *s = cuda_state(m);
  if (s->plain || s->lost || cuda_enter(m))
    return false;
  CudaResult r = has_graphs(&s->driver) ? s->driver.capture_begin(s->own, THREAD_LOCAL) : 0;
  if (r || !has_graphs(&s->driver))
    go_plain(m, r);
  s->outer = s->stream;
  if (!s->plain)
    s->stream = s->own;
  return !cuda_leave(m, 0, "") && !s->plain;
}

static CudaResult make_exec(CudaState *s, CudaGraphExec *exec) {
  CudaGraph graph = NULL;
  CudaResult r = s->driver.capture_end(s->own, &graph);
  r = r ? r : s->driver.graph_ready(exec, graph, 0);
  if (graph)
    s->driver.graph_free(graph);
  return r;
}

static void *cuda_recorded(bigs_model *m) {
  CudaState *s = cuda_state(m);
  CudaRecording *made = ALLOC(CudaRecording);
  CudaGraphExec exec = NULL;
  s->stream = s->outer;
  if (cuda_enter(m)) {
    free(made);
    return NULL;
  }
  CudaResult r = make_exec(s, &exec);
  if (r)
    go_plain(m, r);
  else if (made)
    *made = (CudaRecording){.exec = exec, .last = s->last};
  else
    s->driver.graph_drop(exec);
  cuda_leave(m, 0, "");
  if (r)
    free(made);
  return r ? NULL : made;
}

static int cuda_replay(bigs_model *m, void *recording) {
  CudaState *s = cuda_state(m);
  const CudaRecording *x = (const CudaRecording *)recording;
  int err = cuda_enter(m);
  s->last = x->last;
  return err ? err
             : cuda_leave(m, s->driver.graph_launch(x->exec, s->stream),
                          "its steps cannot be launched");
}

// Work that is under way is not waited for, and ends by itself.
static void cuda_forget(bigs_model *m, void *recording) {
  CudaState *s = cuda_state(m);
  CudaRecording *x = (CudaRecording *)recording;
  CudaContext mine;
  if (!s->driver.context_push(s->context)) {
    s->driver.graph_drop(x->exec);
    s->driver.context_pop(&mine);
  }
  free(x);
}

CudaDevice cuda_device(int ordinal, int version, const void *image,
                       int (*function)(bigs_model *m, int kernel, void **out)) {
  return (CudaDevice){.base = {.name = "GPU",
                               .open = cuda_open,
                               .close = cuda_close,
                               .workers = cuda_workers,
                               .alloc = cuda_alloc,
                               .room = cuda_room,
                               .release = cuda_release,
                               .put = cuda_put,
                               .get = cuda_get,
                               .clear = cuda_clear,
                               .words = cuda_words,
                               .launch = cuda_launch,
                               .frame = cuda_frame,
                               .wait = cuda_wait,
                               .mark = cuda_mark,
                               .marked = cuda_marked,
                               .record = cuda_record,
                               .recorded = cuda_recorded,
                               .replay = cuda_replay,
                               .forget = cuda_forget,
                               .queue = cuda_queue},
                      .ordinal = ordinal,
                      .version = version,
                      .image = image,
                      .function = function};
}

// See device_cuda.h.  Every call goes to the driver with the GPU's context pushed and popped again:
// the calling thread may have another one current.  After a fault of a kernel the driver answers
// nothing any more, so the handle remembers it and says so.
#include "base/alloc.h"
#include "runtime/cuda/device_internal.h"
#include <stdio.h>
#include <string.h>

CudaStream cuda_stream(const bigs_model *m) {
  return cuda_state(m)->stream;
}
const CudaDriver *cuda_driver(const bigs_model *m) {
  return &cuda_state(m)->driver;
}

// ---- errors
void cuda_say_step(const DeviceLaunch *l, char *buf, size_t size) {
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
    cuda_say_step(&s->last, step, sizeof step);
  return bigs_fail(&m->error, BIGS_EFILE, "%s failed%s%s: %s%s", s->gpu.name,
                   *step && !s->sync ? ", at the latest" : "", step,
                   driver_text(&s->driver, r, text, sizeof text),
                   s->sync ? "" : "; with BIGS_CUDA=sync in the environment it is the step itself");
}

int cuda_fail(bigs_model *m, CudaResult r, const char *what) {
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

// Words of the largest frame: its head, and at least one of each of arguments, sizes and scalars.
static size_t most_words(const BigsModule *module) {
  int words = 0;
  for (int p = 0; p < module->nprogram; p++)
    for (int i = 0; i < module->program[p].nstep; i++) {
      const BigsStep *step = &module->program[p].step[i];
      words = cuda_most(words, cuda_most(step->narg, 1) + cuda_most(step->nscalar, 1));
    }
  size_t maps = module->nmap ? BIGS_MAP_WORDS * (1 + (size_t)module->nmap) : 0; // more than any has
  return FRAME_HEAD + (size_t)cuda_most(module->ndim, 1) + (size_t)words + maps;
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
  enum { NON_BLOCKING = 1, NO_TIMING = 2 }; // the first: waits for nothing on the default stream
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
  if (!s || !(s->function = ALLOC_N(CudaFunction, m->module->nkernel + CUDA_OWN_KERNELS)) ||
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
  s->driver.memory_free(cuda_address(p));
  s->driver.context_pop(&mine);
}

static int cuda_put(bigs_model *m, void *to, const void *from, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  return err ? err
             : cuda_leave(m, s->driver.put(cuda_address(to), from, bytes, s->stream),
                          "numbers cannot be copied to it");
}

static int cuda_get(bigs_model *m, void *to, const void *from, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  if (err)
    return err;
  CudaResult r = s->driver.get(to, cuda_address(from), bytes, s->stream);
  r = r ? r : s->driver.stream_wait(s->stream);
  return cuda_leave(m, r, "numbers cannot be copied from it");
}

static int cuda_clear(bigs_model *m, void *p, size_t bytes) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m);
  return err ? err
             : cuda_leave(m, s->driver.fill(cuda_address(p), 0, bytes, s->stream),
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
                               .decide = cuda_decide,
                               .launch = cuda_launch,
                               .frame = cuda_frame,
                               .wait = cuda_wait,
                               .mark = cuda_mark,
                               .marked = cuda_marked,
                               .record = cuda_record,
                               .recorded = cuda_recorded,
                               .replay = cuda_replay,
                               .forget = cuda_recording_free,
                               .queue = cuda_queue},
                      .ordinal = ordinal,
                      .version = version,
                      .image = image,
                      .function = function};
}

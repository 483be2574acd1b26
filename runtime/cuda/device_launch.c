// A step on a GPU: its kernel, found in the handle's code, with its frame; or its product by the library of products.
#include "runtime/cuda/device_internal.h"
#include <stdio.h>
#include <string.h>

enum { SCRATCH_MOST = 256 << 20, SHARED_FREE = 48 << 10 };

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

int cuda_workers(const bigs_model *m, int64_t tasks, int64_t scratch) {
  return blocks_for(m, tasks, BLOCK_WARPS, scratch) * BLOCK_WARPS;
}

// Whoever made the module without saying it prints a warp a task.
static BigsLaunch launch_of(const BigsModule *module, int kernel) {
  const BigsLaunch warps = {.threads = BLOCK_WARPS * WARP_LANES, .tasks = BLOCK_WARPS};
  return module->nlaunch ? module->launch[kernel] : warps;
}

// Those of the module, and those that all have, behind them.
static const char *function_name(const bigs_model *m, int kernel, char *buf, size_t size) {
  static const char *const all_have[CUDA_OWN_KERNELS] = {
      [CUDA_WORDS] = "bg_words", [CUDA_DECIDE] = "bg_decide"};
  if (kernel >= m->module->nkernel)
    return all_have[kernel - m->module->nkernel];
  snprintf(buf, size, "k%d", kernel);
  return buf;
}

static int look_up(bigs_model *m, int kernel) {
  CudaState *s = cuda_state(m);
  const CudaDevice *d = (const CudaDevice *)m->device;
  char buf[16], what[64];
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
int cuda_frame(const bigs_model *m, const DeviceLaunch *l, uint64_t *word) {
  uint64_t *w = word;
  int ndim = m->module->ndim;
  BigsLaunch how = launch_of(m->module, l->kernel);
  *w++ = (uint64_t)l->tasks;
  *w++ = (uint64_t)l->stride;
  *w++ = cuda_address(l->scratch);
  for (int i = 0; i < l->narg; i++)
    w[i] = cuda_address(l->frame.arg[i]);
  w += cuda_most(l->narg, 1);
  for (int i = 0; i < ndim; i++)
    w[i] = (uint64_t)l->frame.sym[i];
  w += cuda_most(ndim, 1);
  for (int i = 0; i < l->nscalar; i++)
    w[i] = l->frame.scalar[i];
  int plain = (int)(w + cuda_most(l->nscalar, 1) - word);
  if (how.maps)
    cuda_put_maps(m, l, &how, word + plain, word + bigs_map_word(plain));
  return bigs_frame_words(plain, how.maps);
}

static CudaResult start_kernel(bigs_model *m, const DeviceLaunch *l) {
  CudaState *s = cuda_state(m);
  BigsLaunch how = launch_of(m->module, l->kernel);
  uint64_t group[3] = {cuda_address(l->frames)};
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
  cuda_say_step(l, step, sizeof step);
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

int cuda_launch(bigs_model *m, const DeviceLaunch *l) {
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
  cuda_say_step(l, step, sizeof step);
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
  WordsFrame frame = {.to = cuda_address(to), .n = n};
  void *params[] = {&frame};
  memcpy(frame.word, word, (size_t)n * sizeof *word);
  return s->driver.launch(f, 1, 1, 1, BLOCK_WARPS * WARP_LANES, 1, 1, 0, s->stream, params, NULL);
}

int cuda_words(bigs_model *m, void *to, const uint64_t *word, int n) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m), kernel = m->module->nkernel + CUDA_WORDS;
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

// ---- whether a step goes on: the frame of bg_decide in codegen/cuda/cuda_prelude.h
typedef struct DecideFrame {
  CudaAddress loss, sum;
  int64_t n;
  CudaAddress clip, out;
} DecideFrame;

static CudaResult start_decide(CudaState *s, CudaFunction f, const DeviceVerdict *v) {
  DecideFrame frame = {cuda_address(v->loss), cuda_address(v->sum), v->n, cuda_address(v->clip),
                       cuda_address(v->out)};
  void *params[] = {&frame};
  return s->driver.launch(f, 1, 1, 1, WARP_LANES, 1, 1, 0, s->stream, params, NULL);
}

int cuda_decide(bigs_model *m, const DeviceVerdict *v) {
  CudaState *s = cuda_state(m);
  int err = cuda_enter(m), kernel = m->module->nkernel + CUDA_DECIDE;
  if (err)
    return err;
  err = find_function(m, kernel);
  CudaResult r = err ? 0 : start_decide(s, s->function[kernel], v);
  int left = cuda_leave(m, r, "a step's end cannot be launched");
  return err ? err : left;
}

// A GPU as the device of a handle, on a driver of ours (tests/cuda/fake_cuda.c): values and files are
// those of the processors, and every way in which a GPU fails is told in one sentence.
#include "base/hash.h"
#include "runtime/cuda/device_cuda.h"
#include "runtime/cuda/driver.h"
#include "runtime/exec/exec.h"
#include "tests/cuda/fake_cuda.h"
#include "tests/unit/command.h"
#include "tests/unit/faults.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_module.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DIMS(b, l, m) ((const int64_t[TOY_NDIM]){b, l, m, 1})
enum { KERNELS = 16 };

// ---- the toy's kernels, as a GPU runs them
typedef struct ToyKernel {
  BigsKernel *kernel;
  int narg, nscalar;
  const BigsScalar *scalar;
  int words; // of a frame
} ToyKernel;
static ToyKernel toy_kernel[KERNELS];
static FakeFunction toy_function[KERNELS + 1];
static const FakeImage toy_image = {
    .count = KERNELS, .function = toy_function, .words = &toy_function[KERNELS]};

static unsigned blocks_most, shared_most; // of all launches
static uint64_t launched;                 // what they were launched with

static int at_least_one(int n) {
  return n ? n : 1;
}

static void write_words(const void *ctx, const uint64_t *word, const FakeGrid *grid) {
  (void)ctx, (void)grid;
  ck_assert_uint_le(word[1], 64);
  memcpy((void *)(uintptr_t)word[0], word + 2, word[1] * sizeof *word);
}

// Keys of what is drawn are read where the scalar says.
static void take_scalars(const ToyKernel *k, const uint64_t *scalar, uint64_t *out) {
  for (int i = 0; i < k->nscalar; i++)
    out[i] = k->scalar[i].kind == 1 ? *(const uint64_t *)(uintptr_t)scalar[i] : scalar[i];
}

// All tasks of a warp, or of a block when it has shared memory, the last one first: their order is
// nobody's business.
static void run_frame(const ToyKernel *k, const uint64_t *word, const FakeGrid *grid) {
  unsigned blocks = grid->blocks, shared = grid->shared;
  void *arg[16];
  uint64_t scalar[4];
  for (int i = 0; i < k->narg; i++)
    arg[i] = (void *)(uintptr_t)word[3 + i];
  const uint64_t *sym = word + 3 + at_least_one(k->narg);
  launched = hash_bytes(launched, word, (size_t)k->words * sizeof *word);
  BigsFrame f = {.arg = arg, .sym = (const int64_t *)sym, .scalar = scalar};
  take_scalars(k, sym + TOY_NDIM, scalar);
  shared_most = shared > shared_most ? shared : shared_most;
  blocks_most = blocks > blocks_most ? blocks : blocks_most;
  for (int64_t n = blocks * (shared ? 1 : 8), i = n - 1; i >= 0; i--)
    for (int64_t task = i; task < (int64_t)word[0]; task += n)
      k->kernel(&f, task, (char *)(uintptr_t)word[2] + i * (int64_t)word[1]);
}

static void run_tasks(const void *ctx, const uint64_t *word, const FakeGrid *grid) {
  const ToyKernel *k = ctx;
  bool framed = toy_function[k - toy_kernel].words == 3; // it gets the address of its frames
  ck_assert(framed || grid->depth == 1);
  ck_assert_uint_eq(grid->threads, 256);
  const uint64_t *frame = framed ? (const uint64_t *)(uintptr_t)word[0] : word;
  for (unsigned i = grid->depth; i-- > 0;)
    run_frame(k, frame + i * (unsigned)k->words, grid);
}

static void make_toy_functions(void) {
  toy_function[KERNELS] = (FakeFunction){write_words, NULL, 66};
  ck_assert_int_le(toy_module.nkernel, KERNELS);
  for (int p = 0; p < toy_module.nprogram; p++)
    for (int i = 0; i < toy_module.program[p].nstep; i++) {
      const BigsStep *step = &toy_module.program[p].step[i];
      ToyKernel *k = &toy_kernel[step->index];
      ck_assert_int_le(step->nscalar, 4);
      *k = (ToyKernel){toy_module.kernel[step->index], step->narg, step->nscalar, step->scalar,
                       3 + at_least_one(step->narg) + TOY_NDIM + at_least_one(step->nscalar)};
      toy_function[step->index] = (FakeFunction){run_tasks, k, k->words};
    }
}

static int toy_finds(bigs_model *m, int kernel, void **out) {
  int n = m->module->nkernel;
  *out = &toy_function[kernel < n ? kernel : KERNELS];
  return kernel <= n ? 0 : bigs_fail(&m->error, BIGS_EBUG, "there is no kernel %d", kernel);
}

// ---- the driver
static char dir[TEST_PATH];
static FakeCuda *fake;

static const char *in_dir(const char *name) {
  static char path[4][TEST_PATH + 64];
  static int i;
  i = (i + 1) % 4;
  snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
  return path[i];
}

// `more`: of the compiler's command line.
static void compile_driver(const char *name, const char *more) {
  char command[4 * TEST_PATH];
  snprintf(
      command, sizeof command,
      "cc -std=gnu11 -O1 -Wall -Wextra -Werror -I'%s' %s -shared -fPIC '%s/tests/cuda/fake_cuda.c' "
      "-o '%s'",
      test_source_dir(), more, test_source_dir(), in_dir(name));
  ck_assert_msg(system(command) == 0, "%s", command);
}

static void compile_drivers(void) {
  test_make_dir(dir);
  compile_driver("libcuda.so", "");
  compile_driver("without.so", "-DcuMemAlloc_v2=gone");
  compile_driver("old.so", "-DcuGraphInstantiateWithFlags=gone");
  compile_driver("timeless.so", "-DcuEventElapsedTime_v2=gone");
  make_toy_functions();
}
static void remove_drivers(void) {
  test_remove_dir(dir);
}

static void plug_in_driver(const char *name) {
  void *so = dlopen(in_dir(name), RTLD_NOW | RTLD_LOCAL);
  FakeCudaNew *anew;
  ck_assert_msg(so != NULL, "%s", dlerror());
  *(void **)&anew = dlsym(so, "fake_cuda");
  fake = anew();
  ck_assert_int_eq(setenv("BIGSC_LIBCUDA", in_dir(name), 1), 0);
}

static void plug_in(void) {
  unsetenv("BIGS_CUDA");
  plug_in_driver("libcuda.so");
}

// Nothing is left on the GPU, and the thread's own context is current.
static void unplug(void) {
  ck_assert_int_eq(fake->areas, 0);
  ck_assert_int_eq(fake->contexts, 0);
  ck_assert_int_eq(fake->current, 0);
  ck_assert_int_eq(fake->streams, 0);
  ck_assert_int_eq(fake->events, 0);
  ck_assert_int_eq(fake->graphs, 0);
  ck_assert_int_eq(fake->modules, 0);
  unsetenv("BIGSC_LIBCUDA");
}

// ---- handles
static char error[2048];

static bigs_model *try_open(const BigsDevice *device, const char *weights, int *status) {
  bigs_options o = {
      .threads = 2, .weights = weights, .seed = 5, .device = device, .status = status};
  return bigs_model_open_with(&toy_module, &o, error, sizeof error);
}

static bigs_model *open_on(const BigsDevice *device, const char *weights) {
  bigs_model *m = try_open(device, weights, NULL);
  ck_assert_msg(m != NULL, "%s", error);
  return m;
}

static const float ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static int scale(bigs_model *m, int64_t B, int64_t L, float *out) {
  return bigs_model_run(m, TOY_SCALE, DIMS(B, L, 0), (const void *[]){ones, NULL}, (void *[]){out});
}

static const int32_t ids[8] = {1, 2, 3, 4, 5, 6, 0, 1}, place[3] = {0, 3, 7}, labels[3] = {2, 5, 2};
static const bool mask[8] = {1, 1, 1, 1, 1, 1, 1, 1};
static const void *const batch[] = {ids, mask, place, labels};
static int step(bigs_model *m, float *loss) {
  return bigs_model_step(m, 0, DIMS(2, 4, 3), batch, loss);
}
static int gradient(bigs_model *m, float *loss) {
  return bigs_model_grad(m, 0, DIMS(2, 4, 3), batch, loss);
}

static void same_scale(bigs_model *a, bigs_model *b, int64_t B, int64_t L) {
  float x[64], y[64];
  ck_assert_int_eq(scale(a, B, L, x), 0);
  ck_assert_msg(scale(b, B, L, y) == 0, "%s", bigs_model_error(b));
  ck_assert_mem_eq(x, y, (size_t)(B * L) * sizeof *x);
}

static void same_steps(bigs_model *a, bigs_model *b, int n) {
  float x, y;
  for (int i = 0; i < n; i++) {
    ck_assert_int_eq(step(a, &x), 0);
    ck_assert_msg(step(b, &y) == 0, "%s", bigs_model_error(b));
    ck_assert_mem_eq(&x, &y, sizeof x);
  }
}

static void same_parameters(bigs_model *a, bigs_model *b) {
  float x[64], y[64];
  for (int i = 0; i < TOY_NPARAM; i++)
    for (int what = BIGS_THE_WEIGHT; what <= BIGS_THE_MOMENT2; what++) {
      size_t n = (size_t)param_count(&toy_module.param[i]);
      ck_assert_int_eq(bigs_model_get(a, (bigs_what)what, i, x), 0);
      ck_assert_int_eq(bigs_model_get(b, (bigs_what)what, i, y), 0);
      ck_assert_mem_eq(x, y, n * sizeof *x);
    }
}

static void same_files(const char *a, const char *b) {
  char command[4 * TEST_PATH];
  snprintf(command, sizeof command, "diff -r '%s' '%s'", a, b);
  ck_assert_msg(system(command) == 0, "%s", command);
}

static void is_dead(bigs_model *m) {
  const char *says =
      "Fake 0 has failed before (CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was "
      "encountered)): nothing in this process can use it any more";
  float x[64];
  toy_fails(m, scale(m, 7, 8, x), 3, says);
  toy_fails(m, step(m, x), 3, says);
  toy_fails(m, bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, x), 3, says);
  toy_fails(m, bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, x), 3, says);
  toy_fails(m, bigs_model_save(m, in_dir("dead"), NULL), 3, says);
}

// ---- values
// Twice: with functions of a cubin, and with those that somebody finds.
START_TEST(a_gpu_does_what_the_processors_do) {
  CudaDevice gpu = cuda_device(0, 0, _i ? &toy_image : NULL, _i ? NULL : toy_finds);
  bigs_model *near = open_on(NULL, NULL), *far = open_on(&gpu.base, NULL), *again;
  for (int64_t B = 1; B < 8; B += 2)
    same_scale(near, far, B, 1 + B % 8);
  same_steps(near, far, 3);
  same_parameters(near, far);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  same_scale(near, far, 3, 8);
  same_steps(near, far, 2);
  ck_assert_int_eq(bigs_model_save(near, in_dir("near"), NULL), 0);
  ck_assert_int_eq(bigs_model_save(far, in_dir("far"), NULL), 0);
  same_files(in_dir("near"), in_dir("far"));
  again = open_on(&gpu.base, in_dir("near"));
  same_scale(near, again, 2, 4);
  bigs_model_close(near);
  bigs_model_close(far);
  bigs_model_close(again);
}
END_TEST

// What is another from step to step is not in the launches, so that they can be kept and repeated.
START_TEST(steps_are_launched_alike) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = open_on(NULL, NULL), *far = open_on(&gpu.base, NULL);
  uint64_t before = 0;
  float last = 0, x, y;
  for (int i = 0; i < 4; i++) {
    near->step = far->step = 100 * i;
    launched = 0;
    ck_assert_int_eq(gradient(near, &x), 0);
    ck_assert_int_eq(gradient(far, &y), 0);
    ck_assert_mem_eq(&x, &y, sizeof x);
    ck_assert(i < 2 || (launched == before && x != last)); // the first ones make what is there then
    before = launched, last = x;
  }
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// The module's table says that blocks do the tasks, and with how much shared memory: that which all have, or more.
static const int shared_sizes[] = {4096, 48 << 10, 70000, 300 << 10};

START_TEST(a_block_does_a_task) {
  static BigsLaunch launch[KERNELS];
  BigsModule module = toy_module;
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  for (int i = 0; i < KERNELS; i++)
    launch[i] = (BigsLaunch){.threads = 256, .tasks = 1, .shared = shared_sizes[_i]};
  fake->processors = 8;
  module.launch = launch;
  module.nlaunch = module.nkernel;
  bigs_options o = {.threads = 2, .seed = 5, .device = &gpu.base};
  bigs_model *far = bigs_model_open_with(&module, &o, error, sizeof error);
  if (shared_sizes[_i] > 227 << 10) {
    ck_assert_ptr_null(far);
    ck_assert_msg(strstr(error, "a kernel cannot have 307200 bytes of shared memory") != NULL, "%s",
                  error);
    return;
  }
  bigs_model *near = open_on(NULL, NULL);
  ck_assert_msg(far != NULL, "%s", error);
  ck_assert_uint_eq(shared_most, (unsigned)shared_sizes[_i]);
  blocks_most = 0;
  same_scale(near, far, 7, 8);
  ck_assert_uint_eq(blocks_most, 7);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

START_TEST(scratch_memory_is_bounded) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  fake->processors = 132, fake->threads = 2048;
  bigs_model *m = open_on(&gpu.base, NULL);
  ck_assert_int_eq(m->threads, 132 * 64);
  ck_assert_int_eq(gpu.base.workers(m, 1, 0), 8);
  ck_assert_int_eq(gpu.base.workers(m, 17, 64), 24);
  ck_assert_int_eq(gpu.base.workers(m, INT64_MAX, 64), 132 * 64);
  ck_assert_int_eq(gpu.base.workers(m, INT64_MAX, 1 << 20), 256);
  ck_assert_int_eq(gpu.base.workers(m, 1 << 20, INT64_MAX / 4096), 8);
  bigs_model_close(m);
}
END_TEST

// ---- streams of the caller's
typedef struct Caller {
  CudaDriver driver;
  CudaContext context;
  CudaStream stream[2];
  CudaAddress x, y[2];
} Caller;
enum { CALLER_BYTES = 64 * sizeof(float) };

static void caller_begins(Caller *c, const float *x) {
  BigsError e = {0};
  CudaGpu gpu;
  ck_assert_msg(!driver_open(&c->driver, 0, &e) && !driver_gpu(&c->driver, 0, &gpu, &e), "%s",
                e.text);
  ck_assert_int_eq(c->driver.context_retain(&c->context, gpu.device), 0);
  ck_assert_int_eq(c->driver.context_push(c->context), 0);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(c->driver.stream_new(&c->stream[i], 1), 0);
    ck_assert_int_eq(c->driver.memory_new(&c->y[i], CALLER_BYTES), 0);
  }
  ck_assert_int_eq(c->driver.memory_new(&c->x, CALLER_BYTES), 0);
  ck_assert_int_eq(c->driver.put(c->x, x, CALLER_BYTES, c->stream[0]), 0);
}

static void caller_ends(Caller *c) {
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(c->driver.memory_free(c->y[i]), 0);
    if (c->stream[i])
      ck_assert_int_eq(c->driver.stream_free(c->stream[i]), 0);
  }
  ck_assert_int_eq(c->driver.memory_free(c->x), 0);
  ck_assert_int_eq(c->driver.context_pop(&c->context), 0);
  ck_assert_int_eq(c->driver.context_release(0), 0);
  driver_close(&c->driver);
}

// From the caller's memory into it, in one of its streams.
static void scale_on(bigs_model *m, Caller *c, int stream, CudaAddress x, CudaAddress y,
                     int64_t B) {
  int status = bigs_model_run_on(m, TOY_SCALE, c->stream[stream], DIMS(B, 8, 0),
                                 (const void *[]){(void *)(uintptr_t)x, NULL},
                                 (void *[]){(void *)(uintptr_t)y});
  ck_assert_msg(!status, "%s", bigs_model_error(m));
}

static void is_scaled(Caller *c, int stream, int y, const float *want, int64_t B) {
  float got[64];
  ck_assert_int_eq(c->driver.get(got, c->y[y], CALLER_BYTES, c->stream[stream]), 0);
  ck_assert_int_eq(c->driver.stream_wait(c->stream[stream]), 0);
  ck_assert_mem_eq(got, want, (size_t)B * 8 * sizeof *got);
}

// Nobody waits, and all is done in the order of the calls: the second stream waits for the first one,
// whose result it reads, and new weights are none for work that was put before.
START_TEST(streams_of_a_caller_are_joined) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = open_on(NULL, NULL), *far = open_on(&gpu.base, NULL);
  float once[64], twice[64];
  Caller c;
  caller_begins(&c, ones);
  ck_assert_int_eq(scale(near, 7, 8, once), 0);
  ck_assert_int_eq(bigs_model_run(near, TOY_SCALE, DIMS(7, 8, 0), (const void *[]){once, NULL},
                                  (void *[]){twice}),
                   0);
  int waits = fake->waits;
  scale_on(far, &c, 0, c.x, c.y[0], 7);
  scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  ck_assert_int_eq(fake->waits, waits);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  is_scaled(&c, 1, 1, twice, 7);
  is_scaled(&c, 0, 0, once, 7);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

START_TEST(a_stream_may_end_after_the_call) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = open_on(NULL, NULL), *far = open_on(&gpu.base, NULL);
  float want[64];
  Caller c;
  caller_begins(&c, ones);
  scale_on(far, &c, 0, c.x, c.y[0], 3);
  ck_assert_int_eq(c.driver.stream_free(c.stream[0]), 0);
  c.stream[0] = NULL;
  same_scale(near, far, 5, 8);
  ck_assert_int_eq(scale(near, 3, 8, want), 0);
  is_scaled(&c, 1, 0, want, 3);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

// ---- steps as one
static bigs_model *open_alike(const BigsDevice *device, bigs_model **near) {
  *near = open_on(NULL, NULL);
  return open_on(device, NULL);
}

// From the second call of a size on; sizes that were not seen lately, and memory that has moved since,
// are noted again.
START_TEST(steps_become_a_graph) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  same_scale(near, far, 3, 4);
  ck_assert_int_eq(fake->replays, 0);
  same_scale(near, far, 3, 4);
  int launches = fake->launches, replays = fake->replays;
  ck_assert_int_gt(replays, 0);
  same_scale(near, far, 3, 4);
  ck_assert_int_eq(fake->launches, launches);
  ck_assert_int_eq(fake->replays, ++replays);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  same_scale(near, far, 3, 4);
  same_scale(near, far, 7, 8);
  replays = fake->replays;
  same_scale(near, far, 3, 4); // for which the arena was too small
  ck_assert_int_eq(fake->replays, replays);
  for (int i = 0; i < 4; i++)
    for (int B = 1; B < 8; B++)
      same_scale(near, far, B, 1 + i % 2);
  same_steps(near, far, 5);
  same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

static FakeCuda since(const FakeCuda *then) {
  return (FakeCuda){.launches = fake->launches - then->launches,
                    .replays = fake->replays - then->replays,
                    .allocations = fake->allocations - then->allocations,
                    .waits = fake->waits - then->waits};
}

// Gradients, their norm, and the update: three graphs, and the host waits for a number of each.  What it
// launches by itself are the keys and the rates.  Nothing is allocated.
START_TEST(a_training_step_is_three_graphs) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  same_steps(near, far, 2);
  FakeCuda then = *fake;
  same_steps(near, far, 3);
  FakeCuda got = since(&then);
  ck_assert_int_eq(got.replays, 3 * 3);
  ck_assert_int_eq(got.launches, 3 * 2);
  ck_assert_int_eq(got.waits, 3 * 3);
  ck_assert_int_eq(got.allocations, 0);
  same_parameters(near, far);
  same_scale(near, far, 7, 8); // with a larger arena
  same_steps(near, far, 3);
  same_parameters(near, far);
  ck_assert_int_eq(bigs_model_save(near, in_dir("near"), NULL), 0);
  ck_assert_int_eq(bigs_model_load(near, in_dir("near")), 0);
  ck_assert_int_eq(bigs_model_load(far, in_dir("near")), 0);
  same_steps(near, far, 3);
  same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// In the first steps and in later ones: the parameters are as before, or the error says that they are
// not.
START_TEST(numbers_that_are_not_finite_are_told) {
  static const float gain[] = {NAN, INFINITY, 1e-45f, 3e38f};
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  float x, y;
  same_steps(near, far, _i / 4);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &gain[_i % 4]), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &gain[_i % 4]), 0);
  int status = step(near, &x);
  ck_assert_int_eq(step(far, &y), status);
  ck_assert_str_eq(bigs_model_error(far), bigs_model_error(near));
  if (_i / 4 || !status)
    same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// While a caller's tensors lie elsewhere in each call nothing is recorded, and what was is not used.
START_TEST(tensors_that_move_are_followed) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  float once[64], twice[64];
  Caller c;
  caller_begins(&c, ones);
  ck_assert_int_eq(scale(near, 7, 8, once), 0);
  ck_assert_int_eq(bigs_model_run(near, TOY_SCALE, DIMS(7, 8, 0), (const void *[]){once, NULL},
                                  (void *[]){twice}),
                   0);
  for (int i = 0; i < 3; i++) {
    scale_on(far, &c, 0, c.x, c.y[0], 7);
    scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  }
  is_scaled(&c, 1, 1, twice, 7);
  ck_assert_int_eq(fake->replays, 0);
  for (int i = 0; i < 3; i++)
    scale_on(far, &c, 0, c.x, c.y[0], 7);
  ck_assert_int_eq(fake->replays, 2);
  scale_on(far, &c, 0, c.y[0], c.y[1], 7);
  is_scaled(&c, 0, 1, twice, 7);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

// A driver that makes no graphs: too old a one, one that says so at any point, and BIGS_CUDA=sync.
START_TEST(steps_go_one_by_one_without_graphs) {
  static const char *const says[] = {
      "", "since the driver makes no graph of them: CUDA_ERROR_NOT_SUPPORTED (operation not",
      "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "CUDA_ERROR_OUT_OF_MEMORY", "it is too old"};
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  fake->no_graph = _i < 4 ? _i : 0;
  if (!_i)
    setenv("BIGS_CUDA", "sync", 1);
  if (_i == 4)
    plug_in_driver("old.so");
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  for (int i = 0; i < 4; i++)
    same_scale(near, far, 3, 4);
  same_steps(near, far, 4);
  same_parameters(near, far);
  ck_assert_int_eq(fake->replays, 0);
  ck_assert_msg(strstr(far->remark, says[_i]) != NULL, "got: %s", far->remark);
  ck_assert(_i || !*far->remark);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// What cannot be recorded is done, and what fails where it is done is told as ever.
START_TEST(a_launch_that_is_refused_while_it_is_recorded) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  same_scale(near, far, 3, 4);
  fake->refuse_at = fake->launches + 1;
  for (int i = 0; i < 3; i++)
    same_scale(near, far, 3, 4);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

START_TEST(a_graph_that_fails) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  bigs_model *m = open_on(&gpu.base, NULL);
  float out[64];
  ck_assert_int_eq(scale(m, 3, 4, out), 0);
  fake->fault_at = fake->launches + 1;
  toy_fails(m, scale(m, 3, 4, out), 3, "Fake 0 failed, at the latest in `");
  is_dead(m);
  bigs_model_close(m);
}
END_TEST

// A handle whose kernels read their frames from the GPU's memory, and whose initial values are two
// launches: two steps of one kernel are one.
// but_for: a program whose kernels do so in its prologue alone; NULL: all do.
static bigs_model *open_framed(BigsModule *module, const CudaDevice *gpu,
                               const BigsProgram *but_for) {
  static BigsLaunch launch[KERNELS];
  static BigsProgram program[8];
  static BigsStep init[4];
  const BigsProgram *p = &toy_module.program[TOY_INIT];
  *module = toy_module;
  memcpy(program, module->program, (size_t)module->nprogram * sizeof *program);
  memcpy(init, p->step, (size_t)p->nstep * sizeof *init);
  for (int i = 0; i < KERNELS; i++)
    launch[i] = (BigsLaunch){.threads = 256, .tasks = 8, .frames = 1};
  for (int i = 0; but_for && i < but_for->nstep; i++)
    launch[but_for->step[i].index].frames = i < but_for->nprologue;
  for (int i = 0; i < KERNELS; i++)
    toy_function[i].words = launch[i].frames ? 3 : toy_kernel[i].words;
  init[0].group = 2;
  program[TOY_INIT].step = init;
  module->program = program, module->launch = launch, module->nlaunch = module->nkernel;
  bigs_options o = {.threads = 2, .seed = 5, .device = &gpu->base};
  bigs_model *m = bigs_model_open_with(module, &o, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  return m;
}

START_TEST(steps_of_one_kernel_are_one_launch) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  BigsModule module;
  bigs_model *near = open_on(NULL, NULL);
  int launches = fake->launches;
  bigs_model *far = open_framed(&module, &gpu, NULL);
  ck_assert_int_eq(fake->launches - launches, 3); // and the keys
  for (int i = 0; i < 12; i++)
    same_scale(near, far, 1 + i / 3, 8 - i % 2);
  same_steps(near, far, 4);
  same_parameters(near, far);
  same_scale(near, far, 7, 8);
  same_steps(near, far, 3);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// The frames of a caller's tensors, which are elsewhere in each call, are not written over while they may
// be read; nobody waits where no frame has a caller's tensor.
START_TEST(frames_follow_tensors_that_move) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  BigsModule module;
  bigs_model *near = open_on(NULL, NULL), *far;
  far = open_framed(&module, &gpu, _i ? &toy_module.program[TOY_SCALE] : NULL);
  float once[64], twice[64];
  Caller c;
  caller_begins(&c, ones);
  ck_assert_int_eq(scale(near, 7, 8, once), 0);
  ck_assert_int_eq(bigs_model_run(near, TOY_SCALE, DIMS(7, 8, 0), (const void *[]){once, NULL},
                                  (void *[]){twice}),
                   0);
  scale_on(far, &c, 0, c.x, c.y[0], 7);
  int waits = fake->waits;
  for (int i = 0; i < 3; i++) {
    scale_on(far, &c, 0, c.x, c.y[0], 7);
    scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  }
  ck_assert((fake->waits == waits) == (_i == 1));
  is_scaled(&c, 1, 1, twice, 7);
  is_scaled(&c, 0, 0, once, 7);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

// ---- memory
// What a batch of B asks of a GPU with `memory` bytes left: the largest that would fit, B itself when it
// did, 0 when not even one would.  Nothing is allocated or launched for what does not fit.
static int64_t largest(bigs_model *m, size_t memory, int64_t B) {
  static const char said[] = " MiB more of the GPU's memory, of which 0.0 MiB are free";
  float y[64];
  long long fits = 0;
  fake->memory = fake->taken + memory;
  FakeCuda then = *fake;
  int status = scale(m, B, 8, y);
  if (!status)
    return B;
  FakeCuda got = since(&then);
  ck_assert_int_eq(got.allocations + got.launches + got.replays, 0);
  toy_fails(m, status, 1, "scale with B = ");
  const char *text = strstr(bigs_model_error(m), said);
  ck_assert_msg(text != NULL, "%s", bigs_model_error(m));
  if (strcmp(text + strlen(said), ": not even B = 1 fits"))
    ck_assert_int_eq(sscanf(text + strlen(said), ": B = %lld is the largest that fits", &fits), 1);
  return fits;
}

START_TEST(the_largest_batch_is_told) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  int seen = 0;
  for (size_t memory = 0; memory < 4096; memory += 64) {
    bigs_model *m = open_on(&gpu.base, NULL);
    int64_t fits = largest(m, memory, 8);
    ck_assert_int_le(fits, 8);
    for (int64_t B = 8; B > fits; B--)
      ck_assert_int_eq(largest(m, memory, B), fits);
    ck_assert(!fits || largest(m, memory, fits) == fits);
    seen |= 1 << fits;
    fake->memory = 1 << 30;
    bigs_model_close(m);
  }
  ck_assert_int_eq(seen & 0x103, 0x103); // none, one, all
  ck_assert_int_ne(seen & 0xfc, 0);
}
END_TEST

// The moments are part of what a step needs, and so is what the norm and the update need, though they come
// after the gradients.
START_TEST(a_step_fits_whole_or_is_not_begun) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  int status = 1, too_little = 0;
  for (size_t memory = 0; status; memory += 16) {
    float loss;
    bigs_model *m = open_on(&gpu.base, NULL);
    fake->memory = fake->taken + memory;
    FakeCuda then = *fake;
    status = step(m, &loss);
    FakeCuda got = since(&then);
    if (status)
      toy_fails(m, status, 1, "fit with B = 2 needs 0.0 MiB more of the GPU's memory");
    ck_assert_int_eq(!status, got.launches > 0);
    too_little += status != 0;
    fake->memory = 1 << 30;
    bigs_model_close(m);
  }
  ck_assert_int_ge(too_little, (int)(3 * toy_module.param_bytes / 16));
}
END_TEST

// ---- no GPU to be had
typedef struct NoGpu {
  const char *library; // NULL: the right one
  FakeCuda is;         // what is not 0
  int ordinal, version, status;
  const char *says;
} NoGpu;
static const NoGpu no_gpus[] = {
    {"nowhere.so", {0}, 0, 0, 3, "there is no NVIDIA driver: "},
    {"without.so",
     {0},
     0,
     0,
     3,
     "without.so lacks cuMemAlloc_v2: the NVIDIA driver is too old, install 525 or"},
    {NULL,
     {.version = 11080},
     0,
     0,
     3,
     "the NVIDIA driver is too old: it knows CUDA 11.8 and 12.0 is needed, install driver 525 or"},
    {NULL,
     {.version = 12090},
     0,
     13000,
     3,
     "the NVIDIA driver is too old: it knows CUDA 12.9 and 13.0 is needed, install driver 580 or"},
    {NULL, {.gpus = -1}, 0, 0, 3, "there is no GPU: the NVIDIA driver sees none"},
    {NULL, {.gpus = 2}, 2, 0, 3, "there is no GPU 2: the NVIDIA driver sees 2"},
    {NULL, {.gpus = 2}, -1, 0, 3, "there is no GPU -1: the NVIDIA driver sees 2"},
    {NULL,
     {.major = 7, .minor = 5},
     0,
     0,
     3,
     "Fake 0 has compute capability 7.5, and 8.0 is needed"},
    {NULL, {.no_memory_at = 1}, 0, 0, 1, "out of memory for parameters (0.0 MiB)"},
    {NULL,
     {.refuse_at = 2},
     0,
     0,
     3,
     "Fake 0: a kernel cannot be launched in `a step` of init, kernel k10: "
     "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (too many resources requested for launch)"},
};

static void set_switches(const FakeCuda *is) {
  fake->version = is->version ? is->version : fake->version;
  fake->gpus = is->gpus < 0 ? 0 : is->gpus ? is->gpus : fake->gpus;
  fake->major = is->major ? is->major : fake->major;
  fake->minor = is->minor ? is->minor : fake->minor;
  fake->no_memory_at = is->no_memory_at;
  fake->refuse_at = is->refuse_at;
  fake->fault_at = is->fault_at;
}

START_TEST(a_gpu_that_is_not_to_be_had) {
  const NoGpu *n = &no_gpus[_i];
  CudaDevice gpu = cuda_device(n->ordinal, n->version, &toy_image, NULL);
  int status;
  if (n->library)
    setenv("BIGSC_LIBCUDA", in_dir(n->library), 1);
  set_switches(&n->is);
  ck_assert_ptr_null(try_open(&gpu.base, NULL, &status));
  ck_assert_msg(strstr(error, n->says) != NULL, "got: %s", error);
  ck_assert_int_eq(status, n->status);
}
END_TEST

// The cubin of another model.
// A host with the processors' runtime, as docs/host.c: kernels of a GPU are no functions that it could call.
START_TEST(code_for_a_gpu_is_not_run_by_processors) {
  char why[256];
  int status = 0;
  BigsModule module = toy_module;
  module.target = "CUDA";
  ck_assert_ptr_null(
      bigs_model_open_with(&module, &(bigs_options){.status = &status}, why, sizeof why));
  ck_assert_int_eq(status, BIGS_EMODEL);
  ck_assert_ptr_nonnull(strstr(why, "is compiled for CUDA, and this runtime is for processors"));
}
END_TEST

START_TEST(code_that_lacks_a_kernel) {
  FakeImage short_one = {.count = 3, .function = toy_function, .words = &toy_function[KERNELS]};
  CudaDevice gpu = cuda_device(0, 0, &short_one, NULL);
  int status;
  ck_assert_ptr_null(try_open(&gpu.base, NULL, &status));
  ck_assert_str_eq(
      error, "Fake 0: its code lacks kernel k10: CUDA_ERROR_NOT_FOUND (named symbol not found)");
  ck_assert_int_eq(status, 3);
}
END_TEST

// ---- while it works
static int use(bigs_model *m, float *out) {
  int err = scale(m, 5, 6, out);
  return err ? err : step(m, out);
}

// Nothing is lost by it, and with memory it works.
START_TEST(every_allocation_may_fail_on_a_gpu) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  float got[64], want[64];
  bigs_model *near = open_on(NULL, NULL);
  ck_assert_int_eq(use(near, want), 0);
  int n = 1, status = 1;
  for (; status; n++) {
    bigs_model *m = open_on(&gpu.base, NULL);
    fake->no_memory_at = fake->allocations + n;
    status = use(m, got);
    fake->no_memory_at = 0;
    if (status)
      toy_fails(m, status, 1, "out of memory for ");
    ck_assert_int_eq(status ? use(m, got) : 0, 0);
    ck_assert_mem_eq(got, want, sizeof *got);
    bigs_model_close(m);
  }
  ck_assert_int_gt(n, 8);
  bigs_model_close(near);
}
END_TEST

// Of the handle's own memory too.
START_TEST(every_allocation_of_the_host_may_fail) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  float out[64];
  long n = 1;
  for (int status = 1; status; n++) {
    fault_arm(FAULT_MEMORY, n, FAULT_ONCE, 12);
    bigs_model *m = try_open(&gpu.base, NULL, &status);
    status = m ? use(m, out) : status;
    fault_disarm();
    ck_assert_int_le(status, 1);
    bigs_model_close(m);
  }
  ck_assert_int_gt(n, 8);
}
END_TEST

START_TEST(a_launch_that_is_refused) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  bigs_model *m = open_on(&gpu.base, NULL);
  float loss;
  fake->refuse_at = fake->launches + 3; // the first one writes the keys
  toy_fails(m, step(m, &loss), 3,
            "Fake 0: a kernel cannot be launched in `sqrt` (toy.mdl:12) of fit, kernel k5: "
            "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
  ck_assert_msg(step(m, &loss) == 0, "%s", bigs_model_error(m));
  bigs_model_close(m);
}
END_TEST

// What is still to be copied from the caller's memory is copied before the call returns.
START_TEST(a_run_that_ends_early_leaves_the_callers_memory) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  bigs_model *m = open_on(&gpu.base, NULL);
  float y[64];
  float *x = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(x, MAP_FAILED);
  fake->refuse_at = fake->launches + 2;
  ck_assert_int_eq(
      bigs_model_run(m, TOY_SCALE, DIMS(4, 4, 0), (const void *[]){x, NULL}, (void *[]){y}), 3);
  munmap(x, 4096);
  ck_assert_int_eq(scale(m, 4, 4, y), 0);
  bigs_model_close(m);
}
END_TEST

// The time of a step is what it takes, not what it takes to ask for it: the GPU notes when it ends; by waiting for each
// where the driver has no times.
START_TEST(steps_that_are_timed_are_done) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  if (_i)
    plug_in_driver("timeless.so");
  bigs_model *m = open_on(&gpu.base, NULL);
  int64_t ns[8] = {0};
  float y[64];
  m->step_ns = ns;
  int waits = fake->waits;
  ck_assert_int_eq(scale(m, 4, 4, y), 0);
  ck_assert_int_eq(fake->waits - waits > 3, _i);
  ck_assert(ns[0] > 0 && ns[1] > 0 && ns[2] > 0);
  bigs_model_close(m);
}
END_TEST

// ---- library code
static int64_t no_workspace(const BigsFrame *f, const void *tables, int threads) {
  (void)f, (void)tables, (void)threads;
  return 0;
}
static int not_here(const BigsFrame *f, const void *tables, Pool *pool, void *work) {
  (void)f, (void)tables, (void)pool, (void)work;
  ck_abort_msg("it runs on memory that it cannot reach");
  return 0;
}

START_TEST(library_code_is_refused) {
  const BigsBuiltinOps ops = {.workspace = no_workspace, .run = not_here};
  const BigsBuiltinOps *const builtin[BIGS_BUILTIN_COUNT] = {&ops};
  BigsStep lookup = toy_module.program[TOY_LOOKUP].step[0];
  BigsProgram program[8];
  BigsModule module = toy_module;
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  float y[8];
  memcpy(program, toy_module.program, (size_t)module.nprogram * sizeof *program);
  lookup.kind = BIGS_BUILTIN, lookup.index = 0, lookup.label = "conv";
  program[TOY_LOOKUP].step = &lookup;
  module.program = program, module.builtin = builtin;
  bigs_model *m =
      bigs_model_open_with(&module, &(bigs_options){.device = &gpu.base}, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  int status = bigs_model_run(m, TOY_LOOKUP, DIMS(1, 2, 0), (const void *[]){(int32_t[]){1, 2}},
                              (void *[]){y});
  toy_fails(m, status, 1, "lookup: conv is not to be had on a GPU");
  bigs_model_close(m);
}
END_TEST

// ---- the end
// The n-th kernel of a step touches what is not its own; with BIGS_CUDA=sync it is named.
START_TEST(a_kernel_that_fails) {
  static const char *const at[] = {"`cross_entropy` (toy.mdl:11) of fit, kernel k4",
                                   "`sqrt` (toy.mdl:12) of fit, kernel k5",
                                   "`loss` (toy.mdl:13) of fit, kernel k6"};
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  char says[256];
  float loss;
  if (_i < 3)
    setenv("BIGS_CUDA", "sync", 1);
  bigs_model *m = open_on(&gpu.base, NULL);
  fake->fault_at = fake->launches + 2 + _i % 3;
  snprintf(says, sizeof says, "Fake 0 failed%s %s%s", _i < 3 ? " in" : ", at the latest in",
           _i < 3 ? at[_i] : "`a step` of fit, kernel k7",
           _i < 3 ? ": CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)"
                  : ": ");
  toy_fails(m, step(m, &loss), 3, says);
  is_dead(m);
  bigs_model_close(m);
  int status;
  ck_assert_ptr_null(try_open(&gpu.base, NULL, &status));
  ck_assert_int_eq(status, 3);
}
END_TEST

Suite *cuda_driver_suite(void);
Suite *cuda_driver_suite(void) {
  Suite *s = suite_create("cuda_driver");
  TCase *t = tcase_create("cuda_driver");
  tcase_add_unchecked_fixture(t, compile_drivers, remove_drivers);
  tcase_add_checked_fixture(t, plug_in, unplug);
  tcase_add_loop_test(t, a_gpu_does_what_the_processors_do, 0, 2);
  tcase_add_test(t, steps_are_launched_alike);
  tcase_add_loop_test(t, a_block_does_a_task, 0, (int)(sizeof shared_sizes / sizeof *shared_sizes));
  tcase_add_test(t, scratch_memory_is_bounded);
  tcase_add_test(t, streams_of_a_caller_are_joined);
  tcase_add_test(t, a_stream_may_end_after_the_call);
  tcase_add_test(t, steps_become_a_graph);
  tcase_add_test(t, a_training_step_is_three_graphs);
  tcase_add_loop_test(t, numbers_that_are_not_finite_are_told, 0, 16);
  tcase_add_test(t, tensors_that_move_are_followed);
  tcase_add_loop_test(t, steps_go_one_by_one_without_graphs, 0, 5);
  tcase_add_test(t, a_launch_that_is_refused_while_it_is_recorded);
  tcase_add_test(t, a_graph_that_fails);
  tcase_add_test(t, steps_of_one_kernel_are_one_launch);
  tcase_add_loop_test(t, frames_follow_tensors_that_move, 0, 2);
  tcase_add_test(t, the_largest_batch_is_told);
  tcase_add_test(t, a_step_fits_whole_or_is_not_begun);
  tcase_add_loop_test(t, a_gpu_that_is_not_to_be_had, 0, sizeof no_gpus / sizeof *no_gpus);
  tcase_add_test(t, code_for_a_gpu_is_not_run_by_processors);
  tcase_add_test(t, code_that_lacks_a_kernel);
  tcase_add_test(t, every_allocation_may_fail_on_a_gpu);
  tcase_add_test(t, every_allocation_of_the_host_may_fail);
  tcase_add_test(t, a_launch_that_is_refused);
  tcase_add_test(t, a_run_that_ends_early_leaves_the_callers_memory);
  tcase_add_loop_test(t, steps_that_are_timed_are_done, 0, 2);
  tcase_add_test(t, library_code_is_refused);
  tcase_add_loop_test(t, a_kernel_that_fails, 0, 6);
  suite_add_tcase(s, t);
  return s;
}

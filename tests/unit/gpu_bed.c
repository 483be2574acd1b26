// See gpu_bed.h.
#include "tests/unit/gpu_bed.h"
#include "base/hash.h"
#include "tests/cuda/tensor_map.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- the toy's kernels, as a GPU runs them
ToyKernel toy_kernel[GPU_KERNELS];
FakeFunction toy_function[GPU_KERNELS + CUDA_OWN_KERNELS];
const FakeImage toy_image = {.count = GPU_KERNELS,
                             .function = toy_function,
                             .words = &toy_function[GPU_KERNELS + CUDA_WORDS],
                             .decide = &toy_function[GPU_KERNELS + CUDA_DECIDE]};

GpuSeen gpu_seen;

static int at_least_one(int n) {
  return n ? n : 1;
}

static void write_words(const void *ctx, const uint64_t *word, const FakeGrid *grid) {
  (void)ctx, (void)grid;
  ck_assert_uint_le(word[1], 64);
  memcpy((void *)(uintptr_t)word[0], word + 2, word[1] * sizeof *word);
}

static void decide(const void *ctx, const uint64_t *word, const FakeGrid *grid) {
  const float *loss = (const float *)(uintptr_t)word[0];
  const double *part = (const double *)(uintptr_t)word[1],
               *clip = (const double *)(uintptr_t)word[3];
  uint64_t *out = (uint64_t *)(uintptr_t)word[4];
  double sum = 0;
  (void)ctx, (void)grid;
  for (uint64_t i = 0; i < word[2]; i++)
    sum += part[i];
  double norm = sqrt(sum);
  float scale = *clip > 0 && norm > *clip ? (float)(*clip / norm) : 1;
  memcpy(&out[VERDICT_SCALE], &scale, sizeof scale);
  out[VERDICT_GO] = isfinite(*loss) && isfinite(norm);
  memcpy(&out[VERDICT_LOSS], loss, sizeof *loss);
  memcpy(&out[VERDICT_NORM], &norm, sizeof norm);
}

// Keys of what is drawn are read where the scalar says.
static void take_scalars(const ToyKernel *k, const uint64_t *scalar, uint64_t *out) {
  for (int i = 0; i < k->nscalar; i++)
    out[i] = k->scalar[i].kind == 1 ? *(const uint64_t *)(uintptr_t)scalar[i] : scalar[i];
}

// One map, of the first argument.
static void see_maps(const ToyKernel *k, const uint64_t *word, bool framed) {
  const uint64_t *map = word + k->words - BIGS_MAP_WORDS;
  int plain = 3 + at_least_one(k->narg) + TOY_NDIM + at_least_one(k->nscalar);
  TensorMap made;
  memcpy(&made, map, sizeof made);
  ck_assert(!framed || (uintptr_t)map % 128 == 0);
  ck_assert_int_eq((map - word) % BIGS_MAP_WORDS, 0);
  ck_assert_uint_le(word[plain], 1);
  ck_assert(!word[plain] || (uintptr_t)made.base == word[3]);
  gpu_seen.mapped += (int)word[plain];
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
  gpu_seen.launched = hash_bytes(gpu_seen.launched, word, (size_t)k->words * sizeof *word);
  BigsFrame f = {.arg = arg, .sym = (const int64_t *)sym, .scalar = scalar};
  take_scalars(k, sym + TOY_NDIM, scalar);
  gpu_seen.shared = shared > gpu_seen.shared ? shared : gpu_seen.shared;
  gpu_seen.blocks = blocks > gpu_seen.blocks ? blocks : gpu_seen.blocks;
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
  for (unsigned i = grid->depth; i-- > 0;) {
    if (k->maps)
      see_maps(k, frame + i * (unsigned)k->words, framed);
    run_frame(k, frame + i * (unsigned)k->words, grid);
  }
}

static void make_toy_functions(void) {
  toy_function[GPU_KERNELS + CUDA_WORDS] = (FakeFunction){write_words, NULL, 66};
  toy_function[GPU_KERNELS + CUDA_DECIDE] = (FakeFunction){decide, NULL, 5};
  ck_assert_int_le(toy_module.nkernel, GPU_KERNELS);
  for (int p = 0; p < toy_module.nprogram; p++)
    for (int i = 0; i < toy_module.program[p].nstep; i++) {
      const BigsStep *step = &toy_module.program[p].step[i];
      ToyKernel *k = &toy_kernel[step->index];
      ck_assert_int_le(step->nscalar, 4);
      *k = (ToyKernel){toy_module.kernel[step->index],
                       step->narg,
                       step->nscalar,
                       step->scalar,
                       3 + at_least_one(step->narg) + TOY_NDIM + at_least_one(step->nscalar),
                       0};
      toy_function[step->index] = (FakeFunction){run_tasks, k, k->words};
    }
}

int toy_finds(bigs_model *m, int kernel, void **out) {
  int n = m->module->nkernel;
  *out = &toy_function[kernel < n ? kernel : GPU_KERNELS + kernel - n];
  return kernel < n + CUDA_OWN_KERNELS
             ? 0
             : bigs_fail(&m->error, BIGS_EBUG, "there is no kernel %d", kernel);
}

// ---- the driver
static char dir[TEST_PATH];
FakeCuda *gpu_fake;

const char *gpu_path(const char *name) {
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
      test_source_dir(), more, test_source_dir(), gpu_path(name));
  ck_assert_msg(system(command) == 0, "%s", command);
}

void gpu_compile_drivers(void) {
  test_make_dir(dir);
  compile_driver("libcuda.so", "");
  compile_driver("without.so", "-DcuMemAlloc_v2=gone");
  compile_driver("old.so", "-DcuGraphInstantiateWithFlags=gone");
  compile_driver("timeless.so", "-DcuEventElapsedTime_v2=gone");
  make_toy_functions();
}
void gpu_remove_drivers(void) {
  test_remove_dir(dir);
}

void gpu_plug_in_driver(const char *name) {
  void *so = dlopen(gpu_path(name), RTLD_NOW | RTLD_LOCAL);
  FakeCudaNew *anew;
  ck_assert_msg(so != NULL, "%s", dlerror());
  *(void **)&anew = dlsym(so, "fake_cuda");
  gpu_fake = anew();
  ck_assert_int_eq(setenv("BIGSC_LIBCUDA", gpu_path(name), 1), 0);
}

void gpu_plug_in(void) {
  unsetenv("BIGS_CUDA");
  gpu_plug_in_driver("libcuda.so");
}

// Nothing is left on the GPU, and the thread's own context is current.
void gpu_unplug(void) {
  ck_assert_int_eq(gpu_fake->areas, 0);
  ck_assert_int_eq(gpu_fake->contexts, 0);
  ck_assert_int_eq(gpu_fake->current, 0);
  ck_assert_int_eq(gpu_fake->streams, 0);
  ck_assert_int_eq(gpu_fake->events, 0);
  ck_assert_int_eq(gpu_fake->graphs, 0);
  ck_assert_int_eq(gpu_fake->modules, 0);
  unsetenv("BIGSC_LIBCUDA");
}

// ---- handles
char gpu_error[GPU_ERROR];

bigs_model *gpu_try_open(const BigsDevice *device, const char *weights, int *status) {
  bigs_options o = {
      .size = sizeof(bigs_options), .threads = 2, .seed = 5, .device = device, .status = status};
  return bigs_model_open_with(&toy_module, weights, &o, gpu_error, sizeof gpu_error);
}

bigs_model *gpu_open_on(const BigsDevice *device, const char *weights) {
  bigs_model *m = gpu_try_open(device, weights, NULL);
  ck_assert_msg(m != NULL, "%s", gpu_error);
  return m;
}

bigs_model *gpu_open_module(const BigsModule *module, const BigsDevice *device) {
  bigs_options o = {.size = sizeof(bigs_options), .threads = 2, .seed = 5, .device = device};
  bigs_model *m = bigs_model_open_with(module, NULL, &o, gpu_error, sizeof gpu_error);
  ck_assert_msg(m != NULL, "%s", gpu_error);
  return m;
}

bigs_model *gpu_open_found(CudaDevice *gpu) {
  *gpu = cuda_device(0, 0, NULL, toy_finds);
  return gpu_open_on(&gpu->base, NULL);
}

const float gpu_ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
int gpu_scale(bigs_model *m, int64_t B, int64_t L, float *out) {
  return bigs_model_run(m, TOY_SCALE, DIMS(B, L, 0), (const void *[]){gpu_ones, NULL},
                        (void *[]){out});
}

static const int32_t ids[8] = {1, 2, 3, 4, 5, 6, 0, 1}, place[4] = {0, 3, 7, 5},
                     labels[4] = {2, 5, 2, 6};
static const bool mask[8] = {1, 1, 1, 1, 1, 1, 1, 1};
static const void *const batch[] = {ids, mask, place, labels};
int gpu_step(bigs_model *m, float *loss) {
  return bigs_model_step(m, 0, DIMS(2, 4, 3), batch, loss);
}
int gpu_step_without_labels(bigs_model *m) {
  float loss;
  return bigs_model_step(m, 0, DIMS(2, 4, 3), (const void *[]){ids, mask, place, NULL}, &loss);
}
int gpu_step_of(bigs_model *m, int64_t M, float *loss) {
  return bigs_model_step(m, 0, DIMS(2, 4, M), batch, loss);
}
int gpu_recipe(bigs_model *m, const TrainRecipe *r, float *loss, OptReport *report) {
  return model_step(m, 0, r, DIMS(2, 4, 3), batch, 1, loss, report);
}
static int next_piece(void *ctx, int64_t i, PieceArgs *out) {
  static int64_t dims[TOY_NDIM];
  (void)ctx;
  memcpy(dims, DIMS(2, 4, 1 + i % 4), sizeof dims);
  *out = (PieceArgs){dims, batch, 1 + i % 4};
  return 0;
}
int gpu_pieces(bigs_model *m, const TrainRecipe *r, int64_t n, float *loss, OptReport *report) {
  StepPieces p = {.n = n, .own = n, .next = next_piece};
  return pieces_step(m, 0, r, &p, loss, report);
}
int gpu_gradient(bigs_model *m, float *loss) {
  return bigs_model_grad(m, 0, DIMS(2, 4, 3), batch, loss);
}

void gpu_same_scale(bigs_model *a, bigs_model *b, int64_t B, int64_t L) {
  float x[64], y[64];
  ck_assert_int_eq(gpu_scale(a, B, L, x), 0);
  ck_assert_msg(gpu_scale(b, B, L, y) == 0, "%s", bigs_model_error(b));
  ck_assert_mem_eq(x, y, (size_t)(B * L) * sizeof *x);
}

void gpu_same_steps(bigs_model *a, bigs_model *b, int n) {
  float x, y;
  for (int i = 0; i < n; i++) {
    ck_assert_int_eq(gpu_step(a, &x), 0);
    ck_assert_msg(gpu_step(b, &y) == 0, "%s", bigs_model_error(b));
    ck_assert_mem_eq(&x, &y, sizeof x);
  }
}

void gpu_same_parameters(bigs_model *a, bigs_model *b) {
  float x[64], y[64];
  for (int i = 0; i < TOY_NPARAM; i++)
    for (int what = BIGS_THE_WEIGHT; what <= BIGS_THE_MOMENT2; what++) {
      size_t n = (size_t)param_count(&toy_module.param[i]);
      ck_assert_int_eq(bigs_model_get(a, (bigs_what)what, i, x), 0);
      ck_assert_int_eq(bigs_model_get(b, (bigs_what)what, i, y), 0);
      ck_assert_mem_eq(x, y, n * sizeof *x);
    }
}

void gpu_same_files(const char *a, const char *b) {
  char command[4 * TEST_PATH];
  snprintf(command, sizeof command, "diff -r '%s' '%s'", a, b);
  ck_assert_msg(system(command) == 0, "%s", command);
}

void gpu_is_dead(bigs_model *m) {
  const char *says =
      "Fake 0 has failed before (CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was "
      "encountered)): nothing in this process can use it any more";
  float x[64];
  toy_fails(m, gpu_scale(m, 7, 8, x), 3, says);
  toy_fails(m, gpu_step(m, x), 3, says);
  toy_fails(m, bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, x), 3, says);
  toy_fails(m, bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, x), 3, says);
  toy_fails(m, bigs_model_save(m, gpu_path("dead"), NULL), 3, says);
}

FakeCuda gpu_since(const FakeCuda *then) {
  return (FakeCuda){.launches = gpu_fake->launches - then->launches,
                    .replays = gpu_fake->replays - then->replays,
                    .allocations = gpu_fake->allocations - then->allocations,
                    .waits = gpu_fake->waits - then->waits};
}

// How a handle's steps get to a GPU: a caller's streams, graphs, grouped launches.
#include "runtime/cuda/driver.h"
#include "tests/unit/gpu_bed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// What the entry makes of gpu_ones, B = 7, and of that.
static void scale_twice(bigs_model *m, float *once, float *twice) {
  ck_assert_int_eq(gpu_scale(m, 7, 8, once), 0);
  ck_assert_int_eq(
      bigs_model_run(m, TOY_SCALE, DIMS(7, 8, 0), (const void *[]){once, NULL}, (void *[]){twice}),
      0);
}

// Nobody waits, and all is done in the order of the calls: the second stream waits for the first one,
// whose result it reads, and new weights are none for work that was put before.
START_TEST(streams_of_a_caller_are_joined) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = gpu_open_on(NULL, NULL), *far = gpu_open_on(&gpu.base, NULL);
  float once[64], twice[64];
  Caller c;
  caller_begins(&c, gpu_ones);
  scale_twice(near, once, twice);
  int waits = gpu_fake->waits;
  scale_on(far, &c, 0, c.x, c.y[0], 7);
  scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  ck_assert_int_eq(gpu_fake->waits, waits);
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
  bigs_model *near = gpu_open_on(NULL, NULL), *far = gpu_open_on(&gpu.base, NULL);
  float want[64];
  Caller c;
  caller_begins(&c, gpu_ones);
  scale_on(far, &c, 0, c.x, c.y[0], 3);
  ck_assert_int_eq(c.driver.stream_free(c.stream[0]), 0);
  c.stream[0] = NULL;
  gpu_same_scale(near, far, 5, 8);
  ck_assert_int_eq(gpu_scale(near, 3, 8, want), 0);
  is_scaled(&c, 1, 0, want, 3);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

// ---- steps as one
static bigs_model *open_alike(const BigsDevice *device, bigs_model **near) {
  *near = gpu_open_on(NULL, NULL);
  return gpu_open_on(device, NULL);
}

// Since then there were n replays of a graph, and two launches for each.
static void only_replays(const FakeCuda *then, int n) {
  FakeCuda got = gpu_since(then);
  ck_assert_int_eq(got.replays, n);
  ck_assert_int_eq(got.launches, 2 * n);
}

// From the second call of a size on; sizes that were not seen lately, and memory that has moved since,
// are noted again.
START_TEST(steps_become_a_graph) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  gpu_same_scale(near, far, 3, 4);
  ck_assert_int_eq(gpu_fake->replays, 0);
  gpu_same_scale(near, far, 3, 4);
  int launches = gpu_fake->launches, replays = gpu_fake->replays;
  ck_assert_int_gt(replays, 0);
  gpu_same_scale(near, far, 3, 4);
  ck_assert_int_eq(gpu_fake->launches, launches);
  ck_assert_int_eq(gpu_fake->replays, ++replays);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  gpu_same_scale(near, far, 3, 4);
  gpu_same_scale(near, far, 7, 8);
  replays = gpu_fake->replays;
  gpu_same_scale(near, far, 3, 4); // for which the arena was too small
  ck_assert_int_eq(gpu_fake->replays, replays);
  for (int i = 0; i < 4; i++)
    for (int B = 1; B < 8; B++)
      gpu_same_scale(near, far, B, 1 + i % 2);
  gpu_same_steps(near, far, 5);
  gpu_same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

static void save_and_load(bigs_model *near, bigs_model *far) {
  ck_assert_int_eq(bigs_model_save(near, gpu_path("near"), NULL), 0);
  ck_assert_int_eq(bigs_model_load(near, gpu_path("near")), 0);
  ck_assert_int_eq(bigs_model_load(far, gpu_path("near")), 0);
}

// From the third step on: gradients, their norm, what follows from it, and the update; the host waits once.  What it launches
// by itself are the keys and the rates.  Nothing is allocated.
START_TEST(a_training_step_is_one_graph) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  gpu_same_steps(near, far, 3);
  FakeCuda then = *gpu_fake;
  gpu_same_steps(near, far, 3);
  FakeCuda got = gpu_since(&then);
  ck_assert_int_eq(got.replays, 3);
  ck_assert_int_eq(got.launches, 3 * 2);
  ck_assert_int_eq(got.waits, 3);
  ck_assert_int_eq(got.allocations, 0);
  gpu_same_parameters(near, far);
  gpu_same_scale(near, far, 7, 8); // with a larger arena
  gpu_same_steps(near, far, 3);
  gpu_same_parameters(near, far);
  save_and_load(near, far);
  gpu_same_steps(near, far, 3);
  gpu_same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// In the first step, in one that is noted, is recorded, is replayed: the parameters are as before, or the error says
// that they are not.  0: the loss is finite, the gradient is infinite.
enum { NOT_FINITE = 6 };
START_TEST(numbers_that_are_not_finite_are_told) {
  static const float gain[] = {NAN, INFINITY, 1e-45f, 3e38f, 0, -1};
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  float x, y;
  gpu_same_steps(near, far, _i / NOT_FINITE);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &gain[_i % NOT_FINITE]), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &gain[_i % NOT_FINITE]), 0);
  int status = gpu_step(near, &x);
  ck_assert_int_eq(gpu_step(far, &y), status);
  ck_assert_str_eq(bigs_model_error(far), bigs_model_error(near));
  if (_i / NOT_FINITE || !status)
    gpu_same_parameters(near, far);
  ck_assert_int_eq(far->step, near->step);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// The graph of the step that went wrong is that of those behind it.
START_TEST(a_step_that_failed_leaves_the_graph) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  float x, y, was[2][TOY_V], zero = 0;
  gpu_same_steps(near, far, 3);
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq(bigs_model_get(i ? far : near, BIGS_THE_WEIGHT, TOY_GAIN, was[i]), 0);
  for (int i = 0; i < 2; i++) {
    bigs_model *m = i ? far : near;
    ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &zero), 0);
    toy_fails(m, gpu_step(m, i ? &y : &x), BIGS_ENUMERIC, "the gradient is not finite (norm inf)");
    toy_fails(m, gpu_step_without_labels(m), BIGS_EUSAGE, "input labels is missing");
    ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, was[i]), 0);
  }
  ck_assert_mem_eq(&x, &y, sizeof x);
  FakeCuda then = *gpu_fake;
  gpu_same_steps(near, far, 2);
  only_replays(&then, 2);
  gpu_same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

static void same_recipe(bigs_model *near, bigs_model *far, const TrainRecipe *r) {
  float x, y;
  OptReport a, b;
  ck_assert_int_eq(gpu_recipe(near, r, &x, &a), 0);
  ck_assert_msg(!gpu_recipe(far, r, &y, &b), "%s", bigs_model_error(far));
  ck_assert_mem_eq(&x, &y, sizeof x);
  ck_assert(a.norm == b.norm && a.rate == b.rate && !b.spoilt);
}

// Other rates and other lengths of the gradient's clip are in the block, so the graph stays; a decay that is that of a group
// joins ranges, and another graph follows.
START_TEST(a_recipe_changes_between_steps) {
  static const double clips[] = {1, 0, 1e-3, 1e9, 0.25};
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  TrainRecipe r = recipe_of(&toy_module.train[0]);
  gpu_same_steps(near, far, 3);
  FakeCuda then = *gpu_fake;
  for (int i = 0; i < COUNT(clips); i++) {
    r.clip = clips[i];
    r.rate = 0.01 * (i + 1);
    same_recipe(near, far, &r);
    gpu_same_parameters(near, far);
  }
  only_replays(&then, COUNT(clips));
  for (int i = 0; i < 6; i++) {
    r.decay = i < 3 ? 0 : 0.1;
    same_recipe(near, far, &r);
    gpu_same_parameters(near, far);
  }
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// As masked places differ from batch to batch: each of the last sizes has its own.
START_TEST(batches_of_some_sizes_keep_their_graphs) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  FakeCuda then;
  for (int i = 0; i < 5 * BINDINGS_OF_GRADIENT; i++) {
    float x, y;
    if (i == 3 * BINDINGS_OF_GRADIENT)
      then = *gpu_fake;
    ck_assert_int_eq(gpu_step_of(near, 1 + i % BINDINGS_OF_GRADIENT, &x), 0);
    ck_assert_msg(!gpu_step_of(far, 1 + i % BINDINGS_OF_GRADIENT, &y), "%s", bigs_model_error(far));
    ck_assert_mem_eq(&x, &y, sizeof x);
  }
  only_replays(&then, 2 * BINDINGS_OF_GRADIENT);
  gpu_same_parameters(near, far);
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
  caller_begins(&c, gpu_ones);
  scale_twice(near, once, twice);
  for (int i = 0; i < 3; i++) {
    scale_on(far, &c, 0, c.x, c.y[0], 7);
    scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  }
  is_scaled(&c, 1, 1, twice, 7);
  ck_assert_int_eq(gpu_fake->replays, 0);
  for (int i = 0; i < 3; i++)
    scale_on(far, &c, 0, c.x, c.y[0], 7);
  ck_assert_int_eq(gpu_fake->replays, 2);
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
  gpu_fake->no_graph = _i < 4 ? _i : 0;
  if (!_i)
    setenv("BIGS_CUDA", "sync", 1);
  if (_i == 4)
    gpu_plug_in_driver("old.so");
  bigs_model *near, *far = open_alike(&gpu.base, &near);
  for (int i = 0; i < 4; i++)
    gpu_same_scale(near, far, 3, 4);
  gpu_same_steps(near, far, 4);
  gpu_same_parameters(near, far);
  ck_assert_int_eq(gpu_fake->replays, 0);
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
  gpu_same_scale(near, far, 3, 4);
  gpu_fake->refuse_at = gpu_fake->launches + 1;
  for (int i = 0; i < 3; i++)
    gpu_same_scale(near, far, 3, 4);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

START_TEST(a_graph_that_fails) {
  CudaDevice gpu;
  bigs_model *m = gpu_open_found(&gpu);
  float out[64];
  ck_assert_int_eq(gpu_scale(m, 3, 4, out), 0);
  gpu_fake->fault_at = gpu_fake->launches + 1;
  toy_fails(m, gpu_scale(m, 3, 4, out), 3, "Fake 0 failed, at the latest in `");
  gpu_is_dead(m);
  bigs_model_close(m);
}
END_TEST

// A handle whose kernels read their frames from the GPU's memory, and whose initial values are two
// launches: two steps of one kernel are one.
// but_for: a program whose kernels do so in its prologue alone; NULL: all do.
static bigs_model *open_framed(BigsModule *module, const CudaDevice *gpu,
                               const BigsProgram *but_for) {
  static BigsLaunch launch[GPU_KERNELS];
  static BigsProgram program[8];
  static BigsStep init[4];
  const BigsProgram *p = &toy_module.program[TOY_INIT];
  *module = toy_module;
  memcpy(program, module->program, (size_t)module->nprogram * sizeof *program);
  memcpy(init, p->step, (size_t)p->nstep * sizeof *init);
  for (int i = 0; i < GPU_KERNELS; i++)
    launch[i] = (BigsLaunch){.threads = 256, .tasks = 8, .frames = 1};
  for (int i = 0; but_for && i < but_for->nstep; i++)
    launch[but_for->step[i].index].frames = i < but_for->nprologue;
  for (int i = 0; i < GPU_KERNELS; i++)
    toy_function[i].words = launch[i].frames ? 3 : toy_kernel[i].words;
  init[0].group = 2;
  program[TOY_INIT].step = init;
  module->program = program, module->launch = launch, module->nlaunch = module->nkernel;
  return gpu_open_module(module, &gpu->base);
}

START_TEST(steps_of_one_kernel_are_one_launch) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  BigsModule module;
  bigs_model *near = gpu_open_on(NULL, NULL);
  int launches = gpu_fake->launches;
  bigs_model *far = open_framed(&module, &gpu, NULL);
  ck_assert_int_eq(gpu_fake->launches - launches, 3); // and the keys
  for (int i = 0; i < 12; i++)
    gpu_same_scale(near, far, 1 + i / 3, 8 - i % 2);
  gpu_same_steps(near, far, 4);
  gpu_same_parameters(near, far);
  gpu_same_scale(near, far, 7, 8);
  gpu_same_steps(near, far, 3);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// All kernels have a map of their first argument, whose lines are `step` numbers apart.
static bigs_model *open_mapped(BigsModule *module, const CudaDevice *gpu, bool framed,
                               int64_t step) {
  static BigsLaunch launch[GPU_KERNELS];
  static BigsMap map = {.lines = 64};
  *module = toy_module;
  for (int i = 0; i < 3; i++)
    map.extent[i] = poly_const(i < 2 ? 64 : 1);
  for (int i = 0; i < 2; i++)
    map.step[i] = poly_const(step);
  for (int i = 0; i < GPU_KERNELS; i++) {
    launch[i] = (BigsLaunch){.threads = 256, .tasks = 8, .frames = framed, .maps = 1};
    toy_kernel[i].words = bigs_frame_words(toy_kernel[i].words, 1);
    toy_kernel[i].maps = 1;
    toy_function[i].words = framed ? 3 : toy_kernel[i].words;
  }
  module->launch = launch, module->nlaunch = module->nkernel, module->map = &map, module->nmap = 1;
  return gpu_open_module(module, &gpu->base);
}

// Maps stand in the frames, wherever these are, or the frames say that there are none: of a GPU that has none (1), or of lines at no
// multiple of 16 bytes (2).
START_TEST(maps_stand_in_frames) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  BigsModule module;
  bigs_model *near = gpu_open_on(NULL, NULL);
  int without = _i / 2;
  gpu_fake->major = without == 1 ? 10 : 9;
  bigs_model *far = open_mapped(&module, &gpu, _i % 2, without == 2 ? 65 : 64);
  for (int i = 0; i < 4; i++)
    gpu_same_scale(near, far, 1 + i, 8);
  gpu_same_steps(near, far, 3);
  gpu_same_parameters(near, far);
  ck_assert((gpu_seen.mapped > 10) == !without);
  ck_assert((gpu_fake->maps > 10) == !without);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// The frames of a caller's tensors, which are elsewhere in each call, are not written over while they may
// be read; nobody waits where no frame has a caller's tensor.
START_TEST(frames_follow_tensors_that_move) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  BigsModule module;
  bigs_model *near = gpu_open_on(NULL, NULL), *far;
  far = open_framed(&module, &gpu, _i ? &toy_module.program[TOY_SCALE] : NULL);
  float once[64], twice[64];
  Caller c;
  caller_begins(&c, gpu_ones);
  scale_twice(near, once, twice);
  scale_on(far, &c, 0, c.x, c.y[0], 7);
  int waits = gpu_fake->waits;
  for (int i = 0; i < 3; i++) {
    scale_on(far, &c, 0, c.x, c.y[0], 7);
    scale_on(far, &c, 1, c.y[0], c.y[1], 7);
  }
  ck_assert((gpu_fake->waits == waits) == (_i == 1));
  is_scaled(&c, 1, 1, twice, 7);
  is_scaled(&c, 0, 0, once, 7);
  bigs_model_close(near);
  bigs_model_close(far);
  caller_ends(&c);
}
END_TEST

Suite *cuda_graph_suite(void);
Suite *cuda_graph_suite(void) {
  Suite *s = suite_create("cuda_graph");
  TCase *t = tcase_create("cuda_graph");
  tcase_add_unchecked_fixture(t, gpu_compile_drivers, gpu_remove_drivers);
  tcase_add_checked_fixture(t, gpu_plug_in, gpu_unplug);
  tcase_add_test(t, streams_of_a_caller_are_joined);
  tcase_add_test(t, a_stream_may_end_after_the_call);
  tcase_add_test(t, steps_become_a_graph);
  tcase_add_test(t, a_training_step_is_one_graph);
  tcase_add_loop_test(t, numbers_that_are_not_finite_are_told, 0, 5 * NOT_FINITE);
  tcase_add_test(t, a_step_that_failed_leaves_the_graph);
  tcase_add_test(t, a_recipe_changes_between_steps);
  tcase_add_test(t, batches_of_some_sizes_keep_their_graphs);
  tcase_add_test(t, tensors_that_move_are_followed);
  tcase_add_loop_test(t, steps_go_one_by_one_without_graphs, 0, 5);
  tcase_add_test(t, a_launch_that_is_refused_while_it_is_recorded);
  tcase_add_test(t, a_graph_that_fails);
  tcase_add_test(t, steps_of_one_kernel_are_one_launch);
  tcase_add_loop_test(t, maps_stand_in_frames, 0, 6);
  tcase_add_loop_test(t, frames_follow_tensors_that_move, 0, 2);
  suite_add_tcase(s, t);
  return s;
}

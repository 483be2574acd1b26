// A GPU as the device of a handle, on a driver of ours (tests/cuda/fake_cuda.c): values and files are
// those of the processors, and every way in which a GPU fails is told in one sentence.
#include "tests/unit/faults.h"
#include "tests/unit/gpu_bed.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// ---- values
// Twice: with functions of a cubin, and with those that somebody finds.
START_TEST(a_gpu_does_what_the_processors_do) {
  CudaDevice gpu = cuda_device(0, 0, _i ? &toy_image : NULL, _i ? NULL : toy_finds);
  bigs_model *near = gpu_open_on(NULL, NULL), *far = gpu_open_on(&gpu.base, NULL), *again;
  for (int64_t B = 1; B < 8; B += 2)
    gpu_same_scale(near, far, B, 1 + B % 8);
  gpu_same_steps(near, far, 3);
  gpu_same_parameters(near, far);
  ck_assert_int_eq(bigs_model_set(near, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  gpu_same_scale(near, far, 3, 8);
  gpu_same_steps(near, far, 2);
  ck_assert_int_eq(bigs_model_save(near, gpu_path("near"), NULL), 0);
  ck_assert_int_eq(bigs_model_save(far, gpu_path("far"), NULL), 0);
  gpu_same_files(gpu_path("near"), gpu_path("far"));
  again = gpu_open_on(&gpu.base, gpu_path("near"));
  gpu_same_scale(near, again, 2, 4);
  bigs_model_close(near);
  bigs_model_close(far);
  bigs_model_close(again);
}
END_TEST

// What is another from step to step is not in the launches, so that they can be kept and repeated.
START_TEST(pieces_are_added_on_the_gpu) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = gpu_open_on(NULL, NULL), *far = gpu_open_on(&gpu.base, NULL);
  TrainRecipe r = recipe_of(&toy_module.train[0]);
  OptReport a, b;
  float x, y;
  for (int64_t n = 2; n < 8; n++) {
    ck_assert_msg(!gpu_pieces(near, &r, n, &x, &a), "%s", bigs_model_error(near));
    FakeCuda then = *gpu_fake;
    ck_assert_msg(!gpu_pieces(far, &r, n, &y, &b), "%s", bigs_model_error(far));
    ck_assert_int_lt(gpu_fake->fetched - then.fetched,
                     toy_module.param_bytes); // losses, norms, no gradients
    ck_assert_mem_eq(&x, &y, sizeof x);
    ck_assert_double_eq(a.norm, b.norm);
    gpu_same_parameters(near, far);
  }
  gpu_same_steps(near, far, 3);
  gpu_same_parameters(near, far);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

START_TEST(steps_are_launched_alike) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  bigs_model *near = gpu_open_on(NULL, NULL), *far = gpu_open_on(&gpu.base, NULL);
  uint64_t before = 0;
  float last = 0, x, y;
  for (int i = 0; i < 4; i++) {
    near->step = far->step = 100 * i;
    gpu_seen.launched = 0;
    ck_assert_int_eq(gpu_gradient(near, &x), 0);
    ck_assert_int_eq(gpu_gradient(far, &y), 0);
    ck_assert_mem_eq(&x, &y, sizeof x);
    ck_assert(i < 2 ||
              (gpu_seen.launched == before && x != last)); // the first ones make what is there then
    before = gpu_seen.launched, last = x;
  }
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

// The module's table says that blocks do the tasks, and with how much shared memory: that which all have, or more.
static const int shared_sizes[] = {4096, 48 << 10, 70000, 300 << 10};

START_TEST(a_block_does_a_task) {
  static BigsLaunch launch[GPU_KERNELS];
  BigsModule module = toy_module;
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  for (int i = 0; i < GPU_KERNELS; i++)
    launch[i] = (BigsLaunch){.threads = 256, .tasks = 1, .shared = shared_sizes[_i]};
  gpu_fake->processors = 8;
  module.launch = launch;
  module.nlaunch = module.nkernel;
  bigs_options o = {.size = sizeof(bigs_options), .threads = 2, .seed = 5, .device = &gpu.base};
  bigs_model *far = bigs_model_open_with(&module, NULL, &o, gpu_error, sizeof gpu_error);
  if (shared_sizes[_i] > 227 << 10) {
    ck_assert_ptr_null(far);
    ck_assert_msg(strstr(gpu_error, "a kernel cannot have 307200 bytes of shared memory") != NULL,
                  "%s", gpu_error);
    return;
  }
  bigs_model *near = gpu_open_on(NULL, NULL);
  ck_assert_msg(far != NULL, "%s", gpu_error);
  ck_assert_uint_eq(gpu_seen.shared, (unsigned)shared_sizes[_i]);
  gpu_seen.blocks = 0;
  gpu_same_scale(near, far, 7, 8);
  ck_assert_uint_eq(gpu_seen.blocks, 7);
  bigs_model_close(near);
  bigs_model_close(far);
}
END_TEST

START_TEST(scratch_memory_is_bounded) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  gpu_fake->processors = 132, gpu_fake->threads = 2048;
  bigs_model *m = gpu_open_on(&gpu.base, NULL);
  ck_assert_int_eq(m->threads, 132 * 64);
  ck_assert_int_eq(gpu.base.workers(m, 1, 0), 8);
  ck_assert_int_eq(gpu.base.workers(m, 17, 64), 24);
  ck_assert_int_eq(gpu.base.workers(m, INT64_MAX, 64), 132 * 64);
  ck_assert_int_eq(gpu.base.workers(m, INT64_MAX, 1 << 20), 256);
  ck_assert_int_eq(gpu.base.workers(m, 1 << 20, INT64_MAX / 4096), 8);
  bigs_model_close(m);
}
END_TEST

// ---- memory
// What a batch of B asks of a GPU with `memory` bytes left: the largest that would fit, B itself when it
// did, 0 when not even one would.  Nothing is allocated or launched for what does not fit.
static int64_t largest(bigs_model *m, size_t memory, int64_t B) {
  char said[80];
  float y[64];
  long long fits = 0;
  gpu_fake->memory = gpu_fake->taken + memory;
  FakeCuda then = *gpu_fake;
  int status = gpu_scale(m, B, 8, y);
  if (!status)
    return B;
  FakeCuda got = gpu_since(&then);
  ck_assert_int_eq(got.allocations + got.launches + got.replays, 0);
  toy_fails(m, status, 1, "scale with B = ");
  snprintf(said, sizeof said, " more of the GPU's memory, of which %s are free",
           bigs_bytes((double)memory).text);
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
    bigs_model *m = gpu_open_on(&gpu.base, NULL);
    int64_t fits = largest(m, memory, 8);
    ck_assert_int_le(fits, 8);
    for (int64_t B = 8; B > fits; B--)
      ck_assert_int_eq(largest(m, memory, B), fits);
    ck_assert(!fits || largest(m, memory, fits) == fits);
    seen |= 1 << fits;
    gpu_fake->memory = 1 << 30;
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
    bigs_model *m = gpu_open_on(&gpu.base, NULL);
    gpu_fake->memory = gpu_fake->taken + memory;
    FakeCuda then = *gpu_fake;
    status = gpu_step(m, &loss);
    FakeCuda got = gpu_since(&then);
    if (status)
      toy_fails(m, status, 1, "fit with B = 2 needs 2.2 KiB more of the GPU's memory, of which ");
    ck_assert_int_eq(!status, got.launches > 0);
    too_little += status != 0;
    gpu_fake->memory = 1 << 30;
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
    {NULL, {.no_memory_at = 1}, 0, 0, 1, "out of memory for parameters (640 bytes)"},
    {NULL,
     {.refuse_at = 2},
     0,
     0,
     3,
     "Fake 0: a kernel cannot be launched in `a step` of init, kernel k10: "
     "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (too many resources requested for launch)"},
};

static void set_switches(const FakeCuda *is) {
  gpu_fake->version = is->version ? is->version : gpu_fake->version;
  gpu_fake->gpus = is->gpus < 0 ? 0 : is->gpus ? is->gpus : gpu_fake->gpus;
  gpu_fake->major = is->major ? is->major : gpu_fake->major;
  gpu_fake->minor = is->minor ? is->minor : gpu_fake->minor;
  gpu_fake->no_memory_at = is->no_memory_at;
  gpu_fake->refuse_at = is->refuse_at;
  gpu_fake->fault_at = is->fault_at;
}

START_TEST(a_gpu_that_is_not_to_be_had) {
  const NoGpu *n = &no_gpus[_i];
  CudaDevice gpu = cuda_device(n->ordinal, n->version, &toy_image, NULL);
  int status;
  if (n->library)
    setenv("BIGSC_LIBCUDA", gpu_path(n->library), 1);
  set_switches(&n->is);
  ck_assert_ptr_null(gpu_try_open(&gpu.base, NULL, &status));
  ck_assert_msg(strstr(gpu_error, n->says) != NULL, "got: %s", gpu_error);
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
  ck_assert_ptr_null(bigs_model_open_with(
      &module, NULL, &(bigs_options){.size = sizeof(bigs_options), .status = &status}, why,
      sizeof why));
  ck_assert_int_eq(status, BIGS_EMODEL);
  ck_assert_ptr_nonnull(strstr(why, "is compiled for CUDA, and this runtime is for processors"));
}
END_TEST

START_TEST(code_that_lacks_a_kernel) {
  FakeImage short_one = {.count = 3, .function = toy_function, .words = &toy_function[GPU_KERNELS]};
  CudaDevice gpu = cuda_device(0, 0, &short_one, NULL);
  int status;
  ck_assert_ptr_null(gpu_try_open(&gpu.base, NULL, &status));
  ck_assert_str_eq(
      gpu_error,
      "Fake 0: its code lacks kernel k10: CUDA_ERROR_NOT_FOUND (named symbol not found)");
  ck_assert_int_eq(status, 3);
}
END_TEST

// ---- while it works
static int use(bigs_model *m, float *out) {
  int err = gpu_scale(m, 5, 6, out);
  return err ? err : gpu_step(m, out);
}

// Nothing is lost by it, and with memory it works.
START_TEST(every_allocation_may_fail_on_a_gpu) {
  CudaDevice gpu = cuda_device(0, 0, &toy_image, NULL);
  float got[64], want[64];
  bigs_model *near = gpu_open_on(NULL, NULL);
  ck_assert_int_eq(use(near, want), 0);
  int n = 1, status = 1;
  for (; status; n++) {
    bigs_model *m = gpu_open_on(&gpu.base, NULL);
    gpu_fake->no_memory_at = gpu_fake->allocations + n;
    status = use(m, got);
    gpu_fake->no_memory_at = 0;
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
    bigs_model *m = gpu_try_open(&gpu.base, NULL, &status);
    status = m ? use(m, out) : status;
    fault_disarm();
    ck_assert_int_le(status, 1);
    bigs_model_close(m);
  }
  ck_assert_int_gt(n, 8);
}
END_TEST

START_TEST(a_launch_that_is_refused) {
  CudaDevice gpu;
  bigs_model *m = gpu_open_found(&gpu);
  float loss;
  gpu_fake->refuse_at = gpu_fake->launches + 3; // the first one writes the keys
  toy_fails(m, gpu_step(m, &loss), 3,
            "Fake 0: a kernel cannot be launched in `sqrt` (toy.mdl:12) of fit, kernel k5: "
            "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
  ck_assert_msg(gpu_step(m, &loss) == 0, "%s", bigs_model_error(m));
  bigs_model_close(m);
}
END_TEST

// What is still to be copied from the caller's memory is copied before the call returns.
START_TEST(a_run_that_ends_early_leaves_the_callers_memory) {
  CudaDevice gpu;
  bigs_model *m = gpu_open_found(&gpu);
  float y[64];
  float *x = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(x, MAP_FAILED);
  gpu_fake->refuse_at = gpu_fake->launches + 2;
  ck_assert_int_eq(
      bigs_model_run(m, TOY_SCALE, DIMS(4, 4, 0), (const void *[]){x, NULL}, (void *[]){y}), 3);
  munmap(x, 4096);
  ck_assert_int_eq(gpu_scale(m, 4, 4, y), 0);
  bigs_model_close(m);
}
END_TEST

// The time of a step is what it takes, not what it takes to ask for it: the GPU notes when it ends; by waiting for each
// where the driver has no times.
START_TEST(steps_that_are_timed_are_done) {
  CudaDevice gpu = cuda_device(0, 0, NULL, toy_finds);
  if (_i)
    gpu_plug_in_driver("timeless.so");
  bigs_model *m = gpu_open_on(&gpu.base, NULL);
  int64_t ns[8] = {0};
  float y[64];
  m->step_ns = ns;
  int waits = gpu_fake->waits;
  ck_assert_int_eq(gpu_scale(m, 4, 4, y), 0);
  ck_assert_int_eq(gpu_fake->waits - waits > 3, _i);
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
  bigs_model *m = bigs_model_open_with(
      &module, NULL, &(bigs_options){.size = sizeof(bigs_options), .device = &gpu.base}, gpu_error,
      sizeof gpu_error);
  ck_assert_msg(m != NULL, "%s", gpu_error);
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
  bigs_model *m = gpu_open_on(&gpu.base, NULL);
  gpu_fake->fault_at = gpu_fake->launches + 2 + _i % 3;
  snprintf(says, sizeof says, "Fake 0 failed%s %s%s", _i < 3 ? " in" : ", at the latest in",
           _i < 3 ? at[_i] : "`a step` of fit, kernel k7",
           _i < 3 ? ": CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)"
                  : ": ");
  toy_fails(m, gpu_step(m, &loss), 3, says);
  gpu_is_dead(m);
  bigs_model_close(m);
  int status;
  ck_assert_ptr_null(gpu_try_open(&gpu.base, NULL, &status));
  ck_assert_int_eq(status, 3);
}
END_TEST

Suite *cuda_driver_suite(void);
Suite *cuda_driver_suite(void) {
  Suite *s = suite_create("cuda_driver");
  TCase *t = tcase_create("cuda_driver");
  tcase_add_unchecked_fixture(t, gpu_compile_drivers, gpu_remove_drivers);
  tcase_add_checked_fixture(t, gpu_plug_in, gpu_unplug);
  tcase_add_loop_test(t, a_gpu_does_what_the_processors_do, 0, 2);
  tcase_add_loop_test(t, pieces_are_added_on_the_gpu, 0, 2);
  tcase_add_test(t, steps_are_launched_alike);
  tcase_add_loop_test(t, a_block_does_a_task, 0, (int)(sizeof shared_sizes / sizeof *shared_sizes));
  tcase_add_test(t, scratch_memory_is_bounded);
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

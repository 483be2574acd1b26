// Handles of modules: how they are opened, options, what callers do wrong, clones, devices, and the memory that sizes of calls may keep.
#include "runtime/exec/exec.h"
#include "tests/unit/far_device.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_bed.h"
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int bindings_of(const bigs_model *m, int64_t *bytes) {
  int n = 0;
  *bytes = 0;
  for (const Binding *b = m->binding[TOY_SCALE]; b; b = b->next, n++)
    *bytes += binding_bytes(b);
  return n;
}

// All lengths that were seen stay ready, as long as they fit into the bound.
START_TEST(sizes_are_kept_within_a_bound_of_memory) {
  bigs_options o = {.size = sizeof o, .threads = 1};
  int64_t bytes, bound;
  bigs_model *m = bigs_model_open_with(&toy_module, NULL, &o, NULL, 0);
  toy_prologues = 0;
  for (int k = 0; k < 2; k++)
    for (int64_t B = 1; B < 8; B++)
      for (int64_t L = 1; L < 9; L++)
        toy_scale(m, B, L, true, 1);
  ck_assert_int_eq(toy_prologues, 7 * 8);
  ck_assert_int_eq(bindings_of(m, &bytes), 7 * 8);
  bigs_model_close(m);
  o.memory = bound = bytes / 4;
  m = bigs_model_open_with(&toy_module, NULL, &o, NULL, 0);
  for (int64_t B = 1; B < 8; B++)
    for (int64_t L = 1; L < 9; L++) {
      toy_scale(m, B, L, true, 1);
      toy_scale(m, 1, 1, true, 1); // used last but one, always
      bindings_of(m, &bytes);
      ck_assert_int_le(bytes, bound);
    }
  toy_prologues = 0;
  toy_scale(m, 1, 1, true, 1);
  toy_scale(m, 7, 8, true, 1);
  toy_scale(m, 7, 7, true, 1);
  ck_assert_int_eq(toy_prologues, 0);
  toy_scale(m, 1, 2, true, 1);
  ck_assert_int_eq(toy_prologues, 1);
  bigs_model_close(m);
  o.memory = 1; // that of the call under way is there
  m = bigs_model_open_with(&toy_module, NULL, &o, NULL, 0);
  toy_scale(m, 3, 4, true, 1);
  toy_scale(m, 3, 5, false, 1);
  ck_assert_int_eq(bindings_of(m, &bytes), 1);
  bigs_model_close(m);
}
END_TEST

START_TEST(options_may_be_those_of_another_version) {
  struct {
    bigs_options o;
    int64_t more;
  } later = {.o = {.size = sizeof later, .seed = 9}, .more = 0};
  char error[256];
  int status = -1;
  bigs_model *m = bigs_model_open_with(&toy_module, NULL, &later.o, error, sizeof error);
  ck_assert_uint_eq(m->seed, 9);
  bigs_model_close(m);
  later.more = 1;
  later.o.status = &status;
  ck_assert_ptr_null(bigs_model_open_with(&toy_module, NULL, &later.o, error, sizeof error));
  ck_assert_int_eq(status, BIGS_EUSAGE);
  ck_assert_ptr_nonnull(strstr(error, "the others are not 0"));
  later.o.size = offsetof(bigs_options, seed); // of an earlier version
  m = bigs_model_open_with(&toy_module, NULL, &later.o, error, sizeof error);
  ck_assert_uint_eq(m->seed, 0);
  bigs_model_close(m);
  later.o.size = 0;
  ck_assert_ptr_null(bigs_model_open_with(&toy_module, NULL, &later.o, error, sizeof error));
  ck_assert_ptr_nonnull(strstr(error, "size is 0"));
}
END_TEST

START_TEST(callers_mistakes_are_errors) {
  bigs_model *m = toy_open();
  float x[8] = {0}, y[8];
  int32_t ids[8] = {0, 1, 2, 3, 4, 5, 7, 0};
  const void *in[] = {x, NULL}, *none[] = {NULL, NULL}, *look[] = {ids};
  void *out[] = {y}, *no_out[] = {NULL};
  toy_fails(m, bigs_model_run(m, TOY_SCALE, DIMS(2, 9, 0), in, out), 1,
            "L = 9: the model allows at most 8");
  toy_fails(m, bigs_model_run(m, TOY_SCALE, DIMS(0, 4, 0), in, out), 1,
            "B = 0: must be at least 1");
  toy_fails(m, bigs_model_run(m, TOY_SCALE, DIMS(INT64_MAX / 2, 4, 0), in, out), 1, "too large");
  toy_fails(m, bigs_model_run(m, TOY_SCALE, DIMS(2, 4, 0), none, out), 2, "input x is missing");
  toy_fails(m, bigs_model_run(m, TOY_SCALE, DIMS(2, 4, 0), in, no_out), 2, "output out is missing");
  toy_fails(m, bigs_model_run(m, TOY_SCALE, NULL, in, out), 2, "no value for B");
  toy_fails(m, bigs_model_run(m, TOY_LOOKUP, DIMS(2, 4, 0), look, out), 1,
            "ids[1, 2] = 7: must be 0 to 6");
  ids[6] = -1;
  toy_fails(m, bigs_model_run(m, TOY_LOOKUP, DIMS(2, 4, 0), look, out), 1, "ids[1, 2] = -1");
  toy_fails(m, bigs_model_run(m, TOY_FIT, DIMS(2, 4, 0), look, out), 2, "not an entry");
  toy_fails(m, bigs_model_run(m, 99, DIMS(2, 4, 0), look, out), 2, "not an entry");
  toy_fails(m, bigs_model_grad(m, 1, DIMS(2, 4, 1), look, y), 2, "train block");
  toy_fails(m, bigs_model_get(m, BIGS_THE_GRADIENT, TOY_BIAS, y), 2, "no such values yet");
  ids[6] = 6;
  ck_assert_int_eq(bigs_model_run(m, TOY_LOOKUP, DIMS(2, 4, 0), look, out), 0);
  ck_assert_str_eq(bigs_model_error(m), "");
  bigs_model_close(m);
}
END_TEST

// What a program that did not look at bigs_model_open's answer gets.
START_TEST(a_handle_that_did_not_open) {
  float x[8] = {0};
  ck_assert_int_eq(bigs_model_run(NULL, TOY_SCALE, DIMS(2, 4, 0), NULL, NULL), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_grad(NULL, 0, DIMS(2, 4, 3), NULL, x), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_step(NULL, 0, DIMS(2, 4, 3), NULL, x), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_save(NULL, "w", NULL), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_load(NULL, "w"), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_get(NULL, BIGS_THE_WEIGHT, 0, x), BIGS_EUSAGE);
  ck_assert_int_eq(bigs_model_set(NULL, BIGS_THE_WEIGHT, 0, x), BIGS_EUSAGE);
  ck_assert_ptr_nonnull(strstr(bigs_model_error(NULL), "did not open"));
  bigs_model_close(NULL);
}
END_TEST

START_TEST(names_and_numbers_that_are_not_there) {
  bigs_model *m = toy_open();
  float x[8] = {0};
  ck_assert_int_eq(bigs_model_entry(&toy_module, "lookup"), TOY_LOOKUP);
  ck_assert_int_eq(bigs_model_entry(&toy_module, "fit"), -1);
  ck_assert_int_eq(bigs_model_train(&toy_module, "fit"), 0);
  ck_assert_int_eq(bigs_model_train(&toy_module, "lookup"), -1);
  ck_assert_int_eq(bigs_model_parameter(&toy_module, "modes"), TOY_MODES);
  ck_assert_int_eq(bigs_model_parameter(&toy_module, "mode"), -1);
  toy_fails(m, bigs_model_run(m, -1, DIMS(2, 4, 0), NULL, NULL), 2, "program -1 is not an entry");
  toy_fails(m, exec_ready(m, -1, DIMS(2, 4, 0)), 2, "no program -1");
  toy_fails(m, exec_ready(m, 99, DIMS(2, 4, 0)), 2, "no program 99");
  toy_fails(m, bigs_model_grad(m, -1, DIMS(2, 4, 3), NULL, x), 2, "no train block -1");
  toy_fails(m, bigs_model_step(m, -1, DIMS(2, 4, 3), NULL, x), 2, "no train block -1");
  toy_fails(m, bigs_model_step(m, 1, DIMS(2, 4, 3), NULL, x), 2, "no train block 1");
  toy_fails(m, bigs_model_get(m, BIGS_THE_WEIGHT, TOY_NPARAM, x), 2, "no parameter 6");
  toy_fails(m, bigs_model_set(m, BIGS_THE_WEIGHT, -1, x), 2, "no parameter -1");
  toy_fails(m, bigs_model_get(m, (bigs_what)(BIGS_THE_AVERAGE + 1), TOY_BIAS, x), 2,
            "bias has no such values");
  toy_fails(m, bigs_model_get(m, (bigs_what)-1, TOY_BIAS, x), 2, "bias has no such values");
  toy_fails(m, bigs_model_save(m, NULL, NULL), 2, "no path to save to");
  toy_fails(m, bigs_model_load(m, NULL), 2, "no path to load from");
  bigs_model_close(m);
}
END_TEST

START_TEST(a_program_of_another_interface) {
  char error[256];
  bigs_model *m = bigs_model_open_checked(&toy_module, NULL, 7, 7, NULL, NULL, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  bigs_model_close(m);
  ck_assert_ptr_null(
      bigs_model_open_checked(&toy_module, NULL, 7, 8, NULL, NULL, error, sizeof error));
  ck_assert_ptr_nonnull(strstr(error, "the interface of Toy has changed"));
  ck_assert_ptr_null(bigs_model_open_checked(&toy_module, NULL, 7, 8, NULL, NULL, NULL, 0));
}
END_TEST

START_TEST(other_cpus_and_versions_are_refused) {
  BigsModule other = toy_module;
  char error[256];
  other.abi = 99;
  ck_assert_ptr_null(bigs_model_open(&other, NULL, error, sizeof error));
  ck_assert_ptr_nonnull(strstr(error, "version 99"));
  char cut[12], tiny[3] = "??";
  ck_assert_ptr_null(bigs_model_open(&other, NULL, cut, sizeof cut));
  ck_assert_int_eq(strlen(cut), sizeof cut - 1);
  ck_assert_int_eq(strncmp(cut, error, sizeof cut - 4), 0);
  ck_assert_str_eq(cut + sizeof cut - 4, "...");
  ck_assert_ptr_null(bigs_model_open(&other, NULL, tiny, sizeof tiny));
  ck_assert_int_eq(strlen(tiny), sizeof tiny - 1);
  other = toy_module;
  other.features = "-sse3,+no-such-thing,+sse3";
  bigs_model *m = bigs_model_open(&other, NULL, error, sizeof error);
  ck_assert_ptr_nonnull(m);
  bigs_model_close(m);
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512vp2intersect")) {
    other.features = "+sse3,+avx512vp2intersect";
    ck_assert_ptr_null(bigs_model_open(&other, NULL, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "lacks avx512vp2intersect"));
  }
#endif
}
END_TEST

// ---- devices
static bigs_model *open_on(const BigsDevice *device, const char *weights) {
  char error[256];
  bigs_model *m = bigs_model_open_with(
      &toy_module, weights,
      &(bigs_options){.size = sizeof(bigs_options), .threads = 2, .seed = 5, .device = device},
      error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  return m;
}

static void *train_a_little(void *model) {
  bigs_model *m = (bigs_model *)model;
  float loss = 0;
  for (int i = 0; i < 3; i++)
    if (bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss))
      return NULL;
  bigs_model_close(m);
  uint32_t bits;
  memcpy(&bits, &loss, sizeof bits);
  return (void *)(uintptr_t)bits;
}

static void same_weights(bigs_model *a, bigs_model *b) {
  float x[64], y[64];
  for (int i = 0; i < TOY_NPARAM; i++) {
    ck_assert_int_le(param_count(&toy_module.param[i]), 64);
    for (int what = BIGS_THE_WEIGHT; what <= BIGS_THE_GRADIENT; what++) {
      ck_assert_int_eq(bigs_model_get(a, (bigs_what)what, i, x), 0);
      ck_assert_int_eq(bigs_model_get(b, (bigs_what)what, i, y), 0);
      ck_assert_mem_eq(x, y, (size_t)param_count(&toy_module.param[i]) * sizeof *x);
    }
  }
}

// The weights of m and of its clone are one until one of the two is written.
static void clone_and_part(bigs_model *m) {
  char error[256];
  float was, x;
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, &was);
  m->step = 7;
  bigs_model *clone = bigs_model_clone(m, error, sizeof error), *third;
  ck_assert_msg(clone != NULL, "%s", error);
  third = bigs_model_clone(clone, NULL, 0);
  ck_assert_ptr_eq(clone->param.p, m->param.p);
  ck_assert_ptr_eq(third->param.p, m->param.p);
  ck_assert_int_eq(third->step, 7);
  ck_assert_int_lt(clone->allocated, (int64_t)m->param.bytes);
  ck_assert_int_eq(bigs_model_set(clone, BIGS_THE_WEIGHT, TOY_GAIN, &(float){was + 1}), 0);
  ck_assert_ptr_ne(clone->param.p, m->param.p);
  bigs_model_close(m);
  bigs_model_get(third, BIGS_THE_WEIGHT, TOY_GAIN, &x);
  ck_assert_float_eq(x, was);
  char *alone = third->param.p;
  ck_assert_int_eq(bigs_model_set(third, BIGS_THE_WEIGHT, TOY_GAIN, &x), 0);
  ck_assert_ptr_eq(third->param.p, alone);
  bigs_model_close(third);
  toy_scale(clone, 2, 3, true, was + 1);
  ck_assert_int_eq(bigs_model_step(clone, 0, DIMS(2, 4, 3), BATCH_IN, &x), 0);
  bigs_model_close(clone);
}

START_TEST(clones_share_weights_until_one_is_written) {
  clone_and_part(open_on(NULL, NULL));
  clone_and_part(open_on(&far_device, NULL));
}
END_TEST

// Those that write their own part without a word from the others.
START_TEST(clones_of_other_threads) {
  enum { N = 4 };
  pthread_t thread[N];
  bigs_model *m = open_on(NULL, NULL);
  for (int i = 0; i < N; i++)
    ck_assert_int_eq(pthread_create(&thread[i], NULL, train_a_little, bigs_model_clone(m, NULL, 0)),
                     0);
  bigs_model_close(m);
  void *loss[N];
  for (int i = 0; i < N; i++) {
    ck_assert_int_eq(pthread_join(thread[i], &loss[i]), 0);
    ck_assert_ptr_eq(loss[i], loss[0]);
  }
}
END_TEST

START_TEST(a_clone_or_nothing) {
  char error[256];
  for (int n = 0;; n++) {
    ck_assert_int_lt(n, 200);
    ToyRation r = {1000};
    bigs_model *m = bigs_model_open_with(
        &toy_module, NULL,
        &(bigs_options){
            .size = sizeof(bigs_options), .threads = 1, .may_allocate = toy_ration, .ctx = &r},
        NULL, 0);
    r.left = n;
    bigs_model *clone = bigs_model_clone(m, error, sizeof error);
    float x = 1;
    int status = clone ? bigs_model_set(clone, BIGS_THE_WEIGHT, TOY_GAIN, &x) : 1;
    if (!clone)
      ck_assert_ptr_nonnull(strstr(error, "out of memory for"));
    else if (status)
      toy_fails(clone, status, 1, "out of memory for");
    r.left = 1000;
    bigs_model_close(clone);
    ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &x), 0);
    bigs_model_close(m);
    if (!status)
      break;
  }
}
END_TEST

// Steps, values, files and checks, by a host that cannot reach the device's memory.
START_TEST(memory_of_a_device_is_the_devices) {
  bigs_model *near = open_on(NULL, NULL), *far = open_on(&far_device, NULL), *again;
  float a, b;
  toy_scale(far, 3, 5, true, 1);
  toy_scale(far, 3, 5, false, 1);
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(bigs_model_step(near, 0, DIMS(2, 4, 3), BATCH_IN, &a), 0);
    ck_assert_int_eq(bigs_model_step(far, 0, DIMS(2, 4, 3), BATCH_IN, &b), 0);
    ck_assert_float_eq(a, b);
  }
  same_weights(near, far);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  toy_scale(far, 2, 4, true, 2);
  ck_assert_int_eq(exec_check_state(far), 0);
  ck_assert_int_eq(bigs_model_save(far, in_dir("far"), NULL), 0);
  again = open_on(&far_device, in_dir("far"));
  toy_scale(again, 2, 4, true, 2);
  ck_assert_int_eq(bigs_model_set(far, BIGS_THE_WEIGHT, TOY_GAIN, &(float){NAN}), 0);
  toy_fails(far, exec_check_state(far), 4, "gain");
  bigs_model_close(near);
  bigs_model_close(far);
  bigs_model_close(again);
}
END_TEST

// An input that is left out has its default on the device, too.
START_TEST(tensors_of_a_device_are_taken_as_they_are) {
  bigs_model *m = open_on(&far_device, NULL);
  float x[6] = {1, 2, 3, 4, 5, 6}, y[6];
  char *in = far_device.alloc(m, sizeof x), *out = far_device.alloc(m, sizeof y);
  ck_assert_int_eq(far_device.put(m, in, x, sizeof x), 0);
  int status = bigs_model_run_on(m, TOY_SCALE, NULL, DIMS(2, 3, 0), (const void *[]){in, NULL},
                                 (void *[]){out});
  ck_assert_msg(!status, "%s", bigs_model_error(m));
  ck_assert_int_eq(far_device.get(m, y, out, sizeof y), 0);
  for (int i = 0; i < 6; i++)
    ck_assert_float_eq(y[i], 3 * x[i] + 1);
  far_device.release(m, in, sizeof x);
  far_device.release(m, out, sizeof y);
  bigs_model_close(m);
}
END_TEST

Suite *handles_suite(void) {
  Suite *s = suite_create("handles");
  TCase *t = tcase_create("handles");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, sizes_are_kept_within_a_bound_of_memory);
  tcase_add_test(t, options_may_be_those_of_another_version);
  tcase_add_test(t, callers_mistakes_are_errors);
  tcase_add_test(t, a_handle_that_did_not_open);
  tcase_add_test(t, names_and_numbers_that_are_not_there);
  tcase_add_test(t, a_program_of_another_interface);
  tcase_add_test(t, other_cpus_and_versions_are_refused);
  tcase_add_test(t, clones_share_weights_until_one_is_written);
  tcase_add_test(t, clones_of_other_threads);
  tcase_add_test(t, a_clone_or_nothing);
  tcase_add_test(t, memory_of_a_device_is_the_devices);
  tcase_add_test(t, tensors_of_a_device_are_taken_as_they_are);
  suite_add_tcase(s, t);
  return s;
}

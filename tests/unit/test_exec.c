// The executor: kept values, parameters' layouts, steps, values that are not finite, memory that is out; on a module made by hand.
#include "base/dtype.h"
#include "base/recipe.h"
#include "runtime/exec/optim.h"
#include "base/rng.h"
#include "runtime/exec/weights.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_bed.h"
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- running
START_TEST(entries_run_for_any_size) {
  bigs_model *m = toy_open();
  for (int64_t B = 1; B < 8; B++)
    for (int64_t L = 1; L < 9; L += 3)
      toy_scale(m, B, L, B % 2, 1);
  bigs_model_close(m);
}
END_TEST

START_TEST(kept_values_follow_the_weights) {
  bigs_model *m = toy_open();
  toy_prologues = 0;
  for (int i = 0; i < 3; i++)
    toy_scale(m, 2, 4, true, 1);
  ck_assert_int_eq(toy_prologues, 1);
  ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &(float){2}), 0);
  toy_scale(m, 2, 4, true, 2);
  toy_scale(m, 2, 5, true, 2);
  toy_scale(m, 2, 4, true, 2);
  ck_assert_int_eq(toy_prologues, 3);
  bigs_model_close(m);
}
END_TEST

START_TEST(nothing_is_allocated_again) {
  bigs_model *m = toy_open();
  toy_scale(m, 7, 8, false, 1);
  toy_scale(m, 2, 8, false, 1);
  int64_t before = m->allocated;
  Binding *b = m->binding[TOY_SCALE]->next;
  void *kept = b->kept.p, *arena = m->arena.p;
  for (int i = 0; i < 4; i++)
    toy_scale(m, i % 2 ? 7 : 2, 8, false, 1);
  ck_assert_int_eq(m->allocated, before);
  ck_assert_ptr_eq(b->kept.p, kept);
  ck_assert_ptr_eq(m->arena.p, arena);
  ck_assert_int_eq(b->arena_bytes, (7 * 8 * 4 + 63) / 64 * 64);
  bigs_model_close(m);
}
END_TEST

START_TEST(values_that_are_not_finite_are_found) {
  const double wide[3] = {1, -DBL_MAX, INFINITY};
  const uint16_t half[3] = {0x3F80, 0xFF7F, 0xFFC0}; // 1, the least, NaN
  const float narrow[3] = {0, FLT_MAX, -INFINITY};
  ck_assert_int_eq(first_not_finite(wide, DT_F64, 3), 2);
  ck_assert_int_eq(first_not_finite(wide, DT_F64, 2), -1);
  ck_assert_int_eq(first_not_finite(half, DT_BF16, 3), 2);
  ck_assert_int_eq(first_not_finite(half, DT_BF16, 2), -1);
  ck_assert_int_eq(first_not_finite(narrow, DT_F32, 3), 2);
  ck_assert_int_eq(first_not_finite(narrow, DT_F32, 2), -1);
  ck_assert_int_eq(first_not_finite(narrow, DT_I32, 3), -1); // every pattern is a number
}
END_TEST

START_TEST(a_run_is_cancelled) {
  bigs_model *m = toy_open();
  float x[8] = {0}, y[8];
  volatile sig_atomic_t cancel = 0;
  m->cancel = &cancel;
  toy_scale(m, 2, 4, true, 1);
  cancel = 1;
  toy_fails(m,
            bigs_model_run(m, TOY_SCALE, DIMS(2, 4, 0), (const void *[]){x, NULL}, (void *[]){y}),
            BIGS_EINTERRUPT, "interrupted");
  bigs_model_close(m);
}
END_TEST

// ---- parameters
START_TEST(layouts_round_trip) {
  bigs_model *m = toy_open();
  toy_fill(m);
  toy_is_filled(m, 0, TOY_NPARAM);
  const float *arena = (const float *)m->param.p;
  // table[v][h] in panels of 4 columns
  ck_assert_float_eq(arena[2 * 4 + 3], toy_value(TOY_TABLE, 2 * TOY_H + 3));
  ck_assert_float_eq(arena[4 * TOY_V + 6 * 4 + 1], toy_value(TOY_TABLE, 6 * TOY_H + 5));
  ck_assert_float_eq(arena[4 * TOY_V + 6 * 4 + 2], 0); // padding
  // k[h][c][d] is column 3 + 2c + d of the stack: its first lies beside q's last, its second in the
  // next panel
  ck_assert_float_eq(arena[64 + 5 * 4 + 2], toy_value(TOY_Q, 5 * 3 + 2));
  ck_assert_float_eq(arena[64 + 5 * 4 + 3], toy_value(TOY_K, 5 * 4));
  ck_assert_float_eq(arena[64 + 24 + 5 * 4 + 2], toy_value(TOY_K, 5 * 4 + 3));
  ck_assert_ptr_null(params_verify(&toy_module));
  bigs_model_close(m);
}
END_TEST

START_TEST(parameters_outside_their_storage_are_found) {
  BigsModule other = toy_module;
  BigsParam params[TOY_NPARAM];
  char error[256];
  memcpy(params, toy_module.param, sizeof params);
  params[TOY_K].nlo = 5; // a column past the last panel
  other.param = params;
  ck_assert_str_eq(params_verify(&other), "k.weight");
  ck_assert_ptr_null(bigs_model_open(&other, NULL, error, sizeof error));
}
END_TEST

START_TEST(fresh_values_depend_on_the_seed_only) {
  float a[64], b[64];
  for (int threads = 1; threads < 4; threads++) {
    bigs_model *m = bigs_model_open_with(
        &toy_module, NULL,
        &(bigs_options){.size = sizeof(bigs_options), .seed = 9, .threads = threads}, NULL, 0);
    bigs_model_get(m, BIGS_THE_WEIGHT, TOY_TABLE, threads == 1 ? a : b);
    bigs_model_close(m);
    ck_assert(threads == 1 || !memcmp(a, b, TOY_V * TOY_H * sizeof *a));
  }
  bigs_model *m = bigs_model_open(&toy_module, NULL, NULL, 0);
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_TABLE, b);
  bigs_model_close(m);
  ck_assert(memcmp(a, b, sizeof *a * TOY_V * TOY_H) != 0);
}
END_TEST

// ---- steps
START_TEST(a_step_is_adamw) {
  bigs_model *m = toy_open();
  float loss, first = 0, bias[TOY_V], table[64], modes[6], modes_after[6], gain, dgain;
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_MODES, modes);
  ck_assert_int_eq(bigs_model_grad(m, 0, DIMS(2, 4, 3), BATCH_IN, &first), 0);
  bigs_model_get(m, BIGS_THE_GRADIENT, TOY_BIAS, bias);
  ck_assert_float_eq_tol(bias[2], 1.0f / 7 - 2.0f / 3, 1e-6f);
  bigs_model_get(m, BIGS_THE_GRADIENT, TOY_GAIN, &dgain);
  ck_assert_float_eq_tol(first, logf(7) + 2 * dgain, 1e-6f); // gain is 1: u is twice its gradient
  ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 0);
  ck_assert_float_eq(loss, first); // the same draw
  // First step of AdamW: each value moves by the rate (warmup: a quarter of 0.05) against the sign
  // of its gradient; decay 0.1 where there is no @bias; @mode is frozen.
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_BIAS, bias);
  ck_assert_float_eq_tol(bias[2], 0.0125f, 1e-5f);
  ck_assert_float_eq_tol(bias[0], -0.0125f, 1e-5f);
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  ck_assert_float_eq_tol(gain, 1 - 0.0125f, 1e-5f);
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_MODES, modes_after);
  ck_assert_mem_eq(modes, modes_after, sizeof modes);
  bigs_model *fresh = toy_open();
  float before[64];
  bigs_model_get(fresh, BIGS_THE_WEIGHT, TOY_TABLE, before);
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_TABLE, table);
  ck_assert_float_eq_tol(table[0], before[0] - 0.0125f * (1 + 0.1f * before[0]), 1e-4f);
  bigs_model_close(fresh);
  bigs_model_close(m);
}
END_TEST

START_TEST(steps_do_not_depend_on_threads) {
  float want[64], got[64];
  for (int threads = 1; threads <= 5; threads += 2) {
    bigs_model *m = bigs_model_open_with(
        &toy_module, NULL,
        &(bigs_options){.size = sizeof(bigs_options), .seed = 4, .threads = threads}, NULL, 0);
    for (int i = 0; i < 5; i++)
      ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, NULL), 0);
    bigs_model_get(m, BIGS_THE_WEIGHT, TOY_TABLE, threads == 1 ? want : got);
    ck_assert(threads == 1 || !memcmp(want, got, sizeof *want * TOY_V * TOY_H));
    bigs_model_close(m);
  }
}
END_TEST

START_TEST(a_loss_that_is_no_number_changes_nothing) {
  bigs_model *m = toy_open();
  float gain = -1, after, loss;
  ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 0);
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  toy_fails(m, bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 4, "the loss is");
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, &after);
  ck_assert_float_eq(after, gain);
  ck_assert_int_eq(m->step, 1);
  toy_fails(m, model_gradient(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss, true), 4,
            "is sqrt, toy.mdl:12");
  gain = NAN;
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  toy_fails(m, model_gradient(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss, true), 4,
            "parameter gain holds");
  bigs_model_close(m);
}
END_TEST

START_TEST(a_gradient_that_is_no_number_changes_nothing) {
  bigs_model *m = toy_open();
  float zero = 0, gain = -1, bias[TOY_V], after[TOY_V], loss;
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &zero); // sqrt(0) is finite, its derivative is not
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_BIAS, bias);
  toy_fails(m, bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), BIGS_ENUMERIC,
            "the gradient is not finite");
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_BIAS, after);
  ck_assert_float_eq(gain, 0);
  ck_assert_mem_eq(bias, after, sizeof bias);
  ck_assert(isfinite(loss) && m->step == 0);
  bigs_model_close(m);
}
END_TEST

START_TEST(an_update_beyond_f32_is_told) {
  bigs_model *m = toy_open();
  TrainRecipe r = recipe_of(&toy_module.train[0]);
  OptReport report;
  float loss;
  r.rate = 1e40;
  toy_fails(m, model_step(m, 0, &r, DIMS(2, 4, 3), BATCH_IN, 1, &loss, &report), BIGS_ENUMERIC,
            "after the update: parameter ");
  ck_assert(report.spoilt && m->step == 0);
  bigs_model_close(m);
}
END_TEST

START_TEST(moments_that_are_not_finite_are_named) {
  bigs_model *m = toy_open();
  float moment[TOY_V] = {0, 0, NAN}, loss;
  ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 0);
  ck_assert_int_eq(exec_check_state(m), 0);
  bigs_model_set(m, BIGS_THE_MOMENT1, TOY_BIAS, moment);
  toy_fails(m, exec_check_state(m), BIGS_ENUMERIC,
            "the first moment of parameter bias holds a value that is not finite (element 2)");
  bigs_model_set(m, BIGS_THE_MOMENT1, TOY_BIAS, (float[TOY_V]){0});
  bigs_model_set(m, BIGS_THE_MOMENT2, TOY_BIAS, moment);
  toy_fails(m, exec_check_state(m), BIGS_ENUMERIC, "the second moment of parameter bias");
  bigs_model_close(m);
}
END_TEST

START_TEST(a_block_without_a_rate) {
  BigsModule module = toy_module;
  BigsTrain train = toy_module.train[0];
  float loss = 7;
  train.rate = -1;
  module.train = &train;
  module.ntrain = 1;
  bigs_model *m = bigs_model_open_with(&module, NULL, NULL, NULL, 0);
  toy_fails(m, bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 1, "gives no rate");
  ck_assert(m->step == 0 && loss == 7);
  ck_assert_int_eq(bigs_model_grad(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 0);
  train.rate = 0; // said is said
  ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, &loss), 0);
  bigs_model_close(m);
}
END_TEST

// ---- what is said of a module
START_TEST(info_tells_all) {
  static void *cache;
  const bigs_info *info = bigs_info_once(&toy_module, &cache);
  ck_assert_ptr_eq(info, bigs_info_once(&toy_module, &cache));
  ck_assert_str_eq(info->model, "Toy");
  ck_assert_int_eq(info->ndim, 3);
  ck_assert_int_eq(info->dim[1].bound, 8);
  ck_assert_int_eq(info->nentry, 4);
  ck_assert_str_eq(info->entry[3].name, "fit");
  ck_assert(info->entry[3].trains && info->entry[3].ndim == 3);
  ck_assert_int_eq(info->nparameter, TOY_NPARAM);
  ck_assert_str_eq(info->parameter[TOY_MODES].dtype, "c64");
  ck_assert_int_eq(info->parameter[TOY_MODES].rank, 1);
  ck_assert_int_eq(info->parameter_count, 42 + 18 + 24 + 6 + 7 + 1);
  ck_assert_str_eq(info->entry[0].input[0].extent[1], "L");
  ck_assert_double_eq(info->flops(info, TOY_SCALE, DIMS(3, 4, 0)), 24);
  ck_assert_double_eq(info->flops(info, TOY_SCALE, DIMS(3, 9, 0)), -1);
  ck_assert_int_eq(info->memory(info, TOY_SCALE, DIMS(3, 4, 0)), 64 + 64);
  ck_assert_int_eq(info->memory(info, TOY_FIT, DIMS(3, 4, 2)), 128 + 3 * toy_module.param_bytes);
}
END_TEST

// ---- allocation failure
START_TEST(every_allocation_may_fail) {
  char error[256];
  ck_assert_int_eq(unlink(in_dir("w")) == 0, 0);
  bigs_model *m = toy_open();
  ck_assert_int_eq(bigs_model_save(m, in_dir("w"), "hf"), 0);
  bigs_model_close(m);
  for (int n = 0;; n++) {
    ck_assert_int_lt(n, 200);
    ToyRation r = {n};
    float x[8] = {1}, y[8];
    m = bigs_model_open_with(
        &toy_module, in_dir("w"),
        &(bigs_options){.size = sizeof(bigs_options),
                        .threads = 1,
                        .memory = 1, // drops sizes of entries, and nothing that a step has bound
                        .may_allocate = toy_ration,
                        .ctx = &r},
        error, sizeof error);
    if (!m) {
      ck_assert_ptr_nonnull(strstr(error, "out of memory for"));
      continue;
    }
    char *before = malloc(m->param.bytes);
    ck_assert_ptr_nonnull(before);
    memcpy(before, m->param.p, m->param.bytes);
    int status =
        bigs_model_run(m, TOY_SCALE, DIMS(2, 4, 0), (const void *[]){x, NULL}, (void *[]){y});
    status = status ? status : bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, y);
    status = status ? status : bigs_model_save(m, in_dir("w2"), NULL);
    if (status)
      toy_fails(m, status, 1, "out of memory for");
    if (!m->step) // a step is done whole or not at all
      ck_assert_mem_eq(m->param.p, before, m->param.bytes);
    free(before);
    int64_t refused = m->step;
    r.left = 1000; // the handle still works
    ck_assert_int_eq(bigs_model_step(m, 0, DIMS(2, 4, 3), BATCH_IN, y), 0);
    ck_assert_int_eq(m->step, refused + 1);
    bigs_model_close(m);
    if (!status)
      break;
  }
}
END_TEST

Suite *exec_suite(void);
Suite *exec_suite(void) {
  Suite *s = suite_create("exec");
  TCase *t = tcase_create("exec");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, entries_run_for_any_size);
  tcase_add_test(t, kept_values_follow_the_weights);
  tcase_add_test(t, nothing_is_allocated_again);
  tcase_add_test(t, values_that_are_not_finite_are_found);
  tcase_add_test(t, a_run_is_cancelled);
  tcase_add_test(t, layouts_round_trip);
  tcase_add_test(t, parameters_outside_their_storage_are_found);
  tcase_add_test(t, fresh_values_depend_on_the_seed_only);
  tcase_add_test(t, a_step_is_adamw);
  tcase_add_test(t, steps_do_not_depend_on_threads);
  tcase_add_test(t, a_loss_that_is_no_number_changes_nothing);
  tcase_add_test(t, a_gradient_that_is_no_number_changes_nothing);
  tcase_add_test(t, an_update_beyond_f32_is_told);
  tcase_add_test(t, moments_that_are_not_finite_are_named);
  tcase_add_test(t, a_block_without_a_rate);
  tcase_add_test(t, info_tells_all);
  tcase_add_test(t, every_allocation_may_fail);
  suite_add_tcase(s, t);
  return s;
}

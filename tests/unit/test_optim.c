// The optimizer's recipe: ranges of parameters that are treated alike, groups, schedules; on a module
// made by hand.
#include "base/recipe.h"
#include "runtime/exec/optim.h"
#include "runtime/train/train.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_bed.h"
#include <stdlib.h>

START_TEST(ranges_join_what_is_treated_alike) {
  bigs_model *m = toy_open();
  TrainRecipe r = recipe_of(&toy_module.train[0]);
  OptRange *range;
  int n;
  ck_assert_int_eq(optim_ranges(m, 0, &r, &range, &n), 0);
  ck_assert_int_eq(n, 2); // table, q, k | bias, gain; modes are frozen
  ck_assert_int_eq(range[0].offset, 0);
  ck_assert_int_eq(range[0].bytes, 448);
  ck_assert_int_eq(range[1].offset, 512);
  ck_assert_int_eq(range[1].bytes, 68);
  ck_assert_double_eq(range[0].decay, 0.1);
  ck_assert_double_eq(range[1].decay, 0);
  free(range);
  bigs_model_close(m);
}
END_TEST

START_TEST(groups_apply_in_order) {
  BigsModule module = toy_module;
  BigsTrain train = toy_module.train[0];
  BigsGroup groups[] = {{.tags = 2, .has_frozen = 1, .frozen = 1},
                        {.tags = 2, .has_decay = 1, .decay = 0.5},
                        {.tags = 2, .has_frozen = 1, .frozen = 0}};
  OptRange *range;
  train.group = groups;
  module.train = &train;
  module.ntrain = 1;
  for (train.ngroup = 0; train.ngroup <= 3; train.ngroup++) {
    bigs_model *m = bigs_model_open_with(&module, NULL, NULL, NULL, 0);
    TrainRecipe r = recipe_of(&train);
    int n, decayed = 0;
    ck_assert_int_eq(optim_ranges(m, 0, &r, &range, &n), 0);
    for (int i = 0; i < n; i++)
      decayed += range[i].decay == 0.5;
    ck_assert_int_eq(decayed, train.ngroup == 3); // thawed by the last
    free(range);
    bigs_model_close(m);
  }
}
END_TEST

// Rows of the steps of a run against the definition: a whole multiple of the batch, by the factor rounded.
START_TEST(batches_grow) {
  const BigsPiece piece[] = {{.kind = SCHED_CONSTANT, .length = 0.25},
                             {.kind = SCHED_LINEAR, .length = 0, .to = 4}};
  const BigsTrain t = {.batch_piece = piece, .nbatch_piece = 2}, plain = {0};
  double sum = 0;
  for (int64_t i = 0; i < 40; i++) {
    double want = i < 10 ? 1 : 1 + 3.0 * (double)(i - 10) / 30;
    int64_t rows = train_rows(&t, 6, i, 40);
    ck_assert_int_eq(rows % 6, 0);
    ck_assert_double_le(fabs((double)rows / 6 - want), 0.5);
    ck_assert_int_eq(train_rows(&plain, 6, i, 40), 6);
    sum += (double)rows;
  }
  ck_assert_int_eq(train_most_rows(&t, 6), 24);
  ck_assert_int_eq(train_steps(&t, 6, sum), 40);
  ck_assert_int_eq(train_steps(&t, 6, sum + 1), 41);
  ck_assert_int_eq(train_steps(&plain, 6, 61), 11);
  ck_assert_int_eq(train_steps(&plain, 6, 60), 10);
}
END_TEST

START_TEST(schedules) {
  const BigsPiece linear[] = {{SCHED_WARMUP, 0, 0.1, 1}, {SCHED_LINEAR, 0, 0, 0}},
                  cosine[] = {{SCHED_WARMUP, 0, 5, 1}, {SCHED_COSINE, 0, 0, 0.1}},
                  three[] = {{SCHED_WARMUP, 0, 2, 1},
                             {SCHED_CONSTANT, 0, 4, 1},
                             {SCHED_LINEAR, 0, 4, 0.5}};
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 0, 100), 0.1, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 9, 100), 1, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 10, 100), 1, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 55, 100), 0.5, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 100, 100), 0, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(cosine, 2, 5 + 5, 15), 0.55, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(cosine, 2, 99, 15), 0.1, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(three, 3, 5, 0), 1, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(three, 3, 8, 0), 0.75, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(three, 3, 50, 0), 0.5, 1e-12);
  ck_assert_double_eq_tol(schedule_factor(linear, 2, 7, 0), 1, 1e-12); // length not known
  ck_assert_double_eq(schedule_factor(NULL, 0, 7, 0), 1);
}
END_TEST

Suite *optim_suite(void) {
  Suite *s = suite_create("optim");
  TCase *t = tcase_create("optim");
  tcase_add_test(t, ranges_join_what_is_treated_alike);
  tcase_add_test(t, groups_apply_in_order);
  tcase_add_test(t, schedules);
  tcase_add_test(t, batches_grow);
  suite_add_tcase(s, t);
  return s;
}

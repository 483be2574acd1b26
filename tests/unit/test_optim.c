// The optimizer's recipe: ranges of parameters that are treated alike, groups, schedules; on a module
// made by hand.
#include "base/recipe.h"
#include "runtime/exec/optim.h"
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
  suite_add_tcase(s, t);
  return s;
}

// Text for training: the order of its rows.
#include "base/rng.h"
#include "runtime/train/order.h"
#include "tests/unit/suites.h"
#include <stdlib.h>

// As the rows of a table that is filled group by group.
static void check_split(int64_t n) {
  RowSplit s = row_split(n, true);
  int64_t groups = n > 1 ? (n + 49) / 50 : 0, group = 0, end = 0, chosen = -1, held = 0, train = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i == end && group < groups) {
      group++;
      end = n / groups * group + n % groups * group / groups;
      uint32_t r = rng_element(0, 0x6c617665u, (uint64_t)group); // "eval"
      chosen = i + rng_below(r, (uint32_t)(end - i));
    }
    ck_assert_int_eq(split_row(&s, i == chosen, i == chosen ? held++ : train++), i);
  }
  ck_assert_int_eq(split_count(&s, true), held);
  ck_assert_int_eq(split_count(&s, false), train);
}

START_TEST(rows_are_split_as_by_a_table) {
  for (int64_t n = 0; n < 400; n++)
    check_split(n);
  check_split(12345);
}
END_TEST

START_TEST(without_hold_out_all_rows_are_for_training) {
  RowSplit s = row_split(123, false);
  ck_assert_int_eq(split_count(&s, true), 0);
  for (int64_t i = 0; i < 123; i++)
    ck_assert_int_eq(split_row(&s, false, i), i);
}
END_TEST

Suite *corpus_suite(void) {
  Suite *s = suite_create("corpus");
  TCase *t = tcase_create("order");
  tcase_add_test(t, rows_are_split_as_by_a_table);
  tcase_add_test(t, without_hold_out_all_rows_are_for_training);
  suite_add_tcase(s, t);
  return s;
}

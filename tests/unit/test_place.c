// Placement of buffers with known lifetimes in one piece of memory.
#include "base/rng.h"
#include "runtime/exec/place.h"
#include "tests/unit/suites.h"
#include <stdbool.h>

START_TEST(placement_never_overlaps) {
  enum { N = 60 };
  PlaceItem item[N];
  int32_t order[N];
  uint32_t state = (uint32_t)_i * 7919u + 1;
  for (int i = 0; i < N; i++) {
    uint32_t a = rng_mix(state++), b = rng_mix(state++), c = rng_mix(state++);
    item[i] = (PlaceItem){.bytes = a % 7 == 0 ? 0 : a % 5000, .first = (int32_t)(b % 40)};
    item[i].last = item[i].first + (int32_t)(c % 12);
  }
  int64_t total = place_items(item, N, order), live = place_live(item, N), sum = 0;
  for (int i = 0; i < N; i++) {
    sum += (item[i].bytes + 63) / 64 * 64;
    ck_assert(item[i].offset % PLACE_ALIGN == 0 && item[i].offset >= 0);
    ck_assert(item[i].offset + item[i].bytes <= total);
    for (int k = 0; k < i; k++) {
      bool together = item[i].first <= item[k].last && item[k].first <= item[i].last;
      bool apart = item[i].offset + item[i].bytes <= item[k].offset ||
                   item[k].offset + item[k].bytes <= item[i].offset;
      ck_assert(!together || apart || !item[i].bytes || !item[k].bytes);
    }
  }
  ck_assert(live <= total && total <= sum);
  ck_assert_msg(total <= live + live / 2, "placed %ld, live %ld", (long)total, (long)live);
}
END_TEST

START_TEST(placement_reuses_memory) {
  PlaceItem chain[4] = {{.bytes = 640, .first = 0, .last = 1},
                        {.bytes = 640, .first = 1, .last = 2},
                        {.bytes = 640, .first = 2, .last = 3},
                        {.bytes = 640, .first = 3, .last = 4}};
  int32_t order[4];
  ck_assert_int_eq(place_items(chain, 4, order), 1280);
  PlaceItem huge = {.bytes = INT64_MAX - 10, .first = 0, .last = 0};
  ck_assert_int_eq(place_items(&huge, 1, order), -1);
}
END_TEST

Suite *place_suite(void) {
  Suite *s = suite_create("place");
  TCase *t = tcase_create("place");
  tcase_add_loop_test(t, placement_never_overlaps, 0, 20);
  tcase_add_test(t, placement_reuses_memory);
  suite_add_tcase(s, t);
  return s;
}

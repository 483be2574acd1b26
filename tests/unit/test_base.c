// Arenas, interned strings, hashing, polynomials.
#include "tests/unit/suites.h"
#include "base/arena.h"
#include "base/asan.h"
#include "base/edit.h"
#include "base/error.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/poly.h"
#include <string.h>

START_TEST(arena_gives_zeroed_aligned_memory) {
  Arena *a = arena_new();
  for (size_t n = 1; n < 300000; n = n * 3 + 1) {
    unsigned char *p = arena_alloc(a, n);
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
    for (size_t i = 0; i < n; i++)
      ck_assert_int_eq(p[i], 0);
    memset(p, 0xff, n);
  }
  arena_free(a);
}
END_TEST

START_TEST(arena_reports_exhaustion_to_its_owner) {
  Arena *a = arena_new();
  jmp_buf oom;
  if (setjmp(oom)) {
    arena_free(a);
    return;
  }
  arena_on_oom(a, &oom);
  arena_alloc(a, SIZE_MAX / 2 + 1);
  ck_abort_msg("an impossible size was given out");
}
END_TEST

#ifdef BIGSC_ASAN
// One byte too many is seen by AddressSanitizer, wherever in a chunk the block lies.
START_TEST(arena_shows_overflows_to_sanitizers) {
  Arena *a = arena_new();
  for (size_t n = 0; n < 100000; n = n < 100 ? n + 1 : n * 3) {
    char *p = arena_alloc(a, n);
    ck_assert_ptr_null(__asan_region_is_poisoned(p, n));
    ck_assert(__asan_address_is_poisoned(p + n));
    char *s = arena_printf(a, "%zu", n);
    ck_assert(__asan_address_is_poisoned(s + strlen(s) + 1));
    ck_assert(__asan_address_is_poisoned(p + n));
  }
  arena_free(a);
}
END_TEST
#endif

START_TEST(interning_gives_one_pointer) {
  Arena *a = arena_new();
  Intern *t = intern_new(a);
  const char *keep[2000];
  for (int i = 0; i < 2000; i++)
    keep[i] = intern(t, arena_printf(a, "name%d", i));
  for (int i = 0; i < 2000; i++)
    ck_assert_ptr_eq(keep[i], intern(t, arena_printf(a, "name%d", i)));
  ck_assert_ptr_eq(intern_n(t, "name12x", 6), keep[12]);
  ck_assert_ptr_ne(keep[1], keep[10]);
  arena_free(a);
}
END_TEST

START_TEST(polynomials_are_canonical) {
  Poly B = poly_sym(0), L = poly_sym(1);
  Poly x = poly_mul(poly_add(B, poly_const(2)), poly_sub(L, poly_const(3))); // BL - 3B + 2L - 6
  Poly y = poly_add(poly_sub(poly_mul(L, B), poly_scale(B, 3)),
                    poly_sub(poly_scale(L, 2), poly_const(6)));
  ck_assert(poly_eq(&x, &y));
  ck_assert_uint_eq(poly_hash(&x), poly_hash(&y));
  int64_t sym[2] = {5, 7}, c = 0;
  ck_assert_int_eq(poly_eval(&x, sym), 28);
  Poly zero = poly_sub(x, y);
  ck_assert(poly_is_const(&zero, &c));
  ck_assert_int_eq(c, 0);
  Poly product = poly_mul(poly_scale(B, 6), L), three_b = poly_scale(B, 3), q,
       two_l = poly_scale(L, 2);
  ck_assert(poly_div(&product, &three_b, &q));
  ck_assert(poly_eq(&q, &two_l));
  ck_assert(!poly_div(&three_b, &product, &q));
  Arena *a = arena_new();
  ck_assert_str_eq(poly_str(a, &x, (const char *[]){"B", "L"}), "2*L + B*L - 3*B - 6");
  ck_assert_str_eq(poly_str(a, &zero, NULL), "0");
  arena_free(a);
}
END_TEST

START_TEST(edit_distance_stops_at_its_limit) {
  ck_assert_int_eq(edit_distance("hidden", "hiden", 2), 1);
  ck_assert_int_eq(edit_distance("gleu", "gelu", 2), 1);
  ck_assert_int_eq(edit_distance("abc", "cab", 2), 2);
  ck_assert_int_eq(edit_distance("ab", "ba", 2), 1);
  ck_assert_int_eq(edit_distance("kitten", "sitting", 2), 3);
  ck_assert_int_eq(edit_distance("", "abc", 2), 3);
}
END_TEST

static bool is_number(const void *wanted, uint64_t value) {
  return *(const uint64_t *)wanted == value;
}

// Every value has one of three hashes, 0 among them: the values tell them apart.
START_TEST(sizes_have_units) {
  static const struct {
    double bytes;
    const char *text;
  } row[] = {{0, "0 bytes"},
             {640, "640 bytes"},
             {1536, "1.5 KiB"},
             {71.0 * (1 << 20), "71.0 MiB"},
             {148.74 * (1 << 30), "148.74 GiB"},
             {3e12, "2.73 TiB"},
             {18446744073709551615.0, "16777216.00 TiB"}};
  for (int i = 0; i < (int)(sizeof row / sizeof *row); i++)
    ck_assert_str_eq(bigs_bytes(row[i].bytes).text, row[i].text);
}
END_TEST

START_TEST(a_map_tells_values_of_one_hash_apart) {
  Map m = {0};
  for (uint64_t i = 0; i < 500; i++) {
    ck_assert_ptr_null(map_find(&m, i % 3, is_number, &i));
    ck_assert(map_add(&m, i % 3, i));
  }
  for (uint64_t i = 0; i < 500; i++)
    ck_assert_uint_eq(*map_find(&m, i % 3, is_number, &i), i);
  map_free(&m);
}
END_TEST

START_TEST(a_map_keeps_values_by_pointer) {
  Arena *a = arena_new();
  Map m = {.arena = a};
  char at[1000];
  uint64_t v = 77;
  ck_assert(!map_get(&m, at, &v));
  for (int round = 0; round < 2; round++)
    for (uint64_t i = 0; i < COUNT(at); i++)
      ck_assert(map_put(&m, &at[i], i * (uint64_t)round));
  ck_assert_int_eq(m.n, COUNT(at));
  for (uint64_t i = 0; i < COUNT(at); i++)
    ck_assert(map_get(&m, &at[i], &v) && v == i);
  map_clear(&m);
  ck_assert(!map_get(&m, at, &v));
  ck_assert(map_put(&m, at, 5) && map_get(&m, at, &v) && v == 5);
  arena_free(a);
}
END_TEST

Suite *base_suite(void) {
  Suite *s = suite_create("base");
  TCase *t = tcase_create("base");
  tcase_add_test(t, arena_gives_zeroed_aligned_memory);
#ifdef BIGSC_ASAN
  tcase_add_test(t, arena_shows_overflows_to_sanitizers);
#endif
  tcase_add_test(t, arena_reports_exhaustion_to_its_owner);
  tcase_add_test(t, interning_gives_one_pointer);
  tcase_add_test(t, polynomials_are_canonical);
  tcase_add_test(t, edit_distance_stops_at_its_limit);
  tcase_add_test(t, sizes_have_units);
  tcase_add_test(t, a_map_tells_values_of_one_hash_apart);
  tcase_add_test(t, a_map_keeps_values_by_pointer);
  suite_add_tcase(s, t);
  return s;
}

// Random numbers: Philox against its published vectors; the element hash against chi-square and
// correlation bounds. All seeds are fixed, so a bound that holds once holds always: bounds are at
// about 4.5 sigma.
#include "base/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

// Random123's known-answer tests, philox4x32 with 10 rounds: counter, key, result.
static const uint32_t known[3][10] = {
    {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
    {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e,
     0xa20bc7c6, 0x6d5451fd},
    {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
     0x5001e420, 0x24126ea1},
};

START_TEST(philox_known_answers) {
  uint32_t out[4];
  philox4x32(known[_i], known[_i] + 4, out);
  for (int i = 0; i < 4; i++)
    ck_assert_uint_eq(out[i], known[_i][6 + i]);
}
END_TEST

START_TEST(site_keys_use_everything) {
  uint32_t k[2], base[2];
  rng_site_keys(1, 2, 3, base);
  const uint64_t high = (uint64_t)1 << 32;
  const uint64_t other[6][3] = {{2, 2, 3},        {1, 3, 3},        {1, 2, 4},
                                {1 + high, 2, 3}, {1, 2 + high, 3}, {1, 2, 3 + high}};
  for (int i = 0; i < 6; i++) {
    rng_site_keys(other[i][0], other[i][1], other[i][2], k);
    ck_assert(k[0] != base[0] && k[1] != base[1]);
  }
}
END_TEST

// The definition in rng.h, written once more with 64-bit arithmetic; values must never change,
// checkpoints rely on it.
START_TEST(element_definition) {
  const uint64_t index[] = {0, 1, 2, 0xffffffffu, 0x100000000u, 0x123456789abcdefu};
  for (int i = 0; i < 6; i++) {
    uint64_t x = (index[i] & 0xffffffff) * 0x9E3779B9u + 11 + (index[i] >> 32) * 0x85EBCA6Bu;
    for (int round = 0; round < 2; round++) {
      x &= 0xffffffff;
      x ^= x >> 16;
      x = x * 0x7FEB352Du & 0xffffffff;
      x ^= x >> 15;
      x = x * 0x846CA68Bu & 0xffffffff;
      x ^= x >> 16;
      x ^= round ? 0 : 22;
    }
    ck_assert_uint_eq(rng_element(11, 22, index[i]), x);
  }
  ck_assert_uint_eq(rng_mix(0), 0);
  ck_assert_uint_eq(rng_element(1, 2, 3), 0x9bb05fe7u);
}
END_TEST

enum { DRAWS = 1 << 20, BINS = 256 };

static double chi_square(const int *count, int bins, double draws) {
  double expected = draws / bins, sum = 0;
  for (int i = 0; i < bins; i++)
    sum += (count[i] - expected) * (count[i] - expected) / expected;
  return (sum - (bins - 1)) / sqrt(2.0 * (bins - 1)); // in standard deviations, near enough
}

static void site(int i, uint32_t key[2]) {
  rng_site_keys(7, (uint64_t)i / 4, (uint64_t)i % 4 * 1000003, key);
}

START_TEST(element_uniform_and_balanced) {
  uint32_t k[2];
  site(_i, k);
  int top[BINS] = {0}, low[BINS] = {0}, ones[32] = {0};
  double mean = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    uint32_t r = rng_element(k[0], k[1], i);
    top[r >> 24]++;
    low[r & 255]++;
    for (int b = 0; b < 32; b++)
      ones[b] += r >> b & 1;
    mean += rng_uniform(r) / DRAWS;
  }
  ck_assert_double_lt(fabs(chi_square(top, BINS, DRAWS)), 4.5);
  ck_assert_double_lt(fabs(chi_square(low, BINS, DRAWS)), 4.5);
  for (int b = 0; b < 32; b++)
    ck_assert_double_lt(fabs(ones[b] - DRAWS / 2.0), 4.5 * sqrt(DRAWS) / 2);
  ck_assert_double_lt(fabs(mean - 0.5), 4.5 * sqrt(1.0 / 12 / DRAWS));
}
END_TEST

// Correlation of uniforms a(i), b(i) over DRAWS, in standard deviations.
static double correlation(const uint32_t ka[2], uint64_t da, const uint32_t kb[2], uint64_t db) {
  double sum = 0;
  for (uint64_t i = 0; i < DRAWS; i++)
    sum += (rng_uniform(rng_element(ka[0], ka[1], i + da)) - 0.5) *
           (rng_uniform(rng_element(kb[0], kb[1], i + db)) - 0.5);
  return sum * 12 / sqrt(DRAWS);
}

START_TEST(element_neighbours_independent) {
  static const uint64_t step[] = {1, 2, 64, 768, 768 * 128, (uint64_t)1 << 32};
  uint32_t k[2];
  site(0, k);
  for (int i = 0; i < 6; i++)
    ck_assert_double_lt(fabs(correlation(k, 0, k, step[i])), 4.5);
}
END_TEST

START_TEST(element_sites_and_steps_independent) {
  uint32_t a[2], b[2];
  for (int i = 0; i < 6; i++) {
    site(i, a);
    for (int j = i + 1; j < 6; j++) {
      site(j, b);
      ck_assert_double_lt(fabs(correlation(a, 0, b, 0)), 4.5);
    }
  }
}
END_TEST

// Pairs of neighbours fill the 16 x 16 grid evenly (top bits), at both orders of neighbours within
// a dropout of p = 0.1.
START_TEST(element_pairs_uniform) {
  uint32_t k[2];
  site(_i, k);
  int count[BINS] = {0};
  int both = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    uint32_t r = rng_element(k[0], k[1], i), s = rng_element(k[0], k[1], i + 1);
    count[(r >> 28) * 16 + (s >> 28)]++;
    both += rng_uniform(r) < 0.1f && rng_uniform(s) < 0.1f;
  }
  ck_assert_double_lt(fabs(chi_square(count, BINS, DRAWS)), 4.5);
  ck_assert_double_lt(fabs(both - 0.01 * DRAWS), 4.5 * sqrt(0.01 * DRAWS));
}
END_TEST

// Flipping one bit of the index flips each bit of the result half of the time.
START_TEST(element_avalanche) {
  enum { N = 1 << 14 };
  uint32_t k[2];
  site(1, k);
  for (int in = 0; in < 40; in++) {
    int flips[32] = {0};
    for (uint64_t i = 0; i < N; i++) {
      uint64_t index = i * 0x10001;
      uint32_t d =
          rng_element(k[0], k[1], index) ^ rng_element(k[0], k[1], index ^ (uint64_t)1 << in);
      for (int b = 0; b < 32; b++)
        flips[b] += d >> b & 1;
    }
    for (int b = 0; b < 32; b++)
      ck_assert_double_lt(fabs(flips[b] - N / 2.0), 6 * sqrt(N));
  }
}
END_TEST

START_TEST(uniform_is_open) {
  ck_assert(rng_uniform(0) > 0);
  ck_assert(rng_uniform(0xffffffffu) < 1);
  ck_assert_float_eq(rng_uniform(0xffffffffu), 1 - 0x1p-24f);
  ck_assert_float_eq(rng_uniform(1u << 31), 0.5f + 0x1p-24f);
  ck_assert_uint_eq(rng_below(0xffffffffu, 10), 9);
  ck_assert_uint_eq(rng_below(0, 10), 0);
}
END_TEST

Suite *rng_suite(void) {
  Suite *s = suite_create("rng");
  TCase *t = tcase_create("rng");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, philox_known_answers, 0, 3);
  tcase_add_test(t, site_keys_use_everything);
  tcase_add_test(t, element_definition);
  tcase_add_loop_test(t, element_uniform_and_balanced, 0, 8);
  tcase_add_test(t, element_neighbours_independent);
  tcase_add_test(t, element_sites_and_steps_independent);
  tcase_add_loop_test(t, element_pairs_uniform, 0, 4);
  tcase_add_test(t, element_avalanche);
  tcase_add_test(t, uniform_is_open);
  suite_add_tcase(s, t);
  return s;
}

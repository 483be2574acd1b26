// Weights as int8 by what enters their products: the errors it tells are those of the products, less is lost than by rounding to the
// nearest, and the numbers are of the form that every other quantization has.
#include "base/int8.h"
#include "compiler/commands/int8_fit.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIT_K = 75, FIT_N = 19, FIT_ROWS = 40 };

typedef struct FitBed {
  double x[FIT_ROWS][FIT_K], moment[FIT_K * FIT_K], noise[FIT_K];
  float w[FIT_N * FIT_K];
  int8_t q[FIT_N * FIT_K];
  uint32_t most[FIT_N];
  Int8Error error;
} FitBed;

// Rows whose numbers go together, of which some are large.
static void fill_bed(FitBed *b, bool apart) {
  for (int r = 0; r < FIT_ROWS; r++) {
    double common = rand() / (double)RAND_MAX - 0.3;
    for (int k = 0; k < FIT_K; k++)
      b->x[r][k] =
          ((apart ? 0 : common) + 0.3 * (rand() / (double)RAND_MAX - 0.5)) * (k % 7 ? 1 : 6);
  }
  for (int i = 0; i < FIT_K * FIT_K; i++)
    for (int r = 0; r < FIT_ROWS; r++)
      b->moment[i] += apart && i / FIT_K != i % FIT_K ? 0 : b->x[r][i / FIT_K] * b->x[r][i % FIT_K];
  for (int k = 0; k < FIT_K; k++)
    b->noise[k] = k * 1e-4;
  for (int i = 0; i < FIT_N * FIT_K; i++)
    b->w[i] = (float)(rand() / (double)RAND_MAX - 0.4) * (float)(1 + i / FIT_K);
}

static FitBed *bed_of(bool apart, int threads) {
  FitBed *b = calloc(1, sizeof *b);
  BigsError e = {0};
  Arena *a = arena_new();
  Pool *pool = pool_new(threads, &e);
  Int8Fit fit;
  ck_assert(b && pool);
  srand(7);
  fill_bed(b, apart);
  int8_fit_open(&fit, a, pool, b->moment, b->noise, FIT_K);
  b->error = int8_fit_columns(&fit, pool, b->w, FIT_N, b->q, b->most);
  pool_free(pool);
  arena_free(a);
  return b;
}

static float value_of(const FitBed *b, int n, int k) {
  return (float)b->q[n * FIT_K + k] * int8_scale(b->most[n]);
}
static float nearest_of(const FitBed *b, int n, int k) {
  return (float)int8_round(b->w[n * FIT_K + k], int8_inverse(b->most[n])) * int8_scale(b->most[n]);
}

// Of the rows' products with w, less what it is rounded to.
typedef float FitValue(const FitBed *b, int n, int k);
static double squares(const FitBed *b, FitValue *rounded) {
  double all = 0;
  for (int n = 0; n < FIT_N; n++)
    for (int r = 0; r < FIT_ROWS; r++) {
      double sum = 0;
      for (int k = 0; k < FIT_K; k++)
        sum += b->x[r][k] * ((double)b->w[n * FIT_K + k] - (rounded ? rounded(b, n, k) : 0));
      all += sum * sum;
    }
  return all;
}

static void is_near(double a, double b) {
  ck_assert_msg(fabs(a - b) <= 1e-9 * fabs(b), "%.17g, not %.17g", a, b);
}

START_TEST(test_errors_are_of_products) {
  FitBed *b = bed_of(false, 2);
  double rows = 0;
  is_near(b->error.whole, squares(b, NULL));
  is_near(b->error.nearest, squares(b, nearest_of));
  is_near(b->error.fitted, squares(b, value_of));
  for (int i = 0; i < FIT_N * FIT_K; i++)
    rows += b->noise[i % FIT_K] * pow(value_of(b, i / FIT_K, i % FIT_K), 2);
  is_near(b->error.rows, rows);
  ck_assert_msg(b->error.fitted < 0.2 * b->error.nearest, "%g of %g", b->error.fitted,
                b->error.nearest);
  free(b);
}
END_TEST

START_TEST(test_columns_keep_their_largest) {
  FitBed *b = bed_of(false, 1);
  for (int n = 0; n < FIT_N; n++) {
    uint32_t most = 0;
    for (int k = 0; k < FIT_K; k++) {
      uint32_t is = int8_magnitude(value_of(b, n, k)), was = int8_magnitude(b->w[n * FIT_K + k]);
      most = is > most ? is : most;
      ck_assert(was <= b->most[n] && b->q[n * FIT_K + k] >= -127);
    }
    ck_assert(int8_scale(most) == int8_scale(b->most[n]));
  }
  free(b);
}
END_TEST

// Where numbers of rows have nothing to do with each other, the nearest is best.
START_TEST(test_what_is_apart_is_rounded_to_the_nearest) {
  FitBed *b = bed_of(true, 2);
  for (int i = 0; i < FIT_N * FIT_K; i++)
    ck_assert(value_of(b, i / FIT_K, i % FIT_K) == nearest_of(b, i / FIT_K, i % FIT_K));
  ck_assert(b->error.fitted == b->error.nearest);
  free(b);
}
END_TEST

START_TEST(test_fit_has_the_same_bits_for_any_threads) {
  FitBed *one = bed_of(false, 1), *three = bed_of(false, 3);
  ck_assert(!memcmp(one, three, sizeof *one));
  free(one);
  free(three);
}
END_TEST

Suite *int8_fit_suite(void) {
  Suite *s = suite_create("int8_fit");
  TCase *t = tcase_create("int8_fit");
  tcase_add_test(t, test_errors_are_of_products);
  tcase_add_test(t, test_columns_keep_their_largest);
  tcase_add_test(t, test_what_is_apart_is_rounded_to_the_nearest);
  tcase_add_test(t, test_fit_has_the_same_bits_for_any_threads);
  suite_add_tcase(s, t);
  return s;
}

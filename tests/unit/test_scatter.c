// Scatter-add against sums in float64; exact order of additions; the same bits for any number of
// threads.
#include "base/bug.h"
#include "runtime/exec/pool.h"
#include "runtime/builtin/scatter.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *scatter_suite(void);

static uint64_t next(uint64_t *s) { // xorshift64*
  *s ^= *s >> 12;
  *s ^= *s << 25;
  *s ^= *s >> 27;
  return *s * 0x2545f4914f6cdd1du;
}
static float uniform(uint64_t *s) {
  return (float)((double)(next(s) >> 11) * 0x1p-52 - 1);
}

typedef struct ScatterProblem {
  ScatterArgs a;
  int32_t *id;
  float *src, *out, *before;
  size_t out_bytes;
} ScatterProblem;

// One id in three is 0 when `skewed`, so that its run is long.
static ScatterProblem problem(int64_t n, int64_t rows, int64_t width, bool accumulate, bool skewed,
                              uint64_t *s) {
  ScatterProblem p = {.a = {.n = n,
                            .width = width,
                            .rows = rows,
                            .src_row = width + (int64_t)(next(s) % 4),
                            .out_row = width + (int64_t)(next(s) % 4),
                            .accumulate = accumulate}};
  p.id = malloc(sizeof *p.id * (size_t)(n + 1));
  p.src = malloc(sizeof *p.src * (size_t)(n * p.a.src_row + 1));
  p.out_bytes = sizeof *p.out * (size_t)(rows * p.a.out_row);
  p.out = malloc(p.out_bytes);
  p.before = malloc(p.out_bytes);
  for (int64_t i = 0; i < n; i++)
    p.id[i] = skewed && next(s) % 3 == 0 ? 0 : (int32_t)(next(s) % (uint64_t)rows);
  for (int64_t i = 0; i < n * p.a.src_row; i++)
    p.src[i] = uniform(s);
  for (int64_t i = 0; i < rows * p.a.out_row; i++)
    p.before[i] = p.out[i] = uniform(s);
  return p;
}

static void problem_free(ScatterProblem *p) {
  free(p->id);
  free(p->src);
  free(p->out);
  free(p->before);
}

typedef struct ScatterRun {
  const ScatterProblem *p;
  int phase;
  void *shared;
} ScatterRun;
static void task(void *ctx, int64_t i, int thread) {
  ScatterRun *r = ctx;
  (void)thread;
  scatter_task(&r->p->a, r->phase, i, r->p->src, r->p->out, r->shared);
}

static void run(const ScatterProblem *p, int threads) {
  ScatterRun r = {.p = p};
  size_t bytes = scatter_shared_bytes(&p->a);
  ck_assert_int_eq(posix_memalign(&r.shared, 64, bytes + 64), 0);
  memset(r.shared, 0x5a, bytes + 64);
  scatter_prepare(&p->a, p->id, r.shared);
  BigsError e = {0};
  Pool *pool = pool_new(threads, &e);
  ck_assert_ptr_nonnull(pool);
  for (; r.phase < SCATTER_PHASES; r.phase++)
    pool_run(pool, scatter_tasks(&p->a, r.phase, r.shared), task, &r);
  pool_free(pool);
  for (size_t i = 0; i < 64; i++)
    ck_assert_int_eq(((unsigned char *)r.shared)[bytes + i], 0x5a);
  free(r.shared);
}

static void check(const ScatterProblem *p) {
  const ScatterArgs *a = &p->a;
  double *want = calloc((size_t)(a->rows * a->width), sizeof *want);
  for (int64_t i = 0; i < a->n; i++)
    for (int64_t c = 0; c < a->width; c++)
      if (p->id[i] >= 0 && p->id[i] < a->rows)
        want[p->id[i] * a->width + c] += p->src[i * a->src_row + c];
  for (int64_t r = 0; r < a->rows; r++)
    for (int64_t c = 0; c < a->out_row; c++) {
      double got = p->out[r * a->out_row + c], old = p->before[r * a->out_row + c];
      if (c >= a->width)
        ck_assert(got == old);
      else
        ck_assert_double_eq_tol(got, want[r * a->width + c] + (a->accumulate ? old : 0),
                                2e-5 * sqrt(1 + (double)a->n));
    }
  free(want);
}

START_TEST(against_sums) {
  uint64_t s = 1 + (uint64_t)_i;
  for (int k = 0; k < 40; k++) {
    ScatterProblem p =
        problem((int64_t)(next(&s) % (k < 20 ? 50 : 3000)), 1 + (int64_t)(next(&s) % 70),
                1 + (int64_t)(next(&s) % 100), k & 1, k & 2, &s);
    run(&p, 1);
    check(&p);
    problem_free(&p);
  }
}
END_TEST

// Runs around the cut: their sums are those of the cut order, bit by bit.
START_TEST(order_of_additions) {
  static const int64_t counts[] = {1, 127, 128, 129, 255, 256, 257, 1000};
  uint64_t s = 9;
  for (int k = 0; k < COUNT(counts); k++) {
    ScatterProblem p = problem(counts[k], 1, 35, k & 1, false, &s);
    run(&p, 2);
    for (int64_t c = 0; c < 35; c++) {
      double total = 0;
      for (int64_t from = 0; from < counts[k]; from += SCATTER_CUT) {
        float part = 0;
        for (int64_t i = from; i < counts[k] && i < from + SCATTER_CUT; i++)
          part += p.src[i * p.a.src_row + c];
        total += (double)part;
      }
      ck_assert(p.out[c] == (k & 1 ? p.before[c] + (float)total : (float)total));
    }
    problem_free(&p);
  }
}
END_TEST

// One id has millions of sources.
START_TEST(long_runs_err_like_pairwise_sums) {
  uint64_t s = 5;
  int64_t n = 3000000;
  ScatterProblem p = problem(n, 2, 3, false, false, &s);
  double want[3] = {0};
  for (int64_t i = 0; i < n; i++) {
    float *x = p.src + i * p.a.src_row;
    p.id[i] = 1;
    x[0] = 0.1f;
    x[1] = fabsf(x[1]);
    x[2] = 0.7f;
    for (int c = 0; c < 3; c++)
      want[c] += (double)x[c];
  }
  run(&p, 2);
  for (int c = 0; c < 3; c++)
    ck_assert_double_eq_tol((double)p.out[p.a.out_row + c] / want[c], 1, 3e-6);
  problem_free(&p);
}
END_TEST

START_TEST(same_bits_for_any_threads) {
  uint64_t s = 4;
  for (int k = 0; k < 4; k++) {
    ScatterProblem p = problem(5000, 300, 64, k & 1, k & 2, &s);
    run(&p, 1);
    float *one = malloc(p.out_bytes);
    memcpy(one, p.out, p.out_bytes);
    for (int threads = 2; threads <= 5; threads += 3) {
      memcpy(p.out, p.before, p.out_bytes);
      run(&p, threads);
      ck_assert_mem_eq(p.out, one, p.out_bytes);
    }
    free(one);
    problem_free(&p);
  }
}
END_TEST

START_TEST(ids_outside_add_to_no_row) {
  static const int32_t bad[] = {-1, 10, INT32_MAX, INT32_MIN};
  uint64_t s = 2;
  for (int k = 0; k < COUNT(bad); k++) {
    ScatterProblem p = problem(20, 10, 8, k % 2, false, &s);
    p.id[7] = bad[k];
    run(&p, 1);
    check(&p);
    problem_free(&p);
  }
}
END_TEST

Suite *scatter_suite(void) {
  Suite *s = suite_create("scatter");
  TCase *t = tcase_create("scatter");
  tcase_add_loop_test(t, against_sums, 0, 3);
  tcase_add_test(t, order_of_additions);
  tcase_add_test(t, long_runs_err_like_pairwise_sums);
  tcase_add_test(t, same_bits_for_any_threads);
  tcase_add_test(t, ids_outside_add_to_no_row);
  suite_add_tcase(s, t);
  return s;
}

// Convolution against sums in float64, for every instruction set that this CPU has; properties
// (adjoint, shift, linearity); the same bits for any number of threads.
#include "base/bug.h"
#include "runtime/builtin/conv.h"
#include "runtime/exec/pool.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *conv_suite(void);

static uint64_t next(uint64_t *s) { // xorshift64*
  *s ^= *s >> 12;
  *s ^= *s << 25;
  *s ^= *s >> 27;
  return *s * 0x2545f4914f6cdd1du;
}
static float normal(uint64_t *s) {
  return (float)((double)(next(s) >> 11) * 0x1p-52 - 1);
}
static int64_t below(uint64_t *s, int64_t n) {
  return (int64_t)(next(s) % (uint64_t)n);
}

static void *aligned(size_t bytes) {
  void *p = NULL;
  ck_assert_int_eq(posix_memalign(&p, 64, bytes ? bytes : 64), 0);
  memset(p, 0xa5, bytes);
  return p;
}

// ---- a problem: tensors with padded strides, and sentinels in the gaps
typedef struct ConvProblem {
  ConvArgs a;
  int64_t L, nu, ny, nk;
  float *u, *k, *y, *dy, *dk;
} ConvProblem;
static const float gap = -12345;

static float *tensor(int64_t n, uint64_t *s) {
  float *x = aligned((size_t)n * sizeof *x);
  for (int64_t i = 0; i < n; i++)
    x[i] = s ? normal(s) : gap;
  return x;
}

static ConvProblem problem(int64_t L, int64_t nbatch, int64_t channels, bool per_channel,
                           bool reverse, ConvIsa isa, uint64_t *s) {
  ConvProblem p = {.L = L};
  ConvArgs *a = &p.a;
  a->plan = conv_plan_new(L, isa);
  ck_assert_ptr_nonnull(a->plan);
  a->nbatch = nbatch;
  a->channels = channels;
  a->reverse = reverse;
  a->u_row = channels + below(s, 5);
  a->y_row = channels + below(s, 5);
  a->u_batch = a->u_row * L + below(s, 7);
  a->y_batch = a->y_row * L + below(s, 7);
  a->k_row = 1 + below(s, 2);
  if (per_channel && below(s, 2)) { // [L][H]
    a->k_channel = 1;
    a->k_row = channels + below(s, 3);
  } else if (per_channel) { // [H][L]
    a->k_channel = L * a->k_row + below(s, 3);
  }
  p.nu = a->u_batch * nbatch;
  p.ny = a->y_batch * nbatch;
  p.nk = a->k_row * L + a->k_channel * channels;
  p.u = tensor(p.nu, s);
  p.k = tensor(p.nk, s);
  p.dy = tensor(p.ny, s);
  p.y = tensor(p.ny, NULL);
  p.dk = tensor(p.nk, NULL);
  return p;
}

static void problem_free(ConvProblem *p) {
  conv_plan_free((ConvPlan *)p->a.plan);
  free(p->u);
  free(p->k);
  free(p->y);
  free(p->dy);
  free(p->dk);
}

// ---- running on a pool
typedef struct ConvRun {
  const ConvArgs *a;
  int phase;
  bool grad;
  const float *u, *k; // k: dy of a gradient
  float *y;
  void *shared, *scratch[16];
} ConvRun;

static void run_task(void *ctx, int64_t task, int thread) {
  ConvRun *r = ctx;
  if (r->grad)
    conv_grad_task(r->a, r->phase, task, r->u, r->k, r->y, r->shared, r->scratch[thread]);
  else
    conv_task(r->a, r->phase, task, r->u, r->k, r->y, r->shared, r->scratch[thread]);
}

static void run(const ConvArgs *a, bool grad, const float *u, const float *k, float *y,
                Pool *pool) {
  ConvRun r = {.a = a, .grad = grad, .u = u, .k = k, .y = y};
  int threads = pool ? pool_threads(pool) : 1;
  r.shared = aligned(grad ? conv_grad_shared_bytes(a) : conv_shared_bytes(a));
  for (int i = 0; i < threads; i++)
    r.scratch[i] = aligned(grad ? conv_grad_scratch_bytes(a) : conv_scratch_bytes(a));
  for (; r.phase < (grad ? CONV_GRAD_PHASES : CONV_PHASES); r.phase++) {
    int64_t n = grad ? conv_grad_tasks(a, r.phase) : conv_tasks(a, r.phase);
    if (pool)
      pool_run(pool, n, run_task, &r);
    for (int64_t i = n - 1; !pool && i >= 0; i--)
      run_task(&r, i, 0);
  }
  free(r.shared);
  for (int i = 0; i < threads; i++)
    free(r.scratch[i]);
}

// ---- against sums in float64
static double at(const float *x, int64_t batch, int64_t row, int64_t b, int64_t l, int64_t c) {
  return x[b * batch + l * row + c];
}

static void check_forward(ConvProblem *p) {
  const ConvArgs *a = &p->a;
  run(a, false, p->u, p->k, p->y, NULL);
  double worst = 0, most = 0;
  for (int64_t b = 0; b < a->nbatch; b++)
    for (int64_t c = 0; c < a->channels; c++)
      for (int64_t l = 0; l < p->L; l++) {
        double sum = 0;
        for (int64_t j = 0; j <= (a->reverse ? p->L - 1 - l : l); j++)
          sum += p->k[j * a->k_row + c * a->k_channel] *
                 at(p->u, a->u_batch, a->u_row, b, a->reverse ? l + j : l - j, c);
        worst = fmax(worst, fabs(sum - at(p->y, a->y_batch, a->y_row, b, l, c)));
        most = fmax(most, fabs(sum));
      }
  ck_assert_msg(worst <= 1e-6 * most, "L %lld: error %g of %g", (long long)p->L, worst, most);
  for (int64_t i = 0; i < p->ny; i++) // gaps between rows are left alone
    if (i % a->y_batch >= p->L * a->y_row || i % a->y_batch % a->y_row >= a->channels)
      ck_assert(p->y[i] == gap);
}

static double lag(const ConvProblem *p, int64_t j, int64_t c) {
  const ConvArgs *a = &p->a;
  double sum = 0;
  for (int64_t b = 0; b < a->nbatch; b++)
    for (int64_t l = j; l < p->L; l++)
      sum += at(p->dy, a->y_batch, a->y_row, b, a->reverse ? l - j : l, c) *
             at(p->u, a->u_batch, a->u_row, b, a->reverse ? l : l - j, c);
  return sum;
}

static void check_grad(ConvProblem *p) {
  const ConvArgs *a = &p->a;
  run(a, true, p->u, p->dy, p->dk, NULL);
  double worst = 0, most = 0;
  int64_t kernels = a->k_channel ? a->channels : 1;
  for (int64_t n = 0; n < kernels; n++)
    for (int64_t j = 0; j < p->L; j++) {
      double sum = 0;
      for (int64_t c = 0; c < (a->k_channel ? 1 : a->channels); c++)
        sum += lag(p, j, n + c);
      worst = fmax(worst, fabs(sum - p->dk[j * a->k_row + n * a->k_channel]));
      most = fmax(most, fabs(sum));
    }
  ck_assert_msg(worst <= 2e-6 * most, "L %lld: error %g of %g", (long long)p->L, worst, most);
  int64_t written = 0;
  for (int64_t i = 0; i < p->nk; i++)
    written += p->dk[i] != gap;
  ck_assert_int_eq(written, p->L * kernels);
}

// ---- what is not finite
// NaN where NaN is due, infinite with its sign where that is, near elsewhere.
static void check_number(double want, double got, double allowed, const char *what, int64_t L,
                         int64_t l) {
  bool same = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= allowed;
  ck_assert_msg(same, "L %lld: %s[%lld] is %g, not %g", (long long)L, what, (long long)l, got,
                want);
}

static double forward_sum(const ConvProblem *p, int64_t b, int64_t l, int64_t c) {
  const ConvArgs *a = &p->a;
  double sum = 0;
  for (int64_t j = 0; j <= (a->reverse ? p->L - 1 - l : l); j++)
    sum += (double)p->k[j * a->k_row + c * a->k_channel] *
           at(p->u, a->u_batch, a->u_row, b, a->reverse ? l + j : l - j, c);
  return sum;
}

static void check_special_forward(ConvProblem *p) {
  const ConvArgs *a = &p->a;
  run(a, false, p->u, p->k, p->y, NULL);
  for (int64_t b = 0; b < a->nbatch; b++)
    for (int64_t c = 0; c < a->channels; c++)
      for (int64_t l = 0; l < p->L; l++)
        check_number(forward_sum(p, b, l, c), at(p->y, a->y_batch, a->y_row, b, l, c),
                     2e-6 * (double)p->L, "y", p->L, l);
}

static void check_special_grad(ConvProblem *p) {
  const ConvArgs *a = &p->a;
  run(a, true, p->u, p->dy, p->dk, NULL);
  for (int64_t n = 0; n < (a->k_channel ? a->channels : 1); n++)
    for (int64_t j = 0; j < p->L; j++) {
      double sum = 0;
      for (int64_t c = 0; c < (a->k_channel ? 1 : a->channels); c++)
        sum += lag(p, j, n + c);
      check_number(sum, p->dk[j * a->k_row + n * a->k_channel], 2e-6 * (double)(p->L * a->channels),
                   "dk", p->L, j);
    }
}

// `count` numbers that are none, at steps m, m - 3, ... of some rows and channels.
static void spoil(const ConvProblem *p, float *x, bool of_u, int64_t m, int count, uint64_t *s) {
  static const float value[] = {NAN, INFINITY, -INFINITY};
  const ConvArgs *a = &p->a;
  int64_t first = below(s, 3);
  for (int i = 0; i < count; i++, m = m < 3 ? m : m - 3) {
    int64_t b = below(s, a->nbatch), c = below(s, a->channels);
    x[b * (of_u ? a->u_batch : a->y_batch) + m * (of_u ? a->u_row : a->y_row) + c] =
        value[(first + i) % 3];
  }
}

static void check_special(int64_t L, int64_t m, int flags, ConvIsa isa, uint64_t *s) {
  bool wide = flags & 4; // whole vectors of every width; else staged, too
  for (int what = 0; what < 4; what++) {
    ConvProblem p = problem(L, 3, wide ? 32 : 21, flags & 1, flags & 2, isa, s);
    int count = 1 + (int)below(s, 3);
    if (what == 0 || what == 3)
      spoil(&p, p.u, true, m, count, s);
    if (what == 1 || what == 3)
      spoil(&p, p.dy, false, m, count, s);
    if (what == 2)
      p.k[m * p.a.k_row + below(s, p.a.channels) * p.a.k_channel] = count == 1 ? NAN : INFINITY;
    check_special_forward(&p);
    check_special_grad(&p);
    problem_free(&p);
  }
}

static const ConvIsa isas[] = {CONV_GENERIC, CONV_AVX2, CONV_AVX512};
static bool have(ConvIsa isa) {
  ConvPlan *p = conv_plan_new(8, isa);
  conv_plan_free(p);
  return p != NULL;
}

static void check(int64_t L, int64_t nbatch, int64_t channels, int flags, ConvIsa isa,
                  uint64_t *s) {
  ConvProblem p = problem(L, nbatch, channels, flags & 1, flags & 2, isa, s);
  check_forward(&p);
  check_grad(&p);
  problem_free(&p);
}

START_TEST(random_short) {
  uint64_t s = 1 + (uint64_t)_i;
  if (!have(isas[_i]))
    return;
  for (int k = 0; k < 150; k++)
    check(1 + below(&s, k < 100 ? 100 : 600), 1 + below(&s, 4), 1 + below(&s, 40), k, isas[_i], &s);
}
END_TEST

START_TEST(lengths_at_edges) { // of the tile, of the change to FFT, of every kind of transform
  static const int64_t L[] = {1,   2,   5,   6,   7,   12,  13,  63,  64,  65,
                              80,  81,  96,  97,  127, 128, 129, 160, 161, 192,
                              193, 256, 257, 320, 321, 384, 385, 511, 512, 513};
  uint64_t s = 5;
  if (!have(isas[_i]))
    return;
  for (int i = 0; i < COUNT(L); i++)
    for (int flags = 0; flags < 4; flags++)
      check(L[i], 1 + i % 3, i % 4 == 3 ? 33 : 16, flags, isas[_i], &s);
}
END_TEST

// At edges of the tile and of the transform's parts.
START_TEST(not_finite_spoils_what_depends_on_it) {
  static const int64_t L[] = {1, 5, 6, 7, 13, 24, 63, 64, 65, 80, 129};
  uint64_t s = 19;
  if (!have(isas[_i]))
    return;
  for (int i = 0; i < COUNT(L); i++) {
    const int64_t place[] = {0, 1, 5, 6, L[i] / 4, L[i] / 2, L[i] - 2, L[i] - 1};
    for (int k = 0; k < COUNT(place); k++)
      if (place[k] >= 0 && place[k] < L[i])
        check_special(L[i], place[k], (i + k) & 7, isas[_i], &s);
  }
}
END_TEST

// The result may lie where the input does.
START_TEST(not_finite_in_place) {
  static const int64_t L[] = {7, 40, 64, 200};
  uint64_t s = 23;
  for (int i = 0; i < COUNT(L); i++)
    for (int flags = 0; flags < 4; flags++) {
      ConvProblem p = problem(L[i], 2, 64, flags & 1, flags & 2, CONV_BEST, &s);
      p.a.y_row = p.a.u_row;
      p.a.y_batch = p.a.u_batch;
      free(p.y);
      p.y = tensor(p.nu, NULL);
      spoil(&p, p.u, true, L[i] / 2, 3, &s);
      memcpy(p.y, p.u, (size_t)p.nu * sizeof *p.u);
      run(&p.a, false, p.y, p.k, p.y, NULL);
      for (int64_t b = 0; b < 2; b++)
        for (int64_t c = 0; c < 64; c++)
          for (int64_t l = 0; l < L[i]; l++)
            check_number(forward_sum(&p, b, l, c), at(p.y, p.a.u_batch, p.a.u_row, b, l, c),
                         2e-6 * (double)L[i], "y", L[i], l);
      problem_free(&p);
    }
}
END_TEST

// A row of them costs no more than one: 2^18 steps of NaN, and of both infinities.
START_TEST(many_that_are_not_finite) {
  uint64_t s = 29;
  for (int flags = 0; flags < 4; flags++) {
    ConvProblem p = problem(1 << 18, 1, 3, flags & 1, flags & 2, CONV_BEST, &s);
    for (int64_t i = 0; i < p.nu; i++)
      p.u[i] = flags & 1 ? NAN : i & 1 ? -INFINITY : INFINITY;
    run(&p.a, false, p.u, p.k, p.y, NULL);
    run(&p.a, true, p.u, p.dy, p.dk, NULL);
    ck_assert(isnan(p.dk[0]));
    ck_assert(isnan(at(p.y, 0, p.a.y_row, 0, flags & 2 ? 0 : p.L - 1, 1)));
    problem_free(&p);
  }
}
END_TEST

START_TEST(random_long) {
  uint64_t s = 77;
  if (!have(isas[_i]))
    return;
  for (int k = 0; k < 8; k++)
    check(k == 0   ? 1000
          : k == 1 ? 4096
                   : 1000 + below(&s, 1500),
          1, k & 1 ? 3 : 2, k, isas[_i], &s);
}
END_TEST

START_TEST(refused) {
  ck_assert_ptr_null(conv_plan_new(0, CONV_BEST));
  ck_assert_ptr_null(conv_plan_new(-1, CONV_BEST));
  ck_assert_ptr_null(conv_plan_new((int64_t)CONV_MAX_LENGTH + 1, CONV_BEST));
  conv_plan_free(NULL);
}
END_TEST

START_TEST(in_place) {
  uint64_t s = 3;
  static const int64_t L[] = {1, 17, 50, 64, 300};
  for (int i = 0; i < COUNT(L); i++)
    for (int flags = 0; flags < 4; flags++) {
      ConvProblem p = problem(L[i], 3, 37, flags & 1, flags & 2, CONV_BEST, &s);
      p.a.y_row = p.a.u_row;
      p.a.y_batch = p.a.u_batch;
      free(p.y);
      p.y = tensor(p.nu, NULL);
      run(&p.a, false, p.u, p.k, p.y, NULL);
      run(&p.a, false, p.u, p.k, p.u, NULL);
      for (int64_t b = 0; b < 3; b++)
        for (int64_t l = 0; l < L[i]; l++)
          ck_assert_mem_eq(p.u + b * p.a.u_batch + l * p.a.u_row,
                           p.y + b * p.a.u_batch + l * p.a.u_row, 37 * sizeof(float));
      problem_free(&p);
    }
}
END_TEST

// ---- properties
// <conv(u), v> = <u, conv reversed(v)> = <k, grad(u, v)>
START_TEST(adjoint) {
  uint64_t s = 11;
  static const int64_t L[] = {20, 64, 100, 777, 2000};
  for (int i = 0; i < COUNT(L); i++)
    for (int flags = 0; flags < 4; flags++) {
      ConvProblem p = problem(L[i], 2, 21, flags & 1, flags & 2, CONV_BEST, &s);
      run(&p.a, false, p.u, p.k, p.y, NULL);
      run(&p.a, true, p.u, p.dy, p.dk, NULL);
      double a = 0, b = 0, c = 0, size = 0;
      for (int64_t n = 0; n < p.ny; n++)
        if (p.y[n] != gap)
          a += (double)p.y[n] * p.dy[n], size += fabs((double)p.y[n] * p.dy[n]);
      for (int64_t n = 0; n < p.nk; n++)
        if (p.dk[n] != gap)
          c += (double)p.dk[n] * p.k[n];
      ConvArgs back = p.a;
      back.reverse = !back.reverse;
      back.u_row = p.a.y_row;
      back.u_batch = p.a.y_batch;
      back.y_row = p.a.u_row;
      back.y_batch = p.a.u_batch;
      float *du = tensor(p.nu, NULL);
      run(&back, false, p.dy, p.k, du, NULL);
      for (int64_t n = 0; n < p.nu; n++)
        if (du[n] != gap)
          b += (double)du[n] * p.u[n];
      free(du);
      ck_assert_msg(fabs(a - b) < 1e-6 * size, "L %lld: %g, %g", (long long)L[i], a, b);
      ck_assert_msg(fabs(a - c) < 1e-6 * size, "L %lld: %g, %g", (long long)L[i], a, c);
      problem_free(&p);
    }
}
END_TEST

// A kernel with a single one at j delays by j.
START_TEST(shift) {
  uint64_t s = 13;
  static const int64_t L[] = {7, 63, 64, 200, 1030};
  for (int i = 0; i < COUNT(L); i++)
    for (int flags = 0; flags < 4; flags++) {
      ConvProblem p = problem(L[i], 1, 19, flags & 1, flags & 2, CONV_BEST, &s);
      int64_t j = below(&s, L[i]), sign = p.a.reverse ? 1 : -1;
      memset(p.k, 0, (size_t)p.nk * sizeof *p.k);
      for (int64_t c = 0; c < (p.a.k_channel ? 19 : 1); c++)
        p.k[j * p.a.k_row + c * p.a.k_channel] = 1;
      run(&p.a, false, p.u, p.k, p.y, NULL);
      for (int64_t l = 0; l < L[i]; l++)
        for (int64_t c = 0; c < 19; c++) {
          int64_t from = l + sign * j;
          double want = from < 0 || from >= L[i] ? 0 : at(p.u, 0, p.a.u_row, 0, from, c);
          ck_assert_double_eq_tol(at(p.y, 0, p.a.y_row, 0, l, c), want, 3e-6);
        }
      problem_free(&p);
    }
}
END_TEST

START_TEST(same_bits_for_any_threads) {
  static const int threads[] = {1, 2, 5};
  uint64_t s = 17;
  for (int flags = 0; flags < 8; flags++) {
    ConvProblem p = problem(flags & 4 ? 333 : 40, 5, 101, flags & 1, flags & 2, CONV_BEST, &s);
    run(&p.a, false, p.u, p.k, p.y, NULL);
    run(&p.a, true, p.u, p.dy, p.dk, NULL);
    for (int t = 0; t < 3; t++) {
      BigsError e = {0};
      Pool *pool = pool_new(threads[t], &e);
      ck_assert_ptr_nonnull(pool);
      float *y = tensor(p.ny, NULL), *dk = tensor(p.nk, NULL);
      run(&p.a, false, p.u, p.k, y, pool);
      run(&p.a, true, p.u, p.dy, dk, pool);
      ck_assert_mem_eq(y, p.y, (size_t)p.ny * sizeof *y);
      ck_assert_mem_eq(dk, p.dk, (size_t)p.nk * sizeof *dk);
      free(y);
      free(dk);
      pool_free(pool);
    }
    problem_free(&p);
  }
}
END_TEST

Suite *conv_suite(void) {
  Suite *s = suite_create("conv");
  TCase *t = tcase_create("sums");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, random_short, 0, COUNT(isas));
  tcase_add_loop_test(t, lengths_at_edges, 0, COUNT(isas));
  tcase_add_loop_test(t, random_long, 0, COUNT(isas));
  tcase_add_loop_test(t, not_finite_spoils_what_depends_on_it, 0, COUNT(isas));
  tcase_add_test(t, not_finite_in_place);
  tcase_add_test(t, many_that_are_not_finite);
  suite_add_tcase(s, t);
  t = tcase_create("properties");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, refused);
  tcase_add_test(t, in_place);
  tcase_add_test(t, adjoint);
  tcase_add_test(t, shift);
  tcase_add_test(t, same_bits_for_any_threads);
  suite_add_tcase(s, t);
  return s;
}

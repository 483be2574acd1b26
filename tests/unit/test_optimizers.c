// Optimizers of compiled models against their formulas in float64: values of parameters, moments and averages after some steps, by the JIT
// at -O0 and -O2 and in a library.
#include "base/rng.h"
#include "compiler/driver/session.h"
#include "runtime/exec/optim.h"
#include "tests/unit/command.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 37, STEPS = 7 };
static const double decay = 0.1, clip = 3, rate = 0.02;

// The gradient of w is x.
static const char text[] =
    "dim N = 37\n"
    "model Plain(x : [N]) {\n  w : [N] ~ normal(1)\n  entry y : [N] = w * x\n}\n"
    "train t {\n  loss = sum[N](w * x)\n  optimizer = %s\n"
    "  rate = 0.02 * (warmup(3) then linear(to: 0.5))\n"
    "  decay = 0.1; clip = 3; steps = 7; batch = 1; ema = 0.75\n}\n";

typedef struct Plain { // in float64; t: steps done, with this one
  double p, m, v, g, rate, average;
  int t;
} Plain;

static double sign(double x) {
  return (x > 0) - (x < 0);
}

static void by_adamw(Plain *x) {
  x->m = 0.8 * x->m + 0.2 * x->g;
  x->v = 0.95 * x->v + 0.05 * x->g * x->g;
  double m = x->m / (1 - pow(0.8, x->t)), v = x->v / (1 - pow(0.95, x->t));
  x->p -= x->rate * (m / (sqrt(v) + 1e-4) + decay * x->p);
}
static void by_adam(Plain *x) {
  double g = x->g + decay * x->p;
  x->m = 0.9 * x->m + 0.1 * g;
  x->v = 0.999 * x->v + 0.001 * g * g;
  double m = x->m / (1 - pow(0.9, x->t)), v = x->v / (1 - pow(0.999, x->t));
  x->p -= x->rate * m / (sqrt(v) + 1e-8);
}
static void by_sgd(Plain *x) {
  x->m = 0.7 * x->m + x->g + decay * x->p;
  x->p -= x->rate * x->m;
}
static void by_lion(Plain *x) {
  double step = sign(0.9 * x->m + 0.1 * x->g);
  x->m = 0.99 * x->m + 0.01 * x->g;
  x->p -= x->rate * (step + decay * x->p);
}
static void by_lion_of_other_betas(Plain *x) {
  double step = sign(0.5 * x->m + 0.5 * x->g);
  x->m = 0.75 * x->m + 0.25 * x->g;
  x->p -= x->rate * (step + decay * x->p);
}

static const struct {
  const char *text;
  void (*step)(Plain *);
} cases[] = {{"adamw(beta: (0.8, 0.95), eps: 1e-4)", by_adamw},
             {"adam()", by_adam},
             {"sgd(momentum: 0.7)", by_sgd},
             {"lion()", by_lion},
             {"lion(beta: (0.5, 0.75))", by_lion_of_other_betas}};

static char folder[TEST_PATH];
static void set_up(void) {
  test_make_dir(folder);
}
static void tear_down(void) {
  test_remove_dir(folder);
}

// The model's file, or a library of it.
static char *write_plain(Arena *a, const char *optimizer, bool library) {
  char *mdl = arena_printf(a, "%s/plain.mdl", folder), *so = arena_printf(a, "%s/plain.so", folder);
  FILE *f = fopen(mdl, "w");
  ck_assert_ptr_nonnull(f);
  fprintf(f, text, optimizer);
  ck_assert_int_eq(fclose(f), 0);
  char *line[] = {"bigsc", mdl, "-o", so};
  if (library)
    ck_assert_int_eq(test_bigsc(4, line), 0);
  return library ? so : mdl;
}

static void open_plain(Session *s, Options *o, Arena *a, const char *path, char *level) {
  BuildWant want = {.nentries = -1, .ntrains = -1, .update = true, .init = true};
  char *line[] = {"bigsc", "bench", (char *)(uintptr_t)path, level, "-q"};
  ck_assert_int_eq(options_parse(a, o, level ? 5 : 3, line), -1);
  ck_assert_int_eq(session_load(s, o, path, true), 0);
  if (level)
    ck_assert_int_eq(session_compile(s, &want), 0);
  ck_assert_int_eq(session_open(s), 0);
}

// Of step t; a column of it is 0 in all steps, and its norm is above `clip` in some.
static void gradient_of(int t, float *x) {
  for (int i = 0; i < SIZE; i++)
    x[i] = i == 5 ? 0 : (float)(rng_mix((uint64_t)(t * SIZE + i)) % 2000) / 1000 - 1;
}

static double clipped(const float *x) {
  double sum = 0;
  for (int i = 0; i < SIZE; i++)
    sum += (double)x[i] * (double)x[i];
  return sqrt(sum) > clip ? clip / sqrt(sum) : 1;
}

static void step_plain(bigs_model *m, Plain *w, int which, int t, bool *cut) {
  const void *in[] = {NULL};
  float x[SIZE], loss;
  const int64_t none[MAX_SYMS] = {0};
  gradient_of(t, x);
  in[0] = x;
  double scale = clipped(x), factor = t <= 3 ? t / 3.0 : 1 - 0.5 * (t - 4) / (STEPS - 3.0);
  *cut |= scale < 1;
  ck_assert_msg(!bigs_model_step(m, 0, none, in, &loss), "%s", bigs_model_error(m));
  for (int i = 0; i < SIZE; i++) {
    w[i].g = scale * (double)x[i];
    w[i].rate = rate * factor;
    w[i].t = t;
    cases[which].step(&w[i]);
    w[i].average = 0.75 * w[i].average + 0.25 * w[i].p;
  }
}

static void same_plain(bigs_model *m, const Plain *w) {
  float p[SIZE], mean[SIZE], average[SIZE];
  ck_assert_int_eq(bigs_model_get(m, BIGS_THE_WEIGHT, 0, p), 0);
  ck_assert_int_eq(bigs_model_get(m, BIGS_THE_MOMENT1, 0, mean), 0);
  ck_assert_int_eq(bigs_model_get(m, BIGS_THE_AVERAGE, 0, average), 0);
  for (int i = 0; i < SIZE; i++) {
    ck_assert_double_eq_tol((double)average[i], w[i].average, 4e-6);
    ck_assert_double_eq_tol((double)p[i], w[i].p, 4e-6);
    ck_assert_double_eq_tol((double)mean[i], w[i].m, 4e-6);
  }
}

// Gradients, moments and the average are counted.
START_TEST(memory_of_a_step_is_counted) {
  Arena *a = arena_new();
  Session s;
  Options o;
  const int64_t none[MAX_SYMS] = {0};
  open_plain(&s, &o, a, write_plain(a, cases[_i].text, false), "-O0");
  bigs_info *info = bigs_info_new(s.module);
  int64_t got = info->memory(info, s.module->train[0].program, none);
  int regions = strstr(cases[_i].text, "adam") ? 4 : 3; // and the products that are summed up
  ck_assert_int_eq(got, (regions + 1) * s.module->param_bytes);
  bigs_info_free(info);
  session_close(&s);
  arena_free(a);
}
END_TEST

START_TEST(steps_are_the_formulas) {
  static char *const levels[] = {"-O0", "-O2", NULL};
  int which = _i / 3;
  Arena *a = arena_new();
  Session s;
  Options o;
  Plain w[SIZE] = {0};
  float p[SIZE];
  bool cut = false;
  char *level = levels[_i % 3];
  open_plain(&s, &o, a, write_plain(a, cases[which].text, !level), level);
  ck_assert_int_eq(bigs_model_get(s.handle, BIGS_THE_WEIGHT, 0, p), 0);
  for (int i = 0; i < SIZE; i++)
    w[i].p = w[i].average = (double)p[i];
  for (int t = 1; t <= STEPS; t++)
    step_plain(s.handle, w, which, t, &cut);
  ck_assert(cut);
  same_plain(s.handle, w);
  session_close(&s);
  arena_free(a);
}
END_TEST

Suite *optimizers_suite(void) {
  Suite *s = suite_create("optimizers");
  TCase *t = tcase_create("optimizers");
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, steps_are_the_formulas, 0, 3 * COUNT(cases));
  tcase_add_loop_test(t, memory_of_a_step_is_counted, 0, COUNT(cases));
  suite_add_tcase(s, t);
  return s;
}

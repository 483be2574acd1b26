// Builtin steps through the executor: convolution, its gradient, scatter; several sizes through one
// handle, any number of threads.
#include "runtime/exec/exec.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

// clang-format off
#define CONST(c) {.n = 1, .t = {{.coef = (c), .sym = {-1, -1, -1, -1, -1, -1, -1, -1}}}}
#define SYM(c, a) {.n = 1, .t = {{.coef = (c), .sym = {(a), -1, -1, -1, -1, -1, -1, -1}}}}
#define SYM2(c, a, b) {.n = 1, .t = {{.coef = (c), .sym = {(a), (b), -1, -1, -1, -1, -1, -1}}}}
#define VALUE(v) {.kind = 0, .value = (v)}
#define SIZE(p) {.kind = 2, .size = p}
// clang-format on
enum { B, L, C = 5, ROWS = 4 };

// y1 = conv(u, k), y2 = reversed conv(u, k), dk = conv_grad(u, y1); out[ids[b]] += u[b][0] (as rows
// of C)
static const BigsDim dims[] = {{.name = "B"}, {.name = "L", .bound = 4096}};
static const BigsTensor inputs[] = {
    {.name = "u", .dtype = DT_F32, .rank = 3, .extent = {SYM(1, B), SYM(1, L), CONST(C)}},
    {.name = "k", .dtype = DT_F32, .rank = 1, .extent = {SYM(1, L)}},
    {.name = "ids", .dtype = DT_I32, .rank = 1, .extent = {SYM(1, B)}, .limit = CONST(ROWS)}};
static const BigsTensor outputs[] = {
    {.name = "y1"}, {.name = "y2"}, {.name = "dk"}, {.name = "rows"}};
enum { S_ZERO, S_B, S_L, S_CL, S_CBL, S_ROWS, NPOLY }; // sizes
static const Poly polys[NPOLY] = {[S_B] = SYM(1, B),
                                  [S_L] = SYM(1, L),
                                  [S_CL] = SYM(C, L),
                                  [S_CBL] = SYM2(C, B, L),
                                  [S_ROWS] = CONST(ROWS * C)};
#define BUFFER(w, i, t, s) {.where = w, .index = i, .dtype = t, .size = s}
static const BigsBuffer buffers[] = {
    BUFFER(BIGS_INPUT, 0, DT_F32, S_CBL),  BUFFER(BIGS_INPUT, 1, DT_F32, S_L),
    BUFFER(BIGS_INPUT, 2, DT_I32, S_B),    BUFFER(BIGS_OUTPUT, 0, DT_F32, S_CBL),
    BUFFER(BIGS_OUTPUT, 1, DT_F32, S_CBL), BUFFER(BIGS_OUTPUT, 2, DT_F32, S_L),
    BUFFER(BIGS_OUTPUT, 3, DT_F32, S_ROWS)};
#define CONV(reverse)                                                                              \
  (const BigsScalar[]) {                                                                           \
    SIZE(S_B), SIZE(S_L), VALUE(C), SIZE(S_CL), VALUE(C), SIZE(S_CL), VALUE(C), VALUE(1),          \
        VALUE(0), VALUE(reverse)                                                                   \
  }
static const BigsStep steps[] = {{.kind = BIGS_BUILTIN,
                                  .index = BIGS_CONV,
                                  .narg = 3,
                                  .arg = (const int32_t[]){0, 1, 3},
                                  .nscalar = 10,
                                  .scalar = CONV(0)},
                                 {.kind = BIGS_BUILTIN,
                                  .index = BIGS_CONV,
                                  .narg = 3,
                                  .arg = (const int32_t[]){0, 1, 4},
                                  .nscalar = 10,
                                  .scalar = CONV(1)},
                                 {.kind = BIGS_BUILTIN,
                                  .index = BIGS_CONV_GRAD,
                                  .narg = 3,
                                  .arg = (const int32_t[]){0, 3, 5},
                                  .nscalar = 10,
                                  .scalar = CONV(0)},
                                 {.kind = BIGS_BUILTIN,
                                  .index = BIGS_SCATTER,
                                  .narg = 3,
                                  .arg = (const int32_t[]){2, 0, 6},
                                  .nscalar = 6,
                                  .scalar = (const BigsScalar[]){SIZE(S_B), VALUE(C), SIZE(S_CL),
                                                                 VALUE(ROWS), VALUE(C), VALUE(0)}}};
static const BigsProgram program = {.name = "all",
                                    .kind = BIGS_ENTRY,
                                    .syms = 3,
                                    .ninput = 3,
                                    .input = (const int32_t[]){0, 1, 2},
                                    .noutput = 4,
                                    .output = outputs,
                                    .nbuffer = COUNT(buffers),
                                    .buffer = buffers,
                                    .nstep = COUNT(steps),
                                    .step = steps};
static const BigsBuiltinOps *const builtins[BIGS_BUILTIN_COUNT] = {
#define BUILTIN(id, name) [BIGS_##id] = &bigs_builtin_##name,
#include "runtime/builtin.def"
#undef BUILTIN
};
static const BigsModule module = {.abi = BIGS_ABI_VERSION,
                                  .model = "B",
                                  .version = "test",
                                  .ndim = 2,
                                  .npoly = NPOLY,
                                  .poly = polys,
                                  .ninput = 3,
                                  .nprogram = 1,
                                  .dim = dims,
                                  .input = inputs,
                                  .program = &program,
                                  .builtin = builtins};

typedef struct Values {
  int64_t b, l;
  float *u, *k, *y1, *y2, *dk, rows[ROWS * C];
  int32_t *ids;
} Values;
static Values make(int64_t b, int64_t l) {
  size_t n = (size_t)(b * l * C);
  Values v = {.b = b,
              .l = l,
              .u = malloc(n * 4),
              .k = malloc((size_t)l * 4),
              .y1 = malloc(n * 4),
              .y2 = malloc(n * 4),
              .dk = malloc((size_t)l * 4),
              .ids = malloc((size_t)b * 4)};
  for (size_t i = 0; i < n; i++)
    v.u[i] = rng_uniform(rng_mix((uint32_t)i)) - 0.5f;
  for (int64_t i = 0; i < l; i++)
    v.k[i] = rng_uniform(rng_mix((uint32_t)i + 99)) - 0.5f;
  for (int64_t i = 0; i < b; i++)
    v.ids[i] = (int32_t)(i * 5 % 3);
  return v;
}
static void drop(Values *v) {
  void *const part[] = {v->u, v->k, v->y1, v->y2, v->dk, v->ids};
  for (int i = 0; i < COUNT(part); i++)
    free(part[i]);
}
static int run(bigs_model *m, Values *v) {
  const void *in[] = {v->u, v->k, v->ids};
  void *out[] = {v->y1, v->y2, v->dk, v->rows};
  return bigs_model_run(m, 0, (const int64_t[]){v->b, v->l}, in, out);
}

static double at(const float *x, const Values *v, int64_t b, int64_t l, int64_t c) {
  return x[(b * v->l + l) * C + c];
}
static void check_values(const Values *v) {
  for (int64_t b = 0; b < v->b; b++)
    for (int64_t l = 0; l < v->l; l++)
      for (int64_t c = 0; c < C; c++) {
        double y1 = 0, y2 = 0;
        for (int64_t j = 0; j <= l; j++)
          y1 += v->k[j] * at(v->u, v, b, l - j, c);
        for (int64_t j = 0; l + j < v->l; j++)
          y2 += v->k[j] * at(v->u, v, b, l + j, c);
        ck_assert_double_eq_tol(at(v->y1, v, b, l, c), y1, 1e-5);
        ck_assert_double_eq_tol(at(v->y2, v, b, l, c), y2, 1e-5);
      }
  for (int64_t j = 0; j < v->l; j++) {
    double dk = 0;
    for (int64_t b = 0; b < v->b; b++)
      for (int64_t l = j; l < v->l; l++)
        for (int64_t c = 0; c < C; c++)
          dk += at(v->y1, v, b, l, c) * at(v->u, v, b, l - j, c);
    ck_assert_double_eq_tol(v->dk[j], dk, 2e-4);
  }
  for (int row = 0; row < ROWS; row++)
    for (int64_t c = 0; c < C; c++) {
      double sum = 0;
      for (int64_t b = 0; b < v->b; b++)
        sum += v->ids[b] == row ? at(v->u, v, b, 0, c) : 0;
      ck_assert_double_eq_tol(v->rows[row * C + c], sum, 1e-5);
    }
}

START_TEST(builtins_compute_what_they_say) {
  static const int64_t size[][2] = {{3, 7},   {2, 100}, {1, 1},  {3, 7},
                                    {4, 130}, {2, 33},  {1, 64}, {2, 100}};
  bigs_model *m = bigs_model_open_with(
      &module, NULL, &(bigs_options){.size = sizeof(bigs_options), .threads = 2}, NULL, 0);
  ck_assert_ptr_nonnull(m);
  for (int i = 0; i < COUNT(size); i++) {
    Values v = make(size[i][0], size[i][1]);
    ck_assert_msg(run(m, &v) == 0, "%s", bigs_model_error(m));
    check_values(&v);
    drop(&v);
  }
  bigs_model_close(m);
}
END_TEST

START_TEST(builtins_have_the_same_bits_for_any_threads) {
  Values want = make(3, 150);
  for (int threads = 1; threads <= 5; threads += 2) {
    Values v = make(3, 150);
    bigs_model *m = bigs_model_open_with(
        &module, NULL, &(bigs_options){.size = sizeof(bigs_options), .threads = threads}, NULL, 0);
    ck_assert_int_eq(run(m, threads == 1 ? &want : &v), 0);
    bigs_model_close(m);
    if (threads > 1) {
      ck_assert_mem_eq(v.y1, want.y1, 3 * 150 * C * sizeof(float));
      ck_assert_mem_eq(v.dk, want.dk, 150 * sizeof(float));
      ck_assert_mem_eq(v.rows, want.rows, sizeof v.rows);
    }
    drop(&v);
  }
  drop(&want);
}
END_TEST

START_TEST(equal_steps_share_their_tables) {
  bigs_model *m = bigs_model_open(&module, NULL, NULL, 0);
  Values v = make(1, 70);
  ck_assert_int_eq(run(m, &v), 0);
  const Binding *b = m->binding[0];
  ck_assert_ptr_nonnull(b->step[0].tables);
  ck_assert_ptr_eq(b->step[0].tables, b->step[1].tables);
  ck_assert_ptr_ne(b->step[0].tables, b->step[2].tables);
  drop(&v);
  bigs_model_close(m);
}
END_TEST

START_TEST(a_module_without_the_builtin_is_a_bug) {
  BigsModule bare = module;
  bare.builtin = NULL;
  bigs_model *m = bigs_model_open(&bare, NULL, NULL, 0);
  Values v = make(1, 7);
  ck_assert_int_eq(run(m, &v), 70);
  drop(&v);
  bigs_model_close(m);
}
END_TEST

Suite *builtin_suite(void);
Suite *builtin_suite(void) {
  Suite *s = suite_create("builtin");
  TCase *t = tcase_create("builtin");
  tcase_add_test(t, builtins_compute_what_they_say);
  tcase_add_test(t, builtins_have_the_same_bits_for_any_threads);
  tcase_add_test(t, equal_steps_share_their_tables);
  tcase_add_test(t, a_module_without_the_builtin_is_a_bug);
  suite_add_tcase(s, t);
  return s;
}

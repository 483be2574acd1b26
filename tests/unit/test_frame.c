// The frame of a kernel: its grid, scalars, keys of random draws, arguments that are both read and
// written; and what a target is.
#include "base/rng.h"
#include "tests/unit/kernels.h"
#include "tests/unit/suites.h"
#include <string.h>

enum { N = 37 }; // no multiple of any vector

static void run(KernelRun *r, const LKernel *k) {
  ck_assert_msg(run_kernel(r, k), "%s", r->error);
}

// ---- random numbers, also where the element number passes 2^32
START_TEST(random_numbers) {
  static const int64_t start[] = {0, 12345, ((int64_t)1 << 32) - 11, (int64_t)7 << 33};
  uint32_t key[2];
  rng_site_keys(1, 2, 3, key);
  for (int s = 0; s < COUNT(start); s++)
    for (int64_t stride = 0; stride < 4; stride++) {
      Arena *ar = arena_new();
      float y[N];
      LKernel *k = loop_kernel(ar, "random");
      int ym = loop_arg(ar, k, "y", DT_F32, true), v = loop_var(k);
      k->nscalars = 2;
      LExpr *i = lx_var(ar, v),
            *at = lx_add(ar, lx_scalar_int(ar, 1), lx_mul(ar, i, lx_int(ar, stride)));
      if (stride == 3) // not affine
        at = lx_add(ar, lx_scalar_int(ar, 1), lx_iop(ar, L_IMIN, i, lx_int(ar, 20)));
      LStmt *f = ls_for(ar, v, lx_int(ar, 0), lx_int(ar, N), 1);
      vec_push(ar, &f->body, ls_store(ar, ym, i, lx_random(ar, 0, at)));
      vec_push(ar, &k->body, f);
      KernelRun r = {
          .arena = ar, .arg = {y}, .scalar = {key[0] | (uint64_t)key[1] << 32, (uint64_t)start[s]}};
      run(&r, k);
      for (int64_t j = 0; j < N; j++) {
        int64_t n = start[s] + (stride == 3 ? (j < 20 ? j : 20) : j * stride);
        ck_assert_float_eq(y[j], rng_uniform(rng_element(key[0], key[1], (uint64_t)n)));
      }
      arena_free(ar);
    }
}
END_TEST

// ---- the frame: grid, scalars, in-place arguments

START_TEST(grids) {
  Arena *ar = arena_new();
  int32_t y[3 * 4 * 5];
  LKernel *k = loop_kernel(ar, "grid");
  int ym = loop_arg(ar, k, "y", DT_I32, true);
  int a = loop_grid(k, poly_sym(0), 1), b = loop_grid(k, poly_mul(poly_sym(1), poly_const(3)), 3),
      c = loop_grid(k, poly_const(9), 2);
  LExpr *at = lx_add(ar,
                     lx_mul(ar, lx_add(ar, lx_mul(ar, lx_var(ar, a), lx_int(ar, 4)), lx_var(ar, b)),
                            lx_int(ar, 5)),
                     lx_var(ar, c));
  LExpr *v = lx_add(ar, lx_mul(ar, lx_var(ar, a), lx_int(ar, 100)),
                    lx_add(ar, lx_mul(ar, lx_var(ar, b), lx_int(ar, 10)), lx_var(ar, c)));
  vec_push(ar, &k->body, ls_store(ar, ym, at, lx_from_int(ar, DT_I32, v)));
  memset(y, -1, sizeof y);
  KernelRun r = {.arena = ar, .arg = {y}, .sym = {3, 4}};
  run(&r, k);
  for (int i = 0; i < 3 * 4 * 5; i++)
    ck_assert_int_eq(y[i], i / 20 * 100 + i / 5 % 4 * 10 + i % 5);
  arena_free(ar);
}
END_TEST

START_TEST(scalars) {
  Arena *ar = arena_new();
  double y[N], want;
  LKernel *k = loop_kernel(ar, "scalars");
  int ym = loop_arg(ar, k, "y", DT_F64, true), v = loop_var(k);
  k->nscalars = 4;
  LExpr *sum = lx_op(ar, L_CAST, DT_F64, lx_scalar(ar, DT_F32, 0), NULL, NULL);
  sum = lx_op(ar, L_ADD, DT_F64, sum, lx_scalar(ar, DT_F64, 1), NULL);
  sum = lx_op(ar, L_ADD, DT_F64, sum,
              lx_op(ar, L_CAST, DT_F64, lx_scalar(ar, DT_I32, 2), NULL, NULL), NULL);
  sum = lx_op(ar, L_ADD, DT_F64, sum,
              lx_from_int(ar, DT_F64, lx_add(ar, lx_scalar_int(ar, 3), lx_var(ar, v))), NULL);
  LStmt *f = ls_for(ar, v, lx_int(ar, 2), lx_int(ar, N), 1); // does not start at 0
  vec_push(ar, &f->body, ls_store(ar, ym, lx_var(ar, v), sum));
  vec_push(ar, &k->body, f);
  float f32 = 0.25f;
  double f64 = 1e-9;
  KernelRun r = {.arena = ar, .arg = {y}, .scalar = {0, 0, (uint32_t)-7, 1000}};
  memcpy(&r.scalar[0], &f32, sizeof f32);
  memcpy(&r.scalar[1], &f64, sizeof f64);
  y[0] = y[1] = -1;
  run(&r, k);
  for (int i = 2; i < N; i++) {
    want = (double)f32 + f64 - 7 + (1000 + i);
    ck_assert_double_eq(y[i], want);
  }
  ck_assert(y[0] == -1 && y[1] == -1);
  arena_free(ar);
}
END_TEST

START_TEST(in_place) {
  for (int opt = 1; opt <= 4; opt++) {
    Arena *ar = arena_new();
    float x[N], b[N], was[N];
    LKernel *k = loop_kernel(ar, "in_place");
    int xm = loop_arg(ar, k, "x", DT_F32, false), bm = loop_arg(ar, k, "b", DT_F32, false),
        ym = loop_arg(ar, k, "y", DT_F32, true);
    int v = loop_var(k);
    LStmt *f = ls_for(ar, v, lx_int(ar, 0), lx_poly(ar, poly_sym(0)), 4);
    LExpr *at = lx_var(ar, v),
          *sum = lx_op(ar, L_ADD, DT_F32, lx_load(ar, k, xm, at), lx_load(ar, k, bm, at), NULL);
    vec_push(ar, &f->body, ls_store(ar, ym, at, sum));
    LStmt *s = ls_store(ar, ym, at, lx_load(ar, k, bm, at));
    s->add = true;
    vec_push(ar, &f->body, s);
    vec_push(ar, &k->body, f);
    for (int i = 0; i < N; i++) {
      was[i] = x[i] = (float)i;
      b[i] = 0.5f * (float)i;
    }
    KernelRun r = {.arena = ar, .opt = opt, .arg = {x, b, x}, .sym = {N}};
    run(&r, k);
    for (int i = 0; i < N; i++)
      ck_assert_float_eq(x[i], was[i] + 2 * b[i]);
    arena_free(ar);
  }
}
END_TEST

START_TEST(targets) {
  Arena *ar = arena_new();
  const char *error = NULL;
  ck_assert(!target_new(ar, "znver9", 2, 0, &error) && strstr(error, "znver"));
  ck_assert(!target_new(ar, "quantum", 2, 0, &error) && strstr(error, "unknown CPU"));
  Target *v3 = target_new(ar, "haswell", 2, 0, &error),
         *v4 = target_new(ar, "skylake-avx512", 9, 0, &error);
  ck_assert(v3->vector_floats == 8 && v3->has_fma && v3->nr == 16 && strstr(v3->features, "+avx2"));
  ck_assert(v4->vector_floats == 16 && v4->nr == 32 && v4->opt == 3 &&
            strstr(v4->features, "+avx512f"));
  ck_assert(!*target_new(ar, "x86-64", 2, 0, &error)->features);
  Target *neon = target_new(ar, "neoverse-n1", 2, TARGET_BF16, &error),
         *sve = target_new(ar, "neoverse-v1", 2, 0, &error);
  ck_assert(!strcmp(neon->arch, "aarch64") && neon->vector_floats == 4 && neon->has_fma &&
            !*neon->features && neon->pairs == PAIRS_WIDENED && !strcmp(neon->cpu, "generic"));
  ck_assert(sve->vector_floats == 8 && sve->vscale == 2 && !strcmp(sve->features, "+sve256") &&
            !strcmp(sve->tune, "neoverse-v1"));
  ck_assert(sve->cross != v3->cross && !target_new(ar, NULL, 2, 0, &error)->cross);
  arena_free(ar);
}
END_TEST

Suite *frame_suite(void) {
  Suite *s = suite_create("frame");
  TCase *t = tcase_create("frame");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, random_numbers);
  tcase_add_test(t, grids);
  tcase_add_test(t, scalars);
  tcase_add_test(t, in_place);
  tcase_add_test(t, targets);
  suite_add_tcase(s, t);
  return s;
}

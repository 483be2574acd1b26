// TILE and TRANSPOSE against float64 loops, over ragged shapes, layouts of both operands, one to
// three products and epilogues. Operands end at a page without access, outputs are surrounded by
// sentinels.
#include "tests/unit/kernels.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

typedef enum Epilogue {
  EP_STORE,
  EP_BIAS_GELU,
  EP_RESIDUAL,
  EP_TWO,
  EP_MASK,
  EP_COLUMN_SUM,
  EP_ALL_SUM,
  EP_COUNT
} Epilogue;
typedef struct TileCase {
  const char *march;
  int64_t M, N, K;
  bool m_sym, n_sym, k_sym; // known at run time only
  bool a_columns;           // A[m, k] is contiguous in m
  bool panels;
  int products;
  Epilogue epilogue;
  bool bounded; // run-time M and N are min(192, n): the code knows a bound
} TileCase;

static int64_t panel_width(Arena *a, const char *march) {
  const char *error;
  return target_new(a, march, 2, 0, &error)->nr;
}

static int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

static LExpr *f32_op(Arena *a, LOp op, LExpr *x, LExpr *y) {
  return lx_op(a, op, DT_F32, x, y, NULL);
}

static LExpr *gelu(Arena *a, LExpr *x) {
  LExpr *half = f32_op(a, L_MUL, x, lx_const(a, DT_F32, 0.5));
  LExpr *erf_x =
      f32_op(a, L_ERF, f32_op(a, L_MUL, x, lx_const(a, DT_F32, 0.70710678118654752)), NULL);
  return f32_op(a, L_MUL, half, f32_op(a, L_ADD, erf_x, lx_const(a, DT_F32, 1)));
}

typedef struct Built {
  LKernel *k;
  LStmt *tile;
  LExpr *at; // index of C[m][n]
  int a[3], b[3], c, bias, residual, second, mask;
  int64_t am, ak, bk, bpanel, width, crow;
} Built;

static LExpr *extent(Arena *ar, bool symbol, int sym, int64_t n) {
  return symbol ? lx_poly(ar, poly_sym(sym)) : lx_int(ar, n);
}

static LExpr *bounded(Arena *ar, const TileCase *c, LExpr *n) {
  return c->bounded ? lx_iop(ar, L_IMIN, lx_int(ar, 192), n) : n;
}

static void arguments(Arena *ar, Built *b, const TileCase *c) {
  for (int i = 0; i < c->products; i++) {
    b->a[i] = loop_arg(ar, b->k, "a", DT_F32, false);
    b->b[i] = loop_arg(ar, b->k, "b", DT_F32, false);
  }
  b->c = loop_arg(ar, b->k, "c", DT_F32, true);
  b->bias = loop_arg(ar, b->k, "bias", DT_F32, true);
  b->residual = loop_arg(ar, b->k, "residual", DT_F32, false);
  b->second = loop_arg(ar, b->k, "second", DT_F32, true);
  b->mask = loop_arg(ar, b->k, "mask", DT_BOOL, false);
  b->width = c->panels ? panel_width(ar, c->march) : 0;
  b->am = c->a_columns ? 1 : c->K + 3;
  b->ak = c->a_columns ? c->M + 5 : 1;
  b->bk = c->panels ? b->width : c->N + 2;
  b->bpanel = b->width * c->K;
  b->crow = c->N + 1;
}

static void put(Arena *ar, Built *b, LExpr *value) {
  vec_push(ar, &b->tile->tile->body, ls_store(ar, b->c, b->at, value));
}

static void epilogue(Arena *ar, Built *b, const TileCase *c, int m, int n, int total) {
  LExpr *acc = lx_acc(ar), *bias = lx_load(ar, b->k, b->bias, lx_var(ar, n));
  switch (c->epilogue) {
  case EP_STORE: put(ar, b, acc); break;
  case EP_BIAS_GELU: put(ar, b, gelu(ar, f32_op(ar, L_ADD, acc, bias))); break;
  case EP_RESIDUAL:
    put(ar, b,
        f32_op(ar, L_ADD, f32_op(ar, L_MUL, acc, bias), lx_load(ar, b->k, b->residual, b->at)));
    break;
  case EP_TWO:
    put(ar, b, acc);
    vec_push(ar, &b->tile->tile->body,
             ls_store(ar, b->second, b->at, f32_op(ar, L_NEG, acc, NULL)));
    break;
  case EP_MASK:
    put(ar, b,
        lx_op(ar, L_SELECT, DT_F32, lx_load(ar, b->k, b->mask, lx_var(ar, n)), acc,
              lx_const(ar, DT_F32, -1e9)));
    break;
  case EP_COLUMN_SUM: {
    LStmt *s = ls_store(ar, b->bias, lx_var(ar, n), acc);
    s->add = true;
    vec_push(ar, &b->tile->tile->body, s);
    put(ar, b, acc);
    break;
  }
  case EP_ALL_SUM:
    put(ar, b, acc);
    vec_push(ar, &b->tile->tile->body, ls_reduce(ar, total, LR_SUM, acc));
    break;
  case EP_COUNT: break;
  }
  (void)m;
}

static Built build(Arena *ar, const TileCase *c) {
  Built b = {.k = loop_kernel(ar, "tile")};
  arguments(ar, &b, c);
  int m = loop_var(b.k), n = loop_var(b.k), total = loop_reg(b.k);
  b.tile = ls_tile(ar, m, n, bounded(ar, c, extent(ar, c->m_sym, 0, c->M)),
                   bounded(ar, c, extent(ar, c->n_sym, 1, c->N)));
  b.tile->tile->nprod = c->products;
  for (int i = 0; i < c->products; i++)
    b.tile->tile->prod[i] = (LProduct){.amem = b.a[i],
                                       .bmem = b.b[i],
                                       .abase = lx_int(ar, 0),
                                       .am = lx_int(ar, b.am),
                                       .ak = lx_int(ar, b.ak),
                                       .bbase = lx_int(ar, 0),
                                       .bk = lx_int(ar, b.bk),
                                       .bwidth = b.width,
                                       .bpanel = c->panels ? lx_int(ar, b.bpanel) : NULL,
                                       .K = extent(ar, c->k_sym, 2, c->K)};
  b.at = lx_add(ar, lx_mul(ar, lx_var(ar, m), lx_int(ar, b.crow)), lx_var(ar, n));
  vec_push(ar, &b.k->body, ls_reg(ar, total, DT_F32, lx_const(ar, DT_F32, 0)));
  epilogue(ar, &b, c, m, n, total);
  vec_push(ar, &b.k->body, b.tile);
  if (c->epilogue == EP_ALL_SUM)
    vec_push(ar, &b.k->body, ls_store(ar, b.second, lx_int(ar, 0), lx_reg(ar, DT_F32, total)));
  return b;
}

typedef struct TileData {
  float *a[3], *b[3], *c, *bias, *residual, *second;
  uint8_t *mask;
  size_t nc;
} TileData;

static float *filled(size_t n, uint64_t *seed) {
  float *p = guarded(n * sizeof *p);
  for (size_t i = 0; i < n; i++)
    p[i] = test_uniform(seed);
  return p;
}

static TileData make_data(const TileCase *c, const Built *b, uint64_t *seed) {
  TileData d = {.nc = (size_t)(c->M * b->crow)};
  int64_t na = (c->M - 1) * b->am + (c->K - 1) * b->ak + 1;
  int64_t nb = c->panels ? round_up(c->N, b->width) * c->K : (c->K - 1) * b->bk + c->N;
  for (int i = 0; i < c->products; i++) {
    d.a[i] = filled((size_t)na, seed);
    d.b[i] = filled((size_t)nb, seed);
  }
  d.c = filled(d.nc, seed);
  d.second = filled(d.nc, seed);
  d.residual = filled(d.nc, seed);
  d.bias = filled((size_t)c->N, seed);
  d.mask = guarded((size_t)c->N);
  for (int64_t i = 0; i < c->N; i++)
    d.mask[i] = test_random(seed) & 1;
  return d;
}

static double sum_of(const TileCase *c, const Built *b, const TileData *d, int64_t m, int64_t n) {
  double s = 0;
  for (int i = 0; i < c->products; i++)
    for (int64_t k = 0; k < c->K; k++) {
      int64_t at = c->panels ? n / b->width * b->bpanel + k * b->bk + n % b->width : k * b->bk + n;
      s += (double)d->a[i][m * b->am + k * b->ak] * d->b[i][at];
    }
  return s;
}

static double finish(const TileCase *c, const Built *b, const TileData *d, double s, int64_t m,
                     int64_t n) {
  switch (c->epilogue) {
  case EP_BIAS_GELU: s += d->bias[n]; return 0.5 * s * (1 + erf(s / sqrt(2)));
  case EP_RESIDUAL: return s * d->bias[n] + d->residual[m * b->crow + n];
  case EP_MASK: return d->mask[n] ? s : -1e9;
  default: return s;
  }
}

static void near(const TileCase *c, const char *what, double got, double want, int64_t m,
                 int64_t n) {
  double tolerance = 2e-6 * (4 + sqrt((double)c->K) + fabs(want));
  ck_assert_msg(fabs(got - want) <= tolerance,
                "%s of %dx%dx%d at %d, %d: %g, not %g (%s, products %d, epilogue %d)", what,
                (int)c->M, (int)c->N, (int)c->K, (int)m, (int)n, got, want, c->march, c->products,
                c->epilogue);
}

static void compare(const TileCase *c, const Built *b, const TileData *d, const float *c0,
                    const float *bias0) {
  double total = 0;
  for (int64_t n = 0; n < c->N; n++) {
    double column = 0;
    for (int64_t m = 0; m < c->M; m++) {
      double s = sum_of(c, b, d, m, n);
      column += s;
      near(c, "C", d->c[m * b->crow + n], finish(c, b, d, s, m, n), m, n);
      if (c->epilogue == EP_TWO)
        near(c, "second", d->second[m * b->crow + n], -s, m, n);
    }
    if (c->epilogue == EP_COLUMN_SUM)
      near(c, "column sum", d->bias[n] - bias0[n], column, 0, n);
    total += column;
  }
  if (c->epilogue == EP_ALL_SUM)
    ck_assert_double_eq_tol(d->second[0], total, 1e-5 * (double)(c->M * c->N) * sqrt((double)c->K));
  for (int64_t m = 0; m < c->M; m++) // the padding between rows
    ck_assert_msg(d->c[m * b->crow + c->N] == c0[m * b->crow + c->N], "row %d was overrun", (int)m);
}

// C, which remains.
static const float *check_case(const TileCase *c, uint64_t *seed) {
  Arena *ar = arena_new();
  Built b = build(ar, c);
  TileData d = make_data(c, &b, seed);
  float *c0 = NEWN(ar, float, d.nc), *bias0 = NEWN(ar, float, c->N);
  memcpy(c0, d.c, d.nc * sizeof *c0);
  memcpy(bias0, d.bias, (size_t)c->N * sizeof *bias0);
  KernelRun r = {.arena = ar, .march = c->march, .sym = {c->M, c->N, c->K}};
  for (int i = 0; i < c->products; i++) {
    r.arg[b.a[i]] = d.a[i];
    r.arg[b.b[i]] = d.b[i];
  }
  r.arg[b.c] = d.c;
  r.arg[b.bias] = d.bias;
  r.arg[b.residual] = d.residual;
  r.arg[b.second] = d.second;
  r.arg[b.mask] = d.mask;
  ck_assert_msg(run_kernel(&r, b.k), "%s", r.error);
  if (!r.skipped)
    compare(c, &b, &d, c0, bias0);
  arena_free(ar);
  return d.c;
}

START_TEST(sizes) {
  static const int64_t shape[][3] = {{1, 1, 1},   {6, 16, 4},    {12, 32, 64}, {7, 17, 5},
                                     {5, 40, 33}, {48, 48, 48},  {3, 100, 7},  {23, 8, 64},
                                     {64, 2, 31}, {13, 31, 129}, {2, 16, 768}, {4, 24, 100},
                                     {11, 15, 3}, {100, 64, 96}, {30, 60, 600}};
  uint64_t seed = 1;
  const int64_t *s = shape[_i];
  for (int v = 0; v < 4; v += 1 + (_i > 7)) {
    TileCase c = {"native", s[0],  s[1],  s[2], v & 1,    v & 1,
                  v & 1,    false, v & 2, 1,    EP_STORE, false};
    check_case(&c, &seed);
  }
}
END_TEST

START_TEST(layouts) {
  uint64_t seed = 2;
  for (int v = 0; v < 8; v++) {
    TileCase c = {run_targets[_i], 29,    45,    37,        v & 1,    false,
                  v & 1,           v & 2, v & 4, 1 + v % 3, EP_STORE, false};
    check_case(&c, &seed);
  }
}
END_TEST

START_TEST(epilogues) {
  uint64_t seed = 3;
  for (int march = 0; run_targets[march]; march += 2) {
    TileCase c = {run_targets[march], 26,   53, 40, true, false, false, false, true, 2,
                  (Epilogue)_i,       false};
    check_case(&c, &seed);
    c.n_sym = true;
    c.panels = false;
    check_case(&c, &seed);
  }
}
END_TEST

// Long k with B in rows: summed in blocks.
START_TEST(blocked) {
  static const struct {
    int64_t M, N, K;
    bool sym, a_columns;
    int products;
    Epilogue epilogue;
  } v[] = {
      {50, 130, 500, false, true, 1, EP_STORE},    {48, 128, 800, false, false, 1, EP_BIAS_GELU},
      {61, 144, 390, false, true, 2, EP_RESIDUAL}, {53, 135, 770, true, true, 1, EP_STORE},
      {3, 5, 400, true, true, 1, EP_STORE},        {4, 150, 10, true, false, 2, EP_TWO},
      {70, 7, 391, true, true, 1, EP_COLUMN_SUM},  {96, 160, 385, true, false, 3, EP_STORE},
      {191, 130, 385, true, true, 1, EP_BIAS_GELU}};
  uint64_t seed = 6;
  for (int march = 0; run_targets[march]; march += 2) {
    TileCase c = {run_targets[march], v[_i].M,   v[_i].N,         v[_i].K, v[_i].sym,
                  v[_i].sym,          v[_i].sym, v[_i].a_columns, false,   v[_i].products,
                  v[_i].epilogue,     true};
    check_case(&c, &seed);
  }
}
END_TEST

// Few columns, of a number known at run time: rows are lanes then, and the sums the same to the bit.
START_TEST(few_columns) {
  static const int64_t shape[][3] = {{16, 1, 40},   {37, 2, 31},  {41, 3, 768}, {16, 5, 1100},
                                     {60, 9, 1101}, {33, 8, 400}, {5, 4, 33}};
  const int64_t *s = shape[_i];
  for (int march = 0; run_targets[march]; march++) {
    TileCase c = {run_targets[march],        s[0], s[1], s[2], true, true, false, false, true, 1,
                  (Epilogue)(_i % EP_COUNT), false};
    uint64_t seed = 8, same = 8;
    const float *turned = check_case(&c, &seed);
    c.m_sym = c.n_sym = false;
    const float *tile = check_case(&c, &same);
    ck_assert_msg(!memcmp(turned, tile, (size_t)(s[0] * (s[1] + 1)) * sizeof *tile), "%s, shape %d",
                  c.march, _i);
  }
}
END_TEST

// One kernel serves every M and N.
static void check_extents(const char *march, const int64_t *rows, int n, uint64_t *seed) {
  for (int i = 0; i < 2 * n; i++) {
    int64_t m = rows[i / 2];
    TileCase c = {march, m,     1 + 7 * (m % 5), 19,        true,         true,
                  true,  false, i % 2,           1 + m % 2, EP_BIAS_GELU, false};
    check_case(&c, seed);
  }
}

// All that may be left over by tiles of 12 rows, which two or one of 8 take, and by those of 6.
START_TEST(run_time_extents) {
  static const int64_t rows[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                 13, 14, 16, 17, 20, 21, 24, 25, 28, 29, 33};
  uint64_t seed = 4;
  check_extents("native", rows, COUNT(rows), &seed);
  check_extents("x86-64-v3", rows + 5, 6, &seed);
}
END_TEST

START_TEST(random_cases) {
  uint64_t seed = 5;
  for (int i = 0; i < 24; i++) {
    uint32_t r = test_random(&seed);
    TileCase c = {.march = run_targets[r % 3],
                  .M = 1 + test_random(&seed) % 40,
                  .N = 1 + test_random(&seed) % 70};
    c.K = 1 + test_random(&seed) % 90;
    c.m_sym = r >> 4 & 1;
    c.n_sym = r >> 5 & 1;
    c.k_sym = r >> 6 & 1;
    c.a_columns = r >> 7 & 1;
    c.panels = r >> 8 & 1;
    c.products = 1 + (r >> 9) % 3;
    c.epilogue = (Epilogue)((r >> 12) % EP_COUNT);
    check_case(&c, &seed);
  }
}
END_TEST

// ---- TRANSPOSE

static LKernel *transpose(Arena *ar, int64_t rows, int64_t cols, int64_t srow, int64_t dcol,
                          int64_t dwidth, bool symbols) {
  LKernel *k = loop_kernel(ar, "transpose");
  LStmt *s = NEW(ar, LStmt);
  s->kind = LS_TRANSPOSE;
  s->tr.src = loop_arg(ar, k, "src", DT_F32, false);
  s->tr.dst = loop_arg(ar, k, "dst", DT_F32, true);
  s->tr.rows = extent(ar, symbols, 0, rows);
  s->tr.cols = extent(ar, symbols, 1, cols);
  s->tr.sbase = s->tr.dbase = lx_int(ar, 0);
  s->tr.srow = lx_int(ar, srow);
  s->tr.dcol = lx_int(ar, dcol);
  s->tr.dpanel = lx_int(ar, dcol * cols);
  s->tr.dwidth = dwidth;
  vec_push(ar, &k->body, s);
  return k;
}

static void check_transpose(const char *march, int64_t rows, int64_t cols, int64_t dwidth,
                            bool symbols) {
  Arena *ar = arena_new();
  int64_t srow = cols + 3, dcol = dwidth + 1, panels = (rows + dwidth - 1) / dwidth;
  LKernel *k = transpose(ar, rows, cols, srow, dcol, dwidth, symbols);
  size_t ns = (size_t)((rows - 1) * srow + cols), nd = (size_t)(panels * dcol * cols);
  float *src = guarded(ns * 4), *dst = guarded(nd * 4);
  for (size_t i = 0; i < ns; i++)
    src[i] = (float)i;
  for (size_t i = 0; i < nd; i++)
    dst[i] = -1;
  KernelRun r = {.arena = ar, .march = march, .arg = {src, dst}, .sym = {rows, cols}};
  ck_assert_msg(run_kernel(&r, k), "%s", r.error);
  for (int64_t p = 0; p < panels && !r.skipped; p++)
    for (int64_t c = 0; c < cols; c++)
      for (int64_t i = 0; i < dcol; i++) {
        int64_t row = p * dwidth + i;
        float want = i == dwidth  ? -1
                     : row < rows ? (float)(row * srow + c)
                                  : 0,
              got = dst[(p * cols + c) * dcol + i];
        ck_assert_msg(got == want, "%s %dx%d width %d at %d, %d: %g, not %g", march, (int)rows,
                      (int)cols, (int)dwidth, (int)row, (int)c, got, want);
      }
  arena_free(ar);
}

START_TEST(transposes) {
  static const int64_t shape[][3] = {{16, 8, 16}, {16, 64, 16}, {13, 9, 16}, {1, 1, 16},
                                     {40, 7, 8},  {33, 17, 32}, {5, 30, 5},  {64, 64, 1}};
  for (int march = 0; run_targets[march]; march++)
    for (int v = 0; v < 2; v++)
      check_transpose(run_targets[march], shape[_i][0], shape[_i][1], shape[_i][2], v);
}
END_TEST

Suite *tile_suite(void) {
  Suite *s = suite_create("tile");
  TCase *t = tcase_create("tile");
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, sizes, 0, 15);
  tcase_add_loop_test(t, layouts, 0, 4);
  tcase_add_loop_test(t, epilogues, 0, EP_COUNT);
  tcase_add_loop_test(t, blocked, 0, 9);
  tcase_add_loop_test(t, few_columns, 0, 7);
  tcase_add_test(t, run_time_extents);
  tcase_add_test(t, random_cases);
  tcase_add_loop_test(t, transposes, 0, 8);
  suite_add_tcase(s, t);
  return s;
}

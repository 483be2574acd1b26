// The attention kernels against plain float64 sums: lengths around the block sizes, masks, dropout,
// strides.
#include "tests/unit/suites.h"
#include "base/hash.h"
#include "codegen/plan/attention.h"
#include "codegen/llvm/jit.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NB = 2, D = 24, DV = 40, ROW = 72, LSE_ROW = 3 };
static const uint64_t keys_scalar = 0x1234567890abcdefu;

enum { Q, K, V, OUT, LSE, MASK, DOUT, DQ, DK, DV_, NMEM };
typedef struct AttentionCase {
  int rows, keys;
  bool mask;
  double rate;
  int reach; // rows see keys so near; 0: all
} AttentionCase;
static const AttentionCase cases[] = {{1, 1, false, 0, 0},       {7, 5, true, 0, 0},
                                      {96, 256, false, 0.25, 0}, {97, 257, true, 0.25, 0},
                                      {50, 300, true, 0, 0},     {200, 33, false, 0, 0},
                                      {48, 520, true, 0.5, 0},   {300, 520, false, 0.5, 20}};
typedef struct Fix {
  const AttentionCase *c;
  Arena *a;
  LKernel *k;
  int mem[NMEM];
  LExpr *batch;
} Fix;

static LExpr *compared(const Fix *f, LExpr *x, LExpr *y) { // x <= y, of integers
  return lx_op(f->a, L_LE, DT_BOOL, lx_from_int(f->a, DT_F64, x), lx_from_int(f->a, DT_F64, y),
               NULL);
}

// Do [row, row_end] and [key, key_end] come as near as the case wants?
static LExpr *are_near(const Fix *f, LExpr *row, LExpr *row_end, LExpr *key, LExpr *key_end) {
  LExpr *reach = lx_int(f->a, f->c->reach);
  return lx_op(f->a, L_AND, DT_BOOL, compared(f, row, lx_add(f->a, key_end, reach)),
               compared(f, key, lx_add(f->a, row_end, reach)), NULL);
}

static LExpr *sees_at(void *ctx, LBody *body, const PairBlock *b) {
  Fix *f = ctx;
  (void)body;
  return are_near(f, b->row, lx_add(f->a, b->row, b->rows), b->key, lx_add(f->a, b->key, b->keys));
}

static LExpr *mask_at(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  Fix *f = ctx;
  (void)body;
  if (f->c->reach)
    return are_near(f, row, row, key, key);
  return lx_load(f->a, f->k, f->mem[MASK],
                 lx_add(f->a, lx_mul(f->a, f->batch, lx_int(f->a, f->c->keys)), key));
}

// Element number in the order batch, row, key.
static LExpr *random_at(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  Fix *f = ctx;
  (void)body;
  LExpr *i = lx_add(f->a, lx_mul(f->a, f->batch, lx_int(f->a, f->c->rows)), row);
  return lx_random(f->a, 0, lx_add(f->a, lx_mul(f->a, i, lx_int(f->a, f->c->keys)), key));
}

static AttentionMatrix matrix(Fix *f, int which, int64_t rows, int64_t row) {
  return (AttentionMatrix){f->mem[which], lx_mul(f->a, f->batch, lx_int(f->a, rows * row)),
                           lx_int(f->a, row)};
}

static LKernel *make(Fix *f, bool backward, int nr) {
  static const char *const names[NMEM] = {"q",    "k",    "v",  "out", "lse",
                                          "mask", "dout", "dq", "dk",  "dv"};
  const AttentionCase *c = f->c;
  f->k = loop_kernel(f->a, backward ? "backward" : "forward");
  for (int i = 0; i < NMEM; i++)
    f->mem[i] = loop_arg(f->a, f->k, names[i], i == MASK ? DT_BOOL : DT_F32,
                         i == OUT || i == LSE || i >= DQ);
  for (int i = 0; i < NMEM; i++)
    f->k->mem.v[i].read = true;
  f->k->nscalars = 1;
  int batch = loop_grid(f->k, poly_const(NB), 1),
      block = backward ? -1 : loop_grid(f->k, poly_const(c->rows), ATTENTION_ROWS);
  f->batch = lx_var(f->a, batch);
  AttentionShape s = {.rows = lx_int(f->a, c->rows),
                      .keys = lx_int(f->a, c->keys),
                      .rows_size = poly_const(c->rows),
                      .d = D,
                      .dv = DV,
                      .scale = 0.3,
                      .rate = c->rate,
                      .nr = nr,
                      .q = matrix(f, Q, c->rows, ROW),
                      .k = matrix(f, K, c->keys, ROW),
                      .v = matrix(f, V, c->keys, ROW),
                      .out = matrix(f, OUT, c->rows, ROW),
                      .lse = matrix(f, LSE, c->rows, LSE_ROW),
                      .dout = matrix(f, DOUT, c->rows, ROW),
                      .dq = matrix(f, DQ, c->rows, ROW),
                      .dk = matrix(f, DK, c->keys, ROW),
                      .dv_ = matrix(f, DV_, c->keys, ROW),
                      .mask = c->mask || c->reach ? mask_at : NULL,
                      .sees = c->reach ? sees_at : NULL,
                      .random = random_at,
                      .ctx = f};
  if (backward) {
    attention_backward(f->a, f->k, &f->k->body, &s);
  } else {
    LExpr *row0 = lx_mul(f->a, lx_var(f->a, block), lx_int(f->a, ATTENTION_ROWS));
    LExpr *n = lx_iop(f->a, L_IMIN, lx_int(f->a, ATTENTION_ROWS),
                      lx_iop(f->a, L_ISUB, lx_int(f->a, c->rows), row0));
    attention_forward(f->a, f->k, &f->k->body, &s, row0, n);
  }
  const char *wrong = loop_verify(f->a, f->k);
  ck_assert_msg(!wrong, "%s", wrong);
  return f->k;
}

typedef struct Reference {
  double *out, *lse, *dq, *dk, *dv;
} Reference;

static double keep_factor(const AttentionCase *c, int b, int i, int j) {
  uint32_t r = rng_element((uint32_t)keys_scalar, (uint32_t)(keys_scalar >> 32),
                           ((uint64_t)b * (uint64_t)c->rows + (uint64_t)i) * (uint64_t)c->keys +
                               (uint64_t)j);
  return c->rate == 0 ? 1 : c->rate <= ((r >> 8) + 0.5) / (1 << 24) ? 1 / (1 - c->rate) : 0;
}

static bool is_masked(const AttentionCase *c, const unsigned char *mask, int b, int i, int j) {
  return (c->mask && !mask[b * c->keys + j]) || (c->reach && abs(i - j) > c->reach);
}

static void reference(Arena *a, const AttentionCase *c, float *const *m, const unsigned char *mask,
                      Reference *r) {
  int L = c->rows, S = c->keys;
  r->out = NEWN(a, double, NB *L *DV), r->lse = NEWN(a, double, NB *L);
  r->dq = NEWN(a, double, NB *L *D), r->dk = NEWN(a, double, NB *S *D),
  r->dv = NEWN(a, double, NB *S *DV);
  double *p = NEWN(a, double, S), *dp = NEWN(a, double, S);
  for (int b = 0; b < NB; b++)
    for (int i = 0; i < L; i++) {
      const float *q = m[Q] + (b * L + i) * ROW, *dout = m[DOUT] + (b * L + i) * ROW;
      double most = -1e300, sum = 0, delta = 0;
      for (int j = 0; j < S; j++) {
        p[j] = 0;
        for (int d = 0; d < D; d++)
          p[j] += (double)q[d] * m[K][(b * S + j) * ROW + d];
        p[j] = is_masked(c, mask, b, i, j) ? -1e9 : p[j] * 0.3;
        most = fmax(most, p[j]);
      }
      for (int j = 0; j < S; j++)
        sum += p[j] = exp(p[j] - most);
      r->lse[b * L + i] = most + log(sum);
      for (int j = 0; j < S; j++) {
        double keep = keep_factor(c, b, i, j);
        p[j] /= sum;
        dp[j] = 0;
        if (p[j] == 0) // what is never seen may be no number
          continue;
        for (int d = 0; d < DV; d++) {
          double v = m[V][(b * S + j) * ROW + d];
          r->out[(b * L + i) * DV + d] += p[j] * keep * v;
          r->dv[(b * S + j) * DV + d] += p[j] * keep * dout[d];
          dp[j] += v * dout[d] * keep;
        }
        delta += p[j] * dp[j];
      }
      for (int j = 0; j < S; j++) {
        if (is_masked(c, mask, b, i, j))
          continue;
        double ds = p[j] * (dp[j] - delta) * 0.3;
        for (int d = 0; d < D; d++) {
          r->dq[(b * L + i) * D + d] += ds * m[K][(b * S + j) * ROW + d];
          r->dk[(b * S + j) * D + d] += ds * q[d];
        }
      }
    }
}

static void compare(const char *what, const float *got, int64_t row, const double *want, int rows,
                    int cols) {
  double most = 0.1; // the inputs are near 1: what cancels to nothing keeps their rounding
  for (int i = 0; i < rows * cols; i++)
    most = fmax(most, fabs(want[i]));
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++) {
      double e = fabs(got[i * row + j] - want[i * cols + j]);
      ck_assert_msg(e <= 3e-6 * most, "%s[%d][%d] is %.8g, should be %.8g", what, i, j,
                    got[i * row + j], want[i * cols + j]);
    }
}

static void run(BigsKernel *f, float *const *m, unsigned char *mask, int tasks,
                int64_t scratch_bytes) {
  void *arg[NMEM];
  int64_t sym[MAX_SYMS] = {0};
  for (int i = 0; i < NMEM; i++)
    arg[i] = i == MASK ? (void *)mask : m[i];
  BigsFrame frame = {arg, sym, &keys_scalar};
  void *scratch = aligned_alloc(64, (size_t)(scratch_bytes + 63) / 64 * 64);
  memset(scratch, 0xff, (size_t)scratch_bytes);
  for (int t = 0; t < tasks; t++)
    f(&frame, t, scratch);
  free(scratch);
}

START_TEST(attention_equals_plain_sums) {
  Arena *a = arena_new();
  const char *error = NULL;
  Fix f = {.c = &cases[_i], .a = a};
  const AttentionCase *c = f.c;
  Target *t = target_new(a, NULL, 2, 0, &error);
  Jit *jit = jit_new(a, t, &error);
  ck_assert_msg(jit != NULL, "%s", error);
  LKernel *kernels[2];
  kernels[0] = make(&f, false, t->nr);
  kernels[1] = make(&f, true, t->nr);
  BigsKernel *code[2];
  ck_assert_msg(jit_kernels(jit, a, kernels, 2, 1, code, &error), "%s", error);
  float *m[NMEM];
  unsigned char *mask = NEWN(a, unsigned char, NB * c->keys);
  uint64_t h = 5;
  int most = c->rows > c->keys ? c->rows : c->keys;
  for (int i = 0; i < NMEM; i++) {
    m[i] = NEWN(a, float, (NB * most + 16) * ROW);
    for (int k = 0; k < NB * most * ROW; k++)
      m[i][k] = (float)((h = hash_mix(h, (uint64_t)k)) >> 40) / (1 << 23) - 1;
  }
  // The second sequence keeps a key or two; when it is short, none.
  for (int k = 0; k < NB * c->keys; k++)
    mask[k] = k < c->keys ? hash_mix(3, (uint64_t)k) % 3 != 0 : c->keys > 20 && k % 29 == 0;
  mask[0] = 1;
  // Not in reach of any row, nor in a block that is: what is not looked at may be anything.
  for (int k = 0; k < NB && c->reach; k++)
    for (int i = (k * c->keys + c->rows + 60) * ROW; i < (k + 1) * c->keys * ROW; i++)
      m[K][i] = m[V][i] = NAN;
  Reference r;
  run(code[0], m, mask, NB * ((c->rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS),
      poly_eval((Poly[]){loop_scratch_bytes(kernels[0])}, NULL));
  run(code[1], m, mask, NB, poly_eval((Poly[]){loop_scratch_bytes(kernels[1])}, NULL));
  reference(a, c, m, mask, &r);
  compare("out", m[OUT], ROW, r.out, NB * c->rows, DV);
  compare("lse", m[LSE], LSE_ROW, r.lse, NB * c->rows, 1);
  compare("dq", m[DQ], ROW, r.dq, NB * c->rows, D);
  compare("dk", m[DK], ROW, r.dk, NB * c->keys, D);
  compare("dv", m[DV_], ROW, r.dv, NB * c->keys, DV);
  jit_free(jit);
  arena_free(a);
}
END_TEST

Suite *attention_suite(void) {
  Suite *s = suite_create("attention");
  TCase *t = tcase_create("attention");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, attention_equals_plain_sums, 0, COUNT(cases));
  suite_add_tcase(s, t);
  return s;
}

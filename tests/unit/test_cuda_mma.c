// Products by blocks, of bf16 on tensor cores and of f32 in large tiles, on the shim: all orders of the operands, ragged sizes, tiles of all sizes, a whole epilogue,
// against sums in float64; and the same with one mistake planted, which has to be found.
#include "base/hash.h"
#include "codegen/cuda/cuda.h"
#include "runtime/files/file.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, SLOTS = 4 };
enum { A, B, BIAS, GATE, REST, PRE, OUT, SUMS, ARGS };

// How an operand's elements lie: k innermost, or rows; in rows of a multiple of 8 numbers or one number apart more than they
// have; or k backwards; or as the first, from an address on that is no multiple of 16 bytes.
typedef enum Lie { ALONG_K, ALONG_ROWS, ODD_K, ODD_ROWS, BACK, ASIDE } Lie;
typedef struct MmaCase {
  const char *name;
  Lie a, b;
  int rows, columns; // of a task
  const char *way;   // BIGSC_CUDA_PRODUCTS
  DType a_type, b_type;
} MmaCase;
static const MmaCase cases[] = {
    {"rows by columns", ALONG_K, ALONG_ROWS, 128, 128, "mma", DT_BF16, DT_BF16},
    {"rows by rows", ALONG_K, ALONG_K, 128, 128, "mma", DT_BF16, DT_BF16},
    {"columns by columns", ALONG_ROWS, ALONG_ROWS, 128, 128, "mma", DT_BF16, DT_BF16},
    {"columns by rows", ALONG_ROWS, ALONG_K, 128, 128, "mma", DT_BF16, DT_BF16},
    {"rows by columns, 64 x 64", ALONG_K, ALONG_ROWS, 64, 64, "mma", DT_BF16, DT_BF16},
    {"columns by rows, 64 x 128", ALONG_ROWS, ALONG_K, 64, 128, "mma", DT_BF16, DT_BF16},
    {"columns by columns, 128 x 64", ALONG_ROWS, ALONG_ROWS, 128, 64, "mma", DT_BF16, DT_BF16},
    {"odd rows by odd columns", ODD_K, ODD_ROWS, 128, 128, "mma", DT_BF16, DT_BF16},
    {"odd columns by rows", ODD_ROWS, ALONG_K, 64, 64, "mma", DT_BF16, DT_BF16},
    {"backwards", BACK, ALONG_ROWS, 128, 64, "mma", DT_BF16, DT_BF16},
    {"rows by columns by wgmma", ALONG_K, ALONG_ROWS, 128, 128, "wgmma", DT_BF16, DT_BF16},
    {"rows by rows by wgmma", ALONG_K, ALONG_K, 128, 128, "wgmma", DT_BF16, DT_BF16},
    {"columns by columns by wgmma", ALONG_ROWS, ALONG_ROWS, 128, 128, "wgmma", DT_BF16, DT_BF16},
    {"columns by rows by wgmma", ALONG_ROWS, ALONG_K, 128, 128, "wgmma", DT_BF16, DT_BF16},
    {"odd rows by columns by wgmma", ODD_K, ALONG_ROWS, 128, 128, "wgmma", DT_BF16, DT_BF16},
    {"rows by columns of f32", ALONG_K, ALONG_ROWS, 128, 128, "mma", DT_F32, DT_F32},
    {"columns by rows of f32", ODD_ROWS, ALONG_K, 128, 128, "mma", DT_F32, DT_F32},
    {"columns by columns of both", ALONG_ROWS, ALONG_ROWS, 128, 128, "mma", DT_BF16, DT_F32},
    {"backwards by rows of both", BACK, ODD_K, 128, 128, "mma", DT_F32, DT_BF16},
    {"rows by columns by boxes", ALONG_K, ALONG_ROWS, 128, 128, "tma", DT_BF16, DT_BF16},
    {"rows by rows by boxes", ALONG_K, ALONG_K, 128, 128, "tma", DT_BF16, DT_BF16},
    {"columns by columns by boxes", ALONG_ROWS, ALONG_ROWS, 128, 128, "tma", DT_BF16, DT_BF16},
    {"columns by rows by boxes", ALONG_ROWS, ALONG_K, 128, 128, "tma", DT_BF16, DT_BF16},
    {"columns by odd rows, not by boxes", ALONG_ROWS, ODD_K, 128, 128, "tma", DT_BF16, DT_BF16},
    {"rows by rows at odd places", ASIDE, ALONG_K, 128, 128, "tma", DT_BF16, DT_BF16},
};
// M, N, K
static const int64_t sizes[][3] = {
    {1, 1, 1}, {7, 9, 200}, {129, 7, 129}, {200, 136, 40}, {9, 70, 1100}};

static bool is_odd(Lie lie) {
  return lie == ODD_K || lie == ODD_ROWS || lie == BACK;
}

// ---- the kernel: pre = a b + bias, out = bf16(gelu(pre) gate + rest), and sums of both by columns and blocks of rows

static LExpr *sym(Arena *a, int i) {
  return lx_poly(a, poly_sym(i));
}

static LExpr *f32(Arena *a, LOp op, LExpr *x, LExpr *y) {
  return lx_op(a, op, DT_F32, x, y, NULL);
}

static LExpr *gelu(Arena *a, LExpr *x) {
  LExpr *erf = f32(a, L_ERF, f32(a, L_MUL, x, lx_const(a, DT_F32, 0.70710678118654752)), NULL);
  LExpr *half = f32(a, L_MUL, x, lx_const(a, DT_F32, 0.5));
  return f32(a, L_MUL, half, f32(a, L_ADD, erf, lx_const(a, DT_F32, 1)));
}

static LExpr *rest(Arena *a, LExpr *from, int size, int most) {
  return lx_iop(a, L_IMIN, lx_int(a, most), lx_iop(a, L_ISUB, sym(a, size), from));
}

// Strides are sym[3] (of rows of k) and sym[4 + rows] (of k's of rows), or 8 times that, which is known to be a multiple of 8;
// then operands begin LEAD elements behind their pointers.
enum { LEAD = 24 };
static bool by_pieces(const MmaCase *c) {
  return !strcmp(c->way, "tma") && !is_odd(c->a) && !is_odd(c->b);
}

static LExpr *stride(Arena *a, const MmaCase *c, int i) {
  return by_pieces(c) ? lx_poly(a, poly_scale(poly_sym(i), 8)) : sym(a, i);
}

// Of an operand whose other extent is sym[rows]: its steps and the first element of a batch.
typedef struct MmaOperand {
  LExpr *row, *k, *first;
} MmaOperand;

static MmaOperand operand(Arena *a, const MmaCase *c, int rows, LExpr *batch) {
  Lie lie = rows ? c->b : c->a;
  LExpr *one = lx_int(a, 1), *k_row = stride(a, c, 3), *row_row = stride(a, c, 4 + rows);
  if (lie == ALONG_ROWS || lie == ODD_ROWS)
    return (MmaOperand){one, row_row, lx_mul(a, batch, lx_mul(a, row_row, sym(a, 2)))};
  LExpr *first = lx_mul(a, batch, lx_mul(a, k_row, sym(a, rows)));
  if (lie == BACK)
    first = lx_add(a, first, lx_iop(a, L_ISUB, sym(a, 2), one));
  return (MmaOperand){k_row, lx_int(a, lie == BACK ? -1 : 1), first};
}

typedef struct MmaBuild {
  Arena *a;
  LKernel *k;
  LExpr *batch, *block, *m0, *n0;
  LStmt *tile;
} MmaBuild;

static LExpr *slot_at(MmaBuild *x, int what, LExpr *n) {
  Arena *a = x->a;
  LExpr *slot = lx_add(a, lx_mul(a, x->batch, lx_int(a, SLOTS)), x->block);
  slot = lx_add(a, lx_mul(a, slot, lx_int(a, 2)), lx_int(a, what));
  return lx_add(a, lx_mul(a, slot, sym(a, 1)), n);
}

static void clear(MmaBuild *x, int columns) {
  int var = loop_var(x->k);
  LExpr *n = lx_add(x->a, x->n0, lx_var(x->a, var));
  LStmt *f = ls_for(x->a, var, lx_int(x->a, 0), rest(x->a, x->n0, 1, columns), 2);
  for (int i = 0; i < 2; i++)
    vec_push(x->a, &f->body, ls_store(x->a, SUMS, slot_at(x, i, n), lx_const(x->a, DT_F32, 0)));
  vec_push(x->a, &x->k->body, f);
}

static void epilogue(MmaBuild *x, LBody *to) {
  Arena *a = x->a;
  LExpr *m = lx_add(a, x->m0, lx_var(a, x->tile->tile->mvar));
  LExpr *n = lx_add(a, x->n0, lx_var(a, x->tile->tile->nvar));
  LExpr *row = lx_add(a, lx_mul(a, x->batch, sym(a, 0)), m);
  LExpr *at = lx_add(a, lx_mul(a, row, sym(a, 1)), n);
  int pre = loop_reg(x->k), out = loop_reg(x->k);
  LExpr *p = lx_reg(a, DT_F32, pre), *o = lx_reg(a, DT_F32, out);
  vec_push(a, to, ls_reg(a, pre, DT_F32, f32(a, L_ADD, lx_acc(a), lx_load(a, x->k, BIAS, n))));
  vec_push(a, to, ls_store(a, PRE, at, p));
  LExpr *gate = lx_op(a, L_CAST, DT_F32, lx_load(a, x->k, GATE, at), NULL, NULL);
  LExpr *v = f32(a, L_ADD, f32(a, L_MUL, gelu(a, p), gate), lx_load(a, x->k, REST, at));
  vec_push(a, to, ls_reg(a, out, DT_F32, v));
  vec_push(a, to, ls_store(a, OUT, at, lx_op(a, L_CAST, DT_BF16, o, NULL, NULL)));
  vec_push(a, to, ls_colsum(a, SUMS, slot_at(x, 0, n), o));
  vec_push(a, to, ls_colsum(a, SUMS, slot_at(x, 1, n), p));
}

static DType type_of(const MmaCase *c, int arg) {
  return arg == A ? c->a_type : arg == B ? c->b_type : arg == GATE || arg == OUT ? DT_BF16 : DT_F32;
}

// With a bound that is known, for f32.
static LExpr *depth(Arena *a, const MmaCase *c) {
  bool f = c->a_type == DT_F32 || c->b_type == DT_F32;
  return f ? lx_iop(a, L_IMIN, lx_int(a, 3000), sym(a, 2)) : sym(a, 2);
}

static LKernel *mma_kernel(Arena *a, const MmaCase *c) {
  setenv("BIGSC_CUDA_PRODUCTS", c->way, 1);
  static const char *const name[ARGS] = {"a", "b", "bias", "gate", "rest", "pre", "out", "sums"};
  MmaBuild x = {.a = a, .k = loop_kernel(a, "mma")};
  for (int i = 0; i < ARGS; i++)
    loop_arg(a, x.k, name[i], type_of(c, i), i >= PRE);
  x.batch = lx_var(a, loop_grid(x.k, poly_const(BATCH), 1));
  x.block = lx_var(a, loop_grid(x.k, poly_sym(0), c->rows));
  x.m0 = lx_mul(a, x.block, lx_int(a, c->rows));
  x.n0 = lx_mul(a, lx_var(a, loop_grid(x.k, poly_sym(1), c->columns)), lx_int(a, c->columns));
  clear(&x, c->columns);
  x.tile = ls_tile(a, loop_var(x.k), loop_var(x.k), rest(a, x.m0, 0, c->rows),
                   rest(a, x.n0, 1, c->columns));
  MmaOperand p = operand(a, c, 0, x.batch), q = operand(a, c, 1, x.batch);
  LExpr *lead = lx_int(a, by_pieces(c) ? LEAD : 0);
  x.tile->tile->prod[0] =
      (LProduct){.amem = A,
                 .bmem = B,
                 .abase = lx_add(a, lx_add(a, p.first, lead), lx_mul(a, x.m0, p.row)),
                 .am = p.row,
                 .ak = p.k,
                 .bbase = lx_add(a, lx_add(a, q.first, lead), lx_mul(a, x.n0, q.row)),
                 .bk = q.k,
                 .bn = q.row,
                 .K = depth(a, c)};
  x.tile->tile->nprod = 1;
  epilogue(&x, &x.tile->tile->body);
  vec_push(a, &x.k->body, x.tile);
  return x.k;
}

// ---- its data

typedef struct MmaData {
  int64_t sym[6], m, n, k;
  uint16_t *a, *b, *gate, *out;
  void *given[2]; // a and b as their dtypes are
  float *bias, *rest, *pre, *sums;
  double *want_pre, *want_out, *want_sums;
  size_t count, sum_count;
} MmaData;

static int64_t stride_for(int64_t n, bool odd) {
  return odd ? n | 1 : (n + 7) / 8 * 8;
}

static bool lies_along_k(Lie lie) {
  return lie != ALONG_ROWS && lie != ODD_ROWS;
}

static size_t count_of(Lie lie, int64_t rows, int64_t ks, int64_t row, int64_t k_row) {
  return (size_t)(BATCH * (lies_along_k(lie) ? rows * k_row : ks * row));
}

// Of x[batch][row][k]; what lies between is no number.
static uint16_t *bf16_numbers(Lie lie, int64_t rows, int64_t ks, int64_t row, int64_t k_row,
                              uint64_t seed) {
  bool along_k = lies_along_k(lie);
  size_t n = count_of(lie, rows, ks, row, k_row);
  uint16_t *x = guarded((n + (lie == ASIDE)) * sizeof *x);
  for (size_t i = 0; i < n; i++) {
    int64_t inner = (int64_t)i % (along_k ? k_row : row);
    bool there = inner < (along_k ? ks : rows);
    x[i] = there ? bf16_of((double)test_uniform(&seed)) : 0x7fc0;
  }
  return x;
}

static void *as_type(DType t, uint16_t *x, size_t n) {
  if (t == DT_BF16)
    return x;
  float *y = guarded(n * sizeof *y);
  for (size_t i = 0; i < n; i++)
    y[i] = (float)bf16_value(x[i]);
  return y;
}

static double number(const uint16_t *x, const MmaData *d, Lie lie, int side, int64_t batch,
                     int64_t row, int64_t k) {
  int64_t rows = side ? d->n : d->m, step = d->sym[4 + side], k_row = d->sym[3];
  if (lie == ALONG_ROWS || lie == ODD_ROWS)
    return bf16_value(x[(batch * d->k + k) * step + row]);
  return bf16_value(x[(batch * rows + row) * k_row + (lie == BACK ? d->k - 1 - k : k)]);
}

static float *floats(size_t n, uint64_t seed) {
  float *x = guarded(n * sizeof *x);
  for (size_t i = 0; i < n; i++)
    x[i] = test_uniform(&seed);
  return x;
}

static void want_element(MmaData *d, const MmaCase *c, int64_t batch, int64_t m, int64_t n) {
  double sum = 0;
  size_t at = (size_t)((batch * d->m + m) * d->n + n);
  for (int64_t k = 0; k < d->k; k++)
    sum += number(d->a, d, c->a, 0, batch, m, k) * number(d->b, d, c->b, 1, batch, n, k);
  double pre = sum + (double)d->bias[n];
  double out = pre * 0.5 * (1 + erf(pre * 0.70710678118654752)) * bf16_value(d->gate[at]) +
               (double)d->rest[at];
  size_t slot = (size_t)((batch * SLOTS + m / c->rows) * 2 * d->n + n);
  d->want_pre[at] = pre;
  d->want_out[at] = out;
  d->want_sums[slot] += out;
  d->want_sums[slot + (size_t)d->n] += pre;
}

static MmaData mma_data(const MmaCase *c, const int64_t *size) {
  MmaData d = {.m = size[0], .n = size[1], .k = size[2]};
  bool odd = is_odd(c->a) || is_odd(c->b);
  memcpy(d.sym, size, 3 * sizeof *size);
  d.sym[3] = stride_for(d.k, odd), d.sym[4] = stride_for(d.m, odd), d.sym[5] = stride_for(d.n, odd);
  d.count = (size_t)(BATCH * d.m * d.n), d.sum_count = (size_t)(BATCH * SLOTS * 2 * d.n);
  d.a = bf16_numbers(c->a, d.m, d.k, d.sym[4], d.sym[3], 1);
  d.b = bf16_numbers(c->b, d.n, d.k, d.sym[5], d.sym[3], 2);
  d.given[0] = as_type(c->a_type, d.a, count_of(c->a, d.m, d.k, d.sym[4], d.sym[3]));
  d.given[1] = as_type(c->b_type, d.b, count_of(c->b, d.n, d.k, d.sym[5], d.sym[3]));
  d.gate = bf16_numbers(ALONG_K, d.m * d.n, 1, 1, 1, 3);
  d.bias = floats((size_t)d.n, 4), d.rest = floats(d.count, 5);
  d.want_pre = calloc(d.count, sizeof(double)), d.want_out = calloc(d.count, sizeof(double));
  d.want_sums = calloc(d.sum_count, sizeof(double));
  for (int64_t i = 0; i < (int64_t)d.count; i++)
    want_element(&d, c, i / d.n / d.m, i / d.n % d.m, i % d.n);
  d.pre = guarded(d.count * 4), d.out = guarded(d.count * 2), d.sums = guarded(d.sum_count * 4);
  return d;
}

static void mma_data_free(MmaData *d) {
  free(d->want_pre);
  free(d->want_out);
  free(d->want_sums);
}

// ---- runs

static CudaBed cuda;
// "": the printed kernel; else with a mistake, whose copy has this suffix.
static bool run_mma(const MmaCase *c, MmaData *d, const char *suffix, int order) {
  KernelRun r = {
      .arena = arena_new(),
      .arg = {d->given[0], d->given[1], d->bias, d->gate, d->rest, d->pre, d->out, d->sums}};
  memcpy(r.sym, d->sym, sizeof d->sym);
  for (int i = 3; i < COUNT(d->sym) && by_pieces(c); i++)
    r.sym[i] /= 8;
  for (int i = 0; i < 2 && by_pieces(c); i++)
    r.arg[i] = (void *)((uintptr_t)d->given[i] - LEAD * sizeof *d->a);
  memset(d->pre, 0xff, d->count * 4);
  memset(d->out, 0xff, d->count * 2);
  memset(d->sums, 0, d->sum_count * 4);
  const LKernel *k = mma_kernel(r.arena, c);
  ck_assert_msg(cuda_form(k).tasks == 1, "%s: another form", c->name);
  bool ran = cuda_bed_run_copy(&cuda, &r, k, suffix, order);
  arena_free(r.arena);
  return ran;
}

static double far(double got, double want, double tolerance) {
  return fabs(got - want) <= tolerance * (1 + fabs(want)) ? 0 : fabs(got - want) + 1e-30;
}

// The first element that is wrong, or NULL.
static const char *wrong(Arena *a, const MmaData *d) {
  for (size_t i = 0; i < d->count; i++) {
    double pre = (double)d->pre[i], out = bf16_value(d->out[i]);
    if (!(far(pre, d->want_pre[i], 1e-5) == 0))
      return arena_printf(a, "element %zu is %.9g, not %.9g", i, pre, d->want_pre[i]);
    if (!(far(out, d->want_out[i], 5e-3) == 0))
      return arena_printf(a, "result %zu is %.9g, not %.9g", i, out, d->want_out[i]);
  }
  for (size_t i = 0; i < d->sum_count; i++)
    if (!(far((double)d->sums[i], d->want_sums[i], 2e-4) == 0))
      return arena_printf(a, "sum %zu is %.9g, not %.9g", i, (double)d->sums[i], d->want_sums[i]);
  return NULL;
}

static uint64_t bits_of(const MmaData *d) {
  uint64_t h = hash_bytes(0, d->pre, d->count * 4);
  h = hash_bytes(h, d->out, d->count * 2);
  return hash_bytes(h, d->sums, d->sum_count * 4);
}

START_TEST(products_of_bf16_are_right) {
  const MmaCase *c = &cases[_i / COUNT(sizes)];
  MmaData d = mma_data(c, sizes[_i % COUNT(sizes)]);
  Arena *a = arena_new();
  uint64_t first = 0;
  for (int order = 0; order < cuda.code.runs; order++) {
    ck_assert(run_mma(c, &d, "", order));
    const char *what = wrong(a, &d);
    ck_assert_msg(!what, "%s of %d x %d x %d: %s", c->name, (int)d.m, (int)d.n, (int)d.k, what);
    first = order ? first : bits_of(&d);
    ck_assert_msg(first == bits_of(&d), "%s: other bits in order %d", c->name, order);
  }
  arena_free(a);
  mma_data_free(&d);
}
END_TEST

// ---- mistakes

// In the device text of the case, from `behind` on, `what` becomes `with`.
typedef struct MmaMistake {
  const char *behind, *what, *with;
  int of; // the case that shows it
} MmaMistake;
static const MmaMistake mistakes[] = {
    {"bg_mma_walk(", "__syncthreads();", ";", 0},
    {"bg_mma_walk(", "BG_MMA_STAGES - 2", "BG_MMA_STAGES - 1", 0},
    {"bg_mma_tile(", "__syncthreads();", ";", 3},
    {"__syncthreads(); // what", "__syncthreads();\n  BG", ";\n  BG", 0},
    {"make_float2", "__syncthreads();", ";", 0},
    {"bg_mma_walk(", "next % BG_MMA_STAGES", "s % BG_MMA_STAGES", 0},
    {"bg_mma_walk(", "K - (", "K + 8 - (", 0},
    {"void begin", "left = (int)count", "left = (int)count + 8", 2},
    {"void fetch", "i * LINES * line", "0 * line", 1},
    {"void fetch", "there < 8 ? 2 * there : 16", "16", 1},
    {"bg_mma_gather(", "i < count", "i <= count", 7},
    {"*at(", "line / 2 % 4", "threadIdx.x % 4", 1},
    {"*at(", "line % 8", "threadIdx.x % 8", 2},
    {"bg_mma_a(", "2 * half", "half", 0},
    {"bg_mma_a(", "lane / 8 % 2", "lane / 16", 3},
    {"bg_mma_b(", "lane / 8 % 2", "lane / 16", 1},
    {"bg_mma_b(", "lane / 16", "lane / 8 % 2", 1},
    {"bg_mma_b(", "column / 8 + lane / 16", "column / 8 + lane / 8 % 2", 2},
    {"bg_mma_multiply(", "b[j / 2][j % 2 * 2 + 1]", "b[j / 2][j % 2 * 2]", 0},
    {"bg_mma_whole(", "% 16 == 0", "% 2 == 0", 7},
    {"bg_wgmma_walk(", "bg_cp_async_wait<Step::STAGES - 2>", "bg_cp_async_wait<Step::STAGES - 1>",
     10},
    {"bg_wgmma_walk(", "__syncthreads();", ";", 10},
    {"bg_wgmma_walk(", "bg_wgmma_wait<0>();\n", ";\n", 11},
    {"bg_wgmma_walk(", "s + Step::STAGES - 1", "s + Step::STAGES", 11},
    {"bg_wgmma_walk(", "now, row, k", "now, row - row, k", 11},
    {"bg_wgmma_tile(", "__syncthreads(); // what", "; // what", 10},
    {"bg_wgmma_walk<a", "__syncthreads();", ";", 12},
    {"make_float2", "__syncthreads();", ";", 10},
    {"*at(", "piece ^ line % 8", "piece ^ line % 4", 11},
    {"*at(", "piece / 8 * 64", "piece / 8 * 32", 12},
    {"bg_wgmma_rows(", "k * 64", "k * 32", 12},
    {"bg_wgmma_rows(", "64 * DEEP * 2", "64 * DEEP", 12},
    {"bg_wide_tile(", "__syncthreads(); // and", "; // and", 15},
    {"  }\n  __sync", "__syncthreads();", ";", 15},
    {"bg_wide_tile(", "k > 512", "true", 15},
    {"bg_wide_tile(", "k % 512 == 0", "k % 1024 == 8", 15},
    {"bg_wide_tile(", "run[i / 8][i % 8] = 0.0f", "", 15},
    {"bg_tma_walk(", "bg_mbarrier_wait(ring->full + at.stage, at.parity)", "(void)0", 19},
    {"bg_tma_copy(", "at.parity ^ 1", "at.parity", 19},
    {"bg_tma_copy(", "bg_tma_ring::BYTES", "bg_tma_ring::BYTES / 2", 19},
    // only with BIGSC_FULL=1
    {"bg_tma_walk(", "at.parity)", "at.parity ^ 1)", 19},
    {"bg_tma_walk(", "bg_wgmma_wait<1>", "bg_wgmma_wait<2>", 20},
    {"bg_tma_walk(", "bg_wgmma_wait<0>()", "(void)0", 19},
    {"bg_tma_walk(", "ring->empty + before", "ring->empty + 0 * before + at.stage", 20},
    {"bg_tma_walk(", "if (s && bg_lane() == 0)", "if (s && bg_lane() < 2)", 19},
    {"bg_tma_copy(", "bg_mbarrier_wait(ring->empty + at.stage, at.parity ^ 1)", "(void)0", 20},
    {"bg_tma_copy(", "bg_tma_ring::BYTES", "bg_tma_ring::BYTES + 16", 21},
    {"bg_tma_copy(", "map + 1, n", "map, n", 21},
    {"bg_tma_copy(", "s * Step::DEEP, b_plane", "s * Step::DEEP, 0 * b_plane", 22},
    {"bg_tma_fetch(", "row + 64", "row", 21},
    {"bg_tma_fetch(", "to + 64 * DEEP", "to + 32 * DEEP", 21},
    {"void next()", "parity ^= 1", "parity ^= 0", 22},
    {"void begin()", "full + i, 1", "full + i, 2", 19},
    {"void begin()", "BG_TMA_CREW / 32", "BG_TMA_CREW / 64", 19},
    {"bg_tma_tile(", "__syncthreads();   // what", "; // what", 19},
    {"bg_tma_tile(", "bg_barrier(1, BG_TMA_CREW)", "(void)0", 20},
    {"bg_tma_tile(", "  }\n  __syncthreads();", "  }\n", 19},
    {"bg_tma_tile(", "ring->end()", "(void)0", 20},
    {"bg_tma_without(", "k < K", "k < K - 1", 24},
};

enum { MISTAKES_OF_FULL = 19 };

// Of the table.
static int mistakes_made(void) {
  return COUNT(mistakes) - (suites_full() ? 0 : MISTAKES_OF_FULL);
}

static void suffix_of(int i, char suffix[16]) {
  snprintf(suffix, 16, "_m%d", i);
}

// The device text with the mistake.
static char *mistaken(Arena *a, const char *text, const MmaMistake *m) {
  const char *behind = strstr(text, m->behind), *at = behind ? strstr(behind, m->what) : NULL;
  ck_assert_msg(at != NULL, "%s ... %s is not there", m->behind, m->what);
  return arena_printf(a, "%.*s%s%s", (int)(at - text), text, m->with, at + strlen(m->what));
}

static char *device_text(const char *name) {
  char path[TEST_PATH + 64];
  BigsError e = {0};
  size_t size;
  snprintf(path, sizeof path, "%s/codegen/cuda/%s", test_source_dir(), name);
  char *text = file_read(path, 1 << 20, &size, &e);
  ck_assert_msg(text != NULL, "%s", e.text);
  return text;
}

// Of the prelude, the large tile of f32 alone.
static char *wide_text(void) {
  char *text = device_text("cuda_prelude.h"), *from = strstr(text, "template <bool a_along_k");
  char *to = from ? strstr(from, "\n}\n") : NULL;
  ck_assert_msg(to && strstr(from, "bg_wide_tile(") < to, "no bg_wide_tile");
  to[3] = 0;
  memmove(text, from, strlen(from) + 1);
  return text;
}

// Whose calls name no type of the other text: a copy's functions would not hide that one's.
static const char own_maps[] =
    "struct bg_tensor_map { unsigned char opaque[128]; };\n"
    "BG_FN void bg_map_acquire(const bg_tensor_map *map) {\n"
    "  ::bg_map_acquire((const ::bg_tensor_map *)map);\n"
    "}\n"
    "BG_FN void bg_tma_load_3(void *to, const bg_tensor_map *map, int x, int y, int z,\n"
    "                         unsigned long long *bar) {\n"
    "  ::bg_tma_load_3(to, (const ::bg_tensor_map *)map, x, y, z, bar);\n"
    "}\n";

static void collect_mistakes(void) {
  char suffix[16], *of[] = {device_text("cuda_mma.h"), device_text("cuda_wgmma.h"), wide_text(),
                            device_text("cuda_tma.h")};
  Arena *a = arena_new();
  for (int i = 0; i < mistakes_made(); i++) {
    const MmaCase *c = &cases[mistakes[i].of];
    const char *text = of[c->way[0] == 't'      ? 3
                          : c->way[0] == 'w'    ? 1
                          : c->a_type == DT_F32 ? 2
                                                : 0];
    suffix_of(i, suffix);
    cuda_bed_copy(
        &cuda, mma_kernel(a, c), suffix,
        arena_printf(a, "%s%s", text == of[3] ? own_maps : "", mistaken(a, text, &mistakes[i])));
  }
  for (int i = 0; i < COUNT(of); i++)
    free(of[i]);
  arena_free(a);
}

START_TEST(a_mistake_is_found) {
  const MmaMistake *m = &mistakes[_i];
  Arena *a = arena_new();
  bool found = false;
  char suffix[16];
  suffix_of(_i, suffix);
  for (int s = COUNT(sizes) - 1; s >= 0 && !found; s--) {
    MmaData d = mma_data(&cases[m->of], sizes[s]);
    for (int order = 0; order < cuda.code.runs && !found; order++)
      found = !run_mma(&cases[m->of], &d, suffix, order) || wrong(a, &d);
    mma_data_free(&d);
  }
  ck_assert_msg(found, "%s ... %s: not found", m->behind, m->what);
  arena_free(a);
}
END_TEST

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = 0; i < COUNT(cases); i++) {
    MmaData d = mma_data(&cases[i], sizes[0]);
    run_mma(&cases[i], &d, "", 0);
    mma_data_free(&d);
  }
  collect_mistakes();
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

Suite *cuda_mma_suite(void) {
  Suite *s = suite_create("cuda_mma");
  TCase *t = tcase_create("cuda_mma");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda_mma"))
    return s;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, products_of_bf16_are_right, 0, COUNT(cases) * COUNT(sizes));
  tcase_add_loop_test(t, a_mistake_is_found, 0, mistakes_made());
  return s;
}

// See cuda_kernels.h.
#include "tests/unit/cuda_kernels.h"

enum { X, ID, Y, Z }; // arguments

static LExpr *size(Arena *a) {
  return lx_poly(a, poly_sym(0));
}

static LStmt *lanes(Arena *a, LKernel *k, LExpr **i) {
  int var = loop_var(k);
  *i = lx_var(a, var);
  return ls_for(a, var, lx_int(a, 0), size(a), 2);
}

static LExpr *f32(Arena *a, LOp op, LExpr *x, LExpr *y) {
  return lx_op(a, op, DT_F32, x, y, NULL);
}

// ---- y[id[i]] += x[i]: lanes meet

static void add_build(Arena *a, LKernel *k) {
  LExpr *i;
  LStmt *f = lanes(a, k, &i);
  LStmt *s = ls_store(a, Y, lx_to_int(a, lx_load(a, k, ID, i)), lx_load(a, k, X, i));
  s->add = true;
  vec_push(a, &f->body, s);
  vec_push(a, &k->body, f);
}

static void add_want(HandData *d, int n) {
  for (int i = 0; i < n; i++)
    d->y[d->id[i]] += d->x[i];
}

// ---- y[i] += x[i] * x[0]: lanes do not meet

static void axpy_build(Arena *a, LKernel *k) {
  LExpr *i, *first = lx_load(a, k, X, lx_int(a, 0));
  LStmt *f = lanes(a, k, &i);
  LStmt *s = ls_store(a, Y, i, f32(a, L_MUL, lx_load(a, k, X, i), first));
  s->add = true;
  vec_push(a, &f->body, s);
  vec_push(a, &k->body, f);
}

static void axpy_want(HandData *d, int n) {
  for (int i = 0; i < n; i++)
    d->y[i] += d->x[i] * d->x[0];
}

// ---- integers: sums that wrap around, the largest, the least

static void integers_build(Arena *a, LKernel *k) {
  LExpr *i;
  LStmt *f = lanes(a, k, &i);
  LExpr *id = lx_load(a, k, ID, i), *many = lx_const(a, DT_I32, 1 << 30);
  LExpr *v[3] = {lx_op(a, L_MUL, DT_I32, lx_op(a, L_SUB, DT_I32, id, many, NULL), id, NULL), id,
                 id};
  int r[3];
  for (int j = 0; j < 3; j++) {
    r[j] = loop_reg(k);
    vec_push(a, &k->body,
             ls_reg(a, r[j], DT_I32, lx_const(a, DT_I32, j == 2 ? 100 : -2147483648.)));
    vec_push(a, &f->body, ls_reduce(a, r[j], (LReduce)j, v[j]));
  }
  vec_push(a, &k->body, f);
  for (int j = 0; j < 3; j++)
    vec_push(a, &k->body, ls_store(a, Z, lx_int(a, j), lx_reg(a, DT_I32, r[j])));
}

static void integers_want(HandData *d, int n) {
  uint32_t sum = 1u << 31;
  d->z[1] = INT32_MIN, d->z[2] = 100;
  for (int i = 0; i < n; i++) {
    sum += ((uint32_t)d->id[i] - (1u << 30)) * (uint32_t)d->id[i];
    d->z[1] = d->id[i] > d->z[1] ? d->id[i] : d->z[1];
    d->z[2] = d->id[i] < d->z[2] ? d->id[i] : d->z[2];
  }
  d->z[0] = (int32_t)sum;
}

// ---- a value with 2^40 paths to it

static void shared_build(Arena *a, LKernel *k) {
  LExpr *i;
  LStmt *f = lanes(a, k, &i);
  LExpr *v = lx_load(a, k, X, i);
  for (int j = 0; j < 40; j++)
    v = f32(a, L_ADD, v, v);
  vec_push(a, &f->body, ls_store(a, Y, i, v));
  vec_push(a, &k->body, f);
}

static void shared_want(HandData *d, int n) {
  for (int i = 0; i < n; i++)
    d->y[i] = d->x[i] * 0x1p40f;
}

// ---- lane 0 stores and all read, again and again: y[0] = x[t]; y[1 + t*n + i] = y[0] * x[i]

static void relay_build(Arena *a, LKernel *k) {
  LExpr *i, *n = size(a);
  LStmt *f = lanes(a, k, &i);
  int var = loop_var(k), r = loop_reg(k);
  LExpr *t = lx_var(a, var), *zero = lx_int(a, 0);
  LStmt *rows = ls_for(a, var, zero, n, 0);
  vec_push(a, &rows->body, ls_store(a, Y, zero, lx_load(a, k, X, t)));
  vec_push(a, &rows->body, ls_reg(a, r, DT_F32, lx_load(a, k, Y, zero)));
  LExpr *at = lx_add(a, lx_add(a, lx_mul(a, t, n), i), lx_int(a, 1));
  vec_push(a, &f->body,
           ls_store(a, Y, at, f32(a, L_MUL, lx_reg(a, DT_F32, r), lx_load(a, k, X, i))));
  vec_push(a, &rows->body, f);
  vec_push(a, &k->body, rows);
}

static void relay_want(HandData *d, int n) {
  for (int t = 0; t < n; t++)
    for (int i = 0; i < n; i++)
      d->y[1 + t * n + i] = d->x[t] * d->x[i];
  d->y[0] = d->x[n - 1];
}

// ---- a tile whose epilogue adds up columns and everything; C = A A

static LProduct square(Arena *a) {
  LExpr *n = size(a), *zero = lx_int(a, 0);
  return (LProduct){.amem = X,
                    .bmem = X,
                    .abase = zero,
                    .am = n,
                    .ak = lx_int(a, 1),
                    .bbase = zero,
                    .bk = n,
                    .K = n};
}

static void tile_build(Arena *a, LKernel *k) {
  int m = loop_var(k), n = loop_var(k), total = loop_reg(k);
  LStmt *t = ls_tile(a, m, n, size(a), size(a));
  LStmt *columns = ls_store(a, Y, lx_var(a, n), lx_acc(a));
  columns->add = true;
  t->tile->prod[t->tile->nprod++] = square(a);
  vec_push(a, &k->body, ls_reg(a, total, DT_F32, lx_const(a, DT_F32, 3)));
  vec_push(a, &t->tile->body, columns);
  vec_push(a, &t->tile->body, ls_reduce(a, total, LR_MAX, lx_acc(a)));
  vec_push(a, &k->body, t);
  vec_push(a, &k->body, ls_store(a, Y, size(a), lx_reg(a, DT_F32, total)));
}

static void tile_want(HandData *d, int n) {
  double total = 3;
  for (int j = 0; j < n; j++) {
    double column = 0;
    for (int m = 0; m < n; m++) {
      double sum = 0;
      for (int i = 0; i < n; i++)
        sum += (double)d->x[m * n + i] * (double)d->x[i * n + j];
      column += sum;
      total = sum > total ? sum : total;
    }
    d->y[j] += (float)column;
  }
  d->y[n] = (float)total;
}

// ---- products that blocks do, in all orders of the operands' elements:
// y[m, n] = the sum over k of a[m, k] b[k, n]; behind it sums of their columns and of their squares', by 64 rows

typedef struct Order {
  int am, ak, bk, bn; // in sizes n; 0: 1; ORDER_BACK: -1, from the end
} Order;
enum { ORDER_BACK = -1 };

static LExpr *step_of(Arena *a, int step) {
  return step > 0 ? size(a) : lx_int(a, step ? -1 : 1);
}

static LProduct ordered(Arena *a, Order o, LExpr *m0, LExpr *n0) {
  LExpr *last = lx_iop(a, L_ISUB, size(a), lx_int(a, 1));
  LProduct p = {.amem = X, .bmem = X, .K = size(a)};
  p.am = step_of(a, o.am), p.ak = step_of(a, o.ak);
  p.bk = step_of(a, o.bk), p.bn = step_of(a, o.bn);
  p.abase = lx_mul(a, m0, p.am);
  p.bbase = lx_mul(a, n0, p.bn);
  if (o.ak == ORDER_BACK)
    p.abase = lx_add(a, p.abase, last);
  return p;
}

static LExpr *rest_of(Arena *a, LExpr *from) {
  return lx_iop(a, L_IMIN, lx_int(a, 64), lx_iop(a, L_ISUB, size(a), from));
}

// Where the sum `what` of a column of a block of rows is.
static LExpr *column_at(Arena *a, int what, LExpr *block, LExpr *column) {
  LExpr *slots = lx_mul(a, lx_add(a, size(a), lx_int(a, 4 * what)), size(a));
  return lx_add(a, slots, lx_add(a, lx_mul(a, block, size(a)), column));
}

static void clear_columns(Arena *a, LKernel *k, LExpr *block, LExpr *n0, LExpr *columns) {
  int var = loop_var(k);
  LStmt *f = ls_for(a, var, lx_int(a, 0), columns, 2);
  for (int i = 0; i < 2; i++)
    vec_push(a, &f->body,
             ls_store(a, Y, column_at(a, i, block, lx_add(a, n0, lx_var(a, var))),
                      lx_const(a, DT_F32, 0)));
  vec_push(a, &k->body, f);
}

static void product_build(Arena *a, LKernel *k, Order o) {
  LExpr *block = lx_var(a, loop_grid(k, poly_sym(0), 64)), *m0 = lx_mul(a, block, lx_int(a, 64));
  LExpr *n0 = lx_mul(a, lx_var(a, loop_grid(k, poly_sym(0), 64)), lx_int(a, 64));
  clear_columns(a, k, block, n0, rest_of(a, n0));
  LStmt *t = ls_tile(a, loop_var(k), loop_var(k), rest_of(a, m0), rest_of(a, n0));
  LExpr *m = lx_add(a, m0, lx_var(a, t->tile->mvar)), *n = lx_add(a, n0, lx_var(a, t->tile->nvar));
  t->tile->prod[t->tile->nprod++] = ordered(a, o, m0, n0);
  vec_push(a, &t->tile->body, ls_colsum(a, Y, column_at(a, 0, block, n), lx_acc(a)));
  vec_push(a, &t->tile->body, ls_store(a, Y, lx_add(a, lx_mul(a, m, size(a)), n), lx_acc(a)));
  vec_push(a, &t->tile->body,
           ls_colsum(a, Y, column_at(a, 1, block, n), f32(a, L_MUL, lx_acc(a), lx_acc(a))));
  vec_push(a, &k->body, t);
}

static int64_t stride_of(int step, int n) {
  return step > 0 ? n : step ? -1 : 1;
}

static double element(const HandData *d, int n, Order o, int row, int column) {
  double sum = 0;
  int64_t a = stride_of(o.am, n) * row + (o.ak == ORDER_BACK ? n - 1 : 0);
  for (int k = 0; k < n; k++)
    sum += (double)d->x[a + k * stride_of(o.ak, n)] *
           (double)d->x[column * stride_of(o.bn, n) + k * stride_of(o.bk, n)];
  return sum;
}

static void product_want(HandData *d, int n, Order o) {
  for (int block = 0; block * 64 < n; block++)
    for (int j = 0; j < n; j++) {
      double sum = 0, squares = 0;
      for (int i = 64 * block; i < n && i < 64 * block + 64; i++) {
        double v = element(d, n, o, i, j);
        d->y[i * n + j] = (float)v;
        sum += v, squares += v * v;
      }
      d->y[(n + block) * n + j] = (float)sum;
      d->y[(n + 4 + block) * n + j] = (float)squares;
    }
}

#define PRODUCT(name, ...)                                                                         \
  static void name##_build(Arena *a, LKernel *k) {                                                 \
    product_build(a, k, (Order){__VA_ARGS__});                                                     \
  }                                                                                                \
  static void name##_want(HandData *d, int n) {                                                    \
    product_want(d, n, (Order){__VA_ARGS__});                                                      \
  }
PRODUCT(rows_columns, 1, 0, 1, 0)
PRODUCT(rows_rows, 1, 0, 0, 1)
PRODUCT(columns_columns, 0, 1, 1, 0)
PRODUCT(columns_rows, 0, 1, 0, 1)
PRODUCT(back, 0, ORDER_BACK, 1, 0)

// ---- sums of diagonals of A B, all by one warp, or those of each 64 rows with the first 64 columns by a block:
// y[2 * side * block + side - 1 + m - n] += C[m, n]

static void diagonals_build(Arena *a, LKernel *k, LExpr *block, LExpr *side, LExpr *rows,
                            LExpr *columns) {
  int m = loop_var(k), n = loop_var(k);
  LStmt *t = ls_tile(a, m, n, rows, columns);
  LProduct p = square(a);
  p.bn = lx_int(a, 1);
  p.abase = lx_mul(a, lx_mul(a, block, side), size(a));
  LExpr *lag = lx_iop(a, L_ISUB, lx_var(a, m), lx_var(a, n));
  LExpr *first = lx_mul(a, lx_mul(a, block, side), lx_int(a, 2));
  LExpr *zero = lx_iop(a, L_ISUB, lx_add(a, first, side), lx_int(a, 1));
  LStmt *sum = ls_colsum(a, Y, lx_add(a, lag, zero), lx_acc(a));
  sum->diagonal = true;
  t->tile->prod[t->tile->nprod++] = p;
  vec_push(a, &t->tile->body, sum);
  vec_push(a, &k->body, t);
}

static void diagonals_want(HandData *d, int n, int side) {
  for (int m = 0; m < n; m++)
    for (int j = 0; j < n && j < side; j++)
      d->y[2 * side * (m / side) + side - 1 + m % side - j] +=
          (float)element(d, n, (Order){1, 0, 1, 0}, m, j);
}

static void warp_diagonals_build(Arena *a, LKernel *k) {
  diagonals_build(a, k, lx_int(a, 0), size(a), size(a), size(a));
}

static void warp_diagonals_want(HandData *d, int n) {
  diagonals_want(d, n, n);
}

static void block_diagonals_build(Arena *a, LKernel *k) {
  LExpr *block = lx_var(a, loop_grid(k, poly_sym(0), 64)), *side = lx_int(a, 64);
  LExpr *left = lx_iop(a, L_ISUB, size(a), lx_mul(a, block, side));
  diagonals_build(a, k, block, side, lx_iop(a, L_IMIN, side, left),
                  lx_iop(a, L_IMIN, side, size(a)));
}

static void block_diagonals_want(HandData *d, int n) {
  diagonals_want(d, n, 64);
}

// ---- rows of a number of columns that is known, from addresses that may be any; three passes each: of row r and
// s = the sum of x[at + i] / 1024, q = that of (x[at + i] - s)^2 / 1024:
// y[out + i] = (x[at + i] - s) * q + m x[i], at = 37 r + n, out = columns * r + n - 1, m = the largest x[at + i]

enum { ROW_STRIDE = 37, LONG_ROW = 1000, FEW_ROWS = 3 }; // of long rows there are few

static LExpr *columns_from(Arena *a, LExpr *base, int var) {
  return lx_add(a, base, lx_var(a, var));
}

static LStmt *pass(Arena *a, LKernel *k, int columns) {
  LStmt *f = ls_for(a, loop_var(k), lx_int(a, 0), lx_int(a, columns), 2);
  vec_push(a, &k->body, f);
  return f;
}

static LExpr *part_of(Arena *a, int reg) {
  return f32(a, L_MUL, lx_reg(a, DT_F32, reg), lx_const(a, DT_F32, 0x1p-10));
}

static int sum_reg(Arena *a, LKernel *k) {
  int r = loop_reg(k);
  vec_push(a, &k->body, ls_reg(a, r, DT_F32, lx_const(a, DT_F32, 0)));
  return r;
}

static void row_build(Arena *a, LKernel *k, int columns) {
  LExpr *r = lx_var(a, loop_grid(k, columns > LONG_ROW ? poly_const(FEW_ROWS) : poly_sym(0), 1));
  LExpr *at = lx_add(a, lx_mul(a, r, lx_int(a, ROW_STRIDE)), size(a));
  LExpr *out =
      lx_add(a, lx_mul(a, r, lx_int(a, columns)), lx_iop(a, L_ISUB, size(a), lx_int(a, 1)));
  int s = sum_reg(a, k), m = sum_reg(a, k);
  LStmt *f = pass(a, k, columns);
  vec_push(a, &f->body, ls_reduce(a, s, LR_SUM, lx_load(a, k, X, columns_from(a, at, f->var))));
  vec_push(a, &f->body, ls_reduce(a, m, LR_MAX, lx_load(a, k, X, columns_from(a, at, f->var))));
  int q = sum_reg(a, k);
  f = pass(a, k, columns);
  LExpr *off = f32(a, L_SUB, lx_load(a, k, X, columns_from(a, at, f->var)), part_of(a, s));
  vec_push(a, &f->body, ls_reduce(a, q, LR_SUM, f32(a, L_MUL, off, off)));
  f = pass(a, k, columns);
  off = f32(a, L_SUB, lx_load(a, k, X, columns_from(a, at, f->var)), part_of(a, s));
  LExpr *scaled = f32(a, L_MUL, lx_load(a, k, X, lx_var(a, f->var)), lx_reg(a, DT_F32, m));
  LExpr *v = f32(a, L_ADD, f32(a, L_MUL, off, part_of(a, q)), scaled);
  vec_push(a, &f->body, ls_store(a, Y, columns_from(a, out, f->var), v));
}

static void row_want(HandData *d, int n, int columns) {
  for (int r = 0; r < (columns > LONG_ROW ? FEW_ROWS : n); r++) {
    const float *x = d->x + ROW_STRIDE * r + n;
    double s = 0, q = 0, m = 0;
    for (int i = 0; i < columns; i++) {
      s += (double)x[i] / 1024;
      m = (double)x[i] > m ? (double)x[i] : m;
    }
    for (int i = 0; i < columns; i++)
      q += ((double)x[i] - s) * ((double)x[i] - s) / 1024;
    for (int i = 0; i < columns; i++)
      d->y[columns * r + n - 1 + i] = (float)(((double)x[i] - s) * q + m * (double)d->x[i]);
  }
}

#define ROW(columns)                                                                               \
  static void row##columns##_build(Arena *a, LKernel *k) {                                         \
    row_build(a, k, columns);                                                                      \
  }                                                                                                \
  static void row##columns##_want(HandData *d, int n) {                                            \
    row_want(d, n, columns);                                                                       \
  }
ROW(128)
ROW(250)
ROW(251)
ROW(252)
ROW(1030)
ROW(9001)
ROW(9004)

// ---- what a pass stores, the next one reads: y[i] += the sum of y, twice

enum { TWICE = 256 };

static void twice_build(Arena *a, LKernel *k) {
  for (int i = 0; i < 2; i++) {
    int s = sum_reg(a, k);
    LStmt *f = pass(a, k, TWICE);
    vec_push(a, &f->body,
             ls_reduce(a, s, LR_SUM,
                       f32(a, L_ADD, lx_load(a, k, Y, lx_var(a, f->var)),
                           lx_load(a, k, X, lx_var(a, f->var)))));
    f = pass(a, k, TWICE);
    LStmt *add = ls_store(a, Y, lx_var(a, f->var), lx_reg(a, DT_F32, s));
    add->add = true;
    vec_push(a, &f->body, add);
  }
}

static void twice_want(HandData *d, int n) {
  (void)n;
  for (int i = 0; i < 2; i++) {
    double s = 0;
    for (int j = 0; j < TWICE; j++)
      s += (double)d->y[j] + (double)d->x[j];
    for (int j = 0; j < TWICE; j++)
      d->y[j] += (float)s;
  }
}

// ---- as many elements as are known when it runs, in parts of 100 and in one loop:
// y[1 + i] = x[i] * x[id[i % 129]], y[n * n + i] = 2 x[i], for i < n * n - 1

static LStmt *parts(Arena *a, LKernel *k, LExpr *end) {
  int t = loop_var(k);
  LExpr *hundred = lx_int(a, 100), *lo = lx_mul(a, lx_var(a, t), hundred);
  LStmt *all =
      ls_for(a, t, lx_int(a, 0), lx_iop(a, L_IDIV, lx_add(a, end, lx_int(a, 99)), hundred), 0);
  LStmt *f = ls_for(a, loop_var(k), lo, lx_iop(a, L_IMIN, lx_add(a, lo, hundred), end), 2);
  vec_push(a, &k->body, all);
  vec_push(a, &all->body, f);
  return f;
}

static void flat_build(Arena *a, LKernel *k) {
  LExpr *square = lx_mul(a, size(a), size(a)), *one = lx_int(a, 1);
  LExpr *end = lx_iop(a, L_ISUB, square, one);
  LStmt *f = parts(a, k, end);
  LExpr *i = lx_var(a, f->var);
  LExpr *id = lx_load(a, k, ID, lx_iop(a, L_IMOD, i, lx_int(a, HAND_MAX)));
  LExpr *far = lx_load(a, k, X, lx_to_int(a, id));
  vec_push(a, &f->body, ls_store(a, Y, lx_add(a, i, one), f32(a, L_MUL, lx_load(a, k, X, i), far)));
  f = ls_for(a, loop_var(k), lx_int(a, 0), end, 2);
  i = lx_var(a, f->var);
  vec_push(a, &f->body,
           ls_store(a, Y, lx_add(a, square, i),
                    f32(a, L_MUL, lx_const(a, DT_F32, 2), lx_load(a, k, X, i))));
  vec_push(a, &k->body, f);
}

static void flat_want(HandData *d, int n) {
  for (int i = 0; i < n * n - 1; i++) {
    d->y[1 + i] = d->x[i] * d->x[d->id[i % HAND_MAX]];
    d->y[n * n + i] = 2 * d->x[i];
  }
}

// ---- sums of columns, from an address that may be any

enum { COLUMNS = 1040 };

static void colsum_build(Arena *a, LKernel *k) {
  int r = loop_var(k);
  LStmt *rows = ls_for(a, r, lx_int(a, 0), size(a), 0);
  LStmt *f = ls_for(a, loop_var(k), lx_int(a, 0), lx_int(a, COLUMNS), 2);
  LExpr *at = lx_add(a, lx_mul(a, lx_var(a, r), lx_int(a, ROW_STRIDE)), lx_var(a, f->var));
  vec_push(a, &f->body, ls_colsum(a, Y, columns_from(a, size(a), f->var), lx_load(a, k, X, at)));
  vec_push(a, &rows->body, f);
  vec_push(a, &k->body, rows);
}

static void colsum_want(HandData *d, int n) {
  for (int r = 0; r < n; r++)
    for (int i = 0; i < COLUMNS; i++)
      d->y[n + i] += d->x[ROW_STRIDE * r + i];
}

// ---- a loop whose end is data that its body changes: z[0] = min(id[0], n), then 2 in every turn

static void end_build(Arena *a, LKernel *k) {
  int var = loop_var(k);
  LExpr *zero = lx_int(a, 0), *end = lx_to_int(a, lx_load(a, k, Z, zero));
  LStmt *f = ls_for(a, var, zero, end, 0);
  vec_push(a, &k->body, ls_store(a, Z, zero, lx_load(a, k, ID, zero)));
  vec_push(a, &f->body, ls_store(a, Z, zero, lx_const(a, DT_I32, 2)));
  vec_push(a, &f->body, ls_store(a, Y, lx_var(a, var), lx_load(a, k, X, lx_var(a, var))));
  vec_push(a, &k->body, f);
}

static void end_want(HandData *d, int n) {
  (void)n;
  d->z[0] = d->id[0] ? 2 : 0;
  for (int i = 0; i < d->id[0]; i++)
    d->y[i] = d->x[i];
}

const HandKernel hand_kernels[] = {
    {"add", add_build, add_want, false},
    {"axpy", axpy_build, axpy_want, false},
    {"integers", integers_build, integers_want, false},
    {"shared", shared_build, shared_want, false},
    {"relay", relay_build, relay_want, false},
    {"tile", tile_build, tile_want, false},
    {"end", end_build, end_want, false},
    {"diagonals by a warp", warp_diagonals_build, warp_diagonals_want, false},
    {"diagonals by blocks", block_diagonals_build, block_diagonals_want, true},
    {"row of 128", row128_build, row128_want, false},
    {"row of 250", row250_build, row250_want, false},
    {"row of 251", row251_build, row251_want, false},
    {"row of 252", row252_build, row252_want, false},
    {"row of 1030", row1030_build, row1030_want, true},
    {"row of 9001", row9001_build, row9001_want, true},
    {"row of 9004", row9004_build, row9004_want, true},
    {"twice", twice_build, twice_want, false},
    {"flat", flat_build, flat_want, false},
    {"sums of columns", colsum_build, colsum_want, true},
    {"rows by columns", rows_columns_build, rows_columns_want, true},
    {"rows by rows", rows_rows_build, rows_rows_want, true},
    {"columns by columns", columns_columns_build, columns_columns_want, true},
    {"columns by rows", columns_rows_build, columns_rows_want, true},
    {"rows backwards", back_build, back_want, true}};
const int hand_count = COUNT(hand_kernels);

LKernel *hand_kernel(Arena *a, const HandKernel *h) {
  LKernel *k = loop_kernel(a, h->name);
  loop_arg(a, k, "x", DT_F32, false);
  loop_arg(a, k, "id", DT_I32, false);
  loop_arg(a, k, "y", DT_F32, true);
  loop_arg(a, k, "z", DT_I32, true);
  h->build(a, k);
  return k;
}

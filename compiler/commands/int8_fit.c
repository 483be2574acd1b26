// See int8_fit.h.
#include "compiler/commands/int8_fit.h"
#include "base/int8.h"
#include <math.h>
#include <stdlib.h>

enum { LANES = 8, BLOCK = 32 };
static const double DAMP = 0.01; // of the mean of M's diagonal

// ---- F

typedef struct FitPlace {
  double size;
  int k;
} FitPlace;

static int by_size(const void *a, const void *b) {
  const FitPlace *x = a, *y = b;
  return x->size != y->size ? (x->size < y->size) - (x->size > y->size)
                            : (x->k > y->k) - (x->k < y->k);
}

static void choose_order(Int8Fit *f, Arena *a, const double *moment) {
  FitPlace *p = NEWN(a, FitPlace, f->K + 1);
  double sum = 0;
  for (int64_t k = 0; k < f->K; k++) {
    p[k] = (FitPlace){moment[k * f->K + k], (int)k};
    sum += p[k].size;
  }
  f->damp = sum > 0 ? DAMP * sum / (double)f->K : 1;
  qsort(p, (size_t)f->K, sizeof *p, by_size);
  for (int64_t k = 0; k < f->K; k++)
    f->order[k] = p[k].k;
}

static double moment_at(const Int8Fit *f, const double *moment, int64_t i, int64_t j) {
  int64_t a = f->order[i], b = f->order[j];
  return moment[a > b ? a * f->K + b : b * f->K + a];
}

static void fill(Int8Fit *f, const double *moment, const double *noise) {
  for (int64_t i = 0; i < f->K; i++) {
    for (int64_t j = 0; j <= i; j++)
      f->factor[i * f->row + j] = moment_at(f, moment, i, j);
    f->factor[i * f->row + i] += f->damp;
    f->noise[i] = noise[f->order[i]];
  }
}

// x[0..n) less as many of y, and a few behind them that nobody reads.
static void take_off(double *restrict x, const double *restrict y, double times, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES)
    for (int l = 0; l < LANES; l++)
      x[i + l] -= times * y[i + l];
}

typedef struct FitBlock {
  const Int8Fit *f;
  int64_t first, end;
} FitBlock;

// Row k less what the rows of the block beyond it, which are F's, make of it.
static void take_off_block(const FitBlock *b, int64_t k) {
  const Int8Fit *f = b->f;
  for (int64_t i = b->end - 1; i >= b->first && i > k; i--)
    take_off(f->factor + k * f->row, f->factor + i * f->row, f->factor[i * f->row + k], k + 1);
}

static void finish_row(const Int8Fit *f, int64_t k) {
  double *x = f->factor + k * f->row, least = f->damp * 1e-3,
         root = sqrt(x[k] > least ? x[k] : least);
  for (int64_t j = 0; j < k; j++)
    x[j] /= root;
  x[k] = root;
}

static void task_block(void *ctx, int64_t task, int thread) {
  (void)thread;
  take_off_block(ctx, task);
}

void int8_fit_open(Int8Fit *f, Arena *a, Pool *pool, const double *moment, const double *noise,
                   int64_t K) {
  *f = (Int8Fit){.K = K, .row = (K + LANES - 1) / LANES * LANES};
  f->order = NEWN(a, int, K + 1);
  f->factor = NEWN(a, double, K * f->row + 1);
  f->noise = NEWN(a, double, K + 1);
  choose_order(f, a, moment);
  fill(f, moment, noise);
  FitBlock b = {.f = f};
  for (b.end = K; b.end > 0; b.end = b.first) {
    b.first = b.end > BLOCK ? b.end - BLOCK : 0;
    for (int64_t k = b.end - 1; k >= b.first; k--) {
      take_off_block(&b, k);
      finish_row(f, k);
    }
    pool_run(pool, b.first, task_block, &b);
  }
}

// ---- columns

enum { FITTED, NEAREST, WHOLE, FORMS, CELLS = FORMS * LANES };

typedef struct FitWork {
  const Int8Fit *f;
  const float *w;
  int64_t N;
  int8_t *q;
  uint32_t *most;
  Int8Error *error; // [N]
  double *scratch;  // [threads][K][CELLS]: what is left of each
} FitWork;

// A column under way.
typedef struct FitColumn {
  const float *w; // NULL: there is none
  int8_t *q;
  float scale, inverse;
  int64_t largest; // this k is 127 or -127
  Int8Error error;
} FitColumn;

static FitColumn column_of(const FitWork *x, int64_t n) {
  FitColumn c = {0};
  if (n >= x->N)
    return c;
  c.w = x->w + n * x->f->K;
  c.q = x->q + n * x->f->K;
  uint32_t most = 0;
  for (int64_t k = x->f->K - 1; k >= 0; k--)
    if (int8_magnitude(c.w[k]) >= most) {
      most = int8_magnitude(c.w[k]);
      c.largest = k;
    }
  x->most[n] = most;
  c.scale = int8_scale(most);
  c.inverse = int8_inverse(most);
  return c;
}

static int8_t clipped(const FitColumn *c, double x) {
  float most = c->scale * INT8_LARGEST, v = (float)x;
  v = v > most ? most : v < -most ? -most : v;
  return int8_round(v, c->inverse);
}

static double square(double x) {
  return x * x;
}

// The i-th one; sum: what those before it make of the i-th term.
static void round_one(const Int8Fit *f, FitColumn *c, int64_t i, const double *sum, double *left) {
  int64_t k = f->order[i];
  double root = f->factor[i * f->row + i], w = c->w[k], scale = c->scale;
  int8_t nearest = int8_round(c->w[k], c->inverse);
  c->q[k] = k == c->largest ? nearest : clipped(c, w + sum[FITTED * LANES] / root);
  double is[FORMS] = {w - c->q[k] * scale, w - nearest * scale, w}, square_of[FORMS];
  for (int v = 0; v < FORMS; v++) {
    left[v * LANES] = is[v];
    square_of[v] = square(sum[v * LANES] + root * is[v]) - f->damp * square(is[v]);
  }
  c->error.fitted += square_of[FITTED];
  c->error.nearest += square_of[NEAREST];
  c->error.whole += square_of[WHOLE];
  c->error.rows += f->noise[i] * square(c->q[k] * scale);
}

static void add_up(const double *restrict factor, const double *restrict left, int64_t n,
                   double *restrict out) {
  double sum[CELLS] = {0};
  for (int64_t j = 0; j < n; j++)
    for (int l = 0; l < CELLS; l++)
      sum[l] += factor[j] * left[j * CELLS + l];
  for (int l = 0; l < CELLS; l++)
    out[l] = sum[l];
}

static void task_columns(void *ctx, int64_t task, int thread) {
  const FitWork *x = ctx;
  const Int8Fit *f = x->f;
  FitColumn c[LANES];
  double *left = x->scratch + thread * f->K * CELLS, sum[CELLS];
  for (int l = 0; l < LANES; l++)
    c[l] = column_of(x, task * LANES + l);
  for (int64_t i = 0; i < f->K; i++) {
    add_up(f->factor + i * f->row, left, i, sum);
    for (int l = 0; l < LANES; l++)
      if (c[l].w)
        round_one(f, &c[l], i, sum + l, left + i * CELLS + l);
  }
  for (int l = 0; l < LANES; l++)
    if (c[l].w)
      x->error[task * LANES + l] = c[l].error;
}

Int8Error int8_fit_columns(const Int8Fit *f, Pool *pool, const float *w, int64_t N, int8_t *q,
                           uint32_t *most) {
  Arena *a = arena_new();
  FitWork x = {.f = f, .w = w, .N = N, .q = q, .most = most};
  x.error = NEWN(a, Int8Error, N + 1);
  x.scratch = NEWN(a, double, pool_threads(pool) * f->K * CELLS + 1);
  pool_run(pool, (N + LANES - 1) / LANES, task_columns, &x);
  Int8Error sum = {0};
  for (int64_t n = 0; n < N; n++) {
    sum.whole += x.error[n].whole;
    sum.nearest += x.error[n].nearest;
    sum.fitted += x.error[n].fitted;
    sum.rows += x.error[n].rows;
  }
  arena_free(a);
  return sum;
}

// Weights of a product as int8, rounded for the product's sake: what the rounding of one does to sums, those after it undo, as far as
// they can.
//
// Of a column w let d = w - q * scale, and M the sum of x x^T over the rows x that are multiplied by it: squares of what sums are off
// by are d^T M d together.  With M = F^T F, F lower triangular, that is the sum of (F d)_k^2, and term k depends on d_0 to d_k
// alone: q_k is the one that makes it least, given those before it.  (Frantar et al., GPTQ, 2022, has the same numbers by another way.)
// Where M is large goes first.  A scale is as base/int8.h has it, and so the largest of a column stays 127 or -127.
#ifndef BIGSC_INT8_FIT_H
#define BIGSC_INT8_FIT_H
#include "base/arena.h"
#include "runtime/exec/pool.h"

typedef struct Int8Fit {
  int64_t K, row; // numbers of a column; of a row of `factor`
  int *order;     // [K]: which k is rounded as the i-th
  double *factor; // F of M and `damp` on its diagonal, in that order
  double
      *noise; // [K], in that order: squares of what rounding of rows adds to each, over all of them
  double damp;
} Int8Fit;
// Of M, [K][K], whose lower half is read, and the noise of rows, [K]; in memory of `a`.  The same bits for any number of threads.
void int8_fit_open(Int8Fit *f, Arena *a, Pool *pool, const double *moment, const double *noise,
                   int64_t K);

// Sums of squares over columns and rows: of the product, of what it is off by as weights are rounded to the nearest, or here, and of
// what the rounding of rows adds.
typedef struct Int8Error {
  double whole, nearest, fitted, rows;
} Int8Error;
// Rounds w, [N][K], into q, and fills the largest magnitude of each column.
Int8Error int8_fit_columns(const Int8Fit *f, Pool *pool, const float *w, int64_t N, int8_t *q,
                           uint32_t *most);
#endif

// Gradient of gathering rows of a table (an embedding): out[id[i]][:] += src[i][:] for n rows.
//
// The sum over rows of one id is taken in the order of i, for any number of threads: ids are sorted
// stably, runs of more than SCATTER_CUT rows are cut at fixed points, and the pieces' sums are
// added in order, in float64: errors grow with the pieces, not with the run.
//
//   if (!scatter_prepare(&args, id, shared)) ...an id is out of range
//   for (int p = 0; p < SCATTER_PHASES; p++)
//     pool_run(pool, scatter_tasks(&args, p, shared), call_scatter_task, ...);
//
// where call_scatter_task calls scatter_task(&args, p, task, src, out, shared).
// `shared` is one 64-byte aligned block of scatter_shared_bytes that the caller owns.
#ifndef BIGSC_RUNTIME_SCATTER_H
#define BIGSC_RUNTIME_SCATTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ScatterArgs {
  int64_t n, width, src_row; // src is [n][width] with row stride src_row
  int64_t rows, out_row;     // out is [rows][width] with row stride out_row
  bool accumulate;           // add to what out holds; else rows that no id names become zero
} ScatterArgs;

enum { SCATTER_PHASES = 2, SCATTER_CUT = 128 };
size_t scatter_shared_bytes(const ScatterArgs *a);
// Sorts the n ids; serial, O(n + rows).  Those outside of [0, rows) are left out.
void scatter_prepare(const ScatterArgs *a, const int32_t *id, void *shared);
int64_t scatter_tasks(const ScatterArgs *a, int phase, const void *shared);
void scatter_task(const ScatterArgs *a, int phase, int64_t task, const float *src, float *out,
                  void *shared);
#endif

// Steps of a program that are library code rather than generated kernels.  Arguments are buffers
// (BigsStep.arg), scalars are i64 values or sizes (BigsStep.scalar), in the order given here;
// strides in elements; channels have stride 1 in u and y.
#ifndef BIGSC_BUILTIN_H
#define BIGSC_BUILTIN_H
typedef enum BigsBuiltin {
  // y[b][l][c] = sum_j k[j] u[b][l -/+ j][c].  args u, k, y; scalars nbatch, L, channels, u_batch,
  // u_row, y_batch, y_row,
  // k_row (stride of k along j), k_channel (0: one kernel for all channels), reverse
  BIGS_CONV,
  // dk[j] = sum over b, l (and c when k_channel is 0) of dy[b][l][c] u[b][l -/+ j][c].  args u, dy,
  // dk; the same scalars, where y_
  // is dy's and k_ is dk's
  BIGS_CONV_GRAD,
  // out[id[i]][:] += src[i][:].  args ids (i32, n of them, dense), src, out; scalars n, width,
  // src_row, rows, out_row, accumulate
  // (0: out is cleared first)
  BIGS_SCATTER,
  BIGS_BUILTIN_COUNT
} BigsBuiltin;

// One builtin's code.  A module names those that it uses (BigsModule.builtin), so that a model
// without convolution is not linked with it.  In `f`, arg is NULL except in run().
#include "runtime/abi.h"
struct Pool;
typedef struct BigsBuiltinOps {
  // Tables for given sizes (the factors of a transform), made when a program is bound and shared by
  // its steps of equal key; NULL members: none are needed.  open: NULL when memory is short or the
  // sizes are not supported.
  int64_t (*key)(const BigsFrame *f);
  void *(*open)(const BigsFrame *f);
  void (*close)(void *tables);
  // Bytes of workspace that run() gets, for a pool of so many threads: a function of sizes only.
  int64_t (*workspace)(const BigsFrame *f, const void *tables, int threads);
  // Does the step, dividing work over `pool` by sizes alone (the same bits for any number of
  // threads).  `work`: 64-byte aligned, not cleared.  Returns 0, or an exit status
  // (base/error.h).
  int (*run)(const BigsFrame *f, const void *tables, struct Pool *pool, void *work);
} BigsBuiltinOps;
extern const BigsBuiltinOps bigs_builtin_conv, bigs_builtin_conv_grad, bigs_builtin_scatter;
#endif

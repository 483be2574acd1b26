// Steps of a program that are library code rather than generated kernels.  Arguments are buffers
// (BigsStep.arg), scalars are i64 values or sizes (BigsStep.scalar), in the order that builtin.def
// gives.
#ifndef BIGSC_BUILTIN_H
#define BIGSC_BUILTIN_H
// clang-format off
typedef enum BigsBuiltin {
#define BUILTIN(id, name) BIGS_##id,
#include "runtime/builtin.def"
#undef BUILTIN
  BIGS_BUILTIN_COUNT
} BigsBuiltin;
// clang-format on

enum {
  BIGS_CONV_SHORT = 64
}; // convolutions of fewer places are summed as they are written, not transformed

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
#define BUILTIN(id, name) extern const BigsBuiltinOps bigs_builtin_##name;
#include "runtime/builtin.def"
#undef BUILTIN
#endif

// Kernels compiled into this process.  Machine code lives until jit_free; equal kernels (by
// structure) are compiled once over the whole life of a Jit, so that redefining a model recompiles
// only what changed.
#ifndef BIGSC_JIT_H
#define BIGSC_JIT_H
#include "codegen/loop/loop.h"
#include "codegen/target.h"
#include "runtime/abi.h"

typedef struct Jit Jit;
typedef struct JitStats {
  int compiled, reused;       // kernels so far; the latter of this process
  int kept;                   // of an earlier one, whose objects lie in the user's cache
  double build, passes, code; // seconds of all threads together: emission, IR passes, machine code
} JitStats;

// The target is kept by pointer; one of another architecture is refused.  On failure NULL, and *error says why
// (in the arena).
Jit *jit_new(Arena *a, const Target *t, const char **error);
void jit_free(Jit *j); // NULL is allowed
// Compiles kernels on up to `threads` threads (0: 2); out[i] is kernel i's address.  The kernels
// must verify; they may be freed afterwards.  false: *error says why (in the arena), and `out` is
// not to be used.
bool jit_kernels(Jit *j, Arena *a, LKernel *const *kernels, int n, int threads, BigsKernel **out,
                 const char **error);
JitStats jit_stats(const Jit *j);
#endif

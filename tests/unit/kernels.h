// For the tests of generated code: compiles one kernel for a target and runs all its tasks.
#ifndef TESTS_KERNELS_H
#define TESTS_KERNELS_H
#include "codegen/llvm/jit.h"

enum { RUN_ARGS = 12 };
typedef struct KernelRun {
  Arena *arena;
  const char *march; // NULL: native
  int opt;           // 0: -O2; n: -O(n - 1)
  void *arg[RUN_ARGS];
  int64_t sym[MAX_SYMS];
  uint64_t scalar[8];
  const char *error;
  bool skipped; // the target cannot run here
} KernelRun;
// false: r->error.  A target that cannot run here counts as run.
bool run_kernel(KernelRun *r, const LKernel *k);
// That CPU as a target, with what it has for `use`; NULL: its code cannot run here.
const Target *target_here(Arena *a, const char *march, unsigned use);
// The targets that are worth testing here, with NULL at the end.
extern const char *const run_targets[];

// Memory that ends where a page without access begins, so that reading past the end is caught; not freed.
void *guarded(size_t bytes);
uint32_t test_random(uint64_t *state);
float test_uniform(uint64_t *state); // in [-1, 1)
#endif

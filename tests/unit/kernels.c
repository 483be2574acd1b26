#include "tests/unit/kernels.h"
#include "runtime/exec/cpu.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const run_targets[] = {"native", "x86-64-v3", "x86-64-v2", "x86-64", NULL};

void *guarded(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (bytes + page - 1) / page * page;
  char *p = mmap(NULL, n + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p + n, page, PROT_NONE))
    abort();
  return p + n - bytes;
}

uint32_t test_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

float test_uniform(uint64_t *state) {
  return (float)(int32_t)(test_random(state) << 1) * 0x1p-31f;
}

static int64_t tasks_of(const LKernel *k, const int64_t *sym) {
  int64_t n = 1;
  for (int i = 0; i < k->ngrid; i++)
    n *= (poly_eval(&k->grid[i].extent, sym) + k->grid[i].block - 1) / k->grid[i].block;
  return n;
}

static bool run_tasks(KernelRun *r, const LKernel *k, BigsKernel *code) {
  BigsFrame frame = {r->arg, r->sym, r->scalar};
  Poly bytes = loop_scratch_bytes(k);
  void *scratch = NULL;
  if (posix_memalign(&scratch, 64, (size_t)poly_eval(&bytes, r->sym) + 64))
    return false;
  for (int64_t t = 0, n = tasks_of(k, r->sym); t < n; t++)
    code(&frame, t, scratch);
  free(scratch);
  return true;
}

const Target *target_here(Arena *a, const char *march, unsigned use) {
  const char *error = NULL;
  char missing[64];
  const Target *t = target_new(a, march, 2, use, &error);
  return t && cpu_has(t->features, missing, sizeof missing) ? t : NULL;
}

bool run_kernel(KernelRun *r, const LKernel *k) {
  r->skipped = false;
  if ((r->error = loop_verify(r->arena, k)))
    return false;
  Target *host = target_new(r->arena, "native", 2, 0, &r->error);
  Target *t =
      target_new(r->arena, r->march ? r->march : "native", r->opt ? r->opt - 1 : 2, 0, &r->error);
  if (!host || !t)
    return false;
  if ((r->skipped = t->cross || t->vector_floats > host->vector_floats))
    return true;
  Jit *j = jit_new(r->arena, t, &r->error);
  BigsKernel *code = NULL;
  LKernel *const one[1] = {(LKernel *)(uintptr_t)k};
  bool ok = j && jit_kernels(j, r->arena, one, 1, 1, &code, &r->error) && run_tasks(r, k, code);
  jit_free(j);
  return ok;
}

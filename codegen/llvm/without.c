// What stands in the place of LLVM in a build --without-llvm.  Everything but machine code for processors is there: the front end, the
// interpreter, code for GPUs, models that were compiled elsewhere.
#include "base/bug.h"
#include "codegen/llvm/aot.h"
#include "codegen/llvm/jit.h"

const char *target_missing(void) {
  return "this bigsc was built without LLVM and makes no code for processors: give --target=cuda, "
         "or a .so that another one compiled";
}

void target_start(void (*failed)(const char *reason), void (*no_memory)(void)) {
  (void)failed, (void)no_memory;
}

Target *target_new(Arena *a, const char *march, int opt, unsigned use, const char **error) {
  (void)a, (void)march, (void)opt, (void)use;
  *error = target_missing();
  return NULL;
}

Jit *jit_new(Arena *a, const Target *t, const char **error) {
  (void)a, (void)t;
  *error = target_missing();
  return NULL;
}

void jit_free(Jit *j) {
  if (j)
    BUG("code of LLVM without LLVM");
}

bool jit_kernels(Jit *j, Arena *a, LKernel *const *kernels, int n, int threads, BigsKernel **out,
                 const char **error) {
  (void)j, (void)a, (void)kernels, (void)n, (void)threads, (void)out;
  *error = target_missing();
  return false;
}

JitStats jit_stats(const Jit *j) {
  (void)j;
  return (JitStats){0};
}

bool aot_write(Arena *a, const AotInput *in, AotKind kind, const char *path, const char **error) {
  (void)a, (void)in, (void)kind, (void)path;
  *error = target_missing();
  return false;
}

void aot_print(FILE *f, const AotInput *in, AotKind kind) {
  (void)f, (void)in, (void)kind;
  BUG("a target that LLVM knows, without LLVM");
}

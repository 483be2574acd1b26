// Shared by the aot_*.c files.
#ifndef BIGSC_AOT_INTERNAL_H
#define BIGSC_AOT_INTERNAL_H
#include "codegen/llvm/aot.h"
#include "codegen/llvm/llvm.h"

// aot_tables.c: the module's tables as constants of u's module; returns the BigsModule.  kernels:
// their functions.
LLVMValueRef aot_tables(LLVMModuleRef module, Arena *a, const BigsModule *m,
                        const LLVMValueRef *kernels);
// aot_api.c: the exported functions around it, in front of whose names `mark` stands.
void aot_api(LLVMModuleRef module, Arena *a, const BigsModule *m, LLVMValueRef tables,
             const char *mark);
// Names of the exported functions, in order.
const char **aot_exports(Arena *a, const BigsModule *m, int *n);
// aot_interface.c: a number that two modules share when a program that was compiled with the header
// of one may use the other.  The header and the library carry it, and NAME_open compares.
uint64_t aot_interface(Arena *a, const BigsModule *m);
// Is this dim or let an enum constant of NAME.h?
static inline bool aot_in_header(const BigsNamedValue *v) {
  return v->value >= INT32_MIN && v->value <= INT32_MAX && v->value == (double)(int32_t)v->value;
}
// aot_link.c: an archive or a shared object from an object whose exported functions carry AOT_MARK,
// which no function of the runtime does.  `folder` is for temporary files; returns the result's
// path in it.  `path` is where it will be: its last part is the name under which programs that are
// linked with the library look for it (SONAME).
#define AOT_MARK "bigsc."
const char *aot_link(Arena *a, const AotInput *in, AotKind kind, const char *object,
                     const char *folder, const char *path, const char **error);
// The text of runtime/info.h.
const char *info_text(void);
#endif

// Shared by the aot_*.c files.
#ifndef BIGSC_AOT_INTERNAL_H
#define BIGSC_AOT_INTERNAL_H
#include "codegen/aot.h"
#include "codegen/llvm.h"

// aot_tables.c: the module's tables as constants of u's module; returns the BigsModule.  kernels:
// their functions.
LLVMValueRef aot_tables(LLVMModuleRef module, Arena *a, const BigsModule *m,
                        const LLVMValueRef *kernels);
// aot_api.c: the exported functions around it.
void aot_api(LLVMModuleRef module, Arena *a, const BigsModule *m, LLVMValueRef tables);
// Names of the exported functions, in order.
const char **aot_exports(Arena *a, const BigsModule *m, int *n);
// aot_link.c
bool aot_link(Arena *a, const AotInput *in, AotKind kind, const char *object, const char *out,
              const char **error);
// A name beside path that does not exist yet; the file is created.  NULL: *error.
char *aot_temporary(Arena *a, const char *path, const char *suffix, const char **error);
// The text of runtime/info.h.
const char *info_text(void);
#endif

// Shared by the aot_*.c files.
#ifndef BIGSC_AOT_INTERNAL_H
#define BIGSC_AOT_INTERNAL_H
#include "codegen/api/api.h"
#include "codegen/llvm/aot.h"
#include "codegen/llvm/llvm.h"

// aot_tables.c: the module's tables as constants of u's module; returns the BigsModule.  kernels:
// their functions.
LLVMValueRef aot_tables(LLVMModuleRef module, Arena *a, const BigsModule *m,
                        const LLVMValueRef *kernels);
// aot_api.c: the exported functions around it, in front of whose names `mark` stands.
void aot_api(LLVMModuleRef module, Arena *a, const BigsModule *m, LLVMValueRef tables,
             const char *mark);
// aot_link.c: an archive or a shared object from an object whose exported functions carry AOT_MARK,
// which no function of the runtime does.  `folder` is for temporary files; returns the result's
// path in it.  `path` is where it will be: its last part is the name under which programs that are
// linked with the library look for it (SONAME).
#define AOT_MARK "bigsc."
const char *aot_link(Arena *a, const AotInput *in, AotKind kind, const char *object,
                     const char *folder, const char *path, const char **error);
#endif

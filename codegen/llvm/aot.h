// Compiled models as files: object code, assembly, LLVM text or bitcode, archives and shared
// objects, with a C header.
//
// A file holds the module's kernels, its tables (runtime/abi.h) as constants, and the C functions
// of a compiled model: NAME_open, NAME_close, NAME_error, NAME_info, NAME_save, one an entry and
// NAME_TRAIN_step one a train block, where NAME is the model's name in lower case.  Everything else
// is internal; a shared object carries the runtime (libbigsrt.a) and exports nothing else.
#ifndef BIGSC_AOT_H
#define BIGSC_AOT_H
#include "codegen/loop/loop.h"
#include "codegen/target.h"
#include "runtime/abi.h"
#include <stdio.h>

typedef struct AotInput {
  // finished, except for `kernel`, `target` and `features`, which are ignored
  const BigsModule *module;
  LKernel *const *kernels; // module->nkernel of them
  const Target *target;
  const char *runtime_dir; // where libbigsrt.a is; NULL: see aot_runtime_dir
  bool debug;              // a shared object keeps the names of kernels
} AotInput;

typedef enum AotKind {
  AOT_OBJECT,
  AOT_ASSEMBLY,
  AOT_LLVM,
  AOT_BITCODE,
  AOT_ARCHIVE,
  AOT_SHARED,
  AOT_UNKNOWN
} AotKind;
AotKind aot_kind(const char *path); // by suffix: .o .s .ll .bc .a .so

// Writes path, at once: under a temporary name beside it, then renamed.  .a and .so need
// libbigsrt.a, and the programs `ld`, `objcopy`, `ar` and `cc` (environment LD, OBJCOPY, AR, CC,
// words separated by blanks); signals that end the process wait until the temporary files are gone.
// On failure false and *error, a sentence in the arena.
bool aot_write(Arena *a, const AotInput *in, AotKind kind, const char *path, const char **error);
// AOT_ASSEMBLY or AOT_LLVM, for --emit.
void aot_print(FILE *f, const AotInput *in, AotKind kind);

#endif

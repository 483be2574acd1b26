// Loop IR to LLVM: a unit is one LLVM module that takes kernels, runs a short list of passes and
// becomes machine code, assembly, bitcode or text.
#ifndef BIGSC_LLVM_H
#define BIGSC_LLVM_H
#include "codegen/loop/loop.h"
#include "codegen/target.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct LlvmUnit LlvmUnit;

// In the arena, with a module of its own in `cx` (the caller's), laid out for the machine.
LlvmUnit *llvm_unit(Arena *a, const Target *t, LLVMContextRef cx, LLVMTargetMachineRef machine,
                    const char *name);
// Defines `void symbol(const BigsFrame *, int64_t task, void *scratch)`.  The kernel must verify.
LLVMValueRef llvm_kernel(LlvmUnit *u, const LKernel *k, const char *symbol, bool exported);
LLVMModuleRef llvm_unit_module(LlvmUnit *u); // to add to, before llvm_finish
// Ends the unit: verifies the module and runs the passes of the target's optimization level.  The
// module is the caller's.
LLVMModuleRef llvm_finish(LlvmUnit *u, LLVMTargetMachineRef machine);

// Position-independent code for a file, or code for this process.  The caller disposes of it.
LLVMTargetMachineRef llvm_machine(const Target *t, bool jit);
#endif

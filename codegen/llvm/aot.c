// A compiled model's LLVM module, and its files: see aot.h.
#include "codegen/llvm/aot_internal.h"
#include "codegen/made.h"
#include <llvm-c/BitWriter.h>
#include <string.h>

// ---- the module

typedef struct Unit {
  LLVMContextRef cx;
  LLVMTargetMachineRef machine;
  LLVMModuleRef module;
  Arena *arena;
} Unit;

static Unit make_unit(const AotInput *in, const char *mark) {
  Unit x = {
      .cx = LLVMContextCreate(), .machine = llvm_machine(in->target, false), .arena = arena_new()};
  LlvmUnit *u = llvm_unit(x.arena, in->target, x.cx, x.machine, in->module->model);
  int n = in->module->nkernel;
  LLVMValueRef *kernels = NEWN(x.arena, LLVMValueRef, n + 1);
  for (int i = 0; i < n; i++) {
    const char *name = in->kernels[i]->name;
    kernels[i] = llvm_kernel(u, in->kernels[i],
                             arena_printf(x.arena, "%s.%d", name ? name : "kernel", i), false);
  }
  BigsModule m = *in->module;
  m.abi = BIGS_ABI_VERSION;
  m.target = in->target->tune;
  m.features = in->target->features;
  x.module = llvm_unit_module(u);
  aot_api(x.module, x.arena, &m, aot_tables(x.module, x.arena, &m, kernels), mark);
  llvm_finish(u, x.machine);
  return x;
}

static void free_unit(Unit *x) {
  LLVMDisposeModule(x->module);
  LLVMDisposeTargetMachine(x->machine);
  LLVMContextDispose(x->cx);
  arena_free(x->arena);
}

// The unit in the form of `kind`; the caller disposes of the buffer.
static LLVMMemoryBufferRef encode(const Unit *x, AotKind kind) {
  LLVMMemoryBufferRef out = NULL;
  char *error = NULL;
  if (kind == AOT_LLVM) {
    char *text = LLVMPrintModuleToString(x->module);
    out = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "text");
    LLVMDisposeMessage(text);
    return out;
  }
  if (kind == AOT_BITCODE)
    return LLVMWriteBitcodeToMemoryBuffer(x->module);
  LLVMCodeGenFileType type = kind == AOT_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile;
  if (LLVMTargetMachineEmitToMemoryBuffer(x->machine, x->module, type, &error, &out))
    BUG("LLVM: %s", error);
  return out;
}

// ---- files

static bool write_buffer(Arena *a, const char *path, LLVMMemoryBufferRef buffer,
                         const char **error) {
  return made_write(a, path, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), error);
}

typedef struct Linking {
  const AotInput *in;
  AotKind kind;
  const char *path;
  LLVMMemoryBufferRef buffer;
} Linking;

static const char *link_within(void *ctx, Arena *a, const char *folder, const char **error) {
  const Linking *l = ctx;
  const char *object = arena_printf(a, "%s/kernels.o", folder);
  return write_buffer(a, object, l->buffer, error)
             ? aot_link(a, l->in, l->kind, object, folder, l->path, error)
             : NULL;
}

bool aot_write(Arena *a, const AotInput *in, AotKind kind, const char *path, const char **error) {
  bool linked = kind == AOT_ARCHIVE || kind == AOT_SHARED;
  Unit x = make_unit(in, linked ? AOT_MARK : "");
  LLVMMemoryBufferRef buffer = encode(&x, linked ? AOT_OBJECT : kind);
  Linking l = {in, kind, path, buffer};
  bool ok =
      linked ? made_file(a, path, link_within, &l, error) : write_buffer(a, path, buffer, error);
  LLVMDisposeMemoryBuffer(buffer);
  free_unit(&x);
  return ok;
}

void aot_print(FILE *f, const AotInput *in, AotKind kind) {
  Unit x = make_unit(in, "");
  LLVMMemoryBufferRef buffer = encode(&x, kind);
  fwrite(LLVMGetBufferStart(buffer), 1, LLVMGetBufferSize(buffer), f);
  LLVMDisposeMemoryBuffer(buffer);
  free_unit(&x);
}

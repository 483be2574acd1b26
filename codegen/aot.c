// A compiled model's LLVM module, and its files: see aot.h.
#include "codegen/aot_internal.h"
#include <errno.h>
#include <llvm-c/BitWriter.h>
#include <string.h>
#include <unistd.h>

// ---- the module

typedef struct Unit {
  LLVMContextRef cx;
  LLVMTargetMachineRef machine;
  LLVMModuleRef module;
  Arena *arena;
} Unit;

static Unit make_unit(const AotInput *in) {
  Unit x = {
      .cx = LLVMContextCreate(), .machine = llvm_machine(in->target, false), .arena = arena_new()};
  CHECK(x.arena);
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
  aot_api(x.module, x.arena, &m, aot_tables(x.module, x.arena, &m, kernels));
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

AotKind aot_kind(const char *path) {
  static const struct {
    const char *suffix;
    AotKind kind;
  } kinds[] = {{".o", AOT_OBJECT},   {".s", AOT_ASSEMBLY}, {".ll", AOT_LLVM},
               {".bc", AOT_BITCODE}, {".a", AOT_ARCHIVE},  {".so", AOT_SHARED}};
  size_t n = strlen(path);
  for (int i = 0; i < COUNT(kinds); i++) {
    size_t k = strlen(kinds[i].suffix);
    if (n > k && !strcmp(path + n - k, kinds[i].suffix))
      return kinds[i].kind;
  }
  return AOT_UNKNOWN;
}

static bool write_buffer(Arena *a, const char *path, LLVMMemoryBufferRef buffer,
                         const char **error) {
  FILE *f = fopen(path, "wb");
  size_t n = LLVMGetBufferSize(buffer);
  bool ok = f && fwrite(LLVMGetBufferStart(buffer), 1, n, f) == n;
  ok = f && !fclose(f) && ok;
  if (!ok)
    *error = arena_printf(a, "cannot write `%s`: %s", path, strerror(errno));
  return ok;
}

static bool move(Arena *a, const char *from, const char *to, const char **error) {
  if (!rename(from, to))
    return true;
  *error = arena_printf(a, "cannot write `%s`: %s", to, strerror(errno));
  return false;
}

bool aot_write(Arena *a, const AotInput *in, AotKind kind, const char *path, const char **error) {
  bool linked = kind == AOT_ARCHIVE || kind == AOT_SHARED;
  char *first = aot_temporary(a, path, linked ? ".o" : "", error), *second = NULL;
  if (!first)
    return false;
  Unit x = make_unit(in);
  LLVMMemoryBufferRef buffer = encode(&x, linked ? AOT_OBJECT : kind);
  bool ok = write_buffer(a, first, buffer, error);
  LLVMDisposeMemoryBuffer(buffer);
  free_unit(&x);
  if (ok && linked)
    ok = (second = aot_temporary(a, path, kind == AOT_ARCHIVE ? ".a" : ".so", error)) &&
         aot_link(a, in, kind, first, second, error);
  ok = ok && move(a, linked ? second : first, path, error);
  unlink(first); // gone already when it was renamed
  if (second)
    unlink(second);
  return ok;
}

void aot_print(FILE *f, const AotInput *in, AotKind kind) {
  Unit x = make_unit(in);
  LLVMMemoryBufferRef buffer = encode(&x, kind);
  fwrite(LLVMGetBufferStart(buffer), 1, LLVMGetBufferSize(buffer), f);
  LLVMDisposeMemoryBuffer(buffer);
  free_unit(&x);
}

// A compiled model's LLVM module, and its files: see aot.h.
#include "codegen/llvm/aot_internal.h"
#include "runtime/files/file.h"
#include <dirent.h>
#include <errno.h>
#include <llvm-c/BitWriter.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static bool cannot_write(Arena *a, const char *path, const char **error) {
  *error = arena_printf(a, "%s: cannot write: %s", path, strerror(errno));
  return false;
}

static bool failed(Arena *a, const BigsError *e, const char **error) {
  if (e->status == BIGS_EMODEL)
    arena_exhausted(a);
  *error = arena_strdup(a, e->text);
  return false;
}

static bool write_bytes(Arena *a, const char *path, const char *bytes, size_t n,
                        const char **error) {
  BigsError e = {0};
  FileOut *f = file_create(path, &e);
  if (f && file_write(f, bytes, n, &e))
    file_abort(f);
  else if (f)
    file_commit(f, &e);
  return e.status ? failed(a, &e, error) : true;
}

static bool write_buffer(Arena *a, const char *path, LLVMMemoryBufferRef buffer,
                         const char **error) {
  return write_bytes(a, path, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), error);
}

// A pipe or a device gets the bytes.
static bool copy(Arena *a, const char *from, const char *to, const char **error) {
  BigsError e = {0};
  size_t n;
  char *bytes = file_read(from, SIZE_MAX / 4, &n, &e);
  bool ok = bytes ? write_bytes(a, to, bytes, n, error) : failed(a, &e, error);
  free(bytes);
  return ok;
}

static void remove_folder(const char *folder) {
  DIR *d = opendir(folder);
  for (const struct dirent *f; d && (f = readdir(d));)
    unlinkat(dirfd(d), f->d_name, 0);
  if (d)
    closedir(d);
  rmdir(folder);
}

typedef struct LinkTo {
  const char *path, *target; // as given; behind its links
  bool in_place;
} LinkTo;

static bool link_within(Arena *a, const AotInput *in, AotKind kind, const LinkTo *to,
                        const char *folder, LLVMMemoryBufferRef buffer, const char **error) {
  const char *object = arena_printf(a, "%s/kernels.o", folder);
  const char *made = write_buffer(a, object, buffer, error)
                         ? aot_link(a, in, kind, object, folder, to->path, error)
                         : NULL;
  if (!made)
    return false;
  if (to->in_place)
    return copy(a, made, to->path, error);
  return rename(made, to->target) ? cannot_write(a, to->path, error) : true;
}

// Temporary files lie in a folder beside the result, for the rename, in a path that no tool takes
// for an option.
static bool link_buffer(Arena *a, const AotInput *in, AotKind kind, const LinkTo *to,
                        LLVMMemoryBufferRef buffer, const char **error) {
  const char *beside = to->in_place ? to->path : to->target;
  char *folder = arena_printf(a, "%s%s.tmpXXXXXX", *beside == '/' ? "" : "./", beside);
  if (!mkdtemp(folder))
    return cannot_write(a, to->path, error);
  Arena *own = arena_try_new();
  jmp_buf oom;
  if (!own || setjmp(oom)) { // the folder goes in any case
    remove_folder(folder);
    arena_exhausted(a);
  }
  arena_on_oom(own, &oom);
  bool ok = link_within(own, in, kind, to, folder, buffer, error);
  remove_folder(folder);
  if (!ok)
    *error = arena_strdup(a, *error);
  arena_free(own);
  return ok;
}

// What ends the process takes effect when nothing temporary is left; tools that run meanwhile end at
// once.  A fault of ours is not held, nor could SIGKILL be.
static void hold_signals(sigset_t *old) {
  static const int ends[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGXCPU, SIGALRM,
                             SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGPIPE};
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < COUNT(ends); i++)
    sigaddset(&set, ends[i]);
  pthread_sigmask(SIG_BLOCK, &set, old);
}

static bool link_to(Arena *a, const AotInput *in, AotKind kind, const char *path,
                    LLVMMemoryBufferRef buffer, const char **error) {
  BigsError e = {0};
  LinkTo to = {.path = path};
  char *target = file_target(path, &to.in_place, &e);
  if (!target)
    return failed(a, &e, error);
  to.target = arena_strdup(a, target);
  free(target);
  return link_buffer(a, in, kind, &to, buffer, error);
}

bool aot_write(Arena *a, const AotInput *in, AotKind kind, const char *path, const char **error) {
  bool linked = kind == AOT_ARCHIVE || kind == AOT_SHARED;
  sigset_t old;
  Unit x = make_unit(in, linked ? AOT_MARK : "");
  LLVMMemoryBufferRef buffer = encode(&x, linked ? AOT_OBJECT : kind);
  hold_signals(&old);
  bool ok =
      linked ? link_to(a, in, kind, path, buffer, error) : write_buffer(a, path, buffer, error);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
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

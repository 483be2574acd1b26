// The JIT: units of kernels compiled to objects by a few threads, then linked into the process by
// ORC.
#include "codegen/llvm/jit.h"
#include "base/clock.h"
#include "codegen/llvm/llvm.h"
#include "codegen/llvm/objects.h"
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <pthread.h>
#include <string.h>

enum { JIT_THREADS_MAX = 8 };
// Seconds: what takes less is not worth a file, as what is typed at the prompt.
static const double WORTH_KEEPING = 0.02;

typedef struct JitEntry {
  uint64_t hash;
  int nargs, nvars, nregs;
  BigsKernel *code;
} JitEntry;
struct Jit {
  Arena *arena;
  const Target *target;
  LLVMOrcLLJITRef orc;
  VEC(JitEntry) known;
  Cache objects; // of earlier processes
  JitStats stats;
  int serial; // of kernels, for their symbols
};
// One thread's share.
typedef struct JitUnit {
  const Target *target;
  const Cache *objects;
  Arena *arena;
  VEC(LKernel *) kernels;
  VEC(const char *) symbols;
  LLVMMemoryBufferRef object;
  char *error;
  JitStats stats;
} JitUnit;

// Consumes the error; its text moves to the arena.
static const char *take_error(Arena *a, LLVMErrorRef error) {
  char *text = LLVMGetErrorMessage(error);
  const char *copy = arena_strdup(a, text);
  LLVMDisposeErrorMessage(text);
  return copy;
}

// Symbols that kernels call (sin and cos of libm, for huge arguments) come from the process.
static LLVMErrorRef search_process(LLVMOrcLLJITRef orc) {
  LLVMOrcDefinitionGeneratorRef process;
  LLVMErrorRef error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &process, LLVMOrcLLJITGetGlobalPrefix(orc), NULL, NULL);
  if (!error)
    LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(orc), process);
  return error;
}

Jit *jit_new(Arena *a, const Target *t, const char **error) {
  if (t->cross) {
    *error = arena_printf(
        a, "code for %s does not run on this machine: `bigsc MODEL -march=%s -o FILE` compiles it",
        t->arch, strcmp(t->tune, "generic") ? t->tune : "CPU");
    return NULL;
  }
  Jit *j = NEW(a, Jit);
  j->arena = arena_new();
  j->target = t;
  j->objects = objects_open(j->arena);
  LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
  LLVMOrcJITTargetMachineBuilderRef machine =
      LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(llvm_machine(t, true));
  LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, machine);
  LLVMErrorRef failed = LLVMOrcCreateLLJIT(&j->orc, builder);
  if (!failed)
    failed = search_process(j->orc);
  if (!failed)
    return j;
  *error = arena_printf(a, "the JIT cannot start: %s", take_error(a, failed));
  jit_free(j);
  return NULL;
}

void jit_free(Jit *j) {
  if (!j)
    return;
  if (j->orc) {
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(j->orc);
    if (error)
      LLVMConsumeError(error);
  }
  arena_free(j->arena);
}

JitStats jit_stats(const Jit *j) {
  return j->stats;
}

// ---- one unit

static void compile_unit(JitUnit *x) {
  LLVMContextRef cx = LLVMContextCreate();
  LLVMTargetMachineRef machine = llvm_machine(x->target, true);
  double t0 = clock_seconds();
  LlvmUnit *u = llvm_unit(x->arena, x->target, cx, machine, "jit");
  for (int i = 0; i < x->kernels.n; i++)
    llvm_kernel(u, x->kernels.v[i], x->symbols.v[i], true);
  double t1 = clock_seconds();
  LLVMModuleRef module = llvm_finish(u, machine);
  double t2 = clock_seconds();
  if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &x->error, &x->object))
    x->object = NULL;
  double t3 = clock_seconds();
  x->stats.build = t1 - t0;
  x->stats.passes = t2 - t1;
  x->stats.code = t3 - t2;
  LLVMDisposeModule(module);
  LLVMDisposeTargetMachine(machine);
  LLVMContextDispose(cx);
}

static LLVMMemoryBufferRef kept_object(const JitUnit *x, CacheKey key) {
  size_t n;
  const char *code = cache_get(x->arena, x->objects, key, &n);
  return code ? LLVMCreateMemoryBufferWithMemoryRangeCopy(code, n, "kept") : NULL;
}

static void keep_object(const JitUnit *x, CacheKey key) {
  const JitStats *s = &x->stats;
  if (x->object && s->build + s->passes + s->code >= WORTH_KEEPING)
    cache_put(x->arena, x->objects, key, LLVMGetBufferStart(x->object),
              LLVMGetBufferSize(x->object));
}

static void *make_unit(void *arg) {
  JitUnit *x = arg;
  if (!x->kernels.n)
    return NULL;
  CacheKey key = objects_key(x->target, x->kernels.v, x->symbols.v, x->kernels.n);
  if ((x->object = kept_object(x, key))) {
    x->stats.kept = x->kernels.n;
    return NULL;
  }
  x->stats.compiled = x->kernels.n;
  compile_unit(x);
  keep_object(x, key);
  return NULL;
}

static void make_units(JitUnit *units, int n) {
  pthread_t thread[JIT_THREADS_MAX];
  bool started[JIT_THREADS_MAX] = {false};
  for (int i = 1; i < n; i++)
    started[i] = units[i].kernels.n && !pthread_create(&thread[i], NULL, make_unit, &units[i]);
  for (int i = 0; i < n; i++)
    if (!started[i])
      make_unit(&units[i]);
  for (int i = 1; i < n; i++)
    if (started[i])
      pthread_join(thread[i], NULL);
}

// ---- kernels of this process

static BigsKernel *known_code(const Jit *j, const LKernel *k, uint64_t hash) {
  for (int i = 0; i < j->known.n; i++) {
    const JitEntry *c = &j->known.v[i];
    if (c->hash == hash && c->nargs == k->nargs && c->nvars == k->nvars && c->nregs == k->nregs)
      return c->code;
  }
  return NULL;
}

// Rough compile time of a body.
static int weight(const LBody *b) {
  int w = 0;
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    w += 1 + weight(&s->body) * (s->vec ? 2 : 1);
    if (s->tile)
      w += 30 * s->tile->nprod + 2 * weight(&s->tile->body);
  }
  return w;
}

// Links a unit's object; false with *error set.
static bool link_unit(Jit *j, Arena *a, JitUnit *x, const char **error) {
  if (!x->kernels.n)
    return true;
  if (!x->object) {
    *error = arena_printf(a, "LLVM cannot make machine code: %s", x->error ? x->error : "");
    return false;
  }
  LLVMErrorRef failed =
      LLVMOrcLLJITAddObjectFile(j->orc, LLVMOrcLLJITGetMainJITDylib(j->orc), x->object);
  for (int i = 0; !failed && i < x->kernels.n; i++) {
    LLVMOrcExecutorAddress address;
    failed = LLVMOrcLLJITLookup(j->orc, &address, x->symbols.v[i]);
    const LKernel *k = x->kernels.v[i];
    if (!failed)
      vec_push(
          j->arena, &j->known,
          (JitEntry){loop_hash(k), k->nargs, k->nvars, k->nregs, (BigsKernel *)(uintptr_t)address});
  }
  if (failed)
    *error = arena_printf(a, "the JIT cannot link: %s", take_error(a, failed));
  j->stats.compiled += x->stats.compiled;
  j->stats.kept += x->stats.kept;
  j->stats.build += x->stats.build;
  j->stats.passes += x->stats.passes;
  j->stats.code += x->stats.code;
  return !failed;
}

// Kernels that are not known yet, each to the lightest unit so far.
static void share_out(Jit *j, LKernel *const *kernels, int n, JitUnit *units, int nunits) {
  int load[JIT_THREADS_MAX] = {0};
  uint64_t *hash = NEWN(units[0].arena, uint64_t, n);
  for (int i = 0; i < n; i++) {
    bool known = known_code(j, kernels[i], hash[i] = loop_hash(kernels[i])) != NULL;
    for (int b = 0; b < i && !known; b++)
      known = hash[b] == hash[i];
    j->stats.reused += known;
    if (known)
      continue;
    int least = 0;
    for (int t = 1; t < nunits; t++)
      if (load[t] < load[least])
        least = t;
    JitUnit *x = &units[least];
    load[least] += weight(&kernels[i]->body);
    vec_push(x->arena, &x->kernels, kernels[i]);
    vec_push(x->arena, &x->symbols,
             arena_printf(x->arena, "%s.%d", kernels[i]->name ? kernels[i]->name : "kernel",
                          j->serial++));
  }
}

bool jit_kernels(Jit *j, Arena *a, LKernel *const *kernels, int n, int threads, BigsKernel **out,
                 const char **error) {
  JitUnit units[JIT_THREADS_MAX] = {{0}};
  int nunits = threads <= 0 ? 2 : threads > JIT_THREADS_MAX ? JIT_THREADS_MAX : threads;
  bool ok = true;
  for (int i = 0; i < nunits; i++) {
    units[i].target = j->target;
    units[i].objects = &j->objects;
    units[i].arena = arena_new();
  }
  share_out(j, kernels, n, units, nunits);
  make_units(units, nunits);
  for (int i = 0; i < nunits; i++) {
    ok = ok && link_unit(j, a, &units[i], error);
    if (units[i].error)
      LLVMDisposeMessage(units[i].error);
    arena_free(units[i].arena);
  }
  for (int i = 0; ok && i < n; i++)
    ok = (out[i] = known_code(j, kernels[i], loop_hash(kernels[i]))) != NULL;
  return ok;
}

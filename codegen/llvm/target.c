// Targets by name: see target.h.
#include "codegen/target.h"
#include "codegen/llvm/isa.h"
#include "codegen/loop/loop.h"
#include "runtime/exec/cpu.h"
#include "base/edit.h"
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm/Config/llvm-config.h>
#include <string.h>

static const Level unknown = {"", "", "", "", NULL, 4, 16, false, false, 4, 8, 0};

typedef struct Cpu {
  const char *name;
  LevelId level;
  PairUnit pairs;
  QuadUnit quads;
} Cpu;

static const Cpu cpus[] = {
#define CPU(name, level) {name, LEVEL_##level, PAIRS_WIDENED, QUADS_WIDENED},
#define CPU8(name, level, quads) {name, LEVEL_##level, PAIRS_WIDENED, quads},
#define CPU16(name, level, pairs, quads) {name, LEVEL_##level, pairs, quads},
#include "codegen/llvm/target_cpus.def"
#undef CPU
#undef CPU8
#undef CPU16
};

static const Cpu *cpu_named(const char *name) {
  for (int i = 0; i < COUNT(cpus); i++)
    if (!strcmp(cpus[i].name, name))
      return &cpus[i];
  return NULL;
}

static bool host_has(const char *have, const Level *l) {
  char missing[64];
  return isa_has_all(have, l->extra ? l->extra : l->features) &&
         cpu_has(l->features, missing, sizeof missing);
}

// The most that this machine has; of an architecture without levels, what any has.
static const Level *host_level(const char *arch) {
  char *have = LLVMGetHostCPUFeatures();
  const Level *best = NULL;
  for (int i = 0; i < LEVEL_COUNT; i++)
    if (!strcmp(isa_levels[i].arch, arch) && (!best || host_has(have, &isa_levels[i])))
      best = &isa_levels[i];
  LLVMDisposeMessage(have);
  return best ? best : &unknown;
}

static const char *host_cpu(Arena *a) {
  char *name = LLVMGetHostCPUName();
  const char *copy = arena_strdup(a, name);
  LLVMDisposeMessage(name);
  return copy;
}

static const char *nearest(const char *name) {
  const char *best = NULL;
  int least = 3;
  for (int i = 0; i < COUNT(cpus); i++) {
    int d = edit_distance(name, cpus[i].name, 2);
    if (d < least) {
      least = d;
      best = cpus[i].name;
    }
  }
  return best;
}

static const Level *level_named(Arena *a, const char *march, const char **error) {
  const Cpu *cpu = cpu_named(march);
  if (cpu)
    return &isa_levels[cpu->level];
  const char *near = nearest(march);
  *error =
      near ? arena_printf(a, "unknown CPU `%s`; did you mean `%s`?", march, near)
           : arena_printf(a,
                          "unknown CPU `%s`: native, x86-64-v2, x86-64-v3, x86-64-v4, armv8-a or a "
                          "name that LLVM knows, such as znver3 or neoverse-n1",
                          march);
  return NULL;
}

// What code of a unit needs besides the level, of vectors of 16 floats and of 8.
static const char *const pair_features[] = {"", "+avx512bf16", "+avx512bf16,+amx-tile,+amx-bf16"};
static const char *const quad_features[] = {"", "+avx512vnni", "+amx-tile,+amx-int8"};
static const char *const narrow_quad_features[] = {"", "+avxvnni", ""};

// The last unit whose features the list has.
static int unit_of_host(const char *have, const char *const *features, int n) {
  while (n-- > 1)
    if (*features[n] && isa_has_all(have, features[n]))
      return n;
  return 0;
}

static void units_of_host(Target *t) {
  char *have = LLVMGetHostCPUFeatures();
  bool broad = t->vector_floats == 16;
  t->pairs = (PairUnit)unit_of_host(have, pair_features, COUNT(pair_features));
  t->quads = (QuadUnit)unit_of_host(have, broad ? quad_features : narrow_quad_features,
                                    COUNT(quad_features));
  LLVMDisposeMessage(have);
}

// Those words of `more` that `list` has not, behind it.
static const char *joined(Arena *a, const char *list, const char *more) {
  while (*more) {
    int n = (int)strcspn(more, ",");
    const char *word = arena_printf(a, "%.*s", n, more);
    if (!isa_has_all(list, word))
      list = arena_printf(a, "%s%s%s", list, *list ? "," : "", word);
    more += n + (more[n] == ',');
  }
  return list;
}

static void take_units(Arena *a, Target *t, const char *march, unsigned use) {
  bool broad = t->vector_floats == 16;
  if (t->vector_floats < 8)
    return;
  if (march) {
    t->pairs = cpu_named(march)->pairs;
    t->quads = cpu_named(march)->quads;
  } else {
    units_of_host(t);
  }
  t->pairs = use & TARGET_BF16 && broad ? t->pairs : PAIRS_WIDENED;
  t->quads = use & TARGET_INT8 ? t->quads : QUADS_WIDENED;
  const char *extra =
      joined(a, pair_features[t->pairs], (broad ? quad_features : narrow_quad_features)[t->quads]);
  if (!*extra)
    return;
  if (t->pairs == PAIRS_TILES || t->quads == QUADS_TILES)
    t->pair_rows = 2 * LOOP_PAIR_ROWS;
  t->extra = extra;
  t->features = arena_printf(a, "%s,%s", t->features, t->extra);
}

const char *target_missing(void) {
  return NULL;
}

// ---- LLVM's backends: this machine's, and by name those of the architectures that have levels

static void start_native(void) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMInitializeNativeAsmParser();
}

#define START(id, backend)                                                                         \
  static void start_##id(void) {                                                                   \
    LLVMInitialize##backend##TargetInfo();                                                         \
    LLVMInitialize##backend##Target();                                                             \
    LLVMInitialize##backend##TargetMC();                                                           \
    LLVMInitialize##backend##AsmPrinter();                                                         \
  }
#if LLVM_HAS_X86_TARGET
START(x86_64, X86)
#endif
#if LLVM_HAS_AARCH64_TARGET
START(aarch64, AArch64)
#endif

typedef struct Backend {
  const char *arch;
  void (*start)(void);
} Backend;

static bool start_for(const char *arch) {
  static const Backend backends[] = {
#if LLVM_HAS_X86_TARGET
      {"x86_64", start_x86_64},
#endif
#if LLVM_HAS_AARCH64_TARGET
      {"aarch64", start_aarch64},
#endif
      {NULL, NULL}};
  const Backend *b = backends;
  while (b->arch && strcmp(b->arch, arch) != 0)
    b++;
  if (b->arch)
    b->start();
  return b->arch != NULL;
}

// ---- the target

static void take_level(Arena *a, Target *t, const Level *l, const char *march) {
  t->cpu = *l->cpu ? l->cpu : host_cpu(a);
  t->tune = !march ? host_cpu(a) : !strcmp(march, l->name) ? "generic" : march;
  t->features = l->features;
  t->extra = l->extra;
  t->vector_floats = l->vector_floats;
  t->registers = l->registers;
  t->has_fma = l->has_fma;
  t->has_scalef = l->has_scalef;
  t->vscale = l->vscale;
  t->mr = t->pair_rows = l->mr;
  t->nr = l->nr;
}

static const char *host_triple(Arena *a) {
  char *triple = LLVMGetDefaultTargetTriple();
  const char *copy = arena_strdup(a, triple);
  LLVMDisposeMessage(triple);
  return copy;
}

// Where the code runs: here, or on a Linux of another architecture.
static bool take_place(Arena *a, Target *t, const Level *l, const char *host, const char **error) {
  t->triple = host_triple(a);
  t->arch = host;
  if (!*l->arch || !strcmp(l->arch, host)) {
    start_native();
    return true;
  }
  t->cross = true;
  t->arch = l->arch;
  t->triple = arena_printf(a, "%s-unknown-linux-gnu", l->arch);
  if (start_for(l->arch))
    return true;
  *error = arena_printf(a, "the LLVM in this bigsc makes no code for %s", l->arch);
  return false;
}

Target *target_new(Arena *a, const char *march, int opt, unsigned use, const char **error) {
  Target *t = NEW(a, Target);
  const char *triple = host_triple(a), *host = arena_strndup(a, triple, strcspn(triple, "-"));
  if (march && !strcmp(march, "native"))
    march = NULL;
  const Level *l = march ? level_named(a, march, error) : host_level(host);
  if (!l || !take_place(a, t, l, host, error))
    return NULL;
  take_level(a, t, l, march);
  t->opt = opt < 0 ? 0 : opt > 3 ? 3 : opt;
  take_units(a, t, march, use);
  return t;
}

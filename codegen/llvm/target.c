// Targets by name: see target.h.
#include "codegen/target.h"
#include "codegen/llvm/isa.h"
#include "codegen/loop/loop.h"
#include "base/edit.h"
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm/Config/llvm-config.h>
#include <string.h>

static const Level aarch64 = {"generic", "", 4, 32, true, false, 8, 8};
static const Level unknown = {"", "", 4, 16, false, false, 4, 8};

static const struct {
  const char *name;
  int level;
  PairUnit pairs;
} cpus[] = {
#define CPU(name, level) {name, level, PAIRS_WIDENED},
#define CPU16(name, level, unit) {name, level, unit},
#include "codegen/llvm/target_cpus.def"
#undef CPU
#undef CPU16
};

static int cpu_level(const char *name) {
  for (int i = 0; i < COUNT(cpus); i++)
    if (!strcmp(cpus[i].name, name))
      return cpus[i].level;
  return 0;
}

static int host_level(void) {
  char *have = LLVMGetHostCPUFeatures();
  int level = X86_LEVELS;
  while (level > 1 && !isa_has_all(have, x86_levels[level - 1].features))
    level--;
  LLVMDisposeMessage(have);
  return level;
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

static const Level *choose_x86(Arena *a, Target *t, const char *march, bool native,
                               const char **error) {
  int level = native ? host_level() : cpu_level(march);
  if (!level) {
    const char *near = nearest(march);
    *error =
        near ? arena_printf(a, "unknown CPU `%s`; did you mean `%s`?", march, near)
             : arena_printf(
                   a,
                   "unknown CPU `%s`: native, x86-64-v2, x86-64-v3, x86-64-v4 or a name that LLVM "
                   "knows, such as znver3",
                   march);
    return NULL;
  }
  t->tune = native ? host_cpu(a) : strncmp(march, "x86-64", 6) ? march : "generic";
  return &x86_levels[level - 1];
}

#define DOT "+avx512bf16"
#define AMX "+amx-tile,+amx-bf16"

// Of a CPU by name.
static PairUnit unit_of(const char *name) {
  for (int i = 0; i < COUNT(cpus); i++)
    if (!strcmp(cpus[i].name, name))
      return cpus[i].pairs;
  return PAIRS_WIDENED;
}

static PairUnit unit_of_host(void) {
  char *have = LLVMGetHostCPUFeatures();
  PairUnit unit = !isa_has_all(have, DOT)  ? PAIRS_WIDENED
                  : isa_has_all(have, AMX) ? PAIRS_TILES
                                           : PAIRS_DOT;
  LLVMDisposeMessage(have);
  return unit;
}

static void take_bf16(Arena *a, Target *t, const char *march, bool native) {
  if (t->vector_floats == 16)
    t->pairs = native ? unit_of_host() : unit_of(march);
  if (t->pairs == PAIRS_WIDENED)
    return;
  t->pair_rows = t->pairs == PAIRS_TILES ? 2 * LOOP_PAIR_ROWS : t->mr;
  t->extra = t->pairs == PAIRS_TILES ? DOT "," AMX : DOT;
  t->features = arena_printf(a, "%s,%s", t->features, t->extra);
}

const char *target_missing(void) {
  return NULL;
}

Target *target_new(Arena *a, const char *march, int opt, bool bf16, const char **error) {
  Target *t = NEW(a, Target);
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMInitializeNativeAsmParser();
  char *triple = LLVMGetDefaultTargetTriple();
  t->triple = arena_strdup(a, triple);
  LLVMDisposeMessage(triple);
  bool native = !march || !strcmp(march, "native");
  const Level *l = &unknown;
  if (!strncmp(t->triple, "x86_64", 6))
    l = choose_x86(a, t, march, native, error);
  else if (!strncmp(t->triple, "aarch64", 7))
    l = &aarch64;
  if (!l)
    return NULL;
  t->cpu = *l->cpu ? l->cpu : native ? host_cpu(a) : march;
  t->tune = t->tune ? t->tune : native ? host_cpu(a) : march;
  t->features = l->features;
  t->opt = opt < 0 ? 0 : opt > 3 ? 3 : opt;
  t->vector_floats = l->vector_floats;
  t->registers = l->registers;
  t->has_fma = l->has_fma;
  t->has_masks = l->has_masks;
  t->mr = t->pair_rows = l->mr;
  t->nr = l->nr;
  if (bf16)
    take_bf16(a, t, march, native);
  return t;
}

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
  QuadUnit quads;
} cpus[] = {
#define CPU(name, level) {name, level, PAIRS_WIDENED, QUADS_WIDENED},
#define CPU8(name, level, quads) {name, level, PAIRS_WIDENED, quads},
#define CPU16(name, level, pairs, quads) {name, level, pairs, quads},
#include "codegen/llvm/target_cpus.def"
#undef CPU
#undef CPU8
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

// What code of a unit needs besides the level, of vectors of 16 floats and of 8.
static const char *const pair_features[] = {"", "+avx512bf16", "+avx512bf16,+amx-tile,+amx-bf16"};
static const char *const quad_features[] = {"", "+avx512vnni", "+amx-tile,+amx-int8"};
static const char *const narrow_quad_features[] = {"", "+avxvnni", ""};

static int cpu_named(const char *name) {
  int i = 0;
  while (i < COUNT(cpus) && strcmp(cpus[i].name, name))
    i++;
  return i;
}

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

static void units_of(Target *t, const char *name) {
  int i = cpu_named(name);
  t->pairs = i < COUNT(cpus) ? cpus[i].pairs : PAIRS_WIDENED;
  t->quads = i < COUNT(cpus) ? cpus[i].quads : QUADS_WIDENED;
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

static void take_units(Arena *a, Target *t, const char *march, bool native, unsigned use) {
  bool broad = t->vector_floats == 16;
  if (t->vector_floats < 8)
    return;
  native ? units_of_host(t) : units_of(t, march);
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

Target *target_new(Arena *a, const char *march, int opt, unsigned use, const char **error) {
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
  if (!strncmp(t->triple, "x86_64", 6))
    take_units(a, t, march, native, use);
  return t;
}

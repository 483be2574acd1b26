// See isa.h and codegen/target.h.
#include "codegen/llvm/isa.h"
#include "codegen/target.h"
#include <string.h>
#include <sys/utsname.h>

#define FEATURES_V2 "+cx16,+popcnt,+sahf,+sse3,+ssse3,+sse4.1,+sse4.2"
#define FEATURES_V3 FEATURES_V2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe"
#define FEATURES_V4 FEATURES_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"
// Tiles leave registers for a row of B, a broadcast of A and, without FMA, a product.
const Level x86_levels[X86_LEVELS] = {
    {"x86-64", "", 4, 16, false, false, 4, 8},
    {"x86-64-v2", FEATURES_V2, 4, 16, false, false, 4, 8},
    {"x86-64-v3", FEATURES_V3, 8, 16, true, true, 6, 16},
    {"x86-64-v4", FEATURES_V4, 16, 32, true, true, 12, 32},
};
bool isa_has_all(const char *have, const char *need) {
  while (*need) {
    size_t n = strcspn(need, ",");
    const char *p = have;
    while (p && !(strncmp(p, need, n) == 0 && (p[n] == ',' || !p[n])))
      p = (p = strchr(p, ',')) ? p + 1 : NULL;
    if (!p)
      return false;
    need += n + (need[n] == ',');
  }
  return true;
}

const char *target_isa(Arena *a, const char *features) {
  struct utsname host;
  const char *arch = uname(&host) ? "" : arena_strdup(a, host.machine);
  if (strcmp(arch, "x86_64"))
    return arch;
  for (int i = 0; i < X86_LEVELS; i++)
    if (isa_has_all(x86_levels[i].features, features))
      return x86_levels[i].cpu;
  return features;
}

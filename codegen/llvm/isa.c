// See isa.h and codegen/target.h.
#include "codegen/llvm/isa.h"
#include "codegen/target.h"
#include <string.h>
#include <sys/utsname.h>

#define FEATURES_V2 "+cx16,+popcnt,+sahf,+sse3,+ssse3,+sse4.1,+sse4.2"
#define FEATURES_V3 FEATURES_V2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe"
#define FEATURES_V4 FEATURES_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"
// Tiles leave registers for a row of B, a broadcast of A and, without FMA, a product.
//
// NEON is in every aarch64, and its code runs on all of them.  SVE is taken where it is wider: at 128 bits it does in one
// instruction no more than NEON.  Its code asks for 256 bits at least and is right on wider ones, half of which idles.
const Level isa_levels[LEVEL_COUNT] = {
    [LEVEL_V1] = {"x86_64", "x86-64", "x86-64", "", NULL, 4, 16, false, false, 4, 8, 0},
    [LEVEL_V2] = {"x86_64", "x86-64-v2", "x86-64-v2", FEATURES_V2, NULL, 4, 16, false, false, 4, 8,
                  0},
    [LEVEL_V3] = {"x86_64", "x86-64-v3", "x86-64-v3", FEATURES_V3, NULL, 8, 16, true, false, 6, 16,
                  0},
    [LEVEL_V4] = {"x86_64", "x86-64-v4", "x86-64-v4", FEATURES_V4, NULL, 16, 32, true, true, 12, 32,
                  0},
    [LEVEL_ARMV8] = {"aarch64", "armv8-a", "generic", "", NULL, 4, 32, true, false, 6, 16, 0},
    [LEVEL_SVE256] = {"aarch64", "sve256", "generic", "+sve256", "+sve", 8, 32, true, false, 6, 32,
                      2},
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
  bool known = false;
  for (int i = 0; i < LEVEL_COUNT; i++) {
    bool same = !strcmp(isa_levels[i].arch, arch);
    if (same && isa_has_all(isa_levels[i].features, features))
      return isa_levels[i].name;
    known |= same;
  }
  return known ? features : arch;
}

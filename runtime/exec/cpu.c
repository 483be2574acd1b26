// Instruction sets by cpuid: see cpu.h.
#include "runtime/exec/cpu.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
// The builtin wants literal names; it also knows whether the system saves the wide registers.
// clang-format off
#define FEATURES(X)                                                                                \
  X("sse3") X("ssse3") X("sse4.1") X("sse4.2") X("popcnt") X("avx") X("avx2") X("fma") X("bmi")    \
  X("bmi2") X("avx512f") X("avx512vl") X("avx512bw") X("avx512dq") X("avx512cd") X("avx512ifma")   \
  X("avx512vbmi") X("avx512vbmi2") X("avx512vnni") X("avx512bitalg") X("avx512vpopcntdq")          \
  X("avx512bf16") X("avx512vp2intersect")
// clang-format on
static bool lacks(const char *name, size_t n) {
  __builtin_cpu_init();
#define TEST(feature)                                                                              \
  if (n == sizeof feature - 1 && !memcmp(name, feature, n))                                        \
    return !__builtin_cpu_supports(feature);
  FEATURES(TEST)
  return false;
}
#else
static bool lacks(const char *name, size_t n) {
  (void)name, (void)n;
  return false;
}
#endif

bool cpu_has(const char *features, char *missing, size_t size) {
  for (const char *s = features ? features : ""; *s;) {
    size_t n = strcspn(s, ",");
    if (*s == '+' && lacks(s + 1, n - 1)) {
      snprintf(missing, size, "%.*s", (int)(n - 1), s + 1);
      return false;
    }
    s += n + (s[n] == ',');
  }
  return true;
}

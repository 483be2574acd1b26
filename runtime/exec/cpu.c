// Instruction sets by cpuid, or by asking the system: see cpu.h.
#include "runtime/exec/cpu.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
// The builtin wants literal names; it also knows whether the system saves the wide registers.
// clang-format off
#define FEATURES(X)                                                                                \
  X("sse3") X("ssse3") X("sse4.1") X("sse4.2") X("popcnt") X("avx") X("avx2") X("fma") X("bmi")    \
  X("bmi2") X("avx512f") X("avx512vl") X("avx512bw") X("avx512dq") X("avx512cd") X("avx512ifma")   \
  X("avx512vbmi") X("avx512vbmi2") X("avx512vnni") X("avx512bitalg") X("avx512vpopcntdq")          \
  X("avx512bf16") X("avx512vp2intersect")
// clang-format on
#if defined(__x86_64__) && defined(__linux__)
// Linux gives the tiles of AMX, whose state is large, to processes that ask: see the kernel's documentation, x86/xstate.rst.
static bool may_use_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}
#else
static bool may_use_tiles(void) {
  return false;
}
#endif

// Of leaf 7, sub-leaf 0.
static bool has_amx(bool int8) {
  enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
  unsigned a, b, c, d = 0;
  bool known = __get_cpuid_count(7, 0, &a, &b, &c, &d);
  return known && (d & (int8 ? AMX_INT8 : AMX_BF16)) && (d & AMX_TILE) && may_use_tiles();
}

// On 256 bits, without AVX-512: of leaf 7, sub-leaf 1.
static bool has_avx_vnni(void) {
  enum { AVX_VNNI = 1 << 4 };
  unsigned a = 0, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX_VNNI) &&
         __builtin_cpu_supports("avx2");
}

static bool lacks(const char *name, size_t n) {
  if (n > 4 && !memcmp(name, "amx-", 4))
    return !has_amx(n == 8 && !memcmp(name, "amx-int8", n));
  __builtin_cpu_init();
  if (n == 7 && !memcmp(name, "avxvnni", n))
    return !has_avx_vnni();
#define TEST(feature)                                                                              \
  if (n == sizeof feature - 1 && !memcmp(name, feature, n))                                        \
    return !__builtin_cpu_supports(feature);
  FEATURES(TEST)
  return false;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/prctl.h>
// SVE, and of how many bytes: the system says it of each process.
static bool lacks(const char *name, size_t n) {
  enum { SVE256_BYTES = 32 };
  int length = n == 6 && !memcmp(name, "sve256", n) ? prctl(PR_SVE_GET_VL) : PR_SVE_VL_LEN_MASK;
  return length < 0 || (length & PR_SVE_VL_LEN_MASK) < SVE256_BYTES;
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

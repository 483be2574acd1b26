// Files by their suffix: see aot.h.
#include "codegen/llvm/aot.h"
#include <string.h>

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

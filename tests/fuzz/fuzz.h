// What several libFuzzer targets share.
#ifndef BIGSC_TESTS_FUZZ_H
#define BIGSC_TESTS_FUZZ_H
#include "base/error.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Says on descriptor 2 what did not hold: `stderr` may go elsewhere.
#define must(holds) ((holds) ? (void)0 : fuzz_failed(#holds, __FILE__, __LINE__))
static inline void fuzz_failed(const char *what, const char *file, int line) {
  dprintf(2, "%s:%d: %s\n", file, line, what);
  abort();
}

// A failure says why, with a status.
static inline void must_explain(const BigsError *e) {
  must(e->status != 0 && e->text[0] && strlen(e->text) < sizeof e->text);
}

// A folder of this process, made by the first call, and a path in it.
static inline const char *fuzz_path(char path[64], const char *name) {
  static char folder[32];
  if (!folder[0]) {
    strcpy(folder, "/dev/shm/bigs-fuzz-XXXXXX");
    must(mkdtemp(folder) != NULL);
  }
  snprintf(path, 64, "%s/%s", folder, name);
  return path;
}

static inline void fuzz_write(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  must(f && fwrite(bytes, 1, n, f) == n);
  must(fclose(f) == 0);
}
#endif

// See blas_record.h.  A line is "SHAPE = WORD ... WORD", eight of 16 hexadecimal digits.  Lines are added by one write each, so that
// processes may share the file; one that is no such line is passed over.
#include "runtime/cuda/blas_record.h"
#include "base/alloc.h"
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MOST = 1 << 20, RECORD_WORDS = 8, RECORD_LINE = 1024 };

struct BlasRecord {
  char path[4096];
};

BlasRecord *record_open(const char *folder, const char *gpu, size_t version) {
  BlasRecord *r = folder ? ALLOC(BlasRecord) : NULL;
  if (!r)
    return NULL;
  int n = snprintf(r->path, sizeof r->path, "%s/products-%s-%zu.txt", folder, gpu, version);
  if (n < 0 || (size_t)n >= sizeof r->path) {
    free(r);
    return NULL;
  }
  for (char *p = r->path + strlen(folder) + 1; *p; p++)
    if (!isalnum((unsigned char)*p) && *p != '.')
      *p = '-';
  return r;
}

void record_close(BlasRecord *r) {
  free(r);
}

static bool read_words(const char *s, BlasAlgorithm *out) {
  for (int i = 0; i < RECORD_WORDS; i++) {
    int n = 0;
    if (sscanf(s, " %16" SCNx64 "%n", &out->data[i], &n) != 1 || n != 17)
      return false;
    s += n;
  }
  return *s == '\n';
}

bool record_find(const BlasRecord *r, const char *shape, BlasAlgorithm *out) {
  char line[RECORD_LINE];
  size_t n = strlen(shape), seen = 0;
  FILE *f = r ? fopen(r->path, "re") : NULL;
  bool found = false;
  while (f && !found && seen < RECORD_MOST && fgets(line, sizeof line, f)) {
    seen += strlen(line);
    found =
        !strncmp(line, shape, n) && !strncmp(line + n, " =", 2) && read_words(line + n + 2, out);
  }
  if (f)
    fclose(f);
  return found;
}

void record_add(const BlasRecord *r, const char *shape, const BlasAlgorithm *algorithm) {
  char line[RECORD_LINE];
  int n = snprintf(line, sizeof line, "%s =", shape);
  for (int i = 0; i < RECORD_WORDS && n > 0 && n < RECORD_LINE; i++)
    n += snprintf(line + n, (size_t)(RECORD_LINE - n), " %016" PRIx64, algorithm->data[i]);
  if (!r || n <= 0 || n >= RECORD_LINE - 1)
    return;
  line[n++] = '\n';
  int fd = open(r->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  ssize_t written = write(fd, line, (size_t)n);
  (void)written; // a line that is cut is passed over
  close(fd);
}

// See bug.h.
#include "base/bug.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug_at(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "bigsc: internal error at %s:%d: ", file, line);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\nThis is a bug in bigsc; please report it with the file that shows it.\n");
  exit(70);
}

// See bug.h.
#include "base/bug.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void bug_at(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "bigsc: internal error at %s:%d: ", file, line);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\nThis is a bug in bigsc; please report it with the file that shows it.\n");
  exit(70);
}

// Not exit(): other threads may be at work in what it would take down.
void out_of_memory(void) {
  static const char text[] = "bigsc: out of memory\n";
  ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
  (void)n;
  _exit(1);
}

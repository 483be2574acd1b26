// See lines.h.
#include "compiler/commands/lines.h"
#include "base/utf8.h"
#include "runtime/files/file.h"
#include "runtime/train/corpus.h"
#include <string.h>

Lines lines_of_stdin(Session *s) {
  return (Lines){.s = s, .room = arena_alloc(s->arena, TEXT_MAX_LINE + 1)};
}

int lines_error(const Lines *l, int status, const char *what) {
  return session_error(l->s, status, "<stdin>:%lld: %s", (long long)l->number, what);
}

static int check_line(const Lines *l) {
  size_t good = utf8_valid(l->line, l->n);
  return good == l->n ? 0
                      : session_error(l->s, EXIT_MODEL, "<stdin>:%lld: byte %zu: not UTF-8",
                                      (long long)l->number, good);
}

// Without its end, and of the first line without what some editors put in front.
static void trim_line(Lines *l) {
  l->room[l->n] = 0;
  l->line = l->room;
  if (l->n && l->room[l->n - 1] == '\r')
    l->room[--l->n] = 0;
  size_t bom = l->number == 1 ? bom_length(l->line, l->n) : 0;
  l->line += bom;
  l->n -= bom;
}

int lines_next(Lines *l) {
  int c;
  l->number++;
  l->line = NULL;
  l->n = 0;
  while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
    if (!c || l->n == TEXT_MAX_LINE)
      return lines_error(l, EXIT_MODEL,
                         c ? "the line is longer than 1 MiB" : "not text: it holds a zero byte");
    l->room[l->n++] = (char)c;
  }
  if (ferror(stdin)) {
    bigs_fail_errno(&l->s->error, "read", "standard input");
    return session_fail(l->s, &l->s->error);
  }
  if (c == EOF && !l->n)
    return 0;
  trim_line(l);
  return check_line(l);
}

// Standard input, a text a line.
#ifndef BIGSC_LINES_H
#define BIGSC_LINES_H
#include "compiler/driver/session.h"

typedef struct Lines {
  Session *s;
  char *line; // the last one read, without its end, as LF or CRLF; NULL: there was none any more
  size_t n;
  int64_t number; // of it, from 1
  char *room;
} Lines;
Lines lines_of_stdin(Session *s); // its memory is the session's
// The next line.  No more is held than a line may have.  Errors, with the line's number: longer, not UTF-8, a zero byte.
int lines_next(Lines *l);
// What is wrong with the last line: "<stdin>:3: ..."; returns status.
int lines_error(const Lines *l, int status, const char *what);
#endif

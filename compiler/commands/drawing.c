// See drawing.h.
#include "compiler/commands/drawing.h"
#include "compiler/commands/outputs.h"
#include "runtime/files/file.h"
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USUAL_COLUMNS = 80, MOST_COLUMNS = 400, USUAL_ROWS = 24, MOST_ROWS = 40 };

int drawing_begin(Session *s, Drawing *d) {
  *d = (Drawing){0};
  d->f = open_memstream(&d->text, &d->n);
  return d->f ? 0 : session_error(s, EXIT_MODEL, "out of memory");
}

static int write_text(Session *s, const Drawing *d, const char *path) {
  return file_put(path, d->text, d->n, &s->error) ? session_fail(s, &s->error) : 0;
}

int drawing_write(Session *s, Drawing *d, const char *path) {
  bool failed = ferror(d->f) != 0;
  failed |= fclose(d->f) != 0;
  int status = failed ? session_error(s, EXIT_MODEL, "out of memory") : write_text(s, d, path);
  free(d->text);
  return status;
}

void drawing_drop(Drawing *d) {
  fclose(d->f);
  free(d->text);
}

int drawing_check(Session *s, const char *out, const char *in) {
  struct stat a, b;
  if (!out || stat(out, &a) || stat(in, &b) || !S_ISREG(a.st_mode) || a.st_dev != b.st_dev ||
      a.st_ino != b.st_ino)
    return session_check_kind(s, out, OUTPUT_DRAWING);
  return session_error(s, EXIT_USAGE, "%s is read, and would be overwritten: choose another output",
                       out);
}

static int between(int x, int least, int most) {
  return x < least ? least : x > most ? most : x;
}

// The shell tells a terminal's size to programs that have none, too.
static void size_of_terminal(int *columns, int *rows) {
  struct winsize w;
  const char *said = getenv("COLUMNS");
  bool there = isatty(1) && !ioctl(1, TIOCGWINSZ, &w) && w.ws_col > 1;
  int wide = there ? w.ws_col - 1 : said ? atoi(said) : 0;
  *columns = between(wide > 0 ? wide : USUAL_COLUMNS, SCREEN_MIN, MOST_COLUMNS);
  *rows = between(there && w.ws_row > 1 ? w.ws_row - 2 : USUAL_ROWS, SCREEN_MIN_ROWS, MOST_ROWS);
}

// nl_langinfo tells of the locale that is set; that of characters alone leaves numbers as they are.
static bool is_utf8(void) {
  setlocale(LC_CTYPE, "");
  return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static bool has_color(const Options *o) {
  const char *term = getenv("TERM");
  if (o->diag_color && strcmp(o->diag_color, "auto"))
    return !strcmp(o->diag_color, "always");
  return isatty(1) && term && strcmp(term, "dumb") && !getenv("NO_COLOR");
}

Screen drawing_screen(const Options *o) {
  Screen s = {.utf8 = is_utf8(), .color = has_color(o)};
  size_of_terminal(&s.columns, &s.rows);
  return s;
}

// What commands draw: into memory, and then into a file, whole or not at all; or on the terminal that they are on.
#ifndef BIGSC_DRAWING_H
#define BIGSC_DRAWING_H
#include "compiler/draw/chart.h"
#include "compiler/driver/session.h"

typedef struct Drawing {
  FILE *f;
  char *text; // malloc'd, once it is closed
  size_t n;
} Drawing;
int drawing_begin(Session *s, Drawing *d);
int drawing_write(Session *s, Drawing *d, const char *path); // ends it in any case
void drawing_drop(Drawing *d);                               // ends it, and writes nothing
// 0, or a usage error: `out` is the file at `in`, which is read, or no drawing.
int drawing_check(Session *s, const char *out, const char *in);
// The terminal of standard output, or 80 columns of COLUMNS; braille where the locale's text is UTF-8.
Screen drawing_screen(const Options *o);
#endif

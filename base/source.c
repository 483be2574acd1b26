// Source text: see source.h.
#include "base/source.h"
#include <string.h>

Source *source_new(Arena *a, const char *path, const char *text, size_t size) {
  Source *s = NEW(a, Source);
  s->path = arena_strdup(a, path);
  s->text = arena_strndup(a, text, size);
  s->size = size;
  s->nlines = 1;
  for (size_t i = 0; i < size; i++)
    s->nlines += text[i] == '\n';
  s->line = NEWN(a, uint32_t, s->nlines);
  int n = 1;
  for (size_t i = 0; i < size; i++)
    if (text[i] == '\n')
      s->line[n++] = (uint32_t)i + 1;
  return s;
}

enum { TEXT_MAX = 60 };

const char *span_text(Arena *a, Span at, const char *letter) {
  size_t n = at.hi - at.lo;
  const char *text = at.src ? at.src->text + at.lo : "";
  bool shown = at.src && n <= TEXT_MAX && !memchr(text, '\n', n) && !memchr(text, '#', n);
  return shown ? arena_strndup(a, text, n) : letter;
}

bool span_same_text(Span a, Span b) {
  size_t n = a.hi - a.lo;
  return n == b.hi - b.lo && !memcmp(a.src->text + a.lo, b.src->text + b.lo, n);
}

// The last line that starts at or before `at`, from 0.
static int line_of(const Source *s, uint32_t at) {
  int lo = 0, hi = s->nlines;
  while (hi - lo > 1) {
    int mid = lo + (hi - lo) / 2;
    if (s->line[mid] <= at)
      lo = mid;
    else
      hi = mid;
  }
  return lo;
}

void span_pos(Span s, int *line, int *col) {
  *line = *col = 0;
  if (!s.src)
    return;
  uint32_t at = s.lo < s.src->size ? s.lo : (uint32_t)s.src->size;
  int n = line_of(s.src, at);
  *line = n + 1;
  *col = 1;
  for (uint32_t i = s.src->line[n]; i < at; i++)
    *col += ((unsigned char)s.src->text[i] & 0xc0) != 0x80;
}

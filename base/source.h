// Source text and places in it.
#ifndef BIGSC_SOURCE_H
#define BIGSC_SOURCE_H
#include "base/arena.h"
#include <stdbool.h>

typedef struct Source {
  const char *path; // as the user wrote it; "<prelude>" for the embedded one
  const char *text; // NUL-terminated copy
  size_t size;
  int nlines;
  uint32_t *line; // byte offset of each line's first character
} Source;
typedef struct Span {
  const Source *src; // NULL: no place
  uint32_t lo, hi;   // bytes [lo, hi)
} Span;
static inline Span span_join(Span a, Span b) {
  return a.src ? (Span){a.src, a.lo, b.hi > a.hi ? b.hi : a.hi} : b;
}
// In the arena, with a copy of text[0, size).
Source *source_new(Arena *a, const char *path, const char *text, size_t size);
// As it stands in the file, in the arena; `letter` where that is longer than a message holds, of several lines, with a comment, or no place.
const char *span_text(Arena *a, Span at, const char *letter);
bool span_same_text(Span a, Span b);        // both have a place
void span_pos(Span s, int *line, int *col); // from 1; col counts characters (UTF-8), not bytes
#endif

// See char_width.h.
#include "compiler/syntax/char_width.h"
#include "compiler/syntax/char_widths.h"
#include <stddef.h>

int char_width(int32_t c) {
  size_t lo = 0, hi = sizeof widths / sizeof *widths;
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (widths[mid].first <= c)
      lo = mid;
    else
      hi = mid;
  }
  return c >= widths[lo].first && c <= widths[lo].last ? widths[lo].columns : 1;
}

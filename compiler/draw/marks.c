// See marks.h.
#include "compiler/draw/marks.h"
#include "base/bug.h"

static const CurveMark marks[] = {
#define MARK(color, dashes, shape, ansi) {color, dashes, shape, ansi},
#include "compiler/draw/marks.def"
#undef MARK
};

const CurveMark *mark_of(int style) {
  return &marks[(unsigned)style % COUNT(marks)];
}

char mark_letter(int style) {
  return (char)('a' + (unsigned)style % 26);
}

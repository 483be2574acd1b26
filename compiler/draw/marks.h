// How curves are told apart: see marks.def.
#ifndef BIGSC_MARKS_H
#define BIGSC_MARKS_H

typedef enum MarkShape { MARK_DISC, MARK_SQUARE, MARK_DIAMOND, MARK_TRIANGLE } MarkShape;
typedef struct CurveMark {
  const char *color, *dashes;
  MarkShape shape;
  int ansi;
} CurveMark;
const CurveMark *mark_of(int style); // of any number
char mark_letter(int style); // on a terminal without colors: a to z; of points the upper case
#endif

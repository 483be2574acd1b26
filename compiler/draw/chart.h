// Charts of curves: what they show, and drawn as SVG or by characters of a terminal.
#ifndef BIGSC_CHART_H
#define BIGSC_CHART_H
#include "base/arena.h"
#include "compiler/draw/ticks.h"
#include <stdio.h>

typedef struct ChartPoint {
  double x, y;
} ChartPoint;

typedef enum Drawn {
  DRAWN_LINE,   // a curve
  DRAWN_FAINT,  // one behind another: the raw values of a smoothed one.  Not on a terminal
  DRAWN_POINTS, // points with a shape, and a thin line between them
} Drawn;

// What is no number, or cannot stand on a logarithmic axis, is a gap in the curve.
typedef struct Series {
  const char *name; // in the legend; NULL: not there
  const ChartPoint *point;
  int n;     // x not descending
  int style; // number of its row in marks.def, modulo their number
  Drawn drawn;
} Series;

typedef struct Chart {
  const char *title;           // or NULL
  const char *x_name, *y_name; // with their units
  bool log_x, log_y;
  bool zero_y; // 0 is on the axis of y
  const Series *series;
  int n;
} Chart;

typedef struct ChartFrame {
  AxisRange x, y;
} ChartFrame;
// What the axes show.  False: no series has a point that can stand there.
bool chart_frame(const Chart *c, ChartFrame *f);
bool frame_shows(const ChartFrame *f, const ChartPoint *p); // can the axes show such a point?

// ---- points
// The mean of `window` points around each (fewer at the ends, as many on both sides), of those that are numbers; a point that is
// none stays so.
ChartPoint *points_smooth(Arena *a, const ChartPoint *p, int n, int window);
// Those that can be told apart where the axis of x has `columns` columns: of each column the first, the least, the greatest and the
// last, and gaps.  *out: in `a`, or p.
int points_thin(Arena *a, const ChartPoint *p, int n, const AxisRange *x, int columns,
                const ChartPoint **out);

// ---- drawing.  Both want chart_frame to be true.
typedef struct SvgSize {
  int width, height; // CSS pixels
  bool inside;       // of an HTML page: without the XML declaration and the name space
} SvgSize;
void chart_svg(FILE *f, const Chart *c, SvgSize size);
typedef struct Screen {
  int columns, rows; // of the whole chart: at least SCREEN_MIN
  bool utf8, color;
} Screen;
enum { SCREEN_MIN = 20, SCREEN_MIN_ROWS = 8 };
void chart_text(FILE *f, const Chart *c, Screen s);
#endif

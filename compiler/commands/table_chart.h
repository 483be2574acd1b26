// Charts of tables: what a user measured, or tools/study.sh.
#ifndef BIGSC_TABLE_CHART_H
#define BIGSC_TABLE_CHART_H
#include "base/error.h"
#include "compiler/draw/chart.h"

typedef struct TableAxes {
  const char *y; // what stands at the axis of y; NULL: the only curve's name, or nothing
  bool log_x, log_y;
} TableAxes;
// A file of lines whose cells are parted by tabs: a line of names, then numbers.  The first column is x and does not descend, each
// other one is a curve with points; an empty cell is a gap.  *out: in `a`.  Errors: status 3 where it cannot be read, 1 with the line
// where it is no such table, or nothing of it can stand on such axes.
int table_chart(Arena *a, const char *path, const TableAxes *axes, Chart *out, BigsError *e);
#endif

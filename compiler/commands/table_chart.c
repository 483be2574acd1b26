// See table_chart.h.
#include "compiler/commands/table_chart.h"
#include "base/vec.h"
#include "runtime/files/file.h"
#include "runtime/train/decimal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_MAX = 1 << 26 }; // bytes

typedef VEC(char *) Cells;
typedef VEC(ChartPoint) PointList;
typedef struct Table {
  Arena *a;
  const char *path;
  int line;
  Cells names;
  PointList *column; // of each name; of the first none
} Table;

static Cells cells_of(Arena *a, char *line) {
  Cells c = {0};
  for (char *tab; (tab = strchr(line, '\t')); line = tab + 1) {
    *tab = 0;
    vec_push(a, &c, line);
  }
  vec_push(a, &c, line);
  return c;
}

static int take_names(Table *t, char *line, BigsError *e) {
  t->names = cells_of(t->a, line);
  t->column = NEWN(t->a, PointList, t->names.n);
  if (t->names.n > 1)
    return 0;
  return bigs_fail(
      e, BIGS_EMODEL,
      "%s:1: a table has the name of x and those of curves in its first line, parted by tabs",
      t->path);
}

// What diverged is written as nan or inf, and is a gap.
static bool number_of(const char *cell, double *out) {
  char *end;
  if (decimal_read(cell, strlen(cell), out))
    return true;
  *out = strtod(cell, &end);
  return !isfinite(*out) && !*end && end != cell;
}

static int take_number(const Table *t, int column, const char *cell, double *out, BigsError *e) {
  *out = NAN;
  if (!*cell ? column > 0 : number_of(cell, out) && (column || isfinite(*out)))
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "%s:%d: `%s`, of the column `%s`, is no number", t->path,
                   t->line, cell, t->names.v[column]);
}

static int check_order(const Table *t, double x, BigsError *e) {
  const PointList *p = &t->column[1];
  if (!p->n || x >= p->v[p->n - 1].x)
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "%s:%d: `%s` goes back, from %g to %g: sort the lines by it",
                   t->path, t->line, t->names.v[0], p->v[p->n - 1].x, x);
}

static int take_row(Table *t, char *line, BigsError *e) {
  Cells c = cells_of(t->a, line);
  double x, y;
  if (c.n != t->names.n)
    return bigs_fail(e, BIGS_EMODEL, "%s:%d: there are %d cells, and %d names in the first line",
                     t->path, t->line, c.n, t->names.n);
  int err = take_number(t, 0, c.v[0], &x, e);
  err = err ? err : check_order(t, x, e);
  for (int i = 1; i < c.n && !err; i++)
    if (!(err = take_number(t, i, c.v[i], &y, e)))
      vec_push(t->a, &t->column[i], (ChartPoint){x, y});
  return err;
}

static char *next_line(char **at) {
  char *line = *at, *end = strchr(line, '\n');
  *at = end ? end + 1 : line + strlen(line);
  if (end)
    *end = 0;
  size_t n = strlen(line);
  if (n && line[n - 1] == '\r')
    line[n - 1] = 0;
  return line;
}

static int take_lines(Table *t, char *text, BigsError *e) {
  int err = take_names(t, next_line(&text), e);
  for (t->line = 2; *text && !err; t->line++)
    err = take_row(t, next_line(&text), e);
  return err;
}

static Series *curves(const Table *t) {
  Series *s = NEWN(t->a, Series, t->names.n);
  for (int i = 1; i < t->names.n; i++)
    s[i - 1] = (Series){t->names.v[i], t->column[i].v, t->column[i].n, i - 1, DRAWN_POINTS};
  return s;
}

static int chart(const Table *t, const TableAxes *axes, Chart *out, BigsError *e) {
  ChartFrame unused;
  *out = (Chart){.x_name = t->names.v[0],
                 .y_name = axes->y           ? axes->y
                           : t->names.n == 2 ? t->names.v[1]
                                             : "",
                 .log_x = axes->log_x,
                 .log_y = axes->log_y,
                 .series = curves(t),
                 .n = t->names.n - 1};
  if (chart_frame(out, &unused))
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "nothing of %s can stand on these axes", t->path);
}

int table_chart(Arena *a, const char *path, const TableAxes *axes, Chart *out, BigsError *e) {
  Table t = {.a = a, .path = path};
  size_t size;
  char *file = file_read(path, TABLE_MAX, &size, e);
  if (!file)
    return e->status;
  if (strlen(file) != size) {
    free(file);
    return bigs_fail(e, BIGS_EMODEL, "%s is no text", path);
  }
  char *text = arena_printf(a, "%s", file);
  free(file);
  int err = take_lines(&t, text + bom_length(text, size), e);
  return err ? err : chart(&t, axes, out, e);
}

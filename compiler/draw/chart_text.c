// A chart by the characters of a terminal: braille patterns of two by four dots a cell, or letters.
#include "base/utf8.h"
#include "compiler/draw/chart.h"
#include "compiler/draw/marks.h"
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { DOTS_X = 2, DOTS_Y = 4, BRAILLE = 0x2800 };

typedef struct Cell {
  uint8_t dots; // bits of a braille pattern
  bool point;   // one with a shape
  int style;
} Cell;
typedef struct Canvas {
  FILE *f;
  const Chart *c;
  Screen screen;
  ChartFrame frame;
  int columns, rows, gutter; // cells of the frame; characters left of it
  bool braille;
  Ticks y;
  Cell *cell;
  Arena *arena;
} Canvas;

// ---- dots
static Cell *cell_at(Canvas *v, double x, double y) {
  return &v->cell[(int)y / DOTS_Y * v->columns + (int)x / DOTS_X];
}

static void dot(Canvas *v, double x, double y, int style) {
  static const uint8_t bit[DOTS_Y][DOTS_X] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
  Cell *c = cell_at(v, x, y);
  c->dots |= bit[(int)y % DOTS_Y][(int)x % DOTS_X];
  if (!c->point)
    c->style = style;
}

static double dot_x(const Canvas *v, double x) {
  return range_share(&v->frame.x, x) * (v->columns * DOTS_X - 1);
}
static double dot_y(const Canvas *v, double y) {
  return (1 - range_share(&v->frame.y, y)) * (v->rows * DOTS_Y - 1);
}

static void line(Canvas *v, const ChartPoint *from, const ChartPoint *to, int style) {
  double x = dot_x(v, from->x), y = dot_y(v, from->y), dx = dot_x(v, to->x) - x,
         dy = dot_y(v, to->y) - y;
  int n = (int)fmax(fabs(dx), fabs(dy)) + 1;
  for (int i = 0; i <= n; i++)
    dot(v, x + dx * i / n, y + dy * i / n, style);
}

static void draw_line(Canvas *v, const Series *s) {
  const ChartPoint *p;
  int n = points_thin(v->arena, s->point, s->n, &v->frame.x, v->columns * DOTS_X, &p);
  for (int i = 0; i < n; i++)
    if (frame_shows(&v->frame, &p[i]))
      line(v, i && frame_shows(&v->frame, &p[i - 1]) ? &p[i - 1] : &p[i], &p[i], s->style);
}

static void draw_points(Canvas *v, const Series *s) {
  for (int i = 0; i < s->n; i++)
    if (frame_shows(&v->frame, &s->point[i])) {
      Cell *c = cell_at(v, dot_x(v, s->point[i].x), dot_y(v, s->point[i].y));
      c->point = true;
      c->style = s->style;
    }
}

// Points stand before all lines.
static void draw_all(Canvas *v) {
  for (int i = 0; i < v->c->n; i++)
    if (v->c->series[i].drawn == DRAWN_LINE)
      draw_line(v, &v->c->series[i]);
  for (int i = 0; i < v->c->n; i++)
    if (v->c->series[i].drawn == DRAWN_POINTS)
      draw_points(v, &v->c->series[i]);
}

// ---- characters
static void put_char(FILE *f, int32_t c) {
  char text[4];
  fwrite(text, 1, utf8_put(text, c), f);
}

static int32_t letter(const Canvas *v, int style, bool point) {
  char c = mark_letter(style);
  return point && v->braille ? 0x25CF : point ? toupper(c) : c;
}

static void put_mark(Canvas *v, int32_t c, int style) {
  if (v->screen.color)
    fprintf(v->f, "\033[%dm", mark_of(style)->ansi);
  put_char(v->f, c);
  if (v->screen.color)
    fputs("\033[0m", v->f);
}

static void put_cell(Canvas *v, const Cell *c) {
  if (!c->dots && !c->point)
    fputc(' ', v->f);
  else if (v->braille && !c->point)
    put_mark(v, BRAILLE + c->dots, c->style);
  else
    put_mark(v, letter(v, c->style, c->point), c->style);
}

static bool row_is_empty(const Canvas *v, int row, int from) {
  for (int i = from; i < v->columns; i++)
    if (v->cell[row * v->columns + i].dots || v->cell[row * v->columns + i].point)
      return false;
  return true;
}

// The tick that lies in this row of cells, or -1.
static int tick_in(const Canvas *v, int row) {
  for (int i = 0; i < v->y.n; i++)
    if ((int)dot_y(v, v->y.at[i]) / DOTS_Y == row)
      return i;
  return -1;
}

static void put_row(Canvas *v, int row) {
  int tick = tick_in(v, row);
  char text[32] = "";
  if (tick >= 0)
    tick_text(&v->y, v->y.at[tick], text, sizeof text);
  fprintf(v->f, "%*s ", v->gutter, text);
  fputs(v->screen.utf8 ? tick >= 0 ? "\u2524" : "\u2502" : tick >= 0 ? "+" : "|", v->f);
  for (int i = 0; i < v->columns && !row_is_empty(v, row, i); i++)
    put_cell(v, &v->cell[row * v->columns + i]);
  fputc('\n', v->f);
}

static int column_of(const Canvas *v, double x) {
  return (int)dot_x(v, x) / DOTS_X;
}

static void put_axis(Canvas *v, const Ticks *t) {
  bool *at = NEWN(v->arena, bool, v->columns + 1);
  for (int i = 0; i < t->n; i++)
    at[column_of(v, t->at[i])] = true;
  fprintf(v->f, "%*s %s", v->gutter, "", v->screen.utf8 ? "\u2514" : "+");
  for (int i = 0; i < v->columns; i++)
    fputs(v->screen.utf8 ? at[i] ? "\u252C" : "\u2500" : at[i] ? "+" : "-", v->f);
  fputc('\n', v->f);
}

// Below the axis, as many as there is room for.
static void put_numbers(Canvas *v, const Ticks *t) {
  char *labels = NEWN(v->arena, char, v->columns + 64), text[32];
  int end = 0;
  memset(labels, ' ', (size_t)v->columns + 40);
  for (int i = 0; i < t->n; i++) {
    tick_text(t, t->at[i], text, sizeof text);
    int x = column_of(v, t->at[i]), n = (int)strlen(text);
    int from = x - n / 2 > v->columns - n ? v->columns - n : x - n / 2;
    if (from < (end ? end + 1 : -v->gutter)) // no room beside the one before
      continue;
    from = from < 0 ? 0 : from;
    memcpy(labels + from, text, (size_t)n);
    end = from + n;
  }
  labels[end] = 0;
  fprintf(v->f, "%*s  %s\n", v->gutter, "", labels);
}

static void put_x(Canvas *v) {
  Ticks t = ticks_of(&v->frame.x, v->columns / 10);
  put_axis(v, &t);
  put_numbers(v, &t);
}

static bool in_legend(const Series *s) {
  return s->name && s->drawn != DRAWN_FAINT;
}

static void put_legend(Canvas *v) {
  for (int i = 0; i < v->c->n; i++) {
    const Series *s = &v->c->series[i];
    bool point = s->drawn == DRAWN_POINTS;
    if (!in_legend(s))
      continue;
    fprintf(v->f, "%*s  ", v->gutter, "");
    put_mark(v, v->braille && !point ? 0x2812 : letter(v, s->style, point), s->style);
    fprintf(v->f, " %s\n", s->name);
  }
}

static void measure(Canvas *v) {
  int names = 0, width;
  char text[32];
  for (int i = 0; i < v->c->n; i++)
    names += in_legend(&v->c->series[i]);
  v->rows = v->screen.rows - 4 - names;
  v->rows = v->rows < SCREEN_MIN_ROWS - 4 ? SCREEN_MIN_ROWS - 4 : v->rows;
  v->y = ticks_of(&v->frame.y, v->rows / 3);
  for (int i = 0; i < v->y.n; i++) {
    tick_text(&v->y, v->y.at[i], text, sizeof text);
    width = (int)strlen(text);
    v->gutter = width > v->gutter ? width : v->gutter;
  }
  v->columns = v->screen.columns - v->gutter - 2;
  v->columns = v->columns < SCREEN_MIN / 2 ? SCREEN_MIN / 2 : v->columns;
}

static bool one_style(const Chart *c) {
  for (int i = 1; i < c->n; i++)
    if (c->series[i].style != c->series[0].style)
      return false;
  return true;
}

void chart_text(FILE *f, const Chart *c, Screen s) {
  Canvas v = {.f = f, .c = c, .screen = s, .arena = arena_new()};
  chart_frame(c, &v.frame);
  measure(&v);
  v.braille = s.utf8 && (s.color || one_style(c)); // else curves could not be told apart
  v.cell = NEWN(v.arena, Cell, v.columns * v.rows);
  draw_all(&v);
  fprintf(f, "%*s %s\n", v.gutter, "", c->y_name);
  for (int i = 0; i < v.rows; i++)
    put_row(&v, i);
  put_x(&v);
  fprintf(f, "%*s  %*s\n", v.gutter, "", (v.columns + (int)strlen(c->x_name)) / 2, c->x_name);
  put_legend(&v);
  arena_free(v.arena);
}

// :plot: numbers as curves, on the terminal or in a file.
#include "compiler/commands/drawing.h"
#include "compiler/repl/repl.h"
#include "runtime/files/file.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CURVES = 8, WIDTH = 800, HEIGHT = 480 };

typedef struct Curves {
  const char *title, *x_name;
  Series series[CURVES];
  int n;
  int64_t left_out;
} Curves;

static ChartPoint *points_of(Arena *a, const Array *x, int64_t first, int64_t n, int step) {
  ChartPoint *p = NEWN(a, ChartPoint, n + 1);
  for (int64_t i = 0; i < n; i++)
    p[i] = (ChartPoint){(double)i, array_number(x, (first + i) * step)};
  return p;
}

static void add_curve(Curves *c, Arena *a, const Array *x, int64_t row, int64_t n,
                      const char *name) {
  bool complex = dtype_is_complex(x->dtype);
  ChartPoint *p = points_of(a, x, row * n, n, complex ? 2 : 1);
  c->series[c->n] = (Series){.name = name,
                             .point = p,
                             .n = (int)n,
                             .style = c->n,
                             .drawn = n > 1 ? DRAWN_LINE : DRAWN_POINTS};
  c->n++;
}

// One curve a row; of complex values their real parts.
static void curves_of(Curves *c, Arena *a, const Array *x) {
  int64_t n = x->axis[x->rank - 1].extent, rows = x->rank > 1 ? x->axis[0].extent : 1;
  c->x_name = x->axis[x->rank - 1].name;
  c->left_out = rows > CURVES ? rows - CURVES : 0;
  for (int64_t i = 0; i < rows && i < CURVES; i++)
    add_curve(c, a, x, i, n,
              rows > 1 ? arena_printf(a, "%s = %lld", x->axis[0].name, (long long)i) : NULL);
}

static bool can_be_drawn(Repl *r, const Array *x) {
  const char *why = !x->rank      ? "one number is no curve: `:plot` draws along an axis"
                    : x->rank > 2 ? "more than two axes: fix some, as in `:plot x[B = 0]`"
                    : x->axis[x->rank - 1].extent > 10000000 ? "too many points"
                                                             : NULL;
  if (why)
    repl_fail(r, "%s", why);
  return !why;
}

static void write_svg(Repl *r, const Chart *c, const char *path) {
  BigsError e = {0};
  char *text = NULL;
  size_t n = 0;
  FILE *f = open_memstream(&text, &n);
  if (!f)
    out_of_memory();
  chart_svg(f, c, (SvgSize){.width = WIDTH, .height = HEIGHT});
  fclose(f);
  if (file_put(path, text, n, &e))
    repl_fail(r, "%s", e.text);
  else
    repl_note(r, "%s written", path);
  free(text);
}

static void draw(Repl *r, const Array *x, const char *title, const char *path) {
  Arena *a = arena_new();
  ChartFrame frame;
  Curves c = {.title = title};
  curves_of(&c, a, x);
  Chart chart = {
      .title = title, .x_name = c.x_name, .y_name = "value", .series = c.series, .n = c.n};
  if (!chart_frame(&chart, &frame))
    repl_fail(r, "no number of it is finite");
  else if (path)
    write_svg(r, &chart, path);
  else
    chart_text(r->out, &chart, drawing_screen(r->o));
  if (c.left_out)
    repl_note(r, "the first %d curves; %lld more are left out", CURVES, (long long)c.left_out);
  if (dtype_is_complex(x->dtype))
    repl_note(r, "the real parts; `:plot imag(...)` draws the others");
  arena_free(a);
}

static bool is_picture(const char *name) {
  static const char *const endings[] = {".svg", ".png", ".jpg", ".jpeg", ".gif", ".pdf", ".html"};
  const char *dot = strrchr(name, '.');
  for (int i = 0; i < COUNT(endings) && dot; i++)
    if (!strcmp(dot, endings[i]))
      return true;
  return false;
}

// `EXPR FILE.svg`: cuts the file off, or that of another kind.  NULL: there is none.
static const char *trailing_file(char *text) {
  char *start = text + strlen(text);
  while (start > text && !isspace((unsigned char)start[-1]))
    start--;
  if (start == text || !is_picture(start))
    return NULL;
  start[-1] = 0;
  return start;
}

void repl_plot(Repl *r, char *text) {
  const char *path = trailing_file(text);
  if (path && !file_has_suffix(path, ".svg")) {
    repl_fail(r, "%s: curves are written as FILE.svg alone", path);
    return;
  }
  if (path && !repl_may_write(r, path, OUTPUT_DRAWING))
    return;
  Expr *value = repl_argument(r, text);
  Array *x = value ? repl_compute(r, value) : NULL;
  if (x && can_be_drawn(r, x))
    draw(r, x, text, path);
  array_free(x);
}

// A chart as SVG: one file, no script, nothing from elsewhere.  Its gray is readable on white paper and on a dark screen.
#include "compiler/draw/chart.h"
#include "compiler/draw/marks.h"
#include "compiler/draw/svg.h"
#include <math.h>
#include <string.h>

enum {
  LEFT = 64,
  RIGHT = 18,
  BOTTOM = 46,
  TOP = 12,
  TITLE = 24,
  ROW = 18,
  SAMPLE = 28,
  LETTER = 7
};

typedef struct Paper {
  FILE *f;
  const Chart *c;
  ChartFrame frame;
  double left, right, top, bottom; // of the frame
  Arena *arena;
} Paper;

static double place_x(const Paper *p, double x) {
  return p->left + range_share(&p->frame.x, x) * (p->right - p->left);
}
static double place_y(const Paper *p, double y) {
  return p->bottom - range_share(&p->frame.y, y) * (p->bottom - p->top);
}

// ---- axes
static void draw_x(const Paper *p) {
  Ticks t = ticks_of(&p->frame.x, (int)(p->right - p->left) / 90);
  char text[32];
  for (int i = 0; i < t.n; i++) {
    double x = place_x(p, t.at[i]);
    tick_text(&t, t.at[i], text, sizeof text);
    svg_line(p->f, x, p->top, x, p->bottom, "grid");
    svg_label(p->f, x, p->bottom + 16, "middle", text);
  }
  svg_line(p->f, p->left, p->bottom, p->right, p->bottom, "axis");
  svg_label(p->f, (p->left + p->right) / 2, p->bottom + 36, "middle", p->c->x_name);
}

static void draw_y(const Paper *p) {
  Ticks t = ticks_of(&p->frame.y, (int)(p->bottom - p->top) / 45);
  double middle = (p->top + p->bottom) / 2;
  char text[32];
  for (int i = 0; i < t.n; i++) {
    double y = place_y(p, t.at[i]);
    tick_text(&t, t.at[i], text, sizeof text);
    svg_line(p->f, p->left, y, p->right, y, "grid");
    svg_label(p->f, p->left - 6, y + 4, "end", text);
  }
  svg_line(p->f, p->left, p->top, p->left, p->bottom, "axis");
  fprintf(p->f, "<g transform=\"rotate(-90 14 %.1f)\">", middle);
  svg_label(p->f, 14, middle, "middle", p->c->y_name);
  fprintf(p->f, "</g>\n");
}

// ---- curves
// "M1,2 3,4 M5,6 7,8": a point alone between gaps gets a line of no length, which round caps show.
static void put_path(const Paper *p, const ChartPoint *v, int n) {
  for (int i = 0; i < n; i++) {
    bool first = !i || !frame_shows(&p->frame, &v[i - 1]),
         last = i + 1 == n || !frame_shows(&p->frame, &v[i + 1]);
    if (!frame_shows(&p->frame, &v[i]))
      continue;
    double x = place_x(p, v[i].x), y = place_y(p, v[i].y);
    fprintf(p->f, "%s%.1f,%.1f", first ? "M" : " ", x, y);
    if (first && last)
      fprintf(p->f, " %.1f,%.1f", x, y);
  }
}

static void draw_shape(FILE *f, const CurveMark *m, double x, double y) {
  static const char *const path[] = {[MARK_SQUARE] = "m-3,-3h6v6h-6z",
                                     [MARK_DIAMOND] = "m0,-4.2l4.2,4.2l-4.2,4.2l-4.2,-4.2z",
                                     [MARK_TRIANGLE] = "m0,-4l4,7h-8z"};
  if (m->shape == MARK_DISC)
    fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\" fill=\"%s\"/>\n", x, y, m->color);
  else
    fprintf(f, "<path d=\"M%.1f,%.1f%s\" fill=\"%s\"/>\n", x, y, path[m->shape], m->color);
}

static void open_curve(FILE *f, const CurveMark *m, Drawn drawn) {
  static const char *const class[] = {"curve", "faint", "thin"};
  fprintf(f, "<path class=\"%s\" stroke=\"%s\"", class[drawn], m->color);
  if (drawn == DRAWN_LINE && *m->dashes)
    fprintf(f, " stroke-dasharray=\"%s\"", m->dashes);
  fprintf(f, " d=\"");
}

static void draw_series(const Paper *p, const Series *s) {
  const CurveMark *m = mark_of(s->style);
  const ChartPoint *v;
  int n = points_thin(p->arena, s->point, s->n, &p->frame.x, (int)(p->right - p->left), &v);
  fprintf(p->f, "<g>");
  if (s->name) {
    fprintf(p->f, "<title>");
    xml_text(p->f, s->name);
    fprintf(p->f, "</title>\n");
  }
  open_curve(p->f, m, s->drawn);
  put_path(p, v, n);
  fprintf(p->f, "\"/>\n");
  for (int i = 0; i < n && s->drawn == DRAWN_POINTS; i++)
    if (frame_shows(&p->frame, &v[i]))
      draw_shape(p->f, m, place_x(p, v[i].x), place_y(p, v[i].y));
  fprintf(p->f, "</g>\n");
}

// ---- legend, in rows above the frame
static void draw_sample(const Paper *p, const Series *s, double x, double y) {
  const CurveMark *m = mark_of(s->style);
  open_curve(p->f, m, s->drawn);
  fprintf(p->f, "M%.1f,%.1f h%d\"/>\n", x, y - 4, SAMPLE);
  if (s->drawn == DRAWN_POINTS)
    draw_shape(p->f, m, x + SAMPLE / 2.0, y - 4);
  svg_label(p->f, x + SAMPLE + 6, y, "start", s->name);
}

// Draws it, or with `draw` false only measures: returns the rows.
static int legend(const Paper *p, double top, bool draw) {
  double x = p->left;
  int row = 0;
  for (int i = 0; i < p->c->n; i++) {
    const Series *s = &p->c->series[i];
    double width = s->name ? SAMPLE + 22 + LETTER * (double)strlen(s->name) : 0;
    if (s->name && x > p->left && x + width > p->right)
      x = p->left, row++;
    if (s->name && draw)
      draw_sample(p, s, x, top + row * ROW + 12);
    x += width;
  }
  return x > p->left ? row + 1 : 0;
}

static void put_style(FILE *f) {
  fputs("<style>.chart{font:12px sans-serif}.chart text{fill:#767676}.chart .title{font-size:14px}"
        ".grid{stroke:#767676;stroke-opacity:.25}.axis{stroke:#767676}"
        ".curve,.faint,.thin{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
        ".faint{stroke-width:1;stroke-opacity:.35}.thin{stroke-width:1}</style>\n",
        f);
}

static void open_svg(FILE *f, SvgSize size, const char *title) {
  if (!size.inside)
    fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  fprintf(f,
          "<svg%s class=\"chart\" role=\"img\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n",
          size.inside ? "" : " xmlns=\"http://www.w3.org/2000/svg\"", size.width, size.height,
          size.width, size.height);
  if (title) {
    fprintf(f, "<title>");
    xml_text(f, title);
    fprintf(f, "</title>\n");
  }
  put_style(f);
}

void chart_svg(FILE *f, const Chart *c, SvgSize size) {
  Paper p = {.f = f, .c = c, .left = LEFT, .right = size.width - RIGHT, .arena = arena_new()};
  double top = TOP + (c->title ? TITLE : 0);
  chart_frame(c, &p.frame);
  p.top = top + ROW * legend(&p, 0, false);
  p.bottom = size.height - BOTTOM > p.top + 40 ? size.height - BOTTOM : p.top + 40;
  size.height = (int)p.bottom + BOTTOM;
  open_svg(f, size, c->title);
  if (c->title)
    svg_label(f, p.left, TOP + 10, "start", c->title);
  draw_x(&p);
  draw_y(&p);
  for (int i = 0; i < c->n; i++)
    draw_series(&p, &c->series[i]);
  legend(&p, top - 4, true);
  fprintf(f, "</svg>\n");
  arena_free(p.arena);
}

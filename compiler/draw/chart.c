// What a chart's axes show, and its points: see chart.h.
#include "compiler/draw/chart.h"
#include <math.h>

bool frame_shows(const ChartFrame *f, const ChartPoint *p) {
  return range_shows(&f->x, p->x) && range_shows(&f->y, p->y);
}

static void take_series(const Series *s, RangeFinder *x, RangeFinder *y) {
  for (int i = 0; i < s->n; i++)
    if (range_shows(&x->range, s->point[i].x) && range_shows(&y->range, s->point[i].y)) {
      range_take(x, s->point[i].x);
      range_take(y, s->point[i].y);
    }
}

// The highest and the lowest point do not lie on the frame.
static void leave_room(AxisRange *y) {
  double room = y->log ? pow(y->hi / y->lo, 0.04) : 0.04 * (y->hi - y->lo);
  y->lo = y->log ? y->lo / room : y->lo == 0 ? 0 : y->lo - room;
  y->hi = y->log ? y->hi * room : y->hi + room;
}

bool chart_frame(const Chart *c, ChartFrame *f) {
  RangeFinder x = {.range.log = c->log_x}, y = {.range.log = c->log_y};
  for (int i = 0; i < c->n; i++)
    take_series(&c->series[i], &x, &y);
  if (c->zero_y && y.any && !c->log_y)
    range_take(&y, 0);
  bool any = range_done(&x) && range_done(&y);
  *f = (ChartFrame){x.range, y.range};
  if (any)
    leave_room(&f->y);
  return any;
}

// ---- points
static double mean_around(const ChartPoint *p, int n, int i, int window) {
  int side = window / 2;
  double sum = 0;
  int count = 0;
  side = side > i ? i : side;
  side = side > n - 1 - i ? n - 1 - i : side;
  for (int k = i - side; k <= i + side; k++)
    if (isfinite(p[k].y))
      sum += p[k].y, count++;
  return sum / count;
}

ChartPoint *points_smooth(Arena *a, const ChartPoint *p, int n, int window) {
  ChartPoint *out = NEWN(a, ChartPoint, n + 1);
  for (int i = 0; i < n; i++)
    out[i] = (ChartPoint){p[i].x, isfinite(p[i].y) ? mean_around(p, n, i, window) : p[i].y};
  return out;
}

// Points of one column, which are neighbours.
typedef struct Column {
  int first, least, greatest, last, gap; // gap: -1, or a point that is none
} Column;

static void column_take(Column *c, const ChartPoint *p, int i) {
  if (!isfinite(p[i].y)) {
    c->gap = i;
    return;
  }
  c->first = c->first < 0 ? i : c->first;
  c->least = c->least < 0 || p[i].y < p[c->least].y ? i : c->least;
  c->greatest = c->greatest < 0 || p[i].y > p[c->greatest].y ? i : c->greatest;
  c->last = i;
}

// In the order of the points, each once.
static int column_put(const Column *c, const ChartPoint *p, int from, int to, ChartPoint *out) {
  int n = 0;
  for (int i = from; i < to; i++)
    if (i == c->first || i == c->least || i == c->greatest || i == c->last || i == c->gap)
      out[n++] = p[i];
  return n;
}

static int column_of(const AxisRange *x, double at, int columns) {
  double share = range_shows(x, at) ? range_share(x, at) : 0;
  return (int)(fmin(fmax(share, 0), 1) * columns);
}

int points_thin(Arena *a, const ChartPoint *p, int n, const AxisRange *x, int columns,
                const ChartPoint **out) {
  *out = p;
  if (n <= 4 * columns)
    return n;
  ChartPoint *kept = NEWN(a, ChartPoint, n + 1);
  int m = 0;
  for (int from = 0, to; from < n; from = to) {
    Column c = {-1, -1, -1, -1, -1};
    int at = column_of(x, p[from].x, columns);
    for (to = from; to < n && column_of(x, p[to].x, columns) == at; to++)
      column_take(&c, p, to);
    m += column_put(&c, p, from, to, kept + m);
  }
  *out = kept;
  return m;
}

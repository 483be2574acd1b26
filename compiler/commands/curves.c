// See curves.h.
#include "compiler/commands/curves.h"
#include <math.h>
#include <string.h>

enum { SMOOTH_SHARE = 40 };

typedef VEC(Series) SeriesList;

static const char *const x_names[] = {"step", "tokens", "hours of training"};

static double x_of(const Moment *m, CurveX x) {
  return x == CURVE_STEPS ? (double)m->step : x == CURVE_TOKENS ? m->tokens : m->seconds / 3600;
}

static ChartPoint *points(Arena *a, const Moments *v, const CurveOptions *o, int *n) {
  ChartPoint *p = NEWN(a, ChartPoint, v->n + 1);
  *n = 0;
  for (int i = 0; i < v->n; i++) {
    double x = x_of(&v->v[i], o->x);
    if (isfinite(x))
      p[(*n)++] = (ChartPoint){x, v->v[i].value[o->y]};
  }
  return p;
}

// ---- what runs have
static const char *known(Arena *a, const History *h) {
  const char *text = "";
  for (int i = 0; i < MEASURES; i++)
    if (history_has(h, (LogMeasure)i))
      text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", measure_names[i]);
  return *text ? text : "nothing that is a number";
}

static int check_one(Arena *a, const History *h, const CurveOptions *o, BigsError *e) {
  if (history_has(h, o->y))
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "%s has no %s to draw; it has: %s", h->path, measure_names[o->y],
                   known(a, h));
}

// The mean of squares beside nats would say nothing.
static int check_kinds(const History *h, int n, const CurveOptions *o, BigsError *e) {
  const History *first[2] = {NULL, NULL};
  for (int i = 0; i < n && o->y == MEASURE_loss; i++)
    if (h[i].held.n && !first[h[i].squared])
      first[h[i].squared] = &h[i];
  if (!first[0] || !first[1])
    return 0;
  return bigs_fail(e, BIGS_EMODEL,
                   "the loss of %s is a squared error, that of %s in nats: draw them apart",
                   first[1]->path, first[0]->path);
}

static int check(Arena *a, const History *h, int n, const CurveOptions *o, BigsError *e) {
  int err = check_kinds(h, n, o, e);
  for (int i = 0; i < n && !err; i++)
    err = check_one(a, &h[i], o, e);
  return err;
}

// ---- names
static bool same_name(const History *h, int n, int i) {
  for (int k = 0; k < n; k++)
    if (k != i && !strcmp(h[k].name, h[i].name))
      return true;
  return false;
}

// Runs of one name go by their paths.
static const char *name_of(Arena *a, const History *h, int n, int i, const char *what) {
  const char *name = same_name(h, n, i) ? h[i].path : h[i].name;
  return arena_printf(a, "%s%s", name, what);
}

static const char *y_name(Arena *a, const History *h, const CurveOptions *o) {
  const char *name = measure_axes[o->y];
  if (o->y == MEASURE_loss && h->held.n)
    return arena_printf(a, "%s (%s)", name, h->squared ? "squared error" : "nats");
  return name;
}

// ---- curves
static int window(const CurveOptions *o, int n) {
  if (!measure_smoothed[o->y])
    return 1;
  int64_t w = o->smooth ? o->smooth : n / SMOOTH_SHARE;
  return w > n ? n : (int)w;
}

static bool any(const ChartPoint *p, int n) {
  for (int i = 0; i < n; i++)
    if (isfinite(p[i].y))
      return true;
  return false;
}

// What a curve is smoothed from stands behind it where that is the only one.
static void put_train(Arena *a, const History *h, int n, int i, const CurveOptions *o,
                      SeriesList *out) {
  int count;
  ChartPoint *raw = points(a, &h[i].train, o, &count);
  int wide = window(o, count);
  const char *name = name_of(a, h, n, i, o->y == MEASURE_loss ? ", training" : "");
  if (!any(raw, count))
    return;
  if (wide > 1 && n == 1)
    vec_push(a, out, (Series){NULL, raw, count, i, DRAWN_FAINT});
  vec_push(a, out, (Series){name, points_smooth(a, raw, count, wide), count, i, DRAWN_LINE});
}

static void put_held(Arena *a, const History *h, int n, int i, const CurveOptions *o,
                     SeriesList *out) {
  int count;
  ChartPoint *p = points(a, &h[i].held, o, &count);
  const char *name = name_of(a, h, n, i, o->y == MEASURE_loss ? ", held out" : "");
  if (any(p, count))
    vec_push(a, out, (Series){name, p, count, i, DRAWN_POINTS});
}

int curves_chart(Arena *a, const History *h, int n, const CurveOptions *o, Chart *out,
                 BigsError *e) {
  ChartFrame unused;
  SeriesList list = {0};
  int err = check(a, h, n, o, e);
  for (int i = 0; i < n && !err; i++)
    put_train(a, h, n, i, o, &list);
  for (int i = 0; i < n && !err; i++)
    put_held(a, h, n, i, o, &list);
  *out = (Chart){.x_name = x_names[o->x],
                 .y_name = y_name(a, h, o),
                 .log_x = o->log_x,
                 .log_y = o->log_y,
                 .series = list.v,
                 .n = list.n};
  if (err || chart_frame(out, &unused))
    return err;
  return bigs_fail(e, BIGS_EMODEL, "no %s of %s can stand on these axes", measure_names[o->y],
                   n == 1 ? h->path : "these runs");
}

// See ticks.h.
#include "compiler/draw/ticks.h"
#include <math.h>
#include <stdio.h>

// ---- ranges
void range_take(RangeFinder *f, double x) {
  if (!range_shows(&f->range, x))
    return;
  f->range.lo = f->any ? fmin(f->range.lo, x) : x;
  f->range.hi = f->any ? fmax(f->range.hi, x) : x;
  f->any = true;
}

// Numbers beside which others are as good as 0: what is divided by less may be infinite.
static const double least = 1e-280;

// Too near for steps between them that double tells apart?
static bool is_narrow(const AxisRange *r) {
  double most = fmax(fabs(r->lo), fabs(r->hi));
  return r->hi - r->lo <= 1e-9 * most || (!r->log && most < least);
}

bool range_done(RangeFinder *f) {
  AxisRange *r = &f->range;
  double room = r->log || fabs(r->lo) > least ? 0.05 * fabs(r->lo) : 1;
  if (!f->any || !is_narrow(r))
    return f->any;
  *r = (AxisRange){r->lo - room, r->hi + room, r->log};
  return true;
}

bool range_shows(const AxisRange *r, double x) {
  return isfinite(x) && fabs(x) < 1e300 && (!r->log || x > 1e-300);
}

double range_share(const AxisRange *r, double x) {
  return r->log ? log(x / r->lo) / log(r->hi / r->lo) : (x - r->lo) / (r->hi - r->lo);
}

// ---- ticks
static void put(Ticks *t, const AxisRange *r, double x) {
  double slack = 1e-9 * (r->log ? r->lo : r->hi - r->lo);
  if (t->n < TICKS_MAX && x >= r->lo - slack && x <= r->hi + slack)
    t->at[t->n++] = x;
}

// The least of 1, 2, 5 times a power of ten that is no less than x > 0.
static double round_up(double x) {
  double power = pow(10, floor(log10(x))), m = x / power;
  return power * (m <= 1 + 1e-9 ? 1 : m <= 2 + 1e-9 ? 2 : m <= 5 + 1e-9 ? 5 : 10);
}

static Ticks multiples(const AxisRange *r, double step) {
  Ticks t = {.step = step};
  double first = ceil(r->lo / t.step - 1e-9);
  for (int i = 0; i <= TICKS_MAX; i++)
    put(&t, r, (first + i) * t.step);
  return t;
}

// One tick alone would not say how far apart things are.
static Ticks linear(const AxisRange *r, int want) {
  Ticks t = multiples(r, round_up((r->hi - r->lo) / want));
  while (t.n < 2)
    t = multiples(r, round_up((r->hi - r->lo) / ++want));
  return t;
}

// m[0, nm) times every `skip`th power of ten.
static Ticks powers(const AxisRange *r, const double *m, int nm, int skip) {
  Ticks t = {0};
  int last = (int)floor(log10(r->hi)) + 1;
  for (int k = (int)floor(log10(r->lo) / skip) * skip; k <= last; k += skip)
    for (int i = 0; i < nm; i++)
      put(&t, r, m[i] * pow(10, k));
  return t;
}

static Ticks logarithmic(const AxisRange *r, int want) {
  static const double m[] = {1, 2, 5};
  int decades = (int)ceil(log10(r->hi / r->lo));
  Ticks t = powers(r, m, 1, 1 + decades / (want + 1));
  if (t.n < 3)
    t = powers(r, m, 3, 1);
  if (t.n < 3)
    t = linear(r, want);
  return t;
}

Ticks ticks_of(const AxisRange *r, int want) {
  want = want < 2 ? 2 : want > TICKS_MAX - 2 ? TICKS_MAX - 2 : want;
  return r->log ? logarithmic(r, want) : linear(r, want);
}

// As many digits behind the point as the step between ticks has.
static int decimals(double step) {
  int n = 0;
  while (n < 12 && fabs(step - rint(step)) > 1e-6 * fabs(step))
    step *= 10, n++;
  return n;
}

// All ticks of a linear axis have one unit, those of a logarithmic one each its own.
static double unit_of(double most, const char **suffix) {
  static const struct {
    double from, unit;
    const char *suffix;
  } units[] = {{1e13, 1, ""}, {1e9, 1e9, "G"}, {1e6, 1e6, "M"}, {1e4, 1e3, "k"}, {0, 1, ""}};
  int i = 0;
  while (most < units[i].from)
    i++;
  *suffix = units[i].suffix;
  return units[i].unit;
}

void tick_text(const Ticks *t, double x, char *text, size_t size) {
  const char *suffix;
  double most = t->step && t->n ? fmax(fabs(t->at[0]), fabs(t->at[t->n - 1])) : fabs(x);
  double unit = unit_of(most, &suffix), shown = fabs(x) < 1e-9 * t->step ? 0 : x / unit;
  if (!shown)
    snprintf(text, size, "0");
  else if (!t->step || most < 1e-3 || most >= 1e13)
    snprintf(text, size, "%.6g%s", shown, suffix);
  else
    snprintf(text, size, "%.*f%s", decimals(t->step / unit), shown, suffix);
}

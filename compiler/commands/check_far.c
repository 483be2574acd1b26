// How far numbers are from what they should be, and where the most.
#include "compiler/commands/check.h"
#include <math.h>

double check_largest(double most, const double *v, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    most = fmax(most, fabs(v[i]));
  return most;
}

// NaN counts as infinitely far.
static double distance(const double *x, const double *y, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    most = fabs(x[i] - y[i]) <= most ? most : isnan(x[i] - y[i]) ? HUGE_VAL : fabs(x[i] - y[i]);
  return most;
}

static void worse(double *most, const char **where, double d, double scale, const char *name) {
  double error = d > 0 ? d / fmax(scale, 1e-300) : 0;
  if (error > *most || !*where) {
    *most = error;
    *where = name;
  }
}

void check_worse_value(Difference *f, const double *got, const double *want, int64_t n,
                       const char *name) {
  worse(&f->value, &f->where_value, distance(got, want, n), check_largest(0, want, n), name);
}

void check_worse_gradient(Difference *f, const double *got, const double *want, int64_t n,
                          double least, const char *name) {
  worse(&f->gradient, &f->where_gradient, distance(got, want, n), check_largest(least, want, n),
        name);
}

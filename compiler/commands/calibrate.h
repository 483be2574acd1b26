// What enters products with parameters, over a text: for rounding these (int8_fit.h).
#ifndef BIGSC_CALIBRATE_H
#define BIGSC_CALIBRATE_H
#include "compiler/driver/session.h"

// Of a parameter of the module, by its number.
typedef struct CalibrateParam {
  bool wanted;
  bool lacking; // it has no weights: what depends on it is not asked
} CalibrateParam;

// What enters the products of some parameters alike.  moment: the sum of x x^T over all rows x, of the numbers that are summed up, in
// the order of the parameter's axes.  noise: the sum of squares of what each is off by when rows are rounded to int8.
typedef struct Entering {
  int64_t K;
  double *moment, *noise; // [K][K], [K]
  int nparam;
  const int *param;
} Entering;
// s: the model in float32, with its weights.  An exit status other than 0 ends it.
typedef int TakeEntering(void *ctx, Session *s, const Entering *x);

// Runs the entries of `of`, whose module tells what products sum up, over the lines of o->data, as often as its moments have to be cut
// to be held.  Products that no text enters are left out.  Returns an exit status, with the error printed.
int calibrate(const Session *of, const CalibrateParam *param, TakeEntering *take, void *ctx);
#endif

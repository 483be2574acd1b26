// Charts of what runs did.
#ifndef BIGSC_CURVES_H
#define BIGSC_CURVES_H
#include "compiler/commands/history.h"
#include "compiler/draw/chart.h"

typedef enum CurveX { CURVE_STEPS, CURVE_TOKENS, CURVE_HOURS } CurveX;
typedef struct CurveOptions {
  CurveX x;
  LogMeasure y;
  int64_t smooth; // records that a point is the mean of; 0: a fortieth of the run's
  bool log_x, log_y;
} CurveOptions;
// *out: in `a`; a run has a style of its own.  Errors, status 1: a run does not have what is to be drawn, or the runs' losses are not
// of one kind, or nothing of it can stand on such axes.
int curves_chart(Arena *a, const History *h, int n, const CurveOptions *o, Chart *out,
                 BigsError *e);
#endif

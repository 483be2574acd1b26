// Times of an entry's steps, for other commands than bench.
#ifndef BIGSC_BENCH_H
#define BIGSC_BENCH_H
#include "compiler/driver/session.h"

typedef struct StepTime {
  const char *module; // whose body it begins with; NULL: the model's own
  double ms;
} StepTime;
// Of the entry o->entry, with fresh parameters, at sizes that o->defs say: n of them in `a`, in the order of the program.
// An exit status; what went wrong has been printed.
int bench_steps(const Options *o, Arena *a, StepTime **time, int *n);
#endif

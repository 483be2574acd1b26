// What optim.c and optim_far.c share.
#ifndef BIGSC_OPTIM_INTERNAL_H
#define BIGSC_OPTIM_INTERNAL_H
#include "runtime/exec/optim.h"

// Addresses of the values that the inputs and outputs of a program over a flat axis take, by name: on
// the handle's device, or the host's.
typedef struct Flat {
  void *p, *g, *m, *v;
  void *rate, *decay, *scale, *correct1, *correct2; // float
  void *result;                                     // of a norm: double; NULL in an update
} Flat;
enum { FLAT_ARGS = 16 };
// The program's arguments for a range: dims, and FLAT_ARGS inputs and outputs.
int flat_args(bigs_model *m, int program, const OptRange *range, const Flat *f,
              int64_t dims[MAX_SYMS], const void **in, void **out);
// Of an arena, at a range.
void *flat_at(const Region *r, const OptRange *range);

// What an update takes besides the rates, which are another in each range.
typedef struct FlatScalars {
  float scale, correct1, correct2;
  double factor; // of the rates
} FlatScalars;

// ---- optim_far.c: the ranges of a step together, on a device that has its own copy of such numbers.
// The host waits twice: for the sums of squares of the gradients, after which nothing has changed, and
// for those of the parameters after the update.  *sum: one for each range, until the next call.
bool optim_is_far(const bigs_model *m);
int far_needs(bigs_model *m, int train, const OptRange *range, int n, Needs *out);
int far_norms(bigs_model *m, int train, const OptRange *range, int n, const double **sum);
int far_update(bigs_model *m, int train, const OptRange *range, int n, const FlatScalars *f,
               const double **sum);
#endif

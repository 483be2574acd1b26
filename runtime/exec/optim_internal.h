// What optim.c and optim_far.c share.
#ifndef BIGSC_OPTIM_INTERNAL_H
#define BIGSC_OPTIM_INTERNAL_H
#include "runtime/exec/optim.h"

// Addresses of the values that the inputs and outputs of a program over a flat axis take, by name: on
// the handle's device, or the host's.
typedef struct Flat {
  void *p, *g, *m, *v, *e;
  void *rate, *decay, *scale, *correct1, *correct2; // float
  void *go;                                         // bool
  void *a, *weight, *leaf; // of a sum of pieces: the other one; float; bool
  void *result;            // of a norm: double; of a sum of pieces; NULL in an update
} Flat;
enum { FLAT_ARGS = 16 };
// The program's arguments for a range: dims, and FLAT_ARGS inputs and outputs.
int flat_args(bigs_model *m, int program, const OptRange *range, const Flat *f,
              int64_t dims[MAX_SYMS], const void **in, void **out);
int flat_run(bigs_model *m, int program, const OptRange *range, const Flat *f);
// Of an arena, at a range.
void *flat_at(const Region *r, const OptRange *range);

// Of states, which `next` of the train block makes: no part of the norm, nor clipped.
static inline bool optim_is_state(const OptRange *r) {
  return r->decay < 0;
}

// What an update takes besides the rates, which are another in each range.
typedef struct FlatScalars {
  float scale, correct1, correct2;
  float unit;    // `scale` before clipping
  double factor; // of the rates
  double clip;   // from which a device makes `scale` where it decides
} FlatScalars;

// ---- optim_far.c: the ranges of a step together, on a device that has its own copy of such numbers.
// In parts the host waits twice: for the sums of squares of the gradients, after which nothing has changed, and
// for those of the parameters after the update.  *sum: one for each range, until the next call.
bool optim_is_far(const bigs_model *m);
int far_needs(bigs_model *m, int train, const OptRange *range, int n, Needs *out);
int far_norms(bigs_model *m, int train, const OptRange *range, int n, const double **sum);
int far_update(bigs_model *m, int train, const OptRange *range, int n, const FlatScalars *f,
               const double **sum);

// The whole step, its gradient too, on a device that decides: the host waits once, for what follows.  Where loss or norm is
// not finite nothing has changed.
typedef struct FarStep {
  float loss, scale;
  double norm;
  const double *
      sum; // of squares of the parameters after the update, one for each range, until the next call
} FarStep;
int far_whole(bigs_model *m, int train, const OptRange *range, int n, const int64_t *dims,
              const void *const *inputs, const FlatScalars *f, FarStep *out);
#endif

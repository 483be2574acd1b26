// Handles of the toy (toy_module.h) in tests, and calls of its programs.
#ifndef BIGSC_TOY_BED_H
#define BIGSC_TOY_BED_H
#include "runtime/bigs.h"
#include "tests/unit/toy_module.h"
#include <stdbool.h>

#define DIMS(b, l, m) ((const int64_t[TOY_NDIM]){b, l, m, 1})

// A batch for steps of DIMS(2, 4, 3).
typedef struct ToyBatch {
  int32_t ids[8], at[3], labels[3];
} ToyBatch;
extern const ToyBatch toy_step_batch;
#define BATCH_IN                                                                                   \
  ((const void *[]){toy_step_batch.ids, NULL, toy_step_batch.at, toy_step_batch.labels})

bigs_model *toy_open(void); // a handle with two threads
// The call's status, and what the handle says of it.
void toy_fails(bigs_model *m, int status, int want, const char *text);
float toy_value(int param, int64_t i);               // a number of its own for every element
void toy_fill(bigs_model *m);                        // with toy_value
void toy_is_filled(bigs_model *m, int from, int to); // parameters from, ..., to - 1
// Runs the entry scale, with B L <= 63, and looks at what it writes.
void toy_scale(bigs_model *m, int64_t B, int64_t L, bool with_mask, float gain);

// May as many allocations happen as are left?  For bigs_options.may_allocate, with a ToyRation as ctx.
typedef struct ToyRation {
  int left;
} ToyRation;
int toy_ration(void *ctx, size_t bytes);
#endif

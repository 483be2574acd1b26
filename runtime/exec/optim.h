// The optimizer: schedules, parameter groups, gradient norm and clipping, and the update programs
// over flat ranges of the arenas.
#ifndef BIGSC_RUNTIME_OPTIM_H
#define BIGSC_RUNTIME_OPTIM_H
#include "runtime/exec/exec.h"

// What a run may change of a train block.
typedef struct TrainRecipe {
  double rate, decay, clip;
  int64_t steps; // length of the run, for the schedule; 0: not known, then pieces given as shares
                 // of it are skipped
} TrainRecipe;
TrainRecipe recipe_of(const BigsTrain *t); // rate -1: the block gives none
// Status BIGS_EMODEL for a recipe without a rate, which would train nothing and not say so.
int recipe_check(const BigsTrain *t, const TrainRecipe *r, BigsError *e);

// Factor of the rate in step `step`, counted from 0, of a run of `total` steps.  Pieces follow each
// other; each starts from the factor at which the one before ended (a warmup from 0, the first
// other one from 1):
//   warmup    to (i + 1) / n of the way up to 1, i the step within the piece, n its length
//   linear    i / n of the way to `to`            cosine   (1 - cos(pi i / n)) / 2 of the way to
//   `to`       constant  stays
// After the last piece its end factor holds.
double schedule_factor(const BigsPiece *piece, int npiece, int64_t step, int64_t total);
// The step that its last `warmup` ends at; 0: it has none.
int64_t schedule_warm(const BigsPiece *piece, int npiece, int64_t total);

typedef struct OptRange { // neighbours in the arenas that are updated alike
  int64_t offset, bytes;
  uint8_t dtype;
  double rate, decay; // before the schedule
} OptRange;
// Ranges of all parameters that the block's gradient reaches and no group freezes, in order of the
// arena.  *out is malloc'd. Fails when parameters that share storage are to be treated differently.
int optim_ranges(bigs_model *m, int train, const TrainRecipe *r, OptRange **out, int *n);

typedef struct OptReport {
  double norm;   // of the gradient, before clipping
  double rate;   // of this step, for parameters without a group
  bool spoilt;   // status 4, and the parameters are not what they were
  int64_t piece; // what went wrong in, by pieces_step, else -1
} OptReport;
// Neighbours that are of one dtype as one, whatever their rates; returns how many are left.
int optim_join(OptRange *range, int n);

// What the gradients at hand are of the step's.
typedef struct OptShare {
  double weight; // of this rank's, in a team, else 1
  double unit;   // of the sum over ranks, else 1: times that it is the gradient
} OptShare;
// One update from the gradients at hand: norm, clipping, update.
// Advances m->step.  Status 4, with
// nothing changed, when the norm is not finite; and status 4 when the update makes a parameter or
// a moment that is not: the error names it, and the handle's parameters are of no more use.
// report may be NULL.
int optim_step(bigs_model *m, int train, const TrainRecipe *r, OptShare share, OptReport *report);
// Status 4: the loss is not finite.
int optim_loss(bigs_model *m, float loss);
// Can the step be done with its gradient, without a look at the loss between them?  By a handle that trains alone, on a device
// that decides, from the block's second step on: the first one wipes other blocks' moments, and has to be known to go well.
bool optim_at_once(const bigs_model *m, int train);
// Both, with the results of the one after the other: of bigs_model_grad, optim_loss, optim_step.  *loss is set where there is one.
int optim_whole(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
                const void *const *inputs, float *loss, OptReport *report);
// Memory of the moments that the block's optimizer has, zero when it is new or belonged to another
// block; and the average of the parameters, which begins as they are.
int optim_ready(bigs_model *m, int train);
// How much the optimizer keeps between steps, in sizes of all parameters; update: its program, -1: none.
int optim_kept(const BigsModule *module, int update);
// The average of the parameters takes their place, and they its, until it is called again.  False: there is none, and nothing changes.
bool optim_swap_average(bigs_model *m);
// What a step will ask for besides the gradients: on a device with room for so much only, its own numbers too.
int optim_needs(bigs_model *m, int train, const TrainRecipe *r, Needs *out);

// ---- steps, for the trainer: as bigs_model_grad and bigs_model_step, which clear the error before
// (module.c) check: look for the first op whose result is not finite; status 4 when there is one.
int model_gradient(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                   float *loss, bool check);
// count: what the loss is the mean of, for the weights of a team's ranks; at least 1.
int model_step(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
               const void *const *inputs, int64_t count, float *loss, OptReport *report);
#endif

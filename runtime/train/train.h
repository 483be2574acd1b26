// The trainer: batches, steps, held-out loss, checkpoints, log.
#ifndef BIGSC_RUNTIME_TRAIN_H
#define BIGSC_RUNTIME_TRAIN_H
#include "runtime/train/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/log.h"
#include <signal.h>

// What a run may change of the block's recipe: "rate", "decay", "clip", "steps", "batch", "length", "pieces".
// Unset members are NaN or -1.
typedef struct TrainChanges {
  double rate, decay, clip;
  int64_t steps, batch, length, pieces;
} TrainChanges;
TrainChanges train_no_changes(void);
// Notes one `--set NAME=VALUE`.  An unknown name or a bad value is of status BIGS_EUSAGE.
int train_change(TrainChanges *c, const char *assignment, BigsError *e);

// What a run is going to be: the block, what was saved when it resumes, and the changes; in that
// order.  Call it before the data is opened, which needs batch, length and seed.  dir: the folder
// when resuming, else NULL.
typedef struct TrainPlan {
  int train;
  TrainRecipe recipe;    // steps 0: to be found from the block's epochs
  int64_t batch, length; // length 0: the model's longest
  int64_t pieces;        // of a step, each of batch / pieces rows; 0 is as 1
  int64_t eval_every;    // of the run that goes on, as in TrainOptions; 0: as that says
  uint64_t seed;
} TrainPlan;
// Pieces that do not divide the batch are of status BIGS_EUSAGE.  A batch that is given alone is taken in one piece: the block's
// pieces, or those of the folder, are for its own batch.
int train_plan(const BigsModule *module, int train, const TrainChanges *changes, uint64_t seed,
               const char *dir, TrainPlan *out, BigsError *e);

// ---- schedules of the block's data; `batch`: rows of a step without a factor, total: steps of the run
// Rows of step `step`, counted from 0: a whole multiple of `batch`, by the factor rounded.
int64_t train_rows(const BigsTrain *t, int64_t batch, int64_t step, int64_t total);
int64_t train_most_rows(const BigsTrain *t, int64_t batch); // of any step
double train_most_masked(const BigsTrain *t); // share of masked tokens; 0: the source's own
// Steps of the shortest run that sees so many rows.
int64_t train_steps(const BigsTrain *t, int64_t batch, double rows);

typedef struct TrainOptions {
  const char *out; // the folder
  bool resume;
  const char *flags;      // the command line, for the log
  const FolderFile *file; // copied into the folder: vocab.txt, files that model.mdl uses
  int nfile;
  const Labels *labels; // names of classes, for the folder; NULL: none
  int64_t save_every;   // steps between checkpoints; 0: a tenth of the run, at most 1,000
  // between held-out evaluations; 0: as the run that goes on, or as save_every; -1: never, not even at the end
  int64_t eval_every;
  // Keeps the model that was best in an evaluation, by the "loss" or a metric, as a training folder `best` in `out`; evaluations are
  // of all that is held out then.  NULL: none is kept.
  const char *best_by;
  int64_t patience;  // evaluations in a row without a better one that end the run; 0: none do
  int64_t log_every; // between records of the log; 0: 10
  Progress progress; // `every` 0: a thirtieth of the run
  // set by a signal handler: save and return BIGS_EINTERRUPT.  May be NULL
  const volatile sig_atomic_t *stop;
  // NULL: alone.  Else every rank calls train_run with equal plans, options and data, and a feed that gives its rows of each
  // batch; all return the same status.  The folder is the first rank's alone to write; the others read what a resume needs.
  Team *team;
} TrainOptions;
typedef struct TrainResult {
  int64_t step;       // steps done in all
  int64_t first_step; // of which before this run: more than 0 when resumed
  double loss;        // mean of the last record's steps
  bool evaluated;
  EvalResult held_out; // after the last step
  double best;         // of all evaluations, at best_step; -1: there was none
  int64_t best_step;
  bool early;                        // ended by patience
  double seconds, tokens_per_second; // of this process
} TrainResult;
// Trains m, from its present parameters or, with resume, from the folder's checkpoint, to
// plan->recipe.steps.  Returns 0, BIGS_EINTERRUPT after a stop (all saved), BIGS_ENUMERIC when the
// loss, a gradient, what an update makes, or the held-out loss is not finite (the error names the step, the first bad
// op or the parameter, and the last checkpoint), or another status; the text is bigs_model_error(m).
int train_run(bigs_model *m, const TrainPlan *plan, const Feed *feed, const TrainOptions *o,
              TrainResult *result);
#endif

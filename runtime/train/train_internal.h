// What the files train_*.c share: a run under way, and its parts.  Those that return an int return 0 or the status of an error, whose
// text is bigs_model_error of the model.
#ifndef BIGSC_RUNTIME_TRAIN_INTERNAL_H
#define BIGSC_RUNTIME_TRAIN_INTERNAL_H
#include "runtime/train/train.h"

typedef struct TrainRun {
  bigs_model *m;
  const TrainPlan *plan;
  const Feed *feed;
  const TrainOptions *o;
  TrainResult *result;
  TrainRecipe recipe;
  TrainState state;
  RunLog *log;
  JsonText record;
  Progress progress;
  int64_t save_every, eval_every, log_every;
  int64_t saved; // step of the last checkpoint, or -1
  bool can_evaluate;
  int64_t pieces;      // of a step
  FeedArgs args;       // of the batch, or piece, under way
  int64_t step_tokens; // of all ranks
  int64_t rows;        // of this step
  double masked;       // share of its tokens; 0: as the source has it
  bool cut;            // the step under way is dropped: the run has to stop
  // since this process began, and since the last record
  double begin, before, first_seconds, sum_loss, rate, norm;
  int64_t first_step, tokens, nsum;
} TrainRun;

static inline int64_t at_least_one(int64_t n) {
  return n < 1 ? 1 : n;
}

// ---- train_log.c
// Begins the run's record of `event` at this step.
void train_say(TrainRun *r, const char *event);
// Writes the run's record.  Of a team the first rank has the log, and all else that is in the folder.
int train_put(TrainRun *r, BigsError *e);
int train_log_start(TrainRun *r);
// A record of the steps since the last such record.
int train_log_steps(TrainRun *r);
// Tokens a second, of the steps alone: saving and evaluating apart.
double train_speed(const TrainRun *r);
// A line of progress where one is due at time `now` (of clock_seconds).
void train_show(TrainRun *r, double loss, double now);
void train_clear_error(bigs_model *m);
// Ends the run: what was `said` of step `step`, and what is saved.  looked: the work was repeated with a look at every op's
// results, and ended with `status`.
int train_end_numeric(TrainRun *r, int64_t step, const char *said, bool looked, int status);

// ---- train_save.c
// Makes the folder, or opens that of the run to resume, which stays locked until the log is closed.
int train_begin_folder(TrainRun *r);
// Can the model's parameters, as they are, be trained?
int train_check_start(bigs_model *m);
// Goes on from the folder's checkpoint: parameters, moments, the log, and the place in the data.
int train_load(TrainRun *r);
// Makes a folder within that of the run, where it is not there yet.
int train_folder_in(TrainRun *r, const char *dir);
// Each rank of a team has its own slices of the moments: gathers them to the first one; and, once they are saved, all give the memory
// of others' slices back.
int train_gather(TrainRun *r);
void train_forget(TrainRun *r);
// Writes a checkpoint into `dir`, by the first rank alone, and the record of it.
int train_write(TrainRun *r, const char *dir, const char *event);
// All ranks save; nothing is done when this step is saved already.
int train_save(TrainRun *r);

// ---- train_held_out.c
// Is `name` (or NULL) "loss" or a metric?
int train_check_measure_name(bigs_model *m, const char *name);
// By what the best is chosen, which a resumed run cannot change.
int train_choose_measure(TrainRun *r);
// A first look at what is held out: does the metric fit it?
int train_check_measure(TrainRun *r);
// Is there anything held out?  Reserves what evaluating it needs.
int train_find_held_out(TrainRun *r);
// Evaluates, keeps the model if it is the best so far, and says so.
int train_held_out(TrainRun *r);
// After an evaluation: has there been no better one for long enough?
bool train_stalled(const TrainRun *r);

// ---- train_pace.c
// Does the data follow the block's schedules?
int train_check_pace(TrainRun *r);
// Tells the feed how the step to come is.
void train_pace(TrainRun *r);

// ---- train_step.c
// Has the caller asked for the end of the run?
bool train_stopped(const TrainRun *r);
// Is the run to end after this step?  All ranks know the same.
bool train_stops(const TrainRun *r);
// One step, of all ranks.  A step that is stopped between its pieces is dropped: r->cut is set then, and 0 returned.
int train_take_step(TrainRun *r, float *loss, OptReport *report);
#endif

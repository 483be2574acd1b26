// The folder of a run: what it begins with, checkpoints, and going on from one.
#include "runtime/train/train_internal.h"
#include "runtime/exec/team.h"
#include "runtime/files/file.h"
#include <inttypes.h>
#include <stdlib.h>

// What an earlier run left would be taken for this one's.
static int refuse_left(TrainRun *r, const char *name) {
  char *dir = file_join(r->o->out, name, &r->m->error);
  if (!dir)
    return r->m->error.status;
  int err = !folder_has_run(dir) ? 0
                                 : bigs_fail(&r->m->error, BIGS_EUSAGE,
                                             "%s is of another run: choose another folder", dir);
  free(dir);
  return err;
}

// The log first: its lock keeps others out of the folder.
int train_begin_folder(TrainRun *r) {
  bigs_model *m = r->m;
  const char *dir = r->o->out;
  if (!r->o->resume && r->o->best_by && refuse_left(r, "best"))
    return m->error.status;
  if (!r->o->resume && m->module->train[r->plan->train].ema > 0 && refuse_left(r, "ema"))
    return m->error.status;
  if (!r->o->resume && folder_make(dir, m->module, r->o->file, r->o->nfile, &m->error))
    return m->error.status;
  if ((!r->o->resume || folder_has_run(dir)) && !(r->log = log_open(dir, &m->error)))
    return m->error.status;
  if (r->o->resume)
    return 0;
  return folder_create(dir, m->module, r->o->labels, r->o->file, r->o->nfile, &m->error) ||
                 log_clear(r->log, &m->error)
             ? m->error.status
             : 0;
}

int train_check_start(bigs_model *m) {
  int err = exec_check_state(m);
  if (err)
    bigs_error_prefix(&m->error, "nothing can be trained from this");
  return err;
}

int train_folder_in(TrainRun *r, const char *dir) {
  bigs_model *m = r->m;
  const TrainOptions *o = r->o;
  return !folder_has_run(dir) &&
                 (folder_make(dir, m->module, o->file, o->nfile, &m->error) ||
                  folder_create(dir, m->module, o->labels, o->file, o->nfile, &m->error))
             ? m->error.status
             : 0;
}

static int write_average(TrainRun *r, const char *dir) {
  bigs_model *m = r->m;
  TrainState s = r->state;
  s.average = true;
  int err = train_folder_in(r, dir);
  if (err || !optim_swap_average(m))
    return err;
  err = checkpoint_save(m, dir, r->plan->train, &s, r->feed);
  optim_swap_average(m);
  return err;
}

// dir/ema has the average of the parameters, where there is one.
static int write_averages(TrainRun *r, const char *dir) {
  bigs_model *m = r->m;
  if (!m->moment[MOMENT_AVERAGE].p)
    return 0;
  char *ema = file_join(dir, "ema", &m->error);
  int err = ema ? write_average(r, ema) : m->error.status;
  free(ema);
  return err;
}

// A save that was killed behind the checkpoint left an older average, or a half of one.
static int finish_averages(TrainRun *r) {
  BigsError none = {0};
  TrainState s = {.step = -1};
  char *ema = file_join(r->o->out, "ema", &r->m->error);
  if (ema && !checkpoint_repair(ema, &none) && !state_read(ema, &s, NULL, 0, &none))
    state_free(&s);
  int err = !ema ? r->m->error.status : s.step == r->m->step ? 0 : write_averages(r, r->o->out);
  free(ema);
  return err;
}

int train_load(TrainRun *r) {
  bigs_model *m = r->m;
  const char *dir = r->o->out;
  int train = r->plan->train;
  int err = team_first(m) ? checkpoint_load(m, dir, train, &r->state)
                          : checkpoint_join(m, dir, train, &r->state);
  err = err || !team_first(m) ? err : train_check_start(m);
  err = err || !team_first(m) ? err : finish_averages(r);
  err = err || !r->log ? err : log_cut(r->log, m->step, &m->error);
  return err || !r->feed->seek ? err
                               : r->feed->seek(r->feed->ctx, r->state.cursor, m->step, &m->error);
}

int train_write(TrainRun *r, const char *dir, const char *event) {
  r->state.recipe = r->recipe;
  r->state.batch = r->plan->batch;
  r->state.pieces = r->pieces;
  r->state.length = r->plan->length;
  r->state.eval_every = r->o->eval_every ? r->o->eval_every : r->plan->eval_every;
  if (checkpoint_save(r->m, dir, r->plan->train, &r->state, r->feed) || write_averages(r, dir)) {
    bigs_error_prefix(&r->m->error, "step %" PRId64 " is not saved", r->m->step);
    return r->m->error.status;
  }
  train_say(r, event);
  return train_put(r, &r->m->error);
}

// The average is not forgotten: all ranks evaluate it.
void train_forget(TrainRun *r) {
  for (int i = 0; i < MOMENTS; i++)
    if (i != MOMENT_AVERAGE)
      team_forget(r->m, &r->m->moment[i]);
}

int train_gather(TrainRun *r) {
  int err = r->m->team ? optim_ready(r->m, r->plan->train) : 0;
  err = team_agree(r->m, err, NULL);
  for (int i = 0; i < MOMENTS && !err; i++)
    err = team_collect(r->m, &r->m->moment[i]);
  return err;
}

int train_save(TrainRun *r) {
  if (r->saved == r->m->step)
    return 0;
  int err = train_gather(r);
  err = err || !team_first(r->m) ? err : train_write(r, r->o->out, "save");
  train_forget(r);
  err = team_agree(r->m, err, NULL);
  if (!err)
    r->saved = r->m->step;
  return err;
}

// The training loop: see train.h.  What it calls stands in train_plan.c (what a run is going to be), train_step.c (a step, its
// pieces), train_held_out.c (evaluation, the best, patience), train_pace.c (schedules of the data), train_save.c (folder,
// checkpoints) and train_log.c (log, progress).
#include "runtime/train/train.h"
#include "base/clock.h"
#include "runtime/exec/pieces.h"
#include "runtime/exec/team.h"
#include "runtime/train/train_internal.h"
#include <inttypes.h>
#include <stdlib.h>

static int one_step(TrainRun *r) {
  bigs_model *m = r->m;
  OptReport report = {.piece = -1};
  float loss;
  int err = train_take_step(r, &loss, &report);
  if (err || r->cut)
    return err;
  double now = clock_seconds();
  r->state.seconds += now - r->before;
  r->before = now;
  r->state.tokens += r->step_tokens;
  r->tokens += r->step_tokens;
  r->sum_loss += loss;
  r->nsum++;
  r->rate = report.rate;
  r->norm = report.norm;
  train_show(r, loss, now);
  bool last = m->step == r->recipe.steps;
  bool due = m->step % r->log_every == 0 || last;
  return due ? team_agree(m, train_log_steps(r), NULL) : 0;
}

static int steps_and_saves(TrainRun *r) {
  int err = one_step(r);
  if (err || r->cut)
    return err;
  if (r->eval_every > 0 && (r->m->step % r->eval_every == 0 || r->m->step == r->recipe.steps))
    err = train_held_out(r);
  if (!err && r->m->step % r->save_every == 0)
    err = train_save(r);
  r->before = clock_seconds();
  return err;
}

static int stop_early(TrainRun *r) {
  r->result->early = true;
  train_say(r, "early");
  record_int(&r->record, "best_step", r->state.best_step);
  return train_put(r, &r->m->error);
}

// A team stops when one of its ranks is to.  Each part of a step tells all ranks how it went.
static int loop(TrainRun *r) {
  bool stop = train_stopped(r);
  int err = team_agree(r->m, 0, &stop);
  while (r->m->step < r->recipe.steps && !stop && !err && !train_stalled(r)) {
    err = steps_and_saves(r);
    stop = train_stops(r);
  }
  if (err)
    return err;
  err = train_save(r);
  if (err || r->m->step >= r->recipe.steps)
    return err;
  if (!stop)
    return stop_early(r);
  train_say(r, "interrupted");
  train_put(r, NULL);
  return bigs_fail(&r->m->error, BIGS_EINTERRUPT, "interrupted; step %" PRId64 " is saved",
                   r->m->step);
}

static int choose_lengths(TrainRun *r) {
  const BigsTrain *t = &r->m->module->train[r->plan->train];
  r->recipe = r->plan->recipe;
  if (!r->recipe.steps && t->epochs > 0 && t->nbatch_piece && r->feed->epoch_rows > 0)
    r->recipe.steps = train_steps(t, r->plan->batch, t->epochs * (double)r->feed->epoch_rows);
  else if (!r->recipe.steps && t->epochs > 0 && r->feed->epoch_steps > 0)
    r->recipe.steps = at_least_one((int64_t)(t->epochs * (double)r->feed->epoch_steps + 0.5));
  if (!r->recipe.steps)
    return bigs_fail(&r->m->error, BIGS_EUSAGE,
                     "%s does not say how long to train: `steps = 1000` or `epochs = 3` in the "
                     "train block, or --steps 1000",
                     t->name);
  int64_t tenth = at_least_one(r->recipe.steps / 10);
  r->save_every = r->o->save_every > 0 ? r->o->save_every : tenth < 1000 ? tenth : 1000;
  r->eval_every = r->o->eval_every      ? r->o->eval_every
                  : r->plan->eval_every ? r->plan->eval_every
                                        : r->save_every;
  r->log_every = r->o->log_every > 0 ? r->o->log_every : 10;
  r->progress = r->o->progress;
  if (r->progress.every <= 0)
    r->progress.every = at_least_one(r->recipe.steps / 30);
  return 0;
}

static void begin_from_nothing(TrainRun *r) {
  r->m->step = 0;
  r->m->moment_train = -1; // moments start from zero
  r->m->seed = r->plan->seed;
}

// All ranks have what the first one has.
static int share_state(TrainRun *r) {
  bigs_model *m = r->m;
  int err = region_own(m, &m->param, "parameters");
  err = err ? err : team_cut(m, pieces_shares(r->pieces));
  err = team_agree(m, err, NULL);
  err = err ? err : team_share(m, &m->param);
  for (int i = 0; i < MOMENTS && !err && r->o->resume; i++)
    err = team_share(m, &m->moment[i]);
  train_forget(r);
  m->weights_version++;
  return err;
}

// The first rank opens the folder before others look into it.
static int begin(TrainRun *r) {
  bigs_model *m = r->m;
  int err = choose_lengths(r);
  err = err || r->o->resume ? err : train_check_start(m);
  err = err || !team_first(m) ? err : train_begin_folder(r);
  err = team_agree(m, err, NULL);
  if (!err && r->o->resume) {
    err = team_agree(m, train_load(r), NULL);
    r->saved = m->step;
  } else if (!err)
    begin_from_nothing(r);
  return err || !m->team ? err : share_state(r);
}

static int start(TrainRun *r) {
  bigs_model *m = r->m;
  r->saved = -1;
  r->state.best_step = -1;
  int err = train_check_measure_name(m, r->o->best_by);
  err = err ? err : begin(r);
  err = err ? err : train_check_pace(r);
  err = err ? err : train_choose_measure(r);
  err = err ? err : train_log_start(r);
  err = err ? err : train_find_held_out(r);
  err = err ? err : train_check_measure(r);
  err = team_agree(m, err, NULL);
  if (err)
    return err;
  r->first_step = r->result->first_step = m->step;
  r->first_seconds = r->state.seconds;
  r->begin = r->before = clock_seconds();
  return 0;
}

int train_run(bigs_model *m, const TrainPlan *plan, const Feed *feed, const TrainOptions *o,
              TrainResult *result) {
  TrainResult unused;
  TrainRun r = {.m = m,
                .plan = plan,
                .feed = feed,
                .o = o,
                .result = result ? result : &unused,
                .pieces = at_least_one(plan->pieces)};
  *r.result = (TrainResult){0};
  train_clear_error(m);
  m->asked_step = (StepSize){plan->batch, r.pieces, o->team ? o->team->ranks : 1};
  int err = o->team ? team_join(m, o->team) : 0;
  err = err ? err : start(&r);
  err = err ? err : loop(&r);
  double now = clock_seconds();
  r.result->step = m->step;
  r.result->best = r.state.best;
  r.result->best_step = r.state.best_step;
  r.result->seconds = r.begin > 0 ? now - r.begin : 0;
  r.result->tokens_per_second = r.begin > 0 ? train_speed(&r) : 0;
  progress_end(&r.progress);
  if (r.log && !err) {
    train_say(&r, "end");
    if (m->team && m->team->sent)
      record_int(&r.record, "sent", m->team->sent);
    err = log_write(r.log, &r.record, &m->error);
  }
  log_close(r.log);
  team_leave(m);
  m->asked_step = (StepSize){0};
  m->pieces = m->piece = 0;
  free(r.record.s);
  state_free(&r.state);
  return err;
}

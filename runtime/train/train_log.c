// What a run says of itself: records in its log, lines of progress, and the end by a value that is not finite.
#include "runtime/train/train_internal.h"
#include "runtime/exec/team.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void train_say(TrainRun *r, const char *event) {
  record_begin(&r->record);
  record_text(&r->record, "event", event);
  record_int(&r->record, "step", r->m->step);
}

// Of a team the first rank has the log, and all else that is in the folder.
int train_put(TrainRun *r, BigsError *e) {
  return r->log ? log_write(r->log, &r->record, e) : 0;
}

static void put_dims(TrainRun *r) {
  const BigsModule *module = r->m->module;
  JsonText t = {0};
  record_begin(&t);
  for (int i = 0; i < module->nconst; i++)
    record_number(&t, module->constant[i].name, module->constant[i].value);
  record_end(&t);
  record_raw(&r->record, "dims", t.s ? t.s : "null");
  free(t.s);
}

int train_log_start(TrainRun *r) {
  char cpu[128];
  cpu_name(cpu, sizeof cpu);
  train_say(r, r->o->resume ? "resume" : "start");
  record_text(&r->record, "version", r->m->module->version);
  record_text(&r->record, "model", r->m->module->model);
  record_text(&r->record, "train", r->m->module->train[r->plan->train].name);
  record_text(&r->record, "flags", r->o->flags);
  record_int(&r->record, "seed", (int64_t)r->m->seed);
  record_text(&r->record, "cpu", cpu);
  record_text(&r->record, "target", r->m->module->target);
  record_int(&r->record, "threads", r->m->threads);
  if (r->m->team)
    record_int(&r->record, "ranks", r->m->team->ranks);
  record_int(&r->record, "steps", r->recipe.steps);
  record_int(&r->record, "batch", r->plan->batch);
  record_int(&r->record, "pieces", r->pieces);
  record_int(&r->record, "length", r->plan->length);
  record_number(&r->record, "rate", r->recipe.rate);
  put_dims(r);
  return train_put(r, &r->m->error);
}

// Of the steps alone: saving and evaluating apart.
double train_speed(const TrainRun *r) {
  double t = r->state.seconds - r->first_seconds;
  return t > 0 ? (double)r->tokens / t : 0;
}

// What schedules made of the last step.
static void put_pace(TrainRun *r) {
  const BigsTrain *t = &r->m->module->train[r->plan->train];
  if (t->nbatch_piece)
    record_int(&r->record, "batch", r->rows);
  if (t->nmask_piece)
    record_number(&r->record, "masked", r->masked);
}

int train_log_steps(TrainRun *r) {
  record_begin(&r->record);
  record_int(&r->record, "step", r->m->step);
  record_number(&r->record, "loss", r->sum_loss / (double)r->nsum);
  record_number(&r->record, "rate", r->rate);
  record_number(&r->record, "norm", r->norm);
  record_number(&r->record, "tokens_s", train_speed(r));
  record_int(&r->record, "tokens", r->state.tokens);
  put_pace(r);
  record_number(&r->record, "seconds", r->state.seconds);
  record_int(&r->record, "memory", process_bytes());
  r->result->loss = r->sum_loss / (double)r->nsum;
  r->sum_loss = 0;
  r->nsum = 0;
  return train_put(r, &r->m->error);
}

void train_show(TrainRun *r, double loss, double now) {
  int64_t done = r->m->step - r->first_step, left = r->recipe.steps - r->m->step;
  if (!progress_due(&r->progress, r->m->step, now))
    return;
  ProgressNow v = {.step = r->m->step,
                   .steps = r->recipe.steps,
                   .loss = loss,
                   .rate = r->rate,
                   .tokens_per_second = train_speed(r),
                   .seconds_left = done > 0 ? (now - r->begin) / (double)done * (double)left : 0,
                   .memory = process_bytes()};
  progress_show(&r->progress, &v, now);
}

void train_clear_error(bigs_model *m) {
  m->error.status = 0;
  m->error.text[0] = 0;
  m->team_told = false;
}

// Ends the run: what was `said` of step `step`, and what is saved.  looked: the work was repeated with a look at every op's
// results, and ended with `status`.
int train_end_numeric(TrainRun *r, int64_t step, const char *said, bool looked, int status) {
  bigs_model *m = r->m;
  char found[256] = "", last[96], doubt[512];
  if (r->saved >= 0)
    snprintf(last, sizeof last, "the last good checkpoint is of step %" PRId64, r->saved);
  else
    snprintf(last, sizeof last, "there is no checkpoint yet");
  if (looked)
    snprintf(found, sizeof found, "; %.250s",
             status == BIGS_ENUMERIC ? m->error.text : "no single op's result shows why");
  bool data = looked && r->feed->doubt && r->feed->doubt(r->feed->ctx, doubt, sizeof doubt);
  bigs_fail(&m->error, BIGS_ENUMERIC, "step %" PRId64 ": %s%s%s%s; %s", step, said, found,
            data ? ": " : "", data ? doubt : "", last);
  train_say(r, "numeric");
  record_text(&r->record, "error", m->error.text);
  train_put(r, NULL);
  return BIGS_ENUMERIC;
}

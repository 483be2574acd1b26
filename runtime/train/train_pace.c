// What changes from step to step by the block's schedules: the rows of a batch, and the share of masked tokens.
#include "runtime/train/train_internal.h"
#include <math.h>

// Of growth by this factor: a whole number, at least 1.
static int64_t times_of(double factor) {
  return at_least_one((int64_t)floor(factor + 0.5));
}

int64_t train_rows(const BigsTrain *t, int64_t batch, int64_t step, int64_t total) {
  return batch * times_of(schedule_factor(t->batch_piece, t->nbatch_piece, step, total));
}

static double highest(const BigsPiece *piece, int n) {
  double most = 1;
  for (int i = 0; i < n; i++)
    most = fmax(most, piece[i].to);
  return most;
}

int64_t train_most_rows(const BigsTrain *t, int64_t batch) {
  return batch * times_of(highest(t->batch_piece, t->nbatch_piece));
}

double train_most_masked(const BigsTrain *t) {
  return t->mask_rate * highest(t->mask_piece, t->nmask_piece);
}

// Rows of all steps together.
static double rows_of_run(const BigsTrain *t, int64_t batch, int64_t total) {
  double rows = 0;
  for (int64_t i = 0; i < total; i++)
    rows += (double)train_rows(t, batch, i, total);
  return rows;
}

int64_t train_steps(const BigsTrain *t, int64_t batch, double rows) {
  int64_t too_few = 0, enough = at_least_one((int64_t)ceil(rows / (double)batch));
  while (enough - too_few > 1) {
    int64_t middle = too_few + (enough - too_few) / 2;
    if (rows_of_run(t, batch, middle) < rows)
      too_few = middle;
    else
      enough = middle;
  }
  return enough;
}

int train_check_pace(TrainRun *r) {
  const BigsTrain *t = &r->m->module->train[r->plan->train];
  return r->feed->pace || !(t->nbatch_piece || t->nmask_piece)
             ? 0
             : bigs_fail(&r->m->error, BIGS_EUSAGE,
                         "%s changes its batches while it trains, and this data cannot", t->name);
}

void train_pace(TrainRun *r) {
  const BigsTrain *t = &r->m->module->train[r->plan->train];
  int64_t step = r->m->step, total = r->recipe.steps;
  r->rows = train_rows(t, r->plan->batch, step, total);
  r->masked = t->mask_rate * schedule_factor(t->mask_piece, t->nmask_piece, step, total);
  r->m->asked_step.rows = r->rows;
  if (r->feed->pace)
    r->feed->pace(r->feed->ctx, (FeedPace){.times = r->rows / r->plan->batch, .masked = r->masked});
}

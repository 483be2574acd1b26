// One step of a run: its batch, at once or in pieces, and the search for the op to blame when a value is not finite.
#include "runtime/train/train_internal.h"
#include "runtime/exec/pieces.h"
#include "runtime/exec/team.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SAYS_TOKENS, SAYS_STOP }; // in bigs_model.besides

// The same batch again, looking at every op's results.
static int repeat_batch(TrainRun *r, const FeedArgs *args) {
  float loss;
  return model_gradient(r->m, r->plan->train, args->dims, args->input, &loss, true);
}

// What there is to compute a gradient of: a batch, or a piece of it.
static int next_args(TrainRun *r, int64_t number, FeedBatch *batch) {
  bigs_model *m = r->m;
  int program = m->module->train[r->plan->train].program;
  int err = r->feed->train(r->feed->ctx, number, batch, &m->error);
  return err ? err : feed_args(m->module, program, batch, &r->args, &m->error);
}

// This rank's pieces are neighbours.
static StepPieces pieces_of(TrainRun *r) {
  const Team *t = r->m->team;
  int64_t own = r->pieces / (t ? t->ranks : 1);
  return (StepPieces){.n = r->pieces, .first = t ? own * t->rank : 0, .own = own, .ctx = r};
}

// Which piece it was is not known: the first one with a result that is not finite is.
static int repeat_pieces(TrainRun *r) {
  bigs_model *m = r->m;
  StepPieces p = pieces_of(r);
  FeedBatch batch = {0};
  int err = r->feed->again ? r->feed->again(r->feed->ctx, &m->error) : 0;
  for (int64_t i = p.first; i < p.first + p.own && !err; i++) {
    m->piece = i;
    err = next_args(r, m->step * p.n + i, &batch);
    err = err ? err : repeat_batch(r, &r->args);
    if (err)
      bigs_error_prefix(&m->error, "in piece %" PRId64 " of %" PRId64, i + 1, p.n);
  }
  return err;
}

static int explain_numeric(TrainRun *r, const OptReport *report) {
  char said[256];
  int status = 0;
  snprintf(said, sizeof said, "%.250s", r->m->error.text);
  if (!report->spoilt) {
    train_clear_error(r->m);
    status = r->pieces > 1 && report->piece < 0 ? repeat_pieces(r) : repeat_batch(r, &r->args);
    status = team_agree(r->m, status, NULL);
  }
  return train_end_numeric(r, r->m->step + 1, said, !report->spoilt, status);
}

bool train_stopped(const TrainRun *r) {
  return r->o->stop && *r->o->stop;
}

bool train_stops(const TrainRun *r) {
  return r->cut || (r->m->team ? r->m->besides[SAYS_STOP] > 0 : train_stopped(r));
}

// All ranks hear of it at the end of the gradient.
static void say_besides(TrainRun *r, const FeedBatch *batch) {
  r->m->besides[SAYS_TOKENS] += (double)batch->tokens;
  r->m->besides[SAYS_STOP] = train_stopped(r);
}

static int next_piece(void *ctx, int64_t i, PieceArgs *out) {
  TrainRun *r = ctx;
  FeedBatch batch = {0};
  if (train_stopped(r))
    return bigs_fail(&r->m->error, BIGS_EINTERRUPT, "interrupted");
  int err = next_args(r, r->m->step * r->pieces + i, &batch);
  *out = (PieceArgs){r->args.dims, r->args.input, at_least_one(batch.count)};
  say_besides(r, &batch);
  return err;
}

static int step_of_pieces(TrainRun *r, float *loss, OptReport *report) {
  StepPieces p = pieces_of(r);
  p.next = next_piece;
  return pieces_step(r->m, r->plan->train, &r->recipe, &p, loss, report);
}

static int step_at_once(TrainRun *r, float *loss, OptReport *report) {
  FeedBatch batch = {0};
  int err = team_agree(r->m, next_args(r, r->m->step, &batch), NULL);
  say_besides(r, &batch);
  return err ? err
             : model_step(r->m, r->plan->train, &r->recipe, r->args.dims, r->args.input,
                          at_least_one(batch.count), loss, report);
}

// Some pieces of the step are done, and lost: the run goes on from the step's beginning.
static int drop_step(TrainRun *r) {
  train_clear_error(r->m);
  r->cut = true;
  int err = r->feed->again ? r->feed->again(r->feed->ctx, &r->m->error) : 0;
  return team_agree(r->m, err, NULL);
}

int train_take_step(TrainRun *r, float *loss, OptReport *report) {
  memset(r->m->besides, 0, sizeof r->m->besides);
  train_pace(r);
  int err = r->pieces > 1 ? step_of_pieces(r, loss, report) : step_at_once(r, loss, report);
  if (err == BIGS_EINTERRUPT && r->pieces > 1)
    return drop_step(r);
  if (err == BIGS_ENUMERIC)
    return explain_numeric(r, report);
  r->step_tokens = (int64_t)r->m->besides[SAYS_TOKENS];
  return err;
}

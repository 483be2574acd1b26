// Evaluation on the way: the held-out loss, the best model of the run, and the patience with those that are no better.
#include "runtime/train/train_internal.h"
#include "runtime/exec/weights.h"
#include "runtime/exec/team.h"
#include "runtime/files/file.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int train_check_measure_name(bigs_model *m, const char *name) {
  char known[128] = "loss";
  size_t n = strlen(known);
  if (!name || !strcmp(name, known) || metric_find(name) >= 0)
    return 0;
  for (int i = 0; i < METRICS; i++)
    n += (size_t)snprintf(known + n, sizeof known - n, ", %s", metric_names[i]);
  return bigs_fail(&m->error, BIGS_EUSAGE, "the best by `%.40s`: there are %s", name, known);
}

// By what the best is chosen, which a resumed run cannot change.
int train_choose_measure(TrainRun *r) {
  const char *by = r->o->best_by ? r->o->best_by : r->o->resume ? r->state.best_by : "loss";
  if (r->o->resume && r->state.best_step >= 0 && strcmp(by, r->state.best_by) != 0)
    return bigs_fail(&r->m->error, BIGS_EUSAGE,
                     "this run chose its best by %s so far, and cannot go on by %s",
                     r->state.best_by, by);
  snprintf(r->state.best_by, sizeof r->state.best_by, "%s", by);
  return 0;
}

// Why a metric does not fit.
static const char *misfit(const EvalResult *v) {
  if (!v->rows)
    return "it has no rows with a target each";
  if (v->task.kind == OF_PAIRS)
    return v->task.numbers ? "its targets are scores: pearson or spearman fit them"
                           : "its pairs have no scores: recall fits them";
  if (v->task.kind == OF_CHOICES)
    return "its targets are choices: accuracy fits them";
  if (v->task.numbers)
    return "its targets are numbers";
  if (v->task.kind == OF_SPANS)
    return "its targets are answers: exact or f1 fit them";
  return v->task.kind == OF_TAGS ? "its targets are tags, and f1 wants those of entities (B- I- O)"
                                 : "its targets are classes, and f1 and matthews want two";
}

// A first look at what is held out: does the metric fit it?  What the weights lacked is this run's to train, and may be looked at.
int train_check_measure(TrainRun *r) {
  int metric = metric_find(r->state.best_by);
  EvalResult v;
  if (!r->o->best_by)
    return 0;
  if (!r->can_evaluate)
    return bigs_fail(&r->m->error, BIGS_EMODEL,
                     "nothing is held out that the best could be chosen by");
  if (metric < 0)
    return 0;
  weights_trained(r->m, r->plan->train);
  int err = evaluate(r->m, r->feed, 1, &v);
  if (!err && (!v.rows || !metric_fits((MetricId)metric, &v.task)))
    err = bigs_fail(&r->m->error, BIGS_EUSAGE, "%s does not fit what is held out: %s",
                    r->state.best_by, misfit(&v));
  return err;
}

int train_find_held_out(TrainRun *r) {
  FeedBatch batch = {0};
  if (!r->feed->held_out || r->eval_every < 0)
    return 0;
  int err = r->feed->held_out(r->feed->ctx, 0, &batch, &r->m->error);
  r->can_evaluate = !err && batch.nfield && evaluate_possible(r->m->module, &batch);
  return r->can_evaluate ? evaluate_reserve(r->m, &batch) : err;
}

static int write_best(TrainRun *r, const char *dir) {
  int err = train_folder_in(r, dir);
  return err ? err : train_write(r, dir, "best");
}

// By the average of the parameters, where there is one.
static int evaluate_average(TrainRun *r, int64_t batches, EvalResult *v) {
  int err = team_gather(r->m, &r->m->moment[MOMENT_AVERAGE]);
  bool swapped = !err && optim_swap_average(r->m);
  err = err ? err : evaluate(r->m, r->feed, batches, v);
  if (swapped)
    optim_swap_average(r->m);
  return err;
}

static int explain_average(TrainRun *r, int64_t batches) {
  bool swapped = optim_swap_average(r->m);
  int status = evaluate_explain(r->m, r->feed, batches);
  if (swapped)
    optim_swap_average(r->m);
  return status;
}

static int save_best(TrainRun *r) {
  char *dir = file_join(r->o->out, "best", &r->m->error);
  int err = team_agree(r->m, dir ? 0 : r->m->error.status, NULL);
  err = err ? err : train_gather(r);
  err = err || !team_first(r->m) ? err : write_best(r, dir);
  train_forget(r);
  free(dir);
  return team_agree(r->m, err, NULL);
}

// Is it better than all before?  A metric is the better the greater it is.
static bool note_best(TrainRun *r, const EvalResult *v) {
  int metric = metric_find(r->state.best_by);
  double x = metric < 0 ? v->loss : v->metric[metric], best = r->state.best;
  if (isnan(x) || (r->state.best_step >= 0 && !(metric < 0 ? x < best : x > best)))
    return false;
  r->state.best = x;
  r->state.best_step = r->m->step;
  return true;
}

// After an evaluation: has there been no better one for long enough?
bool train_stalled(const TrainRun *r) {
  int64_t best = r->state.best_step > 0 ? r->state.best_step : 0;
  return r->o->patience > 0 && r->eval_every > 0 && r->m->step % r->eval_every == 0 &&
         (r->m->step - best) / r->eval_every >= r->o->patience;
}

// On the way a few batches tell the trend, always the same ones; the last step is judged by all.
enum { EVAL_BATCHES = 16 };

static int spoilt_evaluation(TrainRun *r, int64_t batches, double loss) {
  char said[64];
  snprintf(said, sizeof said, "the held-out loss is %g", bigs_shown(loss));
  train_clear_error(r->m);
  return train_end_numeric(r, r->m->step, said, true, explain_average(r, batches));
}

static void say_held_out(TrainRun *r, const EvalResult *v) {
  char text[256];
  size_t n = (size_t)snprintf(text, sizeof text, "held-out loss %s", bigs_number(v->loss, 4).text);
  if (!isnan(v->perplexity))
    n += (size_t)snprintf(text + n, sizeof text - n, "  perplexity %s",
                          bigs_number(v->perplexity, 2).text);
  if (!v->rows || metric_fits(METRIC_accuracy, &v->task))
    n += (size_t)snprintf(text + n, sizeof text - n, "  accuracy %.1f %%", 100 * v->accuracy);
  for (int i = 0; i < METRICS && v->rows && n < sizeof text; i++)
    if (i != METRIC_accuracy && metric_fits((MetricId)i, &v->task))
      n += (size_t)snprintf(text + n, sizeof text - n, "  %s %s", metric_names[i],
                            bigs_number(v->metric[i], 4).text);
  progress_say(&r->progress, "step %" PRId64 "  %s", r->m->step, text);
}

int train_held_out(TrainRun *r) {
  EvalResult v;
  int64_t batches = r->m->step == r->recipe.steps || r->o->best_by ? 0 : EVAL_BATCHES * r->pieces;
  if (!r->can_evaluate)
    return 0;
  int err = evaluate_average(r, batches, &v);
  if (err || !isfinite(v.loss))
    return err ? err : spoilt_evaluation(r, batches, v.loss);
  r->result->evaluated = true;
  r->result->held_out = v;
  bool better = note_best(r, &v);
  say_held_out(r, &v);
  train_say(r, "held_out");
  record_number(&r->record, "loss", v.loss);
  if (!isnan(v.perplexity))
    record_number(&r->record, "perplexity", v.perplexity);
  if (!v.rows || metric_fits(METRIC_accuracy, &v.task))
    record_number(&r->record, "accuracy", v.accuracy);
  for (int i = 0; i < METRICS && v.rows; i++)
    if (i != METRIC_accuracy && metric_fits((MetricId)i, &v.task))
      record_number(&r->record, metric_names[i], v.metric[i]);
  record_int(&r->record, "count", v.count);
  err = team_agree(r->m, train_put(r, &r->m->error), NULL);
  return err || !better || !r->o->best_by ? err : save_best(r);
}

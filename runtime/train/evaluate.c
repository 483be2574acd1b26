// Held-out loss and accuracy: see evaluate.h.
#include "runtime/train/evaluate.h"
#include "runtime/exec/team.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct Tally {
  double loss;
  int64_t right, count;
} Tally;

// Adds one prediction: scores[0, n), of which `label` would be right.  Sums in float64.
static void tally_add(Tally *t, const float *scores, int64_t n, int64_t label) {
  int64_t best = 0;
  double sum = 0;
  if (label < 0 || label >= n)
    return;
  for (int64_t i = 1; i < n; i++)
    if (scores[i] > scores[best])
      best = i;
  for (int64_t i = 0; i < n; i++)
    sum += exp((double)scores[i] - scores[best]);
  t->loss += log(sum) + scores[best] - scores[label];
  t->right += best == label;
  t->count++;
}

// The tally of all ranks, where there are several.
static int tally_together(bigs_model *m, int err, Tally *t) {
  double number[] = {t->loss, (double)t->right, (double)t->count};
  err = team_together(m, err, number, COUNT(number));
  *t = (Tally){number[0], (int64_t)number[1], (int64_t)number[2]};
  return err;
}

static EvalResult tally_result(const Tally *t) {
  double n = t->count ? (double)t->count : NAN;
  return (EvalResult){t->loss / n, exp(t->loss / n), (double)t->right / n, t->count};
}

// What of a batch is predicted: labels, and the row of the entry's output that each is about.
typedef struct Task {
  const char *entry;
  const int32_t *row; // NULL: prediction i is about row i
  const int32_t *label;
  int64_t n;
} Task;

static bool task_of(const FeedBatch *batch, Task *out) {
  const FeedField *at = feed_find(batch, "at"), *labels = feed_find(batch, "labels"),
                  *target = feed_find(batch, "target");
  if (at && labels && at->rank == 1 && labels->rank == 1 && at->shape[0] == labels->shape[0]) {
    *out = (Task){"logits", at->data, labels->data, labels->shape[0]};
    return true;
  }
  if (!target || target->rank < 1 || target->rank > 2 || target->dtype != DT_I32)
    return false;
  int64_t n = target->shape[0] * (target->rank == 2 ? target->shape[1] : 1);
  *out = (Task){target->rank == 2 ? "logits" : "scores", NULL, target->data, n};
  return true;
}

bool evaluate_possible(const BigsModule *module, const FeedBatch *batch) {
  Task task;
  return task_of(batch, &task) && bigs_model_entry(module, task.entry) >= 0;
}

// Rows and classes of an entry's output for given dims.
static int output_size(bigs_model *m, const BigsProgram *p, const int64_t *dims, int64_t *rows,
                       int64_t *classes) {
  const BigsTensor *t = &p->output[0];
  int64_t extent;
  *rows = *classes = 1;
  if (t->rank < 1 || t->dtype != DT_F32)
    return bigs_fail(&m->error, BIGS_EMODEL, "entry %s does not hold scores", p->name);
  for (int a = 0; a < t->rank; a++) {
    if (!poly_size(&t->extent[a], dims, &extent) ||
        __builtin_mul_overflow(*rows, a + 1 < t->rank ? extent : 1, rows))
      return bigs_fail(&m->error, BIGS_EMODEL, "entry %s is too large", p->name);
    *classes = extent;
  }
  return 0;
}

typedef struct Scores {
  float *v;
  int64_t cap;
} Scores;
static int reserve(bigs_model *m, Scores *s, int64_t n) {
  if (n <= s->cap)
    return 0;
  free(s->v);
  s->v = model_alloc(m, (size_t)n, sizeof *s->v, "scores");
  s->cap = s->v ? n : 0;
  return s->v ? 0 : m->error.status;
}

static int evaluate_batch(bigs_model *m, const FeedBatch *batch, bool check, Scores *s,
                          Tally *tally) {
  FeedArgs args;
  Task task;
  int64_t rows, classes;
  int entry = task_of(batch, &task) ? bigs_model_entry(m->module, task.entry) : -1;
  if (entry < 0)
    return bigs_fail(&m->error, BIGS_EMODEL, "the model has no entry `%s` to be evaluated",
                     task.entry ? task.entry : "scores");
  const BigsProgram *p = &m->module->program[entry];
  if (feed_args(m->module, entry, batch, &args, &m->error) ||
      output_size(m, p, args.dims, &rows, &classes) || reserve(m, s, rows * classes))
    return m->error.status;
  if (exec_run(m, entry, args.dims, args.input, (void *[]){s->v},
               (RunFlags){.check = check, .seed = m->seed}))
    return m->error.status;
  for (int64_t i = 0; i < task.n; i++) {
    int64_t row = task.row ? task.row[i] : i;
    if (row < 0 || row >= rows || task.label[i] >= classes)
      return bigs_fail(&m->error, BIGS_EMODEL, "entry %s has no row %" PRId64 " of class %" PRId32,
                       p->name, row, task.label[i]);
    tally_add(tally, s->v + row * classes, classes, task.label[i]);
  }
  return 0;
}

int evaluate_reserve(bigs_model *m, const FeedBatch *batch) {
  FeedArgs args;
  Task task;
  int entry = task_of(batch, &task) ? bigs_model_entry(m->module, task.entry) : -1;
  if (entry < 0)
    return 0;
  int err = feed_args(m->module, entry, batch, &args, &m->error);
  return err ? err : exec_reserve(m, entry, args.dims);
}

static int evaluate_all(bigs_model *m, const Feed *feed, int64_t max_batches, bool check,
                        EvalResult *out) {
  Tally tally = {0};
  Scores scores = {0};
  int err = 0;
  // The ranks of a team take batches in turn.
  int64_t first = m->team ? m->team->rank : 0, every = m->team ? m->team->ranks : 1;
  for (int64_t i = first; (max_batches <= 0 || i < max_batches) && feed->held_out && !err;
       i += every) {
    FeedBatch batch = {0};
    err = feed->held_out(feed->ctx, i, &batch, &m->error);
    if (err || !batch.nfield)
      break;
    err = evaluate_batch(m, &batch, check, &scores, &tally);
  }
  free(scores.v);
  err = tally_together(m, err, &tally);
  if (!err && !tally.count)
    err = bigs_fail(&m->error, BIGS_EMODEL, "nothing is held out");
  *out = tally_result(&tally);
  return err;
}

int evaluate(bigs_model *m, const Feed *feed, int64_t max_batches, EvalResult *out) {
  return evaluate_all(m, feed, max_batches, false, out);
}

int evaluate_explain(bigs_model *m, const Feed *feed, int64_t max_batches) {
  EvalResult unused;
  return evaluate_all(m, feed, max_batches, true, &unused);
}

// Held-out loss and accuracy: see evaluate.h.
#include "runtime/train/evaluate_internal.h"
#include "runtime/exec/team.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <math.h>

typedef struct Tally {
  double loss;
  int64_t right, count;
} Tally;

static void tally_add(Tally *t, const float *scores, int64_t n, int64_t label) {
  double loss;
  if (label < 0 || label >= n)
    return;
  t->right += eval_best_class(scores, n, 1, label, &loss) == label;
  t->loss += loss;
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
  return (EvalResult){.loss = t->loss / n,
                      .perplexity = exp(t->loss / n),
                      .accuracy = (double)t->right / n,
                      .count = t->count};
}

// What of a batch is predicted: labels, and the row of the entry's output that each is about.
typedef struct Task {
  const char *entry, *like; // and what that is to hold
  const int64_t *shape;     // of its rows: the axes before the last one; NULL: any
  int rank;
  const int32_t *row; // NULL: prediction i is about row i
  const int32_t *label;
  const float *value; // instead of labels
  int64_t n;
  bool rows; // one target a row, or a word: metrics are computed
  MetricKind kind;
  const int32_t *part; // OF_TAGS: [B], the text that a row is of
} Task;

static const char words_like[] = "[B, L, V], the scores of the words at each place";

static bool same_shape(const FeedField *a, const FeedField *b) {
  return a && b && a->rank == 1 && b->rank == 1 && a->shape[0] == b->shape[0];
}

static void task_of_places(const FeedBatch *batch, const FeedField *at, const FeedField *label,
                           Task *out) {
  const FeedField *ids = feed_find(batch, "ids");
  *out = (Task){.entry = "logits",
                .like = words_like,
                .shape = ids && ids->rank == 2 ? ids->shape : NULL,
                .rank = 2,
                .row = at->data,
                .label = label->data,
                .n = label->shape[0]};
}

static void task_of_words(const FeedBatch *batch, const FeedField *at, const FeedField *target,
                          Task *out) {
  task_of_places(batch, at, target, out);
  out->entry = "tags";
  out->like = "[B, L, C], the scores of the tags at each place";
  out->rows = true;
  out->kind = OF_TAGS;
  out->part = batch->part;
}

static bool task_of_rows(const FeedField *target, Task *out) {
  bool rows = target->rank == 1, numbers = target->dtype == DT_F32;
  if (target->rank < 1 || target->rank > 2 || (numbers ? !rows : target->dtype != DT_I32))
    return false;
  int64_t n = target->shape[0] * (rows ? 1 : target->shape[1]);
  *out = (Task){.entry = rows ? "scores" : "logits",
                .like = rows ? "[B, C], the scores of a row's classes" : words_like,
                .shape = target->shape,
                .rank = target->rank,
                .n = n,
                .rows = rows};
  if (numbers)
    out->value = target->data;
  else
    out->label = target->data;
  return true;
}

static void task_of_spans(const FeedField *context, Task *out) {
  *out = (Task){.entry = "spans",
                .like = "[B, L, 2], the scores of being an answer's start and end",
                .shape = context->shape,
                .rank = 2,
                .n = context->shape[0],
                .rows = true,
                .kind = OF_SPANS};
}

static void task_of_pairs(const FeedField *ids, Task *out) {
  *out = (Task){.entry = "embed",
                .like = "a vector a row, [B, H]",
                .shape = ids->shape,
                .rank = 1,
                .n = ids->shape[0],
                .rows = true,
                .kind = OF_PAIRS};
}

static bool task_of(const FeedBatch *batch, Task *out) {
  const FeedField *at = feed_find(batch, "at"), *labels = feed_find(batch, "labels"),
                  *target = feed_find(batch, "target"), *context = feed_find(batch, "context"),
                  *ids_a = feed_find(batch, "ids_a");
  *out = (Task){0};
  if (feed_find(batch, "start") && context)
    task_of_spans(context, out);
  else if (ids_a && feed_find(batch, "ids_b"))
    task_of_pairs(ids_a, out);
  else if (same_shape(at, labels))
    task_of_places(batch, at, labels, out);
  else if (batch->part && same_shape(at, target))
    task_of_words(batch, at, target, out);
  else if (!target || !task_of_rows(target, out))
    return false;
  out->kind = batch->choices ? OF_CHOICES : out->kind;
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

// ---- does the entry's output fit what is predicted?
// Targets are numbers: one for each row.
static int check_numbers(bigs_model *m, const Task *task, const char *entry, int64_t scores) {
  if (scores == task->n)
    return 0;
  return bigs_fail(&m->error, BIGS_EMODEL,
                   "entry %s has %" PRId64 " numbers for %" PRId64
                   " rows: where targets are numbers it has one a row, as [B] or [B, 1]",
                   entry, scores, task->n);
}

// A batch's rows as the axes before the last one, in their order.
static bool has_shape(const Task *task, const BigsTensor *t, const int64_t *dims, int64_t classes) {
  int64_t extent;
  bool same = !task->shape || t->rank == task->rank + 1;
  for (int a = 0; a < task->rank && task->shape && same; a++)
    same = poly_size(&t->extent[a], dims, &extent) && extent == task->shape[a];
  return same && (task->kind != OF_SPANS || classes == 2);
}

static int check_labels(bigs_model *m, const Task *task, const char *entry, int64_t rows,
                        int64_t classes) {
  for (int64_t i = 0; i < task->n && task->label; i++) {
    int64_t row = task->row ? task->row[i] : i;
    if (row < 0 || row >= rows || task->label[i] >= classes)
      return bigs_fail(&m->error, BIGS_EMODEL,
                       "entry %s has no row %" PRId64 " of class %" PRId32 ": it holds %" PRId64
                       " rows of %" PRId64 " classes",
                       entry, row, task->label[i], rows, classes);
  }
  return 0;
}

// Rows and classes of an entry's output for given dims.
static int task_size(bigs_model *m, const Task *task, const BigsProgram *p, const int64_t *dims,
                     int64_t *rows, int64_t *classes) {
  if (output_size(m, p, dims, rows, classes))
    return m->error.status;
  if (task->value)
    return check_numbers(m, task, p->name, *rows * *classes);
  if (!has_shape(task, &p->output[0], dims, *classes))
    return bigs_fail(&m->error, BIGS_EMODEL,
                     "entry %s is not %s, by which what is held out is judged: give it that shape, "
                     "or another name",
                     p->name, task->like);
  return check_labels(m, task, p->name, *rows, *classes);
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

typedef struct Evaluation {
  bigs_model *m;
  const Feed *feed;
  bool check;
  Scores scores;
  Tally tally;
  EvalRows *rows;
} Evaluation;

static int add_number(Evaluation *v, const float *score, float target) {
  double off = (double)*score - target;
  return eval_rows_add(v->rows, (EvalRow){target, *score, off * off, 0}, &v->m->error);
}

static int add_class(Evaluation *v, const float *scores, int64_t n, int64_t label, double part) {
  double loss;
  int64_t best = eval_best_class(scores, n, 1, label, &loss);
  EvalRow row = {NAN, isfinite(loss) ? (double)best : NAN, NAN, part};
  if (label >= 0) {
    row.target = (double)label;
    row.loss = loss;
  }
  return eval_rows_add(v->rows, row, &v->m->error);
}

static int add_numbers(Evaluation *v, const Task *task) {
  int err = 0;
  v->rows->task = (MetricTask){.numbers = true};
  for (int64_t i = 0; i < task->n && !err; i++)
    err = add_number(v, v->scores.v + i, task->value[i]);
  return err;
}

static MetricTask classes_of(const Feed *feed, MetricKind kind, int64_t scores) {
  bool named = feed->classes > 0;
  return (MetricTask){.kind = kind,
                      .classes = named ? feed->classes : scores,
                      .positive = named ? (double)feed->last_class : 1,
                      .names = feed->labels};
}

static int add_labels(Evaluation *v, const Task *task, int64_t classes) {
  int err = 0;
  v->rows->task = classes_of(v->feed, task->kind, classes);
  for (int64_t i = 0; i < task->n && !err; i++) {
    int64_t row = task->row ? task->row[i] : i;
    if (task->rows)
      err = add_class(v, v->scores.v + row * classes, classes, task->label[i],
                      task->part ? task->part[row / task->shape[1]] : 0);
    else
      tally_add(&v->tally, v->scores.v + row * classes, classes, task->label[i]);
  }
  return err;
}

static int add_spans(Evaluation *v, const FeedBatch *batch) {
  v->rows->task = (MetricTask){.kind = OF_SPANS};
  return eval_spans_add(v->rows, batch, v->scores.v, &v->m->error);
}

// Its scores are v->scores.
static int run_entry(Evaluation *v, const Task *task, int entry, const FeedBatch *batch,
                     int64_t *classes) {
  bigs_model *m = v->m;
  FeedArgs args;
  int64_t rows;
  if (feed_args(m->module, entry, batch, &args, &m->error) ||
      task_size(m, task, &m->module->program[entry], args.dims, &rows, classes) ||
      reserve(m, &v->scores, rows * *classes))
    return m->error.status;
  exec_run(m, entry, args.dims, args.input, (void *[]){v->scores.v},
           (RunFlags){.check = v->check, .seed = m->seed});
  return m->error.status;
}

static int add_pairs(Evaluation *v, const Task *task, int entry, const FeedBatch *batch) {
  FeedField field[EVAL_SIDE_FIELDS];
  FeedBatch text;
  int64_t width;
  v->rows->task = (MetricTask){.kind = OF_PAIRS};
  for (int side = 0; side < 2; side++) {
    eval_side(batch, side, field, &text);
    if (run_entry(v, task, entry, &text, &width) ||
        eval_pairs_add(v->rows, batch, side, v->scores.v, width, &v->m->error))
      return v->m->error.status;
  }
  return 0;
}

static int evaluate_batch(Evaluation *v, const FeedBatch *batch) {
  bigs_model *m = v->m;
  Task task;
  int64_t classes;
  int entry = task_of(batch, &task) ? bigs_model_entry(m->module, task.entry) : -1;
  if (entry < 0)
    return bigs_fail(&m->error, BIGS_EMODEL, "the model has no entry `%s` to be evaluated",
                     task.entry ? task.entry : "scores");
  if (task.kind == OF_PAIRS)
    return add_pairs(v, &task, entry, batch);
  if (run_entry(v, &task, entry, batch, &classes))
    return m->error.status;
  if (task.kind == OF_SPANS)
    return add_spans(v, batch);
  return task.value ? add_numbers(v, &task) : add_labels(v, &task, classes);
}

int evaluate_reserve(bigs_model *m, const FeedBatch *batch) {
  FeedArgs args;
  Task task;
  FeedField field[EVAL_SIDE_FIELDS];
  FeedBatch text;
  int64_t rows, classes;
  int entry = task_of(batch, &task) ? bigs_model_entry(m->module, task.entry) : -1;
  if (entry < 0)
    return 0;
  if (task.kind == OF_PAIRS)
    eval_side(batch, 0, field, &text);
  int err = feed_args(m->module, entry, task.kind == OF_PAIRS ? &text : batch, &args, &m->error);
  err = err ? err : task_size(m, &task, &m->module->program[entry], args.dims, &rows, &classes);
  return err ? err : exec_reserve(m, entry, args.dims);
}

// Batches lane, lane + lanes, ... in order.
static int evaluate_lane(Evaluation *v, int64_t max_batches, int64_t lane, int64_t lanes) {
  int err = 0;
  for (int64_t i = lane; (max_batches <= 0 || i < max_batches) && v->feed->held_out && !err;
       i += lanes) {
    FeedBatch batch = {0};
    err = v->feed->held_out(v->feed->ctx, i, &batch, &v->m->error);
    if (err || !batch.nfield)
      break;
    err = evaluate_batch(v, &batch);
  }
  return err;
}

// Lanes are added in a binary tree, of which ranks have subtrees.
static int evaluate_lanes(Evaluation *v, int64_t max_batches, int64_t lane, TeamShares by) {
  if (by.own == 1)
    return evaluate_lane(v, max_batches, lane, by.all);
  int left = by.own / 2, right = by.own - left;
  int err = evaluate_lanes(v, max_batches, lane, (TeamShares){.own = left, .all = by.all});
  Tally before = v->tally;
  v->tally = (Tally){0};
  if (!err)
    err = evaluate_lanes(v, max_batches, lane + left, (TeamShares){.own = right, .all = by.all});
  v->tally = (Tally){before.loss + v->tally.loss, before.right + v->tally.right,
                     before.count + v->tally.count};
  return err;
}

// Metrics look at all rows, so of a task every rank of a team goes through all batches; of a text they take them in turn.
static int evaluate_batches(Evaluation *v, int64_t max_batches, bool shared) {
  TeamShares by = shared ? team_shares(v->m) : (TeamShares){0, 1, 1};
  return evaluate_lanes(v, max_batches, by.first, by);
}

static bool has_rows(const Feed *feed) {
  FeedBatch batch = {0};
  Task task;
  BigsError unused = {0};
  return feed->held_out && !feed->held_out(feed->ctx, 0, &batch, &unused) &&
         task_of(&batch, &task) && task.rows;
}

// What needs all rows to be said of each.
static int end_rows(Evaluation *v) {
  switch (v->rows->task.kind) {
  case OF_SPANS: return eval_spans_end(v->rows, v->feed, &v->m->error);
  case OF_PAIRS: return eval_pairs_end(v->rows, &v->m->error);
  default: return 0;
  }
}

static int evaluate_all(Evaluation *v, int64_t max_batches, EvalResult *out) {
  bigs_model *m = v->m;
  bool rows = has_rows(v->feed);
  int err = evaluate_batches(v, max_batches, !rows);
  free(v->scores.v);
  if (rows) {
    err = err ? err : end_rows(v);
    err = err ? err : eval_rows_result(v->rows, 0, v->rows->n, out, &m->error);
    return team_agree(m, err, NULL);
  }
  err = tally_together(m, err, &v->tally);
  if (!err && !v->tally.count)
    err = bigs_fail(&m->error, BIGS_EMODEL, "nothing is held out");
  *out = tally_result(&v->tally);
  return err;
}

static int evaluate_alone(bigs_model *m, const Feed *feed, int64_t max_batches, bool check,
                          EvalResult *out) {
  EvalRows rows = {0};
  Evaluation v = {.m = m, .feed = feed, .check = check, .rows = &rows};
  int err = evaluate_all(&v, max_batches, out);
  eval_rows_free(&rows);
  return err;
}

int evaluate(bigs_model *m, const Feed *feed, int64_t max_batches, EvalResult *out) {
  return evaluate_alone(m, feed, max_batches, false, out);
}

int evaluate_rows(bigs_model *m, const Feed *feed, int64_t max_batches, EvalRows *rows,
                  EvalResult *out) {
  Evaluation v = {.m = m, .feed = feed, .rows = rows};
  return evaluate_all(&v, max_batches, out);
}

int evaluate_explain(bigs_model *m, const Feed *feed, int64_t max_batches) {
  EvalResult unused;
  return evaluate_alone(m, feed, max_batches, true, &unused);
}

// bigsc eval: how good a trained model is.
#include "compiler/commands/cmd.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/outputs.h"
#include "compiler/commands/predictions.h"
#include "compiler/commands/trained.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/log.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A task's result has a metric only where one fits, and none where no target is known.
static void put_result(JsonText *t, const EvalResult *r) {
  if (r->rows)
    record_int(t, "rows", r->rows);
  if (r->rows && !r->count)
    return;
  record_number(t, "loss", r->loss);
  if (!isnan(r->perplexity))
    record_number(t, "perplexity", r->perplexity);
  if (!r->rows || metric_fits(METRIC_accuracy, &r->task))
    record_number(t, "accuracy", r->accuracy);
  record_int(t, "count", r->count);
  for (int i = 0; i < METRICS && r->rows; i++)
    if (i != METRIC_accuracy && metric_fits((MetricId)i, &r->task))
      record_number(t, metric_names[i], r->metric[i]);
}

// {"file": ..., "rows": ...} of rows from, ..., to - 1
static int put_file(Session *s, JsonText *list, const EvalRows *rows, const char *path,
                    int64_t from, int64_t to) {
  EvalResult r;
  JsonText t = {0};
  if (eval_rows_result(rows, from, to, &r, &s->error))
    return session_fail(s, &s->error);
  record_begin(&t);
  record_text(&t, "file", path);
  put_result(&t, &r);
  record_end(&t);
  json_raw(list, t.s ? t.s : "");
  list->failed |= t.failed;
  free(t.s);
  return 0;
}

static int put_files(Session *s, JsonText *t, const Feeding *f, const EvalRows *rows) {
  const DataFile *file;
  int n = data_files(f->data, &file), status = 0;
  JsonText list = {0};
  for (int i = 0; i < n && !status; i++) {
    json_raw(&list, i ? ", " : "[");
    status = put_file(s, &list, rows, file[i].path, file[i].first,
                      i + 1 < n ? file[i + 1].first : rows->n);
  }
  json_raw(&list, "]");
  record_raw(t, "files", list.s ? list.s : "null");
  t->failed |= list.failed;
  free(list.s);
  return status;
}

// What is not finite (a perplexity beyond f64) is null, as in log.jsonl.
static int print_json(Session *s, const Feeding *f, const EvalResult *r, const EvalRows *rows) {
  DataUnigram u;
  BigsError none = {0};
  const DataFile *file;
  int status = 0;
  JsonText t = {0};
  record_begin(&t);
  put_result(&t, r);
  if (!data_unigram(f->data, &u, &none)) {
    record_number(&t, "unigram", u.cross);
    record_number(&t, "below", u.cross - r->loss);
  }
  if (data_files(f->data, &file) > 1)
    status = put_files(s, &t, f, rows);
  record_end(&t);
  if (!status && t.failed)
    status = session_error(s, EXIT_MODEL, "out of memory");
  if (!status)
    printf("%s\n", t.s);
  free(t.s);
  return status;
}

static int print_text(Session *s, const Feeding *f, const EvalResult *r, const EvalRows *rows) {
  const DataFile *file;
  int n = data_files(f->data, &file), status = 0;
  feeding_print_result(f, r);
  for (int i = 0; i < n && n > 1 && !status; i++) {
    EvalResult part;
    status = eval_rows_result(rows, file[i].first, i + 1 < n ? file[i + 1].first : rows->n, &part,
                              &s->error);
    printf("%s: ", file[i].path);
    feeding_print_result(f, &part);
  }
  return status ? session_fail(s, &s->error) : 0;
}

static int check_batches(Session *s, const Feeding *f) {
  int64_t rows = data_rows(f->data, f->from.evaluated);
  if (f->from.whole && rows % f->from.batch)
    return session_error(s, EXIT_MODEL,
                         "%lld rows are %s, which batches of %lld rows do not divide, and the "
                         "model is compiled for no other: leave the dim of the batch free",
                         (long long)rows,
                         f->from.evaluated == DATA_HELD_OUT ? "held out" : "to be scored",
                         (long long)f->from.batch);
  if (!f->feed.held_out)
    return session_error(s, EXIT_MODEL, "the data is too small: no row of it is held out");
  return 0;
}

// The loss is not finite: is the data?  The batches again, up to the first to blame.
static int blame_data(Session *s, Feeding *f, double loss) {
  char text[512];
  FeedBatch batch = {.nfield = 1};
  int status = 0;
  for (int64_t i = 0; batch.nfield && !status; i++) {
    status = f->feed.held_out(f->feed.ctx, i, &batch, &s->error);
    if (!status && batch.nfield && f->feed.doubt(f->feed.ctx, text, sizeof text))
      return session_error(s, EXIT_NUMERIC, "%s", text);
  }
  return status ? session_fail(s, &s->error) : session_check_loss(s, loss);
}

static int score(Session *s, Feeding *f, EvalRows *rows) {
  EvalResult r;
  int status = evaluate_rows(s->handle, &f->feed, 0, rows, &r);
  if (status)
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  if (r.count && !isfinite(r.loss))
    return blame_data(s, f, r.loss);
  if (s->o->predictions && (status = predictions_write(s, f->data, rows, s->o->predictions)))
    return status;
  if (s->o->predictions && !strcmp(s->o->predictions, OUT_STDOUT))
    return 0;
  return s->o->json ? print_json(s, f, &r, rows) : print_text(s, f, &r, rows);
}

// Of text the rows that training holds out, of a task all.  What is not given is as the model was trained: the block, the batch, the length.
static int check_predictions(Session *s, const BigsTrain *t) {
  if (s->o->predictions && !feeding_is_task(s->module, t))
    return session_error(
        s, EXIT_USAGE,
        "--predictions is for tasks, whose rows have a target each, and `%s` is none", t->name);
  return session_check_output(s, s->o->predictions, OUTPUT_TEXT);
}

// dir: a run's, or NULL; st: what it says of its batches.
static int open_data(Session *s, const char *dir, const BigsTrain *t, const TrainState *st,
                     Feeding *f) {
  const Options *o = s->o;
  int status = feeding_of_tokens(t) ? feeding_tokenizer(s, dir, &f->tokens) : 0;
  status = status ? status : feeding_labels(s, f, dir ? dir : s->weights, true);
  if (!status)
    status =
        feeding_open(s, f, t, o->data.v, o->data.n,
                     (FeedingRows){o->batch > 0 ? o->batch : st->batch / st->pieces, 1},
                     o->length > 0 ? o->length : st->length, 0, !feeding_is_task(s->module, t));
  return status ? status : check_batches(s, f);
}

static int eval(Session *s, const char *dir, Feeding *f) {
  TrainState st = {.batch = 16, .pieces = 1};
  char name[128] = "";
  if (dir && folder_has_run(dir)) {
    if (state_read(dir, &st, name, sizeof name, &s->error))
      return session_fail(s, &s->error);
    state_free(&st); // of what it says the numbers stay
  }
  const char *train = s->o->train ? s->o->train : *name ? name : NULL;
  int index = session_train(s, train);
  if (index < 0)
    return train ? EXIT_MODEL : EXIT_USAGE;
  const BigsTrain *t = &s->module->train[index];
  int status = check_predictions(s, t);
  status = status ? status : open_data(s, dir, t, &st, f);
  if (status)
    return status;
  EvalRows rows = {0};
  status = score(s, f, &rows);
  eval_rows_free(&rows);
  return status;
}

int cmd_EVAL(const Options *given) {
  Options o = *given;
  Session s;
  Feeding f = {0};
  const char *dir;
  if (o.args.n != 1 || !o.data.n) {
    fprintf(stderr, "bigsc eval: give one DIR and --data PATH...; see `bigsc eval --help`\n");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.nentries = -1, .ntrains = -1};
  int status = trained_open(&s, &o, a, &want, &dir);
  status = status ? status : eval(&s, dir, &f);
  feeding_close(&f);
  session_close(&s);
  arena_free(a);
  return status;
}

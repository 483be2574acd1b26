// See predictions.h.
#include "compiler/commands/predictions.h"
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The name of a class, its number where it has none, or a number.
static int write_said(FileOut *out, const EvalRow *row, const EvalRows *rows, const Labels *labels,
                      BigsError *e) {
  char number[32];
  int k = rows->task.numbers ? -1 : (int)row->said;
  bool named = k >= 0 && k < labels->n;
  snprintf(number, sizeof number, "%.9g\n", row->said);
  const char *text = named ? labels->name[k] : number;
  int status = file_write(out, text, strlen(text), e);
  return status || !named ? status : file_write(out, "\n", 1, e);
}

// The text of an answer, in which no tab or end of line stands.
static int write_answer(FileOut *out, const SpanAnswer *a, BigsError *e) {
  int status = 0;
  for (size_t i = 0; i < a->n && !status; i++) {
    bool blank = a->text[i] == '\t' || a->text[i] == '\n' || a->text[i] == '\r';
    status = file_write(out, blank ? " " : a->text + i, 1, e);
  }
  return status ? status : file_write(out, "\n", 1, e);
}

static int write_index(FileOut *out, int64_t i, BigsError *e) {
  char line[64];
  int n = snprintf(line, sizeof line, "%" PRId64 "\t", i);
  return file_write(out, line, (size_t)n, e);
}

// A blank line stands behind each sentence, as in the files.
static int write_word(FileOut *out, const Data *data, int64_t i, BigsError *e) {
  size_t n, before_n;
  int32_t sentence, before = 0;
  const char *word = data_word(data, i, &n, &sentence);
  if (i)
    data_word(data, i - 1, &before_n, &before);
  int status = sentence != before ? file_write(out, "\n", 1, e) : 0;
  status = status ? status : file_write(out, word, n, e);
  return status ? status : file_write(out, "\t", 1, e);
}

static int write_question(FileOut *out, const Data *data, int64_t i, BigsError *e) {
  size_t n;
  const char *id = data_question_id(data, i, &n);
  int status = n ? file_write(out, id, n, e) : write_index(out, i, e);
  return status || !n ? status : file_write(out, "\t", 1, e);
}

// {"ID": "answer", ...}, as SQuAD's script reads it.
static int write_json(FileOut *out, const Data *data, const EvalRows *rows, BigsError *e) {
  JsonText t = {0};
  for (int64_t i = 0; i < rows->n; i++) {
    size_t n;
    char number[32];
    const char *id = data_question_id(data, i, &n);
    snprintf(number, sizeof number, "%" PRId64, i);
    json_raw(&t, i ? ",\n " : "{");
    json_put_string(&t, n ? id : number, n ? n : strlen(number));
    json_raw(&t, ": ");
    json_put_string(&t, rows->answer[i].text, rows->answer[i].n);
  }
  json_raw(&t, "}\n");
  int status = t.failed ? bigs_fail_memory(e, "predictions") : file_write(out, t.s, t.n, e);
  free(t.s);
  return status;
}

static int write_row(FileOut *out, int64_t i, const Data *data, const EvalRows *rows,
                     BigsError *e) {
  MetricKind kind = rows->task.kind;
  int status = kind == OF_TAGS    ? write_word(out, data, i, e)
               : kind == OF_SPANS ? write_question(out, data, i, e)
                                  : write_index(out, i, e);
  if (!status && kind == OF_SPANS)
    return write_answer(out, &rows->answer[i], e);
  return status ? status : write_said(out, &rows->v[i], rows, data_labels(data), e);
}

static int write_all(FileOut *out, const Data *data, const EvalRows *rows, const char *path,
                     BigsError *e) {
  const char *head = rows->task.kind == OF_SPANS ? "id\tprediction\n" : "index\tprediction\n";
  if (rows->task.kind == OF_SPANS && file_has_suffix(path, ".json"))
    return write_json(out, data, rows, e);
  int status = rows->task.kind == OF_TAGS ? 0 : file_write(out, head, strlen(head), e);
  for (int64_t i = 0; i < rows->n && !status; i++)
    status = write_row(out, i, data, rows, e);
  return status;
}

int predictions_write(Session *s, const Data *data, const EvalRows *rows, const char *path) {
  for (int64_t i = 0; i < rows->n; i++)
    if (!isfinite(rows->v[i].said))
      return session_error(s, EXIT_NUMERIC,
                           "row %lld of the data: what the model says is not finite",
                           (long long)i + 1);
  FileOut *out = file_create(path, &s->error);
  int status = out ? write_all(out, data, rows, path, &s->error) : EXIT_FILE;
  if (status)
    file_abort(out);
  else
    status = file_commit(out, &s->error);
  return status ? session_fail(s, &s->error) : 0;
}

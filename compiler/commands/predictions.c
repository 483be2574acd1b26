// See predictions.h.
#include "compiler/commands/predictions.h"
#include "runtime/files/file.h"
#include <inttypes.h>
#include <math.h>
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

static int write_row(FileOut *out, int64_t i, const Data *data, const EvalRows *rows,
                     BigsError *e) {
  int status = rows->task.kind == OF_TAGS ? write_word(out, data, i, e) : write_index(out, i, e);
  return status ? status : write_said(out, &rows->v[i], rows, data_labels(data), e);
}

static int write_all(FileOut *out, const Data *data, const EvalRows *rows, BigsError *e) {
  static const char head[] = "index\tprediction\n";
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
  int status = out ? write_all(out, data, rows, &s->error) : EXIT_FILE;
  if (status)
    file_abort(out);
  else
    status = file_commit(out, &s->error);
  return status ? session_fail(s, &s->error) : 0;
}

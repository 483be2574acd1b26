// See predictions.h.
#include "compiler/commands/predictions.h"
#include "runtime/files/file.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static int write_row(FileOut *out, int64_t i, const EvalRow *row, const EvalRows *rows,
                     const Labels *labels, BigsError *e) {
  char line[64];
  int k = rows->task.numbers ? -1 : (int)row->said;
  int n = snprintf(line, sizeof line, "%" PRId64 "\t", i);
  bool named = k >= 0 && k < labels->n;
  if (!named)
    n += snprintf(line + n, sizeof line - (size_t)n, "%.9g", row->said);
  const char *name = named ? labels->name[k] : "";
  int status = file_write(out, line, (size_t)n, e);
  status = status ? status : file_write(out, name, strlen(name), e);
  return status ? status : file_write(out, "\n", 1, e);
}

int predictions_write(Session *s, const Data *data, const EvalRows *rows, const char *path) {
  static const char head[] = "index\tprediction\n";
  for (int64_t i = 0; i < rows->n; i++)
    if (!isfinite(rows->v[i].said))
      return session_error(s, EXIT_NUMERIC,
                           "row %lld of the data: what the model says is not finite",
                           (long long)i + 1);
  FileOut *out = file_create(path, &s->error);
  int status = out ? file_write(out, head, strlen(head), &s->error) : EXIT_FILE;
  for (int64_t i = 0; i < rows->n && !status; i++)
    status = write_row(out, i, &rows->v[i], rows, data_labels(data), &s->error);
  if (status)
    file_abort(out);
  else
    status = file_commit(out, &s->error);
  return status ? session_fail(s, &s->error) : 0;
}

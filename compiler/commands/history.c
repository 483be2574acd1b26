// See history.h.
#include "compiler/commands/history.h"
#include "runtime/files/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HISTORY_BYTES = 1 << 30 };

#define METRIC(name) LOGGED(name, #name, false)
#define MEASURE(name, fits, function)
const char *const measure_names[MEASURES] = {
#define LOGGED(name, axis, smoothed) #name,
#include "compiler/commands/measures.def"
#include "runtime/train/metrics.def"
#undef LOGGED
};
const char *const measure_axes[MEASURES] = {
#define LOGGED(name, axis, smoothed) axis,
#include "compiler/commands/measures.def"
#include "runtime/train/metrics.def"
#undef LOGGED
};
const bool measure_smoothed[MEASURES] = {
#define LOGGED(name, axis, smoothed) smoothed,
#include "compiler/commands/measures.def"
#include "runtime/train/metrics.def"
#undef LOGGED
};
#undef METRIC
#undef MEASURE

int measure_find(const char *name) {
  for (int i = 0; i < MEASURES; i++)
    if (!strcmp(name, measure_names[i]))
      return i;
  return -1;
}

// ---- records
static double number(const JsonValue *record, const char *key) {
  const JsonValue *v = json_get(record, key);
  double x;
  return v && json_double(v, &x) ? x : NAN;
}

// What was done again replaces what was done before.
static void forget_from(Moments *v, int64_t step) {
  while (v->n && v->v[v->n - 1].step >= step)
    v->n--;
}

static void take_moment(Arena *a, History *h, const JsonValue *r, int64_t step, bool held) {
  Moment m = {.step = step, .tokens = number(r, "tokens"), .seconds = number(r, "seconds")};
  const JsonValue *loss = json_get(r, "loss");
  for (int i = 0; i < MEASURES; i++)
    m.value[i] = number(r, measure_names[i]);
  h->not_numbers += loss && loss->kind == JSON_NULL;
  if (held && loss)
    h->squared = !json_get(r, "perplexity");
  if (!held && h->train.n && h->train.v[h->train.n - 1].step >= step)
    forget_from(&h->held, step);
  forget_from(held ? &h->held : &h->train, step);
  vec_push(a, held ? &h->held : &h->train, m);
}

// True: the document is kept.
static bool take_record(Arena *a, History *h, JsonDoc *doc) {
  const JsonValue *r = json_root(doc), *event = json_get(r, "event"), *at = json_get(r, "step");
  int64_t step;
  bool first = event && json_equals(event, "start") && !h->start;
  if (first)
    h->start = doc;
  h->resumed += event && json_equals(event, "resume");
  bool held = event && json_equals(event, "held_out");
  if ((!event || held) && at && json_int(at, &step) && step >= 0)
    take_moment(a, h, r, step, held);
  return first;
}

static void take_line(Arena *a, History *h, const char *line, size_t n, bool whole) {
  JsonDoc *doc = json_parse(line, n, h->path, 0, NULL);
  bool record = doc && json_root(doc)->kind == JSON_OBJECT;
  h->damaged += !record && whole && strspn(line, " \t\r") < n;
  if (!record || !take_record(a, h, doc))
    json_free(doc);
}

// A last line without an end is one that is being written, or was when the run was killed; where it is whole it counts.
static void read_lines(Arena *a, History *h, const char *text, size_t size) {
  for (const char *line = text, *stop = text + size, *end; line < stop; line = end + 1) {
    end = memchr(line, '\n', (size_t)(stop - line));
    take_line(a, h, line, (size_t)((end ? end : stop) - line), end != NULL);
    if (!end)
      return;
  }
}

// Evaluations have no time of their own: between the records of training around them.
static void date(const Moments *train, Moment *m) {
  int i = 0;
  while (i < train->n && train->v[i].step < m->step)
    i++;
  const Moment zero = {0}, *after = i < train->n ? &train->v[i] : NULL,
               *before = i ? &train->v[i - 1] : &zero;
  bool between = after && after->step > before->step;
  double share =
      between ? (double)(m->step - before->step) / (double)(after->step - before->step) : 0;
  m->tokens = before->tokens + (between ? share * (after->tokens - before->tokens) : 0);
  m->seconds = before->seconds + (between ? share * (after->seconds - before->seconds) : 0);
}

// ---- names
static const char *name_of(Arena *a, const char *path, bool folder) {
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/')
    n--;
  size_t from = n;
  while (from && path[from - 1] != '/')
    from--;
  if (!folder && n - from > 6 && file_has_suffix(path, ".jsonl"))
    n -= 6;
  return n > from ? arena_strndup(a, path + from, n - from) : path;
}

int history_read(Arena *a, const char *path, History *h, BigsError *e) {
  bool folder = file_is_folder(path);
  size_t size = 0;
  struct stat st;
  *h = (History){.path = folder ? arena_printf(a, "%s/log.jsonl", path) : path,
                 .name = name_of(a, path, folder)};
  if (stat(h->path, &st))
    return folder ? bigs_fail(e, BIGS_EFILE, "%s is no training folder: it has no log.jsonl", path)
                  : bigs_fail_errno(e, "read", path);
  char *text = file_read(h->path, HISTORY_BYTES, &size, e);
  if (!text)
    return bigs_status(e, BIGS_EFILE);
  read_lines(a, h, text, size);
  free(text);
  for (int i = 0; i < h->held.n; i++)
    date(&h->train, &h->held.v[i]);
  if (h->train.n || h->held.n)
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "%s: %s", h->path,
                   !size         ? "the log is empty"
                   : !h->damaged ? "there is no step in the log yet"
                                 : "this is no log of a run");
}

void history_free(History *h) {
  json_free(h->start);
  h->start = NULL;
}

bool moments_have(const Moments *v, LogMeasure m) {
  for (int i = 0; i < v->n; i++)
    if (isfinite(v->v[i].value[m]))
      return true;
  return false;
}

bool history_has(const History *h, LogMeasure m) {
  return moments_have(&h->train, m) || moments_have(&h->held, m);
}

static const JsonValue *started(const History *h, const char *key) {
  return h->start ? json_get(json_root(h->start), key) : NULL;
}

const char *history_text(const History *h, const char *key) {
  const JsonValue *v = started(h, key);
  return v && v->kind == JSON_STRING ? v->text : NULL;
}

double history_number(const History *h, const char *key) {
  return h->start ? number(json_root(h->start), key) : NAN;
}

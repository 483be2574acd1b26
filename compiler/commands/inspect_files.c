// What safetensors files, training folders and hub folders hold.
#include "compiler/commands/inspect.h"
#include "compiler/driver/shipped.h"
#include "runtime/train/checkpoint.h"
#include "runtime/files/file.h"
#include "runtime/foreign/foreign.h"
#include <stdlib.h>
#include <string.h>

enum { LAST_LOSSES = 5, MAX_LOG = 1 << 30 };

// ---- weights

static const char *shape_text(Session *s, const StTensor *t) {
  const char *text = "[";
  for (int i = 0; i < t->rank; i++)
    text = session_text(s, "%s%s%lld", text, i ? ", " : "", (long long)t->shape[i]);
  return session_text(s, "%s]", text);
}

static const char *dtype_in_file(const StTensor *t, int64_t *bytes) {
  size_t n;
  StDType stored = st_stored(t, &n);
  *bytes += (int64_t)n;
  return st_dtype_name(stored);
}

static int wider(int width, const char *text) {
  int n = (int)strlen(text);
  return n > width ? n : width;
}

static void print_tensors(Session *s, const Hub *h) {
  int64_t total = 0, bytes = 0;
  int name = 0, dtype = 5;
  for (int i = 0; i < hub_count(h); i++) {
    name = wider(name, inspect_shown(s, hub_at(h, i)->name));
    dtype = wider(dtype, dtype_in_file(hub_at(h, i), &bytes));
  }
  for (int i = 0; i < hub_count(h); i++) {
    const StTensor *t = hub_at(h, i);
    printf("  %-*s %-*s %-18s %14s\n", name, inspect_shown(s, t->name), dtype,
           dtype_in_file(t, &(int64_t){0}), shape_text(s, t), inspect_grouped(s, t->elements));
    total += t->elements;
  }
  printf("  %s numbers in %d tensor%s, %s\n", inspect_grouped(s, total), hub_count(h),
         hub_count(h) == 1 ? "" : "s", inspect_bytes(s, bytes));
}

static void json_tensors(JsonText *t, const Hub *h) {
  JsonText list = {0};
  int64_t total = 0, bytes = 0;
  for (int i = 0; i < hub_count(h); i++) {
    const StTensor *x = hub_at(h, i);
    JsonText o = {0}, shape = {0};
    record_begin(&o);
    record_text(&o, "name", x->name);
    record_text(&o, "dtype", dtype_in_file(x, &bytes));
    for (int k = 0; k < x->rank; k++) {
      JsonText n = {0};
      json_put_int(&n, x->shape[k]);
      inspect_item(&shape, &n);
    }
    inspect_list(&o, "shape", &shape);
    record_end(&o);
    inspect_item(&list, &o);
    total += x->elements;
  }
  inspect_list(t, "tensors", &list);
  record_int(t, "elements", total);
  record_int(t, "bytes", bytes);
}

// Of the first file: shards say the same.
static const JsonValue *metadata(const Hub *h) {
  const StFile *f = hub_count(h) ? hub_file(h, hub_at(h, 0)) : NULL;
  return f ? st_metadata(f) : NULL;
}

static void put_metadata(Session *s, JsonText *json, const Hub *h) {
  const JsonValue *m = metadata(h);
  JsonText t = {0};
  if (json)
    record_begin(&t);
  for (const JsonValue *v = m ? m->child : NULL; v; v = v->next)
    if (json)
      record_text(&t, v->key, v->text);
    else
      printf("  %s: %s\n", inspect_shown(s, v->key), inspect_shown(s, v->text));
  if (json) {
    record_end(&t);
    inspect_member(json, "metadata", &t);
  }
}

int inspect_weights(Session *s, const char *path, const char *name) {
  Hub *h;
  if (hub_open(path, &foreign_readers, &h, &s->error))
    return session_fail(s, &s->error);
  int status = 0;
  if (s->o->json) {
    JsonText t = {0};
    record_begin(&t);
    record_text(&t, "kind", "weights");
    record_text(&t, "path", name);
    put_metadata(s, &t, h);
    json_tensors(&t, h);
    status = inspect_json(s, &t);
  } else {
    printf("%s\n", inspect_shown(s, name));
    put_metadata(s, NULL, h);
    print_tensors(s, h);
  }
  hub_close(h);
  return status;
}

// ---- training runs

typedef struct LogLine {
  int64_t step;
  double loss, tokens_s;
} LogLine;
typedef struct LogTail {
  LogLine train[LAST_LOSSES];
  int n; // of all records of training seen; the last ones are kept, in turn
  double held_out;
  int64_t held_out_step; // -1: none
  char version[64], cpu[128];
} LogTail;

static void read_record(LogTail *tail, const JsonValue *r) {
  const JsonValue *event = json_get(r, "event");
  double loss;
  int64_t step;
  if (event && json_equals(event, "start")) {
    const JsonValue *version = json_get(r, "version"), *cpu = json_get(r, "cpu");
    snprintf(tail->version, sizeof tail->version, "%s",
             version && version->kind == JSON_STRING ? version->text : "");
    snprintf(tail->cpu, sizeof tail->cpu, "%s", cpu && cpu->kind == JSON_STRING ? cpu->text : "");
  }
  if (!json_get(r, "loss") || !json_double(json_get(r, "loss"), &loss) || !json_get(r, "step") ||
      !json_int(json_get(r, "step"), &step))
    return;
  if (event && json_equals(event, "held_out")) {
    tail->held_out = loss;
    tail->held_out_step = step;
  } else if (!event) {
    LogLine *l = &tail->train[tail->n++ % LAST_LOSSES];
    *l = (LogLine){step, loss, 0};
    if (json_get(r, "tokens_s"))
      json_double(json_get(r, "tokens_s"), &l->tokens_s);
  }
}

// A log is a help, not a necessity: what cannot be read is left out.
static void read_log(LogTail *tail, const char *dir) {
  size_t size;
  char *path = file_join(dir, "log.jsonl", NULL),
       *text = path ? file_read(path, MAX_LOG, &size, NULL) : NULL;
  *tail = (LogTail){.held_out_step = -1};
  for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1) {
    JsonDoc *doc = json_parse(line, (size_t)(end - line), path, 0, NULL);
    if (doc && json_root(doc)->kind == JSON_OBJECT)
      read_record(tail, json_root(doc));
    json_free(doc);
  }
  free(text);
  free(path);
}

static const LogLine *log_line(const LogTail *tail, int i, int *n) {
  int first = tail->n > LAST_LOSSES ? tail->n - LAST_LOSSES : 0;
  *n = tail->n - first;
  return i < *n ? &tail->train[(first + i) % LAST_LOSSES] : NULL;
}

static void print_run(Session *s, const TrainState *st, const char *train, const LogTail *tail) {
  int n = 0;
  printf("  train %s: step %lld of %lld, seed %llu, %lld tokens seen, %.0f s\n",
         inspect_shown(s, train), (long long)st->step, (long long)st->recipe.steps,
         (unsigned long long)st->seed, (long long)st->tokens, st->seconds);
  printf("  rate %g, decay %g, clip %g, batch %lld", st->recipe.rate, st->recipe.decay,
         st->recipe.clip, (long long)st->batch);
  if (st->pieces > 1)
    printf(" in %lld pieces", (long long)st->pieces);
  printf("\n");
  if (st->average)
    printf("  the parameters are averages over its steps\n");
  if (tail->version[0])
    printf("  by bigsc %s on %s\n", inspect_shown(s, tail->version), inspect_shown(s, tail->cpu));
  log_line(tail, 0, &n);
  for (int i = 0; i < n; i++) {
    const LogLine *l = log_line(tail, i, &n);
    printf("  step %-8lld loss %.4f  %.0f tokens/s\n", (long long)l->step, l->loss, l->tokens_s);
  }
  if (tail->held_out_step >= 0)
    printf("  held out at step %lld: loss %.4f", (long long)tail->held_out_step, tail->held_out);
  if (tail->held_out_step >= 0 && st->best_step >= 0)
    printf(", %s %.4f at step %lld",
           strcmp(st->best_by, "loss") != 0 ? session_text(s, "best %s", st->best_by) : "least",
           st->best, (long long)st->best_step);
  if (tail->held_out_step >= 0)
    printf("\n");
}

static void json_run(JsonText *t, const TrainState *st, const char *train, const LogTail *tail) {
  JsonText losses = {0};
  int n;
  record_text(t, "train", train);
  record_int(t, "step", st->step);
  record_int(t, "steps", st->recipe.steps);
  record_int(t, "seed", (int64_t)st->seed);
  record_int(t, "tokens", st->tokens);
  record_number(t, "seconds", st->seconds);
  record_number(t, "rate", st->recipe.rate);
  record_number(t, "decay", st->recipe.decay);
  record_number(t, "clip", st->recipe.clip);
  record_int(t, "batch", st->batch);
  record_int(t, "pieces", st->pieces);
  for (int i = 0; log_line(tail, i, &n); i++) {
    JsonText o = {0};
    record_begin(&o);
    record_int(&o, "step", log_line(tail, i, &n)->step);
    record_number(&o, "loss", log_line(tail, i, &n)->loss);
    record_end(&o);
    inspect_item(&losses, &o);
  }
  inspect_list(t, "last", &losses);
  if (tail->held_out_step >= 0)
    record_number(t, "held_out", tail->held_out);
  if (st->best_step >= 0)
    record_number(t, "best", st->best);
}

// ---- folders

static void print_config(Session *s, const JsonValue *config) {
  const char *text = "";
  for (const JsonValue *v = config->child; v; v = v->next)
    if (v->kind == JSON_NUMBER || v->kind == JSON_STRING)
      text = session_text(s, "%s%s%s = %s", text, *text ? ", " : "", v->key, v->text);
    else if (v->kind == JSON_TRUE || v->kind == JSON_FALSE)
      text = session_text(s, "%s%s%s = %s", text, *text ? ", " : "", v->key,
                          v->kind == JSON_TRUE ? "true" : "false");
  if (*text)
    printf("  config: %s\n", inspect_shown(s, text));
  const JsonValue *own = json_get(config, "bigsc"), *model = own ? json_get(own, "model") : NULL;
  if (model && model->kind == JSON_STRING)
    printf("  model %s\n", inspect_shown(s, model->text));
}

// The JSON text of a value that was read.
static void json_copy(JsonText *t, const JsonValue *v) {
  bool array = v->kind == JSON_ARRAY;
  switch (v->kind) {
  case JSON_STRING: json_put_string(t, v->text, v->size); return;
  case JSON_NUMBER: json_raw(t, v->text); return;
  case JSON_ARRAY:
  case JSON_OBJECT:
    json_raw(t, array ? "[" : "{");
    for (const JsonValue *c = v->child; c; c = c->next) {
      if (c != v->child)
        json_raw(t, ", ");
      if (!array) {
        json_put_string(t, c->key, c->key_size);
        json_raw(t, ": ");
      }
      json_copy(t, c);
    }
    json_raw(t, array ? "]" : "}");
    return;
  default: json_raw(t, v->kind == JSON_NULL ? "null" : v->kind == JSON_TRUE ? "true" : "false");
  }
}

static int folder_json(Session *s, const char *path, const Hub *h, const TrainState *st,
                       const char *train, const LogTail *tail) {
  JsonText t = {0}, config = {0};
  record_begin(&t);
  record_text(&t, "kind", st ? "run" : "hub");
  record_text(&t, "path", path);
  if (hub_config(h)) {
    json_copy(&config, hub_config(h));
    inspect_member(&t, "config", &config);
  }
  record_text(&t, "vocab", hub_vocab(h));
  if (st)
    json_run(&t, st, train, tail);
  put_metadata(s, &t, h);
  json_tensors(&t, h);
  return inspect_json(s, &t);
}

static int folder_text(Session *s, const char *path, const Hub *h, const TrainState *st,
                       const char *train, const LogTail *tail) {
  printf("%s: %s\n", inspect_shown(s, path), st ? "a training run" : "weights");
  if (hub_config(h))
    print_config(s, hub_config(h));
  const char *model = st ? NULL : shipped_model(hub_config(h), false);
  if (model)
    printf("  model      %s.mdl, of those installed with bigsc\n", model);
  if (hub_vocab(h))
    printf("  vocabulary %s\n", inspect_shown(s, hub_vocab(h)));
  if (st)
    print_run(s, st, train, tail);
  if (hub_count(h))
    print_tensors(s, h);
  else
    printf("  no weights\n");
  return 0;
}

int inspect_folder(Session *s, const char *path) {
  Hub *h;
  TrainState st;
  LogTail tail;
  char train[128] = "";
  bool run = folder_has_run(path);
  if (run && checkpoint_check(path, &s->error))
    return session_fail(s, &s->error);
  if (hub_open(path, &foreign_readers, &h, &s->error))
    return session_fail(s, &s->error);
  int status = 0;
  if (!run && !hub_count(h) && !hub_config(h) && !hub_vocab(h))
    status = session_error(
        s, EXIT_FILE,
        "%s has no config.json, no weights, no vocabulary: it is no folder of a model", path);
  else if (run && state_read(path, &st, train, sizeof train, &s->error)) {
    status = session_fail(s, &s->error);
    run = false;
  }
  if (!status) {
    read_log(&tail, path);
    status = (s->o->json ? folder_json : folder_text)(s, path, h, run ? &st : NULL, train, &tail);
  }
  if (run)
    state_free(&st);
  hub_close(h);
  return status;
}

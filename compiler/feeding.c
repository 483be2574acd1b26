// See feeding.h.
#include "compiler/feeding.h"
#include <string.h>
#include <unistd.h>

static const BigsTensor *ids_input(const BigsModule *m) {
  for (int i = 0; i < m->ninput; i++)
    if (!strcmp(m->input[i].name, "ids") && m->input[i].rank == 2)
      return &m->input[i];
  return NULL;
}

int64_t longest_length(const BigsModule *m) {
  const BigsTensor *t = ids_input(m);
  if (!t)
    return 0;
  const Poly *p = &t->extent[1];
  int64_t c;
  if (poly_is_const(p, &c))
    return c;
  return p->n == 1 && p->t[0].coef == 1 && p->t[0].sym[1] < 0 ? m->dim[p->t[0].sym[0]].bound : 0;
}

int64_t token_table(const BigsModule *m) {
  const BigsTensor *t = ids_input(m);
  int64_t c = 0;
  return t && t->limit.n && poly_is_const(&t->limit, &c) ? c : 0;
}

static const char *existing(Session *s, const char *dir, const char *name) {
  const char *path = dir ? session_text(s, "%s/%s", dir, name) : name;
  return !access(path, R_OK) ? path : NULL;
}

int feeding_tokenizer(Session *s, const char *dir, Tokenizer **out) {
  const char *path = s->o->vocab;
  if (!path)
    path = existing(s, dir, "vocab.txt");
  if (!path && s->o->weights)
    path = existing(s, s->o->weights, "vocab.txt");
  if (!path && s->module->vocab)
    path = existing(s, NULL, s->module->vocab);
  if (!path)
    return session_error(s, EXIT_USAGE, "which vocabulary? --vocab FILE (bigsc vocab learns one)");
  bool lower = !s->module->tokenizer || s->module->lower;
  return tok_load(path, lower, out, &s->error) ? session_fail(s, &s->error) : 0;
}

static void add_field(Feeding *f, FeedBatch *out, const char *name, int dtype, const void *data, int rank, int64_t a, int64_t b) {
  if (!data)
    return;
  f->field[out->nfield++] = (FeedField){.name = name, .dtype = dtype, .rank = rank, .shape = {a, b}, .data = data};
}

static void to_batch(Feeding *f, const DataBatch *d, FeedBatch *out) {
  *out = (FeedBatch){.field = f->field, .tokens = d->tokens};
  if (!d->B)
    return;
  add_field(f, out, "ids", DT_I32, d->ids, 2, d->B, d->L);
  add_field(f, out, "types", DT_I32, d->types, 2, d->B, d->L);
  add_field(f, out, "mask", DT_BOOL, d->mask, 2, d->B, d->L);
  add_field(f, out, "at", DT_I32, d->at, 1, d->M, 0);
  add_field(f, out, "labels", DT_I32, d->labels, 1, d->M, 0);
  if (d->target)
    add_field(f, out, "target", DT_I32, d->target, f->kind == DATA_TSV ? 1 : 2, d->B, d->L);
}

static int feed_train(void *ctx, int64_t step, FeedBatch *out, BigsError *e) {
  Feeding *f = ctx;
  DataBatch d;
  (void)step;
  if (data_next(f->data, f->batch, &d, e))
    return e->status;
  to_batch(f, &d, out);
  return 0;
}

static int feed_held_out(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  Feeding *f = ctx;
  DataBatch d;
  DataSplit split = data_rows(f->data, DATA_HELD_OUT) ? DATA_HELD_OUT : DATA_TRAIN;
  if (data_at(f->data, split, i * f->batch, f->batch, &d, e))
    return e->status;
  to_batch(f, &d, out);
  return 0;
}

static int feed_cursor(void *ctx, JsonText *out, BigsError *e) {
  Feeding *f = ctx;
  char hex[32];
  (void)e;
  snprintf(hex, sizeof hex, "%016llx", (unsigned long long)data_fingerprint(f->data));
  json_raw(out, "{\"samples\": ");
  json_put_int(out, (int64_t)data_cursor(f->data));
  json_raw(out, ", \"data\": ");
  json_put_string(out, hex, strlen(hex));
  json_raw(out, "}");
  return 0;
}

static int feed_seek(void *ctx, const JsonValue *cursor, int64_t step, BigsError *e) {
  Feeding *f = ctx;
  char hex[32];
  int64_t samples;
  (void)step;
  snprintf(hex, sizeof hex, "%016llx", (unsigned long long)data_fingerprint(f->data));
  if (!json_int(json_get(cursor, "samples"), &samples) || samples < 0)
    return bigs_fail(e, BIGS_EFILE, "state.json has no place in the data");
  if (!json_equals(json_get(cursor, "data"), hex))
    return bigs_fail(e, BIGS_EMODEL, "the data, the vocabulary or the length is not what the run was started with: it cannot resume");
  data_seek(f->data, (uint64_t)samples);
  return 0;
}

static int show(void *ctx, const char *what, double share) {
  Feeding *f = ctx;
  if (!f->o->quiet && isatty(2))
    fprintf(stderr, "\r%-32s %3.0f %%\033[K", what, 100 * share);
  return 0;
}

int feeding_open(Session *s, Feeding *f, const BigsTrain *train, const char *const *paths, int npaths, int64_t batch, int64_t length,
                 uint64_t seed, bool hold_out) {
  f->module = s->module;
  f->o = s->o;
  f->batch = batch;
  f->length = length > 0 ? length : longest_length(s->module);
  int kind = train->source ? data_kind(train->source) : -1;
  if (kind < 0)
    return session_error(s, EXIT_MODEL, "train block `%s` has no data source that can be read here (mlm_text, lm_text, tsv)", train->name);
  if (f->length <= 0)
    return session_error(s, EXIT_USAGE, "the model bounds no length: give --length L");
  if (longest_length(s->module) && f->length > longest_length(s->module))
    return session_error(s, EXIT_MODEL, "--length %lld is above the model's bound of %lld", (long long)f->length, (long long)longest_length(s->module));
  f->kind = (DataKind)kind;
  DataOptions o = {.kind = f->kind, .length = f->length, .table = token_table(s->module), .mask_rate = train->mask_rate, .seed = seed,
                   .hold_out = hold_out, .pad = s->module->pad_to > 0, .progress = show, .ctx = f};
  int status = data_open(paths, npaths, f->tokens, &o, &f->data, &s->error);
  if (!f->o->quiet && isatty(2))
    fprintf(stderr, "\r\033[K");
  if (status)
    return session_fail(s, &s->error);
  f->feed = (Feed){.ctx = f, .train = feed_train, .held_out = feed_held_out, .cursor = feed_cursor, .seek = feed_seek};
  if (hold_out && !data_rows(f->data, DATA_HELD_OUT))
    f->feed.held_out = NULL;
  f->feed.epoch_steps = (data_rows(f->data, DATA_TRAIN) + batch - 1) / batch;
  return 0;
}

void feeding_close(Feeding *f) {
  data_free(f->data);
  tok_free(f->tokens);
}

// Data as a feed: see feed_data.h.
#include "runtime/train/feed_data.h"
#include "base/dtype.h"
#include "runtime/train/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool left_out(const DataFeed *d, const char *name) {
  for (int i = 0; d->module && i < d->module->ninput && i < 32; i++)
    if ((d->unpicked >> i & 1) && !strcmp(d->module->input[i].name, name))
      return true;
  return false;
}

static void add_field(DataFeed *d, FeedBatch *out, const char *name, int dtype, const void *data,
                      int rank, int64_t n0, int64_t n1) {
  if (data && !left_out(d, name))
    d->field[out->nfield++] =
        (FeedField){.name = name, .dtype = dtype, .rank = rank, .shape = {n0, n1}, .data = data};
}

// [B, L], or, of choices, [B, C, L].
static void add_tokens(DataFeed *d, FeedBatch *out, const char *name, int dtype, const void *data,
                       const DataBatch *b) {
  int before = out->nfield;
  add_field(d, out, name, dtype, data, 2, b->B, b->L);
  if (b->C && out->nfield > before) {
    d->field[before].rank = 3;
    d->field[before].shape[1] = b->C;
    d->field[before].shape[2] = b->L;
  }
}

// A loss is a mean over labels, targets of places, or rows.
static int64_t predictions(const DataBatch *b) {
  return b->at ? b->M : b->target && b->target_rank == 2 ? b->B * b->L : b->B;
}

static void fill_batch(DataFeed *d, const DataBatch *b, FeedBatch *out) {
  if (b->field) {
    *out = (FeedBatch){.nfield = b->nfield, .field = b->field, .tokens = b->tokens, .count = b->B};
    return;
  }
  *out = (FeedBatch){.field = d->field,
                     .tokens = b->tokens,
                     .count = predictions(b),
                     .row = b->row,
                     .choices = b->C,
                     .part = b->part};
  bool two = b->ids_b != NULL;
  add_tokens(d, out, two ? "ids_a" : "ids", DT_I32, b->ids, b);
  add_tokens(d, out, two ? "types_a" : "types", DT_I32, b->types, b);
  add_tokens(d, out, two ? "mask_a" : "mask", DT_BOOL, b->mask, b);
  add_field(d, out, "ids_b", DT_I32, b->ids_b, 2, b->B, b->L);
  add_field(d, out, "types_b", DT_I32, b->types_b, 2, b->B, b->L);
  add_field(d, out, "mask_b", DT_BOOL, b->mask_b, 2, b->B, b->L);
  add_field(d, out, "at", DT_I32, b->at, 1, b->M, 0);
  add_field(d, out, "doc", DT_I32, b->doc, 2, b->B, b->L);
  add_field(d, out, "place", DT_I32, b->place, 2, b->B, b->L);
  add_field(d, out, "context", DT_BOOL, b->context, 2, b->B, b->L);
  add_field(d, out, "start", DT_I32, b->start, 1, b->B, 0);
  add_field(d, out, "end", DT_I32, b->end, 1, b->B, 0);
  add_field(d, out, "labels", DT_I32, b->labels, 1, b->M, 0);
  add_field(d, out, "target", DT_I32, b->target, b->target_rank, b->at ? b->M : b->B,
            b->target_rank == 2 ? b->L : 0);
  add_field(d, out, "target", DT_F32, b->value, 1, b->B, 0);
}

// A rank has neighbouring pieces, and the next step begins behind all.
static int next_piece(DataFeed *d, int64_t i, DataBatch *b, BigsError *e) {
  int64_t own = d->pieces / (d->ranks > 1 ? d->ranks : 1), first = own * d->rank;
  int64_t rows = d->batch * d->times;
  if (i == first)
    d->began = data_cursor(d->data);
  data_seek(d->data, d->began + (uint64_t)(i * rows));
  int err = data_next(d->data, rows, b, e);
  if (!err && i + 1 == first + own)
    data_seek(d->data, d->began + (uint64_t)(d->pieces * rows));
  return err;
}

static int next_rows(DataFeed *d, DataBatch *b, BigsError *e) {
  int64_t ranks = d->ranks > 1 ? d->ranks : 1, rows = d->batch * d->times,
          from = rows * d->rank / ranks;
  d->began = data_cursor(d->data);
  return data_next_part(d->data, rows, from, rows * (d->rank + 1) / ranks - from, b, e);
}

static int next_batch(void *ctx, int64_t number, FeedBatch *out, BigsError *e) {
  DataFeed *d = ctx;
  DataBatch b = {0};
  int err = d->pieces > 1 ? next_piece(d, number % d->pieces, &b, e) : next_rows(d, &b, e);
  if (!err)
    fill_batch(d, &b, out);
  return err;
}

static void set_pace(void *ctx, FeedPace pace) {
  DataFeed *d = ctx;
  d->times = pace.times;
  if (pace.masked > 0)
    data_mask_rate(d->data, pace.masked);
}

static int step_again(void *ctx, BigsError *e) {
  DataFeed *d = ctx;
  (void)e;
  data_seek(d->data, d->began);
  return 0;
}

static int batch_at(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  DataFeed *d = ctx;
  DataBatch b = {0};
  *out = (FeedBatch){0};
  int err = data_at(d->dev ? d->dev : d->data, d->dev ? DATA_TRAIN : d->evaluated, i * d->batch,
                    d->batch, &b, e);
  if (!err && b.B > 0 && (!d->whole || b.B == d->batch))
    fill_batch(d, &b, out);
  return err;
}

static bool doubt(void *ctx, char *text, size_t size) {
  const DataFeed *d = ctx;
  return data_doubt(d->data, text, size) || (d->dev && data_doubt(d->dev, text, size));
}

static int put_cursor(void *ctx, JsonText *out, BigsError *e) {
  DataFeed *d = ctx;
  (void)e;
  record_begin(out);
  record_int(out, "samples", (int64_t)data_cursor(d->data));
  record_int(out, "fingerprint", (int64_t)data_fingerprint(d->data));
  if (d->dev)
    record_int(out, "dev", (int64_t)data_fingerprint(d->dev));
  record_end(out);
  return 0;
}

// What chose the best step so far and what is going to.
static int check_dev(const DataFeed *d, const JsonValue *cursor, BigsError *e) {
  int64_t dev;
  if (!d->dev || !json_int(json_get(cursor, "dev"), &dev) ||
      (uint64_t)dev == data_fingerprint(d->dev))
    return 0;
  return bigs_fail(
      e, BIGS_EMODEL,
      "--dev is not what this run was evaluated by: the best of both would be compared");
}

static int seek_cursor(void *ctx, const JsonValue *cursor, int64_t step, BigsError *e) {
  DataFeed *d = ctx;
  int64_t samples, fingerprint;
  (void)step;
  if (!json_int(json_get(cursor, "samples"), &samples) ||
      !json_int(json_get(cursor, "fingerprint"), &fingerprint) || samples < 0)
    return bigs_fail(e, BIGS_EFILE, "state.json does not tell where the data was");
  if ((uint64_t)fingerprint != data_fingerprint(d->data))
    return bigs_fail(
        e, BIGS_EMODEL,
        "the data, the vocabulary or the length is not what this run was trained on, or "
        "--dev was given to one of both");
  int err = check_dev(d, cursor, e);
  if (err)
    return err;
  data_seek(d->data, (uint64_t)samples);
  return 0;
}

static int answers_of(void *ctx, const SpanSaid *said, int64_t n, SpanAnswer **out,
                      int64_t *answers, BigsError *e) {
  const DataFeed *d = ctx;
  return data_answers(d->dev ? d->dev : d->data, said, n, out, answers, e);
}

void feed_from_data(DataFeed *d, Data *data, int64_t batch, DataSplit evaluated, Feed *out) {
  *d = (DataFeed){.data = data, .batch = batch, .times = 1, .evaluated = evaluated};
  *out = (Feed){.ctx = d,
                .train = next_batch,
                .again = step_again,
                .pace = set_pace,
                .held_out = batch_at,
                .doubt = doubt,
                .cursor = put_cursor,
                .seek = seek_cursor,
                .answers = answers_of};
  out->epoch_rows = data_rows(data, DATA_TRAIN);
  out->epoch_steps = (data_rows(data, DATA_TRAIN) + batch - 1) / batch;
  const Labels *l = data_labels(data);
  out->labels = l;
  out->classes = l->n;
  for (int i = 1; i < l->n; i++)
    if (strcmp(l->name[i], l->name[out->last_class]) > 0)
      out->last_class = i;
}

void feed_evaluate_by(DataFeed *d, Data *dev, Feed *feed) {
  d->dev = dev;
  feed->held_out = batch_at;
}

void feed_leave_unpicked(DataFeed *d, const BigsModule *m, uint32_t unpicked) {
  d->module = m;
  d->unpicked = unpicked;
}

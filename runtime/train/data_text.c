// Text as rows: the stream of tokens, masked and next-token rows, unigram statistics.  See data.h.
#include "runtime/train/data_internal.h"
#include "base/rng.h"
#include <stdlib.h>
#include <string.h>

// ---- reading

// Is there an ordinary token from `i` on?
static bool any_ordinary(const Data *d, int64_t i) {
  for (; i < d->text.n; i++)
    if (data_ordinary(d, tokens_at(&d->text, i)))
      return true;
  return false;
}

// step: tokens of the text in a row; more: behind them, that the last row needs too.
static int count_rows(Data *d, const char *path, int64_t step, int64_t more, BigsError *e) {
  if (!d->text.n)
    return bigs_fail(e, BIGS_EMODEL, "%s: the text is empty", path);
  if (!any_ordinary(d, 0))
    return bigs_fail(e, BIGS_EMODEL, "%s: no words of the vocabulary in the text", path);
  if (d->text.n < step + more)
    return bigs_fail(e, BIGS_EMODEL, "%s: %lld tokens of text are fewer than one row of %lld", path,
                     (long long)d->text.n, (long long)d->o.length);
  d->rows = (d->text.n - more) / step;
  return 0;
}

static TokenizeOptions how_to_cut(const DataOptions *o) {
  return (TokenizeOptions){.place = {.folder = o->cache,
                                     .least = o->cache_least,
                                     .progress = o->progress,
                                     .say = o->say,
                                     .ctx = o->ctx},
                           .threads = o->threads,
                           .shift = o->chunk};
}

static int read_text(Data *d, const char *const *paths, int n, int64_t step, int64_t more,
                     BigsError *e) {
  TextReader *r = text_open(paths, n, e);
  TokenizeOptions how = how_to_cut(&d->o);
  int status = r ? tokenize(r, d->tok, &how, &d->text, NULL, e) : bigs_status(e, BIGS_EFILE);
  status = status ? status : count_rows(d, text_file(r, 0), step, more, e);
  text_close(r);
  return status;
}

// Every row has the whole length.
int64_t data_mlm_length(const Data *d, int64_t row) {
  (void)row;
  return d->o.length;
}
int64_t data_lm_length(const Data *d, int64_t row) {
  return data_mlm_length(d, row);
}

// ---- masked rows

static int join_sentences(Data *d, BigsError *e) {
  int64_t room = d->o.length - 2;
  if (room > SENTENCE_ROOM)
    return bigs_fail(e, BIGS_EUSAGE, "rows of whole sentences have at most %d tokens",
                     SENTENCE_ROOM + 2);
  int status = sentence_rows(&d->text, room, d->o.short_share, &d->sentences, e);
  d->rows = d->sentences.n;
  return status;
}

static int pack_documents(Data *d, BigsError *e) {
  int status = packs_make(&d->text, d->o.length, 2, &d->packs, e);
  d->rows = d->packs.n;
  return status;
}

static int end_stream(Data *d, BigsError *e) {
  (void)e;
  d->rows += any_ordinary(d, d->rows * (d->o.length - 2));
  return 0;
}

int data_mlm_read(Data *d, const char *const *paths, int n, BigsError *e) {
  static int (*const make_rows[])(Data *d, BigsError *e) = {[DATA_ROWS_STREAM] = end_stream,
                                                            [DATA_ROWS_SENTENCES] = join_sentences,
                                                            [DATA_ROWS_PACKED] = pack_documents};
  bool stream = d->o.rows == DATA_ROWS_STREAM;
  int status = read_text(d, paths, n, stream ? d->o.length - 2 : 1, 0, e);
  status = status ? status : make_rows[d->o.rows](d, e);
  return status || !d->o.words ? status : data_find_words(d, e);
}

static DataText whole_lines(const Data *d, int64_t row) {
  DataText t;
  t.from = sentence_row(&d->sentences, &d->text, tok_special(d->tok, TOK_SEP), row, &t.n);
  return t;
}

static DataText stretch(const Data *d, int64_t row) {
  int64_t step = d->o.length - 2, from = row * step, left = d->text.n - from;
  return (DataText){from, left < step ? left : step};
}

// Part i of what a row has of the text: packed rows have several.  False: behind the last one.
static bool row_part(const Data *d, int64_t row, int64_t i, DataText *out) {
  bool packed = d->o.rows == DATA_ROWS_PACKED;
  const PackPiece *p = packed ? packs_piece(&d->packs, row, i) : NULL;
  if (p)
    *out = (DataText){p->from, p->n};
  else if (!packed && i == 0)
    *out = d->o.rows == DATA_ROWS_SENTENCES ? whole_lines(d, row) : stretch(d, row);
  return packed ? p != NULL : i == 0;
}

// [CLS], the text's tokens and [SEP]; how many.
static int64_t put_part(const Data *d, const DataText *t, int32_t *ids) {
  ids[0] = tok_special(d->tok, TOK_CLS);
  for (int64_t i = 0; i < t->n; i++)
    ids[i + 1] = tokens_at(&d->text, t->from + i);
  ids[t->n + 1] = tok_special(d->tok, TOK_SEP);
  return t->n + 2;
}

// The documents of a row whose first n places have tokens, and the places in them: a separator begins one, or ends it.  Padding
// is one more.
static void number_documents(Data *d, int64_t cell, int64_t n, int64_t L, bool ends) {
  const int32_t *ids = d->buf.ids + cell, separator = tok_special(d->tok, TOK_SEP);
  int32_t *doc = d->buf.doc + cell, *place = d->buf.place + cell;
  doc[0] = place[0] = 0;
  for (int64_t i = 1; i < L; i++) {
    bool begins = i <= n && ids[i - ends] == separator;
    doc[i] = doc[i - 1] + begins;
    place[i] = begins ? 0 : place[i - 1] + 1;
  }
}

void data_mlm_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  int64_t L = out->L, n = 0;
  int32_t *ids = d->buf.ids + b * L;
  DataText t;
  for (int64_t i = 0; row_part(d, row, i, &t); i++)
    n += put_part(d, &t, ids + n);
  for (int64_t i = n; i < L; i++)
    ids[i] = d->pad;
  for (int64_t i = 0; i < L; i++)
    d->buf.mask[b * L + i] = i < n;
  memset(d->buf.types + b * L, 0, sizeof *ids * (size_t)L);
  number_documents(d, b * L, n, L, true);
  out->tokens += n;
  data_choose_tokens(d, b * L + 1, n - 2, key, out);
}

// ---- rows of next tokens

int data_lm_read(Data *d, const char *const *paths, int n, BigsError *e) {
  return read_text(d, paths, n, d->o.length, 1, e);
}

void data_lm_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  int64_t L = out->L;
  for (int64_t i = 0; i < L; i++) {
    int64_t cell = b * L + i, at = row * L + i;
    d->buf.ids[cell] = tokens_at(&d->text, at);
    d->buf.target[cell] = tokens_at(&d->text, at + 1);
    d->buf.types[cell] = 0;
    d->buf.mask[cell] = true;
  }
  number_documents(d, b * L, L, L, false);
  out->tokens += L;
}

// ---- statistics

static int64_t count_part(const Data *d, const DataText *t, int64_t *count) {
  int64_t total = 0;
  for (int64_t at = t->from; at < t->from + t->n; at++)
    if (data_ordinary(d, tokens_at(&d->text, at))) {
      count[tokens_at(&d->text, at)]++;
      total++;
    }
  return total;
}

int64_t data_mlm_count(const Data *d, int64_t *count) {
  int64_t total = 0;
  DataText t;
  for (int64_t k = 0; k < split_count(&d->split, false); k++)
    for (int64_t i = 0; row_part(d, split_row(&d->split, false, k), i, &t); i++)
      total += count_part(d, &t, count);
  return total;
}

int64_t data_lm_count(const Data *d, int64_t *count) {
  int64_t step = d->o.length;
  for (int64_t k = 0; k < split_count(&d->split, false); k++)
    for (int64_t row = split_row(&d->split, false, k), at = row * step + 1; at <= (row + 1) * step;
         at++)
      count[tokens_at(&d->text, at)]++;
  return split_count(&d->split, false) * step;
}

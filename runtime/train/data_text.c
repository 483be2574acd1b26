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

int data_mlm_read(Data *d, const char *const *paths, int n, BigsError *e) {
  int64_t step = d->o.length - 2;
  bool sentences = d->o.rows == DATA_ROWS_SENTENCES;
  int status = read_text(d, paths, n, sentences ? 1 : step, 0, e);
  if (!status && sentences)
    status = join_sentences(d, e);
  else if (!status)
    d->rows += any_ordinary(d, d->rows * step);
  return status || !d->o.words ? status : data_find_words(d, e);
}

// The first token of a row in the text, and how many there are of it.
static int64_t row_tokens(const Data *d, int64_t row, int64_t *n) {
  int64_t step = d->o.length - 2, from = row * step;
  if (d->o.rows == DATA_ROWS_SENTENCES)
    return sentence_row(&d->sentences, &d->text, tok_special(d->tok, TOK_SEP), row, n);
  *n = d->text.n - from < step ? d->text.n - from : step;
  return from;
}

void data_mlm_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  int64_t L = out->L, n, from = row_tokens(d, row, &n);
  int32_t *ids = d->buf.ids + b * L;
  ids[0] = tok_special(d->tok, TOK_CLS);
  for (int64_t i = 0; i < n; i++)
    ids[i + 1] = tokens_at(&d->text, from + i);
  ids[n + 1] = tok_special(d->tok, TOK_SEP);
  for (int64_t i = n + 2; i < L; i++)
    ids[i] = d->pad;
  for (int64_t i = 0; i < L; i++)
    d->buf.mask[b * L + i] = i < n + 2;
  memset(d->buf.types + b * L, 0, sizeof *ids * (size_t)L);
  out->tokens += n + 2;
  data_choose_tokens(d, b * L + 1, n, key, out);
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
  out->tokens += L;
}

// ---- statistics

int64_t data_mlm_count(const Data *d, int64_t *count) {
  int64_t total = 0;
  for (int64_t k = 0; k < split_count(&d->split, false); k++) {
    int64_t n, from = row_tokens(d, split_row(&d->split, false, k), &n);
    for (int64_t at = from; at < from + n; at++)
      if (data_ordinary(d, tokens_at(&d->text, at))) {
        count[tokens_at(&d->text, at)]++;
        total++;
      }
  }
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

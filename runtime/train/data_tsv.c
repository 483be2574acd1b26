// Labelled rows from TSV files: see data.h.
//
// The first line names the columns: see columns.def.  Labels are whole numbers from 0, or words, which are classes in the order of
// their bytes, or any numbers where the model's target is one.
#include "runtime/train/data_internal.h"
#include "runtime/train/decimal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Rows of `pairs` need a label where the block has a target, and of other columns than `score` it is read there only.
static int read_pair_columns(Data *d, const TextLine *l, Columns *c, BigsError *e) {
  int status = columns_read(l, d->o.numbers && !d->o.unlabelled, c, e);
  if (!status && c->b < 0)
    return bigs_fail(e, BIGS_EMODEL,
                     "%s:%zu: the header has no two columns of texts, as \"text_a\" and \"text_b\"",
                     l->path, l->line);
  if (!d->o.numbers && !c->scored)
    c->label = -1;
  d->o.numbers |= c->label >= 0;
  return status;
}

static int read_header(Data *d, const TextLine *l, Columns *c, BigsError *e) {
  int status = d->o.kind == DATA_PAIRS ? read_pair_columns(d, l, c, e)
                                       : columns_read(l, !d->o.unlabelled, c, e);
  bool pair = c->b >= 0;
  if (!status && d->nfile && pair != d->pair)
    return bigs_fail(e, BIGS_EMODEL, "%s:%zu: %s here, unlike in the files before", l->path,
                     l->line, pair ? "pairs of texts" : "single texts");
  d->pair = pair;
  return status;
}

static int grow_rows(Data *d, BigsError *e) {
  if (d->rows < d->row_cap)
    return 0;
  int64_t cap = d->row_cap * 2 + 1024;
  int64_t *start = realloc(d->start, sizeof *start * (size_t)(cap + 1));
  d->start = start ? start : d->start;
  int32_t *first = realloc(d->first, sizeof *first * (size_t)cap);
  d->first = first ? first : d->first;
  int32_t *label = realloc(d->label, sizeof *label * (size_t)cap);
  d->label = label ? label : d->label;
  float *value = realloc(d->value, sizeof *value * (size_t)cap);
  d->value = value ? value : d->value;
  if (!start || !first || !label || !value)
    return bigs_fail_memory(e, "the rows of the data");
  d->row_cap = cap;
  d->start[d->rows] = d->ntoken;
  return 0;
}

typedef struct TsvReader {
  Data *d;
  TextReader *from;
  TokEncoder *encoder;
  LabelWords words; // d->label holds their numbers, until all are known
  Columns columns;  // of the file
  const char *path;
} TsvReader;

static int read_number(const TextLine *l, const TextField *f, float *out, BigsError *e) {
  double x = NAN;
  bool number = decimal_read(f->s, f->n, &x);
  *out = (float)x;
  if (isfinite(*out))
    return 0;
  return bigs_fail(e, BIGS_EMODEL, "%s:%zu: label \"%.*s\" is %s", l->path, l->line,
                   (int)(f->n < 40 ? f->n : 40), f->s,
                   number ? "more than f32 holds" : "not a number, as `3`, `-0.25` or `1e-3`");
}

// f NULL: it is not known.
static int read_target(TsvReader *t, const TextLine *l, const TextField *f, BigsError *e) {
  Data *d = t->d;
  d->label[d->rows] = -1;
  d->value[d->rows] = NAN;
  if (!f)
    return 0;
  if (d->o.numbers)
    return read_number(l, f, &d->value[d->rows], e);
  return label_words_add(&t->words, f->s, f->n, (LabelWord){NULL, l->path, l->line},
                         &d->label[d->rows], e);
}

// Tokens that the row under way has room for: of both texts, or of each where each has a row of its own.
static int check_room(Data *d, const TextLine *l, int64_t a, int64_t b, BigsError *e) {
  bool apart = d->o.kind == DATA_PAIRS;
  int64_t need = apart ? (a > b ? a : b) : a + b;
  need += tok_around(d->tok, d->pair && !apart ? 2 : 1);
  if (need <= d->o.length)
    return 0;
  d->ncut++;
  if (!d->o.whole)
    return 0;
  return bigs_fail(e, BIGS_EMODEL,
                   "%s:%zu: %lld tokens, special ones included, and a row has room for %lld "
                   "(--long cut, the default, cuts)",
                   l->path, l->line, (long long)need, (long long)d->o.length);
}

// As the same text becomes tokens where the model is used: tok_whole.
static int push_text(TsvReader *t, TextField f, DataText *out, BigsError *e) {
  return data_push_text(t->d, t->encoder, f, true, out, e);
}

static int read_row(TsvReader *t, const TextLine *l, BigsError *e) {
  Data *d = t->d;
  const Columns *col = &t->columns;
  TextField field[MAX_COLUMNS];
  DataText a, b = {0};
  int n = cut_fields(l, field);
  if (n != col->count)
    return data_other_fields(d, l, n, col->count, e);
  int status = grow_rows(d, e);
  status = status ? status : read_target(t, l, col->label < 0 ? NULL : &field[col->label], e);
  status = status ? status : push_text(t, field[col->a], &a, e);
  if (!status && col->b >= 0)
    status = push_text(t, field[col->b], &b, e);
  if (status)
    return status;
  d->first[d->rows] = (int32_t)a.n;
  d->start[++d->rows] = d->ntoken;
  return check_room(d, l, a.n, b.n, e);
}

static int take_line(void *reader, const TextLine *l, BigsError *e) {
  TsvReader *t = reader;
  bool first = l->path != t->path;
  int status = data_whole_line(l, e);
  t->path = l->path;
  if (!status && first)
    status = read_header(t->d, l, &t->columns, e);
  if (!status && first)
    status = data_push_file(t->d, l->path, t->d->rows, e);
  return status || (first && !t->columns.headless) ? status : read_row(t, l, e);
}

int data_tsv_read(Data *d, const char *const *paths, int n, BigsError *e) {
  TsvReader t = {.d = d, .from = text_open(paths, n, e)};
  t.encoder = t.from ? tok_encoder_new(d->tok, e) : NULL;
  int status = !t.from      ? bigs_status(e, BIGS_EFILE)
               : !t.encoder ? BIGS_EMODEL
                            : data_each_line(d, t.from, take_line, &t, e);
  if (!status && d->rows == 0)
    status = bigs_fail(e, BIGS_EMODEL, "%s: no rows behind the header", text_file(t.from, 0));
  if (!status)
    status = data_classes(d, &t.words, d->label, d->o.numbers ? 0 : d->rows, e);
  label_words_free(&t.words);
  tok_encoder_free(t.encoder);
  text_close(t.from);
  return status;
}

// ---- rows

// Tokens of both texts that fit: there is room for what stands around them (check_options of data.c).
static void cut_row(const Data *d, int64_t row, size_t n[2]) {
  n[0] = (size_t)d->first[row];
  n[1] = (size_t)(d->start[row + 1] - d->start[row]) - n[0];
  tok_cut(d->tok, d->pair ? 2 : 1, (size_t)d->o.length, n);
}

int64_t data_tsv_length(const Data *d, int64_t row) {
  size_t n[2];
  cut_row(d, row, n);
  return (int64_t)(n[0] + n[1]) + tok_around(d->tok, d->pair ? 2 : 1);
}

// A label is no token.
int64_t data_tsv_count(const Data *d, int64_t *count) {
  (void)d;
  (void)count;
  return -1;
}

void data_tsv_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  size_t n[2];
  int64_t at[2];
  cut_row(d, row, n);
  data_put_texts(
      d,
      (DataText[]){{d->start[row], (int64_t)n[0]}, {d->start[row] + d->first[row], (int64_t)n[1]}},
      d->pair ? 2 : 1, b, out, at);
  if (d->o.numbers)
    d->buf.value[b] = d->value[row];
  else
    d->buf.target[b] = d->label[row];
}

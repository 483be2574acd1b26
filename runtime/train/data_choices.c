// Rows of several choices, one of them right: see data_choices.h.
#include "runtime/train/data_choices.h"

static void choices_free(void *own) {
  Choices *c = own;
  free(c->text.v);
  free(c->row.v);
  free(c->note.v);
  free(c);
}

// ---- rows
static void cut_row(const Data *d, const ChoiceRow *row, int64_t choice, DataText text[2],
                    int *texts) {
  const Choices *c = d->own;
  DataText own = c->text.v[choice];
  *texts = row->pair ? 2 : 1;
  size_t n[2] = {row->pair ? (size_t)row->context.n : (size_t)own.n, (size_t)own.n};
  tok_cut(d->tok, *texts, (size_t)d->o.length, n);
  text[0] = (DataText){row->pair ? row->context.from : own.from, (int64_t)n[0]};
  text[1] = (DataText){own.from, (int64_t)n[1]};
}

static void count_cut(Data *d) {
  const Choices *c = d->own;
  for (int64_t i = 0; i < d->rows; i++) {
    bool cut = false;
    for (int k = 0; k < c->n; k++) {
      DataText text[2];
      int texts;
      const ChoiceRow *row = &c->row.v[i];
      cut_row(d, row, row->choice + k, text, &texts);
      cut |= text[texts - 1].n < c->text.v[row->choice + k].n ||
             (row->pair && text[0].n < row->context.n);
    }
    d->ncut += cut;
  }
}

int data_choices_read(Data *d, const char *const *paths, int n, BigsError *e) {
  Choices *c = data_own(d, sizeof *c, choices_free, e);
  int status = c ? choices_read(d, c, paths, n, e) : BIGS_EMODEL;
  if (status)
    return status;
  d->rows = c->row.n;
  d->notes = c->note.v;
  d->nnote = c->note.n;
  d->choices = c->n;
  count_cut(d);
  return 0;
}

int64_t data_choices(const Data *d) {
  return d->choices;
}

int64_t data_choices_length(const Data *d, int64_t row) {
  const Choices *c = d->own;
  const ChoiceRow *r = &c->row.v[row];
  int64_t longest = 0;
  for (int k = 0; k < c->n; k++) {
    DataText text[2];
    int texts;
    cut_row(d, r, r->choice + k, text, &texts);
    int64_t n = text[0].n + (texts > 1 ? text[1].n : 0) + tok_around(d->tok, texts);
    longest = n > longest ? n : longest;
  }
  return longest;
}

// A choice is no token.
int64_t data_choices_count(const Data *d, int64_t *count) {
  (void)d;
  (void)count;
  return -1;
}

void data_choices_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  const Choices *c = d->own;
  const ChoiceRow *r = &c->row.v[row];
  for (int k = 0; k < c->n; k++) {
    DataText text[2];
    int64_t at[2];
    int texts;
    cut_row(d, r, r->choice + k, text, &texts);
    data_put_texts(d, text, texts, b * c->n + k, out, at);
  }
  d->buf.target[b] = r->label;
}

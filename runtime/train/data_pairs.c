// Two texts a row, each for itself: see data.h.  They are read as tsv reads them.
#include "runtime/train/data_internal.h"

static int64_t room_of(const Data *d) {
  return d->o.length - tok_around(d->tok, 1);
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Text 0 or 1 of a row, as much of it as fits.
static DataText text_of(const Data *d, int64_t row, int side) {
  int64_t from = d->start[row], middle = from + d->first[row], end = d->start[row + 1];
  return side ? (DataText){middle, least(end - middle, room_of(d))}
              : (DataText){from, least(middle - from, room_of(d))};
}

int data_pairs_read(Data *d, const char *const *paths, int n, BigsError *e) {
  return data_tsv_read(d, paths, n, e);
}

int64_t data_pairs_length(const Data *d, int64_t row) {
  int64_t a = text_of(d, row, 0).n, b = text_of(d, row, 1).n;
  return (a > b ? a : b) + tok_around(d->tok, 1);
}

int64_t data_pairs_count(const Data *d, int64_t *count) {
  return data_tsv_count(d, count);
}

void data_pairs_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  int64_t at[2], cell = b * out->L;
  DataSide second = {d->buf.ids_b + cell, d->buf.types_b + cell, d->buf.mask_b + cell};
  data_put_texts(d, (DataText[]){text_of(d, row, 0)}, 1, b, out, at);
  data_put_side(d, (DataText[]){text_of(d, row, 1)}, 1, second, out, at);
  d->buf.value[b] = d->value[row];
}

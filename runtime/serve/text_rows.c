// See text_rows.h.
#include "runtime/serve/text_rows.h"
#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { FULL_GROUP = 256 }; // tokens beside which much shorter rows are better on their own

void text_rows_free(TextRows *r) {
  free(r->ids.v);
  free(r->types.v);
  free(r->row);
  free(r->cell_ids);
  free(r->cell_types);
  free(r->cell_mask);
}

void text_rows_clear(TextRows *r) {
  r->n = 0;
  r->ids.n = r->types.n = 0;
}

// ---- rows
// NULL with the error set.
static TextRow *begin_row(TextRows *r, BigsError *e) {
  if (r->n == r->cap) {
    int64_t cap = r->cap * 2 + 1024;
    TextRow *v = REALLOC_N(TextRow, r->row, cap);
    if (!v) {
      bigs_fail_memory(e, "a table of texts");
      return NULL;
    }
    r->row = v;
    r->cap = cap;
  }
  TextRow *row = &r->row[r->n];
  row->number = r->n++;
  row->at = r->ids.n;
  row->n = 0;
  return row;
}

int text_rows_add(TextRows *r, TokEncoder *c, const char *const *text, int texts, bool *cut,
                  BigsError *e) {
  const size_t size[2] = {strlen(text[0]), texts > 1 ? strlen(text[1]) : 0};
  TextRow *row = begin_row(r, e);
  int err =
      !row ? BIGS_EMODEL
           : tok_whole(c, text, size, texts, (size_t)r->takes.longest, &r->ids, &r->types, cut, e);
  if (!err)
    row->n = (int64_t)(r->ids.n - row->at);
  return err;
}

int text_rows_add_ids(TextRows *r, const int32_t *ids, int64_t n, BigsError *e) {
  TextRow *row = begin_row(r, e);
  int err = row ? 0 : BIGS_EMODEL;
  for (int64_t i = 0; i < n && !err; i++) {
    err = tok_push(&r->ids, ids[i], e);
    err = err ? err : tok_push(&r->types, 0, e);
  }
  if (!err)
    row->n = n;
  return err;
}

// ---- groups
static int by_token_count(const void *a, const void *b) {
  const TextRow *x = (const TextRow *)a, *y = (const TextRow *)b;
  return x->n != y->n ? (x->n < y->n) - (x->n > y->n)
                      : (x->number > y->number) - (x->number < y->number);
}

void text_rows_sort(TextRows *r) {
  if (r->n)
    qsort(r->row, (size_t)r->n, sizeof *r->row, by_token_count);
}

static int64_t group_length(const TextRows *r, int64_t first) {
  return r->takes.pad ? r->takes.pad : r->row[first].n;
}

// Padding that the model does not know of would be text; where many tokens are together already, much shorter rows begin a group of
// their own.
int64_t text_rows_together(const TextRows *r, int64_t first) {
  const TextTakes *x = &r->takes;
  int64_t L = group_length(r, first), n = 1;
  for (; first + n < r->n && (x->batch ? n < x->batch : (n + 1) * L <= x->tokens); n++) {
    int64_t own = r->row[first + n].n;
    if (!x->pad && ((!x->masked && own != L) || (n * L >= FULL_GROUP && own < L / 2)))
      break;
  }
  return n;
}

static int room_of_group(TextRows *r, int64_t cells, BigsError *e) {
  cells = cells > TEXT_GROUP_TOKENS ? cells : TEXT_GROUP_TOKENS;
  if (cells <= r->cells)
    return 0;
  int32_t *ids = REALLOC_N(int32_t, r->cell_ids, cells);
  r->cell_ids = ids ? ids : r->cell_ids;
  int32_t *types = REALLOC_N(int32_t, r->cell_types, cells);
  r->cell_types = types ? types : r->cell_types;
  bool *mask = REALLOC_N(bool, r->cell_mask, cells);
  r->cell_mask = mask ? mask : r->cell_mask;
  r->cells = ids && types && mask ? cells : 0;
  return r->cells ? 0 : bigs_fail_memory(e, "tokens of texts");
}

static void fill_text_row(TextRows *r, const TextRow *row, int64_t at, int64_t L) {
  for (int64_t i = 0; i < L; i++) {
    bool own = i < row->n;
    r->cell_ids[at + i] = own ? r->ids.v[row->at + (size_t)i] : r->filler;
    r->cell_types[at + i] = own ? r->types.v[row->at + (size_t)i] : 0;
    r->cell_mask[at + i] = own;
  }
}

int text_rows_group(TextRows *r, int64_t first, TextGroup *out, BigsError *e) {
  int64_t n = text_rows_together(r, first), L = group_length(r, first),
          B = r->takes.batch ? r->takes.batch : n;
  int err = room_of_group(r, B * L, e);
  for (int64_t i = 0; i < B && !err; i++)
    fill_text_row(r, &r->row[first + (i < n ? i : 0)], i * L, L);
  out->row = r->row + first;
  out->n = n;
  out->B = B;
  out->L = L;
  out->ids = r->cell_ids;
  out->types = r->cell_types;
  out->mask = r->cell_mask;
  return err;
}

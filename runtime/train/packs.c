// See packs.h.
#include "runtime/train/packs.h"
#include "base/alloc.h"
#include "runtime/train/list.h"

typedef LIST(PackPiece) PackPieces;

// ---- pieces

static int add_pieces(PackPieces *p, int64_t from, int64_t n, int64_t most, BigsError *e) {
  int status = 0;
  for (int64_t part; n && !status; from += part, n -= part) {
    part = n < most ? n : most;
    status = p->n < INT32_MAX / 2
                 ? LIST_ADD(p, ((PackPiece){.from = from, .n = (int32_t)part}), e)
                 : bigs_fail(e, BIGS_EMODEL, "more than %d documents to pack", INT32_MAX / 2);
  }
  return status;
}

// Lines follow one another up to a separator, which is a token of its own.
static int list_pieces(const TokenStream *t, int64_t most, PackPieces *out, BigsError *e) {
  TokenLines l = {.tokens = t};
  int64_t from = 0, at = 0;
  int status = 0;
  for (int64_t n; !status && (n = tokens_line(&l)) >= 0;) {
    at += n;
    if (n)
      continue;
    status = add_pieces(out, from, at - from, most, e);
    from = ++at;
  }
  return status ? status : add_pieces(out, from, at - from, most, e);
}

// ---- rows

// Over rows, as many as there can be, the most room of each half, quarter, ...: that of all is [1], that of row i is [rows + i].
typedef struct RowRooms {
  int32_t *most;
  int64_t rows; // a power of two
} RowRooms;

static int start_rooms(RowRooms *r, int64_t pieces, int32_t length, BigsError *e) {
  for (r->rows = 1; r->rows < pieces;)
    r->rows *= 2;
  r->most = MALLOC_N(int32_t, 2 * r->rows);
  for (int64_t i = 0; r->most && i < 2 * r->rows; i++)
    r->most[i] = length;
  return r->most ? 0 : bigs_fail_memory(e, "the rows of the text");
}

// The first row with room for so many; there always is one, for no row is begun before there is need.
static int64_t take_room(RowRooms *r, int32_t want) {
  int64_t i = 1;
  while (i < r->rows)
    i = 2 * i + (r->most[2 * i] < want);
  int64_t row = i - r->rows;
  r->most[i] -= want;
  while (i /= 2)
    r->most[i] = r->most[2 * i] > r->most[2 * i + 1] ? r->most[2 * i] : r->most[2 * i + 1];
  return row;
}

static int fill_rows(PackPieces *p, int64_t length, int64_t around, int64_t *rows, BigsError *e) {
  RowRooms r;
  int status = start_rooms(&r, p->n, (int32_t)length, e);
  for (int64_t i = 0; i < p->n && !status; i++) {
    int64_t row = take_room(&r, p->v[i].n + (int32_t)around);
    p->v[i].row = (int32_t)row;
    *rows = row < *rows ? *rows : row + 1;
  }
  free(r.most);
  return status;
}

static int by_row(const void *a, const void *b) {
  const PackPiece *x = a, *y = b;
  return x->row != y->row ? (x->row > y->row) - (x->row < y->row)
                          : (x->from > y->from) - (x->from < y->from);
}

static int sort_rows(PackPieces *p, Packs *out, BigsError *e) {
  out->first = ALLOC_N(int64_t, out->n + 1);
  if (!out->first)
    return bigs_fail_memory(e, "the rows of the text");
  qsort(p->v, (size_t)p->n, sizeof *p->v, by_row);
  for (int64_t i = 0; i < p->n; i++)
    out->first[p->v[i].row + 1] = i + 1;
  return 0;
}

int packs_make(const TokenStream *t, int64_t length, int64_t around, Packs *out, BigsError *e) {
  PackPieces p = {0};
  *out = (Packs){0};
  int status = list_pieces(t, length - around, &p, e);
  status = status ? status : fill_rows(&p, length, around, &out->n, e);
  status = status ? status : sort_rows(&p, out, e);
  out->piece = p.v;
  if (status)
    packs_free(out);
  return status;
}

void packs_free(Packs *p) {
  free(p->piece);
  free(p->first);
  *p = (Packs){0};
}

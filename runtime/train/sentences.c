// See sentences.h.
#include "runtime/train/sentences.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "runtime/train/data_internal.h"

enum { GROUP = 64 };

typedef struct RowMaker {
  SentenceRows *out;
  BigsError *e;
  int64_t most;    // tokens of a row
  double share;    // of rows that want fewer
  int64_t at, n;   // the row under way: its first token, and how many it has
  int64_t wanted;  // tokens that it should have
  bool behind_end; // the row under way is the first of a document
} RowMaker;

static int grow(SentenceRows *r, BigsError *e) {
  int64_t room = r->room * 2 + 16 * GROUP;
  int64_t *base = REALLOC_N(int64_t, r->base, room / GROUP);
  r->base = base ? base : r->base;
  uint32_t *from = base ? REALLOC_N(uint32_t, r->from, room) : NULL;
  if (!from)
    return bigs_fail_memory(e, "the rows of the text");
  r->from = from;
  r->room = room;
  return 0;
}

static int put_start(RowMaker *m, int64_t row) {
  SentenceRows *r = m->out;
  if (row == r->room && grow(r, m->e))
    return bigs_status(m->e, BIGS_EMODEL);
  if (row % GROUP == 0)
    r->base[row / GROUP] = m->at;
  r->from[row] = (uint32_t)(m->at - r->base[row / GROUP]) * 2 + m->behind_end;
  return 0;
}

static int64_t wanted(const RowMaker *m, int64_t row) {
  uint32_t key[2], draw[4], i = (uint32_t)row;
  rng_site_keys(0, (uint64_t)row >> 32, SITE_SHORT, key);
  philox4x32((uint32_t[4]){i, 0, 0, 0}, key, draw);
  if (!(rng_uniform(draw[0]) < m->share) || m->most < 2)
    return m->most;
  return 2 + rng_below(draw[1], (uint32_t)(m->most - 1));
}

static int begin_row(RowMaker *m) {
  m->wanted = wanted(m, m->out->n);
  return put_start(m, m->out->n);
}

// The row under way is whole; what comes next is another one's.
static int end_row(RowMaker *m) {
  if (!m->n)
    return 0;
  m->out->n++;
  m->at += m->n;
  m->n = 0;
  m->behind_end = false;
  return 0;
}

static int add_piece(RowMaker *m, int64_t n) {
  int status = m->n && m->n + n > m->wanted ? end_row(m) : 0;
  status = status || m->n ? status : begin_row(m);
  m->n += n;
  return status;
}

static int add_line(RowMaker *m, int64_t n) {
  int status = 0;
  for (; n > m->most && !status; n -= m->most)
    status = add_piece(m, m->most);
  return status ? status : add_piece(m, n);
}

static int end_document(RowMaker *m) {
  int status = end_row(m);
  m->at++; // the separator
  m->behind_end = true;
  return status;
}

int sentence_rows(const TokenStream *t, int64_t room, double share, SentenceRows *out,
                  BigsError *e) {
  *out = (SentenceRows){0};
  RowMaker m = {.out = out, .e = e, .most = room, .share = share};
  TokenLines l = {.tokens = t};
  int status = 0;
  for (int64_t n; !status && (n = tokens_line(&l)) >= 0;)
    status = n ? add_line(&m, n) : end_document(&m);
  status = status ? status : end_row(&m);
  status = status ? status : put_start(&m, out->n);
  if (status)
    sentence_rows_free(out);
  return status;
}

void sentence_rows_free(SentenceRows *r) {
  free(r->base);
  free(r->from);
  *r = (SentenceRows){0};
}

static int64_t start(const SentenceRows *r, int64_t row) {
  return r->base[row / GROUP] + (r->from[row] >> 1);
}

// Behind documents without a token there are several separators.
int64_t sentence_row(const SentenceRows *r, const TokenStream *t, int32_t separator, int64_t row,
                     int64_t *n) {
  int64_t from = start(r, row), to = start(r, row + 1);
  if (r->from[row + 1] & 1)
    while (to > from && tokens_at(t, to - 1) == separator)
      to--;
  *n = to - from;
  return from;
}

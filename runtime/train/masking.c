// Which tokens of a row are to be predicted, and what stands in their places: see data.h.
#include "base/alloc.h"
#include "base/rng.h"
#include "runtime/train/data_internal.h"
#include <string.h>

// ---- words

// What tells the pieces of words from each other.
static const struct {
  const char *mark;
  bool joins; // a token with the mark goes on with the word before it, else one without does
} conventions[] = {{"##", true}, {"\u0120", false}, {"\u2581", false}};
enum { CONVENTIONS = sizeof conventions / sizeof *conventions };

static bool has_mark(const Tokenizer *t, int32_t id, int convention) {
  const char *mark = conventions[convention].mark, *text = tok_text(t, id);
  return text && !strncmp(text, mark, strlen(mark));
}

// Whose mark most tokens of the vocabulary have; -1: none has any.
static int convention_of(const Tokenizer *t) {
  int best = -1, most = 0;
  for (int i = 0; i < CONVENTIONS; i++) {
    int n = 0;
    for (int32_t id = 0; id < tok_size(t); id++)
      n += has_mark(t, id, i);
    best = n > most ? i : best;
    most = n > most ? n : most;
  }
  return best;
}

int data_find_words(Data *d, BigsError *e) {
  RowWords *w = &d->words;
  int convention = convention_of(d->tok), size = tok_size(d->tok);
  *w = (RowWords){ALLOC_N(bool, size), ALLOC_N(bool, d->o.length), ALLOC_N(RowWord, d->o.length)};
  if (!w->joins || !w->taken || !w->word)
    return bigs_fail_memory(e, "the words of a row");
  for (int32_t id = 0; id < size && convention >= 0; id++)
    w->joins[id] =
        data_ordinary(d, id) && has_mark(d->tok, id, convention) == conventions[convention].joins;
  return 0;
}

void data_free_words(RowWords *w) {
  free(w->joins);
  free(w->taken);
  free(w->word);
}

// ---- what is predicted
// An ordinary token, evenly: a draw over as many ids as are ordinary, moved past the special ones.
static int32_t random_ordinary(const Data *d, uint32_t r) {
  int32_t id = (int32_t)rng_below(r, (uint32_t)(tok_size(d->tok) - d->nspecial));
  for (int i = 0; i < d->nspecial; i++)
    id += id >= d->special[i];
  return id;
}

static void choose_token(Data *d, int64_t cell, const uint32_t draw[4], DataBatch *out) {
  int32_t *ids = d->buf.ids;
  d->buf.at[out->M] = (int32_t)cell;
  d->buf.labels[out->M++] = ids[cell];
  uint32_t kind = rng_below(draw[1], 10);
  if (kind < 8)
    ids[cell] = tok_special(d->tok, TOK_MASK);
  else if (kind == 8)
    ids[cell] = random_ordinary(d, draw[2]);
}

static void draw_of(const uint32_t key[2], int64_t i, uint32_t what, uint32_t draw[4]) {
  philox4x32((uint32_t[4]){(uint32_t)i, what, 0, 0}, key, draw);
}

// Chooses among the n cells from `cell` on, the ordinary ones or, with `any`, all.  Selection sampling (Knuth, TAOCP 2, 3.4.2,
// algorithm S): each candidate is taken with probability wanted / left, so exactly `wanted` are, in order.
static void choose_each(Data *d, int64_t cell, int64_t n, bool any, int64_t left, int64_t wanted,
                        const uint32_t key[2], DataBatch *out) {
  const int32_t *ids = d->buf.ids;
  for (int64_t i = 0; i < n && wanted; i++) {
    if (!any && !data_ordinary(d, ids[cell + i]))
      continue;
    uint32_t draw[4];
    draw_of(key, i, 0, draw);
    if (rng_below(draw[0], (uint32_t)left--) < (uint32_t)wanted) {
      choose_token(d, cell + i, draw, out);
      wanted--;
    }
  }
}

// The words of n cells, each with a draw; how many.
static int64_t list_words(const Data *d, int64_t cell, int64_t n, const uint32_t key[2]) {
  const int32_t *ids = d->buf.ids + cell;
  RowWord *w = d->words.word;
  int64_t words = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!data_ordinary(d, ids[i]))
      continue;
    bool inside = i && data_ordinary(d, ids[i - 1]) && d->words.joins[ids[i]];
    if (inside) {
      w[words - 1].n++;
      continue;
    }
    uint32_t draw[4];
    draw_of(key, i, 1, draw);
    w[words++] = (RowWord){draw[0], (int32_t)i, 1};
  }
  return words;
}

static int by_draw(const void *a, const void *b) {
  const RowWord *x = a, *y = b;
  return x->draw != y->draw ? (x->draw > y->draw) - (x->draw < y->draw)
                            : (x->from > y->from) - (x->from < y->from);
}

// Whole words in the order of their draws, as long as they fit.  Where not even the shortest does, the first, as much of it as may be.
static void take_words(Data *d, int64_t words, int64_t wanted) {
  const RowWord *w = d->words.word;
  int64_t taken = 0;
  for (int64_t i = 0; i < words; i++)
    if (taken + w[i].n <= wanted) {
      memset(d->words.taken + w[i].from, true, (size_t)w[i].n);
      taken += w[i].n;
    }
  int64_t most = d->o.most > 0 && d->o.most < w[0].n ? d->o.most : w[0].n;
  if (!taken)
    memset(d->words.taken + w[0].from, true, (size_t)most);
}

static void choose_words(Data *d, int64_t cell, int64_t n, int64_t wanted, const uint32_t key[2],
                         DataBatch *out) {
  int64_t words = list_words(d, cell, n, key);
  qsort(d->words.word, (size_t)words, sizeof *d->words.word, by_draw);
  for (int64_t i = 0; i < n; i++)
    d->words.taken[i] = false;
  take_words(d, words, wanted);
  for (int64_t i = 0; i < n; i++)
    if (d->words.taken[i]) {
      uint32_t draw[4];
      draw_of(key, i, 0, draw);
      choose_token(d, cell + i, draw, out);
    }
}

void data_choose_tokens(Data *d, int64_t cell, int64_t n, const uint32_t key[2], DataBatch *out) {
  int64_t left = 0;
  for (int64_t i = 0; i < n; i++)
    left += data_ordinary(d, d->buf.ids[cell + i]);
  bool any = left == 0;
  left = any ? n : left;
  int64_t wanted = any ? 1 : (int64_t)(d->masking * (double)left + 0.5);
  wanted = d->o.most > 0 && wanted > d->o.most ? d->o.most : wanted;
  wanted = wanted < 1 ? 1 : wanted > left ? left : wanted;
  if (d->o.words && !any)
    choose_words(d, cell, n, wanted, key, out);
  else
    choose_each(d, cell, n, any, left, wanted, key, out);
}

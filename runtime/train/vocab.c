// Learning a vocabulary, first half: counting words; and the file made in the end.  See vocab.h.
#include "runtime/train/vocab.h"
#include "base/hash.h"
#include "runtime/text/tokenizer.h"
#include "runtime/train/vocab_internal.h"
#include "runtime/text/words.h"
#include <stdlib.h>
#include <string.h>

// ---- strings with counts

typedef struct WantedString {
  const Strings *t;
  const char *s;
  size_t n;
} WantedString;

static bool same_string(const void *wanted, uint64_t i) {
  const WantedString *w = wanted;
  return w->t->len[i] == w->n && !memcmp(w->t->pool + w->t->start[i], w->s, w->n);
}

int32_t strings_find(const Strings *t, const char *s, size_t n) {
  const uint64_t *i = map_find(&t->at, hash_bytes(0, s, n), same_string, &(WantedString){t, s, n});
  return i ? (int32_t)*i : -1;
}

static bool grow_rows(Strings *t, size_t n) {
  if (t->n == t->cap) {
    int cap = t->cap * 2 + 4096;
    size_t *start = realloc(t->start, sizeof *start * (size_t)cap);
    t->start = start ? start : t->start;
    uint32_t *len = realloc(t->len, sizeof *len * (size_t)cap);
    t->len = len ? len : t->len;
    int64_t *count = realloc(t->count, sizeof *count * (size_t)cap);
    t->count = count ? count : t->count;
    if (!start || !len || !count)
      return false;
    t->cap = cap;
  }
  if (t->room - t->used < n) {
    size_t room = (t->room + n) * 2 + 65536;
    char *pool = realloc(t->pool, room);
    if (!pool)
      return false;
    t->pool = pool;
    t->room = room;
  }
  return true;
}

int32_t strings_add(Strings *t, const char *s, size_t n) {
  int32_t i = strings_find(t, s, n);
  if (i >= 0)
    return i;
  if (t->n == INT32_MAX / 4 || !grow_rows(t, n) ||
      !map_add(&t->at, hash_bytes(0, s, n), (uint64_t)t->n))
    return -1;
  memcpy(t->pool + t->used, s, n);
  t->start[t->n] = t->used;
  t->len[t->n] = (uint32_t)n;
  t->count[t->n] = 0;
  t->used += n;
  return t->n++;
}

void strings_free(Strings *t) {
  free(t->pool);
  free(t->start);
  free(t->len);
  free(t->count);
  map_free(&t->at);
  *t = (Strings){0};
}

// ---- counting

typedef struct Counter {
  Strings seen;
  int64_t total;
  BigsError *e;
} Counter;

static int count_word(void *ctx, const char *word, size_t n, size_t chars) {
  Counter *c = ctx;
  if (chars > TOK_MAX_CHARS)
    return 0;
  int32_t i = strings_add(&c->seen, word, n);
  if (i < 0)
    return bigs_fail_memory(c->e, "the words of the text");
  c->seen.count[i]++;
  c->total++;
  return 0;
}

static int count_text(TextReader *r, Words *w, const VocabOptions *o, Counter *c, BigsError *e) {
  TextLine line;
  for (int64_t i = 0;; i++) {
    int status = text_next(r, &line, e);
    if (status || !line.s)
      return status;
    status = words_split(w, line.s, line.n, count_word, c, e);
    if (status)
      return status;
    if (i % 4096 == 0 && o->progress && o->progress(o->ctx, "counting words", text_share(r)))
      return bigs_fail(e, BIGS_EINTERRUPT, "interrupted");
  }
}

static int by_text(const void *a, const void *b, void *ctx) {
  const Strings *t = ctx;
  int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
  uint32_t n = t->len[i] < t->len[j] ? t->len[i] : t->len[j];
  int c = memcmp(t->pool + t->start[i], t->pool + t->start[j], n);
  return c ? c : (t->len[i] > t->len[j]) - (t->len[i] < t->len[j]);
}

static int sorted(const Strings *seen, Strings *words, BigsError *e) {
  int32_t *order = malloc(sizeof *order * ((size_t)seen->n + 1));
  if (!order)
    return bigs_fail_memory(e, "the words of the text");
  for (int i = 0; i < seen->n; i++)
    order[i] = i;
  qsort_r(order, (size_t)seen->n, sizeof *order, by_text, (void *)(uintptr_t)seen);
  int status = 0;
  for (int k = 0; k < seen->n && !status; k++) {
    int32_t i = order[k], j = strings_add(words, seen->pool + seen->start[i], seen->len[i]);
    if (j < 0)
      status = bigs_fail_memory(e, "the words of the text");
    else
      words->count[j] = seen->count[i];
  }
  free(order);
  return status;
}

// What is learned from: words sorted by their bytes, so that nothing depends on the order of text.
static int vocab_count(const char *const *paths, int npaths, const VocabOptions *o, Strings *words,
                       int64_t *total, BigsError *e) {
  Counter c = {.e = e};
  TextReader *r = text_open(paths, npaths, e);
  Words *w = r ? words_new(o->lower ? WORDS_PLAIN : WORDS_KEPT, e) : NULL;
  int status = !r ? bigs_status(e, BIGS_EFILE) : !w ? BIGS_EMODEL : count_text(r, w, o, &c, e);
  if (!status && c.seen.n == 0)
    status = bigs_fail(e, BIGS_EMODEL, "%s: no words in the text", paths[0]);
  status = status ? status : sorted(&c.seen, words, e);
  *total = c.total;
  strings_free(&c.seen);
  words_free(w);
  text_close(r);
  return status;
}

// ---- the file

static int write_out(const Strings *pieces, Vocab *out, BigsError *e) {
  out->text = malloc(pieces->used + (size_t)pieces->n + 1);
  if (!out->text)
    return bigs_fail_memory(e, "the vocabulary");
  char *p = out->text;
  for (int i = 0; i < pieces->n; i++) {
    memcpy(p, pieces->pool + pieces->start[i], pieces->len[i]);
    p += pieces->len[i];
    *p++ = '\n';
  }
  *p = 0;
  out->n = (size_t)(p - out->text);
  out->size = pieces->n;
  return 0;
}

int vocab_learn(const char *const *paths, int npaths, const VocabOptions *o, Vocab *out,
                BigsError *e) {
  *out = (Vocab){0};
  if (o->size < VOCAB_MIN_SIZE || o->size > VOCAB_MAX_SIZE)
    return bigs_fail(e, BIGS_EUSAGE, "a vocabulary of %d tokens: must be %d to %d", o->size,
                     VOCAB_MIN_SIZE, VOCAB_MAX_SIZE);
  Strings words = {0}, pieces = {0};
  int status = vocab_count(paths, npaths, o, &words, &out->words, e);
  status = status ? status : vocab_pieces(&words, o, &pieces, e);
  status = status ? status : write_out(&pieces, out, e);
  out->distinct = words.n;
  strings_free(&words);
  strings_free(&pieces);
  return status;
}

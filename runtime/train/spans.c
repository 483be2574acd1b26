// See spans.h.
#include "runtime/train/spans.h"
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/unicode.h"
#include <string.h>

// ---- the best part
SpanSaid span_best(const float *scores, const bool *context, int64_t L) {
  SpanSaid best = {.start = -1, .end = -1, .none = (double)scores[0] + scores[1]};
  for (int64_t i = 0; i < L; i++)
    for (int64_t j = i; j < L && j < i + SPAN_MOST && context[i] && context[j]; j++) {
      double score = (double)scores[2 * i] + scores[2 * j + 1];
      if (best.start < 0 || !(score <= best.score)) {
        best.start = i;
        best.end = j;
        best.score = score;
      }
    }
  return best;
}

// ---- words of an answer
typedef struct SpanWord {
  const char *s;
  size_t n;
} SpanWord;
typedef struct SpanWords {
  char *text;
  SpanWord *word;
  size_t n;
} SpanWords;

static void words_drop(SpanWords *w) {
  free(w->text);
  free(w->word);
}

static bool in_word(int32_t c) {
  UnicodeCategory k = unicode_category(c);
  return (k >= UNICODE_LU && k <= UNICODE_LO) || unicode_is_number(c);
}

static bool is_blank(int32_t c) {
  return unicode_is_space(c) || (c >= 0x1C && c <= 0x1F);
}

static bool is_punctuation(int32_t c) {
  return c > ' ' && c < 0x7F && !in_word(c);
}

static bool is_article(const char *s, size_t n) {
  return (n == 1 && *s == 'a') || (n == 2 && !memcmp(s, "an", 2)) ||
         (n == 3 && !memcmp(s, "the", 3));
}

// In lower case and without punctuation; room for 4 bytes a character of `out`.
static size_t fold(const char *s, size_t n, char *out) {
  size_t size = 0;
  for (const char *at = s, *end = s + n; at < end;) {
    int32_t c = unicode_lower(utf8_next(&at));
    if (!is_punctuation(c))
      size += utf8_put(out + size, c);
  }
  return size;
}

// An article between characters that are of no word becomes a blank.
static void drop_articles(char *s, size_t n) {
  for (const char *at = s, *end = s + n; at < end;) {
    const char *from = at, *next = at;
    while (next < end && in_word(utf8_next(&next)))
      at = next;
    if (is_article(from, (size_t)(at - from)))
      memset(s + (from - s), ' ', (size_t)(at - from));
    at = at == from ? next : at;
  }
}

static void cut_words(SpanWords *w, size_t n) {
  const char *from = w->text, *end = w->text + n;
  for (const char *at = from; at < end;) {
    const char *here = at;
    if (!is_blank(utf8_next(&at)))
      continue;
    if (here > from)
      w->word[w->n++] = (SpanWord){from, (size_t)(here - from)};
    from = at;
  }
  if (end > from)
    w->word[w->n++] = (SpanWord){from, (size_t)(end - from)};
}

static int words_of(const char *s, size_t n, SpanWords *out, BigsError *e) {
  *out = (SpanWords){.text = MALLOC_N(char, 4 * n + 1), .word = MALLOC_N(SpanWord, n + 1)};
  if (!out->text || !out->word) {
    words_drop(out);
    return bigs_fail_memory(e, "an answer");
  }
  size_t size = fold(s, n, out->text);
  drop_articles(out->text, size);
  cut_words(out, size);
  return 0;
}

static int by_word(const void *a, const void *b) {
  const SpanWord *x = a, *y = b;
  int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
  return order ? order : (x->n > y->n) - (x->n < y->n);
}

static bool same_words(const SpanWords *a, const SpanWords *b) {
  bool same = a->n == b->n;
  for (size_t i = 0; same && i < a->n; i++)
    same = !by_word(&a->word[i], &b->word[i]);
  return same;
}

// How many both have, each as often as in both.
static size_t shared(SpanWords *a, SpanWords *b) {
  size_t n = 0;
  qsort(a->word, a->n, sizeof *a->word, by_word);
  qsort(b->word, b->n, sizeof *b->word, by_word);
  for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
    int order = by_word(&a->word[i], &b->word[k]);
    n += !order;
    i += order <= 0;
    k += order >= 0;
  }
  return n;
}

int span_compare(const char *said, size_t nsaid, const char *right, size_t nright, double *exact,
                 double *f1, BigsError *e) {
  SpanWords a, b;
  if (words_of(said, nsaid, &a, e))
    return BIGS_EMODEL;
  if (words_of(right, nright, &b, e)) {
    words_drop(&a);
    return BIGS_EMODEL;
  }
  *exact = same_words(&a, &b);
  *f1 = a.n && b.n ? 2 * (double)shared(&a, &b) / (double)(a.n + b.n) : *exact;
  words_drop(&a);
  words_drop(&b);
  return 0;
}

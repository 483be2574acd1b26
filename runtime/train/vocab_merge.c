// Learning a vocabulary, second half: pieces from counted words.  See vocab.h.
//
// Pairs of neighbouring pieces are counted once; a merge then changes only the words that hold its
// pair, and only their pairs.  A heap gives the most frequent pair; its entries go stale when
// counts fall, and are put back with the new count when they come up.
#include "runtime/text/tokenizer.h"
#include "runtime/train/vocab_internal.h"
#include <stdlib.h>
#include <string.h>

typedef struct PiecePair {
  int32_t a, b;
  int64_t count;
  int32_t *word; // words that hold it, or once did; ascending runs, may repeat
  int32_t n, cap;
  int32_t mark; // last merge that raised it
} PiecePair;

typedef struct Entry {
  int64_t count;
  int32_t pair;
} Entry;

typedef struct Merger {
  const VocabOptions *o;
  int64_t min_count;
  const Strings *words;
  Strings *pieces;
  int32_t *symbol; // pieces of all words, one word after another
  size_t *start;   // of word i in `symbol`
  uint8_t *length; // pieces of word i now; 0: a character of it is in no piece
  PiecePair *pair;
  int npair, pair_cap;
  Map pair_at; // indices by pair_key
  Entry *heap;
  int nheap, heap_cap;
  int32_t *raised; // pairs raised by the merge under way
  int nraised, raised_cap;
  int32_t merge; // its number
  BigsError *e;
} Merger;

static int no_memory(Merger *m) {
  return bigs_fail_memory(m->e, "the pieces of the vocabulary");
}

// ---- characters

static size_t char_bytes(char lead) {
  unsigned char c = (unsigned char)lead;
  return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

// The text of one character as a piece: with "##" inside a word.
static size_t char_piece(const char *s, bool inside, char out[8]) {
  size_t n = char_bytes(*s), at = inside ? 2 : 0;
  memcpy(out, "##", 2);
  memcpy(out + at, s, n);
  return at + n;
}

typedef struct Letter {
  const char *s;
  uint32_t n;
  int64_t count;
} Letter;

static int by_count(const void *a, const void *b) {
  const Letter *x = a, *y = b;
  if (x->count != y->count)
    return x->count > y->count ? -1 : 1;
  int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
  return c ? c : (x->n > y->n) - (x->n < y->n);
}

// "##" forms behind the others, each in code order, which is byte order.
static int by_form(const void *a, const void *b) {
  const Letter *x = a, *y = b;
  bool p = x->n > 2 && x->s[0] == '#' && x->s[1] == '#',
       q = y->n > 2 && y->s[0] == '#' && y->s[1] == '#';
  if (p != q)
    return p ? 1 : -1;
  int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
  return c ? c : (x->n > y->n) - (x->n < y->n);
}

static int count_letters(Merger *m, Strings *letters) {
  const Strings *w = m->words;
  for (int i = 0; i < w->n; i++) {
    const char *s = w->pool + w->start[i];
    for (size_t at = 0; at < w->len[i]; at += char_bytes(s[at])) {
      char text[8];
      size_t n = char_piece(s + at, at > 0, text);
      int32_t k = strings_add(letters, text, n);
      if (k < 0)
        return no_memory(m);
      letters->count[k] += w->count[i];
    }
  }
  return 0;
}

// The most frequent letters, half of the vocabulary at most, join the pieces.
static int choose_letters(Merger *m, const Strings *letters) {
  Letter *sorted = malloc(sizeof *sorted * ((size_t)letters->n + 1));
  if (!sorted)
    return no_memory(m);
  int n = 0, limit = (m->o->size - m->pieces->n) / 2, status = 0;
  for (int i = 0; i < letters->n; i++)
    sorted[i] = (Letter){letters->pool + letters->start[i], letters->len[i], letters->count[i]};
  qsort(sorted, (size_t)letters->n, sizeof *sorted, by_count);
  while (n < letters->n && n < limit && sorted[n].count >= m->min_count)
    n++;
  qsort(sorted, (size_t)n, sizeof *sorted, by_form);
  for (int i = 0; i < n && !status; i++)
    status = strings_add(m->pieces, sorted[i].s, sorted[i].n) < 0 ? no_memory(m) : 0;
  free(sorted);
  return status;
}

static int add_characters(Merger *m) {
  Strings letters = {0};
  int status = 0;
  for (int i = 0; i < TOK_SPECIALS && !status; i++) {
    const char *name = tok_special_name((TokSpecial)i);
    status = strings_add(m->pieces, name, strlen(name)) < 0 ? no_memory(m) : 0;
  }
  status = status ? status : count_letters(m, &letters);
  status = status ? status : choose_letters(m, &letters);
  strings_free(&letters);
  return status;
}

// ---- pairs

// Two pieces as a key; a is shifted past 0, which no key may be.
static uint64_t pair_key(int32_t a, int32_t b) {
  return ((uint64_t)a + 1) << 32 | (uint32_t)b;
}

// Index of the pair (a, b), made with count 0 when new; -1 when out of memory.
static int32_t get_pair(Merger *m, int32_t a, int32_t b) {
  uint64_t key = pair_key(a, b), *known = map_find(&m->pair_at, key, NULL, NULL);
  if (known)
    return (int32_t)*known;
  if (m->npair == m->pair_cap) {
    int cap = m->pair_cap * 2 + 4096;
    PiecePair *pair = realloc(m->pair, sizeof *pair * (size_t)cap);
    if (!pair)
      return -1;
    m->pair = pair;
    m->pair_cap = cap;
  }
  if (!map_add(&m->pair_at, key, (uint64_t)m->npair))
    return -1;
  m->pair[m->npair] = (PiecePair){.a = a, .b = b, .mark = -1};
  return m->npair++;
}

static bool list_word(PiecePair *p, int32_t word) {
  if (p->n && p->word[p->n - 1] == word)
    return true;
  if (p->n == p->cap) {
    int32_t cap = p->cap * 2 + 4;
    int32_t *list = realloc(p->word, sizeof *list * (size_t)cap);
    if (!list)
      return false;
    p->word = list;
    p->cap = cap;
  }
  p->word[p->n++] = word;
  return true;
}

// ---- the heap: the largest count first, then the oldest pieces

static bool before(const Merger *m, Entry x, Entry y) {
  if (x.count != y.count)
    return x.count > y.count;
  const PiecePair *p = &m->pair[x.pair], *q = &m->pair[y.pair];
  return p->a != q->a ? p->a < q->a : p->b < q->b;
}

static int heap_push(Merger *m, int32_t pair) {
  if (m->pair[pair].count < m->min_count)
    return 0;
  if (m->nheap == m->heap_cap) {
    int cap = m->heap_cap * 2 + 4096;
    Entry *heap = realloc(m->heap, sizeof *heap * (size_t)cap);
    if (!heap)
      return no_memory(m);
    m->heap = heap;
    m->heap_cap = cap;
  }
  Entry x = {m->pair[pair].count, pair};
  int i = m->nheap++;
  for (; i && before(m, x, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
    m->heap[i] = m->heap[(i - 1) / 2];
  m->heap[i] = x;
  return 0;
}

static Entry heap_pop(Merger *m) {
  Entry top = m->heap[0], x = m->heap[--m->nheap];
  int i = 0;
  for (int k; (k = 2 * i + 1) < m->nheap; i = k) {
    k += k + 1 < m->nheap && before(m, m->heap[k + 1], m->heap[k]);
    if (!before(m, m->heap[k], x))
      break;
    m->heap[i] = m->heap[k];
  }
  m->heap[i] = x;
  return top;
}

// The most frequent pair, or -1: none is left, or memory is out (*status).
static int32_t best_pair(Merger *m, int *status) {
  while (m->nheap && !*status) {
    Entry x = heap_pop(m);
    int64_t now = m->pair[x.pair].count;
    if (now == x.count)
      return x.pair;
    if (now < x.count) // else a newer entry has the risen count
      *status = heap_push(m, x.pair);
  }
  return -1;
}

// ---- words as pieces

// The word as the pieces of its characters; no pieces when one of them has none.
static int spell(Merger *m, int word, int32_t *symbol) {
  const Strings *w = m->words;
  const char *s = w->pool + w->start[word];
  int n = 0;
  for (size_t at = 0; at < w->len[word]; at += char_bytes(s[at])) {
    char text[8];
    size_t len = char_piece(s + at, at > 0, text);
    symbol[n] = strings_find(m->pieces, text, len);
    if (symbol[n++] < 0)
      return 0;
  }
  return n;
}

static int spell_all(Merger *m) {
  size_t n = (size_t)m->words->n, at = 0;
  m->symbol = malloc(sizeof *m->symbol * (m->words->used + 1)); // no more characters than bytes
  m->start = malloc(sizeof *m->start * (n + 1));
  m->length = malloc(n + 1);
  if (!m->symbol || !m->start || !m->length)
    return no_memory(m);
  for (int i = 0; i < m->words->n; i++) {
    m->start[i] = at;
    m->length[i] = (uint8_t)spell(m, i, m->symbol + at);
    at += m->length[i];
  }
  return 0;
}

// Adds `sign` times the word's count to its pairs.  When adding, pairs that hold `made` list the
// word and are noted as raised; made -1 stands for all.
static int add_pairs(Merger *m, int32_t word, int sign, int32_t made) {
  const int32_t *s = m->symbol + m->start[word];
  for (int i = 0; i + 1 < m->length[word]; i++) {
    int32_t k = get_pair(m, s[i], s[i + 1]);
    if (k < 0)
      return no_memory(m);
    PiecePair *p = &m->pair[k];
    p->count += sign * m->words->count[word];
    if (sign < 0 || (made >= 0 && s[i] != made && s[i + 1] != made))
      continue;
    if (!list_word(p, word))
      return no_memory(m);
    if (p->mark == m->merge)
      continue;
    p->mark = m->merge;
    if (m->nraised == m->raised_cap) {
      int cap = m->raised_cap * 2 + 1024;
      int32_t *raised = realloc(m->raised, sizeof *raised * (size_t)cap);
      if (!raised)
        return no_memory(m);
      m->raised = raised;
      m->raised_cap = cap;
    }
    m->raised[m->nraised++] = k;
  }
  return 0;
}

static int push_raised(Merger *m) {
  int status = 0;
  for (int i = 0; i < m->nraised && !status; i++)
    status = heap_push(m, m->raised[i]);
  m->nraised = 0;
  return status;
}

static int count_pairs(Merger *m) {
  int status = 0;
  for (int i = 0; i < m->words->n && !status; i++)
    status = add_pairs(m, i, 1, -1);
  return status ? status : push_raised(m);
}

// ---- merging

static bool holds(const Merger *m, int32_t word, int32_t a, int32_t b) {
  const int32_t *s = m->symbol + m->start[word];
  for (int i = 0; i + 1 < m->length[word]; i++)
    if (s[i] == a && s[i + 1] == b)
      return true;
  return false;
}

static void replace(Merger *m, int32_t word, int32_t a, int32_t b, int32_t made) {
  int32_t *s = m->symbol + m->start[word];
  int n = 0, len = m->length[word];
  for (int i = 0; i < len; n++) {
    bool hit = i + 1 < len && s[i] == a && s[i + 1] == b;
    s[n] = hit ? made : s[i];
    i += hit ? 2 : 1;
  }
  m->length[word] = (uint8_t)n;
}

// The piece a + b; another pair may have made the same text before.
static int32_t join(Merger *m, int32_t a, int32_t b) {
  char text[2 * (4 * TOK_MAX_CHARS + 2)];
  const Strings *t = m->pieces;
  size_t n = t->len[a], tail = t->len[b] - 2; // b stands inside a word: "##..."
  memcpy(text, t->pool + t->start[a], n);
  memcpy(text + n, t->pool + t->start[b] + 2, tail);
  return strings_add(m->pieces, text, n + tail);
}

static int merge_pair(Merger *m, int32_t k) {
  int32_t a = m->pair[k].a, b = m->pair[k].b, made = join(m, a, b);
  int32_t *list = m->pair[k].word, n = m->pair[k].n;
  int status = made < 0 ? no_memory(m) : 0;
  m->pair[k].word = NULL;
  m->pair[k].n = m->pair[k].cap = 0;
  m->merge++;
  for (int32_t i = 0; i < n && !status; i++) {
    if (!holds(m, list[i], a, b))
      continue;
    status = add_pairs(m, list[i], -1, made);
    replace(m, list[i], a, b, made);
    status = status ? status : add_pairs(m, list[i], 1, made);
  }
  free(list);
  return status ? status : push_raised(m);
}

static int merge_all(Merger *m) {
  int first = m->pieces->n, status = 0;
  while (m->pieces->n < m->o->size && !status) {
    int32_t k = best_pair(m, &status);
    if (k < 0)
      break;
    status = merge_pair(m, k);
    double share = (double)(m->pieces->n - first) / (m->o->size - first);
    if (!status && m->merge % 64 == 0 && m->o->progress &&
        m->o->progress(m->o->ctx, "merging pieces", share))
      status = bigs_fail(m->e, BIGS_EINTERRUPT, "interrupted");
  }
  return status;
}

static void free_merger(Merger *m) {
  for (int i = 0; i < m->npair; i++)
    free(m->pair[i].word);
  free(m->pair);
  map_free(&m->pair_at);
  free(m->heap);
  free(m->raised);
  free(m->symbol);
  free(m->start);
  free(m->length);
}

int vocab_pieces(const Strings *words, const VocabOptions *o, Strings *pieces, BigsError *e) {
  Merger m = {.o = o, .words = words, .pieces = pieces, .e = e};
  m.min_count = o->min_count > 0 ? o->min_count : 2;
  int status = add_characters(&m);
  status = status ? status : spell_all(&m);
  status = status ? status : count_pairs(&m);
  status = status ? status : merge_all(&m);
  free_merger(&m);
  return status;
}

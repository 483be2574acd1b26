// Byte pair encoding (Sennrich et al., 2016) as a tokenizer.json describes it: a piece's characters, of which the pair that was learnt
// first is merged, the leftmost one first, until none is left.
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include <stdio.h>
#include <string.h>

// ---- reading

static uint64_t pair_key(int32_t a, int32_t b) {
  return ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) + 1;
}

// "a b", or ["a", "b"] where tokens may have blanks in them.
static int split_merge(const TokReading *r, const JsonValue *v, const char **a, size_t *na,
                       const char **b, size_t *nb) {
  const char *blank = v->kind == JSON_STRING ? strchr(v->text, ' ') : NULL;
  bool pair = v->kind == JSON_ARRAY && v->count == 2 && v->child->kind == JSON_STRING &&
              v->child->next->kind == JSON_STRING;
  if (!pair && (!blank || strchr(blank + 1, ' ')))
    return read_fail(r, v, "a merge is two tokens");
  *a = pair ? v->child->text : v->text;
  *na = pair ? v->child->size : (size_t)(blank - v->text);
  *b = pair ? v->child->next->text : blank + 1;
  *nb = pair ? v->child->next->size : strlen(blank + 1);
  return 0;
}

static int add_merge(TokReading *r, const JsonValue *v, uint32_t rank, Bytes *both) {
  TokFile *t = r->t;
  const char *a = "", *b = "";
  size_t na = 0, nb = 0, inside = t->prefix ? strlen(t->prefix) : 0;
  int status = split_merge(r, v, &a, &na, &b, &nb);
  if (status)
    return status;
  int32_t left = vocab_find(t, a, na), right = vocab_find(t, b, nb);
  if (left < 0 || right < 0)
    return read_fail(r, v, "the merge of \"%.40s\" and \"%.40s\": one is not in the vocabulary", a,
                     b);
  both->n = 0;
  inside = nb >= inside ? inside : 0;
  status = bytes_add(both, a, na, r->e);
  status = status ? status : bytes_add(both, b + inside, nb - inside, r->e);
  int32_t made = status ? 0 : vocab_find(t, both->s, both->n);
  if (made < 0)
    return read_fail(
        r, v, "the merge of \"%.40s\" and \"%.40s\" makes what is not in the vocabulary", a, b);
  uint64_t *old = map_find(&t->merges, pair_key(left, right), NULL, NULL),
           value = (uint64_t)rank << 32 | (uint32_t)made;
  if (old)
    *old = value;
  else if (!status && !map_add(&t->merges, pair_key(left, right), value))
    status = bigs_fail_memory(r->e, r->path);
  return status;
}

static int read_merges(TokReading *r, const JsonValue *list) {
  Bytes both = {NULL, 0, 0};
  uint32_t rank = 0;
  int status = list && list->kind == JSON_ARRAY ? 0 : read_fail(r, list, "no list \"merges\"");
  for (const JsonValue *x = status ? NULL : list->child; x && !status; x = x->next)
    status = add_merge(r, x, rank++, &both);
  free(both.s);
  return status;
}

static int read_unknown(TokReading *r, const JsonValue *v) {
  char *text;
  size_t n;
  int status = read_text(r, v, "unk_token", &text, &n);
  if (!status && text) {
    r->t->unk = vocab_find(r->t, text, n);
    status = r->t->unk < 0 ? read_fail(r, json_get(v, "unk_token"),
                                       "the unk_token \"%.60s\" is not in the vocabulary", text)
                           : 0;
  }
  free(text);
  return status;
}

static void find_bytes(TokFile *t) {
  for (int b = 0; b < 256; b++) {
    char name[8];
    int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
    t->byte[b] = vocab_find(t, name, (size_t)n);
  }
}

int model_bpe_read(TokReading *r, const JsonValue *v, TokFile *t) {
  const JsonValue *dropout = json_get(v, "dropout");
  double rate = 0;
  size_t n;
  if (dropout && dropout->kind != JSON_NULL && (!json_double(dropout, &rate) || rate != 0))
    return read_fail(r, dropout,
                     "\"dropout\" is not known: the same text has the same tokens here");
  int status = read_vocab(r, json_get(v, "vocab"));
  status = status ? status : read_text(r, v, "continuing_subword_prefix", &t->prefix, &n);
  status = status ? status : read_text(r, v, "end_of_word_suffix", &t->suffix, &n);
  status = status ? status : read_bool(r, v, "fuse_unk", &t->fuse);
  status = status ? status : read_bool(r, v, "byte_fallback", &t->fallback);
  status = status ? status : read_bool(r, v, "ignore_merges", &t->whole);
  status = status ? status : read_unknown(r, v);
  if (!status)
    find_bytes(t);
  return status ? status : read_merges(r, json_get(v, "merges"));
}

// ---- symbols

static int add_symbol(TokScratch *c, int32_t id) {
  if (c->nsymbol == c->symbol_cap) {
    size_t cap = c->symbol_cap * 2 + 64;
    BpeSymbol *v = REALLOC_N(BpeSymbol, c->symbol, cap);
    if (!v)
      return bigs_fail_memory(c->enc.e, "a word");
    c->symbol = v;
    c->symbol_cap = cap;
  }
  BpeSymbol s = {id, (int32_t)c->nsymbol - 1, (int32_t)c->nsymbol + 1};
  c->symbol[c->nsymbol++] = s;
  return 0;
}

// Whether all bytes of a character that the vocabulary lacks are in it.
static int add_byte_symbols(const TokFile *t, TokScratch *c, const char *s, size_t n, bool *done) {
  int status = 0;
  *done = t->fallback;
  for (size_t i = 0; i < n && *done; i++)
    *done = t->byte[(unsigned char)s[i]] >= 0;
  for (size_t i = 0; i < n && *done && !status; i++)
    status = add_symbol(c, t->byte[(unsigned char)s[i]]);
  return status;
}

static int32_t symbol_of(const TokFile *t, TokScratch *c, const char *s, size_t n, bool first,
                         bool last) {
  Bytes *b = &c->work.other;
  if ((first || !t->prefix) && (!last || !t->suffix))
    return vocab_find(t, s, n);
  b->n = 0;
  int status = !first && t->prefix ? bytes_add(b, t->prefix, strlen(t->prefix), c->enc.e) : 0;
  status = status ? status : bytes_add(b, s, n, c->enc.e);
  status =
      status || !last || !t->suffix ? status : bytes_add(b, t->suffix, strlen(t->suffix), c->enc.e);
  return status ? -1 : vocab_find(t, b->s, b->n);
}

// An unknown one waits: where they fuse, those that follow are the same one.
static int add_symbols(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  bool waits = false, done;
  int status = 0;
  c->nsymbol = 0;
  for (const char *p = s, *end = s + n; p < end && !status;) {
    const char *at = p;
    utf8_next(&p);
    int32_t id = symbol_of(t, c, at, (size_t)(p - at), at == s, p == end);
    if (id >= 0) {
      status = waits ? add_symbol(c, t->unk) : 0;
      status = status ? status : add_symbol(c, id);
      waits = false;
      continue;
    }
    status = add_byte_symbols(t, c, at, (size_t)(p - at), &done);
    if (status || done || t->unk < 0)
      continue;
    status = waits && !t->fuse ? add_symbol(c, t->unk) : 0;
    waits = true;
  }
  return status || !waits ? status : add_symbol(c, t->unk);
}

// ---- merging

static bool pair_before(BpePair a, BpePair b) {
  return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static int push_pair(const TokFile *t, TokScratch *c, int32_t at) {
  int32_t next = at < 0 ? -1 : c->symbol[at].behind;
  if (next < 0)
    return 0;
  const uint64_t *found =
      map_find(&t->merges, pair_key(c->symbol[at].id, c->symbol[next].id), NULL, NULL);
  if (!found)
    return 0;
  if (c->nheap == c->heap_cap) {
    size_t cap = c->heap_cap * 2 + 64;
    BpePair *v = REALLOC_N(BpePair, c->heap, cap);
    if (!v)
      return bigs_fail_memory(c->enc.e, "a word");
    c->heap = v;
    c->heap_cap = cap;
  }
  BpePair pair = {(uint32_t)(*found >> 32), (uint32_t)at, (int32_t)(*found & 0xFFFFFFFF)};
  size_t i = c->nheap++;
  for (; i && pair_before(pair, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
    c->heap[i] = c->heap[(i - 1) / 2];
  c->heap[i] = pair;
  return 0;
}

static BpePair pop_pair(TokScratch *c) {
  BpePair top = c->heap[0], last = c->heap[--c->nheap];
  size_t i = 0;
  for (;;) {
    size_t k = 2 * i + 1;
    k += k + 1 < c->nheap && pair_before(c->heap[k + 1], c->heap[k]);
    if (k >= c->nheap || !pair_before(c->heap[k], last))
      break;
    c->heap[i] = c->heap[k];
    i = k;
  }
  c->heap[i] = last;
  return top;
}

// A pair is stale where one of its symbols has become another one since.
static bool still_there(const TokFile *t, const TokScratch *c, BpePair p) {
  const BpeSymbol *s = &c->symbol[p.at];
  if (s->id < 0 || s->behind < 0)
    return false;
  const uint64_t *found =
      map_find(&t->merges, pair_key(s->id, c->symbol[s->behind].id), NULL, NULL);
  return found && (int32_t)(*found & 0xFFFFFFFF) == p.id;
}

static int merge_pair(const TokFile *t, TokScratch *c, BpePair p) {
  BpeSymbol *s = &c->symbol[p.at], *next = &c->symbol[s->behind];
  s->id = p.id;
  s->behind = next->behind;
  next->id = -1;
  if (s->behind >= 0)
    c->symbol[s->behind].before = (int32_t)p.at;
  int status = push_pair(t, c, s->before);
  return status ? status : push_pair(t, c, (int32_t)p.at);
}

static int merge_symbols(const TokFile *t, TokScratch *c) {
  int status = 0;
  c->nheap = 0;
  c->symbol[c->nsymbol - 1].behind = -1;
  for (size_t i = 0; i + 1 < c->nsymbol && !status; i++)
    status = push_pair(t, c, (int32_t)i);
  while (c->nheap && !status) {
    BpePair p = pop_pair(c);
    if (still_there(t, c, p))
      status = merge_pair(t, c, p);
  }
  return status;
}

int model_bpe_encode(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  int32_t whole = t->whole ? vocab_find(t, s, n) : -1;
  if (whole >= 0)
    return tok_push(c->enc.ids, whole, c->enc.e);
  int status = add_symbols(t, c, s, n);
  if (status || !c->nsymbol)
    return status;
  status = merge_symbols(t, c);
  for (int32_t i = 0; i >= 0 && !status; i = c->symbol[i].behind)
    status = tok_push(c->enc.ids, c->symbol[i].id, c->enc.e);
  return status;
}

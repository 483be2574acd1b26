// Unigram language model (Kudo, 2018): of all ways to cut a piece into tokens the one whose scores, logarithms of probabilities, add up
// to the most (Viterbi).  What no token covers is unknown, a character at a time, and costs 10 more than the least likely token.
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { UNIGRAM_UNKNOWN = 10 };

// ---- reading

// A number as the `tokenizers` library reads it, which is not always the nearest: its digits as an integer, as many as 64 bits hold,
// times or over a power of ten.  Where two ways are equally likely, the last bit decides.
static bool read_score(const JsonValue *v, double *out) {
  uint64_t digits = 0;
  int power = 0;
  bool full = false, point = false, negative;
  if (!v || !json_double(v, out))
    return false;
  const char *p = v->text;
  negative = *p == '-';
  for (p += negative; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
    point |= *p == '.';
    if (*p == '.')
      continue;
    full |= digits > (UINT64_MAX - (uint64_t)(*p - '0')) / 10;
    digits = full ? digits : digits * 10 + (uint64_t)(*p - '0');
    power += full ? !point : -point;
  }
  power += *p ? atoi(p + 1) : 0;
  double tens = 1, x = (double)digits;
  for (int i = 0; i < (power < 0 ? -power : power) && i < 308; i++)
    tens *= 10;
  if (power >= -22 && power <= 22)
    *out = (negative ? -1 : 1) * (power < 0 ? x / tens : x * tens);
  return true;
}

// ["token", score]
static int add_scored(TokReading *r, const JsonValue *v, int32_t id, char *at) {
  TokFile *t = r->t;
  const JsonValue *text = v->kind == JSON_ARRAY && v->count == 2 ? v->child : NULL;
  int32_t end;
  if (!text || text->kind != JSON_STRING || !read_score(text->next, &t->score[id]))
    return read_fail(r, v, "a token and its score are wanted");
  memcpy(at, text->text, text->size + 1);
  t->tok.token[id] = at;
  t->least = fmin(t->least, t->score[id]);
  if (!text->size)
    return 0; // a place that is kept free
  int status =
      vocab_find(t, at, text->size) < 0 ? 0 : read_fail(r, v, "the token \"%.60s\" again", at);
  t->tok.token[id] = t->pool;
  status = status ? status : vocab_add(r, id, at, text->size, v);
  status = status ? status : trie_insert(&t->trie, 0, at, text->size, &end, r->e);
  if (!status)
    t->trie.id[end] = id;
  return status;
}

static int read_scored(TokReading *r, const JsonValue *list) {
  TokFile *t = r->t;
  size_t bytes = 1;
  if (!list || list->kind != JSON_ARRAY)
    return read_fail(r, list, "no list \"vocab\" of tokens and scores");
  for (const JsonValue *x = list->child; x; x = x->next)
    bytes += x->child ? x->child->size + 1 : 0;
  int status = vocab_reserve(r, list->count, bytes);
  t->score = status ? NULL : ALLOC_N(double, list->count + 1);
  if (!status && !t->score)
    status = bigs_fail_memory(r->e, r->path);
  status = status ? status : trie_root(&t->trie, r->e);
  char *at = t->pool + 1;
  int32_t id = 0;
  for (const JsonValue *x = list->child; x && !status; x = x->next) {
    status = add_scored(r, x, id++, at);
    at += x->child ? x->child->size + 1 : 0;
  }
  return status;
}

int model_unigram_read(TokReading *r, const JsonValue *v, TokFile *t) {
  const JsonValue *unk = json_get(v, "unk_id");
  int64_t id = -1;
  t->least = INFINITY;
  int status = read_scored(r, json_get(v, "vocab"));
  status = status ? status : read_bool(r, v, "byte_fallback", &t->fallback);
  if (!status && unk && unk->kind != JSON_NULL &&
      (!json_int(unk, &id) || id < 0 || id >= t->tok.size))
    status = read_fail(r, unk, "\"unk_id\" is no id of the vocabulary");
  t->unk = (int32_t)id;
  for (int b = 0; b < 256 && !status; b++) {
    char name[8];
    t->byte[b] = vocab_find(t, name, (size_t)snprintf(name, sizeof name, "<0x%02X>", (unsigned)b));
  }
  return status;
}

// ---- encoding

static int make_nodes(TokScratch *c, size_t n) {
  if (n + 1 > c->node_cap) {
    size_t cap = 2 * n + 64;
    UnigramNode *v = REALLOC_N(UnigramNode, c->node, cap);
    if (!v)
      return bigs_fail_memory(c->enc.e, "a word");
    c->node = v;
    c->node_cap = cap;
  }
  for (size_t i = 0; i <= n; i++) {
    UnigramNode none = {0, -1, SIZE_MAX};
    c->node[i] = none;
  }
  return 0;
}

static void improve(UnigramNode *node, double score, int32_t id, size_t from) {
  if (node->from == SIZE_MAX || score > node->score) {
    node->score = score;
    node->id = id;
    node->from = from;
  }
}

// From place `at`, all tokens that begin there.
static int extend(const TokFile *t, TokScratch *c, const char *s, size_t n, size_t at, size_t len) {
  double so_far = c->node[at].score;
  bool single = false;
  int32_t node = 0;
  for (size_t i = at; i < n; i++) {
    node = trie_child(&t->trie, node, s[i]);
    if (node < 0)
      break;
    int32_t id = t->trie.id[node];
    if (id < 0)
      continue;
    improve(&c->node[i + 1], t->score[id] + so_far, id, at);
    single |= i + 1 == at + len;
  }
  if (single)
    return 0;
  if (t->unk < 0)
    return bigs_fail(c->enc.e, BIGS_EMODEL,
                     "the tokenizer has no token for what it does not know, \"%.*s\"", (int)len,
                     s + at);
  improve(&c->node[at + len], t->least - UNIGRAM_UNKNOWN + so_far, t->unk, at);
  return 0;
}

// Unknown characters that follow each other are one; each of its bytes is a token where all of them are.
static int push_unknown(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  int32_t id = vocab_find(t, s, n);
  bool bytes = id < 0 && t->fallback;
  int status = 0;
  for (size_t i = 0; i < n && bytes; i++)
    bytes = t->byte[(unsigned char)s[i]] >= 0;
  if (!bytes)
    return tok_push(c->enc.ids, id < 0 ? t->unk : id, c->enc.e);
  for (size_t i = 0; i < n && !status; i++)
    status = tok_push(c->enc.ids, t->byte[(unsigned char)s[i]], c->enc.e);
  return status;
}

// Turns the way back around: each node's `from` becomes where its token ends.
static void turn_around(TokScratch *c, size_t n) {
  size_t end = n, next = SIZE_MAX;
  int32_t id = -1;
  for (;;) {
    UnigramNode *node = &c->node[end];
    size_t from = node->from;
    int32_t own = node->id;
    node->from = next;
    node->id = id;
    if (end == 0)
      return;
    next = end;
    id = own;
    end = from;
  }
}

int model_unigram_encode(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  int status = make_nodes(c, n);
  for (size_t at = 0; at < n && !status;) {
    size_t len = utf8_char(s + at, n - at);
    status = extend(t, c, s, n, at, len);
    at += len;
  }
  if (status)
    return status;
  turn_around(c, n);
  for (size_t at = 0; at < n && !status;) {
    size_t end = c->node[at].from;
    int32_t id = c->node[at].id;
    while (id == t->unk && end < n && c->node[end].id == t->unk)
      end = c->node[end].from;
    status =
        id == t->unk ? push_unknown(t, c, s + at, end - at) : tok_push(c->enc.ids, id, c->enc.e);
    at = end;
  }
  return status;
}

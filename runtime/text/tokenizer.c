// What tokenizers of all kinds have in common: see tokenizer.h.
#include "runtime/text/tokenizer.h"
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/text/tok_internal.h"
#include <string.h>

enum { MAX_VOCAB_FILE = 256 << 20 };

static const TokFunctions kinds[TOKENIZER_COUNT] = {
#define TOKENIZER(ID, name, file, arguments)                                                       \
  {tok_##name##_new,    tok_##name##_read,    tok_##name##_free,                                   \
   tok_##name##_find,   tok_##name##_encoder, tok_##name##_encoder_free,                           \
   tok_##name##_encode, tok_##name##_join,    tok_##name##_folder},
#include "base/tokenizers.def"
#undef TOKENIZER
};

int tok_kind(const char *name) {
  int i = 0;
  while (i < TOKENIZER_COUNT && strcmp(tokenizer_names[i], name))
    i++;
  return i < TOKENIZER_COUNT ? i : -1;
}

int tok_folder_check(TokenizerKind kind, const char *folder, bool lower, BigsError *e) {
  return kinds[kind].folder(folder, lower, e);
}

// ---- loading

int tok_parse(TokenizerKind kind, const char *text, size_t n, const char *path, bool lower,
              Tokenizer **out, BigsError *e) {
  *out = NULL;
  Tokenizer *t = kinds[kind].make();
  if (!t)
    return bigs_fail_memory(e, path);
  t->kind = kind;
  t->lower = lower;
  int status = kinds[kind].read(t, text, n, path, e);
  if (status)
    tok_free(t);
  else
    *out = t;
  return status;
}

int tok_load(TokenizerKind kind, const char *path, bool lower, Tokenizer **out, BigsError *e) {
  size_t n;
  *out = NULL;
  char *text = file_read(path, MAX_VOCAB_FILE, &n, e);
  int status = text ? tok_parse(kind, text, n, path, lower, out, e) : bigs_status(e, BIGS_EFILE);
  free(text);
  return status;
}

void tok_free(Tokenizer *t) {
  if (t)
    kinds[t->kind].free(t);
}

int tok_size(const Tokenizer *t) {
  return t->size;
}
bool tok_lower(const Tokenizer *t) {
  return t->lower;
}
int32_t tok_special(const Tokenizer *t, TokSpecial s) {
  return t->special[s];
}
bool tok_is_special(const Tokenizer *t, int32_t id) {
  for (int i = 0; i < TOK_SPECIALS; i++)
    if (t->special[i] == id)
      return true;
  return false;
}
int32_t tok_find(const Tokenizer *t, const char *token, size_t n) {
  return kinds[t->kind].find(t, token, n);
}
const char *tok_text(const Tokenizer *t, int32_t id) {
  return id >= 0 && id < t->size ? t->token[id] : NULL;
}

// ---- encoding

int tok_grow(TokIds *ids, BigsError *e) {
  size_t cap = ids->cap * 2 + 256;
  int32_t *v = REALLOC_N(int32_t, ids->v, cap);
  if (!v)
    return bigs_fail_memory(e, "tokens");
  ids->v = v;
  ids->cap = cap;
  return 0;
}

TokEncoder *tok_encoder_new(const Tokenizer *t, BigsError *e) {
  TokEncoder *c = kinds[t->kind].encoder(t, e);
  if (c)
    c->tok = t;
  else
    bigs_fail_memory(e, "the tokenizer");
  return c;
}

void tok_encoder_free(TokEncoder *c) {
  if (c)
    kinds[c->tok->kind].encoder_free(c);
}

// The first special token in s[0, n): its place, id and length; NULL: none.
static const char *find_special(const Tokenizer *t, const char *s, size_t n, int32_t *id,
                                size_t *len) {
  for (const char *p = s, *end = s + n; p < end; p++)
    for (int i = 0; i < TOK_SPECIALS; i++) {
      const char *name = t->token[ *id = t->special[i]];
      *len = strlen(name);
      if ((size_t)(end - p) >= *len && !memcmp(p, name, *len))
        return p;
    }
  return NULL;
}

int tok_encode(TokEncoder *c, const char *text, size_t n, bool specials, TokIds *ids,
               BigsError *e) {
  size_t valid = utf8_valid(text, n), len = 0;
  if (valid < n)
    return bigs_fail(e, BIGS_EMODEL, "byte %zu of the text is not UTF-8", valid);
  c->ids = ids;
  c->e = e;
  const char *end = text + n;
  int32_t id;
  int status = 0;
  for (const char *at = text; at && !status; text = at + len) {
    at = specials ? find_special(c->tok, text, (size_t)(end - text), &id, &len) : NULL;
    status = kinds[c->tok->kind].encode(c, text, (size_t)((at ? at : end) - text));
    if (!at)
      break;
    status = status ? status : tok_push(ids, id, e);
  }
  return status;
}

// ---- decoding

// Room for the text of the tokens; 0: an id outside the vocabulary.
static size_t text_room(const Tokenizer *t, const int32_t *ids, size_t n, BigsError *e) {
  size_t size = 1;
  for (size_t i = 0; i < n; i++) {
    const char *s = tok_text(t, ids[i]);
    if (!s) {
      bigs_fail(e, BIGS_EMODEL, "token id %d is outside the vocabulary of %d", (int)ids[i],
                t->size);
      return 0;
    }
    size += strlen(s) + 1;
  }
  return size;
}

static bool is_silent(const Tokenizer *t, int32_t id) {
  return id == t->special[TOK_PAD] || id == t->special[TOK_CLS] || id == t->special[TOK_SEP];
}

char *tok_decode(const Tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                 BigsError *e) {
  size_t size = text_room(t, ids, n, e);
  char *out = size ? MALLOC_N(char, size) : NULL, *o = out;
  if (size && !out)
    bigs_fail_memory(e, "text");
  for (size_t i = 0; out && i < n; i++)
    if (!skip_special || !is_silent(t, ids[i]))
      o += kinds[t->kind].join(t, ids[i], o == out, o);
  if (out)
    *o = 0;
  return out;
}

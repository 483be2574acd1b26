// What tokenizers of all kinds have in common: see tokenizer.h.
#include "runtime/text/tokenizer.h"
#include "base/utf8.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/files/file.h"
#include "runtime/text/tok_internal.h"
#include <string.h>

enum { MAX_VOCAB_FILE = 256 << 20 };

static const TokFunctions kinds[TOKENIZER_COUNT] = {
#define TOKENIZER(ID, name, file, arguments)                                                       \
  {tok_##name##_new,     tok_##name##_read,         tok_##name##_free,   tok_##name##_find,        \
   tok_##name##_encoder, tok_##name##_encoder_free, tok_##name##_encode, tok_##name##_join,        \
   tok_##name##_folder,  tok_##name##_lower_first},
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

int tok_lower_first(Tokenizer *t, BigsError *e) {
  t->hash = hash_mix(t->hash, 1);
  return kinds[t->kind].lower_first(t, e);
}

// ---- loading

static int make_tokenizer(TokenizerKind kind, const char *text, size_t n, const char *path,
                          bool lower, bool alone, Tokenizer **out, BigsError *e) {
  *out = NULL;
  Tokenizer *t = kinds[kind].make();
  if (!t)
    return bigs_fail_memory(e, path);
  t->kind = kind;
  t->lower = lower;
  t->alone = alone;
  t->hash = hash_words((uint64_t)kind * 2 + lower, text, n);
  int status = kinds[kind].read(t, text, n, path, e);
  if (status)
    tok_free(t);
  else
    *out = t;
  return status;
}

int tok_parse(TokenizerKind kind, const char *text, size_t n, const char *path, bool lower,
              Tokenizer **out, BigsError *e) {
  return make_tokenizer(kind, text, n, path, lower, true, out, e);
}

int tok_load(TokenizerKind kind, const char *path, bool lower, Tokenizer **out, BigsError *e) {
  size_t n;
  *out = NULL;
  char *text = file_read(path, MAX_VOCAB_FILE, &n, e);
  int status =
      text ? make_tokenizer(kind, text, n, path, lower, false, out, e) : bigs_status(e, BIGS_EFILE);
  free(text);
  return status;
}

void tok_free(Tokenizer *t) {
  if (t)
    kinds[t->kind].free(t);
}

TokenizerKind tok_kind_of(const Tokenizer *t) {
  return t->kind;
}
int tok_size(const Tokenizer *t) {
  return t->size;
}
bool tok_lower(const Tokenizer *t) {
  return t->lower;
}
uint64_t tok_hash(const Tokenizer *t) {
  return hash_words(t->hash, t->special, sizeof t->special);
}
bool tok_beside(const Tokenizer *t) {
  return t->beside;
}
int32_t tok_special(const Tokenizer *t, TokSpecial s) {
  return t->special[s];
}
bool tok_is_special(const Tokenizer *t, int32_t id) {
  for (int i = 0; i < TOK_SPECIALS; i++)
    if (id >= 0 && t->special[i] == id)
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

int tok_encode(TokEncoder *c, const char *text, size_t n, bool specials, TokIds *ids,
               BigsError *e) {
  size_t valid = utf8_valid(text, n);
  if (valid < n)
    return bigs_fail(e, BIGS_EMODEL, "byte %zu of the text is not UTF-8", valid);
  c->ids = ids;
  c->e = e;
  return kinds[c->tok->kind].encode(c, text, n, specials);
}

// ---- whole inputs

void tok_wrap_bert(Tokenizer *t) {
  for (int pair = 0; pair < 2; pair++) {
    const TokSlot all[5] = {{t->special[TOK_CLS], 0, 0},
                            {-1, 0, 0},
                            {t->special[TOK_SEP], 0, 0},
                            {-1, 1, 1},
                            {t->special[TOK_SEP], 0, 1}};
    t->wrap[pair].n = pair ? 5 : 3;
    for (int i = 0; i < t->wrap[pair].n; i++)
      t->wrap[pair].v[i] = all[i];
  }
}

int tok_slots(const Tokenizer *t, int texts, const TokSlot **slots) {
  *slots = t->wrap[texts - 1].v;
  return t->wrap[texts - 1].n;
}

int tok_around(const Tokenizer *t, int texts) {
  const TokWrap *w = &t->wrap[texts - 1];
  int n = 0;
  for (int i = 0; i < w->n; i++)
    n += w->v[i].id >= 0;
  return n;
}

// As Hugging Face's `tokenizers` do (TruncationStrategy::LongestFirst).
void tok_cut(const Tokenizer *t, int texts, size_t max, size_t n[2]) {
  int shorter = n[1] < n[0];
  size_t least = n[shorter], room = max - (size_t)tok_around(t, texts);
  if (n[0] + n[1] <= room)
    return;
  if (2 * least > room) {
    n[shorter] = room / 2;
    n[!shorter] = room / 2 + room % 2;
  } else {
    n[!shorter] = room - least;
  }
}

static int push_whole(const TokWrap *w, const TokIds *part, const size_t *n, TokIds *ids,
                      TokIds *types, BigsError *e) {
  int status = 0;
  for (int i = 0; i < w->n; i++) {
    const TokSlot *s = &w->v[i];
    size_t many = s->id >= 0 ? 1 : n[s->text];
    for (size_t k = 0; k < many && !status; k++) {
      status = tok_push(ids, s->id >= 0 ? s->id : part[s->text].v[k], e);
      status = status || !types ? status : tok_push(types, s->type, e);
    }
  }
  return status;
}

int tok_whole(TokEncoder *c, const char *const *text, const size_t *size, int texts, size_t max,
              TokIds *ids, TokIds *types, bool *cut, BigsError *e) {
  const TokWrap *w = &c->tok->wrap[texts - 1];
  TokIds part[2];
  size_t n[2] = {0, 0}, around = (size_t)tok_around(c->tok, texts);
  int status = 0;
  memset(part, 0, sizeof part);
  for (int i = 0; i < texts && !status; i++)
    status = tok_encode(c, text[i], size[i], true, &part[i], e);
  n[0] = part[0].n;
  n[1] = part[1].n;
  if (!status && max && max < around)
    status = bigs_fail(e, BIGS_EUSAGE,
                       "%zu tokens are less than the %zu special ones around a text", max, around);
  if (!status && max)
    tok_cut(c->tok, texts, max, n);
  if (cut)
    *cut = n[0] + n[1] < part[0].n + part[1].n;
  status = status ? status : push_whole(w, part, n, ids, types, e);
  free(part[0].v);
  free(part[1].v);
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

// What a token with bytes or signs in its name stands for is not its name, wherever it stands.
char *tok_spelled(const Tokenizer *t, int32_t id, BigsError *e) {
  char *out = tok_decode(t, &id, 1, false, e);
  const char *token = out ? tok_text(t, id) : NULL;
  if (!token || !strcmp(out, token))
    return out;
  size_t n = kinds[t->kind].join(t, id, false, out);
  if (utf8_valid(out, n) < n)
    n = strlen(strcpy(out, token));
  out[n] = 0;
  return out;
}

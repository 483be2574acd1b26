// What reads the parts of a tokenizer.json: settings, steps, models.  See tok_file.h.
#include "runtime/text/tok_file.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "runtime/text/unicode.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// ---- memory that grows

int bytes_grow(Bytes *b, size_t more, BigsError *e) {
  size_t cap = b->cap * 2 + more + 256;
  char *s = REALLOC_N(char, b->s, cap);
  if (!s)
    return bigs_fail_memory(e, "text");
  b->s = s;
  b->cap = cap;
  return 0;
}

int bytes_add_char(Bytes *b, int32_t c, BigsError *e) {
  if (b->cap - b->n < 4 && bytes_grow(b, 4, e))
    return BIGS_EMODEL;
  if (c < 0x80)
    b->s[b->n++] = (char)c;
  else
    b->n += utf8_put(b->s + b->n, c);
  return 0;
}

int pieces_add(TokPieces *p, size_t at, size_t n, BigsError *e) {
  if (n == 0)
    return 0;
  if (p->n == p->cap) {
    size_t cap = p->cap * 2 + 64;
    TokPiece *v = REALLOC_N(TokPiece, p->v, cap);
    if (!v)
      return bigs_fail_memory(e, "text");
    p->v = v;
    p->cap = cap;
  }
  TokPiece piece = {at, n};
  p->v[p->n++] = piece;
  return 0;
}

// ---- classes of characters

// Alphabetic characters, marks, digits, connectors.  Of the alphabetic ones that are no letters all but the circled and squared
// Latin ones are marks or numbers.
bool is_word_char(int32_t c) {
  UnicodeCategory k = unicode_category(c);
  return (k >= UNICODE_LU && k <= UNICODE_NL) || k == UNICODE_PC || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

bool is_within_word(int32_t c) {
  return is_word_char(c) || c == 0x200C || c == 0x200D;
}

// ---- settings

int read_fail(const TokReading *r, const JsonValue *v, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  return bigs_fail(r->e, BIGS_EFILE, "%s: byte %zu: %s", r->path, v ? v->offset : (size_t)0, text);
}

static const JsonValue *setting(const JsonValue *object, const char *key) {
  const JsonValue *v = json_get(object, key);
  return v && v->kind != JSON_NULL ? v : NULL;
}

int read_bool(const TokReading *r, const JsonValue *object, const char *key, bool *out) {
  const JsonValue *v = setting(object, key);
  if (v && v->kind != JSON_TRUE && v->kind != JSON_FALSE)
    return read_fail(r, v, "\"%s\" is %s, not true or false", key, json_kind_name(v->kind));
  if (v)
    *out = v->kind == JSON_TRUE;
  return 0;
}

int read_text(const TokReading *r, const JsonValue *object, const char *key, char **out,
              size_t *size) {
  const JsonValue *v = setting(object, key);
  *out = NULL;
  *size = 0;
  if (!v)
    return 0;
  if (v->kind != JSON_STRING || strlen(v->text) != v->size)
    return read_fail(r, v, "\"%s\" is %s, not a string without NUL", key, json_kind_name(v->kind));
  *out = strdup(v->text);
  *size = v->size;
  return *out ? 0 : bigs_fail_memory(r->e, r->path);
}

int read_choice(const TokReading *r, const JsonValue *object, const char *key,
                const char *const *names, int n, int *out) {
  const JsonValue *v = setting(object, key);
  if (!v)
    return 0;
  for (int i = 0; i < n; i++)
    if (json_equals(v, names[i]))
      return *out = i, 0;
  return read_fail(r, v, "\"%s\" is \"%.100s\", which is not known", key,
                   v->kind == JSON_STRING ? v->text : json_kind_name(v->kind));
}

// {"String": "..."} or {"Regex": "..."}
int read_pattern(const TokReading *r, const JsonValue *object, TokStep *s) {
  const JsonValue *v = json_get(object, "pattern"), *text = json_get(v, "String"),
                  *regex = json_get(v, "Regex");
  const JsonValue *one = text ? text : regex;
  if (!one || one->kind != JSON_STRING || v->count != 1)
    return read_fail(r, v ? v : object, "\"pattern\" has neither a \"String\" nor a \"Regex\"");
  s->pattern =
      text ? pattern_literal(one->text, one->size, r->e) : pattern_new(one->text, one->size, r->e);
  if (!s->pattern)
    bigs_error_prefix(r->e, "%s: byte %zu", r->path, one->offset);
  return s->pattern ? 0 : bigs_status(r->e, BIGS_EFILE);
}

// ---- parts

static const TokPart part_table[] = {
#define NORMALIZER(type, name, keys)                                                               \
  {STAGE_NORMALIZER, type, keys, step_##name##_read, step_##name},
#define SPLITTER(type, name, keys) {STAGE_SPLITTER, type, keys, step_##name##_read, step_##name},
#define MODEL(type, name, keys)
#define WRAPPER(type, name, keys)
#include "runtime/text/tok_parts.def"
#undef NORMALIZER
#undef SPLITTER
#undef MODEL
#undef WRAPPER
};
static const TokModel model_table[] = {
#define NORMALIZER(type, name, keys)
#define SPLITTER(type, name, keys)
#define MODEL(type, name, keys) {type, keys, model_##name##_read, model_##name##_encode},
#define WRAPPER(type, name, keys)
#include "runtime/text/tok_parts.def"
#undef NORMALIZER
#undef SPLITTER
#undef MODEL
#undef WRAPPER
};
static const char *const stage_names[STAGES] = {"normalizer", "pre_tokenizer", "model",
                                                "post_processor"};

int refuse_part(const TokReading *r, const JsonValue *v, TokStage stage) {
  static const char *const known[STAGES] = {
#define NORMALIZER(type, name, keys) " " type
#define SPLITTER(type, name, keys)
#define MODEL(type, name, keys)
#define WRAPPER(type, name, keys)
#include "runtime/text/tok_parts.def"
      " Sequence",
#undef NORMALIZER
#undef SPLITTER
#define NORMALIZER(type, name, keys)
#define SPLITTER(type, name, keys) " " type
#include "runtime/text/tok_parts.def"
      " Sequence",
#undef SPLITTER
#undef MODEL
#define SPLITTER(type, name, keys)
#define MODEL(type, name, keys) " " type
#include "runtime/text/tok_parts.def"
      ,
#undef MODEL
#undef WRAPPER
#define MODEL(type, name, keys)
#define WRAPPER(type, name, keys) " " type
#include "runtime/text/tok_parts.def"
      " Sequence"
#undef NORMALIZER
#undef SPLITTER
#undef MODEL
#undef WRAPPER
  };
  const JsonValue *type = json_get(v, "type");
  bool named = type && type->kind == JSON_STRING;
  return read_fail(r, v, "the %s %s%.60s%s is not known; known:%s", stage_names[stage],
                   named ? "\"" : "", named ? type->text : "without a type", named ? "\"" : "",
                   known[stage]);
}

static bool is_listed(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *p = list; n && (p = strstr(p, word)) != NULL; p++)
    if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
      return true;
  return false;
}

int check_part_keys(const TokReading *r, const JsonValue *v, const char *keys) {
  const JsonValue *type = json_get(v, "type");
  if (v->kind != JSON_OBJECT)
    return read_fail(r, v, "%s where an object is wanted", json_kind_name(v->kind));
  for (const JsonValue *x = v->child; x; x = x->next)
    if (strcmp(x->key, "type") && !is_listed(keys, x->key))
      return read_fail(r, x, "\"%.60s\" of %.60s is not known", x->key,
                       type && type->kind == JSON_STRING ? type->text : "the file");
  return 0;
}

const TokPart *find_part(TokStage stage, const char *type) {
  for (size_t i = 0; i < sizeof part_table / sizeof *part_table; i++)
    if (part_table[i].stage == stage && !strcmp(type, part_table[i].type))
      return &part_table[i];
  return NULL;
}

static int add_part(TokReading *r, const JsonValue *v, TokStage stage, TokSteps *out) {
  const JsonValue *type = json_get(v, "type");
  const TokPart *part = type && type->kind == JSON_STRING ? find_part(stage, type->text) : NULL;
  if (!part)
    return refuse_part(r, v, stage);
  TokStep *grown = REALLOC_N(TokStep, out->v, out->n + 1);
  if (!grown)
    return bigs_fail_memory(r->e, r->path);
  out->v = grown;
  TokStep *s = &out->v[out->n++];
  memset(s, 0, sizeof *s);
  s->part = part;
  int status = check_part_keys(r, v, part->keys);
  return status ? status : part->read(r, v, s);
}

int read_steps(TokReading *r, const JsonValue *v, TokStage stage, TokSteps *out) {
  if (!v || v->kind == JSON_NULL)
    return 0;
  if (!json_equals(json_get(v, "type"), "Sequence"))
    return add_part(r, v, stage, out);
  const char *key = stage == STAGE_NORMALIZER ? "normalizers" : "pretokenizers";
  const JsonValue *list = json_get(v, key);
  int status = list && list->kind == JSON_ARRAY ? check_part_keys(r, v, key)
                                                : read_fail(r, v, "a Sequence without \"%s\"", key);
  for (const JsonValue *x = status ? NULL : list->child; x && !status; x = x->next)
    status = read_steps(r, x, stage, out);
  return status;
}

void steps_free(TokSteps *s) {
  for (int i = 0; i < s->n; i++) {
    free(s->v[i].text);
    free(s->v[i].map);
    pattern_free(s->v[i].pattern);
  }
  free(s->v);
}

// Old files do not name the model's type: only one has what theirs has.
static const char *guess_model(const JsonValue *v) {
  return json_get(v, "merges")                                              ? "BPE"
         : json_get(v, "continuing_subword_prefix")                         ? "WordPiece"
         : json_get(v, "vocab") && json_get(v, "vocab")->kind == JSON_ARRAY ? "Unigram"
                                                                            : "";
}

int read_models(TokReading *r, const JsonValue *v) {
  if (!v || v->kind != JSON_OBJECT)
    return read_fail(r, v, "no \"model\": not a tokenizer.json?");
  const JsonValue *type = json_get(v, "type");
  for (size_t i = 0; i < sizeof model_table / sizeof *model_table; i++)
    if (type ? json_equals(type, model_table[i].type)
             : !strcmp(guess_model(v), model_table[i].type))
      r->t->model = &model_table[i];
  if (!r->t->model)
    return refuse_part(r, v, STAGE_MODEL);
  int status = check_part_keys(r, v, r->t->model->keys);
  return status ? status : r->t->model->read(r, v, r->t);
}

// ---- the vocabulary

typedef struct VocabWanted {
  const TokFile *t;
  const char *s;
  size_t n;
} VocabWanted;

static bool vocab_same(const void *wanted, uint64_t value) {
  const VocabWanted *w = (const VocabWanted *)wanted;
  return w->t->length[value] == w->n && !memcmp(w->t->tok.token[value], w->s, w->n);
}

static uint64_t vocab_hash(const char *s, size_t n) {
  return hash_bytes(0, s, n) | 1;
}

int32_t vocab_find(const TokFile *t, const char *s, size_t n) {
  VocabWanted w = {t, s, n};
  const uint64_t *id = map_find(&t->vocab, vocab_hash(s, n), vocab_same, &w);
  return id ? (int32_t)*id : -1;
}

enum { VOCAB_MAX = 1 << 23 };

int vocab_reserve(TokReading *r, int size, size_t bytes) {
  TokFile *t = r->t;
  if (size > VOCAB_MAX)
    return bigs_fail(r->e, BIGS_EFILE,
                     "%s: an id of %d: more than %d tokens are not known to any tokenizer", r->path,
                     size - 1, VOCAB_MAX);
  t->pool = MALLOC_N(char, bytes + 1);
  t->tok.token = ALLOC_N(const char *, size + 1);
  t->length = ALLOC_N(uint32_t, size + 1);
  if (!t->pool || !t->tok.token || !t->length)
    return bigs_fail_memory(r->e, r->path);
  t->pool[0] = 0; // what ids without a token have
  for (int i = 0; i < size; i++)
    t->tok.token[i] = t->pool;
  t->tok.size = size;
  return 0;
}

// The pool has room for the text; it is put behind those before it.
int vocab_add(TokReading *r, int32_t id, const char *s, size_t n, const JsonValue *v) {
  TokFile *t = r->t;
  if (t->tok.token[id] != t->pool)
    return read_fail(r, v, "the id %d is that of \"%.60s\" already", (int)id, t->tok.token[id]);
  if (vocab_find(t, s, n) >= 0)
    return read_fail(r, v, "the token \"%.60s\" again", s);
  t->tok.token[id] = s;
  t->length[id] = (uint32_t)n;
  return map_add(&t->vocab, vocab_hash(s, n), (uint64_t)id) ? 0 : bigs_fail_memory(r->e, r->path);
}

// Largest id + 1, and bytes of all texts.
static int measure_vocab(TokReading *r, const JsonValue *object, int64_t *size, size_t *bytes) {
  for (const JsonValue *x = object->child; x; x = x->next) {
    int64_t id;
    if (!json_int(x, &id) || id < 0 || id >= VOCAB_MAX)
      return read_fail(r, x, "the id of \"%.60s\" is no number from 0 to %d", x->key,
                       VOCAB_MAX - 1);
    *size = id >= *size ? id + 1 : *size;
    *bytes += x->key_size + 1;
  }
  return 0;
}

int read_vocab(TokReading *r, const JsonValue *object) {
  int64_t size = 0;
  size_t bytes = 1;
  if (!object || object->kind != JSON_OBJECT)
    return read_fail(r, object, "no \"vocab\" with the ids of tokens");
  int status = measure_vocab(r, object, &size, &bytes);
  status = status ? status : vocab_reserve(r, (int)size, bytes);
  char *at = status ? NULL : r->t->pool + 1;
  for (const JsonValue *x = object->child; x && !status; x = x->next) {
    int64_t id = 0;
    json_int(x, &id);
    memcpy(at, x->key, x->key_size + 1);
    status = vocab_add(r, (int32_t)id, at, x->key_size, x);
    at += x->key_size + 1;
  }
  return status;
}

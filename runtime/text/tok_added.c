// added_tokens of a tokenizer.json: what is looked for in the text before it is split; and what goes around a text.
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include "runtime/text/unicode.h"
#include <string.h>

// ---- reading

static const char added_keys[] = "id content single_word lstrip rstrip normalized special";

static int grow_tokens(TokReading *r, int32_t id) {
  Tokenizer *t = &r->t->tok;
  const char **token = REALLOC_N(const char *, t->token, id + 1);
  if (token)
    t->token = token;
  uint32_t *length = token ? REALLOC_N(uint32_t, r->t->length, id + 1) : NULL;
  if (!length)
    return bigs_fail_memory(r->e, r->path);
  r->t->length = length;
  for (; t->size <= id; t->size++) {
    t->token[t->size] = r->t->pool;
    length[t->size] = 0;
  }
  return 0;
}

// A token's id is that of the vocabulary, or a new one.
static int place_added(TokReading *r, const JsonValue *v, const TokAdded *a) {
  int32_t known = vocab_find(r->t, a->text, a->size);
  if (known >= 0)
    return known == a->id
               ? 0
               : read_fail(r, v, "\"%.60s\" has the id %d here, and %d in the vocabulary", a->text,
                           (int)a->id, (int)known);
  int status = a->id >= r->t->tok.size ? grow_tokens(r, a->id) : 0;
  return status ? status : vocab_add(r, a->id, a->text, a->size, v);
}

static int read_added_one(TokReading *r, const JsonValue *v, TokAdded *a) {
  int64_t id = -1;
  int status = check_part_keys(r, v, added_keys);
  status = status ? status : read_text(r, v, "content", &a->text, &a->size);
  if (!status && (!a->size || !json_get(v, "id") || !json_int(json_get(v, "id"), &id) || id < 0 ||
                  id >= 1 << 23))
    status = read_fail(r, v, "an added token needs \"content\" and an \"id\" from 0 on");
  a->id = (int32_t)id;
  status = status ? status : read_bool(r, v, "special", &a->special);
  a->normalized = !a->special;
  status = status ? status : read_bool(r, v, "single_word", &a->single_word);
  status = status ? status : read_bool(r, v, "lstrip", &a->lstrip);
  status = status ? status : read_bool(r, v, "rstrip", &a->rstrip);
  status = status ? status : read_bool(r, v, "normalized", &a->normalized);
  return status ? status : place_added(r, v, a);
}

// Enters token i where it is looked for; a normalized one as its text becomes.
static int look_for(TokFile *t, int i, TokWork *w) {
  const TokAdded *a = &t->added[i];
  Trie *trie = &t->look[a->normalized];
  int32_t end;
  w->text.n = 0;
  int status = bytes_add(&w->text, a->text, a->size, w->e);
  if (!status && a->normalized)
    status = normalize(t, w);
  if (status || !w->text.n)
    return status;
  status = trie_insert(trie, 0, w->text.s, w->text.n, &end, w->e);
  if (!status)
    trie->id[end] = i;
  t->starts[a->normalized][(unsigned char)w->text.s[0]] = true;
  return status;
}

static void work_free(TokWork *w) {
  free(w->text.s);
  free(w->other.s);
  free(w->chars.v);
  free(w->pieces.v);
  free(w->parts.v);
}

int look_for_added(TokFile *t, BigsError *e) {
  TokWork w;
  int status = 0;
  memset(&w, 0, sizeof w);
  w.e = e;
  for (int i = 0; i < 2 && !status; i++) {
    trie_free(&t->look[i]);
    memset(&t->look[i], 0, sizeof t->look[i]);
    status = trie_root(&t->look[i], e);
  }
  memset(t->starts, 0, sizeof t->starts);
  for (int i = 0; i < t->nadded && !status; i++)
    status = look_for(t, i, &w);
  work_free(&w);
  return status;
}

int read_added(TokReading *r, const JsonValue *list) {
  TokFile *t = r->t;
  if (!list || list->kind == JSON_NULL)
    return 0;
  if (list->kind != JSON_ARRAY)
    return read_fail(r, list, "\"added_tokens\" is %s, not a list", json_kind_name(list->kind));
  t->added = ALLOC_N(TokAdded, list->count + 1);
  int status = t->added ? 0 : bigs_fail_memory(r->e, r->path);
  for (const JsonValue *x = list->child; x && !status; x = x->next)
    status = read_added_one(r, x, &t->added[t->nadded++]);
  return status;
}

// ---- post_processor

static int add_slot(TokReading *r, const JsonValue *v, TokWrap *w, int32_t id, int text, int type) {
  TokSlot slot = {id, text, type};
  if (w->n == TOK_MAX_SLOTS)
    return read_fail(r, v, "more than %d things around a text", TOK_MAX_SLOTS);
  if (id >= r->t->tok.size)
    return read_fail(r, v, "the id %d is not in the vocabulary", (int)id);
  w->v[w->n++] = slot;
  return 0;
}

// ["[SEP]", 102]
static int named_id(TokReading *r, const JsonValue *v, const char *key, int32_t *out) {
  const JsonValue *pair = json_get(v, key);
  int64_t id = -1;
  bool good = pair && pair->kind == JSON_ARRAY && pair->count == 2 &&
              json_int(pair->child->next, &id) && id >= 0 && id < r->t->tok.size;
  *out = (int32_t)id;
  return good ? 0 : read_fail(r, v, "\"%s\" is no token and its id in the vocabulary", key);
}

// cls A sep, or cls A sep (sep, twice with Roberta's) B sep.
static int wrap_in(TokReading *r, const JsonValue *v, TokWrap *wrap, bool twice, int type) {
  int32_t cls, sep;
  int status = named_id(r, v, "cls", &cls);
  status = status ? status : named_id(r, v, "sep", &sep);
  for (int pair = 0; pair < 2 && !status; pair++) {
    TokWrap *w = &wrap[pair];
    status = add_slot(r, v, w, cls, 0, 0);
    status = status ? status : add_slot(r, v, w, -1, 0, 0);
    status = status ? status : add_slot(r, v, w, sep, 0, 0);
    if (pair && twice && !status)
      status = add_slot(r, v, w, sep, 0, 0);
    if (pair && !status)
      status = add_slot(r, v, w, -1, 1, type);
    if (pair && !status)
      status = add_slot(r, v, w, sep, 0, type);
  }
  return status;
}

int wrap_bert(TokReading *r, const JsonValue *v, TokWrap *wrap) {
  return wrap_in(r, v, wrap, false, 1);
}
int wrap_roberta(TokReading *r, const JsonValue *v, TokWrap *wrap) {
  return wrap_in(r, v, wrap, true, 0);
}
int wrap_byte_level(TokReading *r, const JsonValue *v, TokWrap *wrap) {
  return (void)r, (void)v, (void)wrap, 0;
}

// All ids of a special token of a template.
static int add_special(TokReading *r, const JsonValue *root, const JsonValue *v, const char *name,
                       int type, TokWrap *w) {
  const JsonValue *ids = json_get(json_get(json_get(root, "special_tokens"), name), "ids");
  int status = ids && ids->kind == JSON_ARRAY && ids->count
                   ? 0
                   : read_fail(r, v, "the template has no special token \"%.60s\"", name);
  for (const JsonValue *x = status ? NULL : ids->child; x && !status; x = x->next) {
    int64_t id;
    bool good = json_int(x, &id) && id >= 0 && id < r->t->tok.size;
    status =
        good ? add_slot(r, x, w, (int32_t)id, 0, type) : read_fail(r, x, "no id of the vocabulary");
  }
  return status;
}

// {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}
static int add_template_piece(TokReading *r, const JsonValue *root, const JsonValue *v, bool pair,
                              TokWrap *w) {
  const JsonValue *special = json_get(v, "SpecialToken"), *text = json_get(v, "Sequence"),
                  *x = special ? special : text;
  const JsonValue *id = json_get(x, "id"), *type = json_get(x, "type_id");
  int64_t number = 0;
  if (!id || id->kind != JSON_STRING || !type || !json_int(type, &number) || number < 0 ||
      number > 255)
    return read_fail(r, v, "a part of a template is not known");
  if (special)
    return add_special(r, root, v, id->text, (int)number, w);
  bool second = json_equals(id, "B");
  if ((!second && !json_equals(id, "A")) || (second && !pair))
    return read_fail(r, v, "a template of the text \"%.60s\"", id->text);
  return add_slot(r, v, w, -1, second, (int)number);
}

int wrap_template(TokReading *r, const JsonValue *v, TokWrap *wrap) {
  int status = 0;
  for (int pair = 0; pair < 2 && !status; pair++) {
    const JsonValue *list = json_get(v, pair ? "pair" : "single");
    if (!list || list->kind != JSON_ARRAY)
      return read_fail(r, v, "a template without \"single\" or \"pair\"");
    for (const JsonValue *x = list->child; x && !status; x = x->next)
      status = add_template_piece(r, v, x, pair, &wrap[pair]);
  }
  return status;
}

static const struct {
  const char *type, *keys;
  int (*wrap)(TokReading *r, const JsonValue *v, TokWrap *wrap);
} wrapper_table[] = {
#define NORMALIZER(type, name, keys)
#define SPLITTER(type, name, keys)
#define MODEL(type, name, keys)
#define WRAPPER(type, name, keys) {type, keys, wrap_##name},
#include "runtime/text/tok_parts.def"
#undef NORMALIZER
#undef SPLITTER
#undef MODEL
#undef WRAPPER
};

static int add_wrap(TokReading *r, const JsonValue *v, TokWrap *wrap) {
  int status = 0;
  if (json_equals(json_get(v, "type"), "Sequence")) {
    const JsonValue *list = json_get(v, "processors");
    if (!list || list->kind != JSON_ARRAY)
      return read_fail(r, v, "a Sequence without \"processors\"");
    for (const JsonValue *x = list->child; x && !status; x = x->next)
      status = add_wrap(r, x, wrap);
    return status;
  }
  for (size_t i = 0; i < sizeof wrapper_table / sizeof *wrapper_table; i++)
    if (json_equals(json_get(v, "type"), wrapper_table[i].type)) {
      status = check_part_keys(r, v, wrapper_table[i].keys);
      if (!status && wrap[0].n && wrapper_table[i].wrap != wrap_byte_level)
        status = read_fail(r, v, "two post_processors that both add tokens");
      return status ? status : wrapper_table[i].wrap(r, v, wrap);
    }
  return refuse_part(r, v, STAGE_WRAPPER);
}

int read_wraps(TokReading *r, const JsonValue *v) {
  TokWrap *wrap = r->t->tok.wrap;
  int status = v && v->kind != JSON_NULL ? add_wrap(r, v, wrap) : 0;
  if (status || wrap[0].n)
    return status;
  status = add_slot(r, v, &wrap[0], -1, 0, 0);
  status = status ? status : add_slot(r, v, &wrap[1], -1, 0, 0);
  return status ? status : add_slot(r, v, &wrap[1], -1, 1, 1);
}

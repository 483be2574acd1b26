// A tokenizer as a tokenizer.json of the `tokenizers` library describes it, or a vocab.json with a merges.txt beside it.  Text is cut at
// the added tokens, normalized, cut at those that are looked for in normalized text, split into pieces, and each piece becomes tokens.
#include "runtime/text/tok_file.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "runtime/files/file.h"
#include "runtime/text/unicode.h"
#include <string.h>

// ---- reading

Tokenizer *tok_file_new(void) {
  TokFile *t = ALLOC(TokFile);
  if (!t)
    return NULL;
  t->unk = -1;
  return &t->tok;
}

void tok_file_free(Tokenizer *tok) {
  TokFile *t = (TokFile *)tok;
  steps_free(&t->normalizers);
  steps_free(&t->splitters);
  for (int i = 0; i < t->nadded; i++)
    free(t->added[i].text);
  free(t->added);
  trie_free(&t->trie);
  trie_free(&t->look[0]);
  trie_free(&t->look[1]);
  map_free(&t->vocab);
  map_free(&t->merges);
  free(t->score);
  free(t->prefix);
  free(t->suffix);
  free(t->pool);
  free(t->length);
  free(t->tok.token);
  free(t);
}

static const char file_keys[] =
    "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model";

static int read_root(TokReading *r, const JsonValue *root) {
  int status =
      root->kind == JSON_OBJECT ? 0 : read_fail(r, root, "not a tokenizer.json: no object");
  status = status ? status : read_models(r, json_get(root, "model"));
  status = status ? status : check_part_keys(r, root, file_keys);
  status = status
               ? status
               : read_steps(r, json_get(root, "normalizer"), STAGE_NORMALIZER, &r->t->normalizers);
  status = status
               ? status
               : read_steps(r, json_get(root, "pre_tokenizer"), STAGE_SPLITTER, &r->t->splitters);
  status = status ? status : read_added(r, json_get(root, "added_tokens"));
  status = status ? status : read_wraps(r, json_get(root, "post_processor"));
  if (!status && r->t->tok.size == 0)
    status = read_fail(r, root, "the vocabulary is empty");
  return status;
}

static int read_text_of(TokFile *t, const char *text, size_t n, const char *path, bool joined,
                        BigsError *e) {
  TokReading r = {t, path, e};
  size_t bom = bom_length(text, n);
  JsonDoc *doc = json_parse(text + bom, n - bom, path, bom, e);
  const JsonValue *root = doc ? json_root(doc) : NULL;
  bool bare = root && root->child && root->child->kind == JSON_NUMBER && !json_get(root, "model");
  JsonText all = {NULL, 0, 0, false};
  int status = doc ? 0 : bigs_status(e, BIGS_EFILE);
  if (!status && bare && !joined) {
    t->tok.beside = true;
    status = tok_merges_join(root, text + bom, n - bom, path, &all, e);
    t->tok.hash = status ? 0 : hash_words(t->tok.hash, all.s, all.n);
    status = status ? status : read_text_of(t, all.s, all.n, path, true, e);
  } else if (!status) {
    status = read_root(&r, root);
  }
  free(all.s);
  json_free(doc);
  return status;
}

int tok_file_read(Tokenizer *tok, const char *text, size_t n, const char *path, BigsError *e) {
  int status = read_text_of((TokFile *)tok, text, n, path, false, e);
  status = status ? status : tok_follow_class((TokFile *)tok, path, e);
  status = status ? status : look_for_added((TokFile *)tok, e);
  return status ? status : tok_find_specials(tok, path, e);
}

int tok_file_lower_first(Tokenizer *tok, BigsError *e) {
  TokFile *t = (TokFile *)tok;
  TokSteps *all = &t->normalizers;
  const TokPart *lower = find_part(STAGE_NORMALIZER, "Lowercase");
  for (int i = 0; i < all->n; i++)
    if (all->v[i].part == lower)
      return 0;
  TokStep *grown = REALLOC_N(TokStep, all->v, all->n + 1);
  if (!grown)
    return bigs_fail_memory(e, "the tokenizer");
  all->v = grown;
  memmove(grown + 1, grown, sizeof *grown * (size_t)all->n++);
  memset(grown, 0, sizeof *grown);
  grown->part = lower;
  return look_for_added(t, e);
}

int32_t tok_file_find(const Tokenizer *t, const char *token, size_t n) {
  return n ? vocab_find((const TokFile *)t, token, n) : -1;
}

int tok_file_folder(const char *folder, bool lower, BigsError *e) {
  return (void)folder, (void)lower, (void)e, 0; // the file itself says it all
}

// ---- encoding

TokEncoder *tok_file_encoder(const Tokenizer *t, BigsError *e) {
  TokScratch *c = ALLOC(TokScratch);
  (void)t, (void)e;
  if (c && (c->cache = ALLOC_N(TokCached, 1 << CACHE_BITS)))
    return &c->enc;
  free(c);
  return NULL;
}

void tok_file_encoder_free(TokEncoder *enc) {
  TokScratch *c = (TokScratch *)enc;
  free(c->work.text.s);
  free(c->work.other.s);
  free(c->work.chars.v);
  free(c->work.pieces.v);
  free(c->work.parts.v);
  free(c->cache);
  free(c->symbol);
  free(c->heap);
  free(c->node);
  free(c);
}

// A short piece that has few tokens is kept, in the place of what was there.
static int encode_piece(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  if (n > CACHE_KEY)
    return t->model->encode(t, c, s, n);
  TokCached *k = &c->cache[hash_bytes(0, s, n) >> (64 - CACHE_BITS)];
  int status = 0;
  if (k->size == n && !memcmp(k->key, s, n)) {
    for (int i = 0; i < k->n && !status; i++)
      status = tok_push(c->enc.ids, k->id[i], c->enc.e);
    return status;
  }
  size_t before = c->enc.ids->n;
  status = t->model->encode(t, c, s, n);
  size_t made = c->enc.ids->n - before;
  if (!status && made <= CACHE_IDS) {
    k->size = (uint8_t)n;
    k->n = (uint8_t)made;
    memcpy(k->key, s, n);
    for (size_t i = 0; i < made; i++)
      k->id[i] = c->enc.ids->v[before + i];
  }
  return status;
}

// A normalized stretch without added tokens: w->text.
static int encode_stretch(const TokFile *t, TokScratch *c) {
  TokWork *w = &c->work;
  w->pieces.n = 0;
  int status = pieces_add(&w->pieces, 0, w->text.n, w->e);
  for (int i = 0; i < t->splitters.n && !status; i++)
    status = t->splitters.v[i].part->run(&t->splitters.v[i], w);
  for (size_t i = 0; i < w->pieces.n && !status; i++)
    status = encode_piece(t, c, w->text.s + w->pieces.v[i].at, w->pieces.v[i].n);
  return status;
}

// ---- added tokens

static bool word_before(const char *s, size_t at) {
  size_t i = at;
  while (i > 0 && (s[--i] & 0xC0) == 0x80)
    ;
  const char *p = s + i;
  return at > 0 && is_within_word(utf8_next(&p));
}

static bool word_behind(const char *s, size_t n, size_t at) {
  const char *p = s + at;
  return at < n && is_within_word(utf8_next(&p));
}

static size_t spaces_before(const char *s, size_t at) {
  while (at > 0) {
    size_t i = at;
    while (i > 0 && (s[--i] & 0xC0) == 0x80)
      ;
    const char *p = s + i;
    if (!unicode_is_space(utf8_next(&p)))
      break;
    at = i;
  }
  return at;
}

static size_t spaces_behind(const char *s, size_t n, size_t at) {
  for (const char *p = s + at; p < s + n; at = (size_t)(p - s))
    if (!unicode_is_space(utf8_next(&p)))
      break;
  return at;
}

// The first added token in s[from, n) that may stand there: which, and what of the text it takes, from `least` on.
static const TokAdded *find_added(const TokFile *t, int how, bool specials, const char *s, size_t n,
                                  size_t from, size_t least, size_t *start, size_t *end,
                                  size_t *next) {
  const Trie *trie = &t->look[how];
  size_t len = 0;
  for (size_t i = from; i < n; i += len) {
    int32_t k =
        t->starts[how][(unsigned char)s[i]] ? trie_longest(trie, 0, s + i, n - i, &len) : -1;
    const TokAdded *a = k < 0 ? NULL : &t->added[k];
    len = a ? len : 1;
    if (!a || (a->special && !specials) ||
        (a->single_word && (word_before(s, i) || word_behind(s, n, i + len))))
      continue;
    *start = a->lstrip ? spaces_before(s, i) : i;
    *start = *start < least ? least : *start;
    *end = a->rstrip ? spaces_behind(s, n, i + len) : i + len;
    *next = i + len;
    return a;
  }
  return NULL;
}

typedef int AddedFn(const TokFile *t, TokScratch *c, const char *s, size_t n, bool specials);

// Pushes the added tokens of one kind, and calls `fn` for the text between them.
static int around_added(const TokFile *t, TokScratch *c, int how, const char *s, size_t n,
                        bool specials, AddedFn *fn) {
  size_t done = 0, from = 0, start = 0, end = 0;
  bool first = c->work.first;
  int status = 0;
  const TokAdded *a = NULL;
  while (!status && t->nadded &&
         (a = find_added(t, how, specials, s, n, from, done, &start, &end, &from)) != NULL) {
    c->work.first = first && done == 0;
    status = start > done ? fn(t, c, s + done, start - done, specials) : 0;
    status = status ? status : tok_push(c->enc.ids, a->id, c->enc.e);
    done = end > done ? end : done;
  }
  c->work.first = first && done == 0;
  return status || done >= n ? status : fn(t, c, s + done, n - done, specials);
}

static int encode_plain(const TokFile *t, TokScratch *c, const char *s, size_t n, bool specials) {
  (void)specials;
  c->work.text.n = 0;
  int status = bytes_add(&c->work.text, s, n, c->enc.e);
  return status ? status : encode_stretch(t, c);
}

// Some of the added tokens are looked for in normalized text: it is kept aside then.
static int encode_raw(const TokFile *t, TokScratch *c, const char *s, size_t n, bool specials) {
  TokWork *w = &c->work;
  w->text.n = 0;
  int status = bytes_add(&w->text, s, n, w->e);
  status = status ? status : normalize(t, w);
  if (status || t->look[1].nodes < 2)
    return status ? status : encode_stretch(t, c);
  Bytes copy = {NULL, 0, 0};
  status = bytes_add(&copy, w->text.s, w->text.n, w->e);
  status = status ? status : around_added(t, c, 1, copy.s, copy.n, specials, encode_plain);
  free(copy.s);
  return status;
}

int tok_file_encode(TokEncoder *enc, const char *text, size_t n, bool specials) {
  TokScratch *c = (TokScratch *)enc;
  c->work.e = enc->e;
  c->work.first = true;
  return around_added((const TokFile *)enc->tok, c, 0, text, n, specials, encode_raw);
}

// ---- decoding

static const TokStep *step_of(const TokFile *t, const char *type) {
  for (int i = 0; i < t->splitters.n; i++)
    if (!strcmp(t->splitters.v[i].part->type, type))
      return &t->splitters.v[i];
  return NULL;
}

static bool is_added(const TokFile *t, int32_t id) {
  for (int i = 0; i < t->nadded; i++)
    if (t->added[i].id == id)
      return true;
  return false;
}

// The text of a token whose characters stand for bytes, or where a sign stands for a blank.
static size_t put_token(const TokFile *t, const char *s, bool first, char *out) {
  const TokStep *bytes = step_of(t, "ByteLevel"), *meta = step_of(t, "Metaspace");
  size_t n = 0;
  while (*s) {
    if (meta && !strncmp(s, meta->text, meta->text_size)) {
      s += meta->text_size;
      if (!first || n)
        out[n++] = ' ';
      first = false;
      continue;
    }
    int byte = bytes ? char_byte(&s) : -1;
    out[n++] = byte < 0 ? *s++ : (char)byte;
  }
  return n;
}

size_t tok_file_join(const Tokenizer *tok, int32_t id, bool first, char *out) {
  const TokFile *t = (const TokFile *)tok;
  const char *s = tok->token[id];
  size_t inside = t->prefix ? strlen(t->prefix) : 0, at = 0;
  bool added = is_added(t, id),
       words = inside || !(step_of(t, "ByteLevel") || step_of(t, "Metaspace"));
  bool joins = inside && !first && !strncmp(s, t->prefix, inside) && s[inside];
  if (words && !first && !joins)
    out[at++] = ' ';
  if (!added && !words)
    return put_token(t, s, first, out);
  s += joins ? inside : 0;
  memcpy(out + at, s, strlen(s));
  return at + strlen(s);
}

// Two models of a tokenizer.json: WordPiece, which tok_wordpiece.c tells of, and whole words.
#include "base/alloc.h"
#include "runtime/text/tok_file.h"
#include <string.h>

static size_t char_count(const char *s, size_t n) {
  size_t chars = 0;
  for (size_t i = 0; i < n; i++)
    chars += (s[i] & 0xC0) != 0x80;
  return chars;
}

static int need_unknown(TokReading *r, const JsonValue *v, const char *otherwise) {
  char *text;
  size_t n;
  int status = read_text(r, v, "unk_token", &text, &n);
  const char *name = text ? text : otherwise;
  r->t->unk = status ? -1 : vocab_find(r->t, name, strlen(name));
  if (!status && r->t->unk < 0)
    status = read_fail(r, v, "the unk_token \"%.60s\" is not in the vocabulary", name);
  free(text);
  return status;
}

// ---- WordPiece: root 0 of the trie has the tokens, root 1 what is behind the prefix of those inside a word

static int add_to_tries(TokReading *r, int32_t id) {
  TokFile *t = r->t;
  const char *s = t->tok.token[id], *prefix = t->prefix ? t->prefix : "";
  size_t n = t->length[id], inside = strlen(prefix);
  int32_t end;
  int status = n ? trie_insert(&t->trie, 0, s, n, &end, r->e) : 0;
  if (status || !n)
    return status;
  t->trie.id[end] = id;
  if (n <= inside || memcmp(s, prefix, inside))
    return 0;
  status = trie_insert(&t->trie, 1, s + inside, n - inside, &end, r->e);
  if (!status)
    t->trie.id[end] = id;
  return status;
}

int model_pieces_read(TokReading *r, const JsonValue *v, TokFile *t) {
  const JsonValue *longest = json_get(v, "max_input_chars_per_word");
  int64_t chars = TOK_MAX_CHARS;
  size_t n;
  int status = read_vocab(r, json_get(v, "vocab"));
  status = status ? status : read_text(r, v, "continuing_subword_prefix", &t->prefix, &n);
  if (!status && !t->prefix && !(t->prefix = strdup("##")))
    status = bigs_fail_memory(r->e, r->path);
  if (!status && longest && (!json_int(longest, &chars) || chars < 1))
    status = read_fail(r, longest, "\"max_input_chars_per_word\" is no number above 0");
  t->max_chars = (size_t)chars;
  status = status ? status : need_unknown(r, v, "[UNK]");
  status = status ? status : trie_root(&t->trie, r->e);
  status = status ? status : trie_root(&t->trie, r->e);
  for (int32_t id = 0; id < t->tok.size && !status; id++)
    status = add_to_tries(r, id);
  return status;
}

int model_pieces_encode(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  size_t start = c->enc.ids->n, len = 0;
  if (n > t->max_chars && char_count(s, n) > t->max_chars)
    return tok_push(c->enc.ids, t->unk, c->enc.e);
  int status = 0;
  for (size_t i = 0; i < n && !status; i += len) {
    int32_t id = trie_longest(&t->trie, i ? 1 : 0, s + i, n - i, &len);
    if (id < 0) {
      c->enc.ids->n = start;
      return tok_push(c->enc.ids, t->unk, c->enc.e);
    }
    status = tok_push(c->enc.ids, id, c->enc.e);
  }
  return status;
}

// ---- whole words

int model_word_level_read(TokReading *r, const JsonValue *v, TokFile *t) {
  (void)t;
  int status = read_vocab(r, json_get(v, "vocab"));
  return status ? status : need_unknown(r, v, "<unk>");
}

int model_word_level_encode(const TokFile *t, TokScratch *c, const char *s, size_t n) {
  int32_t id = vocab_find(t, s, n);
  return tok_push(c->enc.ids, id < 0 ? t->unk : id, c->enc.e);
}

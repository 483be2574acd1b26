// WordPiece as BERT uses it: words by words.h, each cut into the longest pieces that the vocabulary holds, from the left; pieces
// inside a word carry "##".  A word with a part in no piece, or of more than TOK_MAX_CHARS characters, is [UNK].
//
// The vocabulary is a trie with two roots: whole tokens, and what follows "##".
#include "runtime/text/tok_internal.h"
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/text/trie.h"
#include "runtime/text/words.h"
#include <string.h>

enum { WHOLE = 0, INSIDE = 1 };

typedef struct WordPiece {
  Tokenizer tok; // first
  char *text;    // the file, each line NUL-terminated
  bool lower_first;
  Trie trie;
} WordPiece;

typedef struct PieceEncoder {
  TokEncoder enc; // first
  Words *words;
} PieceEncoder;

// ---- loading

static int add_token(WordPiece *t, const char *s, size_t n, const char *path, BigsError *e) {
  int32_t end, line = t->tok.size + 1;
  if (n == 0)
    return bigs_fail(e, BIGS_EFILE, "%s:%d: an empty line: every line is a token", path, line);
  if (utf8_valid(s, n) < n || memchr(s, 0, n))
    return bigs_fail(e, BIGS_EFILE, "%s:%d: not UTF-8 text", path, line);
  int status = trie_insert(&t->trie, WHOLE, s, n, &end, e);
  if (status)
    return status;
  if (t->trie.id[end] >= 0)
    return bigs_fail(e, BIGS_EFILE, "%s:%d: the token \"%.100s\" again, first on line %d", path,
                     line, s, t->trie.id[end] + 1);
  t->trie.id[end] = t->tok.size;
  if (n > 2 && s[0] == '#' && s[1] == '#') {
    status = trie_insert(&t->trie, INSIDE, s + 2, n - 2, &end, e);
    if (status)
      return status;
    t->trie.id[end] = t->tok.size;
  }
  t->tok.token[t->tok.size++] = s;
  return 0;
}

static int add_lines(WordPiece *t, size_t n, const char *path, BigsError *e) {
  char *p = t->text, *end = t->text + n;
  int status = 0;
  while (p < end && !status) {
    char *eol = (char *)memchr(p, '\n', (size_t)(end - p));
    char *next = eol ? eol + 1 : end, *stop = eol ? eol : end;
    if (stop > p && stop[-1] == '\r')
      stop--;
    *stop = 0; // the text has a byte to spare at its end
    status = add_token(t, p, (size_t)(stop - p), path, e);
    p = next;
  }
  return status;
}

static int find_specials(Tokenizer *t, const char *path, BigsError *e) {
  int status = tok_find_specials(t, path, e);
  for (int i = 0; i < TOK_SPECIALS && !status; i++)
    if (t->special[i] < 0)
      status = bigs_fail(e, BIGS_EFILE, "%s: no line \"%s\": not a WordPiece vocabulary?", path,
                         tok_special_name((TokSpecial)i));
  if (!status)
    tok_wrap_bert(t);
  return status;
}

Tokenizer *tok_wordpiece_new(void) {
  WordPiece *t = ALLOC(WordPiece);
  return t ? &t->tok : NULL;
}

int tok_wordpiece_read(Tokenizer *tok, const char *text, size_t n, const char *path, BigsError *e) {
  WordPiece *t = (WordPiece *)tok;
  size_t lines = 1, bom = bom_length(text, n);
  text += bom;
  n -= bom;
  for (size_t i = 0; i < n; i++)
    lines += text[i] == '\n';
  t->text = MALLOC_N(char, n + 1);
  t->tok.token = MALLOC_N(const char *, lines);
  if (!t->text || !t->tok.token)
    return bigs_fail_memory(e, path);
  memcpy(t->text, text, n);
  int status = trie_root(&t->trie, e);
  status = status ? status : trie_root(&t->trie, e);
  status = status ? status : add_lines(t, n, path, e);
  return status ? status : find_specials(&t->tok, path, e);
}

void tok_wordpiece_free(Tokenizer *tok) {
  WordPiece *t = (WordPiece *)tok;
  free(t->text);
  free(t->tok.token);
  trie_free(&t->trie);
  free(t);
}

int32_t tok_wordpiece_find(const Tokenizer *tok, const char *token, size_t n) {
  return trie_find(&((const WordPiece *)tok)->trie, WHOLE, token, n);
}

int tok_wordpiece_lower_first(Tokenizer *t, BigsError *e) {
  ((WordPiece *)t)->lower_first = true;
  return (void)e, 0;
}

// ---- encoding

static int encode_word(void *ctx, const char *word, size_t n, size_t chars) {
  TokEncoder *c = (TokEncoder *)ctx;
  const WordPiece *t = (const WordPiece *)c->tok;
  size_t start = c->ids->n, len = 0;
  if (chars > TOK_MAX_CHARS)
    return tok_push(c->ids, t->tok.special[TOK_UNK], c->e);
  for (size_t i = 0; i < n; i += len) {
    int32_t id = trie_longest(&t->trie, i ? INSIDE : WHOLE, word + i, n - i, &len);
    if (id < 0) {
      c->ids->n = start;
      return tok_push(c->ids, t->tok.special[TOK_UNK], c->e);
    }
    int status = tok_push(c->ids, id, c->e);
    if (status)
      return status;
  }
  return 0;
}

TokEncoder *tok_wordpiece_encoder(const Tokenizer *t, BigsError *e) {
  PieceEncoder *c = ALLOC(PieceEncoder);
  bool first = ((const WordPiece *)t)->lower_first;
  if (c && (c->words = words_new(t->lower ? WORDS_PLAIN : first ? WORDS_LOWERED : WORDS_KEPT, e)))
    return &c->enc;
  free(c);
  return NULL;
}

void tok_wordpiece_encoder_free(TokEncoder *c) {
  words_free(((PieceEncoder *)c)->words);
  free(c);
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

int tok_wordpiece_encode(TokEncoder *c, const char *text, size_t n, bool specials) {
  Words *words = ((PieceEncoder *)c)->words;
  const char *end = text + n;
  size_t len = 0;
  int32_t id = 0;
  int status = 0;
  for (const char *at = text; at && !status; text = at + len) {
    at = specials ? find_special(c->tok, text, (size_t)(end - text), &id, &len) : NULL;
    status = words_split(words, text, (size_t)((at ? at : end) - text), encode_word, c, c->e);
    if (!at)
      break;
    status = status ? status : tok_push(c->ids, id, c->e);
  }
  return status;
}

// ---- decoding

static bool is_inside(const char *token) {
  return token[0] == '#' && token[1] == '#' && token[2];
}

size_t tok_wordpiece_join(const Tokenizer *t, int32_t id, bool first, char *out) {
  const char *s = t->token[id];
  bool join = is_inside(s) && !first;
  size_t at = 0;
  if (!first && !join)
    out[at++] = ' ';
  s += join ? 2 : 0;
  memcpy(out + at, s, strlen(s));
  return at + strlen(s);
}

// WordPiece as BERT uses it: words by words.h, each cut into the longest pieces that the vocabulary holds, from the left; pieces
// inside a word carry "##".  A word with a part in no piece, or of more than TOK_MAX_CHARS characters, is [UNK].
//
// The vocabulary is a trie over bytes with two roots: whole tokens, and what follows "##".  The
// longest match is the last token passed on one walk down, so a word costs one step a byte.
#include "runtime/text/tok_internal.h"
#include "base/map.h"
#include "runtime/files/file.h"
#include "runtime/text/words.h"
#include <stdlib.h>
#include <string.h>

enum { WHOLE = 0, INSIDE = 1, MAX_NODES = 1 << 24 };

typedef struct WordPiece {
  Tokenizer tok; // first
  char *text;    // the file, each line NUL-terminated
  Map edges;     // of the trie: nodes by edge()
  int32_t *id;   // of the token that ends at a node, or -1
  int nodes, node_cap;
} WordPiece;

typedef struct Encoder {
  TokEncoder enc; // first
  Words *words;
} Encoder;

const char *tok_special_name(TokSpecial s) {
  static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  return names[s];
}

// ---- the trie

// Not 0, which no key may be.
static uint64_t edge(int32_t node, char byte) {
  return ((uint64_t)node << 8 | (unsigned char)byte) + 1;
}

static inline int32_t child(const WordPiece *t, int32_t node, char byte) {
  const uint64_t *next = map_find(&t->edges, edge(node, byte), NULL, NULL);
  return next ? (int32_t)*next : -1;
}

static int new_node(WordPiece *t, BigsError *e) {
  if (t->nodes == MAX_NODES - 1)
    return bigs_fail(e, BIGS_EFILE, "the vocabulary is too large");
  if (t->nodes == t->node_cap) {
    int cap = t->node_cap * 2 + 1024;
    int32_t *id = realloc(t->id, sizeof *id * (size_t)cap);
    if (!id)
      return bigs_fail_memory(e, "the vocabulary");
    t->id = id;
    t->node_cap = cap;
  }
  t->id[t->nodes++] = -1;
  return 0;
}

// *end: the node where the bytes lead, made if need be.
static int insert(WordPiece *t, int32_t root, const char *s, size_t n, int32_t *end, BigsError *e) {
  int status = 0;
  *end = root;
  for (size_t i = 0; !status && i < n; i++) {
    int32_t next = child(t, *end, s[i]);
    if (next < 0) {
      status = new_node(t, e);
      next = t->nodes - 1;
      if (!status && !map_add(&t->edges, edge(*end, s[i]), (uint64_t)next))
        status = bigs_fail_memory(e, "the vocabulary");
    }
    *end = next;
  }
  return status;
}

// The id of the longest token from `root` that starts s[0, n), its length in *len; -1: none.
static int32_t longest(const WordPiece *t, int32_t root, const char *s, size_t n, size_t *len) {
  int32_t best = -1, node = root;
  for (size_t i = 0; i < n; i++) {
    node = child(t, node, s[i]);
    if (node < 0)
      break;
    if (t->id[node] >= 0) {
      best = t->id[node];
      *len = i + 1;
    }
  }
  return best;
}

// ---- loading

static int add_token(WordPiece *t, const char *s, size_t n, const char *path, BigsError *e) {
  int32_t end, line = t->tok.size + 1;
  if (n == 0)
    return bigs_fail(e, BIGS_EFILE, "%s:%d: an empty line: every line is a token", path, line);
  if (utf8_valid(s, n) < n || memchr(s, 0, n))
    return bigs_fail(e, BIGS_EFILE, "%s:%d: not UTF-8 text", path, line);
  int status = insert(t, WHOLE, s, n, &end, e);
  if (status)
    return status;
  if (t->id[end] >= 0)
    return bigs_fail(e, BIGS_EFILE, "%s:%d: the token \"%.100s\" again, first on line %d", path,
                     line, s, t->id[end] + 1);
  t->id[end] = t->tok.size;
  if (n > 2 && s[0] == '#' && s[1] == '#') {
    status = insert(t, INSIDE, s + 2, n - 2, &end, e);
    if (status)
      return status;
    t->id[end] = t->tok.size;
  }
  t->tok.token[t->tok.size++] = s;
  return 0;
}

static int add_lines(WordPiece *t, size_t n, const char *path, BigsError *e) {
  char *p = t->text, *end = t->text + n;
  int status = 0;
  while (p < end && !status) {
    char *eol = memchr(p, '\n', (size_t)(end - p));
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
  for (int i = 0; i < TOK_SPECIALS; i++) {
    const char *name = tok_special_name((TokSpecial)i);
    t->special[i] = tok_find(t, name, strlen(name));
    if (t->special[i] < 0)
      return bigs_fail(e, BIGS_EFILE, "%s: no line \"%s\": not a WordPiece vocabulary?", path,
                       name);
  }
  return 0;
}

Tokenizer *tok_wordpiece_new(void) {
  WordPiece *t = calloc(1, sizeof *t);
  return t ? &t->tok : NULL;
}

int tok_wordpiece_read(Tokenizer *tok, const char *text, size_t n, const char *path, BigsError *e) {
  WordPiece *t = (WordPiece *)tok;
  size_t lines = 1, bom = bom_length(text, n);
  text += bom;
  n -= bom;
  for (const char *p = text; (p = memchr(p, '\n', n - (size_t)(p - text))); p++)
    lines++;
  t->text = malloc(n + 1);
  t->tok.token = malloc(sizeof *t->tok.token * lines);
  if (!t->text || !t->tok.token)
    return bigs_fail_memory(e, path);
  memcpy(t->text, text, n);
  int status = new_node(t, e);
  status = status ? status : new_node(t, e);
  status = status ? status : add_lines(t, n, path, e);
  return status ? status : find_specials(&t->tok, path, e);
}

void tok_wordpiece_free(Tokenizer *tok) {
  WordPiece *t = (WordPiece *)tok;
  free(t->text);
  free(t->tok.token);
  map_free(&t->edges);
  free(t->id);
  free(t);
}

int32_t tok_wordpiece_find(const Tokenizer *tok, const char *token, size_t n) {
  size_t len = 0;
  int32_t id = longest((const WordPiece *)tok, WHOLE, token, n, &len);
  return len == n ? id : -1;
}

// ---- encoding

static int encode_word(void *ctx, const char *word, size_t n, size_t chars) {
  TokEncoder *c = ctx;
  const WordPiece *t = (const WordPiece *)c->tok;
  size_t start = c->ids->n, len = 0;
  if (chars > TOK_MAX_CHARS)
    return tok_push(c->ids, t->tok.special[TOK_UNK], c->e);
  for (size_t i = 0; i < n; i += len) {
    int32_t id = longest(t, i ? INSIDE : WHOLE, word + i, n - i, &len);
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
  Encoder *c = calloc(1, sizeof *c);
  if (c && (c->words = words_new(t->lower, e)))
    return &c->enc;
  free(c);
  return NULL;
}

void tok_wordpiece_encoder_free(TokEncoder *c) {
  words_free(((Encoder *)c)->words);
  free(c);
}

int tok_wordpiece_encode(TokEncoder *c, const char *text, size_t n) {
  return words_split(((Encoder *)c)->words, text, n, encode_word, c, c->e);
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

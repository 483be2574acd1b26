// WordPiece: see tokenizer.h.
//
// The vocabulary is a trie over bytes with two roots: whole tokens, and what follows "##".  The
// longest match is the last token passed on one walk down, so a word costs one step a byte.
#include "runtime/text/tokenizer.h"
#include "base/map.h"
#include "runtime/files/file.h"
#include "runtime/text/words.h"
#include <stdlib.h>
#include <string.h>

enum { WHOLE = 0, INSIDE = 1, MAX_NODES = 1 << 24, MAX_VOCAB_FILE = 256 << 20 };

struct Tokenizer {
  bool lower;
  int size;
  char *text; // the file, each line NUL-terminated
  const char **token;
  int32_t special[TOK_SPECIALS];
  Map edges;   // of the trie: nodes by edge()
  int32_t *id; // of the token that ends at a node, or -1
  int nodes, node_cap;
};

struct TokEncoder {
  const Tokenizer *tok;
  Words *words;
  TokIds *ids;
  BigsError *e;
};

const char *tok_special_name(TokSpecial s) {
  static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  return names[s];
}

// ---- the trie

// Not 0, which no key may be.
static uint64_t edge(int32_t node, char byte) {
  return ((uint64_t)node << 8 | (unsigned char)byte) + 1;
}

static inline int32_t child(const Tokenizer *t, int32_t node, char byte) {
  const uint64_t *next = map_find(&t->edges, edge(node, byte), NULL, NULL);
  return next ? (int32_t)*next : -1;
}

static int new_node(Tokenizer *t, BigsError *e) {
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
static int insert(Tokenizer *t, int32_t root, const char *s, size_t n, int32_t *end, BigsError *e) {
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
static int32_t longest(const Tokenizer *t, int32_t root, const char *s, size_t n, size_t *len) {
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

static int add_token(Tokenizer *t, const char *s, size_t n, const char *path, BigsError *e) {
  int32_t end, line = t->size + 1;
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
  t->id[end] = t->size;
  if (n > 2 && s[0] == '#' && s[1] == '#') {
    status = insert(t, INSIDE, s + 2, n - 2, &end, e);
    if (status)
      return status;
    t->id[end] = t->size;
  }
  t->token[t->size++] = s;
  return 0;
}

static int add_lines(Tokenizer *t, size_t n, const char *path, BigsError *e) {
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

static int fill(Tokenizer *t, const char *text, size_t n, const char *path, BigsError *e) {
  size_t lines = 1, bom = bom_length(text, n);
  text += bom;
  n -= bom;
  for (const char *p = text; (p = memchr(p, '\n', n - (size_t)(p - text))); p++)
    lines++;
  t->text = malloc(n + 1);
  t->token = malloc(sizeof *t->token * lines);
  if (!t->text || !t->token)
    return bigs_fail_memory(e, path);
  memcpy(t->text, text, n);
  int status = new_node(t, e);
  status = status ? status : new_node(t, e);
  status = status ? status : add_lines(t, n, path, e);
  return status ? status : find_specials(t, path, e);
}

int tok_parse(const char *text, size_t n, const char *path, bool lower, Tokenizer **out,
              BigsError *e) {
  *out = NULL;
  Tokenizer *t = calloc(1, sizeof *t);
  if (!t)
    return bigs_fail_memory(e, path);
  t->lower = lower;
  int status = fill(t, text, n, path, e);
  if (status)
    tok_free(t);
  else
    *out = t;
  return status;
}

int tok_load(const char *path, bool lower, Tokenizer **out, BigsError *e) {
  size_t n;
  *out = NULL;
  char *text = file_read(path, MAX_VOCAB_FILE, &n, e);
  int status = text ? tok_parse(text, n, path, lower, out, e) : bigs_status(e, BIGS_EFILE);
  free(text);
  return status;
}

void tok_free(Tokenizer *t) {
  if (!t)
    return;
  free(t->text);
  free(t->token);
  map_free(&t->edges);
  free(t->id);
  free(t);
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
  size_t len = 0;
  int32_t id = longest(t, WHOLE, token, n, &len);
  return len == n ? id : -1;
}
const char *tok_text(const Tokenizer *t, int32_t id) {
  return id >= 0 && id < t->size ? t->token[id] : NULL;
}

// ---- encoding

int tok_push(TokIds *ids, int32_t id, BigsError *e) {
  if (ids->n == ids->cap) {
    size_t cap = ids->cap * 2 + 256;
    int32_t *v = realloc(ids->v, cap * sizeof *v);
    if (!v)
      return bigs_fail_memory(e, "tokens");
    ids->v = v;
    ids->cap = cap;
  }
  ids->v[ids->n++] = id;
  return 0;
}

static int encode_word(void *ctx, const char *word, size_t n, size_t chars) {
  TokEncoder *c = ctx;
  const Tokenizer *t = c->tok;
  size_t start = c->ids->n, len = 0;
  if (chars > TOK_MAX_CHARS)
    return tok_push(c->ids, t->special[TOK_UNK], c->e);
  for (size_t i = 0; i < n; i += len) {
    int32_t id = longest(t, i ? INSIDE : WHOLE, word + i, n - i, &len);
    if (id < 0) {
      c->ids->n = start;
      return tok_push(c->ids, t->special[TOK_UNK], c->e);
    }
    int status = tok_push(c->ids, id, c->e);
    if (status)
      return status;
  }
  return 0;
}

TokEncoder *tok_encoder_new(const Tokenizer *t, BigsError *e) {
  TokEncoder *c = calloc(1, sizeof *c);
  if (!c || !(c->words = words_new(t->lower, e))) {
    free(c);
    bigs_fail_memory(e, "the tokenizer");
    return NULL;
  }
  c->tok = t;
  return c;
}

void tok_encoder_free(TokEncoder *c) {
  if (!c)
    return;
  words_free(c->words);
  free(c);
}

// The first special token in s[0, n): its place, kind and length; NULL: none.
static const char *find_special(const char *s, size_t n, TokSpecial *kind, size_t *len) {
  for (const char *p = s, *end = s + n; (p = memchr(p, '[', (size_t)(end - p))); p++)
    for (int i = 0; i < TOK_SPECIALS; i++) {
      const char *name = tok_special_name((TokSpecial)i);
      *len = strlen(name);
      *kind = (TokSpecial)i;
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
  TokSpecial kind;
  int status = 0;
  for (const char *at = text; at && !status; text = at + len) {
    at = specials ? find_special(text, (size_t)(end - text), &kind, &len) : NULL;
    status = words_split(c->words, text, (size_t)((at ? at : end) - text), encode_word, c, e);
    if (!at)
      break;
    status = status ? status : tok_push(ids, c->tok->special[kind], e);
  }
  return status;
}

// ---- decoding

static bool is_inside(const char *token) {
  return token[0] == '#' && token[1] == '#' && token[2];
}

char *tok_decode(const Tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                 BigsError *e) {
  size_t size = 1;
  for (size_t i = 0; i < n; i++) {
    const char *s = tok_text(t, ids[i]);
    if (!s) {
      bigs_fail(e, BIGS_EMODEL, "token id %d is outside the vocabulary of %d", (int)ids[i],
                t->size);
      return NULL;
    }
    size += strlen(s) + 1;
  }
  char *out = malloc(size), *o = out;
  if (!out) {
    bigs_fail_memory(e, "text");
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    int32_t id = ids[i];
    if (skip_special &&
        (id == t->special[TOK_PAD] || id == t->special[TOK_CLS] || id == t->special[TOK_SEP]))
      continue;
    const char *s = t->token[id];
    bool join = is_inside(s) && o > out;
    if (o > out && !join)
      *o++ = ' ';
    s += join ? 2 : 0;
    size_t len = strlen(s);
    memcpy(o, s, len);
    o += len;
  }
  *o = 0;
  return out;
}

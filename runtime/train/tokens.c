// See tokens.h.
#include "runtime/train/tokens.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/train/token_cache.h"
#include <string.h>
#include <sys/mman.h>

void tokens_start(TokenStream *t, int size, int shift) {
  *t = (TokenStream){.narrow = size <= 1 << 16, .shift = shift ? shift : TOKENS_SHIFT};
}

void tokens_free(TokenStream *t) {
  for (int i = 0; i < t->chunks; i++) {
    TokenChunk *c = &t->chunk[i];
    if (c->map)
      munmap(c->map, c->mapped);
    free(c->map ? NULL : c->ids);
    free(c->map ? NULL : c->mark);
  }
  free(t->chunk);
  *t = (TokenStream){.narrow = t->narrow, .shift = t->shift};
}

// ---- writing

uint64_t token_chunk_hash(const TokenStream *t, const TokenChunk *c) {
  uint64_t ids = hash_words(0, c->ids, (size_t)c->tokens * token_width(t));
  return hash_words(ids, c->mark, c->marks);
}

static int seal(TokenStream *t, BigsError *e) {
  TokenChunk *c = &t->chunk[t->chunks - 1];
  c->hash = token_chunk_hash(t, c);
  return t->keep ? token_cache_keep(t->keep, t, t->chunks - 1, e) : 0;
}

static int add_chunk(TokenStream *t, BigsError *e) {
  int status = t->chunks ? seal(t, e) : 0;
  TokenChunk *grown = status ? NULL : REALLOC_N(TokenChunk, t->chunk, (size_t)t->chunks + 1);
  if (!grown)
    return status ? status : bigs_fail_memory(e, "the tokens of the text");
  t->chunk = grown;
  t->chunk[t->chunks++] = (TokenChunk){0};
  t->room = 0;
  t->mark_room = 0;
  return 0;
}

static int grow(TokenStream *t, TokenChunk *c, BigsError *e) {
  int64_t most = (int64_t)1 << t->shift, room = t->room * 2 + 4096;
  room = room < most ? room : most;
  void *ids = realloc(c->ids, (size_t)room * token_width(t));
  if (!ids)
    return bigs_fail_memory(e, "the tokens of the text");
  c->ids = ids;
  t->room = room;
  return 0;
}

int tokens_push(TokenStream *t, int32_t id, BigsError *e) {
  int status = t->n >> t->shift < t->chunks ? 0 : add_chunk(t, e);
  TokenChunk *c = status ? NULL : &t->chunk[t->chunks - 1];
  if (!status && c->tokens == t->room)
    status = grow(t, c, e);
  if (status)
    return status;
  if (t->narrow)
    ((uint16_t *)c->ids)[c->tokens++] = (uint16_t)id;
  else
    ((int32_t *)c->ids)[c->tokens++] = id;
  t->n++;
  return 0;
}

static int push_byte(TokenStream *t, unsigned char byte, BigsError *e) {
  TokenChunk *c = &t->chunk[t->chunks - 1];
  if (c->marks == t->mark_room) {
    size_t room = t->mark_room * 2 + 256;
    unsigned char *mark = realloc(c->mark, room);
    if (!mark)
      return bigs_fail_memory(e, "the lines of the text");
    c->mark = mark;
    t->mark_room = room;
  }
  c->mark[c->marks++] = byte;
  return 0;
}

// The tokens of the line were pushed: there is a chunk, and it is not yet whole, even where it is full.
int tokens_mark(TokenStream *t, int64_t n, BigsError *e) {
  int status = 0;
  for (; n >= 128 && !status; n >>= 7)
    status = push_byte(t, (unsigned char)(128 | (n & 127)), e);
  return status ? status : push_byte(t, (unsigned char)n, e);
}

int tokens_end(TokenStream *t, BigsError *e) {
  return t->chunks ? seal(t, e) : 0;
}

// ---- reading

uint64_t tokens_hash(const TokenStream *t) {
  uint64_t h = hash_mix((uint64_t)t->n, t->narrow);
  for (int i = 0; i < t->chunks; i++)
    h = hash_mix(h, t->chunk[i].hash);
  return h;
}

int64_t tokens_line(TokenLines *l) {
  const TokenStream *t = l->tokens;
  while (l->chunk < t->chunks && l->at == t->chunk[l->chunk].marks) {
    l->chunk++;
    l->at = 0;
  }
  if (l->chunk == t->chunks)
    return -1;
  const unsigned char *mark = t->chunk[l->chunk].mark;
  int64_t n = 0;
  for (int bits = 0;; bits += 7) {
    unsigned char byte = mark[l->at++];
    n |= (int64_t)(byte & 127) << bits;
    if (byte < 128)
      return n;
  }
}

// The tokens of a text, in order, and where its lines and documents end; in memory, or in files that are mapped (token_cache.h).
#ifndef BIGSC_RUNTIME_TOKENS_H
#define BIGSC_RUNTIME_TOKENS_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKENS_SHIFT = 24 }; // 16 Mi tokens in a chunk

typedef struct TokenChunk {
  void *ids; // uint16_t or int32_t
  // Of each line that ends here its tokens, of each document 0: in groups of 7 bits, the lowest first, with bit 7 where more follow.
  unsigned char *mark;
  int64_t tokens;
  size_t marks;  // bytes
  uint64_t hash; // of all this, once the next chunk has begun or the text has ended
  void *map;     // the file that ids and mark lie in, of so many bytes; NULL: they are malloc'd
  size_t mapped;
} TokenChunk;

struct TokenCache;
typedef struct TokenStream {
  bool narrow; // ids are below 2^16
  int shift;   // a chunk has 2^shift tokens, the last one perhaps fewer
  int64_t n;
  TokenChunk *chunk;
  int chunks;
  int64_t room;            // of the last chunk: tokens
  size_t mark_room;        // bytes
  struct TokenCache *keep; // where chunks go when they are whole; NULL: they stay in memory
} TokenStream;

// *t becomes empty; size: of the vocabulary; shift 0: TOKENS_SHIFT.
void tokens_start(TokenStream *t, int size, int shift);
void tokens_free(TokenStream *t);
// Only memory can fail.
int tokens_push(TokenStream *t, int32_t id, BigsError *e);
// The last n tokens, at least one, are a line; n 0: a document has ended.
int tokens_mark(TokenStream *t, int64_t n, BigsError *e);
// No more is pushed.
int tokens_end(TokenStream *t, BigsError *e);
// Of ids, marks and their number, the same in memory and in files.
uint64_t tokens_hash(const TokenStream *t);
uint64_t token_chunk_hash(const TokenStream *t, const TokenChunk *c);
static inline size_t token_width(const TokenStream *t) {
  return t->narrow ? sizeof(uint16_t) : sizeof(int32_t);
}
static inline int32_t tokens_at(const TokenStream *t, int64_t i) {
  const void *ids = t->chunk[i >> t->shift].ids;
  int64_t at = i & (((int64_t)1 << t->shift) - 1);
  return t->narrow ? ((const uint16_t *)ids)[at] : ((const int32_t *)ids)[at];
}

// Walks over the lines from the first one.
typedef struct TokenLines {
  const TokenStream *tokens;
  int chunk;
  size_t at;
} TokenLines;
// Tokens of the next line; 0: a document ends, behind which a separator stands; -1: that was all.
int64_t tokens_line(TokenLines *l);
#endif

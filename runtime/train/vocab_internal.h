// Between the parts of the vocabulary learner: counting words, and making pieces of them.
#ifndef BIGSC_RUNTIME_VOCAB_INTERNAL_H
#define BIGSC_RUNTIME_VOCAB_INTERNAL_H
#include "base/map.h"
#include "runtime/train/vocab.h"

// Different strings with counts, in order of first appearance; text of string i is
// pool + start[i], len[i] bytes.
typedef struct Strings {
  char *pool;
  size_t used, room;
  size_t *start;
  uint32_t *len;
  int64_t *count;
  int n, cap;
  Map at; // indices by hash
} Strings;
// Index of s, added with count 0 when new; -1 when out of memory.
int32_t strings_add(Strings *t, const char *s, size_t n);
int32_t strings_find(const Strings *t, const char *s, size_t n); // its index, or -1
void strings_free(Strings *t);

// Fills `pieces` with at most o->size special tokens, characters and merged pieces.
int vocab_pieces(const Strings *words, const VocabOptions *o, Strings *pieces, BigsError *e);
#endif

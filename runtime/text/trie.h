// Strings by their bytes: a trie over one hash table, of any number of roots, which are nodes made first.  The longest string that
// starts a text costs one step a byte.
#ifndef BIGSC_RUNTIME_TRIE_H
#define BIGSC_RUNTIME_TRIE_H
#include "base/error.h"
#include "base/map.h"
#include <stddef.h>
#include <stdint.h>

typedef struct Trie {
  Map edges;   // nodes by trie_edge()
  int32_t *id; // of the string that ends at a node, or -1
  int nodes, cap;
} Trie;

void trie_free(Trie *t);
int trie_root(Trie *t, BigsError *e); // makes node t->nodes
// *end: the node where the bytes lead, made if need be.  Its id is the caller's to set.
int trie_insert(Trie *t, int32_t root, const char *s, size_t n, int32_t *end, BigsError *e);

// Not 0, which no key may be.
static inline uint64_t trie_edge(int32_t node, char byte) {
  return ((uint64_t)node << 8 | (unsigned char)byte) + 1;
}
static inline int32_t trie_child(const Trie *t, int32_t node, char byte) {
  const uint64_t *next = map_find(&t->edges, trie_edge(node, byte), NULL, NULL);
  return next ? (int32_t)*next : -1;
}
// The id of the longest string from `root` that starts s[0, n), its length in *len; -1: none.
int32_t trie_longest(const Trie *t, int32_t root, const char *s, size_t n, size_t *len);
// The id of exactly s[0, n), or -1.
int32_t trie_find(const Trie *t, int32_t root, const char *s, size_t n);
#endif

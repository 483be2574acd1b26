// See trie.h.
#include "runtime/text/trie.h"
#include "base/alloc.h"

enum { TRIE_MAX_NODES = 1 << 24 };

void trie_free(Trie *t) {
  map_free(&t->edges);
  free(t->id);
}

int trie_root(Trie *t, BigsError *e) {
  if (t->nodes == TRIE_MAX_NODES - 1)
    return bigs_fail(e, BIGS_EFILE, "the vocabulary is too large");
  if (t->nodes == t->cap) {
    int cap = t->cap * 2 + 1024;
    int32_t *id = REALLOC_N(int32_t, t->id, cap);
    if (!id)
      return bigs_fail_memory(e, "the vocabulary");
    t->id = id;
    t->cap = cap;
  }
  t->id[t->nodes++] = -1;
  return 0;
}

int trie_insert(Trie *t, int32_t root, const char *s, size_t n, int32_t *end, BigsError *e) {
  int status = 0;
  *end = root;
  for (size_t i = 0; !status && i < n; i++) {
    int32_t next = trie_child(t, *end, s[i]);
    if (next < 0) {
      status = trie_root(t, e);
      next = t->nodes - 1;
      if (!status && !map_add(&t->edges, trie_edge(*end, s[i]), (uint64_t)next))
        status = bigs_fail_memory(e, "the vocabulary");
    }
    *end = next;
  }
  return status;
}

int32_t trie_longest(const Trie *t, int32_t root, const char *s, size_t n, size_t *len) {
  int32_t best = -1, node = root;
  for (size_t i = 0; i < n; i++) {
    node = trie_child(t, node, s[i]);
    if (node < 0)
      break;
    if (t->id[node] >= 0) {
      best = t->id[node];
      *len = i + 1;
    }
  }
  return best;
}

int32_t trie_find(const Trie *t, int32_t root, const char *s, size_t n) {
  int32_t node = root;
  for (size_t i = 0; i < n && node >= 0; i++)
    node = trie_child(t, node, s[i]);
  return node < 0 ? -1 : t->id[node];
}

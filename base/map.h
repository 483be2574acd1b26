// The one hash table: values by 64-bit keys.  Open addressing, at most half full; nothing is taken
// out but everything.  A key is either the thing itself (a pointer, a packed pair) or a hash, and
// then the caller says which value of that hash is meant.
#ifndef BIGSC_MAP_H
#define BIGSC_MAP_H
#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct MapSlot {
  uint64_t key; // 0: free
  uint64_t value;
} MapSlot;
// An empty one is zero, but for `arena`: where its memory lives; NULL: from malloc, until map_free.
typedef struct Map {
  Arena *arena;
  MapSlot *slot; // 2^bits; NULL before the first value
  int64_t n;
  int bits;
} Map;
// Is `value`, whose hash is the wanted one, the value that `wanted` describes?
typedef bool MapSame(const void *wanted, uint64_t value);

// The value's place, good until the next map_add; NULL when absent.  `same` NULL: the key is the
// thing itself and not 0.
uint64_t *map_find(const Map *m, uint64_t key, MapSame *same, const void *wanted);
// Adds a value that is not there yet.  false: out of memory (never with an arena), and nothing changed.
bool map_add(Map *m, uint64_t key, uint64_t value);
void map_clear(Map *m); // keeps its memory
void map_free(Map *m);  // only one without an arena

// A pointer as the value: NULL when `value` is.
static inline void *map_pointer(const uint64_t *value) {
  return value ? (void *)(uintptr_t)*value : NULL;
}

// A pointer, not NULL, as the key.
static inline uint64_t *map_at(const Map *m, const void *key) {
  return map_find(m, (uintptr_t)key, NULL, NULL);
}
bool map_get(const Map *m, const void *key, uint64_t *value); // false: absent, `value` untouched
bool map_put(Map *m, const void *key, uint64_t value);        // adds or replaces
#endif

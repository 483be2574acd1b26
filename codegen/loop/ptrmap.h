// Map from pointers to 64-bit values, in an arena: expressions share nodes, so every walk over them
// remembers what it saw.
#ifndef BIGSC_PTRMAP_H
#define BIGSC_PTRMAP_H
#include "base/base.h"

typedef struct PtrMap {
  Arena *arena;
  const void **key;
  uint64_t *value;
  int n, cap;
} PtrMap;
void ptrmap_put(PtrMap *m, const void *key, uint64_t value);
bool ptrmap_get(const PtrMap *m, const void *key, uint64_t *value);
void ptrmap_clear(PtrMap *m); // keeps its memory
#endif

// Open addressing with linear probing, at most half full.
#include "codegen/loop/ptrmap.h"
#include <string.h>

static int slot(const PtrMap *m, const void *key) {
  uint64_t h = ((uint64_t)(uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u;
  int i = (int)(h >> 33 & (uint64_t)(m->cap - 1));
  while (m->key[i] && m->key[i] != key)
    i = (i + 1) & (m->cap - 1);
  return i;
}

static void grow(PtrMap *m) {
  PtrMap old = *m;
  m->cap = old.cap ? 2 * old.cap : 64;
  m->key = NEWN(m->arena, const void *, m->cap);
  m->value = NEWN(m->arena, uint64_t, m->cap);
  for (int i = 0; i < old.cap; i++)
    if (old.key[i]) {
      int s = slot(m, old.key[i]);
      m->key[s] = old.key[i];
      m->value[s] = old.value[i];
    }
}

void ptrmap_put(PtrMap *m, const void *key, uint64_t value) {
  if (2 * (m->n + 1) > m->cap)
    grow(m);
  int s = slot(m, key);
  m->n += !m->key[s];
  m->key[s] = key;
  m->value[s] = value;
}

bool ptrmap_get(const PtrMap *m, const void *key, uint64_t *value) {
  if (!m->n)
    return false;
  int s = slot(m, key);
  *value = m->value[s];
  return m->key[s] != NULL;
}

void ptrmap_clear(PtrMap *m) {
  if (m->n)
    memset(m->key, 0, (size_t)m->cap * sizeof *m->key);
  m->n = 0;
}

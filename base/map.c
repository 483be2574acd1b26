// See map.h.  Keys are spread by Fibonacci hashing: the high bits of key * 2^64 / golden ratio
// (Knuth, The Art of Computer Programming 3, 6.4).
#include "base/map.h"
#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 4 };

static size_t home(const Map *m, uint64_t key) {
  return (size_t)(key * 0x9e3779b97f4a7c15u >> (64 - m->bits));
}

static size_t after(const Map *m, size_t i) {
  return (i + 1) & (((size_t)1 << m->bits) - 1);
}

static void place(Map *m, MapSlot s) {
  size_t i = home(m, s.key);
  while (m->slot[i].key)
    i = after(m, i);
  m->slot[i] = s;
}

static bool grow(Map *m) {
  Map old = *m;
  int bits = old.slot ? old.bits + 1 : FIRST_BITS;
  size_t n = (size_t)1 << bits;
  MapSlot *slot = m->arena ? NEWN(m->arena, MapSlot, n) : ALLOC_N(MapSlot, n);
  if (!slot)
    return false;
  m->slot = slot;
  m->bits = bits;
  for (size_t i = 0; old.slot && i < n / 2; i++)
    if (old.slot[i].key)
      place(m, old.slot[i]);
  if (!m->arena)
    free(old.slot);
  return true;
}

// A hash may be 0, which marks a free slot.
static uint64_t stored(uint64_t key) {
  return key ? key : 1;
}

uint64_t *map_find(const Map *m, uint64_t key, MapSame *same, const void *wanted) {
  if (!m->n)
    return NULL;
  key = stored(key);
  for (size_t i = home(m, key); m->slot[i].key; i = after(m, i))
    if (m->slot[i].key == key && (!same || same(wanted, m->slot[i].value)))
      return &m->slot[i].value;
  return NULL;
}

bool map_add(Map *m, uint64_t key, uint64_t value) {
  if ((!m->slot || 2 * (m->n + 1) > (int64_t)1 << m->bits) && !grow(m))
    return false;
  place(m, (MapSlot){stored(key), value});
  m->n++;
  return true;
}

void map_clear(Map *m) {
  if (m->n)
    memset(m->slot, 0, sizeof *m->slot << m->bits);
  m->n = 0;
}

void map_free(Map *m) {
  free(m->slot);
  *m = (Map){0};
}

bool map_get(const Map *m, const void *key, uint64_t *value) {
  const uint64_t *v = map_at(m, key);
  if (v)
    *value = *v;
  return v != NULL;
}

bool map_put(Map *m, const void *key, uint64_t value) {
  uint64_t *v = map_at(m, key);
  if (v)
    *v = value;
  return v || map_add(m, (uintptr_t)key, value);
}

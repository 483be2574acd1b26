// See intern.h.
#include "base/intern.h"
#include "base/hash.h"
#include "base/map.h"
#include <string.h>

struct Intern {
  Arena *arena;
  Map map; // hash of the text -> the text
};

typedef struct TextPiece {
  const char *s;
  size_t n;
} TextPiece;

Intern *intern_new(Arena *a) {
  Intern *t = NEW(a, Intern);
  *t = (Intern){a, {.arena = a}};
  return t;
}

static bool same_text(const void *text, uint64_t value) {
  const TextPiece *x = (const TextPiece *)text;
  const char *s = (const char *)map_pointer(&value);
  return !strncmp(s, x->s, x->n) && !s[x->n];
}

const char *intern_n(Intern *t, const char *s, size_t n) {
  uint64_t h = hash_bytes(0, s, n);
  TextPiece wanted = {s, n};
  const char *known = (const char *)map_pointer(map_find(&t->map, h, same_text, &wanted));
  if (known)
    return known;
  char *copy = arena_strndup(t->arena, s, n);
  map_add(&t->map, h, (uintptr_t)copy);
  return copy;
}

const char *intern(Intern *t, const char *s) {
  return intern_n(t, s, strlen(s));
}

// See vec.h.
#include "base/vec.h"

void vec_grow(Arena *a, void **v, int *cap, int need, size_t elem) {
  int n = *cap ? *cap * 2 : 8;
  if (n < need)
    n = need;
  *v = arena_grow(a, *v, (size_t)*cap * elem, (size_t)n * elem);
  *cap = n;
}

// Growable arrays in an arena.
#ifndef BIGSC_VEC_H
#define BIGSC_VEC_H
#include "base/arena.h"

// VEC(int) xs = {0}; vec_push(arena, &xs, 3); xs.v[i], xs.n.
#define VEC(T)                                                                                     \
  struct {                                                                                         \
    T *v;                                                                                          \
    int n, cap;                                                                                    \
  }
void vec_grow(Arena *a, void **v, int *cap, int need, size_t elem);
#define vec_push(arena, x, ...)                                                                    \
  do {                                                                                             \
    if ((x)->n == (x)->cap)                                                                        \
      vec_grow((arena), (void **)&(x)->v, &(x)->cap, (x)->n + 1, sizeof *(x)->v);                  \
    (x)->v[(x)->n++] = (__VA_ARGS__);                                                              \
  } while (0)

#endif

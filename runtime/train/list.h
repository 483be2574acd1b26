// Lists that grow, in memory of malloc: LIST(int) xs = {0}; LIST_ADD(&xs, 3, e); free(xs.v).
#ifndef BIGSC_RUNTIME_LIST_H
#define BIGSC_RUNTIME_LIST_H
#include "base/error.h"
#include <stdint.h>
#include <stdlib.h>

#define LIST(T)                                                                                    \
  struct {                                                                                         \
    T *v;                                                                                          \
    int64_t n, cap;                                                                                \
  }
// Room for n elements of `size` bytes.
static inline int list_room(void **v, int64_t *cap, int64_t n, size_t size, BigsError *e) {
  if (n <= *cap)
    return 0;
  int64_t more = n + n / 2 + 64;
  void *grown = realloc(*v, size * (size_t)more);
  if (!grown)
    return bigs_fail_memory(e, "the rows of the data");
  *v = grown;
  *cap = more;
  return 0;
}
#define LIST_ROOM(l, count, e)                                                                     \
  list_room((void **)&(l)->v, &(l)->cap, (l)->n + (count), sizeof *(l)->v, e)
// 0, or the status of an error.
#define LIST_ADD(l, x, e) (LIST_ROOM(l, 1, e) ? BIGS_EMODEL : ((l)->v[(l)->n++] = (x), 0))
#endif

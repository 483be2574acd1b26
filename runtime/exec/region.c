// Memory of a handle: see exec.h.
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LARGE = 4 << 20 };

static int refuse(bigs_model *m, size_t bytes, const char *what) {
  return bigs_fail(&m->error, BIGS_EMODEL, "out of memory for %s (%.1f MiB)", what,
                   (double)bytes / (1 << 20));
}

// Anonymous pages are zero and cost nothing until they are touched.  They are accounted for, so
// that a size beyond all of the memory is refused here, and does not end the process when it is
// touched.
static char *map_large(Region *r, size_t bytes) {
  size_t length = bytes + HUGE_PAGE;
  char *p = (char *)mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return NULL;
  size_t head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
  size_t body = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  if (body > length - head)
    body = length - head;
  if (head)
    munmap(p, head);
  if (length - head - body)
    munmap(p + head + body, length - head - body);
  r->mapped = body;
  madvise(p + head, body, MADV_HUGEPAGE);
  return p + head;
}

int region_set(bigs_model *m, Region *r, size_t bytes, const char *what) {
  region_free(m, r);
  if (bytes == 0)
    return 0;
  if (bytes > SIZE_MAX / 4 || (m->may_allocate && !m->may_allocate(m->ctx, bytes)))
    return refuse(m, bytes, what);
  if (bytes >= LARGE) {
    r->p = map_large(r, bytes);
  } else {
    size_t rounded = (bytes + 63) / 64 * 64;
    r->p = (char *)aligned_alloc(64, rounded);
    if (r->p)
      memset(r->p, 0, rounded);
  }
  if (!r->p)
    return refuse(m, bytes, what);
  r->bytes = bytes;
  m->allocated += (int64_t)bytes;
  return 0;
}

void region_free(bigs_model *m, Region *r) {
  if (r->mapped)
    munmap(r->p, r->mapped);
  else
    free(r->p);
  m->allocated -= (int64_t)r->bytes;
  *r = (Region){0};
}

void *model_alloc(bigs_model *m, size_t count, size_t size, const char *what) {
  void *p = NULL;
  if (!m->may_allocate || m->may_allocate(m->ctx, count * size))
    p = calloc(count ? count : 1, size);
  if (!p)
    refuse(m, count * size, what);
  return p;
}

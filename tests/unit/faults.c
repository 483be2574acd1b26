// See faults.h.
#include "tests/unit/faults.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// What is wrapped: X(kind, blocks of malloc that a success is, result, name, parameters, arguments,
// what failure returns).
#define WRAPPED(X)                                                                                 \
  X(FAULT_MEMORY, 1, void *, malloc, (size_t n), (n), NULL)                                        \
  X(FAULT_MEMORY, 1, void *, calloc, (size_t n, size_t size), (n, size), NULL)                     \
  X(FAULT_MEMORY, !old, void *, realloc, (void *old, size_t n), (old, n), NULL)                    \
  X(FAULT_MEMORY, 1, void *, aligned_alloc, (size_t align, size_t n), (align, n), NULL)            \
  X(FAULT_MEMORY, 1, char *, strdup, (const char *s), (s), NULL)                                   \
  X(FAULT_MEMORY, 1, char *, strndup, (const char *s, size_t n), (s, n), NULL)                     \
  X(FAULT_STREAM, 0, FILE *, open_memstream, (char **text, size_t *size), (text, size), NULL)      \
  X(FAULT_MEMORY, 0, void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),     \
    (p, n, prot, flags, fd, at), MAP_FAILED)                                                       \
  X(FAULT_FILE, 0, ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n), -1)        \
  X(FAULT_FILE | FAULT_SYNC, 0, int, fsync, (int fd), (fd), -1)                                    \
  X(FAULT_FILE, 0, int, rename, (const char *from, const char *to), (from, to), -1)                \
  X(FAULT_FILE, 0, int, linkat, (int d, const char *from, int e, const char *to, int flags),       \
    (d, from, e, to, flags), -1)                                                                   \
  X(FAULT_FILE, 0, int, fchmod, (int fd, mode_t mode), (fd, mode), -1)                             \
  X(FAULT_FILE, 0, int, ftruncate, (int fd, off_t size), (fd, size), -1)                           \
  X(FAULT_FILE, 0, int, mkdir, (const char *path, mode_t mode), (path, mode), -1)

static atomic_long count, blocks;
static struct {
  bool on;
  FaultKind kind;
  long at;
  FaultHow how;
  int error;
} armed;

void fault_arm(FaultKind kind, long n, FaultHow how, int error) {
  armed.kind = kind;
  armed.at = n;
  armed.how = how;
  armed.error = error;
  atomic_store(&count, 0);
  armed.on = true;
}

long fault_disarm(void) {
  armed.on = false;
  return atomic_load(&count);
}

long fault_blocks(void) {
  return atomic_load(&blocks);
}

static bool fails(int kinds) {
  if (!armed.on || !(armed.kind & kinds))
    return false;
  long n = atomic_fetch_add(&count, 1) + 1;
  if (n == armed.at && armed.how == FAULT_KILL)
    raise(SIGKILL);
  errno = armed.error;
  return (armed.how == FAULT_ONCE && n == armed.at) ||
         (armed.how == FAULT_EVER_AFTER && armed.at && n >= armed.at);
}

static void ends(int kinds) {
  if (armed.on && armed.kind & kinds && armed.how == FAULT_KILL_BEHIND &&
      atomic_load(&count) == armed.at)
    raise(SIGKILL);
}

#define WRAP(kind, block, result, name, parameters, arguments, failure)                            \
  result __real_##name parameters;                                                                 \
  result __wrap_##name parameters;                                                                 \
  result __wrap_##name parameters {                                                                \
    if (fails(kind))                                                                               \
      return failure;                                                                              \
    int fresh = block;                                                                             \
    result done = __real_##name arguments;                                                         \
    if (fresh && done != failure)                                                                  \
      atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);                                 \
    ends(kind);                                                                                    \
    return done;                                                                                   \
  }
WRAPPED(WRAP)

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p) {
  if (p)
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
  __real_free(p);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (writes && fails(FAULT_FILE))
    return -1;
  int fd = __real_open(path, flags, mode);
  if (writes)
    ends(FAULT_FILE);
  return fd;
}

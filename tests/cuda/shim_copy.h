// Copies from global to shared memory that take place when they are waited for (cp.async).
#ifndef SHIM_COPY_H
#define SHIM_COPY_H
#include "shim_cuda.h"

namespace shim {
namespace {
// A growing array that is kept from launch to launch.
template <class T> struct List {
  T *at;
  int n, room;
  void push(const T &x) {
    if (n == room)
      at = (T *)realloc((void *)at, sizeof(T) * size_t(room = room ? 2 * room : 16));
    at[n++] = x;
  }
  void drop_first(int count) {
    n -= count;
    memmove((void *)at, (void *)(at + count), sizeof(T) * size_t(n));
  }
  ~List() {
    free((void *)at);
  }
};

struct Copy {
  void *to;
  const void *from;
  int bytes, group;
};
struct Copies {
  List<Copy> list;
  int group; // that the next copy belongs to
};
Copies copies[MAX_THREADS];

// The offset in shared memory of `bytes` bytes at p, a multiple of `align`.
inline size_t shared_offset(const Place &place, const void *p, size_t bytes, size_t align) {
  size_t offset = size_t((const unsigned char *)p - shim_shared);
  if (offset >= SHARED_ROOM)
    fail(&place, "%p is no address of shared memory", p);
  if (offset + bytes > run.shared_bytes)
    fail(&place, "bytes %zu to %zu of shared memory, which has %zu", offset, offset + bytes - 1,
         run.shared_bytes);
  if (offset % align)
    fail(&place, "byte %zu of shared memory is no multiple of %zu", offset, align);
  return offset;
}

inline void copy_16(const Place &place, void *to, const void *from, int bytes) {
  shared_offset(place, to, 16, 16);
  if (uintptr_t(from) % 16)
    fail(&place, "the source %p is no multiple of 16", from);
  if (bytes < 0 || bytes > 16)
    fail(&place, "%d bytes; there are 0 to 16", bytes);
  memset(to, 0xff, 16);
  Copies &c = copies[run.current];
  c.list.push({to, from, bytes, c.group});
  self().last = place;
}

inline void copy_commit() {
  copies[run.current].group++;
}

inline void deliver(const Copy &c) {
  memcpy(c.to, c.from, size_t(c.bytes));
  memset((char *)c.to + c.bytes, 0, size_t(16 - c.bytes));
}

inline void copy_wait(int groups) {
  Copies &c = copies[run.current];
  int n = 0;
  for (; n < c.list.n && c.list.at[n].group < c.group - groups; n++)
    deliver(c.list.at[n]);
  c.list.drop_first(n);
}

inline void check_copies() {
  int n = copies[run.current].list.n;
  if (n)
    fail(nullptr, "the thread ends with %d copies that it has not waited for", n);
}

inline void forget_copies() {
  for (int i = 0; i < run.threads; i++)
    copies[i].list.n = copies[i].group = 0;
}
} // namespace
} // namespace shim
#endif

// Chunks, each filled from its start: see arena.h.
#include "base/arena.h"
#include "base/alloc.h"
#include "base/asan.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct Chunk {
  struct Chunk *next;
  size_t size, used;
} Chunk;
struct Arena {
  Chunk *head;
  jmp_buf *oom;
};
// From PAGES_MIN on a chunk is fresh pages of the system.  Of a large block those that nobody touches cost nothing: what is as
// long as a large graph, by its nodes, is often asked about a few of them.  A chunk that is to be filled has all at once.  Leaks
// behind such pages are no sanitizer's to see.
// AddressSanitizer sees each block at the size that was asked for, with a gap behind it, and none of
// a chunk's unused room.
#ifdef BIGSC_ASAN
enum { RED_ZONE = 16 };
static const size_t PAGES_MIN = SIZE_MAX;
#else
enum { RED_ZONE = 0 };
static const size_t PAGES_MIN = (size_t)1 << 17;
#endif
enum {
  CHUNK_HEADER = (sizeof(Chunk) + 15) / 16 * 16,
  CHUNK_MIN = 1 << 11,
  CHUNK_MAX = 1 << 20,
  OWN_CHUNK = 1 << 15
};

static bool is_pages(size_t bytes) {
  return bytes >= PAGES_MIN;
}

// Zeroed; NULL when memory is out.
static Chunk *chunk_memory(size_t bytes, bool filled) {
  if (!is_pages(bytes))
    return (Chunk *)calloc(1, bytes);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | (filled ? MAP_POPULATE : 0);
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return p == MAP_FAILED ? NULL : (Chunk *)p;
}

static void chunk_free(Chunk *c) {
  size_t bytes = CHUNK_HEADER + c->size;
  if (is_pages(bytes))
    munmap(c, bytes);
  else
    free(c);
}

Arena *arena_try_new(void) {
  return ALLOC(Arena);
}

Arena *arena_new(void) {
  Arena *a = arena_try_new();
  if (!a)
    out_of_memory();
  return a;
}

void arena_free(Arena *a) {
  if (!a)
    return;
  for (Chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    ASAN_UNPOISON_MEMORY_REGION((char *)c + CHUNK_HEADER, c->size);
    chunk_free(c);
  }
  free(a);
}

void arena_join(Arena *to, Arena *from) {
  Chunk **end = &from->head;
  while (*end)
    end = &(*end)->next;
  Chunk **at = to->head ? &to->head->next : &to->head;
  *end = *at;
  *at = from->head;
  free(from);
}

void arena_on_oom(Arena *a, jmp_buf *oom) {
  a->oom = oom;
}

void arena_exhausted(const Arena *a) {
  if (a->oom)
    longjmp(*a->oom, 1);
  out_of_memory();
}

static Chunk *new_chunk(Arena *a, size_t room, size_t size) {
  Chunk *c = chunk_memory(CHUNK_HEADER + size, size > room);
  if (!c)
    arena_exhausted(a);
  c->size = size;
  ASAN_POISON_MEMORY_REGION((char *)c + CHUNK_HEADER, size);
  // A large block goes behind the head, so the head's free room is not lost.
  Chunk **at = size == room && a->head ? &a->head->next : &a->head;
  c->next = *at;
  return *at = c;
}

// Twice the last one, as many arenas live shortly and hold little; what is large has a chunk of its own.
static size_t chunk_size(const Arena *a, size_t room) {
  size_t size = a->head ? 2 * a->head->size : CHUNK_MIN;
  if (room > OWN_CHUNK)
    return room;
  while (size / 4 < room)
    size *= 2;
  return size < CHUNK_MAX ? size : CHUNK_MAX;
}

void *arena_alloc(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX / 2)
    arena_exhausted(a);
  size_t room = (bytes + RED_ZONE + 15) / 16 * 16;
  Chunk *c = a->head;
  if (!c || c->size - c->used < room)
    c = new_chunk(a, room, chunk_size(a, room));
  void *p = (char *)c + CHUNK_HEADER + c->used;
  c->used += room;
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
  return p;
}

void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes) {
  void *p = arena_alloc(a, new_bytes);
  if (old_bytes)
    memcpy(p, old, old_bytes < new_bytes ? old_bytes : new_bytes);
  return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  char *p = NEWN(a, char, n + 1);
  if (n)
    memcpy(p, s, n);
  return p;
}

char *arena_strdup(Arena *a, const char *s) {
  return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(Arena *a, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  CHECK(n >= 0);
  char *p = NEWN(a, char, n + 1);
  vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(again);
  return p;
}

char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *p = arena_vprintf(a, fmt, ap);
  va_end(ap);
  return p;
}

// Arenas, arrays, hashing and dtypes: see base.h.
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bug_at(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "bigsc: internal error at %s:%d: ", file, line);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\nThis is a bug in bigsc; please report it with the file that shows it.\n");
  exit(70);
}

typedef struct Chunk {
  struct Chunk *next;
  size_t size, used;
} Chunk;
struct Arena {
  Chunk *head;
  jmp_buf *oom;
};
enum { CHUNK_HEADER = (sizeof(Chunk) + 15) / 16 * 16, CHUNK_MIN = 1 << 16 };

Arena *arena_new(void) {
  return calloc(1, sizeof(Arena));
}

void arena_free(Arena *a) {
  if (!a)
    return;
  for (Chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(a);
}

void arena_on_oom(Arena *a, jmp_buf *oom) {
  a->oom = oom;
}

static NORETURN void out_of_memory(Arena *a, size_t bytes) {
  if (a->oom)
    longjmp(*a->oom, 1);
  fprintf(stderr, "bigsc: out of memory (%zu bytes more)\n", bytes);
  exit(1); // what was asked for is too large for this machine
}

void *arena_alloc(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX / 2)
    out_of_memory(a, bytes);
  bytes = (bytes + 15) / 16 * 16;
  Chunk *c = a->head;
  if (!c || c->size - c->used < bytes) {
    size_t size = bytes > CHUNK_MIN / 4 ? bytes : CHUNK_MIN;
    c = calloc(1, CHUNK_HEADER + size);
    if (!c)
      out_of_memory(a, bytes);
    c->size = size;
    // A large block goes behind the head, so the head's free room is not lost.
    if (size == bytes && a->head) {
      c->next = a->head->next;
      a->head->next = c;
    } else {
      c->next = a->head;
      a->head = c;
    }
  }
  void *p = (char *)c + CHUNK_HEADER + c->used;
  c->used += bytes;
  return p;
}

void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes) {
  void *p = arena_alloc(a, new_bytes);
  if (old_bytes)
    memcpy(p, old, old_bytes < new_bytes ? old_bytes : new_bytes);
  return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  char *p = arena_alloc(a, n + 1);
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
  char *p = arena_alloc(a, (size_t)n + 1);
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

void vec_grow(Arena *a, void **v, int *cap, int need, size_t elem) {
  int n = *cap ? *cap * 2 : 8;
  if (n < need)
    n = need;
  *v = arena_grow(a, *v, (size_t)*cap * elem, (size_t)n * elem);
  *cap = n;
}

struct Intern {
  Arena *arena;
  const char **slot;
  size_t cap, n;
};

Intern *intern_new(Arena *a) {
  Intern *t = NEW(a, Intern);
  t->arena = a;
  t->cap = 256;
  t->slot = NEWN(a, const char *, t->cap);
  return t;
}

static size_t intern_find(const char **slot, size_t cap, const char *s, size_t n) {
  size_t i = hash_bytes(0, s, n) & (cap - 1);
  while (slot[i] && (strncmp(slot[i], s, n) || slot[i][n]))
    i = (i + 1) & (cap - 1);
  return i;
}

const char *intern_n(Intern *t, const char *s, size_t n) {
  size_t i = intern_find(t->slot, t->cap, s, n);
  if (t->slot[i])
    return t->slot[i];
  if (2 * ++t->n > t->cap) {
    const char **bigger = NEWN(t->arena, const char *, t->cap * 2);
    for (size_t k = 0; k < t->cap; k++)
      if (t->slot[k])
        bigger[intern_find(bigger, t->cap * 2, t->slot[k], strlen(t->slot[k]))] = t->slot[k];
    t->slot = bigger;
    t->cap *= 2;
    i = intern_find(t->slot, t->cap, s, n);
  }
  return t->slot[i] = arena_strndup(t->arena, s, n);
}

const char *intern(Intern *t, const char *s) {
  return intern_n(t, s, strlen(s));
}

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n) {
  const unsigned char *s = p;
  uint64_t h = 0xcbf29ce484222325u ^ seed;
  for (size_t i = 0; i < n; i++)
    h = (h ^ s[i]) * 0x100000001b3u;
  return hash_mix(h, n);
}

uint64_t hash_str(const char *s) {
  return hash_bytes(0, s, strlen(s));
}

int edit_distance(const char *a, const char *b, int limit) {
  int na = (int)strlen(a), nb = (int)strlen(b),
      row[3][64]; // row i % 3 is about a's first i letters
  if (na > 63 || nb > 63 || abs(na - nb) > limit)
    return limit + 1;
  for (int j = 0; j <= nb; j++)
    row[0][j] = j;
  for (int i = 1; i <= na; i++) {
    int *now = row[i % 3], *up = row[(i + 2) % 3], *above = row[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= nb; j++) {
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      int change = up[j - 1] + (a[i - 1] != b[j - 1]), best = up[j] + 1;
      best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
      best = change < best ? change : best;
      now[j] = swapped && above[j - 2] + 1 < best ? above[j - 2] + 1 : best;
    }
  }
  return row[na % 3][nb] > limit ? limit + 1 : row[na % 3][nb];
}

static const struct {
  const char *name;
  int size;
} dtypes[DT_COUNT] = {
    [DT_BOOL] = {"bool", 1}, [DT_I32] = {"i32", 4}, [DT_BF16] = {"bf16", 2},  [DT_F32] = {"f32", 4},
    [DT_F64] = {"f64", 8},   [DT_C64] = {"c64", 8}, [DT_C128] = {"c128", 16}, [DT_I64] = {"i64", 8},
};

const char *dtype_name(DType t) {
  return dtypes[t].name;
}

int dtype_size(DType t) {
  return dtypes[t].size;
}

uint16_t bf16_of(double v) {
  float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (f != f)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double bf16_value(uint16_t b) {
  uint32_t bits = (uint32_t)b << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

double dtype_round(DType t, double v) {
  return t == DT_F32 ? (double)(float)v : t == DT_BF16 ? bf16_value(bf16_of(v)) : v;
}

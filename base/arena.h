// Zeroed memory of one lifetime, freed at once.
#ifndef BIGSC_ARENA_H
#define BIGSC_ARENA_H
#include "base/bug.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;
Arena *arena_new(void);     // ends the process, as arena_alloc() does, when memory is out
Arena *arena_try_new(void); // NULL when memory is out
void arena_free(Arena *a);
void arena_join(Arena *to, Arena *from); // what `from` has is `to`'s, and `from` is no more
// When memory is out arena_alloc() longjmps to *oom with value 1 when set; else the process ends by
// out_of_memory().
void arena_on_oom(Arena *a, jmp_buf *oom);
NORETURN void arena_exhausted(const Arena *a); // as if arena_alloc() found no memory
void *arena_alloc(Arena *a, size_t bytes);     // zeroed, aligned to 16
void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_strdup(Arena *a, const char *s);
char *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEWN(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

#endif

// Folders of machine code that was made before, by what it was made from: $XDG_CACHE_HOME/bigsc/NAME, or ~/.cache/bigsc/NAME.  They only
// save time: where one cannot be read or written, nothing is remembered.  Processes, and threads, may share them.
#ifndef BIGSC_CACHE_H
#define BIGSC_CACHE_H
#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_MOST = 256 << 20 }; // bytes in a folder

typedef struct Cache {
  const char *folder; // NULL: there is none, so nothing is found or kept
  const char *name;   // the suffix of its files, too: "cubin" of GPUs, "object" of processors
} Cache;
typedef struct CacheKey {
  uint64_t word[2];
} CacheKey;

// bigsc's own folder for what it keeps under this name, in the user's cache; NULL: there is none.
char *cache_place(Arena *a, const char *name);
// The same, made where it is not there yet.
Cache cache_open(Arena *a, const char *name);

// Of a source's text, the options, and the compiler's version.
CacheKey cache_key(const char *source, const char *const *option, int options, int major,
                   int minor);
// The code that was kept under the key, in the arena, and its *size; NULL: none, or what is there is
// damaged or something else.
char *cache_get(Arena *a, const Cache *c, CacheKey key, size_t *size);
// Keeps it.  The files that were not asked for the longest go when the folder holds more than CACHE_MOST
// bytes; what is no file of the cache stays.
void cache_put(Arena *a, const Cache *c, CacheKey key, const char *code, size_t size);
// Keeps a source that does not compile; its path, or NULL.
const char *cache_keep_source(Arena *a, const Cache *c, CacheKey key, const char *source);
#endif

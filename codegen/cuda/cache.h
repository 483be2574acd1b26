// A folder with code of GPUs that was compiled before, by what it was compiled from:
// $XDG_CACHE_HOME/bigsc/cubin, or ~/.cache/bigsc/cubin.  It only saves time: where it cannot be read
// or written, nothing is remembered.  Processes may share it.
#ifndef BIGSC_CUDA_CACHE_H
#define BIGSC_CUDA_CACHE_H
#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_MOST = 256 << 20 }; // bytes in the folder

typedef struct CacheKey {
  uint64_t word[2];
} CacheKey;
// Of the source's text, the options, and the compiler's version.
CacheKey cache_key(const char *source, const char *const *option, int options, int major,
                   int minor);

// bigsc's own folder for what it keeps under this name, in the user's cache; NULL: there is none.
char *cache_place(Arena *a, const char *name);
// That of code, made where it is not there yet; NULL: there is none.
const char *cache_folder(Arena *a);
// FOLDER/KEY.SUFFIX
const char *cache_path(Arena *a, const char *folder, CacheKey key, const char *suffix);
// The code that was kept under the key, in the arena, and its *size; NULL: none, or what is there is
// damaged or something else.  folder may be NULL here and below.
char *cache_get(Arena *a, const char *folder, CacheKey key, size_t *size);
// Keeps it.  The files that were not asked for the longest go when the folder holds more than `most`
// bytes; what is no file of the cache stays.
void cache_put(Arena *a, const char *folder, CacheKey key, const char *code, size_t size,
               int64_t most);
// Keeps a source that does not compile; its path, or NULL.
const char *cache_keep_source(Arena *a, const char *folder, CacheKey key, const char *source);
#endif

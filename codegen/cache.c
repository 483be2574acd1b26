// See cache.h.  A file is a head and the code; the head tells a whole file from any other.
#include "codegen/cache.h"
#include "base/hash.h"
#include "base/vec.h"
#include "runtime/files/file.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct CacheHead {
  char mark[16];
  CacheKey key;
  uint64_t size, hash; // of the code
} CacheHead;
static const char cache_mark[16] = "bigsc code 1";
enum { KEY_DIGITS = 32 };

// ---- names
static uint64_t hash_of(uint64_t seed, const char *source, const char *const *option, int options,
                        int major, int minor) {
  uint64_t h = hash_bytes(seed, source, strlen(source));
  for (int i = 0; i < options; i++)
    h = hash_mix(h, hash_bytes(seed, option[i], strlen(option[i])));
  return hash_mix(hash_mix(h, (uint64_t)major), (uint64_t)minor);
}

CacheKey cache_key(const char *source, const char *const *option, int options, int major,
                   int minor) {
  return (CacheKey){{hash_of(1, source, option, options, major, minor),
                     hash_of(2, source, option, options, major, minor)}};
}

static const char *path_of(Arena *a, const Cache *c, CacheKey key, const char *suffix) {
  if (!c->folder)
    return NULL;
  return arena_printf(a, "%s/%016" PRIx64 "%016" PRIx64 ".%s", c->folder, key.word[0], key.word[1],
                      suffix);
}

// Made with what leads to it, for the user alone.
static bool make_folder(char *path) {
  for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
    *p = 0;
    mkdir(path, 0700);
    *p = '/';
  }
  mkdir(path, 0700);
  return file_is_folder(path);
}

// A relative one is ignored, as the convention of XDG_CACHE_HOME has it.
char *cache_place(Arena *a, const char *name) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  return cache && *cache == '/' ? arena_printf(a, "%s/bigsc/%s", cache, name)
         : home && *home == '/' ? arena_printf(a, "%s/.cache/bigsc/%s", home, name)
                                : NULL;
}

Cache cache_open(Arena *a, const char *name) {
  char *path = cache_place(a, name);
  return (Cache){path && make_folder(path) ? path : NULL, name};
}

// ---- reading
static bool is_whole(const char *text, size_t n, CacheKey key) {
  CacheHead h;
  if (n < sizeof h)
    return false;
  memcpy(&h, text, sizeof h);
  return !memcmp(h.mark, cache_mark, sizeof cache_mark) && !memcmp(&h.key, &key, sizeof key) &&
         h.size == n - sizeof h && h.hash == hash_bytes(0, text + sizeof h, h.size);
}

static bool is_file(const char *path) {
  struct stat st;
  return !lstat(path, &st) && S_ISREG(st.st_mode);
}

char *cache_get(Arena *a, const Cache *c, CacheKey key, size_t *size) {
  const char *path = path_of(a, c, key, c->name);
  char *text = path && is_file(path) ? file_read(path, CACHE_MOST, size, NULL) : NULL, *code = NULL;
  if (text && is_whole(text, *size, key)) {
    *size -= sizeof(CacheHead);
    code = arena_alloc(a, *size + 1);
    memcpy(code, text + sizeof(CacheHead), *size);
    file_touch(path); // the oldest use goes first
  }
  free(text);
  return code;
}

// ---- writing
static bool write_file(const char *path, const void *head, size_t n, const char *text,
                       size_t size) {
  struct stat st;
  FileOut *f = lstat(path, &st) || S_ISREG(st.st_mode) ? file_create(path, NULL) : NULL;
  if (!f)
    return false;
  if ((!n || !file_write(f, head, n, NULL)) && !file_write(f, text, size, NULL))
    return !file_commit(f, NULL);
  file_abort(f);
  return false;
}

typedef struct Kept {
  const char *path;
  struct timespec time;
  int64_t bytes;
} Kept;
typedef VEC(Kept) KeptList;

static bool is_ours(const Cache *c, const char *name) {
  const char *suffix = name + KEY_DIGITS + 1;
  return strspn(name, "0123456789abcdef") == KEY_DIGITS && name[KEY_DIGITS] == '.' &&
         (!strcmp(suffix, c->name) || !strcmp(suffix, "cu"));
}

static int64_t list_kept(Arena *a, const Cache *c, KeptList *list) {
  DIR *d = opendir(c->folder);
  struct stat st;
  int64_t all = 0;
  for (struct dirent *e; d && (e = readdir(d));) {
    const char *path =
        is_ours(c, e->d_name) ? arena_printf(a, "%s/%s", c->folder, e->d_name) : NULL;
    if (!path || lstat(path, &st) || !S_ISREG(st.st_mode))
      continue;
    vec_push(a, list, (Kept){path, st.st_mtim, st.st_size});
    all += st.st_size;
  }
  if (d)
    closedir(d);
  return all;
}

static int older(const void *a, const void *b) {
  const struct timespec *x = &((const Kept *)a)->time, *y = &((const Kept *)b)->time;
  return x->tv_sec != y->tv_sec ? (x->tv_sec > y->tv_sec) - (x->tv_sec < y->tv_sec)
                                : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static void trim(Arena *a, const Cache *c) {
  KeptList list = {0};
  int64_t all = list_kept(a, c, &list);
  if (all <= CACHE_MOST)
    return;
  qsort(list.v, (size_t)list.n, sizeof *list.v, older);
  for (int i = 0; i < list.n && all > CACHE_MOST; i++)
    if (!unlink(list.v[i].path))
      all -= list.v[i].bytes;
}

void cache_put(Arena *a, const Cache *c, CacheKey key, const char *code, size_t size) {
  const char *path = path_of(a, c, key, c->name);
  CacheHead h = {.key = key, .size = size, .hash = hash_bytes(0, code, size)};
  memcpy(h.mark, cache_mark, sizeof h.mark);
  if (path && write_file(path, &h, sizeof h, code, size))
    trim(a, c);
}

const char *cache_keep_source(Arena *a, const Cache *c, CacheKey key, const char *source) {
  const char *path = path_of(a, c, key, "cu");
  return path && write_file(path, NULL, 0, source, strlen(source)) ? path : NULL;
}

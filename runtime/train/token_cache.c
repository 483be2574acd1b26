// See token_cache.h.
#include "runtime/train/token_cache.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/files/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Goes up whenever ids of a text change, or what stands in the files.
enum { FORMAT = 1, BYTE_ORDER_WORD = 0x01020304, ROOM = 4096 };

typedef struct TokenKey {
  uint64_t word[2];
} TokenKey;

// In front of a chunk: of the chunk.  The index is one of the whole text, with the number of chunks in the place of theirs.
typedef struct TokenHead {
  char mark[16];
  uint32_t order, width;
  TokenKey key;
  uint64_t number, tokens, marks, hash;
} TokenHead;
static const char chunk_mark[16] = "bigsc tokens 1", index_mark[16] = "bigsc index 1";

typedef struct TokenCache {
  TokenPlace place;
  const TextReader *text;
  TokenKey key;
  int shift, lock; // lock: the folder, held while it is written
  uint64_t files;  // as they were when reading began
  char *path;      // the folder of the key
} TokenCache;

static void say(const TokenPlace *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const TokenPlace *p, const char *fmt, ...) {
  char text[ROOM];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (p->say)
    p->say(p->ctx, text);
}

// ---- the key

static uint64_t hash_time(uint64_t h, struct timespec t) {
  return hash_mix(hash_mix(h, (uint64_t)t.tv_sec), (uint64_t)t.tv_nsec);
}

// The change time besides the other: who sets times back, or copies with them, cannot set this one.
static bool hash_file(const char *path, uint64_t *h, int64_t *bytes) {
  struct stat st;
  char *whole = strcmp(path, "-") ? realpath(path, NULL) : NULL;
  bool ok = whole && !stat(whole, &st) && S_ISREG(st.st_mode);
  if (ok) {
    *h = hash_mix(*h, hash_bytes(*h, whole, strlen(whole)));
    *h = hash_time(hash_time(hash_mix(*h, (uint64_t)st.st_size), st.st_mtim), st.st_ctim);
    *bytes += st.st_size;
  }
  free(whole);
  return ok;
}

// What the files are and when they changed.  false: not all are regular.
static bool hash_files(const TextReader *r, uint64_t *h, int64_t *bytes) {
  *h = hash_mix(FORMAT, (uint64_t)text_count(r));
  *bytes = 0;
  for (int i = 0; i < text_count(r); i++)
    if (!hash_file(text_file(r, i), h, bytes))
      return false;
  return true;
}

static TokenKey key_of(uint64_t files, const Tokenizer *tok, const TokenStream *t) {
  uint64_t h = hash_mix(hash_mix(files, tok_hash(tok)), (uint64_t)t->shift);
  return (TokenKey){{h, hash_mix(hash_mix(tok_hash(tok), h), files)}};
}

// ---- reading

static bool head_fits(const TokenHead *h, const char *mark, TokenKey key, const TokenStream *t,
                      uint64_t number) {
  return !memcmp(h->mark, mark, sizeof h->mark) && h->order == BYTE_ORDER_WORD &&
         h->width == token_width(t) && !memcmp(&h->key, &key, sizeof key) && h->number == number;
}

// What is wrong with a file of this head; NULL: nothing.
static const char *head_fault(const TokenHead *h, const char *mark, TokenKey key,
                              const TokenStream *t, uint64_t number) {
  if (!memcmp(h->mark, mark, sizeof h->mark) && h->order != BYTE_ORDER_WORD)
    return "written by a machine of another byte order";
  return head_fits(h, mark, key, t, number) ? NULL : "damaged";
}

static const char *map_fault(TokenStream *t, const TokenCache *c, TokenChunk *chunk, int number) {
  TokenHead h;
  size_t n = chunk->mapped;
  if (n < sizeof h)
    return "cut off";
  memcpy(&h, chunk->map, sizeof h);
  const char *fault = head_fault(&h, chunk_mark, c->key, t, (uint64_t)number);
  uint64_t most = (uint64_t)1 << t->shift, ids = h.tokens * token_width(t);
  if (fault || h.tokens > most || h.marks > n || n != sizeof h + ids + h.marks)
    return fault ? fault : n < sizeof h + ids + h.marks ? "cut off" : "damaged";
  chunk->ids = (char *)chunk->map + sizeof h;
  chunk->mark = (unsigned char *)chunk->ids + ids;
  chunk->tokens = (int64_t)h.tokens;
  chunk->marks = h.marks;
  chunk->hash = h.hash;
  return NULL;
}

// Maps the file into *chunk.  Where that fails, what is wrong with it.
static const char *map_chunk(TokenStream *t, const TokenCache *c, int number, TokenChunk *chunk) {
  char path[ROOM];
  struct stat st;
  snprintf(path, sizeof path, "%s/%05d.ids", c->path, number);
  int fd = file_open(path, O_RDONLY);
  bool ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0;
  chunk->mapped = ok ? (size_t)st.st_size : 0;
  void *map = ok ? mmap(NULL, chunk->mapped, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (fd >= 0)
    close(fd);
  if (map == MAP_FAILED)
    return ok ? "cannot be mapped" : fd >= 0 ? "cut off" : "not whole";
  chunk->map = map;
  return map_fault(t, c, chunk, number);
}

// Its pages are given back behind the check: they count as memory of the process.
static const char *check_chunk(const TokenStream *t, TokenChunk *chunk) {
  bool ok = token_chunk_hash(t, chunk) == chunk->hash;
  madvise(chunk->map, chunk->mapped, MADV_DONTNEED);
  return ok ? NULL : "damaged";
}

static const char *add_mapped(TokenStream *t, const TokenCache *c, int number) {
  TokenChunk chunk = {0}, *grown;
  const char *fault = map_chunk(t, c, number, &chunk);
  grown = fault ? NULL : REALLOC_N(TokenChunk, t->chunk, (size_t)t->chunks + 1);
  if (!grown) {
    if (chunk.map)
      munmap(chunk.map, chunk.mapped);
    return fault ? fault : "too large for this machine's memory";
  }
  t->chunk = grown;
  t->chunk[t->chunks++] = chunk;
  t->n += chunk.tokens;
  return check_chunk(t, &t->chunk[number]);
}

static bool read_index(const TokenCache *c, TokenHead *h, size_t *n) {
  char path[ROOM];
  snprintf(path, sizeof path, "%s/index", c->path);
  char *text = file_read(path, ROOM, n, NULL);
  if (text)
    memcpy(h, text, *n < sizeof *h ? *n : sizeof *h);
  free(text);
  if (text)
    file_touch(path); // the oldest use goes first
  return text != NULL;
}

static bool is_interrupted(const TokenPlace *p, const char *what, double share) {
  return p->progress && p->progress(p->ctx, what, share);
}

// NULL: *t has all of it, or there is nothing, and t stays empty; else what is wrong.
static const char *read_whole(const TokenCache *c, TokenStream *t, bool *interrupted) {
  TokenHead h = {0};
  size_t n = 0;
  if (!read_index(c, &h, &n))
    return NULL;
  const char *fault = n == sizeof h ? head_fault(&h, index_mark, c->key, t, h.number) : "cut off";
  for (int i = 0; !fault && (uint64_t)i < h.number && !*interrupted; i++) {
    fault = add_mapped(t, c, i);
    *interrupted = is_interrupted(&c->place, "checking tokens", (double)i / (double)h.number);
  }
  if (!fault && !*interrupted && (h.tokens != (uint64_t)t->n || h.hash != tokens_hash(t)))
    fault = "damaged";
  if (fault || *interrupted)
    tokens_free(t);
  return fault;
}

// ---- the writer's lock

static void free_cache(TokenCache *c) {
  if (c->lock >= 0)
    close(c->lock);
  free(c->path);
  free(c);
}

// Was the folder removed and made again since it was opened?
static bool is_other(int fd, const char *path) {
  struct stat mine, now;
  return fstat(fd, &mine) || stat(path, &now) || mine.st_ino != now.st_ino ||
         mine.st_dev != now.st_dev;
}

static int open_folder(const char *path, BigsError *e) {
  int fd = file_make_folders(path, e) ? -1 : file_open(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0 && !bigs_status(e, 0))
    bigs_fail_errno(e, "open", path);
  return fd;
}

// The folder's lock ends with its descriptor, and so with the process, however that ends.  BIGS_EINTERRUPT: the wait was cancelled.
static int take_lock(TokenCache *c, BigsError *e) {
  bool told = false;
  for (;;) {
    int fd = open_folder(c->path, e);
    if (fd < 0)
      return bigs_status(e, BIGS_EFILE);
    c->lock = fd;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
      if (errno != EWOULDBLOCK)
        return bigs_fail_errno(e, "lock", c->path);
      if (!told)
        say(&c->place, "another process is cutting this text into tokens: waiting for it");
      told = true;
      if (is_interrupted(&c->place, "waiting for another process", 0))
        return bigs_fail(e, BIGS_EINTERRUPT, "interrupted");
      nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    if (!is_other(fd, c->path))
      return 0;
    close(fd);
    c->lock = -1;
  }
}

// ---- emptying, and keeping to a size

static bool is_ours(const char *name) {
  size_t n = strspn(name, "0123456789");
  return !strcmp(name, "index") || (n == 5 && !strncmp(name + n, ".ids", 4));
}

// Removes the files of one text, the index first: without it the others are nothing.
static void empty_folder(const char *path) {
  char name[ROOM];
  snprintf(name, sizeof name, "%s/index", path);
  unlink(name);
  DIR *d = opendir(path);
  for (struct dirent *f; d && (f = readdir(d));)
    if (is_ours(f->d_name) && snprintf(name, sizeof name, "%s/%s", path, f->d_name) < ROOM)
      unlink(name);
  if (d)
    closedir(d);
}

static int64_t folder_bytes(const char *path) {
  char name[ROOM];
  struct stat st;
  int64_t n = 0;
  DIR *d = opendir(path);
  for (struct dirent *f; d && (f = readdir(d));)
    if (is_ours(f->d_name) && snprintf(name, sizeof name, "%s/%s", path, f->d_name) < ROOM &&
        !lstat(name, &st))
      n += st.st_size;
  if (d)
    closedir(d);
  return n;
}

static void remove_text(const char *path) {
  int fd = file_open(path, O_RDONLY | O_DIRECTORY);
  if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB)) { // nobody writes there
    empty_folder(path);
    rmdir(path);
  }
  if (fd >= 0)
    close(fd);
}

typedef struct KeptText {
  char path[ROOM];
  struct timespec asked; // 0: it was never whole
  int64_t bytes;
} KeptText;

static bool is_older(const KeptText *a, const KeptText *b) {
  return a->asked.tv_sec != b->asked.tv_sec ? a->asked.tv_sec < b->asked.tv_sec
                                            : a->asked.tv_nsec < b->asked.tv_nsec;
}

// Is this the folder of a text, by its name?
static bool look_at_text(const char *folder, const char *name, KeptText *out) {
  char index[ROOM + 8];
  struct stat st;
  if (strlen(name) != 32 || strspn(name, "0123456789abcdef") != 32 ||
      snprintf(out->path, sizeof out->path, "%s/%s", folder, name) >= ROOM)
    return false;
  snprintf(index, sizeof index, "%s/index", out->path);
  out->asked = stat(index, &st) ? (struct timespec){0} : st.st_mtim;
  out->bytes = folder_bytes(out->path);
  return true;
}

// The one that was not asked for the longest, besides that of `c`; *all: bytes of all.
static bool find_oldest(const TokenCache *c, KeptText *oldest, int64_t *all) {
  bool found = false;
  DIR *d = opendir(c->place.folder);
  *all = 0;
  for (struct dirent *f; d && (f = readdir(d));) {
    KeptText k;
    if (!look_at_text(c->place.folder, f->d_name, &k))
      continue;
    *all += k.bytes;
    if (strcmp(k.path, c->path) && (!found || is_older(&k, oldest))) {
      *oldest = k;
      found = true;
    }
  }
  if (d)
    closedir(d);
  return found;
}

// What a writer left that was killed goes, too.
static void trim(const TokenCache *c) {
  int64_t all, before = -1, most = c->place.most ? c->place.most : TOKEN_CACHE_MOST;
  KeptText k;
  while (find_oldest(c, &k, &all) && (all > most || !k.asked.tv_sec) && all != before) {
    remove_text(k.path);
    before = all;
  }
}

// ---- opening

static TokenCache *new_cache(const TokenPlace *p, const TextReader *r, const Tokenizer *tok,
                             const TokenStream *t) {
  TokenCache *c = ALLOC(TokenCache);
  uint64_t files;
  int64_t bytes;
  if (!c || !hash_files(r, &files, &bytes) || bytes < p->least) {
    free(c);
    return NULL;
  }
  size_t room = strlen(p->folder) + 40;
  if (room > ROOM - 32) {
    say(p, "tokens are not kept: the name of the folder is too long");
    free(c);
    return NULL;
  }
  *c = (TokenCache){.place = *p, .text = r, .files = files, .lock = -1, .path = malloc(room)};
  c->key = key_of(files, tok, t);
  if (c->path)
    snprintf(c->path, room, "%s/%016" PRIx64 "%016" PRIx64, p->folder, c->key.word[0],
             c->key.word[1]);
  else
    free_cache(c);
  return c->path ? c : NULL;
}

// The tokens are there, or t->keep is what keeps them.
static int look(TokenCache *c, TokenStream *t, bool *found, BigsError *e) {
  bool interrupted = false;
  const char *fault = read_whole(c, t, &interrupted);
  if (!t->chunks && !interrupted) { // by now another process may have written it
    int status = take_lock(c, e);
    if (status)
      return status;
    fault = read_whole(c, t, &interrupted);
  }
  if (interrupted)
    return bigs_fail(e, BIGS_EINTERRUPT, "interrupted");
  *found = t->chunks > 0;
  if (fault)
    say(&c->place, "%s is %s: the text is cut into tokens again", c->path, fault);
  if (!*found)
    empty_folder(c->path);
  return 0;
}

// Clocks of file systems move by some milliseconds at a time: a file that was written just now may be written again without another time.
static void let_clock_move(void) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

int token_cache_find(const TokenPlace *p, const TextReader *r, const Tokenizer *tok, TokenStream *t,
                     bool *found, BigsError *e) {
  BigsError why = {0};
  *found = false;
  if (!p->folder)
    return 0;
  TokenCache *c = new_cache(p, r, tok, t);
  if (!c)
    return 0;
  int status = look(c, t, found, &why);
  if (!status && *found)
    say(p, "tokens of the text come from %s", c->path);
  if (!status && !*found) {
    let_clock_move();
    t->keep = c;
    return 0;
  }
  if (status && status != BIGS_EINTERRUPT)
    say(p, "tokens are not kept: %s", why.text);
  free_cache(c);
  return status == BIGS_EINTERRUPT ? bigs_fail(e, status, "interrupted") : 0;
}

// ---- writing

static TokenHead head_of(const TokenCache *c, const TokenStream *t, const char *mark) {
  TokenHead h = {.order = BYTE_ORDER_WORD, .width = (uint32_t)token_width(t), .key = c->key};
  memcpy(h.mark, mark, sizeof h.mark);
  return h;
}

static int write_chunk(const TokenCache *c, const TokenStream *t, int number, BigsError *e) {
  char path[ROOM];
  const TokenChunk *k = &t->chunk[number];
  TokenHead h = head_of(c, t, chunk_mark);
  h.number = (uint64_t)number;
  h.tokens = (uint64_t)k->tokens;
  h.marks = k->marks;
  h.hash = k->hash;
  snprintf(path, sizeof path, "%s/%05d.ids", c->path, number);
  FileOut *f = file_create(path, e);
  if (!f)
    return bigs_status(e, BIGS_EFILE);
  if (file_write(f, &h, sizeof h, e) ||
      file_write(f, k->ids, (size_t)k->tokens * token_width(t), e) ||
      file_write(f, k->mark, k->marks, e)) {
    file_abort(f);
    return bigs_status(e, BIGS_EFILE);
  }
  return file_commit(f, e);
}

static int bring_back(const TokenStream *t, TokenChunk *c, BigsError *e) {
  size_t ids = (size_t)c->tokens * token_width(t);
  void *copy = malloc(ids + 1), *mark = malloc(c->marks + 1);
  if (!copy || !mark) {
    free(copy);
    free(mark);
    return bigs_fail_memory(e, "the tokens of the text");
  }
  memcpy(copy, c->ids, ids);
  memcpy(mark, c->mark, c->marks);
  munmap(c->map, c->mapped);
  c->map = NULL;
  c->ids = copy;
  c->mark = mark;
  return 0;
}

// The files go, so that the disk has room for what else is written.
static int give_up(TokenCache *c, TokenStream *t, const BigsError *why, BigsError *e) {
  int status = 0;
  say(&c->place, "tokens are not kept, they stay in memory: %s", why->text);
  t->keep = NULL;
  for (int i = 0; i < t->chunks && !status; i++)
    status = t->chunk[i].map ? bring_back(t, &t->chunk[i], e) : 0;
  empty_folder(c->path);
  rmdir(c->path);
  free_cache(c);
  return status;
}

int token_cache_keep(TokenCache *c, TokenStream *t, int number, BigsError *e) {
  BigsError why = {0};
  TokenChunk *was = &t->chunk[number], now = {0};
  int status = write_chunk(c, t, number, &why);
  const char *fault = status ? NULL : map_chunk(t, c, number, &now);
  if (fault)
    status = bigs_fail(&why, BIGS_EFILE, "%s/%05d.ids is %s", c->path, number, fault);
  if (status) {
    if (now.map)
      munmap(now.map, now.mapped);
    return give_up(c, t, &why, e);
  }
  free(was->ids);
  free(was->mark);
  *was = now;
  return 0;
}

static int write_index(const TokenCache *c, const TokenStream *t, BigsError *e) {
  char path[ROOM];
  TokenHead h = head_of(c, t, index_mark);
  h.number = (uint64_t)t->chunks;
  h.tokens = (uint64_t)t->n;
  h.hash = tokens_hash(t);
  snprintf(path, sizeof path, "%s/index", c->path);
  FileOut *f = file_create(path, e);
  int status = f ? file_write(f, &h, sizeof h, e) : bigs_status(e, BIGS_EFILE);
  if (status)
    file_abort(f);
  return status ? status : file_commit(f, e);
}

// Why the tokens cannot be kept; empty: they are.
static void finish(TokenCache *c, const TokenStream *t, BigsError *why) {
  uint64_t files;
  int64_t bytes;
  if (!hash_files(c->text, &files, &bytes) || files != c->files)
    bigs_fail(why, BIGS_EFILE, "the text was changed while it was read");
  else
    write_index(c, t, why);
}

void token_cache_close(TokenStream *t, bool failed) {
  TokenCache *c = t->keep;
  BigsError why = {0};
  if (!c)
    return;
  t->keep = NULL;
  if (!failed)
    finish(c, t, &why);
  if (why.status)
    say(&c->place, "tokens are not kept: %s", why.text);
  else if (!failed)
    say(&c->place, "tokens of the text are kept in %s", c->path);
  if (failed || why.status) {
    empty_folder(c->path);
    rmdir(c->path);
  }
  trim(c);
  free_cache(c);
}

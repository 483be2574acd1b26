// Zip archives: their list, and what an entry holds.  See foreign_internal.h.
#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/foreign/foreign_internal.h"
#include <string.h>
#include <zlib.h>

enum {
  END_SIZE = 22, // of the end record, without its comment
  END64_SIZE = 56,
  LOCATOR_SIZE = 20,
  ENTRY_SIZE = 46,
  LOCAL_SIZE = 30,
  MAX_COMMENT = 65535,
  MAX_LIST = 100000000,
  MOST_RATIO = 1100 // deflate makes no more of a byte
};

// ---- where the list is
typedef struct ZipEnd {
  uint64_t count, size, at;
} ZipEnd;

static int far_end(const Foreign *x, size_t end, ZipEnd *out) {
  unsigned char locator[LOCATOR_SIZE], record[END64_SIZE];
  if (end < LOCATOR_SIZE)
    return 0;
  if (st_bytes(x->file, end - LOCATOR_SIZE, locator, sizeof locator, x->e))
    return BIGS_EFILE;
  if (memcmp(locator, "PK\6\7", 4) != 0)
    return 0;
  uint64_t at = little_endian(locator + 8, 8);
  if (at > SIZE_MAX / 2 || st_bytes(x->file, (size_t)at, record, sizeof record, x->e) ||
      memcmp(record, "PK\6\6", 4) != 0)
    return foreign_fail(x, "the archive's end is damaged");
  *out = (ZipEnd){little_endian(record + 32, 8), little_endian(record + 40, 8),
                  little_endian(record + 48, 8)};
  return 0;
}

// The last end record whose comment ends with the file.
static int find_end(const Foreign *x, ZipEnd *out) {
  size_t size = st_size(x->file), n = size < END_SIZE + MAX_COMMENT ? size : END_SIZE + MAX_COMMENT;
  unsigned char *tail = (unsigned char *)arena_alloc(x->arena, n + 1);
  if (st_bytes(x->file, size - n, tail, n, x->e))
    return BIGS_EFILE;
  for (size_t i = n < END_SIZE ? 0 : n - END_SIZE + 1; i-- > 0;)
    if (!memcmp(tail + i, "PK\5\6", 4) && little_endian(tail + i + 20, 2) == n - i - END_SIZE) {
      *out = (ZipEnd){little_endian(tail + i + 10, 2), little_endian(tail + i + 12, 4),
                      little_endian(tail + i + 16, 4)};
      return far_end(x, size - n + i, out);
    }
  return foreign_fail(x, "an archive without its end: the file is cut");
}

// ---- the list
// Sizes of 4 bytes that say "see the extra field": uncompressed, compressed, place, in this order.
static bool widen(const unsigned char *extra, size_t n, uint64_t *const field[3]) {
  while (n >= 4) {
    size_t id = little_endian(extra, 2), size = little_endian(extra + 2, 2), at = 4;
    if (size > n - 4)
      return false;
    for (int i = 0; i < 3 && id == 1; i++)
      if (*field[i] == UINT32_MAX && at + 8 <= size + 4) {
        *field[i] = little_endian(extra + at, 8);
        at += 8;
      }
    extra += size + 4;
    n -= size + 4;
  }
  return true;
}

static int check_entry(const Foreign *x, const ZipEntry *z, unsigned flags, unsigned method) {
  uint64_t size = st_size(x->file);
  if (flags & 1)
    return foreign_fail(x, "%.120s is encrypted", z->name);
  if (method != 0 && method != 8)
    return foreign_fail(
        x, "%.120s is compressed by method %u: only stored and deflated entries are read", z->name,
        method);
  if (z->header > size || z->packed > size - z->header)
    return foreign_fail(x, "%.120s ends behind the file: it is cut, or its list wrong", z->name);
  if (z->deflated ? z->size / MOST_RATIO > z->packed : z->size != z->packed)
    return foreign_fail(x, "%.120s cannot be %llu bytes, of %llu in the file", z->name,
                        (unsigned long long)z->size, (unsigned long long)z->packed);
  return 0;
}

static bool same_entry(const void *wanted, uint64_t value) {
  return !strcmp(((const ZipEntry *)(uintptr_t)value)->name, (const char *)wanted);
}

const ZipEntry *zip_find(const Zip *z, const char *name) {
  return map_pointer(map_find(&z->by_name, hash_str(name), same_entry, name));
}

static int add_entry(Foreign *x, Zip *z, const unsigned char *p, size_t name, size_t extra) {
  ZipEntry *e = NEW(x->arena, ZipEntry);
  unsigned method = (unsigned)little_endian(p + 10, 2);
  *e = (ZipEntry){.name = foreign_name(x, (const char *)p + ENTRY_SIZE, name),
                  .deflated = method == 8,
                  .crc = (uint32_t)little_endian(p + 16, 4),
                  .packed = little_endian(p + 20, 4),
                  .size = little_endian(p + 24, 4),
                  .header = little_endian(p + 42, 4)};
  if (!e->name)
    return BIGS_EFILE;
  if (!widen(p + ENTRY_SIZE + name, extra, (uint64_t *const[]){&e->size, &e->packed, &e->header}))
    return foreign_fail(x, "the archive's list is damaged at %.120s", e->name);
  if (check_entry(x, e, (unsigned)little_endian(p + 8, 2), method))
    return BIGS_EFILE;
  if (zip_find(z, e->name))
    return foreign_fail(x, "two entries have the name %.120s", e->name);
  vec_push(x->arena, &z->entries, e);
  map_add(&z->by_name, hash_str(e->name), (uintptr_t)e);
  return 0;
}

static int list_entries(Foreign *x, Zip *z, const unsigned char *p, size_t n, uint64_t count) {
  int status = 0;
  for (uint64_t i = 0; i < count && !status; i++) {
    size_t name = n < ENTRY_SIZE ? 0 : little_endian(p + 28, 2);
    size_t extra = n < ENTRY_SIZE ? 0 : little_endian(p + 30, 2);
    size_t all = ENTRY_SIZE + name + extra + (n < ENTRY_SIZE ? 0 : little_endian(p + 32, 2));
    if (all > n || memcmp(p, "PK\1\2", 4) != 0)
      return foreign_fail(x, "the archive's list is damaged behind %zu entries", (size_t)i);
    status = add_entry(x, z, p, name, extra);
    p += all;
    n -= all;
  }
  return status;
}

int zip_list(Foreign *x, Zip *z) {
  ZipEnd end = {0};
  *z = (Zip){.by_name = {.arena = x->arena}};
  if (find_end(x, &end))
    return BIGS_EFILE;
  if (end.size > MAX_LIST || end.size > st_size(x->file) || end.at > st_size(x->file) - end.size)
    return foreign_fail(x, "the archive's list ends behind the file: it is cut, or no archive");
  unsigned char *list = (unsigned char *)arena_alloc(x->arena, (size_t)end.size + 1);
  int status = st_bytes(x->file, (size_t)end.at, list, (size_t)end.size, x->e);
  return status ? status : list_entries(x, z, list, (size_t)end.size, end.count);
}

// ---- entries
int zip_place(const StFile *f, const ZipEntry *z, size_t *at, BigsError *e) {
  unsigned char p[LOCAL_SIZE];
  int status = st_bytes(f, (size_t)z->header, p, sizeof p, e);
  if (status)
    return status;
  *at = (size_t)z->header + LOCAL_SIZE + little_endian(p + 26, 2) + little_endian(p + 28, 2);
  if (memcmp(p, "PK\3\4", 4) != 0 || *at > st_size(f) || z->packed > st_size(f) - *at)
    return bigs_fail(e, BIGS_EFILE, "%s: %.120s does not lie where the archive's list has it",
                     st_path(f), z->name);
  return 0;
}

typedef struct Unpacking {
  const StFile *file;
  const ZipEntry *entry;
  size_t at;     // of what is read next
  uint64_t left; // bytes behind it
  z_stream z;
} Unpacking;

static int damaged(const Unpacking *u, BigsError *e) {
  return bigs_fail(e, BIGS_EFILE,
                   "%s: %.120s is damaged: its bytes do not have its size or checksum",
                   st_path(u->file), u->entry->name);
}

static int feed(Unpacking *u, unsigned char *in, size_t room, BigsError *e) {
  size_t n = u->left < room ? (size_t)u->left : room;
  int status = st_bytes(u->file, u->at, in, n, e);
  u->z.next_in = in;
  u->z.avail_in = (uInt)n;
  u->at += n;
  u->left -= n;
  return status;
}

// zlib counts in 32 bits: both sides go a piece at a time.
static int inflate_all(Unpacking *u, char *out, BigsError *e) {
  enum { IN = 1 << 15, OUT = 1 << 30 };
  unsigned char in[IN];
  uint64_t done = 0, size = u->entry->size;
  for (int got = Z_OK; got != Z_STREAM_END;) {
    if (!u->z.avail_in && u->left && feed(u, in, sizeof in, e))
      return bigs_status(e, BIGS_EFILE);
    uInt room = size - done < OUT ? (uInt)(size - done) : OUT, was = u->z.avail_in;
    u->z.next_out = (unsigned char *)out + done;
    u->z.avail_out = room;
    got = inflate(&u->z, Z_NO_FLUSH);
    done += room - u->z.avail_out;
    bool stuck = room == u->z.avail_out && was == u->z.avail_in;
    if ((got != Z_OK && got != Z_STREAM_END) || (got == Z_OK && stuck))
      return damaged(u, e);
  }
  return done == size ? 0 : damaged(u, e);
}

static int unpack(Unpacking *u, char *out, BigsError *e) {
  if (!u->entry->deflated)
    return st_bytes(u->file, u->at, out, (size_t)u->entry->size, e);
  if (inflateInit2(&u->z, -MAX_WBITS) != Z_OK)
    return bigs_fail_memory(e, u->entry->name);
  int status = inflate_all(u, out, e);
  inflateEnd(&u->z);
  return status;
}

int zip_unpack(const StFile *f, const ZipEntry *z, char *out, BigsError *e) {
  Unpacking u = {.file = f, .entry = z, .left = z->packed};
  int status = zip_place(f, z, &u.at, e);
  status = status ? status : unpack(&u, out, e);
  if (status)
    return status;
  return crc32_z(0, (const unsigned char *)out, (size_t)z->size) == z->crc ? 0 : damaged(&u, e);
}

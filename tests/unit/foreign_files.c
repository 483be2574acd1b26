// See foreign_files.h.
#include "tests/unit/foreign_files.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static size_t room_for(size_t n) {
  size_t room = 64;
  while (room < n)
    room *= 2;
  return room;
}

void grow_put(MadeFile *f, const void *bytes, size_t n) {
  size_t room = room_for(f->n + n);
  if (!f->p || room != room_for(f->n))
    f->p = realloc(f->p, room);
  if (!f->p)
    abort();
  if (n)
    memcpy(f->p + f->n, bytes, n);
  f->n += n;
}
void grow_text(MadeFile *f, const char *s) {
  grow_put(f, s, strlen(s));
}
void grow_number(MadeFile *f, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++, v >>= 8)
    grow_put(f, &(unsigned char){(unsigned char)v}, 1);
}
void grow_number_big(MadeFile *f, uint64_t v, int bytes) {
  while (bytes-- > 0)
    grow_put(f, &(unsigned char){(unsigned char)(v >> 8 * bytes)}, 1);
}
void grow_write(const MadeFile *f, const char *path) {
  remove(path); // a file that is cut and written again is synced by some file systems
  FILE *out = fopen(path, "wb");
  if (!out || fwrite(f->p, 1, f->n, out) != f->n || fclose(out))
    abort();
}
void grow_free(MadeFile *f) {
  free(f->p);
  *f = (MadeFile){0};
}

// ---- pickles
void pickle_start(MadeFile *f) {
  grow_put(f, "\x80\2", 2);
}
void pickle_text(MadeFile *f, const char *s) {
  grow_text(f, "X");
  grow_number(f, strlen(s), 4);
  grow_text(f, s);
}
void pickle_int(MadeFile *f, int64_t v) {
  grow_put(f, "\x8a\x08", 2);
  grow_number(f, (uint64_t)v, 8);
}
void pickle_global(MadeFile *f, const char *module, const char *name) {
  grow_text(f, "c");
  grow_text(f, module);
  grow_text(f, "\n");
  grow_text(f, name);
  grow_text(f, "\n");
}
static void pickle_ints(MadeFile *f, const int64_t *v, int n) {
  grow_text(f, "(");
  for (int i = 0; i < n; i++)
    pickle_int(f, v[i]);
  grow_text(f, "t");
}
void pickle_tensor(MadeFile *f, const MadeTensor *t) {
  pickle_global(f, "torch._utils", "_rebuild_tensor_v2");
  grow_text(f, "((");
  pickle_text(f, "storage");
  pickle_global(f, "torch", t->type);
  pickle_text(f, t->key);
  pickle_text(f, "cpu");
  pickle_int(f, t->numel);
  grow_text(f, "tQ");
  pickle_int(f, t->offset);
  pickle_ints(f, t->shape, t->rank);
  pickle_ints(f, t->stride, t->rank);
  grow_text(f, "\x89");
  pickle_global(f, "collections", "OrderedDict");
  grow_text(f, ")RtR");
}
void pickle_state_dict(MadeFile *f, const char *const *name, const MadeTensor *t, int n) {
  pickle_global(f, "collections", "OrderedDict");
  grow_put(f, ")Rq\0(", 5);
  for (int i = 0; i < n; i++) {
    pickle_text(f, name[i]);
    pickle_tensor(f, &t[i]);
  }
  grow_text(f, "u}");
  pickle_text(f, "_metadata");
  grow_text(f, "}sb");
}

// ---- zip archives
static size_t squeeze(const void *bytes, size_t n, unsigned char *out, size_t room) {
  z_stream z = {.next_in = (unsigned char *)bytes,
                .avail_in = (uInt)n,
                .next_out = out,
                .avail_out = (uInt)room};
  if (deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
      deflate(&z, Z_FINISH) != Z_STREAM_END)
    abort();
  deflateEnd(&z);
  return z.total_out;
}

// What both headers of an entry have in common.
static void zip_common(MadeFile *f, const MadeZip *z, uint32_t crc, size_t packed, size_t size,
                       const char *name) {
  grow_number(f, 45, 2);
  grow_number(f, 0, 2);
  grow_number(f, z->deflate ? 8 : 0, 2);
  grow_number(f, 0, 4);
  grow_number(f, crc, 4);
  grow_number(f, z->far ? UINT32_MAX : packed, 4);
  grow_number(f, z->far ? UINT32_MAX : size, 4);
  grow_number(f, strlen(name), 2);
}

void zip_put(MadeZip *z, const char *name, const void *bytes, size_t n) {
  unsigned char *squeezed = malloc(n + n / 100 + 64);
  size_t packed = z->deflate ? squeeze(bytes, n, squeezed, n + n / 100 + 64) : n, at = z->file.n;
  uint32_t crc = (uint32_t)crc32(0, bytes, (uInt)n);
  grow_text(&z->file, "PK\3\4");
  zip_common(&z->file, z, crc, packed, n, name);
  grow_number(&z->file, 3, 2); // an extra field that pads
  grow_text(&z->file, name);
  grow_text(&z->file, "pad");
  grow_put(&z->file, z->deflate ? squeezed : bytes, packed);
  grow_text(&z->list, "PK\1\2");
  grow_number(&z->list, 45, 2);
  zip_common(&z->list, z, crc, packed, n, name);
  grow_number(&z->list, z->far ? 28 : 0, 2);
  grow_number(&z->list, 0, 2 + 2 + 2 + 4);
  grow_number(&z->list, z->far ? UINT32_MAX : at, 4);
  grow_text(&z->list, name);
  if (z->far) {
    grow_number(&z->list, 1, 2);
    grow_number(&z->list, 24, 2);
    grow_number(&z->list, n, 8);
    grow_number(&z->list, packed, 8);
    grow_number(&z->list, at, 8);
  }
  z->entries++;
  free(squeezed);
}

static void zip_far_end(MadeZip *z, size_t at, size_t end) {
  grow_text(&z->file, "PK\6\6");
  grow_number(&z->file, 44, 8);
  grow_number(&z->file, 45, 2 + 2);
  grow_number(&z->file, 0, 4 + 4);
  grow_number(&z->file, (uint64_t)z->entries, 8);
  grow_number(&z->file, (uint64_t)z->entries, 8);
  grow_number(&z->file, end - at, 8);
  grow_number(&z->file, at, 8);
  grow_text(&z->file, "PK\6\7");
  grow_number(&z->file, 0, 4);
  grow_number(&z->file, end, 8);
  grow_number(&z->file, 1, 4);
}

void zip_finish(MadeZip *z) {
  size_t at = z->file.n, end = at + z->list.n;
  grow_put(&z->file, z->list.p, z->list.n);
  if (z->far)
    zip_far_end(z, at, end);
  grow_text(&z->file, "PK\5\6");
  grow_number(&z->file, 0, 4);
  grow_number(&z->file, z->far ? UINT16_MAX : (uint64_t)z->entries, 2);
  grow_number(&z->file, z->far ? UINT16_MAX : (uint64_t)z->entries, 2);
  grow_number(&z->file, z->far ? UINT32_MAX : end - at, 4);
  grow_number(&z->file, z->far ? UINT32_MAX : at, 4);
  grow_number(&z->file, 0, 2);
  grow_free(&z->list);
}

// ---- flax
void msg_text(MadeFile *f, const char *s) {
  grow_text(f, "\xd9");
  grow_number_big(f, strlen(s), 1);
  grow_text(f, s);
}
void msg_map(MadeFile *f, unsigned pairs) {
  grow_number_big(f, pairs < 16 ? 0x80 | pairs : 0xde0000 | pairs, pairs < 16 ? 1 : 3);
}
static void msg_int(MadeFile *f, int64_t v) {
  grow_text(f, "\xcf");
  grow_number_big(f, (uint64_t)v, 8);
}
void msg_array(MadeFile *f, const char *dtype, int rank, const int64_t *shape, const void *bytes,
               size_t n) {
  MadeFile in = {0};
  grow_text(&in, "\x93");
  grow_number_big(&in, 0x90 | (unsigned)rank, 1);
  for (int i = 0; i < rank; i++)
    msg_int(&in, shape[i]);
  msg_text(&in, dtype);
  grow_text(&in, "\xc6");
  grow_number_big(&in, n, 4);
  grow_put(&in, bytes, n);
  grow_text(f, "\xc9");
  grow_number_big(f, in.n, 4);
  grow_text(f, "\1");
  grow_put(f, in.p, in.n);
  grow_free(&in);
}

// What the readers of this folder share: a file under reading, and zip archives.
#ifndef BIGSC_RUNTIME_FOREIGN_INTERNAL_H
#define BIGSC_RUNTIME_FOREIGN_INTERNAL_H
#include "base/map.h"
#include "base/vec.h"
#include "runtime/foreign/foreign.h"
#include <pthread.h>

typedef struct Foreign Foreign;
// All bytes of a tensor with `made`, dense and row-major.  No memory of the arena: it may be asked by any thread, by one at a time.
typedef int ForeignMake(Foreign *x, const StTensor *t, char *dense, BigsError *e);
struct Foreign {
  Arena *
      arena; // of it, and of all that the tensors' list points to; when memory is out, the opening fails
  StFile *file;
  BigsError *e; // of the opening
  VEC(StTensor) tensors;
  ForeignMake *make;
  void *own; // of the form
  pthread_mutex_t lock;
  const StTensor *held; // the last one that was made, in `dense`
  char *dense;
  const void *unpacked_of; // what `make` unpacked last, and may need again
  char *unpacked;          // its bytes, malloc'd
};
// Opens the file; `list` adds its tensors.
int foreign_open(const char *path, int (*list)(Foreign *x), ForeignMake *make, StFile **out,
                 BigsError *e);
// "PATH: TEXT" into x->e, status BIGS_EFILE.
int foreign_fail(const Foreign *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Adds a tensor of a name and shape in the arena.
void foreign_add(Foreign *x, const StTensor *t);
// A copy of a name in the arena, or NULL with the error set: a name is UTF-8 without NUL.
const char *foreign_name(Foreign *x, const char *s, size_t n);

static inline uint64_t little_endian(const void *bytes, int n) {
  const unsigned char *p = (const unsigned char *)bytes;
  uint64_t v = 0;
  while (n-- > 0)
    v = v << 8 | p[n];
  return v;
}
static inline uint64_t big_endian(const void *bytes, int n) {
  const unsigned char *p = (const unsigned char *)bytes;
  uint64_t v = 0;
  for (int i = 0; i < n; i++)
    v = v << 8 | p[i];
  return v;
}

// ---- zip archives: APPNOTE.TXT of PKWARE, 4.3 and 4.5.3
typedef struct ZipEntry {
  const char *name;
  bool deflated;
  uint64_t header;       // place of its local header
  uint64_t packed, size; // bytes in the file, and of what they hold
  uint32_t crc;
} ZipEntry;
typedef struct Zip {
  VEC(ZipEntry *) entries;
  Map by_name;
} Zip;
// The archive's list, checked against the file's size.  Names differ; methods are stored and deflated.
int zip_list(Foreign *x, Zip *z);
const ZipEntry *zip_find(const Zip *z, const char *name); // NULL: none
int zip_place(const StFile *f, const ZipEntry *z, size_t *at,
              BigsError *e); // where its bytes begin
// Its z->size bytes, which have its checksum.
int zip_unpack(const StFile *f, const ZipEntry *z, char *out, BigsError *e);
#endif

// Files as torch.save and flax.serialization write them, made by hand.
#ifndef BIGSC_TESTS_FOREIGN_FILES_H
#define BIGSC_TESTS_FOREIGN_FILES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A file that grows; the caller frees p.
typedef struct MadeFile {
  unsigned char *p;
  size_t n;
} MadeFile;
void grow_put(MadeFile *f, const void *bytes, size_t n);
void grow_text(MadeFile *f, const char *s);               // without its NUL
void grow_number(MadeFile *f, uint64_t v, int bytes);     // little-endian
void grow_number_big(MadeFile *f, uint64_t v, int bytes); // big-endian
void grow_write(const MadeFile *f, const char *path);
void grow_free(MadeFile *f);

// ---- pickles, of protocol 2
void pickle_start(MadeFile *f);
void pickle_text(MadeFile *f, const char *s);
void pickle_int(MadeFile *f, int64_t v);
void pickle_global(MadeFile *f, const char *module, const char *name);
// A tensor: a view of the storage `key` of `numel` elements of a type such as "FloatStorage".
typedef struct MadeTensor {
  const char *type, *key;
  int64_t numel, offset;
  int rank;
  int64_t shape[4], stride[4];
} MadeTensor;
void pickle_tensor(MadeFile *f, const MadeTensor *t);
// OrderedDict() with names and tensors, and attributes as a state_dict has.
void pickle_state_dict(MadeFile *f, const char *const *name, const MadeTensor *t, int n);

// ---- zip archives
typedef struct MadeZip {
  MadeFile file, list;
  int entries;
  bool deflate, far; // compress what is put; write sizes and places as those of large archives
} MadeZip;
void zip_put(MadeZip *z, const char *name, const void *bytes, size_t n);
void zip_finish(MadeZip *z); // then z->file is the archive

// ---- flax
void msg_text(MadeFile *f, const char *s);
void msg_map(MadeFile *f, unsigned pairs);
void msg_array(MadeFile *f, const char *dtype, int rank, const int64_t *shape, const void *bytes,
               size_t n);
#endif

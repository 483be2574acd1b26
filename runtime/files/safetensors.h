// safetensors: 8 bytes of little-endian header length, a JSON header, the tensors' bytes.  The
// reader checks the header completely before anything is believed, and reads the tensors from the file
// as they are asked for; the writer streams and replaces the file at once.  All errors have status BIGS_EFILE and name the file.
#ifndef BIGSC_RUNTIME_SAFETENSORS_H
#define BIGSC_RUNTIME_SAFETENSORS_H
#include "base/error.h"
#include "runtime/files/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum StDType {
  ST_BOOL,
  ST_U8,
  ST_I8,
  ST_F4, // this and the two below: bits in a row, without gaps
  ST_F6_E2M3,
  ST_F6_E3M2,
  ST_F8_E4M3,
  ST_F8_E5M2,
  ST_F8_E8M0,
  ST_F8_E4M3FNUZ,
  ST_F8_E5M2FNUZ,
  ST_U16,
  ST_I16,
  ST_F16,
  ST_BF16,
  ST_U32,
  ST_I32,
  ST_F32,
  ST_U64,
  ST_I64,
  ST_F64,
  ST_C64,
  ST_DTYPES
} StDType;
const char *st_dtype_name(StDType t); // "F32", as in the file
int st_dtype_size(StDType t);         // bytes of one element; 0: less than one byte
bool st_is_float(StDType t);          // one that st_copy makes floating-point numbers of
bool st_is_whole(StDType t);          // one that st_copy makes I32 or I64 of

enum { ST_MAX_HEADER = 100000000, ST_MAX_RANK = 32 };

typedef struct StTensor {
  const char *name; // UTF-8 without NUL
  StDType dtype;
  int rank;             // 0 ... ST_MAX_RANK
  const int64_t *shape; // rank extents, each >= 0
  int64_t elements;     // their product
  const struct StFile *file;
  size_t nbytes; // elements * bits of the dtype / 8
  size_t offset; // of its bytes, from the start of the file: row-major, not aligned in general
  const void *
      made; // NULL; else its bytes do not lie so in the file, and this is how its StSource knows it
} StTensor;

// ---- reading
typedef struct StFile StFile;
// *out is NULL on failure.  The file stays open until st_close; one that is cut or written to
// meanwhile is an error of the call that reads it.
int st_open(const char *path, StFile **out, BigsError *e);
void st_close(StFile *f); // NULL is allowed; the tensors go with it
const char *st_path(const StFile *f);
int st_count(const StFile *f);
const StTensor *st_at(const StFile *f, int i); // 0 <= i < count, in order of their data
const StTensor *st_find(const StFile *f, const char *name); // NULL: no such tensor
const JsonValue *st_metadata(const StFile *f);              // object of strings; NULL: none

// Copies all elements of t to `out`, dense and of dtype `to`, converting where the value is kept:
// any float to F32 or F64 (F64 to F32 rounds; finite values that overflow are an error), U8 to BOOL
// (0 and 1 only), integers to I32 or I64 when every value fits.  Other pairs are refused.
int st_copy(const StTensor *t, StDType to, void *out, BigsError *e);
// Tensors of floats of one shape: do they hold the same numbers, whatever their dtypes?  NaN is NaN.
int st_same_floats(const StTensor *a, const StTensor *b, bool *same, BigsError *e);

// Bytes [at, at + size) of t, which has them, to `out`.  Any threads may read at once.
int st_read(const StTensor *t, size_t at, void *out, size_t size, BigsError *e);

// How t's numbers lie in the file: I8 where they are read as F32 by scales (st_int8.h), which count as bytes of t then.
StDType st_stored(const StTensor *t, size_t *bytes);

// ---- a file of another form as one of these, by what knows the form (runtime/foreign)
typedef struct StSource {
  int (*read)(void *own, const StTensor *t, size_t at, void *out, size_t size,
              BigsError *e); // as st_read, of one with `made`
  void (*close)(void *own);  // and with it what the tensors' names and shapes point to
} StSource;
int st_start(const char *path, StFile **out, BigsError *e); // opened, without tensors
size_t st_size(const StFile *f);                            // bytes of the file
// Bytes [at, at + size) of the file; some that it lacks are an error.  Any threads may read at once.
int st_bytes(const StFile *f, size_t at, void *out, size_t size, BigsError *e);
// The tensors' list, once: name, dtype, rank, shape and place of each are given.  The source and `own`, its own, are f's from
// now on, also on failure.  Two of one name are an error, and so is one that ends behind the file.
int st_fill(StFile *f, const StSource *source, void *own, const StTensor *tensor, int count,
            BigsError *e);

// "F32 [2, 3]", for messages; returns buf.
char *st_describe(const StTensor *t, char *buf, size_t size);

// ---- writing: create, declare every tensor, write their bytes in the order of declaration (any
// number of pieces, crossing tensors or not), finish.  After a failure the old file still stands
// and every further call returns the same failure.
typedef struct StWriter StWriter;
StWriter *st_create(const char *path, BigsError *e);
// A pair of __metadata__ besides "format": "pt".
int st_add_metadata(StWriter *w, const char *key, const char *value, BigsError *e);
int st_declare(StWriter *w, const char *name, StDType dtype, int rank, const int64_t *shape,
               BigsError *e);
int st_write(StWriter *w, const void *data, size_t nbytes, BigsError *e);
int st_finish(StWriter *w, BigsError *e); // frees w, also on failure
void st_cancel(StWriter *w);              // removes the temporary and frees w; NULL is allowed
#endif

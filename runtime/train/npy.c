// See npy.h.
#include "runtime/train/npy.h"
#include "base/alloc.h"
#include "base/bug.h"
#include <stdlib.h>
#include <string.h>

enum { NPY_MAX_HEADER = 1 << 16 };

typedef struct Npy { // what the tensor points to
  char *name;
  int64_t shape[ST_MAX_RANK];
} Npy;

static int no_read(void *own, const StTensor *t, size_t at, void *out, size_t size, BigsError *e) {
  (void)own, (void)t, (void)at, (void)out, (void)size, (void)e;
  BUG("a tensor of an .npy file lies in the file");
}
static void close_npy(void *own) {
  free(((Npy *)own)->name);
  free(own);
}
static const StSource source = {no_read, close_npy};

// ---- the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
typedef struct NpyHeader {
  const char *at, *path;
  Npy *npy;
  StTensor *t;
  BigsError *e;
  unsigned seen; // bits of keys
} NpyHeader;

static int damaged(const NpyHeader *h, const char *what) {
  return bigs_fail(h->e, BIGS_EFILE, "%s: the header of an .npy file is damaged: %s", h->path,
                   what);
}

static bool take(NpyHeader *h, const char *text) {
  h->at += strspn(h->at, " \n");
  size_t n = strlen(text);
  bool is = !strncmp(h->at, text, n);
  h->at += is ? n : 0;
  return is;
}

// The text between quotes.
static bool take_string(NpyHeader *h, char *out, size_t size) {
  h->at += strspn(h->at, " \n");
  char quote[2] = {*h->at == '"' ? '"' : '\'', 0};
  size_t n = *h->at == *quote ? strcspn(h->at + 1, quote) : size;
  if (n >= size || h->at[n + 1] != *quote)
    return false;
  memcpy(out, h->at + 1, n);
  out[n] = 0;
  h->at += n + 2;
  return true;
}

static const struct {
  const char *descr;
  StDType dtype;
} npy_dtypes[] = {{"|b1", ST_BOOL}, {"|u1", ST_U8},  {"|i1", ST_I8},  {"<u2", ST_U16},
                  {"<i2", ST_I16},  {"<u4", ST_U32}, {"<i4", ST_I32}, {"<u8", ST_U64},
                  {"<i8", ST_I64},  {"<f2", ST_F16}, {"<f4", ST_F32}, {"<f8", ST_F64}};

static int read_descr(NpyHeader *h) {
  char descr[16];
  if (take(h, "["))
    return bigs_fail(h->e, BIGS_EFILE, "%s: an array of records, which is not read", h->path);
  if (!take_string(h, descr, sizeof descr))
    return damaged(h, "no dtype");
  for (int i = 0; i < COUNT(npy_dtypes); i++)
    if (!strcmp(descr, npy_dtypes[i].descr)) {
      h->t->dtype = npy_dtypes[i].dtype;
      return 0;
    }
  bool object = descr[0] && strchr(descr, 'O'), big = descr[0] == '>';
  return bigs_fail(h->e, BIGS_EFILE, "%s: dtype '%s' is not read: %s", h->path, descr,
                   object ? "pickled objects are programs, and nothing in a file is ever run"
                   : big  ? "it is big-endian; save it as little-endian"
                          : "there are bool, integers, f2, f4 and f8");
}

static int read_order(NpyHeader *h) {
  if (take(h, "False"))
    return 0;
  return take(h, "True") ? bigs_fail(h->e, BIGS_EFILE,
                                     "%s: the array is in Fortran order: save it by "
                                     "numpy.ascontiguousarray",
                                     h->path)
                         : damaged(h, "no order");
}

static int read_extent(NpyHeader *h) {
  char *end;
  h->at += strspn(h->at, " \n");
  if (h->t->rank == ST_MAX_RANK)
    return damaged(h, "too many axes");
  if (!(*h->at >= '0' && *h->at <= '9') || strspn(h->at, "0123456789") > 18)
    return damaged(h, "no extent of an axis");
  h->npy->shape[h->t->rank++] = strtoll(h->at, &end, 10);
  h->at = end + (*end == 'L'); // as Python 2 wrote it
  return 0;
}

static int read_shape(NpyHeader *h) {
  if (!take(h, "("))
    return damaged(h, "no shape");
  while (!take(h, ")")) {
    int status = read_extent(h);
    if (status)
      return status;
    if (!take(h, ",") && h->at[strspn(h->at, " \n")] != ')')
      return damaged(h, "no end of its shape");
  }
  return 0;
}

static int read_member(NpyHeader *h) {
  static const struct {
    const char *key;
    int (*read)(NpyHeader *h);
  } keys[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
  char key[32];
  if (!take_string(h, key, sizeof key) || !take(h, ":"))
    return damaged(h, "no key");
  for (unsigned i = 0; i < COUNT(keys); i++)
    if (!strcmp(key, keys[i].key) && !(h->seen >> i & 1)) {
      h->seen |= 1u << i;
      return keys[i].read(h);
    }
  return damaged(h, "a key that is unknown, or there twice");
}

static int read_header(NpyHeader *h) {
  if (!take(h, "{"))
    return damaged(h, "no dictionary");
  while (!take(h, "}")) {
    int status = read_member(h);
    if (status)
      return status;
    if (!take(h, ",") && h->at[strspn(h->at, " \n")] != '}')
      return damaged(h, "no end of it");
  }
  h->at += strspn(h->at, " \n");
  return *h->at ? damaged(h, "text behind it") : h->seen != 7 ? damaged(h, "a key is missing") : 0;
}

// ---- the file
// Where its header lies: magic, version, and 2 or, from version 2 on, 4 bytes of length.
static int find_header(const StFile *f, size_t *at, size_t *size, BigsError *e) {
  uint8_t b[12] = {0};
  size_t have = st_size(f) < sizeof b ? st_size(f) : sizeof b;
  int status = st_bytes(f, 0, b, have, e);
  if (status)
    return status;
  if (have < 10 || memcmp(b, "\x93NUMPY", 6) != 0)
    return bigs_fail(e, BIGS_EFILE, "%s: no .npy file: it does not begin as one", st_path(f));
  if (b[6] < 1 || b[6] > 3)
    return bigs_fail(e, BIGS_EFILE, "%s: version %d.%d of .npy is not read", st_path(f), b[6],
                     b[7]);
  *at = b[6] == 1 ? 10 : 12;
  *size = b[8] | (size_t)b[9] << 8;
  if (b[6] > 1)
    *size |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  return *size <= NPY_MAX_HEADER
             ? 0
             : bigs_fail(e, BIGS_EFILE, "%s: a header of %zu bytes: the .npy file is damaged",
                         st_path(f), *size);
}

static int parse(const StFile *f, Npy *npy, StTensor *t, BigsError *e) {
  size_t at = 0, size = 0;
  char text[NPY_MAX_HEADER + 1];
  int status = find_header(f, &at, &size, e);
  status = status ? status : st_bytes(f, at, text, size, e);
  if (status)
    return status;
  text[size] = 0;
  *t = (StTensor){.name = npy->name, .shape = npy->shape, .offset = at + size};
  NpyHeader h = {text, st_path(f), npy, t, e, 0};
  return strlen(text) == size ? read_header(&h) : damaged(&h, "a NUL in it");
}

static char *stem(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t n = strlen(name);
  return strndup(name, n > 4 && !strcmp(name + n - 4, ".npy") ? n - 4 : n);
}

// Nothing may stand behind the array: it would be of another shape then.
static int check_end(const StFile *f, BigsError *e) {
  const StTensor *t = st_at(f, 0);
  size_t end = t->offset + t->nbytes;
  return end == st_size(f)
             ? 0
             : bigs_fail(e, BIGS_EFILE, "%s: %zu bytes behind the array: the .npy file is damaged",
                         st_path(f), st_size(f) - end);
}

// The array's name and shape are the file's from here on, also on failure.
static int fill(StFile *f, Npy *npy, BigsError *e) {
  StTensor t = {0};
  int status = parse(f, npy, &t, e);
  if (status) {
    close_npy(npy);
    return status;
  }
  status = st_fill(f, &source, npy, &t, 1, e);
  return status ? status : check_end(f, e);
}

int npy_open(const char *path, StFile **out, BigsError *e) {
  int status = st_start(path, out, e);
  if (status)
    return status;
  Npy *npy = ALLOC(Npy);
  if (npy && !(npy->name = stem(path))) {
    free(npy);
    npy = NULL;
  }
  status = npy ? fill(*out, npy, e) : bigs_fail_memory(e, path);
  if (status) {
    st_close(*out);
    *out = NULL;
  }
  return status;
}

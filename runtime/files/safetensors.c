// Reading safetensors: see safetensors.h.
#include "runtime/files/safetensors.h"
#include "runtime/files/file.h"
#include "base/alloc.h"
#include "runtime/files/st_int8.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_BRACE "%s: byte 8: the header does not start with '{': not a safetensors file?"

static const struct {
  const char *name;
  int bits;
} st_dtypes[ST_DTYPES] = {
    [ST_BOOL] = {"BOOL", 8},
    [ST_U8] = {"U8", 8},
    [ST_I8] = {"I8", 8},
    [ST_F4] = {"F4", 4},
    [ST_F6_E2M3] = {"F6_E2M3", 6},
    [ST_F6_E3M2] = {"F6_E3M2", 6},
    [ST_F8_E4M3] = {"F8_E4M3", 8},
    [ST_F8_E5M2] = {"F8_E5M2", 8},
    [ST_F8_E8M0] = {"F8_E8M0", 8},
    [ST_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [ST_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [ST_U16] = {"U16", 16},
    [ST_I16] = {"I16", 16},
    [ST_F16] = {"F16", 16},
    [ST_BF16] = {"BF16", 16},
    [ST_U32] = {"U32", 32},
    [ST_I32] = {"I32", 32},
    [ST_F32] = {"F32", 32},
    [ST_U64] = {"U64", 64},
    [ST_I64] = {"I64", 64},
    [ST_F64] = {"F64", 64},
    [ST_C64] = {"C64", 64},
};

const char *st_dtype_name(StDType t) {
  return st_dtypes[t].name;
}
int st_dtype_size(StDType t) {
  return st_dtypes[t].bits / 8;
}

struct StFile {
  char *path;
  int fd;
  struct timespec changed; // when the file was last written to, as it was opened
  size_t size, data;       // bytes of the file; where the tensors' bytes start
  JsonDoc *header;
  const JsonValue *metadata;
  int count;
  StTensor *tensor; // in order of data
  int *by_name;     // indices in order of name
  int64_t *shapes;
  const StSource *source; // of a file of another form
  void *own;
};

// A tensor under check: all messages about it start alike.
#define TENSOR_FAIL(f, m, e, ...)                                                                  \
  (bigs_fail(e, BIGS_EFILE, __VA_ARGS__),                                                          \
   bigs_error_prefix(e, "%s: tensor \"%.120s\" (header byte %zu)", (f)->path, (m)->key,            \
                     (m)->offset),                                                                 \
   BIGS_EFILE)

// A count written in the header: "negative" and "not whole" deserve words of their own.
static int read_count(StFile *f, const JsonValue *m, const JsonValue *v, const char *what,
                      int64_t *out, BigsError *e) {
  if (v->kind != JSON_NUMBER)
    return TENSOR_FAIL(f, m, e, "%s is %s, not a number", what, json_kind_name(v->kind));
  if (v->text[0] == '-')
    return TENSOR_FAIL(f, m, e, "%s is negative: %.40s", what, v->text);
  if (json_int(v, out))
    return 0;
  if (strpbrk(v->text, ".eE"))
    return TENSOR_FAIL(f, m, e, "%s is not an integer: %.40s", what, v->text);
  return TENSOR_FAIL(f, m, e, "%s is too large: %.40s", what, v->text);
}

static int read_dtype(StFile *f, const JsonValue *m, StTensor *t, BigsError *e) {
  const JsonValue *v = json_get(m, "dtype");
  if (!v || v->kind != JSON_STRING)
    return TENSOR_FAIL(f, m, e, v ? "\"dtype\" is not a string" : "no \"dtype\"");
  for (int i = 0; i < ST_DTYPES; i++)
    if (json_equals(v, st_dtypes[i].name)) {
      t->dtype = (StDType)i;
      return 0;
    }
  return TENSOR_FAIL(f, m, e, "unknown dtype \"%.40s\"", v->text);
}

// Sets *bits, the elements and the bytes, of rank, shape and dtype; false: too many to count.
static bool measure(StTensor *t, int64_t *bits) {
  bool overflow = false, empty = false;
  t->elements = 1;
  for (int i = 0; i < t->rank; i++) {
    empty |= t->shape[i] == 0;
    overflow |= __builtin_mul_overflow(t->elements, t->shape[i] ? t->shape[i] : 1, &t->elements);
  }
  if (overflow || __builtin_mul_overflow(t->elements, st_dtypes[t->dtype].bits, bits))
    return false;
  if (empty)
    t->elements = *bits = 0;
  t->nbytes = (size_t)*bits / 8;
  return true;
}

static int read_shape(StFile *f, const JsonValue *m, StTensor *t, int64_t *shape, BigsError *e) {
  const JsonValue *v = json_get(m, "shape");
  if (!v || v->kind != JSON_ARRAY)
    return TENSOR_FAIL(f, m, e, v ? "\"shape\" is not an array" : "no \"shape\"");
  if (v->count > ST_MAX_RANK)
    return TENSOR_FAIL(f, m, e, "%d axes, more than %d", v->count, ST_MAX_RANK);
  t->shape = shape;
  for (const JsonValue *x = v->child; x; x = x->next, t->rank++)
    if (read_count(f, m, x, "an extent", shape++, e))
      return BIGS_EFILE;
  int64_t bits;
  if (!measure(t, &bits))
    return TENSOR_FAIL(f, m, e, "the product of its extents overflows");
  if (bits % 8)
    return TENSOR_FAIL(f, m, e, "its %lld elements of %d bits end within a byte",
                       (long long)t->elements, st_dtypes[t->dtype].bits);
  return 0;
}

static int read_offsets(StFile *f, const JsonValue *m, StTensor *t, BigsError *e) {
  const JsonValue *v = json_get(m, "data_offsets");
  if (!v || v->kind != JSON_ARRAY || v->count != 2)
    return TENSOR_FAIL(f, m, e, v ? "\"data_offsets\" is not a pair" : "no \"data_offsets\"");
  int64_t lo, hi;
  if (read_count(f, m, v->child, "a data offset", &lo, e) ||
      read_count(f, m, v->child->next, "a data offset", &hi, e))
    return BIGS_EFILE;
  if (hi < lo)
    return TENSOR_FAIL(f, m, e, "data offsets [%lld, %lld] run backwards", (long long)lo,
                       (long long)hi);
  if ((uint64_t)hi > f->size - f->data)
    return TENSOR_FAIL(f, m, e,
                       "data offsets [%lld, %lld] end past the %zu bytes of data: the file is "
                       "truncated, or its header wrong",
                       (long long)lo, (long long)hi, f->size - f->data);
  char text[400];
  if ((uint64_t)(hi - lo) != t->nbytes)
    return TENSOR_FAIL(f, m, e, "%s needs %zu bytes, its data offsets span %lld",
                       st_describe(t, text, sizeof text), t->nbytes, (long long)(hi - lo));
  t->offset = f->data + (size_t)lo;
  t->file = f;
  return 0;
}

static int read_tensor(StFile *f, const JsonValue *m, StTensor *t, int64_t *shape, BigsError *e) {
  if (memchr(m->key, 0, m->key_size))
    return TENSOR_FAIL(f, m, e, "a NUL character in its name");
  if (m->kind != JSON_OBJECT)
    return TENSOR_FAIL(f, m, e, "%s, not an object", json_kind_name(m->kind));
  t->name = m->key;
  for (const JsonValue *x = m->child; x; x = x->next)
    if (strcmp(x->key, "dtype") != 0 && strcmp(x->key, "shape") != 0 &&
        strcmp(x->key, "data_offsets") != 0)
      return TENSOR_FAIL(f, m, e, "unknown field \"%.40s\"", x->key);
  int status = read_dtype(f, m, t, e);
  status = status ? status : read_shape(f, m, t, shape, e);
  return status ? status : read_offsets(f, m, t, e);
}

static int read_metadata(StFile *f, const JsonValue *m, BigsError *e) {
  if (m->kind == JSON_NULL) // as other readers have it: none
    return 0;
  if (m->kind != JSON_OBJECT)
    return bigs_fail(e, BIGS_EFILE, "%s: __metadata__ is %s, not an object", f->path,
                     json_kind_name(m->kind));
  for (const JsonValue *x = m->child; x; x = x->next)
    if (x->kind != JSON_STRING)
      return bigs_fail(e, BIGS_EFILE,
                       "%s: header byte %zu: __metadata__ \"%.80s\" is %s, not a string", f->path,
                       x->offset, x->key, json_kind_name(x->kind));
  f->metadata = m;
  return 0;
}

static int by_offset(const void *a, const void *b) {
  const StTensor *x = (const StTensor *)a, *y = (const StTensor *)b;
  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  if (x->nbytes != y->nbytes)
    return x->nbytes < y->nbytes ? -1 : 1;
  return strcmp(x->name, y->name); // empty tensors at one place
}

// Sorted tensors must cover the data exactly: no overlap, no gap, nothing behind the last.
static int check_cover(StFile *f, BigsError *e) {
  size_t at = f->data;
  const char *last = NULL;
  for (int i = 0; i < f->count; i++) {
    const StTensor *t = &f->tensor[i];
    if (t->offset < at)
      return bigs_fail(e, BIGS_EFILE,
                       "%s: the data of tensors \"%.120s\" and \"%.120s\" overlap at byte %zu",
                       f->path, last, t->name, t->offset);
    if (t->offset > at)
      return bigs_fail(e, BIGS_EFILE,
                       "%s: bytes %zu to %zu, before tensor \"%.120s\", belong to no tensor",
                       f->path, at, t->offset, t->name);
    at += t->nbytes;
    last = t->name;
  }
  if (at != f->size)
    return bigs_fail(e, BIGS_EFILE,
                     "%s: bytes %zu to %zu, behind the last tensor, belong to no tensor", f->path,
                     at, f->size);
  return 0;
}

static int by_name(const void *a, const void *b, void *ctx) {
  const StTensor *t = (const StTensor *)ctx;
  return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

static void sort_names(StFile *f) {
  for (int i = 0; i < f->count; i++)
    f->by_name[i] = i;
  qsort_r(f->by_name, (size_t)f->count, sizeof *f->by_name, by_name, f->tensor);
}

static int read_tensors(StFile *f, BigsError *e) {
  const JsonValue *root = json_root(f->header);
  if (root->kind != JSON_OBJECT)
    return bigs_fail(e, BIGS_EFILE, "%s: the header is %s, not an object", f->path,
                     json_kind_name(root->kind));
  size_t n = (size_t)root->count, axes = 0;
  for (const JsonValue *m = root->child; m; m = m->next) {
    const JsonValue *shape = json_get(m, "shape");
    axes += shape && shape->count <= ST_MAX_RANK ? (size_t)shape->count : 0;
  }
  f->tensor = ALLOC_N(StTensor, n + 1);
  f->by_name = ALLOC_N(int, n + 1);
  f->shapes = ALLOC_N(int64_t, axes + 1);
  if (!f->tensor || !f->by_name || !f->shapes)
    return bigs_fail_memory(e, f->path);
  int64_t *shape = f->shapes;
  for (const JsonValue *m = root->child; m; m = m->next) {
    bool meta = m->key_size == 12 && !memcmp(m->key, "__metadata__", 12);
    StTensor *t = &f->tensor[f->count];
    int status = meta ? read_metadata(f, m, e) : read_tensor(f, m, t, shape, e);
    if (status)
      return status;
    shape += meta ? 0 : t->rank;
    f->count += !meta;
  }
  qsort(f->tensor, (size_t)f->count, sizeof *f->tensor, by_offset);
  sort_names(f);
  return check_cover(f, e);
}

static int changed(const StFile *f, BigsError *e) {
  return bigs_fail(e, BIGS_EFILE, "%s: the file changed while it was read", f->path);
}

// Bytes [at, at + size), which the file had when it was opened.
static int read_bytes(const StFile *f, size_t at, void *out, size_t size, BigsError *e) {
  for (size_t n = 0; n < size;) {
    size_t piece = size - n > FILE_MAX_IO ? FILE_MAX_IO : size - n;
    ssize_t got = pread(f->fd, (char *)out + n, piece, (off_t)(at + n));
    if (got < 0 && errno != EINTR)
      return bigs_fail_errno(e, "read", f->path);
    if (got == 0)
      return changed(f, e);
    n += got < 0 ? 0 : (size_t)got;
  }
  struct stat st;
  if (fstat(f->fd, &st) != 0)
    return bigs_fail_errno(e, "read", f->path);
  bool same = (size_t)st.st_size == f->size && st.st_mtim.tv_sec == f->changed.tv_sec &&
              st.st_mtim.tv_nsec == f->changed.tv_nsec;
  return same ? 0 : changed(f, e);
}

int st_read(const StTensor *t, size_t at, void *out, size_t size, BigsError *e) {
  if (t->made && size)
    return t->file->source->read(t->file->own, t, at, out, size, e);
  return size ? read_bytes(t->file, t->offset + at, out, size, e) : 0;
}

static int parse_header(StFile *f, char *text, size_t n, BigsError *e) {
  int status = read_bytes(f, 8, text, n, e);
  if (!status && *text != '{')
    status = bigs_fail(e, BIGS_EFILE, NO_BRACE, f->path);
  f->header = status ? NULL : json_parse(text, n, f->path, 8, e);
  return f->header ? read_tensors(f, e) : bigs_status(e, BIGS_EFILE);
}

static bool file_begins_with(const StFile *f, const char *what) {
  char start[64];
  size_t n = strlen(what);
  BigsError none = {0};
  return f->size >= n && n <= sizeof start && !read_bytes(f, 0, start, n, &none) &&
         !memcmp(start, what, n);
}

// Another file, by how it begins.
static int other_file(const StFile *f, uint64_t n, BigsError *e) {
  if (file_begins_with(f, FILE_LFS))
    return file_fail_lfs(f->path, e);
  if (file_begins_with(f, "\x93NUMPY"))
    return bigs_fail(e, BIGS_EFILE,
                     "%s: a NumPy array, which has no name: tensors are read from safetensors "
                     "files, where each has its own",
                     f->path);
  return bigs_fail(
      e, BIGS_EFILE,
      "%s: byte 0: header length %llu is over the limit of %d: not a safetensors file?", f->path,
      (unsigned long long)n, ST_MAX_HEADER);
}

static int read_header(StFile *f, BigsError *e) {
  uint8_t length[8];
  uint64_t n = 0;
  if (f->size < 8)
    return bigs_fail(e, BIGS_EFILE, "%s: %zu bytes: too short for a safetensors file", f->path,
                     f->size);
  if (read_bytes(f, 0, length, 8, e))
    return BIGS_EFILE;
  for (int i = 8; i-- > 0;)
    n = n << 8 | length[i];
  if (n > ST_MAX_HEADER)
    return other_file(f, n, e);
  if (n > f->size - 8)
    return bigs_fail(e, BIGS_EFILE,
                     "%s: byte 0: header length %llu, but only %zu bytes follow: truncated?",
                     f->path, (unsigned long long)n, f->size - 8);
  if (n == 0)
    return bigs_fail(e, BIGS_EFILE, NO_BRACE, f->path);
  f->data = 8 + (size_t)n;
  char *text = MALLOC_N(char, n);
  int status = text ? parse_header(f, text, (size_t)n, e) : bigs_fail_memory(e, f->path);
  free(text);
  return status;
}

// The file is never mapped: one that another process cuts would kill this one.
static int open_file(StFile *f, BigsError *e) {
  struct stat st;
  f->fd = file_open(f->path, O_RDONLY | O_NONBLOCK); // a pipe has nobody who writes into it
  if (f->fd < 0)
    return bigs_fail_errno(e, "open", f->path);
  if (fstat(f->fd, &st) != 0)
    return bigs_fail_errno(e, "read", f->path);
  if (!S_ISREG(st.st_mode))
    return bigs_fail(e, BIGS_EFILE, "%s: not a regular file", f->path);
  f->size = (size_t)st.st_size;
  f->changed = st.st_mtim;
  return 0;
}

int st_start(const char *path, StFile **out, BigsError *e) {
  *out = NULL;
  StFile *f = ALLOC(StFile);
  if (!f || !(f->path = strdup(path))) {
    free(f);
    return bigs_fail_memory(e, path);
  }
  f->fd = -1;
  int status = open_file(f, e);
  if (status)
    st_close(f);
  else
    *out = f;
  return status;
}

static int take_int8(StFile *f, BigsError *e) {
  if (!f->metadata || !json_get(f->metadata, ST_INT8))
    return 0;
  int status = st_int8_make(f, f->tensor, &f->count, &f->own, e);
  f->source = f->own ? &st_int8_source : NULL;
  sort_names(f);
  return status;
}

int st_open(const char *path, StFile **out, BigsError *e) {
  int status = st_start(path, out, e);
  status = status ? status : read_header(*out, e);
  status = status ? status : take_int8(*out, e);
  if (status && *out) {
    st_close(*out);
    *out = NULL;
  }
  return status;
}

// ---- a file of another form
size_t st_size(const StFile *f) {
  return f->size;
}

int st_bytes(const StFile *f, size_t at, void *out, size_t size, BigsError *e) {
  if (at <= f->size && size <= f->size - at)
    return size ? read_bytes(f, at, out, size, e) : 0;
  return bigs_fail(e, BIGS_EFILE,
                   "%s: ends at byte %zu, where %zu bytes from byte %zu are needed: truncated?",
                   f->path, f->size, size, at);
}

static int fill_tensor(StFile *f, const StTensor *given, BigsError *e) {
  StTensor *t = &f->tensor[f->count++];
  int64_t bits;
  *t = *given;
  t->file = f;
  if (t->rank > ST_MAX_RANK || !measure(t, &bits))
    return bigs_fail(e, BIGS_EFILE, "%s: tensor \"%.120s\": %s", f->path, t->name,
                     t->rank > ST_MAX_RANK ? "too many axes"
                                           : "the product of its extents overflows");
  if (!t->made && (t->offset > f->size || t->nbytes > f->size - t->offset))
    return bigs_fail(
        e, BIGS_EFILE,
        "%s: tensor \"%.120s\": its %zu bytes from byte %zu end behind the file: truncated?",
        f->path, t->name, t->nbytes, t->offset);
  return 0;
}

static int check_names_differ(const StFile *f, BigsError *e) {
  for (int i = 1; i < f->count; i++) {
    const char *a = f->tensor[f->by_name[i - 1]].name, *b = f->tensor[f->by_name[i]].name;
    if (!strcmp(a, b))
      return bigs_fail(e, BIGS_EFILE, "%s: two tensors have the name \"%.120s\"", f->path, a);
  }
  return 0;
}

StDType st_stored(const StTensor *t, size_t *bytes) {
  bool packed = t->made && t->file->source == &st_int8_source;
  *bytes = packed ? st_int8_bytes(t) : t->nbytes;
  return packed ? ST_I8 : t->dtype;
}

int st_fill(StFile *f, const StSource *source, void *own, const StTensor *tensor, int count,
            BigsError *e) {
  int status = 0;
  f->source = source;
  f->own = own;
  f->tensor = ALLOC_N(StTensor, count + 1);
  f->by_name = ALLOC_N(int, count + 1);
  if (!f->tensor || !f->by_name)
    return bigs_fail_memory(e, f->path);
  for (int i = 0; i < count && !status; i++)
    status = fill_tensor(f, &tensor[i], e);
  sort_names(f);
  return status ? status : check_names_differ(f, e);
}

void st_close(StFile *f) {
  if (!f)
    return;
  if (f->fd >= 0)
    close(f->fd);
  if (f->source)
    f->source->close(f->own);
  json_free(f->header);
  free(f->tensor);
  free(f->by_name);
  free(f->shapes);
  free(f->path);
  free(f);
}

const char *st_path(const StFile *f) {
  return f->path;
}
int st_count(const StFile *f) {
  return f->count;
}
const StTensor *st_at(const StFile *f, int i) {
  return &f->tensor[i];
}
const JsonValue *st_metadata(const StFile *f) {
  return f->metadata;
}

const StTensor *st_find(const StFile *f, const char *name) {
  int lo = 0, hi = f->count;
  while (lo < hi) {
    int mid = lo + (hi - lo) / 2, c = strcmp(f->tensor[f->by_name[mid]].name, name);
    if (c == 0)
      return &f->tensor[f->by_name[mid]];
    if (c < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return NULL;
}

char *st_describe(const StTensor *t, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "%s [", st_dtypes[t->dtype].name);
  for (int i = 0; i < t->rank && n < size; i++)
    n += (size_t)snprintf(buf + n, size - n, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
  if (n < size)
    snprintf(buf + n, size - n, "]");
  return buf;
}

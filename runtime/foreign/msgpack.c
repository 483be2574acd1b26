// flax_model.msgpack: nested maps of names, and arrays as flax.serialization writes them.  The format is that of
// github.com/msgpack/msgpack/blob/master/spec.md.
#include "base/alloc.h"
#include "runtime/foreign/foreign_internal.h"
#include <stdio.h>
#include <string.h>

enum { WINDOW = 1 << 16, MAX_NAME = 1 << 12, MAX_DEPTH = 64, EXT_ARRAY = 1, EXT_SCALAR = 3 };

// Reads the file from its start to its end; arrays' bytes are passed over.
typedef struct Msgpack {
  Foreign *x;
  size_t at, from, have; // of the window: its place in the file, and its bytes
  unsigned char window[WINDOW];
  char path[2 * MAX_NAME]; // names so far, joined by dots
  size_t npath;
} Msgpack;

typedef enum MsgKind {
  MSG_NIL,
  MSG_BOOL,
  MSG_INT,
  MSG_FLOAT,
  MSG_TEXT,
  MSG_BYTES,
  MSG_LIST,
  MSG_MAP,
  MSG_EXT
} MsgKind;
// The start of a value: what follows are n bytes (text, bytes, ext) or n values (list; map: n pairs).
typedef struct MsgHead {
  MsgKind kind;
  uint64_t n; // of MSG_INT: the number, of one below 0 its two's complement
  bool negative;
  int type; // of MSG_EXT
} MsgHead;

static int damaged_at(const Msgpack *m, const char *what) {
  return foreign_fail(m->x, "byte %zu: %s", m->at, what);
}

// The next n bytes, n <= WINDOW; they are passed over.
static const unsigned char *msg_take(Msgpack *m, size_t n) {
  if (m->at < m->from || m->at + n > m->from + m->have) {
    size_t left = st_size(m->x->file) - m->at;
    m->from = m->at;
    m->have = left < WINDOW ? left : WINDOW;
    if (n > m->have) {
      damaged_at(m, "it ends within a value: the file is cut");
      return NULL;
    }
    if (st_bytes(m->x->file, m->at, m->window, m->have, m->x->e))
      return NULL;
  }
  m->at += n;
  return m->window + (m->at - n - m->from);
}

static int msg_pass(Msgpack *m, uint64_t n) {
  if (n > st_size(m->x->file) - m->at)
    return damaged_at(m, "it ends within a value: the file is cut");
  m->at += (size_t)n;
  return 0;
}

// ---- heads
typedef struct MsgCode {
  unsigned char first, last; // codes of this kind
  MsgKind kind;
  int size; // bytes of the count or number behind it; 0: it lies in the code
  int bits; // that of the code which hold it; -1: the count is `fixed`
  uint64_t fixed;
  bool negative; // a signed number
} MsgCode;
static const MsgCode codes[] = {
    {0x00, 0x7f, MSG_INT, 0, 7, 0, false},   {0x80, 0x8f, MSG_MAP, 0, 4, 0, false},
    {0x90, 0x9f, MSG_LIST, 0, 4, 0, false},  {0xa0, 0xbf, MSG_TEXT, 0, 5, 0, false},
    {0xc0, 0xc0, MSG_NIL, 0, -1, 0, false},  {0xc2, 0xc3, MSG_BOOL, 0, -1, 0, false},
    {0xc4, 0xc4, MSG_BYTES, 1, 0, 0, false}, {0xc5, 0xc5, MSG_BYTES, 2, 0, 0, false},
    {0xc6, 0xc6, MSG_BYTES, 4, 0, 0, false}, {0xc7, 0xc7, MSG_EXT, 1, 0, 0, false},
    {0xc8, 0xc8, MSG_EXT, 2, 0, 0, false},   {0xc9, 0xc9, MSG_EXT, 4, 0, 0, false},
    {0xca, 0xca, MSG_FLOAT, 4, 0, 0, false}, {0xcb, 0xcb, MSG_FLOAT, 8, 0, 0, false},
    {0xcc, 0xcc, MSG_INT, 1, 0, 0, false},   {0xcd, 0xcd, MSG_INT, 2, 0, 0, false},
    {0xce, 0xce, MSG_INT, 4, 0, 0, false},   {0xcf, 0xcf, MSG_INT, 8, 0, 0, false},
    {0xd0, 0xd0, MSG_INT, 1, 0, 0, true},    {0xd1, 0xd1, MSG_INT, 2, 0, 0, true},
    {0xd2, 0xd2, MSG_INT, 4, 0, 0, true},    {0xd3, 0xd3, MSG_INT, 8, 0, 0, true},
    {0xd4, 0xd4, MSG_EXT, 0, -1, 1, false},  {0xd5, 0xd5, MSG_EXT, 0, -1, 2, false},
    {0xd6, 0xd6, MSG_EXT, 0, -1, 4, false},  {0xd7, 0xd7, MSG_EXT, 0, -1, 8, false},
    {0xd8, 0xd8, MSG_EXT, 0, -1, 16, false}, {0xd9, 0xd9, MSG_TEXT, 1, 0, 0, false},
    {0xda, 0xda, MSG_TEXT, 2, 0, 0, false},  {0xdb, 0xdb, MSG_TEXT, 4, 0, 0, false},
    {0xdc, 0xdc, MSG_LIST, 2, 0, 0, false},  {0xdd, 0xdd, MSG_LIST, 4, 0, 0, false},
    {0xde, 0xde, MSG_MAP, 2, 0, 0, false},   {0xdf, 0xdf, MSG_MAP, 4, 0, 0, false},
    {0xe0, 0xff, MSG_INT, 0, 5, 0, true},
};

static int read_count_of(Msgpack *m, const MsgCode *c, unsigned code, MsgHead *out) {
  *out = (MsgHead){.kind = c->kind, .n = c->bits > 0 ? code & ((1u << c->bits) - 1) : c->fixed};
  if (c->size) {
    const unsigned char *p = msg_take(m, (size_t)c->size);
    if (!p)
      return BIGS_EFILE;
    out->n = big_endian(p, c->size);
  }
  int top = c->size ? 8 * c->size - 1 : c->bits - 1;
  out->negative = c->negative && (!c->size || out->n >> top & 1);
  if (c->kind != MSG_EXT)
    return 0;
  const unsigned char *type = msg_take(m, 1);
  out->type = type ? *type : 0;
  return type ? 0 : BIGS_EFILE;
}

static int read_head(Msgpack *m, MsgHead *out) {
  const unsigned char *p = msg_take(m, 1);
  unsigned code = p ? *p : 0;
  if (!p)
    return BIGS_EFILE;
  for (int i = 0; i < COUNT(codes); i++)
    if (code >= codes[i].first && code <= codes[i].last)
      return read_count_of(m, &codes[i], code, out);
  m->at--;
  return damaged_at(m, "a byte that begins no value: damaged, or no msgpack");
}

// A text of at most MAX_NAME bytes, in the window until the next read.
static const char *read_text(Msgpack *m, size_t *n) {
  MsgHead h;
  if (read_head(m, &h))
    return NULL;
  if (h.kind != MSG_TEXT || h.n > MAX_NAME) {
    damaged_at(m, "a name that is no short text");
    return NULL;
  }
  *n = (size_t)h.n;
  return (const char *)msg_take(m, *n);
}

// ---- arrays: [shape, name of a dtype, bytes]
static const struct {
  const char *name;
  StDType dtype;
} numpy_dtypes[] = {{"float32", ST_F32}, {"bfloat16", ST_BF16}, {"float16", ST_F16},
                    {"float64", ST_F64}, {"int32", ST_I32},     {"int64", ST_I64},
                    {"uint32", ST_U32},  {"uint64", ST_U64},    {"int16", ST_I16},
                    {"uint16", ST_U16},  {"int8", ST_I8},       {"uint8", ST_U8},
                    {"bool", ST_BOOL}};

static int read_dtype_name(Msgpack *m, StDType *out) {
  size_t n;
  const char *s = read_text(m, &n);
  if (!s)
    return BIGS_EFILE;
  for (int i = 0; i < COUNT(numpy_dtypes); i++)
    if (n == strlen(numpy_dtypes[i].name) && !memcmp(s, numpy_dtypes[i].name, n)) {
      *out = numpy_dtypes[i].dtype;
      return 0;
    }
  return foreign_fail(m->x, "%.200s is of dtype %.*s, which is not read", m->path,
                      (int)(n < 40 ? n : 40), s);
}

static int read_extent(Msgpack *m, int64_t *out) {
  MsgHead h;
  if (read_head(m, &h))
    return BIGS_EFILE;
  *out = (int64_t)h.n;
  bool good = h.kind == MSG_INT && !h.negative && h.n <= INT64_MAX;
  return good ? 0 : damaged_at(m, "an extent that is no whole number: damaged");
}

static int read_shape_list(Msgpack *m, StTensor *t) {
  MsgHead h;
  if (read_head(m, &h))
    return BIGS_EFILE;
  if (h.kind != MSG_LIST || h.n > ST_MAX_RANK)
    return damaged_at(m, "an array without a shape, or of too many axes: damaged");
  int64_t *shape = NEWN(m->x->arena, int64_t, h.n + 1);
  t->shape = shape;
  t->rank = (int)h.n;
  for (int i = 0; i < t->rank; i++)
    if (read_extent(m, &shape[i]))
      return BIGS_EFILE;
  return 0;
}

// Do the bytes that are there make this shape?
static bool makes(const StTensor *t, uint64_t bytes) {
  uint64_t n = (uint64_t)st_dtype_size(t->dtype);
  for (int i = 0; i < t->rank; i++)
    if (!t->shape[i])
      return bytes == 0;
  for (int i = 0; i < t->rank; i++)
    if (__builtin_mul_overflow(n, (uint64_t)t->shape[i], &n))
      return false;
  return n == bytes;
}

// What is within an extension of `size` bytes.
static int read_array(Msgpack *m, uint64_t size, StTensor *t) {
  size_t start = m->at;
  MsgHead h;
  if (read_head(m, &h))
    return BIGS_EFILE;
  if (h.kind != MSG_LIST || h.n != 3)
    return damaged_at(m, "an array that is not shape, dtype and bytes: damaged");
  if (read_shape_list(m, t) || read_dtype_name(m, &t->dtype) || read_head(m, &h))
    return BIGS_EFILE;
  if (h.kind != MSG_BYTES || !makes(t, h.n))
    return damaged_at(m, "an array whose bytes do not make its shape: damaged");
  t->offset = m->at;
  t->nbytes = (size_t)h.n;
  if (msg_pass(m, h.n))
    return BIGS_EFILE;
  return m->at - start == size ? 0
                               : damaged_at(m, "an array of another length than it says: damaged");
}

static int array_of(Msgpack *m, const MsgHead *h, StTensor *t) {
  if (h->kind == MSG_EXT && (h->type == EXT_ARRAY || h->type == EXT_SCALAR))
    return read_array(m, h->n, t);
  return damaged_at(m, h->kind == MSG_EXT ? "an extension that is no array: not read"
                                          : "a value that is no array: not read");
}

static int name_tensor(Msgpack *m, StTensor *t) {
  t->name = foreign_name(m->x, m->path, m->npath);
  if (t->name)
    foreign_add(m->x, t);
  return t->name ? 0 : BIGS_EFILE;
}

// ---- arrays in chunks: {mark: true, "shape": {"0": 2, ...}, "chunks": {"0": array, ...}}
static const char chunk_mark[] = "__msgpack_chunked_array__";

typedef struct Chunks {
  int n;
  StTensor *v;
} Chunks;

static bool is_key(const char *s, size_t n, const char *key) {
  return n == strlen(key) && !memcmp(s, key, n);
}

// The number of a map's pairs, whose key has to be `key`.
static int read_counted(Msgpack *m, const char *key, uint64_t *count) {
  size_t n;
  MsgHead h;
  const char *s = read_text(m, &n);
  if (!s)
    return BIGS_EFILE;
  if (!is_key(s, n, key))
    return damaged_at(m, "an array in chunks that lacks its shape or its chunks: damaged");
  if (read_head(m, &h))
    return BIGS_EFILE;
  *count = h.n;
  return h.kind == MSG_MAP
             ? 0
             : damaged_at(m, "an array in chunks that lacks its shape or its chunks: damaged");
}

// Keys are "0", "1", ... in order.
static int read_number_key(Msgpack *m, uint64_t i) {
  char want[24];
  size_t n;
  const char *s = read_text(m, &n);
  snprintf(want, sizeof want, "%llu", (unsigned long long)i);
  if (!s)
    return BIGS_EFILE;
  return is_key(s, n, want) ? 0 : damaged_at(m, "parts of an array that are not in order: damaged");
}

static int read_chunk_shape(Msgpack *m, StTensor *t) {
  uint64_t n;
  if (read_counted(m, "shape", &n))
    return BIGS_EFILE;
  if (n > ST_MAX_RANK)
    return damaged_at(m, "an array of too many axes");
  int64_t *shape = NEWN(m->x->arena, int64_t, n + 1);
  t->shape = shape;
  t->rank = (int)n;
  for (int i = 0; i < t->rank; i++)
    if (read_number_key(m, (uint64_t)i) || read_extent(m, &shape[i]))
      return BIGS_EFILE;
  return 0;
}

static int read_chunk_list(Msgpack *m, StTensor *t) {
  VEC(StTensor) list = {0};
  uint64_t n, bytes = 0;
  if (read_counted(m, "chunks", &n))
    return BIGS_EFILE;
  for (uint64_t i = 0; i < n; i++) {
    MsgHead h;
    StTensor part = {0};
    if (read_number_key(m, i) || read_head(m, &h) || array_of(m, &h, &part))
      return BIGS_EFILE;
    if (i && part.dtype != list.v[0].dtype)
      return damaged_at(m, "chunks of several dtypes: damaged");
    bytes += part.nbytes;
    vec_push(m->x->arena, &list, part);
  }
  t->dtype = n ? list.v[0].dtype : ST_F32;
  Chunks *c = NEW(m->x->arena, Chunks);
  *c = (Chunks){list.n, list.v};
  t->made = c;
  return n && makes(t, bytes) ? 0 : damaged_at(m, "chunks that do not make their array: damaged");
}

// Behind the mark, the first key of three.
static int read_chunked(Msgpack *m, uint64_t pairs) {
  MsgHead h;
  StTensor t = {0};
  if (pairs != 3 || read_head(m, &h) || h.kind != MSG_BOOL)
    return damaged_at(m, "an array in chunks that lacks its shape or its chunks: damaged");
  if (read_chunk_shape(m, &t) || read_chunk_list(m, &t))
    return BIGS_EFILE;
  return name_tensor(m, &t);
}

static int make_chunked(Foreign *x, const StTensor *t, char *dense, BigsError *e) {
  const Chunks *c = t->made;
  int status = 0;
  for (int i = 0; i < c->n && !status; i++) {
    status = st_bytes(x->file, c->v[i].offset, dense, c->v[i].nbytes, e);
    dense += c->v[i].nbytes;
  }
  return status;
}

// ---- maps
static int read_map(Msgpack *m, uint64_t pairs, int depth);

// Numbers beside arrays, such as a step, are none of the weights.
static int read_value(Msgpack *m, int depth) {
  MsgHead h;
  StTensor t = {0};
  if (read_head(m, &h))
    return BIGS_EFILE;
  switch (h.kind) {
  case MSG_NIL:
  case MSG_BOOL:
  case MSG_INT:
  case MSG_FLOAT: return 0;
  case MSG_TEXT:
  case MSG_BYTES: return msg_pass(m, h.n);
  case MSG_MAP: return read_map(m, h.n, depth + 1);
  case MSG_LIST: return h.n ? damaged_at(m, "a list: only maps of arrays are read") : 0;
  default: return array_of(m, &h, &t) ? BIGS_EFILE : name_tensor(m, &t);
  }
}

static int enter(Msgpack *m, const char *name, size_t n) {
  size_t dot = m->npath != 0;
  if (m->npath + dot + n >= sizeof m->path)
    return damaged_at(m, "names that are too long: damaged");
  if (dot)
    m->path[m->npath++] = '.';
  memcpy(m->path + m->npath, name, n);
  m->npath += n;
  m->path[m->npath] = 0;
  return 0;
}

static int read_map(Msgpack *m, uint64_t pairs, int depth) {
  size_t outside = m->npath;
  if (depth > MAX_DEPTH)
    return damaged_at(m, "maps within maps of too many levels");
  for (uint64_t i = 0; i < pairs; i++) {
    size_t n;
    const char *s = read_text(m, &n);
    if (!s)
      return BIGS_EFILE;
    if (!i && is_key(s, n, chunk_mark))
      return read_chunked(m, pairs);
    if (enter(m, s, n) || read_value(m, depth))
      return BIGS_EFILE;
    m->npath = outside;
    m->path[outside] = 0;
  }
  return 0;
}

static int read_all_maps(Msgpack *m) {
  MsgHead h;
  if (read_head(m, &h))
    return bigs_status(m->x->e, BIGS_EFILE);
  if (h.kind != MSG_MAP)
    return foreign_fail(m->x, "it holds no map: not a file of flax");
  if (read_map(m, h.n, 0))
    return bigs_status(m->x->e, BIGS_EFILE);
  if (m->at != st_size(m->x->file))
    return damaged_at(m, "bytes behind the last value: damaged");
  return m->x->tensors.n ? 0 : foreign_fail(m->x, "it holds no array");
}

static int list_flax(Foreign *x) {
  Msgpack *m = NEW(x->arena, Msgpack);
  m->x = x;
  return read_all_maps(m);
}

int flax_open(const char *path, StFile **out, BigsError *e) {
  return foreign_open(path, list_flax, make_chunked, out, e);
}

// Tensors of a file to the dtype that a model wants: st_copy of safetensors.h.
#include "runtime/files/safetensors.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

static uint64_t load(const uint8_t *p, int size) { // little-endian
  uint64_t x = 0;
  for (int i = size; i-- > 0;)
    x = x << 8 | p[i];
  return x;
}

static float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static double half(uint32_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double x = exponent == 31 ? (fraction ? NAN : INFINITY)
             : exponent     ? ldexp(1024 + fraction, exponent - 25)
                            : ldexp(fraction, -24);
  return h >> 15 ? -x : x;
}

static double load_float(StDType t, const uint8_t *p) {
  uint64_t bits = load(p, st_dtype_size(t));
  double x;
  switch (t) {
  case ST_F16: return half((uint32_t)bits);
  case ST_BF16: return float_of_bits((uint32_t)bits << 16);
  case ST_F32: return float_of_bits((uint32_t)bits);
  default: memcpy(&x, &bits, 8); return x;
  }
}

bool st_is_float(StDType t) {
  return t == ST_F16 || t == ST_BF16 || t == ST_F32 || t == ST_F64;
}
static bool is_signed(StDType t) {
  return t == ST_I8 || t == ST_I16 || t == ST_I32 || t == ST_I64;
}
static bool is_unsigned(StDType t) {
  return t == ST_U8 || t == ST_U16 || t == ST_U32 || t == ST_U64;
}
bool st_is_whole(StDType t) {
  return is_signed(t) || is_unsigned(t);
}

// A piece of a tensor: n elements from number `first` on, as they are in the file.
typedef struct CopyPiece {
  const StTensor *t;
  const uint8_t *bytes;
  int64_t first, n;
} CopyPiece;
// Puts the piece where it belongs in `out`, which has room for all of the tensor.
typedef int Converter(const CopyPiece *piece, StDType to, void *out, BigsError *e);

static int floats(const CopyPiece *piece, StDType to, void *out, BigsError *e) {
  const uint8_t *p = piece->bytes;
  int size = st_dtype_size(piece->t->dtype);
  for (int64_t i = piece->first; i < piece->first + piece->n; i++, p += size) {
    double x = load_float(piece->t->dtype, p);
    float y = (float)x;
    if (to == ST_F64)
      memcpy((double *)out + i, &x, 8);
    else if (isinf(y) && !isinf(x))
      return bigs_fail(e, BIGS_EFILE, "%s: tensor \"%s\": element %lld, %g, does not fit F32",
                       st_path(piece->t->file), piece->t->name, (long long)i, x);
    else
      memcpy((float *)out + i, &y, 4);
  }
  return 0;
}

static int integers(const CopyPiece *piece, StDType to, void *out, BigsError *e) {
  const uint8_t *p = piece->bytes;
  bool negative = is_signed(piece->t->dtype);
  int size = st_dtype_size(piece->t->dtype), shift = 64 - 8 * size;
  for (int64_t i = piece->first; i < piece->first + piece->n; i++, p += size) {
    uint64_t bits = load(p, size);
    int64_t x = negative ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
    bool fits = negative || bits <= INT64_MAX;
    if (!fits || (to == ST_I32 && x != (int32_t)x))
      return bigs_fail(e, BIGS_EFILE, "%s: tensor \"%s\": element %lld does not fit %s",
                       st_path(piece->t->file), piece->t->name, (long long)i, st_dtype_name(to));
    if (to == ST_I32)
      ((int32_t *)out)[i] = (int32_t)x;
    else
      ((int64_t *)out)[i] = x;
  }
  return 0;
}

static int bools(const CopyPiece *piece, StDType to, void *out, BigsError *e) {
  (void)to;
  for (int64_t i = 0; i < piece->n; i++)
    if (piece->bytes[i] > 1)
      return bigs_fail(e, BIGS_EFILE, "%s: tensor \"%s\": element %lld is %d, neither 0 nor 1",
                       st_path(piece->t->file), piece->t->name, (long long)(piece->first + i),
                       piece->bytes[i]);
  memcpy((char *)out + piece->first, piece->bytes, (size_t)piece->n);
  return 0;
}

enum { PIECE = 1 << 14 };

// A piece at a time: no second copy of a tensor is ever in memory.
static int convert(const StTensor *t, StDType to, void *out, Converter *how, BigsError *e) {
  uint8_t bytes[PIECE];
  int64_t size = st_dtype_size(t->dtype), most = PIECE / size;
  int status = 0;
  for (int64_t i = 0; i < t->elements && !status; i += most) {
    CopyPiece piece = {t, bytes, i, t->elements - i < most ? t->elements - i : most};
    status = st_read(t, (size_t)(i * size), bytes, (size_t)(piece.n * size), e);
    status = status ? status : how(&piece, to, out, e);
  }
  return status;
}

int st_copy(const StTensor *t, StDType to, void *out, BigsError *e) {
  if (to == ST_BOOL && (t->dtype == ST_BOOL || t->dtype == ST_U8))
    return convert(t, to, out, bools, e);
  if (t->dtype == to)
    return st_read(t, 0, out, t->nbytes, e);
  if (st_is_float(t->dtype) && (to == ST_F32 || to == ST_F64))
    return convert(t, to, out, floats, e);
  if (st_is_whole(t->dtype) && (to == ST_I32 || to == ST_I64))
    return convert(t, to, out, integers, e);
  return bigs_fail(e, BIGS_EFILE, "%s: tensor \"%s\" is %s where %s is needed", st_path(t->file),
                   t->name, st_dtype_name(t->dtype), st_dtype_name(to));
}

// Elements [first, first + n) of both.
static int compare_piece(const StTensor *a, const StTensor *b, int64_t first, int64_t n, bool *same,
                         BigsError *e) {
  uint8_t p[PIECE], q[PIECE];
  int na = st_dtype_size(a->dtype), nb = st_dtype_size(b->dtype);
  int status = st_read(a, (size_t)(first * na), p, (size_t)(n * na), e);
  status = status ? status : st_read(b, (size_t)(first * nb), q, (size_t)(n * nb), e);
  if (status || (a->dtype == b->dtype && !memcmp(p, q, (size_t)(n * na))))
    return status;
  for (int64_t i = 0; i < n && *same; i++) {
    double x = load_float(a->dtype, p + i * na), y = load_float(b->dtype, q + i * nb);
    *same = x == y || (isnan(x) && isnan(y));
  }
  return 0;
}

int st_same_floats(const StTensor *a, const StTensor *b, bool *same, BigsError *e) {
  enum { MOST = PIECE / 8 };
  int status = 0;
  *same = true;
  for (int64_t i = 0; i < a->elements && *same && !status; i += MOST)
    status = compare_piece(a, b, i, a->elements - i < MOST ? a->elements - i : MOST, same, e);
  return status;
}

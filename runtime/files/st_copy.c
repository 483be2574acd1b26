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

static int copy_floats(const StTensor *t, StDType to, void *out, BigsError *e) {
  const uint8_t *p = t->data;
  int size = st_dtype_size(t->dtype);
  for (int64_t i = 0; i < t->elements; i++, p += size) {
    double x = load_float(t->dtype, p);
    float y = (float)x;
    if (to == ST_F64)
      memcpy((double *)out + i, &x, 8);
    else if (isinf(y) && !isinf(x))
      return bigs_fail(e, BIGS_EFILE, "tensor \"%s\": element %lld, %g, does not fit F32", t->name,
                       (long long)i, x);
    else
      memcpy((float *)out + i, &y, 4);
  }
  return 0;
}

static int copy_ints(const StTensor *t, StDType to, void *out, BigsError *e) {
  const uint8_t *p = t->data;
  int size = st_dtype_size(t->dtype), shift = 64 - 8 * size;
  for (int64_t i = 0; i < t->elements; i++, p += size) {
    uint64_t bits = load(p, size);
    int64_t x = is_signed(t->dtype) ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
    bool fits = is_signed(t->dtype) || bits <= INT64_MAX;
    if (!fits || (to == ST_I32 && x != (int32_t)x))
      return bigs_fail(e, BIGS_EFILE, "tensor \"%s\": element %lld does not fit %s", t->name,
                       (long long)i, st_dtype_name(to));
    if (to == ST_I32)
      ((int32_t *)out)[i] = (int32_t)x;
    else
      ((int64_t *)out)[i] = x;
  }
  return 0;
}

static int copy_bools(const StTensor *t, void *out, BigsError *e) {
  const uint8_t *p = t->data;
  for (int64_t i = 0; i < t->elements; i++)
    if (p[i] > 1)
      return bigs_fail(e, BIGS_EFILE, "tensor \"%s\": element %lld is %d, neither 0 nor 1", t->name,
                       (long long)i, p[i]);
  if (t->nbytes)
    memcpy(out, p, t->nbytes);
  return 0;
}

int st_copy(const StTensor *t, StDType to, void *out, BigsError *e) {
  if (to == ST_BOOL && (t->dtype == ST_BOOL || t->dtype == ST_U8))
    return copy_bools(t, out, e);
  if (t->dtype == to) {
    if (t->nbytes)
      memcpy(out, t->data, t->nbytes);
    return 0;
  }
  if (st_is_float(t->dtype) && (to == ST_F32 || to == ST_F64))
    return copy_floats(t, to, out, e);
  if ((is_signed(t->dtype) || is_unsigned(t->dtype)) && (to == ST_I32 || to == ST_I64))
    return copy_ints(t, to, out, e);
  return bigs_fail(e, BIGS_EFILE, "tensor \"%s\" is %s where %s is needed", t->name,
                   st_dtype_name(t->dtype), st_dtype_name(to));
}

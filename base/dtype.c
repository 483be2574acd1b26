// See dtype.h.
#include "base/dtype.h"
#include <string.h>

static const struct {
  const char *name;
  int size;
} dtypes[] = {
#define DTYPE(id, name, size, c, stored) {name, size},
#include "base/dtype.def"
#undef DTYPE
};

const char *dtype_name(DType t) {
  return dtypes[t].name;
}

int dtype_size(DType t) {
  return dtypes[t].size;
}

uint16_t bf16_of_float(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (v != v)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float bf16_to_float(uint16_t b) {
  uint32_t bits = (uint32_t)b << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

double dtype_get(DType t, const void *array, int64_t i) {
  switch (t) {
  case DT_BOOL: return ((const uint8_t *)array)[i] != 0;
  case DT_I32: return ((const int32_t *)array)[i];
  case DT_BF16: return bf16_value(((const uint16_t *)array)[i]);
  case DT_F64: return ((const double *)array)[i];
  default: return (double)((const float *)array)[i];
  }
}

void dtype_put(DType t, void *array, int64_t i, double v) {
  switch (t) {
  case DT_BOOL: ((uint8_t *)array)[i] = v != 0; break;
  case DT_I32: ((int32_t *)array)[i] = (int32_t)v; break;
  case DT_BF16: ((uint16_t *)array)[i] = bf16_of(v); break;
  case DT_F64: ((double *)array)[i] = v; break;
  default: ((float *)array)[i] = (float)v; break;
  }
}

double dtype_round(DType t, double v) {
  return t == DT_F32 ? (double)(float)v : t == DT_BF16 ? bf16_value(bf16_of(v)) : v;
}

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

uint16_t bf16_of(double v) {
  float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (f != f)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double bf16_value(uint16_t b) {
  uint32_t bits = (uint32_t)b << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

double dtype_round(DType t, double v) {
  return t == DT_F32 ? (double)(float)v : t == DT_BF16 ? bf16_value(bf16_of(v)) : v;
}

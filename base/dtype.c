// See dtype.h.
#include "base/dtype.h"
#include <string.h>

static const struct {
  const char *name;
  int size;
} dtypes[DT_COUNT] = {
    [DT_BOOL] = {"bool", 1}, [DT_I32] = {"i32", 4}, [DT_BF16] = {"bf16", 2},  [DT_F32] = {"f32", 4},
    [DT_F64] = {"f64", 8},   [DT_C64] = {"c64", 8}, [DT_C128] = {"c128", 16}, [DT_I64] = {"i64", 8},
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

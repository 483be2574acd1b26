// Element types.  Complex ones live in the language only: the graph, kernels and modules hold pairs
// of reals.
#ifndef BIGSC_DTYPE_H
#define BIGSC_DTYPE_H
#include <stdbool.h>
#include <stdint.h>

// clang-format off
typedef enum DType {
#define DTYPE(id, name, size, c, stored) DT_##id,
#include "base/dtype.def"
#undef DTYPE
  DT_COUNT
} DType;
// clang-format on
const char *dtype_name(DType t); // as in the language: "f32"
int dtype_size(DType t);         // bytes of one element in memory; bool is 1
uint16_t bf16_of_float(float v); // the nearest bf16, ties to even; NaN stays one
float bf16_to_float(uint16_t bits);
static inline uint16_t bf16_of(double v) {
  return bf16_of_float((float)v);
}
static inline double bf16_value(uint16_t bits) {
  return (double)bf16_to_float(bits);
}
double dtype_round(DType t, double v); // the nearest value of a float dtype; of the others v itself
// Element i of a dense array as a number, and a number rounded into it.
double dtype_get(DType t, const void *array, int64_t i);
void dtype_put(DType t, void *array, int64_t i, double v);
static inline bool dtype_is_float(DType t) {
  return t == DT_BF16 || t == DT_F32 || t == DT_F64;
}
static inline bool dtype_is_complex(DType t) {
  return t == DT_C64 || t == DT_C128;
}

#endif

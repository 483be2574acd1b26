// Tensors that a safetensors file holds as int8 with scales, as `bigsc quantize` writes them: __metadata__ has "int8", and a tensor
// X of I8 has a tensor X_scale of F32 beside it, of the same axes, along some of which it is 1.  X is read as F32: each
// number times the scale of its place.  (base/int8.h)
#ifndef BIGSC_RUNTIME_ST_INT8_H
#define BIGSC_RUNTIME_ST_INT8_H
#include "runtime/files/safetensors.h"

#define ST_INT8 "int8"         // the key of __metadata__
#define ST_INT8_SCALE "_scale" // behind a tensor's name

extern const StSource st_int8_source;
size_t
st_int8_bytes(const StTensor *t); // in the file, of the numbers and the scales, of what is made so
// Of f's tensors, which are found by name until then, those of int8 become F32, and the scales go.  *own is st_int8_source's, and
// is set on failure, too.
int st_int8_make(StFile *f, StTensor *tensor, int *count, void **own, BigsError *e);
#endif

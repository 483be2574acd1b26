// What stands in the 128 bytes of a tensor map: made by the fake driver, as NVIDIA's makes it for the device, and read by the shim.
#ifndef TENSOR_MAP_H
#define TENSOR_MAP_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Planes of rows of elements, and boxes of one plane; strides in bytes, of rows and of planes.
typedef struct TensorMap {
  const unsigned char *base;
  long long extent[3], stride[2];
  int element, box[2], swizzle;
} TensorMap;

static inline int tensor_map_bytes(const TensorMap *m) {
  return m->element * m->box[0] * m->box[1];
}

static inline int tensor_map_aligned(const TensorMap *m) {
  return ((uintptr_t)m->base | (uintptr_t)m->stride[0] | (uintptr_t)m->stride[1]) % 16 == 0;
}

// Rules of cuTensorMapEncodeTiled.  NULL, or what is wrong.
static inline const char *tensor_map_put(const TensorMap *m, void *map) {
  if (!tensor_map_aligned(m))
    return "the matrix or its rows lie at no multiple of 16 bytes";
  for (int i = 0; i < 3; i++)
    if (m->extent[i] < 1 || m->extent[i] > (1ll << 32))
      return "an extent is 1 to 2^32";
  for (int i = 0; i < 2; i++)
    if (m->box[i] < 1 || m->box[i] > 256 || m->stride[i] < 1 || m->stride[i] >= (1ll << 40))
      return "a side of a box has 1 to 256 elements, and a stride below 2^40 bytes";
  if (m->box[0] * m->element % 16 || (m->swizzle && m->box[0] * m->element > m->swizzle))
    return "a row of a box has a multiple of 16 bytes, and no more than the swizzle";
  memset(map, 0, 128);
  memcpy(map, m, sizeof *m);
  return NULL;
}

// As cuTensorMapEncodeTiled, of tensors of bf16 in boxes of one plane, all of whose elements are copied.  0, or that it is wrong.
static inline int tensor_map_encode(void *map, int dtype, unsigned rank, void *address,
                                    const uint64_t *extent, const uint64_t *stride,
                                    const unsigned *box, const unsigned *step, int interleave,
                                    int swizzle, int promotion, int fill) {
  TensorMap m = {(const unsigned char *)address, {1, 1, 1}, {16, 16}, 2, {1, 1}, 128};
  int known = dtype == 9 && rank == 3 && box[2] == 1 && !interleave && swizzle == 3 && !fill;
  for (int i = 0; i < 3; i++) {
    known = known && step[i] == 1;
    m.extent[i] = (long long)extent[i];
  }
  for (int i = 0; i < 2; i++)
    m.stride[i] = (long long)stride[i], m.box[i] = (int)box[i];
  return !known || promotion > 3 || (uintptr_t)map % 128 || tensor_map_put(&m, map);
}
#endif

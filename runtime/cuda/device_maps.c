// Maps of the arguments of a launch, by which a kernel's threads have boxes of them copied (TMA): made by the driver, of the
// addresses and sizes of the binding.
#include "runtime/cuda/device_internal.h"
#include <stdalign.h>
#include <string.h>

enum { DIMS = 3, BOX = 64, HOPPER = 90, PIECE_BYTES = 16 };
enum { BFLOAT16 = 9, SWIZZLE_128B = 3, PROMOTION_256B = 3 }; // CUtensorMapDataType and so on

typedef struct MapSizes {
  const char *base;
  uint64_t extent[DIMS], stride[DIMS - 1]; // bytes
} MapSizes;

// Coordinates are int.  Of nothing, nothing is copied.
static bool sizes_of(const BigsMap *map, const BigsFrame *f, MapSizes *out) {
  bool good = true;
  for (int i = 0; i < DIMS; i++) {
    int64_t n = poly_eval(&map->extent[i], f->sym);
    good = good && n <= INT32_MAX - BOX * DIMS;
    out->extent[i] = n > 0 ? (uint64_t)n : 1;
  }
  for (int i = 0; i < DIMS - 1; i++) {
    int64_t n = poly_eval(&map->step[i], f->sym);
    good = good && n > 0 && n < (int64_t)1 << 39 && n * 2 % PIECE_BYTES == 0;
    out->stride[i] = (uint64_t)n * 2;
  }
  out->base = (const char *)f->arg[map->arg] + poly_eval(&map->first, f->sym) * 2;
  return good && (uintptr_t)out->base % PIECE_BYTES == 0;
}

static bool make_map(const CudaDriver *d, const BigsMap *map, const BigsFrame *f, uint64_t *word) {
  alignas(128) uint64_t made[BIGS_MAP_WORDS] = {0};
  const unsigned box[DIMS] = {BOX, (unsigned)map->lines, 1}, step[DIMS] = {1, 1, 1};
  MapSizes x;
  if (!sizes_of(map, f, &x) ||
      d->tensor_map(made, BFLOAT16, DIMS, (void *)(uintptr_t)x.base, x.extent, x.stride, box, step,
                    0, SWIZZLE_128B, PROMOTION_256B, 0))
    return false;
  memcpy(word, made, sizeof made);
  return true;
}

void cuda_put_maps(const bigs_model *m, const DeviceLaunch *l, const BigsLaunch *how,
                   uint64_t *made, uint64_t *word) {
  const CudaState *s = cuda_state(m);
  bool all = s->driver.tensor_map && s->gpu.capability == HOPPER;
  memset(made, 0, (size_t)((const char *)(word + how->maps * BIGS_MAP_WORDS) - (char *)made));
  for (int i = 0; i < how->maps && all; i++)
    all = make_map(&s->driver, &m->module->map[how->map + i], &l->frame, word + i * BIGS_MAP_WORDS);
  *made = all;
}

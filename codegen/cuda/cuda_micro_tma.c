// A product of two operands of bf16 by wgmma from copies of boxes: what cuda_tma.h does, where the host can make maps of both.
#include "codegen/cuda/cuda_internal.h"

bool cuda_tma_suits(const LKernel *k, const LTile *t) {
  CudaMap map[CUDA_MAPS];
  return cuda_way_is(CUDA_BY_tma) && cuda_wgmma_suits(k, t) && cuda_maps(k, t, map);
}

static const char *place_of(CudaCx *c, const CudaMap *m) {
  const LGrid *g = c->k->grid;
  const char *plane = m->plane < 0 ? "0" : arena_printf(c->arena, "(int)i%d", g[m->plane].var);
  return arena_printf(c->arena, "(int)i%d * %d, %s", g[m->row].var, (int)g[m->row].block, plane);
}

void cuda_put_tma(CudaCx *c) {
  CudaMap map[CUDA_MAPS];
  CHECK(cuda_maps(c->k, c->tile, map));
  cuda_put_sums(c, "bg_tma_tile<",
                arena_printf(c->arena, "f.mapped[0], map, %s, %s, ", place_of(c, &map[0]),
                             place_of(c, &map[1])));
}

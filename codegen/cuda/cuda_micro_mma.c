// A product of two operands of bf16 by mma.sync: what cuda_mma.h does.
#include "codegen/cuda/cuda_internal.h"

bool cuda_mma_suits(const LKernel *k, const LTile *t) {
  const LProduct *p = &t->prod[0];
  return k->mem.v[p->amem].dtype == DT_BF16 && k->mem.v[p->bmem].dtype == DT_BF16;
}

void cuda_put_mma(CudaCx *c) {
  const CudaMicro *u = c->micro;
  cuda_put_sums(c, arena_printf(c->arena, "bg_mma_tile<%d, %d, ", u->rows, u->columns), "");
}

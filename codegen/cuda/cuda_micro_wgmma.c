// A product of two operands of bf16 by wgmma: what cuda_wgmma.h does, where cuda_costs.def says that it is faster.
#include "codegen/cuda/cuda_internal.h"
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int tflops;
} ways[] = {
#define COST(name, tflops) {#name, tflops},
#include "codegen/cuda/cuda_costs.def"
#undef COST
};

static CudaWay fastest(void) {
  int best = 0;
  for (int i = 1; i < COUNT(ways); i++)
    best = ways[i].tflops > ways[best].tflops ? i : best;
  return (CudaWay)best;
}

// For tests and measurements BIGSC_CUDA_PRODUCTS names it.
static CudaWay chosen(void) {
  const char *said = getenv("BIGSC_CUDA_PRODUCTS");
  for (int i = 0; said && i < COUNT(ways); i++)
    if (!strcmp(said, ways[i].name))
      return (CudaWay)i;
  return said && *said ? CUDA_BY_mma : fastest();
}

bool cuda_way_is(CudaWay way) {
  return chosen() == way;
}

// Also where copies of boxes are faster, and cannot be had.
bool cuda_wgmma_suits(const LKernel *k, const LTile *t) {
  return cuda_mma_suits(k, t) && cuda_plain_suits(k, t) && !cuda_way_is(CUDA_BY_mma);
}

void cuda_put_wgmma(CudaCx *c) {
  cuda_put_sums(c, "bg_wgmma_tile<", "");
}

// A product of two operands of bf16 by wgmma: what cuda_wgmma.h does, where cuda_costs.def says that it is faster.
#include "codegen/cuda/cuda_internal.h"
#include <stdlib.h>
#include <string.h>

enum {
#define COST(name, tflops) COST_##name = tflops,
#include "codegen/cuda/cuda_costs.def"
#undef COST
};

// For tests and measurements BIGSC_CUDA_PRODUCTS names the way.
static bool is_faster(void) {
  const char *said = getenv("BIGSC_CUDA_PRODUCTS");
  return said && *said ? !strcmp(said, "wgmma") : COST_wgmma > COST_mma;
}

bool cuda_wgmma_suits(const LKernel *k, const LTile *t) {
  return cuda_mma_suits(k, t) && cuda_plain_suits(k, t) && is_faster();
}

void cuda_put_wgmma(CudaCx *c) {
  cuda_put_sums(c, "bg_wgmma_tile<");
}

// Small dims and random inputs: see sample.h.
#include "compiler/driver/sample.h"
#include "base/rng.h"
#include <math.h>

int64_t sample_extent(int index, int64_t bound) {
  static const int few[] = {2, 5, 3, 4};
  int64_t n = index < COUNT(few) ? few[index] : 4;
  return bound > 0 && n > bound ? bound : n;
}

void sample_defines(Arena *a, const Model *m, Defines *out) {
  const ModelDim *dims;
  int n = model_dims(m, &dims);
  for (int i = 0, k = 0; i < n; i++)
    if (dim_is_given(&dims[i])) {
      char *value = arena_printf(a, "%lld", (long long)sample_extent(k++, dims[i].bound));
      vec_push(a, out, (Define){arena_strdup(a, dims[i].name), value});
    }
}

double sample_uniform(uint64_t seed, uint64_t index) {
  return rng_uniform(rng_element((uint32_t)seed, (uint32_t)(seed >> 32), index));
}

// Box and Muller, "A note on the generation of random normal deviates" (1958).
double sample_normal(uint64_t seed, uint64_t index) {
  double u = sample_uniform(seed, 2 * index), v = sample_uniform(seed, 2 * index + 1);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

int64_t sample_limit(const Graph *g, Node *const *roots, int n, const Node *input,
                     const int64_t *syms) {
  int64_t least = 0;
  int count;
  Node **live = graph_reachable((Graph *)g, roots, n, &count);
  for (int i = 0; i < count; i++) {
    if (live[i]->op != OP_GATHER)
      continue;
    const Node *x = live[i]->in[1];
    while (x->op == OP_CAST || (x->nin && op_flags(x->op) & F_INDEX))
      x = x->in[0];
    int64_t rows = poly_eval(&live[i]->attr.axis->extent, syms);
    if (x == input && (!least || rows < least))
      least = rows;
  }
  return least;
}

double *sample_input(Arena *a, const Input *in, int64_t limit, const int64_t *syms, uint64_t seed) {
  int64_t n = 1, inner = 1;
  for (int i = 0; i < in->nax; i++)
    n *= inner = poly_eval(&in->ax[i]->extent, syms);
  double *v = NEWN(a, double, n + 1);
  for (int64_t i = 0; i < n; i++) {
    double u = sample_uniform(seed, (uint64_t)i);
    if (in->dtype == DT_I32)
      v[i] = floor(u * (double)(limit ? limit : 2));
    else if (in->dtype == DT_BOOL)
      v[i] = i % inner == 0 || u < 0.75;
    else
      v[i] = sample_normal(seed, (uint64_t)i);
  }
  return v;
}

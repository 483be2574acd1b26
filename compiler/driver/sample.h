// Something to try a model on: small extents for the dims that are known at run time only, and
// random inputs that are valid.
#ifndef BIGSC_SAMPLE_H
#define BIGSC_SAMPLE_H
#include "compiler/driver/options.h"
#include "compiler/sema/sema.h"

// Extent of the run-time dim number `index` (of those that nobody gave): 2, 5, 3, 4, ..., all
// small and the first ones different, so that mixed-up axes show.  At most `bound` when it is > 0.
int64_t sample_extent(int index, int64_t bound);

// Defines for the run-time dims of m, with the values above.
void sample_defines(Arena *a, const Model *m, Defines *out);

// A number in [0, 1), and a standard normal one: functions of the seed and the index.
double sample_uniform(uint64_t seed, uint64_t index);
double sample_normal(uint64_t seed, uint64_t index);

// How many rows the values of `input` index, in the gathers that the roots reach: they must lie
// below.  0: none.  (Values that are computed from the input are not followed.)
int64_t sample_limit(const Graph *g, Node *const *roots, int n, const Node *input,
                     const int64_t *syms);

// Values of an input, row-major: ids in [0, limit) (limit 0: 0 or 1), masks that hide a quarter but
// no row as a whole, normal numbers.
double *sample_input(Arena *a, const Input *in, int64_t limit, const int64_t *syms, uint64_t seed);
#endif

// Several sources of which each gives its share of the samples.
#ifndef BIGSC_RUNTIME_MIX_H
#define BIGSC_RUNTIME_MIX_H
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

// Of so many samples each source has exactly its share, in an order that is drawn for every block.
enum { MIX_BLOCK = 4096 };

// "wiki.txt:0.7" is the file wiki.txt with the weight 0.7, unless there is a file of the whole name.  The weight, and the bytes of
// the path before it; -1: it has none.
double mix_weight(const char *path, int *n);
// share[i] of MIX_BLOCK in the ratio of the weights, rounded so that all are MIX_BLOCK, and each at least 1; -1: the weight of some
// source is below half of that.
int mix_shares(const double *weight, int n, int32_t *share);
// The source of a sample, and which one of the source's own samples it is.
int mix_source(const int32_t *share, int n, uint64_t seed, uint64_t sample, uint64_t *own);
#endif

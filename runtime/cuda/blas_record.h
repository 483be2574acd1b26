// Which algorithm of a library of products each shape got, as a file of text, so that the next process takes the same one.
#ifndef BIGSC_RUNTIME_BLAS_RECORD_H
#define BIGSC_RUNTIME_BLAS_RECORD_H
#include "runtime/cuda/blas.h"

typedef struct BlasRecord BlasRecord;
// Of a kind of GPU and a version of the library: FOLDER/products-GPU-VERSION.txt.  NULL where folder is NULL, or memory is short.
BlasRecord *record_open(const char *folder, const char *gpu, size_t version);
void record_close(BlasRecord *r);
// The algorithm of a shape, whose text has no line's end; false: none is written there.  r may be NULL here and below.
bool record_find(const BlasRecord *r, const char *shape, BlasAlgorithm *out);
// Writes it there.  A file that cannot be written keeps nothing, and nobody is told.
void record_add(const BlasRecord *r, const char *shape, const BlasAlgorithm *algorithm);
#endif

// Memory of malloc by the type of what lies in it: NULL when memory is out; the caller frees it.
#ifndef BIGSC_ALLOC_H
#define BIGSC_ALLOC_H
#include <stdlib.h>

// Zeroed: one, and n of them.
#define ALLOC(T) ((T *)calloc(1, sizeof(T)))
#define ALLOC_N(T, n) ((T *)calloc((size_t)(n), sizeof(T)))
// Not cleared, but for what p had; n of them must not overflow.
#define MALLOC_N(T, n) ((T *)malloc(sizeof(T) * (size_t)(n)))
#define REALLOC_N(T, p, n) ((T *)realloc((p), sizeof(T) * (size_t)(n)))
#endif

// Objects of kernels that an earlier process made, in the user's cache: a model that starts again is not compiled again.
#ifndef BIGSC_OBJECTS_H
#define BIGSC_OBJECTS_H
#include "codegen/cache.h"
#include "codegen/loop/loop.h"
#include "codegen/target.h"

// The cache; it has no folder where nobody can tell this program from another one: its file, or LLVM's, lacks a build ID.
Cache objects_open(Arena *a);
// Of all that decides what an object holds: this program and LLVM by their build IDs, the target, the kernels in their order and
// their symbols.
CacheKey objects_key(const Target *t, LKernel *const *kernels, const char *const *symbols, int n);
#endif

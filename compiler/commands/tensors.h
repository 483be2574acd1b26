// Named dense tensors written to a safetensors file by the commands.
#ifndef BIGSC_TENSORS_H
#define BIGSC_TENSORS_H
#include "compiler/driver/session.h"

typedef struct Written {
  const char *name;
  int dtype; // DType
  int rank;
  const int64_t *shape;
  const void *data; // row-major
} Written;
// Replaces `path` at once; an exit status.
int tensors_write(Session *s, const char *path, const Written *t, int n);
#endif

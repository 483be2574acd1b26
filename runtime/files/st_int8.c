// See st_int8.h.
#include "runtime/files/st_int8.h"
#include "base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Int8Tensor {
  size_t offset; // of its bytes in the file
  float *scale;  // NULL: it is none
  size_t nscale;
  int64_t step[ST_MAX_RANK];
  bool is_scale;
} Int8Tensor;
typedef struct Int8File {
  int n;
  Int8Tensor *tensor;
} Int8File;

// ---- reading

// Scales of elements first to first + n, multiplied with them.
static void times_scales(const StTensor *t, int64_t first, int64_t n, const int8_t *q, float *out) {
  const Int8Tensor *x = (const Int8Tensor *)t->made;
  int64_t columns = t->rank ? t->shape[t->rank - 1] : 1, step = t->rank ? x->step[t->rank - 1] : 0;
  for (int64_t i = 0; i < n;) {
    int64_t at = first + i, rest = at / columns, row = 0, k = at % columns;
    for (int d = t->rank - 2; d >= 0; d--) {
      row += rest % t->shape[d] * x->step[d];
      rest /= t->shape[d];
    }
    for (; k < columns && i < n; k++, i++)
      out[i] = (float)q[i] * x->scale[row + k * step];
  }
}

// Bytes of floats, which need not begin or end with one.
static int read_floats(void *own, const StTensor *t, size_t at, void *out, size_t size,
                       BigsError *e) {
  enum { PIECE = 1024 };
  int8_t q[PIECE];
  float x[PIECE];
  int status = 0;
  (void)own;
  for (size_t end = at + size; at < end && !status;) {
    size_t first = at / 4, n = (end + 3) / 4 - first, skip = at % 4;
    n = n < PIECE ? n : PIECE;
    size_t bytes = n * 4 - skip < end - at ? n * 4 - skip : end - at;
    status = st_bytes(t->file, ((const Int8Tensor *)t->made)->offset + first, q, n, e);
    times_scales(t, (int64_t)first, status ? 0 : (int64_t)n, q, x);
    memcpy(out, (const char *)x + skip, bytes);
    out = (char *)out + bytes;
    at += bytes;
  }
  return status;
}

static void close_int8(void *own) {
  Int8File *f = (Int8File *)own;
  for (int i = 0; i < f->n; i++)
    free(f->tensor[i].scale);
  free(f->tensor);
  free(f);
}

const StSource st_int8_source = {read_floats, close_int8};

size_t st_int8_bytes(const StTensor *t) {
  const Int8Tensor *x = (const Int8Tensor *)t->made;
  return (size_t)t->elements + x->nscale * sizeof *x->scale;
}

// ---- making

static bool suits(const StTensor *t, const StTensor *scale) {
  bool is = scale && scale->dtype == ST_F32 && scale->rank == t->rank;
  for (int i = 0; i < t->rank && is; i++)
    is = scale->shape[i] == 1 || scale->shape[i] == t->shape[i];
  return is;
}

static const StTensor *scale_of(const StFile *f, const StTensor *t) {
  char name[1024];
  int n = snprintf(name, sizeof name, "%s%s", t->name, ST_INT8_SCALE);
  return n < (int)sizeof name ? st_find(f, name) : NULL;
}

static int take_scales(Int8Tensor *x, const StTensor *t, const StTensor *scale, BigsError *e) {
  int64_t step = 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    x->step[i] = scale->shape[i] == 1 ? 0 : step;
    step *= scale->shape[i];
  }
  x->offset = t->offset;
  x->nscale = (size_t)scale->elements;
  x->scale = ALLOC_N(float, scale->elements + 1);
  return x->scale ? st_read(scale, 0, x->scale, scale->nbytes, e)
                  : bigs_fail_memory(e, st_path(t->file));
}

static int look_at(StFile *f, Int8File *own, int i, BigsError *e) {
  const StTensor *t = st_at(f, i);
  const StTensor *scale = t->dtype == ST_I8 ? scale_of(f, t) : NULL;
  if (t->dtype != ST_I8)
    return 0;
  if (!suits(t, scale))
    return bigs_fail(e, BIGS_EFILE,
                     "%s: tensor \"%.120s\" is int8, and \"%.120s" ST_INT8_SCALE
                     "\" of F32, its scales, is %s",
                     st_path(f), t->name, t->name, scale ? "of another shape or type" : "missing");
  own->tensor[scale - st_at(f, 0)].is_scale = true;
  return take_scales(&own->tensor[i], t, scale, e);
}

int st_int8_make(StFile *f, StTensor *tensor, int *count, void **own, BigsError *e) {
  Int8File *made = ALLOC(Int8File);
  int status = 0, kept = 0;
  *own = made;
  if (!made || !(made->tensor = ALLOC_N(Int8Tensor, *count + 1)))
    return bigs_fail_memory(e, st_path(f));
  made->n = *count;
  for (int i = 0; i < *count && !status; i++)
    status = look_at(f, made, i, e);
  for (int i = 0; i < *count && !status; i++) {
    if (made->tensor[i].is_scale)
      continue;
    StTensor t = tensor[i];
    if (made->tensor[i].scale) {
      t.dtype = ST_F32;
      t.nbytes = (size_t)t.elements * 4;
      t.made = &made->tensor[i];
    }
    tensor[kept++] = t;
  }
  *count = status ? *count : kept;
  return status;
}

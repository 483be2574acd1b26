// Rows of arrays: see data_tensors.h.
#include "runtime/train/data_tensors.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/hash.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tensors_free(void *own) {
  Tensors *t = own;
  for (int i = 0; i < t->nfile; i++)
    st_close(t->file[i]);
  for (int i = 0; i < t->nshard; i++)
    free(t->shard[i].path);
  for (int i = 0; i < t->ninput; i++)
    free(t->input[i].batch);
  free(t->file);
  free(t->shard);
  free(t->scratch);
  free(t->of);
  free(t);
}

// ---- a hash
enum { HASH_BLOCK = 1 << 16 };
// What a start may read: of a larger data set blocks are hashed, evenly over all.
static const int64_t start_bytes = (int64_t)1 << 28;

static int hash_block(const StTensor *x, size_t at, uint64_t *h, BigsError *e) {
  char block[HASH_BLOCK];
  size_t n = x->nbytes - at < HASH_BLOCK ? x->nbytes - at : HASH_BLOCK;
  int status = st_read(x, at, block, n, e);
  *h = status ? *h : hash_bytes(*h, block, n);
  return status;
}

// One of `step` blocks.
static int hash_tensor(const StTensor *x, size_t step, uint64_t *h, BigsError *e) {
  int status = 0;
  *h = hash_mix(*h, (uint64_t)x->dtype);
  for (int a = 0; a < x->rank; a++)
    *h = hash_mix(*h, (uint64_t)x->shape[a]);
  for (size_t at = 0; at < x->nbytes && !status; at += step * HASH_BLOCK)
    status = hash_block(x, at, h, e);
  return status;
}

int tensors_hash(Tensors *t, BigsError *e) {
  double bytes = 0;
  int status = 0;
  for (int i = 0; i < t->nshard; i++)
    for (int k = 0; k < t->ninput; k++)
      bytes += t->shard[i].tensor[k] ? (double)t->shard[i].tensor[k]->nbytes : 0;
  size_t step = (size_t)(bytes / (double)start_bytes) + 1;
  uint64_t h = 0;
  for (int i = 0; i < t->nshard; i++)
    for (int k = 0; k < t->ninput && !status; k++)
      if (t->shard[i].tensor[k])
        status = hash_tensor(t->shard[i].tensor[k], step, &h, e);
  memcpy(t->print, &h, sizeof t->print);
  return status;
}

// ---- rows
static const Shard *shard_of(const Tensors *t, int64_t row) {
  int lo = 0, hi = t->nshard - 1;
  while (lo < hi) {
    int mid = (lo + hi + 1) / 2;
    if (t->shard[mid].first <= row)
      lo = mid;
    else
      hi = mid - 1;
  }
  return &t->shard[lo];
}

typedef struct RowRead {
  const TensorInput *in;
  const StTensor *x;
  int64_t row, rows; // row, ..., row + rows - 1 of its file
  BigsError *e;
} RowRead;

static int64_t elements(const RowRead *r) {
  return r->rows * r->in->row;
}

// "x[17, 3]", of an element of these rows.
static char *place(const RowRead *r, int64_t at, char *text, size_t size) {
  const StTensor *x = r->x;
  int64_t index[BIGS_MAX_RANK] = {r->row + at / r->in->row};
  size_t n = (size_t)snprintf(text, size, "%s", r->in->t->name);
  for (int a = x->rank - 1; a > 0; a--) {
    index[a] = at % x->shape[a];
    at /= x->shape[a];
  }
  for (int a = 0; a < x->rank && n < size; a++)
    n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, a ? ", " : "[", index[a]);
  if (n < size)
    snprintf(text + n, size - n, "]");
  return text;
}

static int no_number(const RowRead *r, int64_t at, int64_t value, const char *why) {
  char where[200];
  return bigs_fail(r->e, BIGS_EMODEL, "%s: %s is %" PRId64 "%s", st_path(r->x->file),
                   place(r, at, where, sizeof where), value, why);
}

// The rows alone, as a tensor.
static StTensor part_of(const RowRead *r) {
  StTensor part = *r->x;
  size_t size = (size_t)st_dtype_size(part.dtype);
  part.elements = elements(r);
  part.nbytes = (size_t)elements(r) * size;
  part.offset += (size_t)(r->row * r->in->row) * size;
  return part;
}

// Whole numbers, each kept as it is.
static int put_whole(const RowRead *r, const int64_t *v, void *out) {
  int dtype = r->in->t->dtype;
  int64_t most = dtype == DT_I32 ? INT32_MAX : dtype == DT_F32 ? 1 << 24 : (int64_t)1 << 53;
  for (int64_t i = 0; i < elements(r); i++) {
    if (v[i] > most || v[i] < -most - (dtype == DT_I32))
      return no_number(r, i, v[i],
                       dtype == DT_I32 ? ", which i32 does not hold"
                                       : ", which the model's floats do not hold");
    dtype_put((DType)dtype, out, i, (double)v[i]);
  }
  return 0;
}

static int read_whole(const RowRead *r, int64_t *scratch, void *out) {
  StTensor part = part_of(r);
  int status = st_copy(&part, ST_I64, scratch, r->e);
  return status ? status : put_whole(r, scratch, out);
}

// Any byte but 0 is true, whoever wrote it.
static int read_bools(const RowRead *r, unsigned char *out) {
  StTensor part = part_of(r);
  int status = st_read(&part, 0, out, part.nbytes, r->e);
  for (int64_t i = 0; i < elements(r) && !status; i++)
    out[i] = out[i] != 0;
  return status;
}

static int read_elements(const RowRead *r, int64_t *scratch, void *out) {
  int dtype = r->in->t->dtype;
  StTensor part = part_of(r);
  if (dtype == DT_BOOL)
    return read_bools(r, out);
  if (dtype == DT_I32 && part.dtype == ST_I32)
    return st_read(&part, 0, out, part.nbytes, r->e);
  if (!st_is_float(part.dtype))
    return read_whole(r, scratch, out);
  int status = st_copy(&part, dtype == DT_F32 ? ST_F32 : ST_F64, out, r->e);
  if (status)
    bigs_error_prefix(r->e, "row %" PRId64, r->row);
  return status;
}

// Where a target need not be known, one below 0 is not.
static int check_limit(const RowRead *r, bool unknown, const int32_t *v) {
  char why[80];
  snprintf(why, sizeof why, ": must be 0 to %" PRId64, r->in->limit - 1);
  for (int64_t i = 0; i < elements(r); i++)
    if (v[i] >= r->in->limit || (v[i] < 0 && !unknown))
      return no_number(r, i, v[i], why);
  return 0;
}

static int read_rows(const Data *d, const RowRead *r, void *out) {
  bool unknown = d->o.unlabelled && !strcmp(r->in->t->name, "target");
  int status = read_elements(r, tensors_of(d)->scratch, out);
  return status || !r->in->limit ? status : check_limit(r, unknown, out);
}

// What is to be predicted, and is not known.
static void put_unknown(const TensorInput *in, void *out) {
  bool numbers = in->t->dtype == DT_F32 || in->t->dtype == DT_F64;
  dtype_put((DType)in->t->dtype, out, 0, numbers ? NAN : -1);
}

static void read_row(Data *d, int input, int64_t row, void *out, BigsError *e) {
  const Shard *s = shard_of(tensors_of(d), row);
  RowRead r = {&tensors_of(d)->input[input], s->tensor[input], row - s->first, 1, e};
  if (r.x)
    read_rows(d, &r, out);
  else
    put_unknown(r.in, out);
}

// ---- a look at all labels
static int check_tensor(const Data *d, const TensorInput *in, const StTensor *x, BigsError *e) {
  int32_t v[TENSORS_CHUNK];
  int64_t most = TENSORS_CHUNK / in->row;
  int status = 0;
  for (int64_t i = 0; i < x->shape[0] && !status; i += most) {
    RowRead r = {in, x, i, x->shape[0] - i < most ? x->shape[0] - i : most, e};
    status = read_rows(d, &r, v);
  }
  return status;
}

int tensors_check_ids(Data *d, BigsError *e) {
  const Tensors *t = tensors_of(d);
  int status = 0;
  for (int i = 0; i < t->nshard; i++)
    for (int k = 0; k < t->ninput && !status; k++)
      if (t->input[k].t->dtype == DT_I32 && t->shard[i].tensor[k] &&
          t->input[k].row <= TENSORS_CHUNK && t->shard[i].tensor[k]->nbytes <= (size_t)start_bytes)
        status = check_tensor(d, &t->input[k], t->shard[i].tensor[k], e);
  return status;
}

// ---- batches
static size_t row_bytes(const TensorInput *in) {
  return (size_t)in->row * (size_t)dtype_size((DType)in->t->dtype);
}

static int make_room(Tensors *t, int64_t B, BigsError *e) {
  if (B <= t->room)
    return 0;
  int64_t *of = REALLOC_N(int64_t, t->of, B);
  t->of = of ? of : t->of;
  for (int i = 0; i < t->ninput && of; i++) {
    size_t row = row_bytes(&t->input[i]);
    char *grown =
        row > SIZE_MAX / 2 / (size_t)B ? NULL : realloc(t->input[i].batch, row * (size_t)B);
    if (!grown)
      return bigs_fail_memory(e, "a batch");
    t->input[i].batch = grown;
  }
  t->room = of ? B : t->room;
  return of ? 0 : bigs_fail_memory(e, "a batch");
}

static FeedField field_of(const TensorInput *in, const StTensor *x, int64_t B) {
  FeedField f = {
      .name = in->t->name, .dtype = in->t->dtype, .rank = in->t->rank, .data = in->batch};
  f.shape[0] = B;
  for (int a = 1; x && a < x->rank; a++)
    f.shape[a] = x->shape[a];
  return f;
}

int data_tensors_start(Data *d, int64_t B, DataBatch *out, BigsError *e) {
  Tensors *t = tensors_of(d);
  int status = make_room(t, B, e);
  if (status)
    return status;
  for (int i = 0; i < t->ninput; i++)
    t->field[i] = field_of(&t->input[i], t->shard[0].tensor[i], B);
  t->nof = 0;
  *out = (DataBatch){.B = B, .field = t->field, .nfield = t->ninput, .tokens = B};
  return 0;
}

int64_t data_tensors_length(const Data *d, int64_t row) {
  (void)row;
  return d->o.length;
}

int64_t data_tensors_count(const Data *d, int64_t *count) {
  (void)d;
  (void)count;
  return -1;
}

void data_tensors_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  Tensors *t = tensors_of(d);
  (void)key;
  (void)out;
  t->of[b] = row;
  t->nof = b + 1;
  for (int i = 0; i < t->ninput && !d->late.status; i++)
    read_row(d, i, row, t->input[i].batch + (size_t)b * row_bytes(&t->input[i]), &d->late);
}

// ---- what is not finite
static bool doubt_input(const Data *d, int input, char *text, size_t size) {
  const Tensors *t = tensors_of(d);
  const TensorInput *in = &t->input[input];
  int64_t at = first_not_finite(in->batch, in->t->dtype, t->nof * in->row);
  const Shard *s = at < 0 ? NULL : shard_of(t, t->of[at / in->row]);
  char where[200];
  if (!s || !s->tensor[input])
    return false;
  RowRead r = {in, s->tensor[input], t->of[at / in->row] - s->first, 1, NULL};
  double v = dtype_get((DType)in->t->dtype, in->batch, at);
  snprintf(text, size, "%s of %s is %g", place(&r, at % in->row, where, sizeof where),
           st_path(r.x->file), bigs_shown(v));
  return true;
}

bool data_doubt(const Data *d, char *text, size_t size) {
  for (int i = 0; !data_of_tokens(d->o.kind) && i < tensors_of(d)->ninput; i++)
    if (doubt_input(d, i, text, size))
      return true;
  return false;
}

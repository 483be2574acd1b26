// cuBLASLt without a GPU: the functions of runtime/cuda/blas.def, by loops in float64, in the queue of fake_cuda.c, which BIGSC_LIBCUDA
// names.  It refuses what the library would (values of a wrong size, unset wishes, pointers that are not aligned as they were said
// to be).  FAKE_BLAS=none: it has no algorithm; fail: products fail.  FAKE_BLAS_LOG:
// a file that gets a line for each product (m x n x k, count, types, what is added) and each choice of an algorithm.
#define _GNU_SOURCE 1 // RTLD_NOLOAD
#include "runtime/cuda/blas.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
enum { OK, INVALID = 7, NOT_SUPPORTED = 15, FAILED = 13, MAGIC = 4711 };
enum { ATTRIBUTES = 40, BYTES = 8 };

// A descriptor: its attributes by number.
typedef struct Fake {
  struct FakeValue {
    size_t bytes;
    unsigned char v[BYTES];
  } set[ATTRIBUTES];
  BlasType type;
  uint64_t rows, columns;
  int64_t leading;
} Fake;

static BlasStatus fake_new(void **out) {
  return (*out = calloc(1, sizeof(Fake))) ? OK : FAILED;
}

static BlasStatus fake_set(void *p, int what, const void *value, size_t bytes, size_t want) {
  if (!p || what < 0 || what >= ATTRIBUTES || bytes != want || bytes > BYTES)
    return INVALID;
  struct FakeValue *x = &((Fake *)p)->set[what];
  x->bytes = bytes;
  memcpy(x->v, value, bytes);
  return OK;
}

static uint64_t fake_get(const void *p, int what, uint64_t otherwise) {
  const struct FakeValue *x = &((const Fake *)p)->set[what];
  uint64_t v = 0;
  memcpy(&v, x->v, x->bytes);
  return x->bytes ? v : otherwise;
}

BlasStatus cublasLtCreate(BlasHandle *handle);
API BlasStatus cublasLtCreate(BlasHandle *handle) {
  static int one;
  *handle = (BlasHandle)(void *)&one;
  return OK;
}
size_t cublasLtGetVersion(void);
API size_t cublasLtGetVersion(void) {
  return 130100;
}
BlasStatus cublasLtDestroy(BlasHandle handle);
API BlasStatus cublasLtDestroy(BlasHandle handle) {
  return handle ? OK : INVALID;
}

#define DESCRIPTOR(Name, T, sizes)                                                                 \
  BlasStatus cublasLt##Name##Destroy(T p);                                                         \
  API BlasStatus cublasLt##Name##Destroy(T p) {                                                    \
    free(p);                                                                                       \
    return OK;                                                                                     \
  }                                                                                                \
  BlasStatus cublasLt##Name##SetAttribute(T p, int what, const void *value, size_t bytes);         \
  API BlasStatus cublasLt##Name##SetAttribute(T p, int what, const void *value, size_t bytes) {    \
    return fake_set(p, what, value, bytes, sizes);                                                 \
  }
DESCRIPTOR(MatmulDesc, BlasProduct, what == BLAS_BIAS ? 8 : 4)
DESCRIPTOR(MatrixLayout, BlasLayout, what == BLAS_STRIDE ? 8 : 4)
DESCRIPTOR(MatmulPreference, BlasWish, what == BLAS_WORKSPACE ? 8 : 4)

BlasStatus cublasLtMatmulDescCreate(BlasProduct *product, BlasCompute compute, BlasType scale);
API BlasStatus cublasLtMatmulDescCreate(BlasProduct *product, BlasCompute compute, BlasType scale) {
  BlasStatus r = scale == BLAS_F32 ? fake_new(product) : INVALID;
  if (!r)
    ((Fake *)*product)->type = compute;
  return r;
}
BlasStatus cublasLtMatmulPreferenceCreate(BlasWish *wish);
API BlasStatus cublasLtMatmulPreferenceCreate(BlasWish *wish) {
  return fake_new(wish);
}
BlasStatus cublasLtMatrixLayoutCreate(BlasLayout *layout, BlasType type, uint64_t rows,
                                      uint64_t columns, int64_t leading);
API BlasStatus cublasLtMatrixLayoutCreate(BlasLayout *layout, BlasType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  BlasStatus r = fake_new(layout);
  Fake *x = *layout;
  if (!r)
    x->type = type, x->rows = rows, x->columns = columns, x->leading = leading;
  return r;
}

// ---- what fits together

static uint64_t across(const Fake *x, uint64_t transposed) {
  return transposed ? x->columns : x->rows;
}
static uint64_t along(const Fake *x, uint64_t transposed) {
  return transposed ? x->rows : x->columns;
}

static bool lies_well(const Fake *x) {
  return x->rows && x->columns && x->leading >= (int64_t)x->rows &&
         (x->type == BLAS_F32 || x->type == BLAS_BF16) && fake_get(x, BLAS_COUNT, 1) > 0;
}

static bool fits(const Fake *p, const Fake *const *m) {
  uint64_t ta = fake_get(p, BLAS_TRANSPOSE_A, 0), tb = fake_get(p, BLAS_TRANSPOSE_B, 0);
  bool well = ta < 2 && tb < 2 &&
              p->type == (m[0]->type == BLAS_F32 ? BLAS_COMPUTE_F32_STRICT : BLAS_COMPUTE_F32);
  for (int i = 0; i < 4; i++)
    well =
        well && lies_well(m[i]) && fake_get(m[i], BLAS_COUNT, 1) == fake_get(m[0], BLAS_COUNT, 1);
  return well && m[0]->type == m[1]->type && m[2]->type == m[3]->type &&
         across(m[0], ta) == m[3]->rows && along(m[0], ta) == across(m[1], tb) &&
         along(m[1], tb) == m[3]->columns && m[2]->rows == m[3]->rows &&
         m[2]->columns == m[3]->columns && (m[3]->type == BLAS_F32 || m[0]->type == BLAS_BF16);
}

static void log_line(const char *text) {
  const char *path = getenv("FAKE_BLAS_LOG");
  FILE *f = path ? fopen(path, "a") : NULL;
  if (f) {
    fprintf(f, "%s\n", text);
    fclose(f);
  }
}

static bool is_way(const char *word) {
  const char *way = getenv("FAKE_BLAS");
  return way && !strcmp(way, word);
}

BlasStatus cublasLtMatmulAlgoGetHeuristic(BlasHandle handle, BlasProduct product, BlasLayout a,
                                          BlasLayout b, BlasLayout c, BlasLayout d, BlasWish wish,
                                          int most, BlasChoice *choice, int *found);
API BlasStatus cublasLtMatmulAlgoGetHeuristic(BlasHandle handle, BlasProduct product, BlasLayout a,
                                              BlasLayout b, BlasLayout c, BlasLayout d,
                                              BlasWish wish, int most, BlasChoice *choice,
                                              int *found) {
  const Fake *const m[4] = {a, b, c, d};
  *found = 0;
  if (!handle || most < 1 || !fits(product, m) || fake_get(wish, BLAS_WORKSPACE, 0) != BLAS_ROOM ||
      fake_get(wish, BLAS_SCHEMES, 1) != 0)
    return INVALID;
  if (is_way("none"))
    return NOT_SUPPORTED;
  log_line("choice");
  *choice = (BlasChoice){.algorithm = {{MAGIC}}, .workspace = 1024};
  for (int i = 0; i < 4; i++)
    choice->algorithm.data[1 + i] = fake_get(wish, BLAS_ALIGNED_A + i, 256);
  *found = 1;
  return OK;
}

BlasStatus cublasLtMatmulAlgoCheck(BlasHandle handle, BlasProduct product, BlasLayout a,
                                   BlasLayout b, BlasLayout c, BlasLayout d,
                                   const BlasAlgorithm *algorithm, BlasChoice *result);
API BlasStatus cublasLtMatmulAlgoCheck(BlasHandle handle, BlasProduct product, BlasLayout a,
                                       BlasLayout b, BlasLayout c, BlasLayout d,
                                       const BlasAlgorithm *algorithm, BlasChoice *result) {
  const Fake *const m[4] = {a, b, c, d};
  bool well = handle && fits(product, m) && algorithm->data[0] == MAGIC;
  result->workspace = 1024;
  result->state = OK;
  return well ? OK : INVALID;
}

// ---- a product

typedef struct Job {
  struct JobMatrix {
    const void *p;
    BlasType type;
    uint64_t row, column, batch;
  } m[4];
  const void *bias;
  uint64_t rows, columns, k, count;
  float beta;
} Job;

static double element(const struct JobMatrix *x, uint64_t row, uint64_t column, uint64_t batch) {
  uint64_t at = row * x->row + column * x->column + batch * x->batch;
  if (x->type == BLAS_F32)
    return ((const float *)x->p)[at];
  uint32_t bits = (uint32_t)((const uint16_t *)x->p)[at] << 16;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

static void put_element(const struct JobMatrix *x, uint64_t row, uint64_t column, uint64_t batch,
                        float v) {
  uint64_t at = row * x->row + column * x->column + batch * x->batch;
  uint32_t bits;
  memcpy(&bits, &v, sizeof v);
  if (x->type == BLAS_F32)
    ((float *)(uintptr_t)x->p)[at] = v;
  else
    ((uint16_t *)(uintptr_t)x->p)[at] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void run(const void *data) {
  Job j;
  memcpy(&j, data, sizeof j);
  for (uint64_t b = 0; b < j.count; b++)
    for (uint64_t c = 0; c < j.columns; c++)
      for (uint64_t r = 0; r < j.rows; r++) {
        double sum = j.beta != 0 ? (double)j.beta * element(&j.m[2], r, c, b) : 0;
        const struct JobMatrix bias = {j.bias, j.m[3].type, 1, 0, 0};
        sum += j.bias ? element(&bias, r, 0, 0) : 0;
        for (uint64_t k = 0; k < j.k; k++)
          sum += element(&j.m[0], r, k, b) * element(&j.m[1], k, c, b);
        put_element(&j.m[3], r, c, b, (float)sum);
      }
}

static struct JobMatrix job_matrix(const void *p, const Fake *x, uint64_t transposed) {
  uint64_t leading = (uint64_t)x->leading;
  return (struct JobMatrix){p, x->type, transposed ? leading : 1, transposed ? 1 : leading,
                            fake_get(x, BLAS_STRIDE, 0)};
}

static void log_job(const Job *j) {
  char line[256];
  snprintf(line, sizeof line,
           "%" PRIu64 " x %" PRIu64 " x %" PRIu64 ", %" PRIu64 " of %s to %s%s%s", j->columns,
           j->rows, j->k, j->count, j->m[0].type == BLAS_F32 ? "f32" : "bf16",
           j->m[3].type == BLAS_F32 ? "f32" : "bf16", j->bias ? " + bias" : "",
           j->beta != 0 ? " + rest" : "");
  log_line(line);
}

typedef CudaResult Later(CudaStream stream, void (*run)(const void *data), const void *data,
                         size_t bytes);
static Later *later(void) {
  void *library = dlopen(getenv("BIGSC_LIBCUDA"), RTLD_NOW | RTLD_NOLOAD),
       *p = library ? dlsym(library, "fake_cuda_call") : NULL;
  Later *f = NULL;
  memcpy(&f, &p, sizeof f);
  return f;
}

BlasStatus cublasLtMatmul(BlasHandle handle, BlasProduct product, const void *alpha, const void *a,
                          BlasLayout al, const void *b, BlasLayout bl, const void *beta,
                          const void *c, BlasLayout cl, void *d, BlasLayout dl,
                          const BlasAlgorithm *algorithm, void *workspace, size_t workspace_bytes,
                          CudaStream stream);
API BlasStatus cublasLtMatmul(BlasHandle handle, BlasProduct product, const void *alpha,
                              const void *a, BlasLayout al, const void *b, BlasLayout bl,
                              const void *beta, const void *c, BlasLayout cl, void *d,
                              BlasLayout dl, const BlasAlgorithm *algorithm, void *workspace,
                              size_t workspace_bytes, CudaStream stream) {
  const Fake *const m[4] = {al, bl, cl, dl};
  const void *const p[4] = {a, b, c, d};
  uint64_t ta = fake_get(product, BLAS_TRANSPOSE_A, 0), tb = fake_get(product, BLAS_TRANSPOSE_B, 0);
  float one;
  Job j = {.rows = m[3]->rows,
           .columns = m[3]->columns,
           .k = along(m[0], ta),
           .count = fake_get(m[0], BLAS_COUNT, 1)};
  memcpy(&one, alpha, sizeof one);
  memcpy(&j.beta, beta, sizeof j.beta);
  bool well = handle && one == 1 && fits(product, m) && algorithm->data[0] == MAGIC && workspace &&
              (uintptr_t)workspace % 256 == 0 && workspace_bytes >= 1024;
  for (int i = 0; i < 4; i++) {
    well = well && p[i] && algorithm->data[1 + i] && (uintptr_t)p[i] % algorithm->data[1 + i] == 0;
    j.m[i] = job_matrix(p[i], m[i], i == 0 ? ta : i == 1 ? tb : 0);
  }
  if (fake_get(product, BLAS_EPILOGUE, 1) == BLAS_ADDS_BIAS)
    j.bias = (const void *)(uintptr_t)fake_get(product, BLAS_BIAS, 0);
  Later *put = later();
  log_job(&j);
  return !well ? INVALID : is_way("fail") || !put || put(stream, run, &j, sizeof j) ? FAILED : OK;
}

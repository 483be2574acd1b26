// See blas.h.  The library's matrices are column after column: our C, row after row, is its transpose D' = B' A'.  So its A is our
// B, n x k, and its B is our A, k x m; one whose other side has the stride 1 is given transposed.
#include "runtime/cuda/blas_record.h"
#include "base/alloc.h"
#include "base/library.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct BlasCalls {
#define CALL(name, symbol, ...) BlasStatus (*name)(__VA_ARGS__);
#include "runtime/cuda/blas.def"
#undef CALL
} BlasCalls;
static const LibraryCall blas_calls[] = {
#define CALL(name, symbol, ...) {offsetof(BlasCalls, name), symbol, false},
#include "runtime/cuda/blas.def"
#undef CALL
};

enum { LEFT, RIGHT, ADDED, RESULT, BLAS_LAYOUTS, BLAS_PLANS = 64 };

// A shape, and how it is computed.
typedef struct BlasPlan {
  DeviceGemm gemm;
  size_t aligned[BLAS_LAYOUTS + 1]; // of the matrices, and of the bias
  bool possible;
  BlasProduct product;
  BlasLayout layout[BLAS_LAYOUTS];
  BlasChoice choice;
} BlasPlan;
struct CudaBlas {
  void *library; // of dlopen
  BlasCalls call;
  BlasHandle handle;
  BlasRecord *record;
  BlasPlan *plan[BLAS_PLANS];
  int nplan;
};

// ---- the library

static void *find_blas(void) {
  static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
  const char *said = library_name("BIGSC_LIBCUBLASLT", NULL);
  void *library = said ? library_open(said) : NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library && !said; i++)
    library = library_open(names[i]);
  return library;
}

static bool find_blas_calls(CudaBlas *b) {
  return !library_calls(b->library, &b->call, blas_calls, sizeof blas_calls / sizeof *blas_calls);
}

static size_t version_of(void *library) {
  size_t (*version)(void) = NULL;
  void *p = dlsym(library, "cublasLtGetVersion");
  memcpy(&version, &p, sizeof p);
  return p ? version() : 0;
}

CudaBlas *blas_open(const char *record, const char *gpu) {
  CudaBlas *b = ALLOC(CudaBlas);
  if (b && (b->library = find_blas()) && find_blas_calls(b) && !b->call.create(&b->handle)) {
    b->record = record_open(record, gpu, version_of(b->library));
    return b;
  }
  blas_close(b);
  return NULL;
}

static void drop_plan(const CudaBlas *b, BlasPlan *p) {
  for (int i = 0; i < BLAS_LAYOUTS; i++)
    if (p->layout[i])
      b->call.layout_free(p->layout[i]);
  if (p->product)
    b->call.product_free(p->product);
  free(p);
}

void blas_close(CudaBlas *b) {
  if (!b)
    return;
  for (int i = 0; i < b->nplan; i++)
    drop_plan(b, b->plan[i]);
  if (b->handle)
    b->call.destroy(b->handle);
  if (b->library)
    dlclose(b->library);
  record_close(b->record);
  free(b);
}

// ---- a shape

static const DeviceMatrix *matrix_of(const DeviceGemm *g, int layout) {
  static const int which[BLAS_LAYOUTS] = {BIGS_GEMM_B, BIGS_GEMM_A, BIGS_GEMM_REST, BIGS_GEMM_C};
  const DeviceMatrix *x = &g->matrix[which[layout]];
  return x->arg < 0 ? &g->matrix[BIGS_GEMM_C] : x; // what is not added is not read
}

static BlasType blas_type(DType t) {
  return t == DT_BF16 ? BLAS_BF16 : BLAS_F32;
}

// Its rows and columns as they lie: rows next to each other.  transposed: they are the other way round than the product takes them.
typedef struct BlasShape {
  int64_t rows, columns, leading;
  int transposed;
} BlasShape;
static BlasShape shape_of(const DeviceGemm *g, int layout) {
  const DeviceMatrix *x = matrix_of(g, layout);
  int64_t rows = layout == LEFT || layout >= ADDED ? g->n : g->k,
          columns = layout == LEFT ? g->k : g->m;
  BlasShape s = {rows, columns, x->row, 0};
  if (x->column != 1)
    s = (BlasShape){columns, rows, x->column, BLAS_TRANSPOSED};
  if (s.columns == 1)
    s.leading = s.rows;
  return s;
}

static bool can_lie(const DeviceGemm *g, int layout) {
  BlasShape s = shape_of(g, layout);
  const DeviceMatrix *x = matrix_of(g, layout);
  return s.rows > 0 && s.columns > 0 && s.leading >= s.rows && g->count > 0 &&
         g->count <= INT32_MAX && x->batch >= 0 && (x->column == 1 || x->row == 1 || s.rows == 1) &&
         (x->dtype == DT_F32 || x->dtype == DT_BF16);
}

static BlasStatus make_layout(const CudaBlas *b, BlasPlan *p, int layout) {
  BlasShape s = shape_of(&p->gemm, layout);
  int32_t count = (int32_t)p->gemm.count;
  const DeviceMatrix *x = matrix_of(&p->gemm, layout);
  BlasStatus r = b->call.layout_new(&p->layout[layout], blas_type(x->dtype), (uint64_t)s.rows,
                                    (uint64_t)s.columns, s.leading);
  r = r ? r : b->call.layout_set(p->layout[layout], BLAS_COUNT, &count, sizeof count);
  return r ? r : b->call.layout_set(p->layout[layout], BLAS_STRIDE, &x->batch, sizeof x->batch);
}

// The choice of an algorithm looks at where the bias lies.
static BlasStatus add_bias(const CudaBlas *b, const BlasPlan *p, void *bias) {
  int epilogue = BLAS_ADDS_BIAS;
  BlasStatus r = b->call.product_set(p->product, BLAS_EPILOGUE, &epilogue, sizeof epilogue);
  return r ? r : b->call.product_set(p->product, BLAS_BIAS, &bias, sizeof bias);
}

static BlasStatus make_product(const CudaBlas *b, BlasPlan *p, void *const *arg) {
  const DeviceGemm *g = &p->gemm;
  int left = shape_of(g, LEFT).transposed, right = shape_of(g, RIGHT).transposed,
      bias = g->matrix[BIGS_GEMM_BIAS].arg;
  bool strict = matrix_of(g, LEFT)->dtype == DT_F32;
  BlasStatus r = b->call.product_new(&p->product,
                                     strict ? BLAS_COMPUTE_F32_STRICT : BLAS_COMPUTE_F32, BLAS_F32);
  r = r ? r : b->call.product_set(p->product, BLAS_TRANSPOSE_A, &left, sizeof left);
  r = r ? r : b->call.product_set(p->product, BLAS_TRANSPOSE_B, &right, sizeof right);
  return r || bias < 0 ? r : add_bias(b, p, arg[bias]);
}

static BlasStatus set_wish(const CudaBlas *b, BlasWish wish, const BlasPlan *p) {
  size_t room = BLAS_ROOM;
  uint32_t none = 0;
  BlasStatus r = b->call.wish_set(wish, BLAS_WORKSPACE, &room, sizeof room);
  r = r ? r : b->call.wish_set(wish, BLAS_SCHEMES, &none, sizeof none);
  for (int i = 0; i < BLAS_LAYOUTS && !r; i++) {
    uint32_t bytes = (uint32_t)p->aligned[i];
    r = b->call.wish_set(wish, BLAS_ALIGNED_A + i, &bytes, sizeof bytes);
  }
  return r;
}

static BlasStatus choose(const CudaBlas *b, BlasPlan *p) {
  BlasWish wish = NULL;
  int found = 0;
  BlasStatus r = b->call.wish_new(&wish);
  r = r ? r : set_wish(b, wish, p);
  r = r ? r
        : b->call.choose(b->handle, p->product, p->layout[LEFT], p->layout[RIGHT], p->layout[ADDED],
                         p->layout[RESULT], wish, 1, &p->choice, &found);
  if (wish)
    b->call.wish_free(wish);
  return r ? r : found < 1 ? -1 : p->choice.state;
}

// "512 x 512 x 8, 1 of them: f32 1,512,0 at 256, ...": all that a choice depends on.
static void write_shape(const BlasPlan *p, char *buf, size_t size) {
  const DeviceGemm *g = &p->gemm;
  int n = snprintf(buf, size, "%" PRId64 " x %" PRId64 " x %" PRId64 ", %" PRId64 " of them", g->m,
                   g->n, g->k, g->count);
  for (int i = 0; i < BIGS_GEMM_MATRICES && (size_t)n < size; i++) {
    const DeviceMatrix *x = &g->matrix[i];
    n += x->arg < 0 ? snprintf(buf + n, size - (size_t)n, ", none")
                    : snprintf(buf + n, size - (size_t)n, ", %s %" PRId64 " %" PRId64 " %" PRId64,
                               dtype_name(x->dtype), x->row, x->column, x->batch);
  }
  for (int i = 0; i <= BLAS_LAYOUTS && (size_t)n < size; i++)
    n += snprintf(buf + n, size - (size_t)n, "%s%zu", i ? " " : " at ", p->aligned[i]);
}

// What the record says, if the library takes that.
static bool recall(const CudaBlas *b, BlasPlan *p, const char *shape) {
  BlasAlgorithm *x = &p->choice.algorithm;
  return record_find(b->record, shape, x) &&
         !b->call.check(b->handle, p->product, p->layout[LEFT], p->layout[RIGHT], p->layout[ADDED],
                        p->layout[RESULT], x, &p->choice) &&
         !p->choice.state && p->choice.workspace <= BLAS_ROOM;
}

static bool find_algorithm(const CudaBlas *b, BlasPlan *p) {
  char shape[640];
  write_shape(p, shape, sizeof shape);
  if (recall(b, p, shape))
    return true;
  if (choose(b, p))
    return false;
  record_add(b->record, shape, &p->choice.algorithm);
  return true;
}

static bool prepare(const CudaBlas *b, BlasPlan *p, void *const *arg) {
  for (int i = 0; i < BLAS_LAYOUTS; i++)
    if (!can_lie(&p->gemm, i) || make_layout(b, p, i))
      return false;
  return !make_product(b, p, arg) && find_algorithm(b, p);
}

static size_t alignment_of(const void *p) {
  uintptr_t at = (uintptr_t)p | 256;
  return at & (~at + 1);
}

static void alignments(const DeviceGemm *g, void *const *arg, size_t *aligned) {
  const int bias = g->matrix[BIGS_GEMM_BIAS].arg;
  for (int i = 0; i < BLAS_LAYOUTS; i++)
    aligned[i] = alignment_of(arg[matrix_of(g, i)->arg]);
  aligned[BLAS_LAYOUTS] = bias < 0 ? 0 : alignment_of(arg[bias]);
}

static BlasPlan *find_plan(CudaBlas *b, const DeviceGemm *g, void *const *arg) {
  BlasPlan key = {.gemm = *g};
  alignments(g, arg, key.aligned);
  for (int i = 0; i < b->nplan; i++)
    if (!memcmp(&b->plan[i]->gemm, g, sizeof *g) &&
        !memcmp(b->plan[i]->aligned, key.aligned, sizeof key.aligned))
      return b->plan[i];
  if (b->nplan == BLAS_PLANS)
    drop_plan(b, b->plan[--b->nplan]);
  BlasPlan *p = ALLOC(BlasPlan);
  if (!p)
    return NULL;
  *p = key;
  p->possible = prepare(b, p, arg);
  return b->plan[b->nplan++] = p;
}

bool blas_product(CudaBlas *b, const DeviceGemm *g, void *const *arg, void *room, CudaStream stream,
                  BlasStatus *status) {
  const float one = 1, zero = 0;
  const int bias = g->matrix[BIGS_GEMM_BIAS].arg;
  const BlasPlan *p = find_plan(b, g, arg);
  *status = 0;
  if (!p || !p->possible)
    return false;
  if (bias >= 0)
    *status = add_bias(b, p, arg[bias]);
  void *at[BLAS_LAYOUTS];
  for (int i = 0; i < BLAS_LAYOUTS; i++)
    at[i] = arg[matrix_of(g, i)->arg];
  if (!*status)
    *status = b->call.multiply(b->handle, p->product, &one, at[LEFT], p->layout[LEFT], at[RIGHT],
                               p->layout[RIGHT], g->matrix[BIGS_GEMM_REST].arg < 0 ? &zero : &one,
                               at[ADDED], p->layout[ADDED], at[RESULT], p->layout[RESULT],
                               &p->choice.algorithm, room, BLAS_ROOM, stream);
  return true;
}

// See blas.h.
#include "compiler/sema/blas.h"
#include "base/clock.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static void choose_core(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
#endif
}

static bool find(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

static void blas_unload(Blas *b) {
  // The library stays mapped: its threads outlive a dlclose.
  b->library = NULL;
}

bool blas_load(Blas *b, int threads, const char **why) {
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so"};
  memset(b, 0, sizeof *b);
  choose_core();
  for (size_t i = 0; i < sizeof names / sizeof *names && !b->library; i++)
    b->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!b->library) {
    *why = "OpenBLAS (package libopenblas0) cannot be loaded";
    return false;
  }
  if (!find(b->library, "zheev_", &b->zheev) || !find(b->library, "cblas_sgemm", &b->sgemm) ||
      !find(b->library, "openblas_set_num_threads", &b->set_threads)) {
    *why = "OpenBLAS lacks a function (zheev, cblas_sgemm)";
    blas_unload(b);
    return false;
  }
  if (threads > 0)
    b->set_threads(threads);
  return true;
}

// C[m][n] = A[m][k] B[k][n], row-major and dense.
static void blas_product(const Blas *b, int m, int n, int k, const float *A, const float *B,
                         float *C) {
  b->sgemm(101, 111, 111, m, n, k, 1, A, k, B, n, 0, C, n);
}

double blas_gflops(const Blas *b, int m, int n, int k) {
  enum { RUNS = 8 };
  size_t rows = (size_t)m, cols = (size_t)n, inner = (size_t)k;
  float *A = calloc(rows * inner, sizeof *A), *B = calloc(inner * cols, sizeof *B),
        *C = calloc(rows * cols, sizeof *C);
  double best = 0;
  for (int i = 0; A && B && C && i < RUNS; i++) {
    double start = clock_seconds();
    blas_product(b, m, n, k, A, B, C);
    double rate = 2.0 * m * n * k / (clock_seconds() - start) / 1e9;
    best = rate > best ? rate : best;
  }
  free(A);
  free(B);
  free(C);
  return best;
}

// OpenBLAS: LAPACK for the eigenvalues of HiPPO, and the matrix product that `bench` and the tests
// compare with.
//
// It is loaded when it is first needed, never linked: its start takes longer than compiling a small
// model, and the core type must be set before.  (Version 0.3.21 takes newer CPUs with AVX-512 for
// Haswell, and then runs at half their speed.)
#ifndef BIGSC_BLAS_H
#define BIGSC_BLAS_H
#include <complex.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Blas {
  void *library;
  void (*zheev)(const char *jobz, const char *uplo, const int *n, double complex *a, const int *lda,
                double *w, double complex *work, const int *lwork, double *rwork, int *info);
  void (*sgemm)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a,
                int lda, const float *b, int ldb, float beta, float *c,
                int ldc); // cblas_sgemm; order 101 row-major, 111 not transposed
  void (*set_threads)(int n);
} Blas;

// False when the library or a function is missing; *why is then a constant sentence.  threads 0: as
// it likes.
bool blas_load(Blas *b, int threads, const char **why);
// GFLOP/s of C[m][n] = A[m][k] B[k][n], row-major and dense, best of a few; 0 when memory is short.
double blas_gflops(const Blas *b, int m, int n, int k);
#endif

// Fourier transforms of real sequences in float64: the convolution's kernels and their gradients.
//
//   X[k] = sum_{j = 0..n-1} x[j] exp(-2 pi i j k / n),   0 <= k <= n / 2
//
// for n = 4 * 2^a 3^b 5^c.  Two elements are packed into one complex number (Cooley, Lewis and
// Welch 1970, "The Fast Fourier Transform algorithm: programming considerations in the calculation
// of sine, cosine and Laplace transforms"), and the n / 2 complex points are transformed in passes
// of radix 4, 2, 3 and 5 that leave them in order (Stockham; Van Loan, "Computational Frameworks
// for the Fast Fourier Transform", 1.7).  Roots of unity are rounded from long double, so errors
// stay within about 1e-15 of the largest value.
#ifndef BIGSC_RUNTIME_FFT_H
#define BIGSC_RUNTIME_FFT_H
#include <stddef.h>
#include <stdint.h>

// Tables for one n.  Immutable once made: threads may share one.
typedef struct Fft Fft;
// The caller owns the result.  NULL when n is not of the form above or memory is short.
Fft *fft_new(int64_t n);
void fft_free(Fft *f); // NULL is allowed

// Both work in place in x, n + 2 doubles, with `work`, n doubles of the caller's that do not
// overlap x; its contents are garbage before and after.  Nothing is allocated and nothing fails.
//
// x[0..n) becomes X, pairs (re, im) of k = 0 to n / 2.
void fft_forward(const Fft *f, double *x, double *work);
// X, pairs as above, becomes n x[0..n); x[n] and x[n + 1] are garbage.  The imaginary parts of X[0]
// and X[n / 2], 0 for a real sequence, are not read.
void fft_inverse(const Fft *f, double *x, double *work);
#endif

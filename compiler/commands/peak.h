// What this machine can do: the speed of fused multiply-adds alone, and of copies, measured.
#ifndef BIGSC_PEAK_H
#define BIGSC_PEAK_H
// What multiplies: FMA of float32 in the widest vectors that the CPU has; dot products of bf16 (avx512bf16); tiles of bf16 (AMX).
typedef enum PeakUnit { PEAK_F32, PEAK_DOT, PEAK_TILES } PeakUnit;
// That of the products of a module that needs these features of a CPU, which this one has.
PeakUnit peak_unit(const char *features);
// GFLOP/s on `threads` threads together, best of a few short runs (about 0.2 s in all).  *got: the share of the processors'
// time that the threads had, 1 on an idle machine.
double peak_gflops(PeakUnit unit, int threads, double *got);
// GFLOP/s of OpenBLAS on so many threads, of the product of a feed-forward layer, 1024 x 768 x 768; 0: it is not there.
double blas_gflops_here(int threads);
// GB/s read and written by `threads` threads that copy, best of a few runs (about 0.1 s in all).
double copy_gbytes(int threads);
// MiB that the process had in memory at most so far.
double peak_mib(void);
#endif

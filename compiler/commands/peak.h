// What this machine can do: the speed of fused multiply-adds alone, and of copies, measured.
#ifndef BIGSC_PEAK_H
#define BIGSC_PEAK_H
// GFLOP/s of float32 FMA on `threads` threads together, best of a few short runs (about 0.2 s in
// all); the widest vectors that the CPU has.  *got: the share of the processors' time that the
// threads had, 1 on an idle machine.
double peak_gflops(int threads, double *got);
// GB/s read and written by `threads` threads that copy, best of a few runs (about 0.1 s in all).
double copy_gbytes(int threads);
#endif

// FFTW, for scale: what `bench` compares convolutions with.  `configure --without-fftw` leaves it
// out; a bigsc that is linked with it falls under the GPL.
#ifndef BIGSC_FFTW_H
#define BIGSC_FFTW_H
#include <stdint.h>

// Milliseconds in which FFTW, on one thread and in float32, convolves one sequence of `length` rows
// of `channels` channels with a kernel whose spectrum is known: every channel is padded,
// transformed, multiplied and transformed back.  The best of a few; 0: bigsc was built without
// FFTW, or memory is short.
double fftw_convolution_ms(int64_t length, int64_t channels);
#endif

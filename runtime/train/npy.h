// NumPy's files of one array (format 1.0 to 3.0: numpy/lib/format.py), as files of one tensor like those of safetensors.h, which
// tells how it is read.  Little-endian, in C order; what is not is refused with status BIGS_EFILE, and so are pickled objects.
#ifndef BIGSC_RUNTIME_NPY_H
#define BIGSC_RUNTIME_NPY_H
#include "runtime/files/safetensors.h"

// The tensor is called as the file without its folder and ".npy".
int npy_open(const char *path, StFile **out, BigsError *e);
#endif

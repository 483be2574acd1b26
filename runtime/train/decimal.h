// Numbers as files of data and `--set` have them.
#ifndef BIGSC_RUNTIME_DECIMAL_H
#define BIGSC_RUNTIME_DECIMAL_H
#include <stdbool.h>
#include <stddef.h>

// [+-] digits [. digits] [(e|E) [+-] digits], with a digit beside the point, and nothing around: no hexadecimal, `inf`, `nan` or blank,
// which C's functions take.  false: it is none, and `out` untouched; beyond f64 it is infinite.
bool decimal_read(const char *s, size_t n, double *out);
#endif

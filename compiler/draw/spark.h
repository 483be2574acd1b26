// A row of numbers as one line of characters, as high as they are large.
#ifndef BIGSC_SPARK_H
#define BIGSC_SPARK_H
#include "base/arena.h"
#include <stdbool.h>

// At most `columns` characters, each of the mean of its share of v[0, n); the least and the largest of these means are the lowest
// and the highest.  What is not finite is a gap.  "": no value is finite.  utf8: block elements, else ASCII.
const char *spark_text(Arena *a, const double *v, int n, int columns, bool utf8);
#endif

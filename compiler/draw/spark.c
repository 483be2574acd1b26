// See spark.h.
#include "compiler/draw/spark.h"
#include <math.h>
#include <string.h>

enum { LEVELS = 8, MOST_BYTES = 3 };

// The mean of those of v[lo, hi) that are finite; NaN: none is.
static double mean_of(const double *v, int lo, int hi) {
  double sum = 0;
  int n = 0;
  for (int i = lo; i < hi; i++)
    if (isfinite(v[i])) {
      sum += v[i];
      n++;
    }
  return n ? sum / n : NAN;
}

static const char *level_text(double share, bool utf8) {
  static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
  static const char *const marks[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
  int level = isnan(share) ? -1 : (int)(share * (LEVELS - 1) + 0.5);
  return level < 0 ? " " : utf8 ? blocks[level] : marks[level];
}

const char *spark_text(Arena *a, const double *v, int n, int columns, bool utf8) {
  int count = n < columns ? n : columns;
  double *mean = NEWN(a, double, count + 1), least = INFINITY, most = -INFINITY;
  char *out = arena_alloc(a, (size_t)count * MOST_BYTES + 1), *end = out;
  for (int i = 0; i < count; i++) {
    mean[i] = mean_of(v, (int)((int64_t)n * i / count), (int)((int64_t)n * (i + 1) / count));
    least = fmin(least, mean[i]);
    most = fmax(most, mean[i]);
  }
  for (int i = 0; i < count && least <= most; i++) {
    const char *text =
        level_text(most > least ? (mean[i] - least) / (most - least) : mean[i] - least, utf8);
    memcpy(end, text, strlen(text));
    end += strlen(text);
  }
  *end = 0;
  return out;
}

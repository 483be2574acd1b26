// How far apart two words are: what an error suggests instead of a name that is not there.
#ifndef BIGSC_EDIT_H
#define BIGSC_EDIT_H

// Levenshtein's distance, with swapped neighbours as one change; limit + 1 when above limit, or for words of 64 letters and more.
int edit_distance(const char *a, const char *b, int limit);

// The name that was most likely meant, of those added; `best` NULL: none is near.
typedef struct Nearest {
  const char *wanted, *best;
  int distance;
} Nearest;
// Within a distance of 2, of short words of 1; capitals alone are the nearest slip, and of equally near names the first in the alphabet is.
void nearest_add(Nearest *n, const char *name);
#endif

// How far apart two words are: what an error suggests instead of a name that is not there.
#ifndef BIGSC_EDIT_H
#define BIGSC_EDIT_H

// Levenshtein's distance, with swapped neighbours as one change; limit + 1 when above limit, or for words of 64 letters and more.
int edit_distance(const char *a, const char *b, int limit);
#endif

// How processes that were started together find each other: by files in a folder that all of them reach.
#ifndef BIGSC_RUNTIME_MEET_H
#define BIGSC_RUNTIME_MEET_H
#include "base/error.h"

enum { MEET_BYTES = 128 };
// data[bytes] of rank 0 to the ranks 1, ..., ranks - 1, all of which call this with the same dir, which is made where it is missing.  Each
// returns when all have it, or fails with status BIGS_EFILE after `seconds`.  What an earlier meeting left in the folder, whose processes were
// killed, is never taken for this one's.
int meet(const char *dir, int rank, int ranks, void *data, size_t bytes, double seconds,
         BigsError *e);
#endif

// A feed in whose way something comes when a certain batch, or piece, is asked for.
#ifndef BIGSC_WATCHED_FEED_H
#define BIGSC_WATCHED_FEED_H
#include "runtime/train/feed.h"
#include <signal.h>

typedef struct WatchedFeed {
  Feed of;       // where batches come from
  bigs_model *m; // that is trained by them
  int asked;     // batches asked for so far
  // Numbers of batches, from 1 on; 0: never.  The stop is raised, the source fails, the first of m's parameters becomes `spoilt`.
  int stop_at, fail_at, spoil_at;
  float spoilt;
  volatile sig_atomic_t stop;
} WatchedFeed;
// w->of, watched; w has to last as long as it is used.
Feed watched_feed(WatchedFeed *w);
#endif

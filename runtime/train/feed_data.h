// Batches of data.h as a feed.
#ifndef BIGSC_RUNTIME_FEED_DATA_H
#define BIGSC_RUNTIME_FEED_DATA_H
#include "runtime/train/data.h"
#include "runtime/train/feed.h"

enum { DATA_FIELDS = 12 };
typedef struct DataFeed {
  Data *data;
  int64_t batch;       // rows; of a step in pieces those of a piece
  int64_t pieces;      // of a step; 0: one
  int64_t times;       // of this step: as many times the rows
  uint64_t began;      // the cursor where the step begins
  Data *dev;           // what `held_out` of the feed goes through: all of it, or, where it is NULL,
  DataSplit evaluated; // this part of the data
  bool whole;          // it leaves out a last batch of fewer rows: the model takes no such batch
  FeedField field[DATA_FIELDS];
  const BigsModule *module; // of `unpicked`, or NULL
  uint32_t unpicked;
  int rank, ranks; // of a team whose ranks share each training batch; 0 of 0: alone
} DataFeed;
// `out` uses *d and data until it is no longer used.  A resume on other data than the cursor's is
// refused.
void feed_from_data(DataFeed *d, Data *data, int64_t batch, DataSplit evaluated, Feed *out);
// Evaluates by all rows of `dev` from now on; it must outlive the feed.
void feed_evaluate_by(DataFeed *d, Data *dev, Feed *feed);
// Inputs that the train block's data line does not pick take their defaults, whatever the data has:
// BigsTrain.unpicked.
void feed_leave_unpicked(DataFeed *d, const BigsModule *m, uint32_t unpicked);
#endif

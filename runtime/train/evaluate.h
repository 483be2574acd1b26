// How good a model is on data it was not trained on.
#ifndef BIGSC_RUNTIME_EVALUATE_H
#define BIGSC_RUNTIME_EVALUATE_H
#include "runtime/train/feed.h"

typedef struct EvalResult {
  double loss;       // mean cross-entropy, nats, over `count` predictions
  double perplexity; // exp(loss)
  double accuracy;   // share of predictions whose best class is right
  int64_t count;
} EvalResult;

// Runs an entry over the held-out batches (at most max_batches; 0: all), dropout off.  What is
// predicted follows from the fields:
//   at, labels   entry `logits` [B, L, V] at the rows `at` of (B, L)      (masked language model)
//   target of the axes of ids   entry `logits` [B, L, V] everywhere      (language model)
//   target [B]   entry `scores` [B, C]                                     (classification)
// A negative label is not counted.  Errors: no such entry, no held-out data.  Draws and parameters
// are left alone.
int evaluate(bigs_model *m, const Feed *feed, int64_t max_batches, EvalResult *out);
// The same once more where the loss is not finite: status 4 with the first op whose result is not, or 0 where each is.
int evaluate_explain(bigs_model *m, const Feed *feed, int64_t max_batches);
// Can `evaluate` work for a source of batches like this one?
bool evaluate_possible(const BigsModule *module, const FeedBatch *batch);
// Takes the device's memory that such a batch needs, if it is not the host's: training does not take it then.
int evaluate_reserve(bigs_model *m, const FeedBatch *batch);

#endif

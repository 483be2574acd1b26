// How good a model is on data it was not trained on.
#ifndef BIGSC_RUNTIME_EVALUATE_H
#define BIGSC_RUNTIME_EVALUATE_H
#include "runtime/train/feed.h"
#include "runtime/train/metrics.h"

typedef struct EvalResult {
  double loss; // mean over `count` predictions: cross-entropy, nats; of numbers the squared error
  double perplexity; // exp(loss); NaN for numbers
  double accuracy;   // share of predictions whose best class is right; NaN for numbers
  int64_t count;
  // Of a task (target [B], or of words):
  int64_t rows;    // evaluated, with a known target or not, of tags the words; 0: no task
  MetricTask task; // says which metrics there are
  double metric[METRICS];
} EvalResult;

// What was said of each row of a task, in the order of the data.
typedef struct EvalRow {
  double target, said; // a class or a number; NaN: not known, or, said, a score is not finite
  double loss;         // NaN where the target is not known
  double part;         // of a word: its text
} EvalRow;
typedef struct EvalRows {
  EvalRow *v; // malloc'd
  int64_t n, cap;
  MetricTask task;
  SpanSaid *span; // OF_SPANS: malloc'd, of each row of the batches
  int64_t nspan, span_cap;
  SpanAnswer *answer; // of each row here
  float *vector[2];   // OF_PAIRS: malloc'd, of both texts of each row: `width` numbers
  double *score;      // of each row, NaN where it has none
  bool scored;        // rows may have one
  int64_t npair, vector_cap[2], score_cap, width;
} EvalRows;
void eval_rows_free(EvalRows *r);

// Runs an entry over the held-out batches (at most max_batches; 0: all), dropout off.  What is
// predicted follows from the fields:
//   at, labels   entry `logits` [B, L, V] at the rows `at` of (B, L)      (masked language model)
//   at, target   entry `tags` [B, L, C]   at the rows `at` of (B, L)     (tags of words)
//   start, end   entry `spans` [B, L, 2]                                (answers in a text)
//   ids_a, ids_b entry `embed` [B, H] of each of them                    (two texts)
//   target [B], ids [B, C, L]   entry `scores` [B, C]                      (several choices)
//   target of the axes of ids   entry `logits` [B, L, V] everywhere      (language model)
//   target [B]   entry `scores` [B, C]                                     (classification)
//   target [B] f32   entry `scores` [B], or [B, 1]                             (regression)
// A negative label, or a target that is NaN, is not counted.  Errors: no such entry, no held-out data.  Draws and parameters
// are left alone.
int evaluate(bigs_model *m, const Feed *feed, int64_t max_batches, EvalResult *out);
// The same for a task, and what was said of each row; *rows is empty, and the caller's to free, before and after.
int evaluate_rows(bigs_model *m, const Feed *feed, int64_t max_batches, EvalRows *rows,
                  EvalResult *out);
// Of rows from, ..., to - 1 alone.
int eval_rows_result(const EvalRows *r, int64_t from, int64_t to, EvalResult *out, BigsError *e);
// The same once more where the loss is not finite: status 4 with the first op whose result is not, or 0 where each is.
int evaluate_explain(bigs_model *m, const Feed *feed, int64_t max_batches);
// Can `evaluate` work for a source of batches like this one?
bool evaluate_possible(const BigsModule *module, const FeedBatch *batch);
// Errors that `evaluate` would come to by the entry's shape; else takes the device's memory that such a batch needs, if it is not
// the host's: training does not take it then.
int evaluate_reserve(bigs_model *m, const FeedBatch *batch);

#endif

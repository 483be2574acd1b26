// Between evaluation and what is kept of the rows of a task.
#ifndef BIGSC_RUNTIME_EVALUATE_INTERNAL_H
#define BIGSC_RUNTIME_EVALUATE_INTERNAL_H
#include "runtime/train/evaluate.h"

int eval_rows_add(EvalRows *r, EvalRow row, BigsError *e);
// The best of scores[0], scores[step], ..., n of them; the cross-entropy of `label`, or of the best where that is negative, summed in
// float64: not finite where a score is not.
int64_t eval_best_class(const float *scores, int64_t n, int64_t step, int64_t label, double *loss);
// What is said of a batch of questions, scores[B, L, 2] of it; and, once all are, a row for each question.
int eval_spans_add(EvalRows *r, const FeedBatch *batch, const float *scores, BigsError *e);
int eval_spans_end(EvalRows *r, const Feed *feed, BigsError *e);
// The vectors of texts 0 or 1 of a batch, of `width` numbers; text 0 comes first.  And, once all are there, a row for each pair.
int eval_pairs_add(EvalRows *r, const FeedBatch *batch, int side, const float *vector,
                   int64_t width, BigsError *e);
int eval_pairs_end(EvalRows *r, BigsError *e);
// The batch as if text 0 or 1 of its pairs were all that it has; field: room for three.
void eval_side(const FeedBatch *batch, int side, FeedField *field, FeedBatch *out);
enum { EVAL_SIDE_FIELDS = 3 };
#endif

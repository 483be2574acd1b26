// Answers in a text: what is said of each row, and of each question.  See evaluate.h.
#include "runtime/train/evaluate_internal.h"
#include "base/alloc.h"
#include "runtime/train/list.h"
#include <math.h>

// The mean of both places' cross-entropies; scores[L, 2].
static double span_loss(const float *scores, int64_t L, int32_t start, int32_t end) {
  double first, last;
  if (start < 0)
    return NAN;
  eval_best_class(scores, L, 2, start, &first);
  eval_best_class(scores + 1, L, 2, end, &last);
  return (first + last) / 2;
}

int eval_spans_add(EvalRows *r, const FeedBatch *batch, const float *scores, BigsError *e) {
  const FeedField *context = feed_find(batch, "context");
  const int32_t *start = feed_find(batch, "start")->data, *end = feed_find(batch, "end")->data;
  int64_t B = context->shape[0], L = context->shape[1];
  if (list_room((void **)&r->span, &r->span_cap, r->nspan + B, sizeof *r->span, e))
    return BIGS_EMODEL;
  for (int64_t b = 0; b < B; b++) {
    const float *row = scores + b * L * 2;
    SpanSaid said = span_best(row, (const bool *)context->data + b * L, L);
    said.row = batch->row[b];
    said.loss = span_loss(row, L, start[b], end[b]);
    r->span[r->nspan++] = said;
  }
  return 0;
}

int eval_spans_end(EvalRows *r, const Feed *feed, BigsError *e) {
  int64_t n;
  int status = feed->answers(feed->ctx, r->span, r->nspan, &r->answer, &n, e);
  for (int64_t i = 0; i < n && !status; i++) {
    const SpanAnswer *a = &r->answer[i];
    EvalRow row = {NAN, a->finite ? a->f1 : NAN, NAN, 0};
    if (a->known) {
      row.target = a->exact;
      row.loss = a->loss;
    }
    status = eval_rows_add(r, row, e);
  }
  return status;
}

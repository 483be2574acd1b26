// Two texts a row: how near their vectors are.  See evaluate.h.
#include "runtime/train/evaluate_internal.h"
#include "base/alloc.h"
#include "base/bug.h"
#include "runtime/train/list.h"
#include <math.h>
#include <string.h>

void eval_side(const FeedBatch *batch, int side, FeedField *field, FeedBatch *out) {
  static const char *const names[][3] = {
      {"ids_a", "ids_b", "ids"}, {"types_a", "types_b", "types"}, {"mask_a", "mask_b", "mask"}};
  *out = (FeedBatch){.field = field};
  for (int i = 0; i < COUNT(names); i++) {
    const FeedField *f = feed_find(batch, names[i][side]);
    if (!f)
      continue;
    field[out->nfield] = *f;
    field[out->nfield++].name = names[i][2];
  }
}

static int add_scores(EvalRows *r, const FeedBatch *batch, int64_t rows, BigsError *e) {
  const FeedField *target = feed_find(batch, "target");
  if (list_room((void **)&r->score, &r->score_cap, r->npair + rows, sizeof *r->score, e))
    return BIGS_EMODEL;
  for (int64_t i = 0; i < rows; i++)
    r->score[r->npair + i] = target ? (double)((const float *)target->data)[i] : NAN;
  r->scored |= target != NULL;
  return 0;
}

// Of length 1, where it is not all 0.
static void put_vector(const float *from, int64_t width, float *to) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++)
    sum += (double)from[i] * from[i];
  double length = sum > 0 ? sqrt(sum) : 1;
  for (int64_t i = 0; i < width; i++)
    to[i] = (float)(from[i] / length);
}

int eval_pairs_add(EvalRows *r, const FeedBatch *batch, int side, const float *vector,
                   int64_t width, BigsError *e) {
  int64_t rows = feed_find(batch, "ids_a")->shape[0], all = (r->npair + rows) * width;
  r->width = width;
  if (list_room((void **)&r->vector[side], &r->vector_cap[side], all, sizeof(float), e))
    return BIGS_EMODEL;
  for (int64_t i = 0; i < rows; i++)
    put_vector(vector + i * width, width, r->vector[side] + (r->npair + i) * width);
  if (side == 0)
    return add_scores(r, batch, rows, e);
  r->npair += rows;
  return 0;
}

static double cosine(const EvalRows *r, int64_t a, int64_t b) {
  const float *x = r->vector[0] + a * r->width, *y = r->vector[1] + b * r->width;
  double sum = 0;
  for (int64_t i = 0; i < r->width; i++)
    sum += (double)x[i] * y[i];
  return sum;
}

// Partners as near as another text are the nearest.  The loss is the cross-entropy of 20 times the cosines.
static EvalRow nearest(const EvalRows *r, int64_t i) {
  double own = cosine(r, i, i), best = own, sum = 0;
  EvalRow row = {(double)i, (double)i, 0, 0};
  for (int64_t k = 0; k < r->npair; k++) {
    double c = k == i ? own : cosine(r, i, k);
    sum += exp(20 * (c - own));
    if (c > best) {
      best = c;
      row.said = (double)k;
    }
  }
  row.loss = log(sum);
  row.said = isfinite(row.loss) ? row.said : NAN;
  return row;
}

// Where there are scores, the cosine is compared with them.
static EvalRow compared(const EvalRows *r, int64_t i) {
  double c = cosine(r, i, i), off = c - r->score[i];
  return (EvalRow){r->score[i], isfinite(c) ? c : NAN, off * off, 0};
}

int eval_pairs_end(EvalRows *r, BigsError *e) {
  int status = 0;
  r->task = (MetricTask){.kind = OF_PAIRS, .numbers = r->scored, .classes = r->npair};
  for (int64_t i = 0; i < r->npair && !status; i++)
    status = eval_rows_add(r, r->scored ? compared(r, i) : nearest(r, i), e);
  return status;
}

// What was said of the rows of a task, and its measures: see evaluate.h.
#include "runtime/train/evaluate_internal.h"
#include "base/alloc.h"
#include "runtime/train/list.h"
#include <math.h>

int64_t eval_best_class(const float *scores, int64_t n, int64_t step, int64_t label, double *loss) {
  int64_t best = 0;
  double sum = 0;
  for (int64_t i = 1; i < n; i++)
    if (scores[i * step] > scores[best * step])
      best = i;
  for (int64_t i = 0; i < n; i++)
    sum += exp((double)scores[i * step] - scores[best * step]);
  *loss = log(sum) + scores[best * step] - scores[(label < 0 ? best : label) * step];
  return best;
}

void eval_rows_free(EvalRows *r) {
  free(r->v);
  free(r->span);
  free(r->answer);
  free(r->vector[0]);
  free(r->vector[1]);
  free(r->score);
  *r = (EvalRows){0};
}

int eval_rows_add(EvalRows *r, EvalRow row, BigsError *e) {
  return LIST_ADD(r, row, e);
}

// The metrics of n rows whose target is known: x, then what was said, then what each is a part of.
static int put_metrics(const double *x, int64_t n, EvalResult *out, BigsError *e) {
  int err = 0;
  MetricTask task = out->task;
  task.part = x + 2 * n;
  for (int i = 0; i < METRICS && !err; i++)
    if (metric_fits((MetricId)i, &task))
      err = metric_compute((MetricId)i, &task, x, x + n, n, &out->metric[i], e);
  out->accuracy = out->metric[METRIC_accuracy];
  return err;
}

int eval_rows_result(const EvalRows *r, int64_t from, int64_t to, EvalResult *out, BigsError *e) {
  *out = (EvalResult){.rows = to - from, .task = r->task};
  for (int i = 0; i < METRICS; i++)
    out->metric[i] = NAN;
  for (int64_t i = from; i < to; i++)
    out->count += !isnan(r->v[i].target);
  double *x = MALLOC_N(double, 3 * out->count + 1), sum = 0;
  if (!x)
    return bigs_fail_memory(e, "predictions");
  for (int64_t i = from, n = 0; i < to; i++)
    if (!isnan(r->v[i].target)) {
      sum += r->v[i].loss;
      x[n] = r->v[i].target;
      x[out->count + n] = r->v[i].said;
      x[2 * out->count + n++] = r->v[i].part;
    }
  out->loss = out->count ? sum / (double)out->count : NAN;
  out->perplexity = r->task.numbers || r->task.kind == OF_SPANS || r->task.kind == OF_PAIRS
                        ? NAN
                        : exp(out->loss);
  int err = put_metrics(x, out->count, out, e);
  free(x);
  return err;
}

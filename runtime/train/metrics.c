// See metrics.h.
#include "runtime/train/metrics.h"
#include "base/alloc.h"
#include <math.h>
#include <string.h>

const char *const metric_names[METRICS] = {
#define METRIC(name, fits) #name,
#include "runtime/train/metrics.def"
#undef METRIC
};

int metric_find(const char *name) {
  for (int i = 0; i < METRICS; i++)
    if (!strcmp(metric_names[i], name))
      return i;
  return -1;
}

typedef enum MetricFits { FITS_CLASSES, FITS_TWO, FITS_NUMBERS } MetricFits;
static const MetricFits fits_what[METRICS] = {
#define METRIC(name, fits) FITS_##fits,
#include "runtime/train/metrics.def"
#undef METRIC
};

bool metric_fits(MetricId id, const MetricTask *t) {
  if (fits_what[id] == FITS_NUMBERS || t->numbers)
    return fits_what[id] == FITS_NUMBERS && t->numbers;
  return fits_what[id] == FITS_CLASSES || t->classes == 2;
}

typedef struct MetricRows {
  const MetricTask *task;
  const double *target, *said;
  int64_t n;
} MetricRows;

// ---- classes
static int metric_accuracy(const MetricRows *r, double *out) {
  int64_t right = 0;
  for (int64_t i = 0; i < r->n; i++)
    right += r->target[i] == r->said[i];
  *out = (double)right / (double)r->n;
  return 0;
}

typedef struct Confusion {
  double tp, fp, fn, tn; // true or false, said to be positive or negative
} Confusion;

static Confusion confusion(const MetricRows *r) {
  Confusion c = {0};
  for (int64_t i = 0; i < r->n; i++) {
    bool is = r->target[i] == r->task->positive, said = r->said[i] == r->task->positive;
    *(is ? said ? &c.tp : &c.fn : said ? &c.fp : &c.tn) += 1;
  }
  return c;
}

static int metric_f1(const MetricRows *r, double *out) {
  Confusion c = confusion(r);
  double all = 2 * c.tp + c.fp + c.fn;
  *out = all > 0 ? 2 * c.tp / all : 0;
  return 0;
}

static int metric_matthews(const MetricRows *r, double *out) {
  Confusion c = confusion(r);
  double all = sqrt(c.tp + c.fp) * sqrt(c.tp + c.fn) * sqrt(c.tn + c.fp) * sqrt(c.tn + c.fn);
  *out = all > 0 ? (c.tp * c.tn - c.fp * c.fn) / all : 0;
  return 0;
}

// ---- numbers
static double mean_of(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += x[i];
  return sum / (double)n;
}

static double correlation(const double *x, const double *y, int64_t n) {
  double mx = mean_of(x, n), my = mean_of(y, n), xx = 0, yy = 0, xy = 0;
  for (int64_t i = 0; i < n; i++) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? xy / (sqrt(xx) * sqrt(yy)) : NAN;
}

static int metric_pearson(const MetricRows *r, double *out) {
  *out = correlation(r->target, r->said, r->n);
  return 0;
}

typedef struct RankItem {
  double x;
  int64_t i;
} RankItem;

static int by_value(const void *a, const void *b) {
  double x = ((const RankItem *)a)->x, y = ((const RankItem *)b)->x;
  return (x > y) - (x < y);
}

static bool rank_values(const double *x, int64_t n, double *rank) {
  RankItem *item = MALLOC_N(RankItem, n + 1);
  if (!item)
    return false;
  for (int64_t i = 0; i < n; i++)
    item[i] = (RankItem){x[i], i};
  qsort(item, (size_t)n, sizeof *item, by_value);
  for (int64_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && item[end].x == item[i].x;)
      end++;
    for (int64_t k = i; k < end; k++)
      rank[item[k].i] = (double)(i + end - 1) / 2;
  }
  free(item);
  return true;
}

static int metric_spearman(const MetricRows *r, double *out) {
  double *rank = MALLOC_N(double, 2 * r->n + 1);
  bool ok = rank && rank_values(r->target, r->n, rank) && rank_values(r->said, r->n, rank + r->n);
  *out = ok ? correlation(rank, rank + r->n, r->n) : NAN;
  free(rank);
  return ok ? 0 : -1;
}

int metric_compute(MetricId id, const MetricTask *t, const double *target, const double *said,
                   int64_t n, double *out, BigsError *e) {
  static int (*const compute[METRICS])(const MetricRows *r, double *out) = {
#define METRIC(name, fits) metric_##name,
#include "runtime/train/metrics.def"
#undef METRIC
  };
  MetricRows r = {t, target, said, n};
  *out = NAN;
  if (n < 1)
    return 0;
  return compute[id](&r, out) ? bigs_fail_memory(e, "ranks of predictions") : 0;
}

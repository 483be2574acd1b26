// See metrics.h.
#include "runtime/train/metrics.h"
#include "runtime/train/entities.h"
#include "base/alloc.h"
#include "base/bug.h"
#include <math.h>
#include <string.h>

const char *const metric_names[METRICS] = {
#define METRIC(name) #name,
#define MEASURE(name, fits, function)
#include "runtime/train/metrics.def"
#undef METRIC
#undef MEASURE
};

int metric_find(const char *name) {
  for (int i = 0; i < METRICS; i++)
    if (!strcmp(metric_names[i], name))
      return i;
  return -1;
}

typedef struct MetricRows {
  const MetricTask *task;
  const double *target, *said;
  int64_t n;
} MetricRows;

// ---- classes
static int measure_equal(const MetricRows *r, double *out) {
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

static int measure_f1(const MetricRows *r, double *out) {
  Confusion c = confusion(r);
  double all = 2 * c.tp + c.fp + c.fn;
  *out = all > 0 ? 2 * c.tp / all : 0;
  return 0;
}

static int measure_matthews(const MetricRows *r, double *out) {
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

static int measure_mean_target(const MetricRows *r, double *out) {
  *out = mean_of(r->target, r->n);
  return 0;
}

static int measure_mean_said(const MetricRows *r, double *out) {
  *out = mean_of(r->said, r->n);
  return 0;
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

static int measure_pearson(const MetricRows *r, double *out) {
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

static int measure_spearman(const MetricRows *r, double *out) {
  double *rank = MALLOC_N(double, 2 * r->n + 1);
  bool ok = rank && rank_values(r->target, r->n, rank) && rank_values(r->said, r->n, rank + r->n);
  *out = ok ? correlation(rank, rank + r->n, r->n) : NAN;
  free(rank);
  return ok ? 0 : -1;
}

// ---- entities
static int measure_entities(const MetricRows *r, double *out) {
  EntityCount c;
  entities_count(r->task->names, r->target, r->said, r->task->part, r->n, &c);
  *out = c.is + c.said > 0 ? 2 * (double)c.both / (double)(c.is + c.said) : 0;
  return 0;
}

// ---- the table
typedef enum MetricFits {
  FITS_CLASSES,
  FITS_TWO,
  FITS_NUMBERS,
  FITS_TAGS,
  FITS_ENTITIES,
  FITS_SPANS,
  FITS_PAIRS,
  FITS_CHOICES
} MetricFits;

static bool fits(MetricFits what, const MetricTask *t) {
  switch (what) {
  case FITS_CLASSES: return t->kind == OF_CLASSES && !t->numbers;
  case FITS_TWO: return t->kind == OF_CLASSES && !t->numbers && t->classes == 2;
  case FITS_NUMBERS: return t->numbers;
  case FITS_TAGS: return t->kind == OF_TAGS;
  case FITS_CHOICES: return t->kind == OF_CHOICES;
  case FITS_PAIRS: return t->kind == OF_PAIRS && !t->numbers;
  case FITS_SPANS: return t->kind == OF_SPANS;
  case FITS_ENTITIES: return t->kind == OF_TAGS && entities_named(t->names);
  }
  return false;
}

typedef struct Measure {
  MetricId id;
  MetricFits fits;
  int (*compute)(const MetricRows *r, double *out); // other than 0: no memory
} Measure;
static const Measure measures[] = {
#define METRIC(name)
#define MEASURE(name, fits, function) {METRIC_##name, FITS_##fits, measure_##function},
#include "runtime/train/metrics.def"
#undef METRIC
#undef MEASURE
};

static const Measure *measure_of(MetricId id, const MetricTask *t) {
  for (int i = 0; i < COUNT(measures); i++)
    if (measures[i].id == id && fits(measures[i].fits, t))
      return &measures[i];
  return NULL;
}

bool metric_fits(MetricId id, const MetricTask *t) {
  return measure_of(id, t) != NULL;
}

int metric_compute(MetricId id, const MetricTask *t, const double *target, const double *said,
                   int64_t n, double *out, BigsError *e) {
  const Measure *m = measure_of(id, t);
  MetricRows r = {t, target, said, n};
  *out = NAN;
  if (n < 1 || !m)
    return 0;
  return m->compute(&r, out) ? bigs_fail_memory(e, "predictions") : 0;
}

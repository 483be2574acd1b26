// How well predictions agree with their targets.
#ifndef BIGSC_RUNTIME_METRICS_H
#define BIGSC_RUNTIME_METRICS_H
#include "base/error.h"
#include "runtime/train/labels.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum MetricId {
#define METRIC(name) METRIC_##name,
#define MEASURE(name, fits, function)
#include "runtime/train/metrics.def"
#undef METRIC
#undef MEASURE
  METRICS
} MetricId;
extern const char *const metric_names[METRICS];
int metric_find(const char *name); // a MetricId; -1: none is so called

typedef enum MetricKind {
  OF_CLASSES, // or of numbers: one a row
  OF_TAGS,    // classes of words
  OF_SPANS,   // answers: the target is 1 where one is exactly right, what is said is its f1
  OF_CHOICES, // which one
  OF_PAIRS    // texts: the number of a text's partner, and of the one that is nearest; or numbers
} MetricKind;
typedef struct MetricTask {
  MetricKind kind;
  bool numbers;        // targets are numbers, not classes
  int64_t classes;     // how many there are
  double positive;     // of two, the class that F1 counts
  const Labels *names; // OF_TAGS: of the classes
  const double *part;  // OF_TAGS: which text each word is of; entities end with it
} MetricTask;
bool metric_fits(MetricId id, const MetricTask *t);
// Of targets and of what was said, n each.
//   accuracy   share of rows where both are equal
//   f1         2 tp / (2 tp + fp + fn); 0 where no row is positive and none was said to be; of entities the
//              same over those that are (entities.h)
//   exact      share of answers that are exactly right, and f1 of answers the mean of theirs (spans.h)
//   recall     share of texts whose partner is the nearest of all
//   matthews   (tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn)); 0 where a factor is
//   pearson    correlation; NaN where either is the same everywhere
//   spearman   that of the ranks, equal values sharing the mean of theirs
// Fails for want of memory only.
int metric_compute(MetricId id, const MetricTask *t, const double *target, const double *said,
                   int64_t n, double *out, BigsError *e);
#endif

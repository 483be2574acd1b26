// What a run did, from its log: log.jsonl of a training folder, whole, damaged, or still being written.
#ifndef BIGSC_HISTORY_H
#define BIGSC_HISTORY_H
#include "base/error.h"
#include "base/vec.h"
#include "runtime/files/json.h"
#include <stdbool.h>

typedef enum LogMeasure {
#define LOGGED(name, axis, smoothed) MEASURE_##name,
#define METRIC(name) LOGGED(name, #name, false)
#define MEASURE(name, fits, function)
#include "compiler/commands/measures.def"
#include "runtime/train/metrics.def"
#undef METRIC
#undef MEASURE
#undef LOGGED
  MEASURES
} LogMeasure;
extern const char *const measure_names[MEASURES], *const measure_axes[MEASURES];
extern const bool measure_smoothed[MEASURES];
int measure_find(const char *name); // -1: there is none

typedef struct Moment {
  int64_t step;
  double tokens, seconds; // so far; NaN: not known
  double value[MEASURES]; // NaN: not there, or no number
} Moment;
typedef VEC(Moment) Moments; // steps ascending
typedef struct History {
  const char *path; // of the log
  const char *name; // of its folder, or of the file without its suffix
  Moments train, held;
  JsonDoc *start;      // the first record; NULL: it is missing
  int64_t resumed;     // times
  int64_t damaged;     // lines that are no records, besides one that is being written
  int64_t not_numbers; // losses that were not finite
  bool squared;        // the held-out loss is a squared error, and not in nats
} History;
// `path`: a training folder, or a log.  What a run did again, after it was killed and went on, counts once.  Errors: status 3 where
// there is no log, 1 where it has no step, nor an evaluation.
int history_read(Arena *a, const char *path, History *h, BigsError *e);
void history_free(History *h);
bool moments_have(const Moments *v, LogMeasure m); // is it a number at one of them?
bool history_has(const History *h, LogMeasure m);
// NULL: it is not there.
const char *history_text(const History *h, const char *key);
double history_number(const History *h, const char *key); // NaN: it is not there
#endif

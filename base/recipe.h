// What a train block names, from optimizers.def and schedules.def.
#ifndef BIGSC_RECIPE_H
#define BIGSC_RECIPE_H
#include <stdbool.h>

typedef enum OptimizerKind {
#define OPTIMIZER(ID, name, arguments) OPT_##ID,
#include "base/optimizers.def"
#undef OPTIMIZER
  OPT_COUNT
} OptimizerKind;
typedef enum ScheduleKind {
#define SCHEDULE(ID, name, falls) SCHED_##ID,
#include "base/schedules.def"
#undef SCHEDULE
  SCHED_COUNT
} ScheduleKind;

extern const char *const optimizer_names[OPT_COUNT];
extern const char *const optimizer_arguments[OPT_COUNT]; // words of "beta eps momentum"
extern const char *const schedule_names[SCHED_COUNT];
extern const bool schedule_falls[SCHED_COUNT]; // does it take the level that it ends at?
#endif

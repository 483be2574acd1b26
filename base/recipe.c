// See recipe.h.
#include "base/recipe.h"

const char *const optimizer_names[OPT_COUNT] = {
#define OPTIMIZER(ID, name, arguments) #name,
#include "base/optimizers.def"
#undef OPTIMIZER
};
const char *const optimizer_arguments[OPT_COUNT] = {
#define OPTIMIZER(ID, name, arguments) arguments,
#include "base/optimizers.def"
#undef OPTIMIZER
};
const char *const schedule_names[SCHED_COUNT] = {
#define SCHEDULE(ID, name, falls) #name,
#include "base/schedules.def"
#undef SCHEDULE
};
const bool schedule_falls[SCHED_COUNT] = {
#define SCHEDULE(ID, name, falls) falls,
#include "base/schedules.def"
#undef SCHEDULE
};

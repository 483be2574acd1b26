// What a model's text names, from optimizers.def, schedules.def and tokenizers.def.
#ifndef BIGSC_RECIPE_H
#define BIGSC_RECIPE_H
#include <stdbool.h>

typedef enum OptimizerKind {
#define OPTIMIZER(ID, name, arguments, beta2) OPT_##ID,
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

typedef enum TokenizerKind {
#define TOKENIZER(ID, name, file, arguments) TOKENIZER_##ID,
#include "base/tokenizers.def"
#undef TOKENIZER
  TOKENIZER_COUNT
} TokenizerKind;

extern const char *const optimizer_names[OPT_COUNT];
extern const char *const optimizer_arguments[OPT_COUNT]; // words of "beta eps momentum"
extern const double optimizer_beta2[OPT_COUNT];          // where none is given
extern const char *const schedule_names[SCHED_COUNT];
extern const bool schedule_falls[SCHED_COUNT]; // does it take the level that it ends at?
extern const char *const tokenizer_names[TOKENIZER_COUNT];
extern const char *const tokenizer_files[TOKENIZER_COUNT];     // of the vocabulary, in a folder
extern const char *const tokenizer_arguments[TOKENIZER_COUNT]; // words of "lower pad_to"
// The decay of a group of states in a module's tables; any other is at least 0.
#define STATE_DECAY (-1)
#endif

// See recipe.h.
#include "base/recipe.h"

const char *const optimizer_names[OPT_COUNT] = {
#define OPTIMIZER(ID, name, arguments, beta2) #name,
#include "base/optimizers.def"
#undef OPTIMIZER
};
const char *const optimizer_arguments[OPT_COUNT] = {
#define OPTIMIZER(ID, name, arguments, beta2) arguments,
#include "base/optimizers.def"
#undef OPTIMIZER
};
const double optimizer_beta2[OPT_COUNT] = {
#define OPTIMIZER(ID, name, arguments, beta2) beta2,
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
const char *const tokenizer_names[TOKENIZER_COUNT] = {
#define TOKENIZER(ID, name, file, arguments) #name,
#include "base/tokenizers.def"
#undef TOKENIZER
};
const char *const tokenizer_files[TOKENIZER_COUNT] = {
#define TOKENIZER(ID, name, file, arguments) file,
#include "base/tokenizers.def"
#undef TOKENIZER
};
const char *const tokenizer_arguments[TOKENIZER_COUNT] = {
#define TOKENIZER(ID, name, file, arguments) arguments,
#include "base/tokenizers.def"
#undef TOKENIZER
};

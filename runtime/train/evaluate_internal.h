// Between evaluation and what is kept of the rows of a task.
#ifndef BIGSC_RUNTIME_EVALUATE_INTERNAL_H
#define BIGSC_RUNTIME_EVALUATE_INTERNAL_H
#include "runtime/train/evaluate.h"

int eval_rows_add(EvalRows *r, EvalRow row, BigsError *e);
#endif

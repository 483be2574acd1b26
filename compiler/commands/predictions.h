// What a model says of each row of a task, as a file.
#ifndef BIGSC_PREDICTIONS_H
#define BIGSC_PREDICTIONS_H
#include "compiler/driver/session.h"
#include "runtime/train/data.h"
#include "runtime/train/evaluate.h"

// A header `index<tab>prediction`, as GLUE has it, then a line for each row, counted from 0: the name of the class, its number
// where it has none, or a number.  Of words a line each, `word<tab>tag`, and a blank line behind a sentence.  Of questions their ids,
// where they have some, and answers; in a file called *.json those as SQuAD's script wants them.  What is not finite is an error of
// status 4, and nothing is written.
int predictions_write(Session *s, const Data *data, const EvalRows *rows, const char *path);
#endif

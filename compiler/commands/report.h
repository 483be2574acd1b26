// The parts of `bigsc report`: each writes a section of the page.
#ifndef BIGSC_REPORT_H
#define BIGSC_REPORT_H
#include "compiler/commands/feeding.h"
#include "compiler/commands/history.h"
#include "runtime/train/checkpoint.h"

typedef struct Report {
  Session s;
  Options o;
  FILE *f;
  const char *dir;
  History h;
  bool saved; // there is a checkpoint, and the model is open with it; else nothing below is known
  TrainState st;
  char train[128];   // the block
  const char *entry; // by which it is judged, or the first one; NULL: the model has none
  Feeding feeding;
} Report;

void report_recipe(Report *r);
void report_curves(Report *r);
// Status; what went wrong has been printed.  Data that is not there is a note on the page.
int report_examples(Report *r);
int report_kernels(Report *r);
#endif

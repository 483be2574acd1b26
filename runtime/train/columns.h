// The columns of a task's file: which of them are its texts and its label.
#ifndef BIGSC_RUNTIME_COLUMNS_H
#define BIGSC_RUNTIME_COLUMNS_H
#include "runtime/train/corpus.h"

enum { MAX_COLUMNS = 256 };
typedef struct TextField { // of a line, or of JSON
  const char *s;
  size_t n;
} TextField;
// Between tabs: no quoting.  field: room for MAX_COLUMNS.  MAX_COLUMNS + 1: there are more.
int cut_fields(const TextLine *l, TextField *field);

// Is no other of the n fields of a header called as field[i] is?  What it holds would be a guess; i -1: nothing is asked for.
int column_once(const TextLine *l, const TextField *field, int n, int i, BigsError *e);

typedef struct Columns {
  int count, a, b, label; // b -1: single texts; label -1: none
  bool headless;          // the line is a row already
  bool scored;            // the label's column is called `score`
} Columns;
// From the first line of a file: its header, or, of CoLA's files, which have none, a row.  A file without a label is an error
// where one is needed; status BIGS_EMODEL, with file and line.
int columns_read(const TextLine *l, bool need_label, Columns *out, BigsError *e);
#endif

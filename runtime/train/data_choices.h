// Several choices a row: as files have them, and as rows of batches.
#ifndef BIGSC_RUNTIME_DATA_CHOICES_H
#define BIGSC_RUNTIME_DATA_CHOICES_H
#include "runtime/train/data_internal.h"
#include "runtime/train/list.h"

typedef struct ChoiceRow {
  DataText context;
  int64_t choice; // the first one's place in the list
  int32_t label;  // -1: not known
  bool pair;      // it has a context
} ChoiceRow;
typedef struct Choices {
  LIST(DataText) text;
  LIST(ChoiceRow) row;
  LIST(int32_t) note; // labels
  int n;              // choices of each row
} Choices;

// Reads files of columns or of JSON.
int choices_read(Data *d, Choices *c, const char *const *paths, int n, BigsError *e);
#endif

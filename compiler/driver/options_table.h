// The tables of the command line, expanded: options.c parses by them, manual.c prints them.
#ifndef BIGSC_OPTIONS_TABLE_H
#define BIGSC_OPTIONS_TABLE_H
#include "compiler/driver/options.h"

typedef enum OptionKind { FLAG, TEXT, NUM, SIZE, PAIR, LEVEL, LIST } OptionKind;
typedef struct OptionRow {
  const char *spelling;
  OptionKind kind;
  unsigned verbs;          // bit 1 << VERB_x for each command that takes it
  size_t field;            // its offset in Options
  const char *meta, *help; // help NULL: not listed
} OptionRow;
typedef struct VerbRow {
  const char *name, *args, *help;
} VerbRow;
extern const OptionRow option_rows[];
extern const int option_count;
extern const VerbRow verb_rows[VERB_COUNT];

bool option_listed(const OptionRow *o, int verb); // among the options of that command
// What stands between an option and its value: "", "=" or " ".
const char *option_join(const OptionRow *o);
#endif

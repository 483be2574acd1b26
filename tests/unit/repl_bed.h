// Scripts at the prompt, and what they print.
#ifndef BIGSC_REPL_BED_H
#define BIGSC_REPL_BED_H
#include "compiler/repl/repl.h"
#include <check.h>

typedef struct ReplRun {
  char *text; // values and diagnostics together
  size_t size;
  int failures;
} ReplRun;
ReplRun repl_run(const char *script); // text: to be freed
// These run a script once where they get the same one in a row.
// The script prints exactly this.
void prints(const char *script, const char *want);
// It does not fail, or so often, and this is part of what it prints.
void succeeds_with(const char *script, const char *part);
void fails_with(const char *script, int failures, const char *part);
TCase *repl_tools(void); // test_repl_tools.c
#endif

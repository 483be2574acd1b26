// Loading models in tests.
#ifndef BIGSC_SEMA_TEST_H
#define BIGSC_SEMA_TEST_H
#include "compiler/sema/sema.h"

typedef struct Loaded {
  Arena *a;
  Intern *names;
  Diags d;
  Model *m;
} Loaded;
// `text` is a program, or (without a newline) the path of one below srcdir; defs: "H=4 p=0.1
// form=recur", or NULL.
Loaded load_text(const char *text, const char *defs);
Loaded must_load(const char *text, const char *defs); // fails the test with the diagnostics
const CkptTable *must_find_block(const Model *m, const char *name); // of `checkpoint NAME`
void unload(Loaded *l);
double *run_entry(Loaded *l, int *n);
#endif

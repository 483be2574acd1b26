// A model of any architecture beside the interpreter of its graph as it was built, before any rewrite: first values,
// entries, losses, gradients, and steps of the optimizer.
#ifndef BIGSC_ZOO_BED_H
#define BIGSC_ZOO_BED_H
#include "compiler/driver/pipeline.h"
#include "tests/unit/compiled.h"

enum { ZOO_FILES = 100, ZOO_INPUTS = 8 };
typedef struct Zoo {
  Arena *arena;
  Compiled c;      // handle: as many threads as wanted; module: all that the model has
  uint64_t seed;   // of the handle
  Build reference; // scans as loops
  Node ***grad;    // by loss and parameter
} Zoo;

// Names of the .mdl files in a folder of the sources, sorted, malloced; at most ZOO_FILES.
int zoo_files(const char *folder, char **name);
// One of models/ with small sizes, of odd numbers, or of tests/zoo as it is.
Model *zoo_model(Arena *a, const char *folder, const char *file, Intern *names, Diags *d);
bool zoo_again(const char *file); // one of models/ whose kernels are those of others
int zoo_sized(void);              // how many files have such sizes
// All that a model has, or of its train blocks the first one alone.
const BuildWant *zoo_want(Arena *a, const Model *model, bool all);
// Fills z->reference and z->grad; want: what z->c.module was built of, which lasts as long as z.
void zoo_reference(Zoo *z, Intern *names, Diags *diags, Model *model, const BuildWant *want);

typedef struct ZooBatch {
  int64_t dim[MAX_SYMS];
  void *data[ZOO_INPUTS]; // by input of the module
  bool given[ZOO_INPUTS]; // others take their defaults
} ZooBatch;
// Numbers for the inputs at size[3], as far as the model allows for them.  defaults: optional inputs are not given.
ZooBatch zoo_batch(const Zoo *z, Arena *a, const int64_t *size, bool defaults);
// The interpreter at these inputs.
Eval *zoo_interpreter(const Zoo *z, Arena *a, const ZooBatch *x);

void zoo_check_first_values(const Zoo *z);
// Adds numbers to all parameters: of biases that are 0 nobody sees which one was read.
void zoo_shake(const Zoo *z, Arena *a);
// Against the interpreter e; NULL: they are only run.  *bits becomes a hash of what it was and of all results.
void zoo_check_entries(const Zoo *z, Arena *a, Eval *e, const ZooBatch *x, uint64_t *bits);
void zoo_check_gradients(const Zoo *z, Arena *a, Eval *e, const ZooBatch *x, int loss,
                         uint64_t *bits);
// One step of the optimizer, the first of the handle with this loss.  Against the same in float64, from the
// gradients that zoo_check_gradients left.
void zoo_check_step(const Zoo *z, Arena *a, const ZooBatch *x, int loss, uint64_t *bits);
// Of code for a GPU: an update whose step may not go on stores the bits that were there, whatever the gradient is.
void zoo_check_no_step(const Zoo *z, int loss);
#endif

// Training in less memory: values of the forward part of a gradient program that its backward part reads are computed again
// shortly before that, by the same kernels from the same values, so that every bit is what it was.
//
// The forward part, the steps up to the one that makes the loss, is cut into parts where little passes from one to the next, a
// layer's input say.  What passes is kept; of the first parts nothing else is.  As steps say which buffers they write, this
// needs neither the graph nor other machine code, and is decided where sizes are known.
#ifndef BIGSC_RUNTIME_AGAIN_H
#define BIGSC_RUNTIME_AGAIN_H
#include "runtime/exec/exec.h"

typedef struct Again {
  const BigsProgram *of; // of the module
  BigsProgram program;   // what is run in its place
  int parts, n;          // of the forward part; the first n of them are computed again
  const char *upto;      // module of the last step of those, or NULL
  double more;           // model FLOPs of what is computed again, as a share of the program's own
  // memory of the tables
  BigsStep *step;
  BigsBuffer *buffer;
  int32_t *arg;
  char *text;
} Again;

// From now on the first n parts of the gradient program are computed again, or as many as can be: all but the last one.  The
// parts are chosen for the sizes `dims`; what is bound to others later has the same.  n = 0: none are.  m->again tells what was
// decided.  The program's bindings go.
int again_set(bigs_model *m, int program, const int64_t *dims, int n);
// What the sizes choose, or what is run in its place.
const BigsProgram *again_program(const bigs_model *m, int program, const int64_t *sym);
void again_free(bigs_model *m);
#endif

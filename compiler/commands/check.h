// The parts of `bigsc check`: a model in the float64 interpreter, its gradients against finite
// differences, with large inputs in float32 too, the members of its `forms` against each other, compiled code against it.
#ifndef BIGSC_CHECK_H
#define BIGSC_CHECK_H
#include "compiler/driver/session.h"

// Values of parameters and inputs by name: the same for every form.
typedef struct Datum {
  const char *name;
  int dtype; // DType, of an input: two may have one name
  double *data;
  int64_t n;
  double rms;
} Datum;
typedef struct CheckData {
  VEC(Datum) params, inputs;
} CheckData;

// A scalar function of the parameters: a train block's loss, or an entry times random numbers.
typedef struct Subject {
  const char *name;
  bool is_entry;
  Node *loss;         // as elaborated: what is evaluated for finite differences
  Node *computed;     // the same as it is compiled
  const Node *random; // of an entry: the input that holds the random numbers
  int n, ninputs;
  Param **param; // reached by the loss
  Output *
      grad; // one each, in the order of the parameter's axes; then of the ninputs inputs that hold any number
} Subject;

typedef struct CheckModel {
  Session *s;
  Model *model;
  Graph *graph;
  Outputs entries;
  VEC(Subject) subjects;
} CheckModel;

// All return an exit status; what went wrong has been printed.
// Elaborates entries and subjects with gradients.  `model` must have no run-time dims.
int check_build(CheckModel *c, Session *s, Model *model);
// Parameters from their own initializers, inputs at random.
int check_data(CheckModel *c, CheckData *d);
// Values in the order of the outputs' axes, in the memory of `a`.
int check_values(CheckModel *c, const CheckData *d, Arena *a, const Output *out, int n,
                 const double **value);
// An interpreter with these values.
Eval *check_bound(CheckModel *c, const CheckData *d, Arena *a);
// Whether it is an input of the model that may hold any number.
bool check_is_large(const CheckModel *c, const Node *n);
typedef struct Shift { // parameters moved by h along `along` (per parameter; NULL: not moved)
  double h;
  const double *const *along;
  // Values that stay what they are (stop_gradient's), of nodes of the subject's `computed`.
  Node *const *frozen;
  const double *const *value;
  int nfrozen;
} Shift;
int check_loss(CheckModel *c, const CheckData *d, const Subject *j, Shift shift, double *loss);
// Numbers computed by an evaluation of the roots, and the memory it takes.
double check_work(const CheckModel *c, Node *const *roots, int n, double *bytes);
int64_t check_elements(Axis *const *ax, int nax);

// check_far.c: relative to the largest number that should be there
typedef struct Difference {
  double value, gradient;
  const char *where_value, *where_gradient; // the names of what is farthest off
} Difference;
double check_largest(double most, const double *v, int64_t n); // or most
void check_worse_value(Difference *f, const double *got, const double *want, int64_t n,
                       const char *name);
// least: what gradients that are smaller than that are compared with
void check_worse_gradient(Difference *f, const double *got, const double *want, int64_t n,
                          double least, const char *name);

typedef struct Checked {
  int gradients, forms, wrong;
  bool compiled; // compared with what was compiled, too
  bool sampled;  // not every parameter was checked by itself
} Checked;
// check_grad.c
int check_gradients(CheckModel *c, const CheckData *d, Checked *sum);
// check_large.c
int check_large(CheckModel *c, const CheckData *d, Checked *sum);
// check_forms.c
bool check_has_forms(CheckModel *c); // with more than one member
// reload(ctx, form, out) makes the model with that member of every `forms`.
typedef int Reload(void *ctx, const char *form, CheckModel *out);
int check_forms(CheckModel *c, const CheckData *d, Reload *reload, void *ctx, Checked *sum);

// check_compiled.c: with --target, what is compiled for it against the interpreter.
int check_compiled(CheckModel *c, const CheckData *d, Checked *sum);

const char *check_place(Session *s, Span at);                                  // "bag.mdl:12"
void check_progress(const Session *s, const char *fmt, ...) PRINTF_LIKE(2, 3); // a line that passes
void check_progress_end(const Session *s);
#endif

// A compiled model beside the interpreter of its graph: parameters, inputs and results of any dtype as float64.
#ifndef BIGSC_TESTS_COMPILED_H
#define BIGSC_TESTS_COMPILED_H
#include "graph/ir.h"
#include "runtime/abi.h"
#include "runtime/bigs.h"

typedef struct Compiled {
  bigs_model *handle;
  const BigsModule *module;
} Compiled;

double element_get(const void *p, int dtype, int64_t i);
void element_put(void *p, int dtype, int64_t i, double v); // bf16 is cut, not rounded
double *widened(Arena *a, const void *data, int dtype, int64_t n);

int parameter_number(const BigsModule *m, const char *path); // fails the test when there is none
int64_t parameter_size(const BigsParam *p);                  // elements
// Where element `at` of p (row-major) lies in its stack, whose last axis is the columns.
int64_t stack_index(const Param *p, int64_t at);
// The weight or gradient of parameter i in its declared order.
double *parameter_values(Arena *a, const Compiled *c, bigs_what what, int i);

// The gradients of a loss, by parameter of the graph.
Node **loss_gradients(Arena *a, Graph *g, Node *loss);
// An interpreter of g with the weights of c and, by input of the module, `data`.
Eval *interpreter_of(Arena *a, Graph *g, const Compiled *c, const int64_t *dim, void *const *data);
// eval_in_order, which fails the test on an error.
const double *interpreted(Eval *e, Node *n, Axis *const *ax, int nax);

double largest(const double *x, int64_t n); // absolute value
// got[i] is within `room` of expected[i]; dim: three sizes, for the message.
void near(const double *got, const double *expected, int64_t n, double room, const char *what,
          const int64_t *dim);
uint64_t draw(uint64_t *state); // 31 bits
#endif

// Shared by the tests of the graph: a graph whose leaves have random values, values by the
// interpreter, gradients against central differences in float64.
#ifndef BIGSC_GRAPH_TEST_H
#define BIGSC_GRAPH_TEST_H
#include "graph/ir.h"
#include <check.h>

enum { BED_LEAVES = 128 };
typedef struct Bed {
  Arena *arena;
  Graph *g;
  int64_t syms[MAX_SYMS];
  uint64_t seed, step; // of RANDOM nodes
  uint64_t state;      // of the leaves' values
  EvalStore *store;    // what the interpreter rounds; NULL: nothing
  int n;
  Node *leaf[BED_LEAVES];
  double *data[BED_LEAVES]; // may be written by a test
  int64_t size[BED_LEAVES];
} Bed;
Bed bed_new(uint64_t seed);
void bed_free(Bed *b);
double bed_uniform(Bed *b, double lo, double hi);
Axis *bed_axis(Bed *b, const char *name, int64_t extent);    // constant
Axis *bed_run_axis(Bed *b, const char *name, int64_t value); // of a run-time size
// An INPUT with values uniform in [lo, hi); whole ones for i32, 0 or 1 for bool.
Node *bed_leaf(Bed *b, DType t, Axis *const *ax, int nax, double lo, double hi);
Node *bed_fill(Bed *b, Node *leaf, double lo, double hi); // the same for a leaf that exists
// Values in n's own axis order; the test fails on an error.
const double *bed_value(Bed *b, Node *n);
const double *bed_in_order(Bed *b, Node *n, Axis *const *ax, int nax);
int64_t bed_size(const Bed *b, Axis *const *ax, int nax);
// What the interpreter says is wrong with n; NULL for nothing.
const char *bed_error(Bed *b, Node *n);
// |a - b| <= tolerance * (1 + |b|) for all values of the two nodes, in a's axes.
void bed_same(Bed *b, Node *x, Node *y, double tolerance, const char *what);
// The gradient of loss with respect to every float leaf against central differences; also verifies
// the graph of both.
void bed_check_grads(Bed *b, Node *loss, const char *what);
#endif

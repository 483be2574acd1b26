// Runs planned programs against the interpreter: plan, JIT, bind, run, compare.
#ifndef BIGSC_PLAN_BED_H
#define BIGSC_PLAN_BED_H
#include "codegen/plan/plan.h"
#include "runtime/abi.h"
#include "tests/unit/graph_test.h"

// Axes as an array, and their number: two arguments.
#define AX(...) ((Axis *[]){__VA_ARGS__}), (int)(sizeof((Axis *[]){__VA_ARGS__}) / sizeof(Axis *))

// Other code for kernels than that of the JIT.
typedef struct PlanCode PlanCode;
struct PlanCode {
  // A function for each of n kernels, which run in one thread; false: there is nothing to run yet.
  bool (*make)(PlanCode *c, const BigsModule *m, LKernel *const *k, int n, BigsKernel **code);
  int runs; // each check runs as often, `run` being 0, 1, ...; all must give the same bits
  int run;
};

typedef struct PlanBed {
  Bed b;
  const char *march; // NULL: native
  bool no_fuse, bf16, int8;
  int scan_steps;   // see PlanOptions
  int threads;      // 0: 2
  double tolerance; // of the largest absolute value of an output; 0: 2e-5
  double least;     // an output's largest absolute value counts as at least this; 0: 1e-3
  PlanCode *code;   // of kernels planned for a GPU; NULL: the JIT's
  bool print;       // the plan and the loops, to standard error
  // of the last run
  int steps, kernels;
  int blocks;    // scans whose tasks have a block of an axis that is summed over
  int replays;   // scans whose states are computed again from the starts of pieces
  int64_t bytes; // that the steps say they read and write
  uint64_t bits; // hash of all outputs
} PlanBed;
PlanBed plan_bed_new(uint64_t seed);
void plan_bed_free(PlanBed *t);
// A parameter with random values.
Param *plan_bed_param(PlanBed *t, const char *path, Axis *const *ax, int nax, double lo, double hi);
// An output of all of n's axes, in n's order.
Output plan_bed_output(PlanBed *t, Node *n);
// Computes the outputs by compiled kernels and by the interpreter and compares them.
void plan_bed_check(PlanBed *t, BigsProgramKind kind, const Output *outs, int n, const char *what);
void plan_bed_check1(PlanBed *t, Node *n, const char *what); // one entry
void plan_bed_check_order(PlanBed *t, Node *n, Axis *const *ax, int nax, const char *what);
Node *plan_bed_loss(Graph *g, Node *y); // the sum of y y + y
void plan_bed_leaves(Graph *g, Node **root, Arena *a, Node ***wrt,
                     int *n); // those of floats that a root depends on
// y and the gradients of that loss of it with respect to all leaves of floats, as outputs of one program, rewritten as a loss is.
void plan_bed_check_gradients(PlanBed *t, const Output *y, const char *what);
#endif

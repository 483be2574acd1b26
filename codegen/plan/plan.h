// The planner: graph -> programs of loop-IR kernels.
//
// Requires: verified graphs without scans (graph_close_scans first).
// Maintains: the graph is never changed; every kernel passes loop_verify; equal
// kernels of all programs are one.
//
// A node is *materialised* when it is stored in a buffer; every other node is derived inside the
// kernels that use it.  A kernel instance computes a set of nodes over one iteration domain
// (codegen/plan/fuse.c says which, codegen/plan/materialise.c which nodes are stored, codegen/plan/layout.c
// where); equal instances share their code.
#ifndef BIGSC_PLAN_H
#define BIGSC_PLAN_H
#include "codegen/loop/loop.h"
#include "graph/ir.h"
#include "runtime/abi.h"

typedef struct PlanTarget { // the facts of plan_targets.def
#define FACT(type, name, cpu, gpu) type name;
#include "codegen/plan/plan_targets.def"
#undef FACT
} PlanTarget;
extern const PlanTarget plan_on_cpu, plan_on_gpu;

typedef struct PlanOptions {
  const PlanTarget *on; // NULL: plan_on_cpu
  int nr; // columns of a register tile: the width of parameter panels; a multiple of vector_floats
  int mr; // rows of a register tile
  int pair_rows;     // the same of products of pairs of bf16, and of quads of int8
  int vector_floats; // f32 lanes of one native vector
  bool bf16;         // activations and their gradients lie in memory as bf16 (precision.c)
  bool int8;         // products of activations with parameters are of int8 in entries (quads.c)
  const char
      *int8_names; // of those parameters alone, by path, with blanks between them; NULL: of any
  bool fuse;       // false (-O0): every node that computes something is stored
  int scan_steps; // of a piece at whose start a scan's states are stored for its gradient; 0: by its sizes, -1: store all
  const char *prefix;  // of kernel names; NULL: "k"
  const double *costs; // of costs.def, by CostKind; NULL: its own
} PlanOptions;

typedef struct Planner Planner; // of one module
Planner *plan_new(Arena *a, Graph *g, const PlanOptions *opt);

// Records a program that computes outs[0 .. n) and returns its index.  The array and its names are
// copied.  Kinds and what they expect of outputs: see BigsProgramKind; an output with `param` is
// written in that parameter's storage (BIGS_GRADIENT: of the gradient arena, BIGS_INIT: of the
// parameter arena), and is not among the module's BigsProgram.output.  Gradients that are wanted of
// one program are all given here.
int plan_program(Planner *p, const char *name, BigsProgramKind kind, const Output *outs, int n);

// Records another way to compute what the program `of` does, with the same outputs: in its BigsProgram.other, and not counted
// among the module's programs, which are recorded before.  The texts are BigsProgram.forms of that one and of this.
void plan_other(Planner *p, int of, const char *first, const char *forms, const Output *outs,
                int n);

// Of a finished plan, for tests: a program's outputs, whose nodes have other names by now; does n take its operand
// rounded to bf16?  -1: is n itself, of f32, stored so?
const Output *plan_outputs(const Planner *p, int program, int *n);
bool plan_rounds(const Planner *p, int program, const Node *n, int operand);

// Plans every recorded program and fills m's params, storage, param_bytes, inputs, dims and
// programs (and nkernel); tables live in the planner's arena.  What else a module has is the
// driver's.  BigsParam.tags are bits of m->tag, which this sets too. False when something cannot be
// compiled: see plan_errors.
bool plan_finish(Planner *p, BigsModule *m);

// Kernels of all programs, unique; the index is BigsStep.index of BIGS_KERNEL steps.
LKernel **plan_kernels(Planner *p, int *n);

typedef struct PlanError {
  Span span;
  const char *text; // a sentence without the place: "scan over a run-time length is ..."
  bool too_large;   // a size that is no gap of the compiler's
} PlanError;
const PlanError *plan_errors(Planner *p, int *n);

typedef struct PlanRemark {
  bool fused; // -Rpass=fuse, else -Rpass-missed=fuse
  Span span;
  const char *text; // "gelu fused into the product with layer.0.up.weight"
} PlanRemark;
const PlanRemark *plan_remarks(Planner *p, int *n);

// --emit=fused: storage of parameters, then each program's steps with what they read and write, and
// its buffers.
void plan_print(FILE *f, Planner *p, const BigsModule *m);
#endif

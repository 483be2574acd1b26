// Private to graph/: what the op_*.c files give for each row of ops.def, and what they share.
//
// An op has three functions on adjacent lines: <ID>_shape fills in the result's axes and dtype or
// says what is wrong, <ID>_eval computes float64 values, <ID>_grad adds to the operands' gradients.
// The tables of them in build.c, eval.c and autodiff.c are expanded from ops.def, so that a missing
// one is a link error.
#ifndef BIGSC_OP_H
#define BIGSC_OP_H
#include "graph/ir.h"

// ---- shape rules
typedef struct Shape {
  Graph *g;
  int op, nin;
  Node *const *in;
  const Attr *attr;
  int dtype; // on entry the one asked for, which rules that derive it replace
  int nax;
  Axis *ax[MAX_AXES];
  const char *error; // in g's arena; NULL when the node is well formed
} Shape;
void shape_run(Shape *s);         // arity, then the op's rule
Node *shape_find(const Shape *s); // the node with this op, dtype, operands and attributes, or NULL
void shape_fail(Shape *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void shape_put(Shape *s, Axis *a); // appends; an axis twice is an error
void shape_union(Shape *s, const Node *x);
bool shape_has(const Shape *s, const Axis *a);
void shape_list(Shape *s, Axis *const *ax, int n); // appends all
// extent(a) == p, else an error
void shape_extent(Shape *s, const Axis *a, Poly p);

// ---- evaluators
typedef struct EvalOp {
  Eval *e;
  const Node *n;
  const double *const *in;
  double *out; // zeroed
  int64_t size;
} EvalOp;
int64_t eval_poly(const Eval *e, const Poly *p);
int64_t eval_extent(const Eval *e, const Axis *a);
int64_t eval_size(const Eval *e, Axis *const *ax, int nax);
int64_t eval_stride(const Eval *e, const Node *n, const Axis *a); // row-major; 0 when n lacks a
// Rounds v, the values of that operand of a contraction: rows of activations, or columns of weights.
void eval_int8(Eval *e, const Node *n, int operand, bool rows, double *v);
void eval_fail(Eval *e, const Node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);
Arena *eval_arena(Eval *e);
const double *eval_leaf(const Eval *e, const Node *n); // what was bound, or NULL
void eval_site(const Eval *e, uint64_t site, uint32_t key[2]);
double eval_uniform(const uint32_t key[2], int64_t element);
const double *eval_value(Eval *e, Node *n); // computed once; NULL on an error
// Computes n (again) into a buffer that stays n's; false on an error.
bool eval_compute(Eval *e, Node *n);
Node **eval_body(Eval *e, const Scan *s,
                 int *count); // scan_body(s) or loop_region(s), found once

// Nested loops over axes with a linear offset per operand:
//   for (walk_start(&w); w.more; walk_row(&w)) for (i < w.inner) ... x[w.off[k] + i * w.step[k]]
enum { WALK_AXES = 2 * MAX_AXES, WALK_OPERANDS = 5 };
typedef struct AxisWalk {
  const Eval *e;
  int n, nop;
  Axis *ax[WALK_AXES];
  int64_t ext[WALK_AXES], at[WALK_AXES];
  int64_t stride[WALK_OPERANDS][WALK_AXES], base[WALK_OPERANDS], off[WALK_OPERANDS];
  bool more;
  int64_t inner, step[WALK_OPERANDS];
} AxisWalk;
void walk_init(AxisWalk *w, const Eval *e, Axis *const *ax, int nax);
void walk_axis(AxisWalk *w, Axis *a);         // one more, innermost; none if there already
int walk_operand(AxisWalk *w, const Node *x); // row-major in x's axes; its index
void walk_bind(AxisWalk *w, int k, const Axis *a,
               int64_t stride); // other stride of operand k along a
void walk_start(AxisWalk *w);
void walk_row(AxisWalk *w);

// ---- gradient rules
typedef struct Grad {
  Graph *g;
  Node *n, *dy;       // dy may lack axes of n: constant along them
  Node **acc;         // by id: sum of the contributions so far
  const bool *needed; // by id: depends on something asked for
  int count;          // of those
  const int *loop;    // the ids below count that are values of loops, ascending
  int nloop;
} Grad;
bool grad_wants(const Grad *r, int i);
int grad_axes_beyond(const Node *a, const Node *b,
                     Axis **out);       // those of a that b lacks, into out; their number
void grad_add(Grad *r, int i, Node *d); // d has axes of operand i only, perhaps not all
void grad_broadcast(
    Grad *r, int i,
    Node *d); // the same for pointwise ops: summed over the axes of n that operand i lacks
// sum over axes of a * b, where either may lack any of them
Node *grad_contract(Graph *g, Node *a, Node *b, Axis *const *ax, int n);

// ---- scans
// Nodes of the body that change from step to step, ascending ids, but those that change within a nested
// scan.
Node **scan_body(const Graph *g, Arena *a, const Scan *s, int *count);
// graph_reachable with its result in another arena
Node **reachable(const Graph *g, Arena *a, Node *const *roots, int n, int *count);
// Gradients of sum over i of seed[i] * out[i], where seeds have the axes of their outs or fewer; NULL
// where a wrt is not reached, else perhaps without axes along which the gradient is constant.
void graph_pull_back(Graph *g, Node *const *out, Node *const *seed, int nout, Node *const *wrt,
                     int n, Node **grad);

// ---- loops
typedef struct LoopLeaf { // what a leaf of a region stands for
  Node *outside, *leaf;
} LoopLeaf;
typedef VEC(LoopLeaf) LoopLeaves;
typedef struct LoopBuild {
  Graph *g;
  Axis *axis;
  bool reverse;
  LoopLeaves state, seen, held; // state: the first value and the leaf
  int stay;                     // seen leaves, the first ones, of which nothing is computed outside
  VEC(Node *) next;             // by state
  VEC(Node *) out;
} LoopBuild;
// A loop with the outs' values, out[i] the node of b->out[i] and last[i] of state i's last value (both
// may be NULL), where last[i] is not NULL before.  What none of them needs is left out.
void loop_build(LoopBuild *b, Node **out, Node **last);
void loop_hoist(LoopBuild *b); // a part of it
// May n, of a region, be computed for all steps at once, with one more axis?
bool loop_may_leave(const Node *n);
// n for all steps of `axis`, of what stands outside for its operands, by id.
Node *loop_outside(Graph *g, const Node *n, Axis *axis, Node *const *outside);
// One more value of the loop that n is a value of: that of x, a node of its region.
Node *loop_more(Graph *g, const Node *n, Node *x);
bool loop_same(const Node *a, const Node *b); // values of one loop?
// Is n one of the leaves that need no operand: equal everywhere?
bool loop_is_constant(const Node *n);
// Nodes of a loop's region but its leaves, operands first.
Node **loop_region(const Graph *g, Arena *a, const Scan *c, int *count);

// n with other operands; for a SCAN with the body mapped by id through `map`.
Node *graph_rebuild(Graph *g, const Node *n, Node *const *in, Node *const *map);

typedef void ShapeRule(Shape *s);
typedef void EvalRule(EvalOp *o);
typedef void GradRule(Grad *r);
#define OP(id, name, arity, flags, family)                                                         \
  ShapeRule id##_shape;                                                                            \
  EvalRule id##_eval;                                                                              \
  GradRule id##_grad;
#include "graph/ops.def"
#undef OP
#endif

// The graph: hash-consed nodes over tensors with named axes.
//
// Operands align by axis identity, so there is no broadcast, transpose, permute, reshape or expand.
// A pointwise node's axes are the union of its operands'; an operand that lacks an axis is constant
// along it.  The order of a node's axis list is the order of first appearance (left operand's axes,
// then the right's new ones); it has no meaning but to number elements for random draws and to be
// deterministic.  Memory order is the plan's business.
//
// dtypes of nodes: bool, i32, bf16, f32, f64.  Complex values are pairs of real nodes before they
// get here.
#ifndef BIGSC_IR_H
#define BIGSC_IR_H
#include "base/arena.h"
#include "base/dtype.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/poly.h"
#include "base/vec.h"
#include "base/source.h"
#include <signal.h>
#include <stdio.h>

enum { MAX_AXES = 32 }; // of one node; the checker refuses programs that pass it

// ---- ops: one row of ops.def each
// clang-format off
typedef enum Op {
#define OP(id, name, arity, flags, family) OP_##id,
#include "graph/ops.def"
#undef OP
  OP_COUNT
} Op;
// clang-format on
enum OpFlags {
  F_POINTWISE = 1, // result element depends on the operands' elements at the same place only
  F_COMMUTATIVE = 2,
  F_LEAF = 4,
  F_INDEX = 8,     // an index map: moves elements, computes nothing
  F_NOGRAD = 16,   // has no gradient (integer or boolean result, or constant): its row says `none`
  F_COMPARE = 32,  // result is bool whatever the operands' dtype
  F_POSITIVE = 64, // tests take the first operand positive, ...
  F_NONZERO = 128, // ... the second one away from 0: outside, the op or its gradient is not defined
  F_FILLED = 256,  // has no value along an axis without elements: its axis, or its axes
};

// ---- axes and symbols
typedef struct Axis { // interned per graph: equal axes are one pointer
  const char *name;   // as written; for an inner axis the generic's name
  int depth; // nesting depth of the module instance that the name is local to; 0 for declared dims
  Poly extent;
  int id;    // creation order
  bool open; // made of declared run-time dims, though its extent may be known: rows, no features
  const char
      *dim; // the declared dim that it is: has an element, or the call is refused; NULL: none
} Axis;
typedef struct Sym { // a run-time size
  const char *name;  // "L", or "div(L + 1, 2)"
  int64_t bound;     // 0: none
  // by > 0: it is `of` / `by`, rounded down, where `of` has symbols before it, and no coefficient below 0; 0: calls bring it
  Poly of;
  int64_t by;
} Sym;
typedef VEC(Sym) Syms;

typedef struct Node Node;
typedef struct Scan Scan;

// One run of a module's body, from which nodes come.
typedef struct Origin {
  const struct Origin *up;    // in whose body it was called; NULL: the model's own
  const struct Origin *first; // of a repeat's turns the first one; else itself
  const char *path;           // of the instance: "layer.3.attention"
  const char *module;         // "SelfAttention"
  bool prelude;               // the module is of the prelude
  int64_t turn, turns;        // of a repeat: 0 to turns - 1; else 0 of 1
} Origin;

// Attributes; an op uses those its comment in ops.def names, the rest are zero.
typedef struct Attr {
  Axis *axis, *axis2;
  Axis **axes;       // a set or list of axes, meaning by op
  Axis **from, **to; // RENAME: from[i] becomes to[i]; CONCAT: from[i] is operand i's axis
  int naxes, nmap;
  Poly lo, hi;      // SLICE, INDEX, PAD, WINDOW
  double num, num2; // CONST value; ATTENTION scale and dropout rate
  // RANDOM, ATTENTION dropout: hash of the instance's path and the draw's number in it
  uint64_t site;
  int64_t i0;   // small integers: which output, parameter index, stride
  bool reverse; // CAUSAL_CONV, CONV_GRAD: anticausal; CUMSUM: from the end; ARGSORT: greatest first
  const char *name;   // INPUT, PARAM
  const double *data; // TABLE: extent(axis) values
  Scan *scan;
} Attr;

struct Node {
  uint16_t op;
  uint8_t dtype;
  int id; // creation order within the graph; operands have smaller ids
  int nin;
  Node **in;
  int nax;
  Axis **ax;
  Attr attr;
  Span span;            // source of the expression that first made it
  const char *fn;       // the prelude fn or module it came from ("softmax", "LayerNorm"), or NULL
  const Origin *origin; // NULL: the model's own body, a train block, or nobody's
  uint64_t hash;
};

// scan[axis](state = first, ...) { ... }: a region.  Body nodes live in the same graph; STATE
// leaves stand for the states and STEP_INPUT leaves for outside values seen at l (the axis
// removed).
struct Scan {
  Axis *axis;
  int nstate, nseen;
  // first values (outside), STATE leaves, values after one step (inside)
  Node **first, **state, **next;
  // outside values that have the axis, and the leaves that stand for their slices
  Node **seen, **seen_leaf;
  Node *result; // inside; the scan's value is this with the axis added
  // Of a LOOP, whose region names nothing outside: all that it reads are leaves, and the operands of
  // the node are what they stand for, first values, seen and held ones (constant along the axis) in
  // this order; `first`, `seen` and `result` are not used.  Several nodes over equal operands are
  // values of one loop: i0 >= 0 is out[i0] with the axis added, -1 - i the last value of state i.
  int nheld, nout;
  Node **held_leaf, **out;
  bool reverse; // from the axis's end to its start
};

// ---- parameters.  `axes` is the declared order, `dtype` may be complex: then the PARAM node is
// real (f32/f64) with one more axis `pair` (last, extent 2: real, imaginary).  That of a bf16
// parameter is f32, and a cast follows it: small steps of an optimizer would vanish in bf16.
typedef struct Param {
  const char *path; // "layer.3.attention.query.weight"
  DType dtype;
  int nax;
  Axis **ax;
  Axis *pair;        // NULL unless complex
  const char **tags; // "bias", "gain", without @
  int ntags;
  Node *node; // its PARAM leaf
  Node *init; // value at the start, a graph over RANDOM, TABLE, CONST, ... with the axes of `node`
  // per axis: 0 left of the module's `->`, 1 right of it, -1 neither (for `layout torch`)
  const int *side;
  // per axis: equal numbers belong to one generic pack `X...` and are stored as one flat axis
  const int *group;
  Span span;
  // After stacking: this parameter is columns [stack_lo, stack_lo + its columns) of the storage
  // object `stack`.
  struct Param *stack; // NULL: its own storage
  int64_t stack_lo;
  // per axis: the axis of the stack that it is; NULL: one of those that make up the columns
  Axis **stack_ax;
  bool is_stack; // made by stacking: not a parameter of the model, only storage
  int index;     // in graph->params
} Param;
typedef struct Input {
  const char *name;
  DType dtype;
  int nax;
  Axis **ax; // storage order at the boundary
  bool has_default;
  double fallback; // value of every element when not given
  Node *node;
} Input;
typedef struct Output { // a value to be computed into memory in the order `ax`
  const char *name;
  Node *node; // may lack axes of `ax` (constant along them)
  int nax;
  Axis **ax;
  // not NULL: a gradient of this parameter, or (inits) its first value: written in its storage
  Param *param;
} Output;

typedef struct Graph {
  Arena *arena;
  Intern *intern;
  Syms syms;
  VEC(Axis *) axes;
  VEC(Node *) nodes;
  VEC(Param *) params;
  VEC(Input *) inputs;
  Map by_hash;          // nodes
  Span span;            // given to new nodes
  const char *fn;       // given to new nodes
  const Origin *origin; // given to new nodes
} Graph;

// New nodes come from where n does.
static inline void graph_from(Graph *g, const Node *n) {
  g->span = n->span;
  g->fn = n->fn;
  g->origin = n->origin;
}
// What new nodes are given, to be put back.
typedef struct GraphMark {
  Span span;
  const char *fn;
  const Origin *origin;
} GraphMark;
static inline GraphMark graph_mark(const Graph *g) {
  return (GraphMark){g->span, g->fn, g->origin};
}
static inline void graph_mark_set(Graph *g, GraphMark m) {
  g->span = m.span;
  g->fn = m.fn;
  g->origin = m.origin;
}

Graph *graph_new(Arena *a, Intern *t);
// index; the same name gives the same symbol
int graph_sym(Graph *g, const char *name, int64_t bound);
// p / by, rounded down, by > 0: a polynomial, perhaps with a symbol that becomes the table's.  Equal quotients are equal
// polynomials: of (L + 2) / 2 it is that of L / 2, and 1.  False: the table has `room` symbols already.
bool size_quotient(Syms *t, Arena *a, Intern *names, const Poly *p, int64_t by, int room,
                   Poly *out);
// The number of pieces of `by` that p has, the last one perhaps not whole.
bool graph_pieces(Graph *g, const Poly *p, int64_t by, Poly *count);
// The values of quotients from those of the other symbols.
void sizes_complete(const Syms *t, int64_t *values);
Axis *graph_axis(Graph *g, const char *name, int depth, Poly extent); // interned
// equal to no other; its depth is negative
Axis *graph_fresh_axis(Graph *g, const char *name, Poly extent);
// Largest possible value of a size given the symbols' bounds, or -1 when unbounded; the least one, INT64_MIN where nothing
// is known.  What calls bring is at least 1; a symbol that the table lacks, a generic size, 0 or more.
int64_t size_bound(const Syms *t, const Poly *p);
bool size_most(const Syms *t, const Poly *p,
               int64_t *most); // the same of what may be negative; false: unbounded
int64_t size_least(const Syms *t, const Poly *p);
int64_t graph_bound(const Graph *g, const Poly *p);
// How many elements it has at least, or the call is refused; and what is said then, "`S` = L - 2 has to be at least 1".
int axis_least(const Axis *a);
const char *axis_need(Arena *arena, const Graph *g, const Axis *a);

// ---- facts
const char *op_name(int op);
int op_arity(int op); // -1: any number
int op_flags(int op);
Axis *const *node_filled(const Node *n, int *count); // the axes that have to have elements for n
// The value of a pointwise op with a result of dtype t, of operands' elements a, b, c (those it lacks are 0), which are values
// of their dtypes: computed in float64 by the definition that the interpreter has, and rounded to t; i32 wraps around.
double op_value(int op, DType t, double a, double b, double c);
bool node_has(const Node *n, const Axis *a);
bool axis_in(Axis *const *ax, int n, const Axis *a); // is it one of them?
int node_axis_index(const Node *n, const Axis *a);   // -1
// What n's axis a is called in the operand of n, if n is a rename; a if not.
const Axis *axis_before(const Node *n, const Axis *a);
bool axes_equal_sets(Axis *const *a, int na, Axis *const *b, int nb);
static inline bool node_is(const Node *n, Op op) {
  return n->op == op;
}
bool node_is_const(const Node *n, double *v); // CONST of any axes

// ---- constructors.  Each applies its op's shape rule (a breach is a BUG: callers check users'
// programs first), folds nothing, and returns the one node that is equal.  The commutative ones
// order their operands by id unless that changes the axis order.
// The general one:
Node *g_node(Graph *g, int op, DType dtype, Node *const *in, int nin, const Attr *attr);
// Registers the input (its default is the caller's to fill in); the same name again gives the same
// node.
Node *g_input(Graph *g, const char *name, DType t, Axis *const *ax, int nax);
DType param_storage(DType t);               // of the PARAM node of a parameter that is declared t
Node *g_param(Graph *g, Param *p);          // registers p (index, node)
Node *g_const(Graph *g, DType t, double v); // a scalar
Node *g_full(Graph *g, DType t, double v, Axis *const *ax, int nax); // CONST with axes
Node *g_table(Graph *g, DType t, Axis *a, const double *v);
Node *g_iota(Graph *g, Axis *a);                                   // i32
Node *g_extent(Graph *g, DType t, Poly p);                         // scalar value of a size
Node *g_random(Graph *g, uint64_t site, Axis *const *ax, int nax); // f32, uniform in (0,1)
Node *g_unary(Graph *g, Op op, Node *x);
Node *g_binary(Graph *g, Op op, Node *a, Node *b); // operands of one dtype
Node *g_select(Graph *g, Node *cond, Node *a, Node *b);
Node *g_cast(Graph *g, Node *x, DType t);                           // x itself when it is t already
Node *g_reduce(Graph *g, Op op, Node *x, Axis *const *ax, int nax); // SUM, RMAX, RMIN: axes of x
Node *g_argmax(Graph *g, Node *x, Axis *a);                         // i32, first of equals
// i32: the first extent(to) of a's places in order; `to` may be a itself
Node *g_argsort(Graph *g, Node *x, Axis *a, Axis *to, bool greatest_first);
Node *g_cumsum(Graph *g, Node *x, Axis *a, bool reverse); // sums up to each place, it included
Node *g_contract(Graph *g, Node *a, Node *b, Axis *const *ax, int nax); // nax 0: outer product
Node *g_gather(Graph *g, Node *x, Node *i, Axis *a);
Node *g_scatter(Graph *g, Node *i, Node *src, Axis *a, Axis *const *keep, int nkeep);
Node *g_rename(Graph *g, Node *x, Axis *const *from, Axis *const *to, int n); // all at once
// last part fastest; extents multiply to a's
Node *g_split(Graph *g, Node *x, Axis *a, Axis *const *parts, int n);
Node *g_merge(Graph *g, Node *x, Axis *const *parts, int n, Axis *to);
Node *g_slice(Graph *g, Node *x, Axis *a, Poly lo, Poly hi, Axis *to); // extent(to) = hi - lo
Node *g_index(Graph *g, Node *x, Axis *a, Poly at);                    // a removed
Node *g_flip(Graph *g, Node *x, Axis *const *ax, int n);
// zeros around x; extent(to) >= before + extent(a)
Node *g_pad(Graph *g, Node *x, Axis *a, Poly before, Axis *to);
// What lies around each place: of x's place stride * o + step * k + first along a, o along `to`, k along `inner`; outside of x it is 0.
typedef struct Window {
  int64_t stride;
  Poly step, first;
} Window;
Node *g_window(Graph *g, Node *x, Axis *a, Axis *to, Axis *inner, Window w);
Node *g_concat(Graph *g, Node *const *in, Axis *const *from, int n, Axis *to);
Node *g_conv(Graph *g, Node *u, Node *k, Axis *a, bool reverse);
Node *g_conv_grad(Graph *g, Node *u, Node *dy, Axis *a, Axis *const *keep, int nkeep, bool reverse);
// in: q, k, v, mask, bias; see ops.def.  g_attention_lse takes the same.
Node *g_attention(Graph *g, Node *const in[5], Axis *axis, Axis *axis2, double scale, double rate,
                  uint64_t site, Axis *const *w, int nw);
Node *g_attention_lse(Graph *g, const Node *attention);
// A leaf of a scan's body, equal to no other node: a state, or an outside value seen at l.
Node *g_state(Graph *g, DType t, const char *name, Axis *const *ax, int nax);
Node *g_scan(Graph *g, const Scan *s);                    // *s is copied, arrays too
Node *g_loop(Graph *g, Scan *s, Node *const *in, int i0); // *s is kept
// x with at least the axes `ax`: adds a zero of those axes where x lacks any (the one way to make a
// broadcast real).
Node *g_expand(Graph *g, Node *x, Axis *const *ax, int n);
// sum over axes, also those x lacks (then times their extent)
Node *g_sum_over(Graph *g, Node *x, Axis *const *ax, int n);

// ---- passes' helpers
// Rebuilds what the roots reach, operands first, and replaces the roots.  For every node n, visit
// gets the new operands and returns what stands for n, or NULL for n itself with the new operands.
// A SCAN comes with its body rebuilt already.  New nodes get n's span and fn.
typedef Node *GraphVisit(void *ctx, Graph *g, Node *n, Node **new_in);
void graph_map(Graph *g, Node **roots, int n, GraphVisit *visit, void *ctx);
// Every scan that the roots reach becomes a loop, whatever its length; what does not depend on a
// state and is no mere pointwise work is computed outside, for all steps at once.
void graph_close_scans(Graph *g, Node **roots, int n);

// What a loop has of its states at a step, and what it sees and gives besides: elements, with 64 for every run-time dim.
typedef struct LoopSizes {
  double states, others;
  bool
      many; // so many states that they are better computed again for the gradient than stored for all steps
} LoopSizes;
LoopSizes graph_loop_sizes(const Scan *c);

// ---- printing and checking
void graph_print(FILE *f, const Graph *g, Node *const *roots, const char *const *names, int n);
void graph_dot(FILE *f, const Graph *g, Node *const *roots, const char *const *names, int n);
// Re-runs every construction rule over all nodes reachable from the roots; NULL, or what is wrong
// (in g's arena).
const char *graph_verify(Graph *g, Node *const *roots, int n);
// Nodes reachable from the roots, operands first (bodies of scans included), in ascending id.
Node **graph_reachable(Graph *g, Node *const *roots, int n, int *count);

// ---- the interpreter: naive, float64 throughout (f32 and bf16 are not rounded), permanent.
typedef struct EvalInput {
  const Node *node;   // INPUT or PARAM leaf
  const double *data; // row-major in the leaf's axis order (bool: 0 or 1)
} EvalInput;
typedef struct Eval Eval;
Eval *eval_new(Arena *a, const Graph *g, const int64_t *syms, uint64_t seed, uint64_t step);
void eval_bind(Eval *e, const Node *leaf, const double *data); // data is kept, not copied
// From now on n, which has not been computed, has this value, row-major in its own axis order; data is kept, not copied.
void eval_set(Eval *e, const Node *n, const double *data);
// once it is not 0, evaluation fails with "interrupted"
void eval_cancel(Eval *e, const volatile sig_atomic_t *flag);
// From now on results are rounded to their dtype: they overflow and lose digits as in compiled code, up to the order of sums.
void eval_narrow(Eval *e);
// From now on results that `form` names are rounded, as by code that stores them so, and n's operands where n reads them; operand
// -1: n's own result.  As int8 are a contraction's operands alone, with a scale for all that one element sums up.
typedef enum EvalForm { EVAL_WHOLE, EVAL_BF16, EVAL_INT8, EVAL_INT8_ROWS } EvalForm;
typedef EvalForm EvalStore(void *ctx, const Node *n, int operand);
void eval_store(Eval *e, EvalStore *form, void *ctx);
// Row-major values in the node's own axis order, memoized; NULL with *error set on a user's error
// (index out of range, unbound leaf).
const double *eval_node(Eval *e, Node *n, const char **error);
// The same in a given axis order, broadcast over axes the node lacks.
const double *eval_in_order(Eval *e, Node *n, Axis *const *ax, int nax, const char **error);

// ---- reverse-mode differentiation, graph to graph.  grad[i] has the axes of wrt[i] exactly (zeros
// where unreached) and its dtype. A loss with axes stands for its sum.  Scans must have been
// closed; attention has no second derivative.
void graph_grad(Graph *g, Node *loss, Node *const *wrt, int n, Node **grad);

// ---- rewrites: rules.def lists them
typedef struct Rule Rule;
typedef struct RewriteStats {
  int fired[64]; // by rule, in rules.def's order
} RewriteStats;
// algebra; flips, D into K, stacking; attention; what pays for losses only, since a gradient follows
enum RuleSet { RULES_SIMPLIFY = 1, RULES_STRUCTURAL = 2, RULES_CLAIM = 4, RULES_TRAIN = 8 };
// Replaces roots[i] by equal nodes; rules of the sets in `mask`, to a fixed point.
void graph_rewrite(Graph *g, unsigned mask, Node **roots, int n, RewriteStats *stats);
const char *rule_name(int i); // NULL past the last
#endif

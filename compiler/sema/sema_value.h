// What expressions have as values: numbers, tensors, functions, children.  Complex ones are pairs of
// real nodes.
#ifndef BIGSC_SEMA_VALUE_H
#define BIGSC_SEMA_VALUE_H
#include "compiler/sema/sema_axes.h"
#include "compiler/syntax/parse.h"

// ---- numbers: exact, without a dtype of their own
typedef enum NumberKind {
  NUMBER_RATIO,   // num / den in lowest terms
  NUMBER_REAL,    // re
  NUMBER_COMPLEX, // re + im i
  NUMBER_SIZE,    // a polynomial in run-time dims
  NUMBER_RUNTIME  // computed from run-time dims: nodes re, im (f64 scalars) in build mode
} NumberKind;
typedef struct Number {
  NumberKind kind;
  bool whole;      // meets i32 as i32
  bool is_complex; // NUMBER_COMPLEX, or NUMBER_RUNTIME with an imaginary part
  int64_t num, den;
  double re, im; // values of the three constant kinds
  Poly *size;
  Node *nre, *nim;
} Number;

typedef enum Prim {
#define PRIM(id, name) PRIM_##id,
#include "compiler/sema/prims.def"
#undef PRIM
  PRIM_COUNT
} Prim;
const char *prim_name(Prim p);
int prim_by_name(const char *name); // -1

// ---- values
typedef enum ValueKind {
  V_POISON,
  V_NUMBER,
  V_TENSOR,
  V_FN,
  V_PRIM,
  V_DTYPE,
  V_CHILD,
  V_TUPLE
} ValueKind;
struct Value {
  ValueKind kind;
  DType dtype; // V_TENSOR, V_DTYPE
  AxList ax;
  Node *re, *im;     // build mode; im NULL: zero or not complex
  Number *num;       // V_NUMBER
  bool known, truth; // a bool constant
  Ax *iota;          // it is iota[this axis], unchanged
  const Stmt *param; // it is a parameter that this declares, unchanged
  int formal;        // check mode: it is the formal of this index, unchanged; -1: not
  Fn *fn;
  Prim prim;
  Child *child;
  Value **item; // V_TUPLE: results of one call, in order
  int nitems;
  const Expr *axes; // callables: the EX_AXES that was applied to it, or NULL
  // Check mode, of tensors, for errors (sema_why.c):
  const Expr *made; // whose value it is; NULL: of a declaration
  Value **from;     // the tensors that it was made of
  int nfrom;
  Span at; // the name that it was bound to first; src NULL: none
};

// ---- values
Value *v_poison(Sema *s);
Value *v_number(Sema *s, Number n);
Value *v_tensor(Sema *s, DType t, AxList ax);
Value *v_bool(Sema *s, bool truth);
Value *v_copy(Sema *s, const Value *v);
Value *v_tuple(Sema *s, Value **item, int n); // of one: the item itself
static inline bool is_poison(const Value *v) {
  return v->kind == V_POISON;
}
static inline bool is_number(const Value *v) {
  return v->kind == V_NUMBER;
}
static inline bool is_tensor(const Value *v) {
  return v->kind == V_TENSOR;
}
// It has no axes of its own and fills any: a number, `true`, `false`.
static inline bool is_constant(const Value *v) {
  return is_number(v) || (is_tensor(v) && v->known);
}
bool v_const(const Value *v, double *x);  // a constant real number
bool v_whole(const Value *v, int64_t *x); // a constant whole number
Node *pair_join(Sema *s, Node *re,
                Node *im); // a complex value as one real node with the axis `pair`
Value *v_full(Sema *s, const Value *v, DType t,
              const AxList *ax); // of is_constant: a tensor with these axes

// The axes of a pointwise result, by the rule that nothing grows by accident; false when it was
// broken (reported).
typedef struct Operand {
  Value *v;
  Span span;
} Operand;
bool ax_union(Sema *s, const char *op, Span at, const Operand *ops, int n, AxList *out);
DType dtype_promote(DType a, DType b);
// dtype that both meet at, for arithmetic; false (reported) for bool or callables
bool sema_number_fits(Sema *s, Span at, const Number *n, DType t);
bool sema_promote(Sema *s, const char *op, Span at, Operand a, Operand b, DType *t);
DType number_dtype(const Number *n); // alone: i32, f32, c64
DType dtype_real(DType t);           // c64 -> f32, c128 -> f64, else itself

// ---- numbers (sema_num.c)
Number number_size(Sema *s, Poly p);
int sema_quotients(const Model *m); // among its symbols
Number number_literal(const Num *n);
bool number_const(const Number *n);
bool number_is_whole(const Number *n, int64_t *v); // a constant of whole value
// As messages say them: a ratio without its rounding, a double by the fewest digits that read back.
char *number_said(Arena *a, const Number *n); // of a constant real number
char *double_said(Arena *a, double x);
Value *number_neg(Sema *s, const Number *a);
Value *number_bin(Sema *s, Span at, BinOp op, const Number *a, const Number *b); // comparisons too
Value *number_fn(Sema *s, Span at, Op op, const Number *a); // op: of a MATHS row of prims.def
bool op_makes_whole(Op op); // round, floor, ceil: their values are whole numbers
bool op_keeps_whole(Op op); // of i32 those and abs make i32, without a detour over f32
// FLOORDIV or FLOORMOD of whole numbers; reported when they are none.
Value *number_divide(Sema *s, Span at, Op op, const Number *a, const Number *b);
Value *number_part(Sema *s, bool imag, const Number *a); // real(a) or imag(a)

// ---- pairs: complex arithmetic on nodes (sema_pair.c).  im NULL: zero.  Build mode only.
typedef struct NodePair {
  Node *re, *im;
} NodePair;
NodePair pair_of(Sema *s, const Value *v, DType t); // v as dtype t
NodePair pair_bin(Graph *g, BinOp op, NodePair a, NodePair b);
NodePair pair_neg(Graph *g, NodePair a);
NodePair pair_exp(Graph *g, NodePair a);
NodePair pair_power(Graph *g, NodePair a, int n);
void pair_set(Sema *s, Value *v, NodePair p); // v->ax is set
NodePair pair_get(const Value *v);
void sema_mark(Sema *s, Span at); // span and fn of the nodes to come
// Values computed from values, `one` real part at a time: renames, reductions and the like.
typedef Node *NodeMap(Graph *g, Node *x, void *ctx);
void pair_map(Sema *s, Value *out, const Value *in, NodeMap *f, void *ctx);
// x's axes from[i] renamed to[i]
Value *v_rename(Sema *s, const Value *x, const AxList *from, const AxList *to);
#endif

// Private to the functions that no prelude text defines: a call of one, and a function for each row of prims.def.
#ifndef BIGSC_SEMA_PRIM_H
#define BIGSC_SEMA_PRIM_H
#include "compiler/sema/sema_eval.h"

typedef struct PrimCall {
  const char *name;
  Op op; // of maths and reductions; of a mean OP_SUM
  bool mean;
  Span at;    // the function's name and axes, where errors are shown
  Span whole; // with the arguments
  const CallArgs *args;
  const Expr *axes;
  AxList ax;
  Operand x[3];
  int n;
  Operand where; // .v NULL: not given
} PrimCall;

// c->x from the arguments by position, of which there are `want`, and c->where; false when reported.
bool prim_take_args(Sema *s, PrimCall *c, int want, bool where);
// c->ax from those in brackets, lo to hi of them.
bool prim_take_axes(Sema *s, PrimCall *c, int lo, int hi);
bool prim_has_axes(Sema *s, const PrimCall *c, const Operand *x); // all of c->ax
bool prim_tensor_arg(Sema *s, const PrimCall *c, const Operand *x);

#define PRIM(id, name) Value *id##_call(Sema *s, PrimCall *c);
#include "compiler/sema/prims.def"
#undef PRIM
#endif

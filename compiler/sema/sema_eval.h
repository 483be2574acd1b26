// Evaluation: expressions, calls, bodies.
#ifndef BIGSC_SEMA_EVAL_H
#define BIGSC_SEMA_EVAL_H
#include "compiler/sema/sema_internal.h"

// ---- evaluation
LetInfo *let_find(Sema *s, const char *name); // of the file above this line, or of the prelude
// Reports it; `called` NULL: it is not called.
Value *sema_unknown_name(Sema *s, const Expr *e, struct Called *called, bool callee);
Value *sema_contraction(Sema *s, const Expr *e); // a @[D] b
Value *sema_value(Sema *s, const Expr *e);       // a number or a tensor; iota[L] becomes its values
Value *sema_results(Sema *s,
                    const Expr *e); // the same, or the several results of a call or in `( )`
Value *sema_index(Sema *s, const Expr *e);
// The axis of that name and size: one that is there, whose size must fit, or a new local one; NULL when reported.  source: what
// becomes it, in words; poison: the size is not known, because of an error.
Ax *sema_target(Sema *s, Name name, const Poly *size, bool poison, const char *source);
// A whole number or a size; false when reported.
bool sema_position(Sema *s, const Operand *x, const char *what, Poly *out);
// p < size (or p <= size): as far as it is known here; with run-time sizes the rest is checked when the model runs.
bool sema_within(Sema *s, Poly p, const Poly *size, bool equal_too, Span at, const char *text);
Value *sema_scan(Sema *s, const Expr *e);
Value *sema_constant(Sema *s, const Expr *e,
                     const char *what);     // a number or a bool constant; else reported
Value *sema_extent(Sema *s, const Expr *e); // a constant, or a size in run-time dims; else reported

typedef struct CallArg {
  Name name;
  Operand x;
  const Expr *expr;
} CallArg;
typedef VEC(CallArg) CallArgs;
Value *sema_call(Sema *s, Value *f, const CallArgs *args, Span at, Span callee);
Value *sema_call_prim(Sema *s, Prim p, const Expr *axes, const CallArgs *args, Span whole, Span at);
Value *sema_call_dtype(Sema *s, DType t, const CallArgs *args, Span at);
const char *initializer_name(int i); // NULL past the last
Value *sema_call_init(Sema *s,
                      const Expr *e); // FR_INIT: an initializer by name; NULL: none of that name
// Draws as graphs over uniform numbers in (0, 1) of f32; what is wrong with their numbers, or NULL.
Node *draw_normal(Graph *g, Node *const *uniform, const double *std); // of two
Node *draw_uniform(Graph *g, Node *const *uniform, const double *range);
const char *draw_normal_fault(const double *std);
const char *draw_uniform_fault(const double *range);
bool sema_too_many(Sema *s, int most, int given, Span at, const char *what); // an error, so true
// Matches arguments to formals: out[i] per formal, .v NULL when not given.  False when reported.
bool sema_bind_args(Sema *s, const Formals *f, const CallArgs *args, Span at, const char *what,
                    Operand *out);
bool sema_missing_args(Sema *s, const Formals *f, const Operand *got, Span at, const char *what);
// All of them, tensors before numbers; false when one did not fit or is poison.
bool sema_fit_all(Sema *s, Frame *inner, const Formals *f, Operand *got, const char *callee,
                  Span at);
// v against the formal's type in frame `inner`; binds inner->rest.  NULL when reported.
Value *sema_fit(Sema *s, Frame *inner, Operand v, const Formal *f, const char *callee, Span at);
bool ty_same(Sema *s, Span at, const Value *v, const Ty *want, const char *what, Span declared);

// ---- bodies
Value *sema_body(Sema *s, const Body *b, Span header,
                 const char *what); // the result; NULL for a model
void sema_stmt(Sema *s, const Stmt *st, int index);
// ---- results (sema_results.c)
int decl_nresults(const Decl *d);
const Type *decl_result(const Decl *d, int i);
// v has as many results as `n`; reported.  what: "`m`".  Poison has any.
bool results_count(Sema *s, Span at, const Value *v, int n, Span declared, const char *what);
// ty_same for each of `v`; false when one did not.
bool results_same(Sema *s, Span at, const Value *v, const Decl *d, const char *name);
// Further results of a repeat, with `all` the first too, are collected along its count; false: they have it already (reported).
bool results_fit_count(Sema *s, const Child *c, const Ty *t, int n, Span at);
Value *results_opaque(Sema *s, const Ty *t, int n, Ax *count, bool all); // check mode: of a call
// Build mode: of the instances of a repeat.  The first result is the last one's, the others (all: it too) lie along the count.
Value *results_collect(Sema *s, Value *const *v, int64_t n, Ax *count, bool all);
// ---- calls of children (sema_call.c, sema_layer.c)
Value *child_call_one(Sema *s, Child *c, const CallArgs *args, Span at, Span callee);
Value *call_others(Sema *s, const Child *c, Value *v, const CallArgs *args, Span at, Span callee);
Value *call_layers(Sema *s, const Child *c, const CallArgs *args, Span at, Span callee);
Value *sema_param(Sema *s, const ParamDecl *p); // build mode
Node *sema_param_init(Sema *s, const ParamDecl *p);
Value *sema_scan_see(Sema *s, Scope *sc,
                     Value *v); // an outside value in the body of the scan of `sc`
Node *sema_random(Sema *s, uint64_t site, const AxList *ax);
Value *sema_input(Sema *s, const Formal *f, const Ty *t);
#endif

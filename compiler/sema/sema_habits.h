// Functions, methods and packages of other languages: what is to be written instead, filled with the user's own names.
#ifndef BIGSC_SEMA_HABITS_H
#define BIGSC_SEMA_HABITS_H
#include "compiler/sema/sema_eval.h"

// The call whose callee is being looked up.
typedef struct Called {
  const Expr *first; // what a pipe gives it; NULL: no pipe
  const Args *args;  // not evaluated yet; NULL: it is not called, `x.T`
  const Expr *axes;  // what stands in `[ ]` behind its name; NULL: nothing
  bool told;         // the callee was foreign and its arguments were evaluated
} Called;

// A name that nothing here is called: adds what is to be written to the error `g`.  False: no such habit.
bool sema_foreign_name(Sema *s, Diag *g, const Expr *e, Called *c);
// `torch.exp`, `x.view`: reports them and gives poison; NULL: none of these.
Value *sema_foreign_package(Sema *s, const Expr *e, Called *c);
Value *sema_foreign_part(Sema *s, const Expr *e, Value *of, Called *c);
// For a function of the language that was called without its axes, or with numbers for axes.
// `dropout(x, p: 0.1)`, `mean(x, axis: 1)`: of a function that takes no argument of that name.
void sema_argument_help(Sema *s, Diag *g, const char *fn, const Expr *axes, const CallArgs *args,
                        const char *name);
void sema_axes_help(Sema *s, Diag *g, const char *name, const CallArgs *args);
// `Linear(H, F)` where a child is declared, or where one would be: adds the line to the error.
void sema_module_help(Sema *s, Diag *g, const Module *m, const Called *c);
void sema_declared_help(Sema *s, Diag *g, const Module *m, const Args *args);
// A module that there is elsewhere; false: none of these.
bool sema_foreign_module(Sema *s, Diag *g, const Stmt *st);
// What was reported by the parser: its own errors, and a help that knows the values.
Value *sema_foreign(Sema *s, const Expr *e);
// An argument `dim=1` or `p=0.1` that the callee does not take so: true, and told what to write.
bool sema_foreign_args(Sema *s, const Value *f, const Args *written, const CallArgs *args);
Value *sema_shape_at(Sema *s, const Expr *e); // `x.shape[1]`, of EX_AT: reports it; NULL: none
void sema_place_help(Sema *s, Diag *g, const Expr *e, const Value *x); // `x[0]`, of EX_AT
Value *sema_axes_of_value(Sema *s, const Expr *e,
                          const Value *x);             // `x[L]`, `table[ids]`: reports it
Ax *habit_shared_axis(const Value *a, const Value *b); // the last one that both have; NULL: none
const char *habit_product(Sema *s, const Value *a,
                          const Value *b);     // the type of their product along that axis
const char *habit_name_bound(const Sema *s);   // what stands left of this statement's `=` or `:`
bool sema_names_fn(Sema *s, const char *name); // a function of the language, or of the file
#endif

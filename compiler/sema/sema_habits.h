// Functions, methods and packages of other languages: what is to be written instead, filled with the user's own names.
#ifndef BIGSC_SEMA_HABITS_H
#define BIGSC_SEMA_HABITS_H
#include "compiler/sema/sema_eval.h"

// The call whose callee is being looked up.
typedef struct Called {
  const Expr *first; // what a pipe gives it; NULL: no pipe
  const Args *args;  // not evaluated yet; NULL: it is not called, `x.T`
  bool told;         // the callee was foreign and its arguments were evaluated
} Called;

// A name that nothing here is called: adds what is to be written to the error `g`.  False: no such habit.
bool sema_foreign_name(Sema *s, Diag *g, const Expr *e, Called *c);
// `torch.exp`, `x.view`: reports them and gives poison; NULL: none of these.
Value *sema_foreign_package(Sema *s, const Expr *e, Called *c);
Value *sema_foreign_part(Sema *s, const Expr *e, Value *of, Called *c);
// For a function of the language that was called without its axes, or with numbers for axes.
// `dropout(x, p: 0.1)`, `mean(x, axis: 1)`: of a function that takes no argument of that name.
void sema_argument_help(Sema *s, Diag *g, const char *fn, const CallArgs *args, const char *name);
void sema_axes_help(Sema *s, Diag *g, const char *name, const CallArgs *args);
// `Linear(H, F)` where a child is declared, or where one would be: adds the line to the error.
void sema_module_help(Sema *s, Diag *g, const Module *m, const Args *args, bool declared);
// A module that there is elsewhere; false: none of these.
bool sema_foreign_module(Sema *s, Diag *g, const Stmt *st);
bool sema_names_fn(Sema *s, const char *name); // a function of the language, or of the file
#endif

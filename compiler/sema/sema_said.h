// A call of another language, as far as its arguments say something here: for sema_habits.c and sema_own.c.
#ifndef BIGSC_SEMA_SAID_H
#define BIGSC_SEMA_SAID_H
#include "compiler/sema/sema_habits.h"

enum { MAX_SAID = 8 };

typedef struct SaidArg {
  const char *name; // NULL: by position
  const Expr *expr;
  Value *v; // poison where it is no value of the language
} SaidArg;
typedef struct Said {
  Sema *s;
  SaidArg arg[MAX_SAID]; // the value in front of the point first
  int n;
  const Args *args;
  const char *brackets; // `[B, L]` behind the name, as it is written; NULL: none
  SaidArg axis;         // what counts an axis: `dim=1`, or `1` by position; expr NULL: nothing
} Said;

void said_add(Said *x, const char *name, const Expr *e, Value *v); // v NULL: it is evaluated
Said said_call(Sema *s, const Expr *of, Value *v, const Called *c);
// As it stands in the file, or a letter for it.
const char *said_text(Sema *s, const SaidArg *a, const char *letter, bool alone);
const char *said_arg_text(const Said *x, int i, bool alone);
const Value *said_tensor(const Said *x,
                         int which);              // of the arguments that are tensors; NULL: fewer
Ax *said_single(Ax *a);                           // NULL: it is a group
Ax *said_axis_at(const AxList *l, int64_t place); // from the end where below 0; NULL: none is known
Ax *said_axis_named(Sema *s, const Expr *e, const Value *of);
// Axes that are counted or named, one or in brackets, onto `out`; false: it is something else.
bool said_axes_of_arg(Sema *s, const SaidArg *a, const Value *of, AxList *out);
AxList said_axes(const Said *x);     // that were said
bool said_lost(const Said *x);       // axes were said that the value is not known to have
Ax *said_axis(const Said *x);        // the first of them; NULL: none
Ax *said_meant_axis(const Said *x);  // or the last one that the second operand lacks, or the last
Ax *said_before_axis(const Said *x); // the last but one; NULL: none
const char *said_name(const Ax *a, const char *letter);
// "[L, H]" of the axes that were said; "": none were.
const char *said_brackets(const Said *x);
const Expr *said_root(const Expr *e); // what stands in front of the points
// The value of what is advised, as it would stand here; NULL: it does not compile.
Value *habit_try(Sema *s, const char *line);
const char *habit_einsum(const Said *x); // what is meant by its text; "": it is not known
// How this function of the language is called with what was said; NULL: nothing can be said.
const char *habit_own_help(const Said *x, const char *name, const char *why);
#endif

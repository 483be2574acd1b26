// Functions, modules and their children: as declared, and the tree of a model made of them.
#ifndef BIGSC_SEMA_MODULE_H
#define BIGSC_SEMA_MODULE_H
#include "compiler/sema/sema_scope.h"

// A condition on sizes that a module's body left open because generics are opaque; checked where it
// is instantiated.
typedef struct Need {
  enum { NEED_EQUAL, NEED_LESS, NEED_AT_MOST } kind; // a == b, a < b, a <= b
  Poly a, b;
  const char *text; // what the body does
  Span span;
} Need;
// The formal reaches a gather of `rows` rows as its index.
typedef struct RowsNeed {
  int formal;
  Poly rows;
  const char *axis;
} RowsNeed;

struct Fn {
  const Decl *decl;
  const char *name;
  bool prelude;
  int seq, state, height;
  bool bad;
  const Generic *generics;
  int ngenerics;
};

struct Module {
  const Decl *decl;
  const char *name;
  bool prelude;
  int seq, state, height;
  bool bad, sig_bad;
  Generic *generics;
  int ngenerics, nleft;
  bool *uses; // per dim: the body names it
  VEC(Need) needs;
  VEC(RowsNeed) rows;
  bool *deciding; // per formal: an `if` depends on this number
  Scope *scope;   // of its check: which children are called
};

struct Child {
  const char *name;
  const Stmt *stmt;
  Module *mod;
  AxList *map;       // per generic of mod, in the terms of the body that sees the child
  Repeat repeat;     // none of one layer
  int64_t count;     // of repeat and share; 1
  Ax *along;         // the count as an axis, in the same terms; NULL: not repeated
  Value **args;      // per formal of mod, from the declaration; NULL: not given
  ModuleInst **inst; // build mode: one, or `count` of a repeat
  Bound *root;       // the child's binding, and the dotted path from it
  const char *dotted;
  Child **layer;        // `repeat N as i`, `share N as i`: `count` of them; NULL: all are alike
  VEC(Child *) others;  // check mode: what else an `if` may come to when sizes or numbers are known
  int64_t turn, turns;  // of such a layer
  const Origin **first; // likewise, while it is called: that of the first turn, once there is one
  bool all;             // `layer.all`: the first result of each layer, too
};

// ---- the module tree, concrete
typedef struct ParamDecl {
  ModelParam info;
  const Stmt *stmt;
  AxList ax; // inner axes, as the body sees them
  int index;
} ParamDecl;
typedef struct InstChild {
  const char *name;
  ModuleInst **inst;
  int n;
  bool repeated; // their paths end with a number
} InstChild;
struct ModuleInst {
  Module *mod;
  const char *path; // "" for the model
  int depth;
  AxList *inner, *outer; // per generic: as the body sees them, and as declared dims
  Map params, children;  // ParamDecl, InstChild
};

Module *module_find(Sema *s, const char *name);
Fn *fn_find(Sema *s, const char *name);
bool module_check(Sema *s, Module *m, Span at); // false: its signature is unusable
bool fn_check(Sema *s, Fn *f, Span at);
void sema_generics(Sema *s, const Generics *g, Generic **out, int *n, int *nleft);
bool size_need(Sema *s, const Module *m, const AxList *map,
               const Need *need); // holds, or is passed on
Poly size_subst(Sema *s, const Poly *p, const AxList *map, bool *fits);
void sema_rows_need(Sema *s, const Value *index, const Poly *rows, const char *axis, Span at,
                    const char *what);
// ---- constants that decide (sema_choice.c)
void sema_bind_index(Sema *s, const Stmt *st, int64_t i); // a scope with the number of layer i
// e, that sees dims, lets, numbers of the module and the number of layer i.  *varies: it is not the same in all instances.
Value *sema_decide(Sema *s, const Stmt *st, const Expr *e, int64_t i, bool *varies);
typedef enum Choice { CHOICE_NO, CHOICE_YES, CHOICE_OPEN } Choice;
Choice sema_choice(Sema *s, const Stmt *st, int64_t i, bool *varies);
// What conditions choose of `A if x or B`; the statement itself where there is no choice.
const Stmt *child_chosen(Sema *s, const Stmt *st, int64_t i, bool *varies);
void sema_bind_numbers(Sema *s, const Module *m,
                       Value *const *args); // in a frame of m: formals without a type
bool param_is_there(Sema *s, const Stmt *st);
Value *param_absent(Sema *s, const Stmt *st, const Ty *t);
void param_check_choice(Sema *s, const Stmt *st, const Ty *t);
Child *child_declared(Sema *s, const Stmt *st, const char *name,
                      int64_t i); // as layer i; NULL: reported
void child_alternatives(Sema *s, const Stmt *st, const char *name, Child *c, bool varies);
// ---- layers (sema_layer.c)
Child *layers_make(Sema *s, const Stmt *st, const char *name, const InstChild *inst);
Value *layer_at(Sema *s, const Expr *e, Value *f);            // f[3], f[Depth - 1]
Value *layer_by_name(Sema *s, const Expr *e, const Child *c); // c[k], which looks like an axis
Value *child_all(Sema *s, const Child *c);                    // layer.all
Child *child_make(Sema *s, const Stmt *st, const char *name, ModuleInst *owner);
AxList *child_axes(Sema *s, const Stmt *st, const Module *m); // NULL when reported
Value *child_part(Sema *s, Child *c, Name part);
void sema_tree(Sema *s); // Model.root, Model.params
void sema_check_reached(Sema *s);
#endif

// Axes and types of the language.
#ifndef BIGSC_SEMA_AXES_H
#define BIGSC_SEMA_AXES_H
#include "compiler/sema/sema.h"

typedef struct Sema Sema;
typedef struct Frame Frame;
typedef struct Scope Scope;
typedef struct Module Module;
typedef struct Fn Fn;
typedef struct ModuleInst ModuleInst;
typedef struct Child Child;
typedef struct Value Value;

// ---- axes of the language.  Identity is the pointer.
typedef enum AxKind {
  AX_DIM,     // declared: `dim H = 768`, `dim L <= P`
  AX_GENERIC, // check mode: opaque; build mode: an inner axis of an instance
  AX_REST,    // check mode: `..`, opaque
  AX_LOCAL,   // target of a rename, split or merge; belongs to one body
  AX_SLICE    // what a slice leaves: has the name of its source and meets no other axis
} AxKind;
typedef struct Ax {
  const char *name;
  AxKind kind;
  bool pack;   // check mode: stands for any number of axes
  bool poison; // a local axis of unknown size, or a dim whose declaration is wrong
  bool open;   // see Axis in graph/ir.h
  int depth;   // of the body it is local to; 0 for dims
  int dim;     // AX_DIM: index in Model.dims
  Poly size;   // in run-time dims; opaque generics are symbols from SYM_GENERIC on
  Span span;   // where it is declared
  const Graph *graph;
  Axis *axis; // its counterpart in `graph`
} Ax;

typedef struct AxList {
  Ax **v;
  int n;
} AxList;

typedef struct Ty {
  DType dtype;
  AxList ax;
  bool has_rest;
  bool bad;
} Ty;

// ---- axes and types (sema_types.c)
bool ax_in(const AxList *l, const Ax *a);
AxList ax_list(Sema *s, Ax *const *v, int n);
AxList ax_join(Sema *s, AxList a, AxList b); // a, then what is new in b
bool ax_same_set(const AxList *a, const AxList *b);
bool ax_const(const Ax *a, int64_t *v);
Ax *ax_new(Sema *s, AxKind kind, const char *name, Poly size, Span span);
Axis *ax_graph(Sema *s, Ax *a);
void ax_graphs(Sema *s, const AxList *l, Axis **out);
const char *ax_str(Sema *s, const Ax *a);
const char *axes_str(Sema *s, const AxList *l); // "[B, L]"
const char *size_str(Sema *s, const Poly *p);
const char *v_type_str(Sema *s, const Value *v); // "f64[N]", "a number"
const char *dtype_axes_str(Sema *s, DType t, const AxList *l);
int64_t ax_bound(Sema *s, const Ax *a);             // largest extent; -1: none known
bool ax_is_inner_local(const Sema *s, const Ax *a); // local axis of this body

AxList ax_lookup(Sema *s, Name name, bool *found); // lexical; [] and not found silently
bool ax_refs(Sema *s, const AxisName *v, int n, const Value *const *near, int nnear,
             AxList *out); // reports
Ax *ax_ref(Sema *s, Name name,
           const Value *near); // one axis; NULL reported; near: whose slices count
Ty ty_eval(Sema *s, const Type *t, bool allow_rest); // reports; frame->rest fills `..`
Value *ty_value(Sema *s, const Ty *t);
#endif

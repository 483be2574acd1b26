// Private to the sema_*.c files: what the evaluator works with.
#ifndef BIGSC_SEMA_IMPL_H
#define BIGSC_SEMA_IMPL_H
#include "base/map.h"
#include "compiler/syntax/parse.h"
#include "compiler/sema/sema.h"

// ---- tables from interned names to pointers
typedef VEC(int) IntList;
void *names_get(const Map *t, const char *key);               // NULL: absent
void names_put(Arena *a, Map *t, const char *key, void *val); // replaces

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
enum {
  SYM_GENERIC = MAX_SYMS,
  MAX_GENERICS = 64,
  MAX_DEPTH = 200,
  MAX_EVAL = 3000,
  MAX_WORK = 10000000,
  FRAME_COST = 10 // a call or an instance takes as much memory as some nodes

};

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

typedef struct Sema Sema;
typedef struct Frame Frame;
typedef struct Scope Scope;
typedef struct Module Module;
typedef struct Fn Fn;
typedef struct Inst Inst;
typedef struct Child Child;

typedef enum Prim {
#define PRIM(id, name) PRIM_##id,
#include "compiler/sema/prims.def"
#undef PRIM
  PRIM_COUNT
} Prim;
const char *prim_name(Prim p);
int prim_by_name(const char *name); // -1

// ---- values
typedef enum ValueKind { V_POISON, V_NUMBER, V_TENSOR, V_FN, V_PRIM, V_DTYPE, V_CHILD } ValueKind;
typedef struct Value {
  ValueKind kind;
  DType dtype; // V_TENSOR, V_DTYPE
  AxList ax;
  Node *re, *im;     // build mode; im NULL: zero or not complex
  Number *num;       // V_NUMBER
  bool known, truth; // a bool constant
  Ax *iota;          // it is iota[this axis], unchanged
  int formal;        // check mode: it is the formal of this index, unchanged; -1: not
  Fn *fn;
  Prim prim;
  Child *child;
  const Expr *axes; // callables: the EX_AXES that was applied to it, or NULL
} Value;

typedef struct Binding {
  const char *name;
  Span span;
  Value *value;     // NULL while lazy
  const Stmt *stmt; // what bound it, or NULL
  int index;        // of the statement in the body
  bool used, is_formal, is_entry, is_state, is_param, is_child;
  bool rebound;            // a state that has its next value, by `stmt`
  bool called;             // a child of which all is reached
  VEC(const char *) parts; // a child not called: the dotted parts read, "weight", "attention.query"
} Binding;

struct Scope {
  Scope *up;
  Frame *frame;
  Map table;
  VEC(Binding *) list;
  Ax *strip;              // the body of a scan along this axis
  struct ScanBuild *scan; // build mode
  const Body *body;       // the statements that bind here
  Map wanted;       // names of the body that were used above their line
};

typedef struct Generic {
  Name name;
  bool pack;
  int side;       // 0 left of `->` or no arrow, 1 right
  bool is_static; // a parameter lies along it: known at compile time
} Generic;

typedef enum FrameKind { FR_CONST, FR_FN, FR_MODULE, FR_MODEL, FR_TRAIN, FR_INIT } FrameKind;
struct Frame {
  FrameKind kind;
  Frame *caller;
  Span call;    // the text that called it
  bool is_call; // FR_FN: a real call, not the check of the definition
  bool failed;  // of a call: an error in its body was reported
  const char *name;
  int seq; // dims and lets declared before are seen
  bool prelude;
  const Generic *generics;
  int ngenerics;
  AxList *map; // per generic
  AxList rest;
  bool has_rest;
  VEC(Ax *) locals;
  Module *mod;
  Fn *fn;
  Inst *inst; // build mode
  int depth;
  uint64_t key;             // identifies this activation for random draws
  int stmt, ncalls, ndraws; // of the statement being evaluated
  Ty init;                  // FR_INIT: the parameter's type
  const char *path;         // FR_INIT: its path
  bool init_of_file;        // FR_INIT: of the file's `init`, not of a `~`
  const Scope *around;      // FR_INIT: the body of the `~`; its values are not seen
};

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
  Scope *scope; // of its check: which children are called
};

struct Child {
  const char *name;
  const Stmt *stmt;
  Module *mod;
  AxList *map;   // per generic of mod, in the terms of the body that sees the child
  int64_t count; // of repeat and share; 1
  Value **args;  // per formal of mod, from the declaration; NULL: not given
  Inst **inst;   // build mode: one, or `count` of a repeat
  Binding *root; // the child's binding, and the dotted path from it
  const char *dotted;
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
  Inst **inst;
  int n;
} InstChild;
struct Inst {
  Module *mod;
  const char *path; // "" for the model
  int depth;
  AxList *inner, *outer;      // per generic: as the body sees them, and as declared dims
  Map params, children; // ParamDecl, InstChild
};

typedef struct DimInfo {
  ModelDim pub;
  Ax *ax;
  int seq;
} DimInfo;
typedef struct LetInfo {
  const char *name;
  Value *value;
  int seq;
  bool prelude;
  Span span;
} LetInfo;

// What was built into one graph: the values of the model's own body.
typedef struct Session {
  Graph *g;
  bool dropout;
  Frame *frame;
  Scope *scope;
} Session;

typedef struct Hippo {
  int n;
  double *w;
} Hippo;

// A `use` that brought something: not one of a file that was there already.
typedef struct Inclusion {
  const Decl *decl;
  const File *file;
} Inclusion;

struct Model {
  Arena *a;
  Intern *names;
  Diags *d;
  const char *path;
  File *file;
  ModelOptions opt;
  bool *def_used;
  bool ok;
  int seq;
  VEC(DimInfo *) dims;
  Map dim_table, let_table, user_fns, user_mods, prelude_fns,
      prelude_mods; // let_table: LetInfo of the file
  Map prelude_lets, unknown_dims;
  bool too_deep, too_many_syms; // reported
  IntList *deps;                // per statement of the model's body: those whose names it uses
  VEC(LetInfo *) lets;
  VEC(Fn *) fns;
  VEC(Module *) mods;
  Module *model; // the model's body, as a module
  int nsyms;
  const Expr *init; // the file's `init`
  int init_seq;
  VEC(const Decl *) checkpoints, trains;
  VEC(const char *) used_files;
  VEC(Inclusion) inclusions;
  Tokenizer tokenizer;
  Inst *root;
  VEC(ParamDecl *) params;
  VEC(ModelDim) pub_dims;
  VEC(ModelLet) pub_lets;
  VEC(ModelValue) inputs, entries;
  VEC(ModelParam) pub_params;
  VEC(Recipe *) recipes;
  VEC(CkptTable *) tables;
  VEC(const Stmt *) forms;
  CkptTable *native;
  VEC(Hippo) hippo; // tables so far
  VEC(Session *) sessions;
};

// The state of one walk.
struct Sema {
  Model *m;
  Arena *a;
  Diags *d;
  Graph *g; // NULL: check mode
  bool dropout;
  Session *session;
  Frame *frame;
  Scope *scope;
  int64_t work;
  int depth, nested;       // of expressions; of definitions being checked
  bool stopped;            // a limit was passed and reported
  struct ScanBuild *scans; // build mode: the scans being evaluated, innermost first
  Span type_at; // where type_eval reports an axis that stands twice, with what; src NULL: in the
                // type itself
  const char *type_of;
};

static inline bool checking(const Sema *s) {
  return !s->g;
}

// ---- errors (sema_diag.c).  In the body of a fn they are reported at the call in a module, with
// the body's line as a note.
Diag *sema_error(Sema *s, int code, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
Value *sema_fail(Sema *s, int code, Span at, const char *fmt, ...)
    PRINTF_LIKE(4, 5); // the same; gives poison
void sema_label(Sema *s, Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
void sema_label_type(Sema *s, Diag *g, Span at, const Value *v);
void sema_note_axes(Sema *s, Diag *g, Ax *const *v, int n); // where dims are declared
const char *sema_place(Arena *a, Span at);                  // "bert.mdl:5"
// The nearest of the names added, within edit distance 2; NULL: none
typedef struct Suggest {
  const char *wanted, *best, *sigil; // sigil: what stands before the name
  int distance;
} Suggest;
void suggest_add(Suggest *g, const char *name);
void suggest_table(Suggest *g, const Map *t);
void suggest_help(Sema *s, Diag *d, const Suggest *g);
bool name_listed(const char *const *v, int n, const char *name);
void suggest_list(Sema *s, Diag *g, const char *wanted, const char *const *v, int n);
bool sema_enter_definition(Sema *s, Span at); // false: too deep, reported
bool sema_step(Sema *s, Span at);             // counts work; false past the limit (reported once)

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
DType dtype_complex(DType t);        // f32 -> c64, f64 -> c128

// ---- values
Value *v_poison(Sema *s);
Value *v_number(Sema *s, Number n);
Value *v_tensor(Sema *s, DType t, AxList ax);
Value *v_bool(Sema *s, bool truth);
Value *v_copy(Sema *s, const Value *v);
static inline bool is_poison(const Value *v) {
  return v->kind == V_POISON;
}
static inline bool is_number(const Value *v) {
  return v->kind == V_NUMBER;
}
static inline bool is_tensor(const Value *v) {
  return v->kind == V_TENSOR;
}
bool v_const(const Value *v, double *x);  // a constant real number
bool v_whole(const Value *v, int64_t *x); // a constant whole number

// ---- numbers (sema_num.c)
Number number_ratio(int64_t num, int64_t den, bool whole);
Number number_real(double x);
Number number_complex(double re, double im);
Number number_size(Sema *s, Poly p);
Number number_literal(const Num *n);
bool number_const(const Number *n);
bool number_is_whole(const Number *n, int64_t *v); // a constant of whole value
Value *number_neg(Sema *s, const Number *a);
Value *number_bin(Sema *s, Span at, BinOp op, const Number *a, const Number *b); // comparisons too
Value *number_fn(Sema *s, Span at, Op op, const Number *a); // op: of a MATHS row of prims.def
Value *number_part(Sema *s, bool imag, const Number *a);    // real(a) or imag(a)

// ---- pairs: complex arithmetic on nodes (sema_pair.c).  im NULL: zero.  Build mode only.
typedef struct Pair {
  Node *re, *im;
} Pair;
Pair pair_of(Sema *s, const Value *v, DType t); // v as dtype t
Pair pair_bin(Graph *g, BinOp op, Pair a, Pair b);
Pair pair_neg(Graph *g, Pair a);
Pair pair_exp(Graph *g, Pair a);
Pair pair_power(Graph *g, Pair a, int n);
void pair_set(Sema *s, Value *v, Pair p); // v->ax is set
Pair pair_get(const Value *v);
void sema_mark(Sema *s, Span at); // span and fn of the nodes to come
// Values computed from values, `one` real part at a time: renames, reductions and the like.
typedef Node *NodeMap(Graph *g, Node *x, void *ctx);
void pair_map(Sema *s, Value *out, const Value *in, NodeMap *f, void *ctx);
// x's axes from[i] renamed to[i]
Value *v_rename(Sema *s, const Value *x, const AxList *from, const AxList *to);

// ---- evaluation
Value *sema_unknown_name(Sema *s, const Expr *e); // reports it
Value *sema_eval(Sema *s, const Expr *e);         // any value, callables included
Value *sema_value(Sema *s, const Expr *e); // a number or a tensor; iota[L] becomes its values
Value *sema_index(Sema *s, const Expr *e);
Value *sema_scan(Sema *s, const Expr *e);
Value *sema_contract(Sema *s, Span at, Operand a, Operand b, const AxList *ax);
Value *sema_callee(Sema *s, const Expr *e);
Value *sema_constant(Sema *s, const Expr *e,
                     const char *what); // a number or a bool constant; else reported

typedef struct CallArg {
  Name name;
  Operand x;
  const Expr *expr;
} CallArg;
typedef VEC(CallArg) CallArgs;
Value *sema_call(Sema *s, Value *f, const CallArgs *args, Span at, Span callee);
Value *sema_call_prim(Sema *s, Prim p, const Expr *axes, const CallArgs *args, Span whole, Span at);
Value *sema_call_dtype(Sema *s, DType t, const CallArgs *args, Span at);
Value *sema_call_init(Sema *s,
                      const Expr *e); // FR_INIT: an initializer by name; NULL: none of that name
Value *sema_call_child(Sema *s, Child *c, const CallArgs *args, Span at, Span callee);
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
Node *ax_extent_node(Sema *s, const Ax *a, DType t);

// ---- bodies and modules
Frame *frame_push(Sema *s, FrameKind kind, const char *name,
                  Span call); // with a scope; becomes the current one
bool size_need(Sema *s, const Module *m, const AxList *map,
               const Need *need); // holds, or is passed on
Poly size_subst(Sema *s, const Poly *p, const AxList *map, bool *fits);
Value *sema_scan_see(Sema *s, Scope *sc,
                     Value *v); // an outside value in the body of the scan of `sc`
Node *sema_random(Sema *s, uint64_t site, const AxList *ax);
Node *pair_join(Sema *s, Node *re,
                Node *im); // a complex value as one real node with the axis `pair`
Axis *pair_axis(Graph *g);
Session *sema_session(Sema *s, Graph *g, bool dropout);
void sema_start(Sema *s, Model *m, Graph *g);
// ---- drafts (sema_draft.c)
AxList sema_typed_axis(Sema *s, const TDim *d);         // of a type that no text wrote
Ty sema_entry_type(Sema *s, const Stmt *st, Value **v); // as written, or that of *v, made a tensor
Ty sema_entry_checked(Sema *s, const Stmt *st);         // the same after the check
void sema_describe(Sema *s);
void sema_check_tokenizer(Sema *s, const Expr *e);
void sema_check_file_init(Sema *s);
void sema_model_value(Sema *s, Name name, const Ty *t, ModelValue *out);
void frame_raise_height(Sema *s, int height);
Value *v_full(Sema *s, const Value *v, DType t,
              const AxList *ax); // a number as a tensor with these axes
void sema_rows_need(Sema *s, const Value *index, const Poly *rows, const char *axis, Span at,
                    const char *what);
typedef struct Saved {
  Frame *frame;
  Scope *scope;
} Saved;
Saved frame_save(const Sema *s);
void frame_restore(Sema *s, Saved old);
Frame *frame_owner(Frame *f); // the module, model or train frame that a fn's frame is for
Scope *scope_push(Sema *s, Frame *f, Scope *up);
Binding *scope_find(const Scope *sc, const char *name); // this scope only
Binding *scope_bind(Sema *s, Name name,
                    Value *v); // NULL and reported when it is bound here already
Value *sema_body(Sema *s, const Body *b, Span header,
                 const char *what); // the result; NULL for a model
void sema_stmt(Sema *s, const Stmt *st, int index);
Value *sema_param(Sema *s, const ParamDecl *p); // build mode
void sema_check_unused(Sema *s, const char *what, bool untyped);
Module *module_find(Sema *s, const char *name);
Fn *fn_find(Sema *s, const char *name);
bool module_check(Sema *s, Module *m, Span at); // false: its signature is unusable
bool fn_check(Sema *s, Fn *f, Span at);
Child *child_make(Sema *s, const Stmt *st, const char *name, Inst *owner);
AxList *child_axes(Sema *s, const Stmt *st, const Module *m); // NULL when reported
Value *child_part(Sema *s, Child *c, Name part);
void sema_tree(Sema *s); // Model.root, Model.params
void sema_check_reached(Sema *s);
void sema_check_train(Sema *s, const Decl *d);
void sema_check_tags(Sema *s);
void sema_check_checkpoint(Sema *s, const Decl *d);
void sema_check_init(Sema *s, const Stmt *st, const Ty *t);
Node *sema_param_init(Sema *s, const ParamDecl *p);
Frame *sema_train_frame(Sema *s,
                        const Decl *d); // a frame over the model's, with the block's fields bound
bool ckpt_native_shape(const ModelParam *p, StoredParam *out);
void sema_generics(Sema *s, const Generics *g, Generic **out, int *n, int *nleft);
Value *sema_input(Sema *s, const Formal *f, const Ty *t);
const Expr *sema_train_loss(const Decl *d);
void sema_train_data(Sema *s, const TrItem *it, Recipe *r); // r NULL: the values alone
#endif

// The evaluator: what it knows of a model, the state of one walk, errors.
#ifndef BIGSC_SEMA_INTERNAL_H
#define BIGSC_SEMA_INTERNAL_H
#include "compiler/sema/sema_module.h"

// ---- limits
enum {
  SYM_GENERIC = MAX_SYMS,
  MAX_DIMS = 16,                           // that each call brings
  MAX_QUOTIENTS = MAX_SYMS - 2 - MAX_DIMS, // in the sizes of dims; two are left to passes
  MAX_GENERICS = 64,
  MAX_DEPTH = 200,
  MAX_EVAL = 3000,
  MAX_WORK = 10000000,
  MAX_INPUTS = 32, // of a model, with the fields of a train block: a bit each in compiled models
  MAX_TAGS = 32,   // of a model
  FRAME_COST = 10  // a call or an instance takes as much memory as some nodes

};

typedef VEC(int) IntList;
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
typedef struct GraphBuild {
  Graph *g;
  bool dropout;
  int choice; // of members of `forms`
  Frame *frame;
  Scope *scope;
} GraphBuild;

typedef struct Hippo {
  int n;
  double *w;
} Hippo;

// A declaration of a file or of one that it uses: a dim or a let alone.
typedef struct Declared {
  Decl *decl;
  const char *lead; // comments before it
  bool own;         // of the file itself, not of one that it uses
  bool made;        // the tree is not what stands at its span
} Declared;
typedef VEC(Declared) DeclaredList;
typedef struct UsedFile {
  const char *path;
  DeclaredList decls;
  Names taken; // brought by name so far
  bool whole;  // all of it was brought
  bool open;   // it is being read: it uses, in the end, itself
} UsedFile;

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
  Module *model;    // the model's body, as a module
  Syms syms;        // in every graph of this model the first
  const Expr *init; // the file's `init`
  int init_seq;
  VEC(const Decl *) checkpoints, trains;
  VEC(const char *) used_files;
  VEC(UsedFile *) used;
  DeclaredList
      decls; // of all files in one, as they stand in m->file; empty: m->file is what was read
  TokenizerDecl tokenizer;
  ModuleInst *root;
  VEC(ParamDecl *) params;
  VEC(const char *) absent; // paths of parameters that an `if` leaves out
  VEC(ModelDim) pub_dims;
  VEC(ModelLet) pub_lets;
  VEC(ModelValue) inputs, entries;
  VEC(ModelParam) pub_params;
  VEC(Recipe *) recipes;
  VEC(CkptTable *) tables;
  VEC(const Stmt *) forms;
  int choice; // see model_choose
  CkptTable *native;
  VEC(Hippo) hippo; // tables so far
  VEC(GraphBuild *) sessions;
};

// The state of one walk.
struct Sema {
  Model *m;
  Arena *a;
  Diags *d;
  Graph *g; // NULL: check mode
  bool dropout;
  GraphBuild *session;
  Frame *frame;
  Scope *scope;
  int64_t work;
  int depth, nested;       // of expressions; of definitions being checked
  bool stopped;            // a limit was passed and reported
  bool deciding;           // within what an `if` depends on
  bool sizing;             // within the size of a dim, which may have quotients
  struct ScanBuild *scans; // build mode: the scans being evaluated, innermost first
  Span type_at; // where type_eval reports an axis that stands twice, with what; src NULL: in the
                // type itself
  const char *type_of;
  VEC(Value *)
  seen;       // check mode: the tensors evaluated so far of the expressions around, innermost last
  int trying; // lines that are to be advised: nothing is reported
  struct Called *called; // the call whose callee is being looked up; NULL: none
};

static inline bool checking(const Sema *s) {
  return !s->g;
}
void sema_start(Sema *s, Model *m, Graph *g);

// ---- errors (sema_diag.c).  In the body of a fn they are reported at the call in a module, with
// the body's line as a note.
Diag *sema_error(Sema *s, int code, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
Value *sema_fail(Sema *s, int code, Span at, const char *fmt, ...)
    PRINTF_LIKE(4, 5); // the same; gives poison
void sema_label(Sema *s, Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
void sema_label_type(Sema *s, Diag *g, Span at, const Value *v);
void sema_see(Sema *s, Span at, const Value *v);            // for editors: ModelOptions.see
void sema_note_axes(Sema *s, Diag *g, Ax *const *v, int n); // where dims are declared
// ---- why a value is as it is (sema_why.c): a label where it became so.  `shown`: where the error stands.
void sema_made(Sema *s, Value *v, const Expr *e,
               int first); // v is e's value, of what stands in s->seen from `first` on
void sema_why_dtype(Sema *s, Diag *g, const Value *v, Span shown);
bool sema_left_out(Sema *s, Diag *g, const char *name); // by a `use` of others: with a help
bool sema_was_lost(const Value *v, const Ax *a); // a step before it had the axis, which it lacks
void sema_why_lost(Sema *s, Diag *g, const Value *v, const Ax *a, Span shown); // it lacks the axis
void sema_why_held(Sema *s, Diag *g, const Value *v, const Ax *a, Span shown); // it has it
void sema_why_axes(Sema *s, Diag *g, const Value *v, const AxList *want, Span shown);
// The nearest of the names added, within edit distance 2; NULL: none
typedef struct Suggest {
  const char *wanted, *best, *sigil; // sigil: what stands before the name
  int distance;
} Suggest;
void suggest_add(Suggest *g, const char *name);
void suggest_table(Suggest *g, const Map *t);
void suggest_help(Sema *s, Diag *d, const Suggest *g);
int name_place(const char *const *v, int n, const char *name); // n: it is not there
bool name_listed(const char *const *v, int n, const char *name);
const char *suggest_text(Sema *s, const char *const *v, int n); // "adamw, adam and sgd"
// Refuses a named argument of a source, an optimizer, ... that is given twice.
void sema_args_once(Sema *s, const Expr *call, const char *what);
void suggest_list(Sema *s, Diag *g, const char *wanted, const char *const *v, int n);
bool sema_enter_definition(Sema *s, Span at); // false: too deep, reported
bool sema_step(Sema *s, Span at);             // counts work; false past the limit (reported once)
#endif

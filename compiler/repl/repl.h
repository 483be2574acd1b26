// The REPL.  What was declared stays as syntax trees; what was bound is an array.  An expression is
// elaborated as the one untyped entry of a model made for it - the declarations, the children and
// parameters it reaches, and the arrays it uses as inputs - in an arena of its own, then planned
// and compiled by a JIT that lives as long as the REPL, so that kernels that were seen before cost
// nothing.  Parameters live in a table by path and shape: a module can be redefined under them.
//
// Dims that are known at run time only have a value here, set by `:set B=4`; they are fixed when an
// expression is compiled.
#ifndef BIGSC_REPL_H
#define BIGSC_REPL_H
#include "codegen/llvm/jit.h"
#include "runtime/cuda/device_cuda.h"
#include "compiler/commands/outputs.h"
#include "compiler/driver/options.h"
#include "compiler/syntax/parse.h"
#include "compiler/driver/pipeline.h"
#include "runtime/bigs.h"
#include <signal.h>

// ---- arrays: values with named axes, row-major; complex elements are pairs
typedef struct Array {
  DType dtype;
  int rank;
  TypedAxis *axis;
  int64_t n; // numbers: a complex element is two
  void *data;
} Array;
Array *array_new(DType dtype, const TypedAxis *axis,
                 int rank); // zeroed, one allocation; NULL: out of memory
void array_free(Array *a);  // NULL is allowed
double array_number(const Array *a, int64_t i);
void array_set(Array *a, int64_t i, double v);
// "[B = 2, L = 5] f32", "f32"
char *array_type(Arena *a, DType dtype, const TypedAxis *axis, int rank);
Array *array_copy(const Array *a);
int64_t array_bytes(const Array *a); // of its numbers
void array_print(FILE *f, Arena *scratch,
                 const Array *x); // its type, then its elements, long ones abbreviated

// ---- names at the prompt
typedef enum ItemKind {
  ITEM_VALUE, // bound: an array
  ITEM_INPUT, // of a loaded model: a type, and an array once there is one
  ITEM_PARAM,
  ITEM_CHILD,
  ITEM_LATER, // `entry`, `forms`, and the bindings of a loaded model: elaborated where they are
              // used
} ItemKind;
typedef struct Item {
  const char *name; // interned
  ItemKind kind;
  Span span;
  Stmt *stmt;     // PARAM, CHILD, LATER: declares this name alone
  Formal *formal; // INPUT
  Array *value;   // VALUE, INPUT
  bool sampled;   // INPUT: the value is random, because none was given
  bool loss;      // LATER: the loss of a train block
  Stmt *origin; // VALUE: the statement that computed it, with its name alone; NULL: something else
  uint64_t stamp; // when it got its value
  uint64_t draw;  // PARAM, CHILD: how often the name was declared before; other numbers each time
} Item;
typedef struct Weight {
  char *path;
  uint64_t draw;
  bool passing; // of one evaluation: a draw in an expression
  Array *value; // axes: their extents only
} Weight;
typedef struct Known { // a declaration; dims and lets one by one
  Decl *decl;
  bool broken; // no longer fits the others: left out until it is used or redefined
} Known;
typedef VEC(Known) DeclList;
typedef VEC(Item *) ItemList;
typedef struct DimNow {
  const char *name;
  int64_t extent, bound;
  bool open; // known at run time only
} DimNow;

// A path of a parameter in the input under way, and the name that stands for it: see repl_paths.c.
typedef struct Alias {
  const char *name, *path;
  bool assigned; // it stands on the left of `=`
} Alias;

typedef struct ReplTrainer ReplTrainer;

typedef struct Repl {
  const Options *o;
  FILE *out, *err;
  bool color;
  Arena *arena;
  Intern *names;
  const char *source; // name of the text in diagnostics
  int line;           // of the input that is being read
  const char *above;  // lines of comment right before it; NULL: none
  DeclList decls;
  ItemList items;
  VEC(Weight *) weights;
  VEC(Alias *) aliases;
  Defines sets; // -D and :set
  VEC(DimNow) dims;
  Target *target;
  Jit *jit;
  const Decl *model; // loaded, of the trains below; NULL: none
  VEC(const Decl *) trains;
  const char *loaded;     // path of the last file; NULL: none
  VEC(const char *) data; // what train blocks learn from
  const char *vocab;      // of :data; NULL: none was named
  ReplTrainer *trainer;   // NULL: nothing is being trained
  uint64_t draws, stamps;
  uint64_t changes; // of declarations, dims, data and parameters
  bool unfold; // values are computed again from what they came from, as far as that is as it was
  const Item *kept;                    // but for this one
  const volatile sig_atomic_t *cancel; // may be NULL
  File *prelude;                       // for completion; NULL until it is needed
  int failures;
  bool quit;
} Repl;

Repl *repl_new(const Options *o, FILE *out, FILE *err, const char *source,
               const char **error); // NULL: *error says why
void repl_free(Repl *r);
ModelOptions repl_options(const Repl *r, const Defines *defs, bool draft); // with --form

// One input: statements, declarations, or a command that starts with `:`.  False: it is incomplete,
// ask for more (unless `last`).  What goes wrong is printed and counted in r->failures.
bool repl_input(Repl *r, const char *text, bool last);
// Lines of f until its end or :quit, as from a pipe.
void repl_script(Repl *r, FILE *f);

// What the last word of the line, up to the cursor, may become: see Complete of repl_line.h.  ctx is the Repl.
int repl_complete(void *ctx, const char *line, size_t *start, const char **out, int max);

// ---- parts
#define PLAIN_AXIS "axis" // the axes of a tensor that nobody named: axis0, axis1, ...
void repl_fail(Repl *r, const char *fmt, ...)
    PRINTF_LIKE(2, 3); // an error without a place; counted
void repl_note(Repl *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void repl_diags(Repl *r, const Diags *d);         // prints; errors are counted as one failure
Item *repl_item(const Repl *r, const char *name); // NULL: none
Item *repl_put(Repl *r, const char *name, ItemKind kind, Span span); // new, or cleared in place
void repl_drop_weights(Repl *r, const char *root);       // those of a child or parameter
const DimNow *repl_dim(const Repl *r, const char *name); // NULL: none
// Declarations, all or none.  typed: they stood at the prompt, so what `:set` said of them before is over.  False: refused, reported.
bool repl_declare(Repl *r, Decl *const *decl, int n, bool typed);
bool repl_set(Repl *r, const char *name,
              const char *value);          // a dim or a let; false: refused, reported
bool repl_load(Repl *r, const char *path); // a .mdl file; false: refused, reported
// A .mdl file, with weights if not NULL; an exit status.
int repl_open(Repl *r, const char *path, const char *weights);
const char *repl_child_text(Arena *a, const Item *it); // "repeat Depth Block[H]", as it was written
void repl_command(Repl *r, const char *text);
bool repl_command_doc(Repl *r,
                      const char *name); // prints what a command does; false: there is none
// Keeps x, which it takes over, under the name, or stores it in the parameter that the name stands for.  tell: its type, else
// all of it is shown.
void repl_keep(Repl *r, Name name, Array *x, bool tell);
Expr *repl_zero(Repl *r, Span at);
Expr *repl_name(Repl *r, Name name);
Array *repl_compute(Repl *r, Expr *value); // NULL: reported
// A name that is computed where it is used counts as a value by itself, x, which stays the caller's, up to repl_unpin.  NULL: it
// is none.
Item *repl_pin(Repl *r, const char *name, Array *x);
void repl_unpin(Item *it);                      // NULL is allowed
Expr *repl_argument(Repl *r, const char *text); // of a command; NULL: reported
const char *repl_trailing_name(char *text); // `EXPR NAME`: cuts the name off; NULL: there is none
const char *repl_duration(Arena *a, double seconds); // "1.234 ms"
bool repl_unfolds(const Repl *r, const Item *it);    // with r->unfold: by its origin
void repl_forget(Repl *r, const char *name);         // the item goes; interned
void repl_describe_child(Repl *r, Item *it);         // what it is, and its parameters
const char *repl_decl_name(const Decl *d); // of one dim, let, fn, module; NULL: it has none
const Decl *repl_own_decl(const Repl *r, const char *name); // NULL: none of this name
Source *repl_source(Repl *r, const char *text);             // with the line numbers of the input
// The statement with one of its names alone: of several results the others are `_`.
Stmt *repl_alone(Repl *r, const Stmt *s, int i);
bool repl_model(Repl *r,
                const Decl *model); // its inputs, children and entries become names at the prompt
bool repl_train(Repl *r, const Decl *train);      // so do its fields, and its own name for its loss
void repl_value(Repl *r, Item *it, Array *value); // takes the array over

// repl_doc.c
void repl_doc(Repl *r, const char *name);
void repl_info(Repl *r, const char *name);

// repl_cost.c, repl_plot.c, repl_why.c: the commands, by what stands behind them.
void repl_cost(Repl *r, const char *text);
void repl_compare(Repl *r, char *text);
void repl_plot(Repl *r, char *text);
void repl_why(Repl *r, char *text);

// repl_train.c
void repl_train_steps(Repl *r, char *text);
void repl_data(Repl *r, char *text);
// The loss of the only train block on some batches of :data, dropout off; false: failed, reported, or there is no such data.
bool repl_data_loss(Repl *r, double *loss);
void repl_train_end(Repl *r); // forgets the optimizer's state

// repl_files.c
bool repl_may_write(Repl *r, const char *path, OutputKind kind); // false: refused, reported
void repl_save(Repl *r, const char *path);
void repl_reload(Repl *r);
void repl_load_weights(Repl *r, const char *path);

// repl_given.c: what a list or load(...) gives, kept as repl_keep does.
void repl_literal(Repl *r, const Literal *l, const Type *t);
bool is_load(const Repl *r, const Stmt *s);
void repl_load_tensor(Repl *r, const Stmt *s, const Type *type);

// repl_param.c: parameters by their native names.
Array *repl_param(Repl *r,
                  const char *path); // a copy, to be freed; NULL: there is none, or it was reported
bool repl_has_param(Repl *r, const char *path);
bool repl_assign(Repl *r, const char *path, const Array *x); // false: refused, reported

// repl_paths.c: the text with names in the place of paths, NULL: refused, reported; these mean something between begin and end.
const char *repl_paths(Repl *r, const char *text);
bool repl_paths_begin(Repl *r);                   // false: there is no such parameter, reported
void repl_paths_again(Repl *r, const char *path); // the parameter has other numbers now
void repl_paths_end(Repl *r);
const char *repl_native_path(Repl *r, const char *text, size_t n); // "layer[0].w" is "layer.0.w"
bool repl_is_alias(const Repl *r, const char *name);
const char *
repl_assigned(const Repl *r,
              const char *name); // the path that a name on the left stands for; NULL: none

// repl_names.c: every name that stands in a piece of syntax, as often as it stands there
typedef void NameVisit(void *ctx, const char *name);
void names_of_expr(const Expr *e, NameVisit *visit, void *ctx);
void names_of_stmt(const Stmt *s, NameVisit *visit, void *ctx);
void names_of_decl(const Decl *d, NameVisit *visit, void *ctx);

// repl_order.c: all of them, each behind what it is made of, else as they were.
DeclList decls_in_order(Repl *r, const DeclList *all);
ItemList items_in_order(Arena *a, Repl *r);

// A copy of e in which normal[B, L](std), trunc_normal[..](std) and uniform[..](a, b) are names of
// parameters that start so; these are added to *params.  e itself when it has none.
typedef struct Draws {
  Arena *arena;
  Intern *names;
  Stmts params;
} Draws;
Expr *draws_extract(Draws *d, Expr *e);

// ---- an expression on its way to a value
typedef struct Ready {
  Repl *r;
  Arena *arena;
  Diags diags;
  Model *model;
  Graph *graph;
  DType dtype;
  TypedAxis *axes;
  int nax;
  ItemList used;
  Stmts draws;
  const Decl *train; // instead of a value: the block that is built
  Outputs outs;      // the value, then gradients, as elaborated
  VEC(Node *) wrt;   // of gradients: the values and parameters
  BigsModule *module;
  CudaDevice gpu;     // with --target=cuda, where the handle is
  bigs_model *handle; // NULL while it is not compiled
  const char *why;    // it is not compiled
  const void **inputs;
  Array **results; // one an output
} Ready;
// Each false when it failed and that was reported; ready_free in any case.
bool ready_graph(Ready *e, bool gradients); // fills graph, outs, names; part of ready_build
// Shows the errors of a value that did not parse but is clear, with what the checker adds to them.
void ready_explain(Repl *r, Expr *value, Diags *d);
// Checks, and finds the type.  `also`: an item that is to be part of the model, or NULL.
bool ready_elaborate(Ready *e, Repl *r, Expr *value, Item *also);
bool ready_draws(const Ready *e, const Node *param); // is it a draw, and nobody's parameter?
bool ready_build(Ready *e, bool gradients);          // to compiled code where there is a way
// Instead of the three: a train block, for steps.  Files give its data where it has a `data` line, else values of the prompt.
bool ready_train(Ready *e, Repl *r, const Decl *block, bool dropout);
bool ready_train_model(Ready *e, Repl *r, const Decl *block); // its first part: checked
Expr *train_loss(const Decl *block);                          // NULL: it has none
bool train_has_data(const Decl *block);
bool ready_is_fed(const Ready *e, const Item *it); // files give it
int ready_train_inputs(Ready *e, const void **inputs,
                       int most); // a status, with the handle's error
void ready_keep_params(Ready *e); // the handle's parameters are the prompt's
Weight *ready_weight(const Ready *e, const char *path);
bool ready_store(Ready *e, const Param *p, const Array *x, bool tell); // see repl_assign
bool ready_run(Ready *e);                                              // computes e->results
double ready_flops(const Ready *e); // model FLOPs of one run; negative: not known
Array *ready_take(Ready *e, int i); // a result, for the caller to free
void ready_free(Ready *e);
// repl_interpret.c: parameters that have no value yet, and the values of `outs`.
Weight *weight_find(const Ready *e, const Param *p); // NULL: none of this path, shape and draw
Weight *weight_add(Ready *e, const Param *p);        // zero; NULL reported
uint64_t weight_seed(const Repl *r, uint64_t draw);
Array *array_like(Ready *e, int dtype, Axis *const *ax, int nax);
Array *array_like_param(Ready *e, const Node *n,
                        bool complex); // complex: pairs are one number of a complex dtype
bool interpret_fresh(Ready *e, Param **fresh, int n);
bool interpret_outs(Ready *e);
#endif

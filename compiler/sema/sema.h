// The checker and elaborator: text -> checked model -> graph.
//
// One evaluator walks the syntax in two modes.  In check mode every module is visited once, at its
// definition, with generics and `..` opaque: values carry a dtype and axes and no node.  In build
// mode an entry or a loss is evaluated with concrete axes, and the values carry nodes.  The shape
// rules exist once.
//
// A Model is immutable once loaded (but for caches) and lives in the arena given to model_load; so
// do all strings below.
#ifndef BIGSC_SEMA_H
#define BIGSC_SEMA_H
#include "base/recipe.h"
#include "compiler/syntax/ast.h"
#include "graph/ir.h"

typedef struct Model Model;

// -D NAME=VALUE: a dim or let of the file.  VALUE is a constant expression of the language; for a
// run-time dim it fixes the dim at compile time.  An unknown name is an error.
typedef struct Define {
  const char *name, *value;
} Define;

typedef struct ModelOptions {
  const Define *defs;
  int ndefs;
  // Which members are taken: name, of a value that `forms` gives (NULL: of each), value, the member.  The last one that fits
  // a `forms` counts; where none does, its first member is taken.
  const Define *forms;
  int nforms;
  // A model that is being tried out: nothing of it need be used, and an entry without a written type
  // has that of its value.
  bool draft;
  // For editors: told of names in the text that stand for values, as the check meets them, with their types: "[B, L, H] with
  // H = 768".  A name in a fn is met at every call.  NULL: nobody asks.
  void (*see)(void *ctx, Span at, const char *type);
  void *see_ctx;
} ModelOptions;

// Parses `text` (NULL: reads the file at `path`), resolves `use`, checks everything, and lays out
// the parameter tree. Never NULL; when diags->errors grew, model_ok() is false and only
// the diagnostics mean anything. `opt` may be NULL and is copied.
Model *model_load(Arena *a, Intern *names, Diags *diags, const char *path, const char *text,
                  const ModelOptions *opt);
// The same for a syntax tree, which must outlive the model.
Model *model_load_tree(Arena *a, Intern *names, Diags *diags, File *file, const ModelOptions *opt);
// The file with all that it uses as one, without a `use`; itself where it uses nothing.  The trees live in `a`.
File *model_join(Arena *a, Intern *names, Diags *diags, File *file);
bool model_ok(const Model *m);
// The text of the main file with what it uses put in place of each `use`: means the same, alone.
const char *model_text(const Model *m);
const char *model_name(const Model *m); // "Bert"; NULL when the file has no model
const char *prelude_text(void);         // generated from compiler/sema/prelude.mdl

// ---- what a model has
typedef struct ModelDim {
  const char *name;
  bool fixed;     // known at compile time
  int64_t extent; // when fixed
  int64_t bound;  // of one that each call brings; 0: none
  int sym;        // of one that each call brings: its index in every graph of this model; else -1
  Poly size;      // in those
  const char *formula; // of one that is made of those: "P + L"; else NULL
  Span span;
} ModelDim;
int model_dims(const Model *m, const ModelDim **dims); // in order of declaration
// Puts what follows from the sizes that calls bring among these, by symbol: MAX_SYMS.
void model_complete_sizes(const Model *m, int64_t *syms);
static inline bool dim_is_given(const ModelDim *d) { // by each call
  return d->sym >= 0;
}

typedef struct ModelLet {
  const char *name;
  double value; // real part; 0 or 1 for a bool
  Span span;
} ModelLet;
int model_files(const Model *m, const char *const **path); // its own and those it uses
int model_lets(const Model *m, const ModelLet **lets);     // of the file itself, not of the prelude

// Something with a written type: an input, an entry, a field of a train block.
typedef struct ModelValue {
  const char *name;
  DType dtype; // may be complex
  int nax;
  const char *const *axes; // names of dims, in storage order
  const int *dim;          // their indices in model_dims
  bool has_default;        // inputs only
  double fallback;         // the value of every element when not given
  Span span;
} ModelValue;
int model_inputs(const Model *m, const ModelValue **inputs);
int model_entries(const Model *m, const ModelValue **entries);
const ModelValue *model_entry(const Model *m, const char *name); // NULL: none of that name

typedef struct ModelParam {
  const char *path; // native name: "layer.3.attention.query.weight"
  DType dtype;      // may be complex: stored as pairs
  int nax;
  const char *const *axes; // declared dims that the axes stand for: "H", "Heads", "D"
  const int64_t *extent;
  int64_t elements;        // numbers stored: a complex element counts as two
  const char *const *tags; // without the @
  int ntags;
  const int *side, *group; // see Param in graph/ir.h
  bool out_first; // declared exactly [A..., B...] in a module [A -> B]: `layout torch` stores B
                  // first
  Span span;
} ModelParam;
int model_params(const Model *m, const ModelParam **params); // in the order of the module tree

typedef struct TokenizerDecl {
  bool given; // else the file has none
  TokenizerKind kind;
  const char *vocab; // path as written
  bool lower;
  int64_t pad_to; // 0: not
  Span span;
} TokenizerDecl;
const TokenizerDecl *model_tokenizer(const Model *m);

// The text of `bigsc inspect`: entries and their types, run-time dims, every parameter, totals.
char *model_describe(Arena *a, const Model *m);

// Type of an entry whose sizes are all known; an entry of a draft may have axes that are no dims.
// False: no such entry.
typedef enum TypedAxisKind { TYPED_DIM, TYPED_LOCAL, TYPED_SLICE } TypedAxisKind;
typedef struct TypedAxis {
  const char *name;
  int64_t extent;
  TypedAxisKind kind;
} TypedAxis;
bool model_entry_type(Arena *a, const Model *m, const char *entry, DType *dtype, TypedAxis **axes,
                      int *nax);

// Every `forms` of the model and of the modules and fns that it sees, in order of declaration.
int model_forms(const Model *m, const Stmt *const **forms);
int model_forms_asked(const Model *m, const Define **forms); // ModelOptions.forms
const Bind *model_form_asked(const Model *m,
                             const Stmt *forms); // the member that these take; NULL: none
// Ways to take one member of each `forms` that is not asked for, in order of declaration: at most MODEL_CHOICES, which later ones
// beyond that have no part in.  Way 0, the first member of each, holds until another is chosen.
enum { MODEL_CHOICES = 8 };
int model_choices(const Model *m);
void model_choose(Model *m, int choice);                   // for what is built from here on
const Bind *model_form(const Model *m, const Stmt *forms); // the member that is taken
// "y = dual": those chosen of the `forms` that have a part in it; NULL: none has.
const char *model_choice_text(Arena *a, const Model *m);

// ---- graphs.  `g` must be a graph of this model alone (made by graph_new and given only to
// functions of this file): its run-time symbols are the model's in order.  Several values may be
// built into one graph; they share nodes.

// Registers every parameter as a PARAM leaf, in the order of model_params, with its Param.init; the
// others below do it themselves when it has not been done.
void model_register_params(Model *m, Graph *g);
// Fills out->name, node, ax (declared order).  `dropout`: whether dropout acts.  False when
// elaboration failed (reported).
bool model_build_entry(Model *m, Graph *g, const char *entry, bool dropout, Output *out);
// The scalar f32 loss of a train block.  NULL when it has none or elaboration failed (reported).
Node *model_build_loss(Model *m, Graph *g, const char *train, bool dropout);

// ---- parameters with the tag `@state`: no optimizer moves them, `next` of a train block says what they are after a step
bool param_is_state(const Param *p);
bool model_has_states(const Model *m);
typedef struct StateNext {
  Param *param;
  Node *next; // with the axes of the parameter
} StateNext;
typedef VEC(StateNext) StateNexts;
// Of a train block, into the graph of its loss.  False: reported.
bool model_build_states(Model *m, Graph *g, const char *train, bool dropout, StateNexts *out);

// ---- train blocks
typedef enum FieldKind {
  FIELD_IDS,
  FIELD_TYPES,
  FIELD_MASK,
  FIELD_AT,
  FIELD_LABELS,
  FIELD_TARGET,
  FIELD_ANY, // of a source that has what is named
  FIELD_CONTEXT,
  FIELD_START,
  FIELD_END,
  FIELD_IDS_A,
  FIELD_TYPES_A,
  FIELD_MASK_A,
  FIELD_IDS_B,
  FIELD_TYPES_B,
  FIELD_MASK_B,
  FIELD_DOC,
  FIELD_PLACE,
  FIELD_COUNT
} FieldKind;
typedef struct TrainField {
  FieldKind kind;
  bool is_input; // an input of the model, else new in this block
  ModelValue value;
} TrainField;
typedef struct SourceArg {
  const char *name; // NULL: by position
  const char *text; // a string, or NULL: `num`
  double num;
} SourceArg;
typedef struct SchedulePiece {
  ScheduleKind kind;
  double length; // steps; below 1 a share of the run; 0: what is left (the last only)
  double to;     // level at the end, relative to Recipe.rate (a warmup: 1)
} SchedulePiece;
typedef VEC(SchedulePiece) Schedule; // empty: constant
typedef struct Optimizer {
  OptimizerKind kind;
  double beta1, beta2, eps, momentum;
} Optimizer;
typedef struct TagGroup { // applies to every parameter with one of the tags, in the order written
  const char *const *tags;
  int ntags;
  bool has_rate, has_decay, has_frozen;
  bool rate_times; // `rate *= x`: factor; else `rate = x`: instead of Recipe.rate, same schedule
  double rate, decay;
  bool frozen;
} TagGroup;
typedef struct Recipe {
  const char *name;
  const char *from;   // folder, or NULL
  const char *source; // "mlm_text"; NULL: no data line
  bool source_known;
  VEC(SourceArg) args;
  VEC(TrainField) fields; // in the order written
  bool has_loss, has_optimizer, has_rate;
  Optimizer optimizer;
  double rate;        // the factor before the schedule
  Schedule schedule;  // of the rate
  Schedule masking;   // of the source's rate of masked tokens, which is in args
  Schedule growth;    // of the batch, in whole multiples of it
  double decay, clip; // 0: none
  double ema;         // what stays of the average of the parameters in a step; 0: none is kept
  int64_t batch, pieces, steps, epochs; // 0: not given
  VEC(TagGroup) groups;
  Span span;
} Recipe;
int model_trains(const Model *m, const Recipe *const **trains);
const Recipe *model_train(const Model *m, const char *name); // NULL: none of that name

// ---- checkpoint blocks
typedef struct StoredParam {
  const char *name; // in the file
  int param;        // index in model_params
  int nshape;
  int64_t shape[8];   // as stored; a scalar is [1]
  bool transposed;    // stored [out, in]: native element [i, o] lies at stored [o, i]
  int64_t rows, cols; // native is rows x cols (x 2 when complex), for `transposed`
  int group;          // index of its `or init` group; -1: must be there
} StoredParam;
typedef struct CkptConfig {
  const char *file; // "config.json"
  const char *key;
  const char *name;    // the dim or let that the key sets; NULL: a check
  const char *when[2]; // of a let that is false, or true, where the key says this; NULL: its value
  bool is_text, is_bool; // of a check
  const char *text;
  double num;
  Span span;
} CkptConfig;
typedef struct CkptIgnore {
  const char *pattern;
  int param; // index of the parameter that such a tensor must repeat; -1: any tensor will do
} CkptIgnore;
typedef struct CkptTable {
  const char *name;         // "hf"; "" for the native names
  VEC(StoredParam) params;  // one a parameter, in the order of model_params
  VEC(const char *) groups; // left path of each `or init` rule, as reported
  VEC(CkptConfig) config;
  VEC(AliasPair) aliases;
  VEC(CkptIgnore) ignore;
  Span span;
} CkptTable;
int model_checkpoints(const Model *m, const CkptTable *const **tables);
const CkptTable *model_native_table(Model *m); // native names, shapes as declared, no aliases
#endif

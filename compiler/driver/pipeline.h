// From a checked model to a module's tables and kernels: the ordered passes of passes.def.
#ifndef BIGSC_PIPELINE_H
#define BIGSC_PIPELINE_H
#include "codegen/loop/loop.h"
#include "codegen/plan/plan.h"
#include "codegen/target.h"
#include "compiler/sema/sema.h"
#include "runtime/abi.h"

// What to put in the module.  A count of -1: all the model has.
typedef struct BuildWant {
  const char *const *entries;
  int nentries;
  const char *const *trains;
  int ntrains;
  bool dropout; // in gradient programs
  bool update;  // optimizer programs, for training
  bool pieces;  // what adds up the gradients of pieces of a step, too
  bool init;    // first values of the parameters
  // no other program is run: none gets machine code
  bool init_runs_alone;
  // Instead of entries and train blocks: one program "value" with the outputs `value`, elaborated
  // by the caller in `graph`, and with `init` one for the first values of `fresh`; they are the
  // module's programs 0 and 1.  With several outputs, of which the others are gradients by the
  // parameters' own names, linear layers are not stacked.
  Graph *graph;
  const Output *value;
  int nvalue;
  Param *const *fresh;
  int nfresh;
} BuildWant;

typedef struct BuildOptions {
  const char *march; // NULL: native
  Target *target;    // NULL: that of march
  const char *name;  // of the model in the module; NULL: as the file says
  bool gpu;          // planned for a GPU, whatever `march`
  int gpu_number;    // which of those there are: modulo their number
  bool bf16, int8;   // of PlanOptions, as these
  const char *int8_names;
  const double *costs; // PlanOptions.costs
  int opt;             // -O level
  const char *dump_ir; // pass name, "all", or NULL
  FILE *dump_to;       // where --dump-ir goes
  bool verify;         // run the verifier after every pass
} BuildOptions;

enum {
#define PASS(id, name, what) PASS_##id,
#include "compiler/driver/passes.def"
#undef PASS
  PASS_COUNT
};

typedef VEC(Output) Outputs;
// An entry or a loss once more, by other members of `forms`.
typedef struct BuildOther {
  int of;            // in Build.entries, or behind them in losses
  const char *forms; // "y = recur"
  Output entry;      // node NULL: of a loss
  Node *loss;
  StateNexts states;
  Outputs grads;
} BuildOther;
typedef struct Build {
  Arena *arena;
  Intern *names;
  Diags *diags;
  Model *model;
  const BuildWant *want;
  BuildOptions options;
  Target *target;
  Graph *graph;
  Outputs entries;            // one an entry
  VEC(const Recipe *) trains; // those with a loss
  VEC(Node *) losses;         // one each
  VEC(StateNexts) states;     // one list each
  VEC(uint8_t *) reached; // an entry, a loss: 1 per parameter that it depends on as it is written
  Outputs *grads;         // per loss: the loss, then the gradients
  VEC(BuildOther) others;
  const char *forms; // of entries and losses themselves; NULL: there is nothing to choose
  RewriteStats stats;
  Planner *plan;
  BigsModule *module;
  LKernel **kernels;
  int nkernels;
  double seconds[PASS_COUNT];
} Build;

// Runs every pass.  False when errors were reported.  `want` must outlive the build.
bool build_module(Build *b, Arena *a, Intern *names, Diags *diags, Model *model,
                  const BuildWant *want, const BuildOptions *options);
// The passes up to and with `last` only (no target is needed before `plan`).
bool build_until(Build *b, Arena *a, Intern *names, Diags *diags, Model *model,
                 const BuildWant *want, const BuildOptions *options, int last);
const char *pass_name(int pass);
const char *pass_help(int pass);

// Roots of everything that has been built so far, with names, for printing: entries, losses and
// gradients.
int build_roots(Build *b, Node ***roots, const char *const **names);

// ---- parts: optimizer.c, tables.c
// Adds the optimizer's update program for recipe r, and the norm program (once: *norm < 0 on
// entry), to the planner.
void optimizer_programs(Build *b, const Recipe *r, int *update, int *norm);
// Of abi.def's BigsTrain.sum; -1 where there is none.
int sum_program(Build *b);
// Fills what the planner leaves: names, constants, tokenizer, recipes, checkpoint blocks, source
// text.  programs: per train block of b->trains its gradient, update and norm program.
typedef struct TrainPrograms {
  int gradient, update, norm, sum;
} TrainPrograms;
// A schedule of a recipe, of->n pieces.
const BigsPiece *schedule_pieces(Arena *a, const Schedule *of);
// A table of names as modules have it; `model` has no errors.
BigsCheckpoint checkpoint_table(Arena *a, const Model *model, const CkptTable *c);
void fill_tables(Build *b, BigsModule *m, const TrainPrograms *programs);
#endif

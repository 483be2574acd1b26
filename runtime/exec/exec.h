// The inside of a model's handle: memory, bindings of programs to sizes, and their execution.
#ifndef BIGSC_RUNTIME_EXEC_H
#define BIGSC_RUNTIME_EXEC_H
#include "runtime/abi.h"
#include "runtime/bigs.h"
#include "runtime/builtin.h"
#include "runtime/exec/device.h"
#include "base/error.h"
#include "runtime/exec/place.h"
#include "runtime/exec/pool.h"
#include <signal.h>

// ---- memory that a handle accounts for
typedef struct RegionShares RegionShares;
typedef struct Region {
  char *
      p; // on the device; 64-byte aligned (2 MiB, with huge pages asked for, when large); NULL while empty
  size_t bytes;
  char *copy;           // on the host, where the device's memory is not; NULL until it is looked at
  RegionShares *shares; // of handles whose memory this is; NULL: this one's alone
  bool lent;            // another handle allocated it, or it is
  bool constant;        // part of the program: never written, nor freed
} Region;
// Zeroed memory in place of what the region held.  `what` names it in the error: "gradients".
int region_set(bigs_model *m, Region *r, size_t bytes, const char *what);
void region_free(bigs_model *m, Region *r);
// What the region holds, on the host: the region itself, or a copy of now.  NULL with the error set.
char *region_look(bigs_model *m, Region *r);
// What was written into region_look's memory is in the region from now on.
int region_put(bigs_model *m, Region *r);
// Memory that handles share: nobody writes to it but after region_own, which gives m a copy of its own
// where others have it too.
int region_sharable(bigs_model *m, Region *r);
void region_share(const Region *r, Region *out);
int region_own(bigs_model *m, Region *r, const char *what);
// *to, which has nothing, becomes memory with the same contents, of its own.
int region_copy(bigs_model *m, Region *from, Region *to, const char *what);
// The region of weights, gradients or moments that an address lies in, or NULL.
const Region *region_at(const bigs_model *m, const void *p);
// malloc'd and zeroed; NULL with the error set.
void *model_alloc(bigs_model *m, size_t count, size_t size, const char *what);
#define MODEL_ALLOC(m, T, n, what) ((T *)model_alloc((m), (size_t)(n), sizeof(T), (what)))

// ---- bindings: a program with its sizes evaluated and its buffers placed
typedef struct BoundBuffer {
  uint8_t where; // BigsWhere of the buffer it is, or is a piece of
  uint8_t dtype;
  int32_t index;
  int64_t offset; // bytes: in the arena, in the kept region, of a piece within its buffer; together
  int64_t bytes;
  const void *data;
} BoundBuffer;
typedef struct BoundStep {
  int64_t tasks;
  int64_t scratch;       // bytes a thread; of a builtin: in all
  int32_t scalar;        // its first in Binding.scalar
  int32_t frame;         // its first word in Binding.frame, -1: it has none there
  int32_t clear, nclear; // buffers in Binding.clear to be zeroed before it
  void *tables;          // of a builtin; belongs to the first step of the binding that has it
  int64_t key;
} BoundStep;
// Steps that were done with these addresses, and may be done as one while none has moved.
typedef struct Recording {
  bool noted;
  int n;
  void **at;  // n of them
  void *made; // of the device; NULL: not yet
} Recording;
typedef struct Binding {
  const BigsProgram *program; // the one that these sizes choose
  int index;                  // in the module, of the first of them
  struct Binding *next;       // of the same program
  int64_t sym[MAX_SYMS];      // 1 where the program does not use it
  uint64_t used;              // handle's clock at its last use
  int64_t table_bytes;        // of the arrays below
  int64_t *size;              // of the module's polynomials, NO_SIZE: too large to count
  BoundBuffer *buffer;
  BoundStep *step;
  uint64_t *scalar;
  uint64_t *key; // of all its random sites, in the order of the steps; nkey
  int nkey;
  Region keys; // the same on a device whose kernels read them there
  // What kernels read from the device's memory, nframe words, as it was for the addresses `framed`; behind
  // it as much for what is made next.
  uint64_t *frame;
  int nframe;
  void **framed; // what `base` was then
  bool has_frames;
  Region frames;
  int32_t *clear;
  // Per buffer, for the run under way; behind them the scratch memory, and what whole.at has besides.
  void **base;
  void **arg;      // of the step under way
  void **fallback; // per input: memory filled with its default, or NULL
  int64_t fallback_bytes;
  Region
      *staged; // per input, output and buffer: its copy where the device's memory is not the host's
  PlaceItem *item; // workspace of placement
  int32_t *order;
  int64_t arena_bytes;               // as placed
  int64_t live_bytes;                // most that was live at once: the least any placement needs
  int64_t kept_bytes, scratch_bytes; // scratch: of all threads together
  Recording part[2];                 // of the prologue, of the other steps
  Recording whole;                   // of a gradient: of all, and the optimizer's steps behind them
  Region kept;
  uint64_t kept_version; // weights that `kept` was computed from; 0: none yet
} Binding;
// Those of earlier calls are kept: of entries the least recently used are dropped where they would pass m->asked.memory, of a
// gradient there are at most so many: the number of masked places is seldom the same twice.
enum { BINDINGS_OF_GRADIENT = 4, BINDINGS_MEMORY = 64 << 20 };
enum { PIECE_LEVELS = 32 }; // of sums of pieces: pieces.h
enum { OPTIM_PLACES = 9 };  // in Recording.at, of the optimizer's

// What an optimizer keeps between steps: two moments, and the average of the parameters.
enum { MOMENT_AVERAGE = 2, MOMENTS };
// Memory that is asked for: of its own, and at least so much of what all share.
typedef struct Needs {
  int64_t bytes, arena, scratch;
} Needs;
// Of a training step that a command asked for, for messages: then a processor's memory has an end, too.
typedef struct StepSize {
  int64_t rows, pieces; // of the whole step; 0: not known
  int64_t ranks;        // that share them
} StepSize;
typedef struct FarOptim FarOptim;
void optim_far_free(bigs_model *m);
typedef struct Team Team;           // team.h
typedef struct TeamPiece TeamPiece; // team.h
enum { TEAM_BESIDES = 2 };

// What a handle's tokenizer is to those who do not know it: runtime/serve.
typedef struct ModelTextOps {
  void (*close)(void *text);
  int (*share)(bigs_model *clone, void *text);
} ModelTextOps;

struct bigs_model {
  const BigsModule *module;
  const BigsDevice *device;
  void *device_state;
  bool far;    // the caller's tensors are the device's in this call
  void *queue; // the caller's, of this call, which then does not wait; NULL: the handle's own
  BigsError error;
  Pool *pool;
  int threads;
  int (*may_allocate)(void *ctx, size_t bytes);
  void *ctx;
  uint64_t seed;
  int64_t step;             // optimizer steps done: the counter of random draws
  uint64_t weights_version; // grows whenever parameters change; starts at 1
  uint64_t clock;
  int64_t allocated; // bytes of regions and tables
  Region param, grad, moment[MOMENTS], arena, scratch;
  Region piece_sum[PIECE_LEVELS]; // sums of gradients
  int64_t piece, pieces;          // of the step under way, 0 of 0: it has none
  StepSize asked_step;
  int64_t memory_limit; // that training keeps to, in all; 0: what there is
  struct Again *again;  // what is computed again in training; NULL: again_set was not called
  Needs later;          // of the call under way, after the program that runs: the optimizer's
  int64_t arena_used;   // most bytes of the arena that a binding asked for
  const BigsProgram *grad_program; // whose gradients `grad` holds, or NULL
  int moment_train;                // train block whose moments `moment` holds, or -1
  int64_t moment_steps;            // updates they have seen
  struct FarOptim *far_optim;      // of optim_far.c
  Binding **binding;               // a list for each program
  char *notes;
  char remark[256]; // what the device does otherwise than it could, and why; "": nothing
  bool fresh;       // of bigs_options
  bigs_options asked;
  char *files, *vocab; // paths of weights and vocabulary as they were given, or NULL
  void *text;          // the tokenizer, NULL: not needed yet
  const ModelTextOps *text_ops;
  int64_t texts_cut; // by the last call that took text
  uint8_t *unread;   // 1 per parameter that the weights lack and nothing has set; NULL: none
  uint8_t *extend;   // per parameter: an ExtendHow (extend.h); NULL: none is to grow
  // When set and not 0, a run ends between two steps with status 130.
  const volatile sig_atomic_t *cancel;
  int at_step;      // of the program under way
  int64_t *step_ns; // when set: time of each step of a run is added to step_ns[step]
  Team *team;       // NULL: the handle trains alone
  TeamPiece *team_piece;
  int team_pieces;
  int team_shares; // 0: nothing is cut
  bool team_told;  // the error is that of all ranks
  char *team_room; // for what they say
  // What a trainer has to say besides the loss of a step's gradient: becomes the sum over ranks.
  double besides[TEAM_BESIDES];
  int64_t team_apart; // pieces of a step between two looks at the other ranks, at least 1; 0: 1
};

// ---- sizes.c
// The dim that a caller brings and that this size is, -1: it is none alone.
int dim_of_size(const BigsModule *module, const Poly *p);
// Where the only dim of a size that is not known yet, 0, follows from how large that is, it becomes known: L of L + P, not of a
// quotient.  False: it does not.
bool dim_from_size(const BigsModule *module, const Poly *p, int64_t size, int64_t *dims);
// Puts the quotients among the sizes that callers bring.
void complete_sizes(const BigsModule *module, int64_t *sym);
// The dims as they will be bound: checks bounds.  `sym` gets MAX_SYMS values, 1 where the program
// does not use one.
int bind_dims(const BigsModule *module, const BigsProgram *p, const int64_t *dims, int64_t *sym,
              BigsError *e);
#define NO_SIZE INT64_MIN
// p's value, which may be negative, as a stride is; false when it overflows.  A size: false when it is negative, too.
bool poly_value(const Poly *p, const int64_t *sym, int64_t *out);
bool poly_size(const Poly *p, const int64_t *sym, int64_t *out);
// Elements of a tensor, -1: negative or too many.
int64_t poly_elements(const BigsTensor *t, const int64_t *sym);
double step_flops(const BigsModule *m, const BigsStep *s,
                  const int64_t *sym); // of the model; negative: they do not fit
// choose.c: nanoseconds that p takes for these sizes on one thread, as its costs say, -1 where it has no room for them; of a
// module's program and its others the one that takes least, the first where costs are equal; the same for dims as callers give them.
double program_cost(const BigsModule *m, const BigsProgram *p, const int64_t *sym);
const BigsProgram *program_at(const BigsModule *m, int program, const int64_t *sym);
const BigsProgram *program_for(const BigsModule *m, int program, const int64_t *dims);
// The binding of `program` to sizes `sym`, made or found.  NULL with the error set.
Binding *bind_program(bigs_model *m, int program, const int64_t *sym);
void binding_free(bigs_model *m, Binding *b);
void bindings_free(bigs_model *m); // of all programs
void bindings_drop(bigs_model *m, int program);
int64_t binding_bytes(const Binding *b); // that it keeps
// One that is the caller's own, and stays.
Binding *bind_new(bigs_model *m, int program, const int64_t *sym);
// Sizes and places of a program without a handle, for bigs_info.memory.
int bind_measure(const BigsModule *module, int program, const int64_t *sym, int64_t *arena_bytes,
                 int64_t *kept_bytes, BigsError *e);

// What this binding needs besides its tensors; *freed: what it gives back first.
void needs_add(const Binding *b, Needs *n, int64_t *freed);
// Of the computer, or what its control groups leave of that.
int64_t host_memory(void);
// The least number of pieces, equally many for each of s.ranks, in which a step of s.rows rows keeps to m->memory_limit, with
// `later` bytes that are asked for besides.  dims: those of the whole step.  0: in none; -1: an error is set.
int64_t exec_pieces(bigs_model *m, int program, const int64_t *dims, StepSize s, int64_t later);
// The fewest parts of the forward pass to compute again (again.h) with which a step in s.pieces pieces keeps to it, which again_set
// then has set; n >= 0: no others than these.  1, with what it takes in *takes; 0: none are enough, and *takes is the least; -1: an error is set.
int exec_parts(bigs_model *m, int program, const int64_t *dims, StepSize s, int64_t later, int n,
               int64_t *takes);
// The dim that the rows of the program's first input are; -1: there is none.
int exec_batch_dim(const BigsModule *module, const BigsProgram *p);
// Has the device room for all that a call with this binding will ask for?  Else status 1 with what it
// needs and the largest batch that fits.  *spare: bytes that are left.
int exec_room(bigs_model *m, const Binding *b, int64_t *spare);

// ---- running
typedef struct RunFlags {
  bool check; // look for values that are not finite after every step; fails with status 4, naming
              // the first step
  uint64_t seed; // of random draws
  int64_t step;
  // Of a program of first values: 1 per parameter that is to have one; what only others need is not run.  NULL: all.
  const uint8_t *wanted;
  const uint8_t *steps; // those that it comes to; set by exec_run
} RunFlags;
// The binding and all memory that exec_run will need for the same dims.
int exec_ready(bigs_model *m, int program, const int64_t *dims);
Binding *exec_bind(bigs_model *m, int program,
                   const int64_t *dims); // the same; NULL with the error set
// On a device whose memory is not the host's also that for copies of its tensors, so that it is there
// while other programs take theirs.  Elsewhere nothing is done.
int exec_reserve(bigs_model *m, int program, const int64_t *dims);
// dims per module; NULL inputs take their defaults.  Checks everything that the caller can get
// wrong.
int exec_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
             void *const *outputs, RunFlags flags);
// For a binding of the caller's own: the memory that it needs besides its tensors, and its addresses,
// both before its steps; and these, all that it has.  (exec_bind gives the memory too.)
int exec_prepare(bigs_model *m, Binding *b);
int exec_resolve(bigs_model *m, Binding *b, const void *const *inputs, void *const *outputs);
int exec_frames(bigs_model *m, Binding *b);               // after the addresses
int exec_keys(bigs_model *m, Binding *b, RunFlags flags); // of what it draws
int exec_steps(bigs_model *m, Binding *b);
// Gradient memory, cleared when it held another program's.
int exec_ready_gradients(bigs_model *m, const BigsProgram *program);
// First values of the parameters from m->seed; zeros without a BIGS_INIT program.  wanted: 1 per parameter that needs one; the
// others' are not defined.  NULL: all do.
int exec_init(bigs_model *m, const uint8_t *wanted);
// 1 per step of a bound program of first values that these parameters need, malloc'd; NULL with the error set.
uint8_t *exec_steps_for(bigs_model *m, const Binding *b, const uint8_t *wanted);
// Number of the first program of that kind and name (name NULL: any), or -1.
int module_program(const BigsModule *module, int kind, const char *name);
// Begins a call of the caller's: is there a handle?  One that failed to open is NULL.  The error of the last call is gone.
bool model_begin(bigs_model *m);
int64_t model_peak_bytes(const bigs_model *m); // what the handle has allocated

int exec_interrupted(bigs_model *m);
// After an error, which it returns: nothing is left that would still read or write the caller's memory.
int exec_settle(bigs_model *m);

// ---- steps as one: record.c.  Does the steps, which use memory at r->n addresses: one by one the first
// time, which makes all that they need; from then on as one, if the device can, as long as nothing
// moves.  Nothing is allocated in them, nor read by the host.
typedef int StepsFn(bigs_model *m, void *ctx);
int exec_as_one(bigs_model *m, Recording *r, void *const *at, StepsFn *steps, void *ctx);
void recording_forget(bigs_model *m, Recording *r);
void recording_free(bigs_model *m, Recording *r);

int exec_clear(bigs_model *m, Binding *b, int buffer); // zeroes it
// With RunFlags.check, in finite.c: before a step, before the first, after a step.
int check_clear(bigs_model *m, Binding *b, int step);
int check_before(bigs_model *m, Binding *b);
int check_after(bigs_model *m, Binding *b, int step);

// First value of `n` elements of dtype that is NaN or infinite, or -1.
int64_t first_not_finite(const void *data, int dtype, int64_t n);
// Status 4 names the first parameter with such a value in the region, of weights, gradients or a
// moment; an empty one is in order.
int exec_check_finite(bigs_model *m, Region *r);
int exec_check_state(bigs_model *m); // the weights and the moments

// ---- parameters: params.c
int64_t param_count(const BigsParam *p); // elements; a complex one counts twice
int param_elem(const BigsParam *p);      // bytes of one
// arena: that of weights, gradients or moments.  dense: row-major in declared order.
void param_get(const BigsParam *p, const char *arena, void *dense);
void param_set(const BigsParam *p, char *arena, const void *dense);
// Element (i0, i1, ...) of the dense side at sum i_a * stride[a] instead.
void param_get_strided(const BigsParam *p, const char *arena, void *out, const int64_t *stride);
void param_set_strided(const BigsParam *p, char *arena, const void *in, const int64_t *stride);
// What a module's tables promise about its parameters, for modules made by hand and as a check of
// the planner: every element of every parameter lies within its storage.  NULL, or the name of one
// that does not.
const char *params_verify(const BigsModule *module);
#endif

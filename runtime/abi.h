// The tables of a compiled module, as the JIT holds them in memory and as a model.so carries them
// in its constants; and the frame that kernels are called with.  Plain data; the same on both sides.
#ifndef BIGSC_ABI_H
#define BIGSC_ABI_H
#include "base/poly.h"

enum { BIGS_ABI_VERSION = 4, BIGS_MAX_RANK = 8, BIGS_MAX_GRID = 4 };

typedef struct BigsFrame {
  void *const *arg;   // base pointers of the step's arguments, offsets applied
  const int64_t *sym; // run-time dims of the module, in its order
  // the step's scalars; floats by their bits in the low half (f32) or all of it (f64)
  const uint64_t *scalar;
} BigsFrame;
// One task of a kernel.  `scratch` is this thread's, 64-byte aligned, of the size the kernel asks.
typedef void BigsKernel(const BigsFrame *f, int64_t task, void *scratch);

// A size of a buffer or a step, by its number in the module's table of distinct polynomials: there
// are many thousands of sizes in a large model, and a few hundred different ones.  0 is zero.
typedef int32_t BigsSize;

typedef struct BigsDim { // a run-time dim: symbol i of the module
  const char *name;
  int64_t bound; // 0: none
} BigsDim;

// Logical tensor at the boundary: row-major in the order of `extent`.
typedef struct BigsTensor {
  const char *name;
  uint8_t dtype, rank, optional; // DType; optional: `fallback` fills it
  double fallback;
  Poly extent[BIGS_MAX_RANK];
  const char *axis[BIGS_MAX_RANK];
  Poly limit; // i32 inputs that index rows: values must be >= 0 and below it; no terms: not checked
} BigsTensor;

// Where a parameter's elements lie in the parameter arena (and its gradient in the gradient arena,
// first and second moments in theirs): element (i0, i1, ...) is at
//   offset + k*kstride + (n / width)*panel + n % width   (width > 0)
//     with k = sum i_a * kstep[a] and n = nlo + sum i_a * nstep[a]
//   offset + sum i_a * kstep[a]                          (width = 0)
// in elements of 4 bytes (f64 parameters: of 8).  Parameters stacked into one storage object share
// offset and panel, and differ in nlo.
typedef struct BigsParam {
  const char *name; // native path
  uint8_t dtype;    // DT_F32, DT_F64 (DT_C64: as f32 with a last axis of 2)
  uint8_t rank;
  uint8_t is_complex;
  uint8_t pad;
  uint32_t tags; // bit i: module->tag[i]
  int64_t extent[BIGS_MAX_RANK];
  const char *axis[BIGS_MAX_RANK];
  int64_t offset, kstride, panel, width, nlo;
  int64_t kstep[BIGS_MAX_RANK], nstep[BIGS_MAX_RANK];
  int32_t storage; // index of the storage object
  int32_t pad2;
} BigsParam;
// A storage object: a contiguous, 64-byte aligned piece of the parameter arena, in bytes.
// Padding is zero and stays zero.
typedef struct BigsStorage {
  int64_t offset, bytes;
  uint8_t dtype, pad[7];
} BigsStorage;

typedef enum BigsWhere {
  BIGS_ARENA,    // temporary: placed by liveness in the one arena of a binding
  BIGS_KEPT,     // computed by prologue steps, lives as long as the binding and the weights
  BIGS_INPUT,    // index into the program's inputs: the caller's tensor (dense row-major)
  BIGS_OUTPUT,   // index into the program's outputs: the caller's tensor (dense row-major)
  BIGS_PARAM,    // byte offset in the parameter arena
  BIGS_GRAD,     // byte offset in the gradient arena
  BIGS_CONSTANT, // `data`
  BIGS_PIECE,    // part of buffer `index`, from element `offset` (a view; of a concatenation, say)
} BigsWhere;
typedef struct BigsBuffer {
  uint8_t where, dtype, zeroed, pad; // zeroed: to be cleared before its first step
  int32_t index;
  // steps between which it lives (ARENA): for printing; the runtime finds them from the steps
  int32_t first, last;
  // elements (with row padding); block > 0: for each of ceil(rows / block) blocks of rows
  BigsSize size, rows;
  BigsSize offset; // PIECE: elements; PARAM, GRAD: bytes (constant)
  int32_t pad2;
  int64_t block;
  const void *data;
} BigsBuffer;

typedef enum BigsStepKind {
  BIGS_KERNEL,  // kernel[index]
  BIGS_BUILTIN, // module->builtin[index]: see runtime/builtin.h
} BigsStepKind;
typedef struct BigsGrid {
  BigsSize extent;
  int32_t block;
} BigsGrid;
typedef struct BigsScalar {
  uint8_t kind, pad[3]; // 0: value; 1: keys of random site `value` (k0 | k1 << 32); 2: size
  BigsSize size;        // kind 2
  uint64_t value;
} BigsScalar;
typedef struct BigsStep {
  uint8_t kind, ngrid, pad[2];
  int32_t index;
  int32_t narg, nscalar;
  BigsSize scratch; // bytes per thread
  BigsSize flops;   // model FLOPs of the step (2mnk a contraction, attention in full; pointwise 0)
  const int32_t *arg; // buffers
  const BigsScalar *scalar;
  // last fastest; tasks = product of ceil(extent / block).  Builtins divide work themselves
  BigsGrid grid[BIGS_MAX_GRID];
  const char *label;  // "layer.3.attention matmul+bias", for profiles
  const char *source; // "bert.mdl:28", or NULL
} BigsStep;

// What the sizes of a call must leave: an index or a slice that a short axis would not have.
typedef struct BigsRoom {
  Poly room;          // must not be negative
  const char *text;   // "`L` must be at least 4 for an element that is taken of it"
  const char *source; // "m.mdl:12", or NULL
} BigsRoom;
typedef enum BigsProgramKind {
  BIGS_ENTRY,
  BIGS_GRADIENT, // of a train block: output 0 the loss; gradients go to BIGS_GRAD buffers
  // optimizer over a flat axis (its own run-time dim): inputs p, g, m, v [E] and scalars;
  // outputs p, m, v in place
  BIGS_UPDATE,
  BIGS_NORM, // input g [E], output f64: sum of squares
  BIGS_INIT, // first values of all parameters, written to BIGS_PARAM buffers
} BigsProgramKind;
typedef struct BigsProgram {
  const char *name;     // entry, or train block
  uint8_t kind, pad[7]; // BigsProgramKind
  uint32_t syms;        // bit i: run-time dim i is an argument
  int32_t ninput, noutput, nbuffer, nprologue, nstep;
  const int32_t *input; // indices into module->input
  const BigsTensor *output;
  const BigsBuffer *buffer;
  // the first `nprologue` depend on parameters and sizes only: run once per binding and weights
  const BigsStep *step;
  int32_t nroom, pad2;
  const BigsRoom *room;
  const uint8_t *param_used; // per module parameter: 1 when reached
} BigsProgram;

typedef struct BigsPiece { // of a rate schedule
  const char *kind;        // "warmup", "constant", "linear", "cosine"
  double length;           // steps, or below 1 a share of the run; 0: what is left
  double to;               // end factor (warmup: always 1)
} BigsPiece;
typedef struct BigsGroup {
  uint32_t tags; // bits of module->tag; parameters with any of them
  uint8_t has_rate, has_decay, has_frozen, rate_is_factor, frozen, pad[3];
  double rate, decay;
} BigsGroup;
typedef struct BigsTrain {
  const char *name;
  int32_t program; // gradient program: outputs[0] is the loss, gradients go to the gradient arena
  // programs over a flat axis; update's inputs are named p, g, m, v (those the optimizer has), and
  // the scalars rate, decay, scale (of the gradient), correct1, correct2 (1 / (1 - beta^t))
  int32_t update, norm;
  // bit i: module->input[i] is not in the data line: no argument of the C function, it takes its
  // default
  uint32_t unpicked;
  const char *source;    // "mlm_text", "lm_text", "tsv"
  const char *path;      // its first argument
  double mask_rate;      // mlm_text rate
  const char *optimizer; // "adamw", "adam", "sgd"
  double beta1, beta2, eps, momentum;
  double rate, decay, clip; // clip 0: none
  int64_t batch, steps;     // steps 0: epochs
  double epochs;
  int32_t npiece, ngroup;
  const BigsPiece *piece;
  const BigsGroup *group;
  const char *from; // checkpoint folder to start from, or NULL
} BigsTrain;

// Foreign names: one per checkpoint block.
typedef struct BigsName {
  const char *stored;             // main name in a file
  uint8_t may_init, rank, pad[6]; // group of `or init`: see init_group
  int32_t init_group; // parameters of one `or init` rule share a number > 0; 0: must be there
  int32_t pad2;
  int64_t shape[BIGS_MAX_RANK]; // as stored
  // logical element (i0, i1, ...) is stored at flat position sum i_b * stride[b]
  int64_t stride[BIGS_MAX_RANK];
} BigsName;
typedef struct BigsAlias {
  const char *old, *now;
} BigsAlias;
typedef struct BigsConfig { // key of config.json -> dim or let, or a value that must hold
  const char *key, *name;   // name NULL: a check
  double number;            // of dim, let or check
  const char *text;         // check against a string, or NULL
  uint8_t is_bool, pad[7];
} BigsConfig;
typedef struct BigsCheckpoint {
  const char *name;
  const BigsName *entry; // one per module parameter
  int32_t nalias, nignore, nconfig, pad;
  const BigsAlias *alias;
  const char *const *ignore;
  const BigsConfig *config;
} BigsCheckpoint;

typedef struct BigsNamedValue {
  const char *name;
  double value;
} BigsNamedValue;
typedef struct BigsModule {
  uint32_t abi, pad;
  const char *model;   // "Bert"
  const char *version; // of bigsc
  // cpu name, and the features that its code needs, comma separated: "+avx2,+fma"
  const char *target;
  const char *features;
  int32_t ndim, ninput, nparam, nstorage, ntag, nprogram, ntrain, ncheckpoint, nkernel, nconst;
  int32_t npoly, pad2;
  const Poly *poly; // what a BigsSize numbers; the first is zero
  const BigsDim *dim;
  const BigsTensor *input;
  const BigsParam *param;
  const BigsStorage *storage;
  int64_t param_bytes;
  const char *const *tag;
  const BigsProgram *program;
  const BigsTrain *train;
  const BigsCheckpoint *checkpoint;
  BigsKernel *const *kernel;
  // BIGS_BUILTIN_COUNT of them; only those used are set.  NULL: none is used
  const struct BigsBuiltinOps *const *builtin;
  const BigsNamedValue *constant; // compile-time dims and lets, for bigs_info and config.json
  const char *tokenizer;          // "wordpiece", or NULL
  const char *vocab;
  uint8_t lower, pad3[7];
  int64_t pad_to;  // tokenizer pad_to, 0: none
  const char *mdl; // the model's own source text, written into training folders
} BigsModule;

// The polynomial of a size.
static inline const Poly *module_poly(const BigsModule *m, BigsSize size) {
  static const Poly zero;
  return size ? &m->poly[size] : &zero;
}
#endif

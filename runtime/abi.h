// The tables of a compiled module, as the JIT holds them in memory and as a model.so carries them
// in its constants; and the frame that kernels are called with.  Plain data; the same on both sides.
#ifndef BIGSC_ABI_H
#define BIGSC_ABI_H
#include "base/poly.h"

enum { BIGS_ABI_VERSION = 22, BIGS_MAX_RANK = 8, BIGS_MAX_GRID = 4 };

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

typedef enum BigsWork {
#define WORK(id, name) BIGS_WORK_##id,
#include "runtime/work.def"
#undef WORK
  BIGS_WORKS
} BigsWork;

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

typedef enum BigsStepKind {
  BIGS_KERNEL,  // kernel[index]
  BIGS_BUILTIN, // module->builtin[index]: see runtime/builtin.h
} BigsStepKind;

typedef enum BigsGemmMatrix {
  BIGS_GEMM_A,
  BIGS_GEMM_B,
  BIGS_GEMM_C,
  BIGS_GEMM_BIAS,
  BIGS_GEMM_REST,
  BIGS_GEMM_MATRICES
} BigsGemmMatrix;

typedef struct BigsGrid {
  BigsSize extent;
  int32_t block;
} BigsGrid;

typedef enum BigsProgramKind {
  BIGS_ENTRY,
  BIGS_GRADIENT, // of a train block: output 0 the loss; gradients go to BIGS_GRAD buffers
  // optimizer over a flat axis (its own run-time dim): inputs p, g, m, v [E] and scalars;
  // outputs p, m, v in place
  BIGS_UPDATE,
  BIGS_NORM, // input g [E], output f64: sum of squares
  BIGS_INIT, // first values of all parameters, written to BIGS_PARAM buffers
} BigsProgramKind;

// ---- the structs of abi.def
typedef struct BigsProgram BigsProgram; // it has others of its kind
// clang-format off
#define STRUCT(T) typedef struct T {
#define VALUE(type, field) type field;
#define VALUES(type, field, n) type field[n];
#define TEXT(field) const char *field;
#define TEXT_EACH(field, n) const char *field[n];
#define TEXTS(field, count) const char *const *field;
#define ARRAY(type, field, count) const type *field;
#define PER_PARAM(type, field) const type *field;
#define DATA(field) const void *field;
#define KERNELS(field) BigsKernel *const *field;
#define WEIGHTS(field) const void *field;
// BIGS_BUILTIN_COUNT of them; only those used are set.  NULL: none is used
#define BUILTINS(field) const struct BigsBuiltinOps *const *field;
#define END(T) } T;
#include "runtime/abi.def"
// clang-format on

// Frames on a GPU: `plain` words, which all have, then, where there are maps, a word that is 0 when they could not be made, and
// from the next multiple of 128 bytes on (word bigs_map_word of the frame) the maps.
enum { BIGS_MAP_WORDS = 16 };
static inline int bigs_map_word(int plain) {
  return (plain + BIGS_MAP_WORDS) / BIGS_MAP_WORDS * BIGS_MAP_WORDS;
}
static inline int bigs_frame_words(int plain, int maps) {
  return maps ? bigs_map_word(plain) + maps * BIGS_MAP_WORDS : plain;
}

// Do calls say how large it is?  Quotients follow from others, and names of the optimizer's own start with #.
static inline bool dim_is_brought(const BigsDim *d) {
  return !d->by && d->name[0] != '#';
}

// The polynomial of a size.
static inline const Poly *module_poly(const BigsModule *m, BigsSize size) {
  static const Poly zero = {0};
  return size ? &m->poly[size] : &zero;
}
#endif

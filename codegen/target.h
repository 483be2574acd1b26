// What code is generated for: the ISA, its vectors, and the shape of its register tiles.
//
// The code of a CPU uses exactly the features of its level and is scheduled for the CPU itself, so that one short list of
// features says where a compiled model runs.  Levels are those of x86-64 (v2: SSE4.2, v3: AVX2 and FMA, v4: AVX-512), and
// on aarch64 NEON, which all have, and SVE of 256 bits.
#ifndef BIGSC_TARGET_H
#define BIGSC_TARGET_H
#include "base/arena.h"

// How products of pairs of bf16 are taken.
typedef enum PairUnit {
  PAIRS_WIDENED, // as f32
  PAIRS_DOT,     // by dot products: avx512bf16
  PAIRS_TILES,   // by AMX
} PairUnit;

// How products of quads of int8 are taken.
typedef enum QuadUnit {
  QUADS_WIDENED, // as 16 bits, or 32
  QUADS_DOT,     // by dot products of unsigned and signed bytes: avx512vnni, avxvnni
  QUADS_TILES,   // by AMX
} QuadUnit;

typedef struct Target {
  const char *triple;
  const char *arch; // of the triple: "x86_64", "aarch64"
  bool cross;       // another than this machine's: the code runs elsewhere
  const char *cpu;  // whose instructions are used: "x86-64-v3"
  const char *tune; // whose latencies: "znver3"
  // what `cpu` needs, as the module's table says it: "+avx2,+fma"; "" for the baseline
  const char *features;
  int opt;                  // 0 .. 3
  int vector_floats;        // f32 lanes of a native vector: 16, 8, 4
  int registers;            // native vector registers
  bool has_fma, has_scalef; // fused multiply-add; p * 2^n
  int vscale; // of SVE: the vectors are at least so many times 128 bits wide; 0: another set
  // register tile: rows (broadcast side) x columns (vector side); bwidth of panels is nr
  int mr, nr;
  PairUnit pairs;
  QuadUnit quads;
  int pair_rows;     // mr of products of pairs, and of quads
  const char *extra; // of features, what `cpu` lacks; NULL: nothing
} Target;

// march: "native", a level ("x86-64-v3", "armv8-a"), or a CPU that LLVM knows ("znver4", "neoverse-n1"), of this machine's
// architecture or another; NULL is "native". On failure NULL, and *error says why (in the arena).  use: code has what the CPU has for
// products of these, too: features, pairs and quads tell.
enum { TARGET_BF16 = 1, TARGET_INT8 = 2 };
Target *target_new(Arena *a, const char *march, int opt, unsigned use, const char **error);
// NULL; or why there is no code for processors here, a sentence, and target_new gives none: a build --without-llvm.
const char *target_missing(void);
// Once in a process, before anything else: failed is called with LLVM's reason where it would end the process, no_memory where it
// gets none; neither returns.
void target_start(void (*failed)(const char *reason), void (*no_memory)(void));
// The ISA that code with these features needs, as -march names it: "x86-64-v3", the least level that
// has them all; on other architectures their name.  The features themselves when no level has them.
const char *target_isa(Arena *a, const char *features);
#endif

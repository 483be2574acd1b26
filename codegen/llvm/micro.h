// The loops over k of a register tile, as internal functions that the kernels of a unit share: two
// products of the same shape and strides call one function.
#ifndef BIGSC_MICRO_H
#define BIGSC_MICRO_H
#include "codegen/llvm/llvm_internal.h"

#define MICRO_RUNTIME INT64_MIN // a stride or a count that is an argument

enum { MICRO_UNROLL = 4 }; // values of k a turn of the loop takes

// C[r][:] (+)= sum over k < K of A[r*am + k*ak] * B[k*bk + :], r < rows, nv vectors wide; C is
// dense.
struct MicroKey {
  int64_t am, ak, bk, K;
  int rows, nv;
  bool first;  // C starts at zero, else it is added to
  bool cut;    // k in runs of `run`, each summed from zero and then added to C
  bool masked; // only `cols` columns of B may be read; the others are zero
  // there are `last + 1` <= rows rows of A; those past the last repeat it (am at run time)
  bool clamped;
  bool copy_b;   // B's rows are also written to `pack`, contiguous
  bool prefetch; // B comes from memory once: ask for it 8 KB ahead
  bool ahead;    // ask for what comes next from `ahead` on, `step` floats a value of k
  bool pairs;    // a k is two values of bf16, 32 bits; am and ak count values
  bool quads;    // a k is four of int8, 32 bits, as are sums
};

typedef struct MicroArgs {
  Val a, b, c;       // pointers to floats
  Val K, am, ak, bk; // i64
  Val cols, last;    // i64; NULL unless masked, clamped
  Val run;           // i64, a multiple of MICRO_UNROLL; NULL unless cut
  Val pack;          // pointer; NULL unless copy_b
  Val ahead, step;   // pointer, i64; NULL unless ahead
} MicroArgs;
// sum + x[0] y[0] + x[1] y[1] in each lane, of pairs of bf16.
Val pair_add(LlvmUnit *u, Val x, Val y, Val sum);
// The same of quads: all are words in lanes of floats.
Val quad_add(LlvmUnit *u, Val x, Val y, Val sum);
// Asks for the line of memory at p: into the nearest cache (3), or the one behind it (2).
void micro_ask(LlvmUnit *u, Val p, int locality);
// Calls the function of that key at the builder's position, emitting it first if the unit has none.
void micro_call(LlvmUnit *u, const MicroKey *key, const MicroArgs *args);
#endif

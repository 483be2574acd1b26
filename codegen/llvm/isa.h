// The instruction sets that code is made for, a level each: what its code needs, and how its tiles look.
#ifndef BIGSC_ISA_H
#define BIGSC_ISA_H
#include <stdbool.h>

typedef enum LevelId {
  LEVEL_V1,
  LEVEL_V2,
  LEVEL_V3,
  LEVEL_V4,
  LEVEL_ARMV8,
  LEVEL_SVE256,
  LEVEL_COUNT
} LevelId;

typedef struct Level {
  const char *arch, *name; // as a triple begins; as -march names it
  const char *cpu;         // whose instructions LLVM may use; "": the host's
  const char *features;    // what `open` looks for
  const char *extra;       // what LLVM is told that `cpu` lacks; NULL: nothing
  int vector_floats, registers;
  bool has_fma, has_scalef;
  int mr, nr;
  int vscale; // of SVE: vectors are at least so many times 128 bits wide; 0: another set
} Level;

extern const Level isa_levels[LEVEL_COUNT]; // of each architecture the least first
// Does the comma-separated list `have` hold every word of `need`?
bool isa_has_all(const char *have, const char *need);
#endif

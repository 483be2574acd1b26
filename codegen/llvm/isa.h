// The micro-architecture levels of x86-64: what their code needs, and how its tiles look.
#ifndef BIGSC_ISA_H
#define BIGSC_ISA_H
#include <stdbool.h>

typedef struct Level {
  const char *cpu, *features;
  int vector_floats, registers;
  bool has_fma, has_masks;
  int mr, nr;
} Level;

enum { X86_LEVELS = 4 };
extern const Level x86_levels[X86_LEVELS]; // level 1 first
// Does the comma-separated list `have` hold every word of `need`?
bool isa_has_all(const char *have, const char *need);
#endif

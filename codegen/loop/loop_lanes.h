// Which values differ between the lanes of a vector loop (or of a TILE's columns).
#ifndef BIGSC_LOOP_LANES_H
#define BIGSC_LOOP_LANES_H
#include "codegen/loop/loop.h"
#include "base/map.h"

typedef struct Lanes {
  int var;  // the lane variable; -1 outside of vector loops
  bool acc; // L_ACC varies
  int nregs;
  bool *reg; // nregs: registers that hold a value per lane
  Map *seen; // answers so far
} Lanes;

// Of a vector FOR's or an epilogue's body.  Requires: bodies of vector loops hold no other vector
// loop.
Lanes lanes_of(Arena *a, const LKernel *k, int var, const LBody *body);
bool lanes_vary(const Lanes *l, const LExpr *e);
#endif

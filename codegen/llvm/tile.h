// The emission of one TILE: shared by llvm_tile.c and llvm_block.c.
#ifndef BIGSC_TILE_H
#define BIGSC_TILE_H
#include "codegen/llvm/micro.h"

typedef struct TileCx {
  Emit *e;
  const LTile *t;
  int mr, nr, nv; // tile, in rows, columns, vectors
  Val M, N;
  int64_t Mc, Nc;    // when known, else -1
  bool panels, rows; // are there products of either kind of B?
  bool shift;        // ragged columns by a moved tile
  Val tile;          // where the current tile's sums are: mr x nr floats
  Val n, ns;         // first column of the panel, and of the moved tile
  Val m, ms;         // the same for rows
  LaneCx lane;
} TileCx;

typedef void TileFn(TileCx *c);

// Loops: `f` is called in their bodies, with n, ns (and m, ms) set.
void tile_panels(TileCx *c, TileFn *f);
void tile_rows(TileCx *c, TileFn *f);
// Pointers to A's first row of the tile at k = 0, and to B's first column.
Val tile_a(TileCx *c, const LProduct *p);
Val tile_b(TileCx *c, const LProduct *p);
void tile_epilogue(TileCx *c);
int64_t known_or(Val v, int64_t otherwise);
// All of a TILE whose k is cut into blocks: loop_tile_workspace says which.
void tile_blocked(TileCx *c);
#endif

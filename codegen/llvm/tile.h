// The emission of one TILE: shared by llvm_tile.c and llvm_block.c.
#ifndef BIGSC_TILE_H
#define BIGSC_TILE_H
#include "codegen/llvm/micro.h"

// Sums over k are cut unless K is known to be no larger than TILE_UNCUT_K: into runs of LOOP_K_BLOCK
// up to TILE_LONG_K, of TILE_LONG_RUN above.  After TILE_LONG_K values of k they go into totals in
// float64: rounding errors grow with the runs, not with K, and where there are few runs longer ones
// save time.  All is the same for all rows of a product, whatever inner loop computes them.
enum { TILE_UNCUT_K = 1024, TILE_LONG_K = 8 * LOOP_K_BLOCK, TILE_LONG_RUN = 128 };
// Columns, at most, of a product whose lanes may be its rows.
enum { TILE_FEW_COLUMNS = 8 };

typedef struct TileCx {
  Emit *e;
  const LTile *t;
  int mr, nr, nv; // tile, in rows, columns, vectors
  int vector;     // floats of a native vector
  Val M, N;
  int64_t Mc, Nc;    // when known, else -1
  bool panels, rows; // are there products of either kind of B?
  bool shift;        // ragged columns by a moved tile
  bool amx;          // products of pairs, or of quads, by AMX
  Val tile;          // where the current tile's sums are: mr x nr floats
  Val n, ns;         // first column of the panel, and of the moved tile
  Val m, ms;         // the same for rows
  Val take;          // rows of the current row tile: mr, or short_rows
  int short_rows;    // 0: all row tiles have mr rows
  bool is_short;     // code for row tiles of short_rows is being emitted
  LaneCx lane;
} TileCx;

typedef void TileFn(TileCx *c);

// Loops: `f` is called in their bodies, with n, ns (and m, ms) set.
void tile_panels(TileCx *c, TileFn *f);
void tile_rows(TileCx *c, TileFn *f);
Val tile_count(Emit *e, Val x, int n); // ceil(x / n)
// Pointers to A's first row of the tile at k = 0, and to B's first column.
Val tile_a(TileCx *c, const LProduct *p);
Val tile_b(TileCx *c, const LProduct *p);
void tile_epilogue(TileCx *c);
// One product's sums: `first` sets them, else they are added; `few`: there are fewer rows than the tile has.
void tile_multiply(TileCx *c, const LProduct *p, const MicroArgs *a, bool first, bool few);
// The same by AMX, between the two that set its tiles for the statement and give them back.
void amx_multiply(TileCx *c, const MicroArgs *a, bool first, bool few);
void amx_begin(TileCx *c);
void amx_end(TileCx *c);
// All of a product of pairs, or of quads.
void tile_pairs(TileCx *c, const LProduct *p, bool first, bool few);
void tile_quads(TileCx *c, const LProduct *p, bool first, bool few);
// A row's sums of quads, which are words, as floats.
Val tile_scaled(TileCx *c, const LProduct *p, Val row, Val sums);
// Totals in float64 of n sums, a multiple of width: cleared; sums added; put where the sums are.
void tile_clear_total(Emit *e, Val total, Val n, int width);
void tile_add_total(Emit *e, Val total, Val sums, Val n, int width);
void tile_take_total(Emit *e, Val total, Val sums, Val n, int width);
int64_t known_or(Val v, int64_t otherwise);
// The length of a run, of K values of k in all.
Val tile_run(Emit *e, Val K);
// All of a TILE of few columns: may its number, known at run time, be so small?  Is it?
bool turned_fits(const TileCx *c);
Val turned_wanted(TileCx *c);
void tile_turned(const TileCx *c);
// All of a TILE whose k is cut into blocks: loop_tile_workspace says which.
void tile_blocked(TileCx *c);
#endif

// Loop IR: what a kernel does, once per task of a grid, in terms every target can print.
//
// A kernel reads and writes memories (arguments and per-thread scratch) by explicit integer index
// expressions, in elements. Loops are sequential or vector; a vector loop runs its body for several
// values of its variable at once (lanes), with masked tails; values that depend on its variable are
// then vectors.  Contractions are TILE statements with an epilogue. Kernels are hashed by structure
// (loop_hash) and compiled once; what differs between equal layers sits in the frame.
#ifndef BIGSC_LOOP_H
#define BIGSC_LOOP_H
#include "base/arena.h"
#include "base/dtype.h"
#include "base/poly.h"
#include "base/vec.h"
#include <stdio.h>

typedef enum LOp {
#define LOOP_OP(id, name, arity) L_##id,
#include "codegen/loop/loop_ops.def"
#undef LOOP_OP
// the ops of base/scalar.def; operands in a, b, c
#define SCALAR(id, name, arity, domain, flags, cost) L_##id,
#include "base/scalar.def"
#undef SCALAR
  L_OP_COUNT
} LOp;

typedef struct LExpr {
  LOp op;
  DType dtype; // of data; integers have DT_I64
  struct LExpr *a, *b, *c;
  int64_t inum;
  double num;
  Poly poly;
} LExpr;

// clang-format off
typedef enum LStmtKind {
  LS_FOR, LS_REG, LS_SET, LS_REDUCE, LS_STORE, LS_COLSUM, LS_TILE, LS_TRANSPOSE, LS_PAIRS, LS_QUADS, LS_ATTENTION
} LStmtKind;
// clang-format on
typedef enum LReduce { LR_SUM, LR_MAX, LR_MIN } LReduce;
typedef struct LStmt LStmt;
typedef VEC(LStmt *) LBody;

// C[m][n] = sum over products, then k ascending, of A[m,k] * B[k,n], in f32 with FMA, one owner per
// element, k in order; a long k in runs, whose sums are added up in order, at last in float64.  The
// epilogue runs for every (m, n) with L_ACC the sum.
typedef struct LProduct {
  int amem, bmem;         // f32 or bf16 each
  LExpr *abase, *am, *ak; // A[m,k] at abase + m*am + k*ak
  // B[k,n] at bbase + k*bk + n*bn when bwidth is 0 (bn NULL: 1), else in panels (padded columns may
  // be read), at
  //   bbase + (n / bwidth)*bpanel + k*bk + n % bwidth
  LExpr *bbase, *bk, *bn;
  int64_t bwidth;
  LExpr *bpanel;
  LExpr *K;
  // Of bf16, each k beside the next: B in panels that PAIRS made, from bbase on, and A in rows of step 1 (ak, bk say nothing).  On
  // CPUs, which multiply bf16 in no other form.
  bool pairs;
  // Of int8, alone in its TILE, in words of four k: A in rows and B in panels that QUADS made, am and bpanel apart, from abase and bbase
  // on.  K counts words; ak, bk say nothing.  L_ACC is the exact sum as f32, times the row's scale, times the column's.
  bool quads;
  // What takes the place of an element as it is loaded, of L_ACC, that element: f32, then rounded to its memory's dtype.
  // NULL: the element does.  Not on CPUs.
  LExpr *afirst, *bfirst;
} LProduct;
typedef struct LTile {
  int mvar, nvar; // row and column, 0 <= m < M, 0 <= n < N; nvar is a vector variable in `body`
  LExpr *M, *N;
  LProduct prod[3];
  int nprod;
  LBody body; // epilogue
} LTile;

// Attention of one head, a block of rows or of keys a task, all of a side's matrices f32 or bf16, sums f32.  With
//   x = score where seen, else -1e9;  p = softmax of x over the keys;  P(y) = y / (1 - rate) where kept, else 0
// the parts are, for rows (KEYS: keys) [first, first + LOOP_ATTENTION_BLOCK) as far as there are any,
//   OUT:  out = P(p) v;  lse = log sum exp x
//   ROWS: delta = sum dout out;  dq = ds k           ds = p (P(dout v') - delta) scale where seen, else 0
//   KEYS: dk = ds' q;  dv = P(p)' dout
// (Dao et al. 2022.)  Where a row has no key that is seen, lse is that of -1e9 everywhere.
typedef enum LPart { LA_OUT, LA_ROWS, LA_KEYS } LPart;
typedef enum LAttentionMatrix {
#define MATRIX(id, name, side, columns, out, rows, keys) LM_##id,
#include "codegen/loop/loop_attention.def"
#undef MATRIX
  LM_COUNT
} LAttentionMatrix;
typedef struct LMatrix { // element (i, j) at base + i*row + j
  int mem;               // -1: absent
  LExpr *base, *row;
} LMatrix;
enum { LOOP_ATTENTION_BLOCK = 64 };
typedef struct LAttention {
  LPart part;
  LExpr *first, *rows, *keys;
  int64_t d, dv; // columns of q and k; of v
  double scale, rate;
  LMatrix m[LM_COUNT];
  // For (row, key) the statement's body declares registers at its top: score (f32), which it makes of L_ACC, the sum of
  // q k; seen and kept (bool; -1: always).  It stores nothing; `key` is a vector variable in it.
  int row, key, score, seen, kept;
  // near: keys before row - behind and beyond row + ahead are not seen, so that code may leave out blocks of them.  A row that
  // sees nothing averages all keys even then.
  bool near;
  int64_t behind, ahead;
} LAttention;
struct LStmt {
  LStmtKind kind;
  // FOR: for var in [lo, hi): body.  vec > 0: lanes; `vec` is how many native vectors to take at
  // once (1 .. 4).  apart: lanes of an enclosing vector loop may end it at different places (not on CPUs)
  int var, vec;
  bool apart;
  LExpr *lo, *hi;
  LBody body; // FOR, ATTENTION
  // REG: declares register `reg` of `dtype` with first value `value`; SET assigns it; REDUCE: reg =
  // reg op value. A REDUCE inside a vector loop of a register declared outside it keeps lane
  // partials and combines them, in a fixed order, when that loop ends.
  int reg;
  DType dtype;
  LReduce reduce;
  // STORE: mem[index] = value (add: += value).  COLSUM: mem[index] += value (add is set) where mem
  // is not loaded in the kernel and index is no data; in a tile it depends on no row, or (diagonal) on
  // row - column alone.  Values may be added up elsewhere first, in a fixed order.
  int mem;
  bool add, diagonal;
  LExpr *index, *value;
  LTile *tile;
  LAttention *attention; // alone in its kernel
  // TRANSPOSE: for r < rows, c < cols: dst[dbase + (r / dwidth)*dpanel + c*dcol + r % dwidth] =
  // src[sbase + r*srow + c]; rows up to the next multiple of dwidth are filled with zeros.  f32,
  // src perhaps bf16.
  // PAIRS: with k = c, each beside the next, dst[dbase + (r / dwidth)*dpanel + (c / 2)*2*dwidth + (r % dwidth)*2 + c % 2] =
  // src[sbase + r*srow + c*scol], where srow or scol is 1; of bf16, src perhaps f32.  Zeros follow up to multiples of
  // LOOP_PAIR_K and LOOP_PAIR_ROWS; dwidth is a multiple of LOOP_PAIR_ROWS, or 1: rows of k, of which as many are written.
  // QUADS: the same elements as int8 with a scale a row (base/int8.h), four of k = c in a word of dst, an i32.  dwidth 1, scol 1: row r
  // from dbase + r*dpanel on, the scale as f32 and a word for whoever multiplies, at LOOP_QUAD_HEAD the words.  Else srow is 1 and a panel of dwidth rows from
  // dbase + r/dwidth*dpanel on: their scales, dwidth words for whoever multiplies, then for each four of k a word of each.  Zeros
  // follow up to multiples of LOOP_QUAD_K and dwidth.  What lies there but for the scales is the target's.
  struct {
    int src, dst;
    LExpr *rows, *cols, *sbase, *srow, *scol, *dbase, *dpanel, *dcol;
    int64_t dwidth;
  } tr;
};

typedef struct LMem {
  const char *name; // for printing
  DType dtype;
  bool scratch; // per-thread, 64-byte aligned, not zeroed
  bool written, read;
  Poly size; // scratch: elements (may depend on symbols)
} LMem;
typedef struct LGrid {
  Poly extent;
  int64_t block; // ceil(extent / block) tasks along this dimension
  int var;       // its task variable: 0 .. count-1
} LGrid;
enum { GRID_MAX = 4 };
enum { LOOP_PAIR_K = 32, LOOP_PAIR_ROWS = 16 };
// Values of k that words of QUADS are filled up to, and words before those of a row.
enum { LOOP_QUAD_K = 64, LOOP_QUAD_HEAD = 16 };
typedef struct LKernel {
  const char *name; // for symbols, dumps and profiles; not hashed
  const char *from; // which .mdl lines it came from, for dumps; not hashed
  VEC(LMem) mem;    // arguments first (in frame order), then scratch
  int nargs;
  LGrid grid[GRID_MAX]; // last dimension fastest
  int ngrid;
  int nscalars, nvars, nregs;
  bool grouped; // a launch of it does several steps; not hashed
  LBody body;
} LKernel;

// Builders: in the arena, folding integer constants (x*0, x*1, x+0, const op const, sums of polys).
LExpr *lx_int(Arena *a, int64_t v);
LExpr *lx_var(Arena *a, int var);
LExpr *lx_poly(Arena *a, Poly p);
LExpr *lx_iop(Arena *a, LOp op, LExpr *x, LExpr *y);
LExpr *lx_add(Arena *a, LExpr *x, LExpr *y);
LExpr *lx_mul(Arena *a, LExpr *x, LExpr *y);
LExpr *lx_const(Arena *a, DType t, double v);
LExpr *lx_load(Arena *a, const LKernel *k, int mem, LExpr *index);
LExpr *lx_reg(Arena *a, DType t, int reg);
// scalar ops; t: result dtype
LExpr *lx_op(Arena *a, LOp op, DType t, LExpr *x, LExpr *y, LExpr *z);
LExpr *lx_acc(Arena *a);
LExpr *lx_scalar(Arena *a, DType t, int slot);
LExpr *lx_scalar_int(Arena *a, int slot);
LExpr *lx_to_int(Arena *a, LExpr *x);
LExpr *lx_from_int(Arena *a, DType t, LExpr *x);
LExpr *lx_random(Arena *a, int slot, LExpr *index);
LStmt *ls_for(Arena *a, int var, LExpr *lo, LExpr *hi, int vec);
LStmt *ls_store(Arena *a, int mem, LExpr *index, LExpr *value);
LStmt *ls_colsum(Arena *a, int mem, LExpr *index, LExpr *value);
LStmt *ls_reg(Arena *a, int reg, DType t, LExpr *value);
LStmt *ls_set(Arena *a, int reg, LExpr *value);
LStmt *ls_reduce(Arena *a, int reg, LReduce op, LExpr *value);
// the caller adds products and the epilogue
LStmt *ls_tile(Arena *a, int mvar, int nvar, LExpr *M, LExpr *N);
LStmt *ls_attention(Arena *a, LPart part); // all matrices absent, seen and kept always
LKernel *loop_kernel(Arena *a, const char *name);
int loop_arg(Arena *a, LKernel *k, const char *name, DType t, bool written); // before any scratch
int loop_scratch(Arena *a, LKernel *k, const char *name, DType t, Poly size);
int loop_var(LKernel *k);
int loop_reg(LKernel *k);
int loop_grid(LKernel *k, Poly extent, int64_t block); // adds a grid dimension; its variable

// How a part uses a matrix: 'N', 'R', 'W', 'O' of loop_attention.def; its name; whose rows it has; its columns.
char loop_attention_use(LPart part, int matrix);
const char *loop_attention_name(int matrix);
bool loop_attention_of_keys(int matrix);
int64_t loop_attention_columns(const LAttention *t, int matrix);

// Bytes per thread that the kernel's scratch memories take (an upper bound where sizes depend on
// symbols).
Poly loop_scratch_bytes(const LKernel *k);

// Part of it: bytes that a TILE needs to sum long products in blocks of LOOP_K_BLOCK values of k; 0
// when its k is not blocked. Blocked are large tiles (with bounds known to the code) that read B in
// rows and have a long or unknown K.
enum { LOOP_K_BLOCK = 384 };
// A bound of a size that the code knows, or -1: min(block, what is left) is at most a block.
int64_t loop_upper_bound(const LExpr *x);
int64_t loop_tile_workspace(const LTile *t);

uint64_t loop_hash(const LKernel *k); // structure only
bool loop_equal(const LKernel *a, const LKernel *b);
void loop_print(FILE *f, const LKernel *k); // readable, for --emit=loops
// NULL, or what is malformed: undeclared variables, dtypes, memories
const char *loop_verify(Arena *a, const LKernel *k);
#endif

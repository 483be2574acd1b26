// Private to the planner: contractions as register tiles.
#ifndef BIGSC_CONTRACT_H
#define BIGSC_CONTRACT_H
#include "codegen/plan/plan_internal.h"

typedef struct AxisList {
  int n;
  Axis *ax[MAX_AXES];
} AxisList;
typedef enum StageKind {
  STAGE_NONE,      // read where it is
  STAGE_TRANSPOSE, // rows of the summed index at stride 1 -> panels
  STAGE_PANELS,    // a parameter's panels -> panels of the other axis
  STAGE_COPY,      // any order -> dense rows, element by element
  STAGE_PAIRS,     // -> panels or rows of pairs of bf16
  STAGE_QUADS,     // -> panels or rows of quads of int8
  STAGE_ROWS,      // derived by each task, in scratch
} StageKind;
// Of a convolution with one kernel for all channels, y[l] = sum of A[l, j] u[j]: A's rows are the kernel, shifted.
typedef enum Toeplitz {
  TOEPLITZ_NONE,
  TOEPLITZ_PAST,   // A[l, j] = kernel[l - j], 0 where j > l
  TOEPLITZ_FUTURE, // A[l, j] = kernel[j - l], 0 where j < l
} Toeplitz;
enum { TOEPLITZ_SIDE = 64 }; // rows of a tile of such a matrix
struct Tile {
  int side;                // operand that is the vector side (B)
  AxisList batch, m, n, k; // each outermost first
  AxisList outer;          // batch, and axes of m and n that do not merge
  Place *a, *b;            // as read by the tile; a of STAGE_ROWS is in no buffer
  StageKind stage_a, stage_b;
  int64_t staged_width; // b is a staged copy in panels of this width
  Toeplitz toeplitz;    // then a is the kernel behind TOEPLITZ_SIDE zeros, and k is m
  bool pairs;           // of bf16: see pairs.c
  bool quads;           // of int8: see quads.c
  int rows, columns;    // of a task, at most; 0: as of any contraction
  Node *light_a,
      *light_b; // what the tile derives of the elements of a and b as it loads them; NULL: it takes those
};
// A contraction with columns, of f32; of bf16 too, where the machine multiplies that.
bool contract_fits_tile(const Prog *g, const Node *c);
// Rows and columns of one task of t (NULL: of any); `width` is that of the panels that hold its columns, or 0.
int task_rows(const PlanOptions *o, const Tile *t);
int task_columns(const PlanOptions *o, const Tile *t, int64_t width);
void task_size(const Prog *g, Tile *t); // decides, once the operands' places are known
bool sum_is_known(const Tile *t);       // have all of its axes k extents that the model fixes?
// library.c: contractions for a library of matrix products.  Is c one by its size?
bool library_wants(Prog *g, const Node *c);
// The last of what follows c that the library adds to it; c itself where that is nothing.
Node *library_end(Prog *g, Node *c);
// The bias among that is a parameter, which the library wants in the result's dtype: its copy.  NULL: it is read as it is.
Place *library_bias(Prog *g, Node *c, const Node **param);
// The instance that was lowered, as a row of g->gemm: its number from 1 on, 0 where it is no product for a library.
int library_product(const Lower *c);
// Are the axes one axis in pl, with the stride of the last?
bool place_merges(const Place *pl, Axis *const *ax, int n);

// Fills in t's lists of axes for a contraction c whose operand `side` is the vector side.
void contract_classify(const Node *c, int side, Tile *t);
// Puts t's columns and sums into the order of t->b, where x lies, or of a copy of it, made here, that a tile can read.
void contract_columns(Prog *g, Node *x, Tile *t);
Poly contract_panel_step(const Tile *t); // distance of the panels of a staged or stored b

// Is the last axis at step 1?  Are these axes the columns of pl's panels, all of them, and no others, or the other way round?
bool contract_steps_by_one(const Place *pl, const AxisList *l);
bool contract_panels_of(const Place *pl, const AxisList *in);
// Sorts by descending distance in pl; equal ones keep their order.
void contract_sort_axes(const Place *pl, Axis **ax, int n);
// Axes that do not merge with the last one in pl go from l to outer.
void contract_move_heads(const Place *pl, AxisList *l, AxisList *outer);

// ---- pairs.c: products of pairs of bf16
bool pairs_here(const Prog *g); // are there any in the program?
bool pairs_fit(const Prog *g, const Node *c);
// Can PAIRS read pl, `rows` being t's m or n?  Are these panels of k?  Can a tile read it as A?
bool pairs_read(const Place *pl, const Tile *t, const AxisList *rows);
bool pairs_panels_of_k(const Place *pl, const Tile *t);
bool pairs_read_rows(const Place *pl, const Tile *t);
Poly pairs_padded(const Tile *t); // values of k, of a row or a column, in what PAIRS makes
int64_t pairs_padded_to(int64_t k);
// Starts PAIRS of x, which lies in src: panels of t's columns, or its rows.
Inst *pairs_stage(Prog *g, Node *x, Place *src, const Tile *t, bool columns, bool kept);

// ---- quads.c: products of quads of int8
// The operand of c that is a parameter as int8; -1: c is no such product.
int quads_side(const Prog *g, const Node *c);
int64_t quads_panel(int64_t k, int64_t width); // words of a panel
Poly quads_words(const Tile *t);               // of k
Poly quads_step(const Tile *t,
                int64_t width); // words from panel to panel; of width 0 from row to row
// Can QUADS read pl, t's columns or rows?  Starts it, of x, which lies in src.
bool quads_read(const Place *pl, const Tile *t, bool columns);
Inst *quads_stage(Prog *g, Node *x, Place *src, const Tile *t, bool columns, bool kept);

// ---- windows.c: products of windows, whose rows are derived
Node *window_below(Node *x); // renames; NULL: it is none
bool rows_derived(const Prog *g, const Node *c,
                  int operand); // does c derive this operand, its rows, in scratch?
int rows_of_block(const Prog *g, const Node *c); // those of a task, at most

// ---- toeplitz.c: convolutions with one kernel for all channels
bool toeplitz_fits(const Prog *g, const Node *conv);
Inst *toeplitz_plan(Prog *g, Node *conv);
bool toeplitz_multiplies(const Prog *g, const Node *n); // by its dtype
// Fills t's batch and m, and the list of channels.
void toeplitz_axes(const Node *u, Axis *along, Tile *t, AxisList *channels);
// u where a tile can read it; *light: what it derives of what it reads there.
Place *toeplitz_operand(Prog *g, Node *u, const Tile *t, const AxisList *channels, Node **light);

// ---- lags.c: the gradients of their kernels
bool lags_fit(const Prog *g, const Node *grad);
Inst *lags_plan(Prog *g, Node *grad);
#endif

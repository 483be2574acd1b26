// Private to the planner: loops, reductions and slots as loop IR.
#ifndef BIGSC_LOWER_UTIL_H
#define BIGSC_LOWER_UTIL_H
#include "codegen/plan/plan_internal.h"

double reduce_identity(const Node *n); // what an empty reduction gives
LReduce reduce_kind(const Node *n);
LExpr *reduce_operand(Lower *c, Node *n, const Coords *at); // of a contraction: the product

// Opens a loop over [lo, hi); values of its variable are below `range` (no terms: unknown).
LStmt *lower_for(Lower *c, LExpr *lo, LExpr *hi, Poly range, int vec);
// The same over [t * block, min(t * block + block, extent)), t being the variable `task`.
LStmt *lower_block(Lower *c, int task, int64_t block, Poly extent, int vec);
void lower_end(Lower *c, LStmt *loop);                  // closes it
LExpr *lower_slots(Lower *c, Poly rows, int64_t block); // ceil(rows / block)
LExpr *lower_cast(Lower *c, DType t, LExpr *e);
DType lower_wide(DType t); // what a sum of many values of dtype t is taken in
// A task for each element of n: its coordinates.
Coords lower_elements(Lower *c, Node *n);
LExpr *lower_argmax(Lower *c, Node *n, const Coords *at); // where the first of the largest is
// Opens loops over the axes of x and y that n lacks, but one; their number.
int lower_summed(Lower *c, Node *n, const Node *x, const Node *y, Coords *at, LStmt **open,
                 const Axis *but);

// ---- lower_conv.c
void lower_conv(Lower *c, Node *n, const Place *dst);
void lower_conv_grad(Lower *c, Node *n, const Place *dst);
// An element; vec: lanes that share out its terms, 0 where it is computed by one lane.
LExpr *lower_conv_value(Lower *c, Node *n, const Coords *at, int vec);
LExpr *lower_conv_grad_value(Lower *c, Node *n, const Coords *at, int vec);

// ---- lower_sort.c
void lower_argsort(Lower *c, const Inst *k, Node *n, const Place *dst);
typedef struct SortBuffer { // two orders of each row's places
  int mem;
  LExpr *row, *rows; // the number of the row, and how many there are
} SortBuffer;
// Sorts n's row at these coordinates; gives the half of the buffer that has the order, for lower_sorted.
LExpr *lower_sort_row(Lower *c, Node *n, const Coords *at, SortBuffer b);
LExpr *lower_sorted(Lower *c, Node *n, SortBuffer b, LExpr *half,
                    LExpr *k); // the place that is k-th

// ---- lower_cumsum.c
void lower_cumsum(Lower *c, Node *n, const Place *dst);

// ---- lower_lanes.c: false where no channels could be lanes
bool lower_conv_lanes(Prog *g, Inst *k);
#endif

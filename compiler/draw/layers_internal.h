// What the two halves of drawing in rows share: cells, which are boxes or edges that pass a row, and the seams between them.
#ifndef BIGSC_LAYERS_INTERNAL_H
#define BIGSC_LAYERS_INTERNAL_H
#include "compiler/draw/layers.h"

typedef struct LayerCell {
  int node; // -1: an edge passes
  int from; // of such: the source, and where it leaves that
  double out;
  double x, w; // w with what its text needs
  int row, place;
} LayerCell;
typedef struct LayerSeam { // part of an edge between two rows, or of several with one source
  int up, down;            // cells
  double out, in;          // offsets in them; in < 0: anywhere
} LayerSeam;
typedef VEC(int) LayerOrder;
typedef struct LayerPlan {
  Arena *a;
  Layers *l;
  VEC(LayerCell) cell; // the first are the nodes
  VEC(LayerSeam) seam;
  LayerOrder *row; // cells from left to right
  int **way;       // per edge: its cells from source to target
} LayerPlan;

void layers_order(LayerPlan *p);   // LayerPlan.row with few crossings
void layers_columns(LayerPlan *p); // x of the cells, and where edges end
// Values as near to `want` as they can be, by the sum of weighted squares, of which each is `gap[i]` more than the one before it
// at least.
void layers_settle(Arena *a, const double *want, const double *weight, const double *gap, int n,
                   double *out);
#endif

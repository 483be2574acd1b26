// An acyclic graph drawn in rows from top to bottom: places for boxes, and ways for edges that pass through none of them.
//
// After Sugiyama, Tagawa and Toda (1981): rows by longest path, a cell for an edge in every row that it passes, an order of each
// row with few crossings by barycenters, places by medians.  Nothing is random: equal graphs are drawn alike.
#ifndef BIGSC_LAYERS_H
#define BIGSC_LAYERS_H
#include "base/arena.h"
#include "base/vec.h"
#include <stdbool.h>

typedef enum LayerPin { LAYER_FREE, LAYER_TOP, LAYER_BOTTOM } LayerPin;
typedef struct LayerNode {
  double w, h; // of the box
  double room; // under it, for a text
  double
      reach; // how far that text goes to the right of the box's left side; 0: no farther than the box
  LayerPin pin; // in the first row, or the last one, with others of its kind alone
  // set:
  double x, y;
  int row;
} LayerNode;

// An edge is a number of vertical pieces, the first from its source, the last to its target; from the end of one to the
// beginning of the next it goes between two rows, where no boxes are.
typedef struct LayerPiece {
  double x, y0, y1;
  int row;
} LayerPiece;
typedef struct LayerEdge {
  int from, to; // from < to
  double out,
      in; // where it leaves and ends: from the left sides of the boxes; in < 0: that is chosen, and set
  // set, in the arena:
  LayerPiece *piece;
  int n;
} LayerEdge;

typedef struct LayerRow {
  double top, bottom; // of its boxes and their texts
} LayerRow;
typedef struct Layers {
  LayerNode *node;
  LayerEdge *edge;
  int nnode, nedge;
  double gap_x, gap_y; // between boxes of a row; between rows at least
  // set:
  double w, h;
  LayerRow *row;
  int nrow;
  int crossings;
} Layers;
void layers_place(Arena *a, Layers *l);
#endif

// What every op means, element by element: an interpreter that shares nothing with graph/eval.c.
#ifndef BIGSC_OP_REFERENCE_H
#define BIGSC_OP_REFERENCE_H
#include "tests/unit/graph_test.h"

enum { PLACE_AXES = 64 };
typedef struct RefPlace {
  int64_t at[PLACE_AXES]; // by axis id
} RefPlace;
// The element of n at a place; NAN for ops that have no definition here (scans, gradients of
// attention, leaves of scans).
double reference_value(Bed *b, const Node *n, RefPlace p);
#endif

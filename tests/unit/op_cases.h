// Small instances of every op of the table, for the tests that loop over it.
#ifndef BIGSC_OP_CASES_H
#define BIGSC_OP_CASES_H
#include "tests/unit/graph_test.h"

typedef struct OpCase {
  Bed b;
  int op, variant;
  DType real; // DT_F64 or DT_F32: of the leaves that are floats
  Axis *named[128];
} OpCase;
void op_case_open(OpCase *c, int op, int variant, DType real);
// The node under test, with leaves of random values where op and gradient are defined; NULL past the
// last variant.
Node *op_case_make(OpCase *c);
#endif

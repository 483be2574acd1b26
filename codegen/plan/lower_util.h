// Private to the planner: reductions as loop IR.
#ifndef BIGSC_LOWER_UTIL_H
#define BIGSC_LOWER_UTIL_H
#include "codegen/plan/plan_internal.h"

double reduce_identity(const Node *n); // what an empty reduction gives
LReduce reduce_kind(const Node *n);
LExpr *reduce_operand(Lower *c, Node *n, const Coords *at); // of a contraction: the product
#endif

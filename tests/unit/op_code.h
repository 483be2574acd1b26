// The instances of op_cases.c, and their gradients, as compiled code against the interpreter.
#ifndef BIGSC_OP_CODE_H
#define BIGSC_OP_CODE_H
#include "tests/unit/op_cases.h"
#include "tests/unit/plan_bed.h"

// Every instance of the op, with leaves of dtype `real` where they are floats, as `like` says: its CPU, fusion and code.
void op_code_check(int op, DType real, bool with_gradients, const PlanBed *like);
// Of a pointwise op, or one along an axis, one instance: that whose turn it is.
void op_code_check_turn(int op, int turn, DType real, bool with_gradients, const PlanBed *like);
#endif

// Random valid graphs against the interpreter.
#ifndef BIGSC_FUZZ_GRAPH_H
#define BIGSC_FUZZ_GRAPH_H
#include "tests/unit/plan_bed.h"

// The graph of a seed: values, with an odd seed gradients too.  code: as in PlanBed.
void fuzz_graph_one(uint64_t seed, PlanCode *code);
#endif

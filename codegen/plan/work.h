// Costs of programs: see work.c.
#ifndef BIGSC_WORK_H
#define BIGSC_WORK_H
#include "base/poly.h"

typedef enum CostKind {
#define COST(name, ns) COST_##name,
#include "codegen/plan/costs.def"
#undef COST
  COST_COUNT
} CostKind;

typedef struct WorkTerm {
  double times;
  Poly of; // one term, of coefficient 1; none: 1
} WorkTerm;
#endif

// The rows of plan_targets.def, as one struct a kind of machine.
#include "codegen/plan/plan.h"

#define FACT(type, name, cpu, gpu) .name = cpu,
const PlanTarget plan_on_cpu = {
#include "codegen/plan/plan_targets.def"
};
#undef FACT
#define FACT(type, name, cpu, gpu) .name = gpu,
const PlanTarget plan_on_gpu = {
#include "codegen/plan/plan_targets.def"
};
#undef FACT

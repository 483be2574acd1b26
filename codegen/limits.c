// Which inputs index rows, and of how many: the runtime checks them before a program runs, so that kernels need not.
#include "codegen/plan_internal.h"

// The input whose values `n` holds, in whatever order; NULL when they are computed.
static const Node *values_of(const Node *n) {
  while (n->op == OP_CAST || op_flags(n->op) & F_INDEX)
    n = n->in[0];
  return n->op == OP_INPUT ? n : NULL;
}

// The stricter of two limits where that can be told, else the older.
static void lower_limit(Poly *limit, const Poly *extent) {
  int64_t old, now;
  if (!limit->n || (poly_is_const(limit, &old) && poly_is_const(extent, &now) && now < old))
    *limit = *extent;
}

void input_limits(const Planner *p, BigsTensor *input) {
  for (int i = 0; i < p->progs.n; i++)
    for (int k = 0; k < p->progs.v[i]->nnode; k++) {
      const Node *n = p->progs.v[i]->node[k], *in = n->op == OP_GATHER ? values_of(n->in[1]) : NULL;
      for (int j = 0; in && j < p->g->inputs.n; j++)
        if (p->g->inputs.v[j]->node == in)
          lower_limit(&input[j].limit, &n->attr.axis->extent);
    }
}

// Which inputs index rows, and of how many: the runtime checks them before a program runs, so that
// kernels need not.
#include "codegen/plan/plan_internal.h"

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

// ---- sizes

// Whether p >= 0 for all sizes of at least 1.
static bool never_negative(const Poly *p) {
  int64_t least = 0;
  for (int i = 0; i < p->n; i++) {
    if (p->t[i].coef < 0 && p->t[i].sym[0] >= 0)
      return false;
    least += p->t[i].coef;
  }
  return least >= 0;
}

static const char *room_text(Arena *a, const Axis *ax, const Poly *needs) {
  int64_t c;
  return poly_is_const(needs, &c)
             ? arena_printf(a, "`%s` must be at least %lld for what is taken of it", ax->name,
                            (long long)c)
             : arena_printf(a, "`%s` is too short for what is taken of it", ax->name);
}

// An INDEX or SLICE of an axis whose length is known when it is called only.
void program_rooms(Planner *p, const Prog *g, BigsProgram *out) {
  VEC(BigsRoom) rooms = {0};
  for (int i = 0; i < g->nnode; i++) {
    const Node *n = g->node[i];
    if (n->op != OP_INDEX && n->op != OP_SLICE)
      continue;
    Poly end = n->op == OP_INDEX ? poly_add(n->attr.lo, poly_const(1)) : n->attr.hi;
    Poly room = poly_sub(n->attr.axis->extent, end);
    if (!never_negative(&room))
      vec_push(p->a, &rooms,
               (BigsRoom){room, room_text(p->a, n->attr.axis, &end), node_source(p->a, n)});
    if (!never_negative(&n->attr.lo))
      vec_push(p->a, &rooms,
               (BigsRoom){n->attr.lo,
                          arena_printf(p->a, "`%s` is too short for what is taken of it",
                                       n->attr.axis->name),
                          node_source(p->a, n)});
  }
  out->room = rooms.v;
  out->nroom = rooms.n;
}

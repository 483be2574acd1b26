// What a node reads: the nearest nodes below it that are in memory.
#include "codegen/plan/plan_internal.h"

// Stored, or a leaf that is.
static bool in_memory(const Prog *g, const Node *n) {
  return info_of(g, n)->place != NULL || n->op == OP_INPUT || n->op == OP_PARAM;
}

static void collect(Prog *g, Node *n, bool aligned, Deps *out) {
  Info *f = info_of(g, n);
  if (f->stamp[aligned] == g->stamp)
    return;
  f->stamp[aligned] = g->stamp;
  if (in_memory(g, n)) {
    vec_push(g->a, &out->v, (Dep){n, aligned});
    return;
  }
  bool pointwise = (op_flags(n->op) & F_POINTWISE) || n->op == OP_CONTRACT || n->op == OP_SCATTER;
  for (int i = 0; i < n->nin; i++)
    collect(g, n->in[i], aligned && (pointwise || (n->op == OP_GATHER && i == 1)), out);
}

void deps_of(Prog *g, Node *n, Deps *out) {
  bool same = (op_flags(n->op) & F_POINTWISE) || is_reduction(n) || n->op == OP_CONTRACT ||
              n->op == OP_ARGMAX || n->op == OP_SCATTER;
  g->stamp++;
  for (int i = 0; i < n->nin; i++)
    collect(g, n->in[i], same || (n->op == OP_GATHER && i == 1), out);
}

void deps_below(Prog *g, Node *n, Deps *out) {
  g->stamp++;
  collect(g, n, true, out);
}

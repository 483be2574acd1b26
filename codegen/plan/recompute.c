// Recomputation in the backward part of a training step.  A value that the forward part made for
// contractions or convolutions alone, and that costs little to derive from values which the
// backward part keeps anyway, is derived again where the backward part first wants it, so that its
// memory is free in between: GELU's result from its argument, a gate from its factors.
#include "codegen/plan/plan_internal.h"

enum { SEARCH = 16 };

static bool is_view(const Node *n) {
  return n->op == OP_RENAME || n->op == OP_SPLIT || n->op == OP_MERGE || n->op == OP_SLICE ||
         n->op == OP_INDEX || n->op == OP_FLIP;
}

// A copy in another layout, of an operand, looks for n where it is when all is planned.
static bool is_copied(const Prog *g, Node *n) {
  for (int i = 0; i < g->staged.n; i++)
    if (g->staged.v[i].inst->kind != IK_TRANSPOSE && view_base(g->staged.v[i].node) == n)
      return true;
  return false;
}

// Whoever was scheduled before has its place of n written down: only steps that read it as an
// operand do.
static bool read_as_operand(Prog *g, const Node *n, int before) {
  Info *f = info_of(g, n);
  for (int i = 0; i < f->nuse; i++) {
    const Node *u = f->use[i];
    const Info *x = info_of(g, u);
    if (u->id >= before)
      continue;
    if (is_view(u) && !x->place ? read_as_operand(g, u, before)
                                : x->inst && x->inst->root == u &&
                                      (x->inst->kind == IK_TILE || x->inst->kind == IK_LAGS ||
                                       x->inst->kind == IK_BUILTIN))
      continue;
    return false;
  }
  return true;
}

// The part behind node `id` reads n, perhaps through values that are derived where they are used.
static bool used_after(Prog *g, const Node *n, int id) {
  const Info *f = info_of(g, n);
  for (int i = 0; i < f->nuse; i++)
    if (f->use[i]->id > id || (!info_of(g, f->use[i])->place && used_after(g, f->use[i], id)))
      return true;
  return false;
}

static double cone_flops(Prog *g, const Node *n, const Node *top) {
  const Info *f = info_of(g, n);
  double flops = op_flops(n);
  if (n != top && (f->place || (op_flags(n->op) & F_LEAF)))
    return n->op == OP_RANDOM ? flops : 0;
  for (int i = 0; i < n->nin && flops <= g->p->o.on->recompute_flops; i++)
    flops += cone_flops(g, n->in[i], top);
  return flops;
}

static bool worth_it(Prog *g, Node *n, const Node *reader, const Deps *d) {
  const Info *f = info_of(g, n);
  int loss = g->outs[0].node->id;
  if (g->kind != BIGS_GRADIENT || !g->p->o.fuse || n->id >= loss || reader->id <= loss)
    return false;
  if (!f->inst || !f->place || f->dest || f->alias || !(op_flags(n->op) & F_POINTWISE) ||
      f->inst->index + g->p->o.on->recompute_near > g->inst.n)
    return false;
  if (cone_flops(g, n, n) > g->p->o.on->recompute_flops || !read_as_operand(g, n, reader->id) ||
      is_copied(g, n))
    return false;
  int whole = 0;
  for (int i = 0; i < d->v.n; i++) {
    const Node *x = d->v.v[i].node;
    if (x->nax < n->nax)
      continue;
    whole++;
    if (!used_after(g, x, loss) || !d->v.v[i].aligned)
      return false;
  }
  return whole >= 1 && whole <= 2;
}

void recompute_operand(Prog *g, Node *operand, const Node *reader) {
  Node *n = view_base(operand);
  Deps d = {0};
  if (op_flags(n->op) & F_LEAF)
    return;
  deps_of(g, n, &d);
  if (!worth_it(g, n, reader, &d))
    return;
  Inst *old = info_of(g, n)->inst;
  for (int i = 0; i < old->m.n; i++)
    if (old->m.v[i].node == n)
      old->m.v[i].derive = true;
  fuse_again(g, n, &d, SEARCH);
  plan_remark(g->p, true, n->span, "%s is computed again for the backward pass", op_name(n->op));
}

// Contractions, `a @[D] b`: which axes are summed, which are kept.
#include "compiler/sema/sema_habits.h"

static Node *contract_nodes(Sema *s, Node *a, Node *b, Axis **ax, int n) {
  return a && b ? g_contract(s->g, a, b, ax, n) : NULL;
}

static Node *combine(Graph *g, Op op, Node *a, Node *b) {
  if (a && b)
    return g_binary(g, op, a, b);
  return a || !b ? a : op == OP_SUB ? g_unary(g, OP_NEG, b) : b;
}

static NodePair contract_pairs(Sema *s, NodePair a, NodePair b, Axis **ax, int n) {
  return (NodePair){
      combine(s->g, OP_SUB, contract_nodes(s, a.re, b.re, ax, n),
              contract_nodes(s, a.im, b.im, ax, n)),
      combine(s->g, OP_ADD, contract_nodes(s, a.re, b.im, ax, n),
              contract_nodes(s, a.im, b.re, ax, n)),
  };
}

static bool both_have(Sema *s, Span at, Operand a, Operand b, const AxList *ax) {
  for (int i = 0; i < ax->n; i++)
    for (int k = 0; k < 2; k++) {
      Operand o = k ? b : a, other = k ? a : b;
      Ax *x = ax->v[i];
      if (ax_in(&o.v->ax, x))
        continue;
      Diag *g = sema_error(s, ERR_MISSING_DIM, at,
                           "`@[%s]` contracts `%s`, but the %s side, %s, has no dimension `%s`",
                           ax_str(s, x), ax_str(s, x), k ? "right" : "left", v_type_str(s, o.v),
                           ax_str(s, x));
      sema_label_type(s, g, o.span, o.v);
      sema_label_type(s, g, other.span, other.v);
      sema_why_lost(s, g, o.v, x, o.span);
      AxList all = ax_join(s, (AxList){&x, 1}, o.v->ax);
      sema_note_axes(s, g, all.v, all.n);
      return false;
    }
  return true;
}

static Value *contract(Sema *s, Span at, Operand a, Operand b, const AxList *ax) {
  DType t;
  if (is_poison(a.v) || is_poison(b.v))
    return v_poison(s);
  for (int k = 0; k < 2; k++)
    if (is_number((k ? b : a).v))
      return sema_fail(s, ERR_OTHER_DTYPE, (k ? b : a).span,
                       "a contraction needs two tensors, and this is a number");
  if (!sema_promote(s, "@[]", at, a, b, &t) || !both_have(s, at, a, b, ax))
    return v_poison(s);
  AxList all = ax_join(s, a.v->ax, b.v->ax), out = {NEWN(s->a, Ax *, all.n), 0};
  for (int i = 0; i < all.n; i++)
    if (!ax_in(ax, all.v[i]))
      out.v[out.n++] = all.v[i];
  for (int i = 0; i < all.n; i++)
    for (int k = 0; k < i; k++)
      if (all.v[i]->name == all.v[k]->name &&
          (all.v[i]->kind == AX_SLICE || all.v[k]->kind == AX_SLICE))
        return sema_fail(
            s, ERR_RESULT_GROWS, at,
            "`%s` has %s elements on one side and %s on the other: a slice meets no other axis",
            all.v[i]->name, size_str(s, &all.v[k]->size), size_str(s, &all.v[i]->size));
  if (out.n > MAX_AXES - 4)
    return sema_fail(s, ERR_TOO_MANY_DIMS, at, "a tensor has at most %d dimensions", MAX_AXES - 4);
  Value *v = v_tensor(s, t, out);
  if (!checking(s)) {
    Axis *gx[MAX_AXES];
    ax_graphs(s, ax, gx);
    sema_mark(s, at);
    pair_set(s, v, contract_pairs(s, pair_of(s, a.v, t), pair_of(s, b.v, t), gx, ax->n));
  }
  return v;
}

Value *sema_contraction(Sema *s, const Expr *e) {
  Operand a = {sema_value(s, e->a), e->a->span}, b = {sema_value(s, e->b), e->b->span};
  AxList ax = {0};
  if (!ax_refs(s, e->axes.v, e->axes.n, (const Value *const[]){a.v, b.v}, 2, &ax))
    return v_poison(s);
  return contract(s, e->op, a, b, &ax);
}

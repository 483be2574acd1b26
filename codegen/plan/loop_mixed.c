// Values of a step for which more happens along an axis than a sum: convolutions and sorted places.  See lower_loop.h.
#include "codegen/plan/lower_loop.h"

// All places of the axis one after the other, since sums have more terms the farther they are along it.  Lanes are the tasks'
// or another axis's; where there is none, they share out a sum.
void loop_conv_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  Axis *ax[MAX_AXES], *a = n->attr.axis;
  int nax = loop_axes_but(s, a, ax), vec = nax || x->lane ? 0 : x->vec;
  Nest t = loop_open_nest(x, ax, nax, true);
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, a->extent), a->extent, 0);
  coords_set(&t.at, a, lvar(c, f->var));
  LExpr *v = n->op == OP_CONV_GRAD ? lower_conv_grad_value(c, n, &t.at, vec)
                                   : lower_conv_value(c, n, &t.at, vec);
  loop_slot_store(x, s, &t.at, lower_rounded(c, n, v));
  lower_end(c, f);
  loop_close_nest(x, &t);
}

// A row after the other: which places are compared depends on the values.
void loop_sort_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  Axis *ax[MAX_AXES], *to = n->attr.axis2;
  SortBuffer b = {.row = li(c, 0), .rows = li(c, 1)};
  b.mem = loop_scratch(c->a, c->k, "order", DT_I32, poly_scale(n->attr.axis->extent, 2));
  Nest t = loop_open_nest(x, ax, loop_axes_but(s, to, ax), false);
  LExpr *half = lower_sort_row(c, n, &t.at, b);
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, to->extent), to->extent, 0);
  coords_set(&t.at, to, lvar(c, f->var));
  loop_slot_store(x, s, &t.at, lower_sorted(c, n, b, half, lvar(c, f->var)));
  lower_end(c, f);
  loop_close_nest(x, &t);
}

// contract(a, b) over axes: the one matrix product.
#include "graph/op.h"

void CONTRACT_shape(Shape *s) {
  const Node *a = s->in[0], *b = s->in[1];
  s->dtype = a->dtype;
  if (a->dtype != b->dtype)
    shape_fail(s, "operands of %s and %s", dtype_name((DType)a->dtype),
               dtype_name((DType)b->dtype));
  if (a->dtype == DT_BOOL)
    shape_fail(s, "bool operands");
  for (int i = 0; i < s->attr->naxes; i++) {
    if (!node_has(a, s->attr->axes[i]) || !node_has(b, s->attr->axes[i]))
      shape_fail(s, "an operand has no axis %s", s->attr->axes[i]->name);
    if (axis_in(s->attr->axes, i, s->attr->axes[i]))
      shape_fail(s, "axis %s twice", s->attr->axes[i]->name);
  }
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < s->in[k]->nax; i++)
      if (!axis_in(s->attr->axes, s->attr->naxes, s->in[k]->ax[i]) &&
          !shape_has(s, s->in[k]->ax[i]))
        shape_put(s, s->in[k]->ax[i]);
}

// The result's innermost axis is the innermost loop, outside of it the contracted ones in the order
// of their ids.
void CONTRACT_eval(EvalOp *o) {
  const Node *n = o->n;
  AxisWalk w;
  walk_init(&w, o->e, n->ax, n->nax ? n->nax - 1 : 0);
  for (int i = 0; i < n->attr.naxes; i++)
    walk_axis(&w, n->attr.axes[i]);
  if (n->nax)
    walk_axis(&w, n->ax[n->nax - 1]);
  walk_operand(&w, n);
  walk_operand(&w, n->in[0]);
  walk_operand(&w, n->in[1]);
  for (walk_start(&w); w.more; walk_row(&w)) {
    double *y = o->out + w.off[0];
    const double *a = o->in[0] + w.off[1], *b = o->in[1] + w.off[2];
    for (int64_t i = 0; i < w.inner; i++)
      y[i * w.step[0]] += a[i * w.step[1]] * b[i * w.step[2]];
  }
}

// da = sum of dy b over the axes that b has and a has not
void CONTRACT_grad(Grad *r) {
  for (int i = 0; i < 2; i++) {
    Node *other = r->n->in[1 - i];
    Axis *over[MAX_AXES];
    if (!grad_wants(r, i))
      continue;
    int m = grad_axes_beyond(other, r->n->in[i], over);
    grad_add(r, i, grad_contract(r->g, r->dy, other, over, m));
  }
}

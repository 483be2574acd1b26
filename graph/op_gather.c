// gather and scatter: indexing by data.
#include "graph/op.h"
#include <inttypes.h>

static void index_operand(Shape *s, const Node *i) {
  if (i->dtype != DT_I32)
    shape_fail(s, "%s index", dtype_name((DType)i->dtype));
}

// The index at one place, or -1 after an error.
static int64_t checked_index(EvalOp *o, double at, int64_t extent) {
  if (at >= 0 && at < (double)extent)
    return (int64_t)at;
  eval_fail(o->e, o->n, "index %" PRId64 " is outside of %s, which has %" PRId64 " elements",
            (int64_t)at, o->n->attr.axis->name, extent);
  return -1;
}

void GATHER_shape(Shape *s) {
  const Node *x = s->in[0];
  s->dtype = x->dtype;
  index_operand(s, s->in[1]);
  if (!node_has(x, s->attr->axis))
    shape_fail(s, "the operand has no axis %s", s->attr->axis->name);
  shape_union(s, s->in[1]);
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != s->attr->axis && !shape_has(s, x->ax[i]))
      shape_put(s, x->ax[i]);
}
void GATHER_eval(EvalOp *o) {
  const Node *n = o->n, *x = n->in[0];
  int64_t extent = eval_extent(o->e, n->attr.axis), stride = eval_stride(o->e, x, n->attr.axis);
  double *out = o->out;
  AxisWalk w;
  walk_init(&w, o->e, n->ax, n->nax);
  walk_operand(&w, n->in[1]);
  walk_operand(&w, x);
  walk_bind(&w, 1, n->attr.axis, 0); // an axis of the index with that name is not x's
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      int64_t at = checked_index(o, o->in[1][w.off[0] + i * w.step[0]], extent);
      if (at < 0)
        return;
      *out++ = o->in[0][w.off[1] + i * w.step[1] + at * stride];
    }
}
void GATHER_grad(Grad *r) {
  Node *x = r->n->in[0], *i = r->n->in[1];
  Axis *keep[MAX_AXES];
  int m = 0;
  if (!grad_wants(r, 0))
    return;
  for (int k = 0; k < x->nax; k++)
    if (x->ax[k] != r->n->attr.axis && (node_has(i, x->ax[k]) || node_has(r->dy, x->ax[k])))
      keep[m++] = x->ax[k];
  grad_add(r, 0, g_scatter(r->g, i, r->dy, r->n->attr.axis, keep, m));
}

// An axis of i or src that is `axis` itself belongs to the source side and is summed.
void SCATTER_shape(Shape *s) {
  const Attr *at = s->attr;
  s->dtype = s->in[1]->dtype;
  index_operand(s, s->in[0]);
  if (s->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
  shape_put(s, at->axis);
  for (int i = 0; i < at->naxes; i++)
    if (!node_has(s->in[0], at->axes[i]) && !node_has(s->in[1], at->axes[i]))
      shape_fail(s, "no operand has axis %s", at->axes[i]->name);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < s->in[k]->nax; i++)
      if (axis_in(at->axes, at->naxes, s->in[k]->ax[i]) && !shape_has(s, s->in[k]->ax[i]))
        shape_put(s, s->in[k]->ax[i]);
  if (axis_in(at->axes, at->naxes, at->axis))
    shape_fail(s, "axis %s occurs twice", at->axis->name);
}
void SCATTER_eval(EvalOp *o) {
  const Node *n = o->n, *src = n->in[1];
  int64_t extent = eval_extent(o->e, n->attr.axis), stride = eval_stride(o->e, n, n->attr.axis);
  AxisWalk w;
  walk_init(&w, o->e, n->in[0]->ax, n->in[0]->nax);
  for (int k = 0; k < src->nax; k++)
    walk_axis(&w, src->ax[k]);
  walk_operand(&w, n->in[0]);
  walk_operand(&w, src);
  walk_operand(&w, n);
  walk_bind(&w, 2, n->attr.axis, 0);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      int64_t at = checked_index(o, o->in[0][w.off[0] + i * w.step[0]], extent);
      if (at < 0)
        return;
      o->out[w.off[2] + i * w.step[2] + at * stride] += o->in[1][w.off[1] + i * w.step[1]];
    }
}
// dsrc = dy at the index, summed over the axes of the index that src was constant along
void SCATTER_grad(Grad *r) {
  Node *i = r->n->in[0], *src = r->n->in[1];
  Axis *over[MAX_AXES];
  if (!grad_wants(r, 1))
    return;
  int m = grad_axes_beyond(i, src, over);
  Node *d = node_has(r->dy, r->n->attr.axis) ? g_gather(r->g, r->dy, i, r->n->attr.axis) : r->dy;
  grad_add(r, 1, g_sum_over(r->g, d, over, m));
}

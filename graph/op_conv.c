// The causal convolution and its gradient with respect to the kernel.
#include "graph/op.h"

static void operands(Shape *s) {
  const Node *a = s->in[0], *b = s->in[1];
  s->dtype = a->dtype;
  if (a->dtype != b->dtype || !dtype_is_float((DType)a->dtype))
    shape_fail(s, "operands of %s and %s", dtype_name((DType)a->dtype),
               dtype_name((DType)b->dtype));
  if (!node_has(a, s->attr->axis) || !node_has(b, s->attr->axis))
    shape_fail(s, "an operand has no axis %s", s->attr->axis->name);
}

// Walks over everything but the axis: z is n, x and y its operands.
static AxisWalk walk_lanes(EvalOp *o, const Node *first, const Node *second) {
  AxisWalk w;
  walk_init(&w, o->e, NULL, 0);
  for (int k = 0; k < 2; k++) {
    const Node *x = k ? second : first;
    for (int i = 0; i < x->nax; i++)
      if (x->ax[i] != o->n->attr.axis)
        walk_axis(&w, x->ax[i]);
  }
  walk_operand(&w, o->n);
  walk_operand(&w, o->n->in[0]);
  walk_operand(&w, o->n->in[1]);
  return w;
}

typedef struct Lane {
  int64_t n;       // extent of the axis
  int64_t z, x, y; // strides of the result and the operands along it
} Lane;

static Lane lane(EvalOp *o) {
  const Node *n = o->n;
  const Axis *a = n->attr.axis;
  return (Lane){eval_extent(o->e, a), eval_stride(o->e, n, a), eval_stride(o->e, n->in[0], a),
                eval_stride(o->e, n->in[1], a)};
}

void CAUSAL_CONV_shape(Shape *s) {
  const Node *u = s->in[0], *k = s->in[1];
  operands(s);
  shape_union(s, u);
  for (int i = 0; i < k->nax; i++)
    if (!node_has(u, k->ax[i]))
      shape_fail(s, "the kernel has axis %s and the operand has not", k->ax[i]->name);
}
static void convolve(double *y, const double *u, const double *k, Lane a, bool reverse) {
  for (int64_t l = 0; l < a.n; l++) {
    int64_t terms = reverse ? a.n - l : l + 1, step = reverse ? a.x : -a.x;
    const double *from = u + l * a.x;
    double sum = 0;
    for (int64_t j = 0; j < terms; j++)
      sum += k[j * a.y] * from[j * step];
    y[l * a.z] = sum;
  }
}
void CAUSAL_CONV_eval(EvalOp *o) {
  Lane a = lane(o);
  AxisWalk w = walk_lanes(o, o->n, o->n);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      convolve(o->out + w.off[0] + i * w.step[0], o->in[0] + w.off[1] + i * w.step[1],
               o->in[1] + w.off[2] + i * w.step[2], a, o->n->attr.reverse);
}

static int other_axes(const Node *x, const Axis *a, Axis **out) {
  int m = 0;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != a)
      out[m++] = x->ax[i];
  return m;
}
// du is the convolution the other way round; dk[j] = sum_l dy[l] u[l - j] (reverse: u[l + j])
void CAUSAL_CONV_grad(Grad *r) {
  Node *u = r->n->in[0], *k = r->n->in[1];
  const Attr *at = &r->n->attr;
  Axis *keep[MAX_AXES];
  if (grad_wants(r, 0))
    grad_add(r, 0, g_conv(r->g, g_expand(r->g, r->dy, k->ax, k->nax), k, at->axis, !at->reverse));
  if (grad_wants(r, 1)) {
    int m = other_axes(k, at->axis, keep);
    Node *dy = g_expand(r->g, r->dy, (Axis *const[]){at->axis}, 1);
    // The axes of u that dy is constant along are summed all the same: u has them.
    grad_add(r, 1, g_conv_grad(r->g, u, dy, at->axis, keep, m, at->reverse));
  }
}

void CONV_GRAD_shape(Shape *s) {
  const Attr *at = s->attr;
  operands(s);
  if (axis_in(at->axes, at->naxes, at->axis))
    shape_fail(s, "axis %s is kept anyway", at->axis->name);
  for (int i = 0; i < at->naxes; i++)
    if (!node_has(s->in[0], at->axes[i]) && !node_has(s->in[1], at->axes[i]))
      shape_fail(s, "no operand has axis %s", at->axes[i]->name);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < s->in[k]->nax; i++) {
      Axis *a = s->in[k]->ax[i];
      if ((a == at->axis || axis_in(at->axes, at->naxes, a)) && !shape_has(s, a))
        shape_put(s, a);
    }
}
static void correlate(double *dk, const double *u, const double *dy, Lane a, bool reverse) {
  for (int64_t j = 0; j < a.n; j++)
    for (int64_t l = j; l < a.n; l++)
      dk[j * a.z] += reverse ? dy[(l - j) * a.y] * u[l * a.x] : dy[l * a.y] * u[(l - j) * a.x];
}
void CONV_GRAD_eval(EvalOp *o) {
  Lane a = lane(o);
  AxisWalk w = walk_lanes(o, o->n->in[0], o->n->in[1]);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      correlate(o->out + w.off[0] + i * w.step[0], o->in[0] + w.off[1] + i * w.step[1],
                o->in[1] + w.off[2] + i * w.step[2], a, o->n->attr.reverse);
}
// With z[j] = sum_l y[l] u[l - j]: du[m] = sum_j dz[j] y[m + j] and dy[l] = sum_j dz[j] u[l - j],
// that is, convolutions with dz.
void CONV_GRAD_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Node *dz = g_expand(r->g, r->dy, (Axis *const[]){at->axis}, 1);
  for (int i = 0; i < 2; i++) {
    Node *other = r->n->in[1 - i];
    Axis *over[MAX_AXES];
    if (!grad_wants(r, i))
      continue;
    Node *wide = g_expand(r->g, other, dz->ax, dz->nax);
    int m = grad_axes_beyond(other, r->n->in[i], over);
    Node *d = g_conv(r->g, wide, dz, at->axis, i ? at->reverse : !at->reverse);
    grad_add(r, i, g_sum_over(r->g, d, over, m));
  }
}

// Reductions over a set of axes, and argmax.
#include "graph/op.h"
#include <math.h>

static void without_axes(Shape *s, Axis *const *ax, int n) {
  const Node *x = s->in[0];
  for (int i = 0; i < n; i++)
    if (!node_has(x, ax[i]))
      shape_fail(s, "the operand has no axis %s", ax[i]->name);
  for (int i = 0; i < x->nax; i++)
    if (!axis_in(ax, n, x->ax[i]))
      shape_put(s, x->ax[i]);
}

static void reduced(Shape *s) {
  s->dtype = s->in[0]->dtype;
  if (s->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
  if (!s->attr->naxes)
    shape_fail(s, "no axes");
  for (int i = 1; i < s->attr->naxes; i++)
    if (axis_in(s->attr->axes, i, s->attr->axes[i]))
      shape_fail(s, "axis %s twice", s->attr->axes[i]->name);
  without_axes(s, s->attr->axes, s->attr->naxes);
}

typedef double ReduceFold(double sum, double x);

static double fold_sum(double sum, double x) {
  return sum + x;
}
static double fold_max(double sum, double x) {
  return x > sum || isnan(x) ? x : sum;
}
static double fold_min(double sum, double x) {
  return x < sum || isnan(x) ? x : sum;
}

static void fold(EvalOp *o, ReduceFold *f, double first) {
  const Node *x = o->n->in[0];
  const double *from = o->in[0];
  AxisWalk w;
  for (int64_t i = 0; i < o->size; i++)
    o->out[i] = first;
  walk_init(&w, o->e, x->ax, x->nax);
  walk_operand(&w, o->n);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      double *to = o->out + w.off[0] + i * w.step[0];
      *to = f(*to, *from++);
    }
}

void SUM_shape(Shape *s) {
  reduced(s);
}
void SUM_eval(EvalOp *o) {
  fold(o, fold_sum, 0);
  if (o->n->dtype == DT_I32)
    for (int64_t i = 0; i < o->size; i++)
      o->out[i] = (double)(int32_t)(uint32_t)(int64_t)o->out[i];
}
void SUM_grad(Grad *r) {
  grad_add(r, 0, r->dy);
}

// Equal extremes share equally: dx = [x == y] dy / sum [x == y].
static void grad_of_extreme(Grad *r) {
  Node *x = r->n->in[0];
  DType t = (DType)x->dtype;
  Node *chosen = g_cast(r->g, g_binary(r->g, OP_EQ, x, r->n), t);
  Node *count = g_reduce(r->g, OP_SUM, chosen, r->n->attr.axes, r->n->attr.naxes);
  grad_add(r, 0, g_binary(r->g, OP_MUL, chosen, g_binary(r->g, OP_DIV, r->dy, count)));
}

void RMAX_shape(Shape *s) {
  reduced(s);
}
void RMAX_eval(EvalOp *o) {
  fold(o, fold_max, -INFINITY);
}
void RMAX_grad(Grad *r) {
  grad_of_extreme(r);
}

void RMIN_shape(Shape *s) {
  reduced(s);
}
void RMIN_eval(EvalOp *o) {
  fold(o, fold_min, INFINITY);
}
void RMIN_grad(Grad *r) {
  grad_of_extreme(r);
}

void ARGMAX_shape(Shape *s) {
  s->dtype = DT_I32;
  if (s->in[0]->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
  without_axes(s, &s->attr->axis, 1);
}
// The first of equals; a NaN is greater than any number.
void ARGMAX_eval(EvalOp *o) {
  const Node *x = o->n->in[0];
  int64_t n = eval_extent(o->e, o->n->attr.axis), step = eval_stride(o->e, x, o->n->attr.axis);
  AxisWalk w;
  walk_init(&w, o->e, o->n->ax, o->n->nax);
  walk_operand(&w, x);
  double *out = o->out;
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      const double *from = o->in[0] + w.off[0] + i * w.step[0];
      int64_t best = 0;
      for (int64_t k = 1; k < n && !isnan(from[best * step]); k++)
        if (from[k * step] > from[best * step] || isnan(from[k * step]))
          best = k;
      *out++ = (double)best;
    }
}

void CUMSUM_shape(Shape *s) {
  s->dtype = s->in[0]->dtype;
  if (s->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
  if (!node_has(s->in[0], s->attr->axis))
    shape_fail(s, "the operand has no axis %s", s->attr->axis->name);
  shape_union(s, s->in[0]);
}

// Each place: itself and the sum of the place before.
static void add_before(EvalOp *o, int64_t n, int64_t stride) {
  int64_t step = o->n->attr.reverse ? -stride : stride;
  for (int64_t i = 0; i < o->size; i++) {
    int64_t k = o->n->attr.reverse ? o->size - 1 - i : i, at = k / stride % n;
    double sum = o->in[0][k];
    if (at != (o->n->attr.reverse ? n - 1 : 0))
      sum += o->out[k - step];
    o->out[k] = o->n->dtype == DT_I32 ? (double)(int32_t)(uint32_t)(int64_t)sum : sum;
  }
}

void CUMSUM_eval(EvalOp *o) {
  const Axis *a = o->n->attr.axis;
  add_before(o, eval_extent(o->e, a), eval_stride(o->e, o->n, a));
}

// What a place adds to are those behind it.
void CUMSUM_grad(Grad *r) {
  Axis *a = r->n->attr.axis;
  grad_add(r, 0, g_cumsum(r->g, g_expand(r->g, r->dy, &a, 1), a, !r->n->attr.reverse));
}

// ---- order

void ARGSORT_shape(Shape *s) {
  const Attr *at = s->attr;
  const Node *x = s->in[0];
  int64_t all, some;
  s->dtype = DT_I32;
  if (x->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
  if (!node_has(x, at->axis))
    shape_fail(s, "the operand has no axis %s", at->axis->name);
  if (poly_is_const(&at->axis->extent, &all) && poly_is_const(&at->axis2->extent, &some) &&
      some > all)
    shape_fail(s, "%s has fewer elements than %s", at->axis->name, at->axis2->name);
  for (int i = 0; i < x->nax; i++)
    shape_put(s, x->ax[i] == at->axis ? at->axis2 : x->ax[i]);
}

// Does value b stand before a?  A NaN is greater than any number.
static bool stands_before(double b, double a, bool greatest_first) {
  if (greatest_first)
    return a < b || (isnan(b) && !isnan(a));
  return b < a || (isnan(a) && !isnan(b));
}

// How many stand before place i: its own place in the result.
static int64_t place_of(const double *x, int64_t n, int64_t step, int64_t i, bool greatest_first) {
  int64_t rank = 0;
  for (int64_t k = 0; k < n; k++)
    rank += k < i ? !stands_before(x[i * step], x[k * step], greatest_first)
                  : stands_before(x[k * step], x[i * step], greatest_first);
  return rank;
}

void ARGSORT_eval(EvalOp *o) {
  const Attr *at = &o->n->attr;
  int64_t n = eval_extent(o->e, at->axis), some = eval_extent(o->e, at->axis2),
          from = eval_stride(o->e, o->n->in[0], at->axis), to = eval_stride(o->e, o->n, at->axis2);
  if (some > n) {
    eval_fail(o->e, o->n, "%s has fewer elements than %s", at->axis->name, at->axis2->name);
    return;
  }
  // Outer and inner axes are the same on both sides.
  for (int64_t r = 0; r < o->size / some; r++) {
    const double *x = o->in[0] + r / from * from * n + r % from;
    double *out = o->out + r / to * to * some + r % to;
    for (int64_t i = 0; i < n; i++) {
      int64_t place = place_of(x, n, from, i, at->reverse);
      if (place < some)
        out[place * to] = (double)i;
    }
  }
}

// Attention claimed whole, and its gradients:
//   s = scale (q . k over axis2) + bias where mask, else -1e9;  w = softmax of s over axis;  p =
//   dropout(w);  y = sum of p v
// With P = p's factor (0, or 1 / (1 - rate)):
//   dv = sum of p dy;  dw = P (dy . v);  ds = w (dw - sum over axis of w dw) where mask, else 0
//   dq = scale ds k;  dk = scale ds q;  dbias = ds;  and sum of w dw = sum of dy y over the axes
//   that w lacks
// (Dao et al., 2022, "FlashAttention", appendix B).
#include "graph/op.h"
#include <math.h>

enum { Q, K, V, MASK, BIAS, OUT, LSE, DOUT };

static void weights(Shape *s) {
  const Attr *at = s->attr;
  Node *const *in = s->in;
  s->dtype = in[Q]->dtype;
  if (!dtype_is_float((DType)s->dtype) || in[K]->dtype != s->dtype || in[V]->dtype != s->dtype ||
      in[BIAS]->dtype != s->dtype || in[MASK]->dtype != DT_BOOL)
    shape_fail(s, "dtypes of the operands");
  if (!node_has(in[Q], at->axis2) || !node_has(in[K], at->axis2) || !node_has(in[K], at->axis) ||
      !node_has(in[V], at->axis) || node_has(in[Q], at->axis))
    shape_fail(s, "axes of the operands");
  if (!axis_in(at->axes, at->naxes, at->axis) || axis_in(at->axes, at->naxes, at->axis2))
    shape_fail(s, "axes of the weights");
  for (int i = 0; i < 5; i++)
    for (int k = 0; i != V && k < in[i]->nax; k++)
      if (in[i]->ax[k] != at->axis2 && !axis_in(at->axes, at->naxes, in[i]->ax[k]))
        shape_fail(s, "the weights lack axis %s", in[i]->ax[k]->name);
  for (int k = 0; k < at->naxes; k++)
    if (!node_has(in[Q], at->axes[k]) && !node_has(in[K], at->axes[k]) &&
        !node_has(in[MASK], at->axes[k]) && !node_has(in[BIAS], at->axes[k]))
      shape_fail(s, "no operand has axis %s of the weights", at->axes[k]->name);
  if (node_has(in[MASK], at->axis2) || node_has(in[BIAS], at->axis2))
    shape_fail(s, "axes of the mask and the bias");
}

static void weights_but_axis(Shape *s) {
  for (int i = 0; i < s->attr->naxes; i++)
    if (s->attr->axes[i] != s->attr->axis)
      shape_put(s, s->attr->axes[i]);
}

static void output_axes(Shape *s) {
  weights_but_axis(s);
  for (int i = 0; i < s->in[V]->nax; i++)
    if (s->in[V]->ax[i] != s->attr->axis && !shape_has(s, s->in[V]->ax[i]))
      shape_put(s, s->in[V]->ax[i]);
}

// ---- evaluators, all over the weights in the order of attr.axes

typedef struct Weights {
  int64_t size, cols, lanes,
      step;        // elements of w, extent of axis, size / cols, stride of axis in w
  double *w, *lse; // softmax [attr.axes], log of its sum [attr.axes but axis]
  double *keep;    // 0, or 1 / (1 - rate), per element of w
} Weights;

// A leaf that only lends its axes to walk_operand.
static Node layout(Axis **ax, int nax) {
  return (Node){.op = OP_STATE, .ax = ax, .nax = nax};
}

static void scores(EvalOp *o, double *s) {
  const Node *n = o->n;
  const Attr *at = &n->attr;
  int64_t depth = eval_extent(o->e, at->axis2), dq = eval_stride(o->e, n->in[Q], at->axis2),
          dk = eval_stride(o->e, n->in[K], at->axis2);
  AxisWalk w;
  walk_init(&w, o->e, at->axes, at->naxes);
  walk_operand(&w, n->in[Q]);
  walk_operand(&w, n->in[K]);
  walk_operand(&w, n->in[MASK]);
  walk_operand(&w, n->in[BIAS]);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      const double *q = o->in[Q] + w.off[0] + i * w.step[0],
                   *k = o->in[K] + w.off[1] + i * w.step[1];
      double sum = 0;
      for (int64_t d = 0; d < depth; d++)
        sum += q[d * dq] * k[d * dk];
      bool seen = o->in[MASK][w.off[2] + i * w.step[2]] != 0;
      *s++ = seen ? at->num * sum + o->in[BIAS][w.off[3] + i * w.step[3]] : -1e9;
    }
}

static void softmax_lane(Weights *a, double *w, double *lse) {
  double top = -INFINITY, sum = 0;
  for (int64_t c = 0; c < a->cols; c++)
    top = fmax(top, w[c * a->step]);
  for (int64_t c = 0; c < a->cols; c++)
    sum += w[c * a->step] = exp(w[c * a->step] - top);
  // Not exp(s - lse): where all of a lane is masked, lse has lost the logarithm beside 1e9.
  for (int64_t c = 0; c < a->cols; c++)
    w[c * a->step] /= sum;
  *lse = log(sum) + top;
}

static void dropout_factors(EvalOp *o, double *keep, int64_t size) {
  uint32_t key[2];
  double rate = o->n->attr.num2;
  eval_site(o->e, o->n->attr.site, key);
  for (int64_t i = 0; i < size; i++)
    keep[i] = rate <= 0 ? 1 : eval_uniform(key, i) >= rate ? 1 / (1 - rate) : 0;
}

static Weights compute_weights(EvalOp *o) {
  const Attr *at = &o->n->attr;
  Node w = layout(at->axes, at->naxes);
  Weights a = {.size = eval_size(o->e, at->axes, at->naxes),
               .cols = eval_extent(o->e, at->axis),
               .step = eval_stride(o->e, &w, at->axis)};
  a.lanes = a.cols ? a.size / a.cols : 0;
  a.w = NEWN(eval_arena(o->e), double, a.size);
  a.keep = NEWN(eval_arena(o->e), double, a.size);
  a.lse = NEWN(eval_arena(o->e), double, a.lanes);
  scores(o, a.w);
  for (int64_t i = 0; i < a.lanes; i++) // lane i is place (i / step, i % step) around the axis
    softmax_lane(&a, a.w + i / a.step * a.step * a.cols + i % a.step, &a.lse[i]);
  dropout_factors(o, a.keep, a.size);
  return a;
}

void ATTENTION_shape(Shape *s) {
  weights(s);
  if (!s->error)
    output_axes(s);
}
void ATTENTION_eval(EvalOp *o) {
  const Node *n = o->n;
  Weights a = compute_weights(o);
  Node like_w = layout(n->attr.axes, n->attr.naxes);
  AxisWalk w;
  walk_init(&w, o->e, n->attr.axes, n->attr.naxes);
  for (int i = 0; i < n->in[V]->nax; i++)
    walk_axis(&w, n->in[V]->ax[i]);
  walk_operand(&w, &like_w);
  walk_operand(&w, n->in[V]);
  walk_operand(&w, n);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++) {
      int64_t at = w.off[0] + i * w.step[0];
      o->out[w.off[2] + i * w.step[2]] += a.w[at] * a.keep[at] * o->in[V][w.off[1] + i * w.step[1]];
    }
}
void ATTENTION_grad(Grad *r) {
  Node *n = r->n, *in[8];
  for (int i = 0; i < 5; i++)
    in[i] = n->in[i];
  in[OUT] = n;
  in[LSE] = g_attention_lse(r->g, n);
  in[DOUT] = g_expand(r->g, r->dy, n->ax, n->nax);
  for (int i = 0; i < 4; i++) {
    int operand = i < 3 ? i : BIAS;
    Attr at = n->attr;
    at.i0 = i;
    if (grad_wants(r, operand))
      grad_add(r, operand, g_node(r->g, OP_ATTENTION_GRAD, (DType)n->dtype, in, 8, &at));
  }
}

void ATTENTION_LSE_shape(Shape *s) {
  weights(s);
  if (!s->error)
    weights_but_axis(s);
}
void ATTENTION_LSE_eval(EvalOp *o) {
  Weights a = compute_weights(o);
  for (int64_t i = 0; i < a.lanes; i++)
    o->out[i] = a.lse[i];
}

void ATTENTION_GRAD_shape(Shape *s) {
  static const int of[4] = {Q, K, V, BIAS};
  weights(s);
  if (s->error)
    return;
  output_axes(s);
  if (!axes_equal_sets(s->ax, s->nax, s->in[OUT]->ax, s->in[OUT]->nax) ||
      !axes_equal_sets(s->ax, s->nax, s->in[DOUT]->ax, s->in[DOUT]->nax) ||
      s->in[OUT]->dtype != s->dtype || s->in[DOUT]->dtype != s->dtype ||
      s->in[LSE]->dtype != s->dtype)
    shape_fail(s, "axes or dtype of the result's gradient");
  s->nax = 0;
  if (s->attr->i0 < 0 || s->attr->i0 > 3)
    shape_fail(s, "gradient %lld", (long long)s->attr->i0);
  else
    shape_union(s, s->in[of[s->attr->i0]]);
}

// to[...] += factor[w] * from[...] over all axes of the three
static void accumulate(EvalOp *o, const double *factor, const Node *from, const double *x,
                       const Node *to, double *y) {
  const Attr *at = &o->n->attr;
  Node like_w = layout(at->axes, at->naxes);
  AxisWalk w;
  walk_init(&w, o->e, at->axes, at->naxes);
  for (int i = 0; i < from->nax; i++)
    walk_axis(&w, from->ax[i]);
  for (int i = 0; i < to->nax; i++)
    walk_axis(&w, to->ax[i]);
  walk_operand(&w, &like_w);
  walk_operand(&w, from);
  walk_operand(&w, to);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      y[w.off[2] + i * w.step[2]] += factor[w.off[0] + i * w.step[0]] * x[w.off[1] + i * w.step[1]];
}

// out[w] = sum over the axes of v and dy that w lacks of dy v
static void weight_gradient(EvalOp *o, double *out) {
  const Node *n = o->n;
  const Attr *at = &n->attr;
  Node like_w = layout(at->axes, at->naxes);
  AxisWalk w;
  walk_init(&w, o->e, at->axes, at->naxes);
  for (int i = 0; i < n->in[DOUT]->nax; i++)
    walk_axis(&w, n->in[DOUT]->ax[i]);
  walk_operand(&w, &like_w);
  walk_operand(&w, n->in[V]);
  walk_operand(&w, n->in[DOUT]);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      out[w.off[0] + i * w.step[0]] +=
          o->in[V][w.off[1] + i * w.step[1]] * o->in[DOUT][w.off[2] + i * w.step[2]];
}

// In place: dw becomes ds.
static void score_gradient(EvalOp *o, const Weights *a, double *dw) {
  const Attr *at = &o->n->attr;
  for (int64_t i = 0; i < a->lanes; i++) {
    int64_t first = i / a->step * a->step * a->cols + i % a->step;
    double sum = 0;
    for (int64_t c = 0; c < a->cols; c++)
      sum += a->w[first + c * a->step] * dw[first + c * a->step];
    for (int64_t c = 0; c < a->cols; c++)
      dw[first + c * a->step] = a->w[first + c * a->step] * (dw[first + c * a->step] - sum);
  }
  AxisWalk w;
  walk_init(&w, o->e, at->axes, at->naxes);
  walk_operand(&w, o->n->in[MASK]);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++, dw++)
      if (!o->in[MASK][w.off[0] + i * w.step[0]])
        *dw = 0;
}

void ATTENTION_GRAD_eval(EvalOp *o) {
  const Node *n = o->n;
  Weights a = compute_weights(o);
  Node unit = layout(NULL, 0);
  const double one = 1;
  double *d = NEWN(eval_arena(o->e), double, a.size);
  if (n->attr.i0 == 2) {
    for (int64_t i = 0; i < a.size; i++)
      d[i] = a.w[i] * a.keep[i];
    accumulate(o, d, n->in[DOUT], o->in[DOUT], n, o->out);
    return;
  }
  weight_gradient(o, d);
  for (int64_t i = 0; i < a.size; i++)
    d[i] *= a.keep[i];
  score_gradient(o, &a, d);
  if (n->attr.i0 == 3) {
    accumulate(o, d, &unit, &one, n, o->out);
    return;
  }
  for (int64_t i = 0; i < a.size; i++)
    d[i] *= n->attr.num;
  int other = n->attr.i0 == 0 ? K : Q;
  accumulate(o, d, n->in[other], o->in[other], n, o->out);
}

// Index maps: they move elements and compute nothing.
#include "graph/op.h"
#include <string.h>

static void has_axis(Shape *s, const Axis *a) {
  if (!node_has(s->in[0], a))
    shape_fail(s, "the operand has no axis %s", a->name);
}

// x's axes with `a` replaced by the list (none: removed)
static void replace_axis(Shape *s, const Axis *a, Axis *const *by, int n) {
  s->dtype = s->in[0]->dtype;
  has_axis(s, a);
  for (int i = 0; i < s->in[0]->nax; i++)
    if (s->in[0]->ax[i] == a)
      shape_list(s, by, n);
    else
      shape_put(s, s->in[0]->ax[i]);
}

// Product of extents; false when the polynomial is too large to hold, which is no error of the
// user's.
static bool product(Axis *const *ax, int n, Poly *p) {
  *p = poly_const(1);
  for (int i = 0; i < n; i++) {
    if (!poly_mul_fits(p, &ax[i]->extent))
      return false;
    *p = poly_mul(*p, ax[i]->extent);
  }
  return true;
}

static void copy_elements(EvalOp *o) {
  memcpy(o->out, o->in[0], (size_t)o->size * sizeof *o->out);
}

static AxisWalk walk_result(EvalOp *o) {
  AxisWalk w;
  walk_init(&w, o->e, o->n->ax, o->n->nax);
  walk_operand(&w, o->n->in[0]);
  return w;
}

static void read_elements(EvalOp *o, AxisWalk *w) {
  double *out = o->out;
  for (walk_start(w); w->more; walk_row(w)) {
    const double *from = o->in[0] + w->off[0];
    for (int64_t i = 0; i < w->inner; i++)
      *out++ = from[i * w->step[0]];
  }
}

// dy with the axes, then something done to it along them
static Node *expanded(Grad *r, Axis *const *ax, int n) {
  return g_expand(r->g, r->dy, ax, n);
}

void RENAME_shape(Shape *s) {
  const Attr *at = s->attr;
  const Node *x = s->in[0];
  s->dtype = x->dtype;
  for (int k = 0; k < at->nmap; k++) {
    has_axis(s, at->from[k]);
    shape_extent(s, at->to[k], at->from[k]->extent);
  }
  for (int i = 0; i < x->nax; i++) {
    Axis *a = x->ax[i];
    for (int k = 0; k < at->nmap; k++)
      if (at->from[k] == x->ax[i])
        a = at->to[k];
    shape_put(s, a);
  }
}
void RENAME_eval(EvalOp *o) {
  copy_elements(o);
}
void RENAME_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Axis *from[MAX_AXES], *to[MAX_AXES];
  int m = 0;
  for (int k = 0; k < at->nmap; k++)
    if (node_has(r->dy, at->to[k])) {
      from[m] = at->to[k];
      to[m++] = at->from[k];
    }
  grad_add(r, 0, g_rename(r->g, r->dy, from, to, m));
}

void SPLIT_shape(Shape *s) {
  Poly p;
  replace_axis(s, s->attr->axis, s->attr->axes, s->attr->naxes);
  if (product(s->attr->axes, s->attr->naxes, &p))
    shape_extent(s, s->attr->axis, p);
}
// The parts stand where the axis stood, the last fastest: the same elements in the same order.
void SPLIT_eval(EvalOp *o) {
  copy_elements(o);
}
static bool has_any(const Node *x, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    if (node_has(x, ax[i]))
      return true;
  return false;
}
void SPLIT_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  if (has_any(r->dy, at->axes, at->naxes))
    grad_add(r, 0, g_merge(r->g, expanded(r, at->axes, at->naxes), at->axes, at->naxes, at->axis));
  else
    grad_add(r, 0, r->dy);
}

void MERGE_shape(Shape *s) {
  const Attr *at = s->attr;
  const Node *x = s->in[0];
  Poly p;
  s->dtype = x->dtype;
  if (!at->naxes)
    shape_fail(s, "nothing to merge");
  for (int i = 0; i < at->naxes; i++) {
    has_axis(s, at->axes[i]);
    if (axis_in(at->axes, i, at->axes[i]))
      shape_fail(s, "axis %s twice", at->axes[i]->name);
  }
  for (int i = 0; i < x->nax; i++)
    if (at->naxes && x->ax[i] == at->axes[0])
      shape_put(s, at->axis);
    else if (!axis_in(at->axes, at->naxes, x->ax[i]))
      shape_put(s, x->ax[i]);
  if (product(at->axes, at->naxes, &p))
    shape_extent(s, at->axis, p);
}
void MERGE_eval(EvalOp *o) {
  const Node *n = o->n;
  AxisWalk w;
  walk_init(&w, o->e, NULL, 0);
  for (int i = 0; i < n->nax; i++)
    if (n->ax[i] != n->attr.axis)
      walk_axis(&w, n->ax[i]);
    else
      for (int k = 0; k < n->attr.naxes; k++)
        walk_axis(&w, n->attr.axes[k]);
  walk_operand(&w, n->in[0]);
  read_elements(o, &w);
}
void MERGE_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  grad_add(r, 0,
           node_has(r->dy, at->axis) ? g_split(r->g, r->dy, at->axis, at->axes, at->naxes) : r->dy);
}

static Poly end_of(const Axis *a, Poly lo) {
  return poly_add(lo, a->extent);
}

void SLICE_shape(Shape *s) {
  replace_axis(s, s->attr->axis, (Axis **)&s->attr->axis2, 1);
  shape_extent(s, s->attr->axis2, poly_sub(s->attr->hi, s->attr->lo));
}
// Sizes of the user's that are known at run time only may not fit.
static bool in_range(EvalOp *o, int64_t lo, int64_t hi) {
  int64_t extent = eval_extent(o->e, o->n->attr.axis);
  if (lo >= 0 && lo <= hi && hi <= extent)
    return true;
  eval_fail(o->e, o->n, "[%lld, %lld) is outside of %s, which has %lld elements", (long long)lo,
            (long long)hi, o->n->attr.axis->name, (long long)extent);
  return false;
}
static void read_from(EvalOp *o, int64_t lo) {
  const Attr *at = &o->n->attr;
  int64_t stride = eval_stride(o->e, o->n->in[0], at->axis);
  AxisWalk w = walk_result(o);
  if (at->axis2)
    walk_bind(&w, 0, at->axis2, stride);
  w.base[0] = lo * stride;
  read_elements(o, &w);
}
void SLICE_eval(EvalOp *o) {
  int64_t lo = eval_poly(o->e, &o->n->attr.lo), hi = eval_poly(o->e, &o->n->attr.hi);
  if (in_range(o, lo, hi))
    read_from(o, lo);
}
void SLICE_grad(Grad *r) {
  Attr *at = &r->n->attr;
  grad_add(r, 0, g_pad(r->g, expanded(r, &at->axis2, 1), at->axis2, at->lo, at->axis));
}

void INDEX_shape(Shape *s) {
  replace_axis(s, s->attr->axis, NULL, 0);
}
void INDEX_eval(EvalOp *o) {
  int64_t at = eval_poly(o->e, &o->n->attr.lo);
  if (in_range(o, at, at + 1))
    read_from(o, at);
}
void INDEX_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Axis *one = graph_axis(r->g, "one", -1, poly_const(1));
  grad_add(r, 0, g_pad(r->g, expanded(r, &one, 1), one, at->lo, at->axis));
}

void FLIP_shape(Shape *s) {
  s->dtype = s->in[0]->dtype;
  if (!s->attr->naxes)
    shape_fail(s, "no axes");
  for (int i = 0; i < s->attr->naxes; i++)
    has_axis(s, s->attr->axes[i]);
  shape_union(s, s->in[0]);
}
void FLIP_eval(EvalOp *o) {
  const Attr *at = &o->n->attr;
  AxisWalk w = walk_result(o);
  for (int i = 0; i < at->naxes; i++) {
    int64_t stride = eval_stride(o->e, o->n, at->axes[i]);
    walk_bind(&w, 0, at->axes[i], -stride);
    w.base[0] += (eval_extent(o->e, at->axes[i]) - 1) * stride;
  }
  read_elements(o, &w);
}
void FLIP_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Axis *ax[MAX_AXES];
  int m = 0;
  for (int i = 0; i < at->naxes; i++)
    if (node_has(r->dy, at->axes[i]))
      ax[m++] = at->axes[i];
  grad_add(r, 0, m ? g_flip(r->g, r->dy, ax, m) : r->dy);
}

// Writes operand k of o into the result from place `lo` of `to` on; `from` is its axis that becomes
// `to`.
static void write_at(EvalOp *o, int k, const Axis *from, const Axis *to, int64_t lo) {
  const Node *x = o->n->in[k];
  const double *in = o->in[k];
  AxisWalk w;
  walk_init(&w, o->e, x->ax, x->nax);
  walk_operand(&w, o->n);
  walk_bind(&w, 0, from, eval_stride(o->e, o->n, to));
  w.base[0] = lo * eval_stride(o->e, o->n, to);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      o->out[w.off[0] + i * w.step[0]] = *in++;
}

void PAD_shape(Shape *s) {
  int64_t before, after;
  const Attr *at = s->attr;
  replace_axis(s, at->axis, (Axis **)&at->axis2, 1);
  Poly rest = poly_sub(at->axis2->extent, end_of(at->axis, at->lo));
  if ((poly_is_const(&at->lo, &before) && before < 0) ||
      (poly_is_const(&rest, &after) && after < 0))
    shape_fail(s, "the operand does not fit into axis %s", at->axis2->name);
}
void PAD_eval(EvalOp *o) {
  const Attr *at = &o->n->attr;
  int64_t lo = eval_poly(o->e, &at->lo), extent = eval_extent(o->e, at->axis);
  if (lo < 0 || lo + extent > eval_extent(o->e, at->axis2))
    eval_fail(o->e, o->n, "padding does not fit into %s", at->axis2->name);
  else
    write_at(o, 0, at->axis, at->axis2, lo);
}
void PAD_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  if (node_has(r->dy, at->axis2))
    grad_add(r, 0, g_slice(r->g, r->dy, at->axis2, at->lo, end_of(at->axis, at->lo), at->axis));
  else
    grad_add(r, 0, r->dy);
}

void WINDOW_shape(Shape *s) {
  const Attr *at = s->attr;
  if (at->naxes != 1 || at->axes[0] == at->axis || at->axes[0] == at->axis2) {
    shape_fail(s, "a window has an axis of its own");
    return;
  }
  replace_axis(s, at->axis, (Axis **)&at->axis2, 1);
  if (!shape_has(s, at->axes[0]))
    shape_put(s, at->axes[0]);
}
// A walk whose second operand is the place along the axis.
static AxisWalk walk_places(EvalOp *o) {
  const Attr *at = &o->n->attr;
  AxisWalk w = walk_result(o);
  walk_bind(&w, 0, at->axis, 0);
  walk_operand(&w, o->n->in[0]);
  for (int i = 0; i < w.n; i++)
    walk_bind(&w, 1, w.ax[i], 0);
  walk_bind(&w, 1, at->axis2, at->i0);
  walk_bind(&w, 1, at->axes[0], eval_poly(o->e, &at->hi));
  w.base[1] = eval_poly(o->e, &at->lo);
  return w;
}
void WINDOW_eval(EvalOp *o) {
  int64_t extent = eval_extent(o->e, o->n->attr.axis),
          stride = eval_stride(o->e, o->n->in[0], o->n->attr.axis);
  AxisWalk w = walk_places(o);
  double *out = o->out;
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++, out++) {
      int64_t place = w.off[1] + i * w.step[1];
      if (place >= 0 && place < extent)
        *out = o->in[0][w.off[0] + i * w.step[0] + place * stride];
    }
}
// The places that a window reads, inside of x or not.
static Node *places_read(Graph *g, const Attr *at) {
  Node *out = g_iota(g, at->axis2), *in = g_iota(g, at->axes[0]);
  out = g_binary(g, OP_MUL, out, g_extent(g, DT_I32, poly_const(at->i0)));
  in = g_binary(g, OP_MUL, in, g_extent(g, DT_I32, at->hi));
  Node *sum = g_binary(g, OP_ADD, out, in), *lo = g_extent(g, DT_I32, at->lo);
  return g_binary(g, OP_ADD, sum, lo);
}
// dx is dy scattered to where it was read.
static Node *scattered_windows(Grad *r, Node *dy) {
  Graph *g = r->g;
  const Node *x = r->n->in[0];
  const Attr *at = &r->n->attr;
  Axis *keep[MAX_AXES];
  int m = 0;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != at->axis && node_has(dy, x->ax[i]))
      keep[m++] = x->ax[i];
  Node *place = places_read(g, at), *zero = g_const(g, DT_I32, 0),
       *size = g_extent(g, DT_I32, at->axis->extent), *some = g_binary(g, OP_LE, zero, place),
       *none = g_const(g, (DType)dy->dtype, 0);
  some = g_binary(g, OP_AND, some, g_binary(g, OP_LT, place, size));
  dy = g_select(g, some, dy, none);
  return g_scatter(g, g_select(g, some, place, zero), dy, at->axis, keep, m);
}
// Of stride 1, dx[a] = sum_k dy[a - hi k - lo, k], which is of windows of dy.
void WINDOW_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Axis *both[2] = {at->axis2, at->axes[0]}, *inner = both[1];
  Node *dy = expanded(r, both, 2);
  if (at->i0 != 1) {
    grad_add(r, 0, scattered_windows(r, dy));
    return;
  }
  Node *d = g_window(r->g, dy, at->axis2, at->axis, inner,
                     (Window){1, poly_scale(at->hi, -1), poly_scale(at->lo, -1)});
  grad_add(r, 0, node_has(r->n->in[0], inner) ? d : g_reduce(r->g, OP_SUM, d, &inner, 1));
}

void CONCAT_shape(Shape *s) {
  const Attr *at = s->attr;
  Poly sum = poly_const(0);
  if (s->nin != at->nmap || !s->nin) {
    shape_fail(s, "%d operands", s->nin);
    return;
  }
  replace_axis(s, at->from[0], (Axis **)&at->axis, 1);
  for (int i = 0; i < s->nin; i++) {
    const Node *x = s->in[i];
    if (x->dtype != s->dtype || x->nax != s->nax || !node_has(x, at->from[i]))
      shape_fail(s, "operand %d has another dtype or other axes", i);
    for (int k = 0; k < x->nax; k++)
      if (x->ax[k] != at->from[i] && !shape_has(s, x->ax[k]))
        shape_fail(s, "operand %d has axis %s", i, x->ax[k]->name);
    sum = poly_add(sum, at->from[i]->extent);
  }
  shape_extent(s, at->axis, sum);
}
void CONCAT_eval(EvalOp *o) {
  const Attr *at = &o->n->attr;
  int64_t lo = 0;
  for (int i = 0; i < o->n->nin; i++) {
    write_at(o, i, at->from[i], at->axis, lo);
    lo += eval_extent(o->e, at->from[i]);
  }
}
void CONCAT_grad(Grad *r) {
  const Attr *at = &r->n->attr;
  Poly lo = poly_const(0);
  for (int i = 0; i < r->n->nin; i++) {
    Poly hi = end_of(at->from[i], lo);
    if (grad_wants(r, i))
      grad_add(r, i,
               node_has(r->dy, at->axis) ? g_slice(r->g, r->dy, at->axis, lo, hi, at->from[i])
                                         : r->dy);
    lo = hi;
  }
}

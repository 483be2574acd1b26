// Where stored tensors lie: axis orders and strides of temporaries, and index maps as views of what
// is stored.  Parameters are in layout_params.c.
#include "codegen/plan/contract.h"
#include "codegen/plan/plan_internal.h"
#include <string.h>

int buf_add(Prog *g, BigsWhere where, DType t, Poly size, const char *name) {
  vec_push(g->a, &g->buf,
           (Buf){.where = where, .dtype = t, .size = size, .name = name, .number = -1});
  return g->buf.n - 1;
}

int table_buffer(Prog *g, const Node *n) {
  int64_t count;
  if (!extent_is(n->attr.axis, &count))
    BUG("a table of run-time length");
  int buf = buf_add(g, BIGS_CONSTANT, (DType)n->dtype, poly_const(count), "table");
  char *data = arena_alloc(g->a, (size_t)(count * dtype_size((DType)n->dtype)));
  for (int64_t i = 0; i < count; i++) {
    double v = n->attr.data[i];
    switch (n->dtype) {
    case DT_F32: ((float *)data)[i] = (float)v; break;
    case DT_F64: ((double *)data)[i] = v; break;
    case DT_BF16: ((uint16_t *)data)[i] = bf16_of(v); break;
    case DT_I32: ((int32_t *)data)[i] = (int32_t)v; break;
    case DT_BOOL: data[i] = v != 0; break;
    default: BUG("a table of %s", dtype_name((DType)n->dtype));
    }
  }
  g->buf.v[buf].data = data;
  g->buf.v[buf].table = n;
  return buf;
}

int place_axis(const Place *pl, const Axis *a) {
  for (int i = 0; i < pl->nax; i++)
    if (pl->ax[i] == a)
      return i;
  return -1;
}

Poly place_stride(const Place *pl, const Axis *a) {
  int i = place_axis(pl, a);
  return i < 0 ? poly_const(0) : pl->stride[i];
}

static Place *place_alloc(Prog *g, int buf, DType t, int nax) {
  Place *pl = NEW(g->a, Place);
  pl->buf = buf;
  pl->dtype = t;
  pl->nax = nax;
  pl->ax = NEWN(g->a, Axis *, nax + 1);
  pl->stride = NEWN(g->a, Poly, nax + 1);
  pl->nstep = NEWN(g->a, int64_t, nax + 1);
  return pl;
}

static Place *place_copy(Prog *g, const Place *from, int nax) {
  Place *pl = place_alloc(g, from->buf, from->dtype, nax);
  pl->width = from->width;
  pl->panel = from->panel;
  pl->nlo = from->nlo;
  pl->pairs = from->pairs;
  pl->base = from->base;
  return pl;
}

Place *place_dense(Prog *g, int buf, DType t, Axis *const *ax, int nax) {
  Place *pl = place_alloc(g, buf, t, nax);
  Poly s = poly_const(1);
  for (int i = nax - 1; i >= 0; i--) {
    pl->ax[i] = ax[i];
    pl->stride[i] = s;
    s = poly_mul(s, ax[i]->extent);
  }
  return pl;
}

static bool among(Axis *const *ax, int n, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (ax[i] == a)
      return true;
  return false;
}

// Run-time axes outermost, then constant ones, each in the node's order, then `inner`.
static void choose_order(const Node *n, Axis *const *inner, int ninner, Axis **out) {
  int k = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < n->nax; i++)
      if (!among(inner, ninner, n->ax[i]) && is_feature(n->ax[i]) == (pass == 1))
        out[k++] = n->ax[i];
  for (int i = 0; i < ninner; i++)
    out[k++] = inner[i];
}

// Of rows of constant length, whole pieces.  That of short ones would be much memory that nobody uses.
static int64_t whole_pieces(const Planner *p, int64_t extent, DType t) {
  enum { SHORT = 64 };
  int64_t piece = p->o.on->row_piece / dtype_size(t);
  return extent < SHORT || !piece ? extent : (extent + piece - 1) / piece * piece;
}

// Rows of constant length: an odd number of cache lines apart, or whole pieces.
static int64_t row_stride(const Planner *p, int64_t extent, DType t) {
  int64_t per_line = p->o.on->row_line / dtype_size(t);
  if (extent < 16 || !per_line)
    return whole_pieces(p, extent, t);
  int64_t lines = (extent + per_line - 1) / per_line;
  return (lines | 1) * per_line;
}

// Of an axis without elements one may be read all the same: see still_there.
static Poly room_along(const Graph *g, const Axis *a) {
  return may_be_empty(g, a) ? poly_add(a->extent, poly_const(1)) : a->extent;
}

Place *place_new_of(Prog *g, const Node *n, DType t, Axis *const *inner, int ninner, bool kept) {
  Axis *order[MAX_AXES];
  choose_order(n, inner, ninner, order);
  Place *pl = place_dense(g, -1, t, order, n->nax);
  int64_t block = 1, e;
  int i = n->nax;
  while (i > 0 && is_feature(order[i - 1])) {
    extent_is(order[--i], &e);
    block *= e;
  }
  Poly s = poly_const(i ? row_stride(g->p, block, t) : block), size = s;
  while (i > 0) {
    i--;
    pl->stride[i] = s;
    s = poly_mul(s, order[i]->extent);
    size = poly_mul(size, room_along(g->g, order[i]));
  }
  pl->buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, t, size, n->fn ? n->fn : op_name(n->op));
  return pl;
}

Place *place_new(Prog *g, const Node *n, Axis *const *inner, int ninner, bool kept) {
  return place_new_of(g, n, stored_dtype(g, n), inner, ninner, kept);
}

static int place_in(Axis *const *ax, int n, const Axis *a) {
  int i = 0;
  while (i < n && ax[i] != a)
    i++;
  return i < n ? i + 1 : 0;
}

// Do nothing but products read n, perhaps under other names?  Then sum[i] is the place of axis i, from 1 on, in the sum of one
// that sums over axis `vec` and others, 0 if it does not sum over it.
static bool only_products(const Prog *g, const Node *n, int vec, int *sum) {
  for (int i = 0; i < info_of(g, n)->nuse; i++) {
    const Node *c = info_of(g, n)->use[i];
    if (c->op == OP_RENAME ? !only_products(g, c, vec, sum) : !contract_fits_tile(g, c))
      return false;
    if (c->op == OP_RENAME || !axis_in(c->attr.axes, c->attr.naxes, n->ax[vec]))
      continue;
    for (int k = 0; k < n->nax; k++)
      sum[k] = is_feature(n->ax[k]) ? place_in(c->attr.axes, c->attr.naxes, n->ax[k]) : 0;
  }
  return true;
}

int place_innermost(const Prog *g, const Node *n, int vec, Axis **out) {
  int sum[MAX_AXES] = {0}, k = 0;
  bool only = only_products(g, n, vec, sum);
  for (int at = 1; only && at <= MAX_AXES; at++)
    for (int i = 0; i < n->nax; i++)
      if (i != vec && sum[i] == at)
        out[k++] = n->ax[i];
  out[k++] = n->ax[vec];
  return k;
}

// ---- views

static void set_axis(Place *pl, int k, Axis *a, Poly stride, int64_t nstep) {
  pl->ax[k] = a;
  pl->stride[k] = stride;
  pl->nstep[k] = nstep;
}

// pl with axis `at` replaced by n others that have the strides of the parts, last fastest.
static Place *split_axis(Prog *g, const Place *pl, int at, Axis *const *parts, int n) {
  Place *out = place_copy(g, pl, pl->nax - 1 + n);
  int k = 0;
  for (int i = 0; i < pl->nax; i++) {
    if (i != at) {
      set_axis(out, k++, pl->ax[i], pl->stride[i], pl->nstep[i]);
      continue;
    }
    Poly inner = poly_const(1);
    for (int j = n - 1; j >= 0; j--) {
      int64_t c = 0;
      if (pl->nstep[i] && !poly_is_const(&inner, &c))
        return NULL;
      set_axis(out, k + j, parts[j], poly_mul(pl->stride[i], inner), pl->nstep[i] * c);
      inner = poly_mul(inner, parts[j]->extent);
    }
    k += n;
  }
  return out;
}

// The other way; NULL when the parts' strides are not those of one axis.
static Place *merge_axes(Prog *g, const Place *pl, Axis *const *parts, int n, Axis *to) {
  int last = place_axis(pl, parts[n - 1]);
  if (last < 0)
    return NULL;
  Poly s = pl->stride[last];
  int64_t ns = pl->nstep[last];
  for (int j = n - 2; j >= 0; j--) {
    int i = place_axis(pl, parts[j]);
    int64_t e = 0;
    s = poly_mul(s, parts[j + 1]->extent);
    if (i < 0 || !poly_eq(&pl->stride[i], &s) || (ns && !extent_is(parts[j + 1], &e)) ||
        pl->nstep[i] != (ns *= e))
      return NULL;
  }
  Place *out = place_copy(g, pl, pl->nax + 1 - n);
  int k = 0;
  for (int i = 0; i < pl->nax; i++)
    if (!among(parts, n, pl->ax[i]))
      set_axis(out, k++, pl->ax[i], pl->stride[i], pl->nstep[i]);
  set_axis(out, k, to, pl->stride[last], pl->nstep[last]);
  return out;
}

static Place *rename_axes(Prog *g, const Place *pl, Axis *const *from, Axis *const *to, int n) {
  Place *out = place_copy(g, pl, pl->nax);
  for (int i = 0; i < pl->nax; i++) {
    Axis *a = pl->ax[i];
    for (int k = 0; k < n; k++)
      if (from[k] == pl->ax[i])
        a = to[k];
    set_axis(out, i, a, pl->stride[i], pl->nstep[i]);
  }
  return out;
}

// pl from element `lo` of axis `from` on, which is then called `to` (NULL: gone).
static Place *shift_axis(Prog *g, const Place *pl, const Axis *from, Poly lo, Axis *to) {
  int at = place_axis(pl, from);
  int64_t c = 0;
  if (at < 0 || (pl->nstep[at] && !poly_is_const(&lo, &c)) || !poly_mul_fits(&lo, &pl->stride[at]))
    return NULL;
  Place *out = place_copy(g, pl, pl->nax - (to ? 0 : 1));
  int k = 0;
  for (int i = 0; i < pl->nax; i++)
    if (i != at)
      set_axis(out, k++, pl->ax[i], pl->stride[i], pl->nstep[i]);
    else if (to)
      set_axis(out, k++, to, pl->stride[i], pl->nstep[i]);
  out->base = poly_add(pl->base, poly_mul(lo, pl->stride[at]));
  out->nlo = pl->nlo + c * pl->nstep[at];
  return out;
}

static Place *flip_axes(Prog *g, const Place *pl, Axis *const *ax, int n) {
  Place *out = place_copy(g, pl, pl->nax);
  for (int i = 0; i < pl->nax; i++) {
    set_axis(out, i, pl->ax[i], pl->stride[i], pl->nstep[i]);
    if (!among(ax, n, pl->ax[i]))
      continue;
    if (pl->nstep[i])
      return NULL;
    Poly last = poly_sub(pl->ax[i]->extent, poly_const(1));
    out->base = poly_add(out->base, poly_mul(last, pl->stride[i]));
    out->stride[i] = poly_scale(pl->stride[i], -1);
  }
  return out;
}

Place *place_view(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  if (f->place)
    return f->place;
  const Attr *at = &n->attr;
  if (widens_product(g, n))
    return place_view(g, n->in[0]);
  if (view_base(n) == n)
    return NULL;
  Place *x = place_view(g, n->in[0]);
  if (!x)
    return NULL;
  switch (n->op) {
  case OP_RENAME: return rename_axes(g, x, at->from, at->to, at->nmap);
  case OP_SPLIT:
    return place_axis(x, at->axis) < 0
               ? NULL
               : split_axis(g, x, place_axis(x, at->axis), at->axes, at->naxes);
  case OP_MERGE: return merge_axes(g, x, at->axes, at->naxes, at->axis);
  case OP_SLICE: return shift_axis(g, x, at->axis, at->lo, at->axis2);
  case OP_INDEX: return shift_axis(g, x, at->axis, at->lo, NULL);
  case OP_FLIP: return flip_axes(g, x, at->axes, at->naxes);
  default: return NULL;
  }
}

Place *place_through(Prog *g, const Node *map, const Place *dest) {
  const Attr *at = &map->attr;
  if (map->op == OP_RENAME)
    return rename_axes(g, dest, at->to, at->from, at->nmap);
  if (map->op == OP_SPLIT)
    return merge_axes(g, dest, at->axes, at->naxes, at->axis);
  if (map->op == OP_MERGE && place_axis(dest, at->axis) >= 0)
    return split_axis(g, dest, place_axis(dest, at->axis), at->axes, at->naxes);
  return NULL;
}

Place *place_piece(Prog *g, const Node *concat, int i, const Place *whole) {
  Poly lo = poly_const(0);
  for (int k = 0; k < i; k++)
    lo = poly_add(lo, concat->attr.from[k]->extent);
  return shift_axis(g, whole, concat->attr.axis, lo, concat->attr.from[i]);
}

// ---- the vector axis of a kernel

// Adds to vote[i] what n's derivation gains when ax[i] is the vector axis: one for each tensor read
// along it at stride 1, less for one read at other strides.  `map` is how n's axes appear to the
// root: only those read by identity count.
static void vote(Prog *g, Node *n, Axis *const *ax, int nax, double *votes) {
  Info *f = info_of(g, n);
  if (f->stamp[0] == g->stamp)
    return;
  f->stamp[0] = g->stamp;
  Place *pl = place_view(g, n);
  for (int i = 0; pl && i < nax; i++) {
    int k = place_axis(pl, ax[i]);
    int64_t s;
    if (k < 0)
      continue;
    bool unit = pl->nstep[k] == 1 || (!pl->nstep[k] && poly_is_const(&pl->stride[k], &s) && s == 1);
    votes[i] += (unit ? 1 : -0.5) * n->nax / (nax + 1.0);
  }
  if (pl || (op_flags(n->op) & F_LEAF))
    return;
  for (int i = 0; i < n->nin; i++)
    vote(g, n->in[i], ax, nax, votes);
}

Axis *vector_axis(Prog *g, Node *n, const Place *dest) {
  double votes[MAX_AXES] = {0};
  if (!n->nax)
    return NULL;
  g->stamp++;
  for (int i = 0; i < n->nax; i++) {
    int64_t e, s;
    bool feature = is_feature(n->ax[i]) && extent_is(n->ax[i], &e);
    votes[i] = 0.01 * i + (feature ? (e < 4 ? -0.3 : 0.05) : 0);
    int k = dest ? place_axis(dest, n->ax[i]) : -1;
    if (k >= 0 &&
        (dest->nstep[k] == 1 || (!dest->nstep[k] && poly_is_const(&dest->stride[k], &s) && s == 1)))
      votes[i] += 1;
  }
  if (op_flags(n->op) & F_LEAF)
    vote(g, n, n->ax, n->nax, votes);
  for (int i = 0; i < n->nin; i++)
    vote(g, n->in[i], n->ax, n->nax, votes);
  int best = 0;
  for (int i = 1; i < n->nax; i++)
    if (votes[i] >= votes[best])
      best = i;
  return n->ax[best];
}

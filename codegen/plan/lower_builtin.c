// Convolutions and scatters as steps of library code.
#include "codegen/plan/contract.h"
#include "runtime/builtin.h"
#include <string.h>

// The list is one axis in pl (with the last one's stride), in its order.
static bool merges(const Place *pl, Axis *const *ax, int n) {
  for (int i = 0; i + 1 < n; i++) {
    Poly in = place_stride(pl, ax[i + 1]), out = place_stride(pl, ax[i]);
    if (!poly_mul_fits(&in, &ax[i + 1]->extent))
      return false;
    in = poly_mul(in, ax[i + 1]->extent);
    if (!poly_eq(&in, &out))
      return false;
  }
  return true;
}

static bool unit_inner(const Place *pl, Axis *const *ax, int n) {
  int64_t s;
  if (!n)
    return true;
  Poly p = place_stride(pl, ax[n - 1]);
  return merges(pl, ax, n) && poly_is_const(&p, &s) && s == 1;
}

static bool all_there(const Place *pl, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    if (place_axis(pl, ax[i]) < 0)
      return false;
  return true;
}

Place *staged_rows(Prog *g, Node *n, Axis *const *order, int norder, int ninner) {
  return staged_rows_of(g, n, copied_dtype(g, n), order, norder, ninner);
}

Place *staged_rows_of(Prog *g, Node *n, DType t, Axis *const *order, int norder, int ninner) {
  Place *pl = place_view(g, n);
  if (pl && !pl->width && pl->dtype == t && all_there(pl, order, norder) &&
      unit_inner(pl, order + norder - ninner, ninner) && merges(pl, order, norder - ninner - 1))
    return pl;
  bool kept = g->prologue && info_of(g, n)->steady;
  for (int i = 0; i < g->staged.n; i++) {
    const Staged *s = &g->staged.v[i];
    if (s->node == n && s->place->nax == norder && s->place->dtype == t &&
        !memcmp(s->place->ax, order, sizeof *order * (size_t)norder))
      return s->place;
  }
  int buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, t, extents(order, norder), "reordered");
  pl = place_dense(g, buf, t, order, norder);
  fuse_copy(g, n, pl, kept);
  vec_push(g->a, &g->staged, (Staged){n, pl, g->inst.v[g->inst.n - 1], 0});
  return pl;
}

// ---- convolution

typedef struct Conv {
  int nbatch, nchan;
  Axis *order[2 * MAX_AXES]; // batch, the convolved axis, channels
} Conv;

// Channels are the axes of k, or all constant axes of u where k is shared.
static void conv_axes(const Node *u, Axis *const *kax, int nk, const Axis *along, Conv *v) {
  bool own = nk > 1;
  int n = 0;
  Axis *chan[MAX_AXES];
  v->nchan = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < u->nax; i++) {
      Axis *a = u->ax[i];
      if (a == along)
        continue;
      bool channel = own ? axis_in(kax, nk, a) : is_feature(a);
      if (channel && pass == 1)
        chan[v->nchan++] = a;
      if (!channel && pass == 0)
        v->order[n++] = a;
    }
  v->nbatch = n;
  v->order[n++] = (Axis *)along;
  for (int i = 0; i < v->nchan; i++)
    v->order[n++] = chan[i];
}

static bool stored_rows(const Place *pl, const Conv *v) {
  return !pl->width && unit_inner(pl, v->order + v->nbatch + 1, v->nchan) &&
         merges(pl, v->order, v->nbatch);
}

// A temporary without padding.
static Place *packed(Prog *g, const Node *n, Axis *const *order, bool kept) {
  int buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, (DType)n->dtype, extents(order, n->nax),
                    op_name(n->op));
  return place_dense(g, buf, (DType)n->dtype, order, n->nax);
}

static Inst *loops(Prog *g, Node *n) {
  return inst_new(g, IK_LOOPS, n);
}

static Inst *plan_conv(Prog *g, Node *n) {
  Node *u = n->in[0], *other = n->in[1];
  bool grad = n->op == OP_CONV_GRAD;
  Axis *kax[MAX_AXES];
  int nk = 0;
  if (grad) {
    for (int i = 0; i < n->nax; i++)
      kax[nk++] = n->ax[i];
  } else {
    for (int i = 0; i < other->nax; i++)
      kax[nk++] = other->ax[i];
  }
  Conv v;
  if (!g->p->o.on->builtins || n->dtype != DT_F32 ||
      (grad && !axes_equal_sets(u->ax, u->nax, other->ax, other->nax)) ||
      !axis_in(kax, nk, n->attr.axis))
    return loops(g, n);
  conv_axes(u, kax, nk, n->attr.axis, &v);
  for (int i = 0; i < nk; i++)
    if (!node_has(u, kax[i]))
      return loops(g, n);
  int norder = u->nax;
  Place *pu = staged_rows_of(g, u, DT_F32, v.order, norder, v.nchan), *po;
  if (grad) {
    po = staged_rows_of(g, other, DT_F32, v.order, norder, v.nchan);
  } else {
    Axis **korder = NEWN(g->a, Axis *, nk);
    int m = 0;
    korder[m++] = n->attr.axis;
    for (int i = 0; i < v.nchan && nk > 1; i++)
      korder[m++] = v.order[v.nbatch + 1 + i];
    po = staged_rows_of(g, other, DT_F32, korder, nk, nk - 1);
  }
  Info *f = info_of(g, n);
  Inst *k = inst_new(g, IK_BUILTIN, n);
  Place *out = f->dest;
  if (grad) {
    Axis **korder = NEWN(g->a, Axis *, nk);
    int m = 0;
    korder[m++] = n->attr.axis;
    for (int i = 0; i < v.nchan && nk > 1; i++)
      korder[m++] = v.order[v.nbatch + 1 + i];
    if (!out || out->width || !unit_inner(out, korder + 1, nk - 1))
      out = packed(g, n, korder, k->prologue);
  } else if (!out || !stored_rows(out, &v)) {
    out = place_new(g, n, v.order + v.nbatch + 1, v.nchan, k->prologue);
    if (!stored_rows(out, &v))
      out = packed(g, n, v.order, k->prologue);
  }
  k->arg[0] = pu;
  k->arg[1] = po;
  k->arg[2] = f->place = out;
  k->row = NEWN(g->a, Axis *, norder);
  memcpy(k->row, v.order, sizeof *k->row * (size_t)norder);
  k->nrow = v.nbatch;
  k->ncol = v.nchan;
  return k;
}

// ---- scatter

static Inst *plan_scatter(Prog *g, Node *n) {
  Node *ids = n->in[0], *src = n->in[1];
  Axis *order[2 * MAX_AXES], *kept[MAX_AXES];
  int rows = 0, nk = n->attr.naxes;
  const Node *both[2] = {src, ids};
  Poly n_ids, n_rows;
  if (g->p->o.on->sorts && scatter_counts(n, &n_ids, &n_rows))
    return inst_new(g, IK_SCATTER, n);
  if (!g->p->o.on->builtins || n->dtype != DT_F32)
    return loops(g, n);
  for (int i = 0; i < nk; i++) {
    kept[i] = n->attr.axes[i];
    if (!node_has(src, kept[i]) || node_has(ids, kept[i]))
      return loops(g, n);
  }
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < both[b]->nax; i++)
      if (!axis_in(kept, nk, both[b]->ax[i]) && !axis_in(order, rows, both[b]->ax[i]))
        order[rows++] = both[b]->ax[i];
  Info *f = info_of(g, n);
  Axis *all[2 * MAX_AXES];
  memcpy(all, order, sizeof *all * (size_t)rows);
  memcpy(all + rows, kept, sizeof *all * (size_t)nk);
  Place *out = f->dest;
  if (out && (out->width || !unit_inner(out, kept, nk)))
    return loops(g, n);
  if (rows < 1)
    return loops(g, n);
  // staged_rows lets the last axis before the columns have its own stride; here all rows are one
  // index
  Place *psrc = place_view(g, src);
  if (!psrc || psrc->width || psrc->dtype != DT_F32 || !all_there(psrc, all, rows + nk) ||
      !unit_inner(psrc, kept, nk) || !merges(psrc, order, rows)) {
    bool life = g->prologue && info_of(g, src)->steady;
    psrc = place_dense(
        g, buf_add(g, life ? BIGS_KEPT : BIGS_ARENA, DT_F32, extents(all, rows + nk), "reordered"),
        DT_F32, all, rows + nk);
    fuse_copy(g, src, psrc, life);
  }
  Place *pid = place_view(g, ids);
  if (!pid || !all_there(pid, order, rows) || !unit_inner(pid, order, rows)) {
    bool life = g->prologue && info_of(g, ids)->steady;
    pid = place_dense(
        g, buf_add(g, life ? BIGS_KEPT : BIGS_ARENA, DT_I32, extents(order, rows), "ids"), DT_I32,
        order, rows);
    fuse_copy(g, ids, pid, life);
  }
  Inst *k = inst_new(g, IK_BUILTIN, n);
  if (!out)
    out = place_new(g, n, kept, nk, k->prologue);
  if (!unit_inner(out, kept, nk)) {
    Axis *order_out[MAX_AXES] = {n->attr.axis};
    memcpy(order_out + 1, kept, sizeof *kept * (size_t)nk);
    out = packed(g, n, order_out, k->prologue);
  }
  k->arg[0] = pid;
  k->arg[1] = psrc;
  k->arg[2] = f->place = out;
  k->row = NEWN(g->a, Axis *, rows + 1);
  memcpy(k->row, order, sizeof *order * (size_t)rows);
  k->nrow = rows;
  k->col = NEWN(g->a, Axis *, nk + 1);
  memcpy(k->col, kept, sizeof *kept * (size_t)nk);
  k->ncol = nk;
  return k;
}

Inst *builtin_plan(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  f->place = NULL;
  Inst *k = n->op == OP_SCATTER   ? plan_scatter(g, n)
            : toeplitz_fits(g, n) ? toeplitz_plan(g, n)
            : lags_fit(g, n)      ? lags_plan(g, n)
                                  : plan_conv(g, n);
  if (!f->place)
    f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
  return k;
}

// ---- steps

static BigsScalar size(Prog *g, Poly p) {
  return (BigsScalar){.kind = 2, .size = plan_size(g->p, p)};
}

static int32_t argument(Prog *g, const Place *pl) {
  if (!pl->base.n)
    return pl->buf;
  int b = buf_add(g, BIGS_PIECE, pl->dtype, g->buf.v[pl->buf].size, g->buf.v[pl->buf].name);
  g->buf.v[b].index = pl->buf;
  g->buf.v[b].offset = pl->base;
  return b;
}

static Poly last_stride(const Place *pl, Axis *const *ax, int n) {
  return n ? place_stride(pl, ax[n - 1]) : poly_const(0);
}

static void count_work(Prog *g, const Inst *k, const Poly *bytes) {
  const Node *n = k->root, *kernels = n->op == OP_CONV_GRAD ? n : n->in[1];
  if (n->op == OP_SCATTER)
    work_scatter(g, extents(k->row, k->nrow), extents(k->col, k->ncol), bytes);
  else
    work_conv(g, n, extents(n->in[0]->ax, n->in[0]->nax), extents(kernels->ax, kernels->nax),
              bytes);
}

// All of them write their last argument.
static const uint8_t written_by_builtin[] = {0, 0, 1};

void lower_builtin(Prog *g, Inst *k) {
  Node *n = k->root;
  if (!info_of(g, n)->needed)
    return;
  BigsStep s = {.kind = BIGS_BUILTIN,
                .narg = 3,
                .label = inst_label(g, k),
                .source = inst_source(g, k),
                .module = inst_module(k)};
  int32_t *arg = NEWN(g->a, int32_t, 3);
  BigsScalar *v = NEWN(g->a, BigsScalar, 10);
  for (int i = 0; i < 3; i++)
    arg[i] = argument(g, k->arg[i]);
  int c = 0;
  if (n->op == OP_SCATTER) {
    s.index = BIGS_SCATTER;
    v[c++] = size(g, extents(k->row, k->nrow));
    v[c++] = size(g, extents(k->col, k->ncol));
    v[c++] = size(g, last_stride(k->arg[1], k->row, k->nrow));
    v[c++] = size(g, n->attr.axis->extent);
    v[c++] = size(g, place_stride(k->arg[2], n->attr.axis));
    v[c++] = size(g, poly_const(k->accumulate));
  } else {
    bool grad = n->op == OP_CONV_GRAD;
    const Place *u = k->arg[0], *y = grad ? k->arg[1] : k->arg[2],
                *kp = grad ? k->arg[2] : k->arg[1];
    Axis *along = n->attr.axis, **chan = k->row + k->nrow + 1;
    int kernel_axes = grad ? n->nax : n->in[1]->nax;
    s.index = grad ? BIGS_CONV_GRAD : BIGS_CONV;
    v[c++] = size(g, extents(k->row, k->nrow));
    v[c++] = size(g, along->extent);
    v[c++] = size(g, extents(chan, k->ncol));
    v[c++] = size(g, last_stride(u, k->row, k->nrow));
    v[c++] = size(g, place_stride(u, along));
    v[c++] = size(g, last_stride(y, k->row, k->nrow));
    v[c++] = size(g, place_stride(y, along));
    v[c++] = size(g, place_stride(kp, along));
    v[c++] = size(g, kernel_axes > 1 ? last_stride(kp, chan, k->ncol) : poly_const(0));
    v[c++] = size(g, poly_const(n->attr.reverse));
  }
  s.arg = arg;
  s.written = written_by_builtin;
  s.scalar = v;
  s.nscalar = c;
  Poly bytes = plan_traffic_of(g, arg, 3);
  s.bytes = plan_size(g->p, bytes);
  if (is_counted(g) && !k->prologue)
    count_work(g, k, &bytes);
  s.work = (uint8_t)inst_work(k);
  vec_push(g->a, &g->step, s);
}

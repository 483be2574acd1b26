// How a contraction becomes register tiles: which operand is the vector side, which axes make up
// rows, columns and the summed index, and which operand has to be copied into another order first.
#include "codegen/plan/contract.h"
#include "base/hash.h"
#include <string.h>

static int64_t nstep_of(const Place *pl, const Axis *a) {
  int i = place_axis(pl, a);
  return i < 0 ? 0 : pl->nstep[i];
}

// Order of magnitude of the distance along an axis, to sort by.
static double distance(const Place *pl, const Axis *a) {
  int64_t sym[MAX_SYMS];
  for (int i = 0; i < MAX_SYMS; i++)
    sym[i] = 61;
  Poly s = place_stride(pl, a);
  double d = (double)poly_eval(&s, sym);
  if (nstep_of(pl, a))
    d = (double)nstep_of(pl, a);
  return d < 0 ? -d : d;
}

void contract_sort_axes(const Place *pl, Axis **ax, int n) {
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && distance(pl, ax[j]) > distance(pl, ax[j - 1]); j--) {
      Axis *t = ax[j];
      ax[j] = ax[j - 1];
      ax[j - 1] = t;
    }
}

// Number of last axes of the list that are one axis in pl.
static int merged_tail(const Place *pl, Axis *const *ax, int n) {
  int k = n ? 1 : 0;
  while (k < n) {
    const Axis *in = ax[n - k], *out = ax[n - k - 1];
    Poly s = place_stride(pl, in), want;
    int64_t e = 0, ns = nstep_of(pl, in);
    if (!poly_mul_fits(&s, &in->extent))
      break;
    want = poly_mul(s, in->extent);
    s = place_stride(pl, out);
    if (!poly_eq(&s, &want) || (ns && !extent_is(in, &e)) || nstep_of(pl, out) != ns * e)
      break;
    k++;
  }
  return k;
}

bool place_merges(const Place *pl, Axis *const *ax, int n) {
  return merged_tail(pl, ax, n) == n;
}

static bool stride_is(const Place *pl, const Axis *a, int64_t want) {
  int64_t v;
  Poly s = place_stride(pl, a);
  return poly_is_const(&s, &v) && v == want;
}

// Columns can be read in place: at stride 1 (or any), or panels whose columns they are.
static bool columns_direct(const Planner *p, const Tile *t, const Place *b) {
  const Axis *last = t->n.ax[t->n.n - 1];
  if (p->o.on->any_columns && !b->width)
    return merged_tail(b, t->n.ax, t->n.n) == t->n.n;
  if (!b->width)
    return stride_is(b, last, 1);
  if (b->nlo || nstep_of(b, last) != 1 || merged_tail(b, t->n.ax, t->n.n) != t->n.n)
    return false;
  for (int i = 0; i < b->nax; i++)
    if ((b->nstep[i] != 0) != axis_in(t->n.ax, t->n.n, b->ax[i]))
      return false;
  for (int i = 0; i < t->n.n; i++)
    if (!stride_is(b, t->n.ax[i], 0))
      return false;
  return true;
}

static bool is_plain(const Place *pl) {
  return pl && !pl->width;
}

// A transpose reads the summed index at stride 1 and writes panels of the columns; or it turns a
// parameter's panels.
static StageKind transposable(const Tile *t, const Place *b) {
  if (merged_tail(b, t->k.ax, t->k.n) != t->k.n || merged_tail(b, t->n.ax, t->n.n) != t->n.n ||
      b->dtype != DT_F32)
    return STAGE_COPY;
  const Axis *k = t->k.ax[t->k.n - 1];
  if (!b->width)
    return stride_is(b, k, 1) ? STAGE_TRANSPOSE : STAGE_COPY;
  if (b->nlo || t->batch.n || nstep_of(b, k) != 1)
    return STAGE_COPY;
  for (int i = 0; i < t->n.n; i++)
    if (nstep_of(b, t->n.ax[i]))
      return STAGE_COPY;
  return STAGE_PANELS;
}

static bool steady_in_entry(Prog *g, const Node *n) {
  return g->prologue && info_of(g, n)->steady;
}

// What a task derives is written nowhere.
static bool is_copied(StageKind s) {
  return s != STAGE_NONE && s != STAGE_ROWS;
}

static double stage_cost(Prog *g, const Node *x, StageKind s) {
  if (!is_copied(s))
    return 0;
  return size_estimate(x->ax, x->nax) * (steady_in_entry(g, x) ? 0.05 : s == STAGE_COPY ? 4 : 1);
}

// Where the result, or what its epilogue ends in, has to go; NULL: anywhere.
static const Place *wanted_place(Prog *g, const Node *c) {
  const Node *v = c;
  while (!info_of(g, v)->dest && info_of(g, v)->nuse == 1 && info_of(g, v)->pulled) {
    while (info_of(g, v)->nuse == 1 && !info_of(g, v)->want)
      v = info_of(g, v)->use[0];
    break;
  }
  return info_of(g, v)->dest;
}

static double output_cost(Prog *g, const Tile *t, const Node *c) {
  const Place *dest = wanted_place(g, c);
  double size = size_estimate(c->ax, c->nax);
  const Axis *last = t->n.ax[t->n.n - 1];
  if (dest)
    return nstep_of(dest, last) == 1 || (!dest->width && stride_is(dest, last, 1)) ? 0 : 2 * size;
  bool feature_n = is_feature(last), feature_m = false;
  for (int i = 0; i < t->m.n; i++)
    feature_m |= is_feature(t->m.ax[i]);
  return !feature_n && feature_m ? 0.2 * size : 0;
}

static void push(AxisList *l, Axis *a) {
  l->ax[l->n++] = a;
}

void contract_classify(const Node *c, int side, Tile *t) {
  const Node *b = c->in[side], *a = c->in[1 - side];
  t->side = side;
  for (int i = 0; i < c->attr.naxes; i++)
    push(&t->k, c->attr.axes[i]);
  for (int i = 0; i < a->nax; i++)
    if (!axis_in(t->k.ax, t->k.n, a->ax[i]))
      push(node_has(b, a->ax[i]) ? &t->batch : &t->m, a->ax[i]);
  for (int i = 0; i < b->nax; i++)
    if (!axis_in(t->k.ax, t->k.n, b->ax[i]) && !node_has(a, b->ax[i]))
      push(&t->n, b->ax[i]);
}

// Do a's lines of memory hold values of several products of the batch, for each of its indices k or m?
static bool batch_inside(const Tile *t) {
  if (!t->batch.n)
    return false;
  const Axis *in = t->batch.ax[t->batch.n - 1];
  const AxisList *l[2] = {&t->k, &t->m};
  double batch = distance(t->a, in);
  for (int i = 0; i < 2; i++)
    if (l[i]->n && distance(t->a, l[i]->ax[l[i]->n - 1]) <= batch)
      return false;
  return batch > 0 && is_feature(in);
}

// A long sum would go over all of those lines for each of the batch.
static bool far_apart(const Prog *g, const Tile *t) {
  return !t->pairs && !t->quads && g->p->o.on->tile_work && !sum_is_known(t) && batch_inside(t);
}

static bool reads_rows(const Tile *t, const Place *a) {
  return is_plain(a) && merged_tail(a, t->k.ax, t->k.n) == t->k.n;
}

// Where the tile can read it; NULL: it is derived, or of a dtype that the machine does not multiply.
static Place *operand_place(Prog *g, const Node *c, Node *x) {
  Place *pl = shadow_view(g, c, x);
  pl = pl ? pl : place_view(g, x);
  return pl && (pl->dtype == DT_F32 || g->p->o.on->bf16_products) ? pl : NULL;
}

// The order of k is A's where a tile can read A.
static bool try_pairs(Prog *g, Node *c, int side, Tile *t, double *cost) {
  Node *a = c->in[1 - side], *b = c->in[side];
  t->pairs = true;
  t->a = place_view(g, a);
  t->b = place_view(g, b);
  const Place *first = is_plain(t->a) || !t->b ? t->a : t->b;
  if (first)
    contract_sort_axes(first, t->k.ax, t->k.n);
  if (t->a)
    contract_sort_axes(t->a, t->m.ax, t->m.n);
  if (t->b)
    contract_sort_axes(t->b, t->n.ax, t->n.n);
  t->stage_a = pairs_read_rows(t->a, t)     ? STAGE_NONE
               : pairs_read(t->a, t, &t->m) ? STAGE_PAIRS
                                            : STAGE_COPY;
  t->stage_b = pairs_read(t->b, t, &t->n) ? STAGE_PAIRS : STAGE_COPY;
  *cost = stage_cost(g, a, t->stage_a) + stage_cost(g, b, t->stage_b) + output_cost(g, t, c);
  return true;
}

// Of quads the parameter is the vector side.
static bool try_quads(Prog *g, Node *c, int side, Tile *t, double *cost) {
  Node *a = c->in[1 - side], *b = c->in[side];
  t->quads = true;
  t->a = place_view(g, a);
  t->b = place_view(g, b);
  if (t->a || t->b)
    contract_sort_axes(t->a ? t->a : t->b, t->k.ax, t->k.n);
  if (t->a)
    contract_sort_axes(t->a, t->m.ax, t->m.n);
  if (t->b)
    contract_sort_axes(t->b, t->n.ax, t->n.n);
  t->stage_a = quads_read(t->a, t, false) ? STAGE_QUADS : STAGE_COPY;
  t->stage_b = quads_read(t->b, t, true) ? STAGE_QUADS : STAGE_COPY;
  *cost = output_cost(g, t, c);
  return true;
}

static void order_columns(const Prog *g, Tile *t) {
  if (t->b)
    contract_sort_axes(t->b, t->n.ax, t->n.n);
  if (t->b && columns_direct(g->p, t, t->b)) {
    contract_sort_axes(t->b, t->k.ax, t->k.n);
    if (merged_tail(t->b, t->k.ax, t->k.n) != t->k.n)
      t->stage_b = STAGE_COPY;
  } else {
    t->stage_b = STAGE_COPY;
    if (t->b) {
      contract_sort_axes(t->b, t->k.ax, t->k.n);
      t->stage_b = transposable(t, t->b);
    }
  }
}

// Fills in everything but the places of staged copies; false when `side` has no columns.
static bool try_side(Prog *g, Node *c, int side, Tile *t, double *cost) {
  contract_classify(c, side, t);
  int quads = quads_side(g, c);
  if (!t->n.n || (quads >= 0 && quads != side))
    return false;
  if (quads >= 0)
    return try_quads(g, c, side, t, cost);
  if (pairs_fit(g, c))
    return try_pairs(g, c, side, t, cost);
  t->a = operand_place(g, c, c->in[1 - side]);
  t->b = operand_place(g, c, c->in[side]);
  order_columns(g, t);
  if (t->stage_b == STAGE_COPY && t->a)
    contract_sort_axes(t->a, t->k.ax, t->k.n);
  if (t->a && t->b && t->stage_b == STAGE_TRANSPOSE &&
      !reads_rows(t, t->a)) { // perhaps in a's own order
    AxisList k = t->k;
    contract_sort_axes(t->a, t->k.ax, t->k.n);
    if (!reads_rows(t, t->a) || transposable(t, t->b) != STAGE_TRANSPOSE)
      t->k = k;
  }
  t->stage_a = !t->a && rows_derived(g, c, 1 - side)             ? STAGE_ROWS
               : t->a && reads_rows(t, t->a) && !far_apart(g, t) ? STAGE_NONE
                                                                 : STAGE_COPY;
  if (t->a && t->stage_a == STAGE_NONE)
    contract_sort_axes(t->a, t->m.ax, t->m.n);
  *cost = stage_cost(g, c->in[1 - side], t->stage_a) + stage_cost(g, c->in[side], t->stage_b) +
          output_cost(g, t, c);
  return true;
}

// ---- staging

static uint64_t stage_key(const AxisList *n, const AxisList *k, int kind) {
  uint64_t h = (uint64_t)kind;
  for (int i = 0; i < n->n; i++)
    h = hash_mix(h, (uint64_t)n->ax[i]->id);
  h = hash_mix(h, 0x6b);
  for (int i = 0; i < k->n; i++)
    h = hash_mix(h, (uint64_t)k->ax[i]->id);
  return h;
}

static Place *find_staged(Prog *g, const Node *x, uint64_t key) {
  for (int i = 0; i < g->staged.n; i++)
    if (g->staged.v[i].node == x && g->staged.v[i].key == key)
      return g->staged.v[i].place;
  return NULL;
}

// Panels [batch][ceil(N / width)][K][width].  Their count is no polynomial, so a batch takes N +
// width columns.
static Place *panels_place(Prog *g, const Tile *t, bool kept) {
  int nax = t->batch.n + t->n.n + t->k.n, at = 0;
  int64_t w = g->p->o.nr;
  Poly K = extents(t->k.ax, t->k.n), N = extents(t->n.ax, t->n.n),
       s = poly_mul(poly_add(N, poly_const(w)), K);
  Place *pl = NEW(g->a, Place);
  pl->dtype = DT_F32;
  pl->nax = nax;
  pl->ax = NEWN(g->a, Axis *, nax);
  pl->stride = NEWN(g->a, Poly, nax);
  pl->nstep = NEWN(g->a, int64_t, nax);
  pl->width = w;
  for (int i = t->batch.n - 1; i >= 0; i--) {
    pl->ax[at] = t->batch.ax[i];
    pl->stride[at++] = s;
    s = poly_mul(s, t->batch.ax[i]->extent);
  }
  pl->buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, DT_F32, s, "transposed");
  Poly k = poly_const(w);
  for (int i = t->k.n - 1; i >= 0; i--) {
    pl->ax[at] = t->k.ax[i];
    pl->stride[at++] = k;
    k = poly_mul(k, t->k.ax[i]->extent);
  }
  for (int i = 0; i < t->n.n; i++)
    pl->ax[at++] = t->n.ax[i];
  return pl;
}

static Place *stage_transpose(Prog *g, Node *x, Tile *t) {
  uint64_t key = stage_key(&t->n, &t->k, 1);
  Place *dst = find_staged(g, x, key);
  if (dst)
    return dst;
  bool kept = steady_in_entry(g, x);
  dst = panels_place(g, t, kept);
  Inst *k = inst_new(g, IK_TRANSPOSE, x);
  k->prologue = kept;
  k->src = t->b;
  k->dst = dst;
  k->tile = t;
  vec_push(g->a, &k->loads, view_base(x));
  vec_push(g->a, &g->staged, (Staged){x, dst, k, key});
  return dst;
}

static Axis **list_of(Prog *g, const AxisList *a, const AxisList *b, int *n) {
  Axis **ax = NEWN(g->a, Axis *, a->n + b->n + 1);
  memcpy(ax, a->ax, sizeof *ax * (size_t)a->n);
  memcpy(ax + a->n, b->ax, sizeof *ax * (size_t)b->n);
  *n = a->n + b->n;
  return ax;
}

// Of each of the batch as many elements as `inner` has, and a line more: the same element of all of the batch then falls into
// all sets of a cache.
static Place *batch_place(Prog *g, DType dtype, bool kept, const AxisList *batch,
                          Axis *const *inner, int n) {
  Axis *ax[2 * MAX_AXES];
  memcpy(ax, batch->ax, sizeof *ax * (size_t)batch->n);
  memcpy(ax + batch->n, inner, sizeof *ax * (size_t)n);
  Poly s = extents(inner, n);
  if (batch->n)
    s = poly_add(s, poly_const(g->p->o.on->row_line / dtype_size(dtype)));
  Poly size = poly_mul(s, extents(batch->ax, batch->n));
  Place *pl = place_dense(g, buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, dtype, size, "reordered"),
                          dtype, ax, batch->n + n);
  for (int i = batch->n - 1; i >= 0; i--) {
    pl->stride[i] = s;
    s = poly_mul(s, batch->ax[i]->extent);
  }
  return pl;
}

// The operand's values in the order `batch, outer, inner`.
static Place *stage_copy(Prog *g, Node *x, const Place *src, Tile *t, const AxisList *outer,
                         const AxisList *inner) {
  DType dtype = t->pairs ? DT_BF16 : src ? src->dtype : DT_F32;
  uint64_t key = stage_key(inner, outer, dtype == DT_F32 ? 2 : 3);
  Place *dst = find_staged(g, x, key);
  if (dst)
    return dst;
  bool kept = steady_in_entry(g, x);
  int n;
  Axis **order = list_of(g, outer, inner, &n);
  dst = batch_place(g, dtype, kept, &t->batch, order, n);
  fuse_copy(g, x, dst, kept);
  vec_push(g->a, &g->staged, (Staged){x, dst, g->inst.v[g->inst.n - 1], key});
  return dst;
}

// x, which lies in src where it is in memory, as pairs or quads in panels of columns, or in rows; once for all products that take the
// same.
static Place *stage_packed(Prog *g, Node *x, Place *src, const Tile *t, bool columns) {
  int kind = (t->quads ? 6 : 4) + !columns;
  uint64_t key = stage_key(columns ? &t->n : &t->m, &t->k, kind);
  Place *dst = find_staged(g, x, key);
  if (dst)
    return dst;
  Inst *k = (t->quads ? quads_stage : pairs_stage)(g, x, src, t, columns, steady_in_entry(g, x));
  vec_push(g->a, &k->loads, view_base(x));
  vec_push(g->a, &g->staged, (Staged){x, k->dst, k, key});
  return k->dst;
}

// What is derived, or lies in no order that PAIRS, or QUADS, reads, is copied to rows first.
static void stage_packed_b(Prog *g, Node *bn, Tile *t) {
  if (t->stage_b == STAGE_COPY)
    t->b = stage_copy(g, bn, t->b, t, &t->k, &t->n);
  t->b = stage_packed(g, bn, t->b, t, true);
  t->staged_width = g->p->o.nr;
}

static void stage_columns(Prog *g, Node *x, Tile *t) {
  if (t->stage_b == STAGE_TRANSPOSE || t->stage_b == STAGE_PANELS) {
    Tile *copy = NEW(g->a, Tile);
    *copy = *t;
    t->staged_width = g->p->o.nr;
    t->b = stage_transpose(g, x, copy);
  } else if (t->stage_b == STAGE_COPY) {
    t->b = stage_copy(g, x, t->b, t, &t->k, &t->n);
  }
}

void contract_columns(Prog *g, Node *x, Tile *t) {
  order_columns(g, t);
  stage_columns(g, x, t);
}

// Rows and columns that do not merge into one index are walked outside of the tile.
void contract_move_heads(const Place *pl, AxisList *l, AxisList *outer) {
  int tail = merged_tail(pl, l->ax, l->n), head = l->n - tail;
  for (int i = 0; i < head; i++)
    push(outer, l->ax[i]);
  memmove(l->ax, l->ax + head, sizeof *l->ax * (size_t)tail);
  l->n = tail;
}

// Rows as a task derives them, and as large a task: all columns that it can have, so that they are derived once.
static void stage_rows(Prog *g, Node *c, Node *x, Tile *t) {
  t->a = place_new_of(g, x, DT_F32, t->k.ax, t->k.n, false);
  contract_sort_axes(t->a, t->m.ax, t->m.n);
  t->rows = rows_of_block(g, c);
  t->columns = g->p->o.on->tile_columns;
}

static void stage_both(Prog *g, Node *c, Tile *t) {
  Node *an = c->in[1 - t->side], *bn = c->in[t->side];
  (t->pairs || t->quads ? stage_packed_b : stage_columns)(g, bn, t);
  if (t->stage_a == STAGE_ROWS)
    stage_rows(g, c, an, t);
  if (t->stage_a == STAGE_COPY)
    t->a = !t->quads && t->a && far_apart(g, t) ? stage_copy(g, an, t->a, t, &t->k, &t->m)
                                                : stage_copy(g, an, t->a, t, &t->m, &t->k);
  if (t->quads || t->stage_a == STAGE_PAIRS)
    t->a = stage_packed(g, an, t->a, t, false);
}

Inst *contract_plan(Prog *g, Node *c) {
  if (!contract_fits_tile(g, c))
    return NULL;
  Tile *t[2] = {NEW(g->a, Tile), NEW(g->a, Tile)};
  double cost[2];
  bool ok[2] = {try_side(g, c, 0, t[0], &cost[0]), try_side(g, c, 1, t[1], &cost[1])};
  if (!ok[0] && !ok[1])
    return NULL;
  Tile *b = !ok[1] || (ok[0] && cost[0] < cost[1]) ? t[0] : t[1];
  stage_both(g, c, b);
  if (is_copied(b->stage_a) || is_copied(b->stage_b))
    plan_remark(g->p, false, c->span, "an operand of the product is transposed first");
  b->outer = b->batch;
  contract_move_heads(b->a, &b->m, &b->outer);
  if (!b->staged_width && !b->b->width)
    contract_move_heads(b->b, &b->n, &b->outer);
  const Node *bias;
  Place *shadow = library_bias(g, c, &bias);
  Inst *k = inst_new(g, IK_TILE, c);
  k->tile = b;
  k->library = library_wants(g, c);
  k->bias = bias;
  k->bias_place = shadow;
  k->split = true;
  k->row = list_of(g, &b->outer, &b->m, &k->nrow);
  k->col = list_of(g, &b->n, &(AxisList){0}, &k->ncol);
  task_size(g, b);
  if (g->p->o.on->tile_work && sum_is_known(b) &&
      batch_inside(b)) // few, so that those lines stay in the nearest cache
    b->rows = g->p->o.mr;
  k->slot_block = task_rows(&g->p->o, b);
  Deps d = {0};
  deps_of(g, c, &d);
  for (int i = 0; i < d.v.n; i++)
    vec_push(g->a, &k->loads, d.v.v[i].node);
  return k;
}

// Products of pairs of bf16, on processors: both operands are numbers that bf16 holds, each k beside the next.  B lies in panels
// that PAIRS makes, of a parameter once for its weights, A in rows: where it does not lie so, PAIRS makes those, too.
#include "codegen/plan/contract.h"

// Of a contraction whose operands are activations, their gradients, or, where the result is one, parameters.
static bool is_narrow(const Prog *g, const Node *c, Node *x) {
  if (view_base(x)->op == OP_PARAM)
    return stored_dtype(g, c) == DT_BF16;
  return !info_of(g, x)->exact;
}

bool pairs_here(const Prog *g) {
  const PlanOptions *o = &g->p->o;
  return o->bf16 && o->on->pairs && o->nr % LOOP_PAIR_ROWS == 0 &&
         (g->kind == BIGS_ENTRY || g->kind == BIGS_GRADIENT);
}

bool pairs_fit(const Prog *g, const Node *c) {
  return pairs_here(g) && c->dtype == DT_F32 && c->in[0]->dtype == DT_F32 &&
         c->in[1]->dtype == DT_F32 && is_narrow(g, c, c->in[0]) && is_narrow(g, c, c->in[1]);
}

bool contract_steps_by_one(const Place *pl, const AxisList *l) {
  int64_t v;
  Poly s = l->n ? place_stride(pl, l->ax[l->n - 1]) : poly_const(0);
  return poly_is_const(&s, &v) && v == 1;
}

// Are these axes the columns of pl's panels, all of them, and k none, or the other way round?
bool contract_panels_of(const Place *pl, const AxisList *in) {
  for (int i = 0; i < pl->nax; i++)
    if ((pl->nstep[i] != 0) != axis_in(in->ax, in->n, pl->ax[i]))
      return false;
  int last = in->n ? place_axis(pl, in->ax[in->n - 1]) : -1;
  return last >= 0 && pl->nstep[last] == 1;
}

bool pairs_panels_of_k(const Place *pl, const Tile *t) {
  return pl->width % LOOP_PAIR_K == 0 && contract_panels_of(pl, &t->k);
}

// Can PAIRS read pl, as rows of these axes, or k, at step 1?
bool pairs_read(const Place *pl, const Tile *t, const AxisList *rows) {
  if (!pl || !place_merges(pl, t->k.ax, t->k.n) || !place_merges(pl, rows->ax, rows->n))
    return false;
  if (!pl->width)
    return contract_steps_by_one(pl, &t->k) || contract_steps_by_one(pl, rows);
  return !pl->nlo && !t->batch.n && (contract_panels_of(pl, rows) || pairs_panels_of_k(pl, t));
}

// Can a tile read A there?
bool pairs_read_rows(const Place *pl, const Tile *t) {
  return pl && !pl->width && pl->dtype == DT_BF16 && place_merges(pl, t->k.ax, t->k.n) &&
         contract_steps_by_one(pl, &t->k);
}

int64_t pairs_padded_to(int64_t k) {
  return (k + LOOP_PAIR_K - 1) / LOOP_PAIR_K * LOOP_PAIR_K;
}

// Values of k with the zeros behind them.
Poly pairs_padded(const Tile *t) {
  int64_t n;
  Poly K = extents(t->k.ax, t->k.n);
  if (poly_is_const(&K, &n))
    return poly_const(pairs_padded_to(n));
  return poly_add(K, poly_const(LOOP_PAIR_K - 1));
}

static void put_axes(Place *pl, const AxisList *l, Poly step) {
  for (int i = l->n - 1; i >= 0; i--) {
    pl->ax[pl->nax] = l->ax[i];
    pl->stride[pl->nax++] = step;
    step = poly_mul(step, l->ax[i]->extent);
  }
}

// [batch][panels or rows]: of panels only the batch has strides; as many rows, or columns, are written as fill the last square
// or panel.
static Place *pairs_place(Prog *g, const Tile *t, const AxisList *rows, int width, bool kept) {
  int most = t->batch.n + rows->n + t->k.n;
  Place *pl = NEW(g->a, Place);
  pl->dtype = DT_BF16;
  pl->ax = NEWN(g->a, Axis *, most);
  pl->stride = NEWN(g->a, Poly, most);
  pl->nstep = NEWN(g->a, int64_t, most);
  Poly k = pairs_padded(t),
       n = poly_add(extents(rows->ax, rows->n), poly_const(width ? width : LOOP_PAIR_ROWS));
  Poly each = poly_mul(k, n);
  put_axes(pl, &t->batch, each);
  if (!width) {
    put_axes(pl, rows, k);
    put_axes(pl, &t->k, poly_const(1));
  }
  pl->width = width;
  pl->buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, DT_BF16,
                    poly_mul(each, extents(t->batch.ax, t->batch.n)), "pairs");
  return pl;
}

Inst *pairs_stage(Prog *g, Node *x, Place *src, const Tile *t, bool columns, bool kept) {
  Tile *copy = NEW(g->a, Tile);
  *copy = *t;
  copy->outer = t->batch;
  Inst *k = inst_new(g, IK_TRANSPOSE, x);
  k->prologue = kept;
  k->src = src;
  k->dst = pairs_place(g, t, columns ? &t->n : &t->m, columns ? g->p->o.nr : 0, kept);
  k->tile = copy;
  return k;
}

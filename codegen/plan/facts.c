// What several passes ask about a node, an axis, a target: no pass of its own.
#include "codegen/plan/contract.h"
#include <math.h>

// ---- nodes

bool is_outer(const Node *n) {
  return n->op == OP_CONTRACT && !n->attr.naxes;
}
bool is_reduction(const Node *n) {
  return n->op == OP_SUM || n->op == OP_RMAX || n->op == OP_RMIN;
}

// Sums nothing: an element is the source's where the index says so, else 0.
bool is_one_hot(const Node *n) {
  if (n->op != OP_SCATTER || n->in[0]->nax > n->attr.naxes || n->in[1]->nax > n->attr.naxes)
    return false;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < n->in[k]->nax; i++) {
      bool kept = false;
      for (int j = 0; j < n->attr.naxes; j++)
        kept |= n->attr.axes[j] == n->in[k]->ax[i];
      if (!kept)
        return false;
    }
  return true;
}

bool is_map(const Node *n) {
  return (op_flags(n->op) & (F_POINTWISE | F_INDEX)) || n->op == OP_GATHER || is_outer(n) ||
         is_one_hot(n);
}

// Rough, in vector instructions an element.
double op_flops(const Node *n) {
  static const int cost[OP_COUNT] = {
#define SCALAR(id, name, arity, domain, flags, cost) [OP_##id] = cost,
#include "base/scalar.def"
#undef SCALAR
      [OP_RANDOM] = 8, [OP_GATHER] = 3, [OP_PAD] = 4, [OP_WINDOW] = 4};
  return is_outer(n) || is_one_hot(n) ? 1 : cost[n->op];
}

// bf16 is computed as f32.
DType computed_dtype(const Node *n) {
  return n->dtype == DT_BF16 ? DT_F32 : (DType)n->dtype;
}

Node *view_base(Node *n) {
  while (n->op == OP_RENAME || n->op == OP_SPLIT || n->op == OP_MERGE || n->op == OP_SLICE ||
         n->op == OP_INDEX || n->op == OP_FLIP)
    n = n->in[0];
  return n;
}

bool widens_product(const Prog *g, const Node *n) {
  return g->p->o.on->bf16_products && n->op == OP_CAST && n->dtype == DT_F32 &&
         n->in[0]->dtype == DT_BF16;
}

// ---- axes

bool extent_is(const Axis *a, int64_t *v) {
  return poly_is_const(&a->extent, v);
}

// A run-time dim that -D fixes is laid out as it would be without: what lies beside what, and where
// rows are kept apart, must not depend on it.
bool is_feature(const Axis *a) {
  return !a->open && extent_is(a, NULL);
}

Poly extents(Axis *const *ax, int n) {
  Poly p = poly_const(1);
  for (int i = 0; i < n; i++)
    p = poly_mul(p, ax[i]->extent);
  return p;
}

// Elements, with 64 for every run-time dim: only to compare costs.
double size_estimate(Axis *const *ax, int n) {
  int64_t sym[MAX_SYMS];
  double size = 1;
  for (int i = 0; i < MAX_SYMS; i++)
    sym[i] = 64;
  for (int i = 0; i < n; i++)
    size *= (double)poly_eval(&ax[i]->extent, sym);
  return size;
}

// ---- tasks of a contraction

int task_rows(const PlanOptions *o, const Tile *t) {
  bool pairs = t && (t->pairs || t->quads) && o->pair_rows;
  int mr = pairs ? o->pair_rows : o->mr;
  int most = t && t->rows ? t->rows : pairs ? o->on->pair_tile_rows : o->on->tile_rows;
  return mr > most ? mr : most / mr * mr;
}

int task_columns(const PlanOptions *o, const Tile *t, int64_t width) {
  bool panels = t && t->b->width && o->on->panel_columns;
  int w = (int)(width ? width : o->nr), most = panels ? o->on->panel_columns : o->on->tile_columns;
  most = t && t->columns ? t->columns : most;
  return w > most ? w : most / w * w;
}

static double size_of(const AxisList *l) {
  return size_estimate(l->ax, l->n);
}

static double tasks_of(const Tile *t, int rows, int columns) {
  return size_of(&t->outer) * ceil(size_of(&t->m) / rows) * ceil(size_of(&t->n) / columns);
}

static int side_of(const AxisList *l, int side) {
  return size_of(l) <= side / 2 ? side / 2 : side;
}

static bool is_bf16(const Tile *t) {
  return t->a->dtype == DT_BF16 && t->b->dtype == DT_BF16;
}

static bool may_be_wide(const PlanTarget *on, const Tile *t) {
  int64_t k;
  Poly sum = extents(t->k.ax, t->k.n);
  return is_bf16(t) || (poly_is_const(&sum, &k) && k <= on->wide_sum);
}

bool sum_is_known(const Tile *t) {
  for (int i = 0; i < t->k.n; i++)
    if (!is_feature(t->k.ax[i]))
      return false;
  return true;
}

static bool is_long(const Tile *t) {
  return !t->pairs && !t->quads && !t->b->width && !t->rows && !sum_is_known(t);
}

// The more rows, the less often columns are copied; but there have to be tasks for all threads.
static void long_size(const PlanTarget *on, Tile *t) {
  for (int rows = on->long_rows; rows > on->tile_rows && !t->rows; rows /= 2)
    if (tasks_of(t, rows, on->tile_columns) >= on->long_tasks)
      t->rows = rows;
}

// Of f32 tasks are square.
void task_size(const Prog *g, Tile *t) {
  const PlanTarget *on = g->p->o.on;
  if (is_long(t))
    long_size(on, t);
  if (!on->wide_side || !may_be_wide(on, t))
    return;
  t->rows = side_of(&t->m, on->wide_side);
  t->columns = side_of(&t->n, on->wide_side);
  if (tasks_of(t, t->rows, t->columns) < on->wide_tasks)
    t->columns = on->wide_side / 2;
  if (tasks_of(t, t->rows, t->columns) < on->wide_tasks)
    t->rows = on->wide_side / 2;
  if (!is_bf16(t) && (t->rows != on->wide_side || t->columns != on->wide_side))
    t->rows = t->columns = 0;
}

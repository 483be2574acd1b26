// Products with weights in the steps of a loop, by register tiles: see lower_loop.h.
//
// A task takes a block of rows, places along an axis that nothing mixes and the weights lack, as the batch, so that weights that a
// step multiplies by are read once for all rows of the block.  The rows' axis is one of the values in scratch, then, the first.
#include "codegen/plan/lower_loop.h"

// Of weights with fewer elements a tile is not worth it.
enum { LEAST_WEIGHTS = 256 };

static int leaf_index(Node *const *leaf, int n, const Node *x) {
  int i = 0;
  while (i < n && leaf[i] != x)
    i++;
  return i < n ? i : -1;
}

static Node *below_renames(Node *x) {
  while (x->op == OP_RENAME)
    x = x->in[0];
  return x;
}

// What x, of the region of n's loop, is outside, where it is held; NULL.
static Node *held_outside(const Node *n, Node *x) {
  const Scan *s = n->attr.scan;
  int i = leaf_index(s->held_leaf, s->nheld, below_renames(x));
  return i < 0 ? NULL : n->in[s->nstate + s->nseen + i];
}

// Where the held operand x lies, under the names that it has in the region.
static Place *held_place(Prog *g, Node *outside, Node *x) {
  Info *f = info_of(g, below_renames(x));
  Place *own = f->place;
  f->place = place_view(g, outside);
  Place *pl = f->place ? place_view(g, x) : NULL;
  f->place = own;
  return pl;
}

static bool all_tasks(const AxisList *l, Axis *const *task, int n) {
  for (int i = 0; i < l->n; i++)
    if (!axis_in(task, n, l->ax[i]))
      return false;
  return true;
}

static bool are_known(const AxisList *l, int64_t *elements) {
  int64_t e;
  for (int i = 0; i < l->n; i++) {
    if (!extent_is(l->ax[i], &e))
      return false;
    *elements *= e;
  }
  return true;
}

// Is the product of rows along `rows` with weights that lack them, and have sums and columns of known sizes?
static bool is_product_of_rows(const Tile *t, const Axis *rows, Axis *const *task, int ntask) {
  int64_t elements = 1;
  return t->m.n == 1 && t->m.ax[0] == rows && t->n.n && t->k.n &&
         all_tasks(&t->batch, task, ntask) && are_known(&t->n, &elements) &&
         are_known(&t->k, &elements) && elements >= LEAST_WEIGHTS;
}

typedef struct RowPlan {
  Prog *g;
  Node *n; // one of the loop's values
  LoopRows *out;
  Axis *task[MAX_AXES];
  int ntask;
} RowPlan;

static void plan_product(RowPlan *p, Node *c, int side) {
  Node *outside = held_outside(p->n, c->in[side]);
  if (!outside || !contract_fits_tile(p->g, c))
    return;
  Tile *t = NEW(p->g->a, Tile);
  contract_classify(c, side, t);
  t->b = held_place(p->g, outside, c->in[side]);
  if (!t->b || t->b->dtype != DT_F32 || !is_product_of_rows(t, p->out->rows, p->task, p->ntask))
    return;
  contract_columns(p->g, outside, t);
  vec_push(p->g->a, &p->out->product, ((LoopProduct){c, t}));
}

// One row alone is no block: it would be slower.
static Axis *rows_of(const RowPlan *p) {
  int64_t e;
  for (int i = 0; i < p->ntask; i++)
    if (!is_feature(p->task[i]) && !(extent_is(p->task[i], &e) && e == 1))
      return p->task[i];
  return NULL;
}

LoopRows loop_rows_plan(Prog *g, Node *n) {
  LoopRows out = {0};
  RowPlan p = {.g = g, .n = n, .out = &out};
  int count;
  if (!g->p->o.on->scan_rows || !g->p->o.fuse || loop_pieces_of(g, n) || loop_pieces_behind(g, n))
    return out;
  p.ntask = loop_tasks(g->g, n->attr.scan, NULL, p.task);
  out.rows = rows_of(&p);
  Node **nodes = loop_nodes(g->g, n->attr.scan, &count);
  for (int i = 0; i < count && out.rows; i++)
    for (int side = 0; side < 2 && nodes[i]->op == OP_CONTRACT && nodes[i]->attr.naxes; side++)
      plan_product(&p, nodes[i], side);
  if (!out.product.n)
    out.rows = NULL;
  return out;
}

// ---- lowering

void loop_rows_name(LoopLower *x) {
  for (int i = 0; i < x->k->rows.product.n; i++) {
    const Place *b = x->k->rows.product.v[i].tile->b;
    lower_mem(x->c, b->buf, b->base, false);
  }
}

void loop_rows_open(LoopLower *x, Axis *const *task, int n) {
  Lower *c = x->c;
  const PlanOptions *o = &c->g->p->o;
  if (!x->k->rows.rows || !axis_in(task, n, x->k->rows.rows))
    return;
  x->rows = x->k->rows.rows;
  x->nrows = o->mr < o->on->scan_rows ? o->mr : o->on->scan_rows;
  x->rows_lo = liop(c, L_IMUL, lvar(c, lower_grid(c, x->rows->extent, x->nrows)), li(c, x->nrows));
  x->rows_hi =
      liop(c, L_IMIN, liop(c, L_IADD, x->rows_lo, li(c, x->nrows)), lpoly(c, x->rows->extent));
}

static const LoopProduct *product_of(const LoopLower *x, const Node *n) {
  const LoopRows *r = &x->k->rows;
  for (int i = 0; x->rows && !x->region->up && i < r->product.n; i++)
    if (r->product.v[i].node == n)
      return &r->product.v[i];
  return NULL;
}

static bool find_slot(const LoopLower *x, const Node *n, Slot *out) {
  const LoopRegion *r = x->region;
  int state = leaf_index(r->s->state, r->s->nstate, n);
  const Slot *s = state < 0 ? loop_slot_of(x, n) : NULL;
  if (state >= 0)
    *out = loop_state_slot(x, r, state, r->now[state]);
  else if (s)
    *out = *s;
  return state >= 0 || s;
}

static Axis *renamed_axis(const Node *x, Axis *a) {
  for (; x->op == OP_RENAME; x = x->in[0])
    for (int i = 0; i < x->attr.nmap; i++)
      if (x->attr.to[i] == a) {
        a = x->attr.from[i];
        break;
      }
  return a;
}

// Does the slot of what `a` is have rows of the tile's sums, in their order?
static bool has_rows(const LoopLower *x, Node *a, const Tile *t, const Slot *s) {
  bool has = s->nax == t->k.n + 1 && s->ax[0] == x->rows && x->c->k->mem.v[s->mem].dtype == DT_F32;
  for (int i = 0; has && i < t->k.n; i++)
    has = s->ax[i + 1] == renamed_axis(a, t->k.ax[i]);
  return has;
}

// Operands of products have their sums' axes in the product's order, concatenations their parts one after the other.
int loop_slot_order(const LoopLower *x, const Node *n, Axis **out) {
  const LoopRows *r = &x->k->rows;
  const Tile *t = NULL;
  Node *rows = NULL;
  int m = 0;
  for (int i = 0; i < r->product.n && !t; i++) {
    rows = r->product.v[i].node->in[1 - r->product.v[i].tile->side];
    t = below_renames(rows) == n ? r->product.v[i].tile : NULL;
  }
  for (int i = 0; t && i < t->k.n; i++)
    out[m++] = renamed_axis(rows, t->k.ax[i]);
  if (!t && n->op == OP_CONCAT)
    out[m++] = n->attr.axis;
  for (int i = 0, first = m; i < n->nax; i++)
    if (!axis_in(out, first, n->ax[i]))
      out[m++] = n->ax[i];
  return m;
}

// The first element of b for the task.
static LExpr *first_weight(LoopLower *x, const Tile *t) {
  LExpr *v[MAX_AXES];
  Poly step[MAX_AXES];
  for (int i = 0; i < t->batch.n; i++) {
    v[i] = coords_get(&x->at, t->batch.ax[i]);
    step[i] = place_stride(t->b, t->batch.ax[i]);
  }
  return llinear(x->c, v, step, t->batch.n, poly_const(0));
}

static LProduct rows_by_weights(LoopLower *x, const Tile *t, int mem) {
  Lower *c = x->c;
  Poly K = extents(t->k.ax, t->k.n);
  LProduct p = {
      .amem = mem, .abase = li(c, 0), .am = lpoly(c, K), .ak = li(c, 1), .K = lpoly(c, K)};
  p.bmem = lower_mem(c, t->b->buf, t->b->base, false);
  p.bbase = first_weight(x, t);
  p.bk = lpoly(c, place_stride(t->b, t->k.ax[t->k.n - 1]));
  p.bwidth = t->b->width;
  if (p.bwidth)
    p.bpanel = lpoly(c, contract_panel_step(t));
  return p;
}

static void emit_rows(LoopLower *x, const Slot *s, Node *n, const Tile *t, int mem) {
  Lower *c = x->c;
  Poly N = extents(t->n.ax, t->n.n);
  int mvar = lower_var(c, poly_const(x->nrows), c->scope.n), nvar = lower_var(c, N, c->scope.n);
  LStmt *tile = ls_tile(c->a, mvar, nvar, liop(c, L_ISUB, x->rows_hi, x->rows_lo), lpoly(c, N));
  tile->tile->prod[0] = rows_by_weights(x, t, mem);
  tile->tile->nprod = 1;
  Coords at = x->at;
  lower_push(c, &tile->tile->body);
  coords_set(&at, x->rows, liop(c, L_IADD, x->rows_lo, lvar(c, mvar)));
  lower_unflatten(c, lvar(c, nvar), t->n.ax, t->n.n, &at);
  loop_slot_store(x, s, &at, lower_rounded(c, n, lx_acc(c->a)));
  lower_pop(c);
  lower_emit(c, tile);
}

bool loop_rows_product(LoopLower *x, const Slot *s, Node *n) {
  const LoopProduct *p = product_of(x, n);
  Slot a;
  if (!p)
    return false;
  Node *rows = n->in[1 - p->tile->side];
  if (!find_slot(x, below_renames(rows), &a) || !has_rows(x, rows, p->tile, &a))
    return false;
  emit_rows(x, s, n, p->tile, a.mem);
  return true;
}

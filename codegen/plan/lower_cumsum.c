// Cumulative sums: one loop along the axis, for a row or for a block of lanes.
#include "codegen/plan/lower_util.h"

// The axis whose neighbours lie beside each other, when it is another one.
static Axis *lanes_of(const Node *n, const Place *dst) {
  int64_t step;
  for (int i = 0; i < n->nax; i++) {
    Poly p = place_stride(dst, n->ax[i]);
    if (n->ax[i] != n->attr.axis && !dst->width && poly_is_const(&p, &step) && step == 1)
      return n->ax[i];
  }
  return NULL;
}

static int rows_of(const Node *n, const Axis *lane, Axis **rows) {
  int m = 0;
  for (int i = 0; i < n->nax; i++)
    if (n->ax[i] != n->attr.axis && n->ax[i] != lane)
      rows[m++] = n->ax[i];
  return m;
}

// Floats are summed in float64, and each place is rounded by itself.
static void along(Lower *c, Node *n, const Place *dst, Coords *at) {
  Axis *a = n->attr.axis;
  DType t = lower_wide(computed_dtype(n));
  int acc = lower_reg(c, t, lx_const(c->a, t, 0));
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, a->extent), a->extent, 0);
  LExpr *i = lvar(c, f->var), *last = lpoly(c, poly_sub(a->extent, poly_const(1)));
  coords_set(at, a, n->attr.reverse ? liop(c, L_ISUB, last, i) : i);
  LExpr *x = lower_cast(c, t, lower_value(c, n->in[0], at).e);
  lower_emit(c, ls_set(c->a, acc, lx_op(c->a, L_ADD, t, lx_reg(c->a, t, acc), x, NULL)));
  lower_store(c, dst, at, lower_cast(c, computed_dtype(n), lx_reg(c->a, t, acc)), false);
  lower_end(c, f);
}

void lower_cumsum(Lower *c, Node *n, const Place *dst) {
  Axis *rows[MAX_AXES], *lane = lanes_of(n, dst);
  Coords at = {0};
  int nrows = rows_of(n, lane, rows);
  if (nrows || !lane)
    lower_unflatten(c, lvar(c, lower_grid(c, extents(rows, nrows), 1)), rows, nrows, &at);
  if (!lane) {
    along(c, n, dst, &at);
    return;
  }
  int work = c->g->p->o.on->finish_work, task = lower_grid(c, lane->extent, work);
  LStmt *f = lower_block(c, task, work, lane->extent, 1);
  coords_set(&at, lane, lvar(c, f->var));
  along(c, n, dst, &at);
  lower_end(c, f);
}

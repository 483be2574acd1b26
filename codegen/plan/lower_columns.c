// Sums over many rows into few columns, where nothing else is in the kernel: a task takes a slot's rows of some columns,
// which are the lanes, and keeps their sums in registers.
#include "codegen/plan/lower_util.h"

static bool stored(Prog *g, const Member *m) {
  return m->copy || info_of(g, m->node)->needed;
}

bool lower_is_columns(Prog *g, const Inst *k) {
  int sums = 0;
  if (!g->p->o.on->column_lanes || !k->split || k->lanes)
    return false;
  for (int i = 0; i < k->m.n; i++) {
    const Member *m = &k->m.v[i];
    if (m->role == ROLE_REDUCE || m->role == ROLE_ROW || (m->role == ROLE_FULL && stored(g, m)))
      return false;
    sums += m->role == ROLE_COLUMN && stored(g, m);
  }
  return sums > 0;
}

typedef struct ColumnSum {
  const Member *m;
  int reg, mem;
} ColumnSum;

static int begin_sums(Lower *c, ColumnSum *sum) {
  int n = 0;
  for (int i = 0; i < c->inst->m.n; i++) {
    const Member *m = &c->inst->m.v[i];
    if (m->role != ROLE_COLUMN || !stored(c->g, m))
      continue;
    DType t = m->place->dtype;
    sum[n++] = (ColumnSum){.m = m,
                           .reg = lower_reg(c, t, lx_const(c->a, t, 0)),
                           .mem = lower_mem(c, m->place->buf, poly_const(0), true)};
  }
  return n;
}

static void add_rows(Lower *c, int slot, const Coords *columns, const ColumnSum *sum, int n) {
  const Inst *k = c->inst;
  Coords at = *columns;
  LStmt *rows = lower_block(c, slot, k->slot_block, extents(k->row, k->nrow), 0);
  lower_unflatten(c, lvar(c, rows->var), k->row, k->nrow, &at);
  for (int i = 0; i < n; i++)
    lower_emit(c, ls_reduce(c->a, sum[i].reg, LR_SUM, lower_member(c, sum[i].m, &at)));
  lower_end(c, rows);
}

static void store_sums(Lower *c, int slot, const Coords *at, const ColumnSum *sum, int n) {
  for (int i = 0; i < n; i++) {
    const Place *pl = sum[i].m->place;
    LExpr *first = liop(c, L_IMUL, lvar(c, slot), lpoly(c, c->g->buf.v[pl->buf].size));
    LExpr *index = liop(c, L_IADD, first, place_index(c, pl, at));
    lower_emit(c, ls_store(c->a, sum[i].mem, index, lx_reg(c->a, pl->dtype, sum[i].reg)));
  }
}

void lower_columns(Prog *g, Inst *k) {
  Lower *c = lower_new(g, k, inst_label(g, k));
  ColumnSum *sum = NEWN(g->a, ColumnSum, k->m.n);
  int last = k->ncol - 1, work = g->p->o.on->column_lanes;
  Coords at = {0};
  int slot = lower_grid(c, extents(k->row, k->nrow), k->slot_block);
  if (last > 0)
    lower_unflatten(c, lvar(c, lower_grid(c, extents(k->col, last), 1)), k->col, last, &at);
  int task = lower_grid(c, k->col[last]->extent, work);
  LStmt *lanes = lower_block(c, task, work, k->col[last]->extent, 1);
  coords_set(&at, k->col[last], lvar(c, lanes->var));
  int n = begin_sums(c, sum);
  add_rows(c, slot, &at, sum, n);
  store_sums(c, slot, &at, sum, n);
  lower_end(c, lanes);
  lower_finish(c, poly_const(0));
}

// Reductions to one number by partials of a fixed number of elements, the sums of slots that finish
// those and the column sums, and loops for what has no better way: argmax, and convolutions and
// scatters of shapes that no builtin takes.
#include "codegen/plan/lower_util.h"
#include <string.h>

LStmt *lower_for(Lower *c, LExpr *lo, LExpr *hi, Poly range, int vec) {
  int v = lower_var(c, range, c->scope.n);
  LStmt *f = ls_for(c->a, v, lo, hi, vec);
  lower_push(c, &f->body);
  return f;
}

void lower_end(Lower *c, LStmt *f) {
  lower_pop(c);
  lower_emit(c, f);
}

LStmt *lower_block(Lower *c, int task, int64_t block, Poly extent, int vec) {
  LExpr *lo = liop(c, L_IMUL, lvar(c, task), li(c, block));
  LExpr *hi = liop(c, L_IMIN, liop(c, L_IADD, lo, li(c, block)), lpoly(c, extent));
  return lower_for(c, lo, hi, extent, vec);
}

LExpr *lower_cast(Lower *c, DType t, LExpr *e) {
  return e->dtype == t ? e : lx_op(c->a, L_CAST, t, e, NULL, NULL);
}

DType lower_wide(DType t) {
  return dtype_is_float(t) ? DT_F64 : t;
}

LExpr *lower_slots(Lower *c, Poly rows, int64_t block) {
  LExpr *up = lpoly(c, poly_add(rows, poly_const(block - 1)));
  return liop(c, L_IDIV, up, li(c, block));
}

// One task adds up the slots in order.
static void sum_slots(Prog *g, Inst *k, const Place *slots, Poly rows, int64_t block,
                      const Place *dst) {
  Lower *c = lower_new(g, k, "sum of partials");
  Node *n = k->root;
  Coords none = {0};
  lower_grid(c, poly_const(1), 1);
  int acc = lower_reg(c, slots->dtype, lx_const(c->a, slots->dtype, reduce_identity(n)));
  LStmt *f = lower_for(c, li(c, 0), lower_slots(c, rows, block), (Poly){0}, 0);
  LExpr *v = lx_load(c->a, c->k, lower_mem(c, slots->buf, poly_const(0), false), lvar(c, f->var));
  lower_emit(c, ls_reduce(c->a, acc, reduce_kind(n), v));
  lower_end(c, f);
  lower_store(c, dst, &none, lower_cast(c, computed_dtype(n), lx_reg(c->a, slots->dtype, acc)),
              false);
  lower_finish(c, poly_const(0));
}

void lower_total(Prog *g, Inst *k) {
  Node *n = k->root;
  const Member *m = &k->m.v[0];
  if (!info_of(g, n)->needed)
    return;
  int nrow = k->nrow ? k->nrow - 1 : 0;
  Poly inner = k->nrow ? k->row[nrow]->extent : poly_const(1),
       R = nrow ? extents(k->row, nrow) : inner;
  int64_t work = g->p->o.on->total_work, block = work, columns;
  if (nrow)
    block = poly_is_const(&inner, &columns) && columns < work ? work / columns : 128;
  DType t = reduce_kind(n) == LR_SUM ? lower_wide(computed_dtype(n)) : computed_dtype(n);
  Lower *c = lower_new(g, k, inst_label(g, k));
  int task = lower_grid(c, R, block), acc = lower_reg(c, t, lx_const(c->a, t, reduce_identity(n)));
  Coords at = {0};
  LStmt *rows = NULL, *f = NULL;
  if (nrow) {
    rows = lower_block(c, task, block, R, 0);
    lower_unflatten(c, lvar(c, rows->var), k->row, nrow, &at);
    f = lower_for(c, li(c, 0), lpoly(c, inner), inner, 2);
  } else if (k->nrow) {
    f = lower_block(c, task, block, R, 2);
  }
  if (f)
    coords_set(&at, k->row[nrow], lvar(c, f->var));
  lower_emit(c, ls_reduce(c->a, acc, reduce_kind(n), lower_cast(c, t, reduce_operand(c, n, &at))));
  if (f)
    lower_end(c, f);
  if (rows)
    lower_end(c, rows);
  int64_t all;
  if (poly_is_const(&R, &all) && all <= block) {
    lower_store(c, m->place, &(Coords){0}, lower_cast(c, computed_dtype(n), lx_reg(c->a, t, acc)),
                false);
    lower_finish(c, poly_const(0));
    return;
  }
  Place *slots = place_dense(
      g, buf_add(g, k->prologue ? BIGS_KEPT : BIGS_ARENA, t, poly_const(1), "partial sums"), t,
      NULL, 0);
  g->buf.v[slots->buf].rows = R;
  g->buf.v[slots->buf].block = block;
  int mem = lower_mem(c, slots->buf, poly_const(0), true);
  lower_emit(c, ls_store(c->a, mem, lvar(c, task), lx_reg(c->a, t, acc)));
  lower_finish(c, poly_const(0));
  sum_slots(g, k, slots, R, block, m->place);
}

typedef struct Total {
  const Member *m;
  int reg, mem;
} Total;

// The sums that somebody wants, each with a register.
static int begin_totals(Lower *c, Total *total) {
  int n = 0;
  for (int i = 0; i < c->inst->m.n; i++) {
    const Member *m = &c->inst->m.v[i];
    if (info_of(c->g, m->node)->needed)
      total[n++] = (Total){m, lower_reg(c, DT_F64, lx_const(c->a, DT_F64, 0)),
                           lower_mem(c, m->slots->buf, poly_const(0), false)};
  }
  return n;
}

static void add_slots(Lower *c, const Total *total, int n, const Coords *at) {
  const Buf *b = &c->g->buf.v[total->m->slots->buf];
  LStmt *s = lower_for(c, li(c, 0), lower_slots(c, b->rows, b->block), (Poly){0}, 0);
  for (int i = 0; i < n; i++) {
    LExpr *index = liop(c, L_IADD, liop(c, L_IMUL, lvar(c, s->var), lpoly(c, b->size)),
                        place_index(c, total[i].m->slots, at));
    LExpr *v = lx_load(c->a, c->k, total[i].mem, index);
    lower_emit(c, ls_reduce(c->a, total[i].reg, LR_SUM, lower_cast(c, DT_F64, v)));
  }
  lower_end(c, s);
}

// out[columns] = sum of slot[s][columns] over s, in order, in float64: there may be many slots.
void lower_finish_slots(Prog *g, Inst *k) {
  Total *total = NEWN(g->a, Total, k->m.n);
  bool any = false;
  for (int i = 0; i < k->m.n; i++)
    any |= info_of(g, k->m.v[i].node)->needed;
  if (!any)
    return;
  Lower *c = lower_new(g, k, inst_label(g, k));
  Coords at = {0};
  int last = k->ncol - 1;
  if (last > 0)
    lower_unflatten(c, lvar(c, lower_grid(c, extents(k->col, last), 1)), k->col, last, &at);
  int work = g->p->o.on->finish_work, task = lower_grid(c, k->col[last]->extent, work);
  LStmt *f = lower_block(c, task, work, k->col[last]->extent, 2);
  coords_set(&at, k->col[last], lvar(c, f->var));
  int n = begin_totals(c, total);
  add_slots(c, total, n, &at);
  for (int i = 0; i < n; i++)
    lower_store(c, total[i].m->place, &at,
                lower_cast(c, total[i].m->slots->dtype, lx_reg(c->a, DT_F64, total[i].reg)), false);
  lower_end(c, f);
  lower_finish(c, poly_const(0));
}

// ---- loops

Coords lower_elements(Lower *c, Node *n) {
  Coords at = {0};
  LExpr *flat = lvar(c, lower_grid(c, extents(n->ax, n->nax), 1));
  lower_unflatten(c, flat, n->ax, n->nax, &at);
  return at;
}

// old < value, or value is the first NaN: what max returns then.
static LExpr *takes_over(Lower *c, LExpr *value, LExpr *old) {
  LExpr *more = lx_op(c->a, L_LT, DT_BOOL, old, value, NULL),
        *nan = lx_op(c->a, L_NE, DT_BOOL, value, value, NULL),
        *kept = lx_op(c->a, L_EQ, DT_BOOL, old, old, NULL);
  return lx_op(c->a, L_OR, DT_BOOL, more, lx_op(c->a, L_AND, DT_BOOL, nan, kept, NULL), NULL);
}

// The first of the largest of n's elements at these coordinates.
LExpr *lower_argmax(Lower *c, Node *n, const Coords *at) {
  Node *x = n->in[0];
  Axis *a = n->attr.axis;
  DType t = computed_dtype(x);
  Coords in = *at;
  coords_set(&in, a, li(c, 0));
  int best = lower_reg(c, t, lower_value(c, x, &in).e),
      arg = lower_reg(c, DT_I32, lx_const(c->a, DT_I32, 0));
  LStmt *f = lower_for(c, li(c, 1), lpoly(c, a->extent), a->extent, 0);
  coords_set(&in, a, lvar(c, f->var));
  int v = lower_reg(c, t, lower_value(c, x, &in).e);
  LExpr *value = lx_reg(c->a, t, v), *old = lx_reg(c->a, t, best),
        *i = lx_from_int(c->a, DT_I32, lvar(c, f->var));
  int more = lower_reg(c, DT_BOOL, takes_over(c, value, old));
  LExpr *cond = lx_reg(c->a, DT_BOOL, more);
  lower_emit(c,
             ls_set(c->a, arg, lx_op(c->a, L_SELECT, DT_I32, cond, i, lx_reg(c->a, DT_I32, arg))));
  lower_emit(c, ls_set(c->a, best, lx_op(c->a, L_SELECT, t, cond, value, old)));
  lower_end(c, f);
  return lx_reg(c->a, DT_I32, arg);
}

static void loop_argmax(Lower *c, Node *n, const Place *dst) {
  Coords at = lower_elements(c, n);
  lower_store(c, dst, &at, lower_argmax(c, n, &at), false);
}

int lower_summed(Lower *c, Node *n, const Node *x, const Node *y, Coords *at, LStmt **open,
                 const Axis *but) {
  int k = 0;
  const Node *both[2] = {x, y};
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < both[b]->nax; i++) {
      Axis *a = both[b]->ax[i];
      if (a == but || axis_in(n->attr.axes, n->attr.naxes, a) || (b && node_has(x, a)))
        continue;
      open[k] = lower_for(c, li(c, 0), lpoly(c, a->extent), a->extent, 0);
      coords_set(at, a, lvar(c, open[k++]->var));
    }
  return k;
}

static int open_axes(Lower *c, Axis *const *ax, int n, Coords *at, LStmt **open) {
  for (int i = 0; i < n; i++) {
    open[i] = lower_for(c, li(c, 0), lpoly(c, ax[i]->extent), ax[i]->extent, 0);
    coords_set(at, ax[i], lvar(c, open[i]->var));
  }
  return n;
}

static void close_axes(Lower *c, LStmt **open, int n) {
  while (n > 0)
    lower_end(c, open[--n]);
}

static Place *scatter_sums(Prog *g, const Inst *k, const Node *n) {
  DType t = lower_wide(computed_dtype(n));
  int buf = buf_add(g, k->prologue ? BIGS_KEPT : BIGS_ARENA, t, extents(n->ax, n->nax), "sums");
  return place_dense(g, buf, t, n->ax, n->nax);
}

static void clear_sums(Lower *c, Node *n, const Place *sums) {
  LStmt *open[MAX_AXES];
  Coords at = {0};
  int k = open_axes(c, n->ax, n->nax, &at, open);
  lower_store(c, sums, &at, lx_const(c->a, sums->dtype, 0), false);
  close_axes(c, open, k);
}

static void store_sums(Lower *c, Node *n, const Place *sums, const Place *dst, bool add) {
  LStmt *open[MAX_AXES];
  Coords at = {0};
  int k = open_axes(c, n->ax, n->nax, &at, open);
  lower_store(c, dst, &at, lower_cast(c, computed_dtype(n), lower_load(c, sums, &at)), add);
  close_axes(c, open, k);
}

// One task: adds row after row to sums in float64.  An axis of the index or of src that has the
// result's name is summed.
static void loop_scatter(Lower *c, Inst *inst, Node *n, const Place *dst) {
  LStmt *open[2 * MAX_AXES];
  Coords at = {0}, out;
  const Place *sums = scatter_sums(c->g, inst, n);
  lower_grid(c, poly_const(1), 1);
  clear_sums(c, n, sums);
  int k = open_axes(c, n->attr.axes, n->attr.naxes, &at, open);
  k += lower_summed(c, n, n->in[0], n->in[1], &at, open + k, NULL);
  LExpr *id = lower_value(c, n->in[0], &at).e;
  int reg = lower_reg(c, DT_I32, id);
  LExpr *i = lint(c, lx_to_int(c->a, lx_reg(c->a, DT_I32, reg)));
  LExpr *v = lower_value(c, n->in[1], &at).e;
  out = at;
  LExpr *last = lpoly(c, poly_sub(n->attr.axis->extent, poly_const(1)));
  coords_set(&out, n->attr.axis, liop(c, L_IMIN, liop(c, L_IMAX, i, li(c, 0)), last));
  lower_store(c, sums, &out, lower_cast(c, sums->dtype, v), true);
  close_axes(c, open, k);
  store_sums(c, n, sums, dst, inst->accumulate);
}

void lower_loops(Prog *g, Inst *k) {
  Node *n = k->root;
  const Place *dst = k->m.v[0].place;
  if (!info_of(g, n)->needed)
    return;
  if (lower_conv_lanes(g, k))
    return;
  Lower *c = lower_new(g, k, inst_label(g, k));
  switch (n->op) {
  case OP_ARGMAX: loop_argmax(c, n, dst); break;
  case OP_ARGSORT: lower_argsort(c, k, n, dst); break;
  case OP_CUMSUM: lower_cumsum(c, n, dst); break;
  case OP_CAUSAL_CONV: lower_conv(c, n, dst); break;
  case OP_CONV_GRAD: lower_conv_grad(c, n, dst); break;
  case OP_SCATTER: loop_scatter(c, k, n, dst); break;
  case OP_ATTENTION_GRAD: lower_attention_bias(c, n, dst); break;
  default: BUG("%s as loops", op_name(n->op));
  }
  lower_finish(c, poly_const(0));
}

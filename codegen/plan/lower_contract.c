// Contractions as loop IR: a grid of row blocks and column blocks, in each a TILE whose epilogue
// computes and stores the instance's members; and the transposes that bring operands into panels.
#include "codegen/plan/contract.h"
#include "codegen/plan/lower_util.h"

enum { TRANSPOSE_ROWS = 64 };

typedef struct ContractEmit {
  Lower *c;
  Inst *k;
  Tile *t;
  Coords outer;       // coordinates that a task fixes
  LExpr *row0, *col0; // first row and column of the tile
  LExpr *rowblock;    // NULL without rows
  LExpr *rows, *cols; // of the tile
  Poly N;
  int64_t panel; // width of the panels that a member is stored in, 0: none
} ContractEmit;

static bool stored(Prog *g, const Member *m) {
  return info_of(g, m->node)->needed;
}

static Poly last_stride(const Place *pl, const AxisList *l) {
  int i = l->n ? place_axis(pl, l->ax[l->n - 1]) : -1;
  return i < 0 ? poly_const(0) : pl->stride[i];
}

// Sum of the outer coordinates' strides, plus x * step.
static LExpr *base_index(ContractEmit *e, const Place *pl, LExpr *x, Poly step) {
  LExpr *v[2 * MAX_AXES];
  Poly s[2 * MAX_AXES];
  int n = 0;
  for (int i = 0; i < e->t->outer.n; i++) {
    int a = place_axis(pl, e->t->outer.ax[i]);
    if (a < 0)
      continue;
    v[n] = coords_get(&e->outer, e->t->outer.ax[i]);
    s[n++] = pl->stride[a];
  }
  v[n] = x;
  s[n++] = step;
  return llinear(e->c, v, s, n, poly_const(0));
}

// Distance of a staged or stored operand's panels.
Poly contract_panel_step(const Tile *t) {
  if (t->pairs)
    return poly_scale(pairs_padded(t), t->b->width);
  if (t->quads)
    return quads_step(t, t->b->width);
  if (t->staged_width)
    return poly_scale(extents(t->k.ax, t->k.n), t->b->width);
  return poly_const(t->b->panel);
}

// The tile's part of A that is not all zeros: k up to its last row of the past, from its first one of the future.
static void toeplitz_product(ContractEmit *e, LProduct *p) {
  Lower *c = e->c;
  LExpr *L = p->K, *first = li(c, TOEPLITZ_SIDE);
  bool past = e->t->toeplitz == TOEPLITZ_PAST;
  p->am = li(c, past ? 1 : -1);
  p->ak = li(c, past ? -1 : 1);
  p->abase = past ? liop(c, L_IADD, e->row0, first) : first;
  p->K = past ? liop(c, L_IMIN, liop(c, L_IADD, e->row0, first), L) : liop(c, L_ISUB, L, e->row0);
  if (!past)
    p->bbase = liop(c, L_IADD, p->bbase, liop(c, L_IMUL, e->row0, p->bk));
}

static LProduct product(ContractEmit *e) {
  Lower *c = e->c;
  Tile *t = e->t;
  LProduct p = {0};
  bool derived = t->stage_a == STAGE_ROWS;
  p.amem = derived ? -1 : lower_mem(c, t->a->buf, t->a->base, false);
  p.bmem = lower_mem(c, t->b->buf, t->b->base, false);
  p.am = lpoly(c, last_stride(t->a, &t->m));
  p.ak = lpoly(c, last_stride(t->a, &t->k));
  p.bk = lpoly(c, last_stride(t->b, &t->k));
  p.K = lpoly(c, t->quads ? quads_words(t) : extents(t->k.ax, t->k.n));
  p.abase = derived ? li(c, 0) : base_index(e, t->a, e->row0, last_stride(t->a, &t->m));
  p.bwidth = t->b->width;
  p.pairs = t->pairs;
  p.quads = t->quads;
  if (!p.bwidth) {
    p.bn = c->g->p->o.on->any_columns ? lpoly(c, last_stride(t->b, &t->n)) : NULL;
    p.bbase = base_index(e, t->b, e->col0, last_stride(t->b, &t->n));
    p.bfirst = light_value(c, t->light_b);
    if (t->toeplitz)
      toeplitz_product(e, &p);
    return p;
  }
  p.bpanel = lpoly(c, contract_panel_step(t));
  p.bbase = base_index(e, t->b, ldiv_(c, e->col0, poly_const(t->b->width)), contract_panel_step(t));
  return p;
}

static LExpr *slot_index(ContractEmit *e, const Place *slots, const Coords *at) {
  Lower *c = e->c;
  LExpr *base = liop(c, L_IMUL, e->rowblock, lpoly(c, c->g->buf.v[slots->buf].size));
  return liop(c, L_IADD, base, place_index(c, slots, at));
}

static void clear_slots(ContractEmit *e) {
  Lower *c = e->c;
  for (int i = 0; i < e->k->m.n; i++) {
    Member *m = &e->k->m.v[i];
    if (m->role != ROLE_COLUMN || !stored(c->g, m))
      continue;
    int v = lower_var(c, e->N, c->scope.n);
    LStmt *f = ls_for(c->a, v, li(c, 0), e->cols, 2);
    Coords at = {0};
    lower_push(c, &f->body);
    lower_unflatten(c, liop(c, L_IADD, e->col0, lvar(c, v)), e->t->n.ax, e->t->n.n, &at);
    int mem = lower_mem(c, m->place->buf, poly_const(0), true);
    lower_emit(c, ls_store(c->a, mem, slot_index(e, m->place, &at), lx_const(c->a, DT_F32, 0)));
    lower_pop(c);
    lower_emit(c, f);
  }
}

static void epilogue(ContractEmit *e, const Coords *at) {
  Lower *c = e->c;
  for (int i = 0; i < e->k->m.n; i++) {
    Member *m = &e->k->m.v[i];
    if (!stored(c->g, m))
      continue;
    if (m->role != ROLE_COLUMN) {
      lower_store(c, m->place, at, lower_member(c, m, at), false);
      continue;
    }
    LExpr *v = lower_settled(c, lower_member(c, m, at));
    int mem = lower_mem(c, m->place->buf, poly_const(0), true);
    c->k->mem.v[mem].read = true;
    lower_emit(c, ls_colsum(c->a, mem, slot_index(e, m->place, at), v));
  }
}

// ---- rows that are derived

// An element's place in its row.
static LExpr *place_in_row(ContractEmit *e, LExpr *row, const Coords *at) {
  const Tile *t = e->t;
  LExpr *index[MAX_AXES + 1] = {row};
  Poly step[MAX_AXES + 1] = {last_stride(t->a, &t->m)};
  for (int k = 0; k < t->k.n; k++) {
    index[k + 1] = coords_get(at, t->k.ax[k]);
    step[k + 1] = place_stride(t->a, t->k.ax[k]);
  }
  return llinear(e->c, index, step, t->k.n + 1, poly_const(0));
}

// The elements of one row, whose coordinates are known but for those of k from number i on.  Arguments come before scratch, so that
// is made when all are known.
static void derive_row(ContractEmit *e, Node *x, LExpr *row, int i, Coords at, int *mem) {
  Lower *c = e->c;
  const Tile *t = e->t;
  if (i == t->k.n) {
    LExpr *to = place_in_row(e, row, &at), *v = lower_value(c, x, &at).e;
    Poly size = poly_scale(last_stride(t->a, &t->m), task_rows(&c->g->p->o, t));
    *mem = loop_scratch(c->a, c->k, "rows", DT_F32, size);
    lower_emit(c, ls_store(c->a, *mem, to, v));
    return;
  }
  enum { VECTORS = 4 };
  Poly size = t->k.ax[i]->extent;
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, size), size, i == t->k.n - 1 ? VECTORS : 0);
  coords_set(&at, t->k.ax[i], lvar(c, f->var));
  derive_row(e, x, row, i + 1, at, mem);
  lower_end(c, f);
}

// Where they are.
static int derive_rows(ContractEmit *e) {
  Lower *c = e->c;
  Tile *t = e->t;
  Node *x = e->k->root->in[1 - t->side];
  int mem = -1;
  LStmt *f = lower_for(c, li(c, 0), e->rows, poly_const(task_rows(&c->g->p->o, t)), 0);
  LExpr *m = lvar(c, f->var);
  Coords at = e->outer;
  lower_unflatten(c, liop(c, L_IADD, e->row0, m), t->m.ax, t->m.n, &at);
  c->own = window_below(x); // where it is stored, too, that is done later
  derive_row(e, x, m, 0, at, &mem);
  c->own = NULL;
  lower_end(c, f);
  return mem;
}

static void emit_tile(ContractEmit *e) {
  Lower *c = e->c;
  clear_slots(e);
  int64_t cols = task_columns(&c->g->p->o, e->t, e->panel ? e->panel : e->t->b->width);
  int mvar = lower_var(c, poly_const(task_rows(&c->g->p->o, e->t)), c->scope.n);
  int nvar = lower_var(c, poly_const(cols), c->scope.n);
  LStmt *s = ls_tile(c->a, mvar, nvar, e->rows, e->cols);
  s->tile->prod[0] = product(e);
  s->tile->nprod = 1;
  Coords at = e->outer;
  lower_push(c, &s->tile->body);
  c->acc = e->k->root;
  if (e->t->m.n)
    lower_unflatten(c, liop(c, L_IADD, e->row0, lvar(c, mvar)), e->t->m.ax, e->t->m.n, &at);
  lower_unflatten(c, liop(c, L_IADD, e->col0, lvar(c, nvar)), e->t->n.ax, e->t->n.n, &at);
  if (e->t->toeplitz)
    lower_toeplitz_sum(c, e->k->root, &at);
  epilogue(e, &at);
  lower_pop(c);
  c->acc = NULL;
  if (e->t->stage_a == STAGE_ROWS)
    s->tile->prod[0].amem = derive_rows(e);
  lower_emit(c, s);
}

static LExpr *rest(Lower *c, LExpr *from, Poly total, int64_t most) {
  return liop(c, L_IMIN, li(c, most), liop(c, L_ISUB, lpoly(c, total), from));
}

// Width of the panels that a member is stored in, 0: none.  A block of columns begins at a panel,
// and a panel is as wide as the tile, so that the quotient by its width is the same in all lanes.
static int64_t stored_panels(Prog *g, const Inst *k) {
  for (int i = 0; i < k->m.n; i++) {
    const Place *pl = k->m.v[i].place;
    int a = pl && pl->width ? place_axis(pl, k->col[k->ncol - 1]) : -1;
    if (a >= 0 && pl->nstep[a] == 1 && stored(g, &k->m.v[i]))
      return pl->width;
  }
  return 0;
}

static Poly flops_of(const Tile *t) {
  Poly p = poly_const(t->toeplitz ? 1 : 2); // half of a Toeplitz matrix is zero
  const AxisList *l[4] = {&t->outer, &t->m, &t->n, &t->k};
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < l[i]->n; j++) {
      if (!poly_mul_fits(&p, &l[i]->ax[j]->extent))
        return poly_const(0);
      p = poly_mul(p, l[i]->ax[j]->extent);
    }
  return p;
}

static bool sums_columns(const Inst *k) {
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].role == ROLE_COLUMN)
      return true;
  return false;
}

static int64_t at_most(Poly p, int64_t most) {
  int64_t v;
  return poly_is_const(&p, &v) && v < most ? v : most;
}

// Outer indices of one task: small products are several a task, so that what a task costs by itself does not count, and what
// lies beside each other in a row is read by one.
static int64_t outer_block(const ContractEmit *e, int64_t rows, int64_t columns) {
  int64_t sum, most = e->c->g->p->o.on->tile_work;
  Poly k = extents(e->t->k.ax, e->t->k.n);
  if (sums_columns(e->k) || e->t->toeplitz || !poly_is_const(&k, &sum))
    return 1;
  int64_t each = sum * at_most(extents(e->t->m.ax, e->t->m.n), rows) * at_most(e->N, columns);
  return each && most / each > 1 ? most / each : 1;
}

// A part of a group of columns: `each` wide.
static LExpr *grid_part(ContractEmit *e, int64_t group, int64_t each) {
  int64_t n = at_most(e->N, group);
  return liop(e->c, L_IMUL, lvar(e->c, lower_grid(e->c, poly_const(n), each)), li(e->c, each));
}

// Rows and columns of the task's tile.  Tasks run through the parts of a group of columns, then through rows, then groups: the
// group's columns and the rows that come near each other in time stay in caches.
static void grid_tile(ContractEmit *e, int64_t rows, int64_t columns) {
  Lower *c = e->c;
  int64_t most = c->g->p->o.on->tile_columns,
          group = most > columns ? most / columns * columns : columns;
  e->col0 = liop(c, L_IMUL, lvar(c, lower_grid(c, e->N, group)), li(c, group));
  e->row0 = li(c, 0);
  e->rows = li(c, 1);
  if (e->t->m.n) {
    Poly M = extents(e->t->m.ax, e->t->m.n);
    e->rowblock = lvar(c, lower_grid(c, M, rows));
    e->row0 = liop(c, L_IMUL, e->rowblock, li(c, rows));
    e->rows = rest(c, e->row0, M, rows);
  }
  if (at_most(e->N, group) > columns)
    e->col0 = liop(c, L_IADD, e->col0, grid_part(e, group, columns));
  e->cols = rest(c, e->col0, e->N, columns);
}

// The tile, for each of `block` outer indices from `first` on.
static void emit_tiles(ContractEmit *e, LExpr *first, int64_t block) {
  Lower *c = e->c;
  const AxisList *outer = &e->t->outer;
  LStmt *f = NULL;
  if (block > 1) {
    LExpr *from = liop(c, L_IMUL, first, li(c, block));
    int v = lower_var(c, extents(outer->ax, outer->n), c->scope.n);
    f = ls_for(c->a, v, from,
               liop(c, L_IADD, from, rest(c, from, extents(outer->ax, outer->n), block)), 0);
    lower_push(c, &f->body);
    first = lvar(c, v);
  }
  if (outer->n)
    lower_unflatten(c, first, outer->ax, outer->n, &e->outer);
  emit_tile(e);
  if (!f)
    return;
  lower_pop(c);
  lower_emit(c, f);
}

void lower_tile(Prog *g, Inst *k) {
  bool any = false;
  for (int i = 0; i < k->m.n; i++)
    any |= stored(g, &k->m.v[i]);
  if (!any)
    return;
  Lower *c = lower_new(g, k, inst_label(g, k));
  Tile *t = k->tile;
  ContractEmit e = {
      .c = c, .k = k, .t = t, .N = extents(t->n.ax, t->n.n), .panel = stored_panels(g, k)};
  int64_t rows = task_rows(&g->p->o, t),
          columns = task_columns(&g->p->o, t, e.panel ? e.panel : t->b->width),
          block = t->outer.n ? outer_block(&e, rows, columns) : 1;
  LExpr *first = NULL;
  if (t->outer.n)
    first = lvar(c, lower_grid(c, extents(t->outer.ax, t->outer.n), block));
  grid_tile(&e, rows, columns);
  emit_tiles(&e, first, block);
  lower_finish(c, flops_of(t));
}

// ---- transposes

static LStmt *transpose_stmt(Lower *c, int src, int dst) {
  LStmt *s = NEW(c->a, LStmt);
  s->kind = LS_TRANSPOSE;
  s->tr.src = src;
  s->tr.dst = dst;
  return s;
}

// Rows of a parameter's panels: a task takes one panel, which holds `width` of the summed indices.
static void transpose_panels(Lower *c, Inst *k, LStmt *s) {
  Tile *t = k->tile;
  const Place *src = k->src, *dst = k->dst;
  Poly K = extents(t->k.ax, t->k.n);
  LExpr *p = lvar(c, lower_grid(c, K, src->width)), *k0 = liop(c, L_IMUL, p, li(c, src->width));
  s->tr.rows = lpoly(c, extents(t->n.ax, t->n.n));
  s->tr.cols = rest(c, k0, K, src->width);
  s->tr.sbase = liop(c, L_IMUL, p, li(c, src->panel));
  s->tr.dbase = liop(c, L_IMUL, k0, li(c, dst->width));
  s->tr.srow = lpoly(c, last_stride(src, &t->n));
}

static void transpose_rows(Lower *c, Inst *k, LStmt *s) {
  Tile *t = k->tile;
  const Place *src = k->src, *dst = k->dst;
  ContractEmit e = {.c = c, .k = k, .t = t};
  Poly N = extents(t->n.ax, t->n.n), K = extents(t->k.ax, t->k.n);
  int64_t rows = TRANSPOSE_ROWS / dst->width * dst->width;
  if (rows < dst->width)
    rows = dst->width;
  t->outer = t->batch;
  if (t->batch.n)
    lower_unflatten(c, lvar(c, lower_grid(c, extents(t->batch.ax, t->batch.n), 1)), t->batch.ax,
                    t->batch.n, &e.outer);
  LExpr *b = lvar(c, lower_grid(c, N, rows)), *n0 = liop(c, L_IMUL, b, li(c, rows));
  s->tr.rows = rest(c, n0, N, rows);
  s->tr.cols = lpoly(c, K);
  s->tr.srow = lpoly(c, last_stride(src, &t->n));
  s->tr.sbase = base_index(&e, src, n0, last_stride(src, &t->n));
  s->tr.dbase = base_index(&e, dst, b, poly_scale(K, rows));
}

// ---- pairs of bf16

static LExpr *pairs_at(ContractEmit *e, const Place *dst, LExpr *n0) {
  if (!dst->width)
    return base_index(e, dst, n0, pairs_padded(e->t));
  Poly panel = poly_scale(pairs_padded(e->t), dst->width);
  return base_index(e, dst, ldiv_(e->c, n0, poly_const(dst->width)), panel);
}

// A task takes one panel of a parameter's columns, or rows, or of its k.
static void pairs_of_panels(ContractEmit *e, const AxisList *rows, LStmt *s) {
  Lower *c = e->c;
  const Place *src = e->k->src, *dst = e->k->dst;
  bool of_k = pairs_panels_of_k(src, e->t);
  Poly K = extents(e->t->k.ax, e->t->k.n), N = extents(rows->ax, rows->n), along = of_k ? K : N;
  LExpr *p = lvar(c, lower_grid(c, along, src->width)),
        *first = liop(c, L_IMUL, p, li(c, src->width));
  s->tr.rows = of_k ? lpoly(c, N) : rest(c, first, N, src->width);
  s->tr.cols = of_k ? rest(c, first, K, src->width) : lpoly(c, K);
  s->tr.srow = of_k ? lpoly(c, last_stride(src, rows)) : li(c, 1);
  s->tr.scol = of_k ? li(c, 1) : lpoly(c, last_stride(src, &e->t->k));
  s->tr.sbase = liop(c, L_IMUL, p, li(c, src->panel));
  s->tr.dbase =
      of_k ? liop(c, L_IMUL, first, li(c, dst->width ? dst->width : 1)) : pairs_at(e, dst, first);
}

static void pairs_of_rows(ContractEmit *e, const AxisList *rows, LStmt *s) {
  Lower *c = e->c;
  const Place *src = e->k->src;
  Poly N = extents(rows->ax, rows->n);
  if (e->t->batch.n)
    lower_unflatten(c, lvar(c, lower_grid(c, extents(e->t->batch.ax, e->t->batch.n), 1)),
                    e->t->batch.ax, e->t->batch.n, &e->outer);
  LExpr *n0 = liop(c, L_IMUL, lvar(c, lower_grid(c, N, TRANSPOSE_ROWS)), li(c, TRANSPOSE_ROWS));
  s->tr.rows = rest(c, n0, N, TRANSPOSE_ROWS);
  s->tr.cols = lpoly(c, extents(e->t->k.ax, e->t->k.n));
  s->tr.srow = lpoly(c, last_stride(src, rows));
  s->tr.scol = lpoly(c, last_stride(src, &e->t->k));
  s->tr.sbase = base_index(e, src, n0, last_stride(src, rows));
  s->tr.dbase = pairs_at(e, e->k->dst, n0);
}

static void lower_pairs(Prog *g, Inst *k) {
  Lower *c = lower_new(g, k, inst_label(g, k));
  const Place *dst = k->dst;
  ContractEmit e = {.c = c, .k = k, .t = k->tile};
  const AxisList *rows = dst->width ? &k->tile->n : &k->tile->m;
  LStmt *s = transpose_stmt(c, lower_mem(c, k->src->buf, k->src->base, false),
                            lower_mem(c, dst->buf, dst->base, true));
  s->kind = LS_PAIRS;
  s->tr.dwidth = dst->width ? dst->width : 1;
  s->tr.dpanel = lpoly(c, poly_scale(pairs_padded(k->tile), s->tr.dwidth));
  (k->src->width ? pairs_of_panels : pairs_of_rows)(&e, rows, s);
  lower_emit(c, s);
  lower_finish(c, poly_const(0));
}

// ---- quads of int8

enum { QUAD_ROWS = 8 };

// A task takes a panel of columns, or a few rows.
static void quads_at(Lower *c, Inst *k, LStmt *s) {
  const Place *src = k->src, *dst = k->dst;
  const AxisList *rows = dst->width ? &k->tile->n : &k->tile->m;
  int64_t block = dst->width ? dst->width : QUAD_ROWS;
  Poly N = extents(rows->ax, rows->n), step = quads_step(k->tile, dst->width);
  LExpr *task = lvar(c, lower_grid(c, N, block)), *first = liop(c, L_IMUL, task, li(c, block));
  s->tr.dwidth = dst->width ? dst->width : 1;
  s->tr.rows = rest(c, first, N, block);
  s->tr.cols = lpoly(c, extents(k->tile->k.ax, k->tile->k.n));
  s->tr.srow = src->width ? li(c, 1) : lpoly(c, last_stride(src, rows));
  s->tr.scol = lpoly(c, last_stride(src, &k->tile->k));
  s->tr.sbase =
      src->width ? liop(c, L_IMUL, task, li(c, src->panel)) : liop(c, L_IMUL, first, s->tr.srow);
  s->tr.dpanel = lpoly(c, step);
  s->tr.dbase = liop(c, L_IMUL, dst->width ? task : first, s->tr.dpanel);
}

static void lower_quads(Prog *g, Inst *k) {
  Lower *c = lower_new(g, k, inst_label(g, k));
  LStmt *s = transpose_stmt(c, lower_mem(c, k->src->buf, k->src->base, false),
                            lower_mem(c, k->dst->buf, k->dst->base, true));
  s->kind = LS_QUADS;
  quads_at(c, k, s);
  lower_emit(c, s);
  lower_finish(c, poly_const(0));
}

void lower_transpose(Prog *g, Inst *k) {
  if (k->tile->quads) {
    lower_quads(g, k);
    return;
  }
  if (k->tile->pairs) {
    lower_pairs(g, k);
    return;
  }
  Lower *c = lower_new(g, k, inst_label(g, k));
  int src = lower_mem(c, k->src->buf, k->src->base, false),
      dst = lower_mem(c, k->dst->buf, k->dst->base, true);
  LStmt *s = transpose_stmt(c, src, dst);
  s->tr.dwidth = k->dst->width;
  s->tr.dcol = li(c, k->dst->width);
  s->tr.dpanel = lpoly(c, poly_scale(extents(k->tile->k.ax, k->tile->k.n), k->dst->width));
  if (k->src->width)
    transpose_panels(c, k, s);
  else
    transpose_rows(c, k, s);
  lower_emit(c, s);
  lower_finish(c, poly_const(0));
}

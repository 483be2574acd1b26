// Row kernels: pointwise work over rows and columns, with reductions along the columns.  Each task
// takes a block of rows.  A row is passed over once for every level of reductions (a reduction of
// level n needs those of level n - 1 of the same row), then once more to store; so a softmax or a
// layer norm reads its row from memory once and then from the cache.
//
// When the vector axis is one that stays (`lanes`), rows are the lanes of a vector and the columns
// are walked one by one.
#include "codegen/plan/lower_util.h"
#include <math.h>
#include <string.h>

typedef struct Rows {
  Lower *c;
  Inst *k;
  int nrow, ncol; // an undecided domain's last axis is its column
  Axis **row, **col;
  LExpr *task; // block of rows
  int64_t block,
      lanes;     // rows of a task; elements along the last axis of rows, where these are lanes
  int64_t chunk; // columns of a task, where rows alone are too few tasks; 0: all
  int levels;
  int vec, reduce_vec; // native vectors at a time
  LStmt *open[2 * MAX_AXES];
  int nopen;
} Rows;

// ---- which members are worth computing

static bool stored(Prog *g, const Member *m) {
  return m->copy || m->role == ROLE_COLUMN ? m->copy || info_of(g, m->node)->needed
                                           : info_of(g, m->node)->needed;
}

static bool in_kernel(const Rows *s, const Node *n) {
  return info_of(s->c->g, n)->inst == s->k;
}

// 1 + the level of the reductions that n needs; marks what it meets as alive.
static int level_of(Rows *s, Node *n, bool copy) {
  Prog *g = s->c->g;
  Info *f = info_of(g, n);
  if (f->stamp[1] == g->stamp)
    return f->level;
  if (f->place && f->inst != s->k && !copy)
    return 0;
  f->stamp[1] = g->stamp;
  f->level = 0;
  int level = 0;
  for (int i = 0; i < n->nin; i++) {
    int x = level_of(s, n->in[i], false);
    if (x > level)
      level = x;
  }
  bool reduces = in_kernel(s, n) && (is_reduction(n) || (n->op == OP_CONTRACT && n->attr.naxes));
  return f->level = level + reduces;
}

static bool alive(const Rows *s, const Node *n) {
  const Info *f = info_of(s->c->g, n);
  return f->stamp[1] == s->c->g->stamp;
}

static bool find_levels(Rows *s) {
  Prog *g = s->c->g;
  bool any = false;
  g->stamp++;
  for (int i = 0; i < s->k->m.n; i++) {
    Member *m = &s->k->m.v[i];
    if (!stored(g, m))
      continue;
    any = true;
    if (m->copy && info_of(g, m->node)->place)
      continue;
    int level = m->role == ROLE_COLUMN ? level_of(s, m->node->in[0], false)
                                       : level_of(s, m->node, m->copy || m->derive);
    if (level > s->levels)
      s->levels = level;
  }
  return any;
}

// ---- loops

static void open_loop(Rows *s, Axis *a, LExpr *lo, LExpr *hi, Poly range, int vec, Coords *at) {
  Lower *c = s->c;
  int v = lower_var(c, range, c->scope.n);
  LStmt *f = ls_for(c->a, v, lo, hi, vec);
  if (a)
    coords_set(at, a, lvar(c, v));
  s->open[s->nopen++] = f;
  lower_push(c, &f->body);
}

static void close_loops(Rows *s, int until) {
  while (s->nopen > until) {
    lower_pop(s->c);
    lower_emit(s->c, s->open[--s->nopen]);
  }
}

static LExpr *min_int(Lower *c, LExpr *x, Poly p) {
  return liop(c, L_IMIN, x, lpoly(c, p));
}

static bool is_vector(const Rows *s, int i) {
  return i == s->ncol - 1 && !s->k->lanes;
}

static int column_vec(const Rows *s, int i, bool reduces) {
  return !is_vector(s, i) ? 0 : reduces ? s->reduce_vec : s->vec;
}

// Column i, of which `block` elements from block * `number` on.
static void open_part(Rows *s, int i, LExpr *number, int64_t block, bool reduces, Coords *at) {
  Lower *c = s->c;
  Axis *a = s->col[i];
  LExpr *lo = liop(c, L_IMUL, number, li(c, block));
  LExpr *hi = min_int(c, liop(c, L_IADD, lo, li(c, block)), a->extent);
  open_loop(s, a, lo, hi, a->extent, column_vec(s, i, reduces), at);
}

static void open_column(Rows *s, int i, bool reduces, Coords *at) {
  Lower *c = s->c;
  Axis *a = s->col[i];
  int vec = column_vec(s, i, reduces);
  if (is_vector(s, i) && s->chunk)
    open_part(s, i, lvar(c, lower_grid(c, a->extent, s->chunk)), s->chunk, reduces, at);
  else
    open_loop(s, a, li(c, 0), lpoly(c, a->extent), a->extent, vec, at);
}

static void open_columns(Rows *s, Coords *at, bool reduces) {
  for (int i = 0; i < s->ncol; i++)
    open_column(s, i, reduces, at);
}

static void open_grid(Rows *s) {
  int n = s->nrow - s->k->lanes;
  if (n || !s->k->lanes)
    s->task = lvar(s->c, lower_grid(s->c, extents(s->row, n), s->block));
}

// The rows of a task: their coordinates, the loops over them open.
static void open_rows(Rows *s, Coords *at) {
  Lower *c = s->c;
  int n = s->nrow - s->k->lanes;
  Poly R = extents(s->row, n);
  LExpr *flat = s->task;
  if (flat && s->block > 1) {
    LExpr *lo = liop(c, L_IMUL, flat, li(c, s->block));
    open_loop(s, NULL, lo, min_int(c, liop(c, L_IADD, lo, li(c, s->block)), R), R, 0, at);
    flat = lvar(c, s->open[s->nopen - 1]->var);
  }
  lower_unflatten(c, flat, s->row, n, at);
  if (!s->k->lanes)
    return;
  Axis *a = s->row[s->nrow - 1];
  LExpr *lo = liop(c, L_IMUL, lvar(c, lower_grid(c, a->extent, s->lanes)), li(c, s->lanes));
  open_loop(s, a, lo, min_int(c, liop(c, L_IADD, lo, li(c, s->lanes)), a->extent), a->extent, 2,
            at);
}

// ---- reductions

double reduce_identity(const Node *n) {
  if (n->op == OP_SUM || n->op == OP_CONTRACT)
    return 0;
  double limit = n->dtype == DT_I32 ? 2147483648.0 : INFINITY;
  return n->op == OP_RMAX ? -limit : n->dtype == DT_I32 ? limit - 1 : limit;
}

LReduce reduce_kind(const Node *n) {
  return n->op == OP_RMAX ? LR_MAX : n->op == OP_RMIN ? LR_MIN : LR_SUM;
}

LExpr *reduce_operand(Lower *c, Node *n, const Coords *at) {
  LExpr *x = lower_value(c, n->in[0], at).e;
  if (n->op != OP_CONTRACT)
    return x;
  return lx_op(c->a, L_MUL, x->dtype, x, lower_value(c, n->in[1], at).e, NULL);
}

// Where the columns of a sum are cut: column `at` into blocks of `block`, which with all columns
// behind it make a run.  Runs are summed in the sum's own dtype, and added up in float64.
typedef struct Cut {
  int at; // -1: all columns are one run
  int64_t block;
} Cut;

// How many elements of a run go into one accumulator.
enum { RUN = 128 };

static Cut cut_of(const Rows *s) {
  int64_t room = s->k->lanes ? RUN : (int64_t)RUN * s->c->g->p->o.vector_floats * s->reduce_vec, n;
  int64_t most = s->c->g->p->o.on->sum_lanes * RUN;
  for (int i = s->ncol - 1; i >= 0; i--) {
    bool known = extent_is(s->col[i], &n);
    if (i == s->ncol - 1 && known && !s->k->lanes && n <= most)
      continue;
    if (!known || n > room)
      return (Cut){i, room};
    room /= n > 0 ? n : 1;
  }
  return (Cut){-1, 0};
}

// A reduction of the level that is being written.
typedef struct Fold {
  Node *n;
  DType t;
  int reg, run; // the result so far, of dtype t; the sum of a run, -1 where there is none
} Fold;

static Fold fold_begin(Rows *s, Node *n, const Cut *cut) {
  Lower *c = s->c;
  DType t = computed_dtype(n);
  bool runs = cut->at >= 0 && reduce_kind(n) == LR_SUM && t == DT_F32;
  if (runs)
    t = DT_F64;
  return (Fold){n, t, lower_reg(c, t, lx_const(c->a, t, reduce_identity(n))), runs ? 0 : -1};
}

// Opens the loops over runs, and over the elements of one.
static void open_runs(Rows *s, const Cut *cut, Fold *fold, int n, Coords *at, int *run_loops) {
  Lower *c = s->c;
  Axis *a = s->col[cut->at];
  for (int i = 0; i < cut->at; i++)
    open_column(s, i, true, at);
  LExpr *up = lpoly(c, poly_add(a->extent, poly_const(cut->block - 1)));
  open_loop(s, NULL, li(c, 0), liop(c, L_IDIV, up, li(c, cut->block)), a->extent, 0, at);
  LExpr *number = lvar(c, s->open[s->nopen - 1]->var);
  for (int i = 0; i < n; i++)
    if (fold[i].run >= 0)
      fold[i].run = lower_reg(c, DT_F32, lx_const(c->a, DT_F32, 0));
  *run_loops = s->nopen;
  open_part(s, cut->at, number, cut->block, true, at);
  for (int i = cut->at + 1; i < s->ncol; i++)
    open_column(s, i, true, at);
}

static void end_runs(Rows *s, Fold *fold, int n, int run_loops) {
  Lower *c = s->c;
  close_loops(s, run_loops);
  for (int i = 0; i < n; i++)
    if (fold[i].run >= 0) {
      LExpr *sum = lx_reg(c->a, DT_F32, fold[i].run);
      lower_emit(
          c, ls_reduce(c->a, fold[i].reg, LR_SUM, lx_op(c->a, L_CAST, DT_F64, sum, NULL, NULL)));
    }
}

static void fold_elements(Rows *s, const Fold *fold, int n, const Coords *at) {
  Lower *c = s->c;
  for (int i = 0; i < n; i++) {
    LExpr *v = reduce_operand(c, fold[i].n, at);
    int reg = fold[i].run >= 0 ? fold[i].run : fold[i].reg;
    lower_emit(c, ls_reduce(c->a, reg, reduce_kind(fold[i].n), v));
  }
}

static void fold_end(Rows *s, const Fold *f, const Coords *rows) {
  Lower *c = s->c;
  DType t = computed_dtype(f->n);
  LExpr *v = lx_reg(c->a, f->t, f->reg);
  lower_define(c, f->n, rows, f->t == t ? v : lx_op(c->a, L_CAST, t, v, NULL, NULL));
}

static bool has_runs(const Fold *fold, int n) {
  for (int i = 0; i < n; i++)
    if (fold[i].run >= 0)
      return true;
  return false;
}

static void reduce_level(Rows *s, int level, const Coords *rows) {
  Fold *fold = NEWN(s->c->a, Fold, s->k->m.n);
  Cut cut = cut_of(s);
  int n = 0, open = s->nopen, run_loops = 0;
  for (int i = 0; i < s->k->m.n; i++) {
    Node *x = s->k->m.v[i].node;
    if (s->k->m.v[i].role == ROLE_REDUCE && alive(s, x) && info_of(s->c->g, x)->level == level)
      fold[n++] = fold_begin(s, x, &cut);
  }
  Coords at = *rows;
  bool runs = has_runs(fold, n);
  if (runs)
    open_runs(s, &cut, fold, n, &at, &run_loops);
  else
    open_columns(s, &at, true);
  fold_elements(s, fold, n, &at);
  if (runs)
    end_runs(s, fold, n, run_loops);
  close_loops(s, open);
  for (int i = 0; i < n; i++)
    fold_end(s, &fold[i], rows);
}

// ---- partial sums over the task's rows

static LExpr *slot_index(Rows *s, const Place *slots, const Coords *at) {
  Lower *c = s->c;
  LExpr *base = liop(c, L_IMUL, s->task, lpoly(c, c->g->buf.v[slots->buf].size));
  return liop(c, L_IADD, base, place_index(c, slots, at));
}

static void clear_slots(Rows *s) {
  Lower *c = s->c;
  Coords at = {0};
  int open = s->nopen;
  open_columns(s, &at, false);
  for (int i = 0; i < s->k->m.n; i++) {
    Member *m = &s->k->m.v[i];
    if (m->role != ROLE_COLUMN || !stored(c->g, m))
      continue;
    int mem = lower_mem(c, m->place->buf, poly_const(0), true);
    lower_emit(
        c, ls_store(c->a, mem, slot_index(s, m->place, &at), lx_const(c->a, m->place->dtype, 0)));
  }
  close_loops(s, open);
}

static void add_to_slot(Rows *s, const Member *m, LExpr *v, const Coords *at) {
  Lower *c = s->c;
  int mem = lower_mem(c, m->place->buf, poly_const(0), true);
  c->k->mem.v[mem].read = true;
  lower_emit(c, ls_colsum(c->a, mem, slot_index(s, m->place, at), v));
}

// ---- stores

// A kernel may write what it reads (an optimizer in place), so all values of an element come before
// all its stores.
static void store_members(Rows *s, const Coords *at, bool per_row) {
  Lower *c = s->c;
  LExpr **v = NEWN(c->a, LExpr *, s->k->m.n + 1);
  for (int i = 0; i < s->k->m.n; i++) {
    Member *m = &s->k->m.v[i];
    bool row = m->role == ROLE_ROW || m->role == ROLE_REDUCE;
    if (row == per_row && stored(c->g, m))
      v[i] = lower_settled(c, lower_member(c, m, at));
  }
  for (int i = 0; i < s->k->m.n; i++) {
    Member *m = &s->k->m.v[i];
    if (v[i] && m->role == ROLE_COLUMN)
      add_to_slot(s, m, v[i], at);
    else if (v[i])
      lower_store(c, m->place, at, v[i], false);
  }
}

static bool has_members(Rows *s, bool per_row) {
  for (int i = 0; i < s->k->m.n; i++) {
    Member *m = &s->k->m.v[i];
    if ((m->role == ROLE_ROW || m->role == ROLE_REDUCE) == per_row && stored(s->c->g, m))
      return true;
  }
  return false;
}

static bool has_columns(Rows *s) {
  for (int i = 0; i < s->k->m.n; i++)
    if (s->k->m.v[i].role == ROLE_COLUMN && stored(s->c->g, &s->k->m.v[i]))
      return true;
  return false;
}

// With partial sums as many rows as a slot takes.
static int64_t rows_of_task(const Rows *s) {
  double columns = size_estimate(s->col, s->ncol);
  if (s->k->slot_block)
    return s->k->slot_block;
  int64_t n = (int64_t)(s->c->g->p->o.on->row_work / (columns < 1 ? 1 : columns));
  return n < 1 ? 1 : n > 64 ? 64 : n;
}

// Where a task has many rows of lanes, it has more lanes and fewer rows instead, down to this many, so that it reads what lies
// side by side.
static void widen_lanes(Rows *s) {
  enum { ROWS = 4 };
  int64_t most = s->k->lanes ? s->c->g->p->o.on->lane_chunk : 0, all;
  if (s->k->lanes && extent_is(s->row[s->nrow - 1], &all) && all < most)
    most = all;
  while (2 * s->lanes <= most && s->block >= 2 * ROWS) {
    s->block /= 2;
    s->lanes *= 2;
  }
}

// A long row of pointwise work is many tasks.
static int64_t columns_of_task(const Rows *s) {
  enum { FEW = 16 };
  int64_t chunk = s->c->g->p->o.on->row_chunk;
  Poly R = extents(s->row, s->nrow);
  int64_t rows, columns;
  if (s->levels || s->k->lanes || s->ncol != 1 || s->k->slot_block || !poly_is_const(&R, &rows) ||
      rows > FEW)
    return 0;
  return extent_is(s->col[0], &columns) && columns < 2 * chunk ? 0 : chunk;
}

void lower_rows(Prog *g, Inst *k) {
  Rows s = {.k = k, .row = k->row, .nrow = k->nrow, .col = k->col, .ncol = k->ncol};
  if (!k->split && k->nrow) {
    s.nrow = k->nrow - 1;
    s.col = k->row + s.nrow;
    s.ncol = 1;
  }
  s.c = lower_new(g, k, inst_label(g, k));
  if (!find_levels(&s))
    return;
  double flops = 0;
  for (int i = 0; i < k->m.n; i++)
    flops += info_of(g, k->m.v[i].node)->flops;
  s.vec = flops > 24 ? 1 : 2;
  s.reduce_vec = flops > 24 ? 2 : 4;
  s.block = rows_of_task(&s);
  s.lanes = g->p->o.vector_floats * 2;
  widen_lanes(&s);
  s.chunk = columns_of_task(&s);
  Coords rows = {0};
  open_grid(&s);
  if (has_columns(&s))
    clear_slots(&s);
  open_rows(&s, &rows);
  for (int level = 1; level <= s.levels; level++)
    reduce_level(&s, level, &rows);
  if (has_members(&s, false)) {
    Coords at = rows;
    int open = s.nopen;
    open_columns(&s, &at, false);
    store_members(&s, &at, false);
    close_loops(&s, open);
  }
  if (has_members(&s, true))
    store_members(&s, &rows, true);
  close_loops(&s, 0);
  lower_finish(s.c, poly_const(0));
}

// Scatter-add as kernels, for machines where many tasks run at once.
//
// Ids are sorted with their positions, stably, from the lowest digit on: a pass counts the digits of
// chunks of ids, adds the counts up over all smaller digits and earlier chunks, and puts each id where
// those and the equal digits before it in its chunk say.  Then the ids of one row are neighbours, a
// segment.  The sorted order is cut every CUT ids: a slot has the sum of its first ids, as far as they
// are of one row.  A row is the sum of its segment up to the first cut, and of the slots after that.  So
// what is summed in which order depends on the ids alone, and no row is long work.
//
// An id outside of the axis has the key behind all rows, and adds to none.
#include "codegen/plan/lower_util.h"
#include <string.h>

enum {
  LANES = 32,    // elements of a task, where each is work
  CHUNK = 256,   // ids whose digits are counted together
  GROUP = 64,    // chunks whose counts are added up by one task
  CUT = 256,     // ids that are summed in one register
  RADIX = 256,   // values of a digit, at most
  COLUMNS = 128, // of a row, a task
  HALVINGS = 32, // that find a key among so many as i32 counts
};

// The axes of a scatter: of the ids and of the result; of the ids or the summands only; of the
// summands and the result.
typedef struct ScatterAxes {
  Axis *id[3 * MAX_AXES]; // `batch` of both, then those that are summed
  Axis *col[MAX_AXES];
  int batch, nid, ncol;
} ScatterAxes;

typedef struct Sorted {
  Prog *g;
  Inst *inst;
  Node *n;
  ScatterAxes ax;
  Poly ids, rows, cols; // how many; an id outside has the key `rows`
  int64_t radix, base;  // of the current pass's digit: how many values; radix ^ pass
  int passes, pass;
  int key[2], at[2]; // buffers: keys and their positions before and after a pass
  int count, group, before, total, start, first, sum;
} Sorted;

static void scatter_axes(const Node *n, ScatterAxes *x) {
  Axis *const *kept = n->attr.axes;
  *x = (ScatterAxes){0};
  for (int i = 0; i < n->attr.naxes; i++)
    if (node_has(n->in[0], kept[i]))
      x->id[x->batch++] = kept[i];
    else
      x->col[x->ncol++] = kept[i];
  x->nid = x->batch;
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < n->in[b]->nax; i++) {
      Axis *a = n->in[b]->ax[i];
      if (!axis_in(kept, n->attr.naxes, a) && !axis_in(x->id + x->batch, x->nid - x->batch, a))
        x->id[x->nid++] = a;
    }
}

static bool product(Axis *const *ax, int n, Poly *p) {
  for (int i = 0; i < n; i++) {
    if (!poly_mul_fits(p, &ax[i]->extent))
      return false;
    *p = poly_mul(*p, ax[i]->extent);
  }
  return true;
}

bool scatter_counts(const Node *n, Poly *ids, Poly *rows) {
  ScatterAxes x;
  scatter_axes(n, &x);
  *ids = poly_const(1);
  *rows = n->attr.axis->extent;
  return product(x.id, x.nid, ids) && product(x.id, x.batch, rows);
}

// ---- the sort

static int64_t power(int64_t x, int n) {
  return n ? x * power(x, n - 1) : 1;
}

// The fewest digits, and for so many the fewest values.
static void choose_digits(Sorted *s) {
  int64_t rows = INT32_MAX - 1;
  poly_is_const(&s->rows, &rows);
  s->passes = 1;
  while (power(RADIX, s->passes) <= rows)
    s->passes++;
  s->radix = 2;
  while (power(s->radix, s->passes) <= rows)
    s->radix++;
}

// A buffer of `size` elements for every `block` of ids, or of so many in all.
static int room(Sorted *s, DType t, Poly size, int64_t block, const char *name) {
  Prog *g = s->g;
  int b = buf_add(g, s->inst->prologue ? BIGS_KEPT : BIGS_ARENA, t, size, name);
  if (block) {
    g->buf.v[b].rows = s->ids;
    g->buf.v[b].block = block;
  }
  return b;
}

static void rooms(Sorted *s) {
  Poly radix = poly_const(s->radix), one = poly_const(1);
  for (int i = 0; i < 2; i++) {
    s->key[i] = room(s, DT_I32, s->ids, 0, "ids");
    s->at[i] = room(s, DT_I32, s->ids, 0, "positions");
  }
  s->count = room(s, DT_I32, radix, CHUNK, "digits of chunks");
  s->start = room(s, DT_I32, radix, CHUNK, "places of chunks");
  s->group = room(s, DT_I32, radix, CHUNK * GROUP, "digits of groups");
  s->before = room(s, DT_I32, radix, CHUNK * GROUP, "places of groups");
  s->total = room(s, DT_I32, radix, 0, "digits");
  s->first = room(s, DT_I32, poly_add(s->rows, one), 0, "first of rows");
  s->sum = room(s, computed_dtype(s->n), s->cols, CUT, "partial sums");
}

static Lower *begin(Sorted *s) {
  return lower_new(s->g, s->inst, inst_label(s->g, s->inst));
}

static void end(Lower *c) {
  lower_finish(c, poly_const(0));
}

static LExpr *plus(Lower *c, LExpr *x, LExpr *y) {
  return liop(c, L_IADD, x, y);
}

static LExpr *times(Lower *c, LExpr *x, Poly y) {
  return liop(c, L_IMUL, x, lpoly(c, y));
}

static LExpr *least(Lower *c, LExpr *x, LExpr *y) {
  return liop(c, L_IMIN, x, y);
}

static LExpr *load(Lower *c, int buf, LExpr *index) {
  return lx_load(c->a, c->k, lower_mem(c, buf, poly_const(0), false), index);
}

static void store(Lower *c, int buf, LExpr *index, LExpr *value) {
  lower_emit(c, ls_store(c->a, lower_mem(c, buf, poly_const(0), true), index, value));
}

static LExpr *data(Lower *c, LExpr *index) {
  return lx_from_int(c->a, DT_I32, index);
}

static LExpr *place(Lower *c, LExpr *value) {
  return lint(c, lx_to_int(c->a, value));
}

static LExpr *op2(Lower *c, LOp op, LExpr *x, LExpr *y) {
  return lx_op(c->a, op, op == L_ADD ? x->dtype : DT_BOOL, x, y, NULL);
}

static LExpr *choose(Lower *c, LExpr *cond, LExpr *x, LExpr *y) {
  return lx_op(c->a, L_SELECT, x->dtype, cond, x, y);
}

static LExpr *number(Lower *c, int v) {
  return lx_const(c->a, DT_I32, v);
}

// A new register's value.
static LExpr *fixed(Lower *c, LExpr *e) {
  return lx_reg(c->a, e->dtype, lower_reg(c, e->dtype, e));
}

static LExpr *digit(const Sorted *s, Lower *c, LExpr *key) {
  LExpr *d = liop(c, L_IDIV, place(c, key), li(c, s->base));
  if (s->pass + 1 < s->passes)
    d = liop(c, L_IMOD, d, li(c, s->radix));
  return data(c, d);
}

// Key of the id with these coordinates.
static LExpr *key_of(Sorted *s, Lower *c, const Coords *at) {
  Poly extent = s->n->attr.axis->extent;
  LExpr *id = fixed(c, lower_value(c, s->n->in[0], at).e), *row = li(c, 0);
  for (int i = 0; i < s->ax.batch; i++)
    row = plus(c, times(c, row, s->ax.id[i]->extent), coords_get(at, s->ax.id[i]));
  LExpr *inside =
      op2(c, L_AND, op2(c, L_LE, number(c, 0), id), op2(c, L_LT, id, data(c, lpoly(c, extent))));
  row = plus(c, times(c, row, extent), place(c, id));
  return choose(c, inside, data(c, row), data(c, lpoly(c, s->rows)));
}

static void put_keys(Sorted *s) {
  Lower *c = begin(s);
  Coords at = {0};
  LStmt *f = lower_block(c, lower_grid(c, s->ids, CHUNK), CHUNK, s->ids, 1);
  lower_unflatten(c, lvar(c, f->var), s->ax.id, s->ax.nid, &at);
  store(c, s->key[0], lvar(c, f->var), key_of(s, c, &at));
  lower_end(c, f);
  end(c);
}

// A loop over the digit's values, 32 a task.
static LStmt *each_digit(const Sorted *s, Lower *c) {
  Poly radix = poly_const(s->radix);
  return lower_block(c, lower_grid(c, radix, LANES), LANES, radix, 1);
}

// Where the digit's number of chunk or group x lies.
static LExpr *of_digit(const Sorted *s, Lower *c, LExpr *x, const LStmt *digits) {
  return plus(c, times(c, x, poly_const(s->radix)), lvar(c, digits->var));
}

// Adds 1 to the register where it is so.
static void count_if(Lower *c, LExpr *reg, LExpr *cond) {
  lower_emit(c,
             ls_reduce(c->a, (int)reg->inum, LR_SUM, choose(c, cond, number(c, 1), number(c, 0))));
}

static void add_to(Lower *c, LExpr *reg, LExpr *value) {
  lower_emit(c, ls_reduce(c->a, (int)reg->inum, LR_SUM, value));
}

// count[chunk][digit]
static void count_digits(Sorted *s) {
  Lower *c = begin(s);
  int chunk = lower_grid(c, s->ids, CHUNK);
  LStmt *f = each_digit(s, c);
  LExpr *n = fixed(c, number(c, 0));
  LStmt *i = lower_block(c, chunk, CHUNK, s->ids, 0);
  LExpr *d = digit(s, c, load(c, s->key[s->pass % 2], lvar(c, i->var)));
  count_if(c, n, op2(c, L_EQ, d, data(c, lvar(c, f->var))));
  lower_end(c, i);
  store(c, s->count, of_digit(s, c, lvar(c, chunk), f), n);
  lower_end(c, f);
  end(c);
}

// A loop over the chunks of a group.
static LStmt *each_chunk(const Sorted *s, Lower *c, int group) {
  LExpr *lo = liop(c, L_IMUL, lvar(c, group), li(c, GROUP));
  LExpr *hi = least(c, plus(c, lo, li(c, GROUP)), lower_slots(c, s->ids, CHUNK));
  return lower_for(c, lo, hi, (Poly){0}, 0);
}

// group[group][digit]
static void add_chunks(Sorted *s) {
  Lower *c = begin(s);
  int group = lower_grid(c, s->ids, CHUNK * GROUP);
  LStmt *f = each_digit(s, c);
  LExpr *n = fixed(c, number(c, 0));
  LStmt *i = each_chunk(s, c, group);
  add_to(c, n, load(c, s->count, of_digit(s, c, lvar(c, i->var), f)));
  lower_end(c, i);
  store(c, s->group, of_digit(s, c, lvar(c, group), f), n);
  lower_end(c, f);
  end(c);
}

// before[group][digit] and total[digit]
static void add_groups(Sorted *s) {
  Lower *c = begin(s);
  LStmt *f = each_digit(s, c);
  LExpr *n = fixed(c, number(c, 0));
  LStmt *i = lower_for(c, li(c, 0), lower_slots(c, s->ids, CHUNK * GROUP), (Poly){0}, 0);
  LExpr *at = of_digit(s, c, lvar(c, i->var), f);
  store(c, s->before, at, n);
  add_to(c, n, load(c, s->group, at));
  lower_end(c, i);
  store(c, s->total, lvar(c, f->var), n);
  lower_end(c, f);
  end(c);
}

// start[chunk][digit]: where the first of them goes.
static void place_chunks(Sorted *s) {
  Lower *c = begin(s);
  int group = lower_grid(c, s->ids, CHUNK * GROUP);
  LStmt *f = each_digit(s, c);
  LExpr *n = fixed(c, load(c, s->before, of_digit(s, c, lvar(c, group), f)));
  LStmt *i = lower_for(c, li(c, 0), li(c, s->radix), (Poly){0}, 0);
  LExpr *less = op2(c, L_LT, data(c, lvar(c, i->var)), data(c, lvar(c, f->var)));
  add_to(c, n, choose(c, less, load(c, s->total, lvar(c, i->var)), number(c, 0)));
  lower_end(c, i);
  i = each_chunk(s, c, group);
  LExpr *at = of_digit(s, c, lvar(c, i->var), f);
  store(c, s->start, at, n);
  add_to(c, n, load(c, s->count, at));
  lower_end(c, i);
  lower_end(c, f);
  end(c);
}

// Each id of a chunk goes behind those before it that have its digit.
static void move_ids(Sorted *s) {
  Lower *c = begin(s);
  int from = s->key[s->pass % 2], task = lower_grid(c, s->ids, LANES);
  LExpr *chunk = liop(c, L_IDIV, lvar(c, task), li(c, CHUNK / LANES));
  LStmt *f = lower_block(c, task, LANES, s->ids, 1);
  LExpr *key = fixed(c, load(c, from, lvar(c, f->var))), *own = fixed(c, digit(s, c, key));
  LExpr *rank = fixed(c, number(c, 0));
  LStmt *i = lower_for(c, liop(c, L_IMUL, chunk, li(c, CHUNK)), f->hi, s->ids, 0);
  LExpr *same = op2(c, L_EQ, digit(s, c, load(c, from, lvar(c, i->var))), own);
  LExpr *earlier = op2(c, L_LT, data(c, lvar(c, i->var)), data(c, lvar(c, f->var)));
  count_if(c, rank, op2(c, L_AND, earlier, same));
  lower_end(c, i);
  LExpr *first = load(c, s->start, plus(c, times(c, chunk, poly_const(s->radix)), place(c, own)));
  LExpr *to = place(c, fixed(c, op2(c, L_ADD, first, rank)));
  store(c, s->key[(s->pass + 1) % 2], to, key);
  store(c, s->at[(s->pass + 1) % 2], to,
        s->pass ? load(c, s->at[s->pass % 2], lvar(c, f->var)) : data(c, lvar(c, f->var)));
  lower_end(c, f);
  end(c);
}

// first[row]: how many ids are smaller, by halving.
static void find_rows(Sorted *s) {
  Lower *c = begin(s);
  Poly all = poly_add(s->rows, poly_const(1));
  LStmt *f = lower_block(c, lower_grid(c, all, LANES), LANES, all, 1);
  LExpr *lo = fixed(c, number(c, 0)), *hi = fixed(c, data(c, lpoly(c, s->ids)));
  LStmt *i = lower_for(c, li(c, 0), li(c, HALVINGS), (Poly){0}, 0);
  LExpr *sum = plus(c, place(c, lo), place(c, hi)),
        *last = lpoly(c, poly_sub(s->ids, poly_const(1)));
  LExpr *mid = fixed(c, data(c, liop(c, L_IDIV, sum, li(c, 2))));
  LExpr *key = load(c, s->key[s->passes % 2], least(c, place(c, mid), last));
  LExpr *right = op2(c, L_AND, op2(c, L_LT, lo, hi), op2(c, L_LT, key, data(c, lvar(c, f->var))));
  right = fixed(c, right);
  lower_emit(c,
             ls_set(c->a, (int)lo->inum, choose(c, right, op2(c, L_ADD, mid, number(c, 1)), lo)));
  lower_emit(c, ls_set(c->a, (int)hi->inum, choose(c, right, hi, mid)));
  lower_end(c, i);
  store(c, s->first, lvar(c, f->var), lo);
  lower_end(c, f);
  end(c);
}

static void sort(Sorted *s) {
  put_keys(s);
  for (s->pass = 0, s->base = 1; s->pass < s->passes; s->pass++, s->base *= s->radix) {
    count_digits(s);
    add_chunks(s);
    add_groups(s);
    place_chunks(s);
    move_ids(s);
  }
  find_rows(s);
}

// ---- the sums

// The summand at sorted place i; `at` has the columns.
static LExpr *summand(Sorted *s, Lower *c, LExpr *i, const Coords *columns) {
  Coords at = *columns;
  LExpr *from = place(c, load(c, s->at[s->passes % 2], i));
  lower_unflatten(c, from, s->ax.id, s->ax.nid, &at);
  return lower_value(c, s->n->in[1], &at).e;
}

// Columns of a task; what has none is summed by all lanes together.
static LStmt *open_columns(Sorted *s, Lower *c, int part, int64_t block, LExpr *most, Coords *at) {
  if (!s->ax.ncol)
    return NULL;
  LExpr *lo = liop(c, L_IMUL, lvar(c, part), li(c, block));
  LExpr *hi = least(c, plus(c, lo, li(c, block)), lpoly(c, s->cols));
  LStmt *f = lower_for(c, lo, most ? least(c, hi, most) : hi, s->cols, 1);
  lower_unflatten(c, lvar(c, f->var), s->ax.col, s->ax.ncol, at);
  return f;
}

static int column_parts(Sorted *s, Lower *c, int64_t block) {
  return s->ax.ncol ? lower_grid(c, s->cols, block) : -1;
}

// The sum of [lo, hi) of the sorted summands.
static LExpr *add_summands(Sorted *s, Lower *c, LExpr *lo, LExpr *hi, const Coords *columns) {
  DType t = computed_dtype(s->n);
  LExpr *sum = fixed(c, lx_const(c->a, t, 0));
  LStmt *i = lower_for(c, lo, hi, s->ids, !s->ax.ncol);
  add_to(c, sum, lower_cast(c, t, summand(s, c, lvar(c, i->var), columns)));
  lower_end(c, i);
  return sum;
}

static LExpr *slot_index(Sorted *s, Lower *c, LExpr *slot, const LStmt *column) {
  LExpr *row = times(c, slot, s->cols);
  return column ? plus(c, row, lvar(c, column->var)) : row;
}

static void sum_slots(Sorted *s) {
  Lower *c = begin(s);
  Coords at = {0};
  int slot = lower_grid(c, s->ids, CUT), part = column_parts(s, c, LANES);
  LExpr *lo = liop(c, L_IMUL, lvar(c, slot), li(c, CUT)), *all = lpoly(c, s->ids);
  LExpr *next = plus(c, place(c, fixed(c, load(c, s->key[s->passes % 2], lo))), li(c, 1));
  LExpr *behind = place(c, fixed(c, load(c, s->first, least(c, next, lpoly(c, s->rows)))));
  LExpr *hi = least(c, least(c, plus(c, lo, li(c, CUT)), all), behind);
  LStmt *f = open_columns(s, c, part, LANES, NULL, &at);
  store(c, s->sum, slot_index(s, c, lvar(c, slot), f), add_summands(s, c, lo, hi, &at));
  if (f)
    lower_end(c, f);
  end(c);
}

static LExpr *add_slots(Sorted *s, Lower *c, LExpr *sum, LExpr *lo, LExpr *hi,
                        const LStmt *column) {
  DType t = lower_wide(sum->dtype);
  LExpr *all = fixed(c, lower_cast(c, t, sum));
  LStmt *i = lower_for(c, lo, hi, (Poly){0}, !s->ax.ncol);
  add_to(c, all, lower_cast(c, t, load(c, s->sum, slot_index(s, c, lvar(c, i->var), column))));
  lower_end(c, i);
  return lower_cast(c, sum->dtype, all);
}

static void put_row(Sorted *s, Lower *c, int row, Coords *at, LExpr *sum) {
  const Place *dst = s->inst->m.v[0].place;
  Axis *ax[MAX_AXES];
  memcpy(ax, s->ax.id, sizeof *ax * (size_t)s->ax.batch);
  ax[s->ax.batch] = s->n->attr.axis;
  lower_unflatten(c, lvar(c, row), ax, s->ax.batch + 1, at);
  if (s->inst->accumulate)
    sum = op2(c, L_ADD, lower_cast(c, sum->dtype, lower_load(c, dst, at)), sum);
  lower_store(c, dst, at, sum, false);
}

// A row that nothing is added to is not touched.
static void sum_rows(Sorted *s) {
  Lower *c = begin(s);
  Coords at = {0};
  int row = lower_grid(c, s->rows, 1), part = column_parts(s, c, COLUMNS);
  LExpr *lo = place(c, fixed(c, load(c, s->first, lvar(c, row))));
  LExpr *hi = place(c, fixed(c, load(c, s->first, plus(c, lvar(c, row), li(c, 1)))));
  LExpr *cut = liop(c, L_IDIV, plus(c, lo, li(c, CUT - 1)), li(c, CUT));
  LExpr *last = liop(c, L_IDIV, plus(c, hi, li(c, CUT - 1)), li(c, CUT));
  LExpr *most = s->inst->accumulate ? times(c, liop(c, L_ISUB, hi, lo), s->cols) : NULL;
  LStmt *f = open_columns(s, c, part, COLUMNS, most, &at);
  LExpr *sum = add_summands(s, c, lo, least(c, hi, liop(c, L_IMUL, cut, li(c, CUT))), &at);
  put_row(s, c, row, &at, add_slots(s, c, sum, cut, last, f));
  if (f)
    lower_end(c, f);
  end(c);
}

// The column that lies densely in the result comes last.
static void order_columns(Sorted *s) {
  Node all = *s->n;
  all.ax = s->ax.col;
  all.nax = s->ax.ncol;
  Axis *last = vector_axis(s->g, &all, s->inst->m.v[0].place);
  for (int i = 0; i + 1 < s->ax.ncol; i++)
    if (s->ax.col[i] == last) {
      s->ax.col[i] = s->ax.col[i + 1];
      s->ax.col[i + 1] = last;
    }
}

void lower_scatter(Prog *g, Inst *inst) {
  Sorted s = {.g = g, .inst = inst, .n = inst->root};
  if (!info_of(g, s.n)->needed)
    return;
  scatter_axes(s.n, &s.ax);
  scatter_counts(s.n, &s.ids, &s.rows);
  order_columns(&s);
  s.cols = extents(s.ax.col, s.ax.ncol);
  choose_digits(&s);
  rooms(&s);
  sort(&s);
  sum_slots(&s);
  sum_rows(&s);
}

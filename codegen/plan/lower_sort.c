// argsort: a stable merge sort of places, a row a task.  Pass by pass, runs of twice the length are merged from one half of a
// buffer into the other; which half holds the places after the last pass depends on the length.
#include "codegen/plan/lower_util.h"

typedef struct Sort {
  Lower *c;
  Node *n;
  Coords at; // of the row
  SortBuffer buf;
  LExpr *count, *size;       // the places of a row, as an integer and as i32
  int half, width;           // i32: where the places are; the length of the runs that are merged
  int left, mid, right, end; // i32: the next of both runs, and where they end
} Sort;

static LExpr *reg(const Sort *s, int r) {
  return lx_reg(s->c->a, DT_I32, r);
}

static LExpr *num(const Sort *s, double v) {
  return lx_const(s->c->a, DT_I32, v);
}

static LExpr *op(const Sort *s, LOp op, LExpr *x, LExpr *y) {
  return lx_op(s->c->a, op, DT_I32, x, y, NULL);
}

static LExpr *test(const Sort *s, LOp op, LExpr *x, LExpr *y) {
  return lx_op(s->c->a, op, DT_BOOL, x, y, NULL);
}

static void set_where(const Sort *s, LExpr *cond, int r, LExpr *value) {
  LExpr *chosen = lx_op(s->c->a, L_SELECT, DT_I32, cond, value, reg(s, r));
  lower_emit(s->c, ls_set(s->c->a, r, chosen));
}

static LExpr *as_int(const Sort *s, LExpr *x) {
  return lint(s->c, lx_to_int(s->c->a, x));
}

// Where place k of a half of the row lies in the buffer.
static LExpr *slot(Lower *c, const Node *n, SortBuffer b, LExpr *half, LExpr *k) {
  half = lint(c, lx_to_int(c->a, half));
  LExpr *row = liop(c, L_IADD, liop(c, L_IMUL, half, b.rows), b.row);
  return liop(c, L_IADD, liop(c, L_IMUL, row, lpoly(c, n->attr.axis->extent)), k);
}

LExpr *lower_sorted(Lower *c, Node *n, SortBuffer b, LExpr *half, LExpr *k) {
  return lx_load(c->a, c->k, b.mem, slot(c, n, b, half, k));
}

static LStmt *each_place(const Sort *s, LExpr *to) {
  return lower_for(s->c, li(s->c, 0), to, s->n->attr.axis->extent, 0);
}

static void put(const Sort *s, LExpr *half, LExpr *k, LExpr *place) {
  lower_emit(s->c, ls_store(s->c->a, s->buf.mem, slot(s->c, s->n, s->buf, half, k), place));
}

// A register with the place that stands at index r of the present half, or at the last one.
static int take(const Sort *s, int r) {
  Lower *c = s->c;
  LExpr *last = op(s, L_SUB, s->size, num(s, 1));
  int near = lower_reg(c, DT_I32, op(s, L_MIN, reg(s, r), last));
  return lower_reg(c, DT_I32,
                   lower_sorted(c, s->n, s->buf, reg(s, s->half), as_int(s, reg(s, near))));
}

static LExpr *value_at(const Sort *s, int place) {
  Lower *c = s->c;
  Node *x = s->n->in[0];
  Coords in = s->at;
  coords_set(&in, s->n->attr.axis, as_int(s, reg(s, place)));
  DType t = computed_dtype(x);
  return lx_reg(c->a, t, lower_reg(c, t, lower_value(c, x, &in).e));
}

// Does value b stand before a?  What is no number is above all others.
static LExpr *before(const Sort *s, LExpr *b, LExpr *a) {
  if (s->n->attr.reverse) {
    LExpr *t = a;
    a = b, b = t;
  }
  LExpr *none = test(s, L_AND, test(s, L_NE, a, a), test(s, L_EQ, b, b));
  return test(s, L_OR, test(s, L_LT, b, a), none);
}

// At the end of two runs the next two begin.  `end` comes from sums that cannot overflow: all runs are shorter than the row.
static void next_runs(const Sort *s, LExpr *k) {
  LExpr *width = reg(s, s->width), *most = op(s, L_SUB, s->size, width);
  LExpr *fresh =
      lx_reg(s->c->a, DT_BOOL, lower_reg(s->c, DT_BOOL, test(s, L_EQ, k, reg(s, s->end))));
  set_where(s, fresh, s->left, k);
  set_where(s, fresh, s->mid, op(s, L_ADD, op(s, L_MIN, k, most), width));
  set_where(s, fresh, s->right, reg(s, s->mid));
  set_where(s, fresh, s->end, op(s, L_ADD, op(s, L_MIN, reg(s, s->mid), most), width));
}

static void merge_one(const Sort *s, LExpr *k) {
  Lower *c = s->c;
  next_runs(s, lx_from_int(c->a, DT_I32, k));
  int a = take(s, s->left), b = take(s, s->right);
  LExpr *x = value_at(s, a), *y = value_at(s, b);
  LExpr *more = test(s, L_LT, reg(s, s->right), reg(s, s->end)),
        *done = test(s, L_LE, reg(s, s->mid), reg(s, s->left));
  LExpr *right = test(s, L_OR, done, test(s, L_AND, more, before(s, y, x)));
  right = lx_reg(c->a, DT_BOOL, lower_reg(c, DT_BOOL, right));
  LExpr *place = lx_op(c->a, L_SELECT, DT_I32, right, reg(s, b), reg(s, a));
  put(s, op(s, L_SUB, num(s, 1), reg(s, s->half)), k, place);
  LExpr *one = lx_op(c->a, L_CAST, DT_I32, right, NULL, NULL);
  lower_emit(c, ls_set(c->a, s->right, op(s, L_ADD, reg(s, s->right), one)));
  lower_emit(c, ls_set(c->a, s->left, op(s, L_ADD, reg(s, s->left), op(s, L_SUB, num(s, 1), one))));
}

// As many passes as the longest row could need; one that has nothing to merge has no places.
static void passes(Sort *s) {
  enum { PASSES = 31 };
  Lower *c = s->c;
  LStmt *pass = lower_for(c, li(c, 0), li(c, PASSES), poly_const(PASSES), 0);
  lower_emit(c, ls_set(c->a, s->end, num(s, 0)));
  LExpr *shorter =
      liop(c, L_IDIV, liop(c, L_ISUB, s->count, li(c, 1)), as_int(s, reg(s, s->width)));
  LStmt *f = each_place(s, liop(c, L_IMUL, s->count, liop(c, L_IMIN, shorter, li(c, 1))));
  merge_one(s, lvar(c, f->var));
  lower_end(c, f);
  LExpr *merged = test(s, L_LT, reg(s, s->width), s->size);
  set_where(s, merged, s->half, op(s, L_SUB, num(s, 1), reg(s, s->half)));
  set_where(s, merged, s->width, op(s, L_ADD, reg(s, s->width), reg(s, s->width)));
  lower_end(c, pass);
}

static void registers(Sort *s) {
  int *const all[] = {&s->half, &s->left, &s->mid, &s->right, &s->end};
  for (int i = 0; i < COUNT(all); i++)
    *all[i] = lower_reg(s->c, DT_I32, num(s, 0));
  s->width = lower_reg(s->c, DT_I32, num(s, 1));
}

LExpr *lower_sort_row(Lower *c, Node *n, const Coords *at, SortBuffer b) {
  Sort s = {.c = c, .n = n, .at = *at, .buf = b};
  s.count = lpoly(c, n->attr.axis->extent);
  s.size = lx_from_int(c->a, DT_I32, s.count);
  registers(&s);
  LStmt *f = each_place(&s, s.count);
  put(&s, num(&s, 0), lvar(c, f->var), lx_from_int(c->a, DT_I32, lvar(c, f->var)));
  lower_end(c, f);
  passes(&s);
  return reg(&s, s.half);
}

void lower_argsort(Lower *c, const Inst *k, Node *n, const Place *dst) {
  Axis *rows[MAX_AXES], *a = n->attr.axis, *to = n->attr.axis2;
  int nrows = 0;
  for (int i = 0; i < n->in[0]->nax; i++)
    if (n->in[0]->ax[i] != a)
      rows[nrows++] = n->in[0]->ax[i];
  Poly many = extents(rows, nrows);
  SortBuffer b = {.row = lvar(c, lower_grid(c, many, 1)), .rows = lpoly(c, many)};
  Coords at = {0};
  lower_unflatten(c, b.row, rows, nrows, &at);
  int buf = buf_add(c->g, k->prologue ? BIGS_KEPT : BIGS_ARENA, DT_I32,
                    poly_scale(poly_mul(many, a->extent), 2), "order");
  b.mem = lower_mem(c, buf, poly_const(0), true);
  LExpr *half = lower_sort_row(c, n, &at, b);
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, to->extent), to->extent, 0);
  coords_set(&at, to, lvar(c, f->var));
  lower_store(c, dst, &at, lower_sorted(c, n, b, half, lvar(c, f->var)), false);
  lower_end(c, f);
}

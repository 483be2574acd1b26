// Which keys a block of rows may see: bounds of a mask over a block of rows and keys, as code that runs once a block.
// Comparisons of places are bounded by intervals; what else a mask is made of is looked at element by element, which is
// little beside the products that it saves.
#include "codegen/plan/plan_internal.h"

typedef struct
    MaskBound { // f64 of integers, bool of conditions: in [lo, hi], surely lo and perhaps hi
  LExpr *lo, *hi;
} MaskBound;
typedef struct
    MaskView { // below renames: coordinates, and the names that rows and keys have there; NULL: lacking
  Coords at;
  const Axis *row, *key;
} MaskView;
typedef struct MaskSight {
  Lower *c;
  const PairBlock *block;
} MaskSight;

static bool has(const Node *n, const Axis *a) {
  return a && node_has(n, a);
}

// ---- expressions

static LExpr *number(const MaskSight *s, double v) {
  return lx_const(s->c->a, DT_F64, v);
}

static LExpr *op2(const MaskSight *s, LOp op, LExpr *x, LExpr *y) {
  return lx_op(s->c->a, op, DT_F64, x, y, NULL);
}

static LExpr *cond(const MaskSight *s, LOp op, LExpr *x, LExpr *y) {
  return lx_op(s->c->a, op, DT_BOOL, x, y, NULL);
}

static LExpr *either(const MaskSight *s, LExpr *c, LExpr *x, LExpr *y) {
  return lx_op(s->c->a, L_SELECT, x->dtype, c, x, y);
}

// In a register: bounds are used several times.
static LExpr *kept(const MaskSight *s, LExpr *e) {
  if (e->op == L_CONST || e->op == L_REG)
    return e;
  return lx_reg(s->c->a, e->dtype, lower_reg(s->c, e->dtype, e));
}

static MaskBound bound(const MaskSight *s, LExpr *lo, LExpr *hi) {
  LExpr *l = kept(s, lo);
  return (MaskBound){l, lo == hi ? l : kept(s, hi)};
}

// Integers of 32 bits wrap around: then they are anything.
static MaskBound wrapped(const MaskSight *s, LExpr *lo, LExpr *hi) {
  MaskBound x = bound(s, lo, hi);
  LExpr *least = number(s, -2147483648.0), *most = number(s, 2147483647.0);
  LExpr *fits = kept(s, cond(s, L_AND, cond(s, L_LE, least, x.lo), cond(s, L_LE, x.hi, most)));
  return bound(s, either(s, fits, x.lo, least), either(s, fits, x.hi, most));
}

// ---- leaves

static LStmt *open_loop(MaskSight *s, MaskView *v, const Axis *a, LExpr *first, LExpr *count,
                        int vec) {
  Lower *c = s->c;
  int i = lower_var(c, (Poly){0}, c->scope.n);
  LStmt *f = ls_for(c->a, i, li(c, 0), lint_deep(c, count), vec);
  coords_set(&v->at, (Axis *)a, liop(c, L_IADD, lint_deep(c, first), lvar(c, i)));
  lower_push(c, &f->body);
  return f;
}

static void close_loop(MaskSight *s, LStmt *f) {
  if (!f)
    return;
  lower_pop(s->c);
  lower_emit(s->c, f);
}

// All elements, along those of rows and keys that it has.
static MaskBound looked_at(MaskSight *s, Node *n, MaskView v) {
  Lower *c = s->c;
  const PairBlock *b = s->block;
  int lo = lower_reg(c, DT_I32, lx_const(c->a, DT_I32, 2147483647.0)),
      hi = lower_reg(c, DT_I32, lx_const(c->a, DT_I32, -2147483648.0));
  LStmt *rows = has(n, v.row) ? open_loop(s, &v, v.row, b->row, b->rows, !has(n, v.key)) : NULL;
  LStmt *keys = has(n, v.key) ? open_loop(s, &v, v.key, b->key, b->keys, 1) : NULL;
  LExpr *x = lower_value(c, n, &v.at).e;
  x = x->dtype == DT_BOOL ? lx_op(c->a, L_CAST, DT_I32, x, NULL, NULL) : x;
  lower_emit(c, ls_reduce(c->a, lo, LR_MIN, x));
  lower_emit(c, ls_reduce(c->a, hi, LR_MAX, x));
  close_loop(s, keys);
  close_loop(s, rows);
  LExpr *l = lx_reg(c->a, DT_I32, lo), *h = lx_reg(c->a, DT_I32, hi);
  DType t = n->dtype == DT_BOOL ? DT_BOOL : DT_F64;
  return bound(s, lx_op(c->a, L_CAST, t, l, NULL, NULL), lx_op(c->a, L_CAST, t, h, NULL, NULL));
}

static MaskBound places(MaskSight *s, LExpr *first, LExpr *count) {
  Lower *c = s->c;
  LExpr *last = lx_iop(c->a, L_ISUB, lx_add(c->a, first, count), lx_int(c->a, 1));
  return bound(s, lx_from_int(c->a, DT_F64, first), lx_from_int(c->a, DT_F64, last));
}

static MaskBound iota(MaskSight *s, Node *n, MaskView v) {
  if (n->attr.axis == v.row)
    return places(s, s->block->row, s->block->rows);
  if (n->attr.axis == v.key)
    return places(s, s->block->key, s->block->keys);
  return looked_at(s, n, v);
}

// ---- operations

static MaskBound product(const MaskSight *s, MaskBound x, MaskBound y) {
  LExpr *p[4] = {op2(s, L_MUL, x.lo, y.lo), op2(s, L_MUL, x.lo, y.hi), op2(s, L_MUL, x.hi, y.lo),
                 op2(s, L_MUL, x.hi, y.hi)};
  return wrapped(s, op2(s, L_MIN, op2(s, L_MIN, p[0], p[1]), op2(s, L_MIN, p[2], p[3])),
                 op2(s, L_MAX, op2(s, L_MAX, p[0], p[1]), op2(s, L_MAX, p[2], p[3])));
}

static MaskBound absolute(const MaskSight *s, MaskBound x) {
  LExpr *zero = number(s, 0), *less = kept(s, op2(s, L_SUB, zero, x.lo));
  LExpr *lo = op2(s, L_MAX, zero, op2(s, L_MAX, x.lo, op2(s, L_SUB, zero, x.hi)));
  return wrapped(s, lo, op2(s, L_MAX, less, x.hi));
}

static LExpr *quotient(const MaskSight *s, LExpr *x, LExpr *by) {
  return kept(s, lx_op(s->c->a, L_FLOOR, DT_F64, op2(s, L_DIV, x, by), NULL, NULL));
}

// by > 0 is a constant.  Within one period remainders are in order, across several they are anything.
static MaskBound remainder_of(const MaskSight *s, MaskBound x, LExpr *by) {
  LExpr *q = quotient(s, x.lo, by), *from = op2(s, L_MUL, q, by);
  LExpr *same = kept(s, cond(s, L_EQ, q, quotient(s, x.hi, by)));
  return bound(s, either(s, same, op2(s, L_SUB, x.lo, from), number(s, 0)),
               either(s, same, op2(s, L_SUB, x.hi, from), op2(s, L_SUB, by, number(s, 1))));
}

static MaskBound equal(const MaskSight *s, MaskBound x, MaskBound y) {
  return bound(s, cond(s, L_AND, cond(s, L_LE, x.hi, y.lo), cond(s, L_LE, y.hi, x.lo)),
               cond(s, L_AND, cond(s, L_LE, x.lo, y.hi), cond(s, L_LE, y.lo, x.hi)));
}

static MaskBound negated(const MaskSight *s, MaskBound x) {
  Arena *a = s->c->a;
  return bound(s, lx_op(a, L_NOT, DT_BOOL, x.hi, NULL, NULL),
               lx_op(a, L_NOT, DT_BOOL, x.lo, NULL, NULL));
}

static MaskBound joined(const MaskSight *s, MaskBound x, MaskBound y) {
  if (x.lo->dtype == DT_BOOL)
    return bound(s, cond(s, L_AND, x.lo, y.lo), cond(s, L_OR, x.hi, y.hi));
  return bound(s, op2(s, L_MIN, x.lo, y.lo), op2(s, L_MAX, x.hi, y.hi));
}

static MaskBound operation(const MaskSight *s, Op op, const MaskBound x[3]) {
  LExpr *zero = number(s, 0);
  const MaskBound y = x[1];
  switch (op) {
  case OP_ADD: return wrapped(s, op2(s, L_ADD, x->lo, y.lo), op2(s, L_ADD, x->hi, y.hi));
  case OP_SUB: return wrapped(s, op2(s, L_SUB, x->lo, y.hi), op2(s, L_SUB, x->hi, y.lo));
  case OP_NEG: return wrapped(s, op2(s, L_SUB, zero, x->hi), op2(s, L_SUB, zero, x->lo));
  case OP_ABS: return absolute(s, *x);
  case OP_MUL: return product(s, *x, y);
  case OP_MIN: return bound(s, op2(s, L_MIN, x->lo, y.lo), op2(s, L_MIN, x->hi, y.hi));
  case OP_MAX: return bound(s, op2(s, L_MAX, x->lo, y.lo), op2(s, L_MAX, x->hi, y.hi));
  case OP_FLOORDIV: return bound(s, quotient(s, x->lo, y.lo), quotient(s, x->hi, y.lo));
  case OP_FLOORMOD: return remainder_of(s, *x, y.lo);
  case OP_LE: return bound(s, cond(s, L_LE, x->hi, y.lo), cond(s, L_LE, x->lo, y.hi));
  case OP_LT: return bound(s, cond(s, L_LT, x->hi, y.lo), cond(s, L_LT, x->lo, y.hi));
  case OP_EQ: return equal(s, *x, y);
  case OP_NE: return negated(s, equal(s, *x, y));
  case OP_AND: return bound(s, cond(s, L_AND, x->lo, y.lo), cond(s, L_AND, x->hi, y.hi));
  case OP_OR: return bound(s, cond(s, L_OR, x->lo, y.lo), cond(s, L_OR, x->hi, y.hi));
  case OP_NOT: return negated(s, *x);
  case OP_SELECT: return joined(s, y, x[2]);
  default: BUG("%s has no bounds", op_name(op));
  }
}

// Has `operation` a row for it?
static bool has_bounds(const Node *n) {
  double by;
  switch (n->op) {
  case OP_ADD:
  case OP_SUB:
  case OP_NEG:
  case OP_ABS:
  case OP_MUL:
  case OP_MIN:
  case OP_MAX: return n->dtype == DT_I32;
  case OP_FLOORDIV:
  case OP_FLOORMOD: return node_is_const(n->in[1], &by) && by > 0;
  case OP_LE:
  case OP_LT:
  case OP_EQ:
  case OP_NE: return n->in[0]->dtype == DT_I32;
  case OP_SELECT: return n->dtype == DT_I32 || n->dtype == DT_BOOL;
  default: return n->op == OP_AND || n->op == OP_OR || n->op == OP_NOT;
  }
}

static const Axis *renamed_back(const Node *n, const Axis *a) {
  return has(n, a) ? axis_before(n, a) : NULL;
}

static MaskView below_rename(const Node *n, const MaskView *v) {
  MaskView in = {v->at, renamed_back(n, v->row), renamed_back(n, v->key)};
  for (int i = 0; i < n->attr.nmap; i++)
    coords_set(&in.at, n->attr.from[i], coords_get(&v->at, n->attr.to[i]));
  return in;
}

static MaskBound bounds_of(MaskSight *s, Node *n, const MaskView *v) {
  MaskBound x[3];
  if (n->op == OP_RENAME) {
    MaskView in = below_rename(n, v);
    return bounds_of(s, n->in[0], &in);
  }
  if (n->op == OP_IOTA)
    return iota(s, n, *v);
  if (n->op == OP_CONST && n->dtype == DT_I32)
    return bound(s, number(s, n->attr.num), number(s, n->attr.num));
  if (info_of(s->c->g, n)->place || !has_bounds(n))
    return looked_at(s, n, *v);
  for (int i = 0; i < n->nin; i++)
    x[i] = i == 0 && n->op == OP_SELECT ? (MaskBound){0} : bounds_of(s, n->in[i], v);
  return operation(s, n->op, x);
}

LExpr *mask_may_see(Lower *c, Node *mask, const Coords *at, Axis *row, Axis *key,
                    const PairBlock *block) {
  MaskSight s = {c, block};
  MaskView v = {*at, row, key};
  coords_set(&v.at, row, lint_deep(c, block->row));
  coords_set(&v.at, key, lint_deep(c, block->key));
  return bounds_of(&s, mask, &v).hi;
}

// ---- which masks

// What is computed for every pair of a row and a key; what depends on one of the two is loaded.
static double flops_of_pairs(const Node *n, const Axis *row, const Axis *key) {
  double flops = op_flops(n);
  if (!has(n, row) || !has(n, key))
    return 1;
  if (n->op == OP_RENAME)
    return flops_of_pairs(n->in[0], renamed_back(n, row), renamed_back(n, key));
  if (!has_bounds(n))
    return 1e9;
  for (int i = 0; i < n->nin; i++)
    flops += flops_of_pairs(n->in[i], row, key);
  return flops;
}

bool mask_is_bounded(const Node *mask, const Axis *row, const Axis *key) {
  enum { FLOPS = 24 }; // beside the products of a key
  return has(mask, row) && has(mask, key) && flops_of_pairs(mask, row, key) <= FLOPS;
}

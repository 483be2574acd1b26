// What the host has to know to make maps of a product's operands, by which a GPU copies boxes of them (TMA): an operand as a tensor of
// rows, k's and planes, where its address is a sum with a term for each of the grid's variables.
#include "codegen/cuda/cuda_internal.h"

enum { PIECE = 8 }; // elements of bf16 in the 16 bytes that all strides are a multiple of

// rest + the grid's variables, each times its step.
typedef struct GridSum {
  Poly rest, step[GRID_MAX];
} GridSum;

static int grid_of(const LKernel *k, int64_t var) {
  for (int i = 0; i < k->ngrid; i++)
    if (k->grid[i].var == var)
      return i;
  return -1;
}

static bool is_zero(const Poly *p) {
  int64_t v;
  return poly_is_const(p, &v) && !v;
}

static bool add_poly(Poly *to, const Poly *p, int sign) {
  if (!poly_add_fits(to, p))
    return false;
  *to = sign > 0 ? poly_add(*to, *p) : poly_sub(*to, *p);
  return true;
}

static bool scale_poly(Poly *to, const Poly *by) {
  if (!poly_mul_fits(to, by))
    return false;
  *to = poly_mul(*to, *by);
  return true;
}

static GridSum sum_zero(void) {
  GridSum s = {.rest = poly_const(0)};
  for (int i = 0; i < GRID_MAX; i++)
    s.step[i] = poly_const(0);
  return s;
}

static bool is_size(const GridSum *s) {
  bool is = true;
  for (int i = 0; i < GRID_MAX && is; i++)
    is = is_zero(&s->step[i]);
  return is;
}

static bool sum_add(GridSum *to, const GridSum *x, int sign) {
  bool fits = add_poly(&to->rest, &x->rest, sign);
  for (int i = 0; i < GRID_MAX && fits; i++)
    fits = add_poly(&to->step[i], &x->step[i], sign);
  return fits;
}

static bool sum_scale(GridSum *to, const Poly *by) {
  bool fits = scale_poly(&to->rest, by);
  for (int i = 0; i < GRID_MAX && fits; i++)
    fits = scale_poly(&to->step[i], by);
  return fits;
}

static bool sum_mul(GridSum *to, const GridSum *x) {
  if (is_size(x))
    return sum_scale(to, &x->rest);
  if (!is_size(to))
    return false;
  Poly by = to->rest;
  *to = *x;
  return sum_scale(to, &by);
}

static bool sum_of(const LKernel *k, const LExpr *x, GridSum *out) {
  GridSum other;
  int g;
  *out = sum_zero();
  switch (x->op) {
  case L_INT: out->rest = poly_const(x->inum); return true;
  case L_POLY: out->rest = x->poly; return true;
  case L_VAR:
    g = grid_of(k, x->inum);
    if (g >= 0)
      out->step[g] = poly_const(1);
    return g >= 0;
  case L_IADD:
  case L_ISUB:
    return sum_of(k, x->a, out) && sum_of(k, x->b, &other) &&
           sum_add(out, &other, x->op == L_IADD ? 1 : -1);
  case L_IMUL: return sum_of(k, x->a, out) && sum_of(k, x->b, &other) && sum_mul(out, &other);
  default: return false;
  }
}

static bool size_of(const LKernel *k, const LExpr *x, Poly *out) {
  GridSum s;
  bool is = sum_of(k, x, &s) && is_size(&s);
  *out = s.rest;
  return is;
}

static bool is_one(const LExpr *x) {
  return !x || (x->op == L_INT && x->inum == 1);
}

static bool in_pieces(const Poly *p) {
  for (int i = 0; i < p->n; i++)
    if (p->t[i].coef % PIECE)
      return false;
  return true;
}

// Is x what is left of the grid's dimension g from the task's part on?
static bool is_left(const LKernel *k, const LExpr *x, int g) {
  GridSum s;
  if (!sum_of(k, x, &s))
    return false;
  Poly none = poly_add(s.step[g], poly_const(k->grid[g].block));
  s.step[g] = poly_const(0);
  return is_zero(&none) && is_size(&s) && poly_eq(&s.rest, &k->grid[g].extent);
}

// Does a task have no rows but those of its part of dimension g?
static bool has_part(const LKernel *k, const LExpr *rows, int g) {
  return rows->op == L_IMIN && (is_left(k, rows->a, g) || is_left(k, rows->b, g));
}

typedef struct MapOperand {
  const LExpr *base, *row, *k, *rows;
  int mem;
} MapOperand;

// Which variables choose rows, one, and planes, one at most.
static bool find_dims(const LKernel *k, const GridSum *at, const Poly *row, CudaMap *out) {
  out->row = out->plane = -1;
  for (int i = 0; i < k->ngrid; i++) {
    Poly part = poly_scale(*row, k->grid[i].block);
    if (is_zero(&at->step[i]))
      continue;
    int *dim = poly_eq(&part, &at->step[i]) ? &out->row : &out->plane;
    if (*dim >= 0 || (dim == &out->plane && k->grid[i].block != 1))
      return false;
    *dim = i;
  }
  return out->row >= 0;
}

static bool map_operand(const LKernel *k, const MapOperand *o, const LExpr *ks, CudaMap *out) {
  bool along_k = is_one(o->k);
  GridSum at;
  Poly line, depth;
  if ((!along_k && !is_one(o->row)) || !size_of(k, along_k ? o->row : o->k, &line) ||
      !size_of(k, ks, &depth) || !sum_of(k, o->base, &at))
    return false;
  Poly one = poly_const(1), row = along_k ? line : one;
  if (!find_dims(k, &at, &row, out) || !has_part(k, o->rows, out->row))
    return false;
  Poly rows = k->grid[out->row].extent;
  out->map = (BigsMap){.arg = o->mem,
                       .lines = along_k ? 128 : 64,
                       .first = at.rest,
                       .extent = {along_k ? depth : rows, along_k ? rows : depth, one},
                       .step = {line, poly_const(PIECE)}};
  if (out->plane >= 0) {
    out->map.extent[2] = k->grid[out->plane].extent;
    out->map.step[1] = at.step[out->plane];
  }
  return in_pieces(&at.rest) && in_pieces(&line) && in_pieces(&out->map.step[1]);
}

bool cuda_maps(const LKernel *k, const LTile *t, CudaMap map[CUDA_MAPS]) {
  const LProduct *p = &t->prod[0];
  static const LExpr one = {.op = L_INT, .inum = 1};
  const MapOperand a = {p->abase, p->am, p->ak, t->M, p->amem};
  const MapOperand b = {p->bbase, p->bn ? p->bn : &one, p->bk, t->N, p->bmem};
  return map_operand(k, &a, p->K, &map[0]) && map_operand(k, &b, p->K, &map[1]);
}

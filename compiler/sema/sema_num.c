// Numbers: literals, lets, dims and arithmetic on them.  Exact as ratios of 64-bit integers while
// they fit, then doubles. Numbers from run-time dims are polynomials while they can be, else f64
// scalars computed when the model runs.
#include "compiler/sema/sema_internal.h"
#include <math.h>
#include <stdlib.h>

__extension__ typedef __int128 Wide;

static Wide wide_gcd(Wide a, Wide b) {
  if (a < 0)
    a = -a;
  if (b < 0)
    b = -b;
  while (b) {
    Wide r = a % b;
    a = b;
    b = r;
  }
  return a;
}

static Number number_real(double x) {
  return (Number){.kind = NUMBER_REAL, .re = x};
}

static Number number_complex(double re, double im) {
  return (Number){.kind = NUMBER_COMPLEX, .is_complex = true, .re = re, .im = im};
}

static Number ratio(Wide num, Wide den, bool whole) {
  Wide g = wide_gcd(num, den);
  if (den < 0)
    g = -g;
  num /= g;
  den /= g;
  if (num > INT64_MAX || num < -INT64_MAX || den > INT64_MAX)
    return number_real((double)num / (double)den);
  return (Number){.kind = NUMBER_RATIO,
                  .whole = whole && den == 1,
                  .num = (int64_t)num,
                  .den = (int64_t)den,
                  .re = (double)num / (double)den};
}

static Number number_ratio(int64_t num, int64_t den, bool whole) {
  return ratio(num, den, whole);
}

Number number_literal(const Num *n) {
  if (n->kind == NUM_IMAG)
    return number_complex(0, n->value);
  if (n->kind == NUM_WHOLE)
    return ratio(n->whole, 1, true);
  if (!n->exact || n->exponent < -18 || n->exponent > 18)
    return number_real(n->value);
  Wide power = 1;
  for (int i = 0; i < abs(n->exponent); i++)
    power *= 10;
  Number r =
      n->exponent < 0 ? ratio(n->mantissa, power, false) : ratio(n->mantissa * power, 1, false);
  r.re = n->value;
  return r;
}

bool number_const(const Number *n) {
  return n->kind <= NUMBER_COMPLEX;
}

bool number_is_whole(const Number *n, int64_t *v) {
  if (n->kind == NUMBER_RATIO && n->den == 1) {
    *v = n->num;
    return true;
  }
  if (n->kind == NUMBER_REAL && n->re == rint(n->re) && fabs(n->re) < 9e15) {
    *v = (int64_t)n->re;
    return true;
  }
  return false;
}

char *double_said(Arena *a, double x) {
  char *text = arena_printf(a, "%g", x);
  for (int digits = 7; digits <= 17 && strtod(text, NULL) != x; digits++)
    text = arena_printf(a, "%.*g", digits, x);
  return text;
}

char *number_said(Arena *a, const Number *n) {
  if (n->kind == NUMBER_RATIO && n->den == 1)
    return arena_printf(a, "%lld", (long long)n->num);
  if (n->kind == NUMBER_RATIO && fabs(n->re) >= 0x1p53)
    return arena_printf(a, "%lld/%lld", (long long)n->num, (long long)n->den);
  return double_said(a, n->re);
}

Number number_size(Sema *s, Poly p) {
  int64_t v;
  if (poly_is_const(&p, &v))
    return number_ratio(v, 1, true);
  Number n = {.kind = NUMBER_SIZE, .whole = true, .size = NEW(s->a, Poly)};
  *n.size = p;
  return n;
}

// ---- run-time numbers
static bool as_poly(const Number *n, Poly *p) {
  if (n->kind == NUMBER_SIZE)
    *p = *n->size;
  else if (n->kind == NUMBER_RATIO && n->whole && llabs(n->num) < (1ll << 31))
    *p = poly_const(n->num);
  else
    return false;
  return true;
}

static bool small_terms(const Poly *p) {
  for (int i = 0; i < p->n; i++)
    if (llabs(p->t[i].coef) >= 1ll << 31)
      return false;
  return true;
}

static bool poly_arith(BinOp op, const Number *a, const Number *b, Poly *out) {
  Poly x, y;
  if (!as_poly(a, &x) || !as_poly(b, &y) || !small_terms(&x) || !small_terms(&y))
    return false;
  if ((op == BIN_ADD || op == BIN_SUB) && poly_add_fits(&x, &y))
    *out = op == BIN_ADD ? poly_add(x, y) : poly_sub(x, y);
  else if (op == BIN_MUL && poly_mul_fits(&x, &y))
    *out = poly_mul(x, y);
  else
    return false;
  return true;
}

static NodePair runtime_pair(Sema *s, const Number *n) {
  Value v = {.kind = V_NUMBER, .num = (Number *)n};
  return pair_of(s, &v, n->is_complex ? DT_C128 : DT_F64);
}

static Value *runtime(Sema *s, bool whole, bool is_complex, NodePair p) {
  return v_number(s, (Number){.kind = NUMBER_RUNTIME,
                              .whole = whole,
                              .is_complex = is_complex,
                              .nre = p.re,
                              .nim = p.im});
}

static bool is_compare(BinOp op) {
  return op >= BIN_EQ && op <= BIN_GE;
}

static Value *runtime_bin(Sema *s, Span at, BinOp op, const Number *a, const Number *b) {
  bool cx = a->is_complex || b->is_complex;
  if (cx && op == BIN_POW)
    return sema_fail(s, ERR_NOT_COMPLEX, at,
                     "a power of complex numbers that are known only at run time");
  if (cx && is_compare(op) && op != BIN_EQ && op != BIN_NE)
    return sema_fail(s, ERR_NOT_COMPLEX, at, "complex numbers have no order");
  NodePair p = {0};
  if (!checking(s)) {
    sema_mark(s, at);
    p = pair_bin(s->g, op, runtime_pair(s, a), runtime_pair(s, b));
  }
  if (is_compare(op)) {
    Value *v = v_tensor(s, DT_BOOL, (AxList){0});
    v->re = p.re;
    return v;
  }
  return runtime(s, a->whole && b->whole && op != BIN_DIV && op != BIN_POW, cx, p);
}

// ---- constants
static bool compare(BinOp op, int order) {
  switch (op) {
  case BIN_EQ: return order == 0;
  case BIN_NE: return order != 0;
  case BIN_LT: return order < 0;
  case BIN_LE: return order <= 0;
  case BIN_GT: return order > 0;
  default: return order >= 0;
  }
}

static Value *compare_const(Sema *s, Span at, BinOp op, const Number *a, const Number *b) {
  if (a->is_complex || b->is_complex) {
    if (op != BIN_EQ && op != BIN_NE)
      return sema_fail(s, ERR_NOT_COMPLEX, at, "complex numbers have no order");
    return v_bool(s, (a->re == b->re && a->im == b->im) == (op == BIN_EQ));
  }
  int order = (a->re > b->re) - (a->re < b->re);
  if (a->kind == NUMBER_RATIO && b->kind == NUMBER_RATIO) {
    Wide d = (Wide)a->num * b->den - (Wide)b->num * a->den;
    order = (d > 0) - (d < 0);
  }
  return v_bool(s, compare(op, order));
}

static Number ratio_power(const Number *a, int64_t n, bool whole) {
  Number r = number_ratio(1, 1, true), base = *a;
  bool inverse = n < 0;
  for (uint64_t k = inverse ? (uint64_t)-n : (uint64_t)n; k; k >>= 1) {
    if (r.kind != NUMBER_RATIO || base.kind != NUMBER_RATIO)
      return number_real(pow(a->re, (double)n));
    if (k & 1)
      r = ratio((Wide)r.num * base.num, (Wide)r.den * base.den, true);
    if (k > 1)
      base = ratio((Wide)base.num * base.num, (Wide)base.den * base.den, true);
  }
  if (r.kind != NUMBER_RATIO)
    return number_real(pow(a->re, (double)n));
  r.whole = r.den == 1 && whole && !inverse;
  return inverse ? ratio(r.den, r.num, false) : r;
}

static Number ratio_bin(BinOp op, const Number *a, const Number *b) {
  bool whole = a->whole && b->whole;
  switch (op) {
  case BIN_ADD:
    return ratio((Wide)a->num * b->den + (Wide)b->num * a->den, (Wide)a->den * b->den, whole);
  case BIN_SUB:
    return ratio((Wide)a->num * b->den - (Wide)b->num * a->den, (Wide)a->den * b->den, whole);
  case BIN_MUL: return ratio((Wide)a->num * b->num, (Wide)a->den * b->den, whole);
  default: return ratio((Wide)a->num * b->den, (Wide)a->den * b->num, whole);
  }
}

static double real_bin(BinOp op, double a, double b) {
  static const Op of[] = {[BIN_ADD] = OP_ADD,
                          [BIN_SUB] = OP_SUB,
                          [BIN_MUL] = OP_MUL,
                          [BIN_DIV] = OP_DIV,
                          [BIN_POW] = OP_POW};
  return op_value(of[op], DT_F64, a, b, 0);
}

static bool complex_bin(BinOp op, const Number *a, const Number *b, Number *out) {
  int64_t n;
  switch (op) {
  case BIN_ADD: *out = number_complex(a->re + b->re, a->im + b->im); return true;
  case BIN_SUB: *out = number_complex(a->re - b->re, a->im - b->im); return true;
  case BIN_MUL:
    *out = number_complex(a->re * b->re - a->im * b->im, a->re * b->im + a->im * b->re);
    return true;
  case BIN_DIV: {
    double d = b->re * b->re + b->im * b->im;
    *out = number_complex((a->re * b->re + a->im * b->im) / d, (a->im * b->re - a->re * b->im) / d);
    return true;
  }
  default:
    if (!number_is_whole(b, &n) || n < 0 || n > 64)
      return false;
    *out = number_complex(1, 0);
    for (; n; n--)
      *out = number_complex(out->re * a->re - out->im * a->im, out->re * a->im + out->im * a->re);
    return true;
  }
}

Value *number_bin(Sema *s, Span at, BinOp op, const Number *a, const Number *b) {
  if (op == BIN_DIV && number_const(b) && b->re == 0 && b->im == 0)
    return sema_fail(s, ERR_OUT_OF_RANGE, at, "division by zero");
  if (!number_const(a) || !number_const(b)) {
    Poly p;
    return poly_arith(op, a, b, &p) ? v_number(s, number_size(s, p)) : runtime_bin(s, at, op, a, b);
  }
  if (is_compare(op))
    return compare_const(s, at, op, a, b);
  Number r;
  int64_t n;
  if (a->is_complex || b->is_complex) {
    if (!complex_bin(op, a, b, &r))
      return sema_fail(s, ERR_NOT_COMPLEX, at,
                       "the exponent of a complex number is a small whole number");
  } else if (op == BIN_POW && a->kind == NUMBER_RATIO && number_is_whole(b, &n) &&
             llabs(n) < 1024 && (n >= 0 || a->num))
    r = ratio_power(a, n, a->whole && b->whole);
  else if (op != BIN_POW && a->kind == NUMBER_RATIO && b->kind == NUMBER_RATIO)
    r = ratio_bin(op, a, b);
  else
    r = number_real(real_bin(op, a->re, b->re));
  if (!isfinite(r.re) || !isfinite(r.im))
    return sema_fail(s, ERR_OUT_OF_RANGE, at, "`%s` of these numbers is no finite number",
                     bin_op_name(op));
  return v_number(s, r);
}

Value *number_neg(Sema *s, const Number *a) {
  Number r = *a;
  if (a->kind == NUMBER_SIZE)
    r = number_size(s, poly_scale(*a->size, -1));
  else if (a->kind == NUMBER_RUNTIME) {
    if (!checking(s)) {
      NodePair p = pair_neg(s->g, (NodePair){a->nre, a->nim});
      r.nre = p.re;
      r.nim = p.im;
    }
  } else {
    r.num = -a->num;
    r.re = -a->re;
    r.im = -a->im;
  }
  return v_number(s, r);
}

Value *number_part(Sema *s, bool imag, const Number *a) {
  if (number_const(a))
    return v_number(s, number_real(imag ? a->im : a->re));
  return runtime(s, false, false, (NodePair){imag ? a->nim : a->nre, NULL});
}

bool op_makes_whole(Op op) {
  return op == OP_ROUND || op == OP_FLOOR || op == OP_CEIL;
}

bool op_keeps_whole(Op op) {
  return op == OP_ABS || op_makes_whole(op);
}

static Value *runtime_fn(Sema *s, Span at, Op op, const Number *a) {
  NodePair p = {0};
  if (!checking(s)) {
    sema_mark(s, at);
    p = runtime_pair(s, a);
    p = op == OP_EXP ? pair_exp(s->g, p) : (NodePair){g_unary(s->g, op, p.re), NULL};
  }
  return runtime(s, op_makes_whole(op) || (op == OP_ABS && a->whole), a->is_complex, p);
}

Value *number_fn(Sema *s, Span at, Op op, const Number *a) {
  if (a->is_complex && op != OP_EXP)
    return sema_fail(s, ERR_NOT_COMPLEX, at, "`%s` of a complex number", op_name(op));
  if (!number_const(a))
    return runtime_fn(s, at, op, a);
  if (op_makes_whole(op) && a->whole)
    return v_number(s, *a);
  if (op == OP_ABS)
    return a->re < 0 ? number_neg(s, a) : v_number(s, *a);
  Number r = number_real(op_value(op, DT_F64, a->re, 0, 0));
  if (op_makes_whole(op) && fabs(r.re) < 0x1p53)
    r = number_ratio((int64_t)r.re, 1, true);
  if (a->is_complex)
    r = number_complex(r.re * cos(a->im), r.re * sin(a->im));
  if (!isfinite(r.re) || !isfinite(r.im))
    return sema_fail(s, ERR_OUT_OF_RANGE, at, "`%s` of %g is no finite number", op_name(op), a->re);
  return v_number(s, r);
}

// Towards the lower neighbour; by 0 the quotient is 0, as of i32.
static Number floor_division(Op op, int64_t a, int64_t b) {
  Wide q = b ? (Wide)a / b : 0;
  if (b && (Wide)a % b && (a < 0) != (b < 0))
    q--;
  return ratio(op == OP_FLOORDIV ? q : (Wide)a - q * b, 1, true);
}

static Node *runtime_division(Sema *s, Op op, Node *a, Node *b) {
  Node *zero = g_const(s->g, DT_F64, 0), *q = g_unary(s->g, OP_FLOOR, g_binary(s->g, OP_DIV, a, b));
  q = g_select(s->g, g_binary(s->g, OP_EQ, b, zero), zero, q);
  return op == OP_FLOORDIV ? q : g_binary(s->g, OP_SUB, a, g_binary(s->g, OP_MUL, q, b));
}

int sema_quotients(const Model *m) {
  int n = 0;
  for (int i = 0; i < m->syms.n; i++)
    n += m->syms.v[i].by != 0;
  return n;
}

// div(a, b) and mod(a, b) in the size of a dim, as polynomials.
static bool size_division(Sema *s, Op op, const Number *a, const Number *b, Poly *out) {
  Poly x, q;
  int64_t by;
  if (!s->sizing || a->kind != NUMBER_SIZE || !number_is_whole(b, &by) || by < 1 ||
      !as_poly(a, &x) || !small_terms(&x) ||
      !size_quotient(&s->m->syms, s->a, s->m->names, &x, by,
                     s->m->syms.n - sema_quotients(s->m) + MAX_QUOTIENTS, &q))
    return false;
  *out = op == OP_FLOORDIV ? q : poly_scale(q, -by);
  if (op == OP_FLOORMOD && poly_add_fits(&x, out))
    *out = poly_add(x, *out);
  else if (op == OP_FLOORMOD)
    return false;
  return true;
}

Value *number_divide(Sema *s, Span at, Op op, const Number *a, const Number *b) {
  int64_t x, y;
  if (number_is_whole(a, &x) && number_is_whole(b, &y))
    return v_number(s, floor_division(op, x, y));
  if (!a->whole || !b->whole)
    return sema_fail(s, ERR_OTHER_DTYPE, at, "`%s` divides whole numbers",
                     op == OP_FLOORDIV ? "div" : "mod");
  NodePair p = {0};
  Poly size;
  if (size_division(s, op, a, b, &size))
    return v_number(s, number_size(s, size));
  if (!checking(s)) {
    sema_mark(s, at);
    NodePair n = runtime_pair(s, a), d = runtime_pair(s, b);
    p.re = runtime_division(s, op, n.re, d.re);
  }
  return runtime(s, true, false, p);
}

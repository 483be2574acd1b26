// Pointwise ops.  Operands align by axis identity; one that lacks an axis is constant along it, and
// its gradient is summed over that axis by grad_broadcast.
#include "graph/op.h"
#include <math.h>

// ---- shape rules

static void numeric(Shape *s, const Node *x) {
  if (x->dtype == DT_BOOL)
    shape_fail(s, "bool operand");
}

static void same_dtype(Shape *s, const Node *a, const Node *b) {
  if (a->dtype != b->dtype)
    shape_fail(s, "operands of %s and %s", dtype_name((DType)a->dtype),
               dtype_name((DType)b->dtype));
}

static void any_shape(Shape *s) {
  s->dtype = s->in[0]->dtype;
  for (int i = 0; i < s->nin; i++)
    shape_union(s, s->in[i]);
  for (int i = 1; i < s->nin; i++)
    same_dtype(s, s->in[0], s->in[i]);
}

// A function for each domain of scalar.def.
static void numbers_shape(Shape *s) {
  any_shape(s);
  numeric(s, s->in[0]);
}

static void floats_shape(Shape *s) {
  any_shape(s);
  if (!dtype_is_float((DType)s->dtype))
    shape_fail(s, "%s operand", dtype_name((DType)s->dtype));
}

static void integers_shape(Shape *s) {
  any_shape(s);
  if (s->dtype != DT_I32)
    shape_fail(s, "%s operand", dtype_name((DType)s->dtype));
}

static void bools_shape(Shape *s) {
  any_shape(s);
  if (s->dtype != DT_BOOL)
    shape_fail(s, "%s operand", dtype_name((DType)s->dtype));
}

static void equality_shape(Shape *s) {
  any_shape(s);
  s->dtype = DT_BOOL;
}

static void order_shape(Shape *s) {
  numbers_shape(s);
  s->dtype = DT_BOOL;
}

static void cast_shape(Shape *s) {
  shape_union(s, s->in[0]);
}

static void choice_shape(Shape *s) {
  s->dtype = s->in[1]->dtype;
  for (int i = 0; i < 3; i++)
    shape_union(s, s->in[i]);
  if (s->in[0]->dtype != DT_BOOL)
    shape_fail(s, "%s condition", dtype_name((DType)s->in[0]->dtype));
  same_dtype(s, s->in[1], s->in[2]);
}

// ---- values

typedef double ScalarValue(double a, double b, double c);

// The value of a row: the one definition, of the interpreter, of folding and of the checker's numbers.  a, b, c are the
// operands' elements; i32 wraps around behind it.
#define VALUE(ID, value)                                                                           \
  static double ID##_value(double a, double b, double c) {                                         \
    (void)a, (void)b, (void)c;                                                                     \
    return value;                                                                                  \
  }

// ---- shorthands of the gradient rules.  No two arguments of one call make nodes: the order is the
// compiler's, and ids would differ from one to the next.

static Node *number(Grad *r, double v) {
  return g_const(r->g, (DType)r->dy->dtype, v);
}

static bool is_zero(const Node *x) {
  double c;
  return node_is_const(x, &c) && c == 0 && !x->nax;
}

static bool is_choice(const Node *dy) {
  return dy->op == OP_SELECT && (is_zero(dy->in[1]) || is_zero(dy->in[2]));
}

// That a factor passes: as many as make no difference to the size of a long chain of them.
enum { CHOICES = 3 };

// d f, d / f, or d converted to the dtype of f.  What a choice left out stays 0 where f is infinite or no number:
// select(c, d, 0) f = select(c, d f, 0).
static Node *scaled(Grad *r, Op op, Node *d, Node *f, int choices) {
  Node *x[2];
  if (!choices || !is_choice(d))
    return op == OP_CAST ? g_cast(r->g, d, (DType)f->dtype) : g_binary(r->g, op, d, f);
  for (int i = 0; i < 2; i++)
    x[i] = is_zero(d->in[i + 1]) ? g_const(r->g, (DType)f->dtype, 0)
                                 : scaled(r, op, d->in[i + 1], f, choices - 1);
  return g_select(r->g, d->in[0], x[0], x[1]);
}

static Node *neg(Grad *r, Node *d) {
  return is_choice(d) ? scaled(r, OP_MUL, d, number(r, -1), CHOICES) : g_unary(r->g, OP_NEG, d);
}
static Node *mul(Grad *r, Node *d, Node *f) {
  return scaled(r, OP_MUL, d, f, CHOICES);
}
static Node *div_(Grad *r, Node *d, Node *f) {
  return scaled(r, OP_DIV, d, f, CHOICES);
}
static Node *sub(Grad *r, Node *a, Node *b) {
  return g_binary(r->g, OP_SUB, a, b);
}
static Node *zero_where(Grad *r, Node *cond, Node *otherwise) {
  return g_select(r->g, cond, number(r, 0), otherwise);
}

// ---- one operand

VALUE(NEG, -a)
void NEG_grad(Grad *r) {
  grad_broadcast(r, 0, neg(r, r->dy));
}

// 0 at 0
VALUE(ABS, fabs(a))
void ABS_grad(Grad *r) {
  Node *x = r->n->in[0], *zero = number(r, 0);
  Node *below = g_select(r->g, g_binary(r->g, OP_LT, x, zero), neg(r, r->dy), zero);
  grad_broadcast(r, 0, g_select(r->g, g_binary(r->g, OP_LT, zero, x), r->dy, below));
}

VALUE(EXP, exp(a))
void EXP_grad(Grad *r) {
  grad_broadcast(r, 0, mul(r, r->dy, r->n));
}

VALUE(LOG, log(a))
void LOG_grad(Grad *r) {
  grad_broadcast(r, 0, div_(r, r->dy, r->n->in[0]));
}

VALUE(SQRT, sqrt(a))
void SQRT_grad(Grad *r) {
  grad_broadcast(r, 0, div_(r, mul(r, r->dy, number(r, 0.5)), r->n));
}

VALUE(TANH, tanh(a))
void TANH_grad(Grad *r) {
  Node *square = mul(r, r->n, r->n);
  grad_broadcast(r, 0, mul(r, r->dy, sub(r, number(r, 1), square)));
}

// erf'(x) = 2 / sqrt(pi) exp(-x^2)
VALUE(ERF, erf(a))
void ERF_grad(Grad *r) {
  Node *x = r->n->in[0];
  Node *bell = g_unary(r->g, OP_EXP, neg(r, mul(r, x, x)));
  grad_broadcast(r, 0, mul(r, r->dy, mul(r, bell, number(r, 1.1283791670955126))));
}

VALUE(SIN, sin(a))
void SIN_grad(Grad *r) {
  grad_broadcast(r, 0, mul(r, r->dy, g_unary(r->g, OP_COS, r->n->in[0])));
}

VALUE(COS, cos(a))
void COS_grad(Grad *r) {
  grad_broadcast(r, 0, neg(r, mul(r, r->dy, g_unary(r->g, OP_SIN, r->n->in[0]))));
}

// Halves to the even neighbour.  The gradient is 0 everywhere, that is none.
VALUE(ROUND, nearbyint(a))
void ROUND_grad(Grad *r) {
  (void)r;
}
VALUE(FLOOR, floor(a))
void FLOOR_grad(Grad *r) {
  (void)r;
}
VALUE(CEIL, ceil(a))
void CEIL_grad(Grad *r) {
  (void)r;
}

VALUE(LOG1P, log1p(a))
void LOG1P_grad(Grad *r) {
  Node *one = number(r, 1);
  grad_broadcast(r, 0, div_(r, r->dy, g_binary(r->g, OP_ADD, r->n->in[0], one)));
}

// By exp(x), which has its digits where expm1(x) + 1 has lost them.
VALUE(EXPM1, expm1(a))
void EXPM1_grad(Grad *r) {
  grad_broadcast(r, 0, mul(r, r->dy, g_unary(r->g, OP_EXP, r->n->in[0])));
}

// x, which is a constant where gradients are taken: autodiff.c.
VALUE(STOP, a)

VALUE(CAST, a)
VALUE(CAST_to_bool, a != 0)
// Towards zero; what does not fit goes to the nearest end, and NaN to 0.
VALUE(CAST_to_i32, isnan(a)         ? 0
                   : a <= INT32_MIN ? INT32_MIN
                   : a >= INT32_MAX ? INT32_MAX
                                    : trunc(a))
void CAST_grad(Grad *r) {
  if (grad_wants(r, 0))
    grad_broadcast(r, 0, scaled(r, OP_CAST, r->dy, r->n->in[0], CHOICES));
}

VALUE(NOT, !a)

// ---- two operands

VALUE(ADD, a + b)
void ADD_grad(Grad *r) {
  grad_broadcast(r, 0, r->dy);
  grad_broadcast(r, 1, r->dy);
}

VALUE(SUB, a - b)
void SUB_grad(Grad *r) {
  grad_broadcast(r, 0, r->dy);
  if (grad_wants(r, 1))
    grad_broadcast(r, 1, neg(r, r->dy));
}

VALUE(MUL, a *b)
VALUE(MUL_i32, (double)(int32_t)(uint32_t)((int64_t)a *(int64_t)b)) // a double would lose low bits
void MUL_grad(Grad *r) {
  for (int i = 0; i < 2; i++)
    if (grad_wants(r, i))
      grad_broadcast(r, i, mul(r, r->dy, r->n->in[1 - i]));
}

VALUE(DIV, a / b)
void DIV_grad(Grad *r) {
  Node *b = r->n->in[1];
  if (grad_wants(r, 0))
    grad_broadcast(r, 0, div_(r, r->dy, b));
  if (grad_wants(r, 1))
    grad_broadcast(r, 1, neg(r, div_(r, mul(r, r->dy, r->n), b)));
}

// d x^y = y x^(y-1) dx + x^y log(x) dy, the latter where x > 0 only.  x^0 is 1 for every x: no
// gradient, where y x^(y-1) would be 0 times infinity at x = 0.
VALUE(POW, pow(a, b))
void POW_grad(Grad *r) {
  Node *x = r->n->in[0], *y = r->n->in[1], *zero = number(r, 0), *one = number(r, 1);
  double c;
  if (grad_wants(r, 0)) {
    bool known = node_is_const(y, &c) && !y->nax;
    Node *less = known ? number(r, c - 1) : sub(r, y, one);
    Node *slope = mul(r, r->dy, mul(r, y, g_binary(r->g, OP_POW, x, less)));
    if (!known)
      slope = zero_where(r, g_binary(r->g, OP_EQ, y, zero), slope);
    if (!known || c != 0)
      grad_broadcast(r, 0, slope);
  }
  if (grad_wants(r, 1)) {
    Node *positive = g_binary(r->g, OP_LT, zero, x);
    Node *log_x = g_unary(r->g, OP_LOG, g_select(r->g, positive, x, one));
    grad_broadcast(r, 1, g_select(r->g, positive, mul(r, r->dy, mul(r, r->n, log_x)), zero));
  }
}

// To the operand that is the result; half to each where they are equal.
static void grad_of_choice(Grad *r, bool greatest) {
  for (int i = 0; i < 2; i++) {
    if (!grad_wants(r, i))
      continue;
    Node *x = r->n->in[i], *other = r->n->in[1 - i];
    Node *loses = greatest ? g_binary(r->g, OP_LT, x, other) : g_binary(r->g, OP_LT, other, x);
    Node *equal = g_binary(r->g, OP_EQ, x, other);
    Node *share = g_select(r->g, equal, mul(r, r->dy, number(r, 0.5)), r->dy);
    grad_broadcast(r, i, zero_where(r, loses, share));
  }
}

// Towards the lower neighbour, as Python's `//`, and what is left, of the divisor's sign.  By 0 the quotient is 0, so that
// a = b quotient + rest always.  The double quotient of two i32 is right beside a whole number, too.
static double floor_quotient(double a, double b) {
  return b == 0 ? 0 : floor(a / b);
}
VALUE(FLOORDIV, floor_quotient(a, b))
VALUE(FLOORMOD, a - b * floor_quotient(a, b))

VALUE(MIN, a < b || isnan(a) ? a : b)
void MIN_grad(Grad *r) {
  grad_of_choice(r, false);
}

VALUE(MAX, a > b || isnan(a) ? a : b)
void MAX_grad(Grad *r) {
  grad_of_choice(r, true);
}

VALUE(LT, a < b)
VALUE(LE, a <= b)
VALUE(EQ, a == b)
VALUE(NE, a != b)
VALUE(AND, a &&b)
VALUE(OR, a || b)

VALUE(SELECT, a ? b : c)
void SELECT_grad(Grad *r) {
  Node *cond = r->n->in[0];
  if (grad_wants(r, 1))
    grad_broadcast(r, 1, g_select(r->g, cond, r->dy, number(r, 0)));
  if (grad_wants(r, 2))
    grad_broadcast(r, 2, zero_where(r, cond, r->dy));
}

// ---- the table

static ScalarValue *value_of(int op, DType t) {
  static ScalarValue *const value[OP_COUNT] = {
#define SCALAR(id, name, arity, domain, flags, cost) [OP_##id] = id##_value,
#include "base/scalar.def"
#undef SCALAR
  };
  if (op == OP_CAST)
    return t == DT_BOOL ? CAST_to_bool_value : t == DT_I32 ? CAST_to_i32_value : CAST_value;
  return op == OP_MUL && t == DT_I32 ? MUL_i32_value : value[op];
}

static double wrap(double x) {
  return (double)(int32_t)(uint32_t)(int64_t)x;
}

double op_value(int op, DType t, double a, double b, double c) {
  CHECK(op_flags(op) & F_POINTWISE);
  double v = value_of(op, t)(a, b, c);
  return t == DT_I32 ? wrap(v) : dtype_round(t, v);
}

static void each_element(EvalOp *o) {
  static const double none = 0;
  const double *x[3] = {&none, &none, &none}, *p[3];
  ScalarValue *f = value_of(o->n->op, (DType)o->n->dtype);
  double *out = o->out;
  AxisWalk w;
  walk_init(&w, o->e, o->n->ax, o->n->nax);
  for (int k = 0; k < o->n->nin; k++) {
    walk_operand(&w, o->n->in[k]);
    x[k] = o->in[k];
  }
  int64_t step[3] = {0};
  for (walk_start(&w); w.more; walk_row(&w)) {
    for (int k = 0; k < 3; k++) {
      p[k] = k < w.nop ? x[k] + w.off[k] : x[k];
      step[k] = k < w.nop ? w.step[k] : 0;
    }
    for (int64_t i = 0; i < w.inner; i++)
      *out++ = f(p[0][i * step[0]], p[1][i * step[1]], p[2][i * step[2]]);
  }
  for (int64_t i = 0; o->n->dtype == DT_I32 && i < o->size; i++)
    o->out[i] = wrap(o->out[i]);
}

// Shape rule and evaluator of each row.
#define SCALAR(id, name, arity, domain, flags, cost)                                               \
  void id##_shape(Shape *s) {                                                                      \
    domain##_shape(s);                                                                             \
  }                                                                                                \
  void id##_eval(EvalOp *o) {                                                                      \
    each_element(o);                                                                               \
  }
#include "base/scalar.def"
#undef SCALAR

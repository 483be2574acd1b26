// The functions that no prelude text defines: their arguments, maths, choices, whole quotients, reductions, conversions.
// Those that move along axes are in sema_prim_axes.c.
#include "compiler/sema/sema_habits.h"
#include "compiler/sema/sema_prim.h"
#include <math.h>
#include <string.h>

// ---- arguments
bool prim_take_args(Sema *s, PrimCall *c, int want, bool where) {
  bool ok = true;
  for (int i = 0; i < c->args->n; i++) {
    const CallArg *a = &c->args->v[i];
    if (is_poison(a->x.v))
      ok = false;
    if (!a->name.s && c->where.v) {
      sema_error(s, ERR_WRONG_ARGUMENTS, a->x.span, "an argument by position after one by name");
      return false;
    }
    if (!a->name.s) {
      if (c->n < COUNT(c->x))
        c->x[c->n] = a->x;
      c->n++;
    } else if (where && !strcmp(a->name.s, "where") && !c->where.v)
      c->where = a->x;
    else {
      Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` has no argument `%s`",
                           c->name, a->name.s);
      sema_argument_help(s, g, c->name, c->axes, c->args, a->name.s);
      return false;
    }
  }
  if (c->n == want)
    return ok;
  if (where && c->n > want && (c->op == OP_RMIN || c->op == OP_RMAX)) {
    sema_error(s, ERR_WRONG_ARGUMENTS, c->at,
               "`%s` takes 1 argument, or 2 without `[ ]`, and this call has %d", c->name, c->n);
    return false;
  }
  Diag *g =
      sema_error(s, ERR_WRONG_ARGUMENTS, c->at, "`%s` takes %d argument%s, and this call has %d",
                 c->name, want, want == 1 ? "" : "s", c->n);
  if (where && c->n > want && !c->axes)
    sema_axes_help(s, g, c->name, c->args);
  return false;
}

bool prim_take_axes(Sema *s, PrimCall *c, int lo, int hi) {
  const Value **near = NEWN(s->a, const Value *, c->args->n + 1);
  for (int i = 0; i < c->args->n; i++)
    near[i] = c->args->v[i].x.v;
  if (c->axes && !ax_refs(s, c->axes->axes.v, c->axes->axes.n, near, c->args->n, &c->ax))
    return false;
  bool group = c->ax.n == 1 && c->ax.v[0]->pack && hi == 1;
  if (c->ax.n >= lo && c->ax.n <= hi && !group)
    return true;
  if (!hi)
    sema_error(s, ERR_AXES_MISPLACED, c->at, "`%s` takes no axes", c->name);
  else if (lo == 1 && hi == 1)
    sema_axes_help(s,
                   sema_error(s, ERR_AXES_MISPLACED, c->at, "`%s` takes one axis: `%s[L](...)`",
                              c->name, c->name),
                   c->name, c->args);
  else
    sema_axes_help(s,
                   sema_error(s, ERR_AXES_MISPLACED, c->at, "`%s` names its axes: `%s[L](...)`",
                              c->name, c->name),
                   c->name, c->args);
  return false;
}

bool prim_has_axes(Sema *s, const PrimCall *c, const Operand *x) {
  for (int i = 0; i < c->ax.n; i++) {
    if (ax_in(&x->v->ax, c->ax.v[i]))
      continue;
    Diag *g =
        sema_error(s, ERR_MISSING_DIM, c->at, "`%s` acts along `%s`, but %s has no dimension `%s`",
                   c->name, ax_str(s, c->ax.v[i]), v_type_str(s, x->v), ax_str(s, c->ax.v[i]));
    sema_label_type(s, g, x->span, x->v);
    sema_why_lost(s, g, x->v, c->ax.v[i], x->span);
    sema_note_axes(s, g, &c->ax.v[i], 1);
    for (const Scope *sc = s->scope; sc; sc = sc->up)
      if (sc->strip == c->ax.v[i])
        diag_note(s->d, g, (Span){0}, "inside `scan[%s]` values are seen at one place along `%s`",
                  ax_str(s, sc->strip), ax_str(s, sc->strip));
    return false;
  }
  return true;
}

bool prim_tensor_arg(Sema *s, const PrimCall *c, const Operand *x) {
  if (is_tensor(x->v))
    return true;
  sema_error(s, ERR_OTHER_DTYPE, x->span, "`%s` needs a tensor here, and this is a number",
             c->name);
  return false;
}

// ---- maths
static Value *maths(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 0, 0))
    return v_poison(s);
  Value *x = c->x[0].v;
  if (is_number(x))
    return number_fn(s, c->at, c->op, x->num);
  if (x->dtype == DT_BOOL)
    return sema_fail(s, ERR_OTHER_DTYPE, c->at, "`%s` of bool: it needs numbers", c->name);
  if (dtype_is_complex(x->dtype) && c->op != OP_EXP)
    return sema_fail(s, ERR_NOT_COMPLEX, c->at, "`%s` of a complex value", c->name);
  bool whole = x->dtype == DT_I32;
  if (whole && op_makes_whole(c->op))
    return x;
  DType t = whole && !op_keeps_whole(c->op) ? DT_F32 : x->dtype;
  Value *v = v_tensor(s, t, x->ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    NodePair p = pair_of(s, x, t);
    pair_set(s, v,
             c->op == OP_EXP ? pair_exp(s->g, p) : (NodePair){g_unary(s->g, c->op, p.re), NULL});
  }
  return v;
}

static Node *stop_node(Graph *g, Node *x, void *ctx) {
  (void)ctx;
  return g_unary(g, OP_STOP, x);
}

// What has no gradient anyhow is itself.
Value *STOP_call(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 0, 0))
    return v_poison(s);
  Value *x = c->x[0].v;
  if (is_number(x) || x->dtype == DT_BOOL || x->dtype == DT_I32)
    return x;
  Value *v = v_tensor(s, x->dtype, x->ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    pair_map(s, v, x, stop_node, NULL);
  }
  return v;
}

static Value *complex_part(Sema *s, PrimCall *c, bool imag) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 0, 0))
    return v_poison(s);
  Value *x = c->x[0].v;
  if (is_number(x) && x->num->is_complex)
    return number_part(s, imag, x->num);
  if (!is_tensor(x) || !dtype_is_complex(x->dtype))
    return sema_fail(s, ERR_OTHER_DTYPE, c->at, "`%s` needs a complex value, and this is %s",
                     c->name, v_type_str(s, x));
  Value *v = v_tensor(s, dtype_real(x->dtype), x->ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Node *part = imag ? x->im : x->re;
    pair_set(s, v, (NodePair){part ? part : g_const(s->g, v->dtype, 0), NULL});
  }
  return v;
}

Value *REAL_call(Sema *s, PrimCall *c) {
  return complex_part(s, c, false);
}

Value *IMAG_call(Sema *s, PrimCall *c) {
  return complex_part(s, c, true);
}

Value *sema_call_dtype(Sema *s, DType t, const CallArgs *args, Span at) {
  PrimCall c = {.name = dtype_name(t), .at = at, .args = args};
  if (!prim_take_args(s, &c, 1, false))
    return v_poison(s);
  Value *x = c.x[0].v;
  bool cx = is_number(x) ? x->num->is_complex : dtype_is_complex(x->dtype);
  if (cx && !dtype_is_complex(t)) {
    Diag *g = sema_error(s, ERR_NOT_COMPLEX, at, "`%s` of a complex value", c.name);
    diag_help(s->d, g, "take its real part first: `%s(real(x))`", c.name);
    return v_poison(s);
  }
  if (is_number(x) && !sema_number_fits(s, at, x->num, t))
    return v_poison(s);
  Value *v = v_tensor(s, t, x->ax);
  if (!checking(s)) {
    sema_mark(s, at);
    // A number goes through f64, so that i32(1.5) truncates.
    NodePair p = is_number(x) && !x->num->whole ? pair_of(s, x, cx ? DT_C128 : DT_F64)
                 : is_number(x)                 ? pair_of(s, x, t == DT_BOOL ? DT_I32 : t)
                                                : pair_get(x);
    DType r = dtype_real(t);
    pair_set(s, v, (NodePair){g_cast(s->g, p.re, r), p.im ? g_cast(s->g, p.im, r) : NULL});
  }
  return v;
}

// ---- select, min, max
Value *SELECT_call(Sema *s, PrimCall *c) {
  DType t = DT_BOOL;
  AxList ax;
  if (!prim_take_args(s, c, 3, false) || !prim_take_axes(s, c, 0, 0))
    return v_poison(s);
  Operand *a = &c->x[1], *b = &c->x[2];
  if (!is_tensor(c->x[0].v) || c->x[0].v->dtype != DT_BOOL)
    return sema_fail(s, ERR_OTHER_DTYPE, c->x[0].span,
                     "the first argument of `select` is bool, and this is %s",
                     v_type_str(s, c->x[0].v));
  bool both_bool =
      is_tensor(a->v) && is_tensor(b->v) && a->v->dtype == DT_BOOL && b->v->dtype == DT_BOOL;
  if ((!both_bool && !sema_promote(s, "select", c->at, *a, *b, &t)) ||
      !ax_union(s, "select", c->at, c->x, 3, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, t, ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Graph *g = s->g;
    Node *cond = c->x[0].v->re;
    NodePair p = pair_of(s, a->v, t), q = pair_of(s, b->v, t),
             r = {g_select(g, cond, p.re, q.re), NULL};
    if (p.im || q.im) {
      Node *zero = g_const(g, dtype_real(t), 0);
      r.im = g_select(g, cond, p.im ? p.im : zero, q.im ? q.im : zero);
    }
    pair_set(s, v, r);
  }
  return v;
}

static Value *number_extreme(Sema *s, PrimCall *c, Op op) {
  const Number *a = c->x[0].v->num, *b = c->x[1].v->num;
  if (a->is_complex || b->is_complex)
    return sema_fail(s, ERR_NOT_COMPLEX, c->at, "complex numbers have no order");
  if (number_const(a) && number_const(b)) {
    Value *less = number_bin(s, c->at, BIN_LE, a, b);
    return v_number(s, (op == OP_MIN) == less->truth ? *a : *b);
  }
  Number n = {.kind = NUMBER_RUNTIME, .whole = a->whole && b->whole};
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Node *x = pair_of(s, c->x[0].v, DT_F64).re, *y = pair_of(s, c->x[1].v, DT_F64).re;
    n.nre = g_binary(s->g, op, x, y);
  }
  return v_number(s, n);
}

static Value *extreme(Sema *s, PrimCall *c, Op op) {
  DType t;
  AxList ax;
  if (!prim_take_args(s, c, 2, false))
    return v_poison(s);
  if (is_number(c->x[0].v) && is_number(c->x[1].v))
    return number_extreme(s, c, op);
  if (!sema_promote(s, c->name, c->at, c->x[0], c->x[1], &t) ||
      !ax_union(s, c->name, c->at, c->x, 2, &ax))
    return v_poison(s);
  if (dtype_is_complex(t))
    return sema_fail(s, ERR_NOT_COMPLEX, c->at, "complex numbers have no order");
  Value *v = v_tensor(s, t, ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Node *x = pair_of(s, c->x[0].v, t).re, *y = pair_of(s, c->x[1].v, t).re;
    v->re = g_binary(s->g, op, x, y);
  }
  return v;
}

static bool is_whole(Sema *s, PrimCall *c, const Operand *x) {
  if (is_number(x->v) ? x->v->num->whole : x->v->dtype == DT_I32)
    return true;
  Diag *g = sema_error(s, ERR_OTHER_DTYPE, x->span, "`%s` divides whole numbers, and this is %s",
                       c->name, v_type_str(s, x->v));
  diag_help(s->d, g, "`i32(x)` cuts, and `floor(x / y)` divides other numbers");
  return false;
}

static Value *divide_whole(Sema *s, PrimCall *c, Op op) {
  AxList ax;
  if (!prim_take_args(s, c, 2, false) || !prim_take_axes(s, c, 0, 0) || !is_whole(s, c, &c->x[0]) ||
      !is_whole(s, c, &c->x[1]))
    return v_poison(s);
  if (is_number(c->x[0].v) && is_number(c->x[1].v))
    return number_divide(s, c->at, op, c->x[0].v->num, c->x[1].v->num);
  if (!ax_union(s, c->name, c->at, c->x, 2, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, DT_I32, ax);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    Node *a = pair_of(s, c->x[0].v, DT_I32).re, *b = pair_of(s, c->x[1].v, DT_I32).re;
    v->re = g_binary(s->g, op, a, b);
  }
  return v;
}

Value *FLOORDIV_call(Sema *s, PrimCall *c) {
  return divide_whole(s, c, OP_FLOORDIV);
}

Value *FLOORMOD_call(Sema *s, PrimCall *c) {
  return divide_whole(s, c, OP_FLOORMOD);
}

// ---- reductions
static Node *ax_extent_node(Sema *s, const Ax *a, DType t) {
  int64_t n;
  return poly_is_const(&a->size, &n) ? g_const(s->g, t, (double)n) : g_extent(s->g, t, a->size);
}

static Node *count_node(Sema *s, const PrimCall *c, DType t) {
  Axis *ax[MAX_AXES];
  if (c->where.v) {
    ax_graphs(s, &c->ax, ax);
    return g_sum_over(s->g, g_cast(s->g, c->where.v->re, t), ax, c->ax.n);
  }
  Node *n = NULL;
  for (int i = 0; i < c->ax.n; i++) {
    Node *e = ax_extent_node(s, c->ax.v[i], t);
    n = n ? g_binary(s->g, OP_MUL, n, e) : e;
  }
  return n ? n : g_const(s->g, t, 1);
}

// What the masked elements become so that the reduction does not see them.
static double neutral(Op op, DType t) {
  if (op == OP_SUM)
    return 0;
  double top =
      t == DT_I32 ? (double)INT32_MAX : INFINITY; // INFINITY is a float, and would round it
  return op == OP_RMIN ? top : t == DT_I32 ? INT32_MIN : -top;
}

static Node *reduce_node(Sema *s, const PrimCall *c, Node *x, DType t) {
  Axis *ax[MAX_AXES];
  Graph *g = s->g;
  x = g_cast(g, x, t);
  if (c->where.v)
    x = g_select(g, c->where.v->re, x, g_const(g, t, neutral(c->op, t)));
  if (!c->ax.n)
    return c->op == OP_ARGMAX ? g_const(g, DT_I32, 0) : x;
  ax_graphs(s, &c->ax, ax);
  return c->op == OP_ARGMAX ? g_argmax(g, x, ax[0]) : g_reduce(g, c->op, x, ax, c->ax.n);
}

static bool where_fits(Sema *s, const PrimCall *c) {
  const Value *w = c->where.v, *x = c->x[0].v;
  if (!w)
    return true;
  if (!is_tensor(w) || w->dtype != DT_BOOL) {
    sema_error(s, ERR_OTHER_DTYPE, c->where.span, "`where` is bool, and this is %s",
               v_type_str(s, w));
    return false;
  }
  for (int i = 0; i < w->ax.n; i++)
    if (!ax_in(&x->ax, w->ax.v[i])) {
      Diag *g = sema_error(s, ERR_MISSING_DIM, c->where.span,
                           "`where` has `%s`, but %s has no dimension `%s`", ax_str(s, w->ax.v[i]),
                           v_type_str(s, x), ax_str(s, w->ax.v[i]));
      sema_label_type(s, g, c->x[0].span, x);
      return false;
    }
  return true;
}

static Value *reduction(Sema *s, PrimCall *c) {
  if (!prim_take_args(s, c, 1, true) ||
      !prim_take_axes(s, c, c->op == OP_ARGMAX, c->op == OP_ARGMAX ? 1 : MAX_AXES))
    return v_poison(s);
  Value *x = c->x[0].v;
  if (!prim_tensor_arg(s, c, &c->x[0]) || !prim_has_axes(s, c, &c->x[0]) || !where_fits(s, c))
    return v_poison(s);
  if (!c->axes)
    c->ax = x->ax;
  bool sums = c->op == OP_SUM;
  if (dtype_is_complex(x->dtype) && !sums)
    return sema_fail(s, ERR_NOT_COMPLEX, c->at, "complex numbers have no order");
  if (x->dtype == DT_BOOL && !sums)
    return sema_fail(s, ERR_OTHER_DTYPE, c->at, "`%s` of bool: convert with `i32(x)`", c->name);
  DType t = x->dtype == DT_BOOL ? DT_I32 : x->dtype;
  if (c->mean && t == DT_I32)
    t = DT_F32;
  AxList out = {NEWN(s->a, Ax *, x->ax.n), 0};
  for (int i = 0; i < x->ax.n; i++)
    if (!ax_in(&c->ax, x->ax.v[i]))
      out.v[out.n++] = x->ax.v[i];
  Value *v = v_tensor(s, c->op == OP_ARGMAX ? DT_I32 : t, out);
  if (checking(s))
    return v;
  sema_mark(s, c->whole);
  DType r = dtype_real(t);
  NodePair p = {reduce_node(s, c, x->re, r), x->im ? reduce_node(s, c, x->im, r) : NULL};
  if (c->mean)
    p = pair_bin(s->g, BIN_DIV, p, (NodePair){count_node(s, c, r), NULL});
  pair_set(s, v, p);
  return v;
}

Value *SUM_call(Sema *s, PrimCall *c) {
  c->op = OP_SUM;
  return reduction(s, c);
}

Value *MEAN_call(Sema *s, PrimCall *c) {
  c->mean = true;
  return SUM_call(s, c);
}

Value *ARGMAX_call(Sema *s, PrimCall *c) {
  c->op = OP_ARGMAX;
  return reduction(s, c);
}

// Of two values without axes; else a reduction.
static Value *extreme_or_reduction(Sema *s, PrimCall *c, Op pair, Op reduce) {
  int npos = 0;
  for (int i = 0; i < c->args->n; i++)
    npos += !c->args->v[i].name.s;
  if (!c->axes && npos == 2)
    return extreme(s, c, pair);
  c->op = reduce;
  return reduction(s, c);
}

Value *MAX_call(Sema *s, PrimCall *c) {
  return extreme_or_reduction(s, c, OP_MAX, OP_RMAX);
}

Value *MIN_call(Sema *s, PrimCall *c) {
  return extreme_or_reduction(s, c, OP_MIN, OP_RMIN);
}

Value *IOTA_call(Sema *s, PrimCall *c) {
  return sema_fail(s, ERR_WRONG_ARGUMENTS, c->at, "`iota[L]` is a value and takes no arguments");
}

#define MATHS(id, name)                                                                            \
  Value *id##_call(Sema *s, PrimCall *c) {                                                         \
    c->op = OP_##id;                                                                               \
    return maths(s, c);                                                                            \
  }
#define PRIM(id, name)
#include "compiler/sema/prims.def"
#undef PRIM

Value *sema_call_prim(Sema *s, Prim p, const Expr *axes, const CallArgs *args, Span whole,
                      Span at) {
  static Value *(*const call[])(Sema *, PrimCall *) = {
#define PRIM(id, name) [PRIM_##id] = id##_call,
#include "compiler/sema/prims.def"
#undef PRIM
  };
  PrimCall c = {.name = prim_name(p), .at = at, .whole = whole, .args = args, .axes = axes};
  return call[p](s, &c);
}

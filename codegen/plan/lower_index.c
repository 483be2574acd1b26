// Integer expressions of a kernel: interned, and kept linear where they can be, so that a
// coordinate which was split and joined again on its way to a load is itself again.
#include "codegen/plan/plan_internal.h"
#include "base/hash.h"
#include <string.h>

// ---- interning

static uint64_t hash_int(const LExpr *e) {
  uint64_t h = hash_mix((uint64_t)e->op, (uint64_t)e->inum);
  h = hash_mix(hash_mix(h, (uint64_t)(uintptr_t)e->a), (uint64_t)(uintptr_t)e->b);
  return e->op == L_POLY ? hash_mix(h, poly_hash(&e->poly)) : h;
}

static bool same_int(const void *wanted, uint64_t value) {
  const LExpr *a = wanted, *b = map_pointer(&value);
  return a->op == b->op && a->inum == b->inum && a->a == b->a && a->b == b->b &&
         (a->op != L_POLY || poly_eq(&a->poly, &b->poly));
}

// The one expression equal to e, whose operands are interned.
LExpr *lint(Lower *c, LExpr *e) {
  uint64_t h = hash_int(e);
  LExpr *known = map_pointer(map_find(&c->ints, h, same_int, e));
  if (!known)
    map_add(&c->ints, h, (uintptr_t)e);
  return known ? known : e;
}

LExpr *lint_deep(Lower *c, LExpr *e) {
  if (!e || (e->op > L_TO_INT && e->op != L_SCALAR_INT) || e->op == L_TO_INT)
    return e;
  LExpr *x = NEW(c->a, LExpr);
  *x = *e;
  x->a = lint_deep(c, e->a);
  x->b = lint_deep(c, e->b);
  return lint(c, x);
}

LExpr *li(Lower *c, int64_t v) {
  return lint(c, lx_int(c->a, v));
}
LExpr *lpoly(Lower *c, Poly p) {
  return lint(c, lx_poly(c->a, p));
}
LExpr *lvar(Lower *c, int var) {
  return lint(c, lx_var(c->a, var));
}
LExpr *liop(Lower *c, LOp op, LExpr *x, LExpr *y) {
  return lint(c, lx_iop(c->a, op, x, y));
}

// ---- coordinates

void coords_set(Coords *co, Axis *a, LExpr *at) {
  if (!at)
    BUG("no coordinate for %s", a->name);
  for (int i = 0; i < co->n; i++)
    if (co->v[i].ax == a) {
      co->v[i].at = at;
      return;
    }
  if (co->n == COORDS_MAX)
    BUG("too many coordinates");
  co->v[co->n++] = (Coord){a, at};
}

LExpr *coords_get(const Coords *co, const Axis *a) {
  for (int i = 0; i < co->n; i++)
    if (co->v[i].ax == a)
      return co->v[i].at;
  return NULL;
}

// ---- sums of terms

enum { TERMS = 24 };
typedef struct Sum {
  int n;
  LExpr *at[TERMS];
  Poly step[TERMS];
  Poly base;
  bool full; // did not fit: the result is not used
} Sum;

static void add_base(Sum *s, const Poly *p, const Poly *step) {
  bool fits = poly_mul_fits(p, step);
  Poly x = fits ? poly_mul(*p, *step) : s->base;
  if (fits && poly_add_fits(&s->base, &x))
    s->base = poly_add(s->base, x);
  else
    s->full = true;
}

static void add_term(Sum *s, LExpr *at, Poly step) {
  for (int i = 0; i < s->n; i++)
    if (s->at[i] == at && poly_add_fits(&s->step[i], &step)) {
      s->step[i] = poly_add(s->step[i], step);
      return;
    }
  if (s->n == TERMS) {
    s->full = true;
    return;
  }
  s->at[s->n] = at;
  s->step[s->n++] = step;
}

static bool size_of(const LExpr *e, Poly *p) {
  if (e->op == L_INT)
    *p = poly_const(e->inum);
  else if (e->op == L_POLY)
    *p = e->poly;
  else
    return false;
  return true;
}

static void expand(Sum *s, LExpr *e, Poly step) {
  Poly p, q;
  if (!step.n)
    return;
  if (size_of(e, &p)) {
    add_base(s, &p, &step);
    return;
  }
  if (e->op == L_IADD || e->op == L_ISUB) {
    expand(s, e->a, step);
    expand(s, e->b, e->op == L_IADD ? step : poly_scale(step, -1));
    return;
  }
  if (e->op == L_IMUL) {
    LExpr *x = size_of(e->a, &p) ? e->b : size_of(e->b, &p) ? e->a : NULL;
    if (x && poly_mul_fits(&p, &step)) {
      q = poly_mul(p, step);
      expand(s, x, q);
      return;
    }
  }
  add_term(s, e, step);
}

static void drop(Sum *s, int i) {
  s->n--;
  s->at[i] = s->at[s->n];
  s->step[i] = s->step[s->n];
}

// (x / p) * (p * t) + (x % p) * t = x * t, to a fixed point.
static void rejoin(Sum *s) {
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < s->n; j++) {
      Poly p;
      LExpr *d = s->at[i], *m = s->at[j];
      if (d->op != L_IDIV || m->op != L_IMOD || d->a != m->a || d->b != m->b ||
          !size_of(d->b, &p) || !poly_mul_fits(&p, &s->step[j]))
        continue;
      Poly want = poly_mul(p, s->step[j]), step = s->step[j];
      if (!poly_eq(&want, &s->step[i]))
        continue;
      LExpr *x = d->a;
      drop(s, i > j ? i : j);
      drop(s, i > j ? j : i);
      expand(s, x, step);
      i = -1;
      break;
    }
}

// Index of an expression that does not depend on memory addresses, for a fixed order of terms.
static int64_t rank(const LExpr *e) {
  if (e->op == L_VAR)
    return e->inum;
  int64_t a = e->a ? rank(e->a) : 0, b = e->b ? rank(e->b) : 0;
  return 1000 + (int64_t)e->op * 64 + e->inum + 7 * a + 3 * b;
}

static void sort_terms(Sum *s) {
  for (int i = 1; i < s->n; i++)
    for (int j = i; j > 0 && rank(s->at[j]) < rank(s->at[j - 1]); j--) {
      LExpr *t = s->at[j];
      Poly p = s->step[j];
      s->at[j] = s->at[j - 1];
      s->step[j] = s->step[j - 1];
      s->at[j - 1] = t;
      s->step[j - 1] = p;
    }
}

static LExpr *emit(Lower *c, Sum *s) {
  LExpr *e = NULL;
  sort_terms(s);
  for (int i = 0; i < s->n; i++) {
    if (!s->step[i].n)
      continue;
    LExpr *x = liop(c, L_IMUL, s->at[i], lpoly(c, s->step[i]));
    e = e ? liop(c, L_IADD, e, x) : x;
  }
  if (!e)
    return lpoly(c, s->base);
  return s->base.n ? liop(c, L_IADD, e, lpoly(c, s->base)) : e;
}

LExpr *llinear(Lower *c, LExpr *const *at, const Poly *stride, int n, Poly base) {
  Sum s = {.base = base};
  for (int i = 0; i < n; i++)
    expand(&s, at[i], stride[i]);
  if (!s.full) {
    rejoin(&s);
    if (!s.full)
      return emit(c, &s);
  }
  LExpr *e = lpoly(c, base);
  for (int i = 0; i < n; i++)
    e = liop(c, L_IADD, e, liop(c, L_IMUL, at[i], lpoly(c, stride[i])));
  return e;
}

// x is below the extent, as far as ranges of variables tell.
static bool below(Lower *c, const Sum *s, Poly by) {
  int64_t b, max, base;
  Poly p;
  if (s->n == 1 && s->at[0]->op == L_VAR && !s->base.n) {
    Poly one = poly_const(1);
    if (s->at[0]->inum < c->var_range.n && poly_eq(&s->step[0], &one) &&
        poly_eq(&c->var_range.v[s->at[0]->inum], &by))
      return true;
  }
  if (!poly_is_const(&by, &b) || !poly_is_const(&s->base, &base) || base < 0)
    return false;
  max = base;
  for (int i = 0; i < s->n; i++) {
    int64_t range, step;
    if (!poly_is_const(&s->step[i], &step) || step < 0)
      return false;
    if (s->at[i]->op == L_VAR && s->at[i]->inum < c->var_range.n)
      p = c->var_range.v[s->at[i]->inum];
    else if (s->at[i]->op == L_IMOD && size_of(s->at[i]->b, &p))
      ;
    else
      return false;
    if (!p.n || !poly_is_const(&p, &range))
      return false;
    max += (range - 1) * step;
  }
  return max < b;
}

// x = by * quotient + rest with rest < by: true when that can be read off.
static bool divide(Lower *c, LExpr *x, Poly by, LExpr **quotient, LExpr **rest) {
  Sum s = {.base = {0}}, q = {.base = {0}}, r = {.base = {0}};
  Poly d;
  expand(&s, x, poly_const(1));
  if (s.full)
    return false;
  for (int i = 0; i < s.n; i++)
    if (poly_div(&s.step[i], &by, &d))
      add_term(&q, s.at[i], d);
    else
      add_term(&r, s.at[i], s.step[i]);
  if (poly_div(&s.base, &by, &d))
    q.base = d;
  else
    r.base = s.base;
  if (!below(c, &r, by) && (r.n || r.base.n))
    return false;
  *quotient = emit(c, &q);
  *rest = emit(c, &r);
  return true;
}

LExpr *ldiv_(Lower *c, LExpr *x, Poly by) {
  LExpr *q, *r;
  return divide(c, x, by, &q, &r) ? q : liop(c, L_IDIV, x, lpoly(c, by));
}

LExpr *lmod(Lower *c, LExpr *x, Poly by) {
  LExpr *q, *r;
  return divide(c, x, by, &q, &r) ? r : liop(c, L_IMOD, x, lpoly(c, by));
}

void lower_unflatten(Lower *c, LExpr *flat, Axis *const *ax, int n, Coords *out) {
  for (int i = n - 1; i > 0; i--) {
    coords_set(out, ax[i], lmod(c, flat, ax[i]->extent));
    flat = ldiv_(c, flat, ax[i]->extent);
  }
  if (n)
    coords_set(out, ax[0], flat);
}

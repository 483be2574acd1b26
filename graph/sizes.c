// Symbols of run-time sizes: those that calls bring, quotients of others, and what is known of polynomials in them.
#include "graph/ir.h"

// ---- quotients

static int64_t floor_of(int64_t a, int64_t by) {
  return a / by - (a % by < 0);
}

static void add_term(Poly *p, PolyTerm t, int64_t coef) {
  t.coef = 1;
  *p = poly_add(*p, poly_scale((Poly){.n = 1, .t = {t}}, coef));
}

static bool is_constant(const PolyTerm *t) {
  return t->sym[0] < 0;
}

static int64_t divisor(int64_t a, int64_t b) {
  return b ? divisor(b, a % b) : a;
}

// p = by whole + rest, with coefficients of rest from 0 to by - 1.
static void split(const Poly *p, int64_t by, Poly *whole, Poly *rest) {
  *whole = *rest = poly_const(0);
  for (int i = 0; i < p->n; i++) {
    int64_t q = floor_of(p->t[i].coef, by);
    add_term(whole, p->t[i], q);
    add_term(rest, p->t[i], p->t[i].coef - q * by);
  }
}

// (4L + 3) / 6 is (2L + 1) / 3, rounded down: a constant that the divisor of the others does not divide changes nothing.
static void reduce(Poly *p, int64_t *by) {
  Poly out = poly_const(0);
  int64_t all = *by;
  for (int i = 0; i < p->n; i++)
    all = is_constant(&p->t[i]) ? all : divisor(all, p->t[i].coef);
  for (int i = 0; i < p->n; i++)
    add_term(&out, p->t[i], p->t[i].coef / all);
  *p = out;
  *by /= all;
}

static const char *size_text(Arena *a, const Syms *t, const Poly *p) {
  const char *name[MAX_SYMS];
  for (int i = 0; i < t->n; i++)
    name[i] = t->v[i].name;
  return poly_str(a, p, name);
}

// The symbol of p / by; -1: it would be one too many.
static int quotient(Syms *t, Arena *a, Intern *names, const Poly *p, int64_t by, int room) {
  int64_t most = size_bound(t, p);
  const char *name =
      intern(names, arena_printf(a, "div(%s, %lld)", size_text(a, t, p), (long long)by));
  for (int i = 0; i < t->n; i++)
    if (t->v[i].name == name)
      return i;
  if (t->n >= room)
    return -1;
  vec_push(a, t, (Sym){.name = name, .bound = most < 0 ? 0 : most / by, .of = *p, .by = by});
  return t->n - 1;
}

bool size_quotient(Syms *t, Arena *a, Intern *names, const Poly *p, int64_t by, int room,
                   Poly *out) {
  Poly rest;
  split(p, by, out, &rest);
  reduce(&rest, &by);
  if (!rest.n)
    return true;
  int sym = quotient(t, a, names, &rest, by, room);
  Poly more = poly_sym(sym < 0 ? 0 : sym);
  if (sym < 0 || !poly_add_fits(out, &more))
    return false;
  *out = poly_add(*out, more);
  return true;
}

bool graph_pieces(Graph *g, const Poly *p, int64_t by, Poly *count) {
  Poly up = poly_add(*p, poly_const(by - 1));
  return size_quotient(&g->syms, g->arena, g->intern, &up, by, MAX_SYMS - 1,
                       count); // one is the optimizer's
}

void sizes_complete(const Syms *t, int64_t *values) {
  for (int i = 0; i < t->n; i++)
    if (t->v[i].by)
      values[i] = poly_eval(&t->v[i].of, values) / t->v[i].by;
}

// ---- bounds

static int64_t least_symbol(const Syms *t, int sym) {
  int64_t least = sym < t->n ? 1 : 0;
  return sym < t->n && t->v[sym].by ? size_least(t, &t->v[sym].of) / t->v[sym].by : least;
}

int64_t size_least(const Syms *t, const Poly *p) {
  int64_t sum = 0;
  for (int i = 0; i < p->n; i++) {
    int64_t x = p->t[i].coef;
    if (x < 0 && !is_constant(&p->t[i]))
      return INT64_MIN;
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      x *= least_symbol(t, p->t[i].sym[k]);
    sum += x;
  }
  return sum;
}

// The largest value of a term, by its coefficient's sign.  False: nothing bounds it.
static bool largest_term(const Syms *t, const PolyTerm *x, int64_t *out) {
  *out = x->coef;
  for (int k = 0; k < POLY_FACTORS && x->sym[k] >= 0; k++) {
    int64_t bound = x->sym[k] < t->n ? t->v[x->sym[k]].bound : 0;
    if (x->coef > 0 && !bound)
      return false;
    if (__builtin_mul_overflow(*out, x->coef > 0 ? bound : least_symbol(t, x->sym[k]), out))
      return false;
  }
  return true;
}

bool size_most(const Syms *t, const Poly *p, int64_t *most) {
  int64_t x;
  *most = 0;
  for (int i = 0; i < p->n; i++)
    if (!largest_term(t, &p->t[i], &x) || __builtin_add_overflow(*most, x, most))
      return false;
  return true;
}

int64_t size_bound(const Syms *t, const Poly *p) {
  int64_t most;
  return size_most(t, p, &most) ? most : -1;
}

int64_t graph_bound(const Graph *g, const Poly *p) {
  return size_bound(&g->syms, p);
}

// ---- what an axis needs

int axis_least(const Axis *a) {
  return a->dim ? 1 : 0;
}

const char *axis_need(Arena *arena, const Graph *g, const Axis *a) {
  return arena_printf(arena, "`%s` = %s has to be at least %d", a->dim ? a->dim : a->name,
                      size_text(arena, &g->syms, &a->extent), axis_least(a));
}

// What a program costs, as a function of sizes: the work of its steps, each kind of it times what costs.def says.  For a choice
// among programs that compute the same; work that all of them have cancels out, so what it leaves out matters little.
#include "codegen/plan/plan_internal.h"
#include "runtime/builtin.h"
#include <math.h>
#include <string.h>

static const double costs[] = {
#define COST(name, ns) [COST_##name] = ns,
#include "codegen/plan/costs.def"
#undef COST
};

// ---- polynomials with real coefficients

enum { REAL_TERMS = 16 };
typedef struct Real {
  int n;
  WorkTerm t[REAL_TERMS];
  bool lost; // it had more terms, or factors
} Real;

static Real real(double c) {
  Real r = {.n = c != 0, .t = {{.times = c}}};
  return r;
}

static void real_put(Real *r, double times, const Poly *of) {
  for (int i = 0; i < r->n; i++)
    if (poly_eq(&r->t[i].of, of)) {
      r->t[i].times += times;
      return;
    }
  if (r->n == REAL_TERMS)
    r->lost = true;
  else
    r->t[r->n++] = (WorkTerm){times, *of};
}

static Real real_poly(const Poly *p) {
  Real r = {0};
  for (int i = 0; i < p->n; i++) {
    Poly one = {.n = 1, .t = {p->t[i]}}, none = {0};
    one.t[0].coef = 1;
    real_put(&r, (double)p->t[i].coef, p->t[i].sym[0] < 0 ? &none : &one);
  }
  return r;
}

static Real real_add(Real a, const Real *b, double times) {
  for (int i = 0; i < b->n; i++)
    real_put(&a, times * b->t[i].times, &b->t[i].of);
  a.lost |= b->lost;
  return a;
}

static Real real_mul(const Real *a, const Real *b) {
  Real r = {.lost = a->lost || b->lost};
  for (int i = 0; i < a->n; i++)
    for (int k = 0; k < b->n; k++) {
      const Poly *x = &a->t[i].of, *y = &b->t[k].of;
      double times = a->t[i].times * b->t[k].times;
      if (!x->n || !y->n)
        real_put(&r, times, x->n ? x : y);
      else if (poly_mul_fits(x, y)) {
        Poly z = poly_mul(*x, *y);
        real_put(&r, times, &z);
      } else
        r.lost = true;
    }
  return r;
}

static bool real_const(const Real *r, double *c) {
  *c = r->n ? r->t[0].times : 0;
  return !r->n || (r->n == 1 && !r->t[0].of.n);
}

// ceil(r / by); of what is not known the mean over all sizes.
static Real real_groups(const Real *r, double by) {
  double c;
  Real half = real(0.5), none = {0};
  return real_const(r, &c) ? real(ceil(c / by)) : real_add(real_add(none, r, 1 / by), &half, 1);
}

// ---- a program's account

static void put(Prog *g, CostKind kind, const Real *n, double times) {
  const double *ns = g->p->o.costs ? g->p->o.costs : costs;
  g->uncounted |= n->lost;
  for (int i = 0; i < n->n; i++) {
    double more = n->t[i].times * times * ns[kind];
    int k = 0;
    while (k < g->work.n && !poly_eq(&g->work.v[k].of, &n->t[i].of))
      k++;
    if (k < g->work.n)
      g->work.v[k].times += more;
    else
      vec_push(g->a, &g->work, ((WorkTerm){more, n->t[i].of}));
  }
}

// ---- kernels

typedef struct Walk {
  Prog *g;
  const LKernel *k;
  Real *mean; // of each variable
  Map seen;   // expressions of the current statement
} Walk;

static Real mean_of(const Walk *w, const LExpr *x);

// Blocks are as large as the last one would be, of which there are as many as elements allow, not rounded up: together they are all.
static Real mean_bound(const Walk *w, const LExpr *x) {
  int64_t most = loop_upper_bound(x);
  return most >= 0 ? real((double)most) : mean_of(w, x->a);
}

static Real mean_of(const Walk *w, const LExpr *x) {
  Real a, b, none = {0};
  switch (x->op) {
  case L_INT: return real((double)x->inum);
  case L_POLY: return real_poly(&x->poly);
  case L_VAR: return w->mean[x->inum];
  case L_IADD:
  case L_ISUB:
    b = mean_of(w, x->b);
    return real_add(mean_of(w, x->a), &b, x->op == L_IADD ? 1 : -1);
  case L_IMUL: a = mean_of(w, x->a), b = mean_of(w, x->b); return real_mul(&a, &b);
  case L_IMIN:
  case L_IMAX: return mean_bound(w, x);
  case L_IDIV:
    a = mean_of(w, x->a);
    return x->b->op == L_INT ? real_add(none, &a, 1 / (double)x->b->inum) : a;
  case L_IMOD: return x->b->op == L_INT ? real((double)(x->b->inum - 1) / 2) : mean_of(w, x->b);
  default: return none;
  }
}

enum { FUNCTION_COST = 10 };
typedef struct Ops {
  double functions, loads;
} Ops;

static void add_ops(Map *seen, const LExpr *x, Ops *sum) {
  static const uint8_t cost[L_OP_COUNT] = {
      [L_RANDOM] = 20,
#define SCALAR(id, name, arity, domain, flags, cost) [L_##id] = cost,
#include "base/scalar.def"
#undef SCALAR
  };
  if (!x || map_at(seen, x))
    return;
  map_add(seen, (uintptr_t)x, 1);
  if (cost[x->op] >= FUNCTION_COST)
    sum->functions += cost[x->op] * (x->dtype == DT_F64 ? 2 : 1);
  sum->loads += x->op == L_LOAD;
  add_ops(seen, x->a, sum);
  add_ops(seen, x->b, sum);
  add_ops(seen, x->c, sum);
}

static void walk(Walk *w, const LBody *b, const Real *n);

static Real product3(const Real *a, const Real *b, const Real *c) {
  Real ab = real_mul(a, b);
  return real_mul(&ab, c);
}

static double lanes(const Walk *w) {
  return w->g->p->o.vector_floats;
}

static void walk_tile(Walk *w, const LTile *t, const Real *n) {
  Real rows = mean_of(w, t->M), columns = mean_of(w, t->N), wide = real_groups(&columns, lanes(w)),
       each = product3(n, &rows, &wide);
  for (int i = 0; i < t->nprod; i++) {
    Real depth = mean_of(w, t->prod[i].K), all = real_mul(&each, &depth);
    put(w->g, COST_PRODUCT, &all, 1);
  }
  w->mean[t->mvar] = w->mean[t->nvar] = real(0);
  walk(w, &t->body, &each);
}

// Turns of [lo, min(lo + block, end)): the block's, see mean_bound.
static Real turns_of(const Walk *w, const LStmt *s) {
  Real lo = mean_of(w, s->lo), hi = mean_of(w, s->hi);
  const LExpr *end[2] = {s->hi->a, s->hi->b};
  for (int i = 0; i < 2 && s->hi->op == L_IMIN; i++)
    if (end[i]->op == L_IADD && end[i]->a == s->lo && end[i]->b->op == L_INT)
      return real((double)end[i]->b->inum);
  return real_add(hi, &lo, -1);
}

static void walk_for(Walk *w, const LStmt *s, const Real *n) {
  Real count = turns_of(w, s), half = {0}, first = mean_of(w, s->lo),
       turns = s->vec ? real_groups(&count, lanes(w)) : count, all = real_mul(n, &turns);
  half = real_add(half, &count, 0.5);
  w->mean[s->var] = real_add(first, &half, 1);
  walk(w, &s->body, &all);
}

static void walk_value(Walk *w, const LStmt *s, const Real *n) {
  bool stores = s->kind == LS_STORE || s->kind == LS_COLSUM;
  Ops sum = {.loads = stores + s->add};
  map_clear(&w->seen);
  add_ops(&w->seen, s->value, &sum);
  put(w->g, COST_FUNCTION, n, sum.functions);
  put(w->g, COST_LOAD, n, sum.loads);
}

static void walk_transpose(Walk *w, const LStmt *s, const Real *n) {
  Real rows = mean_of(w, s->tr.rows), columns = mean_of(w, s->tr.cols),
       wide = real_groups(&columns, lanes(w)), all = product3(n, &rows, &wide);
  put(w->g, COST_LOAD, &all, 2);
}

static void walk(Walk *w, const LBody *b, const Real *n) {
  for (int i = 0; i < b->n; i++)
    switch (b->v[i]->kind) {
    case LS_FOR: walk_for(w, b->v[i], n); break;
    case LS_TILE: walk_tile(w, b->v[i]->tile, n); break;
    case LS_TRANSPOSE:
    case LS_PAIRS:
    case LS_QUADS: walk_transpose(w, b->v[i], n); break;
    case LS_ATTENTION: w->g->uncounted = true; break;
    default: walk_value(w, b->v[i], n);
    }
}

static void put_kernel(Prog *g, Arena *a, const LKernel *k) {
  Walk w = {g, k, NEWN(a, Real, k->nvars + 1), {.arena = a}};
  Real n = real(1), tasks = real(1);
  for (int i = 0; i < k->ngrid; i++) {
    Real extent = real_poly(&k->grid[i].extent), none = {0},
         groups = real_groups(&extent, (double)k->grid[i].block),
         even = real_add(none, &extent, 1 / (double)k->grid[i].block);
    tasks = real_mul(&tasks, &groups);
    n = real_mul(&n, &even);
    w.mean[k->grid[i].var] = real_add(none, &even, 0.5);
  }
  put(g, COST_TASK, &tasks, 1);
  walk(&w, &k->body, &n);
}

static void put_step(Prog *g, const Poly *bytes) {
  Real one = real(1), all = real_poly(bytes);
  put(g, COST_STEP, &one, 1);
  put(g, COST_BYTE, &all, 1);
}

void work_kernel(Prog *g, const Lower *c, const Poly *bytes) {
  put_step(g, bytes);
  put_kernel(g, c->a, c->k);
}

// ---- library code

static void put_conv(Prog *g, CostKind kind, Poly of, BigsCost where) {
  const double *ns = g->p->o.costs ? g->p->o.costs : costs;
  where.ns = ns[kind] / g->p->o.vector_floats;
  where.size = plan_size(g->p, of);
  vec_push(g->a, &g->conv, where);
}

// A convolution of rows x channels sequences, `all` their elements; a long one transforms its kernels, too.  See conv_plan.c.
void work_conv(Prog *g, const Node *n, Poly all, Poly kernels, const Poly *bytes) {
  int grad = n->op == OP_CONV_GRAD;
  Poly length = n->attr.axis->extent;
  BigsCost sums = {.length = plan_size(g->p, length), .from = 1, .to = BIGS_CONV_SHORT},
           transforms = {
               .length = sums.length, .logs = 1, .from = BIGS_CONV_SHORT, .to = INT64_MAX};
  put_step(g, bytes);
  g->uncounted |= !poly_mul_fits(&all, &length);
  if (!g->uncounted)
    put_conv(g, grad ? COST_GRAD_CONV : COST_CONV, poly_mul(all, length), sums);
  put_conv(g, grad ? COST_GRAD_FFT : COST_FFT, all, transforms);
  put_conv(g, grad ? COST_GRAD_FFT : COST_FFT, kernels, transforms);
}

// Rows of a width that are added up.
void work_scatter(Prog *g, Poly rows, Poly width, const Poly *bytes) {
  Real n = real_poly(&rows), columns = real_poly(&width),
       wide = real_groups(&columns, g->p->o.vector_floats), all = real_mul(&n, &wide);
  put_step(g, bytes);
  put(g, COST_LOAD, &all, 2);
}

// ---- the finished table

const BigsCost *work_table(Prog *g, int32_t *n) {
  BigsCost *v = NEWN(g->a, BigsCost, g->work.n + g->conv.n + 1);
  Poly one = poly_const(1);
  *n = 0;
  for (int i = 0; i < g->work.n; i++)
    v[(*n)++] = (BigsCost){.ns = g->work.v[i].times,
                           .size = plan_size(g->p, g->work.v[i].of.n ? g->work.v[i].of : one)};
  for (int i = 0; i < g->conv.n; i++)
    v[(*n)++] = g->conv.v[i];
  return v;
}

// Random valid graphs: compiled kernels against the interpreter, fused and not.  BIGSC_FUZZ=N runs
// N graphs from seed BIGSC_FUZZ_SEED on (defaults: a short run).
#include "tests/fuzz/fuzz_graph.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 48, MAX_ELEMENTS = 6000, AXES = 8 };
typedef struct Fuzz {
  PlanBed t;
  Graph *g;
  Axis *B, *L, *S, *A, *D, *H, *F, *W, *P, *T;
  Node *pool[POOL];
  int n;
  Param *param[4];
  int nparam;
} Fuzz;

static uint32_t pick(Fuzz *f, uint32_t n) {
  return (uint32_t)bed_uniform(&f->t.b, 0, n) % n;
}

static Node *any(Fuzz *f) {
  return f->pool[pick(f, (uint32_t)f->n)];
}

// One of the younger values: deep graphs rather than wide ones.
static Node *recent(Fuzz *f) {
  uint32_t back = pick(f, 5) + 1;
  return (int)back > f->n ? any(f) : f->pool[f->n - (int)back];
}

static Node *num(Fuzz *f, double v) {
  return g_const(f->g, DT_F32, v);
}
static Node *op1(Fuzz *f, Op op, Node *x) {
  return g_unary(f->g, op, x);
}
static Node *op2(Fuzz *f, Op op, Node *x, Node *y) {
  return g_binary(f->g, op, x, y);
}
static Node *positive(Fuzz *f, Node *x) {
  return op2(f, OP_ADD, op1(f, OP_ABS, x), num(f, 0.5));
}

static bool fits(Fuzz *f, Axis *const *ax, int n) {
  return n <= 4 && bed_size(&f->t.b, ax, n) <= MAX_ELEMENTS;
}

// Largest absolute value; large ones would make f32's rounding show in what is made of them.
static double largest(Fuzz *f, Node *x) {
  const double *v = bed_value(&f->t.b, x);
  double most = 0;
  for (int64_t i = 0, n = bed_size(&f->t.b, x->ax, x->nax); i < n; i++)
    most = fmax(most, fabs(v[i]));
  return most;
}

static void put(Fuzz *f, Node *x) {
  if (!x || x->dtype != DT_F32 || !fits(f, x->ax, x->nax) || f->n == POOL)
    return;
  f->pool[f->n++] = largest(f, x) > 3 ? g_unary(f->g, OP_TANH, x) : x;
}

static Node *fresh(Fuzz *f, DType t, double lo, double hi) {
  Axis *all[AXES] = {f->B, f->L, f->S, f->A, f->D, f->H, f->F, f->W}, *ax[3];
  int n = 0;
  for (int i = 0; i < 3; i++) {
    Axis *a = all[pick(f, AXES)];
    bool twice = false;
    for (int k = 0; k < n; k++)
      twice |= ax[k] == a;
    if (!twice)
      ax[n++] = a;
  }
  while (!fits(f, ax, n))
    n--;
  return f->t.b.n < 40 ? bed_leaf(&f->t.b, t, ax, n, lo, hi) : NULL;
}

// Axes that a and b together have; 0 when too many.
static bool joint_fits(Fuzz *f, const Node *a, const Node *b) {
  Axis *ax[2 * MAX_AXES];
  int n = 0;
  for (int i = 0; i < a->nax; i++)
    ax[n++] = a->ax[i];
  for (int i = 0; i < b->nax; i++)
    if (!node_has(a, b->ax[i]))
      ax[n++] = b->ax[i];
  return fits(f, ax, n);
}

static Node *make_unary(Fuzz *f) {
  static const Op ops[] = {OP_NEG, OP_ABS, OP_TANH, OP_ERF, OP_SIN, OP_COS};
  Node *x = recent(f);
  switch (pick(f, 9)) {
  case 0: return op1(f, OP_EXP, op1(f, OP_TANH, x));
  case 1: return op1(f, OP_LOG, positive(f, x));
  case 2: return op1(f, OP_SQRT, positive(f, x));
  default: return op1(f, ops[pick(f, COUNT(ops))], x);
  }
}

static Node *make_binary(Fuzz *f) {
  static const Op ops[] = {OP_ADD, OP_SUB, OP_MUL, OP_MIN, OP_MAX};
  Node *x = recent(f), *y = any(f);
  if (!joint_fits(f, x, y))
    return NULL;
  if (!pick(f, 6))
    return op2(f, OP_DIV, x, positive(f, y));
  return op2(f, ops[pick(f, COUNT(ops))], x, y);
}

static Node *make_select(Fuzz *f) {
  Node *c = fresh(f, DT_F32, -1, 1), *x = recent(f), *y = any(f);
  if (!c || !joint_fits(f, x, y))
    return NULL;
  if (!pick(f, 2) && x->nax)
    return g_select(f->g, op2(f, OP_LT, g_random(f->g, pick(f, 1000), x->ax, x->nax), num(f, 0.4)),
                    num(f, 0), x);
  return joint_fits(f, x, c) && joint_fits(f, y, c)
             ? g_select(f->g, op2(f, OP_LT, c, num(f, 0)), x, y)
             : NULL;
}

static int some_axes(Fuzz *f, const Node *x, Axis **ax) {
  int n = 0;
  for (int i = 0; i < x->nax; i++)
    if (pick(f, 2))
      ax[n++] = x->ax[i];
  if (!n && x->nax)
    ax[n++] = x->ax[pick(f, (uint32_t)x->nax)];
  return n;
}

static Node *make_reduce(Fuzz *f) {
  static const Op ops[] = {OP_SUM, OP_SUM, OP_RMAX, OP_RMIN};
  Axis *ax[MAX_AXES];
  Node *x = recent(f);
  int n = some_axes(f, x, ax);
  if (!n)
    return NULL;
  Node *r = g_reduce(f->g, ops[pick(f, COUNT(ops))], x, ax, n);
  return r->op == OP_SUM ? op2(f, OP_MUL, r, num(f, 1.0 / (double)bed_size(&f->t.b, ax, n))) : r;
}

static Node *softmax(Fuzz *f) {
  Node *x = recent(f);
  if (!x->nax)
    return NULL;
  Axis *a = x->ax[pick(f, (uint32_t)x->nax)];
  Node *e = op1(f, OP_EXP, op2(f, OP_SUB, x, g_reduce(f->g, OP_RMAX, x, &a, 1)));
  return op2(f, OP_DIV, e, g_reduce(f->g, OP_SUM, e, &a, 1));
}

static Node *make_contract(Fuzz *f) {
  Node *x = recent(f), *y = any(f);
  Axis *ax[MAX_AXES];
  int n = 0;
  double scale = 1;
  for (int i = 0; i < x->nax; i++)
    if (node_has(y, x->ax[i]) && pick(f, 3))
      ax[n++] = x->ax[i];
  if (!n)
    return NULL;
  int left = x->nax + y->nax - 2 * n;
  scale = 1.0 / (double)bed_size(&f->t.b, ax, n);
  if (left > 5)
    return NULL;
  Node *c = g_contract(f->g, x, y, ax, n);
  return op2(f, OP_MUL, c, num(f, 4 * scale));
}

static Node *make_gather(Fuzz *f) {
  Axis *const wide[] = {f->H, f->F};
  Axis *a = wide[pick(f, 2)];
  Node *x = recent(f), *i = fresh(f, DT_I32, 0, 10);
  if (!i || !node_has(x, a) || node_has(i, a) || !joint_fits(f, x, i))
    return NULL;
  return g_gather(f->g, x, i, a);
}

static Node *make_scatter(Fuzz *f) {
  Node *src = recent(f), *i = fresh(f, DT_I32, 0, 10);
  Axis *keep[MAX_AXES];
  int n = 0;
  if (!i || !joint_fits(f, src, i))
    return NULL;
  for (int k = 0; k < src->nax; k++)
    if (src->ax[k] != f->F && (!node_has(i, src->ax[k]) || !pick(f, 3)))
      keep[n++] = src->ax[k];
  Axis *all[MAX_AXES + 1];
  memcpy(all, keep, sizeof *keep * (size_t)n);
  all[n] = f->F;
  if (!fits(f, all, n + 1))
    return NULL;
  return g_scatter(f->g, i, src, f->F, keep, n);
}

static Node *rename1(Fuzz *f, Node *x, Axis *from, Axis *to) {
  return node_has(x, from) && !node_has(x, to) ? g_rename(f->g, x, &from, &to, 1) : NULL;
}

static Node *make_map(Fuzz *f) {
  Graph *g = f->g;
  Node *x = recent(f), *y = any(f);
  Axis *ad[2] = {f->A, f->D}, *bl[2] = {f->B, f->L}, *ax[MAX_AXES];
  switch (pick(f, 11)) {
  case 0: return rename1(f, x, f->L, f->S);
  case 1: return rename1(f, x, f->S, f->L);
  case 2:
    return node_has(x, f->H) && !node_has(x, f->A) && !node_has(x, f->D)
               ? g_split(g, x, f->H, ad, 2)
               : NULL;
  case 3:
    return node_has(x, f->A) && node_has(x, f->D) && !node_has(x, f->H) ? g_merge(g, x, ad, 2, f->H)
                                                                        : NULL;
  case 4:
    return node_has(x, f->B) && node_has(x, f->L) && !node_has(x, f->T) ? g_merge(g, x, bl, 2, f->T)
                                                                        : NULL;
  case 5:
    return node_has(x, f->T) && !node_has(x, f->B) && !node_has(x, f->L)
               ? g_split(g, x, f->T, bl, 2)
               : NULL;
  case 6:
    return node_has(x, f->F) && !node_has(x, f->W)
               ? g_slice(g, x, f->F, poly_const(4), poly_const(11), f->W)
               : NULL;
  case 7: {
    if (!x->nax)
      return NULL;
    Axis *a = x->ax[pick(f, (uint32_t)x->nax)];
    return g_index(g, x, a, pick(f, 2) ? poly_const(0) : poly_sub(a->extent, poly_const(1)));
  }
  case 8: {
    int n = some_axes(f, x, ax);
    return n ? g_flip(g, x, ax, n) : NULL;
  }
  case 9:
    return node_has(x, f->W) && !node_has(x, f->F)
               ? g_pad(g, x, f->W, poly_const(pick(f, 10)), f->F)
               : NULL;
  default: {
    if (!node_has(x, f->W) || node_has(x, f->P) || !node_has(y, f->F) || x->nax != y->nax)
      return NULL;
    for (int i = 0; i < x->nax; i++)
      if (x->ax[i] != f->W && (!node_has(y, x->ax[i]) || x->ax[i] == f->F))
        return NULL;
    Node *in[2] = {x, y};
    Axis *from[2] = {f->W, f->F};
    return g_concat(g, in, from, 2, f->P);
  }
  }
}

static Node *make_conv(Fuzz *f) {
  Node *u = recent(f), *k = any(f);
  Axis *keep[MAX_AXES];
  int n = 0;
  bool rev = pick(f, 2);
  if (!node_has(u, f->L))
    return NULL;
  if (pick(f, 2) && axes_equal_sets(u->ax, u->nax, k->ax, k->nax)) {
    for (int i = 0; i < u->nax; i++)
      if (u->ax[i] != f->L && pick(f, 2))
        keep[n++] = u->ax[i];
    return op2(f, OP_MUL, g_conv_grad(f->g, u, k, f->L, keep, n, rev), num(f, 0.1));
  }
  for (int i = 0; i < k->nax; i++)
    if (!node_has(u, k->ax[i]))
      return NULL;
  return node_has(k, f->L) ? op2(f, OP_MUL, g_conv(f->g, u, k, f->L, rev), num(f, 0.2)) : NULL;
}

static void grow(Fuzz *f) {
  switch (pick(f, 16)) {
  case 0: put(f, fresh(f, DT_F32, -1, 1)); return;
  case 1:
  case 2: put(f, make_unary(f)); return;
  case 3:
  case 4:
  case 5: put(f, make_binary(f)); return;
  case 6: put(f, make_select(f)); return;
  case 7: put(f, make_reduce(f)); return;
  case 8: put(f, softmax(f)); return;
  case 9:
  case 10: put(f, make_contract(f)); return;
  case 11: put(f, make_gather(f)); return;
  case 12: put(f, make_scatter(f)); return;
  case 13: put(f, make_conv(f)); return;
  default: put(f, make_map(f)); return;
  }
}

static void setup(Fuzz *f, uint64_t seed) {
  f->t = plan_bed_new(seed);
  Bed *b = &f->t.b;
  f->g = b->g;
  f->B = bed_run_axis(b, "B", 1 + (int)pick(f, 4));
  f->L = bed_run_axis(b, "L", 1 + (int)pick(f, 12));
  f->S = graph_axis(f->g, "S", 0, f->L->extent);
  f->T = graph_axis(f->g, "T", 0, poly_mul(f->B->extent, f->L->extent));
  f->A = bed_axis(b, "A", 3);
  f->D = bed_axis(b, "D", 6);
  f->H = bed_axis(b, "H", 18);
  f->F = bed_axis(b, "F", 23);
  f->W = bed_axis(b, "W", 7);
  f->P = bed_axis(b, "P", 30);
  Axis *sets[4][3] = {{f->H, f->F}, {f->F}, {f->H, f->A, f->D}, {f->F, f->H}};
  static const int counts[4] = {2, 1, 3, 2};
  static const char *const names[4] = {"p", "q", "r", "s"};
  for (int i = 0; i < 4; i++) {
    f->param[f->nparam++] = plan_bed_param(&f->t, names[i], sets[i], counts[i], -1, 1);
    put(f, f->param[i]->node);
  }
  put(f, bed_leaf(b, DT_F32, (Axis *[]){f->B, f->L, f->H}, 3, -1, 1));
}

// The gradients of a loss over the last values with respect to those parameters that they reach.
static void check_gradients(Fuzz *f, const char *what) {
  Node *loss = num(f, 0), *wrt[4], *grad[5];
  Param *of[4];
  int n = 0, live;
  for (int i = 0; i < 3; i++) {
    Node *x = op1(f, OP_TANH, f->pool[f->n - 1 - i]);
    loss = op2(f, OP_ADD, loss, x->nax ? g_reduce(f->g, OP_SUM, x, x->ax, x->nax) : x);
  }
  Node **all = graph_reachable(f->g, &loss, 1, &live);
  for (int i = 0; i < live; i++)
    for (int k = 0; k < f->nparam; k++)
      if (all[i] == f->param[k]->node) {
        wrt[n] = all[i];
        of[n++] = f->param[k];
      }
  graph_grad(f->g, loss, wrt, n, grad + 1);
  grad[0] = loss;
  graph_rewrite(f->g, RULES_SIMPLIFY, grad, n + 1, NULL);
  Output o[5] = {{.name = "loss", .node = grad[0]}};
  for (int i = 0; i < n; i++)
    o[i + 1] = (Output){.name = of[i]->path,
                        .node = grad[i + 1],
                        .nax = wrt[i]->nax,
                        .ax = wrt[i]->ax,
                        .param = of[i]};
  f->t.tolerance = 1e-3;
  plan_bed_check(&f->t, BIGS_GRADIENT, o, n + 1, what);
}

void fuzz_graph_one(uint64_t seed, PlanCode *code) {
  Fuzz f = {0};
  setup(&f, seed);
  f.t.code = code;
  char *what = arena_printf(f.t.b.arena, "seed %llu", (unsigned long long)seed);
  int size = 8 + (int)pick(&f, 24);
  for (int tries = 0; f.n < size && tries < 400; tries++)
    grow(&f);
  f.t.print = getenv("BIGSC_FUZZ_PRINT") != NULL;
  Output o[3];
  int n = 1 + (int)pick(&f, 3);
  static const char *const names[3] = {"x", "y", "z"};
  for (int i = 0; i < n; i++) {
    o[i] = plan_bed_output(&f.t, f.pool[f.n - 1 - i]);
    o[i].name = names[i];
  }
  f.t.tolerance = 1e-4;
  f.t.least = 0.3;
  f.t.no_fuse = seed % 4 == 3;
  if (f.t.print) {
    Node *roots[3] = {o[0].node, n > 1 ? o[1].node : NULL, n > 2 ? o[2].node : NULL};
    graph_print(stderr, f.g, roots, names, n);
  }
  plan_bed_check(&f.t, BIGS_ENTRY, o, n, what);
  if (seed % 2)
    check_gradients(&f, what);
  plan_bed_free(&f.t);
}

enum { PER_TEST = 20, SHORT = 6 };

static int rounds(void) {
  const char *s = getenv("BIGSC_FUZZ");
  return s ? (atoi(s) + PER_TEST - 1) / PER_TEST : SHORT;
}

START_TEST(random_graphs) {
  const char *s = getenv("BIGSC_FUZZ_SEED");
  for (int i = 0; i < PER_TEST; i++)
    fuzz_graph_one((uint64_t)((s ? atoi(s) : 0) + _i * PER_TEST + i), NULL);
}
END_TEST

Suite *fuzz_graph_suite(void) {
  Suite *s = suite_create("fuzz_graph");
  TCase *c = tcase_create("fuzz_graph");
  tcase_set_timeout(c, 600);
  tcase_add_loop_test(c, random_graphs, 0, rounds());
  suite_add_tcase(s, c);
  return s;
}

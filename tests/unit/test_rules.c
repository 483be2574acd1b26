// Every rewrite of rules.def: a graph on which it fires, and values and gradients that it
// preserves.
#include "tests/unit/suites.h"
#include "base/hash.h"
#include "graph/rewrite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Fixture {
  Arena *arena;
  Graph *g;
  Axis *A, *B, *C, *D, *E, *L, *S, *T, *AB;
  Node *x, *y, *z, *c3, *m; // f32[A, B], f32[A, B], f32[A], 3, bool[A, B]
  Node *u, *k;              // f32[A, L], f32[L]
} Fixture;

static Node *param(Fixture *f, const char *name, int n, ...) {
  Param *p = NEW(f->arena, Param);
  va_list ap;
  p->path = name;
  p->dtype = DT_F32;
  p->ax = NEWN(f->arena, Axis *, n + 1);
  va_start(ap, n);
  for (p->nax = 0; p->nax < n; p->nax++)
    p->ax[p->nax] = va_arg(ap, Axis *);
  va_end(ap);
  return g_param(f->g, p);
}

static void setup(Fixture *f) {
  f->arena = arena_new();
  Graph *g = f->g = graph_new(f->arena, intern_new(f->arena));
  f->A = graph_axis(g, "A", 0, poly_const(3));
  f->B = graph_axis(g, "B", 0, poly_const(4));
  f->C = graph_axis(g, "C", 0, poly_const(4));
  f->D = graph_axis(g, "D", 0, poly_const(5));
  f->E = graph_axis(g, "E", 0, poly_const(2));
  f->L = graph_axis(g, "L", 0, poly_sym(graph_sym(g, "L", 9)));
  f->S = graph_axis(g, "S", 0, f->L->extent);
  f->T = graph_axis(g, "T", 0, poly_const(10));
  f->AB = graph_axis(g, "AB", 0, poly_const(12));
  f->x = g_input(g, "x", DT_F32, (Axis *[]){f->A, f->B}, 2);
  f->y = g_input(g, "y", DT_F32, (Axis *[]){f->A, f->B}, 2);
  f->z = g_input(g, "z", DT_F32, (Axis *[]){f->A}, 1);
  f->u = g_input(g, "u", DT_F32, (Axis *[]){f->A, f->L}, 2);
  f->k = g_input(g, "k", DT_F32, (Axis *[]){f->L}, 1);
  f->c3 = g_const(g, DT_F32, 3);
  f->m = g_binary(g, OP_LT, f->x, f->y);
}

static const int64_t syms[MAX_SYMS] = {7};

static void bind_all(Fixture *f, Eval *e, Node *const *roots, int n) {
  int live;
  Node **nodes = graph_reachable(f->g, roots, n, &live);
  for (int i = 0; i < live; i++)
    if (nodes[i]->op == OP_INPUT || nodes[i]->op == OP_PARAM) {
      int64_t size = 1;
      for (int k = 0; k < nodes[i]->nax; k++)
        size *= poly_eval(&nodes[i]->ax[k]->extent, syms);
      double *v = NEWN(f->arena, double, size);
      uint64_t h = hash_str(nodes[i]->attr.name);
      Param *p = nodes[i]->op == OP_PARAM ? f->g->params.v[nodes[i]->attr.i0] : NULL;
      for (int64_t k = 0; k < size; k++)
        v[k] = nodes[i]->dtype == DT_I32
                   ? (double)(k % 3)
                   : (double)((h = hash_mix(h, (uint64_t)k)) >> 40) / (1 << 24) * 2 - 0.9;
      if (!(p && p->is_stack))
        eval_bind(e, nodes[i], v);
    }
}

// Values of a stack are those of its parts.
static void bind_stacks(Fixture *f, Eval *e) {
  for (int i = 0; i < f->g->params.n; i++) {
    Param *s = f->g->params.v[i];
    const char *error = NULL;
    if (!s->is_stack)
      continue;
    int64_t cols = poly_eval(&s->ax[s->nax - 1]->extent, syms), rows = 1;
    for (int k = 0; k + 1 < s->nax; k++)
      rows *= poly_eval(&s->ax[k]->extent, syms);
    double *v = NEWN(f->arena, double, rows *cols);
    for (int k = 0; k < f->g->params.n; k++) {
      Param *p = f->g->params.v[k];
      if (p->stack != s)
        continue;
      bind_all(f, e, &p->node, 1);
      const double *part = eval_in_order(e, p->node, p->ax, p->nax, &error);
      ck_assert_msg(part != NULL, "%s", error);
      int64_t size = 1;
      for (int d = 0; d < p->nax; d++)
        size *= poly_eval(&p->ax[d]->extent, syms);
      for (int64_t d = 0; d < size; d++)
        v[d / (size / rows) * cols + p->stack_lo + d % (size / rows)] = part[d];
    }
    eval_bind(e, s->node, v);
  }
}

static const double *values(Fixture *f, Node *n, Axis *const *ax, int nax) {
  const char *error = NULL;
  Eval *e = eval_new(f->arena, f->g, syms, 1, 2);
  bind_all(f, e, &n, 1);
  bind_stacks(f, e);
  const double *v = eval_in_order(e, n, ax, nax, &error);
  ck_assert_msg(v != NULL, "%s", error ? error : "no value");
  return v;
}

static void same_values(Fixture *f, const char *what, Node *before, Node *after) {
  const double *v = values(f, before, before->ax, before->nax),
               *w = values(f, after, before->ax, before->nax);
  int64_t size = 1;
  double most = 1e-30;
  for (int k = 0; k < before->nax; k++)
    size *= poly_eval(&before->ax[k]->extent, syms);
  for (int64_t i = 0; i < size; i++)
    most = fmax(most, fabs(v[i]));
  for (int64_t i = 0; i < size; i++)
    ck_assert_msg(fabs(v[i] - w[i]) <= 1e-6 * most, "%s: element %d is %.9g, was %.9g", what,
                  (int)i, w[i], v[i]);
}

// A scalar whose gradient feels every element of n.
static Node *probe(Fixture *f, Node *n) {
  Graph *g = f->g;
  if (!dtype_is_float(n->dtype))
    return NULL;
  Node *v = g_binary(g, OP_MUL, n, n);
  return n->nax ? g_reduce(g, OP_SUM, v, n->ax, n->nax) : v;
}

static void same_gradients(Fixture *f, const char *what, Node *before, Node *after) {
  Node *in[5] = {f->x, f->y, f->z, f->u, f->k}, *a[5], *b[5];
  Node *p = probe(f, before), *q = probe(f, after);
  if (!p)
    return;
  graph_grad(f->g, p, in, 5, a);
  graph_grad(f->g, q, in, 5, b);
  for (int i = 0; i < 5; i++)
    same_values(f, what, a[i], b[i]);
}

typedef Node *Make(Fixture *f);
#define MAKE(name) static Node *make_##name(Fixture *f)
#define G f->g
#define AX(...)                                                                                    \
  (Axis *[]) {                                                                                     \
    __VA_ARGS__                                                                                    \
  }

MAKE(fold_constants) {
  return g_binary(G, OP_ADD, f->x, g_unary(G, OP_EXP, f->c3));
}
MAKE(constant_extent) {
  return g_binary(G, OP_MUL, f->x, g_extent(G, DT_F32, f->A->extent));
}
MAKE(add_zero) {
  return g_binary(G, OP_SUB, g_const(G, DT_F32, 0),
                  g_binary(G, OP_ADD, f->x, g_const(G, DT_F32, 0)));
}
MAKE(multiply_one) {
  return g_binary(G, OP_DIV, f->x, g_const(G, DT_F32, -1));
}
MAKE(negations) {
  return g_binary(G, OP_MUL, g_unary(G, OP_NEG, f->x),
                  g_unary(G, OP_NEG, g_binary(G, OP_SUB, f->y, f->z)));
}
MAKE(constant_products) {
  return g_binary(G, OP_MUL, g_binary(G, OP_MUL, f->x, f->c3), f->c3);
}
MAKE(divide_by_constant) {
  return g_binary(G, OP_DIV, f->x, g_const(G, DT_F32, 8));
}
MAKE(powers) {
  return g_binary(G, OP_POW, f->x, f->c3);
}
MAKE(casts) {
  return g_cast(G, g_cast(G, f->x, DT_F64), DT_F32);
}
MAKE(logistic) {
  return g_binary(G, OP_DIV, f->y,
                  g_binary(G, OP_ADD, g_const(G, DT_F32, 1), g_unary(G, OP_EXP, f->x)));
}
MAKE(softplus) {
  return g_unary(G, OP_LOG, g_binary(G, OP_ADD, g_unary(G, OP_EXP, f->x), g_const(G, DT_F32, 1)));
}
MAKE(log_of_logistic) {
  Node *e = g_unary(G, OP_EXP, g_select(G, f->m, f->x, f->z)), *one = g_const(G, DT_F32, 1);
  return g_unary(G, OP_LOG,
                 g_binary(G, OP_DIV, g_select(G, f->m, one, e), g_binary(G, OP_ADD, one, e)));
}
MAKE(selects) {
  return g_select(G, f->m, g_select(G, f->m, f->x, f->z), f->y);
}
MAKE(double_not) {
  return g_cast(G, g_unary(G, OP_NOT, g_unary(G, OP_NOT, f->m)), DT_F32);
}
MAKE(nested_sums) {
  return g_reduce(G, OP_SUM, g_reduce(G, OP_SUM, f->x, AX(f->A), 1), AX(f->B), 1);
}
MAKE(sum_of_constant) {
  return g_binary(G, OP_MUL, f->z,
                  g_reduce(G, OP_SUM, g_full(G, DT_F32, 2, AX(f->A, f->L), 2), AX(f->L), 1));
}
MAKE(factor_out_of_sum) {
  return g_reduce(G, OP_SUM, g_binary(G, OP_MUL, f->x, f->z), AX(f->B), 1);
}
MAKE(scale_out_of_contraction) {
  return g_contract(G, g_binary(G, OP_MUL, f->x, f->c3), g_unary(G, OP_NEG, f->y), AX(f->B), 1);
}
MAKE(contract_with_constant) {
  return g_contract(G, f->x, g_full(G, DT_F32, 2, AX(f->B, f->D), 2), AX(f->B), 1);
}
MAKE(renames) {
  return g_rename(G, g_rename(G, f->x, AX(f->B), AX(f->C), 1), AX(f->C), AX(f->B), 1);
}
MAKE(split_of_merge) {
  return g_split(G, g_merge(G, f->x, AX(f->A, f->B), 2, f->AB), f->AB, AX(f->A, f->B), 2);
}
MAKE(slices) {
  Axis *wide = graph_axis(G, "wide", 0, poly_const(8)),
       *two = graph_axis(G, "two", 0, poly_const(2));
  Node *both = g_concat(G, (Node *[]){f->x, f->y}, AX(f->B, f->B), 2, wide);
  Node *part = g_slice(G, both, wide, poly_const(5), poly_const(7), two);
  return g_binary(G, OP_ADD, part, g_index(G, g_flip(G, f->x, AX(f->B), 1), f->B, poly_const(1)));
}
MAKE(flip_twice) {
  return g_flip(G, g_flip(G, f->x, AX(f->B), 1), AX(f->B), 1);
}
// s = 3 s + u, from z on, and the last of them.
MAKE(last_of_loop) {
  Node *s = g_state(G, DT_F32, "s", AX(f->A), 1), *at = g_state(G, DT_F32, "u", AX(f->A), 1);
  Node *next = g_binary(G, OP_ADD, g_binary(G, OP_MUL, s, f->c3), at);
  Node *y = g_scan(G, &(Scan){.axis = f->L,
                              .nstate = 1,
                              .nseen = 1,
                              .first = &f->z,
                              .state = &s,
                              .next = &next,
                              .seen = &f->u,
                              .seen_leaf = &at,
                              .result = next});
  graph_close_scans(G, &y, 1);
  return g_index(G, y, f->L, poly_sub(f->L->extent, poly_const(1)));
}
// s = z s + k v, where [AB] is N and [T] are v's own.
MAKE(chunk_recurrence) {
  Axis *wide = graph_axis(G, "wide", 0, poly_const(30)), *over[] = {f->AB};
  Node *k = g_input(G, "key", DT_F32, AX(f->L, f->AB), 2),
       *v = g_input(G, "v", DT_F32, AX(f->L, wide), 2);
  Node *s = g_state(G, DT_F32, "s", AX(f->A, f->AB, wide), 3), *first = g_const(G, DT_F32, 0.5);
  Node *at[] = {g_state(G, DT_F32, "k", over, 1), g_state(G, DT_F32, "v", &wide, 1)};
  Node *next =
      g_binary(G, OP_ADD, g_binary(G, OP_MUL, s, f->z), g_contract(G, at[0], at[1], NULL, 0));
  Node *y = g_scan(G, &(Scan){.axis = f->L,
                              .nstate = 1,
                              .nseen = 2,
                              .first = &first,
                              .state = &s,
                              .next = &next,
                              .seen = (Node *[]){k, v},
                              .seen_leaf = at,
                              .result = g_contract(G, next, at[0], over, 1)});
  graph_close_scans(G, &y, 1);
  return y;
}
MAKE(gather_of_iota) {
  return g_gather(G,
                  g_rename(G, g_merge(G, g_binary(G, OP_MUL, f->x, f->y), AX(f->A, f->B), 2, f->AB),
                           AX(f->AB), AX(f->AB), 0),
                  g_iota(G, f->L), f->AB);
}
MAKE(sum_of_pads) {
  Axis *wide = graph_axis(G, "wide", 0, poly_const(8));
  Node *p = g_pad(G, f->x, f->B, poly_const(0), wide),
       *q = g_pad(G, f->y, f->B, poly_const(4), wide);
  return g_binary(G, OP_ADD, g_binary(G, OP_ADD, q, f->z), p);
}
MAKE(sum_of_windows) {
  Node *w = g_input(G, "w", DT_F32, AX(f->A, f->E, f->D), 3),
       *c = g_contract(G, f->u, w, AX(f->A), 1);
  c = g_window(G, c, f->L, f->L, f->E, (Window){1, poly_const(-1), poly_const(1)});
  return g_reduce(G, OP_SUM, c, AX(f->E), 1);
}
// Of u, every second place and the one before it.
MAKE(claim_window) {
  Node *zero = g_const(G, DT_I32, 0), *one = g_const(G, DT_I32, 1),
       *size = g_extent(G, DT_I32, f->L->extent);
  Node *p = g_binary(G, OP_MUL, g_iota(G, f->D), g_const(G, DT_I32, 2));
  p = g_binary(G, OP_SUB, g_binary(G, OP_ADD, p, g_iota(G, f->E)), one);
  Node *in = g_binary(G, OP_LE, zero, p),
       *near = g_binary(G, OP_MIN, p, g_binary(G, OP_SUB, size, one));
  in = g_binary(G, OP_AND, in, g_binary(G, OP_LT, p, size));
  near = g_binary(G, OP_MAX, near, zero);
  return g_select(G, in, g_gather(G, f->u, near, f->L), g_const(G, DT_F32, 0));
}
MAKE(flip_through_pointwise) {
  return g_binary(G, OP_MUL, g_flip(G, f->x, AX(f->B), 1), f->z);
}
MAKE(flip_through_contraction) {
  Node *p = g_contract(G, g_flip(G, f->x, AX(f->B), 1), g_flip(G, f->y, AX(f->B), 1), AX(f->B), 1);
  return g_binary(G, OP_ADD, p, g_contract(G, g_flip(G, f->x, AX(f->B), 1), f->z, AX(f->A), 1));
}
MAKE(flip_through_reduction) {
  return g_reduce(G, OP_SUM, g_flip(G, f->x, AX(f->B), 1), AX(f->B), 1);
}
MAKE(flip_through_rename) {
  return g_rename(G, g_flip(G, f->x, AX(f->B), 1), AX(f->B), AX(f->C), 1);
}
MAKE(flip_through_convolution) {
  return g_flip(G, g_conv(G, g_flip(G, f->u, AX(f->L), 1), f->k, f->L, false), AX(f->L), 1);
}
MAKE(skip_into_kernel) {
  Node *d = g_reduce(G, OP_SUM, f->z, AX(f->A), 1);
  return g_binary(G, OP_ADD, g_conv(G, f->u, f->k, f->L, false), g_binary(G, OP_MUL, d, f->u));
}
static Node *linear(Fixture *f, Node *x, const char *name, Axis *in, Axis *out) {
  Node *w = param(f, name, 2, in, out),
       *b = param(f, arena_printf(f->arena, "%s.bias", name), 1, out);
  return g_binary(G, OP_ADD, g_contract(G, x, w, AX(in), 1), b);
}
MAKE(stack_linear) {
  Axis *heads = graph_axis(G, "heads", 0, poly_const(2)), *d = graph_axis(G, "d", 0, poly_const(3));
  Node *w = param(f, "w3", 3, f->B, heads, d), *b = param(f, "b3", 2, heads, d);
  Node *p = g_binary(G, OP_ADD, g_contract(G, f->x, w, AX(f->B), 1), b);
  Node *q = linear(f, f->x, "v", f->B, f->D), *r = linear(f, f->x, "w", f->B, f->E);
  Node *s = g_contract(G, p, q, AX(f->A), 1);
  return g_binary(G, OP_MUL, g_contract(G, r, s, NULL, 0), f->z);
}
MAKE(map_over_slices) {
  Node *q = g_unary(G, OP_TANH, linear(f, f->x, "v", f->B, f->D)),
       *r = g_unary(G, OP_TANH, linear(f, f->x, "w", f->B, f->E));
  q = g_binary(G, OP_MUL, q, q);
  r = g_binary(G, OP_MUL, r, r);
  return g_contract(G, q, r, AX(f->A), 1);
}
MAKE(claim_attention) {
  Node *q = g_contract(G, f->u, f->x, NULL, 0); // [A, L, B]: B is D, A the batch
  q = g_contract(G, f->x, f->u, NULL, 0);
  Node *k = g_rename(G, g_binary(G, OP_MUL, q, f->z), AX(f->L), AX(f->S), 1);
  Node *v = g_rename(G, g_binary(G, OP_ADD, k, f->z), AX(f->B), AX(f->C), 1);
  Node *mask = g_binary(G, OP_LE, g_iota(G, f->S), g_iota(G, f->L));
  mask = g_binary(G, OP_LE, g_rename(G, g_iota(G, f->L), AX(f->L), AX(f->S), 1),
                  g_const(G, DT_I32, 5));
  Node *s = g_binary(G, OP_MUL, g_contract(G, q, k, AX(f->B), 1), g_const(G, DT_F32, 0.5));
  s = g_select(G, mask, s, g_const(G, DT_F32, -1e9));
  Node *e = g_unary(G, OP_EXP, g_binary(G, OP_SUB, s, g_reduce(G, OP_RMAX, s, AX(f->S), 1)));
  Node *w = g_binary(G, OP_DIV, e, g_reduce(G, OP_SUM, e, AX(f->S), 1));
  Node *keep = g_binary(G, OP_LE, g_const(G, DT_F32, 0.25), g_random(G, 77, w->ax, w->nax));
  w = g_select(G, keep, g_binary(G, OP_DIV, w, g_const(G, DT_F32, 0.75)), g_const(G, DT_F32, 0));
  return g_contract(G, w, v, AX(f->S), 1);
}

static const struct {
  const char *rule;
  Make *make;
} cases[] = {
#define LOCAL(id, set, equation) {#id, make_##id},
#define GLOBAL(id, set, equation) {#id, make_##id},
#include "graph/rules.def"
};

START_TEST(rule_fires_and_preserves_values_and_gradients) {
  Fixture f;
  RewriteStats stats = {0};
  setup(&f);
  ck_assert_str_eq(cases[_i].rule, rule_name(_i));
  Node *before = cases[_i].make(&f), *after = before;
  graph_rewrite(f.g, RULES_SIMPLIFY | RULES_STRUCTURAL | RULES_CLAIM | RULES_TRAIN, &after, 1,
                &stats);
  ck_assert_msg(stats.fired[_i] > 0, "%s did not fire", rule_name(_i));
  const char *wrong = graph_verify(f.g, &after, 1);
  ck_assert_msg(!wrong, "%s: %s", rule_name(_i), wrong);
  same_values(&f, rule_name(_i), before, after);
  same_gradients(&f, rule_name(_i), before, after);
  // A fixed point: nothing fires again.
  RewriteStats again = {0};
  graph_rewrite(f.g, RULES_SIMPLIFY | RULES_STRUCTURAL | RULES_CLAIM | RULES_TRAIN, &after, 1,
                &again);
  for (int i = 0; rule_name(i); i++)
    ck_assert_msg(!again.fired[i], "%s fires again after %s", rule_name(i), rule_name(_i));
  arena_free(f.arena);
}
END_TEST

// The product of the stack reads the input of the layer whose weight comes first, which may be
// younger than the other layers.
START_TEST(chains_of_stacked_layers_leave_no_old_ones) {
  Fixture f;
  setup(&f);
  Node *x = f.x;
  Axis *inner = graph_axis(f.g, "inner", 2, f.B->extent),
       *out = graph_axis(f.g, "out", 1, f.B->extent);
  for (int i = 0; i < 3; i++) {
    Node *first = param(&f, arena_printf(f.arena, "first%d", i), 2, inner, out),
         *second = param(&f, arena_printf(f.arena, "second%d", i), 2, f.B, out);
    Node *q = g_unary(f.g, OP_EXP, g_contract(f.g, x, second, AX(f.B), 1));
    Node *p = g_contract(f.g, g_rename(f.g, x, AX(f.B), AX(inner), 1), first, AX(inner), 1);
    x = g_rename(f.g, g_binary(f.g, OP_MUL, p, g_unary(f.g, OP_TANH, q)), AX(out), AX(f.B), 1);
  }
  RewriteStats stats = {0};
  Node *after = x;
  graph_rewrite(f.g, RULES_STRUCTURAL | RULES_SIMPLIFY, &after, 1, &stats);
  int live, params = 0;
  Node **nodes = graph_reachable(f.g, &after, 1, &live);
  for (int i = 0; i < live; i++)
    params += nodes[i]->op == OP_PARAM;
  ck_assert_int_eq(params, 3);
  same_values(&f, "chain", x, after);
  arena_free(f.arena);
}
END_TEST

START_TEST(shared_weights_are_not_stacked) {
  Fixture f;
  RewriteStats stats = {0};
  setup(&f);
  Node *w = param(&f, "w", 2, f.B, f.D), *v = param(&f, "v", 2, f.B, f.D);
  Node *p = g_contract(f.g, f.x, w, AX(f.B), 1), *q = g_contract(f.g, f.x, v, AX(f.B), 1);
  Node *tied =
      g_binary(f.g, OP_ADD, g_binary(f.g, OP_MUL, p, q), g_reduce(f.g, OP_SUM, w, AX(f.B), 1));
  graph_rewrite(f.g, RULES_STRUCTURAL, &tied, 1, &stats);
  for (int i = 0; rule_name(i); i++)
    ck_assert_msg(strcmp(rule_name(i), "stack_linear") || !stats.fired[i],
                  "a parameter with another use was stacked");
  arena_free(f.arena);
}
END_TEST

Suite *rules_suite(void) {
  Suite *s = suite_create("rules");
  TCase *t = tcase_create("rules");
  tcase_add_loop_test(t, rule_fires_and_preserves_values_and_gradients, 0, COUNT(cases));
  tcase_add_test(t, chains_of_stacked_layers_leave_no_old_ones);
  tcase_add_test(t, shared_weights_are_not_stacked);
  suite_add_tcase(s, t);
  return s;
}

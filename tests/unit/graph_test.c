// See graph_test.h.
#include "tests/unit/graph_test.h"
#include <math.h>

Bed bed_new(uint64_t seed) {
  Bed b = {.arena = arena_new(), .seed = 11, .step = 3, .state = seed * 2 + 1};
  ck_assert_ptr_nonnull(b.arena);
  b.g = graph_new(b.arena, intern_new(b.arena));
  return b;
}

void bed_free(Bed *b) {
  arena_free(b->arena);
}

double bed_uniform(Bed *b, double lo, double hi) {
  b->state = b->state * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * (double)(b->state >> 11) * 0x1p-53;
}

Axis *bed_axis(Bed *b, const char *name, int64_t extent) {
  return graph_axis(b->g, name, 0, poly_const(extent));
}

Axis *bed_run_axis(Bed *b, const char *name, int64_t value) {
  int sym = graph_sym(b->g, name, 0);
  b->syms[sym] = value;
  return graph_axis(b->g, name, 0, poly_sym(sym));
}

int64_t bed_size(const Bed *b, Axis *const *ax, int nax) {
  int64_t size = 1;
  for (int i = 0; i < nax; i++)
    size *= poly_eval(&ax[i]->extent, b->syms);
  return size;
}

Node *bed_leaf(Bed *b, DType t, Axis *const *ax, int nax, double lo, double hi) {
  return bed_fill(b, g_input(b->g, arena_printf(b->arena, "x%d", b->n), t, ax, nax), lo, hi);
}

Node *bed_fill(Bed *b, Node *leaf, double lo, double hi) {
  ck_assert_int_lt(b->n, BED_LEAVES);
  int k = b->n++;
  DType t = (DType)leaf->dtype;
  b->leaf[k] = leaf;
  b->size[k] = bed_size(b, leaf->ax, leaf->nax);
  b->data[k] = NEWN(b->arena, double, b->size[k]);
  for (int64_t i = 0; i < b->size[k]; i++) {
    double v = bed_uniform(b, lo, hi);
    b->data[k][i] = t == DT_I32 ? floor(v) : t == DT_BOOL ? bed_uniform(b, 0, 1) < 0.6 : v;
  }
  return b->leaf[k];
}

static Eval *evaluator(Bed *b, Arena *a) {
  Eval *e = eval_new(a, b->g, b->syms, b->seed, b->step);
  for (int k = 0; k < b->n; k++)
    eval_bind(e, b->leaf[k], b->data[k]);
  if (b->store)
    eval_store(e, b->store, b);
  return e;
}

const double *bed_value(Bed *b, Node *n) {
  return bed_in_order(b, n, n->ax, n->nax);
}

const double *bed_in_order(Bed *b, Node *n, Axis *const *ax, int nax) {
  const char *error = NULL;
  const double *v = eval_in_order(evaluator(b, b->arena), n, ax, nax, &error);
  ck_assert_msg(v != NULL, "%s: %s", op_name(n->op), error);
  return v;
}

const char *bed_error(Bed *b, Node *n) {
  const char *error = NULL;
  const double *v = eval_node(evaluator(b, b->arena), n, &error);
  ck_assert(!v == !!error);
  return error;
}

void bed_same(Bed *b, Node *x, Node *y, double tolerance, const char *what) {
  const double *u = bed_value(b, x), *v = bed_in_order(b, y, x->ax, x->nax);
  for (int i = 0; i < y->nax; i++)
    ck_assert_msg(node_has(x, y->ax[i]), "%s: axis %s", what, y->ax[i]->name);
  for (int64_t i = 0, n = bed_size(b, x->ax, x->nax); i < n; i++)
    ck_assert_msg(fabs(u[i] - v[i]) <= tolerance * (1 + fabs(v[i])),
                  "%s: element %lld is %.17g, not %.17g", what, (long long)i, u[i], v[i]);
}

static double loss_at(Bed *b, Node *loss, double *x, double value) {
  Arena *a = arena_new();
  const char *error = NULL;
  double old = *x;
  *x = value;
  const double *v = eval_node(evaluator(b, a), loss, &error);
  ck_assert_msg(v != NULL, "%s", error);
  double y = *v;
  *x = old;
  arena_free(a);
  return y;
}

static void check_leaf(Bed *b, Node *loss, int k, Node *grad, const char *what) {
  const Node *x = b->leaf[k];
  const double h = 1e-5;
  ck_assert_msg(grad->dtype == x->dtype && axes_equal_sets(grad->ax, grad->nax, x->ax, x->nax),
                "%s: the gradient of leaf %d has other axes or another dtype", what, k);
  const double *d = bed_in_order(b, grad, x->ax, x->nax);
  for (int64_t i = 0; i < b->size[k]; i++) {
    double *at = &b->data[k][i];
    double up = loss_at(b, loss, at, *at + h), down = loss_at(b, loss, at, *at - h);
    double expected = (up - down) / (2 * h), scale = 1 + fabs(expected) + fabs(up) * 1e-2;
    ck_assert_msg(fabs(d[i] - expected) <= 1e-7 * scale,
                  "%s: gradient of leaf %d at %lld is %.12g, differences give %.12g", what, k,
                  (long long)i, d[i], expected);
  }
}

void bed_check_grads(Bed *b, Node *loss, const char *what) {
  Node *wrt[BED_LEAVES], *grad[BED_LEAVES];
  int of[BED_LEAVES], n = 0;
  for (int k = 0; k < b->n; k++)
    if (dtype_is_float((DType)b->leaf[k]->dtype)) {
      of[n] = k;
      wrt[n++] = b->leaf[k];
    }
  graph_grad(b->g, loss, wrt, n, grad);
  const char *wrong = graph_verify(b->g, &loss, 1);
  ck_assert_msg(!wrong, "%s: %s", what, wrong);
  wrong = graph_verify(b->g, grad, n);
  ck_assert_msg(!wrong, "%s: gradient: %s", what, wrong);
  for (int i = 0; i < n; i++)
    check_leaf(b, loss, of[i], grad[i], what);
}

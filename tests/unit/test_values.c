// The values of the interpreter: of models against an independent implementation, of expressions.
#include "compiler/driver/pipeline.h"
#include "runtime/exec/match.h"
#include "runtime/files/safetensors.h"
#include "tests/unit/sema_test.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *numbers(Arena *a, const StFile *f, const char *name, const StTensor **out) {
  const StTensor *t = st_find(f, name);
  BigsError e;
  ck_assert_msg(t, "no tensor %s", name);
  double *v = NEWN(a, double, t->elements + 1);
  int32_t *ints = NEWN(a, int32_t, t->elements + 1);
  if (t->dtype == ST_F32 || t->dtype == ST_F64)
    ck_assert(!st_copy(t, ST_F64, v, &e));
  else if (t->dtype == ST_I32)
    ck_assert(!st_copy(t, ST_I32, ints, &e));
  for (int64_t i = 0; i < t->elements && t->dtype == ST_I32; i++)
    v[i] = ints[i];
  bool *flags = NEWN(a, bool, t->elements + 1);
  if (t->dtype == ST_BOOL)
    ck_assert(!st_copy(t, ST_BOOL, flags, &e));
  for (int64_t i = 0; i < t->elements && t->dtype == ST_BOOL; i++)
    v[i] = flags[i];
  *out = t;
  return v;
}

static StFile *open_file(Arena *a, const char *folder, const char *name) {
  const char *dir = getenv("srcdir");
  StFile *f;
  BigsError e;
  ck_assert(
      !st_open(arena_printf(a, "%s/tests/fixtures/%s/%s", dir ? dir : ".", folder, name), &f, &e));
  return f;
}

// Stored [out, in] as native [in, out].
static const double *native(Arena *a, const StoredParam *p, const double *v) {
  if (!p->transposed)
    return v;
  double *n = NEWN(a, double, p->rows * p->cols);
  for (int64_t r = 0; r < p->rows; r++)
    for (int64_t c = 0; c < p->cols; c++)
      n[r * p->cols + c] = v[c * p->rows + r];
  return n;
}

static void bind_weights(Loaded *l, Graph *g, Eval *e, const StFile *f) {
  const CkptTable *t = must_find_block(l->m, "hf");
  const char **names = NEWN(l->a, const char *, st_count(f));
  for (int i = 0; i < st_count(f); i++)
    names[i] = st_at(f, i)->name;
  BigsCheckpoint block = checkpoint_table(l->a, l->m, t);
  NameMatch m;
  ck_assert(!name_match(&(NameSet){.n = t->params.n, .block = &block, .rules = &block, .nrules = 1},
                        names, st_count(f), &m, NULL));
  ck_assert(m.nknown == t->params.n && m.nknown == st_count(f));
  for (int i = 0; i < g->params.n; i++) {
    const StTensor *st;
    const double *v = numbers(l->a, f, names[m.name[i]], &st);
    ck_assert_int_eq(st->rank, t->params.v[i].nshape);
    for (int k = 0; k < st->rank; k++)
      ck_assert_int_eq(st->shape[k], t->params.v[i].shape[k]);
    eval_bind(e, g->params.v[i]->node, native(l->a, &t->params.v[i], v));
  }
  name_match_free(&m);
}

static void compare(Arena *a, const StFile *want, const char *name, const double *got) {
  const StTensor *t;
  const double *v = numbers(a, want, name, &t);
  double worst = 0, most = 0;
  for (int64_t i = 0; i < t->elements; i++) {
    worst = fmax(worst, isfinite(got[i]) ? fabs(v[i] - got[i]) : INFINITY);
    most = fmax(most, fabs(v[i]));
  }
  ck_assert_msg(worst <= 1e-7 * most, "%s: off by %g of %g", name, worst, most); // rounded to f32
}

static const struct {
  const char *folder, *model, *defs;
} fixtures[] = {
    {"bert", "models/bert.mdl", "V=61 P=20 H=16 F=24 Heads=2 Depth=2 Labels=3"},
    {"bert_one", "models/bert.mdl", "V=61 P=20 H=16 F=24 Heads=2 Depth=1 Labels=3"},
    {"bigs", "models/bigs.mdl", "V=61 P=20 H=16 I=24 N=4 Depth=2 Labels=3"},
    {"bigs", "models/bigs.mdl", "V=61 P=20 H=16 I=24 N=4 Depth=2 Labels=3 form=recur"},
};

START_TEST(values_of_the_interpreter) {
  static const char *const entries[] = {"hidden", "logits", "pooled", "scores"};
  Loaded l = must_load(fixtures[_i].model, fixtures[_i].defs);
  Graph *g = graph_new(l.a, l.names);
  Output out[4];
  for (int i = 0; i < 4; i++)
    ck_assert(model_build_entry(l.m, g, entries[i], false, &out[i]));
  Node *loss = model_build_loss(l.m, g, "pretrain", false);
  StFile *weights = open_file(l.a, fixtures[_i].folder, "model.safetensors");
  StFile *batch = open_file(l.a, fixtures[_i].folder, "batch.safetensors");
  StFile *want = open_file(l.a, fixtures[_i].folder, "expected.safetensors");
  const StTensor *ids = st_find(batch, "ids"), *at = st_find(batch, "at");
  Eval *e = eval_new(l.a, g, (int64_t[MAX_SYMS]){ids->shape[0], ids->shape[1], at->shape[0]}, 0, 0);
  bind_weights(&l, g, e, weights);
  for (int i = 0; i < g->inputs.n; i++) {
    const StTensor *t;
    eval_bind(e, g->inputs.v[i]->node, numbers(l.a, batch, g->inputs.v[i]->name, &t));
  }
  for (int i = 0; i < 4; i++) {
    const char *error = NULL;
    const double *v = eval_in_order(e, out[i].node, out[i].ax, out[i].nax, &error);
    ck_assert_msg(v, "%s", error);
    compare(l.a, want, entries[i], v);
  }
  const char *error = NULL;
  compare(l.a, want, "loss", eval_node(e, loss, &error));
  st_close(weights);
  st_close(batch);
  st_close(want);
  unload(&l);
}
END_TEST

// Values of small programs: the entry `y`, a scalar or a vector, with input x = 1, 2, 3, ... and
// run-time dims of 3.
double *run_entry(Loaded *l, int *n) {
  Graph *g = graph_new(l->a, l->names);
  Output out;
  ck_assert(model_build_entry(l->m, g, "y", false, &out));
  int64_t syms[MAX_SYMS];
  for (int i = 0; i < MAX_SYMS; i++)
    syms[i] = 3;
  Eval *e = eval_new(l->a, g, syms, 7, 0);
  double *x = NEWN(l->a, double, 4096);
  for (int i = 0; i < 4096; i++)
    x[i] = i + 1;
  for (int i = 0; i < g->inputs.n; i++)
    eval_bind(e, g->inputs.v[i]->node, x);
  for (int i = 0; i < g->params.n; i++)
    eval_bind(e, g->params.v[i]->node, x);
  const char *error = NULL;
  const double *v = eval_in_order(e, out.node, out.ax, out.nax, &error);
  ck_assert_msg(v, "%s", error);
  *n = 1;
  for (int i = 0; i < out.nax; i++)
    *n *= (int)poly_eval(&out.ax[i]->extent, syms);
  return (double *)v;
}

static const struct {
  const char *type, *expr;
  double want[4];
} values[] = {
    {"f32", "sum(x)", {10}},
    {"[H]", "x / 2 - 1e-1 * 0", {0.5, 1, 1.5, 2}},
    {"[H]", "iota[H] / 2", {0, 0.5, 1, 1.5}},
    {"i32[H]", "iota[H] * 2 - 1", {-1, 1, 3, 5}},
    {"[H]", "flip[H](x)", {4, 3, 2, 1}},
    {"f32", "x[H = H - 1] - x[H = 0]", {3}},
    {"f32", "mean[H](x, where: x > 2)", {3.5}},
    {"f32", "max[H](x, where: x < 3)", {2}},
    {"i32", "argmax[H](x * (5 - x))", {1}},
    {"[Q]", "sum[P](x[H as (P, Q)])", {4, 6}},
    {"[Q]", "sum[R](x[H as (R, Q)])", {4, 6}},
    {"f32",
     "sum[T](x[H as (P, Q)][(Q, P) as T] * f32(iota[H][H as T]))",
     {0 * 1 + 1 * 3 + 2 * 2 + 3 * 4}},
    {"[P]", "x[H = 1 : 3][H as P]", {2, 3}},
    {"[P, Q]", "x[H as (P, Q)][P as Q, Q as P]", {1, 3, 2, 4}},
    {"f32", "x @[H] x", {30}},
    {"f32", "real((x + 1i) @[H] (x * 1i))", {-10}},
    {"f32", "imag(sum(exp(1i * x)))", {1.1350859}},
    {"f32", "real((2 + 1i)^3 * (x[H = 0] + 0i))", {2}},
    {"f32", "real((x[H = 1] + 1i)^3)", {2}},
    {"f32", "real((x[H = 1] + 1i)^-1)", {0.4}},
    {"f32", "real((1 + 2i) / (x[H = 1] - 1i))", {0}},
    {"f32", "imag((1 + 2i) / (x[H = 1] - 1i))", {1}},
    {"[H]", "causal_conv[H](x, x)", {1, 4, 10, 20}},
    {"[H]", "scan[H](s : f32 = 1) { s = 2 * s + x; s - 1 }", {2, 7, 18, 41}},
    {"[H]", "real(scan[H](s : c64 = 0) { s = 1i * s + x; s })", {1, 2, 2, 2}},
    {"i32[H]", "scan[H](s : i32 = 0) { s = s + iota[H]; s }", {0, 1, 3, 6}},
    {"bool[H]", "scan[P](s : bool[H] = true) { s = s and x > 2; s }[P = 1]", {0, 0, 1, 1}},
    {"bool[H]", "scan[P](s : bool[H] = H == 5) { s = s or x == 3; s }[P = 1]", {0, 0, 1, 0}},
    {"f32", "L * 2 / (L - 1) + x[H = 0] * 0", {3}},
    {"f32", "min(L, 2) + max(L / 2, 1) + sqrt(L * L) + x[H = 0] * 0", {6.5}},
    {"[H]", "select(x >= 3, x, select(x == 1, 7, -x))", {7, -2, 3, 4}},
    {"i32", "i32(7 / 2) + i32(sum(0 * x))", {3}},
    {"i32", "sum(x > 1)", {3}},
    {"f32", "gather[H](x, i32(x[H = 0]))", {2}},
    {"[H]", "x^2 * 2^3 - 0.1 * 30", {5, 29, 69, 125}},
    // constant numbers: compared, complex, powers
    {"f32", "select(1 == 2, x[H = 0], x[H = 1])", {2}},
    {"f32", "select(3 != 2, x[H = 0], x[H = 1])", {1}},
    {"f32", "select(1 / 3 > 0.3, x[H = 0], x[H = 1])", {1}},
    {"f32", "select(sqrt(2) >= 1.5, x[H = 0], x[H = 1])", {2}},
    {"f32", "select(1 + 2i == 1 + 2i, x[H = 0], x[H = 1])", {1}},
    {"f32", "select(1 + 2i != 1 + 2i, x[H = 0], x[H = 1])", {2}},
    {"f32", "real((3 - 1i) - (1 - 2i)) * x[H = 0]", {2}},
    {"f32", "real((1 + 2i) / (1 - 1i)) * x[H = 0]", {-0.5}},
    {"f32", "imag((1 + 2i) / (1 - 1i)) * x[H = 0]", {1.5}},
    {"f32", "imag(exp(2i)) * x[H = 0]", {0.9092974}},
    {"f32", "(abs(3 - 5) + abs(4)) * x[H = 0]", {6}},
    {"f32", "(2^-2 + 0.5^2 + (-2)^3) * x[H = 0]", {-7.5}},
    {"f32", "2^1000 * 2^-1000 * x[H = 1]", {2}},
    // numbers of a run-time dim
    {"f32", "-L + x[H = 0]", {-2}},
    {"f32", "-(L / 2) * x[H = 0]", {-1.5}},
    {"f32", "-exp(L - L) * x[H = 1]", {-2}},
    {"f32", "abs(2 - L) * x[H = 1]", {2}},
    {"f32", "select(L > 2, x[H = 0], x[H = 1])", {1}},
    {"f32", "select(L / 2 >= 2, x[H = 0], x[H = 1])", {2}},
    {"f32", "select(L * 1i == 3i, x[H = 0], x[H = 1])", {1}},
    {"f32", "real(exp(1i * L)) * x[H = 0]", {-0.9899925}},
    {"f32", "imag((L + 1i) * (L - 2i)) * x[H = 0]", {-3}},
    {"f32", "imag(-(L * 1i / 2)) * x[H = 0]", {-1.5}},
    // reductions of i32 and bool
    {"f32", "mean[H](iota[H])", {1.5}},
    {"f32", "mean(x > 2)", {0.5}},
    {"i32", "min[H](iota[H] - 2)", {-2}},
    {"i32", "min[H](iota[H], where: x > 2)", {2}},
    {"i32", "max[H](iota[H], where: x < 3)", {1}},
    // whole numbers
    {"i32", "div(7, 2) * iota[H][H = 1]", {3}},
    {"i32", "div(-7, 2) * iota[H][H = 1]", {-4}},
    {"i32", "mod(-7, 2) * iota[H][H = 1] + mod(7, -2)", {0}},
    {"i32", "(div(5, 0) + mod(5, 0)) * iota[H][H = 1]", {5}},
    {"i32", "(div(L, 2) + 10 * mod(L, 2) + 100 * mod(-L, 2)) * iota[H][H = 1]", {111}},
    {"i32", "(div(L, L - 3) + mod(L, 3 - L)) * iota[H][H = 1]", {3}},
    {"i32[H]", "div(iota[H] - 2, 3)", {-1, -1, 0, 0}},
    {"i32[H]", "mod(iota[H] - 2, 3)", {1, 2, 0, 1}},
    {"i32[H]", "abs(iota[H] - 2)", {2, 1, 0, 1}},
    {"i32[H]", "round(floor(ceil(iota[H] - 2)))", {-2, -1, 0, 1}},
    {"i32", "(floor(7 / 2) + ceil(7 / 2) + round(2.5)) * iota[H][H = 1]", {9}},
    {"i32", "floor(L / 2) * iota[H][H = 1]", {1}},
    {"[H]", "round(x - 1.5)", {0, 0, 2, 2}},
    {"[H]", "floor(x / 2 - 2)", {-2, -1, -1, 0}},
    {"[H]", "ceil(x / 2 - 2)", {-1, -1, 0, 0}},
    // and, or, not
    {"[H]", "f32(x > 1 and x < 4 or x == 1)", {1, 1, 1, 0}},
    {"[H]", "f32(x == 1 or x > 1 and x < 3)", {1, 1, 0, 0}},
    {"[H]", "f32(not x == 1 and not (x > 2))", {0, 1, 0, 0}},
    {"[H]", "f32(not not x > 2)", {0, 0, 1, 1}},
    {"[H]", "f32(x > 2 and true or false)", {0, 0, 1, 1}},
    {"[H]", "(x > 1 and not (x > 3)) |> f32", {0, 1, 1, 0}},
    {"[H]", "f32(L == 3 and x > 3 or L > 3 and x < 2)", {0, 0, 0, 1}},
    {"f32", "select(true and not false, x[H = 0], x[H = 1])", {1}},
    {"f32", "select(1 > 2 or 1 > 3, x[H = 0], x[H = 1])", {2}},
    // sums up to each place
    {"[H]", "cumsum[H](x)", {1, 3, 6, 10}},
    {"[H]", "flip[H](cumsum[H](flip[H](x)))", {10, 9, 7, 4}},
    {"i32[H]", "cumsum[H](x > 2)", {0, 0, 1, 2}},
    {"i32[H]", "cumsum[H](iota[H] * 2000000000)", {0, 2000000000, 1705032704, -884901888}},
    {"[H]", "imag(cumsum[H](x * 1i))", {1, 3, 6, 10}},
    {"[H]",
     "sum[P](cumsum[P](x[H as (P, Q)]))[Q as S] @[S] one_hot[H](iota[Q])[Q as S]",
     {5, 8, 0, 0}},
    {"[H]", "sum[P](one_hot[H](5 * iota[P] - 1))", {0, 0, 0, 0}},
    // order
    {"[H]", "sort[H](select(x > 3, 0, -x))", {-3, -2, -1, 0}},
    {"i32[H]", "argsort[H](select(x > 3, 0, -x))", {2, 1, 0, 3}},
    {"i32[H]", "argsort[H](mod(iota[H], 2))", {0, 2, 1, 3}},
    {"i32[P]", "arg_top_k[H, P](mod(iota[H], 2))", {1, 3}},
    {"[P]", "top_k[H, P](x)", {4, 3}},
    {"[H]", "sort[H](log(x - 2))[H = 1] + 0 * x", {0, 0, 0, 0}},
    {"i32[H]", "argsort[H](sqrt(x - 3))", {2, 3, 0, 1}},
    {"i32[P]", "arg_top_k[H, P](sqrt(x - 3))", {0, 1}},
    // functions of the prelude
    {"[H]", "1e9 * log1p(1e-9 * x)", {1 - 5e-10, 2 - 2e-9, 3 - 4.5e-9, 4 - 8e-9}},
    {"[H]", "1e9 * expm1(1e-9 * x)", {1 + 5e-10, 2 + 2e-9, 3 + 4.5e-9, 4 + 8e-9}},
    {"[H]", "softplus(1000 * (x - 2)) / 1000", {0, 0.00069314718, 1, 2}},
    {"[H]", "leaky_relu(x - 2, slope: 0.5)", {-0.5, 0, 1, 2}},
    {"[H]", "elu(x - 2)", {-0.6321205588, 0, 1, 2}},
    {"[H]", "elu(1000 * (x - 2), alpha: 3) / 1000", {-0.003, 0, 1, 2}},
    {"[H]", "selu(x - 2)", {-1.1113307378, 0, 1.0507009874, 2.1014019747}},
    {"[H]", "mish(x - 2)", {-0.3034014614, 0, 0.8650983882, 1.9439589595}},
    {"[H]", "rsqrt(x * x)", {1, 0.5, 0.33333333333, 0.25}},
    {"[H]", "clamp(x, 2, 3)", {2, 2, 3, 3}},
    {"[H]", "stop_gradient(x)", {1, 2, 3, 4}},
    {"[H]", "depthwise_conv1d[H, P](x, x[H = 0 : 2][H as P], pad: 1)", {2, 5, 8, 11}},
    {"[P]", "conv1d[P, H, Q](x[H as (P, Q)], f32(iota[H] @[] iota[Q]), pad: 1)", {10, 4}},
    {"[H]",
     "conv1d_to[P, H, W, Q](x[H as (P, Q)], f32(iota[W] @[] iota[Q]), pad: 2)",
     {4, 10, 4, 0}},
    {"[P]", "sum[Q](window_to[H, P, Q](x, stride: 2, pad: 1) * (iota[Q] + 1))", {2, 8}},
    {"[H]", "imag(stop_gradient(x * 1i))", {1, 2, 3, 4}},
    // complex operands
    {"i32", "sum(x + 1i != 2 + 1i)", {3}},
    {"[H]", "imag(select(x > 2, x + 1i, x))", {0, 0, 1, 1}},
    {"[H]", "imag(select(x > 2, x, x * 1i))", {1, 2, 0, 0}},
    {"[H]", "imag(flip[H](x * 1i))", {4, 3, 2, 1}},
    {"[H]", "imag(dropout(x * 1i, 0.5))", {1, 2, 3, 4}},
    {"f32", "imag(gather[H](x * 1i, i32(x[H = 0])))", {2}},
    {"f32", "imag(sum[H](x * 1i, where: x > 2))", {7}},
    {"[H]", "imag(causal_conv[H](x * 1i, x))", {1, 4, 10, 20}},
    {"[H]", "imag(causal_conv[H](x, x * 1i))", {1, 4, 10, 20}},
    {"[H]", "real(causal_conv[H](x + x * 1i, x * 1i))", {-1, -4, -10, -20}},
};

START_TEST(values_of_expressions) {
  char text[512];
  snprintf(text, sizeof text,
           "dim H = 4, P = 2, Q = 2, W = 3\ndim L\nmodel M(x : [H]) {\n  entry y : %s = %s\n}\n",
           values[_i].type, values[_i].expr);
  Loaded l = must_load(text, NULL);
  int n;
  double *v = run_entry(&l, &n);
  for (int i = 0; i < n; i++)
    ck_assert_msg(fabs(v[i] - values[_i].want[i]) < 1e-6, "%s: element %d is %g, not %g",
                  values[_i].expr, i, v[i], values[_i].want[i]);
  unload(&l);
}
END_TEST

// ---- windows over rows and columns, by plain loops

typedef struct Windows {
  int rows, cols, r2, c2, k, k2, stride, pad;
} Windows;
static const Windows windows[] = {
    {7, 6, 4, 3, 3, 2, 2, 1}, // as many as fit
    {4, 5, 2, 2, 2, 2, 2, 0}, // even, and a column is left
    {9, 8, 3, 3, 2, 1, 3, 0}, // a stride beyond the kernel
    {3, 2, 8, 7, 2, 2, 1, 3}, // windows of padding alone
    {3, 3, 4, 5, 3, 3, 2, 1}, // more windows than fit
    {1, 1, 1, 1, 1, 1, 1, 0},
};
enum { CHANNELS = 2 }; // into as many

static double pixel(const Windows *w, int r, int c, int i) {
  return 1 + i + CHANNELS * (c + w->cols * r);
}
static bool is_inside(const Windows *w, int r, int c) {
  return r >= 0 && r < w->rows && c >= 0 && c < w->cols;
}
static double weight_of(const Windows *w, int k, int k2, int i, int o) {
  return 1 + o + CHANNELS * (i + CHANNELS * (k2 + w->k2 * k));
}

// Element (o) of the window whose first place is (r, c).
typedef double WindowFn(const Windows *w, int r, int c, int o);

static double convolved(const Windows *w, int r, int c, int o) {
  double sum = 0;
  for (int k = 0; k < w->k; k++)
    for (int k2 = 0; k2 < w->k2; k2++)
      for (int i = 0; i < CHANNELS && is_inside(w, r + k, c + k2); i++)
        sum += pixel(w, r + k, c + k2, i) * weight_of(w, k, k2, i, o);
  return sum;
}
static double own_convolved(const Windows *w, int r, int c, int o) {
  double sum = 0;
  for (int k = 0; k < w->k; k++)
    for (int k2 = 0; k2 < w->k2; k2++)
      if (is_inside(w, r + k, c + k2))
        sum += pixel(w, r + k, c + k2, o) * (1 + o + CHANNELS * (k2 + w->k2 * k));
  return sum;
}
static double average(const Windows *w, int r, int c, int o) {
  double sum = 0;
  for (int k = 0; k < w->k; k++)
    for (int k2 = 0; k2 < w->k2; k2++)
      sum += is_inside(w, r + k, c + k2) ? pixel(w, r + k, c + k2, o) : 0;
  return sum / (w->k * w->k2);
}
static int nearest(int at, int n) {
  return at < 0 ? 0 : at < n ? at : n - 1;
}
// Pixels grow along both axes, so that the largest is the last; of windows outside it is the nearest.
static double largest(const Windows *w, int r, int c, int o) {
  return pixel(w, nearest(r + w->k - 1, w->rows), nearest(c + w->k2 - 1, w->cols), o);
}

static const struct {
  const char *axes, *param, *expr;
  bool to; // windows of a stride, for other axes
  WindowFn *want;
} over_windows[] = {
    {"R2, C2", "w : [K, K2, In, Out]",
     "conv2d_to[Rows, Cols, R2, C2, K, K2, In](x, w, stride: S, pad: P)", true, convolved},
    {"Rows, Cols", "w : [K, K2, In, Out]", "conv2d[Rows, Cols, K, K2, In](x, w, pad: P)", false,
     convolved},
    {"Rows, Cols", "w : [K, K2, In]", "depthwise_conv2d[Rows, Cols, K, K2](x, w, pad: P)", false,
     own_convolved},
    {"R2, C2", "", "avg_pool2d[Rows, Cols, R2, C2, K, K2](x, stride: S, pad: P)", true, average},
    {"R2, C2", "", "max_pool2d[Rows, Cols, R2, C2, K, K2](x, stride: S, pad: P)", true, largest},
};

START_TEST(windows_are_plain_loops) {
  const Windows *w = &windows[_i / COUNT(over_windows)];
  int kind = _i % COUNT(over_windows), n, at = 0;
  char text[700];
  snprintf(text, sizeof text,
           "dim Rows = %d, Cols = %d, R2 = %d, C2 = %d, K = %d, K2 = %d, In = 2, Out = 2\nlet S = "
           "%d, P = %d\n"
           "model M(x : [Rows, Cols, In]) {\n  %s\n  entry y : [%s, %s] = %s\n}\n",
           w->rows, w->cols, w->r2, w->c2, w->k, w->k2, w->stride, w->pad, over_windows[kind].param,
           over_windows[kind].axes, over_windows[kind].want == convolved ? "Out" : "In",
           over_windows[kind].expr);
  Loaded l = must_load(text, NULL);
  double *y = run_entry(&l, &n);
  bool to = over_windows[kind].to;
  int step = to ? w->stride : 1;
  for (int r = 0; r < (to ? w->r2 : w->rows); r++)
    for (int c = 0; c < (to ? w->c2 : w->cols); c++)
      for (int o = 0; o < CHANNELS; o++, at++) {
        double want = over_windows[kind].want(w, r * step - w->pad, c * step - w->pad, o);
        ck_assert_msg(fabs(y[at] - want) < 1e-9, "%s of windows %d: (%d, %d, %d) is %g, not %g",
                      over_windows[kind].expr, _i / COUNT(over_windows), r, c, o, y[at], want);
      }
  ck_assert_int_eq(at, n);
  unload(&l);
}
END_TEST

Suite *values_suite(void) {
  Suite *s = suite_create("values");
  TCase *t = tcase_create("values");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, values_of_the_interpreter, 0, COUNT(fixtures));
  tcase_add_loop_test(t, values_of_expressions, 0, COUNT(values));
  tcase_add_loop_test(t, windows_are_plain_loops, 0, COUNT(windows) * COUNT(over_windows));
  suite_add_tcase(s, t);
  return s;
}

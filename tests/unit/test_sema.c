// The checker and elaborator: what models have, numbers, initializers, limits.  Single diagnostics are programs of tests/errors; checkpoint and
// train blocks: test_blocks.c; models of several files: test_uses.c.
#include "tests/unit/sema_test.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- helpers, see sema_test.h
Loaded load_text(const char *text, const char *defs) {
  Loaded l = {.a = arena_new()};
  l.names = intern_new(l.a);
  l.d.arena = l.a;
  ModelOptions *opt = NEW(l.a, ModelOptions);
  Define *d = NEWN(l.a, Define, 16), *form = NEW(l.a, Define);
  char *copy = arena_strdup(l.a, defs ? defs : "");
  for (char *s = strtok(copy, " "); s; s = strtok(NULL, " ")) {
    char *eq = strchr(s, '=');
    *eq = 0;
    if (!strcmp(s, "form"))
      form->value = eq + 1, opt->nforms = 1;
    else
      d[opt->ndefs++] = (Define){s, eq + 1};
  }
  opt->defs = d;
  opt->forms = form;
  const char *dir = getenv("srcdir");
  const char *path =
      strchr(text, '\n') ? "test.mdl" : arena_printf(l.a, "%s/%s", dir ? dir : ".", text);
  l.m = model_load(l.a, l.names, &l.d, path, strchr(text, '\n') ? text : NULL, opt);
  return l;
}

Loaded must_load(const char *text, const char *defs) {
  Loaded l = load_text(text, defs);
  if (!model_ok(l.m))
    ck_abort_msg("%s\n%s", text, diags_string(l.a, &l.d, DIAG_TEXT, false));
  return l;
}

const CkptTable *must_find_block(const Model *m, const char *name) {
  const CkptTable *const *table;
  for (int i = 0, n = model_checkpoints(m, &table); i < n; i++)
    if (!strcmp(table[i]->name, name))
      return table[i];
  ck_abort_msg("no checkpoint block `%s`", name);
}

void unload(Loaded *l) {
  arena_free(l->a);
}

static int64_t total(const Model *m) {
  const ModelParam *p;
  int64_t sum = 0;
  for (int n = model_params(m, &p), i = 0; i < n; i++)
    sum += p[i].elements;
  return sum;
}

START_TEST(parameters_of_the_models) {
  static const struct {
    const char *path;
    int64_t elements;
    int params, entries;
  } want[] = {{"models/bert.mdl", 110106428, 206, 4},
              {"models/bigs.mdl", 347365784, 612, 4},
              {"models/gpt.mdl", 124439808, 148, 3}};
  Loaded l = must_load(want[_i].path, NULL);
  const ModelParam *p;
  const ModelValue *e;
  ck_assert_int_eq(total(l.m), want[_i].elements);
  ck_assert_int_eq(model_params(l.m, &p), want[_i].params);
  ck_assert_int_eq(model_entries(l.m, &e), want[_i].entries);
  unload(&l);
}
END_TEST

// ---- graphs
static const char *const zoo[] = {"bert", "bigs", "conv", "fnet", "gau", "gpt", "rotary", "s4d"};

START_TEST(every_entry_builds) {
  char path[64];
  snprintf(path, sizeof path, "models/%s.mdl", zoo[_i]);
  Loaded l = must_load(path, NULL);
  Graph *g = graph_new(l.a, l.names);
  const ModelValue *e;
  const Recipe *const *r;
  for (int n = model_entries(l.m, &e), i = 0; i < n; i++)
    for (int dropout = 0; dropout < 2; dropout++) {
      Output out;
      ck_assert(model_build_entry(l.m, g, e[i].name, dropout, &out));
      ck_assert_int_eq(out.nax, e[i].nax);
      for (int k = 0; k < out.nax; k++)
        ck_assert_str_eq(out.ax[k]->name, e[i].axes[k]);
      ck_assert(axes_equal_sets(out.ax, out.nax, out.node->ax, out.node->nax));
      const char *wrong = graph_verify(g, &out.node, 1);
      ck_assert_msg(!wrong, "%s %s: %s", zoo[_i], e[i].name, wrong);
    }
  for (int n = model_trains(l.m, &r), i = 0; i < n; i++) {
    Node *loss = model_build_loss(l.m, g, r[i]->name, true);
    ck_assert(loss && loss->nax == 0 && loss->dtype == DT_F32);
    ck_assert_ptr_null(graph_verify(g, &loss, 1));
  }
  ck_assert_int_eq(l.d.list.n, 0);
  unload(&l);
}
END_TEST

// ---- numbers
START_TEST(numbers_are_exact) {
  Loaded l = must_load("let a = 0.1 * 3, b = 2^62 + 1 - 2^62, c = 1 / 3 * 3, d = 10%, e = sqrt(2) "
                       "/ sqrt(2), f = min(3, 2)\n"
                       "let g = 1e18 * 1e18, h = 7 / 2, t = 1 < 2\n"
                       "dim D = 0.1 * 30, E = 2^10 / 4, F = D * E\n"
                       "model M(x : [D, E, F]) { entry y : f32 = sum(x) }\n",
                       NULL);
  static const double want[] = {0.3, 1, 1, 0.1, 1, 2, 1e36, 3.5, 1};
  const ModelLet *lets;
  const ModelDim *dims;
  ck_assert_int_eq(model_lets(l.m, &lets), COUNT(want));
  for (int i = 0; i < COUNT(want); i++)
    ck_assert_msg(lets[i].value == want[i], "%s is %.17g", lets[i].name, lets[i].value);
  ck_assert_int_eq(model_dims(l.m, &dims), 3);
  ck_assert_int_eq(dims[0].extent, 3);
  ck_assert_int_eq(dims[1].extent, 256);
  ck_assert_int_eq(dims[2].extent, 768);
  unload(&l);
}
END_TEST

START_TEST(defines) {
  static const char text[] = "dim H = 4, G = 2 * H\ndim L <= 8\nlet p = 0.5, q = p / 2\n"
                             "model M(x : [L, G]) { entry y : [L, G] = x * q }\n";
  Loaded l = must_load(text, "H=8 L=5 p=20%");
  const ModelDim *d;
  const ModelLet *lets;
  ck_assert_int_eq(model_dims(l.m, &d), 3);
  ck_assert_int_eq(d[1].extent, 16);
  ck_assert(d[2].fixed && d[2].extent == 5 && d[2].sym < 0);
  model_lets(l.m, &lets);
  ck_assert(lets[0].value == 0.2 && lets[1].value == 0.1);
  unload(&l);
  static const char *const bad[][2] = {{"h=3", "no dim and no let"}, {"HH=3", "did you mean `H`"},
                                       {"H=0", "at least 1"},        {"H=2.5", "not whole"},
                                       {"L=9", "passes its bound"},  {"p=foo", "unknown name"}};
  for (int i = 0; i < COUNT(bad); i++) {
    l = load_text(text, bad[i][0]);
    const char *out = diags_string(l.a, &l.d, DIAG_TEXT, false);
    ck_assert_msg(!model_ok(l.m) && strstr(out, bad[i][1]), "%s: %s", bad[i][0], out);
    unload(&l);
  }
}
END_TEST

// ---- initializers
static const double *init_of(Loaded *l, const char *path, uint64_t seed) {
  Graph *g = graph_new(l->a, l->names);
  model_register_params(l->m, g);
  Eval *e = eval_new(l->a, g, (int64_t[MAX_SYMS]){1}, seed, 0);
  const char *error = NULL;
  for (int i = 0; i < g->params.n; i++) {
    Param *p = g->params.v[i];
    ck_assert_ptr_null(graph_verify(g, &p->init, 1));
    ck_assert_int_eq(p->init->nax, p->node->nax);
    ck_assert_int_eq(p->init->dtype, p->node->dtype);
    if (!strcmp(p->path, path))
      return eval_in_order(e, p->init, p->node->ax, p->node->nax, &error);
  }
  ck_abort_msg("no parameter %s", path);
}

static void moments(const double *v, int n, double *mean, double *std, double *most) {
  *mean = *std = *most = 0;
  for (int i = 0; i < n; i++) {
    *mean += v[i] / n;
    *most = fmax(*most, fabs(v[i]));
  }
  for (int i = 0; i < n; i++)
    *std += (v[i] - *mean) * (v[i] - *mean) / n;
  *std = sqrt(*std);
}

static const char init_text[] =
    "dim N = 20_000, K = 4\ninit normal(3)\n"
    "module P(x : [N]) -> [N] {\n"
    "  a : [N]\n  b : [N] ~ trunc_normal(2)\n  c : [N] ~ uniform(1, 3)\n"
    "  d : c64[N] ~ normal(0.5)\n  e : [K] ~ hippo\n  f : [N] ~ 1 + 2 * iota[N]\n  g : f32 ~ -0.5\n"
    "  x * (a + b + c + f) * real(d) * sum(e) * g\n}\n"
    "model M(x : [N]) {\n  p, q : P\n  entry y : [N] = x |> p |> q\n}\n";

START_TEST(distributions) {
  Loaded l = must_load(init_text, NULL);
  double mean, std, most;
  enum { N = 20000 };
  moments(init_of(&l, "p.a", 1), N, &mean, &std, &most);
  ck_assert(fabs(mean) < 0.1 && fabs(std - 3) < 0.06 && most > 9 && most < 20);
  moments(init_of(&l, "p.b", 1), N, &mean, &std, &most);
  ck_assert_msg(fabs(mean) < 0.05 && fabs(std - 2 * 0.879626) < 0.03 && most <= 4.00001 &&
                    most > 3.9,
                "%g %g %g", mean, std, most);
  moments(init_of(&l, "p.c", 1), N, &mean, &std, &most);
  ck_assert(fabs(mean - 2) < 0.02 && fabs(std - 1 / sqrt(3)) < 0.01 && most < 3);
  moments(init_of(&l, "p.d", 1), 2 * N, &mean, &std, &most);
  ck_assert(fabs(mean) < 0.02 && fabs(std - 0.5) < 0.01);
  const double *f = init_of(&l, "p.f", 1);
  ck_assert(f[0] == 1 && f[7] == 15);
  ck_assert(init_of(&l, "p.g", 1)[0] == -0.5);
  unload(&l);
}
END_TEST

// Quantiles of the truncated normal: the inverse is right in the middle of each half, not only at
// its ends.
START_TEST(truncated_quantiles) {
  Loaded l = must_load(init_text, NULL);
  enum { N = 20000 };
  const double *v = init_of(&l, "p.b", 3);
  double k = erf(sqrt(2));
  for (double x = -1.75; x < 2; x += 0.25) {
    int below = 0;
    for (int i = 0; i < N; i++)
      below += v[i] < 2 * x;
    double want = (erf(x / sqrt(2)) / k + 1) / 2;
    ck_assert_msg(fabs((double)below / N - want) < 0.015, "%g: %g, not %g", x, (double)below / N,
                  want);
  }
  unload(&l);
}
END_TEST

START_TEST(hippo_frequencies) {
  static const double want[] = {-4.6033, -0.5565, 0.5565, 4.6033};
  Loaded l = must_load(init_text, NULL);
  const double *v = init_of(&l, "q.e", 1);
  for (int i = 0; i < 4; i++)
    ck_assert(fabs(v[i] - want[i]) < 5e-5);
  unload(&l);
}
END_TEST

// Numbers depend on the seed, the path and the element, not on what else the model has.
START_TEST(draws_follow_the_path) {
  Loaded l = must_load(init_text, NULL);
  char *other = arena_strdup(l.a, init_text);
  memcpy(strstr(other, "  p, q : P"), "  q, p : P", 10);
  Loaded m = must_load(other, NULL);
  const double *a = init_of(&l, "p.a", 1), *b = init_of(&m, "p.a", 1);
  ck_assert(!memcmp(a, b, 20000 * sizeof *a));
  ck_assert(a[0] != init_of(&l, "q.a", 1)[0] && a[0] != init_of(&l, "p.a", 2)[0]);
  unload(&l);
  unload(&m);
}
END_TEST

// ---- dropout
static int count_random(Graph *g, Node *root, uint64_t *sites) {
  int n, k = 0;
  Node **v = graph_reachable(g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (node_is(v[i], OP_RANDOM))
      sites[k++] = v[i]->attr.site;
  return k;
}

START_TEST(dropout_sites) {
  Loaded l = must_load("models/bert.mdl", "Depth=2");
  uint64_t a[64], b[64];
  Graph *g = graph_new(l.a, l.names), *h = graph_new(l.a, l.names);
  Output hidden, scores;
  Node *loss = model_build_loss(l.m, g, "pretrain", true);
  int n = count_random(g, loss, a);
  ck_assert_int_eq(n, 1 + 2 * 3); // the embeddings; attention, its output, the MLP
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++)
      ck_assert(a[i] != a[k]);
  ck_assert(model_build_entry(l.m, h, "scores", true, &scores));
  ck_assert(model_build_entry(l.m, h, "hidden", true, &hidden));
  ck_assert_int_eq(count_random(h, scores.node, b), n + 1);
  ck_assert_int_eq(count_random(h, hidden.node, b), n);
  ck_assert(!memcmp(a, b, (size_t)n * sizeof *a)); // whatever is built first
  ck_assert(model_build_entry(l.m, h, "hidden", false, &hidden));
  ck_assert_int_eq(count_random(h, hidden.node, b), 0);
  unload(&l);
}
END_TEST

// A shared instance draws anew at every call.
START_TEST(shared_dropout) {
  Loaded l = must_load(
      "dim H = 4, Depth = 3\nmodule P(x : [H]) -> [H] { dropout(x, 0.5) }\n"
      "model M(x : [H]) {\n  p : share Depth P\n  q : P\n  entry y : [H] = p(x) + q(x) + q(x)\n}\n",
      NULL);
  uint64_t a[16];
  Graph *g = graph_new(l.a, l.names);
  Output y;
  ck_assert(model_build_entry(l.m, g, "y", true, &y));
  ck_assert_int_eq(count_random(g, y.node, a), 5);
  unload(&l);
}
END_TEST

// ---- names of the graph
START_TEST(prelude_names) {
  Loaded l = must_load("dim H = 4\nfn gelu(x) = x\nmodel M(x : [H]) {\n  entry y : [H] = "
                       "softmax[H](gelu(exp(x)))\n}\n",
                       NULL);
  Graph *g = graph_new(l.a, l.names);
  Output y;
  ck_assert(model_build_entry(l.m, g, "y", false, &y));
  ck_assert_str_eq(y.node->fn, "softmax");
  int line, col;
  span_pos(y.node->span, &line, &col);
  ck_assert_str_eq(y.node->span.src->path, "test.mdl");
  ck_assert_int_eq(line, 4);
  int n;
  Node **v = graph_reachable(g, &y.node, 1, &n);
  for (int i = 0; i < n; i++)
    ck_assert(!v[i]->fn || !strcmp(v[i]->fn, "softmax"));
  unload(&l);
}
END_TEST

static const Origin *origin_of_op(Graph *g, Node *root, int op, const char *path) {
  int n;
  Node **v = graph_reachable(g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (v[i]->op == op && v[i]->origin && !strcmp(v[i]->origin->path, path))
      return v[i]->origin;
  return NULL;
}

// Nodes know the instance whose body made them, also where a fn made them for it, and after a rewrite.
START_TEST(module_origins) {
  Loaded l = must_load("dim H = 4, Depth = 3, Two = 2\nfn twice(x) = exp(x) + exp(x)\n"
                       "module Q(x : [H]) -> [H] { twice(x) }\n"
                       "module P(x : [H]) -> [H] {\n  q : Q\n  tanh(q(x)) + sin(x) - sin(x)\n}\n"
                       "model M(x : [H]) {\n  p : repeat Depth P\n  s : share Two Q\n"
                       "  entry y : [H] = cos(x |> p |> s)\n}\n",
                       NULL);
  Graph *g = graph_new(l.a, l.names);
  Output y;
  ck_assert(model_build_entry(l.m, g, "y", false, &y));
  ck_assert_ptr_null(y.node->origin);
  graph_rewrite(g, RULES_SIMPLIFY, &y.node, 1, NULL);
  const Origin *inner = origin_of_op(g, y.node, OP_EXP, "p.1.q"), *outer = inner ? inner->up : NULL,
               *shared = origin_of_op(g, y.node, OP_EXP, "s");
  ck_assert(outer && shared && !outer->up && !shared->up);
  ck_assert_str_eq(inner->module, "Q");
  ck_assert_str_eq(outer->path, "p.1");
  ck_assert(inner->first == inner && outer->first == origin_of_op(g, y.node, OP_TANH, "p.0"));
  ck_assert(outer->turn == 1 && outer->turns == 3 && shared->turns == 2 && inner->turns == 1);
  unload(&l);
}
END_TEST

// ---- limits
typedef struct SemaText {
  char *s;
  size_t n, cap;
} SemaText;

static void put(SemaText *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(SemaText *t, const char *fmt, ...) {
  va_list ap;
  if (t->cap - t->n < 256)
    t->s = realloc(t->s, t->cap = 2 * t->cap + 4096);
  va_start(ap, fmt);
  t->n += (size_t)vsnprintf(t->s + t->n, t->cap - t->n, fmt, ap);
  va_end(ap);
}

static void must_fail(SemaText *t, const char *words) {
  Loaded l = load_text(t->s, NULL);
  const char *out = diags_string(l.a, &l.d, DIAG_TEXT, false);
  ck_assert_msg(!model_ok(l.m) && strstr(out, words), "%.300s", out);
  ck_assert_int_eq(l.d.errors, 1);
  unload(&l);
  free(t->s);
}

START_TEST(limits) {
  SemaText t = {0};
  put(&t, "dim H = 4\nfn g0(x) = x + 1\n");
  for (int i = 1; i < 60; i++)
    put(&t, "fn g%d(x) = g%d(x) + g%d(x)\n", i, i - 1, i - 1);
  put(&t, "model M(x : [H]) { entry y : [H] = g59(x) }\n");
  must_fail(&t, "10 million");
  for (int up = 0; up < 2; up++) {
    t = (SemaText){0};
    put(&t, "dim H = 4\nmodule P0(x : [H]) -> [H] { x + 1 }\n");
    for (int i = 1; i < 3000; i++)
      put(&t, "module P%d(x : [H]) -> [H] { a : P%d; a(x) }\n", up ? i : 3000 - i,
          up ? i - 1 : 2999 - i);
    put(&t, "model M(x : [H]) { a : P2999; entry y : [H] = a(x) }\n");
    must_fail(&t, "200 deep");
  }
  t = (SemaText){0};
  put(&t, "dim H = 4, Depth = 1_000_000_000\nmodule P(x : [H]) -> [H] { w : [H]; x + w }\n"
          "model M(x : [H]) { a : repeat Depth P; entry y : [H] = a(x) }\n");
  must_fail(&t, "10 million");
  t = (SemaText){0};
  put(&t, "dim Z = 1_000_000_000_000\nmodel M(x : [Z]) { w : [Z, Z2]; entry y : [Z] = x * w }\n");
  must_fail(&t, "did you mean `Z`");
}
END_TEST

// A long body is no deep recursion.
START_TEST(long_body) {
  SemaText t = {0};
  put(&t, "dim H = 4\nmodel M(x : [H]) {\n  a0 = x\n");
  for (int i = 1; i <= 20000; i++)
    put(&t, "  a%d = a%d + 1\n", i, i - 1);
  put(&t, "  entry y : [H] = a20000\n}\n");
  Loaded l = must_load(t.s, NULL);
  int n;
  ck_assert(run_entry(&l, &n)[0] == 20001);
  unload(&l);
  free(t.s);
}
END_TEST

// ---- independent errors
START_TEST(errors_of_one_run) {
  Loaded l =
      load_text("dim H = 4, K = 5\ndim B, L <= 8\n"
                "module P(x : [B, H]) -> [B, H] {\n  l : Linear[K -> H]\n  y = l(x)\n  y + yy\n}\n"
                "module Q(x : [B, H]) -> [B, K] {\n  x @[H] x[H as K]\n}\n"
                "model M(x : [B, H]) {\n  p : P\n  q : Qq\n  entry a : [B, H] = p(x)\n  entry b : "
                "[B, H] = q(x)\n"
                "  entry open : [B, H] = p(x) + 1\n}\n",
                NULL);
  static const struct {
    int line, code;
  } want[] = {{5, 204}, {6, 301}, {9, 207}, {13, 301}, {16, 309}};
  const char *text = diags_string(l.a, &l.d, DIAG_TEXT, false);
  ck_assert_msg(l.d.errors == COUNT(want), "%s", text);
  for (int i = 0; i < COUNT(want); i++) {
    bool found = false;
    for (int k = 0; k < l.d.list.n; k++) {
      int line, col;
      span_pos(l.d.list.v[k]->span, &line, &col);
      found |= line == want[i].line && l.d.list.v[k]->code == want[i].code;
    }
    ck_assert_msg(found, "no E%04d at line %d:\n%s", want[i].code, want[i].line, text);
  }
  unload(&l);
}
END_TEST

START_TEST(description) {
  Loaded l = must_load("models/bert.mdl", "Depth=1");
  const char *text = model_describe(l.a, l.m);
  ck_assert_ptr_nonnull(strstr(text, "entry logits : [B, L, V]"));
  ck_assert_ptr_nonnull(strstr(text, "layer.0.attention.query.weight  [H, Heads, D]"));
  ck_assert_ptr_nonnull(strstr(text, "at run time: B, L <= 512, M"));
  ck_assert_ptr_nonnull(strstr(text, "589,824"));
  unload(&l);
}
END_TEST

Suite *sema_suite(void) {
  Suite *s = suite_create("sema");
  TCase *t = tcase_create("sema");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, parameters_of_the_models, 0, 3);
  tcase_add_loop_test(t, every_entry_builds, 0, COUNT(zoo));
  tcase_add_test(t, numbers_are_exact);
  tcase_add_test(t, defines);
  tcase_add_test(t, distributions);
  tcase_add_test(t, truncated_quantiles);
  tcase_add_test(t, hippo_frequencies);
  tcase_add_test(t, draws_follow_the_path);
  tcase_add_test(t, dropout_sites);
  tcase_add_test(t, shared_dropout);
  tcase_add_test(t, prelude_names);
  tcase_add_test(t, module_origins);
  tcase_add_test(t, limits);
  tcase_add_test(t, long_body);
  tcase_add_test(t, errors_of_one_run);
  tcase_add_test(t, description);
  suite_add_tcase(s, t);
  return s;
}

// Attention that leaves out what its mask excludes, against the interpreter, which does not: values and gradients.
#include "compiler/driver/pipeline.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

typedef struct SightCase {
  const char *name, *mask; // of i, a row, and j, a key
} SightCase;

static const SightCase cases[] = {
    {"a window", "abs(i - j) <= 16"},
    {"a causal window", "i >= j and i - j < 40"},
    {"what is long past, of which the first rows have nothing", "j + 300 < i"},
    {"a window and the first places", "abs(j - i) <= 9 or j < 3 or i < 2"},
    {"blocks", "div(i, 64) == div(j, 64)"},
    {"every third block", "mod(div(i, 32) - div(j, 32), 3) == 0"},
    {"every fourth place of a window", "mod(i - j, 4) == 0 and max(i, j) - min(i, j) < 99"},
    {"all but the next", "not (j > i and j < i + 200)"},
    {"nothing", "i - j > 10_000"},
    {"numbers that wrap around", "i * 90_000_000 > j"},
    {"documents", "doc == doc[L as S]"},
    {"documents, and causal", "doc == doc[L as S] and i >= j"},
    {"documents of each row", "packed == along[L](packed[L as S])"},
    {"padding", "there[L as S]"},
    {"padding in a window", "there[L as S]) |> masked[S](abs(i - j) <= 20"},
    {"any mask", "mod(at * at[L as S], 7) < 3 and abs(f32(i - j)) < 90"},
    {"a choice", "select(at < 50, abs(i - j) < 30, i != j)"},
    {"distances as floats", "abs(f32(i - j)) / 3 < 8"},
    {"places in documents", "-at < at[L as S] and at <= at[L as S] + 5"},
};

static const char text[] =
    "dim D = 3, E = 5\ndim B <= 4, L <= 700\ninit normal(0.3)\n"
    "model M(q : [B, L, D], k : [B, L, D], v : [B, L, E], doc : i32[L], at : i32[L],"
    " there : bool[B, L], packed : i32[B, L]) {\n i = iota[L]\n j = iota[L][L as S]\n"
    " entry y : [B, L, E] = softmax[S](masked[S](q @[D] k[L as S] / sqrt(D), %s)) @[S] v[L as S]\n"
    " entry places : i32[L] = i + sum[S](j)\n}\n";

static const Node *input(const Bed *b, const char *name, double **data, int64_t *n) {
  for (int i = 0; i < b->n; i++)
    if (!strcmp(b->leaf[i]->attr.name, name)) {
      *data = b->data[i], *n = b->size[i];
      return b->leaf[i];
    }
  return NULL;
}

// Documents of odd lengths one behind the other; the end of the second row is padding, of 90 places and more.
static void fill_documents(Bed *b, int64_t length) {
  double *x;
  int64_t n;
  for (int i = 0; input(b, "doc", &x, &n) && i < n; i++)
    x[i] = floor((double)(i % length) / 83);
  for (int i = 0; input(b, "packed", &x, &n) && i < n; i++)
    x[i] = floor((double)(i % length) / (i < length ? 83 : 61));
  for (int i = 0; input(b, "there", &x, &n) && i < n; i++)
    x[i] = i < length || i < 2 * length - 90;
  for (int i = 0; input(b, "at", &x, &n) && i < n; i++)
    x[i] = (double)(i * i % 101);
}

// ---- documents one behind the other, and the same ones as rows of a batch with padding

static const char ragged[] =
    "dim H = 8, F = 6, Heads = 2, D = 4\ndim T, B, L\ninit normal(0.4)\n"
    "model M(x : [T, H], doc : i32[T], from : i32[B, L], there : bool[B, L], to : i32[T]) {\n"
    " q, k, v : Linear[H -> Heads, D]\n out : Linear[Heads, D -> H]\n a, b : LayerNorm[H]\n"
    " up : Linear[H -> F]\n down : Linear[F -> H]\n"
    " w = q(x) @[D] k(x)[T as S] / sqrt(D) |> masked[S](doc == doc[T as S]) |> softmax[S]\n"
    " y = a(x + (w @[S] v(x)[T as S] |> out))\n"
    " entry ragged : [T, H] = b(y + (y |> up |> gelu |> down))\n"
    " p = gather[T](x, from)\n"
    " u = q(p) @[D] k(p)[L as K] / sqrt(D) |> masked[K](there[L as K]) |> softmax[K]\n"
    " z = a(p + (u @[K] v(p)[L as K] |> out))\n"
    " r = b(z + (z |> up |> gelu |> down))\n"
    " entry padded : [T, H] = gather[R](r[(B, L) as R], to)\n}\n";
enum { TOKENS = 401, DOCUMENTS = 5, LONGEST = 190 };

static void fill_ragged(Bed *b) {
  static const int begin[DOCUMENTS + 1] = {0, 1, 64, 254, 310, TOKENS};
  double *doc, *from, *there, *to;
  int64_t n;
  ck_assert(input(b, "doc", &doc, &n) && input(b, "from", &from, &n));
  ck_assert(input(b, "there", &there, &n) && input(b, "to", &to, &n));
  for (int i = 0; i < DOCUMENTS * LONGEST; i++) {
    int t = begin[i / LONGEST] + i % LONGEST;
    there[i] = t < begin[i / LONGEST + 1];
    from[i] = there[i] ? t : 0;
    if (there[i])
      doc[t] = i / LONGEST, to[t] = i;
  }
}

static Build built(Arena *a, const char *whole) {
  Diags d = {.arena = a};
  Build b;
  BuildWant want = {.nentries = -1, .ntrains = -1};
  BuildOptions o = {.opt = 2, .verify = true};
  Intern *names = intern_new(a);
  Model *m = model_load(a, names, &d, "sight.mdl", whole, &(ModelOptions){0});
  ck_assert_msg(!d.errors, "%s", diags_string(a, &d, DIAG_TEXT, false));
  ck_assert(build_until(&b, a, names, &d, m, &want, &o, PASS_structure));
  return b;
}

static void fill_leaves(PlanBed *t) {
  Graph *g = t->b.g;
  for (int i = 0; i < g->inputs.n; i++)
    bed_fill(&t->b, g->inputs.v[i]->node, -1, 1);
  for (int i = 0; i < g->params.n; i++)
    bed_fill(&t->b, g->params.v[i]->node, -0.5, 0.5);
}

static void same_gradients(Bed *b, Node *x, Node *y) {
  Graph *g = b->g;
  Node **wrt = NEWN(b->arena, Node *, g->params.n), **of[2], *loss[2] = {x, y};
  for (int i = 0; i < g->params.n; i++)
    wrt[i] = g->params.v[i]->node;
  for (int i = 0; i < 2; i++) {
    of[i] = NEWN(b->arena, Node *, g->params.n);
    graph_grad(g, plan_bed_loss(g, loss[i]), wrt, g->params.n, of[i]);
  }
  for (int i = 0; i < g->params.n; i++)
    bed_same(b, of[0][i], of[1][i], 1e-11, g->params.v[i]->path);
}

START_TEST(documents_are_padded_rows) {
  PlanBed t = plan_bed_new(3);
  Build b = built(t.b.arena, ragged);
  Graph *g = t.b.g = b.graph;
  t.b.syms[graph_sym(g, "T", 0)] = TOKENS;
  t.b.syms[graph_sym(g, "B", 0)] = DOCUMENTS;
  t.b.syms[graph_sym(g, "L", 0)] = LONGEST;
  fill_leaves(&t);
  fill_ragged(&t.b);
  bed_same(&t.b, b.entries.v[0].node, b.entries.v[1].node, 1e-12, "values");
  same_gradients(&t.b, b.entries.v[0].node, b.entries.v[1].node);
  t.tolerance = 5e-5;
  plan_bed_check_gradients(&t, &b.entries.v[0], "documents one behind the other");
  plan_bed_free(&t);
}
END_TEST

// ---- masks

static void run_case(const SightCase *c, int64_t length) {
  PlanBed t = plan_bed_new(7);
  Arena *a = t.b.arena;
  Build b = built(a, arena_printf(a, text, c->mask));
  t.b.g = b.graph;
  t.tolerance = 2e-5;
  for (int i = 0; i < b.graph->syms.n; i++)
    t.b.syms[i] = i == graph_sym(b.graph, "L", 700) ? length : 2;
  fill_leaves(&t);
  fill_documents(&t.b, length);
  plan_bed_check_gradients(&t, &b.entries.v[0],
                           arena_printf(a, "%s, %lld places", c->name, (long long)length));
  plan_bed_free(&t);
}

START_TEST(values_and_gradients) {
  static const int64_t lengths[] = {330, 97, 601};
  run_case(&cases[_i], lengths[_i % (suites_full() ? 3 : 2)]);
}
END_TEST

Suite *sights_suite(void) {
  Suite *s = suite_create("sights");
  TCase *t = tcase_create("sights");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, documents_are_padded_rows);
  tcase_add_loop_test(t, values_and_gradients, 0, COUNT(cases));
  suite_add_tcase(s, t);
  return s;
}

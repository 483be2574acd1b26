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
    " there : bool[B, L]) {\n i = iota[L]\n j = iota[L][L as S]\n"
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
  for (int i = 0; input(b, "there", &x, &n) && i < n; i++)
    x[i] = i < length || i < 2 * length - 90;
  for (int i = 0; input(b, "at", &x, &n) && i < n; i++)
    x[i] = (double)(i * i % 101);
}

static void run_case(const SightCase *c, int64_t length) {
  PlanBed t = plan_bed_new(7);
  Arena *a = t.b.arena;
  Diags d = {.arena = a};
  Build b;
  BuildWant want = {.nentries = -1, .ntrains = -1};
  BuildOptions o = {.opt = 2, .verify = true};
  Intern *names = intern_new(a);
  Model *m =
      model_load(a, names, &d, "sight.mdl", arena_printf(a, text, c->mask), &(ModelOptions){0});
  ck_assert_msg(!d.errors, "%s", diags_string(a, &d, DIAG_TEXT, false));
  ck_assert(build_until(&b, a, names, &d, m, &want, &o, PASS_structure));
  t.b.g = b.graph;
  t.tolerance = 2e-5;
  for (int i = 0; i < b.graph->syms.n; i++)
    t.b.syms[i] = i == graph_sym(b.graph, "L", 700) ? length : 2;
  for (int i = 0; i < b.graph->inputs.n; i++)
    bed_fill(&t.b, b.graph->inputs.v[i]->node, -1, 1);
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
  tcase_add_loop_test(t, values_and_gradients, 0, COUNT(cases));
  suite_add_tcase(s, t);
  return s;
}

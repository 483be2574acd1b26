// Whole models, small: every entry and every gradient by compiled kernels against the interpreter.
#include "compiler/driver/pipeline.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

#ifndef MODELS_DIR
#define MODELS_DIR "models"
#endif

typedef struct ModelCase {
  const char *path;
  Define defs[14];
  int64_t dims[3]; // B, L, M
} ModelCase;
static const ModelCase cases[] = {
    {"bert.mdl",
     {{"H", "24"}, {"F", "40"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "50"}, {"P", "20"}},
     {2, 11, 5}},
    {"bert.mdl",
     {{"H", "32"}, {"F", "64"}, {"Heads", "2"}, {"Depth", "1"}, {"V", "130"}, {"P", "64"}},
     {3, 50, 20}},
    {"bert.mdl",
     {{"H", "32"}, {"F", "64"}, {"Heads", "2"}, {"Depth", "1"}, {"V", "130"}, {"P", "64"}},
     {1, 1, 1}},
    {"bigs.mdl",
     {{"H", "24"}, {"I", "40"}, {"N", "4"}, {"Depth", "2"}, {"V", "50"}, {"P", "20"}},
     {2, 11, 5}},
    {"bigs.mdl",
     {{"H", "32"}, {"I", "64"}, {"N", "8"}, {"Depth", "1"}, {"V", "130"}, {"P", "80"}},
     {3, 70, 20}},
    {"conv.mdl", {{0}}, {2, 9, 0}},
    {"fnet.mdl", {{0}}, {2, 21, 0}},
    {"gau.mdl", {{"Depth", "1"}}, {2, 17, 0}},
    {"gpt.mdl",
     {{"H", "24"}, {"F", "40"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "60"}, {"P", "40"}},
     {2, 19, 0}},
    {"rotary.mdl", {{0}}, {3, 13, 0}},
    {"s4d.mdl", {{0}}, {2, 30, 0}},
    {"stack.mdl",
     {{"H", "24"},
      {"F", "40"},
      {"N", "4"},
      {"Heads", "3"},
      {"Depth", "1"},
      {"V", "50"},
      {"P", "20"}},
     {2, 11, 5}},
};

static char *path_of(Arena *a, const char *name) {
  const char *dir = getenv("srcdir");
  return arena_printf(a, "%s/%s/%s", dir ? dir : ".", MODELS_DIR, name);
}

static double upper(const Graph *g, const Node *leaf) {
  (void)g;
  const char *n = leaf->attr.name;
  if (!n)
    return 1;
  return !strcmp(n, "ids")      ? 50
         : !strcmp(n, "types")  ? 2
         : !strcmp(n, "labels") ? 50
         : !strcmp(n, "at")     ? 11
         : !strcmp(n, "target") ? 2
                                : 1;
}

static void fill_leaves(PlanBed *t) {
  Graph *g = t->b.g;
  for (int i = 0; i < g->inputs.n; i++) {
    Node *n = g->inputs.v[i]->node;
    double hi = upper(g, n);
    if (!strcmp(n->attr.name, "at"))
      hi = (double)(t->b.syms[0] * t->b.syms[1]);
    bed_fill(&t->b, n, n->dtype == DT_I32 ? 0 : -1, hi);
  }
  for (int i = 0; i < g->params.n; i++)
    if (!g->params.v[i]->stack)
      bed_fill(&t->b, g->params.v[i]->node, -0.5, 0.5);
}

// What fine-tuning adds to pretraining is a head: one of its blocks is looked at, once.
static bool is_looked_at(const char *train, int number, int mode) {
  return number == 0 || (mode == 0 && strcmp(train, "regress") != 0);
}

static void run_case(const ModelCase *c, int mode) {
  PlanBed t = plan_bed_new(3);
  Arena *a = t.b.arena;
  Diags d = {.arena = a};
  Build b;
  BuildWant want = {.nentries = -1, .ntrains = -1, .dropout = mode == 1};
  BuildOptions o = {.opt = 2};
  int nd = 0;
  while (nd < COUNT(c->defs) && c->defs[nd].name)
    nd++;
  ModelOptions mo = {.defs = c->defs, .ndefs = nd};
  Intern *names = intern_new(a);
  Model *m = model_load(a, names, &d, path_of(a, c->path), NULL, &mo);
  ck_assert_msg(!d.errors, "%s", diags_string(a, &d, DIAG_TEXT, false));
  bool ok = build_until(&b, a, names, &d, m, &want, &o, PASS_simplify);
  ck_assert_msg(ok, "%s", diags_string(a, &d, DIAG_TEXT, false));
  t.b.g = b.graph;
  t.no_fuse = mode == 2;
  t.tolerance = 1e-4;
  for (int i = 0; i < b.graph->syms.n && i < 3; i++)
    t.b.syms[i] = c->dims[i];
  fill_leaves(&t);
  for (int i = 0; i < b.entries.n && mode != 1; i++)
    plan_bed_check(&t, BIGS_ENTRY, &b.entries.v[i], 1, b.entries.v[i].name);
  for (int i = 0; i < b.losses.n; i++)
    if (is_looked_at(b.trains.v[i]->name, i, mode))
      plan_bed_check(&t, BIGS_GRADIENT, b.grads[i].v, b.grads[i].n, b.trains.v[i]->name);
  plan_bed_free(&t);
}

START_TEST(model) {
  run_case(&cases[_i / 3], _i % 3);
}
END_TEST

Suite *models_suite(void) {
  Suite *s = suite_create("models");
  TCase *c = tcase_create("models");
  tcase_set_timeout(c, 300);
  tcase_add_loop_test(c, model, 0, 3 * COUNT(cases));
  suite_add_tcase(s, c);
  return s;
}

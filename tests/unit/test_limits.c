// Inputs that index rows are known to the module, with the number of rows.
#include "codegen/plan/plan.h"
#include "tests/unit/suites.h"
#include "runtime/exec/exec.h"
#include <string.h>

static const PlanOptions avx2 = {.nr = 16, .mr = 6, .vector_floats = 8, .fuse = true};

static const BigsTensor *input_named(const BigsModule *m, const char *name) {
  for (int i = 0; i < m->ninput; i++)
    if (!strcmp(m->input[i].name, name))
      return &m->input[i];
  ck_abort_msg("no input %s", name);
}

START_TEST(gathered_rows_limit_their_ids) {
  Arena *a = arena_new();
  Graph *g = graph_new(a, intern_new(a));
  int b = graph_sym(g, "B", 0), l = graph_sym(g, "L", 0), m = graph_sym(g, "M", 0);
  Axis *B = graph_axis(g, "B", 0, poly_sym(b)), *L = graph_axis(g, "L", 0, poly_sym(l)),
       *M = graph_axis(g, "M", 0, poly_sym(m));
  Axis *V = graph_axis(g, "V", 0, poly_const(9)), *W = graph_axis(g, "W", 0, poly_const(5)),
       *H = graph_axis(g, "H", 0, poly_const(16));
  Axis *T = graph_axis(g, "T", 0, poly_mul(poly_sym(b), poly_sym(l)));
  Axis *BL[2] = {B, L}, *VH[2] = {V, H}, *WH[2] = {W, H};
  Node *ids = g_input(g, "ids", DT_I32, BL, 2), *at = g_input(g, "at", DT_I32, &M, 1),
       *free_ids = g_input(g, "free", DT_I32, BL, 2);
  Node *v = g_input(g, "v", DT_F32, VH, 2), *w = g_input(g, "w", DT_F32, WH, 2);
  Node *x = g_binary(g, OP_ADD, g_gather(g, v, ids, V), g_gather(g, w, g_flip(g, ids, &L, 1), W));
  x = g_binary(g, OP_ADD, x, g_cast(g, free_ids, DT_F32));
  Node *rows = g_gather(g, g_merge(g, x, BL, 2, T), at, T);
  PlanOptions options = avx2;
  Planner *p = plan_new(a, g, &options);
  Axis *MH[2] = {M, H};
  plan_program(p, "rows", BIGS_ENTRY, &(Output){.name = "rows", .node = rows, .ax = MH, .nax = 2},
               1);
  BigsModule module = {0};
  ck_assert(plan_finish(p, &module));
  Poly five = poly_const(5);
  ck_assert(poly_eq(&input_named(&module, "ids")->limit, &five)); // the smaller of both tables
  ck_assert(poly_eq(&input_named(&module, "at")->limit, &T->extent));
  ck_assert_int_eq(input_named(&module, "free")->limit.n, 0);
  ck_assert_int_eq(input_named(&module, "v")->limit.n, 0);
  arena_free(a);
}
END_TEST

START_TEST(short_axes_are_refused_before_they_are_indexed) {
  Arena *a = arena_new();
  Graph *g = graph_new(a, intern_new(a));
  Axis *L = graph_axis(g, "L", 0, poly_sym(graph_sym(g, "L", 16)));
  Axis *six = graph_axis(g, "L", 1, poly_const(6));
  Node *x = g_input(g, "x", DT_F32, &L, 1);
  Node *third = g_index(g, x, L, poly_const(3)),
       *first = g_slice(g, x, L, poly_const(0), poly_const(6), six);
  Node *last = g_index(g, x, L, poly_sub(L->extent, poly_const(1)));
  Node *sum =
      g_binary(g, OP_ADD, g_binary(g, OP_ADD, third, last), g_reduce(g, OP_SUM, first, &six, 1));
  Output out = {.name = "y", .node = sum};
  PlanOptions o = avx2;
  Planner *p = plan_new(a, g, &o);
  plan_program(p, "y", BIGS_ENTRY, &out, 1);
  BigsModule module = {0};
  BigsError e;
  ck_assert(plan_finish(p, &module));
  const BigsProgram *y = &module.program[0];
  ck_assert_int_eq(y->nroom, 2); // the last element is always there
  int64_t sym[MAX_SYMS], dims[MAX_SYMS] = {5};
  ck_assert_int_eq(bind_dims(&module, y, dims, sym, &e), 1);
  ck_assert_msg(strstr(e.text, "`L` must be at least 6") != NULL, "%s", e.text);
  dims[0] = 6;
  ck_assert_int_eq(bind_dims(&module, y, dims, sym, &e), 0);
  arena_free(a);
}
END_TEST

Suite *limits_suite(void);
Suite *limits_suite(void) {
  Suite *s = suite_create("limits");
  TCase *t = tcase_create("limits");
  tcase_add_test(t, gathered_rows_limit_their_ids);
  tcase_add_test(t, short_axes_are_refused_before_they_are_indexed);
  suite_add_tcase(s, t);
  return s;
}

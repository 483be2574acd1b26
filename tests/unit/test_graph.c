// Hash-consing, axes, constructors, printing, the verifier, rebuilding.
#include "tests/unit/graph_test.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

START_TEST(axes_are_interned) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  char name[] = "H";
  Axis *h = graph_axis(g, "H", 0, poly_const(4));
  ck_assert_ptr_eq(h, graph_axis(g, name, 0, poly_const(4)));
  ck_assert_ptr_ne(h, graph_axis(g, "H", 1, poly_const(4)));
  ck_assert_ptr_ne(h, graph_axis(g, "H", 0, poly_const(5)));
  Axis *one = graph_fresh_axis(g, "H", poly_const(4)),
       *two = graph_fresh_axis(g, "H", poly_const(4));
  ck_assert(one != two && one != h && one->depth < 0 && two->depth < 0);
  ck_assert_int_eq(graph_sym(g, "B", 0), graph_sym(g, "B", 0));
  bed_free(&b);
}
END_TEST

START_TEST(sizes_have_bounds) {
  Bed b = bed_new(1);
  Poly l = poly_sym(graph_sym(b.g, "L", 512)), n = poly_sym(graph_sym(b.g, "B", 0));
  Poly square = poly_mul(l, l), rest = poly_sub(poly_const(600), l), both = poly_sub(l, n),
       open = poly_add(l, n);
  ck_assert_int_eq(graph_bound(b.g, &square), 512 * 512);
  ck_assert_int_eq(graph_bound(b.g, &rest), 599);
  ck_assert_int_eq(graph_bound(b.g, &both), 511);
  ck_assert_int_eq(graph_bound(b.g, &open), -1);
  bed_free(&b);
}
END_TEST

// a L + b M + c, divided: at all small sizes what C computes, rounded down, and within its bounds, as far as there are some.
static void check_quotient(Graph *g, const int64_t *coef, int64_t by) {
  Poly l = poly_scale(poly_sym(graph_sym(g, "L", 5)), coef[0]),
       m = poly_scale(poly_sym(graph_sym(g, "M", 4)), coef[1]), q,
       p = poly_add(poly_add(l, m), poly_const(coef[2]));
  ck_assert(size_quotient(&g->syms, g->arena, g->intern, &p, by, MAX_SYMS, &q));
  int64_t sym[MAX_SYMS], most = graph_bound(g, &q), least = size_least(&g->syms, &q);
  for (sym[0] = 1; sym[0] <= 5; sym[0]++)
    for (sym[1] = 1; sym[1] <= 4; sym[1]++) {
      int64_t of = coef[0] * sym[0] + coef[1] * sym[1] + coef[2];
      sizes_complete(&g->syms, sym);
      ck_assert_int_eq(poly_eval(&q, sym), of / by - (of % by < 0));
      ck_assert((most < 0 || poly_eval(&q, sym) <= most) && poly_eval(&q, sym) >= least);
    }
}

START_TEST(quotients_are_rounded_down) {
  for (int64_t by = 1; by <= 6; by++)
    for (int i = 0; i < 7 * 7 * 7; i++) {
      Bed b = bed_new(1);
      check_quotient(b.g, (int64_t[]){i % 7 - 3, i / 7 % 7 - 3, i / 49 - 3}, by);
      bed_free(&b);
    }
}
END_TEST

// By a new symbol at most; one that is there serves again, whatever is whole beside it.
START_TEST(equal_quotients_are_one) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Poly l = poly_sym(graph_sym(g, "L", 0)), half, other, two = poly_add(l, poly_const(2)),
       four = poly_add(poly_scale(l, 2), poly_const(5)), none;
  ck_assert(size_quotient(&g->syms, g->arena, g->intern, &l, 2, 2, &half));
  ck_assert(size_quotient(&g->syms, g->arena, g->intern, &two, 2, 2, &other));
  other = poly_sub(other, poly_const(1));
  ck_assert(poly_eq(&half, &other));
  ck_assert(size_quotient(&g->syms, g->arena, g->intern, &four, 4, 2, &other));
  other = poly_sub(poly_sub(other, half), poly_const(1));
  ck_assert_int_eq(other.n, 0);
  ck_assert_int_eq(g->syms.n, 2);
  ck_assert(!size_quotient(&g->syms, g->arena, g->intern, &l, 3, 2, &none));
  bed_free(&b);
}
END_TEST

START_TEST(equal_nodes_are_one) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 2), *c = bed_axis(&b, "C", 3), *d = bed_axis(&b, "D", 2);
  Node *x = g_input(g, "x", DT_F32, (Axis *[]){a, c}, 2),
       *y = g_input(g, "y", DT_F32, (Axis *[]){a, c}, 2);
  ck_assert_ptr_eq(g_binary(g, OP_ADD, x, y), g_binary(g, OP_ADD, y, x));
  ck_assert_ptr_ne(g_binary(g, OP_SUB, x, y), g_binary(g, OP_SUB, y, x));
  ck_assert_ptr_eq(g_reduce(g, OP_SUM, x, (Axis *[]){a, c}, 2),
                   g_reduce(g, OP_SUM, x, (Axis *[]){c, a}, 2));
  ck_assert_ptr_ne(g_const(g, DT_F32, 0.0), g_const(g, DT_F32, -0.0));
  ck_assert_ptr_ne(g_const(g, DT_F32, 1), g_const(g, DT_F64, 1));
  ck_assert_ptr_ne(g_index(g, x, c, poly_const(0)), g_index(g, x, c, poly_const(1)));
  double t1[3] = {1, 2, 3}, t2[3] = {1, 2, 3}, t3[3] = {1, 2, 4};
  ck_assert_ptr_eq(g_table(g, DT_F32, c, t1), g_table(g, DT_F32, c, t2));
  ck_assert_ptr_ne(g_table(g, DT_F32, c, t1), g_table(g, DT_F32, c, t3));
  ck_assert_ptr_ne(g_random(g, 1, &a, 1), g_random(g, 2, &a, 1));
  ck_assert_ptr_ne(g_state(g, DT_F32, "s", &a, 1), g_state(g, DT_F32, "s", &a, 1));
  ck_assert_ptr_eq(g_rename(g, x, (Axis *[]){a, c}, (Axis *[]){d, c}, 2),
                   g_rename(g, x, &a, &d, 1));
  ck_assert_ptr_eq(g_rename(g, x, &a, &a, 1), x);
  ck_assert_ptr_eq(g_cast(g, x, DT_F32), x);
  bed_free(&b);
}
END_TEST

// The order of axes numbers random draws, so a commutative op keeps it.
START_TEST(operands_swap_only_where_axes_stay) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 2), *c = bed_axis(&b, "C", 3);
  Node *x = g_input(g, "x", DT_F32, &a, 1), *y = g_input(g, "y", DT_F32, &c, 1);
  Node *xy = g_binary(g, OP_MUL, x, y), *yx = g_binary(g, OP_MUL, y, x);
  ck_assert(xy->ax[0] == a && xy->ax[1] == c && yx->ax[0] == c && yx->ax[1] == a);
  Node *s = g_input(g, "s", DT_F32, NULL, 0);
  ck_assert_ptr_eq(g_binary(g, OP_MUL, s, x), g_binary(g, OP_MUL, x, s));
  ck_assert_ptr_eq(g_contract(g, xy, x, &a, 1), g_contract(g, x, xy, &a, 1));
  bed_free(&b);
}
END_TEST

START_TEST(first_maker_names_the_place) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Source *src = source_new(b.arena, "m.mdl", "a\nb\n", 4);
  g->span = (Span){src, 0, 1};
  g->fn = "f";
  Node *x = g_const(g, DT_F32, 3);
  g->span = (Span){src, 2, 3};
  g->fn = "g";
  ck_assert_ptr_eq(g_const(g, DT_F32, 3), x);
  ck_assert(x->span.lo == 0 && !strcmp(x->fn, "f"));
  bed_free(&b);
}
END_TEST

START_TEST(the_table_of_nodes_grows) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Node **keep = NEWN(b.arena, Node *, 20000);
  for (int i = 0; i < 20000; i++)
    keep[i] = g_const(g, DT_F64, i);
  int n = g->nodes.n;
  for (int i = 0; i < 20000; i++)
    ck_assert_ptr_eq(keep[i], g_const(g, DT_F64, i));
  ck_assert_int_eq(g->nodes.n, n);
  bed_free(&b);
}
END_TEST

START_TEST(sums_over_axes_that_are_lacking_count_them) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 3), *l = bed_run_axis(&b, "L", 5);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *y = g_sum_over(g, x, (Axis *[]){a, l}, 2);
  ck_assert_double_eq_tol(*bed_value(&b, y), 5 * (b.data[0][0] + b.data[0][1] + b.data[0][2]),
                          1e-14);
  ck_assert_ptr_eq(g_expand(g, x, &a, 1), x);
  Node *wide = g_expand(g, x, (Axis *[]){l, a}, 2);
  ck_assert(wide->nax == 2 && node_has(wide, l));
  ck_assert_double_eq(bed_in_order(&b, wide, (Axis *[]){l, a}, 2)[4], b.data[0][1]);
  Node *mask = g_expand(g, g_const(g, DT_BOOL, 1), &a, 1);
  ck_assert(mask->dtype == DT_BOOL && bed_value(&b, mask)[2] == 1);
  bed_free(&b);
}
END_TEST

START_TEST(inputs_and_parameters_are_registered) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *h = bed_axis(&b, "H", 3), *pair = bed_axis(&b, "pair", 2);
  Node *x = g_input(g, "x", DT_I32, &h, 1);
  ck_assert_ptr_eq(g_input(g, "x", DT_I32, &h, 1), x);
  ck_assert(g->inputs.n == 1 && g->inputs.v[0]->node == x && g->inputs.v[0]->ax[0] == h);
  Param p = {.path = "c", .dtype = DT_C64, .nax = 1, .ax = &h, .pair = pair},
        q = {.path = "d", .dtype = DT_F32};
  Node *n = g_param(g, &p);
  g_param(g, &q);
  ck_assert(g->params.n == 2 && p.index == 0 && q.index == 1 && p.node == n);
  ck_assert(n->dtype == DT_F32 && n->nax == 2 && n->ax[1] == pair);
  bed_free(&b);
}
END_TEST

// ---- the verifier

START_TEST(verifier_finds_what_is_wrong) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 2), *c = bed_axis(&b, "C", 3);
  Node *x = g_input(g, "x", DT_F32, &a, 1), *y = g_input(g, "y", DT_F32, &c, 1);
  Node *wide = g_input(g, "wide", DT_F64, &c, 1), *same = g_input(g, "same", DT_F32, &c, 1);
  Node *z = g_binary(g, OP_ADD, x, y);
  Node *root = g_reduce(g, OP_SUM, z, &a, 1), *other = g_input(g, "i", DT_I32, &c, 1);
  ck_assert_ptr_null(graph_verify(g, &root, 1));
  z->dtype = DT_F64;
  ck_assert_str_eq(graph_verify(g, &root, 1), "%4 add: another dtype than its rule gives");
  z->dtype = DT_F32;
  z->ax[1] = a;
  ck_assert_str_eq(graph_verify(g, &root, 1), "%4 add: other axes than its rule gives");
  z->ax[1] = c;
  z->in[1] = other;
  ck_assert_str_eq(graph_verify(g, &root, 1), "%4 add: an operand that does not come before it");
  z->in[1] = wide;
  ck_assert_str_eq(graph_verify(g, &root, 1), "%4 add: operands of f32 and f64");
  z->in[1] = same;
  ck_assert_str_eq(graph_verify(g, &root, 1), "%4 add: not the node that the table holds");
  z->in[1] = y;
  root->attr.axes[0] = graph_axis(g, "none", 0, poly_const(1));
  ck_assert_str_eq(graph_verify(g, &root, 1), "%5 sum: the operand has no axis none");
  bed_free(&b);
}
END_TEST

// A breach of a shape rule is a bug of ours: it ends the process with status 70.
static void breach(int which) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 6), *c = bed_axis(&b, "C", 3), *d = bed_axis(&b, "D", 3);
  Node *x = g_input(g, "x", DT_F32, &a, 1), *y = g_input(g, "y", DT_F64, &c, 1),
       *z = g_input(g, "z", DT_F32, (Axis *[]){a, c}, 2);
  switch (which) {
  case 0: g_binary(g, OP_ADD, x, y); break;
  case 1: g_reduce(g, OP_SUM, x, &c, 1); break;
  case 2: g_contract(g, x, z, &c, 1); break;
  case 3: g_split(g, x, a, (Axis *[]){c, d}, 2); break;
  case 4: g_rename(g, z, &c, &a, 1); break;
  case 5: g_slice(g, x, a, poly_const(1), poly_const(3), c); break;
  case 6: g_pad(g, z, c, poly_const(4), a); break;
  case 7: g_gather(g, x, x, a); break;
  case 8:
    g_concat(g, (Node *[]){x, z}, (Axis *[]){a, c}, 2, graph_axis(g, "T", 0, poly_const(9)));
    break;
  case 9: g_select(g, x, x, x); break;
  case 10: g_conv(g, x, z, a, false); break;
  case 11: g_input(g, "w", DT_F32, (Axis *[]){a, a}, 2); break;
  case 12: g_unary(g, OP_EXP, g_iota(g, a)); break;
  case 13: g_scatter(g, g_iota(g, a), x, c, &d, 1); break;
  default: g_node(g, OP_ADD, DT_F32, &x, 1, NULL); break;
  }
}
enum { BREACHES = 15 };

START_TEST(breaches_of_shape_rules_are_bugs) {
  fclose(stderr); // this process is the test's own
  breach(_i);
}
END_TEST

// ---- printing

static char *printed(Bed *b, Node *const *roots, const char *const *names, int n, bool dot) {
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  ck_assert_ptr_nonnull(f);
  if (dot)
    graph_dot(f, b->g, roots, names, n);
  else
    graph_print(f, b->g, roots, names, n);
  fclose(f);
  char *copy = arena_strdup(b->arena, text);
  free(text);
  return copy;
}

START_TEST(graphs_are_printed_one_line_a_node) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Source *src = source_new(b.arena, "models/bert.mdl", "x\ny\nz\n", 6);
  Axis *l = bed_run_axis(&b, "L", 3), *h = bed_axis(&b, "H", 6),
       *p = graph_axis(g, "P", 1, poly_const(2)), *q = graph_axis(g, "P", 2, poly_const(3));
  Node *x = g_input(g, "x", DT_F32, (Axis *[]){l, h}, 2);
  g->span = (Span){src, 4, 5};
  Node *y = g_split(g, x, h, (Axis *[]){p, q}, 2);
  g->fn = "mean";
  Node *sum = g_reduce(g, OP_SUM, y, (Axis *[]){q, p}, 2), *tenth = g_const(g, DT_F32, 0.1);
  Node *z = g_binary(g, OP_MUL, sum, tenth);
  Node *last = g_index(g, z, l, poly_sub(l->extent, poly_const(1)));
  ck_assert_str_eq(printed(&b, (Node *[]){z, last}, (const char *[]){"z", NULL}, 2, false),
                   "# H = 6, P.1 = 2, P.2 = 3\n"
                   "%0 = input f32[L, H] \"x\"\n"
                   "%1 = split f32[L, P.1, P.2] %0 [H as (P.1, P.2)]  # bert.mdl:3\n"
                   "%2 = sum f32[L] %1 [P.1, P.2]  # bert.mdl:3 mean\n"
                   "%3 = const f32 0.1  # bert.mdl:3 mean\n"
                   "%4 = mul f32[L] %2 %3  # bert.mdl:3 mean\n"
                   "%5 = index f32 %4 [L = L - 1]  # bert.mdl:3 mean\n"
                   "z = %4\n"
                   "return %5\n");
  const char *dot = printed(&b, &z, NULL, 1, true);
  ck_assert(strstr(dot, "subgraph cluster0") && strstr(dot, "n0 -> n1;") &&
            strstr(dot, "\\\"x\\\""));
  bed_free(&b);
}
END_TEST

// ---- rebuilding

static Node *zero_for_input(void *ctx, Graph *g, Node *n, Node **new_in) {
  (void)new_in;
  return n == ctx ? g_full(g, (DType)n->dtype, 0, n->ax, n->nax) : NULL;
}

START_TEST(map_replaces_and_keeps_the_rest) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 2);
  Node *x = g_input(g, "x", DT_F32, &a, 1), *y = g_input(g, "y", DT_F32, &a, 1);
  Node *sum = g_binary(g, OP_ADD, x, y), *aside = g_unary(g, OP_EXP, y);
  Node *roots[3] = {g_unary(g, OP_NEG, sum), aside, x};
  graph_map(g, roots, 3, zero_for_input, x);
  Node *zero = g_full(g, DT_F32, 0, &a, 1);
  ck_assert_ptr_eq(roots[0], g_unary(g, OP_NEG, g_binary(g, OP_ADD, zero, y)));
  ck_assert_ptr_eq(roots[1], aside);
  ck_assert_ptr_eq(roots[2], zero);
  bed_free(&b);
}
END_TEST

// Bodies of scans are rebuilt too.
START_TEST(map_goes_into_scans) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *l = bed_axis(&b, "L", 3);
  Node *w = bed_leaf(&b, DT_F64, NULL, 0, 1, 2), *u = bed_leaf(&b, DT_F64, &l, 1, 0, 1),
       *first = g_const(g, DT_F64, 1);
  Node *x = g_state(g, DT_F64, "x", NULL, 0), *at = g_state(g, DT_F64, "u", NULL, 0);
  Node *next = g_binary(g, OP_ADD, g_binary(g, OP_MUL, x, w), at);
  Node *y = g_scan(g, &(Scan){.axis = l,
                              .nstate = 1,
                              .nseen = 1,
                              .first = &first,
                              .state = &x,
                              .next = &next,
                              .seen = &u,
                              .seen_leaf = &at,
                              .result = next});
  Node *root = y;
  graph_map(g, &root, 1, zero_for_input, NULL);
  ck_assert_ptr_eq(root, y);
  graph_map(g, &root, 1, zero_for_input, w);
  ck_assert_ptr_ne(root, y);
  ck_assert_ptr_null(graph_verify(g, &root, 1));
  for (int i = 0; i < 3; i++)
    ck_assert_double_eq(bed_value(&b, root)[i], b.data[1][i]);
  bed_free(&b);
}
END_TEST

// ---- size: a deep model is built and differentiated in little time (the bound is loose: machines
// are shared)

static Node *block(Graph *g, Node *x, Axis *h, Axis *f, int layer, Param *p) {
  Axis *const up[2] = {h, f};
  char *path = arena_printf(g->arena, "layer.%d", layer);
  p[0] = (Param){.path = path, .dtype = DT_F32, .nax = 2, .ax = (Axis **)up};
  p[1] = (Param){.path = arena_printf(g->arena, "%s.down", path),
                 .dtype = DT_F32,
                 .nax = 2,
                 .ax = (Axis **)up};
  Node *mean = g_binary(g, OP_DIV, g_reduce(g, OP_SUM, x, &h, 1), g_const(g, DT_F32, 8));
  Node *d = g_binary(g, OP_SUB, x, mean);
  Node *n = g_binary(g, OP_DIV, d,
                     g_unary(g, OP_SQRT, g_reduce(g, OP_SUM, g_binary(g, OP_MUL, d, d), &h, 1)));
  Node *u = g_unary(g, OP_TANH, g_contract(g, n, g_param(g, &p[0]), &h, 1));
  return g_binary(g, OP_ADD, x, g_contract(g, u, g_param(g, &p[1]), &f, 1));
}

START_TEST(deep_graphs_are_built_fast) {
  enum { DEPTH = 200 };
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *l = bed_run_axis(&b, "L", 2), *h = bed_axis(&b, "H", 8), *f = bed_axis(&b, "F", 4);
  Node *x = g_input(g, "x", DT_F32, (Axis *[]){l, h}, 2), *wrt[2 * DEPTH], *grad[2 * DEPTH];
  Param *p = NEWN(b.arena, Param, 2 * DEPTH);
  clock_t start = clock();
  for (int i = 0; i < DEPTH; i++)
    x = block(g, x, h, f, i, &p[2 * i]);
  for (int i = 0; i < 2 * DEPTH; i++)
    wrt[i] = p[i].node;
  graph_grad(g, g_reduce(g, OP_SUM, x, x->ax, x->nax), wrt, 2 * DEPTH, grad);
  double ms = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;
  ck_assert_int_gt(g->nodes.n, 6000);
  ck_assert_msg(ms < 200, "%d nodes took %g ms", g->nodes.n, ms);
  bed_free(&b);
}
END_TEST

// Rules look at a bounded part of a long sum, not at all of it for each of its terms.
START_TEST(long_sums_are_rewritten_fast) {
  enum { TERMS = 50000 };
  Bed b = bed_new(1);
  Axis *h = bed_axis(&b, "H", 8);
  Node *x = g_input(b.g, "x", DT_F32, &h, 1);
  for (int i = 0; i < TERMS; i++)
    x = g_binary(b.g, OP_ADD, x, g_const(b.g, DT_F32, i + 0.5));
  RewriteStats stats = {0};
  clock_t start = clock();
  graph_rewrite(b.g, RULES_SIMPLIFY | RULES_STRUCTURAL | RULES_CLAIM, &x, 1, &stats);
  double s = (double)(clock() - start) / CLOCKS_PER_SEC;
  ck_assert_int_eq(x->op, OP_ADD);
  ck_assert_msg(s < 3, "a sum of %d terms took %g s", TERMS, s);
  bed_free(&b);
}
END_TEST

Suite *graph_suite(void) {
  Suite *s = suite_create("graph");
  TCase *t = tcase_create("graph");
  tcase_add_test(t, axes_are_interned);
  tcase_add_test(t, sizes_have_bounds);
  tcase_add_test(t, quotients_are_rounded_down);
  tcase_add_test(t, equal_quotients_are_one);
  tcase_add_test(t, equal_nodes_are_one);
  tcase_add_test(t, operands_swap_only_where_axes_stay);
  tcase_add_test(t, first_maker_names_the_place);
  tcase_add_test(t, the_table_of_nodes_grows);
  tcase_add_test(t, sums_over_axes_that_are_lacking_count_them);
  tcase_add_test(t, inputs_and_parameters_are_registered);
  tcase_add_test(t, verifier_finds_what_is_wrong);
  tcase_add_loop_exit_test(t, breaches_of_shape_rules_are_bugs, 70, 0, BREACHES);
  tcase_add_test(t, graphs_are_printed_one_line_a_node);
  tcase_add_test(t, map_replaces_and_keeps_the_rest);
  tcase_add_test(t, map_goes_into_scans);
  tcase_add_test(t, deep_graphs_are_built_fast);
  tcase_add_test(t, long_sums_are_rewritten_fast);
  suite_add_tcase(s, t);
  return s;
}

// Products of pairs of bf16 by each unit that this processor has: operands in every order, sizes that are no multiple of anything.
// All numbers are small and whole, so that nothing is rounded and results are equal.
#include "tests/unit/kernels.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"

// By widening to f32, of 8 and 16 lanes; by dot products; by AMX.
static const char *const marches[] = {"x86-64-v3", "x86-64-v4", "znver4", "sapphirerapids"};
static const PairUnit units[] = {PAIRS_WIDENED, PAIRS_WIDENED, PAIRS_DOT, PAIRS_TILES};
static const int sizes[][3] = {{17, 100, 9}, {50, 64, 70}, {3, 7, 2},    {1, 1, 1},
                               {5, 33, 48},  {12, 64, 32}, {32, 32, 33}, {100, 416, 40}};
enum { FIRST_SIZES = 2 }; // the others with BIGSC_FULL=1
static int count_sizes(void) {
  return suites_full() ? COUNT(sizes) : FIRST_SIZES;
}

static bool is_here(int march) {
  Arena *a = arena_new();
  const Target *t = target_here(a, marches[march], TARGET_BF16);
  ck_assert(!t || t->pairs == units[march]);
  arena_free(a);
  return t;
}

static void make_whole(Bed *b) {
  double *x = b->data[b->n - 1];
  for (int64_t i = 0; i < b->size[b->n - 1]; i++)
    x[i] = (double)(int)(x[i] * 4);
}

static Node *given(PlanBed *t, Axis *const *ax, int n) {
  Node *x = bed_leaf(&t->b, DT_F32, ax, n, -1, 1);
  make_whole(&t->b);
  return x;
}

static Node *weight(PlanBed *t, const char *name, Axis *const *ax, int n) {
  Param *p = plan_bed_param(t, name, ax, n, -1, 1);
  make_whole(&t->b);
  return p->node;
}

typedef struct Sides {
  Axis *M, *K, *N, *B;
} Sides;

// Behind something that is stored as bf16.
static Node *stored(PlanBed *t, Node *x) {
  return g_unary(t->b.g, OP_ABS, x);
}

static void with_weights(PlanBed *t, const Sides *s) {
  Graph *g = t->b.g;
  Node *w = weight(t, "w", AX(s->K, s->N)), *back = weight(t, "v", AX(s->N, s->K));
  Node *x = given(t, AX(s->M, s->K)), *turned = given(t, AX(s->K, s->M));
  plan_bed_check1(t, g_contract(g, x, w, &s->K, 1), "rows and a weight");
  plan_bed_check1(t, g_contract(g, stored(t, x), back, &s->K, 1),
                  "rows and a weight the other way");
  plan_bed_check1(t, g_contract(g, stored(t, turned), w, &s->K, 1), "columns and a weight");
  Node *y = stored(t, g_contract(g, x, w, &s->K, 1)); // which bf16 may not hold
  t->tolerance = 1e-2;
  plan_bed_check1(t, g_contract(g, y, w, &s->N, 1), "through the weight and back");
  t->tolerance = 0;
}

static void of_values(PlanBed *t, const Sides *s) {
  Graph *g = t->b.g;
  Node *x = given(t, AX(s->B, s->M, s->K)), *y = given(t, AX(s->B, s->N, s->K)),
       *z = given(t, AX(s->B, s->K, s->N));
  plan_bed_check1(t, g_contract(g, stored(t, x), stored(t, y), &s->K, 1), "each row with each");
  plan_bed_check1(t, g_contract(g, stored(t, x), stored(t, z), &s->K, 1), "a batch of products");
  plan_bed_check1(t, g_contract(g, stored(t, x), stored(t, z), AX(s->B, s->K)),
                  "a sum over two axes");
  plan_bed_check1(t, g_contract(g, x, y, AX(s->B)), "a sum over the batch");
}

// The loss's gradients, of the weight a sum over rows; they are rounded.
static void gradients(PlanBed *t, const Sides *s) {
  Graph *g = t->b.g;
  Node *w = weight(t, "u", AX(s->K, s->N)), *x = given(t, AX(s->B, s->M, s->K));
  Output y = plan_bed_output(t, g_contract(g, stored(t, x), w, &s->K, 1));
  t->tolerance = 3e-2;
  plan_bed_check_gradients(t, &y, "gradients of a product");
  t->tolerance = 0;
}

START_TEST(products) {
  const int march = _i / count_sizes(), *n = sizes[_i % count_sizes()];
  if (!is_here(march))
    return;
  static void (*const f[])(PlanBed *, const Sides *) = {with_weights, of_values, gradients};
  for (int i = 0; i < COUNT(f); i++) {
    PlanBed t = plan_bed_new((uint64_t)_i);
    t.march = marches[march];
    t.bf16 = true;
    Sides s = {.M = bed_run_axis(&t.b, "M", n[0]), .B = bed_run_axis(&t.b, "B", 2)};
    s.K = bed_axis(&t.b, "K", n[1]);
    s.N = bed_axis(&t.b, "N", n[2]);
    f[i](&t, &s);
    plan_bed_free(&t);
  }
}
END_TEST

// Rows lie behind each other: what lies behind a row's last k may be no number, and stays out of its sums.
START_TEST(what_is_no_number_stays_in_its_row) {
  if (!is_here(_i))
    return;
  PlanBed t = plan_bed_new(1);
  t.march = marches[_i];
  t.bf16 = true;
  Axis *M = bed_run_axis(&t.b, "M", 40), *K = bed_axis(&t.b, "K", 35), *N = bed_axis(&t.b, "N", 5);
  Node *w = weight(&t, "w", AX(K, N)), *x = given(&t, AX(M, K));
  t.b.data[t.b.n - 1][8 * 35] = NAN;
  plan_bed_check1(&t, g_contract(t.b.g, stored(&t, x), w, &K, 1), "beside what is no number");
  plan_bed_free(&t);
}
END_TEST

Suite *pairs_suite(void) {
  Suite *s = suite_create("pairs");
  TCase *t = tcase_create("pairs");
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, products, 0, COUNT(marches) * count_sizes());
  tcase_add_loop_test(t, what_is_no_number_stays_in_its_row, 0, COUNT(marches));
  suite_add_tcase(s, t);
  return s;
}

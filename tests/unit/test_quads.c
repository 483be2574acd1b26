// Products of quads of int8 by each unit that this processor has, against the interpreter with operands rounded by the same rule,
// and against each other: sums are whole numbers, so all units give the same bits.
#include "base/int8.h"
#include "tests/unit/kernels.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

// By widening, of 8 and 16 lanes and of 4; by dot products, of 16 and 8; by AMX.
static const char *const marches[] = {"x86-64-v3",      "x86-64-v4", "x86-64-v2",
                                      "icelake-server", "alderlake", "sapphirerapids"};
static const QuadUnit units[] = {QUADS_WIDENED, QUADS_WIDENED, QUADS_WIDENED,
                                 QUADS_DOT,     QUADS_DOT,     QUADS_TILES};
static const int sizes[][3] = {
    {50, 70, 41}, {1, 64, 9}, {12, 129, 64}, {33, 16, 8}, {100, 416, 40}};
enum { FIRST_SIZES = 1 }; // the others with BIGSC_FULL=1
static int count_sizes(void) {
  return suites_full() ? COUNT(sizes) : FIRST_SIZES;
}

static bool is_here(int march) {
  Arena *a = arena_new();
  const Target *t = target_here(a, marches[march], TARGET_INT8);
  ck_assert(!t || t->quads == units[march]);
  arena_free(a);
  return t;
}

// Of what has a parameter on one side, all products.
static EvalForm rounded(void *ctx, const Node *n, int operand) {
  (void)ctx;
  if (n->op != OP_CONTRACT || operand < 0)
    return EVAL_WHOLE;
  return n->in[operand]->op == OP_PARAM ? EVAL_INT8 : EVAL_INT8_ROWS;
}

typedef struct QuadSides {
  Axis *M, *K, *N, *B;
} QuadSides;

static PlanBed bed_of(int march, int seed) {
  PlanBed t = plan_bed_new((uint64_t)seed);
  t.march = marches[march];
  t.int8 = true;
  t.tolerance = 1e-6;
  t.b.store = rounded;
  return t;
}

static Node *times(PlanBed *t, Node *x, Node *w, Axis *k) {
  return g_contract(t->b.g, x, w, &k, 1);
}

// Bits of the outputs of each check, one after the other.
static void products(PlanBed *t, const QuadSides *s, uint64_t *bits) {
  Graph *g = t->b.g;
  Node *w = plan_bed_param(t, "w", AX(s->K, s->N), -1, 1)->node,
       *back = plan_bed_param(t, "v", AX(s->N, s->K), -2, 2)->node,
       *gain = plan_bed_param(t, "u", AX(s->N), -1, 1)->node;
  Node *x = bed_leaf(&t->b, DT_F32, AX(s->B, s->M, s->K), -3, 1),
       *turned = bed_leaf(&t->b, DT_F32, AX(s->K, s->M), -1, 1);
  Output y[] = {
      plan_bed_output(t, times(t, x, w, s->K)),
      plan_bed_output(t, g_binary(g, OP_ADD, times(t, g_unary(g, OP_ABS, x), w, s->K), gain)),
      plan_bed_output(t, times(t, x, back, s->K)), plan_bed_output(t, times(t, turned, w, s->K))};
  for (int i = 0; i < COUNT(y); i++) {
    plan_bed_check(t, BIGS_ENTRY, &y[i], 1, "a product of quads");
    bits[i] = t->bits;
    // The weight lies as the product reads it: rows of quads and the product are all there is to do.
    ck_assert(i || t->steps == 2);
  }
}

START_TEST(units_agree) {
  uint64_t bits[COUNT(marches)][4];
  int first = -1;
  for (int m = 0; m < COUNT(marches); m++) {
    if (!is_here(m))
      continue;
    PlanBed t = bed_of(m, _i);
    const int *n = sizes[_i];
    QuadSides s = {.M = bed_run_axis(&t.b, "M", n[0]), .B = bed_run_axis(&t.b, "B", 2)};
    s.K = bed_axis(&t.b, "K", n[1]);
    s.N = bed_axis(&t.b, "N", n[2]);
    products(&t, &s, bits[m]);
    first = first < 0 ? m : first;
    ck_assert_msg(!memcmp(bits[m], bits[first], sizeof bits[m]), "%s and %s", marches[m],
                  marches[first]);
    plan_bed_free(&t);
  }
  ck_assert_int_ge(first, 0);
}
END_TEST

// What base/int8.h says of numbers: rounding again changes nothing, whatever the scale.
START_TEST(rounded_once_and_for_all) {
  Bed b = bed_new(3);
  for (int i = 0; i < 2000; i++) {
    float x[5], most = 0;
    for (int k = 0; k < COUNT(x); k++) {
      x[k] = (float)ldexp(bed_uniform(&b, -1, 1), i % 210 - 90);
      most = fmaxf(most, fabsf(x[k]));
    }
    float scale = int8_scale(int8_bits(most)), inverse = int8_inverse(int8_bits(most)), again = 0;
    int8_t q[COUNT(x)];
    for (int k = 0; k < COUNT(x); k++) {
      q[k] = int8_round(x[k], inverse);
      ck_assert(fabs((double)x[k] - (double)q[k] * (double)scale) <= 0.50001 * (double)scale);
      x[k] = (float)q[k] * scale;
      ck_assert((double)x[k] == (double)q[k] * (double)scale);
      again = fmaxf(again, fabsf(x[k]));
    }
    ck_assert(int8_scale(int8_bits(again)) == scale);
    for (int k = 0; k < COUNT(x); k++)
      ck_assert_int_eq(int8_round(x[k], int8_inverse(int8_bits(again))), q[k]);
  }
  bed_free(&b);
}
END_TEST

// From its least number to its largest a row of activations takes no more steps than a byte has.
START_TEST(rows_take_a_byte) {
  Bed b = bed_new(4);
  for (int i = 0; i < 2000; i++) {
    float above = (float)ldexp(bed_uniform(&b, 0, 1), i % 200 - 90),
          below = (float)bed_uniform(&b, 0, 3) * above;
    uint32_t most = int8_middle(int8_bits(above), int8_bits(below));
    float inverse = int8_inverse(most), scale = int8_scale(most);
    int32_t up = int8_steps(above, inverse), down = int8_steps(-below, inverse);
    ck_assert(up - down >= 253 && up - down <= 255);
    ck_assert(fabs((double)above - up * (double)scale) <= 0.50001 * (double)scale);
    ck_assert(fabs((double)below + down * (double)scale) <= 0.50001 * (double)scale);
  }
  ck_assert(isnan(int8_scale(int8_middle(int8_bits(NAN), 0))));
  ck_assert(isnan(int8_scale(int8_middle(int8_bits(INFINITY), int8_bits(INFINITY)))));
  bed_free(&b);
}
END_TEST

START_TEST(rows_that_have_no_scale) {
  ck_assert(int8_scale(0) == 0 && int8_inverse(0) == 0 && !int8_round(0, 0));
  ck_assert(int8_scale(INT8_LEAST - 1) == 0 && int8_scale(INT8_LEAST) > 0);
  ck_assert(isnan(int8_scale(INT8_MOST)) && isfinite(int8_scale(INT8_MOST - 1)));
  ck_assert(isnan(int8_scale(int8_magnitude(-INFINITY))) && isnan(int8_scale(int8_magnitude(NAN))));
  ck_assert_int_eq(int8_round(NAN, 0), 0);
}
END_TEST

// What is no number is none in all of its row, or column, and nowhere else; rows of zeros, and of -0, give zeros.
START_TEST(what_is_no_number_stays_in_its_row) {
  if (!is_here(_i))
    return;
  PlanBed t = bed_of(_i, 1);
  Axis *M = bed_run_axis(&t.b, "M", 40), *K = bed_axis(&t.b, "K", 35), *N = bed_axis(&t.b, "N", 40);
  Node *w = plan_bed_param(&t, "w", AX(K, N), -1, 1)->node,
       *x = bed_leaf(&t.b, DT_F32, AX(M, K), -1, 1);
  double *rows = t.b.data[t.b.n - 1], *columns = t.b.data[t.b.n - 2];
  rows[8 * 35 + 3] = NAN;
  rows[9 * 35] = -INFINITY;
  columns[5 * 40 + 7] = INFINITY;
  for (int k = 0; k < 35; k++)
    rows[11 * 35 + k] = k % 2 ? -0.0 : 0, columns[k * 40 + 30] = 0;
  Output y = plan_bed_output(&t, times(&t, x, w, K));
  plan_bed_check(&t, BIGS_ENTRY, &y, 1, "beside what is no number");
  plan_bed_free(&t);
}
END_TEST

Suite *quads_suite(void) {
  Suite *s = suite_create("quads");
  TCase *t = tcase_create("quads");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, rounded_once_and_for_all);
  tcase_add_test(t, rows_take_a_byte);
  tcase_add_test(t, rows_that_have_no_scale);
  tcase_add_loop_test(t, units_agree, 0, count_sizes());
  tcase_add_loop_test(t, what_is_no_number_stays_in_its_row, 0, COUNT(marches));
  suite_add_tcase(s, t);
  return s;
}

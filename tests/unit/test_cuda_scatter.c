// Scatter-add by sorted ids, as CUDA kernels on the shim, against the interpreter: numbers of ids that no chunk, slot or
// group divides, tables of one row to many, ids that are all the same or all different.
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <string.h>

static CudaBed cuda;

// ---- ids

typedef int64_t IdFn(int64_t i, int64_t rows, uint64_t *seed);

static int64_t same_id(int64_t i, int64_t rows, uint64_t *seed) {
  (void)i, (void)seed;
  return rows * 2 / 3;
}

static int64_t other_id(int64_t i, int64_t rows, uint64_t *seed) {
  (void)seed;
  return (rows - 1 - i % rows + rows) % rows;
}

// Half of them one id, the others any.
static int64_t mixed_id(int64_t i, int64_t rows, uint64_t *seed) {
  uint64_t r = test_random(seed);
  (void)i;
  return r % 2 ? rows / 2 : (int64_t)(r / 2 % (uint64_t)rows);
}

static IdFn *const id_kinds[] = {same_id, other_id, mixed_id};

static Node *ids_of(PlanBed *t, Axis *const *ax, int nax, int64_t rows, IdFn *kind) {
  Node *ids = bed_leaf(&t->b, DT_I32, ax, nax, 0, 1);
  uint64_t seed = 5;
  for (int64_t i = 0; i < t->b.size[t->b.n - 1]; i++)
    t->b.data[t->b.n - 1][i] = (double)kind(i, rows, &seed);
  return ids;
}

// ---- shapes

typedef struct ScatterCase {
  int64_t n, rows, width; // ids, of how many rows, of how many columns
  int kind;
} ScatterCase;

static const ScatterCase shapes[] = {
    {1, 1, 33, 0},       {7, 1, 33, 1},      {129, 5, 33, 2},     {3000, 5, 33, 0},
    {3000, 5, 33, 1},    {3000, 1, 33, 0},   {1, 30522, 7, 2},    {3000, 30522, 7, 1},
    {3000, 30522, 7, 0}, {129, 30522, 7, 2}, {3000, 300, 130, 2}, {513, 300, 130, 0},
    {257, 300, 1, 2},    {17000, 300, 1, 2},
};

static void check_shape(const ScatterCase *x) {
  PlanBed t = plan_bed_new((uint64_t)x->n);
  Bed *b = &t.b;
  t.code = &cuda.code;
  Axis *L = bed_run_axis(b, "L", x->n), *V = bed_axis(b, "V", x->rows),
       *H = bed_axis(b, "H", x->width);
  Node *ids = ids_of(&t, &L, 1, x->rows, id_kinds[x->kind]);
  Node *src = bed_leaf(b, DT_F32, (Axis *[]){L, H}, 2, -1, 1);
  plan_bed_check1(&t, g_scatter(b->g, ids, src, V, &H, 1), "scatter");
  plan_bed_free(&t);
}

START_TEST(sums_of_rows) {
  check_shape(&shapes[_i]);
}
END_TEST

// ---- other forms

static Node *plus(PlanBed *t, Node *x, Node *y) {
  return g_binary(t->b.g, OP_ADD, x, y);
}

typedef void FormFn(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind);

static void onto_what_is_there(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind) {
  Param *w = plan_bed_param(t, "table", (Axis *[]){V, H}, 2, -1, 1);
  Node *ids = ids_of(t, (Axis *[]){B, L}, 2, 40, kind);
  Node *src = bed_leaf(&t->b, DT_F32, (Axis *[]){L, B, H}, 3, -1, 1);
  Node *y = plus(t, g_unary(t->b.g, OP_TANH, w->node),
                 g_scatter(t->b.g, ids, g_unary(t->b.g, OP_TANH, src), V, &H, 1));
  plan_bed_check1(t, y, "scatter onto a value");
}

static void a_table_for_each_batch(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind) {
  Node *ids = ids_of(t, (Axis *[]){L, B}, 2, 40, kind);
  Node *src = bed_leaf(&t->b, DT_F32, (Axis *[]){B, L, H}, 3, -1, 1);
  plan_bed_check1(t, g_scatter(t->b.g, ids, src, V, (Axis *[]){B, H}, 2), "scatter of batches");
}

static void numbers(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind) {
  static const DType all[] = {DT_F32, DT_F64, DT_I32, DT_BF16};
  Node *ids = ids_of(t, (Axis *[]){B, L}, 2, 40, kind);
  (void)H;
  for (int i = 0; i < COUNT(all); i++) {
    Node *src = bed_leaf(&t->b, all[i], (Axis *[]){B, L}, 2, -9, 9);
    plan_bed_check1(t, g_scatter(t->b.g, ids, src, V, NULL, 0), "scatter of numbers");
  }
  plan_bed_check1(t, g_scatter(t->b.g, ids, g_const(t->b.g, DT_F32, 1), V, NULL, 0), "counts");
}

static void two_columns(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind) {
  Axis *D = bed_axis(&t->b, "D", 3), *order[] = {H, V, D};
  Node *ids = ids_of(t, &L, 1, 40, kind);
  Node *src = bed_leaf(&t->b, DT_F64, (Axis *[]){D, B, H, L}, 4, -1, 1);
  Node *y = g_scatter(t->b.g, ids, src, V, (Axis *[]){D, H}, 2);
  plan_bed_check_order(t, y, order, 3, "scatter of matrices");
}

// The place along V is also where the summand comes from.
static void by_position(PlanBed *t, Axis *B, Axis *L, Axis *V, Axis *H, IdFn *kind) {
  Node *ids = ids_of(t, (Axis *[]){L, V}, 2, 40, kind);
  Node *src = bed_leaf(&t->b, DT_F32, (Axis *[]){V, H}, 2, -1, 1);
  (void)B;
  plan_bed_check1(t, g_scatter(t->b.g, ids, src, V, &H, 1), "scatter of its own axis");
}

static FormFn *const forms[] = {onto_what_is_there, a_table_for_each_batch, numbers, two_columns,
                                by_position};

static void check_form(FormFn *f, int64_t length, IdFn *kind) {
  PlanBed t = plan_bed_new(7);
  t.code = &cuda.code;
  f(&t, bed_run_axis(&t.b, "B", 3), bed_run_axis(&t.b, "L", length), bed_axis(&t.b, "V", 40),
    bed_axis(&t.b, "H", 9), kind);
  plan_bed_free(&t);
}

START_TEST(forms_of_scatter) {
  check_form(forms[_i % COUNT(forms)], _i < COUNT(forms) ? 3 : 307, id_kinds[_i / COUNT(forms)]);
}
END_TEST

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = 0; i < COUNT(shapes); i++)
    check_shape(&shapes[i]);
  for (int i = 0; i < COUNT(forms); i++)
    check_form(forms[i], 3, same_id);
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

Suite *cuda_scatter_suite(void) {
  Suite *s = suite_create("cuda_scatter");
  TCase *t = tcase_create("cuda_scatter");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda_scatter"))
    return s;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, sums_of_rows, 0, COUNT(shapes));
  tcase_add_loop_test(t, forms_of_scatter, 0, COUNT(forms) * COUNT(id_kinds));
  return s;
}

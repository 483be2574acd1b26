// Kernels printed as CUDA C++, on the shim: every row of the op table against the interpreter as in test_code.c, and
// sizes that no warp divides.
#include "codegen/cuda/cuda.h"
#include "runtime/exec/device.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/cuda_kernels.h"
#include "tests/unit/op_code.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static CudaBed cuda;

// ---- the op table

// Which axes the operands of a pointwise op have makes no difference to its text: each op and dtype has another of these
// instances, and all of them with BIGSC_FULL=1.  So have long loops, which take long to compile.
static bool takes_turns(int op) {
  bool pointwise = (op_flags(op) & F_POINTWISE) && op != OP_CAST && op != OP_SELECT;
  return (pointwise || op == OP_ARGSORT || op == OP_CUMSUM) && !suites_full();
}

static void check_op(int op) {
  static const DType reals[] = {DT_F32, DT_F64, DT_BF16};
  const PlanBed like = {.code = &cuda.code};
  for (int i = 0; i < COUNT(reals); i++)
    if (takes_turns(op))
      op_code_check_turn(op, op + i, reals[i], !i, &like);
    else
      op_code_check(op, reals[i], !i, &like);
}

START_TEST(op_is_printed_as_it_is_interpreted) {
  check_op(_i);
}
END_TEST

// ---- sizes

static void check_sizes(int64_t size, void (*f)(PlanBed *, Axis *, Axis *)) {
  PlanBed t = plan_bed_new((uint64_t)size);
  t.code = &cuda.code;
  Axis *l = bed_run_axis(&t.b, "L", size), *h = bed_axis(&t.b, "H", 33);
  f(&t, l, h);
  plan_bed_free(&t);
}

static Node *exponent(Graph *g, Node *x, Axis *a) {
  return g_unary(g, OP_EXP, g_binary(g, OP_SUB, x, g_reduce(g, OP_RMAX, x, &a, 1)));
}

static void softmax(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  Node *x = bed_leaf(&t->b, DT_F32, (Axis *[]){h, l}, 2, -2, 2);
  for (int i = 0; i < 2; i++) {
    Axis *a = i ? l : h;
    Node *e = exponent(g, x, a);
    plan_bed_check1(t, g_binary(g, OP_DIV, e, g_reduce(g, OP_SUM, e, &a, 1)), "softmax");
  }
}

static void sums(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  Axis *both[] = {l, h};
  Node *x = bed_leaf(&t->b, DT_F32, both, 2, -2, 2);
  plan_bed_check1(t, g_reduce(g, OP_SUM, x, both, 2), "sum of all");
  plan_bed_check1(t, g_reduce(g, OP_SUM, x, &l, 1), "sums of columns");
  plan_bed_check1(t, g_reduce(g, OP_RMIN, x, &h, 1), "least of rows");
  plan_bed_check1(t, g_random(g, 5, both, 2), "random numbers");
}

static void products(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  Axis *n = bed_axis(&t->b, "N", 129), *m = graph_axis(g, "M", 1, l->extent);
  Node *x = bed_leaf(&t->b, DT_F32, (Axis *[]){l, h}, 2, -2, 2);
  Node *w = bed_leaf(&t->b, DT_F32, (Axis *[]){h, n}, 2, -2, 2);
  Node *y = bed_leaf(&t->b, DT_F32, (Axis *[]){l, n}, 2, -2, 2);
  Node *z = bed_leaf(&t->b, DT_F32, (Axis *[]){m, h}, 2, -2, 2);
  plan_bed_check1(t, g_unary(g, OP_TANH, g_contract(g, x, w, &h, 1)), "rows of L");
  plan_bed_check1(t, g_contract(g, x, y, &l, 1), "over L");
  plan_bed_check1(t, g_contract(g, x, z, &h, 1), "L by L");
}

// Slices that are empty where L is 1, as they are read and as they are stored.
static void shifts(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  Poly one = poly_const(1), zero = poly_const(0);
  Axis *n = bed_axis(&t->b, "N", 65), *rest = graph_axis(g, "S", 1, poly_sub(l->extent, one)),
       *first = graph_axis(g, "F", 1, one);
  Node *x = bed_leaf(&t->b, DT_F32, (Axis *[]){l, h}, 2, -2, 2);
  Node *w = bed_leaf(&t->b, DT_F32, (Axis *[]){h, n}, 2, -2, 2);
  Node *behind = g_slice(g, x, l, one, l->extent, rest), *product = g_contract(g, behind, w, &h, 1);
  plan_bed_check1(t, g_pad(g, g_slice(g, x, l, zero, rest->extent, rest), rest, one, l), "a shift");
  plan_bed_check1(t,
                  g_concat(g, (Node *[]){behind, g_slice(g, x, l, zero, one, first)},
                           (Axis *[]){rest, first}, 2, l),
                  "a rotation");
  plan_bed_check1(t, g_pad(g, g_unary(g, OP_TANH, product), rest, one, l), "rows of a slice");
  plan_bed_check1(t, g_reduce(g, OP_SUM, product, &rest, 1), "sums of a slice");
  Poly half, up = poly_add(l->extent, one);
  ck_assert(size_quotient(&g->syms, g->arena, g->intern, &up, 2, MAX_SYMS, &half));
  sizes_complete(&g->syms, t->b.syms);
  Axis *halved = graph_axis(g, "Half", 0, half);
  plan_bed_check1(t, g_contract(g, g_slice(g, x, l, zero, half, halved), w, &h, 1),
                  "half of the rows");
  Poly count = poly_mul(h->extent, rest->extent);
  Axis *flat = graph_axis(g, "R", 1, count), *more = graph_axis(g, "W", 1, poly_add(count, one));
  Node *merged = g_merge(g, behind, (Axis *[]){h, rest}, 2, flat);
  plan_bed_check1(t, g_pad(g, g_flip(g, merged, &flat, 1), flat, one, more), "a merged slice");
}

// Of bf16, which a tile reads as it is: behind names and conversions, beside f32, and with a result of bf16.
static void products_of_bf16(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  Axis *n = bed_axis(&t->b, "N", 129), *m = graph_axis(g, "M", 1, l->extent);
  Node *x = bed_leaf(&t->b, DT_BF16, (Axis *[]){l, h}, 2, -2, 2), *wide = g_cast(g, x, DT_F32);
  Node *w = bed_leaf(&t->b, DT_BF16, (Axis *[]){h, n}, 2, -2, 2);
  Node *y = bed_leaf(&t->b, DT_F32, (Axis *[]){h, n}, 2, -2, 2);
  Node *product[] = {g_contract(g, wide, g_cast(g, w, DT_F32), &h, 1),
                     g_contract(g, wide, g_rename(g, wide, &l, &m, 1), &h, 1),
                     g_unary(g, OP_TANH, g_contract(g, y, wide, &h, 1)),
                     g_contract(g, x, w, &h, 1)};
  for (int i = 0; i < 2 * COUNT(product); i++) {
    t->no_fuse = i & 1;
    plan_bed_check1(t, product[i / 2], "a product of bf16");
    ck_assert_msg(t->no_fuse || t->steps == 1, "product %d: an operand is copied first", i / 2);
  }
}

// A k whose sum has runs, in float32 and in float64.
static void long_products(PlanBed *t, Axis *l, Axis *h) {
  Graph *g = t->b.g;
  for (int i = 0; i < 2; i++) {
    Axis *k = bed_axis(&t->b, i ? "K" : "J", i ? 3100 : 300);
    Node *x = bed_leaf(&t->b, DT_F32, (Axis *[]){l, k}, 2, -2, 2);
    Node *w = bed_leaf(&t->b, DT_F32, (Axis *[]){k, h}, 2, -2, 2);
    plan_bed_check1(t, g_contract(g, x, w, &k, 1), "a long sum");
  }
}

static Node *mean(Graph *g, Node *x, Axis *a, double n) {
  return g_binary(g, OP_DIV, g_reduce(g, OP_SUM, x, &a, 1), g_const(g, x->dtype, n));
}

// Norms of rows so short and so long that lanes have from one element to many, and of no multiples.
static void norms(PlanBed *t, Axis *l, Axis *h) {
  static const int width[] = {64, 250, 256, 1001, 2050};
  static const DType dtype[] = {DT_F32, DT_BF16, DT_F64};
  Graph *g = t->b.g;
  for (int i = 0; i < COUNT(width) * COUNT(dtype); i++) {
    int n = width[i / COUNT(dtype)];
    DType d = dtype[i % COUNT(dtype)];
    Axis *w = bed_axis(&t->b, "W", n);
    Node *x = bed_leaf(&t->b, d, (Axis *[]){l, w}, 2, -2, 2), *b = bed_leaf(&t->b, d, &w, 1, -2, 2);
    Node *off = g_binary(g, OP_SUB, x, mean(g, x, w, n));
    Node *square = mean(g, g_binary(g, OP_MUL, off, off), w, n);
    plan_bed_check1(t, g_binary(g, OP_MUL, g_binary(g, OP_DIV, off, square), b), "norm");
  }
  (void)h;
}

// Softmax over so many columns that a block does a row; of the last, more than stay in registers.
static void long_rows(PlanBed *t, Axis *l, Axis *h) {
  static const int width[] = {9001, 33000};
  Graph *g = t->b.g;
  for (int i = 0; i < COUNT(width); i++) {
    Axis *a = bed_axis(&t->b, "V", width[i]);
    Node *e = exponent(g, bed_leaf(&t->b, DT_F32, (Axis *[]){l, a}, 2, -2, 2), a);
    plan_bed_check1(t, g_binary(g, OP_DIV, e, g_reduce(g, OP_SUM, e, &a, 1)), "a long row");
  }
  (void)h;
}

static void (*const sized[])(PlanBed *, Axis *, Axis *) = {
    softmax, sums, products, products_of_bf16, long_products, norms, shifts, long_rows};
static const int64_t sizes[] = {1, 7, 33, 65, 129};

START_TEST(sizes_that_no_warp_divides) {
  int64_t size = sizes[_i % COUNT(sizes)];
  void (*check)(PlanBed *, Axis *, Axis *) = sized[_i / COUNT(sizes)];
  if (check != long_rows || size <= 7)
    check_sizes(size, check);
}
END_TEST

// ---- by hand

static HandData *hand_data(int n) {
  HandData *d = calloc(1, sizeof *d);
  uint64_t seed = (uint64_t)n;
  for (int i = 0; i < COUNT(d->x); i++)
    d->x[i] = test_uniform(&seed);
  for (int i = 0; i < HAND_MAX; i++)
    d->id[i] = (int32_t)(test_random(&seed) % 8);
  return d;
}

static bool run_hand(CudaBed *bed, const HandKernel *h, int n, int order, HandData *d) {
  KernelRun r = {.arena = arena_new(), .arg = {d->x, d->id, d->y, d->z}, .sym = {n}};
  const LKernel *k = hand_kernel(r.arena, h);
  ck_assert_msg((cuda_form(k).tasks == 1) == h->block, "%s: another form", h->name);
  bool ran = cuda_bed_run(bed, &r, k, order);
  arena_free(r.arena);
  return ran;
}

static void check_near(const HandKernel *h, int n, const HandData *got, const HandData *want) {
  for (int i = 0; i < HAND_OUT; i++)
    ck_assert_msg(fabsf(got->y[i] - want->y[i]) <= 2e-5f * (1 + fabsf(want->y[i])),
                  "%s of %d: y[%d] is %.9g, not %.9g", h->name, n, i, (double)got->y[i],
                  (double)want->y[i]);
  for (int i = 0; i < COUNT(got->z); i++)
    ck_assert_msg(got->z[i] == want->z[i], "%s of %d: z[%d] is %d, not %d", h->name, n, i,
                  got->z[i], want->z[i]);
}

static void check_hand(const HandKernel *h, int n) {
  HandData *want = hand_data(n), *first = NULL;
  h->want(want, n);
  for (int order = 0; order < cuda.code.runs; order++) {
    HandData *got = hand_data(n);
    ck_assert(run_hand(&cuda, h, n, order, got));
    check_near(h, n, got, want);
    ck_assert_msg(!first || !memcmp(first, got, sizeof *got), "%s of %d: other bits in order %d",
                  h->name, n, order);
    free(order ? got : NULL);
    first = order ? first : got;
  }
  free(first);
  free(want);
}

START_TEST(kernels_by_hand) {
  for (int i = 0; i < COUNT(sizes); i++)
    check_hand(&hand_kernels[_i], (int)sizes[i]);
}
END_TEST

// ---- what the host would decide

typedef struct Deciding {
  float loss;
  double clip, sum[4];
} Deciding;
static const Deciding deciding[] = {{1, 1, {0.25, 0.5, 1e-17, 3}},
                                    {-2.5f, 0, {1e300, 1, 2, 3}},
                                    {3e38f, 1e9, {0.1, 0.2, 0.3, 0.7}},
                                    {0, 0.3, {1, 1e-16, 1e-16, 1e-16}},
                                    {NAN, 1, {1, 2, 3, 4}},
                                    {-INFINITY, 1, {1, 2, 3, 4}},
                                    {1, 1, {1, INFINITY, 3, 4}},
                                    {1, 1, {1, 2, NAN, 4}},
                                    {0, 1, {1e308, 1e308, 1e308, 0}}};

static void decide_here(const Deciding *d, int n, uint64_t *out) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += d->sum[i];
  double norm = sqrt(sum);
  float scale = d->clip > 0 && norm > d->clip ? (float)(d->clip / norm) : 1;
  memset(out, 0, VERDICT_WORDS * sizeof *out);
  memcpy(&out[VERDICT_SCALE], &scale, sizeof scale);
  out[VERDICT_GO] = isfinite(d->loss) && isfinite(norm);
  memcpy(&out[VERDICT_LOSS], &d->loss, sizeof d->loss);
  memcpy(&out[VERDICT_NORM], &norm, sizeof norm);
}

// To the bit, for any number of ranges.
START_TEST(a_step_is_decided_as_by_the_host) {
  const Deciding *d = &deciding[_i];
  for (int i = 0; i < 5 * cuda.code.runs; i++) {
    uint64_t want[VERDICT_WORDS], got[VERDICT_WORDS] = {0};
    int n = i % 5;
    decide_here(d, n, want);
    uint64_t frame[] = {(uintptr_t)&d->loss, (uintptr_t)d->sum, (uint64_t)n, (uintptr_t)&d->clip,
                        (uintptr_t)got};
    cuda_bed_launch(&cuda, "bg_decide", 32, frame, COUNT(frame), i / 5);
    ck_assert_int_eq(memcmp(got, want, VERDICT_NORM * sizeof *got), 0);
    double a, b;
    memcpy(&a, &got[VERDICT_NORM], sizeof a);
    memcpy(&b, &want[VERDICT_NORM], sizeof b);
    ck_assert(a == b || (isnan(a) && isnan(b)));
  }
}
END_TEST

// ---- a barrier too few

static bool is_right(CudaBed *bed, const HandKernel *h, int n, int order, const HandData *want) {
  HandData *got = hand_data(n);
  bool right = run_hand(bed, h, n, order, got);
  for (int i = 0; i < HAND_OUT; i++)
    right &= fabsf(got->y[i] - want->y[i]) <= 2e-5f * (1 + fabsf(want->y[i]));
  free(got);
  return right;
}

// Of the right code all orders are right: kernels_by_hand.
static bool is_noticed(CudaBed *bed, const HandKernel *h, int n) {
  HandData *want = hand_data(n);
  bool noticed = false;
  h->want(want, n);
  for (int order = 0; order < bed->code.runs; order++)
    noticed |= !is_right(bed, h, n, order, want);
  free(want);
  return noticed;
}

enum {
  ROW_BARRIERS = 2,
  TILE_BARRIERS = 4,
  BARRIERS = TILE_BARRIERS + 1
}; // of a product with sums of columns

// A negative barrier is of the sums of a block, from -ROW_BARRIERS on.
static bool leave_out(CudaBed *bed, int barrier) {
  if (barrier < 0)
    return cuda_bed_unsync(bed, "BG_FN T bg_of_warp(", barrier + ROW_BARRIERS);
  return barrier < TILE_BARRIERS ? cuda_bed_unsync(bed, "BG_FN void bg_tile(", barrier)
                                 : cuda_bed_unsync(bed, "bg_tile<", barrier - TILE_BARRIERS);
}

static void check_barrier(const char *name, int barrier, bool there) {
  CudaBed bed;
  const HandKernel *h = hand_kernels;
  HandData *none = hand_data(1);
  while (strcmp(h->name, name))
    h++;
  cuda_bed_collect(&bed);
  run_hand(&bed, h, 1, 0, none);
  free(none);
  ck_assert_int_eq(leave_out(&bed, barrier), there);
  cuda_bed_compile(&bed);
  ck_assert_int_eq(is_noticed(&bed, h, 129), there);
  cuda_bed_free(&bed);
}

START_TEST(a_barrier_too_few_is_noticed) {
  check_barrier("rows backwards", _i, _i < BARRIERS);
}
END_TEST

START_TEST(a_barrier_too_few_in_a_sum_is_noticed) {
  check_barrier("row of 1030", _i - ROW_BARRIERS, true);
}
END_TEST

START_TEST(a_barrier_too_few_before_diagonals_is_noticed) {
  check_barrier("diagonals by blocks", _i, _i < TILE_BARRIERS);
}
END_TEST

// ---- all kernels in one compilation

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int op = 0; op < OP_COUNT; op++)
    check_op(op);
  for (int i = 0; i < COUNT(sized); i++)
    check_sizes(sizes[0], sized[i]);
  HandData *none = hand_data(1);
  for (int i = 0; i < hand_count; i++)
    run_hand(&cuda, &hand_kernels[i], 1, 0, none);
  free(none);
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

Suite *cuda_suite(void) {
  Suite *s = suite_create("cuda");
  TCase *t = tcase_create("cuda");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda"))
    return s;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, op_is_printed_as_it_is_interpreted, 0, OP_COUNT);
  tcase_add_loop_test(t, sizes_that_no_warp_divides, 0, COUNT(sized) * COUNT(sizes));
  tcase_add_loop_test(t, kernels_by_hand, 0, hand_count);
  tcase_add_loop_test(t, a_step_is_decided_as_by_the_host, 0, COUNT(deciding));
  // each is a compilation of its own
  bool full = suites_full();
  tcase_add_loop_test(t, a_barrier_too_few_is_noticed, full ? 0 : BARRIERS - 1, BARRIERS + 1);
  tcase_add_loop_test(t, a_barrier_too_few_in_a_sum_is_noticed, 0, full ? ROW_BARRIERS : 1);
  tcase_add_loop_test(t, a_barrier_too_few_before_diagonals_is_noticed, 0, full ? BARRIERS : 1);
  return s;
}

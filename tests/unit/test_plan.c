// The planner: every family of kernels against the interpreter, through the JIT.
#include "tests/unit/plan_nodes.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdio.h>

static PlanBed bed(int i) {
  PlanBed t = plan_bed_new((uint64_t)i + 1);
  t.no_fuse = i % 2;
  return t;
}

static Node *mean(PlanBed *t, Node *x, Axis *a) {
  Node *n = g_extent(t->b.g, DT_F32, a->extent);
  return g_binary(t->b.g, OP_DIV, g_reduce(t->b.g, OP_SUM, x, &a, 1), n);
}

static Node *layer_norm(PlanBed *t, Node *x, Axis *a, Node *gain, Node *bias) {
  Graph *g = t->b.g;
  Node *d = g_binary(g, OP_SUB, x, mean(t, x, a));
  Node *s = g_unary(g, OP_SQRT, add(t, mean(t, mul(t, d, d), a), num(t, 1e-5)));
  return add(t, mul(t, g_binary(g, OP_DIV, d, s), gain), bias);
}

static Node *softmax(PlanBed *t, Node *x, Axis *a) {
  Graph *g = t->b.g;
  Node *e = g_unary(g, OP_EXP, g_binary(g, OP_SUB, x, g_reduce(g, OP_RMAX, x, &a, 1)));
  return g_binary(g, OP_DIV, e, g_reduce(g, OP_SUM, e, &a, 1));
}

// ---- pointwise and index maps
START_TEST(maps) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 5), *H = bed_axis(b, "H", 24);
  Node *x = input(&t, AX(B, L, H)), *y = input(&t, AX(L, H)), *z = input(&t, AX(B));
  plan_bed_check1(&t, add(&t, mul(&t, x, y), z), "axes by name");
  plan_bed_check_order(&t, add(&t, x, y), AX(H, B, L), "another order of the output");
  plan_bed_check_order(&t, z, AX(B, L), "constant along an axis of the output");
  plan_bed_check1(&t, gelu(&t, add(&t, x, y)), "gelu");
  Node *s = g_const(b->g, DT_F32, 2);
  plan_bed_check1(&t, add(&t, s, g_extent(b->g, DT_F32, L->extent)), "scalars");
  plan_bed_check1(&t, x, "an input as it is");
  Node *r = g_random(b->g, 99, AX(L, B, H));
  plan_bed_check1(&t, g_select(b->g, g_binary(b->g, OP_LT, r, num(&t, 0.3)), num(&t, 0), x),
                  "dropout");
  plan_bed_free(&t);
}
END_TEST

START_TEST(dtypes) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *L = bed_run_axis(b, "L", 37), *H = bed_axis(b, "H", 24), *F = bed_axis(b, "F", 9);
  Node *x = bed_leaf(b, DT_F64, AX(L, H), -1, 1), *i = bed_leaf(b, DT_I32, AX(L, H), -9, 9);
  Node *f = input(&t, AX(L, H)), *m = bed_leaf(b, DT_BOOL, &L, 1, 0, 1),
       *w = bed_leaf(b, DT_F64, AX(H, F), -1, 1);
  plan_bed_check1(&t, g_unary(g, OP_SIN, x), "f64");
  plan_bed_check1(&t, g_contract(g, x, w, &H, 1), "f64 matrix product");
  plan_bed_check1(&t, g_binary(g, OP_MUL, i, i), "i32");
  plan_bed_check1(&t, g_reduce(g, OP_SUM, i, AX(L, H)), "i32 sum");
  plan_bed_check1(&t, g_cast(g, i, DT_F32), "i32 to f32");
  plan_bed_check1(&t, g_binary(g, OP_LT, f, g_cast(g, x, DT_F32)), "bool");
  plan_bed_check1(&t, g_unary(g, OP_NOT, m), "not");
  plan_bed_check1(&t, g_select(g, m, f, num(&t, -1e9)), "masked");
  t.tolerance = 1e-2; // the interpreter does not round
  plan_bed_check1(&t, g_cast(g, g_cast(g, f, DT_BF16), DT_F32), "through bf16");
  t.tolerance = 0;
  plan_bed_check1(&t, g_cast(g, f, DT_BF16), "stored as bf16");
  Node *h = bed_leaf(b, DT_BF16, AX(L, H), -1, 1);
  for (int64_t k = 0; k < b->size[b->n - 1]; k++)
    b->data[b->n - 1][k] = (double)(int)(b->data[b->n - 1][k] * 64) / 64;
  plan_bed_check1(&t, g_binary(g, OP_ADD, h, h), "bf16");
  plan_bed_check1(&t, g_reduce(g, OP_SUM, g_cast(g, h, DT_F32), &H, 1), "sum of bf16");
  plan_bed_free(&t);
}
END_TEST

// bf16 values on the way to others: the bits do not depend on whether they are stored.
static uint64_t bits_of_bf16(int which, bool no_fuse) {
  PlanBed t = plan_bed_new(5);
  t.no_fuse = no_fuse;
  t.tolerance = 0.1; // the interpreter does not round
  t.least = 1;
  Graph *g = t.b.g;
  Axis *L = bed_run_axis(&t.b, "L", 37), *H = bed_axis(&t.b, "H", 24);
  Node *x = input(&t, AX(L, H)), *y = input(&t, AX(L, H)), *h = g_cast(g, x, DT_BF16);
  Node *most = g_cast(g, g_reduce(g, OP_RMAX, h, &H, 1), DT_F32);
  Node *value[] = {h, g_binary(g, OP_ADD, h, g_cast(g, y, DT_BF16)), g_binary(g, OP_MUL, h, h),
                   g_unary(g, OP_EXP, h), g_cast(g, g_unary(g, OP_EXP, x), DT_BF16)};
  Node *f = which < 5 ? g_cast(g, value[which], DT_F32) : most;
  plan_bed_check1(&t, g_binary(g, OP_SUB, f, x), "bf16 in the middle");
  uint64_t bits = t.bits;
  plan_bed_free(&t);
  return bits;
}
START_TEST(bf16_is_rounded_everywhere) {
  ck_assert(bits_of_bf16(_i, false) == bits_of_bf16(_i, true));
}
END_TEST

START_TEST(index_maps) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 5), *H = bed_axis(b, "H", 24);
  Axis *A = bed_axis(b, "A", 4), *D = bed_axis(b, "D", 6), *S = bed_run_axis(b, "L", 5),
       *W = bed_axis(b, "W", 7);
  S = graph_axis(g, "S", 0, L->extent);
  Axis *T = graph_axis(g, "T", 0, poly_mul(B->extent, L->extent));
  Node *x = input(&t, AX(B, L, H)), *y = input(&t, AX(B, L, A, D));
  plan_bed_check1(&t, add(&t, g_split(g, x, H, AX(A, D)), y), "split");
  plan_bed_check1(&t, add(&t, g_merge(g, y, AX(A, D), H), x), "merge");
  plan_bed_check1(&t, gelu(&t, g_merge(g, y, AX(D, A), H)), "merge the other way");
  plan_bed_check1(&t, gelu(&t, g_merge(g, x, AX(B, L), T)), "merge of run-time axes");
  plan_bed_check1(&t, add(&t, x, g_rename(g, x, &L, &S, 1)), "rename");
  plan_bed_check1(&t, gelu(&t, g_slice(g, x, H, poly_const(5), poly_const(12), W)), "slice");
  plan_bed_check1(&t, gelu(&t, g_index(g, x, L, poly_sub(L->extent, poly_const(1)))), "index");
  plan_bed_check1(&t, add(&t, x, g_flip(g, x, AX(L, H))), "flip");
  Axis *P = graph_axis(g, "P", 0, poly_add(L->extent, poly_const(4)));
  plan_bed_check1(&t, gelu(&t, g_pad(g, x, L, poly_const(3), P)), "pad");
  Axis *Q = bed_axis(b, "Q", 31);
  Node *cat = g_concat(
      g, (Node *[]){gelu(&t, x), g_slice(g, x, H, poly_const(5), poly_const(12), W)}, AX(H, W), Q);
  plan_bed_check1(&t, cat, "concat");
  plan_bed_check1(&t, gelu(&t, cat), "concat, used");
  plan_bed_free(&t);
}
END_TEST

START_TEST(gathers) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 5), *V = bed_axis(b, "V", 11),
       *H = bed_axis(b, "H", 20);
  Axis *M = bed_run_axis(b, "M", 4), *T = graph_axis(g, "T", 0, poly_mul(B->extent, L->extent));
  Param *w = plan_bed_param(&t, "table", AX(V, H), -1, 1);
  Node *ids = bed_leaf(b, DT_I32, AX(B, L), 0, 11), *at = bed_leaf(b, DT_I32, AX(M), 0, 15);
  Node *e = g_gather(g, w->node, ids, V);
  plan_bed_check1(&t, e, "rows of a table");
  plan_bed_check1(&t, g_gather(g, g_merge(g, gelu(&t, e), AX(B, L), T), at, T),
                  "rows of a derived value");
  Node *label = bed_leaf(b, DT_I32, AX(B, L), 0, 20);
  plan_bed_check1(&t, g_gather(g, e, label, H), "one element a row");
  Node *src = input(&t, AX(B, L, H));
  plan_bed_check1(&t, g_scatter(g, ids, src, V, &H, 1), "scatter");
  plan_bed_check1(&t, g_scatter(g, g_iota(g, L), src, bed_axis(b, "P", 9), &H, 1),
                  "scatter by position");
  plan_bed_check1(&t, add(&t, w->node, g_scatter(g, ids, src, V, &H, 1)), "scatter onto a leaf");
  plan_bed_check1(&t, add(&t, gelu(&t, w->node), g_scatter(g, ids, gelu(&t, src), V, &H, 1)),
                  "scatter onto a value");
  plan_bed_free(&t);
}
END_TEST

// ---- what steps move, for profiles

static void check_bytes(PlanBed *t, Node *n, int64_t floats, const char *what) {
  plan_bed_check1(t, n, what);
  ck_assert_msg(t->bytes == 4 * floats, "%s moves %lld bytes, not %lld", what, (long long)t->bytes,
                (long long)(4 * floats));
}

START_TEST(bytes_of_steps) {
  PlanBed t = bed(0);
  Bed *b = &t.b;
  enum { L = 200, H = 96, N = 320, V = 1000 };
  Axis *l = bed_run_axis(b, "L", L), *h = bed_axis(b, "H", H), *n = bed_axis(b, "N", N),
       *v = bed_axis(b, "V", V);
  Node *x = input(&t, AX(l, h)), *y = input(&t, AX(l, h)), *w = input(&t, AX(h, n));
  Node *table = input(&t, AX(v, h)), *ids = bed_leaf(b, DT_I32, AX(l), 0, V);
  check_bytes(&t, add(&t, gelu(&t, x), y), 3 * L * H, "a sum");
  check_bytes(&t, g_reduce(b->g, OP_SUM, x, &h, 1), L * H + L, "sums of rows");
  check_bytes(&t, g_contract(b->g, x, w, &h, 1), L * H + H * N + L * N, "a product");
  check_bytes(&t, g_gather(b->g, table, ids, v), 2 * L * H + L, "rows of a table");
  plan_bed_free(&t);
}
END_TEST

// ---- reductions
START_TEST(reductions) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 50), *H = bed_axis(b, "H", 37),
       *V = bed_axis(b, "V", 300);
  Node *x = input(&t, AX(B, L, H)), *y = input(&t, AX(V, L));
  static const Op ops[] = {OP_SUM, OP_RMAX, OP_RMIN};
  for (int k = 0; k < 3; k++) {
    plan_bed_check1(&t, g_reduce(g, ops[k], x, &H, 1), "along rows");
    plan_bed_check1(&t, g_reduce(g, ops[k], x, AX(B, L)), "along columns");
    plan_bed_check1(&t, g_reduce(g, ops[k], x, &L, 1), "in the middle");
    plan_bed_check1(&t, g_reduce(g, ops[k], gelu(&t, x), AX(L, H)), "two inner axes");
    plan_bed_check1(&t, g_reduce(g, ops[k], x, AX(B, L, H)), "all");
    plan_bed_check1(&t, g_reduce(g, ops[k], y, &V, 1), "lanes that stay");
  }
  plan_bed_check1(&t, g_argmax(g, x, H), "argmax");
  plan_bed_check1(&t, g_argmax(g, y, V), "argmax of columns");
  Node *i = bed_leaf(b, DT_I32, AX(B, L), -20, 20);
  plan_bed_check1(&t, g_reduce(g, OP_RMAX, i, &L, 1), "integers");
  Node *d = bed_leaf(b, DT_F64, AX(L, H), -1, 1);
  plan_bed_check1(&t, g_reduce(g, OP_SUM, mul(&t, d, d), AX(L, H)), "sum of squares in f64");
  plan_bed_check1(&t, g_contract(g, d, d, AX(L)), "f64 contraction");
  plan_bed_check1(&t, g_contract(g, d, d, AX(L, H)), "f64 contraction to a number");
  plan_bed_free(&t);
}
END_TEST

// However many sums over the same axis there are, one kernel can hold them.
START_TEST(many_sums) {
  PlanBed t = bed(_i);
  Graph *g = t.b.g;
  Axis *B = bed_run_axis(&t.b, "B", 3), *H = bed_axis(&t.b, "H", 24);
  Node *x = input(&t, AX(B, H)), *sum = num(&t, 0);
  for (int i = 0; i < 83; i++) {
    Node *e = g_unary(g, OP_SIN, mul(&t, x, num(&t, 1 + i / 64.0)));
    sum = add(&t, sum, g_reduce(g, OP_SUM, e, &H, 1));
  }
  plan_bed_check1(&t, sum, "83 sums");
  plan_bed_free(&t);
}
END_TEST

START_TEST(rows) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 21), *H = bed_axis(b, "H", 48);
  Node *x = input(&t, AX(B, L, H)), *r = input(&t, AX(B, L, H)), *gain = input(&t, &H, 1),
       *bias = input(&t, &H, 1);
  Node *y = layer_norm(&t, add(&t, x, r), H, gain, bias);
  plan_bed_check1(&t, y, "layer norm");
  ck_assert(t.no_fuse || t.steps == 1);
  plan_bed_check1(&t, softmax(&t, x, H), "softmax");
  ck_assert(t.no_fuse || t.steps == 1);
  plan_bed_check1(&t, softmax(&t, x, L), "softmax along a middle axis");
  Node *lse =
      add(&t, g_unary(g, OP_LOG, g_reduce(g, OP_SUM, g_unary(g, OP_EXP, x), &H, 1)), num(&t, 1));
  Output o[2] = {plan_bed_output(&t, y), plan_bed_output(&t, lse)};
  o[1].name = "z";
  plan_bed_check(&t, BIGS_ENTRY, o, 2, "two outputs");
  plan_bed_free(&t);
}
END_TEST

// The gradients of a value's weighted sum, with respect to its parameters, as a gradient program.
static void check_gradients(PlanBed *t, Node *y, Param *const *params, int n, const char *what) {
  Graph *g = t->b.g;
  Node *weight = bed_leaf(&t->b, DT_F32, y->ax, y->nax, -1, 1), *grad[8], *wrt[8];
  Node *loss = g_reduce(g, OP_SUM, mul(t, y, weight), y->ax, y->nax);
  Output o[9] = {{.name = "loss", .node = loss}};
  for (int i = 0; i < n; i++)
    wrt[i] = params[i]->node;
  graph_grad(g, loss, wrt, n, grad);
  Node *root[9] = {loss};
  for (int i = 0; i < n; i++)
    root[i + 1] = grad[i];
  graph_rewrite(g, RULES_SIMPLIFY, root, n + 1, NULL);
  o[0].node = root[0];
  for (int i = 0; i < n; i++)
    o[i + 1] = (Output){.name = params[i]->path,
                        .node = root[i + 1],
                        .nax = wrt[i]->nax,
                        .ax = wrt[i]->ax,
                        .param = params[i]};
  plan_bed_check(t, BIGS_GRADIENT, o, n + 1, what);
}

START_TEST(row_gradients) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 21), *H = bed_axis(b, "H", 48);
  Node *x = input(&t, AX(B, L, H));
  Param *p[3] = {plan_bed_param(&t, "gain", &H, 1, 0.5, 1.5),
                 plan_bed_param(&t, "bias", &H, 1, -1, 1),
                 plan_bed_param(&t, "shift", &H, 1, -1, 1)};
  t.tolerance = 5e-5;
  check_gradients(&t, layer_norm(&t, add(&t, x, p[2]->node), H, p[0]->node, p[1]->node), p, 3,
                  "layer norm");
  check_gradients(&t, softmax(&t, mul(&t, x, p[0]->node), H), p, 1, "softmax");
  plan_bed_free(&t);
}
END_TEST

// ---- contractions
START_TEST(contractions) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  static const int sizes[][3] = {{3, 5, 24}, {1, 1, 7}, {2, 61, 300}, {1, 130, 64}};
  const int *z = sizes[_i / 2 % 4];
  Axis *B = bed_run_axis(b, "B", z[0]), *L = bed_run_axis(b, "L", z[1]),
       *S = graph_axis(g, "S", 0, L->extent);
  Axis *H = bed_axis(b, "H", 40), *F = bed_axis(b, "F", z[2]), *A = bed_axis(b, "A", 4),
       *D = bed_axis(b, "D", 10);
  Param *w = plan_bed_param(&t, "w", AX(H, F), -1, 1),
        *bias = plan_bed_param(&t, "b", &F, 1, -1, 1);
  Param *q = plan_bed_param(&t, "q", AX(H, A, D), -1, 1),
        *o = plan_bed_param(&t, "o", AX(A, D, H), -1, 1);
  Node *x = input(&t, AX(B, L, H));
  Node *u = add(&t, g_contract(g, x, w->node, &H, 1), bias->node);
  plan_bed_check1(&t, u, "linear layer");
  ck_assert(t.no_fuse || t.steps == 1);
  plan_bed_check1(&t, gelu(&t, u), "linear layer and gelu");
  ck_assert(t.no_fuse || t.steps == 1);
  plan_bed_check_order(&t, gelu(&t, u), AX(F, B, L), "linear layer, transposed output");
  Node *heads = g_contract(g, x, q->node, &H, 1);
  plan_bed_check1(&t, add(&t, x, g_contract(g, gelu(&t, heads), o->node, AX(A, D))),
                  "two axes summed, residual");
  Node *k = g_rename(g, heads, &L, &S, 1);
  Node *scores = g_contract(g, heads, k, &D, 1);
  plan_bed_check1(&t, scores, "scores");
  plan_bed_check1(&t, g_contract(g, softmax(&t, scores, S), k, &S, 1), "attention written out");
  plan_bed_check1(&t, g_contract(g, u, w->node, &F, 1), "back through the weight");
  plan_bed_check1(&t, g_contract(g, x, u, AX(B, L)), "weight gradient");
  plan_bed_check1(&t, g_contract(g, g_index(g, x, L, poly_const(0)), w->node, &H, 1),
                  "first row only");
  plan_bed_check1(&t, g_contract(g, x, x, &H, 1), "rows with themselves");
  plan_bed_check1(&t, g_contract(g, bias->node, w->node, &F, 1), "matrix times vector");
  plan_bed_check1(&t, g_contract(g, x, bias->node, NULL, 0), "outer product");
  plan_bed_free(&t);
}
END_TEST

// Convolutions over a few places.  The windows are derived by the tasks of their product, and stored, for a gradient by the weights
// alone, where that is.
START_TEST(windows) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  bool steps = _i / 2 % 2, wide = _i / 2 == 3;
  Axis *B = bed_run_axis(b, "B", 2), *R = bed_run_axis(b, "R", 7), *C = bed_run_axis(b, "C", 9),
       *R2 = bed_run_axis(b, "R2", steps ? 4 : 7);
  Axis *K = bed_axis(b, "K", 3), *K2 = bed_axis(b, "K2", 2), *In = bed_axis(b, "In", 24),
       *Out = bed_axis(b, "Out", wide ? 300 : 40);
  Param *w = plan_bed_param(&t, "w", AX(K, K2, In, Out), -1, 1),
        *up = plan_bed_param(&t, "up", AX(In), -1, 1);
  Node *x = mul(&t, input(&t, AX(B, R, C, In)), up->node);
  Node *u = g_window(g, x, R, R2, K, (Window){steps ? 2 : 1, poly_const(1), poly_const(-1)});
  u = g_window(g, u, C, C, K2, (Window){1, poly_const(-2), poly_const(1)});
  Node *y = g_contract(g, u, w->node, AX(K, K2, In));
  plan_bed_check1(&t, gelu(&t, y), "convolution");
  ck_assert(t.no_fuse || t.steps == 2);
  Output both[2] = {plan_bed_output(&t, y), plan_bed_output(&t, mul(&t, u, u))};
  plan_bed_check(&t, BIGS_ENTRY, both, 2, "windows that are read elsewhere, too");
  t.tolerance = 1e-4;
  check_gradients(&t, gelu(&t, y), (Param *[]){w, up}, 2, "convolution");
  plan_bed_free(&t);
}
END_TEST

START_TEST(tied_table) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *V = bed_axis(b, "V", 500), *H = bed_axis(b, "H", 32), *M = bed_run_axis(b, "M", 19);
  Param *w[1] = {plan_bed_param(&t, "table", AX(V, H), -0.3, 0.3)};
  Node *ids = bed_leaf(b, DT_I32, &M, 1, 0, 500), *label = bed_leaf(b, DT_I32, &M, 1, 0, 500);
  Node *h = g_unary(g, OP_TANH, g_gather(g, w[0]->node, ids, V));
  Node *logits = g_contract(g, h, w[0]->node, &H, 1);
  plan_bed_check_order(&t, logits, AX(M, V), "logits");
  Node *m = g_reduce(g, OP_RMAX, logits, &V, 1);
  Node *lse =
      add(&t,
          g_unary(g, OP_LOG,
                  g_reduce(g, OP_SUM, g_unary(g, OP_EXP, g_binary(g, OP_SUB, logits, m)), &V, 1)),
          m);
  Node *loss = g_binary(g, OP_SUB, lse, g_gather(g, logits, label, V));
  t.tolerance = 5e-5;
  plan_bed_check1(&t, loss, "cross entropy");
  check_gradients(&t, loss, w, 1, "cross entropy with a tied table");
  plan_bed_free(&t);
}
END_TEST

// A feed-forward layer with its gradients, on 1, 2 and 5 threads: the same bits.
static uint64_t bits_on(int threads) {
  PlanBed t = plan_bed_new(4);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 77), *H = bed_axis(b, "H", 40),
       *F = bed_axis(b, "F", 70);
  Param *p[4] = {
      plan_bed_param(&t, "up", AX(H, F), -0.3, 0.3), plan_bed_param(&t, "up.bias", &F, 1, -1, 1),
      plan_bed_param(&t, "down", AX(F, H), -0.3, 0.3), plan_bed_param(&t, "gain", &H, 1, 0.5, 1.5)};
  Node *x = input(&t, AX(B, L, H)), *u = add(&t, g_contract(g, x, p[0]->node, &H, 1), p[1]->node);
  Node *d = add(&t, x, g_contract(g, gelu(&t, u), p[2]->node, &F, 1));
  t.threads = threads;
  t.tolerance = 1e-4;
  check_gradients(&t, layer_norm(&t, d, H, p[3]->node, num(&t, 0)), p, 4, "threads");
  uint64_t bits = t.bits;
  plan_bed_free(&t);
  return bits;
}

START_TEST(same_bits) {
  uint64_t one = bits_on(1);
  ck_assert_uint_eq(one, bits_on(2));
  ck_assert_uint_eq(one, bits_on(5));
}
END_TEST

START_TEST(linear_gradients) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 3), *L = bed_run_axis(b, "L", 45);
  Axis *H = bed_axis(b, "H", 40), *F = bed_axis(b, "F", 70), *O = bed_axis(b, "O", 3);
  Param *p[6] = {plan_bed_param(&t, "up.weight", AX(H, F), -0.3, 0.3),
                 plan_bed_param(&t, "up.bias", &F, 1, -1, 1),
                 plan_bed_param(&t, "down.weight", AX(F, H), -0.3, 0.3),
                 plan_bed_param(&t, "down.bias", &H, 1, -1, 1),
                 plan_bed_param(&t, "gain", &H, 1, 0.5, 1.5),
                 plan_bed_param(&t, "head", AX(H, O), -1, 1)};
  Node *x = input(&t, AX(B, L, H));
  Node *u = add(&t, g_contract(g, x, p[0]->node, &H, 1), p[1]->node);
  Node *d = add(&t, g_contract(g, gelu(&t, u), p[2]->node, &F, 1), p[3]->node);
  Node *y = layer_norm(&t, add(&t, x, d), H, p[4]->node, p[3]->node);
  t.tolerance = 1e-4;
  check_gradients(&t, g_contract(g, y, p[5]->node, &H, 1), p, 6, "feed-forward layer");
  plan_bed_free(&t);
}
END_TEST

// ---- convolution
START_TEST(convolutions) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 2), *L = bed_run_axis(b, "L", _i / 2 % 2 ? 100 : 13),
       *H = bed_axis(b, "H", 36);
  Node *u = input(&t, AX(B, L, H)), *dy = input(&t, AX(B, L, H)), *k = input(&t, &L, 1),
       *kh = input(&t, AX(L, H));
  for (int rev = 0; rev < 2; rev++) {
    plan_bed_check1(&t, gelu(&t, g_conv(g, gelu(&t, u), k, L, rev)), "one kernel for all channels");
    plan_bed_check1(&t, g_conv(g, u, kh, L, rev), "a kernel a channel");
    plan_bed_check1(&t, g_conv_grad(g, u, dy, L, NULL, 0, rev), "gradient of the kernel");
    plan_bed_check1(&t, g_conv_grad(g, u, dy, L, &H, 1, rev), "gradient of the kernels");
  }
  plan_bed_free(&t);
}
END_TEST

// Values flipped along axes known at run time have negative strides there.
START_TEST(flipped_convolutions) {
  PlanBed t = bed(_i);
  Graph *g = t.b.g;
  Axis *B = bed_run_axis(&t.b, "B", 3), *L = bed_run_axis(&t.b, "L", _i / 2 % 2 ? 100 : 13),
       *H = bed_axis(&t.b, "H", 12);
  Node *u = input(&t, AX(B, L, H)), *dy = input(&t, AX(B, L, H)), *k = input(&t, AX(L, H));
  Node *flip[] = {g_flip(g, u, &B, 1), g_flip(g, u, AX(B, L)), g_flip(g, u, AX(B, L, H))};
  for (int i = 0; i < 3; i++) {
    plan_bed_check1(&t, g_conv(g, flip[i], k, L, false), "a flipped value");
    plan_bed_check1(&t, g_conv_grad(g, flip[i], dy, L, &H, 1, true), "gradient of the kernels");
  }
  plan_bed_free(&t);
}
END_TEST

// ---- attention
static Axis *S_const(PlanBed *t) {
  return bed_axis(&t->b, "positions", 40);
}

START_TEST(attention) {
  PlanBed t = bed(_i);
  Bed *b = &t.b;
  Graph *g = b->g;
  Axis *B = bed_run_axis(b, "B", 2), *L = bed_run_axis(b, "L", 23),
       *S = graph_axis(g, "S", 0, L->extent);
  Axis *A = bed_axis(b, "A", 3), *D = bed_axis(b, "D", 8), *H = bed_axis(b, "H", 20);
  Param *p[3] = {plan_bed_param(&t, "q", AX(H, A, D), -1, 1),
                 plan_bed_param(&t, "k", AX(H, A, D), -1, 1),
                 plan_bed_param(&t, "v", AX(H, A, D), -1, 1)};
  Node *x = input(&t, AX(B, L, H)), *mask = bed_leaf(b, DT_BOOL, AX(B, S), 0, 1), *in[5];
  for (int i = 0; i < 3; i++) {
    in[i] = g_contract(g, x, p[i]->node, &H, 1);
    if (i)
      in[i] = g_rename(g, in[i], &L, &S, 1);
  }
  in[3] = mask;
  in[4] = num(&t, 0);
  double rate = _i % 4 < 2 ? 0 : 0.2;
  Node *y = g_attention(g, in, S, D, 0.3, rate, 5, AX(B, L, A, S));
  t.tolerance = 1e-4;
  plan_bed_check1(&t, y, "attention");
  check_gradients(&t, y, p, 3, "attention");
  Param *bias[1] = {plan_bed_param(&t, "bias", AX(A, S_const(&t)), -1, 1)};
  in[4] = g_gather(g, bias[0]->node, g_iota(g, S), bias[0]->ax[1]);
  check_gradients(&t, g_attention(g, in, S, D, 0.3, rate, 5, AX(B, L, A, S)), bias, 1,
                  "attention with a bias");
  plan_bed_free(&t);
}
END_TEST

Suite *plan_suite(void) {
  Suite *s = suite_create("plan");
  TCase *c = tcase_create("plan");
  tcase_set_timeout(c, 120);
  tcase_add_loop_test(c, maps, 0, 2);
  tcase_add_loop_test(c, dtypes, 0, 2);
  tcase_add_loop_test(c, bf16_is_rounded_everywhere, 0, 6);
  tcase_add_loop_test(c, index_maps, 0, 2);
  tcase_add_loop_test(c, gathers, 0, 2);
  tcase_add_loop_test(c, reductions, 0, 2);
  tcase_add_test(c, bytes_of_steps);
  tcase_add_loop_test(c, many_sums, 0, 2);
  tcase_add_loop_test(c, rows, 0, 2);
  tcase_add_loop_test(c, row_gradients, 0, 2);
  tcase_add_loop_test(c, contractions, 0, 8);
  tcase_add_loop_test(c, windows, 0, 7);
  tcase_add_loop_test(c, tied_table, 0, 2);
  tcase_add_test(c, same_bits);
  tcase_add_loop_test(c, linear_gradients, 0, 2);
  tcase_add_loop_test(c, convolutions, 0, 4);
  tcase_add_loop_test(c, flipped_convolutions, 0, 4);
  tcase_add_loop_test(c, attention, 0, 4);
  suite_add_tcase(s, c);
  return s;
}

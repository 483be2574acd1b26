// What the planner makes for a GPU: no panels, whole pieces of rows, what the backward part reads.
#include "codegen/loop/loop.h"
#include "tests/unit/plan_nodes.h"
#include "tests/unit/suites.h"

static int transposes(const LBody *b) {
  int n = 0;
  for (int i = 0; i < b->n; i++)
    n += (b->v[i]->kind == LS_TRANSPOSE) + transposes(&b->v[i]->body);
  return n;
}

// A product with a parameter and its gradients, of a value that went through a convolution.
static Planner *plan_layer(PlanBed *t, const PlanTarget *on, BigsModule *m) {
  Graph *g = t->b.g;
  Axis *B = bed_run_axis(&t->b, "B", 3), *L = bed_run_axis(&t->b, "L", 45),
       *H = bed_axis(&t->b, "H", 64), *F = bed_axis(&t->b, "F", 96);
  Param *w = plan_bed_param(t, "w", AX(H, F), -1, 1), *k = plan_bed_param(t, "k", AX(H), -1, 1);
  Node *x = mul(t, g_conv(g, input(t, AX(B, L, H)), input(t, &L, 1), L, false), k->node);
  Node *y = g_contract(g, x, w->node, &H, 1),
       *loss = g_reduce(g, OP_SUM, mul(t, y, y), AX(B, L, F));
  Node *wrt[] = {w->node, k->node}, *grad[2];
  graph_grad(g, loss, wrt, 2, grad);
  Output outs[] = {{.name = "loss", .node = loss},
                   {.name = "w", .node = grad[0], .ax = w->ax, .nax = 2, .param = w},
                   {.name = "k", .node = grad[1], .ax = k->ax, .nax = 1, .param = k}};
  Planner *p =
      plan_new(t->b.arena, g,
               &(PlanOptions){.on = on, .nr = 32, .mr = 8, .vector_floats = 16, .fuse = true});
  plan_program(p, "train", BIGS_GRADIENT, outs, 3);
  ck_assert(plan_finish(p, m));
  return p;
}

START_TEST(a_gpu_has_no_panels_and_no_library) {
  for (int gpu = 0; gpu < 2; gpu++) {
    PlanBed t = plan_bed_new(1);
    BigsModule m = {0};
    int n, transposed = 0, builtins = 0;
    LKernel **k = plan_kernels(plan_layer(&t, gpu ? &plan_on_gpu : &plan_on_cpu, &m), &n);
    for (int i = 0; i < n; i++) {
      ck_assert_ptr_null(loop_verify(t.b.arena, k[i]));
      transposed += transposes(&k[i]->body);
    }
    for (int i = 0; i < m.program[0].nstep; i++)
      builtins += m.program[0].step[i].kind == BIGS_BUILTIN;
    ck_assert_int_eq(transposed > 0, !gpu);
    ck_assert_int_eq(builtins > 0, !gpu);
    ck_assert_int_eq(m.param[0].width, gpu ? 0 : 32);
    plan_bed_free(&t);
  }
}
END_TEST

// Elements of the only temporary and of the output of tanh(x w) - its rows' sums, for one row of `columns` on a GPU.
static void sizes_on_gpu(int columns, int64_t size[2]) {
  PlanBed t = plan_bed_new(1);
  Graph *g = t.b.g;
  BigsModule m = {0};
  Axis *B = bed_run_axis(&t.b, "B", 1), *H = bed_axis(&t.b, "H", 64),
       *F = bed_axis(&t.b, "F", columns);
  Node *x = g_contract(g, input(&t, AX(B, H)), input(&t, AX(H, F)), &H, 1);
  Node *y = g_unary(g, OP_TANH, x);
  Output out = plan_bed_output(&t, g_binary(g, OP_SUB, y, g_reduce(g, OP_SUM, y, &F, 1)));
  PlanOptions o = {.on = &plan_on_gpu, .nr = 32, .mr = 8, .vector_floats = 16, .fuse = true};
  Planner *p = plan_new(t.b.arena, g, &o);
  plan_program(p, "run", BIGS_ENTRY, &out, 1);
  ck_assert(plan_finish(p, &m));
  for (int i = 0; i < m.program[0].nbuffer; i++) {
    const BigsBuffer *b = &m.program[0].buffer[i];
    if (b->where == BIGS_ARENA || b->where == BIGS_OUTPUT)
      size[b->where == BIGS_OUTPUT] = poly_eval(module_poly(&m, b->size), t.b.syms);
  }
  plan_bed_free(&t);
}

// So 16 bytes of one are read at once.  Short ones, and what the caller sees, are as they were.
START_TEST(long_rows_on_a_gpu_are_whole_pieces) {
  static const int columns[][2] = {{67, 68}, {64, 64}, {30522, 30524}, {7, 7}};
  int64_t size[2] = {0};
  sizes_on_gpu(columns[_i][0], size);
  ck_assert_int_eq(size[0], columns[_i][1]);
  ck_assert_int_eq(size[1], columns[_i][0]);
}
END_TEST

static bool make_nothing(PlanCode *c, const BigsModule *m, LKernel *const *k, int n,
                         BigsKernel **code) {
  (void)c, (void)m, (void)k, (void)n, (void)code;
  return false;
}

// Convolutions of gelu, which the backward part derives again: the forward part reads what it has itself, though a sum that
// is not finite is taken once more.
START_TEST(a_convolution_reads_what_was_there) {
  enum { LAYERS = 14 };
  PlanCode none = {.make = make_nothing, .runs = 1};
  PlanBed t = plan_bed_new(1);
  Graph *g = t.b.g;
  Axis *B = bed_run_axis(&t.b, "B", 3), *L = bed_run_axis(&t.b, "L", 45),
       *H = bed_axis(&t.b, "H", 64);
  Node *x = input(&t, AX(B, L, H)), *wrt[LAYERS], *grad[LAYERS];
  Param *p[LAYERS];
  Output out[LAYERS + 1];
  t.code = &none;
  for (int i = 0; i < LAYERS; i++) {
    p[i] = plan_bed_param(&t, arena_printf(t.b.arena, "p%d", i), NULL, 0, -1, 1);
    wrt[i] = p[i]->node;
    x = g_conv(g, gelu(&t, x), mul(&t, input(&t, &L, 1), wrt[i]), L, false);
  }
  out[0] = (Output){.name = "loss", .node = g_reduce(g, OP_SUM, x, AX(B, L, H))};
  graph_grad(g, out[0].node, wrt, LAYERS, grad);
  for (int i = 0; i < LAYERS; i++)
    out[i + 1] = (Output){.name = p[i]->path, .node = grad[i], .param = p[i]};
  plan_bed_check(&t, BIGS_GRADIENT, out, LAYERS + 1, "convolutions of gelu");
  plan_bed_free(&t);
}
END_TEST

Suite *plan_gpu_suite(void) {
  Suite *s = suite_create("plan_gpu");
  TCase *c = tcase_create("plan_gpu");
  tcase_set_timeout(c, 120);
  tcase_add_test(c, a_gpu_has_no_panels_and_no_library);
  tcase_add_test(c, a_convolution_reads_what_was_there);
  tcase_add_loop_test(c, long_rows_on_a_gpu_are_whole_pieces, 0, 4);
  suite_add_tcase(s, c);
  return s;
}

// One compiled module at many batch sizes and lengths, up and down, 1 included: through the JIT and
// through a .so, entries and gradients against the interpreter of the graph as it was built, before
// any rewrite.
#include "compiler/driver/session.h"
#include "compiler/driver/so.h"
#include "tests/unit/command.h"
#include "tests/unit/compiled.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Size {
  int64_t dim[3]; // B, L, M
} Size;
// The first comes again at the end: nothing may be left from what was between.
static const Size sizes[] = {{{3, 17, 9}},  {{1, 1, 1}}, {{2, 64, 20}}, {{5, 1, 2}},
                             {{1, 65, 11}}, {{4, 2, 8}}, {{1, 130, 1}}, {{3, 17, 9}}};
static char *const bert[] = {"-DV=50",    "-DP=130",   "-DH=24",     "-DF=40",
                             "-DHeads=3", "-DDepth=2", "-DLabels=3", "-Dp=0"};
static char *const bigs[] = {"-DV=50", "-DP=130",   "-DH=24",     "-DI=40",
                             "-DN=5",  "-DDepth=2", "-DLabels=3", "-Dp=0"};
enum { NDEFS = 8, MAX_INPUTS = 8, MAX_ROWS = 5, VOCAB = 50 };

typedef struct LengthBench {
  char dir[TEST_PATH], mdl[TEST_PATH], so[2 * TEST_PATH];
  Arena *arena;
  Options options;
  Session s;
  Build reference; // the graph as built, and the gradients of its loss
  Node **grad;
  void *library;
  Compiled by[2]; // the JIT, the .so
} LengthBench;

static const BuildWant want = {
    .nentries = -1, .trains = (const char *const[]){"pretrain"}, .ntrains = 1, .init = true};

static void open_jit(LengthBench *b, char *const *defs) {
  char *argv[8 + NDEFS] = {"bigsc",  "run",     b->mdl,     "--entry=hidden",
                           "--in=x", "--out=y", "--seed=3", "-q"};
  memcpy(argv + 8, defs, NDEFS * sizeof *defs);
  ck_assert_int_eq(options_parse(b->arena, &b->options, COUNT(argv), argv), -1);
  ck_assert_int_eq(session_load(&b->s, &b->options, b->mdl, false), 0);
  ck_assert_int_eq(session_compile(&b->s, &want), 0);
  ck_assert_int_eq(session_open(&b->s), 0);
  b->by[0] = (Compiled){b->s.handle, b->s.module};
}

static void open_so(LengthBench *b, char *const *defs) {
  BigsError e;
  char error[512], *argv[5 + NDEFS] = {"bigsc", b->mdl, "-o", b->so, "-q"};
  memcpy(argv + 5, defs, NDEFS * sizeof *defs);
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  Compiled *c = &b->by[1];
  ck_assert_msg(!so_open(b->arena, b->so, &b->library, &c->module, &e), "%s", e.text);
  c->handle = bigs_model_open_with(c->module, NULL,
                                   &(bigs_options){.size = sizeof(bigs_options), .seed = 3}, error,
                                   sizeof error);
  ck_assert_msg(c->handle != NULL, "%s", error);
}

static void build_reference(LengthBench *b) {
  BuildOptions o = {.opt = 0};
  ck_assert(build_until(&b->reference, b->s.arena, b->s.names, b->s.diags, b->s.model, &want, &o,
                        PASS_build));
  b->grad = loss_gradients(b->arena, b->reference.graph, b->reference.losses.v[0]);
}

static LengthBench *open_bench(const char *name, char *const *defs) {
  Arena *a = arena_new();
  LengthBench *b = NEW(a, LengthBench);
  b->arena = a;
  test_make_dir(b->dir);
  snprintf(b->mdl, sizeof b->mdl, "%s/models/%s.mdl", test_source_dir(), name);
  snprintf(b->so, sizeof b->so, "%s/model.so", b->dir);
  open_jit(b, defs);
  open_so(b, defs);
  build_reference(b);
  return b;
}

static void close_bench(LengthBench *b) {
  bigs_model_close(b->by[1].handle);
  so_close(b->library);
  session_close(&b->s);
  test_remove_dir(b->dir);
  arena_free(b->arena);
}

// ---- data

static int64_t largest_value(const char *name, const int64_t *dim) {
  return !strcmp(name, "types") || !strcmp(name, "mask") ? 2
         : !strcmp(name, "at")                           ? dim[0] * dim[1]
                                                         : VOCAB;
}

typedef struct LengthBatch {
  const int64_t *dim;
  void *data[MAX_INPUTS]; // by input of the module
} LengthBatch;

static LengthBatch make_batch(Arena *a, const BigsModule *m, const int64_t *dim) {
  LengthBatch x = {.dim = dim};
  uint64_t state = (uint64_t)(dim[0] * 1000 + dim[1]);
  ck_assert_int_le(m->ninput, MAX_INPUTS);
  for (int i = 0; i < m->ninput; i++) {
    int64_t n = tensor_elements(&m->input[i], dim), most = largest_value(m->input[i].name, dim);
    bool flags = m->input[i].dtype == DT_BOOL;
    x.data[i] = arena_alloc(a, (size_t)n * 4 + 8);
    for (int64_t k = 0; k < n; k++) {
      int32_t v = (int32_t)(draw(&state) % (uint64_t)most);
      if (flags)
        ((bool *)x.data[i])[k] = v || k % dim[1] == 0; // no sequence is masked wholly
      else
        ((int32_t *)x.data[i])[k] = v;
    }
  }
  return x;
}

static void run(const Compiled *c, int program, const LengthBatch *x, void *out) {
  const BigsProgram *p = &c->module->program[program];
  const void *in[MAX_INPUTS];
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->data[p->input[i]];
  ck_assert_msg(!bigs_model_run(c->handle, program, x->dim, in, &out), "%s",
                bigs_model_error(c->handle));
}

// ---- what the interpreter says

static void check_entry(const Compiled *c, Arena *a, const Output *o, const double *expected,
                        const LengthBatch *x) {
  int program = bigs_model_entry(c->module, o->name);
  int64_t n = tensor_elements(&c->module->program[program].output[0], x->dim);
  float *out = NEWN(a, float, n + 1);
  run(c, program, x, out);
  near(widened(a, out, DT_F32, n), expected, n, 1e-5 * largest(expected, n), o->name, x->dim);
}

static void check_entries(LengthBench *b, Arena *a, Eval *e, const LengthBatch *x) {
  for (int i = 0; i < b->reference.entries.n; i++) {
    const Output *o = &b->reference.entries.v[i];
    const double *expected = interpreted(e, o->node, o->ax, o->nax);
    for (int k = 0; k < 2; k++)
      check_entry(&b->by[k], a, o, expected, x);
  }
}

// Gradients by parameter of the graph, and the largest of them.
static const double **expected_gradients(LengthBench *b, Arena *a, Eval *e, double *all) {
  Graph *g = b->reference.graph;
  const BigsModule *m = b->by[0].module;
  const double **expected = NEWN(a, const double *, g->params.n + 1);
  *all = 0;
  for (int i = 0; i < g->params.n; i++) {
    Param *p = g->params.v[i];
    expected[i] = interpreted(e, b->grad[i], p->node->ax, p->node->nax);
    int64_t n = parameter_size(&m->param[parameter_number(m, p->path)]);
    *all = fmax(*all, largest(expected[i], n));
  }
  return expected;
}

static double loss_of(const Compiled *c, const LengthBatch *x) {
  int train = bigs_model_train(c->module, "pretrain");
  const BigsProgram *p = &c->module->program[c->module->train[train].program];
  const void *in[MAX_INPUTS];
  float got = 0;
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->data[p->input[i]];
  ck_assert_msg(!bigs_model_grad(c->handle, train, x->dim, in, &got), "%s",
                bigs_model_error(c->handle));
  return (double)got;
}

static void check_gradients(LengthBench *b, Arena *a, Eval *e, const LengthBatch *x) {
  Graph *g = b->reference.graph;
  double all, loss = *interpreted(e, b->reference.losses.v[0], NULL, 0);
  const double **expected = expected_gradients(b, a, e, &all);
  for (int k = 0; k < 2; k++) {
    const Compiled *c = &b->by[k];
    double got = loss_of(c, x);
    near(&got, &loss, 1, 1e-5 * fabs(loss), "loss", x->dim);
    for (int i = 0; i < g->params.n; i++) {
      int at = parameter_number(c->module, g->params.v[i]->path);
      int64_t n = parameter_size(&c->module->param[at]);
      near(parameter_values(a, c, BIGS_THE_GRADIENT, at), expected[i], n,
           3e-4 * fmax(largest(expected[i], n), all / 1000), c->module->param[at].name, x->dim);
    }
  }
}

static LengthBench *bench(int i) {
  return i ? open_bench("bigs", bigs) : open_bench("bert", bert);
}

START_TEST(equal_the_interpreter) {
  LengthBench *b = bench(_i);
  for (int i = 0; i < COUNT(sizes); i++) {
    Arena *a = arena_new();
    LengthBatch x = make_batch(a, b->by[0].module, sizes[i].dim);
    Eval *e = interpreter_of(a, b->reference.graph, &b->by[0], x.dim, x.data);
    check_entries(b, a, e, &x);
    check_gradients(b, a, e, &x);
    arena_free(a);
  }
  close_bench(b);
}
END_TEST

START_TEST(parameters_are_the_same) {
  LengthBench *b = bench(_i);
  const BigsModule *m = b->by[0].module, *so = b->by[1].module;
  ck_assert_int_eq(m->nparam, so->nparam);
  for (int i = 0; i < m->nparam; i++) {
    int k = parameter_number(so, m->param[i].name);
    int64_t n = parameter_size(&m->param[i]);
    const double *x = parameter_values(b->arena, &b->by[0], BIGS_THE_WEIGHT, i);
    ck_assert_mem_eq(x, parameter_values(b->arena, &b->by[1], BIGS_THE_WEIGHT, k),
                     (size_t)n * sizeof *x);
  }
  close_bench(b);
}
END_TEST

// A sequence's values do not depend on its neighbours in the batch.
START_TEST(rows_alone) {
  LengthBench *b = bench(_i);
  int64_t dim[] = {MAX_ROWS, 37, 1}, one[] = {1, 37, 1};
  const BigsModule *mod = b->by[0].module;
  int program = bigs_model_entry(mod, "hidden");
  LengthBatch x = make_batch(b->arena, mod, dim), row = {.dim = one};
  int64_t n = tensor_elements(&mod->program[program].output[0], one);
  float *all = NEWN(b->arena, float, n *MAX_ROWS), *alone = NEWN(b->arena, float, n);
  run(&b->by[0], program, &x, all);
  for (int r = 0; r < MAX_ROWS; r++) {
    for (int i = 0; i < mod->ninput; i++)
      row.data[i] = (char *)x.data[i] + r * one[1] * dtype_size((DType)mod->input[i].dtype);
    run(&b->by[0], program, &row, alone);
    const double *expected = widened(b->arena, alone, DT_F32, n);
    near(widened(b->arena, all + r * n, DT_F32, n), expected, n, 1e-5 * largest(expected, n),
         "hidden", dim);
  }
  close_bench(b);
}
END_TEST

Suite *lengths_suite(void) {
  Suite *s = suite_create("lengths");
  TCase *t = tcase_create("lengths");
  tcase_set_timeout(t, 300);
  tcase_add_loop_test(t, equal_the_interpreter, 0, 2);
  tcase_add_loop_test(t, parameters_are_the_same, 0, 2);
  tcase_add_loop_test(t, rows_alone, 0, 2);
  suite_add_tcase(s, t);
  return s;
}

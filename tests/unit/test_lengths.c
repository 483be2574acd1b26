// One compiled module at many batch sizes and lengths, up and down, 1 included: through the JIT and
// through a .so, entries and gradients against the interpreter of the graph as it was built, before
// any rewrite.
#include "compiler/driver/session.h"
#include "compiler/driver/so.h"
#include "runtime/abi.h"
#include "tests/unit/command.h"
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

typedef struct Bench {
  char dir[TEST_PATH], mdl[TEST_PATH], so[2 * TEST_PATH];
  Arena *arena;
  Options options;
  Session s;
  Build reference; // the graph as built, and the gradients of its loss
  Node **grad;
  void *library;
  const BigsModule *module[2];
  bigs_model *model[2]; // by the JIT, by the .so
} Bench;

static const BuildWant want = {
    .nentries = -1, .trains = (const char *const[]){"pretrain"}, .ntrains = 1, .init = true};

static void open_jit(Bench *b, char *const *defs) {
  char *argv[8 + NDEFS] = {"bigsc",  "run",     b->mdl,     "--entry=hidden",
                           "--in=x", "--out=y", "--seed=3", "-q"};
  memcpy(argv + 8, defs, NDEFS * sizeof *defs);
  ck_assert_int_eq(options_parse(b->arena, &b->options, COUNT(argv), argv), -1);
  ck_assert_int_eq(session_load(&b->s, &b->options, b->mdl, false), 0);
  ck_assert_int_eq(session_compile(&b->s, &want), 0);
  ck_assert_int_eq(session_open(&b->s), 0);
  b->module[0] = b->s.module;
  b->model[0] = b->s.handle;
}

static void open_so(Bench *b, char *const *defs) {
  BigsError e;
  char error[512], *argv[5 + NDEFS] = {"bigsc", b->mdl, "-o", b->so, "-q"};
  memcpy(argv + 5, defs, NDEFS * sizeof *defs);
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  ck_assert_msg(!so_open(b->arena, b->so, &b->library, &b->module[1], &e), "%s", e.text);
  b->model[1] = bigs_model_open_with(b->module[1], &(bigs_options){.seed = 3}, error, sizeof error);
  ck_assert_msg(b->model[1] != NULL, "%s", error);
}

static void build_reference(Bench *b) {
  BuildOptions o = {.opt = 0};
  ck_assert(build_until(&b->reference, b->s.arena, b->s.names, b->s.diags, b->s.model, &want, &o,
                        PASS_build));
  Graph *g = b->reference.graph;
  Node **wrt = NEWN(b->arena, Node *, g->params.n + 1);
  b->grad = NEWN(b->arena, Node *, g->params.n + 1);
  for (int i = 0; i < g->params.n; i++)
    wrt[i] = g->params.v[i]->node;
  graph_grad(g, b->reference.losses.v[0], wrt, g->params.n, b->grad);
}

static Bench *open_bench(const char *name, char *const *defs) {
  Arena *a = arena_new();
  Bench *b = NEW(a, Bench);
  b->arena = a;
  test_make_dir(b->dir);
  snprintf(b->mdl, sizeof b->mdl, "%s/models/%s.mdl", test_source_dir(), name);
  snprintf(b->so, sizeof b->so, "%s/model.so", b->dir);
  open_jit(b, defs);
  open_so(b, defs);
  build_reference(b);
  return b;
}

static void close_bench(Bench *b) {
  bigs_model_close(b->model[1]);
  so_close(b->library);
  session_close(&b->s);
  test_remove_dir(b->dir);
  arena_free(b->arena);
}

// ---- data

static uint64_t draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

static int64_t largest_value(const char *name, const int64_t *dim) {
  return !strcmp(name, "types") || !strcmp(name, "mask") ? 2
         : !strcmp(name, "at")                           ? dim[0] * dim[1]
                                                         : VOCAB;
}

typedef struct Batch {
  const int64_t *dim;
  void *data[MAX_INPUTS]; // by input of the module
} Batch;

static Batch make_batch(Arena *a, const BigsModule *m, const int64_t *dim) {
  Batch x = {.dim = dim};
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

static void run(bigs_model *m, const BigsModule *mod, int program, const Batch *x, void *out) {
  const BigsProgram *p = &mod->program[program];
  const void *in[MAX_INPUTS];
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->data[p->input[i]];
  ck_assert_msg(!bigs_model_run(m, program, x->dim, in, &out), "%s", bigs_model_error(m));
}

// ---- what the interpreter says

static double *widened(Arena *a, const void *data, int dtype, int64_t n) {
  double *out = NEWN(a, double, n + 1);
  for (int64_t i = 0; i < n; i++)
    out[i] = dtype == DT_BOOL  ? ((const bool *)data)[i]
             : dtype == DT_I32 ? ((const int32_t *)data)[i]
             : dtype == DT_F64 ? ((const double *)data)[i]
                               : (double)((const float *)data)[i];
  return out;
}

static int64_t param_size(const BigsParam *p) {
  int64_t n = 1;
  for (int i = 0; i < p->rank; i++)
    n *= p->extent[i];
  return n;
}

static double *values_of(Arena *a, bigs_model *m, const BigsModule *mod, bigs_what what, int i) {
  int64_t n = param_size(&mod->param[i]);
  void *dense = arena_alloc(a, (size_t)n * 8);
  ck_assert_int_eq(bigs_model_get(m, what, i, dense), 0);
  return widened(a, dense, mod->param[i].dtype, n);
}

static int param_number(const BigsModule *mod, const char *path) {
  int i = bigs_model_parameter(mod, path);
  ck_assert_msg(i >= 0, "no parameter %s", path);
  return i;
}

static Eval *interpreter(Bench *b, Arena *a, const Batch *x) {
  Graph *g = b->reference.graph;
  const BigsModule *mod = b->module[0];
  Eval *e = eval_new(a, g, x->dim, 0, 0);
  for (int i = 0; i < g->params.n; i++) {
    int k = param_number(mod, g->params.v[i]->path);
    eval_bind(e, g->params.v[i]->node, values_of(a, b->model[0], mod, BIGS_THE_WEIGHT, k));
  }
  for (int i = 0; i < g->inputs.n; i++)
    for (int k = 0; k < mod->ninput; k++)
      if (!strcmp(mod->input[k].name, g->inputs.v[i]->name))
        eval_bind(
            e, g->inputs.v[i]->node,
            widened(a, x->data[k], mod->input[k].dtype, tensor_elements(&mod->input[k], x->dim)));
  return e;
}

static double largest(const double *x, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    most = fmax(most, fabs(x[i]));
  return most;
}

static void near(const double *got, const double *expected, int64_t n, double scale,
                 double tolerance, const char *what, const int64_t *dim) {
  for (int64_t i = 0; i < n; i++)
    ck_assert_msg(fabs(got[i] - expected[i]) <= tolerance * scale,
                  "%s at B = %d, L = %d: element %d is %.9g, not %.9g", what, (int)dim[0],
                  (int)dim[1], (int)i, got[i], expected[i]);
}

static void check_entries(Bench *b, Arena *a, Eval *e, const Batch *x) {
  for (int i = 0; i < b->reference.entries.n; i++) {
    const Output *o = &b->reference.entries.v[i];
    const char *error = NULL;
    const double *expected = eval_in_order(e, o->node, o->ax, o->nax, &error);
    ck_assert_msg(expected != NULL, "%s", error);
    for (int k = 0; k < 2; k++) {
      int program = bigs_model_entry(b->module[k], o->name);
      int64_t n = tensor_elements(&b->module[k]->program[program].output[0], x->dim);
      float *out = NEWN(a, float, n + 1);
      run(b->model[k], b->module[k], program, x, out);
      near(widened(a, out, DT_F32, n), expected, n, largest(expected, n), 1e-5, o->name, x->dim);
    }
  }
}

static void check_gradients(Bench *b, Arena *a, Eval *e, const Batch *x) {
  Graph *g = b->reference.graph;
  const double **expected = NEWN(a, const double *, g->params.n + 1);
  const char *error = NULL;
  double all = 0;
  const double *loss = eval_node(e, b->reference.losses.v[0], &error);
  for (int i = 0; i < g->params.n; i++) {
    Param *p = g->params.v[i];
    expected[i] = eval_in_order(e, b->grad[i], p->node->ax, p->node->nax, &error);
    ck_assert_msg(expected[i] != NULL, "%s", error);
    all = fmax(all, largest(expected[i],
                            param_size(&b->module[0]->param[param_number(b->module[0], p->path)])));
  }
  for (int k = 0; k < 2; k++) {
    const BigsModule *mod = b->module[k];
    int train = bigs_model_train(mod, "pretrain");
    const BigsProgram *p = &mod->program[mod->train[train].program];
    const void *in[MAX_INPUTS];
    float got = 0;
    for (int i = 0; i < p->ninput; i++)
      in[i] = x->data[p->input[i]];
    ck_assert_msg(!bigs_model_grad(b->model[k], train, x->dim, in, &got), "%s",
                  bigs_model_error(b->model[k]));
    near(&(double){(double)got}, loss, 1, fabs(*loss), 1e-5, "loss", x->dim);
    for (int i = 0; i < g->params.n; i++) {
      int at = param_number(mod, g->params.v[i]->path);
      int64_t n = param_size(&mod->param[at]);
      near(values_of(a, b->model[k], mod, BIGS_THE_GRADIENT, at), expected[i], n,
           fmax(largest(expected[i], n), all / 1000), 3e-4, mod->param[at].name, x->dim);
    }
  }
}

static Bench *bench(int i) {
  return i ? open_bench("bigs", bigs) : open_bench("bert", bert);
}

START_TEST(equal_the_interpreter) {
  Bench *b = bench(_i);
  for (int i = 0; i < COUNT(sizes); i++) {
    Arena *a = arena_new();
    Batch x = make_batch(a, b->module[0], sizes[i].dim);
    Eval *e = interpreter(b, a, &x);
    check_entries(b, a, e, &x);
    check_gradients(b, a, e, &x);
    arena_free(a);
  }
  close_bench(b);
}
END_TEST

START_TEST(parameters_are_the_same) {
  Bench *b = bench(_i);
  ck_assert_int_eq(b->module[0]->nparam, b->module[1]->nparam);
  for (int i = 0; i < b->module[0]->nparam; i++) {
    int k = param_number(b->module[1], b->module[0]->param[i].name);
    int64_t n = param_size(&b->module[0]->param[i]);
    const double *x = values_of(b->arena, b->model[0], b->module[0], BIGS_THE_WEIGHT, i);
    ck_assert_mem_eq(x, values_of(b->arena, b->model[1], b->module[1], BIGS_THE_WEIGHT, k),
                     (size_t)n * sizeof *x);
  }
  close_bench(b);
}
END_TEST

// A sequence's values do not depend on its neighbours in the batch.
START_TEST(rows_alone) {
  Bench *b = bench(_i);
  int64_t dim[] = {MAX_ROWS, 37, 1}, one[] = {1, 37, 1};
  const BigsModule *mod = b->module[0];
  int program = bigs_model_entry(mod, "hidden");
  Batch x = make_batch(b->arena, mod, dim), row = {.dim = one};
  int64_t n = tensor_elements(&mod->program[program].output[0], one);
  float *all = NEWN(b->arena, float, n *MAX_ROWS), *alone = NEWN(b->arena, float, n);
  run(b->model[0], mod, program, &x, all);
  for (int r = 0; r < MAX_ROWS; r++) {
    for (int i = 0; i < mod->ninput; i++)
      row.data[i] = (char *)x.data[i] + r * one[1] * dtype_size((DType)mod->input[i].dtype);
    run(b->model[0], mod, program, &row, alone);
    const double *expected = widened(b->arena, alone, DT_F32, n);
    near(widened(b->arena, all + r * n, DT_F32, n), expected, n, largest(expected, n), 1e-5,
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

// Architectures that people write: every model of tests/zoo compiled, its entries and gradients at
// several sizes against the interpreter of the graph as it was built, before any rewrite.
#include "compiler/driver/session.h"
#include "tests/unit/command.h"
#include "tests/unit/compiled.h"
#include "tests/unit/suites.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 100, MAX_INPUTS = 8, NMODES = 3, INDICES = 11 };
static char *file[MAX_FILES]; // sorted; filled once by zoo_suite
static int nfiles;
// Of run-time dims, in order of declaration.  With the last ones, inputs take their defaults.
static const int64_t sizes[][3] = {{2, 7, 3}, {1, 1, 1}, {3, 32, 5}, {2, 7, 3}};
static char *const modes[NMODES][2] = {
    {"-O2", "--seed=3"}, {"-O0", "--seed=4"}, {"-march=x86-64-v2", "--seed=5"}};

typedef struct Zoo {
  Arena *arena;
  Options options;
  Session s;
  Build reference; // the graph as built, scans unrolled
  Node ***grad;    // by loss and parameter
} Zoo;

static const BuildWant want = {.nentries = -1, .ntrains = -1, .init = true};

static void build_reference(Zoo *z) {
  BuildOptions o = {.opt = 0};
  Build *b = &z->reference;
  ck_assert(build_until(b, z->s.arena, z->s.names, z->s.diags, z->s.model, &want, &o, PASS_unroll));
  z->grad = NEWN(z->arena, Node **, b->losses.n + 1);
  for (int i = 0; i < b->losses.n; i++)
    z->grad[i] = loss_gradients(z->arena, b->graph, b->losses.v[i]);
}

static void open_zoo(Zoo *z, const char *name, char *const *mode) {
  z->arena = arena_new();
  char *path = arena_printf(z->arena, "%s/tests/zoo/%s", test_source_dir(), name);
  char *argv[] = {"bigsc", "run", path, "--entry=x", "--in=x", "--out=y", "-q", mode[0], mode[1]};
  ck_assert_int_eq(options_parse(z->arena, &z->options, COUNT(argv), argv), -1);
  ck_assert_int_eq(session_load(&z->s, &z->options, path, false), 0);
  ck_assert_int_eq(session_compile(&z->s, &want), 0);
  ck_assert_int_eq(session_open(&z->s), 0);
  build_reference(z);
}

static void close_zoo(Zoo *z) {
  session_close(&z->s);
  arena_free(z->arena);
}

static Compiled compiled(const Zoo *z) {
  return (Compiled){z->s.handle, z->s.module};
}

// ---- data

static double input_value(const BigsTensor *t, const int64_t *dim, int64_t k, uint64_t *state) {
  double u = (double)draw(state) / (double)(1u << 31);
  if (t->dtype == DT_BOOL)
    return k % 3 == 0 || u < 0.5;
  if (t->dtype != DT_I32)
    return 2 * u - 1;
  int64_t most = !strcmp(t->name, "at") ? dim[0] * dim[1] : INDICES;
  if (t->rank == 1 && strcmp(t->name, "at") && strcmp(t->name, "labels"))
    most = 3;
  return floor(u * (double)most);
}

typedef struct ZooBatch {
  const int64_t *dim;
  void *data[MAX_INPUTS]; // by input of the module
  bool given[MAX_INPUTS];
} ZooBatch;

static ZooBatch make_batch(Arena *a, const BigsModule *m, const int64_t *dim, bool defaults) {
  ZooBatch x = {.dim = dim};
  uint64_t state = (uint64_t)(dim[0] * 1000 + dim[1]);
  for (int i = 0; i < m->ninput; i++) {
    const BigsTensor *t = &m->input[i];
    if (t->name[0] == '#')
      continue;
    ck_assert_int_lt(i, MAX_INPUTS);
    int64_t n = tensor_elements(t, dim);
    x.data[i] = arena_alloc(a, (size_t)n * 8 + 64);
    x.given[i] = !defaults || !t->optional;
    for (int64_t k = 0; k < n; k++)
      element_put(x.data[i], t->dtype, k,
                  x.given[i] ? input_value(t, dim, k, &state) : (double)t->fallback);
  }
  return x;
}

static const void **inputs(Arena *a, const BigsProgram *p, const ZooBatch *x) {
  const void **in = NEWN(a, const void *, p->ninput + 1);
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->given[p->input[i]] ? x->data[p->input[i]] : NULL;
  return in;
}

static double *parameter(Zoo *z, Arena *a, bigs_what what, const Param *p, int64_t *n) {
  Compiled c = compiled(z);
  int k = parameter_number(c.module, p->path);
  *n = parameter_size(&c.module->param[k]);
  return parameter_values(a, &c, what, k);
}

// ---- comparison

static bool has_bf16(const Graph *g) {
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.v[i]->dtype == DT_BF16)
      return true;
  return false;
}

static void check_entries(Zoo *z, Arena *a, Eval *e, const ZooBatch *x) {
  const BigsModule *mod = z->s.module;
  for (int i = 0; i < z->reference.entries.n; i++) {
    const Output *o = &z->reference.entries.v[i];
    const double *expected = interpreted(e, o->node, o->ax, o->nax);
    int program = bigs_model_entry(mod, o->name);
    const BigsProgram *p = &mod->program[program];
    int64_t n = tensor_elements(&p->output[0], x->dim);
    void *out = arena_alloc(a, (size_t)n * 8 + 64);
    ck_assert_msg(!bigs_model_run(z->s.handle, program, x->dim, inputs(a, p, x), &out), "%s",
                  bigs_model_error(z->s.handle));
    double tolerance = p->output[0].dtype == DT_I32   ? 0
                       : has_bf16(z->reference.graph) ? 3e-2
                       : p->output[0].dtype == DT_F64 ? 1e-12
                                                      : 2e-5;
    near(widened(a, out, p->output[0].dtype, n), expected, n, tolerance * largest(expected, n),
         o->name, x->dim);
  }
}

static void check_gradients(Zoo *z, Arena *a, Eval *e, const ZooBatch *x, int loss) {
  Graph *g = z->reference.graph;
  const char *name = z->reference.trains.v[loss]->name;
  const double *value = interpreted(e, z->reference.losses.v[loss], NULL, 0);
  double all = 0, tolerance = has_bf16(g) ? 6e-2 : 3e-4;
  const double **expected = NEWN(a, const double *, g->params.n + 1);
  int64_t n;
  for (int i = 0; i < g->params.n; i++) {
    const Param *p = g->params.v[i];
    expected[i] = interpreted(e, z->grad[loss][i], p->node->ax, p->node->nax);
    parameter(z, a, BIGS_THE_WEIGHT, p, &n);
    all = fmax(all, largest(expected[i], n));
  }
  const BigsModule *mod = z->s.module;
  int train = bigs_model_train(mod, name);
  float got = 0;
  const void **in = inputs(a, &mod->program[mod->train[train].program], x);
  ck_assert_msg(!bigs_model_grad(z->s.handle, train, x->dim, in, &got), "%s",
                bigs_model_error(z->s.handle));
  near(&(double){(double)got}, value, 1, tolerance / 10 * (1 + fabs(*value)), name, x->dim);
  for (int i = 0; i < g->params.n; i++) {
    const Param *p = g->params.v[i];
    double *grad = parameter(z, a, BIGS_THE_GRADIENT, p, &n);
    near(grad, expected[i], n, tolerance * fmax(largest(expected[i], n), all / 1000), p->path,
         x->dim);
  }
}

static void check_first_values(Zoo *z) {
  Graph *g = z->reference.graph;
  Eval *e = eval_new(z->arena, g, NULL, (uint64_t)z->options.seed, 0);
  for (int i = 0; i < g->params.n; i++) {
    const Param *p = g->params.v[i];
    int64_t n;
    const double *expected = interpreted(e, p->init, p->node->ax, p->node->nax);
    double *got = parameter(z, z->arena, BIGS_THE_WEIGHT, p, &n);
    double tolerance = p->dtype == DT_BF16 ? 1.0 / 256 : 1e-6;
    near(got, expected, n, tolerance * largest(expected, n), p->path, sizes[1]);
  }
}

static void within_bounds(const Zoo *z, const int64_t *from, int64_t *dim) {
  const Graph *g = z->reference.graph;
  for (int i = 0; i < MAX_SYMS; i++)
    dim[i] = i < 3 ? from[i] : i % 2 + 1;
  for (int i = 0; i < g->syms.n; i++)
    if (g->syms.v[i].bound && dim[i] > g->syms.v[i].bound)
      dim[i] = g->syms.v[i].bound;
}

START_TEST(equals_the_interpreter) {
  Zoo z = {0};
  open_zoo(&z, file[_i / NMODES], modes[_i % NMODES]);
  check_first_values(&z);
  for (int i = 0; i < COUNT(sizes); i++) {
    Arena *a = arena_new();
    int64_t dim[MAX_SYMS];
    within_bounds(&z, sizes[i], dim);
    ZooBatch x = make_batch(a, z.s.module, dim, i == COUNT(sizes) - 1);
    Compiled c = compiled(&z);
    Eval *e = interpreter_of(a, z.reference.graph, &c, x.dim, x.data);
    check_entries(&z, a, e, &x);
    for (int k = 0; k < z.reference.losses.n; k++)
      check_gradients(&z, a, e, &x, k);
    arena_free(a);
  }
  close_zoo(&z);
}
END_TEST

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_files(void) {
  char path[TEST_PATH];
  snprintf(path, sizeof path, "%s/tests/zoo", test_source_dir());
  DIR *d = opendir(path);
  for (struct dirent *e; d && (e = readdir(d)) && nfiles < MAX_FILES;) {
    size_t n = strlen(e->d_name);
    if (n > 4 && !strcmp(e->d_name + n - 4, ".mdl"))
      file[nfiles++] = strdup(e->d_name);
  }
  if (d)
    closedir(d);
  qsort(file, (size_t)nfiles, sizeof *file, by_name);
}

START_TEST(there_are_models) {
  ck_assert_int_gt(nfiles, 10);
}
END_TEST

Suite *zoo_suite(void) {
  Suite *s = suite_create("zoo");
  TCase *t = tcase_create("zoo");
  if (!nfiles)
    list_files();
  tcase_set_timeout(t, 120);
  tcase_add_test(t, there_are_models);
  tcase_add_loop_test(t, equals_the_interpreter, 0, NMODES * nfiles);
  suite_add_tcase(s, t);
  return s;
}

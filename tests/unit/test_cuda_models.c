// Whole models as CUDA C++ on the shim: every kernel of all models of models/ and tests/zoo, small and of odd sizes.  First
// values, entries, losses, gradients and a step of the optimizer against the interpreter, with equal bits in all orders of
// threads; random graphs.  BIGSC_FULL=1: more sizes, kernels that are not fused, more graphs, and the
// train blocks that models have besides their first, as BERT's show anyway.
#include "runtime/exec/device.h"
#include "tests/fuzz/fuzz_graph.h"
#include "tests/unit/command.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/zoo_bed.h"
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 2, GRAPHS = 40, MORE_GRAPHS = 400 };
static CudaBed cuda;

// Of run-time dims, in order of declaration; with the last, inputs take their defaults.
enum { LONG_SIZE = 3 };
static const int64_t sizes[][3] = {{2, 7, 3}, {1, 1, 1}, {3, 13, 5}, {1, 129, 7}, {2, 7, 3}};

static char *file[2 * ZOO_FILES]; // those of the zoo behind those of models
static int nlisted, nmodels, nfiles;

// ---- a model

// false: its kernels are only collected.
static bool build_code(Build *b, CudaBed *c) {
  BigsKernel **code = NEWN(b->arena, BigsKernel *, b->nkernels + 1);
  bool made = c->code.make(&c->code, b->module, b->kernels, b->nkernels, code);
  b->module->abi = BIGS_ABI_VERSION;
  b->module->target = b->target->cpu;
  b->module->features = b->target->features;
  b->module->kernel = code;
  return made;
}

static bool open_model(Zoo *z, int i, int opt) {
  BuildOptions o = {.opt = opt, .gpu = true};
  Arena *a = z->arena = arena_new();
  Diags *d = NEW(a, Diags);
  Build *b = NEW(a, Build);
  Intern *names = intern_new(a);
  d->arena = a;
  Model *m = zoo_model(a, i < nmodels ? "models" : "tests/zoo", file[i], names, d);
  const BuildWant *want =
      zoo_want(a, m, suites_full() || i >= nmodels || !strcmp(file[i], "bert.mdl"));
  ck_assert_msg(build_module(b, a, names, d, m, want, &o), "%s",
                diags_string(a, d, DIAG_TEXT, false));
  z->c.module = b->module;
  z->seed = (uint64_t)i;
  bool made = build_code(b, &cuda);
  if (made)
    zoo_reference(z, names, d, m, want);
  return made;
}

// ---- checks

static void open_handle(Zoo *z) {
  char error[512];
  bigs_options o = {.size = sizeof(bigs_options),
                    .seed = z->seed,
                    .threads = 1,
                    .device = &device_cpu}; // its kernels are the shim's
  z->c.handle = bigs_model_open_with(z->c.module, NULL, &o, error, sizeof error);
  ck_assert_msg(z->c.handle != NULL, "%s", error);
}

// A handle's whole life in one order of threads; in the first, against the interpreter.
static uint64_t life(Zoo *z, const int64_t *size, bool defaults, int order) {
  Arena *a = arena_new();
  uint64_t bits = 0;
  cuda.code.run = order;
  open_handle(z);
  ZooBatch x = zoo_batch(z, a, size, defaults);
  if (!order)
    zoo_check_first_values(z);
  zoo_shake(z, a);
  Eval *e = order ? NULL : zoo_interpreter(z, a, &x);
  zoo_check_entries(z, a, e, &x, &bits);
  for (int i = 0; i < z->reference.losses.n; i++)
    zoo_check_gradients(z, a, e, &x, i, &bits);
  for (int i = 0; i < z->reference.losses.n; i++)
    zoo_check_step(z, a, &x, i, &bits);
  for (int i = 0; i < z->reference.losses.n && !order; i++)
    zoo_check_no_step(z, i);
  bigs_model_close(z->c.handle);
  arena_free(a);
  return bits;
}

// What the others are made of.
static bool is_base(const char *name) {
  return !strcmp(name, "bert.mdl") || !strcmp(name, "bigs.mdl") || !strcmp(name, "gpt.mdl");
}

// Of those all orders at the first sizes, else one after the other, so that a model's sizes go through all.
static bool in_order(int i, int size, int order) {
  return suites_full() || (!size && is_base(file[i])) ||
         order == 1 + (i + size) % (cuda.code.runs - 1);
}

static void check_model(int i, int opt) {
  Zoo z = {0};
  ck_assert(open_model(&z, i, opt));
  for (int k = 0; k < COUNT(sizes); k++) {
    bool defaults = k == COUNT(sizes) - 1;
    if (k == LONG_SIZE && !suites_full() && !is_base(file[i]))
      continue; // most of the time it would take
    uint64_t bits = life(&z, sizes[k], defaults, 0);
    for (int order = 1; order < cuda.code.runs; order++)
      ck_assert_msg(!in_order(i, k, order) || life(&z, sizes[k], defaults, order) == bits,
                    "%s: other bits in order %d", file[i], order);
  }
  arena_free(z.arena);
}

START_TEST(model_on_the_shim) {
  check_model(_i / LEVELS, _i % LEVELS ? 0 : 2);
}
END_TEST

START_TEST(random_graphs_on_the_shim) {
  fuzz_graph_one((uint64_t)_i, &cuda.code);
}
END_TEST

// What is made of the parts of others is left for the full check.
static int sized_models(void) {
  int n = 0;
  nlisted = zoo_files("models", file);
  for (int i = 0; i < nlisted; i++)
    if (suites_full() || !zoo_again(file[i]))
      file[n++] = file[i];
  return n;
}

START_TEST(there_are_models) {
  ck_assert_int_eq(nlisted, zoo_sized());
  ck_assert_int_gt(nfiles - nmodels, 10);
}
END_TEST

// ---- all kernels in one compilation

static int graphs(void) {
  return suites_full() ? MORE_GRAPHS : GRAPHS;
}

static void collect_model(int i, int opt) {
  Zoo z = {0};
  open_model(&z, i, opt);
  arena_free(z.arena);
}

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = 0; i < nfiles * LEVELS; i++)
    if (i % LEVELS == 0 || suites_full())
      collect_model(i / LEVELS, i % LEVELS ? 0 : 2);
  for (int i = 0; i < graphs(); i++)
    fuzz_graph_one((uint64_t)i, &cuda.code);
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

// ---- planted errors, for tests/cuda/mutate.sh: BERT's kernels are written to the file BIGSC_CUDA_MUTANTS_TEXT; of the
// library BIGSC_CUDA_MUTANTS those mutants run that BIGSC_CUDA_MUTANTS_RANGE says, and a test that fails has found one.

// In all orders; and so large that there is a second block of everything.
static const int64_t mutant_sizes[][3] = {{2, 7, 3}, {1, 259, 70}};
static Zoo mutated;

static void write_bert(void) {
  Zoo z = {0};
  cuda_bed_collect(&cuda);
  open_model(&z, 0, 2);
  cuda_bed_write(&cuda, getenv("BIGSC_CUDA_MUTANTS_TEXT"));
  arena_free(z.arena);
}

static void open_mutants(void) {
  cuda_bed_open(&cuda, getenv("BIGSC_CUDA_MUTANTS"));
  ck_assert(open_model(&mutated, 0, 2));
}

// The one before the first is the model as it is.
START_TEST(mutant) {
  if (_i)
    cuda_bed_mutate(&cuda, _i - 1);
  for (int k = 0; k < COUNT(mutant_sizes); k++) {
    uint64_t bits = life(&mutated, mutant_sizes[k], false, 0);
    for (int order = 1; !k && order < cuda.code.runs; order++)
      ck_assert_msg(life(&mutated, mutant_sizes[k], false, order) == bits, "other bits in order %d",
                    order);
  }
}
END_TEST

START_TEST(text_is_written) {
  ck_assert_ptr_null(cuda.source);
}
END_TEST

static Suite *mutants(Suite *s, TCase *t) {
  const char *so = getenv("BIGSC_CUDA_MUTANTS");
  tcase_set_timeout(t, 60);
  tcase_add_unchecked_fixture(t, so ? open_mutants : write_bert, remove_all);
  if (!so) {
    tcase_add_test(t, text_is_written);
    return s;
  }
  const char *range = getenv("BIGSC_CUDA_MUTANTS_RANGE"); // FIRST BEHIND
  int first = 0, behind = 1;
  if (!range || sscanf(range, "%d %d", &first, &behind) != 2)
    behind = first;
  tcase_add_loop_test(t, mutant, first, behind);
  return s;
}

Suite *cuda_models_suite(void) {
  Suite *s = suite_create("cuda_models");
  TCase *t = tcase_create("cuda_models");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda_models"))
    return s;
  nmodels = sized_models();
  nfiles = nmodels + zoo_files("tests/zoo", file + nmodels);
  if (getenv("BIGSC_CUDA_MUTANTS") || getenv("BIGSC_CUDA_MUTANTS_TEXT"))
    return mutants(s, t);
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 300);
  tcase_add_test(t, there_are_models);
  for (int i = 0; i < nfiles * LEVELS; i++)
    if (i % LEVELS == 0 || suites_full())
      tcase_add_loop_test(t, model_on_the_shim, i, i + 1);
  tcase_add_loop_test(t, random_graphs_on_the_shim, 0, graphs());
  return s;
}

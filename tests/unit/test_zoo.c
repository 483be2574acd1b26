// Architectures that people write: every model of tests/zoo compiled, its entries and gradients at
// several sizes against the interpreter of the graph as it was built, before any rewrite.
#include "compiler/driver/session.h"
#include "tests/unit/command.h"
#include "tests/unit/suites.h"
#include "tests/unit/zoo_bed.h"

#if defined(__aarch64__)
#define OLDER "-march=armv8-a"
#else
#define OLDER "-march=x86-64-v2"
#endif
enum { NMODES = 3 };
static char *file[ZOO_FILES];
static int nfiles;
// Of run-time dims, in order of declaration.  With the last ones, inputs take their defaults.
static const int64_t sizes[][3] = {{2, 7, 3}, {1, 1, 1}, {3, 32, 5}, {2, 7, 3}};
static char *const modes[NMODES][2] = {
    {"-O2", "--seed=3"}, {"-O0", "--seed=4"}, {OLDER, "--seed=5"}};

static const BuildWant want = {.nentries = -1, .ntrains = -1, .init = true};

static void open_zoo(Zoo *z, Session *s, const char *name, char *const *mode) {
  static Options options;
  z->arena = arena_new();
  char *path = arena_printf(z->arena, "%s/tests/zoo/%s", test_source_dir(), name);
  char *argv[] = {"bigsc", "run", path, "--entry=x", "--in=x", "--out=y", "-q", mode[0], mode[1]};
  ck_assert_int_eq(options_parse(z->arena, &options, COUNT(argv), argv), -1);
  ck_assert_int_eq(session_load(s, &options, path, false), 0);
  ck_assert_int_eq(session_compile(s, &want), 0);
  ck_assert_int_eq(session_open(s), 0);
  z->c = (Compiled){s->handle, s->module};
  z->seed = (uint64_t)options.seed;
  zoo_reference(z, s->names, s->diags, s->model, &want);
}

static void check_size(const Zoo *z, const int64_t *size, bool defaults) {
  Arena *a = arena_new();
  ZooBatch x = zoo_batch(z, a, size, defaults);
  Eval *e = zoo_interpreter(z, a, &x);
  zoo_check_entries(z, a, e, &x, NULL);
  for (int k = 0; k < z->reference.losses.n; k++)
    zoo_check_gradients(z, a, e, &x, k, NULL);
  arena_free(a);
}

START_TEST(equals_the_interpreter) {
  Zoo z = {0};
  Session s = {0};
  open_zoo(&z, &s, file[_i / NMODES], modes[_i % NMODES]);
  zoo_check_first_values(&z);
  for (int i = 0; i < COUNT(sizes); i++)
    check_size(&z, sizes[i], i == COUNT(sizes) - 1);
  session_close(&s);
  arena_free(z.arena);
}
END_TEST

START_TEST(there_are_models) {
  ck_assert_int_gt(nfiles, 10);
}
END_TEST

Suite *zoo_suite(void) {
  Suite *s = suite_create("zoo");
  TCase *t = tcase_create("zoo");
  if (!nfiles)
    nfiles = zoo_files("tests/zoo", file);
  tcase_set_timeout(t, 120);
  tcase_add_test(t, there_are_models);
  tcase_add_loop_test(t, equals_the_interpreter, 0, NMODES * nfiles);
  suite_add_tcase(s, t);
  return s;
}

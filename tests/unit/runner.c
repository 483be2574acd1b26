// Runs every suite of unit tests and prints one line of totals, "N passed, N failed". Arguments
// pick suites by name; -l lists them.
#include "base/asan.h"
#include "base/clock.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Suite *(*MakeSuite)(void);
static const struct {
  const char *name;
  MakeSuite make;
} suites[] = {
#define SUITE(name) {#name, name##_suite},
#ifdef BIGSC_LLVM_VERSION
#define LLVM_SUITE(name) SUITE(name)
#else
#define LLVM_SUITE(name)
#endif
#include "tests/unit/suites.def"
#undef SUITE
#undef LLVM_SUITE
};

bool suites_full(void) {
  return getenv("BIGSC_FULL") != NULL;
}

static int chosen(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], name))
      return 1;
  return argc < 2;
}

#ifdef BIGSC_ASAN
// libedit never frees the names of the functions that a program adds to it.  Called by the
// sanitizer's runtime, by this name.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:wcsdup\n";
}
#endif

int main(int argc, char **argv) {
  int passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  setenv("XDG_CACHE_HOME", "/dev/null/none", 1); // a test compiles what it tests
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    if (argc == 2 && !strcmp(argv[1], "-l")) {
      puts(suites[i].name);
      continue;
    }
    if (!chosen(suites[i].name, argc, argv))
      continue;
    double start = clock_seconds();
    SRunner *r = srunner_create(suites[i].make());
    srunner_run_all(r, CK_SILENT);
    int bad = srunner_ntests_failed(r), all = srunner_ntests_run(r);
    printf("%-12s %d of %d, %.1f s\n", suites[i].name, all - bad, all, clock_seconds() - start);
    if (bad)
      srunner_print(r, CK_NORMAL);
    passed += all - bad;
    failed += bad;
    srunner_free(r);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

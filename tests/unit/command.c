// See command.h.
#include "tests/unit/command.h"
#include "compiler/commands/cmd.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

const char *test_source_dir(void) {
  const char *s = getenv("srcdir");
  return s ? s : ".";
}

void test_make_dir(char *dir) {
  const char *tmp = getenv("TMPDIR");
  snprintf(dir, TEST_PATH, "%s/bigsc-test-XXXXXX", tmp ? tmp : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(dir));
}

void test_remove_dir(const char *dir) {
  char command[TEST_PATH + 16];
  snprintf(command, sizeof command, "rm -rf '%s'", dir);
  ck_assert_int_eq(system(command), 0);
}

int test_bigsc(int argc, char **argv) {
  static int (*const run[VERB_COUNT])(const Options *) = {
#define VERB(id, name, args, help) cmd_##id,
#include "compiler/driver/verbs.def"
#undef VERB
  };
  const char *build = getenv("builddir");
  setenv("BIGSC_RUNTIME_DIR", build ? build : ".", 0);
  Arena *a = arena_new();
  Options o;
  int status = options_parse(a, &o, argc, argv);
  if (status < 0)
    status = run[o.verb](&o);
  arena_free(a);
  return status;
}

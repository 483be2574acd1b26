// A folder of its own for a test: fixtures make and remove it.
#ifndef TESTS_TMPDIR_H
#define TESTS_TMPDIR_H
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[64];

static inline void make_dir(void) {
  strcpy(dir, "/tmp/bigs-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline void remove_dir(void) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
  ck_assert_int_eq(system(cmd), 0);
}

// Valid until the fourth call from now.
static inline const char *in_dir(const char *name) {
  static char path[4][128];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
  return path[turn];
}

// Hidden ones are not counted.
static inline int files_in_dir(void) {
  DIR *d = opendir(dir);
  int n = 0;
  for (struct dirent *x; (x = readdir(d));)
    n += x->d_name[0] != '.';
  closedir(d);
  return n;
}
#endif

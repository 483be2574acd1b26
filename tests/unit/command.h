// Commands of bigsc run inside the tests' own process, and a folder for their files.
#ifndef BIGSC_TESTS_COMMAND_H
#define BIGSC_TESTS_COMMAND_H
#include "compiler/driver/options.h"

enum { TEST_PATH = 512 };

// The root of the sources: environment srcdir, else the current folder.
const char *test_source_dir(void);
// A fresh folder into dir[TEST_PATH]; test_remove_dir takes it away with all in it.
void test_make_dir(char *dir);
void test_remove_dir(const char *dir);
// bigsc ARGUMENT...: its exit status.  Shared objects are linked with the libbigsrt.a of the build folder.
int test_bigsc(int argc, char **argv);
#endif

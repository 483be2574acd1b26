// The suites of unit tests, one a file tests/test_<name>.c.
#ifndef BIGSC_SUITES_H
#define BIGSC_SUITES_H
#include <check.h>
#include <stdbool.h>
#define SUITE(name) Suite *name##_suite(void);
#define LLVM_SUITE(name) SUITE(name)
#include "tests/unit/suites.def"
#undef SUITE
#undef LLVM_SUITE
bool suites_full(
    void); // BIGSC_FULL=1, of tools/check.sh full: all of what there is much of, else a part
#endif

// What a process must survive: every allocation fails in turn, in the commands and in a program
// (test_faults_models.c), and every call that changes a file (test_faults_files.c).  BIGSC_FAULTS=all: each of them, not a choice.
#include "compiler/driver/session.h"
#include "tests/unit/fault_bed.h"
#include "tests/unit/suites.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

// What to try of 1 ... calls: all, or some at the front, where most is opened, and some behind.
static long next_try(long n, long calls, int front, int behind) {
  long step = (calls - front) / behind + 1;
  return n + (n < front || fault_all() ? 1 : step);
}

// ---- memory

typedef struct Command {
  const char *words[FAULT_WORDS];
  const char *made;  // the file or folder that it makes
  bool keeps_folder; // whatever stands there after a failure is whole
} Command;

static const Command commands[] = {
    {{"m.mdl", "-fsyntax-only"}, NULL, false},
    {{"m.mdl", "-O0", "--emit=loops", "-o", "made"}, "made", false},
    {{"m.mdl", "-O0", "-o", "made.o"}, "made.o", false},
    {{"m.mdl", "-O0", "-o", "made.so"}, "made.so", false},
    {{"init", "m.mdl", "-O0", "-o", "made.safetensors"}, "made.safetensors", false},
    {{"vocab", "t.txt", "-o", "made.txt", "--size", "30"}, "made.txt", false},
    {{"train", "m.mdl", "-O0", "--data", "t.txt", "--vocab", "v.txt", "--out", "made", "--length",
      "8"},
     "made",
     true},
    {{"eval", "run", "-O0", "--data", "t.txt"}, NULL, false},
    {{"fill", "run", "-O0", "the [MASK] cat"}, NULL, false},
    {{"inspect", "run"}, NULL, false},
    {{"inspect", "m.mdl", "-O0", "--json"}, NULL, false},
};

static void check_outcome(const Command *c, const Outcome *o, long n, FaultHow how) {
  const char *what = c->words[0];
  ck_assert_msg(o->status == 0 || o->status == 1, "%s, allocation %ld%s: status %d: %s", what, n,
                how == FAULT_ONCE ? "" : " and on", o->status, o->err);
  ck_assert_msg(o->status == 0 || strstr(o->err, "out of memory"), "%s, allocation %ld: %s", what,
                n, o->err);
  ck_assert_msg(!fault_matches("*.tmp*") && !fault_matches("*/*.tmp"),
                "%s, allocation %ld: a temporary", what, n);
  if (c->made && !c->keeps_folder)
    ck_assert_msg((access(c->made, F_OK) == 0) == (o->status == 0), "%s, allocation %ld: %d", what,
                  n, o->status);
}

START_TEST(every_allocation_of_a_command_may_fail) {
  const Command *c = &commands[_i];
  long calls = fault_run(c->words, (Fault){FAULT_MEMORY, 0, FAULT_ONCE, ENOMEM}).calls;
  ck_assert_int_gt(calls, 8);
  for (int how = FAULT_ONCE; how <= FAULT_EVER_AFTER; how++)
    for (long n = 1; n <= calls; n = next_try(n, calls, how ? 2 : 6, how ? 4 : 12)) {
      if (c->made)
        fault_drop(c->made);
      Outcome o = fault_run(c->words, (Fault){FAULT_MEMORY, n, (FaultHow)how, ENOMEM});
      check_outcome(c, &o, n, (FaultHow)how);
    }
}
END_TEST

// Those of texts in memory are few: each fails.
START_TEST(every_text_in_memory_may_fail) {
  const Command *c = &commands[_i];
  long calls = fault_run(c->words, (Fault){FAULT_STREAM, 0, FAULT_ONCE, ENOMEM}).calls;
  for (long n = 1; n <= calls; n++) {
    if (c->made)
      fault_drop(c->made);
    Outcome o = fault_run(c->words, (Fault){FAULT_STREAM, n, FAULT_ONCE, ENOMEM});
    check_outcome(c, &o, n, FAULT_ONCE);
  }
}
END_TEST

Suite *faults_suite(void) {
  Suite *s = suite_create("faults");
  TCase *t = fault_case("faults");
  tcase_add_loop_test(t, every_allocation_of_a_command_may_fail, 0, COUNT(commands));
  tcase_add_loop_test(t, every_text_in_memory_may_fail, 0, COUNT(commands));
  suite_add_tcase(s, t);
  suite_add_tcase(s, faults_files_case());
  suite_add_tcase(s, faults_models_case());
  return s;
}

// What a process must survive: every allocation fails in turn, in the commands and in a program
// with two models.  BIGSC_FAULTS=all: each of them, not a choice.
#include "compiler/driver/session.h"
#include "tests/unit/command.h"
#include "tests/unit/faults.h"
#include "tests/unit/suites.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- a folder with what the commands need

static char folder[TEST_PATH];
static int home = -1; // where the suite was started

static const char model[] =
    "dim V = 24, H = 8, Rows = 80\n"
    "dim B, L <= Rows, M\n"
    "init normal(0.1)\n"
    "tokenizer wordpiece(\"v.txt\", lower: true)\n"
    "model Tiny(ids : i32[B, L], mask : bool[B, L] = true) {\n"
    "  word : Embedding[V, H]\n"
    "  k    : [Rows, H]\n"
    "  mix  : Linear[H -> H]\n"
    "  entry hidden : [B, L, H] =\n"
    "    causal_conv[L](word(ids), gather[Rows](k, iota[L])) |> mix |> gelu\n"
    "  entry logits : [B, L, V] = hidden @[H] word.weight\n"
    "  entry pooled : [B, H] = mean[L](hidden, where: mask)\n"
    "}\n"
    "train t {\n"
    "  data ids, mask, at : i32[M], labels : i32[M] = mlm_text(\"t.txt\", rate: 0.15)\n"
    "  loss = mean(cross_entropy[V](gather[T](logits[(B, L) as T], at), labels))\n"
    "  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-6)\n"
    "  rate = 1e-3; batch = 2; steps = 2\n"
    "}\n";

static void put_file(const char *name, const char *text) {
  FILE *f = fopen(name, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  ck_assert_int_eq(fclose(f), 0);
}

static void put_text(const char *name) {
  FILE *f = fopen(name, "w");
  ck_assert_ptr_nonnull(f);
  for (int i = 0; i < 60; i++)
    fprintf(f, "the %s cat sees a %s dog.\n", i % 2 ? "red" : "blue", i % 3 ? "big" : "small");
  ck_assert_int_eq(fclose(f), 0);
}

// ---- one command with one fault

typedef struct Fault {
  FaultKind kind;
  long n;
  FaultHow how;
  int error;
} Fault;

typedef struct Outcome {
  int status; // 128 + signal when it was ended by one
  long calls;
  char err[4096];
} Outcome;

enum { WORDS = 16 };

static void child(const char *const *words, Fault f, int calls) {
  char *argv[WORDS + 1] = {"bigsc"};
  int argc = 1;
  for (; words[argc - 1]; argc++)
    argv[argc] = (char *)(uintptr_t)words[argc - 1];
  int out = open("/dev/null", O_WRONLY), err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(out, 1);
  dup2(err, 2);
  fault_arm(f.kind, f.n, f.how, f.error);
  int status = test_bigsc(argc, argv);
  long n = fault_disarm();
  if (write(calls, &n, sizeof n) != sizeof n)
    status = 99;
  fflush(NULL);
  _exit(status);
}

static Outcome run(const char *const *words, Fault f) {
  Outcome o = {0};
  int calls[2], how;
  ck_assert_int_eq(pipe(calls), 0);
  pid_t pid = fork();
  if (!pid)
    child(words, f, calls[1]);
  close(calls[1]);
  ssize_t got = read(calls[0], &o.calls, sizeof o.calls);
  close(calls[0]);
  ck_assert_int_eq(waitpid(pid, &how, 0), pid);
  o.status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
  o.calls = got == sizeof o.calls ? o.calls : -1;
  FILE *e = fopen("err", "r");
  o.err[fread(o.err, 1, sizeof o.err - 1, e)] = 0;
  fclose(e);
  return o;
}

static void must(const char *const *words) {
  Outcome o = run(words, (Fault){FAULT_MEMORY, 0, FAULT_ONCE, 0});
  ck_assert_msg(o.status == 0, "%s: status %d: %s", words[0], o.status, o.err);
}

static void drop(const char *name) {
  char command[TEST_PATH];
  snprintf(command, sizeof command, "rm -rf -- %s", name);
  ck_assert_int_eq(system(command), 0);
}

static bool matches(const char *pattern) {
  glob_t g;
  bool any = glob(pattern, 0, NULL, &g) == 0;
  globfree(&g);
  return any;
}

// Made once for all tests of the suite: what a test makes, it drops itself.
static void enter_folder(void) {
  char from[TEST_PATH];
  home = open(".", O_RDONLY | O_DIRECTORY);
  ck_assert_int_ge(home, 0);
  ck_assert_ptr_nonnull(realpath(getenv("builddir") ? getenv("builddir") : ".", from));
  setenv("builddir", from, 1);
  test_make_dir(folder);
  ck_assert_int_eq(chdir(folder), 0);
  put_file("m.mdl", model);
  put_text("t.txt");
  must((const char *[]){"vocab", "t.txt", "-o", "v.txt", "--size", "24", NULL});
  must((const char *[]){"train", "m.mdl", "-O0", "--data", "t.txt", "--vocab", "v.txt", "--out",
                        "run", "--length", "8", NULL});
}

static void leave_folder(void) {
  ck_assert_int_eq(fchdir(home), 0);
  close(home);
  test_remove_dir(folder);
}

// What to try of 1 ... calls: all, or some at the front, where most is opened, and some behind.
static long next_try(long n, long calls, int front, int behind) {
  const char *all = getenv("BIGSC_FAULTS");
  long step = (calls - front) / behind + 1;
  return n + (n < front || (all && !strcmp(all, "all")) ? 1 : step);
}

// ---- memory

typedef struct Command {
  const char *words[WORDS];
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
  ck_assert_msg(!matches("*.tmp*") && !matches("*/*.tmp"), "%s, allocation %ld: a temporary", what,
                n);
  if (c->made && !c->keeps_folder)
    ck_assert_msg((access(c->made, F_OK) == 0) == (o->status == 0), "%s, allocation %ld: %d", what,
                  n, o->status);
}

START_TEST(every_allocation_of_a_command_may_fail) {
  const Command *c = &commands[_i];
  long calls = run(c->words, (Fault){FAULT_MEMORY, 0, FAULT_ONCE, ENOMEM}).calls;
  ck_assert_int_gt(calls, 8);
  for (int how = FAULT_ONCE; how <= FAULT_EVER_AFTER; how++)
    for (long n = 1; n <= calls; n = next_try(n, calls, how ? 2 : 6, how ? 4 : 12)) {
      if (c->made)
        drop(c->made);
      Outcome o = run(c->words, (Fault){FAULT_MEMORY, n, (FaultHow)how, ENOMEM});
      check_outcome(c, &o, n, (FaultHow)how);
    }
}
END_TEST

// Those of texts in memory are few: each fails.
START_TEST(every_text_in_memory_may_fail) {
  const Command *c = &commands[_i];
  long calls = run(c->words, (Fault){FAULT_STREAM, 0, FAULT_ONCE, ENOMEM}).calls;
  for (long n = 1; n <= calls; n++) {
    if (c->made)
      drop(c->made);
    Outcome o = run(c->words, (Fault){FAULT_STREAM, n, FAULT_ONCE, ENOMEM});
    check_outcome(c, &o, n, FAULT_ONCE);
  }
}
END_TEST

Suite *faults_suite(void) {
  Suite *s = suite_create("faults");
  TCase *t = tcase_create("faults");
  tcase_set_timeout(t, 600);
  tcase_add_unchecked_fixture(t, enter_folder, leave_folder);
  tcase_add_loop_test(t, every_allocation_of_a_command_may_fail, 0, COUNT(commands));
  tcase_add_loop_test(t, every_text_in_memory_may_fail, 0, COUNT(commands));
  suite_add_tcase(s, t);
  return s;
}

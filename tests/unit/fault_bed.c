// See fault_bed.h.
#include "tests/unit/fault_bed.h"
#include "tests/unit/command.h"
#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool fault_all(void) {
  const char *all = getenv("BIGSC_FAULTS");
  return all && !strcmp(all, "all");
}

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

void fault_put_file(const char *name, const char *text) {
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

#ifdef BIGSC_COVERAGE
void __gcov_dump(void);
#define KEEP_COUNTS() __gcov_dump() // which _exit() would lose
#else
#define KEEP_COUNTS() ((void)0)
#endif

enum { COMMAND_SECONDS = 600, ALL_SECONDS = 24 * 3600 };

static void child(const char *const *words, Fault f, int calls) {
  char *argv[FAULT_WORDS + 1] = {"bigsc"};
  int argc = 1;
  for (; words[argc - 1]; argc++)
    argv[argc] = (char *)(uintptr_t)words[argc - 1];
  int out = open("/dev/null", O_WRONLY), err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(out, 1);
  dup2(err, 2);
  alarm(COMMAND_SECONDS);
  fault_arm(f.kind, f.n, f.how, f.error);
  int status = test_bigsc(argc, argv);
  long n = fault_disarm();
  if (write(calls, &n, sizeof n) != sizeof n)
    status = 99;
  fflush(NULL);
  KEEP_COUNTS();
  _exit(status);
}

Outcome fault_run(const char *const *words, Fault f) {
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

void fault_must(const char *const *words) {
  Outcome o = fault_run(words, (Fault){FAULT_MEMORY, 0, FAULT_ONCE, 0});
  ck_assert_msg(o.status == 0, "%s: status %d: %s", words[0], o.status, o.err);
}

void fault_drop(const char *names) {
  char command[TEST_PATH];
  snprintf(command, sizeof command, "rm -rf -- %s", names);
  ck_assert_int_eq(system(command), 0);
}

bool fault_matches(const char *pattern) {
  glob_t g;
  bool any = glob(pattern, 0, NULL, &g) == 0;
  globfree(&g);
  return any;
}

static void enter_folder(void) {
  char from[TEST_PATH];
  home = open(".", O_RDONLY | O_DIRECTORY);
  ck_assert_int_ge(home, 0);
  ck_assert_ptr_nonnull(realpath(getenv("builddir") ? getenv("builddir") : ".", from));
  setenv("builddir", from, 1);
  test_make_dir(folder);
  ck_assert_int_eq(chdir(folder), 0);
  fault_put_file("m.mdl", model);
  put_text("t.txt");
  fault_must((const char *[]){"vocab", "t.txt", "-o", "v.txt", "--size", "24", NULL});
  fault_must((const char *[]){"m.mdl", "-O0", "-o", "m.so", NULL});
  fault_must((const char *[]){"train", "m.mdl", "-O0", "--data", "t.txt", "--vocab", "v.txt",
                              "--out", "run", "--length", "8", NULL});
}

static void leave_folder(void) {
  ck_assert_int_eq(fchdir(home), 0);
  close(home);
  test_remove_dir(folder);
}

// Where all faults are tried, a test has as many runs as there are calls: what hangs is one run then.
TCase *fault_case(const char *name) {
  TCase *t = tcase_create(name);
  tcase_set_timeout(t, fault_all() ? ALL_SECONDS : COMMAND_SECONDS);
  tcase_add_unchecked_fixture(t, enter_folder, leave_folder);
  return t;
}

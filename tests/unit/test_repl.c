// The REPL: scripts, and what they print.
#include "compiler/commands/cmd.h"
#include "compiler/repl/repl.h"
#include "compiler/repl/repl_line.h"
#include "tests/unit/repl_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

START_TEST(values) {
  prints("1 + 2\n", "3  i32\n");
  prints("0.5 * 3\ntrue\n", "1.5000  f32\ntrue  bool\n");
  prints("dim H = 4\niota[H]\n", "[H = 4] i32\n[0 1 2 3]\n");
  prints("dim H = 2, K = 3\nf32(iota[H]) @[] f32(iota[K])\n",
         "[H = 2, K = 3] f32\n[[0.0000 0.0000 0.0000]\n [0.0000 1.0000 2.0000]]\n");
  prints("1i * 2.5\n", "0.0000+2.5000i  c64\n");
  prints("dim H = 2\nf32(iota[H]) * 1e7\n", "[H = 2] f32\n[0.0000e+00 1.0000e+07]\n");
  prints("dim H = 5000\niota[H]\n", "[H = 5000] i32\n[   0    1    2 ... 4997 4998 4999]\n");
}
END_TEST

START_TEST(names_keep_values) {
  prints("dim H = 3\nx = iota[H]\nx = x + 1\nx\n",
         "x : [H = 3] i32\nx : [H = 3] i32\n[H = 3] i32\n[1 2 3]\n");
  prints("3 * 4\nit + 1\n", "12  i32\n13  i32\n");
  prints("fn sq(t) = t * t\ny = sq(3)\nfn sq(t) = t\ny\nsq(3)\n", "y : i32\n9  i32\n3  i32\n");
  prints("let k = 2\nk\nlet k = 5\nk\n", "2  i32\n5  i32\n");
}
END_TEST

START_TEST(several_results_are_several_names) {
  prints(
      "dim H = 2, N = 3\nmodule Up(x : [H]) -> ([H], f32) { (x + 1, sum(x)) }\nup : repeat N Up\n"
      "x = 1.0 * iota[H]\nx, sums = up(x)\nx\nsums\n_, sums = x |> up\nsums\n",
      "up : repeat N Up, 0 numbers in 0 parameters\nx : [H = 2] f32\n"
      "x : [H = 2] f32\nsums : [N = 3] f32\n[H = 2] f32\n[3.0000 4.0000]\n[N = 3] f32\n[1.0000 "
      "3.0000 5.0000]\n"
      "sums : [N = 3] f32\n[N = 3] f32\n[ 7.0000  9.0000 11.0000]\n");
  prints("dim H = 9\nfn two(x) = (x, sum(x))\na, b = two(normal[H](1))\nsum(a) == b\n",
         "a : [H = 9] f32\nb : f32\ntrue  bool\n");
  fails_with("fn two(x) = (x, x)\na, b, c = two(1)\n", 1, "gives 2 results, and the names are 3");
}
END_TEST

START_TEST(lines_that_go_on) {
  prints("(1\n  + 2)\n", "3  i32\n");
  prints("fn f(x) {\n  y = x * 2\n  y + 1\n}\nf(3)\n", "7  i32\n");
  prints("a = 1; b = 2; a + b\n", "a : i32\nb : i32\n3  i32\n");
  fails_with("(1 +\n", 1, "the input ends inside a bracket");
}
END_TEST

// Local axes and slices live on in values.
START_TEST(axes_beyond_dims) {
  prints("dim H = 3\nx = iota[H]\ny = x[H as S]\nsum[S](y)\n",
         "x : [H = 3] i32\ny : [S = 3] i32\n3  i32\n");
  prints("dim H = 4\nx = iota[H]\ny = x[H = 1 : 3]\ny\nsum[H](y)\n",
         "x : [H = 4] i32\ny : [H = 2] i32\n[H = 2] i32\n[1 2]\n3  i32\n");
  fails_with("dim H = 4\nx = iota[H]\ny = x[H = 1 : 3]\nx + y\n", 1, "a slice meets no other axis");
  fails_with("dim A = 2, B = 3\nx = iota[A][A as S]\ny = iota[B][B as S]\nx * y\n", 1,
             "the axis `S` is");
}
END_TEST

START_TEST(run_time_dims) {
  succeeds_with("dim B, L <= 4\niota[L]\n", "B = 2, L = 4 for now");
  prints("dim H\n:set H=3\niota[H]\n",
         "note: H = 2 for now; :set changes them\n[H = 3] i32\n[0 1 2]\n");
  fails_with("dim B, L <= 4\n:set L=5\n", 1, "passes its bound");
  fails_with("dim H\nx = iota[H]\n:set H=3\nx\niota[H]\n", 1,
             "`x` has H = 2, and H is 3 now: bind `x` again");
  fails_with(":set H=3\n", 1, "there is no dim and no let `H`");
}
END_TEST

static const char block[] = "dim B, H = 4, F = 6\n"
                            "module Block(x : [B, H]) -> [B, H] {\n"
                            "  up : Linear[H -> F]\n"
                            "  down : Linear[F -> H]\n"
                            "  down(up(x))\n"
                            "}\n"
                            "x = normal[B, H](1)\n"
                            "b : Block\n"
                            "w = b.up.weight\n"
                            "y = b(x)\n";

static void with_block(const char *more, char *script, size_t size) {
  snprintf(script, size, "%s%s", block, more);
}

START_TEST(parameters_survive_redefinition) {
  char s[2048];
  // The body changes, the weights do not.
  with_block("module Block(x : [B, H]) -> [B, H] {\n  up : Linear[H -> F]\n  down : Linear[F -> "
             "H]\n  2 * down(up(x))\n}\n"
             "max(abs(b(x) - 2 * y))\nmax(abs(w - b.up.weight))\n",
             s, sizeof s);
  succeeds_with(s, "0.0000  f32\n0.0000  f32\n");
  // Another shape: new numbers; the old shape again: the old ones.
  with_block("dim F = 8\nb.up.weight\n", s, sizeof s);
  succeeds_with(s, "[H = 4, F = 8] f32");
  with_block("dim F = 8\nb(x)[B = 0]\ndim F = 6\nmax(abs(b(x) - y))\n", s, sizeof s);
  succeeds_with(s, "0.0000  f32\n");
  // The child declared again: new numbers.
  with_block("b : Block\nmax(abs(w - b.up.weight)) > 0\n", s, sizeof s);
  succeeds_with(s, "true  bool");
  with_block("b\n", s, sizeof s);
  succeeds_with(s, "b : Block, 58 numbers in 4 parameters\n  b.up.weight : [H = 4, F = 6] f32\n");
}
END_TEST

START_TEST(redefinitions_that_break_others) {
  static const char both[] =
      "dim H = 4\nfn f(x) = x + 1\nmodule M(x : [H]) -> [H] {\n  f(x)\n}\nm : M\n";
  char s[1024];
  // M does not fit for a while, and is used again once it does.
  snprintf(
      s, sizeof s,
      "%sfn f(x, y) = x + y\n2 * 3\nmodule M(x : [H]) -> [H] {\n  f(x, 2)\n}\nm(f32(iota[H]))\n",
      both);
  succeeds_with(s, "`M` no longer fits: left out until declared again");
  succeeds_with(s, "[2.0000 3.0000 4.0000 5.0000]");
  snprintf(s, sizeof s, "%sfn f(x, y) = x + y\nm(f32(iota[H]))\n", both);
  fails_with(s, 1, "error[");
  // What is wrong itself is refused, and the old one stays.
  snprintf(s, sizeof s, "%sfn f(x) = x + unknown\nm(f32(iota[H]))\n", both);
  fails_with(s, 1, "[1.0000 2.0000 3.0000 4.0000]");
}
END_TEST

START_TEST(dims_declared_later) {
  prints("dim H = 4\ndim F = 2 * H\ndim H = 3\n:shape iota[F]\n", "[F = 6] i32\n");
  prints("dim H = 4\ndim F = 8\ndim H = F\n:shape iota[H]\n", "[H = 8] i32\n");
  prints("let a = 2\nlet b = a + 1\nlet c = 5\nlet a = c\nb\n", "6  i32\n");
  prints("let k = 2\nfn f(x) = x + k\nlet n = 5\nfn g(k) = k * n\nlet k = g(2)\nf(1)\n",
         "11  i32\n");
}
END_TEST

// What is typed last counts; a dim without a number says nothing about what it was set to.
START_TEST(declared_after_set) {
  prints("dim H = 4\n:set H=3\nH\ndim H = 6\nH\nlet k = 1\n:set k=2\nlet k = 3\nk\n",
         "3  i32\n6  i32\n3  i32\n");
  succeeds_with("dim B, L\n:set B=4\ndim B\n:type iota[B]\n", "[B = 4] i32\n");
  succeeds_with("dim B, L\ndim B = 3\n:type iota[L]\n", "[L = 5] i32\n"); // as it was
  fails_with("dim H = 4\n:set H=3\ndim H = Unknown\nH\n", 1, "3  i32\n");
}
END_TEST

START_TEST(random_values) {
  prints("dim H = 1000\nu = uniform[H](2, 5)\nmin(u) >= 2\nmax(u) < 5\nabs(mean(u) - 3.5) < 0.1\n",
         "u : [H = 1000] f32\ntrue  bool\ntrue  bool\ntrue  bool\n");
  // Two draws of one expression, and the same expression again, differ.
  prints("dim H = 8\nmax(abs(normal[H](1) - normal[H](1))) > 0\na = normal[H](1)\nb = "
         "normal[H](1)\nmax(abs(a - b)) > 0\n",
         "true  bool\na : [H = 8] f32\nb : [H = 8] f32\ntrue  bool\n");
  prints("dim B, V = 5\nids : i32[B] ~ uniform(0, V)\nmax(ids) < V\n",
         "note: B = 2 for now; :set changes them\nids : [B = 2] i32\ntrue  bool\n");
}
END_TEST

START_TEST(gradients) {
  prints("dim H = 3\nx = f32(iota[H])\n:grad sum(x * x) x\nit + 1\n",
         "x : [H = 3] f32\n[H = 3] f32\n[0.0000 2.0000 4.0000]\n[H = 3] f32\n[1.0000 3.0000 "
         "5.0000]\n");
  succeeds_with("dim H = 3\nl : Linear[H -> H]\nx = f32(iota[H])\n:grad sum(l(x))\n",
                "l.bias    norm 1.7321");
  succeeds_with("dim N = 2\nc : c64[N] ~ normal(1)\n:grad sum(real(c)) c\n",
                "[N = 2] c64\n[1.0000+0.0000i 1.0000+0.0000i]");
  fails_with("dim H = 3\nx = f32(iota[H])\n:grad x\n", 1, "a gradient is that of one number");
  fails_with("dim H = 3\nx = f32(iota[H])\n:grad sum(x) q\n", 1,
             "does not depend on `q`; it does on: x");
}
END_TEST

START_TEST(commands) {
  prints("dim H = 3\n:shape iota[H] + 0.5\n", "[H = 3] f32\n");
  succeeds_with("dim H = 3\nx = f32(iota[H])\n:time exp(x)\n", "median");
  succeeds_with(":help\n", ":grad EXPR [NAME]");
  prints("1\n:quit\n2\n", "1  i32\n");
  prints(":q\n2\n", "");
  fails_with(":bogus\n:shape\n:set\n", 2, "there is no command `:bogus`");
  fails_with(":sahpe x\n", 1, "did you mean `:shape`?");
  fails_with("dim K = 4\nx = normal[K](1)\nx @ x\n", 1, "write `x @[K] x`");
  fails_with("dim K = 4\nx = normal[K](1)\nx.mean(dim=0)\n", 1, "write `mean[K](x)`");
  succeeds_with("dim H = 3, B\nlet k = 2\nfn f(x) = x\nx = iota[H]\nl : Linear[H -> H]\n:vars\n",
                "  l : Linear[H -> H]\n");
}
END_TEST

START_TEST(scans) {
  static const char scan[] =
      "dim L\n:set L=%d\nx = f32(iota[L])\nscan[L](s : [] = 0) { s = s + x; s }[L = L - 1]\n";
  char s[256];
  snprintf(s, sizeof s, scan, 100);
  prints(s, "note: L = 2 for now; :set changes them\nx : [L = 100] f32\n4950.0000  f32\n");
  snprintf(s, sizeof s, scan, 600);
  prints(s, "note: L = 2 for now; :set changes them\nx : [L = 600] f32\n1.7970e+05  f32\n");
  snprintf(s, sizeof s, scan, 5000);
  prints(s, "note: L = 2 for now; :set changes them\nx : [L = 5000] f32\n1.2498e+07  f32\n");
}
END_TEST

START_TEST(errors_have_places) {
  fails_with("1\n\nfoo + 1\n", 1, "--> <test>:3:1\n");
  fails_with("dim H = 4\nlayer = iota[H]\nlayr + 1\n", 1, "did you mean `layer`?");
  fails_with("1 +* 2\n1\n", 1, "1  i32\n");
  fails_with("x = 1; y = foo; z = 2\nz\n", 2, "unknown name `z`");
  fails_with("module Bad(x : [Q]) -> [Q] { x }\n", 1, "<test>:1:17");
  fails_with("dim H = 3\nl : Linear[H -> K]\nl\n", 2, "unknown dimension `K`");
}
END_TEST

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
}

START_TEST(loaded_models) {
  char path[] = "/tmp/bigsc-repl-XXXXXX", s[1024];
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  write_file(path, "dim V = 7, H = 4\ndim B, L <= 8\n"
                   "model M(ids : i32[B, L]) {\n  word : Embedding[V, H]\n  out : Linear[H -> V]\n"
                   "  h = word(ids)\n  entry logits : [B, L, V] = out(h)\n}\n"
                   "train t {\n  data ids, target : i32[B, L] = lm_text(\"x.txt\")\n  loss = "
                   "mean(cross_entropy[V](logits, target))\n"
                   "  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-8)\n  rate = 1e-3\n}\n");
  snprintf(s, sizeof s, ":load %s\n:shape logits\nlogits\n:set L=8\nlogits\n:grad t\n", path);
  fails_with(s, 0, "`ids` had no value: it is random now, below 7");
  succeeds_with(s, "[B = 2, L = 5, V = 7] f32\n");
  succeeds_with(s, "[B = 2, L = 8, V = 7] f32\n");
  succeeds_with(s, "word.weight  norm");
  write_file(path, "dim V = 7\nmodel M(ids : i32[V]) { entry e : [V] = foo(ids) }\n");
  snprintf(s, sizeof s, ":load %s\nV\n", path);
  fails_with(s, 2, "unknown name `foo`");
  unlink(path);
  fails_with(":load /nonexistent/x.mdl\n1\n", 1, "1  i32");
}
END_TEST

// In the second file what the first one had is made of what is new.
START_TEST(files_in_another_order) {
  char path[2][32] = {"/tmp/bigsc-repl-XXXXXX", "/tmp/bigsc-repl-XXXXXX"}, s[256];
  for (int i = 0; i < 2; i++)
    close(mkstemp(path[i]));
  write_file(path[0], "dim H = 2\nlet a = 1\nfn f(x) = x\n"
                      "model M(x : [H] = 1) { v = x * a; entry y : [H] = f(v) }\n");
  write_file(path[1], "let b = 3, a = b + 1\ndim G = 3, H = G\nfn g(x) = x * b\nfn f(x) = g(x)\n"
                      "model M(x : [H] = 1) { u = x + a; v = u * a; entry y : [H] = f(v) }\n");
  snprintf(s, sizeof s, ":load %s\ny\n:load %s\ny\n:load %s\ny\n", path[0], path[1], path[0]);
  prints(s, "[H = 2] f32\n[1.0000 1.0000]\n[H = 3] f32\n[60.0000 60.0000 60.0000]\n[H = 2] f32\n"
            "[1.0000 1.0000]\n");
  unlink(path[0]);
  unlink(path[1]);
}
END_TEST

// `i` is a number of the layers' line, and a value beside it.
START_TEST(layers_count_beside_a_value) {
  static const char two[] = "dim K = 2, H = 2\nmodule A(x : [H], s = 1) -> [H] { x * s }\n";
  char s[512];
  snprintf(s, sizeof s,
           "%si = 5.0\nl : repeat K as i A(s: i + 1)\nl(1.0 * iota[H] + i)\ni = 7.0\nl(1.0 * "
           "iota[H] + i)\nl(y)\n",
           two);
  fails_with(s, 1, "[10.0000 12.0000]\n");
  fails_with(s, 1, "[14.0000 16.0000]\n");
  fails_with(s, 1, "unknown name `y`");
}
END_TEST

// The choices, joined; *start: where the word begins.
static const char *choices(Repl *r, const char *line, size_t *start) {
  static char text[4096];
  const char *out[50];
  int n = repl_complete(r, line, start, out, 50);
  *text = 0;
  for (int i = 0; i < n; i++)
    strcat(strcat(text, i ? " " : ""), out[i]);
  return text;
}

START_TEST(completion) {
  Options o = {.opt = 2};
  const char *error = NULL;
  size_t at;
  Repl *r = repl_new(&o, stdout, stderr, "<test>", &error);
  ck_assert_ptr_nonnull(r);
  o.quiet = true;
  repl_input(r,
             "dim Heads = 2, Depth = 2\nheat = 1\nmodule M(x : [Heads]) -> [Heads] { up, out : "
             "Linear[Heads -> Heads]\n x |> up |> out }\n"
             "layer : repeat Depth M\n",
             false);
  ck_assert_str_eq(choices(r, "1 + hea", &at), "heat");
  ck_assert_int_eq(at, 4);
  ck_assert_str_eq(choices(r, "Hea", &at), "Heads");
  ck_assert_str_eq(choices(r, "x = gel", &at), "gelu gelu_tanh");
  ck_assert_str_eq(choices(r, "zzz", &at), "");
  ck_assert_str_eq(choices(r, "", &at), "");
  // commands
  ck_assert_str_eq(choices(r, ":gr", &at), ":grad");
  ck_assert_int_eq(at, 0);
  ck_assert_str_eq(choices(r, ":doc :gr", &at), ":grad");
  ck_assert_str_eq(choices(r, ":grad hea", &at), "heat");
  // parts of a child
  ck_assert_str_eq(choices(r, "sum(layer.", &at), "layer.0 layer.1");
  ck_assert_int_eq(at, 4);
  ck_assert_str_eq(choices(r, ":info layer.0.", &at), "layer.0.up layer.0.out");
  ck_assert_str_eq(choices(r, "layer.0.up.w", &at), "layer.0.up.weight");
  ck_assert_str_eq(choices(r, "heat.", &at), "");
  repl_free(r);
}
END_TEST

START_TEST(completion_of_paths) {
  Options o = {.opt = 2};
  const char *error = NULL;
  char line[512];
  size_t at;
  Repl *r = repl_new(&o, stdout, stderr, "<test>", &error);
  make_dir();
  ck_assert(r && !mkdir(in_dir("folder"), 0700));
  write_file(in_dir("folder/a.mdl"), "");
  write_file(in_dir("folder/.hidden"), "");
  snprintf(line, sizeof line, ":load %s/fo", dir);
  ck_assert(strstr(choices(r, line, &at), "/folder/") && at == 6);
  snprintf(line, sizeof line, ":load %s/folder/", dir);
  ck_assert_str_eq(choices(r, line, &at), in_dir("folder/a.mdl"));
  snprintf(line, sizeof line, "x = load(\"%s/folder/.", dir);
  ck_assert_str_eq(choices(r, line, &at), in_dir("folder/.hidden"));
  ck_assert_int_eq(at, 10);
  snprintf(line, sizeof line, ":save %s/none/", dir);
  ck_assert_str_eq(choices(r, line, &at), "");
  repl_free(r);
  remove_dir();
}
END_TEST

// ---- lines from a terminal: a pseudo-terminal whose other end is `keyboard`

static volatile sig_atomic_t stopped;
static int keyboard;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

// Raw, so that keys which are typed before somebody reads are kept as they are.
static void terminal(void) {
  struct termios t;
  make_dir();
  setenv("TERM", "vt100", 1);
  setenv("HOME", dir, 1); // no .editrc of the user's
  keyboard = posix_openpt(O_RDWR | O_NOCTTY);
  ck_assert(keyboard >= 0 && !grantpt(keyboard) && !unlockpt(keyboard));
  int fd = open(ptsname(keyboard), O_RDWR | O_NOCTTY);
  ck_assert(fd >= 0 && tcgetattr(fd, &t) == 0);
  cfmakeraw(&t);
  ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
  ck_assert(dup2(fd, 0) == 0 && dup2(fd, 1) == 1);
  close(fd);
}

static int three_names(void *ctx, const char *line, size_t *at, const char **out, int max) {
  static const char *const all[] = {"alpha", "alphabet", "beta"};
  const char *blank = strrchr(line, ' '), *start = blank ? blank + 1 : line;
  int n = 0;
  (void)ctx;
  *at = (size_t)(start - line);
  for (int i = 0; i < 3 && n < max; i++)
    if (!strncmp(all[i], start, strlen(start)))
      out[n++] = all[i];
  return n;
}

static Editor *new_editor(const char *history) {
  FILE *out = tmpfile();
  ck_assert_ptr_nonnull(out);
  Editor *e = editor_new(out, &stopped, three_names, NULL, history);
  ck_assert_ptr_nonnull(e);
  return e;
}

// Between lines the terminal edits by itself, and would take Ctrl-D as an end: keys wait for the editor.
static void *type_keys(void *keys) {
  struct termios t;
  while (tcgetattr(keyboard, &t) == 0 && t.c_lflag & ICANON)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  return write(keyboard, keys, strlen(keys)) == (ssize_t)strlen(keys) ? keys : NULL;
}

// The line that these keys make.
static const char *typed(Editor *e, const char *keys) {
  bool interrupted;
  pthread_t typist;
  void *done;
  char text[32];
  ck_assert_uint_lt(strlen(keys), sizeof text);
  ck_assert_int_eq(pthread_create(&typist, NULL, type_keys, strcpy(text, keys)), 0);
  const char *line = editor_line(e, false, &interrupted);
  ck_assert_int_eq(pthread_join(typist, &done), 0);
  ck_assert(done && !interrupted);
  return line;
}

START_TEST(keys_edit_a_line) {
  Editor *e = new_editor(NULL);
  ck_assert_str_eq(typed(e, "1 + 2\r"), "1 + 2\n");
  ck_assert_str_eq(typed(e, "ac\x1b[Db\r"), "abc\n"); // left
  ck_assert_str_eq(typed(e, "bc\x01"
                            "a\x05"
                            "d\r"),
                   "abcd\n"); // to the start, to the end
  ck_assert_str_eq(typed(e, "abx\x7f"
                            "c\r"),
                   "abc\n"); // backspace
  ck_assert_str_eq(typed(e, "xyz\x15"
                            "a\r"),
                   "a\n"); // the whole line goes
  ck_assert_str_eq(typed(e, "a\xff"
                            "b\r"),
                   "ab\n");             // no character
  ck_assert_ptr_null(typed(e, "\x04")); // Ctrl-D
  editor_free(e);
}
END_TEST

START_TEST(tab_completes_names) {
  Editor *e = new_editor(NULL);
  ck_assert_str_eq(typed(e, "1 + b\t\r"), "1 + beta\n");
  ck_assert_str_eq(typed(e, "a\t\r"), "alpha\n");             // what both have
  ck_assert_str_eq(typed(e, "alpha\t\tb\t\r"), "alphabet\n"); // a list, which changes nothing
  ck_assert_str_eq(typed(e, "x\t\ty\r"), "xy\n");
  editor_free(e);
}
END_TEST

START_TEST(history_is_walked_and_kept) {
  Arena *a = arena_new();
  setenv("XDG_STATE_HOME", in_dir("state"), 1);
  const char *path = editor_history_path(a);
  ck_assert_str_eq(path, in_dir("state/bigsc/history"));
  for (int life = 0; life < 2; life++) {
    Editor *e = new_editor(path);
    if (!life) {
      editor_remember(e, "first\n");
      editor_remember(e, "second  \n");
      editor_remember(e, " \n"); // nothing
    }
    ck_assert_str_eq(typed(e, "\x1b[A\r"), "second\n");
    ck_assert_str_eq(typed(e, "\x1b[A\x1b[A!\r"), "first!\n");
    ck_assert_str_eq(typed(e, "\x1b[A\x1b[A\x1b[B\r"), "second\n");
    editor_free(e);
  }
  unsetenv("XDG_STATE_HOME");
  ck_assert_str_eq(editor_history_path(a), in_dir(".local/state/bigsc/history"));
  setenv("HOME", "relative", 1);
  ck_assert_ptr_null(editor_history_path(a));
  arena_free(a);
}
END_TEST

// A signal ends the line that is being typed; the next one starts anew.
START_TEST(control_c_ends_a_line) {
  struct sigaction on = {.sa_handler = stop};
  struct itimerval soon = {{0, 20000}, {0, 20000}}; // again, should the first come too early
  bool interrupted = false;
  Editor *e = new_editor(NULL);
  sigaction(SIGALRM, &on, NULL);
  ck_assert_int_eq(write(keyboard, "half", 4), 4);
  setitimer(ITIMER_REAL, &soon, NULL);
  ck_assert_str_eq(editor_line(e, true, &interrupted), "");
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  ck_assert(interrupted);
  stopped = 0;
  ck_assert_str_eq(typed(e, "whole\r"), "whole\n");
  editor_free(e);
}
END_TEST

// ---- a whole session, typed line by line: each when the prompt stands there

typedef struct Talk {
  const char *const *line; // up to NULL; "^C" is a signal, once a loss is shown
  char seen[1 << 16];
  size_t n, from; // from: where what the next line waits for may begin
  bool failed;
} Talk;

static bool see(Talk *t, const char *what) {
  char *at;
  while (!(at = strstr(t->seen + t->from, what))) {
    struct pollfd p = {.fd = keyboard, .events = POLLIN};
    ssize_t got =
        poll(&p, 1, 20000) > 0 ? read(keyboard, t->seen + t->n, sizeof t->seen - 1 - t->n) : 0;
    if (got <= 0)
      return false;
    t->n += (size_t)got;
  }
  t->from = (size_t)(at - t->seen) + strlen(what);
  return true;
}

static void *talk(void *ctx) {
  Talk *t = ctx;
  for (int i = 0; t->line[i] && !t->failed; i++) {
    char keys[256];
    bool signal = !strcmp(t->line[i], "^C");
    snprintf(keys, sizeof keys, "%s\r", t->line[i]);
    t->failed = !see(t, signal ? "loss " : "bigs> ") ||
                (signal ? kill(getpid(), SIGINT) != 0
                        : write(keyboard, keys, strlen(keys)) != (ssize_t)strlen(keys));
  }
  return NULL;
}

START_TEST(a_session_at_a_terminal) {
  static const char *const line[] = {
      "dim H = 3", "x = [1, 2, 3] : [H]",   "w : [H] ~ 0.5", ":train 100000000 sum((w - x)^2)",
      "^C",        "max(abs(w - x)) < 2.5", ":doc gelu",     "exit",
      NULL};
  static Talk t = {.line = line};
  char *argv[] = {"bigsc", "repl", "--threads", "2", NULL};
  pthread_t user;
  Options o;
  Arena *a = arena_new();
  setenv("TERM", "dumb", 1);
  ck_assert_int_eq(options_parse(a, &o, 4, argv), -1);
  ck_assert_int_eq(pthread_create(&user, NULL, talk, &t), 0);
  ck_assert_int_eq(cmd_REPL(&o), 0);
  fflush(stdout);
  ck_assert_int_eq(pthread_join(user, NULL), 0);
  ck_assert_msg(!t.failed, "%s", t.seen);
  ck_assert_msg(strstr(t.seen, "steps 1 to ") && strstr(t.seen, "true  bool"), "%s", t.seen);
  ck_assert_msg(strstr(t.seen, "exactly (by erf)") != NULL, "%s", t.seen);
  arena_free(a);
}
END_TEST

static TCase *lines(void) {
  TCase *t = tcase_create("lines");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, terminal, remove_dir);
  tcase_add_test(t, keys_edit_a_line);
  tcase_add_test(t, tab_completes_names);
  tcase_add_test(t, history_is_walked_and_kept);
  tcase_add_test(t, control_c_ends_a_line);
  tcase_add_test(t, a_session_at_a_terminal);
  return t;
}

Suite *repl_suite(void) {
  Suite *s = suite_create("repl");
  TCase *t = tcase_create("repl");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, values);
  tcase_add_test(t, names_keep_values);
  tcase_add_test(t, several_results_are_several_names);
  tcase_add_test(t, lines_that_go_on);
  tcase_add_test(t, axes_beyond_dims);
  tcase_add_test(t, run_time_dims);
  tcase_add_test(t, parameters_survive_redefinition);
  tcase_add_test(t, redefinitions_that_break_others);
  tcase_add_test(t, dims_declared_later);
  tcase_add_test(t, declared_after_set);
  tcase_add_test(t, files_in_another_order);
  tcase_add_test(t, layers_count_beside_a_value);
  tcase_add_test(t, random_values);
  tcase_add_test(t, gradients);
  tcase_add_test(t, commands);
  tcase_add_test(t, scans);
  tcase_add_test(t, errors_have_places);
  tcase_add_test(t, loaded_models);
  tcase_add_test(t, completion);
  tcase_add_test(t, completion_of_paths);
  suite_add_tcase(s, t);
  suite_add_tcase(s, repl_tools());
  suite_add_tcase(s, lines());
  return s;
}

// The trainer, on a module made by hand: learning, its log, what goes wrong, progress, evaluation.
#include "runtime/exec/exec.h"
#include "runtime/files/file.h"
#include "tests/unit/suites.h"
#include "tests/unit/train_bed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- learning
START_TEST(training_learns_and_leaves_a_folder) {
  TrainResult r;
  run_ok((RunSpec){.folder = "a/b"}, &r);
  ck_assert_int_eq(r.step, 20);
  ck_assert(r.evaluated && r.held_out.count == 15);
  ck_assert_double_lt(r.held_out.loss, 1.8); // log 7 = 1.95 at the start
  ck_assert_double_eq_tol(r.held_out.perplexity, exp(r.held_out.loss), 1e-9);
  static const char *const file[] = {"model.mdl",         "config.json",
                                     "model.safetensors", "optimizer.safetensors",
                                     "state.json",        "log.jsonl"};
  for (int i = 0; i < COUNT(file); i++)
    ck_assert_msg(run_exists(run_path("a/b", file[i])), "%s", file[i]);
  ck_assert(!run_exists(run_path("a/b", "model.next.safetensors")));
  bigs_model *m = bigs_model_open(&toy_module, run_path("a/b", ""), NULL, 0);
  ck_assert_ptr_nonnull(m);
  float bias[TOY_V];
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_BIAS, bias);
  ck_assert_float_gt(bias[5], 0.1f);
  bigs_model_close(m);
}
END_TEST

START_TEST(the_log_tells_what_was_done) {
  TrainResult r;
  double x;
  char text[64];
  run_ok((RunSpec){.folder = "run", .save_every = 8}, &r);
  ck_assert_int_eq(run_records("run", "start", "version", NULL, text, sizeof text), 1);
  ck_assert_str_eq(text, "test");
  ck_assert_int_eq(run_records("run", "start", "seed", &x, NULL, 0), 1);
  ck_assert_double_eq(x, 11);
  ck_assert_int_eq(run_records("run", "start", "cpu", NULL, NULL, 0), 1);
  ck_assert_int_eq(run_records("run", "start", "dims", NULL, NULL, 0), 1);
  ck_assert_int_eq(run_records("run", "start", "flags", NULL, text, sizeof text), 1);
  ck_assert_str_eq(text, "train toy.mdl ");                             // what is not UTF-8 is cut
  ck_assert_int_eq(run_records("run", NULL, "loss", &x, NULL, 0), 7);   // 3, 6, ..., 18, 20
  ck_assert_int_eq(run_records("run", "save", "step", &x, NULL, 0), 3); // 8, 16, 20
  ck_assert_double_eq(x, 8);
  ck_assert_int_eq(run_records("run", "held_out", "accuracy", NULL, NULL, 0), 3);
  ck_assert_int_eq(run_records("run", "end", "step", &x, NULL, 0), 1);
}
END_TEST

START_TEST(a_cut_record_is_dropped) {
  BigsError e = {0};
  FILE *f = fopen(run_path("log.jsonl", ""), "w");
  fputs("{\"a\": 1}\n{\"b\": ", f);
  fclose(f);
  RunLog *log = log_open(run_path(".", ""), &e);
  ck_assert_ptr_nonnull(log);
  JsonText t = {0};
  record_begin(&t);
  record_number(&t, "c", NAN);
  ck_assert_int_eq(log_write(log, &t, &e), 0);
  log_close(log);
  free(t.s);
  size_t n;
  char *s = run_file(run_path("log.jsonl", ""), &n);
  ck_assert_str_eq(s, "{\"a\": 1}\n{\"c\": null}\n");
  free(s);
}
END_TEST

// A host that closed them and prints all the same: its words do not land in a file of ours.
START_TEST(files_do_not_take_standard_descriptors) {
  pid_t child = fork();
  if (child == 0) {
    BigsError e = {0};
    for (int fd = 0; fd <= 2; fd++)
      close(fd);
    FileOut *f = file_create(run_path("w", ""), &e);
    RunLog *log = log_open(run_path(".", ""), &e);
    bool taken = write(0, "x", 1) > 0 || write(1, "x", 1) > 0 || write(2, "x", 1) > 0;
    _exit(!f || !log || taken || file_commit(f, &e));
  }
  int status;
  waitpid(child, &status, 0);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

// ---- what goes wrong
START_TEST(a_loss_that_is_no_number_is_explained) {
  run_fails((RunSpec){.folder = "run", .set = {"rate=2"}, .save_every = 1}, BIGS_ENUMERIC,
            "sqrt, toy.mdl:12; the last good checkpoint is of step");
  ck_assert_int_eq(run_records("run", "numeric", "error", NULL, NULL, 0), 1);
  run_fails((RunSpec){.folder = "other", .set = {"rate=1000"}, .save_every = 100}, BIGS_ENUMERIC,
            "there is no checkpoint yet");
  run_fails((RunSpec){.folder = "run", .resume = true}, BIGS_ENUMERIC, "step ");
}
END_TEST

START_TEST(folders_that_cannot_be_used) {
  TrainResult r;
  run_ok((RunSpec){.folder = "run", .set = {"steps=2"}}, &r);
  run_fails((RunSpec){.folder = "run"}, BIGS_EUSAGE, "holds a training run already");
  run_fails((RunSpec){.folder = "none", .resume = true}, BIGS_EFILE, "state.json");
  run_fails((RunSpec){.folder = "run/model.mdl/x"}, BIGS_EFILE, "model.mdl");
  unlink(run_path("run", "optimizer.safetensors"));
  run_fails((RunSpec){.folder = "run", .resume = true, .set = {"steps=3"}}, BIGS_EFILE,
            "optimizer.safetensors");
  FILE *f = fopen(run_path("run", "state.json"), "w");
  fputs("{\"step\": 1}", f);
  fclose(f);
  run_fails((RunSpec){.folder = "run", .resume = true}, BIGS_EFILE,
            "not the state of a training run");
}
END_TEST

// Each field of state.json lacks, or holds what no run writes; `best` may lack.
START_TEST(states_that_lack_a_field_are_refused) {
  static const char state[] =
      "{\"train\": \"fit\", \"step\": 3, \"moment_steps\": 2, \"seed\": 7, \"tokens\": 96, "
      "\"seconds\": 0.5, \"recipe\": {\"rate\": 0.1, \"decay\": 0, \"clip\": 1, \"steps\": 5, "
      "\"batch\": 4, \"length\": 8}}";
  static const char *const changed[][2] = {
      {"", ""},
      {"\"train\": \"fit\"", "\"train\": 3"},
      {"\"train\"", "\"name\""},
      {"\"step\"", "\"at\""},
      {"\"moment_steps\"", "\"at\""},
      {"\"seed\"", "\"at\""},
      {"\"tokens\"", "\"at\""},
      {"\"seconds\"", "\"at\""},
      {"\"recipe\"", "\"at\""},
      {"\"rate\"", "\"at\""},
      {"\"decay\"", "\"at\""},
      {"\"clip\"", "\"at\""},
      {"\"steps\"", "\"at\""},
      {"\"batch\"", "\"at\""},
      {"\"length\"", "\"at\""},
      {"\"step\": 3", "\"step\": -3"},
      {"\"moment_steps\": 2", "\"moment_steps\": -2"},
      {"\"batch\": 4", "\"batch\": 0"},
      {"\"length\": 8", "\"length\": -8"},
      {"\"steps\": 5", "\"steps\": -5"},
  };
  for (int i = 0; i < COUNT(changed); i++) {
    const char *at = strstr(state, changed[i][0]);
    BigsError e = {0};
    TrainState got;
    char name[16];
    FILE *f = fopen(run_path(".", "state.json"), "w");
    fprintf(f, "%.*s%s%s", (int)(at - state), state, changed[i][1], at + strlen(changed[i][0]));
    fclose(f);
    int status = state_read(run_path(".", ""), &got, name, sizeof name, &e);
    ck_assert_msg(status == (i ? BIGS_EFILE : 0), "%s: status %d", changed[i][0], status);
    ck_assert(!i || strstr(e.text, "not the state of a training run"));
    ck_assert(i || (!strcmp(name, "fit") && got.step == 3 && got.best_step == -1));
    if (!i)
      state_free(&got);
  }
}
END_TEST

START_TEST(changes_are_checked) {
  BigsError e = {0};
  TrainChanges c = train_no_changes();
  ck_assert_int_eq(train_change(&c, "rate=1e-3", &e), 0);
  ck_assert_double_eq(c.rate, 1e-3);
  static const char *const good[] = {"rate=0", "decay=0", "clip=1e30", "clip=1.2e-38",
                                     "rate=3.4e38"};
  for (int i = 0; i < COUNT(good); i++)
    ck_assert_msg(train_change(&c, good[i], &e) == 0, "%s: %s", good[i], e.text);
  static const char *const bad[] = {
      "clip=0",   "clip=-0",   "clip=1e-40", "rate=1e39", "rate=1e-39", "decay=4e38",
      "clip=inf", "rate",      "rate=",      "rate=x",    "rate=-1",    "rate=nan",
      "steps=0",  "steps=1.5", "beta=0.9",   "rat=1",     "=1"};
  for (int i = 0; i < COUNT(bad); i++)
    ck_assert_msg(train_change(&c, bad[i], &e) == BIGS_EUSAGE, "%s", bad[i]);
}
END_TEST

// ---- progress
static char *progress_of(bool terminal, size_t *n) {
  TrainResult r;
  const char *path = run_path(terminal ? "tty" : "plain", "");
  FILE *f = fopen(path, "w");
  run_ok((RunSpec){.folder = terminal ? "r1" : "r2", .progress = f, .terminal = terminal}, &r);
  fclose(f);
  return run_file(path, n);
}
START_TEST(progress_lines) {
  size_t n;
  int lines = 0;
  char *plain = progress_of(false, &n), *tty;
  for (char *s = plain; (s = strstr(s, "tokens/s")) != NULL; s++)
    lines++;
  ck_assert_int_eq(lines, 4); // steps 5, 10, 15, 20
  ck_assert_ptr_null(strchr(plain, '\r'));
  ck_assert_ptr_nonnull(strstr(plain, "step 20/20  loss "));
  ck_assert_ptr_nonnull(strstr(plain, "ETA 0s"));
  ck_assert_ptr_nonnull(strstr(plain, "held-out loss"));
  tty = progress_of(true, &n);
  ck_assert_int_eq(tty[0], '\r');
  ck_assert_int_eq(tty[n - 1], '\n');
  free(plain);
  free(tty);
}
END_TEST

// ---- evaluation
START_TEST(held_out_loss_is_the_mean_cross_entropy) {
  bigs_model *m = bigs_model_open(&toy_module, NULL, NULL, 0);
  float bias[TOY_V] = {0, 0.5f, -1, 2, 0, 1, 0}, gain = 3;
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_BIAS, bias);
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  ToyFeed toy = {0};
  Feed feed = {.ctx = &toy, .train = toy_next, .held_out = toy_held_out};
  EvalResult r;
  ck_assert_int_eq(evaluate(m, &feed, 0, &r), 0);
  double loss = 0;
  int right = 0, count = 0;
  for (int i = 0; i < 3; i++) {
    FeedBatch batch;
    toy_held_out(&toy, i, &batch, NULL);
    for (int k = 0; k < 5; k++, count++) {
      int id = toy.ids[toy.at[k]], best = 0;
      double s[TOY_V], sum = 0;
      for (int v = 0; v < TOY_V; v++) {
        sum += exp(s[v] = bias[v] + (v == id ? gain : 0));
        best = s[v] > s[best] ? v : best;
      }
      loss += log(sum) - s[toy.labels[k]];
      right += best == toy.labels[k];
    }
  }
  ck_assert_int_eq(r.count, count);
  ck_assert_double_eq_tol(r.loss, loss / count, 1e-6);
  ck_assert_double_eq_tol(r.accuracy, (double)right / count, 1e-12);
  ck_assert_int_eq(evaluate(m, &feed, 1, &r), 0);
  ck_assert_int_eq(r.count, 5);
  feed.held_out = NULL;
  ck_assert_int_eq(evaluate(m, &feed, 0, &r), 1);
  bigs_model_close(m);
}
END_TEST

Suite *train_suite(void);
Suite *train_suite(void) {
  Suite *s = suite_create("train");
  TCase *t = tcase_create("train");
  tcase_set_timeout(t, 30);
  tcase_add_checked_fixture(t, run_make_dir, run_remove_dir);
  tcase_add_test(t, training_learns_and_leaves_a_folder);
  tcase_add_test(t, the_log_tells_what_was_done);
  tcase_add_test(t, a_cut_record_is_dropped);
  tcase_add_test(t, files_do_not_take_standard_descriptors);
  tcase_add_test(t, a_loss_that_is_no_number_is_explained);
  tcase_add_test(t, folders_that_cannot_be_used);
  tcase_add_test(t, states_that_lack_a_field_are_refused);
  tcase_add_test(t, changes_are_checked);
  tcase_add_test(t, progress_lines);
  tcase_add_test(t, held_out_loss_is_the_mean_cross_entropy);
  suite_add_tcase(s, t);
  return s;
}

// Runs that go on: resumed to the same bits, killed while saving, on a full disk.
#include "base/rng.h"
#include "runtime/files/file.h"
#include "runtime/train/feed_data.h"
#include "tests/unit/suites.h"
#include "tests/unit/train_bed.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- resuming
START_TEST(a_resumed_run_has_the_same_bits) {
  TrainResult r;
  run_ok((RunSpec){.folder = "whole"}, &r);
  run_fails((RunSpec){.folder = "parts", .stop_after = 7}, BIGS_EINTERRUPT, "step 7 is saved");
  run_fails((RunSpec){.folder = "parts", .resume = true, .stop_after = 13, .threads = 3},
            BIGS_EINTERRUPT, "step 13 is saved");
  run_ok((RunSpec){.folder = "parts", .resume = true, .threads = 2}, &r);
  ck_assert_int_eq(r.step, 20);
  run_same_file(run_path("whole", "model.safetensors"), run_path("parts", "model.safetensors"));
  run_same_file(run_path("whole", "optimizer.safetensors"),
                run_path("parts", "optimizer.safetensors"));
  ck_assert_int_eq(run_records("parts", "resume", "step", NULL, NULL, 0), 2);
}
END_TEST

START_TEST(changes_are_kept_by_a_resume) {
  TrainResult r;
  run_ok((RunSpec){.folder = "whole", .set = {"rate=0.01", "steps=9", "clip=1e30"}}, &r);
  run_fails(
      (RunSpec){.folder = "parts", .set = {"rate=0.01", "steps=9", "clip=1e30"}, .stop_after = 4},
      BIGS_EINTERRUPT, "step 4");
  run_ok((RunSpec){.folder = "parts", .resume = true}, &r);
  ck_assert_int_eq(r.step, 9);
  run_same_file(run_path("whole", "model.safetensors"), run_path("parts", "model.safetensors"));
}
END_TEST

static void put_text(void) {
  FILE *f = fopen(run_path("text.txt", ""), "w");
  ck_assert_ptr_nonnull(f);
  for (uint32_t i = 0; i < 3000; i++)
    fprintf(f, "%s%s", rng_mix(i) % 3 ? "a" : "b", i % 17 == 16 ? "\n" : " ");
  ck_assert_int_eq(fclose(f), 0);
}

// The schedule depends on the length of the run: a constant one here.
static void train_on(Data *data, const TrainPlan *plan, const char *folder, bool resume) {
  BigsTrain train = toy_module.train[0];
  BigsModule module = toy_module;
  DataFeed from;
  Feed feed;
  TrainResult r;
  feed_from_data(&from, data, plan->batch, DATA_HELD_OUT, &feed);
  ck_assert_int_ge(feed.epoch_steps, 20);
  bigs_model *m = bigs_model_open_with(
      &toy_module, NULL, &(bigs_options){.size = sizeof(bigs_options), .seed = 5, .threads = 1},
      NULL, 0);
  train.npiece = 0;
  module.train = &train;
  m->module = &module;
  TrainOptions to = {.out = run_path(folder, ""), .resume = resume};
  ck_assert_msg(train_run(m, plan, &feed, &to, &r) == 0, "%s", bigs_model_error(m));
  ck_assert(r.evaluated && r.held_out.count > 0);
  bigs_model_close(m);
}

START_TEST(text_data_resumes_to_the_same_bits) {
  static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n";
  BigsError e = {0};
  Tokenizer *tok;
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, vocab, sizeof vocab - 1, "vocab", true, &tok, &e),
                   0);
  put_text();
  DataOptions o = {.kind = DATA_MLM, .length = 8, .table = TOY_V, .seed = 5, .hold_out = true};
  TrainPlan plan = {.recipe = recipe_of(&toy_module.train[0]), .batch = 4, .length = 8, .seed = 5};
  plan.recipe.rate = 0.01;
  for (int part = 0; part < 3; part++) { // all at once; to step 9; from there
    Data *data;
    const char *text = run_path("text.txt", "");
    ck_assert_msg(data_open(&text, 1, tok, &o, &data, &e) == 0, "%s", e.text);
    plan.recipe.steps = part == 1 ? 9 : 20;
    train_on(data, &plan, part ? "parts" : "whole", part == 2);
    data_free(data);
  }
  run_same_file(run_path("whole", "model.safetensors"), run_path("parts", "model.safetensors"));
  run_same_file(run_path("whole", "optimizer.safetensors"),
                run_path("parts", "optimizer.safetensors"));
  tok_free(tok);
}
END_TEST

// ---- crashes
static void expect_resumable(const char *folder, int64_t *step) {
  TrainState s;
  bigs_model *m = bigs_model_open(&toy_module, NULL, NULL, 0),
             *want = bigs_model_open_with(&toy_module, NULL,
                                          &(bigs_options){.size = sizeof(bigs_options), .seed = 11},
                                          NULL, 0);
  ck_assert_msg(checkpoint_load(m, run_path(folder, ""), 0, &s) == 0, "%s", bigs_model_error(m));
  *step = m->step;
  TrainRecipe r = s.recipe;
  ToyFeed toy = {0};
  while (want->step < m->step) { // the same steps without a crash
    FeedBatch batch;
    FeedArgs args;
    toy_next(&toy, want->step, &batch, NULL);
    ck_assert_int_eq(feed_args(&toy_module, TOY_FIT, &batch, &args, NULL), 0);
    ck_assert_int_eq(model_step(want, 0, &r, args.dims, args.input, 1, NULL, NULL), 0);
  }
  ck_assert_mem_eq(m->param.p, want->param.p, (size_t)toy_module.param_bytes);
  if (m->step) {
    ck_assert_mem_eq(m->moment[0].p, want->moment[0].p, (size_t)toy_module.param_bytes);
    ck_assert_mem_eq(m->moment[1].p, want->moment[1].p, (size_t)toy_module.param_bytes);
  }
  state_free(&s);
  bigs_model_close(m);
  bigs_model_close(want);
}

START_TEST(a_kill_at_any_moment_leaves_a_whole_checkpoint) {
  int64_t last = 0, step;
  for (int i = 0; i < 12; i++) {
    pid_t child = fork();
    if (child == 0) {
      char error[sizeof(((BigsError *)0)->text)];
      TrainResult r;
      run_toy((RunSpec){.folder = "run",
                        .resume = run_exists(run_path("run", "state.json")),
                        .set = {"steps=100000", "rate=1e-6"}, // slow: no loss that is no number
                        .save_every = 1},
              &r, error, sizeof error);
      _exit(1);
    }
    for (int wait = 0; wait < 10000 && !run_exists(run_path("run", "state.json")); wait++)
      usleep(1000);
    usleep((useconds_t)(5000 + rng_mix((uint32_t)i) % 40000));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status));
    expect_resumable("run", &step);
    ck_assert_int_ge(step, last);
    last = step;
  }
  ck_assert_int_gt(last, 0);
}
END_TEST

START_TEST(a_save_cut_behind_its_state_is_finished) {
  TrainResult r;
  int64_t step;
  run_ok((RunSpec){.folder = "run", .set = {"steps=6"}}, &r);
  rename(run_path("run", "model.safetensors"), run_path("run", "model.next.safetensors"));
  rename(run_path("run", "optimizer.safetensors"), run_path("run", "optimizer.next.safetensors"));
  run_ok((RunSpec){.folder = "older", .set = {"steps=6", "batch=4"}, .save_every = 100}, &r);
  expect_resumable("run", &step);
  ck_assert_int_eq(step, 6);
  ck_assert(run_exists(run_path("run", "model.safetensors")) &&
            !run_exists(run_path("run", "model.next.safetensors")));
  rename(run_path("run", "model.safetensors"), run_path("run", "model.next.safetensors"));
  ck_assert_int_eq(checkpoint_repair(run_path("run", ""), NULL), 0);
  ck_assert(run_exists(run_path("run", "model.safetensors")));
  ck_assert_int_eq(checkpoint_repair(run_path("none", ""), NULL), BIGS_EFILE);
  // Leftovers of a save that never got to its state are dropped.
  FILE *f = fopen(run_path("run", "model.next.safetensors"), "w");
  fputs("half", f);
  fclose(f);
  expect_resumable("run", &step);
  ck_assert(!run_exists(run_path("run", "model.next.safetensors")));
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_checkpoint) {
  TrainResult r;
  int64_t step;
  run_ok((RunSpec){.folder = "run", .set = {"steps=5"}}, &r);
  pid_t child = fork();
  if (child == 0) { // files may not grow past 1500 bytes: the log's lines may, the tensors not
    char error[sizeof(((BigsError *)0)->text)];
    struct rlimit limit = {1500, 1500};
    signal(SIGXFSZ, SIG_IGN);
    unlink(run_path("run", "log.jsonl"));
    setrlimit(RLIMIT_FSIZE, &limit);
    int status = run_toy((RunSpec){.folder = "run", .resume = true, .set = {"steps=6"}}, &r, error,
                         sizeof error);
    _exit(status == BIGS_EFILE && strstr(error, "step 6 is not saved") ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  expect_resumable("run", &step);
  ck_assert_int_eq(step, 5);
}
END_TEST

Suite *resume_suite(void) {
  Suite *s = suite_create("resume");
  TCase *t = tcase_create("resume");
  tcase_set_timeout(t, 30);
  tcase_add_checked_fixture(t, run_make_dir, run_remove_dir);
  tcase_add_test(t, a_resumed_run_has_the_same_bits);
  tcase_add_test(t, changes_are_kept_by_a_resume);
  tcase_add_test(t, text_data_resumes_to_the_same_bits);
  tcase_add_test(t, a_kill_at_any_moment_leaves_a_whole_checkpoint);
  tcase_add_test(t, a_save_cut_behind_its_state_is_finished);
  tcase_add_test(t, a_full_disk_keeps_the_old_checkpoint);
  suite_add_tcase(s, t);
  return s;
}

// The trainer, on a module made by hand: learning, resuming to the same bits, crashes while saving,
// logs, evaluation.
#include "runtime/train/feed_data.h"
#include "base/dtype.h"
#include "runtime/files/file.h"
#include "base/rng.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/train.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_module.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// dir/a/b, one of four buffers in turn
static const char *path_of(const char *a, const char *b) {
  static char path[4][256];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s%s%s", dir, a, *b ? "/" : "", b);
  return path[turn];
}
static char *content(const char *path, size_t *n) {
  BigsError e = {0};
  char *s = file_read(path, 1 << 20, n, &e);
  ck_assert_msg(s != NULL, "%s", e.text);
  return s;
}
static void expect_same_file(const char *a, const char *b) {
  size_t na, nb;
  char *sa = content(a, &na), *sb = content(b, &nb);
  ck_assert_msg(na == nb && !memcmp(sa, sb, na), "%s and %s differ", a, b);
  free(sa);
  free(sb);
}
static bool exists(const char *path) {
  return access(path, F_OK) == 0;
}

// ---- a source of batches that depend on the step alone
typedef struct Toy {
  int32_t ids[32], at[5], labels[5];
  FeedField field[3];
  sig_atomic_t stop;
  int64_t stop_after; // raises `stop` when that step's batch is asked for
} Toy;
enum { B = 4, L = 8 };
static void toy_batch(Toy *t, uint32_t seed, int64_t M, FeedBatch *out) {
  for (int i = 0; i < B * L; i++)
    t->ids[i] = (int32_t)rng_below(rng_mix(seed * 64 + (uint32_t)i), TOY_V);
  for (int i = 0; i < M; i++) {
    t->at[i] = i * 6;
    t->labels[i] = (int32_t)(rng_mix(seed + 7) % 4 ? 5 : t->ids[t->at[i]]);
  }
  t->field[0] =
      (FeedField){.name = "ids", .dtype = DT_I32, .rank = 2, .shape = {B, L}, .data = t->ids};
  t->field[1] = (FeedField){.name = "at", .dtype = DT_I32, .rank = 1, .shape = {M}, .data = t->at};
  t->field[2] =
      (FeedField){.name = "labels", .dtype = DT_I32, .rank = 1, .shape = {M}, .data = t->labels};
  *out = (FeedBatch){.nfield = 3, .field = t->field, .tokens = B * L};
}
static int toy_next(void *ctx, int64_t step, FeedBatch *out, BigsError *e) {
  Toy *t = ctx;
  (void)e;
  if (step + 1 == t->stop_after)
    t->stop = 1;
  toy_batch(t, (uint32_t)step, 3 + step % 3, out);
  return 0;
}
static int toy_held_out(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  (void)e;
  *out = (FeedBatch){0};
  if (i < 3)
    toy_batch(ctx, 1000 + (uint32_t)i, 5, out);
  return 0;
}

typedef struct RunSpec {
  const char *folder, *set[3];
  int threads;
  bool resume;
  int64_t stop_after, save_every;
  FILE *progress;
  bool terminal;
} RunSpec;
static int run(RunSpec s, TrainResult *result, char *error, size_t size) {
  BigsError e = {0};
  Toy toy = {.stop_after = s.stop_after};
  Feed feed = {.ctx = &toy, .train = toy_next, .held_out = toy_held_out};
  TrainChanges changes = train_no_changes();
  TrainPlan plan;
  const char *out = path_of(s.folder, "");
  for (int i = 0; i < 3 && s.set[i]; i++)
    ck_assert_int_eq(train_change(&changes, s.set[i], &e), 0);
  int status = train_plan(&toy_module, 0, &changes, 11, s.resume ? out : NULL, &plan, &e);
  snprintf(error, size, "%s", e.text);
  if (status)
    return status;
  bigs_model *m = bigs_model_open_with(&toy_module, NULL,
                                       &(bigs_options){.size = sizeof(bigs_options),
                                                       .seed = 11,
                                                       .threads = s.threads ? s.threads : 1},
                                       error, size);
  ck_assert_ptr_nonnull(m);
  TrainOptions o = {.out = out,
                    .resume = s.resume,
                    .flags = "train toy.mdl \xff",
                    .save_every = s.save_every,
                    .log_every = 3,
                    .progress = {.to = s.progress, .terminal = s.terminal, .every = 5},
                    .stop = &toy.stop};
  status = train_run(m, &plan, &feed, &o, result);
  snprintf(error, size, "%s", bigs_model_error(m));
  bigs_model_close(m);
  return status;
}
static void run_ok(RunSpec s, TrainResult *result) {
  char error[sizeof(((BigsError *)0)->text)];
  int status = run(s, result, error, sizeof error);
  ck_assert_msg(status == 0, "%d: %s", status, error);
}
static void run_fails(RunSpec s, int want, const char *text) {
  char error[sizeof(((BigsError *)0)->text)];
  TrainResult r;
  int status = run(s, &r, error, sizeof error);
  ck_assert_msg(status == want && strstr(error, text), "%d: %s", status, error);
}

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
    ck_assert_msg(exists(path_of("a/b", file[i])), "%s", file[i]);
  ck_assert(!exists(path_of("a/b", "model.next.safetensors")));
  bigs_model *m = bigs_model_open(&toy_module, path_of("a/b", ""), NULL, 0);
  ck_assert_ptr_nonnull(m);
  float bias[TOY_V];
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_BIAS, bias);
  ck_assert_float_gt(bias[5], 0.1f);
  bigs_model_close(m);
}
END_TEST

// The first value of a member in the records that have it: every line must be JSON.
static int read_log(const char *folder, const char *event, const char *key, double *value,
                    char *text, size_t size) {
  size_t n;
  int found = 0;
  char *log = content(path_of(folder, "log.jsonl"), &n);
  for (char *line = log; *line;) {
    char *end = strchr(line, '\n');
    ck_assert_ptr_nonnull(end);
    BigsError e = {0};
    JsonDoc *d = json_parse(line, (size_t)(end - line), "log", 0, &e);
    ck_assert_msg(d != NULL, "%s", e.text);
    const JsonValue *ev = json_get(json_root(d), "event"), *v = json_get(json_root(d), key);
    if (v && (event ? ev && json_equals(ev, event) : !ev)) {
      if (!found && value)
        json_double(v, value);
      if (!found && text && v->text)
        snprintf(text, size, "%s", v->text);
      found++;
    }
    json_free(d);
    line = end + 1;
  }
  free(log);
  return found;
}

START_TEST(the_log_tells_what_was_done) {
  TrainResult r;
  double x;
  char text[64];
  run_ok((RunSpec){.folder = "run", .save_every = 8}, &r);
  ck_assert_int_eq(read_log("run", "start", "version", NULL, text, sizeof text), 1);
  ck_assert_str_eq(text, "test");
  ck_assert_int_eq(read_log("run", "start", "seed", &x, NULL, 0), 1);
  ck_assert_double_eq(x, 11);
  ck_assert_int_eq(read_log("run", "start", "cpu", NULL, NULL, 0), 1);
  ck_assert_int_eq(read_log("run", "start", "dims", NULL, NULL, 0), 1);
  ck_assert_int_eq(read_log("run", "start", "flags", NULL, text, sizeof text), 1);
  ck_assert_str_eq(text, "train toy.mdl ");                          // what is not UTF-8 is cut
  ck_assert_int_eq(read_log("run", NULL, "loss", &x, NULL, 0), 7);   // 3, 6, ..., 18, 20
  ck_assert_int_eq(read_log("run", "save", "step", &x, NULL, 0), 3); // 8, 16, 20
  ck_assert_double_eq(x, 8);
  ck_assert_int_eq(read_log("run", "held_out", "accuracy", NULL, NULL, 0), 3);
  ck_assert_int_eq(read_log("run", "end", "step", &x, NULL, 0), 1);
}
END_TEST

START_TEST(a_cut_record_is_dropped) {
  BigsError e = {0};
  FILE *f = fopen(path_of("log.jsonl", ""), "w");
  fputs("{\"a\": 1}\n{\"b\": ", f);
  fclose(f);
  RunLog *log = log_open(dir, &e);
  ck_assert_ptr_nonnull(log);
  JsonText t = {0};
  record_begin(&t);
  record_number(&t, "c", NAN);
  ck_assert_int_eq(log_write(log, &t, &e), 0);
  log_close(log);
  free(t.s);
  size_t n;
  char *s = content(path_of("log.jsonl", ""), &n);
  ck_assert_str_eq(s, "{\"a\": 1}\n{\"c\": null}\n");
  free(s);
}
END_TEST

// ---- resuming
START_TEST(a_resumed_run_has_the_same_bits) {
  TrainResult r;
  run_ok((RunSpec){.folder = "whole"}, &r);
  run_fails((RunSpec){.folder = "parts", .stop_after = 7}, BIGS_EINTERRUPT, "step 7 is saved");
  run_fails((RunSpec){.folder = "parts", .resume = true, .stop_after = 13, .threads = 3},
            BIGS_EINTERRUPT, "step 13 is saved");
  run_ok((RunSpec){.folder = "parts", .resume = true, .threads = 2}, &r);
  ck_assert_int_eq(r.step, 20);
  expect_same_file(path_of("whole", "model.safetensors"), path_of("parts", "model.safetensors"));
  expect_same_file(path_of("whole", "optimizer.safetensors"),
                   path_of("parts", "optimizer.safetensors"));
  ck_assert_int_eq(read_log("parts", "resume", "step", NULL, NULL, 0), 2);
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
  expect_same_file(path_of("whole", "model.safetensors"), path_of("parts", "model.safetensors"));
}
END_TEST

START_TEST(text_data_resumes_to_the_same_bits) {
  static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n";
  BigsError e = {0};
  Tokenizer *tok;
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, vocab, sizeof vocab - 1, "vocab", true, &tok, &e),
                   0);
  FILE *f = fopen(path_of("text.txt", ""), "w");
  for (uint32_t i = 0; i < 3000; i++)
    fprintf(f, "%s%s", rng_mix(i) % 3 ? "a" : "b", i % 17 == 16 ? "\n" : " ");
  fclose(f);
  TrainPlan plan = {.recipe = recipe_of(&toy_module.train[0]), .batch = 4, .length = 8, .seed = 5};
  for (int part = 0; part < 3; part++) { // all at once; to step 9; from there
    Data *data;
    DataFeed df;
    Feed feed;
    const char *text = path_of("text.txt", "");
    DataOptions o = {.kind = DATA_MLM, .length = 8, .table = TOY_V, .seed = 5, .hold_out = true};
    ck_assert_msg(data_open(&text, 1, tok, &o, &data, &e) == 0, "%s", e.text);
    feed_from_data(&df, data, DATA_MLM, plan.batch, DATA_HELD_OUT, &feed);
    ck_assert_int_ge(feed.epoch_steps, 20);
    plan.recipe.steps = part == 1 ? 9 : 20;
    plan.recipe.rate = 0.01;
    bigs_model *m = bigs_model_open_with(
        &toy_module, NULL, &(bigs_options){.size = sizeof(bigs_options), .seed = 5, .threads = 1},
        NULL, 0);
    TrainOptions to = {.out = path_of(part ? "parts" : "whole", ""), .resume = part == 2};
    TrainResult r;
    // The schedule depends on the length of the run: a constant one here.
    BigsTrain train = toy_module.train[0];
    train.npiece = 0;
    BigsModule module = toy_module;
    module.train = &train;
    m->module = &module;
    ck_assert_msg(train_run(m, &plan, &feed, &to, &r) == 0, "%s", bigs_model_error(m));
    ck_assert(r.evaluated && r.held_out.count > 0);
    bigs_model_close(m);
    data_free(data);
  }
  expect_same_file(path_of("whole", "model.safetensors"), path_of("parts", "model.safetensors"));
  expect_same_file(path_of("whole", "optimizer.safetensors"),
                   path_of("parts", "optimizer.safetensors"));
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
  ck_assert_msg(checkpoint_load(m, path_of(folder, ""), 0, &s) == 0, "%s", bigs_model_error(m));
  *step = m->step;
  TrainRecipe r = s.recipe;
  Toy toy = {0};
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
      run((RunSpec){.folder = "run",
                    .resume = exists(path_of("run", "state.json")),
                    .set = {"steps=100000", "rate=1e-6"}, // slow: no loss that is no number
                    .save_every = 1},
          &r, error, sizeof error);
      _exit(1);
    }
    for (int wait = 0; wait < 10000 && !exists(path_of("run", "state.json")); wait++)
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
  rename(path_of("run", "model.safetensors"), path_of("run", "model.next.safetensors"));
  rename(path_of("run", "optimizer.safetensors"), path_of("run", "optimizer.next.safetensors"));
  run_ok((RunSpec){.folder = "older", .set = {"steps=6", "batch=4"}, .save_every = 100}, &r);
  expect_resumable("run", &step);
  ck_assert_int_eq(step, 6);
  ck_assert(exists(path_of("run", "model.safetensors")) &&
            !exists(path_of("run", "model.next.safetensors")));
  rename(path_of("run", "model.safetensors"), path_of("run", "model.next.safetensors"));
  ck_assert_int_eq(checkpoint_repair(path_of("run", ""), NULL), 0);
  ck_assert(exists(path_of("run", "model.safetensors")));
  ck_assert_int_eq(checkpoint_repair(path_of("none", ""), NULL), BIGS_EFILE);
  // Leftovers of a save that never got to its state are dropped.
  FILE *f = fopen(path_of("run", "model.next.safetensors"), "w");
  fputs("half", f);
  fclose(f);
  expect_resumable("run", &step);
  ck_assert(!exists(path_of("run", "model.next.safetensors")));
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
    unlink(path_of("run", "log.jsonl"));
    setrlimit(RLIMIT_FSIZE, &limit);
    int status = run((RunSpec){.folder = "run", .resume = true, .set = {"steps=6"}}, &r, error,
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

// A host that closed them and prints all the same: its words do not land in a file of ours.
START_TEST(files_do_not_take_standard_descriptors) {
  pid_t child = fork();
  if (child == 0) {
    BigsError e = {0};
    for (int fd = 0; fd <= 2; fd++)
      close(fd);
    FileOut *f = file_create(path_of("w", ""), &e);
    RunLog *log = log_open(dir, &e);
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
  ck_assert_int_eq(read_log("run", "numeric", "error", NULL, NULL, 0), 1);
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
  unlink(path_of("run", "optimizer.safetensors"));
  run_fails((RunSpec){.folder = "run", .resume = true, .set = {"steps=3"}}, BIGS_EFILE,
            "optimizer.safetensors");
  FILE *f = fopen(path_of("run", "state.json"), "w");
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
    FILE *f = fopen(path_of(".", "state.json"), "w");
    fprintf(f, "%.*s%s%s", (int)(at - state), state, changed[i][1], at + strlen(changed[i][0]));
    fclose(f);
    int status = state_read(path_of(".", ""), &got, name, sizeof name, &e);
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
  const char *path = path_of(terminal ? "tty" : "plain", "");
  FILE *f = fopen(path, "w");
  run_ok((RunSpec){.folder = terminal ? "r1" : "r2", .progress = f, .terminal = terminal}, &r);
  fclose(f);
  return content(path, n);
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
  Toy toy = {0};
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
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, training_learns_and_leaves_a_folder);
  tcase_add_test(t, the_log_tells_what_was_done);
  tcase_add_test(t, a_cut_record_is_dropped);
  tcase_add_test(t, a_resumed_run_has_the_same_bits);
  tcase_add_test(t, changes_are_kept_by_a_resume);
  tcase_add_test(t, text_data_resumes_to_the_same_bits);
  tcase_add_test(t, a_kill_at_any_moment_leaves_a_whole_checkpoint);
  tcase_add_test(t, a_save_cut_behind_its_state_is_finished);
  tcase_add_test(t, a_full_disk_keeps_the_old_checkpoint);
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

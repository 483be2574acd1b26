// Several ranks train one model: threads, each with a handle of its own, against one that has the whole batch.
#include "runtime/exec/team.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "runtime/files/file.h"
#include "runtime/files/meet.h"
#include "runtime/train/feed_data.h"
#include "runtime/train/train.h"
#include "tests/unit/command.h"
#include "tests/unit/far_device.h"
#include "tests/unit/small_bert.h"
#include "tests/unit/suites.h"
#include "tests/unit/thread_team.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_module.h"
#include "tests/unit/watched_feed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, LENGTH = 12, STEPS = 6 };
static Tokenizer *tok;
static Session session; // with BERT's code
static Options options;
static const BigsModule *bert;
static const char *text_path;

static Arena *words; // of the options

static void compile_bert(bool dropout) {
  BuildWant want = {
      .nentries = -1, .ntrains = -1, .dropout = dropout, .update = true, .init = true};
  words = arena_new();
  small_bert_compile(&session, &options, words, "-O0", &want);
  bert = session.module;
}

static void set_up(void) {
  make_dir();
  small_bert_text(in_dir("text"), 1500, 22, 23);
  tok = small_bert_tokenizer();
  compile_bert(false);
  text_path = arena_printf(session.arena, "%s/text", dir);
}

static void tear_down(void) {
  session_close(&session);
  arena_free(words);
  tok_free(tok);
  remove_dir();
}

// ---- runs of so many ranks; 0: alone, without a team
typedef struct Run Run;
typedef struct RankRun {
  Run *run;
  Data *data;
  DataFeed from;
  Feed feed;
  WatchedFeed watched;
  int status;
  char error[2048];
  TrainResult result;
  float *param; // all of them, one behind the other
} RankRun;
struct Run {
  int ranks;
  const char *out;
  int64_t steps;
  bool resume;
  int bad;       // rank
  int stop_at;   // raises the stop of `bad` when this batch is asked for
  int fail_at;   // its batch that is not there
  int spoil_at;  // before that batch, a parameter of `bad` becomes infinite
  int refuse_at; // from that batch on it has no memory
  TeamHub hub;
  RankRun rank[TEAM_MOST];
};

static int allowed(void *ctx, size_t bytes) {
  const RankRun *r = ctx;
  (void)bytes;
  return !(r->run->refuse_at && r == &r->run->rank[r->run->bad] &&
           r->watched.asked >= r->run->refuse_at);
}

static int open_data(RankRun *r, int k) {
  BigsError e = {0};
  DataOptions o = {.kind = DATA_MLM, .length = LENGTH, .seed = 5, .hold_out = true};
  int err = data_open(&text_path, 1, tok, &o, &r->data, &e);
  if (err)
    return err;
  feed_from_data(&r->from, r->data, BATCH, DATA_HELD_OUT, &r->feed);
  r->from.rank = k;
  r->from.ranks = r->run->ranks;
  return 0;
}

static void all_parameters(bigs_model *m, RankRun *r) {
  int64_t n = 0;
  for (int i = 0; i < m->module->nparam; i++)
    n += param_count(&m->module->param[i]);
  r->param = calloc((size_t)n + 1, sizeof *r->param);
  float *at = r->param;
  for (int i = 0; i < m->module->nparam; at += param_count(&m->module->param[i++]))
    bigs_model_get(m, BIGS_THE_WEIGHT, i, at);
}

static void train_rank(void *ctx, int k) {
  Run *run = ctx;
  RankRun *r = &run->rank[k];
  TrainRecipe recipe = recipe_of(&bert->train[0]);
  recipe.steps = STEPS; // of the schedule
  recipe.rate = 1e-3;
  TrainPlan plan = {.recipe = recipe, .batch = BATCH, .length = LENGTH, .seed = 3};
  plan.recipe.steps = run->steps ? run->steps : STEPS;
  // Ranks begin with parameters of their own, and go on with those of the first.
  bigs_options o = {.size = sizeof(bigs_options),
                    .seed = 3 + (uint64_t)k,
                    .threads = 1,
                    .may_allocate = allowed,
                    .ctx = r};
  bigs_model *m = bigs_model_open_with(bert, NULL, &o, r->error, sizeof r->error);
  if (!m || open_data(r, k)) {
    r->status = -1;
    return;
  }
  bool bad = k == run->bad;
  r->watched.of = r->feed;
  r->watched.m = m;
  r->watched.stop_at = bad ? run->stop_at : 0;
  r->watched.fail_at = bad ? run->fail_at : 0;
  r->watched.spoil_at = bad ? run->spoil_at : 0;
  r->watched.spoilt = INFINITY;
  Feed feed = watched_feed(&r->watched);
  TrainOptions to = {.out = run->out,
                     .resume = run->resume,
                     .log_every = 1,
                     .eval_every = 3,
                     .stop = &r->watched.stop,
                     .team = run->ranks ? &run->hub.seat[k].team : NULL};
  r->status = train_run(m, &plan, &feed, &to, &r->result);
  snprintf(r->error, sizeof r->error, "%s", bigs_model_error(m));
  all_parameters(m, r);
  bigs_model_close(m);
  data_free(r->data);
}

// in_dir for as long as a test lasts, whatever thread asks.
static const char *lasting(const char *name) {
  return arena_printf(session.arena, "%s/%s", dir, name);
}

static void run_ranks(Run *run) {
  for (int k = 0; k < TEAM_MOST; k++)
    run->rank[k].run = run;
  if (!run->ranks) {
    train_rank(run, 0);
    return;
  }
  int lost_rank = run->hub.lost_rank, lost_at = run->hub.lost_at;
  hub_start(&run->hub, run->ranks);
  run->hub.lost_rank = lost_rank;
  run->hub.lost_at = lost_at;
  hub_run(&run->hub, train_rank, run);
  hub_end(&run->hub);
}

static void run_ok(Run *run) {
  run_ranks(run);
  for (int k = 0; k < run->ranks || !k; k++)
    ck_assert_msg(run->rank[k].status == 0, "rank %d: %d: %s", k, run->rank[k].status,
                  run->rank[k].error);
}

static void run_end(Run *run) {
  for (int k = 0; k < TEAM_MOST; k++)
    free(run->rank[k].param);
}

static int64_t parameters(void) {
  int64_t n = 0;
  for (int i = 0; i < bert->nparam; i++)
    n += param_count(&bert->param[i]);
  return n;
}

static void same_bits(const RankRun *a, const RankRun *b) {
  ck_assert_mem_eq(a->param, b->param, (size_t)parameters() * sizeof *a->param);
  ck_assert_double_eq(a->result.loss, b->result.loss);
  ck_assert_double_eq(a->result.held_out.loss, b->result.held_out.loss);
}

static void nearly_equal(const RankRun *a, const RankRun *b) {
  ck_assert_double_eq_tol(a->result.loss, b->result.loss, 2e-6);
  ck_assert_int_eq(a->result.held_out.count, b->result.held_out.count);
  ck_assert_double_eq_tol(a->result.held_out.loss, b->result.held_out.loss, 2e-6);
  for (int64_t i = 0; i < parameters(); i++)
    ck_assert_msg(fabsf(a->param[i] - b->param[i]) < 2e-5f, "%lld: %g %g", (long long)i,
                  a->param[i], b->param[i]);
}

// Of the last gradient, as the log tells it.
static double last_norm(const Run *run) {
  char path[128];
  size_t n;
  snprintf(path, sizeof path, "%s/log.jsonl", run->out);
  char *log = file_read(path, 1 << 20, &n, NULL), *at = log;
  ck_assert_ptr_nonnull(log);
  for (char *next; (next = strstr(at + 1, "\"norm\":"));)
    at = next;
  double norm = at > log ? strtod(at + 7, NULL) : NAN;
  free(log);
  return norm;
}

// ---- learning
START_TEST(ranks_train_as_one_does) {
  int ranks = 2 + _i;
  Run alone = {.out = lasting("alone")}, run = {.ranks = ranks, .out = lasting("run")},
      again = {.ranks = ranks, .out = lasting("again")};
  run_ok(&alone);
  run_ok(&run);
  run_ok(&again);
  ck_assert_double_gt(last_norm(&alone), 0.01);
  ck_assert_double_eq_tol(last_norm(&run), last_norm(&alone), 1e-5 * last_norm(&alone));
  for (int k = 0; k < ranks; k++) {
    nearly_equal(&alone.rank[0], &run.rank[k]);
    same_bits(&run.rank[0], &run.rank[k]);
    same_bits(&run.rank[k], &again.rank[k]);
  }
  run_end(&alone);
  run_end(&run);
  run_end(&again);
}
END_TEST

// ---- saving and resuming
START_TEST(a_stopped_team_goes_on_to_the_same_bits) {
  Run whole = {.ranks = 2, .out = lasting("whole")};
  Run first = {.ranks = 2, .out = lasting("parts"), .bad = 1, .stop_at = 3};
  Run then = {.ranks = 2, .out = lasting("parts"), .resume = true};
  run_ok(&whole);
  run_ranks(&first);
  for (int k = 0; k < 2; k++) {
    ck_assert_int_eq(first.rank[k].status, BIGS_EINTERRUPT);
    ck_assert_str_eq(first.rank[k].error, "interrupted; step 3 is saved");
  }
  run_ok(&then);
  ck_assert_int_eq(then.rank[1].result.first_step, 3);
  for (int k = 0; k < 2; k++)
    same_bits(&whole.rank[k], &then.rank[k]);
  run_end(&whole);
  run_end(&first);
  run_end(&then);
}
END_TEST

START_TEST(a_folder_of_two_ranks_is_one_of_any) {
  Run alone = {.out = lasting("alone")};
  Run two = {.ranks = 2, .out = lasting("run"), .bad = 0, .stop_at = 3};
  Run rest = {.ranks = 3 * _i, .out = lasting("run"), .resume = true};
  run_ok(&alone);
  run_ranks(&two);
  ck_assert_int_eq(two.rank[0].status, BIGS_EINTERRUPT);
  bigs_model *m = bigs_model_open(bert, two.out, NULL, 0);
  ck_assert_ptr_nonnull(m);
  RankRun read = {0};
  all_parameters(m, &read);
  ck_assert_mem_eq(read.param, two.rank[1].param, (size_t)parameters() * sizeof *read.param);
  bigs_model_close(m);
  free(read.param);
  run_ok(&rest);
  nearly_equal(&alone.rank[0], &rest.rank[0]);
  run_end(&alone);
  run_end(&two);
  run_end(&rest);
}
END_TEST

// ---- what fails on one rank
static void all_fail(Run *run, int status, const char *text) {
  char prefix[16];
  run_ranks(run);
  for (int k = 0; k < run->ranks; k++) {
    const RankRun *r = &run->rank[k];
    snprintf(prefix, sizeof prefix, "rank %d: ", run->bad);
    ck_assert_msg(r->status == status && strstr(r->error, text), "rank %d: %d: %s", k, r->status,
                  r->error);
    ck_assert_msg(!strstr(r->error, prefix) == (k == run->bad), "rank %d: %s", k, r->error);
  }
  run_end(run);
}

START_TEST(all_ranks_end_with_the_one_that_fails) {
  all_fail(&(Run){.ranks = 3, .out = lasting("a"), .bad = 1, .fail_at = 3}, BIGS_EFILE,
           "the disk is gone");
  all_fail(&(Run){.ranks = 3, .out = lasting("b"), .bad = 2, .refuse_at = 1}, BIGS_EMODEL,
           "out of memory for ");
  all_fail(&(Run){.ranks = 2, .out = lasting("a")}, BIGS_EUSAGE, "holds a training run already");
}
END_TEST

START_TEST(a_loss_that_is_no_number_is_explained_by_its_rank) {
  Run run = {.ranks = 3, .out = lasting("run"), .bad = 1, .spoil_at = 3};
  run_ranks(&run);
  for (int k = 0; k < 3; k++) {
    const char *e = run.rank[k].error;
    ck_assert_int_eq(run.rank[k].status, BIGS_ENUMERIC);
    ck_assert_msg(strstr(e, "step 3: the loss is nan; ") && strstr(e, "parameter "), "%s", e);
    ck_assert_msg(!strstr(e, "rank 1: ") == (k == 1), "%s", e);
    ck_assert_msg(strstr(e, "checkpoint is of step 2"), "%s", e);
  }
  run_end(&run);
}
END_TEST

// Wherever one is lost, the others end, and what was saved opens.
START_TEST(a_lost_rank_leaves_no_other_waiting) {
  static const int call[] = {1, 5, 12, 23};
  Run run = {.ranks = 3, .out = lasting("run"), .hub = {.lost_rank = _i % 3, .lost_at = call[_i]}};
  run_ranks(&run);
  for (int k = 0; k < 3; k++) {
    ck_assert_msg(run.rank[k].status == BIGS_EFILE, "%d: %d %s", k, run.rank[k].status,
                  run.rank[k].error);
    ck_assert_msg(strstr(run.rank[k].error, "the other ranks are gone"), "%s", run.rank[k].error);
  }
  ck_assert_int_ge(run.hub.seat[_i % 3].calls, call[_i]);
  bigs_model *m = folder_has_run(run.out) ? bigs_model_open(bert, run.out, NULL, 0) : NULL;
  ck_assert(m || !folder_has_run(run.out));
  bigs_model_close(m);
  run_end(&run);
}
END_TEST

Suite *team_train_suite(void) {
  Suite *s = suite_create("team_train");
  TCase *c = tcase_create("training");
  tcase_add_checked_fixture(c, set_up, tear_down);
  tcase_set_timeout(c, 120);
  tcase_add_loop_test(c, ranks_train_as_one_does, 0, 3);
  tcase_add_test(c, a_stopped_team_goes_on_to_the_same_bits);
  tcase_add_loop_test(c, a_folder_of_two_ranks_is_one_of_any, 0, 2);
  tcase_add_test(c, all_ranks_end_with_the_one_that_fails);
  tcase_add_test(c, a_loss_that_is_no_number_is_explained_by_its_rank);
  tcase_add_loop_test(c, a_lost_rank_leaves_no_other_waiting, 0, 4);
  suite_add_tcase(s, c);
  return s;
}

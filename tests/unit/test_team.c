// Several ranks train one model: threads, each with a handle of its own, against one that has the whole batch.
#include "runtime/exec/team.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "compiler/driver/session.h"
#include "runtime/files/file.h"
#include "runtime/files/meet.h"
#include "runtime/train/feed_data.h"
#include "runtime/train/train.h"
#include "tests/unit/command.h"
#include "tests/unit/far_device.h"
#include "tests/unit/suites.h"
#include "tests/unit/thread_team.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_module.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, LENGTH = 12, STEPS = 6 };
static Tokenizer *tok;
static Session session; // with BERT's code
static Options options;
static const BigsModule *bert;
static const char *text_path;

static void write_text(void) {
  FILE *f = fopen(in_dir("text"), "w");
  for (uint32_t i = 0; i < 1500; i++)
    fprintf(f, "%c%s", 'a' + (int)rng_below(rng_mix(i), 6), i % 23 == 22 ? "\n\n" : " ");
  ck_assert_int_eq(fclose(f), 0);
}

static Arena *words; // of the options

static void compile_bert(bool dropout) {
  char path[TEST_PATH];
  snprintf(path, sizeof path, "%s/models/bert.mdl", test_source_dir());
  char *line[] = {"bigsc", "train",   path, "--out",   "unused", "-D",   "H=24", "-D", "F=40",
                  "-D",    "Heads=3", "-D", "Depth=1", "-D",     "V=11", "-O0",  "-D", "P=20"};
  BuildWant want = {
      .nentries = -1, .ntrains = -1, .dropout = dropout, .update = true, .init = true};
  words = arena_new();
  ck_assert_int_eq(options_parse(words, &options, COUNT(line), line), -1);
  ck_assert_int_eq(session_load(&session, &options, path, true), 0);
  ck_assert_int_eq(session_compile(&session, &want), 0);
  bert = session.module;
}

static void set_up(void) {
  static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n";
  make_dir();
  write_text();
  ck_assert_int_eq(
      tok_parse(TOKENIZER_WORDPIECE, vocab, sizeof vocab - 1, "vocab", true, &tok, NULL), 0);
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
  volatile sig_atomic_t stop;
  int status, asked; // batches asked for
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
  bigs_model *handle[TEAM_MOST];
  RankRun rank[TEAM_MOST];
};

static int allowed(void *ctx, size_t bytes) {
  const RankRun *r = ctx;
  (void)bytes;
  return !(r->run->refuse_at && r == &r->run->rank[r->run->bad] && r->asked >= r->run->refuse_at);
}

static void spoil(bigs_model *m) {
  m->param.p[3] = 0x7f; // the first of all parameters
  m->param.p[2] = (char)0x80;
  m->param.p[1] = m->param.p[0] = 0;
}

static int next_batch(void *ctx, int64_t step, FeedBatch *out, BigsError *e) {
  RankRun *r = ctx;
  const Run *run = r->run;
  int at = ++r->asked, k = (int)(r - run->rank);
  if (k == run->bad && at == run->stop_at)
    r->stop = 1;
  if (k == run->bad && at == run->spoil_at)
    spoil(run->handle[k]);
  if (k == run->bad && at == run->fail_at)
    return bigs_fail(e, BIGS_EFILE, "the disk is gone");
  return r->feed.train(&r->from, step, out, e);
}
static int batch_at(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  RankRun *r = ctx;
  return r->feed.held_out(&r->from, i, out, e);
}
static int put_cursor(void *ctx, JsonText *out, BigsError *e) {
  RankRun *r = ctx;
  return r->feed.cursor(&r->from, out, e);
}
static int seek(void *ctx, const JsonValue *cursor, int64_t step, BigsError *e) {
  RankRun *r = ctx;
  return r->feed.seek(&r->from, cursor, step, e);
}

static int open_data(RankRun *r, int k) {
  BigsError e = {0};
  DataOptions o = {.kind = DATA_MLM, .length = LENGTH, .seed = 5, .hold_out = true};
  int err = data_open(&text_path, 1, tok, &o, &r->data, &e);
  if (err)
    return err;
  feed_from_data(&r->from, r->data, DATA_MLM, BATCH, DATA_HELD_OUT, &r->feed);
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
  bigs_options o = {.seed = 3 + (uint64_t)k, .threads = 1, .may_allocate = allowed, .ctx = r};
  bigs_model *m = bigs_model_open_with(bert, &o, r->error, sizeof r->error);
  if (!m || open_data(r, k)) {
    r->status = -1;
    return;
  }
  run->handle[k] = m;
  Feed feed = r->feed;
  feed.ctx = r;
  feed.train = next_batch;
  feed.held_out = batch_at;
  feed.cursor = put_cursor;
  feed.seek = seek;
  TrainOptions to = {.out = run->out,
                     .resume = run->resume,
                     .log_every = 1,
                     .eval_every = 3,
                     .stop = &r->stop,
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

// ---- slices
enum { SLICE_RANGES = 5 };
static const int64_t range_bytes[] = {28, 64, 40 << 20, 8008, 100};

// Storages of two dtypes, the third of several pieces.
static BigsModule sliced_module(BigsStorage *s) {
  int64_t at = 0;
  for (int i = 0; i < SLICE_RANGES; i++) {
    s[i] = (BigsStorage){.offset = at, .bytes = range_bytes[i], .dtype = i == 3 ? DT_F64 : DT_F32};
    at += (range_bytes[i] + 63) / 64 * 64;
  }
  return (BigsModule){.storage = s, .nstorage = SLICE_RANGES, .param_bytes = at};
}

typedef struct SliceTest {
  TeamHub hub;
  const BigsModule *module;
  bigs_model m[TEAM_MOST];
  OptRange *own[TEAM_MOST];
  int n[TEAM_MOST], status[TEAM_MOST];
} SliceTest;

static void take_slices(void *ctx, int k) {
  SliceTest *s = ctx;
  bigs_model *m = &s->m[k];
  *m = (bigs_model){.module = s->module, .device = &device_cpu};
  OptRange *all = calloc(SLICE_RANGES, sizeof *all);
  s->n[k] = SLICE_RANGES;
  for (int i = 0; i < SLICE_RANGES; i++)
    all[i] = (OptRange){.offset = s->module->storage[i].offset,
                        .bytes = s->module->storage[i].bytes,
                        .dtype = s->module->storage[i].dtype,
                        .rate = i};
  s->own[k] = all;
  s->status[k] = team_join(m, &s->hub.seat[k].team);
  s->status[k] = s->status[k] ? s->status[k] : team_own(m, &s->own[k], &s->n[k]);
  team_leave(m);
}

// Each byte of each range belongs to one rank, and the ranks have about as much.
static void check_slices(const SliceTest *s, int ranks) {
  for (int i = 0; i < SLICE_RANGES; i++) {
    int64_t sum = 0;
    for (int k = 0; k < ranks; k++)
      for (int j = 0; j < s->n[k]; j++) {
        const OptRange *r = &s->own[k][j];
        if (r->rate != i)
          continue;
        sum += r->bytes;
        ck_assert_int_eq(r->offset % 64, 0);
        ck_assert_int_eq(r->bytes % dtype_size((DType)r->dtype), 0);
        for (int l = 0; l < ranks; l++)
          for (int o = 0; o < s->n[l]; o++)
            if (l != k || o != j)
              ck_assert(s->own[l][o].offset + s->own[l][o].bytes <= r->offset ||
                        r->offset + r->bytes <= s->own[l][o].offset);
      }
    ck_assert_int_eq(sum, range_bytes[i]);
  }
}

START_TEST(slices_of_all_ranks_are_the_whole) {
  BigsStorage storage[SLICE_RANGES];
  BigsModule module = sliced_module(storage);
  SliceTest s = {.module = &module};
  hub_start(&s.hub, _i);
  hub_run(&s.hub, take_slices, &s);
  for (int k = 0; k < _i; k++) {
    int64_t bytes = 0;
    ck_assert_int_eq(s.status[k], 0);
    for (int j = 0; j < s.n[k]; j++)
      bytes += s.own[k][j].bytes;
    ck_assert_int_le(llabs(bytes - module.param_bytes / _i), 4096);
  }
  check_slices(&s, _i);
  for (int k = 0; k < _i; k++)
    free(s.own[k]);
  hub_end(&s.hub);
}
END_TEST

// ---- sums
enum { SUM_FLOATS = 523, SUM_DOUBLES = 77, SUM_BYTES = SUM_FLOATS * 4 + SUM_DOUBLES * 8 + 44 };
static const BigsStorage sum_storage[] = {
    {.offset = SUM_FLOATS * 4 + 44, .bytes = SUM_DOUBLES * 8, .dtype = DT_F64},
    {.offset = 0, .bytes = SUM_FLOATS * 4, .dtype = DT_F32}};
static const BigsModule sum_module = {
    .storage = sum_storage, .nstorage = COUNT(sum_storage), .param_bytes = SUM_BYTES};

typedef struct Sums {
  TeamHub hub;
  double right[TEAM_MOST], whole[TEAM_MOST]; // how many elements
  int64_t ones[TEAM_MOST];
} Sums;

// Element i of either dtype.
static double sum_get(const char *p, int i) {
  if (i < SUM_FLOATS)
    return ((const float *)(const void *)p)[i];
  return ((const double *)(const void *)(p + sum_storage[0].offset))[i - SUM_FLOATS];
}
static void sum_put(char *p, int i, double x) {
  if (i < SUM_FLOATS)
    ((float *)(void *)p)[i] = (float)x;
  else
    ((double *)(void *)(p + sum_storage[0].offset))[i - SUM_FLOATS] = x;
}

// Ones where this rank's slices are, then where any one's are.
static int64_t gathered_ones(bigs_model *m) {
  Region r = {.p = calloc(1, SUM_BYTES), .bytes = SUM_BYTES};
  OptRange *own = calloc(COUNT(sum_storage), sizeof *own);
  int n = COUNT(sum_storage);
  int64_t ones = 0;
  for (int i = 0; i < n; i++)
    own[i] = (OptRange){.offset = sum_storage[i].offset, .bytes = sum_storage[i].bytes};
  int err = team_own(m, &own, &n);
  for (int i = 0; i < n && !err; i++)
    memset(r.p + own[i].offset, 1, (size_t)own[i].bytes);
  err = err ? err : team_gather(m, &r);
  for (int64_t i = 0; i < SUM_BYTES && !err; i++)
    ones += r.p[i];
  free(own);
  free(r.p);
  return ones;
}

// Rank k has i + k, and a weight of k + 1: own slices hold the sums, and then all have them.
static void make_sums(void *ctx, int k) {
  Sums *s = ctx;
  Region r = {.p = calloc(1, SUM_BYTES), .bytes = SUM_BYTES};
  bigs_model m = {.module = &sum_module, .device = &device_cpu, .grad = r};
  for (int i = 0; i < SUM_FLOATS + SUM_DOUBLES; i++)
    sum_put(r.p, i, i + k);
  int err = team_join(&m, &s->hub.seat[k].team);
  err = err ? err : team_reduce(&m, k + 1);
  err = err ? err : team_gather(&m, &m.grad);
  for (int i = 0; i < SUM_FLOATS + SUM_DOUBLES && !err; i++) {
    double want = 0;
    for (int j = 0; j < s->hub.ranks; j++)
      want += (j + 1) * (i + j);
    s->right[k] += sum_get(r.p, i) == want;
  }
  double number[2] = {k + 1, 10 * k};
  err = err ? err : team_together(&m, 0, number, 2);
  s->whole[k] = err ? 0 : number[0] + number[1];
  s->ones[k] = gathered_ones(&m);
  team_leave(&m);
  free(r.p);
}

START_TEST(sums_are_those_of_all_ranks) {
  Sums s = {.right = {0}};
  hub_start(&s.hub, _i);
  hub_run(&s.hub, make_sums, &s);
  for (int k = 0; k < _i; k++) {
    ck_assert_double_eq(s.right[k], SUM_FLOATS + SUM_DOUBLES);
    ck_assert_int_eq(s.ones[k], SUM_BYTES - 44);
    ck_assert_double_eq(s.whole[k], _i * (_i + 1) / 2 + 10 * _i * (_i - 1) / 2);
  }
  hub_end(&s.hub);
}
END_TEST

// ---- a device that the host cannot reach, and a team that reaches the host only
static void toy_step(void *ctx, int rank) {
  bigs_model *m = ctx;
  int32_t at[3] = {0, 1, 2}, labels[3] = {5, 2, 5}, ids[4] = {0};
  const int64_t dims[TOY_NDIM] = {[TOY_B] = 1, [TOY_L] = 4, [TOY_M] = 3};
  TrainRecipe r = recipe_of(&toy_module.train[0]);
  const void *in[TOY_NDIM] = {0};
  (void)rank, (void)at;
  const BigsProgram *p = &toy_module.program[TOY_FIT];
  for (int i = 0; i < p->ninput; i++)
    in[i] = !strcmp(toy_module.input[p->input[i]].name, "labels") ? (void *)labels
            : !strcmp(toy_module.input[p->input[i]].name, "at")   ? (void *)at
                                                                  : (void *)ids;
  for (int i = 0; i < 3; i++)
    ck_assert_msg(!model_step(m, 0, &r, dims, in, 3, NULL, NULL), "%s", bigs_model_error(m));
}

static void toy_join(void *ctx, int rank) {
  bigs_model *m = ctx;
  (void)rank;
  ck_assert_int_eq(team_share(m, &m->param), 0);
  toy_step(ctx, 0);
  ck_assert_int_eq(team_gather(m, &m->moment[0]), 0);
  team_leave(m);
}

START_TEST(a_team_of_the_host_serves_another_device) {
  TeamHub hub;
  bigs_options o = {.seed = 4, .threads = 1}, far = o;
  far.device = &far_device;
  bigs_model *m = bigs_model_open_with(&toy_module, &o, NULL, 0),
             *n = bigs_model_open_with(&toy_module, &far, NULL, 0);
  float a[64], b[64];
  hub_start(&hub, 1);
  ck_assert_int_eq(team_join(n, &hub.seat[0].team), 0);
  toy_step(m, 0);
  hub_run(&hub, toy_join, n);
  ck_assert_int_gt(hub.seat[0].calls, 3 * 4);
  for (int i = 0; i < TOY_NPARAM; i++)
    for (bigs_what what = BIGS_THE_WEIGHT; what <= BIGS_THE_MOMENT1; what++) {
      memset(a, 0, sizeof a);
      memset(b, 0, sizeof b);
      ck_assert_int_eq(bigs_model_get(m, what, i, a), 0);
      ck_assert_int_eq(bigs_model_get(n, what, i, b), 0);
      ck_assert_mem_eq(a, b, sizeof a);
    }
  bigs_model_close(m);
  bigs_model_close(n);
  hub_end(&hub);
}
END_TEST

// ---- meeting in a folder
typedef struct Meeters {
  TeamHub hub;
  char place[96];
  char heard[TEAM_MOST][MEET_BYTES];
  int status[TEAM_MOST];
  int missing; // rank that does not come, or -1
  double seconds;
} Meeters;

static void come_to_meet(void *ctx, int k) {
  Meeters *x = ctx;
  if (k == x->missing)
    return;
  snprintf(x->heard[k], MEET_BYTES, k ? "nothing" : "what rank 0 says");
  x->heard[k][MEET_BYTES - 1] = k ? 0 : '\n';
  x->status[k] = meet(x->place, k, x->hub.ranks, x->heard[k], MEET_BYTES, x->seconds, NULL);
}

static void old_file(const Meeters *x, const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", x->place, name);
  FILE *f = fopen(path, "w");
  fputs(text, f);
  ck_assert_int_eq(fclose(f), 0);
}

static void hold_meeting(Meeters *x, int ranks) {
  snprintf(x->place, sizeof x->place, "%s/deep/place", dir);
  hub_start(&x->hub, ranks);
  hub_run(&x->hub, come_to_meet, x);
  hub_end(&x->hub);
}

START_TEST(ranks_meet_in_a_folder) {
  Meeters x = {.missing = -1, .seconds = 30};
  make_dir();
  for (int round = 0; round < 3; round++) {
    hold_meeting(&x, 4);
    for (int k = 0; k < 4; k++) {
      ck_assert_int_eq(x.status[k], 0);
      ck_assert_mem_eq(x.heard[k], x.heard[0], MEET_BYTES);
    }
    ck_assert_str_eq(x.heard[3], "what rank 0 says");
    // What was left by processes that were killed: an id, and answers.
    char old[2 * MEET_BYTES + 64] = "77 ";
    memset(old + 3, '4', 2 * MEET_BYTES);
    strcpy(old + 3 + 2 * MEET_BYTES, " 1 2 3");
    old_file(&x, "team.0", round ? "rubbish" : old);
    old_file(&x, "team.1", "1 77");
    old_file(&x, "team.2", round ? "" : "2 77");
  }
  remove_dir();
}
END_TEST

START_TEST(who_does_not_come_is_named) {
  BigsError e = {0};
  Meeters x = {.missing = 2, .seconds = 0.3};
  make_dir();
  hold_meeting(&x, 4);
  for (int k = 0; k < 4; k++)
    ck_assert_int_eq(x.status[k], k == 2 ? 0 : BIGS_EFILE);
  ck_assert_int_eq(meet(x.place, 0, 2, x.heard[0], MEET_BYTES, 0.05, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, "rank 1 of 2 has not come here"), "%s", e.text);
  ck_assert_int_eq(meet("/proc/nowhere", 1, 2, x.heard[0], MEET_BYTES, 0.05, &e), BIGS_EFILE);
  remove_dir();
}
END_TEST

// ---- draws
START_TEST(ranks_draw_for_themselves) {
  TeamHub hub;
  hub_start(&hub, 3);
  uint64_t seed[3];
  for (int k = 0; k < 3; k++)
    seed[k] = team_seed(&(bigs_model){.seed = 9, .team = &hub.seat[k].team});
  ck_assert_uint_eq(seed[0], 9);
  ck_assert_uint_eq(team_seed(&(bigs_model){.seed = 9}), 9);
  ck_assert(seed[1] != seed[0] && seed[2] != seed[1] && seed[2] != seed[0]);
  hub_end(&hub);
}
END_TEST

Suite *team_suite(void) {
  Suite *s = suite_create("team");
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
  c = tcase_create("slices");
  tcase_add_loop_test(c, slices_of_all_ranks_are_the_whole, 1, TEAM_MOST + 1);
  tcase_add_loop_test(c, sums_are_those_of_all_ranks, 1, TEAM_MOST + 1);
  tcase_add_test(c, a_team_of_the_host_serves_another_device);
  tcase_add_test(c, ranks_draw_for_themselves);
  tcase_add_test(c, ranks_meet_in_a_folder);
  tcase_add_test(c, who_does_not_come_is_named);
  suite_add_tcase(s, c);
  return s;
}

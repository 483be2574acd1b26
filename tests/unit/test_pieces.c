// Steps in pieces: their sums against a tree made here, against the whole batch, on several devices and ranks.
#include "runtime/exec/again.h"
#include "runtime/exec/pieces.h"
#include "runtime/exec/team.h"
#include "base/rng.h"
#include "runtime/files/file.h"
#include "runtime/train/feed_data.h"
#include "runtime/train/train.h"
#include "tests/unit/command.h"
#include "tests/unit/small_bert.h"
#include "tests/unit/suites.h"
#include "tests/unit/thread_team.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/watched_feed.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 12, LENGTH = 20 };
static Tokenizer *tok;
static Arena *words; // of the options
static const char *text_path;

typedef struct PieceCode { // BERT's, compiled
  Session s;
  Options o;
} PieceCode;

static void compile(PieceCode *c, bool dropout, const char *level) {
  BuildWant want = {.nentries = -1,
                    .ntrains = -1,
                    .dropout = dropout,
                    .update = true,
                    .pieces = true,
                    .init = true};
  *c = (PieceCode){0};
  small_bert_compile(&c->s, &c->o, words, level, &want);
}

static PieceCode code; // with dropout, for most tests
static void set_up_all(void) {
  words = arena_new();
  compile(&code, true, "-O2");
}
static void tear_down_all(void) {
  session_close(&code.s);
  arena_free(words);
}

static void set_up(void) {
  make_dir();
  small_bert_text(in_dir("text"), 2500, 0, 6);
  tok = small_bert_tokenizer();
  text_path = arena_printf(words, "%s/text", dir);
}

static void tear_down(void) {
  tok_free(tok);
  remove_dir();
}

// ---- a handle, and the pieces of its data
typedef struct PieceBed {
  bigs_model *m;
  Data *data;
  DataFeed from;
  Feed feed;
  FeedArgs args;
  int64_t pieces;
  double count[ROWS], loss[ROWS];
  bool same; // every piece is the first one
} PieceBed;

static void open_bed(PieceBed *b, const PieceCode *c, const BigsDevice *device, int threads,
                     int64_t pieces) {
  BigsError e = {0};
  char error[512];
  DataOptions o = {.kind = DATA_MLM, .length = LENGTH, .seed = 5, .hold_out = true};
  *b = (PieceBed){.pieces = pieces};
  b->m = bigs_model_open_with(
      c->s.module, NULL,
      &(bigs_options){
          .size = sizeof(bigs_options), .seed = 3, .threads = threads, .device = device},
      error, sizeof error);
  ck_assert_msg(b->m != NULL, "%s", error);
  ck_assert_msg(!data_open(&text_path, 1, tok, &o, &b->data, &e), "%s", e.text);
  feed_from_data(&b->from, b->data, ROWS / pieces, DATA_HELD_OUT, &b->feed);
  b->from.pieces = pieces;
}

static void close_bed(PieceBed *b) {
  bigs_model_close(b->m);
  data_free(b->data);
}

static int bed_next(void *ctx, int64_t i, PieceArgs *out) {
  PieceBed *b = ctx;
  FeedBatch batch;
  if (i == 0 || !b->same) {
    ck_assert_int_eq(b->feed.train(&b->from, b->m->step * b->pieces + i, &batch, &b->m->error), 0);
    ck_assert_int_eq(
        feed_args(b->m->module, b->m->module->train[0].program, &batch, &b->args, &b->m->error), 0);
    b->count[i] = (double)batch.count;
  } else
    b->count[i] = b->count[0];
  *out = (PieceArgs){b->args.dims, b->args.input, (int64_t)b->count[i]};
  return 0;
}

static TrainRecipe recipe(const PieceBed *b) {
  TrainRecipe r = recipe_of(&b->m->module->train[0]);
  r.steps = 4;
  r.rate = 1e-3;
  return r;
}

static float step_in_pieces(PieceBed *b) {
  StepPieces p = {.n = b->pieces, .own = b->pieces, .ctx = b, .next = bed_next};
  TrainRecipe r = recipe(b);
  float loss = NAN;
  ck_assert_msg(!pieces_step(b->m, 0, &r, &p, &loss, NULL), "%s", bigs_model_error(b->m));
  return loss;
}

static int64_t elements(const PieceBed *b) {
  return b->m->module->param_bytes / (int64_t)sizeof(float);
}
static float *copy_of(PieceBed *b, Region *r) {
  float *out = malloc(r->bytes);
  ck_assert_ptr_nonnull(out);
  memcpy(out, region_look(b->m, r), r->bytes);
  return out;
}

// ---- the sum, made once more
// Of pieces lo, ..., lo + n - 1: two halves, or, where n is odd, the first 2^k, as many as there are below n, and the others.
static float tree(float *const *leaf, int64_t i, int lo, int n) {
  int p = 1;
  while (2 * p < n)
    p *= 2;
  p = n % 2 ? p : n / 2;
  return n == 1 ? leaf[lo][i] : tree(leaf, i, lo, p) + tree(leaf, i, lo + p, n - p);
}

// The weighted gradients of each piece on its own.
static void take_leaves(PieceBed *b, float **leaf) {
  b->m->pieces = b->pieces;
  for (int64_t i = 0; i < b->pieces; i++) {
    PieceArgs a;
    float loss;
    b->m->piece = i;
    bed_next(b, i, &a);
    ck_assert_msg(!model_gradient(b->m, 0, a.dims, a.inputs, &loss, false), "%s",
                  bigs_model_error(b->m));
    b->loss[i] = loss;
    leaf[i] = copy_of(b, &b->m->grad);
    for (int64_t k = 0; k < elements(b); k++)
      leaf[i][k] *= (float)b->count[i];
  }
  b->m->pieces = b->m->piece = 0;
  ck_assert_int_eq(b->feed.again(&b->from, &b->m->error), 0);
}

static void expect_tree(PieceBed *b) {
  float *leaf[ROWS], *sum;
  double loss = 0, count = 0;
  take_leaves(b, leaf);
  double mean = step_in_pieces(b);
  sum = copy_of(b, &b->m->grad);
  for (int64_t k = 0; k < elements(b); k++)
    ck_assert_msg(sum[k] == tree(leaf, k, 0, (int)b->pieces), "element %lld", (long long)k);
  for (int i = 0; i < b->pieces; i++) {
    loss += b->loss[i] * b->count[i];
    count += b->count[i];
    free(leaf[i]);
  }
  ck_assert_double_eq_tol(mean, loss / count, 1e-6);
  free(sum);
}

static const int all_pieces[] = {2, 3, 4, 6, 12};

START_TEST(gradients_are_added_in_a_tree_of_the_number_of_pieces) {
  PieceBed b;
  for (int i = 0; i < COUNT(all_pieces); i++) {
    open_bed(&b, &code, NULL, 2, all_pieces[i]);
    expect_tree(&b);
    expect_tree(&b);
    close_bed(&b);
  }
}
END_TEST

// ---- against the whole batch
static double whole_step(PieceBed *b, float **grad, OptReport *report) {
  PieceArgs a;
  TrainRecipe r = recipe(b);
  float loss;
  r.clip = 0.05;
  bed_next(b, 0, &a);
  ck_assert_int_eq(model_step(b->m, 0, &r, a.dims, a.inputs, a.count, &loss, report), 0);
  *grad = copy_of(b, &b->m->grad);
  return loss;
}

// Whether its pieces have different numbers of labels.
static bool expect_whole(const PieceCode *c, int64_t pieces) {
  PieceBed one, b;
  OptReport want, got;
  float *mean, loss = NAN;
  open_bed(&one, c, NULL, 1, 1);
  open_bed(&b, c, NULL, 1, pieces);
  double whole = whole_step(&one, &mean, &want), count = 0;
  StepPieces p = {.n = pieces, .own = pieces, .ctx = &b, .next = bed_next};
  TrainRecipe r = recipe(&b);
  r.clip = 0.05;
  ck_assert_msg(!pieces_step(b.m, 0, &r, &p, &loss, &got), "%s", bigs_model_error(b.m));
  float *sum = copy_of(&b, &b.m->grad), *p1 = copy_of(&one, &one.m->param),
        *pn = copy_of(&b, &b.m->param);
  bool differ = false;
  for (int i = 0; i < pieces; i++) {
    count += b.count[i];
    differ = differ || b.count[i] != b.count[0];
  }
  ck_assert_double_eq(count, one.count[0]);
  ck_assert_double_eq_tol(loss, whole, 2e-6);
  ck_assert_double_gt(want.norm, 0.1); // clipped
  ck_assert_double_eq_tol(got.norm, want.norm, 2e-6 * want.norm);
  for (int64_t k = 0; k < elements(&b); k++) {
    ck_assert_float_eq_tol((float)(sum[k] / count), mean[k], 3e-7f);
    ck_assert_float_eq_tol(pn[k], p1[k], 3e-5f);
  }
  free(mean), free(sum), free(p1), free(pn);
  close_bed(&one);
  close_bed(&b);
  return differ;
}

START_TEST(a_step_in_pieces_is_that_of_the_whole_batch) {
  PieceCode c;
  bool differ = false;
  compile(&c, false, _i ? "-O2" : "-O0");
  for (int i = 0; i < COUNT(all_pieces); i++)
    differ = expect_whole(&c, all_pieces[i]) || differ;
  ck_assert(differ);
  session_close(&c.s);
}
END_TEST

START_TEST(pieces_have_draws_of_their_own) {
  PieceBed b;
  float *leaf[ROWS];
  open_bed(&b, &code, NULL, 1, 4);
  b.same = true;
  take_leaves(&b, leaf);
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < i; k++)
      ck_assert_double_ne(b.loss[i], b.loss[k]);
  for (int i = 0; i < 4; i++)
    free(leaf[i]);
  close_bed(&b);
}
END_TEST

// ---- runs
typedef struct PieceRun {
  const PieceCode *code;
  const char *out;
  int64_t pieces;
  int ranks, threads; // ranks 0: alone
  bool resume;
  int stop_at, fail_at, spoil_at; // when that piece is asked for, counted from 1
  TeamHub hub;
  struct PieceRank {
    PieceBed bed;
    WatchedFeed watched;
    int status;
    char error[2048];
    TrainResult result;
    float *param;
  } rank[TEAM_MOST];
} PieceRun;

static void run_rank(void *ctx, int k) {
  PieceRun *run = ctx;
  struct PieceRank *r = &run->rank[k];
  open_bed(&r->bed, run->code, NULL, run->threads ? run->threads : 1, run->pieces);
  r->bed.from.rank = k;
  r->bed.from.ranks = run->ranks;
  TrainPlan plan = {
      .recipe = recipe(&r->bed), .batch = ROWS, .pieces = run->pieces, .length = LENGTH, .seed = 3};
  plan.recipe.clip = 0.05;
  r->watched = (WatchedFeed){.of = r->bed.feed,
                             .m = r->bed.m,
                             .stop_at = run->stop_at,
                             .fail_at = run->fail_at,
                             .spoil_at = run->spoil_at,
                             .spoilt = NAN};
  Feed feed = watched_feed(&r->watched);
  TrainOptions to = {.out = run->out,
                     .resume = run->resume,
                     .log_every = 1,
                     .eval_every = 2,
                     .stop = &r->watched.stop,
                     .team = run->ranks ? &run->hub.seat[k].team : NULL};
  r->status = train_run(r->bed.m, &plan, &feed, &to, &r->result);
  snprintf(r->error, sizeof r->error, "%s", bigs_model_error(r->bed.m));
  r->param = copy_of(&r->bed, &r->bed.m->param);
}

static void run(PieceRun *x) {
  if (x->ranks) {
    hub_start(&x->hub, x->ranks);
    hub_run(&x->hub, run_rank, x);
    hub_end(&x->hub);
  } else
    run_rank(x, 0);
}
static void run_ok(PieceRun *x) {
  run(x);
  ck_assert_msg(!x->rank[0].status, "%s", x->rank[0].error);
}
static void run_end(PieceRun *x) {
  for (int k = 0; k < x->ranks || !k; k++) {
    close_bed(&x->rank[k].bed);
    free(x->rank[k].param);
  }
}
static void same_bits(const PieceRun *a, const PieceRun *b) {
  ck_assert_mem_eq(a->rank[0].param, b->rank[0].param, a->rank[0].bed.m->param.bytes);
  ck_assert_double_eq(a->rank[0].result.loss, b->rank[0].result.loss);
  ck_assert_double_eq(a->rank[0].result.held_out.loss, b->rank[0].result.held_out.loss);
}

static const char *lasting(const char *name) {
  return arena_printf(words, "%s/%s", dir, name);
}

START_TEST(pieces_have_the_same_bits_on_any_threads_and_after_a_resume) {
  PieceRun one = {.code = &code, .out = lasting("one"), .pieces = 3};
  PieceRun many = {.code = &code, .out = lasting("many"), .pieces = 3, .threads = 4};
  // In the second step, between its first piece and its second one, and then before its last one.
  PieceRun cut = {.code = &code, .out = lasting("cut"), .pieces = 3, .stop_at = 4};
  PieceRun more = {.code = &code, .out = lasting("cut"), .pieces = 3, .stop_at = 2, .resume = true};
  PieceRun rest = {.code = &code, .out = lasting("cut"), .pieces = 3, .threads = 2, .resume = true};
  run_ok(&one);
  run_ok(&many);
  same_bits(&one, &many);
  run(&cut);
  ck_assert_int_eq(cut.rank[0].status, BIGS_EINTERRUPT);
  ck_assert_str_eq(cut.rank[0].error, "interrupted; step 1 is saved");
  run(&more);
  ck_assert_int_eq(more.rank[0].status, BIGS_EINTERRUPT);
  ck_assert_str_eq(more.rank[0].error, "interrupted; step 1 is saved");
  run_ok(&rest);
  ck_assert_int_eq(rest.rank[0].result.first_step, 1);
  same_bits(&one, &rest);
  PieceRun *const all[] = {&one, &many, &cut, &more, &rest};
  for (int i = 0; i < COUNT(all); i++)
    run_end(all[i]);
}
END_TEST

// Each rank has a part of the tree, the draws of its pieces, and its shares of the norm and of what is held out.
START_TEST(ranks_own_subtrees) {
  static const int pieces[] = {4, 12, 6}, ranks[] = {2, 4, 2};
  PieceRun alone = {.code = &code, .out = lasting("alone"), .pieces = pieces[_i]};
  PieceRun team = {.code = &code, .out = lasting("team"), .pieces = pieces[_i], .ranks = ranks[_i]};
  run_ok(&alone);
  run_ok(&team);
  same_bits(&alone, &team);
  for (int k = 1; k < ranks[_i]; k++)
    ck_assert_mem_eq(alone.rank[0].param, team.rank[k].param, alone.rank[0].bed.m->param.bytes);
  ck_assert_double_gt(alone.rank[0].result.held_out.loss, 0);
  run_end(&alone);
  run_end(&team);
}
END_TEST

static void fails(PieceRun *x, int status, const char *text, const char *more) {
  run(x);
  ck_assert_msg(x->rank[0].status == status && strstr(x->rank[0].error, text) &&
                    strstr(x->rank[0].error, more),
                "%d: %s", x->rank[0].status, x->rank[0].error);
  run_end(x);
}

START_TEST(errors_say_which_piece) {
  fails(&(PieceRun){.code = &code, .out = lasting("a"), .pieces = 4, .fail_at = 7}, BIGS_EFILE,
        "piece 3 of 4: the disk is gone", "");
  fails(&(PieceRun){.code = &code, .out = lasting("b"), .pieces = 4, .spoil_at = 6}, BIGS_ENUMERIC,
        "step 2: piece 2 of 4: the loss is nan; ", "checkpoint is of step 1");
  fails(&(PieceRun){.code = &code, .out = lasting("c"), .pieces = 4, .ranks = 2, .spoil_at = 4},
        BIGS_ENUMERIC, "step 2: ", "the loss is nan; ");
}
END_TEST

// ---- what ranks say to each other
enum { TALK_PIECES = 12, TALK_RANKS = 2, TALK_OWN = TALK_PIECES / TALK_RANKS };
typedef struct RankTalk {
  TeamHub hub;
  int64_t apart;
  int calls, large; // of a step, and those that swap gradients and parameters
} RankTalk;

static void talk(void *ctx, int k) {
  RankTalk *t = ctx;
  PieceBed b;
  open_bed(&b, &code, NULL, 1, TALK_PIECES);
  b.from.rank = k;
  b.from.ranks = TALK_RANKS;
  StepPieces p = {
      .n = TALK_PIECES, .first = k * TALK_OWN, .own = TALK_OWN, .ctx = &b, .next = bed_next};
  TrainRecipe r = recipe(&b);
  int err = team_join(b.m, &t->hub.seat[k].team), calls = t->hub.seat[k].calls;
  b.m->team_apart = t->apart;
  err = err ? err : pieces_step(b.m, 0, &r, &p, NULL, NULL);
  ck_assert_msg(!err, "%s", bigs_model_error(b.m));
  for (int i = 0; i < b.m->team_pieces && !k; i++)
    t->large += 2 * ((b.m->team_piece[i].slice > 0) + (b.m->team_piece[i].rest > 0));
  t->calls = k ? t->calls : t->hub.seat[k].calls - calls;
  team_leave(b.m);
  close_bed(&b);
}

// Three times a step, and between as many pieces as were asked for.
START_TEST(ranks_talk_little) {
  static const int64_t apart[] = {0, 2, 3, TALK_OWN};
  static const int looks[] = {5, 2, 1, 0};
  for (int i = 0; i < COUNT(apart); i++) {
    RankTalk t = {.apart = apart[i]};
    hub_start(&t.hub, TALK_RANKS);
    hub_run(&t.hub, talk, &t);
    hub_end(&t.hub);
    ck_assert_int_gt(t.large, 0);
    ck_assert_int_eq(t.calls, 3 + t.large + looks[i]);
  }
  ck_assert_int_eq(pieces_apart(16, 0.01), 16);
  ck_assert_int_eq(pieces_apart(16, 0.25), 4);
  ck_assert_int_eq(pieces_apart(16, 0.6), 1);
  ck_assert_int_eq(pieces_apart(16, 60), 1);
}
END_TEST

// ---- values that are computed again
static void compute_again(PieceBed *b, int n) {
  PieceArgs a;
  bed_next(b, 0, &a);
  ck_assert_msg(!again_set(b->m, b->m->module->train[0].program, a.dims, n), "%s",
                bigs_model_error(b->m));
  ck_assert_int_eq(b->feed.again(&b->from, &b->m->error), 0);
}

static void expect_same(PieceBed *a, PieceBed *b, Region *of_a, Region *of_b) {
  float *x = copy_of(a, of_a), *y = copy_of(b, of_b);
  ck_assert(!memcmp(x, y, of_a->bytes));
  free(x), free(y);
}

// With dropout, whose draws are those of the forward pass.
static void expect_same_steps(int threads, int64_t pieces) {
  PieceBed kept, again;
  open_bed(&kept, &code, NULL, 1, pieces);
  open_bed(&again, &code, NULL, threads, pieces);
  compute_again(&again, INT_MAX);
  const Again *x = again.m->again;
  ck_assert_int_ge(x->n, 1);
  ck_assert_int_eq(x->n, x->parts - 1);
  ck_assert_int_gt(x->program.nstep, x->of->nstep);
  ck_assert(x->more > 0 && x->more < 0.34);
  for (int i = 0; i < 2; i++)
    ck_assert(step_in_pieces(&kept) == step_in_pieces(&again));
  expect_same(&kept, &again, &kept.m->param, &again.m->param);
  expect_same(&kept, &again, &kept.m->moment[0], &again.m->moment[0]);
  close_bed(&kept);
  close_bed(&again);
}

START_TEST(values_computed_again_change_no_bit) {
  expect_same_steps(3, 1);
  expect_same_steps(1, 3);
}
END_TEST

// What nobody is told to write is not known to be made again.
START_TEST(without_what_steps_write_nothing_is_computed_again) {
  PieceBed b;
  open_bed(&b, &code, NULL, 1, 2);
  BigsModule module = *b.m->module;
  BigsProgram program[16];
  BigsStep step[1024];
  int at = module.train[0].program;
  memcpy(program, module.program, sizeof *program * (size_t)module.nprogram);
  memcpy(step, program[at].step, sizeof *step * (size_t)program[at].nstep);
  for (int i = 0; i < program[at].nstep; i++)
    step[i].written = NULL;
  program[at].step = step;
  module.program = program;
  b.m->module = &module;
  compute_again(&b, INT_MAX);
  ck_assert_int_eq(b.m->again->program.nstep, program[at].nstep);
  again_free(b.m);
  b.m->module = code.s.module;
  close_bed(&b);
}
END_TEST

START_TEST(a_module_without_the_sum_says_so) {
  PieceBed b;
  open_bed(&b, &code, NULL, 1, 2);
  BigsModule module = *b.m->module;
  BigsTrain train = module.train[0];
  StepPieces p = {.n = 2, .own = 2, .ctx = &b, .next = bed_next};
  TrainRecipe r = recipe(&b);
  float loss;
  train.sum = -1;
  module.train = &train;
  b.m->module = &module;
  ck_assert_int_eq(pieces_step(b.m, 0, &r, &p, &loss, NULL), BIGS_EBUG);
  ck_assert_msg(strstr(bigs_model_error(b.m), "lacks its optimizer"), "%s", bigs_model_error(b.m));
  ck_assert_int_eq(b.m->step, 0);
  b.m->module = code.s.module;
  close_bed(&b);
}
END_TEST

Suite *pieces_suite(void) {
  Suite *s = suite_create("pieces");
  TCase *c = tcase_create("steps");
  tcase_add_unchecked_fixture(c, set_up_all, tear_down_all);
  tcase_add_checked_fixture(c, set_up, tear_down);
  tcase_set_timeout(c, 120);
  tcase_add_test(c, gradients_are_added_in_a_tree_of_the_number_of_pieces);
  tcase_add_loop_test(c, a_step_in_pieces_is_that_of_the_whole_batch, 0, 2);
  tcase_add_test(c, pieces_have_draws_of_their_own);
  tcase_add_test(c, pieces_have_the_same_bits_on_any_threads_and_after_a_resume);
  tcase_add_loop_test(c, ranks_own_subtrees, 0, 3);
  tcase_add_test(c, errors_say_which_piece);
  tcase_add_test(c, ranks_talk_little);
  tcase_add_test(c, values_computed_again_change_no_bit);
  tcase_add_test(c, without_what_steps_write_nothing_is_computed_again);
  tcase_add_test(c, a_module_without_the_sum_says_so);
  suite_add_tcase(s, c);
  return s;
}

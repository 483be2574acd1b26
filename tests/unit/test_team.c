// What a team of ranks is made of, in threads: slices of parameters, sums, how processes find each other.
#include "runtime/exec/team.h"
#include "base/dtype.h"
#include "compiler/driver/launcher.h"
#include "runtime/files/file.h"
#include "runtime/files/meet.h"
#include "tests/unit/far_device.h"
#include "tests/unit/suites.h"
#include "tests/unit/thread_team.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_module.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// ---- memory of others' slices
enum { FORGET_BYTES = 8 << 20, FORGET_SLACK = 2 * 65536 }; // of pages that are shared by two slices
static const BigsStorage forget_storage[] = {{.offset = 0, .bytes = FORGET_BYTES, .dtype = DT_F32}};
static const BigsModule forget_module = {
    .storage = forget_storage, .nstorage = 1, .param_bytes = FORGET_BYTES};

typedef struct Forgets {
  TeamHub hub;
  int64_t own[TEAM_MOST], kept[TEAM_MOST], again[TEAM_MOST];
} Forgets;

static int64_t count_ones(const char *p, int64_t bytes) {
  int64_t ones = 0;
  for (int64_t i = 0; i < bytes; i++)
    ones += p[i];
  return ones;
}

static void forget_others(void *ctx, int k) {
  Forgets *s = ctx;
  bigs_model m = {.module = &forget_module, .device = &device_cpu};
  Region r = {0};
  int64_t slice = FORGET_BYTES / s->hub.ranks / 64 * 64;
  if (region_set(&m, &r, FORGET_BYTES, "a test") || team_join(&m, &s->hub.seat[k].team))
    return;
  memset(r.p, 1, FORGET_BYTES);
  team_forget(&m, &r);
  s->own[k] = slice - count_ones(r.p + k * slice, slice);
  s->kept[k] = count_ones(r.p, FORGET_BYTES);
  s->again[k] = team_collect(&m, &r) ? 0 : count_ones(r.p, FORGET_BYTES);
  team_leave(&m);
  region_free(&m, &r);
}

START_TEST(slices_of_others_take_no_memory) {
  Forgets s = {.own = {0}};
  hub_start(&s.hub, _i);
  hub_run(&s.hub, forget_others, &s);
  for (int k = 0; k < _i; k++) {
    ck_assert_int_eq(s.own[k], 0);
    ck_assert_int_ge(s.kept[k], FORGET_BYTES / _i / 64 * 64);
    ck_assert_int_le(s.kept[k], FORGET_BYTES / _i + FORGET_SLACK);
    ck_assert_int_eq(s.again[k], FORGET_BYTES);
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
  bigs_options o = {.size = sizeof(bigs_options), .seed = 4, .threads = 1}, far = o;
  far.device = &far_device;
  bigs_model *m = bigs_model_open_with(&toy_module, NULL, &o, NULL, 0),
             *n = bigs_model_open_with(&toy_module, NULL, &far, NULL, 0);
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

// ---- what launchers say
static int ranks_here(const char *list, const char *node) {
  Launched l;
  BigsError e = {0};
  setenv("SLURM_STEP_TASKS_PER_NODE", list, 1);
  setenv("SLURM_NODEID", node, 1);
  ck_assert_msg(!launcher_find(&l, &e), "%s", e.text);
  ck_assert_str_eq(l.by, "Slurm");
  ck_assert_int_eq(l.ranks, 8);
  ck_assert_int_eq(l.rank, 6);
  return l.locals;
}

START_TEST(ranks_of_this_computer_are_counted) {
  setenv("SLURM_PROCID", "6", 1);
  setenv("SLURM_STEP_NUM_TASKS", "8", 1);
  setenv("SLURM_LOCALID", "0", 1);
  ck_assert_int_eq(ranks_here("8", "0"), 8);
  ck_assert_int_eq(ranks_here("3(x2),2", "0"), 3);
  ck_assert_int_eq(ranks_here("3(x2),2", "1"), 3);
  ck_assert_int_eq(ranks_here("3(x2),2", "2"), 2);
  ck_assert_int_eq(ranks_here("1,7", "1"), 7);
  ck_assert_int_eq(ranks_here("many", "0"), 1);
  ck_assert_int_eq(ranks_here("-2", "0"), 1);
  ck_assert_int_eq(ranks_here("99", "0"), 8);
  // srun --mpi=pmi2
  setenv("PMI_RANK", "6", 1);
  setenv("PMI_SIZE", "8", 1);
  ck_assert_int_eq(ranks_here("1,7", "1"), 7);
  unsetenv("PMI_SIZE");
  unsetenv("SLURM_STEP_TASKS_PER_NODE");
  Launched l;
  ck_assert_int_eq(launcher_find(&l, NULL), 0);
  ck_assert_int_eq(l.locals, 1);
  unsetenv("SLURM_STEP_NUM_TASKS");
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
  TCase *c = tcase_create("team");
  tcase_add_loop_test(c, slices_of_all_ranks_are_the_whole, 1, TEAM_MOST + 1);
  tcase_add_loop_test(c, sums_are_those_of_all_ranks, 1, TEAM_MOST + 1);
  tcase_add_loop_test(c, slices_of_others_take_no_memory, 1, TEAM_MOST + 1);
  tcase_add_test(c, a_team_of_the_host_serves_another_device);
  tcase_add_test(c, ranks_of_this_computer_are_counted);
  tcase_add_test(c, ranks_draw_for_themselves);
  tcase_add_test(c, ranks_meet_in_a_folder);
  tcase_add_test(c, who_does_not_come_is_named);
  suite_add_tcase(s, c);
  return s;
}

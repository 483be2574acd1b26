// The thread pool: every task once, visibility, many small runs, quotas of control groups.
#include "runtime/exec/pool.h"
#include <check.h>
#include <fenv.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Count {
  atomic_int *hits;
  int64_t *plain;
  int threads;
  atomic_int bad;
} Count;

static void count_task(void *ctx, int64_t i, int thread) {
  Count *c = ctx;
  atomic_fetch_add(&c->hits[i], 1);
  c->plain[i] = i * i + 1;
  if (thread < 0 || thread >= c->threads)
    atomic_fetch_add(&c->bad, 1);
}

static void run_counted(Pool *p, int64_t n) {
  Count c = {calloc((size_t)n + 1, sizeof *c.hits), calloc((size_t)n + 1, sizeof *c.plain),
             pool_threads(p), 0};
  pool_run(p, n, count_task, &c);
  for (int64_t i = 0; i < n; i++) {
    ck_assert_int_eq(atomic_load(&c.hits[i]), 1);
    ck_assert_int_eq(c.plain[i], i * i + 1);
  }
  ck_assert_int_eq(atomic_load(&c.bad), 0);
  free(c.hits);
  free(c.plain);
}

START_TEST(every_task_once) {
  static const int threads[] = {1, 2, 5, 13};
  static const int64_t tasks[] = {0, 1, 2, 3, 64, 1000};
  BigsError e = {0};
  Pool *p = pool_new(threads[_i], &e);
  ck_assert_msg(p, "%s", e.text);
  ck_assert_int_eq(pool_threads(p), threads[_i]);
  for (int k = 0; k < 20; k++)
    for (size_t j = 0; j < sizeof tasks / sizeof *tasks; j++)
      run_counted(p, tasks[j]);
  pool_free(p);
}
END_TEST

static void add_task(void *ctx, int64_t i, int thread) {
  (void)thread;
  ((int64_t *)ctx)[i]++;
}

// A worker that wakes late must never run a task of a later job with the earlier function, nor one
// twice.
START_TEST(many_small_runs) {
  Pool *p = pool_new(4, NULL);
  ck_assert_ptr_nonnull(p);
  int64_t sum[7] = {0};
  for (int i = 0; i < 5000; i++) {
    pool_run(p, 7, add_task, sum);
    if (i % 1000 == 999)
      usleep(300); // let the workers fall asleep
  }
  for (int i = 0; i < 7; i++)
    ck_assert_int_eq(sum[i], 5000);
  pool_free(p);
}
END_TEST

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

typedef struct Watched {
  int spans[4];
  int64_t last[4];
  bool backwards;
} Watched;

static void note_span(void *ctx, int thread, int64_t begin, int64_t end) {
  Watched *w = ctx;
  w->backwards |= begin < w->last[thread] || end < begin;
  w->last[thread] = end;
  w->spans[thread]++;
}

// Who worked tells when; who came too late for a task, or where there is none, does not.
START_TEST(threads_are_watched) {
  static const int threads[] = {1, 3};
  BigsError e = {0};
  Watched w = {0};
  Pool *p = pool_new(threads[_i], &e);
  ck_assert_ptr_nonnull(p);
  pool_watch(p, note_span, &w);
  for (int i = 0; i < 20; i++)
    run_counted(p, i % 5 * 10);
  int all = 0;
  for (int i = 0; i < threads[_i]; i++)
    all += w.spans[i];
  ck_assert(!w.backwards && all >= 16 && all <= 16 * threads[_i]);
  pool_watch(p, NULL, NULL);
  run_counted(p, 10);
  for (int i = 0; i < threads[_i]; i++)
    all -= w.spans[i];
  ck_assert_int_eq(all, 0);
  pool_free(p);
}
END_TEST

START_TEST(idle_threads_sleep) {
  Pool *p = pool_new(2, NULL);
  int64_t sum[64] = {0};
  pool_run(p, 64, add_task, sum);
  usleep(20000);
  double before = cpu_seconds();
  usleep(200000);
  ck_assert_double_lt(cpu_seconds() - before, 0.05);
  pool_free(p);
}
END_TEST

static void slow_task(void *ctx, int64_t i, int thread) {
  (void)thread;
  if (i == 0)
    usleep(30000);
  ((int64_t *)ctx)[i]++;
}

START_TEST(waits_for_a_slow_task) {
  Pool *p = pool_new(3, NULL);
  int64_t sum[3] = {0};
  for (int i = 0; i < 5; i++)
    pool_run(p, 3, slow_task, sum);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(sum[i], 5);
  pool_free(p);
}
END_TEST

// A child of fork() has no worker to join: what it inherited still runs, and ends.
START_TEST(a_child_frees_what_it_inherited) {
  Pool *p = pool_new(3, NULL);
  int64_t sum[64] = {0};
  pool_run(p, 64, add_task, sum);
  usleep(_i ? 20000 : 0); // the workers spin, or sleep
  pid_t child = fork();
  if (!child) {
    alarm(10);
    pool_run(p, 64, add_task, sum);
    pool_free(p);
    _exit(sum[0] == 2 && sum[63] == 2 ? 0 : 1);
  }
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  pool_run(p, 64, add_task, sum);
  ck_assert_int_eq(sum[63], 2);
  pool_free(p);
}
END_TEST

static void third_task(void *ctx, int64_t i, int thread) {
  volatile double one = 1, three = 3;
  (void)thread;
  ((double *)ctx)[i] = one / three;
  usleep(10);
}

// The caller's rounding is not the tasks', on no thread, and is still there afterwards.
START_TEST(rounds_as_the_language_says) {
  Pool *p = pool_new(_i ? 3 : 1, NULL);
  double x[64];
  fesetround(FE_UPWARD);
  pool_run(p, 64, third_task, x);
  int after = fegetround();
  fesetround(FE_TONEAREST);
  ck_assert_int_eq(after, FE_UPWARD);
  for (int i = 0; i < 64; i++)
    ck_assert(x[i] == 1 / 3.0);
  pool_free(p);
}
END_TEST

#ifdef __x86_64__
static void half_task(void *ctx, int64_t i, int thread) {
  volatile float least = 0x1p-126f;
  (void)thread;
  ((float *)ctx)[i] = least / 2;
}

START_TEST(denormal_numbers_stay) {
  enum { FLUSH = 0x8040 };
  Pool *p = pool_new(_i ? 3 : 1, NULL);
  float x[64];
  unsigned old = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(old | FLUSH);
  pool_run(p, 64, half_task, x);
  unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(old);
  ck_assert_uint_eq(after & FLUSH, FLUSH);
  for (int i = 0; i < 64; i++)
    ck_assert(x[i] == 0x1p-127f);
  pool_free(p);
}
END_TEST
#endif

START_TEST(refuses_bad_sizes) {
  BigsError e = {0};
  ck_assert_ptr_null(pool_new(-1, &e));
  ck_assert_int_eq(e.status, BIGS_EUSAGE);
  ck_assert_ptr_null(pool_new(POOL_MAX_THREADS + 1, &e));
  ck_assert_ptr_nonnull(strstr(e.text, "1 to 1024"));
  pool_free(NULL);
  Pool *p = pool_new(0, &e);
  ck_assert_int_eq(pool_threads(p), pool_default_threads());
  pool_free(p);
}
END_TEST

static void put_file(const char *dir, const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  for (char *s = path + 1; (s = strchr(s, '/')); s++) {
    *s = 0;
    mkdir(path, 0755);
    *s = '/';
  }
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
}

static double cpus_of(const char *dir) {
  char proc[512];
  snprintf(proc, sizeof proc, "%s/self", dir);
  return pool_cgroup_cpus(proc, dir);
}

static void remove_tree(const char *dir) {
  char cmd[600];
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
  ck_assert_int_eq(system(cmd), 0);
}

START_TEST(processes_share_processors) {
  int all = pool_default_threads(), one = pool_shared_threads(1 << 20);
  ck_assert_int_eq(pool_shared_threads(1), all);
  ck_assert_int_eq(one, 1);
  for (int n = 2; n < 6; n++) {
    ck_assert_int_ge(pool_shared_threads(n), 1);
    ck_assert_int_le(pool_shared_threads(n), all);
    ck_assert(pool_shared_threads(n) * n <= sysconf(_SC_NPROCESSORS_ONLN) ||
              pool_shared_threads(n) == 1);
  }
}
END_TEST

START_TEST(quotas_of_control_groups) {
  char dir[] = "/tmp/bigs-cgroup-XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(dir));
  ck_assert_double_eq(cpus_of(dir), 0);
  put_file(dir, "self", "0::/a/b\n");
  put_file(dir, "a/b/cpu.max", "max 100000\n");
  ck_assert_double_eq(cpus_of(dir), 0);
  put_file(dir, "a/cpu.max", "250000 100000\n"); // a parent's quota binds too
  ck_assert_double_eq(cpus_of(dir), 2.5);
  put_file(dir, "a/b/cpu.max", "150000 100000\n");
  ck_assert_double_eq(cpus_of(dir), 1.5);
  put_file(dir, "self", "9:name=systemd:/x\n4:cpu,cpuacct:/c\n1:cpuset:/\n");
  put_file(dir, "cpu/c/cpu.cfs_quota_us", "-1\n");
  put_file(dir, "cpu/c/cpu.cfs_period_us", "100000\n");
  ck_assert_double_eq(cpus_of(dir), 0);
  put_file(dir, "cpu/c/cpu.cfs_quota_us", "50000\n");
  ck_assert_double_eq(cpus_of(dir), 0.5);
  put_file(dir, "self", "4:cpu:/not/shown/here\n"); // inside a container only the root is
  put_file(dir, "cpu/cpu.cfs_quota_us", "300000\n");
  put_file(dir, "cpu/cpu.cfs_period_us", "100000\n");
  ck_assert_double_eq(cpus_of(dir), 3);
  put_file(dir, "self", "0::/a/s\n");
  put_file(dir, "a/cpu.max", "max 100000\n");
  put_file(dir, "a/cpuset.cpus.effective", "0-3,8,10-11\n");
  ck_assert_double_eq(cpus_of(dir), 7);
  put_file(dir, "a/s/cpu.max", "150000 100000\n");
  ck_assert_double_eq(cpus_of(dir), 1.5);
  put_file(dir, "self", "3:cpuset:/s\n");
  put_file(dir, "cpuset/s/cpuset.cpus", "5\n");
  ck_assert_double_eq(cpus_of(dir), 1);
  remove_tree(dir);
}
END_TEST

Suite *pool_suite(void) {
  Suite *s = suite_create("pool");
  TCase *t = tcase_create("pool");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, every_task_once, 0, 4);
  tcase_add_test(t, many_small_runs);
  tcase_add_test(t, idle_threads_sleep);
  tcase_add_test(t, waits_for_a_slow_task);
  tcase_add_loop_test(t, a_child_frees_what_it_inherited, 0, 2);
  tcase_add_loop_test(t, rounds_as_the_language_says, 0, 2);
#ifdef __x86_64__
  tcase_add_loop_test(t, denormal_numbers_stay, 0, 2);
#endif
  tcase_add_loop_test(t, threads_are_watched, 0, 2);
  tcase_add_test(t, refuses_bad_sizes);
  tcase_add_test(t, processes_share_processors);
  tcase_add_test(t, quotas_of_control_groups);
  suite_add_tcase(s, t);
  return s;
}

// What the computer lets this process have: threads that are worth starting, by the affinity mask and the control groups' CPU
// quotas (pool.h), and memory (exec.h).
#include "runtime/exec/exec.h"
#include "runtime/exec/pool.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

// The CPUs that DIR grants, by cpu.max (v2) or cpu.cfs_quota_us and cpu.cfs_period_us (v1); 0 when
// it sets no quota.
static double quota_of(const char *dir) {
  char path[PATH_SIZE + 32];
  double quota = 0, period = 0;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  FILE *f = fopen(path, "r");
  if (f) {
    int n = fscanf(f, "%lf %lf", &quota, &period); // "max 100000" reads nothing
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? quota / period : 0;
  }
  const char *const name[2] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
  double value[2] = {0, 0};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, name[i]);
    f = fopen(path, "r");
    if (!f)
      return 0;
    if (fscanf(f, "%lf", &value[i]) != 1)
      value[i] = 0;
    fclose(f);
  }
  return value[0] > 0 && value[1] > 0 ? value[0] / value[1] : 0;
}

// How many CPUs a list as "0-3,8" names.
static double count_cpus(FILE *f) {
  int first, last, c = ',';
  double n = 0;
  while (c == ',' && fscanf(f, "%d", &first) == 1) {
    last = first;
    c = fgetc(f);
    if (c == '-' && fscanf(f, "%d", &last) == 1)
      c = fgetc(f);
    n += last - first + 1;
  }
  return n;
}

// The CPUs that DIR's set has, by cpuset.cpus.effective (v2) or cpuset.cpus (v1); 0: it has none of its own.
static double set_of(const char *dir) {
  const char *const name[2] = {"cpuset.cpus.effective", "cpuset.cpus"};
  double n = 0;
  for (int i = 0; i < 2 && n <= 0; i++) {
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/%s", dir, name[i]);
    FILE *f = fopen(path, "r");
    n = f ? count_cpus(f) : 0;
    if (f)
      fclose(f);
  }
  return n;
}

// The bytes that DIR grants, by memory.max (v2) or memory.limit_in_bytes (v1); 0: it sets no limit.
static double memory_of(const char *dir) {
  const char *const name[2] = {"memory.max", "memory.limit_in_bytes"};
  double value = 0;
  for (int i = 0; i < 2 && value <= 0; i++) {
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/%s", dir, name[i]);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lf", &value) != 1) // "max"
      value = 0;
    if (f)
      fclose(f);
  }
  return value;
}

typedef struct GroupLimit {
  const char *controller;
  const char *mount[2];          // of version 1
  double (*of)(const char *dir); // 0: none
} GroupLimit;

// The least quota from base + group up to base.  A group that this mount does not show (in a
// container) is skipped.
static double limit_upwards(const GroupLimit *l, const char *base, const char *group) {
  char dir[PATH_SIZE];
  double least = 0;
  int n = snprintf(dir, sizeof dir, "%s%s", base, group);
  if (n < 0 || n >= (int)sizeof dir)
    return 0;
  for (size_t keep = strlen(base);;) {
    double q = l->of(dir);
    if (q > 0 && (least == 0 || q < least))
      least = q;
    char *slash = strrchr(dir + keep, '/');
    if (!slash)
      return least;
    *slash = 0;
  }
}

// Is `name` one of the comma-separated controllers?
static int names_controller(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *s = list; s; s = strchr(s, ',')) {
    s += *s == ',';
    if (!strncmp(s, name, n) && (s[n] == 0 || s[n] == ','))
      return 1;
  }
  return 0;
}

static double group_limit(const GroupLimit *l, const char *proc_cgroup, const char *root) {
  FILE *f = fopen(proc_cgroup, "r");
  if (!f)
    return 0;
  char line[PATH_SIZE], base[PATH_SIZE];
  double least = 0;
  while (fgets(line, sizeof line, f)) { // "3:cpu,cpuacct:/group", or "0::/group" for version 2
    line[strcspn(line, "\n")] = 0;
    char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
    if (!group)
      continue;
    *list++ = *group++ = 0;
    if (*list && !names_controller(list, l->controller))
      continue;
    const char *const mount[2] = {*list ? l->mount[0] : "", *list ? l->mount[1] : "/unified"};
    for (int i = 0; i < 2; i++) {
      if (snprintf(base, sizeof base, "%s%s", root, mount[i]) >= (int)sizeof base)
        continue;
      double q = limit_upwards(l, base, group);
      if (q > 0 && (least == 0 || q < least))
        least = q;
    }
  }
  fclose(f);
  return least;
}

double pool_cgroup_cpus(const char *proc_cgroup, const char *root) {
  const GroupLimit cpu = {"cpu", {"/cpu", "/cpu,cpuacct"}, quota_of};
  const GroupLimit set = {"cpuset", {"/cpuset", "/cpuset"}, set_of};
  double quota = group_limit(&cpu, proc_cgroup, root), n = group_limit(&set, proc_cgroup, root);
  return n > 0 && (quota <= 0 || n < quota) ? n : quota;
}

int64_t host_memory(void) {
  const GroupLimit memory = {"memory", {"/memory", "/memory"}, memory_of};
  double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  double group = group_limit(&memory, "/proc/self/cgroup", "/sys/fs/cgroup");
  return (int64_t)(group > 0 && group < all ? group : all);
}

static int affinity_cpus(void) {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set)
      break;
    size_t size = CPU_ALLOC_SIZE(cpus);
    int ok = sched_getaffinity(0, size, set) == 0, n = ok ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (ok)
      return n;
  }
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int pool_shared_threads(int processes) {
  int n = affinity_cpus(), all = (int)sysconf(_SC_NPROCESSORS_ONLN);
  double group = pool_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
  if (group > 0 && group < all)
    all = (int)(group + 0.5); // 1.5 CPUs: 2 threads
  n = all / processes < n ? all / processes : n;
  return n < 1 ? 1 : n > POOL_MAX_THREADS ? POOL_MAX_THREADS : n;
}

int pool_default_threads(void) {
  return pool_shared_threads(1);
}

// A pool of threads owned by a handle.  The caller of pool_run works too, as thread 0.
//
// Results must not depend on which thread runs a task: the thread number is for scratch memory
// only.
#ifndef BIGSC_RUNTIME_POOL_H
#define BIGSC_RUNTIME_POOL_H
#include "base/error.h"
#include <stdint.h>

typedef struct Pool Pool;
typedef void (*PoolFn)(void *ctx, int64_t task, int thread);

// A pool of `threads` threads in all (the caller's included), 1 to POOL_MAX_THREADS; 0 means
// pool_default_threads(). NULL on failure.  With 1, nothing is started and pool_run is a loop.
enum { POOL_MAX_THREADS = 1024 };
Pool *pool_new(int threads, BigsError *e);
// Waits for the threads to end.  NULL is allowed.  Not while pool_run is under way.  In a child of
// fork(), which has none of the threads, it only gives the memory back.
void pool_free(Pool *p);
int pool_threads(const Pool *p);

// Calls fn(ctx, task, thread) once for every task in [0, ntasks), in no order, and returns when all
// calls have returned; what they wrote is then visible to the caller.  Each thread begins with a share
// of neighbouring tasks, the same of as many tasks every time, and then takes others'. One pool_run at a time per pool; fn must not call pool_run on the
// same pool.  Idle threads spin for about 50 microseconds and then sleep.  In a child of fork() the
// caller does all tasks.  Tasks run in the default floating-point environment (denormal numbers,
// rounding to nearest); the caller's comes back at the end.
void pool_run(Pool *p, int64_t ntasks, PoolFn fn, void *ctx);

// From now on `watch` is told of every pool_run of more than no tasks, by each thread that did some, when it has done them: times of
// clock_ns().  NULL: no longer.  Not while pool_run is under way.
typedef void (*PoolWatch)(void *ctx, int thread, int64_t begin, int64_t end);
void pool_watch(Pool *p, PoolWatch watch, void *ctx);

// Threads worth starting in this process: the affinity mask, no more than the CPU quota of its
// control groups.
int pool_default_threads(void);
// The same where so many processes share the computer: no more than their share of all that it lets programs have.
int pool_shared_threads(int processes);
// CPUs granted by cgroup v1 or v2, by a quota or a set: proc_cgroup is the path of /proc/self/cgroup, root that
// of the mount (/sys/fs/cgroup).  The least quota on the way from the process's group to the root
// counts.  0 when there is none.
double pool_cgroup_cpus(const char *proc_cgroup, const char *root);
#endif

// The thread pool: see pool.h.
//
// One run is a generation.  The caller publishes the job, adds 1 to `generation`, and works on it;
// a worker that sees the new generation joins it by raising the count in `state` while the OPEN bit
// is set, does tasks until none is left, and leaves.  The caller returns when it has closed the
// job and the count is 0.  So a worker that wakes too late finds the job closed and is not waited
// for: small jobs cost little on a busy machine.
//
// Each thread has a share of neighbouring tasks, as they read and write neighbouring memory, which this thread's caches then hold and
// its prefetches are for, in the next run over the same memory, too.  Who is done takes from the ends of others' shares.
#include "runtime/exec/pool.h"
#include "base/alloc.h"
#include "base/atomic.h"
#include "base/clock.h"
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_NS = 50000, LINE = 64 };
static const uint32_t OPEN = 1u << 31;

// Tasks first .. end - 1 of a job, as one number, so that first or end change in one exchange.
typedef struct Share {
  alignas(LINE) ATOMIC(uint64_t) left; // end << 32 | first
} Share;

typedef struct Worker {
  Pool *pool;
  pthread_t handle;
  int index;
} Worker;

struct Pool {
  int threads, started;
  pid_t owner; // the process that started the threads: a child of fork() has none of them
  int64_t spin_ns;
  Worker *worker; // threads - 1
  PoolFn fn;      // the job: written while `state` is closed and empty
  void *ctx;
  int64_t first;   // of the tasks that shares count from
  Share *share;    // threads
  PoolWatch watch; // NULL: nobody asks
  void *watcher;
  alignas(LINE) ATOMIC(unsigned) generation;
  alignas(LINE) ATOMIC(unsigned) state; // OPEN | number of workers inside the job
  alignas(LINE) ATOMIC(int) sleepers;
  ATOMIC(bool) waiting; // the caller sleeps on `done`
  ATOMIC(bool) stop;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

typedef bool (*PoolReady)(Pool *p, unsigned arg);

// True as soon as ready() is; false after spin_ns.
static bool spin(Pool *p, PoolReady ready, unsigned arg) {
  if (ready(p, arg))
    return true;
  for (int64_t end = clock_ns() + p->spin_ns; clock_ns() < end;) {
    for (int i = 0; i < 32; i++) {
      if (ready(p, arg))
        return true;
      relax();
    }
  }
  return false;
}

static bool has_news(Pool *p, unsigned seen) {
  return atomic_get(&p->generation) != seen || atomic_get(&p->stop);
}
static bool is_empty(Pool *p, unsigned unused) {
  (void)unused;
  return atomic_get(&p->state) == 0;
}

static int64_t watch_begin(const Pool *p) {
  return p->watch ? clock_ns() : 0;
}
static void watch_end(const Pool *p, int thread, int64_t begin, int64_t tasks) {
  if (p->watch && tasks)
    p->watch(p->watcher, thread, begin, clock_ns());
}

static bool take_task(Share *s, bool own, uint32_t *task) {
  uint64_t left = atomic_get(&s->left);
  while ((uint32_t)left < (uint32_t)(left >> 32)) {
    *task = own ? (uint32_t)left : (uint32_t)(left >> 32) - 1;
    if (atomic_replace(&s->left, &left, own ? left + 1 : left - ((uint64_t)1 << 32)))
      return true;
  }
  return false;
}

static bool claim(Pool *p, int thread, uint32_t *task) {
  for (int i = 0; i < p->threads; i++)
    if (take_task(&p->share[(thread + i) % p->threads], i == 0, task))
      return true;
  return false;
}

static void work(Pool *p, int thread) {
  int64_t done = 0, begin = watch_begin(p);
  for (uint32_t task; claim(p, thread, &task); done++)
    p->fn(p->ctx, p->first + task, thread);
  watch_end(p, thread, begin, done);
}

static bool join(Pool *p) {
  unsigned s = atomic_get(&p->state);
  while (s & OPEN)
    if (atomic_replace(&p->state, &s, s + 1))
      return true;
  return false;
}

static void leave(Pool *p) {
  if (atomic_sub(&p->state, 1) != 1 || !atomic_get(&p->waiting))
    return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_signal(&p->done);
  pthread_mutex_unlock(&p->lock);
}

// The raised count of sleepers and the look at `generation` are both sequentially consistent, as
// are the caller's new generation and its look at the count: one of the two sees the other, so no
// wake-up is lost.
static void sleep_until_news(Pool *p, unsigned seen) {
  pthread_mutex_lock(&p->lock);
  atomic_add(&p->sleepers, 1);
  while (!has_news(p, seen))
    pthread_cond_wait(&p->wake, &p->lock);
  atomic_sub(&p->sleepers, 1);
  pthread_mutex_unlock(&p->lock);
}

// ---- floating point: rounding and denormal numbers as the language says, whatever the caller has
// set, as a worker that started earlier would not follow it.
#if defined(__x86_64__)
typedef unsigned FloatMode;
enum { DEFAULT_MXCSR = 0x1f80 };
static FloatMode float_default(void) {
  FloatMode old = __builtin_ia32_stmxcsr();
  if (old != DEFAULT_MXCSR)
    __builtin_ia32_ldmxcsr(DEFAULT_MXCSR);
  return old;
}
static void float_restore(FloatMode old) {
  if (old != DEFAULT_MXCSR)
    __builtin_ia32_ldmxcsr(old);
}
#else
typedef fenv_t FloatMode;
static FloatMode float_default(void) {
  FloatMode old;
  fegetenv(&old);
  fesetenv(FE_DFL_ENV);
  return old;
}
static void float_restore(FloatMode old) {
  fesetenv(&old);
}
#endif

static void *worker_main(void *arg) {
  Worker *w = (Worker *)arg;
  float_default();
  Pool *p = w->pool;
  for (unsigned seen = 0;;) {
    if (!spin(p, has_news, seen))
      sleep_until_news(p, seen);
    if (atomic_get(&p->stop))
      return NULL;
    seen = atomic_get(&p->generation);
    if (join(p)) {
      work(p, w->index);
      leave(p);
    }
  }
}

static void wait_until_empty(Pool *p) {
  if (spin(p, is_empty, 0))
    return;
  pthread_mutex_lock(&p->lock);
  atomic_set(&p->waiting, true);
  while (!is_empty(p, 0))
    pthread_cond_wait(&p->done, &p->lock);
  atomic_set(&p->waiting, false);
  pthread_mutex_unlock(&p->lock);
}

static void wake_workers(Pool *p, int64_t wanted) {
  if (atomic_get(&p->sleepers) == 0)
    return;
  pthread_mutex_lock(&p->lock);
  if (wanted >= p->threads - 1)
    pthread_cond_broadcast(&p->wake);
  else
    for (int64_t i = 0; i < wanted; i++)
      pthread_cond_signal(&p->wake);
  pthread_mutex_unlock(&p->lock);
}

static void run_alone(Pool *p, int64_t ntasks, PoolFn fn, void *ctx) {
  int64_t begin = watch_begin(p);
  for (int64_t i = 0; i < ntasks; i++)
    fn(ctx, i, 0);
  watch_end(p, 0, begin, ntasks);
}

static void share_out(Pool *p, uint32_t ntasks) {
  uint64_t first = 0, threads = (uint64_t)p->threads;
  for (uint64_t i = 0; i < threads; i++) {
    uint64_t end = ntasks * (i + 1) / threads;
    atomic_set(&p->share[i].left, end << 32 | first);
    first = end;
  }
}

static void run_shared(Pool *p, int64_t first, uint32_t ntasks, PoolFn fn, void *ctx) {
  p->fn = fn;
  p->ctx = ctx;
  p->first = first;
  share_out(p, ntasks);
  atomic_set(&p->state, OPEN);
  atomic_add(&p->generation, 1);
  wake_workers(p, ntasks - 1);
  work(p, 0);
  atomic_and(&p->state, ~OPEN);
  wait_until_empty(p);
}

static void run_tasks(Pool *p, int64_t ntasks, PoolFn fn, void *ctx) {
  if (p->threads == 1 || ntasks <= 1 || p->owner != getpid()) {
    run_alone(p, ntasks, fn, ctx);
    return;
  }
  for (int64_t first = 0; first < ntasks; first += UINT32_MAX) {
    int64_t left = ntasks - first;
    run_shared(p, first, left < UINT32_MAX ? (uint32_t)left : UINT32_MAX, fn, ctx);
  }
}

void pool_run(Pool *p, int64_t ntasks, PoolFn fn, void *ctx) {
  FloatMode old = float_default();
  run_tasks(p, ntasks, fn, ctx);
  float_restore(old);
}

void pool_watch(Pool *p, PoolWatch watch, void *ctx) {
  p->watch = watch;
  p->watcher = ctx;
}

int pool_threads(const Pool *p) {
  return p->threads;
}

// Signals belong to the program's own threads: the workers block them all.
static int start_workers(Pool *p, BigsError *e) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int err = 0;
  for (int i = 0; i < p->threads - 1 && !err; i++) {
    Worker *w = &p->worker[i];
    *w = (Worker){.pool = p, .index = i + 1};
    err = pthread_create(&w->handle, NULL, worker_main, w);
    p->started += !err;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  char buf[128];
  return err ? bigs_fail(e, BIGS_EMODEL, "cannot start thread %d of %d: %s", p->started + 2,
                         p->threads, strerror_r(err, buf, sizeof buf))
             : 0;
}

Pool *pool_new(int threads, BigsError *e) {
  int cpus = pool_default_threads();
  threads = threads ? threads : cpus;
  if (threads < 0 || threads > POOL_MAX_THREADS) {
    bigs_fail(e, BIGS_EUSAGE, "%d threads: must be 1 to %d", threads, POOL_MAX_THREADS);
    return NULL;
  }
  Pool *p = (Pool *)aligned_alloc(LINE, (sizeof *p + LINE - 1) / LINE * LINE);
  if (!p) {
    bigs_fail_memory(e, "the thread pool");
    return NULL;
  }
  memset(p, 0, sizeof *p);
  p->threads = threads;
  p->owner = getpid();
  p->spin_ns = threads > cpus ? 0 : SPIN_NS; // a spinner would hold the CPU that a task needs
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  pthread_cond_init(&p->done, NULL);
  p->worker = ALLOC_N(Worker, threads);
  p->share = (Share *)aligned_alloc(LINE, (size_t)threads * sizeof *p->share);
  if (!p->worker || !p->share)
    bigs_fail_memory(e, "the thread pool");
  if (!p->worker || !p->share || start_workers(p, e)) {
    pool_free(p);
    return NULL;
  }
  return p;
}

static void end_workers(Pool *p) {
  pthread_mutex_lock(&p->lock);
  atomic_set(&p->stop, true);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->started; i++)
    pthread_join(p->worker[i].handle, NULL);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->wake);
  pthread_mutex_destroy(&p->lock);
}

// In a child of fork() there is nobody to join, and the lock and the conditions may be as a thread
// of the parent held them.
void pool_free(Pool *p) {
  if (!p)
    return;
  if (p->owner == getpid())
    end_workers(p);
  free(p->worker);
  free(p->share);
  free(p);
}

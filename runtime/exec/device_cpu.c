// This computer's processors as a device: a pool of threads, and memory of the process.
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LARGE = 4 << 20 };

// Length of the mapping that holds so many bytes.
static size_t mapped_length(size_t bytes) {
  return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

// Anonymous pages are zero and cost nothing until they are touched.
static char *map_large(size_t bytes) {
  size_t body = mapped_length(bytes), length = body + HUGE_PAGE;
  char *p = (char *)mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return NULL;
  size_t head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
  if (head)
    munmap(p, head);
  munmap(p + head + body, length - head - body);
  madvise(p + head, body, MADV_HUGEPAGE);
  return p + head;
}

static char *cpu_alloc(bigs_model *m, size_t bytes) {
  (void)m;
  if (bytes >= LARGE)
    return map_large(bytes);
  size_t rounded = (bytes + 63) / 64 * 64;
  char *p = (char *)aligned_alloc(64, rounded);
  if (p)
    memset(p, 0, rounded);
  return p;
}

static void cpu_release(bigs_model *m, char *p, size_t bytes) {
  (void)m;
  if (bytes >= LARGE)
    munmap(p, mapped_length(bytes));
  else
    free(p);
}

static int cpu_open(bigs_model *m, int threads) {
  m->pool = pool_new(threads, &m->error);
  if (!m->pool)
    return m->error.status;
  m->threads = pool_threads(m->pool);
  return 0;
}

static void cpu_close(bigs_model *m) {
  pool_free(m->pool);
  m->pool = NULL;
}

static int cpu_workers(const bigs_model *m, int64_t tasks, int64_t scratch) {
  (void)tasks, (void)scratch;
  return m->threads;
}

typedef struct Clear {
  char *p;
  int64_t bytes;
} Clear;
enum { CLEAR_PIECE = 1 << 20 };

static void clear_task(void *ctx, int64_t task, int thread) {
  const Clear *c = (const Clear *)ctx;
  (void)thread;
  int64_t at = task * CLEAR_PIECE, n = c->bytes - at;
  memset(c->p + at, 0, (size_t)(n < CLEAR_PIECE ? n : CLEAR_PIECE));
}

static int cpu_clear(bigs_model *m, void *p, size_t bytes) {
  Clear c = {.p = (char *)p, .bytes = (int64_t)bytes};
  pool_run(m->pool, (c.bytes + CLEAR_PIECE - 1) / CLEAR_PIECE, clear_task, &c);
  return 0;
}

typedef struct KernelJob {
  BigsKernel *kernel;
  const DeviceLaunch *l;
} KernelJob;

static void run_task(void *ctx, int64_t task, int thread) {
  const KernelJob *j = (const KernelJob *)ctx;
  const DeviceLaunch *l = j->l;
  // A step without scratch memory has no address to add to.
  j->kernel(&l->frame, task, l->stride ? l->scratch + thread * l->stride : l->scratch);
}

static int cpu_launch(bigs_model *m, const DeviceLaunch *l) {
  KernelJob j = {.kernel = m->module->kernel[l->kernel], .l = l};
  pool_run(m->pool, l->tasks, run_task, &j);
  return 0;
}

static int cpu_wait(bigs_model *m) {
  (void)m;
  return 0;
}

const BigsDevice device_cpu = {.name = "CPU",
                               .host = true,
                               .open = cpu_open,
                               .close = cpu_close,
                               .workers = cpu_workers,
                               .alloc = cpu_alloc,
                               .release = cpu_release,
                               .clear = cpu_clear,
                               .launch = cpu_launch,
                               .wait = cpu_wait};

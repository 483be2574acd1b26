// The gradient of gathering rows as a step of programs: builtin.h over scatter.h.
#include "runtime/builtin.h"
#include "base/error.h"
#include "runtime/exec/pool.h"
#include "runtime/builtin/scatter.h"

enum { ROWS_IN, WIDTH, SRC_ROW, ROWS, OUT_ROW, ACCUMULATE };

static ScatterArgs scatter_args(const BigsFrame *f) {
  return (ScatterArgs){.n = (int64_t)f->scalar[ROWS_IN],
                       .width = (int64_t)f->scalar[WIDTH],
                       .src_row = (int64_t)f->scalar[SRC_ROW],
                       .rows = (int64_t)f->scalar[ROWS],
                       .out_row = (int64_t)f->scalar[OUT_ROW],
                       .accumulate = f->scalar[ACCUMULATE] != 0};
}

static int64_t scatter_work(const BigsFrame *f, const void *tables, int threads) {
  ScatterArgs a = scatter_args(f);
  (void)tables, (void)threads;
  return (int64_t)scatter_shared_bytes(&a);
}

typedef struct ScatterJob {
  ScatterArgs args;
  int phase;
  const float *src;
  float *out;
  void *shared;
} ScatterJob;
static void scatter_one(void *ctx, int64_t task, int thread) {
  const ScatterJob *j = ctx;
  (void)thread;
  scatter_task(&j->args, j->phase, task, j->src, j->out, j->shared);
}

static int scatter_run(const BigsFrame *f, const void *tables, Pool *pool, void *work) {
  ScatterJob j = {.args = scatter_args(f), .src = f->arg[1], .out = f->arg[2], .shared = work};
  (void)tables;
  scatter_prepare(&j.args, f->arg[0], work);
  for (j.phase = 0; j.phase < SCATTER_PHASES; j.phase++)
    pool_run(pool, scatter_tasks(&j.args, j.phase, work), scatter_one, &j);
  return 0;
}

const BigsBuiltinOps bigs_builtin_scatter = {.workspace = scatter_work, .run = scatter_run};

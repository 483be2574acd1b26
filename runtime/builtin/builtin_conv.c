// Convolution and its gradient as steps of programs: builtin.h over conv.h.
#include "runtime/builtin.h"
#include "runtime/builtin/conv.h"
#include "runtime/exec/pool.h"

enum { NBATCH, LENGTH, CHANNELS, U_BATCH, U_ROW, Y_BATCH, Y_ROW, K_ROW, K_CHANNEL, REVERSE };

static int64_t scalar(const BigsFrame *f, int i) {
  return (int64_t)f->scalar[i];
}

static ConvArgs conv_args(const BigsFrame *f, const void *tables) {
  return (ConvArgs){.plan = tables,
                    .nbatch = scalar(f, NBATCH),
                    .channels = scalar(f, CHANNELS),
                    .u_batch = scalar(f, U_BATCH),
                    .u_row = scalar(f, U_ROW),
                    .y_batch = scalar(f, Y_BATCH),
                    .y_row = scalar(f, Y_ROW),
                    .k_row = scalar(f, K_ROW),
                    .k_channel = scalar(f, K_CHANNEL),
                    .reverse = scalar(f, REVERSE) != 0};
}

static int64_t length_of(const BigsFrame *f) {
  return scalar(f, LENGTH);
}
static void *open_plan(const BigsFrame *f) {
  return conv_plan_new(scalar(f, LENGTH), CONV_BEST);
}
static void close_plan(void *tables) {
  conv_plan_free(tables);
}

static int64_t round_line(size_t bytes) {
  return (int64_t)((bytes + 63) / 64 * 64);
}

typedef struct ConvJob {
  ConvArgs args;
  int phase;
  const float *in0, *in1;
  float *out;
  char *shared, *scratch;
  int64_t stride;
} ConvJob;
static void conv_one(void *ctx, int64_t task, int thread) {
  const ConvJob *j = ctx;
  conv_task(&j->args, j->phase, task, j->in0, j->in1, j->out, j->shared,
            j->scratch + thread * j->stride);
}
static void grad_one(void *ctx, int64_t task, int thread) {
  const ConvJob *j = ctx;
  conv_grad_task(&j->args, j->phase, task, j->in0, j->in1, j->out, j->shared,
                 j->scratch + thread * j->stride);
}

static ConvJob job_of(const BigsFrame *f, const void *tables, char *work, size_t shared,
                      size_t scratch) {
  return (ConvJob){.args = conv_args(f, tables),
                   .in0 = f->arg[0],
                   .in1 = f->arg[1],
                   .out = f->arg[2],
                   .shared = work,
                   .scratch = work + round_line(shared),
                   .stride = round_line(scratch)};
}

static int64_t conv_work(const BigsFrame *f, const void *tables, int threads) {
  ConvArgs a = conv_args(f, tables);
  return round_line(conv_shared_bytes(&a)) + threads * round_line(conv_scratch_bytes(&a));
}
static int conv_run(const BigsFrame *f, const void *tables, Pool *pool, void *work) {
  ConvArgs a = conv_args(f, tables);
  ConvJob j = job_of(f, tables, work, conv_shared_bytes(&a), conv_scratch_bytes(&a));
  for (j.phase = 0; j.phase < CONV_PHASES; j.phase++)
    pool_run(pool, conv_tasks(&a, j.phase), conv_one, &j);
  return 0;
}

static int64_t grad_work(const BigsFrame *f, const void *tables, int threads) {
  ConvArgs a = conv_args(f, tables);
  return round_line(conv_grad_shared_bytes(&a)) + threads * round_line(conv_grad_scratch_bytes(&a));
}
static int grad_run(const BigsFrame *f, const void *tables, Pool *pool, void *work) {
  ConvArgs a = conv_args(f, tables);
  ConvJob j = job_of(f, tables, work, conv_grad_shared_bytes(&a), conv_grad_scratch_bytes(&a));
  for (j.phase = 0; j.phase < CONV_GRAD_PHASES; j.phase++)
    pool_run(pool, conv_grad_tasks(&a, j.phase), grad_one, &j);
  return 0;
}

const BigsBuiltinOps bigs_builtin_conv = {length_of, open_plan, close_plan, conv_work, conv_run};
const BigsBuiltinOps bigs_builtin_conv_grad = {length_of, open_plan, close_plan, grad_work,
                                               grad_run};

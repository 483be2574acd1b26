// bigsc bench: times an entry or a whole training step, as a share of the multiply-add peak that
// the same run measures.
#include "base/hash.h"
#include "base/clock.h"
#include "compiler/commands/bench.h"
#include "compiler/commands/cmd.h"
#include "compiler/commands/fftw.h"
#include "compiler/commands/outputs.h"
#include "compiler/commands/peak.h"
#include "compiler/commands/profile.h"
#include "compiler/commands/recompute.h"
#include "compiler/commands/trace.h"
#include "compiler/driver/session.h"
#include "runtime/builtin.h"
#include "runtime/exec/again.h"
#include "runtime/exec/pieces.h"
#include "runtime/train/log.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const double BUSY = 0.8; // below that share of the processors' time, times mean little
enum {
  WARM_UP = 2,
  MIN_CALLS = 5,
  MAX_CALLS = 1000,
  SHOWN = 60
}; // SHOWN: steps of a profile, without -v
typedef struct Bench {
  Session s;
  int program, train; // train: -1 for an entry
  int64_t pieces;     // of a step; the sizes below are those of one
  const BigsProgram *p;
  int64_t dims[MAX_SYMS];
  const void **inputs;
  void *output;
  double ms[MAX_CALLS];
  double cpu_ms; // processor time of one call, all threads, mean
  double got;    // share of the processors' time that this process had: below 1, others run, too
  int calls;
} Bench;

static int too_large(Bench *b, const BigsTensor *t) {
  return session_error(&b->s, EXIT_MODEL, "out of memory for `%s`: the given dims are too large",
                       t->name);
}

// Inputs as real ones look: token ids over the whole table, rows at ascending places, nothing
// masked out.
static int fill_input(Bench *b, int i) {
  const BigsTensor *t = &b->s.module->input[b->p->input[i]];
  int64_t n = tensor_elements(t, b->dims), limit = t->limit.n ? poly_eval(&t->limit, b->dims) : 2;
  if (n < 0)
    return too_large(b, t);
  char *data = arena_alloc(b->s.arena, (size_t)(n + 16) * (size_t)dtype_size((DType)t->dtype));
  bool rows = !strcmp(t->name, "at");
  for (int64_t k = 0; k < n; k++)
    switch (t->dtype) {
    case DT_I32:
      ((int32_t *)data)[k] =
          (int32_t)(rows ? k * limit / n : (int64_t)(hash_mix(17, (uint64_t)k) % (uint64_t)limit));
      break;
    case DT_BOOL: data[k] = 1; break;
    case DT_F32:
      ((float *)data)[k] = (float)(hash_mix(19, (uint64_t)k) >> 40) / (1 << 23) - 1;
      break;
    case DT_F64:
      ((double *)data)[k] = (double)(hash_mix(19, (uint64_t)k) >> 40) / (1 << 23) - 1;
      break;
    default: break;
    }
  b->inputs[i] = data;
  return 0;
}

static const BigsTensor *input_named(const Bench *b, const char *name) {
  for (int i = 0; i < b->p->ninput; i++)
    if (!strcmp(b->s.module->input[b->p->input[i]].name, name))
      return &b->s.module->input[b->p->input[i]];
  return NULL;
}

// Rows that `at` can point to, else the elements of `ids`; -1: too many to count.
static int64_t count_tokens(const Bench *b) {
  const BigsTensor *at = input_named(b, "at"), *ids = input_named(b, "ids");
  int64_t n = 1;
  if (at && at->limit.n)
    return poly_size(&at->limit, b->dims, &n) ? n : -1;
  return ids ? tensor_elements(ids, b->dims) : n;
}

// The number of masked rows is 15 % of the tokens, as in masked language modelling, whether the
// sizes that make the tokens are known when compiling or not.
static int choose_masked(Bench *b, int dim) {
  int64_t tokens = count_tokens(b), masked = tokens / 100 * 15 + tokens % 100 * 15 / 100;
  if (tokens < 0)
    return session_error(&b->s, EXIT_MODEL, "the given dims are too large");
  b->dims[dim] = masked > 0 ? masked : 1;
  return 0;
}

// Run-time dims that are not given: that of masked rows alone may be.
static int choose_dims(Bench *b) {
  const BigsModule *m = b->s.module;
  int masked = -1;
  for (int k = 0; k < MAX_SYMS; k++) {
    bool used = k < m->ndim && (b->p->syms >> k & 1);
    b->dims[k] = b->s.given[k] ? b->s.given[k] : 1;
    if (!used || b->s.given[k])
      continue;
    if (strcmp(m->dim[k].name, "M"))
      return session_error(&b->s, EXIT_USAGE, "%s needs -D %s=N", b->p->name, m->dim[k].name);
    masked = k;
  }
  return masked < 0 ? 0 : choose_masked(b, masked);
}

static int complete_dims(Bench *b) {
  int64_t sym[MAX_SYMS];
  if (bind_dims(b->s.module, b->p, b->dims, sym, &b->s.error))
    return session_fail(&b->s, &b->s.error);
  memcpy(b->dims, sym, sizeof sym);
  return 0;
}

// --recompute: the program that is run in the place of the module's own.
static int recompute(Bench *b) {
  int n, status = recompute_option(&b->s, &n);
  if (!status && n >= 0 && b->train >= 0)
    status = recompute_set(&b->s, b->program, b->dims, n);
  b->p = again_program(b->s.handle, b->program, b->dims);
  return status;
}

static int prepare(Bench *b) {
  int status = choose_dims(b);
  status = status ? status : complete_dims(b);
  status = status ? status : recompute(b);
  if (status)
    return status;
  b->inputs = NEWN(b->s.arena, const void *, b->p->ninput + 1);
  for (int i = 0; i < b->p->ninput && !status; i++)
    status = fill_input(b, i);
  const BigsTensor *t = &b->p->output[0];
  int64_t n = tensor_elements(t, b->dims);
  if (!status && n >= 0)
    b->output = calloc((size_t)n + 1, (size_t)dtype_size((DType)t->dtype));
  return status || b->output ? status : too_large(b, t);
}

static int same_piece(void *ctx, int64_t i, PieceArgs *out) {
  const Bench *b = ctx;
  (void)i;
  *out = (PieceArgs){b->dims, b->inputs, 1};
  return 0;
}

// A step takes as long without a rate.
static int step(Bench *b) {
  TrainRecipe r = recipe_of(&b->s.module->train[b->train]);
  r.rate = r.rate < 0 ? 0 : r.rate;
  StepPieces p = {.n = b->pieces, .own = b->pieces, .ctx = b, .next = same_piece};
  if (b->pieces > 1)
    return pieces_step(b->s.handle, b->train, &r, &p, NULL, NULL);
  return model_step(b->s.handle, b->train, &r, b->dims, b->inputs, 1, NULL, NULL);
}

static int call(Bench *b) {
  int status = b->train < 0
                   ? bigs_model_run(b->s.handle, b->program, b->dims, b->inputs, &b->output)
                   : step(b);
  return status ? session_error(&b->s, status, "%s", bigs_model_error(b->s.handle)) : 0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// A GPU takes the third step of a training as one for the first time, and has to make a graph of it.
static int warm_up(const Bench *b) {
  return WARM_UP + (b->s.device && b->train >= 0);
}

static int measure(Bench *b, double seconds, int64_t repeat) {
  int status;
  for (int i = 0; i < warm_up(b); i++)
    if ((status = call(b)))
      return status;
  double start = clock_seconds();
  double cpu = clock_cpu_seconds();
  while (b->calls < MAX_CALLS &&
         (repeat > 0 ? b->calls < repeat
                     : b->calls < MIN_CALLS || clock_seconds() - start < seconds)) {
    double t = clock_seconds();
    if ((status = call(b)))
      return status;
    b->ms[b->calls++] = (clock_seconds() - t) * 1e3;
  }
  cpu = clock_cpu_seconds() - cpu;
  b->cpu_ms = cpu * 1e3 / b->calls;
  if (b->s.handle->threads == 1 && !b->s.device) // several wait for each other, too
    b->got = fmin(b->got, cpu / (clock_seconds() - start));
  qsort(b->ms, (size_t)b->calls, sizeof *b->ms, compare);
  return 0;
}

// Those that are the whole step's.
static bool is_shared(const char *dim) {
  return !strcmp(dim, "B") || !strcmp(dim, "M");
}
static int64_t times(const Bench *b, const char *dim) {
  return is_shared(dim) ? b->pieces : 1;
}

// Those that -D fixed, then those that the program takes.
static void each_dim(const Bench *b, void (*visit)(void *ctx, const char *name, int64_t size),
                     void *ctx) {
  const BigsModule *m = b->s.module;
  for (int i = 0; i < b->s.fixed.n; i++)
    visit(ctx, b->s.fixed.v[i].name, b->s.fixed.v[i].extent * times(b, b->s.fixed.v[i].name));
  for (int k = 0; k < m->ndim; k++)
    if (b->p->syms >> k & 1)
      visit(ctx, m->dim[k].name, b->dims[k] * times(b, m->dim[k].name));
}

static void print_dim(void *ctx, const char *name, int64_t size) {
  (void)ctx;
  printf("  %s=%lld", name, (long long)size);
}

static void record_dim(void *ctx, const char *name, int64_t size) {
  record_int(ctx, name, size);
}

static int64_t scalar_of(const Bench *b, const BigsScalar *s) {
  const BigsModule *m = b->s.module;
  return s->kind == 2 ? poly_eval(module_poly(m, s->size), b->dims) : (int64_t)s->value;
}

// FFTW on one sequence of the program's longest convolution, for scale; 0: it has none, or FFTW is
// not there.
static double conv_baseline(const Bench *b, int64_t *length, int64_t *channels) {
  *length = 0;
  for (int i = 0; i < b->p->nstep; i++) {
    const BigsStep *s = &b->p->step[i];
    int64_t n = s->kind == BIGS_BUILTIN && s->index == BIGS_CONV ? scalar_of(b, &s->scalar[1]) : 0;
    if (n > *length) {
      *length = n;
      *channels = scalar_of(b, &s->scalar[2]);
    }
  }
  return *length ? fftw_convolution_ms(*length, *channels) : 0;
}

typedef struct BenchResult {
  double flops, ms, least, rate, peak, blas,
      fftw; // rate, peak, blas: GFLOP/s; blas, fftw: 0 for none; peak: NAN of a GPU
  double used, planned, before; // MiB
  int64_t length, channels;     // of the convolution that fftw is about
} BenchResult;

static BenchResult result_of(const Bench *b, double peak, double before_mib) {
  bigs_info *info = bigs_info_new(b->s.module);
  BenchResult r = {
      .flops = info ? (double)info->flops(info, b->program, b->dims) * (double)b->pieces : 0,
      .ms = b->ms[b->calls / 2],
      .least = b->ms[0],
      .peak = peak,
      .used = peak_mib(),
      .planned = (double)model_peak_bytes(b->s.handle) / (1 << 20),
      .before = before_mib};
  bigs_info_free(info);
  r.rate = r.flops / r.ms / 1e6;
  r.blas = b->s.device ? 0 : blas_gflops_here(b->s.handle->threads);
  r.fftw = conv_baseline(b, &r.length, &r.channels);
  return r;
}

static void put_again(const Again *a, JsonText *t) {
  if (!a)
    return;
  record_int(t, "parts", a->parts);
  record_int(t, "recomputed", a->n);
  record_number(t, "recomputed_work", a->more);
}

static void put_json(const Bench *b, const BenchResult *r, const Profile *p, JsonText *t) {
  record_begin(t);
  record_text(t, "model", b->s.module->model);
  record_text(t, "what", b->p->name);
  if (b->p->forms)
    record_text(t, "forms", b->p->forms);
  each_dim(b, record_dim, t);
  if (b->pieces > 1)
    record_int(t, "pieces", b->pieces);
  put_again(b->s.handle->again, t);
  record_number(t, "ms", r->ms);
  record_number(t, "ms_min", r->least);
  record_int(t, "calls", b->calls);
  record_number(t, "cpu_ms", b->cpu_ms);
  record_number(t, "gflop", r->flops / 1e9);
  record_number(t, "gflop_s", r->rate);
  record_number(t, "peak_gflop_s", r->peak);
  record_number(t, "share", r->rate / r->peak);
  record_number(t, "blas_gflop_s", r->blas);
  record_number(t, "peak_mib", r->used);
  record_number(t, "planned_mib", r->planned);
  record_number(t, "base_mib", r->before);
  record_text(t, "device", b->s.device ? "gpu" : "cpu");
  record_int(t, "threads", b->s.device ? 1 : b->s.handle->threads);
  record_number(t, "processors", b->got);
  if (r->fftw > 0)
    record_number(t, "fftw_conv_ms", r->fftw);
  if (p)
    profile_json(p, t);
  record_end(t);
}

static int print_json(Bench *b, const BenchResult *r, const Profile *p) {
  JsonText t = {0};
  put_json(b, r, p, &t);
  int status = t.failed ? session_error(&b->s, EXIT_MODEL, "out of memory") : 0;
  if (!status)
    printf("%s\n", t.s);
  free(t.s);
  return status;
}

static void print_rate(const BenchResult *r) {
  printf("  %.2f GFLOP, %.1f GFLOP/s\n", r->flops / 1e9, r->rate);
}

static void print_share(const Bench *b, const BenchResult *r) {
  printf("  %.2f GFLOP, %.1f GFLOP/s: %.1f %% of this machine's %.1f%s\n", r->flops / 1e9, r->rate,
         100 * r->rate / r->peak, r->peak,
         peak_unit(b->s.module->features) == PEAK_F32 ? "" : " in bf16");
  // Where other programs share the processors, time on them tells more than the clock on the wall.
  printf("  %.3f ms of processor time a call: %.1f GFLOP/s a thread\n", b->cpu_ms,
         r->flops / b->cpu_ms / 1e6);
}

static void print_text(const Bench *b, const BenchResult *r) {
  printf("%s.%s", b->s.module->model, b->p->name);
  each_dim(b, print_dim, NULL);
  if (b->p->forms)
    printf("  %s", b->p->forms);
  if (b->pieces > 1)
    printf("  in %lld pieces", (long long)b->pieces);
  if (b->s.device)
    printf("  on the GPU\n");
  else
    printf("  %d threads\n", b->s.handle->threads);
  printf("  %.3f ms median, %.3f ms least of %d calls\n", r->ms, r->least, b->calls);
  b->s.device ? print_rate(r) : print_share(b, r);
  printf("  memory: planned %.1f MiB, process %.1f MiB (%.1f before the model was opened)\n",
         r->planned, r->used, r->before);
  if (b->s.handle->again)
    printf("  %s\n", recompute_text(b->s.arena, b->s.handle->again));
  if (r->blas > 0)
    printf("  for scale: OpenBLAS reaches %.1f GFLOP/s on a 1024 x 768 x 768 product\n", r->blas);
  if (r->fftw > 0)
    printf("  for scale: FFTW, on one thread, convolves one sequence of %lld rows and %lld "
           "channels in %.3f ms\n",
           (long long)r->length, (long long)r->channels, r->fftw);
}

// p: NULL without a profile.
static int report(Bench *b, const BenchResult *r, const Profile *p) {
  if (b->s.o->json)
    return print_json(b, r, p);
  print_text(b, r);
  if (p)
    profile_print(p, b->s.o->verbose ? b->p->nstep : SHOWN);
  return 0;
}

// The calls of a profile: a whole training step ends in steps that are timed in no program of their own.
static int timed_call(Bench *b) {
  float loss;
  return b->train < 0 ? call(b) : bigs_model_grad(b->s.handle, b->train, b->dims, b->inputs, &loss);
}

// Steps that a GPU does in one launch, of which the first has all the time, have equal parts of it.
static void share_times(const Bench *b, double *ms) {
  for (int s = 0, n; s < b->p->nstep; s += n) {
    double all = 0;
    n = b->s.device && b->p->step[s].group > 1 ? b->p->step[s].group : 1;
    for (int i = s; i < s + n; i++)
      all += ms[i];
    for (int i = s; i < s + n; i++)
      ms[i] = all / n;
  }
}

// --profile: one more set of calls with every step timed, into ms, of which there are nstep.
static int time_steps(Bench *b, double *ms) {
  enum { RUNS = 5 };
  int n = b->p->nstep, status = 0;
  int64_t *ns = calloc((size_t)n + 1, sizeof *ns);
  if (!ns)
    return session_error(&b->s, EXIT_MODEL, "out of memory");
  b->s.handle->step_ns = ns;
  for (int i = 0; i < RUNS && !status; i++)
    status = timed_call(b);
  b->s.handle->step_ns = NULL;
  for (int i = 0; i < n; i++)
    ms[i] = (double)ns[i] / 1e6 / RUNS;
  free(ns);
  share_times(b, ms);
  return status;
}

static PeakUnit unit_of(const Bench *b) {
  return peak_unit(b->s.module->features);
}

static int profile(Bench *b, double peak, Profile *p) {
  double *ms = NEWN(b->s.arena, double, b->p->nstep + 1);
  int status = time_steps(b, ms);
  *p = (Profile){.module = b->s.handle->module,
                 .program = b->p,
                 .dims = b->dims,
                 .ms = ms,
                 .roof = b->s.device ? roof_of_gpu(b->s.gpu_name)
                                     : roof_of_cpu(b->s.handle->threads, unit_of(b), peak)};
  return status;
}

// --trace: calls in which every thread says what it does when.
static int trace_calls(Bench *b, Trace *t) {
  int64_t calls = b->s.o->repeat > 0 ? b->s.o->repeat : 1;
  int status = 0;
  trace_begin(t);
  for (int64_t i = 0; i < calls && !status; i++) {
    trace_call(t, (int)i);
    status = timed_call(b);
    trace_called(t);
  }
  trace_end(t);
  return status;
}

static int trace(Bench *b) {
  Trace t = {.s = &b->s,
             .program = b->p,
             .dims = b->dims,
             .name = session_text(&b->s, "%s.%s", b->s.module->model, b->p->name)};
  int status = trace_open(&t);
  status = status ? status : trace_calls(b, &t);
  status = status ? status : trace_write(&t, b->s.o->trace);
  trace_free(&t);
  return status;
}

// NAN: of a GPU, it is not measured.  What other programs leave goes to b->got.
static double peak_of(Bench *b) {
  double got = 1, peak = b->s.device ? NAN : peak_gflops(unit_of(b), b->s.handle->threads, &got);
  b->got = fmin(b->got, got);
  return peak;
}

static int measure_all(Bench *b, double before) {
  Profile p;
  double peak = peak_of(b);
  int status = measure(b, 3, b->s.o->repeat);
  peak = fmax(peak, peak_of(b));
  if (status)
    return status;
  BenchResult r = result_of(b, peak, before);
  if (b->s.o->profile)
    status = profile(b, peak, &p);
  if (!status && b->s.o->trace)
    status = trace(b);
  return status ? status : report(b, &r, b->s.o->profile ? &p : NULL);
}

static int run_bench(Bench *b) {
  const Options *o = b->s.o;
  b->train = o->entry ? -1 : session_train(&b->s, o->train);
  b->program = o->entry       ? session_entry(&b->s, o->entry)
               : b->train < 0 ? -1
                              : b->s.module->train[b->train].program;
  if (b->program < 0)
    return EXIT_MODEL;
  b->p = &b->s.module->program[b->program];
  int status = o->trace ? session_check_output(&b->s, o->trace, OUTPUT_TEXT) : 0;
  if (status)
    return status;
  double before = peak_mib();
  b->s.fresh = true; // times do not depend on values
  b->got = 1;
  status = session_open(&b->s);
  status = status ? status : prepare(b);
  if (status)
    return status;
  status = measure_all(b, before);
  if (!status && b->got < BUSY && !o->quiet)
    fprintf(stderr,
            "bigsc: warning: other programs were running: this one had %.0f %% of the processors' "
            "time, so times and the share of the peak mean little\n",
            100 * b->got);
  return status;
}

static int bench_usage(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "bigsc bench: ");
  vfprintf(stderr, fmt, ap);
  fprintf(stderr, "\n");
  va_end(ap);
  return EXIT_USAGE;
}

// The model is compiled for one piece.
static int divide_dims(Bench *b, Options *o, Arena *a) {
  bool batch = b->pieces == 1;
  Defines own = {0};
  for (int i = 0; i < o->defs.n; i++) {
    Define d = o->defs.v[i];
    long long all = strtoll(d.value, NULL, 10);
    if (is_shared(d.name) && b->pieces > 1 && all > 0) {
      if (all % b->pieces)
        return bench_usage("--pieces %lld does not divide %s = %lld", (long long)b->pieces, d.name,
                           all);
      d.value = arena_printf(a, "%lld", all / (long long)b->pieces);
      batch = batch || !strcmp(d.name, "B");
    }
    vec_push(a, &own, d);
  }
  o->defs = own;
  return batch
             ? 0
             : bench_usage("--pieces %lld: of what batch? Give it as -D B=N", (long long)b->pieces);
}

static int bench_model(Bench *b, const Options *o) {
  BuildWant want = {.entries = &o->entry,
                    .nentries = o->entry ? 1 : 0,
                    .trains = &o->train,
                    .ntrains = o->train ? 1 : 0,
                    .dropout = true,
                    .update = true,
                    .pieces = b->pieces > 1,
                    .init = !o->weights};
  int status = session_load(&b->s, o, o->args.v[0], true);
  status = status ? status : session_compile(&b->s, &want);
  status = status ? status : run_bench(b);
  free(b->output);
  session_close(&b->s);
  return status;
}

// ---- for pictures
static int open_entry(Bench *b) {
  b->train = -1;
  b->program = session_entry(&b->s, b->s.o->entry);
  if (b->program < 0)
    return EXIT_MODEL;
  b->p = &b->s.module->program[b->program];
  b->s.fresh = true;
  int status = session_open(&b->s);
  status = status ? status : prepare(b);
  return status ? status : measure(b, 0.2, 0);
}

static int copy_times(Bench *b, Arena *a, StepTime **time, int *n) {
  double *ms = NEWN(a, double, b->p->nstep + 1);
  int status = time_steps(b, ms);
  *n = status ? 0 : b->p->nstep;
  *time = NEWN(a, StepTime, *n + 1);
  for (int i = 0; i < *n; i++) {
    const char *module = b->p->step[i].module;
    (*time)[i] = (StepTime){module ? arena_strdup(a, module) : NULL, ms[i]};
  }
  return status;
}

int bench_steps(const Options *o, Arena *a, StepTime **time, int *n) {
  BuildWant want = {.entries = &o->entry, .nentries = 1, .init = true};
  Bench *b = calloc(1, sizeof *b);
  if (!b)
    out_of_memory();
  b->pieces = 1;
  int status = session_load(&b->s, o, o->args.v[0], true);
  status = status ? status : session_compile(&b->s, &want);
  status = status ? status : open_entry(b);
  status = status ? status : copy_times(b, a, time, n);
  free(b->output);
  session_close(&b->s);
  free(b);
  return status;
}

int cmd_BENCH(const Options *given) {
  Options o = *given;
  if (o.args.n != 1 || (!o.entry && !o.train) || (o.entry && o.train))
    return bench_usage("give one MODEL, and --entry or --train; see `bigsc bench --help`");
  if (o.trace && o.pieces > 1)
    return bench_usage("--trace is of a step in one piece");
  if (o.pieces > 1 && !o.train)
    return bench_usage("--pieces is of a training step: give --train");
  Bench *b = calloc(1, sizeof *b);
  if (!b)
    out_of_memory();
  Arena *a = arena_new();
  b->pieces = o.pieces > 1 ? o.pieces : 1;
  int status = divide_dims(b, &o, a);
  status = status ? status : bench_model(b, &o);
  arena_free(a);
  free(b);
  return status;
}

// The optimizer's steps on a device: see optim_internal.h.  Every range keeps its bindings, and all that
// changes from step to step lies in one piece of the device's memory, so that the programs of all ranges
// are launched as one.
#include "runtime/exec/optim_internal.h"
#include <stdlib.h>
#include <string.h>

enum { GLOBALS = 3, EACH = 2 };         // words: scale, correct1, correct2; a range's rate, decay
enum { NORM, UPDATE, CHECK, PROGRAMS }; // of each range: of its gradient, of it, of its parameters
enum { PLACES = 7 };

struct FarOptim {
  int train, n;
  OptRange *range;
  Binding **binding; // PROGRAMS for each range
  Region block;      // the words that the host writes, then sums of gradients, of parameters
  uint64_t *word;
  double *sum;
  Recording before, after; // the change
};

bool optim_is_far(const bigs_model *m) {
  return m->device->words != NULL;
}

void optim_far_free(bigs_model *m) {
  FarOptim *x = m->far_optim;
  m->far_optim = NULL;
  if (!x)
    return;
  recording_free(m, &x->before);
  recording_free(m, &x->after);
  for (int i = 0; x->binding && i < PROGRAMS * x->n; i++)
    binding_free(m, x->binding[i]);
  region_free(m, &x->block);
  void *const part[] = {x->range, x->binding, x->word, x->sum, x};
  for (int i = 0; i < COUNT(part); i++)
    free(part[i]);
}

// ---- the block
static int words(int n) {
  return GLOBALS + EACH * n;
}
static void *word_at(const FarOptim *x, int i) {
  return x->block.p + (size_t)i * sizeof *x->word;
}
static void *sum_at(const FarOptim *x, int which, int i) {
  return word_at(x, words(x->n) + (which == CHECK ? x->n : 0) + i);
}

static uint64_t float_word(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

// ---- programs
static int program_of(const bigs_model *m, const FarOptim *x, int which) {
  const BigsTrain *t = &m->module->train[x->train];
  return which == UPDATE ? t->update : t->norm;
}

static Flat values_of(const bigs_model *m, const FarOptim *x, int which, int i) {
  const OptRange *r = &x->range[i];
  int own = GLOBALS + EACH * i;
  if (which != UPDATE)
    return (Flat){.g = flat_at(which == NORM ? &m->grad : &m->param, r),
                  .result = sum_at(x, which, i)};
  return (Flat){.p = flat_at(&m->param, r),
                .g = flat_at(&m->grad, r),
                .m = flat_at(&m->moment[0], r),
                .v = flat_at(&m->moment[1], r),
                .rate = word_at(x, own),
                .decay = word_at(x, own + 1),
                .scale = word_at(x, 0),
                .correct1 = word_at(x, 1),
                .correct2 = word_at(x, 2)};
}

static int make_binding(bigs_model *m, FarOptim *x, int which, int i) {
  int64_t dims[MAX_SYMS], sym[MAX_SYMS];
  const void *in[FLAT_ARGS];
  void *out[FLAT_ARGS];
  int program = program_of(m, x, which);
  Flat f = {0};
  if (flat_args(m, program, &x->range[i], &f, dims, in, out) ||
      bind_dims(m->module, &m->module->program[program], dims, sym, &m->error))
    return m->error.status;
  Binding **b = &x->binding[PROGRAMS * i + which];
  *b = bind_new(m, program, sym);
  return *b ? 0 : m->error.status;
}

static int resolve_binding(bigs_model *m, FarOptim *x, int which, int i) {
  int64_t dims[MAX_SYMS];
  const void *in[FLAT_ARGS];
  void *out[FLAT_ARGS];
  Flat f = values_of(m, x, which, i);
  Binding *b = x->binding[PROGRAMS * i + which];
  int err = flat_args(m, program_of(m, x, which), &x->range[i], &f, dims, in, out);
  err = err ? err : exec_resolve(m, b, in, out);
  return err ? err : exec_frames(m, b);
}

// ---- made once
static FarOptim *far_new(bigs_model *m, int train, const OptRange *range, int n) {
  static const char what[] = "the tables of an optimizer";
  size_t count = (size_t)n;
  FarOptim *x = MODEL_ALLOC(m, FarOptim, 1, what);
  m->far_optim = x;
  if (!x)
    return NULL;
  x->train = train;
  x->n = n;
  x->before.n = x->after.n = PLACES;
  if (!(x->range = MODEL_ALLOC(m, OptRange, count, what)) ||
      !(x->binding = MODEL_ALLOC(m, Binding *, PROGRAMS * count, what)) ||
      !(x->word = MODEL_ALLOC(m, uint64_t, words(n), what)) ||
      !(x->sum = MODEL_ALLOC(m, double, count, what)) ||
      !(x->before.at = MODEL_ALLOC(m, void *, PLACES, what)) ||
      !(x->after.at = MODEL_ALLOC(m, void *, PLACES, what)))
    return NULL;
  memcpy(x->range, range, count * sizeof *range);
  return x;
}

static int far_make(bigs_model *m, int train, const OptRange *range, int n) {
  optim_far_free(m);
  FarOptim *x = far_new(m, train, range, n);
  int err = x ? 0 : m->error.status;
  for (int i = 0; i < PROGRAMS * n && !err; i++)
    err = make_binding(m, x, i % PROGRAMS, i / PROGRAMS);
  if (err)
    optim_far_free(m);
  return err;
}

static bool is_for(const FarOptim *x, int train, const OptRange *range, int n) {
  bool same = x && x->train == train && x->n == n;
  for (int i = 0; same && i < n; i++)
    same = x->range[i].offset == range[i].offset && x->range[i].bytes == range[i].bytes &&
           x->range[i].dtype == range[i].dtype;
  return same;
}

static int far_bind(bigs_model *m, int train, const OptRange *range, int n) {
  return is_for(m->far_optim, train, range, n) ? 0 : far_make(m, train, range, n);
}

static size_t block_bytes(int n) {
  return (size_t)(words(n) + 2 * n) * sizeof(uint64_t);
}

int far_needs(bigs_model *m, int train, const OptRange *range, int n, Needs *out) {
  int64_t freed = 0;
  if (far_bind(m, train, range, n))
    return m->error.status;
  for (int i = 0; i < PROGRAMS * n; i++)
    needs_add(m->far_optim->binding[i], out, &freed);
  out->bytes += m->far_optim->block.p ? 0 : (int64_t)block_bytes(n);
  return 0;
}

// All memory that any program needs, and then the addresses of all: the arena may have moved.
static int far_ready(bigs_model *m, int train, const OptRange *range, int n) {
  int err = far_bind(m, train, range, n);
  FarOptim *x = m->far_optim;
  if (!err && !x->block.p)
    err = region_set(m, &x->block, block_bytes(n), "numbers of the optimizer");
  m->far = true;
  for (int i = 0; i < PROGRAMS * n && !err; i++)
    err = exec_prepare(m, x->binding[i]);
  for (int i = 0; i < PROGRAMS * n && !err; i++)
    err = resolve_binding(m, x, i % PROGRAMS, i / PROGRAMS);
  m->far = false;
  return err;
}

// ---- run
static int do_range(bigs_model *m, const FarOptim *x, int which) {
  int err = 0;
  for (int i = 0; i < x->n && !err; i++)
    err = exec_steps(m, x->binding[PROGRAMS * i + which]);
  return err;
}

static int norm_steps(bigs_model *m, void *ctx) {
  return do_range(m, (const FarOptim *)ctx, NORM);
}
static int update_steps(bigs_model *m, void *ctx) {
  int err = do_range(m, (const FarOptim *)ctx, UPDATE);
  return err ? err : do_range(m, (const FarOptim *)ctx, CHECK);
}

static int as_one(bigs_model *m, FarOptim *x, Recording *r, StepsFn *steps) {
  void *const at[PLACES] = {m->arena.p,     m->scratch.p,   m->param.p, m->grad.p,
                            m->moment[0].p, m->moment[1].p, x->block.p};
  return exec_as_one(m, r, at, steps, x);
}

static int take_sums(bigs_model *m, FarOptim *x, int which, const double **sum) {
  *sum = x->sum;
  return x->n ? m->device->get(m, x->sum, sum_at(x, which, 0), (size_t)x->n * sizeof *x->sum) : 0;
}

int far_norms(bigs_model *m, int train, const OptRange *range, int n, const double **sum) {
  if (far_ready(m, train, range, n))
    return m->error.status;
  FarOptim *x = m->far_optim;
  int err = as_one(m, x, &x->before, norm_steps);
  return err ? err : take_sums(m, x, NORM, sum);
}

int far_update(bigs_model *m, int train, const OptRange *range, int n, const FlatScalars *f,
               const double **sum) {
  FarOptim *x = m->far_optim;
  uint64_t *w = x->word;
  (void)train;
  *w++ = float_word(f->scale);
  *w++ = float_word(f->correct1);
  *w++ = float_word(f->correct2);
  for (int i = 0; i < n; i++) {
    *w++ = float_word((float)(range[i].rate * f->factor));
    *w++ = float_word((float)range[i].decay);
  }
  int err = m->device->words(m, x->block.p, x->word, words(n));
  err = err ? err : as_one(m, x, &x->after, update_steps);
  return err ? err : take_sums(m, x, CHECK, sum);
}

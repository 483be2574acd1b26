// The optimizer's steps on a device: see optim_internal.h.  Every range keeps its bindings, and all that
// changes from step to step lies in one piece of the device's memory, so that the programs of all ranges
// are launched as one.
#include "runtime/exec/optim_internal.h"
#include <stdlib.h>
#include <string.h>

enum { CORRECT1, CORRECT2, CLIP, UNIT, GLOBALS }; // words of the block, then a range's:
enum { RATE, DECAY, EACH };
enum { NORM, UPDATE, CHECK, PROGRAMS }; // of each range: of its gradient, of it, of its parameters

struct FarOptim {
  int train, n;
  OptRange *range;
  Binding **binding; // PROGRAMS for each range
  // The words that the host writes; the verdict, whose first two it writes where the device does not decide; sums of
  // gradients, of parameters.
  Region block;
  uint64_t *word, *back;   // what is written; what is read, from the verdict on
  Recording before, after; // the change, in parts
  uintptr_t made;          // no other of the handle's had this number
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
  void *const part[] = {x->range, x->binding, x->word, x->back, x};
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
static void *verdict_at(const FarOptim *x, int i) {
  return word_at(x, words(x->n) + i);
}
// Behind the verdict's first word.
static int sum_place(const FarOptim *x, int which, int i) {
  return VERDICT_WORDS + (which == CHECK ? x->n : 0) + i;
}
static void *sum_at(const FarOptim *x, int which, int i) {
  return verdict_at(x, sum_place(x, which, i));
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
                .e = flat_at(&m->moment[MOMENT_AVERAGE], r),
                .rate = word_at(x, own + RATE),
                .decay = word_at(x, own + DECAY),
                .scale = optim_is_state(r) ? word_at(x, UNIT) : verdict_at(x, VERDICT_SCALE),
                .correct1 = word_at(x, CORRECT1),
                .correct2 = word_at(x, CORRECT2),
                .go = verdict_at(x, VERDICT_GO)};
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
  x->made = (uintptr_t)++m->clock;
  x->before.n = x->after.n = OPTIM_PLACES;
  if (!(x->range = MODEL_ALLOC(m, OptRange, count, what)) ||
      !(x->binding = MODEL_ALLOC(m, Binding *, PROGRAMS * count, what)) ||
      !(x->word = MODEL_ALLOC(m, uint64_t, words(n) + VERDICT_WORDS, what)) ||
      !(x->back = MODEL_ALLOC(m, uint64_t, VERDICT_WORDS + 2 * count, what)) ||
      !(x->before.at = MODEL_ALLOC(m, void *, OPTIM_PLACES, what)) ||
      !(x->after.at = MODEL_ALLOC(m, void *, OPTIM_PLACES, what)))
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
  return (size_t)(words(n) + VERDICT_WORDS + 2 * n) * sizeof(uint64_t);
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
// The sum of what stands for the gradient of a state stays the 0 that the block began with.
static int do_range(bigs_model *m, const FarOptim *x, int which) {
  int err = 0;
  for (int i = 0; i < x->n && !err; i++)
    if (which != NORM || !optim_is_state(&x->range[i]))
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

// Where all of that lies.
static void put_places(const bigs_model *m, const FarOptim *x, void **at) {
  void *const places[OPTIM_PLACES] = {m->arena.p,
                                      m->scratch.p,
                                      m->param.p,
                                      m->grad.p,
                                      m->moment[0].p,
                                      m->moment[1].p,
                                      m->moment[MOMENT_AVERAGE].p,
                                      x->block.p,
                                      (void *)x->made};
  memcpy(at, places, sizeof places);
}

static int as_one(bigs_model *m, FarOptim *x, Recording *r, StepsFn *steps) {
  void *at[OPTIM_PLACES];
  put_places(m, x, at);
  return exec_as_one(m, r, at, steps, x);
}

// n words from number `first` behind the verdict's first on.
static int take_back(bigs_model *m, FarOptim *x, int first, int n) {
  return n ? m->device->get(m, x->back + first, verdict_at(x, first), (size_t)n * sizeof *x->back)
           : 0;
}

static const double *sums_of(const FarOptim *x, int which) {
  return (const double *)(const void *)(x->back + sum_place(x, which, 0));
}

static int take_sums(bigs_model *m, FarOptim *x, int which, const double **sum) {
  *sum = sums_of(x, which);
  return take_back(m, x, sum_place(x, which, 0), x->n);
}

// The words of a step, of which there are as many as it returns.
static int fill_words(FarOptim *x, const OptRange *range, int n, const FlatScalars *f) {
  uint64_t *w = x->word + GLOBALS;
  x->word[CORRECT1] = float_word(f->correct1);
  x->word[CORRECT2] = float_word(f->correct2);
  memcpy(&x->word[CLIP], &f->clip, sizeof f->clip);
  x->word[UNIT] = float_word(f->unit);
  for (int i = 0; i < n; i++, w += EACH) {
    w[RATE] = float_word((float)(range[i].rate * f->factor));
    w[DECAY] = float_word((float)range[i].decay);
  }
  return words(n);
}

// ---- in parts
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
  int count = fill_words(x, range, n, f);
  (void)train;
  x->word[count + VERDICT_SCALE] = float_word(f->scale);
  x->word[count + VERDICT_GO] = 1;
  int err = m->device->words(m, x->block.p, x->word, count + VERDICT_GO + 1);
  err = err ? err : as_one(m, x, &x->after, update_steps);
  return err ? err : take_sums(m, x, CHECK, sum);
}

// ---- whole
typedef struct Whole {
  Binding *gradient;
  FarOptim *x;
} Whole;

static int decide(bigs_model *m, const Whole *w) {
  const FarOptim *x = w->x;
  DeviceVerdict v = {.loss = w->gradient->staged[w->gradient->program->ninput].p,
                     .sum = sum_at(x, NORM, 0),
                     .n = x->n,
                     .clip = word_at(x, CLIP),
                     .out = verdict_at(x, 0)};
  return m->device->decide(m, &v);
}

static int whole_steps(bigs_model *m, void *ctx) {
  const Whole *w = (const Whole *)ctx;
  int err = exec_steps(m, w->gradient);
  err = err ? err : norm_steps(m, w->x);
  err = err ? err : decide(m, w);
  return err ? err : update_steps(m, w->x);
}

// All memory first, then the addresses.
static int whole_ready(bigs_model *m, Whole *w, int train, const OptRange *range, int n,
                       const int64_t *dims, const void *const *inputs) {
  float loss; // stays in the device's copy
  void *const outputs[] = {&loss};
  w->gradient = exec_bind(m, m->module->train[train].program, dims);
  m->later = (Needs){0};
  if (!w->gradient || far_ready(m, train, range, n) ||
      exec_resolve(m, w->gradient, inputs, outputs) ||
      exec_keys(m, w->gradient, (RunFlags){.seed = m->seed, .step = m->step}) ||
      exec_frames(m, w->gradient))
    return m->error.status;
  w->x = m->far_optim;
  return 0;
}

// What an entry keeps of the parameters is of others afterwards, whether or not the step was done.
static int run_whole(bigs_model *m, Whole *w) {
  Binding *b = w->gradient;
  b->base[b->program->nbuffer] = m->scratch.p;
  put_places(m, w->x, b->base + b->program->nbuffer + 1);
  b->kept_version = 0;
  m->weights_version++;
  return exec_as_one(m, &b->whole, b->base, whole_steps, w);
}

static int take_step(bigs_model *m, FarOptim *x, FarStep *out) {
  int err = take_back(m, x, 0, VERDICT_WORDS + 2 * x->n);
  memcpy(&out->scale, &x->back[VERDICT_SCALE], sizeof out->scale);
  memcpy(&out->loss, &x->back[VERDICT_LOSS], sizeof out->loss);
  memcpy(&out->norm, &x->back[VERDICT_NORM], sizeof out->norm);
  out->sum = sums_of(x, CHECK);
  return err;
}

int far_whole(bigs_model *m, int train, const OptRange *range, int n, const int64_t *dims,
              const void *const *inputs, const FlatScalars *f, FarStep *out) {
  Whole w;
  int err = whole_ready(m, &w, train, range, n, dims, inputs);
  err = err ? err : m->device->words(m, w.x->block.p, w.x->word, fill_words(w.x, range, n, f));
  err = err ? err : run_whole(m, &w);
  err = err ? err : take_step(m, w.x, out);
  return err ? exec_settle(m) : 0;
}

// The optimizer's steps: see optim.h.
#include "runtime/exec/optim_internal.h"
#include "runtime/exec/team.h"
#include "base/dtype.h"
#include "base/recipe.h"
#include "runtime/exec/float_mode.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

TrainRecipe recipe_of(const BigsTrain *t) {
  return (TrainRecipe){.rate = t->rate, .decay = t->decay, .clip = t->clip, .steps = t->steps};
}

int recipe_check(const BigsTrain *t, const TrainRecipe *r, BigsError *e) {
  return r->rate >= 0 ? 0
                      : bigs_fail(e, BIGS_EMODEL,
                                  "train block `%s` gives no rate, so that nothing would be "
                                  "trained: write `rate = 1e-3`, "
                                  "or another, in it (for `bigsc train`, --set rate=1e-3 will do)",
                                  t->name);
}

// ---- schedules
static double steps_of(const BigsPiece *p, int64_t used, int64_t total, bool last) {
  if (p->length >= 1)
    return floor(p->length + 0.5);
  if (p->length > 0)
    return floor(p->length * (double)total + 0.5);
  return last && total > used ? (double)(total - used) : 0;
}

// Factors at step `at` of a piece of n, from the factor before it and the level it ends at; at n: of its end.
static double curve_constant(double now, double to, double at, double n) {
  (void)to, (void)at, (void)n;
  return now;
}
static double curve_warmup(double now, double to, double at, double n) {
  (void)now, (void)to;
  return at < n ? (at + 1) / n : 1;
}
static double curve_linear(double now, double to, double at, double n) {
  return at < n ? now + (to - now) * (at / n) : to;
}
static double curve_cosine(double now, double to, double at, double n) {
  return at < n ? now + (to - now) * ((1 - cos(3.141592653589793 * (at / n))) / 2) : to;
}

static double (*const curves[SCHED_COUNT])(double now, double to, double at, double n) = {
#define SCHEDULE(ID, name, falls) curve_##name,
#include "base/schedules.def"
#undef SCHEDULE
};

double schedule_factor(const BigsPiece *piece, int npiece, int64_t step, int64_t total) {
  double now = 1;
  int64_t used = 0;
  for (int i = 0; i < npiece; i++) {
    const BigsPiece *p = &piece[i];
    double n = steps_of(p, used, total, i + 1 == npiece), at = (double)(step - used);
    if (n > 0)
      now = curves[p->kind](now, p->to, at < n ? at : n, n);
    if (at < n)
      return now;
    used += (int64_t)n;
  }
  return now;
}

int64_t schedule_warm(const BigsPiece *piece, int npiece, int64_t total) {
  int64_t used = 0, warm = 0;
  for (int i = 0; i < npiece; i++) {
    used += (int64_t)steps_of(&piece[i], used, total, i + 1 == npiece);
    warm = piece[i].kind == SCHED_WARMUP ? used : warm;
  }
  return warm;
}

// ---- groups
typedef struct OptimSetting {
  bool known, frozen;
  bool reached; // one of the parameters of the storage is
  double rate, decay;
  const char *name; // of a parameter that has it
} OptimSetting;

static OptimSetting setting_of(const BigsTrain *t, const TrainRecipe *r, const BigsParam *p,
                               bool reached) {
  OptimSetting s = {.known = true,
                    .frozen = !reached,
                    .reached = reached,
                    .rate = r->rate,
                    .decay = r->decay,
                    .name = p->name};
  for (int i = 0; i < t->ngroup; i++) {
    const BigsGroup *g = &t->group[i];
    if (!(g->tags & p->tags))
      continue;
    if (g->has_rate)
      s.rate = g->rate_is_factor ? s.rate * g->rate : g->rate;
    if (g->has_decay)
      s.decay = g->decay;
    if (g->has_frozen)
      s.frozen = !reached || g->frozen;
  }
  return s;
}

static bool settings_equal(const OptimSetting *a, const OptimSetting *b) {
  return a->frozen == b->frozen && (a->frozen || (a->rate == b->rate && a->decay == b->decay));
}

static int settings_of_storages(bigs_model *m, int train, const TrainRecipe *r, OptimSetting *of) {
  const BigsModule *module = m->module;
  const BigsTrain *t = &module->train[train];
  const uint8_t *used = module->program[t->program].param_used;
  for (int i = 0; i < module->nparam; i++)
    of[module->param[i].storage].reached |= !used || used[i];
  for (int i = 0; i < module->nparam; i++) {
    const BigsParam *p = &module->param[i];
    OptimSetting *known = &of[p->storage], s = setting_of(t, r, p, known->reached);
    if (!known->known)
      *known = s;
    else if (!settings_equal(known, &s))
      return bigs_fail(&m->error, BIGS_EMODEL,
                       "%s: %s and %s are stored together, and cannot be trained differently",
                       t->name, known->name, s.name);
  }
  return 0;
}

static int by_place(const void *a, const void *b) {
  const OptRange *x = (const OptRange *)a, *y = (const OptRange *)b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

// Joins neighbours; what lies between them is alignment, zero in all arenas, and stays so.
static int merge_ranges(OptRange *v, int n) {
  int out = 0;
  for (int i = 0; i < n; i++) {
    OptRange *last = out ? &v[out - 1] : NULL;
    if (last && v[i].offset - (last->offset + last->bytes) < 64 && last->dtype == v[i].dtype &&
        last->rate == v[i].rate && last->decay == v[i].decay)
      last->bytes = v[i].offset + v[i].bytes - last->offset;
    else
      v[out++] = v[i];
  }
  return out;
}

int optim_join(OptRange *range, int n) {
  for (int i = 0; i < n; i++)
    range[i].rate = range[i].decay = 0;
  return merge_ranges(range, n);
}

int optim_ranges(bigs_model *m, int train, const TrainRecipe *r, OptRange **out, int *n) {
  const BigsModule *module = m->module;
  size_t count = (size_t)module->nstorage;
  OptimSetting *of = MODEL_ALLOC(m, OptimSetting, count, "parameter groups");
  OptRange *v = of ? MODEL_ALLOC(m, OptRange, count, "parameter groups") : NULL;
  int err = v ? settings_of_storages(m, train, r, of) : m->error.status, k = 0;
  for (int i = 0; i < module->nstorage && !err; i++) {
    const BigsStorage *s = &module->storage[i];
    if (of[i].known && !of[i].frozen && s->bytes)
      v[k++] = (OptRange){s->offset, s->bytes, s->dtype, of[i].rate, of[i].decay};
  }
  free(of);
  if (err) {
    free(v);
    return err;
  }
  qsort(v, (size_t)k, sizeof *v, by_place);
  *n = merge_ranges(v, k);
  *out = v;
  return 0;
}

// ---- programs over a flat axis; their values' names start with `#`, as no name of a model does
static void *flat_value(const Flat *f, const char *name) {
  const struct {
    const char *name;
    void *at;
  } known[] = {{"#p", f->p},
               {"#g", f->g},
               {"#m", f->m},
               {"#v", f->v},
               {"#e", f->e},
               {"#rate", f->rate},
               {"#decay", f->decay},
               {"#scale", f->scale},
               {"#correct1", f->correct1},
               {"#correct2", f->correct2},
               {"#go", f->go},
               {"#a", f->a},
               {"#weight", f->weight},
               {"#leaf", f->leaf}};
  for (int i = 0; i < COUNT(known); i++)
    if (!strcmp(known[i].name, name))
      return known[i].at;
  return NULL;
}

static void flat_dims(const OptRange *range, int64_t dims[MAX_SYMS]) {
  for (int i = 0; i < MAX_SYMS; i++)
    dims[i] = range->bytes / dtype_size((DType)range->dtype);
}

// The parameter that begins a range.
static const char *name_at(const BigsModule *module, const OptRange *range) {
  for (int i = 0; i < module->nparam; i++)
    if (module->storage[module->param[i].storage].offset == range->offset)
      return module->param[i].name;
  return "";
}

static int other_dtype(bigs_model *m, const OptRange *range, DType want) {
  return bigs_fail(&m->error, BIGS_EMODEL,
                   "parameter %s is %s, and cannot be trained: the optimizer is for %s",
                   name_at(m->module, range), dtype_name((DType)range->dtype), dtype_name(want));
}

int flat_args(bigs_model *m, int program, const OptRange *range, const Flat *f,
              int64_t dims[MAX_SYMS], const void **in, void **out) {
  const BigsProgram *p =
      program >= 0 && program < m->module->nprogram ? &m->module->program[program] : NULL;
  if (!p || p->ninput > FLAT_ARGS || p->noutput > FLAT_ARGS)
    return bigs_fail(&m->error, BIGS_EBUG, "the module lacks its optimizer");
  flat_dims(range, dims);
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &m->module->input[p->input[i]];
    in[i] = flat_value(f, t->name);
    if (t->rank && t->dtype != range->dtype)
      return other_dtype(m, range, (DType)t->dtype);
  }
  for (int i = 0; i < p->noutput; i++)
    out[i] = f->result ? f->result : flat_value(f, p->output[i].name);
  return 0;
}

void *flat_at(const Region *r, const OptRange *range) {
  return r->p ? r->p + range->offset : NULL;
}

int flat_run(bigs_model *m, int program, const OptRange *range, const Flat *f) {
  const void *in[FLAT_ARGS];
  void *out[FLAT_ARGS];
  int64_t dims[MAX_SYMS];
  if (flat_args(m, program, range, f, dims, in, out))
    return m->error.status;
  return exec_run(m, program, dims, in, out, (RunFlags){.seed = m->seed, .step = m->step});
}

bool optim_swap_average(bigs_model *m) {
  Region param = m->param;
  if (!m->moment[MOMENT_AVERAGE].p)
    return false;
  m->param = m->moment[MOMENT_AVERAGE];
  m->moment[MOMENT_AVERAGE] = param;
  m->weights_version++;
  return true;
}

// The sum of the squares of a range's values in an arena.
static int sum_squares(bigs_model *m, int train, const OptRange *range, const Region *arena,
                       double *sum) {
  Flat f = {.g = flat_at(arena, range), .result = sum};
  return flat_run(m, m->module->train[train].norm, range, &f);
}

// Of n ranges, one after another; known: the sums of each, or NULL.
static int squares_of(bigs_model *m, int train, const OptRange *range, int n, const double *known,
                      double *sum) {
  double part = 0;
  int err = 0;
  for (int i = 0; i < n && !err; i++) {
    if (optim_is_state(&range[i]))
      continue;
    if (known)
      part = known[i];
    else
      err = sum_squares(m, train, &range[i], &m->grad, &part);
    *sum += part;
  }
  return err;
}

typedef struct NormTree {
  bigs_model *m;
  int train;
  const OptRange *range;
  int n;
  OptRange *part; // room for those of a share
} NormTree;

// Shares are added in a binary tree, of which ranks have subtrees.
static int tree_of_squares(NormTree *t, int share, int count, double *sum) {
  double left = 0, right = 0;
  if (count == 1) {
    int n = team_share_of(t->m, t->range, t->n, share, t->part);
    return squares_of(t->m, t->train, t->part, n, NULL, sum);
  }
  int err = tree_of_squares(t, share, count / 2, &left);
  err = err ? err : tree_of_squares(t, share + count / 2, count - count / 2, &right);
  *sum = left + right;
  return err;
}

static int squares_by_shares(bigs_model *m, int train, const OptRange *range, int n, double *sum) {
  TeamShares by = team_shares(m);
  OptRange *part = MODEL_ALLOC(m, OptRange, n + 2 * m->team_pieces, "parts of parameter groups");
  if (!part)
    return m->error.status;
  NormTree t = {m, train, range, n, part};
  int err = tree_of_squares(&t, by.first, by.own, sum);
  free(part);
  return err;
}

// err: what this rank knows to have gone wrong.
static int gradient_norm(bigs_model *m, int train, const OptRange *range, int n, int err,
                         double *norm) {
  const double *sums = NULL;
  double sum = 0;
  if (!err && n && optim_is_far(m))
    err = far_norms(m, train, range, n, &sums);
  if (!err && !sums && m->team_shares > 1)
    err = squares_by_shares(m, train, range, n, &sum);
  else if (!err)
    err = squares_of(m, train, range, n, sums, &sum);
  err = team_together(m, err, &sum, 1);
  *norm = sqrt(sum);
  return err;
}

static bool has_input(const BigsModule *module, int program, const char *name) {
  const BigsProgram *p = &module->program[program];
  for (int i = 0; i < p->ninput; i++)
    if (!strcmp(module->input[p->input[i]].name, name))
      return true;
  return false;
}

static const char *const moment_name[MOMENTS] = {"#m", "#v", "#e"};

int optim_kept(const BigsModule *module, int update) {
  int n = 0;
  for (int i = 0; i < MOMENTS && update >= 0; i++)
    n += has_input(module, update, moment_name[i]);
  return n;
}

// Of the moments.
static int64_t moment_bytes(const bigs_model *m, int train) {
  int update = m->module->train[train].update;
  int64_t bytes = 0;
  if (m->moment_train == train || update < 0 || update >= m->module->nprogram)
    return 0;
  for (int i = 0; i < MOMENTS; i++)
    if (has_input(m->module, update, moment_name[i]))
      bytes += m->module->param_bytes - (int64_t)m->moment[i].bytes;
  return bytes;
}

int optim_needs(bigs_model *m, int train, const TrainRecipe *r, Needs *out) {
  OptRange *range;
  int n;
  *out = (Needs){0};
  out->bytes = moment_bytes(m, train);
  if (!m->device->room || !optim_is_far(m))
    return 0;
  int err = optim_ranges(m, train, r, &range, &n);
  if (err)
    return err;
  err = far_needs(m, train, range, n, out);
  free(range);
  return err;
}

// A moment begins as zero, the average as the parameters.
static int begin_moment(bigs_model *m, int i) {
  if (i != MOMENT_AVERAGE)
    return region_set(m, &m->moment[i], (size_t)m->module->param_bytes, "moments of the optimizer");
  region_free(m, &m->moment[i]);
  return region_copy(m, &m->param, &m->moment[i], "an average of the parameters");
}

int optim_ready(bigs_model *m, int train) {
  int update = m->module->train[train].update;
  if (update < 0 || update >= m->module->nprogram)
    return bigs_fail(&m->error, BIGS_EBUG, "the module lacks its optimizer");
  bool same = m->moment_train == train;
  for (int i = 0; i < MOMENTS; i++) {
    bool wanted = has_input(m->module, update, moment_name[i]);
    if (!wanted)
      region_free(m, &m->moment[i]);
    else if ((!m->moment[i].p || !same) && begin_moment(m, i))
      return m->error.status;
  }
  if (!same)
    m->moment_steps = 0;
  m->moment_train = train;
  return 0;
}

static int update_range(bigs_model *m, int train, const OptRange *r, FlatScalars *s) {
  float rate = (float)(r->rate * s->factor), decay = (float)r->decay;
  bool go = true;
  Flat f = {.p = flat_at(&m->param, r),
            .g = flat_at(&m->grad, r),
            .m = flat_at(&m->moment[0], r),
            .v = flat_at(&m->moment[1], r),
            .e = flat_at(&m->moment[MOMENT_AVERAGE], r),
            .rate = &rate,
            .decay = &decay,
            .scale = optim_is_state(r) ? &s->unit : &s->scale,
            .correct1 = &s->correct1,
            .correct2 = &s->correct2,
            .go = &go};
  return flat_run(m, m->module->train[train].update, r, &f);
}

// All memory is there before the first range changes: a step is done whole or not at all.  *sum: of
// squares of the new parameters, where they are known.
static int update_ranges(bigs_model *m, int train, const OptRange *range, int n, FlatScalars *s,
                         const double **sum) {
  int64_t dims[MAX_SYMS];
  int err = 0;
  if (n && optim_is_far(m))
    return far_update(m, train, range, n, s, sum);
  for (int i = 0; i < n && !err; i++) {
    flat_dims(&range[i], dims);
    err = exec_ready(m, m->module->train[train].update, dims);
  }
  for (int i = 0; i < n && !err; i++)
    err = update_range(m, train, &range[i], s);
  return err;
}

static int spoilt(bigs_model *m) {
  int err = exec_check_state(m);
  err = err ? err : bigs_fail(&m->error, BIGS_ENUMERIC, "the optimizer's results are not finite");
  bigs_error_prefix(&m->error, "after the update");
  return err;
}

// Is what the update wrote finite?  A sum of squares in f64 is where all values in f32 are.  A first
// moment that is not makes parameters that are not (infinity / x, 0 * infinity), a second one hides
// (x / infinity): it is looked at where a square of what the optimizer saw may have passed 3.4e38.
static int check_update(bigs_model *m, int train, const OptRange *range, int n, double gradient,
                        const double *sum) {
  double p = 0, v = 0;
  int err = 0;
  for (int i = 0; i < n && !err; i++) {
    if (sum)
      p = sum[i];
    else
      err = sum_squares(m, train, &range[i], &m->param, &p);
    if (!err && m->moment[1].p && !(gradient + range[i].decay * sqrt(p) < 1e18))
      err = sum_squares(m, train, &range[i], &m->moment[1], &v);
    if (!err && !isfinite(p + v))
      err = spoilt(m);
  }
  return err;
}

// What this rank updates.
static int own_ranges(bigs_model *m, int train, const TrainRecipe *r, OptRange **out, int *n) {
  int err = optim_ready(m, train);
  err = err ? err : optim_ranges(m, train, r, out, n);
  return err ? err : team_own(m, out, n);
}

// Ranks take part in the sums whether or not something has failed.
static int reduce(bigs_model *m, double weight, int err) {
  int lost = team_reduce(m, weight);
  return err ? err : lost;
}

int optim_loss(bigs_model *m, float loss) {
  return isfinite(loss) ? 0
                        : bigs_fail(&m->error, BIGS_ENUMERIC, "the loss is %g", bigs_shown(loss));
}

static int check_norm(bigs_model *m, double norm) {
  return isfinite(norm) ? 0
                        : bigs_fail(&m->error, BIGS_ENUMERIC,
                                    "the gradient is not finite (norm %g)", bigs_shown(norm));
}

// But for what the norm decides.
static FlatScalars flat_scalars(const bigs_model *m, const BigsTrain *t, const TrainRecipe *r) {
  double done = (double)(m->moment_steps + 1);
  return (FlatScalars){.correct1 = (float)(1 / (1 - pow(t->beta1, done))),
                       .correct2 = (float)(1 / (1 - pow(t->beta2, done))),
                       .unit = 1,
                       .factor = schedule_factor(t->piece, t->npiece, m->step, r->steps),
                       .clip = r->clip};
}

static void count_step(bigs_model *m, const TrainRecipe *r, double factor, double norm,
                       OptReport *report) {
  m->step++;
  m->moment_steps++;
  if (report)
    *report = (OptReport){.norm = norm, .rate = r->rate * factor, .piece = -1};
}

static int step(bigs_model *m, int train, const TrainRecipe *r, OptShare share, OptReport *report) {
  OptRange *range = NULL;
  int n = 0;
  double norm;
  if (report)
    *report = (OptReport){.piece = -1};
  int err = reduce(m, share.weight, own_ranges(m, train, r, &range, &n));
  err = gradient_norm(m, train, range, n, err, &norm);
  norm *= share.unit;
  err = err ? err : check_norm(m, norm);
  FlatScalars f = flat_scalars(m, &m->module->train[train], r);
  double cut = r->clip > 0 && norm > r->clip ? r->clip / norm : 1;
  f.scale = (float)(cut * share.unit);
  f.unit = (float)share.unit;
  if (!err) {
    const double *sum = NULL;
    err = update_ranges(m, train, range, n, &f, &sum);
    err = err ? err : check_update(m, train, range, n, cut * norm, sum);
    int lost = team_gather(m, &m->param);
    err = team_agree(m, err ? err : lost, NULL);
    m->weights_version++;
    if (report)
      report->spoilt = err == BIGS_ENUMERIC;
  }
  free(range);
  if (!err)
    count_step(m, r, f.factor, norm, report);
  return err;
}

int optim_step(bigs_model *m, int train, const TrainRecipe *r, OptShare share, OptReport *report) {
  fenv_t caller = float_mode_default();
  int err = step(m, train, r, share, report);
  float_mode_restore(caller);
  return err;
}

bool optim_at_once(const bigs_model *m, int train) {
  return m->device->decide && optim_is_far(m) && !m->team && m->moment_train == train &&
         has_input(m->module, m->module->train[train].update, "#go");
}

static int check_whole(bigs_model *m, int train, const OptRange *range, int n, const FarStep *done,
                       OptReport *report) {
  int err = optim_loss(m, done->loss);
  err = err ? err : check_norm(m, done->norm);
  if (err)
    return err;
  err = check_update(m, train, range, n, done->scale * done->norm, done->sum);
  if (report)
    report->spoilt = err == BIGS_ENUMERIC;
  return err;
}

static int whole(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
                 const void *const *inputs, float *loss, OptReport *report) {
  OptRange *range = NULL;
  int n = 0;
  FarStep done;
  FlatScalars f = flat_scalars(m, &m->module->train[train], r);
  if (report)
    *report = (OptReport){.piece = -1};
  int err = own_ranges(m, train, r, &range, &n);
  err = err ? err : far_whole(m, train, range, n, dims, inputs, &f, &done);
  if (!err) {
    *loss = done.loss;
    err = check_whole(m, train, range, n, &done, report);
  }
  free(range);
  if (!err)
    count_step(m, r, f.factor, done.norm, report);
  return err;
}

int optim_whole(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
                const void *const *inputs, float *loss, OptReport *report) {
  fenv_t caller = float_mode_default();
  int err = whole(m, train, r, dims, inputs, loss, report);
  float_mode_restore(caller);
  return err;
}

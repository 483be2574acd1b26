// See zoo_bed.h.
#include "tests/unit/zoo_bed.h"
#include "base/hash.h"
#include "compiler/driver/session.h"
#include "runtime/exec/again.h"
#include "runtime/exec/optim.h"
#include "tests/unit/command.h"
#include "tests/unit/kernels.h"
#include "tests/unit/suites.h"
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INDICES = 11, DEFINES = 14 };

// Sizes for the models of models/; where there is none, the file's own.
static const struct {
  const char *name;
  Define def[DEFINES];
} smaller[] = {
    {"bert.mdl",
     {{"H", "39"}, {"F", "70"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "260"}}},
    {"bigs.mdl", {{"H", "35"}, {"I", "67"}, {"N", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "150"}}},
    {"conv.mdl", {{"H", "130"}, {"F", "132"}, {"V", "13"}}},
    {"deltanet.mdl", {{"H", "20"}, {"Heads", "2"}, {"Depth", "1"}, {"V", "67"}}},
    {"distilbert.mdl",
     {{"H", "39"}, {"F", "70"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "260"}}},
    {"electra.mdl",
     {{"H", "39"}, {"F", "70"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "260"}}},
    {"electra_small.mdl",
     {{"E", "30"},
      {"H", "39"},
      {"F", "70"},
      {"Heads", "3"},
      {"Depth", "2"},
      {"V", "67"},
      {"P", "260"}}},
    {"fnet.mdl", {{"H", "35"}, {"F", "67"}, {"V", "13"}, {"P", "150"}}},
    {"gated.mdl",
     {{"H", "39"}, {"I", "67"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "150"}}},
    {"gau.mdl", {{"H", "35"}, {"E", "67"}, {"K", "6"}, {"Depth", "1"}, {"V", "67"}, {"P", "150"}}},
    {"gpt.mdl", {{"H", "39"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "150"}}},
    {"h3.mdl",
     {{"H", "18"}, {"Heads", "3"}, {"N", "3"}, {"Taps", "5"}, {"Depth", "1"}, {"V", "67"}}},
    {"hyena.mdl",
     {{"H", "18"}, {"Wide", "7"}, {"Bands", "2"}, {"Depth", "1"}, {"V", "67"}, {"P", "150"}}},
    {"lstm.mdl", {{"H", "10"}, {"V", "67"}}},
    {"m2bert.mdl",
     {{"H", "36"}, {"F", "68"}, {"Order", "7"}, {"Depth", "2"}, {"V", "67"}, {"P", "150"}}},
    {"mamba.mdl", {{"H", "18"}, {"N", "3"}, {"R", "2"}, {"Depth", "1"}, {"V", "67"}}},
    {"mamba2.mdl", {{"H", "18"}, {"P", "6"}, {"N", "3"}, {"Depth", "1"}, {"V", "67"}}},
    {"modernbert.mdl",
     {{"H", "42"},
      {"F", "70"},
      {"Heads", "3"},
      {"Depth", "4"},
      {"V", "67"},
      {"P", "260"},
      {"window", "6"}}},
    {"packed.mdl",
     {{"H", "39"}, {"F", "70"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "260"}}},
    {"retnet.mdl", {{"H", "20"}, {"Depth", "1"}, {"V", "67"}}},
    {"roberta.mdl",
     {{"H", "39"},
      {"F", "70"},
      {"Heads", "3"},
      {"Depth", "2"},
      {"V", "67"},
      {"P", "260"},
      {"Types", "2"}}},
    {"rotary.mdl", {{"H", "42"}, {"Heads", "3"}, {"Half", "7"}, {"D", "14"}}},
    {"rwkv.mdl", {{"H", "19"}, {"F", "35"}, {"Depth", "1"}, {"V", "67"}}},
    {"s4d.mdl", {{"H", "35"}, {"N", "3"}, {"V", "13"}, {"C", "5"}}},
    {"sentence.mdl",
     {{"H", "39"}, {"F", "70"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "260"}}},
    {"stack.mdl",
     {{"H", "35"},
      {"F", "67"},
      {"N", "3"},
      {"Heads", "5"},
      {"Depth", "2"},
      {"V", "67"},
      {"P", "150"}}},
    {"xlmr.mdl",
     {{"H", "39"},
      {"F", "70"},
      {"Heads", "3"},
      {"Depth", "2"},
      {"V", "67"},
      {"P", "260"},
      {"Types", "2"}}},
    {"alibi.mdl", {{"H", "39"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}}},
    {"clip.mdl",
     {{"Rows", "12"},
      {"Cols", "8"},
      {"Patch", "4"},
      {"H", "39"},
      {"Heads", "3"},
      {"Depth", "1"},
      {"V", "67"},
      {"P", "150"},
      {"W", "15"},
      {"TextHeads", "3"},
      {"TextDepth", "1"},
      {"E", "7"}}},
    {"decode.mdl", {{"H", "39"}, {"Heads", "3"}, {"Depth", "2"}, {"V", "67"}, {"P", "900"}}},
    {"mega.mdl", {{"H", "35"}, {"N", "3"}, {"Z", "5"}, {"Depth", "1"}, {"V", "67"}, {"P", "150"}}},
    {"moe.mdl",
     {{"H", "39"},
      {"F", "35"},
      {"X", "5"},
      {"Heads", "3"},
      {"Depth", "2"},
      {"V", "67"},
      {"P", "150"}}},
    {"t5.mdl", {{"H", "35"}, {"F", "67"}, {"Heads", "3"}, {"D", "5"}, {"Depth", "1"}, {"V", "67"}}},
    {"vae.mdl", {{"X", "67"}, {"H", "35"}, {"Z", "3"}}},
    {"vit.mdl",
     {{"Rows", "12"},
      {"Cols", "20"},
      {"Patch", "4"},
      {"H", "39"},
      {"Heads", "3"},
      {"Depth", "2"},
      {"Classes", "5"}}},
};

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int zoo_files(const char *folder, char **name) {
  char path[TEST_PATH];
  int n = 0;
  snprintf(path, sizeof path, "%s/%s", test_source_dir(), folder);
  DIR *d = opendir(path);
  for (struct dirent *e; d && (e = readdir(d)) && n < ZOO_FILES;) {
    size_t length = strlen(e->d_name);
    if (length > 4 && !strcmp(e->d_name + length - 4, ".mdl"))
      name[n++] = strdup(e->d_name);
  }
  if (d)
    closedir(d);
  qsort(name, (size_t)n, sizeof *name, by_name);
  return n;
}

static const Define *defines_of(const char *folder, const char *file, int *n) {
  const Define *d = NULL;
  for (int k = 0; !strcmp(folder, "models") && k < COUNT(smaller); k++)
    if (!strcmp(smaller[k].name, file))
      d = smaller[k].def;
  for (*n = 0; d && d[*n].name;)
    ++*n;
  return d;
}

bool zoo_again(const char *file) {
  static const char *const first[] = {"bert.mdl", "bigs.mdl", "conv.mdl",   "fnet.mdl",
                                      "gau.mdl",  "gpt.mdl",  "rotary.mdl", "s4d.mdl"};
  for (int k = 0; k < COUNT(first); k++)
    if (!strcmp(first[k], file))
      return false;
  return true;
}

int zoo_sized(void) {
  return COUNT(smaller);
}

Model *zoo_model(Arena *a, const char *folder, const char *file, Intern *names, Diags *d) {
  const char *path = arena_printf(a, "%s/%s/%s", test_source_dir(), folder, file);
  ModelOptions o = {0};
  o.defs = defines_of(folder, file, &o.ndefs);
  Model *m = model_load(a, names, d, path, NULL, &o);
  ck_assert_msg(!d->errors, "%s", diags_string(a, d, DIAG_TEXT, false));
  return m;
}

const BuildWant *zoo_want(Arena *a, const Model *model, bool all) {
  const Recipe *const *trains;
  int n = model_trains(model, &trains);
  BuildWant *want = NEW(a, BuildWant);
  *want = (BuildWant){.nentries = -1, .ntrains = -1, .update = true, .init = true};
  if (!all && n) {
    const char **first = NEWN(a, const char *, 1);
    first[0] = trains[0]->name;
    want->trains = first;
    want->ntrains = 1;
  }
  return want;
}

void zoo_reference(Zoo *z, Intern *names, Diags *diags, Model *model, const BuildWant *want) {
  BuildOptions o = {.opt = 0};
  Build *b = &z->reference;
  ck_assert(build_until(b, z->arena, names, diags, model, want, &o, PASS_loops));
  z->grad = NEWN(z->arena, Node **, b->losses.n + 1);
  for (int i = 0; i < b->losses.n; i++)
    z->grad[i] = loss_gradients(z->arena, b->graph, b->losses.v[i]);
}

// ---- data

// Places of a batch, kinds of a token or of a text, tokens.
static int64_t indices_of(const BigsTensor *t, const int64_t *dim) {
  return !strcmp(t->name, "at") ? dim[0] * dim[1]
         : !strcmp(t->name, "types") || (t->rank == 1 && !strcmp(t->name, "target")) ? 2
         : t->rank == 1 && strcmp(t->name, "labels")                                 ? 3
                                                                                     : INDICES;
}

static double input_value(const BigsTensor *t, const int64_t *dim, int64_t k, uint64_t *state) {
  double u = (double)draw(state) / (double)(1u << 31);
  if (t->dtype == DT_BOOL)
    return k % 3 == 0 || u < 0.5;
  if (t->dtype != DT_I32)
    return 2 * u - 1;
  return floor(u * (double)indices_of(t, dim));
}

static void within_bounds(const Zoo *z, const int64_t *from, int64_t *dim) {
  const Graph *g = z->reference.graph;
  for (int i = 0; i < MAX_SYMS; i++)
    dim[i] = i < 3 ? from[i] : i % 2 + 1;
  for (int i = 0; i < g->syms.n; i++)
    if (g->syms.v[i].bound && dim[i] > g->syms.v[i].bound)
      dim[i] = g->syms.v[i].bound;
  sizes_complete(&g->syms, dim);
}

static void fill_input(const BigsTensor *t, ZooBatch *x, int i, Arena *a, uint64_t *state) {
  int64_t n = tensor_elements(t, x->dim);
  x->data[i] = arena_alloc(a, (size_t)n * 8 + 64);
  for (int64_t k = 0; k < n; k++)
    element_put(x->data[i], t->dtype, k,
                x->given[i] ? input_value(t, x->dim, k, state) : (double)t->fallback);
}

ZooBatch zoo_batch(const Zoo *z, Arena *a, const int64_t *size, bool defaults) {
  const BigsModule *m = z->c.module;
  ZooBatch x = {.dim = {0}};
  within_bounds(z, size, x.dim);
  uint64_t state = (uint64_t)(x.dim[0] * 1000 + x.dim[1]);
  for (int i = 0; i < m->ninput; i++) {
    if (m->input[i].name[0] == '#') // of the optimizer
      continue;
    ck_assert_int_lt(i, ZOO_INPUTS);
    x.given[i] = !defaults || !m->input[i].optional;
    fill_input(&m->input[i], &x, i, a, &state);
  }
  return x;
}

Eval *zoo_interpreter(const Zoo *z, Arena *a, const ZooBatch *x) {
  return interpreter_of(a, z->reference.graph, &z->c, x->dim, x->data);
}

static const void **inputs(Arena *a, const BigsProgram *p, const ZooBatch *x) {
  const void **in = NEWN(a, const void *, p->ninput + 1);
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->given[p->input[i]] ? x->data[p->input[i]] : NULL;
  return in;
}

static double *parameter(const Zoo *z, Arena *a, bigs_what what, const Param *p, int64_t *n) {
  int k = parameter_number(z->c.module, p->path);
  *n = parameter_size(&z->c.module->param[k]);
  return parameter_values(a, &z->c, what, k);
}

static void add_bits(uint64_t *bits, const void *p, size_t bytes) {
  if (bits)
    *bits = hash_bytes(*bits, p, bytes);
}

// ---- comparison

static bool has_bf16(const Graph *g) {
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.v[i]->dtype == DT_BF16)
      return true;
  return false;
}

// Temporaries begin as what is no number, not as what another program left.
static void spoil(const Zoo *z, int program, const ZooBatch *x) {
  bigs_model *m = z->c.handle;
  ck_assert_msg(!exec_ready(m, program, x->dim), "%s", bigs_model_error(m));
  if (m->arena.p)
    memset(m->arena.p, 0xff, m->arena.bytes);
}

static double tolerance_of(const Zoo *z, int dtype) {
  return dtype == DT_I32 ? 0 : has_bf16(z->reference.graph) ? 3e-2 : dtype == DT_F64 ? 1e-12 : 2e-5;
}

static void check_entry(const Zoo *z, Arena *a, Eval *e, const ZooBatch *x, const Output *o,
                        uint64_t *bits) {
  int program = bigs_model_entry(z->c.module, o->name);
  const BigsProgram *p = &z->c.module->program[program];
  int64_t n = tensor_elements(&p->output[0], x->dim);
  int dtype = p->output[0].dtype;
  void *out = arena_alloc(a, (size_t)n * 8 + 64);
  spoil(z, program, x);
  ck_assert_msg(!bigs_model_run(z->c.handle, program, x->dim, inputs(a, p, x), &out), "%s",
                bigs_model_error(z->c.handle));
  add_bits(bits, out, (size_t)(n * dtype_size((DType)dtype)));
  if (!e)
    return;
  const double *expected = interpreted(e, o->node, o->ax, o->nax);
  near(widened(a, out, dtype, n), expected, n, tolerance_of(z, dtype) * largest(expected, n),
       o->name, x->dim);
}

void zoo_check_entries(const Zoo *z, Arena *a, Eval *e, const ZooBatch *x, uint64_t *bits) {
  for (int i = 0; i < z->reference.entries.n; i++)
    check_entry(z, a, e, x, &z->reference.entries.v[i], bits);
}

static int train_of(const Zoo *z, int loss) {
  return bigs_model_train(z->c.module, z->reference.trains.v[loss]->name);
}

static const void **train_inputs(const Zoo *z, Arena *a, const ZooBatch *x, int train) {
  return inputs(a, &z->c.module->program[z->c.module->train[train].program], x);
}

// Of all parameters, by parameter of the graph.
static double **values_of(const Zoo *z, Arena *a, bigs_what what, uint64_t *bits) {
  const Graph *g = z->reference.graph;
  double **v = NEWN(a, double *, g->params.n + 1);
  for (int i = 0; i < g->params.n; i++) {
    int64_t n;
    v[i] = parameter(z, a, what, g->params.v[i], &n);
    add_bits(bits, v[i], (size_t)n * sizeof *v[i]);
  }
  return v;
}

static int64_t size_of(const Zoo *z, const Param *p) {
  return parameter_size(&z->c.module->param[parameter_number(z->c.module, p->path)]);
}

// Small gradients are compared to a thousandth of the largest.
static void compare_gradients(const Zoo *z, Eval *e, const ZooBatch *x, int loss, double **got,
                              double tolerance) {
  const Graph *g = z->reference.graph;
  double all = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < g->params.n; i++) {
      const Param *p = g->params.v[i];
      const double *expected = interpreted(e, z->grad[loss][i], p->node->ax, p->node->nax);
      int64_t n = size_of(z, p);
      double most = largest(expected, n);
      all = fmax(all, most);
      if (pass)
        near(got[i], expected, n, tolerance * fmax(most, all / 1000), p->path, x->dim);
    }
}

// All that can be computed again is: no bit of the loss, the gradients and the next states is another.
static void check_again(const Zoo *z, Arena *a, const ZooBatch *x, int train, float loss) {
  bigs_model *m = z->c.handle;
  int program = m->module->train[train].program;
  const void **in = train_inputs(z, a, x, train);
  char *before = arena_alloc(a, m->grad.bytes);
  float got = 0;
  memcpy(before, region_look(m, &m->grad), m->grad.bytes);
  ck_assert_int_eq(again_set(m, program, x->dim, INT_MAX), 0);
  if (m->again->n) {
    spoil(z, program, x);
    ck_assert_msg(!bigs_model_grad(m, train, x->dim, in, &got), "%s", bigs_model_error(m));
    ck_assert(!memcmp(&got, &loss, sizeof got));
    ck_assert(!memcmp(before, region_look(m, &m->grad), m->grad.bytes));
  }
  ck_assert_int_eq(again_set(m, program, x->dim, 0), 0);
}

void zoo_check_gradients(const Zoo *z, Arena *a, Eval *e, const ZooBatch *x, int loss,
                         uint64_t *bits) {
  double tolerance = has_bf16(z->reference.graph) ? 6e-2 : 3e-4;
  int train = train_of(z, loss);
  float got = 0;
  spoil(z, z->c.module->train[train].program, x);
  ck_assert_msg(!bigs_model_grad(z->c.handle, train, x->dim, train_inputs(z, a, x, train), &got),
                "%s", bigs_model_error(z->c.handle));
  double **grad = values_of(z, a, BIGS_THE_GRADIENT, bits);
  add_bits(bits, &got, sizeof got);
  if (!e)
    return;
  check_again(z, a, x, train, got);
  const double *value = interpreted(e, z->reference.losses.v[loss], NULL, 0);
  near(&(double){(double)got}, value, 1, tolerance / 10 * (1 + fabs(*value)),
       z->reference.trains.v[loss]->name, x->dim);
  compare_gradients(z, e, x, loss, grad, tolerance);
}

void zoo_check_first_values(const Zoo *z) {
  Graph *g = z->reference.graph;
  Eval *e = eval_new(z->arena, g, NULL, z->seed, 0);
  for (int i = 0; i < g->params.n; i++) {
    const Param *p = g->params.v[i];
    int64_t n;
    const double *expected = interpreted(e, p->init, p->node->ax, p->node->nax);
    double *got = parameter(z, z->arena, BIGS_THE_WEIGHT, p, &n);
    double tolerance = p->dtype == DT_BF16 ? 1.0 / 256 : 1e-6;
    near(got, expected, n, tolerance * largest(expected, n), p->path, (int64_t[3]){0});
  }
}

void zoo_shake(const Zoo *z, Arena *a) {
  const BigsModule *m = z->c.module;
  uint64_t state = z->seed;
  for (int i = 0; i < m->nparam; i++) {
    int64_t n = parameter_size(&m->param[i]);
    double *v = parameter_values(a, &z->c, BIGS_THE_WEIGHT, i);
    void *dense = arena_alloc(a, (size_t)n * 8);
    for (int64_t k = 0; k < n; k++)
      element_put(dense, m->param[i].dtype, k,
                  v[k] + 0.1 * ((double)draw(&state) / (double)(1u << 31) - 0.5));
    ck_assert_int_eq(bigs_model_set(z->c.handle, BIGS_THE_WEIGHT, i, dense), 0);
  }
}

// ---- the optimizer

typedef struct ZooStep {
  const Zoo *z;
  const BigsTrain *train;
  OptRange *range;
  int nrange;
  double **before, **grad;
  double scale; // of the gradient
} ZooStep;

// NULL: it is not trained.
static const OptRange *range_of(const ZooStep *s, const Param *p) {
  const BigsModule *m = s->z->c.module;
  int64_t at = m->storage[m->param[parameter_number(m, p->path)].storage].offset;
  for (int i = 0; i < s->nrange; i++)
    if (at >= s->range[i].offset && at < s->range[i].offset + s->range[i].bytes)
      return &s->range[i];
  return NULL;
}

// One over the norm, when that is too long.
static double clipped(const ZooStep *s, double clip) {
  const Graph *g = s->z->reference.graph;
  double sum = 0;
  for (int i = 0; i < g->params.n; i++)
    for (int64_t k = 0, n = size_of(s->z, g->params.v[i]); range_of(s, g->params.v[i]) && k < n;
         k++)
      sum += s->grad[i][k] * s->grad[i][k];
  return clip > 0 && sqrt(sum) > clip ? clip / sqrt(sum) : 1;
}

// AdamW (Loshchilov and Hutter 2019) from moments of zero: with the corrections of the first step they are the
// gradient and its square.
static void check_moved(const ZooStep *s, const Param *p, int i, const double *after,
                        double factor) {
  const OptRange *r = range_of(s, p);
  for (int64_t k = 0, n = size_of(s->z, p); k < n; k++) {
    double was = s->before[i][k], grad = s->grad[i][k] * s->scale;
    double step = r ? grad / (fabs(grad) + s->train->eps) + r->decay * was : 0;
    double want = was - (r ? r->rate * factor * step : 0);
    double room = r ? 2e-5 * r->rate * factor * (1 + fabs(step)) + 2e-7 * fabs(was) : 0;
    ck_assert_msg(fabs(after[k] - want) <= room,
                  "%s of %s: element %d of %d becomes %.9g, not %.9g", s->train->name, p->path,
                  (int)k, (int)n, after[k], want);
  }
}

// Only f32 is trained, and what has a rate.
static bool is_trained(const ZooStep *s, bigs_model *m, const TrainRecipe *r) {
  BigsError e = {0};
  for (int i = 0; i < s->nrange; i++)
    if (s->range[i].dtype != DT_F32)
      return false;
  return m && !recipe_check(s->train, r, &e) && !strcmp(s->train->optimizer, "adamw");
}

static void take_step(ZooStep *s, Arena *a, const ZooBatch *x, int train, TrainRecipe *r,
                      uint64_t *bits) {
  const Zoo *z = s->z;
  const Graph *g = z->reference.graph;
  double factor = schedule_factor(s->train->piece, s->train->npiece, z->c.handle->step, r->steps);
  s->before = values_of(z, a, BIGS_THE_WEIGHT, NULL);
  ck_assert_msg(!model_step(z->c.handle, train, r, x->dim, train_inputs(z, a, x, train), 1,
                            &(float){0}, NULL),
                "%s", bigs_model_error(z->c.handle));
  s->grad = values_of(z, a, BIGS_THE_GRADIENT, bits);
  double **after = values_of(z, a, BIGS_THE_WEIGHT, bits);
  s->scale = clipped(s, r->clip);
  for (int i = 0; i < g->params.n; i++)
    check_moved(s, g->params.v[i], i, after[i], factor);
}

// Of a warmup's first step little would be seen: it goes as far as later ones.
void zoo_check_step(const Zoo *z, Arena *a, const ZooBatch *x, int loss, uint64_t *bits) {
  int train = train_of(z, loss);
  ZooStep s = {.z = z, .train = &z->c.module->train[train]};
  TrainRecipe r = recipe_of(s.train);
  double factor = schedule_factor(s.train->piece, s.train->npiece, z->c.handle->step, r.steps);
  if (r.rate > 0)
    r.rate = 0.01 / factor;
  ck_assert_int_eq(optim_ranges(z->c.handle, train, &r, &s.range, &s.nrange), 0);
  if (is_trained(&s, z->c.handle, &r))
    take_step(&s, a, x, train, &r, bits);
  free(s.range);
}

// ---- an update that may not go on
enum { STANDING = 37, VECTORS = 16 };
typedef struct Standing {
  float vector[VECTORS][STANDING];
  const void *in[VECTORS];
  void *out[VECTORS];
} Standing;

static void stand(Standing *s, const BigsModule *m, const BigsProgram *p) {
  static const float one = 1;
  static const bool no = false;
  uint64_t seed = 3;
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &m->input[p->input[i]];
    s->in[i] = t->rank ? s->vector[i] : t->dtype == DT_BOOL ? (const void *)&no : &one;
    for (int k = 0; k < STANDING; k++)
      s->vector[i][k] = k % 5 && strcmp(t->name, "#g") ? test_uniform(&seed) : NAN;
  }
  for (int i = 0; i < p->noutput; i++)
    s->out[i] = s->vector[p->ninput + i];
}

static const void *input_named(const Standing *s, const BigsModule *m, const BigsProgram *p,
                               const char *name) {
  int i = 0;
  while (i < p->ninput && strcmp(m->input[p->input[i]].name, name))
    i++;
  ck_assert_msg(i < p->ninput, "an update has no input %s", name);
  return s->in[i];
}

void zoo_check_no_step(const Zoo *z, int loss) {
  const BigsModule *m = z->c.module;
  int program = m->train[train_of(z, loss)].update;
  const BigsProgram *p = &m->program[program];
  int64_t dims[MAX_SYMS];
  Standing s = {0};
  for (int i = 0; i < MAX_SYMS; i++)
    dims[i] = STANDING;
  ck_assert_int_le(p->ninput + p->noutput, VECTORS);
  stand(&s, m, p);
  input_named(&s, m, p, "#go");
  ck_assert_msg(!exec_run(z->c.handle, program, dims, s.in, s.out, (RunFlags){0}), "%s",
                bigs_model_error(z->c.handle));
  for (int i = 0; i < p->noutput; i++)
    ck_assert_mem_eq(s.out[i], input_named(&s, m, p, p->output[i].name), sizeof s.vector[i]);
}

// The handle of a compiled model: open, run, step, save.  See bigs.h.
#include "runtime/exec/cpu.h"
#include "runtime/exec/optim.h"
#include "runtime/exec/team.h"
#include "runtime/exec/weights.h"
#include "base/alloc.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Whether there is a handle to work with: one that failed to open is NULL.
static bool begin(bigs_model *m) {
  if (!m)
    return false;
  m->error.status = 0;
  m->error.text[0] = 0;
  return true;
}

// ---- open and close
static int check_module(bigs_model *m) {
  const BigsModule *module = m->module;
  char missing[64];
  if (module->abi != BIGS_ABI_VERSION)
    return bigs_fail(&m->error, BIGS_EMODEL,
                     "the model was compiled for version %u of the interface, this is version %d",
                     module->abi, BIGS_ABI_VERSION);
  if (!cpu_has(module->features, missing, sizeof missing))
    return bigs_fail(&m->error, BIGS_EMODEL, "the model was compiled for %s, and this CPU lacks %s",
                     module->target ? module->target : "another CPU", missing);
  const char *bad = params_verify(module);
  return bad ? bigs_fail(&m->error, BIGS_EBUG, "parameter %s lies outside its storage", bad) : 0;
}

// Code for a GPU comes with a device; called as functions of the processors its kernels would compute nothing.
static int check_device(bigs_model *m, const bigs_options *o) {
  if (o->device || !m->module->target || strcmp(m->module->target, "CUDA") != 0)
    return 0;
  return bigs_fail(
      &m->error, BIGS_EMODEL,
      "%s is compiled for CUDA, and this runtime is for processors: call the functions of the "
      "library's header, or compile the model without --target=cuda",
      m->module->model);
}

static int set_up(bigs_model *m, const char *weights, const bigs_options *o) {
  if (check_module(m) || check_device(m, o))
    return m->error.status;
  if (m->device->open(m, o->threads))
    return m->error.status;
  m->binding = MODEL_ALLOC(m, Binding *, m->module->nprogram * BINDINGS, "bindings");
  if (!m->binding || region_set(m, &m->param, (size_t)m->module->param_bytes, "parameters"))
    return m->error.status;
  return weights ? weights_load(m, weights) : o->unset ? 0 : exec_init(m);
}

// A text that is cut ends with "...", as one that is too long for a BigsError does.
static void say(char *error, size_t size, const char *text) {
  if (!error || !size)
    return;
  int n = snprintf(error, size, "%s", text);
  if (n >= 0 && (size_t)n >= size && size > sizeof "...")
    memcpy(error + size - sizeof "...", "...", sizeof "...");
}

// What is behind the fields that this version knows has to be 0: it would ask for what is not done.
static int take_options(const bigs_options *given, bigs_options *out, BigsError *e) {
  size_t n = given ? given->size : 0;
  *out = (bigs_options){0};
  if (n)
    memcpy(out, given, n < sizeof *out ? n : sizeof *out);
  if (given && !n)
    return bigs_fail(e, BIGS_EUSAGE, "bigs_options.size is 0: set it to sizeof(bigs_options)");
  for (const char *p = (const char *)given + sizeof *out; n > sizeof *out; p++, n--)
    if (*p)
      return bigs_fail(
          e, BIGS_EUSAGE,
          "bigs_options has %zu bytes, of which this version knows %zu, and the others "
          "are not 0: leave them 0, or compile the model with a newer bigsc",
          given->size, sizeof *out);
  return 0;
}

static bigs_model *new_model(const BigsModule *module, const bigs_options *o, BigsError *e) {
  bigs_model *m = ALLOC(bigs_model);
  if (!m) {
    bigs_fail(e, BIGS_EMODEL, "out of memory for a model");
    return NULL;
  }
  *m = (bigs_model){.module = module,
                    .device = o->device ? o->device : &device_cpu,
                    .may_allocate = o->may_allocate,
                    .ctx = o->ctx,
                    .seed = o->seed,
                    .weights_version = 1,
                    .grad_program = -1,
                    .moment_train = -1,
                    .fresh = o->fresh != 0};
  return m;
}

// NULL, and *e says why, where set_up failed, which has left its reason in m.
static bigs_model *opened(bigs_model *m, int err, BigsError *e) {
  if (!err)
    return m;
  *e = m->error;
  bigs_model_close(m);
  return NULL;
}

// What an opener returns, for a caller who asked for the reason in these places.
static bigs_model *hand_over(bigs_model *m, const BigsError *e, int *status, char *error,
                             size_t error_size) {
  say(error, error_size, m ? "" : e->text);
  if (status)
    *status = m ? 0 : e->status;
  return m;
}

typedef struct Opening {
  const BigsModule *module;
  const BigsDevice *device;   // of options without one
  uint64_t interface, header; // equal, or the program knows another interface
  const char *weights;
  const bigs_options *options;
} Opening;

static int check_interface(const Opening *x, BigsError *e) {
  return x->interface == x->header
             ? 0
             : bigs_fail(e, BIGS_EMODEL,
                         "the interface of %s has changed since this program was compiled: "
                         "compile it again with "
                         "the header that was written beside the library",
                         x->module->model);
}

static bigs_model *open_model(const Opening *x, char *error, size_t error_size) {
  bigs_options o;
  BigsError e = {0};
  int err = take_options(x->options, &o, &e);
  err = err ? err : check_interface(x, &e);
  o.device = o.device ? o.device : x->device;
  bigs_model *m = err ? NULL : new_model(x->module, &o, &e);
  if (m)
    m = opened(m, set_up(m, x->weights, &o), &e);
  return hand_over(m, &e, o.status, error, error_size);
}

bigs_model *bigs_model_open_with(const BigsModule *module, const char *weights,
                                 const bigs_options *options, char *error, size_t error_size) {
  Opening x = {.module = module, .weights = weights, .options = options};
  return open_model(&x, error, error_size);
}

bigs_model *bigs_model_open(const BigsModule *module, const char *weights, char *error,
                            size_t error_size) {
  return bigs_model_open_with(module, weights, NULL, error, error_size);
}

bigs_model *bigs_model_open_checked(const BigsModule *module, const BigsDevice *device,
                                    uint64_t interface, uint64_t header, const char *weights,
                                    const bigs_options *options, char *error, size_t error_size) {
  Opening x = {module, device, interface, header, weights, options};
  return open_model(&x, error, error_size);
}

void bigs_model_close(bigs_model *m) {
  if (!m)
    return;
  for (int i = 0; m->binding && i < m->module->nprogram * BINDINGS; i++)
    binding_free(m, m->binding[i]);
  free(m->binding);
  optim_far_free(m);
  Region *const region[] = {&m->param,     &m->grad,  &m->moment[0],
                            &m->moment[1], &m->arena, &m->scratch};
  for (int i = 0; i < COUNT(region); i++)
    region_free(m, region[i]);
  m->device->close(m);
  free(m->notes);
  free(m->unread);
  free(m);
}

const char *bigs_model_error(const bigs_model *m) {
  return m ? m->error.text : "there is no model: it did not open";
}
const char *bigs_model_notes(const bigs_model *m) {
  return m && m->notes ? m->notes : "";
}

// ---- names
int bigs_model_entry(const BigsModule *module, const char *name) {
  return module_program(module, BIGS_ENTRY, name);
}
int bigs_model_train(const BigsModule *module, const char *name) {
  for (int i = 0; i < module->ntrain; i++)
    if (!strcmp(module->train[i].name, name))
      return i;
  return -1;
}
int bigs_model_parameter(const BigsModule *module, const char *name) {
  for (int i = 0; i < module->nparam; i++)
    if (!strcmp(module->param[i].name, name))
      return i;
  return -1;
}

// ---- running
static int run_entry(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                     void *const *outputs) {
  if (program < 0 || program >= m->module->nprogram ||
      m->module->program[program].kind != BIGS_ENTRY)
    return bigs_fail(&m->error, BIGS_EUSAGE, "program %d is not an entry", program);
  return exec_run(m, program, dims, inputs, outputs, (RunFlags){.seed = m->seed, .step = m->step});
}

int bigs_model_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                   void *const *outputs) {
  return begin(m) ? run_entry(m, program, dims, inputs, outputs) : BIGS_EUSAGE;
}

int bigs_model_run_on(bigs_model *m, int program, void *queue, const int64_t *dims,
                      const void *const *inputs, void *const *outputs) {
  if (!begin(m))
    return BIGS_EUSAGE;
  m->far = true;
  m->queue = queue;
  int err = run_entry(m, program, dims, inputs, outputs);
  m->far = false;
  m->queue = NULL;
  return err;
}

int model_gradient(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                   float *loss, bool check) {
  if (train < 0 || train >= m->module->ntrain)
    return bigs_fail(&m->error, BIGS_EUSAGE, "there is no train block %d", train);
  float value = 0;
  RunFlags flags = {.check = check, .seed = team_seed(m), .step = m->step};
  void *outputs[] = {&value};
  int err = exec_run(m, m->module->train[train].program, dims, inputs, outputs, flags);
  if (!err && loss)
    *loss = value;
  return err;
}

int bigs_model_grad(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss) {
  if (!begin(m))
    return BIGS_EUSAGE;
  return model_gradient(m, train, dims, inputs, loss, false);
}

int model_step(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
               const void *const *inputs, int64_t count, float *loss, OptReport *report) {
  float value = 0;
  double weight;
  int err = recipe_check(&m->module->train[train], r, &m->error);
  err = err ? err : optim_needs(m, train, r, &m->later);
  err = err ? err : model_gradient(m, train, dims, inputs, &value, false);
  m->later = (Needs){0};
  err = team_loss(m, err, (double)count, &value, &weight);
  if (err)
    return err;
  if (loss)
    *loss = value;
  if (!isfinite(value))
    return bigs_fail(&m->error, BIGS_ENUMERIC, "the loss is %g", bigs_shown(value));
  err = optim_step(m, train, r, weight, report);
  if (!err)
    weights_trained(m, train);
  return err;
}

int bigs_model_step(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss) {
  if (!begin(m))
    return BIGS_EUSAGE;
  if (train < 0 || train >= m->module->ntrain)
    return bigs_fail(&m->error, BIGS_EUSAGE, "there is no train block %d", train);
  TrainRecipe r = recipe_of(&m->module->train[train]);
  return model_step(m, train, &r, dims, inputs, 1, loss, NULL);
}

// ---- files
int bigs_model_save(bigs_model *m, const char *path, const char *names) {
  if (!begin(m))
    return BIGS_EUSAGE;
  return path ? weights_save(m, path, names)
              : bigs_fail(&m->error, BIGS_EUSAGE, "no path to save to");
}
int bigs_model_load(bigs_model *m, const char *path) {
  if (!begin(m))
    return BIGS_EUSAGE;
  return path ? weights_load(m, path) : bigs_fail(&m->error, BIGS_EUSAGE, "no path to load from");
}

// ---- parameters
static int region_of(bigs_model *m, bigs_what what, int index, Region **out, char **arena) {
  if (index < 0 || index >= m->module->nparam)
    return bigs_fail(&m->error, BIGS_EUSAGE, "there is no parameter %d", index);
  Region *const region[] = {&m->param, &m->grad, &m->moment[0], &m->moment[1]};
  if ((int)what < 0 || (int)what >= COUNT(region) || !region[what]->p)
    return bigs_fail(&m->error, BIGS_EUSAGE, "parameter %s has no such values yet",
                     m->module->param[index].name);
  *out = region[what];
  *arena = region_look(m, *out);
  return *arena ? 0 : m->error.status;
}

int bigs_model_get(bigs_model *m, bigs_what what, int index, void *dense) {
  Region *r = NULL;
  char *arena = NULL;
  if (!begin(m))
    return BIGS_EUSAGE;
  if (region_of(m, what, index, &r, &arena))
    return m->error.status;
  param_get(&m->module->param[index], arena, dense);
  return 0;
}

int bigs_model_set(bigs_model *m, bigs_what what, int index, const void *dense) {
  Region *r = NULL;
  char *arena = NULL;
  if (!begin(m))
    return BIGS_EUSAGE;
  if (region_of(m, what, index, &r, &arena))
    return m->error.status;
  param_set(&m->module->param[index], arena, dense);
  if (m->unread && what == BIGS_THE_WEIGHT)
    m->unread[index] = 0;
  m->weights_version++;
  return region_put(m, r);
}

// What the handle of a compiled model does: run, step, save.  See bigs.h.
#include "runtime/exec/cpu.h"
#include "runtime/exec/optim.h"
#include "runtime/exec/team.h"
#include "runtime/exec/weights.h"
#include "base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool model_begin(bigs_model *m) {
  if (!m)
    return false;
  m->error.status = 0;
  m->error.text[0] = 0;
  return true;
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
  return model_begin(m) ? run_entry(m, program, dims, inputs, outputs) : BIGS_EUSAGE;
}

int bigs_model_run_on(bigs_model *m, int program, void *queue, const int64_t *dims,
                      const void *const *inputs, void *const *outputs) {
  if (!model_begin(m))
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
  if (!model_begin(m))
    return BIGS_EUSAGE;
  return model_gradient(m, train, dims, inputs, loss, false);
}

// The gradient, a look at the loss, the optimizer's step.  err: what has gone wrong before.
static int step_in_parts(bigs_model *m, int err, int train, const TrainRecipe *r,
                         const int64_t *dims, const void *const *inputs, int64_t count, float *loss,
                         OptReport *report) {
  float value = 0;
  double weight;
  err = err ? err : model_gradient(m, train, dims, inputs, &value, false);
  m->later = (Needs){0};
  err = team_loss(m, err, (double)count, &value, &weight);
  if (err)
    return err;
  *loss = value;
  err = optim_loss(m, value);
  OptShare share = {.weight = weight, .unit = 1};
  return err ? err : optim_step(m, train, r, share, report);
}

int model_step(bigs_model *m, int train, const TrainRecipe *r, const int64_t *dims,
               const void *const *inputs, int64_t count, float *loss, OptReport *report) {
  float value, *out = loss ? loss : &value;
  int err = recipe_check(&m->module->train[train], r, &m->error);
  err = err ? err : team_cut(m, 1);
  err = err ? err : region_own(m, &m->param, "parameters");
  err = err ? err : optim_needs(m, train, r, &m->later);
  err = !err && optim_at_once(m, train)
            ? optim_whole(m, train, r, dims, inputs, out, report)
            : step_in_parts(m, err, train, r, dims, inputs, count, out, report);
  if (!err)
    weights_trained(m, train);
  return err;
}

int bigs_model_step(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss) {
  if (!model_begin(m))
    return BIGS_EUSAGE;
  if (train < 0 || train >= m->module->ntrain)
    return bigs_fail(&m->error, BIGS_EUSAGE, "there is no train block %d", train);
  TrainRecipe r = recipe_of(&m->module->train[train]);
  return model_step(m, train, &r, dims, inputs, 1, loss, NULL);
}

// ---- files
int bigs_model_save(bigs_model *m, const char *path, const char *names) {
  if (!model_begin(m))
    return BIGS_EUSAGE;
  return path ? weights_save(m, path, names)
              : bigs_fail(&m->error, BIGS_EUSAGE, "no path to save to");
}
int bigs_model_load(bigs_model *m, const char *path) {
  if (!model_begin(m))
    return BIGS_EUSAGE;
  return path ? weights_load(m, path) : bigs_fail(&m->error, BIGS_EUSAGE, "no path to load from");
}

// ---- parameters
static int region_of(bigs_model *m, bigs_what what, int index, bool write, Region **out,
                     char **arena) {
  if (index < 0 || index >= m->module->nparam)
    return bigs_fail(&m->error, BIGS_EUSAGE, "there is no parameter %d", index);
  Region *const region[] = {&m->param, &m->grad, &m->moment[0], &m->moment[1],
                            &m->moment[MOMENT_AVERAGE]};
  if ((int)what < 0 || (int)what >= COUNT(region) || !region[what]->p)
    return bigs_fail(&m->error, BIGS_EUSAGE, "parameter %s has no such values yet",
                     m->module->param[index].name);
  *out = region[what];
  if (write && region_own(m, *out, "parameters"))
    return m->error.status;
  *arena = region_look(m, *out);
  return *arena ? 0 : m->error.status;
}

int bigs_model_get(bigs_model *m, bigs_what what, int index, void *dense) {
  Region *r = NULL;
  char *arena = NULL;
  if (!model_begin(m))
    return BIGS_EUSAGE;
  if (region_of(m, what, index, false, &r, &arena))
    return m->error.status;
  param_get(&m->module->param[index], arena, dense);
  return 0;
}

int bigs_model_set(bigs_model *m, bigs_what what, int index, const void *dense) {
  Region *r = NULL;
  char *arena = NULL;
  if (!model_begin(m))
    return BIGS_EUSAGE;
  if (region_of(m, what, index, true, &r, &arena))
    return m->error.status;
  param_set(&m->module->param[index], arena, dense);
  if (m->unread && what == BIGS_THE_WEIGHT)
    m->unread[index] = 0;
  m->weights_version++;
  return region_put(m, r);
}

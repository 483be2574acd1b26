// Handles of a compiled model, opened and closed.  See bigs.h.
#include "runtime/exec/again.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/extend.h"
#include "runtime/exec/optim.h"
#include "runtime/exec/team.h"
#include "base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int new_parameters(bigs_model *m) {
  int err = region_set(m, &m->param, (size_t)m->module->param_bytes, "parameters");
  return err ? err : region_sharable(m, &m->param);
}

static char *copied(bigs_model *m, const void *from, size_t bytes) {
  char *to = from ? MODEL_ALLOC(m, char, bytes, "names of files") : NULL;
  if (to)
    memcpy(to, from, bytes);
  return to;
}

// Notes of the weights, and which parameters they lack, for a handle that has them.
static int copy_lacks(bigs_model *m, const char *notes, const uint8_t *unread) {
  m->notes = copied(m, notes, notes ? strlen(notes) + 1 : 0);
  m->unread = (uint8_t *)copied(m, unread, (size_t)m->module->nparam);
  return !m->notes != !notes || !m->unread != !unread ? m->error.status : 0;
}

// Fresh values of what the weights lack, beside those that they have.
static int add_fresh(bigs_model *m) {
  region_free(m, &m->param);
  int err = new_parameters(m);
  err = err ? err : exec_init(m, m->unread);
  err = err ? err : weights_take(m, (const char *)m->module->weights);
  free(m->unread);
  m->unread = NULL;
  return err;
}

// Those that the library carries: they are read where they are.
static int weights_inside(bigs_model *m) {
  const BigsModule *module = m->module;
  Region inside = {.p = (char *)(uintptr_t)module->weights,
                   .bytes = (size_t)module->param_bytes,
                   .lent = true,
                   .constant = true};
  int err = copy_lacks(m, module->notes, module->unread);
  if (err)
    return err;
  if (m->device->host)
    m->param = inside;
  else if (new_parameters(m) || m->device->put(m, m->param.p, inside.p, inside.bytes))
    return m->error.status;
  return m->fresh && m->unread ? add_fresh(m) : 0;
}

// For the vocabulary, which is read when it is needed.
static int keep_paths(bigs_model *m, const char *files, const char *vocab) {
  m->files = copied(m, files, files ? strlen(files) + 1 : 0);
  m->vocab = copied(m, vocab, vocab ? strlen(vocab) + 1 : 0);
  return !m->files != !files || !m->vocab != !vocab ? m->error.status : 0;
}

static int keep_extend(bigs_model *m, const char *text) {
  if (!text || !*text)
    return 0;
  m->extend = MODEL_ALLOC(m, uint8_t, m->module->nparam + 1, "names of parameters");
  return m->extend ? extend_read(m->module, text, m->extend, &m->error) : m->error.status;
}

static int set_up(bigs_model *m, const char *weights, const bigs_options *o) {
  if (check_module(m) || check_device(m, o) || keep_extend(m, o->extend))
    return m->error.status;
  if (m->device->open(m, o->threads))
    return m->error.status;
  m->binding = MODEL_ALLOC(m, Binding *, m->module->nprogram, "bindings");
  if (!m->binding || keep_paths(m, weights, o->vocab))
    return m->error.status;
  if (!weights && !o->unset && m->module->weights)
    return weights_inside(m);
  int err = new_parameters(m);
  return err || (!weights && o->unset) ? err
         : weights                     ? weights_load(m, weights)
                                       : exec_init(m, NULL);
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
                    .moment_train = -1,
                    .fresh = o->fresh != 0,
                    .asked = *o};
  m->asked.status = NULL; // the caller's, of that call
  m->asked.vocab = m->asked.extend = NULL;
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

// ---- clones
static int set_up_clone(bigs_model *m, bigs_model *of) {
  if (of->device->wait(of)) { // for weights that are on their way
    m->error = of->error;
    return m->error.status;
  }
  if (m->device->open(m, m->asked.threads))
    return m->error.status;
  m->binding = MODEL_ALLOC(m, Binding *, m->module->nprogram, "bindings");
  if (!m->binding || copy_lacks(m, of->notes, of->unread) || keep_paths(m, of->files, of->vocab))
    return m->error.status;
  if (of->text && of->text_ops->share(m, of->text))
    return m->error.status;
  m->extend = (uint8_t *)copied(m, of->extend, (size_t)m->module->nparam + 1);
  if (of->extend && !m->extend)
    return m->error.status;
  m->seed = of->seed;
  m->step = of->step;
  region_share(&of->param, &m->param);
  return 0;
}

bigs_model *bigs_model_clone(const bigs_model *model, char *error, size_t error_size) {
  bigs_model *of = (bigs_model *)(uintptr_t)model, *m = NULL;
  BigsError e = {0};
  if (!of)
    bigs_fail(&e, BIGS_EUSAGE, "%s", bigs_model_error(NULL));
  else if ((m = new_model(of->module, &of->asked, &e)) != NULL)
    m = opened(m, set_up_clone(m, of), &e);
  return hand_over(m, &e, NULL, error, error_size);
}

void bigs_model_close(bigs_model *m) {
  if (!m)
    return;
  bindings_free(m);
  again_free(m);
  optim_far_free(m);
  team_leave(m);
  Region *const region[] = {&m->param, &m->grad, &m->arena, &m->scratch};
  for (int i = 0; i < COUNT(region); i++)
    region_free(m, region[i]);
  for (int i = 0; i < MOMENTS; i++)
    region_free(m, &m->moment[i]);
  for (int i = 0; i < PIECE_LEVELS; i++)
    region_free(m, &m->piece_sum[i]);
  m->device->close(m);
  if (m->text)
    m->text_ops->close(m->text);
  free(m->files);
  free(m->vocab);
  free(m->notes);
  free(m->unread);
  free(m->extend);
  free(m);
}

const char *bigs_model_error(const bigs_model *m) {
  return m ? m->error.text : "there is no model: it did not open";
}
const char *bigs_model_notes(const bigs_model *m) {
  return m && m->notes ? m->notes : "";
}

// bigsc run, grad, init, convert: values, gradients and parameters in and out of safetensors files.
#include "compiler/commands/cmd.h"
#include "compiler/commands/outputs.h"
#include "compiler/driver/session.h"
#include "base/edit.h"
#include "compiler/commands/tensors.h"
#include "runtime/files/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The one MODEL argument, and the options that a command cannot do without.
static int need(const Options *o, const char *verb, int nargs, const char *name,
                const char *value) {
  if (o->args.n != nargs) {
    fprintf(stderr, "bigsc %s: %s; see `bigsc %s --help`\n", verb,
            o->args.n < nargs ? "which model?" : "too many arguments", verb);
    return EXIT_USAGE;
  }
  if (name && !value) {
    fprintf(stderr, "bigsc %s: %s is missing; see `bigsc %s --help`\n", verb, name, verb);
    return EXIT_USAGE;
  }
  return 0;
}

static int load(Session *s, const Options *o) {
  int status = session_load(s, o, o->args.v[0], true);
  if (!status && o->out && file_has_suffix(o->out, ".npy"))
    return session_error(s, EXIT_USAGE,
                         "--out %s: tensors are written as safetensors: name it .safetensors",
                         o->out);
  return status ? status : session_check_output(s, o->out, OUTPUT_NUMBERS);
}

// "[1, 0]" of element i.
static const char *place_text(Session *s, const Written *w, int64_t i) {
  const char *text = "]";
  for (int k = w->rank; k-- > 0; i /= w->shape[k])
    text = session_text(s, "%s%lld%s", k ? ", " : "", (long long)(i % w->shape[k]), text);
  return session_text(s, "[%s", text);
}

// Of a mean over no places, say: who reads the file may miss it.
static void warn_of_nans(Session *s, const Written *w, int64_t n) {
  int64_t nans = 0, first = 0;
  for (int64_t i = dtype_is_float((DType)w->dtype) ? n : 0; i-- > 0;)
    if (isnan(dtype_get((DType)w->dtype, w->data, i))) {
      nans++;
      first = i;
    }
  if (nans)
    session_error(s, 0,
                  "warning: %lld of the %lld elements of `%s` are not numbers, the first at %s",
                  (long long)nans, (long long)n, w->name, place_text(s, w, first));
}

static int write_output(Session *s, const Written *w, int64_t n) {
  int status = tensors_write(s, s->o->out, w, 1);
  if (!status)
    warn_of_nans(s, w, n);
  return status;
}

static int run_entry(Session *s, int program) {
  const BigsProgram *p = &s->module->program[program];
  int64_t dims[MAX_SYMS], shape[BIGS_MAX_RANK];
  const void **inputs = NEWN(s->arena, const void *, p->ninput + 1);
  int status = session_read_inputs(s, s->o->in, p, dims, inputs);
  if (status)
    return status;
  const BigsTensor *t = &p->output[0];
  int64_t n = tensor_elements(t, dims);
  for (int i = 0; i < t->rank && n >= 0; i++)
    shape[i] = poly_eval(&t->extent[i], dims);
  void *out = n < 0 ? NULL : calloc((size_t)n + 1, (size_t)dtype_size((DType)t->dtype));
  if (!out)
    return session_error(s, EXIT_MODEL, "out of memory for `%s`: the given dims are too large",
                         t->name);
  status = bigs_model_run(s->handle, program, dims, inputs, &out);
  if (status)
    session_error(s, status, "%s", bigs_model_error(s->handle));
  else
    status = write_output(s, &(Written){p->name, t->dtype, t->rank, shape, out}, n);
  free(out);
  return status;
}

int cmd_RUN(const Options *o) {
  Session s;
  int status = need(o, "run", 1, "--entry", o->entry);
  status = status ? status : need(o, "run", 1, "--in", o->in);
  status = status ? status : need(o, "run", 1, "--out", o->out);
  if (status)
    return status;
  BuildWant want = {.entries = &o->entry, .nentries = 1, .init = !o->weights};
  status = load(&s, o);
  status = status ? status : session_needs_model(&s);
  if (!status && s.model && !model_entry(s.model, o->entry))
    status = session_no_entry(&s, o->args.v[0], o->entry);
  status = status ? status : session_compile(&s, &want);
  int program = status ? -1 : session_entry(&s, o->entry);
  s.unnoted = !o->verbose; // as in trained_compile
  s.lacking = "left out";
  if (!status)
    status = program < 0 ? EXIT_MODEL : session_open(&s);
  if (!status)
    status = run_entry(&s, program);
  session_close(&s);
  return status;
}

// ---- gradients

static int no_block(Session *s, const char *name) {
  Nearest near = {.wanted = name};
  const char *list = "native";
  nearest_add(&near, list);
  for (int i = 0; i < s->module->ncheckpoint; i++) {
    nearest_add(&near, s->module->checkpoint[i].name);
    list = session_text(s, "%s, %s", list, s->module->checkpoint[i].name);
  }
  return session_error(s, EXIT_MODEL, "%s has no checkpoint block `%s`; there are: %s%s",
                       s->module->model, name, list,
                       near.best ? session_text(s, "; did you mean `%s`?", near.best) : "");
}

static const BigsCheckpoint *names_block(Session *s, int *status) {
  const char *name = s->o->names;
  *status = 0;
  for (int i = 0; name && i < s->module->ncheckpoint; i++)
    if (!strcmp(s->module->checkpoint[i].name, name))
      return &s->module->checkpoint[i];
  if (name && strcmp(name, "native"))
    *status = no_block(s, name);
  return NULL;
}

// data, dense in native order, in the layout of a stored tensor.
static const void *in_layout(Session *s, const BigsParam *p, const BigsName *b, const char *data) {
  int elem = p->dtype == DT_F64 ? 8 : 4;
  int64_t n = 1, at[BIGS_MAX_RANK] = {0};
  for (int i = 0; i < p->rank; i++)
    n *= p->extent[i];
  char *out = arena_alloc(s->arena, (size_t)(n * elem) + 16);
  for (int64_t k = 0; k < n; k++) {
    int64_t place = 0;
    for (int i = 0; i < p->rank; i++)
      place += at[i] * b->stride[i];
    memcpy(out + place * elem, data + k * elem, (size_t)elem);
    for (int i = p->rank - 1; i >= 0 && ++at[i] == p->extent[i]; i--)
      at[i] = 0;
  }
  return out;
}

static int write_gradients(Session *s, const float *loss) {
  const BigsModule *m = s->module;
  int status;
  const BigsCheckpoint *block = names_block(s, &status);
  if (status)
    return status;
  Written *w = NEWN(s->arena, Written, m->nparam + 1);
  w[0] = (Written){.name = "loss", .dtype = DT_F32, .data = loss};
  for (int i = 0; i < m->nparam; i++) {
    const BigsParam *p = &m->param[i];
    int64_t n = p->dtype == DT_F64 ? 8 : 4;
    for (int k = 0; k < p->rank; k++)
      n *= p->extent[k];
    void *data = arena_alloc(s->arena, (size_t)n + 16);
    if ((status = bigs_model_get(s->handle, BIGS_THE_GRADIENT, i, data)))
      return session_error(s, status, "%s", bigs_model_error(s->handle));
    const BigsName *b = block ? &block->entry[i] : NULL;
    w[i + 1] = (Written){.name = session_text(s, "grad.%s", b ? b->stored : p->name),
                         .dtype = p->dtype,
                         .rank = b ? b->rank : p->rank,
                         .shape = b ? b->shape : p->extent,
                         .data = b ? in_layout(s, p, b, data) : data};
  }
  return tensors_write(s, s->o->out, w, m->nparam + 1);
}

static int run_gradient(Session *s, int train) {
  const BigsProgram *p = &s->module->program[s->module->train[train].program];
  int64_t dims[MAX_SYMS];
  const void **inputs = NEWN(s->arena, const void *, p->ninput + 1);
  float loss = 0;
  int status = session_read_inputs(s, s->o->in, p, dims, inputs);
  if (!status && (status = bigs_model_grad(s->handle, train, dims, inputs, &loss)))
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  status = status ? status : session_check_loss(s, loss);
  status = status ? status : session_check_gradients(s);
  if (!status)
    status = write_gradients(s, &loss);
  if (!status && !s->o->quiet)
    fprintf(options_log(s->o), "loss %.9g\n", loss);
  return status;
}

static bool draws(const BigsProgram *p) {
  for (int i = 0; i < p->nstep; i++)
    for (int k = 0; k < p->step[i].nscalar; k++)
      if (p->step[i].scalar[k].kind == 1)
        return true;
  return false;
}

// A .so was compiled to train, with dropout.
static int without_dropout(Session *s, const BuildWant *want) {
  int train = session_train(s, s->o->train);
  if (train < 0)
    return EXIT_MODEL;
  return draws(&s->module->program[s->module->train[train].program]) ? session_recompile(s, want)
                                                                     : 0;
}

int cmd_GRAD(const Options *o) {
  Session s;
  int status = need(o, "grad", 1, "--in", o->in);
  status = status ? status : need(o, "grad", 1, "--out", o->out);
  if (status)
    return status;
  BuildWant want = {
      .trains = o->train ? &o->train : NULL, .ntrains = o->train ? 1 : -1, .init = !o->weights};
  status = load(&s, o);
  status = status ? status : s.so ? without_dropout(&s, &want) : session_compile(&s, &want);
  int train = status ? -1 : session_train(&s, o->train);
  if (!status)
    status = train < 0 ? EXIT_MODEL : session_open(&s);
  status = status ? status : session_check_finite(&s);
  if (!status)
    status = run_gradient(&s, train);
  session_close(&s);
  return status;
}

// ---- parameters

static int save(Session *s) {
  int status;
  names_block(s, &status);
  const char *names = s->o->names && strcmp(s->o->names, "native") ? s->o->names : NULL;
  if (!status && (status = bigs_model_save(s->handle, s->o->out, names)))
    session_error(s, status, "%s", bigs_model_error(s->handle));
  return status;
}

static int parameters(const Options *o, const char *verb) {
  Session s;
  int status = need(o, verb, 1, "-o", o->out);
  if (status)
    return status;
  BuildWant want = {.nentries = -1, .ntrains = -1, .init = true, .init_runs_alone = true};
  status = load(&s, o);
  status = status ? status : session_compile(&s, &want);
  s.lacking = "left out";
  status = status ? status : session_open(&s);
  status = status ? status : save(&s);
  session_close(&s);
  return status;
}

int cmd_INIT(const Options *o) {
  return parameters(o, "init");
}

int cmd_CONVERT(const Options *o) {
  if (!o->weights) {
    fprintf(stderr, "bigsc convert: --weights is missing; see `bigsc convert --help`\n");
    return EXIT_USAGE;
  }
  return parameters(o, "convert");
}

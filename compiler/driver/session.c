// Making a model ready to run: see session.h.
#include "compiler/driver/session.h"
#include "base/edit.h"
#include "codegen/llvm/jit.h"
#include "compiler/driver/gpu.h"
#include "compiler/driver/so.h"
#include "runtime/builtin.h"
#include "runtime/exec/exec.h"
#include "runtime/exec/match.h"
#include "runtime/files/file.h"
#include "runtime/foreign/foreign.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *session_text(Session *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *t = arena_vprintf(s->arena, fmt, ap);
  va_end(ap);
  return t;
}

static void print_renamed(const char *text, const char *path) {
  for (const char *at; (at = strstr(text, path)); text = at + strlen(path))
    fprintf(stderr, "%.*s<stdin>", (int)(at - text), text);
  fputs(text, stderr);
}

int session_error(const Session *s, int status, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "%sbigsc: ", s->color ? "\033[1;31m" : "");
  if (s->color)
    fprintf(stderr, "\033[0m");
  va_start(ap, fmt);
  if (s->stdin_path)
    print_renamed(arena_vprintf(s->arena, fmt, ap), s->stdin_path);
  else
    vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\n");
  return status;
}

int session_fail(const Session *s, const BigsError *e) {
  return session_error(s, e->status, "%s", e->text);
}

int session_diags(Session *s, int status) {
  bool errors = s->diags->errors > 0;
  if (s->diags->list.n)
    diags_print(stderr, s->diags, options_format(s->o), s->color);
  *s->diags = (Diags){.arena = s->arena}; // in place: the model goes on reporting to it
  return errors ? status : 0;
}

static Model *load(Session *s, const char *path, const char *text, const Defines *defs,
                   Diags *diags) {
  ModelOptions opt = {.defs = defs->v, .ndefs = defs->n, .forms = s->forms.v, .nforms = s->forms.n};
  return model_load(s->arena, s->names, diags, strcmp(path, "-") ? path : "<stdin>", text, &opt);
}

static int give_dim(Session *s, const Define *d, int sym) {
  char *end;
  errno = 0;
  long long v = strtoll(d->value, &end, 10);
  if (errno || *end || end == d->value || v < 1)
    return session_error(s, EXIT_MODEL, "-D %s=%s: a run-time dim is a whole number, at least 1",
                         d->name, d->value);
  s->given[sym] = v;
  return 0;
}

// -D of run-time dims that stay run-time: into s->given.  The rest goes to *defs.
static int split_defines(Session *s, const Model *m, bool fix, Defines *defs) {
  const ModelDim *dims;
  int n = model_ok(m) ? model_dims(m, &dims) : 0;
  for (int i = 0; i < s->o->defs.n; i++) {
    const Define *d = &s->o->defs.v[i];
    int k = 0;
    while (k < n && (strcmp(dims[k].name, d->name) || !dim_is_given(&dims[k])))
      k++;
    if (fix || k == n) {
      vec_push(s->arena, defs, *d);
      continue;
    }
    int status = give_dim(s, d, dims[k].sym);
    if (status)
      return status;
  }
  return 0;
}

static void note_fixed(Session *s, const Model *plain) {
  const ModelDim *was, *now;
  int n = model_ok(plain) && model_ok(s->model) ? model_dims(plain, &was) : 0;
  if (n)
    model_dims(s->model, &now);
  for (int i = 0; i < n; i++)
    if (now[i].fixed && dim_is_given(&was[i]))
      vec_push(s->arena, &s->fixed, now[i]);
}

static int load_text(Session *s, const char *path, bool fix) {
  // A first, silent load tells run-time dims and config keys apart; its errors come again in the
  // real one.
  Diags *quiet = NEW(s->arena, Diags);
  Defines none = {0}, own = {0}, defs = {0};
  quiet->arena = s->arena;
  const char *text;
  int status = session_source(s, path, &text);
  if (status)
    return status;
  Model *plain = load(s, path, text, &none, quiet);
  if (!s->o->resume)
    s->forms = s->o->forms;
  status = split_defines(s, plain, fix, &own);
  if (!status)
    status = session_config(s, plain, &own, &defs);
  if (status)
    return status;
  for (int i = 0; i < own.n; i++)
    vec_push(s->arena, &defs, own.v[i]);
  s->model = load(s, path, text, &defs, s->diags);
  note_fixed(s, plain);
  status = session_diags(s, EXIT_MODEL);
  return status ? status : session_forms(s);
}

// Code of a library is what it is.
static int so_runs_here(Session *s, const char *path) {
  if (s->o->target && !strcmp(s->o->target, "cuda"))
    return session_error(s, EXIT_USAGE,
                         "--target=cuda compiles a model's text, a .mdl: %s is compiled", path);
  if (!strcmp(s->module->target, "CUDA"))
    return session_error(s, EXIT_FILE,
                         "%s is compiled for CUDA, for programs that link with it: give the .mdl, "
                         "and --target=cuda",
                         path);
  if (s->o->forms.n)
    return session_error(s, EXIT_USAGE,
                         "--form %s=%s: %s is compiled, with the members that were taken then",
                         s->o->forms.v[0].name, s->o->forms.v[0].value, path);
  return 0;
}

static int load_so(Session *s, const char *path) {
  if (so_open(s->arena, path, &s->so, &s->module, &s->error))
    return session_fail(s, &s->error);
  int status = so_runs_here(s, path);
  if (status)
    return status;
  for (int i = 0; i < s->o->defs.n; i++) {
    const Define *d = &s->o->defs.v[i];
    int k = 0;
    while (k < s->module->ndim &&
           (strcmp(s->module->dim[k].name, d->name) || !dim_is_brought(&s->module->dim[k])))
      k++;
    if (k == s->module->ndim)
      return session_error(
          s, EXIT_MODEL,
          "-D %s: %s has no run-time dim of that name; the others were fixed when it was compiled",
          d->name, path);
    status = give_dim(s, d, k);
    if (status)
      return status;
  }
  return 0;
}

int session_start(Session *s, const Options *o) {
  *s = (Session){.o = o, .arena = arena_new(), .color = options_color(o)};
  s->names = intern_new(s->arena);
  s->diags = NEW(s->arena, Diags);
  s->diags->arena = s->arena;
  s->weights = o->weights;
  return s->weights ? session_stdin(s, &s->weights) : 0;
}

int session_load(Session *s, const Options *o, const char *path, bool fix) {
  int status = session_start(s, o);
  if (status)
    return status;
  return file_has_suffix(path, ".so") ? load_so(s, path) : load_text(s, path, fix);
}

const BigsBuiltinOps *const *session_builtins(void) {
  static const BigsBuiltinOps *const builtins[BIGS_BUILTIN_COUNT] = {
#define BUILTIN(id, name) [BIGS_##id] = &bigs_builtin_##name,
#include "runtime/builtin.def"
#undef BUILTIN
  };
  return builtins;
}

static void note_kernels(const Build *b, const BigsProgram *p, uint8_t *run) {
  for (int k = 0; k < p->nstep; k++)
    if (p->step[k].kind == BIGS_KERNEL && (p->kind == BIGS_INIT || !b->want->init_runs_alone))
      run[p->step[k].index] = 1;
  for (int i = 0; i < p->nother; i++)
    note_kernels(b, &p->other[i], run);
}

// 1 per kernel that is to be run.
static uint8_t *kernels_to_run(const Build *b) {
  uint8_t *run = NEWN(b->arena, uint8_t, b->nkernels + 1);
  for (int i = 0; i < b->module->nprogram; i++)
    note_kernels(b, &b->module->program[i], run);
  return run;
}

bool session_code(Build *b, Jit *jit, const char **error) {
  const uint8_t *run = kernels_to_run(b);
  VEC(LKernel *) list = {0};
  BigsKernel **code = NEWN(b->arena, BigsKernel *, b->nkernels + 1), **made;
  for (int i = 0; i < b->nkernels; i++)
    if (run[i])
      vec_push(b->arena, &list, b->kernels[i]);
  made = NEWN(b->arena, BigsKernel *, list.n + 1);
  if (!jit_kernels(jit, b->arena, list.v, list.n, 0, made, error))
    return false;
  for (int i = 0; i < b->nkernels; i++)
    code[i] = run[i] ? *made++ : NULL;
  b->module->kernel = code;
  b->module->builtin = session_builtins();
  return true;
}

static int compile_for_gpu(Session *s) {
  GpuCode how = {0};
  int err = gpu_code(&s->build, (int)s->o->threads, &s->gpu, &how, &s->error);
  if (err)
    return session_fail(s, &s->error);
  memcpy(s->gpu_name, how.name, sizeof s->gpu_name);
  s->device = &s->gpu.base;
  s->module = s->build.module;
  if (s->o->verbose || s->o->time_report)
    fprintf(stderr, "code for %s: %s in %.1f ms\n", how.name,
            how.cached ? "from the cache" : "compiled by NVRTC", how.seconds * 1e3);
  return 0;
}

static int compile_kernels(Session *s) {
  const char *error = NULL;
  if (s->build.options.gpu)
    return compile_for_gpu(s);
  s->jit = jit_new(s->arena, s->build.target, &error);
  if (!s->jit || !session_code(&s->build, s->jit, &error))
    return session_error(s, EXIT_MODEL, "%s", error);
  s->module = s->build.module;
  return 0;
}

static void report_times(const Session *s) {
  double total = 0;
  for (int i = 0; i < PASS_COUNT; i++) {
    fprintf(stderr, "%-14s %8.1f ms   %s\n", pass_name(i), s->build.seconds[i] * 1e3, pass_help(i));
    total += s->build.seconds[i];
  }
  JitStats j = s->jit ? jit_stats(s->jit) : (JitStats){0};
  if (s->jit)
    fprintf(stderr,
            "%-14s %8.1f ms   %d kernels: emission %.1f, passes %.1f, machine code %.1f (of all "
            "threads); %d from the cache\n",
            "llvm", (j.build + j.passes + j.code) * 1e3, j.compiled, j.build * 1e3, j.passes * 1e3,
            j.code * 1e3, j.kept);
  fprintf(stderr, "%-14s %8.1f ms\n", "passes", total * 1e3);
}

int session_needs_model(Session *s) {
  if (!s->model || model_name(s->model))
    return 0;
  return session_error(s, EXIT_MODEL, "%s has no model", s->o->args.v[0]);
}

BuildOptions session_build_options(const Options *o) {
  return (BuildOptions){.march = o->march,
                        .name = o->name,
                        .gpu = o->target && !strcmp(o->target, "cuda"),
                        .gpu_number = o->gpu,
                        .bf16 = options_bf16(o),
                        .int8 = options_int8(o),
                        .opt = (int)o->opt,
                        .dump_ir = o->dump_ir,
                        .dump_to = stderr,
                        .verify = o->verify_ir};
}

void session_take_int8(const Session *s, BuildOptions *b) {
  bool told = s->o->precision && strcmp(s->o->precision, "bf16") != 0;
  if (!s->int8 || told || b->gpu)
    return;
  b->int8 = true;
  b->int8_names = s->int8;
}

// Rows that weights lack may have to be drawn.
static bool build(Session *s, const BuildWant *want) {
  BuildOptions b = session_build_options(s->o);
  BuildWant *w = NEW(s->arena, BuildWant);
  *w = *want;
  session_take_int8(s, &b);
  w->init |= s->o->extends.n > 0;
  return build_module(&s->build, s->arena, s->names, s->diags, s->model, w, &b);
}

static int kernels_made(const Session *s) {
  JitStats made = s->jit ? jit_stats(s->jit) : (JitStats){.compiled = s->build.nkernels};
  return made.compiled + made.reused + made.kept;
}

static int finish(Session *s, bool built) {
  const Options *o = s->o;
  if (!built)
    return session_diags(s, EXIT_MODEL);
  session_diags(s, 0);
  int status = compile_kernels(s);
  if (!status && o->time_report)
    report_times(s);
  if (!status && o->verbose)
    fprintf(stderr, "compiled %s for %s at -O%d: %d programs, %d kernels\n", model_name(s->model),
            s->build.target->cpu, (int)o->opt, s->module->nprogram, kernels_made(s));
  return status;
}

int session_needs_code(Session *s, bool gpu) {
  const char *missing = gpu ? NULL : target_missing();
  return missing ? session_error(s, EXIT_FILE, "%s", missing) : 0;
}

// A model's text, and a compiler for what it is to run on.
static int needs_model_and_code(Session *s) {
  int status = session_needs_model(s);
  return status || !s->model ? status : session_needs_code(s, session_build_options(s->o).gpu);
}

int session_compile(Session *s, const BuildWant *want) {
  int lacking = needs_model_and_code(s);
  return lacking || !s->model ? lacking : finish(s, build(s, want));
}

int session_recompile(Session *s, const BuildWant *want) {
  const BigsModule *m = s->module;
  Defines defs = {0};
  for (int i = 0; i < m->nconst; i++)
    vec_push(s->arena, &defs,
             (Define){m->constant[i].name, session_text(s, "%.17g", m->constant[i].value)});
  for (int i = 0; i < m->nform; i++)
    vec_push(s->arena, &s->forms, ((Define){m->form[i].value, m->form[i].member}));
  s->model = load(s, session_text(s, "%s.mdl", m->model), m->mdl, &defs, s->diags);
  int status = session_diags(s, EXIT_MODEL);
  if (status)
    return status;
  return session_compile(s, want);
}

static int check_region(Session *s, Region *r) {
  int status = exec_check_finite(s->handle, r);
  return status ? session_error(s, status, "%s", bigs_model_error(s->handle)) : 0;
}

int session_check_finite(Session *s) {
  return check_region(s, &s->handle->param);
}

int session_check_gradients(Session *s) {
  return check_region(s, &s->handle->grad);
}

int session_check_loss(Session *s, double loss) {
  return isfinite(loss)
             ? 0
             : session_error(s, EXIT_NUMERIC, "the loss is %s, though every parameter is finite",
                             isnan(loss) ? "not a number" : "infinite");
}

void session_close(Session *s) {
  if (s->handle && s->o->verbose && *s->handle->remark)
    fprintf(stderr, "%s\n", s->handle->remark);
  bigs_model_close(s->handle);
  jit_free(s->jit);
  if (s->so)
    so_close(s->so);
  if (s->stdin_copy)
    fclose(s->stdin_copy);
  arena_free(s->arena);
}

// All that the model has, not only what was asked for and so compiled.
static const char *list_names(Session *s, int kind) {
  const char *text = "";
  const ModelValue *entry = NULL;
  const Recipe *const *train = NULL;
  int entries = s->model && kind == BIGS_ENTRY ? model_entries(s->model, &entry) : 0;
  int trains = s->model && kind == BIGS_GRADIENT ? model_trains(s->model, &train) : 0;
  for (int i = 0; i < entries; i++)
    text = session_text(s, "%s%s%s", text, *text ? ", " : "", entry[i].name);
  for (int i = 0; i < trains; i++)
    if (train[i]->has_loss)
      text = session_text(s, "%s%s%s", text, *text ? ", " : "", train[i]->name);
  for (int i = 0; !s->model && i < s->module->nprogram; i++)
    if (s->module->program[i].kind == kind)
      text = session_text(s, "%s%s%s", text, *text ? ", " : "", s->module->program[i].name);
  return *text ? text : "none";
}

const char *session_near(Session *s, const char *wanted, const char *list) {
  Nearest near = {.wanted = wanted};
  for (const char *p = list; *p; p += strspn(p, ", ")) {
    size_t n = strcspn(p, ",");
    nearest_add(&near, session_text(s, "%.*s", (int)n, p));
    p += n;
  }
  return near.best ? session_text(s, "; did you mean `%s`?", near.best) : "";
}

int session_no_entry(Session *s, const char *model, const char *name) {
  const char *list = list_names(s, BIGS_ENTRY);
  return session_error(s, EXIT_MODEL, "%s has no entry `%s`; it has: %s%s", model, name, list,
                       session_near(s, name, list));
}

int session_entry(Session *s, const char *name) {
  for (int i = 0; i < s->module->nprogram; i++)
    if (s->module->program[i].kind == BIGS_ENTRY && !strcmp(s->module->program[i].name, name))
      return i;
  session_no_entry(s, s->module->model, name);
  return -1;
}

int session_train(Session *s, const char *name) {
  if (!name && s->module->ntrain == 1)
    return 0;
  for (int i = 0; name && i < s->module->ntrain; i++)
    if (!strcmp(s->module->train[i].name, name))
      return i;
  const char *list = list_names(s, BIGS_GRADIENT);
  if (name && s->model && model_name(s->model) && model_train(s->model, name))
    session_error(s, EXIT_MODEL, "train block `%s` has no loss: there is nothing to train", name);
  else if (name)
    session_error(s, EXIT_MODEL, "%s has no train block `%s`; it has: %s%s", s->module->model, name,
                  list, session_near(s, name, list));
  else
    session_error(s, EXIT_USAGE, "which train block? --train NAME; there are: %s", list);
  return -1;
}

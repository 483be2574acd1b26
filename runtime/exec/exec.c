// Execution of bound programs.
#include "runtime/exec/exec.h"
#include "base/dtype.h"
#include "runtime/exec/float_mode.h"
#include "base/clock.h"
#include "base/rng.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- what the caller passed
static int64_t tensor_elements(const BigsTensor *t, const int64_t *sym) {
  int64_t n = 1, extent;
  for (int a = 0; a < t->rank; a++)
    if (!poly_size(&t->extent[a], sym, &extent) || __builtin_mul_overflow(n, extent, &n))
      return -1;
  return n;
}

// "ids[3, 17] = 40000: must be 0 to 30521"
static int report_id(bigs_model *m, const BigsTensor *t, const int64_t *sym, int64_t at,
                     int32_t value, int64_t limit) {
  char place[160] = "";
  int64_t index[BIGS_MAX_RANK], extent;
  for (int a = t->rank - 1; a >= 0; a--) {
    poly_size(&t->extent[a], sym, &extent);
    index[a] = at % extent;
    at /= extent;
  }
  for (int a = 0, n = 0; a < t->rank; a++)
    n += snprintf(place + n, sizeof place - (size_t)n, "%s%" PRId64 "%s", a ? ", " : "[", index[a],
                  a + 1 == t->rank ? "]" : "");
  return bigs_fail(&m->error, BIGS_EMODEL, "%s%s = %" PRId32 ": must be 0 to %" PRId64, t->name,
                   place, value, limit - 1);
}

static int check_ids(bigs_model *m, const BigsTensor *t, const int64_t *sym, const int32_t *id,
                     int64_t n) {
  int64_t limit;
  if (!t->limit.n || t->dtype != DT_I32 || !poly_size(&t->limit, sym, &limit))
    return 0;
  for (int64_t i = 0; i < n; i++)
    if (id[i] < 0 || id[i] >= limit)
      return report_id(m, t, sym, i, id[i], limit);
  return 0;
}

static void fill(void *out, int dtype, double value, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    switch (dtype) {
    case DT_BOOL: ((uint8_t *)out)[i] = value != 0; break;
    case DT_I32: ((int32_t *)out)[i] = (int32_t)value; break;
    case DT_F64: ((double *)out)[i] = value; break;
    case DT_BF16: ((uint16_t *)out)[i] = bf16_of(value); break;
    default: ((float *)out)[i] = (float)value;
    }
}

// The memory that stands for input i: the caller's, or its default's.
static int take_input(bigs_model *m, Binding *b, int i, const void *given, void **out) {
  const BigsTensor *t = &m->module->input[b->program->input[i]];
  int64_t n = tensor_elements(t, b->sym);
  if (n < 0)
    return bigs_fail(&m->error, BIGS_EMODEL, "%s: size of input %s is negative or too large",
                     b->program->name, t->name);
  if (given) {
    *out = (void *)(uintptr_t)given;
    return check_ids(m, t, b->sym, (const int32_t *)given, n);
  }
  if (!t->optional)
    return bigs_fail(&m->error, BIGS_EUSAGE, "%s: input %s is missing", b->program->name, t->name);
  if (!b->fallback[i]) {
    b->fallback[i] = model_alloc(m, (size_t)n, (size_t)dtype_size((DType)t->dtype), t->name);
    if (!b->fallback[i])
      return m->error.status;
    fill(b->fallback[i], t->dtype, t->fallback, n);
  }
  *out = b->fallback[i];
  return 0;
}

// ---- addresses
static int resolve(bigs_model *m, Binding *b, const void *const *inputs, void *const *outputs) {
  const BigsProgram *p = b->program;
  int err = 0;
  for (int i = 0; i < p->nbuffer && !err; i++) {
    const BoundBuffer *r = &b->buffer[i];
    void *at = NULL;
    switch (r->where) {
    case BIGS_ARENA: at = m->arena.p; break;
    case BIGS_KEPT: at = b->kept.p; break;
    case BIGS_INPUT: err = take_input(m, b, r->index, inputs ? inputs[r->index] : NULL, &at); break;
    case BIGS_OUTPUT:
      at = outputs ? outputs[r->index] : NULL;
      if (!at)
        err = bigs_fail(&m->error, BIGS_EUSAGE, "%s: output %s is missing", p->name,
                        p->output[r->index].name);
      break;
    case BIGS_PARAM: at = m->param.p; break;
    case BIGS_GRAD: at = m->grad.p; break;
    case BIGS_CONSTANT: at = (void *)(uintptr_t)r->data; break;
    }
    b->base[i] = at ? (char *)at + r->offset : NULL;
  }
  return err;
}

static int ready_memory(bigs_model *m, Binding *b) {
  if (b->kept_bytes && !b->kept.p) {
    b->kept_version = 0;
    if (region_set(m, &b->kept, (size_t)b->kept_bytes, "values kept between calls"))
      return m->error.status;
  }
  if (b->arena_bytes > m->arena_used)
    m->arena_used = b->arena_bytes;
  // A little room for growth: sizes that vary from call to call (masked rows) do not make new pages
  // each time.
  if ((size_t)b->arena_bytes > m->arena.bytes &&
      region_set(m, &m->arena, (size_t)(b->arena_bytes + b->arena_bytes / 8), "activations"))
    return m->error.status;
  if ((size_t)b->scratch_bytes > m->scratch.bytes &&
      region_set(m, &m->scratch, (size_t)b->scratch_bytes, "scratch memory"))
    return m->error.status;
  return b->program->kind == BIGS_GRADIENT
             ? exec_ready_gradients(m, (int)(b->program - m->module->program))
             : 0;
}

int exec_ready_gradients(bigs_model *m, int program) {
  if (!m->grad.p && region_set(m, &m->grad, (size_t)m->module->param_bytes, "gradients"))
    return m->error.status;
  if (m->grad_program != program && m->grad.p)
    memset(m->grad.p, 0, m->grad.bytes);
  m->grad_program = program;
  return 0;
}

// ---- steps
typedef struct KernelJob {
  BigsKernel *kernel;
  BigsFrame frame;
  char *scratch;
  int64_t stride;
} KernelJob;
static void run_task(void *ctx, int64_t task, int thread) {
  const KernelJob *j = (const KernelJob *)ctx;
  // A step without scratch memory has no address to add to.
  j->kernel(&j->frame, task, j->stride ? j->scratch + thread * j->stride : j->scratch);
}

typedef struct Clear {
  char *p;
  int64_t bytes;
} Clear;
enum { CLEAR_PIECE = 1 << 20 };
static void clear_task(void *ctx, int64_t task, int thread) {
  const Clear *c = (const Clear *)ctx;
  (void)thread;
  int64_t at = task * CLEAR_PIECE, n = c->bytes - at;
  memset(c->p + at, 0, (size_t)(n < CLEAR_PIECE ? n : CLEAR_PIECE));
}
static void clear_memory(bigs_model *m, void *p, int64_t bytes) {
  Clear c = {.p = (char *)p, .bytes = bytes};
  if (p)
    pool_run(m->pool, (bytes + CLEAR_PIECE - 1) / CLEAR_PIECE, clear_task, &c);
}

static void set_keys(Binding *b, int s, RunFlags flags) {
  const BigsStep *step = &b->program->step[s];
  uint32_t key[2];
  for (int i = 0; i < step->nscalar; i++)
    if (step->scalar[i].kind == 1) {
      rng_site_keys(flags.seed, (uint64_t)flags.step, step->scalar[i].value, key);
      b->scalar[b->step[s].scalar + i] = key[0] | (uint64_t)key[1] << 32;
    }
}

static int run_step(bigs_model *m, Binding *b, int s, RunFlags flags) {
  const BigsStep *step = &b->program->step[s];
  const BoundStep *bound = &b->step[s];
  for (int i = 0; i < bound->nclear; i++)
    clear_memory(m, b->base[b->clear[bound->clear + i]],
                 b->buffer[b->clear[bound->clear + i]].bytes);
  for (int i = 0; i < step->narg; i++)
    b->arg[i] = b->base[step->arg[i]];
  set_keys(b, s, flags);
  KernelJob j = {.frame = {.arg = b->arg, .sym = b->sym, .scalar = b->scalar + bound->scalar},
                 .scratch = m->scratch.p,
                 .stride = bound->scratch};
  if (step->kind == BIGS_BUILTIN) {
    int err = m->module->builtin[step->index]->run(&j.frame, bound->tables, m->pool, m->scratch.p);
    return err ? bigs_fail(&m->error, err, "%s: %s failed", b->program->name,
                           step->label ? step->label : "a builtin")
               : 0;
  }
  j.kernel = m->module->kernel[step->index];
  pool_run(m->pool, bound->tasks, run_task, &j);
  return 0;
}

// ---- looking for values that are not finite
int64_t first_not_finite(const void *data, int dtype, int64_t n) {
  if (dtype == DT_F32)
    for (int64_t i = 0; i < n; i++)
      if (!isfinite(((const float *)data)[i]))
        return i;
  if (dtype == DT_F64)
    for (int64_t i = 0; i < n; i++)
      if (!isfinite(((const double *)data)[i]))
        return i;
  if (dtype == DT_BF16)
    for (int64_t i = 0; i < n; i++)
      if ((((const uint16_t *)data)[i] & 0x7F80) == 0x7F80)
        return i;
  return -1;
}

static bool arg_is_bad(const Binding *b, int buffer) {
  const BoundBuffer *r = &b->buffer[buffer];
  return b->base[buffer] &&
         first_not_finite(b->base[buffer], r->dtype, r->bytes / dtype_size((DType)r->dtype)) >= 0;
}

// The first element of a parameter that is not finite, in its declared order; -1: none; -2: no memory.
static int64_t bad_element(bigs_model *m, const BigsParam *p, const char *arena) {
  int64_t n = param_count(p);
  void *dense = model_alloc(m, (size_t)n, (size_t)param_elem(p), p->name);
  if (!dense)
    return -2;
  param_get(p, arena, dense);
  int64_t at = first_not_finite(dense, param_elem(p) == 8 ? DT_F64 : DT_F32, n);
  free(dense);
  return at;
}

static const char *contents_of(const bigs_model *m, const char *arena) {
  return arena == m->grad.p        ? "the gradient of "
         : arena == m->moment[0].p ? "the first moment of "
         : arena == m->moment[1].p ? "the second moment of "
                                   : "";
}

int exec_check_finite(bigs_model *m, const char *arena) {
  int64_t at = -1;
  for (int i = 0; i < m->module->nparam && arena && at == -1; i++) {
    const BigsParam *p = &m->module->param[i];
    at = bad_element(m, p, arena);
    if (at >= 0)
      return bigs_fail(&m->error, BIGS_ENUMERIC,
                       "%sparameter %s holds a value that is not finite (element %" PRId64 ")",
                       contents_of(m, arena), p->name, at);
  }
  return at == -1 ? 0 : m->error.status;
}

int exec_check_state(bigs_model *m) {
  int err = exec_check_finite(m, m->param.p);
  for (int i = 0; i < 2 && !err; i++)
    err = exec_check_finite(m, m->moment[i].p);
  return err;
}

// Memory that a step may read before it is written (padding) must not look like a bad result.
static void clear_for_check(bigs_model *m, Binding *b, int s) {
  for (int i = 0; i < b->program->nbuffer; i++)
    if (b->program->buffer[i].where == BIGS_ARENA && b->item[i].last >= 0 && b->item[i].first == s)
      clear_memory(m, b->base[i], b->buffer[i].bytes);
}
static int check_before(bigs_model *m, Binding *b) {
  for (int i = 0; i < b->program->nbuffer; i++) {
    const BigsBuffer *u = &b->program->buffer[i];
    if (u->where == BIGS_OUTPUT)
      clear_memory(m, b->base[i], b->buffer[i].bytes);
    if (u->where == BIGS_INPUT && arg_is_bad(b, i))
      return bigs_fail(&m->error, BIGS_ENUMERIC, "input %s holds a value that is not finite",
                       m->module->input[b->program->input[b->buffer[i].index]].name);
  }
  if (b->program->kind == BIGS_GRADIENT)
    clear_memory(m, m->grad.p, (int64_t)m->grad.bytes);
  return exec_check_finite(m, m->param.p);
}
static int check_after(bigs_model *m, Binding *b, int s) {
  const BigsStep *step = &b->program->step[s];
  for (int i = 0; i < step->narg; i++)
    if (arg_is_bad(b, step->arg[i]))
      return bigs_fail(&m->error, BIGS_ENUMERIC,
                       "the first op with a result that is not finite is %s%s%s",
                       step->label ? step->label : "unnamed", step->source ? ", " : "",
                       step->source ? step->source : "");
  return 0;
}

// ---- programs
static int run_steps(bigs_model *m, Binding *b, int from, int to, RunFlags flags) {
  int err = 0;
  for (int s = from; s < to && !err; s++) {
    int64_t begin = m->step_ns ? clock_ns() : 0;
    if (m->cancel && *m->cancel)
      return bigs_fail(&m->error, BIGS_EINTERRUPT, "interrupted");
    if (flags.check)
      clear_for_check(m, b, s);
    err = run_step(m, b, s, flags);
    if (!err && flags.check)
      err = check_after(m, b, s);
    if (m->step_ns)
      m->step_ns[s] += clock_ns() - begin;
  }
  return err;
}

static Binding *ready(bigs_model *m, int program, const int64_t *dims) {
  int64_t sym[MAX_SYMS];
  if (program < 0 || program >= m->module->nprogram) {
    bigs_fail(&m->error, BIGS_EUSAGE, "there is no program %d", program);
    return NULL;
  }
  if (bind_dims(m->module, &m->module->program[program], dims, sym, &m->error))
    return NULL;
  Binding *b = bind_program(m, program, sym);
  return b && !ready_memory(m, b) ? b : NULL;
}

int exec_ready(bigs_model *m, int program, const int64_t *dims) {
  return ready(m, program, dims) ? 0 : m->error.status;
}

static int run_program(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                       void *const *outputs, RunFlags flags) {
  Binding *b = ready(m, program, dims);
  if (!b || resolve(m, b, inputs, outputs))
    return m->error.status;
  const BigsProgram *p = b->program;
  if (flags.check && check_before(m, b))
    return m->error.status;
  if (b->kept_version != m->weights_version || flags.check) {
    b->kept_version = 0;
    if (run_steps(m, b, 0, p->nprologue, flags))
      return m->error.status;
    b->kept_version = m->weights_version;
  }
  return run_steps(m, b, p->nprologue, p->nstep, flags);
}

// No entry answers with values that nobody chose.
static int check_read(bigs_model *m, const BigsProgram *p) {
  for (int i = 0; m->unread && p->kind == BIGS_ENTRY && i < m->module->nparam; i++)
    if (m->unread[i] && (!p->param_used || p->param_used[i]))
      return bigs_fail(
          &m->error, BIGS_EFILE,
          "`%s` needs the parameter %s, which the weights lack: train it first, or load "
          "weights that have it",
          p->name, m->module->param[i].name);
  return 0;
}

int exec_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
             void *const *outputs, RunFlags flags) {
  if (check_read(m, &m->module->program[program]))
    return m->error.status;
  fenv_t caller = float_mode_default();
  int err = run_program(m, program, dims, inputs, outputs, flags);
  float_mode_restore(caller);
  return err;
}

int module_program(const BigsModule *module, int kind, const char *name) {
  for (int i = 0; i < module->nprogram; i++)
    if (module->program[i].kind == kind && (!name || !strcmp(module->program[i].name, name)))
      return i;
  return -1;
}

int exec_init(bigs_model *m) {
  int program = module_program(m->module, BIGS_INIT, NULL);
  if (m->param.p)
    memset(m->param.p, 0, m->param.bytes);
  m->weights_version++;
  if (program < 0)
    return 0;
  int err = exec_run(m, program, NULL, NULL, NULL, (RunFlags){.seed = m->seed});
  m->weights_version++;
  return err;
}

int64_t model_peak_bytes(const bigs_model *m) {
  return m->allocated - (int64_t)m->arena.bytes + m->arena_used;
}

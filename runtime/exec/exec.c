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

static int check_limit(bigs_model *m, const BigsTensor *t, const int64_t *sym, const Poly *below,
                       const int32_t *id, int64_t n) {
  int64_t limit;
  if (t->dtype != DT_I32 || !poly_size(below, sym, &limit))
    return 0;
  for (int64_t i = 0; i < n; i++)
    if (id[i] < 0 || id[i] >= limit)
      return report_id(m, t, sym, i, id[i], limit);
  return 0;
}

// The n values of input i against all that this program indexes by them.
static int check_ids(bigs_model *m, const Binding *b, int input, const int32_t *id, int64_t n) {
  const BigsProgram *p = b->program;
  int err = 0;
  for (int i = 0; i < p->nlimit && !err; i++)
    if (p->limit[i].input == input)
      err = check_limit(m, &m->module->input[p->input[input]], b->sym, &p->limit[i].limit, id, n);
  return err;
}

static void fill(void *out, DType dtype, double value, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    dtype_put(dtype, out, i, value);
}

// ---- what the device cannot read where it is
static bool on_device(const bigs_model *m, const void *p) {
  return m->device->host || m->far || region_at(m, p);
}

// Memory of the device for number `slot` of the program's inputs, outputs and buffers.
static int stage(bigs_model *m, Binding *b, int slot, size_t bytes, const char *name, void **out) {
  Region *r = &b->staged[slot];
  if (r->bytes < bytes && region_set(m, r, bytes, name))
    return m->error.status;
  *out = r->p;
  return 0;
}

// An input of n elements that lies on the host, on the device.
static int bring(bigs_model *m, Binding *b, int i, int64_t n, void **at) {
  const BigsTensor *t = &m->module->input[b->program->input[i]];
  const void *from = *at;
  size_t bytes = (size_t)n * (size_t)dtype_size((DType)t->dtype);
  if (m->device->host || !bytes)
    return 0;
  int err = stage(m, b, i, bytes, t->name, at);
  return err ? err : m->device->put(m, *at, from, bytes);
}

static int bring_constant(bigs_model *m, Binding *b, int i, void **at) {
  const BoundBuffer *r = &b->buffer[i];
  int slot = b->program->ninput + b->program->noutput + i;
  bool there = b->staged[slot].p != NULL;
  *at = (void *)(uintptr_t)r->data;
  if (m->device->host || !r->bytes)
    return 0;
  int err = stage(m, b, slot, (size_t)r->bytes, "constants", at);
  return err || there ? err : m->device->put(m, *at, r->data, (size_t)r->bytes);
}

static size_t output_bytes(const Binding *b, int i) {
  const BigsTensor *t = &b->program->output[i];
  return (size_t)poly_elements(t, b->sym) * (size_t)dtype_size((DType)t->dtype);
}

static int take_output(bigs_model *m, Binding *b, int i, void *const *given, void **at) {
  const BigsTensor *t = &b->program->output[i];
  *at = given ? given[i] : NULL;
  if (!*at)
    return bigs_fail(&m->error, BIGS_EUSAGE, "%s: output %s is missing", b->program->name, t->name);
  return on_device(m, *at) ? 0
                           : stage(m, b, b->program->ninput + i, output_bytes(b, i), t->name, at);
}

// Whoever gets something has waited.
static int return_outputs(bigs_model *m, Binding *b, void *const *outputs) {
  int err = 0;
  bool waits = !m->queue;
  for (int i = 0; i < b->program->noutput && outputs && !err; i++)
    if (!on_device(m, outputs[i]) && output_bytes(b, i)) {
      err = m->device->get(m, outputs[i], b->staged[b->program->ninput + i].p, output_bytes(b, i));
      waits = false;
    }
  return !err && waits ? m->device->wait(m) : err;
}

// The memory that stands for input i: the caller's, or its default's.
static int take_input(bigs_model *m, Binding *b, int i, const void *given, void **out) {
  const BigsTensor *t = &m->module->input[b->program->input[i]];
  int64_t n = poly_elements(t, b->sym);
  if (n < 0)
    return bigs_fail(&m->error, BIGS_EMODEL, "%s: size of input %s is negative or too large",
                     b->program->name, t->name);
  if (given) {
    *out = (void *)(uintptr_t)given;
    if (!m->device->host && on_device(m, given))
      return 0;
    int err = check_ids(m, b, i, (const int32_t *)given, n);
    return err ? err : bring(m, b, i, n, out);
  }
  if (!t->optional)
    return bigs_fail(&m->error, BIGS_EUSAGE, "%s: input %s is missing", b->program->name, t->name);
  if (!b->fallback[i]) {
    b->fallback[i] = model_alloc(m, (size_t)n, (size_t)dtype_size((DType)t->dtype), t->name);
    b->fallback_bytes += b->fallback[i] ? n * dtype_size((DType)t->dtype) : 0;
    if (!b->fallback[i])
      return m->error.status;
    fill(b->fallback[i], (DType)t->dtype, t->fallback, n);
  }
  *out = b->fallback[i];
  return bring(m, b, i, n, out);
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
    case BIGS_OUTPUT: err = take_output(m, b, r->index, outputs, &at); break;
    case BIGS_PARAM: at = m->param.p; break;
    case BIGS_GRAD: at = m->grad.p; break;
    case BIGS_CONSTANT: err = bring_constant(m, b, i, &at); break;
    }
    b->base[i] = at ? (char *)at + r->offset : NULL;
  }
  return err;
}

// ---- keys of random sites
static bool keys_in_memory(const bigs_model *m, const Binding *b) {
  return b->nkey && m->device->words;
}

// Their scalars are the addresses of the keys, so that nothing about a launch changes from step to step.
static int ready_keys(bigs_model *m, Binding *b) {
  if (!keys_in_memory(m, b) || b->keys.p)
    return 0;
  if (region_set(m, &b->keys, (size_t)b->nkey * sizeof *b->key, "keys of random numbers"))
    return m->error.status;
  for (int s = 0, n = 0; s < b->program->nstep; s++)
    for (int i = 0; i < b->program->step[s].nscalar; i++)
      if (b->program->step[s].scalar[i].kind == 1)
        b->scalar[b->step[s].scalar + i] = (uintptr_t)b->keys.p + (size_t)n++ * sizeof *b->key;
  return 0;
}

int exec_keys(bigs_model *m, Binding *b, RunFlags flags) {
  bool far = keys_in_memory(m, b);
  for (int s = 0, n = 0; s < b->program->nstep; s++)
    for (int i = 0; i < b->program->step[s].nscalar; i++) {
      const BigsScalar *v = &b->program->step[s].scalar[i];
      uint32_t key[2];
      if (v->kind != 1)
        continue;
      rng_site_keys(flags.seed, (uint64_t)flags.step, v->value, key);
      b->key[n] = key[0] | (uint64_t)key[1] << 32;
      if (!far)
        b->scalar[b->step[s].scalar + i] = b->key[n];
      n++;
    }
  return far ? m->device->words(m, b->keys.p, b->key, b->nkey) : 0;
}

// A little room for growth: sizes that vary from call to call (masked rows) do not make new pages
// each time.
static int ready_frames(bigs_model *m, Binding *b);
static int ready_arena(bigs_model *m, const Binding *b, int64_t spare) {
  int64_t growth = b->arena_bytes / 8 <= spare ? b->arena_bytes / 8 : 0;
  return (size_t)b->arena_bytes <= m->arena.bytes
             ? 0
             : region_set(m, &m->arena, (size_t)(b->arena_bytes + growth), "activations");
}

static int ready_memory(bigs_model *m, Binding *b) {
  int64_t spare;
  if (exec_room(m, b, &spare))
    return m->error.status;
  if (b->kept_bytes && !b->kept.p) {
    b->kept_version = 0;
    if (region_set(m, &b->kept, (size_t)b->kept_bytes, "values kept between calls"))
      return m->error.status;
  }
  if (b->arena_bytes > m->arena_used)
    m->arena_used = b->arena_bytes;
  if (ready_arena(m, b, spare))
    return m->error.status;
  if ((size_t)b->scratch_bytes > m->scratch.bytes &&
      region_set(m, &m->scratch, (size_t)b->scratch_bytes, "scratch memory"))
    return m->error.status;
  if (ready_keys(m, b) || ready_frames(m, b))
    return m->error.status;
  return b->program->kind == BIGS_GRADIENT ? exec_ready_gradients(m, b->program) : 0;
}

int exec_ready_gradients(bigs_model *m, const BigsProgram *program) {
  if (!m->grad.p && region_set(m, &m->grad, (size_t)m->module->param_bytes, "gradients"))
    return m->error.status;
  if (m->grad_program != program && m->grad.p && m->device->clear(m, m->grad.p, m->grad.bytes))
    return m->error.status;
  m->grad_program = program;
  return 0;
}

// ---- steps
int exec_clear(bigs_model *m, Binding *b, int buffer) {
  int64_t bytes = b->buffer[buffer].bytes;
  return b->base[buffer] && bytes > 0 ? m->device->clear(m, b->base[buffer], (size_t)bytes) : 0;
}

static int run_builtin(bigs_model *m, const Binding *b, int s, const BigsFrame *f) {
  const BigsStep *step = &b->program->step[s];
  int err = m->module->builtin[step->index]->run(f, b->step[s].tables, m->pool, m->scratch.p);
  return err ? bigs_fail(&m->error, err, "%s: %s failed", b->program->name,
                         step->label ? step->label : "a builtin")
             : 0;
}

static int clear_for_step(bigs_model *m, Binding *b, const BoundStep *bound) {
  int err = 0;
  for (int i = 0; i < bound->nclear && !err; i++)
    err = exec_clear(m, b, b->clear[bound->clear + i]);
  return err;
}

// The product that a step is, with its sizes.
static DeviceGemm bound_gemm(const Binding *b, const BigsGemm *g) {
  DeviceGemm x;
  x.m = b->size[g->m], x.n = b->size[g->n], x.k = b->size[g->k], x.count = b->size[g->count];
  for (int i = 0; i < BIGS_GEMM_MATRICES; i++)
    x.matrix[i] = (DeviceMatrix){g->arg[i], (DType)g->dtype[i], b->size[g->row[i]],
                                 b->size[g->column[i]], b->size[g->batch[i]]};
  return x;
}

// But for its product.
static DeviceLaunch launch_of_step(const bigs_model *m, Binding *b, int s) {
  const BigsStep *step = &b->program->step[s];
  const BoundStep *bound = &b->step[s];
  for (int i = 0; i < step->narg; i++)
    b->arg[i] = b->base[step->arg[i]];
  return (DeviceLaunch){
      .kernel = step->index,
      .tasks = bound->tasks,
      .frame = {.arg = b->arg, .sym = b->sym, .scalar = b->scalar + bound->scalar},
      .narg = step->narg,
      .nscalar = step->nscalar,
      .scratch = m->scratch.p,
      .stride = bound->scratch,
      .group = 1,
      .program = b->program->name,
      .label = step->label,
      .source = step->source};
}

// n steps from s on, which are one launch.
static int launch_steps(bigs_model *m, Binding *b, int s, int n) {
  const BigsStep *step = &b->program->step[s];
  DeviceLaunch l = launch_of_step(m, b, s);
  DeviceGemm gemm;
  l.group = n;
  if (b->nframe && b->step[s].frame >= 0)
    l.frames = b->frames.p + (size_t)b->step[s].frame * sizeof *b->frame;
  for (int i = 1; i < n; i++)
    l.tasks = b->step[s + i].tasks > l.tasks ? b->step[s + i].tasks : l.tasks;
  if (step->gemm) {
    gemm = bound_gemm(b, &b->program->gemm[step->gemm - 1]);
    l.gemm = &gemm;
  }
  return m->device->launch(m, &l);
}

static int run_step(bigs_model *m, Binding *b, int s, int n) {
  const BigsStep *step = &b->program->step[s];
  for (int i = 0; i < n; i++)
    if (clear_for_step(m, b, &b->step[s + i]))
      return m->error.status;
  if (step->kind != BIGS_BUILTIN)
    return launch_steps(m, b, s, n);
  DeviceLaunch l = launch_of_step(m, b, s);
  return run_builtin(m, b, s, &l.frame);
}

// ---- frames in the device's memory
static int ready_frames(bigs_model *m, Binding *b) {
  return b->nframe && m->device->frame && !b->frames.p &&
                 region_set(m, &b->frames, (size_t)b->nframe * sizeof *b->frame,
                            "frames of kernels")
             ? m->error.status
             : 0;
}

static void make_frames(const bigs_model *m, Binding *b, uint64_t *out) {
  for (int s = 0; s < b->program->nstep; s++)
    if (b->step[s].frame >= 0) {
      DeviceLaunch l = launch_of_step(m, b, s);
      m->device->frame(m, &l, out + b->step[s].frame);
    }
}

// The copy of those before may be under way.  Most have nothing of a caller's and stay as they are.
int exec_frames(bigs_model *m, Binding *b) {
  size_t nbase = (size_t)b->program->nbuffer + 1, bytes = (size_t)b->nframe * sizeof *b->frame;
  uint64_t *made = b->frame + b->nframe;
  b->base[nbase - 1] = m->scratch.p;
  if (!b->nframe || !m->device->frame ||
      (b->has_frames && !memcmp(b->base, b->framed, nbase * sizeof *b->base)))
    return 0;
  make_frames(m, b, made);
  memcpy(b->framed, b->base, nbase * sizeof *b->base);
  if (b->has_frames && !memcmp(made, b->frame, bytes))
    return 0;
  if (b->has_frames && m->device->wait(m))
    return m->error.status;
  memcpy(b->frame, made, bytes);
  b->has_frames = true;
  return m->device->put(m, b->frames.p, b->frame, bytes);
}

// ---- programs
int exec_interrupted(bigs_model *m) {
  return bigs_fail(&m->error, BIGS_EINTERRUPT, "interrupted");
}

// Steps that are done at once from s on.
static int steps_at_once(const bigs_model *m, const Binding *b, int s, RunFlags flags) {
  int n = b->program->step[s].group;
  return n > 1 && m->device->frame && !flags.check ? n : 1;
}

// Those from *first to before s have marks.
static int mark_step(bigs_model *m, int s, int to, int *first) {
  int n = s + 1 - *first;
  if (!m->device->mark(m, n))
    return m->error.status;
  if (n + 1 < DEVICE_MARKS && s + 1 < to)
    return 0;
  int err = m->device->marked(m, n, m->step_ns + *first);
  *first = s + 1;
  return err || s + 1 == to || m->device->mark(m, 0) ? err : m->error.status;
}

// The first of n that were done at once gets all of their time.
static int mark_steps(bigs_model *m, int s, int n, int to, int *first) {
  int err = 0;
  for (int i = s; i < s + n && !err; i++)
    err = mark_step(m, i, to, first);
  return err;
}

static int wait_for_step(bigs_model *m, int s, int64_t begin) {
  int err = m->device->wait(m);
  m->step_ns[s] += clock_ns() - begin;
  return err;
}

static int run_steps(bigs_model *m, Binding *b, int from, int to, RunFlags flags) {
  bool marks = m->step_ns && from < to && !flags.steps && m->device->mark && m->device->mark(m, 0);
  int err = 0, first = from;
  for (int s = from, n; s < to && !err; s += n) {
    n = steps_at_once(m, b, s, flags);
    if (flags.steps && !memchr(flags.steps + s, 1, (size_t)n))
      continue;
    int64_t begin = m->step_ns && !marks ? clock_ns() : 0;
    if (m->cancel && *m->cancel)
      return exec_interrupted(m);
    if (flags.check)
      err = check_clear(m, b, s);
    m->at_step = s;
    err = err ? err : run_step(m, b, s, n);
    if (!err && flags.check)
      err = check_after(m, b, s);
    if (m->step_ns && !err)
      err = marks ? mark_steps(m, s, n, to, &first) : wait_for_step(m, s, begin);
  }
  return err;
}

typedef struct Part {
  Binding *b;
  int from, to;
  RunFlags flags;
} Part;
static int part_steps(bigs_model *m, void *ctx) {
  const Part *p = (const Part *)ctx;
  return run_steps(m, p->b, p->from, p->to, p->flags);
}

// The prologue (0), or the other steps (1).
static int run_part(bigs_model *m, Binding *b, int part, RunFlags flags) {
  int prologue = b->program->nprologue;
  Part p = {b, part ? prologue : 0, part ? b->program->nstep : prologue, flags};
  b->base[b->program->nbuffer] = m->scratch.p;
  return flags.check || flags.steps || p.to - p.from < 2
             ? part_steps(m, &p)
             : exec_as_one(m, &b->part[part], b->base, part_steps, &p);
}

int exec_prepare(bigs_model *m, Binding *b) {
  return ready_memory(m, b);
}
int exec_resolve(bigs_model *m, Binding *b, const void *const *inputs, void *const *outputs) {
  return resolve(m, b, inputs, outputs);
}
int exec_steps(bigs_model *m, Binding *b) {
  return run_steps(m, b, 0, b->program->nstep, (RunFlags){0});
}

Binding *exec_bind(bigs_model *m, int program, const int64_t *dims) {
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
  return exec_bind(m, program, dims) ? 0 : m->error.status;
}

static int stage_input(bigs_model *m, Binding *b, int i) {
  const BigsTensor *t = &m->module->input[b->program->input[i]];
  int64_t n = poly_elements(t, b->sym);
  void *at;
  return n <= 0 ? 0 : stage(m, b, i, (size_t)n * (size_t)dtype_size((DType)t->dtype), t->name, &at);
}

int exec_reserve(bigs_model *m, int program, const int64_t *dims) {
  Binding *b = m->device->host ? NULL : exec_bind(m, program, dims);
  const BigsProgram *p = &m->module->program[program];
  int err = b || m->device->host ? 0 : m->error.status;
  void *at;
  for (int i = 0; b && i < p->ninput && !err; i++)
    err = stage_input(m, b, i);
  for (int i = 0; b && i < p->noutput && !err; i++)
    err = stage(m, b, p->ninput + i, output_bytes(b, i), p->output[i].name, &at);
  return err;
}

static int run_parts(bigs_model *m, Binding *b, RunFlags flags) {
  if (b->kept_version != m->weights_version || flags.check || flags.steps) {
    b->kept_version = 0;
    if (run_part(m, b, 0, flags))
      return m->error.status;
    b->kept_version = flags.steps ? 0 : m->weights_version;
  }
  return run_part(m, b, 1, flags);
}

static int run_program(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                       void *const *outputs, RunFlags flags) {
  Binding *b = exec_bind(m, program, dims);
  if (!b || resolve(m, b, inputs, outputs))
    return m->error.status;
  if (exec_keys(m, b, flags) || exec_frames(m, b) || (flags.check && check_before(m, b)))
    return m->error.status;
  uint8_t *steps = flags.wanted ? exec_steps_for(m, b, flags.wanted) : NULL;
  if (flags.wanted && !steps)
    return m->error.status;
  flags.steps = steps;
  int err = run_parts(m, b, flags);
  free(steps);
  return err ? err : return_outputs(m, b, outputs);
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

int exec_settle(bigs_model *m) {
  BigsError why = m->error;
  m->device->wait(m);
  m->error = why;
  return why.status;
}

static int to_queue(bigs_model *m, void *queue) {
  return m->queue && m->device->queue ? m->device->queue(m, queue) : 0;
}

// Back into the handle's own, so that the caller may do with its queue what it likes.
static int from_queue(bigs_model *m, int err) {
  BigsError why = m->error;
  int back = to_queue(m, NULL);
  if (err)
    m->error = why;
  return err ? err : back;
}

int exec_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
             void *const *outputs, RunFlags flags) {
  if (check_read(m, &m->module->program[program]))
    return m->error.status;
  if (to_queue(m, m->queue))
    return m->error.status;
  fenv_t caller = float_mode_default();
  int err = run_program(m, program, dims, inputs, outputs, flags);
  float_mode_restore(caller);
  return from_queue(m, err ? exec_settle(m) : 0);
}

int module_program(const BigsModule *module, int kind, const char *name) {
  for (int i = 0; i < module->nprogram; i++)
    if (module->program[i].kind == kind && (!name || !strcmp(module->program[i].name, name)))
      return i;
  return -1;
}

int64_t model_peak_bytes(const bigs_model *m) {
  return m->allocated - (int64_t)m->arena.bytes + m->arena_used;
}

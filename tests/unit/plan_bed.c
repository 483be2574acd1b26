// See plan_bed.h.
#include "tests/unit/plan_bed.h"
#include "base/hash.h"
#include "tests/unit/compiled.h"
#include "codegen/cuda/cuda.h"
#include "codegen/llvm/jit.h"
#include "runtime/exec/exec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_program(const BigsProgram *g, LKernel *const *kernels, const char *what);

PlanBed plan_bed_new(uint64_t seed) {
  return (PlanBed){.b = bed_new(seed)};
}

void plan_bed_free(PlanBed *t) {
  bed_free(&t->b);
}

Param *plan_bed_param(PlanBed *t, const char *path, Axis *const *ax, int nax, double lo,
                      double hi) {
  Param *p = NEW(t->b.arena, Param);
  *p = (Param){.path = path, .dtype = DT_F32, .nax = nax};
  p->ax = NEWN(t->b.arena, Axis *, nax + 1);
  memcpy(p->ax, ax, sizeof *ax * (size_t)nax);
  bed_fill(&t->b, g_param(t->b.g, p), lo, hi);
  return p;
}

Output plan_bed_output(PlanBed *t, Node *n) {
  (void)t;
  return (Output){.name = "y", .node = n, .nax = n->nax, .ax = n->ax};
}

static double *leaf_data(Bed *b, const Node *n, int64_t *size) {
  for (int i = 0; i < b->n; i++)
    if (b->leaf[i] == n) {
      *size = b->size[i];
      return b->data[i];
    }
  return NULL;
}

// x, and of bf16 its upper half.
static float shortened(float x, DType t) {
  uint32_t u;
  memcpy(&u, &x, 4);
  u &= t == DT_BF16 ? 0xffff0000u : ~0u;
  memcpy(&x, &u, 4);
  return x;
}

// Leaves hold what their dtype can, so that both sides compute with the same numbers.
static void round_leaves(Bed *b) {
  for (int i = 0; i < b->n; i++) {
    DType t = (DType)b->leaf[i]->dtype;
    for (int64_t k = 0; (t == DT_F32 || t == DT_BF16) && k < b->size[i]; k++)
      b->data[i][k] = (double)shortened((float)b->data[i][k], t);
  }
}

static void compare(PlanBed *t, const Output *o, const void *got, DType dtype, int out,
                    const char *what) {
  Bed *b = &t->b;
  const double *want = bed_in_order(b, o->node, o->ax, o->nax);
  int64_t n = bed_size(b, o->ax, o->nax);
  double scale = t->least > 0 ? t->least : 1e-3, tol = t->tolerance ? t->tolerance : 2e-5;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(want[i]) && fabs(want[i]) > scale)
      scale = fabs(want[i]);
  if (dtype == DT_BF16)
    tol = 2e-2;
  for (int64_t i = 0; i < n; i++) {
    double v = element_get(got, dtype, i);
    ck_assert_msg(fabs(v - want[i]) <= tol * scale || v == want[i] || (isnan(v) && isnan(want[i])),
                  "%s%s: output %d (%s), element %lld of %lld is %.9g, not %.9g", what,
                  t->no_fuse ? " (-O0)" : "", out, op_name(o->node->op), (long long)i, (long long)n,
                  v, want[i]);
  }
}

static bool make_code(PlanBed *t, const BigsModule *m, Target *target, LKernel **k,
                      BigsKernel **code, Jit **jit) {
  const char *error = NULL;
  if (t->code)
    return t->code->make(t->code, m, k, t->kernels, code);
  *jit = jit_new(t->b.arena, target, &error);
  ck_assert_msg(*jit && jit_kernels(*jit, t->b.arena, k, t->kernels, 1, code, &error), "%s", error);
  return true;
}

static void count_remarks(PlanBed *t, Planner *p) {
  int n;
  const PlanRemark *r = plan_remarks(p, &n);
  t->replays = t->blocks = 0;
  for (int i = 0; i < n; i++) {
    t->replays += !strncmp(r[i].text, "states of the scan are stored every", 35);
    t->blocks += !strncmp(r[i].text, "tasks of the scan have", 22);
  }
}

// NULL: there is nothing to run.
static BigsModule *compile(PlanBed *t, BigsProgramKind kind, const Output *outs, int n, Jit **jit) {
  Arena *a = t->b.arena;
  const char *error = NULL;
  unsigned use = (t->bf16 ? TARGET_BF16 : 0) | (t->int8 ? TARGET_INT8 : 0);
  Target *target = t->code ? cuda_target(a, 2) : target_new(a, t->march, 2, use, &error);
  ck_assert_msg(target != NULL, "%s", error);
  PlanOptions o = {.on = t->code ? &plan_on_gpu : &plan_on_cpu,
                   .nr = target->nr,
                   .mr = target->mr,
                   .pair_rows = target->pair_rows,
                   .vector_floats = target->vector_floats,
                   .bf16 = t->bf16,
                   .int8 = t->int8,
                   .fuse = !t->no_fuse,
                   .scan_steps = t->scan_steps};
  Planner *p = plan_new(a, t->b.g, &o);
  BigsModule *m = NEW(a, BigsModule);
  plan_program(p, "test", kind, outs, n);
  if (!plan_finish(p, m)) {
    const PlanError *e = plan_errors(p, &n);
    ck_abort_msg("%s", e[0].text);
  }
  count_remarks(t, p);
  LKernel **k = plan_kernels(p, &t->kernels);
  t->steps = m->program[0].nstep;
  t->bytes = 0;
  for (int i = 0; i < t->steps; i++)
    t->bytes += poly_eval(module_poly(m, m->program[0].step[i].bytes), t->b.syms);
  check_program(&m->program[0], k, "plan");
  if (t->print) {
    plan_print(stderr, p, m);
    for (int i = 0; i < t->kernels; i++)
      loop_print(stderr, k[i]);
  }
  BigsKernel **code = NEWN(a, BigsKernel *, t->kernels + 1);
  if (!make_code(t, m, target, k, code, jit))
    return NULL;
  static const BigsBuiltinOps *const builtins[BIGS_BUILTIN_COUNT] = {
#define BUILTIN(id, name) [BIGS_##id] = &bigs_builtin_##name,
#include "runtime/builtin.def"
#undef BUILTIN
  };
  m->abi = BIGS_ABI_VERSION;
  m->model = "Test";
  m->version = "0";
  m->target = target->cpu;
  m->features = target->features;
  m->kernel = code;
  m->builtin = builtins;
  return m;
}

static int module_param(const BigsModule *m, const Param *p) {
  for (int i = 0; i < m->nparam; i++)
    if (!strcmp(m->param[i].name, p->path))
      return i;
  ck_abort_msg("the module has no parameter %s", p->path);
  return -1;
}

// Values of parameter p, as the interpreter has them, into the module's arena.
static void set_param(PlanBed *t, bigs_model *m, Param *p) {
  Bed *b = &t->b;
  int64_t n = 0, size = bed_size(b, p->node->ax, p->node->nax);
  double *own = leaf_data(b, p->node, &n),
         *stack = p->stack ? leaf_data(b, p->stack->node, &n) : NULL;
  if (!own && !stack)
    return;
  void *dense = arena_alloc(b->arena, (size_t)size * 8);
  for (int64_t k = 0; k < size; k++)
    element_put(dense, (DType)p->node->dtype, k, stack ? stack[stack_index(p, k)] : own[k]);
  param_set(&m->module->param[module_param(m->module, p)], m->param.p, dense);
}

static void set_params(PlanBed *t, bigs_model *m) {
  for (int i = 0; i < t->b.g->params.n; i++)
    if (!t->b.g->params.v[i]->is_stack)
      set_param(t, m, t->b.g->params.v[i]);
}

// p's values in an arena, row-major in the axes of its node, as f32 or f64.
static void *get_param(PlanBed *t, bigs_model *m, const char *arena, Param *p) {
  Bed *b = &t->b;
  int64_t size = bed_size(b, p->node->ax, p->node->nax);
  void *out = arena_alloc(b->arena, (size_t)size * 8),
       *dense = arena_alloc(b->arena, (size_t)size * 8);
  if (!p->is_stack) {
    param_get(&m->module->param[module_param(m->module, p)], arena, out);
    return out;
  }
  for (int i = 0; i < b->g->params.n; i++) {
    Param *child = b->g->params.v[i];
    if (child->stack != p)
      continue;
    param_get(&m->module->param[module_param(m->module, child)], arena, dense);
    for (int64_t k = 0, n = bed_size(b, child->node->ax, child->node->nax); k < n; k++)
      element_put(out, (DType)p->node->dtype, stack_index(child, k),
                  element_get(dense, (DType)p->node->dtype, k));
  }
  return out;
}

static const void **input_data(PlanBed *t, const BigsProgram *g, const BigsModule *m) {
  const void **in = NEWN(t->b.arena, const void *, g->ninput + 1);
  for (int i = 0; i < g->ninput; i++) {
    const Input *x = t->b.g->inputs.v[g->input[i]];
    int64_t n = 0;
    double *v = leaf_data(&t->b, x->node, &n);
    ck_assert_ptr_nonnull(v);
    void *data = arena_alloc(t->b.arena, (size_t)n * 8 + 64);
    for (int64_t k = 0; k < n; k++)
      element_put(data, (DType)m->input[g->input[i]].dtype, k, v[k]);
    in[i] = data;
  }
  return in;
}

// ---- what a program's tables promise

static int root_of(const BigsProgram *g, int b) {
  while (g->buffer[b].where == BIGS_PIECE)
    b = g->buffer[b].index;
  return b;
}

// Every temporary is written before it is read, lives from its first to its last step, and is not
// read by a kernel that writes it (but slots and what is added to); the prologue leaves nothing in
// memory that is reused.
static void check_program(const BigsProgram *g, LKernel *const *kernels, const char *what) {
  bool *written = calloc((size_t)g->nbuffer + 1, 1);
  for (int s = 0; s < g->nstep; s++) {
    const BigsStep *step = &g->step[s];
    for (int pass = 0; pass < 2; pass++)
      for (int i = 0; i < step->narg; i++) {
        int b = root_of(g, step->arg[i]);
        const BigsBuffer *x = &g->buffer[b];
        bool kernel = step->kind == BIGS_KERNEL;
        bool writes = kernel ? kernels[step->index]->mem.v[i].written : i == 2;
        bool reads = kernel ? kernels[step->index]->mem.v[i].read : i < 2;
        if (x->where != BIGS_ARENA && x->where != BIGS_KEPT)
          continue;
        ck_assert_msg(x->where == BIGS_KEPT || s >= g->nprologue,
                      "%s: step %d of the prologue uses a temporary", what, s);
        ck_assert_msg(x->where == BIGS_ARENA || !writes || s < g->nprologue,
                      "%s: step %d writes what is kept", what, s);
        ck_assert_msg(s >= x->first && s <= x->last, "%s: buffer %d is dead in step %d", what, b,
                      s);
        if (pass == 0 && reads && !writes)
          ck_assert_msg(written[b], "%s: step %d reads buffer %d before it is written", what, s, b);
        if (pass == 1 && writes)
          written[b] = true;
      }
  }
  free(written);
}

enum { SENTINEL = 0x5a, MARGIN = 64 };

static void check_margin(const unsigned char *p, int64_t bytes, const char *what) {
  for (int i = 0; i < MARGIN; i++)
    ck_assert_msg(p[i] == SENTINEL && p[MARGIN + bytes + i] == SENTINEL,
                  "%s: written outside of an output", what);
}

static void run(PlanBed *t, bigs_model *m, const Output *outs, int n, const char *what) {
  const BigsProgram *g = &m->module->program[0];
  Arena *a = t->b.arena;
  void **out = NEWN(a, void *, n + 1), **room = NEWN(a, void *, n + 1);
  int nout = 0;
  for (int i = 0; i < n; i++) {
    if (outs[i].param)
      continue;
    int64_t bytes =
        bed_size(&t->b, outs[i].ax, outs[i].nax) * dtype_size((DType)outs[i].node->dtype);
    room[nout] = arena_alloc(a, (size_t)bytes + 2 * MARGIN);
    memset(room[nout], SENTINEL, (size_t)bytes + 2 * MARGIN);
    out[nout] = (char *)room[nout] + MARGIN;
    nout++;
  }
  if (g->kind == BIGS_GRADIENT)
    ck_assert_int_eq(exec_ready_gradients(m, &m->module->program[0]), 0);
  for (int times = 0; times < 2; times++) { // the second finds kept values
    int status = exec_run(m, 0, t->b.syms, input_data(t, g, m->module), out,
                          (RunFlags){.seed = t->b.seed, .step = (int64_t)t->b.step});
    ck_assert_msg(!status, "%s: %s", what, bigs_model_error(m));
  }
  for (int i = 0, k = 0; i < n; i++) {
    if (!outs[i].param) {
      int64_t bytes =
          bed_size(&t->b, outs[i].ax, outs[i].nax) * dtype_size((DType)outs[i].node->dtype);
      check_margin(room[k], bytes, what);
      t->bits = hash_bytes(t->bits, out[k], (size_t)bytes);
      compare(t, &outs[i], out[k++], (DType)outs[i].node->dtype, i, what);
      continue;
    }
    void *dense = get_param(t, m, g->kind == BIGS_INIT ? m->param.p : m->grad.p, outs[i].param);
    DType dtype = (DType)outs[i].param->node->dtype;
    t->bits = hash_bytes(t->bits, dense,
                         (size_t)(bed_size(&t->b, outs[i].ax, outs[i].nax) * dtype_size(dtype)));
    compare(t, &outs[i], dense, dtype, i, what);
  }
}

static void check_once(PlanBed *t, BigsModule *module, const Output *outs, int n,
                       const char *what) {
  char error[512];
  bigs_options o = {.size = sizeof(bigs_options),
                    .threads = t->code      ? 1
                               : t->threads ? t->threads
                                            : 2,
                    .unset = 1,
                    .device = t->code ? &device_cpu : NULL};
  bigs_model *m = bigs_model_open_with(module, NULL, &o, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  t->bits = 0;
  set_params(t, m);
  m->weights_version++;
  run(t, m, outs, n, what);
  bigs_model_close(m);
}

void plan_bed_check(PlanBed *t, BigsProgramKind kind, const Output *outs, int n, const char *what) {
  Jit *jit = NULL;
  round_leaves(&t->b);
  BigsModule *module = compile(t, kind, outs, n, &jit);
  if (!module)
    return;
  const char *bad = params_verify(module);
  ck_assert_msg(!bad, "%s: parameter %s lies outside of its storage", what, bad);
  check_once(t, module, outs, n, what);
  uint64_t bits = t->bits;
  for (int i = 1; t->code && i < t->code->runs; i++) {
    t->code->run = i;
    check_once(t, module, outs, n, what);
    ck_assert_msg(bits == t->bits, "%s: other bits in run %d", what, i);
  }
  if (t->code)
    t->code->run = 0;
  jit_free(jit);
}

void plan_bed_check1(PlanBed *t, Node *n, const char *what) {
  Output o = plan_bed_output(t, n);
  plan_bed_check(t, BIGS_ENTRY, &o, 1, what);
}

void plan_bed_check_order(PlanBed *t, Node *n, Axis *const *ax, int nax, const char *what) {
  Output o = {.name = "y", .node = n, .nax = nax, .ax = (Axis **)ax};
  plan_bed_check(t, BIGS_ENTRY, &o, 1, what);
}

void plan_bed_leaves(Graph *g, Node **root, Arena *a, Node ***wrt, int *n) {
  int m;
  Node **live = graph_reachable(g, root, 1, &m);
  *wrt = NEWN(a, Node *, m + 1);
  *n = 0;
  for (int i = 0; i < m; i++)
    if ((live[i]->op == OP_PARAM || live[i]->op == OP_INPUT) &&
        dtype_is_float((DType)live[i]->dtype))
      (*wrt)[(*n)++] = live[i];
}

Node *plan_bed_loss(Graph *g, Node *y) {
  Node *x = g_binary(g, OP_ADD, g_binary(g, OP_MUL, y, y), y);
  return x->nax ? g_reduce(g, OP_SUM, x, x->ax, x->nax) : x;
}

void plan_bed_check_gradients(PlanBed *t, const Output *y, const char *what) {
  Graph *g = t->b.g;
  Node *root[] = {y->node, plan_bed_loss(g, y->node)}, **wrt;
  int n;
  graph_rewrite(g, RULES_TRAIN, root, 2, NULL);
  Node *loss = root[1];
  plan_bed_leaves(g, &loss, t->b.arena, &wrt, &n);
  Node **grad = NEWN(t->b.arena, Node *, n + 1);
  Output *out = NEWN(t->b.arena, Output, n + 1);
  graph_grad(g, loss, wrt, n, grad);
  graph_rewrite(g, RULES_SIMPLIFY, grad, n, NULL);
  const char *wrong = graph_verify(g, grad, n);
  ck_assert_msg(!wrong, "%s: %s", what, wrong);
  for (int i = 0; i < n; i++)
    out[i] =
        (Output){.name = wrt[i]->attr.name, .node = grad[i], .nax = wrt[i]->nax, .ax = wrt[i]->ax};
  out[n] = *y;
  out[n].node = root[0];
  plan_bed_check(t, BIGS_ENTRY, out, n + 1, what);
}

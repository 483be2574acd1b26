// The planner's outside: programs are recorded, then planned together, since parameters have one
// layout for all of them.
#include "codegen/plan/contract.h"
#include <string.h>

Planner *plan_new(Arena *a, Graph *g, const PlanOptions *opt) {
  Planner *p = NEW(a, Planner);
  p->a = p->kernel_at.arena = p->poly_at.arena = a;
  p->g = g;
  p->o = *opt;
  if (!p->o.on)
    p->o.on = &plan_on_cpu;
  return p;
}

void plan_error(Planner *p, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vec_push(p->a, &p->errors, (PlanError){at, arena_vprintf(p->a, fmt, ap), false});
  va_end(ap);
}

static void error_of_size(Planner *p, Span at, const char *text) {
  vec_push(p->a, &p->errors, (PlanError){at, text, true});
}

void plan_remark(Planner *p, bool fused, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vec_push(p->a, &p->remarks, (PlanRemark){fused, at, arena_vprintf(p->a, fmt, ap)});
  va_end(ap);
}

int plan_program(Planner *p, const char *name, BigsProgramKind kind, const Output *outs, int n) {
  Prog *g = NEW(p->a, Prog);
  g->p = p;
  g->a = p->a;
  g->g = p->g;
  g->name = arena_strdup(p->a, name);
  g->kind = kind;
  g->outs = NEWN(p->a, Output, n + 1);
  for (int i = 0; i < n; i++) {
    g->outs[i] = outs[i];
    g->outs[i].name = arena_strdup(p->a, outs[i].name);
    g->outs[i].ax = NEWN(p->a, Axis *, outs[i].nax + 1);
    if (outs[i].nax)
      memcpy(g->outs[i].ax, outs[i].ax, sizeof *outs[i].ax * (size_t)outs[i].nax);
  }
  g->nout = n;
  g->prologue = kind == BIGS_ENTRY;
  vec_push(p->a, &p->progs, g);
  return p->progs.n - 1;
}

void plan_other(Planner *p, int of, const char *first, const char *forms, const Output *outs,
                int n) {
  Prog *main = p->progs.v[of];
  int index = plan_program(p, main->name, main->kind, outs, n);
  Prog *g = p->progs.v[index];
  main->forms = arena_strdup(p->a, first);
  g->forms = arena_strdup(p->a, forms);
  g->of = main;
}

typedef struct WantedThing {
  const Planner *p;
  const void *thing; // LKernel or Poly
} WantedThing;

static bool same_kernel(const void *wanted, uint64_t i) {
  const WantedThing *w = wanted;
  return loop_equal(w->p->kernels.v[i], w->thing);
}

// A verified kernel that no other equals yet is a new one.
static int plan_kernel(Planner *p, LKernel *k) {
  uint64_t h = loop_hash(k), *known = map_find(&p->kernel_at, h, same_kernel, &(WantedThing){p, k});
  if (known)
    return (int)*known;
  const char *why = loop_verify(p->a, k);
  if (why)
    BUG("kernel %s: %s", k->name, why);
  map_add(&p->kernel_at, h, (uint64_t)p->kernels.n);
  vec_push(p->a, &p->kernels, k);
  return p->kernels.n - 1;
}

static bool same_size(const void *wanted, uint64_t i) {
  const WantedThing *w = wanted;
  return poly_eq(&w->p->polys.v[i], w->thing);
}

// Size 0 is zero.
BigsSize plan_size(Planner *p, Poly x) {
  if (!p->polys.n)
    vec_push(p->a, &p->polys, (Poly){0});
  if (!x.n)
    return 0;
  uint64_t h = poly_hash(&x), *known = map_find(&p->poly_at, h, same_size, &(WantedThing){p, &x});
  if (known)
    return (BigsSize)*known;
  map_add(&p->poly_at, h, (uint64_t)p->polys.n);
  vec_push(p->a, &p->polys, x);
  return p->polys.n - 1;
}

// The domain of n, its axes and those it sums over, can be counted.
static bool countable(const Node *n) {
  Poly p = poly_const(1);
  for (int k = 0; k < n->nax + n->attr.naxes; k++) {
    Axis *a = k < n->nax ? n->ax[k] : n->attr.axes[k - n->nax];
    if (k >= n->nax && node_has(n, a))
      continue;
    if (!poly_mul_fits(&p, &a->extent))
      return false;
    p = poly_mul(p, a->extent);
  }
  return true;
}

// Counts and positions of a size that is known; program_rooms has the others.
static void check_counts(Prog *g, const Node *n) {
  Poly room;
  int64_t left;
  const char *text = countable(n) ? i32_room(g->a, n, &room) : NULL;
  if (text && poly_is_const(&room, &left) && left < 0)
    error_of_size(g->p, n->span, text);
}

static bool can_plan(Prog *g) {
  int before = g->p->errors.n;
  for (int i = 0; i < g->nnode; i++) {
    const Node *n = g->node[i];
    check_counts(g, n);
    if (n->op == OP_SCAN)
      BUG("a scan that was not closed");
    else if (!countable(n))
      plan_error(g->p, n->span,
                 "a value over more than %d run-time dims, or sums of them that make more than %d "
                 "terms, is not compiled yet",
                 POLY_FACTORS, POLY_FITS);
    else if ((n->op == OP_PARAM || n->op == OP_INPUT) && n->nax > BIGS_MAX_RANK)
      plan_error(g->p, n->span, "a parameter or an input of more than %d axes is not compiled yet",
                 BIGS_MAX_RANK);
  }
  for (int i = 0; i < g->nout; i++)
    if (g->outs[i].nax > BIGS_MAX_RANK)
      plan_error(g->p, g->outs[i].node->span, "a result of more than %d axes is not compiled yet",
                 BIGS_MAX_RANK);
  return g->p->errors.n == before;
}

static void lower_inst(Prog *g, Inst *k) {
  switch (k->kind) {
  case IK_ROWS: lower_is_columns(g, k) ? lower_columns(g, k) : lower_rows(g, k); break;
  case IK_TILE: lower_tile(g, k); break;
  case IK_TRANSPOSE: lower_transpose(g, k); break;
  case IK_BEHIND: lower_behind(g, k); break;
  case IK_LAGS: lower_lags(g, k); break;
  case IK_TOTAL: lower_total(g, k); break;
  case IK_FINISH: lower_finish_slots(g, k); break;
  case IK_LOOPS: lower_loops(g, k); break;
  case IK_BUILTIN: lower_builtin(g, k); break;
  case IK_SCATTER: lower_scatter(g, k); break;
  case IK_ATTENTION: lower_attention(g, k); break;
  case IK_LOOP: lower_loop(g, k); break;
  case IK_JOIN: break;
  }
}

static void lower_program(Prog *g) {
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < g->inst.n; i++)
      if (g->inst.v[i]->prologue == (pass == 0))
        lower_inst(g, g->inst.v[i]);
    if (!pass)
      g->out.nprologue = g->step.n;
  }
}

static void schedule_program(Prog *g) {
  int errors = g->p->errors.n, remarks = g->p->remarks.n;
  mat_mark(g);
  fuse_schedule(g);
  for (int i = 0; i < 4 && g->p->errors.n == errors && mat_refine(g); i++) {
    g->p->remarks.n = remarks;
    fuse_schedule(g);
  }
}

static void finish_program(Prog *g) {
  fuse_needed(g);
  lower_program(g);
  memplan(g);
}

// First values are written where parameters lie, which the programs that read them decide.
static void plan_programs(Planner *p) {
  for (int i = 0; i < p->progs.n; i++)
    if (p->progs.v[i]->kind != BIGS_INIT)
      schedule_program(p->progs.v[i]);
  if (!p->errors.n)
    layout_pairs(p);
  for (int i = 0; i < p->progs.n; i++)
    if (p->progs.v[i]->kind == BIGS_INIT)
      schedule_program(p->progs.v[i]);
  for (int i = 0; i < p->progs.n && !p->errors.n; i++)
    finish_program(p->progs.v[i]);
}

static void note_inputs(Prog *g) {
  Graph *of = g->g;
  g->reads = g->of ? g->of->reads : NEWN(g->a, uint8_t, of->inputs.n + 1);
  for (int i = 0; i < of->inputs.n; i++)
    g->reads[i] |= info_of(g, of->inputs.v[i]->node) != NULL;
}

bool plan_finish(Planner *p, BigsModule *m) {
  canon_names(p);
  for (int i = 0; i < p->progs.n; i++) {
    mat_reach(p->progs.v[i]);
    loop_pieces_mark(p->progs.v[i]);
    note_inputs(p->progs.v[i]);
    precision_mark(p->progs.v[i]);
    can_plan(p->progs.v[i]);
  }
  if (p->errors.n)
    return false;
  layout_params(p);
  plan_programs(p);
  if (p->errors.n)
    return false;
  module_fill(p, m);
  return true;
}

LKernel **plan_kernels(Planner *p, int *n) {
  *n = p->kernels.n;
  return p->kernels.v;
}

const Output *plan_outputs(const Planner *p, int program, int *n) {
  *n = p->progs.v[program]->nout;
  return p->progs.v[program]->outs;
}

const PlanError *plan_errors(Planner *p, int *n) {
  *n = p->errors.n;
  return p->errors.v;
}

const PlanRemark *plan_remarks(Planner *p, int *n) {
  *n = p->remarks.n;
  return p->remarks.v;
}

// ---- what a step is called

// "layer.3.up" of a contraction with layer.3.up.weight; else NULL.
static const char *param_path(Prog *g, Node *n) {
  for (int i = 0; i < n->nin; i++) {
    Node *x = view_base(n->in[i]);
    if (x->op != OP_PARAM || x->attr.i0 < 0 || x->attr.i0 >= g->g->params.n)
      continue;
    const char *path = g->g->params.v[x->attr.i0]->path, *dot = strrchr(path, '.');
    return dot ? arena_strndup(g->a, path, (size_t)(dot - path)) : path;
  }
  return NULL;
}

// The parameter whose gradient the instance's root is.
static const char *gradient_path(Prog *g, const Inst *k) {
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].node == k->root && k->m.v[i].place &&
        g->buf.v[k->m.v[i].place->buf].where == BIGS_GRAD)
      return g->buf.v[k->m.v[i].place->buf].name;
  return NULL;
}

static const char *verb(const Inst *k, const Node *n) {
  switch (k->kind) {
  case IK_TILE: return n->op == OP_CONTRACT ? "matmul" : op_name(n->op);
  case IK_TRANSPOSE: return "transpose";
  case IK_BEHIND: return "behind zeros";
  case IK_FINISH: return "sum of partials";
  default: return op_name(n->op);
  }
}

const char *inst_label(Prog *g, const Inst *k) {
  const char *path = param_path(g, k->root), *s = "", *last = NULL, *grad = gradient_path(g, k);
  if (k->root->op == OP_PARAM && k->root->attr.i0 >= 0 && k->root->attr.i0 < g->g->params.n)
    return arena_printf(g->a, "%s as bf16", g->g->params.v[k->root->attr.i0]->path);
  s = grad          ? arena_printf(g->a, "grad %s %s", grad, verb(k, k->root))
      : path        ? arena_printf(g->a, "%s %s", path, verb(k, k->root))
      : k->root->fn ? arena_printf(g->a, "%s: %s", k->root->fn, verb(k, k->root))
                    : verb(k, k->root);
  int shown = 0;
  for (int i = 0; i < k->m.n && shown < 4; i++) {
    const Node *n = k->m.v[i].node;
    const char *what =
        n->fn && (!k->root->fn || strcmp(n->fn, k->root->fn)) ? n->fn : op_name(n->op);
    if (n == k->root || (last && !strcmp(last, what)) ||
        (k->m.v[i].role != ROLE_COLUMN && !info_of(g, n)->needed))
      continue;
    s = arena_printf(g->a, "%s+%s", s, what);
    last = what;
    shown++;
  }
  return s;
}

const char *node_source(Arena *a, const Node *n) {
  int line, col;
  if (!n->span.src)
    return NULL;
  span_pos(n->span, &line, &col);
  return arena_printf(a, "%s:%d", n->span.src->path, line);
}

const char *inst_module(const Inst *k) {
  return k->root->origin ? k->root->origin->path : NULL;
}

const char *inst_source(Prog *g, const Inst *k) {
  return node_source(g->a, k->root);
}

// ---- a finished kernel

BigsWork inst_work(const Inst *k) {
  static const uint8_t of_op[OP_COUNT] = {
      [OP_CAUSAL_CONV] = BIGS_WORK_CONVOLUTION,  [OP_CONV_GRAD] = BIGS_WORK_CONVOLUTION,
      [OP_ATTENTION] = BIGS_WORK_ATTENTION,      [OP_ATTENTION_LSE] = BIGS_WORK_ATTENTION,
      [OP_ATTENTION_GRAD] = BIGS_WORK_ATTENTION, [OP_SCATTER] = BIGS_WORK_SCATTER};
  switch (k->kind) {
  case IK_TILE: return BIGS_WORK_PRODUCT;
  case IK_TRANSPOSE: return BIGS_WORK_TRANSPOSE;
  case IK_TOTAL:
  case IK_FINISH: return BIGS_WORK_SUM;
  case IK_ROWS: return BIGS_WORK_ROWS;
  default: return (BigsWork)of_op[k->root->op];
  }
}

static BigsGrid grid_row(Planner *p, const LGrid *x) {
  if (x->block > INT32_MAX)
    BUG("a task of more than %d elements", INT32_MAX);
  return (BigsGrid){plan_size(p, x->extent), (int32_t)x->block};
}

// What the buffer of an argument is to a step: of a part of one, that part.
static int32_t arg_buffer(Prog *g, const struct LowerArg *x) {
  if (!x->base.n)
    return x->buf;
  int part =
      buf_add(g, BIGS_PIECE, g->buf.v[x->buf].dtype, g->buf.v[x->buf].size, g->buf.v[x->buf].name);
  g->buf.v[part].index = x->buf;
  g->buf.v[part].offset = x->base;
  return part;
}

static void put_arguments(const Lower *c, BigsStep *s) {
  int32_t *arg = NEWN(c->g->a, int32_t, c->arg.n + 1);
  uint8_t *written = NEWN(c->g->a, uint8_t, c->arg.n + 1);
  BigsScalar *scalar = NEWN(c->g->a, BigsScalar, c->scalar.n + 1);
  for (int i = 0; i < c->arg.n; i++) {
    arg[i] = arg_buffer(c->g, &c->arg.v[i]);
    written[i] = c->k->mem.v[i].written;
  }
  for (int i = 0; i < c->scalar.n; i++)
    scalar[i] = c->scalar.v[i];
  s->narg = c->arg.n;
  s->nscalar = c->scalar.n;
  s->arg = arg;
  s->written = written;
  s->scalar = scalar;
}

// Most kernels are known, as layers are alike: what was written of such a one is dropped.
static void close_lower(Lower *c, bool is_new) {
  if (is_new)
    arena_join(c->g->a, c->a);
  else
    arena_free(c->a);
}

void lower_finish(Lower *c, Poly flops) {
  Prog *g = c->g;
  int known = g->p->kernels.n;
  c->k->name = arena_printf(g->a, "%s%d", g->p->o.prefix ? g->p->o.prefix : "k", known);
  c->k->from = inst_source(g, c->inst);
  BigsStep s = {.kind = BIGS_KERNEL, .ngrid = (uint8_t)c->k->ngrid};
  s.index = plan_kernel(g->p, c->k);
  put_arguments(c, &s);
  for (int i = 0; i < c->k->ngrid; i++)
    s.grid[i] = grid_row(g->p, &c->k->grid[i]);
  s.scratch = plan_size(g->p, loop_scratch_bytes(c->k));
  s.flops = plan_size(g->p, flops);
  s.gemm = c->inst->kind == IK_TILE ? library_product(c) : 0;
  Poly bytes = plan_traffic(c);
  s.bytes = plan_size(g->p, bytes);
  if (is_counted(g) && !c->inst->prologue)
    work_kernel(g, c, &bytes);
  s.work = (uint8_t)inst_work(c->inst);
  s.label = inst_label(g, c->inst);
  s.source = inst_source(g, c->inst);
  s.module = inst_module(c->inst);
  vec_push(g->a, &g->step, s);
  close_lower(c, s.index == known);
}

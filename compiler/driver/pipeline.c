// The ordered passes from a checked model to a module: see passes.def.  build_until() is the
// pipeline, readable top to bottom.
#include "codegen/cuda/cuda.h"
#include "compiler/driver/pipeline.h"
#include "base/hash.h"
#include "base/clock.h"
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name, *help;
} passes[] = {
#define PASS(id, name, what) {name, what},
#include "compiler/driver/passes.def"
#undef PASS
};

const char *pass_name(int pass) {
  return passes[pass].name;
}

const char *pass_help(int pass) {
  return passes[pass].help;
}

// -1: no pass of that name.
static int pass_by_name(const char *name) {
  for (int i = 0; i < PASS_COUNT; i++)
    if (!strcmp(passes[i].name, name))
      return i;
  return -1;
}

static bool wanted(const char *name, const char *const *list, int n) {
  for (int i = 0; i < n; i++)
    if (!strcmp(list[i], name))
      return true;
  return n < 0;
}

// ---- roots: every node that must survive, gathered into one array and put back after a pass

static int count_roots(const Build *b) {
  int n = b->entries.n + b->losses.n;
  for (int i = 0; i < b->states.n; i++)
    n += b->states.v[i].n;
  for (int i = 0; b->grads && i < b->losses.n; i++)
    n += b->grads[i].n;
  for (int i = 0; i < b->others.n; i++)
    n += 1 + b->others.v[i].states.n + b->others.v[i].grads.n;
  return n;
}

typedef void VisitRoot(void *ctx, Node **root, const char *name);

static void each_state(StateNexts *s, VisitRoot *visit, void *ctx) {
  for (int i = 0; i < s->n; i++)
    visit(ctx, &s->v[i].next, s->v[i].param->path);
}

static void each_gradient(Outputs *o, VisitRoot *visit, void *ctx) {
  for (int i = 0; i < o->n; i++)
    visit(ctx, &o->v[i].node, o->v[i].name);
}

static void each_other(BuildOther *o, VisitRoot *visit, void *ctx) {
  visit(ctx, o->loss ? &o->loss : &o->entry.node, o->forms);
  each_state(&o->states, visit, ctx);
  each_gradient(&o->grads, visit, ctx);
}

// Calls visit on the place of every root.
static void each_root(Build *b, VisitRoot *visit, void *ctx) {
  for (int i = 0; i < b->entries.n; i++)
    visit(ctx, &b->entries.v[i].node, b->entries.v[i].name);
  for (int i = 0; i < b->losses.n; i++)
    visit(ctx, &b->losses.v[i], b->trains.v[i]->name);
  for (int i = 0; i < b->states.n; i++)
    each_state(&b->states.v[i], visit, ctx);
  for (int i = 0; b->grads && i < b->losses.n; i++)
    each_gradient(&b->grads[i], visit, ctx);
  for (int i = 0; i < b->others.n; i++)
    each_other(&b->others.v[i], visit, ctx);
}

typedef struct RootList {
  Node **node;
  const char **name;
  int n;
} RootList;

static void collect_root(void *ctx, Node **root, const char *name) {
  RootList *l = ctx;
  l->node[l->n] = *root;
  l->name[l->n++] = name;
}

static void restore_root(void *ctx, Node **root, const char *name) {
  RootList *l = ctx;
  (void)name;
  *root = l->node[l->n++];
}

static RootList roots_of(Build *b) {
  int n = count_roots(b);
  RootList l = {NEWN(b->arena, Node *, n + 1), NEWN(b->arena, const char *, n + 1), 0};
  each_root(b, collect_root, &l);
  return l;
}

static void put_roots(Build *b, RootList l) {
  l.n = 0;
  each_root(b, restore_root, &l);
}

int build_roots(Build *b, Node ***roots, const char *const **names) {
  RootList l = roots_of(b);
  *roots = l.node;
  *names = l.name;
  return l.n;
}

// ---- passes: each returns false when it reported an error

static bool take_value(Build *b) {
  b->graph = b->want->graph;
  for (int i = 0; i < b->want->nvalue; i++)
    vec_push(b->arena, &b->entries, b->want->value[i]);
  return true;
}

// Before layers of several entries become one product, which each of these computes whole.
static void note_reached(Build *b, Node *root, uint8_t *reached) {
  int n;
  Node **live = graph_reachable(b->graph, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (live[i]->op == OP_PARAM)
      reached[live[i]->attr.i0] = 1;
}

// What a step reads to make states, too, and they themselves.
static void note_states(Build *b, const StateNexts *states, uint8_t *reached) {
  for (int i = 0; i < states->n; i++) {
    reached[states->v[i].param->node->attr.i0] = 1;
    note_reached(b, states->v[i].next, reached);
  }
}

static void note_all_reached(Build *b) {
  int n = b->entries.n + b->losses.n;
  for (int i = 0; i < n; i++) {
    uint8_t *reached = NEWN(b->arena, uint8_t, b->graph->params.n + 1);
    vec_push(b->arena, &b->reached, reached);
    note_reached(b, i < b->entries.n ? b->entries.v[i].node : b->losses.v[i - b->entries.n],
                 reached);
  }
  for (int i = 0; i < b->states.n; i++)
    note_states(b, &b->states.v[i], b->reached.v[b->entries.n + i]);
  for (int i = 0; i < b->others.n; i++) {
    const BuildOther *o = &b->others.v[i];
    note_reached(b, o->loss ? o->loss : o->entry.node, b->reached.v[o->of]);
    note_states(b, &o->states, b->reached.v[o->of]);
  }
}

static bool build_entries(Build *b) {
  const ModelValue *entries;
  for (int i = 0, n = model_entries(b->model, &entries); i < n; i++) {
    Output out = {0};
    if (!wanted(entries[i].name, b->want->entries, b->want->nentries))
      continue;
    if (!model_build_entry(b->model, b->graph, entries[i].name, false, &out))
      return false;
    vec_push(b->arena, &b->entries, out);
  }
  return true;
}

static bool build_loss(Build *b, const Recipe *r, Node **loss, StateNexts *states) {
  bool dropout = b->want->dropout;
  *loss = model_build_loss(b->model, b->graph, r->name, dropout);
  return *loss && model_build_states(b->model, b->graph, r->name, dropout, states);
}

static bool build_losses(Build *b) {
  const Recipe *const *trains;
  for (int i = 0, n = model_trains(b->model, &trains); i < n; i++) {
    StateNexts states = {0};
    Node *loss;
    if (!trains[i]->has_loss || !wanted(trains[i]->name, b->want->trains, b->want->ntrains))
      continue;
    if (!build_loss(b, trains[i], &loss, &states))
      return false;
    vec_push(b->arena, &b->trains, trains[i]);
    vec_push(b->arena, &b->losses, loss);
    vec_push(b->arena, &b->states, states);
  }
  return true;
}

// ---- the same by other members of `forms`

static Node *root_of(const Build *b, int of) {
  return of < b->entries.n ? b->entries.v[of].node : b->losses.v[of - b->entries.n];
}

static bool is_new_root(const Build *b, int of, const Node *root) {
  bool known = root_of(b, of) == root;
  for (int i = 0; i < b->others.n && !known; i++) {
    const BuildOther *o = &b->others.v[i];
    known = o->of == of && (o->loss ? o->loss : o->entry.node) == root;
  }
  return !known;
}

static bool build_other(Build *b, int of) {
  BuildOther o = {.of = of, .forms = model_choice_text(b->arena, b->model)};
  bool built = of < b->entries.n
                   ? model_build_entry(b->model, b->graph, b->entries.v[of].name, false, &o.entry)
                   : build_loss(b, b->trains.v[of - b->entries.n], &o.loss, &o.states);
  if (built && is_new_root(b, of, o.loss ? o.loss : o.entry.node))
    vec_push(b->arena, &b->others, o);
  return built;
}

// On processors alone: no GPU's costs are known.
static bool build_others(Build *b) {
  int choices = b->options.gpu ? 1 : model_choices(b->model);
  bool built = true;
  b->forms = model_choice_text(b->arena, b->model);
  for (int c = 1; c < choices && built; c++) {
    model_choose(b->model, c);
    for (int i = 0; i < b->entries.n + b->losses.n && built; i++)
      built = build_other(b, i);
  }
  model_choose(b->model, 0);
  return built;
}

static bool run_build(Build *b) {
  if (b->want->graph)
    return take_value(b);
  b->graph = graph_new(b->arena, b->names);
  model_register_params(b->model, b->graph);
  if (!build_entries(b) || !build_losses(b) || !build_others(b))
    return false;
  note_all_reached(b);
  return true;
}

static bool run_loops(Build *b) {
  RootList l = roots_of(b);
  graph_close_scans(b->graph, l.node, l.n);
  put_roots(b, l);
  return true;
}

static bool run_structure(Build *b) {
  RootList l = roots_of(b);
  bool by_name = b->want->graph && b->want->nvalue > 1;
  graph_rewrite(b->graph,
                by_name ? RULES_SIMPLIFY : RULES_STRUCTURAL | RULES_SIMPLIFY | RULES_CLAIM, l.node,
                l.n, &b->stats);
  put_roots(b, l);
  return true;
}

static Output of_param(Param *p, Node *value) {
  return (Output){
      .name = p->path, .node = value, .nax = p->node->nax, .ax = p->node->ax, .param = p};
}

// Parameters that a loss depends on, in the order of the graph: those of an optimizer, or states.
static Node **reached_leaves(Build *b, Node **loss, bool states, int *n) {
  Graph *g = b->graph;
  int count;
  Node **live = graph_reachable(g, loss, 1, &count), **out = NEWN(b->arena, Node *, count + 1);
  *n = 0;
  for (int k = 0; k < count; k++)
    if (live[k]->op == OP_PARAM && param_is_state(g->params.v[live[k]->attr.i0]) == states)
      out[(*n)++] = live[k];
  return out;
}

static bool has_next(const StateNexts *s, const Param *p) {
  for (int i = 0; i < s->n; i++)
    if (s->v[i].param == p)
      return true;
  return false;
}

// In place of gradients: what `next` says, and of other states what they are.
static void add_states(Build *b, Node *loss, const StateNexts *s, Outputs *out) {
  int n;
  Node **live = reached_leaves(b, &loss, true, &n);
  for (int k = 0; k < s->n; k++)
    vec_push(b->arena, out, of_param(s->v[k].param, s->v[k].next));
  for (int k = 0; k < n; k++) {
    Param *p = b->graph->params.v[live[k]->attr.i0];
    if (!has_next(s, p))
      vec_push(b->arena, out, of_param(p, live[k]));
  }
}

static void differentiate(Build *b, Node **loss, const StateNexts *states, Outputs *out) {
  Graph *g = b->graph;
  int n;
  graph_rewrite(g, RULES_TRAIN | RULES_SIMPLIFY, loss, 1, &b->stats);
  Node **wrt = reached_leaves(b, loss, false, &n), **grad = NEWN(b->arena, Node *, n + 1);
  graph_grad(g, *loss, wrt, n, grad);
  vec_push(b->arena, out, (Output){.name = "loss", .node = *loss});
  for (int k = 0; k < n; k++)
    vec_push(b->arena, out, of_param(g->params.v[wrt[k]->attr.i0], grad[k]));
  add_states(b, *loss, states, out);
}

static bool run_differentiate(Build *b) {
  b->grads = NEWN(b->arena, Outputs, b->losses.n + 1);
  for (int i = 0; i < b->losses.n; i++)
    differentiate(b, &b->losses.v[i], &b->states.v[i], &b->grads[i]);
  for (int i = 0; i < b->others.n; i++) {
    BuildOther *o = &b->others.v[i];
    if (o->loss)
      differentiate(b, &o->loss, &o->states, &o->grads);
  }
  return true;
}

static bool run_simplify(Build *b) {
  RootList l = roots_of(b);
  graph_rewrite(b->graph, RULES_SIMPLIFY, l.node, l.n, &b->stats);
  put_roots(b, l);
  return true;
}

static Target *cpu_target(Build *b, const char **error) {
  const BuildOptions *o = &b->options;
  unsigned use = (o->bf16 ? TARGET_BF16 : 0) | (o->int8 ? TARGET_INT8 : 0);
  return o->target ? o->target : target_new(b->arena, o->march, o->opt, use, error);
}

// A CPU says nothing to a GPU's code, but has to be one, where LLVM is there to know it.
static Target *gpu_target(Build *b, const char **error) {
  const BuildOptions *o = &b->options;
  if (!o->march || target_missing() || target_new(b->arena, o->march, o->opt, 0, error))
    return cuda_target(b->arena, o->opt);
  *error = arena_printf(b->arena, "%s (a GPU is named to nvcc, by its -gencode)", *error);
  return NULL;
}

static bool run_target(Build *b) {
  const char *error = NULL;
  b->target = b->options.gpu ? gpu_target(b, &error) : cpu_target(b, &error);
  if (!b->target) {
    diag_error(b->diags, ERR_UNKNOWN_TARGET, (Span){0}, "%s", error);
    return false;
  }
  PlanOptions o = {.on = b->options.gpu ? &plan_on_gpu : &plan_on_cpu,
                   .nr = b->target->nr,
                   .mr = b->target->mr,
                   .pair_rows = b->target->pair_rows,
                   .vector_floats = b->target->vector_floats,
                   .bf16 = b->options.bf16,
                   .int8 = b->options.int8,
                   .int8_names = b->options.int8_names,
                   .costs = b->options.costs,
                   .fuse = b->options.opt > 0};
  b->plan = plan_new(b->arena, b->graph, &o);
  b->module = NEW(b->arena, BigsModule);
  return true;
}

static void init_program(Build *b) {
  Graph *g = b->graph;
  VEC(Output) outs = {0};
  bool some = b->want->graph;
  for (int i = 0; i < (some ? b->want->nfresh : g->params.n); i++) {
    Param *p = some ? b->want->fresh[i] : g->params.v[i];
    if ((some || !p->stack) && p->init)
      vec_push(b->arena, &outs,
               (Output){.name = p->path,
                        .node = p->init,
                        .nax = p->node->nax,
                        .ax = p->node->ax,
                        .param = p});
  }
  Node **roots = NEWN(b->arena, Node *, outs.n + 1);
  for (int i = 0; i < outs.n; i++)
    roots[i] = outs.v[i].node;
  graph_rewrite(g, RULES_SIMPLIFY, roots, outs.n, &b->stats);
  for (int i = 0; i < outs.n; i++)
    outs.v[i].node = roots[i];
  plan_program(b->plan, "init", BIGS_INIT, outs.v, outs.n);
}

// The programs in the module's order: entries, gradients, updates, norm, first values.
static TrainPrograms *record_programs(Build *b) {
  TrainPrograms *t = NEWN(b->arena, TrainPrograms, b->losses.n + 1);
  int norm = -1, sum = -1;
  int one = b->want->graph ? b->entries.n : 1; // outputs of a program
  for (int i = 0; i < b->entries.n; i += one)
    plan_program(b->plan, b->entries.v[i].name, BIGS_ENTRY, &b->entries.v[i], one);
  for (int i = 0; i < b->losses.n; i++)
    t[i] = (TrainPrograms){
        plan_program(b->plan, b->trains.v[i]->name, BIGS_GRADIENT, b->grads[i].v, b->grads[i].n),
        -1, -1, -1};
  for (int i = 0; b->want->update && i < b->losses.n; i++) {
    optimizer_programs(b, b->trains.v[i], &t[i].update, &norm);
    t[i].norm = norm;
    if (b->want->pieces && sum < 0)
      sum = sum_program(b);
    t[i].sum = sum;
  }
  if (b->want->init)
    init_program(b);
  for (int i = 0; i < b->others.n; i++) {
    const BuildOther *o = &b->others.v[i];
    if (o->loss)
      plan_other(b->plan, t[o->of - b->entries.n].gradient, b->forms, o->forms, o->grads.v,
                 o->grads.n);
    else
      plan_other(b->plan, o->of, b->forms, o->forms, &o->entry, 1);
  }
  return t;
}

static bool is_fixed(const BigsModule *m, const BigsProgram *p) {
  bool fixed = true;
  for (int i = 0; i < p->ncost; i++)
    fixed &= poly_is_const(module_poly(m, p->cost[i].size), NULL) &&
             poly_is_const(module_poly(m, p->cost[i].length), NULL);
  return fixed;
}

// Where sizes are known, so is which program is run, and the others are no part of the module.
static void choose_fixed(Build *b) {
  static const int64_t none[MAX_SYMS] = {0};
  BigsModule *m = b->module;
  for (int i = 0; i < m->nprogram; i++) {
    BigsProgram *p = (BigsProgram *)(uintptr_t)&m->program[i];
    bool fixed = p->nother && is_fixed(m, p);
    for (int k = 0; k < p->nother; k++)
      fixed &= is_fixed(m, &p->other[k]);
    if (!fixed)
      continue;
    const BigsProgram all = *p;
    *p = *program_at(m, i, none);
    p->nother = 0;
    p->syms = all.syms;
    p->param_used = all.param_used;
  }
}

static bool run_plan(Build *b) {
  TrainPrograms *t = record_programs(b);
  if (!plan_finish(b->plan, b->module)) {
    int n;
    const PlanError *e = plan_errors(b->plan, &n);
    for (int i = 0; i < n; i++)
      diag_error(b->diags, e[i].too_large ? ERR_PAST_I32 : ERR_NOT_COMPILED, e[i].span, "%s",
                 e[i].text);
    return false;
  }
  choose_fixed(b);
  b->kernels = plan_kernels(b->plan, &b->nkernels);
  fill_tables(b, b->module, t);
  if (b->options.gpu)
    cuda_launches(b->arena, b->module, b->kernels);
  return true;
}

static uint64_t fingerprint(const RootList *l) {
  uint64_t h = (uint64_t)l->n;
  for (int i = 0; i < l->n; i++)
    h = hash_mix(h, (uint64_t)l->node[i]->id);
  return h;
}

static void after_pass(Build *b, int pass, uint64_t *before) {
  if (!b->graph)
    return;
  RootList l = roots_of(b);
  uint64_t now_print = fingerprint(&l);
  const char *dump = b->options.dump_ir;
  if (dump && (!strcmp(dump, "all") ? now_print != *before : pass_by_name(dump) == pass)) {
    fprintf(b->options.dump_to, "# after %s\n", passes[pass].name);
    graph_print(b->options.dump_to, b->graph, l.node, l.name, l.n);
  }
  *before = now_print;
  if (b->options.verify && pass <= PASS_simplify) { // the planner has rules of its own
    const char *wrong = graph_verify(b->graph, l.node, l.n);
    if (wrong)
      BUG("after pass %s: %s", passes[pass].name, wrong);
  }
}

bool build_until(Build *b, Arena *a, Intern *names, Diags *diags, Model *model,
                 const BuildWant *want, const BuildOptions *options, int last) {
  static bool (*const run[PASS_COUNT])(Build *) = {
#define PASS(id, name, what) run_##id,
#include "compiler/driver/passes.def"
#undef PASS
  };
  *b = (Build){.arena = a,
               .names = names,
               .diags = diags,
               .model = model,
               .want = want,
               .options = *options};
  uint64_t print = 0;
  for (int i = 0; i <= last; i++) {
    double start = clock_seconds();
    if (!run[i](b))
      return false;
    b->seconds[i] = clock_seconds() - start;
    after_pass(b, i, &print);
  }
  return true;
}

bool build_module(Build *b, Arena *a, Intern *names, Diags *diags, Model *model,
                  const BuildWant *want, const BuildOptions *options) {
  return build_until(b, a, names, diags, model, want, options, PASS_COUNT - 1);
}

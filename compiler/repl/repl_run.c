// From a graph to values: compiled by the JIT, or interpreted where that cannot be.
#include "compiler/repl/repl.h"
#include "base/hash.h"
#include "compiler/driver/gpu.h"
#include "compiler/driver/sample.h"
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>

// Parameters of the graph that have no value yet.
static int fresh_params(Ready *e, Param **out) {
  int n = 0;
  for (int i = 0; i < e->graph->params.n; i++) {
    Param *p = e->graph->params.v[i];
    if (!p->is_stack && !weight_find(e, p))
      out[n++] = p;
  }
  return n;
}

// ---- compiling

static Node **root_nodes(Ready *e, Outputs *outs) {
  Node **roots = NEWN(e->arena, Node *, outs->n + 1);
  for (int i = 0; i < outs->n; i++)
    roots[i] = outs->v[i].node;
  return roots;
}

// What cannot be compiled is interpreted, with the first reason.
static bool refused(Ready *e, const Diags *d) {
  const Diag *g = d->list.n ? d->list.v[0] : NULL;
  e->why = !g         ? "it cannot be compiled"
           : g->label ? arena_printf(e->arena, "%s: %s", g->text, g->label)
                      : g->text;
  return false;
}

static bool gpu_kernels(Ready *e, const Build *b) {
  GpuCode how;
  BigsError error = {0};
  bool done = !gpu_code(b, (int)e->r->o->threads, &e->gpu, &how, &error);
  e->why = done ? NULL : arena_strdup(e->arena, error.text);
  return done;
}

static bool compile_wanted(Ready *e, const BuildWant *want) {
  Repl *r = e->r;
  Build b;
  Diags diags = {.arena = e->arena};
  BuildOptions o = session_build_options(r->o);
  o.target = r->target;
  if (!build_module(&b, e->arena, r->names, &diags, e->model, want, &o))
    return refused(e, &diags);
  e->module = b.module;
  e->graph = b.graph;
  return o.gpu ? gpu_kernels(e, &b) : session_code(&b, r->jit, &e->why);
}

static bool compile(Ready *e, Param **fresh, int nfresh) {
  BuildWant want = {.graph = e->graph,
                    .value = e->outs.v,
                    .nvalue = e->outs.n,
                    .fresh = fresh,
                    .nfresh = nfresh,
                    .init = nfresh > 0};
  return compile_wanted(e, &want);
}

// ---- values in a handle

// First values of those whose draw is that of number i; they stay in the handle until the next ones are drawn.
static bool draw_fresh(Ready *e, Param **fresh, Weight **w, int n, int i) {
  bigs_model *m = e->handle;
  m->seed = weight_seed(e->r, w[i]->draw);
  if (exec_init(m, NULL)) {
    repl_fail(e->r, "%s", bigs_model_error(m));
    return false;
  }
  for (int k = i; k < n; k++)
    if (w[k]->draw == w[i]->draw)
      bigs_model_get(m, BIGS_THE_WEIGHT, bigs_model_parameter(e->module, fresh[k]->path),
                     w[k]->value->data);
  return true;
}

// *draws: how many different ones there were.
static bool get_fresh(Ready *e, Param **fresh, int n, int *draws) {
  Weight **w = NEWN(e->arena, Weight *, n + 1);
  *draws = 0;
  for (int i = 0; i < n; i++)
    if (!(w[i] = weight_add(e, fresh[i])))
      return false;
  for (int i = 0; i < n; i++) {
    bool done = false; // with an earlier one of the same seed
    for (int k = 0; k < i; k++)
      done |= w[k]->draw == w[i]->draw;
    if (!done && !draw_fresh(e, fresh, w, n, i))
      return false;
    *draws += !done;
  }
  return true;
}

static bool is_among(const Param *p, Param **list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i] == p)
      return true;
  return false;
}

// All but those n.
static bool set_params(Ready *e, Param **there, int n) {
  for (int i = 0; i < e->graph->params.n; i++) {
    Param *p = e->graph->params.v[i];
    int index =
        p->is_stack || is_among(p, there, n) ? -1 : bigs_model_parameter(e->module, p->path);
    Weight *w = index < 0 ? NULL : weight_find(e, p);
    if (w && bigs_model_set(e->handle, BIGS_THE_WEIGHT, index, w->value->data)) {
      repl_fail(e->r, "%s", bigs_model_error(e->handle));
      return false;
    }
  }
  return true;
}

static bool open_handle(Ready *e, Param **fresh, int nfresh) {
  char error[512];
  bigs_options o = {.size = sizeof(bigs_options),
                    .seed = (uint64_t)e->r->o->seed,
                    .threads = (int)e->r->o->threads,
                    .unset = 1};
  o.device = e->gpu.base.name ? &e->gpu.base : NULL;
  e->handle = bigs_model_open_with(e->module, NULL, &o, error, sizeof error);
  if (!e->handle) {
    repl_fail(e->r, "%s", error);
    return false;
  }
  e->handle->cancel = e->r->cancel;
  int draws;
  if (!get_fresh(e, fresh, nfresh, &draws))
    return false;
  return set_params(e, fresh, draws == 1 ? nfresh : 0); // of one draw they are in the handle
}

// ---- inputs

// Of a loaded model and not given: random, and kept, so that the next expression sees the same.
static bool sample(Ready *e, const Input *in, Item *it) {
  Node **roots = root_nodes(e, &e->outs);
  int64_t limit =
      in->dtype == DT_I32 ? sample_limit(e->graph, roots, e->outs.n, in->node, NULL) : 0;
  Array *x = array_like(e, in->node->dtype, in->node->ax, in->node->nax);
  if (!x) {
    repl_fail(e->r, "out of memory for `%s`", in->name);
    return false;
  }
  for (int i = 0; i < x->rank; i++)
    x->axis[i].name = it->formal->type->dims.v[i].name.s;
  double *v = sample_input(e->arena, in, limit, NULL,
                           hash_mix(hash_str(in->name), (uint64_t)e->r->o->seed));
  for (int64_t i = 0; i < x->n; i++)
    array_set(x, i, v[i]);
  it->value = x;
  it->sampled = true;
  if (limit)
    repl_note(e->r, "`%s` had no value: it is random now, below %lld", in->name, (long long)limit);
  else
    repl_note(e->r, "`%s` had no value: it is random now", in->name);
  return true;
}

static bool ready_inputs(Ready *e) {
  int count;
  Node **roots = root_nodes(e, &e->outs),
       **live = graph_reachable(e->graph, roots, e->outs.n, &count);
  for (int i = 0; i < count; i++) {
    Item *it =
        live[i]->op == OP_INPUT ? repl_item(e->r, intern(e->r->names, live[i]->attr.name)) : NULL;
    const Input *in = it ? e->graph->inputs.v[live[i]->attr.i0] : NULL;
    if (it && !it->value && !in->has_default && !sample(e, in, it))
      return false;
  }
  return true;
}

bool ready_build(Ready *e, bool gradients) {
  if (!ready_graph(e, gradients) || !ready_inputs(e))
    return false;
  Param **fresh = NEWN(e->arena, Param *, e->graph->params.n + 1);
  int nfresh = fresh_params(e, fresh);
  e->results = NEWN(e->arena, Array *, e->outs.n + 1);
  if (compile(e, fresh, nfresh))
    return open_handle(e, fresh, nfresh);
  repl_note(e->r, "interpreted: %s", e->why);
  return interpret_fresh(e, fresh, nfresh);
}

// ---- train blocks

// Values of the prompt are what the block learns from: are they there, and is the loss one number?
static bool check_loss(Repl *r, Expr *loss) {
  Ready e;
  bool ok = ready_elaborate(&e, r, loss, NULL), one = ok && !e.nax && dtype_is_float(e.dtype);
  if (ok && !one)
    repl_fail(r, "a loss is one number; this is %s: sum or average it",
              array_type(e.arena, e.dtype, e.axes, e.nax));
  ok = one && ready_graph(&e, false) && ready_inputs(&e);
  ready_free(&e);
  return ok;
}

static bool train_code(Ready *e, bool dropout) {
  BuildWant want = {
      .trains = &e->train->name.s, .ntrains = 1, .dropout = dropout, .update = true, .init = true};
  if (compile_wanted(e, &want))
    return true;
  repl_fail(e->r, "it cannot be trained: %s", e->why);
  return false;
}

static bool has_params(const Ready *e) {
  const ModelParam *p;
  if (model_params(e->model, &p))
    return true;
  repl_fail(e->r, "the loss depends on no parameter: there is nothing to train");
  return false;
}

bool ready_train(Ready *e, Repl *r, const Decl *block, bool dropout) {
  Expr *loss = train_loss(block);
  bool fed = train_has_data(block);
  *e = (Ready){0};
  if ((!fed && loss && !check_loss(r, loss)) || !ready_train_model(e, r, block) || !has_params(e) ||
      !train_code(e, dropout))
    return false;
  Param **fresh = NEWN(e->arena, Param *, e->graph->params.n + 1);
  return open_handle(e, fresh, fresh_params(e, fresh));
}

int ready_train_inputs(Ready *e, const void **inputs, int most) {
  const BigsProgram *p = &e->module->program[e->module->train[0].program];
  BigsError *error = &e->handle->error;
  if (p->ninput > most)
    return bigs_fail(error, BIGS_EMODEL, "the loss has more than %d inputs", most);
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &e->module->input[p->input[i]];
    const Item *it = repl_item(e->r, intern(e->r->names, t->name));
    inputs[i] = it && it->value ? it->value->data : NULL;
    if (!inputs[i] && !t->optional)
      return bigs_fail(error, BIGS_EMODEL, "`%s` has no value", t->name);
  }
  return 0;
}

void ready_keep_params(Ready *e) {
  for (int i = 0; i < e->graph->params.n; i++) {
    const Param *p = e->graph->params.v[i];
    int index = p->is_stack ? -1 : bigs_model_parameter(e->module, p->path);
    Weight *w = index < 0 ? NULL : weight_find(e, p);
    if (w && bigs_model_get(e->handle, BIGS_THE_WEIGHT, index, w->value->data))
      repl_fail(e->r, "%s", bigs_model_error(e->handle));
  }
}

// ---- running

static const void **input_data(Ready *e) {
  const BigsProgram *p = &e->module->program[0];
  const void **data = NEWN(e->arena, const void *, p->ninput + 1);
  for (int i = 0; i < p->ninput; i++) {
    const Item *it = repl_item(e->r, intern(e->r->names, e->module->input[p->input[i]].name));
    data[i] = it && it->value ? it->value->data : NULL;
  }
  return data;
}

static Array *result_array(Ready *e, int i) {
  Item *it = i ? repl_item(e->r, intern(e->r->names, e->wrt.v[i - 1]->attr.name)) : NULL;
  Array *x = !i                ? array_new(e->dtype, e->axes, e->nax)
             : it && it->value ? array_new(it->value->dtype, it->value->axis, it->value->rank)
                               : array_like_param(e, e->wrt.v[i - 1], true);
  if (!x)
    repl_fail(e->r, "out of memory for the value");
  return x;
}

bool ready_run(Ready *e) {
  void **outputs = NEWN(e->arena, void *, e->outs.n + 1);
  for (int i = 0; i < e->outs.n; i++) {
    if (!e->results[i] && !(e->results[i] = result_array(e, i)))
      return false;
    outputs[i] = e->results[i]->data;
  }
  if (!e->handle)
    return interpret_outs(e);
  if (!e->inputs)
    e->inputs = input_data(e);
  int64_t dims[MAX_SYMS] = {0};
  int status = bigs_model_run(e->handle, 0, dims, e->inputs, outputs);
  if (status)
    repl_fail(e->r, "%s", bigs_model_error(e->handle));
  return !status;
}

double ready_flops(const Ready *e) {
  const BigsProgram *p = e->handle ? &e->module->program[0] : NULL;
  double sum = 0;
  for (int i = 0; p && i < p->nstep; i++)
    sum += step_flops(e->module, &p->step[i], (const int64_t[MAX_SYMS]){0});
  return p ? sum : -1;
}

Array *ready_take(Ready *e, int i) {
  Array *x = e->results[i];
  e->results[i] = NULL;
  return x;
}

static void drop_passing(Repl *r) {
  int n = 0;
  for (int i = 0; i < r->weights.n; i++)
    if (r->weights.v[i]->passing)
      array_free(r->weights.v[i]->value);
    else
      r->weights.v[n++] = r->weights.v[i];
  r->weights.n = n;
}

void ready_free(Ready *e) {
  if (!e->arena)
    return;
  for (int i = 0; e->results && i < e->outs.n; i++)
    array_free(e->results[i]);
  bigs_model_close(e->handle);
  drop_passing(e->r);
  arena_free(e->arena);
}

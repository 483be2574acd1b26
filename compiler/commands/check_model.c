// A model in the interpreter: elaborated, differentiated, bound to random parameters and inputs.
// All its dims are known, so every size is a constant.
#include "compiler/commands/check.h"
#include "base/hash.h"
#include "compiler/driver/sample.h"
#include "graph/ir.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

const char *check_place(Session *s, Span at) {
  int line, col;
  if (!at.src)
    return "?";
  span_pos(at, &line, &col);
  return session_text(s, "%s:%d", at.src->path, line);
}

void check_progress(const Session *s, const char *fmt, ...) {
  va_list ap;
  if (!isatty(2) || s->o->quiet)
    return;
  fprintf(stderr, "\r\033[K");
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fflush(stderr);
}

void check_progress_end(const Session *s) {
  check_progress(s, "%s", "");
}

int64_t check_elements(Axis *const *ax, int nax) {
  int64_t size = 1;
  for (int i = 0; i < nax; i++)
    size *= poly_eval(&ax[i]->extent, NULL);
  return size;
}

static double elements(const Node *n) {
  return (double)check_elements(n->ax, n->nax);
}

// Turns of the innermost loop of a naive evaluator.
static double node_work(const Node *n) {
  double work = elements(n);
  if (n->op == OP_CONTRACT) {
    for (int i = 0; i < n->attr.naxes; i++)
      work *= (double)poly_eval(&n->attr.axes[i]->extent, NULL);
    return work;
  }
  for (int i = 0; i < n->nin; i++)
    work = n->op == OP_GATHER ? work : fmax(work, elements(n->in[i]));
  if (n->op == OP_CAUSAL_CONV || n->op == OP_CONV_GRAD)
    work *= (double)poly_eval(&n->attr.axis->extent, NULL);
  if (n->op == OP_ATTENTION || n->op == OP_ATTENTION_LSE || n->op == OP_ATTENTION_GRAD)
    work *= 4 * (double)poly_eval(&n->attr.axis->extent, NULL);
  return work;
}

double check_work(const CheckModel *c, Node *const *roots, int n, double *bytes) {
  int count;
  Node **live = graph_reachable(c->graph, roots, n, &count);
  double work = 0;
  *bytes = 0;
  for (int i = 0; i < count; i++) {
    work += node_work(live[i]);
    *bytes += 8 * elements(live[i]);
  }
  return work;
}

// ---- elaboration

// sum(entry * r), r a new input of random numbers, in the declared order of axes: so it is the same for every form, however its
// value lies; of one number entry * r.
static Node *projection(CheckModel *c, const Output *out, const Node **random) {
  Graph *g = c->graph;
  Node *x = out->node;
  if (!dtype_is_float((DType)x->dtype))
    return NULL;
  x = g_expand(g, x, out->ax, out->nax);
  char *name = arena_printf(c->s->arena, "%s times random numbers", out->name);
  Node *r = g_input(g, name, (DType)x->dtype, out->ax, out->nax);
  Node *y = g_binary(g, OP_MUL, x, r);
  *random = r;
  return x->nax ? g_reduce(g, OP_SUM, y, x->ax, x->nax) : y;
}

bool check_is_large(const CheckModel *c, const Node *n) {
  if (n->op != OP_INPUT || !dtype_is_float((DType)n->dtype))
    return false;
  for (int i = 0; i < c->subjects.n; i++)
    if (c->subjects.v[i].random == n)
      return false;
  return true;
}

static const char *input_name(const Graph *g, const Node *n) {
  int i = 0;
  while (g->inputs.v[i]->node != n)
    i++;
  return g->inputs.v[i]->name;
}

// Through the rewrites that simplify and claim attention, as a compilation does.
static int differentiate(CheckModel *c, Subject *j) {
  Graph *g = c->graph;
  Arena *a = c->s->arena;
  Node *loss = j->loss;
  int count;
  graph_close_scans(g, &loss, 1);
  graph_rewrite(g, RULES_SIMPLIFY | RULES_CLAIM | RULES_TRAIN, &loss, 1, NULL);
  j->computed = loss;
  Node **live = graph_reachable(g, &loss, 1, &count);
  Node **wrt = NEWN(a, Node *, count), **grad = NEWN(a, Node *, count);
  j->param = NEWN(a, Param *, count);
  j->grad = NEWN(a, Output, count);
  for (int i = 0; i < count; i++)
    if (live[i]->op == OP_PARAM &&
        (j->is_entry || !param_is_state(g->params.v[live[i]->attr.i0]))) {
      j->param[j->n] = g->params.v[live[i]->attr.i0];
      wrt[j->n++] = live[i];
    }
  for (int i = 0; i < count; i++)
    if (check_is_large(c, live[i]))
      wrt[j->n + j->ninputs++] = live[i];
  int n = j->n + j->ninputs;
  graph_grad(g, loss, wrt, n, grad);
  graph_rewrite(g, RULES_SIMPLIFY, grad, n, NULL);
  for (int i = 0; i < n; i++)
    j->grad[i] = (Output){.name = i < j->n ? j->param[i]->path : input_name(g, wrt[i]),
                          .node = grad[i],
                          .nax = wrt[i]->nax,
                          .ax = wrt[i]->ax};
  return 0;
}

static int add_losses(CheckModel *c) {
  const Recipe *const *trains;
  Session *s = c->s;
  for (int i = 0, n = model_trains(c->model, &trains); i < n; i++) {
    if (!trains[i]->has_loss)
      continue;
    Subject j = {.name = trains[i]->name};
    j.loss = model_build_loss(c->model, c->graph, j.name, false);
    if (!j.loss)
      return session_diags(s, EXIT_MODEL);
    vec_push(s->arena, &c->subjects, j);
  }
  bool none = !c->subjects.n;
  for (int i = 0; none && i < c->entries.n; i++) {
    Subject j = {.name = c->entries.v[i].name, .is_entry = true};
    j.loss = projection(c, &c->entries.v[i], &j.random);
    if (j.loss)
      vec_push(s->arena, &c->subjects, j);
  }
  return 0;
}

int check_build(CheckModel *c, Session *s, Model *model) {
  const ModelValue *entries;
  *c = (CheckModel){.s = s, .model = model, .graph = graph_new(s->arena, s->names)};
  model_register_params(model, c->graph);
  for (int i = 0, n = model_entries(model, &entries); i < n; i++) {
    Output out = {0};
    if (!model_build_entry(model, c->graph, entries[i].name, false, &out))
      return session_diags(s, EXIT_MODEL);
    vec_push(s->arena, &c->entries, out);
  }
  int status = add_losses(c);
  for (int i = 0; i < c->subjects.n && !status; i++)
    status = differentiate(c, &c->subjects.v[i]);
  return status;
}

// ---- parameters and inputs

static void finish(Datum *d) {
  double sum = 0;
  for (int64_t i = 0; i < d->n; i++)
    sum += d->data[i] * d->data[i];
  d->rms = d->n ? sqrt(sum / (double)d->n) : 0;
}

static bool is_constant(const Datum *d) {
  for (int64_t i = 1; i < d->n; i++)
    if (d->data[i] != d->data[0])
      return false;
  return d->n > 1 || d->data[0] == 0 || d->data[0] == 1;
}

// Inputs that one output of the parameter sums over, where the module's signature tells.
static double fan_in(const Param *p) {
  double n = 1;
  for (int i = 0; i < p->nax; i++)
    if (p->side[i] == 0)
      n *= (double)poly_eval(&p->ax[i]->extent, NULL);
  return n;
}

// A fresh model hardly depends on many of its parameters: biases of 0 and gains of 1 are varied,
// and small weights enlarged to 1 / sqrt(fan-in), so that gradients stand out of the rounding.
static void vary(Datum *d, const Param *p, uint64_t seed) {
  double least = 0.5 / sqrt(fan_in(p));
  if (is_constant(d))
    for (int64_t i = 0; i < d->n; i++)
      d->data[i] += 0.1 * sample_normal(seed, (uint64_t)i);
  else if (d->n > 1 && d->rms < least)
    for (int64_t i = 0; i < d->n; i++)
      d->data[i] *= least / d->rms;
}

static int parameter(CheckModel *c, const Param *p, Datum *out) {
  Session *s = c->s;
  const char *error;
  Arena *scratch = arena_new();
  Eval *e = eval_new(scratch, c->graph, NULL, (uint64_t)s->o->seed, 0);
  const double *v = eval_in_order(e, p->init, p->node->ax, p->node->nax, &error);
  int status = v ? 0 : session_error(s, EXIT_MODEL, "%s", error);
  if (v) {
    *out = (Datum){.name = p->path, .n = check_elements(p->node->ax, p->node->nax)};
    out->data = NEWN(s->arena, double, out->n + 1);
    memcpy(out->data, v, (size_t)out->n * sizeof *v);
    finish(out);
    vary(out, p, hash_mix(hash_str(p->path), (uint64_t)s->o->seed));
    finish(out);
  }
  arena_free(scratch);
  return status;
}

static void collect_roots(CheckModel *c, Node **roots, int *n) {
  *n = 0;
  for (int i = 0; i < c->entries.n; i++)
    roots[(*n)++] = c->entries.v[i].node;
  for (int i = 0; i < c->subjects.n; i++)
    roots[(*n)++] = c->subjects.v[i].loss;
}

int check_data(CheckModel *c, CheckData *d) {
  Session *s = c->s;
  Graph *g = c->graph;
  int n, status = 0;
  Node **roots = NEWN(s->arena, Node *, c->entries.n + c->subjects.n + 1);
  collect_roots(c, roots, &n);
  for (int i = 0; i < g->params.n && !status; i++) {
    Datum p = {0};
    status = parameter(c, g->params.v[i], &p);
    vec_push(s->arena, &d->params, p);
  }
  for (int i = 0; i < g->inputs.n; i++) {
    const Input *in = g->inputs.v[i];
    uint64_t seed = hash_mix(hash_str(in->name), (uint64_t)s->o->seed + 1);
    int64_t limit = in->dtype == DT_I32 ? sample_limit(g, roots, n, in->node, NULL) : 0;
    Datum x = {.name = in->name, .dtype = in->dtype, .n = check_elements(in->ax, in->nax)};
    x.data = sample_input(s->arena, in, limit, NULL, seed);
    finish(&x);
    vec_push(s->arena, &d->inputs, x);
  }
  return status;
}

// ---- evaluation

static const double *find(const Datum *v, int n, const Input *in) {
  int64_t size = check_elements(in->ax, in->nax);
  for (int i = 0; i < n; i++)
    if (!strcmp(v[i].name, in->name) && v[i].dtype == (int)in->dtype && v[i].n == size)
      return v[i].data;
  return NULL;
}

Eval *check_bound(CheckModel *c, const CheckData *d, Arena *a) {
  const Graph *g = c->graph;
  Eval *e = eval_new(a, g, NULL, (uint64_t)c->s->o->seed, 0);
  for (int i = 0; i < g->inputs.n; i++)
    eval_bind(e, g->inputs.v[i]->node, find(d->inputs.v, d->inputs.n, g->inputs.v[i]));
  for (int i = 0; i < g->params.n && i < d->params.n; i++)
    eval_bind(e, g->params.v[i]->node, d->params.v[i].data);
  return e;
}

int check_values(CheckModel *c, const CheckData *d, Arena *a, const Output *out, int n,
                 const double **value) {
  Eval *e = check_bound(c, d, a);
  const char *error;
  for (int i = 0; i < n; i++)
    if (!(value[i] = eval_in_order(e, out[i].node, out[i].ax, out[i].nax, &error)))
      return session_error(c->s, EXIT_MODEL, "%s", error);
  return 0;
}

int check_loss(CheckModel *c, const CheckData *d, const Subject *j, Shift shift, double *loss) {
  Arena *a = arena_new();
  const char *error;
  Eval *e = check_bound(c, d, a);
  for (int i = 0; i < d->params.n; i++) {
    const double *along = shift.along ? shift.along[i] : NULL;
    const Datum *p = &d->params.v[i];
    double *moved = along ? NEWN(a, double, p->n + 1) : NULL;
    for (int64_t k = 0; along && k < p->n; k++)
      moved[k] = p->data[k] + shift.h * along[k];
    if (along)
      eval_bind(e, c->graph->params.v[i]->node, moved);
  }
  for (int i = 0; i < shift.nfrozen; i++)
    eval_set(e, shift.frozen[i], shift.value[i]);
  const double *v = eval_node(e, shift.nfrozen ? j->computed : j->loss, &error);
  int status = v ? 0 : session_error(c->s, EXIT_MODEL, "%s", error);
  if (v)
    *loss = v[0];
  arena_free(a);
  return status;
}

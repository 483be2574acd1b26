// What is compiled for --target against the interpreter: every entry, and the loss and gradients of every train block.
#include "compiler/commands/check.h"
#include "base/dtype.h"
#include <string.h>

// Of the largest number.  float32 keeps seven digits, and sums lose some; bf16 keeps less than three.
// A gradient smaller than `least` of the largest one is compared with that much: it is what larger terms that
// cancel leave, as in the bias of attention's keys, and rounding leaves more.
enum { IN_FLOAT, IN_INT8, IN_BF16, CHECKED_PRECISIONS };
static const struct CheckedPrecision {
  const char *name;
  double value, gradient, least;
} precisions[] = {[IN_FLOAT] = {"", 1e-4, 1e-3, 1e-3},
                  [IN_INT8] = {" with int8", 0.1, 1e-3, 1e-3},
                  [IN_BF16] = {" with bf16", 0.05, 0.2, 0.02}};

typedef struct CheckedCode {
  CheckModel *c;
  Session *s;
  CheckData d; // in float32, as both sides take it
  Arena *arena;
  Difference out[CHECKED_PRECISIONS];
  int precision; // of what is compared now
} CheckedCode;

// ---- the same numbers on both sides

static Datum in_float(Arena *a, const Datum *x) {
  Datum y = *x;
  y.data = NEWN(a, double, x->n + 1);
  for (int64_t i = 0; i < x->n; i++)
    y.data[i] = (float)x->data[i];
  return y;
}

static void round_data(CheckedCode *x, const CheckData *d) {
  for (int i = 0; i < d->params.n; i++)
    vec_push(x->arena, &x->d.params, in_float(x->arena, &d->params.v[i]));
  for (int i = 0; i < d->inputs.n; i++)
    vec_push(x->arena, &x->d.inputs, in_float(x->arena, &d->inputs.v[i]));
}

static void *packed(Arena *a, DType t, const double *v, int64_t n) {
  char *p = arena_alloc(a, (size_t)n * (size_t)dtype_size(t) + 16);
  for (int64_t i = 0; i < n; i++)
    dtype_put(t, p, i, v[i]);
  return p;
}

static const double *unpacked(Arena *a, DType t, const void *p, int64_t n) {
  double *v = NEWN(a, double, n + 1);
  for (int64_t i = 0; i < n; i++)
    v[i] = dtype_get(t, p, i);
  return v;
}

static const Datum *find_datum(const Datum *v, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (!strcmp(v[i].name, name))
      return &v[i];
  return NULL;
}

static int failed(const CheckedCode *x, int status) {
  return session_error(x->s, status, "%s", bigs_model_error(x->s->handle));
}

static int set_parameters(CheckedCode *x) {
  const BigsModule *m = x->s->module;
  for (int i = 0; i < m->nparam; i++) {
    const Datum *v = find_datum(x->d.params.v, x->d.params.n, m->param[i].name);
    int status = v ? bigs_model_set(x->s->handle, BIGS_THE_WEIGHT, i,
                                    packed(x->arena, (DType)m->param[i].dtype, v->data, v->n))
                   : 0;
    if (status)
      return failed(x, status);
  }
  return 0;
}

// Inputs of one name differ in type.  All dims are fixed here.
static const Datum *find_input(const CheckedCode *x, const BigsTensor *t) {
  int64_t size = 1, extent;
  for (int a = 0; a < t->rank; a++)
    size *= poly_is_const(&t->extent[a], &extent) ? extent : 0;
  for (int i = 0; i < x->d.inputs.n; i++) {
    const Datum *v = &x->d.inputs.v[i];
    if (!strcmp(v->name, t->name) && v->dtype == t->dtype && v->n == size)
      return v;
  }
  return NULL;
}

static const void **inputs_of(CheckedCode *x, const BigsProgram *p) {
  const void **in = NEWN(x->arena, const void *, p->ninput + 1);
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &x->s->module->input[p->input[i]];
    const Datum *v = find_input(x, t);
    in[i] = v ? packed(x->arena, (DType)t->dtype, v->data, v->n) : NULL;
  }
  return in;
}

// ---- comparing

// Is any number in bf16 that this one is made of?  `products`: as what an entry takes them.
static int precision_of(const CheckedCode *x, Node *n, int products) {
  int count;
  Node **live = graph_reachable(x->c->graph, &n, 1, &count);
  bool narrow = x->s->build.options.bf16;
  for (int i = 0; i < count; i++)
    narrow = narrow || live[i]->dtype == DT_BF16;
  return narrow ? IN_BF16 : products;
}

// Whole numbers and truths are equal or not; where bf16 is in play a comparison of near numbers may go either way.
static void worse_count(CheckedCode *x, const double *got, const double *want, int64_t n,
                        const char *name) {
  double all[2] = {1, 1};
  for (int64_t i = 0; i < n; i++)
    all[0] += got[i] != want[i];
  if (x->precision == IN_FLOAT)
    check_worse_value(&x->out[IN_FLOAT], &all[0], &all[1], 1, name);
}

static void worse_entry(CheckedCode *x, DType t, const void *out, const double *want, int64_t n,
                        const char *name) {
  const double *got = unpacked(x->arena, t, out, n);
  if (dtype_is_float(t))
    check_worse_value(&x->out[x->precision], got, want, n, name);
  else
    worse_count(x, got, want, n, name);
}

static int compare_entry(CheckedCode *x, const Output *e) {
  int program = bigs_model_entry(x->s->module, e->name);
  DType t = (DType)e->node->dtype;
  if (program < 0)
    return 0;
  const double *want;
  x->precision = precision_of(x, e->node, x->s->build.options.int8 ? IN_INT8 : IN_FLOAT);
  int64_t n = check_elements(e->ax, e->nax);
  void *out = arena_alloc(x->arena, (size_t)n * (size_t)dtype_size(t) + 16);
  const int64_t dims[MAX_SYMS] = {0};
  int status = bigs_model_run(x->s->handle, program, dims,
                              inputs_of(x, &x->s->module->program[program]), &out);
  if (status)
    return failed(x, status);
  status = check_values(x->c, &x->d, x->arena, e, 1, &want);
  if (!status)
    worse_entry(x, t, out, want, n, e->name);
  return status;
}

static int compare_gradient(CheckedCode *x, const Subject *j, int k, const double *want,
                            double most) {
  const Param *p = j->param[k];
  int index = bigs_model_parameter(x->s->module, p->path);
  int64_t n = check_elements(p->node->ax, p->node->nax);
  DType t = (DType)p->node->dtype;
  void *got = arena_alloc(x->arena, (size_t)n * (size_t)dtype_size(t) + 16);
  int status = index < 0 ? 0 : bigs_model_get(x->s->handle, BIGS_THE_GRADIENT, index, got);
  if (index >= 0 && !status)
    check_worse_gradient(&x->out[x->precision], unpacked(x->arena, t, got, n), want, n,
                         precisions[x->precision].least * most, p->path);
  return status ? failed(x, status) : 0;
}

static int compare_gradients(CheckedCode *x, const Subject *j) {
  const double **want = NEWN(x->arena, const double *, j->n + 1);
  int status = check_values(x->c, &x->d, x->arena, j->grad, j->n, want);
  double most = 0;
  for (int k = 0; k < j->n && !status; k++)
    most =
        check_largest(most, want[k], check_elements(j->param[k]->node->ax, j->param[k]->node->nax));
  for (int k = 0; k < j->n && !status; k++)
    status = compare_gradient(x, j, k, want[k], most);
  return status;
}

static int compare_loss(CheckedCode *x, const Subject *j) {
  int train = j->is_entry ? -1 : bigs_model_train(x->s->module, j->name);
  const int64_t dims[MAX_SYMS] = {0};
  float loss = 0;
  double got, want = 0;
  if (train < 0)
    return 0;
  x->precision = precision_of(x, j->loss, IN_FLOAT);
  const BigsProgram *p = &x->s->module->program[x->s->module->train[train].program];
  int status = bigs_model_grad(x->s->handle, train, dims, inputs_of(x, p), &loss);
  if (status)
    return failed(x, status);
  status = check_loss(x->c, &x->d, j, (Shift){0}, &want);
  got = (double)loss;
  if (!status)
    check_worse_value(&x->out[x->precision], &got, &want, 1, j->name);
  return status ? status : compare_gradients(x, j);
}

static int compare_all(CheckedCode *x) {
  int status = set_parameters(x);
  for (int i = 0; i < x->c->entries.n && !status; i++)
    status = compare_entry(x, &x->c->entries.v[i]);
  for (int i = 0; i < x->c->subjects.n && !status; i++)
    status = compare_loss(x, &x->c->subjects.v[i]);
  return status;
}

static bool is_wrong(const CheckedCode *x, int precision) {
  const Difference *f = &x->out[precision];
  return !(f->value <= precisions[precision].value &&
           f->gradient <= precisions[precision].gradient);
}

static void report(const CheckedCode *x, int precision) {
  const struct CheckedPrecision *p = &precisions[precision];
  const Difference *f = &x->out[precision];
  if (!f->where_value || (x->s->o->quiet && !is_wrong(x, precision)))
    return;
  printf("compiled for %s%s: values differ by %.1e, gradients by %.1e%s\n", x->s->o->target,
         p->name, bigs_shown(f->value), bigs_shown(f->gradient),
         is_wrong(x, precision) ? "  WRONG" : "");
  if (!(f->value <= p->value))
    printf("  `%s` differs\n", f->where_value);
  if (!(f->gradient <= p->gradient))
    printf("  the gradient of `%s` differs\n", f->where_gradient);
}

int check_compiled(CheckModel *c, const CheckData *d, Checked *sum) {
  Session *s = c->s;
  if (!s->o->target)
    return 0;
  const BuildWant want = {.nentries = -1, .ntrains = -1};
  CheckedCode x = {.c = c, .s = s, .arena = arena_new()};
  check_progress(s, "compiling");
  int status = session_compile(s, &want);
  status = status ? status : session_open(s);
  round_data(&x, d);
  status = status ? status : compare_all(&x);
  check_progress_end(s);
  sum->compiled = true;
  for (int i = 0; i < CHECKED_PRECISIONS && !status; i++) {
    sum->wrong += is_wrong(&x, i);
    report(&x, i);
  }
  arena_free(x.arena);
  return status;
}

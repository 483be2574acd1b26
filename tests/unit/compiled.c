// A compiled model beside the interpreter of its graph: see compiled.h.
#include "tests/unit/compiled.h"
#include "compiler/driver/session.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

double element_get(const void *p, int dtype, int64_t i) {
  switch (dtype) {
  case DT_BOOL: return ((const bool *)p)[i];
  case DT_I32: return ((const int32_t *)p)[i];
  case DT_F64: return ((const double *)p)[i];
  case DT_F32: return (double)((const float *)p)[i];
  default: return bf16_value(((const uint16_t *)p)[i]);
  }
}

void element_put(void *p, int dtype, int64_t i, double v) {
  float f = (float)v;
  uint32_t bits;
  switch (dtype) {
  case DT_BOOL: ((bool *)p)[i] = v != 0; return;
  case DT_I32: ((int32_t *)p)[i] = (int32_t)v; return;
  case DT_F64: ((double *)p)[i] = v; return;
  case DT_F32: ((float *)p)[i] = f; return;
  default: memcpy(&bits, &f, sizeof bits); ((uint16_t *)p)[i] = (uint16_t)(bits >> 16);
  }
}

double *widened(Arena *a, const void *data, int dtype, int64_t n) {
  double *out = NEWN(a, double, n + 1);
  for (int64_t i = 0; i < n; i++)
    out[i] = element_get(data, dtype, i);
  return out;
}

int parameter_number(const BigsModule *m, const char *path) {
  int i = bigs_model_parameter(m, path);
  ck_assert_msg(i >= 0, "no parameter %s", path);
  return i;
}

int64_t parameter_size(const BigsParam *p) {
  int64_t n = 1;
  for (int i = 0; i < p->rank; i++)
    n *= p->extent[i];
  return n;
}

static int64_t extent_of(const Axis *a) {
  int64_t n = 0;
  ck_assert(poly_is_const(&a->extent, &n));
  return n;
}

int64_t stack_index(const Param *p, int64_t at) {
  const Node *w = p->node, *s = p->stack->node;
  int64_t place[MAX_AXES] = {0}, column = 0, scale = 1, index = 0;
  for (int i = w->nax - 1; i >= 0; i--) {
    int64_t e = extent_of(w->ax[i]), x = at % e;
    int k = p->stack_ax[i] ? node_axis_index(s, p->stack_ax[i]) : -1;
    at /= e;
    if (k >= 0)
      place[k] = x;
    else
      column += x * scale, scale *= e;
  }
  int last = node_axis_index(s, p->stack->ax[p->stack->nax - 1]);
  for (int i = 0; i < s->nax; i++)
    index = index * extent_of(s->ax[i]) + (i == last ? p->stack_lo + column : place[i]);
  return index;
}

double *parameter_values(Arena *a, const Compiled *c, bigs_what what, int i) {
  const BigsParam *p = &c->module->param[i];
  int64_t n = parameter_size(p);
  void *dense = arena_alloc(a, (size_t)n * 8);
  ck_assert_int_eq(bigs_model_get(c->handle, what, i, dense), 0);
  return widened(a, dense, p->dtype, n);
}

Node **loss_gradients(Arena *a, Graph *g, Node *loss) {
  Node **wrt = NEWN(a, Node *, g->params.n + 1), **grad = NEWN(a, Node *, g->params.n + 1);
  for (int i = 0; i < g->params.n; i++)
    wrt[i] = g->params.v[i]->node;
  graph_grad(g, loss, wrt, g->params.n, grad);
  return grad;
}

static void bind_input(Eval *e, Arena *a, const Input *in, const BigsModule *m, const int64_t *dim,
                       void *const *data) {
  for (int k = 0; k < m->ninput; k++)
    if (*in->name != '#' &&
        !strcmp(m->input[k].name,
                in->name) && // # is of the optimizer; one name may be of two types
        m->input[k].dtype == in->node->dtype)
      eval_bind(e, in->node,
                widened(a, data[k], m->input[k].dtype, tensor_elements(&m->input[k], dim)));
}

static double *values_of(Arena *a, const Graph *g, const Compiled *c, const Param *p) {
  int64_t size = 1;
  if (!p->is_stack)
    return parameter_values(a, c, BIGS_THE_WEIGHT, parameter_number(c->module, p->path));
  for (int i = 0; i < p->node->nax; i++)
    size *= extent_of(p->node->ax[i]);
  double *v = NEWN(a, double, size);
  for (int i = 0; i < g->params.n; i++) {
    const Param *x = g->params.v[i];
    int k = x->stack == p ? parameter_number(c->module, x->path) : -1;
    const double *part = k < 0 ? NULL : parameter_values(a, c, BIGS_THE_WEIGHT, k);
    for (int64_t at = 0; part && at < parameter_size(&c->module->param[k]); at++)
      v[stack_index(x, at)] = part[at];
  }
  return v;
}

Eval *interpreter_of(Arena *a, Graph *g, const Compiled *c, const int64_t *dim, void *const *data) {
  Eval *e = eval_new(a, g, dim, 0, 0);
  for (int i = 0; i < g->params.n; i++)
    eval_bind(e, g->params.v[i]->node, values_of(a, g, c, g->params.v[i]));
  for (int i = 0; i < g->inputs.n; i++)
    bind_input(e, a, g->inputs.v[i], c->module, dim, data);
  return e;
}

const double *interpreted(Eval *e, Node *n, Axis *const *ax, int nax) {
  const char *error = NULL;
  const double *x = eval_in_order(e, n, ax, nax, &error);
  ck_assert_msg(x != NULL, "%s", error);
  return x;
}

double largest(const double *x, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    most = fmax(most, fabs(x[i]));
  return most;
}

void near(const double *got, const double *expected, int64_t n, double room, const char *what,
          const int64_t *dim) {
  for (int64_t i = 0; i < n; i++)
    ck_assert_msg(fabs(got[i] - expected[i]) <= room,
                  "%s at %d, %d, %d: element %d of %d is %.9g, not %.9g", what, (int)dim[0],
                  (int)dim[1], (int)dim[2], (int)i, (int)n, got[i], expected[i]);
}

uint64_t draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

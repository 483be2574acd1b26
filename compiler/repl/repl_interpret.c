// Parameters by path and shape, and the interpreter for what is not compiled.
#include "compiler/repl/repl.h"
#include "base/hash.h"
#include <string.h>

// ---- parameters' values

// The item that a path starts with; NULL for a draw.
static const Item *root_item(const Ready *e, const char *path) {
  const char *dot = strchr(path, '.');
  return repl_item(e->r, dot ? intern_n(e->r->names, path, (size_t)(dot - path))
                             : intern(e->r->names, path));
}

static bool same_shape(const Array *x, const Param *p) {
  int nax = p->node->nax;
  if (x->rank != nax || x->dtype != (DType)p->node->dtype)
    return false;
  for (int i = 0; i < nax; i++)
    if (x->axis[i].extent != poly_eval(&p->node->ax[i]->extent, NULL))
      return false;
  return true;
}

Weight *weight_find(const Ready *e, const Param *p) {
  const Item *root = root_item(e, p->path);
  for (int i = 0; i < e->r->weights.n; i++) {
    Weight *w = e->r->weights.v[i];
    if (!strcmp(w->path, p->path) && same_shape(w->value, p) &&
        (w->passing || !root || w->draw == root->draw))
      return w;
  }
  return NULL;
}

Array *array_like(Ready *e, int dtype, Axis *const *ax, int nax) {
  TypedAxis *axis = NEWN(e->arena, TypedAxis, nax + 1);
  for (int i = 0; i < nax; i++)
    axis[i] =
        (TypedAxis){intern(e->r->names, ax[i]->name), poly_eval(&ax[i]->extent, NULL), TYPED_DIM};
  return array_new((DType)dtype, axis, nax);
}

static const ModelParam *model_param(const Ready *e, const char *path) {
  const ModelParam *p;
  for (int i = 0, n = model_params(e->model, &p); i < n; i++)
    if (!strcmp(p[i].path, path))
      return &p[i];
  return NULL;
}

// With the dims that the axes were declared as, and not the names that the module has for them.
Array *array_like_param(Ready *e, const Node *n, bool complex) {
  const ModelParam *p = model_param(e, n->attr.name);
  Array *x = array_like(e, n->dtype, n->ax, n->nax);
  for (int k = 0; x && p && k < p->nax; k++)
    x->axis[k].name = intern(e->r->names, p->axes[k]);
  if (x && p && complex && dtype_is_complex(p->dtype)) {
    x->dtype = p->dtype;
    x->rank = p->nax;
  }
  return x;
}

Weight *weight_add(Ready *e, const Param *p) {
  Repl *r = e->r;
  const Item *root = root_item(e, p->path);
  Array *value = array_like_param(e, p->node, false);
  if (!value) {
    repl_fail(r, "out of memory for `%s`", p->path);
    return NULL;
  }
  Weight *w = NEW(r->arena, Weight);
  *w = (Weight){.path = arena_strdup(r->arena, p->path),
                .value = value,
                .passing = !root,
                .draw = root ? root->draw : ++r->draws};
  vec_push(r->arena, &r->weights, w);
  return w;
}

uint64_t weight_seed(const Repl *r, uint64_t draw) {
  return draw ? hash_mix((uint64_t)r->o->seed, draw) : (uint64_t)r->o->seed;
}

// ---- the interpreter

static double *array_numbers(Arena *a, const Array *x) {
  double *v = NEWN(a, double, x->n + 1);
  for (int64_t i = 0; i < x->n; i++)
    v[i] = array_number(x, i);
  return v;
}

bool interpret_fresh(Ready *e, Param **fresh, int n) {
  for (int i = 0; i < n; i++) {
    Weight *w = weight_add(e, fresh[i]);
    const char *error;
    if (!w)
      return false;
    Eval *ev = eval_new(e->arena, e->graph, NULL, weight_seed(e->r, w->draw), 0);
    const Node *p = fresh[i]->node;
    const double *v = eval_in_order(ev, fresh[i]->init, p->ax, p->nax, &error);
    if (!v) {
      repl_fail(e->r, "%s", error);
      return false;
    }
    for (int64_t k = 0; k < w->value->n; k++)
      array_set(w->value, k, v[k]);
  }
  return true;
}

bool interpret_outs(Ready *e) {
  Arena *a = arena_new();
  const char *error = NULL;
  bool ok = true;
  Eval *ev = eval_new(a, e->graph, NULL, (uint64_t)e->r->o->seed, 0);
  if (e->r->cancel)
    eval_cancel(ev, e->r->cancel);
  for (int i = 0; ok && i < e->graph->inputs.n; i++) {
    const Input *in = e->graph->inputs.v[i];
    const Item *it = repl_item(e->r, intern(e->r->names, in->name));
    double *v = it && it->value ? array_numbers(a, it->value) : NULL;
    Array *fill =
        v || !in->has_default ? NULL : array_like(e, in->node->dtype, in->node->ax, in->node->nax);
    if (fill) {
      v = array_numbers(a, fill);
      for (int64_t k = 0; k < fill->n; k++)
        v[k] = in->fallback;
      array_free(fill);
    }
    if (v)
      eval_bind(ev, in->node, v);
  }
  for (int i = 0; ok && i < e->graph->params.n; i++) {
    Weight *w = e->graph->params.v[i]->is_stack ? NULL : weight_find(e, e->graph->params.v[i]);
    if (w)
      eval_bind(ev, e->graph->params.v[i]->node, array_numbers(a, w->value));
  }
  for (int i = 0; ok && i < e->outs.n; i++) {
    const double *v =
        eval_in_order(ev, e->outs.v[i].node, e->outs.v[i].ax, e->outs.v[i].nax, &error);
    ok = v != NULL;
    for (int64_t k = 0; v && k < e->results[i]->n; k++)
      array_set(e->results[i], k, v[k]);
  }
  if (!ok)
    repl_fail(e->r, "%s", error);
  arena_free(a);
  return ok;
}

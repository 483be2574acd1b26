// Parameters by their paths: read, shown, assigned.
#include "compiler/repl/repl.h"
#include <stdlib.h>
#include <string.h>

// ---- reading

static Item *root_of(const Repl *r, const char *path) {
  Item *it = repl_item(r, intern_n(r->names, path, strcspn(path, ".")));
  return it && (it->kind == ITEM_CHILD || it->kind == ITEM_PARAM) ? it : NULL;
}

// Elaborates what holds it; its parameters have values then.
static bool ready_holder(Ready *e, Repl *r, const char *path) {
  Item *root = root_of(r, path);
  *e = (Ready){0};
  return root && ready_elaborate(e, r, repl_zero(r, root->span), root) && ready_build(e, false);
}

static const Param *param_of(const Ready *e, const char *path) {
  for (int i = 0; i < e->graph->params.n; i++)
    if (!e->graph->params.v[i]->is_stack && !strcmp(e->graph->params.v[i]->path, path))
      return e->graph->params.v[i];
  return NULL;
}

Array *repl_param(Repl *r, const char *path) {
  Ready e;
  bool ok = ready_holder(&e, r, path);
  const Param *p = ok ? param_of(&e, path) : NULL;
  Weight *w = p ? weight_find(&e, p) : NULL;
  Array *x = w ? array_like_param(&e, p->node, true) : NULL;
  if (x)
    memcpy(x->data, w->value->data, (size_t)array_bytes(x));
  ready_free(&e);
  return x;
}

bool repl_has_param(Repl *r, const char *path) {
  Ready e = {0};
  const ModelParam *p;
  Item *root = root_of(r, path);
  bool found = false;
  if (root && ready_elaborate(&e, r, repl_zero(r, root->span), root))
    for (int i = 0, n = model_params(e.model, &p); i < n; i++)
      found |= !strcmp(p[i].path, path);
  ready_free(&e);
  return found;
}

// ---- assigning

// Which axis of `from` stands at each of `to`'s; -1: it is constant along it.
typedef struct AxisMap {
  int at[BIGS_MAX_RANK];
} AxisMap;

static bool axis_twice(const Array *x) {
  for (int i = 0; i < x->rank; i++)
    for (int k = 0; k < i; k++)
      if (x->axis[i].name == x->axis[k].name)
        return true;
  return false;
}

static bool axes_unnamed(const Array *x) {
  for (int i = 0; i < x->rank; i++)
    if (strncmp(x->axis[i].name, PLAIN_AXIS, strlen(PLAIN_AXIS)) != 0)
      return false;
  return true;
}

static bool map_by_name(const Array *to, const Array *from, AxisMap *m) {
  int met = 0;
  for (int i = 0; i < to->rank; i++) {
    m->at[i] = -1;
    for (int k = 0; k < from->rank; k++)
      if (to->axis[i].name == from->axis[k].name && to->axis[i].extent == from->axis[k].extent)
        m->at[i] = k;
    met += m->at[i] >= 0;
  }
  return met == from->rank && !axis_twice(to);
}

static bool map_by_order(const Array *to, const Array *from, AxisMap *m) {
  bool same = to->rank == from->rank && (axes_unnamed(from) || axis_twice(to));
  for (int i = 0; same && i < to->rank; i++) {
    m->at[i] = i;
    same = to->axis[i].extent == from->axis[i].extent;
  }
  return same;
}

// The number of `from`'s element that stands at element i of `to`.
static int64_t element_at(const Array *to, const Array *from, const AxisMap *m, int64_t i) {
  int64_t at = 0, place[BIGS_MAX_RANK] = {0};
  for (int k = to->rank; k-- > 0; i /= to->axis[k].extent)
    if (m->at[k] >= 0)
      place[m->at[k]] = i % to->axis[k].extent;
  for (int k = 0; k < from->rank; k++)
    at = at * from->axis[k].extent + place[k];
  return at;
}

static void copy_elements(Array *to, const Array *from, const AxisMap *m) {
  int parts = dtype_is_complex(to->dtype) ? 2 : 1, given = dtype_is_complex(from->dtype) ? 2 : 1;
  for (int64_t i = 0; i < to->n / parts; i++) {
    int64_t at = element_at(to, from, m, i);
    for (int k = 0; k < parts; k++)
      array_set(to, i * parts + k, k < given ? array_number(from, at * given + k) : 0);
  }
}

static bool numbers_fit(const Array *to, const Array *from) {
  return from->dtype != DT_BOOL && (dtype_is_complex(to->dtype) || !dtype_is_complex(from->dtype));
}

Weight *ready_weight(const Ready *e, const char *path) {
  const Param *p = param_of(e, path);
  return p ? weight_find(e, p) : NULL;
}

bool ready_store(Ready *e, const Param *p, const Array *x, bool tell) {
  Weight *w = weight_find(e, p);
  Array *to = array_like_param(e, p->node, true);
  AxisMap m;
  bool ok = w && to && numbers_fit(to, x) && (map_by_name(to, x, &m) || map_by_order(to, x, &m));
  if (ok) {
    copy_elements(to, x, &m);
    memcpy(w->value->data, to->data, (size_t)array_bytes(to));
    e->r->changes++;
    if (tell && !e->r->o->quiet)
      fprintf(e->r->out, "%s : %s\n", p->path, array_type(e->arena, to->dtype, to->axis, to->rank));
  } else if (to)
    repl_fail(e->r, "`%s` is %s, and the value %s", p->path,
              array_type(e->arena, to->dtype, to->axis, to->rank),
              array_type(e->arena, x->dtype, x->axis, x->rank));
  array_free(to);
  return ok;
}

bool repl_assign(Repl *r, const char *path, const Array *x) {
  Ready e;
  bool ready = ready_holder(&e, r, path), ok = false;
  const Param *p = ready ? param_of(&e, path) : NULL;
  if (p)
    ok = ready_store(&e, p, x, true);
  else if (ready)
    repl_fail(r, "there is no parameter `%s`; `:info %.*s` lists what there is", path,
              (int)strcspn(path, "."), path);
  ready_free(&e);
  return ok;
}

// :save, :reload and :load of weights.
#include "base/error.h"
#include "compiler/commands/tensors.h"
#include "compiler/repl/repl.h"
#include "runtime/files/hub.h"
#include "runtime/foreign/foreign.h"
#include <stdlib.h>
#include <string.h>

// ---- :save

typedef VEC(Written) WrittenList;

// The weights of a child or parameter, in the order of its type.
static bool add_params(Repl *r, Item *it, WrittenList *out) {
  const ModelParam *p;
  Ready e;
  bool ok = ready_elaborate(&e, r, repl_zero(r, it->span), it) && ready_build(&e, false);
  for (int i = 0, n = ok ? model_params(e.model, &p) : 0; i < n; i++) {
    Weight *w = ready_weight(&e, p[i].path);
    int64_t *shape = w ? NEWN(r->arena, int64_t, w->value->rank + 1) : NULL;
    for (int k = 0; w && k < w->value->rank; k++)
      shape[k] = w->value->axis[k].extent;
    Written one = {.name = w ? w->path : NULL, .shape = shape};
    if (!w)
      continue;
    one.dtype = (int)w->value->dtype;
    one.rank = w->value->rank;
    one.data = w->value->data;
    vec_push(r->arena, out, one);
  }
  ready_free(&e);
  return ok;
}

bool repl_may_write(Repl *r, const char *path, OutputKind kind) {
  const char *what = output_in_the_way(path, kind);
  if (what)
    repl_fail(r, "%s is %s, and would be overwritten: choose another output, or remove it first",
              path, what);
  return !what;
}

void repl_save(Repl *r, const char *path) {
  WrittenList all = {0};
  Session s = {.o = r->o, .arena = r->arena};
  bool ok = *path && repl_may_write(r, path, OUTPUT_NUMBERS);
  if (!*path)
    repl_fail(r, "where to? `:save w.safetensors`");
  for (int i = 0; ok && i < r->items.n; i++)
    if (r->items.v[i]->kind == ITEM_CHILD || r->items.v[i]->kind == ITEM_PARAM)
      ok = add_params(r, r->items.v[i], &all);
  if (ok && !all.n)
    repl_fail(r, "there are no parameters yet");
  else if (ok && tensors_write(&s, path, all.v, all.n))
    r->failures++;
  else if (ok)
    repl_note(r, "%s has %d parameter%s now", path, all.n, all.n == 1 ? "" : "s");
}

// ---- :load of weights

// By the order of its axes, which files do not name.
static bool take_tensor(Ready *e, const Param *p, const StTensor *t) {
  Repl *r = e->r;
  TypedAxis axis[BIGS_MAX_RANK];
  BigsError error = {0};
  for (int i = 0; i < t->rank && i < BIGS_MAX_RANK; i++)
    axis[i] = (TypedAxis){intern(r->names, arena_printf(r->arena, "%s%d", PLAIN_AXIS, i)),
                          t->shape[i], TYPED_LOCAL};
  Array *x = t->rank <= BIGS_MAX_RANK ? array_new(DT_F64, axis, t->rank) : NULL;
  bool ok = x && !st_copy(t, ST_F64, x->data, &error) && ready_store(e, p, x, false);
  if (*error.text)
    repl_fail(r, "%s", error.text);
  array_free(x);
  return ok;
}

static const StTensor *tensor_of(const Hub *h, const char *name) {
  for (int i = 0; i < hub_count(h); i++)
    if (!strcmp(hub_at(h, i)->name, name))
      return hub_at(h, i);
  return NULL;
}

// Those of the file that are the item's; false: failed, reported.
static bool take_tensors(Repl *r, Item *it, const Hub *h, int *taken) {
  Ready e;
  bool ok = ready_elaborate(&e, r, repl_zero(r, it->span), it) && ready_build(&e, false);
  for (int i = 0; ok && i < e.graph->params.n; i++) {
    const Param *p = e.graph->params.v[i];
    const StTensor *t = p->is_stack ? NULL : tensor_of(h, p->path);
    ok = !t || take_tensor(&e, p, t);
    *taken += t != NULL;
  }
  ready_free(&e);
  return ok;
}

void repl_load_weights(Repl *r, const char *path) {
  BigsError e = {0};
  Hub *h;
  int taken = 0;
  bool ok = true;
  if (hub_open(path, &foreign_readers, &h, &e)) {
    repl_fail(r, "%s", e.text);
    return;
  }
  for (int i = 0; ok && i < r->items.n; i++)
    if (r->items.v[i]->kind == ITEM_CHILD || r->items.v[i]->kind == ITEM_PARAM)
      ok = take_tensors(r, r->items.v[i], h, &taken);
  int others = hub_count(h) - taken;
  if (ok && !taken)
    repl_fail(r,
              "none of the %d tensors of %s is a parameter here: `load(\"%s\")` lists them; the "
              "names of a "
              "checkpoint block are read by `bigsc repl MODEL --weights`",
              others, path, path);
  else if (ok)
    repl_note(r, "%d parameter%s from %s%s", taken, taken == 1 ? "" : "s", path,
              others ? arena_printf(r->arena, "; of its tensors %d are none here", others) : "");
  hub_close(h);
}

// ---- :reload

static bool has_weight(const Repl *r, const char *path) {
  for (int i = 0; i < r->weights.n; i++)
    if (!r->weights.v[i]->draw && !strcmp(r->weights.v[i]->path, path))
      return true;
  return false;
}

// Parameters keep their numbers as long as path and shape stay.
void repl_reload(Repl *r) {
  VEC(Weight *) kept = {0};
  if (!r->loaded) {
    repl_fail(r, "no file was loaded: `:load model.mdl`");
    return;
  }
  for (int i = 0; i < r->weights.n; i++)
    if (!r->weights.v[i]->draw)
      vec_push(r->arena, &kept, r->weights.v[i]);
  Array **copy = NEWN(r->arena, Array *, kept.n + 1);
  for (int i = 0; i < kept.n; i++)
    copy[i] = array_copy(kept.v[i]->value);
  bool ok = repl_load(r, r->loaded);
  for (int i = 0; i < kept.n; i++)
    if (ok && copy[i] && !has_weight(r, kept.v[i]->path)) {
      Weight *w = NEW(r->arena, Weight);
      *w = (Weight){.path = kept.v[i]->path, .value = copy[i]};
      vec_push(r->arena, &r->weights, w);
    } else
      array_free(copy[i]);
  if (ok)
    repl_note(r, "%s as it is now; parameters are kept where path and shape are", r->loaded);
}

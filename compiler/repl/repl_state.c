// What the REPL knows: declarations, names, dims, parameters.
#include "compiler/repl/repl.h"
#include <stdlib.h>
#include <string.h>

Repl *repl_new(const Options *o, FILE *out, FILE *err, const char *source, const char **error) {
  Arena *a = arena_new();
  Repl *r = NEW(a, Repl);
  *r = (Repl){.o = o,
              .out = out,
              .err = err,
              .arena = a,
              .names = intern_new(a),
              .source = source,
              .line = 1};
  r->target = target_new(a, o->march, (int)o->opt, options_bf16(o) ? TARGET_BF16 : 0, error);
  r->jit = r->target ? jit_new(a, r->target, error) : NULL;
  for (int i = 0; i < o->defs.n; i++)
    vec_push(a, &r->sets, o->defs.v[i]);
  if (r->jit)
    return r;
  static char kept[256]; // the arena goes
  snprintf(kept, sizeof kept, "%s", *error);
  *error = kept;
  arena_free(a);
  return NULL;
}

void repl_free(Repl *r) {
  if (!r)
    return;
  repl_train_end(r);
  for (int i = 0; i < r->items.n; i++)
    array_free(r->items.v[i]->value);
  for (int i = 0; i < r->weights.n; i++)
    array_free(r->weights.v[i]->value);
  jit_free(r->jit);
  arena_free(r->arena);
}

// ---- messages

static void say(Repl *r, const char *color, const char *what, const char *fmt, va_list ap) {
  fflush(r->out);
  fprintf(r->err, r->color ? "\033[1;%sm%s:\033[0m " : "%.0s%s: ", color, what);
  vfprintf(r->err, fmt, ap);
  fprintf(r->err, "\n");
}

void repl_fail(Repl *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  say(r, "31", "error", fmt, ap);
  va_end(ap);
  r->failures++;
}

void repl_note(Repl *r, const char *fmt, ...) {
  va_list ap;
  if (r->o->quiet)
    return;
  va_start(ap, fmt);
  say(r, "36", "note", fmt, ap);
  va_end(ap);
}

void repl_diags(Repl *r, const Diags *d) {
  fflush(r->out);
  diags_print(r->err, d, options_format(r->o), r->color);
  r->failures += d->errors > 0;
}

// ---- names

Item *repl_item(const Repl *r, const char *name) {
  for (int i = 0; i < r->items.n; i++)
    if (r->items.v[i]->name == name)
      return r->items.v[i];
  return NULL;
}

Item *repl_put(Repl *r, const char *name, ItemKind kind, Span span) {
  Item *it = repl_item(r, name);
  uint64_t draw = it ? it->draw + 1 : 0;
  if (!it) {
    it = NEW(r->arena, Item);
    vec_push(r->arena, &r->items, it);
  }
  array_free(it->value);
  *it = (Item){.name = name, .kind = kind, .span = span, .draw = draw, .stamp = ++r->stamps};
  return it;
}

void repl_value(Repl *r, Item *it, Array *value) {
  array_free(it->value);
  it->value = value;
  it->stamp = ++r->stamps;
}

Item *repl_pin(Repl *r, const char *name, Array *x) {
  Item *it = repl_item(r, intern(r->names, name));
  if (!it || it->kind != ITEM_LATER || it->value)
    return NULL;
  it->value = x;
  return it;
}

void repl_unpin(Item *it) {
  if (it)
    it->value = NULL;
}

void repl_forget(Repl *r, const char *name) {
  int n = 0;
  for (int i = 0; i < r->items.n; i++)
    if (r->items.v[i]->name == name)
      array_free(r->items.v[i]->value);
    else
      r->items.v[n++] = r->items.v[i];
  r->items.n = n;
}

ModelOptions repl_options(const Repl *r, const Defines *defs, bool draft) {
  return (ModelOptions){.defs = defs->v,
                        .ndefs = defs->n,
                        .forms = r->o->forms.v,
                        .nforms = r->o->forms.n,
                        .draft = draft};
}

// ---- where values came from

typedef struct Older {
  const Repl *r;
  uint64_t stamp;
  bool all;
} Older;

static void must_be_older(void *ctx, const char *name) {
  Older *o = ctx;
  const Item *it = repl_item(o->r, name);
  o->all &= !it || it->stamp < o->stamp;
}

// Not one of random numbers, which would be others, nor of a name that means something else by now.
bool repl_unfolds(const Repl *r, const Item *it) {
  Older o = {.r = r, .stamp = it->stamp, .all = true};
  if (!r->unfold || it == r->kept || !it->value || !it->origin)
    return false;
  names_of_expr(it->origin->value, must_be_older, &o);
  return o.all;
}

void repl_drop_weights(Repl *r, const char *root) {
  size_t len = strlen(root);
  int n = 0;
  for (int i = 0; i < r->weights.n; i++) {
    Weight *w = r->weights.v[i];
    if (!strncmp(w->path, root, len) && (!w->path[len] || w->path[len] == '.'))
      array_free(w->value);
    else
      r->weights.v[n++] = w;
  }
  r->weights.n = n;
}

const DimNow *repl_dim(const Repl *r, const char *name) {
  for (int i = 0; i < r->dims.n; i++)
    if (!strcmp(r->dims.v[i].name, name))
      return &r->dims.v[i];
  return NULL;
}

// ---- declarations

const char *repl_decl_name(const Decl *d) {
  return d->dims.n ? d->dims.v[0].name.s : d->lets.n ? d->lets.v[0].name.s : d->name.s;
}

const Decl *repl_own_decl(const Repl *r, const char *name) {
  for (int i = r->decls.n; i-- > 0;) {
    const char *known = repl_decl_name(r->decls.v[i].decl);
    if (known && !strcmp(known, name))
      return r->decls.v[i].decl;
  }
  return NULL;
}

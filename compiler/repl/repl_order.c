// Declarations and items may be given again in any order, so each is put behind what it is made of; what needs nothing stays where it is.
#include "compiler/repl/repl.h"
#include <string.h>

// ---- declarations

typedef struct DeclOrder {
  Repl *r;
  const DeclList *all;
  const Decl *of; // whose names are looked at
  bool *seen;
  DeclList out;
} DeclOrder;

static bool among_axes(const AxisNames *l, const char *name) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i].name.s == name)
      return true;
  return false;
}

static bool among_stmts(const Body *b, const char *name) {
  for (int i = 0; b && i < b->stmts.n; i++)
    for (int k = 0; k < b->stmts.v[i]->names.n; k++)
      if (b->stmts.v[i]->names.v[k].s == name)
        return true;
  return false;
}

// Its own, whatever has that name outside.
static bool binds(const Decl *d, const char *name) {
  const Generics *of = d->generics;
  for (int i = 0; i < d->formals.n; i++)
    if (d->formals.v[i].name.s == name)
      return true;
  return (of && (among_axes(&of->in, name) || among_axes(&of->out, name))) ||
         among_stmts(d->body, name);
}

static void put_decl_behind(DeclOrder *o, int i);

// A name that nothing declares may be of a file in use.
static void needs_decl(void *ctx, const char *name) {
  DeclOrder *o = ctx;
  bool found = false;
  if (binds(o->of, name))
    return;
  for (int i = 0; i < o->all->n; i++)
    if (repl_decl_name(o->all->v[i].decl) == name) {
      found = true;
      put_decl_behind(o, i);
    }
  for (int i = 0; i < o->all->n && !found; i++)
    if (o->all->v[i].decl->kind == DECL_USE)
      put_decl_behind(o, i);
}

static void put_decl_behind(DeclOrder *o, int i) {
  const Decl *around = o->of;
  if (o->seen[i])
    return;
  o->seen[i] = true;
  o->of = o->all->v[i].decl;
  names_of_decl(o->of, needs_decl, o);
  o->of = around;
  vec_push(o->r->arena, &o->out, o->all->v[i]);
}

DeclList decls_in_order(Repl *r, const DeclList *all) {
  DeclOrder o = {.r = r, .all = all, .seen = NEWN(r->arena, bool, all->n + 1)};
  for (int i = 0; i < all->n; i++)
    put_decl_behind(&o, i);
  return o.out;
}

// ---- items

typedef struct ItemOrder {
  Repl *r;
  Arena *arena;
  ItemList seen, out;
} ItemOrder;

static void put_item_behind(ItemOrder *o, Item *it);

static void needs_item(void *ctx, const char *name) {
  ItemOrder *o = ctx;
  Item *it = repl_item(o->r, name);
  if (it)
    put_item_behind(o, it);
}

static void put_item_behind(ItemOrder *o, Item *it) {
  for (int i = 0; i < o->seen.n; i++)
    if (o->seen.v[i] == it)
      return;
  vec_push(o->arena, &o->seen, it);
  if (repl_unfolds(o->r, it))
    names_of_expr(it->origin->value, needs_item, o);
  if (it->stmt)
    names_of_stmt(it->stmt, needs_item, o);
  vec_push(o->arena, &o->out, it);
}

ItemList items_in_order(Arena *a, Repl *r) {
  ItemOrder o = {.r = r, .arena = a};
  for (int i = 0; i < r->items.n; i++)
    put_item_behind(&o, r->items.v[i]);
  return o.out;
}

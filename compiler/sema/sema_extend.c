// A model, a checkpoint block, a train block that goes on `from` one of a used file: the two as one declaration.
#include "compiler/sema/sema_check.h"
#include <string.h>

// ---- models
static bool binds(const Stmt *st, const char *name) {
  for (int i = 0; i < st->names.n; i++)
    if (st->names.v[i].s == name && !is_no_name(st, i))
      return true;
  return false;
}

static bool bind_alike(const Stmt *a, const Stmt *b) {
  for (int i = 0; i < a->names.n; i++)
    if (binds(b, a->names.v[i].s))
      return true;
  return false;
}

// Results keep their places: one that is said again is called `_`.
static bool leave_out(Sema *s, const Stmt *st, const Stmt *again, Stmt *left) {
  bool any = false;
  for (int i = 0; i < st->names.n; i++) {
    Name name = st->names.v[i];
    bool out = is_no_name(st, i) || binds(again, name.s);
    any |= !out;
    if (st->kind == ST_BIND && out)
      name.s = intern(s->m->names, "_");
    if (st->kind == ST_BIND || !out)
      vec_push(s->a, &left->names, name);
  }
  return any;
}

// The statement without the names that `again` binds; NULL: nothing is left of it.
static Stmt *without(Sema *s, Stmt *st, const Stmt *again) {
  if (!bind_alike(st, again))
    return st;
  Stmt *left = NEW(s->a, Stmt);
  *left = *st;
  left->names = (Names){0};
  return leave_out(s, st, again, left) ? left : NULL;
}

// `more` stands in place of the first statement of `base` that binds a name of its last one.
static Stmts replaced(Sema *s, const Stmts *base, int at, const Stmts *more) {
  Stmts out = {0};
  const Stmt *again = more->v[more->n - 1];
  for (int i = 0; i < base->n; i++) {
    for (int k = 0; i == at && k < more->n; k++)
      vec_push(s->a, &out, more->v[k]);
    Stmt *left = without(s, base->v[i], again);
    if (left)
      vec_push(s->a, &out, left);
  }
  return out;
}

static int bound_in(const Stmts *base, const Stmts *more, const Stmt *st) {
  for (int i = 0; i < base->n; i++) {
    bool its_own = false;
    for (int k = 0; k < more->n; k++)
      its_own |= more->v[k] == base->v[i];
    if (!its_own && bind_alike(base->v[i], st))
      return i;
  }
  return -1;
}

// A statement that binds a name of the base takes the place of that one, behind the new ones above it; the rest are last.
static Body *extend_body(Sema *s, const Body *base, const Body *more) {
  Body *out = NEW(s->a, Body);
  Stmts fresh = {0};
  *out = *more;
  out->stmts = base->stmts;
  out->bad = base->bad || more->bad;
  for (int i = 0; i < more->stmts.n; i++) {
    int at = bound_in(&out->stmts, &more->stmts, more->stmts.v[i]);
    vec_push(s->a, &fresh, more->stmts.v[i]);
    if (at < 0)
      continue;
    out->stmts = replaced(s, &out->stmts, at, &fresh);
    fresh.n = 0;
  }
  Stmts all = {0};
  for (int i = 0; i < out->stmts.n; i++)
    vec_push(s->a, &all, out->stmts.v[i]);
  for (int i = 0; i < fresh.n; i++)
    vec_push(s->a, &all, fresh.v[i]);
  out->stmts = all;
  return out;
}

static bool has_formal(const Formals *l, const char *name) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i].name.s == name)
      return true;
  return false;
}

static void extend_model(Sema *s, Decl *out, const Decl *d, const Decl *u) {
  Formals all = {0};
  for (int i = 0; i < u->formals.n; i++)
    if (!has_formal(&d->formals, u->formals.v[i].name.s))
      vec_push(s->a, &all, u->formals.v[i]);
  for (int i = 0; i < d->formals.n; i++)
    vec_push(s->a, &all, d->formals.v[i]);
  out->formals = all;
  out->body = d->body && u->body ? extend_body(s, u->body, d->body) : d->body;
}

// ---- checkpoint blocks
static bool same_seg(const Seg *a, const Seg *b) {
  bool same = a->kind == b->kind && a->names.n == b->names.n;
  for (int i = 0; same && i < a->names.n; i++)
    same = a->names.v[i].s == b->names.v[i].s;
  return same;
}

static bool same_path(const CkRule *a, const CkRule *b) {
  bool same = a->segs.n == b->segs.n;
  for (int i = 0; same && i < a->segs.n; i++)
    same = same_seg(&a->segs.v[i], &b->segs.v[i]);
  return same;
}

static bool same_setting(const ConfigItem *a, const ConfigItem *b) {
  const char *key = a->check ? a->name.s : a->key.s;
  return key == (b->check ? b->name.s : b->key.s) ||
         (!a->check && !b->check && a->name.s == b->name.s);
}

static bool in_config(const CkItem *again, const ConfigItem *c) {
  for (int i = 0; i < again->config.n; i++)
    if (same_setting(c, &again->config.v[i]))
      return true;
  return false;
}

static void config_without(Sema *s, CkItem *it, const CkItem *again) {
  CkItem old = *it;
  if (strcmp(old.path.s, again->path.s))
    return;
  memset(&it->config, 0, sizeof it->config);
  for (int i = 0; i < old.config.n; i++)
    if (!in_config(again, &old.config.v[i]))
      vec_push(s->a, &it->config, old.config.v[i]);
}

static bool in_aliases(const CkItem *again, const char *old_name) {
  for (int i = 0; i < again->aliases.n; i++)
    if (!strcmp(again->aliases.v[i].old_name.s, old_name))
      return true;
  return false;
}

static void aliases_without(Sema *s, CkItem *it, const CkItem *again) {
  CkItem old = *it;
  memset(&it->aliases, 0, sizeof it->aliases);
  for (int i = 0; i < old.aliases.n; i++)
    if (!in_aliases(again, old.aliases.v[i].old_name.s))
      vec_push(s->a, &it->aliases, old.aliases.v[i]);
}

// What `again` leaves of an item; false: nothing.
static bool item_left(Sema *s, CkItem *it, const CkItem *again) {
  if (it->kind != again->kind)
    return true;
  switch (it->kind) {
  case CK_LAYOUT: return false;
  case CK_RULE: return !same_path(it->rule, again->rule);
  case CK_CONFIG: config_without(s, it, again); return it->config.n > 0;
  case CK_ALIAS: aliases_without(s, it, again); return it->aliases.n > 0;
  default: return true;
  }
}

static void extend_checkpoint(Sema *s, Decl *out, const Decl *d, const Decl *u) {
  memset(&out->checkpoint, 0, sizeof out->checkpoint);
  for (int i = 0; i < u->checkpoint.n; i++) {
    CkItem it = u->checkpoint.v[i];
    bool left = true;
    for (int k = 0; k < d->checkpoint.n && left; k++)
      left = item_left(s, &it, &d->checkpoint.v[k]);
    if (left)
      vec_push(s->a, &out->checkpoint, it);
  }
  for (int i = 0; i < d->checkpoint.n; i++)
    vec_push(s->a, &out->checkpoint, d->checkpoint.v[i]);
}

// ---- train blocks
static bool is_said_again(const TrItem *it, const Decl *d) {
  for (int i = 0; i < d->train.n; i++) {
    const TrItem *again = &d->train.v[i];
    if (it->kind == again->kind && it->kind != TR_GROUP &&
        (it->kind != TR_SETTING || it->setting.name.s == again->setting.name.s) &&
        (it->kind != TR_NEXT || span_same_text(it->state->span, again->state->span)))
      return true;
  }
  return false;
}

static void extend_train(Sema *s, Decl *out, const Decl *d, const Decl *u) {
  memset(&out->train, 0, sizeof out->train);
  for (int i = 0; i < u->train.n; i++)
    if (!is_said_again(&u->train.v[i], d))
      vec_push(s->a, &out->train, u->train.v[i]);
  for (int i = 0; i < d->train.n; i++)
    vec_push(s->a, &out->train, d->train.v[i]);
}

Decl *sema_extend(Sema *s, const Decl *d, const Decl *u) {
  Decl *out = NEW(s->a, Decl);
  *out = *d;
  out->bad = d->bad || u->bad;
  if (d->kind == DECL_MODEL)
    extend_model(s, out, d, u);
  else if (d->kind == DECL_CHECKPOINT)
    extend_checkpoint(s, out, d, u);
  else
    extend_train(s, out, d, u);
  return out;
}

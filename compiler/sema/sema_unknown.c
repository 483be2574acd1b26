// A name that nothing here is called: what it may have been meant to be.
#include "compiler/sema/sema_habits.h"
#include <string.h>

// A name of this body, used above its line.
static bool bound_later(Sema *s, Diag *g, const char *name) {
  for (Scope *sc = s->scope; sc; sc = sc->up)
    for (int i = 0; sc->body && i < sc->body->stmts.n; i++) {
      const Names *n = &sc->body->stmts.v[i]->names;
      for (int k = 0; k < n->n; k++)
        if (n->v[k].s == name) {
          sema_label(s, g, n->v[k].span, "bound here: it is seen from its line on");
          names_put(s->a, &sc->wanted, name, (void *)name);
          return true;
        }
    }
  return false;
}

// A dim or a let of a line further down, while those above it are evaluated.
static bool declared_later(Sema *s, Diag *g, const Expr *e) {
  const File *f = s->m->file;
  for (int i = 0; s->frame->kind == FR_CONST && i < f->decls.n; i++) {
    const Decl *d = f->decls.v[i];
    for (int k = 0; k < d->dims.n + d->lets.n && d->kind != DECL_BAD; k++) {
      Name n = k < d->dims.n ? d->dims.v[k].name : d->lets.v[k - d->dims.n].name;
      if (n.s != e->name.s)
        continue;
      sema_label(s, g, n.span, "declared here: it is seen from its line on");
      return true;
    }
  }
  return false;
}

// Names that mean something in another place than this one.
static bool elsewhere(Sema *s, Diag *g, const char *name) {
  static const struct {
    const char *name, *where;
  } table[] = {
#define INITIALIZER(id, name) {name, "what draws a first value, behind `~` or `init`"},
#include "compiler/sema/initializers.def"
#define SCHEDULE(ID, name, falls) {#name, "a schedule, in the `rate` of a train block"},
#include "base/schedules.def"
#undef SCHEDULE
#define OPTIMIZER(ID, name, arguments, beta2)                                                      \
  {#name, "an optimizer: `optimizer = " #name "(...)` in a train block"},
#include "base/optimizers.def"
#undef OPTIMIZER
#define SOURCE(ID, id, name, least) {name, "a source of data, on the `data` line of a train block"},
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
  };
  if (s->frame->kind == FR_INIT && s->frame->around && scope_find(s->frame->around, name)) {
    diag_help(s->d, g, "a first value sees dims and lets, `iota` and draws, no values of the body");
    return true;
  }
  for (int i = 0; i < COUNT(table); i++)
    if (!strcmp(table[i].name, name)) {
      diag_help(s->d, g, "`%s` is %s", name, table[i].where);
      return true;
    }
  return false;
}

// ---- names that are nearly right: what is called is a function or a child, what is not is a value
static void near_values(Sema *s, Suggest *best) {
  for (const Scope *sc = s->scope; sc; sc = sc->up)
    suggest_table(best, &sc->table);
  for (int i = 0; i < s->frame->ngenerics; i++)
    suggest_add(best, s->frame->generics[i].name.s);
  if (s->frame->prelude)
    return;
  suggest_table(best, &s->m->let_table);
  suggest_table(best, &s->m->dim_table);
}

static void near_children(Sema *s, Suggest *best) {
  for (const Scope *sc = s->scope; sc; sc = sc->up)
    for (int i = 0; i < sc->list.n; i++)
      if (!sc->list.v[i]->value || sc->list.v[i]->value->kind == V_CHILD)
        suggest_add(best, sc->list.v[i]->name);
}

static void near_functions(Sema *s, Suggest *best) {
  if (!s->frame->prelude)
    suggest_table(best, &s->m->user_fns);
  suggest_table(best, &s->m->prelude_fns);
  for (int i = 0; i < PRIM_COUNT; i++)
    suggest_add(best, prim_name((Prim)i));
}

static void suggest_near(Sema *s, Diag *g, const char *name, bool callee) {
  Suggest best = {.wanted = name};
  if (s->frame->kind == FR_INIT)
    for (int i = 0; initializer_name(i); i++)
      suggest_add(&best, initializer_name(i));
  if (callee)
    near_children(s, &best);
  else
    near_values(s, &best);
  if (callee || !best.best)
    near_functions(s, &best);
  suggest_help(s, g, &best);
}

static Value *no_value(Sema *s, const Expr *e, const Called *called) {
  Diag *g =
      sema_error(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is a module, not a value", e->name.s);
  sema_module_help(s, g, module_find(s, e->name.s), called);
  return v_poison(s);
}

static bool seen_below(Sema *s, Diag *g, const char *name) {
  LetInfo *l = names_get(&s->m->let_table, name);
  DimInfo *d = names_get(&s->m->dim_table, name);
  if ((!l && !d) || s->frame->prelude)
    return false;
  diag_note(s->d, g, l ? l->span : d->pub.span,
            "`%s` is declared here: it is seen from its line on", name);
  return true;
}

Value *sema_unknown_name(Sema *s, const Expr *e, Called *called, bool callee) {
  if (module_find(s, e->name.s))
    return no_value(s, e, called);
  Diag *g = sema_error(s, ERR_UNKNOWN_NAME, e->span, "unknown name `%s`", e->name.s);
  if (s->deciding && s->frame->kind != FR_FN)
    diag_note(s->d, g, (Span){0},
              "an `if`, and a number that one depends on, see dims, lets, numbers of the module "
              "and the `i` of "
              "`repeat N as i`");
  if (!seen_below(s, g, e->name.s) && !bound_later(s, g, e->name.s) && !declared_later(s, g, e) &&
      !sema_left_out(s, g, e->name.s) && !sema_foreign_name(s, g, e, called) &&
      !elsewhere(s, g, e->name.s))
    suggest_near(s, g, e->name.s, callee);
  return v_poison(s);
}

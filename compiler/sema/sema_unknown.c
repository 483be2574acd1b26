// A name that nothing here is called: what it may have been meant to be.
#include "compiler/sema/sema_eval.h"
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

Value *sema_unknown_name(Sema *s, const Expr *e) {
  if (module_find(s, e->name.s)) {
    Diag *g =
        sema_error(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is a module, not a value", e->name.s);
    diag_help(s->d, g, "declare a child `name : %s` and call it", e->name.s);
    return v_poison(s);
  }
  Diag *g = sema_error(s, ERR_UNKNOWN_NAME, e->span, "unknown name `%s`", e->name.s);
  LetInfo *l = names_get(&s->m->let_table, e->name.s);
  DimInfo *d = names_get(&s->m->dim_table, e->name.s);
  if ((l || d) && !s->frame->prelude) {
    diag_note(s->d, g, l ? l->span : d->pub.span,
              "`%s` is declared here: it is seen from its line on", e->name.s);
    return v_poison(s);
  }
  if (bound_later(s, g, e->name.s) || declared_later(s, g, e) || elsewhere(s, g, e->name.s))
    return v_poison(s);
  Suggest best = {.wanted = e->name.s};
  if (s->frame->kind == FR_INIT)
    for (int i = 0; initializer_name(i); i++)
      suggest_add(&best, initializer_name(i));
  for (const Scope *sc = s->scope; sc; sc = sc->up)
    suggest_table(&best, &sc->table);
  for (int i = 0; i < s->frame->ngenerics; i++)
    suggest_add(&best, s->frame->generics[i].name.s);
  if (!s->frame->prelude) {
    suggest_table(&best, &s->m->let_table);
    suggest_table(&best, &s->m->dim_table);
    suggest_table(&best, &s->m->user_fns);
  }
  suggest_table(&best, &s->m->prelude_fns);
  for (int i = 0; i < PRIM_COUNT; i++)
    suggest_add(&best, prim_name((Prim)i));
  suggest_help(s, g, &best);
  return v_poison(s);
}

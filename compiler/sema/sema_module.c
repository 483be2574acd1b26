// Modules and fns at their definition: checked once, with generics and `..` opaque.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <string.h>

Module *module_find(Sema *s, const char *name) {
  Module *m = s->frame->prelude ? NULL : names_get(&s->m->user_mods, name);
  return m ? m : names_get(&s->m->prelude_mods, name);
}

Fn *fn_find(Sema *s, const char *name) {
  Fn *f = s->frame->prelude ? NULL : names_get(&s->m->user_fns, name);
  return f ? f : names_get(&s->m->prelude_fns, name);
}

static void add_generics(Sema *s, const AxisNames *v, int side, Generic *out, int *n) {
  int packs = 0;
  for (int i = 0; i < v->n && *n < MAX_GENERICS; i++) {
    for (int k = 0; k < *n; k++)
      if (out[k].name.s == v->v[i].name.s)
        sema_error(s, ERR_NAME_TWICE, v->v[i].span, "generic `%s` is declared twice",
                   v->v[i].name.s);
    packs += v->v[i].pack;
    if (v->v[i].pack && packs == 2)
      sema_error(s, ERR_WRONG_GENERICS, v->v[i].span,
                 "a side of `->` has one group `%s...` at most", v->v[i].name.s);
    out[(*n)++] = (Generic){.name = v->v[i].name, .pack = v->v[i].pack, .side = side};
  }
}

void sema_generics(Sema *s, const Generics *g, Generic **out, int *n, int *nleft) {
  *n = *nleft = 0;
  if (!g)
    return;
  if (g->in.n + g->out.n > MAX_GENERICS)
    sema_error(s, ERR_WRONG_GENERICS, g->span, "at most %d generics", MAX_GENERICS);
  *out = NEWN(s->a, Generic, g->in.n + g->out.n);
  add_generics(s, &g->in, 0, *out, n);
  *nleft = *n;
  add_generics(s, &g->out, 1, *out, n);
}

// ---- conditions on sizes
Poly size_subst(Sema *s, const Poly *p, const AxList *map, bool *fits) {
  Poly sum = poly_const(0);
  *fits = true;
  for (int i = 0; i < p->n && *fits; i++) {
    Poly term = poly_const(p->t[i].coef);
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0 && *fits; k++) {
      int sym = p->t[i].sym[k];
      Poly x = sym >= SYM_GENERIC ? map[sym - SYM_GENERIC].v[0]->size : poly_sym(sym);
      *fits = poly_mul_fits(&term, &x);
      if (*fits)
        term = poly_mul(term, x);
    }
    *fits &= poly_add_fits(&sum, &term);
    if (*fits)
      sum = poly_add(sum, term);
  }
  (void)s;
  return sum;
}

static bool has_generic(const Poly *p) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      if (p->t[i].sym[k] >= SYM_GENERIC)
        return true;
  return false;
}

bool size_need(Sema *s, const Module *m, const AxList *map, const Need *need) {
  bool fa, fb;
  int64_t n;
  Poly a = size_subst(s, &need->a, map, &fa), b = size_subst(s, &need->b, map, &fb);
  Frame *f = frame_owner(s->frame);
  if (!fa || !fb)
    return false;
  if (need->kind != NEED_LESS && poly_eq(&a, &b))
    return true;
  if ((has_generic(&a) || has_generic(&b)) && f && f->mod) {
    vec_push(s->a, &f->mod->needs,
             (Need){need->kind, a, b, arena_printf(s->a, "%s in `%s`", need->text, m->name),
                    need->span});
    return true;
  }
  if (need->kind == NEED_EQUAL)
    return false;
  if (!poly_is_const(&b, &n))
    return true; // left to run time
  int64_t top = size_bound(&s->m->syms, &a);
  return top >= 0 && (need->kind == NEED_LESS ? top < n : top <= n);
}

// ---- the check of a definition
static void opaque_frame(Sema *s, Frame *f, Generic *g, int n, const Formals *formals) {
  f->generics = g;
  f->ngenerics = n;
  f->map = NEWN(s->a, AxList, n);
  for (int i = 0; i < n; i++) {
    Ax *a = ax_new(s, AX_GENERIC, g[i].name.s, poly_sym(SYM_GENERIC + i), g[i].name.span);
    a->pack = g[i].pack;
    a->depth = 1;
    f->map[i] = ax_list(s, &a, 1);
  }
  for (int i = 0; i < formals->n; i++)
    for (int k = 0; formals->v[i].type && k < formals->v[i].type->dims.n; k++)
      f->has_rest |= formals->v[i].type->dims.v[k].rest;
  Ax *rest = ax_new(s, AX_REST, "..", poly_const(1), (Span){0});
  rest->pack = true;
  f->rest = ax_list(s, &rest, 1);
}

static Value *formal_value(Sema *s, Module *m, const Formal *f, int index) {
  Value *preset = f->preset ? sema_constant(s, f->preset, "a default") : NULL;
  if (f->type) {
    Ty t = ty_eval(s, f->type, true);
    m->sig_bad |= t.bad;
    Value *v = ty_value(s, &t);
    v->formal = index;
    if (preset && !t.bad)
      sema_fit(s, s->frame, (Operand){preset, f->preset->span}, f, m->name, f->preset->span);
    return v;
  }
  if (preset)
    return preset;
  m->sig_bad = true;
  Diag *g = sema_error(s, ERR_UNTYPED_ARGUMENT, f->span,
                       "`%s` of module `%s` needs a type, or a number as its default", f->name.s,
                       m->name);
  diag_help(s->d, g, "write `%s : [..]` for a tensor, `%s = 1` for a number", f->name.s, f->name.s);
  return v_poison(s);
}

static void check_body(Sema *s, Module *m) {
  const Decl *d = m->decl;
  for (int i = 0; i < d->formals.n; i++) {
    Bound *b = scope_bind(s, d->formals.v[i].name, formal_value(s, m, &d->formals.v[i], i));
    if (b)
      b->is_formal = true;
    else
      m->sig_bad = true;
  }
  for (int i = 0; i < decl_nresults(d); i++)
    m->sig_bad |= ty_eval(s, decl_result(d, i), true).bad;
  Value *r = sema_body(s, d->body, d->name.span, m->name);
  const Stmts *st = &d->body->stmts;
  if (st->n)
    results_same(s, st->v[st->n - 1]->span, r, d, m->name);
  m->scope = s->scope;
  if (!d->bad) // what did not parse may have used it
    sema_check_unused(s, m->name, false);
}

// Checked bottom up, so that no recursion showed it.
static void too_deep(Sema *s, Span at) {
  s->nested = MAX_DEPTH;
  sema_enter_definition(s, at);
}

bool module_check(Sema *s, Module *m, Span at) {
  if (m->state == 2)
    return !m->sig_bad;
  if (m->state == 1) {
    if (!m->bad) {
      Diag *g = sema_error(s, ERR_CYCLE, at, "module `%s` contains itself", m->name);
      sema_label(s, g, m->decl->name.span, "declared here");
    }
    m->bad = true;
    return false;
  }
  if (!sema_enter_definition(s, m->decl->name.span))
    return false;
  m->state = 1;
  m->uses = NEWN(s->a, bool, s->m->dims.n + 1);
  Saved old = frame_save(s);
  Graph *g = s->g;
  s->g = NULL;
  s->frame = NULL;
  Frame *f = frame_push(s, FR_MODULE, m->name, at);
  f->seq = m->seq;
  f->prelude = m->prelude;
  f->mod = m;
  f->depth = 1;
  opaque_frame(s, f, m->generics, m->ngenerics, &m->decl->formals);
  check_body(s, m);
  frame_restore(s, old);
  s->g = g;
  m->state = 2;
  s->nested--;
  m->bad |= m->sig_bad;
  if (m->height > MAX_DEPTH)
    too_deep(s, m->decl->name.span);
  return !m->sig_bad;
}

static void check_fn_body(Sema *s, Fn *f) {
  const Decl *d = f->decl;
  for (int i = 0; i < d->formals.n; i++) {
    const Formal *p = &d->formals.v[i];
    if (p->type) {
      Ty t = ty_eval(s, p->type, true);
      f->bad |= t.bad;
    }
    if (p->preset)
      sema_constant(s, p->preset, "a default");
    Bound *b = scope_bind(s, p->name, v_poison(s));
    if (b)
      b->is_formal = true;
    else
      f->bad = true;
  }
  for (int i = 0; d->type && i < decl_nresults(d); i++)
    f->bad |= ty_eval(s, decl_result(d, i), true).bad;
  int errors = s->d->errors;
  sema_body(s, d->body, d->name.span, f->name);
  if (!d->bad)
    sema_check_unused(s, f->name, s->d->errors == errors);
}

// Names are checked here, with formals of unknown type; types at each call.
bool fn_check(Sema *s, Fn *f, Span at) {
  if (f->state == 2)
    return !f->bad;
  if (f->state == 1) {
    if (!f->bad) {
      Diag *g = sema_error(s, ERR_CYCLE, at, "`%s` calls itself", f->name);
      sema_label(s, g, f->decl->name.span, "declared here");
    }
    f->bad = true;
    return false;
  }
  if (!sema_enter_definition(s, f->decl->name.span))
    return false;
  f->state = 1;
  Saved old = frame_save(s);
  Graph *g = s->g;
  int errors = s->d->errors;
  s->g = NULL;
  s->frame = NULL;
  Frame *fr = frame_push(s, FR_FN, f->name, at);
  fr->seq = f->seq;
  fr->prelude = f->prelude;
  fr->fn = f;
  fr->depth = 1;
  opaque_frame(s, fr, (Generic *)f->generics, f->ngenerics, &f->decl->formals);
  check_fn_body(s, f);
  frame_restore(s, old);
  s->g = g;
  f->state = 2;
  s->nested--;
  f->bad |= s->d->errors > errors;
  if (f->height > MAX_DEPTH)
    too_deep(s, f->decl->name.span);
  return !f->bad;
}

// ---- unused names
// A poisoned value is in error and not reported again; untyped: every value is one, as in a fn.
void sema_check_unused(Sema *s, const char *what, bool untyped) {
  if (s->stopped)
    return;
  for (int i = 0; i < s->scope->list.n; i++) {
    const Bound *b = s->scope->list.v[i];
    if (b->used || b->is_formal || b->is_state || (b->value && is_poison(b->value) && !untyped))
      continue;
    Diag *g = sema_error(s, ERR_UNUSED, b->span, "`%s` is never used in `%s`", b->name, what);
    diag_primary(s->d, g,
                 b->is_param   ? "a parameter that nothing uses"
                 : b->is_child ? "a child that nothing uses"
                               : "a value that nothing uses");
  }
}

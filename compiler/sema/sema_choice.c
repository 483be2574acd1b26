// `if`: constants that decide what a module is made of.  They see dims, lets, the module's numbers and the number of a
// layer, so that they are known where parameters are laid out.
#include "compiler/sema/sema_eval.h"
#include <string.h>

static bool is_known(const Value *v) {
  return v && (is_number(v) || (is_tensor(v) && v->known));
}

static void bind_again(Sema *s, Name name, Value *v) {
  Bound *b = scope_bind(s, name, v);
  if (b)
    b->is_formal = true;
}

void sema_bind_index(Sema *s, const Stmt *st, int64_t i) {
  scope_push(s, s->frame, s->scope);
  if (st->index.s)
    bind_again(s, st->index, v_number(s, number_size(s, poly_const(i))));
}

void sema_bind_numbers(Sema *s, const Module *m, Value *const *args) {
  const Formals *f = &m->decl->formals;
  for (int i = 0; i < f->n; i++)
    if (!f->v[i].type && (f->v[i].preset || (args && args[i])))
      bind_again(s, f->v[i].name, args && args[i] ? args[i] : sema_value(s, f->v[i].preset));
}

// A scope with what conditions see of the one around.
static Scope *numbers_of(Sema *s, const Stmt *st, int64_t i) {
  const Scope *body = s->scope;
  Scope *sc = scope_push(s, s->frame, NULL);
  bool counted = st->index.s && st->repeat == REPEAT_REPEAT;
  if (counted)
    bind_again(s, st->index, v_number(s, number_size(s, poly_const(i))));
  for (int k = 0; k < body->list.n; k++) {
    const Bound *b = body->list.v[k];
    if (b->is_formal && is_known(b->value) && !(counted && b->name == st->index.s))
      bind_again(s, (Name){b->name, b->span}, b->value);
  }
  return sc;
}

// The module's numbers that were used decide from now on: they are given where a child is declared, never at a call.
static bool note_deciding(Sema *s, const Scope *sc) {
  Module *m = s->frame->mod;
  bool any = false;
  for (int k = 0; m && k < m->decl->formals.n; k++) {
    const Bound *b = scope_find(sc, m->decl->formals.v[k].name.s);
    if (!b || !b->used)
      continue;
    m->deciding[k] |= checking(s);
    any = true;
  }
  return any;
}

static bool note_generics(Sema *s, const Expr *e) {
  bool any = false;
  for (int k = 0; e->kind == EX_NAME && k < s->frame->ngenerics; k++)
    if (s->frame->generics[k].name.s == e->name.s) {
      ((Generic *)s->frame->generics)[k].is_static |= checking(s);
      any = true;
    }
  for (int k = 0; e->kind == EX_CALL && k < e->args.n; k++)
    any |= note_generics(s, e->args.v[k].value);
  if (e->a)
    any |= note_generics(s, e->a);
  if (e->b)
    any |= note_generics(s, e->b);
  return any;
}

Value *sema_decide(Sema *s, const Stmt *st, const Expr *e, int64_t i, bool *varies) {
  Saved old = frame_save(s);
  Scope *sc = numbers_of(s, st, i);
  bool deciding = s->deciding;
  s->deciding = true;
  Value *v = sema_value(s, e);
  s->deciding = deciding;
  *varies |= note_deciding(s, sc);
  frame_restore(s, old);
  *varies |= note_generics(s, e);
  return v;
}

static void no_choice(Sema *s, const Expr *e, const Value *v) {
  Diag *g = sema_error(
      s, ERR_RUN_TIME_ONLY, e->span,
      "an `if` is about what is true or false when the model is compiled, and this is %s",
      is_tensor(v) && !v->ax.n ? "known only at run time" : v_type_str(s, v));
  if (is_number(v))
    diag_help(s->d, g, "compare it: `if %s > 0`", e->kind == EX_NAME ? e->name.s : "N");
  else
    diag_help(s->d, g, "`select(cond, a, b)` chooses between values");
}

// Opaque sizes leave it open while a module is checked.
Choice sema_choice(Sema *s, const Stmt *st, int64_t i, bool *varies) {
  bool moves = false;
  Value *v = sema_decide(s, st, st->cond, i, &moves);
  *varies |= moves;
  if (is_tensor(v) && v->known)
    return v->truth ? CHOICE_YES : CHOICE_NO;
  bool opaque = checking(s) && moves && is_tensor(v) && v->dtype == DT_BOOL && !v->ax.n;
  if (!opaque && !is_poison(v))
    no_choice(s, st->cond, v);
  return CHOICE_OPEN;
}

const Stmt *child_chosen(Sema *s, const Stmt *st, int64_t i, bool *varies) {
  while (st->other && sema_choice(s, st, i, varies) == CHOICE_NO)
    st = st->other;
  return st;
}

// ---- parameters
bool param_is_there(Sema *s, const Stmt *st) {
  bool varies = false;
  return !st->cond || sema_choice(s, st, 0, &varies) != CHOICE_NO;
}

// The number that stands for a parameter that is not there, with its type; NULL: reported.
Value *param_absent(Sema *s, const Stmt *st, const Ty *t) {
  const Expr *e = st->absent ? st->absent : st->value;
  Value *v = e && (st->absent || e->kind == EX_NUM || e->kind == EX_NEG)
                 ? sema_constant(s, e, "what stands for a parameter that is not there")
                 : NULL;
  if (v && is_number(v) && (!v->num->is_complex || dtype_is_complex(t->dtype)))
    return sema_number_fits(s, e->span, v->num, t->dtype) ? v_full(s, v, t->dtype, &t->ax) : NULL;
  if (v && is_poison(v))
    return NULL;
  Diag *g =
      sema_error(s, ERR_BAD_INITIALIZER, e ? e->span : st->span,
                 "where the `if` is false, the name needs a number in place of the parameter");
  diag_help(s->d, g, "write `~ 0 if ...`, or `if ... or 1`");
  return NULL;
}

void param_check_choice(Sema *s, const Stmt *st, const Ty *t) {
  if (st->cond && !t->bad) {
    param_is_there(s, st);
    param_absent(s, st, t);
  }
}

// What a model that is being tried out at a prompt has beyond the language: types that no text wrote,
// and entries whose type is that of their value.
#include "compiler/sema/sema_check.h"
#include <string.h>

AxList sema_typed_axis(Sema *s, const TDim *d) {
  bool found;
  int64_t n;
  AxList l = ax_lookup(s, d->name, &found);
  if (found && !d->slice && l.n == 1 && ax_const(l.v[0], &n) && n == d->extent)
    return l;
  Ax *a = ax_new(s, d->slice ? AX_SLICE : AX_LOCAL, d->name.s, poly_const(d->extent), d->span);
  a->depth = s->frame->depth;
  if (!d->slice)
    vec_push(s->a, &s->frame->locals, a);
  return ax_list(s, &a, 1);
}

Ty sema_entry_type(Sema *s, const Stmt *st, Value **v) {
  if (st->type)
    return ty_eval(s, st->type, false);
  if (is_number(*v)) {
    DType t = number_dtype((*v)->num);
    *v = sema_number_fits(s, st->value->span, (*v)->num, t) ? v_full(s, *v, t, &(AxList){0})
                                                            : v_poison(s);
  }
  return (Ty){.dtype = (*v)->dtype, .ax = (*v)->ax, .bad = !is_tensor(*v)};
}

Ty sema_entry_checked(Sema *s, const Stmt *st) {
  if (st->type)
    return ty_eval(s, st->type, false);
  const Bound *b = scope_find(s->m->model->scope, st->names.v[0].s);
  return (Ty){.dtype = b->value->dtype, .ax = b->value->ax};
}

bool model_entry_type(Arena *a, const Model *m, const char *entry, DType *dtype, TypedAxis **axes,
                      int *nax) {
  const Bound *b = NULL;
  for (int i = 0; m->ok && m->model && i < m->model->scope->list.n; i++)
    if (!strcmp(m->model->scope->list.v[i]->name, entry))
      b = m->model->scope->list.v[i];
  if (!b || !b->is_entry || !b->value || !is_tensor(b->value))
    return false;
  const AxList *l = &b->value->ax;
  *dtype = b->value->dtype;
  *nax = l->n;
  *axes = NEWN(a, TypedAxis, l->n + 1);
  for (int i = 0; i < l->n; i++) {
    TypedAxis *t = &(*axes)[i];
    t->name = l->v[i]->name;
    t->kind = l->v[i]->kind == AX_DIM     ? TYPED_DIM
              : l->v[i]->kind == AX_SLICE ? TYPED_SLICE
                                          : TYPED_LOCAL;
    if (!ax_const(l->v[i], &t->extent))
      return false;
  }
  return true;
}

// sort, top_k and the places they take.
#include "compiler/sema/sema_prim.h"

typedef struct SortOrder {
  Ax *from, *to;
  bool greatest_first, places;
} SortOrder;

static bool sortable(Sema *s, const PrimCall *c) {
  const Value *x = c->x[0].v;
  if (dtype_is_complex(x->dtype))
    sema_error(s, ERR_NOT_COMPLEX, c->at, "complex numbers have no order");
  else if (x->dtype == DT_BOOL)
    sema_error(s, ERR_OTHER_DTYPE, c->at, "`%s` of bool: convert with `i32(x)`", c->name);
  else
    return true;
  return false;
}

static Value *ordered(Sema *s, const PrimCall *c, const SortOrder *o) {
  const Value *x = c->x[0].v;
  AxList ax = {NEWN(s->a, Ax *, x->ax.n), 0};
  for (int i = 0; i < x->ax.n; i++)
    ax.v[ax.n++] = x->ax.v[i] == o->from ? o->to : x->ax.v[i];
  Value *v = v_tensor(s, o->places ? DT_I32 : x->dtype, ax);
  if (checking(s))
    return v;
  sema_mark(s, c->whole);
  Axis *a = ax_graph(s, o->from), *have[MAX_AXES];
  ax_graphs(s, &x->ax, have);
  Node *all = g_expand(s->g, x->re, have, x->ax.n);
  v->re = g_argsort(s->g, all, a, ax_graph(s, o->to), o->greatest_first);
  if (!o->places)
    v->re = g_gather(s->g, all, v->re, a);
  return v;
}

static Value *sorted(Sema *s, PrimCall *c, bool places) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 1, 1) ||
      !prim_tensor_arg(s, c, &c->x[0]) || !prim_has_axes(s, c, &c->x[0]) || !sortable(s, c))
    return v_poison(s);
  return ordered(s, c, &(SortOrder){c->ax.v[0], c->ax.v[0], false, places});
}

Value *SORT_call(Sema *s, PrimCall *c) {
  return sorted(s, c, false);
}

Value *ARGSORT_call(Sema *s, PrimCall *c) {
  return sorted(s, c, true);
}

// K is no axis of x yet, and not longer than V as far as that is known here.
static bool some_of(Sema *s, const PrimCall *c, const Ax *from, const Ax *to) {
  const Operand *x = &c->x[0];
  if (to != from && ax_in(&x->v->ax, to)) {
    Diag *g =
        sema_error(s, ERR_DIM_TWICE, c->at, "`%s` would stand twice in one tensor", ax_str(s, to));
    sema_label_type(s, g, x->span, x->v);
    return false;
  }
  if (sema_within(s, to->size, &from->size, true, c->at,
                  arena_printf(s->a, "`%s[%s, %s]`", c->name, from->name, to->name)))
    return true;
  Diag *g = sema_error(s, ERR_SIZES_DIFFER, c->at, "`%s` is %s, and `%s` has only %s", to->name,
                       size_str(s, &to->size), from->name, size_str(s, &from->size));
  sema_note_axes(s, g, (Ax *[]){(Ax *)from, (Ax *)to}, 2);
  return false;
}

static Value *greatest(Sema *s, PrimCall *c, bool places) {
  if (!prim_take_args(s, c, 1, false) || !prim_take_axes(s, c, 1, 2) ||
      !prim_tensor_arg(s, c, &c->x[0]))
    return v_poison(s);
  if (c->ax.n != 2 || c->ax.v[0]->pack || c->ax.v[1]->pack)
    return sema_fail(s, ERR_AXES_MISPLACED, c->at,
                     "`%s` names two dimensions: `%s[V, K](x)` takes K of V", c->name, c->name);
  Ax *from = c->ax.v[0], *to = c->ax.v[1];
  c->ax = ax_list(s, &from, 1);
  if (!prim_has_axes(s, c, &c->x[0]) || !sortable(s, c) || !some_of(s, c, from, to))
    return v_poison(s);
  return ordered(s, c, &(SortOrder){from, to, true, places});
}

Value *TOP_K_call(Sema *s, PrimCall *c) {
  return greatest(s, c, false);
}

Value *ARG_TOP_K_call(Sema *s, PrimCall *c) {
  return greatest(s, c, true);
}

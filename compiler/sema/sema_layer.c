// Layers: the children of a repeat one by one.
#include "compiler/sema/sema_habits.h"
#include <string.h>

// ---- layer[3], layer.all
static Value *child_value(Sema *s, Child *c) {
  Value *v = v_poison(s);
  v->kind = V_CHILD;
  v->child = c;
  return v;
}

static Child *copy(Sema *s, const Child *c) {
  Child *one = NEW(s->a, Child);
  *one = *c;
  return one;
}

static Child *layer_of(Sema *s, const Child *c, int64_t i) {
  Child *one = copy(s, c->layer ? c->layer[i] : c);
  one->repeat = REPEAT_NONE;
  one->count = 1;
  one->along = NULL;
  one->root = c->root;
  one->turn = one->turns = 0;
  if (!c->layer && c->inst)
    one->inst = c->inst + i;
  const char *number = arena_printf(s->a, "%lld", (long long)i);
  one->dotted = c->dotted ? arena_printf(s->a, "%s.%s", c->dotted, number) : number;
  return one;
}

static bool place_in(Sema *s, const Child *c, const Value *at, Span span, int64_t *i) {
  if (!v_whole(at, i)) {
    sema_error(s, ERR_BAD_INDEX, span,
               "the number of a layer is whole and known when the model is compiled");
    return false;
  }
  bool opaque = checking(s) && !ax_const(c->along, &(int64_t){0});
  if (*i >= 0 && (opaque || *i < c->count))
    return true;
  Diag *g = sema_error(s, ERR_BAD_INDEX, span, "`%s` has the layers 0 to %lld, and this is %lld",
                       c->name, (long long)c->count - 1, (long long)*i);
  if (*i < 0)
    diag_help(s->d, g, "from the end: `%s[%s - %lld]`", c->name, c->along->name, -(long long)*i);
  return false;
}

static Value *child_layer(Sema *s, const Child *c, const Value *at, Span span) {
  int64_t i;
  if (is_poison(at))
    return v_poison(s);
  if (c->repeat != REPEAT_REPEAT)
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, span, "`%s` is not repeated: it has no layers",
                     c->name);
  if (!place_in(s, c, at, span, &i))
    return v_poison(s);
  return child_value(s, layer_of(s, c, i < c->count ? i : 0));
}

Value *layer_at(Sema *s, const Expr *e, Value *f) {
  if (is_poison(f))
    return f;
  if (f->kind == V_CHILD && !f->axes)
    return child_layer(s, f->child, sema_value(s, e->b), e->b->span);
  Diag *g = sema_error(s, ERR_AXIS_IS_NAME, e->b->span, "`[ ]` takes names of axes, not a place");
  sema_place_help(s, g, e, f);
  return v_poison(s);
}

// layer[k]: what stands for an axis is a number where a repeated child stands in front
Value *layer_by_name(Sema *s, const Expr *e, const Child *c) {
  const AxisName *k = &e->axes.v[0];
  Expr name = {.kind = EX_NAME, .span = k->span, .op = k->span, .height = 1, .name = k->name};
  return child_layer(s, c, sema_value(s, &name), k->span);
}

Value *child_all(Sema *s, const Child *c) {
  Child *all = copy(s, c);
  all->all = true;
  return child_value(s, all);
}

// ---- layers that differ
static bool chosen_before(const Child *c, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (c->layer[k]->stmt == c->layer[i]->stmt)
      return true;
  return false;
}

// Check mode: what an `if` may come to, of which none is left out.
void child_alternatives(Sema *s, const Stmt *st, const char *name, Child *c, bool varies) {
  for (const Stmt *one = st; one; one = one->other) {
    bool made = one == c->stmt;
    for (int64_t i = 0; c->layer && i < c->count && !made; i++)
      made = c->layer[i]->stmt == one;
    Child *other = made ? NULL : child_declared(s, one, name, 0);
    if (varies && other)
      vec_push(s->a, &c->others, other);
  }
}

Child *layers_make(Sema *s, const Stmt *st, const char *name, const InstChild *inst) {
  bool varies = false;
  int errors = s->d->errors;
  Child *first = child_declared(s, child_chosen(s, st, 0, &varies), name, 0);
  if (!first)
    return NULL;
  Child *c = copy(s, first);
  c->layer = NEWN(s->a, Child *, c->count);
  for (int64_t i = 0; i < c->count; i++) {
    Child *one = i ? child_declared(s, child_chosen(s, st, i, &varies), name, i) : first;
    if (!one || s->d->errors > errors || !sema_step(s, st->span))
      return NULL;
    one->repeat = REPEAT_NONE;
    one->turn = i;
    one->turns = c->count;
    one->count = 1;
    one->along = NULL;
    one->inst = inst ? inst->inst + (st->repeat == REPEAT_REPEAT ? i : 0) : NULL;
    c->layer[i] = one;
  }
  c->inst = inst ? inst->inst : NULL;
  if (checking(s))
    child_alternatives(s, st, name, c, varies);
  return c;
}

// ---- calls
static Ty type_of(const Value *v) {
  return (Ty){.dtype = v->dtype, .ax = v->ax};
}

static const Value *item(const Value *v, int i) {
  return v->kind == V_TUPLE ? v->item[i] : v;
}

static int items(const Value *v) {
  return v->kind == V_TUPLE ? v->nitems : 1;
}

static const char *types_str(Sema *s, const Value *v) {
  const char *text = "";
  for (int i = 0; i < items(v); i++)
    text = arena_printf(s->a, "%s%s%s", text, i ? ", " : "", v_type_str(s, item(v, i)));
  return text;
}

static bool same_types(Sema *s, const Child *a, const Value *v, const Child *b, const Value *w,
                       Span at) {
  bool same = items(v) == items(w);
  for (int i = 0; i < items(v) && same; i++)
    same = item(v, i)->dtype == item(w, i)->dtype && ax_same_set(&item(v, i)->ax, &item(w, i)->ax);
  if (same)
    return true;
  Diag *g = sema_error(s, ERR_REPEAT_CHANGES_TYPE, at,
                       "`%s` is %s, which gives %s, or %s, which gives %s", a->name, a->mod->name,
                       types_str(s, v), b->mod->name, types_str(s, w));
  sema_label(s, g, a->stmt->span, "declared here");
  return false;
}

// Check mode: whatever the `if` comes to takes these arguments and gives results of the same types.
Value *call_others(Sema *s, const Child *c, Value *v, const CallArgs *args, Span at, Span callee) {
  for (int i = 0; i < c->others.n && !is_poison(v); i++) {
    Value *w = child_call_one(s, c->others.v[i], args, at, callee);
    if (is_poison(w) || !same_types(s, c, v, c->others.v[i], w, callee))
      return v_poison(s);
  }
  return v;
}

static Value *check_layers(Sema *s, const Child *c, const CallArgs *args, Span at, Span callee) {
  Value *v = child_call_one(s, c->layer[0], args, at, callee);
  for (int64_t i = 1; i < c->count && !is_poison(v); i++) {
    if (chosen_before(c, i))
      continue;
    Value *w = child_call_one(s, c->layer[i], args, at, callee);
    if (is_poison(w) || !same_types(s, c->layer[0], v, c->layer[i], w, callee))
      return v_poison(s);
  }
  v = call_others(s, c, v, args, at, callee);
  if (is_poison(v))
    return v;
  int n = items(v);
  Ty *t = NEWN(s->a, Ty, n);
  for (int i = 0; i < n; i++)
    t[i] = type_of(item(v, i));
  return results_fit_count(s, c, t, n, callee) ? results_opaque(s, t, n, c->along, c->all)
                                               : v_poison(s);
}

// The argument that flows through.
static CallArg *flowing(const Child *c, CallArgs *args) {
  const Formals *f = &c->mod->decl->formals;
  for (int i = 0; i < args->n; i++)
    if (args->v[i].name.s ? f->n && args->v[i].name.s == f->v[0].name.s : !i)
      return &args->v[i];
  return NULL;
}

Value *call_layers(Sema *s, const Child *c, const CallArgs *args, Span at, Span callee) {
  if (checking(s))
    return check_layers(s, c, args, at, callee);
  CallArgs now = {0};
  for (int i = 0; i < args->n; i++)
    vec_push(s->a, &now, args->v[i]);
  CallArg *flow = flowing(c, &now);
  Value **r = NEWN(s->a, Value *, c->count);
  const Origin *first = NULL;
  for (int64_t i = 0; i < c->count && !s->stopped; i++) {
    c->layer[i]->first = &first;
    r[i] = child_call_one(s, c->layer[i], &now, at, callee);
    c->layer[i]->first = NULL;
    if (is_poison(r[i]))
      return r[i];
    if (flow)
      flow->x.v = (Value *)item(r[i], 0);
  }
  sema_mark(s, at);
  return s->stopped ? v_poison(s) : results_collect(s, r, c->count, c->along, c->all);
}

// See sema_said.h.
#include "compiler/sema/sema_said.h"
#include "compiler/syntax/habits.h"
#include <string.h>

// ---- what was said
const Expr *said_root(const Expr *e) {
  while (e->kind == EX_DOT)
    e = e->a;
  return e;
}

// Strings, dtypes and what stands in other packages are read as text alone.
static bool is_value_text(const Expr *e) {
  const Expr *root = said_root(e);
  bool package = e->kind == EX_DOT && root->kind == EX_NAME &&
                 habit_find(HABIT_PACKAGE, root->name.s, NULL, NULL);
  return e->kind != EX_STR && e->kind != EX_DTYPE && e->kind != EX_TUPLE && !package;
}

static void add_list(Said *x, const Exprs *items) {
  for (int i = 0; i < items->n; i++)
    said_add(x, NULL, items->v[i], NULL);
}

void said_add(Said *x, const char *name, const Expr *e, Value *v) {
  bool list = e->kind == EX_FOREIGN && e->foreign->kind == FOREIGN_LIST;
  bool axis = name && habit_find(HABIT_AXIS, name, NULL, NULL);
  if (list)
    diag_drop(x->s->d, e->foreign->diag); // the answer to the call says it
  if (list && !axis) {
    add_list(x, &e->foreign->items);
    return;
  }
  bool text = list || !is_value_text(e);
  SaidArg a = {name, e, v ? v : text ? v_poison(x->s) : sema_value(x->s, e)};
  if (axis)
    x->axis = strncmp(name, "keep", 4) ? a : x->axis;
  else if (x->n < MAX_SAID)
    x->arg[x->n++] = a;
}

Said said_call(Sema *s, const Expr *of, Value *v, const Called *c) {
  Said x = {.s = s, .args = c ? c->args : NULL};
  x.brackets = c && c->axes ? span_text(s->a, c->axes->op, "[H]") : NULL;
  if (of)
    said_add(&x, NULL, of, v);
  if (c && c->first)
    said_add(&x, NULL, c->first, NULL);
  for (int i = 0; c && c->args && i < c->args->n; i++) {
    diag_drop(s->d, c->args->v[i].diag); // likewise
    said_add(&x, c->args->v[i].name.s, c->args->v[i].value, NULL);
  }
  return x;
}

// ---- texts
// As it stands in the file, or a letter for it.
const char *said_text(Sema *s, const SaidArg *a, const char *letter, bool alone) {
  ExprKind k = a->expr->kind;
  bool binds = k != EX_BIN && k != EX_NEG && k != EX_PIPE && k != EX_CONTRACT;
  const char *text = span_text(s->a, a->expr->span, letter);
  return alone || binds || a->expr->parens || text == letter ? text
                                                             : arena_printf(s->a, "(%s)", text);
}

const char *said_arg_text(const Said *x, int i, bool alone) {
  static const char *const letters[] = {"x", "y", "z"};
  int n = 0;
  for (int k = 0; k < x->n; k++)
    if (!x->arg[k].name && n++ == i)
      return said_text(x->s, &x->arg[k], letters[i], alone);
  for (int k = 0; k < x->n; k++) // else by name, in order
    if (x->arg[k].name && n++ == i)
      return said_text(x->s, &x->arg[k], letters[i], alone);
  return letters[i];
}

const Value *said_tensor(const Said *x, int which) {
  for (int i = 0; i < x->n; i++)
    if (is_tensor(x->arg[i].v) && !which--)
      return x->arg[i].v;
  return NULL;
}

// ---- axes
Ax *said_single(Ax *a) {
  return a && !a->pack && a->kind != AX_REST ? a : NULL;
}

Ax *said_axis_at(const AxList *l, int64_t place) {
  int64_t i = place < 0 ? l->n + place : place;
  for (int k = 0; k < i && k < l->n; k++)
    if (place >= 0 && !said_single(l->v[k]))
      return NULL; // how many these are is open
  return i >= 0 && i < l->n ? said_single(l->v[i]) : NULL;
}

Ax *said_axis_named(Sema *s, const Expr *e, const Value *of) {
  bool found;
  if (e->kind != EX_NAME)
    return NULL;
  AxList l = ax_lookup(s, e->name, &found);
  return l.n == 1 && ax_in(&of->ax, l.v[0]) ? said_single(l.v[0]) : NULL;
}

static bool item_axis(Sema *s, const SaidArg *a, const Value *of, AxList *out) {
  const Expr *e = a->expr, *number = e->kind == EX_NEG ? e->a : e;
  bool literal = number->kind == EX_NUM && number->num.kind == NUM_WHOLE;
  int64_t place = literal ? number->num.whole * (e == number ? 1 : -1) : 0;
  bool counted = literal || (a->v && v_whole(a->v, &place));
  Ax *x = counted ? said_axis_at(&of->ax, place) : said_axis_named(s, e, of);
  *out = x ? ax_join(s, *out, (AxList){&x, 1}) : *out;
  return x != NULL;
}

static const Exprs *items_of(const Expr *e) {
  bool list = e->kind == EX_FOREIGN && e->foreign->kind == FOREIGN_LIST;
  return e->kind == EX_TUPLE ? &e->items : list ? &e->foreign->items : NULL;
}

bool said_axes_of_arg(Sema *s, const SaidArg *a, const Value *of, AxList *out) {
  const Exprs *items = items_of(a->expr);
  if (!items)
    return item_axis(s, a, of, out);
  AxList all = *out;
  for (int i = 0; i < items->n; i++)
    if (!item_axis(s, &(SaidArg){NULL, items->v[i], NULL}, of, &all))
      return false;
  *out = all;
  return true;
}

AxList said_axes(const Said *x) {
  const Value *of = said_tensor(x, 0);
  AxList all = {0};
  if (of && x->axis.expr && said_axes_of_arg(x->s, &x->axis, of, &all))
    return all;
  for (int i = 1; of && i < x->n; i++)
    if (!is_tensor(x->arg[i].v) && !x->arg[i].name)
      said_axes_of_arg(x->s, &x->arg[i], of, &all);
  return all;
}

bool said_lost(const Said *x) {
  const Value *of = said_tensor(x, 0);
  AxList all = {0};
  return x->axis.expr && !(of && said_axes_of_arg(x->s, &x->axis, of, &all));
}

Ax *said_axis(const Said *x) {
  AxList all = said_axes(x);
  return all.n ? all.v[0] : NULL;
}

const char *said_brackets(const Said *x) {
  AxList all = said_axes(x);
  const char *t = "";
  for (int i = 0; i < all.n; i++)
    t = arena_printf(x->s->a, "%s%s%s", t, i ? ", " : "[", all.v[i]->name);
  return x->brackets ? x->brackets : all.n ? arena_printf(x->s->a, "%s]", t) : "";
}

// Or the last one that the second operand lacks, or the last.
Ax *said_meant_axis(const Said *x) {
  const Value *of = said_tensor(x, 0), *other = said_tensor(x, 1);
  Ax *a = said_axis(x);
  for (int i = of ? of->ax.n - 1 : -1; other && i >= 0 && !a; i--)
    if (!ax_in(&other->ax, of->ax.v[i]))
      a = said_single(of->ax.v[i]);
  return a || !of ? a : said_axis_at(&of->ax, -1);
}

Ax *said_before_axis(const Said *x) {
  const Value *of = said_tensor(x, 0);
  return of ? said_axis_at(&of->ax, -2) : NULL;
}

Ax *habit_shared_axis(const Value *a, const Value *b) {
  for (int i = a && b ? a->ax.n - 1 : -1; i >= 0; i--)
    if (ax_in(&b->ax, a->ax.v[i]) && said_single(a->ax.v[i]))
      return a->ax.v[i];
  return NULL;
}

const char *said_name(const Ax *a, const char *letter) {
  return a ? a->name : letter;
}

const char *habit_product(Sema *s, const Value *a, const Value *b) {
  Ax *sum = habit_shared_axis(a, b);
  if (!sum)
    return "what both have is kept once";
  AxList all = ax_join(s, a->ax, b->ax), out = {NEWN(s->a, Ax *, all.n), 0};
  for (int i = 0; i < all.n; i++)
    if (all.v[i] != sum)
      out.v[out.n++] = all.v[i];
  return dtype_axes_str(s, dtype_promote(a->dtype, b->dtype), &out);
}

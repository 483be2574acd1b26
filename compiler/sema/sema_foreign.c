// Expressions of other languages that the parser took for what they mean: what is to be written with the values at hand.
#include "compiler/sema/sema_habits.h"
#include <string.h>

static const char *text(Sema *s, Span at) {
  return span_text(s->a, at, "x");
}

static void values(Sema *s, const Exprs *v) {
  for (int i = 0; i < v->n; i++)
    if (v->v[i]->kind != EX_STR && v->v[i]->kind != EX_DTYPE)
      sema_value(s, v->v[i]);
}

// ---- `x[:, 0]`
// `L - 1` for what counts from the end, else as it is written.
static const char *place_text(Sema *s, const Expr *e, const char *axis, const char *absent) {
  if (!e)
    return absent;
  const char *t = text(s, e->span);
  return e->kind == EX_NEG ? arena_printf(s->a, "%s - %s", axis, text(s, e->a->span)) : t;
}

static const char *place_op(Sema *s, const ForeignPlace *x, const Ax *a) {
  if (x->kind == PLACE_ONE)
    return arena_printf(s->a, "%s = %s", a->name, place_text(s, x->lo, a->name, ""));
  return arena_printf(s->a, "%s = %s : %s", a->name, place_text(s, x->lo, a->name, "0"),
                      place_text(s, x->hi, a->name, a->name));
}

// Axes that the places count, `...` apart; -1: more than there are.
static int skipped(const ForeignExpr *f, int axes) {
  int counted = 0;
  for (int i = 0; i < f->places.n; i++)
    counted += f->places.v[i].kind != PLACE_REST && f->places.v[i].kind != PLACE_NEW;
  return axes - counted;
}

// The places as operations on the value's axes; NULL: they do not fit.
static const char *place_ops(Sema *s, const ForeignExpr *f, const AxList *ax) {
  const char *t = "";
  int at = 0, rest = skipped(f, ax->n);
  for (int i = 0; i < f->places.n && rest >= 0; i++) {
    const ForeignPlace *x = &f->places.v[i];
    if (x->kind == PLACE_REST || x->kind == PLACE_NEW) {
      at += x->kind == PLACE_REST ? rest : 0;
      continue;
    }
    const Ax *a = ax->v[at++];
    if (a->pack || a->kind == AX_REST)
      return NULL;
    if (x->kind != PLACE_ALL)
      t = arena_printf(s->a, "%s%s%s", t, *t ? ", " : "", place_op(s, x, a));
  }
  return rest < 0 ? NULL : t;
}

// The first axis that the indices lack: the others meet theirs by name.
static const char *gathered(const Value *x, const Value *i) {
  for (int k = 0; k < x->ax.n; k++)
    if (!ax_in(&i->ax, x->ax.v[k]))
      return x->ax.v[k]->name;
  return x->ax.v[0]->name;
}

static bool is_call(const Expr *e, const char *name) {
  const Expr *f = e->kind != EX_CALL ? NULL : e->a->kind == EX_AXES ? e->a->a : e->a;
  return f && f->kind == EX_NAME && !strcmp(f->name.s, name) && e->args.n == 1;
}

// `log(softmax[V](x))[i]`: what the softmax is of; NULL: it is something else.
static const Expr *inside_log_softmax(const Expr *e) {
  const Expr *soft = is_call(e, "log") ? e->args.v[0].value : NULL;
  return soft && is_call(soft, "softmax") ? soft->args.v[0].value : NULL;
}

// `x[mask]`, `x[ids == 0]`, `table[ids]`: by a tensor.
static void by_value(Sema *s, Diag *g, const Value *x, const Value *i, const Expr *of,
                     const char *index) {
  const char *name = text(s, of->span);
  const Expr *logits = inside_log_softmax(of);
  if (i->dtype == DT_BOOL)
    diag_help_instead(
        s->d, g,
        "write `select(%s, %s, 0)`: no place is left out, as lengths are known before values",
        index, name);
  else if (logits)
    diag_help_instead(s->d, g,
                      "write `-cross_entropy[%s](%s, %s)`, which does not overflow; a loss is its "
                      "mean, `mean(cross_entropy[%s](...))`",
                      gathered(x, i), text(s, logits->span), index, gathered(x, i));
  else
    diag_help_instead(s->d, g, "write `gather[%s](%s, %s)`", gathered(x, i), name, index);
}

static bool by_tensor(Sema *s, const ForeignExpr *f, const Value *x, const Expr *of) {
  const Expr *e = f->places.n == 1 && f->places.v[0].kind == PLACE_ONE ? f->places.v[0].lo : NULL;
  Value *i = e ? sema_value(s, e) : NULL;
  if (!i || !is_tensor(i) || !x->ax.n)
    return false;
  by_value(s, f->diag, x, i, of, text(s, e->span));
  return true;
}

static void places(Sema *s, const Expr *e, const Value *x) {
  const ForeignExpr *f = e->foreign;
  const char *name = text(s, e->a->span), *ops;
  if (!is_tensor(x) || by_tensor(s, f, x, e->a) || !(ops = place_ops(s, f, &x->ax)))
    return;
  if (*ops)
    diag_help_instead(s->d, f->diag, "write `%s[%s]`: %s is %s", name, ops, name, v_type_str(s, x));
  else
    diag_help_instead(
        s->d, f->diag,
        "write `%s`: a value is constant along the axes that it lacks, so none are added", name);
}

void sema_place_help(Sema *s, Diag *g, const Expr *e, const Value *x) {
  const Ax *a = is_tensor(x) && x->ax.n ? x->ax.v[0] : NULL;
  if (a && !a->pack && a->kind != AX_REST)
    diag_help(s->d, g, "write `%s[%s = %s]`: %s is %s", text(s, e->a->span), a->name,
              text(s, e->b->span), text(s, e->a->span), v_type_str(s, x));
  else
    diag_help(s->d, g, "`x[L = 0]` takes the first element along `L`");
}

// `table[ids]`: what stands for an axis is a value.
static bool index_help(Sema *s, Diag *g, const Expr *e, const Value *x) {
  Name n = e->axes.v[0].name;
  const Value *i = NULL;
  for (const Scope *sc = s->scope; sc && !i; sc = sc->up) {
    Bound *b = scope_find(sc, n.s);
    i = b ? b->value : NULL;
    if (b)
      b->used = true;
  }
  if (!i || !is_tensor(i) || !is_tensor(x) || !x->ax.n)
    return false;
  by_value(s, g, x, i, e->a, n.s);
  return true;
}

Value *sema_axes_of_value(Sema *s, const Expr *e, const Value *x) {
  const char *name = e->axes.v[0].name.s;
  Diag *g = sema_error(s, ERR_FUNCTION_OR_VALUE, e->span,
                       "`[%s]` names axes for a function, and this is %s", name, v_type_str(s, x));
  if (!index_help(s, g, e, x))
    diag_help(s->d, g, "a tensor is indexed by `[%s = 0]`, renamed by `[%s as S]`", name, name);
  return v_poison(s);
}

// ---- `[1, 2, 3]`
static const char *dim_of_extent(Sema *s, int extent) {
  int64_t n;
  for (int i = 0; i < s->m->dims.n; i++)
    if (ax_const(s->m->dims.v[i]->ax, &n) && n == extent)
      return s->m->dims.v[i]->pub.name;
  return NULL;
}

// Numbers at equal distances: `2 * iota[K] + 1`.
static void list(Sema *s, const ForeignExpr *f) {
  const Exprs *v = &f->items;
  int64_t step = 0, first = 0, last = 0;
  for (int i = 0; i < v->n; i++) {
    int64_t x = v->v[i]->num.whole;
    if (v->v[i]->kind != EX_NUM || v->v[i]->num.kind != NUM_WHOLE || (i > 1 && x - last != step))
      return;
    step = i ? x - last : step;
    first = i ? first : x;
    last = x;
  }
  if (v->n < 2 || step < 1)
    return;
  const char *dim = dim_of_extent(s, v->n), *name = dim ? dim : "K",
             *with = dim ? "" : arena_printf(s->a, ", with `dim K = %d`", v->n),
             *times = step == 1 ? "" : arena_printf(s->a, "%lld * ", (long long)step),
             *plus = first ? arena_printf(s->a, " + %lld", (long long)first) : "";
  diag_help_instead(s->d, f->diag, "write `%siota[%s]%s`%s: the places along `%s` are 0, 1, ...",
                    times, name, plus, with, name);
}

// ---- `x @ w`
// "`B` and `L`": what both have besides; *last the last of them.
static const char *others(Sema *s, const Value *a, const Value *b, const Ax *sum, Ax **last) {
  const char *t = "";
  for (int i = a->ax.n - 1; i >= 0; i--) {
    Ax *x = a->ax.v[i];
    if (x == sum || !ax_in(&b->ax, x))
      continue;
    const char *between = !*t ? "" : strchr(t, ' ') ? ", " : " and ";
    *last = *t ? *last : x;
    t = arena_printf(s->a, "`%s`%s%s", ax_str(s, x), between, t);
  }
  return t;
}

static void product(Sema *s, const Expr *e, const Value *a, const Value *b) {
  const Expr *right = e->foreign->items.v[0];
  Diag *g = e->foreign->diag;
  if (!is_tensor(a) || !is_tensor(b))
    return;
  const char *x = text(s, e->a->span), *y = text(s, right->span);
  Ax *sum = habit_shared_axis(a, b);
  sema_label_type(s, g, e->a->span, a);
  sema_label_type(s, g, right->span, b);
  if (!sum) {
    diag_help_instead(s->d, g,
                      "they have no axis in common: `[A as B]` behind one of them renames, and `%s "
                      "@[] %s` sums along none",
                      x, y);
    return;
  }
  Ax *last = NULL;
  const char *kept = others(s, a, b, sum, &last);
  diag_help_instead(s->d, g, "write `%s @[%s] %s`, which is %s", x, sum->name, y,
                    habit_product(s, a, b));
  if (last)
    diag_help(s->d, g,
              "what both have besides, %s, is not doubled; where each `%s` is to meet all others, "
              "one gets "
              "another name: `%s[%s as S]`",
              kept, ax_str(s, last), y, ax_str(s, last));
}

// ---- `Linear[H -> F](x)`
static void module(Sema *s, const Expr *e) {
  const char *name = habit_name_bound(s), *f = strcmp(name, "f") ? name : "f";
  diag_help_instead(s->d, e->foreign->diag,
                    "declare `%s : %s` on a line of its own, and call `%s(...)`", f,
                    text(s, e->span), f);
}

// ---- `x.shape[1]`: the index belongs to the habit of the name
static bool is_shape(const Expr *a) {
  return a && a->kind == EX_DOT && !strcmp(a->name.s, "shape");
}

static Value *shape(Sema *s, const Expr *a, Expr *place) {
  Args args = {0};
  if (place)
    vec_push(s->a, &args, (Arg){.value = place});
  Called called = {.args = &args};
  Value *told = sema_foreign_part(s, a, sema_value(s, a->a), &called);
  return told ? told : v_poison(s);
}

Value *sema_shape_at(Sema *s, const Expr *e) {
  return is_shape(e->a) ? shape(s, e->a, e->b) : NULL;
}

static Value *shape_places(Sema *s, const Expr *e) {
  const ForeignPlace *x = &e->foreign->places.v[0];
  diag_drop(s->d, e->foreign->diag);
  return shape(s, e->a, e->foreign->places.n == 1 && x->kind == PLACE_ONE ? x->lo : NULL);
}

Value *sema_foreign(Sema *s, const Expr *e) {
  const ForeignExpr *f = e->foreign;
  if (f->kind == FOREIGN_PLACES && is_shape(e->a))
    return shape_places(s, e);
  Value *a = e->a && f->kind != FOREIGN_MODULE ? sema_value(s, e->a) : v_poison(s);
  if (f->kind == FOREIGN_PLACES)
    places(s, e, a);
  else if (f->kind == FOREIGN_LIST)
    list(s, f);
  else if (f->kind == FOREIGN_MODULE)
    module(s, e);
  else if (f->kind == FOREIGN_PRODUCT)
    product(s, e, a, sema_value(s, f->items.v[0]));
  values(s, &f->items);
  return v_poison(s);
}

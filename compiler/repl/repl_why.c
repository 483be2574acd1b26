// :why A B: what A's value depends on in B.  For numbers, the derivative: norms of rows of the Jacobian, estimated by gradients of
// random directions in A (exact where A is one number).  For ids and masks, where there is none, each element is changed alone,
// as `bigsc fill --why` does.
#include "base/error.h"
#include "compiler/commands/drawing.h"
#include "compiler/draw/spark.h"
#include "compiler/driver/sample.h"
#include "compiler/repl/repl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 8, MOST_CHANGED = 4096, CHAIN = 32, COLUMNS = 48 };
#define DIRECTION "(direction)" // nobody can write it

// ---- axes: what both have, and what one has alone

static const char *names_within(Arena *a, const Array *x, const Array *y, bool both) {
  const char *text = "";
  for (int i = 0; i < x->rank; i++) {
    bool met = false;
    for (int k = 0; k < y->rank; k++)
      met |= x->axis[i].name == y->axis[k].name;
    if (met == both)
      text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", x->axis[i].name);
  }
  return text;
}

// Axes of one name that are none.
static void tell_extents(Repl *r, const Array *x, const Array *y) {
  for (int i = 0; i < x->rank; i++)
    for (int k = 0; k < y->rank; k++)
      if (x->axis[i].name == y->axis[k].name && x->axis[i].extent != y->axis[k].extent)
        fprintf(r->out, "  %s is %lld in the first and %lld in the second: they cannot meet\n",
                x->axis[i].name, (long long)x->axis[i].extent, (long long)y->axis[k].extent);
}

static void tell_axes(Repl *r, Arena *a, const Array *x, const char *xname, const Array *y,
                      const char *yname) {
  const char *both = names_within(a, x, y, true), *mine = names_within(a, x, y, false),
             *other = names_within(a, y, x, false), *sep = "";
  fprintf(r->out, "%s : %s\n%s : %s\n", xname, array_type(a, x->dtype, x->axis, x->rank), yname,
          array_type(a, y->dtype, y->axis, y->rank));
  if (!*both && !*mine && !*other)
    return;
  fprintf(r->out, "  axes: ");
  if (*both)
    fprintf(r->out, "both %s", both), sep = "; ";
  if (*mine)
    fprintf(r->out, "%sonly the first %s", sep, mine), sep = "; ";
  if (*other)
    fprintf(r->out, "%sonly the second %s", sep, other);
  fprintf(r->out, "\n");
  tell_extents(r, x, y);
}

// ---- the names between

typedef struct Chain {
  Repl *r;
  const char *to;
  const Item *step[CHAIN];
  int n;
  VEC(const char *) seen;
  bool found;
} Chain;

static bool was_seen(Chain *c, const char *name) {
  for (int i = 0; i < c->seen.n; i++)
    if (c->seen.v[i] == name)
      return true;
  vec_push(c->r->arena, &c->seen, name);
  return false;
}

static void follow(void *ctx, const char *name) {
  Chain *c = ctx;
  const Item *it = repl_item(c->r, name);
  if (c->found || !it)
    return;
  c->found = name == c->to;
  if (c->found || c->n == CHAIN || was_seen(c, name))
    return;
  c->step[c->n++] = it;
  if (repl_unfolds(c->r, it))
    names_of_expr(it->origin->value, follow, c);
  else if (it->stmt)
    names_of_stmt(it->stmt, follow, c);
  c->n -= !c->found;
}

static void tell_chain(Repl *r, const Expr *value, const char *root) {
  Chain c = {.r = r, .to = root};
  names_of_expr(value, follow, &c);
  for (int i = 0; c.found && i < c.n; i++)
    fprintf(r->out, "%s%s%s", i ? ", " : "  by way of ", c.step[i]->name, i + 1 < c.n ? "" : "\n");
}

// ---- how much

typedef struct Effect { // of each element of B: the square of what it does to A
  const Array *of;      // its axes; complex: a pair is one element
  double *square;
  int64_t n;
} Effect;

static void tell_axis(Repl *r, Arena *a, const Effect *e, int axis, double all) {
  int64_t n = e->of->axis[axis].extent, inner = 1, best = 0;
  double *sum = NEWN(a, double, n + 1);
  for (int i = axis + 1; i < e->of->rank; i++)
    inner *= e->of->axis[i].extent;
  for (int64_t i = 0; i < e->n; i++)
    sum[i / inner % n] += e->square[i];
  for (int64_t i = 0; i < n; i++)
    best = sum[i] > sum[best] ? i : best;
  fprintf(r->out, "  along %s  %s  most at %s = %lld (%.0f %%)\n", e->of->axis[axis].name,
          spark_text(a, sum, (int)n, COLUMNS, drawing_screen(r->o).utf8), e->of->axis[axis].name,
          (long long)best, 100 * sum[best] / all);
}

static void tell_effect(Repl *r, Arena *a, const Effect *e, const char *how) {
  double all = 0;
  int64_t without = 0, lost = 0;
  for (int64_t i = 0; i < e->n; i++) {
    all += e->square[i];
    without += e->square[i] == 0;
    lost += isnan(e->square[i]);
  }
  if (lost) {
    fprintf(r->out, "  %s: nan, it is no number for %lld of %lld elements\n", how, (long long)lost,
            (long long)e->n);
    return;
  }
  if (all == 0) {
    fprintf(r->out, "  %s: 0, its numbers have no effect here\n", how);
    return;
  }
  fprintf(r->out, "  %s: %.4g in all", how, bigs_shown(sqrt(all)));
  if (without)
    fprintf(r->out, "; none of %lld of %lld elements", (long long)without, (long long)e->n);
  fprintf(r->out, "\n");
  for (int i = 0; i < e->of->rank && isfinite(all); i++)
    if (e->of->axis[i].extent > 1)
      tell_axis(r, a, e, i, all);
}

// ---- by derivatives

static Expr *directed_sum(Repl *r, Expr *value) {
  Name sum = {intern(r->names, "sum"), value->span},
       dir = {intern(r->names, DIRECTION), value->span};
  Expr *times = NEW(r->arena, Expr), *call = NEW(r->arena, Expr);
  *times = (Expr){.kind = EX_BIN,
                  .span = value->span,
                  .op = value->span,
                  .height = (uint16_t)(value->height + 1),
                  .a = value,
                  .b = repl_name(r, dir),
                  .bin = BIN_MUL};
  *call = (Expr){.kind = EX_CALL,
                 .span = value->span,
                 .op = value->span,
                 .height = (uint16_t)(value->height + 2),
                 .a = repl_name(r, sum)};
  Arg arg = {.span = value->span, .value = times};
  vec_push(r->arena, &call->args, arg);
  return call;
}

static void draw_direction(Array *d, int number) {
  for (int64_t i = 0; i < d->n; i++)
    array_set(d, i, d->rank ? sample_normal((uint64_t)number + 1, (uint64_t)i) : 1);
}

static int gradient_of(const Ready *e, const char *name) {
  for (int i = 0; i < e->wrt.n; i++)
    if (!strcmp(e->wrt.v[i]->attr.name, name))
      return i + 1;
  return -1;
}

static void add_squares(Effect *to, const Array *g, int runs) {
  int parts = dtype_is_complex(g->dtype) ? 2 : 1;
  for (int64_t i = 0; i < g->n; i++) {
    double x = array_number(g, i);
    to->square[i / parts] += x * x / runs;
  }
}

// False: B is none of what the value has a gradient of.
static bool by_gradient(Repl *r, Ready *e, Array *direction, const char *name, Arena *a) {
  int at = gradient_of(e, name), runs = direction->rank ? DIRECTIONS : 1;
  Effect effect = {0};
  if (at < 0)
    return false;
  for (int i = 0; i < runs; i++) {
    draw_direction(direction, i);
    if (!ready_run(e))
      return true;
    const Array *g = e->results[at];
    if (!i)
      effect = (Effect){.of = g,
                        .n = g->n / (dtype_is_complex(g->dtype) ? 2 : 1),
                        .square = NEWN(a, double, g->n + 1)};
    add_squares(&effect, g, runs);
  }
  tell_effect(r, a, &effect,
              direction->rank ? "norm of the derivative, about" : "norm of the derivative");
  return true;
}

static bool why_numbers(Repl *r, Expr *value, const Array *x, const char *name, Arena *a) {
  Ready e = {0};
  Item *dir = repl_put(r, intern(r->names, DIRECTION), ITEM_VALUE, value->span);
  dir->value = array_new(DT_F32, x->axis, x->rank);
  bool ok =
      dir->value && ready_elaborate(&e, r, directed_sum(r, value), NULL) && ready_build(&e, true);
  bool found = !ok || by_gradient(r, &e, dir->value, name, a);
  ready_free(&e);
  repl_forget(r, dir->name);
  return found;
}

// ---- by changes

static bool reaches(const Ready *e, const char *name, int64_t *limit) {
  int n;
  Node *root = e->outs.v[0].node, **live = graph_reachable(e->graph, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (live[i]->op == OP_INPUT && !strcmp(live[i]->attr.name, name)) {
      *limit = live[i]->dtype == DT_I32 ? sample_limit(e->graph, &root, 1, live[i], NULL) : 2;
      return true;
    }
  return false;
}

// What is no number, or the same infinite one, in both has not changed.
static double distance(const Array *x, const Array *y) {
  double sum = 0;
  for (int64_t i = 0; i < x->n; i++) {
    double a = array_number(x, i), b = array_number(y, i);
    double d = a == b || (isnan(a) && isnan(b)) ? 0 : a - b;
    sum += d * d;
  }
  return sum;
}

static bool change_each(Ready *e, Array *b, int64_t limit, const Array *before, Effect *effect) {
  for (int64_t i = 0; i < b->n; i++) {
    double old = array_number(b, i), other = limit && old + 1 >= (double)limit ? 0 : old + 1;
    array_set(b, i, other);
    bool ok = ready_run(e);
    array_set(b, i, old);
    if (!ok)
      return false;
    effect->square[i] = distance(e->results[0], before);
  }
  return true;
}

static bool why_ids(Repl *r, Expr *value, Item *it, Arena *a) {
  Ready e;
  int64_t limit = 0;
  bool ok = ready_elaborate(&e, r, value, NULL) && ready_build(&e, false) && ready_run(&e),
       found = ok && reaches(&e, it->name, &limit);
  Array *before = found ? ready_take(&e, 0) : NULL;
  Effect effect = {.of = it->value, .n = it->value->n, .square = NEWN(a, double, it->value->n + 1)};
  if (before && change_each(&e, it->value, limit, before, &effect))
    tell_effect(r, a, &effect,
                it->value->dtype == DT_BOOL ? "change when an element is the other"
                                            : "change when an element is the next number");
  array_free(before);
  ready_free(&e);
  return found || !ok;
}

// ---- the command

// What B is here: a copy to be freed, or NULL, reported.
static Array *second_value(Repl *r, const char *name) {
  Item *it = repl_item(r, intern(r->names, name));
  Array *x = repl_has_param(r, name) ? repl_param(r, name) : NULL;
  if (x)
    return x;
  if (it && it->value)
    return array_copy(it->value);
  if (it && it->kind != ITEM_CHILD)
    return repl_compute(r, repl_name(r, (Name){it->name, it->span}));
  if (it)
    repl_fail(r, "`%s` is a child: ask for one of its parameters, `:info %s` lists them", name,
              name);
  else
    repl_fail(r,
              "nothing here is called `%s`: `:why A B` asks what A depends on in B, a value or a "
              "parameter",
              name);
  return NULL;
}

static bool is_whole(const Item *it) {
  return it && it->value && !dtype_is_float(it->value->dtype) &&
         !dtype_is_complex(it->value->dtype);
}

static bool has_derivative(Repl *r, const Array *x) {
  if (dtype_is_float(x->dtype))
    return true;
  repl_fail(r, "a value of %s has no derivative%s", dtype_name(x->dtype),
            dtype_is_complex(x->dtype) ? ": ask for its real or imag part" : "");
  return false;
}

// A value whose origin is not known, or no longer so.
static bool is_bare(const Repl *r, const Expr *value) {
  const Item *it = value->kind == EX_NAME ? repl_item(r, value->name.s) : NULL;
  return it && it->value && !repl_unfolds(r, it);
}

static void why(Repl *r, Expr *value, const char *text, const Array *x, const char *name,
                const Array *y) {
  Item *it = repl_item(r, intern(r->names, name));
  Arena *a = arena_new();
  tell_axes(r, a, x, text, y, name);
  tell_chain(r, value, intern_n(r->names, name, strcspn(name, ".")));
  if (is_whole(it) && y->n > MOST_CHANGED)
    repl_fail(r, "`%s` has %lld elements: changing each would take too long", name,
              (long long)y->n);
  else if (is_whole(it) ? !why_ids(r, value, it, a)
                        : has_derivative(r, x) && !why_numbers(r, value, x, name, a))
    fprintf(r->out, "  does not depend on %s%s\n", name,
            is_bare(r, value)
                ? ": it is a value by itself, given or computed from what has changed since"
                : "");
  arena_free(a);
}

void repl_why(Repl *r, char *text) {
  const char *name = repl_trailing_name(text);
  Expr *value = name ? repl_argument(r, text) : NULL;
  if (!name)
    repl_fail(r, "why of what? `:why A B`: what A depends on in B, a value or a parameter");
  name = name ? repl_native_path(r, name, strlen(name)) : NULL;
  r->unfold = true; // also through values that were computed from others
  Array *y = value ? second_value(r, name) : NULL;
  r->kept = y ? repl_item(r, intern(r->names, name)) : NULL;
  Item *pinned = y ? repl_pin(r, name, y) : NULL;
  Array *x = y ? repl_compute(r, value) : NULL;
  if (x)
    why(r, value, text, x, name, y);
  repl_unpin(pinned);
  r->unfold = false;
  r->kept = NULL;
  array_free(x);
  array_free(y);
}

// Functions of the language that are called as another language does it: how they are called here.
#include "compiler/sema/functions.h"
#include "compiler/sema/sema_said.h"
#include "compiler/syntax/habits.h"
#include <string.h>

static bool takes_axes(Sema *s, const char *name, bool *needs) {
  static const Prim none[] = {
#define MATHS(id, name) PRIM_##id,
#define PRIM(id, name)
#include "compiler/sema/prims.def"
#undef PRIM
      PRIM_REAL, PRIM_IMAG, PRIM_SELECT, PRIM_DROPOUT};
  int p = prim_by_name(name);
  Fn *f = fn_find(s, name);
  *needs = f ? f->ngenerics > 0 : true;
  if (f)
    return *needs;
  for (int i = 0; i < COUNT(none); i++)
    if ((int)none[i] == p)
      return false;
  *needs = p != PRIM_SUM && p != PRIM_MEAN && p != PRIM_MAX && p != PRIM_MIN;
  return true;
}

static bool is_formal(Sema *s, const char *fn, const char *name) {
  Fn *f = fn_find(s, fn);
  for (int i = 0; f && i < f->decl->formals.n; i++)
    if (!strcmp(f->decl->formals.v[i].name.s, name))
      return true;
  return !strcmp(name, "where");
}

// `[H]`: what was written, was said, or is meant; "": none, of all axes.
static const char *own_axes(const Said *x, const char *name) {
  bool needs, axes = takes_axes(x->s, name, &needs);
  if (x->brackets || !axes)
    return x->brackets ? x->brackets : "";
  return needs ? arena_printf(x->s->a, "[%s]", said_name(said_meant_axis(x), "H"))
               : said_brackets(x);
}

// An argument by position that said the axis.
static bool said_the_axis(const Said *x, const char *name, int i) {
  bool needs;
  const Value *of = said_tensor(x, 0);
  AxList all = {0};
  return i && of && !x->arg[i].name && !is_tensor(x->arg[i].v) && takes_axes(x->s, name, &needs) &&
         !x->brackets && !x->axis.expr && said_axes_of_arg(x->s, &x->arg[i], of, &all);
}

// `inplace=True`: nothing here depends on it.
static bool is_idle(const SaidArg *a) {
  const Expr *e = a->expr;
  bool no =
      (e->kind == EX_BOOL && !e->truth) || (e->kind == EX_NAME && !strcmp(e->name.s, "False"));
  return a->name && !no && habit_find(HABIT_IDLE, a->name, NULL, NULL);
}

// The argument as the function takes it; "": not at all; NULL: in no way that is known.
static const char *own_arg(const Said *x, const char *name, int i, int *strange) {
  const SaidArg *g = &x->arg[i];
  bool kept = g->name && is_formal(x->s, name, g->name);
  if (said_the_axis(x, name, i) || (!kept && is_idle(g)))
    return "";
  if (g->expr->kind == EX_STR || (g->name && !kept && ++*strange > 1))
    return NULL; // the order of several is not known
  const char *text = said_text(x->s, g, "x", true);
  return kept ? arena_printf(x->s->a, "%s: %s", g->name, text) : text;
}

// `softmax[H](x)`: axes in `[ ]`, and the arguments that are none; NULL: it cannot be said.
static const char *own_line(const Said *x, const char *name) {
  const char *line = arena_printf(x->s->a, "%s%s(", name, own_axes(x, name));
  int shown = 0, strange = 0;
  for (int i = 0; i < x->n; i++) {
    const char *arg = own_arg(x, name, i, &strange);
    if (!arg)
      return NULL;
    line = *arg ? arena_printf(x->s->a, "%s%s%s", line, shown++ ? ", " : "", arg) : line;
  }
  return arena_printf(x->s->a, "%s%s)", line, shown ? "" : "x");
}

// ---- what is advised is tried
Value *habit_try(Sema *s, const char *line) {
  Diags quiet = {.arena = s->a}, *told = s->d;
  int seen = s->seen.n;
  Expr *e = parse_expr_text(s->a, s->m->names, &quiet, source_new(s->a, "", line, strlen(line)));
  s->d = &quiet;
  s->trying++;
  Value *v = e ? sema_value(s, e) : NULL;
  s->trying--;
  s->d = told;
  s->seen.n = seen;
  return v && !is_poison(v) && !quiet.errors ? v : NULL;
}

// An argument has an error of its own: the line cannot be tried.
static bool is_open(const Said *x) {
  for (int i = 0; i < x->n; i++)
    if (is_poison(x->arg[i].v) && x->arg[i].expr->kind != EX_TUPLE &&
        x->arg[i].expr->kind != EX_STR && x->arg[i].expr->kind != EX_DTYPE)
      return true;
  return !x->n;
}

static const char *own_signature(Sema *s, const char *name) {
  Fn *f = fn_find(s, name);
  const FunctionDoc *doc = f && !f->prelude ? NULL : function_doc(name);
  return f ? decl_doc(s->a, f->decl).signature : doc ? doc->signature : NULL;
}

const char *habit_own_help(const Said *x, const char *name, const char *why) {
  Sema *s = x->s;
  const char *line = said_lost(x) ? NULL : own_line(x, name), *sign;
  if (line && (is_open(x) || habit_try(s, line)))
    return arena_printf(s->a, "write `%s`%s", line, why);
  sign = own_signature(s, name);
  return sign ? arena_printf(s->a, "it is `%s` here", sign) : NULL;
}

static Said said_values(Sema *s, const Expr *axes, const CallArgs *args) {
  Said x = {.s = s};
  x.brackets = axes ? span_text(s->a, axes->op, "[H]") : NULL;
  for (int i = 0; i < args->n; i++)
    said_add(&x, args->v[i].name.s, args->v[i].expr, args->v[i].x.v);
  return x;
}

#define NAMED ": axes are named, in `[ ]`"
void sema_axes_help(Sema *s, Diag *g, const char *name, const CallArgs *args) {
  Said x = said_values(s, NULL, args);
  const char *help = s->trying || !said_tensor(&x, 0) ? NULL : habit_own_help(&x, name, NAMED);
  if (help)
    diag_help(s->d, g, "%s", help);
}

void sema_argument_help(Sema *s, Diag *g, const char *fn, const Expr *axes, const CallArgs *args,
                        const char *name) {
  Said x = said_values(s, axes, args);
  bool axis = habit_find(HABIT_AXIS, name, NULL, NULL) != NULL;
  const char *help = s->trying ? NULL : habit_own_help(&x, fn, axis ? NAMED : "");
  if (help)
    diag_help(s->d, g, "%s", help);
}
#undef NAMED

static bool takes_argument(const Value *f, const char *name) {
  const Formals *of = f->kind == V_FN      ? &f->fn->decl->formals
                      : f->kind == V_CHILD ? &f->child->mod->decl->formals
                                           : NULL;
  for (int i = 0; of && i < of->n; i++)
    if (of->v[i].name.s == name)
      return true;
  return !of && f->kind == V_PRIM && !strcmp(name, "where");
}

bool sema_foreign_args(Sema *s, const Value *f, const Args *args, const CallArgs *values) {
  const char *fn = f->kind == V_FN ? f->fn->name : f->kind == V_PRIM ? prim_name(f->prim) : NULL;
  Diag *g = NULL;
  for (int i = 0; fn && i < args->n && !g; i++)
    if (args->v[i].diag && !takes_argument(f, args->v[i].name.s))
      g = args->v[i].diag;
  if (!g)
    return false;
  Said x = said_values(s, f->axes, values);
  const char *help = habit_own_help(&x, fn, "");
  if (help)
    diag_help_instead(s->d, g, "%s", help);
  return true;
}

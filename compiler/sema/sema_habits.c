// See sema_habits.h.  The rows are those of habits.def.
#include "compiler/sema/sema_said.h"
#include "compiler/syntax/habits.h"
#include <string.h>
#include <strings.h>

bool sema_names_fn(Sema *s, const char *name) {
  return prim_by_name(name) >= 0 || fn_find(s, name);
}

static bool has_fn(void *s, const char *name) {
  return sema_names_fn(s, name);
}

// ---- changes of axes: `x.view(B, L, Heads, D)`
typedef struct Regroup {
  const char *from[MAX_SAID], *to[MAX_SAID];
  int nfrom, nto;
} Regroup;

static void target(const Said *x, const Expr *e, const Value *of, AxList *kept, Regroup *r) {
  for (int i = 0; e->kind == EX_TUPLE && i < e->items.n; i++)
    target(x, e->items.v[i], of, kept, r);
  if (e->kind == EX_TUPLE)
    return;
  Ax *a = said_axis_named(x->s, e, of);
  if (a)
    *kept = ax_join(x->s, *kept, (AxList){&a, 1});
  else if (r->nto < MAX_SAID)
    r->to[r->nto++] = e->kind == EX_NAME ? e->name.s : "Rest";
}

static Regroup regroup(const Said *x, const Value *of) {
  Regroup r = {.nfrom = 0};
  AxList kept = {0};
  for (int i = 1; i < x->n; i++)
    if (!x->arg[i].name && x->arg[i].expr->kind != EX_STR)
      target(x, x->arg[i].expr, of, &kept, &r);
  for (int i = 0; i < of->ax.n && r.nfrom < MAX_SAID; i++)
    if (!ax_in(&kept, of->ax.v[i]) && said_single(of->ax.v[i]))
      r.from[r.nfrom++] = of->ax.v[i]->name;
  return r;
}

static const char *listed(Sema *s, const char *const *v, int n) {
  const char *t = n > 1 ? "(" : "";
  for (int i = 0; i < n; i++)
    t = arena_printf(s->a, "%s%s%s", t, i ? ", " : "", v[i]);
  return n > 1 ? arena_printf(s->a, "%s)", t) : t;
}

static const char *changed(const Said *x) {
  const Value *of = said_tensor(x, 0);
  const char *name = said_arg_text(x, 0, false);
  Regroup r = of ? regroup(x, of) : (Regroup){.nfrom = 0};
  if (r.nfrom && r.nto && (r.nfrom == 1 || r.nto == 1))
    return arena_printf(x->s->a, "%s[%s as %s]", name, listed(x->s, r.from, r.nfrom),
                        listed(x->s, r.to, r.nto));
  if (of && !r.nfrom && !r.nto)
    return name;
  if (r.nfrom > 1 && !r.nto)
    return arena_printf(x->s->a, "%s[%s as T]", name, listed(x->s, r.from + 1, r.nfrom - 1));
  return arena_printf(x->s->a, "%s[%s as (Heads, D)]", name,
                      said_name(of ? said_axis_at(&of->ax, -1) : NULL, "H"));
}

static const char *squeezed(const Said *x) {
  const Value *of = said_tensor(x, 0);
  Ax *a = said_axis(x);
  int64_t n;
  for (int i = 0; of && i < of->ax.n && !a; i++)
    a = ax_const(of->ax.v[i], &n) && n == 1 ? of->ax.v[i] : NULL;
  const char *name = said_arg_text(x, 0, false);
  return a ? arena_printf(x->s->a, "%s[%s = 0]", name, a->name) : name;
}

// The name of a length: of an axis of a value, or of the dim that is given.
static const char *length(const Said *x) {
  const Value *of = said_tensor(x, 0);
  Ax *a = said_axis(x);
  if (of)
    return said_name(a ? a : said_axis_at(&of->ax, 0), "L");
  return x->n && x->arg[0].expr->kind == EX_NAME ? x->arg[0].expr->name.s : "L";
}

static const char *dtype_said(const Said *x) {
  for (int i = 1; i < x->n; i++) {
    const Expr *e = x->arg[i].expr;
    const char *name = e->kind == EX_DOT || e->kind == EX_NAME ? e->name.s
                       : e->kind == EX_STR                     ? e->str.s
                                                               : "";
    const Habit *h = habit_find(HABIT_TYPE, name, NULL, NULL);
    if (e->kind == EX_DTYPE || h)
      return h ? h->line : dtype_name(e->dtype);
  }
  return "f32";
}

// The name on the left of the `=` or the `:` that this stands behind.
const char *habit_name_bound(const Sema *s) {
  const Body *b = s->scope ? s->scope->body : NULL;
  int i = s->frame->stmt;
  bool known = b && s->frame->kind != FR_FN && !s->scope->strip && i < b->stmts.n;
  return known && b->stmts.v[i]->names.n && b->stmts.v[i]->kind != ST_ENTRY
             ? b->stmts.v[i]->names.v[0].s
             : "f";
}

// The axis in `[ ]`, or that is meant.
static const char *meant(const Said *x) {
  size_t n = x->brackets ? strlen(x->brackets) : 0;
  return n > 2 ? arena_strndup(x->s->a, x->brackets + 1, n - 2)
               : said_name(said_meant_axis(x), "H");
}

// `[B, L]` of `randn(B, L)` and `randn[B, L]`; numbers have no names.
static const char *drawn(const Said *x) {
  const char *t = "";
  for (int i = 0; i < x->n; i++)
    if (!x->arg[i].name && x->arg[i].expr->kind == EX_NAME)
      t = arena_printf(x->s->a, "%s%s%s", t, *t ? ", " : "[", x->arg[i].expr->name.s);
  return x->brackets ? x->brackets : *t ? arena_printf(x->s->a, "%s]", t) : "[H]";
}

// The first axis of a table that its indices lack.
static const char *looked_up(const Said *x) {
  const Value *i = said_tensor(x, 0), *table = said_tensor(x, 1);
  for (int k = 0; table && k < table->ax.n; k++)
    if (!ax_in(&i->ax, table->ax.v[k]))
      return table->ax.v[k]->name;
  return "V";
}

static const char *field(void *context, char c, bool alone) {
  const Said *x = context;
  switch (c) {
  case 'x': return said_arg_text(x, 0, alone);
  case 'y': return said_arg_text(x, 1, alone);
  case 'z': return said_arg_text(x, 2, alone);
  case 'A': return meant(x);
  case 'P': return said_name(said_before_axis(x), "L");
  case 'R': return said_brackets(x);
  case 'D': return drawn(x);
  case 'g': return looked_up(x);
  case 'e': return habit_einsum(x);
  case 'c': return said_name(habit_shared_axis(said_tensor(x, 0), said_tensor(x, 1)), "H");
  case 'r': return habit_product(x->s, said_tensor(x, 0), said_tensor(x, 1));
  case 'v': return changed(x);
  case 'q': return squeezed(x);
  case 'n': return length(x);
  case 't': return dtype_said(x);
  case 'f': return habit_name_bound(x->s);
  default: BUG("field $%c of a habit", c);
  }
}

// ---- what is said
static void help(Sema *s, Diag *g, const char *line, const char *why) {
  if (*line && *why)
    diag_help(s->d, g, "write `%s`: %s", line, why);
  else if (*line)
    diag_help(s->d, g, "write `%s`", line);
  else if (*why)
    diag_help(s->d, g, "%s", why);
}

// ---- modules
// The dim of this length; NULL: none.
static const char *dim_of(Sema *s, const Expr *e) {
  int64_t n;
  bool found = false;
  for (int i = 0; e->kind == EX_NUM && i < s->m->dims.n; i++)
    if (ax_const(s->m->dims.v[i]->ax, &n) && (double)n == e->num.value)
      return s->m->dims.v[i]->pub.name;
  if (e->kind == EX_NAME)
    ax_lookup(s, e->name, &found);
  return found ? e->name.s : NULL;
}

// `Linear[H -> F]` of `Linear(H, F)`; generics that nothing is said of under their own names.
static const char *module_dims(Sema *s, const Module *m, const Args *args) {
  const char *t = "";
  for (int i = 0, k = 0; i < m->ngenerics; i++) {
    while (args && k < args->n && args->v[k].name.s)
      k++;
    const Expr *e = args && k < args->n ? args->v[k++].value : NULL;
    const char *dim = e ? dim_of(s, e) : m->generics[i].name.s, *between = !i              ? "["
                                                                           : i == m->nleft ? " -> "
                                                                                           : ", ";
    t = arena_printf(s->a, "%s%s%s", t, between, dim ? dim : m->generics[i].name.s);
  }
  return *t ? arena_printf(s->a, "%s]", t) : t;
}

static const char *module_args(Sema *s, const Module *m, const Args *args) {
  const Formals *f = &m->decl->formals;
  const char *t = "";
  for (int i = 0; args && i < args->n; i++)
    for (int k = 0; k < f->n; k++)
      if (args->v[i].name.s && args->v[i].name.s == f->v[k].name.s) {
        SaidArg a = {NULL, args->v[i].value, NULL};
        t = arena_printf(s->a, "%s%s%s: %s", t, *t ? ", " : "(", f->v[k].name.s,
                         said_text(s, &a, "1", true));
      }
  return *t ? arena_printf(s->a, "%s)", t) : t;
}

// A number among the dimensions: no dim is so long.
static void undeclared_dim(Sema *s, Diag *g, const Module *m, const Args *args) {
  for (int i = 0, k = 0; args && i < args->n && k < m->ngenerics; i++) {
    const Expr *e = args->v[i].value;
    if (args->v[i].name.s)
      continue;
    if (e->kind == EX_NUM && e->num.kind == NUM_WHOLE && !dim_of(s, e))
      diag_help(s->d, g, "axes have names: `dim %s = %lld` declares one", m->generics[k].name.s,
                (long long)e->num.whole);
    k++;
  }
}

// `norm : LayerNorm[H]`
static const char *child_line(Sema *s, const Module *m, const Expr *axes, const Args *args) {
  return arena_printf(s->a, "%s : %s%s%s", habit_name_bound(s), m->name,
                      axes ? span_text(s->a, axes->op, "[H]") : module_dims(s, m, args),
                      module_args(s, m, args));
}

void sema_module_help(Sema *s, Diag *g, const Module *m, const Called *c) {
  const Args *args = c ? c->args : NULL;
  diag_help(s->d, g, "declare `%s` on a line of its own, and call `%s(...)`",
            child_line(s, m, c ? c->axes : NULL, args), habit_name_bound(s));
  if (!c || !c->axes)
    undeclared_dim(s, g, m, args);
}

void sema_declared_help(Sema *s, Diag *g, const Module *m, const Args *args) {
  diag_help(s->d, g, "write `%s`", child_line(s, m, NULL, args));
  undeclared_dim(s, g, m, args);
}

bool sema_foreign_module(Sema *s, Diag *g, const Stmt *st) {
  const Habit *h = habit_find(HABIT_MODULE, st->module.s, NULL, NULL);
  Said x = {.s = s};
  if (!h)
    return false;
  x.brackets = st->generics ? span_text(s->a, st->generics->span, "[H]") : NULL;
  for (int i = 0; i < st->args.n; i++)
    said_add(&x, st->args.v[i].name.s, st->args.v[i].value, v_poison(s));
  help(s, g, habit_fill(s->a, h->line, field, &x), habit_fill(s->a, h->why, field, &x));
  return true;
}

// ---- reports
// The function of the language that differs in capitals alone.
static const char *in_other_capitals(Sema *s, const char *name) {
  const Map *fns[] = {&s->m->user_fns, &s->m->prelude_fns};
  for (int k = 0; k < COUNT(fns); k++)
    for (int64_t i = 0; fns[k]->n && i < (int64_t)1 << fns[k]->bits; i++)
      if (fns[k]->slot[i].key && !strcasecmp(map_pointer(&fns[k]->slot[i].key), name))
        return map_pointer(&fns[k]->slot[i].key);
  for (int i = 0; i < PRIM_COUNT; i++)
    if (!strcasecmp(prim_name((Prim)i), name))
      return prim_name((Prim)i);
  return NULL;
}

static bool help_by_row(Said *x, Diag *g, const char *name) {
  const Habit *h = habit_find(HABIT_CALL, name, has_fn, x->s);
  bool text = h && x->n && x->arg[0].expr->kind == EX_STR; // `float("inf")`
  h = text && !strcmp(name, "float") ? habit_find(HABIT_VALUE, "inf", NULL, NULL) : h;
  h = h ? h : habit_find(HABIT_VALUE, name, NULL, NULL);
  h = h ? h : habit_find(HABIT_MODULE, name, NULL, NULL);
  bool lost = h && said_lost(x) && (strstr(h->line, "$R") || strstr(h->line, "$A"));
  if (h)
    help(x->s, g, lost ? "" : habit_fill(x->s->a, h->line, field, x),
         habit_fill(x->s->a, h->why, field, x));
  return h != NULL;
}

bool sema_foreign_name(Sema *s, Diag *g, const Expr *e, Called *c) {
  if (!habit_find(HABIT_CALL, e->name.s, has_fn, s) &&
      !habit_find(HABIT_VALUE, e->name.s, NULL, NULL) &&
      !habit_find(HABIT_MODULE, e->name.s, NULL, NULL))
    return false;
  Said x = said_call(s, NULL, NULL, c);
  if (c)
    c->told = true;
  return help_by_row(&x, g, e->name.s);
}

static void own_help(const Said *x, Diag *g, const char *name) {
  const char *text = habit_own_help(x, name, "");
  if (text)
    diag_help(x->s->d, g, "%s", text);
}

// What stands behind a point, or behind a package: of this language, or as a row says.
static void help_part(Said *x, Diag *g, const char *name) {
  Sema *s = x->s;
  const char *other = in_other_capitals(s, name);
  LetInfo *let = let_find(s, name);
  Module *m = module_find(s, name);
  const Habit *h = habit_find(HABIT_CALL, name, has_fn, s);
  if (h && !strcmp(h->needs, name) && help_by_row(x, g, name))
    return;
  if (m)
    sema_module_help(s, g, m, &(Called){.args = x->args});
  else if (sema_names_fn(s, name))
    own_help(x, g, name);
  else if (help_by_row(x, g, name))
    return;
  else if (other)
    own_help(x, g, other);
  else if (let)
    diag_help(s->d, g, "write `%s`", name);
}

static bool is_package(Sema *s, const Expr *root, Called *c) {
  bool found;
  if (root->kind != EX_NAME || !habit_find(HABIT_PACKAGE, root->name.s, NULL, NULL))
    return false;
  for (const Scope *sc = s->scope; sc; sc = sc->up)
    if (scope_find(sc, root->name.s))
      return false;
  ax_lookup(s, root->name, &found); // `F` may be a dim too
  return !found || c;
}

Value *sema_foreign_package(Sema *s, const Expr *e, Called *c) {
  const Expr *root = said_root(e);
  if (!is_package(s, root, c))
    return NULL;
  Module *m = module_find(s, e->name.s);
  Said x = m ? (Said){.s = s, .args = c ? c->args : NULL} : said_call(s, NULL, NULL, c);
  Span at = {e->span.src, root->span.lo, e->span.hi};
  bool self = !strcmp(root->name.s, "self");
  Diag *g = sema_error(s, ERR_UNKNOWN_NAME, at,
                       self ? "unknown name `%s`: values, children and parameters are named alone"
                            : "unknown name `%s`: there are no packages here",
                       root->name.s);
  if (self)
    diag_help(s->d, g, "write `%s`", e->name.s);
  else
    help_part(&x, g, e->name.s);
  if (c)
    c->told = true;
  return v_poison(s);
}

Value *sema_foreign_part(Sema *s, const Expr *e, Value *of, Called *c) {
  if (!is_tensor(of) && !is_number(of))
    return NULL;
  Said x = said_call(s, e->a, of, c);
  Diag *g =
      sema_error(s, ERR_FUNCTION_OR_VALUE, e->span,
                 "`.%s` of a value, %s: only children have parts", e->name.s, v_type_str(s, of));
  help_part(&x, g, e->name.s);
  if (c)
    c->told = true;
  return v_poison(s);
}

// See sema_habits.h.  The rows are those of habits.def.
#include "compiler/sema/sema_habits.h"
#include "compiler/syntax/habits.h"
#include <string.h>
#include <strings.h>

enum { MAX_SAID = 8 };

// A call of another language, as far as its arguments say something here.
typedef struct SaidArg {
  const char *name; // NULL: by position
  const Expr *expr;
  Value *v; // poison where it is no value of the language
} SaidArg;
typedef struct Said {
  Sema *s;
  SaidArg arg[MAX_SAID]; // the value in front of the point first
  int n;
  const Args *args;
  SaidArg axis; // what counts an axis: `dim=1`, or `1` by position; expr NULL: nothing
} Said;

bool sema_names_fn(Sema *s, const char *name) {
  return prim_by_name(name) >= 0 || fn_find(s, name);
}

static bool has_fn(void *s, const char *name) {
  return sema_names_fn(s, name);
}

// ---- what was said
static const Expr *root_of(const Expr *e) {
  while (e->kind == EX_DOT)
    e = e->a;
  return e;
}

// Strings, dtypes and what stands in other packages are read as text alone.
static bool is_value_text(const Expr *e) {
  const Expr *root = root_of(e);
  bool package = e->kind == EX_DOT && root->kind == EX_NAME &&
                 habit_find(HABIT_PACKAGE, root->name.s, NULL, NULL);
  return e->kind != EX_STR && e->kind != EX_DTYPE && e->kind != EX_TUPLE && !package;
}

static void say(Said *x, const char *name, const Expr *e, Value *v) {
  bool list = e->kind == EX_FOREIGN && e->foreign->kind == FOREIGN_LIST;
  for (int i = 0; list && i < e->foreign->items.n; i++)
    say(x, NULL, e->foreign->items.v[i], NULL);
  if (list) {
    diag_drop(x->s->d, e->foreign->diag); // the answer to the call says it
    return;
  }
  SaidArg a = {name, e, v ? v : is_value_text(e) ? sema_value(x->s, e) : v_poison(x->s)};
  if (name && habit_find(HABIT_AXIS, name, NULL, NULL))
    x->axis = strncmp(name, "keep", 4) ? a : x->axis;
  else if (x->n < MAX_SAID)
    x->arg[x->n++] = a;
}

static Said said(Sema *s, const Expr *of, Value *v, const Called *c) {
  Said x = {.s = s, .args = c ? c->args : NULL};
  if (of)
    say(&x, NULL, of, v);
  if (c && c->first)
    say(&x, NULL, c->first, NULL);
  for (int i = 0; c && c->args && i < c->args->n; i++) {
    diag_drop(s->d, c->args->v[i].diag); // likewise
    say(&x, c->args->v[i].name.s, c->args->v[i].value, NULL);
  }
  return x;
}

// ---- texts
// As it stands in the file, or a letter for it.
static const char *text_of(Sema *s, const SaidArg *a, const char *letter, bool alone) {
  ExprKind k = a->expr->kind;
  bool binds = k != EX_BIN && k != EX_NEG && k != EX_PIPE && k != EX_CONTRACT;
  const char *text = span_text(s->a, a->expr->span, letter);
  return alone || binds || a->expr->parens || text == letter ? text
                                                             : arena_printf(s->a, "(%s)", text);
}

static const char *arg_text(const Said *x, int i, bool alone) {
  static const char *const letters[] = {"x", "y", "z"};
  int n = 0;
  for (int k = 0; k < x->n; k++)
    if (!x->arg[k].name && n++ == i)
      return text_of(x->s, &x->arg[k], letters[i], alone);
  for (int k = 0; k < x->n; k++) // else by name, in order
    if (x->arg[k].name && n++ == i)
      return text_of(x->s, &x->arg[k], letters[i], alone);
  return letters[i];
}

static const Value *tensor(const Said *x, int which) {
  for (int i = 0; i < x->n; i++)
    if (is_tensor(x->arg[i].v) && !which--)
      return x->arg[i].v;
  return NULL;
}

// ---- axes
static Ax *single(Ax *a) {
  return a && !a->pack && a->kind != AX_REST ? a : NULL;
}

static Ax *axis_at(const AxList *l, int64_t place) {
  int64_t i = place < 0 ? l->n + place : place;
  for (int k = 0; k < i && k < l->n; k++)
    if (place >= 0 && !single(l->v[k]))
      return NULL; // how many these are is open
  return i >= 0 && i < l->n ? single(l->v[i]) : NULL;
}

static Ax *axis_named(Sema *s, const Expr *e, const Value *of) {
  bool found;
  if (e->kind != EX_NAME)
    return NULL;
  AxList l = ax_lookup(s, e->name, &found);
  return l.n == 1 && ax_in(&of->ax, l.v[0]) ? single(l.v[0]) : NULL;
}

static Ax *axis_of_arg(Sema *s, const SaidArg *a, const Value *of) {
  int64_t place;
  return v_whole(a->v, &place) ? axis_at(&of->ax, place) : axis_named(s, a->expr, of);
}

// The axis that was said; NULL: none.
static Ax *said_axis(const Said *x) {
  const Value *of = tensor(x, 0);
  Ax *a = of && x->axis.expr ? axis_of_arg(x->s, &x->axis, of) : NULL;
  for (int i = 1; of && i < x->n && !a; i++)
    if (!is_tensor(x->arg[i].v) && !x->arg[i].name)
      a = axis_of_arg(x->s, &x->arg[i], of);
  return a;
}

// Or the last one that the second operand lacks, or the last.
static Ax *meant_axis(const Said *x) {
  const Value *of = tensor(x, 0), *other = tensor(x, 1);
  Ax *a = said_axis(x);
  for (int i = of ? of->ax.n - 1 : -1; other && i >= 0 && !a; i--)
    if (!ax_in(&other->ax, of->ax.v[i]))
      a = single(of->ax.v[i]);
  return a || !of ? a : axis_at(&of->ax, -1);
}

static Ax *before_axis(const Said *x) {
  const Value *of = tensor(x, 0);
  return of ? axis_at(&of->ax, -2) : NULL;
}

Ax *habit_shared_axis(const Value *a, const Value *b) {
  for (int i = a && b ? a->ax.n - 1 : -1; i >= 0; i--)
    if (ax_in(&b->ax, a->ax.v[i]) && single(a->ax.v[i]))
      return a->ax.v[i];
  return NULL;
}

static const char *name_or(const Ax *a, const char *letter) {
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
  Ax *a = axis_named(x->s, e, of);
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
    if (!ax_in(&kept, of->ax.v[i]) && single(of->ax.v[i]))
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
  const Value *of = tensor(x, 0);
  const char *name = arg_text(x, 0, false);
  Regroup r = of ? regroup(x, of) : (Regroup){.nfrom = 0};
  if (r.nfrom && r.nto && (r.nfrom == 1 || r.nto == 1))
    return arena_printf(x->s->a, "%s[%s as %s]", name, listed(x->s, r.from, r.nfrom),
                        listed(x->s, r.to, r.nto));
  if (of && !r.nfrom && !r.nto)
    return name;
  if (r.nfrom > 1 && !r.nto)
    return arena_printf(x->s->a, "%s[%s as T]", name, listed(x->s, r.from + 1, r.nfrom - 1));
  return arena_printf(x->s->a, "%s[%s as (Heads, D)]", name,
                      name_or(of ? axis_at(&of->ax, -1) : NULL, "H"));
}

static const char *squeezed(const Said *x) {
  const Value *of = tensor(x, 0);
  Ax *a = said_axis(x);
  int64_t n;
  for (int i = 0; of && i < of->ax.n && !a; i++)
    a = ax_const(of->ax.v[i], &n) && n == 1 ? of->ax.v[i] : NULL;
  const char *name = arg_text(x, 0, false);
  return a ? arena_printf(x->s->a, "%s[%s = 0]", name, a->name) : name;
}

// The name of a length: of an axis of a value, or of the dim that is given.
static const char *length(const Said *x) {
  const Value *of = tensor(x, 0);
  Ax *a = said_axis(x);
  if (of)
    return name_or(a ? a : axis_at(&of->ax, 0), "L");
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

static const char *field(void *context, char c, bool alone) {
  const Said *x = context;
  Ax *a;
  switch (c) {
  case 'x': return arg_text(x, 0, alone);
  case 'y': return arg_text(x, 1, alone);
  case 'z': return arg_text(x, 2, alone);
  case 'A': return name_or(meant_axis(x), "H");
  case 'P': return name_or(before_axis(x), "L");
  case 'R': return (a = said_axis(x)) ? arena_printf(x->s->a, "[%s]", a->name) : "";
  case 'c': return name_or(habit_shared_axis(tensor(x, 0), tensor(x, 1)), "H");
  case 'r': return habit_product(x->s, tensor(x, 0), tensor(x, 1));
  case 'v': return changed(x);
  case 'q': return squeezed(x);
  case 'n': return length(x);
  case 't': return dtype_said(x);
  case 'f': return habit_name_bound(x->s);
  default: BUG("field $%c of a habit", c);
  }
}

// ---- functions that the language has too
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

// `softmax[H](x)`: axes in `[ ]`, and the arguments that are none.
static const char *own_line(const Said *x, const char *name) {
  bool needs, axes = takes_axes(x->s, name, &needs);
  const Value *of = tensor(x, 0);
  Ax *said = axes ? said_axis(x) : NULL, *a = needs && axes ? meant_axis(x) : said;
  const char *line = axes && (a || needs) ? arena_printf(x->s->a, "%s[%s](", name, name_or(a, "H"))
                                          : arena_printf(x->s->a, "%s(", name);
  int shown = 0;
  for (int i = 0; i < x->n; i++) {
    const SaidArg *g = &x->arg[i];
    bool is_axis = i && said && of && !g->name && axis_of_arg(x->s, g, of) == said;
    bool kept = g->name && is_formal(x->s, name, g->name);
    if (is_axis || (g->name && !kept) || g->expr->kind == EX_STR)
      continue;
    line = arena_printf(x->s->a, "%s%s%s%s%s", line, shown++ ? ", " : "", kept ? g->name : "",
                        kept ? ": " : "", text_of(x->s, g, "x", true));
  }
  return arena_printf(x->s->a, "%s%s)", line, shown ? "" : "x");
}

void sema_axes_help(Sema *s, Diag *g, const char *name, const CallArgs *args) {
  Said x = {.s = s};
  for (int i = 0; i < args->n; i++)
    say(&x, args->v[i].name.s, args->v[i].expr, args->v[i].x.v);
  if (tensor(&x, 0))
    diag_help(s->d, g, "write `%s`: axes are named, in `[ ]`", own_line(&x, name));
}

void sema_argument_help(Sema *s, Diag *g, const char *fn, const CallArgs *args, const char *name) {
  Said x = {.s = s};
  for (int i = 0; i < args->n; i++)
    say(&x, args->v[i].name.s, args->v[i].expr, args->v[i].x.v);
  bool axis = habit_find(HABIT_AXIS, name, NULL, NULL) != NULL;
  for (int i = 0; i < x.n && !axis; i++) // by position
    x.arg[i].name = NULL;
  diag_help(s->d, g, axis ? "write `%s`: axes are named, in `[ ]`" : "write `%s`",
            own_line(&x, fn));
}

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
  Said x = {.s = s};
  for (int i = 0; i < values->n; i++)
    say(&x, values->v[i].name.s, values->v[i].expr, values->v[i].x.v);
  for (int i = 0; i < x.n; i++)
    x.arg[i].name = x.arg[i].name && is_formal(s, fn, x.arg[i].name) ? x.arg[i].name : NULL;
  diag_help_instead(s->d, g, "write `%s`", own_line(&x, fn));
  return true;
}

// ---- what is said
static void help(Sema *s, Diag *g, const char *line, const char *why) {
  if (*line && *why)
    diag_help(s->d, g, "write `%s`: %s", line, why);
  else if (*line)
    diag_help(s->d, g, "write `%s`", line);
  else
    diag_help(s->d, g, "%s", why);
}

// ---- modules
// The dim of this length; NULL: none.
static const char *dim_of(Sema *s, const Expr *e) {
  int64_t n;
  for (int i = 0; e->kind == EX_NUM && i < s->m->dims.n; i++)
    if (ax_const(s->m->dims.v[i]->ax, &n) && (double)n == e->num.value)
      return s->m->dims.v[i]->pub.name;
  return e->kind == EX_NAME ? e->name.s : NULL;
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
                         text_of(s, &a, "1", true));
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

void sema_module_help(Sema *s, Diag *g, const Module *m, const Args *args, bool declared) {
  const char *name = habit_name_bound(s),
             *line = arena_printf(s->a, "%s : %s%s%s", name, m->name, module_dims(s, m, args),
                                  module_args(s, m, args));
  diag_help(s->d, g,
            declared ? "write `%s`" : "declare `%s` on a line of its own, and call `%s(...)`", line,
            name);
  undeclared_dim(s, g, m, args);
}

bool sema_foreign_module(Sema *s, Diag *g, const Stmt *st) {
  const Habit *h = habit_find(HABIT_MODULE, st->module.s, NULL, NULL);
  Said x = {.s = s};
  if (!h)
    return false;
  for (int i = 0; i < st->args.n; i++)
    say(&x, st->args.v[i].name.s, st->args.v[i].value, v_poison(s));
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
  if (h)
    help(x->s, g, habit_fill(x->s->a, h->line, field, x), habit_fill(x->s->a, h->why, field, x));
  return h != NULL;
}

bool sema_foreign_name(Sema *s, Diag *g, const Expr *e, Called *c) {
  if (!habit_find(HABIT_CALL, e->name.s, has_fn, s) &&
      !habit_find(HABIT_VALUE, e->name.s, NULL, NULL) &&
      !habit_find(HABIT_MODULE, e->name.s, NULL, NULL))
    return false;
  Said x = said(s, NULL, NULL, c);
  if (c)
    c->told = true;
  return help_by_row(&x, g, e->name.s);
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
    sema_module_help(s, g, m, x->args, false);
  else if (sema_names_fn(s, name))
    diag_help(s->d, g, "write `%s`", own_line(x, name));
  else if (help_by_row(x, g, name))
    return;
  else if (other)
    diag_help(s->d, g, "write `%s`", own_line(x, other));
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
  const Expr *root = root_of(e);
  if (!is_package(s, root, c))
    return NULL;
  Module *m = module_find(s, e->name.s);
  Said x = m ? (Said){.s = s, .args = c ? c->args : NULL} : said(s, NULL, NULL, c);
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
  Said x = said(s, e->a, of, c);
  Diag *g =
      sema_error(s, ERR_FUNCTION_OR_VALUE, e->span,
                 "`.%s` of a value, %s: only children have parts", e->name.s, v_type_str(s, of));
  help_part(&x, g, e->name.s);
  if (c)
    c->told = true;
  return v_poison(s);
}

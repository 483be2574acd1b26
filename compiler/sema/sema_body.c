// Statements of a body, and scans.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <string.h>

// ---- parameters
static void param_axes(Sema *s, const Stmt *st, const Ty *t) {
  for (int i = 0; i < t->ax.n; i++) {
    Ax *a = t->ax.v[i];
    int64_t n;
    if (a->kind == AX_GENERIC && checking(s)) {
      for (int k = 0; k < s->frame->ngenerics; k++)
        if (ax_in(&s->frame->map[k], a))
          ((Generic *)s->frame->generics)[k].is_static = true;
    } else if (!ax_const(a, &n)) {
      Diag *g = sema_error(s, ERR_RUN_TIME_ONLY, st->type->span,
                           "a parameter's size is known at compile time, but `%s` only at run time",
                           a->name);
      sema_note_axes(s, g, &a, 1);
    }
  }
}

static bool only_in_modules(Sema *s, const Stmt *st, const char *what) {
  if (s->scope->strip) {
    sema_error(s, ERR_STMT_MISPLACED, st->span, "a scan's body has no %s", what);
    return false;
  }
  if (s->frame->kind != FR_FN)
    return true;
  Diag *g = sema_error(s, ERR_STMT_MISPLACED, st->span, "a fn has no %s", what);
  diag_help(s->d, g, "make `%s` a module", s->frame->name);
  return false;
}

// The model's own names are bound lazily in build mode: the binding is there and waits for its
// value.
static Bound *define(Sema *s, Name name, Value *v) {
  Bound *b = scope_find(s->scope, name.s);
  if (b && !b->value)
    b->value = v;
  else
    b = scope_bind(s, name, v);
  if (b) {
    b->index = s->frame->stmt;
    b->used |= names_get(&s->scope->wanted, name.s) != NULL;
  }
  return b;
}

static void bind_poison(Sema *s, const Stmt *st) {
  for (int i = 0; i < st->names.n; i++)
    if (!scope_find(s->scope, st->names.v[i].s))
      scope_bind(s, st->names.v[i], v_poison(s));
}

static Value *param_value(Sema *s, const Stmt *st, Name name) {
  const ParamDecl *p = names_get(&s->frame->inst->params, name.s);
  sema_mark(s, name.span);
  if (p)
    return sema_param(s, p);
  Ty t = ty_eval(s, st->type, false);
  Value *v = t.bad ? NULL : param_absent(s, st, &t);
  return v ? v : v_poison(s);
}

static void run_param(Sema *s, const Stmt *st) {
  Ty t = {.bad = true};
  if (checking(s)) {
    if (!only_in_modules(s, st, "parameters")) {
      bind_poison(s, st);
      return;
    }
    t = ty_eval(s, st->type, false);
    if (!t.bad)
      param_axes(s, st, &t);
    if (t.dtype == DT_BOOL || t.dtype == DT_I32) {
      sema_error(s, ERR_OTHER_DTYPE, st->type->span,
                 "a parameter is a floating-point or a complex tensor, not %s",
                 dtype_name(t.dtype));
      t.bad = true;
    }
    sema_check_init(s, st, &t);
    param_check_choice(s, st, &t);
  }
  for (int i = 0; i < st->names.n; i++) {
    Value *v = checking(s) ? ty_value(s, &t) : NULL;
    if (!v)
      v = param_value(s, st, st->names.v[i]);
    v->param = st;
    Bound *b = define(s, st->names.v[i], v);
    if (b)
      b->is_param = true;
  }
}

static void run_child(Sema *s, const Stmt *st) {
  if (checking(s) && !only_in_modules(s, st, "children")) {
    bind_poison(s, st);
    return;
  }
  for (int i = 0; i < st->names.n; i++) {
    Child *c = child_make(s, st, st->names.v[i].s, s->frame->inst);
    Value *v = v_poison(s);
    Bound *b = define(s, st->names.v[i], v);
    if (!c || !b)
      continue;
    v->kind = V_CHILD;
    v->child = c;
    b->is_child = true;
    c->root = b;
  }
}

// ---- values
static bool rebind(Sema *s, const Stmt *st, Bound *b, Value *v) {
  Ty want = {.dtype = b->value->dtype, .ax = b->value->ax, .bad = is_poison(b->value)};
  bool ok =
      ty_same(s, st->value->span, v, &want, arena_printf(s->a, "the next `%s`", b->name), b->span);
  b->value = ok ? v : v_poison(s);
  b->is_state = false;
  b->rebound = true;
  b->is_formal = true; // its use is the next step
  b->stmt = st;
  return ok;
}

// A name gets its value, a state of a scan the next one.
static void bind_name(Sema *s, const Stmt *st, Name name, Value *v) {
  Bound *b = scope_find(s->scope, name.s);
  if (b && b->is_state)
    rebind(s, st, b, v);
  else
    define(s, name, v);
}

// y, aux = m(x)
static void run_bind_several(Sema *s, const Stmt *st) {
  Value *v = sema_results(s, st->value);
  bool fits = results_count(s, st->value->span, v, st->names.n, (Span){0}, "the right side");
  for (int i = 0; i < st->names.n; i++)
    if (!is_no_name(st, i))
      bind_name(s, st, st->names.v[i], fits && v->kind == V_TUPLE ? v->item[i] : v_poison(s));
}

static void run_bind(Sema *s, const Stmt *st) {
  if (st->names.n > 1) {
    run_bind_several(s, st);
    return;
  }
  bind_name(s, st, st->names.v[0], sema_value(s, st->value));
}

static void reserved_entry(Sema *s, Name name) {
  static const char *const taken[] = {
#define API(name, result, params, arguments, runtime, forward, comment) #name,
#include "base/c_api.def"
#undef API
      "info"};
  for (int i = 0; i < COUNT(taken); i++)
    if (!strcmp(name.s, taken[i]))
      sema_error(s, ERR_RESERVED_ENTRY, name.span,
                 "an entry is not named `%s`: that is a function of the C interface", name.s);
  for (int i = 0; i < s->m->trains.n; i++)
    if (!strcmp(name.s, arena_printf(s->a, "%s_step", s->m->trains.v[i]->name.s)))
      sema_error(s, ERR_RESERVED_ENTRY, name.span,
                 "an entry is not named `%s`: that is a function of the C interface for `train %s`",
                 name.s, s->m->trains.v[i]->name.s);
}

static void run_entry(Sema *s, const Stmt *st) {
  if (s->frame->kind != FR_MODEL || s->scope->strip) {
    sema_error(s, ERR_STMT_MISPLACED, st->span, "entries belong to a model");
    return;
  }
  if (checking(s))
    reserved_entry(s, st->names.v[0]);
  Value *v = sema_value(s, st->value);
  Ty want = sema_entry_type(s, st, &v);
  if (st->diag && is_tensor(v))
    diag_help_instead(s->d, st->diag, "write `entry %s : %s = ...`", st->names.v[0].s,
                      v_type_str(s, v));
  if (st->type && !ty_same(s, st->value->span, v, &want,
                           arena_printf(s->a, "entry `%s`", st->names.v[0].s), st->type->span))
    v = want.bad || !checking(s) ? v_poison(s) : ty_value(s, &want);
  Bound *b = define(s, st->names.v[0], v);
  if (b)
    b->is_entry = true;
}

static void run_forms(Sema *s, const Stmt *st) {
  Value *v = v_poison(s);
  if (!st->forms.n) {
    sema_error(s, ERR_STMT_MISPLACED, st->span, "`forms` has at least one definition");
  } else if (checking(s)) {
    Ty want = ty_eval(s, st->type, true);
    for (int i = 0; i < st->forms.n; i++) {
      const Bind *f = &st->forms.v[i];
      for (int k = 0; k < i; k++)
        if (st->forms.v[k].name.s == f->name.s)
          sema_error(s, ERR_NAME_TWICE, f->name.span, "form `%s` is defined twice", f->name.s);
      ty_same(s, f->value->span, sema_value(s, f->value), &want,
              arena_printf(s->a, "form `%s`", f->name.s), st->type->span);
    }
    v = ty_value(s, &want);
  } else
    v = sema_value(s, model_form(s->m, st)->value);
  define(s, st->names.v[0], v);
}

void sema_stmt(Sema *s, const Stmt *st, int index) {
  if (s->frame->kind != FR_FN && !s->scope->strip) {
    s->frame->stmt = index;
    s->frame->ncalls = s->frame->ndraws = 0;
  }
  switch (st->kind) {
  case ST_PARAM: run_param(s, st); break;
  case ST_CHILD: run_child(s, st); break;
  case ST_BIND: run_bind(s, st); break;
  case ST_ENTRY: run_entry(s, st); break;
  case ST_FORMS: run_forms(s, st); break;
  case ST_BAD: bind_poison(s, st); break;
  default: sema_value(s, st->value); break;
  }
}

Value *sema_body(Sema *s, const Body *body, Span header, const char *what) {
  Value *result = NULL;
  bool lost = false; // a value stands where nothing uses it: most likely the result
  bool model = s->frame->kind == FR_MODEL && !s->scope->strip;
  s->scope->body = body;
  for (int i = 0; i < body->stmts.n && !s->stopped; i++) {
    const Stmt *st = body->stmts.v[i];
    bool last = i == body->stmts.n - 1;
    if (st->kind != ST_EXPR) {
      sema_stmt(s, st, i);
      continue;
    }
    if (s->frame->kind != FR_FN && !s->scope->strip) {
      s->frame->stmt = i;
      s->frame->ncalls = s->frame->ndraws = 0;
    }
    bool results = last && !model;
    Value *v = results ? sema_results(s, st->value) : sema_value(s, st->value);
    if (model && !is_poison(v))
      sema_error(s, ERR_STMT_MISPLACED, st->span,
                 "a model has entries, no result: nothing uses this value");
    else if (!model && !last) {
      sema_error(s, ERR_UNUSED, st->span,
                 "a value that nothing uses: the result is the last line of a body");
      lost = true;
    } else if (!model)
      result = v;
  }
  if (!result && !model) {
    result = v_poison(s);
    const Stmt *last = body->stmts.n ? body->stmts.v[body->stmts.n - 1] : NULL;
    Bound *b = last && last->kind == ST_BIND ? scope_find(s->scope, last->names.v[0].s) : NULL;
    if (b)
      b->used = true; // the result that was meant, not a value that nothing uses
    if (!body->bad && !s->stopped && !lost)
      sema_error(s, ERR_STMT_MISPLACED, header,
                 "`%s` has no result: the last line of its body must be an expression", what);
  }
  return result;
}

// ---- scan[L](x : type = first) { ... }: l = 0 ... L - 1
typedef struct ScanBuild {
  struct ScanBuild *up; // the scan whose body this one is evaluated in
  Ax *ax;
  Axis *axis;
  VEC(Node *) seen;
  VEC(Node *) leaf;
} ScanBuild;

static Node *see_node(Sema *s, ScanBuild *sb, Node *x) {
  Axis *ax[MAX_AXES];
  int n = 0;
  if (!x)
    return NULL;
  for (int i = 0; i < sb->seen.n; i++)
    if (sb->seen.v[i] == x)
      return sb->leaf.v[i];
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != sb->axis)
      ax[n++] = x->ax[i];
  Node *leaf = g_state(s->g, (DType)x->dtype, arena_printf(s->a, "seen%d", sb->seen.n), ax, n);
  vec_push(s->a, &sb->seen, x);
  vec_push(s->a, &sb->leaf, leaf);
  return leaf;
}

Value *sema_scan_see(Sema *s, Scope *sc, Value *v) {
  if (!is_tensor(v) || !ax_in(&v->ax, sc->strip))
    return v;
  AxList ax = {NEWN(s->a, Ax *, v->ax.n), 0};
  for (int i = 0; i < v->ax.n; i++)
    if (v->ax.v[i] != sc->strip)
      ax.v[ax.n++] = v->ax.v[i];
  Value *r = v_tensor(s, v->dtype, ax);
  if (!checking(s)) {
    r->re = see_node(s, sc->scan, v->re);
    r->im = see_node(s, sc->scan, v->im);
  }
  return r;
}

static Node *see_random(Sema *s, ScanBuild *sb, Node *x) {
  return sb ? see_node(s, sb, see_random(s, sb->up, x)) : x;
}

// Fresh numbers in every step of the scans around.
Node *sema_random(Sema *s, uint64_t site, const AxList *ax) {
  Axis *v[2 * MAX_AXES];
  int n = ax->n;
  ax_graphs(s, ax, v);
  for (ScanBuild *sb = s->scans; sb && n < MAX_AXES; sb = sb->up)
    v[n++] = sb->axis;
  return see_random(s, s->scans, g_random(s->g, site, v, n));
}

typedef struct States {
  int n;
  Value **first, **leaf;
  const Formal *formal;
} States;

static bool scan_states(Sema *s, const ScanExpr *e, Ax *ax, States *st) {
  bool ok = true;
  *st = (States){e->states.n, NEWN(s->a, Value *, e->states.n), NEWN(s->a, Value *, e->states.n),
                 e->states.v};
  for (int i = 0; i < st->n; i++) {
    const Formal *f = &st->formal[i];
    st->first[i] = st->leaf[i] = v_poison(s);
    if (!f->type || !f->preset) {
      sema_error(s, ERR_NO_SCAN, f->span,
                 "the state `%s` needs a type and a first value: `%s : [H] = 0`", f->name.s,
                 f->name.s);
      ok = false;
      continue;
    }
    Ty want = ty_eval(s, f->type, true);
    Value *v = sema_value(s, f->preset);
    if (want.bad || is_poison(v)) {
      ok = false;
    } else if (ax && ax_in(&want.ax, ax)) {
      sema_error(s, ERR_NO_SCAN, f->type->span, "the state has no `%s`: it is one step's value",
                 ax->name);
      ok = false;
    } else if (is_constant(v)) {
      Value *full =
          sema_fit(s, s->frame, (Operand){v, f->preset->span}, f, "scan", f->preset->span);
      ok &= full != NULL;
      st->first[i] = full ? full : v_poison(s);
    } else if (ty_same(s, f->preset->span, v, &want,
                       arena_printf(s->a, "the first `%s`", f->name.s), f->type->span))
      st->first[i] = v;
    else
      ok = false;
  }
  return ok;
}

static Node *state_leaf(Sema *s, const Value *v, const char *name) {
  Axis *ax[MAX_AXES];
  ax_graphs(s, &v->ax, ax);
  return g_state(s->g, dtype_real(v->dtype), name, ax, v->ax.n);
}

static void bind_states(Sema *s, States *st) {
  for (int i = 0; i < st->n; i++) {
    Value *first = st->first[i],
          *v = is_tensor(first) ? v_tensor(s, first->dtype, first->ax) : v_poison(s);
    if (!checking(s)) {
      v->re = state_leaf(s, v, st->formal[i].name.s);
      v->im = dtype_is_complex(v->dtype)
                  ? state_leaf(s, v, arena_printf(s->a, "%s.im", st->formal[i].name.s))
                  : NULL;
    }
    st->leaf[i] = v;
    Bound *b = scope_bind(s, st->formal[i].name, v);
    if (b)
      b->is_state = true;
  }
}

static Node *or_zero(Sema *s, Node *x, const Node *like) {
  return x ? x : g_full(s->g, (DType)like->dtype, 0, like->ax, like->nax);
}

static void scan_node(Sema *s, const States *st, ScanBuild *sb, const Value *r, Value *out) {
  Scan sc = {.axis = sb->axis};
  int cap = 2 * st->n;
  sc.first = NEWN(s->a, Node *, cap);
  sc.state = NEWN(s->a, Node *, cap);
  sc.next = NEWN(s->a, Node *, cap);
  for (int i = 0; i < st->n; i++) {
    const Value *leaf = st->leaf[i], *first = st->first[i],
                *next = scope_find(s->scope, st->formal[i].name.s)->value;
    for (int part = 0; part < (leaf->im ? 2 : 1); part++, sc.nstate++) {
      Node *l = part ? leaf->im : leaf->re;
      sc.state[sc.nstate] = l;
      sc.first[sc.nstate] =
          g_expand(s->g, or_zero(s, part ? first->im : first->re, l), l->ax, l->nax);
      sc.next[sc.nstate] = g_expand(s->g, or_zero(s, part ? next->im : next->re, l), l->ax, l->nax);
    }
  }
  sc.seen = sb->seen.v;
  sc.seen_leaf = sb->leaf.v;
  sc.nseen = sb->seen.n;
  sc.result = r->re;
  out->re = g_scan(s->g, &sc);
  if (r->im) {
    sc.result = r->im;
    out->im = g_scan(s->g, &sc);
  }
}

static bool states_change(Sema *s, const States *st) {
  bool ok = true;
  for (int i = 0; i < st->n; i++) {
    Bound *b = scope_find(s->scope, st->formal[i].name.s);
    if (!b || !b->is_state)
      continue;
    Diag *g = sema_error(s, ERR_NO_SCAN, st->formal[i].name.span, "the state `%s` never changes",
                         st->formal[i].name.s);
    diag_help(s->d, g, "bind it once in the body: `%s = ...`", st->formal[i].name.s);
    ok = false;
  }
  return ok;
}

// What the body gives at each step, or one of several such.
static bool step_fits(Sema *s, const Expr *e, const Value *r, const Ax *ax) {
  bool all = true;
  for (int i = 0; r->kind == V_TUPLE && i < r->nitems; i++)
    all &= step_fits(s, e, r->item[i], ax);
  if (is_number(r))
    sema_error(s, ERR_NO_SCAN, e->op, "the result of a scan is a tensor, not a number");
  else if (is_tensor(r) && ax_in(&r->ax, ax))
    sema_error(s, ERR_NO_SCAN, e->op, "the result of one step has no `%s`: the scan adds it",
               ax->name);
  else
    return all && (is_tensor(r) || r->kind == V_TUPLE);
  return false;
}

static Value *scan_value(Sema *s, const States *st, ScanBuild *sb, const Value *r) {
  if (r->kind == V_TUPLE) {
    Value **item = NEWN(s->a, Value *, r->nitems);
    for (int i = 0; i < r->nitems; i++)
      item[i] = scan_value(s, st, sb, r->item[i]);
    return v_tuple(s, item, r->nitems);
  }
  Value *out = v_tensor(s, r->dtype, ax_join(s, r->ax, (AxList){&sb->ax, 1}));
  if (!checking(s))
    scan_node(s, st, sb, r, out);
  return out;
}

Value *sema_scan(Sema *s, const Expr *e) {
  const ScanExpr *sc = e->scan;
  States st;
  Ax *ax = ax_ref(s, sc->axis, NULL);
  bool ok = scan_states(s, sc, ax, &st) && ax;
  if (!ax) // what the body sees is not known
    return v_poison(s);
  Scope *outer = s->scope, *inner = scope_push(s, s->frame, s->scope);
  inner->strip = ax;
  ScanBuild sb = {.up = s->scans, .ax = ax};
  if (!checking(s)) {
    sb.axis = ax_graph(s, ax);
    inner->scan = s->scans = &sb;
  }
  bind_states(s, &st);
  Value *r = sema_body(s, sc->body, e->op, "scan");
  ok &= sc->body->bad || states_change(s, &st);
  if (checking(s) && !sc->body->bad)
    sema_check_unused(s, "scan", false);
  Value *out = v_poison(s);
  if (ok && step_fits(s, e, r, ax)) {
    sema_mark(s, e->span);
    out = scan_value(s, &st, &sb, r);
  }
  s->scope = outer;
  s->scans = sb.up;
  return out;
}

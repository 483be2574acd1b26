// Expressions: names, operators.  One evaluator for both modes; in build mode values
// carry nodes.
#include "compiler/sema/sema_habits.h"
#include <string.h>

static Value *sema_eval(Sema *s, const Expr *e); // any value, callables included
static Value *sema_callee(Sema *s, const Expr *e);
static Called *sema_called(Sema *s);

const char *prim_name(Prim p) {
  static const char *const name[] = {
#define PRIM(id, text) text,
#include "compiler/sema/prims.def"
#undef PRIM
  };
  return name[p];
}

int prim_by_name(const char *name) {
  for (int i = 0; i < PRIM_COUNT; i++)
    if (!strcmp(prim_name((Prim)i), name))
      return i;
  return -1;
}

// ---- names
// Runs a statement of the model's body in the middle of another one.
static void run_lazy(Sema *s, Scope *sc, const Bound *b) {
  Saved old = frame_save(s);
  struct ScanBuild *scans = s->scans;
  Frame *f = sc->frame, saved = *f;
  s->frame = f;
  s->scope = sc;
  s->scans = NULL;
  sema_stmt(s, b->stmt, b->index);
  f->stmt = saved.stmt;
  f->ncalls = saved.ncalls;
  f->ndraws = saved.ndraws;
  s->scans = scans;
  frame_restore(s, old);
}

// Build mode: a name of the model's body gets its value, after all that it needs, in the order of
// the text (so that a long body is no deep recursion).
static Value *force(Sema *s, Scope *sc, Bound *b) {
  if (b->value)
    return b->value;
  int n = s->m->model->decl->body->stmts.n;
  bool *needed = NEWN(s->a, bool, n);
  IntList todo = {0};
  vec_push(s->a, &todo, b->index);
  while (todo.n) {
    int i = todo.v[--todo.n];
    if (needed[i])
      continue;
    needed[i] = true;
    for (int k = 0; k < s->m->deps[i].n; k++)
      vec_push(s->a, &todo, s->m->deps[i].v[k]);
  }
  for (int i = 0; i < sc->list.n; i++) {
    const Bound *x = sc->list.v[i];
    if (x->stmt && !x->value && needed[x->index] && !s->stopped)
      run_lazy(s, sc, x);
  }
  return b->value ? b->value : v_poison(s);
}

static void note_dependency(Sema *s, const Scope *sc, const Bound *b) {
  if (!checking(s) || sc->frame->kind != FR_MODEL || sc->up || s->frame != sc->frame ||
      b->index < 0)
    return;
  IntList *deps = &s->m->deps[s->frame->stmt];
  for (int i = 0; i < deps->n; i++)
    if (deps->v[i] == b->index)
      return;
  vec_push(s->a, deps, b->index);
}

// Looks outwards from `sc`; a value found outside of a scan's body is seen there at l.
static Value *lookup(Sema *s, Scope *sc, const char *name, Bound **found) {
  if (!sc)
    return NULL;
  Bound *b = scope_find(sc, name);
  if (b) {
    b->used = true;
    note_dependency(s, sc, b);
    *found = b;
    return force(s, sc, b);
  }
  Value *v = lookup(s, sc->up, name, found);
  return v && sc->strip ? sema_scan_see(s, sc, v) : v;
}

// A value made outside of all scans of this frame, seen in the innermost.
static Value *seen_in(Sema *s, Scope *sc, Value *v) {
  if (!sc)
    return v;
  v = seen_in(s, sc->up, v);
  return sc->strip ? sema_scan_see(s, sc, v) : v;
}

static Value *dim_value(Sema *s, const Expr *e, const AxList *l) {
  if (l->n == 1 && l->v[0]->poison)
    return v_poison(s);
  if (l->n != 1 || l->v[0]->pack)
    return sema_fail(s, ERR_AXES_MISPLACED, e->span, "`%s` is a group of dimensions, not a number",
                     e->name.s);
  if (l->v[0]->kind == AX_LOCAL)
    return sema_fail(s, ERR_LOCAL_ESCAPES, e->span, "`%s` is a local axis: it has no value",
                     e->name.s);
  Frame *f = frame_owner(s->frame);
  if (checking(s) && f && f->mod && l->v[0]->kind == AX_DIM)
    f->mod->uses[l->v[0]->dim] = true;
  return v_number(s, number_size(s, l->v[0]->size));
}

LetInfo *let_find(Sema *s, const char *name) {
  LetInfo *l = s->frame->prelude ? NULL : names_get(&s->m->let_table, name);
  if (l && l->seq < s->frame->seq)
    return l;
  return names_get(&s->m->prelude_lets, name);
}

static Value *let_value(Sema *s, const LetInfo *l) {
  if (is_number(l->value))
    return v_number(s, *l->value->num);
  return is_poison(l->value) ? v_poison(s) : v_bool(s, l->value->truth);
}

static Value *fn_value(Sema *s, const char *name) {
  Value *v = v_poison(s);
  int p = prim_by_name(name);
  if ((v->fn = fn_find(s, name)))
    v->kind = V_FN;
  else if (p >= 0) {
    v->kind = V_PRIM;
    v->prim = (Prim)p;
  } else
    return NULL;
  return v;
}

// A local value comes before a generic, a let, a dim, a fn; in front of a call only what can be
// called counts.
static Value *named_value(Sema *s, const Expr *e, bool callee) {
  Called *called = callee ? sema_called(s) : NULL;
  Bound *b = NULL;
  Value *v = lookup(s, s->scope, e->name.s, &b), *f;
  if (v && (!callee || (!is_tensor(v) && !is_number(v))))
    return v;
  if (callee && (f = fn_value(s, e->name.s)))
    return f;
  if (v)
    return v;
  bool found;
  AxList l = ax_lookup(s, e->name, &found);
  if (found && l.n && l.v[0]->kind == AX_GENERIC)
    return dim_value(s, e, &l);
  for (int i = 0; i < s->frame->ngenerics; i++)
    if (s->frame->generics[i].name.s == e->name.s)
      return dim_value(s, e, &l);
  LetInfo *let = let_find(s, e->name.s);
  if (let)
    return let_value(s, let);
  if (found)
    return dim_value(s, e, &l);
  f = fn_value(s, e->name.s);
  return f ? f : sema_unknown_name(s, e, called, callee);
}

static Value *eval_name(Sema *s, const Expr *e, bool callee) {
  Value *v = named_value(s, e, callee);
  sema_see(s, e->name.span, v);
  return v;
}

// ---- iota
static const char *dim_of_size(Sema *s, const Ax *a) {
  for (int i = 0; i < s->m->dims.n; i++)
    if (poly_eq(&s->m->dims.v[i]->ax->size, &a->size))
      return s->m->dims.v[i]->pub.name;
  for (int i = 0; i < s->frame->ngenerics; i++)
    if (s->frame->map[i].n == 1 && poly_eq(&s->frame->map[i].v[0]->size, &a->size))
      return s->frame->generics[i].name.s;
  return "L";
}

static Value *iota_value(Sema *s, const Value *f, Span at) {
  AxList ax = {0};
  if (!f->axes)
    return sema_fail(s, ERR_AXES_MISPLACED, at, "`iota` takes one axis: `iota[L]`");
  if (!ax_refs(s, f->axes->axes.v, f->axes->axes.n, NULL, 0, &ax))
    return v_poison(s);
  if (ax.n != 1 || ax.v[0]->pack)
    return sema_fail(s, ERR_AXES_MISPLACED, at, "`iota` takes one axis");
  Ax *a = ax.v[0];
  if (a->kind == AX_LOCAL) {
    const char *src = dim_of_size(s, a);
    return sema_fail(s, ERR_LOCAL_ESCAPES, at,
                     "`%s` is a local axis, not a declared dimension: write `iota[%s][%s as %s]`",
                     a->name, src, src, a->name);
  }
  if (s->frame->kind == FR_FN && !s->frame->is_call)
    return v_poison(s); // a fn's definition: names only, types at each call
  Value *v = v_tensor(s, DT_I32, ax_list(s, &a, 1));
  v->iota = a;
  if (!checking(s)) {
    sema_mark(s, at);
    v->re = g_iota(s->g, ax_graph(s, a));
  }
  for (Scope *sc = s->scope; sc; sc = sc->up)
    if (sc->strip == a)
      return sema_scan_see(s, sc, v);
  return v;
}

static Value *several(Sema *s, const Expr *e, const Value *v) {
  Diag *g =
      sema_error(s, ERR_SEVERAL_NAMES, e->span, "%d results, where one value is wanted", v->nitems);
  diag_help(s->d, g, "give them names first: `y, %s = ...`", v->nitems == 2 ? "aux" : "a, b");
  return v_poison(s);
}

static Value *as_value(Sema *s, const Expr *e, Value *v) {
  switch (v->kind) {
  case V_POISON:
  case V_NUMBER:
  case V_TENSOR: return v;
  case V_PRIM:
    if (v->prim == PRIM_IOTA)
      return iota_value(s, v, e->span);
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is a function, not a value: call it",
                     prim_name(v->prim));
  case V_CHILD:
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is a module, not a value: call it",
                     v->child->name);
  case V_FN:
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is a function, not a value: call it",
                     v->fn->name);
  case V_TUPLE: return several(s, e, v);
  default: return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "a dtype is not a value");
  }
}

Value *sema_value(Sema *s, const Expr *e) {
  return as_value(s, e, sema_eval(s, e));
}

Value *sema_results(Sema *s, const Expr *e) {
  if (e->kind != EX_TUPLE) {
    Value *v = sema_eval(s, e);
    return v->kind == V_TUPLE ? v : as_value(s, e, v);
  }
  Value **item = NEWN(s->a, Value *, e->items.n);
  for (int i = 0; i < e->items.n; i++)
    item[i] = sema_value(s, e->items.v[i]);
  return v_tuple(s, item, e->items.n);
}

// ---- operators
static Value *compare_values(Sema *s, const Expr *e, Operand a, Operand b) {
  const char *op = bin_op_name(e->bin);
  bool equality = e->bin == BIN_EQ || e->bin == BIN_NE;
  DType t = DT_BOOL;
  AxList ax;
  bool both_bool =
      is_tensor(a.v) && is_tensor(b.v) && a.v->dtype == DT_BOOL && b.v->dtype == DT_BOOL;
  if (!(both_bool && equality) && !sema_promote(s, op, e->span, a, b, &t))
    return v_poison(s);
  if (dtype_is_complex(t) && !equality)
    return sema_fail(s, ERR_NOT_COMPLEX, e->span, "complex numbers have no order");
  if (!ax_union(s, op, e->op, (Operand[]){a, b}, 2, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, DT_BOOL, ax);
  if (!checking(s)) {
    sema_mark(s, e->span);
    pair_set(s, v, pair_bin(s->g, e->bin, pair_of(s, a.v, t), pair_of(s, b.v, t)));
  }
  return v;
}

static Value *complex_power(Sema *s, const Expr *e, Operand a, Operand b, DType t) {
  int64_t n;
  if (!v_whole(b.v, &n) || n == 0 || n > 64 || n < -64)
    return sema_fail(s, ERR_NOT_COMPLEX, e->span,
                     "the exponent of a complex value is a small whole number");
  Value *v = v_tensor(s, t, a.v->ax);
  if (!checking(s)) {
    sema_mark(s, e->span);
    NodePair p = pair_power(s->g, pair_of(s, a.v, t), n < 0 ? (int)-n : (int)n);
    if (n < 0)
      p = pair_bin(s->g, BIN_DIV, (NodePair){g_const(s->g, dtype_real(t), 1), NULL}, p);
    pair_set(s, v, p);
  }
  return v;
}

// ---- and, or, not
static bool is_bool(Sema *s, const char *op, const Operand *x) {
  if (is_tensor(x->v) && x->v->dtype == DT_BOOL)
    return true;
  if (is_poison(x->v))
    return false;
  Diag *g = sema_error(s, ERR_OTHER_DTYPE, x->span,
                       "`%s` takes what is true or false, and this is %s", op, v_type_str(s, x->v));
  diag_help(s->d, g, "a comparison is: `x > 0`, `i != 0`");
  return false;
}

static Value *eval_logic(Sema *s, const Expr *e) {
  Operand x[2] = {{sema_value(s, e->a), e->a->span}, {sema_value(s, e->b), e->b->span}};
  const char *op = bin_op_name(e->bin);
  AxList ax;
  if (!is_bool(s, op, &x[0]) || !is_bool(s, op, &x[1]))
    return v_poison(s);
  if (x[0].v->known && x[1].v->known)
    return v_bool(s, e->bin == BIN_AND ? x[0].v->truth && x[1].v->truth
                                       : x[0].v->truth || x[1].v->truth);
  if (!ax_union(s, op, e->op, x, 2, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, DT_BOOL, ax);
  if (!checking(s)) {
    sema_mark(s, e->span);
    v->re = g_binary(s->g, e->bin == BIN_AND ? OP_AND : OP_OR, x[0].v->re, x[1].v->re);
  }
  return v;
}

static Value *eval_not(Sema *s, const Expr *e) {
  Operand x = {sema_value(s, e->a), e->a->span};
  if (!is_bool(s, "not", &x))
    return v_poison(s);
  if (x.v->known)
    return v_bool(s, !x.v->truth);
  Value *v = v_copy(s, x.v);
  if (!checking(s)) {
    sema_mark(s, e->span);
    v->re = g_unary(s->g, OP_NOT, x.v->re);
  }
  return v;
}

static Value *eval_bin(Sema *s, const Expr *e) {
  Operand a = {sema_value(s, e->a), e->a->span}, b = {sema_value(s, e->b), e->b->span};
  const char *op = bin_op_name(e->bin);
  DType t;
  AxList ax;
  if (is_poison(a.v) || is_poison(b.v))
    return v_poison(s);
  if (is_number(a.v) && is_number(b.v))
    return number_bin(s, e->span, e->bin, a.v->num, b.v->num);
  if (e->bin >= BIN_EQ)
    return compare_values(s, e, a, b);
  if (!sema_promote(s, op, e->op, a, b, &t))
    return v_poison(s);
  if (t == DT_I32 && (e->bin == BIN_DIV || e->bin == BIN_POW))
    t = DT_F32;
  if (e->bin == BIN_POW && dtype_is_complex(t))
    return complex_power(s, e, a, b, t);
  if (!ax_union(s, op, e->op, (Operand[]){a, b}, 2, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, t, ax);
  if (!checking(s)) {
    sema_mark(s, e->span);
    pair_set(s, v, pair_bin(s->g, e->bin, pair_of(s, a.v, t), pair_of(s, b.v, t)));
  }
  return v;
}

static Value *eval_neg(Sema *s, const Expr *e) {
  Value *a = sema_value(s, e->a);
  if (is_poison(a))
    return a;
  if (is_number(a))
    return number_neg(s, a->num);
  if (a->dtype == DT_BOOL)
    return sema_fail(s, ERR_OTHER_DTYPE, e->span, "`-` on bool: it needs numbers");
  Value *v = v_copy(s, a);
  if (!checking(s)) {
    sema_mark(s, e->span);
    pair_set(s, v, pair_neg(s->g, pair_get(a)));
  }
  return v;
}

// ---- calls
// What the callee that is looked up is given; by the first who asks.
static Called *sema_called(Sema *s) {
  Called *c = s->called;
  s->called = NULL;
  return c;
}

static Value *eval_dot(Sema *s, const Expr *e) {
  Called *called = sema_called(s);
  Value *v = sema_foreign_package(s, e, called);
  v = v ? v : sema_eval(s, e->a);
  if (is_poison(v))
    return v;
  if (v->kind != V_CHILD || v->axes) {
    Value *foreign = sema_foreign_part(s, e, v, called);
    return foreign ? foreign
                   : sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span,
                               "`.%s` needs a child in front of it, and this is %s", e->name.s,
                               v_type_str(s, v));
  }
  Value *part = child_part(s, v->child, e->name);
  return is_tensor(part) ? seen_in(s, s->scope, part) : part;
}

// The callee in front of axes, which a name of another language is told by.
static Value *before_axes(Sema *s, const Expr *e) {
  Called alone = {.axes = e};
  if (s->called)
    s->called->axes = e;
  else if (e->a->kind == EX_NAME)
    s->called = &alone;
  Value *f = sema_callee(s, e->a);
  s->called = NULL;
  return f;
}

static Value *eval_axes(Sema *s, const Expr *e) {
  Value *f = before_axes(s, e);
  if (is_poison(f))
    return f;
  if (f->kind == V_CHILD && f->child->repeat == REPEAT_REPEAT && e->axes.n == 1 &&
      !e->axes.v[0].pack)
    return layer_by_name(s, e, f->child);
  if (is_tensor(f) || is_number(f))
    return sema_axes_of_value(s, e, f);
  if (f->axes)
    return sema_fail(s, ERR_AXES_MISPLACED, e->op, "axes are given once");
  Value *v = NEW(s->a, Value);
  *v = *f;
  v->axes = e;
  return v;
}

static void add_args(Sema *s, const Args *args, CallArgs *out) {
  for (int i = 0; i < args->n; i++) {
    const Expr *x = args->v[i].value;
    vec_push(s->a, out, (CallArg){args->v[i].name, {sema_value(s, x), x->span}, x});
  }
}

static Value *callee_of(Sema *s, const Expr *e, Called *called) {
  s->called = called;
  Value *f = sema_callee(s, e);
  s->called = NULL;
  return f;
}

static Value *eval_call(Sema *s, const Expr *e) {
  if (s->frame->kind == FR_INIT) {
    Value *v = sema_call_init(s, e);
    if (v)
      return v;
  }
  CallArgs args = {0};
  Called called = {.args = &e->args};
  Value *f = callee_of(s, e->a, &called);
  if (called.told)
    return f;
  add_args(s, &e->args, &args);
  if (sema_foreign_args(s, f, &e->args, &args))
    return v_poison(s);
  return sema_call(s, f, &args, e->span, e->a->span);
}

static Value *eval_pipe(Sema *s, const Expr *e) {
  CallArgs args = {0};
  const Expr *stage = e->b->kind == EX_CALL ? e->b->a : e->b;
  vec_push(s->a, &args, (CallArg){.x = {sema_value(s, e->a), e->a->span}, .expr = e->a});
  Called called = {.first = e->a, .args = e->b->kind == EX_CALL ? &e->b->args : NULL};
  Value *f = callee_of(s, stage, &called);
  if (called.told)
    return f;
  if (e->b->kind == EX_CALL)
    add_args(s, &e->b->args, &args);
  if (e->b->kind == EX_CALL && sema_foreign_args(s, f, &e->b->args, &args))
    return v_poison(s);
  return sema_call(s, f, &args, e->b->span, stage->span);
}

static Value *eval_kind(Sema *s, const Expr *e) {
  switch (e->kind) {
  case EX_NUM: return v_number(s, number_literal(&e->num));
  case EX_STR: return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "a string has no meaning here");
  case EX_NAME:
    if (s->frame->kind == FR_INIT) {
      Value *v = sema_call_init(s, e);
      if (v)
        return v;
    }
    return eval_name(s, e, false);
  case EX_BOOL: return v_bool(s, e->truth);
  case EX_DTYPE: {
    Value *v = v_poison(s);
    v->kind = V_DTYPE;
    v->dtype = e->dtype;
    return v;
  }
  case EX_DOT: return eval_dot(s, e);
  case EX_AXES: return eval_axes(s, e);
  case EX_OPS: return sema_index(s, e);
  case EX_CALL: return eval_call(s, e);
  case EX_NEG: return eval_neg(s, e);
  case EX_NOT: return eval_not(s, e);
  case EX_BIN: return e->bin >= BIN_AND ? eval_logic(s, e) : eval_bin(s, e);
  case EX_CONTRACT: return sema_contraction(s, e);
  case EX_PIPE: return eval_pipe(s, e);
  case EX_TUPLE:
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span,
                     "a list in `( )` is no value: the results of a module are written so, and "
                     "`beta` in a train block");
  case EX_THEN:
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span,
                     "`then` joins the pieces of a schedule, in the `rate` of a train block");
  case EX_SCAN: return sema_scan(s, e);
  case EX_AT: {
    Value *v = sema_shape_at(s, e);
    return v ? v : layer_at(s, e, sema_callee(s, e->a));
  }
  case EX_FOREIGN: return sema_foreign(s, e);
  default: BUG("expression of kind %d", e->kind);
  }
}

static bool enter(Sema *s, Span at) {
  if (!sema_step(s, at))
    return false;
  if (s->depth < MAX_EVAL) {
    s->depth++;
    return true;
  }
  s->stopped = true;
  sema_error(s, ERR_TOO_LARGE, at,
             "expressions and the functions they call are nested more than %d deep", MAX_EVAL);
  return false;
}

static Value *sema_eval(Sema *s, const Expr *e) {
  if (!enter(s, e->span))
    return v_poison(s);
  int first = s->seen.n;
  Value *v = eval_kind(s, e);
  s->depth--;
  if (checking(s))
    sema_made(s, v, e, first);
  return v;
}

static Value *sema_callee(Sema *s, const Expr *e) {
  return e->kind == EX_NAME ? eval_name(s, e, true) : sema_eval(s, e);
}

static bool is_known(const Value *v) {
  return is_poison(v) || (is_number(v) && number_const(v->num)) || (is_tensor(v) && v->known);
}

Value *sema_constant(Sema *s, const Expr *e, const char *what) {
  Value *v = sema_value(s, e);
  if (is_known(v))
    return v;
  if (is_number(v))
    return sema_fail(s, ERR_RUN_TIME_ONLY, e->span,
                     "%s is a constant, and this is known only at run time", what);
  return sema_fail(s, ERR_OUT_OF_RANGE, e->span, "%s is a constant, not %s", what,
                   v_type_str(s, v));
}

Value *sema_extent(Sema *s, const Expr *e) {
  s->sizing = true;
  Value *v = sema_value(s, e);
  s->sizing = false;
  if (is_known(v) || (is_number(v) && v->num->kind == NUMBER_SIZE))
    return v;
  if (!is_number(v))
    return sema_fail(s, ERR_OUT_OF_RANGE, e->span, "a dim is a whole number, not %s",
                     v_type_str(s, v));
  Diag *g = sema_error(s, ERR_RUN_TIME_ONLY, e->span,
                       "no size: a dim is made of run-time dims by +, -, * and by div and mod by a "
                       "constant, as a sum of at most %d terms, of at most %d quotients in a file",
                       POLY_FITS, MAX_QUOTIENTS);
  diag_help(s->d, g, "as in `dim S = P + L, T = div(S - K, 2) + 1`");
  return v_poison(s);
}

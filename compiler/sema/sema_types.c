// Axes, types and dtypes: how names of axes are found, how operands meet, how types are written.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <float.h>
#include <math.h>
#include <string.h>

// ---- sets of axes
bool ax_in(const AxList *l, const Ax *a) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i] == a)
      return true;
  return false;
}

AxList ax_list(Sema *s, Ax *const *v, int n) {
  AxList l = {n ? NEWN(s->a, Ax *, n) : NULL, n};
  if (n)
    memcpy(l.v, v, (size_t)n * sizeof *v);
  return l;
}

AxList ax_join(Sema *s, AxList a, AxList b) {
  AxList l = {NEWN(s->a, Ax *, a.n + b.n), 0};
  for (int i = 0; i < a.n; i++)
    l.v[l.n++] = a.v[i];
  for (int i = 0; i < b.n; i++)
    if (!ax_in(&a, b.v[i]))
      l.v[l.n++] = b.v[i];
  return l;
}

bool ax_same_set(const AxList *a, const AxList *b) {
  if (a->n != b->n)
    return false;
  for (int i = 0; i < a->n; i++)
    if (!ax_in(b, a->v[i]))
      return false;
  return true;
}

bool ax_const(const Ax *a, int64_t *v) {
  return !a->pack && !a->poison && poly_is_const(&a->size, v);
}

Ax *ax_new(Sema *s, AxKind kind, const char *name, Poly size, Span span) {
  Ax *a = NEW(s->a, Ax);
  *a = (Ax){.name = name, .kind = kind, .size = size, .span = span, .dim = -1};
  return a;
}

Axis *ax_graph(Sema *s, Ax *a) {
  if (a->graph != s->g) {
    a->graph = s->g;
    a->axis = graph_axis(s->g, a->name, a->depth, a->size);
    a->axis->open |= a->open;
    a->axis->dim = a->kind == AX_DIM ? a->name : a->axis->dim;
  }
  return a->axis;
}

void ax_graphs(Sema *s, const AxList *l, Axis **out) {
  for (int i = 0; i < l->n; i++)
    out[i] = ax_graph(s, l->v[i]);
}

int64_t ax_bound(Sema *s, const Ax *a) {
  return a->pack || a->poison ? -1 : size_bound(&s->m->syms, &a->size);
}

// ---- text
const char *ax_str(Sema *s, const Ax *a) {
  if (a->kind == AX_REST)
    return "..";
  return a->pack ? arena_printf(s->a, "%s...", a->name) : a->name;
}

const char *axes_str(Sema *s, const AxList *l) {
  const char *t = "[";
  for (int i = 0; i < l->n; i++)
    t = arena_printf(s->a, "%s%s%s", t, i ? ", " : "", ax_str(s, l->v[i]));
  return arena_printf(s->a, "%s]", t);
}

const char *size_str(Sema *s, const Poly *p) {
  const char *name[SYM_GENERIC + MAX_GENERICS];
  for (int i = 0; i < COUNT(name); i++)
    name[i] = "?";
  for (int i = 0; i < s->m->syms.n; i++)
    name[i] = s->m->syms.v[i].name;
  const Frame *f = s->frame;
  for (int i = 0; f && i < f->ngenerics; i++)
    name[SYM_GENERIC + i] = f->generics[i].name.s;
  return poly_str(s->a, p, name);
}

const char *dtype_axes_str(Sema *s, DType t, const AxList *l) {
  if (!l->n)
    return dtype_name(t);
  return arena_printf(s->a, "%s%s", t == DT_F32 ? "" : dtype_name(t), axes_str(s, l));
}

const char *v_type_str(Sema *s, const Value *v) {
  switch (v->kind) {
  case V_NUMBER: return "a number";
  case V_TENSOR: return dtype_axes_str(s, v->dtype, &v->ax);
  case V_CHILD: return "a module";
  case V_POISON: return "an unknown value";
  case V_TUPLE: return arena_printf(s->a, "%d results", v->nitems);
  default: return "a function";
  }
}

// ---- names of axes
static DimInfo *dim_find(Sema *s, const char *name, bool *later) {
  DimInfo *d = names_get(&s->m->dim_table, name);
  *later = d && d->seq >= s->frame->seq;
  return *later || s->frame->prelude ? NULL : d;
}

AxList ax_lookup(Sema *s, Name name, bool *found) {
  const Frame *f = s->frame;
  bool later;
  *found = true;
  for (int i = 0; i < f->ngenerics; i++)
    if (f->generics[i].name.s == name.s)
      return f->map[i];
  DimInfo *d = dim_find(s, name.s, &later);
  if (d)
    return (AxList){&d->ax, 1};
  for (int i = 0; i < f->locals.n; i++)
    if (f->locals.v[i]->name == name.s)
      return (AxList){&f->locals.v[i], 1};
  *found = false;
  return (AxList){0};
}

// A dim whose declaration is wrong: reported there.
static bool bad_dim(const AxList *l) {
  return l->n == 1 && l->v[0]->kind == AX_DIM && l->v[0]->poison;
}

static const Generic *generic_of(const Sema *s, const char *name) {
  for (int i = 0; i < s->frame->ngenerics; i++)
    if (s->frame->generics[i].name.s == name)
      return &s->frame->generics[i];
  return NULL;
}

static bool is_pack(const Sema *s, const char *name) {
  const Generic *g = generic_of(s, name);
  return g && g->pack;
}

// One name is reported once, however often it is used.
static void unknown_axis(Sema *s, Name name, bool in_type) {
  bool later;
  if (names_get(&s->m->unknown_dims, name.s))
    return;
  names_put(s->a, &s->m->unknown_dims, name.s, s->m);
  Diag *g = sema_error(s, ERR_UNKNOWN_DIM, name.span, "unknown dimension `%s`", name.s);
  dim_find(s, name.s, &later);
  if (later) {
    DimInfo *d = names_get(&s->m->dim_table, name.s);
    diag_note(s->d, g, d->pub.span, "`%s` is declared here: dims are seen from their line on",
              name.s);
    return;
  }
  if (sema_left_out(s, g, name.s))
    return;
  if (let_find(s, name.s)) {
    diag_help(s->d, g, "`%s` is a let, a number: a size is declared by `dim %s = ...`", name.s,
              name.s);
    return;
  }
  Suggest best = {.wanted = name.s};
  for (int i = 0; i < s->frame->ngenerics; i++)
    suggest_add(&best, s->frame->generics[i].name.s);
  if (!s->frame->prelude)
    suggest_table(&best, &s->m->dim_table);
  for (int i = 0; i < s->frame->locals.n; i++)
    suggest_add(&best, s->frame->locals.v[i]->name);
  suggest_help(s, g, &best);
  if (!best.best && in_type)
    diag_help(s->d, g, "`dim %s = 8` declares one, and `dim %s` one that each call brings", name.s,
              name.s);
  else if (!best.best)
    diag_help(s->d, g, "`x[L as %s]` calls the axis `L` of a value so; `dim %s = 8` declares one",
              name.s, name.s);
}

// A slice keeps the name of its source: on a value that has it, the name means the slice.
static Ax *sliced(const char *name, const Value *near, const AxList *found) {
  if (!near)
    return NULL;
  for (int i = 0; i < found->n; i++)
    if (ax_in(&near->ax, found->v[i]))
      return NULL;
  for (int i = 0; i < near->ax.n; i++)
    if (near->ax.v[i]->kind == AX_SLICE && near->ax.v[i]->name == name)
      return near->ax.v[i];
  return NULL;
}

Ax *ax_ref(Sema *s, Name name, const Value *near) {
  bool found;
  AxList l = ax_lookup(s, name, &found);
  Ax *slice = sliced(name.s, near, &l);
  if (slice)
    return slice;
  if (!found)
    unknown_axis(s, name, false);
  else if (bad_dim(&l))
    return NULL;
  else if (is_pack(s, name.s) || l.n != 1 || l.v[0]->pack)
    sema_error(s, ERR_AXES_MISPLACED, name.span, "`%s` is a group of dimensions, not one", name.s);
  else
    return l.v[0];
  return NULL;
}

bool ax_refs(Sema *s, const AxisName *v, int n, const Value *const *near, int nnear, AxList *out) {
  bool ok = true;
  for (int i = 0; i < n; i++) {
    bool found, pack = is_pack(s, v[i].name.s);
    AxList l = ax_lookup(s, v[i].name, &found);
    if (bad_dim(&l)) {
      ok = false;
      continue;
    }
    Ax *slice = NULL;
    for (int k = 0; k < nnear && !slice; k++)
      slice = sliced(v[i].name.s, near[k], &l);
    if (slice)
      l = (AxList){&slice, 1};
    else if (!found) {
      unknown_axis(s, v[i].name, false);
      ok = false;
      continue;
    }
    if (pack != v[i].pack && !slice) {
      sema_error(s, ERR_AXES_MISPLACED, v[i].span,
                 pack ? "`%s` is a group: write `%s...`"
                      : "`%s` is one dimension, not a group: write `%s`",
                 v[i].name.s, v[i].name.s);
      ok = false;
    }
    for (int k = 0; k < l.n; k++)
      if (ax_in(out, l.v[k])) {
        sema_error(s, ERR_DIM_TWICE, v[i].span, "`%s` stands twice here", l.v[k]->name);
        ok = false;
      }
    *out = ax_join(s, *out, l);
  }
  return ok;
}

// ---- types
static AxList tdim_axes(Sema *s, const TDim *d, bool allow_rest, Ty *out) {
  AxList none = {0};
  bool found;
  if (d->rest) {
    out->has_rest = true;
    if (allow_rest && s->frame->has_rest)
      return s->frame->rest;
    sema_error(s, ERR_MISPLACED_REST, d->span, "`..` has no meaning here");
    out->bad = true;
    return none;
  }
  if (d->extent)
    return sema_typed_axis(s, d);
  AxList l = ax_lookup(s, d->name, &found);
  out->bad |= bad_dim(&l);
  if (found && !generic_of(s, d->name.s) && l.n == 1 && l.v[0]->kind == AX_LOCAL) {
    Diag *g = sema_error(s, ERR_LOCAL_ESCAPES, d->span,
                         "unknown dimension `%s`: a local axis cannot stand in a type", d->name.s);
    sema_label(s, g, l.v[0]->span, "`%s` is local to this body", d->name.s);
    diag_help(s->d, g, "`dim %s = %s` at the top declares one of that size", d->name.s,
              size_str(s, &l.v[0]->size));
    out->bad = true;
  } else if (!found) {
    unknown_axis(s, d->name, true);
    out->bad = true;
  } else if (is_pack(s, d->name.s) != d->pack) {
    sema_error(s, ERR_AXES_MISPLACED, d->span,
               d->pack ? "`%s` is one dimension, not a group: write `%s`"
                       : "`%s` is a group: write `%s...`",
               d->name.s, d->name.s);
    out->bad = true;
  }
  return out->bad ? none : l;
}

Ty ty_eval(Sema *s, const Type *t, bool allow_rest) {
  Ty out = {.dtype = t->dtype};
  for (int i = 0; i < t->dims.n; i++) {
    AxList l = tdim_axes(s, &t->dims.v[i], allow_rest, &out);
    for (int k = 0; k < l.n; k++)
      if (ax_in(&out.ax, l.v[k]) && !out.bad) {
        if (s->type_at.src)
          sema_error(s, ERR_DIM_TWICE, s->type_at, "%s would hold `%s` twice", s->type_of,
                     ax_str(s, l.v[k]));
        else
          diag_help(s->d,
                    sema_error(s, ERR_DIM_TWICE, t->dims.v[i].span,
                               "`%s` stands twice in one tensor", ax_str(s, l.v[k])),
                    "give one of the two a name of its own, by a dim of its size: "
                    "`x[%s as OTHER]` calls it so",
                    ax_str(s, l.v[k]));
        out.bad = true;
      }
    out.ax = ax_join(s, out.ax, l);
  }
  if (out.ax.n > MAX_AXES - 4) {
    sema_error(s, ERR_TOO_MANY_DIMS, t->span, "a tensor has at most %d dimensions", MAX_AXES - 4);
    out.bad = true;
  }
  return out;
}

Value *ty_value(Sema *s, const Ty *t) {
  return t->bad ? v_poison(s) : v_tensor(s, t->dtype, t->ax);
}

// ---- operands of pointwise operations
static bool slices_clash(Sema *s, Span at, const Operand *ops, int n, const AxList *all) {
  for (int i = 0; i < all->n; i++)
    for (int k = 0; k < i; k++) {
      Ax *a = all->v[k], *b = all->v[i];
      if (a->name != b->name || (a->kind != AX_SLICE && b->kind != AX_SLICE))
        continue;
      Diag *g = sema_error(
          s, ERR_RESULT_GROWS, at,
          "`%s` has %s elements on one side and %s on the other: a slice meets no other axis",
          a->name, size_str(s, &a->size), size_str(s, &b->size));
      for (int j = 0; j < n; j++)
        sema_label_type(s, g, ops[j].span, ops[j].v);
      diag_help(s->d, g, "rename it: `x[%s as Part]`", a->name);
      return true;
    }
  return false;
}

static bool many(const AxList *l) {
  return l->n > 1 || (l->n == 1 && l->v[0]->pack);
}

// `best == iota[X]`: the axis that is counted; NULL: it is something else.
static const char *counted(Sema *s, const Operand *x) {
  const char *t = span_text(s->a, x->span, "");
  bool one = x->v->dtype == DT_I32 && x->v->ax.n == 1;
  return one && !strncmp(t, "iota[", 5) && !strcmp(strchr(t, ']'), "]") ? x->v->ax.v[0]->name
                                                                        : NULL;
}

static bool one_hot_help(Sema *s, Diag *g, const char *op, const Operand *x) {
  const char *right = counted(s, &x[1]), *left = counted(s, &x[0]);
  const Operand *i = right ? &x[0] : &x[1];
  if (strcmp(op, "==") || !(right || left) || i->v->dtype != DT_I32)
    return false;
  diag_help(s->d, g, "write `one_hot[%s](%s)`, which is 1 where they are equal and else 0",
            right ? right : left, span_text(s->a, i->span, "i"));
  return true;
}

// The only dim of `with` that x has not, if it has a name that is known everywhere.
static const char *only_dim(const Value *with, const Value *x) {
  const Ax *only = NULL;
  int n = 0;
  for (int i = 0; i < with->ax.n; i++)
    if (!ax_in(&x->ax, with->ax.v[i])) {
      only = with->ax.v[i];
      n++;
    }
  return n == 1 && only->kind == AX_DIM ? only->name : NULL;
}

// `doc == doc[L as S]`, `x - w`: each place of a row with each.
static bool pairs_help(Sema *s, Diag *g, const char *op, const Operand *x) {
  const char *right = only_dim(x[0].v, x[1].v), *left = only_dim(x[1].v, x[0].v);
  const char *a = span_text(s->a, x[0].span, "a"), *b = span_text(s->a, x[1].span, "b");
  const char *text = strchr("=!<>", *op) ? "each is compared with each by" : "each meets each in";
  if (!strchr("=!<>+-", *op) || !(right || left))
    return false;
  if (right)
    diag_help(s->d, g, "%s `%s %s along[%s](%s)`", text, a, op, right, b);
  else
    diag_help(s->d, g, "%s `along[%s](%s) %s %s`", text, left, a, op, b);
  return true;
}

static void grows_help(Sema *s, Diag *g, const char *op, const Operand *x, int n) {
  bool logic = !strcmp(op, "and") || !strcmp(op, "or");
  if (n == 2 && (one_hot_help(s, g, op, x) || pairs_help(s, g, op, x)))
    return;
  diag_help(s->d, g, "rename an axis with `[A as B]` so that they meet, or %s",
            logic              ? "`select` by one after the other: `select(b, select(a, x, 0), 0)`"
            : !strcmp(op, "*") ? "write `a @[] b` for an outer product"
                               : "give one the axis that it lacks: `along[A](x)`");
}

bool ax_union(Sema *s, const char *op, Span at, const Operand *ops, int n, AxList *out) {
  AxList all = {0};
  bool big = false, single = false;
  for (int i = 0; i < n; i++) {
    if (is_poison(ops[i].v))
      return false;
    all = i ? ax_join(s, all, ops[i].v->ax) : ops[i].v->ax;
    big |= many(&ops[i].v->ax);
    single |= !many(&ops[i].v->ax);
  }
  *out = all;
  if (slices_clash(s, at, ops, n, &all))
    return false;
  if (all.n > MAX_AXES - 4) {
    sema_error(s, ERR_TOO_MANY_DIMS, at, "a tensor has at most %d dimensions", MAX_AXES - 4);
    return false;
  }
  for (int i = 0; i < n; i++)
    if (ops[i].v->ax.n == all.n)
      return true;
  if (!big || (single && !strcmp(op, "*")))
    return true;
  Diag *g = sema_error(s, ERR_RESULT_GROWS, at,
                       "`%s` would make %s, but no operand has all of these dimensions", op,
                       axes_str(s, &all));
  for (int i = 0; i < n; i++)
    if (is_tensor(ops[i].v))
      sema_label_type(s, g, ops[i].span, ops[i].v);
  sema_note_axes(s, g, all.v, all.n);
  grows_help(s, g, op, ops, n);
  return false;
}

// ---- dtypes
DType dtype_real(DType t) {
  return t == DT_C64 ? DT_F32 : t == DT_C128 ? DT_F64 : t;
}

// f32 -> c64, f64 -> c128
static DType dtype_complex(DType t) {
  return t == DT_F64 || t == DT_C128 ? DT_C128 : DT_C64;
}

// i32 < bf16 < f32 < f64; complex with f64 is c128.
DType dtype_promote(DType a, DType b) {
  if (a == b)
    return a;
  DType ra = dtype_real(a), rb = dtype_real(b), r = ra > rb ? ra : rb;
  return dtype_is_complex(a) || dtype_is_complex(b) ? dtype_complex(r) : r;
}

DType number_dtype(const Number *n) {
  return n->is_complex ? DT_C64 : n->whole ? DT_I32 : DT_F32;
}

static DType meet_number(DType t, const Number *n) {
  if (n->is_complex)
    return dtype_complex(t);
  return t == DT_I32 && !n->whole ? DT_F32 : t;
}

// A constant is exact, so one that t cannot hold is an error, not an infinity nor 0.
bool sema_number_fits(Sema *s, Span at, const Number *n, DType t) {
  static const double bf16_max = 3.3895313892515355e38, i32_max = 2147483648.0;
  DType real = dtype_real(t);
  double x = fabs(n->re) > fabs(n->im) ? n->re : n->im;
  bool fits = real == DT_I32    ? x > -i32_max - 1 && x < i32_max
              : real == DT_F32  ? fabs(x) <= (double)FLT_MAX
              : real == DT_BF16 ? fabs(x) <= bf16_max
                                : true;
  bool lost = (real == DT_F32 || real == DT_BF16) && x != 0 && (float)x == 0;
  if (!number_const(n) || (fits && !lost))
    return true;
  const char *said = n->is_complex ? double_said(s->a, x) : number_said(s->a, n);
  sema_error(s, ERR_OTHER_DTYPE, at, "%s does not fit %s%s", said, dtype_name(real),
             lost ? ", where it would be 0" : "");
  return false;
}

bool sema_promote(Sema *s, const char *op, Span at, Operand a, Operand b, DType *t) {
  const Operand *o[2] = {&a, &b};
  for (int i = 0; i < 2; i++) {
    if (is_poison(o[i]->v))
      return false;
    if (is_tensor(o[i]->v) && o[i]->v->dtype == DT_BOOL) {
      bool select = !strcmp(op, "select");
      Diag *g = sema_error(s, ERR_OTHER_DTYPE, at,
                           select ? "one side of `%s` is bool, the other is not: `f32(x)` converts"
                                  : "`%s` on bool: use `select`, or convert with `f32(x)`",
                           op);
      sema_label(s, g, o[i]->span, "%s", v_type_str(s, o[i]->v));
      sema_why_dtype(s, g, o[i]->v, o[i]->span);
      return false;
    }
  }
  if (is_number(a.v) && is_number(b.v)) {
    *t = dtype_promote(number_dtype(a.v->num), number_dtype(b.v->num));
    return sema_number_fits(s, a.span, a.v->num, *t) && sema_number_fits(s, b.span, b.v->num, *t);
  }
  if (is_tensor(a.v) && is_tensor(b.v)) {
    *t = dtype_promote(a.v->dtype, b.v->dtype);
    return true;
  }
  const Operand *n = is_number(a.v) ? &a : &b;
  *t = meet_number(n == &a ? b.v->dtype : a.v->dtype, n->v->num);
  return sema_number_fits(s, n->span, n->v->num, *t);
}

// ---- values
Value *v_tuple(Sema *s, Value **item, int n) {
  if (n == 1)
    return item[0];
  Value *v = v_poison(s);
  v->kind = V_TUPLE;
  v->item = item;
  v->nitems = n;
  return v;
}

Value *v_poison(Sema *s) {
  Value *v = NEW(s->a, Value);
  v->formal = -1;
  return v;
}

Value *v_number(Sema *s, Number n) {
  Value *v = v_poison(s);
  v->kind = V_NUMBER;
  v->num = NEW(s->a, Number);
  *v->num = n;
  return v;
}

// In check mode the dims that a module's body names are noted: `..` must not bring them.
Value *v_tensor(Sema *s, DType t, AxList ax) {
  Value *v = v_poison(s);
  v->kind = V_TENSOR;
  v->dtype = t;
  v->ax = ax;
  if (!checking(s))
    return v;
  Frame *f = frame_owner(s->frame);
  for (int i = 0; f && f->mod && i < ax.n; i++)
    if (ax.v[i]->kind == AX_DIM)
      f->mod->uses[ax.v[i]->dim] = true;
  return v;
}

Value *v_bool(Sema *s, bool truth) {
  Value *v = v_tensor(s, DT_BOOL, (AxList){0});
  v->known = true;
  v->truth = truth;
  if (!checking(s))
    v->re = g_const(s->g, DT_BOOL, truth);
  return v;
}

Value *v_copy(Sema *s, const Value *v) {
  Value *c = NEW(s->a, Value);
  *c = *v;
  c->iota = NULL;
  c->formal = -1;
  c->known = false;
  c->made = NULL;
  c->nfrom = 0;
  c->at = (Span){0};
  return c;
}

bool v_const(const Value *v, double *x) {
  if (v->kind != V_NUMBER || !number_const(v->num) || v->num->is_complex)
    return false;
  *x = v->num->re;
  return true;
}

bool v_whole(const Value *v, int64_t *x) {
  return v->kind == V_NUMBER && number_is_whole(v->num, x);
}

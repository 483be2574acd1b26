// concat and pad: axes that become part of a longer one.
#include "compiler/sema/sema_prim.h"

enum { MAX_PARTS = 64 };
typedef struct Parts {
  Operand x[MAX_PARTS];
  Ax *ax[MAX_PARTS]; // the axis that becomes part of the result's
  int n;
  Ax *to;
  AxList out;
  DType dtype;
} Parts;

// ---- concat
static bool take_parts(Sema *s, const PrimCall *c, Parts *p) {
  p->n = c->args->n;
  if (p->n < 2 || p->n > MAX_PARTS) {
    sema_error(s, ERR_WRONG_ARGUMENTS, c->at, "`concat` takes 2 to %d values, and this call has %d",
               MAX_PARTS, p->n);
    return false;
  }
  for (int i = 0; i < p->n; i++) {
    const CallArg *a = &c->args->v[i];
    p->x[i] = a->x;
    if (is_poison(a->x.v))
      return false;
    if (a->name.s) {
      sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`concat` has no argument `%s`", a->name.s);
      return false;
    }
    if (!prim_tensor_arg(s, c, &a->x))
      return false;
  }
  return true;
}

static bool others_have(const Parts *p, int but, const Ax *a) {
  for (int i = 0; i < p->n; i++)
    if (i != but && !ax_in(&p->x[i].v->ax, a))
      return false;
  return true;
}

// The one of that name, or else the only one that the others lack.
static Ax *part_axis(const Parts *p, int i, const char *name) {
  const AxList *l = &p->x[i].v->ax;
  Ax *own = NULL;
  int n = 0;
  for (int k = 0; k < l->n; k++)
    if (l->v[k]->name == name)
      return l->v[k];
  for (int k = 0; k < l->n; k++)
    if (!others_have(p, i, l->v[k])) {
      own = l->v[k];
      n++;
    }
  return n == 1 ? own : NULL;
}

static bool part_fits(Sema *s, const PrimCall *c, const Parts *p, int i) {
  const AxList *first = &p->x[0].v->ax, *l = &p->x[i].v->ax;
  bool same = first->n == l->n;
  for (int k = 0; k < l->n && same; k++)
    same = l->v[k] == p->ax[i] || (l->v[k] != p->ax[0] && ax_in(first, l->v[k]));
  if (same)
    return true;
  Diag *g = sema_error(s, ERR_OTHER_DIMS, c->at,
                       "`concat` joins values whose other dimensions are the same");
  sema_label_type(s, g, p->x[0].span, p->x[0].v);
  sema_label_type(s, g, p->x[i].span, p->x[i].v);
  return false;
}

// Of what part i has and the first one lacks, an axis that is known at run time alone, as a batch is.
static bool lacks_batch(Sema *s, Diag *g, const Parts *p, int i) {
  const Operand *x = &p->x[i ? 0 : 1], *with = &p->x[i];
  int64_t n;
  for (int k = 0; k < with->v->ax.n; k++) {
    const Ax *a = with->v->ax.v[k];
    if (ax_in(&x->v->ax, a) || ax_const(a, &n))
      continue;
    sema_label_type(s, g, x->span, x->v);
    diag_help(s->d, g, "`along[%s](%s)` is the same at each place of `%s`", a->name,
              span_text(s->a, x->span, "a"), a->name);
    return true;
  }
  return false;
}

static bool find_parts(Sema *s, const PrimCall *c, Name name, Parts *p) {
  for (int i = 0; i < p->n; i++) {
    if ((p->ax[i] = part_axis(p, i, name.s)))
      continue;
    Diag *g = sema_error(s, ERR_MISSING_DIM, p->x[i].span,
                         "no dimension of %s is `%s`, or alone in being what the others lack",
                         v_type_str(s, p->x[i].v), name.s);
    if (!lacks_batch(s, g, p, i))
      diag_help(s->d, g,
                "rename the one that is joined in each value: `concat[%s](a[H as P], b[H as Q])`",
                name.s);
    return false;
  }
  for (int i = 1; i < p->n; i++)
    if (!part_fits(s, c, p, i))
      return false;
  return true;
}

static bool common_dtype(Sema *s, const PrimCall *c, Parts *p) {
  p->dtype = p->x[0].v->dtype;
  for (int i = 1; i < p->n; i++) {
    Operand sum = {v_tensor(s, p->dtype, (AxList){0}), p->x[0].span};
    bool bools = p->dtype == DT_BOOL && p->x[i].v->dtype == DT_BOOL;
    if (!bools && !sema_promote(s, c->name, c->at, sum, p->x[i], &p->dtype))
      return false;
  }
  return true;
}

static bool joined_axis(Sema *s, Name name, Parts *p) {
  Poly size = poly_const(0);
  bool open = false;
  for (int i = 0; i < p->n; i++) {
    if (!poly_add_fits(&size, &p->ax[i]->size)) {
      sema_error(s, ERR_TOO_MANY_DIMS, name.span, "the sum of these lengths is too complicated");
      return false;
    }
    size = poly_add(size, p->ax[i]->size);
    open |= p->ax[i]->open;
  }
  p->to = sema_target(s, name, &size, false, "concat");
  if (p->to && p->to->kind == AX_LOCAL)
    p->to->open |= open;
  return p->to != NULL;
}

// The first one's axes with `to` in the place of the part.
static bool joined_axes(Sema *s, const PrimCall *c, Parts *p) {
  const AxList *l = &p->x[0].v->ax;
  p->out = (AxList){NEWN(s->a, Ax *, l->n), 0};
  for (int k = 0; k < l->n; k++) {
    if (l->v[k] != p->ax[0] && l->v[k] == p->to) {
      sema_error(s, ERR_DIM_TWICE, c->at, "`%s` would stand twice in one tensor", ax_str(s, p->to));
      return false;
    }
    p->out.v[p->out.n++] = l->v[k] == p->ax[0] ? p->to : l->v[k];
  }
  return true;
}

// One real part of all; NULL where none has it.
static Node *join_nodes(Sema *s, const Parts *p, const NodePair *x, bool imag) {
  Node *in[MAX_PARTS];
  Axis *from[MAX_PARTS], *ax[MAX_AXES];
  bool any = false;
  for (int i = 0; i < p->n; i++) {
    Node *n = imag ? x[i].im : x[i].re;
    any |= n != NULL;
    ax_graphs(s, &p->x[i].v->ax, ax);
    from[i] = ax_graph(s, p->ax[i]);
    in[i] = g_expand(s->g, n ? n : g_const(s->g, dtype_real(p->dtype), 0), ax, p->x[i].v->ax.n);
  }
  return any ? g_concat(s->g, in, from, p->n, ax_graph(s, p->to)) : NULL;
}

Value *CONCAT_call(Sema *s, PrimCall *c) {
  Parts p = {0};
  NodePair x[MAX_PARTS];
  if (!c->axes || c->axes->axes.n != 1 || c->axes->axes.v[0].pack)
    return sema_fail(s, ERR_AXES_MISPLACED, c->at,
                     "`concat` names the dimension that it makes: `concat[L](a, b)`");
  Name name = c->axes->axes.v[0].name;
  if (!take_parts(s, c, &p) || !find_parts(s, c, name, &p) || !common_dtype(s, c, &p) ||
      !joined_axis(s, name, &p) || !joined_axes(s, c, &p))
    return v_poison(s);
  Value *v = v_tensor(s, p.dtype, p.out);
  if (checking(s))
    return v;
  sema_mark(s, c->whole);
  for (int i = 0; i < p.n; i++)
    x[i] = pair_of(s, p.x[i].v, p.dtype);
  Node *re = join_nodes(s, &p, x, false), *im = join_nodes(s, &p, x, true);
  pair_set(s, v, (NodePair){re, im});
  return v;
}

// ---- pad
typedef struct PadCtx {
  Axis *from, *to;
  Poly before;
} PadCtx;

static Node *pad_node(Graph *g, Node *x, void *ctx) {
  const PadCtx *c = ctx;
  return g_pad(g, g_expand(g, x, &c->from, 1), c->from, c->before, c->to);
}

// What it becomes is there: nothing else says how long it is.
static Ax *padded_axis(Sema *s, Name name) {
  bool found;
  AxList l = ax_lookup(s, name, &found);
  if (found && l.n == 1 && !l.v[0]->pack)
    return l.v[0];
  sema_error(s, ERR_UNKNOWN_DIM, name.span,
             "`%s` is no dimension that has a length: pad to a declared one", name.s);
  return NULL;
}

static bool pad_fits(Sema *s, const PrimCall *c, const Ax *from, const Ax *to, Poly before) {
  int64_t n;
  bool fits = poly_add_fits(&before, &from->size) && !(poly_is_const(&before, &n) && n < 0);
  if (fits && sema_within(s, poly_add(before, from->size), &to->size, true, c->at,
                          arena_printf(s->a, "`pad` to `%s`", to->name)))
    return true;
  Diag *g = sema_error(
      s, ERR_SIZES_DIFFER, c->at, "%s behind %s zeros does not fit into `%s`, which is %s",
      size_str(s, &from->size), size_str(s, &before), to->name, size_str(s, &to->size));
  sema_note_axes(s, g, (Ax *[]){(Ax *)to}, 1);
  return false;
}

static Value *pad_value(Sema *s, const PrimCall *c, Ax *from, Ax *to, Poly before) {
  const Value *x = c->x[0].v;
  AxList out = {NEWN(s->a, Ax *, x->ax.n), 0};
  for (int i = 0; i < x->ax.n; i++) {
    if (x->ax.v[i] == to && to != from)
      return sema_fail(s, ERR_DIM_TWICE, c->at, "`%s` would stand twice in one tensor",
                       ax_str(s, to));
    out.v[out.n++] = x->ax.v[i] == from ? to : x->ax.v[i];
  }
  Value *v = v_tensor(s, x->dtype, out);
  if (!checking(s)) {
    sema_mark(s, c->whole);
    pair_map(s, v, x, pad_node, &(PadCtx){ax_graph(s, from), ax_graph(s, to), before});
  }
  return v;
}

Value *PAD_call(Sema *s, PrimCall *c) {
  Poly before;
  if (!c->axes || c->axes->axes.n != 2 || c->axes->axes.v[0].pack || c->axes->axes.v[1].pack)
    return sema_fail(s, ERR_AXES_MISPLACED, c->at,
                     "`pad` names two dimensions: `pad[A, L](x, before)` makes L of A");
  if (!prim_take_args(s, c, 2, false) || !prim_tensor_arg(s, c, &c->x[0]))
    return v_poison(s);
  Ax *from = ax_ref(s, c->axes->axes.v[0].name, c->x[0].v),
     *to = padded_axis(s, c->axes->axes.v[1].name);
  if (!from || !to || !sema_position(s, &c->x[1], "the number of zeros before", &before))
    return v_poison(s);
  c->ax = ax_list(s, &from, 1);
  if (!prim_has_axes(s, c, &c->x[0]) || !pad_fits(s, c, from, to, before))
    return v_poison(s);
  return pad_value(s, c, from, to, before);
}

// Values of a step in scratch, and what the leaves of a loop's region stand for: see lower_loop.h.
#include "codegen/plan/lower_loop.h"

// ---- scratch

static bool is_task_axis(const LoopLower *x, const Axis *a) {
  return axis_in(x->task, x->ntask, a) || a == x->lane;
}

// The rows first.
int loop_own_axes(const LoopLower *x, Axis *const *ax, int n, Axis **out) {
  int m = 0;
  if (x->rows && axis_in(ax, n, x->rows))
    out[m++] = x->rows;
  for (int i = 0; i < n; i++)
    if (!is_task_axis(x, ax[i]) && ax[i] != x->rows)
      out[m++] = ax[i];
  return m;
}

// A task's places along it.
static Poly own_extent(const LoopLower *x, const Axis *a) {
  return a == x->rows ? poly_const(x->nrows) : a == x->lane ? poly_const(x->width) : a->extent;
}

static Poly own_extents(const LoopLower *x, Axis *const *ax, int n) {
  Poly p = poly_const(1);
  for (int i = 0; i < n; i++)
    p = poly_mul(p, own_extent(x, ax[i]));
  return p;
}

Slot loop_scratch_slot(LoopLower *x, const Node *n, Axis *const *ax, int nax, const char *name) {
  Lower *c = x->c;
  Slot s = {.node = n, .home = x->region, .ax = NEWN(c->a, Axis *, nax + 1)};
  s.nax = loop_own_axes(x, ax, nax, s.ax);
  Poly size = poly_mul(own_extents(x, s.ax, s.nax), poly_const(x->lane ? x->width : 1));
  s.mem = loop_scratch(c->a, c->k, name, computed_dtype(n), size);
  return s;
}

static LExpr *slot_index(LoopLower *x, const Slot *s, const Coords *at) {
  Lower *c = x->c;
  LExpr *v[MAX_AXES + 3];
  Poly step[MAX_AXES + 3], stride = poly_const(x->lane ? x->width : 1);
  int n = 0;
  for (int i = s->nax - 1; i >= 0; i--) {
    v[n] = coords_get(at, s->ax[i]);
    step[n++] = stride;
    if (s->ax[i] == x->rows) {
      v[n] = x->rows_lo;
      step[n++] = poly_scale(stride, -1);
    }
    stride = poly_mul(stride, own_extent(x, s->ax[i]));
  }
  if (x->lane) {
    v[n] = coords_get(at, x->lane);
    step[n++] = poly_const(1);
    v[n] = x->lane_lo;
    step[n++] = poly_const(-1);
  }
  return llinear(c, v, step, n, poly_const(0));
}

LExpr *loop_slot_load(LoopLower *x, const Slot *s, const Coords *at) {
  return lx_load(x->c->a, x->c->k, s->mem, slot_index(x, s, at));
}

void loop_slot_store(LoopLower *x, const Slot *s, const Coords *at, LExpr *v) {
  lower_emit(x->c, ls_store(x->c->a, s->mem, slot_index(x, s, at), v));
}

const Slot *loop_slot_of(const LoopLower *x, const Node *n) {
  for (int i = x->slot.n - 1; i >= 0; i--)
    if (x->slot.v[i].node == n)
      return &x->slot.v[i];
  return NULL;
}

Slot loop_state_slot(const LoopLower *x, const LoopRegion *r, int i, int mem) {
  Slot s = {.node = r->s->state[i], .mem = mem, .ax = NEWN(x->c->a, Axis *, MAX_AXES)};
  s.nax = loop_own_axes(x, r->s->state[i]->ax, r->s->state[i]->nax, s.ax);
  return s;
}

// ---- values of leaves

// A value that is written in a step does not leave it.
static LowerVal in_step(const LoopLower *x, const LoopRegion *r, LExpr *e) {
  int depth = lower_depth(x->c, e->a);
  return (LowerVal){e, depth > r->depth ? depth : r->depth, 1};
}

static int index_of(Node *const *v, int n, const Node *x) {
  int i = 0;
  while (i < n && v[i] != x)
    i++;
  return i < n ? i : -1;
}

static bool leaf_value(LoopLower *x, const LoopRegion *r, Node *n, const Coords *at, LowerVal *v) {
  const Scan *s = r->s;
  int i = index_of(s->state, s->nstate, n);
  if (i >= 0) {
    Slot now = loop_state_slot(x, r, i, r->now[i]);
    *v = in_step(x, r, loop_slot_load(x, &now, at));
    return true;
  }
  Coords in = *at;
  i = index_of(s->seen_leaf, s->nseen, n);
  if (i >= 0)
    coords_set(&in, s->axis, r->step);
  int k = i >= 0 ? s->nstate + i : index_of(s->held_leaf, s->nheld, n);
  if (k < 0)
    return false;
  *v = lower_value(x->c, r->in[i >= 0 ? k : s->nstate + s->nseen + k], &in);
  return true;
}

bool lower_loop_value(Lower *c, Node *n, const Coords *at, LowerVal *v) {
  LoopLower *x = c->loop;
  const Slot *s = loop_slot_of(x, n);
  if (s) {
    *v = in_step(x, s->home, loop_slot_load(x, s, at));
    return true;
  }
  for (const LoopRegion *r = x->region; r && n->op == OP_STATE; r = r->up)
    if (leaf_value(x, r, n, at, v))
      return true;
  return false;
}

// ---- nests of loops

static void open_axis(LoopLower *x, Nest *t, Axis *a, int vec) {
  Lower *c = x->c;
  LExpr *lo = a == x->lane   ? x->lane_lo
              : a == x->rows ? x->rows_lo
                             : li(c, 0),
        *hi = a == x->lane   ? x->lane_hi
              : a == x->rows ? x->rows_hi
                             : lpoly(c, a->extent);
  t->open[t->n] = lower_for(c, lo, hi, a->extent, vec);
  coords_set(&t->at, a, lvar(c, t->open[t->n++]->var));
}

static void open_axes(LoopLower *x, Nest *t, Axis *const *ax, int n, const Axis *but) {
  for (int i = 0; i < n; i++)
    if (ax[i] != but)
      open_axis(x, t, ax[i], 0);
}

void loop_close_nest(LoopLower *x, Nest *t) {
  while (t->n)
    lower_end(x->c, t->open[--t->n]);
}

// The axis of a nest whose elements are lanes where no task axis gives them: the last one that is long.
static Axis *vector_of(const LoopLower *x, Axis *const *ax, int n) {
  int64_t e;
  for (int i = n - 1; i >= 0; i--)
    if (ax[i] != x->rows && extent_is(ax[i], &e) && e >= 4)
      return ax[i];
  return n && ax[n - 1] != x->rows ? ax[n - 1] : NULL;
}

Nest loop_open_nest(LoopLower *x, Axis *const *ax, int n, bool vector) {
  Nest t = {.at = x->at};
  Axis *vec = x->lane ? x->lane : vector_of(x, ax, n);
  open_axes(x, &t, ax, n, vec);
  if (vec)
    open_axis(x, &t, vec, vector ? x->vec : 0);
  return t;
}

// ---- values in scratch

// A sum in more steps than this is taken in float64.
enum { SHORT_SUM = 1024 };

static DType sum_dtype(const LoopLower *x, const Node *n) {
  Poly p = own_extents(x, n->attr.axes, n->attr.naxes);
  int64_t count;
  bool is_short = poly_is_const(&p, &count) && count <= SHORT_SUM;
  DType t = computed_dtype(n);
  return is_short || reduce_kind(n) != LR_SUM ? t : lower_wide(t);
}

static void finish_sum(LoopLower *x, const Slot *s, Node *n, const Nest *t, DType sum, int reg) {
  Lower *c = x->c;
  LExpr *v = lower_cast(c, computed_dtype(n), lx_reg(c->a, sum, reg));
  if (s->given)
    loop_sums_store(x, s->given, &t->at, v);
  else
    loop_slot_store(x, s, &t->at, lower_rounded(c, n, v));
}

int loop_unit_along(Prog *g, Node *n, const Axis *a) {
  const Place *pl = place_view(g, n);
  int i = pl ? place_axis(pl, a) : -1;
  int64_t s;
  if (loop_is_replayed(g, n) && node_has(n, a))
    return a == loop_value_inner(g, n) ? 2 : -2;
  if (i < 0)
    return 0;
  return pl->nstep[i] == 1 || (!pl->nstep[i] && poly_is_const(&pl->stride[i], &s) && s == 1) ? 2
                                                                                             : -2;
}

static int unit_of_leaf(const LoopLower *x, const Node *n, const Axis *a) {
  for (const LoopRegion *r = x->region; r; r = r->up) {
    const Scan *s = r->s;
    int i = index_of(s->seen_leaf, s->nseen, n), k = index_of(s->held_leaf, s->nheld, n);
    if (i < 0 && k < 0)
      continue;
    Node *outside = r->in[i >= 0 ? s->nstate + i : s->nstate + s->nseen + k];
    return r->up ? 0 : loop_unit_along(x->c->g, outside, a);
  }
  return 0;
}

// More the better it is to have a's places as lanes, as n lies in memory; 0 where that says nothing.
static int unit_along(const LoopLower *x, const Node *n, const Axis *a) {
  for (; n->op == OP_RENAME; n = n->in[0])
    a = axis_before(n, a);
  return unit_of_leaf(x, n, a);
}

// The axis, of the result's (first) or of those that are summed, whose places are lanes of a sum.
static Axis *lanes_of_sum(const LoopLower *x, const Slot *s, const Node *n) {
  Axis *best = s->nax ? vector_of(x, s->ax, s->nax) : vector_of(x, n->attr.axes, n->attr.naxes);
  int most = -100;
  for (int i = s->nax + n->attr.naxes - 1; i >= 0; i--) {
    Axis *a = i < s->nax ? s->ax[i] : n->attr.axes[i - s->nax];
    int votes = 2 * (a == best) + (i < s->nax);
    int64_t e;
    for (int k = 0; k < n->nin; k++)
      votes += 2 * unit_along(x, n->in[k], a);
    if (a != x->rows && votes > most && extent_is(a, &e) && e >= 4) {
      most = votes;
      best = a;
    }
  }
  return best;
}

// The states of a piece are the same values as before, to the bit, if sums are taken in the same order.
static Axis *lanes_of(const LoopLower *x, const Slot *s, const Node *n) {
  if (x->lane)
    return x->lane;
  Axis *before = x->again ? x->back->lane : NULL;
  if (before)
    return axis_in(s->ax, s->nax, before) ? before : NULL;
  return lanes_of_sum(x, s, n);
}

// Loops over a sum's result, `vec` of them as a vector where it is the result's.
static Nest open_sums(LoopLower *x, const Slot *s, Axis *vec) {
  Nest t = {.at = x->at};
  open_axes(x, &t, s->ax, s->nax, vec);
  if (vec && !s->given && (vec == x->lane || axis_in(s->ax, s->nax, vec)))
    open_axis(x, &t, vec, 4);
  return t;
}

// Lanes are the tasks', the result's, or places of what is summed.
static void reduce_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  if (loop_rows_product(x, s, n))
    return;
  Axis **ax = n->attr.axes, *vec = lanes_of(x, s, n);
  Nest t = open_sums(x, s, vec), in;
  DType sum = sum_dtype(x, n);
  vec = vec && axis_in(ax, n->attr.naxes, vec) ? vec : NULL;
  int reg = lower_reg(c, sum, lx_const(c->a, sum, reduce_identity(n)));
  in = (Nest){.at = t.at};
  open_axes(x, &in, ax, n->attr.naxes, vec);
  if (vec)
    open_axis(x, &in, vec, 4);
  LExpr *v = reduce_operand(c, n, &in.at);
  lower_emit(c, ls_reduce(c->a, reg, reduce_kind(n), lower_cast(c, sum, v)));
  loop_close_nest(x, &in);
  finish_sum(x, s, n, &t, sum, reg);
  loop_close_nest(x, &t);
}

static void argmax_nest(LoopLower *x, const Slot *s, Node *n) {
  Nest t = loop_open_nest(x, s->ax, s->nax, false);
  loop_slot_store(x, s, &t.at, lower_argmax(x->c, n, &t.at));
  loop_close_nest(x, &t);
}

static void map_nest(LoopLower *x, const Slot *s, Node *n) {
  Nest t = loop_open_nest(x, s->ax, s->nax, true);
  LExpr *v = lower_settled(x->c, lower_value(x->c, n, &t.at).e);
  loop_slot_store(x, s, &t.at, v);
  loop_close_nest(x, &t);
}

// Each operand into its part.
static void concat_nest(LoopLower *x, const Slot *s, Node *n) {
  Poly from = poly_const(0), one = poly_const(1);
  for (int i = 0; i < n->nin; i++) {
    Axis *ax[MAX_AXES], *part = n->attr.from[i];
    for (int k = 0; k < s->nax; k++)
      ax[k] = s->ax[k] == n->attr.axis ? part : s->ax[k];
    Nest t = loop_open_nest(x, ax, s->nax, true);
    LExpr *v = lower_settled(x->c, lower_value(x->c, n->in[i], &t.at).e),
          *at = coords_get(&t.at, part);
    coords_set(&t.at, n->attr.axis, llinear(x->c, &at, &one, 1, from));
    loop_slot_store(x, s, &t.at, v);
    loop_close_nest(x, &t);
    from = poly_add(from, part->extent);
  }
}

int loop_axes_but(const Slot *s, const Axis *but, Axis **out) {
  int n = 0;
  for (int i = 0; i < s->nax; i++)
    if (s->ax[i] != but)
      out[n++] = s->ax[i];
  return n;
}

static void cumsum_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  Axis *ax[MAX_AXES], *a = n->attr.axis;
  Nest t = loop_open_nest(x, ax, loop_axes_but(s, a, ax), true);
  DType sum = lower_wide(computed_dtype(n));
  int reg = lower_reg(c, sum, lx_const(c->a, sum, 0));
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, a->extent), a->extent, 0);
  LExpr *v = lvar(c, f->var), *old = lx_reg(c->a, sum, reg);
  Poly minus = poly_const(-1);
  if (n->attr.reverse)
    v = llinear(c, &v, &minus, 1, poly_sub(a->extent, poly_const(1)));
  coords_set(&t.at, a, v);
  v = lower_cast(c, sum, lower_value(c, n->in[0], &t.at).e);
  lower_emit(c, ls_set(c->a, reg, lx_op(c->a, L_ADD, sum, old, v, NULL)));
  v = lower_cast(c, computed_dtype(n), old);
  loop_slot_store(x, s, &t.at, lower_rounded(c, n, v));
  lower_end(c, f);
  loop_close_nest(x, &t);
}

static LExpr *scatter_place(Lower *c, const Node *n, const Coords *at) {
  LExpr *id = lower_value(c, n->in[0], at).e;
  int reg = lower_reg(c, DT_I32, id);
  LExpr *i = lint(c, lx_to_int(c->a, lx_reg(c->a, DT_I32, reg)));
  LExpr *last = lpoly(c, poly_sub(n->attr.axis->extent, poly_const(1)));
  return liop(c, L_IMIN, liop(c, L_IMAX, i, li(c, 0)), last);
}

static void scatter_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  Nest zero = loop_open_nest(x, s->ax, s->nax, true), t = {.at = x->at};
  loop_slot_store(x, s, &zero.at, lx_const(c->a, computed_dtype(n), 0));
  loop_close_nest(x, &zero);
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < n->in[b]->nax; i++)
      if (!coords_get(&t.at, n->in[b]->ax[i]))
        open_axis(x, &t, n->in[b]->ax[i], 0);
  for (int i = 0; i < n->attr.naxes; i++)
    if (!coords_get(&t.at, n->attr.axes[i]))
      open_axis(x, &t, n->attr.axes[i], 0);
  Coords out = t.at;
  coords_set(&out, n->attr.axis, scatter_place(c, n, &t.at));
  LExpr *v = lower_settled(c, lower_value(c, n->in[1], &t.at).e);
  LStmt *add = ls_store(c->a, s->mem, slot_index(x, s, &out), v);
  add->add = true;
  lower_emit(c, add);
  loop_close_nest(x, &t);
}

typedef void NestOf(LoopLower *x, const Slot *s, Node *n);

// What computes n into scratch; NULL: it is derived where it is read.
static NestOf *nest_of(const Node *n) {
  switch (n->op) {
  case OP_ARGMAX: return argmax_nest;
  case OP_ARGSORT: return loop_sort_nest;
  case OP_CUMSUM: return cumsum_nest;
  case OP_CAUSAL_CONV:
  case OP_CONV_GRAD: return loop_conv_nest;
  case OP_SCATTER: return is_one_hot(n) ? NULL : scatter_nest;
  case OP_CONTRACT: return n->attr.naxes ? reduce_nest : NULL;
  default: return is_reduction(n) ? reduce_nest : NULL;
  }
}

static bool is_computed_apart(const Node *n) {
  return n->op == OP_LOOP || nest_of(n);
}

static void give_sum(LoopLower *x, const Result *r, Node *n) {
  Slot s = {.node = n, .home = x->region, .ax = NEWN(x->c->a, Axis *, n->nax + 1), .given = r};
  s.nax = loop_own_axes(x, n->ax, n->nax, s.ax);
  reduce_nest(x, &s, n);
}

static void store_value(LoopLower *x, Node *n) {
  const Result *given = loop_sums_given(x, n);
  if (n->op == OP_LOOP || given) {
    given ? give_sum(x, given, n) : loop_nest(x, n);
    return;
  }
  NestOf *nest = n->op == OP_CONCAT ? concat_nest : nest_of(n);
  Axis *ax[MAX_AXES];
  Slot s = loop_scratch_slot(x, n, ax, loop_slot_order(x, n, ax), op_name(n->op));
  (nest ? nest : map_nest)(x, &s, n);
  vec_push(x->c->a, &x->slot, s);
}

// Reads elements of its operands at many places, one or several for each of its own.
static bool reads_about(const Node *n) {
  return n->op == OP_GATHER || n->op == OP_SCATTER || n->op == OP_ARGSORT ||
         n->op == OP_CAUSAL_CONV || n->op == OP_CONV_GRAD;
}

// Pointwise work that a reduction would do again for each element of an axis that it lacks.
static bool is_repeated(const LoopRegion *r, Node *n) {
  if (n->op == OP_STATE || (op_flags(n->op) & F_LEAF) || is_computed_apart(n))
    return false;
  if (view_base(n) != n)
    return false;
  for (int i = 0; i < r->nnode; i++) {
    const Node *u = r->node[i];
    bool reads = false;
    for (int k = 0; k < u->nin; k++)
      reads |= view_base(u->in[k]) == n;
    if (!reads || !r->live[u->id] || u->op == OP_LOOP)
      continue;
    bool sums = u->op == OP_CONTRACT && u->attr.naxes;
    if (sums && u->nax + u->attr.naxes > n->nax)
      return true;
    if (reads_about(u))
      return true;
    if ((op_flags(u->op) & F_POINTWISE) && u->nax > n->nax && op_flops(n) >= 8)
      return true;
  }
  return false;
}

bool loop_is_stored(const LoopRegion *r, Node *n) {
  return is_computed_apart(n) || is_repeated(r, n);
}

void loop_store_values(LoopLower *x, LoopRegion *r) {
  loop_find_shared(x, r);
  for (int i = 0; i < r->nnode; i++) {
    Node *n = r->node[i];
    if (r->live[n->id] && !loop_slot_of(x, n) && (r->shared[n->id] || loop_is_stored(r, n)))
      store_value(x, n);
  }
}

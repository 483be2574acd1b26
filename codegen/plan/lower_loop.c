// Loops over the steps of a scan: see lower_loop.h.
#include "codegen/plan/lower_loop.h"
#include <string.h>

typedef struct Slot { // a value in scratch
  const Node *node;
  int mem, nax;
  Axis **ax;               // without those of tasks; the last one has stride 1, but for lanes
  const Axis *along;       // of a nested loop's values: its axis, which is among them
  struct LoopRegion *home; // where it is computed
} Slot;

typedef struct LoopRegion { // one loop, perhaps in another one
  struct LoopRegion *up;
  const Scan *s;
  Node *const *in;
  Node **node;
  int nnode, depth; // depth: the scope of a step
  bool *live;       // by id
  LExpr *step;
  int *now, *next; // by state: scratch
} LoopRegion;

struct LoopLower {
  Lower *c;
  Inst *k;
  Axis *task[MAX_AXES], *lane;
  int ntask, vec;
  LExpr *lane_lo, *lane_hi; // the block of lanes
  int64_t width;            // its elements
  Coords at;                // places of the task
  VEC(Slot) slot;
  LoopRegion *region; // the innermost
};
typedef struct LoopLower LoopLower;

// ---- scratch

static bool is_task_axis(const LoopLower *x, const Axis *a) {
  return axis_in(x->task, x->ntask, a) || a == x->lane;
}

static int own_axes(const LoopLower *x, Axis *const *ax, int n, Axis **out) {
  int m = 0;
  for (int i = 0; i < n; i++)
    if (!is_task_axis(x, ax[i]))
      out[m++] = ax[i];
  return m;
}

static Slot scratch_slot(LoopLower *x, const Node *n, Axis *const *ax, int nax, const char *name) {
  Lower *c = x->c;
  Slot s = {.node = n, .home = x->region, .ax = NEWN(c->a, Axis *, nax + 1)};
  s.nax = own_axes(x, ax, nax, s.ax);
  Poly size = poly_mul(extents(s.ax, s.nax), poly_const(x->lane ? x->width : 1));
  s.mem = loop_scratch(c->a, c->k, name, computed_dtype(n), size);
  return s;
}

static LExpr *slot_index(LoopLower *x, const Slot *s, const Coords *at) {
  Lower *c = x->c;
  LExpr *v[MAX_AXES + 2];
  Poly step[MAX_AXES + 2], stride = poly_const(x->lane ? x->width : 1);
  int n = 0;
  for (int i = s->nax - 1; i >= 0; i--) {
    v[n] = coords_get(at, s->ax[i]);
    step[n++] = stride;
    stride = poly_mul(stride, s->ax[i]->extent);
  }
  if (x->lane) {
    v[n] = coords_get(at, x->lane);
    step[n++] = poly_const(1);
    v[n] = x->lane_lo;
    step[n++] = poly_const(-1);
  }
  return llinear(c, v, step, n, poly_const(0));
}

static LExpr *slot_load(LoopLower *x, const Slot *s, const Coords *at) {
  return lx_load(x->c->a, x->c->k, s->mem, slot_index(x, s, at));
}

static void slot_store(LoopLower *x, const Slot *s, const Coords *at, LExpr *v) {
  lower_emit(x->c, ls_store(x->c->a, s->mem, slot_index(x, s, at), v));
}

static const Slot *slot_of(const LoopLower *x, const Node *n) {
  for (int i = x->slot.n - 1; i >= 0; i--)
    if (x->slot.v[i].node == n)
      return &x->slot.v[i];
  return NULL;
}

static Slot state_slot(const LoopLower *x, const LoopRegion *r, int i, int mem) {
  Slot s = {.node = r->s->state[i], .mem = mem, .ax = NEWN(x->c->a, Axis *, MAX_AXES)};
  s.nax = own_axes(x, r->s->state[i]->ax, r->s->state[i]->nax, s.ax);
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
    Slot now = state_slot(x, r, i, r->now[i]);
    *v = in_step(x, r, slot_load(x, &now, at));
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
  const Slot *s = slot_of(x, n);
  if (s) {
    *v = in_step(x, s->home, slot_load(x, s, at));
    return true;
  }
  for (const LoopRegion *r = x->region; r && n->op == OP_STATE; r = r->up)
    if (leaf_value(x, r, n, at, v))
      return true;
  return false;
}

// ---- nests of loops

typedef struct Nest {
  LStmt *open[2 * MAX_AXES];
  int n;
  Coords at;
} Nest;

static void open_axis(LoopLower *x, Nest *t, Axis *a, int vec) {
  Lower *c = x->c;
  bool lane = a == x->lane;
  LExpr *lo = lane ? x->lane_lo : li(c, 0), *hi = lane ? x->lane_hi : lpoly(c, a->extent);
  t->open[t->n] = lower_for(c, lo, hi, a->extent, vec);
  coords_set(&t->at, a, lvar(c, t->open[t->n++]->var));
}

static void open_axes(LoopLower *x, Nest *t, Axis *const *ax, int n, const Axis *but) {
  for (int i = 0; i < n; i++)
    if (ax[i] != but)
      open_axis(x, t, ax[i], 0);
}

static void close_nest(LoopLower *x, Nest *t) {
  while (t->n)
    lower_end(x->c, t->open[--t->n]);
}

// The axis of a nest whose elements are lanes where no task axis gives them: the last one that is long.
static Axis *vector_of(Axis *const *ax, int n) {
  int64_t e;
  for (int i = n - 1; i >= 0; i--)
    if (extent_is(ax[i], &e) && e >= 4)
      return ax[i];
  return n ? ax[n - 1] : NULL;
}

// Loops over axes that are no tasks', one of them or the lanes as a vector.
static Nest open_nest(LoopLower *x, Axis *const *ax, int n, bool vector) {
  Nest t = {.at = x->at};
  Axis *vec = x->lane ? x->lane : vector_of(ax, n);
  open_axes(x, &t, ax, n, vec);
  if (vec)
    open_axis(x, &t, vec, vector ? x->vec : 0);
  return t;
}

static LExpr *settled(Lower *c, LExpr *e) {
  if (e->op == L_REG || e->op == L_CONST)
    return e;
  return lx_reg(c->a, e->dtype, lower_reg(c, e->dtype, e));
}

// ---- values in scratch

// A sum in more steps than this is taken in float64.
enum { SHORT_SUM = 1024 };

static DType sum_dtype(const Node *n) {
  Poly p = extents(n->attr.axes, n->attr.naxes);
  int64_t count;
  bool is_short = poly_is_const(&p, &count) && count <= SHORT_SUM;
  DType t = computed_dtype(n);
  return is_short || reduce_kind(n) != LR_SUM ? t : lower_wide(t);
}

static void finish_sum(LoopLower *x, const Slot *s, Node *n, const Nest *t, DType sum, int reg) {
  Lower *c = x->c;
  LExpr *v = lower_cast(c, computed_dtype(n), lx_reg(c->a, sum, reg));
  slot_store(x, s, &t->at, lower_rounded(c, n, v));
}

static int unit_in_place(const Place *pl, const Axis *a) {
  int i = pl ? place_axis(pl, a) : -1;
  int64_t s;
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
    return r->up ? 0 : unit_in_place(place_view(x->c->g, outside), a);
  }
  return 0;
}

// More the better it is to have a's places as lanes, as n lies in memory; 0 where that says nothing.
static int unit_along(const LoopLower *x, const Node *n, const Axis *a) {
  while (n->op == OP_RENAME) {
    for (int i = 0; i < n->attr.nmap; i++)
      if (n->attr.to[i] == a) {
        a = n->attr.from[i];
        break;
      }
    n = n->in[0];
  }
  return unit_of_leaf(x, n, a);
}

// The axis, of the result's (first) or of those that are summed, whose places are lanes of a sum.
static Axis *lanes_of_sum(const LoopLower *x, const Slot *s, const Node *n) {
  Axis *best = s->nax ? vector_of(s->ax, s->nax) : vector_of(n->attr.axes, n->attr.naxes);
  int most = -100;
  for (int i = s->nax + n->attr.naxes - 1; i >= 0; i--) {
    Axis *a = i < s->nax ? s->ax[i] : n->attr.axes[i - s->nax];
    int votes = 2 * (a == best) + (i < s->nax);
    int64_t e;
    for (int k = 0; k < n->nin; k++)
      votes += 2 * unit_along(x, n->in[k], a);
    if (votes > most && extent_is(a, &e) && e >= 4) {
      most = votes;
      best = a;
    }
  }
  return best;
}

// Loops over a sum's result, `vec` of them as a vector where it is the result's.
static Nest open_sums(LoopLower *x, const Slot *s, Axis *vec) {
  Nest t = {.at = x->at};
  open_axes(x, &t, s->ax, s->nax, vec);
  if (vec && (vec == x->lane || axis_in(s->ax, s->nax, vec)))
    open_axis(x, &t, vec, 4);
  return t;
}

// Lanes are the tasks', the result's, or places of what is summed.
static void reduce_nest(LoopLower *x, const Slot *s, Node *n) {
  Lower *c = x->c;
  Axis **ax = n->attr.axes, *vec = x->lane ? x->lane : lanes_of_sum(x, s, n);
  Nest t = open_sums(x, s, vec), in;
  DType sum = sum_dtype(n);
  vec = vec && axis_in(ax, n->attr.naxes, vec) ? vec : NULL;
  int reg = lower_reg(c, sum, lx_const(c->a, sum, reduce_identity(n)));
  in = (Nest){.at = t.at};
  open_axes(x, &in, ax, n->attr.naxes, vec);
  if (vec)
    open_axis(x, &in, vec, 4);
  LExpr *v = reduce_operand(c, n, &in.at);
  lower_emit(c, ls_reduce(c->a, reg, reduce_kind(n), lower_cast(c, sum, v)));
  close_nest(x, &in);
  finish_sum(x, s, n, &t, sum, reg);
  close_nest(x, &t);
}

static void argmax_nest(LoopLower *x, const Slot *s, Node *n) {
  Nest t = open_nest(x, s->ax, s->nax, false);
  slot_store(x, s, &t.at, lower_argmax(x->c, n, &t.at));
  close_nest(x, &t);
}

static void map_nest(LoopLower *x, const Slot *s, Node *n) {
  Nest t = open_nest(x, s->ax, s->nax, true);
  LExpr *v = settled(x->c, lower_value(x->c, n, &t.at).e);
  slot_store(x, s, &t.at, v);
  close_nest(x, &t);
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
  Nest zero = open_nest(x, s->ax, s->nax, true), t = {.at = x->at};
  slot_store(x, s, &zero.at, lx_const(c->a, computed_dtype(n), 0));
  close_nest(x, &zero);
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < n->in[b]->nax; i++)
      if (!coords_get(&t.at, n->in[b]->ax[i]))
        open_axis(x, &t, n->in[b]->ax[i], 0);
  for (int i = 0; i < n->attr.naxes; i++)
    if (!coords_get(&t.at, n->attr.axes[i]))
      open_axis(x, &t, n->attr.axes[i], 0);
  Coords out = t.at;
  coords_set(&out, n->attr.axis, scatter_place(c, n, &t.at));
  LExpr *v = settled(c, lower_value(c, n->in[1], &t.at).e);
  LStmt *add = ls_store(c->a, s->mem, slot_index(x, s, &out), v);
  add->add = true;
  lower_emit(c, add);
  close_nest(x, &t);
}

static void loop_nest(LoopLower *x, Node *n);

static bool is_computed_apart(const Node *n) {
  return is_reduction(n) || (n->op == OP_CONTRACT && n->attr.naxes) || n->op == OP_ARGMAX ||
         n->op == OP_LOOP || (n->op == OP_SCATTER && !is_one_hot(n));
}

static void store_value(LoopLower *x, Node *n) {
  if (n->op == OP_LOOP) {
    loop_nest(x, n);
    return;
  }
  Slot s = scratch_slot(x, n, n->ax, n->nax, op_name(n->op));
  if (n->op == OP_ARGMAX)
    argmax_nest(x, &s, n);
  else if (n->op == OP_SCATTER && !is_one_hot(n))
    scatter_nest(x, &s, n);
  else if (is_computed_apart(n))
    reduce_nest(x, &s, n);
  else
    map_nest(x, &s, n);
  vec_push(x->c->a, &x->slot, s);
}

// Pointwise work that a reduction would do again for each element of an axis that it lacks.
static bool is_repeated(const LoopLower *x, const LoopRegion *r, const Node *n) {
  if (n->op == OP_STATE || (op_flags(n->op) & F_LEAF) || is_computed_apart(n))
    return false;
  if (op_flags(n->op) & F_INDEX)
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
    if (u->op == OP_GATHER || u->op == OP_SCATTER)
      return true;
    if ((op_flags(u->op) & F_POINTWISE) && u->nax > n->nax && op_flops(n) >= 8)
      return true;
  }
  (void)x;
  return false;
}

static void store_values(LoopLower *x, LoopRegion *r) {
  for (int i = 0; i < r->nnode; i++) {
    Node *n = r->node[i];
    if (r->live[n->id] && !slot_of(x, n) && (is_computed_apart(n) || is_repeated(x, r, n)))
      store_value(x, n);
  }
}

// ---- a step's results

typedef struct Result { // what a step gives: a value, and where it goes
  Node *node;
  Slot slot;          // scratch, where place is NULL
  const Place *place; // memory
  bool stepped;       // has the loop's axis
} Result;
typedef VEC(Result) Results;

static void put_result(LoopLower *x, const LoopRegion *r, const Result *t, const Coords *at,
                       LExpr *v) {
  Coords to = *at;
  if (t->stepped)
    coords_set(&to, r->s->axis, r->step);
  if (t->place)
    lower_store(x->c, t->place, &to, v, false);
  else
    slot_store(x, &t->slot, &to, v);
}

static bool same_axes(const Node *a, const Node *b) {
  return axes_equal_sets(a->ax, a->nax, b->ax, b->nax);
}

// Results over the same axes share a nest, and what they have in common.
static void result_nest(LoopLower *x, const LoopRegion *r, const Results *all, bool *done,
                        int first) {
  const Node *n = all->v[first].node;
  Axis *ax[MAX_AXES];
  int nax = own_axes(x, n->ax, n->nax, ax);
  Nest t = open_nest(x, ax, nax, true);
  LExpr **v = NEWN(x->c->a, LExpr *, all->n);
  for (int i = first; i < all->n; i++)
    if (!done[i] && same_axes(all->v[i].node, n))
      v[i] = settled(x->c, lower_value(x->c, all->v[i].node, &t.at).e);
  for (int i = first; i < all->n; i++)
    if (v[i]) {
      put_result(x, r, &all->v[i], &t.at, v[i]);
      done[i] = true;
    }
  close_nest(x, &t);
}

static void put_results(LoopLower *x, const LoopRegion *r, const Results *all) {
  bool *done = NEWN(x->c->a, bool, all->n + 1);
  for (int i = 0; i < all->n; i++)
    if (!done[i])
      result_nest(x, r, all, done, i);
}

// ---- states

static void first_states(LoopLower *x, LoopRegion *r) {
  for (int i = 0; i < r->s->nstate; i++) {
    if (!r->live[r->s->state[i]->id])
      continue;
    Slot s = scratch_slot(x, r->s->state[i], r->s->state[i]->ax, r->s->state[i]->nax,
                          r->s->state[i]->attr.name);
    r->now[i] = s.mem;
    s.mem = r->next[i] = loop_scratch(x->c->a, x->c->k, "next", x->c->k->mem.v[s.mem].dtype,
                                      x->c->k->mem.v[s.mem].size);
    s.mem = r->now[i];
    Nest t = open_nest(x, s.ax, s.nax, true);
    slot_store(x, &s, &t.at, settled(x->c, lower_value(x->c, r->in[i], &t.at).e));
    close_nest(x, &t);
  }
}

static void next_states(LoopLower *x, const LoopRegion *r) {
  for (int i = 0; i < r->s->nstate; i++) {
    if (!r->live[r->s->state[i]->id])
      continue;
    Slot now = state_slot(x, r, i, r->now[i]), next = state_slot(x, r, i, r->next[i]);
    Nest t = open_nest(x, now.ax, now.nax, true);
    slot_store(x, &now, &t.at, slot_load(x, &next, &t.at));
    close_nest(x, &t);
  }
}

// A state's next value may lack axes of the state: the nest has all of them.
static void next_results(LoopLower *x, const LoopRegion *r) {
  Results all = {0};
  for (int i = 0; i < r->s->nstate; i++) {
    Node *n = r->s->next[i];
    if (!r->live[r->s->state[i]->id])
      continue;
    Slot s = state_slot(x, r, i, r->next[i]);
    if (same_axes(n, r->s->state[i])) {
      Result t = {.node = n, .slot = s};
      vec_push(x->c->a, &all, t);
      continue;
    }
    Nest t = open_nest(x, s.ax, s.nax, true);
    slot_store(x, &s, &t.at, settled(x->c, lower_value(x->c, n, &t.at).e));
    close_nest(x, &t);
  }
  put_results(x, r, &all);
}

// ---- a loop

static void find_live(LoopLower *x, LoopRegion *r, const Results *out, Node *const *last,
                      int nlast) {
  Graph *g = x->c->g->g;
  r->node = loop_nodes(g, r->s, &r->nnode);
  r->live = NEWN(x->c->a, bool, g->nodes.n + 1);
  for (int i = 0; i < out->n; i++)
    r->live[out->v[i].node->id] = true;
  for (int i = 0; i < nlast; i++)
    if (last[i])
      r->live[r->s->state[i]->id] = true;
  loop_live(r->s, r->node, r->nnode, r->live);
}

static void give_last(LoopLower *x, const LoopRegion *r, int i, const Result *to) {
  Slot now = state_slot(x, r, i, r->now[i]);
  Nest t = open_nest(x, now.ax, now.nax, true);
  put_result(x, r, to, &t.at, settled(x->c, slot_load(x, &now, &t.at)));
  close_nest(x, &t);
}

static LExpr *step_of(LoopLower *x, const LoopRegion *r, int var) {
  Lower *c = x->c;
  LExpr *v = lvar(c, var);
  Poly minus = poly_const(-1);
  if (!r->s->reverse)
    return v;
  return llinear(c, &v, &minus, 1, poly_sub(r->s->axis->extent, poly_const(1)));
}

static void run_steps(LoopLower *x, LoopRegion *r, const Results *out) {
  Lower *c = x->c;
  int slots = x->slot.n;
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, r->s->axis->extent), r->s->axis->extent, 0);
  r->depth = c->scope.n - 1;
  r->step = step_of(x, r, f->var);
  store_values(x, r);
  put_results(x, r, out);
  next_results(x, r);
  next_states(x, r);
  lower_end(c, f);
  x->slot.n = slots;
}

// Runs the loop of s over operands `in`; last[i]: where state i's last value goes, or NULL.
static void emit_loop(LoopLower *x, const Scan *s, Node *const *in, const Results *out,
                      const Results *last, const int *state) {
  Lower *c = x->c;
  LoopRegion r = {.up = x->region, .s = s, .in = in, .depth = c->scope.n - 1};
  Node **wanted = NEWN(c->a, Node *, s->nstate + 1);
  for (int i = 0; i < last->n; i++)
    wanted[state[i]] = s->state[state[i]];
  find_live(x, &r, out, wanted, s->nstate);
  r.now = NEWN(c->a, int, s->nstate + 1);
  r.next = NEWN(c->a, int, s->nstate + 1);
  first_states(x, &r);
  x->region = &r;
  run_steps(x, &r, out);
  r.depth = c->scope.n - 1;
  for (int i = 0; i < last->n; i++)
    give_last(x, &r, state[i], &last->v[i]);
  x->region = r.up;
}

// ---- a loop in a loop: all its values, into scratch

static void loop_nest(LoopLower *x, Node *n) {
  Lower *c = x->c;
  LoopRegion *r = x->region;
  Results out = {0}, last = {0};
  int *state = NEWN(c->a, int, n->attr.scan->nstate + 1);
  for (int i = 0; i < r->nnode; i++) {
    Node *m = r->node[i];
    if (!r->live[m->id] || !loop_equals(m, n))
      continue;
    int64_t i0 = m->attr.i0;
    Slot s = scratch_slot(x, m, m->ax, m->nax, "loop");
    Result t = {.node = i0 < 0 ? m : m->attr.scan->out[i0], .slot = s, .stepped = i0 >= 0};
    if (i0 < 0) {
      state[last.n] = (int)(-1 - i0);
      vec_push(c->a, &last, t);
    } else {
      vec_push(c->a, &out, t);
    }
  }
  emit_loop(x, n->attr.scan, n->in, &out, &last, state);
  for (int i = 0; i < out.n; i++)
    vec_push(c->a, &x->slot, out.v[i].slot);
  for (int i = 0; i < last.n; i++)
    vec_push(c->a, &x->slot, last.v[i].slot);
}

// ---- tasks

// The axis of tasks that most of what is read has at stride 1.
static Axis *lane_axis(Prog *g, const Node *n, Axis *const *ax, int nax) {
  Axis *best = NULL;
  int most = 0;
  for (int i = 0; i < nax; i++) {
    int votes = 0;
    int64_t e;
    for (int k = 0; k < n->nin; k++)
      if (node_has(n->in[k], ax[i]))
        votes += unit_in_place(place_view(g, n->in[k]), ax[i]);
    if (votes > most && extent_is(ax[i], &e) && e > 1) {
      most = votes;
      best = ax[i];
    }
  }
  return best;
}

static void open_tasks(LoopLower *x, Axis *const *ax, int n) {
  Lower *c = x->c;
  x->lane = lane_axis(c->g, x->k->root, ax, n);
  x->vec = 2;
  for (int i = 0; i < n; i++)
    if (ax[i] != x->lane)
      x->task[x->ntask++] = ax[i];
  lower_unflatten(c, lvar(c, lower_grid(c, extents(x->task, x->ntask), 1)), x->task, x->ntask,
                  &x->at);
  if (!x->lane)
    return;
  x->width = c->g->p->o.vector_floats * 4;
  x->lane_lo = liop(c, L_IMUL, lvar(c, lower_grid(c, x->lane->extent, x->width)), li(c, x->width));
  x->lane_hi =
      liop(c, L_IMIN, liop(c, L_IADD, x->lane_lo, li(c, x->width)), lpoly(c, x->lane->extent));
}

// ---- arguments come before scratch

static void name_tables(Lower *c, Node *n, bool *seen) {
  if (seen[n->id])
    return;
  seen[n->id] = true;
  if (n->op == OP_TABLE) {
    Coords zero = {0};
    coords_set(&zero, n->attr.axis, li(c, 0));
    lower_value(c, n, &zero);
  }
  for (int i = 0; i < n->nin && !(info_of(c->g, n) && info_of(c->g, n)->place); i++)
    name_tables(c, n->in[i], seen);
  int m;
  Node **nodes = n->op == OP_LOOP ? loop_nodes(c->g->g, n->attr.scan, &m) : NULL;
  for (int i = 0; nodes && i < m; i++)
    name_tables(c, nodes[i], seen);
}

static void name_operands(Lower *c, const Node *n) {
  bool *seen = NEWN(c->a, bool, c->g->g->nodes.n + 1);
  for (int i = 0; i < n->nin; i++) {
    Deps d = {0};
    deps_below(c->g, n->in[i], &d);
    for (int k = 0; k < d.v.n; k++) {
      const Place *pl = info_of(c->g, d.v.v[k].node)->place;
      lower_mem(c, pl->buf, pl->base, false);
    }
    name_tables(c, n->in[i], seen);
  }
  int m;
  Node **nodes = loop_nodes(c->g->g, n->attr.scan, &m);
  for (int i = 0; i < m; i++)
    name_tables(c, nodes[i], seen);
}

void lower_loop(Prog *g, Inst *k) {
  Node *n = k->root;
  const Scan *s = n->attr.scan;
  Results out = {0}, last = {0};
  int *state = NEWN(g->a, int, s->nstate + 1);
  LoopLower x = {.k = k};
  Axis *ax[MAX_AXES];
  bool *live = NEWN(g->a, bool, g->g->nodes.n + 1);
  x.c = lower_new(g, k, inst_label(g, k));
  for (int i = 0; i < k->m.n; i++) {
    Member *m = &k->m.v[i];
    int64_t i0 = m->node->attr.i0;
    Result t = {.node = i0 < 0 ? m->node : s->out[i0], .place = m->place, .stepped = i0 >= 0};
    if (!info_of(g, m->node)->needed)
      continue;
    live[i0 < 0 ? s->state[-1 - i0]->id : s->out[i0]->id] = true;
    if (i0 < 0)
      state[last.n] = (int)(-1 - i0);
    if (i0 < 0)
      vec_push(g->a, &last, t);
    else
      vec_push(g->a, &out, t);
  }
  if (!out.n && !last.n)
    return;
  int nodes;
  Node **node = loop_nodes(g->g, s, &nodes);
  loop_live(s, node, nodes, live);
  name_operands(x.c, n);
  for (int i = 0; i < out.n + last.n; i++) {
    const Place *pl = i < out.n ? out.v[i].place : last.v[i - out.n].place;
    lower_mem(x.c, pl->buf, pl->base, true);
  }
  open_tasks(&x, ax, loop_tasks(g->g, s, live, ax));
  x.c->loop = &x;
  emit_loop(&x, s, n->in, &out, &last, state);
  lower_finish(x.c, poly_const(0));
}

// ---- planning

static void add_value(Prog *g, Inst *k, Node *n) {
  Info *f = info_of(g, n);
  Axis *inner = n->nax && !f->dest ? vector_axis(g, n, NULL) : NULL;
  if (inner == n->attr.scan->axis)
    inner = NULL;
  f->inst = k;
  f->place = f->dest ? f->dest : place_new(g, n, &inner, inner != NULL, k->prologue);
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
}

Inst *loop_plan(Prog *g, Node *n) {
  for (int i = 0; i < g->inst.n; i++)
    if (g->inst.v[i]->kind == IK_LOOP && loop_equals(g->inst.v[i]->root, n)) {
      add_value(g, g->inst.v[i], n);
      return g->inst.v[i];
    }
  Inst *k = inst_new(g, IK_LOOP, n);
  add_value(g, k, n);
  return k;
}

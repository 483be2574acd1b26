// Loops over the steps of a scan: see lower_loop.h.
#include "codegen/plan/lower_loop.h"
#include <string.h>

// ---- a step's results

static void put_result(LoopLower *x, const LoopRegion *r, const Result *t, const Coords *at,
                       LExpr *v) {
  Coords to = *at;
  if (t->stepped)
    coords_set(&to, r->s->axis, r->step);
  if (t->place)
    lower_store(x->c, t->place, &to, v, false);
  else
    loop_slot_store(x, &t->slot, &to, v);
}

static bool same_axes(const Node *a, const Node *b) {
  return axes_equal_sets(a->ax, a->nax, b->ax, b->nax);
}

static bool gives_state(const Results *all, const bool *done, int first) {
  for (int i = first; i < all->n; i++)
    if (!done[i] && all->v[i].next && same_axes(all->v[i].node, all->v[first].node))
      return true;
  return false;
}

// Results over the same axes share a nest, and what they have in common.
static void result_nest(LoopLower *x, const LoopRegion *r, const Results *all, bool *done,
                        int first) {
  const Node *n = all->v[first].node;
  Axis *ax[MAX_AXES];
  int nax = loop_own_axes(x, n->ax, n->nax, ax);
  Nest t = loop_open_nest(x, ax, nax, true);
  LExpr **v = NEWN(x->c->a, LExpr *, all->n);
  for (int i = first; i < all->n; i++)
    if (!done[i] && same_axes(all->v[i].node, n))
      v[i] = lower_settled(x->c, lower_value(x->c, all->v[i].node, &t.at).e);
  for (int i = first; i < all->n; i++)
    if (v[i]) {
      put_result(x, r, &all->v[i], &t.at, v[i]);
      done[i] = true;
    }
  loop_close_nest(x, &t);
}

// Those that give a state come last: it may be put where it was.  Sums over lanes have been put.
static void put_results(LoopLower *x, const LoopRegion *r, const Results *all) {
  bool *done = NEWN(x->c->a, bool, all->n + 1);
  for (int i = 0; i < all->n; i++)
    done[i] = all->v[i].slots != NULL;
  for (int states = 0; states < 2; states++)
    for (int i = 0; i < all->n; i++)
      if (!done[i] && (states || !gives_state(all, done, i)))
        result_nest(x, r, all, done, i);
}

// ---- states

static bool is_state_of(const LoopRegion *r, const Node *n) {
  for (int i = 0; i < r->s->nstate; i++)
    if (r->s->state[i] == n)
      return true;
  return false;
}

// Does n, which is derived in the last nest, read a state at other places than its own?  `seen` by id: 1, 2 were visited.
static bool reads_elsewhere(const LoopLower *x, const LoopRegion *r, const Node *n, bool mapped,
                            uint8_t *seen) {
  uint8_t bit = (uint8_t)(mapped ? 2 : 1);
  if (is_state_of(r, n))
    return mapped;
  if (seen[n->id] & bit || loop_slot_of(x, n))
    return false;
  seen[n->id] |= bit;
  mapped |= !(op_flags(n->op) & F_POINTWISE) && !is_outer(n);
  for (int i = 0; i < n->nin; i++)
    if (reads_elsewhere(x, r, n->in[i], mapped, seen))
      return true;
  return false;
}

// May all next states be put where the states are, in one nest?  What is in scratch was computed before.
static bool fits_in_place(const LoopLower *x, const LoopRegion *r) {
  const Scan *s = r->s;
  const Node *some = NULL;
  uint8_t *seen = NEWN(x->c->a, uint8_t, x->c->g->g->nodes.n + 1);
  for (int i = 0; i < s->nstate; i++) {
    if (!r->live[s->state[i]->id])
      continue;
    some = some ? some : s->state[i];
    if (!same_axes(some, s->state[i]) || !same_axes(some, s->next[i]) ||
        reads_elsewhere(x, r, s->next[i], false, seen))
      return false;
  }
  return true;
}

// Results of the same nest may read the states as well.
static bool others_fit(const LoopLower *x, const LoopRegion *r, const Results *out) {
  uint8_t *seen = NEWN(x->c->a, uint8_t, x->c->g->g->nodes.n + 1);
  for (int i = 0; i < out->n; i++)
    if (!out->v[i].slots && reads_elsewhere(x, r, out->v[i].node, false, seen))
      return false;
  return true;
}

static int like_memory(LoopLower *x, int mem) {
  const LMem *m = &x->c->k->mem.v[mem];
  return loop_scratch(x->c->a, x->c->k, "next", m->dtype, m->size);
}

static void first_states(LoopLower *x, LoopRegion *r) {
  for (int i = 0; i < r->s->nstate; i++) {
    const Node *n = r->s->state[i];
    if (!r->live[n->id])
      continue;
    Slot s = loop_scratch_slot(x, n, n->ax, n->nax, n->attr.name);
    r->now[i] = s.mem;
    Nest t = loop_open_nest(x, s.ax, s.nax, true);
    loop_slot_store(x, &s, &t.at, lower_settled(x->c, lower_value(x->c, r->in[i], &t.at).e));
    loop_close_nest(x, &t);
  }
}

// ---- what is held

// More than this in scratch would be read from farther away than memory that many tasks share.
enum { HELD_BYTES = 1 << 16 };

// Do the elements that are lanes lie apart, so that a vector is gathered at every step?
static bool is_strewn(LoopLower *x, Node *n) {
  Axis *own[MAX_AXES];
  Poly size = extents(own, loop_own_axes(x, n->ax, n->nax, own));
  int64_t count;
  return loop_unit_along(x->c->g, n, x->lane) < 0 && !loop_slot_of(x, n) &&
         poly_is_const(&size, &count) &&
         count * x->width * (int64_t)dtype_size(computed_dtype(n)) <= HELD_BYTES;
}

static void hold(LoopLower *x, Node *n) {
  Slot s = loop_scratch_slot(x, n, n->ax, n->nax, "held");
  Nest t = loop_open_nest(x, s.ax, s.nax, true);
  loop_slot_store(x, &s, &t.at, lower_settled(x->c, lower_value(x->c, n, &t.at).e));
  loop_close_nest(x, &t);
  vec_push(x->c->a, &x->slot, s);
}

// Of the loop of n; `live` by id.
static void hold_strewn(LoopLower *x, const Node *n, const bool *live) {
  const Scan *s = n->attr.scan;
  for (int i = 0; i < s->nheld; i++) {
    Node *held = n->in[s->nstate + s->nseen + i];
    if (live[s->held_leaf[i]->id] && node_has(held, x->lane) && is_strewn(x, held))
      hold(x, held);
  }
}

// Before the steps, the elements of lanes are put side by side.
static void hold_values(LoopLower *x, const LoopRegion *r) {
  if (!x->lane || r->up)
    return;
  hold_strewn(x, x->k->root, r->live);
  if (x->back)
    hold_strewn(x, x->back->loop, loop_pieces_live(x->c->g, x->back));
}

static void copy_state(LoopLower *x, const LoopRegion *r, int i) {
  Slot now = loop_state_slot(x, r, i, r->now[i]), next = loop_state_slot(x, r, i, r->next[i]);
  Nest t = loop_open_nest(x, now.ax, now.nax, true);
  loop_slot_store(x, &now, &t.at, loop_slot_load(x, &next, &t.at));
  loop_close_nest(x, &t);
}

// A next value that lacks axes of its state.
static void spread_state(LoopLower *x, const Slot *s, Node *n) {
  Nest t = loop_open_nest(x, s->ax, s->nax, true);
  loop_slot_store(x, s, &t.at, lower_settled(x->c, lower_value(x->c, n, &t.at).e));
  loop_close_nest(x, &t);
}

// Adds the next states to what a step gives.
static void add_states(LoopLower *x, LoopRegion *r, bool in_place, Results *all) {
  for (int i = 0; i < r->s->nstate; i++) {
    Node *n = r->s->next[i];
    if (!r->live[r->s->state[i]->id])
      continue;
    r->next[i] = in_place ? r->now[i] : like_memory(x, r->now[i]);
    Slot s = loop_state_slot(x, r, i, r->next[i]);
    if (same_axes(n, r->s->state[i])) {
      Result t = {.node = n, .slot = s, .next = true};
      vec_push(x->c->a, all, t);
    } else {
      spread_state(x, &s, n);
    }
  }
}

// What a step gives, and the states as the next one finds them.
static void end_step(LoopLower *x, LoopRegion *r, const Results *out) {
  Results all = {0};
  bool in_place = fits_in_place(x, r) && others_fit(x, r, out);
  for (int i = 0; i < out->n; i++)
    vec_push(x->c->a, &all, out->v[i]);
  add_states(x, r, in_place, &all);
  put_results(x, r, &all);
  for (int i = 0; i < r->s->nstate && !in_place; i++)
    if (r->live[r->s->state[i]->id])
      copy_state(x, r, i);
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
  Slot now = loop_state_slot(x, r, i, r->now[i]);
  Nest t = loop_open_nest(x, now.ax, now.nax, true);
  put_result(x, r, to, &t.at, lower_settled(x->c, loop_slot_load(x, &now, &t.at)));
  loop_close_nest(x, &t);
}

static LExpr *step_of(LoopLower *x, const LoopRegion *r, LExpr *count) {
  Poly minus = poly_const(-1);
  if (!r->s->reverse)
    return count;
  return llinear(x->c, &count, &minus, 1, poly_sub(r->s->axis->extent, poly_const(1)));
}

void loop_step(LoopLower *x, LoopRegion *r, LExpr *count, const Results *out) {
  int slots = x->slot.n;
  r->depth = x->c->scope.n - 1;
  r->step = step_of(x, r, count);
  loop_store_values(x, r);
  end_step(x, r, out);
  x->slot.n = slots;
}

static void run_all(LoopLower *x, LoopRegion *r, const Results *out) {
  Lower *c = x->c;
  LStmt *f = lower_for(c, li(c, 0), lpoly(c, r->s->axis->extent), r->s->axis->extent, 0);
  loop_step(x, r, lvar(c, f->var), out);
  lower_end(c, f);
}

static void run_steps(LoopLower *x, LoopRegion *r, const Results *out) {
  if (x->forward && !r->up)
    loop_run_forward(x, r, out);
  else if (x->back && !r->up)
    loop_run_back(x, r, out);
  else
    run_all(x, r, out);
}

// Runs the loop of s over operands `in`; last[i]: where state i's last value goes, or NULL.
static void emit_loop(LoopLower *x, const Scan *s, Node *const *in, const Results *out,
                      const Results *last, const int *state) {
  Lower *c = x->c;
  LoopRegion r = {.up = x->region, .s = s, .in = in, .depth = c->scope.n - 1};
  Node **wanted = NEWN(c->a, Node *, s->nstate + 1);
  for (int i = 0; i < last->n; i++)
    wanted[state[i]] = s->state[state[i]];
  for (int i = 0; x->forward && !r.up && i < s->nstate; i++)
    wanted[i] = x->forward->kept[i] ? s->state[i] : wanted[i];
  find_live(x, &r, out, wanted, s->nstate);
  r.now = NEWN(c->a, int, s->nstate + 1);
  r.next = NEWN(c->a, int, s->nstate + 1);
  first_states(x, &r);
  x->region = &r;
  hold_values(x, &r);
  run_steps(x, &r, out);
  r.depth = c->scope.n - 1;
  for (int i = 0; i < last->n; i++)
    give_last(x, &r, state[i], &last->v[i]);
  x->region = r.up;
}

// ---- a loop in a loop: all its values, into scratch

void loop_nest(LoopLower *x, Node *n) {
  Lower *c = x->c;
  LoopRegion *r = x->region;
  Results out = {0}, last = {0};
  int *state = NEWN(c->a, int, n->attr.scan->nstate + 1);
  for (int i = 0; i < r->nnode; i++) {
    Node *m = r->node[i];
    if (!r->live[m->id] || !loop_equals(m, n))
      continue;
    int64_t i0 = m->attr.i0;
    Slot s = loop_scratch_slot(x, m, m->ax, m->nax, "loop");
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

Axis *loop_lane(Prog *g, const Node *n, Axis *const *ax, int nax) {
  Axis *best = NULL;
  int most = 0;
  for (int i = 0; i < nax; i++) {
    int votes = 0;
    int64_t e;
    for (int k = 0; k < n->nin; k++)
      if (node_has(n->in[k], ax[i]))
        votes += loop_unit_along(g, n->in[k], ax[i]);
    if (votes > most && extent_is(ax[i], &e) && e > 1) {
      most = votes;
      best = ax[i];
    }
  }
  return best;
}

static void choose_lane(LoopLower *x, Axis *const *ax, int n, const bool *live) {
  bool none = x->rows || (x->back && !x->back->lane);
  x->width = x->c->g->p->o.vector_floats * 4;
  x->vec = 2;
  x->lane = none ? NULL : loop_lane(x->c->g, x->k->root, ax, n);
  if (!none && !x->lane)
    x->lane = loop_sums_lane(x, ax, n, live);
}

static void open_tasks(LoopLower *x, Axis *const *ax, int n, const bool *live) {
  Lower *c = x->c;
  loop_rows_open(x, ax, n);
  choose_lane(x, ax, n, live);
  for (int i = 0; i < n; i++)
    if (ax[i] != x->lane && ax[i] != x->rows)
      x->task[x->ntask++] = ax[i];
  lower_unflatten(c, lvar(c, lower_grid(c, extents(x->task, x->ntask), 1)), x->task, x->ntask,
                  &x->at);
  if (!x->lane)
    return;
  x->block = lvar(c, lower_grid(c, x->lane->extent, x->width));
  x->lane_lo = liop(c, L_IMUL, x->block, li(c, x->width));
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

// The values that somebody reads, and what they are of the region; state: of which the lasts are.
typedef struct LoopWanted {
  Results out, last;
  int *state;
  bool *live; // by id
} LoopWanted;

static void want_value(Prog *g, LoopWanted *w, const Member *m) {
  const Scan *s = m->node->attr.scan;
  int64_t i0 = m->node->attr.i0;
  Result t = {.node = i0 < 0 ? m->node : s->out[i0],
              .value = m->node,
              .place = m->place,
              .stepped = i0 >= 0};
  w->live[i0 < 0 ? s->state[-1 - i0]->id : s->out[i0]->id] = true;
  if (i0 >= 0) {
    vec_push(g->a, &w->out, t);
    return;
  }
  w->state[w->last.n] = (int)(-1 - i0);
  vec_push(g->a, &w->last, t);
}

static LoopWanted wanted_values(Prog *g, const Inst *k) {
  const Scan *s = k->root->attr.scan;
  LoopWanted w = {.state = NEWN(g->a, int, s->nstate + 1),
                  .live = NEWN(g->a, bool, g->g->nodes.n + 1)};
  int n;
  Node **nodes = loop_nodes(g->g, s, &n);
  for (int i = 0; i < k->m.n; i++)
    if (info_of(g, k->m.v[i].node)->needed)
      want_value(g, &w, &k->m.v[i]);
  const LoopPieces *p = loop_pieces_of(g, k->root);
  for (int i = 0; p && i < s->nstate; i++)
    w.live[s->state[i]->id] |= p->kept[i];
  loop_live(s, nodes, n, w.live);
  return w;
}

static void name_results(Lower *c, const Results *v) {
  for (int i = 0; i < v->n; i++)
    if (v->v[i].slots)
      lower_mem(c, v->v[i].slots->buf, poly_const(0), true);
    else
      lower_mem(c, v->v[i].place->buf, v->v[i].place->base, true);
}

static Poly plus(Poly a, Poly b) {
  return poly_add_fits(&a, &b) ? poly_add(a, b) : a;
}

// Of the products of a step, all steps together; not counted where that is no polynomial.
static Poly loop_flops(Prog *g, const Scan *s, const bool *live) {
  Poly sum = {0};
  int n;
  Node **nodes = loop_nodes(g->g, s, &n);
  for (int i = 0; i < n; i++) {
    const Node *x = nodes[i];
    Poly p = poly_scale(s->axis->extent, 2);
    bool fits = x->op == OP_CONTRACT && x->attr.naxes && live[x->id];
    for (int k = 0; fits && k < x->nax + x->attr.naxes; k++) {
      const Axis *a = k < x->nax ? x->ax[k] : x->attr.axes[k - x->nax];
      fits = poly_mul_fits(&p, &a->extent);
      p = fits ? poly_mul(p, a->extent) : p;
    }
    sum = fits ? plus(sum, p) : sum;
  }
  return sum;
}

void lower_loop(Prog *g, Inst *k) {
  Node *n = k->root;
  LoopWanted w = wanted_values(g, k);
  LoopLower x = {.k = k, .forward = loop_pieces_of(g, n), .back = loop_pieces_behind(g, n)};
  Axis *ax[MAX_AXES];
  if (!w.out.n && !w.last.n && !x.forward)
    return;
  x.c = lower_new(g, k, inst_label(g, k));
  name_operands(x.c, n);
  loop_pieces_name(&x);
  loop_rows_name(&x);
  int tasks = loop_pieces_tasks(&x, ax, loop_tasks(g->g, n->attr.scan, w.live, ax));
  open_tasks(&x, ax, tasks, w.live);
  loop_sums_place(&x, &w.out);
  name_results(x.c, &w.out);
  name_results(x.c, &w.last);
  loop_pieces_place(&x);
  x.c->loop = &x;
  emit_loop(&x, n->attr.scan, n->in, &w.out, &w.last, w.state);
  Poly flops = loop_flops(g, n->attr.scan, w.live);
  if (x.back)
    flops = plus(flops, loop_flops(g, x.back->loop->attr.scan, loop_pieces_live(g, x.back)));
  lower_finish(x.c, flops);
  loop_sums_add(&x);
}

// ---- planning

Axis *loop_value_inner(Prog *g, Node *n) {
  Axis *inner = n->nax ? vector_axis(g, n, NULL) : NULL;
  return inner == n->attr.scan->axis ? NULL : inner;
}

static void add_value(Prog *g, Inst *k, Node *n) {
  Info *f = info_of(g, n);
  Axis *inner = f->dest ? NULL : loop_value_inner(g, n);
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
  LoopRows rows = loop_rows_plan(g, n);
  Inst *k = inst_new(g, IK_LOOP, n);
  k->rows = rows;
  add_value(g, k, n);
  return k;
}

// Loops that go over their steps in pieces: see lower_loop.h.
//
// A gradient's loop sees the states of another one, last step first.  Where states are much more than what that loop reads
// and gives besides, no more of them is stored than those at the start of each piece of K steps.  The gradient's loop
// takes the pieces from the last one, computes the states of a piece again, into scratch, and goes back through them.  They are the
// same values, since the same is done with the same.  What is stored is L / K states in the place of L; the price is the
// states' part of the forward loop, once more.
#include "codegen/plan/lower_loop.h"
#include <string.h>

// Steps of a piece: as many as bring what is stored down to what the loop reads and gives besides.  With fewer the first
// states of pieces would count; more are no longer in the cache.
enum { LEAST_STEPS = 16, MOST_STEPS = 64 };
// All states of all steps, where that is known to be no more bytes, stay in the cache.
enum { FEW_BYTES = 1 << 20 };

// ---- which

// The number of the state that the value is, before each step; -1: it is another value.
static int state_of(const Node *n) {
  const Scan *s = n->attr.scan;
  for (int i = 0; n->attr.i0 >= 0 && i < s->nstate; i++)
    if (s->state[i] == s->out[n->attr.i0])
      return i;
  return -1;
}

LoopPieces *loop_pieces_of(const Prog *g, const Node *n) {
  for (int i = 0; i < g->pieces.n; i++)
    if (loop_equals(g->pieces.v[i]->loop, n))
      return g->pieces.v[i];
  return NULL;
}

bool loop_is_replayed(const Prog *g, const Node *n) {
  const LoopPieces *p = n->op == OP_LOOP ? loop_pieces_of(g, n) : NULL;
  int i = p ? state_of(n) : -1;
  return i >= 0 && p->seen[i];
}

const LoopPieces *loop_pieces_behind(const Prog *g, const Node *n) {
  for (int i = 0; i < n->nin; i++)
    if (loop_is_replayed(g, n->in[i]))
      return loop_pieces_of(g, n->in[i]);
  return NULL;
}

// Does the loop u take x as what it sees at each step, from the last one on, and as nothing else?
static bool sees_back(const Prog *g, const Node *u, const Node *x) {
  const Scan *s = u->op == OP_LOOP ? u->attr.scan : NULL, *of = x->attr.scan;
  if (!s || s->axis != of->axis || s->reverse == of->reverse || loop_pieces_of(g, u) ||
      loop_pieces_behind(g, u))
    return false;
  for (int i = 0; i < u->nin; i++)
    if (u->in[i] == x && (i < s->nstate || i >= s->nstate + s->nseen))
      return false;
  return true;
}

static bool only_seen_back(const Prog *g, const Node *n) {
  const Info *f = info_of(g, n);
  for (int i = 0; i < f->nuse; i++)
    if (!sees_back(g, f->use[i], n))
      return false;
  return !outputs_of(g, n);
}

static bool keep_axes(const Scan *s, const bool *live) {
  for (int i = 0; i < s->nstate; i++)
    if (live[i] &&
        !axes_equal_sets(s->state[i]->ax, s->state[i]->nax, s->next[i]->ax, s->next[i]->nax))
      return false;
  return true;
}

// Marks the states without which those that are seen could not go on.
static void need_states(Prog *g, LoopPieces *p) {
  const Scan *s = p->loop->attr.scan;
  int n;
  Node **nodes = loop_nodes(g->g, s, &n);
  bool *live = NEWN(g->a, bool, g->g->nodes.n + 1);
  for (int i = 0; i < s->nstate; i++)
    live[s->state[i]->id] = p->seen[i] != NULL;
  loop_live(s, nodes, n, live);
  for (int i = 0; i < s->nstate; i++)
    p->kept[i] = live[s->state[i]->id];
}

// ---- how many steps

static int64_t most_steps(const Prog *g, const LoopPieces *p) {
  return graph_bound(g->g, &p->loop->attr.scan->axis->extent);
}

// Are all steps one piece, whose first states are numbers?  Then none is stored.
static bool is_whole(const Prog *g, const LoopPieces *p) {
  int64_t steps = most_steps(g, p);
  bool whole = steps >= 0 && steps <= MOST_STEPS;
  for (int i = 0; i < p->loop->attr.scan->nstate; i++)
    whole &= !p->kept[i] || node_is_const(p->loop->in[i], NULL);
  return whole;
}

static bool is_short(const Prog *g, const LoopPieces *p) {
  const Scan *s = p->loop->attr.scan;
  int64_t steps = most_steps(g, p), bytes = 0;
  bool known = steps >= 0;
  for (int i = 0; i < s->nstate; i++) {
    Poly size = p->kept[i] ? extents(s->state[i]->ax, s->state[i]->nax) : poly_const(0);
    int64_t most = graph_bound(g->g, &size);
    known &= most >= 0;
    bytes += most * dtype_size((DType)s->state[i]->dtype);
  }
  return (steps >= 0 && steps <= 2 * p->steps && !p->whole) ||
         (known && bytes * steps <= FEW_BYTES);
}

static int64_t steps_by_size(const LoopSizes *size) {
  int64_t steps = LEAST_STEPS;
  while (steps < MOST_STEPS && (double)steps * size->others < size->states)
    steps *= 2;
  return steps;
}

// By PlanOptions, or by the sizes; 0: all states are stored.
static int64_t steps_of(const Prog *g, LoopPieces *p) {
  LoopSizes size = graph_loop_sizes(p->loop->attr.scan);
  if (g->p->o.scan_steps)
    return g->p->o.scan_steps < 0 ? 0 : g->p->o.scan_steps;
  p->whole = is_whole(g, p);
  p->steps = p->whole ? most_steps(g, p) : steps_by_size(&size);
  return !size.many || is_short(g, p) ? 0 : p->steps;
}

// ---- the pass

static LoopPieces *pieces_new(Prog *g, Node *n) {
  LoopPieces *p = NEW(g->a, LoopPieces);
  int states = n->attr.scan->nstate;
  p->loop = n;
  p->seen = NEWN(g->a, Node *, states + 1);
  p->kept = NEWN(g->a, bool, states + 1);
  p->place = NEWN(g->a, Place *, states + 1);
  return p;
}

// The states of n's loop that nothing but loops sees, which go back; false where the loop gives nothing besides, or none.
static bool find_seen(Prog *g, LoopPieces *p) {
  bool any = false, besides = false;
  for (int i = 0; i < g->nnode; i++) {
    Node *m = g->node[i];
    int state = loop_equals(m, p->loop) ? state_of(m) : -1;
    bool seen = state >= 0 && only_seen_back(g, m);
    any |= seen;
    if (seen)
      p->seen[state] = m;
    else
      besides |= loop_equals(m, p->loop);
  }
  return any && besides;
}

static void consider(Prog *g, Node *n) {
  LoopPieces *p = pieces_new(g, n);
  if (loop_pieces_of(g, n) || loop_pieces_behind(g, n) || !find_seen(g, p))
    return;
  need_states(g, p);
  p->steps = keep_axes(n->attr.scan, p->kept) ? steps_of(g, p) : 0;
  if (!p->steps)
    return;
  vec_push(g->a, &g->pieces, p);
  plan_remark(g->p, true, n->span,
              "states of the scan are stored every %d steps and computed again for the gradient",
              (int)p->steps);
}

void loop_pieces_mark(Prog *g) {
  for (int i = 0; i < g->nnode; i++)
    if (g->node[i]->op == OP_LOOP && state_of(g->node[i]) >= 0)
      consider(g, g->node[i]);
}

// ---- where

// First states of pieces, the piece being the place along the loop's axis.
static Place *first_states(Prog *g, const LoopPieces *p, const Node *state, Axis *lane) {
  Axis *step = p->loop->attr.scan->axis;
  bool has = lane && node_has(state, lane);
  Place *all = place_new_of(g, state, (DType)state->dtype, &lane, has, false),
        *pl = NEW(g->a, Place);
  Buf *b = &g->buf.v[all->buf];
  *pl = *all;
  pl->ax = NEWN(g->a, Axis *, all->nax + 1);
  pl->stride = NEWN(g->a, Poly, all->nax + 1);
  pl->nstep = NEWN(g->a, int64_t, all->nax + 1);
  memcpy(pl->ax, all->ax, (size_t)all->nax * sizeof *pl->ax);
  memcpy(pl->stride, all->stride, (size_t)all->nax * sizeof *pl->stride);
  pl->ax[pl->nax] = step;
  pl->stride[pl->nax++] = b->size;
  b->rows = step->extent;
  b->block = p->steps;
  b->name = arena_printf(g->a, "states of %s", state->attr.name);
  return pl;
}

void loop_pieces_place(LoopLower *x) {
  LoopPieces *p = x->forward;
  const Scan *s = p ? p->loop->attr.scan : NULL;
  if (p)
    p->lane = x->lane;
  for (int i = 0; p && i < s->nstate; i++) {
    if (!p->kept[i] || p->whole)
      continue;
    p->place[i] = first_states(x->c->g, p, s->state[i], x->lane);
    lower_mem(x->c, p->place[i]->buf, p->place[i]->base, true);
  }
}

void loop_pieces_name(LoopLower *x) {
  const LoopPieces *p = x->back;
  for (int i = 0; p && i < p->loop->attr.scan->nstate; i++)
    if (p->place[i])
      lower_mem(x->c, p->place[i]->buf, p->place[i]->base, false);
}

// Leaves those of the n axes along which the states of a piece can be computed again.
int loop_pieces_tasks(LoopLower *x, Axis **ax, int n) {
  const LoopPieces *p = x->back;
  Axis *of[MAX_AXES];
  int m = 0;
  if (!p)
    return n;
  int k = loop_tasks(x->c->g->g, p->loop->attr.scan, loop_pieces_live(x->c->g, p), of);
  for (int i = 0; i < n; i++)
    if (axis_in(of, k, ax[i]))
      ax[m++] = ax[i];
  return m;
}

bool *loop_pieces_live(Prog *g, const LoopPieces *p) {
  const Scan *s = p->loop->attr.scan;
  int n;
  Node **nodes = loop_nodes(g->g, s, &n);
  bool *live = NEWN(g->a, bool, g->g->nodes.n + 1);
  for (int i = 0; i < s->nstate; i++)
    live[s->state[i]->id] = p->kept[i];
  loop_live(s, nodes, n, live);
  return live;
}

// ---- the loops

static LExpr *sum2(Lower *c, LExpr *a, int64_t x, LExpr *b, int64_t y, int64_t base) {
  LExpr *v[2] = {a, b};
  Poly step[2] = {poly_const(x), poly_const(y)};
  return llinear(c, v, step, 2, poly_const(base));
}

static LExpr *plus(Lower *c, LExpr *a, int64_t base) {
  Poly one = poly_const(1);
  return llinear(c, &a, &one, 1, poly_const(base));
}

static LExpr *after(Lower *c, const LoopPieces *p, LExpr *lo) {
  LExpr *end = lpoly(c, p->loop->attr.scan->axis->extent);
  return liop(c, L_IMIN, liop(c, L_IADD, lo, li(c, p->steps)), end);
}

static void store_first(LoopLower *x, const LoopRegion *r, int i, LExpr *piece) {
  Slot now = loop_state_slot(x, r, i, r->now[i]);
  Nest t = loop_open_nest(x, now.ax, now.nax, true);
  Coords to = t.at;
  coords_set(&to, r->s->axis, piece);
  lower_store(x->c, x->forward->place[i], &to, lower_settled(x->c, loop_slot_load(x, &now, &t.at)),
              false);
  loop_close_nest(x, &t);
}

void loop_run_forward(LoopLower *x, LoopRegion *r, const Results *out) {
  Lower *c = x->c;
  const LoopPieces *p = x->forward;
  Poly steps = r->s->axis->extent;
  LStmt *pieces = lower_for(c, li(c, 0), lower_slots(c, steps, p->steps), (Poly){0}, 0);
  r->depth = c->scope.n - 1;
  for (int i = 0; i < r->s->nstate; i++)
    if (p->place[i])
      store_first(x, r, i, lvar(c, pieces->var));
  LStmt *f = lower_block(c, pieces->var, p->steps, steps, 0);
  loop_step(x, r, lvar(c, f->var), out);
  lower_end(c, f);
  lower_end(c, pieces);
}

// ---- the states of a piece again

typedef struct PieceAgain { // scratch for a piece's states
  Slot *slot;               // by state
  LExpr *lo, *hi;           // the piece's steps, as the forward loop counts them
} PieceAgain;

// The slot's first axis is the place in the piece; the last one lies as it would in memory.
static void again_slot(LoopLower *x, LoopRegion *r, int i, Slot *out) {
  const Node *state = x->back->loop->attr.scan->state[i];
  Axis *ax[MAX_AXES + 1] = {x->within}, *inner = loop_value_inner(x->c->g, x->back->seen[i]);
  int n = 1;
  for (int k = 0; k < state->nax; k++)
    if (state->ax[k] != inner)
      ax[n++] = state->ax[k];
  if (inner)
    ax[n++] = inner;
  *out = loop_scratch_slot(x, state, ax, n, "again");
  out->home = r;
}

static LExpr *first_value(LoopLower *x, const LoopPieces *p, int i, const Coords *at,
                          LExpr *piece) {
  Coords from = *at;
  if (!p->place[i])
    return lower_value(x->c, p->loop->in[i], at).e;
  coords_set(&from, p->loop->attr.scan->axis, piece);
  return lower_load(x->c, p->place[i], &from);
}

static void load_first(LoopLower *x, LoopRegion *f, const PieceAgain *t, int i, LExpr *piece) {
  const LoopPieces *p = x->back;
  const Node *state = f->s->state[i];
  Slot now = loop_scratch_slot(x, state, state->ax, state->nax, state->attr.name);
  f->now[i] = now.mem;
  Nest nest = loop_open_nest(x, now.ax, now.nax, true);
  LExpr *v = lower_settled(x->c, first_value(x, p, i, &nest.at, piece));
  loop_slot_store(x, &now, &nest.at, v);
  if (p->seen[i])
    loop_slot_store(x, &t->slot[i], &nest.at, v);
  loop_close_nest(x, &nest);
}

static LoopRegion region_again(LoopLower *x) {
  Lower *c = x->c;
  const LoopPieces *p = x->back;
  const Scan *s = p->loop->attr.scan;
  LoopRegion f = {.s = s, .in = p->loop->in, .depth = c->scope.n - 1};
  f.node = loop_nodes(c->g->g, s, &f.nnode);
  f.live = loop_pieces_live(c->g, p);
  f.now = NEWN(c->a, int, s->nstate + 1);
  f.next = NEWN(c->a, int, s->nstate + 1);
  return f;
}

// The states behind all steps of the piece but its last one.
static void run_again(LoopLower *x, LoopRegion *f, const PieceAgain *t) {
  Lower *c = x->c;
  Results out = {0};
  for (int i = 0; i < f->s->nstate; i++)
    if (x->back->seen[i])
      vec_push(c->a, &out, ((Result){.node = f->s->next[i], .slot = t->slot[i]}));
  LStmt *again = lower_for(c, t->lo, plus(c, t->hi, -1), f->s->axis->extent, 0);
  coords_set(&x->at, x->within, sum2(c, lvar(c, again->var), 1, t->lo, -1, 1));
  loop_step(x, f, lvar(c, again->var), &out);
  lower_end(c, again);
}

static void compute_again(LoopLower *x, const PieceAgain *t, LExpr *piece) {
  LoopRegion f = region_again(x), *outer = x->region;
  x->region = &f;
  x->again = true;
  coords_set(&x->at, x->within, li(x->c, 0));
  for (int i = 0; i < f.s->nstate; i++)
    if (x->back->kept[i])
      load_first(x, &f, t, i, piece);
  run_again(x, &f, t);
  x->again = false;
  x->region = outer;
}

static void run_back(LoopLower *x, LoopRegion *r, const PieceAgain *t, const Results *out) {
  Lower *c = x->c;
  const LoopPieces *p = x->back;
  int slots = x->slot.n;
  for (int i = 0; i < p->loop->attr.scan->nstate; i++)
    if (p->seen[i])
      vec_push(c->a, &x->slot, t->slot[i]);
  LStmt *f = lower_for(c, li(c, 0), sum2(c, t->hi, 1, t->lo, -1, 0), x->within->extent, 0);
  LExpr *at = sum2(c, t->hi, 1, lvar(c, f->var), -1, -1);
  coords_set(&x->at, x->within, sum2(c, at, 1, t->lo, -1, 0));
  Poly minus = poly_const(-1);
  loop_step(x, r, llinear(c, &at, &minus, 1, poly_sub(r->s->axis->extent, poly_const(1))), out);
  lower_end(c, f);
  x->slot.n = slots;
}

void loop_run_back(LoopLower *x, LoopRegion *r, const Results *out) {
  Lower *c = x->c;
  const LoopPieces *p = x->back;
  const Scan *s = p->loop->attr.scan;
  LExpr *count = lower_slots(c, s->axis->extent, p->steps);
  PieceAgain t = {.slot = NEWN(c->a, Slot, s->nstate + 1)};
  x->within = graph_fresh_axis(c->g->g, "within", poly_const(p->steps));
  LStmt *pieces = lower_for(c, li(c, 0), count, (Poly){0}, 0);
  LExpr *piece = sum2(c, count, 1, lvar(c, pieces->var), -1, -1);
  t.lo = liop(c, L_IMUL, piece, li(c, p->steps));
  t.hi = after(c, p, t.lo);
  r->depth = c->scope.n - 1;
  for (int i = 0; i < s->nstate; i++)
    if (p->seen[i])
      again_slot(x, r, i, &t.slot[i]);
  compute_again(x, &t, piece);
  run_back(x, r, &t, out);
  lower_end(c, pieces);
}

// Sums over the lanes' axis that a step gives: see lower_loop.h.
//
// What all features share, as b and c of h = a h + x b, y = c h, has as gradient a sum over features at each step.  Nothing in
// the loop reads it, so a task can be a block of features all the same: it gives the sum over its own, and a kernel after
// the loop adds those up, in order.
#include "codegen/plan/lower_loop.h"

// ---- which

typedef struct LaneChoice {
  Axis *const *task; // n axes that tasks have places of besides
  int n;
  const Axis *lane;
} LaneChoice;

// Elements of x that one task gives; -1: that is not known.
static int64_t elements(const Node *x, const LaneChoice *c) {
  Poly size = poly_const(1);
  int64_t count;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != c->lane && !axis_in(c->task, c->n, x->ax[i]))
      size = poly_mul(size, x->ax[i]->extent);
  return poly_is_const(&size, &count) ? count : -1;
}

// A block's sums take no more memory than what the loop reads of its features.
static bool sums_are_small(const LoopLower *x, const LaneChoice *c, const bool *live) {
  const Scan *s = x->k->root->attr.scan;
  for (int i = 0; i < s->nout; i++) {
    if (!live[s->out[i]->id] || node_has(s->out[i], c->lane))
      continue;
    int64_t count = elements(s->out[i], c);
    if (count < 0 || count > x->width)
      return false;
  }
  return true;
}

Axis *loop_sums_lane(LoopLower *x, Axis *const *task, int n, const bool *live) {
  Axis *ax[MAX_AXES];
  int k = loop_summed_tasks(x->c->g->g, x->k->root->attr.scan, live, ax);
  Axis *lane = loop_lane(x->c->g, x->k->root, ax, loop_pieces_tasks(x, ax, k));
  LaneChoice c = {task, n, lane};
  int64_t e;
  return lane && extent_is(lane, &e) && e > x->width && sums_are_small(x, &c, live) ? lane : NULL;
}

// ---- where

// The axes of a result, that along which its elements lie side by side as the last one.
static int ordered(Prog *g, Node *n, Axis **out) {
  Axis *inner = loop_value_inner(g, n);
  int k = 0;
  for (int i = 0; i < n->nax; i++)
    if (n->ax[i] != inner)
      out[k++] = n->ax[i];
  if (inner)
    out[k++] = inner;
  return k;
}

static Place *slots_new(LoopLower *x, const Result *r) {
  Prog *g = x->c->g;
  Axis *ax[MAX_AXES];
  int n = ordered(g, r->value, ax);
  DType t = computed_dtype(r->node);
  Place *pl = place_dense(
      g, buf_add(g, x->k->prologue ? BIGS_KEPT : BIGS_ARENA, t, extents(ax, n), "partial sums"), t,
      ax, n);
  g->buf.v[pl->buf].rows = x->lane->extent;
  g->buf.v[pl->buf].block = x->width;
  return pl;
}

void loop_sums_place(LoopLower *x, Results *out) {
  Prog *g = x->c->g;
  bool any = false;
  x->out = out;
  for (int i = 0; i < out->n && x->lane; i++)
    if (!node_has(out->v[i].node, x->lane)) {
      out->v[i].slots = slots_new(x, &out->v[i]);
      any = true;
    }
  if (any)
    plan_remark(g->p, true, x->k->root->span,
                "tasks of the scan have %d of %s, and sums over it are added up afterwards",
                (int)x->width, x->lane->name);
}

const Result *loop_sums_given(const LoopLower *x, const Node *n) {
  for (int i = 0; i < x->out->n; i++)
    if (x->out->v[i].slots && x->out->v[i].node == n)
      return &x->out->v[i];
  return NULL;
}

void loop_sums_store(LoopLower *x, const Result *r, const Coords *at, LExpr *v) {
  Lower *c = x->c;
  const Place *pl = r->slots;
  Coords to = *at;
  coords_set(&to, x->region->s->axis, x->region->step);
  LExpr *before = liop(c, L_IMUL, x->block, lpoly(c, c->g->buf.v[pl->buf].size)),
        *index = liop(c, L_IADD, before, place_index(c, pl, &to));
  lower_emit(c, ls_store(c->a, lower_mem(c, pl->buf, poly_const(0), true), index, v));
}

// ---- afterwards

static void add_up(LoopLower *x, const Result *r) {
  Prog *g = x->c->g;
  Axis **ax = NEWN(g->a, Axis *, MAX_AXES);
  Inst *fin = NEW(g->a, Inst);
  *fin = (Inst){.kind = IK_FINISH, .prologue = x->k->prologue, .root = r->value, .col = ax};
  fin->ncol = ordered(g, r->value, ax);
  Member m = {.node = r->value, .place = (Place *)r->place, .slots = r->slots};
  vec_push(g->a, &fin->m, m);
  lower_finish_slots(g, fin);
}

void loop_sums_add(LoopLower *x) {
  for (int i = 0; i < x->out->n; i++)
    if (x->out->v[i].slots)
      add_up(x, &x->out->v[i]);
}

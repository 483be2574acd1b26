// Which inputs index rows, and of how many; which sizes a program needs; which counts and positions
// an i32 holds.  The runtime checks them before a program runs, so that kernels need not.
#include "codegen/plan/plan_internal.h"

// Whose values `n` holds, in whatever order.
static const Node *source_of(const Node *n) {
  while ((n->op == OP_CAST && n->in[0]->dtype != DT_BOOL && n->dtype != DT_BOOL) ||
         op_flags(n->op) & F_INDEX)
    n = n->in[0];
  return n;
}

// The input among whose values n's are; NULL when they are computed.
static const Node *values_of(const Node *n) {
  const Node *from = source_of(n);
  return from->op == OP_INPUT ? from : NULL;
}

bool index_is_computed(const Node *n) {
  const Node *from = source_of(n);
  return from->op != OP_INPUT && from->op != OP_IOTA;
}

// The stricter of two limits where that can be told, else the older.
static void lower_limit(Poly *limit, const Poly *extent) {
  int64_t old, now;
  if (!limit->n || (poly_is_const(limit, &old) && poly_is_const(extent, &now) && now < old))
    *limit = *extent;
}

void input_limits(const Planner *p, BigsTensor *input) {
  for (int i = 0; i < p->progs.n; i++)
    for (int k = 0; k < p->progs.v[i]->nnode; k++) {
      const Node *n = p->progs.v[i]->node[k], *in = n->op == OP_GATHER ? values_of(n->in[1]) : NULL;
      for (int j = 0; in && j < p->g->inputs.n; j++)
        if (p->g->inputs.v[j]->node == in)
          lower_limit(&input[j].limit, &n->attr.axis->extent);
    }
}

typedef VEC(BigsLimit) Limits;

static void add_limit(Planner *p, Limits *limits, int32_t input, const Poly *extent) {
  for (int i = 0; i < limits->n; i++)
    if (limits->v[i].input == input && poly_eq(&limits->v[i].limit, extent))
      return;
  vec_push(p->a, limits, (BigsLimit){.input = input, .limit = *extent});
}

void program_limits(Planner *p, const Prog *g, BigsProgram *out) {
  Limits limits = {0};
  for (int k = 0; k < g->nnode; k++) {
    const Node *n = g->node[k], *in = n->op == OP_GATHER ? values_of(n->in[1]) : NULL;
    for (int32_t j = 0; in && j < out->ninput; j++)
      if (p->g->inputs.v[out->input[j]]->node == in)
        add_limit(p, &limits, j, &n->attr.axis->extent);
  }
  out->limit = limits.v;
  out->nlimit = limits.n;
}

// ---- sizes

static const char *room_text(Arena *a, const Axis *ax, const Poly *needs) {
  int64_t c;
  return poly_is_const(needs, &c)
             ? arena_printf(a, "`%s` must be at least %lld for what is taken of it", ax->name,
                            (long long)c)
             : arena_printf(a, "`%s` is too short for what is taken of it", ax->name);
}

typedef VEC(BigsRoom) Rooms;

static void need_room(Planner *p, Rooms *rooms, const Poly *room, const char *text, const Node *n) {
  if (size_least(&p->g->syms, room) < 0)
    vec_push(p->a, rooms, (BigsRoom){*room, text, node_source(p->a, n)});
}

// What an axis has at least: declared dims an element, others not fewer than none.
static void axis_rooms(Planner *p, Rooms *rooms, bool *seen, Axis *const *ax, int n,
                       const Node *at) {
  for (int i = 0; i < n; i++) {
    const Axis *a = ax[i];
    if (seen[a->id])
      continue;
    seen[a->id] = true;
    Poly room = poly_sub(a->extent, poly_const(axis_least(a)));
    if (size_least(&p->g->syms, &room) < 0)
      need_room(p, rooms, &room, axis_need(p->a, p->g, a), at);
  }
}

static void all_axes(Planner *p, Rooms *rooms, const Prog *g, bool declared) {
  bool *seen = NEWN(p->a, bool, p->g->axes.n + 1);
  for (int i = 0; i < p->g->axes.n; i++)
    seen[i] = (p->g->axes.v[i]->dim != NULL) != declared;
  for (int i = 0; i < g->nout; i++)
    axis_rooms(p, rooms, seen, g->outs[i].ax, g->outs[i].nax, g->outs[i].node);
  for (int i = 0; i < g->nnode; i++)
    axis_rooms(p, rooms, seen, g->node[i]->ax, g->node[i]->nax, g->node[i]);
}

// An INDEX or SLICE of an axis whose length is known when it is called only.
static void slice_rooms(Planner *p, Rooms *rooms, const Node *n) {
  Poly end = n->op == OP_INDEX ? poly_add(n->attr.lo, poly_const(1)) : n->attr.hi;
  Poly room = poly_sub(n->attr.axis->extent, end);
  need_room(p, rooms, &room, room_text(p->a, n->attr.axis, &end), n);
  need_room(p, rooms, &n->attr.lo,
            arena_printf(p->a, "`%s` is too short for what is taken of it", n->attr.axis->name), n);
}

// A slice whose length is known when it is called only may have no element, but not fewer.
static void length_rooms(Planner *p, Rooms *rooms, const Node *n) {
  Poly room = n->op == OP_SLICE
                  ? n->attr.axis2->extent
                  : poly_sub(poly_sub(n->attr.axis2->extent, n->attr.lo), n->attr.axis->extent);
  const char *text = n->op == OP_SLICE ? "`%s` is too short for what is taken of it"
                                       : "`%s` is too long for what it is put into";
  need_room(p, rooms, &room, arena_printf(p->a, text, n->attr.axis->name), n);
}

bool may_be_empty(const Graph *g, const Axis *a) {
  return size_least(&g->syms, &a->extent) < 1;
}

// What has no value for nothing.
static void filled_rooms(Planner *p, Rooms *rooms, const Node *n) {
  int count;
  Axis *const *ax = node_filled(n, &count);
  for (int i = 0; i < count; i++) {
    Poly room = poly_sub(ax[i]->extent, poly_const(1));
    need_room(p, rooms, &room, arena_printf(p->a, "nothing is left of `%s`", ax[i]->name), n);
  }
}

// No more are taken of an order than there are.
static void order_rooms(Planner *p, Rooms *rooms, const Node *n) {
  Poly room = poly_sub(n->attr.axis->extent, n->attr.axis2->extent);
  need_room(p, rooms, &room,
            arena_printf(p->a, "`%s` has fewer elements than `%s`", n->attr.axis->name,
                         n->attr.axis2->name),
            n);
}

// ---- counts and positions in i32

static bool times(Poly *most, const Poly *n) {
  bool fits = poly_mul_fits(most, n);
  if (fits)
    *most = poly_mul(*most, *n);
  return fits;
}

static bool times_extents(Poly *most, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    if (!times(most, &ax[i]->extent))
      return false;
  return true;
}

static bool largest_count(const Node *n, int depth, Poly *most);

// Arithmetic on constants alone counts nothing; it wraps.
static bool constants(const Node *n) {
  return n->in[0]->op == OP_CONST && n->in[1]->op == OP_CONST;
}

static bool product_of_counts(const Node *n, int depth, Poly *most) {
  Poly other;
  return !constants(n) && largest_count(n->in[0], depth, most) &&
         largest_count(n->in[1], depth, &other) && times(most, &other);
}

static bool sum_of_counts(const Node *n, int depth, Poly *most) {
  Poly other;
  if (constants(n) || !largest_count(n->in[0], depth, most) ||
      !largest_count(n->in[1], depth, &other) || !poly_add_fits(most, &other))
    return false;
  *most = poly_add(*most, other);
  return true;
}

static bool constant_count(const Node *n, Poly *most) {
  *most = poly_const((int64_t)n->attr.num);
  return n->attr.num >= 0;
}

// Whether n counts elements or is made of such counts and sizes, and the most it can be.
static bool largest_count(const Node *n, int depth, Poly *most) {
  enum { DEEPEST = 8 };
  *most = poly_const(1);
  if (n->dtype != DT_I32 || depth > DEEPEST)
    return false;
  if (op_flags(n->op) & F_INDEX || n->op == OP_RMAX || n->op == OP_RMIN)
    return largest_count(n->in[0], depth + 1, most);
  switch (n->op) {
  case OP_CAST: return n->in[0]->dtype == DT_BOOL;
  case OP_EXTENT: *most = n->attr.lo; return true;
  case OP_CONST: return constant_count(n, most);
  case OP_ADD: return sum_of_counts(n, depth + 1, most);
  case OP_MUL: return product_of_counts(n, depth + 1, most);
  case OP_SUM:
    return largest_count(n->in[0], depth + 1, most) &&
           times_extents(most, n->attr.axes, n->attr.naxes);
  case OP_CONTRACT:
    return product_of_counts(n, depth + 1, most) &&
           times_extents(most, n->attr.axes, n->attr.naxes);
  default: return false;
  }
}

// The axis along which n makes or compares positions.
static const Axis *axis_of_positions(const Node *n) {
  switch (n->op) {
  case OP_IOTA:
  case OP_ARGMAX:
  case OP_ARGSORT:
  case OP_CONCAT:
  case OP_SCATTER: return n->attr.axis;
  case OP_WINDOW:
  case OP_PAD: return n->attr.axis2;
  default: return NULL;
  }
}

static Poly size_apart(Poly p) {
  int64_t c;
  return poly_is_const(&p, &c) && c < 0 ? poly_scale(p, -1) : p;
}

// How far from 0 the places are that a window reads.
static bool window_most(const Node *n, Poly *most) {
  const Attr *t = &n->attr;
  Poly inner = size_apart(t->hi), first = size_apart(t->lo);
  *most = poly_scale(t->axis2->extent, t->i0);
  if (!times(&inner, &t->axes[0]->extent) || !poly_add_fits(most, &inner))
    return false;
  *most = poly_add(*most, inner);
  if (!poly_add_fits(most, &first))
    return false;
  *most = poly_add(*most, first);
  return true;
}

const char *i32_room(Arena *a, const Node *n, Poly *room) {
  const Axis *ax = axis_of_positions(n);
  Poly most;
  bool counts = n->op == OP_EXTENT || n->op == OP_SUM || n->op == OP_CONTRACT || n->op == OP_MUL ||
                n->op == OP_ADD;
  if (!ax && (!counts || !largest_count(n, 0, &most)))
    return NULL;
  if (ax)
    most = ax->extent;
  if (n->op == OP_WINDOW && !window_most(n, &most))
    return NULL;
  *room = poly_sub(poly_const(INT32_MAX), most);
  return ax ? arena_printf(a, "`%s` has more than 2147483647 elements, and positions are i32",
                           ax->name)
         : n->op == OP_EXTENT ? "a size is more than 2147483647, and is used as i32"
                              : "what is counted may be more than 2147483647, and counts are i32";
}

// ---- all of a program's

// Sorted ids and their keys are i32.
static void scatter_rooms(Planner *p, Rooms *rooms, const Node *n) {
  Poly ids, rows;
  if (is_one_hot(n) || !scatter_counts(n, &ids, &rows))
    return;
  ids = poly_sub(poly_const(INT32_MAX), ids);
  rows = poly_sub(poly_const(INT32_MAX - 1), rows);
  need_room(p, rooms, &ids, "more than 2147483647 places are indexed at once", n);
  need_room(p, rooms, &rows, "more than 2147483646 rows are indexed at once", n);
}

void program_rooms(Planner *p, const Prog *g, BigsProgram *out) {
  Rooms rooms = {0};
  all_axes(p, &rooms, g, true);
  for (int i = 0; i < g->nnode; i++) {
    const Node *n = g->node[i];
    Poly room;
    const char *text = i32_room(p->a, n, &room);
    if (text)
      need_room(p, &rooms, &room, text, n);
    if (n->op == OP_INDEX || n->op == OP_SLICE)
      slice_rooms(p, &rooms, n);
    if (n->op == OP_SLICE || n->op == OP_PAD)
      length_rooms(p, &rooms, n);
    if (n->op == OP_ARGSORT)
      order_rooms(p, &rooms, n);
    filled_rooms(p, &rooms, n);
    if (n->op == OP_SCATTER && p->o.on->sorts)
      scatter_rooms(p, &rooms, n);
  }
  all_axes(p, &rooms, g, false); // last: what made one says more
  out->room = rooms.v;
  out->nroom = rooms.n;
}

// The graph's tables: symbols, axes, and nodes, which are hash-consed.  The constructors of each op
// are in make.c.
#include "graph/op.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

// clang-format off
static const struct {
  const char *name;
  int arity, flags;
  ShapeRule *shape;
} ops[OP_COUNT] = {
#define OP(id, name, arity, flags, family) {name, arity, flags, id##_shape},
#include "graph/ops.def"
#undef OP
};
// clang-format on

const char *op_name(int op) {
  return ops[op].name;
}

int op_arity(int op) {
  return ops[op].arity;
}

int op_flags(int op) {
  return ops[op].flags;
}
Axis *const *node_filled(const Node *n, int *count) {
  const Attr *t = &n->attr;
  *count = !(op_flags(n->op) & F_FILLED) ? 0 : t->axis ? 1 : t->naxes;
  return t->axis ? (Axis *const *)&t->axis : (Axis *const *)t->axes;
}

// ---- graph, symbols, axes

Graph *graph_new(Arena *a, Intern *t) {
  Graph *g = NEW(a, Graph);
  g->arena = a;
  g->intern = t;
  g->by_hash.arena = a;
  return g;
}

int graph_sym(Graph *g, const char *name, int64_t bound) {
  name = intern(g->intern, name);
  for (int i = 0; i < g->syms.n; i++)
    if (g->syms.v[i].name == name)
      return i;
  if (g->syms.n == MAX_SYMS)
    BUG("more than %d run-time sizes", MAX_SYMS);
  vec_push(g->arena, &g->syms, (Sym){.name = name, .bound = bound});
  return g->syms.n - 1;
}

Axis *graph_axis(Graph *g, const char *name, int depth, Poly extent) {
  name = intern(g->intern, name);
  for (int i = 0; i < g->axes.n; i++) {
    Axis *a = g->axes.v[i];
    if (a->name == name && a->depth == depth && poly_eq(&a->extent, &extent))
      return a;
  }
  Axis *a = NEW(g->arena, Axis);
  *a = (Axis){.name = name, .depth = depth, .extent = extent, .id = g->axes.n};
  vec_push(g->arena, &g->axes, a);
  return a;
}

// Depth -1 is left to axes that passes intern themselves.
Axis *graph_fresh_axis(Graph *g, const char *name, Poly extent) {
  return graph_axis(g, name, -2 - g->axes.n, extent);
}

// ---- facts

bool axis_in(Axis *const *ax, int n, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (ax[i] == a)
      return true;
  return false;
}

const Axis *axis_before(const Node *n, const Axis *a) {
  for (int i = 0; n->op == OP_RENAME && i < n->attr.nmap; i++)
    if (n->attr.to[i] == a)
      return n->attr.from[i];
  return a;
}

int node_axis_index(const Node *n, const Axis *a) {
  for (int i = 0; i < n->nax; i++)
    if (n->ax[i] == a)
      return i;
  return -1;
}

bool node_has(const Node *n, const Axis *a) {
  return node_axis_index(n, a) >= 0;
}

bool axes_equal_sets(Axis *const *a, int na, Axis *const *b, int nb) {
  if (na != nb)
    return false;
  for (int i = 0; i < na; i++)
    if (!axis_in(b, nb, a[i]))
      return false;
  return true;
}

bool node_is_const(const Node *n, double *v) {
  if (n->op != OP_CONST)
    return false;
  if (v)
    *v = n->attr.num;
  return true;
}

// ---- shape rules' helpers

void shape_fail(Shape *s, const char *fmt, ...) {
  va_list ap;
  if (s->error)
    return;
  va_start(ap, fmt);
  s->error = arena_vprintf(s->g->arena, fmt, ap);
  va_end(ap);
}

bool shape_has(const Shape *s, const Axis *a) {
  return axis_in(s->ax, s->nax, a);
}

void shape_put(Shape *s, Axis *a) {
  if (shape_has(s, a))
    shape_fail(s, "axis %s occurs twice", a->name);
  else if (s->nax == MAX_AXES)
    shape_fail(s, "more than %d axes", MAX_AXES);
  else
    s->ax[s->nax++] = a;
}

void shape_list(Shape *s, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    shape_put(s, ax[i]);
}

void shape_union(Shape *s, const Node *x) {
  for (int i = 0; i < x->nax; i++)
    if (!shape_has(s, x->ax[i]))
      shape_put(s, x->ax[i]);
}

void shape_extent(Shape *s, const Axis *a, Poly p) {
  if (!poly_eq(&a->extent, &p))
    shape_fail(s, "axis %s has another extent than its place needs", a->name);
}

void shape_run(Shape *s) {
  s->nax = 0;
  s->error = NULL;
  if (ops[s->op].arity >= 0 && s->nin != ops[s->op].arity)
    shape_fail(s, "%d operands", s->nin);
  else
    ops[s->op].shape(s);
}

// ---- hash-consing

static bool lists_equal(void *const *a, void *const *b, int n) {
  return !n || (!a && !b) || (a && b && !memcmp(a, b, (size_t)n * sizeof *a));
}

static size_t table_bytes(const Attr *x) {
  int64_t n = 0;
  if (!x->data)
    return 0;
  CHECK(poly_is_const(&x->axis->extent, &n));
  return (size_t)n * sizeof *x->data;
}

static bool attr_equal(const Attr *x, const Attr *y) {
  return x->axis == y->axis && x->axis2 == y->axis2 && x->naxes == y->naxes && x->nmap == y->nmap &&
         x->i0 == y->i0 && x->site == y->site && x->reverse == y->reverse && x->name == y->name &&
         x->scan == y->scan && !memcmp(&x->num, &y->num, sizeof x->num) &&
         !memcmp(&x->num2, &y->num2, sizeof x->num2) && poly_eq(&x->lo, &y->lo) &&
         poly_eq(&x->hi, &y->hi) && lists_equal((void **)x->axes, (void **)y->axes, x->naxes) &&
         lists_equal((void **)x->from, (void **)y->from, x->nmap) &&
         lists_equal((void **)x->to, (void **)y->to, x->nmap) && !x->data == !y->data &&
         (x->data == y->data || !memcmp(x->data, y->data, table_bytes(x)));
}

static uint64_t hash_axis(uint64_t h, const Axis *a) {
  return hash_mix(h, a ? (uint64_t)a->id + 1 : 0);
}

static uint64_t hash_double(uint64_t h, double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return hash_mix(h, bits);
}

static uint64_t hash_attr(uint64_t h, const Attr *x) {
  h = hash_axis(hash_axis(h, x->axis), x->axis2);
  h = hash_mix(h, (uint64_t)x->i0 * 2 + x->reverse);
  h = hash_double(hash_double(hash_mix(h, x->site), x->num), x->num2);
  for (int i = 0; i < x->naxes; i++)
    h = hash_axis(h, x->axes[i]);
  for (int i = 0; i < x->nmap; i++)
    h = hash_axis(hash_axis(h, x->from[i]), x->to ? x->to[i] : NULL);
  if (x->lo.n || x->hi.n)
    h = hash_mix(hash_mix(h, poly_hash(&x->lo)), poly_hash(&x->hi));
  if (x->name)
    h = hash_mix(h, hash_str(x->name));
  if (x->data)
    h = hash_mix(h, hash_bytes(0, x->data, table_bytes(x)));
  return x->scan ? hash_mix(h, (uint64_t)(uintptr_t)x->scan) : h;
}

static uint64_t hash_node(const Shape *s) {
  uint64_t h = hash_mix((uint64_t)s->op, (uint64_t)s->dtype);
  for (int i = 0; i < s->nin; i++)
    h = hash_mix(h, (uint64_t)s->in[i]->id);
  return hash_attr(h, s->attr);
}

static bool node_equal(const void *wanted, uint64_t value) {
  const Shape *s = wanted;
  const Node *n = map_pointer(&value);
  return n->op == s->op && n->dtype == s->dtype && n->nin == s->nin &&
         (!s->nin || !memcmp(n->in, s->in, (size_t)s->nin * sizeof *s->in)) &&
         attr_equal(&n->attr, s->attr);
}

static Node *find(const Graph *g, const Shape *s, uint64_t hash) {
  return map_pointer(map_find(&g->by_hash, hash, node_equal, s));
}

static Axis **copy_axes(Axis ***room, Axis *const *ax, int n) {
  Axis **p = *room;
  if (!ax)
    return NULL;
  if (n)
    memcpy(p, ax, (size_t)n * sizeof *ax);
  *room += n;
  return p;
}

static void copy_attr(Graph *g, Attr *to, const Attr *from, Axis **room) {
  *to = *from;
  to->axes = copy_axes(&room, from->axes, from->naxes);
  to->from = copy_axes(&room, from->from, from->nmap);
  to->to = copy_axes(&room, from->to, from->nmap);
  if (from->data) {
    double *data = arena_alloc(g->arena, table_bytes(from));
    to->data = memcpy(data, from->data, table_bytes(from));
  }
}

static Node *new_node(Graph *g, const Shape *s, uint64_t hash) {
  const Attr *at = s->attr;
  size_t pointers = (size_t)(s->nin + s->nax + at->naxes + 2 * at->nmap);
  Node *n = arena_alloc(g->arena, sizeof(Node) + pointers * sizeof(void *));
  *n = (Node){.op = (uint16_t)s->op,
              .dtype = (uint8_t)s->dtype,
              .id = g->nodes.n,
              .nin = s->nin,
              .nax = s->nax,
              .span = g->span,
              .fn = g->fn,
              .origin = g->origin,
              .hash = hash};
  n->in = (Node **)(n + 1);
  if (s->nin)
    memcpy(n->in, s->in, (size_t)s->nin * sizeof *n->in);
  Axis **room = (Axis **)(n->in + s->nin);
  n->ax = copy_axes(&room, s->ax, s->nax);
  copy_attr(g, &n->attr, at, room);
  vec_push(g->arena, &g->nodes, n);
  map_add(&g->by_hash, hash, (uintptr_t)n);
  return n;
}

// Operands of commutative ops go by id, but only where the result's axes come out in the same
// order.
static void order_operands(Shape *s, Node **in) {
  if (!(ops[s->op].flags & F_COMMUTATIVE) || in[0]->id <= in[1]->id)
    return;
  Shape swapped = {.g = s->g,
                   .op = s->op,
                   .nin = 2,
                   .in = (Node *[]){in[1], in[0]},
                   .attr = s->attr,
                   .dtype = s->dtype};
  shape_run(&swapped);
  if (swapped.nax != s->nax || memcmp(swapped.ax, s->ax, (size_t)s->nax * sizeof *s->ax))
    return;
  in[0] = swapped.in[0];
  in[1] = swapped.in[1];
}

// Where attr.axes is a set, ascending ids make it canonical.
static bool axes_are_set(int op) {
  return op == OP_SUM || op == OP_RMAX || op == OP_RMIN || op == OP_CONTRACT || op == OP_SCATTER ||
         op == OP_FLIP || op == OP_CONV_GRAD;
}

static void sort_axes(Axis **ax, int n) {
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && ax[j - 1]->id > ax[j]->id; j--) {
      Axis *a = ax[j];
      ax[j] = ax[j - 1];
      ax[j - 1] = a;
    }
}

Node *shape_find(const Shape *s) {
  return find(s->g, s, hash_node(s));
}

Node *g_node(Graph *g, int op, DType dtype, Node *const *in, int nin, const Attr *attr) {
  Attr at = attr ? *attr : (Attr){0};
  Axis *sorted[MAX_AXES];
  Node *pair[2];
  if (at.naxes > MAX_AXES)
    BUG("%s: more than %d axes", op_name(op), MAX_AXES);
  if (axes_are_set(op) && at.naxes) {
    memcpy(sorted, at.axes, (size_t)at.naxes * sizeof *sorted);
    sort_axes(sorted, at.naxes);
    at.axes = sorted;
  }
  if (at.name)
    at.name = intern(g->intern, at.name);
  Shape s; // not initialized as a whole: ax is long
  s.g = g;
  s.op = op;
  s.nin = nin;
  s.in = in;
  s.attr = &at;
  s.dtype = (int)dtype;
  shape_run(&s);
  if (s.error)
    BUG("%s: %s", op_name(op), s.error);
  if (nin == 2) {
    s.in = memcpy(pair, in, sizeof pair);
    order_operands(&s, pair);
  }
  uint64_t hash = hash_node(&s);
  Node *n = find(g, &s, hash);
  return n ? n : new_node(g, &s, hash);
}

// Windows: the places around a place.  Who writes them gathers, and asks whether a place is there; as an index map they are read
// where they are needed, and their gradients are windows, too.
#include "graph/rewrite.h"

// ---- sums of places

enum { FARTHEST = 1 << 30 };
typedef struct Places { // step[0] * (place on axis[0]) + step[1] * (place on axis[1]) + first
  Axis *axis[2];
  int64_t step[2];
  int n;
  Poly first;
} Places;

static bool add_place(Places *p, Axis *a, int64_t step) {
  int i = 0;
  while (i < p->n && p->axis[i] != a)
    i++;
  if (i == COUNT(p->axis))
    return false;
  p->axis[i] = a;
  p->step[i] = (i == p->n ? 0 : p->step[i]) + step;
  p->n += i == p->n;
  return true;
}

static bool add_first(Places *p, Poly x, int64_t times) {
  const Poly t = poly_const(times);
  if (!poly_mul_fits(&x, &t))
    return false;
  x = poly_scale(x, times);
  if (!poly_add_fits(&p->first, &x))
    return false;
  p->first = poly_add(p->first, x);
  return true;
}

static bool whole_number(const Node *n, int64_t *v) {
  double c;
  if (!node_is_const(n, &c) || c <= -FARTHEST || c >= FARTHEST)
    return false;
  *v = (int64_t)c;
  return true;
}

// Adds times * n; false when n is something else.
static bool add_places(Places *p, const Node *n, int64_t times) {
  int64_t c;
  if (n->dtype != DT_I32 || times <= -FARTHEST || times >= FARTHEST)
    return false;
  switch (n->op) {
  case OP_IOTA: return add_place(p, n->attr.axis, times);
  case OP_EXTENT: return add_first(p, n->attr.lo, times);
  case OP_CONST: return whole_number(n, &c) && add_first(p, poly_const(c), times);
  case OP_NEG: return add_places(p, n->in[0], -times);
  case OP_ADD:
  case OP_SUB:
    return add_places(p, n->in[0], times) &&
           add_places(p, n->in[1], n->op == OP_ADD ? times : -times);
  case OP_MUL:
    for (int i = 0; i < 2; i++)
      if (whole_number(n->in[i], &c))
        return c > -FARTHEST / 2048 && c < FARTHEST / 2048 && times > -1024 && times < 1024 &&
               add_places(p, n->in[1 - i], c * times);
    return false;
  default: return false;
  }
}

static bool is_size(const Node *n, Poly size) {
  Places p = {0};
  return add_places(&p, n, 1) && !p.n && poly_eq(&p.first, &size);
}

// ---- select(0 <= p and p < A, gather[A](x, clamp(p, 0, A - 1)), 0)

// The p of clamp(p, 0, A - 1), in either order; NULL.
static Node *clamped(Node *n, const Axis *a) {
  const Poly last = poly_sub(a->extent, poly_const(1)), none = {0};
  for (int turn = 0; turn < 2; turn++) {
    Op outer = turn ? OP_MIN : OP_MAX, inner = turn ? OP_MAX : OP_MIN;
    for (int i = 0; i < 2 && n->op == outer; i++)
      for (int k = 0; k < 2 && n->in[i]->op == inner; k++)
        if (is_size(n->in[1 - i], turn ? last : none) &&
            is_size(n->in[i]->in[1 - k], turn ? none : last))
          return n->in[i]->in[k];
  }
  return NULL;
}

static bool is_not_negative(const Node *n, const Node *p) {
  return n->op == OP_LE && n->in[1] == p && is_size(n->in[0], (Poly){0});
}

static bool is_below(const Node *n, const Node *p, const Axis *a) {
  return n->op == OP_LT && n->in[0] == p && is_size(n->in[1], a->extent);
}

static bool asks_whether_there(const Node *n, const Node *p, const Axis *a) {
  for (int i = 0; i < 2 && n->op == OP_AND; i++)
    if (is_not_negative(n->in[i], p) && is_below(n->in[1 - i], p, a))
      return true;
  return false;
}

// Which of the two axes of places goes on for `a`: a itself, one with steps of 1, the longer one.
static int outer_axis(const Places *p, const Axis *a) {
  bool known[2], one[2];
  int64_t size[2] = {0};
  for (int i = 0; i < 2; i++) {
    if (p->axis[i] == a)
      return i;
    known[i] = poly_is_const(&p->axis[i]->extent, &size[i]) && !p->axis[i]->open;
    one[i] = p->step[i] == 1;
  }
  if (known[0] != known[1])
    return known[0];
  return one[0] != one[1] ? one[1] : size[1] > size[0];
}

static bool has_either(const Node *x, const Places *p, const Axis *a) {
  return (p->axis[0] != a && node_has(x, p->axis[0])) ||
         (p->axis[1] != a && node_has(x, p->axis[1]));
}

Node *rule_claim_window(Rewrite *r, Node *n) {
  Node *y = n->op == OP_SELECT ? n->in[1] : NULL;
  double zero;
  if (!y || y->op != OP_GATHER || !node_is_const(n->in[2], &zero) || zero != 0 || n->nax != y->nax)
    return NULL;
  Axis *a = y->attr.axis;
  Node *p = clamped(y->in[1], a);
  Places at = {0};
  if (!p || !asks_whether_there(n->in[0], p, a) || !add_places(&at, p, 1) || at.n != 2)
    return NULL;
  int o = outer_axis(&at, a);
  if (at.step[o] < 1 || at.axis[1 - o] == a || has_either(y->in[0], &at, a))
    return NULL;
  return g_window(r->g, y->in[0], a, at.axis[o], at.axis[1 - o],
                  (Window){at.step[o], poly_const(at.step[1 - o]), at.first});
}

// ---- sum[K](window[A](u @[C] v, K))

// Reads u at a window's places, and v where the result is.
static bool moves_alone(const Node *w, const Node *u, const Node *v) {
  const Attr *t = &w->attr;
  return node_has(u, t->axis) && !node_has(v, t->axis) && !node_has(v, t->axis2) &&
         node_has(v, t->axes[0]) && !node_has(u, t->axes[0]);
}

static Node *product_of_windows(Graph *g, const Node *w, Node *u, Node *v) {
  const Attr *t = &w->attr, *product = &w->in[0]->attr;
  Axis *over[MAX_AXES];
  Node *x = g_window(g, u, t->axis, t->axis2, t->axes[0], (Window){t->i0, t->hi, t->lo});
  for (int i = 0; i < product->naxes; i++)
    over[i] = product->axes[i];
  over[product->naxes] = t->axes[0];
  return g_contract(g, x, v, over, product->naxes + 1);
}

Node *rule_sum_of_windows(Rewrite *r, Node *n) {
  Node *w = n->op == OP_SUM && n->attr.naxes == 1 ? n->in[0] : NULL;
  if (!w || n->dtype == DT_BF16 || w->op != OP_WINDOW || w->attr.axes[0] != n->attr.axes[0])
    return NULL;
  Node *c = w->in[0];
  if (c->op != OP_CONTRACT || !c->attr.naxes || c->attr.naxes + 1 > MAX_AXES ||
      rewrite_uses(r, c) > 1 || rewrite_uses(r, w) > 1)
    return NULL;
  for (int i = 0; i < 2; i++)
    if (moves_alone(w, c->in[i], c->in[1 - i]))
      return product_of_windows(r->g, w, c->in[i], c->in[1 - i]);
  return NULL;
}

// Products of windows: convolutions over a few places.  Their rows hold each element of what they are of as often as windows
// overlap, so they are not stored: a task derives those of its block in scratch, where its tile reads them.
#include "codegen/plan/contract.h"

enum { LEAST_RUN = 8 }; // elements beside each other in a row, or copying them costs too much

// Is a one of the axes along which windows that x is made of move, or that are within one?
static bool is_of_window(const Node *x, const Axis *a) {
  for (; x->op == OP_WINDOW || x->op == OP_RENAME; x = x->in[0]) {
    if (x->op == OP_WINDOW && (x->attr.axes[0] == a || x->attr.axis2 == a))
      return true;
    a = axis_before(x, a);
  }
  return false;
}

Node *window_below(Node *x) {
  while (x->op == OP_RENAME)
    x = x->in[0];
  return x->op == OP_WINDOW ? x : NULL;
}

// The last axis of the sum, as w has them, is one that windows leave alone.
static bool ends_in_run(const Node *c, const Node *x, const Node *w) {
  int64_t run = 0;
  int i = w->nax - 1;
  while (i >= 0 && !axis_in(c->attr.axes, c->attr.naxes, w->ax[i]))
    i--;
  return i >= 0 && !is_of_window(x, w->ax[i]) && extent_is(w->ax[i], &run) && run >= LEAST_RUN;
}

// The sum's length; -1: it is not known.
static int64_t sum_of(const Node *c) {
  int64_t k = 1, e;
  for (int i = 0; i < c->attr.naxes; i++) {
    if (!is_feature(c->attr.axes[i]) || !extent_is(c->attr.axes[i], &e) || e > (1 << 20) ||
        k > (1 << 20))
      return -1;
    k *= e;
  }
  return k;
}

static bool has_rows(const Node *x, const Node *w) {
  for (int i = 0; i < x->nax; i++)
    if (!node_has(w, x->ax[i]) && !is_feature(x->ax[i]))
      return true;
  return false;
}

bool rows_derived(const Prog *g, const Node *c, int operand) {
  Node *x = c->in[operand], *w = c->in[1 - operand];
  int64_t k = sum_of(c), most = g->p->o.on->derived_rows;
  return most && window_below(x) && x->dtype == DT_F32 && contract_fits_tile(g, c) && k > 0 &&
         k * g->p->o.mr * 4 <= most && has_rows(x, w) && ends_in_run(c, x, w) && !pairs_fit(g, c) &&
         quads_side(g, c) < 0;
}

int rows_of_block(const Prog *g, const Node *c) {
  const PlanTarget *on = g->p->o.on;
  int64_t rows = on->derived_rows / (4 * sum_of(c)) / g->p->o.mr * g->p->o.mr;
  return rows < g->p->o.mr ? g->p->o.mr : rows > on->tile_rows ? on->tile_rows : (int)rows;
}

// ---- windows that something else reads from memory

typedef struct Readers { // positions of the first ones
  int derives, loads;    // products that derive their rows; others
  bool products;         // there are none but products
} Readers;

static void add_readers(Prog *g, Node *x, const int *position, Readers *r) {
  for (int i = 0; i < info_of(g, x)->nuse && r->products; i++) {
    Node *c = info_of(g, x)->use[i];
    if (c->op == OP_RENAME) {
      add_readers(g, c, position, r);
      continue;
    }
    r->products = c->op == OP_CONTRACT;
    int at = position[c->id], *first = rows_derived(g, c, c->in[1] == x) ? &r->derives : &r->loads;
    *first = at < *first ? at : *first;
  }
}

// Where the window n has to be stored; 0: where it is.
static int late_place(Prog *g, Node *n, const int *position) {
  Readers r = {g->nnode, g->nnode, true};
  add_readers(g, n, position, &r);
  return r.products && r.derives < r.loads && r.loads < g->nnode ? r.loads : 0;
}

static void move_before(Prog *g, int from, int to) {
  Node *n = g->node[from];
  for (int i = from; i + 1 < to; i++)
    g->node[i] = g->node[i + 1];
  g->node[to - 1] = n;
}

// Such a window, as its product's gradient by the weights reads it, is computed there and not in the forward part.
void windows_late(Prog *g) {
  int *position = NEWN(g->a, int, g->g->nodes.n + 1);
  for (int i = g->nnode - 1; i >= 0; i--) {
    Node *n = g->node[i];
    if (n->op != OP_WINDOW || !info_of(g, n)->must || info_of(g, n)->dest)
      continue;
    for (int k = 0; k < g->nnode; k++)
      position[g->node[k]->id] = k;
    int to = late_place(g, n, position);
    if (to)
      move_before(g, i, to);
  }
}

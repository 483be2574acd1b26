// What of a loop's region does not depend on its states is computed outside, for all steps at once:
// one large product in the place of many small ones.  Mere pointwise work stays: in the loop it
// costs no memory.
#include "graph/op.h"

enum { OF_STATE = 1, OF_STEP = 2, OF_HELD = 4, FIXED = 8 };

typedef struct Hoist {
  LoopBuild *b;
  Graph *g;
  Node **node;
  int n, count;
  uint8_t *on;    // by id: what a node depends on; FIXED: it cannot leave the region
  bool *heavy;    // by id: more than pointwise work of what it is made of
  bool *in;       // by id: stays
  bool *frontier; // by id: leaves, and is read by what stays
  Node **outside; // by id: what stands for it outside
  Node **instead; // by id: what stands for it inside
} Hoist;

bool loop_may_leave(const Node *n) {
  switch (n->op) {
  case OP_LOOP:
  case OP_ATTENTION:
  case OP_ATTENTION_LSE:
  case OP_ATTENTION_GRAD: return false;
  default: return true;
  }
}

static bool is_heavy(const Node *n) {
  return !(op_flags(n->op) & (F_POINTWISE | F_LEAF)) && !(n->op == OP_CONTRACT && !n->attr.naxes) &&
         n->op != OP_RENAME;
}

// What pointwise work makes of heavy operands that all have fewer axes is left to the loop: outside it would be stored, larger
// than they are.
static void survey(Hoist *h) {
  for (int i = 0; i < h->n; i++) {
    const Node *x = h->node[i];
    for (int k = 0; k < x->nin; k++) {
      h->on[x->id] |= h->on[x->in[k]->id];
      h->heavy[x->id] |= h->heavy[x->in[k]->id] && x->in[k]->nax >= x->nax;
    }
    h->heavy[x->id] |= is_heavy(x);
    if (!loop_may_leave(x))
      h->on[x->id] |= FIXED;
  }
}

static void mark_leaf_kind(Hoist *h, const LoopLeaves *v, int kind) {
  for (int i = 0; i < v->n; i++)
    if (v->v[i].leaf->id < h->count) {
      h->on[v->v[i].leaf->id] = (uint8_t)kind;
      h->outside[v->v[i].leaf->id] = kind == OF_STATE ? NULL : v->v[i].outside;
    }
}

static void fix_leaves(Hoist *h) {
  for (int i = 0; i < h->b->stay; i++)
    if (h->b->seen.v[i].leaf->id < h->count)
      h->on[h->b->seen.v[i].leaf->id] |= FIXED;
}

static bool has_more_axes(const Node *a, const Node *b) {
  for (int i = 0; i < a->nax; i++)
    if (!node_has(b, a->ax[i]))
      return true;
  return false;
}

static bool is_costly(const Node *n) {
  return n->op == OP_EXP || n->op == OP_LOG || n->op == OP_TANH || n->op == OP_POW ||
         n->op == OP_DIV || n->op == OP_SQRT || n->op == OP_SIN || n->op == OP_COS ||
         n->op == OP_ERF;
}

static bool sums(const Node *n) {
  return n->op == OP_SUM || n->op == OP_RMAX || n->op == OP_RMIN ||
         (n->op == OP_CONTRACT && n->attr.naxes);
}

// Is some value that depends on a state summed over the axis, so that it is no task's?
static bool is_mixed(const Hoist *h, const Axis *a) {
  for (int i = 0; i < h->n; i++)
    if (h->on[h->node[i]->id] & OF_STATE && sums(h->node[i]) &&
        axis_in(h->node[i]->attr.axes, h->node[i]->attr.naxes, a))
      return true;
  return false;
}

// A sum of what would have to be stored for all steps, and be read once: in the loop it costs no memory, nor a task.
static bool is_cheap_inside(const Hoist *h, const Node *x) {
  bool whole = false;
  for (int i = 0; sums(x) && i < x->nin; i++)
    whole |= x->in[i]->nin && x->in[i]->nax == x->nax + x->attr.naxes;
  for (int i = 0; whole && i < x->attr.naxes; i++)
    whole = is_mixed(h, x->attr.axes[i]);
  return whole;
}

// Should x, which `user` reads, be computed outside?
static bool worth(const Hoist *h, const Node *x, const Node *user) {
  if (!x->nin || h->on[x->id] & (OF_STATE | FIXED))
    return false;
  if (!(h->on[x->id] & OF_STEP)) // once, not at each step
    return true;
  if (is_cheap_inside(h, x))
    return false;
  return h->heavy[x->id] || (user && is_costly(x) && has_more_axes(user, x));
}

static void visit(Hoist *h, Node *x, const Node *user) {
  if (worth(h, x, user))
    h->frontier[x->id] = true;
  else
    h->in[x->id] = true;
}

static Node *with_axis(Graph *g, Node *x, Axis *axis, bool any) {
  return any ? g_expand(g, x, &axis, 1) : x;
}

// Do operands have to agree on the axis that is new?
static bool agrees(const Node *n) {
  return n->op == OP_CONCAT || n->op == OP_CAUSAL_CONV;
}

Node *loop_outside(Graph *g, const Node *n, Axis *axis, Node *const *outside) {
  Node **in = NEWN(g->arena, Node *, n->nin + 1);
  Attr at = n->attr;
  bool any = false;
  for (int i = 0; i < n->nin; i++) {
    in[i] = outside[n->in[i]->id] ? outside[n->in[i]->id] : n->in[i];
    any |= node_has(in[i], axis);
  }
  for (int i = 0; i < n->nin && agrees(n); i++)
    in[i] = n->op == OP_CAUSAL_CONV && i ? in[i] : with_axis(g, in[i], axis, any);
  if ((n->op == OP_SCATTER || n->op == OP_CONV_GRAD) && any) {
    at.axes = NEWN(g->arena, Axis *, at.naxes + 1);
    for (int i = 0; i < at.naxes; i++)
      at.axes[i] = n->attr.axes[i];
    at.axes[at.naxes++] = axis;
  }
  graph_from(g, n);
  return g_node(g, n->op, (DType)n->dtype, in, n->nin, &at);
}

// What stands outside for the frontier and all below it, operands first.
static void compute_outside(Hoist *h) {
  bool *wanted = NEWN(h->g->arena, bool, h->count + 1);
  for (int i = h->n - 1; i >= 0; i--) {
    const Node *x = h->node[i];
    wanted[x->id] |= h->frontier[x->id];
    for (int k = 0; wanted[x->id] && k < x->nin; k++)
      wanted[x->in[k]->id] = true;
  }
  for (int i = 0; i < h->n; i++)
    if (wanted[h->node[i]->id] && h->node[i]->nin)
      h->outside[h->node[i]->id] = loop_outside(h->g, h->node[i], h->b->axis, h->outside);
}

static Node *frontier_leaf(Hoist *h, Node *x) {
  Node *outside = h->outside[x->id],
       *leaf = g_state(h->g, (DType)x->dtype, "hoisted", x->ax, x->nax);
  LoopLeaf l = {outside, leaf};
  if (node_has(outside, h->b->axis))
    vec_push(h->g->arena, &h->b->seen, l);
  else
    vec_push(h->g->arena, &h->b->held, l);
  return leaf;
}

// A value that is constant outside of all loops too needs no leaf.
static void rebuild_inside(Hoist *h) {
  for (int i = 0; i < h->n; i++) {
    Node *x = h->node[i];
    if (h->frontier[x->id]) {
      h->instead[x->id] = frontier_leaf(h, x);
    } else if (h->in[x->id] && x->nin) {
      Node **in = NEWN(h->g->arena, Node *, x->nin);
      for (int k = 0; k < x->nin; k++)
        in[k] = h->instead[x->in[k]->id] ? h->instead[x->in[k]->id] : x->in[k];
      h->instead[x->id] = graph_rebuild(h->g, x, in, NULL);
    }
  }
}

static Node *seen_inside(const Hoist *h, Node *x) {
  return h->instead[x->id] ? h->instead[x->id] : x;
}

static void each_root(Hoist *h, bool put) {
  LoopBuild *b = h->b;
  for (int i = 0; i < b->next.n + b->out.n; i++) {
    Node **root = i < b->next.n ? &b->next.v[i] : &b->out.v[i - b->next.n];
    if (put)
      *root = seen_inside(h, *root);
    else
      visit(h, *root, NULL);
  }
}

static void find_nodes(Hoist *h) {
  LoopBuild *b = h->b;
  Node **roots = NEWN(h->g->arena, Node *, b->next.n + b->out.n + 1);
  int n = 0;
  for (int i = 0; i < b->next.n; i++)
    roots[n++] = b->next.v[i];
  for (int i = 0; i < b->out.n; i++)
    roots[n++] = b->out.v[i];
  h->node = graph_reachable(h->g, roots, n, &h->n);
}

void loop_hoist(LoopBuild *b) {
  Graph *g = b->g;
  GraphMark mark = graph_mark(g);
  Hoist h = {.b = b, .g = g, .count = g->nodes.n};
  h.on = NEWN(g->arena, uint8_t, h.count + 1);
  h.heavy = NEWN(g->arena, bool, h.count + 1);
  h.in = NEWN(g->arena, bool, h.count + 1);
  h.frontier = NEWN(g->arena, bool, h.count + 1);
  h.outside = NEWN(g->arena, Node *, h.count + 1);
  h.instead = NEWN(g->arena, Node *, h.count + 1);
  find_nodes(&h);
  mark_leaf_kind(&h, &b->state, OF_STATE);
  mark_leaf_kind(&h, &b->seen, OF_STEP);
  mark_leaf_kind(&h, &b->held, OF_HELD);
  fix_leaves(&h);
  survey(&h);
  each_root(&h, false);
  for (int i = h.n - 1; i >= 0; i--)
    for (int k = 0; h.in[h.node[i]->id] && !h.frontier[h.node[i]->id] && k < h.node[i]->nin; k++)
      visit(&h, h.node[i]->in[k], h.node[i]);
  compute_outside(&h);
  rebuild_inside(&h);
  each_root(&h, true);
  graph_mark_set(g, mark);
}

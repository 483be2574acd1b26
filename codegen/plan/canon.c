// Canonical axis names.  Modules name axes of their own, so that values pass through renames
// between any two of them; kernels find out what belongs together by axes.  This pass gives the
// programs' values names under which most renames are nothing.
//
// A *slot* is one axis of one node.  Slots that should have one name (an operand's axis and the
// result's, what a rename maps and what it maps to) are united, unless that gave two axes of a node
// one name; each class then gets a fresh axis.  Where the slots of an edge ended up in different
// classes a rename is put on the operand.  What matters most is united first: a rename of a leaf in
// memory is a view and costs nothing, and so is one of an operand that is read from memory in any
// case.
#include "codegen/plan/plan_internal.h"
#include <string.h>

typedef struct Canon {
  Planner *p;
  Arena *a;
  Graph *g;
  Node **node;
  int nnode, nslot;
  int *first; // by node id: its first slot
  int *of;    // by slot: position in `node`
  int *parent, *next, *tail,
      *size;   // union-find, with the members of a class as a list from its root
  Axis **axis; // by root
  Node **map;  // by node id
} Canon;

static int find(Canon *c, int s) {
  while (c->parent[s] != s)
    s = c->parent[s] = c->parent[c->parent[s]];
  return s;
}

static bool collide(Canon *c, int small, int large) {
  for (int s = small; s >= 0; s = c->next[s]) {
    const Node *n = c->node[c->of[s]];
    for (int i = 0; i < n->nax; i++)
      if (c->first[n->id] + i != s && find(c, c->first[n->id] + i) == large)
        return true;
  }
  return false;
}

static void unite(Canon *c, int s, int t) {
  s = find(c, s);
  t = find(c, t);
  if (c->size[s] > c->size[t]) {
    int swap = s;
    s = t;
    t = swap;
  }
  if (s == t || collide(c, s, t))
    return;
  c->parent[s] = t;
  c->next[c->tail[t]] = s;
  c->tail[t] = c->tail[s];
  c->size[t] += c->size[s];
}

static bool is_leaf(const Node *n) {
  return n->op == OP_INPUT || n->op == OP_PARAM;
}

// Operands are read from memory in any case, and the result is stored: names are the op's own.
static bool is_library(const Node *n) {
  return n->op == OP_CAUSAL_CONV || n->op == OP_CONV_GRAD ||
         (n->op == OP_SCATTER && !is_one_hot(n)) || n->op == OP_ATTENTION ||
         n->op == OP_ATTENTION_LSE || n->op == OP_ATTENTION_GRAD || n->op == OP_LOOP;
}

// A convolution that is a product may go on in an epilogue: it has its result's names.
static bool has_own_names(const Canon *c, const Node *n) {
  return is_library(n) && !(n->op == OP_CAUSAL_CONV && c->p->o.on->toeplitz);
}

static int slot(const Canon *c, const Node *n, const Axis *a) {
  int i = node_axis_index(n, a);
  return i < 0 ? -1 : c->first[n->id] + i;
}

// Axis a of operand i is the result's axis of that name.
bool axis_is_kept(const Node *n, int i, const Axis *a) {
  const Attr *t = &n->attr;
  if ((op_flags(n->op) & F_POINTWISE) || (n->op == OP_GATHER && i == 1))
    return true;
  switch (n->op) {
  case OP_SUM:
  case OP_RMAX:
  case OP_RMIN:
  case OP_CONTRACT:
  case OP_MERGE: return !axis_in(t->axes, t->naxes, a);
  case OP_FLIP:
  case OP_CUMSUM:
  case OP_CAUSAL_CONV:
  case OP_SCATTER: return true;
  case OP_RENAME: return !axis_in(t->from, t->nmap, a);
  case OP_CONCAT: return t->from[i] != a;
  default: return t->axis != a;
  }
}

static void unite_kept(Canon *c, const Node *n, bool contractions, bool leaves) {
  if (is_library(n) || (n->op == OP_CONTRACT && n->attr.naxes != 0) != contractions)
    return;
  for (int i = 0; i < n->nin; i++)
    for (int k = 0; k < n->in[i]->nax && is_leaf(n->in[i]) == leaves; k++)
      if (axis_is_kept(n, i, n->in[i]->ax[k]))
        unite(c, slot(c, n->in[i], n->in[i]->ax[k]), slot(c, n, n->in[i]->ax[k]));
}

static void unite_renamed(Canon *c, const Node *n, bool leaves) {
  for (int k = 0; n->op == OP_RENAME && is_leaf(n->in[0]) == leaves && k < n->attr.nmap; k++)
    unite(c, slot(c, n->in[0], n->attr.from[k]), slot(c, n, n->attr.to[k]));
}

// ---- new names

static Axis *name(Canon *c, const Node *n, const Axis *a) {
  int s = find(c, slot(c, n, a));
  if (!c->axis[s])
    c->axis[s] = graph_fresh_axis(c->g, a->name, a->extent);
  c->axis[s]->open |= a->open;
  c->axis[s]->dim = a->dim ? a->dim : c->axis[s]->dim;
  return c->axis[s];
}

static Axis **names(Canon *c, const Node *n, Axis *const *ax, int count) {
  Axis **out = NEWN(c->a, Axis *, count + 1);
  for (int i = 0; i < count; i++)
    out[i] = name(c, n, ax[i]);
  return out;
}

// x, whose axes are called now[i], with axis i called want[i].
static Node *renamed(Canon *c, Node *x, Axis *const *now, Axis *const *want, int n) {
  Axis *from[MAX_AXES], *to[MAX_AXES];
  Node *base = x->op == OP_RENAME ? x->in[0] : x;
  int k = 0;
  for (int i = 0; i < n; i++) {
    Axis *a = now[i];
    for (int j = 0; base != x && j < x->attr.nmap; j++)
      if (x->attr.to[j] == now[i])
        a = x->attr.from[j];
    if (a == want[i])
      continue;
    from[k] = a;
    to[k++] = want[i];
  }
  return k ? g_rename(c->g, base, from, to, k) : base;
}

// Operand i under the names that n needs; `own`: all its axes keep their old names.  *same: what n
// does not keep has kept its canonical name too.
static Node *operand(Canon *c, const Node *n, int i, bool own, bool *same) {
  const Node *x = n->in[i];
  Axis *now[MAX_AXES], *want[MAX_AXES];
  *same = !own && !(n->op == OP_CONTRACT && n->attr.naxes);
  for (int k = 0; k < x->nax; k++) {
    now[k] = name(c, x, x->ax[k]);
    want[k] = !own && axis_is_kept(n, i, x->ax[k]) ? name(c, n, x->ax[k]) : x->ax[k];
    if (want[k] != x->ax[k] && want[k] != now[k])
      *same = false;
  }
  for (int k = 0; k < x->nax && *same; k++)
    if (!axis_is_kept(n, i, x->ax[k]))
      want[k] = now[k];
  return renamed(c, c->map[x->id], now, want, x->nax);
}

// The name of an axis of operand i that n does not keep.
static Axis *inner(Canon *c, const Node *n, int i, bool same, Axis *a) {
  return same ? name(c, n->in[i], a) : a;
}

static Attr attributes(Canon *c, const Node *n, const bool *same) {
  Attr t = n->attr;
  Axis **list = NEWN(c->a, Axis *, t.naxes + 1), **from = NEWN(c->a, Axis *, t.nmap + 1);
  switch (n->op) {
  case OP_CONST:
  case OP_RANDOM: t.axes = names(c, n, t.axes, t.naxes); break;
  case OP_TABLE:
  case OP_CUMSUM:
  case OP_CAUSAL_CONV:
  case OP_IOTA: t.axis = name(c, n, t.axis); break;
  case OP_SUM:
  case OP_RMAX:
  case OP_RMIN:
  case OP_MERGE:
    for (int i = 0; i < t.naxes; i++)
      list[i] = inner(c, n, 0, same[0], t.axes[i]);
    t.axes = list;
    if (n->op == OP_MERGE)
      t.axis = name(c, n, t.axis);
    break;
  case OP_FLIP: t.axes = names(c, n, t.axes, t.naxes); break;
  case OP_SCATTER:
    t.axes = names(c, n, t.axes, t.naxes);
    t.axis = name(c, n, t.axis);
    break;
  case OP_SPLIT:
    t.axes = names(c, n, t.axes, t.naxes);
    t.axis = inner(c, n, 0, same[0], t.axis);
    break;
  case OP_ARGMAX:
  case OP_GATHER:
  case OP_INDEX: t.axis = inner(c, n, 0, same[0], t.axis); break;
  case OP_SLICE:
  case OP_ARGSORT:
  case OP_PAD:
    t.axis = inner(c, n, 0, same[0], t.axis);
    t.axis2 = name(c, n, t.axis2);
    break;
  case OP_WINDOW:
    t.axis = inner(c, n, 0, same[0], t.axis);
    t.axis2 = name(c, n, t.axis2);
    t.axes = names(c, n, t.axes, 1);
    break;
  case OP_CONCAT:
    for (int i = 0; i < n->nin; i++)
      from[i] = inner(c, n, i, same[i], t.from[i]);
    t.from = from;
    t.axis = name(c, n, t.axis);
    break;
  default: break;
  }
  return t;
}

static Node *rebuild_rename(Canon *c, const Node *n) {
  const Node *x = n->in[0];
  Axis *now[MAX_AXES], *want[MAX_AXES];
  for (int k = 0; k < x->nax; k++) {
    Axis *a = x->ax[k];
    for (int i = 0; i < n->attr.nmap; i++)
      if (n->attr.from[i] == x->ax[k])
        a = n->attr.to[i];
    now[k] = name(c, x, x->ax[k]);
    want[k] = name(c, n, a);
  }
  return renamed(c, c->map[x->id], now, want, x->nax);
}

static Node *rebuild(Canon *c, Node *n) {
  if (n->op == OP_EXTENT || n->op == OP_STATE || n->op == OP_SCAN)
    return n;
  graph_from(c->g, n);
  if (is_leaf(n))
    return renamed(c, n, n->ax, names(c, n, n->ax, n->nax), n->nax);
  if (n->op == OP_RENAME)
    return rebuild_rename(c, n);
  Node **in = NEWN(c->a, Node *, n->nin + 1);
  bool *same = NEWN(c->a, bool, n->nin + 1), library = has_own_names(c, n);
  for (int i = 0; i < n->nin; i++)
    in[i] = operand(c, n, i, library, &same[i]);
  Attr t = library ? n->attr : attributes(c, n, same);
  Node *m = g_node(c->g, n->op, (DType)n->dtype, in, n->nin, &t);
  if (library) {
    Axis **want = names(c, n, n->ax, n->nax);
    m = renamed(c, m, n->ax, want, n->nax);
  }
  return m;
}

// ---- the pass

static void number_slots(Canon *c) {
  c->first = NEWN(c->a, int, c->g->nodes.n + 1);
  for (int i = 0; i < c->nnode; i++) {
    c->first[c->node[i]->id] = c->nslot;
    c->nslot += c->node[i]->nax;
  }
  c->of = NEWN(c->a, int, c->nslot + 1);
  c->parent = NEWN(c->a, int, c->nslot + 1);
  c->next = NEWN(c->a, int, c->nslot + 1);
  c->tail = NEWN(c->a, int, c->nslot + 1);
  c->size = NEWN(c->a, int, c->nslot + 1);
  c->axis = NEWN(c->a, Axis *, c->nslot + 1);
  for (int i = 0, s = 0; i < c->nnode; i++)
    for (int k = 0; k < c->node[i]->nax; k++, s++) {
      c->of[s] = i;
      c->parent[s] = c->tail[s] = s;
      c->next[s] = -1;
      c->size[s] = 1;
    }
}

static void rename_output(Canon *c, Output *o) {
  Node *n = o->node;
  Axis **ax = NEWN(c->a, Axis *, o->nax + 1);
  for (int i = 0; i < o->nax; i++)
    ax[i] = node_has(n, o->ax[i]) ? name(c, n, o->ax[i]) : o->ax[i];
  o->ax = ax;
  o->node = c->map[n->id];
}

void canon_names(Planner *p) {
  Canon c = {.p = p, .a = p->a, .g = p->g};
  VEC(Node *) roots = {0};
  for (int i = 0; i < p->progs.n; i++)
    for (int k = 0; k < p->progs.v[i]->nout; k++)
      vec_push(p->a, &roots, p->progs.v[i]->outs[k].node);
  c.node = graph_reachable(p->g, roots.v, roots.n, &c.nnode);
  number_slots(&c);
  for (int leaves = 0; leaves < 2; leaves++) {
    for (int i = 0; i < c.nnode; i++)
      unite_kept(&c, c.node[i], false, leaves);
    for (int i = 0; i < c.nnode; i++)
      unite_renamed(&c, c.node[i], leaves);
  }
  for (int i = 0; i < c.nnode; i++)
    unite_kept(&c, c.node[i], true, false);
  c.map = NEWN(p->a, Node *, p->g->nodes.n + 1);
  for (int i = 0; i < c.nnode; i++)
    c.map[c.node[i]->id] = rebuild(&c, c.node[i]);
  for (int i = 0; i < p->progs.n; i++)
    for (int k = 0; k < p->progs.v[i]->nout; k++)
      rename_output(&c, &p->progs.v[i]->outs[k]);
}

// Linear layers that read the same value become one contraction with a stacked parameter, and what
// is done alike to all slices of a value is done to the value.  The gradient then is one
// contraction too.
#include "graph/rewrite.h"
#include <string.h>

enum { MAX_STACK = 16 };

enum { MAX_CONTRACTED = 8 };
// A contraction of x with a parameter that x shares only contracted axes with.  The same value may
// be renamed differently by each reader, so x is compared below its renames.
typedef struct Layer {
  Node *contract, *x;
  Node *base;                    // x below RENAME
  Axis *base_ax[MAX_CONTRACTED]; // contracted axes in the weight's order, as `base` calls them
  Axis *in_ax[MAX_CONTRACTED];   // the same as the weight calls them
  int nin;
  Param *weight;
  Node *biased; // the sole use of `contract`, when it adds a parameter of just the output axes
  Param *bias;
} Layer;
typedef struct Group { // layers with one x and one set of contracted axes, by parameter index
  Layer layer[MAX_STACK];
  int n;
  bool biased, dropped;
} Group;

static Param *param_of(const Graph *g, const Node *n) {
  return n->op == OP_PARAM ? g->params.v[n->attr.i0] : NULL;
}

// States stand by themselves: no optimizer moves them.
static bool stands_alone(const Param *p) {
  for (int i = 0; i < p->ntags; i++)
    if (!strcmp(p->tags[i], "state"))
      return true;
  return false;
}

static bool plain(const Param *p) {
  return p && !p->stack && !p->is_stack && !p->pair && p->dtype == DT_F32 && !stands_alone(p);
}

static bool contracted(const Node *c, const Axis *a) {
  for (int i = 0; i < c->attr.naxes; i++)
    if (c->attr.axes[i] == a)
      return true;
  return false;
}

static int columns(const Node *c, const Param *p, int64_t *size) {
  int n = 0;
  *size = 1;
  for (int i = 0; i < p->nax; i++) {
    int64_t e;
    if (contracted(c, p->ax[i]))
      continue;
    if (!poly_is_const(&p->ax[i]->extent, &e))
      return 0;
    *size *= e;
    n++;
  }
  return n;
}

static void find_base(Layer *l) {
  const Node *x = l->x;
  bool renamed = x->op == OP_RENAME;
  l->base = renamed ? x->in[0] : l->x;
  for (int i = 0; i < l->weight->nax; i++) {
    Axis *a = l->weight->ax[i];
    if (!contracted(l->contract, a))
      continue;
    l->in_ax[l->nin] = l->base_ax[l->nin] = a;
    for (int k = 0; renamed && k < x->attr.nmap; k++)
      if (x->attr.to[k] == a)
        l->base_ax[l->nin] = x->attr.from[k];
    l->nin++;
  }
}

// Whether two layers read the same rows of the same value: outside the contracted axes the names
// must agree too, for the slices of the stacked product to have the right ones.
static bool same_input(const Layer *a, const Layer *b) {
  if (a->base != b->base || a->nin != b->nin)
    return false;
  for (int i = 0; i < a->nin; i++)
    if (a->base_ax[i] != b->base_ax[i])
      return false;
  for (int i = 0; i < a->x->nax; i++)
    if (!contracted(a->contract, a->x->ax[i]) && !node_has(b->x, a->x->ax[i]))
      return false;
  return true;
}

static bool match_layer(const Graph *g, Node *c, Layer *out) {
  if (c->op != OP_CONTRACT || !c->attr.naxes || c->dtype != DT_F32)
    return false;
  for (int k = 0; k < 2; k++) {
    Param *p = param_of(g, c->in[k]);
    Node *x = c->in[1 - k];
    int64_t size;
    if (!plain(p) || x->op == OP_PARAM || !columns(c, p, &size))
      continue;
    bool free = true;
    for (int i = 0; i < p->nax; i++)
      free &= contracted(c, p->ax[i]) || !node_has(x, p->ax[i]);
    if (free && c->attr.naxes <= MAX_CONTRACTED) {
      *out = (Layer){.contract = c, .x = x, .weight = p};
      find_base(out);
      return true;
    }
  }
  return false;
}

// The parameter added to c by its only use, when its axes are c's columns in the weight's order.
static void match_bias(const Rewrite *r, Node *const *user, Layer *l) {
  Node *c = l->contract, *u = rewrite_uses(r, c) == 1 ? user[c->id] : NULL;
  if (!u || u->op != OP_ADD)
    return;
  Param *b = param_of(r->g, u->in[u->in[0] == c]);
  if (!plain(b))
    return;
  int k = 0;
  for (int i = 0; i < l->weight->nax; i++)
    if (!contracted(c, l->weight->ax[i])) {
      if (k == b->nax || b->ax[k] != l->weight->ax[i])
        return;
      k++;
    }
  if (k == b->nax)
    l->biased = u, l->bias = b;
}

typedef VEC(Group *) Groups;

static Group *group_for(Groups *gs, const Layer *l) {
  for (int i = 0; i < gs->n; i++)
    if (gs->v[i]->n < MAX_STACK && same_input(&gs->v[i]->layer[0], l))
      return gs->v[i];
  return NULL;
}

static void add_layer(Group *s, Layer l) {
  int i = s->n++;
  for (; i > 0 && s->layer[i - 1].weight->index > l.weight->index; i--)
    s->layer[i] = s->layer[i - 1];
  s->layer[i] = l;
}

static void find_groups(Rewrite *r, Groups *gs) {
  Arena *a = r->g->arena;
  Node **user = NEWN(a, Node *, r->nuses);
  Layer l;
  for (int i = 0; i < r->nlive; i++)
    for (int k = 0; k < r->live[i]->nin; k++)
      user[r->live[i]->in[k]->id] = r->live[i];
  for (int i = 0; i < r->nlive; i++) {
    if (!match_layer(r->g, r->live[i], &l))
      continue;
    match_bias(r, user, &l);
    Group *s = group_for(gs, &l);
    if (!s) {
      s = NEW(a, Group);
      vec_push(a, gs, s);
    }
    add_layer(s, l);
  }
}

static bool same_weights(const Group *a, const Group *b) {
  bool same = a->n == b->n;
  for (int i = 0; same && i < a->n; i++)
    same = a->layer[i].weight == b->layer[i].weight;
  return same;
}

static bool shares_weight(const Group *a, const Group *b) {
  for (int i = 0; i < a->n; i++)
    for (int k = 0; k < b->n; k++)
      if (a->layer[i].weight == b->layer[k].weight)
        return true;
  return false;
}

// A parameter has one place in memory: every use of it must be in groups of the very same
// parameters (an entry and the loss may each have one).  The same holds for biases, else only the
// weights are stacked.
static void drop_conflicts(Rewrite *r, Groups *gs) {
  for (int i = 0; i < gs->n; i++) {
    Group *s = gs->v[i];
    int alike = 0;
    for (int k = 0; k < gs->n; k++) {
      alike += same_weights(s, gs->v[k]);
      if (!same_weights(s, gs->v[k]) && shares_weight(s, gs->v[k]))
        s->dropped = true;
    }
    s->biased = true;
    for (int k = 0; k < s->n; k++) {
      if (rewrite_uses(r, s->layer[k].weight->node) != alike)
        s->dropped = true;
      for (int j = 0; j < k; j++)
        if (s->layer[j].weight == s->layer[k].weight)
          s->dropped = true;
      if (!s->layer[k].bias || rewrite_uses(r, s->layer[k].bias->node) != alike)
        s->biased = false;
    }
    if (s->n < 2)
      s->dropped = true;
  }
  for (int i = 0; i < gs->n; i++)
    for (int k = 0; k < gs->n; k++)
      if (same_weights(gs->v[i], gs->v[k])) {
        Group *s = gs->v[i], *t = gs->v[k];
        s->dropped |= t->dropped;
        for (int j = 0; j < s->n; j++)
          t->biased &= s->biased && s->layer[j].bias == t->layer[j].bias;
      }
}

// One flat axis of columns in place of the output axes of v, and the stack's names for the
// contracted ones.
static Node *flatten(Graph *g, Node *v, const Layer *l, const Param *p, const Layer *first,
                     Axis *flat) {
  Axis **parts = NEWN(g->arena, Axis *, p->nax);
  int n = 0;
  for (int i = 0; i < p->nax; i++)
    if (!contracted(l->contract, p->ax[i]))
      parts[n++] = p->ax[i];
  v = n == 1 ? g_rename(g, v, parts, &flat, 1) : g_merge(g, v, parts, n, flat);
  return p == l->weight ? g_rename(g, v, l->in_ax, first->in_ax, l->nin) : v;
}

// Per axis of p: the stack's axis that it is.
static void map_to_stack(Graph *g, Param *p, const Layer *l, const Layer *first) {
  p->stack_ax = NEWN(g->arena, Axis *, p->nax + 1);
  for (int i = 0; i < p->nax; i++)
    for (int k = 0; k < l->nin; k++)
      if (p->ax[i] == l->in_ax[k])
        p->stack_ax[i] = first->in_ax[k];
}

static Param *new_stack(Graph *g, const Group *s, bool bias, Axis *axis) {
  Param *p = NEW(g->arena, Param);
  const Layer *first = &s->layer[0];
  const Param *f = bias ? first->bias : first->weight;
  Node *init[MAX_STACK];
  Axis *from[MAX_STACK];
  bool have_init = true;
  p->path = arena_printf(g->arena, "%s+%d", f->path, s->n - 1);
  p->dtype = f->dtype;
  p->ax = NEWN(g->arena, Axis *, f->nax + 1);
  for (int i = 0; !bias && i < first->nin; i++)
    p->ax[p->nax++] = first->in_ax[i];
  p->ax[p->nax++] = axis;
  p->tags = f->tags;
  p->ntags = f->ntags;
  p->is_stack = true;
  p->span = f->span;
  int64_t lo = 0, size;
  for (int i = 0; i < s->n; i++) {
    Param *m = bias ? s->layer[i].bias : s->layer[i].weight;
    columns(s->layer[i].contract, s->layer[i].weight, &size);
    m->stack = p;
    m->stack_lo = lo;
    map_to_stack(g, m, &s->layer[i], first);
    lo += size;
    from[i] = graph_fresh_axis(g, "columns", poly_const(size));
    have_init &= m->init != NULL;
    if (have_init) {
      Node *whole = g_expand(g, m->init, m->ax, m->nax);
      init[i] = flatten(g, whole, &s->layer[i], m, first, from[i]);
    }
  }
  p->init = have_init ? g_concat(g, init, from, s->n, axis) : NULL;
  g_param(g, p);
  return p;
}

// Slice i of y, with the output axes of layer i.
static Node *slice_for(Graph *g, Node *y, const Layer *l, Axis *axis) {
  const Param *w = l->weight;
  int64_t size;
  Axis **parts = NEWN(g->arena, Axis *, w->nax);
  int n = 0;
  columns(l->contract, w, &size);
  for (int i = 0; i < w->nax; i++)
    if (!contracted(l->contract, w->ax[i]))
      parts[n++] = w->ax[i];
  Axis *flat = n == 1 ? parts[0] : graph_axis(g, "columns", axis->depth, poly_const(size));
  Node *t = g_slice(g, y, axis, poly_const(w->stack_lo), poly_const(w->stack_lo + size), flat);
  return n == 1 ? t : g_split(g, t, flat, parts, n);
}

static int64_t total_columns(const Group *s) {
  int64_t total = 0, size;
  for (int i = 0; i < s->n; i++) {
    columns(s->layer[i].contract, s->layer[i].weight, &size);
    total += size;
  }
  return total;
}

int rule_stack_linear(Rewrite *r) {
  Graph *g = r->g;
  Groups gs = {0};
  VEC(Node *) old = {0}, by = {0};
  int fired = 0;
  find_groups(r, &gs);
  drop_conflicts(r, &gs);
  for (int i = 0; i < gs.n; i++) {
    Group *s = gs.v[i];
    if (s->dropped)
      continue;
    graph_from(g, s->layer[0].contract);
    Param *w = s->layer[0].weight->stack;
    if (!w)
      w = new_stack(g, s, false, graph_fresh_axis(g, "stack", poly_const(total_columns(s))));
    Axis *axis = w->ax[w->nax - 1];
    if (s->biased && !s->layer[0].bias->stack)
      new_stack(g, s, true, axis);
    Node *y = g_contract(g, s->layer[0].x, w->node, s->layer[0].contract->attr.axes,
                         s->layer[0].contract->attr.naxes);
    if (s->biased)
      y = g_binary(g, OP_ADD, y, s->layer[0].bias->stack->node);
    for (int k = 0; k < s->n; k++) {
      vec_push(g->arena, &old, s->biased ? s->layer[k].biased : s->layer[k].contract);
      vec_push(g->arena, &by, slice_for(g, y, &s->layer[k], axis));
    }
    fired++;
  }
  if (fired)
    rewrite_replace(r, old.v, by.v, old.n);
  return fired;
}

// ---- f(slice), f(slice), ... => slice(f)

// Whether n is pointwise over slices of one range (and scalar constants); *s is one of its slices.
static bool over_slices(const Node *n, const Node **s) {
  *s = NULL;
  if (!(op_flags(n->op) & F_POINTWISE))
    return false;
  for (int i = 0; i < n->nin; i++) {
    const Node *x = n->in[i];
    if (node_is_scalar_const(x, NULL))
      continue;
    if (x->op != OP_SLICE ||
        (*s && (x->attr.axis != (*s)->attr.axis || x->attr.axis2 != (*s)->attr.axis2 ||
                !poly_eq(&x->attr.lo, &(*s)->attr.lo) || !poly_eq(&x->attr.hi, &(*s)->attr.hi))))
      return false;
    if (!*s)
      *s = x;
  }
  return *s != NULL;
}

static const Node *source(const Node *x) {
  return x->op == OP_SLICE ? x->in[0] : x;
}

static bool alike(const Node *a, const Node *b) {
  if (a->op != b->op || a->dtype != b->dtype || a->nin != b->nin)
    return false;
  for (int i = 0; i < a->nin; i++)
    if (source(a->in[i]) != source(b->in[i]))
      return false;
  return true;
}

// Finds among the candidates those like c[first] whose ranges lie end to end over the axis; their
// number, or 0.
static int covering(Node *const *c, int n, int first, const Node **slice, int *found) {
  Axis *axis = slice[first]->attr.axis;
  Poly at = poly_const(0);
  int k = 0;
  while (!poly_eq(&at, &axis->extent)) {
    int i = 0;
    for (; i < n; i++)
      if (c[i] && slice[i]->attr.axis == axis && poly_eq(&slice[i]->attr.lo, &at) &&
          alike(c[i], c[first]))
        break;
    if (i == n || k == MAX_STACK)
      return 0;
    found[k++] = i;
    at = slice[i]->attr.hi;
  }
  return k > 1 ? k : 0;
}

int rule_map_over_slices(Rewrite *r) {
  Graph *g = r->g;
  Node **c = NEWN(g->arena, Node *, r->nlive);
  const Node **slice = NEWN(g->arena, const Node *, r->nlive), *s;
  VEC(Node *) old = {0}, by = {0};
  int n = 0, fired = 0, found[MAX_STACK];
  for (int i = 0; i < r->nlive; i++)
    if (over_slices(r->live[i], &s))
      slice[n] = s, c[n++] = r->live[i];
  for (int i = 0; i < n; i++) {
    int k = c[i] ? covering(c, n, i, slice, found) : 0;
    if (!k)
      continue;
    Node *in[3];
    for (int j = 0; j < c[i]->nin; j++)
      in[j] = (Node *)source(c[i]->in[j]);
    graph_from(g, c[i]);
    Node *y = g_node(g, c[i]->op, c[i]->dtype, in, c[i]->nin, &c[i]->attr);
    for (int j = 0; j < k; j++) {
      const Attr *at = &slice[found[j]]->attr;
      vec_push(g->arena, &old, c[found[j]]);
      vec_push(g->arena, &by, g_slice(g, y, at->axis, at->lo, at->hi, at->axis2));
      c[found[j]] = NULL;
    }
    fired++;
  }
  if (fired)
    rewrite_replace(r, old.v, by.v, old.n);
  return fired;
}

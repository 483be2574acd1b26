// Elements of every module's inside, and the edges between them; a value that passes a module's side does so at a port.
#include "compiler/commands/picture_internal.h"
#include <string.h>

// Where something stands: an element of the inside of a module.
typedef struct Spot {
  PicElem *elem;
  PicModule *level;
} Spot;

static PicElem *new_elem(Picture *p, PicModule *level, ElemKind kind, const Node *n) {
  PicElem *e = NEW(p->a, PicElem);
  *e = (PicElem){.kind = kind, .node = n, .key = level->elems.n, .data = true};
  vec_push(p->a, &level->elems, e);
  return e;
}

static PicElem *module_elem(Picture *p, PicModule *m) {
  if (!m->elem) {
    m->elem = new_elem(p, m->up, ELEM_MODULE, NULL);
    m->elem->module = m;
  }
  return m->elem;
}

// The outermost module around it that another turn stands for; NULL: there is none, and it is drawn.
static PicModule *hidden_in(PicModule *m) {
  PicModule *outer = NULL;
  for (; m; m = m->up)
    if (m->shown != m)
      outer = m;
  return outer;
}

static Spot place_of(Picture *p, const Node *n) {
  PicNode *x = &p->of[n->id];
  PicModule *m = n->op == OP_INPUT ? p->root : x->module, *hidden = hidden_in(m);
  if (hidden)
    return (Spot){module_elem(p, hidden->shown), hidden->shown->up};
  if (m->closed)
    return (Spot){module_elem(p, m), m->up};
  if (!x->elem) {
    x->elem = new_elem(p, m, n->op == OP_INPUT ? ELEM_INPUT : ELEM_OPS, n);
    x->elem->data = x->data;
    x->elem->random = x->random && !x->data;
    vec_push(p->a, &x->elem->nodes, n);
  }
  return (Spot){x->elem, m};
}

static PicElem *port_of(Picture *p, PicModule *m, ElemKind kind, const Node *value) {
  for (int i = 0; i < m->elems.n; i++)
    if (m->elems.v[i]->kind == kind && m->elems.v[i]->node == value)
      return m->elems.v[i];
  return new_elem(p, m, kind, value);
}

static void add_edge(Picture *p, PicModule *level, PicEdge e) {
  for (int i = 0; i < level->edges.n; i++) {
    const PicEdge *x = &level->edges.v[i];
    if (x->from == e.from && x->to == e.to && x->leave == e.leave && x->enter == e.enter)
      return;
  }
  if (e.from != e.to)
    vec_push(p->a, &level->edges, e);
}

static int depth_of(const PicModule *m) {
  int n = 0;
  for (; m; m = m->up)
    n++;
  return n;
}

static PicModule *common(PicModule *a, PicModule *b) {
  for (int da = depth_of(a), db = depth_of(b); a != b;)
    if (da >= db)
      a = a->up, da--;
    else
      b = b->up, db--;
  return a;
}

// `value` is what it is called there, and `of` what tells it from others.
static void connect(Picture *p, Spot from, Spot to, const Node *value, const Node *of) {
  PicModule *top = common(from.level, to.level);
  PicElem *leave = NULL, *enter = NULL;
  for (; from.level != top; from.level = from.level->up) {
    PicElem *port = port_of(p, from.level, ELEM_LEAVE, of);
    add_edge(p, from.level, (PicEdge){from.elem, port, leave, NULL, value});
    from.elem = module_elem(p, from.level);
    leave = port;
  }
  for (; to.level != top; to.level = to.level->up) {
    PicElem *port = port_of(p, to.level, ELEM_ENTER, of);
    add_edge(p, to.level, (PicEdge){port, to.elem, NULL, enter, value});
    to.elem = module_elem(p, to.level);
    enter = port;
  }
  add_edge(p, top, (PicEdge){from.elem, to.elem, leave, enter, value});
}

// Of the views on the way to where a value is made, the one whose axes are declared: not those of a module's generics.
static int generic_depth(const Node *n) {
  int sum = 0;
  for (int i = 0; i < n->nax; i++)
    sum += n->ax[i]->depth > 0 ? n->ax[i]->depth : 0;
  return sum;
}

static const Node *best_view(const Node *n) {
  const Node *best = n;
  while ((n = pic_viewed(n)))
    if (generic_depth(n) < generic_depth(best))
      best = n;
  return best;
}

// A parameter of a module elsewhere: weights that are tied.
static void tie(Picture *p, const Node *param, const Node *n) {
  Spot to = place_of(p, n);
  PicModule *m = to.elem->kind == ELEM_MODULE ? to.elem->module : to.level;
  for (PicModule *x = m; x; x = x->up)
    if (x->origin && pic_is_of(param->attr.name, x->origin->path))
      return;
  if (!m->origin || !strchr(param->attr.name, '.') || hidden_in(p->of[n->id].module))
    return;
  PicElem *e = port_of(p, to.level, ELEM_OPS, param);
  e->key = -1;
  add_edge(p, to.level, (PicEdge){e, to.elem, NULL, NULL, param});
}

// All that it is made of.
static void add_cone(Picture *p, PicElem *e, const Node *n) {
  for (int i = 0; i < e->nodes.n; i++)
    if (e->nodes.v[i] == n)
      return;
  if (!(op_flags(n->op) & F_LEAF))
    vec_push(p->a, &e->nodes, n);
  for (int i = 0; i < n->nin; i++)
    add_cone(p, e, n->in[i]);
}

// What depends on no input stands in each module that reads it, as if it were made there: equal nodes are one.
static Spot own_place(Picture *p, const Node *s, PicModule *level) {
  PicElem *e = port_of(p, level, ELEM_OPS, s);
  if (!e->nodes.n)
    add_cone(p, e, s);
  e->data = false;
  e->random = p->of[s->id].random;
  return (Spot){e, level};
}

static Spot source_of(Picture *p, const Node *s, Spot to) {
  Spot from = place_of(p, s);
  bool own = from.level == to.level || p->of[s->id].data || from.elem->kind == ELEM_MODULE;
  return own ? from : own_place(p, s, to.level);
}

static void add_operand(Picture *p, const Node *n, const Node *in) {
  const Node *s = pic_source(in);
  if (s->op == OP_PARAM)
    tie(p, s, n);
  else if (s->op == OP_INPUT ||
           (!(op_flags(s->op) & F_LEAF) && (p->of[s->id].data || !hidden_in(p->of[n->id].module))))
    connect(p, source_of(p, s, place_of(p, n)), place_of(p, n), best_view(in), s);
}

static void add_output(Picture *p) {
  PicElem *out = new_elem(p, p->root, ELEM_OUTPUT, p->out.node);
  const Node *s = pic_source(p->out.node);
  if (s->op == OP_INPUT || !(op_flags(s->op) & F_LEAF))
    connect(p, place_of(p, s), (Spot){out, p->root}, p->out.node, s);
}

void picture_levels(Picture *p) {
  for (int id = 0; id <= p->out.node->id; id++) {
    const Node *n = p->g->nodes.v[id];
    if (!p->of[id].live || op_flags(n->op) & F_LEAF || pic_viewed(n))
      continue;
    place_of(p, n);
    for (int i = 0; i < n->nin; i++)
      add_operand(p, n, n->in[i]);
  }
  add_output(p);
  for (int i = 0; i < p->modules.n; i++)
    picture_merge(p, p->modules.v[i]);
}

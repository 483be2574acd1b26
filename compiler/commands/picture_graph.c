// The graph of an entry by modules: whose every node is, what each costs, and which turns of a repeat are alike.
#include "compiler/commands/picture_internal.h"
#include "base/hash.h"
#include <string.h>

// ---- nodes
static bool adds_nothing(const Node *n) {
  return n->op == OP_ADD && n->in[1]->op == OP_CONST && n->in[1]->attr.num == 0;
}

// A choice that a constant makes is what it chooses.
const Node *pic_viewed(const Node *n) {
  switch (n->op) {
  case OP_RENAME:
  case OP_SPLIT:
  case OP_MERGE:
  case OP_CAST: return n->in[0];
  case OP_ADD: return adds_nothing(n) ? n->in[0] : NULL;
  case OP_SELECT: return n->in[0]->op == OP_CONST ? n->in[n->in[0]->attr.num ? 1 : 2] : NULL;
  default: return NULL;
  }
}

const Node *pic_source(const Node *n) {
  for (const Node *x; (x = pic_viewed(n));)
    n = x;
  return n;
}

static bool reads(const Node *n, const Node *in) {
  const Node *x = pic_viewed(n);
  return !x || x == in;
}

static Node **scan_body(const Picture *p, const Scan *s, int *n) {
  Node **root = NEWN(p->a, Node *, s->nstate + 1);
  memcpy(root, s->next, sizeof *root * (size_t)s->nstate);
  root[s->nstate] = s->result;
  return graph_reachable(p->g, root, s->nstate + 1, n);
}

// A step reads parameters as they are; what it computes stands for itself in the scan's box.
static void mark_params_of(Picture *p, const Scan *s) {
  int n;
  Node **body = scan_body(p, s, &n);
  for (int i = 0; i < n; i++)
    p->of[body[i]->id].live |= body[i]->op == OP_PARAM;
}

static void mark_live(Picture *p) {
  p->of[p->out.node->id].live = true;
  for (int id = p->out.node->id; id >= 0; id--) {
    const Node *n = p->g->nodes.v[id];
    for (int i = 0; p->of[id].live && i < n->nin; i++)
      p->of[n->in[i]->id].live |= reads(n, n->in[i]);
    if (p->of[id].live && n->op == OP_SCAN)
      mark_params_of(p, n->attr.scan);
  }
}

static void mark_data(Picture *p) {
  for (int id = 0; id <= p->out.node->id; id++) {
    const Node *n = p->g->nodes.v[id];
    PicNode *x = &p->of[id];
    x->data = n->op == OP_INPUT || n->op == OP_STATE;
    x->param = n->op == OP_PARAM;
    x->random = n->op == OP_RANDOM;
    for (int i = 0; i < n->nin; i++) {
      x->data |= p->of[n->in[i]->id].data;
      x->param |= p->of[n->in[i]->id].param;
      x->random |= p->of[n->in[i]->id].random;
    }
  }
}

// ---- what it costs
static double extents_of(const Picture *p, Axis *const *ax, int n) {
  double all = 1;
  for (int i = 0; i < n; i++)
    all *= (double)poly_eval(&ax[i]->extent, p->sym);
  return all;
}

static double scan_flops(const Picture *p, const Scan *s) {
  int n;
  double sum = 0;
  Node **body = scan_body(p, s, &n);
  for (int i = 0; i < n; i++)
    sum += pic_flops(p, body[i]);
  return sum * extents_of(p, &s->axis, 1);
}

// As elsewhere: 2mnk a contraction, all else nothing.
double pic_flops(const Picture *p, const Node *n) {
  if (n->op == OP_SCAN)
    return scan_flops(p, n->attr.scan);
  if (n->op != OP_CONTRACT || !n->attr.naxes)
    return 0;
  return 2 * extents_of(p, n->ax, n->nax) * extents_of(p, n->attr.axes, n->attr.naxes);
}

static unsigned work_of(const Node *n) {
  switch (n->op) {
  case OP_GATHER: return WORK_TABLE;
  case OP_CONTRACT: return n->attr.naxes ? WORK_PRODUCT : 0;
  case OP_CAUSAL_CONV:
  case OP_SCAN: return WORK_MIX;
  default: return 0;
  }
}

// ---- modules
static PicModule *new_module(Picture *p, const Origin *o, PicModule *up) {
  PicModule *m = NEW(p->a, PicModule);
  *m = (PicModule){.origin = o, .up = up, .closed = o && o->prelude, .stands = 1};
  m->shown = m;
  if (up)
    up->closed = false;
  vec_push(p->a, &p->modules, m);
  return m;
}

static PicModule *module_of(Picture *p, const Origin *o) {
  if (!o)
    return p->root;
  for (int i = p->modules.n - 1; i > 0; i--)
    if (p->modules.v[i]->origin == o)
      return p->modules.v[i];
  return new_module(p, o, module_of(p, o->up));
}

static void add_node(Picture *p, const Node *n) {
  double flops = pic_flops(p, n);
  PicModule *m = module_of(p, n->origin);
  p->of[n->id].module = m;
  for (; m; m = m->up) {
    m->flops += flops;
    m->work |= work_of(n);
  }
}

bool pic_is_of(const char *name, const char *path) {
  size_t n = strlen(path);
  return !n || (!strncmp(name, path, n) && (!name[n] || name[n] == '.'));
}

static const char *path_of(const PicModule *m) {
  return m->origin ? m->origin->path : "";
}

static void add_parameter(Picture *p, const Node *n) {
  double elements = extents_of(p, n->ax, n->nax);
  for (int i = 0; i < p->modules.n; i++)
    if (pic_is_of(n->attr.name, path_of(p->modules.v[i])))
      p->modules.v[i]->elements += elements;
}

static void add_time(Picture *p, const StepTime *t) {
  for (int i = 0; i < p->modules.n; i++)
    if (pic_is_of(t->module ? t->module : "", path_of(p->modules.v[i])))
      p->modules.v[i]->ms += t->ms;
}

// ---- turns of a repeat that are alike
static bool is_in(const PicModule *m, const PicModule *around) {
  while (m && m != around)
    m = m->up;
  return m == around;
}

static bool is_fixed(const Picture *p, const Node *n) {
  return !p->of[n->id].data && !p->of[n->id].param;
}

static uint64_t sign_node(const Picture *p, const PicModule *m, const Node *n, uint64_t h) {
  h = hash_mix(hash_mix(h, n->op), (uint64_t)n->nax);
  h = hash_mix(h, hash_str(path_of(p->of[n->id].module) + strlen(path_of(m))));
  return hash_mix(h, n->fn ? hash_str(n->fn) : 0);
}

// Equal constants are one node.
static uint64_t sign_constants(const Picture *p, const Node *n, uint64_t h) {
  for (int i = 0; i < n->nin; i++)
    h = is_fixed(p, n->in[i]) ? hash_mix(h, (uint64_t)n->in[i]->id) : h;
  return h;
}

// Of the nodes of a module, those that depend on an input and on its own parameters: others may stand in another turn, as equal
// nodes are one.
static void sign(const Picture *p, PicModule *m) {
  int last = p->out.node->id;
  bool *own = NEWN(p->a, bool, last + 1);
  for (int id = 0; id <= last; id++) {
    const Node *n = p->g->nodes.v[id];
    const PicNode *x = &p->of[id];
    bool inside = x->module && is_in(x->module, m);
    own[id] = n->op == OP_PARAM && pic_is_of(n->attr.name, path_of(m));
    for (int i = 0; i < n->nin; i++)
      own[id] |= own[n->in[i]->id];
    own[id] &= !x->data || inside; // a turn before may share the parameters
    if (!x->live || !x->data || !own[id] || !inside)
      continue;
    m->sign = sign_node(p, m, n, m->sign);
    m->exact = sign_constants(p, n, sign_node(p, m, n, m->exact));
  }
}

// "layer" of `layer.3`; of a share, whose turns have one path, all of it.
static size_t name_size(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && dot[1] >= '0' && dot[1] <= '9' ? (size_t)(dot - path) : strlen(path);
}

static bool is_one_repeat(const Origin *a, const Origin *b) {
  size_t n = name_size(a->path);
  return a->up == b->up && a->turns == b->turns && n == name_size(b->path) &&
         !strncmp(a->path, b->path, n);
}

// The nearest one: a repeat may be called more than once.
static PicModule *turn_before(const Picture *p, int module) {
  const Origin *o = p->modules.v[module]->origin;
  for (int i = module - 1; i > 0 && o->turn; i--) {
    PicModule *x = p->modules.v[i];
    if (x->origin->turn == o->turn - 1 && is_one_repeat(x->origin, o))
      return x;
  }
  return NULL;
}

static void join_turns(Picture *p) {
  for (int i = 1; i < p->modules.n; i++) {
    PicModule *m = p->modules.v[i], *before = turn_before(p, i);
    if (!before || before->sign != m->sign)
      continue;
    m->shown = before->shown;
    m->shown->stands++;
    m->shown->varied |= m->exact != before->exact;
    m->shown->shared = !strcmp(path_of(m), path_of(before));
  }
}

static void find_alike(Picture *p) {
  for (int i = 1; i < p->modules.n; i++)
    for (int j = 1; j < i && !p->modules.v[i]->as; j++) {
      PicModule *m = p->modules.v[i], *x = p->modules.v[j];
      bool alike = x->up == m->up && x->sign == m->sign && x->shown == x &&
                   !strcmp(x->origin->module, m->origin->module);
      m->as = alike ? x : NULL;
    }
}

void picture_modules(Picture *p) {
  p->of = NEWN(p->a, PicNode, p->g->nodes.n + 1);
  p->root = new_module(p, NULL, NULL);
  mark_live(p);
  mark_data(p);
  for (int id = 0; id <= p->out.node->id; id++)
    if (p->of[id].live && !(op_flags(p->g->nodes.v[id]->op) & F_LEAF))
      add_node(p, p->g->nodes.v[id]);
  for (int id = 0; id <= p->out.node->id; id++)
    if (p->of[id].live && p->g->nodes.v[id]->op == OP_PARAM)
      add_parameter(p, p->g->nodes.v[id]);
  for (int i = 0; i < p->want->ntime; i++)
    add_time(p, &p->want->time[i]);
  for (int i = 1; i < p->modules.n; i++)
    sign(p, p->modules.v[i]);
  join_turns(p);
  find_alike(p);
}

// The engine that applies rules.def to a fixed point: local rules bottom-up over the reachable
// nodes, then each global rule.
#include "graph/rewrite.h"
#include <string.h>

enum { MAX_ROUNDS = 100 };
struct Rule {
  const char *name;
  unsigned set;
  LocalRule *local;
  GlobalRule *global;
};
static const Rule rules[] = {
#define LOCAL(id, set, equation) {#id, RULES_##set, rule_##id, NULL},
#define GLOBAL(id, set, equation) {#id, RULES_##set, NULL, rule_##id},
#include "graph/rules.def"
#undef LOCAL
#undef GLOBAL
};
_Static_assert(sizeof rules / sizeof *rules <= COUNT(((RewriteStats *)0)->fired),
               "room to count every rule");

const char *rule_name(int i) {
  return i >= 0 && i < COUNT(rules) ? rules[i].name : NULL;
}

bool node_covers(const Node *n, Axis *const *ax, int nax) {
  for (int i = 0; i < nax; i++)
    if (!node_has(n, ax[i]))
      return false;
  return true;
}

bool same_axes(const Node *a, const Node *b) {
  return axes_equal_sets(a->ax, a->nax, b->ax, b->nax);
}

bool node_is_scalar_const(const Node *n, double *v) {
  return !n->nax && node_is_const(n, v);
}

bool match_with_const(const Node *n, Op op, Node **x, double *c) {
  if (n->op != op)
    return false;
  for (int i = 1; i >= 0; i--)
    if ((i == 1 || (op_flags(op) & F_COMMUTATIVE)) && node_is_scalar_const(n->in[i], c)) {
      *x = n->in[1 - i];
      return true;
    }
  return false;
}

static void survey(Rewrite *r) {
  Graph *g = r->g;
  r->live = graph_reachable(g, r->roots, r->nroots, &r->nlive);
  r->nuses = g->nodes.n;
  r->uses = NEWN(g->arena, int, r->nuses);
  for (int i = 0; i < r->nlive; i++)
    for (int k = 0; k < r->live[i]->nin; k++)
      r->uses[r->live[i]->in[k]->id]++;
  for (int i = 0; i < r->nroots; i++)
    r->uses[r->roots[i]->id]++;
}

// n over replaced operands.  A scan keeps its operands: its body refers to them, and the old nodes
// stay valid.
static Node *rebuild(Graph *g, Node *n, Node **map) {
  Node *in[16], **ops = n->nin <= COUNT(in) ? in : NEWN(g->arena, Node *, n->nin);
  bool changed = false;
  if (n->op == OP_SCAN)
    return n;
  for (int k = 0; k < n->nin; k++) {
    ops[k] = map[n->in[k]->id] ? map[n->in[k]->id] : n->in[k];
    changed |= ops[k] != n->in[k];
  }
  if (!changed)
    return n;
  graph_from(g, n);
  return g_node(g, n->op, n->dtype, ops, n->nin, &n->attr);
}

static Node *apply_local(Rewrite *r, unsigned mask, Node *n, RewriteStats *stats) {
  for (int i = 0; i < COUNT(rules); i++) {
    if (!rules[i].local || !(rules[i].set & mask))
      continue;
    graph_from(r->g, n);
    Node *m = rules[i].local(r, n);
    if (!m || m == n)
      continue;
    if (m->dtype != n->dtype || !same_axes(m, n))
      BUG("rule %s changes the type of %s", rules[i].name, op_name(n->op));
    stats->fired[i]++;
    n = m;
    i = -1;
  }
  return n;
}

static bool run_local(Rewrite *r, unsigned mask, RewriteStats *stats) {
  Graph *g = r->g;
  survey(r);
  Node **map = NEWN(g->arena, Node *, r->nuses);
  bool changed = false;
  for (int i = 0; i < r->nlive; i++) {
    Node *n = r->live[i];
    map[n->id] = apply_local(r, mask, rebuild(g, n, map), stats);
    changed |= map[n->id] != n;
  }
  for (int i = 0; i < r->nroots; i++)
    r->roots[i] = map[r->roots[i]->id];
  return changed;
}

// What stands for n after a replacement, found on demand: a replacement may use live nodes that
// come behind what it replaces.
typedef struct Remap {
  Rewrite *r;
  Node **map, **instead; // by id, of nodes live before
} Remap;

static Node *remap(Remap *m, Node *n) {
  Graph *g = m->r->g;
  bool old = n->id < m->r->nuses;
  if (old && m->map[n->id])
    return m->map[n->id];
  Node *to = old && m->instead[n->id] ? m->instead[n->id] : n;
  if (to != n) {
    to = remap(m, to);
  } else if (n->op != OP_SCAN) {
    Node *in[16], **ops = n->nin <= COUNT(in) ? in : NEWN(g->arena, Node *, n->nin);
    bool changed = false;
    for (int k = 0; k < n->nin; k++) {
      ops[k] = remap(m, n->in[k]);
      changed |= ops[k] != n->in[k];
    }
    if (changed) {
      graph_from(g, n);
      to = g_node(g, n->op, n->dtype, ops, n->nin, &n->attr);
    }
  }
  if (old)
    m->map[n->id] = to;
  return to;
}

void rewrite_replace(Rewrite *r, Node *const *old, Node *const *by, int n) {
  Graph *g = r->g;
  Remap m = {r, NEWN(g->arena, Node *, r->nuses), NEWN(g->arena, Node *, r->nuses)};
  for (int i = 0; i < n; i++)
    m.instead[old[i]->id] = by[i];
  // In order of ids, so that the recursion stays shallow.
  for (int i = 0; i < r->nlive; i++)
    remap(&m, r->live[i]);
  for (int i = 0; i < r->nroots; i++)
    r->roots[i] = m.map[r->roots[i]->id];
}

static bool run_global(Rewrite *r, unsigned mask, RewriteStats *stats) {
  bool changed = false;
  for (int i = 0; i < COUNT(rules); i++)
    if (rules[i].global && (rules[i].set & mask)) {
      survey(r);
      int fired = rules[i].global(r);
      stats->fired[i] += fired;
      changed |= fired > 0;
    }
  return changed;
}

void graph_rewrite(Graph *g, unsigned mask, Node **roots, int n, RewriteStats *stats) {
  RewriteStats own = {0};
  Rewrite r = {.g = g, .roots = roots, .nroots = n};
  GraphMark mark = graph_mark(g);
  if (!stats)
    stats = &own;
  for (int round = 0; round < MAX_ROUNDS; round++) {
    // Global rules see what local ones leave: layers are stacked once no flip is in between any
    // more.
    if (!run_local(&r, mask, stats) && !run_global(&r, mask, stats))
      break;
  }
  graph_mark_set(g, mark);
}

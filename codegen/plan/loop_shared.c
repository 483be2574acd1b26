// Which pointwise values of a step are derived in several of its nests: see lower_loop.h.
//
// A nest derives what it reads and is not in scratch.  Of what costs much (exp, tanh), and two nests read, scratch is
// cheaper than doing it twice.
#include "codegen/plan/lower_loop.h"

enum { MUCH = 8, NESTS = 64 };

typedef struct Sharing {
  const LoopRegion *r;
  uint64_t *nests; // by id: of those that derive the node
  int n;           // nests so far
} Sharing;

static uint64_t new_nest(Sharing *s) {
  int i = s->n < NESTS - 1 ? s->n++ : NESTS - 1;
  return (uint64_t)1 << i;
}

// Results over the same axes share a nest.
static void add_root(Sharing *s, Node *const *root, int n) {
  Node *x = root[n];
  if (!s->r->live[x->id])
    return;
  for (int i = 0; i < n; i++)
    if (s->r->live[root[i]->id] && axes_equal_sets(x->ax, x->nax, root[i]->ax, root[i]->nax)) {
      s->nests[x->id] |= s->nests[root[i]->id];
      return;
    }
  s->nests[x->id] |= new_nest(s);
}

static void add_roots(Sharing *s, Arena *a) {
  const Scan *c = s->r->s;
  Node **root = NEWN(a, Node *, c->nstate + c->nout + 1);
  int n = 0;
  for (int i = 0; i < c->nstate; i++)
    root[n++] = c->next[i];
  for (int i = 0; i < c->nout; i++)
    root[n++] = c->out[i];
  for (int i = 0; i < n; i++)
    add_root(s, root, i);
}

static bool in_several(uint64_t nests) {
  return (nests & (nests - 1)) != 0;
}

void loop_find_shared(LoopLower *x, LoopRegion *r) {
  int count = x->c->g->g->nodes.n;
  Sharing s = {.r = r, .nests = NEWN(x->c->a, uint64_t, count + 1)};
  r->shared = NEWN(x->c->a, bool, count + 1);
  add_roots(&s, x->c->a);
  for (int i = r->nnode - 1; i >= 0; i--) {
    Node *n = r->node[i];
    if (!r->live[n->id])
      continue;
    r->shared[n->id] =
        (op_flags(n->op) & F_POINTWISE) && op_flops(n) >= MUCH && in_several(s.nests[n->id]);
    uint64_t nests = r->shared[n->id] || loop_is_stored(r, n) ? new_nest(&s) : s.nests[n->id];
    for (int k = 0; k < n->nin; k++)
      s.nests[n->in[k]->id] |= nests;
  }
}

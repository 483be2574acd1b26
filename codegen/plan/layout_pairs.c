// Parameters that nothing but products of pairs, or of quads, reads, in a module that trains nothing: they are stored as the panels
// that PAIRS, or QUADS, would make of them, and the copies are none.  Decided once the products of all programs are planned, so that the order of
// sums, and with it every bit, is that of the copies.
#include "codegen/plan/contract.h"
#include <string.h>

// The parameter's axes, by their places in its node, as the panels have them: outermost first.
typedef struct PairOrder {
  bool known, quads;
  int nk, nn;
  int kax[BIGS_MAX_RANK], nax[BIGS_MAX_RANK];
} PairOrder;

// What trains keeps float32, and its gradients lie as parameters do.
static bool trains(const Planner *p) {
  for (int i = 0; i < p->progs.n; i++) {
    const Prog *g = p->progs.v[i];
    if (g->kind != BIGS_ENTRY && g->kind != BIGS_INIT)
      return true;
    for (int k = 0; k < g->nout; k++)
      if (g->outs[k].param && g->kind != BIGS_INIT)
        return true;
  }
  return false;
}

static bool reaches(const Prog *g, const Node *n) {
  return n->id < g->ninfo && info_of(g, n);
}

static bool is_packed(const Tile *t) {
  return t->pairs || t->quads;
}

// PAIRS, or QUADS, of columns of a parameter as it lies.
static bool copies_param(const Prog *g, const Inst *k) {
  return k->kind == IK_TRANSPOSE && k->prologue && is_packed(k->tile) && !k->tile->batch.n &&
         k->dst->width && g->buf.v[k->src->buf].where == BIGS_PARAM;
}

// The copy of n, and of nothing else, that product c reads.  NULL: it reads another thing, or does otherwise.
static const Inst *copy_for(const Prog *g, const Node *c, const Node *n) {
  const Inst *k = info_of(g, c)->inst;
  if (c->op != OP_CONTRACT || !k || k->kind != IK_TILE || k->root != c || !is_packed(k->tile) ||
      c->in[k->tile->side] != n || c->in[1 - k->tile->side] == n)
    return NULL;
  for (int i = 0; i < g->staged.n; i++)
    if (g->staged.v[i].place == k->tile->b)
      return copies_param(g, g->staged.v[i].inst) ? g->staged.v[i].inst : NULL;
  return NULL;
}

// Of what the product calls the parameter's axes, in `names`, the places of those in l.
static int places_of(const AxisList *l, Axis *const *names, int n, int *out) {
  int found = 0;
  for (int i = 0; i < l->n; i++)
    for (int k = 0; k < n; k++)
      if (names[k] == l->ax[i])
        out[found++] = k;
  return found;
}

static bool agrees(const Node *w, Node *n, const Inst *copy, PairOrder *o) {
  Axis *names[BIGS_MAX_RANK];
  PairOrder own = {.known = true};
  if (!copy || !param_names(n, w, names))
    return false;
  own.quads = copy->tile->quads;
  own.nk = places_of(&copy->tile->k, names, w->nax, own.kax);
  own.nn = places_of(&copy->tile->n, names, w->nax, own.nax);
  if (own.nk + own.nn != w->nax || (o->known && memcmp(o, &own, sizeof own)))
    return false;
  *o = own;
  return true;
}

// Do only such products read n, which is w, perhaps under other names?
static bool only_products(const Prog *g, const Node *w, Node *n, PairOrder *o) {
  const Info *f = info_of(g, n);
  bool only = !outputs_of(g, n) && !f->inst;
  for (int i = 0; i < f->nuse && only; i++)
    only = f->use[i]->op == OP_RENAME ? only_products(g, w, f->use[i], o)
                                      : agrees(w, n, copy_for(g, f->use[i], n), o);
  return only;
}

// Of a stack its parts lie side by side in panels, and nobody reads one of them alone.
static bool parts_fit(const Planner *p, const Param *x, const PairOrder *o) {
  const Axis *column = x->nax ? x->ax[x->nax - 1] : NULL;
  bool fit = !x->is_stack;
  for (int i = 0; i < o->nn && !fit; i++)
    fit = x->node->ax[o->nax[i]] == column;
  for (int i = 0; i < p->g->params.n && fit; i++)
    for (int k = 0; k < p->progs.n && fit; k++)
      fit = p->g->params.v[i]->stack != x || !reaches(p->progs.v[k], p->g->params.v[i]->node);
  return fit;
}

// Does a program write it one number after the other?  A scale is of all that a column sums up.
static bool has_first_values(const Planner *p, const Param *x) {
  bool has = false;
  for (int i = 0; i < p->progs.n && !has; i++)
    for (int k = 0; k < p->progs.v[i]->nout && !has; k++) {
      const Param *of = p->progs.v[i]->outs[k].param;
      has = of && (of == x || of->stack == x);
    }
  return has;
}

static bool wants_pairs(const Planner *p, const Param *x, PairOrder *o) {
  bool only = !x->stack && x->node->dtype == DT_F32;
  for (int i = 0; i < p->progs.n && only; i++)
    if (reaches(p->progs.v[i], x->node))
      only = only_products(p->progs.v[i], x->node, x->node, o);
  return only && o->known && parts_fit(p, x, o) && !(o->quads && has_first_values(p, x));
}

static void read_storage(Prog *g, const Param *x) {
  const ParamPlace *s = &g->p->param[x->index];
  for (int i = 0; i < g->staged.n; i++) {
    Inst *k = g->staged.v[i].inst;
    if (view_base(k->root) != x->node || !copies_param(g, k))
      continue;
    k->kind = IK_JOIN;
    g->buf.v[k->dst->buf] = (Buf){.where = BIGS_PARAM,
                                  .dtype = k->dst->dtype,
                                  .storage = s->storage,
                                  .size = poly_const(s->bytes / dtype_size(k->dst->dtype)),
                                  .name = x->path,
                                  .number = -1};
  }
}

void layout_pairs(Planner *p) {
  bool packs = (p->o.bf16 && p->o.on->pairs) || (p->o.int8 && p->o.on->quads),
       any = packs && !trains(p);
  for (int i = 0; i < p->g->params.n && any; i++) {
    const Param *x = p->g->params.v[i];
    PairOrder o = {0};
    if (!wants_pairs(p, x, &o))
      continue;
    layout_as_pairs(p, x, o.quads, o.kax, o.nk, o.nax, o.nn);
    for (int k = 0; k < p->progs.n; k++)
      if (reaches(p->progs.v[k], x->node))
        read_storage(p->progs.v[k], x);
  }
  if (any)
    layout_storages(p);
}

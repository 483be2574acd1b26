// Products of activations with a parameter as int8, on processors: each row of activations gets a scale of its own when it is
// made, each column of the parameter one when weights are bound; sums are exact.  QUADS makes both, in words of four k.
//
// Which products are such does not depend on the processor: a reduced sum of K numbers that an int32 holds, enough of them and
// enough columns that the work beside the product is little.
#include "base/int8.h"
#include "codegen/plan/contract.h"
#include <string.h>

enum { LEAST_K = 16, LEAST_COLUMNS = 8 };

static bool known_below(Axis *const *ax, int n, int64_t least, int64_t most) {
  Poly size = extents(ax, n);
  int64_t v;
  return poly_is_const(&size, &v) && v >= least && v <= most;
}

static bool is_named(const char *names, const char *path) {
  size_t n = strlen(path);
  for (const char *at = names; (at = strstr(at, path)); at += n)
    if ((at == names || at[-1] == ' ') && (!at[n] || at[n] == ' '))
      return true;
  return false;
}

// Of a stack all parts have to be.
static bool is_chosen(const Planner *p, const Node *w) {
  bool chosen = p->o.int8;
  for (int i = 0; i < p->g->params.n && chosen && p->o.int8_names; i++) {
    const Param *x = p->g->params.v[i];
    bool own = !x->is_stack && (x->node == w || (x->stack && x->stack->node == w));
    chosen = !own || is_named(p->o.int8_names, x->path);
  }
  return chosen;
}

// Is n a parameter that may be int8, perhaps under other names?
static bool is_weight(const Prog *g, Node *n) {
  Axis *names[BIGS_MAX_RANK];
  const Node *w = view_base(n);
  return w->op == OP_PARAM && w->dtype == DT_F32 && param_names(n, w, names) && is_chosen(g->p, w);
}

int quads_side(const Prog *g, const Node *c) {
  const PlanOptions *o = &g->p->o;
  if (c->dtype != DT_F32 || !o->on->quads || g->kind != BIGS_ENTRY ||
      !known_below(c->attr.axes, c->attr.naxes, LEAST_K, INT8_SUM))
    return -1;
  for (int side = 1; side >= 0; side--) {
    Tile t = {0};
    contract_classify(c, side, &t);
    if (is_weight(g, c->in[side]) && !info_of(g, c->in[1 - side])->steady && !t.batch.n &&
        known_below(t.n.ax, t.n.n, LEAST_COLUMNS, INT64_MAX))
      return side;
  }
  return -1;
}

static int64_t words_of(int64_t k) {
  return (k + LOOP_QUAD_K - 1) / LOOP_QUAD_K * LOOP_QUAD_K / 4;
}

// Words of a row's k, and of a column's, filled up.
Poly quads_words(const Tile *t) {
  int64_t n = 0;
  Poly K = extents(t->k.ax, t->k.n);
  CHECK(poly_is_const(&K, &n));
  return poly_const(words_of(n));
}

int64_t quads_panel(int64_t k, int64_t width) {
  return (words_of(k) + 2) * width;
}

// Of a panel of `width` columns, or of a row.
Poly quads_step(const Tile *t, int64_t width) {
  Poly words = quads_words(t);
  return width ? poly_scale(poly_add(words, poly_const(2)), width)
               : poly_add(words, poly_const(LOOP_QUAD_HEAD));
}

bool quads_read(const Place *pl, const Tile *t, bool columns) {
  const AxisList *l = columns ? &t->n : &t->m;
  if (!pl || pl->nlo || !place_merges(pl, t->k.ax, t->k.n) || !place_merges(pl, l->ax, l->n))
    return false;
  return pl->width ? columns && contract_panels_of(pl, l)
                   : contract_steps_by_one(pl, columns ? l : &t->k);
}

static Place *panels_place(Prog *g, const Tile *t, BigsWhere where) {
  int64_t n = 0, width = g->p->o.nr;
  Poly N = extents(t->n.ax, t->n.n);
  CHECK(poly_is_const(&N, &n));
  Poly size = poly_scale(quads_step(t, width), (n + width - 1) / width);
  Place *pl = place_dense(g, buf_add(g, where, DT_I32, size, "quads"), DT_I32, NULL, 0);
  pl->width = width;
  return pl;
}

static Place *rows_place(Prog *g, const Tile *t, BigsWhere where) {
  Poly step = quads_step(t, 0), size = poly_mul(step, extents(t->m.ax, t->m.n));
  int buf = buf_add(g, where, DT_I32, size, "quads");
  Place *pl = place_dense(g, buf, DT_I32, t->m.ax, t->m.n);
  for (int i = 0; i < t->m.n; i++)
    pl->stride[i] = poly_mul(pl->stride[i], step);
  return pl;
}

Inst *quads_stage(Prog *g, Node *x, Place *src, const Tile *t, bool columns, bool kept) {
  Tile *copy = NEW(g->a, Tile);
  *copy = *t;
  Inst *k = inst_new(g, IK_TRANSPOSE, x);
  k->prologue = kept;
  k->src = src;
  k->dst = (columns ? panels_place : rows_place)(g, t, kept ? BIGS_KEPT : BIGS_ARENA);
  k->tile = copy;
  return k;
}

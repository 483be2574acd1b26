// Contractions that a library of matrix products can do whole, with what is added to the result: a bias along the
// columns and a tensor of its shape.  The step's kernel does the same where there is no such library.
#include "codegen/plan/contract.h"

// ---- which contractions, before places are known

// Millions of multiplications and additions, with the estimates of sizes.
static double megaflops(const Node *c) {
  return 2e-6 * size_estimate(c->ax, c->nax) * size_estimate(c->attr.axes, c->attr.naxes);
}

bool library_wants(Prog *g, const Node *c) {
  int least = g->p->o.on->library_megaflops;
  return least && contract_fits_tile(g, c) && megaflops(c) >= least;
}

static bool lies_in_memory(Prog *g, Node *x) {
  const Info *f = info_of(g, view_base(x));
  int op = view_base(x)->op;
  return op == OP_PARAM || op == OP_INPUT || f->must || f->want;
}

static bool within(const Node *x, const Node *of) {
  for (int i = 0; i < x->nax; i++)
    if (!node_has(of, x->ax[i]))
      return false;
  return true;
}

// Constant along the axes of one operand's own, so that it is a bias of the other's columns.
static bool is_bias(const Node *x, const Node *c) {
  return x->nax && x->nax < c->nax && (within(x, c->in[0]) != within(x, c->in[1]));
}

typedef struct Added { // to a contraction, by what follows it
  Node *bias, *rest, *end;
} Added;

// Takes u = end + x into account; false where that is nothing the library adds.
static bool add_next(Prog *g, const Node *c, Node *u, Added *a) {
  if (u->op != OP_ADD || u->dtype != c->dtype || u->in[0] == u->in[1])
    return false;
  Node *x = u->in[0] == a->end ? u->in[1] : u->in[0];
  Node **slot = axes_equal_sets(x->ax, x->nax, c->ax, c->nax) ? &a->rest
                : is_bias(x, c)                               ? &a->bias
                                                              : NULL;
  if (!slot || *slot || x->dtype != c->dtype || !lies_in_memory(g, x))
    return false;
  *slot = x;
  a->end = u;
  return true;
}

// As far as it goes, or up to `last`.
static Added added_to(Prog *g, Node *c, const Node *last) {
  Added a = {.end = c};
  while (a.end != last && info_of(g, a.end)->nuse == 1 && !info_of(g, a.end)->dest &&
         add_next(g, c, info_of(g, a.end)->use[0], &a))
    ;
  return a;
}

Node *library_end(Prog *g, Node *c) {
  return added_to(g, c, NULL).end;
}

Place *library_bias(Prog *g, Node *c, const Node **param) {
  Added a = library_wants(g, c) ? added_to(g, c, NULL) : (Added){0};
  const Place *dest = a.end ? info_of(g, a.end)->dest : NULL;
  DType t = !a.end ? DT_F32 : dest ? dest->dtype : stored_dtype(g, a.end);
  *param = a.bias && t == DT_BF16 ? view_base(a.bias) : NULL;
  return *param ? shadow_param(g, c, view_base(a.bias)) : NULL;
}

// ---- what it is told

enum { MATRICES = BIGS_GEMM_MATRICES };

typedef struct LibraryCx {
  Prog *g;
  const Lower *c;
  const Tile *t;
  BigsGemm *out;
} LibraryCx;

// The list is one axis in pl, with this stride.
static bool stride_of(const Place *pl, const AxisList *l, Poly *stride) {
  *stride = l->n ? place_stride(pl, l->ax[l->n - 1]) : poly_const(0);
  return place_merges(pl, l->ax, l->n);
}

static int argument_of(const Lower *c, const Place *pl) {
  for (int i = 0; i < c->arg.n; i++)
    if (c->arg.v[i].buf == pl->buf && poly_eq(&c->arg.v[i].base, &pl->base))
      return i;
  return -1;
}

static bool put_matrix(LibraryCx *x, int which, const Place *pl, const AxisList *rows,
                       const AxisList *columns) {
  Poly row, column, batch;
  int arg = pl && !pl->width ? argument_of(x->c, pl) : -1;
  if (arg < 0 || !stride_of(pl, rows, &row) || !stride_of(pl, columns, &column) ||
      !stride_of(pl, &x->t->outer, &batch))
    return false;
  x->out->arg[which] = arg;
  x->out->dtype[which] = (uint8_t)x->g->buf.v[pl->buf].dtype;
  x->out->row[which] = plan_size(x->g->p, row);
  x->out->column[which] = plan_size(x->g->p, column);
  x->out->batch[which] = plan_size(x->g->p, batch);
  return true;
}

static bool has_unit(LibraryCx *x, int which) {
  const BigsSize one = plan_size(x->g->p, poly_const(1));
  return x->out->column[which] == one || x->out->row[which] == one;
}

static bool put_added(LibraryCx *x, int which, Node *n) {
  const Tile *t = x->t;
  x->out->arg[which] = -1;
  if (!n)
    return true;
  bool shadow = x->c->inst->bias_place && view_base(n) == x->c->inst->bias;
  const Place *pl = shadow ? shadow_view(x->g, x->c->inst->root, n) : place_view(x->g, n);
  if (!put_matrix(x, which, pl, &t->m, &t->n) || x->out->dtype[which] != x->out->dtype[BIGS_GEMM_C])
    return false;
  bool bias = which == BIGS_GEMM_BIAS;
  return x->out->column[which] == plan_size(x->g->p, poly_const(1)) &&
         (!bias || (!x->out->row[which] && !x->out->batch[which]));
}

static bool put_sizes(LibraryCx *x) {
  const AxisList *l[4] = {&x->t->m, &x->t->n, &x->t->k, &x->t->outer};
  BigsSize *to[4] = {&x->out->m, &x->out->n, &x->out->k, &x->out->count};
  for (int i = 0; i < 4; i++)
    *to[i] = plan_size(x->g->p, extents(l[i]->ax, l[i]->n));
  return x->t->m.n > 0;
}

// The one value that the instance stores, or NULL.
static const Member *sole_result(Prog *g, const Inst *k) {
  const Member *only = NULL;
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].role != ROLE_FULL || info_of(g, k->m.v[i].node)->needed) {
      if (only || k->m.v[i].role != ROLE_FULL)
        return NULL;
      only = &k->m.v[i];
    }
  return only;
}

int library_product(const Lower *c) {
  Prog *g = c->g;
  const Inst *k = c->inst;
  const Member *m = library_wants(g, k->root) ? sole_result(g, k) : NULL;
  Added a = added_to(g, k->root, m ? m->node : NULL);
  BigsGemm out = {0};
  LibraryCx x = {.g = g, .c = c, .t = k->tile, .out = &out};
  const Tile *t = k->tile;
  if (!m || m->node != a.end || m->copy || !put_sizes(&x) ||
      !put_matrix(&x, BIGS_GEMM_A, t->a, &t->m, &t->k) ||
      !put_matrix(&x, BIGS_GEMM_B, t->b, &t->k, &t->n) ||
      !put_matrix(&x, BIGS_GEMM_C, m->place, &t->m, &t->n) ||
      !put_added(&x, BIGS_GEMM_BIAS, a.bias) || !put_added(&x, BIGS_GEMM_REST, a.rest) ||
      !has_unit(&x, BIGS_GEMM_A) || !has_unit(&x, BIGS_GEMM_B) ||
      out.column[BIGS_GEMM_C] != plan_size(g->p, poly_const(1)) ||
      out.dtype[BIGS_GEMM_A] != out.dtype[BIGS_GEMM_B])
    return 0;
  vec_push(g->a, &g->gemm, out);
  return g->gemm.n;
}

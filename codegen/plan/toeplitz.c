// Convolutions with one kernel for all channels as products: rows are places, columns are channels, and A is the
// Toeplitz matrix of the kernel, which is nowhere stored: its elements are those of the kernel at strides 1 and -1.
// Tiles on the diagonal read beyond the kernel's start; so it is stored once more, behind as many zeros as a tile has
// rows: more rows would be more zeros that are multiplied.
#include "codegen/plan/contract.h"

bool toeplitz_multiplies(const Prog *g, const Node *n) {
  return n->dtype == DT_F32 || (n->dtype == DT_BF16 && g->p->o.on->bf16_products);
}

bool toeplitz_fits(const Prog *g, const Node *n) {
  if (!g->p->o.on->toeplitz || n->op != OP_CAUSAL_CONV)
    return false;
  const Node *u = n->in[0], *kernel = n->in[1];
  return toeplitz_multiplies(g, n) && toeplitz_multiplies(g, u) && toeplitz_multiplies(g, kernel) &&
         kernel->nax == 1 && kernel->ax[0] == n->attr.axis && node_has(u, n->attr.axis) &&
         u->nax > 1;
}

// ---- the kernel behind zeros

// Is n computed once for all calls?
static bool is_kept(const Prog *g, const Node *n) {
  return g->prologue && info_of(g, n)->steady;
}

// Of the dtype of what it is multiplied by.
static Place *staged_behind(Prog *g, Node *kernel, DType t) {
  const uint64_t key = 0x746f00 + (uint64_t)t;
  for (int i = 0; i < g->staged.n; i++)
    if (g->staged.v[i].node == kernel && g->staged.v[i].key == key)
      return g->staged.v[i].place;
  Poly zeros = poly_const(TOEPLITZ_SIDE), size = poly_add(zeros, kernel->ax[0]->extent);
  int buf = buf_add(g, is_kept(g, kernel) ? BIGS_KEPT : BIGS_ARENA, t, size, "behind zeros");
  Place *pl = place_dense(g, buf, t, kernel->ax, 1);
  Inst *k = inst_new(g, IK_BEHIND, kernel);
  k->dst = pl;
  vec_push(g->a, &k->loads, view_base(kernel));
  vec_push(g->a, &g->staged, (Staged){kernel, pl, k, key});
  return pl;
}

static LExpr *element_behind(Lower *c, Node *kernel, LExpr *i) {
  LExpr *zeros = li(c, TOEPLITZ_SIDE);
  Coords at = {0};
  coords_set(&at, kernel->ax[0], liop(c, L_IMAX, liop(c, L_ISUB, i, zeros), li(c, 0)));
  LExpr *inside = lx_op(c->a, L_LE, DT_BOOL, lx_from_int(c->a, DT_I32, zeros),
                        lx_from_int(c->a, DT_I32, i), NULL);
  return lx_op(c->a, L_SELECT, DT_F32, inside, lower_value(c, kernel, &at).e,
               lx_const(c->a, DT_F32, 0));
}

void lower_behind(Prog *g, Inst *k) {
  Lower *c = lower_new(g, k, inst_label(g, k));
  int64_t work = g->p->o.on->row_work;
  Poly size = g->buf.v[k->dst->buf].size;
  LExpr *lo = liop(c, L_IMUL, lvar(c, lower_grid(c, size, work)), li(c, work));
  int var = lower_var(c, size, c->scope.n);
  LStmt *f =
      ls_for(c->a, var, lo, liop(c, L_IMIN, liop(c, L_IADD, lo, li(c, work)), lpoly(c, size)), 1);
  lower_push(c, &f->body);
  int mem = lower_mem(c, k->dst->buf, poly_const(0), true);
  LExpr *i = lvar(c, var);
  LExpr *v = element_behind(c, k->root, i);
  if (k->dst->dtype != DT_F32)
    v = lx_op(c->a, L_CAST, k->dst->dtype, v, NULL, NULL);
  lower_emit(c, ls_store(c->a, mem, i, v));
  lower_pop(c);
  lower_emit(c, f);
  lower_finish(c, poly_const(0));
}

// ---- the product

static void push(AxisList *l, Axis *a) {
  l->ax[l->n++] = a;
}

// `channels` are the constant axes; where there is none, all but the convolved one.
void toeplitz_axes(const Node *u, Axis *along, Tile *t, AxisList *channels) {
  for (int i = 0; i < u->nax; i++)
    if (u->ax[i] != along)
      push(is_feature(u->ax[i]) ? channels : &t->batch, u->ax[i]);
  if (!channels->n) {
    *channels = t->batch;
    t->batch.n = 0;
  }
  push(&t->m, along);
}

Place *toeplitz_operand(Prog *g, Node *u, const Tile *t, const AxisList *channels, Node **light) {
  Place *pl = light_view(g, u, light);
  pl = pl ? pl : place_view(g, u);
  if (pl && !pl->width)
    return pl;
  Axis *order[MAX_AXES];
  int n = 0;
  const AxisList *l[] = {&t->batch, &t->m, channels};
  for (int i = 0; i < COUNT(l); i++)
    for (int j = 0; j < l[i]->n; j++)
      order[n++] = l[i]->ax[j];
  return staged_rows(g, u, order, n, channels->n);
}

static Axis **list_of(Prog *g, const AxisList *x, const AxisList *y) {
  Axis **ax = NEWN(g->a, Axis *, x->n + y->n + 1);
  for (int i = 0; i < x->n + y->n; i++)
    ax[i] = i < x->n ? x->ax[i] : y->ax[i - x->n];
  return ax;
}

static Inst *tile_inst(Prog *g, Node *n, Tile *t) {
  static const AxisList none = {0};
  Inst *k = inst_new(g, IK_TILE, n);
  k->tile = t;
  k->split = true;
  k->row = list_of(g, &t->outer, &t->m);
  k->nrow = t->outer.n + t->m.n;
  k->col = list_of(g, &t->n, &none);
  k->ncol = t->n.n;
  k->slot_block = TOEPLITZ_SIDE;
  return k;
}

static void note_operands(Prog *g, Inst *k, const Node *n) {
  for (int i = 0; i < 2; i++) {
    k->operand[i] = view_base(n->in[i]);
    k->operand_place[i] = info_of(g, k->operand[i])->place;
  }
}

Inst *toeplitz_plan(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  Tile *t = NEW(g->a, Tile);
  t->toeplitz = n->attr.reverse ? TOEPLITZ_FUTURE : TOEPLITZ_PAST;
  toeplitz_axes(n->in[0], n->attr.axis, t, &t->n);
  t->k = t->m;
  t->b = toeplitz_operand(g, n->in[0], t, &t->n, &t->light_b);
  t->a = staged_behind(g, n->in[1], t->b->dtype);
  contract_sort_axes(t->b, t->n.ax, t->n.n);
  t->outer = t->batch;
  contract_move_heads(t->b, &t->n, &t->outer);
  t->columns = TOEPLITZ_SIDE;
  if (t->b->dtype == DT_BF16)
    task_size(g, t);
  t->rows = TOEPLITZ_SIDE;
  Inst *k = tile_inst(g, n, t);
  note_operands(g, k, n);
  f->place = f->dest ? f->dest : place_new(g, n, k->col, k->ncol, k->prologue);
  return k;
}

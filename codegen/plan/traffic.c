// What a kernel's steps move: of each memory the elements that are read and those that are written, each
// once.  Counted are the places an index can have as its loops run; never more than the memory has.
// A profile compares a step's time with it, so it may be rough: where it depends on data, or on a size
// that is no polynomial, the whole memory counts.
#include "codegen/plan/plan_internal.h"
#include "base/map.h"

enum { VARS = 64 }; // of a kernel with more, whole memories count
typedef uint64_t Vars;

typedef struct Trips { // how often a loop runs
  Poly n;
  bool known;
  int grid; // -1, or the dimension of the grid of which it is a task's block
} Trips;

typedef struct Traffic {
  const Lower *c;
  Trips trips[VARS];
  Vars *reg;           // what registers depend on
  Vars task[GRID_MAX]; // the variable of each dimension of the grid
  Poly *most[2];       // by memory: elements read, and written
  Map seen;            // of the current statement: what expressions depend on, plus 1
} Traffic;

// With 64 for every size that is not known.
static double estimate(const Poly *p) {
  int64_t sym[MAX_SYMS];
  for (int i = 0; i < MAX_SYMS; i++)
    sym[i] = 64;
  return (double)poly_eval(p, sym);
}

static Poly divided(Poly p, int64_t by) {
  Poly q = {0};
  for (int i = 0; i < p.n; i++) {
    Poly term = {.n = 1, .t = {p.t[i]}};
    term.t[0].coef = (p.t[i].coef + by - 1) / by;
    q = term.t[0].coef ? poly_add(q, term) : q;
  }
  return q;
}

// The memory's elements.
static Poly whole(const Traffic *t, int mem) {
  const Buf *b = &t->c->g->buf.v[t->c->arg.v[mem].buf];
  if (!b->block || !poly_mul_fits(&b->size, &b->rows))
    return b->size;
  return divided(poly_mul(b->size, b->rows), b->block);
}

static void keep_most(Poly *most, Poly n) {
  if (estimate(&n) > estimate(most))
    *most = n;
}

// ---- how many places

static bool times(Poly *n, const Poly *by) {
  bool fits = poly_mul_fits(n, by);
  if (fits)
    *n = poly_mul(*n, *by);
  return fits;
}

// The blocks of one dimension of the grid, or all of it where a loop goes over a block's elements.
static bool times_grid(const Traffic *t, Vars vars, int d, Poly *n, int64_t *blocks) {
  bool used = vars & t->task[d], inside = false;
  for (int v = 0; v < VARS; v++)
    inside |= vars >> v & 1 && t->trips[v].grid == d;
  if (!used && !inside)
    return true;
  if (!inside)
    *blocks *= t->c->k->grid[d].block;
  return times(n, &t->c->k->grid[d].extent);
}

// n times as many places as these variables have values; false: not known.
static bool places(const Traffic *t, Vars vars, Poly *n) {
  int64_t blocks = 1;
  Vars tasks = 0;
  for (int d = 0; d < t->c->k->ngrid; d++) {
    tasks |= t->task[d];
    if (!times_grid(t, vars, d, n, &blocks))
      return false;
  }
  for (int v = 0; v < VARS; v++) {
    const Trips *x = &t->trips[v];
    if (!((vars & ~tasks) >> v & 1) || x->grid >= 0)
      continue;
    if (!x->known || !times(n, &x->n))
      return false;
  }
  *n = divided(*n, blocks);
  return true;
}

static void note(Traffic *t, int mem, Vars vars, Poly each, bool known, bool write) {
  if (mem >= t->c->arg.n) // scratch
    return;
  Poly all = whole(t, mem);
  if (!known || !places(t, vars, &each) || estimate(&each) > estimate(&all))
    each = all;
  keep_most(&t->most[write][mem], each);
}

// ---- expressions

// What x depends on; loads in it are noted.
static Vars depends(Traffic *t, const LExpr *x) {
  uint64_t known;
  if (!x || x->op == L_INT || x->op == L_POLY || x->op == L_CONST)
    return 0;
  if (x->op == L_VAR)
    return (Vars)1 << x->inum;
  if (x->op == L_REG)
    return t->reg[x->inum];
  if (map_get(&t->seen, x, &known))
    return known;
  Vars v = depends(t, x->a) | depends(t, x->b) | depends(t, x->c);
  if (x->op == L_LOAD)
    note(t, (int)x->inum, v, poly_const(1), true, false);
  map_put(&t->seen, x, v);
  return v;
}

// An upper bound; false: not known.
static bool size_of(const LExpr *x, Poly *p) {
  Poly q;
  int64_t by;
  switch (x->op) {
  case L_INT: *p = poly_const(x->inum); return true;
  case L_POLY: *p = x->poly; return true;
  case L_IMIN:
    if (!size_of(x->a, p))
      return size_of(x->b, p);
    if (size_of(x->b, &q) && estimate(&q) < estimate(p))
      *p = q;
    return true;
  case L_IDIV:
    if (!size_of(x->a, p) || !size_of(x->b, &q) || !poly_is_const(&q, &by) || by < 1)
      return false;
    *p = divided(*p, by);
    return true;
  default: return false;
  }
}

// A task's block, or a number of its own.
static Trips trips_of(Traffic *t, const LExpr *lo, const LExpr *hi) {
  Trips x = {.grid = -1};
  Vars v = depends(t, lo) | depends(t, hi);
  for (int d = 0; d < t->c->k->ngrid; d++)
    if (v & t->task[d] && t->c->k->grid[d].block > 1)
      x.grid = d;
  Poly from;
  x.known = size_of(hi, &x.n) && size_of(lo, &from) && poly_add_fits(&x.n, &from);
  if (x.known)
    x.n = poly_sub(x.n, from);
  return x;
}

// ---- statements

// Every memory is read and written as a whole.
static void note_all(Traffic *t) {
  for (int i = 0; i < t->c->arg.n; i++) {
    if (t->c->k->mem.v[i].read)
      note(t, i, 0, poly_const(1), false, false);
    if (t->c->k->mem.v[i].written)
      note(t, i, 0, poly_const(1), false, true);
  }
}

static void walk(Traffic *t, const LBody *b);

static void operand(Traffic *t, int mem, const LExpr *const *x, int n, int var, const LExpr *K) {
  Vars v = (Vars)1 << var;
  Poly k;
  bool known = size_of(K, &k);
  for (int i = 0; i < n; i++)
    v |= depends(t, x[i]);
  note(t, mem, v, known ? k : poly_const(1), known, false);
}

static void walk_tile(Traffic *t, const LTile *x) {
  const LExpr zero = {.op = L_INT, .dtype = DT_I64};
  t->trips[x->mvar] = trips_of(t, &zero, x->M);
  t->trips[x->nvar] = trips_of(t, &zero, x->N);
  for (int i = 0; i < x->nprod; i++) {
    const LProduct *p = &x->prod[i];
    operand(t, p->amem, (const LExpr *const[]){p->abase, p->am}, 2, x->mvar, p->K);
    operand(t, p->bmem, (const LExpr *const[]){p->bbase, p->bn, p->bpanel}, 3, x->nvar, p->K);
  }
  walk(t, &x->body);
}

static void walk_store(Traffic *t, const LStmt *s) {
  Vars v = depends(t, s->index);
  depends(t, s->value);
  note(t, s->mem, v, poly_const(1), true, true);
  if (s->add)
    note(t, s->mem, v, poly_const(1), true, false);
}

static void walk(Traffic *t, const LBody *b) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    map_clear(&t->seen);
    switch (s->kind) {
    case LS_FOR:
      t->trips[s->var] = trips_of(t, s->lo, s->hi);
      walk(t, &s->body);
      break;
    case LS_REG:
    case LS_SET:
    case LS_REDUCE: t->reg[s->reg] |= depends(t, s->value); break;
    case LS_STORE:
    case LS_COLSUM: walk_store(t, s); break;
    case LS_TILE: walk_tile(t, s->tile); break;
    case LS_TRANSPOSE:
    case LS_PAIRS:
    case LS_QUADS:
      note(t, s->tr.src, 0, poly_const(1), false, false);
      note(t, s->tr.dst, 0, poly_const(1), false, true);
      break;
    default: note_all(t); break;
    }
  }
}

// Their sum; of more terms than fit, the largest.
static Poly plus(Poly all, Poly x) {
  if (poly_add_fits(&all, &x))
    return poly_add(all, x);
  return estimate(&all) > estimate(&x) ? all : x;
}

static Poly total(const Traffic *t) {
  Poly all = {0};
  for (int i = 0; i < t->c->arg.n; i++)
    for (int w = 0; w < 2; w++)
      all = plus(all, poly_scale(t->most[w][i], dtype_size(t->c->k->mem.v[i].dtype)));
  return all;
}

Poly plan_traffic(const Lower *c) {
  const LKernel *k = c->k;
  Traffic t = {.c = c, .seen.arena = c->a, .reg = NEWN(c->a, Vars, k->nregs + 1)};
  for (int w = 0; w < 2; w++)
    t.most[w] = NEWN(c->a, Poly, c->arg.n + 1);
  if (k->nvars > VARS) {
    note_all(&t);
    return total(&t);
  }
  for (int v = 0; v < VARS; v++)
    t.trips[v].grid = -1;
  for (int d = 0; d < k->ngrid; d++)
    t.task[d] = (Vars)1 << k->grid[d].var;
  walk(&t, &k->body);
  return total(&t);
}

// A step of library code reads and writes its arguments as they are.
Poly plan_traffic_of(const Prog *g, const int32_t *arg, int n) {
  Poly all = {0};
  for (int i = 0; i < n; i++) {
    const Buf *b = &g->buf.v[arg[i]];
    all = plus(all, poly_scale(b->size, dtype_size(b->dtype)));
  }
  return all;
}

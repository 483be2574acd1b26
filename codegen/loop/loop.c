// Loop IR: builders, hash and equality.  The printer is loop_print.c, the verifier loop_verify.c.
#include "codegen/loop/loop.h"
#include "base/hash.h"
#include "base/map.h"
#include <string.h>

// ---- expressions

static LExpr *expr(Arena *a, LOp op, DType t) {
  LExpr *e = NEW(a, LExpr);
  e->op = op;
  e->dtype = t;
  return e;
}

LExpr *lx_int(Arena *a, int64_t v) {
  LExpr *e = expr(a, L_INT, DT_I64);
  e->inum = v;
  return e;
}

LExpr *lx_var(Arena *a, int var) {
  LExpr *e = expr(a, L_VAR, DT_I64);
  e->inum = var;
  return e;
}

LExpr *lx_poly(Arena *a, Poly p) {
  int64_t v;
  if (poly_is_const(&p, &v))
    return lx_int(a, v);
  LExpr *e = expr(a, L_POLY, DT_I64);
  e->poly = p;
  return e;
}

// A size known before the task runs: a constant or a polynomial.
static bool as_poly(const LExpr *e, Poly *p) {
  if (e->op == L_INT)
    *p = poly_const(e->inum);
  else if (e->op == L_POLY)
    *p = e->poly;
  else
    return false;
  return true;
}

static LExpr *fold_sizes(Arena *a, LOp op, const LExpr *x, const LExpr *y) {
  Poly p, q;
  if (!as_poly(x, &p) || !as_poly(y, &q))
    return NULL;
  if (op == L_IMUL)
    return poly_mul_fits(&p, &q) ? lx_poly(a, poly_mul(p, q)) : NULL;
  if (!poly_add_fits(&p, &q))
    return NULL;
  if (op == L_IADD)
    return lx_poly(a, poly_add(p, q));
  return op == L_ISUB ? lx_poly(a, poly_sub(p, q)) : NULL;
}

static int64_t fold_ints(LOp op, int64_t x, int64_t y) {
  switch (op) {
  case L_IDIV: return x / y;
  case L_IMOD: return x % y;
  case L_IMIN: return x < y ? x : y;
  case L_IMAX: return x > y ? x : y;
  default: BUG("not a division or a minimum");
  }
}

// x op 0, x op 1 and the like; NULL when nothing folds.
static LExpr *fold_identity(Arena *a, LOp op, LExpr *x, LExpr *y) {
  bool xi = x->op == L_INT, yi = y->op == L_INT;
  switch (op) {
  case L_IADD: return xi && !x->inum ? y : yi && !y->inum ? x : NULL;
  case L_ISUB: return yi && !y->inum ? x : NULL;
  case L_IMUL:
    if ((xi && !x->inum) || (yi && y->inum == 1))
      return x;
    return (yi && !y->inum) || (xi && x->inum == 1) ? y : NULL;
  case L_IDIV: return (yi && y->inum == 1) || (xi && !x->inum) ? x : NULL;
  case L_IMOD: return yi && y->inum == 1 ? lx_int(a, 0) : xi && !x->inum ? x : NULL;
  default: return x == y ? x : NULL;
  }
}

LExpr *lx_iop(Arena *a, LOp op, LExpr *x, LExpr *y) {
  CHECK(op >= L_IADD && op <= L_IMAX);
  LExpr *e = fold_identity(a, op, x, y);
  if (!e && op <= L_IMUL)
    e = fold_sizes(a, op, x, y);
  if (!e && op > L_IMUL && x->op == L_INT && y->op == L_INT && (op >= L_IMIN || y->inum > 0))
    e = lx_int(a, fold_ints(op, x->inum, y->inum));
  if (e)
    return e;
  e = expr(a, op, DT_I64);
  e->a = x;
  e->b = y;
  return e;
}

LExpr *lx_add(Arena *a, LExpr *x, LExpr *y) {
  return lx_iop(a, L_IADD, x, y);
}

LExpr *lx_mul(Arena *a, LExpr *x, LExpr *y) {
  return lx_iop(a, L_IMUL, x, y);
}

LExpr *lx_to_int(Arena *a, LExpr *x) {
  LExpr *e = expr(a, L_TO_INT, DT_I64);
  e->a = x;
  return e;
}

LExpr *lx_scalar_int(Arena *a, int slot) {
  LExpr *e = expr(a, L_SCALAR_INT, DT_I64);
  e->inum = slot;
  return e;
}

LExpr *lx_const(Arena *a, DType t, double v) {
  LExpr *e = expr(a, L_CONST, t);
  e->num = v;
  return e;
}

LExpr *lx_scalar(Arena *a, DType t, int slot) {
  LExpr *e = expr(a, L_SCALAR, t);
  e->inum = slot;
  return e;
}

LExpr *lx_load(Arena *a, const LKernel *k, int mem, LExpr *index) {
  CHECK(mem >= 0 && mem < k->mem.n);
  LExpr *e = expr(a, L_LOAD, k->mem.v[mem].dtype);
  e->inum = mem;
  e->a = index;
  return e;
}

LExpr *lx_reg(Arena *a, DType t, int reg) {
  LExpr *e = expr(a, L_REG, t);
  e->inum = reg;
  return e;
}

LExpr *lx_acc(Arena *a) {
  return expr(a, L_ACC, DT_F32);
}

LExpr *lx_from_int(Arena *a, DType t, LExpr *x) {
  LExpr *e = expr(a, L_FROM_INT, t);
  e->a = x;
  return e;
}

LExpr *lx_random(Arena *a, int slot, LExpr *index) {
  LExpr *e = expr(a, L_RANDOM, DT_F32);
  e->inum = slot;
  e->a = index;
  return e;
}

LExpr *lx_op(Arena *a, LOp op, DType t, LExpr *x, LExpr *y, LExpr *z) {
  LExpr *e = expr(a, op, t);
  e->a = x;
  e->b = y;
  e->c = z;
  return e;
}

// ---- statements

static LStmt *stmt(Arena *a, LStmtKind kind) {
  LStmt *s = NEW(a, LStmt);
  s->kind = kind;
  return s;
}

LStmt *ls_for(Arena *a, int var, LExpr *lo, LExpr *hi, int vec) {
  LStmt *s = stmt(a, LS_FOR);
  s->var = var;
  s->lo = lo;
  s->hi = hi;
  s->vec = vec;
  return s;
}

LStmt *ls_store(Arena *a, int mem, LExpr *index, LExpr *value) {
  LStmt *s = stmt(a, LS_STORE);
  s->mem = mem;
  s->index = index;
  s->value = value;
  return s;
}

LStmt *ls_colsum(Arena *a, int mem, LExpr *index, LExpr *value) {
  LStmt *s = ls_store(a, mem, index, value);
  s->kind = LS_COLSUM;
  s->add = true;
  return s;
}

LStmt *ls_reg(Arena *a, int reg, DType t, LExpr *value) {
  LStmt *s = stmt(a, LS_REG);
  s->reg = reg;
  s->dtype = t;
  s->value = value;
  return s;
}

LStmt *ls_set(Arena *a, int reg, LExpr *value) {
  LStmt *s = stmt(a, LS_SET);
  s->reg = reg;
  s->dtype = value->dtype;
  s->value = value;
  return s;
}

LStmt *ls_reduce(Arena *a, int reg, LReduce op, LExpr *value) {
  LStmt *s = stmt(a, LS_REDUCE);
  s->reg = reg;
  s->dtype = value->dtype;
  s->reduce = op;
  s->value = value;
  return s;
}

LStmt *ls_tile(Arena *a, int mvar, int nvar, LExpr *M, LExpr *N) {
  LStmt *s = stmt(a, LS_TILE);
  s->tile = NEW(a, LTile);
  s->tile->mvar = mvar;
  s->tile->nvar = nvar;
  s->tile->M = M;
  s->tile->N = N;
  return s;
}

LStmt *ls_attention(Arena *a, LPart part) {
  LStmt *s = stmt(a, LS_ATTENTION);
  LAttention *t = s->attention = NEW(a, LAttention);
  t->part = part;
  t->seen = t->kept = -1;
  for (int i = 0; i < LM_COUNT; i++)
    t->m[i].mem = -1;
  return s;
}

// ---- attention

char loop_attention_use(LPart part, int matrix) {
  static const char *const use[] = {
#define MATRIX(id, name, side, columns, out, rows, keys) #out #rows #keys,
#include "codegen/loop/loop_attention.def"
#undef MATRIX
  };
  return use[matrix][part];
}

const char *loop_attention_name(int matrix) {
  static const char *const name[] = {
#define MATRIX(id, text, side, columns, out, rows, keys) text,
#include "codegen/loop/loop_attention.def"
#undef MATRIX
  };
  return name[matrix];
}

bool loop_attention_of_keys(int matrix) {
  enum { rows, keys };
  static const bool of_keys[] = {
#define MATRIX(id, name, side, columns, o, r, k) side,
#include "codegen/loop/loop_attention.def"
#undef MATRIX
  };
  return of_keys[matrix];
}

int64_t loop_attention_columns(const LAttention *t, int matrix) {
  const int64_t d = t->d, dv = t->dv;
  const int64_t columns[] = {
#define MATRIX(id, name, side, columns, out, rows, keys) columns,
#include "codegen/loop/loop_attention.def"
#undef MATRIX
  };
  return columns[matrix];
}

// ---- kernels

LKernel *loop_kernel(Arena *a, const char *name) {
  LKernel *k = NEW(a, LKernel);
  k->name = name;
  return k;
}

int loop_arg(Arena *a, LKernel *k, const char *name, DType t, bool written) {
  CHECK(k->nargs == k->mem.n);
  vec_push(a, &k->mem, (LMem){.name = name, .dtype = t, .written = written, .read = true});
  return k->nargs++;
}

int loop_scratch(Arena *a, LKernel *k, const char *name, DType t, Poly size) {
  LMem m = {.name = name, .dtype = t, .scratch = true, .written = true, .read = true, .size = size};
  vec_push(a, &k->mem, m);
  return k->mem.n - 1;
}

int loop_var(LKernel *k) {
  return k->nvars++;
}

int loop_reg(LKernel *k) {
  return k->nregs++;
}

int loop_grid(LKernel *k, Poly extent, int64_t block) {
  CHECK(k->ngrid < GRID_MAX && block > 0);
  int var = loop_var(k);
  k->grid[k->ngrid++] = (LGrid){.extent = extent, .block = block, .var = var};
  return var;
}

// ---- scratch

int64_t loop_upper_bound(const LExpr *x) {
  if (x->op == L_INT)
    return x->inum;
  if (x->op != L_IMIN)
    return -1;
  int64_t a = loop_upper_bound(x->a), b = loop_upper_bound(x->b);
  return a < 0 ? b : b < 0 || a < b ? a : b;
}

enum { BLOCK_M = 48, BLOCK_N = 128, BLOCK_MAX = 1024, TILE_ROWS_MAX = 16, TILE_COLUMNS_MAX = 64 };

// The sums of all tiles, a block of A, a panel's block of B, and the sums' totals in float64.  Sizes
// allow for the widest tile of any target.
int64_t loop_tile_workspace(const LTile *t) {
  int64_t m = loop_upper_bound(t->M), n = loop_upper_bound(t->N);
  bool wanted = false;
  for (int i = 0; i < t->nprod; i++)
    wanted |= !t->prod[i].bwidth &&
              (t->prod[i].K->op != L_INT || t->prod[i].K->inum > 3 * LOOP_K_BLOCK / 2);
  if (!wanted || m < BLOCK_M || n < BLOCK_N || m > BLOCK_MAX || n > BLOCK_MAX)
    return 0;
  m += TILE_ROWS_MAX;
  n += TILE_COLUMNS_MAX;
  return 4 * (3 * m * n + m * LOOP_K_BLOCK + TILE_COLUMNS_MAX * LOOP_K_BLOCK);
}

static int64_t workspace(const LBody *b) {
  int64_t most = 0;
  for (int i = 0; i < b->n; i++) {
    int64_t n =
        b->v[i]->kind == LS_TILE ? loop_tile_workspace(b->v[i]->tile) : workspace(&b->v[i]->body);
    most = n > most ? n : most;
  }
  return most;
}

// The kernel rounds each size up to 64 bytes at run time; a polynomial cannot round, so the bound
// adds a line instead.
Poly loop_scratch_bytes(const LKernel *k) {
  Poly sum = poly_const(workspace(&k->body));
  for (int i = k->nargs; i < k->mem.n; i++) {
    int64_t n, elem = dtype_size(k->mem.v[i].dtype);
    if (poly_is_const(&k->mem.v[i].size, &n))
      sum = poly_add(sum, poly_const((n * elem + 63) / 64 * 64));
    else
      sum = poly_add(poly_add(sum, poly_scale(k->mem.v[i].size, elem)), poly_const(64));
  }
  return sum;
}

// ---- hash and equality.  Expressions may share nodes (a DAG), so both remember the nodes they
// have seen.

static uint64_t hash_expr(Map *m, const LExpr *e) {
  uint64_t h;
  if (!e)
    return 0x51ed;
  if (map_get(m, e, &h))
    return h;
  uint64_t num;
  memcpy(&num, &e->num, sizeof num);
  h = hash_mix(hash_mix(hash_mix(e->op, e->dtype), (uint64_t)e->inum), num);
  if (e->op == L_POLY)
    h = hash_mix(h, poly_hash(&e->poly));
  h = hash_mix(h, hash_expr(m, e->a));
  h = hash_mix(h, hash_expr(m, e->b));
  h = hash_mix(h, hash_expr(m, e->c));
  map_put(m, e, h);
  return h;
}

static bool same_expr(Map *m, const LExpr *a, const LExpr *b) {
  uint64_t seen;
  if (!a || !b)
    return a == b;
  if (map_get(m, a, &seen) && seen == (uintptr_t)b)
    return true;
  bool same = a->op == b->op && a->dtype == b->dtype && a->inum == b->inum &&
              !memcmp(&a->num, &b->num, sizeof a->num) &&
              (a->op != L_POLY || poly_eq(&a->poly, &b->poly)) && same_expr(m, a->a, b->a) &&
              same_expr(m, a->b, b->b) && same_expr(m, a->c, b->c);
  if (same)
    map_put(m, a, (uintptr_t)b);
  return same;
}

// The parts of a statement, listed once for both walks.  Unused parts are NULL or zero in both
// statements.
enum { STMT_EXPRS = 12, STMT_INTS = 12, PROD_EXPRS = 10, PROD_INTS = 5 };

static void stmt_parts(const LStmt *s, const LExpr *e[STMT_EXPRS], int64_t n[STMT_INTS]) {
  const LTile *t = s->tile;
  const LExpr *pe[STMT_EXPRS] = {s->lo,       s->hi,        s->index,    s->value,
                                 s->tr.rows,  s->tr.cols,   s->tr.sbase, s->tr.srow,
                                 s->tr.dbase, s->tr.dpanel, s->tr.dcol,  s->tr.scol};
  int64_t pn[STMT_INTS] = {
      s->kind,   s->var,    s->vec,       s->reg,
      s->dtype,  s->reduce, s->mem,       s->add + 2 * s->apart + 4 * s->diagonal,
      s->tr.src, s->tr.dst, s->tr.dwidth, t ? t->nprod : 0};
  memcpy(e, pe, sizeof pe);
  memcpy(n, pn, sizeof pn);
}

static void product_parts(const LProduct *p, const LExpr *e[PROD_EXPRS], int64_t n[PROD_INTS]) {
  const LExpr *pe[PROD_EXPRS] = {p->abase, p->am,     p->ak, p->bbase,  p->bk,
                                 p->bn,    p->bpanel, p->K,  p->afirst, p->bfirst};
  int64_t pn[PROD_INTS] = {p->amem, p->bmem, p->bwidth, p->pairs, p->quads};
  memcpy(e, pe, sizeof pe);
  memcpy(n, pn, sizeof pn);
}

enum { ATTENTION_EXPRS = 3 + 2 * LM_COUNT, ATTENTION_INTS = 13 + LM_COUNT };

static void attention_parts(const LAttention *t, const LExpr *e[ATTENTION_EXPRS],
                            int64_t n[ATTENTION_INTS]) {
  e[0] = t->first, e[1] = t->rows, e[2] = t->keys;
  n[0] = t->part, n[1] = t->d, n[2] = t->dv, n[3] = t->row, n[4] = t->key;
  n[5] = t->score, n[6] = t->seen, n[7] = t->kept;
  memcpy(&n[8], &t->scale, 8);
  memcpy(&n[9], &t->rate, 8);
  n[10] = t->near, n[11] = t->ahead, n[12] = t->behind;
  for (int i = 0; i < LM_COUNT; i++) {
    n[13 + i] = t->m[i].mem;
    e[3 + 2 * i] = t->m[i].base;
    e[4 + 2 * i] = t->m[i].row;
  }
}

static uint64_t hash_attention(Map *m, uint64_t h, const LAttention *t) {
  const LExpr *e[ATTENTION_EXPRS];
  int64_t n[ATTENTION_INTS];
  attention_parts(t, e, n);
  h = hash_bytes(h, n, sizeof n);
  for (int i = 0; i < ATTENTION_EXPRS; i++)
    h = hash_mix(h, hash_expr(m, e[i]));
  return h;
}

static uint64_t hash_body(Map *m, uint64_t h, const LBody *b);

static uint64_t hash_tile(Map *m, uint64_t h, const LTile *t) {
  h = hash_mix(hash_mix(h, (uint64_t)t->mvar), (uint64_t)t->nvar);
  h = hash_mix(hash_mix(h, hash_expr(m, t->M)), hash_expr(m, t->N));
  for (int i = 0; i < t->nprod; i++) {
    const LExpr *e[PROD_EXPRS];
    int64_t n[PROD_INTS];
    product_parts(&t->prod[i], e, n);
    h = hash_bytes(h, n, sizeof n);
    for (int j = 0; j < PROD_EXPRS; j++)
      h = hash_mix(h, hash_expr(m, e[j]));
  }
  return hash_body(m, h, &t->body);
}

static uint64_t hash_body(Map *m, uint64_t h, const LBody *b) {
  h = hash_mix(h, (uint64_t)b->n);
  for (int i = 0; i < b->n; i++) {
    const LExpr *e[STMT_EXPRS];
    int64_t n[STMT_INTS];
    stmt_parts(b->v[i], e, n);
    h = hash_bytes(h, n, sizeof n);
    for (int j = 0; j < STMT_EXPRS; j++)
      h = hash_mix(h, hash_expr(m, e[j]));
    if (b->v[i]->tile)
      h = hash_tile(m, h, b->v[i]->tile);
    if (b->v[i]->attention)
      h = hash_attention(m, h, b->v[i]->attention);
    h = hash_body(m, h, &b->v[i]->body);
  }
  return h;
}

uint64_t loop_hash(const LKernel *k) {
  Map m = {.arena = arena_new()};
  uint64_t h = hash_mix((uint64_t)k->nargs, (uint64_t)k->ngrid);
  for (int i = 0; i < k->mem.n; i++) {
    const LMem *x = &k->mem.v[i];
    h = hash_mix(h, (uint64_t)(x->dtype | x->scratch << 8 | x->written << 9 | x->read << 10));
    if (x->scratch)
      h = hash_mix(h, poly_hash(&x->size));
  }
  for (int i = 0; i < k->ngrid; i++) {
    h = hash_mix(h, poly_hash(&k->grid[i].extent));
    h = hash_mix(hash_mix(h, (uint64_t)k->grid[i].block), (uint64_t)k->grid[i].var);
  }
  h = hash_body(&m, h, &k->body);
  arena_free(m.arena);
  return h;
}

static bool same_exprs(Map *m, const LExpr *const *a, const LExpr *const *b, int n) {
  for (int i = 0; i < n; i++)
    if (!same_expr(m, a[i], b[i]))
      return false;
  return true;
}

static bool same_body(Map *m, const LBody *a, const LBody *b);

static bool same_tile(Map *m, const LTile *a, const LTile *b) {
  if (!a || !b)
    return a == b;
  if (a->mvar != b->mvar || a->nvar != b->nvar || a->nprod != b->nprod ||
      !same_expr(m, a->M, b->M) || !same_expr(m, a->N, b->N))
    return false;
  for (int i = 0; i < a->nprod; i++) {
    const LExpr *ea[PROD_EXPRS], *eb[PROD_EXPRS];
    int64_t na[PROD_INTS], nb[PROD_INTS];
    product_parts(&a->prod[i], ea, na);
    product_parts(&b->prod[i], eb, nb);
    if (memcmp(na, nb, sizeof na) || !same_exprs(m, ea, eb, PROD_EXPRS))
      return false;
  }
  return same_body(m, &a->body, &b->body);
}

static bool same_attention(Map *m, const LAttention *a, const LAttention *b) {
  const LExpr *ea[ATTENTION_EXPRS], *eb[ATTENTION_EXPRS];
  int64_t na[ATTENTION_INTS], nb[ATTENTION_INTS];
  if (!a || !b)
    return a == b;
  attention_parts(a, ea, na);
  attention_parts(b, eb, nb);
  return !memcmp(na, nb, sizeof na) && same_exprs(m, ea, eb, ATTENTION_EXPRS);
}

static bool same_body(Map *m, const LBody *a, const LBody *b) {
  if (a->n != b->n)
    return false;
  for (int i = 0; i < a->n; i++) {
    const LExpr *ea[STMT_EXPRS], *eb[STMT_EXPRS];
    int64_t na[STMT_INTS], nb[STMT_INTS];
    stmt_parts(a->v[i], ea, na);
    stmt_parts(b->v[i], eb, nb);
    if (memcmp(na, nb, sizeof na) || !same_exprs(m, ea, eb, STMT_EXPRS) ||
        !same_tile(m, a->v[i]->tile, b->v[i]->tile) ||
        !same_attention(m, a->v[i]->attention, b->v[i]->attention) ||
        !same_body(m, &a->v[i]->body, &b->v[i]->body))
      return false;
  }
  return true;
}

static bool same_mems(const LKernel *a, const LKernel *b) {
  if (a->nargs != b->nargs || a->mem.n != b->mem.n)
    return false;
  for (int i = 0; i < a->mem.n; i++) {
    const LMem *x = &a->mem.v[i], *y = &b->mem.v[i];
    if (x->dtype != y->dtype || x->scratch != y->scratch || x->written != y->written ||
        x->read != y->read || (x->scratch && !poly_eq(&x->size, &y->size)))
      return false;
  }
  return true;
}

bool loop_equal(const LKernel *a, const LKernel *b) {
  if (a == b)
    return true;
  if (!same_mems(a, b) || a->ngrid != b->ngrid)
    return false;
  for (int i = 0; i < a->ngrid; i++)
    if (!poly_eq(&a->grid[i].extent, &b->grid[i].extent) || a->grid[i].block != b->grid[i].block ||
        a->grid[i].var != b->grid[i].var)
      return false;
  Map m = {.arena = arena_new()};
  bool same = same_body(&m, &a->body, &b->body);
  arena_free(m.arena);
  return same;
}

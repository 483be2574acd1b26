// The verifier of loop IR: what every producer must guarantee and every backend may assume.
#include "codegen/loop/loop_lanes.h"
#include <stdarg.h>
#include <string.h>

typedef struct Verify {
  Arena *arena;
  const LKernel *k;
  const char *error; // the first one
  bool *var, *reg;   // in scope
  bool *outer;       // registers declared outside of the current vector loop
  bool *reduced;     // outer registers that the current vector loop reduces into
  bool *summed;      // memories that hold sums of columns
  DType *reg_dtype;
  Lanes lanes; // of the current vector loop
  Map seen;    // expressions of the current statement found well-formed
  bool epilogue;
  int row; // the variable of the current tile's rows, or -1
} Verify;

static void fail(Verify *v, const char *format, ...) PRINTF_LIKE(2, 3);

// Only the first is kept.
static void fail(Verify *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!v->error)
    v->error = arena_vprintf(v->arena, format, args);
  va_end(args);
}

static const int arity[L_OP_COUNT] = {
#define LOOP_OP(id, name, n) n,
#include "codegen/loop/loop_ops.def"
#undef LOOP_OP
#define SCALAR(id, name, n, domain, flags, cost) n,
#include "base/scalar.def"
#undef SCALAR
};

static void want(Verify *v, const LExpr *e, DType t, const char *what) {
  if (!v->error && e->dtype != t)
    fail(v, "%s is %s, not %s", what, dtype_name(e->dtype), dtype_name(t));
}

static void check_mem(Verify *v, int64_t mem) {
  if (mem < 0 || mem >= v->k->mem.n)
    fail(v, "memory %d does not exist", (int)mem);
}

static void check_expr(Verify *v, const LExpr *e, const char *what);

static void check_int(Verify *v, const LExpr *e, const char *what) {
  check_expr(v, e, what);
  if (!v->error)
    want(v, e, DT_I64, what);
}

// Lane-invariant integer.
static void check_size(Verify *v, const LExpr *e, const char *what) {
  check_int(v, e, what);
  if (!v->error && lanes_vary(&v->lanes, e))
    fail(v, "%s differs between lanes", what);
}

// A function for each domain of scalar.def.
static void of_one_dtype(Verify *v, const LExpr *e) {
  want(v, e->a, e->dtype, "operand");
  if (e->b)
    want(v, e->b, e->dtype, "operand");
  if (e->c)
    want(v, e->c, e->dtype, "operand");
}

static void floats_check(Verify *v, const LExpr *e) {
  if (!dtype_is_float(e->dtype))
    fail(v, "function of %s", dtype_name(e->dtype));
  of_one_dtype(v, e);
}

static void numbers_check(Verify *v, const LExpr *e) {
  if (e->dtype == DT_BOOL)
    fail(v, "arithmetic on bool");
  of_one_dtype(v, e);
}

static void bools_check(Verify *v, const LExpr *e) {
  want(v, e, DT_BOOL, "logical operation");
  of_one_dtype(v, e);
}

static void equality_check(Verify *v, const LExpr *e) {
  want(v, e->b, e->a->dtype, "right side of a comparison");
  want(v, e, DT_BOOL, "comparison");
}

static void integers_check(Verify *v, const LExpr *e) {
  want(v, e->a, DT_I32, "first operand");
  want(v, e->b, DT_I32, "second operand");
}

static void order_check(Verify *v, const LExpr *e) {
  equality_check(v, e); // bool has an order too: false < true
}

static void cast_check(Verify *v, const LExpr *e) {
  (void)v, (void)e;
}

static void choice_check(Verify *v, const LExpr *e) {
  want(v, e->a, DT_BOOL, "condition of select");
  want(v, e->b, e->dtype, "second operand of select");
  want(v, e->c, e->dtype, "third operand of select");
}

static void check_scalar_op(Verify *v, const LExpr *e) {
  static void (*const check[L_OP_COUNT])(Verify *, const LExpr *) = {
#define SCALAR(id, name, arity, domain, flags, cost) [L_##id] = domain##_check,
#include "base/scalar.def"
#undef SCALAR
  };
  check[e->op](v, e);
}

static void check_leaf(Verify *v, const LExpr *e) {
  switch (e->op) {
  case L_VAR:
    if (e->inum < 0 || e->inum >= v->k->nvars || !v->var[e->inum])
      fail(v, "variable i%d is not in scope", (int)e->inum);
    return;
  case L_REG:
    if (e->inum < 0 || e->inum >= v->k->nregs || !v->reg[e->inum])
      fail(v, "register r%d is not in scope", (int)e->inum);
    else if (v->reg_dtype[e->inum] != e->dtype)
      fail(v, "register r%d read as %s", (int)e->inum, dtype_name(e->dtype));
    else if (v->reduced && v->reduced[e->inum])
      fail(v, "register r%d is read while lanes reduce into it", (int)e->inum);
    return;
  case L_SCALAR:
  case L_SCALAR_INT:
  case L_RANDOM:
    if (e->inum < 0 || e->inum >= v->k->nscalars)
      fail(v, "scalar %d does not exist", (int)e->inum);
    else if (e->op == L_SCALAR && e->dtype != DT_F32 && e->dtype != DT_F64 && e->dtype != DT_I32)
      fail(v, "scalar of %s", dtype_name(e->dtype));
    return;
  case L_ACC:
    if (!v->epilogue)
      fail(v, "the sum of a tile outside of an epilogue");
    want(v, e, DT_F32, "the sum of a tile");
    return;
  case L_LOAD:
    check_mem(v, e->inum);
    if (!v->error)
      want(v, e, v->k->mem.v[e->inum].dtype, "load");
    if (!v->error && v->summed[e->inum])
      fail(v, "memory %d is loaded while columns are added up in it", (int)e->inum);
    return;
  default: return;
  }
}

static bool is_int_op(LOp op) {
  return op <= L_SCALAR_INT;
}

static void check_expr(Verify *v, const LExpr *e, const char *what) {
  uint64_t seen;
  if (v->error || map_get(&v->seen, e, &seen))
    return;
  if (!e || (unsigned)e->op >= L_OP_COUNT) {
    fail(v, "%s is missing", what);
    return;
  }
  const LExpr *kid[3] = {e->a, e->b, e->c};
  for (int i = 0; i < 3; i++)
    if (i < arity[e->op])
      check_expr(v, kid[i], "operand");
    else if (kid[i])
      fail(v, "an operand too many in %s", what);
  if (v->error)
    return;
  check_leaf(v, e);
  if (is_int_op(e->op) != (e->dtype == DT_I64))
    fail(v, "dtype %s does not fit its op", dtype_name(e->dtype));
  else if (e->op >= L_IADD && e->op <= L_IMAX)
    want(v, e->a, DT_I64, "operand of integers"), want(v, e->b, DT_I64, "operand of integers");
  else if (e->op == L_TO_INT)
    want(v, e->a, DT_I32, "operand of an index conversion");
  else if (e->op == L_LOAD || e->op == L_FROM_INT || e->op == L_RANDOM)
    want(v, e->a, DT_I64, "index");
  else if (e->op > L_RANDOM)
    check_scalar_op(v, e);
  if (e->a)
    map_put(&v->seen, e, 1);
}

static void check_body(Verify *v, const LBody *b);

static void enter_var(Verify *v, int var) {
  if (var < 0 || var >= v->k->nvars)
    fail(v, "variable i%d does not exist", var);
  else if (v->var[var])
    fail(v, "variable i%d is declared twice", var);
  else
    v->var[var] = true;
}

// A body with lanes: registers outside of it can only be reduced into.
static void check_lanes(Verify *v, int var, const LBody *b) {
  if (v->lanes.var >= 0) {
    fail(v, "a vector loop inside of a vector loop");
    return;
  }
  size_t n = (size_t)v->k->nregs + 1;
  v->outer = NEWN(v->arena, bool, n);
  v->reduced = NEWN(v->arena, bool, n);
  memcpy(v->outer, v->reg, n);
  v->lanes = lanes_of(v->arena, v->k, var, b);
  check_body(v, b);
  if (!v->error) // once more, now that all reductions are known: a read may come before its REDUCE
    check_body(v, b);
  v->lanes.var = -1;
  v->outer = v->reduced = NULL;
}

static void check_for(Verify *v, const LStmt *s) {
  check_size(v, s->lo, "a loop's start");
  if (s->apart)
    check_int(v, s->hi, "a loop's end");
  else
    check_size(v, s->hi, "a loop's end");
  if (s->vec < 0 || s->vec > 4)
    fail(v, "a loop of %d vectors", s->vec);
  if (s->apart && s->vec)
    fail(v, "a vector loop that its lanes end apart");
  enter_var(v, s->var);
  if (v->error)
    return;
  if (s->vec)
    check_lanes(v, s->var, &s->body);
  else
    check_body(v, &s->body);
  v->var[s->var] = false;
}

static bool stores(const LStmt *s) {
  return s->kind == LS_STORE || s->kind == LS_COLSUM;
}

static bool stores_to(const LBody *b, int mem) {
  for (int i = 0; i < b->n; i++)
    if ((stores(b->v[i]) && b->v[i]->mem == mem) || stores_to(&b->v[i]->body, mem))
      return true;
  return false;
}

static bool is_factor(const Verify *v, int mem) {
  DType t = v->k->mem.v[mem].dtype;
  return t == DT_F32 || t == DT_BF16;
}

static void check_operand(Verify *v, const LTile *t, int mem, bool quads) {
  check_mem(v, mem);
  if (v->error)
    return;
  if (!quads && !is_factor(v, mem))
    fail(v, "a product of %s", dtype_name(v->k->mem.v[mem].dtype));
  if (stores_to(&t->body, mem))
    fail(v, "an epilogue writes an operand of its product");
}

// What an operand's element is turned into.
static void check_first(Verify *v, const LExpr *x, int mem) {
  if (!x || v->error)
    return;
  if (v->k->mem.v[mem].dtype != DT_BF16)
    fail(v, "elements of %s that are turned into others", dtype_name(v->k->mem.v[mem].dtype));
  v->epilogue = true;
  check_expr(v, x, "an element of a product");
  want(v, x, DT_F32, "an element of a product");
  v->epilogue = false;
}

static void check_product(Verify *v, const LTile *t, const LProduct *p) {
  check_operand(v, t, p->amem, p->quads);
  check_operand(v, t, p->bmem, p->quads);
  check_size(v, p->abase, "abase");
  check_size(v, p->am, "am");
  check_size(v, p->ak, "ak");
  check_size(v, p->bbase, "bbase");
  check_size(v, p->bk, "bk");
  check_size(v, p->K, "K");
  if (p->bwidth < 0)
    fail(v, "a panel of negative width");
  if (p->bwidth)
    check_size(v, p->bpanel, "bpanel");
  if (p->bn)
    check_size(v, p->bn, "bn");
  if (p->bwidth && p->bn)
    fail(v, "a step of columns in panels");
  if (p->pairs && (!p->bwidth || v->k->mem.v[p->amem].dtype != DT_BF16 ||
                   v->k->mem.v[p->bmem].dtype != DT_BF16))
    fail(v, "pairs of other than bf16, or without panels");
  if (p->quads && (!p->bwidth || t->nprod > 1 || v->k->mem.v[p->amem].dtype != DT_I32 ||
                   v->k->mem.v[p->bmem].dtype != DT_I32))
    fail(v, "quads that are no words, or without panels, or beside another product");
  check_first(v, p->afirst, p->amem);
  check_first(v, p->bfirst, p->bmem);
}

static void check_tile(Verify *v, const LTile *t) {
  if (!t || t->nprod < 1 || t->nprod > 3) {
    fail(v, "a tile without products");
    return;
  }
  if (v->lanes.var >= 0) {
    fail(v, "a tile inside of a vector loop");
    return;
  }
  check_size(v, t->M, "M");
  check_size(v, t->N, "N");
  for (int i = 0; i < t->nprod; i++)
    check_product(v, t, &t->prod[i]);
  enter_var(v, t->mvar);
  enter_var(v, t->nvar);
  if (v->error)
    return;
  v->epilogue = true;
  v->row = t->mvar;
  check_lanes(v, t->nvar, &t->body);
  v->epilogue = false;
  v->row = -1;
  v->var[t->mvar] = v->var[t->nvar] = false;
}

static bool is_one(const LExpr *x) {
  return x->op == L_INT && x->inum == 1;
}

// Into panels, one of whose steps is `step`.
static void check_panels(Verify *v, const LStmt *s, const LExpr *step) {
  const LExpr *size[] = {s->tr.rows,  s->tr.cols,   s->tr.sbase, s->tr.srow,
                         s->tr.dbase, s->tr.dpanel, step};
  check_mem(v, s->tr.src);
  check_mem(v, s->tr.dst);
  for (int i = 0; i < COUNT(size); i++)
    check_size(v, size[i], "a transpose's size");
  if (v->error)
    return;
  if (v->lanes.var >= 0)
    fail(v, "a transpose inside of a vector loop");
  if (s->tr.dwidth < 1 || s->tr.src == s->tr.dst || !v->k->mem.v[s->tr.dst].written)
    fail(v, "a transpose needs a width and a destination of its own");
  if (!is_factor(v, s->tr.src))
    fail(v, "a transpose of other than f32");
}

static void check_transpose(Verify *v, const LStmt *s) {
  check_panels(v, s, s->tr.dcol);
  if (!v->error && v->k->mem.v[s->tr.dst].dtype != DT_F32)
    fail(v, "a transpose to other than f32");
}

static void check_pairs(Verify *v, const LStmt *s) {
  check_panels(v, s, s->tr.scol);
  if (v->error)
    return;
  if (v->k->mem.v[s->tr.dst].dtype != DT_BF16 ||
      (s->tr.dwidth > 1 && s->tr.dwidth % LOOP_PAIR_ROWS))
    fail(v, "pairs of other than bf16, or of another width");
  if (!is_one(s->tr.srow) && !is_one(s->tr.scol))
    fail(v, "pairs of what lies in no row");
}

static void check_quads(Verify *v, const LStmt *s) {
  check_panels(v, s, s->tr.scol);
  if (v->error)
    return;
  if (v->k->mem.v[s->tr.dst].dtype != DT_I32)
    fail(v, "quads that are no words");
  if (!is_one(s->tr.dwidth > 1 ? s->tr.srow : s->tr.scol))
    fail(v, "quads of what lies in no row");
}

static void check_matrix(Verify *v, const LAttention *t, int i) {
  const LMatrix *m = &t->m[i];
  const char *name = loop_attention_name(i);
  char use = loop_attention_use(t->part, i);
  bool number = i == LM_LSE || i == LM_DELTA;
  if (m->mem < 0 && use != 'R' && use != 'W')
    return;
  if (use == 'N') {
    fail(v, "%s where it is not used", name);
    return;
  }
  check_mem(v, m->mem);
  check_size(v, m->base, name);
  check_size(v, m->row, name);
  if (v->error)
    return;
  DType is = v->k->mem.v[m->mem].dtype;
  if (is != DT_F32 && (is != DT_BF16 || number))
    fail(v, "%s of %s", name, dtype_name(is));
  if (use != 'R' && !v->k->mem.v[m->mem].written)
    fail(v, "%s is written to memory %d, which is read-only", name, m->mem);
}

// Values only, for whoever evaluates them in whatever order.
static bool is_pure(const LBody *b) {
  for (int i = 0; i < b->n; i++) {
    LStmtKind kind = b->v[i]->kind;
    if ((kind != LS_FOR && kind != LS_REG && kind != LS_SET && kind != LS_REDUCE) ||
        (kind == LS_FOR && b->v[i]->vec) || !is_pure(&b->v[i]->body))
      return false;
  }
  return true;
}

static void check_yield(Verify *v, const LBody *b, int reg, DType t, const char *what) {
  for (int i = 0; i < b->n; i++)
    if (b->v[i]->kind == LS_REG && b->v[i]->reg == reg && b->v[i]->dtype == t)
      return;
  fail(v, "%s is no %s register at the top of its body", what, dtype_name(t));
}

static void check_elements(Verify *v, const LStmt *s) {
  const LAttention *t = s->attention;
  enter_var(v, t->row);
  enter_var(v, t->key);
  if (v->error)
    return;
  v->epilogue = true;
  check_lanes(v, t->key, &s->body);
  v->epilogue = false;
  check_yield(v, &s->body, t->score, DT_F32, "score");
  if (t->seen >= 0)
    check_yield(v, &s->body, t->seen, DT_BOOL, "seen");
  if (t->kept >= 0)
    check_yield(v, &s->body, t->kept, DT_BOOL, "kept");
  v->var[t->row] = v->var[t->key] = false;
}

static void check_attention(Verify *v, const LStmt *s) {
  const LAttention *t = s->attention;
  if (!t || v->k->body.n != 1 || v->k->body.v[0] != s) {
    fail(v, "attention beside other statements");
    return;
  }
  check_size(v, t->first, "attention's first row");
  check_size(v, t->rows, "attention's rows");
  check_size(v, t->keys, "attention's keys");
  for (int i = 0; i < LM_COUNT; i++)
    check_matrix(v, t, i);
  if (t->d < 1 || t->dv < 1 || !(t->rate >= 0 && t->rate < 1) || (t->rate > 0 && t->kept < 0))
    fail(v, "attention of no columns or at a rate of %g", t->rate);
  if (!is_pure(&s->body))
    fail(v, "attention's scores have effects");
  if (!v->error)
    check_elements(v, s);
}

static void check_store(Verify *v, const LStmt *s) {
  check_mem(v, s->mem);
  check_int(v, s->index, "index");
  check_expr(v, s->value, "stored value");
  if (v->error)
    return;
  want(v, s->value, v->k->mem.v[s->mem].dtype, "stored value");
  if (!v->k->mem.v[s->mem].written)
    fail(v, "a store to memory %d, which is read-only", s->mem);
  if (v->lanes.var >= 0 && !lanes_vary(&v->lanes, s->index))
    fail(v, "all lanes store to one element");
  if (s->add && v->k->mem.v[s->mem].dtype == DT_BOOL)
    fail(v, "addition of bool");
}

// Is it the same for all rows of a tile, and for whatever its memory holds?
static bool is_columns(const Verify *v, const LExpr *e) {
  return !e ||
         (e->op != L_REG && e->op != L_ACC && e->op != L_LOAD && e->op != L_TO_INT &&
          !(e->op == L_VAR && e->inum == v->row) && is_columns(v, e->a) && is_columns(v, e->b));
}

static bool is_var(const LExpr *e, int var) {
  return e && e->op == L_VAR && e->inum == var;
}

// The same for all elements of a diagonal of a tile, and for whatever its memory holds?
static bool is_diagonal(const Verify *v, const LExpr *e) {
  if (!e || (e->op == L_ISUB && is_var(e->a, v->row) && is_var(e->b, v->lanes.var)))
    return true;
  return e->op != L_REG && e->op != L_ACC && e->op != L_LOAD && e->op != L_TO_INT &&
         !is_var(e, v->row) && !is_var(e, v->lanes.var) && is_diagonal(v, e->a) &&
         is_diagonal(v, e->b);
}

static void check_colsum(Verify *v, const LStmt *s) {
  check_store(v, s);
  if (v->error)
    return;
  v->summed[s->mem] = true;
  if (!s->add)
    fail(v, "a sum of columns that does not add");
  if (s->diagonal && (!v->epilogue || !is_diagonal(v, s->index)))
    fail(v, "a sum of a diagonal at a place that is not the diagonal's");
  if (!s->diagonal && !is_columns(v, s->index))
    fail(v, "a sum of columns at a place that depends on a row or on data");
}

static void check_reg(Verify *v, const LStmt *s) {
  if (s->reg < 0 || s->reg >= v->k->nregs) {
    fail(v, "register r%d does not exist", s->reg);
    return;
  }
  check_expr(v, s->value, "a register's value");
  if (v->error)
    return;
  bool own = v->reg[s->reg];
  if (s->kind == LS_REG) {
    want(v, s->value, s->dtype, "a register's first value");
    v->reg[s->reg] = true;
    v->reg_dtype[s->reg] = s->dtype;
    return;
  }
  if (!own) {
    fail(v, "register r%d is not in scope", s->reg);
    return;
  }
  want(v, s->value, v->reg_dtype[s->reg], "a register's value");
  if (v->outer && v->outer[s->reg]) {
    if (s->kind == LS_SET)
      fail(v, "lanes set register r%d of outside", s->reg);
    v->reduced[s->reg] = true;
  }
}

static void check_body(Verify *v, const LBody *b) {
  size_t n = (size_t)v->k->nregs + 1;
  bool *saved = NEWN(v->arena, bool, n);
  memcpy(saved, v->reg, n);
  for (int i = 0; i < b->n && !v->error; i++) {
    const LStmt *s = b->v[i];
    map_clear(&v->seen);
    switch (s->kind) {
    case LS_FOR: check_for(v, s); break;
    case LS_REG:
    case LS_SET:
    case LS_REDUCE: check_reg(v, s); break;
    case LS_STORE: check_store(v, s); break;
    case LS_COLSUM: check_colsum(v, s); break;
    case LS_TILE: check_tile(v, s->tile); break;
    case LS_TRANSPOSE: check_transpose(v, s); break;
    case LS_PAIRS: check_pairs(v, s); break;
    case LS_QUADS: check_quads(v, s); break;
    case LS_ATTENTION: check_attention(v, s); break;
    default: fail(v, "a statement of unknown kind"); break;
    }
  }
  memcpy(v->reg, saved, n);
}

const char *loop_verify(Arena *a, const LKernel *k) {
  Verify v = {.arena = a, .k = k, .lanes.var = -1, .row = -1, .seen.arena = a};
  v.var = NEWN(a, bool, k->nvars + 1);
  v.reg = NEWN(a, bool, k->nregs + 1);
  v.reg_dtype = NEWN(a, DType, k->nregs + 1);
  v.summed = NEWN(a, bool, k->mem.n + 1);
  for (int i = 0; i < k->mem.n; i++)
    if (k->mem.v[i].scratch != (i >= k->nargs))
      fail(&v, "arguments come before scratch");
  for (int i = 0; i < k->ngrid; i++)
    enter_var(&v, k->grid[i].var);
  check_body(&v, &k->body);
  return v.error;
}

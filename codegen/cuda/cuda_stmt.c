// Statements of the loop IR as CUDA C++: loops, registers, reductions, stores, tiles.
#include "codegen/cuda/cuda_internal.h"
#include <math.h>

static void sync_warp(CudaCx *c) {
  if (!c->synced && !c->block)
    cuda_line(c, c->crew == 32 ? "__syncwarp();" : "__syncthreads();");
  c->synced = true;
}

static void open_block(CudaCx *c) {
  c->depth++;
  c->synced = false;
}

static void close_block(CudaCx *c) {
  c->depth--;
  cuda_line(c, "}");
}

// ---- registers

static LExpr *reg_expr(CudaCx *c, const LStmt *s) {
  return lx_reg(c->arena, s->value->dtype, s->reg);
}

static void put_reg(CudaCx *c, const LStmt *s) {
  cuda_begin(c, (const LExpr *const[]){s->value}, 1);
  if (s->kind == LS_REG)
    cuda_line(c, "%s r%d = $;", cuda_type(s->dtype), s->reg, s->value);
  else
    cuda_line(c, "$ = $;", reg_expr(c, s), s->value);
}

static LExpr *combined(CudaCx *c, LReduce op, LExpr *x, LExpr *y) {
  static const LOp of[] = {[LR_SUM] = L_ADD, [LR_MAX] = L_MAX, [LR_MIN] = L_MIN};
  return lx_op(c->arena, of[op], x->dtype, x, y, NULL);
}

static void put_reduce(CudaCx *c, const LStmt *s) {
  LExpr *r = reg_expr(c, s), *now = combined(c, s->reduce, s->value, r);
  bool partly = c->wide && c->wide->partly && !c->wide->gathers && c->partial[s->reg];
  cuda_begin(c, (const LExpr *const[]){now}, 1);
  if (partly)
    cuda_line(c, "$ = within ? @ : $;", r, now, r);
  else
    cuda_line(c, "$ = $;", r, now);
}

// ---- lane partials

typedef void LanePartialFn(CudaCx *c, const LStmt *s);

bool cuda_declares(const LBody *b, int reg) {
  for (int i = 0; i < b->n; i++)
    if ((b->v[i]->kind == LS_REG && b->v[i]->reg == reg) || cuda_declares(&b->v[i]->body, reg))
      return true;
  return false;
}

// Calls f at each REDUCE of a register declared outside of `all`.
static void each_partial(CudaCx *c, const LBody *all, const LBody *b, LanePartialFn *f) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    if (s->kind == LS_REDUCE && !cuda_declares(all, s->reg))
      f(c, s);
    each_partial(c, all, &s->body, f);
  }
}

static LExpr *identity(CudaCx *c, const LStmt *s) {
  DType t = s->value->dtype;
  double most = t == DT_I32 ? 2147483647 : (double)INFINITY;
  double least = t == DT_I32 ? -2147483648. : -(double)INFINITY;
  return lx_const(c->arena, t, s->reduce == LR_SUM ? 0 : s->reduce == LR_MAX ? least : most);
}

static void open_partial(CudaCx *c, const LStmt *s) {
  if (c->partial[s->reg]) // reduced into at two places
    return;
  c->partial[s->reg] = true;
  cuda_line(c, "%s r%d_lane = $;", cuda_type(s->value->dtype), s->reg, identity(c, s));
}

static void close_partial(CudaCx *c, const LStmt *s) {
  static const char *const name[] = {[LR_SUM] = "sum", [LR_MAX] = "max", [LR_MIN] = "min"};
  DType t = s->value->dtype;
  if (!c->partial[s->reg])
    return;
  c->partial[s->reg] = false;
  bool sum = s->reduce == LR_SUM, round = t == DT_BF16 && sum;
  const char *all = name[s->reduce],
             *how = round ? "warp_sum_bf16" : arena_printf(c->arena, "warp_%s", all);
  if (c->crew > 32)
    how = arena_printf(c->arena, "block_%s<%d>", all, c->crew / 32);
  if (sum && t != DT_I32)
    cuda_line(c, round ? "r%d = bg_bf16(bg_%s(r%d_lane) + r%d);" : "r%d = bg_%s(r%d_lane) + r%d;",
              s->reg, how, s->reg, s->reg);
  else
    cuda_line(c, "r%d = bg_%s(bg_%s(r%d_lane), r%d);", s->reg, sum ? "add" : all, how, s->reg,
              s->reg);
}

// ---- stores

// Does each value of the lanes' variable make another value of x?  Only what is seen at once.
static bool varies(const CudaCx *c, const LExpr *x) {
  return x && (x->op == L_VAR ? x->inum == c->lane_var
                              : x->op == L_REG || x->op == L_ACC || varies(c, x->a) ||
                                    varies(c, x->b) || varies(c, x->c));
}

static bool is_injective(const CudaCx *c, const LExpr *x) {
  bool a = varies(c, x->a), b = varies(c, x->b);
  if (x->op == L_VAR)
    return x->inum == c->lane_var;
  if (a == b)
    return false;
  const LExpr *lanes = a ? x->a : x->b, *same = a ? x->b : x->a;
  if (x->op == L_IMUL && same->op != L_POLY && (same->op != L_INT || !same->inum))
    return false;
  return (x->op == L_IADD || x->op == L_ISUB || x->op == L_IMUL) && is_injective(c, lanes);
}

// May two lanes add to one element?
static bool lanes_meet(const CudaCx *c, const LBody *b) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    if (s->diagonal || // which those of other rows have, too
        ((s->kind == LS_STORE || s->kind == LS_COLSUM) && s->add && !is_injective(c, s->index)) ||
        lanes_meet(c, &s->body))
      return true;
  }
  return false;
}

static void put_stored(CudaCx *c, const LStmt *s, const LExpr *value, const char *before) {
  bool bf16 = value->dtype == DT_BF16;
  cuda_line(c, bf16 ? "%s%s[$] = bg_to_bf16($);" : "%s%s[$] = $;", before, cuda_mem(c, s->mem),
            s->index, value);
}

// Into its loop's array.
static void put_given(CudaCx *c, int number, const LExpr *value) {
  cuda_begin(c, &value, 1);
  cuda_line(c, value->dtype == DT_BF16 ? "v%d[e] = bg_to_bf16($);" : "v%d[e] = $;", number, value);
}

static void put_store(CudaCx *c, const LStmt *s) {
  LExpr *value = s->value;
  if (s->add)
    value = combined(c, LR_SUM, value, lx_load(c->arena, c->k, s->mem, s->index));
  if (c->wide) {
    put_given(c, cuda_given(c, s), value);
    return;
  }
  cuda_begin(c, (const LExpr *const[]){s->index, value}, 2);
  if (c->lane_var >= 0) {
    put_stored(c, s, value, "");
    return;
  }
  sync_warp(c);
  c->lanes = true;
  put_stored(c, s, value, "if (lane == 0) ");
  sync_warp(c);
}

static void put_colsum(CudaCx *c, const LStmt *s) {
  if (c->tile)
    cuda_put_column(c, s);
  else
    put_store(c, s);
}

// ---- loops

// Could a body change its value?
static bool is_data(const LExpr *x) {
  return x && (x->op == L_TO_INT || is_data(x->a) || is_data(x->b));
}

// A loop's end is evaluated once.
static void fix(CudaCx *c, const LExpr *x) {
  uint64_t number = 0;
  if (!is_data(x) || (map_get(&c->names, x, &number) && number))
    return;
  number = (uint64_t)++c->nnamed;
  cuda_line(c, "const long long n%d = $;", c->nnamed, x);
  map_put(&c->names, x, number);
}

// Each lane takes its values of the variable; one alone takes all where lanes may meet.
static void open_lanes(CudaCx *c, int var, const LExpr *lo, const LExpr *hi, const LBody *body) {
  c->lane_var = var;
  if (c->tile) { // that clears columns
    cuda_line(c, "for (long long i%d = threadIdx.x; i%d < $; i%d += %d) {", var, var, hi, var,
              CUDA_BLOCK);
    open_block(c);
    return;
  }
  c->lanes = true;
  if (lanes_meet(c, body))
    cuda_line(c, "for (long long i%d = lane == 0 ? $ : $; i%d < $; i%d++) {", var, lo, hi, var, hi,
              var);
  else if (lo->op == L_INT && !lo->inum)
    cuda_line(c, "for (long long i%d = lane; i%d < $; i%d += %d) {", var, var, hi, var, c->crew);
  else
    cuda_line(c, "for (long long i%d = @ + lane; i%d < $; i%d += %d) {", var, lo, var, hi, var,
              c->crew);
  open_block(c);
}

static void close_lanes(CudaCx *c) {
  close_block(c);
  c->lane_var = -1;
}

static void put_vector_for(CudaCx *c, const LStmt *s) {
  cuda_begin(c, (const LExpr *const[]){s->lo, s->hi}, 2);
  fix(c, s->hi);
  sync_warp(c);
  each_partial(c, &s->body, &s->body, open_partial);
  if (!cuda_put_vector(c, s)) {
    open_lanes(c, s->var, s->lo, s->hi, &s->body);
    cuda_body(c, &s->body);
    close_lanes(c);
  }
  each_partial(c, &s->body, &s->body, close_partial);
  sync_warp(c);
}

static void put_for(CudaCx *c, const LStmt *s) {
  if (s->vec) {
    put_vector_for(c, s);
    return;
  }
  cuda_begin(c, (const LExpr *const[]){s->lo, s->hi}, 2);
  fix(c, s->hi);
  cuda_line(c, "for (long long i%d = $; i%d < $; i%d++) {", s->var, s->lo, s->var, s->hi, s->var);
  open_block(c);
  cuda_body(c, &s->body);
  close_block(c);
}

// ---- tiles

enum { LONG_K = 3072 }; // as in machine code for CPUs: see tile.h there

// Sums of a long or unknown K are added up in float64.
bool cuda_is_long(const LTile *t) {
  for (int i = 0; i < t->nprod; i++) {
    int64_t most = loop_upper_bound(t->prod[i].K);
    if (most < 0 || most > LONG_K)
      return true;
  }
  return false;
}

static LExpr *sum_of(CudaCx *c, LExpr *x, LExpr *y) {
  return lx_add(c->arena, x, y);
}

static LExpr *first_of_a(CudaCx *c, const LTile *t, const LProduct *p) {
  return sum_of(c, p->abase, lx_mul(c->arena, lx_var(c->arena, t->mvar), p->am));
}

static LExpr *first_of_b(CudaCx *c, const LTile *t, const LProduct *p) {
  Arena *a = c->arena;
  LExpr *n = lx_var(a, t->nvar), *w = lx_int(a, p->bwidth);
  if (p->bn)
    n = lx_mul(a, n, p->bn);
  if (p->bwidth) {
    LExpr *panel = lx_mul(a, lx_iop(a, L_IDIV, n, w), p->bpanel);
    n = sum_of(c, panel, lx_iop(a, L_IMOD, n, w));
  }
  return sum_of(c, p->bbase, n);
}

static void put_product(CudaCx *c, const LTile *t, const LProduct *p) {
  LExpr *a = first_of_a(c, t, p), *b = first_of_b(c, t, p);
  const char *firsts = cuda_put_firsts(c, p);
  cuda_begin(c, (const LExpr *const[]){a, p->ak, b, p->bk, p->K}, 5);
  cuda_line(c, "sum = bg_product(sum, %s + @, $, %s + @, $, $%s);", cuda_mem(c, p->amem), a, p->ak,
            cuda_mem(c, p->bmem), b, p->bk, p->K, firsts);
}

static void put_element(CudaCx *c, const LTile *t) {
  bool broad = cuda_is_long(t);
  cuda_line(c, broad ? "double sum = 0.0;" : "float sum = 0.0f;");
  for (int i = 0; i < t->nprod; i++)
    put_product(c, t, &t->prod[i]);
  cuda_line(c, broad ? "const float acc = (float)sum;" : "const float acc = sum;");
  cuda_body(c, &t->body);
}

static void put_tile(CudaCx *c, const LTile *t) {
  const LExpr *zero = lx_int(c->arena, 0);
  if (t == c->tile) {
    cuda_put_block_tile(c);
    return;
  }
  cuda_begin(c, (const LExpr *const[]){t->M, t->N}, 2);
  fix(c, t->M);
  fix(c, t->N);
  sync_warp(c);
  each_partial(c, &t->body, &t->body, open_partial);
  cuda_line(c, "for (long long i%d = 0; i%d < $; i%d++) {", t->mvar, t->mvar, t->M, t->mvar);
  open_block(c);
  open_lanes(c, t->nvar, zero, t->N, &t->body);
  put_element(c, t);
  close_lanes(c);
  close_block(c);
  each_partial(c, &t->body, &t->body, close_partial);
  sync_warp(c);
}

static void put_transpose(CudaCx *c, const LStmt *s) {
  const LExpr *x[] = {s->tr.dbase, s->tr.dpanel, s->tr.dcol, s->tr.sbase,
                      s->tr.srow,  s->tr.rows,   s->tr.cols};
  cuda_begin(c, x, COUNT(x));
  sync_warp(c);
  cuda_line(c, "bg_transpose(%s + @, $, $, %d, %s + @, $, $, $);", cuda_mem(c, s->tr.dst), x[0],
            x[1], x[2], (int)s->tr.dwidth, cuda_mem(c, s->tr.src), x[3], x[4], x[5], x[6]);
  sync_warp(c);
}

static void put_statement(CudaCx *c, const LStmt *s) {
  switch (s->kind) {
  case LS_FOR: put_for(c, s); break;
  case LS_REG:
  case LS_SET: put_reg(c, s); break;
  case LS_REDUCE: put_reduce(c, s); break;
  case LS_STORE: put_store(c, s); break;
  case LS_COLSUM: put_colsum(c, s); break;
  case LS_TILE: put_tile(c, s->tile); break;
  case LS_TRANSPOSE: put_transpose(c, s); break;
  case LS_PAIRS:
  case LS_QUADS: BUG("pairs of bf16, or quads, on a GPU");
  case LS_ATTENTION: cuda_put_attention(c, s); break;
  }
}

void cuda_body(CudaCx *c, const LBody *b) {
  CudaRow *outer = c->row;
  c->row = cuda_row(c, b);
  for (int i = 0; i < b->n; i++) {
    put_statement(c, b->v[i]);
    cuda_forget(c, b->v[i]);
  }
  c->row = outer;
}

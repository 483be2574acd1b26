// Products with few columns, as logits of one word by a table of words: lanes that are columns would have nothing to do. Here lanes are rows:
// squares of A, whose rows lie in memory one k after another, are transposed in registers, and each k of them is multiplied by a column's value
// in all lanes. Sums have the order that they have in a register tile (micro.h), so they are the same bits.
#include "codegen/llvm/tile.h"

enum { COLUMNS = TILE_FEW_COLUMNS, SQUARE = 16 };
enum { ARG_A, ARG_AM, ARG_B, ARG_C, ARG_K, ARG_RUN, ARG_COUNT };

typedef struct Turned {
  Emit *e;
  Val fn;
  int w, n;         // rows, columns
  LLVMTypeRef vec;  // of w floats
  Val k;            // slot
  Val sum[COLUMNS]; // slots: of the run
  Val all[COLUMNS]; // of those before it
} Turned;

static Val argument(const Turned *t, int arg) {
  return LLVMGetParam(t->fn, (unsigned)arg);
}

static Val float_at(const Turned *t, Val p, Val index) {
  return elem_ptr(t->e, t->e->u->f32, p, index);
}

static Val load(const Turned *t, LLVMTypeRef type, Val p) {
  Val v = LLVMBuildLoad2(t->e->b, type, p, "");
  LLVMSetAlignment(v, 4);
  return v;
}

static Val row_at(const Turned *t, int r, Val k) {
  Emit *e = t->e;
  Val at = LLVMBuildMul(e->b, iconst(e, r), argument(t, ARG_AM), "");
  return float_at(t, argument(t, ARG_A), LLVMBuildAdd(e->b, at, k, ""));
}

// One k of all rows by each of the columns.
static void add_k(const Turned *t, Val rows, Val k) {
  Emit *e = t->e;
  Val b = LLVMBuildMul(e->b, k, iconst(e, e->u->target->nr), "");
  for (int j = 0; j < t->n; j++) {
    Val at = LLVMBuildAdd(e->b, b, iconst(e, j), "");
    Val x = load(t, e->u->f32, float_at(t, argument(t, ARG_B), at));
    Val sum = LLVMBuildLoad2(e->b, t->vec, t->sum[j], "");
    sum = vm_fma(&e->u->vm, emit_splat(e->u, x, t->w), rows, sum);
    LLVMBuildStore(e->b, sum, t->sum[j]);
  }
}

static void add_square(const Turned *t, Val k) {
  Emit *e = t->e;
  Val v[SQUARE];
  for (int r = 0; r < t->w; r++) {
    v[r] = load(t, t->vec, row_at(t, r, k));
    micro_ask(e->u, row_at(t, r + t->w, k), 3); // of the rows that come next
  }
  emit_square(e, v, t->w);
  for (int s = 0; s < t->w; s++)
    add_k(t, v[s], LLVMBuildAdd(e->b, k, iconst(e, s), ""));
}

static void add_one(const Turned *t, Val k) {
  Emit *e = t->e;
  Val rows = LLVMConstNull(t->vec);
  for (int r = 0; r < t->w; r++)
    rows = LLVMBuildInsertElement(e->b, rows, load(t, e->u->f32, row_at(t, r, k)),
                                  LLVMConstInt(e->u->i32, (unsigned long long)r, false), "");
  add_k(t, rows, k);
}

static LLVMBasicBlockRef block(const Turned *t, const char *name) {
  return LLVMAppendBasicBlockInContext(t->e->u->cx, t->fn, name);
}

// for (; k + step <= end; k += step)
static void k_loop(const Turned *t, Val end, int step, void f(const Turned *, Val)) {
  Emit *e = t->e;
  LLVMBasicBlockRef head = block(t, "head"), body = block(t, "k"), done = block(t, "next");
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  Val k = LLVMBuildLoad2(e->b, e->u->i64, t->k, "");
  Val next = LLVMBuildAdd(e->b, k, iconst(e, step), "");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLE, next, end, ""), body, done);
  LLVMPositionBuilderAtEnd(e->b, body);
  f(t, k);
  LLVMBuildStore(e->b, next, t->k);
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// The run's sums are the first ones, or are added to those before.
static void end_run(const Turned *t, Val from) {
  Emit *e = t->e;
  Val first = LLVMBuildICmp(e->b, LLVMIntEQ, from, iconst(e, 0), "");
  for (int j = 0; j < t->n; j++) {
    Val sum = LLVMBuildLoad2(e->b, t->vec, t->sum[j], "");
    Val all = LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, t->vec, t->all[j], ""), sum, "");
    LLVMBuildStore(e->b, LLVMBuildSelect(e->b, first, sum, all, ""), t->all[j]);
  }
}

// Run after run, at least one.
static void runs(const Turned *t) {
  Emit *e = t->e;
  Val K = argument(t, ARG_K);
  LLVMBasicBlockRef run = block(t, "run"), done = block(t, "summed");
  LLVMBuildBr(e->b, run);
  LLVMPositionBuilderAtEnd(e->b, run);
  Val from = LLVMBuildLoad2(e->b, e->u->i64, t->k, "");
  Val end = imin(e, LLVMBuildAdd(e->b, from, argument(t, ARG_RUN), ""), K);
  for (int j = 0; j < t->n; j++)
    LLVMBuildStore(e->b, LLVMConstNull(t->vec), t->sum[j]);
  k_loop(t, end, t->w, add_square);
  k_loop(t, end, 1, add_one);
  end_run(t, from);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, end, K, ""), run, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// Into a tile's sums, a row of which is a panel's width.
static void store_sums(const Turned *t) {
  Emit *e = t->e;
  for (int j = 0; j < t->n; j++) {
    Val all = LLVMBuildLoad2(e->b, t->vec, t->all[j], "");
    for (int r = 0; r < t->w; r++) {
      Val lane = LLVMConstInt(e->u->i32, (unsigned long long)r, false);
      Val at = iconst(e, (int64_t)r * e->u->target->nr + j);
      LLVMBuildStore(e->b, LLVMBuildExtractElement(e->b, all, lane, ""),
                     float_at(t, argument(t, ARG_C), at));
    }
  }
}

static void define(Emit *e, Val fn, int n) {
  Turned t = {.e = e, .fn = fn, .w = e->u->target->vector_floats, .n = n};
  t.vec = wide(e->u->f32, t.w);
  LLVMPositionBuilderAtEnd(e->b, block(&t, "entry"));
  t.k = LLVMBuildAlloca(e->b, e->u->i64, "");
  LLVMBuildStore(e->b, iconst(e, 0), t.k);
  for (int j = 0; j < n; j++) {
    t.sum[j] = LLVMBuildAlloca(e->b, t.vec, "");
    t.all[j] = LLVMBuildAlloca(e->b, t.vec, "");
    LLVMBuildStore(e->b, LLVMConstNull(t.vec), t.all[j]);
  }
  runs(&t);
  store_sums(&t);
  LLVMBuildRetVoid(e->b);
}

static Val turned(Emit *e, int n, LLVMTypeRef type) {
  char name[32];
  snprintf(name, sizeof name, "turned%d", n);
  Val fn = LLVMGetNamedFunction(e->u->module, name);
  if (fn)
    return fn;
  fn = emit_function(e->u, name, type);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  define(e, fn, n);
  LLVMPositionBuilderAtEnd(e->b, here);
  return fn;
}

// ---- the statement

bool turned_fits(const TileCx *c) {
  const LProduct *p = &c->t->prod[0];
  int64_t K = loop_upper_bound(p->K);
  return c->t->nprod == 1 && p->bwidth && !p->pairs && !p->quads && !p->afirst && c->Nc < 0 &&
         (c->Mc < 0 || c->Mc >= c->vector) && K > 0 && K <= TILE_LONG_K && p->ak->op == L_INT &&
         p->ak->inum == 1 && c->nr >= COLUMNS && c->e->u->target->vector_floats <= SQUARE;
}

Val turned_wanted(TileCx *c) {
  Emit *e = c->e;
  Val few = LLVMBuildICmp(e->b, LLVMIntSLE, c->N, iconst(e, COLUMNS), "");
  Val rows = LLVMBuildICmp(e->b, LLVMIntSGE, c->M, iconst(e, c->vector), "");
  return LLVMBuildAnd(e->b, few, rows, "");
}

static void call(TileCx *c, int n) {
  Emit *e = c->e;
  LlvmUnit *u = e->u;
  const LProduct *p = &c->t->prod[0];
  Val K = emit_int(e, p->K);
  bool cut = loop_upper_bound(p->K) > TILE_UNCUT_K;
  LLVMTypeRef params[ARG_COUNT] = {u->ptr, u->i64, u->ptr, u->ptr, u->i64, u->i64};
  LLVMTypeRef type = LLVMFunctionType(u->none, params, ARG_COUNT, false);
  Val args[ARG_COUNT] = {
      tile_a(c, p), emit_int(e, p->am), tile_b(c, p), c->tile, K, cut ? tile_run(e, K) : K};
  LLVMBuildCall2(e->b, type, turned(e, n, type), args, ARG_COUNT, "");
}

// The fewest columns that hold them.
static void some_columns(TileCx *c) {
  Emit *e = c->e;
  LLVMBasicBlockRef done = new_block(e, "turned");
  for (int n = 1; n <= COLUMNS; n *= 2) {
    LLVMBasicBlockRef yes = new_block(e, "columns"), no = n < COLUMNS ? new_block(e, "more") : NULL;
    Val fits = LLVMBuildICmp(e->b, LLVMIntSLE, c->N, iconst(e, n), "");
    if (no)
      LLVMBuildCondBr(e->b, fits, yes, no);
    else
      LLVMBuildBr(e->b, yes);
    LLVMPositionBuilderAtEnd(e->b, yes);
    emit_forget(e);
    call(c, n);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, no ? no : done);
  }
  emit_forget(e);
  tile_epilogue(c);
}

static void turned_panel(TileCx *c) {
  tile_rows(c, some_columns);
}

void tile_turned(const TileCx *c) {
  TileCx turn = *c;
  turn.mr = c->vector;
  turn.short_rows = 0;
  tile_panels(&turn, turned_panel);
}

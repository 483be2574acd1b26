// Statements of the loop IR: sequential and vector loops, registers, reductions, conditions.
#include "codegen/llvm/llvm_internal.h"

// ---- registers

static Val reg_slot(Emit *e, EmitReg *r, DType t, int width) {
  r->type = wide(data_type(e->u, t), width);
  return r->slot = entry_alloca(e, r->type, 0);
}

// The value in the register's own width.
static Val reg_value(Emit *e, const EmitReg *r, Val v) {
  bool lanes = LLVMGetTypeKind(r->type) == LLVMVectorTypeKind;
  return lanes && !width_of(v) ? emit_splat(e->u, v, e->lane->width) : v;
}

static void emit_reg(Emit *e, const LStmt *s) {
  EmitReg *r = &e->reg[s->reg];
  Val v = emit_data(e, s->value);
  if (s->kind == LS_REG)
    reg_slot(e, r, s->dtype, e->lane && e->lane->lanes.reg[s->reg] ? e->lane->width : 0);
  LLVMBuildStore(e->b, reg_value(e, r, v), r->slot);
}

static Val identity(LlvmUnit *u, LReduce op, DType t, int width) {
  LLVMTypeRef lt = wide(data_type(u, t), width);
  if (op == LR_SUM)
    return LLVMConstNull(lt);
  if (t == DT_I32) {
    Val c = LLVMConstInt(u->i32, op == LR_MAX ? 0x80000000u : 0x7fffffffu, false);
    return width ? emit_splat(u, c, width) : c;
  }
  return vm_splat(&u->vm, lt, op == LR_MAX ? -__builtin_inf() : __builtin_inf());
}

static Val combine(Emit *e, const LStmt *s, Val acc) {
  DType t = s->value->dtype;
  if (s->reduce == LR_SUM && t != DT_I32 && t != DT_BF16)
    return emit_add(e, t, s->value, acc);
  return emit_reduce(e, s->reduce, t, emit_data(e, s->value), acc);
}

static void emit_reduction(Emit *e, const LStmt *s) {
  EmitReg *r = &e->reg[s->reg];
  LLVMTypeRef t = r->partial ? r->partial_type : r->type;
  Val slot = r->partial ? r->partial : r->slot;
  Val old = LLVMBuildLoad2(e->b, t, slot, ""), now = combine(e, s, old);
  if (r->partial && !width_of(now))
    now = emit_splat(e->u, now, e->lane->width);
  if (r->partial && e->lane->mask)
    now = LLVMBuildSelect(e->b, e->lane->mask, now, old, "");
  LLVMBuildStore(e->b, reg_value(e, r, now), slot);
}

// ---- lane partials

typedef void PartialFn(Emit *e, const LStmt *s, int width);

static bool declares(const LBody *b, int reg) {
  for (int i = 0; i < b->n; i++)
    if ((b->v[i]->kind == LS_REG && b->v[i]->reg == reg) || declares(&b->v[i]->body, reg))
      return true;
  return false;
}

// Calls f at each REDUCE of a register declared outside of `all`.
static void each_partial(Emit *e, const LBody *all, const LBody *b, PartialFn *f, int width) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    if (s->kind == LS_REDUCE && !declares(all, s->reg))
      f(e, s, width);
    each_partial(e, all, &s->body, f, width);
  }
}

static void open_partial(Emit *e, const LStmt *s, int width) {
  EmitReg *r = &e->reg[s->reg];
  if (r->partial) // reduced into at two places
    return;
  r->partial_type = wide(data_type(e->u, s->value->dtype), width);
  r->partial = entry_alloca(e, r->partial_type, 0);
  LLVMBuildStore(e->b, identity(e->u, s->reduce, s->value->dtype, width), r->partial);
}

void partials_begin(Emit *e, const LBody *body, int width) {
  each_partial(e, body, body, open_partial, width);
}

// The two halves of a vector combined: lane l with lane l + n/2.
static Val fold_half(Emit *e, const LStmt *s, Val v) {
  int n = width_of(v) / 2;
  Val lo[256], hi[256];
  for (int i = 0; i < n; i++) {
    lo[i] = LLVMConstInt(e->u->i32, (unsigned long long)i, false);
    hi[i] = LLVMConstInt(e->u->i32, (unsigned long long)(i + n), false);
  }
  Val a = LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(lo, (unsigned)n), "");
  Val b = LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(hi, (unsigned)n), "");
  return emit_reduce(e, s->reduce, s->value->dtype, a, b);
}

static void narrow(Emit *e, const LStmt *s, int width) {
  EmitReg *r = &e->reg[s->reg];
  if ((int)LLVMGetVectorSize(r->partial_type) == width)
    return;
  Val v = LLVMBuildLoad2(e->b, r->partial_type, r->partial, "");
  while (width_of(v) > width)
    v = fold_half(e, s, v);
  r->partial_type = LLVMTypeOf(v);
  r->partial = entry_alloca(e, r->partial_type, 0);
  LLVMBuildStore(e->b, v, r->partial);
}

static void partials_narrow(Emit *e, const LBody *body, int width) {
  each_partial(e, body, body, narrow, width);
}

static void close_partial(Emit *e, const LStmt *s, int width) {
  (void)width;
  EmitReg *r = &e->reg[s->reg];
  if (!r->partial)
    return;
  Val v = LLVMBuildLoad2(e->b, r->partial_type, r->partial, "");
  while (width_of(v) > 1)
    v = fold_half(e, s, v);
  v = LLVMBuildExtractElement(e->b, v, LLVMConstNull(e->u->i32), "");
  Val old = LLVMBuildLoad2(e->b, r->type, r->slot, "");
  LLVMBuildStore(e->b, emit_reduce(e, s->reduce, s->value->dtype, v, old), r->slot);
  r->partial = NULL;
}

void partials_end(Emit *e, const LBody *body) {
  each_partial(e, body, body, close_partial, 0);
}

// ---- vector loops

typedef struct Blocks { // the block sizes by which lane variables are divided
  int64_t v[16];
  int n;
} Blocks;

static void find_blocks(const Lanes *l, const LExpr *x, Blocks *found) {
  if (!x || !lanes_vary(l, x))
    return;
  if ((x->op == L_IDIV || x->op == L_IMOD) && x->b->op == L_INT && found->n < COUNT(found->v))
    found->v[found->n++] = x->b->inum;
  find_blocks(l, x->a, found);
  find_blocks(l, x->b, found);
  find_blocks(l, x->c, found);
}

static void blocks_of_body(const Lanes *l, const LBody *b, Blocks *found) {
  for (int i = 0; i < b->n; i++) {
    find_blocks(l, b->v[i]->index, found);
    find_blocks(l, b->v[i]->value, found);
    blocks_of_body(l, &b->v[i]->body, found);
  }
}

// How many native vectors at once: no more than asked, a power of two, such that a constant count
// has no tail if one vector has none, and that lanes stay within the blocks (panels, heads) that
// single vectors stay within.
static int choose_vec(const Emit *e, const LStmt *s, const Lanes *l, int64_t n) {
  int native = e->u->target->vector_floats, vec = s->vec >= 4 ? 4 : s->vec == 3 ? 2 : s->vec;
  Blocks blocks = {.n = 0};
  blocks_of_body(l, &s->body, &blocks);
  for (; vec > 1; vec /= 2) {
    int64_t width = (int64_t)native * vec;
    bool fits = n < 0 || (n >= width && (n % width == 0 || n % native));
    for (int i = 0; i < blocks.n; i++)
      fits = fits && (blocks.v[i] % width == 0 || blocks.v[i] % native);
    if (fits)
      break;
  }
  return vec;
}

static void lanes_body(Emit *e, const LStmt *s, LaneCx *cx, Val i, int64_t multiple) {
  emit_set_var(e, s->var, i, multiple);
  cx->base_multiple = multiple;
  e->lane = cx;
  emit_forget(e);
  emit_body(e, &s->body);
  emit_forget(e);
  e->lane = NULL;
}

static int64_t gcd2(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

// What the full vectors leave, by native vectors under a mask.
static void emit_tail(Emit *e, const LStmt *s, LaneCx *cx, Val lo, Val hi, int64_t multiple) {
  LoopCx loop;
  cx->width = e->u->target->vector_floats;
  partials_narrow(e, &s->body, cx->width);
  if (!loop_begin(e, &loop, lo, hi, cx->width))
    return;
  cx->mask = lane_mask(e, loop.i, hi, cx->width);
  lanes_body(e, s, cx, loop.i, gcd2(cx->width, multiple));
  loop_end(e, &loop);
}

static void emit_vector_for(Emit *e, const LStmt *s) {
  Val lo = emit_int(e, s->lo), hi = emit_int(e, s->hi);
  int64_t first, end, multiple = emit_multiple(e, s->lo), native = e->u->target->vector_floats;
  bool known = emit_const(lo, &first) && emit_const(hi, &end);
  Lanes lanes = lanes_of(e->arena, e->k, s->var, &s->body);
  int64_t n = known ? end - first : -1;
  if (known && n <= 0)
    return;
  int width = (int)native * choose_vec(e, s, &lanes, n);
  LaneCx cx = {.lanes = lanes, .width = width};
  // [lo, full) in whole vectors
  Val count = LLVMBuildSub(e->b, hi, lo, "");
  Val full = LLVMBuildAdd(e->b, lo, LLVMBuildAnd(e->b, count, iconst(e, -(int64_t)width), ""), "");
  LoopCx loop;
  partials_begin(e, &s->body, width);
  if (loop_begin(e, &loop, lo, full, width)) {
    lanes_body(e, s, &cx, loop.i, gcd2(width, multiple));
    loop_end(e, &loop);
  }
  bool whole = s->lo->op == L_INT && s->lo->inum == 0 && emit_multiple(e, s->hi) % width == 0;
  if (known ? n % width != 0 : !whole)
    emit_tail(e, s, &cx, full, hi, multiple);
  partials_end(e, &s->body);
  emit_forget(e);
}

// ---- the rest

static void emit_for(Emit *e, const LStmt *s) {
  LoopCx loop;
  CHECK(!s->apart);
  if (s->vec) {
    emit_vector_for(e, s);
    return;
  }
  Val lo = emit_int(e, s->lo), hi = emit_int(e, s->hi);
  if (!loop_begin(e, &loop, lo, hi, 1))
    return;
  emit_set_var(e, s->var, loop.i, loop.exit ? 1 : emit_multiple(e, s->lo));
  emit_body(e, &s->body);
  loop_end(e, &loop);
}

void emit_body(Emit *e, const LBody *b) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    emit_forget(e);
    switch (s->kind) {
    case LS_FOR: emit_for(e, s); break;
    case LS_REG:
    case LS_SET: emit_reg(e, s); break;
    case LS_REDUCE: emit_reduction(e, s); break;
    case LS_STORE:
    case LS_COLSUM:
      CHECK(!s->diagonal);
      emit_store(e, s);
      break;
    case LS_TILE: emit_tile(e, s->tile); break;
    case LS_TRANSPOSE: emit_transpose(e, s); break;
    case LS_PAIRS: emit_pairs(e, s); break;
    case LS_QUADS: emit_quads(e, s); break;
    case LS_ATTENTION: BUG("attention is planned as loops for CPUs");
    }
  }
  emit_forget(e);
}

// Integers of the loop IR as LLVM values: hoisting, strides between lanes, divisors; and loops.
#include "codegen/llvm/llvm_internal.h"
#include <string.h>

Val iconst(const Emit *e, int64_t v) {
  return LLVMConstInt(e->u->i64, (unsigned long long)v, true);
}

bool emit_const(Val v, int64_t *n) {
  if (!LLVMIsAConstantInt(v))
    return false;
  *n = LLVMConstIntGetSExtValue(v);
  return true;
}

Val call_intrinsic(LlvmUnit *u, const char *name, LLVMTypeRef *types, int ntypes, Val *args,
                   int nargs) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  CHECK(id);
  Val f = LLVMGetIntrinsicDeclaration(u->module, id, types, (size_t)ntypes);
  LLVMTypeRef t = LLVMIntrinsicGetType(u->cx, id, types, (size_t)ntypes);
  return LLVMBuildCall2(u->b, t, f, args, (unsigned)nargs, "");
}

void emit_forget(Emit *e) {
  map_clear(&e->ints);
  map_clear(&e->int_levels);
  map_clear(&e->data);
}

// ---- where to put a value of some level

static LLVMBasicBlockRef to_level(Emit *e, int level) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  if (level < e->level)
    LLVMPositionBuilderBefore(e->b, e->anchor[level + 1]);
  return here;
}

Val entry_alloca(Emit *e, LLVMTypeRef t, unsigned align) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->fn);
  Val first = LLVMGetFirstInstruction(entry);
  LLVMPositionBuilderBefore(e->b, first);
  Val slot = LLVMBuildAlloca(e->b, t, "");
  if (align)
    LLVMSetAlignment(slot, align);
  LLVMPositionBuilderAtEnd(e->b, here);
  return slot;
}

static Val load_slot(Emit *e, Val base, int64_t slot) {
  Val at = iconst(e, slot), p = LLVMBuildGEP2(e->b, e->u->i64, base, &at, 1, "");
  return LLVMBuildLoad2(e->b, e->u->i64, p, "");
}

Val emit_scalar_slot(Emit *e, int64_t slot) {
  LLVMBasicBlockRef here = to_level(e, 0);
  Val v = load_slot(e, e->scalars, slot);
  LLVMPositionBuilderAtEnd(e->b, here);
  return v;
}

static Val poly_value(Emit *e, const Poly *p) {
  Val sum = iconst(e, 0);
  for (int i = 0; i < p->n; i++) {
    Val term = iconst(e, p->t[i].coef);
    for (int j = 0; j < POLY_FACTORS && p->t[i].sym[j] >= 0; j++)
      term = LLVMBuildMul(e->b, load_slot(e, e->syms, p->t[i].sym[j]), term, "");
    sum = LLVMBuildAdd(e->b, sum, term, "");
  }
  return sum;
}

Val emit_poly(Emit *e, const Poly *p) {
  for (int i = 0; i < e->polys.n; i++)
    if (poly_eq(&e->polys.v[i].poly, p))
      return e->polys.v[i].value;
  LLVMBasicBlockRef here = to_level(e, 0);
  Val v = poly_value(e, p);
  LLVMPositionBuilderAtEnd(e->b, here);
  vec_push(e->arena, &e->polys, (EmitPoly){*p, v});
  return v;
}

// ---- expressions

Val imin(Emit *e, Val x, Val y) {
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, x, y, ""), x, y, "");
}

static Val imax(Emit *e, Val x, Val y) {
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, x, y, ""), x, y, "");
}

// Hoisting runs a division that the source may guard, so a divisor that is not constant is kept
// positive.
static Val divisor(Emit *e, Val y) {
  int64_t n;
  LLVMTypeRef t = LLVMTypeOf(y);
  if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
    return LLVMIsConstant(y) ? y : imax(e, y, emit_splat(e->u, iconst(e, 1), width_of(y)));
  return emit_const(y, &n) ? y : imax(e, y, iconst(e, 1));
}

static Val int_op(Emit *e, LOp op, Val x, Val y) {
  switch (op) {
  case L_IADD: return LLVMBuildAdd(e->b, x, y, "");
  case L_ISUB: return LLVMBuildSub(e->b, x, y, "");
  case L_IMUL: return LLVMBuildMul(e->b, x, y, "");
  case L_IDIV: return LLVMBuildUDiv(e->b, x, divisor(e, y), "");
  case L_IMOD: return LLVMBuildURem(e->b, x, divisor(e, y), "");
  case L_IMIN: return imin(e, x, y);
  case L_IMAX: return imax(e, x, y);
  default: BUG("integer op %d", op);
  }
}

static Val leaf(Emit *e, const LExpr *x, int *level) {
  *level = 0;
  switch (x->op) {
  case L_INT: return iconst(e, x->inum);
  case L_POLY: return emit_poly(e, &x->poly);
  case L_SCALAR_INT: return emit_scalar_slot(e, x->inum);
  case L_VAR: *level = e->var_level[x->inum]; return e->var[x->inum];
  case L_TO_INT: break;
  default: BUG("not an integer: op %d", x->op);
  }
  *level = e->level;
  Val v = emit_data(e, x->a);
  if (width_of(v))
    v = LLVMBuildExtractElement(e->b, v, LLVMConstNull(e->u->i32), "");
  return LLVMBuildSExt(e->b, v, e->u->i64, "");
}

static Val emit_at(Emit *e, const LExpr *x, int *level) {
  uint64_t seen, seen_level;
  if (map_get(&e->ints, x, &seen) && map_get(&e->int_levels, x, &seen_level)) {
    *level = (int)seen_level;
    return (Val)(uintptr_t)seen;
  }
  Val v;
  if (x->op >= L_IADD && x->op <= L_IMAX) {
    int la, lb;
    Val a = emit_at(e, x->a, &la), b = emit_at(e, x->b, &lb);
    *level = la > lb ? la : lb;
    LLVMBasicBlockRef here = to_level(e, *level);
    v = int_op(e, x->op, a, b);
    LLVMPositionBuilderAtEnd(e->b, here);
  } else {
    v = leaf(e, x, level);
  }
  if (x->a) {
    map_put(&e->ints, x, (uintptr_t)v);
    map_put(&e->int_levels, x, (uint64_t)*level);
  }
  return v;
}

Val emit_int(Emit *e, const LExpr *x) {
  int level;
  return emit_at(e, x, &level);
}

// ---- lanes

static int64_t gcd(int64_t a, int64_t b) {
  a = a < 0 ? -a : a;
  b = b < 0 ? -b : b;
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

int64_t emit_multiple(const Emit *e, const LExpr *x) {
  int64_t g = 0, a;
  switch (x->op) {
  case L_INT: return gcd(x->inum, 0);
  case L_POLY:
    for (int i = 0; i < x->poly.n; i++)
      g = gcd(g, x->poly.t[i].coef);
    return g;
  case L_VAR: return e->var_multiple[x->inum];
  case L_IADD:
  case L_ISUB:
  case L_IMIN:
  case L_IMAX:
  case L_IMOD: return gcd(emit_multiple(e, x->a), emit_multiple(e, x->b));
  case L_IMUL: {
    int64_t product;
    if (__builtin_mul_overflow(emit_multiple(e, x->a), emit_multiple(e, x->b), &product))
      return 1;
    return product;
  }
  case L_IDIV:
    a = emit_multiple(e, x->a);
    return x->b->op == L_INT && a % x->b->inum == 0 ? a / x->b->inum : 1;
  default: return 1;
  }
}

// n / c and n % c of lanes that all lie in one block of c.
static bool block_stride(const Emit *e, const LExpr *x, int64_t *stride) {
  int64_t s, c = x->b->op == L_INT ? x->b->inum : 0;
  if (c <= 0 || !lane_stride(e, x->a, &s) || s <= 0)
    return false;
  int64_t span = s * e->lane->width;
  if (c % span || emit_multiple(e, x->a) % span)
    return false;
  *stride = x->op == L_IMOD ? s : 0;
  return true;
}

bool lane_stride(const Emit *e, const LExpr *x, int64_t *stride) {
  int64_t a, b;
  if (!e->lane || !lanes_vary(&e->lane->lanes, x)) {
    *stride = 0;
    return true;
  }
  switch (x->op) {
  case L_VAR: *stride = 1; return true;
  case L_IADD:
  case L_ISUB:
    if (!lane_stride(e, x->a, &a) || !lane_stride(e, x->b, &b))
      return false;
    *stride = x->op == L_IADD ? a + b : a - b;
    return true;
  case L_IMUL:
    if (x->b->op == L_INT && lane_stride(e, x->a, &a))
      *stride = a * x->b->inum;
    else if (x->a->op == L_INT && lane_stride(e, x->b, &b))
      *stride = b * x->a->inum;
    else
      return false;
    return true;
  case L_IDIV:
  case L_IMOD: return block_stride(e, x, stride);
  default: return false;
  }
}

static Val ramp(LLVMTypeRef t, int width, int64_t stride) {
  Val v[256];
  CHECK(width <= COUNT(v));
  for (int i = 0; i < width; i++)
    v[i] = LLVMConstInt(t, (unsigned long long)(i * stride), true);
  return LLVMConstVector(v, (unsigned)width);
}

Val emit_int_lanes(Emit *e, const LExpr *x) {
  int64_t stride;
  int width = e->lane->width;
  if (lane_stride(e, x, &stride)) {
    Val base = emit_splat(e->u, emit_int(e, x), width);
    return stride ? LLVMBuildAdd(e->b, base, ramp(e->u->i64, width, stride), "") : base;
  }
  if (x->op == L_TO_INT)
    return LLVMBuildSExt(e->b, emit_lanes(e, x->a), wide(e->u->i64, width), "");
  Val a = emit_int_lanes(e, x->a);
  return int_op(e, x->op, a, emit_int_lanes(e, x->b));
}

// Compared as 32-bit integers, the width of the lanes that the mask is for.
Val lane_mask(Emit *e, Val base, Val hi, int width) {
  Val left = imin(e, LLVMBuildSub(e->b, hi, base, ""), iconst(e, width));
  left = emit_splat(e->u, LLVMBuildTrunc(e->b, left, e->u->i32, ""), width);
  return LLVMBuildICmp(e->b, LLVMIntSLT, ramp(e->u->i32, width, 1), left, "");
}

// ---- loops

LLVMBasicBlockRef new_block(const Emit *e, const char *name) {
  return LLVMAppendBasicBlockInContext(e->u->cx, e->fn, name);
}

void emit_set_var(Emit *e, int var, Val value, int64_t multiple) {
  e->var[var] = value;
  e->var_level[var] = e->level;
  e->var_multiple[var] = multiple;
}

bool loop_begin(Emit *e, LoopCx *c, Val lo, Val hi, int64_t step) {
  int64_t first, end;
  bool known = emit_const(lo, &first) && emit_const(hi, &end);
  *c = (LoopCx){.i = lo, .hi = hi, .step = iconst(e, step)};
  emit_forget(e);
  if (known && first >= end)
    return false;
  if (known && first + step >= end)
    return true; // straight-line
  c->body = new_block(e, "loop");
  c->exit = new_block(e, "after");
  c->pre = new_block(e, "pre");
  LLVMMoveBasicBlockBefore(c->pre, c->body);
  if (known)
    LLVMBuildBr(e->b, c->pre);
  else
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, ""), c->pre, c->exit);
  CHECK(e->level + 2 < LEVELS_MAX);
  LLVMPositionBuilderAtEnd(e->b, c->pre);
  e->anchor[++e->level] = LLVMBuildBr(e->b, c->body);
  LLVMPositionBuilderAtEnd(e->b, c->body);
  c->i = LLVMBuildPhi(e->b, e->u->i64, "i");
  LLVMAddIncoming(c->i, &lo, &c->pre, 1);
  return true;
}

void loop_end(Emit *e, LoopCx *c) {
  emit_forget(e);
  if (!c->exit)
    return;
  Val next = LLVMBuildNSWAdd(e->b, c->i, c->step, "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, c->hi, ""), c->body, c->exit);
  LLVMAddIncoming(c->i, &next, &latch, 1);
  LLVMMoveBasicBlockAfter(c->exit, latch);
  LLVMPositionBuilderAtEnd(e->b, c->exit);
  e->level--;
}

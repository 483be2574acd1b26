// Loads and stores: scalars, vectors of consecutive elements, reversed ones, and gathers for the
// rest.
#include "codegen/llvm/llvm_internal.h"

static LLVMTypeRef memory_type(const LlvmUnit *u, DType t) {
  return t == DT_BOOL ? u->i8 : t == DT_BF16 ? u->i16 : data_type(u, t);
}

Val elem_ptr(Emit *e, LLVMTypeRef t, Val base, Val index) {
  return LLVMBuildGEP2(e->b, t, base, &index, 1, "");
}

// From memory's form to a value's.
static Val unpack(LlvmUnit *u, DType t, Val v) {
  int width = width_of(v);
  if (t == DT_BOOL)
    return LLVMBuildICmp(u->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
  if (t != DT_BF16)
    return v;
  v = LLVMBuildZExt(u->b, v, wide(u->i32, width), "");
  v = LLVMBuildShl(u->b, v, uconst(u, v, 16), "");
  return LLVMBuildBitCast(u->b, v, wide(u->f32, width), "");
}

static Val pack(LlvmUnit *u, DType t, Val v) {
  int width = width_of(v);
  if (t == DT_BOOL)
    return LLVMBuildZExt(u->b, v, wide(u->i8, width), "");
  if (t != DT_BF16)
    return v;
  v = LLVMBuildBitCast(u->b, v, wide(u->i32, width), "");
  v = LLVMBuildLShr(u->b, v, uconst(u, v, 16), "");
  return LLVMBuildTrunc(u->b, v, wide(u->i16, width), "");
}

static Val align_of(const Emit *e, DType t) {
  return LLVMConstInt(e->u->i32, (unsigned long long)dtype_size(t), false);
}

static Val reversed(LlvmUnit *u, Val v) {
  int n = width_of(v);
  Val order[256];
  for (int i = 0; i < n; i++)
    order[i] = LLVMConstInt(u->i32, (unsigned long long)(n - 1 - i), false);
  return LLVMBuildShuffleVector(u->b, v, v, LLVMConstVector(order, (unsigned)n), "");
}

static Val all_lanes(const Emit *e) {
  return LLVMConstAllOnes(wide(e->u->i1, e->lane->width));
}

static Val consecutive(Emit *e, DType t, Val p) {
  LLVMTypeRef vt = wide(memory_type(e->u, t), e->lane->width);
  if (e->lane->mask) {
    Val args[4] = {p, align_of(e, t), e->lane->mask, LLVMConstNull(vt)};
    LLVMTypeRef over[2] = {vt, e->u->ptr};
    return call_intrinsic(e->u, "llvm.masked.load", over, 2, args, 4);
  }
  Val v = LLVMBuildLoad2(e->b, vt, p, "");
  LLVMSetAlignment(v, (unsigned)dtype_size(t));
  return v;
}

static Val gather(Emit *e, DType t, Val p) {
  int width = e->lane->width;
  LLVMTypeRef over[2] = {wide(memory_type(e->u, t), width), wide(e->u->ptr, width)};
  Val args[4] = {p, align_of(e, t), e->lane->mask ? e->lane->mask : all_lanes(e),
                 LLVMConstNull(over[0])};
  return call_intrinsic(e->u, "llvm.masked.gather", over, 2, args, 4);
}

Val emit_load(Emit *e, int mem, const LExpr *index) {
  DType t = e->k->mem.v[mem].dtype;
  LLVMTypeRef mt = memory_type(e->u, t);
  int64_t stride;
  bool regular = lane_stride(e, index, &stride);
  if (regular && stride == 0) {
    Val v = LLVMBuildLoad2(e->b, mt, elem_ptr(e, mt, e->mem[mem], emit_int(e, index)), "");
    LLVMSetAlignment(v, (unsigned)dtype_size(t));
    return unpack(e->u, t, v);
  }
  if (regular && stride == 1)
    return unpack(e->u, t, consecutive(e, t, elem_ptr(e, mt, e->mem[mem], emit_int(e, index))));
  if (regular && stride == -1 && !e->lane->mask) {
    Val first = LLVMBuildSub(e->b, emit_int(e, index), iconst(e, e->lane->width - 1), "");
    return unpack(e->u, t, reversed(e->u, consecutive(e, t, elem_ptr(e, mt, e->mem[mem], first))));
  }
  return unpack(e->u, t, gather(e, t, elem_ptr(e, mt, e->mem[mem], emit_int_lanes(e, index))));
}

// ---- stores

static void put_scalar(Emit *e, DType t, Val p, Val v) {
  Val s = LLVMBuildStore(e->b, pack(e->u, t, v), p);
  LLVMSetAlignment(s, (unsigned)dtype_size(t));
}

static void put_consecutive(Emit *e, DType t, Val p, Val v) {
  v = pack(e->u, t, v);
  if (!e->lane->mask) {
    LLVMSetAlignment(LLVMBuildStore(e->b, v, p), (unsigned)dtype_size(t));
    return;
  }
  Val args[4] = {v, p, align_of(e, t), e->lane->mask};
  LLVMTypeRef over[2] = {LLVMTypeOf(v), e->u->ptr};
  call_intrinsic(e->u, "llvm.masked.store", over, 2, args, 4);
}

static void scatter(Emit *e, DType t, Val p, Val v) {
  v = pack(e->u, t, v);
  LLVMTypeRef over[2] = {LLVMTypeOf(v), LLVMTypeOf(p)};
  Val args[4] = {v, p, align_of(e, t), e->lane->mask ? e->lane->mask : all_lanes(e)};
  call_intrinsic(e->u, "llvm.masked.scatter", over, 2, args, 4);
}

static Val plus(Emit *e, DType t, Val p, Val v) {
  Val old = LLVMBuildLoad2(e->b, memory_type(e->u, t), p, "");
  LLVMSetAlignment(old, (unsigned)dtype_size(t));
  return emit_reduce(e, LR_SUM, t, v, unpack(e->u, t, old));
}

// += where lanes may meet in one element: one lane after the other, in order.
static void add_by_lane(Emit *e, DType t, LLVMTypeRef mt, Val base, Val index, Val v) {
  for (int l = 0; l < e->lane->width; l++) {
    Val at = LLVMConstInt(e->u->i32, (unsigned long long)l, false);
    LLVMBasicBlockRef next = NULL;
    if (e->lane->mask) {
      LLVMBasicBlockRef yes = new_block(e, "lane");
      next = new_block(e, "next");
      LLVMBuildCondBr(e->b, LLVMBuildExtractElement(e->b, e->lane->mask, at, ""), yes, next);
      LLVMPositionBuilderAtEnd(e->b, yes);
    }
    Val p = elem_ptr(e, mt, base, LLVMBuildExtractElement(e->b, index, at, ""));
    put_scalar(e, t, p, plus(e, t, p, LLVMBuildExtractElement(e->b, v, at, "")));
    if (next) {
      LLVMBuildBr(e->b, next);
      LLVMPositionBuilderAtEnd(e->b, next);
    }
  }
}

static Val old_plus(Emit *e, const LStmt *s, DType t) {
  Val old = emit_load(e, s->mem, s->index);
  return t == DT_F32 || t == DT_F64 ? emit_add(e, t, s->value, old)
                                    : emit_reduce(e, LR_SUM, t, emit_data(e, s->value), old);
}

void emit_store(Emit *e, const LStmt *s) {
  DType t = e->k->mem.v[s->mem].dtype;
  LLVMTypeRef mt = memory_type(e->u, t);
  Val base = e->mem[s->mem];
  int64_t stride;
  bool regular = lane_stride(e, s->index, &stride);
  if (s->add && !regular) {
    Val v = emit_lanes(e, s->value);
    add_by_lane(e, t, mt, base, emit_int_lanes(e, s->index), v);
    return;
  }
  Val v = s->add ? old_plus(e, s, t) : e->lane ? emit_lanes(e, s->value) : emit_data(e, s->value);
  if (e->lane && !width_of(v))
    v = emit_splat(e->u, v, e->lane->width);
  if (regular && stride == 0)
    put_scalar(e, t, elem_ptr(e, mt, base, emit_int(e, s->index)), v);
  else if (regular && stride == 1)
    put_consecutive(e, t, elem_ptr(e, mt, base, emit_int(e, s->index)), v);
  else if (regular && stride == -1 && !e->lane->mask)
    put_consecutive(
        e, t,
        elem_ptr(e, mt, base,
                 LLVMBuildSub(e->b, emit_int(e, s->index), iconst(e, e->lane->width - 1), "")),
        reversed(e->u, v));
  else
    scatter(e, t, elem_ptr(e, mt, base, emit_int_lanes(e, s->index)), v);
}

// PAIRS: values of bf16 with those of the next k beside them, 32 bits a pair, in squares of 16 rows by 16 pairs.
//
// A vector of memory holds pairs of one row where k is what lies in rows, else two of them hold the pairs of one k; the panel
// wants the one or the other.  Where it wants the other, the square is transposed in registers.  Squares are functions that the
// kernels of a unit share.
#include "codegen/llvm/llvm_internal.h"
#include <stdio.h>

enum { SIDE = LOOP_PAIR_ROWS, WIDE = LOOP_PAIR_K };
enum { ARG_SRC, ARG_STEP, ARG_DST, ARG_DST_STEP, ARG_ROWS, ARG_COLS, ARG_COUNT };

// A square, from its first element on.
typedef struct Square {
  Emit *e;
  DType from;
  bool along_k;              // what lies in rows of src is k
  bool turned;               // dst wants the other
  bool inside;               // all of it is there; else `rows` by `cols`
  Val src, step, dst, dstep; // elements from vector to vector
  Val rows, cols;
} Square;

static LLVMTypeRef memory_type(const LlvmUnit *u, DType from) {
  return from == DT_F32 ? u->f32 : u->i16;
}

// `count` elements of vector i, where there is a vector i among `vectors`.
static Val load(const Square *s, int i, int width, Val vectors, Val count) {
  Emit *e = s->e;
  LLVMTypeRef t = wide(memory_type(e->u, s->from), width);
  Val at = elem_ptr(e, memory_type(e->u, s->from), s->src,
                    LLVMBuildMul(e->b, s->step, iconst(e, i), ""));
  if (!s->inside) {
    Val is = LLVMBuildICmp(e->b, LLVMIntSLT, iconst(e, i), vectors, "");
    count = LLVMBuildSelect(e->b, is, count, iconst(e, 0), "");
    Val args[4] = {at, LLVMConstInt(e->u->i32, (unsigned long long)dtype_size(s->from), false),
                   lane_mask(e, iconst(e, 0), count, width), LLVMConstNull(t)};
    return call_intrinsic(e->u, "llvm.masked.load", (LLVMTypeRef[]){t, e->u->ptr}, 2, args, 4);
  }
  Val v = LLVMBuildLoad2(e->b, t, at, "");
  LLVMSetAlignment(v, (unsigned)dtype_size(s->from));
  return v;
}

// As 32 bits a lane, of which the upper half is the number.
static Val upper(Emit *e, DType from, Val v) {
  LLVMTypeRef t = wide(e->u->i32, width_of(v));
  if (from == DT_F32)
    return LLVMBuildBitCast(e->b, emit_bf16_round(e->u, v), t, "");
  v = LLVMBuildZExt(e->b, v, t, "");
  return LLVMBuildShl(e->b, v, uconst(e->u, v, 16), "");
}

// Its 16 bits.
static Val narrow(Emit *e, DType from, Val v) {
  if (from == DT_BF16)
    return v;
  v = upper(e, from, v);
  v = LLVMBuildLShr(e->b, v, uconst(e->u, v, 16), "");
  return LLVMBuildTrunc(e->b, v, wide(e->u->i16, width_of(v)), "");
}

static Val pairs_of_row(const Square *s, int r) {
  Emit *e = s->e;
  Val v = narrow(e, s->from, load(s, r, WIDE, s->rows, s->cols));
  return LLVMBuildBitCast(e->b, v, wide(e->u->i32, SIDE), "");
}

static Val pairs_of_k(const Square *s, int k) {
  Emit *e = s->e;
  Val low = upper(e, s->from, load(s, k, SIDE, s->cols, s->rows)),
      high = upper(e, s->from, load(s, k + 1, SIDE, s->cols, s->rows));
  low = LLVMBuildLShr(e->b, low, uconst(e->u, low, 16), "");
  high = LLVMBuildAnd(e->b, high, uconst(e->u, high, 0xffff0000u), "");
  return LLVMBuildOr(e->b, low, high, "");
}

static void square(const Square *s) {
  Emit *e = s->e;
  Val v[SIDE];
  for (int i = 0; i < SIDE; i++)
    v[i] = s->along_k ? pairs_of_row(s, i) : pairs_of_k(s, 2 * i);
  if (s->turned)
    emit_square(e, v, SIDE);
  for (int i = 0; i < SIDE; i++) {
    Val at = LLVMBuildMul(e->b, s->dstep, iconst(e, i), "");
    LLVMSetAlignment(LLVMBuildStore(e->b, v[i], elem_ptr(e, e->u->i16, s->dst, at)), 2);
  }
}

static void define(const Square *like, Val fn) {
  Emit *e = like->e;
  Square s = *like;
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->u->cx, fn, "entry"));
  s.src = LLVMGetParam(fn, ARG_SRC);
  s.step = LLVMGetParam(fn, ARG_STEP);
  s.dst = LLVMGetParam(fn, ARG_DST);
  s.dstep = LLVMGetParam(fn, ARG_DST_STEP);
  s.rows = LLVMGetParam(fn, ARG_ROWS);
  s.cols = LLVMGetParam(fn, ARG_COLS);
  square(&s);
  LLVMBuildRetVoid(e->b);
}

static Val function(const Square *s, LLVMTypeRef type) {
  LlvmUnit *u = s->e->u;
  char name[32];
  snprintf(name, sizeof name, "pairs_%s%s%s%s", dtype_name(s->from), s->along_k ? "_k" : "",
           s->turned ? "_turned" : "", s->inside ? "" : "_part");
  Val fn = LLVMGetNamedFunction(u->module, name);
  if (fn)
    return fn;
  fn = emit_function(u, name, type);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
  define(s, fn);
  LLVMPositionBuilderAtEnd(u->b, here);
  return fn;
}

static void call(const Square *s) {
  LlvmUnit *u = s->e->u;
  LLVMTypeRef params[ARG_COUNT] = {u->ptr, u->i64, u->ptr, u->i64, u->i64, u->i64};
  LLVMTypeRef type = LLVMFunctionType(u->none, params, ARG_COUNT, false);
  Val args[ARG_COUNT] = {s->src, s->step, s->dst, s->dstep, s->rows, s->cols};
  LLVMBuildCall2(u->b, type, function(s, type), args, ARG_COUNT, "");
}

// ---- the statement

typedef struct Pairs {
  Emit *e;
  const LStmt *s;
  DType from;
  bool along_k;
  Val rows, cols, srow, scol, src, dst, dpanel;
} Pairs;

static Val element(const Pairs *p, Val r, Val c) {
  Emit *e = p->e;
  Val at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, r, p->srow, ""),
                        LLVMBuildMul(e->b, c, p->scol, ""), "");
  return elem_ptr(e, memory_type(e->u, p->from), p->src, at);
}

// Where k = c of row r goes.
static Val goes_to(const Pairs *p, Val r, Val c) {
  Emit *e = p->e;
  Val width = iconst(e, p->s->tr.dwidth), one = iconst(e, 1);
  Val at = LLVMBuildMul(e->b, LLVMBuildUDiv(e->b, r, width, ""), p->dpanel, "");
  Val odd = LLVMBuildAnd(e->b, c, one, ""), in = LLVMBuildURem(e->b, r, width, "");
  at = LLVMBuildAdd(e->b, at, LLVMBuildMul(e->b, LLVMBuildSub(e->b, c, odd, ""), width, ""), "");
  at = LLVMBuildAdd(e->b, at, LLVMBuildShl(e->b, in, one, ""), "");
  return elem_ptr(e, e->u->i16, p->dst, LLVMBuildAdd(e->b, at, odd, ""));
}

static void square_at(const Pairs *p, Val r, Val c, bool inside) {
  Emit *e = p->e;
  bool panels = p->s->tr.dwidth > 1;
  Square s = {.e = e,
              .from = p->from,
              .along_k = p->along_k,
              .turned = p->along_k == panels,
              .inside = inside,
              .src = element(p, r, c),
              .step = p->along_k ? p->srow : p->scol,
              .dst = goes_to(p, r, c),
              .dstep = panels ? iconst(e, 2 * p->s->tr.dwidth) : p->dpanel,
              .rows = LLVMBuildSub(e->b, p->rows, r, ""),
              .cols = LLVMBuildSub(e->b, p->cols, c, "")};
  call(&s);
}

// One number, for code whose vectors of halves cannot be loaded in part.
static Val number_at(const Pairs *p, Val r, Val c) {
  Emit *e = p->e;
  Val inside = LLVMBuildAnd(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, r, p->rows, ""),
                            LLVMBuildICmp(e->b, LLVMIntSLT, c, p->cols, ""), "");
  Val zero = iconst(e, 0);
  Val at = element(p, LLVMBuildSelect(e->b, inside, r, zero, ""),
                   LLVMBuildSelect(e->b, inside, c, zero, ""));
  Val v = narrow(e, p->from, LLVMBuildLoad2(e->b, memory_type(e->u, p->from), at, ""));
  return LLVMBuildSelect(e->b, inside, v, LLVMConstNull(e->u->i16), "");
}

static void by_numbers(const Pairs *p, Val r, Val c) {
  Emit *e = p->e;
  LoopCx i, j;
  if (!loop_begin(e, &i, iconst(e, 0), iconst(e, SIDE), 1))
    return;
  if (loop_begin(e, &j, iconst(e, 0), iconst(e, WIDE), 1)) {
    Val row = LLVMBuildAdd(e->b, r, i.i, ""), k = LLVMBuildAdd(e->b, c, j.i, "");
    LLVMBuildStore(e->b, number_at(p, row, k), goes_to(p, row, k));
    loop_end(e, &j);
  }
  loop_end(e, &i);
}

static Val within(const Pairs *p, Val from, int n, Val end) {
  Emit *e = p->e;
  return LLVMBuildICmp(e->b, LLVMIntSLE, LLVMBuildAdd(e->b, from, iconst(e, n), ""), end, "");
}

static void either(const Pairs *p, Val r, Val c) {
  Emit *e = p->e;
  LLVMBasicBlockRef full = new_block(e, "full"), part = new_block(e, "part"),
                    done = new_block(e, "done");
  Val inside = LLVMBuildAnd(e->b, within(p, r, SIDE, p->rows), within(p, c, WIDE, p->cols), "");
  LLVMBuildCondBr(e->b, inside, full, part);
  LLVMPositionBuilderAtEnd(e->b, full);
  square_at(p, r, c, true);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, part);
  if (e->u->target->vector_floats == SIDE)
    square_at(p, r, c, false);
  else
    by_numbers(p, r, c);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void squares(const Pairs *p, Val end) {
  Emit *e = p->e;
  LoopCx r, c;
  if (!loop_begin(e, &r, iconst(e, 0), end, SIDE))
    return;
  if (loop_begin(e, &c, iconst(e, 0), p->cols, WIDE)) {
    either(p, r.i, c.i);
    loop_end(e, &c);
  }
  loop_end(e, &r);
}

void emit_pairs(Emit *e, const LStmt *s) {
  Pairs p = {.e = e, .s = s, .from = e->k->mem.v[s->tr.src].dtype};
  p.along_k = s->tr.scol->op == L_INT && s->tr.scol->inum == 1;
  p.rows = emit_int(e, s->tr.rows);
  p.cols = emit_int(e, s->tr.cols);
  p.srow = emit_int(e, s->tr.srow);
  p.scol = emit_int(e, s->tr.scol);
  p.dpanel = emit_int(e, s->tr.dpanel);
  p.src = elem_ptr(e, memory_type(e->u, p.from), e->mem[s->tr.src], emit_int(e, s->tr.sbase));
  p.dst = elem_ptr(e, e->u->i16, e->mem[s->tr.dst], emit_int(e, s->tr.dbase));
  Val width = iconst(e, s->tr.dwidth), most = iconst(e, s->tr.dwidth - 1);
  Val panels = LLVMBuildUDiv(e->b, LLVMBuildAdd(e->b, p.rows, most, ""), width, "");
  squares(&p, LLVMBuildMul(e->b, panels, width, ""));
}

// QUADS: rows of floats as int8 with a scale each, four of k in a word (base/int8.h says how they are rounded).
//
// Rows of k take one row at a time, in vectors along k: its largest magnitude, then its bytes.  Panels take all columns of one at
// a time, a vector of them.  A row's numbers have something added, so that the least of them is the least byte, of unsigned ones
// where products are of unsigned and signed bytes: it stands in the row's head, and a panel has the sum of each column, negated,
// so that their product takes it away again: in whole numbers, so exactly.
#include "base/int8.h"
#include "codegen/llvm/llvm_internal.h"

typedef struct Quads {
  Emit *e;
  const LStmt *s;
  DType from;
  int width; // lanes of a vector
  Val rows, cols, srow, scol, src, dst, dpanel, padded;
} Quads;

static LLVMTypeRef source_type(const Quads *q) {
  return q->from == DT_F32 ? q->e->u->f32 : q->e->u->i16;
}

static Val same_words(Emit *e, Val like, uint32_t n) {
  return width_of(like) ? uconst(e->u, like, n) : LLVMConstInt(e->u->i32, n, false);
}

static Val as_words(Emit *e, Val x) {
  return LLVMBuildBitCast(e->b, x, same_width(e->u->i32, x), "");
}

static Val as_floats(Emit *e, Val x) {
  return LLVMBuildBitCast(e->b, x, same_width(e->u->f32, x), "");
}

static Val word_at(const Quads *q, Val p, Val index) {
  return elem_ptr(q->e, q->e->u->i32, p, index);
}

static void put(const Quads *q, Val v, Val p, unsigned align) {
  LLVMSetAlignment(LLVMBuildStore(q->e->b, v, p), align);
}

// ---- what is loaded, as floats

static Val widened(const Quads *q, Val v) {
  Emit *e = q->e;
  if (q->from == DT_F32)
    return v;
  v = LLVMBuildZExt(e->b, v, wide(e->u->i32, q->width), "");
  return as_floats(e, LLVMBuildShl(e->b, v, uconst(e->u, v, 16), ""));
}

static Val load_whole(const Quads *q, Val at) {
  Emit *e = q->e;
  Val v = LLVMBuildLoad2(e->b, wide(source_type(q), q->width),
                         elem_ptr(e, source_type(q), q->src, at), "");
  LLVMSetAlignment(v, (unsigned)dtype_size(q->from));
  return widened(q, v);
}

// Lanes from number `first` on that are below `end`; the others are 0.
static Val load_part(const Quads *q, Val at, Val first, Val end) {
  Emit *e = q->e;
  LLVMTypeRef t = wide(source_type(q), q->width);
  Val args[4] = {elem_ptr(e, source_type(q), q->src, at),
                 LLVMConstInt(e->u->i32, (unsigned long long)dtype_size(q->from), false),
                 lane_mask(e, first, end, q->width), LLVMConstNull(t)};
  return widened(
      q, call_intrinsic(e->u, "llvm.masked.load", (LLVMTypeRef[]){t, e->u->ptr}, 2, args, 4));
}

// ---- base/int8.h

static void keep_larger(const Quads *q, Val slot, Val bits) {
  Emit *e = q->e;
  Val most = LLVMBuildLoad2(e->b, LLVMTypeOf(bits), slot, "");
  Val is = LLVMBuildICmp(e->b, LLVMIntSGT, bits, most, "");
  LLVMBuildStore(e->b, LLVMBuildSelect(e->b, is, bits, most, ""), slot);
}

static Val magnitude(Emit *e, Val x) {
  Val bits = as_words(e, x);
  return LLVMBuildAnd(e->b, bits, same_words(e, bits, 0x7fffffffu), "");
}

typedef struct Scale {
  Val scale, inverse, bytes; // bytes: 0xff where there are any, else 0
} Scale;

// Of the largest magnitude's bits, a word or a vector.
static Scale scale_of(Emit *e, Val most) {
  Val one = as_floats(e, same_words(e, most, 0x3f800000u)),
      largest = as_floats(e, same_words(e, most, int8_bits(INT8_LARGEST)));
  Val below = same_words(e, most, INT8_BELOW), zero = LLVMConstNull(LLVMTypeOf(most));
  Val from = LLVMBuildSub(e->b, most, same_words(e, most, INT8_LEAST), "");
  Val usable =
      LLVMBuildICmp(e->b, LLVMIntULT, from, same_words(e, most, INT8_MOST - INT8_LEAST), "");
  Val small = LLVMBuildICmp(e->b, LLVMIntULT, most, same_words(e, most, INT8_LEAST), "");
  Val safe = LLVMBuildSelect(e->b, usable, most, as_words(e, one), "");
  Val s = as_words(e, LLVMBuildFDiv(e->b, as_floats(e, safe), largest, ""));
  s = LLVMBuildAnd(e->b, LLVMBuildAdd(e->b, s, below, ""), LLVMBuildNot(e->b, below, ""), "");
  Val other = LLVMBuildSelect(e->b, small, zero, same_words(e, most, INT8_NAN), "");
  Val inverse = as_words(e, LLVMBuildFDiv(e->b, one, as_floats(e, s), ""));
  return (Scale){as_floats(e, LLVMBuildSelect(e->b, usable, s, other, "")),
                 as_floats(e, LLVMBuildSelect(e->b, usable, inverse, zero, "")),
                 LLVMBuildSelect(e->b, usable, same_words(e, most, 0xff), zero, "")};
}

// The bytes, one in each word.
static Val rounded(Emit *e, const Scale *s, Val x) {
  Val rounder = as_floats(e, same_words(e, x, INT8_ROUNDER));
  x = LLVMBuildFMul(e->b, x, s->inverse, "");
  return LLVMBuildAnd(e->b, as_words(e, LLVMBuildFAdd(e->b, x, rounder, "")), s->bytes, "");
}

// ---- rows

// f of vectors of k from `from` to `to`, which are whole, or perhaps not.
typedef void PieceFn(const Quads *q, Val row, Val k, Val x, void *ctx);

static void pieces(const Quads *q, Val row, Val from, Val to, bool whole, PieceFn *f, void *ctx) {
  Emit *e = q->e;
  LoopCx l;
  if (!loop_begin(e, &l, from, to, q->width))
    return;
  Val at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, row, q->srow, ""), l.i, "");
  f(q, row, l.i, whole ? load_whole(q, at) : load_part(q, at, l.i, q->cols), ctx);
  loop_end(e, &l);
}

// Slots for what is above 0 and what is below it.
typedef struct Ends {
  Val above, below;
} Ends;

static void look(const Quads *q, Val row, Val k, Val x, void *ctx) {
  Emit *e = q->e;
  const Ends *ends = ctx;
  (void)row, (void)k;
  Val bits = as_words(e, x);
  keep_larger(q, ends->above, bits);
  keep_larger(q, ends->below, LLVMBuildXor(e->b, bits, uconst(e->u, bits, 0x80000000u), ""));
}

static Val row_words(const Quads *q, Val row) {
  Emit *e = q->e;
  return word_at(q, q->dst, LLVMBuildMul(e->b, row, q->dpanel, ""));
}

typedef struct RowScale {
  Scale s;
  Val added; // to each byte
} RowScale;

static void put_bytes(const Quads *q, Val row, Val k, Val x, void *ctx) {
  Emit *e = q->e;
  const RowScale *r = ctx;
  Val v = LLVMBuildTrunc(e->b, rounded(e, &r->s, x), wide(e->u->i8, q->width), "");
  v = LLVMBuildAdd(e->b, v, r->added, "");
  Val p = word_at(q, row_words(q, row), iconst(e, LOOP_QUAD_HEAD));
  put(q, v, elem_ptr(e, e->u->i8, p, k), 1);
}

static Val largest_of_lanes(const Quads *q, Val slot) {
  Emit *e = q->e;
  LLVMTypeRef t = wide(e->u->i32, q->width);
  Val v = LLVMBuildLoad2(e->b, t, slot, "");
  return as_floats(e, call_intrinsic(e->u, "llvm.vector.reduce.smax", &t, 1, &v, 1));
}

static Val middle(Emit *e, Val above, Val below) {
  Val half = as_floats(e, LLVMConstInt(e->u->i32, 0x3f000000u, false));
  above = LLVMBuildFMul(e->b, above, half, "");
  return magnitude(e, LLVMBuildFAdd(e->b, above, LLVMBuildFMul(e->b, below, half, ""), ""));
}

// Writes the row's head.
static RowScale row_scale(const Quads *q, Val row, const Ends *ends) {
  Emit *e = q->e;
  Val above = largest_of_lanes(q, ends->above), below = largest_of_lanes(q, ends->below);
  Scale s = scale_of(e, middle(e, above, below));
  Val added = rounded(e, &s, below);
  if (e->u->target->quads != QUADS_DOT)
    added = LLVMBuildSub(e->b, added, LLVMConstInt(e->u->i32, 128, false), "");
  put(q, s.scale, row_words(q, row), 4);
  put(q, added, word_at(q, row_words(q, row), iconst(e, 1)), 4);
  s.inverse = emit_splat(e->u, s.inverse, q->width);
  s.bytes = emit_splat(e->u, s.bytes, q->width);
  added = LLVMBuildTrunc(e->b, added, e->u->i8, "");
  return (RowScale){s, emit_splat(e->u, added, q->width)};
}

static void row_of_k(const Quads *q, Val row, Ends *ends) {
  Emit *e = q->e;
  Val zero = iconst(e, 0), whole = LLVMBuildAnd(e->b, q->cols, iconst(e, -(int64_t)q->width), "");
  LLVMBuildStore(e->b, LLVMConstNull(wide(e->u->i32, q->width)), ends->above);
  LLVMBuildStore(e->b, LLVMConstNull(wide(e->u->i32, q->width)), ends->below);
  pieces(q, row, zero, whole, true, look, ends);
  pieces(q, row, whole, q->cols, false, look, ends);
  RowScale s = row_scale(q, row, ends);
  pieces(q, row, zero, whole, true, put_bytes, &s);
  pieces(q, row, whole, q->padded, false, put_bytes, &s);
}

static void rows_of_k(const Quads *q) {
  Emit *e = q->e;
  LoopCx r;
  LLVMTypeRef t = wide(e->u->i32, q->width);
  Ends ends = {.above = entry_alloca(e, t, 64), .below = entry_alloca(e, t, 64)};
  if (!loop_begin(e, &r, iconst(e, 0), q->rows, 1))
    return;
  row_of_k(q, r.i, &ends);
  loop_end(e, &r);
}

// ---- panels

typedef struct Panel {
  Val first, words; // its first column; where it goes
  Val most, sum;    // slots
} Panel;

// Of all columns of the panel, where there is a k.
static Val row_of_columns(const Quads *q, const Panel *p, Val k) {
  Emit *e = q->e;
  Val is = LLVMBuildICmp(e->b, LLVMIntSLT, k, q->cols, "");
  Val end = LLVMBuildSelect(e->b, is, q->rows, iconst(e, 0), "");
  Val at = LLVMBuildAdd(e->b, p->first, LLVMBuildMul(e->b, k, q->scol, ""), "");
  return load_part(q, at, p->first, end);
}

static void look_at_panel(const Quads *q, const Panel *p) {
  Emit *e = q->e;
  LoopCx l;
  LLVMBuildStore(e->b, LLVMConstNull(wide(e->u->i32, q->width)), p->most);
  if (!loop_begin(e, &l, iconst(e, 0), q->cols, 1))
    return;
  keep_larger(q, p->most, magnitude(e, row_of_columns(q, p, l.i)));
  loop_end(e, &l);
}

// Adds the bytes, as signed numbers, to the sums.
static void add_bytes(const Quads *q, const Panel *p, Val bytes) {
  Emit *e = q->e;
  Val up = uconst(e->u, bytes, 24), sum = LLVMBuildLoad2(e->b, LLVMTypeOf(bytes), p->sum, "");
  bytes = LLVMBuildAShr(e->b, LLVMBuildShl(e->b, bytes, up, ""), up, "");
  LLVMBuildStore(e->b, LLVMBuildAdd(e->b, sum, bytes, ""), p->sum);
}

static Val four_of_k(const Quads *q, const Panel *p, const Scale *s, Val k) {
  Emit *e = q->e;
  Val word = LLVMConstNull(wide(e->u->i32, q->width));
  for (int i = 0; i < 4; i++) {
    Val x = row_of_columns(q, p, LLVMBuildAdd(e->b, k, iconst(e, i), ""));
    Val bytes = rounded(e, s, x);
    add_bytes(q, p, bytes);
    bytes = LLVMBuildShl(e->b, bytes, uconst(e->u, bytes, (uint32_t)(8 * i)), "");
    word = LLVMBuildOr(e->b, word, bytes, "");
  }
  return word;
}

static void put_words(const Quads *q, const Panel *p, const Scale *s) {
  Emit *e = q->e;
  LoopCx l;
  LLVMBuildStore(e->b, LLVMConstNull(wide(e->u->i32, q->width)), p->sum);
  if (!loop_begin(e, &l, iconst(e, 0), q->padded, 4))
    return;
  Val at = LLVMBuildMul(e->b, LLVMBuildLShr(e->b, l.i, iconst(e, 2), ""), iconst(e, q->width), "");
  at = LLVMBuildAdd(e->b, at, iconst(e, (int64_t)2 * q->width), "");
  put(q, four_of_k(q, p, s, l.i), word_at(q, p->words, at), 4);
  loop_end(e, &l);
}

static void panel_of_columns(const Quads *q, const Panel *p) {
  Emit *e = q->e;
  look_at_panel(q, p);
  Scale s = scale_of(e, LLVMBuildLoad2(e->b, wide(e->u->i32, q->width), p->most, ""));
  put(q, s.scale, p->words, 4);
  put_words(q, p, &s);
  Val sum = LLVMBuildLoad2(e->b, wide(e->u->i32, q->width), p->sum, "");
  put(q, LLVMBuildNeg(e->b, sum, ""), word_at(q, p->words, iconst(e, q->width)), 4);
}

static void panels(const Quads *q) {
  Emit *e = q->e;
  LLVMTypeRef t = wide(e->u->i32, q->width);
  Panel p = {.most = entry_alloca(e, t, 64), .sum = entry_alloca(e, t, 64)};
  LoopCx l;
  if (!loop_begin(e, &l, iconst(e, 0), q->rows, q->width))
    return;
  Val at = LLVMBuildUDiv(e->b, l.i, iconst(e, q->width), "");
  p.first = l.i;
  p.words = word_at(q, q->dst, LLVMBuildMul(e->b, at, q->dpanel, ""));
  panel_of_columns(q, &p);
  loop_end(e, &l);
}

void emit_quads(Emit *e, const LStmt *s) {
  bool rows = s->tr.dwidth == 1;
  Quads q = {.e = e,
             .s = s,
             .from = e->k->mem.v[s->tr.src].dtype,
             .width = rows ? e->u->target->vector_floats : (int)s->tr.dwidth};
  q.rows = emit_int(e, s->tr.rows);
  q.cols = emit_int(e, s->tr.cols);
  q.srow = emit_int(e, s->tr.srow);
  q.scol = emit_int(e, s->tr.scol);
  q.dpanel = emit_int(e, s->tr.dpanel);
  q.src = elem_ptr(e, source_type(&q), e->mem[s->tr.src], emit_int(e, s->tr.sbase));
  q.dst = word_at(&q, e->mem[s->tr.dst], emit_int(e, s->tr.dbase));
  q.padded = LLVMBuildAdd(e->b, q.cols, iconst(e, LOOP_QUAD_K - 1), "");
  q.padded = LLVMBuildAnd(e->b, q.padded, iconst(e, -LOOP_QUAD_K), "");
  (rows ? rows_of_k : panels)(&q);
}

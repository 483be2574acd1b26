// TRANSPOSE: rows of src become columns of panels of dst, in blocks of W x W transposed in
// registers.
//
// The last columns are those of a block moved back to end there (elements are then written twice,
// with the same values).  Rows past the end, which pad the last panel, repeat the last one and
// become zero.  What is smaller than a block, or has panels that are no multiple of W wide, goes
// element by element.
#include "codegen/llvm/llvm_internal.h"

enum { BLOCK_MAX = 8, SQUARE_MAX = 16 }; // wider blocks need more registers than there are

typedef struct Trans {
  Emit *e;
  const LStmt *s;
  int w; // block size
  Val rows, cols, srow, dcol;
  Val src, dst; // at sbase, dbase; dst: of the current panel
  Val r0;       // first row of the panel
  bool ragged;  // the panel may have rows past the end
} Trans;

static Val float_ptr(Emit *e, Val base, Val index) {
  return elem_ptr(e, e->u->f32, base, index);
}

// Row r (of the panel), columns c .. c + n: a vector for n > 0, a scalar for 0.
static Val load_row(const Trans *t, Val r, Val c, int n) {
  Emit *e = t->e;
  LLVMTypeRef type = wide(e->u->f32, n);
  Val row = LLVMBuildAdd(e->b, t->r0, r, ""), inside = NULL;
  if (t->ragged) {
    inside = LLVMBuildICmp(e->b, LLVMIntSLT, row, t->rows, "");
    row = imin(e, row, LLVMBuildSub(e->b, t->rows, iconst(e, 1), ""));
  }
  Val at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, row, t->srow, ""), c, "");
  Val v = LLVMBuildLoad2(e->b, type, float_ptr(e, t->src, at), "");
  LLVMSetAlignment(v, 4);
  return inside ? LLVMBuildSelect(e->b, inside, v, LLVMConstNull(type), "") : v;
}

static void store_at(const Trans *t, Val c, Val r, Val v) {
  Emit *e = t->e;
  Val at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, c, t->dcol, ""), r, "");
  LLVMSetAlignment(LLVMBuildStore(e->b, v, float_ptr(e, t->dst, at)), 4);
}

// Exchanges the off-diagonal halves of a and b, at distance d: stage d of a transpose.
static void exchange(Emit *e, Val *a, Val *b, int d, int w) {
  Val low[SQUARE_MAX], high[SQUARE_MAX];
  for (int j = 0; j < w; j++) {
    low[j] = LLVMConstInt(e->u->i32, (unsigned long long)(j & d ? w + j - d : j), false);
    high[j] = LLVMConstInt(e->u->i32, (unsigned long long)(j & d ? w + j : j + d), false);
  }
  Val x = LLVMBuildShuffleVector(e->b, *a, *b, LLVMConstVector(low, (unsigned)w), "");
  *b = LLVMBuildShuffleVector(e->b, *a, *b, LLVMConstVector(high, (unsigned)w), "");
  *a = x;
}

void emit_square(Emit *e, Val *v, int n) {
  for (int d = 1; d < n; d *= 2)
    for (int i = 0; i < n; i++)
      if (!(i & d))
        exchange(e, &v[i], &v[i + d], d, n);
}

static void block(const Trans *t, Val r, Val c) {
  Emit *e = t->e;
  Val v[BLOCK_MAX];
  for (int i = 0; i < t->w; i++)
    v[i] = load_row(t, LLVMBuildAdd(e->b, r, iconst(e, i), ""), c, t->w);
  emit_square(e, v, t->w);
  for (int i = 0; i < t->w; i++)
    store_at(t, LLVMBuildAdd(e->b, c, iconst(e, i), ""), r, v[i]);
}

static void by_blocks(const Trans *t) {
  Emit *e = t->e;
  LoopCx c, r;
  if (!loop_begin(e, &c, iconst(e, 0), t->cols, t->w))
    return;
  Val at = imin(e, c.i, LLVMBuildSub(e->b, t->cols, iconst(e, t->w), ""));
  if (loop_begin(e, &r, iconst(e, 0), iconst(e, t->s->tr.dwidth), t->w)) {
    block(t, r.i, at);
    loop_end(e, &r);
  }
  loop_end(e, &c);
}

static void by_elements(const Trans *t) {
  Emit *e = t->e;
  LoopCx c, r;
  if (!loop_begin(e, &c, iconst(e, 0), t->cols, 1))
    return;
  if (loop_begin(e, &r, iconst(e, 0), iconst(e, t->s->tr.dwidth), 1)) {
    store_at(t, c.i, r.i, load_row(t, r.i, c.i, 0));
    loop_end(e, &r);
  }
  loop_end(e, &c);
}

// Calls yes or no by a condition on sizes, which is known or tested at run time.
static void choose(const Trans *t, Val cond, void (*yes)(const Trans *),
                   void (*no)(const Trans *)) {
  Emit *e = t->e;
  if (LLVMIsAConstantInt(cond)) {
    (LLVMConstIntGetZExtValue(cond) ? yes : no)(t);
    return;
  }
  LLVMBasicBlockRef a = new_block(e, "yes"), b = new_block(e, "no"), done = new_block(e, "done");
  LLVMBuildCondBr(e->b, cond, a, b);
  LLVMPositionBuilderAtEnd(e->b, a);
  yes(t);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, b);
  no(t);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

static void whole_panel(const Trans *t) {
  Trans own = *t;
  own.ragged = false;
  by_blocks(&own);
}

static void part_panel(const Trans *t) {
  Trans own = *t;
  own.ragged = true;
  by_blocks(&own);
}

static void blocks_of_panel(const Trans *t) {
  Emit *e = t->e;
  Val end = LLVMBuildAdd(e->b, t->r0, iconst(e, t->s->tr.dwidth), "");
  int64_t rows;
  if (emit_const(t->rows, &rows) && rows % t->s->tr.dwidth == 0)
    whole_panel(t);
  else
    choose(t, LLVMBuildICmp(e->b, LLVMIntSLE, end, t->rows, ""), whole_panel, part_panel);
}

static void elements_of_panel(const Trans *t) {
  Trans own = *t;
  own.ragged = true;
  by_elements(&own);
}

void emit_transpose(Emit *e, const LStmt *s) {
  int w = e->u->target->vector_floats < BLOCK_MAX ? e->u->target->vector_floats : BLOCK_MAX;
  Trans t = {.e = e, .s = s, .w = w};
  t.rows = emit_int(e, s->tr.rows);
  t.cols = emit_int(e, s->tr.cols);
  t.srow = emit_int(e, s->tr.srow);
  t.dcol = emit_int(e, s->tr.dcol);
  CHECK(e->k->mem.v[s->tr.src].dtype == DT_F32);
  t.src = float_ptr(e, e->mem[s->tr.src], emit_int(e, s->tr.sbase));
  Val dbase = float_ptr(e, e->mem[s->tr.dst], emit_int(e, s->tr.dbase));
  Val dpanel = emit_int(e, s->tr.dpanel);
  LoopCx p;
  if (!loop_begin(e, &p, iconst(e, 0), t.rows, s->tr.dwidth))
    return;
  t.r0 = p.i;
  Val panel = LLVMBuildUDiv(e->b, p.i, iconst(e, s->tr.dwidth), "");
  t.dst = float_ptr(e, dbase, LLVMBuildMul(e->b, panel, dpanel, ""));
  if (s->tr.dwidth % w)
    elements_of_panel(&t);
  else
    choose(&t, LLVMBuildICmp(e->b, LLVMIntSGE, t.cols, iconst(e, w), ""), blocks_of_panel,
           elements_of_panel);
  loop_end(e, &p);
}

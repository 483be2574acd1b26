// The keys that a block of rows sees: blocks of all of them, or the runs that a mask leaves.
#include "codegen/plan/attention_build.h"

// for s0 in steps of KEYS: the loop's body
LBody *attention_key_blocks(AttentionBuild *b, LBody *body) {
  LExpr *v,
      *blocks = lx_iop(b->a, L_IDIV, lx_add(b->a, b->s->keys, ints(b, KEYS - 1)), ints(b, KEYS));
  LStmt *f = loop(b, body, blocks, 0, &v);
  b->s0 = lx_mul(b->a, v, ints(b, KEYS));
  b->ns = lx_iop(b->a, L_IMIN, ints(b, KEYS), lx_iop(b->a, L_ISUB, b->s->keys, b->s0));
  return &f->body;
}

static LExpr *whole_op(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_I32, x, y, NULL);
}

static LExpr *choose(const AttentionBuild *b, LExpr *c, LExpr *x, LExpr *y) {
  return lx_op(b->a, L_SELECT, DT_I32, c, x, y);
}

static void set(const AttentionBuild *b, LBody *body, const LExpr *reg, LExpr *value) {
  put(b, body, ls_set(b->a, (int)reg->inum, value));
}

// Whether the block sees any of keys [key, key + keys), or takes `all` in any case.
static LExpr *taken(const AttentionBuild *b, LBody *body, LExpr *key, LExpr *keys, LExpr *all) {
  const PairBlock block = {b->r0, b->nrows, key, keys};
  return declared(b, body, is(b, L_OR, all, b->s->sees(b->s->ctx, body, &block)));
}

// Runs of keys of `count` from `first` on that the block's rows may see, at most KEYS long, begin and end at multiples of
// this.
static int64_t stride(const AttentionBuild *b) {
  return panels(b, 32);
}

typedef struct
    KeyRuns { // over pieces of keys: pieces of the current run, and whether the next one is taken
  LExpr *run, *taken, *piece, *pieces;
} KeyRuns;

// A run ends at a piece that is not taken, where it is long enough, and with the last one; then it has this many pieces,
// else 0.
static LExpr *ended(const AttentionBuild *b, LBody *body, const KeyRuns *r) {
  LExpr *next = whole_op(b, L_ADD, lx_from_int(b->a, DT_I32, r->piece), whole(b, 1));
  LExpr *last = is(b, L_LE, lx_from_int(b->a, DT_I32, r->pieces), next),
        *full = is(b, L_LE, whole(b, KEYS / stride(b)), r->run),
        *gap = lx_op(b->a, L_NOT, DT_BOOL, r->taken, NULL, NULL);
  LExpr *end = is(b, L_OR, gap, is(b, L_OR, full, last));
  return declared(b, body, choose(b, end, r->run, whole(b, 0)));
}

// Sets b->s0 and b->ns; the body of each run.
LBody *attention_key_runs(AttentionBuild *b, LBody *body, LExpr *first, LExpr *count, LExpr *all) {
  LExpr *width = ints(b, stride(b)), *once;
  KeyRuns r = {.run = declared(b, body, whole(b, 0))};
  r.pieces = lx_iop(b->a, L_IDIV, lx_add(b->a, count, ints(b, stride(b) - 1)), width);
  LBody *in = &loop(b, body, r.pieces, 0, &r.piece)->body;
  LExpr *from = lx_mul(b->a, r.piece, width);
  LExpr *left = lx_iop(b->a, L_IMIN, width, lx_iop(b->a, L_ISUB, count, from));
  r.taken = taken(b, in, lx_add(b->a, first, from), left, all);
  LExpr *one = choose(b, r.taken, whole(b, 1), whole(b, 0));
  set(b, in, r.run, whole_op(b, L_ADD, r.run, one));
  LExpr *take = ended(b, in, &r),
        *end = whole_op(b, L_ADD, lx_from_int(b->a, DT_I32, r.piece), one);
  LExpr *start = declared(b, in, whole_op(b, L_SUB, end, take));
  set(b, in, r.run, whole_op(b, L_SUB, r.run, take));
  LStmt *f = loop(b, in, lx_iop(b->a, L_IMIN, ints(b, 1), lx_to_int(b->a, take)), 0, &once);
  from = lx_mul(b->a, lx_to_int(b->a, start), width);
  left = lx_iop(b->a, L_IMIN, lx_mul(b->a, lx_to_int(b->a, take), width),
                lx_iop(b->a, L_ISUB, count, from));
  b->s0 = lx_add(b->a, first, from);
  b->ns = lx_iop(b->a, L_IMIN, ints(b, KEYS), left);
  return &f->body;
}

// Is there a row in the block that has seen nothing, by its largest score or by lse?  Then x(row) is below any score.
LExpr *attention_any_lost(const AttentionBuild *b, LBody *body, int mem, const AttentionMatrix *m) {
  LExpr *i, *lost = declared(b, body, whole(b, 0));
  LStmt *rows = loop(b, body, b->nrows, 1, &i);
  LExpr *index = m ? at(b, m, lx_add(b->a, b->r0, i)) : i;
  LExpr *below = is(b, L_LT, load(b, mem, index), num(b, -5e8));
  put(b, &rows->body,
      ls_reduce(b->a, (int)lost->inum, LR_MAX, choose(b, below, whole(b, 1), whole(b, 0))));
  return lost;
}

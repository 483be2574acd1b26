// What a block of attention multiplies: its operands in panels, its scores, and what becomes of them.
//
// Products of pairs of bf16 take what they multiply in panels and rows of pairs, which are made of a block of keys once, of rows
// and of their probabilities in each block of rows.
#include "codegen/plan/attention_build.h"

// The block's rows of x [keys x cols], transposed into panels of nr keys.
static void stage(const AttentionBuild *b, LBody *body, const AttentionMatrix *x, int64_t cols,
                  int dst) {
  LStmt *t = NEW(b->a, LStmt);
  t->kind = LS_TRANSPOSE;
  t->tr.src = x->mem;
  t->tr.dst = dst;
  t->tr.rows = b->ns;
  t->tr.cols = ints(b, cols);
  t->tr.sbase = at(b, x, b->s0);
  t->tr.srow = x->row;
  t->tr.dbase = ints(b, 0);
  t->tr.dpanel = ints(b, cols * b->s->nr);
  t->tr.dcol = ints(b, b->s->nr);
  t->tr.dwidth = b->s->nr;
  put(b, body, t);
}

// Elements of mem from base on, `srow` from row to row and `scol` from k to k, as panels or, of width 1, rows of `room` values of k.
void attention_make_pairs(const AttentionBuild *b, LBody *body, int mem, LExpr *base, LExpr *rows,
                          LExpr *cols, LExpr *srow, LExpr *scol, int dst, int64_t width,
                          int64_t room) {
  LStmt *t = NEW(b->a, LStmt);
  t->kind = LS_PAIRS;
  t->tr.src = mem;
  t->tr.dst = dst;
  t->tr.rows = rows;
  t->tr.cols = cols;
  t->tr.sbase = base;
  t->tr.srow = srow;
  t->tr.scol = scol;
  t->tr.dbase = ints(b, 0);
  t->tr.dpanel = ints(b, width * room);
  t->tr.dwidth = width;
  put(b, body, t);
}

// Panels whose columns are the features of n rows of x from `first` on.
void attention_stage_features(const AttentionBuild *b, LBody *body, const AttentionMatrix *x,
                              LExpr *first, LExpr *n, int64_t cols, int dst, int64_t room) {
  attention_make_pairs(b, body, x->mem, at(b, x, first), ints(b, cols), n, ints(b, 1), x->row, dst,
                       b->s->nr, room);
}

// Panels whose columns are the block's keys.
void attention_stage_keys(AttentionBuild *b, LBody *body, const AttentionMatrix *x, int64_t cols,
                          int dst) {
  if (b->s->pair_rows)
    attention_make_pairs(b, body, x->mem, at(b, x, b->s0), b->ns, ints(b, cols), x->row, ints(b, 1),
                         dst, b->s->nr, whole_pairs(cols));
  else
    stage(b, body, x, cols, dst);
  b->staged = b->s0;
}

LTile *attention_tile(const AttentionBuild *b, LBody *body, LExpr *m, LExpr *n, LExpr **mv,
                      LExpr **nv) {
  int i = loop_var(b->k), j = loop_var(b->k);
  LStmt *t = ls_tile(b->a, i, j, m, n);
  *mv = var(b, i);
  *nv = var(b, j);
  put(b, body, t);
  return t->tile;
}

// Keys of the staged ones that lie before the block's.
LExpr *attention_past_keys(const AttentionBuild *b) {
  return b->s0 == b->staged ? ints(b, 0) : lx_iop(b->a, L_ISUB, b->s0, b->staged);
}

// rows of x (row block) times the staged panels of a block of keys, which begins at a panel
void attention_against_panels(const AttentionBuild *b, LTile *t, const AttentionMatrix *x,
                              int64_t k, int staged) {
  int64_t column = b->s->pair_rows ? whole_pairs(k) : k;
  t->prod[t->nprod++] = (LProduct){.amem = x->mem,
                                   .abase = at(b, x, b->r0),
                                   .am = x->row,
                                   .ak = ints(b, 1),
                                   .bmem = staged,
                                   .bbase = lx_mul(b->a, attention_past_keys(b), ints(b, column)),
                                   .bk = ints(b, b->s->nr),
                                   .bwidth = b->s->nr,
                                   .bpanel = ints(b, column * b->s->nr),
                                   .K = ints(b, k),
                                   .pairs = b->s->pair_rows > 0};
}

// Rows of k values each, `row` apart, times panels that have room for `room` of them, from `first` on.
void attention_pairs_times(const AttentionBuild *b, LTile *t, int rows, int64_t row, int panels,
                           int64_t room, LExpr *first, LExpr *k) {
  t->prod[t->nprod++] = (LProduct){.amem = rows,
                                   .abase = ints(b, 0),
                                   .am = ints(b, row),
                                   .ak = ints(b, 1),
                                   .bmem = panels,
                                   .bbase = lx_mul(b->a, first, ints(b, b->s->nr)),
                                   .bk = ints(b, b->s->nr),
                                   .bwidth = b->s->nr,
                                   .bpanel = ints(b, room * b->s->nr),
                                   .K = k,
                                   .pairs = true};
}

// scores (or their transpose) in scratch times rows of x in place
void attention_scores_times(const AttentionBuild *b, LTile *t, int scores, bool transposed,
                            const AttentionMatrix *x, LExpr *row0, LExpr *k) {
  t->prod[t->nprod++] = (LProduct){.amem = scores,
                                   .abase = ints(b, 0),
                                   .am = ints(b, transposed ? 1 : SCORE_ROW),
                                   .ak = ints(b, transposed ? SCORE_ROW : 1),
                                   .bmem = x->mem,
                                   .bbase = at(b, x, row0),
                                   .bk = x->row,
                                   .bpanel = ints(b, 0),
                                   .K = k};
}

LExpr *attention_score_index(const AttentionBuild *b, LExpr *i, LExpr *j) {
  return lx_add(b->a, lx_mul(b->a, i, ints(b, SCORE_ROW)), j);
}

// scale * sum + bias, -1e9 where masked
LExpr *attention_scored(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j) {
  const AttentionShape *s = b->s;
  LExpr *row = lx_add(b->a, b->r0, i), *key = lx_add(b->a, b->s0, j);
  LExpr *x = op2(b, L_MUL, lx_acc(b->a), num(b, s->scale));
  if (s->bias)
    x = op2(b, L_ADD, x, s->bias(s->ctx, body, row, key));
  return s->mask ? select3(b, s->mask(s->ctx, body, row, key), x, num(b, -1e9)) : x;
}

LExpr *attention_kept(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j) {
  const AttentionShape *s = b->s;
  LExpr *r = s->random(s->ctx, body, lx_add(b->a, b->r0, i), lx_add(b->a, b->s0, j));
  return lx_op(b->a, L_LE, DT_BOOL, num(b, s->rate), r, NULL);
}

LExpr *attention_dropped(const AttentionBuild *b, LExpr *keep, LExpr *x) {
  return select3(b, keep, op2(b, L_MUL, x, num(b, 1 / (1 - b->s->rate))), num(b, 0));
}

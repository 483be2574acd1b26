// Private to the builders of attention as loops: attention.c (forward), attention_backward.c, and what both are made of: blocks of
// keys (attention_keys.c), products of a block (attention_tiles.c).
#ifndef BIGSC_ATTENTION_BUILD_H
#define BIGSC_ATTENTION_BUILD_H
#include "codegen/plan/attention.h"

enum { KEYS = 256, SCORE_ROW = KEYS + 16 }; // of a block; from row to row of its scores

typedef struct AttentionBuild {
  Arena *a;
  LKernel *k;
  const AttentionShape *s;
  LExpr *s0, *ns;    // the block of keys
  LExpr *staged;     // the first key of the staged panels
  LExpr *r0, *nrows; // the block of rows
  int kt, vt, p, ds, acc, max, sum, delta;
  int narrow_p, narrow_ds, turned; // of pairs: scores as bf16, and those of a key in a row
  int kn, vn,
      rows_n; // of pairs: panels whose columns are features, of k, v, and of a block of rows
  int64_t acc_row;
} AttentionBuild;

// ---- expressions and statements

static inline LExpr *num(const AttentionBuild *b, double v) {
  return lx_const(b->a, DT_F32, v);
}

static inline LExpr *ints(const AttentionBuild *b, int64_t v) {
  return lx_int(b->a, v);
}

static inline LExpr *var(const AttentionBuild *b, int v) {
  return lx_var(b->a, v);
}

static inline LExpr *op2(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_F32, x, y, NULL);
}

static inline LExpr *op1(const AttentionBuild *b, LOp op, LExpr *x) {
  return lx_op(b->a, op, DT_F32, x, NULL, NULL);
}

static inline LExpr *select3(const AttentionBuild *b, LExpr *c, LExpr *x, LExpr *y) {
  return lx_op(b->a, L_SELECT, DT_F32, c, x, y);
}

static inline LExpr *at(const AttentionBuild *b, const AttentionMatrix *m, LExpr *i) {
  return lx_add(b->a, m->base, lx_mul(b->a, i, m->row));
}

static inline LExpr *load(const AttentionBuild *b, int mem, LExpr *index) {
  LExpr *x = lx_load(b->a, b->k, mem, index);
  return x->dtype == DT_BF16 ? lx_op(b->a, L_CAST, DT_F32, x, NULL, NULL) : x;
}

static inline void put(const AttentionBuild *b, LBody *body, LStmt *s) {
  vec_push(b->a, body, s);
}

static inline void store(const AttentionBuild *b, LBody *body, int mem, LExpr *index, LExpr *value,
                         bool add) {
  DType t = b->k->mem.v[mem].dtype;
  if (t != value->dtype)
    value = lx_op(b->a, L_CAST, t, value, NULL, NULL);
  LStmt *s = ls_store(b->a, mem, index, value);
  s->add = add;
  put(b, body, s);
}

static inline LStmt *loop(const AttentionBuild *b, LBody *body, LExpr *count, int vec, LExpr **v) {
  int id = loop_var(b->k);
  LStmt *s = ls_for(b->a, id, ints(b, 0), count, vec);
  *v = var(b, id);
  put(b, body, s);
  return s;
}

static inline int scratch(const AttentionBuild *b, const char *name, int64_t n) {
  return loop_scratch(b->a, b->k, name, DT_F32, poly_const(n));
}

static inline int narrow_scratch(const AttentionBuild *b, const char *name, int64_t n) {
  return loop_scratch(b->a, b->k, name, DT_BF16, poly_const(n));
}

static inline int64_t panels(const AttentionBuild *b, int64_t n) {
  return (n + b->s->nr - 1) / b->s->nr * b->s->nr;
}

static inline int64_t whole_pairs(int64_t n) {
  return (n + LOOP_PAIR_K - 1) / LOOP_PAIR_K * LOOP_PAIR_K;
}

static inline int reg(const AttentionBuild *b, LBody *body, LExpr *first) {
  int r = loop_reg(b->k);
  put(b, body, ls_reg(b->a, r, DT_F32, first));
  return r;
}

static inline LExpr *rd(const AttentionBuild *b, int r) {
  return lx_reg(b->a, DT_F32, r);
}

static inline LExpr *whole(const AttentionBuild *b, int64_t v) {
  return lx_const(b->a, DT_I32, (double)v);
}

static inline LExpr *is(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_BOOL, x, y, NULL);
}

static inline LExpr *declared(const AttentionBuild *b, LBody *body, LExpr *first) {
  int r = loop_reg(b->k);
  put(b, body, ls_reg(b->a, r, first->dtype, first));
  return lx_reg(b->a, first->dtype, r);
}

// ---- attention_tiles.c
// Elements of mem from base on, `srow` from row to row and `scol` from k to k, as panels or, of width 1, rows of `room` values of k.
void attention_make_pairs(const AttentionBuild *b, LBody *body, int mem, LExpr *base, LExpr *rows,
                          LExpr *cols, LExpr *srow, LExpr *scol, int dst, int64_t width,
                          int64_t room);
// Panels whose columns are the features of n rows of x from `first` on.
void attention_stage_features(const AttentionBuild *b, LBody *body, const AttentionMatrix *x,
                              LExpr *first, LExpr *n, int64_t cols, int dst, int64_t room);
// Panels whose columns are the block's keys.
void attention_stage_keys(AttentionBuild *b, LBody *body, const AttentionMatrix *x, int64_t cols,
                          int dst);
LTile *attention_tile(const AttentionBuild *b, LBody *body, LExpr *m, LExpr *n, LExpr **mv,
                      LExpr **nv);
// Keys of the staged ones that lie before the block's.
LExpr *attention_past_keys(const AttentionBuild *b);
// rows of x (row block) times the staged panels of a block of keys, which begins at a panel
void attention_against_panels(const AttentionBuild *b, LTile *t, const AttentionMatrix *x,
                              int64_t k, int staged);
// Rows of k values each, `row` apart, times panels that have room for `room` of them, from `first` on.
void attention_pairs_times(const AttentionBuild *b, LTile *t, int rows, int64_t row, int panels,
                           int64_t room, LExpr *first, LExpr *k);
// scores (or their transpose) in scratch times rows of x in place
void attention_scores_times(const AttentionBuild *b, LTile *t, int scores, bool transposed,
                            const AttentionMatrix *x, LExpr *row0, LExpr *k);
LExpr *attention_score_index(const AttentionBuild *b, LExpr *i, LExpr *j);
// scale * sum + bias, -1e9 where masked
LExpr *attention_scored(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j);
LExpr *attention_kept(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j);
LExpr *attention_dropped(const AttentionBuild *b, LExpr *keep, LExpr *x);

// ---- attention_keys.c
// for s0 in steps of KEYS: the loop's body
LBody *attention_key_blocks(AttentionBuild *b, LBody *body);
// Sets b->s0 and b->ns; the body of each run.
LBody *attention_key_runs(AttentionBuild *b, LBody *body, LExpr *first, LExpr *count, LExpr *all);
// Is there a row in the block that has seen nothing, by its largest score or by lse?  Then x(row) is below any score.
LExpr *attention_any_lost(const AttentionBuild *b, LBody *body, int mem, const AttentionMatrix *m);
#endif

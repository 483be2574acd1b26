// See attention.h.
//
// Backward, from lse = m + log l and delta = rowsum(dout * out), which equals rowsum(p * dp) also
// under dropout:
//   p = exp(x - lse);  dp = dout V' (dropped out alike);  ds = p (dp - delta);
//   dq += ds K scale;  dk += ds' q scale;  dv += p' dout (p dropped out).
#include "codegen/plan/attention_build.h"

enum { BACK_ROWS = 48, BACK_PAIRS = 64 }; // of a block, and of one of pairs

static void clear_matrix(const AttentionBuild *b, LBody *body, const AttentionMatrix *m,
                         LExpr *rows, int64_t cols) {
  LExpr *i, *j;
  LStmt *r = loop(b, body, rows, 0, &i);
  LStmt *c = loop(b, &r->body, ints(b, cols), 1, &j);
  store(b, &c->body, m->mem, lx_add(b->a, at(b, m, i), j), num(b, 0), false);
}

static void row_deltas(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LStmt *rows = loop(b, body, s->rows, 0, &i);
  int sum = reg(b, &rows->body, num(b, 0));
  LStmt *cols = loop(b, &rows->body, ints(b, s->dv), 1, &j);
  LExpr *o = load(b, s->out.mem, lx_add(b->a, at(b, &s->out, i), j)),
        *d = load(b, s->dout.mem, lx_add(b->a, at(b, &s->dout, i), j));
  put(b, &cols->body, ls_reduce(b->a, sum, LR_SUM, op2(b, L_MUL, o, d)));
  store(b, &rows->body, b->delta, i, rd(b, sum), false);
}

static void probabilities(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LTile *t = attention_tile(b, body, b->nrows, b->ns, &i, &j);
  attention_against_panels(b, t, &b->s->q, b->s->d, b->kt);
  int lse = reg(b, &t->body, load(b, b->s->lse.mem, at(b, &b->s->lse, lx_add(b->a, b->r0, i))));
  LExpr *x = op2(b, L_SUB, attention_scored(b, &t->body, i, j), rd(b, lse));
  if (b->s->mask) {
    // Where every key is masked, lse is -1e9 + log(keys), of which f32 keeps -1e9 only.
    LExpr *all = lx_op(b->a, L_LT, DT_BOOL, rd(b, lse), num(b, -5e8), NULL);
    x = op2(b, L_SUB, x,
            select3(b, all, op1(b, L_LOG, lx_from_int(b->a, DT_F32, b->s->keys)), num(b, 0)));
  }
  store(b, &t->body, b->p, attention_score_index(b, i, j), op1(b, L_EXP, x), false);
}

static void score_gradients(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LTile *t = attention_tile(b, body, b->nrows, b->ns, &i, &j);
  attention_against_panels(b, t, &s->dout, s->dv, b->vt);
  LBody *e = &t->body;
  LExpr *place = attention_score_index(b, i, j), *keep = NULL, *dp = lx_acc(b->a);
  int p = reg(b, e, load(b, b->p, place));
  if (s->rate > 0) {
    int k = loop_reg(b->k);
    put(b, e, ls_reg(b->a, k, DT_BOOL, attention_kept(b, e, i, j)));
    keep = lx_reg(b->a, DT_BOOL, k);
    dp = attention_dropped(b, keep, dp);
  }
  LExpr *row = lx_add(b->a, b->r0, i);
  LExpr *ds = op2(b, L_MUL, rd(b, p), op2(b, L_SUB, dp, load(b, b->delta, row)));
  ds = op2(b, L_MUL, ds, num(b, s->scale));
  if (s->mask)
    ds = select3(b, s->mask(s->ctx, e, row, lx_add(b->a, b->s0, j)), ds, num(b, 0));
  store(b, e, s->pair_rows ? b->narrow_ds : b->ds, place, ds, false);
  if (keep || s->pair_rows)
    store(b, e, s->pair_rows ? b->narrow_p : b->p, place,
          keep ? attention_dropped(b, keep, rd(b, p)) : rd(b, p), false);
}

// dst (from row `first` on) += scores (or their transpose) times x
static void accumulate(const AttentionBuild *b, LBody *body, int scores, bool transposed,
                       const AttentionMatrix *x, LExpr *xrow, LExpr *k, const AttentionMatrix *dst,
                       LExpr *first, LExpr *rows, int64_t cols) {
  LExpr *i, *j;
  LTile *t = attention_tile(b, body, rows, ints(b, cols), &i, &j);
  attention_scores_times(b, t, scores, transposed, x, xrow, k);
  store(b, &t->body, dst->mem, lx_add(b->a, at(b, dst, lx_add(b->a, first, i)), j), lx_acc(b->a),
        true);
}

// The same of pairs.
static void add_to(const AttentionBuild *b, LBody *body, const AttentionMatrix *dst, LExpr *row,
                   LExpr *j) {
  store(b, body, dst->mem, lx_add(b->a, at(b, dst, row), j), lx_acc(b->a), true);
}

static void accumulate_rows(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LTile *t = attention_tile(b, body, b->nrows, ints(b, b->s->d), &i, &j);
  attention_pairs_times(b, t, b->narrow_ds, SCORE_ROW, b->kn, KEYS, attention_past_keys(b), b->ns);
  add_to(b, &t->body, &b->s->dq, lx_add(b->a, b->r0, i), j);
}

// dst += the transpose of scores, whose zeros reach up to whole pieces of rows, times the block's rows of x.
static void accumulate_keys(const AttentionBuild *b, LBody *body, int scores,
                            const AttentionMatrix *x, const AttentionMatrix *dst, int64_t cols) {
  LExpr *i, *j, *piece = ints(b, LOOP_PAIR_K);
  LExpr *k = lx_iop(b->a, L_IDIV, lx_add(b->a, b->nrows, ints(b, LOOP_PAIR_K - 1)), piece);
  attention_make_pairs(b, body, scores, ints(b, 0), b->ns, b->nrows, ints(b, 1), ints(b, SCORE_ROW),
                       b->turned, 1, BACK_PAIRS);
  attention_stage_features(b, body, x, b->r0, b->nrows, cols, b->rows_n, BACK_PAIRS);
  LTile *t = attention_tile(b, body, b->ns, ints(b, cols), &i, &j);
  attention_pairs_times(b, t, b->turned, BACK_PAIRS, b->rows_n, BACK_PAIRS, ints(b, 0),
                        lx_mul(b->a, k, piece));
  add_to(b, &t->body, dst, lx_add(b->a, b->s0, i), j);
}

// What a block of rows may see of the keys that are staged, or all of them for the sake of rows that see nothing.
static LBody *seen_of_block(AttentionBuild *b, LBody *body) {
  if (!b->s->sees)
    return body;
  LExpr *lost = attention_any_lost(b, body, b->s->lse.mem, &b->s->lse);
  return attention_key_runs(b, body, b->s0, b->ns,
                            declared(b, body, is(b, L_LT, whole(b, 0), lost)));
}

static void add_gradients(AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  probabilities(b, body);
  score_gradients(b, body);
  if (s->pair_rows) {
    accumulate_rows(b, body);
    accumulate_keys(b, body, b->narrow_p, &s->dout, &s->dv_, s->dv);
    accumulate_keys(b, body, b->narrow_ds, &s->q, &s->dk, s->d);
    return;
  }
  accumulate(b, body, b->ds, false, &s->k, b->s0, b->ns, &s->dq, b->r0, b->nrows, s->d);
  accumulate(b, body, b->p, true, &s->dout, b->r0, b->nrows, &s->dv_, b->s0, b->ns, s->dv);
  accumulate(b, body, b->ds, true, &s->q, b->r0, b->nrows, &s->dk, b->s0, b->ns, s->d);
}

// Rows of a block: whole tiles.
static int64_t back_rows(const AttentionShape *s) {
  return s->pair_rows ? BACK_PAIRS / s->pair_rows * s->pair_rows : BACK_ROWS;
}

static void scratch_of_backward(AttentionBuild *b) {
  const AttentionShape *s = b->s;
  b->p = scratch(b, "p", back_rows(s) * SCORE_ROW);
  if (!s->pair_rows) {
    b->kt = scratch(b, "kt", KEYS * s->d);
    b->vt = scratch(b, "vt", KEYS * s->dv);
    b->ds = scratch(b, "ds", BACK_ROWS * SCORE_ROW);
    return;
  }
  int64_t most = s->d > s->dv ? s->d : s->dv;
  b->kt = narrow_scratch(b, "kt", KEYS * whole_pairs(s->d));
  b->vt = narrow_scratch(b, "vt", KEYS * whole_pairs(s->dv));
  b->kn = narrow_scratch(b, "kn", panels(b, s->d) * KEYS);
  b->rows_n = narrow_scratch(b, "rows", panels(b, most) * BACK_PAIRS);
  b->narrow_p = narrow_scratch(b, "narrow p", BACK_PAIRS * SCORE_ROW);
  b->narrow_ds = narrow_scratch(b, "narrow ds", BACK_PAIRS * SCORE_ROW);
  b->turned = narrow_scratch(b, "turned", (KEYS + LOOP_PAIR_ROWS) * BACK_PAIRS);
}

void attention_backward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s) {
  AttentionBuild b = {.a = a, .k = k, .s = s};
  LExpr *v;
  scratch_of_backward(&b);
  b.delta = loop_scratch(a, k, "delta", DT_F32, s->rows_size);
  clear_matrix(&b, body, &s->dq, s->rows, s->d);
  clear_matrix(&b, body, &s->dk, s->keys, s->d);
  clear_matrix(&b, body, &s->dv_, s->keys, s->dv);
  row_deltas(&b, body);
  LBody *keys = attention_key_blocks(&b, body);
  attention_stage_keys(&b, keys, &s->k, s->d, b.kt);
  attention_stage_keys(&b, keys, &s->v, s->dv, b.vt);
  if (s->pair_rows)
    attention_stage_features(&b, keys, &s->k, b.s0, b.ns, s->d, b.kn, KEYS);
  int64_t most = back_rows(s);
  LExpr *blocks = lx_iop(a, L_IDIV, lx_add(a, s->rows, ints(&b, most - 1)), ints(&b, most));
  LStmt *rows = loop(&b, keys, blocks, 0, &v);
  b.r0 = lx_mul(a, v, ints(&b, most));
  b.nrows = lx_iop(a, L_IMIN, ints(&b, most), lx_iop(a, L_ISUB, s->rows, b.r0));
  add_gradients(&b, seen_of_block(&b, &rows->body));
}

// See attention.h.
//
// Forward, for a block of rows: keys come in blocks of KEYS; their transposed copy K' is staged
// once a block.  With x the scaled, masked scores of the block, m the running maximum and l the
// running sum,
//   m' = max(m, max x);  c = exp(m - m');  p = exp(x - m');  l = l c + sum p;  acc = acc c + p V;
//   at the end out = acc / l.
// Dropout acts on p after the sum, as on softmax's result.
#include "codegen/plan/attention_build.h"

static void clear_state(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  store(b, &rows->body, b->max, i, num(b, -3e38), false);
  store(b, &rows->body, b->sum, i, num(b, 0), false);
  LStmt *cols = loop(b, &rows->body, ints(b, b->s->dv), 1, &j);
  store(b, &cols->body, b->acc, lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j), num(b, 0),
        false);
}

static void softmax_block(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  LBody *r = &rows->body;
  int before = reg(b, r, load(b, b->max, i)), m = reg(b, r, rd(b, before)),
      sum = reg(b, r, num(b, 0));
  LStmt *most = loop(b, r, b->ns, 4, &j);
  put(b, &most->body, ls_reduce(b->a, m, LR_MAX, load(b, b->p, attention_score_index(b, i, j))));
  LStmt *exps = loop(b, r, b->ns, 2, &j);
  int e =
      reg(b, &exps->body,
          op1(b, L_EXP, op2(b, L_SUB, load(b, b->p, attention_score_index(b, i, j)), rd(b, m))));
  put(b, &exps->body, ls_reduce(b->a, sum, LR_SUM, rd(b, e)));
  LExpr *value = rd(b, e);
  if (b->s->rate > 0)
    value = attention_dropped(b, attention_kept(b, &exps->body, i, j), value);
  store(b, &exps->body, b->s->pair_rows ? b->narrow_p : b->p, attention_score_index(b, i, j), value,
        false);
  int c = reg(b, r, op1(b, L_EXP, op2(b, L_SUB, rd(b, before), rd(b, m))));
  store(b, r, b->max, i, rd(b, m), false);
  store(b, r, b->sum, i, op2(b, L_ADD, op2(b, L_MUL, load(b, b->sum, i), rd(b, c)), rd(b, sum)),
        false);
  LStmt *cols = loop(b, r, ints(b, b->s->dv), 1, &j);
  LExpr *place = lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j);
  store(b, &cols->body, b->acc, place, op2(b, L_MUL, load(b, b->acc, place), rd(b, c)), false);
}

static void finish_rows(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  LExpr *row = lx_add(b->a, b->r0, i);
  int inv = reg(b, &rows->body, op2(b, L_DIV, num(b, 1), load(b, b->sum, i)));
  LStmt *cols = loop(b, &rows->body, ints(b, s->dv), 1, &j);
  LExpr *place = lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j);
  store(b, &cols->body, s->out.mem, lx_add(b->a, at(b, &s->out, row), j),
        op2(b, L_MUL, load(b, b->acc, place), rd(b, inv)), false);
  if (s->lse.mem >= 0)
    store(b, &rows->body, s->lse.mem, at(b, &s->lse, row),
          op2(b, L_ADD, load(b, b->max, i), op1(b, L_LOG, load(b, b->sum, i))), false);
}

// Twice over the keys: those that may be seen, and all where that leaves a row with nothing.
static LBody *seen_keys(AttentionBuild *b, LBody *body) {
  LExpr *pass, *once, *i;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  store(b, &rows->body, b->max, i, num(b, -3e38), false);
  LBody *in = &loop(b, body, ints(b, 2), 0, &pass)->body;
  LExpr *lost = attention_any_lost(b, in, b->max, NULL);
  in = &loop(b, in, lx_to_int(b->a, lost), 0, &once)->body;
  clear_state(b, in);
  LExpr *all = is(b, L_LT, whole(b, 0), lx_from_int(b->a, DT_I32, pass));
  return attention_key_runs(b, in, ints(b, 0), b->s->keys, declared(b, in, all));
}

static LBody *all_keys(AttentionBuild *b, LBody *body) {
  clear_state(b, body);
  return attention_key_blocks(b, body);
}

static void scratch_of_forward(AttentionBuild *b) {
  const AttentionShape *s = b->s;
  b->kt = s->pair_rows ? narrow_scratch(b, "kt", KEYS * whole_pairs(s->d))
                       : scratch(b, "kt", KEYS * s->d);
  b->p = scratch(b, "p", ATTENTION_ROWS * SCORE_ROW);
  b->acc = scratch(b, "acc", ATTENTION_ROWS * b->acc_row);
  b->max = scratch(b, "max", ATTENTION_ROWS);
  b->sum = scratch(b, "sum", ATTENTION_ROWS);
  if (!s->pair_rows)
    return;
  b->vn = narrow_scratch(b, "vn", panels(b, s->dv) * KEYS);
  b->narrow_p = narrow_scratch(b, "narrow p", ATTENTION_ROWS * SCORE_ROW);
}

void attention_forward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s, LExpr *row0,
                       LExpr *nrows) {
  AttentionBuild b = {.a = a, .k = k, .s = s, .r0 = row0, .nrows = nrows};
  LExpr *i, *j;
  b.acc_row = panels(&b, s->dv) + 16;
  scratch_of_forward(&b);
  LBody *keys = (s->sees ? seen_keys : all_keys)(&b, body);
  attention_stage_keys(&b, keys, &s->k, s->d, b.kt);
  if (s->pair_rows)
    attention_stage_features(&b, keys, &s->v, b.s0, b.ns, s->dv, b.vn, KEYS);
  LTile *t = attention_tile(&b, keys, nrows, b.ns, &i, &j);
  attention_against_panels(&b, t, &s->q, s->d, b.kt);
  store(&b, &t->body, b.p, attention_score_index(&b, i, j), attention_scored(&b, &t->body, i, j),
        false);
  softmax_block(&b, keys);
  t = attention_tile(&b, keys, nrows, ints(&b, s->dv), &i, &j);
  if (s->pair_rows)
    attention_pairs_times(&b, t, b.narrow_p, SCORE_ROW, b.vn, KEYS, ints(&b, 0), b.ns);
  else
    attention_scores_times(&b, t, b.p, false, &s->v, b.s0, b.ns);
  store(&b, &t->body, b.acc, lx_add(a, lx_mul(a, i, ints(&b, b.acc_row)), j), lx_acc(a), true);
  finish_rows(&b, body);
}

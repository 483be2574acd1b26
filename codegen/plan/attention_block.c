// Attention as one statement, for machines whose code for it is a block's: see attention.h.
#include "codegen/plan/attention.h"

static int declare(Arena *a, LKernel *k, LBody *body, LExpr *value) {
  int reg = loop_reg(k);
  vec_push(a, body, ls_reg(a, reg, value->dtype, value));
  return reg;
}

// scale * sum + bias, whether the key is seen, and whether dropout keeps it.
static void add_scores(Arena *a, LKernel *k, LStmt *stmt, const AttentionShape *s) {
  LAttention *t = stmt->attention;
  LBody *body = &stmt->body;
  LExpr *row = lx_var(a, t->row), *key = lx_var(a, t->key);
  LExpr *x = lx_op(a, L_MUL, DT_F32, lx_acc(a), lx_const(a, DT_F32, s->scale), NULL);
  if (s->bias)
    x = lx_op(a, L_ADD, DT_F32, x, s->bias(s->ctx, body, row, key), NULL);
  t->score = declare(a, k, body, x);
  if (s->mask)
    t->seen = declare(a, k, body, s->mask(s->ctx, body, row, key));
  if (s->rate <= 0)
    return;
  LExpr *r = s->random(s->ctx, body, row, key);
  t->kept = declare(a, k, body, lx_op(a, L_LE, DT_BOOL, lx_const(a, DT_F32, s->rate), r, NULL));
}

void attention_block(Arena *a, LKernel *k, LBody *body, const AttentionShape *s, LPart part,
                     LExpr *first) {
  const LMatrix m[LM_COUNT] = {
      [LM_Q] = s->q,     [LM_K] = s->k,       [LM_V] = s->v,         [LM_OUT] = s->out,
      [LM_LSE] = s->lse, [LM_DOUT] = s->dout, [LM_DELTA] = s->delta, [LM_DQ] = s->dq,
      [LM_DK] = s->dk,   [LM_DV] = s->dv_};
  LStmt *stmt = ls_attention(a, part);
  LAttention *t = stmt->attention;
  t->first = first;
  t->rows = s->rows;
  t->keys = s->keys;
  t->d = s->d;
  t->dv = s->dv;
  t->scale = s->scale;
  t->rate = s->rate;
  t->near = s->near;
  t->behind = s->behind;
  t->ahead = s->ahead;
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(part, i) != 'N')
      t->m[i] = m[i];
  t->row = loop_var(k);
  t->key = loop_var(k);
  add_scores(a, k, stmt, s);
  vec_push(a, body, stmt);
}
